"""``state.json`` of a task record: parsed, and everything that is wrong with it alone."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

STATES: Final = ("planned", "in_progress", "blocked", "done")
ACTIVE: Final = ("planned", "in_progress", "blocked")
STARTED: Final = ("in_progress", "done")
UNASSIGNED: Final = "unassigned"
_FORBIDDEN: Final = ("history", "state_history")
_MAX_DEPTH: Final = 100
_MAX_DIGITS: Final = 100
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_DAY: Final = r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
_TIME: Final = r"(?P<hour>\d\d):(?P<minute>\d\d)"
_OFFSET: Final = r"(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_FORMATS: Final = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"{_DAY}T{_TIME}(?::(?P<second>\d\d)(?:\.\d+)?)?{_OFFSET}",
        rf"(?P<month>\d\d)/(?P<day>\d\d)/(?P<year>\d{{4}}) {_TIME}:(?P<second>\d\d)",
        rf"{_DAY}(?: {_TIME})?",
    )
)


class StateError(ValueError):
    """A ``state.json`` that is no JSON object; `line` is where."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


class Problem(NamedTuple):
    """Something wrong with the value of a key."""

    key: str
    message: str
    hint: str


class State(NamedTuple):
    """A parsed ``state.json``: its text, its value, and its state in lower case (None: unknown)."""

    text: str
    value: dict[str, Any]
    name: str | None

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The ids that it depends on, each once, without blanks."""
        value = self.value.get("depends_on")
        ids = value if isinstance(value, list) else []
        return tuple(dict.fromkeys(i.strip() for i in ids if isinstance(i, str) and i.strip()))

    def line_of(self, key: str) -> int:
        """Return the line that `key` stands on, 1 where it is absent."""
        return _line_of(self.text, key)


def load(text: str) -> State:
    """Return the state in `text`.

    Raises:
        StateError: not a JSON object with unique keys, or one too deep or too large to be read.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=lambda pairs: _unique(pairs, text),
            parse_constant=_no_number,
            parse_int=_int,
        )
    except json.JSONDecodeError as error:
        raise StateError(f"not valid JSON: {error.msg} at column {error.colno}", error.lineno) from None
    except RecursionError:
        raise StateError("not valid: nested too deeply") from None
    if not isinstance(value, dict):
        raise StateError(f"expected a JSON object, found {_kind(value)}")
    _check_sane(value, text)
    name = value.get("state")
    lower = name.strip().lower() if isinstance(name, str) else None
    return State(text, value, lower if lower in STATES else None)


def problems(state: State) -> Iterator[Problem]:
    """Return what is wrong with the keys but ``depends_on``."""
    if state.name is None:
        yield Problem(
            "state",
            f"expected one of {', '.join(STATES)}, found {_shown(state.value.get('state'))}",
            "write the state that the task is in",
        )
    yield from _updated_at(state.value.get("updated_at"))
    yield from _owner(state)
    yield from _blocking(state)
    for key in state.value:
        if key.lower() in _FORBIDDEN:
            yield Problem(key, "a forbidden key: git keeps the history", f"remove {key}")


def dependency_problems(state: State) -> Iterator[str]:
    """Return what is wrong with the form of ``depends_on``."""
    if "depends_on" not in state.value:
        yield "depends_on: expected a list of task ids, found no such key"
        return
    value = state.value["depends_on"]
    if not isinstance(value, list):
        yield f"depends_on: expected a list of task ids, found {_shown(value)}"
        return
    seen: set[str] = set()
    for number, entry in enumerate(value):
        if not isinstance(entry, str) or not entry.strip():
            yield f"depends_on[{number}]: expected a task id, found {_shown(entry)}"
        elif entry.strip() in seen:
            yield f"depends_on[{number}]: {entry.strip()} is listed twice"
        else:
            seen.add(entry.strip())


def is_date(text: str) -> bool:
    """Tell whether `text` is a time in one of the accepted forms, the same in every locale.

    ISO 8601 with an offset from UTC; and, in older records, ``MM/dd/yyyy HH:mm:ss``, ``yyyy-MM-dd`` and
    ``yyyy-MM-dd HH:mm``.
    """
    found = next(filter(None, (pattern.fullmatch(text) for pattern in _FORMATS)), None)
    if found is None:
        return False
    parts = {name: int(digits) for name, digits in found.groupdict().items() if digits}
    try:
        datetime.datetime(**parts)  # type: ignore[arg-type]
    except ValueError:
        return False
    return True


def _unique(pairs: list[tuple[str, Any]], text: str) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, inner in pairs:
        if key in value:
            message = f"not valid: the key {_shown(key)} stands twice"
            raise StateError(message, _line_of(text, key, last=True))
        value[key] = inner
    return value


def _no_number(text: str) -> None:
    raise StateError(f"not valid JSON: {text} is no number")


def _int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise StateError("not valid: a number of too many digits")
    return int(digits)


def _check_sane(value: dict[str, Any], text: str) -> None:
    """Refuse what some readers of JSON can read and others cannot.

    Raises:
        StateError: deeper than `_MAX_DEPTH`, or half a character in a text.
    """
    level: list[Any] = [value]
    depth = 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise StateError("not valid: nested too deeply")
        level = [inner for outer in level for inner in _inner(outer)]
    if found := _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            line = text.count("\n", 0, found.start()) + 1
            raise StateError("not valid: half a character (a lone surrogate) in a text", line) from None


def _inner(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _line_of(text: str, key: str, *, last: bool = False) -> int:
    found = [*re.finditer(rf'"{re.escape(key)}"\s*:', text)]
    return text.count("\n", 0, found[-1 if last else 0].start()) + 1 if found else 1


def _updated_at(value: object) -> Iterator[Problem]:
    if not isinstance(value, str) or not is_date(value.strip()):
        yield Problem(
            "updated_at",
            f"expected a time such as 2026-02-20T15:56:05+09:00, found {_shown(value)}",
            "write when the state was last changed, with the offset from UTC",
        )


def _owner(state: State) -> Iterator[Problem]:
    owner = state.value.get("owner")
    is_named = isinstance(owner, str) and owner.strip() and owner.strip().lower() != UNASSIGNED
    if state.name == "done" and not is_named:
        message = f"expected the owner of a done task, found {_shown(owner)}"
        yield Problem("owner", message, "name who did it")


def _blocking(state: State) -> Iterator[Problem]:
    value = state.value.get("blocking_issues")
    if value is not None and not isinstance(value, list):
        message = f"expected a list, found {_shown(value)}"
        yield Problem("blocking_issues", message, "write [] or a list of reasons")
        return
    reasons = [entry for entry in value or () if not isinstance(entry, str) or entry.strip()]
    if state.name == "blocked" and not reasons:
        yield Problem(
            "blocking_issues",
            "expected what blocks the task, found none",
            "name what blocks it, or set the state that it is in",
        )
    if state.name not in ("blocked", None) and value:
        yield Problem(
            "blocking_issues",
            f"expected none for a task that is {state.name}, found {len(value)}",
            'set the state to "blocked", or empty blocking_issues',
        )


def _kind(value: object) -> str:
    kinds = {list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return "an object"
    if not isinstance(value, str):
        return _kind(value)
    return json.dumps(value, ensure_ascii=False)[:60].encode(errors="backslashreplace").decode()
