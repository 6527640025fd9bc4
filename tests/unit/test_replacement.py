"""A directory is replaced as a whole: the modes, the neighbours, and two runs at once."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentrail_runtime import child, replacement
from agentrail_runtime.replacement import Item, item

OLD = {"a": b"old\n", "gone/b": b"old\n"}
ITEMS = [
    item(".dot/.c", b""),
    item("a", b"new\n"),
    item("deep/er/b.sh", b"#!/bin/sh\n", executable=True),
    item("deep/of/c", b"c"),
]
NEW = {".dot/.c": b"", "a": b"new\n", "deep/er/b.sh": b"#!/bin/sh\n", "deep/of/c": b"c"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with files in it."""
    for name, data in OLD.items():
        (tmp_path / "dist/out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dist/out" / name).write_bytes(data)
    return tmp_path / "dist/out"


def run(place: Path, items: list[Item] = ITEMS) -> None:
    replacement.replace(str(place), items, progress=lambda _: None)


def files(root: Path) -> dict[str, bytes]:
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def beside(place: Path) -> list[str]:
    return sorted(os.listdir(place.parent))


@contextmanager
def umask(bits: int) -> Iterator[None]:
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture(params=["exchange", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to put the new directory in place of the old one."""
    if request.param == "two renames":
        monkeypatch.setattr(replacement, "_exchange", lambda one, other: False)


@pytest.mark.usefixtures("way")
def test_the_directory_holds_just_the_new_files(place: Path) -> None:
    run(place)
    assert files(place) == NEW
    assert beside(place) == ["out"]


def test_the_directory_is_made_and_those_above_it(tmp_path: Path) -> None:
    run(tmp_path / "x/y/out")
    assert files(tmp_path / "x/y/out") == NEW
    assert beside(tmp_path / "x/y/out") == ["out"]


@pytest.mark.usefixtures("way")
def test_an_empty_directory_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    run(tmp_path / "out")
    assert files(tmp_path / "out") == NEW
    assert beside(tmp_path / "out") == ["out"]


def test_nothing_but_an_empty_directory_is_made_of_no_files(place: Path) -> None:
    run(place, [])
    assert (place.is_dir(), files(place)) == (True, {})


@pytest.mark.parametrize("bits", [0o000, 0o022, 0o077, 0o777])
def test_the_modes_do_not_depend_on_the_umask(place: Path, bits: int) -> None:
    with umask(bits):
        run(place)
    modes = {
        path.relative_to(place).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in [place, *place.rglob("*")]
    }
    assert modes == {
        ".": 0o755,
        ".dot": 0o755,
        ".dot/.c": 0o644,
        "a": 0o644,
        "deep": 0o755,
        "deep/er": 0o755,
        "deep/er/b.sh": 0o755,
        "deep/of": 0o755,
        "deep/of/c": 0o644,
    }


def test_progress_is_told_now_and_then(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacement, "_STEP", 2)
    told: list[int] = []
    replacement.replace(str(place), ITEMS, progress=told.append)
    assert told == [2, 4]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # the threads of pytest-xdist wait
@pytest.mark.parametrize("threads", [1, 2], ids=["two processes", "this process alone"])
def test_many_files_are_the_same_files(
    place: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(child, "WORTH_IT", 2)
    monkeypatch.setattr(replacement, "_STEP", 1)
    monkeypatch.setattr(threading, "active_count", lambda: threads)
    run(place)
    assert (files(place), beside(place)) == (NEW, ["out"])


def test_a_write_that_takes_a_part_is_continued(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:3]))
    run(place, [item("a", b"0123456789")])
    assert files(place) == {"a": b"0123456789"}


@pytest.mark.usefixtures("way")
def test_what_a_killed_run_left_is_cleared_away(place: Path) -> None:
    for name in (".out.agentrail-1", ".out.agentrail-2-former"):
        (place.parent / name / "sub").mkdir(parents=True)
        (place.parent / name / "sub/file").write_bytes(b"left")
    run(place)
    assert beside(place) == ["out"]


def test_what_belongs_to_another_directory_stays(place: Path) -> None:
    others = [".other.agentrail-1", ".out", "out.agentrail-1", ".out.agentrail"]
    for name in others:
        (place.parent / name).mkdir()
    (place.parent / ".out.agentrail-file").write_bytes(b"somebody's")
    run(place)
    assert beside(place) == sorted([*others, ".out.agentrail-file", "out"])


def test_a_symlink_that_looks_like_a_leftover_is_not_followed(place: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_bytes(b"mine")
    (place.parent / ".out.agentrail-1").symlink_to(tmp_path / "mine")
    run(place)
    assert files(tmp_path / "mine") == {"file": b"mine"}


def test_the_directory_that_another_run_is_building_stays(place: Path) -> None:
    with replacement._staging(str(place.parent), "out") as staging:
        run(place)
        assert os.path.isdir(staging)
    assert (files(place), beside(place)) == (NEW, ["out"])


def test_a_directory_that_was_renamed_away_comes_back(place: Path) -> None:
    """A run was killed between the two renames."""
    place.rename(place.parent / ".out.agentrail-1-former")
    replacement._clear_leftovers(str(place.parent), "out")
    assert (files(place), beside(place)) == (OLD, ["out"])


@pytest.mark.skipif(sys.platform == "win32", reason="directories cannot be locked there")
@pytest.mark.parametrize("when", ["before it is opened", "before it is locked", "while it is locked"])
def test_a_new_directory_that_another_run_takes_for_a_leftover_is_made_anew(
    place: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    import fcntl

    struck: list[str] = []
    lock, mkdir = fcntl.flock, os.mkdir

    def strike(path: str) -> bool:
        struck.append(path)
        return len(struck) == 1

    def mkdir_and_lose(path: str, mode: int = 0o777) -> None:
        mkdir(path, mode)
        if ".out.agentrail-" in os.path.basename(path) and strike(path):
            shutil.rmtree(path)

    def lock_and_lose(descriptor: int, operation: int) -> None:
        if strike(""):
            if when == "while it is locked":
                raise BlockingIOError(errno.EAGAIN, "locked")
            (path,) = (path for path in place.parent.iterdir() if path.name.startswith(".out"))
            shutil.rmtree(path)
        lock(descriptor, operation)

    if when == "before it is opened":
        monkeypatch.setattr(os, "mkdir", mkdir_and_lose)
    else:
        monkeypatch.setattr(fcntl, "flock", lock_and_lose)
    run(place)
    assert len(struck) >= 2
    assert (files(place), beside(place)) == (NEW, ["out"])


@pytest.mark.skipif(sys.platform == "win32", reason="directories cannot be locked there")
def test_a_file_system_without_locks_is_written_to_and_nothing_beside_is_deleted(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.flock", refuse)
    (place.parent / ".out.agentrail-1").mkdir()
    run(place)
    assert (files(place), beside(place)) == (NEW, [".out.agentrail-1", "out"])


def test_a_system_without_locks_is_written_to(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def no_lock(path: str) -> Iterator[None]:
        yield None

    monkeypatch.setattr(replacement, "_lock", no_lock)
    (place.parent / ".out.agentrail-1").mkdir()
    run(place)
    assert (files(place), beside(place)) == (NEW, [".out.agentrail-1", "out"])


def test_a_directory_that_another_run_made_meanwhile_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def rival(source: str, destination: str) -> None:
        if not os.path.lexists(destination):
            shutil.copytree(source, destination)
            (tmp_path / "out/rival").write_bytes(b"theirs")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", rival)
    run(tmp_path / "out")
    assert (files(tmp_path / "out"), beside(tmp_path / "out")) == (NEW, ["out"])


def test_a_parent_that_another_run_made_meanwhile_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = os.mkdir

    def rival(path: str, mode: int = 0o777) -> None:
        if os.path.basename(path) == "dist":
            mkdir(path)
        mkdir(path, mode)

    monkeypatch.setattr(os, "mkdir", rival)
    run(tmp_path / "dist/out")
    assert files(tmp_path / "dist/out") == NEW


@pytest.mark.parametrize("number", [1, 2])
def test_a_rename_that_is_refused_leaves_the_old_directory(
    place: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    calls: list[str] = []
    rename = os.rename

    def refuse(source: str, destination: str) -> None:
        calls.append(source)
        if len(calls) == number:
            raise PermissionError(errno.EACCES, "refused")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", refuse)
    monkeypatch.setattr(replacement, "_exchange", lambda one, other: False)
    with pytest.raises(PermissionError, match="refused"):
        run(place)
    assert (files(place), beside(place)) == (OLD, ["out"])


def test_a_refused_rename_to_a_free_place_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, destination: str) -> None:
        raise PermissionError(errno.EACCES, "refused")

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(PermissionError, match="refused"):
        run(tmp_path / "x/y/out")
    assert os.listdir(tmp_path) == []


def test_a_file_that_cannot_be_read_leaves_the_old_directory(place: Path) -> None:
    def content() -> bytes:
        raise OSError(errno.EIO, "broken disk")

    with pytest.raises(OSError, match="broken disk"):
        run(place, [*ITEMS, ITEMS[0]._replace(path="z", content=content)])  # type: ignore[arg-type]
    assert (files(place), beside(place)) == (OLD, ["out"])


def test_a_parent_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dist").write_bytes(b"mine")
    with pytest.raises(OSError, match="dist"):
        run(tmp_path / "dist/x/out")
    assert files(tmp_path) == {"dist": b"mine"}


class TestExchange:
    """The one rename that puts the new directory in place of the old one."""

    def exchange(self, tmp_path: Path) -> tuple[bool, bool]:
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            (tmp_path / name / name).touch()
        is_done = replacement._exchange(str(tmp_path / "one"), str(tmp_path / "other"))
        return is_done, (tmp_path / "one/other").exists()

    @pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="has no such rename")
    def test_it_exchanges_two_directories(self, tmp_path: Path) -> None:
        assert self.exchange(tmp_path) == (True, True)

    def test_it_says_no_where_one_is_absent(self, tmp_path: Path) -> None:
        assert not replacement._exchange(str(tmp_path / "no"), str(tmp_path / "where"))

    @pytest.mark.parametrize(
        "name", ["ctypes", "renameat2"], ids=["Python without ctypes", "C library without it"]
    )
    def test_it_says_no_where_the_system_has_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        if name == "ctypes":
            monkeypatch.setitem(sys.modules, "ctypes", None)
        else:
            monkeypatch.setattr("ctypes.CDLL", lambda name: object())
        assert self.exchange(tmp_path) == (False, False)

    def test_it_says_no_on_windows(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "fsencode", str)
        monkeypatch.setattr(os, "name", "nt")
        is_done = replacement._exchange("one", "other")
        monkeypatch.undo()
        assert not is_done

    @pytest.mark.parametrize(("status", "is_done"), [(0, True), (-1, False)])
    def test_it_asks_macos_in_its_own_words(
        self, monkeypatch: pytest.MonkeyPatch, status: int, is_done: bool
    ) -> None:
        asked: list[tuple[object, ...]] = []

        class Library:
            def renamex_np(self, *words: object) -> int:
                asked.append(words)
                return status

        monkeypatch.setattr("ctypes.CDLL", lambda name: Library())
        monkeypatch.setattr(sys, "platform", "darwin")
        assert replacement._exchange("one", "other") is is_done
        assert asked == [(b"one", b"other", 2)]
