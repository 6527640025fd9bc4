"""The receipt is the base of every later decision: it is read whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentrail_runtime import document, receipt
from agentrail_runtime.entry import RelPath, sha256
from agentrail_runtime.errors import IncompatibleError, ReceiptError
from agentrail_runtime.receipt import Receipt, Record
from tests.unit.support import BLOB, HEX, record

ROW = {
    "path": "a.md",
    "ownership": "managed",
    "sha256": HEX,
    "git_blob": BLOB,
    "size": 3,
    "executable": True,
}
SOURCE = {"kind": "copy", "digest": f"sha256:{HEX}"}
VALID: dict[str, Any] = {
    "schema_version": "1.0",
    "runtime_version": "1.2.0",
    "release_seq": 7,
    "source": SOURCE,
    "task_root": ".agentrail/work",
    "entries": [ROW],
}


def load(**changes: Any) -> Receipt:
    return receipt.load(document.dump({**VALID, **changes}))


def load_row(**changes: Any) -> Receipt:
    return load(entries=[{**ROW, **changes}])


def test_a_receipt_is_read_as_it_was_written() -> None:
    written = Receipt(
        runtime_version="1.2.0",
        release_seq=7,
        source_kind="package",
        source_digest=f"sha256:{HEX}",
        task_root=RelPath("work"),
        records=(
            record("a.md", b"x", executable=True),
            record("b.md", b"y", "block", declined=HEX),
            record("c.md", None, declined=HEX),
        ),
    )
    assert receipt.load(written.dump()) == written


def test_a_receipt_holds_no_more_than_the_contract_says() -> None:
    value = document.load(load().dump())
    assert value == VALID
    assert [*value["entries"][0]] == sorted(ROW)


def test_what_a_newer_installer_added_survives_a_rewrite() -> None:
    value = {
        **VALID,
        "later": {"x": [1]},
        "source": {**SOURCE, "channel": "pilot"},
        "entries": [{**ROW, "note": None, "restore": [["k", None, "v"]]}],
    }
    data = document.dump(value)
    assert receipt.load(data).dump() == data


def test_an_unknown_key_cannot_forge_a_known_one() -> None:
    written = load()._replace(extra={"runtime_version": "9.9"}, source_extra={"kind": "x"})
    assert receipt.load(written.dump()).runtime_version == "1.2.0"
    assert receipt.load(written.dump()).source_kind == "copy"


def test_records_are_found_by_path() -> None:
    assert load().by_path()["a.md"].size == 3


def test_records_are_sorted_so_that_two_installs_write_the_same_receipt() -> None:
    read = load(entries=[{**ROW, "path": "b"}, {**ROW, "path": "a"}])
    assert [row.path for row in read.records] == ["a", "b"]


def test_a_file_that_was_only_declined_has_no_base() -> None:
    (row,) = load_row(sha256=None, declined=HEX, git_blob="not looked at").records
    assert row == Record(RelPath("a.md"), "managed", None, None, None, True, HEX)


def test_a_receipt_of_the_first_schema_without_a_sequence_is_read() -> None:
    value = {key: found for key, found in VALID.items() if key != "release_seq"}
    assert receipt.load(document.dump(value)).release_seq == 0


@pytest.mark.parametrize("schema", ["2.0", "0.1", "3"])
def test_a_receipt_of_another_schema_is_not_called_damaged(schema: str) -> None:
    with pytest.raises(IncompatibleError) as caught:
        load(schema_version=schema, entries="of another shape")
    assert caught.value.message == (
        f".agentrail/receipt.json: receipt schema not supported (expected 1.x, got {schema})"
    )
    assert caught.value.paths == (".agentrail/receipt.json",)
    assert caught.value.hint == "upgrade the installer: pip install --upgrade agentrail-runtime"


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"\xff", b"{}", b'{"a": 1, "a": 1}', b'{"x":' * 50_000, b"\0" * 100],
)
def test_a_damaged_receipt_says_where_the_good_one_is(data: bytes) -> None:
    with pytest.raises(ReceiptError) as caught:
        receipt.load(data)
    assert caught.value.message.startswith(".agentrail/receipt.json: ")
    assert caught.value.paths == (".agentrail/receipt.json",)
    assert caught.value.hint == (
        "restore it from version control: git checkout -- .agentrail/receipt.json"
    )


@pytest.mark.parametrize("key", ["schema_version", "runtime_version", "source", "task_root", "entries"])
def test_a_receipt_without_a_required_key_is_refused(key: str) -> None:
    with pytest.raises(ReceiptError, match=f"receipt.json: {key}: missing$"):
        receipt.load(document.dump({name: value for name, value in VALID.items() if name != key}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema_version", 1),
        ("schema_version", "one"),
        ("runtime_version", None),
        ("release_seq", "7"),
        ("source", "copy"),
        ("source", {}),
        ("source", {"kind": "copy"}),
        ("source", {"kind": "svn", "digest": "x"}),
        ("source", {"kind": "copy", "digest": 5}),
        ("task_root", None),
        ("task_root", ""),
        ("task_root", "../work"),
        ("task_root", "/work"),
        ("task_root", ".git/work"),
        ("task_root", "C:/work"),
        ("entries", None),
        ("entries", {}),
        ("entries", [5]),
        ("entries", [ROW, None]),
    ],
)
def test_a_value_that_is_not_as_we_write_it_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ReceiptError, match=key):
        load(**{key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("path", None),
        ("path", 3),
        ("path", "../../etc/passwd"),
        ("path", "/etc/passwd"),
        ("path", "a\\b"),
        ("path", ".git/config"),
        ("path", "a" * 4096),
        ("ownership", None),
        ("ownership", "yours"),
        ("sha256", 1),
        ("sha256", "zz"),
        ("git_blob", None),
        ("git_blob", HEX),
        ("git_blob", BLOB.upper()),
        ("git_blob", "--upload-pack=x" + "0" * 25),
        ("size", None),
        ("size", "3"),
        ("executable", "no"),
        ("declined", None),
        ("declined", "x"),
    ],
)
def test_a_forged_record_is_refused_with_its_place(key: str, value: Any) -> None:
    with pytest.raises(ReceiptError, match=rf"receipt\.json: entries\[0\]\.{key}: "):
        load_row(**{key: value})


@pytest.mark.parametrize("key", ["path", "ownership", "git_blob", "size"])
def test_a_record_that_lacks_something_is_refused(key: str) -> None:
    row = {name: value for name, value in ROW.items() if name != key}
    with pytest.raises(ReceiptError, match=rf"entries\[0\]\.{key}: missing$"):
        load(entries=[row])


@pytest.mark.parametrize(
    "path",
    [
        ".agentrail/receipt.json",
        ".agentrail/RECEIPT.json",
        ".agentrail/receipt.json/x",
        ".agentrail/state",
        ".agentrail/state/stash/1-a/journal",
        ".AGENTRAIL/State/lock",
    ],
)
def test_a_receipt_cannot_have_the_installer_s_own_state_removed(path: str) -> None:
    with pytest.raises(ReceiptError, match="belongs to the installer"):
        load_row(path=path)


def test_two_records_for_one_file_are_refused_each_named() -> None:
    rows = [{**ROW, "path": path} for path in ("a.md", "A.md", "b", "b/c")]
    with pytest.raises(ReceiptError) as caught:
        load(entries=rows)
    assert caught.value.message.splitlines() == [
        ".agentrail/receipt.json: a.md: equal to A.md but for case or Unicode form",
        ".agentrail/receipt.json: b/c: lies under b, which is a file",
    ]


@pytest.mark.parametrize(
    "value",
    [5, "abc", None, {"a": 1}, [1], [["k"]], [[1, None, "v"]], [["k", 5, "v"]], [["k", "v", None]]],
)
def test_a_forged_memory_of_the_profile_s_old_values_is_refused(value: Any) -> None:
    with pytest.raises(ReceiptError, match=r"entries\[0\]\.restore"):
        load_row(path="project.profile.yaml", ownership="profile", restore=value)


@pytest.mark.parametrize(
    ("change", "is_canonical"),
    [
        (lambda data: data, True),
        (lambda data: data.replace(b'"size": 3', b'"size":  3'), False),
        (lambda data: data.replace(b"\n", b"\r\n"), False),
        (lambda data: data + b"\n", False),
        (lambda data: data.replace(b"{\n", b"{", 1), False),
        (lambda data: data.replace(b'  "release_seq": 7,\n', b""), False),
        (lambda data: data.replace(b'"path": "a.md"', b'"path": "\\u0061.md"'), False),
        (lambda data: data.replace(b'"task_root"', b'"zoo": 1,\n  "task_root"'), False),
    ],
    ids=["as written", "space", "CRLF", "line", "brace", "no sequence", "escape", "order"],
)
def test_a_receipt_is_left_alone_only_if_it_stands_as_it_would_be_written(
    change: Callable[[bytes], bytes], is_canonical: bool
) -> None:
    data = change(document.dump(VALID))
    read = receipt.load(data)
    assert read.canonical == (sha256(data) if is_canonical else "")
    assert (read.dump() == data) is is_canonical


def test_a_receipt_out_of_order_is_not_left_alone() -> None:
    assert load(entries=[{**ROW, "path": "b"}, {**ROW, "path": "a"}]).canonical == ""


def test_a_row_of_another_shape_is_read_and_written_with_the_others() -> None:
    data = document.dump({**VALID, "entries": [ROW, {**ROW, "path": "b", "declined": HEX}]})
    assert (receipt.load(data).dump(), receipt.load(data).canonical) == (data, "")


def test_the_place_of_a_bad_path_is_its_place_in_the_file() -> None:
    with pytest.raises(ReceiptError, match=r"entries\[0\]\.path: b/\.\./x"):
        load(entries=[{**ROW, "path": "b/../x"}, {**ROW, "path": "a"}])
