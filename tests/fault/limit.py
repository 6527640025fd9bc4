"""Limits of the process (setrlimit(2)): too few open files, and files that may not grow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.fault import judge
from tests.fault.choice import Choice
from tests.fault.result import Try
from tests.fault.scenario import RECOVERIES, Scenario, unsynced
from tests.fault.slow import begun
from tests.support import Run

GROUP = "a limit of the process"
FILES, SIZE = "open files", "the size of a file"

_MOST_FILES = 32  # more than any run has open at a time, besides those of this process
_SIZES = (*range(0, 16, 3), *(step << power for power in range(4, 14) for step in (1, 2, 3)))
"""In bytes; the last one is more than any file has."""


def problem() -> str:
    """Return why no limit can be set here; an empty text if it can."""
    return "" if os.name == "posix" and hasattr(os, "fork") else "only POSIX has limits of a process"


def limits(scenario: Scenario, scratch: Path, choice: Choice) -> Iterator[Try]:
    """Run with few files, and with short ones; judge what is left."""
    used = len(os.listdir("/dev/fd"))
    places = [(FILES, used + more) for more in range(_MOST_FILES)]
    places += [(SIZE, size) for size in _SIZES]
    for fault, most in choice.of(places, lambda place: place[0], scenario.name):
        more = most - used if fault == FILES else most
        yield Try(GROUP, fault, scenario.name, f"{more}", _tried(scenario, scratch, fault, most))


def _tried(scenario: Scenario, scratch: Path, fault: str, most: int) -> str:
    with scenario.told(scratch) as root:
        outside = scenario.around(scratch)
        done = begun(lambda: _limited(scenario, root, fault, most))()
        if fault == SIZE:
            return judge.after_failure(scenario, scratch, outside, done, _codes(scenario))
        # It lasts, so that nothing may be undone by this run: the next one has to.
        if done.code not in {0, 7, *_codes(scenario)}:
            return f"ended with {done.code}: {done.err.strip()}"
        return judge.after_kill(scenario, scratch, outside, most, is_sudden=False)


def _codes(scenario: Scenario) -> Sequence[int]:
    """Return how a run may end: 6 if the source cannot be read, 3 if git cannot be asked for a base."""
    codes = [1, 6, *([3] if scenario.name == "merge" else [])]
    return [*codes, 4, 7] if scenario.name in RECOVERIES else codes


def _limited(scenario: Scenario, root: Path, fault: str, most: int) -> Run:
    import resource

    kind = resource.RLIMIT_NOFILE if fault == FILES else resource.RLIMIT_FSIZE
    resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))
    try:
        with unsynced():
            return scenario.run(root)
    finally:
        resource.setrlimit(kind, (resource.getrlimit(kind)[1],) * 2)
