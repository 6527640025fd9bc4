"""The text around a block is the user's, to the last byte."""

from __future__ import annotations

import pytest

from agentrail_runtime import block
from agentrail_runtime.block import Block, BlockError

BEGIN, END = b"<!-- agentrail:begin -->", b"<!-- agentrail:end -->"
BLOCK = BEGIN + b"\nrule\n" + END


def crlf(data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


PUT = [
    ("a file that is absent", None, BLOCK + b"\n"),
    ("an empty file", b"", BLOCK),
    ("a final newline", b"mine\n", b"mine\n" + BLOCK + b"\n"),
    ("no final newline", b"mine", b"mine\n" + BLOCK),
    ("CRLF", b"mine\r\n", b"mine\r\n" + crlf(BLOCK + b"\n")),
    ("CRLF, no final newline", b"a\r\nb", b"a\r\nb\r\n" + crlf(BLOCK)),
    ("mostly LF", b"a\r\nb\nc\n", b"a\r\nb\nc\n" + BLOCK + b"\n"),
    ("an empty last line", b"mine\n\n", b"mine\n\n" + BLOCK + b"\n"),
    ("a BOM", b"\xef\xbb\xbfmine\n", b"\xef\xbb\xbfmine\n" + BLOCK + b"\n"),
    ("Japanese", "規則\n".encode(), "規則\n".encode() + BLOCK + b"\n"),
]


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in PUT], ids=[row[0] for row in PUT])
def test_a_block_goes_to_the_end_and_leaves_the_rest(data: bytes | None, expected: bytes) -> None:
    assert block.put(data, b"rule\n", style=b"<") == expected


@pytest.mark.parametrize(("data", "with_block"), [row[1:] for row in PUT], ids=[row[0] for row in PUT])
def test_taking_the_block_out_gives_back_the_file_from_before(
    data: bytes | None, with_block: bytes
) -> None:
    assert block.remove(with_block) == data


@pytest.mark.parametrize("data", [b"mine\r", b"a\nmine\r", b"a\r\nmine\r", b"\r"])
def test_a_last_line_that_ends_in_a_bare_cr_keeps_it(data: bytes) -> None:
    assert block.remove(block.put(data, b"rule\n", style=b"<")) == data


def test_a_block_in_a_file_with_hash_comments_is_written_in_hash_comments() -> None:
    expected = b"*.pyc\n# agentrail:begin\nrule\n# agentrail:end\n"
    assert block.put(b"*.pyc\n", b"rule\n", style=b"#") == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"\n"),
        (b"mine\n", b""),
        (b"mine\n", b"\nmore"),
        (b"mine\n\n", b"\n\nmore\n"),
        (b"\xef\xbb\xbfmine\n", b"\r\nmixed\n"),
    ],
)
def test_an_update_changes_the_text_between_the_markers_alone(before: bytes, after: bytes) -> None:
    new = BEGIN + b"\nnew\nrules\n" + END
    assert block.put(before + BLOCK + after, b"new\nrules\n", style=b"#") == before + new + after


def test_an_update_keeps_the_line_ends_of_the_file() -> None:
    data = b"mine\r\n" + crlf(BLOCK) + b"\r\nmore\r\n"
    expected = b"mine\r\n" + crlf(BEGIN + b"\na\nb\n" + END) + b"\r\nmore\r\n"
    assert block.put(data, b"a\nb\n", style=b"<") == expected


@pytest.mark.parametrize(
    ("before", "after", "rest"),
    [
        (b"a\n", b"\nb\n", b"a\nb\n"),
        (b"a\r\n", b"\r\nb\r\n", b"a\r\nb\r\n"),
        (b"", b"\nb\n", b"b\n"),
        (b"a\n", b"\n\nb\n", b"a\n\nb\n"),
        (b"a\n", b"", b"a"),
        (b"", b"", b""),
        (b"\n", b"\n", b"\n"),
    ],
)
def test_text_that_was_added_after_the_block_stays(before: bytes, after: bytes, rest: bytes) -> None:
    assert block.remove(before + BLOCK + after) == rest


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_file_that_was_created_for_the_block_goes_with_it(end: bytes) -> None:
    assert block.remove(BLOCK + end) is None


def test_a_file_without_a_block_loses_nothing() -> None:
    assert block.remove(b"mine") == b"mine"


