"""A merge loses nobody's line, and agrees with git wherever git merges."""

from __future__ import annotations

import itertools
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from agentrail_runtime import newline
from agentrail_runtime.merge import merge
from tests.property.support import steadily, user_texts

TEXTS = user_texts()
UNIFORM = st.one_of(user_texts(ends=(b"\n",)), user_texts(ends=(b"\r\n",)))
FEW = st.lists(st.sampled_from([b"a", b"b", b"c", b""]), max_size=8).map(
    lambda lines: b"".join(line + b"\n" for line in lines)
)


def lf(data: bytes | None) -> bytes | None:
    return None if data is None else newline.to_lf(data)


@st.composite
def sides(draw: st.DrawFn) -> tuple[bytes, bytes, bytes]:
    """Draw a text of few different lines, and two texts each a few edits away from it."""
    base = draw(st.lists(st.sampled_from("abcd"), max_size=9))
    return (
        ended(draw, base),
        ended(draw, edited(draw, base, "ax")),
        ended(draw, edited(draw, base, "ay")),
    )


@st.composite
def numbered_sides(draw: st.DrawFn) -> tuple[bytes, bytes, bytes]:
    """Draw a text whose lines all differ, and two texts each a few edits away from it."""
    base = [f"line {number}" for number in range(draw(st.integers(0, 9)))]
    fresh = (f"new {number}" for number in itertools.count())
    return (
        ended(draw, base),
        ended(draw, edited(draw, base, fresh=lambda: next(fresh))),
        ended(draw, edited(draw, base, fresh=lambda: next(fresh))),
    )


@st.composite
def documents(draw: st.DrawFn) -> tuple[bytes, bytes, bytes]:
    """Draw a text of paragraphs with blank lines between them, and two texts some edits away from it.

    Both sides may add the same paragraph: a section of a later version that the user took over early.
    """
    base = [f"p{number}" for number in range(draw(st.integers(1, 6)))]
    both = [(draw(st.integers(0, len(base))), "both")] if draw(st.booleans()) else []
    texts = []
    for name in ("ours", "theirs"):
        side = list(base)
        for place in draw(st.lists(st.integers(0, len(base) - 1), max_size=2)):
            side[place] = f"{name} {place}"
        for place, text in both:
            side.insert(place, text)
        texts.append("".join(f"{line}\n\n" for line in side).encode())
    return "".join(f"{line}\n\n" for line in base).encode(), texts[0], texts[1]


def edited(draw: st.DrawFn, base: list[str], new: str = "", fresh=None) -> list[str]:  # type: ignore[no-untyped-def]
    lines = list(base)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(lines)))
        line = fresh() if fresh else draw(st.sampled_from("abcd" + new))
        how = draw(st.sampled_from(["add", "change", "remove"]))
        if how == "add" or at == len(lines):
            lines.insert(at, line)
        elif how == "change":
            lines[at] = line
        else:
            del lines[at]
    return lines


def ended(draw: st.DrawFn, lines: list[str]) -> bytes:
    text = "".join(f"{line}\n" for line in lines)
    return (text if draw(st.integers(0, 5)) else text[:-1]).encode()


def git_merge(base: bytes, current: bytes, incoming: bytes) -> bytes | None:
    """Return what ``git merge-file`` makes of three texts, None for a conflict."""
    with tempfile.TemporaryDirectory() as directory:
        for name, data in (("base", base), ("current", current), ("incoming", incoming)):
            (Path(directory) / name).write_bytes(data)
        done = subprocess.run(
            ["git", "merge-file", "-p", "-q", "current", "base", "incoming"],
            cwd=directory,
            capture_output=True,
            check=False,
        )
    return done.stdout if done.returncode == 0 else None


@steadily(300)
@given(UNIFORM, UNIFORM)
def test_one_side_s_change_is_taken_as_it_is(base: bytes, side: bytes) -> None:
    assert merge(base, side, base) == side
    assert merge(base, side, side) == side
    assert lf(merge(base, base, side)) == lf(side)


@steadily(200)
@given(TEXTS, TEXTS)
def test_mixed_line_ends_are_no_changes(base: bytes, side: bytes) -> None:
    for sides_ in ((base, side, base), (base, base, side), (base, side, side)):
        assert lf(merge(*sides_)) == lf(side)


@steadily(300)
@given(st.one_of(sides(), numbered_sides(), documents(), st.tuples(FEW, FEW, FEW)))
def test_it_does_not_matter_whose_side_is_whose(texts: tuple[bytes, bytes, bytes]) -> None:
    base, current, incoming = texts
    assert merge(base, current, incoming) == merge(base, incoming, current)


@steadily(200)
@given(st.one_of(sides(), documents()))
def test_line_ends_of_the_user_s_file_are_kept(texts: tuple[bytes, bytes, bytes]) -> None:
    base, current, incoming = texts
    merged = merge(base, newline.to_crlf(current), incoming)
    plain = merge(base, current, incoming)
    if b"\n" in current:
        assert merged == (None if plain is None else newline.to_crlf(plain))


@steadily(600)
@given(st.one_of(sides(), numbered_sides(), documents(), st.tuples(FEW, FEW, FEW)))
def test_a_line_that_only_one_side_added_is_never_lost_nor_doubled(
    texts: tuple[bytes, bytes, bytes],
) -> None:
    merged = merge(*texts)
    if merged is None:
        return
    base, current, incoming, result = (Counter(text.splitlines()) for text in (*texts, merged))
    for line in {*current, *incoming} - {*base}:
        low, high = sorted((current[line], incoming[line]))
        assert high <= result[line] <= high + low, line


@steadily(250)
@given(numbered_sides())
def test_of_lines_that_all_differ_ours_merges_what_git_merges_and_alike(
    texts: tuple[bytes, bytes, bytes],
) -> None:
    assert merge(*texts) == git_merge(*texts)


@steadily(250)
@given(documents())
@example((b"p0\n\np1\n\np2\n\n", b"p0\n\nboth\n\np1\n\nours\n\n", b"p0\n\nboth\n\np1\n\np2\n\n"))
def test_of_paragraphs_ours_merges_as_git_does_or_not_at_all(
    texts: tuple[bytes, bytes, bytes],
) -> None:
    merged, theirs = merge(*texts), git_merge(*texts)
    if merged is not None:
        assert merged.count(b"both\n") <= 1
    if merged is not None and theirs is not None and theirs.count(b"both\n") <= 1:
        assert merged == theirs


@steadily(250)
@given(sides())
@example((b"a\nb\na\nb\n", b"a\na\nb\n", b"a\nx\na\nb\n"))
def test_where_git_sees_a_conflict_no_side_s_change_is_dropped(
    texts: tuple[bytes, bytes, bytes],
) -> None:
    merged = merge(*texts)
    if merged is None or git_merge(*texts) is not None:
        return
    base, *sides_ = ({*text.splitlines()} for text in texts)
    for side in sides_:
        assert side - base <= {*merged.splitlines()}
