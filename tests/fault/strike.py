"""Faults at a chosen system call of a run: a kill, another signal, an error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.fault import judge, strace
from tests.fault.choice import Choice
from tests.fault.result import Try
from tests.fault.scenario import RECOVERIES, Scenario
from tests.support import Node

KILL = "kill -9 at a system call"
WHOLE = "kill -9 at a system call of a whole process"
ERROR = "an error of a system call"
SIGNAL = "a signal at a system call"

_ERRORS = {
    "rename": ("ENOSPC", "EIO", "EACCES", "EROFS", "EXDEV", "EPERM", "EBUSY"),
    "create": ("ENOSPC", "EIO", "EACCES", "EROFS", "EMFILE", "ENFILE", "EDQUOT"),
    "write": ("ENOSPC", "EIO", "EDQUOT", "EFBIG"),
    "unlink": ("EIO", "EACCES", "EROFS", "EBUSY"),
    "mkdir": ("ENOSPC", "EIO", "EACCES", "EROFS", "EDQUOT", "EMLINK"),
    "link": ("ENOSPC", "EIO", "EPERM", "EMLINK", "EXDEV"),
    "truncate": ("EIO", "ENOSPC", "EPERM"),
    "chmod": ("EPERM", "EIO", "EROFS"),
    "fsync": ("EIO", "ENOSPC", "EDQUOT", "EINVAL"),
    "lock": ("ENOLCK", "EIO"),
    "read": ("EIO", "EACCES", "ESTALE", "EMFILE"),
    "close": ("EIO", "ENOSPC"),
}
"""What a file system may answer to each kind of call."""

_OPENING = ("openat", "open")
_RETRIED = ("openat", "read", "write", "fsync")
"""Calls that Python makes again after ``EINTR`` (PEP 475)."""

_SIGNALS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": -1}
_TRIES = 3
STEP = 3  # of the calls that only read, one of so many fails


class Place(NamedTuple):
    """A call of an undisturbed run, what is to happen there, and how the run may end then."""

    call: strace.Call
    fault: str
    what: str
    codes: frozenset[int] = frozenset()


class Struck(NamedTuple):
    """One run that was struck, in the scratch directory where it happened."""

    scenario: Scenario
    place: Place
    root: Path
    traced: strace.Traced
    outside: dict[str, Node]
    number: int

    @property
    def name(self) -> str:
        """What was struck; what was to be struck if nothing was."""
        return (self.traced.struck or self.place.call).what(self.root)

    @property
    def is_elsewhere(self) -> bool:
        """Whether another call was struck than was to be, or none."""
        return self.traced.struck is None or self.name != self.place.call.what(self.root)

    @property
    def missed(self) -> str:
        """What went wrong with the strike itself; an empty text for nothing.

        Another call of the target is as good as the one that was meant, and is told by its own name.
        """
        found = self.traced.struck
        if found is None:
            return f"nothing was struck; the run ended with {self.traced.code}"
        return (
            ""
            if f"{self.root}" in found.line
            else f"{self.name} was struck, which is none of the target"
        )


class Bench:
    """A scratch directory for targets, and one for strace's files.

    Args:
        place: where both are made.
        is_whole: whether a run is a whole process.
    """

    def __init__(self, place: Path, *, is_whole: bool = False) -> None:
        self.scratch = place / "scratch"
        self.log = place / "log"
        self._is_whole = is_whole
        for made in (self.scratch, self.log):
            made.mkdir(parents=True, exist_ok=True)

    @property
    def root(self) -> Path:
        """Where the target stands."""
        return self.scratch / "target"

    def calls(self, scenario: Scenario) -> list[strace.Call]:
        """Return the calls about the target in an undisturbed run."""
        with scenario.told(self.scratch) as root:
            for _, command in judge.NEXT:
                command(root)  # what is imported late is there from now on
            scenario.finish(root)
        return self._count(scenario)

    def strikes(self, scenario: Scenario, places: Sequence[Place], choice: Choice) -> Iterator[Struck]:
        """Yield runs of `scenario` that were struck at `places`, with the target as it stands then."""
        for number, place in enumerate(choice.of(places, lambda place: place.fault, scenario.name)):
            yield from self._strike(scenario, place, number)

    def _strike(self, scenario: Scenario, place: Place, number: int) -> Iterator[Struck]:
        at, name = place.call, place.call.what(self.root)
        for left in reversed(range(_TRIES)):
            words = ("-e", f"inject={at.name}:{place.what}:when={at.number}")
            with scenario.told(self.scratch):
                outside = scenario.around(self.scratch)
                traced = self._trace(scenario, *words)
                struck = Struck(scenario, place, self.root, traced, outside, number)
                if not left or not struck.is_elsewhere:
                    yield struck
                    return
            again = self._count(scenario)  # the run is not quite the same as it was before
            at = next((call for call in again if call.what(self.root) == name), at)

    def _count(self, scenario: Scenario) -> list[strace.Call]:
        with scenario.told(self.scratch) as root:
            return self._trace(scenario).on(root)

    def _trace(self, scenario: Scenario, *words: str) -> strace.Traced:
        if self._is_whole:
            command = [sys.executable, "-m", "agentrail_runtime", *scenario.words, f"{self.root}"]
            return strace.trace_process(command, self.log, *words)
        return strace.trace(lambda: scenario.run(self.root), self.log, *words)


Campaign = Callable[[Scenario, Bench, Choice], Iterator[Try]]


def kills(scenario: Scenario, bench: Bench, choice: Choice, group: str = KILL) -> Iterator[Try]:
    """Kill a run before each call that changes something, and after each rename; judge what is left."""
    for struck in bench.strikes(scenario, _kills(bench.calls(scenario)), choice):
        problem = struck.missed or _after_kill(struck, bench)
        yield Try(group, struck.place.fault, scenario.name, struck.name, problem)


def whole_kills(scenario: Scenario, bench: Bench, choice: Choice) -> Iterator[Try]:
    """Kill a whole process as `kills` does a forked one."""
    return kills(scenario, bench, choice, WHOLE)


def errors(scenario: Scenario, bench: Bench, choice: Choice) -> Iterator[Try]:
    """Fail each call once, and interrupt each that is made again then; judge what is left."""
    codes = {3} if scenario.name == "merge" else {4, 7} if scenario.name in RECOVERIES else set[int]()
    for struck in bench.strikes(scenario, _errors(bench.calls(scenario), {1, *codes}), choice):
        run, place = struck.traced.run, struck.place
        if struck.missed or run is None:
            problem = struck.missed or f"ended with {struck.traced.code}"
        else:
            problem = judge.after_failure(scenario, bench.scratch, struck.outside, run, place.codes)
        yield Try(ERROR, place.fault, scenario.name, struck.name, problem)


def signals(scenario: Scenario, bench: Bench, choice: Choice) -> Iterator[Try]:
    """Press Ctrl-C, terminate, or hang up at each call that changes something; judge what is left."""
    for struck in bench.strikes(scenario, _signals(bench.calls(scenario), scenario), choice):
        code, codes = struck.traced.code, struck.place.codes
        problem = struck.missed
        if not problem and code not in codes:
            problem = f"ended with {code} (expected {sorted(codes)})"
        is_sudden = struck.place.fault == "SIGHUP"
        yield Try(
            SIGNAL,
            struck.place.fault,
            scenario.name,
            struck.name,
            problem or _after_kill(struck, bench, is_sudden=is_sudden),
        )


def _after_kill(struck: Struck, bench: Bench, *, is_sudden: bool = True) -> str:
    return judge.after_kill(
        struck.scenario, bench.scratch, struck.outside, struck.number, is_sudden=is_sudden
    )


def _kills(calls: Sequence[strace.Call]) -> list[Place]:
    """Return where to kill: a kill after a call is one before the next, whatever that is."""
    changing = [call for call in calls if call.kind in strace.CHANGES]
    places = [Place(call, call.kind, "signal=SIGKILL") for call in changing]
    for call, after in pairwise(calls):
        if call.kind == "rename" or call is changing[-1]:
            places.append(Place(after, f"after {call.kind}", "signal=SIGKILL"))
    return places


def _errors(calls: Sequence[strace.Call], codes: set[int]) -> list[Place]:
    places = []
    for at, call in enumerate(calls):
        if call.name == "lseek":  # a place in a file is a number in memory: it never fails
            continue
        if call.kind not in strace.CHANGES and at % STEP:
            continue
        names = [
            name for name in _ERRORS.get(call.kind, ()) if call.name in _OPENING or name != "EMFILE"
        ]
        if names:
            name = names[at % len(names)]
            places.append(Place(call, name, f"error={name}", frozenset(codes)))
        if call.name in _RETRIED and not at % STEP:
            places.append(Place(call, "EINTR", "error=EINTR", frozenset(codes - {3, 7})))
    return places


def _signals(calls: Sequence[strace.Call], scenario: Scenario) -> list[Place]:
    changing = [call for call in calls if call.kind in strace.CHANGES]
    usual = {0, 1, 4} if scenario.is_recovery else {0}
    places = []
    for at, call in enumerate(changing):
        name, code = [*_SIGNALS.items()][at % len(_SIGNALS)]
        places.append(Place(call, name, f"signal={name}", frozenset({code, *usual})))
    return places
