"""The documents that have to move together: the rules, the documentation index and the runbook.

A change of the rules that the runbook does not know of, or the other way round, is how documents begin
to contradict each other. So each of the three answers to a change of another: where it has nothing else
to say, by a raised revision, a comment of the form ``<!-- revision: 7 -->``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from agentrail_runtime.release.runbook import BEGIN, END, RUNBOOK_PATH

RULES_PATH: Final = "docs/operations/runtime-framework-rules.md"
INDEX_PATH: Final = "docs/INDEX.md"
BLOCK_PATHS: Final = ("AGENTS.md", "CLAUDE.md")
"""The rules where no manifest says which files have them."""

_ROW: Final = re.compile("- (?:`([^`]+)` - .*|（未登録）)")  # a document, or the word for none
_STATUS: Final = re.compile(rb"^" + BEGIN.encode() + rb".*?^" + END.encode(), re.MULTILINE | re.DOTALL)


class Sides(NamedTuple):
    """The bytes of a file before and after a change; None where there is no such file."""

    before: bytes | None
    after: bytes | None


class Finding(NamedTuple):
    """A document that stayed while others moved: its path, what is wrong, and what to do."""

    path: str
    message: str
    remedy: str


def paths(block_files: Sequence[str]) -> tuple[str, ...]:
    """Return every file that is looked at, the rules first.

    Args:
        block_files: the files that carry rules for agents.
    """
    return (*block_files, RULES_PATH, INDEX_PATH, RUNBOOK_PATH)


def findings(files: Mapping[str, Sides], block_files: Sequence[str]) -> list[Finding]:
    """Return the documents that stayed although others moved.

    A document moves when its text does. These do not count: line ends; in the index, rows of other
    documents than rules and runbook; in the runbook, the status of the distribution, which commands
    write. Of the rules, one file stands for all.

    Args:
        files: each of `paths` as it was and as it is.
        block_files: as for `paths`.
    """
    rules = (*block_files, RULES_PATH)
    parts = {"the rules": rules, "the index": (INDEX_PATH,), "the runbook": (RUNBOOK_PATH,)}
    moved = {
        part: [path for path in members if _has_moved(path, files[path], rules)]
        for part, members in parts.items()
    }
    what = ", ".join(path for changed in moved.values() for path in changed)
    if not what:
        return []
    return [
        Finding(
            path=_spokesman(parts[part], files),
            message=f"did not move together with {what}",
            remedy="bring it up to date in the same change, or raise its <!-- revision: N -->",
        )
        for part, changed in moved.items()
        if not changed
    ]


def _spokesman(members: Sequence[str], files: Mapping[str, Sides]) -> str:
    """Return the file of a part to be named: the first that is there."""
    return next((path for path in members if files[path].after is not None), members[0])


def _has_moved(path: str, sides: Sides, rules: Sequence[str]) -> bool:
    before, after = (_text(path, side, rules) for side in sides)
    return before != after


def _text(path: str, data: bytes | None, rules: Sequence[str]) -> bytes | None:
    """Return what counts of a file."""
    if data is None:
        return None
    data = data.replace(b"\r\n", b"\n")
    if path == RUNBOOK_PATH:
        return _STATUS.sub(b"", data)
    if path != INDEX_PATH:
        return data
    named = (*rules, RUNBOOK_PATH)
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    kept = (line for line in lines if not (row := _ROW.fullmatch(line)) or row.group(1) in named)
    return "\n".join(kept).encode("utf-8", "surrogateescape")
