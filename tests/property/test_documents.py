"""Whatever stands in an index, a receipt or a journal: it is read, or it ends in its named error."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from agentrail_runtime import document, entry, journal, receipt
from agentrail_runtime.document import DocumentError
from agentrail_runtime.errors import IncompatibleError, ReceiptError
from tests.property.support import steadily
from tests.unit import test_index, test_journal, test_receipt

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["", "1.0", "2.0", "..", "/x", "a/../b", "C:/x", "nul", ".git/x", "\0", "\ud800", "a" * 2000]
    ),
    st.sampled_from([10**20, -1, 2**63, "9" * 5000, "managed", "block", "copy", "ab" * 32, "cd" * 20]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(st.text(max_size=8), st.sampled_from(["path", "sha256", "size", "mode"])),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of every value in a document."""
    found = [place] if place else []
    pairs = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in pairs:
        found += places(inner, (*place, key))
    return found


@st.composite
def mutants(draw: st.DrawFn, valid: dict[str, Any]) -> bytes:
    """Draw a valid document in which some values were replaced, dropped or doubled."""
    value = json.loads(json.dumps(valid))
    for place in draw(st.lists(st.sampled_from(places(valid)), min_size=1, max_size=3)):
        holder = value
        try:
            for key in place[:-1]:
                holder = holder[key]
            how = draw(st.sampled_from(["replace", "drop", "double", "add"]))
            if how == "drop":
                del holder[place[-1]]
            elif how == "double" and isinstance(holder, list):
                holder.append(holder[place[-1]])
            elif how == "add" and isinstance(holder, dict):
                holder[draw(st.text(max_size=5))] = draw(VALUES)
            else:
                holder[place[-1]] = draw(VALUES)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier mutation took this place away
    return json.dumps(value).encode()


def hostile(valid: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Return documents near to a valid one, random JSON, and random bytes."""
    data = json.dumps(valid).encode()
    cut = st.tuples(st.integers(0, len(data)), st.integers(0, len(data)), st.binary(max_size=6)).map(
        lambda row: data[: min(row[:2])] + row[2] + data[max(row[:2]) :]
    )
    return st.one_of(
        mutants(valid),
        cut,
        st.binary(max_size=40),
        VALUES.map(lambda value: json.dumps(value).encode()),
    )


@steadily(400)
@given(hostile(test_index.VALID))
@example(b'{"schema_version": "1.0", "entries": [], "runtime_version": "1", "x": ' + b"[" * 9999)
def test_an_index_is_read_or_refused(data: bytes) -> None:
    try:
        index = entry.load_index(data)
    except DocumentError:
        return
    assert entry.load_index(index.dump()) == index


@steadily(400)
@given(hostile(test_receipt.VALID))
@example(b'{"schema_version": "' + b"9" * 5000 + b'.0"}')
def test_a_receipt_is_read_or_refused(data: bytes) -> None:
    try:
        read = receipt.load(data)
    except (ReceiptError, IncompatibleError):
        return
    again = receipt.load(read.dump())
    assert again == read._replace(canonical=again.canonical)


@steadily(400)
@given(hostile(test_journal.VALID))
@example(b'{"sequence": ' + b"1" * 5000 + b"}")
def test_a_journal_is_read_or_refused(data: bytes) -> None:
    try:
        read = journal.load(data)
    except DocumentError:
        return
    assert journal.load(read.dump()) == read


UNKNOWN = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).map(
        lambda key: f"x-{key}"
    ),
    st.recursive(
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.text(st.characters(exclude_categories=["Cs"]))
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner)
        ),
        max_leaves=6,
    ),
    max_size=3,
)


def dumped(value: dict[str, Any]) -> bytes | None:
    """Return the canonical bytes of `value`; None where half a character keeps it from having some."""
    try:
        return document.dump(value)
    except UnicodeEncodeError:
        return None


@steadily(200)
@given(UNKNOWN, UNKNOWN, UNKNOWN)
def test_keys_that_a_newer_version_wrote_survive_every_rewrite(
    top: dict[str, Any], source: dict[str, Any], row: dict[str, Any]
) -> None:
    valid = test_receipt.VALID
    value = {
        **valid,
        **top,
        "source": {**test_receipt.SOURCE, **source},
        "entries": [{**test_receipt.ROW, **row}],
    }
    data = dumped(value)
    assert data is None or receipt.load(data).dump() == data
    data = dumped({**test_index.VALID, **top})
    assert data is None or entry.load_index(data).dump() == dumped(
        {**test_index.VALID, **top, "entries": [test_index.ROW]}
    )


@steadily(300)
@given(VALUES.filter(lambda value: isinstance(value, dict)))
def test_a_document_that_can_be_read_can_be_written(value: dict[str, Any]) -> None:
    try:
        read = document.load(json.dumps(value).encode())
    except DocumentError:
        return
    assert document.load(document.dump(read)) == read
