"""Export: from a manifest and a tree of files to the index of a bundle."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping

from agentrail_runtime import manifest as manifest_
from agentrail_runtime import profile
from agentrail_runtime.entry import INDEX_NAME, MANIFEST_NAME, Entry, Index, RelPath, sha256
from agentrail_runtime.manifest import Selected
from agentrail_runtime.source import DirectoryTree


def build_index(
    text: str,
    files: Mapping[str, bytes],
    *,
    executable: frozenset[str] = frozenset(),
    runtime_version: str,
    release_seq: int,
    profile_schema_versions: tuple[str, ...],
) -> Index:
    """Return the index of the bundle that the manifest `text` selects from `files`.

    Args:
        text: the manifest, YAML.
        files: the framework repository's files by relative path.
        executable: the paths among them that are executable.
        runtime_version: the version of the bundle (PEP 440).
        release_seq: counts up with every release.
        profile_schema_versions: the profile schemas that the runtime works with.

    Raises:
        ManifestError: the manifest is not valid or does not fit the files.
    """
    chosen = manifest_.select(manifest_.load(text), files)
    entries = [
        Entry(
            path=row.destination,
            ownership=row.ownership,
            sha256=sha256(files[row.source]),
            size=len(files[row.source]),
            executable=row.source in executable,
        )
        for row in chosen
    ]
    data = text.encode()
    return Index(
        runtime_version=runtime_version,
        release_seq=release_seq,
        profile_schema_versions=profile_schema_versions,
        task_root=_task_root(chosen, files, profile_schema_versions),
        entries=tuple(sorted(entries, key=lambda entry: entry.path)),
        metadata=(
            Entry(
                path=RelPath(MANIFEST_NAME),
                ownership="managed",
                sha256=sha256(data),
                size=len(data),
            ),
        ),
    )


def _task_root(
    chosen: Iterable[Selected], files: Mapping[str, bytes], supported: tuple[str, ...]
) -> str | None:
    """Return what the profile among the chosen files says, so that an install need not parse it."""
    for row in chosen:
        if row.ownership == "profile":
            return profile.load(files[row.source], supported=supported).task_root
    return None


def index_directory(
    root: str, *, runtime_version: str, release_seq: int, profile_schema_versions: tuple[str, ...]
) -> bytes:
    """Return the index file for the bundle whose files and manifest stand in `root`.

    Raises:
        ManifestError: the manifest is not valid or does not fit the files.
        OSError: a file cannot be read.
    """
    tree = DirectoryTree(root)
    files = {path: tree.read(path) for path, _ in tree.walk() if path != INDEX_NAME}
    executable = frozenset(
        path for path in files if os.stat(os.path.join(root, *path.split("/"))).st_mode & stat.S_IXUSR
    )
    index = build_index(
        files[MANIFEST_NAME].decode(),
        files,
        executable=executable,
        runtime_version=runtime_version,
        release_seq=release_seq,
        profile_schema_versions=profile_schema_versions,
    )
    return index.dump()
