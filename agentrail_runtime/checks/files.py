"""The files of a repository as the checks see them: texts by path, and names by directory."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator
from typing import Final, Protocol

MAX_SIZE: Final = 4 << 20
"""The size (bytes) beyond which a file is no text to be checked."""

_REMEMBERED: Final = 10_000


class UnreadableError(Exception):
    """A file is there and is no text that can be read; the message says what it is instead."""


class Files(Protocol):
    """Read access to a repository. Paths are relative to its root, with ``/``; "" is the root."""

    def read(self, path: str) -> bytes:
        """Return the bytes of the file at `path`, up to one more than `MAX_SIZE`.

        Raises:
            FileNotFoundError: nothing stands there.
            UnreadableError: it is no plain file, or may not be read.
        """
        ...

    def names(self, path: str) -> Collection[str]:
        """Return the names in the directory at `path` as they are spelled; none where it is absent."""
        ...

    def is_directory(self, path: str) -> bool:
        """Tell whether a directory stands at `path`."""
        ...


def read_text(files: Files, path: str) -> str:
    """Return the text of the file at `path`, with its line ends, without a byte order mark.

    Raises:
        FileNotFoundError: nothing stands there.
        UnreadableError: it cannot be read, is too large, or is not UTF-8.
    """
    data = files.read(path)
    if len(data) > MAX_SIZE:
        raise UnreadableError(f"expected a text of at most {MAX_SIZE >> 20} MiB, found a larger file")
    if b"\0" in data:
        raise UnreadableError(f"expected a text, found a NUL byte at offset {data.index(0)}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        raise UnreadableError(f"expected UTF-8, found {found}") from None


class Paths:
    """Tells of paths that are named in texts whether they exist, spelled exactly so."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._known: dict[str, bool] = {}

    def exists(self, path: str) -> bool:
        """Tell whether a file or directory stands at `path`, which is normalised."""
        if path not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[path] = self._look(path)
        return self._known[path]

    def resolves(self, token: str, folder: str) -> bool:
        """Tell whether `token` names something, seen from the root or from `folder`."""
        return any(
            not path
            or (self.exists(path) and (not token.endswith("/") or self._files.is_directory(path)))
            for path in candidates(token, folder)
        )

    def begins_somewhere(self, token: str, folder: str) -> bool:
        """Tell whether the first segment of `token` exists in the root or in `folder`."""
        first = token.partition("/")[0]
        return bool(first) and (
            first in (".", "..") or first in self._files.names("") or first in self._files.names(folder)
        )

    def _look(self, path: str) -> bool:
        above = ""
        for name in path.split("/"):
            if name not in self._files.names(above):
                return False
            above = f"{above}/{name}" if above else name
        return True


def candidates(token: str, folder: str) -> Iterator[str]:
    """Yield the paths within the repository that `token` may mean, "" for the root itself.

    Args:
        token: a path as a text names it.
        folder: the directory of the file that names it, relative to the root.
    """
    for base in dict.fromkeys(("", folder)):
        path = posixpath.normpath(f"{base}/{token}" if base else token)
        is_outside = token.startswith("/") or path == ".." or path.startswith("../")
        if not is_outside:
            yield "" if path == "." else path
