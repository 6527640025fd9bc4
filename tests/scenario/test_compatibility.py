"""An install accepts what the policy's matrix vouches for, and nothing beyond it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from agentrail_runtime import compatibility
from agentrail_runtime.entry import POLICY_NAME
from tests.scenario.story import agentrail, install
from tests.support import PAYLOAD, snapshot, write

NAME = "project.profile.yaml"
RECEIPT = ".agentrail/receipt.json"


def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *edits: tuple[str, str]) -> None:
    """Export the shipped payload under an edited policy, where the copy route looks for it."""
    root = tmp_path / "framework"
    shutil.copytree(PAYLOAD, root)
    text = (root / POLICY_NAME).read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    (root / POLICY_NAME).write_text(text, encoding="utf-8", newline="\n")
    assert agentrail("export", "--root", root, "--output", tmp_path / "dist/runtime").code == 0
    monkeypatch.chdir(tmp_path)


def runs_on(python: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the compatibility check believe that another Python runs it."""
    other = SimpleNamespace(version_info=python, executable=sys.executable)
    monkeypatch.setattr(compatibility, "sys", other)


def copy(repo: Path, *words: str) -> tuple[int, str]:
    """Install by the copy route; return the exit code and what went to stderr."""
    run = install(repo, "--source", "copy", *words)
    return run.code, run.err


def newer_profile(repo: Path) -> None:
    """Put a profile of schema 2.1.0 there."""
    text = (PAYLOAD / NAME).read_text(encoding="utf-8").replace('"2.0.0"', '"2.1.0"')
    write(repo, {NAME: text.replace(".agentrail/work", "work")})


def test_a_newer_profile_is_accepted_where_the_policy_says_so(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(tmp_path, monkeypatch)
    newer_profile(repo)
    assert copy(repo)[0] == 0


def test_a_newer_profile_is_refused_where_the_policy_does_not_say_so(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(tmp_path, monkeypatch, ('profile: ">=2.0,<3.0"', 'profile: ">=2.0,<2.1"'))
    newer_profile(repo)
    before = snapshot(repo, with_state=True)
    code, err = copy(repo)
    assert code == 5
    assert "profile schema not supported (expected 2.0.0, got 2.1.0)" in err
    assert snapshot(repo, with_state=True) == before


@pytest.mark.parametrize("python", [(3, 9, 2), (3, 15, 0)])
def test_a_python_that_the_policy_leaves_out_is_refused(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: tuple[int, int, int]
) -> None:
    bundle(tmp_path, monkeypatch, ('python: ">=3.10"', 'python: ">=3.10,<3.15"'))
    runs_on(python, monkeypatch)
    before = snapshot(repo, with_state=True)
    code, err = copy(repo)
    assert code == 5
    version = ".".join(map(str, python))
    assert f"{sys.executable}: Python not supported (expected >=3.10,<3.15, got {version})" in err
    assert snapshot(repo, with_state=True) == before


def test_a_python_that_nobody_has_tested_is_accepted_where_the_policy_says_so(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(tmp_path, monkeypatch)
    runs_on((3, 99, 0), monkeypatch)
    assert copy(repo)[0] == 0


def test_a_receipt_that_the_policy_leaves_out_is_refused(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(tmp_path, monkeypatch, ('receipt: ">=1.0,<2.0"', 'receipt: ">=1.0,<1.4"'))
    assert copy(repo)[0] == 0
    text = (repo / RECEIPT).read_text(encoding="utf-8")
    write(repo, {RECEIPT: text.replace('"schema_version": "1.0"', '"schema_version": "1.4"')})
    before = snapshot(repo, with_state=True)
    code, err = copy(repo)
    assert code == 5
    said = "receipt schema not supported by runtime 1.0.0 (expected >=1.0,<1.4, got 1.4)"
    assert err.startswith(f"{RECEIPT}: {said}\nhint: upgrade the installer")
    assert snapshot(repo, with_state=True) == before


def test_a_receipt_of_a_newer_minor_schema_is_accepted(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(tmp_path, monkeypatch)
    copy(repo)
    text = (repo / RECEIPT).read_text(encoding="utf-8")
    write(repo, {RECEIPT: text.replace('"schema_version": "1.0"', '"schema_version": "1.3"')})
    assert copy(repo)[0] == 0
