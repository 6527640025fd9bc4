"""One target, for some time: make an input, try it, keep what fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.fuzz import finding
from tests.fuzz.finding import Finding
from tests.fuzz.mutation import scrambled
from tests.fuzz.target import Target

MOST_FINDINGS = 10
"""After so many different faults, a target has been fuzzed enough."""


class Result(NamedTuple):
    """How it went: `executions` inputs, of which some were `accepted`; `slowest` is in seconds."""

    target: str
    executions: int
    accepted: int
    slowest: float
    findings: tuple[Finding, ...]


def inputs(target: Target, seed: str, known: list[bytes]) -> Iterator[bytes]:
    """Yield inputs without end, the same for the same seed: one in eight is like one of the corpus."""
    random = Random(f"{target.name} {seed}")
    while True:
        if known and random.randrange(8) == 0:
            yield scrambled(random, random.choice(known), target.tokens)
        else:
            yield target.make(random)


def fuzz(target: Target, *, seconds: float, seed: str, limit: float, corpus: Path) -> Result:
    """Try the corpus, then new inputs until the time is up; at least a hundred."""
    known = [path.read_bytes() for path in sorted((corpus / target.name).glob("*"))]
    found: dict[str, Finding] = {}
    executions = accepted = 0
    slowest, end = 0.0, time.monotonic() + seconds
    made = inputs(target, seed, known)
    while len(found) < MOST_FINDINGS and (time.monotonic() < end or executions < len(known) + 100):
        data = known[executions] if executions < len(known) else next(made)
        outcome = finding.run(target, data, limit=limit)
        executions += 1
        accepted += outcome.is_accepted
        slowest = max(slowest, outcome.seconds)
        if outcome.fault and outcome.fault not in found:
            found[outcome.fault] = finding.keep(target, data, outcome, corpus, limit=limit)
    return Result(target.name, executions, accepted, slowest, tuple(found.values()))
