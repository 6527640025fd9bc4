"""Where the runtime's files come from: the wheel's payload or a ``dist/runtime`` directory.

Both are a bundle: files beside a ``runtime.index.json`` that lists them. A bundle is checked, every
byte of it, before anything is planned; what is read later is checked again when it is read.
"""

from __future__ import annotations

import copy
import os
import stat
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import Final, Literal, NamedTuple, Protocol

from agentrail_runtime import child, known
from agentrail_runtime.document import DocumentError
from agentrail_runtime.entry import (
    INDEX_NAME,
    MANIFEST_NAME,
    POLICY_NAME,
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
from agentrail_runtime.known import KNOWN_NAME, Known
from agentrail_runtime.receipt import SourceKind
from agentrail_runtime.tree import DirectoryTree, ResourceTree, Tree

Integrity = Literal["verified", "unverified"]
Signature = Literal["valid", "absent", "not-checked"]
BESIDE: Final = (INDEX_NAME, SIGNATURE_NAME)
"""The files of a bundle that its index does not list."""

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

    def read(self, path: RelPath) -> bytes:
        """Return the bytes of a file.

        Raises:
            SourceError: they are not what the index says.
        """


class Bundle:
    """A checked bundle; the one implementation of `Source`.

    `signature` are the bytes of the file beside its index, None where there is none; `data` are those
    of the index as they were checked, kept where there is a signature of them.
    """

    def __init__(
        self,
        tree: Tree,
        index: Index,
        *,
        kind: SourceKind,
        location: str,
        digest: str,
        integrity: Integrity = "verified",
        data: bytes = b"",
        signature: bytes | None = None,
    ) -> None:
        self.kind: SourceKind = kind
        self.location = location
        self.index = index
        self.digest = digest
        self.integrity: Integrity = integrity
        self.data = data
        self.signature = signature
        self._tree = tree
        self._digests: dict[RelPath, str] = {}
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
        changed._digests = {}
        changed._texts = {**self._texts, path: data}
        return changed

    def read(self, path: RelPath) -> bytes:
        """Return the bytes of the file at `path`, checked once more.

        Raises:
            SourceError: they are not what the index says, or cannot be read.
        """
        try:
            data = self._texts[path] if path in self._texts else self._tree.fetch(path).data
        except OSError as error:
            raise _error(self.location, [f"{path}: cannot be read: {error}"]) from error
        if not self._digests:  # most runs read no file of it
            listed = (*self.index.entries, *self.index.metadata)
            self._digests = {entry.path: entry.sha256 for entry in listed}
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
    return open_tree(tree, "package", tree.root)


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
        return open_tree(tree, "copy", root)
    if not is_explicit:
        raise _error(root, [f"{INDEX_NAME}: missing"])
    return _open_unindexed(tree, root)


def open_tree(tree: Tree, kind: SourceKind, location: str) -> Bundle:
    """Return the bundle that the files in `tree` are; messages call it `location`.

    Raises:
        SourceError: incomplete, altered or without an index.
        IncompatibleError: its index is of a schema that is not supported.
    """
    try:
        data = tree.fetch(INDEX_NAME).data
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
    present = dict(tree.walk())
    if findings := [*_differences(tree, index, present)]:
        raise _error(location, findings)
    signature = tree.fetch(SIGNATURE_NAME).data if SIGNATURE_NAME in present else None
    return Bundle(
        tree,
        index,
        kind=kind,
        location=location,
        digest=f"sha256:{sha256(data)}",
        signature=signature,
        data=data if signature is not None else b"",
    )


def _differences(tree: Tree, index: Index, present: Mapping[str, str]) -> Iterator[str]:
    """Yield one finding for every file that is not as the index says."""
    entries = {entry.path: entry for entry in (*index.entries, *index.metadata)}
    modes: dict[str, int | None] = {}
    sound = _sound(tree, [path for path in entries if present.get(path) == ""], entries, modes)
    for path in entries:
        if path not in present:
            yield f"{path}: missing"
    for name, problem in sorted(row for row in present.items() if row[0] not in sound):
        entry = entries.get(RelPath(name))
        if problem:
            yield f"{name}: {problem}"
        elif entry is None and not _may_lie_beside(name, entries):
            yield f"{name}: not in the index"
        elif entry is not None or name in BESIDE:
            yield from _difference(tree, name, entry, modes)
    yield from _other_task_root(tree, index)
    yield from _altered_modes(modes, {entry.path for entry in entries.values() if entry.executable})


def _altered_modes(modes: Mapping[str, int | None], executables: Collection[str]) -> Iterator[str]:
    """Yield one finding for every file whose permission bits are not those that it was made with."""
    found = {(mode, name in executables) for name, mode in modes.items() if mode is not None}
    altered = {kind for kind in found if not may_have_mode(kind[0], executable=kind[1])}
    # Where no mode is kept, every file looks executable; an index never is.
    if not altered or all(mode & 0o111 for mode, _ in found):
        return
    for name, mode in modes.items():
        if mode is not None and (mode, name in executables) in altered:
            expected = "0755" if name in executables else "0644"
            yield f"{name}: permissions altered (expected {expected}, got {mode:04o})"


def _sound(
    tree: Tree, paths: list[RelPath], entries: Mapping[RelPath, Entry], modes: dict[str, int | None]
) -> set[str]:
    """Return the paths whose bytes are as their entries say; note their permission bits in `modes`.

    This is quick, and says nothing of the others.
    """
    if not isinstance(tree, DirectoryTree):
        return set()
    looks = child.shared(paths, lambda part: [*tree.look(part)])
    sound: set[str] = set()
    for path, found in zip(paths, looks, strict=True):
        entry = entries[path]
        if found is not None and found[0] == entry.sha256 and found[1] == entry.size:
            sound.add(path)
            modes[path] = found[2]
    return sound


def _other_task_root(tree: Tree, index: Index) -> Iterator[str]:
    """Yield a finding where the index tells of another task root than the profile among the files."""
    for entry in index.entries:
        if entry.ownership == "profile" and index.task_root is not None:
            with suppress(OSError):
                if index.task_root.encode() not in tree.fetch(entry.path).data:
                    yield f"{INDEX_NAME}: task_root: not what {entry.path} says, {index.task_root!r}"


def _difference(
    tree: Tree, path: str, entry: Entry | None, modes: dict[str, int | None]
) -> Iterator[str]:
    """Yield what is wrong with the bytes of one file; note its permission bits in `modes`."""
    try:
        data, modes[path] = tree.fetch(path)
    except OSError as error:
        yield f"{path}: cannot be read: {error.strerror}"
        return
    if entry is None:
        return
    if len(data) != entry.size:
        yield f"{path}: altered (expected {entry.size} bytes, got {len(data)})"
    elif (digest := sha256(data)) != entry.sha256:
        yield f"{path}: altered (expected sha256 {entry.sha256}, got {digest})"


def may_have_mode(mode: int, *, executable: bool) -> bool:
    """Tell whether permission bits are those that some umask makes of 0666 or 0777.

    That is what pip and git write: with the umask 0002 that many systems have, 0664 and 0775.
    """
    is_plain = mode & 0o7400 == 0o400
    return is_plain and (bool(mode & 0o100) if executable else not mode & 0o111)


def _may_lie_beside(path: str, entries: Mapping[RelPath, Entry]) -> bool:
    """Tell whether a file may be there unlisted: the index, its signature, what pip compiles."""
    if path in BESIDE:
        return True
    above, _, name = path.rpartition("/")
    package, _, cache = above.rpartition("/")
    module = f"{package}/{name.partition('.')[0]}.py".lstrip("/")
    return cache == "__pycache__" and name.endswith(".pyc") and module in entries


def _open_unindexed(tree: DirectoryTree, location: str) -> Bundle:
    """Return a bundle made by the older export: its index is made here, its classes are ours."""
    from agentrail_runtime import manifest

    present = sorted(tree.walk())
    if any(path == SIGNATURE_NAME for path, _ in present):
        raise _error(location, [f"{INDEX_NAME}: missing"])  # the older export signs nothing
    classes = manifest.load(package_tree().fetch(MANIFEST_NAME).data.decode()).classes()
    findings, entries = [], []
    for path, problem in present:
        if path in (MANIFEST_NAME, KNOWN_NAME, POLICY_NAME):
            continue  # they travel with a bundle and are not installed
        try:
            if problem:
                raise PathError(f"{path}: {problem}")
            data, mode = tree.fetch(parse_path(path))
        except (PathError, OSError) as error:
            findings.append(str(error))
            continue
        entries.append(
            Entry(
                path=RelPath(path),
                ownership=classes.get(path, "managed"),
                sha256=sha256(data),
                size=len(data),
                executable=bool((mode or 0) & stat.S_IXUSR),
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


def _error(location: str, findings: list[str]) -> SourceError:
    paths = [finding.partition(": ")[0] for finding in findings]
    return SourceError(
        "\n".join(f"{location}: {finding}" for finding in findings),
        paths=paths,
        hint="install the package again (pip install --force-reinstall agentrail-runtime), "
        "or fetch the bundle again",
    )


def known_digests(bundle: Bundle) -> Known:
    """Return the digests of earlier releases that `bundle` carries; none where it carries none.

    Raises:
        SourceError: the list cannot be read.
    """
    if all(entry.path != KNOWN_NAME for entry in bundle.index.metadata):
        return Known()
    try:
        return known.load(bundle.read(RelPath(KNOWN_NAME)))
    except DocumentError as error:
        raise _error(bundle.location, [f"{KNOWN_NAME}: {error}"]) from None


class Choice(NamedTuple):
    """The bundle of a run.

    `signature` is what came of its signature; `fallback_reason` says why it is not the package, where
    auto fell back.
    """

    bundle: Bundle
    signature: Signature
    fallback_reason: str | None = None


def choose(requested: str, directory: str, judge: Callable[[Bundle], Signature]) -> Choice:
    """Return the bundle for ``--source requested``.

    Args:
        requested: ``auto``, ``package`` or ``copy``.
        directory: where ``dist/runtime`` lies.
        judge: tells what a bundle's signature is worth; a damaged one is a SourceError.

    Raises:
        SourceError: no route is usable; each is told.
        IncompatibleError: the index of the route is of a schema that is not supported.
    """
    if requested == "copy":
        bundle = open_copy(directory)
        return Choice(bundle, judge(bundle))
    try:
        bundle = open_package()
        return Choice(bundle, judge(bundle))
    except SourceError as error:
        if requested == "package":
            raise
        return _fall_back(directory, error, judge)


def _fall_back(directory: str, reason: SourceError, judge: Callable[[Bundle], Signature]) -> Choice:
    """Return the copy bundle if it is the one that the damaged package should carry, or is signed."""
    try:
        expected = f"sha256:{sha256(package_tree().fetch(INDEX_NAME).data)}"
    except OSError:
        expected = "unknown"
    try:
        bundle = open_copy(directory, is_explicit=False)
        signature = judge(bundle)
    except (SourceError, IncompatibleError) as error:
        both = f"{reason.message}\n{error.message}"
        raise SourceError(both, paths=reason.paths, hint=reason.hint) from None
    if bundle.digest != expected and signature != "valid":
        raise SourceError(
            f"{reason.message}\n{bundle.location}: another bundle than the package's "
            f"(expected {expected}, got {bundle.digest})",
            paths=reason.paths,
            hint=f"{reason.hint}; to take this bundle as it is: --source copy",
        )
    return Choice(bundle, signature, f"the package is damaged: {reason.message}")
