"""A report as a Markdown page: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.bench import wording
from tests.bench.goal import all_judged
from tests.bench.result import FITTED, JOBS, Report, Row, growth
from tests.bench.statistic import spread

SECTIONS = (
    ("why", "Why"),
    ("faults", "Faults tried and survived"),
    ("mutation", "Mutation testing"),
)
"""The parts that people write: the name of each file of tests/bench/notes, and its heading."""

HEAD = """\
# Benchmarks

<!-- Written by `python -m tests.bench --page`. What people write stands in tests/bench/notes/. -->

How long the commands take, and how much memory, beside what people use for the same job: measured
on {date} by one run of `{command}`.{samples}

![Bars: how long each command takes, by job and tree]({chart})

## Goals

A ratio is the time of our command divided by that of the other one in the same round: the median
over all rounds, then the least and the most. What is missed has its reason under [Why](#why).
"""
METHOD = """\
## How it is measured

Whole processes, from start to end, on a warm cache. The commands of a job take turns: in each round
every one runs once, who begins moves on from round to round, and the first round does not count.
Before each run everything that was written so far is made durable, so that no command waits for
another's bytes. Whatever a command writes goes to a directory that was never used before; all is
deleted at the very end. A target is a git repository with somebody's files in one commit, before
ours or anybody's install.

`{payload}` is installed from the package, as users do; an update of it, and all of the made-up
trees, from bundles (`--source copy`). Those trees are random bytes, in 500 directories where they
are large; 1 % of the files differ between their two versions. `cp`, rsync, git and dpkg get exactly
the files that ours delivers, without its index; git has them in one pack, dpkg in a package that is
not compressed and with a database of its own. Copier, cookiecutter and cruft have them in a
template, as files that are not rendered. specify-cli and superclaude install their own payload.
Every peer is in an environment of its own, as pip installs it.

Ours, dpkg and `rsync --fsync` have made what they wrote durable when they end; `cp`, rsync without
that option, git and the peers have not. What takes seconds where the others take a
tenth is in the first rounds alone, as *Runs* says; in a fresh install of the largest tree, the
commands of others have no round that does not count. Our commands run with `--quiet`.

*peak* is the memory of the largest single process of a run, the first one or one of its children,
as the operating system counts it (`wait4`): the most of all rounds. No less can be seen than the
measuring process has itself, so a small value is shown as `≤`. *all* is the most that was seen,
every 5 ms in the round that does not count, of all processes of the command together (proportional
set size, Linux).
"""
IMPORT_TEXT = """\
What `python -X importtime` tells; it makes every import slower. A module's time is that of its own
code, without what it imports."""
GROWTH_TEXT = """\
Time as a base, plus so much for each file and each byte: least squares of the relative errors over
the made-up trees, no part negative. The last columns have what was measured, and in brackets by how
much the sum is off."""
AGAIN = """\
## How to run it again

With the requirements of the tests, and git, rsync, dpkg and coreutils where they are to take part:

```console
python -m tests.bench --page docs/benchmarks.md --json docs/benchmarks.json
python -m tests.bench --quick
python -m tests.bench --help
```
"""


class Links(NamedTuple):
    """What the page leads to, relative to it."""

    chart: str
    samples: str = ""


def markdown(report: Report, notes: Mapping[str, str], links: Links) -> str:
    """Return the page.

    Args:
        report: what was measured.
        notes: the parts that people wrote, by the names of `SECTIONS`.
        links: the picture, and the JSON with every run if there is one.
    """
    samples = f" Every single run is in [{links.samples}]({links.samples})." if links.samples else ""
    head = HEAD.format(date=report.date, command=report.command, samples=samples, chart=links.chart)
    payload = next((tree.title for tree in report.trees if not tree.is_generated), "shipped payload")
    parts = [head, *_table(GOAL_HEAD, goal_rows(report)), ""]
    parts += _note(notes, *SECTIONS[0])
    parts += ["## Results", "", *_results(report)]
    parts += [*_imports(report), *_growth(report)]
    for name, heading in SECTIONS[1:]:
        parts += _note(notes, name, heading)
    parts += [METHOD.format(payload=payload[:1].upper() + payload[1:]), *_machine(report), AGAIN]
    return "\n".join(parts)


GOAL_HEAD = ("Job", "Tree", "Goal", "Measured", "Verdict")


def goal_rows(report: Report) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of goals."""
    titles = {tree.name: tree.title for tree in report.trees}
    for verdict in all_judged(report):
        goal, result = verdict.goal, wording.outcome(verdict)
        yield (
            JOBS[goal.job],
            titles.get(goal.tree, goal.tree),
            wording.bound(goal),
            wording.measured(verdict),
            result if verdict.is_met else f"**{result}**",
        )


def _results(report: Report) -> Iterator[str]:
    for tree in report.trees:
        rows = [row for row in report.rows if row.tree == tree.name and len(row.series) > 1]
        if not rows:
            continue
        yield from (f"### {tree.title[:1].upper()}{tree.title[1:]}", "")
        yield from (f"{tree.files:,} files, {tree.bytes / 1e6:.1f} MB.", "")
        for row in rows:
            yield from (f"#### {JOBS[row.job].capitalize()}: {tree.title}", "")
            head = ("Command", "Median", "Min–max", "Runs", "Ours / it", "Peak MB", "All MB")
            yield from (*_table(head, _row(row)), "")


def _row(row: Row) -> Iterator[Sequence[str]]:
    for series in row.series:
        name = f"`{series.name}`"
        if series.reason:
            yield (name, f"missing: {_cell(series.reason)}", "", "", "", "", "")
            continue
        ratio = row.ratio(series.name) if series != row.ours else None
        yield (
            f"**{name}**" if series == row.ours else name,
            wording.duration(spread(series.times).median),
            wording.range_of(series),
            str(len(series.times)),
            wording.times(ratio) if ratio else "",
            wording.memory(series, row),
            wording.total(series),
        )


def _imports(report: Report) -> Iterator[str]:
    if report.imports:
        yield from ("## Imports", "")
        yield from (IMPORT_TEXT, "")
    for one in report.imports:
        yield from (f"### Imports of {one.command}", "")
        yield (
            f"{one.total:.1f} ms for {one.modules} modules, {one.bare:.1f} ms of that in every Python "
            "program. The largest:"
        )
        yield ""
        yield from _table(("Module", "ms"), ((f"`{name}`", f"{time:.2f}") for name, time in one.top))
        yield ""


def _growth(report: Report) -> Iterator[str]:
    fits = [(job, found) for job in FITTED if (found := growth(report, job))]
    if not fits:
        return
    yield from ("## Growth", "")
    yield from (GROWTH_TEXT, "")
    names = [tree.name for tree in report.trees if tree.is_generated]
    titles = [report.tree(name).title for name in names]
    rows = []
    for job, found in fits:
        cells = {
            point.tree: f"{wording.duration(point.time)} ({wording.off(residual)})"
            for point, residual in zip(found.points, found.residuals, strict=True)
        }
        parts = (
            f"{found.base:.0f} ms",
            f"{found.per_file * 1000:.1f} µs",
            f"{found.per_byte * 1e6:.2f} ms",
        )
        rows.append((JOBS[job], *parts, *(cells.get(name, "–") for name in names)))
    yield from _table(("Job", "Base", "A file", "A MB", *titles), rows)
    yield ""


def _machine(report: Report) -> Iterator[str]:
    yield from ("## Machine and versions", "")
    yield from _table(("What", "Which"), list(report.machine.items()))
    yield ""
    tools = ((f"`{name}`", _cell(version)) for name, version in report.tools.items())
    yield from (*_table(("Command", "Version"), tools), "")


def _note(notes: Mapping[str, str], name: str, heading: str) -> list[str]:
    text = notes.get(name, "").strip()
    return [f"## {heading}", "", text or "Nothing is written down here yet.", ""]


def _table(
    head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]
) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("\n", " ")
