"""Read-only trees of files, wherever they are stored: a directory, or what an importer provides."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final, NamedTuple, Protocol

from agentrail_runtime.descriptor import (
    DIRECTORY_FLAGS,
    HAS_DIR_FD,
    READ_FLAGS,
    Look,
    look,
    read_all,
)

HAS_MODES: Final = os.name == "posix"
"""Whether files have permission bits on this system."""


class Content(NamedTuple):
    """The bytes of a file, and its permission bits; None where none are kept."""

    data: bytes
    mode: int | None


class Tree(Protocol):
    """A read-only tree of files."""

    @property
    def root(self) -> str:
        """Where it lies: an absolute path, or how to find it in the package."""

    def fetch(self, path: str) -> Content:
        """Return what the file at `path` holds; OSError if there is no plain file."""

    def walk(self) -> Iterator[tuple[str, str]]:
        """Yield every path with what is wrong with it, an empty text for a plain file."""


class DirectoryTree:
    """A tree on disk; a symlink in it is a finding, never followed."""

    def __init__(self, root: str) -> None:
        self.root = root

    def fetch(self, path: str) -> Content:
        """Return what the file at `path` holds; OSError if there is no plain file."""
        descriptor = os.open(f"{self.root}/{path}", READ_FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a plain file")
            data = read_all(descriptor, status.st_size)
            return Content(data, stat.S_IMODE(status.st_mode) if HAS_MODES else None)
        finally:
            os.close(descriptor)

    def look(self, paths: Iterable[str]) -> Iterator[Look | None]:
        """Yield what each file is; None for one that `fetch` has to tell more of."""
        for above, group in groupby(paths, lambda path: path.rpartition("/")[0]):
            names = [path.rpartition("/")[2] for path in group]
            try:
                descriptor = os.open(f"{self.root}/{above}", DIRECTORY_FLAGS) if HAS_DIR_FD else None
            except OSError:
                descriptor = None
            if descriptor is None:
                yield from [None] * len(names)
                continue
            try:
                yield from look(descriptor, names)
            finally:
                os.close(descriptor)

    def walk(self, below: str = "") -> Iterator[tuple[str, str]]:
        """Yield every path below the root, or below one directory, with what is wrong with it."""
        todo = [(f"{below}/" if below else "", f"{self.root}/{below}")]
        while todo:
            prefix, directory = todo.pop()
            try:
                with os.scandir(directory) as found:
                    rows = [*found]
            except OSError as error:
                yield prefix.rstrip("/") or ".", f"cannot be read: {error.strerror}"
                continue
            for row in rows:
                path = prefix + row.name
                if row.is_file(follow_symlinks=False):
                    yield path, ""
                elif row.is_dir(follow_symlinks=False):
                    todo.append((path + "/", row.path))
                else:
                    yield path, "is a symlink" if row.is_symlink() else "is a special file"


class _Place(Protocol):
    """What is needed of ``importlib.resources.abc.Traversable``, which moved between versions."""

    @property
    def name(self) -> str: ...
    def is_dir(self) -> bool: ...
    def iterdir(self) -> Iterator[_Place]: ...
    def joinpath(self, child: str, /) -> _Place: ...
    def read_bytes(self) -> bytes: ...


class ResourceTree:
    """A tree that an importer provides, such as one inside a zip file."""

    def __init__(self, place: _Place, root: str = "agentrail_runtime/payload") -> None:
        self.root = root
        self._place = place

    def fetch(self, path: str) -> Content:
        """Return what the file at `path` holds; OSError if there is none, or its archive is damaged."""
        place = self._place
        for name in path.split("/"):
            place = place.joinpath(name)
        try:
            return Content(place.read_bytes(), None)
        except OSError:
            raise
        except Exception as error:  # BadZipFile, zlib.error, EOFError: every importer has its own
            raise OSError(errno.EIO, str(error)) from error

    def walk(self) -> Iterator[tuple[str, str]]:
        """Yield every path below the root."""
        todo = [("", self._place)]
        while todo:
            prefix, directory = todo.pop()
            for child in directory.iterdir():
                if child.is_dir():
                    todo.append((f"{prefix}{child.name}/", child))
                else:
                    yield prefix + child.name, ""
