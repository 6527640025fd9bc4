"""A repository with a profile of schema 1.x: refused with the way on, upgraded, installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentrail_runtime import stash
from agentrail_runtime.operation import profile_upgrade
from tests.scenario.story import agentrail, install, process
from tests.support import PAYLOAD, snapshot, write

NAME = "project.profile.yaml"
SHIPPED = (PAYLOAD / NAME).read_text(encoding="utf-8")
FORMER = SHIPPED.replace('schema_version: "2.0.0"', 'version: "1.0.0"  # 形式の版').replace(
    "\n", "\r\n"
)
UPGRADED = FORMER.replace('version: "1.0.0"', 'schema_version: "2.0.0"')
BARE = "version: 1\nworkflow:\n  task_root: work"


def profile(root: Path) -> str:
    return (root / NAME).read_bytes().decode()


def test_a_profile_of_schema_1_is_refused_upgraded_and_installed(repo: Path) -> None:
    write(repo, {NAME: FORMER})
    before = snapshot(repo, with_state=True)
    run = install(repo)
    assert run.code == 5
    assert "got the key version of schema 1.x" in run.err
    assert "hint: in the repository: agentrail profile-upgrade; then run the command again" in run.err
    assert snapshot(repo, with_state=True) == before
    run = agentrail("profile-upgrade", repo)
    assert (run.code, run.err) == (0, "")
    assert run.out == f"{NAME}: upgraded from schema 1.0.0 to 2.0.0\n"
    assert profile(repo) == UPGRADED
    assert install(repo).code == 0
    assert agentrail("profile-validate", repo).code == 0
    assert profile(repo) == UPGRADED


def test_an_upgrade_leaves_nothing_behind_but_the_profile(repo: Path) -> None:
    write(repo, {NAME: FORMER})
    (repo / NAME).chmod(0o640)
    before = snapshot(repo, with_state=True)
    assert agentrail("profile-upgrade", repo).code == 0
    after = snapshot(repo, with_state=True)
    assert after.pop(NAME) == before.pop(NAME)._replace(content=UPGRADED.encode())
    assert after == before


def test_a_second_upgrade_finds_nothing_to_do(repo: Path) -> None:
    write(repo, {NAME: FORMER})
    agentrail("profile-upgrade", repo)
    before = snapshot(repo, with_state=True, with_times=True)
    run = agentrail("profile-upgrade", repo)
    assert (run.code, run.out) == (0, f"{NAME}: not of schema 1.x, nothing to do\n")
    assert agentrail("profile-upgrade", "--check", repo).code == 0
    assert snapshot(repo, with_state=True, with_times=True) == before


@pytest.mark.parametrize(
    ("options", "code"), [(["--dry-run"], 0), (["-n"], 0), (["--diff"], 0), (["--check"], 4)]
)
def test_what_would_be_done_is_shown_and_not_done(repo: Path, options: list[str], code: int) -> None:
    write(repo, {NAME: FORMER})
    before = snapshot(repo, with_state=True, with_times=True)
    run = agentrail("profile-upgrade", *options, repo)
    assert run.code == code
    assert run.out.startswith(f"{NAME}: would be upgraded from schema 1.0.0 to 2.0.0\n")
    assert snapshot(repo, with_state=True, with_times=True) == before


def test_the_diff_is_one_that_git_applies(repo: Path) -> None:
    write(repo, {NAME: BARE})
    run = agentrail("profile-upgrade", "--diff", "--quiet", repo)
    assert run.out == ""
    run = agentrail("profile-upgrade", "--diff", repo)
    assert run.out.partition("\n")[2] == (
        f"--- current/{NAME}\n+++ upgraded/{NAME}\n@@ -1,3 +1,3 @@\n"
        "-version: 1\n+schema_version: 2.0.0\n workflow:\n   task_root: work\n"
        "\\ No newline at end of file\n"
    )


def test_what_schema_2_requires_besides_is_named(repo: Path) -> None:
    write(repo, {NAME: BARE})
    run = agentrail("profile-upgrade", repo)
    assert run.code == 0
    assert f"note: {NAME}:1: workflow.docs_root: expected a value, found none" in run.err
    assert "note: to be done by hand; to see what is left: agentrail profile-validate\n" in run.err
    assert agentrail("profile-upgrade", repo).err == ""


def test_the_json_tells_all_of_it(repo: Path) -> None:
    write(repo, {NAME: BARE})
    planned = agentrail("profile-upgrade", "--check", "--json", repo)
    assert (planned.code, planned.json["result"], planned.json["changed"]) == (4, "planned", True)
    value = agentrail("profile-upgrade", "--json", repo).json
    assert (value["schema_version"], value["command"]) == ("1.0", "profile-upgrade")
    assert (value["result"], value["from"], value["to"]) == ("applied", "1", "2.0.0")
    assert (value["path"], value["target"], value["error"]) == (NAME, str(repo.resolve()), None)
    assert value["diff"] == planned.json["diff"]
    assert value["left"][0]["rule_id"] == "profile_required_keys"
    value = agentrail("profile-upgrade", "--json", repo).json
    assert (value["result"], value["changed"], value["from"]) == ("unchanged", False, None)


def test_a_repository_is_found_from_a_directory_in_it(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repo, {NAME: FORMER, "src/deep/x": ""})
    monkeypatch.chdir(repo / "src/deep")
    assert agentrail("profile-upgrade").code == 0
    assert profile(repo) == UPGRADED


def test_an_installed_repository_is_upgraded_as_any_other(repo: Path) -> None:
    install(repo)
    write(repo, {NAME: profile(repo).replace('schema_version: "2.0.0"', "version: 1.0")})
    assert install(repo).code == 5
    assert agentrail("profile-upgrade", repo).code == 0
    assert agentrail("verify", repo).code == 0
    assert install(repo).code == 0
    assert "schema_version: 2.0.0\n" in profile(repo)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (b'version: 1\nschema_version: "2.0.0"\n', 1, "1:1: version stands beside schema_version"),
        (b"version: 3\n", 1, "1:10: version: not a profile of schema 1.x"),
        (b"version: 1\nother: [\n", 1, "3:1: not valid YAML"),
        (b"\xff\n", 1, "1:1: not UTF-8"),
        (b"schema_version: 4.0.0\n", 5, "1:17: schema_version: nothing to upgrade from"),
    ],
)
def test_a_profile_that_cannot_be_upgraded_stays_and_is_named(
    repo: Path, text: bytes, code: int, said: str
) -> None:
    write(repo, {NAME: text})
    before = snapshot(repo, with_state=True, with_times=True)
    run = agentrail("profile-upgrade", repo)
    assert run.code == code
    assert run.err.startswith(f"{NAME}:{said}")
    assert "\nhint: " in run.err
    assert snapshot(repo, with_state=True, with_times=True) == before


def test_a_repository_without_a_profile_is_told_how_to_get_one(repo: Path) -> None:
    run = agentrail("profile-upgrade", repo)
    assert run.code == 1
    assert run.err.startswith(f"{NAME}: no such file in {repo.resolve()} (expected the profile")
    assert f"hint: to have one written: agentrail-install {repo.resolve()}\n" in run.err


@pytest.mark.skipif(os.name == "nt", reason="symlinks and FIFOs as POSIX has them")
@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_a_profile_that_is_no_plain_file_is_refused(repo: Path, tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text(BARE, encoding="utf-8")
    if kind == "link":
        (repo / NAME).symlink_to(outside)
    elif kind == "fifo":
        os.mkfifo(repo / NAME)
    else:
        (repo / NAME).mkdir()
    run = agentrail("profile-upgrade", repo)
    assert run.code == 1
    assert run.err.startswith(f"{NAME}: cannot be read: ")
    assert outside.read_text(encoding="utf-8") == BARE


def test_what_was_saved_while_the_lock_was_awaited_is_not_lost(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repo, {NAME: FORMER})
    plan, later = profile_upgrade._planned, FORMER + "more: 1\r\n"

    def saved(root: str) -> object:
        planned = plan(root)
        write(repo, {NAME: later})
        return planned

    monkeypatch.setattr(profile_upgrade, "_planned", saved)
    assert agentrail("profile-upgrade", repo).code == 0
    assert profile(repo) == UPGRADED + "more: 1\r\n"


def test_what_somebody_else_upgraded_meanwhile_is_left_alone(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repo, {NAME: FORMER})
    plan = profile_upgrade._planned

    def upgraded(root: str) -> object:
        planned = plan(root)
        write(repo, {NAME: UPGRADED})
        return planned

    monkeypatch.setattr(profile_upgrade, "_planned", upgraded)
    run = agentrail("profile-upgrade", repo)
    assert (run.code, run.out) == (0, f"{NAME}: not of schema 1.x, nothing to do\n")
    assert profile(repo) == UPGRADED


def test_what_the_system_refuses_is_told_and_leaves_the_profile(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repo, {NAME: FORMER})

    def refused(target: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(stash, "is_hot", refused)
    run = agentrail("profile-upgrade", repo)
    assert run.code == 1
    assert "cannot be read: Permission denied; the target is as it was" in run.err
    assert profile(repo) == FORMER


def test_a_run_that_was_killed_is_undone_first(repo: Path) -> None:
    write(repo, {NAME: FORMER, ".agentrail/state/lock": "\n1\n"})
    assert agentrail("profile-upgrade", repo).code == 0
    assert profile(repo) == UPGRADED


def test_the_help_has_examples_and_the_command_runs_as_a_process(repo: Path) -> None:
    write(repo, {NAME: BARE})
    run = process("profile-upgrade", "--help", cwd=repo)
    assert "agentrail profile-upgrade --check" in run.out
    assert process("profile-upgrade", "--check", cwd=repo).code == 4
    assert process("profile-upgrade", cwd=repo).code == 0
    assert profile(repo) == "schema_version: 2.0.0\nworkflow:\n  task_root: work"
