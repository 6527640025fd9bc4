"""Work that is done by a second process beside this one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

T = TypeVar("T")
WORTH_IT: Final = 1_000
"""From so many files on, a second process takes less time than it costs."""


def begin(work: Callable[[], T]) -> Callable[[], T]:
    """Begin `work` in a process of its own; return the function that waits for what it returns.

    Where a process cannot be forked safely, or ends early, the work is done by that function. So an
    error of `work` is raised there, too. `work` may change nothing, and returns what can be pickled.
    """
    import threading

    if sys.platform != "linux" or threading.active_count() > 1:
        return work
    import multiprocessing

    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, reader, writer), daemon=True)
    process.start()
    writer.close()  # or nobody would notice that the process ended

    def result() -> T:
        try:
            found: T = reader.recv()
        except (EOFError, OSError):
            return work()
        finally:
            reader.close()
            process.join()
        return found

    return result


def _work(work: Callable[[], Any], reader: Any, writer: Any) -> None:
    reader.close()  # or this process would wait for ever for one that was killed
    with suppress(BaseException), writer:
        writer.send(work())
