"""The undo record of a transaction: what each path was before and what it becomes.

While a transaction runs it lies at ``.agentrail/state/journal``. Its move into the stash is the
commit; there it is what ``rollback`` reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from agentrail_runtime import document, table
from agentrail_runtime.document import DocumentError, Json
from agentrail_runtime.entry import (
    BOOL_ROW,
    DIGEST_ROW,
    PATH_ROW,
    SIZE_ROW,
    STATE_PATH,
    PathError,
    RelPath,
    collisions,
    parse_digest,
    parse_entry_path,
    parse_path,
)
from agentrail_runtime.table import Layout

Operation = Literal["install", "uninstall", "rollback"]


class Image(NamedTuple):
    """A file's bytes by hex SHA-256, its size in bytes, and its permission bits."""

    sha256: str
    size: int
    mode: int


class Step(NamedTuple):
    """What one path was and what it becomes; None where there is no file.

    `is_edited` says that the replaced bytes were the user's and stand nowhere else.
    """

    path: RelPath
    before: Image | None
    after: Image | None
    is_edited: bool = False


class Delivery(NamedTuple):
    """A delivered text, by hex SHA-256, at `offset` of the stash's ``delivered`` file: `size` bytes."""

    sha256: str
    offset: int
    size: int


class Outline(NamedTuple):
    """Of a `Journal`, what the order of transactions and the keeping of their stashes depend on."""

    transaction: str
    sequence: int
    operation: Operation
    parent: str | None
    undoes: tuple[str, ...]
    keeps: tuple[str, ...]
    holds_user_bytes: bool


class Journal(NamedTuple):
    """One transaction.

    Args:
        transaction: its id, ``<sequence>-<random hex>``.
        sequence: counts up in one target; the order of transactions, whatever the clock says.
        operation: what made it.
        created: when, UTC RFC 3339.
        runtime_version: the version installed after it, None after an uninstall.
        previous_version: the version installed before it, None before the first install.
        steps: in the order in which they are done.
        made_directories: those that the steps need and that were absent.
        emptied_directories: those to remove when the steps leave them empty, with permission bits.
        parent: the id of the transaction that was the last one before it, None for none.
        undoes: ids of the transactions that a rollback takes back.
        keeps: ids of those among them whose stash still holds bytes of the user's.
        deliveries: the texts that the framework delivered, kept as the base of a later merge.
    """

    transaction: str
    sequence: int
    operation: Operation
    created: str
    runtime_version: str | None
    previous_version: str | None
    steps: tuple[Step, ...]
    made_directories: tuple[RelPath, ...] = ()
    emptied_directories: tuple[tuple[RelPath, int], ...] = ()
    parent: str | None = None
    undoes: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    deliveries: tuple[Delivery, ...] = ()

    @property
    def holds_user_bytes(self) -> bool:
        """Whether a stash is the only place where something that the user wrote still stands."""
        return bool(self.keeps) or any(step.is_edited for step in self.steps)

    @property
    def outline(self) -> Outline:
        """What is known of it without its steps."""
        return Outline(
            self.transaction,
            self.sequence,
            self.operation,
            self.parent,
            self.undoes,
            self.keeps,
            self.holds_user_bytes,
        )

    def dump(self) -> bytes:
        """Return the canonical bytes of the journal."""
        return b"".join(self.chunks())

    def chunks(self) -> Iterator[bytes]:
        """Yield what `dump` returns in parts."""
        return table.chunks(
            {
                "schema_version": "1.0",
                "transaction": self.transaction,
                "sequence": self.sequence,
                "operation": self.operation,
                "created": self.created,
                "runtime_version": self.runtime_version,
                "previous_version": self.previous_version,
                "made_directories": list(self.made_directories),
                "emptied_directories": [
                    {"path": path, "mode": mode} for path, mode in self.emptied_directories
                ],
                "parent": self.parent,
                "undoes": list(self.undoes),
                "keeps": list(self.keeps),
            },
            {
                _DELIVERIES: map(_delivery_row, self.deliveries),
                _STEPS: map(_step_row, self.steps),
            },
        )


_IMAGE: Final = """{
        "mode": %d,
        "sha256": "%s",
        "size": %d
      }"""
_DELIVERIES: Final = Layout.of(
    "deliveries", {"offset": SIZE_ROW, "sha256": DIGEST_ROW, "size": SIZE_ROW}
)
_COUNT: Final = f"(?:{SIZE_ROW[1:-1]})"
_IMAGE_ROW: Final = (
    rf'(null|\{{\n        "mode": {_COUNT},\n        "sha256": "[0-9a-f]{{64}}",'
    rf'\n        "size": {_COUNT}\n      \}})'
)
_STEPS: Final = Layout.of(
    "steps", {"after": _IMAGE_ROW, "before": _IMAGE_ROW, "is_edited": BOOL_ROW, "path": PATH_ROW}
)
_EDITED: Final = '      "is_edited": true,\n'


