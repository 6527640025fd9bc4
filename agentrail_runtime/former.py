"""What stands where an export is to go: an earlier export, and what in it is somebody's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import Final

from agentrail_runtime import child, replacement
from agentrail_runtime.decision import Action, ActionKind
from agentrail_runtime.entry import Ownership, RelPath, sha256
from agentrail_runtime.errors import TargetError, typed
from agentrail_runtime.replacement import Item, item
from agentrail_runtime.source import may_have_mode
from agentrail_runtime.tree import DirectoryTree

MISSING: Final = "missing"
EXTRA: Final = "extra"
CHANGED: Final = "changed"
_MODE_CHANGED: Final = "permissions changed"
_AS_EXPORTED: Final = "as exported"


Files = Mapping[str, tuple[str, int | None]]
"""Files by their paths: digest (hex sha256) and permission bits."""


class Former:
    """What stands in a directory.

    Args:
        place: its absolute path.
        files: returns its files.
        written: returns the digest of every file that the export which made it says it wrote.
    """

    def __init__(
        self,
        place: str,
        files: Callable[[], Files] = dict,
        written: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.place = place
        self._find_files = files
        self._written = written

    @cached_property
    def files(self) -> Files:
        """Every file, by its path."""
        return self._find_files()

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file, None where there is none."""
        try:
            return DirectoryTree(self.place).fetch(path).data
        except OSError:
            return None

    def compare(self, items: Iterable[Item], classes: Mapping[str, Ownership]) -> Iterator[Action]:
        """Yield what happens to every path, sorted by path.

        Args:
            items: the files that are to stand there.
            classes: the classes of those that are installed.
        """
        wanted = {str(row.path): row for row in items}
        for path in sorted({*wanted, *self.files}):
            kind, reason = self._difference(wanted.get(path), path)
            yield Action(RelPath(path), kind, classes.get(path, "managed"), reason)

    def _difference(self, wanted: Item | None, path: str) -> tuple[ActionKind, str]:
        if wanted is None:
            return "remove", EXTRA
        if path not in self.files:
            return "create", MISSING
        digest, mode = self.files[path]
        if digest != wanted.sha256:
            return "update", CHANGED
        if mode is not None and not may_have_mode(mode, executable=wanted.executable):
            return "update", _MODE_CHANGED
        return "unchanged", _AS_EXPORTED

    def foreign(self, items: Iterable[Item], generated: Iterable[str]) -> list[str]:
        """Return the files that no export wrote: somebody's own.

        Args:
            items: the files that are to stand there.
            generated: the files that tell of the others, and not of themselves.
        """
        ours = {str(row.path): row.sha256 for row in items}
        written = self._written()
        return [
            path
            for path, (digest, _) in sorted(self.files.items())
            if digest not in (ours.get(path), written.get(path)) and path not in generated
        ]

    def set_aside(self, paths: Iterable[str]) -> str:
        """Copy files to a new directory beside this one; return that.

        Raises:
            OSError: a file cannot be read or written; nothing is changed.
        """
        aside, number = f"{self.place}.replaced", 1
        while os.path.lexists(aside):
            number += 1
            aside = f"{self.place}.replaced-{number}"
        tree = DirectoryTree(self.place)
        kept = [_as_it_is(tree, path) for path in paths]
        replacement.replace(aside, kept, progress=lambda _: None)
        return aside


def _as_it_is(tree: DirectoryTree, path: str) -> Item:
    data, mode = tree.fetch(path)
    return item(path, data, executable=bool((mode or 0) & 0o100))


def read(place: str, mark: str | None, written: Callable[[bytes], Mapping[str, str]]) -> Former:
    """Return what stands at `place`, which may be nothing.

    Args:
        place: an absolute path.
        mark: the file that an earlier export carries; None for a directory that needs none.
        written: returns, from the bytes of the mark, the digest of every file that was written with it.

    Raises:
        TargetError: it is something else than nothing, an empty directory or an earlier export.
    """
    if os.path.islink(place):
        raise _refused(place, "is a symlink")
    if not os.path.lexists(place):
        return Former(place)
    if not os.path.isdir(place):
        raise _refused(place, "is not a directory")
    tree = DirectoryTree(place)
    found = dict(tree.walk())
    if found and mark is not None and mark not in found:
        raise _refused(place, f"is not an earlier export: it has no {mark}")
    problems = [
        f"{path}: {problem or 'a git repository'}"
        for path, problem in sorted(found.items())
        if problem or path.split("/")[0] == ".git"
    ]
    if problems:
        raise _refused(place, f"{problems[0]}{f' and {len(problems) - 1} more' * (len(problems) > 1)}")
    files: Callable[[], Files] = partial(_read_all, tree, [*found])
    if len(found) >= child.WORTH_IT:
        files = child.begin(files)
    return Former(place, files, lambda: written(tree.fetch(mark).data) if found and mark else {})


def _read_all(tree: DirectoryTree, paths: Iterable[str]) -> Files:
    files = {}
    for path in paths:
        try:
            data, mode = tree.fetch(path)
        except OSError as error:
            raise _refused(tree.root, f"{path}: cannot be read: {error.strerror}") from None
        files[path] = (sha256(data), mode)
    return files


def _refused(place: str, what: str) -> TargetError:
    return TargetError(
        f"{place}: {what} (expected nothing, an empty directory or an earlier export)",
        paths=[place],
        hint=f"see what it is: ls -A {typed(place)}; name another directory with --output DIR",
    )
