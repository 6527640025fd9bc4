"""Exceptions at the engine's calls, of more kinds and in more scenarios than the crash tests have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fault import exception
from tests.fault.choice import Choice
from tests.fault.scenario import Scenarios
from tests.fault.test_strike import broken


def test_an_exception_at_a_call_leaves_the_old_tree_or_the_new_one(
    scenarios: Scenarios, place: Path
) -> None:
    tries = exception.exceptions(scenarios.get("overwrite"), place / "scratch", Choice(limit=6))
    assert broken(tries) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nothing", "merge", "rollback", "recovery of uninstall"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a run is killed in a forked child")
def test_exceptions_at_many_calls_leave_the_old_tree_or_the_new_one(
    scenarios: Scenarios, place: Path, name: str
) -> None:
    tries = exception.exceptions(scenarios.get(name), place / "scratch", Choice(limit=12))
    assert broken(tries) == []
