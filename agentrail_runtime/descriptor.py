"""Reading through a file descriptor that was opened without following a symlink."""

from __future__ import annotations

import os
from typing import Final

OPEN_FLAGS: Final = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
READ_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | OPEN_FLAGS
CHUNK: Final = 1 << 20


def read_all(descriptor: int, size: int) -> bytes:
    """Return what is left to read, in one call for a file of the `size` (bytes) that it says it has."""
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    parts = [data]
    while chunk := os.read(descriptor, CHUNK):
        parts.append(chunk)
    return b"".join(parts)
