"""An export that is killed or refused at any call: the old directory or the new one, and no litter."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from agentrail_runtime import child, replacement
from agentrail_runtime.entry import RelPath
from agentrail_runtime.replacement import Item, item

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows knows no kill -9")
OLD = {"a": b"old\n", "sub/b": b"old\n", "sub/gone": b"old\n"}
NEW = {"a": b"new\n", "dir/c": b"new\n", "sub/b": b"new\n"}
CALLS = ("chmod", "close", "fchmod", "fstat", "mkdir", "open", "rename", "rmdir", "scandir", "write")
Strike = Callable[[], None]


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupt() -> None:
    raise KeyboardInterrupt


class Faults:
    """Stands in for the module `os`, and strikes at call number `at` (from 1)."""

    def __init__(self, at: int = 0, strike: Strike = kill) -> None:
        self.count = 0
        self._at = at
        self._strike = strike

    def __getattr__(self, name: str) -> Any:
        value = getattr(os, name)
        return self.counted(value) if name in CALLS else value

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any) -> Any:
            self.count += 1
            if self.count == self._at:
                self._strike()
            return function(*words)

        return call


@contextmanager
def struck(faults: Faults, *, can_exchange: bool) -> Iterator[None]:
    """Let every call of the product go through `faults`, deletion and exchange counted as one each."""
    exchange = replacement._exchange if can_exchange else lambda one, other: False
    with (
        mock.patch.object(replacement, "os", faults),
        mock.patch.object(replacement, "_exchange", faults.counted(exchange)),
        mock.patch.object(replacement, "_remove", faults.counted(replacement._remove)),
    ):
        yield


def make(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def run(place: Path) -> None:
    items = [item(name, data) for name, data in NEW.items()]
    replacement.replace(str(place), items, progress=lambda _: None)


def standing(place: Path) -> dict[str, bytes]:
    paths = [path for path in place.rglob("*") if path.is_file()]
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in paths}


def in_child(place: Path, faults: Faults, *, can_exchange: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the threads of pytest-xdist only wait
        child = os.fork()
    if child == 0:
        try:
            with struck(faults, can_exchange=can_exchange):
                run(place)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def number_of_calls(place: Path, *, can_exchange: bool) -> int:
    faults = Faults()
    with struck(faults, can_exchange=can_exchange):
        run(place)
    return faults.count


@pytest.mark.parametrize("old", [OLD, {}], ids=["over an old export", "where nothing stands"])
def test_a_kill_at_any_call_leaves_the_old_directory_or_the_new_one(
    tmp_path: Path, old: dict[str, bytes]
) -> None:
    count = number_of_calls(make(tmp_path / "0/out", old), can_exchange=True)
    found = set()
    for at in range(1, count + 1):
        place = make(tmp_path / str(at) / "out", old)
        in_child(place, Faults(at), can_exchange=True)
        assert standing(place) in (old, NEW)
        found.add(standing(place) == NEW)
        run(place)
        assert (standing(place), os.listdir(place.parent)) == (NEW, ["out"])
    assert found == {False, True}


def test_a_kill_where_nothing_can_be_exchanged_loses_nothing(tmp_path: Path) -> None:
    """Between the two renames nothing stands there; the old directory lies beside it."""
    count = number_of_calls(make(tmp_path / "0/out", OLD), can_exchange=False)
    absent = 0
    for at in range(1, count + 1):
        place = make(tmp_path / str(at) / "out", OLD)
        in_child(place, Faults(at), can_exchange=False)
        if not place.exists():
            absent += 1
            (former,) = place.parent.glob(".out.agentrail-*-former")
            assert standing(former) == OLD
            replacement._clear_leftovers(str(place.parent), "out")
        assert standing(place) in (OLD, NEW)
        run(place)
        assert (standing(place), os.listdir(place.parent)) == (NEW, ["out"])
    assert absent == 1


@pytest.mark.parametrize("can_exchange", [True, False])
@pytest.mark.parametrize("strike", [full, interrupt])
def test_an_error_at_any_call_leaves_the_old_directory_and_no_litter(
    tmp_path: Path, strike: Strike, can_exchange: bool
) -> None:
    count = number_of_calls(make(tmp_path / "0/out", OLD), can_exchange=can_exchange)
    errors = 0
    for at in range(1, count + 1):
        place = make(tmp_path / str(at) / "out", OLD)
        try:
            with struck(Faults(at, strike), can_exchange=can_exchange):
                run(place)
        except (OSError, KeyboardInterrupt):
            errors += 1
        left = [name for name in os.listdir(place.parent) if name != "out"]
        assert standing(place) == OLD or (standing(place) == NEW)
        assert left == [] or at >= count - 3, f"call {at} of {count}"
    assert errors > count // 2


@pytest.mark.parametrize("strike", [full, interrupt])
def test_an_error_at_any_call_makes_no_directory_above(tmp_path: Path, strike: Strike) -> None:
    (tmp_path / "0").mkdir()
    count = number_of_calls(tmp_path / "0/x/y/out", can_exchange=True)
    for at in range(1, count - 1):  # the last two come after the rename
        root = tmp_path / str(at)
        root.mkdir()
        with struck(Faults(at, strike), can_exchange=True), pytest.raises((OSError, KeyboardInterrupt)):
            run(root / "x/y/out")
        assert os.listdir(root) == [], f"call {at} of {count}"


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    place = make(tmp_path / "out", OLD)
    children = []
    for _ in range(4):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            children.append(os.fork())
        if children[-1] == 0:
            code = 1
            try:
                for _ in range(25):
                    run(place)
                code = 0
            finally:
                os._exit(code)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0, 0, 0, 0]
    assert (standing(place), os.listdir(tmp_path)) == (NEW, ["out"])


@pytest.mark.skipif(sys.platform != "linux", reason="only there a second process writes a half")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # the threads of pytest-xdist wait
@pytest.mark.parametrize("strike", [full, interrupt])
def test_an_error_ends_the_process_that_writes_the_other_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strike: Strike
) -> None:
    def fail() -> bytes:
        while not len([*tmp_path.glob(".out.agentrail-*/d/*")]) > 20:
            time.sleep(0.001)
        strike()
        return b""

    monkeypatch.setattr(child, "WORTH_IT", 2)
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    place = make(tmp_path / "out", OLD)
    theirs = [item(f"d/{number}", b"x") for number in range(3_000)]
    ours = [Item(RelPath(f"z/{number}"), "", fail) for number in range(3_000)]
    with pytest.raises((OSError, KeyboardInterrupt)) as caught:
        replacement.replace(str(place), [*theirs, *ours], progress=lambda _: None)
    assert caught.tb is not None  # whoever still holds it keeps the process from being collected
    assert (standing(place), os.listdir(tmp_path)) == (OLD, ["out"])
