"""A full disk, a refusal, a broken disk, Ctrl-C, SIGTERM at every call: the target is as it was."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from agentrail_runtime.transaction import _Run as Transaction
from tests.crash.support import (
    CHANGES,
    READS,
    STORIES,
    FaultyOs,
    Story,
    Strike,
    commit,
    error,
    interrupt,
    interrupt_after,
    run_in_child,
    standing,
    struck,
    terminate,
)
from tests.support import agentrail, install, snapshot

Stories = Callable[[str], Story]
PARTS = range(4)
ERRORS = (errno.ENOSPC, errno.EACCES, errno.EIO)
CLOSE = frozenset({"close"})
INTERRUPTED = 130
TERMINATED = 143


def after(story: Story, scratch: Path, faults: FaultyOs) -> tuple[int, str]:
    """Return how the command ended and how the target stands then, with no further command."""
    with story.told(scratch) as root:
        with struck(faults):
            done = story.command(root)
        return done.code, standing(story, root)


def wrong(found: dict[int, tuple[int, str]], codes: set[int]) -> dict[int, tuple[int, str]]:
    """Return what is neither a failure with the old tree nor, after the commit, a success."""
    allowed = {(0, "new"), *((code, "old") for code in codes)}
    return {at: how for at, how in found.items() if how not in allowed}


def keeps_unreadable_stash(name: str, how: tuple[int, str]) -> bool:
    """Tell whether an uninstall left a stash that it could not look into."""
    code, how_it_stands = how
    return (
        name == "uninstall"
        and code == 0
        and how_it_stands.endswith("nor new ['.agentrail/.gitignore']")
    )


def at_every_call(
    story: Story,
    scratch: Path,
    strike: Callable[[int], Strike],
    names: frozenset[str],
    part: int,
    step: int = 1,
) -> dict[int, tuple[int, str]]:
    """Return how the command ended that was struck at each call of one part of the run."""
    numbers = range(step * part + 1, story.calls(scratch, names) + 1, step * len(PARTS))
    return {at: after(story, scratch, FaultyOs(at, strike(at), names=names)) for at in numbers}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", STORIES)
def test_an_error_at_any_write_leaves_the_target_as_it_was(
    stories: Stories, tmp_path: Path, name: str, part: int
) -> None:
    strikes = [error(number) for number in ERRORS]
    found = at_every_call(stories(name), tmp_path, lambda at: strikes[at // 4 % 3], CHANGES, part)
    assert wrong(found, {1}) == {}
    assert (1, "old") in found.values()


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("number", ERRORS)
@pytest.mark.parametrize("name", STORIES)
def test_an_error_at_any_call_at_all_leaves_the_target_as_it_was(
    stories: Stories, tmp_path: Path, name: str, number: int, part: int
) -> None:
    names = (CHANGES | READS) - CLOSE
    found = at_every_call(stories(name), tmp_path, lambda at: error(number), names, part)
    codes = {1, 6}  # 6 where it was the source that could not be read
    if name == "merge":
        codes.add(3)  # no base text was found
    left = {at: how for at, how in wrong(found, codes).items() if not keeps_unreadable_stash(name, how)}
    assert left == {}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", STORIES)
def test_ctrl_c_at_any_write_leaves_the_target_as_it_was(
    stories: Stories, tmp_path: Path, name: str, part: int
) -> None:
    names = CHANGES - {"fsync"}
    found = at_every_call(stories(name), tmp_path, lambda at: interrupt, names, part)
    assert wrong(found, {INTERRUPTED}) == {}
    assert (INTERRUPTED, "old") in found.values()


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", STORIES)
def test_ctrl_c_within_any_call_at_all_leaves_the_target_as_it_was(
    stories: Stories, tmp_path: Path, name: str, part: int
) -> None:
    names = CHANGES | READS
    found = at_every_call(stories(name), tmp_path, lambda at: interrupt_after, names, part)
    assert wrong(found, {INTERRUPTED}) == {}


@pytest.mark.parametrize("name", ["install", "upgrade"])
def test_ctrl_c_while_a_descriptor_is_closed_is_an_interrupt_and_no_bug(
    stories: Stories, tmp_path: Path, name: str
) -> None:
    """A descriptor that was closed must not be closed again: by then it may be another's."""
    story, found = stories(name), {}
    for at in range(1, story.calls(tmp_path, CLOSE) + 1, 3):
        found[at] = after(story, tmp_path, FaultyOs(at, interrupt_after, names=CLOSE))
    assert wrong(found, {INTERRUPTED}) == {}


@pytest.mark.parametrize("name", ["install", "upgrade", "rollback"])
def test_sigterm_at_any_write_leaves_the_old_tree_or_the_new_one(
    stories: Stories, tmp_path: Path, name: str
) -> None:
    story, found = stories(name), {}
    for at in range(1, story.calls(tmp_path) + 1, 5):
        with story.told(tmp_path) as root:
            code = run_in_child(lambda root=root: story.command(root), FaultyOs(at, terminate))  # type: ignore[misc]
            found[at] = (code, standing(story, root))
    allowed = {(TERMINATED, "old"), (TERMINATED, "new"), (0, "new")}
    assert {at: how for at, how in found.items() if how not in allowed} == {}
    assert (TERMINATED, "old") in found.values()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "No space left on device; the target is as it was"),
        (errno.EACCES, "Permission denied; the target is as it was"),
        (errno.EIO, "Input/output error; the target is as it was"),
    ],
)
def test_the_cause_of_a_failure_is_told_in_words(
    stories: Stories, tmp_path: Path, number: int, text: str
) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        with struck(FaultyOs(commit(story, tmp_path / "count"), error(number))):
            done = story.command(root)
        assert done.code == 1
        assert done.err.splitlines()[0] == f"{root}: cannot be written: {text}"
        assert done.err.splitlines()[1].startswith("hint: ")


