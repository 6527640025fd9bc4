"""The receipt: what was installed into a target, as ``.agentrail/receipt.json`` records it.

It holds no time, no host and no absolute path: two equal installs have equal receipts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from agentrail_runtime import document
from agentrail_runtime.document import DocumentError, Json
from agentrail_runtime.entry import (
    RECEIPT_PATH,
    STATE_PATH,
    Ownership,
    PathError,
    RelPath,
    collision_key,
    collisions,
    parse_digest,
    parse_entry_path,
    parse_ownership,
    parse_path,
)
from agentrail_runtime.errors import IncompatibleError, ReceiptError

SourceKind = Literal["package", "copy"]

_BLOB = re.compile(r"[0-9a-f]{40}")
_KEYS = ("schema_version", "runtime_version", "release_seq", "source", "task_root", "entries")
_RECORD_KEYS = ("path", "ownership", "sha256", "git_blob", "size", "executable", "declined")


class Record(NamedTuple):
    """One file as it was delivered: the base of the next three-way decision.

    `sha256` (hex) is of the delivered bytes, or of the text between the markers for a block. It is
    None where nothing was ever delivered because the user declined it. `git_blob` (hex SHA-1) is
    the id under which git knows the base text. `declined` is the digest that was refused last.
    """

    path: RelPath
    ownership: Ownership
    sha256: str | None
    git_blob: str | None
    size: int | None
    executable: bool = False
    declined: str | None = None
    extra: Json = {}

    def as_json(self) -> Json:
        """Return the record as it stands in the receipt."""
        declined = {} if self.declined is None else {"declined": self.declined}
        return {
            **self.extra,
            "path": self.path,
            "ownership": self.ownership,
            "sha256": self.sha256,
            "git_blob": self.git_blob,
            "size": self.size,
            "executable": self.executable,
            **declined,
        }


class Receipt(NamedTuple):
    """Everything that an install wrote; `records` is sorted by path."""

    runtime_version: str
    release_seq: int
    source_kind: SourceKind
    source_digest: str
    task_root: RelPath
    records: tuple[Record, ...]
    schema_version: str = "1.0"
    source_extra: Json = {}
    extra: Json = {}

    def by_path(self) -> Mapping[str, Record]:
        """Return the records by their path."""
        return {record.path: record for record in self.records}

    def dump(self) -> bytes:
        """Return the canonical bytes of the receipt."""
        return document.dump(
            {
                **self.extra,
                "schema_version": self.schema_version,
                "runtime_version": self.runtime_version,
                "release_seq": self.release_seq,
                "source": {
                    **self.source_extra,
                    "kind": self.source_kind,
                    "digest": self.source_digest,
                },
                "task_root": self.task_root,
                "entries": [record.as_json() for record in self.records],
            }
        )


def load(data: bytes) -> Receipt:
    """Return the receipt that `data` holds; unknown keys are kept.

    Raises:
        IncompatibleError: a schema version outside ``1 <= v < 2``.
        ReceiptError: truncated, forged or otherwise not a receipt. The target is as it was.
    """
    try:
        return _load(document.load(data))
    except DocumentError as error:
        raise ReceiptError(
            "\n".join(f"{RECEIPT_PATH}: {line}" for line in str(error).splitlines()),
            paths=[RECEIPT_PATH],
            hint=f"restore it from version control: git checkout -- {RECEIPT_PATH}",
        ) from None


def _load(value: Json) -> Receipt:
    schema = document.field(value, "schema_version", str)
    if not document.schema_window(schema, major=1):
        raise IncompatibleError(
            f"{RECEIPT_PATH}: receipt schema not supported (expected 1.x, got {schema})",
            paths=[RECEIPT_PATH],
            hint="upgrade the installer: pip install --upgrade agentrail-runtime",
        )
    source = document.field(value, "source", dict)
    kind = document.field(source, "kind", str, place="source")
    if kind not in ("package", "copy"):
        raise DocumentError(f"source.kind: expected package|copy, got {kind!r}")
    records = tuple(
        sorted(
            (_load_record(row, number) for number, row in enumerate(_rows(value))),
            key=lambda record: record.path,
        )
    )
    if findings := collisions(record.path for record in records):
        raise DocumentError("\n".join(findings))
    try:
        task_root = parse_path(document.field(value, "task_root", str))
    except PathError as error:
        raise DocumentError(f"task_root: {error}") from None
    return Receipt(
        schema_version=schema,
        runtime_version=document.field(value, "runtime_version", str),
        release_seq=document.field(value, "release_seq", int, default=0),
        source_kind=kind,
        source_digest=document.field(source, "digest", str, place="source"),
        source_extra=document.rest(source, ("kind", "digest")),
        task_root=task_root,
        records=records,
        extra=document.rest(value, _KEYS),
    )


def _rows(value: Json) -> list[Json]:
    return list(document.field(value, "entries", list))


def _load_record(row: object, number: int) -> Record:
    place = f"entries[{number}]"
    if not isinstance(row, dict):
        raise DocumentError(f"{place}: expected an object")
    path = parse_entry_path(row, place=place)
    if (collision_key(path) + "/").startswith((STATE_PATH + "/", RECEIPT_PATH + "/")):
        raise DocumentError(f"{place}.path: {path}: belongs to the installer")
    _check_restore(row, place=place)
    delivered = row.get("sha256") is not None
    return Record(
        path=path,
        ownership=parse_ownership(row, place=place),
        sha256=parse_digest(row, "sha256", place=place) if delivered else None,
        git_blob=_blob(row, place=place) if delivered else None,
        size=document.field(row, "size", int, place=place) if delivered else None,
        executable=document.field(row, "executable", bool, place=place, default=False),
        declined=parse_digest(row, "declined", place=place) if "declined" in row else None,
        extra=document.rest(row, _RECORD_KEYS),
    )


def _check_restore(row: Json, *, place: str) -> None:
    """Make sure that the profile's old values are rows of key, old text (or null) and new text."""
    for number, fragment in enumerate(document.field(row, "restore", list, place=place, default=[])):
        is_row = isinstance(fragment, list) and len(fragment) == 3
        if not (is_row and all(isinstance(text, str) for text in (fragment[0], fragment[2]))):
            raise DocumentError(f"{place}.restore[{number}]: expected [key, old, new]")
        if not isinstance(fragment[1], str | None):
            raise DocumentError(f"{place}.restore[{number}]: expected a text or null")


def _blob(row: Json, *, place: str) -> str:
    text = document.field(row, "git_blob", str, place=place)
    if not _BLOB.fullmatch(text):
        raise DocumentError(f"{place}.git_blob: expected a git object id")
    return str(text)
