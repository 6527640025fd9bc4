"""The digests of earlier releases: what was once delivered is known again, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentrail_runtime import known
from agentrail_runtime.document import DocumentError
from agentrail_runtime.entry import Entry, Ownership, RelPath
from agentrail_runtime.known import Known

A, B, C = "a" * 64, "b" * 64, "c" * 64


def make(**files: list[str]) -> Known:
    return Known({RelPath(path): frozenset(digests) for path, digests in files.items()})


def entry(path: str, digest: str, ownership: Ownership = "managed") -> Entry:
    return Entry(RelPath(path), ownership, digest, 1)


def document(files: object, **more: object) -> bytes:
    return json.dumps({"schema_version": "1.0", "files": files, **more}).encode()


def test_a_list_is_written_sorted_and_read_back() -> None:
    text = make(b=[B, A], a=[C]).dump()
    assert text.decode() == (
        f'{{\n  "files": {{\n    "a": [\n      "{C}"\n    ],\n'
        f'    "b": [\n      "{A}",\n      "{B}"\n    ]\n  }},\n  "schema_version": "1.0"\n}}\n'
    )
    assert known.load(text) == make(b=[A, B], a=[C])


def test_a_list_of_nothing_is_one() -> None:
    assert known.load(Known().dump()) == Known()


def test_a_path_that_nobody_delivered_has_no_digests() -> None:
    assert make(a=[A]).at("a") == {A}
    assert make(a=[A]).at("b") == frozenset()


def test_keys_of_a_newer_writer_are_kept() -> None:
    read = known.load(document({}, schema_version="1.7", note=["x"]))
    assert json.loads(read.dump()) == {"files": {}, "note": ["x"], "schema_version": "1.0"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON: Expecting value (line 1)"),
        (b"\xff", "not UTF-8 (byte 0)"),
        (b"[]", "expected an object, got list"),
        (b"{}", "schema_version: missing"),
        (b'{"schema_version": 1}', "schema_version: expected str, got int"),
        (b'{"schema_version": "x"}', "schema_version: expected major.minor, got 'x'"),
        (b'{"schema_version": "2.0", "files": {}}', "schema_version: expected 1.x, got 2.0"),
        (b'{"schema_version": "1.0"}', "files: missing"),
        (document([]), "files: expected dict, got list"),
        (document({"a": A}), "files.a: expected list, got str"),
        (document({"a": [A, 1]}), "files.a: expected hex sha256 digests"),
        (document({"a": [A.upper()]}), "files.a: expected hex sha256 digests"),
        (document({"a": [A[1:]]}), "files.a: expected hex sha256 digests"),
        (document({"a": [A + "\n"]}), "files.a: expected hex sha256 digests"),
        (document({"a": [[A]]}), "files.a: expected hex sha256 digests"),
        (document({"../a": [A]}), "files: ../a: '..' is not allowed as a path component"),
        (document({"": [A]}), "files: an empty path"),
        (document({".agentrail/receipt.json": [A]}), "files: .agentrail/receipt.json: belongs to"),
        (document({"/a": [A]}), "files: /a: an absolute path (expected one below the target)"),
        (b'{"files": {}, "files": {}}', "a key stands twice in one object"),
        (b'{"a": ' * 500 + b"1" + b"}" * 500, "nested too deep"),
        (b'{"schema_version": "1.0", "files": {"\\ud800": []}}', "half a character"),
    ],
)
def test_a_list_that_is_none_is_refused_and_says_where(data: bytes, said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        known.load(data)
    assert str(caught.value).startswith(said)


def test_an_earlier_release_adds_its_digests() -> None:
    earlier = [entry("a", B), entry("b", C)]
    assert known.grown(make(a=[A]), earlier) == make(a=[A, B], b=[C])


def test_growing_does_not_change_what_was_known() -> None:
    before = make(a=[A])
    known.grown(before, [entry("a", B)])
    assert before == make(a=[A])


@pytest.mark.parametrize(
    ("ownership", "grown"),
    [
        ("managed", make(a=[A])),
        ("block", make(a=[A])),
        ("seed", Known()),
        ("profile", Known()),
    ],
)
def test_what_is_the_users_from_the_first_day_is_not_listed(ownership: Ownership, grown: Known) -> None:
    assert known.grown(Known(), [entry("a", A, ownership)]) == grown


def test_what_belongs_to_the_installer_is_not_listed() -> None:
    earlier = [entry(".agentrail/receipt.json", A), entry("runtime.index.json.sig", B)]
    assert known.grown(Known(), earlier) == Known()


def test_what_either_list_knows_is_known() -> None:
    one, other = make(a=[A], b=[B]), make(a=[C], c=[C])
    assert known.merged(one, other) == make(a=[A, C], b=[B], c=[C])


@pytest.mark.parametrize(
    ("one", "other", "extra"),
    [
        ({"x": 1}, {}, {"x": 1}),
        ({}, {"x": 2}, {"x": 2}),
        ({"x": 1}, {"x": 2, "y": 3}, {"x": 1, "y": 3}),
    ],
)
def test_the_first_of_two_lists_decides_on_unknown_keys(one: Any, other: Any, extra: Any) -> None:
    assert known.merged(Known(extra=one), Known(extra=other)).extra == extra


@pytest.mark.parametrize(
    ("before", "current", "after"),
    [
        (make(a=[A, B]), [entry("a", A)], make(a=[B])),
        (make(a=[A]), [entry("a", A)], Known()),
        (make(a=[A]), [entry("a", C)], make(a=[A])),
        (make(a=[A]), [entry("b", A)], make(a=[A])),
        (make(a=[A]), [], make(a=[A])),
    ],
)
def test_what_a_release_delivers_itself_is_not_listed(
    before: Known, current: list[Entry], after: Known
) -> None:
    assert known.without_current(before, current) == after
