"""Recovery: killed itself, failing itself, and with files that somebody edited after the crash."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.support import (
    CHANGES,
    RULES,
    STORIES,
    FaultyOs,
    Story,
    commit,
    error,
    interrupt,
    kill_before,
    run_in_child,
    standing,
    struck,
    tree,
)
from tests.support import Run, agentrail, install

Stories = Callable[[str], Story]
WRITES = CHANGES - {"fsync"}
KILLED = -9


def verify(root: Path) -> Run:
    return agentrail("verify", root)


def kill(story: Story, root: Path, at: int, names: frozenset[str] = CHANGES) -> None:
    """Kill the command before its call number `at` of those in `names`."""
    faults = FaultyOs(at, kill_before, names=names)
    assert run_in_child(lambda: story.command(root), faults) == KILLED


def after_killed_recoveries(
    story: Story, scratch: Path, at: int, names: frozenset[str] = CHANGES
) -> dict[int, str]:
    """Kill the command at call `at`, then the recovery at each of its writes; tell what comes next."""
    hot, found = scratch / "hot", {}
    with story.told(scratch) as root:
        kill(story, root, at, names)
        if not root.exists():
            return {}
        shutil.copytree(root, hot, symlinks=True)
    for number in range(1, 1000):
        with story.told(scratch, hot) as root:
            faults = FaultyOs(number, kill_before, names=WRITES)
            if run_in_child(lambda root=root, **_: verify(root), faults) != KILLED:
                break
            verify(root)
            found[number] = standing(story, root)
    shutil.rmtree(hot)
    return found


@pytest.mark.parametrize("name", STORIES)
def test_a_kill_at_any_write_of_the_recovery_is_recovered_in_turn(
    stories: Stories, tmp_path: Path, name: str
) -> None:
    story = stories(name)
    found = after_killed_recoveries(story, tmp_path, commit(story, tmp_path))
    assert len(found) > 10
    assert {at: how for at, how in found.items() if how != "old"} == {}


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("name", STORIES)
def test_a_kill_at_any_write_and_another_at_any_write_of_the_recovery_leave_the_old_tree(
    stories: Stories, tmp_path: Path, name: str, part: int
) -> None:
    story = stories(name)
    wrong: dict[tuple[int, int], str] = {}
    step = 2 if name in ("install", "upgrade", "rollback") else 5
    for at in range(step * part + 1, commit(story, tmp_path, WRITES) + 1, 8 * step):
        found = after_killed_recoveries(story, tmp_path, at, WRITES)
        wrong |= {(at, number): how for number, how in found.items() if how != "old"}
    assert wrong == {}


def test_recoveries_killed_one_after_the_other_come_to_an_end(stories: Stories, tmp_path: Path) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        kill(story, root, commit(story, tmp_path / "count"))
        for _ in range(60):
            run_in_child(lambda: verify(root), FaultyOs(8, kill_before, names=WRITES))
        verify(root)
        assert standing(story, root) == "old"


def test_a_recovery_tells_what_it_did(stories: Stories, tmp_path: Path) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        kill(story, root, commit(story, tmp_path / "count"))
        assert "an earlier run was interrupted: it was undone, " in verify(root).err


# --- edited after the crash ------------------------------------------------------------------------


def test_a_file_edited_after_a_crash_is_left_as_it_is_and_named(
    stories: Stories, tmp_path: Path
) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        kill(story, root, commit(story, tmp_path / "count"))
        (root / RULES).write_bytes(b"written after the crash\n")
        told = verify(root).err
        assert (root / RULES).read_bytes() == b"written after the crash\n"
        assert f"{RULES}: changed after an interrupted run, left as it is" in told


def test_the_version_from_before_the_crash_is_where_the_notice_says(
    stories: Stories, tmp_path: Path
) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        kill(story, root, commit(story, tmp_path / "count"))
        (root / RULES).write_bytes(b"written after the crash\n")
        place = verify(root).err.partition("if any, is in ")[2].splitlines()[0]
        assert (root / place).read_bytes() == story.old[RULES].content
        assert install(root, "--dry-run", "--allow-downgrade").code == 0
        assert (root / place).read_bytes() == story.old[RULES].content


def test_every_other_file_is_put_back_when_one_was_edited_after_a_crash(
    stories: Stories, tmp_path: Path
) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        kill(story, root, commit(story, tmp_path / "count"))
        (root / RULES).write_bytes(b"written after the crash\n")
        verify(root)
        found = tree(root)
        assert {
            name for name in {*found, *story.old_tree} if found.get(name) != story.old_tree.get(name)
        } == {RULES}


def test_a_file_deleted_after_a_crash_stays_deleted(stories: Stories, tmp_path: Path) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        kill(story, root, commit(story, tmp_path / "count"))
        (root / RULES).unlink()
        assert f"{RULES}: changed after an interrupted run" in verify(root).err
        assert not (root / RULES).exists()


def test_a_second_command_after_an_edit_in_a_crash_says_nothing_more(
    stories: Stories, tmp_path: Path
) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        kill(story, root, commit(story, tmp_path / "count"))
        (root / RULES).write_bytes(b"written after the crash\n")
        verify(root)
        before = tree(root, with_state=True)
        assert "interrupted" not in verify(root).err
        assert tree(root, with_state=True) == before


def test_an_uninstall_keeps_what_a_crash_left_in_the_stash_out_of_version_control(
    stories: Stories, tmp_path: Path
) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        kill(story, root, commit(story, tmp_path / "count"))
        (root / RULES).write_bytes(b"written after the crash\n")
        verify(root)
        agentrail("uninstall", root)
        has_state = (root / ".agentrail/state").exists()
        assert has_state == (root / ".agentrail/.gitignore").exists()


# --- an undo that fails ----------------------------------------------------------------------------


def kept(story: Story, root: Path) -> bool:
    """Tell whether every byte from before stands somewhere in the target."""
    contents = {node.content for node in tree(root, with_state=True).values()}
    return {node.content for node in story.old_tree.values()} <= contents


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("name", ["install", "upgrade", "rollback"])
def test_when_nothing_can_be_written_any_more_nothing_is_lost_and_the_next_command_repairs_it(
    stories: Stories, tmp_path: Path, name: str, part: int
) -> None:
    story, found, codes = stories(name), {}, set()
    for at in range(2 * part + 1, commit(story, tmp_path) + 1, 8):
        faults = FaultyOs(at, error(errno.EIO), is_lasting=True)
        with story.told(tmp_path) as root:
            with struck(faults):
                done = story.command(root)
            codes.add(done.code)
            intact = kept(story, root)
            verify(root)
            found[at] = (intact, standing(story, root))
    assert {at: how for at, how in found.items() if how != (True, "old")} == {}
    assert codes == {1, 7}


def test_an_undo_that_fails_names_journal_and_stash_and_says_what_to_do(
    stories: Stories, tmp_path: Path
) -> None:
    story = stories("upgrade")
    faults = FaultyOs(commit(story, tmp_path), error(errno.EIO), is_lasting=True)
    with story.told(tmp_path) as root:
        with struck(faults):
            done = story.command(root)
        stash = max((root / ".agentrail/state/stash").iterdir()).name
        assert done.code == 7
        assert (
            f".agentrail/state/stash/{stash}: holds the replaced files; nothing was deleted" in done.err
        )
        assert ".agentrail/state/journal: the undo could not finish" in done.err
        assert f"hint: mend the cause, then run: agentrail verify {root}" in done.err


def test_a_recovery_that_fails_deletes_nothing_and_can_be_run_again(
    stories: Stories, tmp_path: Path
) -> None:
    story, found = stories("upgrade"), set()
    at = commit(story, tmp_path)
    for number in range(1, 60, 3):
        with story.told(tmp_path) as root:
            kill(story, root, at)
            with struck(FaultyOs(number, error(errno.EACCES), is_lasting=True)):
                found.add((verify(root).code, kept(story, root)))
            verify(root)
            assert standing(story, root) == "old", number
    assert found <= {(7, True), (1, True), (0, True), (4, True)}
    assert (7, True) in found


def test_an_interrupted_recovery_can_be_run_again(stories: Stories, tmp_path: Path) -> None:
    story, found = stories("upgrade"), {}
    at = commit(story, tmp_path)
    for number in range(1, 60, 3):
        with story.told(tmp_path) as root:
            kill(story, root, at)
            with struck(FaultyOs(number, interrupt)):
                verify(root)
            verify(root)
            found[number] = standing(story, root)
    assert set(found.values()) == {"old"}, found


def test_a_stashed_file_that_was_damaged_is_not_put_back_over_the_new_one(
    stories: Stories, tmp_path: Path
) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        kill(story, root, commit(story, tmp_path / "count"))
        stashed = max((root / ".agentrail/state/stash").iterdir()) / "replaced" / RULES
        new = (root / RULES).read_bytes()
        stashed.write_bytes(b"damaged")
        done = verify(root)
        assert (done.code, (root / RULES).read_bytes()) == (7, new)
        assert f"{RULES}: altered (expected sha256 " in done.err
        stashed.write_bytes(story.old[RULES].content)
        verify(root)
        assert standing(story, root) == "old"


def test_a_stashed_file_that_is_missing_is_told_and_nothing_is_deleted(
    stories: Stories, tmp_path: Path
) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        kill(story, root, commit(story, tmp_path / "count"))
        stash = max((root / ".agentrail/state/stash").iterdir())
        (stash / "replaced" / RULES).unlink()
        done = verify(root)
        assert done.code == 7
        assert f"{RULES}: altered" in done.err
        assert "got no file" in done.err
        assert (root / ".agentrail/state/journal").exists()
