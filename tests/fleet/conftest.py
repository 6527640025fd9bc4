"""Fixtures for the tests of fleets."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fleet import support
from tests.fleet.support import Fleet, Releases


@pytest.fixture
def fleet(tmp_path: Path) -> Callable[[int], Fleet]:
    """Make so many hosts, of which each has a repository at an older version."""
    return lambda count: Fleet(tmp_path, count)


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port of this machine at which nobody answers, for as long as the test runs."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """Two versions of the runtime, and what they need."""
    return support.releases(tmp_path_factory)
