"""Exceptions at the product's own calls, on any platform: errors of the system, Ctrl-C, no memory."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.crash.support import (
    CHANGES,
    READS,
    FaultyOs,
    Strike,
    error,
    interrupt,
    interrupt_after,
    struck,
)
from tests.fault import judge
from tests.fault.choice import Choice
from tests.fault.result import Try
from tests.fault.scenario import RECOVERIES, Scenario, unsynced

GROUP = "an exception at a call of the engine"


def no_memory(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> None:
    """Fail as Python does that gets no memory."""
    raise MemoryError


class Kind(NamedTuple):
    """An exception (None: an error of the system), where it is raised, and how the run may end then.

    A lasting one is raised at each later call as well: nothing can be undone then, and the next run,
    for which the disk works again, has to do it. After one of these, and after one that may be told of
    a run whose work is done, either tree may stand.
    """

    name: str
    strike: Strike | None
    names: frozenset[str] = CHANGES
    codes: frozenset[int] = frozenset({1})
    is_lasting: bool = False

    @property
    def is_anything(self) -> bool:
        """Whether either tree may stand, whatever the exit code is."""
        return self.is_lasting or self.name == "MemoryError"


_OPENS = frozenset({"open"})
_LASTING = frozenset({1, 7})
KINDS = (
    Kind("error of the system", None),
    Kind("error from there on", None, codes=_LASTING, is_lasting=True),
    Kind("EMFILE", error(errno.EMFILE), names=_OPENS),
    Kind("EIO while reading", error(errno.EIO), names=READS - {"close"}),
    Kind("KeyboardInterrupt", interrupt, codes=frozenset({130})),
    Kind("KeyboardInterrupt within", interrupt_after, CHANGES | READS, frozenset({130})),
    Kind("MemoryError", no_memory, codes=frozenset({70})),
)
_ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS)
"""What the file system says where a kind has no exception of its own: one after the other."""

_STEP = 3  # of the calls that only read, so many are passed over for one that is struck


class _Place(NamedTuple):
    kind: Kind
    fault: str
    strike: Strike
    at: int
    call: str


def exceptions(scenario: Scenario, scratch: Path, choice: Choice) -> Iterator[Try]:
    """Raise each kind at each call; judge what is left."""
    places = [place for kind in KINDS for place in _places(scenario, scratch, kind)]
    for number, place in enumerate(choice.of(places, lambda place: place.fault, scenario.name)):
        problem = _tried(scenario, scratch, place, number)
        yield Try(GROUP, place.fault, scenario.name, f"call {place.at}, {place.call}", problem)


def _places(scenario: Scenario, scratch: Path, kind: Kind) -> Iterator[_Place]:
    faults = FaultyOs(names=kind.names)
    with scenario.told(scratch) as root, struck(faults):
        scenario.run(root)
    for at, call in enumerate(faults.calls, 1):
        if call in CHANGES or not at % _STEP:
            if kind.strike is not None:
                yield _Place(kind, kind.name, kind.strike, at, call)
            else:
                number = _ERRORS[at % len(_ERRORS)]
                fault = errno.errorcode[number] + " from there on" * kind.is_lasting
                yield _Place(kind, fault, error(number), at, call)


def _tried(scenario: Scenario, scratch: Path, place: _Place, number: int) -> str:
    kind = place.kind
    with scenario.told(scratch) as root:
        outside = scenario.around(scratch)
        faults = FaultyOs(place.at, place.strike, names=kind.names, is_lasting=kind.is_lasting)
        with struck(faults), unsynced():
            done = scenario.run(root)
        if not faults.has_struck:
            return "nothing was struck"
        codes = kind.codes | _more(scenario, kind)
        if kind.is_anything:
            if done.code not in {0, *codes}:
                return f"ended with {done.code} (expected 0 or {sorted(codes)}): {done.err.strip()}"
            return judge.after_kill(scenario, scratch, outside, number, is_sudden=False)
        return judge.after_failure(scenario, scratch, outside, done, codes)


def _more(scenario: Scenario, kind: Kind) -> set[int]:
    """Return how else a run may end.

    6: the source could not be read; 3: no base text was found; 4 and 7: drift, or an undo unfinished.
    """
    more = {6} if kind.names & READS else set()
    return (
        more | {3}
        if scenario.name == "merge"
        else more | {1, 4, 7}
        if scenario.name in RECOVERIES
        else more
    )
