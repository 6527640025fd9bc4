"""Files of events: which are found, in which order, and that no hostile one hangs or hides."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentrail_runtime import event_reader
from agentrail_runtime.errors import UsageError
from agentrail_runtime.event_reader import EventFileError, EventFiles, find


def names(found: tuple[str, ...], root: Path) -> list[str]:
    return [os.path.relpath(path, root) for path in found]


def test_files_of_events_are_found_however_deep(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a/.agentrail/state/events.jsonl", "a/t.parquet", "a/notes.txt", "c.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find([str(tmp_path), str(tmp_path / "a"), str(tmp_path / "c.json"), "s3://bucket/x"])
    assert names(found.lines, tmp_path) == ["a/.agentrail/state/events.jsonl", "b.jsonl", "c.json"]
    assert names(found.tables, tmp_path) == ["a/t.parquet"]
    assert (found.urls, found.skipped) == (("s3://bucket/x",), ())


def test_no_symlink_is_followed_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.jsonl").touch()
    place = tmp_path / "place"
    place.mkdir()
    (place / "loop").symlink_to(place)
    (place / "file.jsonl").symlink_to(tmp_path / "real" / "a.jsonl")
    os.mkfifo(place / "pipe.jsonl")
    found = find([str(place)])
    assert found.lines == ()
    assert names(found.skipped, place) == ["file.jsonl", "pipe.jsonl"]


def test_a_place_that_the_user_names_may_be_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.jsonl").touch()
    (tmp_path / "link").symlink_to("real")
    assert names(find([str(tmp_path / "link")]).lines, tmp_path) == ["real/a.jsonl"]


def test_a_place_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or directory"):
        find([str(tmp_path / "absent")])


def test_a_directory_that_cannot_be_read_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(EventFileError, match="cannot be read: Permission denied"):
        find([str(tmp_path)])


def test_a_file_that_went_away_or_is_a_pipe_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EventFileError, match="not a plain file"):
        list(event_reader.lines([str(tmp_path / "pipe")]))
    with pytest.raises(EventFileError, match="No such file"):
        event_reader.has_more([str(tmp_path / "absent")])


def test_a_line_without_end_is_read_no_further_than_an_event_may_be_long(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"first\n" + b"x" * 300_000 + b"\nlast" + b"\n" + b"y" * 65_537)
    lines = list(event_reader.lines([str(path)]))
    assert [len(line) for line in lines] == [6, 65_537, 5, 65_537]


@pytest.mark.parametrize(("count", "more"), [(3, False), (4, True)])
def test_lines_are_counted_over_all_files(tmp_path: Path, count: int, more: bool) -> None:
    for number in range(count):
        (tmp_path / f"{number}.jsonl").write_bytes(b"x\n")
    assert event_reader.has_more(find([str(tmp_path)]).lines, 3) is more


def test_nothing_is_found_in_an_empty_directory(tmp_path: Path) -> None:
    assert find([str(tmp_path)]) == EventFiles(())
