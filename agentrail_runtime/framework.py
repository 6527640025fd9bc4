"""A framework repository as an export sees it: the manifest, and the files that it selects."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from agentrail_runtime import manifest as manifest_
from agentrail_runtime.entry import MANIFEST_NAME, Index
from agentrail_runtime.errors import typed
from agentrail_runtime.manifest import Manifest, ManifestError, Selected
from agentrail_runtime.tree import DirectoryTree, Tree

_MAX_BYTES: Final = 1_000_000


class Framework(NamedTuple):
    """A framework repository: its files, its manifest (`name` in messages), and what that selects."""

    tree: Tree
    name: str
    text: str
    manifest: Manifest
    selected: tuple[Selected, ...]


def read(tree: Tree, manifest_path: str | None = None) -> Framework:
    """Return the framework repository whose files are in `tree`.

    Args:
        tree: its files.
        manifest_path: its manifest, if that is another than ``framework.runtime.manifest.yaml`` there.

    Raises:
        ManifestError: there is no manifest, it is not valid, or it does not fit the files: a selected
            file is missing, a symlink, special or cannot be read. All findings, with their lines.
    """
    text = _read_text(tree, manifest_path)
    name = manifest_path or MANIFEST_NAME
    try:
        manifest = manifest_.load(text)
        listing = dict(_listing(tree, manifest))
        selected = manifest_.select(manifest, listing)
    except ManifestError as error:
        raise ManifestError(
            re.sub(f"^{re.escape(MANIFEST_NAME)}", lambda _: name, error.message, flags=re.MULTILINE),
            paths=[name],
            hint=f"mend {typed(name)}, then run the command again",
        ) from None
    findings = [
        f"{name}:{row.line}: {row.source}: {problem} (expected a plain file)"
        for row in selected
        if (problem := listing[row.source])
    ]
    if findings:
        raise ManifestError(
            "\n".join(findings),
            paths=[row.source for row in selected if listing[row.source]],
            hint="put a plain file there, or exclude the path in the manifest",
        )
    return Framework(tree=tree, name=name, text=text, manifest=manifest, selected=tuple(selected))


def _read_text(tree: Tree, path: str | None) -> str:
    if path is None:
        holder, name = tree, MANIFEST_NAME
    else:
        above, name = os.path.split(os.path.realpath(path))
        holder = DirectoryTree(above)
    shown = path or f"{tree.root}/{MANIFEST_NAME}"
    try:
        data = holder.fetch(name).data
        if len(data) > _MAX_BYTES:
            raise ManifestError(
                f"{shown}: too large (expected at most {_MAX_BYTES} bytes, got {len(data)})",
                paths=[shown],
                hint="name directories instead of every file",
            )
        return data.decode("utf-8-sig")
    except OSError as error:
        raise ManifestError(
            f"{shown}: cannot be read: {error.strerror} (expected a manifest)",
            paths=[shown],
            hint="name the framework repository with --root DIR, or its manifest with --manifest FILE",
        ) from None
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{shown}: not UTF-8 (byte {error.start})", paths=[shown], hint="save it as UTF-8"
        ) from None


def _listing(tree: Tree, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield every file that an include or a seed can mean, with what is wrong with it."""
    if not isinstance(tree, DirectoryTree):
        yield from tree.walk()
        return
    for item in manifest.include_paths:
        yield from _below(tree, item.text.rstrip("/"))
    for source in manifest.seed_sources():
        yield from _below(tree, source)


def _below(tree: DirectoryTree, path: str) -> Iterator[tuple[str, str]]:
    place = tree.root
    for name in path.split("/"):
        place = os.path.join(place, name)
        if os.path.islink(place):
            where = os.path.relpath(place, tree.root).replace(os.sep, "/")
            yield path, "is a symlink" if where == path else f"lies behind the symlink {where}"
            return
    if os.path.isdir(place):
        yield from tree.walk(path)
    elif os.path.lexists(place):
        yield path, "" if os.path.isfile(place) else "is a special file"


def executables(repository: Framework, modes: Mapping[str, int | None], base: Index) -> frozenset[str]:
    """Return the selected files that are executable.

    Args:
        repository: the framework repository.
        modes: the permission bits of each file. Where none are kept, `base` tells, if it is the index
            of these very files, or git is asked.
        base: the index that the repository has, if it is a bundle itself.
    """
    if all(mode is not None for mode in modes.values()):
        return frozenset(path for path, mode in modes.items() if mode and mode & 0o100)
    if base.entries or not isinstance(repository.tree, DirectoryTree):
        return frozenset(entry.path for entry in base.entries if entry.executable)
    from agentrail_runtime import git

    return frozenset(git.executables(repository.tree.root))
