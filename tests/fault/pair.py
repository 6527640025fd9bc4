"""Runs that share their work with a second process, of which one is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from agentrail_runtime import child
from tests.fault import judge, strace, strike
from tests.fault.choice import Choice
from tests.fault.result import Try
from tests.fault.scenario import Scenario
from tests.support import Run

GROUP = "kill -9 of one of two processes"
MOMENTS = ("at once", "with its work done", "while it tells")
"""When a second process is killed."""


def kills(scenario: Scenario, bench: strike.Bench, choice: Choice) -> Iterator[Try]:
    """Kill the second process of a run, then the first, which leaves the other one at work."""
    for moment in MOMENTS:
        with _shared(), _struck(moment):
            problem = _bereft(scenario, bench)
        if problem is not None:
            yield Try(GROUP, f"the second, {moment}", scenario.name, moment, problem)
    with _shared():
        for found in strike.kills(scenario, bench, choice, GROUP):
            yield found._replace(fault=f"the first, {found.fault}")


@contextmanager
def _shared() -> Iterator[None]:
    """Let a second process be worth its cost for few files, too."""
    with mock.patch.object(child, "WORTH_IT", 2):
        yield


@contextmanager
def _struck(moment: str) -> Iterator[None]:
    """Let every second process be killed at that moment."""

    def killed(work: Callable[[], Any], writer: int) -> None:
        if moment != MOMENTS[0]:
            work()
        if moment == MOMENTS[2]:
            os.write(writer, b"[")
        os.kill(os.getpid(), signal.SIGKILL)

    with mock.patch.object(child, "_do", killed):
        yield


def _bereft(scenario: Scenario, bench: strike.Bench) -> str | None:
    """Return what is wrong after a run whose second process was killed; None where it had none."""
    with scenario.told(bench.scratch) as root:
        outside = scenario.around(bench.scratch)
        traced = strace.trace(lambda: scenario.run(root), bench.log, "-f")
        if not any(call.name.startswith("clone") for call in traced.calls):
            return None
        done = traced.run or Run(traced.code, "", "ended without a word")
        codes = {1, 4} if scenario.is_recovery else set[int]()
        return judge.after_failure(scenario, bench.scratch, outside, done, codes)
