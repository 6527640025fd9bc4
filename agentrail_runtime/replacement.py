"""Replacing a directory as a whole: the new one is built beside it, then takes its place in one rename.

Nothing is made durable: what stands there can be made again, and an index tells whether it is whole.
Each new directory is locked while it is built, so that what a killed run left behind can be told from
what another run is building, and is cleared away.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, NamedTuple

from agentrail_runtime import child
from agentrail_runtime.entry import RelPath, sha256

_FLAGS: Final = (
    os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
_DIRECTORY_MODE: Final = 0o755
_EXCHANGE: Final = 2  # RENAME_EXCHANGE of renameat2(2), RENAME_SWAP of renamex_np(2)
_HERE: Final = -100  # AT_FDCWD
_STEP: Final = 100  # files between two words about the progress
_FORMER: Final = "-former"


class Item(NamedTuple):
    """One file to be written: `content` returns its bytes, whose hex SHA-256 is `sha256`."""

    path: RelPath
    sha256: str
    content: Callable[[], bytes]
    executable: bool = False


def item(path: str, data: bytes, *, executable: bool = False) -> Item:
    """Return the item of a file whose bytes are at hand."""
    return Item(RelPath(path), sha256(data), partial(bytes, data), executable=executable)


def replace(place: str, items: Iterable[Item], *, progress: Callable[[int], None]) -> None:
    """Make `place` a directory that holds just `items`.

    The modes are 0644 or 0755, whatever the umask is. Until the rename nothing at `place` changes; what
    stood there is deleted after it. Where two directories cannot be exchanged in one rename, as on
    Windows, the old one is renamed away first, and back if the second rename fails.

    Args:
        place: the absolute path of the directory.
        items: its files; their directories are made.
        progress: told how many files are written.

    Raises:
        OSError: `place` is as it was.
    """
    above, name = os.path.split(place)
    made: list[str] = []
    try:
        _make_directories(above, made)
        _clear_leftovers(above, name)
        with _staging(above, name) as staging:
            _write(staging, [*items], progress)
            _swap(staging, place)
    except BaseException:
        for directory in reversed(made):
            with suppress(OSError):
                os.rmdir(directory)
        raise


def _make_directories(path: str, made: list[str]) -> None:
    """Make a directory and those above it; add the ones that were not there to `made`."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        with suppress(FileExistsError):  # made by another run meanwhile
            os.mkdir(directory)
            made.append(directory)


@contextmanager
def _staging(above: str, name: str) -> Iterator[str]:
    """Give a new directory beside the one to replace; whatever has its name at the end is deleted."""
    while True:
        path = os.path.join(above, f"{_prefix(name)}{os.urandom(8).hex()}")
        os.mkdir(path)
        try:
            with _lock(path) as is_ours:
                # Until it was locked, another run could take it for something left behind.
                if is_ours is not False and os.path.isdir(path):
                    os.chmod(path, _DIRECTORY_MODE)
                    yield path
                    return
        finally:
            _remove(path)


def _remove(path: str) -> None:
    if os.path.lexists(path):
        import shutil  # takes longer to import than most exports have to spare

        shutil.rmtree(path, ignore_errors=True)


def _prefix(name: str) -> str:
    return f".{name}.agentrail-"


def _write(root: str, items: Sequence[Item], progress: Callable[[int], None]) -> None:
    """Write all files; two processes do that where there are many."""
    made = {""}
    for item in items:
        if (above := item.path.rpartition("/")[0]) not in made:
            _make_below(root, above, made)
    half = len(items) // 2 if len(items) >= child.WORTH_IT else 0
    theirs = partial(_write_files, root, items[:half], unwatched)
    wait = child.begin(theirs) if half else theirs
    try:
        _write_files(root, items[half:], lambda count: progress(half + count))
        wait()
    finally:
        child.end(wait)  # nothing may be written any more when an error has these files deleted


def unwatched(count: int) -> None:
    """Let nobody know of the progress."""
    del count


def _write_files(root: str, items: Sequence[Item], progress: Callable[[int], None]) -> None:
    is_exact: dict[int, bool] = {}  # modes that umask and access control lists leave as they are
    for number, item in enumerate(items, 1):
        mode = 0o755 if item.executable else 0o644
        descriptor = os.open(f"{root}/{item.path}", _FLAGS, mode)
        try:
            data = item.content()
            if (count := os.write(descriptor, data)) < len(data):
                _write_rest(descriptor, memoryview(data)[count:])
            if sys.platform != "win32" and not is_exact.get(mode):
                is_exact[mode] = stat.S_IMODE(os.fstat(descriptor).st_mode) == mode
                os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
        if not number % _STEP:
            progress(number)


def _write_rest(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _make_below(root: str, path: str, made: set[str]) -> None:
    at = ""
    for name in path.split("/"):
        at = f"{at}/{name}" if at else name
        if at not in made:
            os.mkdir(f"{root}/{at}")
            os.chmod(f"{root}/{at}", _DIRECTORY_MODE)
            made.add(at)


def _swap(staging: str, place: str) -> None:
    if not os.path.lexists(place):
        try:
            os.rename(staging, place)
            return
        except OSError:
            if not os.path.lexists(place):
                raise  # else another run was faster
    if not _exchange(staging, place):
        former = staging + _FORMER
        os.rename(place, former)
        try:
            os.rename(staging, place)
        except BaseException:
            os.rename(former, place)
            raise
        _remove(former)


def _exchange(one: str, other: str) -> bool:
    """Exchange two directories in one rename; return whether the system can do that."""
    names = (os.fsencode(one), os.fsencode(other))
    with suppress(AttributeError, ImportError):
        import ctypes  # not every Python is built with it

        library = ctypes.CDLL(None) if os.name == "posix" else None
        if sys.platform == "darwin":
            return library is not None and library.renamex_np(*names, _EXCHANGE) == 0
        if library is not None:
            return bool(library.renameat2(_HERE, names[0], _HERE, names[1], _EXCHANGE) == 0)
    return False


@contextmanager
def _lock(path: str) -> Iterator[bool | None]:
    """Lock a directory as long as the body runs.

    It tells whether it is locked: False where another run has it or has deleted it, None where
    directories cannot be locked.
    """
    if sys.platform == "win32":
        yield None
        return
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        descriptor = -1
    if descriptor < 0:
        yield False
        return
    try:
        yield _is_locked(fcntl.flock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def _is_locked(lock: Callable[[int, int], None], descriptor: int, operation: int) -> bool | None:
    try:
        lock(descriptor, operation)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _clear_leftovers(above: str, name: str) -> None:
    """Delete what killed runs left beside; a directory that a run still builds is locked."""
    place = os.path.join(above, name)
    with os.scandir(above) as found:
        left = [row.path for row in found if row.name.startswith(_prefix(name))]
    for path in left:
        if path.endswith(_FORMER) and not os.path.lexists(place):
            os.rename(path, place)
            continue
        with suppress(OSError), _lock(path) as is_ours:
            if is_ours:
                _remove(path)
