"""Clocks that jump: a year back or ahead between runs and within one, and files with odd times.

Where libfaketime (https://github.com/wolfcw/libfaketime) is installed, the C library tells the wrong
time; everywhere, Python can be made to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.fault.choice import Choice
from tests.fault.result import Try
from tests.support import Node, Run, agentrail, install, make_bundle, make_repo, snapshot, write

GROUP = "a clock that jumps"
YEAR = 365 * 24 * 3600  # seconds
STEPS = ("install 1", "install 2", "install 3", "rollback", "rollback", "install 3", "uninstall")
"""What is run, one after the other."""

JUMPS: dict[str, tuple[int, ...]] = {
    "a year back before each run": (0, -1, -2, -3, -4, -5, -6),
    "a year ahead before each run": (0, 1, 2, 3, 4, 5, 6),
    "back and ahead": (0, -1, 1, -1, 1, -1, 1),
}
"""By how many years the clock is wrong in each step."""

TIMES = {"1970": 0, "1999": 946_000_000, "2106": 4_294_967_295, "now": None}
"""How old files are, in seconds since 1970."""

_GUIDE = "docs/guide.md"
_TIMES_EACH = 10
_LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
)
_SHIFTING = '''"""Let this Python's clock be wrong: each reading by the next of so many seconds."""
import datetime, itertools, os, time
told = [float(text) for text in os.environ["CLOCK_SHIFTS"].split(",")]
shifts = itertools.chain(told, itertools.repeat(told[-1]))
real, monotonic = time.time, time.monotonic
time.time = lambda: real() + next(shifts)
time.time_ns = lambda: int(time.time() * 1e9)
time.monotonic = lambda: monotonic() + next(shifts)
class Wrong(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
    @classmethod
    def utcnow(cls):
        return cls.fromtimestamp(time.time(), datetime.timezone.utc).replace(tzinfo=None)
datetime.datetime = Wrong
'''


class Clock(NamedTuple):
    """A way to have a wrong clock.

    Args:
        name: what tells the wrong time.
        shifted: returns the environment for a clock that is wrong by so many seconds.
        jumping: returns it for one that goes wrong, and right again, within the run; None for none.
    """

    name: str
    shifted: Callable[[int], Mapping[str, str]]
    jumping: Callable[[int], Mapping[str, str]] | None = None


def clocks(place: Path) -> list[Clock]:
    """Return the ways there are here; files that they need go to `place`."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "sitecustomize.py").write_text(_SHIFTING)
    path = os.pathsep.join(filter(None, [f"{place}", os.environ.get("PYTHONPATH")]))

    def shifts(*seconds: int) -> dict[str, str]:
        return {"PYTHONPATH": path, "CLOCK_SHIFTS": ",".join(map(str, seconds))}

    def faked(seconds: int) -> dict[str, str]:
        return {"LD_PRELOAD": faketime(), "NO_FAKE_STAT": "1", "FAKETIME": f"{seconds:+d}"}

    found = [Clock("Python's clock", shifts, lambda seconds: shifts(0, seconds, 0, -seconds, seconds))]
    if faketime():
        found.append(Clock("the system's clock", faked))
    return [clock for clock in found if _is_wrong(clock)]


def faketime() -> str:
    """Return the path of libfaketime, an empty text where it is not."""
    return next((path for path in _LIBRARIES if os.path.exists(path)), "")


def _is_wrong(clock: Clock) -> bool:
    """Tell whether a clock really is wrong."""
    probe = "import datetime; print(datetime.datetime.now(datetime.timezone.utc).timestamp())"
    done = _process([sys.executable, "-c", probe], clock.shifted(YEAR))
    return done.code == 0 and float(done.out) - time.time() > YEAR / 2


Runner = Callable[..., Run]
"""Runs a command, given what is typed after ``agentrail``."""


def run_with(environment: Mapping[str, str]) -> Runner:
    """Return what runs a command in a process of its own, with more in its environment."""

    def run(*words: str | Path) -> Run:
        return _process([sys.executable, "-m", "agentrail_runtime", *map(str, words)], environment)

    return run


def _process(command: Sequence[str], environment: Mapping[str, str]) -> Run:
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def jumps(place: Path, choice: Choice) -> Iterator[Try]:
    """Tell the runs of one target wrong times, and its files odd ones; judge what comes of it."""
    cases = [*_cases(Cases(place), clocks(place / "clock"))]
    for fault, scenario, case in choice.of(cases, lambda case: case[1], GROUP):
        yield Try(GROUP, fault, scenario, fault, case())


def _cases(cases: Cases, found: Sequence[Clock]) -> Iterator[tuple[str, str, Callable[[], str]]]:
    for clock in found:
        for name, years in JUMPS.items():
            runs = [run_with(clock.shifted(year * YEAR)) for year in years]
            yield f"{name}, {clock.name}", "history", partial(cases.history, runs)
        for name, run in _wrong(clock):
            yield name, "history", partial(cases.history, [run] * len(STEPS))
            yield name, "a lock that is held", partial(cases.held, run)
            yield name, "--fast", partial(cases.trusted, None, run, ["in place"])
    for name, moment in TIMES.items():
        yield f"files of {name}", "history", partial(cases.aged, moment)
        yield f"files of {name}", "edits", partial(cases.edited, moment)
        each = [*EDITS] * _TIMES_EACH
        yield f"files of {name}", "--fast", partial(cases.trusted, moment, agentrail, each)


def _wrong(clock: Clock) -> Iterator[tuple[str, Runner]]:
    for way, years in (("back", -1), ("ahead", 1)):
        yield f"a year {way}, {clock.name}", run_with(clock.shifted(years * YEAR))
        if clock.jumping is not None:
            name = f"a year {way} within a run, {clock.name}"
            yield name, run_with(clock.jumping(years * YEAR))


class Cases:
    """What is tried with a wrong clock, each in a scratch directory below `place`.

    A case returns what was wrong, an empty text for nothing.
    """

    def __init__(self, place: Path) -> None:
        self._place = place

    @cached_property
    def bundles(self) -> list[Path]:
        """Three versions: a file of the same size in each, and one that the others do not have."""
        return [_bundle(self._place / f"bundle{number}", number) for number in (1, 2, 3)]

    @cached_property
    def trees(self) -> list[Mapping[str, Node]]:
        """The tree after each step, with a right clock."""
        return [*self._told([agentrail] * len(STEPS))]

    def history(
        self, runs: Sequence[Runner], between: Callable[[Path], None] = lambda root: None
    ) -> str:
        """Take all steps, each in its way; compare the trees with those of a right clock."""
        try:
            found = zip(STEPS, self._told(runs, between), self.trees, strict=True)
            wrong = [step for step, one, other in found if one != other]
        except StepError as error:
            return str(error)
        return f"another tree after {', '.join(wrong)}" if wrong else ""

    def aged(self, moment: int | None) -> str:
        """Take all steps, with all files of `moment` before each."""
        return self.history([agentrail] * len(STEPS), partial(age, moment=moment))

    def edited(self, moment: int | None) -> str:
        """Edit a file so that its size and time stay as they are; every command must see it."""
        with self._fresh() as root:
            install(root, bundle=self.bundles[0])
            age(root, moment=moment)
            agentrail("verify", root)
            _edit_and_set_time(root / _GUIDE)
            text = (root / _GUIDE).read_bytes()
            codes = (agentrail("verify", root).code, install(root, bundle=self.bundles[1]).code)
            is_kept = (root / _GUIDE).read_bytes() == text
        return "" if codes == (4, 3) and is_kept else f"not seen by verify, install: {codes}"

    def trusted(self, moment: int | None, run: Runner, edits: Sequence[str]) -> str:
        """Edit a file at once after ``--fast`` remembered it; it must see what a full run does."""
        words = ("install", "--source", "copy", "--runtime-dir", self.bundles[0], "--json")
        with self._fresh() as root:
            install(root, bundle=self.bundles[0])
            for edit in edits:
                age(root, moment=moment)
                before = (root / _GUIDE).read_bytes()
                said = [run(*words, "--fast", root).json["result"] for _ in range(2)]
                EDITS[edit](root / _GUIDE)
                fast, full = (run(*words, *more, root).json for more in (("--fast",), ()))
                if said != ["unchanged"] * 2 or not _is_edited(full) or fast != full:
                    return f"{edit}: {said}, {fast} instead of {full}"
                (root / _GUIDE).write_bytes(before)
        return ""

    def held(self, run: Runner) -> str:
        """Hold the lock, and have a run wait for it: it must give up, whatever the clock says."""
        import fcntl

        words = ("install", "--source", "copy", "--runtime-dir", self.bundles[0])
        with self._fresh() as root:
            write(root, {".agentrail/state/lock": "\n4711\n"})
            with open(root / ".agentrail/state/lock", "rb+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                refused = run(*words, "--lock-timeout", "0.2", root)
            after = run(*words, root)
        if refused.code != 1 or "process 4711" not in refused.err:
            return f"did not tell of the holder: {refused}"
        return "" if after.code == 0 else f"did not take the free lock: {after}"

    def _told(
        self, runs: Sequence[Runner], between: Callable[[Path], None] = lambda root: None
    ) -> Iterator[Mapping[str, Node]]:
        """Yield the tree after each step in a fresh target."""
        with self._fresh() as root:
            make_repo(root)
            for step, run in zip(STEPS, runs, strict=True):
                between(root)
                verb, _, number = step.partition(" ")
                bundle = self.bundles[int(number) - 1] if number else None
                copy = ("--source", "copy", "--runtime-dir", bundle) if bundle else ()
                done = run(verb, *copy, root)
                if done.code:
                    raise StepError(f"{step}: ended with {done.code}: {done.err}")
                yield snapshot(root)

    @contextmanager
    def _fresh(self) -> Iterator[Path]:
        scratch = self._place / f"scratch{time.perf_counter_ns()}"
        scratch.mkdir()
        try:
            yield scratch / "target"
        finally:
            shutil.rmtree(scratch)


class StepError(Exception):
    """A step failed."""


def _bundle(root: Path, number: int) -> Path:
    files = {_GUIDE: f"guide {number}\n", f"docs/only-{number}.md": "same in all\n"}
    return make_bundle(root, files, version=f"1.{number}.0", release_seq=number)


def age(root: Path, *, moment: int | None) -> None:
    """Let every file and directory below `root` be of `moment`, in seconds since 1970; None: of now."""
    for path in [root, *root.rglob("*")]:
        if ".git" not in path.parts and not path.is_symlink():
            os.utime(path, None if moment is None else (moment, moment))


def _is_edited(done: Any) -> bool:
    return any(row["path"] == _GUIDE and row["reason"] == "edited locally" for row in done["actions"])


def _edit_in_place(path: Path) -> None:
    path.write_bytes(path.read_bytes().swapcase())


def _edit_and_set_time(path: Path) -> None:
    before = path.stat()
    _edit_in_place(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _edit_by_rename(path: Path) -> None:
    before, beside = path.stat(), path.with_suffix(".new")
    beside.write_bytes(path.read_bytes().swapcase())
    os.utime(beside, ns=(before.st_atime_ns, before.st_mtime_ns))
    beside.replace(path)


def _edit_anew(path: Path) -> None:
    before, text = path.stat(), path.read_bytes()
    path.unlink()
    path.write_bytes(text.swapcase())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


EDITS: dict[str, Callable[[Path], None]] = {
    "in place": _edit_in_place,
    "in place, time set back": _edit_and_set_time,
    "by a rename, time set back": _edit_by_rename,
    "removed and made anew, time set back": _edit_anew,
}
"""Ways to edit a file so that its size stays as it is."""
