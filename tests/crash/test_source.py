"""Bundles wherever they lie: in a zip file, in a damaged package, or changing while they are read."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from agentrail_runtime import source
from agentrail_runtime.entry import INDEX_NAME, SIGNATURE_NAME, RelPath, sha256
from agentrail_runtime.errors import IncompatibleError, SourceError
from agentrail_runtime.tree import DirectoryTree, ResourceTree
from tests.crash.hostile import make_fifo
from tests.support import PAYLOAD, agentrail, install, make_bundle, payload_bundle, snapshot, write

SPEC = RelPath("docs/templates/spec.md")


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The payload of a package one of whose files was altered."""
    package = tmp_path / "package"
    shutil.copytree(PAYLOAD, package / "payload")
    write(package / "payload", {SPEC: "altered"})
    monkeypatch.setattr(source, "__file__", str(package / "source.py"))
    return package / "payload"


# --- in a zip file ---------------------------------------------------------------------------------


def test_a_payload_in_a_zip_file_is_the_same_payload(tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "payload"), "zip", PAYLOAD)
    with zipfile.ZipFile(archive) as opened:
        tree = ResourceTree(zipfile.Path(opened))
        disk = DirectoryTree(str(PAYLOAD))
        assert sorted(tree.walk()) == sorted(disk.walk())
        assert tree.fetch(SPEC).data == disk.fetch(SPEC).data


def test_the_package_that_is_no_directory_is_read_through_its_importer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(source, "__file__", str(tmp_path / "archive.zip/source.py"))
    bundle = source.open_package()
    assert bundle.location == "agentrail_runtime/payload"
    assert sha256(bundle.read(SPEC)) == sha256((PAYLOAD / SPEC).read_bytes())


def test_the_package_installs_from_within_a_zip_file(tmp_path: Path) -> None:
    shutil.copytree(
        PAYLOAD.parent,
        tmp_path / "tree/agentrail_runtime",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    archive = shutil.make_archive(str(tmp_path / "runtime"), "zip", tmp_path / "tree")
    words = ["-m", "agentrail_runtime", "install", str(tmp_path / "repo")]
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": archive, "PYTHONSAFEPATH": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert install(tmp_path / "other").code == 0
    assert snapshot(tmp_path / "repo") == snapshot(tmp_path / "other")


# --- changing while it is read ---------------------------------------------------------------------


@pytest.mark.parametrize("what", ["directory", "fifo", "link", "nothing"])
def test_what_is_no_file_any_more_is_not_read(tmp_path: Path, what: str) -> None:
    if what == "directory":
        (tmp_path / "x").mkdir()
    elif what == "fifo":
        make_fifo(tmp_path / "x")
    elif what == "link":
        (tmp_path / "x").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match=r"plain file|symbolic links|No such file"):
        DirectoryTree(str(tmp_path)).fetch("x")


def test_a_file_that_vanishes_during_the_check_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle(tmp_path / "bundle", {"a.md": "a", "b.md": "b"})
    walk = DirectoryTree.walk

    def walk_and_lose(tree: DirectoryTree) -> list[tuple[str, str]]:
        found = [*walk(tree)]
        (bundle / "a.md").unlink()
        return found

    monkeypatch.setattr(DirectoryTree, "walk", walk_and_lose)
    with pytest.raises(SourceError, match=r"a\.md: cannot be read: No such file or directory"):
        source.open_copy(str(bundle))


def test_a_file_that_vanishes_from_a_bundle_without_an_index_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle(tmp_path / "bundle", {"a.md": "a", "b.md": "b"}, indexed=False)
    walk = DirectoryTree.walk

    def walk_and_lose(tree: DirectoryTree) -> list[tuple[str, str]]:
        found = [*walk(tree)]
        (bundle / "a.md").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(DirectoryTree, "walk", walk_and_lose)
    with pytest.raises(SourceError, match=r"a\.md"):
        source.open_copy(str(bundle))


def test_a_file_that_is_altered_or_lost_after_the_check_is_not_delivered(tmp_path: Path) -> None:
    directory = make_bundle(tmp_path / "bundle", {"a.md": "a"})
    bundle = source.open_copy(str(directory))
    (directory / "a.md").write_bytes(b"b")
    with pytest.raises(SourceError, match=r"a\.md: altered while it was being installed"):
        bundle.read(RelPath("a.md"))
    (directory / "a.md").unlink()
    with pytest.raises(SourceError, match=r"a\.md: cannot be read: "):
        bundle.read(RelPath("a.md"))