def _delivery_row(delivery: Delivery) -> str:
    digest, offset, size = delivery
    return _DELIVERIES.template % (offset, digest, size)


def _step_row(step: Step) -> str:
    path, before, after, is_edited = step
    edited = "true" if is_edited else "false"
    return _STEPS.template % (_image_row(after), _image_row(before), edited, path)


def _image_row(image: Image | None) -> str:
    return "null" if image is None else _IMAGE % (image.mode, image.sha256, image.size)


def load(data: bytes) -> Journal:
    """Return the journal that `data` holds.

    Raises:
        DocumentError: truncated, forged with a path that leaves the target, or of another schema.
    """
    return _load(document.load(data))


def outline(data: bytes) -> Outline:
    """Return the outline of the journal that `data` holds.

    Steps and deliveries that are laid out just as `Journal.dump` does it are not taken apart, which is
    what takes the time with 100,000 of them; so a path in them that leaves the target is not found.

    Raises:
        DocumentError: truncated, of another schema, or otherwise no journal.
    """
    found = table.cut(data, _DELIVERIES, _STEPS)
    if found is not None:
        value, (deliveries, steps) = found
        if _DELIVERIES.is_shape_of(deliveries) and _STEPS.is_shape_of(steps):
            known = _load(value).outline
            return known._replace(holds_user_bytes=known.holds_user_bytes or _EDITED in steps)
    return load(data).outline


def _load(value: Json) -> Journal:
    schema = document.field(value, "schema_version", str)
    if not document.schema_window(schema, major=1):
        raise DocumentError(f"journal schema not supported (expected 1.x, got {schema})")
    operation = document.field(value, "operation", str)
    if operation not in ("install", "uninstall", "rollback"):
        raise DocumentError(f"operation: {operation!r} is not known")
    rows = document.field(value, "steps", list)
    steps = tuple(_load_step(row, f"steps[{number}]") for number, row in enumerate(rows))
    if findings := collisions(step.path for step in steps if step.after):
        raise DocumentError("\n".join(findings))
    return Journal(
        transaction=_identifier(document.field(value, "transaction", str)),
        sequence=document.field(value, "sequence", int),
        operation=operation,
        created=document.field(value, "created", str),
        runtime_version=_optional_text(value, "runtime_version"),
        previous_version=_optional_text(value, "previous_version"),
        steps=steps,
        made_directories=tuple(
            _directory(text) for text in document.field(value, "made_directories", list)
        ),
        emptied_directories=tuple(
            (
                parse_entry_path(row, place="emptied_directories"),
                document.field(row, "mode", int, place="emptied_directories") & 0o777,
            )
            for row in document.field(value, "emptied_directories", list)
        ),
        parent=None if value.get("parent") is None else _identifier(value["parent"]),
        undoes=tuple(_identifier(text) for text in document.field(value, "undoes", list)),
        keeps=tuple(_identifier(text) for text in document.field(value, "keeps", list)),
        deliveries=tuple(
            _load_delivery(row, f"deliveries[{number}]")
            for number, row in enumerate(document.field(value, "deliveries", list))
        ),
    )


def _load_step(row: Json, place: str) -> Step:
    path = parse_entry_path(row, place=place)
    if f"{path.casefold()}/".startswith(f"{STATE_PATH}/"):
        raise DocumentError(f"{place}.path: {path}: lies in the installer's own state")
    return Step(
        path=path,
        before=_load_image(row, "before", place=place),
        after=_load_image(row, "after", place=place),
        is_edited=document.field(row, "is_edited", bool, place=place),
    )


def _load_image(row: Json, key: str, *, place: str) -> Image | None:
    if row.get(key) is None:
        return None
    value, place = document.field(row, key, dict, place=place), f"{place}.{key}"
    return Image(
        parse_digest(value, "sha256", place=place),
        document.field(value, "size", int, place=place),
        document.field(value, "mode", int, place=place) & 0o777,
    )


def _load_delivery(row: Json, place: str) -> Delivery:
    return Delivery(
        parse_digest(row, "sha256", place=place),
        document.field(row, "offset", int, place=place),
        document.field(row, "size", int, place=place),
    )


def _optional_text(value: Json, key: str) -> str | None:
    return None if value.get(key) is None else str(document.field(value, key, str))


def _identifier(text: object) -> str:
    """Return `text` if it can be the name of one directory in the stash."""
    if not isinstance(text, str) or not text.replace("-", "").isalnum() or not text.isascii():
        raise DocumentError(f"transaction: {text!r} is not an id")
    return text


def _directory(text: object) -> RelPath:
    if not isinstance(text, str):
        raise DocumentError(f"made_directories: expected a path, got {text!r}")
    try:
        return parse_path(text)
    except PathError as error:
        raise DocumentError(f"made_directories: {error}") from None
