"""What stands in a target is seen the same, however many look at it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime import child, descriptor
from agentrail_runtime.descriptor import look
from agentrail_runtime.entry import RelPath, State, sha256
from agentrail_runtime.errors import TargetError
from agentrail_runtime.survey import Survey
from agentrail_runtime.target import Target
from tests.support import write

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="Windows has no FIFO, and forks no process"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),  # threads of pytest-xdist wait
]
BIG = b"x" * (descriptor.CHUNK + 1)
PATHS = [
    RelPath(path)
    for path in (
        "a/big",
        "a/edge",
        "a/empty",
        "a/fifo",
        "a/link",
        "a/none",
        "a/run",
        "a/text",
        "a/up",
        "absent/file",
        "b",
        "b/text",
        "file/below",
        "link/text",
        "top",
    )
]


@pytest.fixture(params=[True, False], ids=["openat", "full paths"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """A target with whatever can stand at a path."""
    return Target(str(make(tmp_path / "root")), use_dir_fd=request.param)


def make(root: Path) -> Path:
    write(
        root,
        {
            "a/big": BIG,
            "a/edge": BIG[:-1],
            "a/empty": "",
            "a/run": "#!\n",
            "a/text": "text",
            "b/text": "b",
            "file": "",
            "top": "t",
        },
        executable=("a/run",),
    )
    os.mkfifo(root / "a/fifo")
    (root / "a/link").symlink_to("text")
    (root / "a/up").symlink_to("..")
    (root / "link").symlink_to("b")
    return root


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second process be worth it from one file on."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(child, "WORTH_IT", 1)


def expected(target: Target) -> dict[RelPath, State]:
    return {path: target.inspect(path) for path in PATHS}


def seen(survey: Survey) -> dict[RelPath, State]:
    return {path: survey.inspect(path) for path in PATHS}


def test_few_files_are_looked_at_by_this_process_alone(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "begin", None)
    assert seen(Survey(target, PATHS)) == expected(target)


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_two_processes_see_what_one_sees(target: Target, share: float) -> None:
    assert seen(Survey(target, PATHS, share=share)) == expected(target)


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_the_second_process_may_be_killed(target: Target, share: float) -> None:
    survey = Survey(target, PATHS, share=share)
    os.kill(survey._begun._process, signal.SIGKILL)  # type: ignore[attr-defined]
    assert seen(survey) == expected(target)


@pytest.mark.usefixtures("two")
def test_what_nobody_said_would_be_asked_for_is_seen_all_the_same(target: Target) -> None:
    survey = Survey(target, PATHS[:3])
    assert seen(survey) == expected(target)


@pytest.mark.parametrize("count", [0, 1])
def test_a_file_that_changes_meanwhile_is_one_file_for_the_whole_run(
    target: Target, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Else a run could find it unedited and another part of the run remember the edited bytes."""
    monkeypatch.setattr(child, "WORTH_IT", count)
    survey = Survey(target, [RelPath("top")])
    first = survey.inspect(RelPath("top"))
    write(Path(target.root), {"top": "changed"})
    assert survey.inspect(RelPath("top")) == first == State("file", sha256(b"t"), 1, first.mode)


