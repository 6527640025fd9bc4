"""Opening a target: find its root, recover it, read its receipt, find texts in it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from agentrail_runtime import block, newline, stash
from agentrail_runtime import receipt as receipt_
from agentrail_runtime.entry import RECEIPT_PATH, STATE_PATH, RelPath, sha256
from agentrail_runtime.errors import NotInstalledError, TargetError, typed
from agentrail_runtime.receipt import Receipt, Record
from agentrail_runtime.target import Target

if TYPE_CHECKING:
    from agentrail_runtime.source import Bundle

DEFAULT_TIMEOUT = 30.0


def locate(path: str) -> str:
    """Return the absolute root of the target that `path` names, which need not exist yet.

    A directory in an installed repository stands for the repository; the search upwards ends at a
    directory that holds a ``.git``.

    Raises:
        TargetError: `path` is a file.
    """
    root = os.path.realpath(path)
    if os.path.lexists(root) and not os.path.isdir(root):
        raise TargetError(
            f"{path}: not a directory (expected a repository)",
            paths=[path],
            hint="name the directory of the repository",
        )
    if ".git" in root.split(os.sep):
        raise TargetError(
            f"{path}: lies in git's own directory", paths=[path], hint="name the repository itself"
        )
    if not os.path.isdir(root):
        _check_above(root)
        return root
    above = root
    while True:
        if _is_marked(above):
            return above
        if os.path.lexists(os.path.join(above, ".git")) or os.path.dirname(above) == above:
            return root
        above = os.path.dirname(above)


def _check_above(root: str) -> None:
    """Make sure that a directory can be made at `root`."""
    above = root
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if not os.path.isdir(above):
        raise TargetError(
            f"{above}: not a directory (expected one to make {root} in)",
            paths=[above],
            hint="name another place for the repository",
        )


def _is_marked(directory: str) -> bool:
    marks = (RECEIPT_PATH, f"{STATE_PATH}/journal")
    return any(os.path.lexists(os.path.join(directory, *mark.split("/"))) for mark in marks)


class Session:
    """A target that was opened and, where a run had been killed in it, recovered."""

    def __init__(self, target: Target, timeout: float) -> None:
        self.target = target
        self.timeout = timeout
        self.notices: list[str] = []
        self._seen: str | None = None
        self._receipt: Receipt | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the target's lock, with the target recovered.

        Raises:
            LockedError: another run held it all the time.
            TargetError: the operating system refused; the target is as it was.
            RecoveryError: the recovery could not finish.
        """
        try:
            with self.target.locked(timeout=self.timeout, sleep=time.sleep):
                self._recover()
                yield
        except OSError as error:
            raise _refused(self.target, "written", error) from error

    def _recover(self) -> None:
        from agentrail_runtime import transaction  # most commands only look whether a run was killed

        found = transaction.recover(self.target)
        if found.restored:
            count = len(found.restored)
            self.notices.append(
                f"an earlier run was interrupted: it was undone, {count} "
                f"{'path' if count == 1 else 'paths'} put back"
            )
        for path in found.left_alone:
            self.notices.append(
                f"{path}: changed after an interrupted run, left as it is; "
                f"the file from before that run, if any, is in {found.stash}/replaced/{path}"
            )

    def receipt(self) -> Receipt | None:
        """Return what is installed, None for nothing.

        Raises:
            ReceiptError: the receipt is damaged or forged.
            IncompatibleError: it is of a newer schema.
        """
        data = self._read_receipt()
        seen = None if data is None else sha256(data)
        if seen is None or seen != self._seen:
            self._seen = None  # what cannot be read is not seen
            self._receipt = None if data is None else receipt_.load(data)
            self._seen = seen
        return self._receipt

    @property
    def seen(self) -> str | None:
        """The hex SHA-256 of the receipt that was read, None for none."""
        return self._seen

    def remember(self, receipt: Receipt, seen: str | None) -> None:
        """Take over what another process read: the receipt, and the hex SHA-256 of its bytes."""
        self._receipt, self._seen = receipt, seen

    def known_receipt(self) -> Receipt | None:
        """Return what `receipt` returned last; `is_steady` and `is_current` tell whether it holds."""
        return self.receipt() if self._seen is None else self._receipt

    def is_steady(self) -> bool:
        """Tell whether no other run has begun or ended since the receipt was read.

        What was read without the lock is one state of the target then, and not a mix of two.
        """
        self.target.close()
        return self.is_current() and not stash.is_hot(self.target)

    def is_current(self) -> bool:
        """Tell, with the lock held, whether the receipt is still the one that was read."""
        data = self._read_receipt()
        return (None if data is None else sha256(data)) == self._seen

    def _read_receipt(self) -> bytes | None:
        try:
            return self.target.read(RECEIPT_PATH)
        except FileNotFoundError:
            return None

    def installed(self) -> Receipt:
        """Return what is installed.

        Raises:
            NotInstalledError: there is no receipt.
            ReceiptError: the receipt is damaged or forged.
            IncompatibleError: it is of a newer schema.
        """
        receipt = self.receipt()
        if receipt is None:
            raise NotInstalledError(
                f"{self.target.root}: AgentRail is not installed here (expected {RECEIPT_PATH})",
                paths=[RECEIPT_PATH],
                hint=f"agentrail-install {typed(self.target.root)}",
            )
        return receipt


