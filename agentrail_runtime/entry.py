"""Paths, digests, ownership classes and the index of a bundle: frozen values, no I/O."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any, Final, Literal, NamedTuple, NewType, get_args

from agentrail_runtime import document
from agentrail_runtime.document import DocumentError, Json
from agentrail_runtime.table import Layout

RelPath = NewType("RelPath", str)
"""A path below a target or a bundle, with ``/``, that `parse_path` has let through."""

Ownership = Literal["managed", "seed", "block", "profile"]
"""Who owns a file after it was installed; the contract's table says what each class means."""

OWNERSHIPS: Final[tuple[Ownership, ...]] = get_args(Ownership)
INDEX_NAME: Final = "runtime.index.json"
SIGNATURE_NAME: Final = "runtime.index.json.sig"
MANIFEST_NAME: Final = "framework.runtime.manifest.yaml"
POLICY_NAME: Final = "distribution.yaml"
LAST_PHASE: Final = 4  # of the migration: the copy route is removed
PROFILE_PATH: Final = RelPath("project.profile.yaml")
FORMER_TASK_ROOT: Final = RelPath("work")
"""Where task records are when the profile does not say it."""

STATE_ROOT: Final = RelPath(".agentrail")
RECEIPT_PATH: Final = RelPath(".agentrail/receipt.json")
GITIGNORE_PATH: Final = RelPath(".agentrail/.gitignore")
STATE_PATH: Final = RelPath(".agentrail/state")

_PATH_BYTES: Final = 1024
_NAME_BYTES: Final = 255
# Not compiled before they are needed: few paths get so far.
_FORBIDDEN = r'[\x00-\x1f\x7f-\x9f<>:"|?*\\]'
_RESERVED = r"(?i:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)"
# A path of ASCII names that nothing below could object to; `_SUSPECT` may be one in spite of that.
_PLAIN = re.compile(r"(?=.{1,255}\Z)[A-Za-z0-9_.-]*[A-Za-z0-9_-](?:/[A-Za-z0-9_.-]*[A-Za-z0-9_-])*")
_SUSPECT = re.compile(r"(?:^|/)(?:con|prn|aux|nul|com\d|lpt\d|\.git)(?:[./]|\Z)", re.I)
# The same for many of them, in lower case, each between two slashes.
_PLAIN_BYTES = b"abcdefghijklmnopqrstuvwxyz0123456789_./-"
_SUSPECTS = re.compile(r"/(?:con|prn|aux|nul|com\d|lpt\d|\.git)[./]")
# HFS+ ignores these code points in names, so that ".g<U+200C>it" opens ".git" there.
_IGNORABLE = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class PathError(ValueError):
    """A path that is not safe to write on every platform; the text says what is wrong with it."""


def parse_path(text: str) -> RelPath:
    """Return `text` as a `RelPath`.

    Only a relative path with ``/`` between plain names passes: no ``..``, no drive letter, no
    control character, nothing that Windows reserves or rewrites
    (https://learn.microsoft.com/windows/win32/fileio/naming-a-file) and no ``.git`` in any spelling
    that a file system takes for it.

    Raises:
        PathError: naming the first thing that is wrong.
    """
    if _PLAIN.fullmatch(text) and not _SUSPECT.search(text):
        return RelPath(text)  # nearly every path, in a fifth of the time
    if not text:
        raise PathError("an empty path")
    shown = _shown(text)
    try:
        length = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise PathError(f"{shown}: not valid Unicode") from None
    if length > _PATH_BYTES:
        raise PathError(f"{shown}: path too long (expected at most {_PATH_BYTES} bytes)")
    if text.startswith("/"):
        raise PathError(f"{shown}: an absolute path (expected one below the target)")
    if re.match(r"[A-Za-z]:", text):
        raise PathError(f"{shown}: a drive letter (expected a path below the target)")
    if bad := re.search(_FORBIDDEN, text):
        raise PathError(f"{shown}: the character {bad.group()!r} is not allowed in a path")
    for name in text.split("/"):
        if problem := _name_problem(name):
            raise PathError(f"{shown}: {problem}")
    return RelPath(text)


