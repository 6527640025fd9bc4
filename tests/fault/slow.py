"""A disk that is slow, as over a network: others that come meanwhile, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.crash.support import standing
from tests.fault import judge, strace
from tests.fault.choice import Choice
from tests.fault.result import Try
from tests.fault.scenario import STATE, Scenario
from tests.fault.strike import Bench
from tests.support import Run, agentrail

GROUP = "a slow disk"

_DELAY = 2000  # microseconds, at each call
_LONG = 100_000  # microseconds, at one call
_SECONDS = 60
_WHILE = 0.1  # seconds that another run has to come to the lock
_POLL = 0.002


class _Kind(NamedTuple):
    """What happens while the disk is slow; `tried` returns what was wrong."""

    name: str
    tried: Callable[[Scenario, Bench, strace.Call], str]
    is_for: Callable[[Scenario], bool] = lambda scenario: True


def slowness(scenario: Scenario, bench: Bench, choice: Choice) -> Iterator[Try]:
    """Slow the disk down, let others come meanwhile, press Ctrl-C; judge what is left."""
    synced = [call for call in bench.calls(scenario) if call.kind in ("fsync", "rename")]
    kinds = [kind for kind in _KINDS if kind.is_for(scenario)]
    places = [(kind, call) for kind in kinds for call in _of(kind, synced)]
    for kind, call in choice.of(places, lambda place: place[0].name, scenario.name):
        problem = kind.tried(scenario, bench, call)
        yield Try(GROUP, kind.name, scenario.name, call.what(bench.root), problem)


def _of(kind: _Kind, synced: Sequence[strace.Call]) -> Sequence[strace.Call]:
    """Return the calls to be slow at: one is enough where all calls are slow."""
    held = [call for call in synced if f"/{STATE}" in call.line]
    return synced[:1] if kind.tried is _all_slow else held if kind.tried is not _interrupted else synced


def _all_slow(scenario: Scenario, bench: Bench, call: strace.Call) -> str:
    """Delay every call that changes something or opens a file."""
    names = ",".join(f"?{name}" for kind in strace.CHANGES for name in strace.KINDS[kind])
    with scenario.told(bench.scratch) as root:
        outside = scenario.around(bench.scratch)
        words = ("-e", f"inject={names}:delay_enter={_DELAY}")
        run = strace.trace(lambda: scenario.run(root), bench.log, *words).run
        return judge.after_failure(scenario, bench.scratch, outside, run or _UNKNOWN, _usual(scenario))


def _interrupted(scenario: Scenario, bench: Bench, call: strace.Call) -> str:
    """Press Ctrl-C while one call takes long."""
    with scenario.told(bench.scratch) as root:
        outside = scenario.around(bench.scratch)
        inject = f"inject={call.name}:signal=SIGINT:delay_enter={_LONG}:when={call.number}"
        traced = strace.trace(lambda: scenario.run(root), bench.log, "-e", inject)
        if traced.code not in {0, 130, *_usual(scenario)}:
            return f"ended with {traced.code}: {traced.run}"
        if traced.code == 130 and not scenario.is_recovery and standing(scenario.story, root) != "old":
            return "told of an interruption that left the target as it was, but it is not"
        return judge.after_kill(scenario, bench.scratch, outside, 0, is_sudden=False)


def _refused(scenario: Scenario, bench: Bench, call: strace.Call) -> str:
    """Let others come that do not wait, while a call of the first run takes for ever."""
    words = (scenario.final, ("verify",), ("status",), ("rollback", "--list"))[call.number % 4]

    def meanwhile(child: int) -> str:
        done = agentrail(*words, "--lock-timeout", "0", bench.root)
        is_told = done.code == 1 and f"process {child}" in done.err
        return "" if is_told else f"{words[0]} did not tell of the holder {child}: {done}"

    return _beside(scenario, bench, call, meanwhile)


def _waited(scenario: Scenario, bench: Bench, call: strace.Call) -> str:
    """Let another run come that waits for the first one, which goes on after a while."""
    waiting: list[Callable[[], Run]] = []

    def meanwhile(child: int) -> str:
        waiting.append(begun(lambda: scenario.finish(bench.root)))
        time.sleep(_WHILE)
        return ""

    def after() -> str:
        done = waiting.pop()()
        return "" if done.code == 0 else f"the run that waited ended with {done.code}: {done.err}"

    return _beside(scenario, bench, call, meanwhile, after)


def _beside(
    scenario: Scenario,
    bench: Bench,
    call: strace.Call,
    other: Callable[[int], str],
    after: Callable[[], str] = lambda: "",
) -> str:
    """Do `other` while the first run is stopped in a call; return what was wrong with either."""
    problems: list[str] = []

    def meanwhile(child: int) -> None:
        try:
            if _is_stopped(bench.log / "strace.log"):
                problems.append(other(child))
        finally:
            os.kill(child, signal.SIGCONT)

    with scenario.told(bench.scratch) as root:
        outside = scenario.around(bench.scratch)
        inject = f"inject={call.name}:signal=SIGSTOP:when={call.number}"
        traced = strace.trace(lambda: scenario.run(root), bench.log, "-e", inject, meanwhile=meanwhile)
        if not problems:
            return f"did not stop: {traced.code} {traced.run}"
        if wrong := problems[0] or after():
            return wrong
        return judge.after_failure(
            scenario, bench.scratch, outside, traced.run or _UNKNOWN, _usual(scenario)
        )


def begun(command: Callable[[], Run]) -> Callable[[], Run]:
    """Begin `command` in a child; return what waits for it and tells how it ended."""
    reader, writer = os.pipe()
    child = strace.fork()
    if child == 0:
        os.close(reader)
        try:
            done = command()
            with open(writer, "w", encoding="utf-8") as pipe:
                json.dump(done, pipe)
        finally:
            os._exit(0)
    os.close(writer)

    def wait() -> Run:
        with open(reader, encoding="utf-8") as pipe:
            told = pipe.read()
        os.waitpid(child, 0)
        return Run(*json.loads(told)) if told else _UNKNOWN

    return wait


def _is_stopped(log: Path) -> bool:
    """Wait until strace tells that the run is stopped; tell whether it is, and has not ended."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        text = log.read_text(errors="replace")
        if "--- stopped by SIGSTOP" in text:
            return True
        if "+++ exited" in text:
            return False
        time.sleep(_POLL)
    return False


def _usual(scenario: Scenario) -> set[int]:
    """Return how an undisturbed run of `scenario` may end, but with 0."""
    return {1, 4} if scenario.is_recovery else set()


_UNKNOWN = Run(-1, "", "ended without a word")
_KINDS = (
    _Kind("every call delayed", _all_slow),
    _Kind("Ctrl-C in a slow call", _interrupted),
    _Kind("another run that does not wait", _refused),
    _Kind("another run that waits", _waited, lambda scenario: scenario.words[0] == "install"),
)
