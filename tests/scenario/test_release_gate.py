"""``agentrail release gate``: from events to a verdict, a record and a picture."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime import event_reader
from agentrail_runtime.release.event import moment
from tests.gate_support import NOW, START, failed, line, many, run, write
from tests.support import PAYLOAD, Run, agentrail

PACKAGED = (PAYLOAD / "distribution.yaml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a directory of its own, where decisions are recorded by default."""
    monkeypatch.chdir(tmp_path)


def gate(data: bytes | None, *words: str, version: str = "1.1.0", now: datetime = NOW) -> Run:
    """Run the gate over `data`, at the internal stage."""
    if data is not None:
        write(Path("events"), data)
    common = ("--stage", "internal", "--version", version, "--as-of", moment(now))
    return agentrail("release", "gate", *common, "--events", "events", *words)


def manual(data: bytes, *words: str) -> Run:
    return gate(data, "--manual", "--approver", "B. Person", "--reason", "only 20 exist", *words)


def with_approvers(names: str) -> tuple[str, str]:
    Path("policy.yaml").write_text(
        PACKAGED.replace(
            "pilot: {kind: static, index_url: null, owner: null, approvers: []}",
            f"pilot: {{kind: static, index_url: null, owner: null, approvers: [{names}]}}",
        )
    )
    return "--policy", "policy.yaml"


@pytest.mark.parametrize(
    ("data", "code", "told"),
    [
        (many(35), 0, "PROMOTE: 1.1.0 at internal"),
        (many(34), 4, "HOLD: 1.1.0 at internal"),
        (b"", 4, "no data: no event tells of an install of this version"),
        (failed("a") + failed("b", 1), 3, "STOP: 1.1.0 at internal"),
        (many(35) + failed("a", 9_000, error_code=6), 3, "1 event with error_code 6 or 7"),
    ],
)
def test_the_exit_code_says_what_the_gate_says(data: bytes, code: int, told: str) -> None:
    done = gate(data)
    assert done.code == code, done.err
    assert told in done.out
    assert not Path("release-decisions.jsonl").exists()


def test_a_person_is_told_everything_in_sentences() -> None:
    done = gate(failed("x", 20_000) + many(20) + b"torn\n")
    assert done.out.splitlines()[0] == "HOLD: 1.1.0 at internal"
    assert "first attempts: 20 succeeded, 1 failed; undecided, 34 more without a fault" in done.out
    assert "going back: 20 stayed, 0 went back, 0 in their 24 hours of soak" in done.out
    assert "exit codes of failed runs: 1 (1)" in done.out
    assert "read: 43 lines, 42 events, 1 torn" in done.out


def test_a_program_is_told_everything_in_json() -> None:
    done = gate(many(60), "--json", now=START + timedelta(hours=2))
    assert done.code == 4
    assert done.json["verdict"] == "hold"
    assert done.json["command"] == "release gate"
    assert done.json["success"]["decision"] == "promote"
    assert done.json["success"]["decided_after"] == 35
    assert done.json["rollback"]["soaking"] == 60
    assert done.json["rollback"]["soaked_until"] == "2026-03-02T12:30:03Z"
    assert done.json["counters"]["events"] == 120
    assert (done.json["decision"], done.json["error"]) == (None, None)


def test_nothing_at_all_is_read_from_an_empty_directory() -> None:
    Path("events").mkdir()
    done = gate(None)
    assert done.code == 4
    assert done.out.splitlines()[-1] == "read: nothing"


def test_what_was_passed_over_is_told() -> None:
    write(Path("events"), many(2))
    Path("events/link.jsonl").symlink_to("events.jsonl")
    done = gate(None)
    assert "link.jsonl: passed over: a symlink or a special file" in done.err


@pytest.mark.parametrize("words", [("--version", "one"), ("--as-of", "noon"), ("--events", "absent")])
def test_what_cannot_be_meant_is_a_usage_error(words: tuple[str, str]) -> None:
    write(Path("events"), b"")
    assert gate(None, *words).code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("--manual",),
        ("--manual", "--approver", "B. Person"),
        ("--manual", "--reason", "why"),
        ("--approver", "B. Person"),
        ("--reason", "why"),
        ("--manual", "--approver", " ", "--reason", "why"),
        ("--manual", "--approver", "B. Person", "--reason", "two\nlines"),
        ("--record", "--actor", "\x07"),
    ],
)
def test_a_decision_without_a_name_or_a_reason_is_refused(words: tuple[str, ...]) -> None:
    assert gate(many(20), *words).code == 2
    assert not Path("release-decisions.jsonl").exists()


def recorded() -> list[dict[str, Any]]:
    return [json.loads(text) for text in Path("release-decisions.jsonl").read_text().splitlines()]


