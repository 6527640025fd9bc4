"""The package and an export of it, into equal repositories: nobody can tell afterwards which it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agentrail_runtime import source
from agentrail_runtime.entry import MANIFEST_NAME
from agentrail_runtime.tree import DirectoryTree
from tests.scenario.story import agentrail, install, receipt
from tests.support import PAYLOAD, Run, make_repo, snapshot, write

GONE = "docs/templates/gone.md"
TOOL = "tools/runtime/tool.sh"
SPEC, PLAN, ADR = (f"docs/templates/{name}.md" for name in ("spec", "plan", "adr"))
RECEIPT = ".agentrail/receipt.json"


class Release(NamedTuple):
    """A release, as a package carries it and as it was exported from there."""

    payload: Path
    bundle: Path


def release(root: Path, files: dict[str, str], version: str, sequence: int) -> Release:
    """Return a release of the framework that ships, with other texts in some files."""
    framework, payload, bundle = root / "framework", root / "payload", root / "dist" / "runtime"
    shutil.copytree(PAYLOAD, framework)
    write(framework, files, executable=(TOOL,))
    said = ("--runtime-version", version, "--release-seq", str(sequence))
    for output in (payload, bundle):
        run = agentrail("export", "--root", framework, "--output", output, "-q", *said)
        assert (run.code, run.err) == (0, "")
    return Release(payload, bundle)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Release]:
    """The release before this one, and one that changes, adds and removes files."""
    root = tmp_path_factory.mktemp("releases")
    old = {GONE: "gone\n", SPEC: "old\n", "AGENTS.md": "old rules\n", TOOL: "#!/bin/sh\n"}
    new = {"docs/operations/new.md": "new\n", TOOL: "#!/bin/sh\nexit\n", "CLAUDE.md": "new rules\n"}
    return {
        "old": release(root / "old", old, "0.9.0", 0),
        "new": release(root / "new", new, "1.1.0", 2),
    }


@pytest.fixture
def repos(tmp_path: Path) -> dict[str, Path]:
    """Two equal repositories."""
    return {route: make_repo(tmp_path / route) for route in ("package", "copy")}


@pytest.fixture
def bring(
    repos: dict[str, Path], releases: dict[str, Release], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[Run]]:
    """Return a function that installs a release into both, each by its route."""

    def both(name: str, *words: str) -> list[Run]:
        made = releases[name]
        monkeypatch.setattr(source, "package_tree", lambda: DirectoryTree(str(made.payload)))
        runs = [
            install(repos["package"], "--json", "--source", "package", *words),
            install(repos["copy"], "--json", *words, bundle=made.bundle),
        ]
        assert [(run.code, run.json["source"]["kind"]) for run in runs] == [(0, "package"), (0, "copy")]
        return runs

    return both


def assert_equal(repos: dict[str, Path]) -> None:
    """Make sure that the repositories are equal, their receipts but for the route."""
    ours, theirs = receipt(repos["package"]), receipt(repos["copy"])
    assert (ours["source"].pop("kind"), theirs["source"].pop("kind")) == ("package", "copy")
    assert ours == theirs
    trees = [snapshot(repo) for repo in repos.values()]
    modes = [tree.pop(RECEIPT).mode for tree in trees]
    assert modes[0] == modes[1]
    assert trees[0] == trees[1]
    assert [agentrail("verify", repo).code for repo in repos.values()] == [0, 0]


def told(run: Run) -> Any:
    """Return what a run says of the files."""
    return run.json["actions"], run.json["summary"], run.json["source"]["digest"]


def test_a_package_and_its_export_are_the_same_bundle(releases: dict[str, Release]) -> None:
    for made in releases.values():
        assert snapshot(made.payload) == snapshot(made.bundle)


def test_the_payload_that_ships_and_its_export_are_the_same_bundle(tmp_path: Path) -> None:
    assert agentrail("export", "--output", tmp_path / "b", "-q").code == 0
    exported, shipped = snapshot(tmp_path / "b"), snapshot(PAYLOAD)
    assert {name: node.content for name, node in exported.items()} == {
        name: node.content for name, node in shipped.items()
    }


def test_a_fresh_install(repos: dict[str, Path], bring: Callable[..., list[Run]]) -> None:
    ours, theirs = bring("new")
    assert told(ours) == told(theirs)
    assert_equal(repos)
    assert os.access(repos["copy"] / TOOL, os.X_OK)
    assert not (repos["copy"] / MANIFEST_NAME).exists()


def test_an_upgrade(repos: dict[str, Path], bring: Callable[..., list[Run]]) -> None:
    bring("old")
    assert_equal(repos)
    for repo in repos.values():
        write(repo, {"MEMORY.md": "mine\n", PLAN: "mine\n"})
    ours, theirs = bring("new")
    assert told(ours) == told(theirs)
    for repo in repos.values():
        assert not (repo / GONE).exists()
        assert (repo / PLAN).read_text() == "mine\n"
        (repo / PLAN).write_bytes((PAYLOAD / PLAN).read_bytes())
    assert_equal(repos)


@pytest.mark.parametrize("words", [("--on-conflict", "overwrite"), ("--force",)])
def test_a_repair(
    repos: dict[str, Path], bring: Callable[..., list[Run]], words: tuple[str, ...]
) -> None:
    bring("new")
    for repo in repos.values():
        write(repo, {SPEC: "mine\n", "tools/mine.txt": "mine\n"})
        (repo / ADR).unlink()
        (repo / TOOL).chmod(0o644)
        shutil.rmtree(repo / ".agents")
    ours, theirs = bring("new", *words)
    assert told(ours) == told(theirs)
    assert_equal(repos)
    assert (repos["copy"] / SPEC).read_bytes() == (PAYLOAD / SPEC).read_bytes()
    assert (repos["copy"] / ADR).read_bytes() == (PAYLOAD / ADR).read_bytes()


def test_a_rollback_and_an_uninstall(repos: dict[str, Path], bring: Callable[..., list[Run]]) -> None:
    before = snapshot(repos["package"])
    bring("old")
    bring("new")
    for repo in repos.values():
        assert agentrail("rollback", repo).code == 0
    assert_equal(repos)
    for repo in repos.values():
        assert agentrail("uninstall", repo).code == 0
        assert snapshot(repo) == before


def test_a_dry_run_says_the_same_of_both(
    repos: dict[str, Path], bring: Callable[..., list[Run]]
) -> None:
    bring("old")
    planned = [told(run) for run in bring("new", "--dry-run")]
    assert planned == [told(run) for run in bring("new")]
    assert planned[0] == planned[1]