def are_plain(paths: Sequence[str]) -> bool:
    """Tell whether `parse_path` lets all of `paths` through and `collisions` finds nothing in them.

    This looks at all of them at once; where it says no, those two tell what is wrong, if anything.
    """
    lines = "\n".join(paths).lower()
    joined = f"/{lines}/".replace("\n", "/")
    is_odd = not lines.isascii() or "//" in joined or "./" in joined
    if is_odd or joined.encode().translate(None, _PLAIN_BYTES) or _SUSPECTS.search(joined):
        return not paths
    keys = {*lines.split("\n")}
    directories = {key.rpartition("/")[0] for key in keys}
    directories |= {above for path in directories for above in parents(path)}
    has_room = max(map(len, paths)) <= _NAME_BYTES
    is_unique = len(keys) == len(paths) == lines.count("\n") + 1
    return has_room and is_unique and keys.isdisjoint(directories)


def _name_problem(name: str) -> str | None:
    if name in ("", ".", ".."):
        return f"{name!r} is not allowed as a path component"
    if len(name.encode("utf-8")) > _NAME_BYTES:
        return f"name too long (expected at most {_NAME_BYTES} bytes)"
    if name[-1] in ". ":
        return f"{name!r} ends in a dot or a space"
    if re.match(_RESERVED, name):
        return f"{name!r} is a reserved name on Windows"
    if name.translate(_IGNORABLE).casefold() in (".git", "git~1"):
        return f"{name!r} belongs to git"
    return None


def _shown(text: str) -> str:
    readable = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return readable if len(readable) <= 120 else f"{readable[:100]}… ({len(text)} characters)"


def with_bit(mode: int, *, executable: bool | None) -> int:
    """Return permission bits with the executable bit set for whoever may read, cleared, or as it is."""
    if executable is None:
        return mode
    return mode | (mode & 0o444) >> 2 if executable else mode & ~0o111


def parents(path: str) -> Iterator[RelPath]:
    """Yield the directories above `path`, the nearest first, without the root."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield RelPath(path)


def collision_key(path: str) -> str:
    """Return what is equal for two paths that a case- or form-folding file system takes for one."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def collisions(paths: Iterable[str]) -> list[str]:
    """Return one finding for every path that cannot stand beside another one of `paths`."""
    seen: dict[str, str] = {}
    findings = []
    for path in sorted(paths):
        key = collision_key(path)
        if key in seen:
            findings.append(
                f"{path}: equal to {seen[key]} but for case or Unicode form"
                if seen[key] != path
                else f"{path}: listed twice"
            )
        seen[key] = path
    free: set[str] = set()  # directories that have no file's name, and nor has any above them
    for path in seen.values():
        unknown = [*takewhile(lambda above: above not in free, parents(path))]
        taken = [key for above in unknown if (key := collision_key(above)) in seen]
        findings += [f"{path}: lies under {seen[key]}, which is a file" for key in taken]
        if not taken:
            free.update(unknown)
    return findings


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()


