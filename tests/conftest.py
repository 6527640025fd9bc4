"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import make_repo


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A git repository with somebody's README, AGENTS.md, CLAUDE.md, .gitignore and source."""
    return make_repo(tmp_path / "repo")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's own settings out of the tests."""
    ours = [name for name in os.environ if name.startswith("AGENTRAIL_")]
    for name in (*ours, "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
