"""Strikes at real system calls: strace(1) kills a process, fails a call of it, or slows it down.

A run is a forked child of this process that waits until strace is attached, so that Python's start is
neither traced nor struck; or else it is a whole process, from the start. Every call stops twice: with
``--seccomp-bpf``, which would spare that, strace 6.1 loses the signals that it is asked to inject. The
signal comes at the first stop, and a process that is killed there never makes the call (ptrace(2),
syscall-stops).
"""

from __future__ import annotations

import ctypes
import functools
import gc
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.fault.scenario import plain
from tests.support import Run

KINDS = {
    "rename": ("rename", "renameat", "renameat2"),
    "create": ("openat", "open", "creat"),
    "write": ("write", "pwrite64", "writev", "copy_file_range", "sendfile"),
    "unlink": ("unlink", "unlinkat", "rmdir"),
    "mkdir": ("mkdir", "mkdirat"),
    "link": ("link", "linkat", "symlink", "symlinkat"),
    "truncate": ("truncate", "ftruncate", "fallocate"),
    "chmod": ("chmod", "fchmod", "fchmodat", "fchmodat2", "utimensat"),
    "fsync": ("fsync", "fdatasync", "syncfs", "sync_file_range"),
    "lock": ("flock",),
    "read": ("newfstatat", "fstat", "statx", "getdents64", "read", "pread64", "lseek", "readlinkat"),
    "close": ("close",),
}
"""The calls that are struck, by what they do; ``openat`` without ``O_CREAT`` counts as ``read``."""

CHANGES = ("rename", "create", "write", "unlink", "mkdir", "link", "truncate", "chmod", "fsync", "lock")
"""The kinds that change the disk or make it durable, or take a lock."""

_KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}
_TRACED = ",".join(f"?{name}" for name in [*_KIND_OF, "clone", "clone3", "fork", "vfork"])
_LINE = re.compile(r"(?:(?P<process>\d+) +)?(?P<name>\w+)\(")
_STRUCK = re.compile(r"(?:\d+ +)?(?:\+\+\+ killed by|--- SIG(?!CHLD))")
_PATHS = re.compile(r'<([^<>]*)>|"([^"]*)"')
_PR_SET_PTRACER, _ANY = 0x59616D61, 2**64 - 1
_SECONDS = 120


class Call(NamedTuple):
    """One call of a traced run.

    Args:
        name: the system call.
        number: which one among those of that name in its process, from 1.
        line: how strace shows it.
        is_struck: whether strace did something to it.
    """

    name: str
    number: int
    line: str
    is_struck: bool = False

    @property
    def kind(self) -> str:
        """What it does."""
        if self.name in ("openat", "open") and not re.search(r"O_CREAT|O_TRUNC", self.line):
            return "read"
        return _KIND_OF.get(self.name, "other")

    def what(self, root: Path) -> str:
        """Return its name and the paths that it is about, below `root`; the same in every run."""
        paths = [one or other for one, other in _PATHS.findall(self.line.partition(" = ")[0])]
        told = [plain(path.removeprefix(f"{root}").lstrip("/")) for path in paths]
        return " ".join([self.name, *filter(None, told)])


class Traced(NamedTuple):
    """How a traced run ended: its code (negative: the signal), what it told, and its calls."""

    code: int
    run: Run | None
    calls: list[Call]
    log: str

    @property
    def struck(self) -> Call | None:
        """The call that strace did something to, None for none."""
        return next((call for call in self.calls if call.is_struck), None)

    def on(self, root: Path) -> list[Call]:
        """Return the calls that are about `root`, or something below it."""
        return [call for call in self.calls if f"{root}" in call.line]


@functools.cache
def problem() -> str:
    """Return why no run can be traced here; an empty text if it can."""
    if sys.platform != "linux":
        return "strace is there on Linux alone"
    if shutil.which("strace") is None:
        return "strace is not installed"
    with tempfile.TemporaryDirectory() as place:
        try:
            trace(lambda: Run(0, "", ""), Path(place))
        except OSError as error:
            return f"strace cannot trace here: {error}"
    return ""


