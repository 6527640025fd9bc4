"""Files of events, wherever they lie below a place that the user names, line by line.

Nothing is believed of them: only plain files are opened, none by a symlink that was found on the way, a
line is read no further than an event may be long, and files come in one order whatever the disk says.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, NamedTuple

from agentrail_runtime.descriptor import CHUNK, READ_FLAGS
from agentrail_runtime.errors import AgentRailError, UsageError, typed
from agentrail_runtime.release.event import LINE_BYTES

MOST_LINES: Final = 50_000
"""How many lines are read without DuckDB."""

_PARQUET: Final = ".parquet"


class EventFileError(AgentRailError):
    """A file of events cannot be read: what it holds might be what speaks against a release."""


class EventFiles(NamedTuple):
    """Where events are, each in order of the path.

    Args:
        lines: files of JSON lines.
        tables: Parquet files.
        urls: places in an object store, as the user named them.
        skipped: what was passed over, as it is a symlink or a special file.
    """

    lines: tuple[str, ...]
    tables: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


def find(places: Iterable[str]) -> EventFiles:
    """Return the files of events in `places`.

    Args:
        places: files, whatever their names are; directories, in which every file counts whose name ends
            in ``.jsonl`` or ``.parquet``, however deep it lies; URLs with a scheme, such as ``s3://``.

    Raises:
        UsageError: a place does not exist, or is no file and no directory.
        EventFileError: a directory cannot be read.
    """
    found: set[str] = set()
    urls: set[str] = set()
    skipped: set[str] = set()
    for place in places:
        if "://" in place:
            urls.add(place)
            continue
        path = os.path.realpath(place)
        if os.path.isdir(path):
            found.update(_walk(path, skipped))
        elif os.path.isfile(path):
            found.add(path)
        else:
            raise UsageError(
                f"{place}: no such file or directory (expected events)",
                hint="name files or directories with --events",
            )
    tables = {path for path in found if path.endswith(_PARQUET)}
    return EventFiles(
        tuple(sorted(found - tables)),
        tuple(sorted(tables)),
        tuple(sorted(urls)),
        tuple(sorted(skipped)),
    )


def _walk(root: str, skipped: set[str]) -> Iterator[str]:
    todo = [root]
    while todo:
        directory = todo.pop()
        try:
            with os.scandir(directory) as rows:
                entries = [*rows]
        except OSError as error:
            raise unreadable(directory, error) from None
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                todo.append(entry.path)
            elif not entry.name.endswith((".jsonl", _PARQUET)):
                continue
            elif entry.is_file(follow_symlinks=False):
                yield entry.path
            else:
                skipped.add(entry.path)


def has_more(paths: Iterable[str], limit: int = MOST_LINES) -> bool:
    """Tell whether files have more than `limit` lines; they are read no further than that takes.

    Raises:
        EventFileError: one of them cannot be read.
    """
    count = 0
    for path in paths:
        for chunk in chunks(path):
            count += chunk.count(b"\n")
            if count > limit:
                return True
    return False


def lines(paths: Iterable[str]) -> Iterator[bytes]:
    """Yield every line of some files, in order; of one that is too long, just more than may be.

    Raises:
        EventFileError: one of them cannot be read.
    """
    for path in paths:
        yield from _lines(path)


def _lines(path: str) -> Iterator[bytes]:
    most = LINE_BYTES + 1
    try:
        with open_plain(path) as file:
            while line := file.readline(most):
                yield line
                while len(line) == most and not line.endswith(b"\n"):
                    line = file.readline(most)
    except OSError as error:
        raise unreadable(path, error) from None


def chunks(path: str) -> Iterator[bytes]:
    """Yield the bytes of a file, piece by piece.

    Raises:
        EventFileError: it cannot be read.
    """
    try:
        with open_plain(path) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise unreadable(path, error) from None


def open_plain(path: str) -> BinaryIO:
    """Return a plain file, opened without following a symlink.

    Raises:
        OSError: it cannot be opened, or is no plain file.
    """
    descriptor = os.open(path, READ_FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a plain file")
    return open(descriptor, "rb", buffering=CHUNK)


def unreadable(path: str, error: OSError) -> EventFileError:
    """Return the error for a file of events, or a directory of them, that cannot be read."""
    return EventFileError(
        f"{path}: cannot be read: {error.strerror}",
        paths=[path],
        hint=f"allow it to be read, or take it away: ls -l {typed(path)}",
    )
