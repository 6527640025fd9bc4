"""Whether a release may leave a stage: Wald's sequential probability ratio test, twice.

A. Wald, Sequential Tests of Statistical Hypotheses (Annals of Mathematical Statistics 16, 1945). After
each repository the logarithm of the likelihood ratio goes up or down; the first bound that it reaches
decides, for good. So the gate may be asked after every single event, without passing a bad release more
often than `alpha` says, or stopping a good one more often than `beta`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Final, Literal, NamedTuple, TypeAlias

from agentrail_runtime.release.cohort import SECOND, Evidence
from agentrail_runtime.release.policy import Hypotheses, Policy, Stage
from agentrail_runtime.release.record import Verdict

Bound: TypeAlias = Literal["promote", "stop"]

CONFIDENCE: Final = 0.95
"""Of what is said to be proven, one-sided."""

_MOST_TERMS: Final = 100_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Steps(NamedTuple):
    """The two bounds, and how far a good and a bad observation lead towards them."""

    good: float
    bad: float
    upper: float
    lower: float

    def value(self, good: int, bad: int) -> float:
        """Return the logarithm of the likelihood ratio after so many observations of each kind."""
        return good * self.good + bad * self.bad

    def bound(self, good: int, bad: int) -> Bound | None:
        """Return the bound that is reached after so many observations of each kind."""
        value = self.value(good, bad)
        if value >= self.upper:
            return "promote"
        return "stop" if value <= self.lower else None

    def needed(self, good: int, bad: int) -> int:
        """Return how many more good observations, with no bad one, lead to the upper bound."""
        more = max(0, math.floor((self.upper - self.value(good, bad)) / self.good) - 1)
        while self.value(good + more, bad) < self.upper:
            more += 1
        return more


def steps(success: Hypotheses, *, alpha: float, beta: float) -> Steps:
    """Return the steps and bounds of a test of a rate of success.

    Args:
        success: the bad rate, which must not pass, and the good one, which should; from 0 to 1.
        alpha: how often a bad release may pass.
        beta: how often a good one may be stopped.
    """
    return Steps(
        good=math.log(success.good / success.bad),
        bad=math.log((1 - success.good) / (1 - success.bad)),
        upper=math.log((1 - beta) / alpha),
        lower=math.log(beta / (1 - alpha)),
    )


class Course(NamedTuple):
    """How a test went.

    Args:
        steps: its steps and bounds.
        good: repositories that speak for the release, of all that count.
        bad: repositories that speak against it.
        decision: the bound that was reached first, None as long as none is.
        decided_after: after how many repositories; None as long as none is.
        path: the value after each repository, from none on, up to the decision.
        needed: how many more repositories, with nothing bad, decide; 0 once it is decided.
    """

    steps: Steps
    good: int
    bad: int
    decision: Bound | None
    decided_after: int | None
    path: tuple[float, ...]
    needed: int


def walk(outcomes: Sequence[bool], test: Steps) -> Course:
    """Return how a test goes over `outcomes`, true for good ones, in their order."""
    good = bad = 0
    path = [0.0]
    decision: Bound | None = None
    for is_good in outcomes:
        good, bad = good + is_good, bad + (not is_good)
        path.append(test.value(good, bad))
        if decision := test.bound(good, bad):
            break
    decided_after = good + bad if decision else None
    needed = 0 if decision else test.needed(good, bad)
    good = sum(outcomes)
    return Course(test, good, len(outcomes) - good, decision, decided_after, tuple(path), needed)


class Judgement(NamedTuple):
    """What the gate says, and why.

    Args:
        stage: the channel whose installs were judged.
        version: the release.
        verdict: what it comes to.
        reasons: why; sentences.
        success: the test of first attempts.
        rollback: the test of going back; only repositories past their soak count.
        soaking: repositories that have not stood long enough.
        soak_hours: how long that is.
        soaked_until: when those that stand now can decide at the earliest, if none goes back; None if
            they are too few, or nothing waits for them.
        success_proven: the rate of success that is proven at the least.
        rollback_proven: the rate of going back that is proven at the most.
        evidence: what all this is judged on.
        now: the moment that is judged, in UTC.
    """

    stage: Stage
    version: str
    verdict: Verdict
    reasons: tuple[str, ...]
    success: Course
    rollback: Course
    soaking: int
    soak_hours: float
    soaked_until: datetime | None
    success_proven: float
    rollback_proven: float
    evidence: Evidence
    now: datetime

    @property
    def is_empty(self) -> bool:
        """Whether there is no repository at all whose outcome is known."""
        return not self.evidence.attempts


def judge(
    evidence: Evidence, policy: Policy, *, stage: Stage, version: str, now: datetime
) -> Judgement:
    """Return what the gate says.

    Args:
        evidence: what the events come to, as of `now`.
        policy: which rates are asked for, and how sure the test must be.
        stage: the channel whose installs are judged.
        version: the release.
        now: the moment to judge at; aware.
    """
    asked = policy.stages[stage]
    success = walk(evidence.attempts, steps(asked.success, alpha=policy.alpha, beta=policy.beta))
    kept = Hypotheses(1 - asked.rollback.bad, 1 - asked.rollback.good)
    test = steps(kept, alpha=policy.alpha, beta=policy.beta)
    soak = round(asked.soak_hours * 3600) * SECOND
    latest = microseconds(now) - soak
    count = sum(at <= latest for at, _ in evidence.installs)
    fates = tuple(is_kept for _, is_kept in evidence.installs)
    rollback, best = walk(fates[:count], test), walk(fates, test)
    if rollback.decision is None and best.decision == "stop":
        rollback = rollback._replace(
            decision="stop", decided_after=best.decided_after, path=best.path, needed=0
        )
    soaked_until = None
    if rollback.decision is None and best.decided_after is not None:
        soaked_until = moment(evidence.installs[best.decided_after - 1][0] + soak)
    judgement = Judgement(
        stage=stage,
        version=version,
        verdict=_verdict(evidence, success, rollback),
        reasons=(),
        success=success,
        rollback=rollback,
        soaking=len(fates) - count,
        soak_hours=asked.soak_hours,
        soaked_until=soaked_until,
        success_proven=least_rate(success.good, success.bad),
        rollback_proven=1 - least_rate(rollback.good, rollback.bad),
        evidence=evidence,
        now=now.astimezone(timezone.utc),
    )
    return judgement._replace(reasons=tuple(_reasons(judgement)))


def microseconds(when: datetime) -> int:
    """Return an aware time as microseconds since 1970."""
    return (when - _EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> datetime:
    """Return microseconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(microseconds=at)


