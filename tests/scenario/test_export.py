"""Export: a framework repository becomes a bundle, all of it or nothing, and nobody's file is lost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime import child
from agentrail_runtime.entry import (
    INDEX_NAME,
    MANIFEST_NAME,
    POLICY_NAME,
    SIGNATURE_NAME,
    Entry,
    RelPath,
    load_index,
    sha256,
)
from agentrail_runtime.known import KNOWN_NAME, Known, grown
from agentrail_runtime.tree import DirectoryTree
from tests.crash.hostile import closed, without_privileges
from tests.scenario.story import (
    KEYS,
    PACKAGE,
    SHIPPED,
    actions,
    agentrail,
    install,
    process,
    reasons,
    shipped_copy,
)
from tests.support import PAYLOAD, Run, git, make_repo, snapshot, write

MANIFEST = """schema_version: "1.1.0"
output_root: dist/runtime
include_paths:
  - .ci
  - AGENTS.md
  - docs
  - project.profile.yaml
  - tools
seed_files:
  - seeds/memory.md => MEMORY.md
block_files: [AGENTS.md]
profile_files: [project.profile.yaml]
exclude_globs: ['**/*.tmp']
"""
PROFILE = 'schema_version: "2.0.0"\nworkflow:\n  task_root: work\n'
FILES = {
    MANIFEST_NAME: MANIFEST,
    ".ci/.hidden/check.yml": "check\n",
    "AGENTS.md": "<!-- agentrail:begin -->\nrules\n<!-- agentrail:end -->\n",
    "docs/a.md": "a\n",
    "docs/deep/er/b.md": "b\n",
    "docs/x.tmp": "scratch\n",
    "project.profile.yaml": PROFILE,
    "seeds/memory.md": "memory\n",
    "tools/run.sh": "#!/bin/sh\n",
    "unrelated.txt": "mine\n",
}
EXPORTED = {
    ".ci/.hidden/check.yml",
    "AGENTS.md",
    "MEMORY.md",
    "docs/a.md",
    "docs/deep/er/b.md",
    "project.profile.yaml",
    "tools/run.sh",
}
BESIDE = {INDEX_NAME, KNOWN_NAME, MANIFEST_NAME}
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")


@pytest.fixture
def fw(tmp_path: Path) -> Path:
    """A framework repository."""
    write(tmp_path / "fw", FILES, executable=("tools/run.sh",))
    return tmp_path / "fw"


def export(root: Path, *words: str | Path) -> Run:
    return agentrail("export", "--root", root, *words)


def done(run: Run) -> Run:
    assert run.code == 0, run.err
    return run


def files(root: Path) -> dict[str, bytes]:
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def modes(root: Path) -> dict[str, int]:
    return {
        path.relative_to(root).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")
    }


def edit(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text(encoding="utf-8")
    assert old in text
    (root / name).write_text(text.replace(old, new), encoding="utf-8")


@contextmanager
def untouched(root: Path) -> Iterator[None]:
    before = snapshot(root, with_state=True, with_times=True)
    yield
    assert snapshot(root, with_state=True, with_times=True) == before


class TestTheShippedPayload:
    """``agentrail export``, with nothing else."""

    @pytest.fixture(autouse=True)
    def _in_a_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    def test_the_export_is_the_payload_byte_for_byte(self, tmp_path: Path) -> None:
        done(agentrail("export"))
        assert files(tmp_path / "dist/runtime") == files(PAYLOAD)
        assert os.listdir(tmp_path) == ["dist"]
        assert os.listdir(tmp_path / "dist") == ["runtime"]

    def test_the_report_tells_of_every_file(self, tmp_path: Path) -> None:
        run = done(agentrail("export", "--json"))
        assert set(run.json) == KEYS
        assert (run.json["command"], run.json["result"], run.json["changed"]) == (
            "export",
            "applied",
            True,
        )
        assert run.json["target"] == str(tmp_path / "dist/runtime")
        assert actions(run) == dict.fromkeys([*SHIPPED, *BESIDE, POLICY_NAME], "create")
        assert {row["path"]: row["ownership"] for row in run.json["actions"]} == {
            **SHIPPED,
            **dict.fromkeys([*BESIDE, POLICY_NAME], "managed"),
        }
        source = run.json["source"]
        digest = hashlib.sha256((PAYLOAD / INDEX_NAME).read_bytes()).hexdigest()
        assert (source["kind"], source["digest"]) == ("package", f"sha256:{digest}")
        assert run.json["task_root"] == ".agentrail/work"

    def test_the_export_installs_by_the_copy_route(self, tmp_path: Path, repo: Path) -> None:
        done(agentrail("export"))
        run = done(install(repo, "--json", bundle=tmp_path / "dist/runtime"))
        assert run.json["source"]["integrity"] == "verified"
        assert run.json["source"]["kind"] == "copy"

    def test_an_export_of_an_export_is_that_export(self, tmp_path: Path) -> None:
        done(agentrail("export"))
        done(agentrail("export", "--root", "dist/runtime", "--output", "again"))
        assert files(tmp_path / "again") == files(PAYLOAD)

    def test_a_damaged_payload_is_not_exported(self, tmp_path: Path) -> None:
        site = tmp_path / "site/agentrail_runtime"
        ignored = ("__pycache__",)
        for path in PACKAGE.rglob("*"):
            if path.is_file() and not {*path.parts} & {*ignored}:
                write(site, {path.relative_to(PACKAGE).as_posix(): path.read_bytes()})
        write(site, {"payload/docs/templates/spec.md": "altered\n"})
        run = process("export", "--json", cwd=tmp_path, pythonpath=tmp_path / "site")
        assert (run.code, run.json["result"]) == (6, "failed")
        assert "docs/templates/spec.md: altered" in run.json["error"]["message"]
        assert not (tmp_path / "dist").exists()

    def test_the_payload_itself_is_no_place_for_an_export(self) -> None:
        run = agentrail("export", "--output", PACKAGE)
        assert run.code == 1
        assert f"{PACKAGE}: holds the framework repository itself" in run.err


class TestWhatIsExported:
    """A framework repository of somebody's own."""

    def test_the_files_that_the_manifest_selects_ship_dot_directories_too(self, fw: Path) -> None:
        run = done(export(fw, "--json"))
        made = files(fw / "dist/runtime")
        assert set(made) == EXPORTED | BESIDE
        assert made["MEMORY.md"] == b"memory\n"
        assert run.json["source"]["kind"] == "repository"
        assert run.json["source"]["location"] == str(fw)
        assert run.json["task_root"] == "work"

    def test_the_index_lists_every_file_with_its_class(self, fw: Path) -> None:
        done(export(fw))
        index = load_index((fw / "dist/runtime" / INDEX_NAME).read_bytes())
        assert {entry.path: entry.ownership for entry in index.entries} == {
            ".ci/.hidden/check.yml": "managed",
            "AGENTS.md": "block",
            "MEMORY.md": "seed",
            "docs/a.md": "managed",
            "docs/deep/er/b.md": "managed",
            "project.profile.yaml": "profile",
            "tools/run.sh": "managed",
        }
        for entry in (*index.entries, *index.metadata):
            data = (fw / "dist/runtime" / entry.path).read_bytes()
            assert (entry.sha256, entry.size) == (sha256(data), len(data))

    @posix
    def test_executables_keep_their_bit_and_nothing_else_of_their_mode(self, fw: Path) -> None:
        (fw / "docs/a.md").chmod(0o600)
        (fw / "tools/run.sh").chmod(0o4750)
        done(export(fw))
        made = modes(fw / "dist/runtime")
        assert {made["docs/a.md"], made["docs"], made["tools/run.sh"]} == {0o644, 0o755}
        assert {name for name in EXPORTED if made[name] == 0o755} == {"tools/run.sh"}
        index = load_index((fw / "dist/runtime" / INDEX_NAME).read_bytes())
        assert [entry.path for entry in index.entries if entry.executable] == ["tools/run.sh"]

    @pytest.mark.parametrize("below", ["", "fra mework/"])
    def test_where_no_modes_are_kept_git_tells_what_is_executable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
    ) -> None:
        files = {**FILES, "docs/実行 する.sh": "#!\n", "docs/untracked.sh": "#!\n"}
        repo = make_repo(tmp_path / "repo", {f"{below}{name}": data for name, data in files.items()})
        for name in ("tools/run.sh", "docs/実行 する.sh"):
            git(repo, "update-index", "--chmod=+x", f"{below}{name}")
        git(repo, "rm", "-q", "--cached", f"{below}docs/untracked.sh")
        monkeypatch.setattr("agentrail_runtime.tree.HAS_MODES", False)
        done(export(repo / below))
        index = load_index((repo / below / "dist/runtime" / INDEX_NAME).read_bytes())
        assert [entry.path for entry in index.entries if entry.executable] == [
            "docs/実行 する.sh",
            "tools/run.sh",
        ]

    def test_where_nobody_tells_what_is_executable_nothing_is(
        self, fw: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("agentrail_runtime.tree.HAS_MODES", False)
        done(export(fw))
        index = load_index((fw / "dist/runtime" / INDEX_NAME).read_bytes())
        assert [entry.path for entry in index.entries if entry.executable] == []

    def test_version_and_sequence_are_those_that_are_given(self, fw: Path) -> None:
        done(export(fw, "--runtime-version", "2.1", "--release-seq", "7"))
        index = load_index((fw / "dist/runtime" / INDEX_NAME).read_bytes())
        assert (index.runtime_version, index.release_seq) == ("2.1", 7)

    def test_a_version_that_is_none_is_refused(self, fw: Path) -> None:
        run = export(fw, "--runtime-version", "next")
        assert run.code == 2
        assert "--runtime-version next: no version (PEP 440)" in run.err
        assert not (fw / "dist").exists()

    def test_another_manifest_may_lie_elsewhere(self, fw: Path, tmp_path: Path) -> None:
        text = 'schema_version: "1.0.0"\noutput_root: out\ninclude_paths: [docs/a.md]\n'
        (tmp_path / "m.yaml").write_text(text)
        done(export(fw, "--manifest", tmp_path / "m.yaml"))
        made = files(fw / "out")
        assert set(made) == {"docs/a.md", *BESIDE}
        assert made[MANIFEST_NAME].decode() == text

    def test_a_bundle_keeps_what_a_newer_export_wrote_in_its_index(self, tmp_path: Path) -> None:
        bundle = shipped_copy(tmp_path / "bundle")
        index = json.loads((bundle / INDEX_NAME).read_bytes())
        index |= {"schema_version": "1.9", "runtime_version": "3.0", "release_seq": 9, "notes": ["x"]}
        (bundle / INDEX_NAME).write_text(json.dumps(index))
        done(export(bundle, "--output", tmp_path / "out"))
        made = json.loads((tmp_path / "out" / INDEX_NAME).read_bytes())
        for key in ("schema_version", "runtime_version", "release_seq", "notes"):
            assert made[key] == index[key]

    def test_an_index_of_a_newer_major_schema_is_refused(self, tmp_path: Path) -> None:
        bundle = shipped_copy(tmp_path / "bundle")
        edit(bundle, INDEX_NAME, '"schema_version": "1.0"', '"schema_version": "2.0"')
        run = export(bundle, "--output", tmp_path / "out", "--json")
        assert (run.code, run.json["error"]["type"]) == (5, "IncompatibleError")
        assert run.json["error"]["hint"] == "upgrade: pip install --upgrade agentrail-runtime"
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("name", [INDEX_NAME, KNOWN_NAME])
    def test_a_broken_record_of_the_root_is_named(self, fw: Path, name: str) -> None:
        write(fw, {name: "<<<<<<< ours\n"})
        run = export(fw)
        assert run.code == 6
        assert f"{fw}/{name}: not JSON" in run.err
        assert not (fw / "dist").exists()

    def test_digests_of_earlier_releases_travel_along(self, fw: Path, tmp_path: Path) -> None:
        old = sha256(b"old\n")
        known = grown(Known(), [Entry(RelPath("docs/a.md"), "managed", old, 4)])
        write(fw, {KNOWN_NAME: known.dump()})
        done(export(fw))
        assert (fw / "dist/runtime" / KNOWN_NAME).read_bytes() == known.dump()

    @pytest.mark.parametrize("is_many", [False, True])
    def test_more_than_fits_into_memory_is_read_again(
        self, fw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_many: bool
    ) -> None:
        done(export(fw, "--output", tmp_path / "one"))
        monkeypatch.setattr("agentrail_runtime.export._MOST_IN_MEMORY", 10)
        monkeypatch.setattr(child, "WORTH_IT", 1 if is_many else 1000)
        done(export(fw, "--output", tmp_path / "two"))
        assert files(tmp_path / "one") == files(tmp_path / "two")
        assert export(fw, "--output", tmp_path / "two", "--check").code == 0

    def test_a_file_that_changes_meanwhile_is_not_exported(
        self, fw: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[str] = []
        fetch = DirectoryTree.fetch

        def changing(tree: DirectoryTree, path: str) -> Any:
            seen.append(path)
            if seen.count("docs/a.md") == 2:
                (fw / "docs/a.md").write_bytes(b"other\n")
            return fetch(tree, path)

        monkeypatch.setattr("agentrail_runtime.export._MOST_IN_MEMORY", 0)
        monkeypatch.setattr(DirectoryTree, "fetch", changing)
        run = export(fw)
        assert run.code == 1
        assert "docs/a.md: changed during the export\nhint: run the export again" in run.err
        assert not (fw / "dist").exists()


class TestRuns:
    """Check, dry run, the second run."""

    def test_a_second_run_writes_nothing_at_all(self, fw: Path) -> None:
        done(export(fw))
        with untouched(fw):
            run = done(export(fw, "--json"))
        assert (run.json["result"], run.json["changed"]) == ("unchanged", False)
        assert set(actions(run).values()) == {"unchanged"}

    def test_a_dry_run_writes_nothing_and_tells_what_the_run_does(self, fw: Path) -> None:
        done(export(fw))
        write(fw, {"docs/a.md": "changed\n", "docs/new.md": "new\n"})
        (fw / "docs/deep/er/b.md").rename(fw / "docs/c.md")
        with untouched(fw):
            planned = done(export(fw, "--dry-run", "--json"))
        run = done(export(fw, "--json"))
        assert (planned.json["result"], run.json["result"]) == ("planned", "applied")
        assert planned.json["actions"] == run.json["actions"]
        assert {path: kind for path, kind in actions(run).items() if kind != "unchanged"} == {
            "docs/a.md": "update",
            "docs/c.md": "create",
            "docs/deep/er/b.md": "remove",
            "docs/new.md": "create",
            INDEX_NAME: "update",
        }

    def test_a_dry_run_into_nothing_makes_no_directory(self, fw: Path) -> None:
        with untouched(fw):
            run = done(export(fw, "-n"))
        assert "nothing was written; the plan: 10 create" in run.out

    def test_check_says_so_where_nothing_differs(self, fw: Path) -> None:
        done(export(fw))
        with untouched(fw):
            run = export(fw, "--check")
        assert run.code == 0
        assert "as it would be exported (10 files)" in run.out

    @posix
    def test_check_names_every_difference(self, fw: Path) -> None:
        done(export(fw))
        out = fw / "dist/runtime"
        (out / "docs/a.md").unlink()
        (out / "tools/run.sh").chmod(0o644)
        (out / "AGENTS.md").chmod(0o755)
        write(out, {"MEMORY.md": "edited\n", "docs/extra.md": "", INDEX_NAME: "{}\n"})
        with untouched(fw):
            text, run = export(fw, "--check"), export(fw, "--check", "--json")
        expected = {
            "AGENTS.md": "permissions changed",
            "MEMORY.md": "changed",
            "docs/a.md": "missing",
            "docs/extra.md": "extra",
            INDEX_NAME: "changed",
            "tools/run.sh": "permissions changed",
        }
        assert (text.code, run.code) == (4, 4)
        assert [line for line in text.err.splitlines() if not line.startswith("hint: ")] == [
            f"{'error: ' * text.err.startswith('error: ') * (number == 0)}{out}/{path}: {reason}"
            for number, (path, reason) in enumerate(sorted(expected.items()))
        ]
        assert "hint: export again, without --check" in text.err
        assert set(run.json) == KEYS
        assert run.json["error"]["paths"] == sorted(expected)
        assert {p: r for p, r in reasons(run).items() if r != "as exported"} == expected

    def test_check_of_nothing_names_every_file(self, fw: Path) -> None:
        run = export(fw, "--check", "--json")
        assert run.code == 4
        assert set(run.json["error"]["paths"]) == EXPORTED | BESIDE
        assert not (fw / "dist").exists()

    def test_a_run_after_a_difference_makes_it_right(self, fw: Path) -> None:
        done(export(fw))
        before = files(fw / "dist/runtime")
        write(fw / "dist/runtime", {"docs/a.md": "edited\n", "docs/extra.md": ""})
        done(export(fw))
        assert files(fw / "dist/runtime") == before

    def test_a_file_that_no_longer_ships_goes(self, fw: Path) -> None:
        done(export(fw))
        (fw / "docs/deep/er/b.md").unlink()
        done(export(fw))
        assert not (fw / "dist/runtime/docs/deep").exists()
        assert not (fw / "dist/runtime.replaced").exists()


class TestSomebodysOwn:
    """Nothing is deleted that no export wrote."""

    @pytest.mark.parametrize("word", ["--json", "--check", "--dry-run"])
    def test_a_directory_of_somebodys_is_refused(self, fw: Path, word: str) -> None:
        write(fw / "dist/runtime", {"mine.txt": "mine\n"})
        with untouched(fw):
            run = export(fw, word)
        assert run.code == 1
        said = run.json["error"]["message"] if word == "--json" else run.err
        assert f"{fw}/dist/runtime: is not an earlier export: it has no {INDEX_NAME}" in said

    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            ("file", "is not a directory"),
            ("symlink", "is a symlink"),
            ("dangling symlink", "is a symlink"),
            ("git", ".git/HEAD: a git repository"),
            ("git file", ".git: a git repository"),
            ("link inside", "docs/link: is a symlink"),
        ],
    )
    def test_what_is_no_earlier_export_is_refused(self, fw: Path, kind: str, said: str) -> None:
        out = fw / "elsewhere"
        done(export(fw, "--output", out))
        if kind == "file":
            out.rename(fw / "moved")
            out.write_bytes(b"mine")
        elif kind.endswith("symlink"):
            out.rename(fw / "moved")
            out.symlink_to("moved" if kind == "symlink" else "nowhere")
        elif kind == "link inside":
            (out / "docs/link").symlink_to("a.md")
        else:
            write(out, {".git/HEAD" if kind == "git" else ".git": "x\n"})
        write(fw, {"docs/a.md": "changed\n"})
        with untouched(fw):
            run = export(fw, "--output", out)
        assert run.code == 1
        assert f"{out}: {said} (expected nothing, an empty directory or an earlier export)" in run.err
        assert "hint: see what it is: ls -A " in run.err

    @pytest.mark.parametrize("make", [Path.mkdir, lambda path: None], ids=["empty", "absent"])
    def test_an_empty_or_absent_directory_is_taken(
        self, fw: Path, tmp_path: Path, make: Callable[[Path], None]
    ) -> None:
        make(tmp_path / "out")
        done(export(fw, "--output", tmp_path / "out"))
        assert set(files(tmp_path / "out")) == EXPORTED | BESIDE

    def test_a_symlinked_dist_is_refused(self, fw: Path, tmp_path: Path) -> None:
        (tmp_path / "far").mkdir()
        (fw / "dist").symlink_to(tmp_path / "far")
        run = export(fw)
        assert run.code == 1
        assert f"{fw}/dist: is a symlink (expected a directory of the repository)" in run.err
        assert os.listdir(tmp_path / "far") == []

    def test_an_output_behind_a_symlink_is_taken_where_it_is_named(
        self, fw: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "far").mkdir()
        (tmp_path / "link").symlink_to("far")
        run = done(export(fw, "--output", tmp_path / "link/out", "--json"))
        assert run.json["target"] == str(tmp_path / "far/out")
        assert set(files(tmp_path / "far/out")) == EXPORTED | BESIDE

    @pytest.mark.parametrize(
        ("output", "said"),
        [
            (".", "holds the framework repository itself"),
            ("..", "holds the framework repository itself"),
            ("/", "holds the framework repository itself"),
            ("docs", "holds files that the manifest selects (docs/a.md)"),
            ("docs/deep", "holds files that the manifest selects (docs/deep/er/b.md)"),
            ("seeds", "holds files that the manifest selects (seeds/memory.md)"),
            ("docs/out", "lies in a directory that the manifest selects"),
            ("unrelated.txt", "is not a directory"),
        ],
    )
    def test_the_repository_is_not_overwritten(self, fw: Path, output: str, said: str) -> None:
        with untouched(fw.parent):
            run = export(fw, "--output", os.path.join(fw, output))
        assert run.code == 1
        assert f"{os.path.normpath(os.path.join(fw, output))}: {said}" in run.err
        assert "hint: " in run.err

    def test_an_output_that_is_excluded_may_lie_below_an_include(self, fw: Path) -> None:
        edit(fw, MANIFEST_NAME, "exclude_globs:", "exclude_paths: [docs/out]\nexclude_globs:")
        done(export(fw, "--output", fw / "docs/out"))
        assert export(fw, "--output", fw / "docs/out", "--check").code == 0

    @posix
    def test_files_in_an_earlier_export_are_kept_beside(self, fw: Path) -> None:
        done(export(fw))
        out = fw / "dist/runtime"
        mine = {"docs/a.md": "edited\n", "notes/mine.txt": "mine\n", "tools/mine.sh": "#!\n"}
        write(out, mine, executable=("tools/mine.sh",))
        run = done(export(fw))
        aside = fw / "dist/runtime.replaced"
        assert {name: data.decode() for name, data in files(aside).items()} == mine
        assert modes(aside)["tools/mine.sh"] == 0o755
        for name in mine:
            assert f"note: {name}: not what an export wrote; kept in {aside}/{name}\n" in run.err
        assert set(files(out)) == EXPORTED | BESIDE
        write(out, {"mine.txt": "again\n"})
        done(export(fw))
        assert files(fw / "dist/runtime.replaced-2") == {"mine.txt": b"again\n"}
        assert set(files(aside)) == set(mine)

    def test_where_the_index_is_damaged_every_other_file_is_kept(self, fw: Path) -> None:
        done(export(fw))
        write(fw / "dist/runtime", {INDEX_NAME: "damaged", "docs/old.md": "old\n"})
        done(export(fw))
        assert files(fw / "dist/runtime.replaced") == {"docs/old.md": b"old\n"}

    @pytest.mark.parametrize("step", ["aside", "replace"])
    def test_a_full_disk_leaves_everything_as_it_was(
        self, fw: Path, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        done(export(fw))
        write(fw / "dist/runtime", {"mine.txt": "mine\n"})
        write(fw, {"docs/a.md": "changed\n"})
        before = snapshot(fw)
        real, calls = os.write, []

        def full(descriptor: int, data: bytes) -> int:
            calls.append(data)
            if len(calls) == (1 if step == "aside" else 3):
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(descriptor, data)

        monkeypatch.setattr(os, "write", full)
        run = export(fw)
        monkeypatch.undo()
        assert run.code == 1
        assert f"{fw}/dist/runtime: cannot be written: No space left on device; " in run.err
        assert f"{fw}/dist/runtime is as it was\nhint: mend the cause" in run.err
        assert snapshot(fw) == before

    @posix
    def test_a_place_that_may_not_be_written_is_named(self, fw: Path, tmp_path: Path) -> None:
        (tmp_path / "shut").mkdir()
        with closed(tmp_path / "shut", mode=0o500):
            run = without_privileges(lambda: export(fw, "--output", tmp_path / "shut/out"))
        assert run.code == 1
        assert f"{tmp_path}/shut/" in run.err
        assert "cannot be written: Permission denied" in run.err


class TestRefusedInput:
    """What an installer would not take is not exported; the manifest's line is told."""

    def refusal(self, fw: Path, *words: str) -> str:
        with untouched(fw):
            run = export(fw, *words, "--json")
        assert run.json["error"]["hint"]
        assert run.json["result"] == "failed"
        assert run.code in (1, 5)
        return str(run.json["error"]["message"])

    @posix
    @pytest.mark.parametrize(
        ("name", "kind", "finding"),
        [
            ("docs/link", "symlink", "6: docs/link: is a symlink"),
            ("docs/fifo", "fifo", "6: docs/fifo: is a special file"),
            ("tools", "symlink", "8: tools: is a symlink"),
            ("seeds/memory.md", "symlink", "10: seeds/memory.md: is a symlink"),
        ],
    )
    def test_what_is_no_plain_file(self, fw: Path, name: str, kind: str, finding: str) -> None:
        if (fw / name).exists():
            (fw / name).rename(fw / "moved")
        if kind == "fifo":
            os.mkfifo(fw / name)
        else:
            (fw / name).symlink_to(fw / "moved")
        assert self.refusal(fw) == f"{MANIFEST_NAME}:{finding} (expected a plain file)"

    @posix
    def test_what_is_excluded_may_be_anything(self, fw: Path) -> None:
        os.mkfifo(fw / "docs/fifo.tmp")
        (fw / "docs/link.tmp").symlink_to("..")
        done(export(fw))
        assert set(files(fw / "dist/runtime")) == EXPORTED | BESIDE

    @posix
    def test_a_file_that_may_not_be_read(self, fw: Path) -> None:
        with closed(fw / "docs/a.md"), closed(fw / "docs/deep"):
            run = without_privileges(lambda: export(fw))
            excluded = without_privileges(lambda: export(fw, "--manifest", manifest(fw)))
        assert run.code == 1
        assert f"{MANIFEST_NAME}:6: docs/deep: cannot be read: Permission denied" in run.err
        assert excluded.code == 1
        assert f"{fw}/other.yaml:6: docs/a.md: Permission denied" in excluded.err
        assert "hint: make these files readable" in excluded.err
        assert not (fw / "dist").exists()

    def test_every_file_that_cannot_be_read_is_told_with_its_line(
        self, fw: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fetch = DirectoryTree.fetch

        def refuse(tree: DirectoryTree, path: str) -> Any:
            if path in ("docs/a.md", "seeds/memory.md"):
                raise PermissionError(errno.EACCES, "Permission denied")
            return fetch(tree, path)

        monkeypatch.setattr(DirectoryTree, "fetch", refuse)
        assert self.refusal(fw).splitlines() == [
            f"{MANIFEST_NAME}:6: docs/a.md: Permission denied",
            f"{MANIFEST_NAME}:10: seeds/memory.md: Permission denied",
        ]

    @pytest.mark.parametrize(
        ("name", "text", "finding"),
        [
            ("AGENTS.md", "<!-- agentrail:begin -->\n", f"{MANIFEST_NAME}:5: AGENTS.md: "),
            ("project.profile.yaml", "a: [\n", "project.profile.yaml:2:1: not valid YAML"),
            (
                "project.profile.yaml",
                "schema_version: 9.0.0\n",
                "project.profile.yaml:1:17: profile schema",
            ),
            (
                "project.profile.yaml",
                PROFILE.replace("work\n", "../work\n"),
                f"{MANIFEST_NAME}:7: project.profile.yaml: workflow.task_root: ../work: '..' is not",
            ),
            (
                "project.profile.yaml",
                PROFILE.replace("work\n", ".agentrail/state\n"),
                f"{MANIFEST_NAME}:7: project.profile.yaml: workflow.task_root: .agentrail/state: ",
            ),
        ],
    )
    def test_a_file_that_could_not_be_installed(
        self, fw: Path, name: str, text: str, finding: str
    ) -> None:
        write(fw, {name: text})
        assert self.refusal(fw).startswith(finding)

    @pytest.mark.parametrize(
        "name", [".agentrail/receipt.json", INDEX_NAME, "Known-Digests.json", "Runtime.index.JSON.sig"]
    )
    def test_a_path_of_the_installer(self, fw: Path, name: str) -> None:
        edit(fw, MANIFEST_NAME, "=> MEMORY.md", f"=> {name}")
        assert self.refusal(fw) == f"{MANIFEST_NAME}:10: {name}: belongs to the installer"

    @pytest.mark.parametrize(
        ("old", "new", "finding"),
        [
            ("- docs\n", "- dogs\n", ":6: dogs: no such file or directory"),
            ("seeds/memory.md", "seeds/x.md", ":10: seeds/x.md: no such file"),
            ("exclude_globs", "exclude", ":13: unknown key 'exclude'"),
            ("dist/runtime", "../runtime", ":2: ../runtime: '..' is not allowed"),
        ],
    )
    def test_a_manifest_that_does_not_fit(self, fw: Path, old: str, new: str, finding: str) -> None:
        edit(fw, MANIFEST_NAME, old, new)
        assert self.refusal(fw).startswith(MANIFEST_NAME + finding)

    def test_two_names_that_differ_in_case_alone(self, fw: Path) -> None:
        edit(fw, MANIFEST_NAME, "=> MEMORY.md", "=> Docs/A.md")
        assert self.refusal(fw).startswith(
            f"{MANIFEST_NAME}:6: docs/a.md: equal to Docs/A.md but for case"
        )

    def test_a_root_that_is_not_there(self, tmp_path: Path) -> None:
        run = export(tmp_path / "nowhere")
        assert run.code == 1
        assert f"{tmp_path}/nowhere: no such directory (expected a framework repository)" in run.err

    def test_a_policy_that_is_no_file(self, fw: Path) -> None:
        (fw / POLICY_NAME).mkdir()
        assert self.refusal(fw) == f"{fw}/{POLICY_NAME}: cannot be read: not a plain file"

    def test_a_policy_that_is_none(self, fw: Path) -> None:
        write(fw, {POLICY_NAME: "phase: 9\n"})
        assert f"{fw}/{POLICY_NAME}:1: phase: expected 0 to 4, got 9" in self.refusal(fw)

    def test_a_root_without_manifest(self, fw: Path) -> None:
        (fw / MANIFEST_NAME).unlink()
        assert self.refusal(fw) == (
            f"{fw}/{MANIFEST_NAME}: cannot be read: No such file or directory (expected a manifest)"
        )

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--kit", "--payload"), "--kit and --payload exclude each other"),
            (("--sign", "key", "--check"), "--sign needs a run that writes"),
            (("--sign", "key", "--dry-run"), "--sign needs a run that writes"),
            (("--release-seq", "-1"), "is not in the range x>=0"),
        ],
    )
    def test_options_that_contradict_each_other(
        self, fw: Path, words: tuple[str, ...], said: str
    ) -> None:
        run = export(fw, *words)
        assert run.code == 2
        assert said in run.err


