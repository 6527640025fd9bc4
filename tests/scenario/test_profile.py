"""project.profile.yaml: seeded, edited at three places at most, followed ever after."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.scenario.story import actions, agentrail, install, reasons, receipt
from tests.support import PAYLOAD, payload_bundle, snapshot, write

NAME = "project.profile.yaml"
MINE = """\
# 私の設定  # twice
schema_version: '2.0.0'

workflow:
    task_root:   "work"   # where records are
    runtime_root: work
    docs_root: docs
paths:
    source_roots: [src, work/, 'work']
    artifacts:
        - work
        - dist
        - work-old
extra: {keep: [1,  2]}
"""
EDITED = """\
# 私の設定  # twice
schema_version: '2.0.0'

workflow:
    task_root:   ".agentrail/work"   # where records are
    runtime_root: .agentrail/work
    docs_root: docs
paths:
    source_roots: [src, .agentrail/work/, '.agentrail/work']
    artifacts:
        - .agentrail/work
        - dist
        - work-old
extra: {keep: [1,  2]}
"""


def profile(repo: Path) -> str:
    return (repo / NAME).read_bytes().decode()


def task_root(repo: Path) -> str:
    return str(yaml.safe_load((repo / NAME).read_bytes())["workflow"]["task_root"])


def test_an_absent_profile_is_seeded_as_it_ships(repo: Path) -> None:
    assert actions(install(repo, "--json"))[NAME] == "create"
    assert (repo / NAME).read_bytes() == (PAYLOAD / NAME).read_bytes()
    assert task_root(repo) == ".agentrail/work"


def test_an_own_profile_changes_in_the_task_root_and_what_equals_it_alone(repo: Path) -> None:
    write(repo, {NAME: MINE})
    run = install(repo, "--json")
    assert (run.code, actions(run)[NAME]) == (0, "update")
    assert profile(repo) == EDITED
    assert run.json["task_root"] == ".agentrail/work"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("workflow: {task_root: work}\n", "workflow: {task_root: .agentrail/work}\n"),
        ("workflow: {}", "workflow: {task_root: .agentrail/work}"),
        ("name: x", "workflow:\n  task_root: .agentrail/work\nname: x"),
        ("name: x\r\n", "workflow:\r\n  task_root: .agentrail/work\r\nname: x\r\n"),
        ("\ufeffworkflow:\n  task_root: work\n", "\ufeffworkflow:\n  task_root: .agentrail/work\n"),
        ("workflow:\r\n  task_root: work\r\n", "workflow:\r\n  task_root: .agentrail/work\r\n"),
        ("workflow:\n  task_root: work", "workflow:\n  task_root: .agentrail/work"),
        ("", "workflow:\n  task_root: .agentrail/work\n"),
    ],
)
def test_every_other_byte_stays_and_an_uninstall_takes_the_edit_back(
    repo: Path, before: str, after: str
) -> None:
    write(repo, {NAME: before})
    tree = snapshot(repo)
    install(repo)
    assert profile(repo) == after
    assert agentrail("uninstall", repo).code == 0
    assert snapshot(repo) == tree


def test_an_uninstall_takes_back_our_values_and_keeps_the_users_later_edits(repo: Path) -> None:
    write(repo, {NAME: MINE})
    install(repo)
    write(repo, {NAME: EDITED.replace("docs_root: docs", "docs_root: doc") + "more: yes\n"})
    assert agentrail("uninstall", repo).code == 0
    assert profile(repo) == MINE.replace("docs_root: docs", "docs_root: doc") + "more: yes\n"


def test_an_uninstall_removes_an_untouched_seeded_profile(repo: Path) -> None:
    install(repo)
    agentrail("uninstall", repo)
    assert not (repo / NAME).exists()


def test_an_uninstall_leaves_a_seeded_profile_that_was_filled_in(repo: Path) -> None:
    install(repo)
    write(repo, {NAME: profile(repo).replace("name: my-project", "name: mine")})
    agentrail("uninstall", repo)
    assert "name: mine" in profile(repo)


def test_an_uninstall_leaves_a_profile_that_is_broken_now(repo: Path) -> None:
    write(repo, {NAME: MINE})
    install(repo)
    write(repo, {NAME: "workflow: [broken\n"})
    run = agentrail("uninstall", repo)
    assert (run.code, f"keep      {NAME}  (edited locally)" in run.out) == (0, True)
    assert profile(repo) == "workflow: [broken\n"


def test_a_profile_that_the_framework_drops_stays(repo: Path, tmp_path: Path) -> None:
    install(repo)
    before = profile(repo)
    newer = payload_bundle(tmp_path / "new", removed=(NAME,))
    assert reasons(install(repo, "--json", bundle=newer))[NAME] == "yours"
    assert profile(repo) == before
    assert install(repo, "--json", bundle=newer).json["result"] == "unchanged"


def test_task_root_says_where_records_go(repo: Path) -> None:
    run = install(repo, "--json", "--task-root", "docs/tasks/")
    assert (run.code, run.json["task_root"]) == (0, "docs/tasks")
    assert task_root(repo) == "docs/tasks"
    assert (repo / "docs/tasks/.gitkeep").read_bytes() == b""
    assert not (repo / ".agentrail/work").exists()
    assert receipt(repo)["task_root"] == "docs/tasks"


def test_a_later_run_follows_what_the_profile_says_now(repo: Path) -> None:
    install(repo)
    write(repo, {NAME: profile(repo).replace("task_root: .agentrail/work", "task_root: notes/tasks")})
    run = install(repo, "--json")
    assert (run.code, run.json["task_root"]) == (0, "notes/tasks")
    assert task_root(repo) == "notes/tasks"
    assert (repo / "notes/tasks/.gitkeep").exists()
    assert install(repo, "--json").json["result"] == "unchanged"


def test_a_later_run_does_not_undo_a_task_root_that_was_chosen_once(repo: Path) -> None:
    install(repo, "--task-root", "tasks")
    run = install(repo, "--json")
    assert (run.json["result"], run.json["task_root"]) == ("unchanged", "tasks")


def test_task_root_moves_the_pointer_later_and_counts_the_records(repo: Path) -> None:
    install(repo)
    write(repo, {".agentrail/work/2024-01-01__task/state.json": "{}\n"})
    run = install(repo, "--task-root", "tasks")
    assert run.code == 0
    assert task_root(repo) == "tasks"
    assert "git mv .agentrail/work/*__* tasks/" in run.err
    assert (repo / ".agentrail/work/2024-01-01__task/state.json").exists()


def test_a_moved_task_root_leaves_nothing_behind_after_an_uninstall(repo: Path) -> None:
    before = snapshot(repo)
    install(repo)
    install(repo, "--task-root", "tasks")
    assert agentrail("uninstall", repo).code == 0
    assert snapshot(repo) == before


def test_a_moved_task_root_is_taken_back_by_a_rollback(repo: Path) -> None:
    install(repo)
    before = snapshot(repo)
    install(repo, "--task-root", "tasks")
    assert agentrail("rollback", repo).code == 0
    assert snapshot(repo) == before


@pytest.mark.parametrize("path", ["../out", "/abs", "a/../b", "C:\\x", "", ".git/x", "con"])
def test_a_task_root_that_is_no_place_in_the_repository_is_refused(repo: Path, path: str) -> None:
    before = snapshot(repo, with_state=True)
    run = install(repo, "--task-root", path)
    assert run.code in (1, 2)
    assert "--task-root" in run.err
    assert snapshot(repo, with_state=True) == before


@pytest.mark.parametrize(
    "path",
    [
        ".agentrail/state",
        ".agentrail/state/stash/mine",
        ".AgentRail/State",
        ".agentrail/receipt.json",
        ".agentrail/.gitignore",
        "docs/templates/spec.md",
        "project.profile.yaml",
        "README.md",
    ],
)
def test_a_task_root_in_the_place_of_a_file_or_of_the_state_is_refused(repo: Path, path: str) -> None:
    before = snapshot(repo, with_state=True)
    run = install(repo, "--task-root", path)
    assert run.code in (1, 2)
    assert path in run.err
    assert snapshot(repo, with_state=True) == before


def test_a_profile_that_points_into_the_state_is_refused(repo: Path) -> None:
    install(repo)
    write(
        repo, {NAME: profile(repo).replace("task_root: .agentrail/work", "task_root: .agentrail/state")}
    )
    before = snapshot(repo, with_state=True)
    assert install(repo).code == 1
    assert snapshot(repo, with_state=True) == before


def test_a_profile_that_points_outside_is_refused_on_a_later_run(repo: Path) -> None:
    install(repo)
    write(repo, {NAME: profile(repo).replace("task_root: .agentrail/work", "task_root: ../out")})
    before = snapshot(repo, with_state=True)
    run = install(repo)
    assert run.code == 1
    assert "project.profile.yaml: workflow.task_root" in run.err
    assert snapshot(repo, with_state=True) == before


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"a: [1\nb: 2\n", "2:2"),
        (b"a: 1\n  b: 2\n", "2:4"),
        (b"ok: 1\nworkflow: nothing\n", "2:11"),
        (b"ok: 1\nworkflow:\n  task_root: [a]\n", "3:14"),
        (b"- a\n- b\n", "1:1"),
        (b"ok: 1\nname: \xff\n", "2:7"),
    ],
)
def test_a_profile_that_is_no_profile_is_named_with_line_and_column(
    repo: Path, text: bytes, place: str
) -> None:
    write(repo, {NAME: text})
    before = snapshot(repo, with_state=True, with_times=True)
    run = install(repo)
    assert run.code == 1
    assert run.err.startswith(f"{NAME}:{place}: ")
    assert "\nhint: " in run.err
    assert snapshot(repo, with_state=True, with_times=True) == before


@pytest.mark.parametrize(
    ("text", "found", "place"),
    [
        ("schema_version: '3.0.0'\n", "3.0.0", "1:17"),
        ("# mine\nversion: 1\n", "the key version of schema 1.x", "2:10"),
    ],
)
def test_a_profile_of_another_schema_exits_5(repo: Path, text: str, found: str, place: str) -> None:
    write(repo, {NAME: text})
    before = snapshot(repo, with_state=True, with_times=True)
    run = install(repo)
    assert run.code == 5
    said = f"profile schema not supported (expected 2.0.0, got {found})"
    assert run.err.startswith(f"{NAME}:{place}: {said}")
    assert snapshot(repo, with_state=True, with_times=True) == before


def test_a_profile_of_another_schema_is_told_by_status(repo: Path) -> None:
    install(repo)
    write(repo, {NAME: profile(repo).replace('"2.0.0"', '"3.0.0"')})
    run = agentrail("status", repo)
    assert run.code == 0
    assert "profile    schema 3.0.0, not supported" in run.out
    assert "got 3.0.0" in run.out + run.err


def test_a_supported_profile_is_told_by_status(repo: Path) -> None:
    install(repo)
    assert "profile    schema 2.0.0, supported\n" in agentrail("status", repo).out


def test_an_edited_profile_is_no_drift_and_is_never_overwritten(repo: Path, tmp_path: Path) -> None:
    install(repo)
    mine = profile(repo).replace("name: my-project", "name: mine # forever")
    write(repo, {NAME: mine})
    assert agentrail("verify", repo).code == 0
    changed = {NAME: (PAYLOAD / NAME).read_bytes() + b"more: 1\n"}
    for policy in ("abort", "keep", "merge", "overwrite"):
        newer = payload_bundle(tmp_path / policy, changed=changed)
        assert install(repo, "--on-conflict", policy, bundle=newer).code == 0
        assert profile(repo) == mine


def test_a_deleted_profile_stays_deleted_until_overwrite(repo: Path) -> None:
    install(repo)
    (repo / NAME).unlink()
    assert reasons(install(repo, "--json"))[NAME] == "deleted locally"
    assert agentrail("verify", repo).code == 4
    assert actions(install(repo, "--json", "-f"))[NAME] == "create"
    assert (repo / NAME).read_bytes() == (PAYLOAD / NAME).read_bytes()


def test_a_second_run_over_an_own_profile_does_not_touch_it(repo: Path) -> None:
    write(repo, {NAME: MINE})
    install(repo)
    before = snapshot(repo, with_state=True, with_times=True)
    assert install(repo, "--json").json["result"] == "unchanged"
    assert snapshot(repo, with_state=True, with_times=True) == before


def test_the_profile_edit_is_rolled_back_exactly(repo: Path) -> None:
    write(repo, {NAME: MINE})
    (repo / NAME).chmod(0o600)
    before = snapshot(repo)
    install(repo)
    assert agentrail("rollback", repo).code == 0
    assert snapshot(repo) == before
