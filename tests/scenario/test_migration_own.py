"""The migration of this very project, and the evidence that takes real installs."""

from __future__ import annotations

import shutil
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest

from agentrail_runtime import history, source
from agentrail_runtime.operation import evidence as evidence_
from agentrail_runtime.operation.evidence import Site
from agentrail_runtime.policy_file import find
from agentrail_runtime.release.phase import Verdict
from tests.scenario.migrating import (
    MANIFEST,
    conditions,
    evidence,
    make_framework,
    make_payload,
    make_wheel,
)
from tests.scenario.story import PACKAGE, agentrail
from tests.support import git, write

ROUTES = "both-routes"
REQUEST = evidence_.Request("2.0.0", date(2027, 1, 1), Verdict(True, "it passed"))


@pytest.fixture(scope="module")
def beacon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_framework(tmp_path_factory.mktemp("own") / "beacon")


@pytest.fixture(scope="module")
def payload_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_payload(tmp_path_factory.mktemp("own") / "tree")


@pytest.fixture
def tree(payload_tree: Path, tmp_path: Path) -> Path:
    """A source tree of this package, just its payload, with a place for wheels."""
    root = Path(shutil.copytree(payload_tree, tmp_path / "tree"))
    (root / "dist").mkdir()
    return root


def site(root: Path) -> Site:
    policy, path = find(None, str(root))
    assert path is not None
    return Site(str(root), str(Path(path).parent), policy, path)


def test_the_shipped_policy_says_what_is_still_owed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    payload = tree / "agentrail_runtime/payload"
    make_wheel(tree / "dist/a.whl", payload / "runtime.index.json", "agentrail_runtime")
    run = agentrail("migration", "check", "--as-of", "2026-06-01T00:00:00Z", "--json")
    assert run.code == 4
    assert run.json["unmet"] == [
        "owners-named",
        "publishing-destination",
        "manifest-stable",
        "gate-general",
    ]
    assert "signing: no backup" in evidence(run, "owners-named")
    assert evidence(run, "manifest-stable") == "the export's check passes at 1 of 5 commits"
    assert run.json["findings"] == []


def test_a_wheel_with_another_index_than_the_payloads_is_no_proof(tree: Path, tmp_path: Path) -> None:
    payload = tree / "agentrail_runtime/payload"
    index = tmp_path / "index.json"
    index.write_bytes((payload / "runtime.index.json").read_bytes() + b"\n")
    make_wheel(tree / "dist/a.whl", index, "agentrail_runtime")
    verdict = evidence_.package(site(tree), None)
    assert verdict.is_met is False
    assert "a.whl: carries sha256:" in verdict.text


def test_a_payload_that_was_altered_is_no_proof(tree: Path) -> None:
    write(tree / "agentrail_runtime/payload", {"AGENTS.md": "altered"})
    run = agentrail("migration", "status", "--quick", "--json", tree)
    assert conditions(run)["package-proof"] == "fail"
    assert "AGENTS.md: altered" in evidence(run, "package-proof")


def test_this_package_names_no_place_of_records(tree: Path) -> None:
    code = shutil.ignore_patterns("payload", "__pycache__")
    shutil.copytree(PACKAGE, tree / "agentrail_runtime", ignore=code, dirs_exist_ok=True)
    verdict = evidence_.profile_paths(site(tree))
    assert verdict.is_met, verdict.text


def test_code_of_the_package_that_names_one_is_found(tree: Path) -> None:
    write(tree / "agentrail_runtime", {"__init__.py": "", "new.py": "ROOT = '.agentrail/work'\n"})
    verdict = evidence_.profile_paths(site(tree))
    assert verdict == (False, "agentrail_runtime/new.py:1: '.agentrail/work'")


@pytest.mark.parametrize(
    ("method", "why"),
    [(zipfile.ZIP_DEFLATED, ""), (zipfile.ZIP_LZMA, "damaged: compressed by another method")],
)
def test_a_wheel_may_be_deflated_and_nothing_else(tree: Path, method: int, why: str) -> None:
    payload = tree / "agentrail_runtime/payload"
    with zipfile.ZipFile(tree / "dist/a.whl", "w", method) as archive:
        archive.write(payload / "runtime.index.json", "agentrail_runtime/payload/runtime.index.json")
    verdict = evidence_.package(site(tree), None)
    assert verdict.is_met is not bool(why)
    assert why in verdict.text


# --- both routes, by real installs -------------------------------------------------------------------


