"""What is told of the faults: every one that was not survived shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fault import result, strace, strike
from tests.fault.__main__ import never_made
from tests.fault.choice import Choice, spread
from tests.fault.result import Missing, Try

FOUND = result.collected(
    [
        Try("kill -9", "write", "fresh", "write 1"),
        Try("kill -9", "write", "fresh", "write 2", "stands mixed"),
        Try("kill -9", "rename", "upgrade", "rename 1"),
        Missing("a clock that jumps", "libfaketime is not installed"),
    ]
)


def test_a_fault_that_was_not_survived_shows_in_table_page_and_json() -> None:
    text, page, value = (
        result.as_text(FOUND),
        result.as_markdown(FOUND),
        json.loads(result.as_json(FOUND)),
    )
    assert "3 faults tried, 2 survived" in text
    assert "kill -9, write, fresh, at write 2: stands mixed" in text
    assert "| write | 2 (1 broken) | – | 2 | 1 |" in page
    assert (value["tried"], value["survived"], value["broken"][0]["place"]) == (3, 2, "write 2")


def test_what_could_not_be_tried_is_named_with_the_reason() -> None:
    assert "a clock that jumps: missing: libfaketime is not installed" in result.as_text(FOUND)
    assert "- not tried: a clock that jumps: libfaketime is not installed" in result.as_markdown(FOUND)


def test_a_kind_of_call_that_no_run_makes_is_named() -> None:
    kinds = [kind for kind in strace.CHANGES if kind != "link"]
    found = result.collected(Try(strike.KILL, kind, "fresh", "") for kind in kinds)
    reason = "no run makes such a call"
    assert [*never_made(found)] == [Missing("kill -9 at a system call: link", reason)]


@pytest.mark.parametrize(
    ("places", "first"),
    [([], []), ([1], [1]), ([*range(8)], [0, 4, 2, 6]), ([*range(5)], [0, 4, 2, 1])],
)
def test_the_first_places_lie_spread_over_all(places: list[int], first: list[int]) -> None:
    assert spread(places)[:4] == first
    assert sorted(spread(places)) == places


def test_a_limit_takes_of_each_kind_before_it_takes_more_of_one() -> None:
    places = [*"aaaaaaaabbc"]
    assert sorted(Choice(limit=4).of(places, str)) == ["a", "a", "b", "c"]
    assert sorted(Choice().of(places, str)) == places


LOG = """\
openat(AT_FDCWD</x>, "/x/target", O_RDONLY) = 3</x/target>
openat(3</x/target>, "a", O_WRONLY|O_CREAT, 0666) = 4</x/target/a>
renameat(3</x/target>, "a", 3</x/target>, "b") = -1 EIO (Input/output error) (INJECTED)
openat(3</x/target>, ".agentrail/state/stash/000001-0a1b2c", O_RDONLY) = ?
+++ killed by SIGKILL +++
"""


def test_calls_are_read_from_what_strace_writes() -> None:
    found = [(call.name, call.number, call.kind, call.is_struck) for call in strace.calls(LOG)]
    assert found == [
        ("openat", 1, "read", False),
        ("openat", 2, "create", False),
        ("renameat", 1, "rename", True),
        ("openat", 3, "read", True),
    ]


def test_a_call_is_called_the_same_in_every_run() -> None:
    first = LOG.splitlines()[3]
    second = first.replace("000001-0a1b2c", "000001-ffffff").replace("3<", "9<").replace("/x/", "/y/")
    one, other = (strace.calls(line)[0] for line in (first, second))
    told = "openat .agentrail/state/stash/000001"
    assert [one.what(Path("/x/target")), other.what(Path("/y/target"))] == [told, told]
