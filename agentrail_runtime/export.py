"""Export: from a framework repository to the files and the index of a bundle."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from agentrail_runtime import child, framework, known, manifest
from agentrail_runtime.document import DocumentError
from agentrail_runtime.entry import (
    INDEX_NAME,
    MANIFEST_NAME,
    POLICY_NAME,
    Entry,
    Index,
    IndexSchemaError,
    Ownership,
    PathError,
    RelPath,
    collision_key,
    is_reserved,
    load_index,
    parse_path,
    parse_task_root,
    sha256,
)
from agentrail_runtime.errors import IncompatibleError, SourceError, typed
from agentrail_runtime.framework import Framework
from agentrail_runtime.known import KNOWN_NAME, Known
from agentrail_runtime.manifest import ManifestError
from agentrail_runtime.replacement import Item, item
from agentrail_runtime.tree import Tree

if TYPE_CHECKING:
    from agentrail_runtime.release.policy import Policy

_MOST_IN_MEMORY: Final = 256 << 20  # bytes; what goes beyond is read a second time


class Made(NamedTuple):
    """What an export makes: the index, its bytes, and every file that it lists."""

    listing: Index
    data: bytes
    items: tuple[Item, ...]

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of the index."""
        return f"sha256:{sha256(self.data)}"


class _Read(NamedTuple):
    sha256: str
    size: int
    mode: int | None
    data: bytes | None


Content = Callable[[], bytes]
"""Returns the bytes of a file."""

_Rows = list[tuple[str, int, int | None, bytes | None]]
"""Of each file digest, size, mode and bytes; or nothing, the error number and what it means."""


def make(repository: Framework, base: Index, digests: Known, *, keeps_bytes: bool = True) -> Made:
    """Return the bundle of a framework repository.

    Args:
        repository: the repository.
        base: says the version, the release sequence and what else does not come from the files.
        digests: those of earlier releases.
        keeps_bytes: keep in memory what was read, up to a limit, because it will be written.

    Raises:
        ManifestError: a selected file cannot be read, or the bundle could not be installed.
        ProfileError, IncompatibleError: the profile among the files is not valid.
    """
    read = _read_all(repository, keeps_bytes=keeps_bytes)
    modes = {path: found.mode for path, found in read.items()}
    executable = framework.executables(repository, modes, base)
    contents = {path: _content(repository.tree, path, found) for path, found in read.items()}
    entries, items = [], []
    for row in repository.selected:
        found = read[row.source]
        is_executable = row.source in executable
        entries.append(
            Entry(row.destination, row.ownership, found.sha256, found.size, executable=is_executable)
        )
        content = contents[row.source]
        items.append(Item(row.destination, found.sha256, content, executable=is_executable))
    metadata = _metadata(repository, digests, entries)
    policy = _policy(repository, metadata)
    end = policy.deprecation if policy else None
    index = base._replace(
        entries=tuple(sorted(entries, key=lambda entry: entry.path)),
        metadata=tuple(_described(path, data) for path, data in metadata.items()),
        task_root=_task_root(repository, contents, base.profile_schema_versions),
        phase=policy.phase if policy else None,
        default_source=policy.default_source if policy else None,
        deprecation=end.as_json() if end else None,
    )
    _check(repository, contents, index.metadata)
    items += [item(path, text) for path, text in metadata.items()]
    return Made(
        listing=index, data=index.dump(), items=tuple(sorted(items, key=lambda item: item.path))
    )


def _read_all(repository: Framework, *, keeps_bytes: bool) -> Mapping[str, _Read]:
    """Return every selected file; two processes read where there are many.

    Raises:
        ManifestError: files cannot be read; all of them.
    """
    sources = [row.source for row in repository.selected]
    half = len(sources) // 2 if len(sources) >= child.WORTH_IT else 0
    most = _MOST_IN_MEMORY // 2 if keeps_bytes else 0
    theirs = partial(_read_some, repository.tree, sources[:half], most)
    wait = child.begin(theirs) if half else theirs
    ours = _read_some(repository.tree, sources[half:], most)
    read, findings = {}, []
    for row, found in zip(repository.selected, [*wait(), *ours], strict=True):
        read[str(row.source)] = _Read(*found)
        if not found[0]:
            findings.append(f"{repository.name}:{row.line}: {row.source}: {os.strerror(found[1])}")
    if findings:
        raise ManifestError("\n".join(findings), hint="make these files readable")
    return read


def _read_some(tree: Tree, sources: Sequence[str], most: int) -> _Rows:
    """Return what files hold, with their bytes until these are too many."""
    rows: _Rows = []
    for source in sources:
        try:
            data, mode = tree.fetch(source)
        except OSError as error:
            rows.append(("", error.errno or errno.EIO, None, None))
            continue
        most -= len(data)
        rows.append((sha256(data), len(data), mode, data if most >= 0 else None))
    return rows


def _content(tree: Tree, source: str, found: _Read) -> Content:
    if found.data is None:
        return partial(_read_again, tree, source, found.sha256)
    return partial(bytes, found.data)


def _read_again(tree: Tree, path: str, digest: str) -> bytes:
    data = tree.fetch(path).data
    if sha256(data) != digest:
        raise ManifestError(f"{path}: changed during the export", hint="run the export again")
    return data


