"""One line of events: what is written is read again, and nothing else is taken for an event."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from agentrail_runtime.release import event
from agentrail_runtime.release.event import Event, EventError

FINISHED = Event(
    schema_version="1.0",
    event_id="0f" * 16,
    ts="2026-01-31T12:00:00Z",
    repo="ab" * 32,
    channel="pilot",
    version="1.2.0",
    from_version="1.1.0",
    route="package",
    op="install",
    phase="finished",
    outcome="ok",
    error_code=0,
    duration_ms=1500,
    python="3.11.4",
    os="linux",
)
STARTED = FINISHED._replace(phase="started", outcome=None, error_code=None, duration_ms=None)
LINE = (
    b'{"channel":"pilot","duration_ms":1500,"error_code":0,'
    b'"event_id":"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f","from_version":"1.1.0","op":"install",'
    b'"os":"linux","outcome":"ok","phase":"finished","python":"3.11.4",'
    b'"repo":"abababababababababababababababababababababababababababababababab",'
    b'"route":"package","schema_version":"1.0","ts":"2026-01-31T12:00:00Z","version":"1.2.0"}\n'
)


def line(**changed: Any) -> bytes:
    """Return the line of a finished install with some fields changed."""
    return json.dumps({**FINISHED._asdict(), **changed}).encode()


def problem(data: bytes) -> tuple[str, str]:
    """Return what is wrong with a line: the kind, and the whole text."""
    with pytest.raises(EventError) as caught:
        event.parse(data)
    return caught.value.kind, str(caught.value)


def test_an_event_is_one_line_of_sorted_json() -> None:
    assert event.dump(FINISHED) == LINE


@pytest.mark.parametrize("written", [FINISHED, STARTED, FINISHED._replace(channel=None)])
def test_what_was_written_is_read_again(written: Event) -> None:
    assert event.parse(event.dump(written)) == (written, ())


@pytest.mark.parametrize(
    "name", ["channel", "from_version", "route", "error_code", "duration_ms", "python", "os"]
)
def test_what_is_not_known_may_be_null_or_left_out(name: str) -> None:
    left_out = {key: value for key, value in FINISHED._asdict().items() if key != name}
    expected = FINISHED._replace(**{name: None})  # type: ignore[arg-type]
    assert event.parse(line(**{name: None}))[0] == expected
    assert event.parse(json.dumps(left_out).encode())[0] == expected


def test_fields_of_a_later_schema_are_named_and_do_no_harm() -> None:
    found = event.parse(line(schema_version="1.7", zeta=[{"a": 1}], alpha=None))
    assert found == (FINISHED._replace(schema_version="1.7"), ("alpha", "zeta"))


def test_a_hostile_name_of_a_field_is_told_in_a_few_printable_characters() -> None:
    _, unknown = event.parse(line(**{"\x1b[2J" + "a" * 500: 1}))
    assert unknown == ("'\\x1b[2J" + "a" * 32 + "…",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        LINE[:100],
        LINE[40:],
        LINE[:100] + LINE,
        LINE.strip() + LINE,
        b"\xff\xfe{}",
        LINE.decode().encode("utf-16"),
        b"[" * 60_000,
        b'{"a":' * 10_000,
        line().replace(b"1500", b"9" * 5_000),
        b"\x00" * 100,
    ],
)
def test_a_torn_line_is_no_event(data: bytes) -> None:
    assert problem(data) == ("torn", "torn: not a line of JSON")


@pytest.mark.parametrize("data", [b"[]", b'"x"', b"null", b"1", b"true"])
def test_a_line_that_is_no_object_is_no_event(data: bytes) -> None:
    assert problem(data)[0] == "not an object"


def test_a_line_too_long_is_not_even_decoded() -> None:
    assert problem(b"[" * 70_000) == ("too long", "too long: 70000 bytes (expected at most 65536)")
    assert event.parse(LINE.strip() + b" " * (65_536 - len(LINE) + 1))[0] == FINISHED


def test_a_key_that_is_there_twice_could_mean_either() -> None:
    assert problem(b'{"outcome":"ok",' + LINE[1:])[0] == "duplicate key"


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.1", "2"])
def test_an_event_of_another_schema_is_not_guessed_at(version: str) -> None:
    expected = f"unknown schema: expected 1.x, got {version}"
    assert problem(line(schema_version=version)) == ("unknown schema", expected)


@pytest.mark.parametrize(
    "name", ["schema_version", "event_id", "ts", "repo", "version", "op", "phase", "outcome"]
)
def test_what_a_decision_needs_has_to_be_there(name: str) -> None:
    left_out = {key: value for key, value in FINISHED._asdict().items() if key != name}
    assert problem(json.dumps(left_out).encode()) == ("missing field", f"missing field: {name}")
    assert problem(line(**{name: None}))[0] == "missing field"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("schema_version", 1.0),
        ("schema_version", "1.0 "),
        ("schema_version", "one"),
        ("event_id", ""),
        ("event_id", "x" * 129),
        ("event_id", "a\nb"),
        ("event_id", 7),
        ("repo", "é"),
        ("repo", "\x1b[2J"),
        ("repo", ["a"]),
        ("version", "1" * 65),
        ("version", {}),
        ("from_version", ""),
        ("from_version", False),
        ("channel", "nightly"),
        ("channel", ["pilot"]),
        ("route", "Package"),
        ("op", "upgrade"),
        ("op", 0),
        ("phase", "finished "),
        ("phase", {"finished": 1}),
        ("outcome", "success"),
        ("outcome", True),
        ("error_code", True),
        ("error_code", -1),
        ("error_code", 256),
        ("error_code", 0.0),
        ("error_code", "0"),
        ("duration_ms", -1),
        ("duration_ms", 10**12 + 1),
        ("duration_ms", 1.5),
        ("python", "3" * 65),
        ("os", 3),
        ("ts", 1_767_225_600),
        ("ts", "2026-01-31"),
        ("ts", "2026-02-30T12:00:00Z"),
        ("ts", "2026-01-31T24:00:01Z"),
        ("ts", "2026-01-31T12:00:00"),
        ("ts", "2026-01-31T12:00:00+09:00"),
        ("ts", "2026-01-31T12:00:00Z\n"),
        ("ts", "２026-01-31T12:00:00Z"),
        ("ts", "2026-01-31T12:00:00." + "1" * 10 + "Z"),
    ],
)
def test_a_value_that_cannot_be_is_refused(name: str, value: object) -> None:
    kind, text = problem(line(**{name: value}))
    assert (kind, text.startswith(f"bad value: {name}: expected ")) == ("bad value", True)
    assert text.isprintable()


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_in_json_is_none_here(value: str) -> None:
    assert problem(line().replace(b"1500", value.encode()))[0] == "bad value"


@pytest.mark.parametrize(
    ("ts", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-02T00:00:01.25Z", 86_401.25),
        ("1970-01-01t00:01:00z", 60.0),
        ("1970-01-01T00:00:00.5+00:00", 0.5),
        ("2026-01-31T12:00:00-00:00", 1_769_860_800.0),
    ],
)
def test_a_moment_is_the_same_however_it_is_spelled(ts: str, expected: float) -> None:
    assert event.seconds(ts) == expected
    assert event.parse(line(ts=ts))[0].ts == ts


def test_what_is_no_moment_is_named() -> None:
    with pytest.raises(ValueError, match="yesterday: not a time in UTC"):
        event.seconds("yesterday")


def test_a_moment_is_written_in_utc() -> None:
    here = datetime(2026, 1, 31, 21, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=9)))
    assert event.moment(here) == "2026-01-31T12:00:00Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.2.0", "1.2.0"), ("", "?"), ("1.0\n\x1b", "1.0??"), ("版", "?"), ("1" * 99, "1" * 64)],
)
def test_any_version_can_be_written_so_that_it_can_be_read(text: str, expected: str) -> None:
    assert event.printable(text) == expected
    assert event.parse(line(version=event.printable(text)))[0].version == expected
