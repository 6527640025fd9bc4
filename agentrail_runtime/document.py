"""Canonical JSON documents: how index, receipt and journal are written and safely read back.

Written: UTF-8, sorted keys, 2-space indentation, a final LF (RFC 8259 with a fixed layout), so that
equal values are equal bytes. Read: whatever is not one JSON object with unique keys is an error,
however deep or broken it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Set
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]


_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_VERSION: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})*")
_MOST_LEVELS: Final = 100


class DocumentError(ValueError):
    """The bytes or a value in them are not what the format says; the text names the place."""


def dump(value: Json, *, is_ascii: bool = False) -> bytes:
    """Return the canonical bytes of `value`; with `is_ascii`, every other character escaped."""
    quote = json.encoder.encode_basestring_ascii if is_ascii else json.encoder.encode_basestring
    return (_text(value, "\n", quote) + "\n").encode()


def text(value: Json, *, level: int) -> str:
    """Return `value` as it stands in a canonical document, `level` levels below the top."""
    return _text(value, "\n" + "  " * level, json.encoder.encode_basestring)


def _text(value: Any, line: str, quote: Callable[[str], str]) -> str:
    """Return `value` as text; a `line` begins with its indentation.

    The encoder of the standard library is five times slower where it indents.
    """
    kind = type(value)
    if isinstance(value, str):
        return quote(value)
    if kind is int:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is dict and value:
        inner = line + "  "
        rows = [f"{quote(key)}: {_text(value[key], inner, quote)}" for key in sorted(value)]
        return f"{{{inner}{f',{inner}'.join(rows)}{line}}}"
    if kind in (list, tuple) and value:
        inner = line + "  "
        return f"[{inner}{f',{inner}'.join([_text(item, inner, quote) for item in value])}{line}]"
    return json.dumps(value)


def load(data: bytes) -> Json:
    """Return the JSON object that `data` (UTF-8) holds.

    Raises:
        DocumentError: not UTF-8, not JSON, not an object, a key twice, or nested too deep.
    """
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, **_NUMBERS)
        if _is_deeper(value, _MOST_LEVELS):
            raise DocumentError("nested too deep")
        if _SURROGATE.search(text):
            dump(value)
    except UnicodeDecodeError as error:
        raise DocumentError(f"not UTF-8 (byte {error.start})") from None
    except UnicodeEncodeError:
        raise DocumentError("half a character (a lone surrogate) in a text") from None
    except json.JSONDecodeError as error:
        raise DocumentError(f"not JSON: {error.msg} (line {error.lineno})") from None
    except RecursionError:
        raise DocumentError("nested too deep") from None
    except DocumentError:
        raise
    except ValueError:
        raise DocumentError("a number of too many digits") from None
    if not isinstance(value, dict):
        raise DocumentError(f"expected an object, got {_kind(value)}")
    return value


def field(value: Json, key: str, kind: type, *, place: str = "", default: Any = ...) -> Any:
    """Return ``value[key]``, checked to be of the JSON type `kind`.

    Args:
        value: the object.
        key: the key to read.
        kind: str, int, bool, list or dict.
        place: where the object stands, for the message, as ``entries[3]``.
        default: what to return where the key is absent; without one, absence is an error.

    Raises:
        DocumentError: the key is absent without default, or its value is of another type.
    """
    name = f"{place}.{key}" if place else key
    if not isinstance(value, dict):
        raise DocumentError(f"{place}: expected an object, got {_kind(value)}")
    if key not in value:
        if default is ...:
            raise DocumentError(f"{name}: missing")
        return default
    found = value[key]
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise DocumentError(f"{name}: expected {kind.__name__}, got {_kind(found)}")
    return found


def schema_window(text: str, *, major: int) -> bool:
    """Tell whether the schema version `text` (``major.minor``) lies in ``major <= v < major + 1``.

    Raises:
        DocumentError: `text` is not a version.
    """
    head = text.partition(".")[0]
    if not _VERSION.fullmatch(text):
        raise DocumentError(f"schema_version: expected major.minor, got {text!r}")
    return int(head) == major


def rest(value: Json, known: Collection[str]) -> Json:
    """Return the keys of `value` that are not in `known`: those of a newer writer, to be kept."""
    return {key: value[key] for key in value if key not in known}


def refuse_misspelt(value: Json, known: Set[str], *, place: str = "") -> None:
    """Make sure that no unknown key of `value` is a known one that is absent, but for one character.

    Such a key was damaged rather than written by a newer version.

    Raises:
        DocumentError: there is one.
    """
    unknown = value.keys() - known
    for absent in known - value.keys() if unknown else ():
        for key in map(_spelled, unknown):
            is_long = len(key) == len(absent)
            if is_long and sum(a != b for a, b in zip(key, absent, strict=True)) == 1:
                shown = key if key.isprintable() else ascii(key)[1:-1]  # a terminal would obey it
                name = f"{place}.{shown}" if place else shown
                raise DocumentError(f"{name}: unknown key (expected {absent})")


def _spelled(text: str) -> str:
    r"""Return `text` as it stands in JSON: a damaged ``ownership`` may be ``o\nership``."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _is_deeper(value: Any, levels: int) -> bool:
    """Tell whether `value` has more than so many levels: some Pythons read more than they can write."""
    level = [value]
    while level and levels:
        levels -= 1
        holders = [item for item in level if isinstance(item, (dict, list))]
        level = [
            child for item in holders for child in (item.values() if isinstance(item, dict) else item)
        ]
    return bool(level)


def _no_number(text: str) -> None:
    raise DocumentError(f"{text} is no number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise DocumentError("a number that is too large")
    return number


_NUMBERS: Final[Any] = {"parse_constant": _no_number, "parse_float": _finite}


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise DocumentError("a key stands twice in one object")
    return value


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__
