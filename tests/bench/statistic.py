"""Medians, paired ratios, and what a file and a byte cost: pure."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """The median of some values, with the least and the most of them."""

    median: float
    least: float
    most: float


class Point(NamedTuple):
    """What a job took (ms) on a tree of so many files and bytes."""

    tree: str
    files: int
    bytes: int
    time: float


class Fit(NamedTuple):
    """A run as a sum: a base (ms), and so much for a file (ms) and a byte (ms).

    `residuals` has, for each point, by how much of the measured time the sum is off.
    """

    base: float
    per_file: float
    per_byte: float
    points: tuple[Point, ...]
    residuals: tuple[float, ...]

    @property
    def worst(self) -> float:
        """The largest residual, without its sign."""
        return max(map(abs, self.residuals))


def spread(values: Sequence[float]) -> Spread:
    """Return median, least and most of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return how many times theirs ours took, of the runs of the same rounds."""
    return spread([one / other for one, other in zip(ours, theirs, strict=False)])


def fit(points: Sequence[Point]) -> Fit | None:
    """Return the line through the points, or None where there are too few to tell.

    Least squares of the relative errors, so that a small tree counts as much as a large one. No part
    of a cost can be negative: of all choices of parts the best one without a negative part is taken.
    """
    if len(points) < 4:
        return None
    rows = [(1.0, float(point.files), float(point.bytes)) for point in points]
    scaled = [[value / point.time for value in row] for row, point in zip(rows, points, strict=True)]
    best: tuple[float, tuple[float, ...]] | None = None
    for size in (1, 2, 3):
        for columns in itertools.combinations(range(3), size):
            found = _solved([[row[column] for column in columns] for row in scaled])
            if found is None or min(found) < 0:
                continue
            parts = [0.0] * 3
            for column, value in zip(columns, found, strict=True):
                parts[column] = value
            error = sum((_dot(row, parts) - 1) ** 2 for row in scaled)
            if best is None or error < best[0]:
                best = (error, tuple(parts))
    if best is None:
        return None
    base, per_file, per_byte = best[1]
    residuals = tuple(_dot(row, best[1]) - 1 for row in scaled)
    return Fit(base, per_file, per_byte, tuple(points), residuals)


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(left * right for left, right in zip(one, other, strict=True))


def _solved(rows: Sequence[Sequence[float]]) -> list[float] | None:
    """Return the x for which each row times x is nearest to 1, by the normal equations."""
    width = len(rows[0])
    columns = [[row[number] for row in rows] for number in range(width)]
    lengths = [sum(value * value for value in column) ** 0.5 or 1.0 for column in columns]
    units = [[v / length for v in column] for column, length in zip(columns, lengths, strict=True)]
    matrix = [[*(_dot(one, other) for other in units), sum(one)] for one in units]
    for number in range(width):
        pivot = max(range(number, width), key=lambda at: abs(matrix[at][number]))
        if abs(matrix[pivot][number]) < 1e-9:
            return None
        matrix[number], matrix[pivot] = matrix[pivot], matrix[number]
        for at in range(width):
            if at != number:
                times = matrix[at][number] / matrix[number][number]
                matrix[at] = [a - times * b for a, b in zip(matrix[at], matrix[number], strict=True)]
    found = [matrix[number][-1] / matrix[number][number] for number in range(width)]
    return [value / length for value, length in zip(found, lengths, strict=True)]
