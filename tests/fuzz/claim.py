"""What has to hold of every reader, said once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from agentrail_runtime import document
from agentrail_runtime.document import DocumentError
from agentrail_runtime.entry import parse_path
from agentrail_runtime.errors import AgentRailError

# What a terminal obeys, and what cannot be written in UTF-8.
_OBEYED: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def is_told(error: BaseException) -> None:
    """Claim that a message can be shown: by every terminal, and without obeying what a file holds."""
    assert not _OBEYED.search(str(error)), f"a message that a terminal obeys: {str(error)!r}"


def is_canonical(data: bytes) -> None:
    """Claim that `data` is the one spelling of the document in it."""
    assert document.dump(document.load(data)) == data
    expected = json.dumps(json.loads(data), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert data.decode() == expected


def is_safe_path(path: str) -> None:
    """Claim that a path that was read stays below what it is relative to, on every platform."""
    assert parse_path(path) == path
    names = path.split("/")
    assert all(names)
    assert not {".", "..", ".git"} & {name.casefold() for name in names}
    assert not set(path) & set('\\:<>"|?*\0\r\n')
    assert len(path.encode()) <= 1024


def is_read_alike(load: Callable[[bytes], object], data: bytes) -> None:
    """Claim that a document says the same however it is laid out.

    There is a fast reader for one layout alone, which has to agree with the other one.
    """
    try:
        value = document.load(data)
    except DocumentError:
        return
    compact = json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()
    assert _reading(load, document.dump(value)) == _reading(load, compact) == _reading(load, data)


def _reading(load: Callable[[bytes], object], data: bytes) -> object:
    try:
        return load(data)
    except (AgentRailError, DocumentError) as error:
        return type(error)


def is_same(one: Any, other: Any) -> None:
    """Claim that two values of JSON are one: true is not 1, and 1.0 is not 1."""
    assert json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
