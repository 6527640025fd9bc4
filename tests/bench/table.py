"""A report as text for a terminal: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.bench import wording
from tests.bench.goal import all_judged
from tests.bench.result import FITTED, JOBS, Report, Row, growth
from tests.bench.statistic import spread


def text(report: Report) -> str:
    """Return the whole report."""
    parts = [block for row in report.rows for block in ("\n".join(row_lines(report, row)), "")]
    return "\n".join([*parts, *import_lines(report), *growth_lines(report), *goal_lines(report)])


def row_lines(report: Report, row: Row) -> Iterator[str]:
    """Yield the table of one job on one tree."""
    tree = report.tree(row.tree)
    yield f"{JOBS[row.job]}: {tree.title} ({tree.files:,} files, {tree.bytes / 1e6:.1f} MB)"
    head = ("", "median", "min-max", "runs", "ours / it (min-max)", "peak MB", "all MB")
    body: list[Sequence[str]] = []
    for series in row.series:
        if series.reason:
            body.append((series.name, f"missing: {series.reason}"))
            continue
        ratio = row.ratio(series.name) if series != row.ours else None
        body.append(
            (
                series.name,
                wording.duration(spread(series.times).median),
                wording.range_of(series),
                str(len(series.times)),
                wording.times(ratio) if ratio else "",
                wording.memory(series, row),
                wording.total(series),
            )
        )
    yield from aligned([head, *body])


def import_lines(report: Report) -> Iterator[str]:
    """Yield what the imports take."""
    for one in report.imports:
        yield (
            f"imports of {one.command}: {one.total:.1f} ms for {one.modules} modules, "
            f"{one.bare:.1f} ms of that Python's own"
        )
        yield from aligned([(name, f"{time:.2f} ms") for name, time in one.top])
        yield ""


def growth_lines(report: Report) -> Iterator[str]:
    """Yield what a file and a byte cost."""
    body = []
    for job in FITTED:
        found = growth(report, job)
        if found:
            cells = (f"{found.base:.0f} ms", f"{found.per_file * 1000:.1f} µs a file")
            body.append(
                (JOBS[job], *cells, f"{found.per_byte * 1e6:.2f} ms a MB", f"±{found.worst:.0%}")
            )
    if body:
        yield "growth: base + files + bytes, and the largest residual"
        yield from aligned(body)
        yield ""


def goal_lines(report: Report) -> Iterator[str]:
    """Yield every goal, and whether it is met."""
    yield "goals"
    rows = []
    for verdict in all_judged(report):
        goal = verdict.goal
        cells = (wording.bound(goal), wording.measured(verdict), wording.outcome(verdict))
        rows.append((JOBS[goal.job], goal.tree, *cells))
    yield from aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows as lines with columns of one width; what is a row's last cell may be longer."""
    width = max(map(len, rows), default=0)
    widths = [
        max((len(row[at]) for row in rows if at < len(row) - 1), default=0) for at in range(width)
    ]
    for row in rows:
        yield "  " + "  ".join(f"{cell:<{widths[at]}}" for at, cell in enumerate(row)).rstrip()
