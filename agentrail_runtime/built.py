"""Files that were just built, as the origin of a first publication: each checked, byte by byte."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from agentrail_runtime import plain_file, source
from agentrail_runtime.channel import Channel, ChannelError, Distribution
from agentrail_runtime.entry import sha256
from agentrail_runtime.errors import AgentRailError, SourceError
from agentrail_runtime.release import metadata
from agentrail_runtime.release.metadata import MetadataError
from agentrail_runtime.release.simple_index import PROJECT
from agentrail_runtime.source import Bundle
from agentrail_runtime.tree import ResourceTree

_PAYLOAD = "agentrail_runtime/payload"
_SUFFIXES = (".whl", ".tar.gz")


class BuiltError(AgentRailError):
    """A file is not one that may be published; every finding is told, and nothing was published."""


class BuiltFile(NamedTuple):
    """A file: its row, its bytes, and the bundle in it, None for a source distribution."""

    path: str
    row: Distribution
    data: bytes
    bundle: Bundle | None = None


class Built:
    """Built files of one version; what `StaticChannel.add` and its like take them from."""

    name = "built"

    def __init__(self, files: Sequence[BuiltFile]) -> None:
        self.files = tuple(files)
        self.location = ", ".join(file.path for file in files)
        self.version = files[0].row.version

    def distributions(self) -> tuple[Distribution, ...]:
        """Return all files."""
        return tuple(file.row for file in self.files)

    def fetch(self, distribution: Distribution) -> bytes:
        """Return the bytes of a file as they were checked, whatever is on the disk by now.

        Raises:
            ChannelError: it is not one of these files.
        """
        for file in self.files:
            if file.row.sha256 == distribution.sha256:
                return file.data
        raise ChannelError(f"{distribution.filename}: not among the built files")

    def add(self, distributions: Sequence[Distribution], origin: Channel) -> None:
        """Refuse: nothing is promoted into built files.

        Raises:
            ChannelError: always.
        """
        del distributions, origin
        raise ChannelError(f"{self.location}: no channel")

    def withdraw(self, version: str, reason: str) -> bool:
        """Refuse: nothing is withdrawn from built files.

        Raises:
            ChannelError: always.
        """
        del version, reason
        raise ChannelError(f"{self.location}: no channel")


def read(paths: Sequence[str], progress: Callable[[str, int, int], None]) -> Built:
    """Return the built files at `paths`, checked.

    Args:
        paths: files, or directories whose wheels and source distributions are meant.
        progress: told what is done, how many files are, and of how many.

    Raises:
        BuiltError: a path cannot be read, is no distribution of ours, or has another version than the
            others; or there is no wheel among them. All findings at once.
        SourceError: a wheel's payload is not what its index says. All findings at once.
    """
    found: list[BuiltFile] = []
    findings: list[str] = []
    altered: list[str] = []
    named = [*_expanded(paths, findings)]
    for number, path in enumerate(named, 1):
        progress("check", number, len(named))
        try:
            found.append(_file(path))
        except SourceError as error:
            altered += [f"{path}: {line}" for line in error.message.splitlines()]
        except BuiltError as error:
            findings.append(error.message)
    findings += _mismatches(found, named)
    if altered:
        raise SourceError(
            "\n".join([*altered, *findings]),
            paths=paths,
            hint="build the wheel again: python -m build",
        )
    if findings:
        raise BuiltError("\n".join(findings), paths=paths, hint="build again: python -m build")
    return Built(found)


def _expanded(paths: Sequence[str], findings: list[str]) -> Iterator[str]:
    """Yield the files that are meant, each once."""
    seen: set[str] = set()
    for path in paths:
        files = [path]
        if os.path.isdir(path):
            try:
                names = sorted(name for name in os.listdir(path) if name.endswith(_SUFFIXES))
            except OSError as error:
                findings.append(f"{path}: cannot be read: {error.strerror}")
                continue
            files = [os.path.join(path, name) for name in names]
            if not files:
                findings.append(f"{path}: no wheel and no source distribution in it")
        yield from (file for file in files if file not in seen)
        seen.update(files)


def _file(path: str) -> BuiltFile:
    try:
        data = plain_file.read(path, metadata.MAX_BYTES, is_linked=True)
    except OSError as error:
        raise BuiltError(f"{path}: cannot be read: {error.strerror}") from None
    filename = os.path.basename(path)
    try:
        told = metadata.read(filename, data)
        bundle = open_bundle(data) if filename.endswith(".whl") else None
    except MetadataError as error:
        raise BuiltError(f"{path}: {error}") from None
    row = Distribution(filename, told.version, sha256(data), len(data))
    return BuiltFile(path, row, data, bundle)


def _mismatches(found: Sequence[BuiltFile], named: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with files that are good by themselves."""
    if named and not any(path.endswith(".whl") for path in named):
        yield f"{', '.join(named)}: no wheel (expected one of {PROJECT})"
    for file in found:
        version = file.row.version
        if version != found[0].row.version:
            yield f"{file.path}: another version (expected {found[0].row.version}, got {version})"
        told = version if file.bundle is None else file.bundle.index.runtime_version
        if told != version:
            yield f"{file.path}: its payload is of another version (expected {version}, got {told})"


def open_bundle(data: bytes) -> Bundle:
    """Return the checked bundle in a wheel.

    Args:
        data: the bytes of the wheel.

    Raises:
        MetadataError: it is no archive that may be opened.
        SourceError: the bundle is incomplete or altered.
        IncompatibleError: its index is of a schema that is not supported.
    """
    place = zipfile.Path(metadata.open_wheel(data), f"{_PAYLOAD}/")
    return source.open_tree(ResourceTree(place), "package", _PAYLOAD)
