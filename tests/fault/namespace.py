"""Mounts of one's own: a child in a mount namespace (mount_namespaces(7)).

It takes root, or a user namespace. What is mounted there nobody else sees, and it is gone when the
child ends, however it ends.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

_NEW_NAMESPACE, _NEW_USER = 0x00020000, 0x10000000
AMPLE = 64 << 20
"""More bytes than any run needs."""

_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 1, 32, 4096, 16384, 1 << 18


@functools.cache
def problem() -> str:
    """Return why nothing can be mounted here; an empty text if it can."""
    if sys.platform != "linux":
        return "mount namespaces are there on Linux alone"
    with tempfile.TemporaryDirectory() as place:
        try:
            isolated(lambda: mount_memory(Path(place), size=1 << 16))
        except RuntimeError as error:
            return f"nothing may be mounted here: {str(error).splitlines()[-1]}"
    return ""


def isolated(work: Callable[[], Any]) -> Any:
    """Return what `work` returns, done by a child with mounts of its own; it has to be JSON.

    Raises:
        RuntimeError: the child may have no mounts of its own, or `work` failed; with its traceback.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the threads of pytest-xdist only wait
        child = os.fork()
    if child == 0:
        os.close(reader)
        _work(work, writer)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    found, failure = json.loads(told) if told else (None, "the child ended without a word")
    if failure:
        raise RuntimeError(failure)
    return found


def mount_memory(
    place: Path, *, size: int = AMPLE, inodes: int = AMPLE >> 10, again: bool = False
) -> None:
    """Mount a file system in memory (tmpfs(5)) at `place`.

    Args:
        place: a directory.
        size: in bytes.
        inodes: how many files and directories it may hold.
        again: change the limits of what is mounted there.
    """
    _mount(b"tmpfs", place, b"tmpfs", _REMOUNT if again else 0, f"size={size},nr_inodes={inodes}")


def mount_again(place: Path) -> None:
    """Mount what stands at `place` there once more (``mount --bind``): no file is renamed across it."""
    _mount(os.fsencode(place), place, None, _BIND | _RECURSIVE)


def mount_read_only(place: Path) -> None:
    """Make what stands at `place` read-only, as ``mount -o bind,ro`` does."""
    mount_again(place)
    _mount(None, place, None, _BIND | _REMOUNT | _READ_ONLY)


def unmount(place: Path) -> None:
    """Undo the last mount at `place`."""
    if _library().umount2(os.fsencode(place), 0):
        _fail(f"umount {place}")


def _work(work: Callable[[], Any], writer: int) -> None:
    found, failure = None, ""
    try:
        _separate()
        found = work()
    except BaseException:
        failure = traceback.format_exc()
    with open(writer, "w", encoding="utf-8") as pipe:
        json.dump([found, failure], pipe)
    os._exit(0)


def _separate() -> None:
    """Give this process mounts of its own; one that is not root becomes it among its own files."""
    user, group = os.getuid(), os.getgid()
    if _library().unshare(_NEW_NAMESPACE | (_NEW_USER if user else 0)):
        _fail("unshare")
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _mount(b"none", Path("/"), None, _RECURSIVE | _PRIVATE)


def _mount(
    source: bytes | None, place: Path, kind: bytes | None, flags: int, options: str = ""
) -> None:
    if _library().mount(source, os.fsencode(place), kind, ctypes.c_ulong(flags), options.encode()):
        _fail(f"mount {place}")


@functools.cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _fail(what: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")