def manifest(fw: Path) -> Path:
    """Return a manifest that leaves the directory out that cannot be read."""
    path = fw / "other.yaml"
    path.write_text(MANIFEST.replace("exclude_globs", "exclude_paths: [docs/deep]\nexclude_globs"))
    return path


class TestDeterminism:
    """The same input makes the same bytes and modes."""

    @posix
    def test_umask_locale_order_time_and_place_make_no_difference(
        self, fw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done(export(fw))
        expected = files(fw / "dist/runtime"), modes(fw / "dist/runtime")
        other = tmp_path / "仮想 place" / "deep"
        names = [*FILES]
        random.Random(1).shuffle(names)
        before = os.umask(0o077)
        try:
            write(other, {name: FILES[name] for name in names}, executable=("tools/run.sh",))
            os.utime(other / "docs/a.md", (1, 1))
            for umask, locale in ((0o000, "C"), (0o077, "ja_JP.UTF-8"), (0o002, "tr_TR.UTF-8")):
                os.umask(umask)
                output = other / f"out-{umask}"
                run = process(
                    *("export", "--root", other, "--output", output),
                    cwd=tmp_path,
                    pythonpath=PACKAGE.parent,
                    env={"LC_ALL": locale, "PYTHONHASHSEED": str(umask), "TZ": "Asia/Tokyo"},
                )
                assert run.code == 0, run.err
                assert (files(output), modes(output)) == expected
        finally:
            os.umask(before)

    def test_the_order_of_a_directory_makes_no_difference(
        self, fw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done(export(fw))
        scandir = os.scandir

        class Shuffled:
            def __init__(self, path: str) -> None:
                with scandir(path) as found:
                    self._rows = sorted(found, key=lambda row: row.name, reverse=True)

            def __enter__(self) -> Iterator[os.DirEntry[str]]:
                return iter(self._rows)

            def __exit__(self, *error: object) -> None:
                pass

        monkeypatch.setattr(os, "scandir", Shuffled)
        done(export(fw, "--output", tmp_path / "out"))
        monkeypatch.undo()
        assert files(tmp_path / "out") == files(fw / "dist/runtime")

    def test_the_bundle_of_a_bundle_with_renamed_seeds_is_that_bundle(
        self, fw: Path, tmp_path: Path
    ) -> None:
        done(export(fw))
        done(export(fw / "dist/runtime", "--output", tmp_path / "again"))
        assert files(tmp_path / "again") == files(fw / "dist/runtime")


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="keys are made by a real ssh-keygen")
class TestSignature:
    """``--sign``: a signature beside the index, as long as it is one of that index."""

    @pytest.fixture
    def key(self, tmp_path: Path) -> Path:
        """A signing key."""
        words = ("-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key")
        subprocess.run(["ssh-keygen", *words], check=True)
        return tmp_path / "key"

    def signature(self, root: Path) -> bytes | None:
        path = root / SIGNATURE_NAME
        return path.read_bytes() if path.exists() else None

    def test_it_stands_beside_the_index_and_stays_with_it(self, fw: Path, key: Path) -> None:
        run = done(export(fw, "--sign", key, "--json"))
        assert (run.json["source"]["signature"], actions(run)[SIGNATURE_NAME]) == ("valid", "create")
        made = self.signature(fw / "dist/runtime")
        assert (made or b"").startswith(b"-----BEGIN SSH SIGNATURE-----")
        with untouched(fw):
            again = done(export(fw, "--json"))
            checked = done(export(fw, "--check"))
        assert (again.json["result"], again.json["source"]["signature"]) == ("unchanged", "valid")
        assert "(11 files, signed)" in checked.out

    def test_it_goes_with_the_index_that_it_was_made_of(self, fw: Path, key: Path) -> None:
        done(export(fw, "--sign", key))
        write(fw, {"docs/a.md": "changed\n"})
        run = done(export(fw, "--json"))
        assert (run.json["source"]["signature"], actions(run)[SIGNATURE_NAME]) == ("absent", "remove")
        assert self.signature(fw / "dist/runtime") is None
        assert not (fw / "dist/runtime.replaced").exists()

    def test_a_damaged_one_is_told_and_goes(self, fw: Path, key: Path) -> None:
        done(export(fw, "--sign", key))
        write(fw / "dist/runtime", {SIGNATURE_NAME: "damaged\n"})
        run = export(fw, "--check", "--json")
        assert (run.code, run.json["error"]["paths"]) == (4, [SIGNATURE_NAME])
        done(export(fw))
        assert self.signature(fw / "dist/runtime") is None

    def test_the_copy_of_a_signed_bundle_is_signed(self, fw: Path, key: Path, tmp_path: Path) -> None:
        done(export(fw, "--sign", key))
        done(export(fw / "dist/runtime", "--output", tmp_path / "out"))
        assert files(tmp_path / "out") == files(fw / "dist/runtime")

    def test_a_key_that_cannot_sign_leaves_everything_as_it_was(self, fw: Path, tmp_path: Path) -> None:
        done(export(fw))
        write(fw, {"docs/a.md": "changed\n"})
        with untouched(fw):
            run = export(fw, "--sign", tmp_path / "nokey")
        assert run.code not in (0, 70)
        assert "nokey" in run.err
        assert "hint: " in run.err


class TestKit:
    """``--kit``: the bundle and an installer, in one directory."""

    def test_it_stands_beside_the_bundle(self, fw: Path) -> None:
        run = done(export(fw, "--kit", "--runtime-version", "2.0", "--json"))
        kit = fw / "dist/agentrail-kit-2.0"
        assert run.json["target"] == str(kit)
        assert {path.name for path in kit.iterdir()} == {
            "README.md",
            "SHA256SUMS",
            "agentrail-install.pyz",
            "runtime",
        }
        done(export(fw, "--runtime-version", "2.0"))
        assert files(kit / "runtime") == files(fw / "dist/runtime")
        with untouched(fw):
            assert export(fw, "--kit", "--runtime-version", "2.0", "--check").code == 0

    def test_what_somebody_put_into_it_is_kept(self, fw: Path) -> None:
        done(export(fw, "--kit", "--output", fw / "kit"))
        write(fw / "kit", {"runtime/docs/a.md": "edited\n", "mine.txt": "mine\n"})
        done(export(fw, "--kit", "--output", fw / "kit"))
        assert files(fw / "kit.replaced") == {"runtime/docs/a.md": b"edited\n", "mine.txt": b"mine\n"}

    def test_a_symlink_in_its_place_is_refused(self, fw: Path, tmp_path: Path) -> None:
        write(tmp_path / "mine", {"SHA256SUMS": "", "file": "mine\n"})
        (fw / "dist").mkdir()
        (fw / "dist/agentrail-kit-2.0").symlink_to(tmp_path / "mine")
        run = export(fw, "--kit", "--runtime-version", "2.0")
        assert run.code == 1
        assert f"{fw}/dist/agentrail-kit-2.0: is a symlink" in run.err
        assert set(files(tmp_path / "mine")) == {"SHA256SUMS", "file"}

    def test_a_version_that_leads_out_of_the_repository_is_refused(self, tmp_path: Path) -> None:
        bundle = shipped_copy(tmp_path / "bundle")
        index = json.loads((bundle / INDEX_NAME).read_bytes())
        (bundle / INDEX_NAME).write_text(json.dumps({**index, "runtime_version": "../../../out"}))
        before = sorted(os.listdir(tmp_path))
        run = export(bundle, "--kit")
        assert run.code == 2
        assert "../../../out: no version (PEP 440)" in run.err
        assert sorted(os.listdir(tmp_path)) == before