def test_both_routes_are_really_taken(beacon: Path) -> None:
    run = agentrail("migration", "status", "--json", beacon)
    assert (conditions(run)[ROUTES], evidence(run, ROUTES)) == ("pass", "8 files, equal by both routes")


def test_routes_that_differ_are_told_by_file(beacon: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def install(place: str, kind: str) -> str:
        receipt = f'{{"source": {{"kind": "{kind}"}}}}'
        write(Path(place) / kind, {"a.md": kind, "b.md": "b", ".agentrail/receipt.json": receipt})
        write(Path(place) / kind, {".agentrail/state/lock": kind})
        return ""

    monkeypatch.setattr(evidence_, "_install", install)
    assert evidence_.routes(site(beacon), "1.0.0").text == "differ: a.md"


def test_a_route_that_fails_is_told_with_its_error(beacon: Path, tmp_path: Path) -> None:
    policy = (beacon / "distribution.yaml").read_text(encoding="utf-8")
    root = Path(shutil.copytree(beacon, tmp_path / "beacon"))
    text = policy.replace("phase: 3\n", "phase: 4\n")
    (root / "distribution.yaml").write_text(text, encoding="utf-8", newline="")
    verdict = evidence_.routes(site(root), "1.0.0")
    assert verdict.text.startswith("by copy: exit 6: the copy route was removed")


def test_a_program_that_cannot_be_run_is_told(
    beacon: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert (
        evidence_.routes(site(beacon), "1.0.0").text == "by package: cannot be run: FileNotFoundError"
    )


def test_a_kit_cannot_tell(beacon: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "__file__", str(tmp_path / "kit.pyz/agentrail_runtime/source.py"))
    assert evidence_.routes(site(beacon), "1.0.0").text == "cannot be told from a kit"


# --- commits, read from git --------------------------------------------------------------------------


@pytest.fixture
def commit(tmp_path: Path) -> history.CommitTree:
    """A commit with a plain, an executable and a Japanese file, a link and a submodule."""
    root = tmp_path / "repo"
    write(root, {"a.md": "a\n", "run.sh": "run\n", "文書.md": "b\n"}, executable=("run.sh",))
    git(tmp_path, "init", "-q", str(root))
    (root / "link").symlink_to("a.md")
    git(root, "add", "-A")
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    git(root, "commit", "-q", "-m", "all")
    return history.CommitTree(str(root), history.commits(str(root), 1)[0], {})


def test_a_commit_is_read_as_a_tree_of_files(commit: history.CommitTree) -> None:
    assert dict(commit.walk()) == {
        "a.md": "",
        "link": "is a symlink",
        "module": "is a submodule",
        "run.sh": "",
        "文書.md": "",
    }
    assert commit.fetch("文書.md").data == b"b\n"
    assert commit.fetch("run.sh") == (b"run\n", 0o755)


@pytest.mark.parametrize("path", ["none", "link", "module"])
def test_what_is_no_file_of_a_commit_is_an_error(commit: history.CommitTree, path: str) -> None:
    with pytest.raises(OSError, match=r"no such file|not a plain file"):
        commit.fetch(path)


def test_many_files_of_a_commit_are_read_at_once(commit: history.CommitTree) -> None:
    commit.load(["a.md", "run.sh", "none", "module"])
    shutil.rmtree(Path(commit._directory))
    commit.load(["a.md"])
    assert commit.fetch("a.md").data == b"a\n"
    with pytest.raises(OSError, match="git does not have it"):
        commit.fetch("文書.md")


def test_more_than_fits_in_memory_is_not_read(
    commit: history.CommitTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_MAX_BYTES", 3)
    with pytest.raises(OSError, match="more than 0 MB"):
        commit.load(["a.md", "文書.md"])


def test_a_repository_too_large_to_be_read_is_no_proof(
    beacon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_MAX_BYTES", 3)
    verdict = evidence_.stable_manifest(site(beacon))
    assert verdict.is_met is False
    assert "more than 0 MB" in verdict.text


def test_files_too_large_to_be_read_from_git_prove_nothing(
    beacon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_MAX_BYTES", len(MANIFEST.encode()))
    monkeypatch.setattr(evidence_, "routes", lambda site, version: Verdict(True, "equal"))
    verdict = evidence_.gather(site(beacon), REQUEST).manifest
    assert verdict == (None, "a file: more than 0 MB")


def test_a_file_that_git_lost_is_an_error(commit: history.CommitTree) -> None:
    root = Path(commit._directory)
    blob = git(root, "hash-object", "a.md").strip()
    (root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(OSError, match="git does not have it"):
        commit.fetch("a.md")
