"""The results as a picture: SVG (https://www.w3.org/TR/SVG2/), for dark and for light pages: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.bench import wording
from tests.bench.goal import CLICK, NOTHING, PASS
from tests.bench.result import JOBS, Report, Row, Series
from tests.bench.statistic import spread

SHOWN = ("fresh", "noop", "fast", "update", "verify")
WIDTH = 960
COLUMN = WIDTH // 2
LABEL = 205
BAR = 170
LINE = 20
HEAD = 34
GAP = 18
STYLE = """\
text{fill:#1f2328}
.page{fill:#ffffff}
.ours{fill:#0969da}
.other{fill:#8c959f}
.mark{fill:#d4a72c}
.range{stroke:#1f2328}
.title{font-weight:bold}
.name{text-anchor:end}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}
.page{fill:#0d1117}
.ours{fill:#4493f8}
.other{fill:#6e7681}
.mark{fill:#bb8009}
.range{stroke:#e6edf3}
}
"""


def svg(report: Report) -> str:
    """Return one panel for each job and tree, two in a line; nothing in it runs or is loaded."""
    rows = [row for row in report.rows if row.job in SHOWN and row.ours.times and len(row.series) > 1]
    panels, top = [], HEAD
    for number in range(0, len(rows), 2):
        pair = rows[number : number + 2]
        panels += [
            f'<g transform="translate({at * COLUMN} {top})">\n{panel(report, row)}</g>\n'
            for at, row in enumerate(pair)
        ]
        top += max(HEAD + LINE * len(bars(row)) for row in pair) + GAP
    title = f"How long agentrail-install and others take, measured on {report.date}"
    spoken = "; ".join(sentence(report, row) for row in rows) or "nothing was measured"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" '
        f'height="{top}" role="img" aria-labelledby="title description" font-family="sans-serif" '
        f'font-size="12">\n<title id="title">{escaped(title)}</title>\n'
        f'<desc id="description">{escaped(spoken)}</desc>\n<style>\n{STYLE}</style>\n'
        f'<rect class="page" width="{WIDTH}" height="{top}"/>\n'
        f'<text x="{WIDTH // 2}" y="20" text-anchor="middle">medians, less is better; '
        f"line: from the least to the most; blue: agentrail, "
        f"yellow: Python itself</text>\n{''.join(panels)}</svg>\n"
    )


def panel(report: Report, row: Row) -> str:
    """Return the bars of one job on one tree, the quickest first."""
    name = f"{JOBS[row.job]} – {report.tree(row.tree).title}"
    return (
        f'<text class="title" x="12" y="14">{escaped(name)}</text>\n{"".join(_lines(bars(row), row))}'
    )


def bars(row: Row) -> list[Series]:
    """Return what was measured, the quickest first."""
    return sorted((series for series in row.series if series.times), key=_median)


def sentence(report: Report, row: Row) -> str:
    """Return what a panel shows, for those who cannot see it."""
    shown = ", ".join(f"{series.name} {wording.duration(_median(series))}" for series in bars(row))
    return f"{JOBS[row.job]}, {report.tree(row.tree).title}: {shown}"


def escaped(value: str) -> str:
    """Return a text for XML; what XML cannot hold becomes a question mark."""
    shown = "".join(character if character.isprintable() else "?" for character in value)
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        shown = shown.replace(character, entity)
    return shown


def _lines(found: Sequence[Series], row: Row) -> Iterator[str]:
    scale = BAR / max(time for series in found for time in series.times)
    for number, series in enumerate(found):
        y = HEAD + LINE * number
        median, least, most = (max(1.0, scale * time) for time in spread(series.times))
        kind = _kind(series, row)
        yield (
            f'<text class="name" x="{LABEL - 6}" y="{y}">{escaped(series.name)}</text>\n'
            f'<rect class="{kind}" x="{LABEL}" y="{y - 11}" width="{median:.1f}" height="14" rx="2"/>\n'
            f'<path class="range" d="M{LABEL + least:.1f} {y - 4}h{most - least:.1f}"/>\n'
            f'<text x="{LABEL + most + 6:.1f}" y="{y}">{wording.duration(_median(series))}</text>\n'
        )


def _kind(series: Series, row: Row) -> str:
    if series == row.ours or series.name == NOTHING:
        return "ours"
    return "mark" if series.name in (CLICK, PASS) else "other"


def _median(series: Series) -> float:
    return spread(series.times).median
