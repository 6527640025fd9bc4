"""Finding pins of the runtime in the files that package tools read and write.

That are pip's `requirements files
<https://pip.pypa.io/en/stable/reference/requirements-file-format/>`_, constraints and the files of
pip-tools among them; ``pyproject.toml`` with `dependencies
<https://packaging.python.org/specifications/pyproject-toml/>`_, `groups
<https://packaging.python.org/specifications/dependency-groups/>`_ (PEP 735) and the tables of uv and
Poetry; their lock files; and the `lock file that tools share
<https://packaging.python.org/specifications/pylock-toml/>`_ (PEP 751).

A TOML parser tells no lines. The line of a pin is therefore the one on which its text is found; the
second of two equal texts gets the second such line.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from agentrail_runtime import pin as pin_
from agentrail_runtime import poetry
from agentrail_runtime.pin import NAME, SPELLING, Environment, Pin, PinError, PinState

Toml: TypeAlias = dict[str, Any]
_Row = TypeVar("_Row")

LOCKS: Final = ("uv.lock", "poetry.lock")
_PYLOCK: Final = re.compile(r"pylock(\.[^.]+)?\.toml")
_MOST_BYTES: Final = 2 << 20
_MOST_LOCK_BYTES: Final = 16 << 20
_MOST_TOML_BYTES: Final = 512 << 10
_MOST_BLOCK_CHARACTERS: Final = 32 << 10
_MOST_PINS: Final = 100
_MOST_DOTS: Final = 64
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_COMMENT: Final = re.compile(r"(?:^|\s)#.*", re.DOTALL)
_IS_NAME: Final = re.compile(SPELLING, re.ASCII | re.I)
_MENTION: Final = re.compile(SPELLING.encode())


class Reader(NamedTuple):
    """What has to come from outside to read files.

    Args:
        environment: the values of environment markers.
        load_toml: parses a TOML text; ValueError where it is none.
    """

    environment: Environment
    load_toml: Callable[[str], Toml]


def may_hold_pins(path: str) -> bool:
    """Tell by its name whether the file at `path` is one that pins stand in."""
    above, _, name = path.lower().rpartition("/")
    if name.endswith(".txt"):
        words = ("requirements", "constraints")
        return above.rpartition("/")[2] in words or any(word in name for word in words)
    return name.endswith(".in") or name == "pyproject.toml" or is_lock(path)


def is_lock(path: str) -> bool:
    """Tell by its name whether the file at `path` is a lock file."""
    name = path.lower().rpartition("/")[2]
    return name in LOCKS or _PYLOCK.fullmatch(name) is not None


def size_limit(path: str) -> int:
    """Return the size (bytes) beyond which the file at `path` is not looked into."""
    return _MOST_LOCK_BYTES if is_lock(path) else _MOST_BYTES


def mentions(data: bytes) -> bool:
    """Tell whether a file names the runtime anywhere; quick, and without parsing."""
    lowered = (data.replace(b"\0", b"") if data.startswith(_UTF_16) else data).lower()
    return b"agentrail" in lowered and _MENTION.search(lowered) is not None


def find(path: str, data: bytes, reader: Reader) -> list[PinState]:
    """Return the pins in the file at `path`, and what in it names the runtime and cannot be read."""
    is_toml = path.lower().endswith((".toml", ".lock"))
    read = _locked if is_lock(path) else _declared if is_toml else _required
    text = _text(data)
    try:
        if is_toml and "\ufffd" in text:
            data.decode()
        return _limited(read(path, text, reader))
    except UnicodeDecodeError as error:
        return [_unreadable(path, _mentioned(text), PinError(f"not UTF-8 (byte {error.start})"))]
    except PinError as error:
        return [_unreadable(path, _mentioned(text), error)]


def _limited(rows: Iterator[_Row]) -> list[_Row]:
    found = [*islice(rows, _MOST_PINS + 1)]
    if len(found) > _MOST_PINS:
        raise PinError(f"expected at most {_MOST_PINS} requirements on {NAME}")
    return found


def _text(data: bytes) -> str:
    """Return the text of a file with LF line ends; U+FFFD stands for what is none."""
    text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _mentioned(text: str) -> int:
    """Return the line on which `text` first names the runtime."""
    found = _IS_NAME.search(text)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _unreadable(path: str, line: int, error: PinError, requirement: str = "") -> PinState:
    return PinState(
        Pin(path, line, pin_.shown(requirement)),
        f"cannot be read: {pin_.shown(str(error))}",
        f"mend {path}, then run the command again",
    )


# --- requirements files -----------------------------------------------------------------------------


def _required(path: str, text: str, reader: Reader) -> Iterator[PinState]:
    """Yield the pins of a requirements file."""
    for line, joined in _joined_lines(text):
        requirement = re.split(r"\s-", _COMMENT.sub("", joined), maxsplit=1)[0].strip()
        if _IS_NAME.search(requirement) and not requirement.startswith("-"):
            yield from _state(path, line, requirement, reader)


def _joined_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line with its number, one that ends in a backslash with those that go on with it."""
    parts: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        parts.append(line.removesuffix("\\"))
        if not line.endswith("\\") or line.lstrip().startswith("#"):
            yield number - len(parts) + 1, " ".join(parts)
            parts = []
    yield number - len(parts) + 1, " ".join(parts)


