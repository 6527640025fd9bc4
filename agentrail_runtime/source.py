"""Where the runtime's files come from: the wheel's payload or a ``dist/runtime`` directory.

Both are a bundle: files beside a ``runtime.index.json`` that lists them. A bundle is checked, every
byte of it, before anything is planned; what is read later is checked again when it is read.
"""

from __future__ import annotations

import copy
import errno
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from typing import Final, Literal, Protocol

from agentrail_runtime.descriptor import READ_FLAGS, read_all
from agentrail_runtime.document import DocumentError
from agentrail_runtime.entry import (
    INDEX_NAME,
    MANIFEST_NAME,
    SIGNATURE_NAME,
    Entry,
    Index,
    IndexSchemaError,
    PathError,
    RelPath,
    load_index,
    parse_path,
    sha256,
)
from agentrail_runtime.errors import IncompatibleError, SourceError
from agentrail_runtime.receipt import SourceKind

Integrity = Literal["verified", "unverified"]
UNINDEXED_VERSION: Final = "0+unindexed"
"""The runtime version of a bundle that does not say it; lower than every released one."""


class Source(Protocol):
    """What an install needs of a route."""

    @property
    def kind(self) -> SourceKind:
        """The route."""

    @property
    def location(self) -> str:
        """Where the bundle lies, for the report."""

    @property
    def index(self) -> Index:
        """What the bundle holds."""

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of the index."""

    @property
    def integrity(self) -> Integrity:
        """Whether the files were checked against an index that came with them."""

    @property
    def is_signed(self) -> bool:
        """Whether a signature lies beside the index."""

    def read(self, path: RelPath) -> bytes:
        """Return the bytes of a file.

        Raises:
            SourceError: they are not what the index says.
        """


class Tree(Protocol):
    """A read-only tree of files, wherever it is stored."""

    def read(self, path: str) -> bytes:
        """Return the bytes of the file at `path`; OSError if there is no plain file."""

    def walk(self) -> Iterator[tuple[str, str]]:
        """Yield every path with what is wrong with it, an empty text for a plain file."""


class DirectoryTree:
    """A tree on disk; a symlink in it is a finding, never followed."""

    def __init__(self, root: str) -> None:
        self.root = root

    def read(self, path: str) -> bytes:
        """Return the bytes of the file at `path`."""
        descriptor = os.open(os.path.join(self.root, *path.split("/")), READ_FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a plain file")
            return read_all(descriptor, status.st_size)
        finally:
            os.close(descriptor)

    def walk(self) -> Iterator[tuple[str, str]]:
        """Yield every path below the root with what is wrong with it."""
        todo = [("", self.root)]
        while todo:
            prefix, directory = todo.pop()
            try:
                rows = [*os.scandir(directory)]
            except OSError as error:
                yield prefix.rstrip("/") or ".", f"cannot be read: {error.strerror}"
                continue
            for row in rows:
                path = prefix + row.name
                if row.is_symlink():
                    yield path, "is a symlink"
                elif row.is_dir(follow_symlinks=False):
                    todo.append((path + "/", row.path))
                else:
                    is_plain = row.is_file(follow_symlinks=False)
                    yield path, "" if is_plain else "is a special file"


class _Place(Protocol):
    """What is needed of ``importlib.resources.abc.Traversable``, which moved between versions."""

    @property
    def name(self) -> str: ...
    def is_dir(self) -> bool: ...
    def iterdir(self) -> Iterator[_Place]: ...
    def joinpath(self, child: str, /) -> _Place: ...
    def read_bytes(self) -> bytes: ...


class ResourceTree:
    """A tree that an importer provides, such as one inside a zip file."""

    def __init__(self, root: _Place) -> None:
        self._root = root

    def read(self, path: str) -> bytes:
        """Return the bytes of the file at `path`."""
        place = self._root
        for name in path.split("/"):
            place = place.joinpath(name)
        return place.read_bytes()

    def walk(self) -> Iterator[tuple[str, str]]:
        """Yield every path below the root."""
        todo = [("", self._root)]
        while todo:
            prefix, directory = todo.pop()
            for child in directory.iterdir():
                if child.is_dir():
                    todo.append((f"{prefix}{child.name}/", child))
                else:
                    yield prefix + child.name, ""


class Bundle:
    """A checked bundle; the one implementation of `Source`."""

    def __init__(
        self,
        tree: Tree,
        index: Index,
        *,
        kind: SourceKind,
        location: str,
        digest: str,
        integrity: Integrity = "verified",
        is_signed: bool = False,
    ) -> None:
        self.kind: SourceKind = kind
        self.location = location
        self.index = index
        self.digest = digest
        self.integrity: Integrity = integrity
        self.is_signed = is_signed
        self._tree = tree
        self._digests = {entry.path: entry.sha256 for entry in index.entries}
        self._texts: dict[RelPath, bytes] = {}

    def with_text(self, path: RelPath, data: bytes) -> Bundle:
        """Return the same bundle, of the same digest, but with other bytes in the file at `path`."""
        changed = copy.copy(self)
        digest = sha256(data)
        changed.index = self.index._replace(
            entries=tuple(
                entry._replace(sha256=digest, size=len(data)) if entry.path == path else entry
                for entry in self.index.entries
            )
        )
        changed._digests = {**self._digests, path: digest}
        changed._texts = {**self._texts, path: data}
        return changed

    def read(self, path: RelPath) -> bytes:
        """Return the bytes of the file at `path`, checked once more.

        Raises:
            SourceError: they are not what the index says, or cannot be read.
        """
        try:
            data = self._texts[path] if path in self._texts else self._tree.read(path)
        except OSError as error:
            raise _error(self.location, [f"{path}: cannot be read: {error}"]) from error
        if sha256(data) != self._digests[path]:
            raise _error(self.location, [f"{path}: altered while it was being installed"])
        return data


def open_package() -> Bundle:
    """Return the bundle that this package carries.

    Raises:
        SourceError: it is incomplete or altered.
        IncompatibleError: its index is of a schema that is not supported.
    """
    tree = package_tree()
    location = tree.root if isinstance(tree, DirectoryTree) else "agentrail_runtime/payload"
    return _open(tree, "package", location)


def package_tree() -> Tree:
    """Return the payload's files; those on disk are read without importlib.resources, which is slow."""
    root = os.path.join(os.path.dirname(__file__), "payload")
    if os.path.isdir(root):
        return DirectoryTree(root)
    if sys.version_info >= (3, 12):
        from importlib.resources import files  # pragma: no cover - the other Pythons run the other line
    else:
        from importlib_resources import files  # pragma: no cover

    return ResourceTree(files("agentrail_runtime").joinpath("payload"))