@pytest.mark.parametrize("indexed", [True, False])
def test_a_directory_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indexed: bool
) -> None:
    bundle = make_bundle(tmp_path / "bundle", {"docs/a.md": "a"}, indexed=indexed)
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("docs"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(SourceError, match="docs: cannot be read: Permission denied"):
        source.open_copy(str(bundle))


# --- what may lie beside ---------------------------------------------------------------------------


def test_what_pip_compiles_is_no_extra_file(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", {"tools/run.py": "print()", "top.py": "print()"})
    compiled = ("tools/__pycache__/run.cpython-311.pyc", "__pycache__/top.cpython-311.pyc")
    write(bundle, dict.fromkeys(compiled, b"\0"))
    assert source.open_copy(str(bundle)).integrity == "verified"


@pytest.mark.parametrize("path", ["tools/__pycache__/other.cpython-311.pyc", "tools/run.pyc"])
def test_bytecode_of_no_listed_module_is_an_extra_file(tmp_path: Path, path: str) -> None:
    bundle = make_bundle(tmp_path / "bundle", {"tools/run.py": "print()"})
    write(bundle, {path: b"\0"})
    with pytest.raises(SourceError, match=rf"{path}: not in the index"):
        source.open_copy(str(bundle))


def test_a_signature_may_lie_beside_the_index(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", {"a.md": "a"})
    write(bundle, {SIGNATURE_NAME: "signed"})
    assert source.open_copy(str(bundle)).signature == b"signed"


# --- auto ------------------------------------------------------------------------------------------


def test_a_damaged_package_gives_way_to_the_very_same_bundle(tmp_path: Path, damaged: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(PAYLOAD, copy)
    done = install(tmp_path / "repo", "--runtime-dir", copy)
    assert done.code == 0
    assert f"note: installed by the copy route: the package is damaged: {damaged}: {SPEC}: " in done.err


def test_a_damaged_package_does_not_give_way_to_another_bundle(tmp_path: Path, damaged: Path) -> None:
    other = payload_bundle(tmp_path / "other")
    done = install(tmp_path / "repo", "--runtime-dir", other)
    assert (done.code, (tmp_path / "repo").exists()) == (6, False)
    assert f"{SPEC}: altered" in done.err
    assert "another bundle than the package's (expected sha256:" in done.err


def test_a_package_without_index_gives_way_to_nothing(tmp_path: Path, damaged: Path) -> None:
    (damaged / INDEX_NAME).unlink()
    done = install(tmp_path / "repo", "--runtime-dir", payload_bundle(tmp_path / "other"))
    assert (done.code, (tmp_path / "repo").exists()) == (6, False)
    assert "(expected unknown, got sha256:" in done.err


@pytest.mark.parametrize("copy", ["absent", "without index", "damaged"])
def test_both_routes_are_told_when_neither_will_do(tmp_path: Path, damaged: Path, copy: str) -> None:
    directory = tmp_path / "copy"
    if copy != "absent":
        shutil.copytree(PAYLOAD, directory)
    if copy == "without index":
        (directory / INDEX_NAME).unlink()
    if copy == "damaged":
        (directory / "AGENTS.md").unlink()
    done = install(tmp_path / "repo", "--runtime-dir", directory)
    assert (done.code, (tmp_path / "repo").exists()) == (6, False)
    assert f"{damaged}: {SPEC}: altered" in done.err
    assert f"{directory}: " in done.err


def test_the_package_route_does_not_look_for_a_bundle(tmp_path: Path, damaged: Path) -> None:
    shutil.copytree(PAYLOAD, tmp_path / "copy")
    done = install(tmp_path / "repo", "--source", "package", "--runtime-dir", tmp_path / "copy")
    assert (done.code, str(tmp_path / "copy") in done.err) == (6, False)


def test_a_package_of_a_newer_index_schema_is_incompatible(tmp_path: Path, damaged: Path) -> None:
    write(damaged, {INDEX_NAME: '{"schema_version": "2.0"}'})
    with pytest.raises(IncompatibleError, match=r"expected 1\.x, got 2\.0"):
        source.open_package()


def test_a_bundle_of_the_older_export_is_unverified_and_keeps_its_modes(tmp_path: Path) -> None:
    old = make_bundle(tmp_path / "old", {"a.sh": "a"}, executable=("a.sh",), indexed=False)
    bundle = source.open_copy(str(old))
    assert (bundle.integrity, [entry.executable for entry in bundle.index.entries]) == (
        "unverified",
        [True],
    )
    assert install(tmp_path / "repo", bundle=old).code == 0
    assert agentrail("verify", tmp_path / "repo").code == 0
