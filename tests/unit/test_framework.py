"""A framework repository as an export reads it: what the manifest means, found by its line."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from agentrail_runtime import framework, git
from agentrail_runtime.entry import Entry, Index, RelPath
from agentrail_runtime.framework import Framework
from agentrail_runtime.manifest import ManifestError
from agentrail_runtime.tree import DirectoryTree, ResourceTree
from tests.support import write

NAME = "framework.runtime.manifest.yaml"
MANIFEST = """schema_version: "1.1.0"
output_root: dist/runtime
include_paths:
  - docs
  - README.md
seed_files:
  - seeds/memory.md => MEMORY.md
exclude_paths:
  - docs/private
exclude_globs:
  - '**/*.tmp'
"""
FILES = {
    NAME: MANIFEST,
    "README.md": "readme\n",
    "docs/.hidden": "",
    "docs/a.md": "a\n",
    "docs/private/b.md": "b\n",
    "seeds/memory.md": "memory\n",
    "unrelated/big": "",
}
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A framework repository."""
    write(tmp_path / "repo", FILES)
    return tmp_path / "repo"


def read(root: Path, manifest: Path | None = None) -> Framework:
    return framework.read(DirectoryTree(str(root)), None if manifest is None else str(manifest))


def destinations(found: Framework) -> list[str]:
    return [row.destination for row in found.selected]


def refusal(root: Path, manifest: Path | None = None) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        read(root, manifest)
    assert caught.value.hint
    return caught.value


def test_the_manifest_selects_from_the_files_that_are_there(root: Path) -> None:
    found = read(root)
    assert destinations(found) == ["docs/.hidden", "docs/a.md", "MEMORY.md", "README.md"]
    assert found.text == MANIFEST


