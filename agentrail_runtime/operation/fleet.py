"""Install into many targets at once, by a pool of processes.

Each target is a run of its own: its own lock, transaction, events and decisions, and its own check of
the whole bundle before its first write. That check takes two milliseconds, and a cached one would not
hold for what somebody does to the bundle in the meantime; so nothing is kept from one target to the
next but what Python has imported.

A process that dies takes down the target that it worked on, and no other. When the process that dealt
out the targets dies, each of the others ends with the target that it is at, which is as it was or done.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from agentrail_runtime.entry import RECEIPT_PATH
from agentrail_runtime.errors import AgentRailError, UsageError
from agentrail_runtime.fleet import Ended, Row
from agentrail_runtime.operation import recorded
from agentrail_runtime.operation.install import Options, conflict, plan
from agentrail_runtime.outcome import Outcome
from agentrail_runtime.session import locate

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

MOST_JOBS: Final = 60
"""How many processes there may be: Windows waits for no more than 63 things at once."""

_POLL: Final = 0.2  # seconds until a Ctrl-C is noticed
_INTERNAL_ERROR: Final = 70
_INTERRUPTED: Final = 130
_TERMINATED: Final = 143


class Job(NamedTuple):
    """What a process needs to know: it is sent to one that was not forked.

    Args:
        options: how to install.
        is_dry: only plan.
        directory: what relative paths are relative to.
        is_traced: tell where an error came from.
    """

    options: Options
    is_dry: bool
    directory: str
    is_traced: bool = False


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# --- the targets -------------------------------------------------------------------------------------


def targets(rows: Iterable[Row], *, name: str) -> tuple[list[str], list[str]]:
    """Return the path of each target once, and a note on each row that names one again.

    Args:
        rows: what a list says.
        name: what messages call the list.

    Raises:
        UsageError: a path that is none on this system; or a target that lies in another without a git
            repository of its own, so that it depends on the order whether it is one.
    """
    first: dict[object, Row] = {}
    roots: dict[str, Row] = {}
    paths, notes = [], []
    for row in rows:
        path = _decoded(row, name)
        root = _root(path)
        earlier = first.setdefault(_identity(root or os.path.realpath(path)), row)
        if earlier is not row:
            notes.append(f"{name}:{row.number}: {path}: the same target as in line {earlier.number}")
            continue
        paths.append(path)
        if root is not None:
            roots[root] = row
    for root, row in roots.items():
        _refuse_within(root, row, roots, name)
    return paths, notes


def _decoded(row: Row, name: str) -> str:
    try:
        return os.fsdecode(row.path)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name}:{row.number}: not UTF-8 (byte {error.start})",
            paths=[name],
            hint="write the list as UTF-8",
        ) from None


def _root(path: str) -> str | None:
    """Return the root of a target, None where it is refused: its run will say why."""
    try:
        return locate(path)
    except AgentRailError:
        return None


def _identity(root: str) -> object:
    """Return what two names of one directory have in common."""
    try:
        status = os.stat(root)
    except OSError:
        return root
    return status.st_dev, status.st_ino


def _refuse_within(root: str, row: Row, roots: dict[str, Row], name: str) -> None:
    """Make sure that no other target would be found from `root`, once that is installed.

    Raises:
        UsageError: one would.
    """
    if os.path.lexists(os.path.join(root, *RECEIPT_PATH.split("/"))):
        return
    at = root
    while not os.path.lexists(os.path.join(at, ".git")) and os.path.dirname(at) != at:
        at = os.path.dirname(at)
        if at in roots:
            raise UsageError(
                f"{name}:{row.number}: {root}: lies in the target of line {roots[at].number} "
                "(expected a repository of its own, with a .git)",
                paths=[name],
                hint="leave one of the two out",
            )


# --- interruptions -----------------------------------------------------------------------------------


class Interruptions:
    """Ctrl-C and SIGTERM while processes are at work: counted, so that no line is cut in two."""

    def __init__(self) -> None:
        self._presses = 0
        self._is_terminated = False

    @property
    def code(self) -> int:
        """The exit code that says so; 0 where there was none."""
        if self._is_terminated:
            return _TERMINATED
        return _INTERRUPTED if self._presses else 0

    @property
    def is_urgent(self) -> bool:
        """Whether what is under way is to be undone, not waited for."""
        return self._is_terminated or self._presses > 1

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count them in the body; a signal that is ignored stays ignored."""
        former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        former = {number: to for number, to in former.items() if to not in (None, signal.SIG_IGN)}
        try:
            for number in former:
                signal.signal(number, self._count)
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _count(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGTERM:
            self._is_terminated = True
        else:
            self._presses += 1


# --- the pool ----------------------------------------------------------------------------------------


def run(
    paths: Iterable[str],
    job: Job,
    *,
    jobs: int,
    interruptions: Interruptions,
    stopping: Callable[[int], None],
    fail_fast: bool = False,
) -> Generator[Ended, None, None]:
    """Yield how each target ended, as they end; those that are not yielded were not begun.

    After a Ctrl-C no further target is begun; after a second one, and after a SIGTERM, those under way
    are undone. However this ends, no process is left.

    Args:
        paths: the targets.
        job: what to do with each.
        jobs: how many at once.
        interruptions: what the user asks for in the meantime.
        stopping: told once, after the first Ctrl-C, how many are still under way, none perhaps.
        fail_fast: begin no further one after one that failed.

    Raises:
        AgentRailError: not a single process could be started; the targets are as they are.
    """
    todo, pool = deque(paths), _Pool(job, min(jobs, MOST_JOBS))
    is_told = is_undone = False
    try:
        pool.deal(todo)
        while pool.workers:
            ends = pool.ends()
            if interruptions.code or (fail_fast and any(one.code for one in ends)):
                todo.clear()
            pool.deal(todo)  # before the caller takes its time to print
            if interruptions.is_urgent and not is_undone:
                is_undone = True
                pool.interrupt()
            elif interruptions.code and not is_told:
                is_told = True
                stopping(len(pool.workers))
            yield from ends
    finally:
        pool.close()


class _Pool:
    """The processes, each with a target to work on."""

    def __init__(self, job: Job, most: int) -> None:
        import multiprocessing
        import threading

        # A child that is forked beside threads may find a lock held that nobody will release.
        is_safe = sys.platform == "linux" and threading.active_count() == 1
        self._start: Any = multiprocessing.get_context("fork" if is_safe else "spawn")
        self._job = job
        self._most = most
        self._leaving: list[_Worker] = []
        self.workers: list[_Worker] = []

    def deal(self, todo: deque[str]) -> None:
        """Give everyone who is idle something to do, or leave; start as many more as there may be."""
        for worker in [worker for worker in self.workers if worker.path is None]:
            if todo and worker.give(todo[0]):
                todo.popleft()
            else:
                self._dismiss(worker)
        while todo and len(self.workers) < self._most and self._hire(todo[0]):
            todo.popleft()

    def _hire(self, path: str) -> bool:
        """Start a process for a target; tell whether that worked: fewer will do, but not none.

        Raises:
            AgentRailError: there would be none.
        """
        try:
            self.workers.append(_Worker(self._start, self._job, self.workers, path))
        except OSError as error:
            if not self.workers:
                raise AgentRailError(
                    f"no process can be started: {error.strerror}",
                    hint="end what else is running, then run the command again",
                ) from error
            self._most = len(self.workers)
            return False
        return True

    def ends(self) -> list[Ended]:
        """Return how those targets ended that are done by now, or soon are."""
        from multiprocessing.connection import wait

        ready = wait([worker.connection for worker in self.workers], _POLL)
        done = [worker for worker in self.workers if worker.connection in ready]
        ends = [worker.ended() for worker in done]
        for worker in done:
            if worker.is_gone:
                self._dismiss(worker)
        return ends

    def interrupt(self) -> None:
        """Let what is under way be undone."""
        if sys.platform == "win32":
            return  # there, a second Ctrl-C has reached them
        for worker in self.workers:
            worker.process.terminate()

    def _dismiss(self, worker: _Worker) -> None:
        self.workers.remove(worker)
        worker.connection.close()  # which tells it to end
        self._leaving.append(worker)

    def close(self) -> None:
        """Wait until all have ended."""
        for worker in [*self.workers]:
            self._dismiss(worker)
        for worker in self._leaving:
            worker.process.join()
            worker.process.close()


class _Worker:
    """A process, and the target that it works on.

    Args:
        start: how processes are started.
        job: what it is to do.
        others: those that were started before it.
        path: its first target.
    """

    def __init__(self, start: Any, job: Job, others: Sequence[_Worker], path: str) -> None:
        self.path: str | None = path  # also of a process that has ended before it was told
        self.is_gone = False
        """Whether it does no more."""
        self.connection: Connection
        self.connection, theirs = start.Pipe()
        open_in_fork = [*(other.connection for other in others), self.connection]
        inherited = open_in_fork if start.get_start_method() == "fork" else []
        self.process = start.Process(target=_work, args=(job, theirs, inherited), daemon=True)
        try:
            with _signals_held_back(start):
                self.process.start()
        except OSError:
            self.connection.close()
            raise
        finally:
            theirs.close()  # or nobody would notice that the process ended
        self.give(path)

    def give(self, path: str) -> bool:
        """Send it its next target; tell whether it is still there."""
        with suppress(OSError):
            self.connection.send(path)
            self.path = path
            return True
        return False

    def ended(self) -> Ended:
        """Return how its target ended."""
        assert self.path is not None
        try:
            ended: Ended = self.connection.recv()
        except (EOFError, OSError):
            self.is_gone = True
            self.process.join()
            return _died(self.path, self.process.exitcode)
        self.is_gone = ended.code == _INTERRUPTED
        self.path = None
        return ended


@contextmanager
def _signals_held_back(start: Any) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait: a process that is started in the body decides what they mean."""
    if sys.platform == "win32":
        yield
        return
    if start.get_start_method() == "spawn":
        from multiprocessing.resource_tracker import ensure_running

        ensure_running()  # else it is started in the body, and would not hold them back any more
    former = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _died(path: str, code: int | None) -> Ended:
    """Return how a target ended whose process did."""
    how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
    error = AgentRailError(
        f"the process that worked on it was ended {how}",
        hint="run the command again: what is half done there is undone first",
    )
    return _failed(path, error, error.code)


# --- in a process of the pool ------------------------------------------------------------------------


def _work(job: Job, connection: Connection, inherited: Sequence[Connection]) -> None:
    """Do one target after the other, until nobody has a further one, or is there any more."""
    for other in inherited:
        other.close()  # or a sibling would keep open what tells this process that its parent is gone
    stop = _Stop(patience=1 if sys.platform == "win32" else 0)
    _heed(stop)
    os.chdir(job.directory)
    with suppress(EOFError, OSError), connection:
        while not stop.is_asked:
            connection.send(_ended(job, connection.recv(), stop))


class _Stop:
    """A signal that ends a process: by an exception where that undoes a target, else between two.

    Args:
        patience: how many are to be passed over.
    """

    def __init__(self, patience: int = 0) -> None:
        self.is_asked = False
        self.is_busy = False
        self._patience = patience

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        del number, frame
        self._patience -= 1
        if self._patience >= 0 or self.is_asked:
            return
        self.is_asked = True
        if self.is_busy:
            raise KeyboardInterrupt

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Let a signal raise in the body."""
        try:
            self.is_busy = True
            yield
        finally:
            self.is_busy = False


def _heed(stop: _Stop) -> None:
    """Leave Ctrl-C to the parent; be told by SIGTERM when it is meant for this process."""
    if sys.platform == "win32":
        signal.signal(signal.SIGINT, stop)  # no process can send another one anything else
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])


