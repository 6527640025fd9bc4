"""Fixtures of the crash tests."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

import pytest

from agentrail_runtime.target import Target
from tests.crash.support import Story, tell


@pytest.fixture(scope="session")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Story]:
    """Return a story by its name; each is made once."""

    @functools.cache
    def story(name: str) -> Story:
        return tell(tmp_path_factory.mktemp(name), name)

    return story


@pytest.fixture
def without_dir_fd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the product take the way of a platform that opens no files relative to a directory."""
    monkeypatch.setattr(Target.__init__, "__kwdefaults__", {"use_dir_fd": False})


@pytest.fixture(autouse=True)
def _without_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what only a power failure would show: processes are killed here, not machines."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
