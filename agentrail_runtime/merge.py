"""Three-way merge of lines, as ``git merge-file`` does it: apart is merged, touching is a conflict."""

from __future__ import annotations

from collections import Counter
from difflib import SequenceMatcher
from typing import NamedTuple

from agentrail_runtime import newline


def merge(base: bytes, current: bytes, incoming: bytes) -> bytes | None:
    """Return `base` with both sides' changes in the line ends of `current`; None where they overlap.

    Args:
        base: the text that both sides started from.
        current: the user's side.
        incoming: the framework's side.

    Returns:
        The merged text, or None where both changed the same or touching lines, a side is binary, or
        the texts repeat so many lines that finding the changes would take minutes.
    """
    if not all(map(newline.is_text, (base, current, incoming))):
        return None
    sides = [newline.to_lf(side).splitlines(keepends=True) for side in (base, current, incoming)]
    if not _is_affordable(*sides):
        return None
    lines = _join(*sides)
    if lines is None:
        return None
    # Not by `newline.like`: what is in LF already keeps a CR that stands before its end.
    text = b"".join(lines)
    return text.replace(b"\n", b"\r\n") if newline.uses_crlf(current) else text


Lines = list[bytes]
_MAX_PAIRS = 4_000_000


def _is_affordable(base: Lines, ours: Lines, theirs: Lines) -> bool:
    """Tell whether few enough lines pair up: `SequenceMatcher` visits every equal pair, repeatedly."""
    counts = [Counter(side) for side in (base, ours, theirs)]
    return all(
        sum(count * other[line] for line, count in counts[0].items()) <= _MAX_PAIRS
        for other in counts[1:]
    )


class _Hunk(NamedTuple):
    """Lines `start`:`stop` of the base, and what one side has in their place."""

    start: int
    stop: int
    lines: Lines


def _join(base: Lines, ours: Lines, theirs: Lines) -> Lines | None:
    """Return the lines with both sides' hunks in place; None where hunks that touch differ."""
    merged: Lines = []
    done = 0
    sides = (_hunks(base, ours), _hunks(base, theirs))
    for start, stop in _ranges(base, [*sides[0], *sides[1]]):
        texts = [_text(base, hunks, start, stop) for hunks in sides]
        changed = [text for text in texts if text is not None]
        if len(changed) == 2 and changed[0] != changed[1]:
            return None
        merged += base[done:start] + changed[0]
        done = stop
    return merged + base[done:]


def _ranges(base: Lines, hunks: list[_Hunk]) -> list[tuple[int, int]]:
    """Return the ranges of base lines that hunks cover, those that overlap or touch as one."""
    ranges: list[tuple[int, int]] = []
    last: Lines = []
    for hunk in sorted(hunks, key=lambda hunk: (hunk.start, hunk.stop)):
        if ranges and _touch(base[ranges[-1][1] : hunk.start], last, hunk.lines):
            ranges[-1] = (ranges[-1][0], max(ranges[-1][1], hunk.stop))
        else:
            ranges.append((hunk.start, hunk.stop))
        last = hunk.lines
    return ranges


def _touch(between: Lines, before: Lines, after: Lines) -> bool:
    """Tell whether two hunks are one: nothing between them, or blank lines and a line in common.

    The latter is the same paragraph added by both sides, which git would put there twice.
    """
    if any(line.strip() for line in between):
        return False
    return not between or bool({line for line in before if line.strip()} & {*after})


def _text(base: Lines, hunks: list[_Hunk], start: int, stop: int) -> Lines | None:
    """Return what a side has in place of ``base[start:stop]``; None where it changed nothing there."""
    inside = [hunk for hunk in hunks if start <= hunk.start and hunk.stop <= stop]
    text: Lines = []
    for hunk in inside:
        text += base[start : hunk.start] + hunk.lines
        start = hunk.stop
    return text + base[start:stop] if inside else None


def _hunks(base: Lines, side: Lines) -> list[_Hunk]:
    """Return the changes from `base` to `side`.

    An insertion or a deletion that could as well stand further down does: so the same change on both
    sides is the same hunk, whichever of two equal lines the matcher took.
    """
    hunks: list[_Hunk] = []
    limit = len(base)
    for tag, i1, i2, j1, j2 in reversed(
        SequenceMatcher(None, base, side, autojunk=False).get_opcodes()
    ):
        if tag == "equal":
            continue
        while i2 < limit and (
            (i1 == i2 and side[j1] == base[i2]) or (j1 == j2 and base[i1] == base[i2])
        ):
            i1, i2, j1, j2 = i1 + 1, i2 + 1, j1 + 1, j2 + 1
        hunks.append(_Hunk(i1, i2, side[j1:j2]))
        limit = i1
    return hunks[::-1]
