"""No path, wherever it comes from, leads out of the target or is another file on another system."""

from __future__ import annotations

import unicodedata
from typing import Literal

import pytest

from agentrail_runtime import entry
from agentrail_runtime.entry import (
    PathError,
    are_plain,
    collision_key,
    collisions,
    parents,
    parse_path,
    parse_task_root,
)

GOOD = [
    "a",
    "README.md",
    ".github/workflows/ci-framework.yml",
    ".gitignore",
    ".gitattributes",
    ".github",
    "..a/b..c",
    "...a",
    "~",
    "docs/日本語 の 文書.md",
    "e\u0301.md",
    "\u00e9.md",
    "emoji-\U0001f600.md",
    "a b/c'd/e&f;g$h",
    "console.md",
    "com.txt",
    "com10",
    "lpt",
    "nulls",
    "auxiliary/con-1",
    "git~2",
    "agit",
    "x.git",
    "x/.git-x",
    ".g\u200bit",
    ".g\u2010it",
    ".g\u2029it",
    ".g\u202fit",
    ".git\u2069",
    ".git\u2070",
    "n" * 255,
    "/".join(["d" * 100] * 10),
]


@pytest.mark.parametrize("text", GOOD)
def test_an_ordinary_name_is_not_refused(text: str) -> None:
    assert parse_path(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "an empty path"),
        ("..", "'..' is not allowed"),
        ("../x", "'..' is not allowed"),
        ("a/../../x", "'..' is not allowed"),
        ("a/..", "'..' is not allowed"),
        (".", "'.' is not allowed"),
        ("./a", "'.' is not allowed"),
        ("a/./b", "'.' is not allowed"),
        ("a//b", "'' is not allowed"),
        ("a/", "'' is not allowed"),
        ("/", "an absolute path"),
        ("/etc/passwd", "an absolute path"),
        ("//host/share", "an absolute path"),
        ("C:/x", "a drive letter"),
        ("c:x", "a drive letter"),
        ("z:", "a drive letter"),
        ("1:/x", "the character ':'"),
        ("a/b:stream", "the character ':'"),
        ("\\\\host\\share", "the character"),
        ("a\\..\\b", "the character"),
        ("a\0b", r"the character '\\x00'"),
        ("a\nb", r"the character '\\n'"),
        ("a\tb", r"the character '\\t'"),
        ("\x1b[2J", r"the character '\\x1b'"),
        ("a\x7fb", r"the character '\\x7f'"),
        ("a*", r"the character '\*'"),
        ("a?", r"the character '\?'"),
        ('a"', "the character '\"'"),
        ("<a", "the character '<'"),
        ("a>", "the character '>'"),
        ("a|b", r"the character '\|'"),
        ("a.", "ends in a dot or a space"),
        ("a ", "ends in a dot or a space"),
        ("a./b", "ends in a dot or a space"),
        ("a /b", "ends in a dot or a space"),
        ("...", "ends in a dot or a space"),
        ("\ud800", "not valid Unicode"),
        ("a/\udfffb", "not valid Unicode"),
        ("d/" * 2048 + "x", r"path too long \(expected at most 1024 bytes\)"),
        ("x" * 4096, "path too long"),
        ("日" * 342, "path too long"),
        ("n" * 256, r"name too long \(expected at most 255 bytes\)"),
        ("日" * 86, "name too long"),
    ],
)
def test_a_path_that_leads_out_or_means_something_else_is_refused(text: str, said: str) -> None:
    with pytest.raises(PathError, match=said):
        parse_path(text)


@pytest.mark.parametrize(
    "name",
    [
        *("con", "CON", "Prn", "aux", "NUL", "nul.txt", "nul.tar.gz", "con .txt", "CONIN$", "conout$"),
        *(f"{device}{digit}" for device in ("com", "LPT") for digit in "0123456789¹²³"),
        "COM¹.log",
        "lpt9.x.y",
    ],
)
@pytest.mark.parametrize("place", ["{}", "docs/{}", "{}/a.md"])
def test_a_name_that_is_a_device_on_windows_is_refused(name: str, place: str) -> None:
    with pytest.raises(PathError, match="is a reserved name on Windows"):
        parse_path(place.format(name))


@pytest.mark.parametrize(
    "name",
    [
        *(".git", ".GIT", ".Git", "git~1", "GIT~1", "Git~1"),
        *(f".g{ignored}it" for ignored in "\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"),
        *(f".git{ignored}" for ignored in "\u206a\u206b\u206c\u206d\u206e\u206f\ufeff"),
        "\ufeff.g\u200ci\u200dT",
        "gi\u200ct~1",
    ],
)
@pytest.mark.parametrize("place", ["{}", "{}/hooks/pre-commit", "sub/{}/config"])
def test_git_s_own_directory_is_out_of_reach_in_every_spelling(name: str, place: str) -> None:
    with pytest.raises(PathError, match="belongs to git"):
        parse_path(place.format(name))


