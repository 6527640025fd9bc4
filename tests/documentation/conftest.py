"""Fixtures for the documentation tests."""

from __future__ import annotations

import pytest

from tests.packaging import support


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> support.Environment:
    """A fresh environment that holds the wheel."""
    return support.installed(tmp_path_factory)