def _metadata(repository: Framework, digests: Known, entries: Iterable[Entry]) -> dict[RelPath, bytes]:
    """Return the files that travel with the bundle and are not installed.

    Raises:
        ManifestError: the distribution policy is there and cannot be read.
    """
    text = manifest.of_bundle(repository.text, repository.selected)
    files = {
        RelPath(MANIFEST_NAME): text.encode(),
        RelPath(KNOWN_NAME): known.without_current(digests, entries).dump(),
    }
    try:
        files[RelPath(POLICY_NAME)] = repository.tree.fetch(POLICY_NAME).data
    except FileNotFoundError:
        pass  # not every framework has one
    except OSError as error:
        raise ManifestError(
            f"{repository.tree.root}/{POLICY_NAME}: cannot be read: {error.strerror}",
            paths=[POLICY_NAME],
            hint="put a plain file there, or none",
        ) from None
    delivered = {entry.path for entry in entries}
    return {path: data for path, data in files.items() if path not in delivered}


def _policy(repository: Framework, metadata: Mapping[RelPath, bytes]) -> Policy | None:
    """Return the distribution policy, whose answers the index has, so that no install need parse it.

    Raises:
        PolicyError: the policy is not valid.
    """
    if POLICY_NAME not in metadata:
        return None
    from agentrail_runtime.release import policy  # takes time to import

    return policy.load(metadata[RelPath(POLICY_NAME)], f"{repository.tree.root}/{POLICY_NAME}")


def _described(path: RelPath, data: bytes) -> Entry:
    return Entry(path=path, ownership="managed", sha256=sha256(data), size=len(data))


def _task_root(
    repository: Framework, contents: Mapping[str, Content], supported: tuple[str, ...]
) -> str | None:
    """Return what the profile among the files says, so that an install need not parse it."""
    for row in repository.selected:
        if row.ownership == "profile":
            from agentrail_runtime import (
                profile,  # takes time to import, and not every framework has one
            )

            task_root = profile.load(contents[row.source](), supported=supported).task_root
            try:
                return task_root and parse_task_root(task_root)
            except PathError as error:
                raise ManifestError(
                    f"{repository.name}:{row.line}: {row.source}: workflow.task_root: {error}",
                    paths=[row.source],
                    hint=f"mend {typed(row.source)}, then run the command again",
                ) from None
    return None


def _check(repository: Framework, contents: Mapping[str, Content], metadata: Iterable[Entry]) -> None:
    """Make sure that an installer takes what was made.

    Raises:
        ManifestError: it would not; all findings.
    """
    from agentrail_runtime import block

    findings = []
    for row in repository.selected:
        if row.ownership == "block":
            try:
                block.parse(contents[row.source](), name=row.destination)
            except block.BlockError as error:
                findings.append(f"{repository.name}:{row.line}: {row.source}: {error}")
    taken = {collision_key(entry.path) for entry in metadata}
    for row in repository.selected:
        key = collision_key(row.destination)
        if is_reserved(key) or key in taken:
            findings.append(
                f"{repository.name}:{row.line}: {row.destination}: belongs to the installer"
            )
    if findings:
        raise ManifestError("\n".join(findings), hint="mend the files or the manifest")


def read_known(tree: Tree) -> Known:
    """Return the digests of earlier releases that lie in `tree`; none where there is no such file.

    Raises:
        SourceError: the file cannot be read, or is not such a document.
    """
    try:
        return known.load(tree.fetch(KNOWN_NAME).data)
    except FileNotFoundError:
        return Known()
    except (OSError, DocumentError) as error:
        raise SourceError(
            f"{tree.root}/{KNOWN_NAME}: {error}",
            paths=[KNOWN_NAME],
            hint="restore it from version control",
        ) from None


def read_index(tree: Tree) -> Index | None:
    """Return the index that lies in `tree`, None where there is none.

    Raises:
        SourceError: it cannot be read.
        IncompatibleError: it is of a schema that is not supported.
    """
    try:
        return load_index(tree.fetch(INDEX_NAME).data)
    except FileNotFoundError:
        return None
    except IndexSchemaError as error:
        raise IncompatibleError(
            f"{tree.root}/{INDEX_NAME}: {error}",
            paths=[INDEX_NAME],
            hint="upgrade: pip install --upgrade agentrail-runtime",
        ) from None
    except (OSError, DocumentError) as error:
        raise SourceError(
            f"{tree.root}/{INDEX_NAME}: {error}",
            paths=[INDEX_NAME],
            hint="restore it from version control, or delete it and export again",
        ) from None


def earlier_entries(tree: Tree, classes: Callable[[str], Ownership]) -> Iterable[Entry]:
    """Return the files of an earlier release that lie in `tree`, with or without an index.

    Args:
        tree: a bundle, or what the older export made.
        classes: tells the class of a file where no index does.

    Raises:
        SourceError: a file cannot be read, or has a name that no release delivers.
    """
    index = read_index(tree)
    if index is not None:
        return index.entries
    entries, findings = [], []
    for path, problem in sorted(tree.walk()):
        if problem:
            findings.append(f"{tree.root}: {path}: {problem}")
            continue
        try:
            data = tree.fetch(parse_path(path)).data
        except (PathError, OSError) as error:
            findings.append(f"{tree.root}: {error}")
            continue
        entries.append(Entry(RelPath(path), classes(path), sha256(data), len(data)))
    if findings:
        raise SourceError("\n".join(findings), paths=[tree.root], hint="name another directory")
    return entries
