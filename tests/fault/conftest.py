"""Fixtures of the fault tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.__main__ import memory
from tests.fault.scenario import Scenarios, secluded, small_package


@pytest.fixture(scope="session")
def _small() -> Iterator[Path]:
    """A directory for scenarios with a small payload; in memory where possible, for no power fails."""
    place = Path(tempfile.mkdtemp(prefix="agentrail-fault-", dir=memory()))
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def _known(_small: Path) -> Scenarios:
    return Scenarios(_small / "stories")


@pytest.fixture
def place(_small: Path) -> Iterator[Path]:
    """A directory for a test; below it, ``scratch`` is where targets are made."""
    place = Path(tempfile.mkdtemp(dir=_small))
    (place / "scratch").mkdir()
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def scenarios(_small: Path, _known: Scenarios, place: Path) -> Iterator[Scenarios]:
    """The scenarios by name, each made once; the package carries a small payload meanwhile."""
    with small_package(_small), secluded(place / "scratch"):
        yield _known
