"""A run over many targets that is killed midway."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault import many, strace
from tests.fault.choice import Choice
from tests.fault.scenario import secluded
from tests.fault.test_strike import broken
from tests.support import write

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="Windows has no groups of processes")


@pytest.fixture
def cases(tmp_path: Path) -> Iterator[many.Cases]:
    """Six repositories, and a run over all of them."""
    with secluded(tmp_path):
        yield many.Cases(tmp_path)


@pytest.mark.slow
def test_a_run_over_many_targets_that_is_killed_is_finished_by_the_same_command(
    cases: many.Cases,
) -> None:
    way = next(way for way in cases.ways() if way.place == "3 targets done")
    assert cases.tried(way, 1) == ""


def test_a_target_that_is_no_longer_what_the_run_told_of_is_noticed(cases: many.Cases) -> None:
    def harmed(place: Path) -> list[dict[str, str]]:
        write(place / "b", {"docs/a.md": "half\n"})
        return []

    assert cases.tried(many.Way("harm", "b", harmed), 1).startswith("b: verify ended with 4")
    assert cases.tried(many.Way("harm", "b", harmed), 0).startswith("the second run told of")


@pytest.mark.slow
@pytest.mark.skipif(bool(strace.problem()), reason=strace.problem() or "strace works")
def test_many_targets_each_killed_midway_are_finished_by_the_same_command(tmp_path: Path) -> None:
    with secluded(tmp_path):
        assert broken(many.kills(tmp_path, Choice(limit=3))) == []
