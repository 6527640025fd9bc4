"""Export: from a framework repository to the files and the index of a bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple

from agentrail_runtime import block, framework, known, manifest, profile
from agentrail_runtime.document import DocumentError
from agentrail_runtime.entry import (
    INDEX_NAME,
    MANIFEST_NAME,
    Entry,
    Index,
    IndexSchemaError,
    Ownership,
    RelPath,
    collision_key,
    is_reserved,
    load_index,
    sha256,
)
from agentrail_runtime.errors import AgentRailError, IncompatibleError, SourceError
from agentrail_runtime.framework import Framework
from agentrail_runtime.known import KNOWN_NAME, Known
from agentrail_runtime.manifest import ManifestError
from agentrail_runtime.replacement import Item, item
from agentrail_runtime.tree import Tree

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
    content: Callable[[], bytes]


def make(repository: Framework, base: Index, digests: Known) -> Made:
    """Return the bundle of a framework repository.

    Args:
        repository: the repository.
        base: says the version, the release sequence and what else does not come from the files.
        digests: those of earlier releases.

    Raises:
        ManifestError: a selected file cannot be read, or the bundle could not be installed.
        ProfileError, IncompatibleError: the profile among the files is not valid.
    """
    read = _read_all(repository)
    modes = {path: found.mode for path, found in read.items()}
    executable = framework.executables(repository, modes, base)
    entries, items = [], []
    for row in repository.selected:
        found = read[row.source]
        is_executable = row.source in executable
        entries.append(
            Entry(row.destination, row.ownership, found.sha256, found.size, executable=is_executable)
        )
        items.append(Item(row.destination, found.sha256, found.content, executable=is_executable))
    metadata = _metadata(repository, digests, entries)
    index = base._replace(
        entries=tuple(sorted(entries, key=lambda entry: entry.path)),
        metadata=tuple(_described(path, data) for path, data in metadata.items()),
        task_root=_task_root(repository, read, base.profile_schema_versions),
    )
    _check(repository, read, index.metadata)
    items += [item(path, text) for path, text in metadata.items()]
    return Made(
        listing=index, data=index.dump(), items=tuple(sorted(items, key=lambda item: item.path))
    )


def _read_all(repository: Framework) -> Mapping[str, _Read]:
    read: dict[str, _Read] = {}
    findings, held = [], 0
    for row in repository.selected:
        try:
            data, mode = repository.tree.fetch(row.source)
        except OSError as error:
            findings.append(f"{repository.name}:{row.line}: {row.source}: {error.strerror}")
            continue
        digest = sha256(data)
        held += len(data)
        content: Callable[[], bytes] = partial(bytes, data)
        if held > _MOST_IN_MEMORY:
            content = partial(_read_again, repository.tree, row.source, digest)
        read[row.source] = _Read(digest, len(data), mode, content)
    if findings:
        raise ManifestError("\n".join(findings), hint="make these files readable")
    return read


def _read_again(tree: Tree, path: str, digest: str) -> bytes:
    data = tree.fetch(path).data
    if sha256(data) != digest:
        raise ManifestError(f"{path}: changed during the export", hint="run the export again")
    return data


def _metadata(repository: Framework, digests: Known, entries: Iterable[Entry]) -> dict[RelPath, bytes]:
    """Return the files that travel with the bundle and are not installed."""
    text = manifest.of_bundle(repository.text, repository.selected)
    files = {
        RelPath(MANIFEST_NAME): text.encode(),
        RelPath(KNOWN_NAME): known.without_current(digests, entries).dump(),
    }
    delivered = {entry.path for entry in entries}
    return {path: data for path, data in files.items() if path not in delivered}


def _described(path: RelPath, data: bytes) -> Entry:
    return Entry(path=path, ownership="managed", sha256=sha256(data), size=len(data))


def _task_root(
    repository: Framework, read: Mapping[str, _Read], supported: tuple[str, ...]
) -> str | None:
    """Return what the profile among the files says, so that an install need not parse it."""
    for row in repository.selected:
        if row.ownership == "profile":
            return profile.load(read[row.source].content(), supported=supported).task_root
    return None


def _check(repository: Framework, read: Mapping[str, _Read], metadata: Iterable[Entry]) -> None:
    """Make sure that an installer takes what was made.

    Raises:
        ManifestError: it would not; all findings.
    """
    findings = []
    for row in repository.selected:
        if row.ownership == "block":
            try:
                block.parse(read[row.source].content(), name=row.destination)
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
        AgentRailError: a file cannot be read.
    """
    index = read_index(tree)
    if index is not None:
        return index.entries
    entries = []
    for path, problem in sorted(tree.walk()):
        if problem:
            raise AgentRailError(f"{tree.root}: {path}: {problem}", hint="name another directory")
        data = tree.fetch(path).data
        entries.append(Entry(RelPath(path), classes(path), sha256(data), len(data)))
    return entries
