"""The rules of review.md: process findings, commit boundaries, what a done task may not leave open."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from agentrail_runtime.checks.context import Context
from agentrail_runtime.checks.finding import Finding
from agentrail_runtime.checks.markdown import Document, Heading, Item, without_comments
from agentrail_runtime.checks.record import Record, heading

_FINDINGS: Final = re.compile(r"6\..*Process Findings")
_FINDING: Final = re.compile(r"6\.\d+")
_BOUNDARIES: Final = re.compile(r"7\..*Commit Boundaries")
_LAST_PHASE: Final = "7.3 完了境界 (Finalize Commit)"
_PHASES: Final = (
    ("7.1 起票境界 (Kickoff Commit)", re.compile(r"7\.1(?!\d)")),
    ("7.2 実装境界 (Implementation Commit)", re.compile(r"7\.2(?!\d)")),
    (_LAST_PHASE, re.compile(r"7\.3(?!\d)")),
)
_PAIR: Final = re.compile(r"[*`]*([A-Za-z_]+)[*`]*\s*[:：](.*)$", re.DOTALL)
_COMMIT: Final = re.compile(r"[0-9a-fA-F]{7,40}")
_OPEN: Final = re.compile(r"(?:[^:：]*[:：])?[\s*`]*PENDING", re.IGNORECASE)
_UNFILLED: Final = re.compile(r"PENDING|（記入", re.IGNORECASE)
_REQUIRED: Final = ("finding_id", "category", "severity", "summary", "evidence", "action_required")
_VALUES: Final = {
    "category": ("flow", "docs", "ci", "quality", "other"),
    "severity": ("must", "high", "medium", "low"),
    "action_required": ("yes", "no"),
}
_TRACKED: Final = ("commit boundary", "境界コミット")
_BELOW: Final = "（下記）"

Block = dict[str, tuple[int, str]]
"""The bullets of a block: key to line and value."""


class _Titled(NamedTuple):
    """A heading of level 3 and the bullets below it."""

    title: Heading
    block: Block

    def line(self, key: str) -> int:
        return self.block.get(key, (self.title.line, ""))[0]

    def value(self, key: str) -> str:
        return self.block.get(key, (0, ""))[1]


def check_findings(record: Record, context: Context) -> Iterator[Finding]:
    """``improvement_findings_present``, ``…_threshold_enforced`` and ``improvement_task_linked``."""
    review = record.document("review.md")
    if review is None or record.state is None:
        return
    section = heading(review, 2, _FINDINGS)
    found = _found(review)
    if record.is_done and not found:
        yield record.finding(
            "improvement_findings_present",
            "review.md",
            section.line if section else 1,
            "expected in '## 6. プロセス改善案 (Process Findings)' a block '### 6.1 …', found none",
            "write what could go better, or one block that says なし and why",
        )
    for one in found:
        if record.is_done or _is_filled(one):
            yield from _value_problems(record, one)
            yield from _action_problems(record, context, one)


def check_boundaries(record: Record, context: Context) -> Iterator[Finding]:
    """``commit_boundaries_tracked``."""
    del context
    review, spec = record.document("review.md"), record.document("spec.md")
    if review is None or spec is None or not record.is_done:
        return
    if any(words in spec.text.lower() for words in _TRACKED):
        for line, message in _boundary_problems(review):
            hint = "record the commit and write scope_check: PASS once nothing else is in it"
            yield record.finding("commit_boundaries_tracked", "review.md", line, message, hint)


def check_completed(record: Record, context: Context) -> Iterator[Finding]:
    """``review_completed``: a done task has nothing PENDING in its review."""
    del context
    review = record.document("review.md")
    if review is None or not record.is_done:
        return
    for item in review.items:
        if _OPEN.match(without_comments(item.text)):
            message = f"expected a result in a done task, found {item.text.strip()[:60]!r}"
            hint = "write the result, or set the task back to in_progress"
            yield record.finding("review_completed", "review.md", item.line, message, hint)


def finding_block(review: Document, finding_id: str) -> Block | None:
    """Return the process finding with that id, None where there is none."""
    for one in _found(review):
        if one.value("finding_id").lower() == finding_id.lower():
            return one.block
    return None


def _found(review: Document) -> list[_Titled]:
    section = heading(review, 2, _FINDINGS)
    below = _titled(review, section) if section else []
    return [one for one in below if _FINDING.match(one.title.text)]


def _titled(review: Document, section: Heading) -> list[_Titled]:
    """Return what stands below each heading of level 3 in a section, in one pass."""
    lines = review.section(section)
    titles = [h for h in review.headings if h.level == 3 and h.line in lines]
    ends = [*(title.line for title in titles[1:]), lines.stop]
    items = review.items_in(lines)
    at = [item.line for item in items]
    return [
        _Titled(title, _pairs(items[bisect.bisect(at, title.line) : bisect.bisect_left(at, end)]))
        for title, end in zip(titles, ends, strict=False)
    ]


def _pairs(items: Sequence[Item]) -> Block:
    block: Block = {}
    for item in items:
        if found := _PAIR.match(item.text):
            value = without_comments(found[2]).strip("`*").strip()
            below = _BELOW if item.has_body else ""
            block.setdefault(found[1].lower(), (item.line, value or below))
    return block


def _is_filled(found: _Titled) -> bool:
    """Tell whether somebody wrote a finding where the template has blanks."""
    values = [found.value(key) for key in ("summary", "evidence")]
    return any(value and not _UNFILLED.match(value) for value in values)


def _value_problems(record: Record, found: _Titled) -> Iterator[Finding]:
    for key in _REQUIRED:
        value = found.value(key)
        allowed = _VALUES.get(key)
        if not value or (allowed and value.lower() not in allowed):
            expected = f"one of {', '.join(allowed)}" if allowed else "a value"
            message = f"{found.title.text}: expected {key} with {expected}, found {value or 'none'}"
            yield record.finding(
                "improvement_findings_present",
                "review.md",
                found.line(key),
                message,
                f"write - {key}: …",
            )


def _action_problems(record: Record, context: Context, found: _Titled) -> Iterator[Finding]:
    title = found.title.text
    severity, action = found.value("severity").lower(), found.value("action_required").lower()
    linked = found.value("linked_task_id")
    if severity in ("must", "high") and action == "no":
        message = f"{title}: expected action_required yes for the severity {severity}, found no"
        hint = "set it to yes and link a task, or lower the severity"
        line = found.line("action_required")
        yield record.finding("improvement_threshold_enforced", "review.md", line, message, hint)
    if action == "yes" and not context.has_task(linked):
        message = f"{title}: expected linked_task_id with an existing task, found {linked or 'none'}"
        finding_id = found.value("finding_id") or "FINDING_ID"
        hint = f"begin one: agentrail new-task SLUG --from-finding {record.task_id} {finding_id}"
        line = found.line("linked_task_id")
        yield record.finding("improvement_task_linked", "review.md", line, message, hint)


def _boundary_problems(review: Document) -> Iterator[tuple[int, str]]:
    section = heading(review, 2, _BOUNDARIES)
    if section is None:
        yield 1, "expected the section '## 7. コミット境界の確認 (Commit Boundaries)', found none"
        return
    below = _titled(review, section)
    for title, pattern in _PHASES:
        found = next((one for one in below if pattern.match(one.title.text)), None)
        if found is None:
            yield section.line, f"expected the heading '### {title}', found none"
        else:
            yield from _phase_problems(title, found)


def _phase_problems(title: str, found: _Titled) -> Iterator[tuple[int, str]]:
    commit, scope = found.value("commit"), found.value("scope_check")
    is_current = title == _LAST_PHASE and commit.upper() == "CURRENT_COMMIT"
    if not (_COMMIT.fullmatch(commit) or is_current):
        message = f"{title}: expected commit with 7 to 40 hex digits, found {commit or 'none'}"
        yield found.line("commit"), message
    if scope.upper() != "PASS":
        yield found.line("scope_check"), f"{title}: expected scope_check: PASS, found {scope or 'none'}"