@pytest.mark.parametrize("name", [".git.", ".git ", ".git...", ".git::$INDEX_ALLOCATION", ".git\\x"])
def test_git_s_directory_as_windows_spells_it_is_refused_too(name: str) -> None:
    with pytest.raises(PathError):
        parse_path(name)


@pytest.mark.parametrize("character", ["\x80", "\x85", "\x9b", "\x9f"])
def test_no_control_character_of_any_kind_reaches_the_terminal(character: str) -> None:
    with pytest.raises(PathError):
        parse_path(f"a{character}b")


def test_a_refused_path_is_shown_without_its_control_characters() -> None:
    with pytest.raises(PathError) as caught:
        parse_path("a\x1b[2Jb\n")
    assert str(caught.value).startswith(r"a\x1b[2Jb\n: ")
    assert str(caught.value).isprintable()


def test_a_refused_path_of_four_kilobytes_does_not_fill_the_screen() -> None:
    with pytest.raises(PathError, match=r"… \(4096 characters\)") as caught:
        parse_path("x" * 4096)
    assert len(str(caught.value)) < 200


def test_the_directories_above_a_path_come_nearest_first() -> None:
    assert list(parents("a/b/c.md")) == ["a/b", "a"]
    assert list(parents("c.md")) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("README.md", "readme.MD"),
        ("docs/a", "Docs/a"),
        ("\u00e9.md", "e\u0301.md"),
        ("\u00c9.md", "e\u0301.md"),
        ("\u304c.md", "\u304b\u3099.md"),
        ("ΟΔΟΣ", "οδος"),
        ("\u0390.md", "\u03aa\u0301.md"),
    ],
)
def test_two_files_that_are_one_on_a_mac_do_not_overwrite_each_other(one: str, other: str) -> None:
    (finding,) = collisions([one, other])
    assert finding.endswith(f"equal to {min(one, other)} but for case or Unicode form")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("text", ["\u00e9", "\u304c", "\u1e9b\u0323", "\u03aa\u0301", "\uac00"])
def test_folding_a_path_does_not_make_another_of_it(form: Literal["NFC", "NFD"], text: str) -> None:
    folded = unicodedata.normalize(form, text).casefold()
    assert collision_key(folded) == collision_key(text)


def test_a_path_listed_twice_is_named() -> None:
    assert collisions(["b", "a", "b"]) == ["b: listed twice"]


def test_a_file_below_a_file_is_named() -> None:
    assert collisions(["docs", "docs/a.md"]) == ["docs/a.md: lies under docs, which is a file"]


def test_a_file_below_a_file_of_another_case_is_named() -> None:
    assert collisions(["x/DOCS/a/b.md", "x/docs"]) == [
        "x/DOCS/a/b.md: lies under x/docs, which is a file"
    ]


def test_files_that_stand_beside_each_other_are_no_finding() -> None:
    assert collisions(["a", "a.md", "ab/c", "b/a", "日", "日本"]) == []


def test_git_finds_the_base_text_by_the_id_that_it_gives_it() -> None:
    assert entry.git_blob(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert entry.git_blob(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_digest_is_the_one_that_sha256sum_prints() -> None:
    assert entry.sha256(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "text", ["work", "work/", ".agentrail/work//", "日本/作業", ".agentrail/tasks"]
)
def test_task_records_may_lie_in_any_directory_below_the_target(text: str) -> None:
    assert parse_task_root(text) == text.rstrip("/")


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "..", "a/../b", "/work", "C:/work", ".git/work", "nul"),
        *(".agentrail/state", ".agentrail/state/stash/", ".Agentrail/STATE/x"),
        *(".agentrail/receipt.json", ".agentrail/.gitignore/x"),
    ],
)
def test_task_records_are_never_kept_where_git_or_the_installer_cleans_up(text: str) -> None:
    with pytest.raises(PathError):
        parse_task_root(text)


@pytest.mark.parametrize(
    ("mode", "executable", "expected"),
    [
        (0o644, None, 0o644),
        (0o755, None, 0o755),
        (0o644, True, 0o755),
        (0o640, True, 0o750),
        (0o600, True, 0o700),
        (0o444, True, 0o555),
        (0o755, False, 0o644),
        (0o711, False, 0o600),
        (0o644, False, 0o644),
    ],
)
def test_who_may_read_may_execute_and_nobody_else(
    mode: int, executable: bool | None, expected: int
) -> None:
    assert entry.with_bit(mode, executable=executable) == expected


@pytest.mark.parametrize("paths", [["a\nb", "a"], ["a\nb"], ["a", "a"], ["a", "A"], ["a/b", "a"], [""]])
def test_paths_that_cannot_stand_beside_each_other_are_not_waved_through(paths: list[str]) -> None:
    assert not are_plain(paths)
