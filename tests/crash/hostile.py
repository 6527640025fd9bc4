"""What the tests of hostile input share: who may be touched, how a refusal looks, what never hangs."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from tests.crash.support import FaultyOs, run_in_child
from tests.support import Run, agentrail, install, snapshot

SECONDS = 20

COMMANDS: dict[str, Callable[[Path], Run]] = {
    "install": lambda root: install(root),
    "install --on-conflict overwrite": lambda root: install(root, "--on-conflict", "overwrite"),
    "install --dry-run": lambda root: install(root, "--dry-run"),
    "verify": lambda root: agentrail("verify", root),
    "status": lambda root: agentrail("status", root),
    "diff": lambda root: agentrail("diff", root),
    "rollback --list": lambda root: agentrail("rollback", "--list", root),
    "rollback": lambda root: agentrail("rollback", root),
    "uninstall": lambda root: agentrail("uninstall", root),
}
"""The commands as a user types them, the harmless ones first but for the install."""


def make_outside(place: Path) -> Path:
    """Return a directory at `place` that nobody may touch."""
    (place / "empty").mkdir(parents=True)
    (place / "secret").write_bytes(b"secret")
    (place / "directory").mkdir()
    (place / "directory/file").write_bytes(b"precious")
    return place


def copy_of(template: Path, place: Path) -> Path:
    """Return a copy of a prepared target at `place`: faster than to prepare it again."""
    shutil.copytree(template, place, symlinks=True)
    return place


@contextmanager
def untouched(*roots: Path) -> Iterator[None]:
    """Make sure that not a byte, mode or mtime below `roots` changes."""
    before = [snapshot(root, with_state=True, with_times=True) for root in roots]
    yield
    assert [snapshot(root, with_state=True, with_times=True) for root in roots] == before


@contextmanager
def as_it_was(root: Path) -> Iterator[None]:
    """Make sure that no file of `root` changes, the installer's state included."""
    before = snapshot(root, with_state=True)
    yield
    assert snapshot(root, with_state=True) == before


def refused(done: Run, code: int, *told: str) -> None:
    """Make sure that a command ended with `code`, in words that hold `told`, with a hint, untraced."""
    assert done.code == code, done
    assert "Traceback" not in done.err
    assert "\nhint: " in done.err
    for text in told:
        assert text in done.err


@contextmanager
def bounded(seconds: int = SECONDS) -> Iterator[None]:
    """Fail where the body hangs, on a FIFO that nobody writes to for example."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it hung for {seconds} seconds")

    former = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def make_fifo(path: Path) -> None:
    """Put a FIFO that nobody writes to at `path`."""
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    """Put a socket that nobody listens on at `path`."""
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path has at most 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def make_directory(path: Path) -> None:
    """Put a directory with a file of the user's at `path`."""
    path.mkdir()
    (path / "mine").write_bytes(b"mine")


ODD: dict[str, Callable[[Path], None]] = {
    "a FIFO": make_fifo,
    "a socket": make_socket,
    "a directory": make_directory,
}
"""What may stand in the place of a file."""


def replace(path: Path, make: Callable[[Path], object]) -> None:
    """Let `make` put something else in the place of what stands at `path`, if anything."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(path.name + ".moved"))
    else:
        path.unlink(missing_ok=True)
    make(path)


@contextmanager
def closed(path: Path, *, mode: int = 0) -> Iterator[None]:
    """Close `path`; open it again at the end."""
    former = stat.S_IMODE(path.stat().st_mode)
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(former)


def without_privileges(command: Callable[[], Run]) -> Run:
    """Run `command` in a child that may not read what is closed, as a superuser may."""
    if os.getuid() == 0 and sys.platform != "linux":
        pytest.skip("only Linux takes the superuser's right to read everything from one process")
    reader, writer = os.pipe()

    def run() -> Run:
        if os.getuid() == 0:
            drop_capabilities()
        done = command()
        with open(writer, "w", encoding="utf-8") as pipe:
            json.dump(done, pipe)
        return done

    run_in_child(run, FaultyOs())
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        return Run(*json.load(pipe))


def drop_capabilities() -> None:
    """Make a superuser's process an ordinary owner of its files: capset(2) with none left."""
    version_3, this_process = 0x20080522, 0
    header = struct.pack("=Ii", version_3, this_process)
    if ctypes.CDLL(None, use_errno=True).capset(header, bytes(24)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def process(*words: str | Path) -> Run:
    """Run ``agentrail`` with `words` in a process of its own, with the streams of a terminal's user."""
    done = subprocess.run(
        [sys.executable, "-m", "agentrail_runtime", *words],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Run(done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))
