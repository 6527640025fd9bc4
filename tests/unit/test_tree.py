"""A tree of files is read as it is: no symlink followed, nothing special opened, nothing left out."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from agentrail_runtime import tree
from agentrail_runtime.entry import sha256
from agentrail_runtime.tree import Content, DirectoryTree, ResourceTree
from tests.support import write

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with files, dot-files and an executable."""
    write(tmp_path, {".dot/.a": "", "b/c.sh": "#!\n", "d": "d\n"}, executable=("b/c.sh",))
    return tmp_path


def test_every_file_is_found_dot_files_too(root: Path) -> None:
    (root / "empty").mkdir()
    assert dict(DirectoryTree(str(root)).walk()) == {".dot/.a": "", "b/c.sh": "", "d": ""}


def test_a_part_of_a_tree_has_the_paths_of_the_whole(root: Path) -> None:
    assert dict(DirectoryTree(str(root)).walk("b")) == {"b/c.sh": ""}


@posix
def test_many_files_are_looked_at_a_directory_at_a_time(root: Path) -> None:
    os.mkfifo(root / "b/fifo")
    (root / "b/link").symlink_to("c.sh")
    paths = [".dot/.a", "b/absent", "b/c.sh", "b/fifo", "b/link", "d"]
    looks = dict(zip(paths, DirectoryTree(str(root)).look(paths), strict=True))
    assert looks == {
        ".dot/.a": (sha256(b""), 0, 0o644),
        "b/absent": None,
        "b/c.sh": (sha256(b"#!\n"), 3, 0o755),
        "b/fifo": None,
        "b/link": None,
        "d": (sha256(b"d\n"), 2, 0o644),
    }


def test_where_nothing_opens_from_a_directory_on_each_file_is_fetched(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "HAS_DIR_FD", False)
    assert [*DirectoryTree(str(root)).look([".dot/.a", "b/c.sh", "d"])] == [None] * 3


@posix
def test_a_directory_that_is_gone_is_left_to_who_tells_of_it(root: Path) -> None:
    assert [*DirectoryTree(str(root)).look(["b/c.sh", "gone/x", "gone/y", "d"])][1:3] == [None, None]


@posix
def test_a_file_comes_with_its_permission_bits(root: Path) -> None:
    (root / "d").chmod(0o640)
    directory = DirectoryTree(str(root))
    assert directory.fetch("b/c.sh") == Content(b"#!\n", 0o755)
    assert directory.fetch("d") == Content(b"d\n", 0o640)


def test_where_no_permissions_are_kept_none_are_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "HAS_MODES", False)
    assert DirectoryTree(str(root)).fetch("d") == Content(b"d\n", None)


@posix
def test_what_is_no_plain_file_is_named_and_not_opened(root: Path) -> None:
    os.mkfifo(root / "fifo")
    (root / "link").symlink_to("d")
    (root / "loop").symlink_to(".")
    (root / "dangling").symlink_to("nowhere")
    directory = DirectoryTree(str(root))
    assert {path: problem for path, problem in directory.walk() if problem} == {
        "dangling": "is a symlink",
        "fifo": "is a special file",
        "link": "is a symlink",
        "loop": "is a symlink",
    }
    for path in ("dangling", "fifo", "link", "b", "nothing"):
        with pytest.raises(OSError):  # noqa: PT011 - the texts are the system's
            directory.fetch(path)


@pytest.mark.parametrize(("below", "path"), [("", "."), ("b", "b")])
def test_a_directory_that_cannot_be_read_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch, below: str, path: str
) -> None:
    def refuse(place: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    found = [*DirectoryTree(str(root)).walk(below)]
    assert found == [(path, "cannot be read: Permission denied")]


def test_a_tree_inside_a_zip_file_is_read_like_a_directory(root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in (".dot/.a", "b/c.sh", "d"):
            archive.write(root / name, f"payload/{name}")
    with zipfile.ZipFile(tmp_path / "z.zip") as archive:
        resources = ResourceTree(zipfile.Path(archive, "payload/"), "inside")
        assert resources.root == "inside"
        assert dict(resources.walk()) == {".dot/.a": "", "b/c.sh": "", "d": ""}
        assert resources.fetch("b/c.sh") == Content(b"#!\n", None)
        with pytest.raises(FileNotFoundError):
            resources.fetch("nothing")


def test_a_damaged_zip_file_is_an_error_of_reading(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("payload/d", b"content")
    data = (tmp_path / "z.zip").read_bytes()
    (tmp_path / "z.zip").write_bytes(data.replace(b"content", b"CONTENT"))
    with zipfile.ZipFile(tmp_path / "z.zip") as archive:
        resources = ResourceTree(zipfile.Path(archive, "payload/"))
        with pytest.raises(OSError, match="Bad CRC-32"):
            resources.fetch("d")
