"""The path of a test between its two bounds: SVG (https://www.w3.org/TR/SVG2/), or lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from agentrail_runtime.release.gate import Course, Judgement

MOST_POINTS: Final = 400
"""How many points of a path are drawn; a longer one is thinned out evenly, ends included."""

_WIDTH: Final = 720
_HEIGHT: Final = 220
_LEFT: Final = 60
_TOP: Final = 40
_ROWS: Final = 9


class Glyphs(NamedTuple):
    """What a chart of text is drawn with."""

    point: str
    upper: str
    lower: str
    zero: str


UNICODE: Final = Glyphs("●", "─", "─", "┄")
ASCII: Final = Glyphs("*", "=", "=", ".")


def svg(judgement: Judgement) -> str:
    """Return both tests as one picture: plain SVG with a title and a description, without a script."""
    title = f"Release gate, {judgement.stage}, {judgement.version}: {judgement.verdict}"
    charts = ((_name(course), course) for course in _courses(judgement))
    body = "".join(
        _panel(name, course, number * (_HEIGHT + _TOP)) for number, (name, course) in enumerate(charts)
    )
    height = 2 * (_HEIGHT + _TOP) + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" role="img" aria-labelledby="title description" font-family="sans-serif" '
        f'font-size="12">\n<title id="title">{escaped(title)}</title>\n'
        f'<desc id="description">{escaped("; ".join(judgement.reasons))}</desc>\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n{body}</svg>\n'
    )


def text(judgement: Judgement, *, width: int = 72, is_unicode: bool = True) -> tuple[str, ...]:
    """Return both tests as lines.

    Args:
        judgement: what the gate says.
        width: how many columns a line has.
        is_unicode: whether other characters than those of ASCII can be shown.
    """
    glyphs = UNICODE if is_unicode else ASCII
    return tuple(
        line for course in _courses(judgement) for line in _lines(course, max(width, 24), glyphs)
    )


def thinned(path: Sequence[float], most: int = MOST_POINTS) -> tuple[tuple[int, float], ...]:
    """Return at most so many points of a path, each with its number; the ends are among them."""
    last = len(path) - 1
    if last < most:
        return tuple(enumerate(path))
    numbers = sorted({round(n * last / (most - 1)) for n in range(most)})
    return tuple((number, path[number]) for number in numbers)


def escaped(value: str) -> str:
    """Return a text for XML; what XML cannot hold becomes a question mark."""
    shown = "".join(character if character.isprintable() else "?" for character in value)
    pairs = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"))
    for character, entity in pairs:
        shown = shown.replace(character, entity)
    return shown


def _courses(judgement: Judgement) -> tuple[_Named, ...]:
    return (
        _Named("first attempts that succeed", judgement.success),
        _Named("repositories that stay", judgement.rollback),
    )


class _Named(NamedTuple):
    name: str
    course: Course


def _name(named: _Named) -> str:
    course = named.course
    count = len(course.path) - 1
    return f"{named.name}: {count} repositories, {course.decision or 'undecided'}"


def _span(course: Course) -> tuple[float, float]:
    """Return the lowest and the highest value that is to be shown."""
    return (
        min(course.steps.lower, *course.path) - 0.2,
        max(course.steps.upper, *course.path) + 0.2,
    )


def _panel(name: str, named: _Named, offset: int) -> str:
    course = named.course
    low, high = _span(course)
    top = offset + _TOP
    last = max(1, len(course.path) - 1)

    def across(number: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 20) * number / last

    def down(value: float) -> float:
        return top + _HEIGHT * (high - value) / (high - low)

    def line(value: float, color: str, label: str) -> str:
        y = f"{down(value):.1f}"
        return (
            f'<line x1="{_LEFT}" x2="{_WIDTH - 20}" y1="{y}" y2="{y}" stroke="{color}" '
            f'stroke-dasharray="6 3"/>\n<text x="4" y="{y}" dy="4" fill="{color}">{label}</text>\n'
        )

    points = " ".join(f"{across(n):.1f},{down(value):.1f}" for n, value in thinned(course.path))
    return (
        f'<text x="{_LEFT}" y="{top - 10}" font-weight="bold">{escaped(name)}</text>\n'
        + line(course.steps.upper, "#1a7f37", "promote")
        + line(0.0, "#8c959f", "0")
        + line(course.steps.lower, "#cf222e", "stop")
        + f'<polyline points="{points}" fill="none" stroke="#0969da" stroke-width="2"/>\n'
    )


def _lines(named: _Named, width: int, glyphs: Glyphs) -> Iterator[str]:
    course = named.course
    low, high = _span(course)
    columns = width - 9

    def row(value: float) -> int:
        return round((high - value) / (high - low) * (_ROWS - 1))

    grid = [[" "] * columns for _ in range(_ROWS)]
    labels = [""] * _ROWS
    marks = ((0.0, glyphs.zero, "0"), (course.steps.upper, glyphs.upper, "promote"))
    for value, glyph, label in (*marks, (course.steps.lower, glyphs.lower, "stop")):
        grid[row(value)] = [glyph] * columns
        labels[row(value)] = label
    last = max(1, len(course.path) - 1)
    for number, value in thinned(course.path, columns):
        grid[row(value)][round(number / last * (columns - 1))] = glyphs.point
    yield _name(named)
    for label, cells in zip(labels, grid, strict=True):
        yield f"{label:>8} {''.join(cells).rstrip()}".rstrip()
