"""What the faults of this directory found, each as small as it gets."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.crash.support import FaultyOs, commit, kill_before, run_in_child, standing, struck
from tests.fault import closed, judge
from tests.fault.scenario import STATE, Scenarios
from tests.support import agentrail

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows forks no process")


def leftovers(root: Path) -> list[str]:
    """Return what is left in the state directory that nobody needs."""
    names = ("*/new", "*/journal")
    found = [path for name in names for path in (root / STATE / "stash").glob(name)]
    found += [root / STATE / name for name in (".stat-cache.new", "lock", "journal")]
    return [path.name for path in found if path.exists()]


def fail_after(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> None:
    """Make the call, and say that it failed: a descriptor is closed whatever close(2) returns."""
    call()
    raise OSError(errno.EIO, "Input/output error")


def test_a_run_killed_right_after_its_commit_leaves_no_staging_directory(
    scenarios: Scenarios, place: Path
) -> None:
    upgrade = scenarios.get("upgrade")
    at = commit(upgrade.story, place) + 1
    with upgrade.told(place / "scratch") as root:
        run_in_child(lambda: upgrade.run(root), FaultyOs(at, kill_before))
        agentrail("verify", root)
        assert (standing(upgrade.story, root), leftovers(root)) == ("new", [])


def test_a_descriptor_that_fails_to_close_after_the_commit_is_no_failure(
    scenarios: Scenarios, place: Path
) -> None:
    """On a network file system, close(2) tells of what could not be written, such as the lock's pid."""
    upgrade, names, wrong = scenarios.get("upgrade"), frozenset({"close"}), {}
    for at in range(upgrade.story.calls(place, names), 0, -5):
        with upgrade.told(place / "scratch") as root:
            with struck(FaultyOs(at, fail_after, names=names)):
                done = upgrade.run(root)
            how = (done.code, standing(upgrade.story, root))
            if how not in {(0, "new"), (1, "old"), (6, "old")}:
                wrong[at] = how
    assert wrong == {}


def test_a_descriptor_that_fails_to_close_during_a_recovery_is_no_bug(
    scenarios: Scenarios, place: Path
) -> None:
    recovery, names, found = scenarios.get("recovery, late"), frozenset({"close"}), {}
    faults = FaultyOs(names=names)
    with recovery.told(place / "scratch") as root, struck(faults):
        recovery.run(root)
    for at in range(len(faults.calls), 0, -7):
        strike = struck(FaultyOs(at, fail_after, names=names))
        with recovery.told(place / "scratch") as root, strike:
            found[at] = recovery.run(root).code
    assert 70 not in found.values()


def unreadable_once(at: int) -> FaultyOs:
    """Return what lets the opening of a record fail for the time of that number, and no other."""
    opened: list[int] = []

    def fail_once(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> Any:
        opened.extend([at] * (arguments[0] == "record"))
        if arguments[0] == "record" and len(opened) == at:
            raise OSError(errno.EMFILE, "Too many open files")
        return call()

    return FaultyOs(1, fail_once, names=frozenset({"open"}), is_lasting=True)


@pytest.mark.parametrize(
    ("name", "done", "refused"),
    [
        ("upgrade", ["000002", "000001"], ["000001"]),
        ("rollback", ["000001"], ["000002", "000001"]),
    ],
)
def test_what_was_rolled_back_is_not_offered_again_after_a_record_could_not_be_read_for_once(
    scenarios: Scenarios, place: Path, name: str, done: list[str], refused: list[str]
) -> None:
    found = {}
    for at in range(1, 9):
        with scenarios.get(name).told(place / "scratch") as root:
            with struck(unreadable_once(at)):
                code = scenarios.get(name).run(root).code
            listed = agentrail("rollback", "--list", "--format", "text", root).out
            found[at] = (code, [line.split()[0][:6] for line in listed.splitlines()])
    assert {*map(str, found.values())} == {str((0, done)), str((1, refused))}, found


def test_an_uninstall_that_cannot_read_a_record_for_once_leaves_nothing_that_stays_for_ever(
    scenarios: Scenarios, place: Path
) -> None:
    """Such as a file to ignore, and a stash, of which no command knew any more."""
    uninstall, scratch, found = scenarios.get("uninstall"), place / "scratch", {}
    for at in range(1, 9):
        with uninstall.told(scratch) as root:
            outside = uninstall.around(scratch)
            with struck(unreadable_once(at)):
                done = uninstall.run(root)
            found[at] = judge.after_failure(uninstall, scratch, outside, done, {1})
    assert {*found.values()} == {""}, found


def test_ctrl_c_at_the_end_of_a_recovery_leaves_no_directory_behind(
    scenarios: Scenarios, place: Path
) -> None:
    recovery, names = scenarios.get("recovery of fresh"), frozenset({"rmdir"})

    def press(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> Any:
        if arguments[0] == "stash":
            raise KeyboardInterrupt
        return call()

    with recovery.told(place / "scratch") as root:
        with struck(FaultyOs(1, press, names=names, is_lasting=True)):
            assert recovery.run(root).code == 130
        agentrail("verify", root)
        assert not (root / ".agentrail").exists()


@pytest.mark.parametrize("obstacle", closed.ACROSS, ids=lambda obstacle: obstacle.name)
@pytest.mark.parametrize(
    ("name", "path"),
    [("upgrade", "docs/operations"), ("uninstall", ".github"), ("rollback", "scripts")],
)
def test_what_was_removed_is_put_back_across_a_mount(
    scenarios: Scenarios, place: Path, obstacle: closed.Obstacle, name: str, path: str
) -> None:
    """As with a subdirectory that is a volume of its own in a container."""
    if reason := closed.missing(obstacle, place):
        pytest.skip(reason)
    assert closed.tried(scenarios.get(name), place / "scratch", obstacle, path) == ""


def test_a_run_killed_while_it_remembers_leaves_no_second_cache(
    scenarios: Scenarios, place: Path
) -> None:
    fast = scenarios.get("fast")
    faults = FaultyOs(names=frozenset({"replace"}))
    with fast.told(place / "scratch") as root, struck(faults):
        fast.run(root)
    with fast.told(place / "scratch") as root:
        at = len(faults.calls)
        run_in_child(lambda: fast.run(root), FaultyOs(at, kill_before, names=frozenset({"replace"})))
        agentrail("verify", root)
        assert leftovers(root) == []
