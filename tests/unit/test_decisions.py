"""Recorded decisions: what is written is read back, what is torn is told, the newest one holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime import decision_log
from agentrail_runtime.decision_log import DecisionLogError
from agentrail_runtime.release.record import Decision, RecordError, dump, is_passed, newest, parse

DECISION = Decision(
    stage="internal",
    version="1.1.0",
    verdict="promote",
    is_manual=False,
    reason="both tests passed",
    decided_at="2026-03-01T12:00:00Z",
    actor="A. Person",
    successes=35,
    success_proven=0.918,
)


def test_a_decision_is_read_as_it_was_written() -> None:
    assert parse(dump(DECISION)) == DECISION
    assert dump(DECISION).endswith(b"}\n")


def test_a_field_of_a_newer_writer_does_no_harm() -> None:
    assert parse(dump(DECISION).replace(b'{"', b'{"added":1,"', 1)) == DECISION


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"}", b"", "not JSON"),
        (b'"1.0"', b'"2.0"', "unknown schema"),
        (b'"internal"', b'"nightly"', "stage: expected internal|pilot|general"),
        (b'"promote"', b'"maybe"', "verdict: expected promote|hold|stop"),
        (b"false", b"0", "is_manual: expected bool"),
        (b"both tests passed", b" ", "reason: expected a text of one line"),
        (b"both tests passed", b"a\\nb", "reason: expected a text of one line"),
        (b"A. Person", b"x" * 1001, "actor: expected a text of one line"),
        (b"2026-03-01", b"2026-02-30", "decided_at: "),
        (b":35", b":-1", "successes: expected a count"),
        (b":35", b":true", "successes: expected int"),
        (b"0.918", b"1.5", "success_proven: expected a rate"),
        (b"0.918", b"true", "success_proven: expected a rate"),
        (b"0.918", b'"1"', "success_proven: expected a rate"),
        (b"both", b"b" * 70_000, "too long"),
    ],
)
def test_a_line_that_is_no_decision_says_why(old: bytes, new: bytes, told: str) -> None:
    with pytest.raises(RecordError, match=told.replace("|", r"\|")):
        parse(dump(DECISION).replace(old, new))


def at(day: int, verdict: Any, **values: Any) -> Decision:
    return DECISION._replace(decided_at=f"2026-03-{day:02}T00:00:00Z", verdict=verdict, **values)


@pytest.mark.parametrize(
    ("decisions", "passed"),
    [
        ([], False),
        ([at(1, "promote")], True),
        ([at(1, "hold")], False),
        ([at(1, "promote"), at(2, "stop")], False),
        ([at(2, "stop"), at(1, "promote")], False),
        ([at(2, "promote"), at(1, "stop")], True),
        ([at(1, "promote"), at(1, "stop")], False),
        ([at(1, "promote", stage="pilot")], False),
        ([at(1, "promote", version="1.1.1")], False),
        ([at(1, "promote", version="1.1")], True),
        ([at(1, "promote", version="no version")], False),
    ],
)
def test_the_newest_decision_holds(decisions: list[Decision], passed: bool) -> None:
    assert is_passed(decisions, stage="internal", version="1.1.0") is passed


def test_the_newest_one_is_given() -> None:
    found = newest([at(3, "hold"), at(2, "promote")], stage="internal", version="1.1.0")
    assert found == at(3, "hold")


def test_decisions_are_added_and_never_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "decisions.jsonl")
    decision_log.append(path, at(1, "promote"))
    decision_log.append(path, at(2, "stop"))
    assert decision_log.read(path) == ((at(1, "promote"), at(2, "stop")), ())


def test_no_file_holds_no_decision(tmp_path: Path) -> None:
    assert decision_log.read(str(tmp_path / "absent")) == ((), ())


def test_a_torn_line_is_told_and_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b'\n{"stage":')
    decision_log.append(str(path), DECISION)
    log = decision_log.read(str(path))
    assert log.decisions == (DECISION,)
    assert [problem.partition(": not")[0] for problem in log.problems] == [f"{path}:2"]


@pytest.mark.parametrize("kind", ["directory", "symlink", "fifo"])
def test_what_is_no_plain_file_is_neither_read_nor_written(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "decisions.jsonl"
    if kind == "directory":
        path.mkdir()
    elif kind == "symlink":
        (tmp_path / "real").write_bytes(b"")
        path.symlink_to("real")
    else:
        os.mkfifo(path)
    with pytest.raises(DecisionLogError, match="cannot be read"):
        decision_log.read(str(path))
    with pytest.raises(DecisionLogError, match="cannot be written"):
        decision_log.append(str(path), DECISION)


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(DecisionLogError, match="cannot be written"):
        decision_log.append("a\0b", DECISION)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", lambda descriptor, data: 3)
    with pytest.raises(DecisionLogError, match="no space left"):
        decision_log.append(str(tmp_path / "decisions.jsonl"), DECISION)
