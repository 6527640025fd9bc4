"""Fixtures of the power-loss tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.powerloss.scene import Camera, fast
from tests.powerloss.trace import obstacle


@pytest.fixture(scope="session")
def recordable() -> None:
    """Skip where no command can be recorded."""
    if reason := obstacle():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def camera(recordable: None) -> Iterator[Camera]:
    """Records scenes, each once in a session."""
    directory = Path(tempfile.mkdtemp(prefix="agentrail-powerloss-", dir=fast()))
    yield Camera(directory)
    shutil.rmtree(directory)
