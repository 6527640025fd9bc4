"""What is read and written row by row is what is read and written value by value."""

from __future__ import annotations

import re
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentrail_runtime import document, journal, receipt
from agentrail_runtime.document import Json
from agentrail_runtime.entry import (
    OWNERSHIPS,
    Entry,
    Index,
    PathError,
    RelPath,
    are_plain,
    collisions,
    load_index,
    parse_path,
)
from agentrail_runtime.journal import Delivery, Image, Journal, Outline, Step
from agentrail_runtime.receipt import Receipt, Record
from agentrail_runtime.table import Layout
from tests.property.support import steadily
from tests.unit.support import BLOB, HEX

NAMES = st.sampled_from(
    [
        "a",
        "b",
        "A",
        "é",
        "E\u0301",
        "日",
        ".a",
        "a.md",
        "runtime.index.json",
        "x" * 130,
        "\x7f",
        "\u2028",
    ]
)
NASTY = st.one_of(
    NAMES,
    st.sampled_from(
        ["", ".", "..", "a.", "a ", "a:b", "C:", "\0", "a\\b", 'a"b', "a\nb", "\n", "x" * 256]
    ),
    st.sampled_from(["con", "Nul.txt", "com1", "lpt9.x", "conx", ".git", ".GIT", ".gitx", "git~1"]),
    st.sampled_from([".agentrail", "state", "receipt.json", ".gitignore", "\ud800"]),
    st.text(max_size=4),
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
NASTY_PATHS = st.lists(NASTY, min_size=1, max_size=3).map("/".join)
SIZES = st.one_of(st.integers(0, 9), st.sampled_from([10**14, 10**15 - 1, 10**15]))
EXTRAS: st.SearchStrategy[Json] = st.dictionaries(
    st.sampled_from(["later", "_", "zzz", "note"]),
    st.one_of(st.none(), st.text(max_size=3), st.just([{"entries": [1]}]), st.just({"entries": {}})),
    max_size=2,
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    is_delivered = draw(st.booleans()) or draw(st.booleans())
    return Record(
        path=RelPath(draw(PATHS)),
        ownership=draw(st.sampled_from(OWNERSHIPS)),
        sha256=draw(st.sampled_from([HEX, "00" * 32])) if is_delivered else None,
        git_blob=BLOB if is_delivered else None,
        size=draw(SIZES) if is_delivered else None,
        executable=draw(st.booleans()),
        declined=draw(st.sampled_from([None, None, None, HEX])),
        extra=draw(st.one_of(st.just({}), st.just({}), EXTRAS)),
    )


RECEIPTS = st.builds(
    Receipt,
    runtime_version=st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    release_seq=st.integers(-3, 10**20),
    source_kind=st.sampled_from(["package", "copy"]),
    source_digest=st.just(f"sha256:{HEX}"),
    task_root=PATHS.map(RelPath),
    records=st.lists(records(), max_size=4).map(tuple),
    schema_version=st.just("1.0"),
    source_extra=EXTRAS,
    extra=EXTRAS,
    canonical=st.just(""),
)
ENTRIES = st.builds(
    Entry, PATHS.map(RelPath), st.sampled_from(OWNERSHIPS), st.just(HEX), SIZES, st.booleans()
)
INDEXES = st.builds(
    Index,
    runtime_version=st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    entries=st.lists(ENTRIES, max_size=4).map(tuple),
    metadata=st.lists(st.just(Entry(RelPath("m"), "managed", HEX, 3)), max_size=1).map(tuple),
    release_seq=st.just(0),
    profile_schema_versions=st.just(("2.0.0",)),
    task_root=st.one_of(st.none(), PATHS),
    schema_version=st.just("1.0"),
    extra=EXTRAS,
    phase=st.one_of(st.none(), st.integers(0, 4)),
    default_source=st.none(),
    deprecation=st.one_of(st.none(), st.just({"ends_on": "2027-12-31", "entries": [{}]})),
)
IMAGES = st.one_of(st.none(), st.builds(Image, st.just(HEX), SIZES, st.integers(0, 0o777)))
JOURNALS = st.builds(
    Journal,
    transaction=st.just("000001-abcdef"),
    sequence=st.integers(0, 9),
    operation=st.sampled_from(["install", "uninstall", "rollback"]),
    created=st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    runtime_version=st.one_of(st.none(), st.just("1.0.0")),
    previous_version=st.one_of(st.none(), st.just("1.0.0")),
    steps=st.lists(st.builds(Step, PATHS.map(RelPath), IMAGES, IMAGES, st.booleans()), max_size=3).map(
        tuple
    ),
    made_directories=st.lists(PATHS.map(RelPath), max_size=2).map(tuple),
    emptied_directories=st.lists(st.tuples(PATHS.map(RelPath), st.integers(0, 511)), max_size=2).map(
        tuple
    ),
    parent=st.one_of(st.none(), st.just("000000-ffffff")),
    undoes=st.just(("000000-ffffff",)),
    keeps=st.just(()),
    deliveries=st.lists(st.builds(Delivery, st.just(HEX), SIZES, SIZES), max_size=3).map(tuple),
)


def told(load: Any, data: bytes) -> Any:
    """Return what `data` holds, or the error that it is."""
    try:
        return load(data)
    except Exception as error:
        return type(error), str(error)


def told_slowly(load: Any, data: bytes) -> Any:
    """Return the same where every value is read by itself."""
    with mock.patch.object(Layout, "load", return_value=None):
        return told(load, data)


def agree(load: Any, data: bytes) -> bool:
    """Make sure that both ways tell the same of `data`; tell whether there was a fast one."""
    fast, slow = told(load, data), told_slowly(load, data)
    is_fast = isinstance(fast, Receipt) and fast.canonical != ""
    if is_fast:
        assert fast.dump() == data
        fast = fast._replace(canonical="")
    assert fast == slow
    return is_fast


@st.composite
def damaged(draw: st.DrawFn, documents: st.SearchStrategy[bytes]) -> bytes:
    """Draw a document in which something was replaced, moved, doubled or dropped."""
    text = draw(documents).decode()
    for _ in range(draw(st.integers(0, 2))):
        lines = text.splitlines(keepends=True)
        one = draw(st.integers(0, len(lines) - 1))
        other = draw(st.integers(0, len(lines) - 1))
        how = draw(st.integers(0, 6))
        if how == 0:
            lines[one], lines[other] = lines[other], lines[one]
        elif how == 1:
            lines.insert(other, lines[one])
        elif how == 2:
            del lines[one]
        elif how == 3:
            lines[one] = lines[one].rstrip("\n") + draw(st.sampled_from([" \n", "\r\n", ",\n", ""]))
        elif how == 4:
            lines[one] = lines[one].replace(
                ": ", ": " + draw(st.sampled_from(["0", "-", "[", '"', " "]))
            )
        elif how == 5:
            value = draw(st.sampled_from(["1.0", "01", "-1", "true", '"true"', "null", "[]", "1e3"]))
            lines[one] = f"{lines[one].partition(': ')[0]}: {value},\n"
        else:
            lines[one] = lines[one].replace("entries", "entry") + draw(
                st.sampled_from(["", '  "entries": [\n', "  ],\n", "    },\n", '"entries": [],\n'])
            )
        text = "".join(lines)
    prefix = draw(st.sampled_from(["", "", "", "\ufeff", " ", "\n"]))
    return (prefix + (text.replace("\n", "\r\n") if draw(st.integers(0, 9)) == 0 else text)).encode()


def is_unicode(text: str) -> bool:
    return "\ud800" not in text


def row(path: str) -> Json:
    return {
        "path": path,
        "ownership": "managed",
        "sha256": HEX,
        "git_blob": BLOB,
        "size": 3,
        "executable": True,
    }


def of_paths(paths: list[str]) -> tuple[bytes, bytes]:
    """Return a receipt and an index of files at `paths`."""
    rows = [row(path) for path in paths]
    listed = [{key: value for key, value in one.items() if key != "git_blob"} for one in rows]
    installed = {
        "schema_version": "1.0",
        "runtime_version": "1",
        "release_seq": 1,
        "source": {"kind": "copy", "digest": "x"},
        "task_root": "work",
        "entries": rows,
    }
    index = {"schema_version": "1.0", "runtime_version": "1", "entries": listed}
    return document.dump(installed), document.dump(index)


@steadily(40)
@given(RECEIPTS)
def test_a_receipt_is_written_as_its_values_are(written: Receipt) -> None:
    value = {
        **written.extra,
        "schema_version": "1.0",
        "runtime_version": written.runtime_version,
        "release_seq": written.release_seq,
        "source": {
            **written.source_extra,
            "kind": written.source_kind,
            "digest": written.source_digest,
        },
        "task_root": written.task_root,
        "entries": [record.as_json() for record in written.records],
    }
    assert written.dump() == document.dump(value)


@steadily(40)
@given(INDEXES)
def test_an_index_is_written_as_its_values_are(written: Index) -> None:
    told = {key: getattr(written, key) for key in ("task_root", "phase", "deprecation")}
    value = {
        **written.extra,
        **{key: value for key, value in told.items() if value is not None},
        "schema_version": "1.0",
        "runtime_version": written.runtime_version,
        "release_seq": 0,
        "profile_schema_versions": ["2.0.0"],
        "entries": [entry.as_json() for entry in written.entries],
        "metadata": [{"path": "m", "sha256": HEX, "size": 3} for _ in written.metadata],
    }
    assert written.dump() == document.dump(value)


@steadily(40)
@given(JOURNALS)
def test_a_journal_is_written_as_its_values_are(written: Journal) -> None:
    value = {
        **written._asdict(),
        "schema_version": "1.0",
        "steps": [
            {
                **step._asdict(),
                "before": step.before and step.before._asdict(),
                "after": step.after and step.after._asdict(),
            }
            for step in written.steps
        ],
        "emptied_directories": [
            {"path": path, "mode": mode} for path, mode in written.emptied_directories
        ],
        "deliveries": [delivery._asdict() for delivery in written.deliveries],
    }
    assert written.dump() == document.dump(value)


@steadily(40)
@given(JOURNALS)
def test_a_journal_comes_back_as_it_was(written: Journal) -> None:
    paths = [step.path for step in written.steps if step.after]
    if not collisions(paths) and all(is_sound(path) for path in all_paths(written)):
        assert journal.load(written.dump()) == written


def all_paths(written: Journal) -> list[str]:
    emptied = [path for path, _ in written.emptied_directories]
    return [*(step.path for step in written.steps), *written.made_directories, *emptied]


@steadily(100)
@given(damaged(RECEIPTS.map(Receipt.dump)))
@example(document.dump({"schema_version": "1.0", "entries": []}))
def test_a_receipt_is_told_of_alike_in_both_ways(data: bytes) -> None:
    agree(receipt.load, data)


@steadily(100)
@given(damaged(INDEXES.map(Index.dump)))
def test_an_index_is_told_of_alike_in_both_ways(data: bytes) -> None:
    agree(load_index, data)


@steadily(100)
@given(st.lists(NASTY_PATHS.filter(is_unicode), max_size=4))
@example(["b/../x", "a"])
@example(["../x", ".."])
@example(["con", "con"])
@example([".agentrail/state/x.", "../y"])
@example(["../y", ".agentrail/state/x"])
@example([".Agentrail/State/x"])
@example(["RUNTIME.index.json", "runtime.index.json.sig"])
@example(["a/b", "a"])
@example(["b", "a"])
@example(["é", "e\u0301"])
def test_bad_paths_are_told_of_alike_in_both_ways(paths: list[str]) -> None:
    for load, data in zip((receipt.load, load_index), of_paths(paths), strict=True):
        agree(load, data)


@pytest.mark.parametrize("path", ["a", "docs/日本語", ".agentrail/work/.gitkeep", "a" * 255])
def test_the_fast_way_is_the_ordinary_one(path: str) -> None:
    data, listed = of_paths([path, "z/z.md"])
    assert agree(receipt.load, data)
    with mock.patch.object(document, "_unique", wraps=document._unique) as unique:
        assert len(load_index(listed).entries) == 2
    assert unique.call_count == 1


def test_a_receipt_out_of_order_is_not_what_would_be_written() -> None:
    data, _ = of_paths(["b", "a"])
    assert not agree(receipt.load, data)


def is_sound(path: str) -> bool:
    try:
        parse_path(path)
    except PathError:
        return False
    return True


@steadily(200)
@given(st.lists(NASTY_PATHS, max_size=5))
@example([])
@example([""])
@example(["a\nb", "a"])
@example(["a\nb"])
@example(["a", "a"])
@example(["a", "A"])
@example(["a/b/c", "a"])
@example(["a", "a/b/c"])
@example(["a-/x", "a"])
@example(["x" * 256])
@example(["docs/con.txt"])
@example(["x/.git/y"])
@example(["/a"])
@example(["a/"])
@example(["a/./b"])
@example(["a/../b"])
def test_paths_that_are_plain_are_sound_and_stand_beside_each_other(paths: list[str]) -> None:
    if are_plain(paths):
        assert all(is_sound(path) for path in paths)
        assert collisions(paths) == []


@pytest.mark.parametrize(
    "paths",
    [
        [],
        ["a"],
        ["README.md", ".github/workflows/ci.yml", ".agentrail/work/.gitkeep", "a/b/c/d.e-f_G"],
        ["a/b", "a.b", "a-b", "ab"],
        ["x" * 255],
        [f"{number % 50}/{number}" for number in range(1_000)],
    ],
    ids=["none", "one", "payload", "neighbours", "long", "many"],
)
def test_what_people_have_is_plain(paths: list[str]) -> None:
    assert are_plain(paths)


@steadily(100)
@given(JOURNALS)
def test_an_outline_is_that_of_the_whole_journal(written: Journal) -> None:
    outline, whole = told(journal.outline, written.dump()), told(journal.load, written.dump())
    assert outline == written.outline or not isinstance(whole, Journal)


@steadily(200)
@given(damaged(JOURNALS.map(Journal.dump)))
def test_what_is_no_journal_has_no_outline_but_where_only_a_path_is_wrong(data: bytes) -> None:
    outline, whole = told(journal.outline, data), told(journal.load, data)
    if isinstance(whole, Journal):
        assert outline == whole.outline
    elif isinstance(outline, Outline):
        assert re.search(r"^steps\[|equal to|listed twice|lies under", whole[1])
    else:
        assert outline[0] == whole[0]