@pytest.mark.usefixtures("two")
def test_a_file_that_cannot_be_read_is_an_error_when_it_is_asked_for(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_read(monkeypatch, "text")
    survey = Survey(target, PATHS)
    assert survey.inspect(RelPath("top")).kind == "file"
    with pytest.raises(TargetError, match="a/text: cannot be read"):
        survey.inspect(RelPath("a/text"))


def refuse_to_read(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Refuse as a file of somebody else's does, which root would read."""
    opened = os.open

    def refuse(path: Any, *words: Any, **options: Any) -> int:
        if os.path.basename(path) == name:
            raise PermissionError(13, "Permission denied")
        return opened(path, *words, **options)

    monkeypatch.setattr(os, "open", refuse)


def test_all_are_seen_as_each_by_itself_or_left_to_that(target: Target) -> None:
    found = dict(zip(PATHS, target.inspect_all(PATHS), strict=True))
    plain = {"a/empty", "a/run", "a/text", "b/text", "top"}
    is_fast = target._use_dir_fd
    assert {path for path, state in found.items() if state} == (plain if is_fast else set())
    for path, state in found.items():
        assert state in (None, target.inspect(path))


def test_all_of_nothing_is_nothing(target: Target) -> None:
    assert target.inspect_all([]) == []


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    """The open directory with the files, as `look` wants it."""
    number = os.open(make(tmp_path) / "a", os.O_RDONLY)
    yield number
    os.close(number)


def struck_look(
    monkeypatch: pytest.MonkeyPatch, call: str, replacement: Callable[..., Any], directory: int
) -> list[descriptor.Look | None]:
    with monkeypatch.context() as patch:
        patch.setattr(os, call, replacement)
        return [*look(directory, ["text"])]


def test_a_file_that_changes_while_it_is_looked_at_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, directory: int
) -> None:
    assert struck_look(monkeypatch, "read", lambda number, size: b"tex", directory) == [None]
    assert struck_look(monkeypatch, "read", lambda number, size: b"text, more", directory) == [None]


def test_a_file_that_breaks_while_it_is_looked_at_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, directory: int
) -> None:
    def fail(*words: Any, **options: Any) -> None:
        raise OSError(5, "Input/output error")

    assert struck_look(monkeypatch, "read", fail, directory) == [None]
    assert struck_look(monkeypatch, "fstat", fail, directory) == [None]
    assert struck_look(monkeypatch, "open", fail, directory) == [None]


def test_no_descriptor_stays_open_and_no_fifo_holds_anybody_up(directory: int) -> None:
    names = ["big", "fifo", "link", "none", "run", "up"]
    before = len(os.listdir("/dev/fd"))
    assert [found and found[1:] for found in look(directory, names)] == [
        None,
        None,
        None,
        None,
        (3, 0o755),
        None,
    ]
    assert len(os.listdir("/dev/fd")) == before


def numbered(items: Any) -> list[tuple[int, int]]:
    return [(item, os.getpid()) for item in items]


def test_the_work_on_few_is_not_shared() -> None:
    assert child.shared([1, 2], numbered) == [(1, os.getpid()), (2, os.getpid())]


@pytest.mark.usefixtures("two")
def test_the_work_on_many_is_shared_by_two() -> None:
    done = child.shared([1, 2, 3], numbered)
    assert [number for number, _ in done] == [1, 2, 3]
    assert done[0][1] == os.getpid() != done[1][1] == done[2][1]


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("processors", "is_shared"), [(1, False), (2, False), (3, True), (None, False)]
)
def test_the_work_is_shared_beside_another_process_where_a_processor_is_left_for_a_third(
    monkeypatch: pytest.MonkeyPatch, processors: int | None, is_shared: bool
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    other = child.begin(lambda: "done")
    try:
        done = child.shared([1, 2], numbered)
        assert (done[1][1] != os.getpid()) is is_shared
    finally:
        assert other() == "done"
    assert child.shared([1, 2], numbered)[1][1] != os.getpid()


@pytest.mark.usefixtures("two")
def test_a_process_that_was_ended_is_in_nobody_s_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    child.end(child.begin(lambda: time.sleep(60)))
    assert child.shared([1, 2], numbered)[1][1] != os.getpid()


@pytest.mark.usefixtures("two")
def test_an_error_here_ends_the_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()
    ended: list[object] = []
    monkeypatch.setattr(child, "end", ended.append)

    def work(items: Any) -> list[int]:
        if os.getpid() == parent:
            raise OSError(5, "Input/output error")
        return [*items]

    with pytest.raises(OSError, match="Input/output error"):
        child.shared([1, 2], work)
    assert len(ended) == 1
