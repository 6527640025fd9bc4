"""Unified diffs of what a plan would write: base to current where edited, current to incoming."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import unified_diff
from typing import Final

from agentrail_runtime import block, newline
from agentrail_runtime.decision import Action, Texts
from agentrail_runtime.entry import Index, RelPath
from agentrail_runtime.planner import Plan
from agentrail_runtime.receipt import Receipt

_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")


def unified(plan: Plan, texts: Texts, *, receipt: Receipt | None, index: Index) -> str:
    """Return the diff of `plan`, empty where it writes nothing and nothing was refused.

    A file that the user edited is shown twice: what they changed (base to current), then what the
    install would make of it (current to incoming).

    Args:
        plan: the plan.
        texts: where the texts come from.
        receipt: what is installed, None for nothing.
        index: what the source holds.
    """
    changes = {change.path: change for change in plan.changes}
    records = {record.path: record for record in receipt.records} if receipt else {}
    incoming = {entry.path: entry for entry in index.entries}
    parts: list[str] = []
    for action in plan.actions:
        change, record = changes.get(action.path), records.get(action.path)
        is_open = action.action in ("conflict", "merge") or action.reason.startswith("declined")
        if change is None and not is_open:
            continue
        current = _current(texts, action.path)
        is_edited = is_open or (change is not None and change.is_edited)
        if is_edited and record and action.ownership != "block" and current is not None:
            base = texts.base(record)
            if base is not None:
                parts += _file("base", "current", action.path, base, current)
        if change is not None:
            after = change.content() if change.content else None
            parts += _file("current", "incoming", action.path, current, after)
        elif action.path in incoming:
            after = _refused(action, texts, current)
            parts += _file("current", "incoming", action.path, current, after)
    return "".join(parts)


def _refused(action: Action, texts: Texts, current: bytes | None) -> bytes | None:
    """Return what would stand there if the incoming side had not been refused."""
    incoming = texts.incoming(action.path)
    if action.ownership != "block":
        return incoming
    try:
        body, style = block.parse(incoming, name=action.path)
        return block.put(current, body, style=style)
    except block.BlockError:
        return current


def _current(texts: Texts, path: RelPath) -> bytes | None:
    try:
        return texts.current(path)
    except FileNotFoundError:
        return None


def _file(left: str, right: str, path: str, before: bytes | None, after: bytes | None) -> Iterator[str]:
    """Yield the diff of one file in the format that patch(1) and git-apply(1) read."""
    if before == after:
        return
    old = "/dev/null" if before is None else f"{left}/{path}"
    new = "/dev/null" if after is None else f"{right}/{path}"
    if not all(side is None or newline.is_utf8(side) for side in (before, after)):
        yield f"Binary files {old} and {new} differ\n"
        return
    sides = [_LINE.findall((side or b"").decode()) for side in (before, after)]
    for line in unified_diff(sides[0], sides[1], fromfile=old, tofile=new):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
