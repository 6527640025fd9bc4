"""Fixtures for the packaging tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging import support
from tests.packaging.support import Distributions, Environment


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The wheel and the source distribution."""
    return support.distributions(tmp_path_factory)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The same, built without isolation: a build to compare others with."""
    return support.built(tmp_path_factory)


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel beside those of everything it needs."""
    return support.wheelhouse(tmp_path_factory)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment that holds the wheel."""
    return support.installed(tmp_path_factory)
