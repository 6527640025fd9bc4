"""Work that is done by a second process beside this one."""

from __future__ import annotations

import marshal
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final, Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")
WORTH_IT: Final = 1_000
"""From so many files on, a second process takes less time than it costs."""


def shared(items: Sequence[S], work: Callable[[Sequence[S]], list[T]]) -> list[T]:
    """Return ``work(items)``; the second half of many is done by a second process.

    Not so where another one is at work already, and no processor is left for a third.

    Args:
        items: what to work on.
        work: returns one value, which marshal can write, for each item; may be done twice.
    """
    if len(items) < WORTH_IT or _is_crowded():
        return work(items)
    half = len(items) // 2
    wait = begin(lambda: work(items[half:]))
    try:
        return work(items[:half]) + wait()
    finally:
        end(wait)


def begin(work: Callable[[], T]) -> Callable[[], T]:
    """Begin `work` in a process of its own; return the function that waits for what it returns.

    Where a process cannot be forked safely, or where it ends early, that function does the work itself;
    so it raises what `work` raises. If it is never called, the process ends with it, or with `end`.

    Args:
        work: may be done twice with the same effect, and returns what marshal can write.
    """
    import threading

    if sys.platform != "linux" or threading.active_count() > 1:
        return work
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.close(reader)  # or this process would wait for ever for one that was killed
            _do(work, writer)
        finally:
            os._exit(0)  # not even Ctrl-C may let it go on as if it was the one that forked
    os.close(writer)  # or nobody would notice that the process ended
    return _Child(work, process, reader)


def end(result: Callable[[], Any]) -> None:
    """End the process that `begin` gave `result` for, if there is one and it still works."""
    if isinstance(result, _Child):
        result.end()


def _is_crowded() -> bool:
    """Tell whether the processes at work are as many as the processors."""
    others = len(_Child.working)
    return others > 0 and others + 1 >= (os.cpu_count() or 1)


class _Child(Generic[T]):
    """A process that works."""

    working: ClassVar[set[int]] = set()
    """The numbers of those whose result is still to come."""

    def __init__(self, work: Callable[[], T], process: int, reader: int) -> None:
        self._work = work
        self._process = process
        self._reader = open(reader, "rb")  # noqa: SIM115 - closed when it was read, or never will be
        self.working.add(process)

    def __call__(self) -> T:
        """Return what the process found; how it gives its memory back need not be waited for."""
        try:
            # `marshal.load` would ask the pipe for every value by itself.
            found: tuple[T] = marshal.loads(self._reader.read())  # noqa: S302 - our own process wrote it
        except (EOFError, ValueError, TypeError):
            return self._work()
        finally:
            self._close()
        return found[0]

    def _close(self) -> None:
        self._reader.close()
        self.working.discard(self._process)

    def end(self) -> None:
        """End the process."""
        self._close()
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            self._process = 0

    def __del__(self) -> None:
        self.end()


def _do(work: Callable[[], Any], writer: int) -> None:
    """Do the work, send what it returns, and end without the clean-up of a Python program."""
    with suppress(BaseException):
        data = memoryview(marshal.dumps((work(),)))
        while data:
            data = data[os.write(writer, data) :]
        os.close(writer)
    os._exit(0)
