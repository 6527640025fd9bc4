"""A directory that several publishers write to while others read: its lock, and whole files in it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from agentrail_runtime.channel import ChannelError
from agentrail_runtime.entry import RelPath, parents
from agentrail_runtime.errors import LockedError, TargetError, typed
from agentrail_runtime.target import Target

_LOCK_SECONDS: Final = 60.0
_FILE_MODE: Final = 0o644  # whoever serves the directory is another user, and umasks differ
_DIRECTORY_MODE: Final = 0o755


class SharedError(ChannelError):
    """The directory cannot be written, or somebody else does; what was there is still there."""


@contextmanager
def locked(root: str, *, timeout: float = _LOCK_SECONDS) -> Iterator[Target]:
    """Hold the lock of a directory, which is made if need be; its files are read and written meanwhile.

    Args:
        root: the directory.
        timeout: how long to wait for another holder, in seconds.

    Raises:
        SharedError: another process still held it, or what the body did ended in an error of the
            operating system, such as a full disk.
        UnsafePathError: a path below the directory leads through a symlink.
    """
    target = Target(os.path.realpath(root))
    try:
        with target.locked(timeout=timeout, sleep=time.sleep):
            yield target
    except LockedError as error:
        raise SharedError(f"{root}: {error.message}", paths=[root], hint=error.hint) from None
    except OSError as error:
        raise SharedError(
            f"{root}: cannot be written: {error.strerror or error}",
            paths=[root],
            hint=f"see to space and permissions of {typed(root)}, then run the command again",
        ) from error
    finally:
        target.close()


def stage(target: Target, path: RelPath, data: bytes) -> None:
    """Write a file durably where nobody reads it yet, in place of what a killed run left there.

    Raises:
        OSError: as the operating system says.
        UnsafePathError: a directory above it is a symlink or a file.
    """
    for above in reversed([*parents(path)]):
        with suppress(FileExistsError):
            target.make_directory(above, _DIRECTORY_MODE)
    with suppress(FileNotFoundError):
        target.remove(path)
    try:
        target.create(path, data, mode=_FILE_MODE, exact=True)
        target.sync(path)
    except BaseException:
        with suppress(OSError, TargetError):
            target.remove(path)
        raise


def put(target: Target, staged: RelPath, path: RelPath) -> None:
    """Move a staged file to its place, atomically and durably; its directories are made.

    Raises:
        OSError: as the operating system says.
        UnsafePathError: a directory above it is a symlink or a file.
    """
    for above in reversed([*parents(path)]):
        with suppress(FileExistsError):
            target.make_directory(above, _DIRECTORY_MODE)
    target.move(staged, path)
    for above in (*parents(path), RelPath("")):
        target.sync_directory(above)