def trace(
    command: Callable[[], Run],
    place: Path,
    *words: str,
    meanwhile: Callable[[int], None] | None = None,
) -> Traced:
    """Run `command` in a forked child under strace.

    Args:
        command: what is run.
        place: a directory for strace's output, which the command does not touch.
        words: further arguments of strace, such as what to inject.
        meanwhile: called with the child's process id when it goes.

    Raises:
        OSError: strace could not attach.
    """
    log, told = _emptied(place)
    reader, writer = os.pipe()
    child = fork()
    if child == 0:
        os.close(writer)
        _work(command, reader, told)
    os.close(reader)
    try:
        with _attached(child, log, words):
            os.write(writer, b"x")
            if meanwhile is not None:
                meanwhile(child)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            child = 0
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        os.close(writer)
    text = log.read_text(errors="replace")
    run = Run(*json.loads(told.read_text())) if told.exists() and told.stat().st_size else None
    return Traced(code, run, calls(text), text)


def trace_process(command: Sequence[str], place: Path, *words: str) -> Traced:
    """Run `command`, a program and its arguments, under strace from its start to its end.

    Args:
        command: the program and its arguments.
        place: a directory for strace's output, which the command does not touch.
        words: further arguments of strace, such as what to inject.
    """
    log, _ = _emptied(place)
    done = subprocess.run(
        [*_strace(log), *words, *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    text = log.read_text(errors="replace")
    return Traced(done.returncode, Run(done.returncode, done.stdout, done.stderr), calls(text), text)


def calls(log: str) -> list[Call]:
    """Return the calls in strace's output, each numbered among those of its process and name."""
    count: Counter[tuple[str, str]] = Counter()
    found: list[Call] = []
    for line in log.splitlines():
        if match := _LINE.match(line):
            key = (match["process"] or "", match["name"])
            count[key] += 1
            found.append(Call(match["name"], count[key], line, "(INJECTED)" in line))
        elif found and _STRUCK.match(line):
            found[-1] = found[-1]._replace(is_struck=True)
    return found


def _emptied(place: Path) -> tuple[Path, Path]:
    log, told = place / "strace.log", place / "told.json"
    for path in (log, told):
        path.unlink(missing_ok=True)
    return log, told


def _strace(log: Path) -> list[str]:
    return ["strace", "-y", "-s", "0", "-o", f"{log}", "-e", f"trace={_TRACED}"]


def fork() -> int:
    """Return the id of a new child, or 0 in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the threads of pytest-xdist only wait
        return os.fork()


def _work(command: Callable[[], Run], reader: int, told: Path) -> None:
    """Do the child's work and end."""
    code = 99
    try:
        gc.disable()  # it would close what the tests before left behind, now here and now there
        _let_anybody_trace()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        begun = select.poll()  # a read would be counted, sometimes once and sometimes twice
        begun.register(reader, select.POLLIN | select.POLLHUP)
        begun.poll()
        done = command()
        code = done.code
        told.write_text(json.dumps(done))
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        told.write_text(json.dumps(Run(code, "", traceback.format_exc())))
    finally:
        os._exit(code)


def _let_anybody_trace() -> None:
    """Allow a process that is no ancestor to attach, where Yama forbids it (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(_ANY), 0, 0, 0)


@contextmanager
def _attached(child: int, log: Path, words: Sequence[str]) -> Iterator[None]:
    """Have strace attached to the child."""
    strace = subprocess.Popen(
        [*_strace(log), *words, "-p", f"{child}"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert strace.stderr is not None
    try:
        line = strace.stderr.readline()
        if "attached" not in line:
            raise OSError(line.strip() or "it ended")
        yield
        strace.wait(_SECONDS)
    finally:
        with suppress(OSError):
            strace.kill()
        strace.wait()
        strace.stderr.close()
