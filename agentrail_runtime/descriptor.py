"""Reading through a file descriptor that was opened without following a symlink."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

OPEN_FLAGS: Final = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
READ_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | OPEN_FLAGS
HAS_DIR_FD: Final = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
"""Whether a path can be opened from a directory's descriptor on; not so on Windows."""

DIRECTORY_FLAGS: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | OPEN_FLAGS
CHUNK: Final = 1 << 20


Look: TypeAlias = tuple[str, int, int]
"""What a plain file is: the hex SHA-256 of its bytes, their number, and its permission bits."""


def look(directory: int, names: Iterable[str]) -> Iterator[Look | None]:
    """Yield what each file in an open directory is; None for what has to be looked at more closely.

    That is whatever is no plain file, is large, cannot be read, or changes meanwhile.
    """
    opened, status_of, read, close = os.open, os.fstat, os.read, os.close
    sha256, is_plain, mode_of = hashlib.sha256, stat.S_ISREG, stat.S_IMODE
    for name in names:
        found = None
        try:
            descriptor = opened(name, READ_FLAGS, dir_fd=directory)
        except OSError:
            yield None
            continue
        try:
            status = status_of(descriptor)
            mode, size = status.st_mode, status.st_size
            if is_plain(mode) and size < CHUNK and len(data := read(descriptor, size + 1)) == size:
                found = sha256(data).hexdigest(), size, mode_of(mode)
        except OSError:
            found = None
        finally:
            close(descriptor)
        yield found


def read_all(descriptor: int, size: int) -> bytes:
    """Return what is left to read, in one call for a file of the `size` (bytes) that it says it has."""
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    parts = [data]
    while chunk := os.read(descriptor, CHUNK):
        parts.append(chunk)
    return b"".join(parts)