def test_ctrl_c_says_that_the_target_is_as_it_was(stories: Stories, tmp_path: Path) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        with struck(FaultyOs(commit(story, tmp_path / "count"), interrupt)):
            done = story.command(root)
        assert (done.code, done.out) == (INTERRUPTED, "")
        assert done.err.strip() == "interrupted; the target is as it was"


def test_a_failure_after_the_commit_is_no_failure(stories: Stories, tmp_path: Path) -> None:
    story = stories("upgrade")
    at = commit(story, tmp_path)
    total = story.calls(tmp_path)
    found = [
        after(story, tmp_path, FaultyOs(number, strike))
        for number in range(at + 1, total + 1)
        for strike in (error(errno.EIO), interrupt)
    ]
    assert found == [(0, "new")] * len(found)


def test_a_file_system_that_cannot_sync_is_told_and_nothing_is_written(
    stories: Stories, tmp_path: Path
) -> None:
    story = stories("install")
    names = frozenset({"fsync"})
    found = {
        at: after(story, tmp_path, FaultyOs(at, error(errno.EINVAL), names=names)) for at in (1, 2, 9)
    }
    assert set(found.values()) == {(1, "old")}


@pytest.mark.parametrize("name", ["install", "install-into-nothing"])
def test_a_full_disk_at_the_very_first_write_leaves_nothing_behind(
    stories: Stories, tmp_path: Path, name: str
) -> None:
    story = stories(name)
    found = {}
    for at in range(1, 8):
        with story.told(tmp_path) as root:
            with struck(FaultyOs(at, error(errno.ENOSPC), is_lasting=True)):
                done = story.command(root)
            is_as_it_was = root.exists() == story.before.exists()
            found[at] = (done.code, standing(story, root), is_as_it_was)
    # Where nothing can be removed either, the next run removes it; a directory may have to stay.
    assert {at: how for at, how in found.items() if how[0] != 1} == {}


def test_a_directory_of_state_that_cannot_be_read_is_told_not_a_bug(
    stories: Stories, tmp_path: Path
) -> None:
    story, found = stories("upgrade"), {}
    names = frozenset({"open", "listdir"})
    for at in range(1, 9):
        with story.told(tmp_path) as root, struck(FaultyOs(at, error(errno.EACCES), names=names)):
            found[at] = agentrail("verify", root).code
    assert set(found.values()) == {1}, found


def test_a_record_that_cannot_be_read_for_once_costs_nobody_their_stash(
    stories: Stories, tmp_path: Path
) -> None:
    story = stories("rollback")
    names, lost = READS - CLOSE, {}
    with story.told(tmp_path) as root:
        before = {path for path in snapshot(root, with_state=True) if "/stash/" in path}
    for at in range(1, 80):
        with story.told(tmp_path) as root:
            (root / ".agentrail/state/lock").write_bytes(b"")
            with struck(FaultyOs(at, error(errno.EIO), names=names)):
                agentrail("verify", root)
            if gone := before - {*snapshot(root, with_state=True)}:
                lost[at] = sorted(gone)[0]
    assert lost == {}


def test_a_record_that_cannot_be_read_for_once_is_told_before_anything_else_is_rolled_back(
    stories: Stories, tmp_path: Path
) -> None:
    story = stories("rollback")
    names, found = frozenset({"read"}), {}
    for at in range(1, 8):
        with story.told(tmp_path) as root, struck(FaultyOs(at, error(errno.EIO), names=names)):
            found[at] = agentrail("rollback", "--force", root).code, standing(story, root)
    assert wrong(found, {1}) == {}


def test_task_records_that_cannot_be_listed_for_once_are_not_forgotten_by_an_uninstall(
    stories: Stories, tmp_path: Path
) -> None:
    story, found = stories("uninstall"), {}
    names = frozenset({"listdir"})
    for at in range(1, story.calls(tmp_path, names) + 1):
        found[at] = after(story, tmp_path, FaultyOs(at, error(errno.EIO), names=names))
    assert wrong(found, {1}) == {}


def test_a_purge_that_fails_after_the_uninstall_says_what_is_left(
    stories: Stories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story, found = stories("uninstall"), {}
    with story.told(tmp_path) as root:
        install(root, "--on-conflict", "overwrite")
        faults = FaultyOs()
        with struck(faults):
            assert agentrail("uninstall", "--purge", root).code == 0
    at = len(faults.calls) - faults.calls[::-1].index("replace")
    for number in range(at + 1, len(faults.calls) + 1, 2):
        with story.told(tmp_path) as root:
            install(root, "--on-conflict", "overwrite")
            with struck(FaultyOs(number, error(errno.EIO))):
                done = agentrail("uninstall", "--purge", root)
            is_gone = not (root / ".agentrail/receipt.json").exists()
            if is_gone and "the target is as it was" in done.err:
                found[number] = done.err
    assert found == {}


def test_a_bug_of_ours_in_the_middle_undoes_what_was_done(
    stories: Stories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(run: Transaction) -> None:
        raise ZeroDivisionError("a bug")

    story = stories("upgrade")
    monkeypatch.setattr(Transaction, "_sync_directories", fail)
    with story.told(tmp_path) as root:
        done = story.command(root)
        assert (done.code, standing(story, root)) == (70, "old")
        assert "internal error: ZeroDivisionError: a bug" in done.err
        assert "Traceback" not in done.err
