"""Edits of the user's own text: the block between markers, the merge of lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Final

from agentrail_runtime import block
from agentrail_runtime.block import BlockError
from agentrail_runtime.merge import merge
from tests.fuzz.claim import is_told
from tests.fuzz.mutation import BOM, scrambled, text_maker
from tests.fuzz.target import Target

# --- the block ---------------------------------------------------------------------------------------

BEGIN: Final = b"<!-- agentrail:begin -->"
END: Final = b"<!-- agentrail:end -->"
MARKERS: Final = (BEGIN, END, b"# agentrail:begin", b"# agentrail:end")
BLOCK_TOKENS: Final = (
    *MARKERS,
    *(mark + b"\n" for mark in MARKERS),
    *(b"#agentrail:begin", b"# agentrail:begin x", b"x <!-- agentrail:end -->"),
    *(b"<!-- agentrail:end --> \t\r\n",),
    *(b"mine\n", b"# mine\r\n", b"\n", b"\r\n", b"\r", b"rule\n"),
)
TEXTS: Final = (
    b"",
    b"mine\n",
    b"mine",
    BOM + b"# Title\r\n\r\nmine\r\n",
    b"one\ntwo\r\nthree",
    BEGIN + b"\nrule\n" + END + b"\n",
    b"mine\n\n" + BEGIN + b"\nrule\n" + END + b"\n\nmore\n",
    b"mine\r\n" + BEGIN + b"\r\nrule\r\n" + END + b"\r\n",
    b"mine\n" + BEGIN + b"\n" + END,
    b"x/\n# agentrail:begin\ny/\n# agentrail:end\n",
    b"x/\n# agentrail:begin\ny/\n# agentrail:end",
)
_BODIES: Final = (b"", b"rule\n", b"# rule\n\n  other \n")


def check_block(data: bytes) -> bool:
    """Claim that a block goes in, is replaced and comes out, and no other byte changes."""
    try:
        found = block.find(data)
    except BlockError as error:
        is_told(error)
        _is_refused_by_all(data)
        return False
    if found is None:
        _fits_in(data)
    else:
        _is_replaced(data, found)
    body, style = block.parse(data, name="a.md")
    if b"\r\n" not in body:  # of "\r\r\n" a CR stays
        created = block.put(None, body, style=style)
        assert block.parse(created, name="") == (body, style)
        assert block.remove(created) is None
    return True


def _is_refused_by_all(data: bytes) -> None:
    edits: list[Callable[[], object]] = [
        lambda: block.put(data, b"", style=b"#"),
        lambda: block.remove(data),
    ]
    for edit in edits:
        try:
            edit()
        except BlockError:
            continue
        raise AssertionError("find refuses what an edit takes")


def _fits_in(data: bytes) -> None:
    """Claim that a text without a block takes one, and gives it back."""
    assert block.remove(data) == data
    for body in _BODIES:
        for style in (b"<", b"#"):
            after = block.put(data, body, style=style)
            found = block.find(after)
            assert found is not None
            assert (found.body, found.style) == (body, style)
            assert after.startswith(data)
            assert after[found.stop :] in (b"", b"\n", b"\r\n")
            assert block.remove(after) == data
            assert block.put(after, body, style=style) == after
            other = block.put(after, b"other\n", style=style)
            assert block.put(other, body, style=style) == after


def _is_replaced(data: bytes, found: block.Block) -> None:
    """Claim that what stands around a block stays, whatever the block becomes."""
    rest = block.remove(data)
    for body in _BODIES:
        after = block.put(data, body, style=b"#")
        again = block.find(after)
        assert again is not None
        assert (again.start, again.body, again.style) == (found.start, body, found.style)
        assert after[: again.start] == data[: found.start]
        assert after[again.stop :] == data[found.stop :]
        assert block.put(after, body, style=b"<") == after
        assert (block.remove(after) is None) is (rest is None)
    if rest is None:
        assert (data[: found.start], data[found.stop :].strip(b"\r\n")) == (b"", b"")
    else:
        assert data.startswith(rest[: found.start])
        assert (
            len(data) - len(rest)
            <= found.stop
            - found.start
            + len(data[found.stop :])
            - len(data[found.stop :].lstrip(b" \t\r\n"))
            + 2
        )


# --- the merge ---------------------------------------------------------------------------------------

SEAM: Final = b"\n=======\n"
"""Stands between the three sides of an input."""

_MOST_LINES: Final = 1_000
"""Of texts with more lines, two that are merged with each other may be too much alike for a merge."""

SIDES: Final = (
    b"a\nb\nc\nd\n" + SEAM + b"a\nx\nc\nd\n" + SEAM + b"a\nb\nc\ny\n",
    b"a\n\nb\n" + SEAM + b"a\n\nnew\n\nb\n" + SEAM + b"a\n\nnew\n\nb\n",
    b"a\r\nb\r\n" + SEAM + b"a\r\n" + SEAM + b"z\na\nb\n",
    SEAM + b"a" + SEAM,
)


def check_merge(data: bytes) -> bool:
    """Claim that a merge takes what one side alone changed, whichever that is, and invents no line."""
    base, *others = data.split(SEAM)
    current, incoming = (*others, b"", b"")[:2]
    merged = merge(base, current, incoming)
    if merged is None:
        return False
    if len(data.splitlines()) > _MOST_LINES:
        return True
    for side in (current, incoming):
        for own in (merge(base, side, base), merge(base, side, side)):
            assert own is not None
            assert own == side if _is_uniform(side) else _bare(own) == _bare(side)
        taken = merge(base, base, side)
        assert taken is not None
        assert _bare(taken) == _bare(side)
    swapped = merge(base, incoming, current)
    assert swapped is not None
    assert _bare(swapped) == _bare(merged)
    said = {line for side in (base, current, incoming) for line in _bare(side).split(b"\n")}
    is_open = any(side[-1:] not in (b"", b"\n") for side in (base, current, incoming))
    # Two lines may come to stand on one where a text has no final line end.
    assert is_open or {*_bare(merged).split(b"\n")} <= said
    return True


def _is_uniform(data: bytes) -> bool:
    return data.count(b"\r\n") in (0, data.count(b"\n"))


def _bare(data: bytes) -> bytes:
    """Return a text whose lines end in LF alone."""
    return re.sub(rb"\r+\n", b"\n", data)


def _make_sides(random: Random) -> bytes:
    base = random.choice((b"", b"a\nb\nc\nd\n", b"a\n\nb\n\nc\n", b"a\nb", b"x\r\ny\r\nz\r\n"))
    tokens = (b"a\n", b"b\n", b"\n", b"new\n", b"\r\n", b"z")
    sides = [scrambled(random, base, tokens) for _ in range(2)]
    return SEAM.join((base, *sides))


TARGETS: Final = (
    Target(
        "block",
        check_block,
        text_maker(TEXTS, BLOCK_TOKENS),
        BLOCK_TOKENS,
        lambda n: b"mine\n" * n + BEGIN + b"\n" + b"rule\n" * n + END + b"\n",
    ),
    Target("merge", check_merge, _make_sides, (SEAM, b"a\n", b"b\n")),
)
