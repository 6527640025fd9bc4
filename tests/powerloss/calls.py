"""Calls written by hand, for tests that record nothing."""

from __future__ import annotations

import itertools

from tests.powerloss.disk import Moment, Tape, Tree
from tests.powerloss.trace import Argument, Call
from tests.support import Node

ROOT = "/disk"
_NUMBERS = itertools.count(10)


def here(path: str) -> tuple[Argument, Argument]:
    """Return a path as newer calls have it: a directory, and a name in it."""
    above, _, name = f"{ROOT}/{path}".rpartition("/")
    return Argument("3", path=above), Argument("", data=name.encode())


def opened(path: str) -> Argument:
    """Return a descriptor of what stands at a path."""
    return Argument("3", path=f"{ROOT}/{path}".rstrip("/"))


def call(name: str, *arguments: Argument | str, result: int = 0) -> Call:
    """Return a call of process 1."""
    found = tuple(Argument(text) if isinstance(text, str) else text for text in arguments)
    return Call(1, name, found, result)


def mkdir(path: str) -> list[Call]:
    """Make a directory."""
    return [call("mkdirat", *here(path), "0777")]


def create(path: str, *writes: bytes) -> list[Call]:
    """Write a new file, with one call for each of `writes`."""
    number = next(_NUMBERS)
    descriptor = Argument(f"{number}", path=f"{ROOT}/{path}")
    flags = "O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC"
    return [
        call("openat", *here(path), flags, "0666", result=number),
        *(
            call("write", descriptor, Argument("", data=data), f"{len(data)}", result=len(data))
            for data in writes
        ),
        call("close", descriptor),
    ]


def rename(old: str, new: str) -> list[Call]:
    """Rename a file."""
    return [call("renameat", *here(old), *here(new))]


def unlink(path: str) -> list[Call]:
    """Remove a file."""
    return [call("unlinkat", *here(path), "0")]


def rmdir(path: str) -> list[Call]:
    """Remove a directory."""
    return [call("unlinkat", *here(path), "AT_REMOVEDIR")]


def chmod(path: str, mode: str) -> list[Call]:
    """Set permission bits."""
    return [call("fchmodat", *here(path), mode)]


def fsync(path: str) -> list[Call]:
    """Make a file or a directory durable."""
    return [call("fsync", opened(path))]


def file(data: bytes, mode: int = 0o644) -> Node:
    """Return a file as a tree has it."""
    return Node("file", mode, data)


DIRECTORY = Node("directory", 0o755, b"")


def tape(tree: Tree, *calls: list[Call]) -> Tape:
    """Return the tape of some calls on a disk that holds `tree`; the target is the disk."""
    made = Tape(tree)
    made.add(Moment((tree,), "before"))
    made.play([one for several in calls for one in several], ROOT)
    return made