@contextmanager
def opened(path: str, *, timeout: float = DEFAULT_TIMEOUT) -> Iterator[Session]:
    """Open the target that `path` names; undo what a killed run left half done there.

    Args:
        path: a directory in the target, or where the target is to be.
        timeout: how long to wait for another run on it, in seconds.

    Raises:
        TargetError: it is no directory, is unsafe, another run held it all the time, or the operating
            system refused something in between; it is as it was.
        RecoveryError: the recovery could not finish; nothing was deleted.
    """
    session = Session(Target(locate(path)), timeout)
    try:
        if session.target.exists and stash.is_hot(session.target):
            with session.locked():
                pass
        yield session
    except OSError as error:
        raise _refused(session.target, "read", error) from error
    finally:
        session.target.close()


def _refused(target: Target, what: str, error: OSError) -> TargetError:
    where = f": {error.filename}" if isinstance(error.filename, str) else ""
    return TargetError(
        f"{target.root}: cannot be {what}{where}: {error.strerror}; the target is as it was",
        paths=[error.filename] if where else [],
        hint="mend the cause, then run the command again",
    )


class TargetTexts:
    """The texts of a target and of the bundle that is being installed into it."""

    def __init__(self, target: Target, bundle: Bundle | None = None) -> None:
        self.target = target
        self.bundle = bundle

    def current(self, path: RelPath) -> bytes:
        """Return the bytes that the target holds."""
        return self.target.read(path)

    def incoming(self, path: RelPath) -> bytes:
        """Return the bytes that the bundle holds."""
        assert self.bundle is not None
        return self.bundle.read(path)

    def base(self, record: Record) -> bytes | None:
        """Return the text that `record` tells of: from git by its blob id, else from the stash."""
        if record.sha256 is None or record.git_blob is None:
            return None
        return self._from_git(record, record.git_blob) or self._from_stash(record.sha256)

    def _from_git(self, record: Record, blob_id: str) -> bytes | None:
        from agentrail_runtime import git

        data = git.blob(self.target.root, blob_id)
        if data is not None and record.ownership == "block":
            with suppress(block.BlockError):
                found = block.find(data)
                data = found.body if found else None
        if data is None or record.sha256 not in newline.digests(data):
            return None
        return data

    def _from_stash(self, digest: str) -> bytes | None:
        from agentrail_runtime import transaction  # few commands merge

        for journal in reversed(transaction.history(self.target)):
            for delivery in journal.deliveries:
                if delivery.sha256 == digest:
                    path = stash.delivered_path(journal.transaction)
                    with suppress(FileNotFoundError, TargetError):
                        data = self.target.read(path)
                        text = data[delivery.offset : delivery.offset + delivery.size]
                        if sha256(text) == digest:
                            return text
        return None
