"""Strikes at real system calls, by strace: killed, failed, interrupted, slowed down."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.fault import slow, strace, strike
from tests.fault.choice import Choice
from tests.fault.result import Try
from tests.fault.scenario import NAMES, Scenarios

pytestmark = pytest.mark.skipif(bool(strace.problem()), reason=strace.problem() or "strace works")


def broken(found: Iterable[Try]) -> list[Try]:
    """Return the tries that were not survived; there must have been some tries."""
    tries = [*found]
    assert tries
    return [one for one in tries if one.problem]


@pytest.mark.parametrize("name", ["upgrade", "recovery, late"])
def test_a_kill_at_a_system_call_leaves_the_old_tree_or_the_new_one(
    scenarios: Scenarios, place: Path, name: str
) -> None:
    tries = strike.kills(scenarios.get(name), strike.Bench(place), Choice(limit=3))
    assert broken(tries) == []


def test_a_system_call_that_fails_leaves_the_old_tree(scenarios: Scenarios, place: Path) -> None:
    tries = strike.errors(scenarios.get("rollback"), strike.Bench(place), Choice(limit=4))
    assert broken(tries) == []


def test_a_slow_disk_loses_nothing_and_lets_nobody_in(scenarios: Scenarios, place: Path) -> None:
    tries = slow.slowness(scenarios.get("upgrade"), strike.Bench(place), Choice(limit=2))
    assert broken(tries) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_kill_at_many_system_calls_leaves_the_old_tree_or_the_new_one(
    scenarios: Scenarios, place: Path, name: str
) -> None:
    tries = strike.kills(scenarios.get(name), strike.Bench(place), Choice(limit=4))
    assert broken(tries) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nothing", "overwrite", "recovery, late"])
def test_a_signal_at_a_system_call_leaves_the_old_tree_or_the_new_one(
    scenarios: Scenarios, place: Path, name: str
) -> None:
    tries = strike.signals(scenarios.get(name), strike.Bench(place), Choice(limit=3))
    assert broken(tries) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fresh", "upgrade", "merge", "uninstall", "recovery of rollback"])
def test_many_system_calls_that_fail_leave_the_old_tree(
    scenarios: Scenarios, place: Path, name: str
) -> None:
    tries = strike.errors(scenarios.get(name), strike.Bench(place), Choice(limit=5))
    assert broken(tries) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rollback", "recovery, late"])
def test_a_slow_disk_loses_nothing_whatever_is_run(
    scenarios: Scenarios, place: Path, name: str
) -> None:
    tries = slow.slowness(scenarios.get(name), strike.Bench(place), Choice(limit=4))
    assert broken(tries) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["upgrade"])
def test_a_whole_process_that_is_killed_leaves_the_old_tree_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HOME", f"{tmp_path}/scratch/home")
    scenario = Scenarios(tmp_path / "stories").get(name)
    tries = strike.whole_kills(scenario, strike.Bench(tmp_path, is_whole=True), Choice(limit=2))
    assert broken(tries) == []
