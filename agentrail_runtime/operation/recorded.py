"""Install, rollback and uninstall, each with the events that tell of it (docs/events.md).

A run that nobody wants to hear of and that changes nothing loads nothing for that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from agentrail_runtime.outcome import Outcome
from agentrail_runtime.session import DEFAULT_TIMEOUT

if TYPE_CHECKING:
    from agentrail_runtime.operation.install import Options
    from agentrail_runtime.progress import Progress
    from agentrail_runtime.recorder import Recorder
    from agentrail_runtime.release.event import EventOutcome, Op
    from agentrail_runtime.release.policy import Route

_VARIABLE: Final = "AGENTRAIL_EVENTS"
_UNDO_FAILED: Final = 7


def install(target: str, options: Options) -> Outcome:
    """Do what `agentrail_runtime.operation.install.install` does, and record it.

    Raises:
        AgentRailError: as that does.
    """
    from agentrail_runtime.operation import install as operation

    run = _Run("install", target)
    if os.environ.get(_VARIABLE):
        is_copy = options.source == "copy"
        run.route = "copy" if is_copy else "package"
        run.runtime_dir = options.runtime_dir if is_copy else None
        options = options._replace(progress=run.watched(options.progress))
    return run.recorded(lambda: operation.install(target, options))


def rollback(
    target: str,
    *,
    to: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    lock_timeout: float = DEFAULT_TIMEOUT,
) -> Outcome:
    """Do what `agentrail_runtime.operation.rollback.rollback` does, and record it.

    Raises:
        AgentRailError: as that does.
    """
    from agentrail_runtime.operation import rollback as operation

    def work() -> Outcome:
        return operation.rollback(
            target, to=to, force=force, dry_run=dry_run, lock_timeout=lock_timeout
        )

    return work() if dry_run else _Run("rollback", target).recorded(work)


def uninstall(
    target: str,
    *,
    purge: bool = False,
    dry_run: bool = False,
    lock_timeout: float = DEFAULT_TIMEOUT,
) -> Outcome:
    """Do what `agentrail_runtime.operation.uninstall.uninstall` does, and record it.

    Raises:
        AgentRailError: as that does.
    """
    from agentrail_runtime.operation import uninstall as operation

    def work() -> Outcome:
        return operation.uninstall(target, purge=purge, dry_run=dry_run, lock_timeout=lock_timeout)

    return work() if dry_run else _Run("uninstall", target).recorded(work)


class _Run:
    """One run, and what has to be known to record it."""

    def __init__(self, op: Op, target: str) -> None:
        self.route: Route | None = None
        self.runtime_dir: str | None = None
        self._op: Op = op
        self._target = target
        self._since = time.monotonic()
        self._has_written = False

    def watched(self, progress: Progress) -> Progress:
        """Return `progress` so that it is noticed when the run begins to write."""

        def watch(what: str, done: int, total: int) -> None:
            self._has_written = self._has_written or what == "writing"
            progress(what, done, total)

        return watch

    def recorded(self, work: Callable[[], Outcome]) -> Outcome:
        """Return what `work` returns, or raise what it raises, and record it."""
        recorder = self._recorder() if os.environ.get(_VARIABLE) else None
        try:
            if recorder is not None:
                recorder.start()
            outcome = work()
        except BaseException as error:
            if recorder is not None:
                self._record_failure(recorder, error)
            raise
        if recorder is None and outcome.result != "applied":
            return outcome
        with suppress(Exception, KeyboardInterrupt, SystemExit):  # it is done, whatever comes now
            return self._record(recorder or self._recorder(), outcome)
        return outcome

    def _recorder(self) -> Recorder:
        from agentrail_runtime.recorder import Recorder

        return Recorder(
            self._op,
            self._target,
            route=self.route,
            runtime_dir=self.runtime_dir,
            since=self._since,
        )

    def _record(self, recorder: Recorder, outcome: Outcome) -> Outcome:
        self._tell(recorder, outcome)
        root = outcome.target if outcome.result == "applied" else None
        recorder.finish("ok", root=root)
        if recorder.problem is None:
            return outcome
        notice = f"{_VARIABLE}: this run is not recorded there: {recorder.problem}"
        return outcome._replace(notices=(*outcome.notices, notice))

    def _record_failure(self, recorder: Recorder, error: BaseException) -> None:
        from agentrail_runtime.errors import AgentRailError
        from agentrail_runtime.recorder import exit_code

        with suppress(Exception, KeyboardInterrupt, SystemExit):  # `error` is what is to be told
            if isinstance(error, AgentRailError) and error.outcome is not None:
                self._tell(recorder, error.outcome)
            code = exit_code(error)
            is_undone = self._has_written and isinstance(error, Exception) and code != _UNDO_FAILED
            result: EventOutcome = "rolled_back" if is_undone else "failed"
            recorder.finish(result, code)

    def _tell(self, recorder: Recorder, outcome: Outcome) -> None:
        """Tell the recorder what only the run could find out."""
        new, old = outcome.runtime_version, outcome.previous_version
        recorder.version = (new if self._op == "install" else old) or recorder.version
        recorder.from_version = old or recorder.from_version
        kind = outcome.source.kind if outcome.source is not None else None
        if kind == "package" or kind == "copy":
            recorder.route = kind
