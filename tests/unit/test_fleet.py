"""The list of targets, how they are counted, and a line of JSON: no disk."""

from __future__ import annotations

import json
import pickle

import pytest

from agentrail_runtime import fleet
from agentrail_runtime.errors import AgentRailError, ConflictError, ProfileError, UsageError
from agentrail_runtime.fleet import Ended, Summary
from agentrail_runtime.operation.fleet import Interruptions, _died, _Stop
from agentrail_runtime.outcome import Outcome, Result
from agentrail_runtime.signing import SignatureError


def paths(data: bytes, *, is_null: bool = False) -> list[tuple[int, bytes]]:
    return [(row.number, row.path) for row in fleet.parse(data, name="list", is_null=is_null)]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", []),
        (b"\n\n", []),
        (b"a", [(1, b"a")]),
        (b"a\nb\n", [(1, b"a"), (2, b"b")]),
        (b"a\r\nb\r\n", [(1, b"a"), (2, b"b")]),
        (b"# ours\n\na\n  # theirs\nb\n", [(3, b"a"), (5, b"b")]),
        (b"  a b \t\n", [(1, b"a b")]),
        (b"a # no comment\n", [(1, b"a # no comment")]),
        (b"./#a\n./~/b\n", [(1, b"./#a"), (2, b"./~/b")]),
        (b"\xef\xbb\xbfa\n", [(1, b"a")]),
        (b"caf\xe9\n\xe3\x81\x82\n", [(1, b"caf\xe9"), (2, b"\xe3\x81\x82")]),
        (b"~a\n", [(1, b"~a")]),
    ],
    ids=[
        "empty",
        "blank lines",
        "no last line feed",
        "two lines",
        "CRLF",
        "comments",
        "blanks around a line",
        "a comment that is none",
        "names that look special",
        "a byte order mark",
        "no UTF-8",
        "a name that begins with a tilde",
    ],
)
def test_a_list_is_read_as_it_was_meant(data: bytes, found: list[tuple[int, bytes]]) -> None:
    assert paths(data) == found


def test_a_list_of_find_print0_keeps_what_a_line_could_not_hold() -> None:
    data = b" a \0#b\0\0c\nd\0~/e"
    assert paths(data, is_null=True) == [(1, b" a "), (2, b"#b"), (4, b"c\nd"), (5, b"~/e")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\nb\0c\n", "list:2: a NUL byte (expected text, one path a line)"),
        ("a\n".encode("utf-16"), "list:1: a NUL byte (expected text, one path a line)"),
        (b"~\n", "list:1: ~: only a shell knows what ~ stands for (expected a path)"),
        (b"\n~/a\xff\n", "list:2: ~/a\\xff: only a shell knows what ~ stands for (expected a path)"),
        (
            b"a\n" * fleet.LIMIT,
            "list: too large for a list of targets (expected at most 16777216 bytes)",
        ),
    ],
    ids=["a NUL", "UTF-16", "a home", "below a home", "too large"],
)
def test_what_is_no_list_is_refused_by_its_line(data: bytes, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        paths(data)
    assert (caught.value.message, caught.value.paths) == (message, ("list",))
    assert caught.value.hint


def ended(name: str, result: Result = "applied", code: int = 0, *, changed: bool = True) -> Ended:
    error = AgentRailError("it is broken") if code else None
    return Ended(name, Outcome("install", result, f"/{name}", changed=changed), error, code)


@pytest.mark.parametrize(
    ("codes", "code"),
    [([], 0), ([0, 0], 0), ([0, 3], 3), ([3, 3, 3], 3), ([3, 6], 1), ([70], 70), ([1, 7, 1], 1)],
    ids=str,
)
def test_the_exit_code_is_that_of_the_failures_where_they_agree(codes: list[int], code: int) -> None:
    summary = Summary([])
    for number, one in enumerate(codes):
        summary.add(ended(str(number), "failed" if one else "applied", one))
    assert summary.exit_code(is_check=False) == code


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([ended("a", "unchanged", changed=False)], 0),
        ([ended("a", "unchanged", changed=False), ended("b", "planned")], 4),
        ([ended("a", "planned"), ended("b", "failed", 6, changed=False)], 6),
    ],
    ids=["nothing", "a change", "a change and a failure"],
)
def test_a_check_tells_of_changes_where_nothing_failed(rows: list[Ended], code: int) -> None:
    summary = Summary(["a", "b"])
    for row in rows:
        summary.add(row)
    assert summary.exit_code(is_check=True) == code


