"""The backlog as people write it: each entry with what it waits for, and nothing that is no entry."""

from __future__ import annotations

import pytest

from agentrail_runtime.checks import backlog
from agentrail_runtime.checks.backlog import Entry

A, B = "2026-01-02__add-audit-log", "2026-01-03__report-audit-log"
HEAD = "# 一覧\n\n## 優先タスク一覧\n\n"


def entries_of(body: str, head: str = HEAD) -> list[Entry]:
    return backlog.load(head + body)


def waits_of(body: str) -> frozenset[str] | None:
    (entry,) = entries_of(f"1. `{A}`\n{body}")
    return entry.depends_on


def test_entries_come_in_their_order_with_their_lines() -> None:
    body = f"1. `{B}` 報告\n   - 目的: 監査\n   - 依存: `{A}`\n\n2. `{A}`\n   - 依存: なし\n"
    assert entries_of(body) == [
        Entry(B, 5, frozenset({A}), 7),
        Entry(A, 9, frozenset(), 10),
    ]


@pytest.mark.parametrize("title", ["優先タスク一覧", "Priority Tasks", "priority task list (2026)"])
def test_the_section_is_known_by_any_of_its_titles(title: str) -> None:
    assert len(entries_of(f"- `{A}`\n", f"## {title}\n")) == 1


@pytest.mark.parametrize("head", ["", "### 優先タスク一覧\n", "## 1. 優先タスク一覧\n", "## 完了\n"])
def test_entries_of_other_sections_are_none(head: str) -> None:
    assert entries_of(f"- `{A}`\n  - 依存: なし\n", head) == []


@pytest.mark.parametrize("following", ["## 完了", "# 完了"])
def test_the_section_ends_at_the_next_heading(following: str) -> None:
    body = f"- `{A}`\n  - 依存: なし\n\n### 急ぐもの\n\n- `{B}`\n\n{following}\n\n- `{A}`\n"
    assert [entry.task_id for entry in entries_of(body)] == [A, B]


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        (f"   - 依存: `{B}`", {B}),
        (f"   - 依存：`{B}`", {B}),
        (f"   - **依存**: `{B}`", {B}),
        (f"   - **依存:** `{B}`", {B}),
        (f"   - Depends on: `{B}`", {B}),
        (f"   - DEPENDS ON : `{B}`", {B}),
        (f"   - 依存: `{A}`, `{B}`", {A, B}),
        (f"   - 依存: `{A}` と `{B}`（どちらも）", {A, B}),
        (f"   - 依存: {A}、{B}", {A, B}),
        (f"   - 依存: {A}, {B},", {A, B}),
        (f"   - 依存:\n     - `{A}`\n     - `{B}`\n   - 備考: `x`", {A, B}),
        (f"   - 備考: なし\n   - 依存: `{B}`", {B}),
        (f"   - 備考\n     - 依存: `{B}`", {B}),
        (f"   - 依存: `{B}`\n   - 依存: `{A}`", {B}),
        (f"  - 依存: `{B}`", {B}),
        (f"\t- 依存: `{B}`", {B}),
        ("   - 依存: なし", set()),
        ("   - 依存: None", set()),
        ("   - 依存: n/a", set()),
        ("   - 依存: -", set()),
        ("   - 依存: `なし`", set()),
        ("   - 依存: なし。独立している", set()),
        ("   - 依存:\n     - なし", set()),
        ("   - 依存: なし-x", {"なし-x"}),
        ("   - 依存:", None),
        ("   - 依存: <!-- 書く -->", None),
        ("   - 依存先: なし", None),
        ("   - 依存 なし", None),
        ("   依存: なし", None),
        ("", None),
        (f"- 依存: `{B}`", None),
        (f"- 備考\n  - 依存: `{B}`", None),
    ],
)
def test_what_an_entry_waits_for_is_read_as_people_write_it(body: str, ids: set[str] | None) -> None:
    assert waits_of(body) == (None if ids is None else frozenset(ids))


def test_a_blank_line_of_dependencies_is_pointed_at() -> None:
    (entry,) = entries_of(f"- `{A}`\n  - 目的: 監査\n  - 依存:\n")
    assert (entry.line, entry.dependency_line) == (5, 7)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_any_kind_are_the_same(end: str) -> None:
    text = f"{HEAD}1. `{A}`\n  - 依存: `{B}`\n"
    assert backlog.load(text.replace("\n", end)) == backlog.load(text)
    assert backlog.load(f"\ufeff## 優先タスク一覧\n- `{A}`\n") == [Entry(A, 2, None, 2)]


@pytest.mark.parametrize(
    "lines", ["{}. `task-{}`\n   - 依存: なし\n", "   - 依存:\n", "- `a`\n  - 依存:\n"]
)
def test_a_backlog_as_large_as_a_file_can_be_is_read(lines: str) -> None:
    body = "".join(lines.format(number, number) for number in range(50_000))
    assert len(entries_of(f"1. `{A}`\n{body}")) in (1, 50_001)