def _ended(job: Job, path: str, stop: _Stop) -> Ended:
    """Do one target; return how it ended."""
    outcome: Outcome | None = None
    try:
        with stop.busy():
            outcome = _planned(path, job) if job.is_dry else recorded.install(path, job.options)
    except BaseException as error:
        if outcome is None:  # else it is done, whatever came then
            return _told(path, error, is_traced=job.is_traced)
    assert outcome is not None
    return Ended(path, outcome)


def _planned(path: str, job: Job) -> Outcome:
    outcome = plan(path, job.options)._replace(command="install")
    if outcome.result == "conflict":
        raise conflict(outcome)
    return outcome


def _told(path: str, error: BaseException, *, is_traced: bool) -> Ended:
    """Return how a target ended that raised."""
    if isinstance(error, AgentRailError):
        ended = _failed(path, error, error.code)
    elif isinstance(error, KeyboardInterrupt):
        ended = _failed(path, AgentRailError("interrupted; the target is as it was"), _INTERRUPTED)
    else:
        told = AgentRailError(
            f"internal error: {type(error).__name__}: {error}",
            hint="this is a bug: run the command again with -v and report the traceback",
        )
        ended = _failed(path, told, _INTERNAL_ERROR)
    if not is_traced:
        return ended
    import traceback

    return ended._replace(trace="".join(traceback.format_exception(error)))


def _failed(path: str, error: AgentRailError, code: int) -> Ended:
    outcome = error.outcome or Outcome("install", "failed", os.path.realpath(path))
    return Ended(path, outcome, error, code)
