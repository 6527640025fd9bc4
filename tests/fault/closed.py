"""Parts of a target that may not be written: closed, immutable, read-only, on another device."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.crash.hostile import without_privileges
from tests.fault import judge, namespace
from tests.fault.choice import Choice
from tests.fault.result import Try
from tests.fault.scenario import RECOVERIES, STATE, Scenario, unsynced
from tests.support import Run, agentrail, snapshot

GROUP = "a part of the target that may not be written"

_NOBODY = 65534
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, ioctl_iflags(2)
_IMMUTABLE, _APPEND_ONLY = 0x10, 0x20


class Obstacle(NamedTuple):
    """Something that is put in the way.

    Args:
        name: what it is.
        put: puts it at a path as long as the body runs.
        is_for: whether a path of this kind can have it: ``directory`` or ``file``.
        is_root: whether it takes and stops the superuser; else the run is an ordinary user's.
        is_mounted: whether it takes a mount namespace.
        is_endless: whether nothing can be undone as long as it stands there.
    """

    name: str
    put: Callable[[Path], object]
    is_for: str = "directory"
    is_root: bool = False
    is_mounted: bool = False
    is_endless: bool = False


@contextmanager
def _closed(path: Path) -> Iterator[None]:
    former = stat.S_IMODE(path.stat().st_mode)
    path.chmod(0o555)
    try:
        yield
    finally:
        path.chmod(former)


@contextmanager
def _another_users(path: Path) -> Iterator[None]:
    status = path.stat()
    os.chown(path, _NOBODY, _NOBODY)
    path.chmod(0o755)
    try:
        yield
    finally:
        os.chown(path, status.st_uid, status.st_gid)
        path.chmod(stat.S_IMODE(status.st_mode))


def _flagged(flag: int) -> Callable[[Path], object]:
    @contextmanager
    def put(path: Path) -> Iterator[None]:
        set_flags(path, flag)
        try:
            yield
        finally:
            set_flags(path, 0)

    return put


@contextmanager
def _read_only(path: Path) -> Iterator[None]:
    namespace.mount_read_only(path)
    try:
        yield
    finally:
        namespace.unmount(path)


@contextmanager
def _mounted_again(path: Path) -> Iterator[None]:
    namespace.mount_again(path)
    try:
        yield
    finally:
        namespace.unmount(path)


@contextmanager
def _other_device(path: Path) -> Iterator[None]:
    """Let the directory at `path` be a mount of its own, with the same files."""
    aside = path.parent.parent / "aside"
    shutil.copytree(path, aside, symlinks=True)
    namespace.mount_memory(path)
    _exchange(aside, path)
    try:
        yield
    finally:
        shutil.copytree(path, aside, symlinks=True)
        namespace.unmount(path)
        _exchange(aside, path)


def _exchange(aside: Path, path: Path) -> None:
    """Let the directory at `path` hold what the one at `aside` does, which goes."""
    for found in path.iterdir():
        shutil.rmtree(found) if found.is_dir() else found.unlink()
    shutil.copytree(aside, path, symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(aside)


OBSTACLES = (
    Obstacle("read-only directory", _closed),
    Obstacle("another user's directory", _another_users),
    Obstacle("immutable file", _flagged(_IMMUTABLE), is_for="file", is_root=True),
    Obstacle("immutable directory", _flagged(_IMMUTABLE), is_root=True),
    Obstacle("append-only directory", _flagged(_APPEND_ONLY), is_root=True, is_endless=True),
    Obstacle("read-only mount", _read_only, is_root=True, is_mounted=True),
    Obstacle("a mount within the target", _mounted_again, is_root=True, is_mounted=True),
    Obstacle("another device", _other_device, is_root=True, is_mounted=True),
)
ACROSS = OBSTACLES[-2:]
"""Those across which no file can be renamed."""


class _Place(NamedTuple):
    obstacle: Obstacle
    path: str


def obstacles(scenario: Scenario, scratch: Path, choice: Choice) -> Iterator[Try]:
    """Put each obstacle at each path that it can stand at; judge what is left."""
    if not scenario.before.exists() or scenario.name in RECOVERIES:
        return
    places = [
        _Place(obstacle, path)
        for obstacle in OBSTACLES
        if not missing(obstacle, scratch)
        for path in _paths(scenario, obstacle)
    ]
    for place in choice.of(places, lambda place: place.obstacle.name, scenario.name):
        problem = tried(scenario, scratch, place.obstacle, place.path)
        yield Try(GROUP, place.obstacle.name, scenario.name, place.path or "the target", problem)


def tried(scenario: Scenario, scratch: Path, obstacle: Obstacle, path: str) -> str:
    """Return what is wrong after a run with an obstacle at `path`; an empty text for nothing."""
    place = _Place(obstacle, path)
    if obstacle.is_mounted:
        return str(namespace.isolated(lambda: _struck(scenario, scratch, place)))
    return _struck(scenario, scratch, place)


def missing(obstacle: Obstacle, scratch: Path) -> str:
    """Return why an obstacle cannot be had here; an empty text if it can."""
    if os.name != "posix":
        return "Windows has no such modes"
    if obstacle.is_mounted:
        return namespace.problem()
    is_superuser = os.getuid() == 0
    if obstacle.put is _another_users and not is_superuser:
        return "only the superuser gives files away"
    if obstacle.is_root:
        return _flag_problem(scratch)
    if is_superuser and sys.platform != "linux":
        return "only Linux takes the superuser's rights from one process"
    return ""


def _flag_problem(scratch: Path) -> str:
    if os.getuid() or sys.platform != "linux":
        return "only the superuser of Linux makes a file immutable"
    scratch.mkdir(parents=True, exist_ok=True)
    trial = scratch / "trial"
    trial.touch()
    try:
        set_flags(trial, _IMMUTABLE)
        set_flags(trial, 0)
    except OSError as error:
        return f"the file system makes no file immutable: {error.strerror}"
    finally:
        with suppress(OSError):
            trial.unlink()
    return ""


def set_flags(path: Path, flags: int) -> None:
    """Give the file or directory at `path` the inode flags `flags` of those used here (chattr(1))."""
    import fcntl

    descriptor = os.open(path, os.O_RDONLY)
    try:
        found = struct.unpack("I", fcntl.ioctl(descriptor, _GET_FLAGS, bytes(4)))[0]
        wanted = found & ~(_IMMUTABLE | _APPEND_ONLY) | flags
        fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("I", wanted))
    finally:
        os.close(descriptor)


def _paths(scenario: Scenario, obstacle: Obstacle) -> list[str]:
    found = [
        name
        for name, node in scenario.story.old.items()
        if node.kind == obstacle.is_for and not f"{name}/".startswith(f"{STATE}/stash/")
    ]
    is_whole = obstacle.is_for == "directory" and obstacle.put is not _other_device
    return ["", *found] if is_whole else found


def _struck(scenario: Scenario, scratch: Path, place: _Place) -> str:
    with scenario.told(scratch) as root:
        outside = scenario.around(scratch)
        before = snapshot(root, with_state=True, with_times=True)
        with place.obstacle.put(root / place.path), unsynced():  # type: ignore[attr-defined]
            done = _run(place.obstacle, lambda: scenario.run(root))
            if problem := _quiet(scenario, place, root, before, done):
                return problem
        if place.obstacle.is_endless and done.code in {1, 7}:
            return judge.after_kill(scenario, scratch, outside, 0)
        return judge.after_failure(scenario, scratch, outside, done, {1})


def _run(obstacle: Obstacle, command: Callable[[], Run]) -> Run:
    return command() if obstacle.is_root else without_privileges(command)


def _quiet(scenario: Scenario, place: _Place, root: Path, before: object, done: Run) -> str:
    """Return what was written although all of the target is closed, or what could not be read then."""
    if place.path or place.obstacle.put is not _read_only:
        return ""
    if (
        done.code != int(scenario.is_visible)
        or snapshot(root, with_state=True, with_times=True) != before
    ):
        return f"wrote where nothing may be written, or ended with {done.code}"
    looked = [agentrail(name, root).code for name in ("status", "verify", "diff")]
    return f"could not be looked at: {looked}" if {*looked} - {0, 1, 4, 5} else ""
