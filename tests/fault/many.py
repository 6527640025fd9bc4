"""A run over many targets that is killed midway: the same command again does what is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.fault import strace
from tests.fault.choice import Choice
from tests.fault.result import Try
from tests.fault.scenario import plain_state
from tests.support import Node, agentrail, make_bundle, make_repo, snapshot

GROUP = "kill -9 of a run over many targets"
SCENARIO = "--targets-from, upgrade"
NAMES = tuple("abcdef")

_ALL, _FIRST, _EACH = "all processes", "the first process", "each process of the pool"
_CALLS = {"renameat": range(1, 5), "fsync": range(1, 19, 3), "mkdirat": range(1, 9, 3)}
"""At which calls each process of the pool is killed: from before its journal to after its commit."""


class Way(NamedTuple):
    """Who is killed, and when; `killed` runs the command and kills it, and returns what it told."""

    fault: str
    place: str
    killed: Callable[[Path], list[Any]]


class MissedError(Exception):
    """Too few processes were killed."""


class Cases:
    """Six repositories with version 1, in which a run for version 2 is killed.

    Args:
        place: where bundles and repositories are made.
    """

    def __init__(self, place: Path) -> None:
        rules = {f"docs/{number}.md": f"rule {number}\n" for number in range(4)}
        one = make_bundle(place / "one", {**rules, "docs/a.md": "one\n"})
        files = {**rules, "docs/a.md": "two\n", "docs/b.md": "b\n"}
        self.bundle = make_bundle(place / "two", files, version="1.1.0", release_seq=2)
        self.before, after = place / "before", place / "after"
        make_repo(self.before)
        assert agentrail("install", "--source", "copy", "--runtime-dir", one, self.before).code == 0
        shutil.copytree(self.before, after)
        assert agentrail(*self.words, after).code == 0
        self.old, self.new, self.state = snapshot(self.before), snapshot(after), plain_state(after)
        self._place = place / "repositories"
        self._log = place / "many-log"

    @property
    def words(self) -> tuple[str, ...]:
        """What is typed after ``agentrail``, but for the targets."""
        return ("install", "--source", "copy", "--runtime-dir", f"{self.bundle}")

    def tried(self, way: Way, number: int) -> str:
        """Return what is wrong after a run that was killed so; an empty text for nothing.

        Args:
            way: who is killed, and when.
            number: chooses what comes next: an odd one, a look at each target; else the same at once.
        """
        shutil.rmtree(self._place, ignore_errors=True)
        for name in NAMES:
            shutil.copytree(self.before, self._place / name)
        (self._place / "list").write_text("".join(f"{name}\n" for name in NAMES))
        try:
            told = way.killed(self._place)
        except MissedError as error:
            return str(error)
        done = {Path(row["target"]).name for row in told if row.get("result") == "applied"}
        looked = [self._looked(name, done) for name in NAMES] if number % 2 else []
        return next(filter(None, looked), "") or self._resumed(done)

    def _looked(self, name: str, done: set[str]) -> str:
        seen = agentrail("verify", self._place / name)
        found = snapshot(self._place / name)
        expected = (self.new,) if name in done else (self.old, self.new)
        if seen.code == 0 and found in expected:
            return ""
        return f"{name}: verify ended with {seen.code}, and {_difference(found, expected[0])} differ"

    def _resumed(self, done: set[str]) -> str:
        """Return what is wrong with the same command once more, and with a third time."""
        rows, before = self._run(), self._all(with_times=True)
        results = {Path(row["target"]).name: row["result"] for row in rows if "target" in row}
        if {*results} != {*NAMES} or {*results.values()} - {"applied", "unchanged"}:
            return f"the second run told of {results}"
        if again := sorted(name for name in done if results[name] != "unchanged"):
            return f"what was told to be done was done again: {again}"
        for name in NAMES:
            if (found := snapshot(self._place / name)) != self.new:
                return f"{name}: not new: {_difference(found, self.new)}"
            if stray := plain_state(self._place / name) ^ self.state:
                return f"{name}: not as expected in the state directory: {sorted(stray)}"
        third = {row["result"] for row in self._run() if "target" in row}
        is_quiet = third == {"unchanged"} and self._all(with_times=True) == before
        return "" if is_quiet else f"a third run was not quiet: {third}"

    def _all(self, *, with_times: bool = False) -> dict[str, Node]:
        return snapshot(self._place, with_state=True, with_times=with_times)

    def _command(self) -> list[str]:
        many = ("--targets-from", "list", "--jobs", "2", "--json")
        return [sys.executable, "-m", "agentrail_runtime", *self.words, *many]

    def _run(self) -> list[Any]:
        done = subprocess.run(
            self._command(), cwd=self._place, capture_output=True, text=True, timeout=60, check=False
        )
        return _read(done.stdout)

    def ways(self) -> Iterator[Way]:
        """Yield who may be killed, and when."""
        for count in range(len(NAMES)):
            yield Way(_ALL, f"{count} targets done", partial(self._cut, count, os.killpg))
            yield Way(_FIRST, f"{count} targets done", partial(self._cut, count, os.kill))
        for call, numbers in {} if strace.problem() else _CALLS.items():
            for number in numbers:
                place = f"{call} {number}"
                yield Way(f"{_EACH}, {call}", place, partial(self._struck, call, number))

    def _cut(self, count: int, kill: Callable[[int, int], None], place: Path) -> list[Any]:
        """Kill when so many targets are told of; wait until no process is left."""
        with subprocess.Popen(
            self._command(),
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        ) as run:
            assert run.stdout is not None
            lines = [run.stdout.readline() for _ in range(count)]
            kill(run.pid, signal.SIGKILL)
            return _read("".join(lines) + run.stdout.read())  # to its end: nobody writes any more

    def _struck(self, call: str, number: int, place: Path) -> list[Any]:
        """Kill each process of the pool when it makes a call for that time: every target is struck.

        Raises:
            MissedError: one was not.
        """
        shutil.rmtree(self._log, ignore_errors=True)
        self._log.mkdir()
        absolute = "".join(f"{place / name}\n" for name in NAMES)
        (place / "list").write_text(absolute)
        inject = ("-f", "-e", f"inject={call}:signal=SIGKILL:when={number}")
        traced = strace.trace_process(self._command_in(place), self._log, *inject)
        if (count := traced.log.count("+++ killed by SIGKILL")) != len(NAMES):
            raise MissedError(f"{count} processes were killed (expected {len(NAMES)})")
        return _read(traced.run.out if traced.run else "")

    def _command_in(self, place: Path) -> list[str]:
        return [f"{place / 'list'}" if word == "list" else word for word in self._command()]


def kills(place: Path, choice: Choice) -> Iterator[Try]:
    """Kill a run over many targets in each way; judge what is left, and what the next run does."""
    cases = Cases(place)
    for number, way in enumerate(choice.of([*cases.ways()], lambda way: way.fault, GROUP)):
        yield Try(GROUP, way.fault, SCENARIO, way.place, cases.tried(way, number))


def _read(lines: str) -> list[Any]:
    """Return the JSON of each line, but for a last one that was cut off."""
    return [json.loads(line) for line in lines.splitlines(keepends=True) if line.endswith("\n")]


def _difference(one: dict[str, Node], other: dict[str, Node]) -> list[str]:
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
