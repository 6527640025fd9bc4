"""A directory tree in memory, the small steps that change it, and the steps that calls come to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from tests.powerloss.trace import UMASK, Argument, Call, TraceError
from tests.support import Node

Tree: TypeAlias = dict[str, Node]
"""Every path below a directory, sorted so that a directory comes before what is in it."""

ROOT: Final = 0


class Inode(NamedTuple):
    """A file, a directory or a symlink, whatever its names are."""

    kind: str
    mode: int
    data: bytes = b""


class Slot(NamedTuple):
    """A name in a directory, and the inode that it leads to; None for no such name."""

    directory: int
    name: str
    inode: int | None


class Bind(NamedTuple):
    """Names are set, all in one; `gone` is the directory that is removed by it."""

    slots: tuple[Slot, ...]
    text: str
    gone: int | None = None


class Write(NamedTuple):
    """Bytes are written into a file."""

    inode: int
    offset: int
    data: bytes
    text: str


class Resize(NamedTuple):
    """A file is cut or extended."""

    inode: int
    size: int
    text: str


class Mode(NamedTuple):
    """Permission bits are set."""

    inode: int
    mode: int
    text: str


class Sync(NamedTuple):
    """A file or a directory is made durable, all there is with None."""

    inode: int | None
    text: str


class Moment(NamedTuple):
    """From here on a power loss may leave only these trees of the target, once it is recovered."""

    allowed: tuple[Tree, ...]
    text: str


Operation: TypeAlias = Bind | Write | Resize | Mode | Sync | Moment


class Disk:
    """Inodes and the names that lead to them."""

    def __init__(self, inodes: Mapping[int, Inode], names: Mapping[int, Mapping[str, int]]) -> None:
        self.inodes = dict(inodes)
        self.names = {number: dict(found) for number, found in names.items()}

    @classmethod
    def of(cls, tree: Tree) -> Disk:
        """Return a disk that holds `tree`."""
        disk = cls({ROOT: Inode("directory", 0o755)}, {ROOT: {}})
        for path, node in tree.items():
            above, name = disk.find(path)
            disk.names[above][name] = disk.give_birth(Inode(node.kind, node.mode, node.content))
        return disk

    def copy(self) -> Disk:
        """Return a disk that can be changed without changing this one."""
        return Disk(self.inodes, self.names)

    def give_birth(self, inode: Inode) -> int:
        """Add an inode that has no name yet; return its number."""
        number = len(self.inodes)
        self.inodes[number] = inode
        if inode.kind == "directory":
            self.names[number] = {}
        return number

    def tree(self) -> Tree:
        """Return what can be reached from the root."""
        found: Tree = {}
        self._collect(ROOT, "", found)
        return found

    def _collect(self, directory: int, prefix: str, found: Tree) -> None:
        for name, number in sorted(self.names[directory].items()):
            inode = self.inodes[number]
            found[prefix + name] = Node(inode.kind, inode.mode, inode.data)
            if inode.kind == "directory":
                self._collect(number, f"{prefix}{name}/", found)

    def find(self, path: str) -> tuple[int, str]:
        """Return the directory that `path` is in, and the name there.

        Raises:
            TraceError: a directory on the way is absent, or is a symlink.
        """
        *above, name = path.split("/")
        directory = ROOT
        for part in above:
            number = self.names[directory].get(part)
            if number is None or self.inodes[number].kind != "directory":
                raise TraceError(f"{path}: {part} is no directory here")
            directory = number
        return directory, name

    def inode(self, path: str) -> int | None:
        """Return the inode at `path`, None where there is none."""
        if not path:
            return ROOT
        directory, name = self.find(path)
        return self.names[directory].get(name)

    def apply(self, operation: Operation) -> None:
        """Do one step."""
        if isinstance(operation, Bind):
            for slot in operation.slots:
                self._set(slot)
        elif isinstance(operation, Write):
            self._write(operation)
        elif isinstance(operation, Resize):
            inode = self.inodes[operation.inode]
            data = inode.data[: operation.size].ljust(operation.size, b"\0")
            self.inodes[operation.inode] = inode._replace(data=data)
        elif isinstance(operation, Mode):
            inode = self.inodes[operation.inode]
            self.inodes[operation.inode] = inode._replace(mode=operation.mode)

    def _set(self, slot: Slot) -> None:
        if slot.inode is None:
            self.names[slot.directory].pop(slot.name, None)
        else:
            self.names[slot.directory][slot.name] = slot.inode

    def _write(self, operation: Write) -> None:
        inode = self.inodes[operation.inode]
        head = inode.data[: operation.offset].ljust(operation.offset, b"\0")
        tail = inode.data[operation.offset + len(operation.data) :]
        self.inodes[operation.inode] = inode._replace(data=head + operation.data + tail)


class Handle:
    """An open file: where the next write goes."""

    def __init__(self, inode: int, *, is_appending: bool) -> None:
        self.inode = inode
        self.is_appending = is_appending
        self.position = 0


class Tape:
    """The steps of one or several commands, one after the other, and the disk that they come to.

    Args:
        tree: what is there at the beginning; all of it lasts.
    """

    def __init__(self, tree: Tree) -> None:
        self.live = Disk.of(tree)
        self.initial = self.live.copy()
        self.operations: list[Operation] = []

    def tree(self) -> Tree:
        """Return what is there after the last step."""
        return self.live.tree()

    def add(self, operation: Operation) -> None:
        """Do one step more."""
        self.operations.append(operation)
        self.live.apply(operation)

    def give_birth(self, inode: Inode) -> int:
        """Add an inode that no step has named yet; return its number."""
        self.initial.give_birth(inode)
        return self.live.give_birth(inode)

    def cut(self, end: int) -> None:
        """Forget what came after the first `end` steps: the command was killed there."""
        del self.operations[end:]
        self.live = self.initial.copy()
        for operation in self.operations:
            self.live.apply(operation)

    def copy(self) -> Tape:
        """Return a tape that can be added to without changing this one."""
        tape = Tape({})
        tape.live, tape.initial = self.live.copy(), self.initial.copy()
        tape.operations = [*self.operations]
        return tape

    def without(self, left_out: Iterable[int]) -> Tape:
        """Return a tape without the steps with these numbers, none of which changes anything."""
        tape, left_out = self.copy(), {*left_out}
        tape.operations = [step for at, step in enumerate(self.operations) if at not in left_out]
        return tape

    def syncs(self) -> dict[int, str]:
        """Return the numbers of the steps that make something durable, with what kind of thing."""
        return {
            at: "directory" if step.inode is None else self.initial.inodes[step.inode].kind
            for at, step in enumerate(self.operations)
            if isinstance(step, Sync)
        }

    def play(self, calls: Iterable[Call], root: str) -> int:
        """Add the steps that `calls` are; return how many there were when the user was told the result.

        Args:
            calls: those of one command, all processes of it.
            root: the directory on the disk that the tree stands for; calls elsewhere are left out.

        Raises:
            TraceError: a call below `root` is not modelled.
        """
        player = _Player(self, root)
        for call in calls:
            player.play(call)
        return len(self.operations) if player.told is None else player.told


_UNMODELLED: Final = frozenset(
    {"openat2", "writev", "pwritev", "pwritev2", "fallocate", "copy_file_range", "sendfile", "splice"}
    | {"mknod", "mknodat"}
)
"""Calls that change a file in a way that no step stands for."""


class _Player:
    """Turns the calls of one command into steps."""

    def __init__(self, tape: Tape, root: str) -> None:
        self.tape = tape
        self.root = root.rstrip("/")
        self.told: int | None = None
        self._first: int | None = None
        self._handles: dict[tuple[int, int], Handle] = {}
        self._directories: dict[int, str] = {}
        self._plays: Final[dict[str, Callable[[Call], None]]] = {
            "openat": self._open,
            "close": self._close,
            "lseek": self._seek,
            "dup": self._duplicate,
            "dup2": self._duplicate,
            "dup3": self._duplicate,
            "fcntl": self._duplicate,
            "write": self._write,
            "pwrite64": self._write,
            "ftruncate": self._resize,
            "truncate": self._resize,
            "renameat": self._rename,
            "renameat2": self._rename,
            "linkat": self._link,
            "symlinkat": self._symlink,
            "unlinkat": self._remove,
            "mkdirat": self._make,
            "fchmod": self._mode,
            "fchmodat": self._mode,
            "fchmodat2": self._mode,
            "fsync": self._sync,
            "fdatasync": self._sync,
            "sync": self._sync_all,
            "syncfs": self._sync_all,
            "chdir": self._enter,
            "fchdir": self._enter,
        }

    def play(self, call: Call) -> None:
        """Add the steps that `call` is."""
        self._first = self._first or call.process
        call = _modern(call)
        if call.name == "write" and (call.process, call.arguments[0].number) == (self._first, 1):
            self.told = len(self.tape.operations) if self.told is None else self.told
        elif call.name == "io_uring_setup":
            raise TraceError(f"{call.name}: not modelled")
        elif call.name in _UNMODELLED:
            if any(self._place(argument.path) is not None for argument in call.arguments):
                raise TraceError(f"{call.name}: not modelled")
        elif (play := self._plays.get(call.name)) is not None:
            play(call)

    # --- where -----------------------------------------------------------------------------------

    def _place(self, path: str | None) -> str | None:
        """Return the path below the root that `path` is, None for one elsewhere."""
        if path is None or not f"{path}/".startswith(f"{self.root}/"):
            return None
        return path[len(self.root) + 1 :]

    def _at(self, argument: Argument) -> int | None:
        """Return the inode that a descriptor stands for, None where no name of ours leads to it."""
        place = None if argument.is_deleted else self._place(argument.path)
        if place is None:
            return None
        inode = self.tape.live.inode(place)
        if inode is None:
            raise TraceError(f"{argument.path}: open, but not there")
        return inode

    def _path(self, call: Call, number: int) -> str:
        """Return the full path that two arguments name: a directory, and a path from there."""
        directory, name = call.arguments[number : number + 2]
        above = directory.path or self._directories.get(call.process)
        text = os.fsdecode(name.data or b"")
        if above is None and self._directories and not os.path.isabs(text):
            raise TraceError(f"{text}: opened from a directory that is not known")
        return os.path.normpath(os.path.join(above or "/", text))

    def _named(self, path: str) -> int | None:
        """Return the inode at a path, None for one elsewhere."""
        place = self._place(path)
        if place is None:
            return None
        inode = self.tape.live.inode(place)
        if inode is None:
            raise TraceError(f"{path}: used, but not there")
        return inode

    def _object(self, call: Call) -> tuple[int | None, Argument]:
        """Return the inode that a call is about, and the argument that follows."""
        if len(call.arguments) > 1 and call.arguments[1].data is not None:
            return self._named(self._path(call, 0)), call.arguments[2]
        return self._at(call.arguments[0]), call.arguments[-1]

    def _slot(self, place: str, inode: int | None) -> Slot:
        directory, name = self.tape.live.find(place)
        return Slot(directory, name, inode)

    def _text(self, inode: int) -> str:
        """Return how to call an inode, for people."""
        live = self.tape.live
        for path in ("", *live.tree()):
            if live.inode(path) == inode:
                return path or "."
        return f"inode {inode}"

    # --- what ------------------------------------------------------------------------------------

    def _open(self, call: Call) -> None:
        path, flags = self._path(call, 0), call.arguments[2].flags
        place = self._place(path)
        if place is None:
            return
        if "O_TMPFILE" in flags:
            raise TraceError("O_TMPFILE: not modelled")
        inode = self.tape.live.inode(place)
        if inode is None:
            if "O_CREAT" not in flags:
                raise TraceError(f"{path}: opened, but not there")
            inode = self.tape.give_birth(Inode("file", _mode(call.arguments[3]) & ~UMASK))
            self.tape.add(Bind((self._slot(place, inode),), f"create {place}"))
        elif "O_TRUNC" in flags:
            self.tape.add(Resize(inode, 0, f"cut {place}"))
        handle = Handle(inode, is_appending="O_APPEND" in flags)
        self._handles[call.process, call.result] = handle

    def _close(self, call: Call) -> None:
        self._handles.pop((call.process, call.arguments[0].number), None)

    def _handle(self, call: Call, inode: int) -> Handle:
        """Return the open file that a call writes to: this process's, or one that it has inherited."""
        number = call.arguments[0].number
        own = self._handles.get((call.process, number))
        if own is not None and own.inode == inode:
            return own
        for (_, other), handle in self._handles.items():
            if other == number and handle.inode == inode:
                return handle
        raise TraceError(f"{call.arguments[0].path}: written, but never opened")

    def _seek(self, call: Call) -> None:
        inode = self._at(call.arguments[0])
        if inode is not None and self.tape.live.inodes[inode].kind == "file":
            self._handle(call, inode).position = call.result

    def _duplicate(self, call: Call) -> None:
        if call.name == "fcntl" and not call.arguments[1].text.startswith("F_DUPFD"):
            return
        inode = self._at(call.arguments[0])
        if inode is not None and self.tape.live.inodes[inode].kind == "file":
            self._handles[call.process, call.result] = self._handle(call, inode)

    def _write(self, call: Call) -> None:
        inode = self._at(call.arguments[0])
        if inode is None:
            return
        data = (call.arguments[1].data or b"")[: call.result]
        handle = self._handle(call, inode)
        if call.name == "pwrite64":
            offset = call.arguments[3].number
        else:
            size = len(self.tape.live.inodes[inode].data)
            offset = size if handle.is_appending else handle.position
            handle.position = offset + len(data)
        self.tape.add(Write(inode, offset, data, f"write {len(data)} to {self._text(inode)}"))

    def _resize(self, call: Call) -> None:
        inode, size = self._object(call)
        if inode is not None:
            self.tape.add(Resize(inode, size.number, f"cut {self._text(inode)}"))

    def _rename(self, call: Call) -> None:
        old, new = self._path(call, 0), self._path(call, 2)
        source, destination = self._place(old), self._place(new)
        if source is None and destination is None:
            return
        if source is None or destination is None or "RENAME_EXCHANGE" in call.arguments[-1].flags:
            raise TraceError(f"{old} to {new}: not modelled")
        live = self.tape.live
        moved, replaced = self._named(old), live.inode(destination)
        if moved == replaced:
            return
        gone = replaced if replaced is not None and live.inodes[replaced].kind == "directory" else None
        slots = (self._slot(destination, moved), self._slot(source, None))
        self.tape.add(Bind(slots, f"rename {source} to {destination}", gone))

    def _link(self, call: Call) -> None:
        place = self._place(self._path(call, 2))
        if place is not None:
            inode = self._named(self._path(call, 0))
            self.tape.add(Bind((self._slot(place, inode),), f"link {place}"))

    def _symlink(self, call: Call) -> None:
        place = self._place(self._path(call, 1))
        if place is not None:
            inode = self.tape.give_birth(Inode("link", 0o777, call.arguments[0].data or b""))
            self.tape.add(Bind((self._slot(place, inode),), f"symlink {place}"))

    def _remove(self, call: Call) -> None:
        path = self._path(call, 0)
        inode, place = self._named(path), self._place(path)
        if inode is None or place is None:
            return
        is_directory = self.tape.live.inodes[inode].kind == "directory"
        word = "rmdir" if is_directory else "unlink"
        slots = (self._slot(place, None),)
        self.tape.add(Bind(slots, f"{word} {place}", inode if is_directory else None))

    def _make(self, call: Call) -> None:
        place = self._place(self._path(call, 0))
        if place is not None:
            inode = self.tape.give_birth(Inode("directory", _mode(call.arguments[2]) & ~UMASK))
            self.tape.add(Bind((self._slot(place, inode),), f"mkdir {place}"))

    def _mode(self, call: Call) -> None:
        inode, mode = self._object(call)
        if inode is not None:
            self.tape.add(Mode(inode, _mode(mode), f"chmod {self._text(inode)} to {mode.text}"))

    def _sync(self, call: Call) -> None:
        inode = self._at(call.arguments[0])
        if inode is not None:
            self.tape.add(Sync(inode, f"fsync {self._text(inode)}"))

    def _sync_all(self, call: Call) -> None:
        self.tape.add(Sync(None, call.name))

    def _enter(self, call: Call) -> None:
        data = call.arguments[0].data
        path = call.arguments[0].path if data is None else os.fsdecode(data)
        above = self._directories.get(call.process, "/")
        self._directories[call.process] = os.path.join(above, path or ".")


_HERE: Final = Argument("AT_FDCWD")
_NOTHING: Final = Argument("0")
_CREATING: Final = Argument("O_WRONLY|O_CREAT|O_TRUNC")


def _modern(call: Call) -> Call:
    """Return the call with a directory before each path, as the newer calls have it."""
    name, arguments = call.name, call.arguments
    if name in ("open", "mkdir", "chmod"):
        new = {"open": "openat", "mkdir": "mkdirat", "chmod": "fchmodat"}[name]
        return call._replace(name=new, arguments=(_HERE, *arguments))
    if name in ("unlink", "rmdir"):
        return call._replace(name="unlinkat", arguments=(_HERE, *arguments))
    if name == "truncate":
        return call._replace(arguments=(_HERE, *arguments))
    if name == "creat":
        return call._replace(name="openat", arguments=(_HERE, arguments[0], _CREATING, arguments[1]))
    if name in ("rename", "link"):
        both = (_HERE, arguments[0], _HERE, arguments[1], _NOTHING)
        return call._replace(name=f"{name}at", arguments=both)
    if name == "symlink":
        return call._replace(name="symlinkat", arguments=(arguments[0], _HERE, arguments[1]))
    return call


def _mode(argument: Argument) -> int:
    return argument.number & 0o7777
