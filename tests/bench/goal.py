"""What the product promises against what people use, and whether a run kept it: pure."""

from __future__ import annotations

from typing import NamedTuple

from tests.bench.result import Report
from tests.bench.statistic import Spread

CLICK = 'python -c "import click"'
PASS = "python -c pass"
FSYNC = "rsync -a --fsync"
TOUCHED = "git status, all touched"
SUMS = "sha256sum -c"
NOTHING = "agentrail-install, nothing to do"
MEMORY = "memory, MB"
"""In the place of another command: the bound is one of MB."""


class Goal(NamedTuple):
    """At most so many times the time of another command, or at most so many MB."""

    job: str
    tree: str
    reference: str
    bound: float


class Verdict(NamedTuple):
    """What was measured for a goal; without a value, why there is none."""

    goal: Goal
    measured: Spread | None
    reason: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None where it was not measured."""
        return None if self.measured is None else self.measured.median <= self.goal.bound

    @property
    def excess(self) -> float:
        """By how much of the bound the measured value is above it; negative where below."""
        return 0.0 if self.measured is None else self.measured.median / self.goal.bound - 1


GOALS = (
    Goal("fresh", "payload", "superclaude install", 1.0),
    Goal("fresh", "payload", "specify init", 1 / 8),
    Goal("fresh", "payload", "copier copy", 1 / 15),
    Goal("fresh", "10k", FSYNC, 0.8),
    Goal("fresh", "100k", FSYNC, 0.8),
    Goal("fresh", "100k", MEMORY, 250),
    Goal("noop", "payload", CLICK, 1.5),
    Goal("noop", "10k", TOUCHED, 1.5),
    Goal("noop", "100k", TOUCHED, 1.5),
    Goal("noop", "100k", MEMORY, 250),
    Goal("fast", "10k", "rsync -a", 1.5),
    Goal("fast", "100k", "rsync -a", 1.2),
    Goal("update", "payload", "copier update", 1 / 20),
    Goal("update", "10k", NOTHING, 2.0),
    Goal("update", "100k", NOTHING, 2.0),
    Goal("verify", "payload", CLICK, 1.3),
    Goal("verify", "10k", SUMS, 2.0),
    Goal("verify", "100k", SUMS, 2.0),
)
"""The table of goals, row by row."""


def judged(report: Report, goal: Goal) -> Verdict:
    """Return what a run says of a goal."""
    row = report.row(goal.job, goal.tree)
    if row is None:
        return Verdict(goal, None, "not run")
    if row.ours.reason:
        return Verdict(goal, None, row.ours.reason)
    if goal.reference == MEMORY:
        memory = row.ours.memory
        return Verdict(goal, None if memory is None else Spread(memory, memory, memory))
    other = row.find(goal.reference)
    if other is None or other.reason:
        return Verdict(goal, None, f"{goal.reference}: {other.reason if other else 'not run'}")
    return Verdict(goal, row.ratio(goal.reference))


def all_judged(report: Report) -> tuple[Verdict, ...]:
    """Return what a run says of every goal."""
    return tuple(judged(report, goal) for goal in GOALS)
