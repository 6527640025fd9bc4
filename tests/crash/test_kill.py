"""``kill -9`` at every file-system call: the next command leaves exactly the old or the new tree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.support import (
    CHANGES,
    READS,
    STORIES,
    FaultyOs,
    Story,
    Strike,
    commit,
    kill_after,
    kill_before,
    kill_within,
    run_in_child,
    standing,
)
from tests.support import Run, agentrail, install

Stories = Callable[[str], Story]
WRITES = CHANGES - {"fsync"}
PARTS = range(4)
NEXT: tuple[Callable[[Path], Run], ...] = (
    lambda root: agentrail("verify", root),
    lambda root: agentrail("status", root),
    lambda root: agentrail("diff", root),
    lambda root: agentrail("rollback", "--list", root),
    lambda root: install(root, "--dry-run", "--allow-downgrade"),
)


def after_kill(story: Story, scratch: Path, faults: FaultyOs, number: int) -> str:
    """Tell how the target stands after a killed run and one more command."""
    with story.told(scratch) as root:
        run_in_child(lambda: story.command(root), faults)
        done = NEXT[number % len(NEXT)](root)
        return f"exit code {done.code}" if done.code in (7, 70) else standing(story, root)


def at_every_call(
    story: Story, scratch: Path, strike: Strike, names: frozenset[str], part: int, step: int = 1
) -> dict[int, str]:
    """Return how the target stands after a kill at every call of one part of the run."""
    numbers = range(step * part + 1, story.calls(scratch, names) + 1, step * len(PARTS))
    return {at: after_kill(story, scratch, FaultyOs(at, strike, names=names), at) for at in numbers}


def wrong(found: dict[int, str]) -> dict[int, str]:
    """Return what is neither the old tree nor the new one."""
    return {at: how for at, how in found.items() if how not in ("old", "new")}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", STORIES)
def test_a_kill_at_any_write_leaves_exactly_the_old_or_the_new_tree(
    stories: Stories, tmp_path: Path, name: str, part: int
) -> None:
    found = at_every_call(stories(name), tmp_path, kill_before, WRITES, part)
    assert wrong(found) == {}


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("strike", "names"),
    [
        pytest.param(kill_before, CHANGES | READS, id="before any call"),
        pytest.param(kill_within, frozenset({"write"}), id="within a write"),
        pytest.param(kill_after, CHANGES, id="after a write"),
    ],
)
@pytest.mark.parametrize("name", ["install", "upgrade", "rollback"])
def test_a_kill_at_any_call_at_all_leaves_exactly_the_old_or_the_new_tree(
    shipped_stories: Stories,
    tmp_path: Path,
    name: str,
    strike: Strike,
    names: frozenset[str],
    part: int,
) -> None:
    found = at_every_call(shipped_stories(name), tmp_path, strike, names, part)
    assert wrong(found) == {}


@pytest.mark.parametrize("name", STORIES)
def test_a_kill_within_a_write_leaves_no_half_written_file(
    stories: Stories, tmp_path: Path, name: str
) -> None:
    found = {}
    story, faults = stories(name), FaultyOs(names=frozenset({"write"}))
    for at in range(1, story.calls(tmp_path, frozenset({"write"})) + 1, 3):
        faults = FaultyOs(at, kill_within, names=frozenset({"write"}))
        found[at] = after_kill(story, tmp_path, faults, at)
    assert wrong(found) == {}


@pytest.mark.parametrize("name", STORIES)
def test_the_rename_of_the_journal_is_the_moment_between_old_and_new(
    stories: Stories, tmp_path: Path, name: str
) -> None:
    story = stories(name)
    at = commit(story, tmp_path)
    assert after_kill(story, tmp_path, FaultyOs(at, kill_before), 0) == "old"
    assert after_kill(story, tmp_path, FaultyOs(at, kill_after), 0) == "new"


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ["install", "upgrade", "merge"])
def test_the_same_install_after_a_kill_at_any_write_finishes_the_job(
    stories: Stories, tmp_path: Path, name: str, part: int
) -> None:
    story, found = stories(name), {}
    for at in range(3 * part + 1, story.calls(tmp_path, WRITES) + 1, 12):
        with story.told(tmp_path) as root:
            run_in_child(lambda: story.command(root), FaultyOs(at, kill_before, names=WRITES))
            found[at] = (story.command(root).code, standing(story, root))
    assert set(found.values()) == {(0, "new")}, found


@pytest.mark.parametrize("part", PARTS)
def test_a_kill_harms_nothing_where_the_platform_has_no_directory_descriptors(
    stories: Stories, tmp_path: Path, without_dir_fd: None, part: int
) -> None:
    found = at_every_call(stories("upgrade"), tmp_path, kill_before, WRITES, part, 3)
    assert wrong(found) == {}
