"""The life of a task by the command line alone: begun, filled in, blocked, done, and what follows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support import agentrail, git, install, make_repo

WORK = ".agentrail/work"
FIRST, SECOND, THIRD = "2026-01-15__first", "2026-01-16__second", "2026-01-17__third"
BACKLOG = "docs/operations/high-priority-backlog.md"


@pytest.fixture(params=[WORK, "records/tasks"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A repository with files of its own that AgentRail was installed into."""
    root = make_repo(tmp_path / "root")
    assert install(root, "--task-root", request.param).code == 0
    return root


def work(root: Path) -> Path:
    return next(path for path in (root / WORK, root / "records/tasks") if path.exists())


def begin(root: Path, task_id: str, *words: str) -> Path:
    assert agentrail("new-task", task_id, "--title", "監査", "--target", root, *words).code == 0
    return work(root) / task_id


def fill_in(record: Path) -> None:
    """Write what the templates ask for, as an agent does that leaves nothing open."""
    for path in record.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"<!--.*?-->\n*", "", text, flags=re.DOTALL)
        text = re.sub(r"（記入[^（）]*(（[^（）]*）[^（）]*)*）", "確かめた", text)
        text = re.sub(r"- (commit|scope_check): PENDING", r"- \1: 対象外", text)
        text = re.sub(r"PENDING(（[^（）]*）)?", "PASS", text)
        path.write_text(text, encoding="utf-8")


def set_state(record: Path, state: str, **keys: Any) -> None:
    path = record / "state.json"
    value = {**json.loads(path.read_bytes()), "owner": "山田", "state": state, **keys}
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def strike_off(root: Path, task_id: str) -> None:
    """Take a task that is done off the backlog, by hand."""
    path = root / BACKLOG
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(rf"\d+\. `{task_id}`\n.*\n", "", text), encoding="utf-8")


def rules(root: Path) -> list[str]:
    """Return the rules that the whole repository breaks, documentation quality included."""
    done = agentrail("check", "--doc-quality-mode", "fail", "--json", root)
    results = done.json["results"]
    found = [finding["rule_id"] for result in results for finding in result["findings"]]
    assert done.code == (1 if found else 0)
    return found


def standing(root: Path) -> dict[str, tuple[str, list[str]]]:
    """Return the state of each task and what blocks it."""
    listed = agentrail("tasks", "--json", root).json["tasks"]
    return {task["task_id"]: (task["state"], task["blocked_by"]) for task in listed}


def test_a_task_passes_in_every_state_of_its_life(root: Path) -> None:
    first = begin(root, FIRST)
    second = begin(root, SECOND, "--depends-on", FIRST)
    assert rules(root) == []
    fill_in(second)
    assert rules(root) == []
    assert standing(root) == {FIRST: ("planned", []), SECOND: ("planned", [FIRST])}

    set_state(second, "in_progress")
    assert rules(root) == ["dependency_start_gate"]
    set_state(second, "blocked", blocking_issues=["first を待つ"])
    assert rules(root) == []
    assert standing(root)[SECOND] == ("blocked", ["first を待つ", FIRST])

    fill_in(first)
    for state in ("in_progress", "done"):
        set_state(first, state)
        assert rules(root) == []
    strike_off(root, FIRST)
    for state in ("in_progress", "done"):
        set_state(second, state, blocking_issues=[])
        assert rules(root) == []
    strike_off(root, SECOND)
    assert rules(root) == []
    assert standing(root) == {FIRST: ("done", []), SECOND: ("done", [])}


def test_a_task_whose_review_is_still_open_is_not_done(root: Path) -> None:
    set_state(begin(root, FIRST), "done")
    assert set(rules(root)) == {"review_completed"}


def test_a_finding_of_a_done_task_leads_to_the_next_one(root: Path) -> None:
    first = begin(root, FIRST)
    fill_in(first)
    set_state(first, "done")
    review = first / "review.md"
    text = review.read_text(encoding="utf-8")
    text = text.replace("- severity: low", "- severity: high")
    review.write_text(text.replace("- action_required: no", "- action_required: yes"), encoding="utf-8")
    assert rules(root) == ["improvement_task_linked"]
    third = begin(root, THIRD, "--from-finding", FIRST, "F-001")
    assert rules(root) == []
    assert f"（出典: `{FIRST}` の改善案 F-001" in (third / "request.md").read_text(encoding="utf-8")


def test_the_commits_of_a_life_are_resolved_to_its_task(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "agentrail")
    begin(root, FIRST)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "begin")
    assert agentrail("resolve-task-id", "--json", root).json["resolved_task_ids"] == [FIRST]
    assert agentrail("check", "--changed-since", "HEAD^", root).code == 0
