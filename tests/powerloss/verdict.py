"""Let the product recover what a power loss left, and judge it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from agentrail_runtime import stash
from agentrail_runtime.errors import AgentRailError
from agentrail_runtime.operation.verify import verify
from agentrail_runtime.target import Target
from tests.crash.support import is_state
from tests.powerloss.disk import Tree
from tests.powerloss.loss import key
from tests.support import Node


class Check(NamedTuple):
    """What has to work in a target that was recovered.

    Args:
        name: what is done.
        tree: the tree of the target that it is for.
        run: does it; returns the exit code.
        leaves: the tree that has to be there afterwards.
    """

    name: str
    tree: Tree
    run: Callable[[Path], int]
    leaves: Tree


class Judge:
    """Judges the states that power losses leave of one target.

    Args:
        place: where the target is on the disk.
        treasures: what the user wrote, each of which has to stand somewhere in the target.
        checks: what has to work afterwards; each is tried once in each recovered target that is not
            like one before.
        scratch: where the states are written out; an empty directory, on a fast disk.
        leftovers: files that may be there as well.
    """

    def __init__(
        self,
        place: str,
        treasures: tuple[bytes, ...],
        checks: tuple[Check, ...],
        scratch: Path,
        *,
        leftovers: tuple[str, ...] = (),
    ) -> None:
        self._place = place
        self._treasures = treasures
        self._checks = checks
        self._leftovers = leftovers
        self._disk = scratch / "disk"
        self._checked: set[int] = set()

    def judge(self, tree: Tree, allowed: tuple[Tree, ...]) -> str | None:
        """Return what is wrong with the target once it is recovered, None if nothing is.

        Args:
            tree: what the disk holds.
            allowed: the trees of which the target has to be one.
        """
        root = self._disk / self._place
        try:
            write_out(tree, self._disk)
            with without_sync():
                return self._recover(root) or self._look(root, allowed)
        finally:
            remove(self._disk)

    def _recover(self, root: Path) -> str | None:
        """Do what the next command does; return what it cannot do."""
        try:
            verify(str(root), lock_timeout=0)
        except AgentRailError as error:
            if error.code == 7:
                return f"not recovered: {error.message.splitlines()[0]}"
        except Exception as error:
            return f"internal error: {type(error).__name__}: {error}"
        return None

    def _look(self, root: Path, allowed: tuple[Tree, ...]) -> str | None:
        found = all_of(root)
        for text in self._treasures:
            if not any(text in node.content for node in found.values()):
                return f"lost: {text!r}"
        visible = visible_of(root, but=self._leftovers)
        if visible not in allowed:
            closest = min((differing(visible, tree) for tree in allowed), key=len)
            return f"neither old nor new: {', '.join(closest)}"
        if root.exists() and _is_hot(root):
            return "still not recovered"
        if (number := key(found)) not in self._checked:
            self._checked.add(number)
            return self._check(root, visible)
        return None

    def _check(self, root: Path, visible: Tree) -> str | None:
        for check in self._checks:
            if check.tree == visible:
                code = check.run(root)
                wrong = differing(visible_of(root), check.leaves)
                return f"{check.name}: exit code {code}: {', '.join(wrong)}" if code or wrong else None
        return None


def _is_hot(root: Path) -> bool:
    target = Target(str(root))
    try:
        return stash.is_hot(target)
    finally:
        target.close()


def all_of(root: Path) -> Tree:
    """Return everything in a directory, nothing for one that is not there."""
    found: Tree = {}
    if root.exists():
        _read_in(str(root), "", found)
    return found


def _read_in(directory: str, prefix: str, found: Tree) -> None:
    with os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = prefix + entry.name
            mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
            if entry.is_symlink():
                found[path] = Node("link", mode, os.fsencode(os.readlink(entry.path)))
            elif entry.is_dir():
                found[path] = Node("directory", mode, b"")
                _read_in(entry.path, f"{path}/", found)
            else:
                with open(entry.path, "rb") as file:
                    found[path] = Node("file", mode, file.read())


def visible_of(root: Path, *, but: tuple[str, ...] = ()) -> Tree:
    """Return what is in a target but for the state directory, and but for the files `but`."""
    return {path: node for path, node in all_of(root).items() if not is_state(path) and path not in but}


def differing(one: Tree, other: Tree) -> list[str]:
    """Return the paths in which two trees differ."""
    return sorted(path for path in {*one, *other} if one.get(path) != other.get(path))


@contextmanager
def without_sync() -> Iterator[None]:
    """Leave out fsync: what is judged here loses no power any more."""
    with mock.patch.object(os, "fsync", return_value=None):
        yield


def write_out(tree: Tree, directory: Path) -> None:
    """Make `directory`, with `tree` in it."""
    directory.mkdir(parents=True, exist_ok=True)
    modes: list[tuple[str, int]] = []
    for path, node in tree.items():
        place = f"{directory}/{path}"
        if node.kind == "directory":
            os.mkdir(place)
            modes.append((place, node.mode))
        elif node.kind == "link":
            os.symlink(os.fsdecode(node.content), place)
        else:
            with open(place, "wb") as file:
                file.write(node.content)
            os.chmod(place, node.mode)
    for place, mode in reversed(modes):
        os.chmod(place, mode)


def remove(directory: Path) -> None:
    """Remove `directory` and all that is in it."""
    shutil.rmtree(directory)
