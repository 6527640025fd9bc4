"""``agentrail migration suspend`` and ``resume``: back to copy at once, and on after a gate."""

from __future__ import annotations

import errno
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime import policy_file, source
from agentrail_runtime.entry import INDEX_NAME, SIGNATURE_NAME
from agentrail_runtime.operation import migration as operation
from agentrail_runtime.operation.standing import Options, status
from agentrail_runtime.release import event
from agentrail_runtime.release import policy as policy_
from agentrail_runtime.release.policy import load
from agentrail_runtime.release.runbook import RUNBOOK_PATH
from agentrail_runtime.target import Target
from tests.scenario.migrating import DECISIONS, decide, events, make_framework, make_payload
from tests.scenario.story import agentrail, install, shipped_copy
from tests.support import Run, snapshot, write

POLICY = "distribution.yaml"
SWITCH = ".agentrail/policy.yaml"
NOTE = ".agentrail/distribution-status.md"
SUSPENDED_AT = "2027-05-01T08:00:00Z"
EARLIER, LATER = "2027-05-01T07:59:59Z", "2027-05-01T08:00:01Z"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_payload(tmp_path_factory.mktemp("suspend") / "tree")


@pytest.fixture
def tree(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree of this package, and the directory to work in; its index is that of its files."""
    root = tmp_path / "tree"
    shutil.copytree(made, root, symlinks=True)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def payload(tree: Path) -> Path:
    return tree / "agentrail_runtime/payload"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("installed") / "target"
    assert install(root, "--source", "package").code == 0
    return root


@pytest.fixture
def target(installed: Path, tmp_path: Path) -> Path:
    """A target."""
    return Path(shutil.copytree(installed, tmp_path / "target"))


def suspend(*words: str | Path, reason: str = "1.1.0 breaks", at: str = SUSPENDED_AT) -> Run:
    return agentrail("migration", "suspend", "--reason", reason, "--as-of", at, *words)


def resume(*words: str | Path) -> Run:
    return agentrail("migration", "resume", *words)


def done(run: Run) -> Run:
    assert run.code == 0, run.err
    return run


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# --- the framework repository ------------------------------------------------------------------------


def test_one_step_makes_copy_the_default_for_whoever_gets_the_next_bundle(payload: Path) -> None:
    run = done(suspend())
    assert run.out.splitlines() == [
        "suspended: copy is the default route now",
        RUNBOOK_PATH,
        INDEX_NAME,
        POLICY,
    ]
    policy = load((payload / POLICY).read_bytes())
    assert policy.suspension == (SUSPENDED_AT, "1.1.0 breaks")
    assert f"(Suspended): {SUSPENDED_AT} から (since) - 1.1.0 breaks" in text(payload / RUNBOOK_PATH)
    assert source.open_copy(str(payload)).index.default_source == "copy"


def test_everybody_sees_the_suspension(tree: Path) -> None:
    done(suspend())
    run = done(agentrail("migration", "status", "--quick", "--json"))
    assert run.json["default_source"] == "copy"
    assert run.json["default_reason"] == f"suspended since {SUSPENDED_AT}: 1.1.0 breaks"
    assert run.json["suspended"] == {"since": SUSPENDED_AT, "reason": "1.1.0 breaks"}
    assert run.json["findings"] == []


def test_a_resumed_tree_is_byte_for_byte_what_it_was(tree: Path) -> None:
    decide(tree / DECISIONS, version="1.0.0", at=LATER)
    before = snapshot(tree)
    done(suspend())
    assert snapshot(tree) != before
    run = done(resume())
    assert run.out.splitlines()[:2] == [
        "resumed: package is the default route now",
        f"1.0.0 passed general at {LATER}: enough installs",
    ]
    assert snapshot(tree) == before


def test_windows_line_ends_and_a_bundle_without_index_survive_the_round_trip(tmp_path: Path) -> None:
    root = make_framework(tmp_path / "beacon")
    for name in (POLICY, RUNBOOK_PATH):
        (root / name).write_bytes((root / name).read_bytes().replace(b"\n", b"\r\n"))
    decide(tmp_path / DECISIONS, at=LATER)
    before = snapshot(root)
    assert done(suspend("--json", root)).json["paths"] == [RUNBOOK_PATH, POLICY]
    done(resume("--decisions", tmp_path / DECISIONS, root))
    assert snapshot(root) == before


def test_a_second_suspension_changes_nothing_and_says_so(tree: Path) -> None:
    done(suspend())
    before = snapshot(tree, with_times=True)
    run = done(suspend(reason="another", at=LATER))
    assert run.out == f"unchanged: suspended already since {SUSPENDED_AT}: 1.1.0 breaks\n"
    assert snapshot(tree, with_times=True) == before


def test_a_runbook_that_was_changed_since_is_brought_back(payload: Path) -> None:
    done(suspend())
    before = snapshot(payload)
    page = payload / RUNBOOK_PATH
    page.write_text(text(page).replace("1.1.0 breaks", "all is well"), encoding="utf-8", newline="")
    run = done(suspend())
    assert run.out.splitlines() == [
        f"suspended already since {SUSPENDED_AT}: 1.1.0 breaks",
        RUNBOOK_PATH,
    ]
    assert snapshot(payload) == before


def test_the_copy_route_cannot_be_the_default_once_it_is_gone(payload: Path) -> None:
    policy = payload / POLICY
    policy.write_text(text(policy).replace("phase: 3\n", "phase: 4\n"), encoding="utf-8", newline="")
    before = snapshot(payload, with_times=True)
    run = suspend()
    assert run.code == 1
    assert "the copy route was removed (phase 4)" in run.err
    assert "hint: withdraw the version instead" in run.err
    assert snapshot(payload, with_times=True) == before


@pytest.mark.parametrize("reason", ["", " \n ", "a\x1bb", "x" * 501, "\udcff"])
def test_a_reason_has_to_be_one(payload: Path, reason: str) -> None:
    before = snapshot(payload)
    assert suspend(reason=reason).code == 2
    assert snapshot(payload) == before


@pytest.mark.parametrize(
    "reason", ['"quoted": # and\nnewline', "日本語の理由", "- [x]: {y}", "'", "&a *b !c"]
)
def test_any_words_are_kept_as_a_reason(payload: Path, reason: str) -> None:
    done(suspend(reason=reason))
    suspension = load((payload / POLICY).read_bytes()).suspension
    assert suspension is not None
    assert suspension.reason == " ".join(reason.split())


def test_a_reason_that_the_policy_would_not_keep_is_refused(
    payload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_, "with_suspension", lambda policy, suspension: b"phase: 3\n")
    run = suspend()
    assert run.code == 2
    assert "has characters that a policy cannot hold" in run.err


def test_a_signature_of_the_former_index_is_taken_away_and_named(payload: Path) -> None:
    write(payload, {SIGNATURE_NAME: "of the former index"})
    run = done(suspend())
    assert f"{SIGNATURE_NAME}: removed, the index changed" in run.out
    assert not (payload / SIGNATURE_NAME).exists()


def test_an_event_tells_of_the_suspension(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "events").mkdir()
    monkeypatch.setenv("AGENTRAIL_EVENTS", str(tmp_path / "events"))
    done(suspend())
    done(suspend())
    names = ("op", "route", "phase", "outcome", "error_code", "version")
    assert [[row[name] for name in names] for row in events(tmp_path / "events")] == [
        ["rollback", "copy", "finished", "rolled_back", 0, "1.0.0"]
    ]
    assert not (tree / ".agentrail").exists()


def test_a_place_for_events_that_is_gone_is_a_notice(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTRAIL_EVENTS", str(tmp_path / "none"))
    assert "AGENTRAIL_EVENTS: no event was written: " in done(suspend()).out


@pytest.mark.parametrize("broken", [RUNBOOK_PATH, INDEX_NAME, POLICY])
def test_a_disk_that_is_full_leaves_all_files_as_they_were(
    tree: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    write(tree / "agentrail_runtime/payload", {SIGNATURE_NAME: "of the former index"})
    before = snapshot(tree)
    rewrite = Target.rewrite
    tries: list[str] = []

    def full(self: Target, path: Any, data: bytes) -> None:
        if path == broken and not tries:
            tries.append(path)
            raise OSError(errno.ENOSPC, "No space left on device")
        rewrite(self, path, data)

    monkeypatch.setattr(Target, "rewrite", full)
    run = suspend()
    assert run.code == 1
    assert "cannot be written: No space left on device; all files are as they were" in run.err
    assert snapshot(tree) == before


def test_what_cannot_be_put_back_is_named(
    tree: Path, payload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite = Target.rewrite

    def full(self: Target, path: Any, data: bytes) -> None:
        if path != RUNBOOK_PATH or b"1.1.0 breaks" not in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        rewrite(self, path, data)

    monkeypatch.setattr(Target, "rewrite", full)
    run = suspend()
    assert run.code == 7
    assert run.err.splitlines()[0] == f"{payload / RUNBOOK_PATH}: could not be put back"
    assert "hint: restore them from version control" in run.err


@pytest.mark.parametrize("last", [RUNBOOK_PATH, INDEX_NAME])
def test_a_run_that_was_killed_is_finished_by_the_next(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    whole = Path(shutil.copytree(tree, tmp_path / "whole"))
    done(suspend(whole))
    put = operation._set
    is_dead: list[str] = []

    def killed(target: Target, path: Any, data: bytes | None) -> None:
        if not is_dead:
            put(target, path, data)
        if path == last:
            is_dead.append(path)
            raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(operation, "_set", killed)
        assert suspend().code == 130
    assert load((tree / "agentrail_runtime/payload" / POLICY).read_bytes()).suspension is None
    done(suspend())
    assert snapshot(tree) == snapshot(whole)


def test_a_policy_behind_a_link_is_not_written(payload: Path, tmp_path: Path) -> None:
    shutil.copy(payload / POLICY, tmp_path / "elsewhere.yaml")
    write(tmp_path / "fw", {RUNBOOK_PATH: (payload / RUNBOOK_PATH).read_bytes()})
    (tmp_path / "fw" / POLICY).symlink_to(tmp_path / "elsewhere.yaml")
    before = snapshot(tmp_path)
    run = suspend("--policy", tmp_path / "fw" / POLICY, tmp_path / "fw")
    assert run.code == 1
    assert f"{POLICY}: cannot be read" in run.err
    assert "(expected a plain file)" in run.err
    assert snapshot(tmp_path) == before


def test_the_api_tells_what_happened(tree: Path) -> None:
    now = datetime(2027, 5, 1, 8, tzinfo=timezone.utc)
    assert operation.suspend(str(tree), reason="x", now=now) == [
        "suspended: copy is the default route now"
    ]
    assert status(Options(now=now, root=str(tree), is_quick=True)).default_source == "copy"


def test_a_reason_that_another_command_gives_never_stops_a_suspension(
    tree: Path, payload: Path
) -> None:
    now = datetime(2027, 5, 1, 8, tzinfo=timezone.utc)
    operation.suspend(str(tree), reason="1.1.0 was withdrawn:\x1b\ud800" + "x" * 999, now=now)
    suspension = load((payload / POLICY).read_bytes()).suspension
    assert suspension is not None
    assert suspension.reason == "1.1.0 was withdrawn: " + "x" * 479


# --- resume ------------------------------------------------------------------------------------------


def test_without_a_decision_the_route_stays_suspended(tree: Path) -> None:
    done(suspend())
    before = snapshot(tree, with_times=True)
    run = resume()
    assert run.code == 1
    assert "1.0.0 at general: no decision (expected promote, after 2027-05-01T08:00:00Z)" in run.err
    assert (
        "hint: agentrail release gate --stage general --version 1.0.0 --events DIR --record" in run.err
    )
    assert snapshot(tree, with_times=True) == before


@pytest.mark.parametrize(
    ("version", "verdict", "at", "why"),
    [
        ("1.0.0", "hold", LATER, "the newest decision is hold"),
        ("1.0.0", "stop", LATER, "the newest decision is stop"),
        ("1.0.0", "promote", EARLIER, f"the newest decision is of {EARLIER}, before the suspension"),
        ("1.0.0", "promote", SUSPENDED_AT, f"the newest decision is of {SUSPENDED_AT}, before"),
        ("1.0.1", "promote", LATER, "no decision"),
    ],
)
def test_a_decision_that_is_no_pass_since_then_resumes_nothing(
    tree: Path, version: str, verdict: Any, at: str, why: str
) -> None:
    done(suspend())
    decide(tree / DECISIONS, version=version, verdict=verdict, at=at)
    run = resume()
    assert run.code == 1
    assert why in run.err


def test_the_version_that_mends_it_can_be_named(tree: Path) -> None:
    done(suspend())
    decide(tree / DECISIONS, version="1.0.1", stage="pilot", at=LATER)
    assert resume("--version", "1.0.1").code == 1
    done(resume("--version", "1.0.1", "--stage", "pilot"))


def test_a_step_can_be_quiet(tree: Path) -> None:
    assert suspend("-q") == (0, "", "")


def test_a_damaged_file_of_decisions_resumes_nothing(tree: Path) -> None:
    done(suspend())
    (tree / DECISIONS).mkdir()
    run = resume()
    assert run.code == 1
    assert f"{DECISIONS}: cannot be read" in run.err


def run_events(directory: Path, *, successes: int, failures: int) -> Path:
    """Write the events of first installs, each in a repository of its own."""
    directory.mkdir()
    for number in range(successes + failures):
        outcome, code = ("ok", 0) if number < successes else ("failed", 1)
        ends: list[tuple[Any, Any, Any]] = [("started", None, None), ("finished", outcome, code)]
        for phase, outcome_, code_ in ends:
            line = event.Event(
                schema_version="1.0",
                event_id=f"run-{number}",
                ts="2027-01-01T00:00:00Z",
                repo=f"{number:064x}",
                channel="internal",
                version="1.0.1",
                from_version=None,
                route="package",
                op="install",
                phase=phase,
                outcome=outcome_,
                error_code=code_,
                duration_ms=None,
                python=None,
                os=None,
            )
            with (directory / "events.jsonl").open("ab") as file:
                file.write(event.dump(line))
    return directory


def test_the_gate_can_be_run_on_the_spot(tree: Path, tmp_path: Path) -> None:
    done(suspend())
    words = ("--stage", "internal", "--version", "1.0.1", "--as-of", LATER, "--events")
    good = run_events(tmp_path / "good", successes=120, failures=0)
    run = done(resume(*words, good))
    assert run.out.splitlines()[1].startswith("1.0.1 passed internal: ")


@pytest.mark.parametrize(("successes", "failures", "verdict"), [(3, 0, "hold"), (10, 20, "stop")])
def test_a_gate_that_is_not_passed_on_the_spot_resumes_nothing(
    tree: Path, tmp_path: Path, successes: int, failures: int, verdict: str
) -> None:
    done(suspend())
    before = snapshot(tree, with_times=True)
    found = run_events(tmp_path / "events", successes=successes, failures=failures)
    words = ("--stage", "internal", "--version", "1.0.1", "--as-of", LATER)
    run = resume(*words, "--events", found)
    assert run.code == 1
    assert f"1.0.1 at internal: the gate says {verdict}: " in run.err
    assert snapshot(tree, with_times=True) == before


def test_what_is_not_suspended_cannot_be_resumed(tree: Path) -> None:
    before = snapshot(tree, with_times=True)
    assert done(resume()).out == "unchanged: not suspended\n"
    assert snapshot(tree, with_times=True) == before


# --- a target ----------------------------------------------------------------------------------------


def test_a_target_is_switched_by_itself(target: Path, tmp_path: Path) -> None:
    run = done(suspend(target))
    assert run.out.splitlines() == [
        f"switched: copy is the default route here; commit {NOTE} and {SWITCH}",
        NOTE,
        SWITCH,
    ]
    assert 'since: "2027-05-01T08:00:00Z"' in text(target / SWITCH)
    assert "- 理由 (Reason): 1.1.0 breaks" in text(target / NOTE)
    bundle = shipped_copy(tmp_path / "dist/runtime")
    told = done(install(target, "--runtime-dir", bundle, "--json"))
    assert told.json["source"]["kind"] == "copy"


def test_a_target_that_is_resumed_is_byte_for_byte_what_it_was(target: Path, tmp_path: Path) -> None:
    before = snapshot(target)
    done(suspend(target))
    assert resume("--decisions", tmp_path / DECISIONS, target).code == 1
    decide(tmp_path / DECISIONS, version="1.0.0", at=LATER)
    run = done(resume("--decisions", tmp_path / DECISIONS, target))
    assert run.out.startswith("switched back: package is the default route here; commit ")
    assert snapshot(target) == before
    assert done(resume(target)).out == "unchanged: not switched\n"


def test_the_status_of_a_target_tells_of_its_switch(target: Path) -> None:
    done(suspend(target))
    run = done(agentrail("migration", "status", target))
    assert run.out.splitlines()[1] == (
        f"default route: copy (switched since {SUSPENDED_AT}: 1.1.0 breaks)"
    )
    assert "policy: the one of this package; no framework repository here" in run.out
    told = agentrail("migration", "status", "--json", target).json
    assert told["switch"] == {
        "default_source": "copy",
        "reason": "1.1.0 breaks",
        "since": SUSPENDED_AT,
    }
    assert (told["policy"], told["conditions"]) == (None, [])


def test_a_target_that_is_switched_twice_says_so(target: Path) -> None:
    done(suspend(target))
    before = snapshot(target, with_times=True)
    run = done(suspend(target, reason="another", at=LATER))
    assert run.out == f"unchanged: switched to copy already since {SUSPENDED_AT}: 1.1.0 breaks\n"
    assert snapshot(target, with_times=True) == before


def test_an_operators_own_switch_to_the_package_is_replaced_and_named(target: Path) -> None:
    switch = (
        'schema_version: "1.0"\ndefault_source: package\nreason: mine\nsince: "2027-01-01T00:00:00Z"\n'
    )
    write(target, {SWITCH: switch})
    told = agentrail("migration", "status", "--json", target).json
    assert (told["default_source"], told["findings"]) == ("package", [])
    assert done(resume(target)).out == "unchanged: not switched to copy: mine\n"
    assert f"{SWITCH}: said package before: mine" in done(suspend(target)).out


def test_a_variable_that_comes_first_is_named(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(suspend(target))
    shutil.copy(target / SWITCH, tmp_path / "policy.yaml")
    monkeypatch.setenv("AGENTRAIL_POLICY", str(tmp_path / "policy.yaml"))
    decide(tmp_path / DECISIONS, version="1.0.0", at=LATER)
    run = done(resume("--decisions", tmp_path / DECISIONS, target))
    assert f"{tmp_path / 'policy.yaml'}: what it says comes first (AGENTRAIL_POLICY)" in run.out


def test_an_event_in_the_target_tells_of_its_switch(target: Path) -> None:
    done(suspend(target))
    rows = events(target / ".agentrail/state")
    assert [rows[-1][name] for name in ("op", "route", "outcome")] == [
        "rollback",
        "copy",
        "rolled_back",
    ]


@pytest.mark.parametrize("command", [suspend, resume])
def test_where_nothing_is_installed_nothing_is_switched(repo: Path, command: Any) -> None:
    before = snapshot(repo)
    run = command(repo)
    assert run.code == 1
    assert "AgentRail is not installed here" in run.err
    assert snapshot(repo) == before


@pytest.mark.parametrize("path", [SWITCH, NOTE, ".agentrail"])
def test_a_link_in_a_target_is_not_followed(target: Path, tmp_path: Path, path: str) -> None:
    if (target / path).is_dir():
        (target / path).rename(tmp_path / "elsewhere")
    else:
        (tmp_path / "elsewhere").write_bytes(b"mine")
    (target / path).symlink_to(tmp_path / "elsewhere")
    before = snapshot(tmp_path)
    assert suspend(target).code == 1
    assert snapshot(tmp_path) == before


# --- check in a target -------------------------------------------------------------------------------


def check(*words: str | Path, at: str = SUSPENDED_AT) -> Run:
    return agentrail("migration", "check", "--as-of", at, *words)


def test_a_target_passes_with_and_without_a_switch(target: Path, repo: Path) -> None:
    assert [check(target).code, check(repo).code] == [0, 0]
    done(suspend(target))
    assert check(target).code == 0


def test_a_switch_that_is_none_fails_the_check_and_not_the_status(target: Path) -> None:
    write(target, {SWITCH: "phase: 4\n"})
    run = check(target)
    assert run.code == 4
    assert f"{SWITCH}:1: phase: unknown key" in run.err
    assert agentrail("migration", "status", target).code == 0


def test_a_named_switch_that_is_gone_fails_the_check(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTRAIL_POLICY", str(tmp_path / "none.yaml"))
    run = check(target)
    assert run.code == 4
    assert "none.yaml: cannot be read" in run.err


@pytest.mark.parametrize(("at", "code"), [("2027-12-31T23:59:59Z", 0), ("2028-01-01T00:00:00Z", 4)])
def test_a_copy_route_past_its_end_fails_the_check(target: Path, at: str, code: int) -> None:
    done(suspend(target))
    run = check(target, at=at)
    assert run.code == code
    assert ("was to end on 2027-12-31" in run.err) is (code == 4)


def test_a_switch_to_a_route_that_is_gone_fails_the_check(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(suspend(target))
    found = policy_file.find(None, str(target))[0]._replace(phase=4)
    monkeypatch.setattr(policy_file, "find", lambda path, root: (found, None))
    run = check(target)
    assert run.code == 4
    assert "the copy route was removed" in run.err


def test_without_an_announced_end_copy_has_none(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done(suspend(target))
    found = policy_file.find(None, str(target))[0]._replace(deprecation=None)
    monkeypatch.setattr(policy_file, "find", lambda path, root: (found, None))
    run = check(target, "--json", at="2099-01-01T00:00:00Z")
    assert (run.code, run.json["deprecation"]) == (0, None)
    assert "copy route: no end is announced" in agentrail("migration", "status", target).out
