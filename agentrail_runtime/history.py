"""What a framework repository held at its last commits, read from git without a work tree."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from agentrail_runtime import git
from agentrail_runtime.tree import Content

_MAX_BYTES: Final = 256 << 20  # of all files that are read at once


class _Row(NamedTuple):
    mode: int
    kind: str
    blob: str
    size: int


class CommitTree:
    """The files below a directory at one commit, as `agentrail_runtime.tree.Tree` has them.

    Args:
        directory: the directory in the work tree.
        commit: the id of the commit.
        blobs: the bytes of files by blob id, shared by the trees of several commits.
    """

    def __init__(self, directory: str, commit: str, blobs: dict[str, bytes]) -> None:
        self.root = f"commit {commit[:12]}"
        self._directory = directory
        self._blobs = blobs
        listed = git.run(directory, "ls-tree", "-r", "-l", "-z", commit)
        self._rows = dict(_rows(listed or b""))

    @property
    def identity(self) -> object:
        """What is equal for two commits with the same files."""
        return frozenset((path, row.mode, row.blob) for path, row in self._rows.items())

    def load(self, paths: Iterable[str]) -> None:
        """Read many files by one process, for `fetch` to have them at hand.

        Raises:
            OSError: they are too large to be read.
        """
        wanted = [row for path in paths if (row := self._rows.get(path)) and row.kind == "blob"]
        missing = {row.blob: row.size for row in wanted if row.blob not in self._blobs}
        if sum(missing.values()) > _MAX_BYTES:
            raise OSError(errno.EFBIG, f"more than {_MAX_BYTES >> 20} MB")
        asked = "".join(f"{blob}\n" for blob in missing).encode()
        found = git.run(self._directory, "cat-file", "--batch", text=asked) if missing else b""
        self._blobs |= dict(_contents(found or b""))

    def fetch(self, path: str) -> Content:
        """Return what the file at `path` holds; OSError if there is no plain file."""
        row = self._rows.get(path)
        if row is None:
            raise FileNotFoundError(errno.ENOENT, "no such file")
        if _problem(row):
            raise OSError(errno.EINVAL, "not a plain file")
        if row.blob not in self._blobs:
            self.load([path])
        if row.blob not in self._blobs:
            raise OSError(errno.EIO, "git does not have it")
        return Content(self._blobs[row.blob], row.mode & 0o777)

    def walk(self) -> Iterator[tuple[str, str]]:
        """Yield every path with what is wrong with it, an empty text for a plain file."""
        for path, row in self._rows.items():
            yield path, _problem(row)


def commits(directory: str, count: int) -> list[str]:
    """Return the ids of the last `count` commits of the current branch, the newest first.

    There are fewer where the branch is shorter, and none without a repository.
    """
    found = git.run(directory, "rev-list", "--first-parent", f"--max-count={count}", "HEAD")
    return (found or b"").decode().split()


def is_shallow(directory: str) -> bool:
    """Tell whether the repository lacks its older commits (gitglossary(7), shallow repository)."""
    return git.run(directory, "rev-parse", "--is-shallow-repository") == b"true\n"


def base(directory: str, revision: str) -> str | None:
    """Return the commit at which the change that is being made left `revision`.

    That is the merge base with HEAD; where there is none, as in a shallow clone, the commit itself. An
    all-zero id, which a first push tells of, stands for the parent of HEAD.

    Returns:
        The id of the commit, None where `revision` names none.
    """
    named = git.commit(directory, revision if revision.strip("0") else "HEAD^")
    if named is None:
        return None
    found = git.run(directory, "merge-base", named, "HEAD")
    return found.decode().strip() if found else named


def _rows(listed: bytes) -> Iterator[tuple[str, _Row]]:
    for line in listed.split(b"\0"):
        told, tab, path = line.partition(b"\t")
        words = told.decode("ascii", "replace").split()
        if tab and len(words) == 4:
            size = int(words[3]) if words[3].isdigit() else 0
            yield path.decode("utf-8", "replace"), _Row(int(words[0], 8), words[1], words[2], size)


def _problem(row: _Row) -> str:
    if row.kind != "blob":
        return "is a submodule"
    return "is a symlink" if row.mode == 0o120000 else ""


def _contents(found: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the blobs in the output of ``git cat-file --batch`` (git-cat-file(1))."""
    at = 0
    while (end := found.find(b"\n", at)) >= 0:
        words = found[at:end].decode("ascii", "replace").split()
        at = end + 1
        if len(words) == 3:
            size = int(words[2])
            yield words[0], found[at : at + size]
            at += size + 1
