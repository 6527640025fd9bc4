"""What a run found: the same fault told once, in as few bytes as it takes, in a file of the corpus."""

from __future__ import annotations

import hashlib
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.fuzz.target import Target

CORPUS: Final = Path(__file__).parent / "corpus"
"""Inputs that are tried in every run, those of one target in the directory of its name."""

_MOST_SECONDS: Final = 20


class TooSlowError(Exception):
    """An input took longer than any may take."""


class Outcome(NamedTuple):
    """What became of one input: `fault` is what failed and where, "" where nothing did."""

    is_accepted: bool
    seconds: float
    fault: str = ""
    told: str = ""


class Finding(NamedTuple):
    """A fault, its traceback, and the file that has the input."""

    target: str
    fault: str
    told: str
    path: Path

    @property
    def command(self) -> str:
        """What repeats it."""
        return f"python -m tests.fuzz --target {self.target} --input {self.path}"


def run(target: Target, data: bytes, *, limit: float) -> Outcome:
    """Try one input; it takes at most `limit` seconds of a processor, where the platform has timers."""
    start = time.process_time()
    try:
        with _ended_after(limit):
            is_accepted = target.check(data)
        seconds = time.process_time() - start
        if seconds > limit:
            raise TooSlowError(f"took {seconds:.1f} s (expected at most {limit:g} s)")
    except Exception as error:
        return Outcome(False, time.process_time() - start, _fault(error), "".join(_told(error)))
    return Outcome(is_accepted, seconds)


def _told(error: Exception) -> list[str]:
    return traceback.format_exception(error)[-12:]


def _fault(error: Exception) -> str:
    """Return what is equal for two inputs that fail in the same way."""
    if isinstance(error, TooSlowError):
        return "too slow"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        frame for frame in frames if "agentrail_runtime" in frame.filename or "fuzz" in frame.filename
    ]
    frame = (ours or frames)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}: {frame.line}"


@contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """Raise `TooSlowError` in what runs longer, in the main thread and where there are signals."""
    timer: Any = getattr(signal, "setitimer", None)
    if timer is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        raise TooSlowError(f"took more than {seconds:g} s")

    before = signal.signal(signal.SIGPROF, end)
    timer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        timer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def keep(target: Target, data: bytes, outcome: Outcome, corpus: Path, *, limit: float) -> Finding:
    """Write the shortest input that has the fault of `outcome` into the corpus."""
    if outcome.fault != "too slow":
        data = shortest(target, data, outcome.fault, limit=limit)
        outcome = run(target, data, limit=limit)
    path = corpus / target.name / f"found-{hashlib.sha256(data).hexdigest()[:12]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return Finding(target.name, outcome.fault, outcome.told, path)


def shortest(target: Target, data: bytes, fault: str, *, limit: float) -> bytes:
    """Return `data` without whatever can be left out while it still has that fault, as time allows."""
    size, end = max(len(data) // 2, 1), time.process_time() + _MOST_SECONDS
    while size and time.process_time() < end:
        at, is_shorter = 0, False
        while at < len(data) and time.process_time() < end:
            tried = data[:at] + data[at + size :]
            if run(target, tried, limit=limit).fault == fault:
                data, is_shorter = tried, True
            else:
                at += size
        if size > 1 or not is_shorter:
            size //= 2
    return data
