"""What --fast remembers is read back as it was, or not at all."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import pytest

from agentrail_runtime import stat_cache
from agentrail_runtime.stat_cache import Cache

SOURCE = {
    "kind": "copy",
    "digest": "sha256:x",
    "location": "/bundle",
    "requested": "copy",
    "fallback_reason": None,
    "integrity": "verified",
    "signature": "absent",
}
OUTCOME = {
    "runtime_version": "1.0.0",
    "previous_version": None,
    "task_root": "work",
    "source": SOURCE,
}
NAMES = ["a", "é", "top"]
STATS = stat_cache.pack([3, 10, 10, 7, 0o100644, *stat_cache.ABSENT, 0, 20, 30, 8, 0o100755])
CACHE = Cache(
    key="the key",
    groups=[("", 1), ("docs/sub", 2)],
    names=NAMES,
    stats=STATS,
    digests=bytes(96),
    codes=bytes([1, 0, 2]),
    actions=[None, ["unchanged", "managed", "as delivered"], ["keep", "seed", "yours"]],
    outcome=OUTCOME,
)


def load(data: bytes) -> Cache | None:
    return stat_cache.load(data, origin=[*SOURCE])


def test_a_cache_is_read_as_it_was_written() -> None:
    assert load(CACHE.dump()) == CACHE


def test_every_file_has_its_path() -> None:
    assert CACHE.paths() == ["a", "docs/sub/é", "docs/sub/top"]


def test_nothing_has_changed_where_every_number_is_the_same() -> None:
    assert CACHE.changed(STATS) == []


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("field", range(stat_cache.FIELDS))
def test_a_file_has_changed_where_any_number_differs(number: int, field: int) -> None:
    place = (number * stat_cache.FIELDS + field) * 8
    stats = STATS[:place] + bytes([STATS[place] ^ 1]) + STATS[place + 1 :]
    assert CACHE.changed(stats) == [number]


@pytest.mark.parametrize(
    ("stamp", "racy"), [(31, []), (30, [2]), (20, [2]), (11, [2]), (10, [0, 2]), (0, [0, 2])]
)
def test_what_may_have_changed_within_one_tick_of_the_clock_is_never_trusted(
    stamp: int, racy: list[int]
) -> None:
    cache = CACHE._replace(stats=stat_cache.without_racy(STATS, stamp))
    assert cache.changed(STATS) == racy


def test_a_truncation_anywhere_is_no_cache() -> None:
    data = CACHE.dump()
    assert [stop for stop in range(len(data)) if load(data[:stop]) is not None] == []


def test_a_flipped_bit_anywhere_is_no_cache() -> None:
    data = CACHE.dump()
    flipped = (data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(len(data)))
    assert [found for found in map(load, flipped) if found is not None] == []


@pytest.mark.parametrize("more", [b"\n", b"\0", b"x" * 40])
def test_what_stands_behind_a_cache_is_no_part_of_it(more: bytes) -> None:
    assert load(CACHE.dump() + more) is None


def signed(body: bytes) -> bytes:
    """Return a body under the digest that it needs."""
    return b"agentrail stat cache 1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def forged(**head: Any) -> bytes:
    """Return a cache with other values in its head, under the digest that it needs."""
    first, _, rest = CACHE.dump().partition(b"\n")[2].partition(b"\n")
    return signed(json.dumps({**json.loads(first), **head}).encode() + b"\n" + rest)


def test_the_forger_of_these_tests_can_forge() -> None:
    assert load(forged(key="another")) == CACHE._replace(key="another")


ROW = ["unchanged", "managed", "as delivered"]


@pytest.mark.parametrize(
    "head",
    [
        {"byteorder": "big" if sys.byteorder == "little" else "little"},
        {"byteorder": None},
        {"groups": [["", 1], ["docs/sub", 1]]},
        {"groups": [["", 1], ["docs/sub", 3]]},
        {"groups": [["a", 2], ["b", -2], ["c", 3]]},
        {"groups": [["", 3], ["docs", 0]]},
        {"groups": [["", 3.0]]},
        {"groups": [["", "3"]]},
        {"groups": [["..", 3]]},
        {"groups": [["/etc", 3]]},
        {"groups": [["a/../../b", 3]]},
        {"groups": [[None, 3]]},
        {"groups": [["", 3, 4]]},
        {"groups": ["ab"]},
        {"groups": 3},
        {"groups": None},
        {"sizes": [9, 120, 96]},
        {"sizes": [9, 120, 96, 3, 0]},
        {"sizes": [-1, 120, 96, 3]},
        {"sizes": [10, 119, 96, 3]},
        {"sizes": [8, 121, 96, 3]},
        {"sizes": [8.0, 120, 96, 3]},
        {"sizes": ["8", 120, 96, 3]},
        {"sizes": [10**30, 0, 0, 0]},
        {"sizes": None},
        {"actions": []},
        {"actions": [None, ROW]},
        {"actions": [None, ROW, "abc"]},
        {"actions": [None, ROW, ROW[:2]]},
        {"actions": [None, ROW, [*ROW, ""]]},
        {"actions": [None, ROW, 3]},
        {"actions": [None, ROW, ["create", "managed", "x"]]},
        {"actions": [None, ROW, [[], "managed", "x"]]},
        {"actions": [None, ROW, ["keep", "mine", "x"]]},
        {"actions": [None, ROW, ["keep", "seed", 3]]},
        {"actions": {"0": 0, "1": 1, "2": 2}},
        {"actions": "abc"},
        {"actions": 3},
        {"outcome": None},
        {"outcome": []},
        {"outcome": {}},
        {"outcome": SOURCE},
        {"outcome": {**OUTCOME, "command": "rm"}},
        {"outcome": {**OUTCOME, "task_root": ["work"]}},
        {"outcome": {**OUTCOME, "source": None}},
        {"outcome": {**OUTCOME, "source": [*SOURCE]}},
        {"outcome": {**OUTCOME, "source": {**SOURCE, "kind": 3}}},
        {"outcome": {**OUTCOME, "source": {**SOURCE, "more": "x"}}},
        {"outcome": {**OUTCOME, "source": {"kind": "copy"}}},
    ],
    ids=str,
)
def test_a_forged_head_is_no_cache(head: dict[str, Any]) -> None:
    assert load(forged(**head)) is None


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "../x"])
def test_a_forged_name_leads_nowhere(name: str) -> None:
    assert load(CACHE._replace(names=[name, "b", "c"]).dump()) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\xff" * 100,
        b"agentrail stat cache 1 \n",
        CACHE.dump().replace(b"cache 1", b"cache 2"),
        signed(b""),
        signed(b"\n"),
        signed(b"{}\n"),
        signed(b"[]\n"),
        signed(b"null\n"),
        signed(b'"text"\n'),
        signed(b"NaN\n"),
        signed(b"[" * 100_000),
        signed(b'{"sizes":[1e999,0,0,0]}\n'),
        signed(b"\xff\n"),
        signed(CACHE.dump().partition(b"\n")[2].replace(b"\xc3\xa9", b"\xff\xff")),
        signed(b"1" * 5_000 + b"\n"),
    ],
    ids=lambda data: str(len(data)),
)
def test_what_is_none_is_no_cache(data: bytes) -> None:
    assert load(data) is None
