"""A merge keeps what both sides wrote, or says that it cannot."""

from __future__ import annotations

import pytest

from agentrail_runtime.merge import merge

BASE = b"1\n2\n3\n4\n5\n"

MERGED = [
    ("only the user's side changed", b"1\n2\n3\n", b"1\nX\n3\n", b"1\n2\n3\n", b"1\nX\n3\n"),
    ("only the framework's side changed", b"1\n2\n3\n", b"1\n2\n3\n", b"1\nX\n3\n", b"1\nX\n3\n"),
    ("both made the same change", b"1\n2\n3\n", b"1\nX\n3\n", b"1\nX\n3\n", b"1\nX\n3\n"),
    ("changes apart", BASE, b"X\n2\n3\n4\n5\n", b"1\n2\n3\n4\nY\n", b"X\n2\n3\n4\nY\n"),
    ("lines added at both ends", BASE, b"0\n" + BASE, BASE + b"6\n", b"0\n" + BASE + b"6\n"),
    ("one adds, one removes", BASE, b"1\n2\nX\n3\n4\n5\n", b"2\n3\n4\n5\n", b"2\nX\n3\n4\n5\n"),
    ("both remove, apart", BASE, b"2\n3\n4\n5\n", b"1\n2\n3\n4\n", b"2\n3\n4\n"),
    ("from nothing, one side", b"", b"", b"a\n", b"a\n"),
    ("all removed by one side", b"1\n2\n", b"1\n2\n", b"", b""),
    ("no final newline on the user's side", b"1\n2\n3\n", b"1\n2\n3", b"X\n2\n3\n", b"X\n2\n3"),
    ("a final newline added", b"1\n2\n3", b"X\n2\n3", b"1\n2\n3\n", b"X\n2\n3\n"),
    ("no newline anywhere", b"a", b"a", b"b", b"b"),
    ("CRLF is kept", b"1\n2\n3\n", b"1\r\n2\r\nX\r\n", b"Y\n2\n3\n", b"Y\r\n2\r\nX\r\n"),
    ("CRLF of the framework's", b"1\r\n2\r\n3\r\n", b"1\n2\nX\n", b"Y\r\n2\r\n3\r\n", b"Y\n2\nX\n"),
    (
        "Japanese",
        "一\n二\n三\n".encode(),
        "一\n二\n参\n".encode(),
        "壱\n二\n三\n".encode(),
        "壱\n二\n参\n".encode(),
    ),
    ("Latin-1", b"caf\xe9\nb\nc\n", b"caf\xe9\nb\nX\n", b"th\xe9\nb\nc\n", b"th\xe9\nb\nX\n"),
]


@pytest.mark.parametrize(
    ("base", "current", "incoming", "expected"),
    [row[1:] for row in MERGED],
    ids=[row[0] for row in MERGED],
)
def test_changes_apart_are_all_kept(
    base: bytes, current: bytes, incoming: bytes, expected: bytes
) -> None:
    assert merge(base, current, incoming) == expected


REFUSED = [
    ("the same line", BASE, b"1\n2\nX\n4\n5\n", b"1\n2\nY\n4\n5\n"),
    ("lines that touch", BASE, b"1\nX\n3\n4\n5\n", b"1\n2\nY\n4\n5\n"),
    ("changed and removed", BASE, b"1\nX\n3\n4\n5\n", b"1\n3\n4\n5\n"),
    ("added at the same place", BASE, b"1\nX\n2\n3\n4\n5\n", b"1\nY\n2\n3\n4\n5\n"),
    ("added at the end by both", BASE, BASE + b"X\n", BASE + b"Y\n"),
    ("added where a line was removed", BASE, b"1\n2\nX\n3\n4\n5\n", b"1\n2\n4\n5\n"),
    ("all removed and one changed", BASE, b"", b"1\nX\n3\n4\n5\n"),
    ("from nothing, both", b"", b"a\n", b"b\n"),
    ("final newline and last line", b"1\n2\n", b"1\n2", b"1\n2\n3\n"),
    ("no newline anywhere", b"a", b"b", b"c"),
    ("binary base", b"\0", b"a\n", b"b\n"),
    ("binary current", b"a\n", b"a\0\n", b"a\n"),
    ("binary incoming", b"a\n", b"a\n", b"a\0\n"),
]


@pytest.mark.parametrize(
    ("base", "current", "incoming"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_cannot_be_kept_on_both_sides_is_not_merged(
    base: bytes, current: bytes, incoming: bytes
) -> None:
    assert merge(base, current, incoming) is None
    assert merge(base, incoming, current) is None


def test_a_section_that_the_user_took_over_early_does_not_stand_there_twice() -> None:
    base = b"# A\n\na\n\n# B\n\nb\n\n# C\n\nc\n"
    incoming = b"# A\n\na\n\n# New\n\nnew\n\n# B\n\nb\n\n# C\n\nc\n"
    current = b"# A\n\na\n\n# New\n\nnew\n\n# B\n\nmine\n\n# C\n\nc\n"
    assert merge(base, current, incoming) in (current, None)


@pytest.mark.parametrize("edited", ["p1", "p2", "p3", "p5"])
def test_a_paragraph_that_both_added_does_not_stand_there_twice(edited: str) -> None:
    base = b"".join(b"p%d\n\n" % number for number in range(6))
    incoming = base.replace(b"p3\n", b"new\n\np3\n")
    current = incoming.replace(edited.encode(), b"mine")
    assert merge(base, current, incoming) in (current, None)


def test_a_file_of_one_line_a_hundred_thousand_times_does_not_take_minutes() -> None:
    base = b"\n" * 100_000
    assert merge(base, b"x\n" + base, base + b"y\n") is None
