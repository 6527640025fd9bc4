"""The text between two marker lines in a file of the user's; every other byte is theirs.

The block goes to the end of the file, right after the last line. A file without a final newline
gets a block without one, so that taking the block out gives back the very bytes from before, with
nothing remembered. A block and nothing else, with its final newline, is a file that we created.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from agentrail_runtime import newline

_MARKER = re.compile(rb"(<!-- agentrail:(begin|end) -->|^#[ \t]*agentrail:(begin|end)\b)", re.M)
_LINE = re.compile(rb"^(?:<!-- agentrail:(begin|end) -->|# agentrail:(begin|end))[ \t]*\r?$", re.M)
_STYLES = {
    b"<": (b"<!-- agentrail:begin -->\n", b"<!-- agentrail:end -->"),
    b"#": (b"# agentrail:begin\n", b"# agentrail:end"),
}


class BlockError(ValueError):
    """The markers do not enclose exactly one block; the text says what was found."""


class Block(NamedTuple):
    """Where a block stands: bytes `start`:`stop` with its markers, `body` in LF without them."""

    start: int
    stop: int
    body: bytes
    style: bytes


def find(data: bytes) -> Block | None:
    """Return the block in `data`, or None where there is no marker.

    Raises:
        BlockError: a marker without its other half, doubled, in wrong order, or not on its own line.
    """
    markers = list(_MARKER.finditer(data))
    if not markers:
        return None
    lines = list(_LINE.finditer(data))
    kinds = [line.group(1) or line.group(2) for line in lines]
    if len(markers) != len(lines):
        raise BlockError("a marker does not stand alone on its line")
    if kinds != [b"begin", b"end"]:
        found = ", ".join(kind.decode() for kind in kinds)
        raise BlockError(f"markers of the block (expected begin, end, got {found})")
    begin, end = lines
    style = data[begin.start() : begin.start() + 1]
    if style != data[end.start() : end.start() + 1]:
        raise BlockError("the two markers of the block are of different kinds")
    stop = end.end() - (1 if end.group().endswith(b"\r") else 0)
    body = data[begin.end() + 1 : end.start()]
    return Block(start=begin.start(), stop=stop, body=newline.to_lf(body), style=style)


def parse(data: bytes, *, name: str) -> tuple[bytes, bytes]:
    """Return body and marker style of the framework's own file `name`.

    A file without markers (an older bundle has such) is a body as a whole.

    Raises:
        BlockError: as in `find`.
    """
    block = find(data)
    if block is not None:
        return block.body, block.style
    ended = data if data.endswith(b"\n") or not data else data + b"\n"
    return newline.to_lf(ended), b"<" if name.endswith((".md", ".html")) else b"#"


def put(data: bytes | None, body: bytes, *, style: bytes) -> bytes:
    """Return `data` with `body` as its block, in the line ends that `data` has.

    Args:
        data: the file's bytes, or None for a file that is absent.
        body: the text to stand between the markers, in LF, with a final newline or empty.
        style: ``b"<"`` for HTML comments, ``b"#"`` for hash comments; a block that is there keeps its
            own.

    Raises:
        BlockError: as in `find`.
    """
    if data is None:
        return _render(body, style) + b"\n"
    if (block := find(data)) is not None:
        text = newline.like(data[block.start : block.stop], _render(body, block.style))
        return data[: block.start] + text + data[block.stop :]
    if data.endswith(b"\n"):
        return data + newline.like(data, _render(body, style) + b"\n")
    glue = b"\r\n" if newline.uses_crlf(data) else b"\n"
    return data + (glue if data else b"") + newline.like(data, _render(body, style))


def remove(data: bytes) -> bytes | None:
    """Return `data` without its block; None where the file was created for the block alone.

    Raises:
        BlockError: as in `find`.
    """
    block = find(data)
    if block is None:
        return data
    before, after = data[: block.start], data[block.stop :]
    if not before and after in (b"\n", b"\r\n"):
        return None
    if not after:
        glue = 2 if newline.uses_crlf(data[block.start : block.stop]) else 1
        return before[:-glue] if before else before
    return before + re.sub(rb"\A[ \t]*\r?\n", b"", after)


def _render(body: bytes, style: bytes) -> bytes:
    begin, end = _STYLES[style]
    return begin + body + end
