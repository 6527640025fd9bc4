"""Numbers as a reader wants them, for the terminal and for the page: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import PurePath

from tests.bench.goal import MEMORY, Goal, Verdict
from tests.bench.result import JOBS, Row, Series
from tests.bench.statistic import Spread, spread

PLACES = ("--python", "--peers", "--place")
"""Options that only say where something lies on the machine."""


def command_line(words: Sequence[str]) -> str:
    """Return how the benchmark was run, without the places that are on that machine alone."""
    kept: list[str] = []
    is_left_out = False
    for word in words:
        if is_left_out or word.startswith(tuple(f"{name}=" for name in PLACES)):
            is_left_out = False
        elif word in PLACES:
            is_left_out = True
        else:
            kept.append(PurePath(word).name if PurePath(word).is_absolute() else word)
    return " ".join(["python -m tests.bench", *kept])


def hidden(text: str, paths: Iterable[str]) -> str:
    """Return a text without those paths, the longest first."""
    for path in sorted(paths, key=len, reverse=True):
        text = text.replace(path, "…")
    return text


def duration(milliseconds: float) -> str:
    """Return a time with three digits, in ms below a second."""
    if milliseconds < 999.5:
        return f"{digits(milliseconds)} ms"
    return f"{digits(milliseconds / 1000)} s"


def digits(value: float) -> str:
    """Return a number with three digits, or all that stand before the point."""
    if value >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def times(value: Spread) -> str:
    """Return a ratio with its spread."""
    return f"{precise(value.median)} ({precise(value.least)}–{precise(value.most)})"


def precise(value: float) -> str:
    """Return a ratio with three digits after the point where it is small."""
    return f"{value:.3f}" if value < 0.2 else digits(value)


def off(residual: float) -> str:
    """Return by how much a sum is off, with its sign; nothing has the sign plus."""
    return f"{round(residual, 2) + 0.0:+.0%}"


def range_of(series: Series) -> str:
    """Return the least and the most that a command took."""
    found = spread(series.times)
    return f"{duration(found.least)}–{duration(found.most)}"


def memory(series: Series, row: Row) -> str:
    """Return the peak of the largest process, and of all together where that is more."""
    if series.peak is None:
        return "–"
    return f"{series.peak:.0f}" if series.peak > row.floor + 0.5 else f"≤ {row.floor:.0f}"


def total(series: Series) -> str:
    """Return the peak of all processes together."""
    return "–" if series.total is None else f"{series.total:.0f}"


def bound(goal: Goal) -> str:
    """Return what a goal asks for."""
    if goal.reference == MEMORY:
        return f"≤ {goal.bound:.0f} MB"
    fraction = Fraction(goal.bound).limit_denominator(100)
    shown = str(fraction) if fraction.numerator == 1 and fraction.denominator > 2 else f"{goal.bound:g}"
    return f"≤ {shown} × {goal.reference}"


def measured(verdict: Verdict) -> str:
    """Return what was measured for a goal."""
    if verdict.measured is None:
        return f"not measured: {verdict.reason}"
    if verdict.goal.reference == MEMORY:
        return f"{verdict.measured.median:.0f} MB"
    return times(verdict.measured)


def outcome(verdict: Verdict) -> str:
    """Return whether a goal is met, and by how much it is missed."""
    if verdict.is_met is None:
        return "not measured"
    excess = verdict.excess
    return "met" if verdict.is_met else f"missed by {excess:.0%}" if excess > 0.01 else "missed by < 1%"


def job(name: str) -> str:
    """Return what a job is called."""
    return JOBS[name]
