"""What a run of the benchmark measured, as values, and as JSON: pure."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.bench.statistic import Fit, Point, Spread, fit, paired, spread

JOBS = {
    "fresh": "fresh install",
    "noop": "nothing to do, every byte rehashed",
    "fast": "nothing to do, stat cache trusted",
    "update": "1 % of the files changed",
    "verify": "verify",
    "rollback": "rollback of the 1 %",
    "startup": "start-up",
}
"""Every job, in the order of the page, with what it is called there."""

FITTED = ("fresh", "noop", "fast", "update", "verify", "rollback")
"""The jobs whose cost grows with the tree."""

SCHEMA = 1


class Tree(NamedTuple):
    """What a tree holds."""

    name: str
    title: str
    files: int
    bytes: int
    is_generated: bool


class Series(NamedTuple):
    """What was measured of one command: milliseconds and MB, or why nothing was."""

    name: str
    times: tuple[float, ...] = ()
    peak: float | None = None
    total: float | None = None
    reason: str = ""

    @property
    def memory(self) -> float | None:
        """The larger of both ways to look at the memory."""
        return max((value for value in (self.peak, self.total) if value is not None), default=None)


class Row(NamedTuple):
    """The commands that took turns in one job on one tree; the first is ours.

    No peak below `floor` (MB) could be seen: what a process starts with is what started it.
    """

    job: str
    tree: str
    series: tuple[Series, ...]
    floor: float = 0.0

    @property
    def ours(self) -> Series:
        """Our command."""
        return self.series[0]

    def find(self, name: str) -> Series | None:
        """Return the series of a command, if the row has it."""
        return next((series for series in self.series if series.name == name), None)

    def ratio(self, name: str) -> Spread | None:
        """Return how many times the time of that command ours took, in the same rounds."""
        other = self.find(name)
        return (
            paired(self.ours.times, other.times) if other and other.times and self.ours.times else None
        )


class Imports(NamedTuple):
    """What the imports of our command take (ms); the time of a module is that of its own code."""

    command: str
    total: float
    bare: float
    modules: int
    top: tuple[tuple[str, float], ...]


class Report(NamedTuple):
    """One run of the benchmark."""

    date: str
    command: str
    machine: dict[str, str]
    tools: dict[str, str]
    trees: tuple[Tree, ...]
    rows: tuple[Row, ...]
    imports: tuple[Imports, ...] = ()

    def row(self, job: str, tree: str) -> Row | None:
        """Return the row of a job on a tree, if it was measured."""
        return next((row for row in self.rows if (row.job, row.tree) == (job, tree)), None)

    def tree(self, name: str) -> Tree:
        """Return a tree by its name."""
        return next(tree for tree in self.trees if tree.name == name)


def growth(report: Report, job: str) -> Fit | None:
    """Return what a job costs over the generated trees; the payload goes another route."""
    points = []
    for tree in report.trees:
        row = report.row(job, tree.name)
        if row and row.ours.times and tree.is_generated:
            points.append(Point(tree.name, tree.files, tree.bytes, spread(row.ours.times).median))
    return fit(points)


def dump(report: Report) -> str:
    """Return a report as JSON."""
    value = {"schema": SCHEMA, **_plain(report)}
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def load(text: str) -> Report:
    """Return a report from its JSON.

    Raises:
        ValueError: it is of another schema.
    """
    value: dict[str, Any] = json.loads(text)
    if value.pop("schema", None) != SCHEMA:
        raise ValueError(f"not a report of this benchmark (expected schema {SCHEMA})")
    rows = (
        Row(**{**row, "series": tuple(_series(series) for series in row["series"])})
        for row in value["rows"]
    )
    imports = (
        Imports(**{**one, "top": tuple((name, time) for name, time in one["top"])})
        for one in value["imports"]
    )
    trees = tuple(Tree(**tree) for tree in value["trees"])
    return Report(**{**value, "trees": trees, "rows": tuple(rows), "imports": tuple(imports)})


def _series(value: dict[str, Any]) -> Series:
    return Series(**{**value, "times": tuple(value["times"])})


def _plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return {key: _plain(inner) for key, inner in value._asdict().items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value
