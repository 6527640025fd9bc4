"""The default route follows the phase of the migration, a suspension, and an operator's switch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agentrail_runtime import document, source
from agentrail_runtime.document import Json
from agentrail_runtime.entry import POLICY_NAME
from agentrail_runtime.release.policy import Suspension, load, with_phase, with_suspension
from agentrail_runtime.tree import DirectoryTree
from tests.scenario.story import PACKAGE, agentrail, install, process, receipt, shipped_copy
from tests.support import PAYLOAD, snapshot, write

SINCE = "2026-11-23T08:00:00Z"
COPY = f'schema_version: "1.0"\ndefault_source: copy\nreason: index broken\nsince: "{SINCE}"\n'
SWITCH = ".agentrail/policy.yaml"
Packaged = Callable[..., Path]


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packaged:
    """Make the package carry the shipped payload under another policy; return that payload."""

    def make(*, phase: int, is_suspended: bool = False, is_deprecated: bool = True) -> Path:
        root, made = tmp_path / "framework", tmp_path / "payload"
        shutil.copytree(PAYLOAD, root)
        data = with_phase(load((root / POLICY_NAME).read_bytes()), phase)
        if is_suspended:
            data = with_suspension(load(data), Suspension(SINCE, "bad release"))
        if not is_deprecated:
            head, _, rest = data.partition(b"deprecation:\n")
            data = head + b"deprecation: null\n" + rest[rest.index(b"# Which runtime") :]
        (root / POLICY_NAME).write_bytes(data)
        assert agentrail("export", "--root", root, "--output", made).code == 0
        monkeypatch.setattr(source, "package_tree", lambda: DirectoryTree(str(made)))
        monkeypatch.chdir(tmp_path)
        return made

    return make


def bundle(payload: Path, tmp_path: Path) -> Path:
    """Put the payload where the copy route looks for it."""
    place = tmp_path / "dist/runtime"
    shutil.copytree(payload, place)
    return place


def edit_index(payload: Path, **changes: Json) -> None:
    """Change what the index of a payload says."""
    path = payload / "runtime.index.json"
    path.write_bytes(document.dump({**document.load(path.read_bytes()), **changes}))


def test_in_phase_2_an_install_copies_and_says_why(
    repo: Path, packaged: Packaged, tmp_path: Path
) -> None:
    place = bundle(packaged(phase=2), tmp_path)
    run = install(repo, "--json")
    assert run.code == 0
    told = run.json["source"]
    assert (told["kind"], told["requested"], told["location"]) == ("copy", "auto", str(place))
    assert told["fallback_reason"] == "copy is the default in phase 2 (coexistence)"
    assert receipt(repo)["source"]["kind"] == "copy"


def test_in_phase_2_a_missing_bundle_is_told_with_both_ways_on(repo: Path, packaged: Packaged) -> None:
    packaged(phase=2)
    before = snapshot(repo, with_state=True)
    run = install(repo)
    assert run.code == 6
    assert "dist/runtime: no bundle" in run.err
    assert "is the source because copy is the default in phase 2" in run.err
    assert "--runtime-dir DIR; to take the package all the same: --source package" in run.err
    assert snapshot(repo, with_state=True) == before
    assert install(repo, "--source", "package").code == 0


def test_in_phase_3_the_package_is_the_default(repo: Path, packaged: Packaged, tmp_path: Path) -> None:
    bundle(packaged(phase=3), tmp_path)
    assert install(repo, "--json").json["source"]["kind"] == "package"


def test_a_suspended_package_route_makes_copy_the_default(
    repo: Path, packaged: Packaged, tmp_path: Path
) -> None:
    bundle(packaged(phase=3, is_suspended=True), tmp_path)
    run = install(repo, "--json")
    assert run.json["source"]["kind"] == "copy"
    assert run.json["source"]["fallback_reason"] == "the package route is suspended"


def test_in_phase_4_there_is_no_copy_route(repo: Path, packaged: Packaged, tmp_path: Path) -> None:
    payload = packaged(phase=4)
    place = bundle(payload, tmp_path)
    before = snapshot(repo, with_state=True)
    run = install(repo, "--source", "copy", "--runtime-dir", place)
    assert run.code == 6
    assert "the copy route was removed" in run.err
    assert snapshot(repo, with_state=True) == before
    assert install(repo, "--json").json["source"]["kind"] == "package"


def test_in_phase_4_a_damaged_package_does_not_fall_back_to_copy(
    repo: Path, packaged: Packaged, tmp_path: Path
) -> None:
    payload = packaged(phase=4)
    bundle(payload, tmp_path)
    (payload / "MEMORY.md").write_bytes(b"altered\n")
    run = install(repo)
    assert run.code == 6
    assert "MEMORY.md: altered" in run.err


@pytest.mark.parametrize("where", ["target", "environment"])
def test_an_operators_switch_makes_copy_the_default_at_once(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    shipped_copy(tmp_path / "dist/runtime")
    monkeypatch.chdir(tmp_path)
    if where == "target":
        write(repo, {SWITCH: COPY})
    else:
        write(tmp_path, {"switch.yaml": COPY})
        monkeypatch.setenv("AGENTRAIL_POLICY", "switch.yaml")
    run = install(repo, "--json")
    assert run.json["source"]["kind"] == "copy"
    assert run.json["source"]["fallback_reason"] == f"switched to copy since {SINCE}: index broken"
    assert "note: installed by the copy route: switched to copy" in run.err
    assert install(repo, "--json", "--source", "package").json["source"]["kind"] == "package"


def test_a_switch_to_the_package_ends_a_packaged_suspension(repo: Path, packaged: Packaged) -> None:
    packaged(phase=3, is_suspended=True)
    write(repo, {SWITCH: COPY.replace("copy", "package")})
    assert install(repo, "--json").json["source"]["kind"] == "package"


def test_the_environments_switch_goes_before_the_targets(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repo, {SWITCH: COPY})
    write(tmp_path, {"switch.yaml": COPY.replace("copy", "package")})
    monkeypatch.setenv("AGENTRAIL_POLICY", str(tmp_path / "switch.yaml"))
    assert install(repo, "--json").json["source"]["kind"] == "package"


@pytest.mark.parametrize("text", ["default_source: git", "{", "phase: 4"])
def test_a_broken_switch_stops_the_install_and_is_not_passed_over(repo: Path, text: str) -> None:
    write(repo, {SWITCH: text})
    before = snapshot(repo, with_state=True)
    run = install(repo)
    assert run.code == 1
    assert SWITCH in run.err
    assert snapshot(repo, with_state=True) == before
    assert install(repo, "--source", "package").code == 0


def test_a_switch_behind_a_symlink_is_refused(repo: Path, tmp_path: Path) -> None:
    write(tmp_path, {"switch.yaml": COPY})
    (repo / ".agentrail").mkdir()
    (repo / SWITCH).symlink_to(tmp_path / "switch.yaml")
    run = install(repo)
    assert run.code == 1
    assert SWITCH in run.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("kind", ["missing", "fifo", "huge"])
def test_a_switch_that_cannot_be_read_is_named_with_its_variable(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    place = tmp_path / "switch.yaml"
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "huge":
        place.write_bytes(b"#" * 1_000_001)
    monkeypatch.setenv("AGENTRAIL_POLICY", str(place))
    run = install(repo)
    assert run.code == 1
    assert f"{place}: cannot be read" in run.err
    assert "AGENTRAIL_POLICY" in run.err


def test_a_copy_install_tells_the_end_of_the_route_once(repo: Path, tmp_path: Path) -> None:
    place = shipped_copy(tmp_path / "dist/runtime")
    words = ("--source", "copy", "--runtime-dir", place)
    run = install(repo, *words)
    assert run.err.count("the copy route works until 2027-12-31; 1 release after this one") == 1
    assert install(repo, *words).err == ""


@pytest.mark.parametrize("phase", [2, 4])
def test_only_in_phase_3_a_copy_install_tells_of_an_end(
    repo: Path, packaged: Packaged, tmp_path: Path, phase: int
) -> None:
    place = bundle(packaged(phase=phase), tmp_path)
    assert "works until" not in install(repo, "--source", "copy", "--runtime-dir", place).err


def test_an_end_that_cannot_be_read_costs_the_notice_and_not_the_install(
    repo: Path, packaged: Packaged, tmp_path: Path
) -> None:
    payload = packaged(phase=3)
    place = bundle(payload, tmp_path)
    edit_index(payload, deprecation={"ends_on": "soon"})
    run = install(repo, "--source", "copy", "--runtime-dir", place)
    assert (run.code, run.err) == (0, "")


def test_without_an_announced_end_there_is_no_notice(
    repo: Path, packaged: Packaged, tmp_path: Path
) -> None:
    place = bundle(packaged(phase=3, is_deprecated=False), tmp_path)
    assert install(repo, "--source", "copy", "--runtime-dir", place).err == ""


def test_a_package_without_its_index_leaves_the_route_to_the_user(
    repo: Path, packaged: Packaged, tmp_path: Path
) -> None:
    payload = packaged(phase=3)
    place = bundle(payload, tmp_path)
    (payload / "runtime.index.json").unlink()
    assert install(repo, "--source", "copy", "--runtime-dir", place).code == 0
    write(repo, {SWITCH: COPY})
    assert install(repo, "--json", "--runtime-dir", place).json["source"]["kind"] == "copy"


def test_a_run_that_changes_nothing_reads_no_yaml_for_the_policy(repo: Path, tmp_path: Path) -> None:
    assert install(repo).code == 0
    run = process("install", repo, cwd=tmp_path, env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert run.code == 0
    assert "yaml" not in run.err
    assert "agentrail_runtime.release" not in run.err


def test_an_export_carries_the_policy_and_tells_it_in_its_index(packaged: Packaged) -> None:
    payload = packaged(phase=2, is_suspended=True)
    index = source.open_copy(str(payload)).index
    assert (index.phase, index.default_source) == (2, "copy")
    assert POLICY_NAME in {entry.path for entry in index.metadata}
    assert not (PACKAGE / POLICY_NAME).exists()
