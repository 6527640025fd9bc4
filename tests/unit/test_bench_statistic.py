"""The benchmark's arithmetic: a wrong ratio or fit would be published as a fact."""

from __future__ import annotations

import pytest

from tests.bench.statistic import Fit, Point, Spread, fit, paired, spread

TREES = [
    ("a", 1_000, 4_000_000),
    ("b", 1_000, 64_000_000),
    ("c", 10_000, 40_000_000),
    ("d", 100_000, 10**8),
]


def points(base: float, per_file: float, per_byte: float) -> list[Point]:
    return [
        Point(name, files, size, base + per_file * files + per_byte * size)
        for name, files, size in TREES
    ]


def fitted(found: list[Point]) -> Fit:
    result = fit(found)
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], Spread(3, 3, 3)),
        ([9.0, 1.0, 2.0], Spread(2, 1, 9)),
        ([1.0, 2.0, 3.0, 10.0], Spread(2.5, 1, 10)),
    ],
    ids=["one", "odd", "even"],
)
def test_one_slow_run_does_not_move_the_median(values: list[float], expected: Spread) -> None:
    assert spread(values) == expected


def test_a_ratio_is_made_within_each_round_and_not_of_medians() -> None:
    assert paired([1, 20, 3], [1, 10, 1]) == Spread(2, 1, 3)
    assert spread([1, 20, 3]).median / spread([1, 10, 1]).median == 3


def test_a_command_with_fewer_runs_is_compared_in_the_rounds_that_it_took_part_in() -> None:
    assert paired([10, 99, 99], [5]) == Spread(2, 2, 2)


@pytest.mark.parametrize(
    "parts",
    [(100.0, 0.05, 2e-6), (0.0, 0.05, 2e-6), (100.0, 0.0, 2e-6), (100.0, 0.05, 0.0)],
    ids=["all", "no base", "no files", "no bytes"],
)
def test_the_fit_finds_what_the_points_were_made_of(parts: tuple[float, float, float]) -> None:
    found = fitted(points(*parts))
    assert (found.base, found.per_file, found.per_byte) == pytest.approx(parts, rel=1e-6, abs=1e-9)
    assert found.worst == pytest.approx(0, abs=1e-9)


def test_what_is_not_linear_is_shown_by_the_residuals() -> None:
    bent = [point._replace(time=point.files**2 / 1e6) for point in points(0, 0, 0)]
    found = fitted(bent)
    assert found.worst > 0.5
    assert len(found.residuals) == len(TREES)


def test_no_part_of_a_cost_is_negative() -> None:
    odd = [Point("a", 10, 10, 9), Point("b", 20, 10, 8), Point("c", 30, 99, 7), Point("d", 40, 99, 5)]
    found = fitted(odd)
    assert min(found.base, found.per_file, found.per_byte) >= 0


def test_three_points_are_no_evidence_for_three_parts() -> None:
    assert fit(points(1, 1, 1)[:3]) is None


def test_trees_that_differ_in_nothing_still_have_a_fit() -> None:
    found = fitted([Point("a", 10, 100, 5.0)] * 4)
    assert found.base + 10 * found.per_file + 100 * found.per_byte == pytest.approx(5)
