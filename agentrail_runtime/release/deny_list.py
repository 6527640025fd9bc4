"""Versions that must not be installed any more, wherever they are from: the content of ``denied.json``.

A list only grows: every change has a higher `sequence` and keeps each row of the one before. So whoever
has seen one list can tell an older one, which an attacker may have kept, from a newer one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from agentrail_runtime import document
from agentrail_runtime.document import DocumentError, Json

if TYPE_CHECKING:  # a module that loads YAML, which an install has no use for
    from agentrail_runtime.release.policy import Stage

DENIED_NAME: Final = "denied.json"
DENIED_SIGNATURE_NAME: Final = "denied.json.sig"
MAX_BYTES: Final = 1_000_000
"""How large a list may be."""

_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)
_MAX_REASON: Final = 1_000
_CHANNELS: Final = ("internal", "pilot", "general")
_KEYS: Final = {"schema_version", "sequence", "denied"}
_ROW_KEYS: Final = {"version", "reason", "since", "channels"}


class Denied(NamedTuple):
    """A version that was withdrawn: why, since when (UTC RFC 3339), and from which channels."""

    version: str
    reason: str
    since: str
    channels: tuple[Stage, ...] = ()


class DenyList(NamedTuple):
    """All that is denied. `sequence` counts the changes; unknown keys are kept in `extra`."""

    sequence: int = 0
    denied: tuple[Denied, ...] = ()
    schema_version: str = "1.0"
    extra: Json = {}

    def find(self, version: str) -> Denied | None:
        """Return the row of a version, however it is written (1.1 is 1.1.0); None if it has none."""
        from agentrail_runtime.release.simple_index import is_same_version

        same = (row for row in self.denied if is_same_version(row.version, version))
        return next(same, None)


def load(data: bytes) -> DenyList:
    """Return the list that `data` holds.

    Raises:
        DocumentError: it is no list of schema 1.x; the text tells the place of the first finding.
    """
    if len(data) > MAX_BYTES:
        raise DocumentError(f"too large (expected at most {MAX_BYTES} bytes, got {len(data)})")
    value = document.load(data)
    schema = document.field(value, "schema_version", str)
    if not document.schema_window(schema, major=1):
        raise DocumentError(f"schema_version: expected 1.x, got {schema}")
    document.refuse_misspelt(value, _KEYS)
    sequence = document.field(value, "sequence", int)
    if sequence < 0:
        raise DocumentError(f"sequence: expected 0 or more, got {sequence}")
    rows = document.field(value, "denied", list)
    return DenyList(
        sequence=sequence,
        denied=tuple(_load_row(row, f"denied[{number}]") for number, row in enumerate(rows)),
        schema_version=schema,
        extra=document.rest(value, _KEYS),
    )


def _load_row(value: Json, place: str) -> Denied:
    version = document.field(value, "version", str, place=place)
    document.refuse_misspelt(value, _ROW_KEYS, place=place)
    since = document.field(value, "since", str, place=place)
    if not _MOMENT.fullmatch(since):
        raise DocumentError(
            f"{place}.since: expected a time, as 2030-12-31T08:00:00Z, got {since[:80]!r}"
        )
    channels = document.field(value, "channels", list, place=place, default=())
    if not all(name in _CHANNELS for name in channels):
        raise DocumentError(f"{place}.channels: expected {'|'.join(_CHANNELS)}")
    reason = document.field(value, "reason", str, place=place)
    return Denied(version, printable(reason), since, tuple(channels))


def printable(text: str) -> str:
    """Return a reason as one line that a terminal may show, cut where it is too long."""
    shown = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return shown[:_MAX_REASON].rstrip()


def dump(listed: DenyList) -> bytes:
    """Return the canonical bytes of a list."""
    return document.dump(
        {
            **listed.extra,
            "schema_version": listed.schema_version,
            "sequence": listed.sequence,
            "denied": [{**row._asdict(), "channels": list(row.channels)} for row in listed.denied],
        }
    )


def with_denied(
    listed: DenyList, version: str, *, reason: str, since: str, channels: Iterable[Stage] = ()
) -> DenyList:
    """Return the list with a version in it; the same list where that says nothing new.

    A version that is in it already keeps its reason and its time, and gets the channels that are new.

    Args:
        listed: the list so far.
        version: the version, normalised.
        reason: why, one line.
        since: when, UTC RFC 3339 to the second.
        channels: what it was taken out of.
    """
    found = listed.find(version)
    if found is None:
        row = Denied(version, printable(reason), since, _in_order(channels))
        rows: tuple[Denied, ...] = (*listed.denied, row)
    else:
        new = found._replace(channels=_in_order((*found.channels, *channels)))
        if new == found:
            return listed
        rows = tuple(new if row is found else row for row in listed.denied)
    return listed._replace(sequence=listed.sequence + 1, denied=rows)


def _in_order(channels: Iterable[Stage]) -> tuple[Stage, ...]:
    return tuple(sorted({*channels}, key=_CHANNELS.index))


def setback(older: DenyList, newer: DenyList) -> str:
    """Return why `newer` cannot be what became of `older`, an empty text where it can."""
    if newer.sequence < older.sequence:
        return f"an older list (expected sequence {older.sequence} or more, got {newer.sequence})"
    from agentrail_runtime.release.simple_index import version_key

    kept = {version_key(row.version) for row in newer.denied}
    for row in older.denied:
        if version_key(row.version) not in kept:
            return f"denies {row.version} no more (a list only grows)"
    if newer.sequence == older.sequence and newer.denied != older.denied:
        return f"another list of the same sequence, {newer.sequence}"
    return ""
