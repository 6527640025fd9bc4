"""Whatever the user's text is: a block goes in, is replaced, comes out, and every other byte stays."""

from __future__ import annotations

from hypothesis import assume, example, given
from hypothesis import strategies as st

from agentrail_runtime import block, newline
from agentrail_runtime.block import BlockError
from tests.property.support import BOM, steadily, user_texts

TEXTS = st.one_of(user_texts(), user_texts(ends=(b"\n", b"\r\n", b"\r")), st.binary(max_size=30))
BODIES = st.lists(st.sampled_from([b"", b"rule", b"# rule", "規則".encode(), b"a  "]), max_size=5).map(
    lambda lines: b"".join(line + b"\n" for line in lines)
)
STYLES = st.sampled_from([b"<", b"#"])
LINES = [
    b"<!-- agentrail:begin -->",
    b"<!-- agentrail:end -->",
    b"# agentrail:begin",
    b"# agentrail:end",
    b"x <!-- agentrail:end -->",
    b"mine",
    b"",
]


def is_plain(data: bytes) -> bool:
    """Tell whether `data` has no marker in it."""
    try:
        return block.find(data) is None
    except BlockError:
        return False


@steadily(500)
@given(TEXTS, BODIES, STYLES)
@example(b"mine\r", b"rule\n", b"<")
@example(b"\n", b"", b"#")
@example(BOM, b"rule\n", b"<")
@example(b"a\r\nb\nc", b"\n", b"<")
def test_what_is_put_in_comes_out_and_leaves_the_very_bytes_from_before(
    data: bytes, body: bytes, style: bytes
) -> None:
    assume(is_plain(data))
    assert block.remove(block.put(data, body, style=style)) == data


@steadily(300)
@given(TEXTS, BODIES, STYLES)
def test_the_text_around_a_block_is_there_byte_for_byte(data: bytes, body: bytes, style: bytes) -> None:
    assume(is_plain(data))
    after = block.put(data, body, style=style)
    found = block.find(after)
    assert found
    assert (found.body, found.style) == (body, style)
    assert after.startswith(data)
    assert after[found.stop :] in (b"", b"\n", b"\r\n")


@steadily(300)
@given(TEXTS, BODIES, BODIES, STYLES, STYLES)
def test_a_block_that_is_replaced_is_as_if_it_had_been_the_first(
    data: bytes, old: bytes, new: bytes, style: bytes, other: bytes
) -> None:
    assume(is_plain(data))
    replaced = block.put(block.put(data, old, style=style), new, style=other)
    assert replaced == block.put(data, new, style=style)


@steadily(300)
@given(TEXTS, TEXTS, BODIES, BODIES, STYLES)
def test_an_update_in_the_middle_of_a_text_changes_nothing_around_it(
    before: bytes, after: bytes, old: bytes, new: bytes, style: bytes
) -> None:
    inner = block.put(None, old, style=style)
    start = before + (b"" if not before or before.endswith(b"\n") else b"\n")
    text = start + inner + after
    assume(is_plain(start) and is_plain(after))
    replaced = block.put(text, new, style=style)
    found = block.find(replaced)
    assert found
    assert replaced[: found.start] == start
    assert replaced[found.stop :] == b"\n" + after
    assert newline.to_lf(replaced[found.start : found.stop]) == block.put(None, new, style=style)[:-1]


@steadily(300)
@given(BODIES, STYLES)
def test_a_file_for_the_block_alone_goes_with_it(body: bytes, style: bytes) -> None:
    created = block.put(None, body, style=style)
    assert block.remove(created) is None
    assert block.remove(newline.to_crlf(created)) is None


@steadily(500)
@given(st.lists(st.sampled_from(LINES), max_size=6), st.sampled_from([b"\n", b"\r\n"]))
def test_markers_are_one_block_or_none_or_a_named_error(lines: list[bytes], end: bytes) -> None:
    data = end.join(lines)
    marked = [line for line in lines if b"agentrail" in line]
    is_block = marked in ([LINES[0], LINES[1]], [LINES[2], LINES[3]])
    try:
        found = block.find(data)
    except BlockError:
        assert marked
        assert not is_block
        return
    assert (found is not None) is is_block
    assert is_block or not marked


@steadily(300)
@given(TEXTS)
def test_a_text_is_searched_for_a_block_without_harm(data: bytes) -> None:
    try:
        rest = block.remove(data)
    except BlockError:
        return
    assert rest is None or block.find(rest) is None or rest != data
