"""What there is to do, in which order, and what keeps each task from going on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime.checkout import Checkout
from tests.support import Run, agentrail, install, write

WORK = ".agentrail/work"
A, B, C, D = (f"2026-01-0{number}__{name}" for number, name in enumerate("abcd", 1))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty directory that AgentRail was installed into."""
    assert install(tmp_path / "root").code == 0
    return tmp_path / "root"


def record(root: Path, task_id: str, state: object = "planned", title: str = "", **keys: Any) -> None:
    """Write a record, or of one with a text as state no more than that."""
    value = {"state": state, "owner": "unassigned", "blocking_issues": [], "depends_on": [], **keys}
    spec = f"# 仕様\n\n- タイトル: {title}\n" if title else "# 仕様\n"
    write(
        root,
        {
            f"{WORK}/{task_id}/state.json": json.dumps(value),
            f"{WORK}/{task_id}/spec.md": spec,
        },
    )


def backlog(root: Path, *ids: str) -> None:
    entries = "".join(f"- `{task_id}`\n  - 依存: なし\n" for task_id in ids)
    write(root, {"docs/operations/high-priority-backlog.md": f"## 優先タスク一覧\n\n{entries}"})


def tasks(root: Path, *words: str) -> list[dict[str, Any]]:
    done = agentrail("tasks", *words, "--json", root)
    assert (done.code, done.err) == (0, "")
    value = done.json
    assert {key: value[key] for key in value.keys() - {"tasks"}} == {
        "schema_version": "2.0.0",
        "command": "tasks",
        "status": "PASS",
        "task_count": len(value["tasks"]),
    }
    return list(value["tasks"])


def only(root: Path) -> dict[str, Any]:
    [task] = tasks(root)
    return task


def test_a_fresh_target_has_no_tasks(root: Path) -> None:
    assert tasks(root) == []
    assert agentrail("tasks", root) == Run(0, "no tasks\n", "")


def test_a_task_is_told_with_all_that_is_known_of_it(root: Path) -> None:
    record(root, A, "done", owner="山田")
    record(root, B, "in_progress", "監査記録を残す", owner="鈴木", depends_on=[A])
    backlog(root, C, B)
    assert tasks(root, "--state", "in_progress") == [
        {
            "task_id": B,
            "state": "in_progress",
            "owner": "鈴木",
            "title": "監査記録を残す",
            "depends_on": [A],
            "blocked_by": [],
            "backlog_position": 2,
            "path": f"{WORK}/{B}",
        }
    ]


def test_the_backlog_gives_the_order_and_the_rest_follows_by_id(root: Path) -> None:
    for task_id in (D, C, B, A):
        record(root, task_id)
    backlog(root, C, "2026-01-09__gone", B)
    found = [(task["task_id"], task["backlog_position"]) for task in tasks(root)]
    assert found == [(C, 1), (B, 3), (A, None), (D, None)]


def test_without_a_backlog_the_order_is_that_of_the_ids(root: Path) -> None:
    (root / "docs/operations/high-priority-backlog.md").unlink()
    record(root, B)
    record(root, A)
    assert [task["task_id"] for task in tasks(root)] == [A, B]


def test_what_is_archived_is_not_listed(root: Path) -> None:
    record(root, A)
    record(root, f"archive/{B}")
    record(root, f"legacy-2024/{C}")
    write(root, {f"{WORK}/notes.md": "# Notes\n"})
    assert [task["task_id"] for task in tasks(root)] == [A]


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("監査記録を残す", "監査記録を残す"),
        ("監査  \r", "監査"),
        ("（記入: 変更を一文で）", "a"),
        ("", "a"),
    ],
)
def test_a_task_without_a_title_goes_by_its_slug(root: Path, title: str, told: str) -> None:
    record(root, A, title=title)
    assert only(root)["title"] == told


def test_a_task_without_a_specification_goes_by_its_slug(root: Path) -> None:
    record(root, A)
    (root / WORK / A / "spec.md").unlink()
    assert only(root)["title"] == "a"
    (root / WORK / A / "spec.md").write_bytes(b"\xff")
    assert only(root)["title"] == "a"


def test_a_record_that_is_not_named_as_a_task_goes_by_its_name(root: Path) -> None:
    record(root, "misc")
    assert only(root)["title"] == "misc"


@pytest.mark.parametrize("owner", ["", "  ", None, 7])
def test_an_owner_that_is_none_is_none(root: Path, owner: object) -> None:
    record(root, A, owner=owner)
    assert only(root)["owner"] is None


# --- what blocks -------------------------------------------------------------------------------------


def test_a_dependency_that_is_not_done_blocks_and_one_that_is_done_does_not(root: Path) -> None:
    record(root, A, "done")
    record(root, B, "in_progress")
    record(root, C, depends_on=[A, B])
    assert [task["blocked_by"] for task in tasks(root)] == [[], [], [B]]
    assert f"blocked by: {B} (in_progress)\n" in agentrail("tasks", root).out


def test_a_dependency_that_is_gone_blocks(root: Path) -> None:
    record(root, B, depends_on=[A])
    assert only(root)["blocked_by"] == [A]
    assert f"blocked by: {A} (no such task)\n" in agentrail("tasks", root).out