def _state(path: str, line: int, requirement: str, reader: Reader) -> Iterator[PinState]:
    """Yield the pin that a requirement is, if it is one on the runtime."""
    place: dict[str, Any] = {"path": path, "line": line, "environment": reader.environment}
    try:
        found = pin_.from_requirement(requirement, **place) or pin_.from_file(requirement, **place)
        if found:
            yield PinState(found)
    except PinError as error:
        yield _unreadable(path, line, error, requirement)


# --- pyproject.toml ---------------------------------------------------------------------------------


def _declared(path: str, text: str, reader: Reader) -> Iterator[PinState]:
    """Yield the pins of a ``pyproject.toml``."""
    value, lines = _load(text, reader), _Lines(text)
    for requirement in _requirements(value):
        for state in _state(path, 1, requirement, reader):
            line = lines.take(re.escape(requirement))
            yield state._replace(pin=state.pin._replace(line=line))
    for name, constraints in _poetry_rows(value):
        if _IS_NAME.fullmatch(name):
            line = lines.take(rf"^\s*(\[.*\.)?[\"']?{re.escape(name)}[\"']?\s*[\].=]")
            for constraint in constraints:
                yield from _poetry_states(path, line, name, constraint, reader)


def _load(text: str, reader: Reader) -> Toml:
    """Return the TOML document in `text`.

    Raises:
        PinError: it is none, or one that would take too long to parse.
    """
    if len(text) > _MOST_TOML_BYTES:
        raise PinError(f"expected at most {_MOST_TOML_BYTES >> 10} KiB")
    # The time that a parser takes grows with the square of the dots in a key.
    bare = re.sub(r"\"[^\"\n]*\"|'[^'\n]*'", "", text)
    if any(part.count(".") > _MOST_DOTS for part in re.split(r"[=,{}\[\]#\n]", bare)):
        raise PinError("nested too deep")
    try:
        return reader.load_toml(text)
    except RecursionError:
        raise PinError("nested too deep") from None
    except ValueError as error:
        raise PinError(f"not TOML: {error}") from None


def _requirements(value: Toml) -> Iterator[str]:
    """Yield every requirement (PEP 508); a group that another one includes is told once, as itself."""
    project = _table(value, "project")
    lists = [project.get("dependencies"), *_table(project, "optional-dependencies").values()]
    lists += _table(value, "dependency-groups").values()
    uv = _table(value, "tool", "uv")
    lists += [uv.get(f"{kind}-dependencies") for kind in ("dev", "constraint", "override")]
    for rows in lists:
        if isinstance(rows, list):
            yield from (row for row in rows if isinstance(row, str))


def _poetry_rows(value: Toml) -> Iterator[tuple[str, list[object]]]:
    """Yield name and constraints of every dependency in Poetry's tables."""
    poetry_ = _table(value, "tool", "poetry")
    groups = [_table(group, "dependencies") for group in _table(poetry_, "group").values()]
    for table in (_table(poetry_, "dependencies"), _table(poetry_, "dev-dependencies"), *groups):
        for name, row in table.items():
            yield name, row if isinstance(row, list) else [row]


