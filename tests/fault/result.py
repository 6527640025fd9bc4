"""What came of the faults: tries, counted by fault and scenario, as a table, Markdown or JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple


class Try(NamedTuple):
    """One fault in one run.

    Args:
        group: what kind of fault, such as ``kill -9``.
        fault: which one.
        scenario: what was struck.
        place: where it struck, in words that find it again.
        problem: what was wrong afterwards; an empty text for a fault that was survived.
    """

    group: str
    fault: str
    scenario: str
    place: str
    problem: str = ""


class Missing(NamedTuple):
    """A group of faults that could not be tried here, and why."""

    group: str
    reason: str


class Result(NamedTuple):
    """All that was tried."""

    tries: tuple[Try, ...]
    missing: tuple[Missing, ...] = ()

    @property
    def broken(self) -> tuple[Try, ...]:
        """The faults that were not survived."""
        return tuple(found for found in self.tries if found.problem)

    @property
    def groups(self) -> list[str]:
        """The groups in the order in which they were tried."""
        return list(dict.fromkeys(found.group for found in self.tries))

    @property
    def summary(self) -> str:
        """Everything in one line."""
        total = len(self.tries)
        return f"{total:,} faults tried, {total - len(self.broken):,} survived"


def collected(found: Iterable[Try | Missing]) -> Result:
    """Return all of `found` in one result."""
    found = [*found]
    return Result(
        tuple(one for one in found if isinstance(one, Try)),
        tuple(one for one in found if isinstance(one, Missing)),
    )


def table(result: Result, group: str) -> list[list[str]]:
    """Return the rows of a group's table, its head first: faults downwards, scenarios across."""
    tries = [found for found in result.tries if found.group == group]
    faults = sorted({found.fault for found in tries})
    scenarios = list(dict.fromkeys(found.scenario for found in tries))
    count = Counter((found.fault, found.scenario) for found in tries)
    broken = Counter((found.fault, found.scenario) for found in tries if found.problem)
    rows = [["", *scenarios, "tried", "survived"]]
    for fault in faults:
        cells = [_cell(count[fault, name], broken[fault, name]) for name in scenarios]
        tried = sum(count[fault, name] for name in scenarios)
        lost = sum(broken[fault, name] for name in scenarios)
        rows.append([fault, *cells, f"{tried}", f"{tried - lost}"])
    return rows


def as_text(result: Result) -> str:
    """Return the tables for a terminal."""
    parts = [f"{group}\n{_aligned(table(result, group))}" for group in result.groups]
    parts += [f"{row.group}: missing: {row.reason}" for row in result.missing]
    parts += [_told(found) for found in result.broken]
    return "\n\n".join([*parts, result.summary])


def as_markdown(result: Result) -> str:
    """Return the tables for a page."""
    parts = []
    for group in result.groups:
        head, *rows = table(result, group)
        align = ["---", *["--:"] * (len(head) - 1)]
        lines = [
            "| " + " | ".join(row) + " |" for row in ([head[0] or "fault", *head[1:]], align, *rows)
        ]
        parts.append(f"### {group[0].upper()}{group[1:]}\n\n" + "\n".join(lines))
    if result.missing:
        parts.append("\n".join(f"- not tried: {row.group}: {row.reason}" for row in result.missing))
    if result.broken:
        parts.append("\n".join(f"- not survived: {_told(found)}" for found in result.broken))
    return "\n\n".join([f"{result.summary}.", *parts]) + "\n"


def as_json(result: Result, **about: Any) -> str:
    """Return everything as JSON; `about` says under which conditions it was found."""
    count = Counter(found[:3] for found in result.tries)
    broken = Counter(found[:3] for found in result.broken)
    rows = [
        {"group": key[0], "fault": key[1], "scenario": key[2], "tried": n, "survived": n - broken[key]}
        for key, n in count.items()
    ]
    value = {
        "schema_version": "1.0",
        **about,
        "tried": len(result.tries),
        "survived": len(result.tries) - len(result.broken),
        "rows": rows,
        "missing": [row._asdict() for row in result.missing],
        "broken": [found._asdict() for found in result.broken],
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _cell(tried: int, broken: int) -> str:
    if not tried:
        return "–"
    return f"{tried} ({broken} broken)" if broken else f"{tried}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join(["", first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


def _told(found: Try) -> str:
    return f"{found.group}, {found.fault}, {found.scenario}, at {found.place}: {found.problem}"