def open_copy(directory: str, *, is_explicit: bool = True) -> Bundle:
    """Return the bundle in `directory`, a ``dist/runtime``.

    Args:
        directory: its path.
        is_explicit: whether the user asked for this route; only then a bundle without an index will do.

    Raises:
        SourceError: absent, incomplete, altered, or without an index where one is needed.
        IncompatibleError: its index is of a schema that is not supported.
    """
    root = os.path.realpath(directory)
    if not os.path.isdir(root):
        raise SourceError(
            f"{directory}: no bundle (expected a directory with {INDEX_NAME})",
            paths=[directory],
            hint="name the bundle with --runtime-dir DIR, or use --source package",
        )
    tree = DirectoryTree(root)
    if os.path.lexists(os.path.join(root, INDEX_NAME)):
        return _open(tree, "copy", root)
    if not is_explicit:
        raise _error(root, [f"{INDEX_NAME}: missing"])
    return _open_unindexed(tree, root)


def _open(tree: Tree, kind: SourceKind, location: str) -> Bundle:
    try:
        data = tree.read(INDEX_NAME)
        index = load_index(data)
    except IndexSchemaError as error:
        raise IncompatibleError(
            f"{location}: {INDEX_NAME}: {error}",
            paths=[INDEX_NAME],
            hint="upgrade the installer: pip install --upgrade agentrail-runtime",
        ) from None
    except (OSError, DocumentError) as error:
        found = str(error) if isinstance(error, DocumentError) else "missing or unreadable"
        raise _error(location, [f"{INDEX_NAME}: {line}" for line in found.splitlines()]) from None
    entries = {entry.path: entry for entry in (*index.entries, *index.metadata)}
    present = dict(tree.walk())
    if findings := [*_differences(tree, entries, present)]:
        raise _error(location, findings)
    return Bundle(
        tree,
        index,
        kind=kind,
        location=location,
        digest=f"sha256:{sha256(data)}",
        is_signed=SIGNATURE_NAME in present,
    )


def _differences(
    tree: Tree, entries: Mapping[RelPath, Entry], present: dict[str, str]
) -> Iterator[str]:
    """Yield one finding for every file that is not as the index says."""
    for path, entry in entries.items():
        if path not in present:
            yield f"{path}: missing"
        elif not present[path]:
            yield from _difference(tree, entry)
    for name, problem in sorted(present.items()):
        if problem:
            yield f"{name}: {problem}"
        elif name not in entries and not _may_lie_beside(name, entries):
            yield f"{name}: not in the index"