def _poetry_states(
    path: str, line: int, name: str, constraint: object, reader: Reader
) -> Iterator[PinState]:
    """Yield the pin that a dependency in a table of Poetry's is."""
    table = constraint if isinstance(constraint, dict) else {"version": constraint}
    version, marker, python = (str(table.get(key, "")) for key in ("version", "markers", "python"))
    requirement = f'{name} = "{version}"' if version else name
    try:
        specifier = pin_.ALTERNATIVES.join(poetry.alternatives(version))
        pythons = pin_.ALTERNATIVES.join(poetry.alternatives(python))
    except ValueError:
        yield _unreadable(path, line, PinError("expected a constraint as Poetry's"), requirement)
        return
    exact = pin_.exact(specifier)
    for key in ("url", "file", "path"):
        if key in table:
            specifier, exact = pin_.of_file(str(table[key]))
    applies = pin_.admits(pythons, reader.environment["python_full_version"])
    applies = applies and pin_.is_met(marker, reader.environment)
    yield PinState(Pin(path, line, pin_.shown(requirement), specifier, exact, applies))


def _table(value: object, *keys: str) -> Toml:
    """Return the table below `keys`, an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


class _Lines:
    """Finds the lines of a TOML text that patterns match, for each pattern one after the other."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._found: dict[str, tuple[Iterator[int], int]] = {}

    def take(self, pattern: str) -> int:
        """Return the next line that `pattern` matches; the last one again when there are no more."""
        first = (self._matching(pattern), 1)
        numbers, last = self._found.get(pattern, first)
        number = next(numbers, last)
        self._found[pattern] = numbers, number
        return number

    def _matching(self, pattern: str) -> Iterator[int]:
        matches = re.compile(pattern).search
        for number, line in enumerate(self._lines, start=1):
            if not line.lstrip().startswith("#") and matches(line):
                yield number


# --- lock files -------------------------------------------------------------------------------------

_HEADER: Final = re.compile(r"^\[(?!\[?[ \t]*packages?[ \t]*\.)", re.M)
_BLOCK: Final = re.compile(r"\[\[[ \t]*(packages?)[ \t]*\]\]")
_LOCKED_NAME: Final = re.compile(rf"^name[ \t]*=[ \t]*[\"']{SPELLING}[\"']", re.ASCII | re.I | re.M)
_LOCAL: Final = ("editable", "virtual", "directory")


def _locked(path: str, text: str, reader: Reader) -> Iterator[PinState]:
    """Yield the pins of a lock file.

    It may have megabytes, which take many seconds to parse: only the blocks on the runtime are parsed.
    """
    for name in _limited(_LOCKED_NAME.finditer(text)):
        start = text.rfind("\n[", 0, name.start()) + 1
        end = _HEADER.search(text, name.end())
        if block := _BLOCK.match(text, start):
            line = text.count("\n", 0, name.start()) + 1
            yield from _locked_states(path, line, block[1], text[start : end and end.start()], reader)


def _locked_states(path: str, line: int, key: str, text: str, reader: Reader) -> Iterator[PinState]:
    """Yield the pin that a block of a lock file is; none for a directory, whose version is its own."""
    try:
        if len(text) > _MOST_BLOCK_CHARACTERS:
            raise PinError(f"expected at most {_MOST_BLOCK_CHARACTERS >> 10} KiB about one package")
        row = _load(text, reader)[key][0]
        if not _IS_NAME.fullmatch(str(row.get("name"))):
            raise PinError("expected the name in its own table")
    except PinError as error:
        yield _unreadable(path, line, error)
        return
    source, version = _table(row, "source"), row.get("version")
    is_local = source.get("type") == "directory" or any(key in row or key in source for key in _LOCAL)
    if isinstance(version, str) and not is_local:
        markers = _markers(row)
        applies = not markers or any(pin_.is_met(marker, reader.environment) for marker in markers)
        yield PinState(pin_.from_version(version, path=path, line=line, applies=applies))


def _markers(row: Toml) -> list[str]:
    """Return the environment markers of a block, of which one has to be met."""
    found: list[object] = [row.get("marker")]
    for value in (row.get("markers"), row.get("resolution-markers")):
        many = [*value.values()] if isinstance(value, dict) else value
        found += many if isinstance(many, list) else [many]
    return [marker for marker in found if isinstance(marker, str)]
