"""The same from Python: five functions that return an Outcome or raise."""

from __future__ import annotations

from pathlib import Path

import pytest

import agentrail_runtime
from agentrail_runtime import errors
from agentrail_runtime.outcome import Outcome
from tests.scenario.story import BASE, GUIDE, MINE, NEXT, RIVAL, files, guide, stashed
from tests.support import snapshot, write


def copy(bundle: Path) -> dict[str, str]:
    return {"source": "copy", "runtime_dir": str(bundle)}


def test_the_package_offers_what_is_documented() -> None:
    assert sorted(agentrail_runtime.__all__) == [
        "__version__",
        "install",
        "plan",
        "rollback",
        "uninstall",
        "verify",
    ]
    with pytest.raises(AttributeError, match="has no attribute 'instal'"):
        _ = agentrail_runtime.instal


@pytest.mark.parametrize("as_text", [False, True])
def test_a_whole_life_from_python(repo: Path, as_text: bool) -> None:
    target = str(repo) if as_text else repo
    before = snapshot(repo)
    planned = agentrail_runtime.plan(target)
    assert snapshot(repo) == before
    done = agentrail_runtime.install(target)
    assert isinstance(done, Outcome)
    assert (planned.result, done.result, done.changed) == ("planned", "applied", True)
    assert planned.actions == done.actions
    assert (done.summary["create"], done.summary["update"]) == (39, 2)
    assert agentrail_runtime.verify(target).result == "unchanged"
    assert agentrail_runtime.install(target).result == "unchanged"
    assert agentrail_runtime.rollback(target).result == "applied"
    assert snapshot(repo) == before
    agentrail_runtime.install(target)
    assert agentrail_runtime.uninstall(target).result == "applied"
    assert snapshot(repo) == before


def test_a_plan_tells_of_conflicts_and_raises_none(repo: Path, v1: Path, tmp_path: Path) -> None:
    agentrail_runtime.install(repo, **copy(v1))
    write(repo, {GUIDE: MINE})
    rival = guide(tmp_path / "v2", RIVAL, "1.1.0")
    outcome = agentrail_runtime.plan(repo, **copy(rival))
    assert (outcome.result, outcome.changed, outcome.summary["conflict"]) == ("conflict", False, 1)


def test_an_install_raises_for_conflicts_with_all_paths(repo: Path, v1: Path, tmp_path: Path) -> None:
    agentrail_runtime.install(repo, **copy(v1))
    write(repo, {GUIDE: MINE})
    rival = guide(tmp_path / "v2", RIVAL, "1.1.0")
    with pytest.raises(errors.ConflictError) as caught:
        agentrail_runtime.install(repo, **copy(rival))
    assert (caught.value.code, caught.value.paths) == (3, (GUIDE,))
    assert caught.value.outcome is not None
    assert (repo / GUIDE).read_bytes() == MINE


def test_options_have_the_names_of_the_command_line(repo: Path, v1: Path, v2: Path) -> None:
    agentrail_runtime.install(repo, task_root="tasks", **copy(v1))
    write(repo, {GUIDE: MINE})
    outcome = agentrail_runtime.install(repo, on_conflict="overwrite", with_diff=True, **copy(v2))
    assert outcome.diff is not None
    assert (repo / GUIDE).read_bytes() == NEXT
    assert stashed(repo)[GUIDE] == {MINE}
    assert outcome.task_root == "tasks"
    agentrail_runtime.install(repo, allow_downgrade=True, **copy(v1))
    assert (repo / GUIDE).read_bytes() == BASE


def test_an_unknown_option_is_a_type_error_and_writes_nothing(repo: Path) -> None:
    with pytest.raises(TypeError):
        agentrail_runtime.install(repo, forse=True)
    assert not (repo / ".agentrail").exists()


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (agentrail_runtime.verify, errors.NotInstalledError),
        (agentrail_runtime.uninstall, errors.NotInstalledError),
        (agentrail_runtime.rollback, errors.HistoryError),
    ],
)
def test_nothing_installed_is_an_error_of_its_own(
    repo: Path, function: object, error: type[errors.AgentRailError]
) -> None:
    assert callable(function)
    with pytest.raises(error) as caught:
        function(repo)
    assert caught.value.code == 1
    assert caught.value.hint


def test_drift_is_raised_by_verify_with_all_paths(repo: Path) -> None:
    agentrail_runtime.install(repo)
    write(repo, {"docs/templates/spec.md": "mine\n"})
    (repo / "docs/templates/plan.md").unlink()
    with pytest.raises(errors.DriftError) as caught:
        agentrail_runtime.verify(repo)
    assert caught.value.paths == ("docs/templates/plan.md", "docs/templates/spec.md")


def test_a_missing_source_is_raised_before_anything_is_written(repo: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.SourceError):
        agentrail_runtime.install(repo, **copy(tmp_path / "nothing"))
    with pytest.raises(errors.SourceError):
        agentrail_runtime.install(repo, require_signature=True)
    assert not (repo / ".agentrail").exists()


def test_a_downgrade_is_raised(repo: Path, v1: Path, v2: Path) -> None:
    agentrail_runtime.install(repo, **copy(v2))
    with pytest.raises(errors.IncompatibleError):
        agentrail_runtime.install(repo, **copy(v1))


def test_a_rollback_takes_id_and_force(repo: Path, v1: Path, v2: Path) -> None:
    before = files(repo)
    first = agentrail_runtime.install(repo, **copy(v1)).transaction
    agentrail_runtime.install(repo, **copy(v2))
    write(repo, {GUIDE: MINE})
    with pytest.raises(errors.ConflictError):
        agentrail_runtime.rollback(repo, to=first)
    assert agentrail_runtime.rollback(repo, to=first, force=True).changed
    assert files(repo) - {".agentrail/.gitignore"} == before
    assert MINE in stashed(repo)[GUIDE]


def test_an_uninstall_takes_purge(repo: Path, v1: Path, v2: Path) -> None:
    before = snapshot(repo, with_state=True)
    agentrail_runtime.install(repo, **copy(v1))
    write(repo, {GUIDE: MINE})
    agentrail_runtime.install(repo, on_conflict="overwrite", **copy(v2))
    agentrail_runtime.uninstall(repo, purge=True)
    assert snapshot(repo, with_state=True) == before


def test_verify_and_rollback_take_the_current_directory_by_default(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agentrail_runtime.install(repo)
    monkeypatch.chdir(repo / "docs")
    assert agentrail_runtime.verify().target == str(repo)
    assert agentrail_runtime.rollback().target == str(repo)


def test_every_error_is_caught_by_one_class_and_knows_its_exit_code() -> None:
    codes = {
        kind.__name__: kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.AgentRailError)
    }
    assert {code: sorted(n for n, c in codes.items() if c == code) for code in (3, 4, 5, 6, 7)} == {
        3: ["ConflictError"],
        4: ["DriftError"],
        5: ["IncompatibleError"],
        6: ["SourceError"],
        7: ["RecoveryError"],
    }