def test_a_decision_is_recorded_if_asked_for() -> None:
    assert gate(many(35), "--record", "--actor", "A. Person").code == 0
    assert gate(failed("a") + failed("b", 1), "--record").code == 3
    first, second = recorded()
    assert (first["verdict"], first["actor"], first["successes"]) == ("promote", "A. Person", 35)
    assert (second["verdict"], second["is_manual"], second["failures"]) == ("stop", False, 2)


def test_a_person_may_let_pass_what_the_gate_holds() -> None:
    done = manual(many(20), "--actor", "A. Person", "--json")
    assert done.code == 0
    assert (done.json["verdict"], done.json["passed"]) == ("hold", True)
    assert "proven is no more than: at least 86.09 % of first installs succeed" in done.err
    assert "the policy names no approvers" in done.err
    (decision,) = recorded()
    assert decision == done.json["decision"]
    assert (decision["verdict"], decision["is_manual"]) == ("promote", True)
    assert (decision["approver"], decision["reason"]) == ("B. Person", "only 20 exist")


def test_nobody_may_let_pass_what_the_gate_stops() -> None:
    done = manual(failed("a") + failed("b", 1))
    assert done.code == 3
    assert "the gate says stop, which nobody can overrule" in done.err
    assert not Path("release-decisions.jsonl").exists()


@pytest.mark.parametrize("data", [b"", line(phase="started")])
def test_nobody_may_let_pass_what_nothing_is_known_of(data: bytes) -> None:
    done = gate(data, "--manual", "--approver", "B", "--reason", "why", now=START)
    assert done.code == 4
    assert "no first attempt has an outcome yet" in done.err
    assert not Path("release-decisions.jsonl").exists()


def test_who_may_approve_is_what_the_policy_of_the_next_channel_says() -> None:
    done = manual(many(20), *with_approvers("C. Person, D. Person"))
    assert done.code == 1
    assert "B. Person is not among those who may approve (expected C. Person or D. Person)" in done.err
    done = manual(many(20), *with_approvers("b.  person"))
    assert done.code == 0
    assert "no --actor is named" in done.err
    assert "names no approvers" not in done.err


def test_nobody_approves_of_their_own_doing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTRAIL_ACTOR", "b. person")
    done = manual(many(20))
    assert done.code == 1
    assert "B. Person runs this, too" in done.err


def test_what_passes_by_itself_is_no_decision_of_a_person() -> None:
    done = manual(many(35))
    assert done.code == 0
    assert "the gate passes by itself" in done.err
    assert recorded()[0]["is_manual"] is False


def test_decisions_that_cannot_be_written_are_told() -> None:
    Path("here").mkdir()
    done = gate(many(35), "--record", "--decisions", "here")
    assert done.code == 1
    assert "here: cannot be written" in done.err


def test_a_picture_is_drawn_into_a_file_and_onto_the_terminal() -> None:
    assert gate(many(35), "--chart", "gate.svg").code == 0
    assert Path("gate.svg").read_text().startswith("<svg ")
    assert "first attempts that succeed: 35 repositories, promote" in gate(None, "--chart", "-").out
    assert "repositories that stay: 31 repositories, promote" in gate(None, "-v").out
    assert gate(None, "-q").out == ""
    assert gate(None, "--chart", "absent/gate.svg").code == 1


def test_many_events_without_duckdb_are_refused_and_not_read_in_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_reader, "MOST_LINES", 69)
    monkeypatch.setattr(event_reader.has_more, "__defaults__", (69,))
    monkeypatch.setitem(sys.modules, "duckdb", None)
    done = gate(many(35))
    assert done.code == 1
    assert "more than 69 lines" in done.err
    assert "hint: pip install 'agentrail-runtime[events]'" in done.err
    monkeypatch.setattr(event_reader.has_more, "__defaults__", (70,))
    assert gate(None).code == 0


def test_many_events_are_read_by_duckdb(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("duckdb", reason="DuckDB has no wheel for this Python or platform")
    monkeypatch.setattr(event_reader.has_more, "__defaults__", (10,))
    assert gate(many(35) + run("x", 9_000, version="1.2.0", from_version="1.1.0")).code == 0


@pytest.mark.parametrize(("stage", "count"), [("pilot", 72), ("general", 172)])
def test_each_stage_asks_for_its_own_number(stage: str, count: int) -> None:
    write(Path("events"), many(count, channel=stage))
    words = ("release", "gate", "--stage", stage, "--version", "1.1", "--events", "events")
    assert agentrail(*words, "--as-of", moment(NOW)).code == 0
    assert agentrail(*words, "--as-of", moment(START)).code == 4
