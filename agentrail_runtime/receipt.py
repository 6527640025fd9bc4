"""The receipt: what was installed into a target, as ``.agentrail/receipt.json`` records it.

It holds no time, no host and no absolute path: two equal installs have equal receipts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from agentrail_runtime import document, table
from agentrail_runtime.document import DocumentError, Json
from agentrail_runtime.entry import (
    BOOL_ROW,
    DIGEST_ROW,
    OWNERSHIP_ROW,
    OWNERSHIPS,
    PATH_ROW,
    RECEIPT_PATH,
    SIZE_ROW,
    STATE_PATH,
    Ownership,
    PathError,
    RelPath,
    are_plain,
    collision_key,
    collisions,
    parse_digest,
    parse_entry_path,
    parse_ownership,
    parse_path,
    path_findings,
    sha256,
    suspects,
)
from agentrail_runtime.errors import IncompatibleError, ReceiptError
from agentrail_runtime.table import Layout

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
    """Everything that an install wrote; `records` is sorted by path.

    `canonical` is the hex SHA-256 of what it was loaded from, where `dump` returns just that.
    """

    runtime_version: str
    release_seq: int
    source_kind: SourceKind
    source_digest: str
    task_root: RelPath
    records: tuple[Record, ...]
    schema_version: str = "1.0"
    source_extra: Json = {}
    extra: Json = {}
    canonical: str = ""

    def paths(self) -> Iterator[RelPath]:
        """Yield the path of every record."""
        return (record.path for record in self.records)

    def by_path(self) -> Mapping[str, Record]:
        """Return the records by their path."""
        return {record.path: record for record in self.records}

    def dump(self) -> bytes:
        """Return the canonical bytes of the receipt."""
        return _ROWS.dump(
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
            },
            map(_row, self.records),
        )


_ROWS = Layout.of(
    "entries",
    {
        "executable": BOOL_ROW,
        "git_blob": '"([0-9a-f]{40})"',
        "ownership": OWNERSHIP_ROW,
        "path": PATH_ROW,
        "sha256": DIGEST_ROW,
        "size": SIZE_ROW,
    },
)


def _row(record: Record) -> str:
    """Return the record as it stands in the receipt, nearly always by the template."""
    path, owner, digest, blob, size, executable, declined, extra = record
    if extra or declined is not None or digest is None:
        return table.other_row(record.as_json())
    return _ROWS.template % ("true" if executable else "false", blob, owner, path, digest, size)


def load(data: bytes) -> Receipt:
    """Return the receipt that `data` holds; unknown keys are kept.

    Raises:
        IncompatibleError: a schema version outside ``1 <= v < 2``.
        ReceiptError: truncated, forged or otherwise not a receipt. The target is as it was.
    """
    try:
        if found := _ROWS.load(data, _records):
            with suppress(DocumentError):  # the other way tells better what is wrong
                return _load_canonical(*found, data)
        return _load(document.load(data), None)
    except DocumentError as error:
        raise ReceiptError(
            "\n".join(f"{RECEIPT_PATH}: {line}" for line in str(error).splitlines()),
            paths=[RECEIPT_PATH],
            hint=f"restore it from version control: git checkout -- {RECEIPT_PATH}",
        ) from None


def _load_canonical(value: Json, listed: Sequence[Record], data: bytes) -> Receipt:
    receipt = _load(value, listed)
    is_sorted = tuple(listed) == receipt.records
    is_whole = "release_seq" in value  # `dump` writes the one key that has a default, too
    return receipt._replace(canonical=sha256(data)) if is_sorted and is_whole else receipt


def _load(value: Json, listed: Sequence[Record] | None) -> Receipt:
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
    for number, path in suspects([record.path for record in listed or ()]):
        _refuse_own(path, place=f"entries[{number}]")
    records = sorted(listed or _load_records(value), key=lambda record: record.path)
    paths = [record.path for record in records]
    if not are_plain(paths) and (findings := [*path_findings(paths, "entries"), *collisions(paths)]):
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
        records=tuple(records),
        extra=document.rest(value, _KEYS),
    )


def _records(rows: Sequence[Any]) -> list[Record]:
    """Return records out of rows of a canonical receipt, whose paths nobody has looked at yet."""
    owners: dict[str, Ownership] = {owner: owner for owner in OWNERSHIPS}
    return [
        Record(path, owners[owner], digest, blob, int(size), executable == "true")
        for executable, blob, owner, path, digest, size in rows
    ]


def _load_records(value: Json) -> list[Record]:
    rows = document.field(value, "entries", list)
    return [_load_record(row, number) for number, row in enumerate(rows)]


def _refuse_own(path: str, *, place: str) -> None:
    if (collision_key(path) + "/").startswith((STATE_PATH + "/", RECEIPT_PATH + "/")):
        raise DocumentError(f"{place}.path: {path}: belongs to the installer")


def _load_record(row: object, number: int) -> Record:
    place = f"entries[{number}]"
    if not isinstance(row, dict):
        raise DocumentError(f"{place}: expected an object")
    path = parse_entry_path(row, place=place)
    _refuse_own(path, place=place)
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