def test_nothing_is_looked_at_but_what_the_manifest_can_mean(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    scandir = os.scandir

    def look(path: str) -> Iterator[os.DirEntry[str]]:
        looked.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", look)
    read(root)
    assert {os.path.relpath(path, root) for path in looked} == {"docs", "docs/private"}


def test_a_tree_inside_a_zip_file_is_read_like_a_directory(root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in FILES:
            archive.write(root / name, f"p/{name}")
    with zipfile.ZipFile(tmp_path / "z.zip") as archive:
        found = framework.read(ResourceTree(zipfile.Path(archive, "p/")))
    assert destinations(found) == destinations(read(root))


def test_another_manifest_may_lie_elsewhere(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(
        MANIFEST.replace("  - docs\n", "  - docs/private\n").replace(
            "private\nexclude_g", "x\nexclude_g"
        )
    )
    assert destinations(read(root, other)) == ["docs/private/b.md", "MEMORY.md", "README.md"]
    link = tmp_path / "link.yaml"
    link.symlink_to(other)
    assert destinations(read(root, link)) == destinations(read(root, other))


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("  - docs\n", "  - ../docs\n", ":4: ../docs: '..' is not allowed as a path component"),
        ("  - docs\n", "  - dogs\n", ":4: dogs: no such file or directory"),
        ("seeds/memory.md", "seeds/x.md", ":7: seeds/x.md: no such file"),
        ("include_paths", "includes", ":3: unknown key 'includes'"),
        ("output_root: ", "output_root: [", ":3:14: not valid YAML: "),
    ],
)
def test_a_finding_names_the_manifest_that_was_read(
    root: Path, tmp_path: Path, old: str, new: str, finding: str
) -> None:
    (root / NAME).write_text(MANIFEST.replace(old, new))
    assert refusal(root).message.startswith(f"{NAME}{finding}")
    other = (root / NAME).rename(tmp_path / "other.yaml")
    assert refusal(root, other).message.startswith(f"{other}{finding}")


def test_a_byte_order_mark_is_no_part_of_the_manifest(root: Path) -> None:
    (root / NAME).write_text("\ufeff" + MANIFEST, encoding="utf-8")
    assert read(root).text == MANIFEST


@pytest.mark.parametrize("is_named", [False, True])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "cannot be read: No such file or directory (expected a manifest)"),
        (b"a: \xff\n", "not UTF-8 (byte 3)"),
        (b"# " + b"x" * 1_000_000, "too large (expected at most 1000000 bytes, got 1000002)"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_refused(
    root: Path, tmp_path: Path, data: bytes | None, said: str, is_named: bool
) -> None:
    path = tmp_path / "m.yaml" if is_named else root / NAME
    path.unlink(missing_ok=True)
    if data is not None:
        path.write_bytes(data)
    assert refusal(root, path if is_named else None).message == f"{path}: {said}"


@posix
@pytest.mark.parametrize("kind", ["directory", "fifo", "symlink"])
def test_a_manifest_that_is_no_plain_file_is_refused(root: Path, kind: str) -> None:
    (root / NAME).unlink()
    if kind == "directory":
        (root / NAME).mkdir()
    elif kind == "fifo":
        os.mkfifo(root / NAME)
    else:
        (root / NAME).symlink_to("README.md")
    assert refusal(root).message.startswith(f"{root}/{NAME}: cannot be read: ")


class TestWhatIsNoPlainFile:
    """It is refused by name where the manifest selects it, and ignored where it is excluded."""

    def put(self, root: Path, name: str, kind: str) -> None:
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            place.rename(root / "moved")
        place.unlink(missing_ok=True)
        if kind == "fifo":
            os.mkfifo(place)
        else:
            place.symlink_to(root / ("moved" if kind == "directory" else "README.md"))

    @posix
    @pytest.mark.parametrize(
        ("name", "kind", "finding"),
        [
            ("docs/link", "symlink", "4: docs/link: is a symlink"),
            ("docs/loop", "directory", "4: docs/loop: is a symlink"),
            ("docs/fifo", "fifo", "4: docs/fifo: is a special file"),
            ("docs", "directory", "4: docs: is a symlink"),
            ("README.md", "fifo", "5: README.md: is a special file"),
            ("seeds/memory.md", "symlink", "7: seeds/memory.md: is a symlink"),
            ("seeds", "directory", "7: seeds/memory.md: lies behind the symlink seeds"),
        ],
    )
    def test_it_is_refused(self, root: Path, name: str, kind: str, finding: str) -> None:
        self.put(root, name, kind)
        error = refusal(root)
        assert error.message == f"{NAME}:{finding} (expected a plain file)"
        assert error.paths == (finding.split(": ")[1],)

    @posix
    @pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
    @pytest.mark.parametrize("name", ["docs/private/x", "docs/x.tmp", "unrelated/x"])
    def test_it_is_ignored_where_it_does_not_ship(self, root: Path, name: str, kind: str) -> None:
        before = destinations(read(root))
        self.put(root, name, kind)
        assert destinations(read(root)) == before

    @posix
    def test_all_are_told_at_once(self, root: Path) -> None:
        self.put(root, "docs/one", "fifo")
        self.put(root, "docs/two", "symlink")
        assert [line.split(": ")[1] for line in refusal(root).message.splitlines()] == [
            "docs/one",
            "docs/two",
        ]


class TestExecutables:
    """Which files are executable, wherever the repository lies."""

    MODES: Mapping[str, int | None] = {"a": 0o755, "b": 0o644, "c": 0o100}
    BASE = Index("1.0.0", entries=(Entry(RelPath("a"), "managed", "", 0, executable=True),))

    def find(self, root: Path, modes: Mapping[str, int | None], base: Index) -> set[str]:
        return {*framework.executables(read(root), modes, base)}

    def test_the_permission_bits_tell(self, root: Path) -> None:
        assert self.find(root, self.MODES, Index("1")) == {"a", "c"}

    def test_the_index_of_a_bundle_tells_where_no_bits_are_kept(self, root: Path) -> None:
        assert self.find(root, {"a": None}, self.BASE) == {"a"}

    def test_git_tells_where_no_bits_are_kept(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            git, "executables", lambda place: ["docs/a.md"] if place == str(root) else []
        )
        assert self.find(root, {"a": None}, Index("1")) == {"docs/a.md"}

    def test_nothing_is_executable_where_nobody_tells(self, root: Path, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
            for name in FILES:
                archive.write(root / name, f"p/{name}")
        with zipfile.ZipFile(tmp_path / "z.zip") as archive:
            found = framework.read(ResourceTree(zipfile.Path(archive, "p/")))
        assert framework.executables(found, {"a": None}, Index("1")) == frozenset()
