"""What ``--fast`` remembers of a target: the stat data of each file, and what a full run found.

The idea, and that of racy entries, are those of git's index
(https://git-scm.com/docs/racy-git). The cache is a key to what was found, never the truth: a target in
which one byte of it differs is looked at in full.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from agentrail_runtime import document
from agentrail_runtime.document import Json
from agentrail_runtime.entry import OWNERSHIPS, parse_path

FIELDS: Final = 5
"""How many numbers there are for a file: size, mtime and ctime in nanoseconds, inode, mode."""

ABSENT: Final = (-1,) * FIELDS
"""The numbers of a path where nothing stands."""

TOLD: Final = ("runtime_version", "previous_version", "task_root")
"""What is kept of an outcome, besides actions and source."""

_RACY: Final = -2
_MAGIC: Final = b"agentrail stat cache 1 "
_DIGEST: Final = 32
_BYTE_ORDER: Final = "little" if array("q", [1]).tobytes()[0] else "big"


class Cache(NamedTuple):
    """What was found in one full run.

    Args:
        key: what the run depends on besides the files, as text.
        groups: directories with the number of names in each.
        names: of the files, directory by directory.
        stats: five native 64-bit numbers for each file.
        digests: the SHA-256 of each file; zeros where there is none.
        codes: for each file, which row of `actions` it is.
        actions: rows of action, ownership and reason; None for a file that is not reported.
        outcome: the values `TOLD` of the outcome, and its source.
    """

    key: str
    groups: Sequence[tuple[str, int]]
    names: Sequence[str]
    stats: bytes
    digests: bytes
    codes: bytes
    actions: Sequence[Sequence[str] | None]
    outcome: Json

    def paths(self) -> list[str]:
        """Return the path of each file."""
        paths: list[str] = []
        begin = 0
        for directory, count in self.groups:
            above = f"{directory}/" if directory else ""
            paths += [above + name for name in self.names[begin : begin + count]]
            begin += count
        return paths

    def changed(self, stats: bytes) -> list[int]:
        """Return the numbers of the files whose stat data is no longer what it was, or was racy."""
        if stats == self.stats:
            return []
        width = FIELDS * 8
        return [
            begin // width
            for begin in range(0, len(self.stats), width)
            if stats[begin : begin + width] != self.stats[begin : begin + width]
        ]

    def dump(self) -> bytes:
        """Return the cache as bytes."""
        names = "\0".join(self.names).encode()
        parts = (names, self.stats, self.digests, self.codes)
        head = {
            "key": self.key,
            "byteorder": _BYTE_ORDER,
            "groups": self.groups,
            "actions": self.actions,
            "outcome": self.outcome,
            "sizes": [len(part) for part in parts],
        }
        body = b"".join((json.dumps(head).encode(), b"\n", *parts))
        return _MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def load(data: bytes, *, origin: Collection[str]) -> Cache | None:
    """Return the cache that `data` holds; None for whatever is none, or was made elsewhere.

    Args:
        data: the bytes.
        origin: the names of the values that the source of an outcome has.
    """
    first, _, body = data.partition(b"\n")
    if first != _MAGIC + hashlib.sha256(body).hexdigest().encode():
        return None
    try:
        return _load(body, origin)
    except (ValueError, TypeError, KeyError):
        return None


def _load(body: bytes, origin: Collection[str]) -> Cache | None:
    head, _, rest = body.partition(b"\n")
    value = document.load(head)
    parts = []
    for size in value["sizes"]:
        parts.append(rest[:size])
        rest = rest[size:]
    names, stats, digests, codes = parts
    found = Cache(
        key=value["key"],
        groups=[_group(directory, count) for directory, count in value["groups"]],
        names=names.decode().split("\0"),
        stats=stats,
        digests=digests,
        codes=codes,
        actions=value["actions"],
        outcome=value["outcome"],
    )
    count = len(found.names)
    is_whole = (
        value["byteorder"] == _BYTE_ORDER
        and sum(number for _, number in found.groups) == count == len(codes)
        and len(stats) == count * FIELDS * 8
        and len(digests) == count * _DIGEST
        and max(codes) < len(found.actions)
    )
    return found if is_whole and _is_harmless(found, origin) else None


def _group(directory: Any, count: Any) -> tuple[str, int]:
    if not isinstance(count, int) or count < 1 or not isinstance(directory, str):
        raise ValueError(f"{directory!r}: expected a path and the number of names below it")
    return directory and parse_path(directory), count


def _is_harmless(cache: Cache, origin: Collection[str]) -> bool:
    """Tell whether a cache leads nowhere but into the target, and tells what an outcome can tell."""
    source, others = cache.outcome["source"], {**cache.outcome, "source": None}
    return (
        "/" not in "".join(cache.names)
        and {*cache.names}.isdisjoint(("", ".", ".."))
        and all(row is None or _is_row(*row) for row in cache.actions)
        and _are_texts(source, origin)
        and _are_texts(others, (*TOLD, "source"))
    )


def _is_row(action: Any, ownership: Any, reason: Any) -> bool:
    return action in ("unchanged", "keep") and ownership in OWNERSHIPS and isinstance(reason, str)


def _are_texts(value: Any, keys: Collection[str]) -> bool:
    if not isinstance(value, dict) or value.keys() != {*keys}:
        return False
    return all(isinstance(text, str | None) for text in value.values())


def pack(numbers: Sequence[int]) -> bytes:
    """Return stat data as it stands in a cache."""
    return array("q", numbers).tobytes()


def without_racy(stats: bytes, stamp: int) -> bytes:
    """Return stat data in which what may have changed unseen never equals anything.

    Args:
        stats: taken after `stamp`.
        stamp: nanoseconds, by the clock of the file system.
    """
    numbers = array("q", stats)
    for begin in range(0, len(numbers), FIELDS):
        if max(numbers[begin + 1], numbers[begin + 2]) >= stamp:
            numbers[begin + 1] = _RACY
    return numbers.tobytes()
