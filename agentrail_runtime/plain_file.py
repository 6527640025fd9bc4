"""Reading a file of which nothing is known yet.

Whatever stands there, it is neither waited for nor read beyond what it may hold.
"""

from __future__ import annotations

import errno
import os
import stat

from agentrail_runtime.descriptor import READ_FLAGS

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def read(path: str, limit: int, *, is_linked: bool = False) -> bytes:
    """Return the bytes of a plain file.

    Args:
        path: where it is.
        limit: how many bytes it may have.
        is_linked: whether the last name of `path` may be a symlink to it.

    Raises:
        OSError: absent, no plain file, larger than `limit`, or not readable; `strerror` says which.
    """
    try:
        if not is_linked and os.path.islink(path):  # where the system has no O_NOFOLLOW
            raise OSError(errno.ELOOP, "is a symlink (expected a plain file)")
        descriptor = os.open(path, READ_FLAGS & ~_NO_FOLLOW if is_linked else READ_FLAGS)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"no path: {error}") from None
    try:
        return _read(descriptor, limit)
    finally:
        os.close(descriptor)


def _read(descriptor: int, limit: int) -> bytes:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "not a plain file")
    parts, left = [], limit + 1
    while left and (chunk := os.read(descriptor, left)):
        parts.append(chunk)
        left -= len(chunk)
    if not left:
        raise OSError(errno.EFBIG, f"too large (expected at most {limit} bytes)")
    return b"".join(parts)
