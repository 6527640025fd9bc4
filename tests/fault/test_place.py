"""A full file system, and parts of a target that may not be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.support import RULES
from tests.fault import closed, full, limit, namespace
from tests.fault.choice import Choice
from tests.fault.scenario import Scenarios
from tests.fault.test_strike import broken

needs_mounts = pytest.mark.skipif(
    bool(namespace.problem()), reason=namespace.problem() or "mounts are possible"
)


@needs_mounts
def test_a_full_file_system_leaves_the_old_tree_and_says_so(scenarios: Scenarios, place: Path) -> None:
    tries = full.shortages(scenarios.get("merge"), place / "scratch", Choice(limit=1))
    assert broken(tries) == []


@pytest.mark.slow
@needs_mounts
@pytest.mark.parametrize("name", ["fresh", "upgrade", "uninstall"])
def test_a_file_system_that_is_full_at_many_places_leaves_the_old_tree(
    scenarios: Scenarios, place: Path, name: str
) -> None:
    tries = full.shortages(scenarios.get(name), place / "scratch", Choice(limit=3))
    assert broken(tries) == []


@pytest.mark.skipif(bool(limit.problem()), reason=limit.problem() or "limits are possible")
def test_too_few_open_files_or_too_short_ones_leave_the_old_tree(
    scenarios: Scenarios, place: Path
) -> None:
    tries = limit.limits(scenarios.get("upgrade"), place / "scratch", Choice(limit=4))
    assert broken(tries) == []


@pytest.mark.parametrize("obstacle", closed.OBSTACLES, ids=lambda obstacle: obstacle.name)
def test_a_part_that_may_not_be_written_leaves_the_old_tree(
    scenarios: Scenarios, place: Path, obstacle: closed.Obstacle
) -> None:
    if reason := closed.missing(obstacle, place):
        pytest.skip(reason)
    path = "docs/operations" if obstacle.is_for == "directory" else RULES
    assert closed.tried(scenarios.get("upgrade"), place / "scratch", obstacle, path) == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fast", "merge", "rollback"])
def test_many_parts_that_may_not_be_written_leave_the_old_tree(
    scenarios: Scenarios, place: Path, name: str
) -> None:
    tries = closed.obstacles(scenarios.get(name), place / "scratch", Choice(limit=14))
    assert broken(tries) == []