def _verdict(evidence: Evidence, success: Course, rollback: Course) -> Verdict:
    if evidence.tampered or "stop" in (success.decision, rollback.decision):
        return "stop"
    return "promote" if success.decision == rollback.decision == "promote" else "hold"


def _reasons(judgement: Judgement) -> Iterable[str]:
    evidence, success, rollback = judgement.evidence, judgement.success, judgement.rollback
    if judgement.verdict == "promote":
        yield "both tests reached the bound of a good release"
        return
    if evidence.tampered:
        yield (
            f"{_count(evidence.tampered, 'event')} with error_code 6 or 7: a bundle was damaged or a "
            "recovery could not finish"
        )
    if success.decision == "stop":
        yield f"too many first attempts fail: {success.bad} of {success.good + success.bad}"
    if rollback.decision == "stop":
        yield "too many repositories go back to another version"
    if judgement.verdict == "stop":
        return
    if not evidence.attempts and not evidence.counters.pending:
        yield "no data: no event tells of an install of this version"
        return
    yield from _waiting(judgement)


def _waiting(judgement: Judgement) -> Iterable[str]:
    success, rollback = judgement.success, judgement.rollback
    pending = judgement.evidence.counters.pending
    if success.decision is None:
        yield (
            f"too few first attempts: {_more(success.needed)} without a failure would decide; "
            f"proven is a success rate of at least {rate(judgement.success_proven)}"
        )
    if pending:
        yield f"{_repositories(pending)} began an install less than an hour ago and may still finish"
    if rollback.decision is not None:
        return
    if judgement.soaked_until is not None:
        yield (
            f"soak: an install counts as kept after {judgement.soak_hours:g} hours; the "
            f"{_repositories(judgement.soaking)} in between can decide at "
            f"{judgement.soaked_until:%Y-%m-%dT%H:%M:%SZ}, if none goes back"
        )
        return
    yield (
        f"too few repositories past {judgement.soak_hours:g} hours of soak: {_more(rollback.needed)} "
        f"that stay would decide ({judgement.soaking} soaking); proven is a rollback rate of at most "
        f"{rate(judgement.rollback_proven)}"
    )


def rate(value: float) -> str:
    """Return a rate as a percentage."""
    return f"{100 * value:.2f} %"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _repositories(number: int) -> str:
    return f"{number} repository" if number == 1 else f"{number} repositories"


def _more(number: int) -> str:
    return f"{number} more repository" if number == 1 else f"{number} more repositories"


def least_rate(good: int, bad: int) -> float:
    """Return the rate that so many observations prove at the least, with 95 % confidence.

    The exact lower bound of C. J. Clopper and E. S. Pearson (Biometrika 26, 1934), one-sided: the rate
    at which as many good ones, or more, would come about in 5 % of cases.

    Args:
        good: how many were good.
        bad: how many were not.
    """
    if not good:
        return 0.0
    low, high = 0.0, 1.0
    while (middle := (low + high) / 2) not in (low, high):
        if _beta(good, bad + 1, middle) < 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return low


def _beta(a: int, b: int, x: float) -> float:
    """Return the regularized incomplete beta function, which is the tail of a binomial distribution.

    By its continued fraction (https://dlmf.nist.gov/8.17#v), which converges fast up to its mean.
    """
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(b, a, 1 - x)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    logarithm += a * math.log(x) + b * math.log1p(-x) if x else -math.inf
    return math.exp(logarithm) * _fraction(a, b, x) / a


def _fraction(a: int, b: int, x: float) -> float:
    """Return the continued fraction of `_beta`, by the algorithm of Lentz."""
    tiny = 1e-300
    numerator, denominator, result = 2.0, 1.0, 2.0
    change, term = 2.0, 0
    while abs(1 - change) >= 1e-14 and term < _MOST_TERMS:
        term += 1
        half = term // 2
        if term % 2:
            factor = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            factor = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        denominator = 1 / ((1 + factor * denominator) or tiny)
        numerator = (1 + factor / numerator) or tiny
        change = numerator * denominator
        result *= change
    return result - 1
