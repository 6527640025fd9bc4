"""Record a command's file-system calls with strace, and read the record."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

UMASK = 0o022
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "PATH": os.environ.get("PATH", os.defpath),
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": str(Path(__file__).resolve().parent.parent.parent),
}
CALLS = (
    *("open", "openat", "openat2", "creat", "close", "lseek", "dup", "dup2", "dup3", "fcntl"),
    *("write", "pwrite64", "writev", "pwritev", "pwritev2", "truncate", "ftruncate", "fallocate"),
    *("copy_file_range", "sendfile", "splice", "io_uring_setup"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink"),
    *("unlinkat", "rmdir", "mkdir", "mkdirat", "mknod", "mknodat", "chmod", "fchmod", "fchmodat"),
    *("fchmodat2", "fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "fadvise64"),
    *("chdir", "fchdir"),
)
"""What is recorded: calls that change names, bytes or modes, make them durable, or open a file."""

_LONGEST = 1 << 24
_SECONDS = 120

_LINE = re.compile(r"(?P<process>\d+) +(?P<rest>.*)", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_RESUMED = re.compile(r"<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)", re.DOTALL)
_ANYWHERE = re.compile(r" (?:write\(1\b|f?chdir\(|io_uring_setup\(|sync\(|<\.\.\. )|<unfinished ")
_CALL = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>\?|-?\d+|0x[0-9a-f]+)", re.DOTALL)
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_HEXADECIMAL = re.compile(r"((?:\\x[0-9a-f]{2})+)")
_TOKEN = re.compile(r'"[^"]*"|<[^>]*>|[^,"<>\[\]{}()]+|.', re.DOTALL)
_DESCRIPTOR = re.compile(r"(-?\d+|AT_FDCWD)(?:<((?:\\x[0-9a-f]{2}|[^>\\])*)>)?(\(deleted\))?")


class TraceError(Exception):
    """A record cannot be read, or tells of a call that is not modelled."""


class Argument(NamedTuple):
    """One argument of a call.

    Args:
        text: as strace prints it.
        data: the bytes of a string.
        path: what the file descriptor stands for, if that is known.
        is_deleted: the file of the descriptor has no name any more.
    """

    text: str
    data: bytes | None = None
    path: str | None = None
    is_deleted: bool = False

    @property
    def number(self) -> int:
        """The argument as a number: decimal, hexadecimal, or octal with a leading zero."""
        text = self.text.partition("<")[0]
        return int(text, 8) if re.fullmatch("0[0-7]+", text) else int(text, 0)

    @property
    def flags(self) -> frozenset[str]:
        """The argument as names of flags."""
        return frozenset(self.text.split("|"))


class Call(NamedTuple):
    """A call that was made and did not fail."""

    process: int
    name: str
    arguments: tuple[Argument, ...]
    result: int


@functools.cache
def obstacle() -> str | None:
    """Return why no command can be recorded here, None if one can."""
    if not sys.platform.startswith("linux"):
        return "strace is there on Linux alone"
    if shutil.which("strace") is None:
        return "no strace (apt-get install strace)"
    tried = subprocess.run(
        ["strace", "-f", "-o", os.devnull, "-e", "trace=?write", "true"], capture_output=True
    )
    return None if tried.returncode == 0 else "strace may not trace a process here"


def record(words: Sequence[str | Path], root: Path, log: Path) -> tuple[int, list[Call]]:
    """Run ``python -m agentrail_runtime`` with `words` under strace; return its exit code and calls.

    Args:
        words: the command line.
        root: the directory that matters; most calls elsewhere are left out.
        log: where strace may write; a new file.

    Raises:
        TraceError: the record cannot be read.
    """
    traced = ",".join(f"?{name}" for name in CALLS)
    tracer = ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", str(_LONGEST), "-o", str(log)]
    command = [sys.executable, "-m", "agentrail_runtime", *(str(word) for word in words)]
    done = subprocess.run(
        [*tracer, "-e", "signal=none", "-e", f"trace={traced}", *command],
        cwd="/",
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_SECONDS,
        umask=UMASK,
    )
    with log.open(encoding="ascii") as lines:
        return done.returncode, [*parse(about(lines, str(root)))]


def about(lines: Iterable[str], root: str) -> Iterator[str]:
    """Yield the lines that may tell of something below `root`, or of what somebody was told."""
    wanted = "".join(f"\\x{byte:02x}" for byte in os.fsencode(root))
    for line in lines:
        if wanted in line or _ANYWHERE.search(line):
            yield line


def parse(lines: Iterable[str]) -> Iterator[Call]:
    """Yield the calls that a record of strace tells of and that did not fail, in the order they ended.

    Args:
        lines: as ``strace -f -y -xx -o FILE`` writes them.

    Raises:
        TraceError: a line is not understood, or a string in it was cut short.
    """
    begun: dict[int, str] = {}
    for line in lines:
        found = _LINE.fullmatch(line.rstrip("\n"))
        if found is None:
            raise TraceError(f"not understood: {line[:200]!r}")
        process, rest = int(found["process"]), found["rest"]
        if rest.startswith(("+++", "---")):
            continue
        if rest.endswith(_UNFINISHED):
            begun[process] = rest.removesuffix(_UNFINISHED)
            continue
        if resumed := _RESUMED.fullmatch(rest):
            rest = begun.pop(process) + resumed["rest"]
        if (call := _call(process, rest)) is not None:
            yield call


def _call(process: int, text: str) -> Call | None:
    """Return the call that `text` tells of, None for one that failed."""
    found = _CALL.match(text)
    if found is None or found["result"] == "?":
        raise TraceError(f"not understood: {text[:200]!r}")
    result = int(found["result"], 0)
    if result < 0:
        return None
    arguments = tuple(_argument(part) for part in _split(found["arguments"]))
    return Call(process, found["name"], arguments, result)


def _split(text: str) -> list[str]:
    """Return the arguments in `text`."""
    parts, depth = [""], 0
    for token in _TOKEN.findall(text):
        depth += (token in ("[", "{", "(")) - (token in ("]", "}", ")"))
        if token == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += token
    return [part.strip() for part in parts] if text else []


def _argument(text: str) -> Argument:
    if text.startswith('"'):
        found = _STRING.fullmatch(text)
        if found is None or found[2]:
            raise TraceError(f"cut short: {text[:200]!r}")
        return Argument(text, data=_bytes(found[1]))
    found = _DESCRIPTOR.fullmatch(text)
    if found is None or found[2] is None:
        return Argument(text)
    path = os.fsdecode(_bytes(found[2]))
    is_deleted = bool(found[3]) or path.endswith(" (deleted)")
    return Argument(text, path=path, is_deleted=is_deleted)


def _bytes(text: str) -> bytes:
    """Return the bytes of a text in which strace wrote all or some of them as ``\\xNN``."""
    return b"".join(
        bytes.fromhex(part.replace("\\x", "")) if part.startswith("\\x") else os.fsencode(part)
        for part in _HEXADECIMAL.split(text)
    )
