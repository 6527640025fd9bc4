"""The transaction, called directly or watched closely: what no story reaches."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime import child, stash, transaction
from agentrail_runtime.decision import Change
from agentrail_runtime.entry import RelPath
from agentrail_runtime.errors import StalePlanError
from agentrail_runtime.target import Target
from agentrail_runtime.transaction import Order
from tests.crash.support import (
    CHANGES,
    RULES,
    FaultyOs,
    Story,
    commit,
    error,
    kill_after,
    kill_before,
    run_in_child,
    standing,
    struck,
    tree,
)
from tests.support import agentrail, install, make_bundle, snapshot, write

Stories = Callable[[str], Story]
PATH = RelPath("docs/file")


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """A target with one file."""
    write(tmp_path / "root", {PATH: "text"})
    return Target(str(tmp_path / "root"))


def order(target: Target, **fields: Any) -> Order:
    """Return the order to replace the one file."""
    change = Change(path=PATH, before=target.inspect(PATH), content=partial(bytes, b"new"))
    return Order(operation="install", changes=(change._replace(**fields),))


def run(target: Target, what: Order) -> str:
    """Execute an order as an install does."""
    with target.locked(timeout=0, sleep=lambda seconds: None):
        return transaction.apply(target, what, created="2024-01-01T00:00:00Z", token="abcdef")


def test_a_file_edited_between_plan_and_lock_is_not_replaced(target: Target) -> None:
    what = order(target)
    write(Path(target.root), {PATH: "mine, just now"})
    with pytest.raises(StalePlanError, match="docs/file: changed while the run was under way"):
        run(target, what)
    assert snapshot(Path(target.root), with_state=True)[PATH].content == b"mine, just now"


def test_a_file_edited_while_it_is_being_stashed_is_not_replaced(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    what, read = order(target), Target.read

    def edit(self: Target, path: RelPath) -> bytes:
        if path == PATH:
            write(Path(target.root), {PATH: "mine, just now"})
        return read(self, path)

    monkeypatch.setattr(Target, "read", edit)
    with pytest.raises(StalePlanError, match="docs/file: changed while the run was under way"):
        run(target, what)
    assert snapshot(Path(target.root), with_state=True)[PATH].content == b"mine, just now"


def test_two_transactions_of_one_second_have_an_order(target: Target) -> None:
    names = [run(target, order(target)), run(target, order(target))]
    assert names == ["000001-abcdef", "000002-abcdef"]
    assert [journal.transaction for journal in transaction.history(target)] == names


def test_a_binary_or_a_huge_text_is_not_kept_for_a_merge(tmp_path: Path) -> None:
    files = {"a.bin": b"\0\1", "b.txt": b"x" * 2_000_000, "c.txt": b"kept for a merge"}
    assert install(tmp_path / "repo", bundle=make_bundle(tmp_path / "bundle", files)).code == 0
    delivered = next((tmp_path / "repo/.agentrail/state/stash").glob("*/delivered"))
    assert delivered.read_bytes() == b"kept for a merge"


def test_only_the_last_five_transactions_are_kept(tmp_path: Path) -> None:
    for number in range(1, 8):
        bundle = make_bundle(
            tmp_path / "b", {"x.md": f"{number}"}, version=f"1.{number}", release_seq=number
        )
        assert install(tmp_path / "repo", bundle=bundle).code == 0
    kept = sorted(path.name[:6] for path in (tmp_path / "repo/.agentrail/state/stash").iterdir())
    assert kept == ["000003", "000004", "000005", "000006", "000007"]


@pytest.mark.parametrize("times", [1, 2, 3])
def test_an_impatient_ctrl_c_during_the_undo_starts_it_anew(
    stories: Stories, tmp_path: Path, times: int
) -> None:
    story = stories("upgrade")
    pressed: list[str] = []

    def press(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> Any:
        if len(pressed) < times:
            pressed.append(name)
            raise KeyboardInterrupt
        return call()

    faults = FaultyOs(commit(story, tmp_path), press, is_lasting=True)
    with story.told(tmp_path) as root:
        with struck(faults):
            done = story.command(root)
        assert (done.code, standing(story, root), len(pressed)) == (130, "old", times)


def test_ctrl_c_that_never_ends_leaves_a_journal_for_the_next_command(
    stories: Stories, tmp_path: Path
) -> None:
    story = stories("upgrade")

    def press(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> None:
        raise KeyboardInterrupt

    with story.told(tmp_path) as root:
        with struck(FaultyOs(commit(story, tmp_path / "count"), press, is_lasting=True)):
            done = story.command(root)
        assert done.code in (7, 130)
        agentrail("verify", root)
        assert standing(story, root) == "old"


def test_a_disk_that_fails_for_good_at_the_commit_is_told_with_the_journal(
    stories: Stories, tmp_path: Path
) -> None:
    story = stories("upgrade")
    names = CHANGES | {"listdir", "open", "stat"}
    faults = FaultyOs(names=names)
    with story.told(tmp_path) as root, struck(faults):
        story.command(root)
    at = len(faults.calls) - faults.calls[::-1].index("replace")
    with story.told(tmp_path) as root:
        with struck(FaultyOs(at, error(errno.EIO), names=names, is_lasting=True)):
            done = story.command(root)
        assert done.code == 7
        agentrail("verify", root)
        assert standing(story, root) == "old"


def test_an_error_told_of_a_commit_that_was_made_does_not_undo_it(
    stories: Stories, tmp_path: Path
) -> None:
    """A network file system may rename and still report a failure."""
    story = stories("upgrade")

    def lie(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> None:
        call()
        raise OSError(errno.EIO, "Input/output error")

    with story.told(tmp_path) as root:
        with struck(FaultyOs(commit(story, tmp_path / "count"), lie)):
            done = story.command(root)
        assert (done.code, standing(story, root)) == (0, "new")


def interrupt_and_kill(story: Story, root: Path, at: int, later: int) -> None:
    """Press Ctrl-C within call `at`, and kill the run `later` calls after that."""

    def strike(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> Any:
        if len(faults.calls) == at + later:
            kill_before(name, call, arguments)
        result = call()
        if len(faults.calls) == at:
            raise KeyboardInterrupt
        return result

    faults = FaultyOs(at, strike, is_lasting=True)
    run_in_child(lambda: story.command(root), faults)


def test_a_kill_after_a_ctrl_c_at_the_commit_leaves_the_old_tree_or_the_new(
    stories: Stories, tmp_path: Path
) -> None:
    story, found = stories("upgrade"), {}
    at = commit(story, tmp_path)
    for later in range(1, 40, 2):
        with story.told(tmp_path) as root:
            interrupt_and_kill(story, root, at, later)
            agentrail("verify", root)
            found[later] = standing(story, root)
    assert set(found.values()) <= {"old", "new"}, found


def test_what_a_user_put_into_a_new_directory_after_a_crash_stays(
    stories: Stories, tmp_path: Path
) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        at = commit(story, tmp_path / "count")
        run_in_child(lambda: story.command(root), FaultyOs(at, kill_before))
        write(root, {"scripts/mine.sh": "mine"})
        agentrail("verify", root)
        assert (root / "scripts/mine.sh").read_bytes() == b"mine"
        assert not (root / "scripts/tool.sh").exists()
        (root / "scripts/mine.sh").unlink()
        (root / "scripts").rmdir()
        assert standing(story, root) == "old"


def test_a_rollback_killed_while_it_tidies_up_offers_nothing_twice(
    stories: Stories, tmp_path: Path
) -> None:
    """The record of what was undone must not outlive the record that says so."""
    story, offered = stories("rollback"), {}
    for at in range(commit(story, tmp_path), story.calls(tmp_path) + 1, 2):
        with story.told(tmp_path) as root:
            run_in_child(lambda root=root: story.command(root), FaultyOs(at, kill_after))  # type: ignore[misc]
            listed = agentrail("rollback", "--list", "--format", "text", root).out
            offered[at] = [line.split()[0][:6] for line in listed.splitlines()]
    assert set(map(tuple, offered.values())) == {("000001",)}, offered


def test_an_uninstall_killed_while_it_tidies_up_offers_no_rollback(
    stories: Stories, tmp_path: Path
) -> None:
    story, left = stories("uninstall"), {}
    for at in range(commit(story, tmp_path), story.calls(tmp_path) + 1, 3):
        with story.told(tmp_path) as root:
            run_in_child(lambda root=root: story.command(root), FaultyOs(at, kill_after))  # type: ignore[misc]
            assert agentrail("rollback", root).code == 1
            left[at] = (standing(story, root), (root / ".agentrail/state").exists())
    assert set(left.values()) == {("new", False)}, left


def test_the_record_of_a_transaction_tells_all_of_it(stories: Stories, tmp_path: Path) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        assert story.command(root).code == 0
        record = json.loads((max((root / ".agentrail/state/stash").iterdir()) / "record").read_bytes())
        changed = {step["path"] for step in record["steps"]}
        files = {name for name, node in tree(root).items() if node.kind == "file"}
        old = {name for name, node in story.old_tree.items() if node.kind == "file"}
        differing = {name for name in files & old if tree(root)[name] != story.old_tree[name]}
        assert changed == differing | (files ^ old)
        assert RULES in changed


# --- many files ------------------------------------------------------------------------------------


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second process be worth it from one file on."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(child, "WORTH_IT", 1)


@pytest.mark.usefixtures("two")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("number", [errno.EIO, None])
@pytest.mark.parametrize("is_second", [True, False])
def test_an_error_that_only_one_of_two_processes_was_told_of_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None, is_second: bool
) -> None:
    """The system tells of a write that failed once, to whoever syncs the file first."""
    parent, sync = os.getpid(), Target.sync
    told = tmp_path / "told"

    def fail_once(self: Target, path: RelPath) -> None:
        if (os.getpid() != parent) is is_second and not told.exists():
            told.write_text(path)
            raise OSError(number, "Input/output error")
        sync(self, path)

    root, bundle = tmp_path / "root", make_bundle(tmp_path / "bundle", {"a.md": "a", "b.md": "b"})
    write(root, {"mine": "mine"})
    monkeypatch.setattr(Target, "sync", fail_once)
    done = install(root, bundle=bundle)
    assert told.exists()
    assert (done.code, "cannot be written" in done.err, "Input/output error" in done.err) == (
        1,
        True,
        True,
    )
    assert [*snapshot(root, with_state=True)] == ["mine"]
    assert install(root, bundle=bundle).code == 0


@pytest.mark.usefixtures("two")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_every_file_is_made_durable_by_one_of_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, sync, root = tmp_path / "synced", Target.sync, tmp_path / "root"
    synced.mkdir()

    def note(self: Target, path: RelPath) -> None:
        sync(self, path)
        (synced / f"{os.getpid()} {path.replace('/', ' ')}").touch()

    monkeypatch.setattr(Target, "sync", note)
    assert install(root, bundle=make_bundle(tmp_path / "bundle", {"a.md": "a", "b.md": "b"})).code == 0
    by, files = zip(*(path.name.split(" ", 1) for path in synced.iterdir()), strict=True)
    assert len({*by}) == 2
    assert len({*files}) == len(files) == 7  # two files, receipt, .gitignore, .gitkeep, texts, journal


@pytest.mark.parametrize("most", [0, 5, 11, 1_000])
def test_texts_that_are_written_in_parts_are_found_for_a_merge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(transaction, "_MOST_IN_MEMORY", most)
    base = {f"{name}.md": f"{name}\none\ntwo\nthree\n" for name in "abc"}
    root = tmp_path / "root"
    assert install(root, bundle=make_bundle(tmp_path / "v1", base)).code == 0
    delivered = next((root / ".agentrail/state/stash").glob("*/delivered"))
    assert delivered.read_text() == "".join(base.values())
    write(root, {path: text.replace("one", "mine") for path, text in base.items()})
    newer = {path: text + "four\n" for path, text in base.items()}
    bundle = make_bundle(tmp_path / "v2", newer, version="1.1.0", release_seq=2)
    assert install(root, "--on-conflict", "merge", bundle=bundle).code == 0
    merged = {path: text.replace("one", "mine").encode() for path, text in newer.items()}
    assert {path: (root / path).read_bytes() for path in newer} == merged


def test_a_text_that_cannot_be_written_behind_the_others_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Target, path: RelPath, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transaction, "_MOST_IN_MEMORY", 0)
    monkeypatch.setattr(Target, "extend", full)
    bundle = make_bundle(tmp_path / "bundle", {"a.md": "a", "b.md": "b"})
    assert install(tmp_path / "root", bundle=bundle).code == 1
    assert not (tmp_path / "root").exists()


def test_a_transaction_reads_each_earlier_record_once_and_its_own_never(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [run(target, order(target)), run(target, order(target))]
    read: list[RelPath] = []
    plain = Target.read

    def noted(self: Target, path: RelPath) -> bytes:
        read.append(path)
        return plain(self, path)

    monkeypatch.setattr(Target, "read", noted)
    names.append(run(target, order(target)))
    assert [path for path in read if path.endswith("/record")] == [
        stash.record_path(name) for name in names[:2]
    ]
    assert [found.transaction for found in transaction.history(target)] == names
