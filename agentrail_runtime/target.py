"""The target repository on disk: the only module that reads, writes or locks it.

Every path is opened from the target's directory downwards, one component at a time and never through
a symlink (``O_NOFOLLOW`` and ``dir_fd``, POSIX.1-2017 openat). Where the platform has no descriptors
for directories (Windows), each component is looked at before the full path is used.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import Final

from agentrail_runtime.descriptor import (
    CHUNK,
    DIRECTORY_FLAGS,
    HAS_DIR_FD,
    OPEN_FLAGS,
    READ_FLAGS,
    Look,
    look,
    read_all,
)
from agentrail_runtime.entry import RECEIPT_PATH, STATE_PATH, STATE_ROOT, RelPath, State, parents
from agentrail_runtime.errors import LockedError, TargetError, UnsafePathError

LOCK_PATH: Final = RelPath(f"{STATE_PATH}/lock")
EVENTS_PATH: Final = RelPath(f"{STATE_PATH}/events.jsonl")
CACHE_PATH: Final = RelPath(f"{STATE_PATH}/stat-cache")
BESIDE_CACHE: Final = RelPath(f"{STATE_PATH}/.stat-cache.new")
"""Where `Target.rewrite` writes the cache before it is put in place."""
_REPARSE_POINT: Final = 0x400  # FILE_ATTRIBUTE_REPARSE_POINT
_OPEN_DIRECTORIES: Final = 64
_TRIES: Final = 100
_ABSENT: Final = State()
_POLL: Final = 0.05  # seconds between two attempts to take the lock


class Target:
    """A directory that the runtime is installed into.

    Args:
        root: the absolute path, symlinks in it already resolved.
    """

    def __init__(self, root: str, *, use_dir_fd: bool = HAS_DIR_FD) -> None:
        self.root = root
        self._use_dir_fd = use_dir_fd
        self._directories: dict[str, int] = {}
        self._made_above: list[str] = []

    def close(self) -> None:
        """Close the directory descriptors that are kept between calls."""
        while self._directories:
            _close(self._directories.popitem()[1])

    @property
    def exists(self) -> bool:
        """Whether the target's directory is there."""
        return os.path.isdir(self.root)

    def has_modes(self) -> bool:
        """Tell whether the file system keeps the executable bit: our receipt never has it."""
        return os.name == "posix" and not self.inspect(RECEIPT_PATH).is_executable

    # --- reading ---------------------------------------------------------------------------------

    def inspect(self, path: RelPath) -> State:
        """Return what stands at `path`, every byte of a file hashed.

        Raises:
            TargetError: it cannot be read.
        """
        try:
            descriptor = self._open(path, READ_FLAGS)
        except FileNotFoundError:
            return _ABSENT
        except UnsafePathError as error:
            return State("blocked", place=error.paths[0])
        except OSError as error:
            return self._inspect_unopened(path, error)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return State("directory" if stat.S_ISDIR(status.st_mode) else "special")
            digest, size = _digest(descriptor, status.st_size)
            return State("file", digest, size, stat.S_IMODE(status.st_mode))
        except OSError as error:
            raise _failed(path, "cannot be read", error) from error
        finally:
            os.close(descriptor)

    def inspect_all(self, paths: Iterable[RelPath]) -> list[State | None]:
        """Return the state of each plain file; None for any path that takes an `inspect` of its own.

        Fast where the files of a directory follow one another.
        """
        states: list[State | None] = []
        for above, group in groupby(paths, lambda path: path.rpartition("/")[0]):
            names = [path.rpartition("/")[2] for path in group]
            found: Iterable[Look | None] = [None] * len(names)
            with suppress(OSError, TargetError):
                found = look(self._directory(above), names) if self._use_dir_fd else found
            states += [State("file", *one) if one else None for one in found]
        return states

    def stats(self, directory: str, names: Iterable[str]) -> list[int]:
        """Return size, mtime and ctime (ns), inode and mode of each name, five -1 where it is absent.

        Raises:
            UnsafePathError: the directory, or one above it, is a symlink or a file.
            OSError: as the operating system says; on Windows always, where this is not supported.
        """
        if not self._use_dir_fd:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        numbers: list[int] = []
        try:
            descriptor = self._directory(directory)
        except FileNotFoundError:
            return [-1] * 5 * len([*names])
        stat_of = os.stat
        for name in names:
            try:
                found = stat_of(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                numbers += (-1,) * 5
                continue
            numbers += (
                found.st_size,
                found.st_mtime_ns,
                found.st_ctime_ns,
                found.st_ino,
                found.st_mode,
            )
        return numbers

    def clock(self) -> int:
        """Return what the file system takes for the time now, in nanoseconds, by making a file.

        Raises:
            OSError: as the operating system says; above all, where there is no state directory.
        """
        with suppress(FileNotFoundError):
            self.remove(BESIDE_CACHE)
        self.create(BESIDE_CACHE, b"", mode=0o600)
        name, descriptor = self._at(BESIDE_CACHE)
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        self.remove(BESIDE_CACHE)
        return status.st_mtime_ns

    def _inspect_unopened(self, path: RelPath, error: OSError) -> State:
        try:
            status = self._lstat(path)
        except OSError as deeper:
            raise _failed(path, "cannot be read", deeper) from deeper
        if status is None:
            return State()
        if stat.S_ISLNK(status.st_mode):
            return State("link", place=self._link_target(path))
        if stat.S_ISDIR(status.st_mode):
            return State("directory")
        if not stat.S_ISREG(status.st_mode):
            return State("special")
        raise _failed(path, "cannot be read", error) from error

    def _link_target(self, path: RelPath) -> str:
        """Return the file inside the target that the symlink at `path` leads to, or an empty text."""
        end = os.path.realpath(os.path.join(self.root, path))
        is_inside = os.path.isfile(end) and end.startswith(self.root.rstrip(os.sep) + os.sep)
        inside = os.path.relpath(end, self.root).replace(os.sep, "/") if is_inside else ""
        return "" if inside.split("/")[0].casefold() in (STATE_ROOT, ".git") else inside

    def read(self, path: RelPath) -> bytes:
        """Return the bytes of the file at `path`.

        Raises:
            FileNotFoundError: nothing stands there.
            UnsafePathError: it is not a plain file, or a directory above it is a symlink or a file.
            TargetError: it cannot be read.
        """
        try:
            descriptor = self._open(path, READ_FLAGS)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unsafe_or_failed(path, error) from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _unsafe(path, "is not a plain file")
            return read_all(descriptor, status.st_size)
        except OSError as error:
            raise _failed(path, "cannot be read", error) from error
        finally:
            os.close(descriptor)

    def tail(self, path: RelPath, size: int) -> bytes:
        """Return the last `size` bytes of the file at `path`, all of them where there are fewer.

        Raises:
            OSError: absent, or as the operating system says.
            UnsafePathError: it is not a plain file, or a directory above it is a symlink or a file.
        """
        descriptor = self._open(path, READ_FLAGS)
        try:
            return _tail(descriptor, path, size)
        finally:
            os.close(descriptor)

    def names(self, path: RelPath) -> list[str]:
        """Return the sorted names in the directory at `path`; none where it is absent.

        Raises:
            UnsafePathError: it is not a directory, or a directory above it is a symlink or a file.
        """
        try:
            where = self._directory(path) if self._use_dir_fd else self._checked_directory(path)
            return sorted(os.listdir(where))
        except FileNotFoundError:
            return []

    def is_directory(self, path: RelPath) -> bool:
        """Tell whether a real directory stands at `path`."""
        status = self._lstat(path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def directory_mode(self, path: RelPath) -> int | None:
        """Return the permission bits of the directory at `path`; None where there is none."""
        status = self._lstat(path)
        is_there = status is not None and stat.S_ISDIR(status.st_mode)
        return status.st_mode & 0o777 if status and is_there else None

    # --- writing ---------------------------------------------------------------------------------

    def create(
        self, path: RelPath, data: bytes | Iterator[bytes], *, mode: int, exact: bool = False
    ) -> int:
        """Write `data` to a new file at `path`; return its permission bits.

        Args:
            path: where nothing may stand yet.
            data: the bytes, as a whole or in parts.
            mode: permission bits, of which the umask takes its part unless `exact`.
            exact: set `mode` as it is.

        Raises:
            OSError: as the operating system says; an incomplete file may stand at `path`.
        """
        descriptor = self._open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, mode)
        try:
            for part in (data,) if isinstance(data, bytes) else data:
                _write(descriptor, part)
            if exact and hasattr(os, "fchmod"):
                os.fchmod(descriptor, mode)
            return stat.S_IMODE(os.fstat(descriptor).st_mode)
        finally:
            os.close(descriptor)

    def extend(self, path: RelPath, data: bytes) -> None:
        """Write `data` at the end of a file that `create` made.

        Raises:
            OSError: as the operating system says; a part of it may have been written.
        """
        descriptor = self._open(path, os.O_WRONLY | os.O_APPEND | OPEN_FLAGS)
        try:
            _write(descriptor, data)
        finally:
            os.close(descriptor)

    def append(self, path: RelPath, line: bytes, *, limit: int | None = None) -> None:
        """Write `line` at the end of the file at `path`, or make that file, with one write(2).

        The line of a writer that was killed half-way is ended first. Nothing is made durable.

        Args:
            path: the file, in a directory that is there.
            line: with its line feed.
            limit: how large the file may get, in bytes; else only its last half stays.

        Raises:
            OSError: as the operating system says.
            UnsafePathError: it is not a plain file, or a directory above it is a symlink or a file.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0) | OPEN_FLAGS
        descriptor = self._open(path, flags, 0o644)
        try:
            if last := _tail(descriptor, path, 1):
                line = line if last == b"\n" else b"\n" + line
            if limit is not None and os.fstat(descriptor).st_size + len(line) > limit:
                line = _tail(descriptor, path, limit // 2).partition(b"\n")[2] + line.lstrip(b"\n")
                os.ftruncate(descriptor, 0)
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def sync(self, path: RelPath) -> None:
        """Make the bytes of the file at `path` durable (fsync)."""
        descriptor = self._open(path, (os.O_RDWR if os.name == "nt" else os.O_RDONLY) | OPEN_FLAGS)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def sync_directory(self, path: RelPath) -> None:
        """Make the names in the directory at `path` durable; nothing where the platform cannot."""
        if self._use_dir_fd:
            os.fsync(self._directory(path))

    def move(self, source: RelPath, destination: RelPath) -> None:
        """Put the file at `source` in place of whatever file stands at `destination`, atomically."""
        source_name, source_fd = self._at(source)
        name, descriptor = self._at(destination)
        os.replace(source_name, name, src_dir_fd=source_fd, dst_dir_fd=descriptor)

    def rewrite(self, path: RelPath, data: bytes) -> None:
        """Put `data` in place of the file at `path`, or make that file, atomically and durably.

        A run that is killed leaves the old bytes, and perhaps a file beside it that the next one takes.

        Raises:
            UnsafePathError: it is not a plain file, or a directory above it is a symlink or a file.
            OSError: as the operating system says; the file is as it was.
        """
        status = self._lstat(path)
        if status is not None and not stat.S_ISREG(status.st_mode):
            raise _unsafe(path, "is not a plain file")
        above, _, name = path.rpartition("/")
        beside = RelPath(f"{above}/.{name}.new" if above else f".{name}.new")
        with suppress(FileNotFoundError):
            self.remove(beside)
        mode = 0o666 if status is None else stat.S_IMODE(status.st_mode)
        try:
            self.create(beside, data, mode=mode, exact=status is not None)
            self.sync(beside)
            self.move(beside, path)
        except BaseException:
            with suppress(OSError, TargetError):
                self.remove(beside)
            raise
        self.sync_directory(RelPath(above))

    def remove(self, path: RelPath) -> None:
        """Remove the file or symlink at `path`."""
        name, descriptor = self._at(path)
        os.unlink(name, dir_fd=descriptor)

    def make_directory(self, path: RelPath, mode: int | None = None) -> None:
        """Create the directory at `path`, with exact permission bits if `mode` is given."""
        name, descriptor = self._at(path)
        os.mkdir(name, dir_fd=descriptor)
        if mode is not None:
            self.set_directory_mode(path, mode)

    def set_directory_mode(self, path: RelPath, mode: int) -> None:
        """Give the directory at `path` exact permission bits; setgid and its like stay as they are."""
        where = self._directory(path) if self._use_dir_fd else self._checked_directory(path)
        os.chmod(where, os.stat(where).st_mode & 0o7000 | mode)

    def _make_root(self) -> None:
        """Create the target and what is missing above it, and remember what was created."""
        missing, path = [], self.root
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        for path in reversed(missing):
            with suppress(FileExistsError):
                os.mkdir(path)
                self._made_above.append(path)
        if self._use_dir_fd:
            for path in missing:
                above = os.open(os.path.dirname(path), os.O_RDONLY)
                os.fsync(above)
                os.close(above)

    def remove_directory(self, path: RelPath) -> bool:
        """Remove the directory at `path` if it is empty; tell whether it is gone now."""
        self._forget(path)
        try:
            name, descriptor = self._at(path)
            os.rmdir(name, dir_fd=descriptor)
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                return False
            raise
        return True

    def remove_tree(self, path: RelPath) -> None:
        """Remove the directory at `path` with all that is in it; symlinks in it are not followed."""
        for name in self.names(path):
            child = RelPath(f"{path}/{name}")
            if self.is_directory(child):
                self.remove_tree(child)
            else:
                self.remove(child)
        self.remove_directory(path)

    # --- the lock --------------------------------------------------------------------------------

    @contextmanager
    def locked(self, *, timeout: float, sleep: Callable[[float], None]) -> Iterator[None]:
        """Hold the target's lock; the state directory is made for it and removed again if empty.

        Args:
            timeout: how long to wait for another holder, in seconds.
            sleep: called between two attempts with the seconds to wait.

        Raises:
            LockedError: another process still held it after `timeout`.
            UnsafePathError: the state directory or the lock is a symlink or no plain file.
        """
        left = timeout
        while (descriptor := self._try_lock()) is None:
            if left <= 0:
                raise LockedError(
                    f"{LOCK_PATH}: held by another run (process {self._holder()})",
                    paths=[LOCK_PATH],
                    hint="wait until it has finished, then run the command again",
                )
            sleep(min(_POLL, left))
            left = round(left - _POLL, 6)
        try:
            yield
        finally:
            self._unlock(descriptor)

    def _try_lock(self) -> int | None:
        opened = self._open_lock()
        if opened is None:
            return None
        descriptor, is_new = opened
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _unsafe(LOCK_PATH, "is not a plain file")
            if not (_take_lock(descriptor) and self._is_current(descriptor)):
                _close(descriptor)
                return None
        except BaseException:
            if is_new:
                self._unlock(descriptor)
            else:
                _close(descriptor)
            raise
        try:
            os.ftruncate(descriptor, 0)
            # LockFileEx locks the byte at offset 0, so the pid that others read stands behind it.
            os.write(descriptor, b"\n%d\n" % os.getpid())
        except BaseException:
            self._unlock(descriptor)
            raise
        return descriptor

    def _open_lock(self) -> tuple[int, bool] | None:
        """Return the opened lock file and whether it is new.

        A holder that ends removes the directories it made, perhaps between two calls of ours: they are
        made again then.
        """
        for _ in range(_TRIES):
            self.close()
            try:
                self._make_root()
                for path in (STATE_ROOT, STATE_PATH):
                    with suppress(FileExistsError):
                        self.make_directory(path)
                is_new = self._lstat(LOCK_PATH) is None
                return self._open(LOCK_PATH, os.O_RDWR | os.O_CREAT | OPEN_FLAGS, 0o666), is_new
            except FileNotFoundError:
                continue
            except BaseException as error:
                self._give_up()
                if isinstance(error, OSError):
                    raise self._unsafe_or_failed(LOCK_PATH, error) from error
                raise
        if not self.exists:
            raise TargetError(
                f"{self.root}: cannot be made: the file system lets nothing be made there",
                paths=[self.root],
                hint="name another place for the repository",
            )
        return None

    def _give_up(self) -> None:
        """Remove a lock file that may just have been made, if nobody holds it, and what is empty then.

        A Ctrl-C comes when the file is made and its descriptor is lost.
        """
        with suppress(OSError, TargetError, KeyboardInterrupt):
            descriptor = self._open(LOCK_PATH, os.O_RDWR | OPEN_FLAGS)
            try:
                if _take_lock(descriptor) and self._is_current(descriptor):
                    self.remove(LOCK_PATH)
            finally:
                _close(descriptor)
        self._remove_empty_state()

    def _is_current(self, descriptor: int) -> bool:
        """Tell whether the locked file is still the one at the path: a holder removes it at the end."""
        status, held = self._lstat(LOCK_PATH), os.fstat(descriptor)
        return status is not None and (status.st_ino, status.st_dev) == (held.st_ino, held.st_dev)

    def _holder(self) -> str:
        try:
            return self.read(LOCK_PATH).strip().decode("ascii", "replace") or "unknown"
        except (OSError, TargetError):
            return "unknown"

    def _unlock(self, descriptor: int) -> None:
        try:
            with suppress(OSError, TargetError, KeyboardInterrupt):
                self._remove_lonely_events()
            with suppress(OSError, TargetError, KeyboardInterrupt):
                self.remove(LOCK_PATH)
            self._remove_empty_state()
        finally:
            _close(descriptor)
            self.close()

    def _remove_lonely_events(self) -> None:
        """Remove the stat cache where nothing is installed, and the events where nothing is left of it.

        This is done before the lock is removed: a run that is killed here leaves it, and the next one
        that finds it comes here again.
        """
        if self._lstat(RECEIPT_PATH) is not None:
            return
        caches = {_name(CACHE_PATH), _name(BESIDE_CACHE)}
        names = {*self.names(STATE_PATH)} - {_name(LOCK_PATH)}
        is_lonely = not names - caches - {_name(EVENTS_PATH)}
        for name in names if is_lonely else names & caches:
            path = RelPath(f"{STATE_PATH}/{name}")
            status = self._lstat(path)
            if status is not None and stat.S_ISREG(status.st_mode):
                self.remove(path)

    def _remove_empty_state(self) -> None:
        """Remove the state directory and what was made for it, as far as nothing is in it.

        What is left, if anything, is ignored by git, and the next run takes it.
        """
        with suppress(OSError, TargetError, KeyboardInterrupt):
            if self.remove_directory(STATE_PATH) and self.remove_directory(STATE_ROOT):
                for made in reversed(self._made_above):
                    os.rmdir(made)

    # --- resolution ------------------------------------------------------------------------------

    def _open(self, path: RelPath, flags: int, mode: int = 0o777) -> int:
        name, descriptor = self._at(path)
        if descriptor is None and os.path.islink(name):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        return os.open(name, flags, mode, dir_fd=descriptor)

    def _lstat(self, path: str) -> os.stat_result | None:
        try:
            name, descriptor = self._at(path)
            return os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _at(self, path: str) -> tuple[str, int | None]:
        """Return the name to use for `path` and the descriptor of the directory it is in."""
        above, _, name = path.rpartition("/")
        if self._use_dir_fd:
            return name, self._directory(above)
        return os.path.join(self._checked_directory(above), name), None

    def _directory(self, path: str) -> int:
        """Return a descriptor of the directory at `path`, opened without following a symlink.

        Raises:
            FileNotFoundError: it or one above it is absent.
            UnsafePathError: it or one above it is a symlink or a file.
        """
        if (known := self._directories.pop(path, None)) is not None:
            self._directories[path] = known
            return known
        if len(self._directories) >= _OPEN_DIRECTORIES:
            for oldest in [*self._directories][: _OPEN_DIRECTORIES // 2]:
                os.close(self._directories.pop(oldest))
        if not path:
            descriptor = os.open(self.root, DIRECTORY_FLAGS)
        else:
            above, _, name = path.rpartition("/")
            parent = self._directory(above)
            try:
                descriptor = os.open(name, DIRECTORY_FLAGS, dir_fd=parent)
            except OSError as error:
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
                raise self._not_a_directory(path) from None
        self._directories[path] = descriptor
        return descriptor

    def _checked_directory(self, path: str) -> str:
        """Return the full path of the directory at `path`, every component of it looked at.

        Raises:
            FileNotFoundError: it or one above it is absent.
            UnsafePathError: it or one above it is a symlink, a junction or a file.
        """
        for above in [*reversed([*parents(path)]), path] if path else []:
            status = os.lstat(os.path.join(self.root, *above.split("/")))
            is_junction = getattr(status, "st_file_attributes", 0) & _REPARSE_POINT
            if is_junction or not stat.S_ISDIR(status.st_mode):
                raise self._not_a_directory(above)
        return os.path.join(self.root, *path.split("/")) if path else self.root

    def _forget(self, path: str) -> None:
        for known in [key for key in self._directories if f"{key}/".startswith(f"{path}/")]:
            os.close(self._directories.pop(known))

    def _not_a_directory(self, path: str) -> UnsafePathError:
        full = os.path.join(self.root, *path.split("/"))
        found = "a symlink" if os.path.islink(full) else "a file"
        return _unsafe(path, f"is {found} (expected a directory)")

    def _unsafe_or_failed(self, path: str, error: OSError) -> TargetError:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EMLINK):
            return _unsafe(path, "is a symlink or no plain file (expected a plain file)")
        return _failed(path, "cannot be opened", error)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    if hasattr(os, "posix_fadvise"):
        # On Linux this starts the writeback, so that the fsync that follows later is short.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _tail(descriptor: int, path: RelPath, size: int) -> bytes:
    """Return the last bytes of an open file.

    Raises:
        UnsafePathError: it is not a plain file.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _unsafe(path, "is not a plain file")
    os.lseek(descriptor, max(status.st_size - size, 0), os.SEEK_SET)
    return os.read(descriptor, size)


def _digest(descriptor: int, size: int) -> tuple[str, int]:
    """Return the hex SHA-256 and the size of what is left to read; `size` is what it should be."""
    if size < CHUNK:
        data = read_all(descriptor, size)
        return hashlib.sha256(data).hexdigest(), len(data)
    digest, count = hashlib.sha256(), 0
    while chunk := os.read(descriptor, CHUNK):
        digest.update(chunk)
        count += len(chunk)
    return digest.hexdigest(), count


def _close(descriptor: int) -> None:
    """Close `descriptor` once: after a Ctrl-C within the call it is closed, and may be another's soon.

    That Ctrl-C is passed over, and so is an error: what is closed here, a directory or the lock, may be
    closed after a commit, and no command may say then that the target is as it was.
    """
    with suppress(OSError, KeyboardInterrupt):
        os.close(descriptor)


def _take_lock(descriptor: int) -> bool:
    """Try to lock an open file for this process; tell whether that succeeded.

    On POSIX this is one flock(2) of the standard library; importing filelock for it would cost a fifth
    of a whole install. Windows has no such call, and there it is worth that.
    """
    if sys.platform == "win32":
        from filelock import lock_descriptor

        return lock_descriptor(descriptor, blocking=False)
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _unsafe(path: str, what: str) -> UnsafePathError:
    return UnsafePathError(
        f"{path}: {what}", paths=[path], hint=f"move {path} away, then run the command again"
    )


def _failed(path: str, what: str, error: OSError) -> TargetError:
    return TargetError(
        f"{path}: {what}: {error.strerror}",
        paths=[path],
        hint="mend the cause, then run the command again",
    )
