"""One line of a file of events: what one run of the installer did.

JSON Lines (https://jsonlines.org), schema 1.x. docs/events.md tells what each field means. The reader
takes every line as hostile, and looks only at what a decision can be built on.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, NoReturn, TypeAlias

if TYPE_CHECKING:  # it takes YAML, which an install must not wait for
    from agentrail_runtime.release.policy import Route, Stage

Op: TypeAlias = Literal["install", "rollback", "uninstall"]
EventPhase: TypeAlias = Literal["started", "finished"]
EventOutcome: TypeAlias = Literal["ok", "failed", "rolled_back"]
Problem: TypeAlias = Literal[
    "too long", "torn", "not an object", "duplicate key", "unknown schema", "missing field", "bad value"
]

SCHEMA_VERSION: Final = "1.0"
LINE_BYTES: Final = 64 * 1024
"""How long a line may be, with its line feed."""

_INSTANT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?(?:[Zz]|[+-]00:00)"
)
_SCHEMA: Final = re.compile(r"1\.[0-9]{1,9}(?:\.[0-9]{1,9})?")
_OTHER_SCHEMA: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,2}")
_NAME: Final = 128
_SHORT: Final = 64
CHANNELS: Final = frozenset({"internal", "pilot", "general"})
"""What may stand for a channel."""

_ROUTES: Final = frozenset({"package", "copy"})
_OPS: Final = frozenset({"install", "rollback", "uninstall"})
_PHASES: Final = frozenset({"started", "finished"})
_OUTCOMES: Final = frozenset({"ok", "failed", "rolled_back"})
_MAX_CODE: Final = 255
_MAX_MS: Final = 10**12


class EventError(ValueError):
    """A line that is no event; `kind` says what is wrong with it in a word or two."""

    def __init__(self, kind: Problem, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind: Final = kind


class Event(NamedTuple):
    """One end of a run: that it began, or how it ended. None stands for what is not known.

    Args:
        schema_version: of the line, as ``1.0``.
        event_id: what the lines of one run have in common.
        ts: when, RFC 3339 in UTC.
        repo: the repository, as a salted hash in hex.
        channel: where the release came from.
        version: what the run is about: what an install brings, what the others take away.
        from_version: what the receipt said before the run.
        route: where the files came from.
        op: what was asked for.
        phase: which end of the run this is.
        outcome: how it ended; None as long as it has not.
        error_code: the exit code, 0 to 255.
        duration_ms: how long it took, in milliseconds.
        python: the version of Python, as ``3.11.4``.
        os: ``linux``, ``darwin``, ``windows`` or ``other``.
    """

    schema_version: str
    event_id: str
    ts: str
    repo: str
    channel: Stage | None
    version: str
    from_version: str | None
    route: Route | None
    op: Op
    phase: EventPhase
    outcome: EventOutcome | None
    error_code: int | None
    duration_ms: int | None
    python: str | None
    os: str | None


_FIELDS: Final = frozenset(Event._fields)


def dump(event: Event) -> bytes:
    """Return `event` as one line: compact JSON in ASCII, sorted keys, with its line feed."""
    text = json.dumps(event._asdict(), sort_keys=True, separators=(",", ":"))
    return text.encode("ascii") + b"\n"


def parse(line: bytes) -> tuple[Event, tuple[str, ...]]:
    """Return the event that `line` holds, and the sorted names of fields that are not of this schema.

    A field that may be null may also be left out. The line feed may be there or not.

    Raises:
        EventError: it is no event of schema 1.x; `EventError.kind` says why.
    """
    value = _object(line)
    get = value.get
    schema = get("schema_version")
    if type(schema) is not str or not _SCHEMA.fullmatch(schema):
        raise _schema_problem(value)
    ended = _choice(value, "phase", _PHASES) == "finished"
    event = Event(
        schema,
        _text(value, "event_id", _NAME),
        _instant(value),
        _text(value, "repo", _NAME),
        None if get("channel") is None else _choice(value, "channel", CHANNELS),
        _text(value, "version", _SHORT),
        None if get("from_version") is None else _text(value, "from_version", _SHORT),
        None if get("route") is None else _choice(value, "route", _ROUTES),
        _choice(value, "op", _OPS),
        "finished" if ended else "started",
        _choice(value, "outcome", _OUTCOMES) if ended or get("outcome") is not None else None,
        None if get("error_code") is None else _number(value, "error_code", _MAX_CODE),
        None if get("duration_ms") is None else _number(value, "duration_ms", _MAX_MS),
        None if get("python") is None else _text(value, "python", _SHORT),
        None if get("os") is None else _text(value, "os", _SHORT),
    )
    if value.keys() <= _FIELDS:
        return event, ()
    return event, tuple(sorted(_shown(name) for name in value.keys() - _FIELDS))


def printable(text: str) -> str:
    """Return `text` as a line can hold it for a version or the like: other characters as ``?``."""
    ascii_text = text.encode("ascii", "replace").decode()
    return "".join(char if char.isprintable() else "?" for char in ascii_text[:_SHORT]) or "?"


def seconds(ts: str) -> float:
    """Return the moment `ts`, RFC 3339 in UTC, as seconds since 1970.

    Raises:
        ValueError: it is no such moment.
    """
    match = _INSTANT.fullmatch(ts)
    if match is None:
        raise ValueError(f"{_shown(ts)}: not a time in UTC (expected one as 2026-01-31T12:00:00Z)")
    date, time, fraction = match.groups()
    whole = datetime.fromisoformat(f"{date}T{time}+00:00").timestamp()
    return whole + float(fraction) if fraction else whole


def moment(when: datetime) -> str:
    """Return `when`, an aware time, as a line holds it: UTC, in whole seconds."""
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > LINE_BYTES:
        raise EventError("too long", f"{len(line)} bytes (expected at most {LINE_BYTES})")
    try:
        value = _DECODER.decode(line.decode("utf-8"))
    except EventError:
        raise
    except (ValueError, RecursionError):
        raise EventError("torn", "not a line of JSON") from None
    if type(value) is not dict:
        raise EventError("not an object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise EventError("duplicate key")
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise EventError("bad value", f"{text} is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _schema_problem(value: dict[str, Any]) -> EventError:
    schema = value.get("schema_version")
    if type(schema) is str and _OTHER_SCHEMA.fullmatch(schema):
        return EventError("unknown schema", f"expected 1.x, got {schema}")
    return _bad(value, "schema_version", "a version, as 1.0")


def _text(value: dict[str, Any], key: str, limit: int) -> str:
    text = value.get(key)
    if type(text) is str and 0 < len(text) <= limit and text.isascii() and text.isprintable():
        return text
    raise _bad(value, key, f"at most {limit} printable characters of ASCII")


def _choice(value: dict[str, Any], key: str, allowed: frozenset[str]) -> Any:
    text = value.get(key)
    if type(text) is str and text in allowed:
        return text
    raise _bad(value, key, "|".join(sorted(allowed)))


def _number(value: dict[str, Any], key: str, limit: int) -> int:
    number = value.get(key)
    if type(number) is int and 0 <= number <= limit:
        return number
    raise _bad(value, key, f"a whole number from 0 to {limit}")


def _instant(value: dict[str, Any]) -> str:
    text = value.get("ts")
    if type(text) is str:
        try:
            seconds(text)
        except ValueError:
            pass
        else:
            return text
    raise _bad(value, "ts", "a time in UTC, as 2026-01-31T12:00:00Z")


def _bad(value: dict[str, Any], key: str, expected: str) -> EventError:
    if value.get(key) is None:
        return EventError("missing field", key)
    return EventError("bad value", f"{key}: expected {expected}, got {_shown(value[key])}")


def _shown(value: object) -> str:
    """Return `value` in a few printable characters, whatever it is."""
    text = value if isinstance(value, str) and value.isprintable() else ascii(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