def test_what_was_not_begun_is_counted_and_named() -> None:
    summary = Summary(["a", "b", "c", "d"])
    summary.add(ended("c"))
    summary.add(ended("b", "conflict", 3))
    assert (summary.total, summary.done, summary.not_run) == (4, 2, ["a", "d"])
    assert summary.failures == [("conflict", "/b", 3)]
    assert summary.as_json(code=3, seconds=1.23456) == {
        "schema_version": "1.0",
        "command": "install",
        "kind": "summary",
        "targets": 4,
        "results": {
            "applied": 1,
            "unchanged": 0,
            "planned": 0,
            "conflict": 1,
            "failed": 0,
            "not_run": 2,
        },
        "not_run": ["a", "d"],
        "code": 3,
        "seconds": 1.235,
        "error": None,
    }
    assert summary.as_text(seconds=1.23456) == [
        "targets  applied  unchanged  planned  conflict  failed  not run  seconds",
        "      4        1          0        0         1       0        2      1.2",
    ]


def test_an_error_after_a_plan_was_made_is_a_failure() -> None:
    planned = ended("a", "planned", 1)
    assert (planned.result, ended("a", "planned").result) == ("failed", "planned")


@pytest.mark.parametrize("is_ascii", [False, True], ids=["utf-8", "ascii"])
@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("plain", "plain"),
        ("two\nlines", "two\nlines"),
        ("日本語 é 🎉", "日本語 é 🎉"),
        ("caf\udce9", "caf\\xe9"),
        ("a typed \\udce9", "a typed \\udce9"),
    ],
    ids=["plain", "a line feed", "not ASCII", "a byte that is no UTF-8", "a backslash"],
)
def test_a_document_is_one_line_that_any_reader_of_json_takes(
    text: str, read: str, is_ascii: bool
) -> None:
    line = fleet.json_line({"b": text, "a": [1, None]}, is_ascii=is_ascii)
    assert json.loads(line.encode()) == {"a": [1, None], "b": read}
    assert ("\n" in line, line.startswith('{"a":[1,null],"b":"')) == (False, True)
    assert line.isascii() or not is_ascii


@pytest.mark.parametrize("kind", [AgentRailError, ConflictError, ProfileError, SignatureError])
def test_an_error_comes_whole_out_of_its_process(kind: type[AgentRailError]) -> None:
    error = kind("what", paths=["a", "b"], hint="do this")
    error.outcome = Outcome("install", "conflict", "/a")
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), vars(found)) == (kind, vars(error))


@pytest.mark.parametrize(
    ("code", "how"),
    [(-9, "by signal 9"), (1, "with exit code 1"), (None, "with exit code None")],
)
def test_a_process_that_died_says_how(code: int | None, how: str) -> None:
    found = _died("/a", code)
    assert found.error is not None
    assert (found.code, found.error.message) == (1, f"the process that worked on it was ended {how}")


def test_a_signal_is_an_error_while_a_target_is_under_way_and_only_once() -> None:
    stop = _Stop()
    with pytest.raises(KeyboardInterrupt), stop.busy():
        stop(15, None)
    with stop.busy():
        stop(15, None)
    assert (stop.is_asked, stop.is_busy) == (True, False)


def test_a_signal_between_two_targets_only_ends_the_process() -> None:
    stop = _Stop()
    stop(15, None)
    assert stop.is_asked


def test_where_ctrl_c_comes_to_every_process_the_first_is_passed_over() -> None:
    stop = _Stop(patience=1)
    with stop.busy():
        stop(2, None)
    assert not stop.is_asked
    with pytest.raises(KeyboardInterrupt), stop.busy():
        stop(2, None)


@pytest.mark.parametrize(
    ("signals", "code", "is_urgent"),
    [([], 0, False), ([2], 130, False), ([2, 2], 130, True), ([15], 143, True), ([2, 15], 143, True)],
    ids=str,
)
def test_a_second_ctrl_c_and_a_termination_are_urgent(
    signals: list[int], code: int, is_urgent: bool
) -> None:
    asked = Interruptions()
    for number in signals:
        asked._count(number, None)
    assert (asked.code, asked.is_urgent) == (code, is_urgent)
