"""Reading a working tree: what is there, and what stands in the place of a text."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime import checkout as checkout_
from agentrail_runtime.checkout import Checkout, find_root
from agentrail_runtime.checks.files import MAX_SIZE, UnreadableError, read_text
from tests.crash.hostile import ODD, bounded, replace
from tests.support import write


class Strange:
    """The module `os` with calls of its own."""

    def __init__(self, **own: Callable[..., Any]) -> None:
        self._own = own

    def __getattr__(self, name: str) -> Any:
        return self._own.get(name, getattr(os, name))


@pytest.fixture
def files(tmp_path: Path) -> Checkout:
    """A checkout with one file in one directory."""
    write(tmp_path / "repo", {"docs/a.md": "text"})
    return Checkout(str(tmp_path / "repo"))


def refused(files: Checkout, path: str) -> str:
    with bounded(), pytest.raises(UnreadableError) as caught:
        read_text(files, path)
    return str(caught.value)


# --- the root ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["project.profile.yaml", ".agentrail/receipt.json", ".git"])
def test_the_root_is_found_from_a_directory_below(tmp_path: Path, mark: str) -> None:
    write(tmp_path, {f"repo/{mark}": "", "repo/src/deep/a.py": ""})
    root = os.path.realpath(tmp_path / "repo")
    assert find_root(str(tmp_path / "repo" / "src" / "deep")) == root
    assert find_root(str(tmp_path / "repo")) == root


def test_a_repository_within_another_is_a_root_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, {"project.profile.yaml": "", "inner/.git": "gitdir: x", "inner/src/a.py": ""})
    assert find_root(str(tmp_path / "inner" / "src")) == os.path.realpath(tmp_path / "inner")


def test_a_directory_in_no_repository_stands_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies above the directory of the tests."""
    monkeypatch.setattr(checkout_, "_MARKS", ("never-there",))
    assert find_root("/usr/lib") == os.path.realpath("/usr/lib")


def test_a_link_to_a_directory_stands_for_where_it_leads(tmp_path: Path) -> None:
    write(tmp_path, {"repo/project.profile.yaml": "", "repo/src/a.py": ""})
    (tmp_path / "link").symlink_to("repo/src")
    assert find_root(str(tmp_path / "link")) == os.path.realpath(tmp_path / "repo")


# --- files ------------------------------------------------------------------------------------------


def test_a_text_is_read_through_links(files: Checkout) -> None:
    Path(files.root, "link").symlink_to("docs")
    assert files.read("docs/a.md") == b"text"
    assert files.read("link/a.md") == b"text"


@pytest.mark.parametrize("path", ["gone.md", "docs/gone/a.md", "docs/a.md/b.md", "dangling"])
def test_what_is_not_there_is_told_as_that(files: Checkout, path: str) -> None:
    Path(files.root, "dangling").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError):
        files.read(path)


@pytest.mark.parametrize("name", ODD)
def test_what_stands_in_the_place_of_a_file_is_told_at_once(files: Checkout, name: str) -> None:
    replace(Path(files.root, "docs/a.md"), ODD[name])
    assert refused(files, "docs/a.md") in {
        "expected a file, found a special file",
        "expected a file, found a directory",
        "expected a file, found one that cannot be opened: No such device or address",
    }


def test_a_link_to_itself_is_told(files: Checkout) -> None:
    Path(files.root, "loop").symlink_to("loop")
    assert refused(files, "loop").startswith("expected a file, found one that cannot be opened: ")


@pytest.mark.parametrize("path", ["a\0b", "\ud800"])
def test_a_name_that_no_file_has_is_told(files: Checkout, path: str) -> None:
    expected = "expected a file, found one that cannot be opened: no file has such a name"
    assert refused(files, path) == expected
    assert files.names(path) == frozenset()
    assert files.is_directory(path) is False


def test_a_file_that_breaks_while_it_is_read_is_told(
    files: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(checkout_, "os", Strange(read=fail))
    expected = "expected a file, found one that cannot be read: Input/output error"
    assert refused(files, "docs/a.md") == expected


def test_a_file_of_fifty_megabytes_is_read_no_further_than_needed(files: Checkout) -> None:
    with Path(files.root, "docs/a.md").open("wb") as file:
        file.truncate(50_000_000)
    assert len(files.read("docs/a.md")) == MAX_SIZE + 1
    assert refused(files, "docs/a.md") == "expected a text of at most 4 MiB, found a larger file"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5])
def test_a_file_is_read_whole_whatever_size_it_was_said_to_have(
    files: Checkout, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """It may grow or shrink meanwhile, and a file below /proc says that it is empty."""
    status = os.stat_result((0o100644, 0, 0, 1, 0, 0, size, 0, 0, 0))
    monkeypatch.setattr(checkout_, "os", Strange(fstat=lambda descriptor: status))
    assert files.read("docs/a.md") == b"text"


def test_a_file_that_never_ends_is_read_no_further_than_needed(
    files: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = Strange(read=lambda descriptor, length: b"x" * min(length, 1_000_000))
    monkeypatch.setattr(checkout_, "os", endless)
    assert len(files.read("docs/a.md")) == MAX_SIZE + 1


# --- directories ------------------------------------------------------------------------------------


def test_names_are_told_as_they_are_spelled(files: Checkout) -> None:
    assert files.names("") == {"docs"}
    assert files.names("docs") == {"a.md"}
    assert files.names("docs/a.md") == frozenset()
    assert files.names("gone") == frozenset()
    assert (files.is_directory("docs"), files.is_directory("docs/a.md")) == (True, False)


def test_thousands_of_directories_are_not_all_kept_in_memory(
    files: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkout_, "_LISTINGS", 2)
    assert [len(files.names(path)) for path in ("", "docs", "gone", "docs", "")] == [1, 1, 0, 1, 1]


def test_a_directory_that_can_be_listed_or_is_absent_is_no_problem(files: Checkout) -> None:
    assert files.listing_problem("docs") is None
    assert files.listing_problem("gone/deeper") is None


def test_what_keeps_a_directory_from_being_listed_is_told(files: Checkout) -> None:
    Path(files.root, "loop").symlink_to("loop")
    Path(files.root, "dangling").symlink_to("nowhere")
    file = "expected a directory, found a file"
    assert files.listing_problem("docs/a.md") == file
    other = "expected a directory, found one that cannot be read: "
    assert (files.listing_problem("loop") or "").startswith(other)
    assert (files.listing_problem("dangling") or "").startswith(other)
