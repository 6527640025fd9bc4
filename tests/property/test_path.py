"""Every path that passes is one plain file below the target, on every system."""

from __future__ import annotations

import ntpath
import posixpath
import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from agentrail_runtime.entry import PathError, RelPath, collision_key, collisions, parse_path
from tests.property.support import steadily

PIECES = st.sampled_from(
    [
        "a",
        "..",
        ".",
        "/",
        "\\",
        ":",
        "C:",
        "nul",
        "con.",
        " ",
        "\0",
        "\x1b",
        ".git",
        "\u200c",
        "~1",
        "日",
        "e\u0301",
    ]
)
HOSTILE = st.one_of(st.text(max_size=30), st.lists(PIECES, max_size=6).map("".join))
PLAIN = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='<>:"|?*\\/. '),
    min_size=1,
    max_size=8,
)


def passes(text: str) -> RelPath | None:
    try:
        return parse_path(text)
    except PathError:
        return None


@steadily(400)
@given(HOSTILE)
@example("a/../../b")
@example("C:a")
@example("\ud800")
def test_what_passes_stays_below_the_target_on_posix_and_on_windows(text: str) -> None:
    path = passes(text)
    assume(path is not None)
    assert path == text
    assert posixpath.normpath(f"/target/{path}") == f"/target/{path}"
    assert ntpath.normpath(f"D:\\target\\{path}") == "D:\\target\\" + path.replace("/", "\\")
    assert ntpath.splitdrive(path)[0] == ""
    assert not any(unicodedata.category(character) == "Cc" for character in path)


@steadily(300)
@given(HOSTILE)
def test_a_refusal_can_be_printed_anywhere(text: str) -> None:
    assume(passes(text) is None)
    with pytest.raises(PathError) as caught:
        parse_path(text)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).isprintable()


@steadily(300)
@given(st.lists(PLAIN, min_size=1, max_size=4), st.lists(PLAIN, min_size=1, max_size=4))
def test_a_path_below_a_path_passes_as_its_parts_do(above: list[str], below: list[str]) -> None:
    one, other = "/".join(above), "/".join(below)
    assert (passes(f"{one}/{other}") is not None) is (
        passes(one) is not None and passes(other) is not None
    )


@steadily(300)
@given(st.text(max_size=20))
@example("\u03aa\u0301")
@example("\u1e9b\u0323")
@example("\u0345\u0301")
def test_two_spellings_of_one_name_are_found_out(text: str) -> None:
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, text)
        assert collision_key(other) == collision_key(text)
        assert collision_key(other.casefold()) == collision_key(text)


@steadily(300)
@given(st.sets(PLAIN, max_size=6))
def test_names_without_findings_can_all_be_written(names: set[str]) -> None:
    assert (collisions(names) == []) is (len({collision_key(name) for name in names}) == len(names))
