"""Index, receipt and journal are read safely, however broken they are, and written always the same."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from agentrail_runtime import document
from agentrail_runtime.document import DocumentError


def test_equal_values_are_equal_bytes_so_that_a_digest_means_something() -> None:
    text = '{\n  "a": [\n    1\n  ],\n  "b": "日本"\n}\n'.encode()
    assert document.dump({"b": "日本", "a": [1]}) == text
    assert document.dump({"a": [1], "b": "日本"}) == text


def test_a_terminal_without_unicode_gets_every_character_escaped() -> None:
    assert document.dump({"a": "日"}, is_ascii=True) == b'{\n  "a": "\\u65e5"\n}\n'


def test_what_was_dumped_is_loaded_again() -> None:
    value: dict[str, Any] = {"a": None, "b": [True, 1, -2, "x"], "c": {"d": {}}}
    assert document.load(document.dump(value)) == value


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff{}", r"not UTF-8 \(byte 0\)"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"", r"not JSON: .* \(line 1\)"),
        (b'{"a": 1', r"not JSON: .* \(line 1\)"),
        (b'{\n"a": 1,\n}', r"not JSON: .* \(line [23]\)"),
        (b"{} {}", "not JSON: Extra data"),
        (b"{'a': 1}", "not JSON"),
        (b"[]", "expected an object, got list"),
        (b"null", "expected an object, got null"),
        (b'"x"', "expected an object, got str"),
        (b"1", "expected an object, got int"),
        (b'{"a": 1, "a": 2}', "a key stands twice"),
        (b'{"x": {"a": 1, "a": 1}}', "a key stands twice"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
    ],
)
def test_a_broken_document_is_named_and_not_taken_for_another(data: bytes, said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        document.load(data)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_number_that_json_does_not_know_is_refused(number: bytes) -> None:
    with pytest.raises(DocumentError):
        document.load(b'{"a": ' + number + b"}")


def test_a_number_of_ten_thousand_digits_is_refused_and_no_internal_error() -> None:
    with pytest.raises(DocumentError):
        document.load(b'{"a": ' + b"1" * 10_000 + b"}")


def test_half_a_character_in_an_unknown_key_does_not_break_the_next_write() -> None:
    with pytest.raises(DocumentError):
        document.dump(document.load(b'{"later": "\\ud800"}'))


def test_every_depth_that_is_read_can_be_written_again() -> None:
    for depth in range(50, 2 * sys.getrecursionlimit(), 50):
        try:
            value = document.load(b'{"a":' * depth + b"1" + b"}" * depth)
        except DocumentError:
            return
        assert document.load(document.dump(value)) == value
    pytest.fail("no depth is refused")


@pytest.mark.parametrize(
    ("value", "kind", "found"),
    [("x", str, "x"), (3, int, 3), (True, bool, True), ([], list, []), ({}, dict, {})],
)
def test_a_field_of_the_right_type_is_returned(value: Any, kind: type, found: Any) -> None:
    assert document.field({"key": value}, "key", kind) == found


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (3, str, "key: expected str, got int"),
        (None, str, "key: expected str, got null"),
        ("3", int, "key: expected int, got str"),
        (True, int, "key: expected int, got bool"),
        (1.0, int, "key: expected int, got float"),
        (1, bool, "key: expected bool, got int"),
        ({}, list, "key: expected list, got dict"),
        ([], dict, "key: expected dict, got list"),
    ],
)
def test_a_field_of_a_wrong_type_is_named(value: Any, kind: type, said: str) -> None:
    with pytest.raises(DocumentError, match=f"^{said}$"):
        document.field({"key": value}, "key", kind)


def test_a_missing_field_is_named_with_its_place() -> None:
    with pytest.raises(DocumentError, match=r"^entries\[3\]\.size: missing$"):
        document.field({}, "size", int, place="entries[3]")


def test_a_missing_field_with_a_default_is_the_default() -> None:
    assert document.field({}, "size", int, default=None) is None
    assert document.field({}, "size", int, default=0) == 0


def test_a_row_that_is_no_object_is_named_with_its_place() -> None:
    row: Any = [1]
    with pytest.raises(DocumentError, match=r"^entries\[3\]: expected an object, got list$"):
        document.field(row, "size", int, place="entries[3]")


@pytest.mark.parametrize(
    ("text", "is_in"),
    [("1.0", True), ("1.9", True), ("1", True), ("1.99.3", True), ("2.0", False), ("0.9", False)],
)
def test_the_schema_window_is_one_major_version(text: str, is_in: bool) -> None:
    assert document.schema_window(text, major=1) is is_in


@pytest.mark.parametrize("text", ["", ".1", "x", "1x.0", "-1.0", " 1.0", "١.0", "1e3", "²"])
def test_a_schema_version_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DocumentError, match=r"schema_version: expected major\.minor"):
        document.schema_window(text, major=1)


def test_a_schema_version_of_ten_thousand_digits_is_no_internal_error() -> None:
    digits = "9" * 10_000
    try:
        is_in = document.schema_window(f"{digits}.0", major=1)
    except DocumentError:
        is_in = False
    assert not is_in


def test_keys_of_a_newer_writer_are_kept() -> None:
    assert document.rest({"a": 1, "b": 2, "c": 3}, ("b",)) == {"a": 1, "c": 3}
