"""A file system that fills up: at every block, and at every file, that a run needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.crash.support import standing
from tests.fault import judge, namespace
from tests.fault.choice import Choice
from tests.fault.result import Try
from tests.fault.scenario import RECOVERIES, Scenario, unsynced
from tests.support import Run

GROUP = "a full file system"
BLOCKS, FILES = "no block left", "no file left"

_MOST = 1024  # more room than any run needs
_TOLD = "No space left on device"


def shortages(scenario: Scenario, place: Path, choice: Choice) -> Iterator[Try]:
    """Leave room for 0, 1, 2 ... blocks, then files, until the run succeeds; judge what is left."""
    for fault in (BLOCKS, FILES):
        rows = namespace.isolated(partial(_tried, scenario, place, fault, choice))
        for room, problem in rows:
            yield Try(GROUP, fault, scenario.name, f"room for {room}", problem)


def _tried(scenario: Scenario, place: Path, fault: str, choice: Choice) -> list[tuple[int, str]]:
    """Return the problem found with each room; runs in a namespace of its own."""
    namespace.mount_memory(place)
    needed = _needed(scenario, place, fault)
    rooms = choice.of([*range(needed)], lambda room: "", scenario.name)
    return [(room, _short(scenario, place, fault, room)) for room in [*rooms, needed]]


def _needed(scenario: Scenario, place: Path, fault: str) -> int:
    """Return the least room with which the run succeeds, found by halving."""
    low, high = 0, _MOST
    while low < high:
        room = (low + high) // 2
        with scenario.told(place) as root:
            _run(scenario, root, fault, room)
            is_done = standing(scenario.story, root, with_state=False) == _goal(scenario)
        low, high = (low, room) if is_done else (room + 1, high)
    return low


def _goal(scenario: Scenario) -> str:
    return "old" if scenario.is_recovery else "new"


def _run(scenario: Scenario, root: Path, fault: str, room: int) -> Run:
    """Run the command with so much room."""
    _leave(root.parent, fault, room)
    try:
        with unsynced():
            return scenario.run(root)
    finally:
        namespace.mount_memory(root.parent, again=True)


def _leave(place: Path, fault: str, room: int) -> None:
    """Let the file system at `place` have just so much room left."""
    found = os.statvfs(place)
    if fault == BLOCKS:
        size = (found.f_blocks - found.f_bfree + room) * found.f_frsize
        namespace.mount_memory(place, size=size, again=True)
    else:
        namespace.mount_memory(place, inodes=found.f_files - found.f_ffree + room, again=True)


def _short(scenario: Scenario, place: Path, fault: str, room: int) -> str:
    with scenario.told(place) as root:
        outside = scenario.around(place)
        done = _run(scenario, root, fault, room)
        if done.code and _TOLD not in done.err and scenario.name not in RECOVERIES:
            return f"ended with {done.code} without a word of space: {done.err.strip()}"
        codes = {1, 4, 7} if scenario.is_recovery else {1}
        return judge.after_failure(scenario, place, outside, done, codes)
