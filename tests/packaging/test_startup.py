"""What a run that changes nothing must not load: every import is time that the user waits."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.packaging.support import ROOT, run
from tests.support import install

SLOW_TO_IMPORT = {
    "asyncio",
    "dataclasses",
    "difflib",
    "filelock",
    "importlib.metadata",
    "importlib.resources",
    "importlib_resources",
    "packaging",
    "subprocess",
    "tempfile",
    "yaml",
}


def loaded(*words: str | Path) -> set[str]:
    """Return the modules that an interpreter loads."""
    place = {"PYTHONPATH": str(ROOT)}
    done = run(sys.executable, "-X", "importtime", *words, cwd=ROOT.parent, env=place)
    assert done.code == 0, done.err
    return {line.rpartition("|")[2].strip() for line in done.err.splitlines() if "|" in line}


@pytest.mark.parametrize("command", ["install", "verify"])
def test_a_run_that_changes_nothing_loads_nothing_slow(repo: Path, command: str) -> None:
    install(repo)
    ours = loaded("-m", "agentrail_runtime", command, repo) - loaded("-c", "import click")
    assert "agentrail_runtime.planner" in ours
    assert ours & SLOW_TO_IMPORT == set()
