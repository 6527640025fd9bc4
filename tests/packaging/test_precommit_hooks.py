"""The hooks that this repository offers to pre-commit."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from agentrail_runtime.cli.main import agentrail
from tests.packaging.support import ROOT, run

MANIFEST = ROOT / ".pre-commit-hooks.yaml"
HOOKS: list[dict[str, Any]] = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))


def test_pre_commit_accepts_the_manifest(tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "pre_commit", "validate-manifest", MANIFEST, cwd=tmp_path)
    assert done.code == 0, done.out + done.err


def test_pre_commit_would_say_what_is_wrong_with_a_manifest(tmp_path: Path) -> None:
    wrong = tmp_path / "hooks.yaml"
    wrong.write_text(MANIFEST.read_text(encoding="utf-8").replace("language: python", "language: ada"))
    done = run(sys.executable, "-m", "pre_commit", "validate-manifest", wrong, cwd=tmp_path)
    assert (done.code, "language" in done.out) == (1, True)


def test_it_offers_the_check_and_the_comparison() -> None:
    entries = {hook["id"]: hook["entry"] for hook in HOOKS}
    assert entries == {"agentrail-check": "agentrail check", "agentrail-verify": "agentrail verify"}


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_a_hook_runs_a_command_on_the_whole_repository(hook: dict[str, Any]) -> None:
    program, name = shlex.split(hook["entry"])
    assert program == "agentrail"
    command = agentrail.get_command(click.Context(agentrail), name)
    assert command is not None
    assert [word.required for word in command.params] == [False] * len(command.params)
    assert (hook["language"], hook["pass_filenames"], hook["always_run"]) == ("python", False, True)
