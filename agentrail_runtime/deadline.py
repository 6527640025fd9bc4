"""A bound on time that holds whatever is waited for: a name server, a keyring, the next byte."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Deadline:
    """A moment by which all of some work is to be done, however many steps it has.

    Args:
        seconds: how long from now; may be fractions.
        clock: counts seconds, and never goes back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Return how many seconds are left, more than none.

        Raises:
            TimeoutError: none are.
        """
        seconds = self._end - self._clock()
        if seconds > 0:
            return seconds
        raise TimeoutError("no time is left")


def within(deadline: Deadline, work: Callable[[], T], give_up: Callable[[], None] | None = None) -> T:
    """Return what `work` returns, if it does by `deadline`; raise what it raises.

    It works in a thread, because what hangs in the system (a look-up of a name, a keyring that asks
    somebody) cannot be interrupted. A thread that is late is left alone; it does not keep the process.

    Args:
        deadline: by when.
        work: what is to be done.
        give_up: called when it is late, to make it end soon.

    Raises:
        TimeoutError: it was late, or `deadline` had passed before.
    """
    seconds = deadline.left()
    done: queue.SimpleQueue[tuple[T] | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((work(),))
        except BaseException as error:
            done.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        result = done.get(timeout=seconds)
    except queue.Empty:
        if give_up is not None:
            give_up()
        raise TimeoutError("no time is left") from None
    if isinstance(result, BaseException):
        raise result
    return result[0]
