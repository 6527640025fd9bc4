"""The file of the gate's decisions: only ever added to."""

from __future__ import annotations

import os
import stat
from typing import Final, NamedTuple

from agentrail_runtime import plain_file
from agentrail_runtime.descriptor import OPEN_FLAGS
from agentrail_runtime.errors import AgentRailError, typed
from agentrail_runtime.release.record import Decision, RecordError, dump, parse

DEFAULT: Final = "release-decisions.jsonl"
"""The file in the current directory that is taken where none is named."""

MAX_BYTES: Final = 64_000_000
"""How large the file may be."""


class DecisionLogError(AgentRailError):
    """The file of decisions cannot be read or added to; it is as it was, but for a line at its end."""


class DecisionLog(NamedTuple):
    """What a file of decisions holds.

    Args:
        decisions: in the order of the file.
        problems: of each line that is no decision, where it stands and why.
    """

    decisions: tuple[Decision, ...]
    problems: tuple[str, ...]


def read(path: str) -> DecisionLog:
    """Return the decisions in the file at `path`; a file that does not exist holds none.

    Raises:
        DecisionLogError: it is there and cannot be read: a symlink, no plain file, too large.
    """
    try:
        data = plain_file.read(path, MAX_BYTES)
    except FileNotFoundError:
        return DecisionLog((), ())
    except OSError as error:
        raise _unusable(path, "read", error) from None
    decisions, problems = [], []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            decisions.append(parse(line))
        except RecordError as error:
            problems.append(f"{path}:{number}: not a decision: {error}")
    return DecisionLog(tuple(decisions), tuple(problems))


def append(path: str, decision: Decision) -> None:
    """Add a decision at the end of the file at `path`, which is created where there is none.

    It is one write, made durable before this returns. A line that was torn there stays by itself.

    Raises:
        DecisionLogError: it cannot be written: a symlink, no plain file, no permission, a full disk.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | OPEN_FLAGS
    try:
        if os.path.islink(path):  # where the system has no O_NOFOLLOW
            raise OSError(0, "is a symlink (expected a plain file)")
        descriptor = os.open(path, flags, 0o666)
        try:
            _append(descriptor, dump(decision))
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise _unusable(path, "written", error) from None


def _append(descriptor: int, line: bytes) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(0, "not a plain file")
    if status.st_size:
        os.lseek(descriptor, -1, os.SEEK_END)
        line = line if os.read(descriptor, 1) == b"\n" else b"\n" + line
    if os.write(descriptor, line) != len(line):
        raise OSError(0, "no space left for a whole line")
    os.fsync(descriptor)


def _unusable(path: str, verb: str, error: OSError | ValueError) -> DecisionLogError:
    why = error.strerror if isinstance(error, OSError) else error
    return DecisionLogError(
        f"{path}: cannot be {verb}: {why}",
        paths=[path],
        hint=f"mend it, or name another file with --decisions instead of {typed(path)}",
    )
