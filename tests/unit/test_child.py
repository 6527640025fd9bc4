"""Work in a second process: its result, its error, and no process that stays behind."""

from __future__ import annotations

import errno
import gc
import marshal
import os
import signal
import sys
import threading
import time

import pytest

from agentrail_runtime import child

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="only POSIX forks"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),  # threads of pytest-xdist wait
]
MEGABYTE = b"x" * (1 << 20)


@pytest.fixture(autouse=True)
def _is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the work be forked under pytest-xdist, too, whose threads only wait."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def pid() -> tuple[int, bytes]:
    return os.getpid(), MEGABYTE


def test_the_work_is_done_by_another_process() -> None:
    result = child.begin(pid)
    number, data = result()
    assert number != os.getpid()
    assert data == MEGABYTE


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_the_work_is_done_here_where_forking_is_not_safe(
    monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert child.begin(os.getpid)() == os.getpid()


def test_the_work_is_done_here_where_other_threads_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert child.begin(os.getpid)() == os.getpid()


def test_the_error_of_the_work_is_raised() -> None:
    def work() -> None:
        raise OSError(errno.EIO, "broken disk")

    with pytest.raises(OSError, match="broken disk"):
        child.begin(work)()


def test_a_process_that_is_killed_is_replaced_by_this_one() -> None:
    parent = os.getpid()

    def work() -> int:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    assert child.begin(work)() == parent


class EndedError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("is_broken", [False, True])
def test_the_process_sends_what_it_has_and_ends(
    monkeypatch: pytest.MonkeyPatch, is_broken: bool
) -> None:
    def work() -> str:
        if is_broken:
            raise KeyboardInterrupt
        return "done"

    def end(code: int) -> None:
        raise EndedError(code)

    monkeypatch.setattr(os, "_exit", end)
    reader, writer = os.pipe()
    with pytest.raises(EndedError, match="0"):
        child._do(work, writer)
    if is_broken:
        os.close(writer)
    with open(reader, "rb") as file:
        sent = file.read()
    assert (b"" if is_broken else marshal.dumps(("done",))[1:]) == sent[1:]


@pytest.mark.parametrize("struck", ["close", "write"])
def test_the_process_ends_where_it_is_interrupted(monkeypatch: pytest.MonkeyPatch, struck: str) -> None:
    def end(code: int) -> None:
        raise EndedError(code)

    def interrupt(*words: object) -> None:
        monkeypatch.undo()
        monkeypatch.setattr(os, "_exit", end)
        raise KeyboardInterrupt

    pipe = os.pipe()
    monkeypatch.setattr(os, "pipe", lambda: pipe)
    monkeypatch.setattr(os, "fork", lambda: 0)
    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(os, struck, interrupt)
    with pytest.raises(EndedError):
        child.begin(lambda: "done")
    monkeypatch.undo()
    if struck == "close":
        os.close(pipe[0])
    os.close(pipe[1])


def test_a_process_can_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    result = child.begin(lambda: time.sleep(60))
    number = result._process  # type: ignore[attr-defined]
    child.end(result)
    child.end(result)
    assert is_gone(number)
    child.end(pid)


def test_what_cannot_be_sent_is_done_here() -> None:
    assert child.begin(lambda: pid)() is pid


def test_a_process_whose_result_nobody_takes_ends() -> None:
    result = child.begin(lambda: time.sleep(60))
    number = result._process  # type: ignore[attr-defined]
    del result
    gc.collect()
    assert is_gone(number)


def test_a_process_whose_parent_was_killed_ends() -> None:
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        result = child.begin(pid)
        os.write(writer, str(result._process).encode())  # type: ignore[attr-defined]
        time.sleep(60)
        del result
        os._exit(1)
    number = int(os.read(reader, 20))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    os.close(writer)
    os.close(reader)
    assert is_gone(number)


def is_gone(number: int) -> bool:
    for _ in range(200):
        try:
            with open(f"/proc/{number}/stat", encoding="utf-8") as file:
                if file.read().rpartition(")")[2].split()[0] in "ZX":
                    return True
        except OSError:
            return True
        time.sleep(0.1)
    return False