def test_a_block_is_found_with_its_text_in_lf() -> None:
    data = b"a\r\n" + crlf(BLOCK) + b"\r\n"
    assert block.find(data) == Block(start=3, stop=len(data) - 2, body=b"rule\n", style=b"<")


@pytest.mark.parametrize("body", [b"", b"\n", b"a\n", b"a\n\nb\n", "規則\n".encode(), b"# agentrail\n"])
@pytest.mark.parametrize("style", [b"<", b"#"])
@pytest.mark.parametrize("data", [None, b"", b"mine", b"mine\r\n"])
def test_what_was_put_in_is_what_is_found(data: bytes | None, style: bytes, body: bytes) -> None:
    found = block.find(block.put(data, body, style=style))
    assert found
    assert (found.body, found.style) == (body, style)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"mine\n",
        b"agentrail:begin\n",
        b"<!-- agentrail: begin -->\n",
        b"<!-- other:begin -->\n<!-- other:end -->\n",
        b"text # agentrail:begin\n",
        b"# agentrail:beginning\n",
    ],
)
def test_a_text_about_something_else_is_no_block(data: bytes) -> None:
    assert block.find(data) is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (BEGIN + b"\n", r"expected begin, end, got begin\)"),
        (END + b"\n", r"got end\)"),
        (END + b"\n" + BEGIN + b"\n", r"got end, begin\)"),
        (BLOCK + b"\n" + BLOCK + b"\n", r"got begin, end, begin, end\)"),
        (BEGIN + b"\n" + BLOCK + b"\n", r"got begin, begin, end\)"),
        (BLOCK + b"\n" + END, r"got begin, end, end\)"),
        (b"see " + BEGIN + b" for more\n", "a marker does not stand alone on its line"),
        (b"`" + BEGIN + b"`\n" + BLOCK, "a marker does not stand alone on its line"),
        (b"  " + BEGIN + b"\nx\n" + END, "a marker does not stand alone on its line"),
        (BEGIN + b" x\n" + END, "a marker does not stand alone on its line"),
        (b"#agentrail:begin\nx\n# agentrail:end", "a marker does not stand alone on its line"),
        (b"# agentrail:begin now\n# agentrail:end", "a marker does not stand alone on its line"),
        (BEGIN + b"\nx\n# agentrail:end\n", "of different kinds"),
        (b"# agentrail:begin\nx\n" + END, "of different kinds"),
    ],
)
def test_markers_that_do_not_enclose_one_block_are_not_guessed_at(data: bytes, said: str) -> None:
    for act in (block.find, block.remove, lambda data: block.put(data, b"", style=b"<")):
        with pytest.raises(BlockError, match=said + "$"):
            act(data)


@pytest.mark.parametrize("space", [b" ", b"\t", b"  \t "])
def test_spaces_after_a_marker_do_not_hide_the_block(space: bytes) -> None:
    found = block.find(BEGIN + space + b"\nrule\n" + END + space + b"\nmine\n")
    assert found
    assert found.body == b"rule\n"


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (b"# for us\n" + BLOCK + b"\n", "AGENTS.md", (b"rule\n", b"<")),
        (b"# agentrail:begin\r\nx\r\n# agentrail:end\r\n", ".gitignore", (b"x\n", b"#")),
        (b"all\r\nof it\r\n", "AGENTS.md", (b"all\nof it\n", b"<")),
        (b"<p>\n", "docs/a.html", (b"<p>\n", b"<")),
        (b"*.pyc\n", ".gitignore", (b"*.pyc\n", b"#")),
    ],
)
def test_the_framework_s_text_is_taken_from_its_own_file(
    data: bytes, name: str, expected: tuple[bytes, bytes]
) -> None:
    assert block.parse(data, name=name) == expected


def test_a_framework_file_without_a_final_newline_is_as_delivered_once_it_is_put_in() -> None:
    body, style = block.parse(b"all of it", name="AGENTS.md")
    found = block.find(block.put(b"mine\n", body, style=style))
    assert found
    assert found.body == body


def test_a_framework_file_with_half_a_block_is_not_installed() -> None:
    with pytest.raises(BlockError):
        block.parse(BEGIN + b"\nrule\n", name="AGENTS.md")
