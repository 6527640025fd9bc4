"""Which bytes earlier releases delivered at a path: ``known-digests.json``, beside the manifest.

Where files were installed without a receipt, by copying them, this tells the framework's older text
from an edit of the user's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from agentrail_runtime import document
from agentrail_runtime.document import DocumentError, Json
from agentrail_runtime.entry import (
    Entry,
    PathError,
    RelPath,
    collision_key,
    is_reserved,
    parse_path,
)

KNOWN_NAME: Final = "known-digests.json"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEYS = ("schema_version", "files")


class Known(NamedTuple):
    """The digests (hex sha256) that earlier releases had at each path."""

    files: Mapping[RelPath, frozenset[str]] = {}
    extra: Json = {}

    def at(self, path: str) -> frozenset[str]:
        """Return the digests that are known at `path`."""
        return self.files.get(RelPath(path), frozenset())

    def dump(self) -> bytes:
        """Return the canonical bytes; unknown keys are kept."""
        files = {path: sorted(digests) for path, digests in self.files.items()}
        return document.dump({**self.extra, "schema_version": "1.0", "files": files})


def load(data: bytes) -> Known:
    """Return what `data` holds.

    Raises:
        DocumentError: not such a document, or of another major schema than 1.
    """
    value = document.load(data)
    schema = document.field(value, "schema_version", str)
    if not document.schema_window(schema, major=1):
        raise DocumentError(f"schema_version: expected 1.x, got {schema}")
    files = document.field(value, "files", dict)
    return Known(
        files={_path(path): _digests(files, path) for path in files},
        extra=document.rest(value, _KEYS),
    )


def _path(text: str) -> RelPath:
    try:
        path = parse_path(text)
    except PathError as error:
        raise DocumentError(f"files: {error}") from None
    if is_reserved(collision_key(path)):
        raise DocumentError(f"files: {path}: belongs to the installer")
    return path


def _digests(files: Json, path: str) -> frozenset[str]:
    rows = document.field(files, path, list, place="files")
    if not all(isinstance(row, str) and _DIGEST.fullmatch(row) for row in rows):
        raise DocumentError(f"files.{path}: expected hex sha256 digests")
    return frozenset(rows)


def grown(known: Known, earlier: Iterable[Entry]) -> Known:
    """Return `known` with the files of an earlier release added.

    Seeds and the profile are left out: whatever stands there is the user's. So are files of the
    installer's own, which no release delivers.
    """
    files = dict(known.files)
    for entry in earlier:
        is_delivered = entry.ownership in ("managed", "block")
        if is_delivered and not is_reserved(collision_key(entry.path)):
            files[entry.path] = files.get(entry.path, frozenset()) | {entry.sha256}
    return known._replace(files=files)


def merged(one: Known, other: Known) -> Known:
    """Return what either of two knows."""
    paths = {*one.files, *other.files}
    files = {path: one.at(path) | other.at(path) for path in paths}
    return Known(files=files, extra={**other.extra, **one.extra})


def without_current(known: Known, current: Iterable[Entry]) -> Known:
    """Return `known` without the digests that a release delivers itself."""
    own = {entry.path: entry.sha256 for entry in current}
    files = {path: digests - {own.get(path, "")} for path, digests in known.files.items()}
    return known._replace(files={path: digests for path, digests in files.items() if digests})
