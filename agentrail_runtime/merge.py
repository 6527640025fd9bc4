"""Three-way merge of lines, as ``git merge-file`` does it: apart is merged, touching is a conflict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher

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
    merged: list[bytes] = []
    for old, ours, theirs in _chunks(*sides):
        if ours == theirs or theirs == old:
            merged += ours
        elif ours == old:
            merged += theirs
        else:
            return None
    return newline.like(current, b"".join(merged))


Lines = list[bytes]
_MAX_PAIRS = 4_000_000


def _is_affordable(base: Lines, ours: Lines, theirs: Lines) -> bool:
    """Tell whether few enough lines pair up: `SequenceMatcher` visits every equal pair, repeatedly."""
    counts = [Counter(side) for side in (base, ours, theirs)]
    return all(
        sum(count * other[line] for line, count in counts[0].items()) <= _MAX_PAIRS
        for other in counts[1:]
    )


def _chunks(base: Lines, ours: Lines, theirs: Lines) -> Iterator[tuple[Lines, Lines, Lines]]:
    """Yield the texts cut at the lines that all three have in common (Khanna, Kunal, Pierce 2007)."""
    at_base = at_ours = at_theirs = 0
    our_line, their_line = _matches(base, ours), _matches(base, theirs)
    for line in sorted(our_line.keys() & their_line.keys()):
        ours_at, theirs_at = our_line[line], their_line[line]
        yield base[at_base:line], ours[at_ours:ours_at], theirs[at_theirs:theirs_at]
        same = base[line : line + 1]
        yield same, same, same
        at_base, at_ours, at_theirs = line + 1, ours_at + 1, theirs_at + 1
    yield base[at_base:], ours[at_ours:], theirs[at_theirs:]


def _matches(base: Lines, side: Lines) -> dict[int, int]:
    """Return which line of `side` each line of `base` that is still there has become."""
    blocks = SequenceMatcher(None, base, side, autojunk=False).get_matching_blocks()
    return {start + n: at + n for start, at, size in blocks for n in range(size)}
