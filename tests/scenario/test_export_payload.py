"""``export --payload``: a framework becomes the payload of a source tree; releases are remembered."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from agentrail_runtime import source
from agentrail_runtime.entry import INDEX_NAME, MANIFEST_NAME, SIGNATURE_NAME, sha256
from agentrail_runtime.known import KNOWN_NAME
from agentrail_runtime.operation import export as operation
from agentrail_runtime.tree import DirectoryTree
from tests.scenario.story import actions, agentrail
from tests.support import Run, make_bundle, snapshot, write

MANIFEST = """schema_version: "1.1.0"
output_root: dist/runtime
include_paths: [AGENTS.md, docs, tools]
seed_files: ['MEMORY.md => MEMORY.md']
block_files: [AGENTS.md]
exclude_globs: ['**/*.tmp']
"""
FILES = {
    MANIFEST_NAME: MANIFEST,
    "AGENTS.md": "rules\n",
    "MEMORY.md": "memory\n",
    "docs/a.md": "a\n",
    "docs/b.md": "b\n",
    "tools/run.sh": "#!/bin/sh\n",
}


@pytest.fixture
def fw(tmp_path: Path) -> Path:
    """A framework repository."""
    write(tmp_path / "fw", FILES, executable=("tools/run.sh",))
    return tmp_path / "fw"


@pytest.fixture
def payload(tmp_path: Path, fw: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The payload of a source tree that the product is run from: the framework's."""
    write(tmp_path / "tree", {"pyproject.toml": "", "agentrail_runtime/source.py": ""})
    monkeypatch.setattr(source, "__file__", str(tmp_path / "tree/agentrail_runtime/source.py"))
    done(export("--root", fw))
    return tmp_path / "tree/agentrail_runtime/payload"


def export(*words: str | Path) -> Run:
    return agentrail("export", "--payload", *words)


def done(run: Run) -> Run:
    assert run.code == 0, run.err
    return run


def known(root: Path) -> dict[str, list[str]]:
    files: dict[str, list[str]] = json.loads((root / KNOWN_NAME).read_bytes())["files"]
    return files


