"""The list of denied versions: it never goes back, and what is broken is told with its place."""

from __future__ import annotations

import json

import pytest

from agentrail_runtime.document import DocumentError
from agentrail_runtime.release.deny_list import (
    Denied,
    DenyList,
    dump,
    load,
    printable,
    setback,
    with_denied,
)

SINCE = "2030-12-31T08:00:00Z"
BAD = Denied("1.1.0", "breaks rollback", SINCE, ("internal", "general"))
LIST = DenyList(3, (BAD,), extra={"newer": 1})


def broken(**changes: object) -> bytes:
    value = json.loads(dump(LIST))
    value["denied"][0] |= changes.pop("row", {})
    return json.dumps(
        {key: item for key, item in (value | changes).items() if item is not ...}
    ).encode()


def test_a_list_is_read_back_with_what_a_newer_writer_put_in() -> None:
    assert load(dump(LIST)) == LIST


@pytest.mark.parametrize("version", ["1.1", "1.1.0", "v1.1.0"])
def test_a_denied_version_is_found_however_it_is_written(version: str) -> None:
    assert LIST.find(version) == BAD


def test_a_version_beside_it_is_not_denied() -> None:
    assert LIST.find("1.1.1") is None


def test_every_change_is_counted_and_no_row_is_lost() -> None:
    more = with_denied(LIST, "1.2.0", reason="slow", since=SINCE, channels=["general", "internal"])
    assert more.sequence == 4
    assert more.denied == (BAD, Denied("1.2.0", "slow", SINCE, ("internal", "general")))


def test_denying_it_again_keeps_when_and_why_and_adds_channels() -> None:
    more = with_denied(LIST, "1.1", reason="other", since="2031-01-01T00:00:00Z", channels=["pilot"])
    assert more.denied == (BAD._replace(channels=("internal", "pilot", "general")),)
    assert with_denied(more, "1.1", reason="x", since=SINCE, channels=["pilot"]) is more


def test_another_row_stays_as_it_is_when_one_gets_a_channel() -> None:
    two = with_denied(LIST, "1.2.0", reason="slow", since=SINCE, channels=["internal"])
    more = with_denied(two, "1.2.0", reason="", since=SINCE, channels=["pilot"])
    assert [row.channels for row in more.denied] == [("internal", "general"), ("internal", "pilot")]


@pytest.mark.parametrize(
    ("newer", "problem"),
    [
        (LIST, ""),
        (with_denied(LIST, "2.0", reason="x", since=SINCE), ""),
        (LIST._replace(sequence=2), "an older list (expected sequence 3 or more, got 2)"),
        (DenyList(4), "denies 1.1.0 no more (a list only grows)"),
        (DenyList(3, (BAD, BAD)), "another list of the same sequence, 3"),
    ],
)
def test_a_list_that_goes_back_is_told(newer: DenyList, problem: str) -> None:
    assert setback(LIST, newer) == problem


def test_a_reason_cannot_move_the_cursor_or_fill_the_screen() -> None:
    assert printable("a\x1b[2Jb\r\n c") == "a [2Jb c"
    assert len(printable("x" * 5_000)) == 1_000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x" * 1_000_001, "too large (expected at most 1000000 bytes, got 1000001)"),
        (b"\x00", "not JSON"),
        (broken(schema_version="2.0"), "schema_version: expected 1.x, got 2.0"),
        (broken(sequence=..., sequenze=3), "sequenze: unknown key (expected sequence)"),
        (broken(sequence=-1), "sequence: expected 0 or more, got -1"),
        (broken(sequence="3"), "sequence: expected int, got str"),
        (broken(denied=["1.1.0"]), "denied[0]: expected an object, got str"),
        (broken(row={"since": "yesterday"}), "denied[0].since: expected a time"),
        (
            broken(row={"channels": ["everywhere"]}),
            "denied[0].channels: expected internal|pilot|general",
        ),
        (broken(row={"reason": None}), "denied[0].reason: expected str, got null"),
    ],
)
def test_a_broken_list_is_told_with_its_place(data: bytes, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        load(data)
    assert message in str(caught.value)
