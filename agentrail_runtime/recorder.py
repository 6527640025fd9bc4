"""Writes down what a run did: in the target, and in the directory that the user names for it.

Nothing here ever fails a run, nor keeps it waiting: what is outside the target is written by a thread
that is left alone when it is late. docs/events.md tells what is written where.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from agentrail_runtime import document, git
from agentrail_runtime import receipt as receipt_
from agentrail_runtime.entry import INDEX_NAME, RECEIPT_PATH, RelPath
from agentrail_runtime.errors import AgentRailError
from agentrail_runtime.release import event as event_
from agentrail_runtime.release import remote
from agentrail_runtime.release.event import Event, EventError, EventOutcome, EventPhase, Op
from agentrail_runtime.session import locate
from agentrail_runtime.target import EVENTS_PATH, Target
from agentrail_runtime.version import __version__

if TYPE_CHECKING:
    from agentrail_runtime.release.policy import Route

VARIABLE: Final = "AGENTRAIL_EVENTS"
"""The environment variable that names the directory."""

SALT_VARIABLE: Final = "AGENTRAIL_EVENTS_SALT"
CHANNEL_VARIABLE: Final = "AGENTRAIL_CHANNEL"
LIMIT: Final = 1 << 20
"""How large the file in the target may get, in bytes."""

SALT_PATH: Final = RelPath(".salt")
_SALT_BYTES: Final = 1024
_SECONDS: Final = 0.5  # for each of the two ends of a run
_SALT_SECONDS: Final = 0.3  # to wait for a salt
_POLL: Final = 0.01  # seconds between two looks at a salt that is just being written
_REPO: Final = re.compile(r"[0-9a-f]{64}")
_SYSTEMS: Final = {"linux": "linux", "darwin": "darwin", "win32": "windows"}
_INTERNAL_ERROR: Final = 70


def exit_code(error: BaseException) -> int:
    """Return the exit code of a command that ends in `error`."""
    if isinstance(error, AgentRailError):
        return error.code
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code & 0xFF
    return _INTERNAL_ERROR


class Recorder:
    """The events of one run.

    Args:
        op: what the run does.
        target: the path that the user gave.
        route: the route that is asked for, or None to take what the receipt says.
        runtime_dir: where the copy route finds its bundle, if that is the route.
        since: when the run began, by `time.monotonic`; None for now.
    """

    def __init__(
        self,
        op: Op,
        target: str,
        *,
        route: Route | None = None,
        runtime_dir: str | None = None,
        since: float | None = None,
    ) -> None:
        self.problem: str | None = None
        """Why nothing was written in the directory, None where it was."""
        self.version: str | None = None
        self.from_version: str | None = None
        self.route: Route | None = route
        self._op: Final = op
        self._target = os.path.realpath(target)
        self._runtime_dir = runtime_dir
        self._directory = os.environ.get(VARIABLE) or None
        self._identifier = os.urandom(16).hex()
        self._since = time.monotonic() if since is None else since
        self._repo: str | None = None
        self._begun: Any = None

    def start(self) -> None:
        """Write that the run begins, in the directory alone, which is named."""
        import threading

        self._begun = threading.Event()
        self._outside(self._start)

    def finish(
        self,
        outcome: EventOutcome,
        code: int = 0,
        *,
        root: str | None = None,
    ) -> None:
        """Write how the run ended; `version`, `from_version` and `route` may have been set since.

        Args:
            outcome: how.
            code: the exit code.
            root: the target's directory if a line is to be written there, too; one that has no state
                directory is left as it is.
        """
        took = round((time.monotonic() - self._since) * 1000)
        if self._directory is not None:
            self._outside(lambda: self._append(self._event("finished", outcome, code, took)))
        if root is not None:
            with suppress(Exception):
                self._append_inside(Target(root), self._event("finished", outcome, code, took))

    # --- in the directory ------------------------------------------------------------------------

    def _outside(self, work: Callable[[], None]) -> None:
        """Do `work` if it can be done soon."""
        from agentrail_runtime.deadline import Deadline, within

        try:
            within(Deadline(_SECONDS), work)
            self.problem = None
        except TimeoutError:
            self.problem = f"no answer within {_SECONDS} s"
        except Exception as error:
            self.problem = getattr(error, "strerror", None) or str(error) or type(error).__name__

    def _start(self) -> None:
        try:
            self._look_up()
            self._append(self._event("started"))
        finally:
            self._begun.set()

    def _append(self, event: Event) -> None:
        """Write one line, after that of the start if it is late."""
        if event.phase == "finished" and self._begun is not None:
            self._begun.wait()
        place = self._place()
        if self._repo is None:
            self._repo = _repo(place, _identity(self._root()))
        line = event_.dump(event._replace(repo=self._repo))
        try:
            place.append(RelPath(f"{self._repo}.jsonl"), line)
        except PermissionError:  # another user's file
            place.append(RelPath(f"{self._repo}.{self._identifier}.jsonl"), line)
        finally:
            place.close()

    def _place(self) -> Target:
        assert self._directory is not None
        found = os.path.realpath(self._directory)
        if not os.path.isdir(found):
            raise NotADirectoryError("no such directory")
        return Target(found)

    def _root(self) -> str:
        with suppress(AgentRailError):
            return locate(self._target)
        return self._target

    def _look_up(self) -> None:
        """Find out what is installed, and what is about to be."""
        target = Target(self._root())
        try:
            with suppress(OSError, AgentRailError):
                receipt = receipt_.load(target.read(RECEIPT_PATH))
                self.from_version = receipt.runtime_version
                if self._op != "install":
                    self.version = receipt.runtime_version
                    self.route = receipt.source_kind
        finally:
            target.close()
        if self._runtime_dir is not None:
            with suppress(OSError, AgentRailError, ValueError):
                self.version = _bundle_version(self._runtime_dir)

    # --- in the target ---------------------------------------------------------------------------

    def _append_inside(self, target: Target, event: Event) -> None:
        try:
            repo = self._repo or _last_repo(target) or os.urandom(32).hex()
            target.append(EVENTS_PATH, event_.dump(event._replace(repo=repo)), limit=LIMIT)
            if target.inspect(RECEIPT_PATH).kind == "absent":
                # Another run may have uninstalled it meanwhile; whoever unlocks removes what is left.
                with target.locked(timeout=0, sleep=time.sleep):
                    pass
        finally:
            target.close()

    def _event(
        self,
        phase: EventPhase,
        outcome: EventOutcome | None = None,
        code: int | None = None,
        took: int | None = None,
    ) -> Event:
        channel: Any = os.environ.get(CHANNEL_VARIABLE)
        return Event(
            schema_version=event_.SCHEMA_VERSION,
            event_id=self._identifier,
            ts=event_.moment(datetime.now(timezone.utc)),
            repo="",
            channel=channel if channel in event_.CHANNELS else None,
            version=event_.printable(self.version or __version__),
            from_version=event_.printable(self.from_version) if self.from_version else None,
            route=self.route or "package",
            op=self._op,
            phase=phase,
            outcome=outcome,
            error_code=code,
            duration_ms=took,
            python=".".join(map(str, sys.version_info[:3])),
            os=_SYSTEMS.get(sys.platform, "other"),
        )


def note(
    op: Op,
    target: str,
    outcome: EventOutcome,
    *,
    route: Route,
    version: str | None = None,
    from_version: str | None = None,
    code: int = 0,
) -> str | None:
    """Write one event of something that is no run of the installer, as `Recorder.finish` does.

    Args:
        op: what comes closest to it.
        target: a directory in the repository that it is about.
        outcome: how it ended.
        route: the route that it is about.
        version: the version that it is about, None for this one.
        from_version: the version before.
        code: the exit code.

    Returns:
        Why nothing was written where the user wants it; None if it was, or if nobody wants it.
    """
    recorder = Recorder(op, target, route=route)
    recorder.version, recorder.from_version = version, from_version
    recorder.finish(outcome, code, root=os.path.realpath(target))
    return recorder.problem


def _identity(root: str) -> str:
    """Return what the repository is called wherever it is: by its remote, else by its place."""
    above = git.work_tree(root)
    url = git.origin(above) if above is not None else None
    if above is None or url is None:
        return root
    below = "" if above == root else os.path.relpath(root, above).replace(os.sep, "/")
    return f"{remote.name(url)}#{below}"


def _repo(place: Target, identity: str) -> str:
    """Return the id of a repository: nobody finds out what it stands for without the salt."""
    text = identity.encode("utf-8", "surrogateescape")
    return hashlib.sha256(_salt(place) + b"\0" + text).hexdigest()


def _salt(place: Target) -> bytes:
    """Return the salt of a directory of events; whoever is first there makes it."""
    given = os.environ.get(SALT_VARIABLE)
    if given:
        return given.encode("utf-8", "surrogateescape")
    end = time.monotonic() + _SALT_SECONDS
    while (found := _read_salt(place)) == b"" and time.monotonic() < end:
        time.sleep(_POLL)  # made, but not written yet
    if found == b"":
        raise OSError(f"{SALT_PATH}: empty (expected a text to mix into the ids)")
    return found if found is not None else _make_salt(place)


def _read_salt(place: Target) -> bytes | None:
    with suppress(FileNotFoundError):
        return place.tail(SALT_PATH, _SALT_BYTES).strip()
    return None


def _make_salt(place: Target) -> bytes:
    salt = os.urandom(32).hex().encode()
    try:
        place.create(SALT_PATH, salt + b"\n", mode=0o600)
    except FileExistsError:
        return _salt(place)
    except BaseException:
        with suppress(OSError):
            place.remove(SALT_PATH)
        raise
    return salt


def _last_repo(target: Target) -> str | None:
    """Return the id that the last event in the target has."""
    with suppress(OSError, AgentRailError):
        for line in reversed(target.tail(EVENTS_PATH, event_.LINE_BYTES).splitlines()):
            with suppress(EventError):
                repo = event_.parse(line)[0].repo
                if _REPO.fullmatch(repo):
                    return repo
    return None


def _bundle_version(directory: str) -> str:
    """Return the version of the bundle in `directory`, which nobody has checked yet."""
    from agentrail_runtime.tree import DirectoryTree

    value = document.load(DirectoryTree(os.path.realpath(directory)).fetch(INDEX_NAME).data)
    return str(document.field(value, "runtime_version", str))
