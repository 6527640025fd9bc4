"""Fixtures of the crash tests."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import tests.support
from agentrail_runtime import source
from agentrail_runtime.target import Target
from agentrail_runtime.tree import DirectoryTree
from tests.crash.support import Story, make_small_payload, tell


@pytest.fixture(scope="session")
def small_payload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A payload with a few files of each ownership class, so that every call of a run can be struck."""
    return make_small_payload(tmp_path_factory.mktemp("small") / "payload")


@pytest.fixture(scope="session")
def _small_stories(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Story]:
    return functools.cache(lambda name: tell(tmp_path_factory.mktemp(name), name))


@pytest.fixture
def stories(
    monkeypatch: pytest.MonkeyPatch, small_payload: Path, _small_stories: Callable[[str], Story]
) -> Callable[[str], Story]:
    """Return a story by its name, each made once; the package carries the small payload meanwhile."""
    monkeypatch.setattr(source, "package_tree", lambda: DirectoryTree(str(small_payload)))
    monkeypatch.setattr(tests.support, "PAYLOAD", small_payload)
    return _small_stories


@pytest.fixture(scope="session")
def shipped_stories(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Story]:
    """Return a story by its name, with the payload that ships."""
    return functools.cache(lambda name: tell(tmp_path_factory.mktemp(f"shipped-{name}"), name))


@pytest.fixture
def without_dir_fd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the product take the way of a platform that opens no files relative to a directory."""
    monkeypatch.setattr(Target.__init__, "__kwdefaults__", {"use_dir_fd": False})


@pytest.fixture(autouse=True)
def _without_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what only a power failure would show: processes are killed here, not machines."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