def release(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(operation, "__version__", version)


def digest(text: str) -> str:
    return sha256(text.encode())


def test_the_payload_is_what_the_framework_exports(fw: Path, payload: Path) -> None:
    assert agentrail("export", "--root", fw).code == 0
    assert snapshot(payload) == snapshot(fw / "dist/runtime")


def test_the_payload_is_exported_as_it_is(
    fw: Path, payload: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done(agentrail("export"))
    assert snapshot(tmp_path / "dist/runtime") == snapshot(payload)


def test_a_payload_is_its_own_framework(payload: Path) -> None:
    before = snapshot(payload, with_times=True)
    assert done(export("--json")).json["result"] == "unchanged"
    assert snapshot(payload, with_times=True) == before


def test_what_is_edited_in_a_payload_gets_into_its_index(payload: Path) -> None:
    write(payload, {"docs/a.md": "edited\n", "docs/new.md": "new\n"})
    (payload / "docs/b.md").unlink()
    assert export("--check").code == 4
    run = done(export("--json"))
    assert {path: kind for path, kind in actions(run).items() if kind != "unchanged"} == {
        INDEX_NAME: "update"
    }
    assert sorted(os.listdir(payload.parent)) == ["payload", "source.py"]
    index = json.loads((payload / INDEX_NAME).read_bytes())
    assert {row["path"]: row["sha256"] for row in index["entries"]} == {
        "AGENTS.md": digest("rules\n"),
        "MEMORY.md": digest("memory\n"),
        "docs/a.md": digest("edited\n"),
        "docs/new.md": digest("new\n"),
        "tools/run.sh": digest("#!/bin/sh\n"),
    }


@pytest.mark.parametrize("name", ["new.md", "docs/new.tmp", "tests/new.py"])
@pytest.mark.parametrize("way", ["direct", "symlink"])
def test_a_new_file_of_a_payload_that_the_manifest_does_not_select_is_not_deleted(
    payload: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, way: str
) -> None:
    if way == "symlink":
        (tmp_path / "link").symlink_to("tree")
        monkeypatch.setattr(source, "__file__", str(tmp_path / "link/agentrail_runtime/source.py"))
    write(payload, {name: "new\n"})
    before = snapshot(tmp_path, with_times=True)
    run = export()
    assert run.code == 1
    assert f"{payload}/{name}: not selected by {MANIFEST_NAME}" in run.err
    assert "hint: select them in include_paths, or delete them" in run.err
    assert snapshot(tmp_path, with_times=True) == before


def test_an_index_that_is_gone_is_made_again(payload: Path) -> None:
    before = snapshot(payload)
    write(payload, {INDEX_NAME: "<<<<<<< ours\n"})
    run = export()
    assert run.code == 6
    assert "not JSON" in run.err
    assert "or delete it and export again" in run.err
    (payload / INDEX_NAME).unlink()
    done(export())
    assert snapshot(payload) == before


def test_the_signature_of_an_index_that_changes_goes(payload: Path) -> None:
    write(payload, {SIGNATURE_NAME: "of the old index\n", "docs/a.md": "edited\n"})
    run = done(export("--json"))
    assert actions(run)[SIGNATURE_NAME] == "remove"
    assert not (payload / SIGNATURE_NAME).exists()


class TestKnownDigests:
    """What was released once is known for ever."""

    def test_nothing_is_known_before_the_first_release(self, payload: Path) -> None:
        assert known(payload) == {}

    def test_a_new_version_remembers_what_the_last_one_delivered(
        self, fw: Path, payload: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        release(monkeypatch, "1.1.0")
        write(fw, {"AGENTS.md": "new rules\n", "MEMORY.md": "new memory\n", "docs/a.md": "new\n"})
        (fw / "docs/b.md").unlink()
        done(export("--root", fw))
        first = {
            "AGENTS.md": [digest("rules\n")],
            "docs/a.md": [digest("a\n")],
            "docs/b.md": [digest("b\n")],
        }
        assert known(payload) == first
        before = snapshot(payload, with_times=True)
        done(export("--root", fw))
        assert snapshot(payload, with_times=True) == before
        release(monkeypatch, "1.2.0")
        write(fw, {"docs/a.md": "newer\n", "AGENTS.md": "rules\n"})
        done(export("--root", fw))
        assert known(payload) == {
            **first,
            "AGENTS.md": [digest("new rules\n")],
            "docs/a.md": sorted([digest("a\n"), digest("new\n")]),
        }

    def test_the_same_version_remembers_nothing(self, fw: Path, payload: Path) -> None:
        write(fw, {"docs/a.md": "new\n"})
        done(export("--root", fw))
        assert known(payload) == {}

    def test_a_payload_that_is_its_own_framework_remembers_what_its_index_says(
        self, payload: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        release(monkeypatch, "1.1.0")
        write(payload, {"docs/a.md": "new\n"})
        done(export())
        assert known(payload) == {"docs/a.md": [digest("a\n")]}
        done(export())
        assert known(payload) == {"docs/a.md": [digest("a\n")]}

    def test_what_framework_and_payload_know_is_put_together(self, fw: Path, payload: Path) -> None:
        one, other = "a" * 64, "b" * 64
        for root, files in ((fw, {"docs/a.md": [one]}), (payload, {"docs/a.md": [other], "x": [one]})):
            value = {"schema_version": "1.0", "files": files, "note": root.name}
            write(root, {KNOWN_NAME: json.dumps(value)})
        done(export("--root", fw))
        value = json.loads((payload / KNOWN_NAME).read_bytes())
        assert value["files"] == {"docs/a.md": [one, other], "x": [one]}
        assert value["note"] == "fw"
        assert not (payload.parent / "payload.replaced").exists()

    @pytest.mark.parametrize("indexed", [True, False])
    def test_an_old_bundle_may_be_named(
        self, fw: Path, payload: Path, tmp_path: Path, indexed: bool
    ) -> None:
        files = {
            "AGENTS.md": "old rules\n",
            "MEMORY.md": "old\n",
            "docs/a.md": "old\n",
            "docs/b.md": "b\n",
        }
        old = make_bundle(
            tmp_path / "old",
            files,
            ownership={"AGENTS.md": "block", "MEMORY.md": "seed"},
            indexed=indexed,
        )
        older = make_bundle(tmp_path / "older", {"docs/a.md": "older\n"}, indexed=indexed)
        done(export("--root", fw, "--earlier", old, "--earlier", older))
        expected = {
            "AGENTS.md": [digest("old rules\n")],
            "docs/a.md": sorted([digest("old\n"), digest("older\n")]),
        }
        assert known(payload) == expected
        done(export("--root", fw))
        assert known(payload) == expected

    def test_an_old_bundle_may_be_named_for_any_export(self, fw: Path, tmp_path: Path) -> None:
        old = make_bundle(tmp_path / "old", {"docs/a.md": "old\n"}, indexed=False)
        done(agentrail("export", "--root", fw, "--earlier", old))
        assert known(fw / "dist/runtime") == {"docs/a.md": [digest("old\n")]}

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (None, ".: cannot be read: No such file or directory"),
            ("symlink", "docs/link: is a symlink"),
            ("name", "docs/aux.md: 'aux.md' is a reserved name on Windows"),
            ("unreadable", "Permission denied"),
            ("index", f"{INDEX_NAME}: not JSON"),
        ],
    )
    def test_an_old_bundle_that_is_none_is_refused(
        self,
        fw: Path,
        payload: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        make: str | None,
        said: str,
    ) -> None:
        old = tmp_path / "old"
        if make is not None:
            write(old, {"docs/a.md": "", **({INDEX_NAME: "x"} if make == "index" else {})})
        if make == "symlink":
            (old / "docs/link").symlink_to("a.md")
        elif make == "name":
            write(old, {"docs/aux.md": ""})
        elif make == "unreadable":
            fetch = DirectoryTree.fetch

            def refuse(tree: DirectoryTree, path: str) -> object:
                if tree.root == str(old) and path == "docs/a.md":
                    raise PermissionError(13, "Permission denied", path)
                return fetch(tree, path)

            monkeypatch.setattr(DirectoryTree, "fetch", refuse)
        before = snapshot(payload, with_times=True)
        run = export("--root", fw, "--earlier", old)
        assert run.code == 6
        assert f"{old}" in run.err
        assert said in run.err
        assert snapshot(payload, with_times=True) == before


def test_an_installed_package_has_no_payload_to_make(fw: Path, payload: Path, tmp_path: Path) -> None:
    (tmp_path / "tree/pyproject.toml").unlink()
    run = export("--root", fw)
    assert run.code == 2
    assert "an installed package (expected the source tree of agentrail-runtime)" in run.err
    assert "hint: in a source tree: pip install -e . first" in run.err


def test_the_payload_of_another_tree_may_be_named(fw: Path, tmp_path: Path) -> None:
    done(export("--root", fw, "--output", tmp_path / "there/payload"))
    assert agentrail("export", "--root", fw).code == 0
    assert snapshot(tmp_path / "there/payload") == snapshot(fw / "dist/runtime")


def test_a_payload_directory_of_somebodys_is_refused(fw: Path, tmp_path: Path) -> None:
    write(tmp_path / "mine", {"file": "mine\n"})
    run = export("--root", fw, "--output", tmp_path / "mine")
    assert run.code == 1
    assert f"is not an earlier export: it has no {INDEX_NAME}" in run.err