def test_a_dependency_that_cannot_be_read_blocks(root: Path) -> None:
    write(root, {f"{WORK}/{A}/state.json": "{"})
    record(root, B, depends_on=[A])
    assert tasks(root)[1]["blocked_by"] == [A]
    assert f"blocked by: {A} (unknown)\n" in agentrail("tasks", root).out


def test_a_task_that_waits_for_itself_is_blocked(root: Path) -> None:
    record(root, A, depends_on=[A])
    assert only(root)["blocked_by"] == [A]
    assert f"blocked by: {A} (itself)\n" in agentrail("tasks", root).out


def test_a_dependency_among_the_archived_blocks_as_it_does_in_the_checks(root: Path) -> None:
    record(root, "archive-1", "done")
    record(root, A, depends_on=["archive-1"])
    assert only(root)["blocked_by"] == ["archive-1"]


def test_a_blocked_task_tells_its_issues(root: Path) -> None:
    issues = ["仕様の 2 章の答えを待つ", " ", {"who": "山田"}]
    record(root, A, "blocked", blocking_issues=issues)
    assert only(root)["blocked_by"] == ["仕様の 2 章の答えを待つ", '{"who": "山田"}']


@pytest.mark.parametrize("issues", [None, "text", 7])
def test_issues_that_are_no_list_are_no_issues(root: Path, issues: object) -> None:
    record(root, A, "blocked", blocking_issues=issues)
    assert only(root)["blocked_by"] == []


def test_issues_of_a_task_that_is_not_blocked_do_not_block(root: Path) -> None:
    record(root, A, blocking_issues=["old"])
    assert only(root)["blocked_by"] == []


def test_nothing_blocks_a_task_that_is_done(root: Path) -> None:
    record(root, B, "done", depends_on=[A])
    assert only(root)["blocked_by"] == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "state.json: not valid JSON"),
        (b"[]", "state.json: expected a JSON object"),
        (b"\xff", "state.json: expected UTF-8"),
        (None, "state.json: no such file"),
        (b'{"depends_on": ["x"]}', "state.json: expected one of planned"),
        (b'{"state": "paused"}', "state.json: expected one of planned, in_progress, blocked, done"),
    ],
)
def test_a_record_that_cannot_be_read_is_listed_with_the_reason(
    root: Path, content: bytes | None, why: str
) -> None:
    record(root, A)
    (root / WORK / A / "state.json").unlink()
    if content is not None:
        write(root, {f"{WORK}/{A}/state.json": content})
    task = only(root)
    assert (task["state"], task["blocked_by"][0][: len(why)]) == ("unknown", why)
    assert [row["task_id"] for row in tasks(root, "--state", "unknown")] == [A]


def test_a_profile_that_does_not_say_where_the_records_are_is_no_empty_list(root: Path) -> None:
    write(root, {"project.profile.yaml": "workflow: ["})
    done = agentrail("tasks", root)
    assert (done.code, done.out, "project.profile.yaml:1" in done.err) == (1, "", True)


# --- options and output ------------------------------------------------------------------------------


def test_several_states_can_be_asked_for(root: Path) -> None:
    for task_id, state in ((A, "planned"), (B, "Done"), (C, "blocked")):
        record(root, task_id, state)
    found = tasks(root, "--state", "done", "--state", "blocked")
    assert [task["task_id"] for task in found] == [B, C]


def test_a_state_that_there_is_none_of_is_a_usage_error(root: Path) -> None:
    assert agentrail("tasks", "--state", "paused", root).code == 2


def test_columns_line_up_where_characters_are_wide(root: Path) -> None:
    record(root, A, "in_progress", "監査", owner="山田")
    record(root, B, "done", "が", owner="か\u3099")
    backlog(root, B)
    assert agentrail("tasks", root).out == (
        f"1  done         {B}  か\u3099    が\n-  in_progress  {A}  山田  監査\n"
    )


def test_a_title_cannot_command_the_terminal(root: Path) -> None:
    record(root, A, "blocked", "x\x1b[31my\u202ez", blocking_issues=["two\nlines"])
    out = agentrail("tasks", root).out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "blocked by: two lines\n" in out


@pytest.mark.parametrize(
    ("color", "is_coloured"), [("always", True), ("never", False), ("auto", False)]
)
def test_states_are_coloured_where_that_is_asked_for(root: Path, color: str, is_coloured: bool) -> None:
    record(root, A)
    out = agentrail("tasks", "--color", color, root).out
    assert ("\x1b[36mplanned" in out) is is_coloured


def test_quiet_says_nothing(root: Path) -> None:
    record(root, A)
    assert agentrail("tasks", "-q", root) == Run(0, "", "")


def test_a_subdirectory_stands_for_its_repository(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(root, A)
    monkeypatch.chdir(root / "docs")
    assert A in agentrail("tasks").out


def test_every_file_is_read_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tasks wait for each other, the work is linear in their number."""
    ids = [f"2026-02-01__t{number}" for number in range(8)]
    for task_id in ids:
        record(root, task_id, depends_on=ids)
    paths: list[str] = []
    read = Checkout.read

    def watched(self: Checkout, path: str) -> bytes:
        paths.append(path)
        return read(self, path)

    monkeypatch.setattr(Checkout, "read", watched)
    assert len(tasks(root)) == 8
    assert len([path for path in paths if path.startswith(WORK)]) == 16
