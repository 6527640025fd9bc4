"""Reading a repository's working tree for the checks; nothing is ever written here."""

from __future__ import annotations

import os
import stat
from typing import Final

from agentrail_runtime.checks.files import MAX_SIZE, UnreadableError
from agentrail_runtime.descriptor import CHUNK
from agentrail_runtime.entry import PROFILE_PATH, RECEIPT_PATH

_READ_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_MARKS: Final = (PROFILE_PATH, RECEIPT_PATH, ".git")
_LISTINGS: Final = 2_000


def find_root(path: str) -> str:
    """Return the root of the repository that `path` lies in.

    That is the nearest directory, `path` or above it, with a profile, a receipt or a ``.git``; `path`
    itself where there is none.
    """
    start = os.path.realpath(path)
    above = start
    while True:
        if any(os.path.lexists(os.path.join(above, mark)) for mark in _MARKS):
            return above
        if os.path.dirname(above) == above:
            return start
        above = os.path.dirname(above)


class Checkout:
    """The files below `root`, as `agentrail_runtime.checks.files.Files` has them.

    Names are compared as the directory spells them, whatever the file system takes for the same.
    Symlinks are followed: all that is done here is to read.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._names: dict[str, frozenset[str]] = {}

    def read(self, path: str) -> bytes:
        """Return the bytes of the file at `path`, at most one more than `MAX_SIZE`.

        Raises:
            FileNotFoundError: nothing stands there.
            UnreadableError: it is no plain file, or may not be read.
        """
        try:
            descriptor = os.open(self._full(path), _READ_FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(path) from None
        except (OSError, ValueError) as error:
            raise _unreadable("cannot be opened", error) from None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a special file"
                raise UnreadableError(f"expected a file, found {kind}")
            return _read_up_to(descriptor, MAX_SIZE + 1, status.st_size)
        except OSError as error:
            raise _unreadable("cannot be read", error) from None
        finally:
            os.close(descriptor)

    def names(self, path: str) -> frozenset[str]:
        """Return the names in the directory at `path`; none where there is no such directory."""
        if path not in self._names:
            if len(self._names) >= _LISTINGS:
                self._names.clear()
            try:
                self._names[path] = frozenset(os.listdir(self._full(path)))
            except (OSError, ValueError):
                self._names[path] = frozenset()
        return self._names[path]

    def is_directory(self, path: str) -> bool:
        """Tell whether a directory stands at `path`."""
        return os.path.isdir(self._full(path))

    def listing_problem(self, path: str) -> str | None:
        """Return why the names in the directory at `path` are not known; None where they are.

        A directory that is absent has none, and that is known.
        """
        try:
            os.listdir(self._full(path))
        except NotADirectoryError:
            return "expected a directory, found a file"
        except OSError as error:
            if not os.path.lexists(self._full(path)):
                return None
            return f"expected a directory, found one that cannot be read: {error.strerror}"
        return None

    def _full(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root


def _unreadable(what: str, error: OSError | ValueError) -> UnreadableError:
    why = error.strerror if isinstance(error, OSError) else "no file has such a name"
    return UnreadableError(f"expected a file, found one that {what}: {why}")


def _read_up_to(descriptor: int, limit: int, size: int) -> bytes:
    data = os.read(descriptor, min(size + 1, limit))
    if len(data) == size or len(data) >= limit:
        return data
    parts = [data]
    left = limit - len(data)
    while left > 0 and (chunk := os.read(descriptor, min(CHUNK, left))):
        parts.append(chunk)
        left -= len(chunk)
    return b"".join(parts)
