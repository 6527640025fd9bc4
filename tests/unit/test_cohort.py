"""What counts as an attempt, as its outcome, as going back; each line is counted once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.gate_support import NOW, START, evidence, failed, line, many, run

HOUR = 3600


def counted(data: bytes, **values: Any) -> dict[str, int]:
    found = evidence(data, **values).counters._asdict()
    return {name: count for name, count in found.items() if count and name not in ("lines", "events")}


def start(repo: str, after: float, event_id: str) -> bytes:
    return line(after, repo=repo, event_id=event_id, phase="started")


def end(repo: str, after: float, event_id: str, outcome: str = "ok") -> bytes:
    return line(after, repo=repo, event_id=event_id, outcome=outcome)


@pytest.mark.parametrize(
    ("data", "attempts"),
    [
        (run("a"), (True,)),
        (failed("a"), (False,)),
        (run("a", outcome="rolled_back"), (False,)),
        (failed("a") + run("a", 60), (False,)),
        (run("a") + failed("a", 60), (True,)),
        (failed("a", 60) + run("a"), (True,)),
        (end("a", 5, "x"), (True,)),
        (start("a", 0, "x"), (False,)),
        (start("a", 0, "x") + end("a", 5, "y"), (True,)),
        (start("a", 0, "x") + end("a", 5, "y", "failed"), (False,)),
        (start("a", 0, "x") + start("a", 9, "y") + end("a", 12, "z"), (False,)),
        (start("a", 0, "x") + end("b", 5, "y"), (True, False)),
        (start("a", 0, "x") + start("a", 9, "y") + end("a", 12, "y"), (False,)),
        (start("a", 7, "x") + start("a", 2, "y") + end("a", 4, "y"), (True,)),
        (run("a", version="1.0.0"), ()),
        (run("a", op="uninstall"), ()),
        (run("a", version="1.1") + failed("b", 9, version="01.1.0.0"), (True, False)),
        (start("a", 0, "x") + end("a", HOUR, "x"), (True,)),
        (start("a", 0, "x") + end("a", HOUR + 1, "x"), (False,)),
        (start("a", 9, "x") + end("a", 4, "x"), (True,)),
        (failed("b", 9) + run("a", took=5), (True, False)),
        (failed("b", 0) + run("a", took=5), (False, True)),
    ],
)
def test_the_first_attempt_counts_and_no_other(data: bytes, attempts: tuple[bool, ...]) -> None:
    assert evidence(data).attempts == attempts


def test_outcomes_of_one_moment_are_in_order_of_the_repository() -> None:
    data = end("b", 5, "x", "failed") + end("a", 5, "y")
    assert evidence(data).attempts == (True, False)


def test_a_start_has_an_hour_to_finish() -> None:
    data = start("a", 0, "x")
    before, after = START + timedelta(seconds=HOUR - 1), START + timedelta(seconds=HOUR)
    assert evidence(data, now=before).attempts == ()
    assert counted(data, now=before) == {"pending": 1}
    assert evidence(data, now=after).attempts == (False,)
    assert counted(data, now=after) == {}


def back(repo: str, after: float, **values: Any) -> bytes:
    return run(repo, after, **{"op": "rollback", "from_version": "1.1.0", **values})


@pytest.mark.parametrize(
    ("data", "is_kept"),
    [
        (b"", True),
        (back("a", 60), False),
        (back("a", 60, version="1.1.0", from_version=None), False),
        (back("a", 60, version="1.0.0", from_version="1.1"), False),
        (back("a", 40 * 24 * HOUR - 1), True),
        (back("a", 20 * 24 * HOUR), False),
        (back("a", -60), True),
        (back("a", 60, outcome="failed", error_code=1), True),
        (back("a", 60, version="1.0.0", from_version="1.0.0"), True),
        (run("a", 60, version="1.0.0", from_version="1.1.0"), False),
        (run("a", 60, version="1.2.0", from_version="1.1.0"), True),
        (run("a", 60, version="of old", from_version="1.1.0"), True),
        (run("a", 60, op="uninstall"), True),
        (run("a", 60, from_version="1.1.0"), True),
    ],
)
def test_going_back_counts_however_it_is_done(data: bytes, is_kept: bool) -> None:
    ((at, kept),) = evidence(run("a") + data).installs
    assert (at, kept) == ((int(START.timestamp()) + 3) * 1_000_000, is_kept)


def test_an_install_that_failed_first_is_kept_from_its_success_on() -> None:
    found = evidence(failed("a") + back("a", 30) + run("a", 60) + run("a", 90))
    assert found.installs == (((int(START.timestamp()) + 63) * 1_000_000, True),)


@pytest.mark.parametrize(
    ("data", "counts"),
    [
        (b"\n  \n\r\n", {}),
        (b'{"torn": \n', {"torn": 1}),
        (b"\xff\xfe\n", {"torn": 1}),
        (b"[1]\n", {"torn": 1}),
        (b"[" * 9000 + b"\n", {"torn": 1}),
        (b"{" + b" " * 70_000 + b"}\n", {"torn": 1}),
        (line().replace(b'{"channel"', b'{"os":"a","channel"'), {"torn": 1}),
        (b"{}\n", {"bad_values": 1}),
        (line().replace(b'"error_code":0', b'"error_code":256'), {"bad_values": 1}),
        (line().replace(b'"1.0"', b'"2.0"'), {"unknown_schema": 1}),
        (line().replace(b'{"channel"', b'{"more":[1],"channel"'), {"unknown_fields": 1}),
        (line(version="9.9"), {"other_versions": 1}),
        (line(version="no version"), {"other_versions": 1}),
        (line() + line(), {"duplicates": 1}),
        (line() + line(2) + line(2), {"duplicates": 1, "contradictory": 1}),
        (line(channel="pilot"), {"other_channels": 1}),
        (line(channel=None), {}),
        (line(30 * 24 * HOUR + 300), {}),
        (line(30 * 24 * HOUR + 301), {"in_future": 1}),
        (start("a", 9, "x") + end("a", 4, "x"), {"finish_before_start": 1}),
    ],
)
def test_what_is_left_out_is_counted_by_its_cause(data: bytes, counts: dict[str, int]) -> None:
    assert counted(data) == counts


def test_every_line_is_counted_once() -> None:
    data = line() + b"torn\n" + line(version="2.0.0", event_id="y") + b"{}\n\n"
    counters = evidence(data).counters
    assert (counters.lines, counters.events) == (4, 2)


@pytest.mark.parametrize("is_reversed", [False, True])
def test_of_lines_that_contradict_each_other_the_worst_counts(is_reversed: bool) -> None:
    lines = [line(repo="a"), line(repo="a", outcome="failed", error_code=1)]
    assert evidence(b"".join(lines[::-1] if is_reversed else lines)).attempts == (False,)


def test_failures_are_counted_by_exit_code() -> None:
    data = failed("a") + failed("b", error_code=3) + failed("c", error_code=3) + run("d")
    assert evidence(data).error_codes == {1: 1, 3: 2}


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ({}, 1),
        ({"channel": "general"}, 1),
        ({"op": "rollback"}, 1),
        ({"op": "uninstall"}, 1),
        ({"after": 99 * 24 * HOUR}, 1),
        ({"version": "1.2.0", "from_version": "1.1.0"}, 0),
    ],
)
def test_a_damaged_bundle_counts_wherever_it_is_told_of(values: dict[str, Any], count: int) -> None:
    assert evidence(failed("a", error_code=6, **values)).tampered == count


def test_a_damaged_bundle_that_is_told_of_twice_counts_once() -> None:
    assert evidence(failed("a", error_code=7) * 2).tampered == 1


def test_many_repositories_come_in_order_of_time() -> None:
    found = evidence(many(50), now=NOW)
    assert found.attempts == (True,) * 50
    assert [at for at, _ in found.installs] == sorted(at for at, _ in found.installs)
