"""The goals: a missed one must never be shown as met, nor one that nobody measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.environment import PEERS, SYSTEM, Tool
from tests.bench.goal import CLICK, FSYNC, GOALS, MEMORY, SUMS, Goal, all_judged, judged
from tests.bench.job import COMMANDS, contenders
from tests.bench.material import Material
from tests.bench.result import Row, Series
from tests.bench.tree import SIZES
from tests.bench.wording import bound, measured, outcome
from tests.unit.bench_support import fresh, report

OURS = ("agentrail", "agentrail-install", "python")


def material(tree: str) -> Material:
    """Return the material of a tree where nothing was made yet and no command is to be had."""
    size = next(size for size in SIZES if size.name == tree)
    tools = {name: Tool(reason="not here") for name in (*OURS, *SYSTEM, *PEERS)}
    return Material(Path("nowhere"), size, tools, {})


@pytest.mark.parametrize(
    ("bound_", "is_met", "word"),
    [(0.5, True, "met"), (0.49, False, "missed by 2%"), (0.25, False, "missed by 100%")],
    ids=["just", "a little", "a lot"],
)
def test_a_goal_is_met_by_the_median_of_the_ratios(bound_: float, is_met: bool, word: str) -> None:
    verdict = judged(report(fresh()), Goal("fresh", "10k", FSYNC, bound_))
    assert verdict.measured == (0.5, 0.5, 1.0)
    assert verdict.is_met is is_met
    assert outcome(verdict) == word


def test_memory_is_the_larger_of_both_ways_to_look_at_it() -> None:
    found = report(fresh())
    assert judged(found, Goal("fresh", "10k", MEMORY, 65)).is_met is False
    assert judged(found, Goal("fresh", "10k", MEMORY, 66)).is_met is True
    assert measured(judged(found, Goal("fresh", "10k", MEMORY, 66))) == "66 MB"


@pytest.mark.parametrize(
    ("goal", "reason"),
    [
        (Goal("verify", "10k", SUMS, 2), "not run"),
        (Goal("fresh", "10k", "dpkg -i", 2), "dpkg -i: no dpkg on PATH"),
        (Goal("fresh", "10k", CLICK, 2), f"{CLICK}: not run"),
        (Goal("noop", "10k", CLICK, 2), "broken"),
    ],
    ids=["no row", "missing", "not in the row", "ours failed"],
)
def test_what_was_not_measured_is_neither_met_nor_missed(goal: Goal, reason: str) -> None:
    ours = Series("agentrail-install", reason="broken")
    broken = Row("noop", "10k", (ours, Series(CLICK, (1.0,))))
    verdict = judged(report(fresh(), broken), goal)
    assert (verdict.is_met, verdict.measured, verdict.reason) == (None, None, reason)
    assert outcome(verdict) == "not measured"


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: f"{goal.job}-{goal.tree}-{goal.reference}")
def test_every_goal_names_a_command_that_takes_part_in_its_job(goal: Goal) -> None:
    names = [contender.name for contender in contenders(goal.job, material(goal.tree))]
    assert goal.reference in {*names[1:], MEMORY}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
@pytest.mark.parametrize("job", COMMANDS)
def test_no_two_commands_of_a_job_have_one_name(job: str, size: object) -> None:
    names = [contender.name for contender in contenders(job, material(getattr(size, "name", "")))]
    assert len(names) == len(set(names))
    assert names[0].startswith("agentrail")


def test_an_empty_run_meets_no_goal() -> None:
    assert {verdict.is_met for verdict in all_judged(report())} == {None}


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        (Goal("fresh", "payload", "copier copy", 1 / 15), "≤ 1/15 × copier copy"),
        (Goal("fresh", "10k", FSYNC, 0.8), "≤ 0.8 × rsync -a --fsync"),
        (Goal("fresh", "payload", "x", 1.0), "≤ 1 × x"),
        (Goal("fresh", "100k", MEMORY, 250), "≤ 250 MB"),
    ],
    ids=["fraction", "decimal", "one", "memory"],
)
def test_a_goal_reads_as_it_was_set(goal: Goal, words: str) -> None:
    assert bound(goal) == words
