"""Many targets in one run: the list that names them, how each ended, what they come to together."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from agentrail_runtime.document import Json
from agentrail_runtime.errors import AgentRailError, UsageError
from agentrail_runtime.outcome import Outcome

LIMIT: Final = 16 << 20
"""How large a list may be, in bytes."""

RESULTS: Final = ("applied", "unchanged", "planned", "conflict", "failed")
"""How a target may have ended, in the order in which they are counted."""

_BLANK: Final = b" \t\r\f\v"
_BYTE: Final = re.compile("[\udc80-\udcff]")  # what `os.fsdecode` makes of a byte that is no UTF-8
_NOT_ASCII: Final = re.compile("[^\x00-\x7f]")


class Row(NamedTuple):
    """One target of a list: the number of its line, from 1, and its path as it stands there."""

    number: int
    path: bytes


def parse(data: bytes, *, name: str, is_null: bool = False) -> list[Row]:
    """Return the targets that a list names, in its order.

    A line is a path, without the blanks around it; empty lines and those that begin with ``#`` are
    passed over, CRLF ends a line as LF does, and a byte order mark is no part of the first.

    Args:
        data: the bytes of the list.
        name: what messages call it.
        is_null: each path ends with a NUL instead (as of ``find -print0``), and is taken as it is.

    Raises:
        UsageError: the list is larger than `LIMIT`, is no text, or says what only a shell understands.
    """
    if len(data) > LIMIT:
        raise UsageError(
            f"{name}: too large for a list of targets (expected at most {LIMIT} bytes)",
            paths=[name],
            hint="split it, and install into one part after the other",
        )
    if is_null:
        return [Row(number, path) for number, path in enumerate(data.split(b"\0"), 1) if path]
    lines = enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)
    rows = [Row(number, line.strip(_BLANK)) for number, line in lines]
    rows = [row for row in rows if row.path and not row.path.startswith(b"#")]
    for row in rows:
        _check(row, name)
    return rows


def _check(row: Row, name: str) -> None:
    """Make sure that a line is a path: what is none would be made as a directory of that name."""
    if b"\0" in row.path:
        raise UsageError(
            f"{name}:{row.number}: a NUL byte (expected text, one path a line)",
            paths=[name],
            hint="for a list of paths that end with NUL: --null; any other has to be UTF-8",
        )
    if row.path == b"~" or row.path.startswith(b"~/"):
        path = row.path.decode("utf-8", "backslashreplace")
        raise UsageError(
            f"{name}:{row.number}: {path}: only a shell knows what ~ stands for (expected a path)",
            paths=[name],
            hint=f"write it out; for a directory that is named ~: ./{path}",
        )


class Ended(NamedTuple):
    """How one target ended.

    Args:
        name: the target as the list names it.
        outcome: what was done, or planned as far as it came to that.
        error: what it ended in, None where all went well.
        code: the exit code that a run on this target alone would have.
        trace: where the error came from, for a developer.
    """

    name: str
    outcome: Outcome
    error: AgentRailError | None = None
    code: int = 0
    trace: str = ""

    @property
    def result(self) -> str:
        """One of `RESULTS`."""
        is_conflict = self.outcome.result == "conflict"
        return self.outcome.result if self.error is None or is_conflict else "failed"


class Summary:
    """What the targets of a run come to.

    Args:
        names: all of them, as the list names them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.counts: Final = dict.fromkeys(RESULTS, 0)
        self.failures: Final[list[tuple[str, str, int]]] = []
        """Result, target and exit code of each that did not end well."""
        self.is_pending = False
        """Whether a plan would change one of them."""
        self._notices: Final[dict[str, list[str]]] = {}
        self._left: Final = dict.fromkeys(names)
        self.total: Final = len(self._left)

    def add(self, ended: Ended) -> None:
        """Count a target."""
        self.counts[ended.result] += 1
        self._left.pop(ended.name, None)
        self.is_pending = self.is_pending or ended.outcome.changed
        if ended.error is not None:
            self.failures.append((ended.result, ended.outcome.target, ended.code))
        for notice in ended.outcome.notices:
            self._notices.setdefault(notice, []).append(ended.outcome.target)

    @property
    def not_run(self) -> list[str]:
        """The targets that were not begun."""
        return list(self._left)

    @property
    def notices(self) -> list[str]:
        """What the user should know besides, each once, with a target that it is about."""
        return [
            f"{targets[0]}{f' and {len(targets) - 1} more' if targets[1:] else ''}: {notice}"
            for notice, targets in self._notices.items()
        ]

    @property
    def done(self) -> int:
        """How many targets have ended."""
        return self.total - len(self._left)

    def exit_code(self, *, is_check: bool) -> int:
        """Return the exit code of the whole run.

        Args:
            is_check: whether a change that is pending is told by the code (4).
        """
        failed = exit_code({code for _, _, code in self.failures})
        return failed or (4 if is_check and self.is_pending else 0)

    def as_json(self, *, code: int, seconds: float, error: Json | None = None) -> Json:
        """Return the last line of a run: without it, the run was cut short.

        Args:
            code: the exit code.
            seconds: how long the run took.
            error: why it did not even begin.
        """
        return {
            "schema_version": "1.0",
            "command": "install",
            "kind": "summary",
            "targets": self.total,
            "results": {**self.counts, "not_run": len(self._left)},
            "not_run": self.not_run,
            "code": code,
            "seconds": round(seconds, 3),
            "error": error,
        }

    def as_text(self, *, seconds: float) -> list[str]:
        """Return a table with a row of names and a row of numbers."""
        row = {"targets": self.total, **self.counts, "not run": len(self._left)}
        cells = [(name, str(count)) for name, count in row.items()]
        cells.append(("seconds", f"{seconds:.1f}"))
        widths = [max(map(len, cell)) for cell in cells]
        return [
            "  ".join(cell[at].rjust(width) for cell, width in zip(cells, widths, strict=True))
            for at in (0, 1)
        ]


def exit_code(codes: Collection[int]) -> int:
    """Return the exit code of a run whose targets failed with `codes`: theirs if it is one, else 1."""
    return next(iter(codes)) if len(codes) == 1 else min(len(codes), 1)


def json_line(value: Json, *, is_ascii: bool = False) -> str:
    r"""Return `value` as one line of JSON, without the line feed.

    Args:
        value: what to write; the bytes of a file name that is no UTF-8 become ``\xff``.
        is_ascii: escape every other character.
    """
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    text = _BYTE.sub(lambda found: f"\\\\x{ord(found[0]) - 0xDC00:02x}", text)
    return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text) if is_ascii else text
