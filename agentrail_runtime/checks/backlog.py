"""The backlog: the tasks in order of priority, and what each waits for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from agentrail_runtime.checks.markdown import Document, Item, without_comments

_TITLES: Final = ("優先タスク一覧", "priority tasks", "priority task list")
_ID: Final = re.compile(r"`([^`]+)`")
_DEPENDENCY: Final = re.compile(
    r"\*{0,2}(?:依存|Depends on)\*{0,2}\s*[:：]\s*\*{0,2}(.*)$", re.IGNORECASE
)
_NONE: Final = re.compile(r"`?(?:なし|none|n/a|-)(?![\w-])", re.IGNORECASE)
_COMMA: Final = re.compile(r"[,、，]")


class Entry(NamedTuple):
    """An entry: the task's id, its line, and what it depends on; None where no line says that.

    `dependency_line` is the line that says it, that of the entry where there is none.
    """

    task_id: str
    line: int
    depends_on: frozenset[str] | None
    dependency_line: int


def load(text: str) -> list[Entry]:
    """Return the entries of the priority section of `text`, in order."""
    document = Document(text)
    for heading in document.headings:
        if heading.level == 2 and heading.text.lower().startswith(_TITLES):
            lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            return _entries(document.items_in(document.section(heading)), lines)
    return []


def _entries(items: Sequence[Item], lines: Sequence[str]) -> list[Entry]:
    """Return the entries; `lines` tell which bullets are indented, though too little to nest."""
    entries: list[Entry] = []
    is_inside = False
    for at, item in enumerate(items):
        found = _ID.match(item.text) if item.depth == 0 else None
        if found:
            entries.append(Entry(found[1].strip(), item.line, None, item.line))
            is_inside = True
        elif item.depth == 0 and not lines[item.line - 1][:1].isspace():
            is_inside = False
        elif is_inside and entries[-1].depends_on is None and (found := _DEPENDENCY.match(item.text)):
            ids = _ids(without_comments(found[1]) or _below(items, at))
            entries[-1] = entries[-1]._replace(depends_on=ids, dependency_line=item.line)
    return entries


def _below(items: Sequence[Item], at: int) -> str:
    """Return the texts of the items that lie within the one at `at`, joined by commas."""
    end = at + 1
    while end < len(items) and items[end].depth > items[at].depth:
        end += 1
    return ",".join(item.text for item in items[at + 1 : end])


def _ids(text: str) -> frozenset[str] | None:
    """Return the ids that `text` names, none for ``なし``; None where it says nothing."""
    if not text.strip():
        return None
    if _NONE.match(text.strip()):
        return frozenset()
    names = _ID.findall(text) or _COMMA.split(text)
    return frozenset(name.strip() for name in names if name.strip())
