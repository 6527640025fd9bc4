"""A checkout with other line ends is no edit, and a file keeps the ones it has."""

from __future__ import annotations

import pytest

from agentrail_runtime import newline
from agentrail_runtime.entry import sha256


@pytest.mark.parametrize(
    ("data", "is_text", "is_utf8"),
    [
        (b"", True, True),
        (b"a\r\nb", True, True),
        ("日本".encode(), True, True),
        (b"\xef\xbb\xbfa", True, True),
        (b"caf\xe9", True, False),
        (b"a\0b", False, False),
        (b"\xff\0", False, False),
    ],
)
def test_a_binary_is_not_taken_for_text(data: bytes, is_text: bool, is_utf8: bool) -> None:
    assert (newline.is_text(data), newline.is_utf8(data)) == (is_text, is_utf8)


@pytest.mark.parametrize(
    ("data", "lf", "crlf"),
    [
        (b"", b"", b""),
        (b"a", b"a", b"a"),
        (b"a\nb", b"a\nb", b"a\r\nb"),
        (b"a\r\nb\n", b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\rb\n", b"a\rb\n", b"a\rb\r\n"),
    ],
)
def test_line_ends_change_and_nothing_else(data: bytes, lf: bytes, crlf: bytes) -> None:
    assert (newline.to_lf(data), newline.to_crlf(data)) == (lf, crlf)


@pytest.mark.parametrize(
    ("data", "uses"),
    [
        (b"", False),
        (b"a", False),
        (b"a\n", False),
        (b"a\r", False),
        (b"a\r\n", True),
        (b"a\r\nb\n", True),
        (b"a\r\nb\nc\n", False),
        (b"a\r\n\0", False),
    ],
)
def test_a_file_uses_the_line_ends_of_most_of_its_lines(data: bytes, uses: bool) -> None:
    assert newline.uses_crlf(data) is uses


def test_a_text_is_known_by_its_digest_under_any_line_ends() -> None:
    expected = {sha256(b"a\r\nb\n"), sha256(b"a\nb\n"), sha256(b"a\r\nb\r\n")}
    assert set(newline.digests(b"a\r\nb\n")) == expected


@pytest.mark.parametrize("data", [b"", b"a", b"a\r\n\0"])
def test_what_has_no_line_ends_has_one_digest(data: bytes) -> None:
    assert newline.digests(data) == (sha256(data),)


@pytest.mark.parametrize(
    ("sample", "data", "expected"),
    [
        (b"x\r\ny\r\n", b"a\nb\n", b"a\r\nb\r\n"),
        (b"x\ny\n", b"a\r\nb\r\n", b"a\nb\n"),
        (b"one line", b"a\r\nb\n", b"a\r\nb\n"),
        (b"x\r\n\0", b"a\n", b"a\n"),
        (b"x\r\n", b"a\n\0", b"a\n\0"),
    ],
)
def test_new_text_takes_the_line_ends_of_the_file(sample: bytes, data: bytes, expected: bytes) -> None:
    assert newline.like(sample, data) == expected