def git_blob(data: bytes) -> str:
    """Return the object id that git gives `data` as a blob (SHA-1 in hex, git-hash-object(1))."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def parse_digest(value: Json, key: str, *, place: str) -> str:
    """Return the hex SHA-256 under `key`.

    Raises:
        DocumentError: absent, or not 64 lower-case hex digits.
    """
    text = document.field(value, key, str, place=place)
    if not _DIGEST.fullmatch(text):
        raise DocumentError(f"{place}.{key}: expected a hex sha256, got {_shown(text)!r}")
    return str(text)


def parse_entry_path(value: Json, *, place: str) -> RelPath:
    """Return the path under ``path``.

    Raises:
        DocumentError: absent, or not a path that `parse_path` lets through.
    """
    try:
        return parse_path(document.field(value, "path", str, place=place))
    except PathError as error:
        raise DocumentError(f"{place}.path: {error}") from None


StateKind = Literal["absent", "file", "link", "directory", "special", "blocked"]


class State(NamedTuple):
    """What stands at a path of the target.

    For a file: the hex SHA-256 of its bytes, its size in bytes and its permission bits. For a
    symlink `place` is the file inside the target that it leads to, empty where it leads to none; for
    a path that is blocked it is the symlink or file that stands in the place of a directory.
    """

    kind: StateKind = "absent"
    sha256: str = ""
    size: int = 0
    mode: int = 0
    place: str = ""

    @property
    def is_executable(self) -> bool:
        """Whether the owner may execute the file."""
        return bool(self.mode & 0o100)


class Entry(NamedTuple):
    """One file of a bundle: where it goes, who owns it, and what its bytes are."""

    path: RelPath
    ownership: Ownership
    sha256: str
    size: int
    executable: bool = False

    def as_json(self) -> Json:
        """Return the entry as it stands in an index."""
        return {
            "path": self.path,
            "ownership": self.ownership,
            "sha256": self.sha256,
            "size": self.size,
            "executable": self.executable,
        }


class Index(NamedTuple):
    """What a bundle holds: the content of ``runtime.index.json``.

    `metadata` lists files that travel with the bundle and are checked, but are not installed.
    `task_root` is what the profile among the entries says; `phase`, `default_source` and `deprecation`,
    a JSON object, are what the distribution policy says; each None where the index does not tell.
    """

    runtime_version: str
    release_seq: int = 0
    profile_schema_versions: tuple[str, ...] = ("2.0.0",)
    entries: tuple[Entry, ...] = ()
    metadata: tuple[Entry, ...] = ()
    task_root: str | None = None
    schema_version: str = "1.0"
    extra: Json = {}
    phase: int | None = None
    default_source: Literal["package", "copy"] | None = None
    deprecation: Json | None = None

    def dump(self) -> bytes:
        """Return the canonical bytes, whose SHA-256 is the digest of the bundle."""
        keys = ("task_root", "phase", "default_source", "deprecation")
        told = {key: getattr(self, key) for key in keys}
        return _ROWS.dump(
            {
                **self.extra,
                **{key: value for key, value in told.items() if value is not None},
                "schema_version": self.schema_version,
                "runtime_version": self.runtime_version,
                "release_seq": self.release_seq,
                "profile_schema_versions": list(self.profile_schema_versions),
                "metadata": [
                    {"path": entry.path, "sha256": entry.sha256, "size": entry.size}
                    for entry in self.metadata
                ],
            },
            map(_row, self.entries),
        )


def _row(entry: Entry) -> str:
    path, ownership, digest, size, executable = entry
    return _ROWS.template % ("true" if executable else "false", ownership, path, digest, size)


class IndexSchemaError(DocumentError):
    """The index is of a schema that this version does not read."""


OWNERSHIP_ROW: Final = '"(managed|seed|block|profile)"'
PATH_ROW: Final = r'"([^"\\\x00-\x1f]+)"'
DIGEST_ROW: Final = '"([0-9a-f]{64})"'
SIZE_ROW: Final = "(0|[1-9][0-9]{0,14})"
BOOL_ROW: Final = "(true|false)"
_ROWS = Layout.of(
    "entries",
    {
        "executable": BOOL_ROW,
        "ownership": OWNERSHIP_ROW,
        "path": PATH_ROW,
        "sha256": DIGEST_ROW,
        "size": SIZE_ROW,
    },
)
_INDEX_KEYS = {
    "schema_version",
    "runtime_version",
    "release_seq",
    "profile_schema_versions",
    "entries",
    "metadata",
    "task_root",
    "phase",
    "default_source",
    "deprecation",
}
_ENTRY_KEYS = {"path", "ownership", "sha256", "size", "executable"}


def load_index(data: bytes) -> Index:
    """Return the index that `data` holds; unknown keys are kept in `Index.extra`.

    Raises:
        IndexSchemaError: of another major schema version than 1.
        DocumentError: anything else; the text has one line for each finding.
    """
    if found := _ROWS.load(data, _entries):
        with suppress(DocumentError):  # the other way tells better what is wrong
            return _load_index(*found)
    return _load_index(document.load(data), None)


def _load_index(value: Json, listed: list[Entry] | None) -> Index:
    schema = document.field(value, "schema_version", str)
    if not document.schema_window(schema, major=1):
        raise IndexSchemaError(f"schema_version: expected 1.x, got {schema}")
    document.refuse_misspelt(value, _INDEX_KEYS)
    findings: list[str] = []
    entries = listed or [*_load_entries(value, "entries", findings)]
    metadata = tuple(_load_entries(value, "metadata", findings))
    paths = [entry.path for entry in (*entries, *metadata)]
    if not are_plain(paths):
        findings += path_findings([entry.path for entry in entries], "entries") if listed else ()
        findings += collisions(paths)
    findings += [
        f"{path}: belongs to the installer"
        for _, path in suspects([entry.path for entry in entries])
        if is_reserved(collision_key(path))
    ]
    if findings:
        raise DocumentError("\n".join(findings))
    versions = document.field(value, "profile_schema_versions", list, default=["2.0.0"])
    if not all(isinstance(version, str) and _NUMBERS.fullmatch(version) for version in versions):
        raise DocumentError("profile_schema_versions: expected versions, as 2.0.0")
    default_source = document.field(value, "default_source", str, default=None)
    if default_source not in (None, "package", "copy"):
        raise DocumentError(f"default_source: expected package|copy, got {default_source!r}")
    return Index(
        schema_version=schema,
        runtime_version=document.field(value, "runtime_version", str),
        release_seq=document.field(value, "release_seq", int, default=0),
        profile_schema_versions=tuple(versions),
        entries=tuple(sorted(entries, key=lambda entry: entry.path)),
        metadata=metadata,
        task_root=document.field(value, "task_root", str, default=None),
        extra=document.rest(value, _INDEX_KEYS),
        phase=document.field(value, "phase", int, default=None),
        default_source=default_source,
        deprecation=document.field(value, "deprecation", dict, default=None),
    )


def parse_task_root(text: str) -> RelPath:
    """Return `text` as the directory that task records are kept in.

    Raises:
        PathError: not a path below the target, or one that the installer keeps for itself.
    """
    path = parse_path(text.rstrip("/"))
    if is_reserved(collision_key(path)):
        raise PathError(f"{path}: belongs to the installer")
    return path


def is_reserved(key: str) -> bool:
    """Tell whether a path, as its `collision_key`, is one of the installer's own."""
    ours = (STATE_ROOT, RECEIPT_PATH, GITIGNORE_PATH, STATE_PATH, INDEX_NAME, SIGNATURE_NAME)
    return key in ours or key.startswith((STATE_PATH + "/", RECEIPT_PATH + "/", GITIGNORE_PATH + "/"))


