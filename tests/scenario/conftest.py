"""Fixtures for the stories."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenario.story import BASE, NEXT, guide, shipped_copy


@pytest.fixture(params=["package", "copy"])
def route(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str | Path, ...]:
    """The options of each route, for the same bundle."""
    if request.param == "package":
        return ("--source", "package")
    return ("--source", "copy", "--runtime-dir", shipped_copy(tmp_path / "dist" / "runtime"))


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    """A bundle of version 1.0.0 with one guide."""
    return guide(tmp_path / "v1", BASE)


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    """A bundle of version 1.1.0 with the guide changed in its last line."""
    return guide(tmp_path / "v2", NEXT, "1.1.0", release_seq=2)