def _difference(tree: Tree, entry: Entry) -> Iterator[str]:
    try:
        data = tree.read(entry.path)
    except OSError as error:
        yield f"{entry.path}: cannot be read: {error.strerror}"
        return
    if len(data) != entry.size:
        yield f"{entry.path}: altered (expected {entry.size} bytes, got {len(data)})"
    elif (digest := sha256(data)) != entry.sha256:
        yield f"{entry.path}: altered (expected sha256 {entry.sha256}, got {digest})"


def _may_lie_beside(path: str, entries: Mapping[RelPath, Entry]) -> bool:
    """Tell whether a file may be there unlisted: the index, its signature, what pip compiles."""
    if path in (INDEX_NAME, SIGNATURE_NAME):
        return True
    above, _, name = path.rpartition("/")
    package, _, cache = above.rpartition("/")
    module = f"{package}/{name.partition('.')[0]}.py".lstrip("/")
    return cache == "__pycache__" and name.endswith(".pyc") and module in entries


def _open_unindexed(tree: DirectoryTree, location: str) -> Bundle:
    """Return a bundle made by the older export: its index is made here, its classes are ours."""
    from agentrail_runtime import manifest

    classes = manifest.load(package_tree().read(MANIFEST_NAME).decode())
    findings, entries = [], []
    for path, problem in sorted(tree.walk()):
        try:
            if problem:
                raise PathError(f"{path}: {problem}")
            data = tree.read(parse_path(path))
        except (PathError, OSError) as error:
            findings.append(str(error))
            continue
        entries.append(
            Entry(
                path=RelPath(path),
                ownership=classes.ownership(path),
                sha256=sha256(data),
                size=len(data),
                executable=_is_executable(location, path),
            )
        )
    if not entries:
        findings.append(f"{INDEX_NAME}: missing, and no other file either")
    index = Index(runtime_version=UNINDEXED_VERSION, entries=tuple(entries))
    text = index.dump()
    try:
        load_index(text)
    except DocumentError as error:
        findings += str(error).splitlines()
    if findings:
        raise _error(location, findings)
    return Bundle(
        tree,
        index,
        kind="copy",
        location=location,
        digest=f"sha256:{sha256(text)}",
        integrity="unverified",
    )


def _is_executable(root: str, path: str) -> bool:
    mode = os.stat(os.path.join(root, *path.split("/")), follow_symlinks=False).st_mode
    return os.name == "posix" and bool(mode & stat.S_IXUSR)


def _error(location: str, findings: list[str]) -> SourceError:
    paths = [finding.partition(": ")[0] for finding in findings]
    return SourceError(
        "\n".join(f"{location}: {finding}" for finding in findings),
        paths=paths,
        hint="install the package again (pip install --force-reinstall agentrail-runtime), "
        "or fetch the bundle again",
    )


def choose(requested: str, directory: str) -> tuple[Bundle, str | None]:
    """Return the bundle for ``--source requested``, and why it is not the package where auto fell back.

    Args:
        requested: ``auto``, ``package`` or ``copy``.
        directory: where ``dist/runtime`` lies.

    Raises:
        SourceError: no route is usable; each is told.
        IncompatibleError: the index of the route is of a schema that is not supported.
    """
    if requested == "package":
        return open_package(), None
    if requested == "copy":
        return open_copy(directory), None
    try:
        return open_package(), None
    except SourceError as error:
        return _fall_back(directory, error)


def _fall_back(directory: str, reason: SourceError) -> tuple[Bundle, str]:
    """Return the copy bundle if it is the very one that the damaged package says it carries."""
    try:
        expected = f"sha256:{sha256(package_tree().read(INDEX_NAME))}"
    except OSError:
        expected = "unknown"
    try:
        bundle = open_copy(directory, is_explicit=False)
    except SourceError as error:
        both = f"{reason.message}\n{error.message}"
        raise SourceError(both, paths=reason.paths, hint=reason.hint) from None
    if bundle.digest != expected:
        raise SourceError(
            f"{reason.message}\n{bundle.location}: another bundle than the package's "
            f"(expected {expected}, got {bundle.digest})",
            paths=reason.paths,
            hint=f"{reason.hint}; to take this bundle as it is: --source copy",
        )
    return bundle, f"the package is damaged: {reason.message}"