def _entries(rows: Sequence[Any]) -> list[Entry]:
    """Return entries out of the rows of a canonical index, whose paths nobody has looked at yet."""
    owners: dict[str, Ownership] = {owner: owner for owner in OWNERSHIPS}
    return [
        Entry(path, owners[owner], digest, int(size), executable == "true")
        for executable, owner, path, digest, size in rows
    ]


def suspects(paths: Iterable[str]) -> list[tuple[int, str]]:
    """Return those of `paths`, with their places, that may be one of the installer's own."""
    return [row for row in enumerate(paths) if row[1][:1] in ".rR" or not row[1].isascii()]


def path_findings(paths: Iterable[str], key: str) -> Iterator[str]:
    """Yield what is wrong with each of `paths`, which stand under `key`."""
    for number, path in enumerate(paths):
        try:
            parse_path(path)
        except PathError as error:  # noqa: PERF203 - all findings are wanted
            yield f"{key}[{number}].path: {error}"


def _load_entries(value: Json, key: str, findings: list[str]) -> Iterator[Entry]:
    rows = document.field(value, key, list, default=... if key == "entries" else ())
    for number, row in enumerate(rows):
        place = f"{key}[{number}]"
        try:
            if not isinstance(row, dict):
                raise DocumentError(f"{place}: expected an object")
            document.refuse_misspelt(row, _ENTRY_KEYS, place=place)
            yield Entry(
                path=parse_entry_path(row, place=place),
                ownership=parse_ownership(row, place=place, default="managed"),
                sha256=parse_digest(row, "sha256", place=place),
                size=document.field(row, "size", int, place=place),
                executable=document.field(row, "executable", bool, place=place, default=False),
            )
        except DocumentError as error:
            findings.append(str(error))


def parse_ownership(value: Json, *, place: str, default: Ownership | None = None) -> Ownership:
    """Return the ownership class under ``ownership``.

    Raises:
        DocumentError: not one of the four classes, or absent without a `default`.
    """
    text = document.field(value, "ownership", str, place=place, default=default or ...)
    if text not in OWNERSHIPS:
        raise DocumentError(f"{place}.ownership: expected {'|'.join(OWNERSHIPS)}, got {text!r}")
    return text  # type: ignore[no-any-return]
