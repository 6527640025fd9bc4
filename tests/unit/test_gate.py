"""The gate's two tests: where their bounds are, how often they err, what they say meanwhile."""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from fractions import Fraction

import pytest

from agentrail_runtime.release.gate import Steps, judge, least_rate, microseconds, moment, steps, walk
from agentrail_runtime.release.policy import STAGES, Hypotheses, Stage
from tests.gate_support import NOW, POLICY, START, evidence, failed, line, many, run

ALPHA = 0.05


def success(stage: Stage) -> Steps:
    return steps(POLICY.stages[stage].success, alpha=ALPHA, beta=ALPHA)


def staying(stage: Stage) -> Steps:
    asked = POLICY.stages[stage].rollback
    return steps(Hypotheses(1 - asked.bad, 1 - asked.good), alpha=ALPHA, beta=ALPHA)


@pytest.mark.parametrize(
    ("stage", "failures", "repositories"),
    [
        ("internal", 0, 35),
        ("internal", 1, 55),
        ("internal", 2, 75),
        ("pilot", 0, 72),
        ("pilot", 1, 112),
        ("pilot", 2, 152),
        ("general", 0, 172),
        ("general", 1, 283),
        ("general", 2, 394),
    ],
)
def test_a_release_passes_after_just_so_many_repositories(
    stage: Stage, failures: int, repositories: int
) -> None:
    test = success(stage)
    apart = [*[True] * (test.needed(0, 0) // 3), False]
    outcomes = apart * failures + [True] * 500
    course = walk(outcomes, test)
    assert (course.decision, course.decided_after) == ("promote", repositories)
    assert walk(outcomes[: repositories - 1], test).decision is None
    assert test.needed(0, failures) == repositories - failures


@pytest.mark.parametrize(("stage", "count"), [("internal", 31), ("pilot", 64), ("general", 162)])
def test_nobody_going_back_decides_before_the_first_attempts_do(stage: Stage, count: int) -> None:
    assert staying(stage).needed(0, 0) == count < success(stage).needed(0, 0)


@pytest.mark.parametrize(("stage", "failures"), [("internal", 2), ("pilot", 2), ("general", 2)])
def test_a_release_that_fails_from_the_start_is_stopped(stage: Stage, failures: int) -> None:
    course = walk([False] * 10, success(stage))
    assert (course.decision, course.decided_after) == ("stop", failures)


def test_what_comes_after_a_decision_does_not_undo_it() -> None:
    course = walk([True] * 35 + [False] * 50, success("internal"))
    assert (course.decision, course.decided_after, len(course.path)) == ("promote", 35, 36)
    assert (course.good, course.bad, course.needed) == (35, 50, 0)


def test_what_is_still_needed_is_found_to_the_repository() -> None:
    exact = Steps(good=0.1, bad=-1.0, upper=0.1 * 3, lower=-1.0)
    assert [exact.needed(good, 0) for good in range(5)] == [
        next(n for n in range(9) if exact.value(good + n, 0) >= exact.upper) for good in range(5)
    ]


COIN = Steps(good=1.0, bad=-1.0, upper=2.0, lower=-2.0)


@pytest.mark.parametrize(
    ("good", "bad", "bound"),
    [(2, 0, "promote"), (0, 2, "stop"), (1, 0, None), (0, 1, None), (3, 0, "promote"), (0, 3, "stop")],
)
def test_a_bound_decides_once_it_is_reached(good: int, bad: int, bound: str | None) -> None:
    assert COIN.bound(good, bad) == bound


def test_the_way_to_a_decision_can_be_drawn_from_its_start() -> None:
    course = walk([True, False, True, True, False], COIN)
    assert course.path == (0.0, 1.0, 0.0, 1.0, 2.0)
    assert course.steps == COIN


def test_a_release_that_is_stopped_asks_for_no_more_repositories() -> None:
    course = walk([False, False], COIN)
    assert (course.decision, course.needed) == ("stop", 0)


def test_few_repositories_are_needed_where_each_says_much() -> None:
    assert Steps(good=3.0, bad=-1.0, upper=7.0, lower=-7.0).needed(0, 0) == 3


def test_the_bounds_are_as_wide_as_the_errors_that_may_happen_are_rare() -> None:
    test = steps(Hypotheses(0.5, 0.75), alpha=0.1, beta=0.2)
    assert test == pytest.approx((math.log(1.5), math.log(0.5), math.log(8), math.log(2 / 9)))


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_bad_releases_rarely_pass_and_good_ones_mostly_do(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = POLICY.stages[stage]
    bad = passed(success(stage), asked.success.bad, seed=1)
    good = passed(success(stage), asked.success.good, seed=2)
    kept = passed(staying(stage), 1 - asked.rollback.good, seed=3)
    left = passed(staying(stage), 1 - asked.rollback.bad, seed=4)
    with capsys.disabled():
        print(f"\n{stage}: promoted at the bad rate of success {bad:.2%}, at the good one {good:.2%};")
        print(f"  at the bad rate of rollbacks {left:.2%}, at the good one {kept:.2%};")
        print(f"  where both are good {good * kept:.2%}")
    assert bad <= 0.055
    assert good >= 0.94
    assert left <= 0.055
    assert kept >= 0.94


def passed(test: Steps, rate: float, *, seed: int, runs: int = 20_000) -> float:
    """Return how often a test promotes where repositories succeed at a rate."""
    chance = random.Random(seed).random
    promoted = 0
    for _ in range(runs):
        value = 0.0
        while test.lower < value < test.upper:
            value += test.good if chance() < rate else test.bad
        promoted += value >= test.upper
    return promoted / runs


@pytest.mark.parametrize(("good", "bad"), [(1, 0), (20, 0), (19, 1), (7, 13), (1, 30), (300, 4)])
def test_what_is_proven_is_the_exact_bound(good: int, bad: int) -> None:
    bound = Fraction(least_rate(good, bad))
    count = good + bad
    tail = sum(
        math.comb(count, n) * bound**n * (1 - bound) ** (count - n) for n in range(good, count + 1)
    )
    assert float(tail) == pytest.approx(0.05, rel=1e-9)


def test_nothing_is_proven_by_nothing_and_much_by_a_million() -> None:
    assert least_rate(0, 0) == least_rate(0, 9) == 0.0
    assert least_rate(1_000_000, 0) == pytest.approx(0.05 ** (1 / 1_000_000))
    assert 0.9 < least_rate(950_000, 50_000) < 0.95


def verdict(data: bytes, *, now: datetime = NOW) -> tuple[str, str]:
    judgement = judge(evidence(data, now=now), POLICY, stage="internal", version="1.1.0", now=now)
    return judgement.verdict, "; ".join(judgement.reasons)


def test_a_clean_release_is_promoted() -> None:
    assert verdict(many(35)) == ("promote", "both tests reached the bound of a good release")


def test_no_events_hold() -> None:
    assert verdict(b"") == ("hold", "no data: no event tells of an install of this version")


def test_few_repositories_hold_and_it_is_said_what_they_prove() -> None:
    assert verdict(many(20)) == (
        "hold",
        "too few first attempts: 15 more repositories without a failure would decide; proven is a "
        "success rate of at least 86.09 %; too few repositories past 24 hours of soak: 11 more "
        "repositories that stay would decide (0 soaking); proven is a rollback rate of at most 13.91 %",
    )


def test_one_repository_short_holds() -> None:
    assert "1 more repository without a failure" in verdict(many(34))[1]


def test_all_damaged_bundles_are_counted() -> None:
    data = many(400) + failed("x", 90_000, error_code=6) + failed("y", 91_000, error_code=7)
    assert verdict(data)[1].startswith("2 events with error_code 6 or 7: ")


def test_a_release_that_is_stopped_early_says_why_and_not_what_it_lacks() -> None:
    data = failed("a", -60) + failed("b", -50)
    assert verdict(data) == ("stop", "too many first attempts fail: 2 of 2")


@pytest.mark.parametrize("code", [6, 7])
def test_one_damaged_bundle_stops_whatever_else_went_well(code: int) -> None:
    data = many(400) + failed("later", 90_000, error_code=code)
    assert verdict(data) == (
        "stop",
        "1 event with error_code 6 or 7: a bundle was damaged or a recovery could not finish",
    )


def test_failing_installs_stop() -> None:
    data = failed("a", -60) + failed("b", -50) + many(400)
    assert verdict(data) == ("stop", "too many first attempts fail: 2 of 402")


def backs(count: int, after: float) -> bytes:
    return b"".join(run(n, after, op="rollback", from_version="1.1.0") for n in range(count))


def test_repositories_that_go_back_stop() -> None:
    assert verdict(many(40) + backs(20, 20_000)) == (
        "stop",
        "too many repositories go back to another version",
    )


def test_a_release_that_soaks_holds_until_it_has() -> None:
    now = START + timedelta(hours=2)
    assert verdict(many(60), now=now) == (
        "hold",
        "soak: an install counts as kept after 24 hours; the 60 repositories in between can decide at "
        "2026-03-02T12:30:03Z, if none goes back",
    )
    assert verdict(many(60), now=START + timedelta(hours=24, minutes=30, seconds=2))[0] == "hold"
    assert verdict(many(60), now=START + timedelta(hours=24, minutes=30, seconds=3))[0] == "promote"


def test_too_many_going_back_stop_before_the_soak_is_over() -> None:
    now = START + timedelta(hours=8)
    data = many(60) + backs(20, 20_000)
    judgement = judge(evidence(data, now=now), POLICY, stage="internal", version="1.1.0", now=now)
    assert judgement.verdict == "stop"
    rollback = judgement.rollback
    assert (rollback.decision, rollback.decided_after, rollback.needed) == ("stop", 2, 0)
    assert len(rollback.path) == 3
    assert rollback.path[-1] <= rollback.steps.lower < rollback.path[-2]


@pytest.fixture
def _in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        if sys.platform != "win32":  # there, no process can have a zone of its own
            time.tzset()
        yield
    if sys.platform != "win32":
        time.tzset()


@pytest.mark.usefixtures("_in_tokyo")
def test_a_judgement_says_what_it_is_about_and_when_it_was_made_in_utc() -> None:
    now = datetime(2026, 3, 2, 9, tzinfo=timezone(timedelta(hours=9)))
    judgement = judge(evidence(b"", now=now), POLICY, stage="pilot", version="1.1.0", now=now)
    assert (judgement.stage, judgement.version) == ("pilot", "1.1.0")
    assert judgement.now.isoformat() == "2026-03-02T00:00:00+00:00"


def test_no_microsecond_is_lost_however_late_it_is() -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone.utc)
    assert microseconds(last) == 253_402_300_799_999_999
    assert moment(253_402_300_799_999_999) == last


def test_repositories_that_go_back_do_not_count_before_those_that_stay() -> None:
    now = START + timedelta(hours=8)
    data = many(60) + backs(1, 20_000)
    judgement = judge(evidence(data, now=now), POLICY, stage="internal", version="1.1.0", now=now)
    assert (judgement.rollback.good, judgement.rollback.bad, judgement.soaking) == (0, 0, 60)
    assert judgement.verdict == "hold"


def test_an_install_that_may_still_finish_holds_and_is_told() -> None:
    data = line(repo="a", phase="started")
    told = verdict(data, now=START + timedelta(minutes=10))
    assert told[0] == "hold"
    assert "1 repository began an install less than an hour ago" in told[1]


def test_what_is_decided_is_not_asked_for_again() -> None:
    data = many(32) + b"".join(failed(f"f{n}", 5_000 + n) for n in range(1))
    told = verdict(data)
    assert told[0] == "hold"
    assert "soak" not in told[1]
