"""A transaction by itself, call by call: what it writes, when that is durable, and how it is undone."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime import stash, transaction
from agentrail_runtime.decision import Change
from agentrail_runtime.entry import RelPath, sha256
from agentrail_runtime.errors import RecoveryError, StalePlanError, TargetError
from agentrail_runtime.journal import Delivery, Image, Journal, Operation, Step
from agentrail_runtime.target import Target
from agentrail_runtime.transaction import Order, Recovery
from tests.crash.watched import Watched, die, fail
from tests.support import Node, snapshot, write

CREATED = "2024-01-01T00:00:00Z"
STATE = ".agentrail/state"
JOURNAL = f"{STATE}/journal"
STASH = f"{STATE}/stash"
FIRST = f"{STASH}/000001-aa"
FILES = {"a/gone.md": "gone", "b.md": "before", "c/edited.md": "mine", "c/other.md": "other"}


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def target(tmp_path: Path) -> Watched:
    """A target with a few files."""
    write(tmp_path / "root", FILES)
    return Watched(str(tmp_path / "root"))


def to(target: Target, path: str, data: bytes | None, **fields: Any) -> Change:
    """Return the change of a path to `data`, as a plan has it."""
    name = RelPath(path)
    content = None if data is None else partial(bytes, data)
    return Change(path=name, before=target.inspect(name), content=content, **fields)


def upgrade(target: Target) -> Order:
    """Return an order with a change of every kind."""
    return Order(
        operation="install",
        changes=(
            to(target, "a/gone.md", None),
            to(target, "b.md", b"after"),
            to(target, "c/edited.md", b"theirs", is_edited=True),
            to(target, "d/e/new.sh", b"new", executable=True),
        ),
        emptied=(RelPath("a"),),
        runtime_version="1.1.0",
        previous_version="1.0.0",
    )


def apply(target: Target, order: Order, token: str = "aa", **more: Any) -> str:
    """Carry out an order as the use cases do."""
    return transaction.apply(target, order, created=CREATED, token=token, **more)


def standing(target: Target) -> dict[str, Node]:
    """Return all that is in the target, the state directory too."""
    return snapshot(Path(target.root), with_state=True)


def users(target: Target) -> dict[str, Node]:
    """Return all that is in the target but for ``.agentrail``."""
    found = snapshot(Path(target.root))
    return {name: node for name, node in found.items() if not name.startswith(".agentrail")}


def mode(target: Target, path: str) -> int:
    """Return the permission bits at a path."""
    return (Path(target.root) / path).stat().st_mode & 0o7777


# --- what is written ------------------------------------------------------------------------------


def test_an_order_is_carried_out_file_by_file(target: Watched) -> None:
    assert apply(target, upgrade(target)) == "000001-aa"
    assert {name: node.content for name, node in users(target).items() if node.kind == "file"} == {
        "b.md": b"after",
        "c/edited.md": b"theirs",
        "c/other.md": b"other",
        "d/e/new.sh": b"new",
    }
    assert not (Path(target.root) / "a").exists()


def test_what_was_replaced_stands_in_the_stash_and_nothing_else_does(target: Watched) -> None:
    apply(target, upgrade(target))
    found = standing(target)
    assert {name for name, node in found.items() if name.startswith(FIRST) and node.kind == "file"} == {
        f"{FIRST}/record",
        f"{FIRST}/replaced/a/gone.md",
        f"{FIRST}/replaced/b.md",
        f"{FIRST}/replaced/c/edited.md",
    }
    assert found[f"{FIRST}/replaced/c/edited.md"].content == b"mine"
    assert f"{FIRST}/new" not in found


def test_the_record_tells_all_of_a_transaction(target: Watched) -> None:
    (Path(target.root) / "b.md").chmod(0o640)
    (Path(target.root) / "a").chmod(0o750)
    apply(target, upgrade(target))
    assert transaction.history(target) == [
        Journal(
            transaction="000001-aa",
            sequence=1,
            operation="install",
            created=CREATED,
            runtime_version="1.1.0",
            previous_version="1.0.0",
            steps=(
                Step(RelPath("a/gone.md"), Image(sha256(b"gone"), 4, 0o644), None),
                Step(
                    RelPath("b.md"),
                    Image(sha256(b"before"), 6, 0o640),
                    Image(sha256(b"after"), 5, 0o640),
                ),
                Step(
                    RelPath("c/edited.md"),
                    Image(sha256(b"mine"), 4, 0o644),
                    Image(sha256(b"theirs"), 6, 0o644),
                    is_edited=True,
                ),
                Step(RelPath("d/e/new.sh"), None, Image(sha256(b"new"), 3, 0o755)),
            ),
            made_directories=(RelPath("d"), RelPath("d/e")),
            emptied_directories=((RelPath("a"), 0o750),),
        )
    ]


def test_a_transaction_remembers_what_it_follows_and_what_it_takes_back(target: Watched) -> None:
    apply(target, upgrade(target))
    apply(target, Order("install", (to(target, "b.md", b"2"),)), "bb")
    undo = Order(
        "rollback",
        (to(target, "b.md", b"after"),),
        undoes=("000002-bb",),
        keeps=("000002-bb",),
    )
    apply(target, undo, "cc")
    record = json.loads((Path(target.root) / f"{STASH}/000003-cc/record").read_bytes())
    assert (record["parent"], record["undoes"], record["keeps"]) == (
        "000002-bb",
        ["000002-bb"],
        ["000002-bb"],
    )
    assert (record["runtime_version"], record["previous_version"]) == (None, None)
    assert [journal.sequence for journal in transaction.history(target)] == [1, 3]
    assert apply(target, Order("install", (to(target, "b.md", b"4"),)), "dd") == "000004-dd"
    newest = transaction.history(target)[-1]
    assert (newest.sequence, newest.parent) == (4, "000001-aa")


MODES = [
    # mode before, executable, exact mode: mode after
    (None, None, None, 0o644),
    (None, False, None, 0o644),
    (None, True, None, 0o755),
    (None, None, 0o600, 0o600),
    (None, True, 0o606, 0o606),
    (0o640, None, None, 0o640),
    (0o640, True, None, 0o750),
    (0o751, False, None, 0o640),
    (0o606, None, None, 0o606),
    (0o644, True, 0o600, 0o600),
    (0o4755, None, None, 0o755),
]


@pytest.mark.parametrize(("before", "executable", "exact", "after"), MODES)
def test_a_file_has_the_mode_that_it_had_or_that_is_asked_for(
    target: Watched, before: int | None, executable: bool | None, exact: int | None, after: int
) -> None:
    path = "new.md" if before is None else "b.md"
    if before is not None:
        (Path(target.root) / path).chmod(before)
    change = to(target, path, b"x", executable=executable, mode=exact)
    apply(target, Order("install", (change,)))
    assert mode(target, path) == after
    (step,) = transaction.history(target)[0].steps
    assert step.after
    assert step.after.mode == after
    assert step.before is None or step.before.mode == (before or 0) & 0o777


def test_the_stash_keeps_the_mode_of_a_file_whatever_the_umask_says(target: Watched) -> None:
    (Path(target.root) / "b.md").chmod(0o4666)
    apply(target, Order("install", (to(target, "b.md", b"x"),)))
    assert mode(target, f"{FIRST}/replaced/b.md") == 0o666


def test_nobody_else_can_read_the_record_and_the_texts_of_a_transaction(target: Watched) -> None:
    apply(target, Order("install", (to(target, "b.md", b"x", delivered=partial(bytes, b"y")),)))
    assert (mode(target, f"{FIRST}/record"), mode(target, f"{FIRST}/delivered")) == (0o600, 0o600)


def test_a_rollback_brings_directories_back_with_their_modes(target: Watched) -> None:
    order = Order(
        "install",
        (to(target, "x/y/back.md", b"back"), to(target, "z/new.md", b"new")),
        restored=((RelPath("x"), 0o700), (RelPath("x/y"), 0o777), (RelPath("empty"), 0o711)),
    )
    apply(target, order)
    assert [mode(target, path) for path in ("x", "x/y", "empty", "z")] == [0o700, 0o777, 0o711, 0o755]
    record = json.loads((Path(target.root) / f"{FIRST}/record").read_bytes())
    assert record["made_directories"] == ["empty", "x", "x/y", "z"]


def test_a_directory_that_is_not_empty_after_all_stays(target: Watched) -> None:
    order = upgrade(target)._replace(emptied=(RelPath("a"), RelPath("c"), RelPath("nowhere")))
    apply(target, order)
    assert (Path(target.root) / "c/other.md").read_bytes() == b"other"
    (journal,) = transaction.history(target)
    assert journal.emptied_directories == (("a", 0o755), ("c", 0o755))


def test_directories_within_each_other_are_emptied_from_the_innermost(target: Watched) -> None:
    write(Path(target.root), {"x/y/z/only.md": "only"})
    nested = (RelPath("x"), RelPath("x/y"), RelPath("x/y/z"))
    apply(target, Order("install", (to(target, "x/y/z/only.md", None),), emptied=nested))
    assert not (Path(target.root) / "x").exists()


def test_progress_is_told_of_every_file(target: Watched) -> None:
    seen: list[tuple[str, int, int]] = []
    order = Order("install", (to(target, "b.md", b"1"), to(target, "n.md", b"2")))
    apply(target, order, progress=lambda *step: seen.append(step))
    assert seen == [("staging", 0, 2), ("staging", 1, 2), ("writing", 0, 2), ("writing", 1, 2)]


# --- texts for later merges -----------------------------------------------------------------------


def delivered(target: Target) -> list[bytes]:
    """Return the texts that the one transaction kept, each found by its record."""
    (journal,) = transaction.history(target)
    path = Path(target.root) / FIRST / "delivered"
    data = path.read_bytes() if path.exists() else b""
    texts = [data[one.offset : one.offset + one.size] for one in journal.deliveries]
    assert [sha256(text) for text in texts] == [one.sha256 for one in journal.deliveries]
    return texts


def test_the_framework_s_text_is_kept_and_not_what_was_written_over_it(target: Watched) -> None:
    same = partial(bytes, b"as delivered")
    changes = (
        to(target, "b.md", b"merged", delivered=partial(bytes, b"theirs")),
        to(target, "n.md", b"")._replace(content=same, delivered=same),
        to(target, "o.md", b"no text to keep"),
    )
    apply(target, Order("install", changes))
    assert delivered(target) == [b"theirs", b"as delivered"]
    assert transaction.history(target)[0].deliveries == (
        Delivery(sha256(b"theirs"), 0, 6),
        Delivery(sha256(b"as delivered"), 6, 12),
    )


def test_a_text_that_is_written_as_it_is_delivered_is_read_once(target: Watched) -> None:
    reads: list[str] = []

    def read() -> bytes:
        reads.append("read")
        return b"text"

    apply(target, Order("install", (to(target, "b.md", b"", delivered=read)._replace(content=read),)))
    assert reads == ["read"]
    assert delivered(target) == [b"text"]


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [(b"x" * 1_000_000, True), (b"x" * 1_000_001, False), (b"a\0b", False), (b"a", True)],
    ids=["a megabyte", "more", "binary", "short"],
)
def test_texts_that_can_be_merged_are_kept(target: Watched, text: bytes, is_kept: bool) -> None:
    apply(target, Order("install", (to(target, "b.md", b"x", delivered=lambda: text),)))
    assert delivered(target) == ([text] if is_kept else [])
    assert (Path(target.root) / FIRST / "delivered").exists() is is_kept


@pytest.mark.parametrize(
    ("size", "calls"),
    [(4, ["create", "extend", "extend"]), (5, ["create", "extend"]), (1_000_000, ["create"])],
)
def test_the_texts_of_a_big_bundle_do_not_fill_the_memory(
    target: Watched, monkeypatch: pytest.MonkeyPatch, size: int, calls: list[str]
) -> None:
    monkeypatch.setattr(transaction, "_MOST_IN_MEMORY", 2 * size)
    texts = [bytes([65 + number]) * 5 for number in range(5)]
    changes = [to(target, f"n{text[0]}", b"x", delivered=partial(bytes, text)) for text in texts]
    apply(target, Order("install", changes))
    assert delivered(target) == texts
    written = [call for call, path, *_ in target.log if path == f"{FIRST}/delivered"]
    assert written == [*calls, "sync"]


# --- what stands in the way -----------------------------------------------------------------------


def test_a_file_that_changed_since_the_plan_is_named_and_the_target_is_as_it_was(
    target: Watched,
) -> None:
    order = upgrade(target)
    write(Path(target.root), {"c/edited.md": "just now"})
    before = standing(target)
    with pytest.raises(StalePlanError) as caught:
        apply(target, order)
    assert caught.value.message == "c/edited.md: changed while the run was under way"
    assert (caught.value.paths, caught.value.hint) == (("c/edited.md",), "run the command again")
    after = standing(target)
    assert {name: node for name, node in after.items() if not name.startswith(".agentrail")} == before
    assert not (Path(target.root) / STASH).exists()


def test_a_file_that_changes_while_it_is_stashed_is_named(
    target: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = upgrade(target)
    monkeypatch.setattr(target, "read", lambda path: b"just now")
    with pytest.raises(StalePlanError) as caught:
        apply(target, order)
    assert caught.value.message == "a/gone.md: changed while the run was under way"


def test_a_file_that_came_to_be_since_the_plan_is_not_replaced(target: Watched) -> None:
    order = Order("install", (to(target, "n.md", b"x"),))
    write(Path(target.root), {"n.md": "just now"})
    with pytest.raises(StalePlanError, match=r"^n\.md: changed"):
        apply(target, order)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_bytes_that_do_not_reach_the_disk_stop_the_run(target: Watched, number: int) -> None:
    before = users(target)
    target.before = fail(OSError(number, "no"), "sync", f"{FIRST}/new/1")
    with pytest.raises(OSError, match="000001-aa/new/1") as caught:
        apply(target, upgrade(target))
    assert (caught.value.errno, caught.value.strerror) == (number, os.strerror(number))
    assert caught.value.filename == f"{FIRST}/new/1"
    assert users(target) == before
    assert not (Path(target.root) / STASH).exists()


def test_an_error_without_a_number_is_an_error_all_the_same(target: Watched) -> None:
    target.before = fail(OSError("no number"), "sync", f"{FIRST}/new/1")
    with pytest.raises(OSError, match=os.strerror(errno.EIO)) as caught:
        apply(target, upgrade(target))
    assert caught.value.errno == errno.EIO


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), TargetError("odd")])
def test_a_preparation_that_cannot_even_be_taken_back_still_says_what_went_wrong(
    target: Watched, error: Exception
) -> None:
    def before(call: tuple[str, ...]) -> None:
        if call == ("create", f"{FIRST}/new/1"):
            raise OSError(errno.ENOSPC, "full", call[1])
        if call[0] == "remove":
            raise error

    target.before = before
    with pytest.raises(OSError, match=r"full.*new/1"):
        apply(target, upgrade(target))


# --- durability -----------------------------------------------------------------------------------


def guard(target: Watched, *calls: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Let a test fail if one of `calls` is made while a power failure may take something before it.

    A name that comes back in the directory of staged files does no harm.
    """
    met: list[tuple[str, ...]] = []

    def before(call: tuple[str, ...]) -> None:
        if call in calls:
            assert target.unsynced <= ({f"{FIRST}/new"} if call == COMMIT else set()), call
            met.append(call)

    target.before = before
    return met


COMMIT = ("move", JOURNAL, f"{FIRST}/record")
BEGIN = ("move", f"{FIRST}/journal", JOURNAL)


def orders(target: Target) -> Iterator[Order]:
    """Yield orders that touch files and directories in every way."""
    yield upgrade(target)
    yield Order("install", (to(target, "n.md", b"x", delivered=partial(bytes, b"y")),))
    yield Order("install", (to(target, "c/edited.md", None), to(target, "c/other.md", None)))
    yield Order("install", (to(target, "c/edited.md", None),), emptied=(RelPath("c"), RelPath("a")))
    yield Order(
        "rollback",
        (to(target, "b.md", b"x"),),
        restored=((RelPath("p/q"), 0o700), (RelPath("p"), 0o700)),
    )
    yield Order("install", (to(target, "x/y/z.md", b"x"),))


@pytest.mark.parametrize("number", range(6))
def test_nothing_moves_before_journal_and_stash_are_durable_and_all_has_moved_before_the_commit(
    target: Watched, number: int
) -> None:
    met = guard(target, BEGIN, COMMIT)
    with target.locked(timeout=0, sleep=lambda seconds: None):
        apply(target, [*orders(target)][number])
    assert met == [BEGIN, COMMIT]


def test_no_file_of_the_user_s_moves_before_the_journal_stands_durably(target: Watched) -> None:
    apply(target, upgrade(target))
    begun = target.log.index(BEGIN)
    touched = [
        place
        for place, call in enumerate(target.log)
        if any(not path.startswith(".agentrail") for path in call[1:] if path)
    ]
    synced = target.log.index(("sync_directory", STATE), begun)
    assert begun < synced < min(touched)
    assert max(touched) < target.log.index(COMMIT)


def test_the_commit_itself_is_made_durable(target: Watched) -> None:
    apply(target, upgrade(target))
    after = target.log[target.log.index(COMMIT) + 1 :]
    assert after[:2] == [("sync_directory", FIRST), ("sync_directory", STATE)]


def test_no_directory_is_made_durable_more_often_than_it_takes(target: Watched) -> None:
    apply(target, upgrade(target))
    synced = [path for name, path, *_ in target.log if name == "sync_directory"]
    assert {path: synced.count(path) for path in synced} == {
        "": 2,
        ".agentrail": 1,
        STATE: 3,
        STASH: 1,
        FIRST: 3,
        f"{FIRST}/new": 1,
        f"{FIRST}/replaced": 1,
        f"{FIRST}/replaced/a": 1,
        f"{FIRST}/replaced/c": 1,
        "c": 1,
        "d": 1,
        "d/e": 1,
    }
    target.log.clear()
    apply(target, Order("install", (to(target, "c/edited.md", b"2"),)), "bb")
    second = f"{STASH}/000002-bb"
    synced = [path for name, path, *_ in target.log if name == "sync_directory"]
    assert {path: synced.count(path) for path in synced} == {
        STATE: 2,
        STASH: 1,
        second: 3,
        f"{second}/new": 1,
        f"{second}/replaced": 1,
        f"{second}/replaced/c": 1,
        "c": 1,
    }


# --- undo after an error --------------------------------------------------------------------------

USER_CALLS = [
    ("make_directory", "d"),
    ("make_directory", "d/e"),
    ("move", "a/gone.md", f"{FIRST}/new/0"),
    ("move", f"{FIRST}/new/1", "b.md"),
    ("move", f"{FIRST}/new/2", "c/edited.md"),
    ("move", f"{FIRST}/new/3", "d/e/new.sh"),
    ("remove_directory", "a"),
    ("sync_directory", "c"),
    BEGIN,
    COMMIT,
]


def modes(target: Target) -> None:
    """Give files and directories odd modes, which an undo has to bring back."""
    (Path(target.root) / "a").chmod(0o711)
    (Path(target.root) / "a/gone.md").chmod(0o604)
    (Path(target.root) / "b.md").chmod(0o640)


ERRORS = [OSError(errno.EIO, "broken"), TargetError("odd"), KeyboardInterrupt()]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("call", USER_CALLS, ids="-".join)
def test_an_error_on_the_way_leaves_the_target_as_it_was(
    target: Watched, call: tuple[str, ...], error: BaseException
) -> None:
    modes(target)
    before = standing(target)

    def once(made: tuple[str, ...]) -> None:
        if made == call:
            target.before = lambda call: None
            raise error

    target.before = once
    with pytest.raises(type(error)) as caught:
        apply(target, upgrade(target))
    assert caught.value is error
    assert users(target) == before
    assert {name for name in standing(target) if name.startswith(STATE)} == {STATE}


@pytest.mark.parametrize("number", range(6))
def test_an_undo_is_durable_before_its_journal_is_gone(target: Watched, number: int) -> None:
    met: list[str] = []

    def before(call: tuple[str, ...]) -> None:
        if call == COMMIT:
            raise OSError(errno.EIO, "broken")
        if call == ("remove", JOURNAL):
            met.append(call[0])
            assert all(path.startswith(FIRST) for path in target.unsynced), target.unsynced

    order = [*orders(target)][number]
    target.before = before
    with pytest.raises(OSError, match="broken"):
        apply(target, order)
    assert met == ["remove"]
    after = target.log[target.log.index(("remove", JOURNAL)) + 1 :]
    assert after[0] == ("sync_directory", STATE)


def test_an_undo_that_fails_deletes_nothing_and_says_what_to_do(target: Watched) -> None:
    def before(call: tuple[str, ...]) -> None:
        if call in (COMMIT, ("move", f"{FIRST}/replaced/c/edited.md", "c/edited.md")):
            raise OSError(errno.EIO, "broken", call[1])

    target.before = before
    with pytest.raises(RecoveryError) as caught:
        apply(target, upgrade(target))
    assert caught.value.message == (
        f"{JOURNAL}: the undo could not finish: [Errno 5] broken: '{FIRST}/replaced/c/edited.md'\n"
        f"{FIRST}: holds the replaced files; nothing was deleted"
    )
    assert caught.value.paths == (JOURNAL, FIRST)
    assert caught.value.hint == f"mend the cause, then run: agentrail verify {target.root}"
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.filename == JOURNAL
    found = standing(target)
    assert found[f"{FIRST}/replaced/c/edited.md"].content == b"mine"
    assert JOURNAL in found


@pytest.mark.parametrize(("times", "is_undone"), [(1, True), (2, True), (3, False), (9, False)])
def test_ctrl_c_pressed_again_and_again_starts_the_undo_anew(
    target: Watched, times: int, is_undone: bool
) -> None:
    before, pressed = users(target), 0

    def press(call: tuple[str, ...]) -> None:
        nonlocal pressed
        if call == COMMIT:
            raise KeyboardInterrupt
        if call == ("remove", "d/e/new.sh") and pressed < times:
            pressed += 1
            raise KeyboardInterrupt

    target.before = press
    with pytest.raises(KeyboardInterrupt if is_undone else RecoveryError) as caught:
        apply(target, upgrade(target))
    assert pressed == min(times, 3)
    assert (users(target) == before) is is_undone
    if isinstance(caught.value, RecoveryError):
        assert ": the undo could not finish: KeyboardInterrupt\n" in caught.value.message


@pytest.mark.parametrize("error", ERRORS[:2])
def test_an_undo_that_the_disk_refuses_is_not_tried_again(target: Watched, error: Exception) -> None:
    tries = 0

    def before(call: tuple[str, ...]) -> None:
        nonlocal tries
        if call == COMMIT:
            raise KeyboardInterrupt
        if call == ("remove", "d/e/new.sh"):
            tries += 1
            raise error

    target.before = before
    with pytest.raises(RecoveryError):
        apply(target, upgrade(target))
    assert tries == 1


@pytest.mark.parametrize("error", ERRORS[:2])
def test_a_commit_that_cannot_be_looked_at_is_none(
    target: Watched, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    before, names = users(target), Watched.names
    target.before = fail(OSError(errno.EIO, "at the commit"), *COMMIT)

    def fail_once(self: Watched, path: RelPath) -> list[str]:
        if path == FIRST and JOURNAL in standing(target):
            monkeypatch.setattr(Watched, "names", names)
            raise error
        return names(self, path)

    order = upgrade(target)
    monkeypatch.setattr(Watched, "names", fail_once)
    with pytest.raises(OSError, match="at the commit"):
        apply(target, order)
    assert users(target) == before


def test_a_commit_that_was_made_by_half_is_none(target: Watched) -> None:
    """A network file system may make the new name of a file and not take the old one."""
    before = users(target)

    def copy(call: tuple[str, ...]) -> None:
        if call == COMMIT:
            root = Path(target.root)
            (root / COMMIT[2]).write_bytes((root / JOURNAL).read_bytes())
            raise OSError(errno.EIO, "at the commit")

    target.before = copy
    with pytest.raises(OSError, match="at the commit"):
        apply(target, upgrade(target))
    assert users(target) == before
    assert not transaction.undoable(target)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "lied"), KeyboardInterrupt()])
def test_a_commit_that_was_made_stands_whatever_is_told_of_it(
    target: Watched, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    move = Watched.move

    def lie(self: Watched, source: RelPath, destination: RelPath) -> None:
        move(self, source, destination)
        if (source, destination) == COMMIT[1:]:
            raise error

    monkeypatch.setattr(Watched, "move", lie)
    assert apply(target, upgrade(target)) == "000001-aa"
    assert (Path(target.root) / "b.md").read_bytes() == b"after"
    assert [journal.transaction for journal in transaction.history(target)] == ["000001-aa"]
    assert f"{FIRST}/new" not in standing(target)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("call", [("sync_directory", STATE), ("remove_directory", f"{FIRST}/new")])
def test_what_fails_after_the_commit_is_tidied_up_by_the_next_run(
    target: Watched, call: tuple[str, ...], error: BaseException
) -> None:
    def before(made: tuple[str, ...]) -> None:
        if COMMIT in target.log and made == call:
            raise error

    target.before = before
    assert apply(target, upgrade(target)) == "000001-aa"
    assert (Path(target.root) / "b.md").read_bytes() == b"after"


# --- recovery -------------------------------------------------------------------------------------


def killed(target: Watched, order: Order, after: int) -> bool:
    """Let a run end after so many calls, as ``kill -9`` does; tell whether it came to its end."""
    target.before = die(after)
    try:
        apply(target, order)
    except (OSError, RecoveryError):
        return False
    finally:
        target.close()
    return True


@pytest.mark.parametrize("number", range(6))
def test_a_run_that_is_killed_anywhere_leaves_the_old_tree_or_the_new_one(
    tmp_path: Path, number: int
) -> None:
    found: list[str] = []
    for after in range(200):
        root = tmp_path / str(after)
        write(root, FILES)
        target = Watched(str(root))
        modes(target)
        old, order = users(target), [*orders(target)][number]
        is_over = killed(target, order, after)
        found.append(recovered(target, old))
        if is_over and len(target.log) < after:
            break
    assert set(found) == {"old", "new"}
    assert found == sorted(found, reverse=True)
    assert found[-1] == "new"


def recovered(target: Watched, old: dict[str, Node]) -> str:
    """Recover a target twice, as the next runs do; tell how it stands."""
    fresh = Target(target.root)
    transaction.recover(fresh)
    after = standing(fresh)
    assert transaction.recover(fresh) == Recovery()
    assert standing(fresh) == after
    state = {name for name in after if name.startswith(STATE) and name != STATE}
    if users(fresh) == old:
        assert not state
        return "old"
    assert state.isdisjoint({JOURNAL, f"{FIRST}/new/0"})
    return "new"


@pytest.mark.parametrize("second", range(1, 25, 3))
def test_a_recovery_that_is_killed_itself_is_done_by_the_next_one(target: Watched, second: int) -> None:
    modes(target)
    old = users(target)
    target.before = die_at(COMMIT)
    with pytest.raises(RecoveryError):
        apply(target, upgrade(target))
    again = Watched(target.root)
    again.before = die(second)
    with suppress(OSError, RecoveryError):
        transaction.recover(again)
    assert recovered(again, old) == "old"


def die_at(*last: tuple[str, ...]) -> Callable[[tuple[str, ...]], None]:
    """Return a `Watched.before` that lets no call be made from one of `last` on."""
    dead = False

    def before(made: tuple[str, ...]) -> None:
        nonlocal dead
        dead = dead or made in last
        if dead:
            raise OSError(errno.EIO, "dead")

    return before


def hot(target: Watched, order: Order | None = None) -> Target:
    """Leave a target as a run that was killed right before its commit does."""
    target.before = die_at(COMMIT)
    with pytest.raises(RecoveryError):
        apply(target, order or upgrade(target))
    target.close()
    return Target(target.root)


def test_a_recovery_tells_what_it_put_back(target: Watched) -> None:
    found = transaction.recover(hot(target))
    assert found == Recovery(
        restored=(
            RelPath("d/e/new.sh"),
            RelPath("c/edited.md"),
            RelPath("b.md"),
            RelPath("a/gone.md"),
        ),
        left_alone=(),
        stash=RelPath(FIRST),
    )


def test_what_was_changed_after_a_crash_is_left_alone_and_the_old_bytes_stay_in_the_stash(
    target: Watched,
) -> None:
    found = hot(target)
    write(Path(target.root), {"b.md": "by hand", "d/e/mine.md": "mine"})
    (Path(target.root) / "d/e/new.sh").chmod(0o700)
    done = transaction.recover(found)
    assert (done.restored, done.left_alone) == (
        ("c/edited.md", "a/gone.md"),
        ("d/e/new.sh", "b.md"),
    )
    after = standing(found)
    assert after["b.md"].content == b"by hand"
    assert after["d/e/mine.md"].content == b"mine"
    assert after[f"{FIRST}/replaced/b.md"].content == b"before"
    assert f"{FIRST}/undone" in after
    assert JOURNAL not in after
    assert not stash.is_hot(found)
    assert transaction.kept(found) == ["000001-aa"]
    assert transaction.history(found) == []


@pytest.mark.parametrize("kind", ["directory", "link"])
def test_what_is_no_file_any_more_is_left_alone(target: Watched, kind: str) -> None:
    found = hot(target)
    path = Path(target.root) / "b.md"
    path.unlink()
    if kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("c/other.md")
    assert transaction.recover(found).left_alone == ("b.md",)


def test_a_directory_that_came_back_by_hand_gets_the_mode_it_had(target: Watched) -> None:
    (Path(target.root) / "a").chmod(0o711)
    found = hot(target)
    (Path(target.root) / "a").mkdir()
    transaction.recover(found)
    assert mode(found, "a") == 0o711


@pytest.mark.parametrize(
    ("stashed", "got"),
    [
        (b"altered", f"sha256 {sha256(b'altered')}"),
        (None, "no file"),
    ],
)
def test_a_stash_that_was_altered_is_not_put_back(
    target: Watched, stashed: bytes | None, got: str
) -> None:
    found = hot(target)
    path = Path(target.root) / f"{FIRST}/replaced/b.md"
    path.unlink()
    if stashed is not None:
        path.write_bytes(stashed)
    with pytest.raises(RecoveryError) as caught:
        transaction.recover(found)
    assert caught.value.message == (
        f"{JOURNAL}: the undo could not finish: {FIRST}/replaced/b.md: altered "
        f"(expected sha256 {sha256(b'before')}, got {got})\n"
        f"{FIRST}: holds the replaced files; nothing was deleted"
    )
    assert (Path(target.root) / "b.md").read_bytes() == b"after"
    assert stash.is_hot(found)


def test_a_damaged_journal_is_named_and_nothing_is_deleted(target: Watched) -> None:
    found = hot(target)
    (Path(target.root) / JOURNAL).write_bytes(b"{")
    before = standing(found)
    with pytest.raises(RecoveryError) as caught:
        transaction.recover(found)
    assert caught.value.message.startswith(f"{JOURNAL}: not JSON: ")
    assert caught.value.paths == (JOURNAL, STASH)
    assert caught.value.hint == (
        f"the replaced files are under {STASH}/; put back what you need, then remove {JOURNAL}"
    )
    assert standing(found) == before


def test_each_line_of_what_is_wrong_with_a_journal_names_it(target: Watched) -> None:
    found = hot(target)
    path = Path(target.root) / JOURNAL
    record = json.loads(path.read_bytes())
    step = record["steps"][3]
    record["steps"] += [step | {"path": "D/E/NEW.sh"}, step | {"path": "X"}, step | {"path": "x"}]
    path.write_text(json.dumps(record))
    with pytest.raises(RecoveryError) as caught:
        transaction.recover(found)
    lines = caught.value.message.splitlines()
    assert len(lines) > 1
    assert all(line.startswith(f"{JOURNAL}: ") for line in lines)


def test_an_undo_makes_what_it_brought_back_durable(target: Watched) -> None:
    """Also in the target's own directory, whose name is empty."""
    hot(target)
    again = Watched(target.root)
    transaction.recover(again)
    synced = [path for name, path, *_ in again.log if name == "sync_directory"]
    assert synced == ["", "a", "c", STATE]


def test_a_recovery_makes_durable_what_one_that_was_killed_put_back(target: Watched) -> None:
    hot(target)
    killed = Watched(target.root)
    killed.before = fail(OSError(errno.EIO, "dead"), "sync_directory")
    with pytest.raises(RecoveryError):
        transaction.recover(killed)
    again = Watched(target.root)
    assert transaction.recover(again).restored == ()
    synced = [path for name, path, *_ in again.log if name == "sync_directory"]
    assert synced == ["", "a", "c", STATE]


def test_a_commit_before_a_kill_is_made_durable_before_anything_of_it_goes(
    target: Watched,
) -> None:
    before = users(target)
    target.before = lambda call: die_now() if COMMIT in target.log else None
    apply(target, upgrade(target))
    again = Watched(target.root)
    assert transaction.recover(again) == Recovery()
    assert users(again) != before
    assert again.log[:3] == [
        ("sync_directory", FIRST),
        ("sync_directory", STATE),
        ("remove", f"{FIRST}/new/0"),
    ]
    assert f"{FIRST}/new" not in standing(again)


def die_now() -> None:
    raise OSError(errno.EIO, "dead")


# --- what is kept ---------------------------------------------------------------------------------

IMAGE = Image(sha256(b"before"), 6, 0o644)


def finish(
    target: Target,
    sequence: int,
    operation: Operation = "install",
    *,
    parent: int | None = None,
    is_edited: bool = False,
    **more: Any,
) -> str:
    """Leave a finished transaction in the stash; return its id."""
    name = f"{sequence:06d}-aa"
    journal = Journal(
        transaction=name,
        sequence=sequence,
        operation=operation,
        created=CREATED,
        runtime_version="1.0.0",
        previous_version=None,
        steps=(Step(RelPath("b.md"), IMAGE, IMAGE, is_edited=is_edited),),
        parent=None if parent is None else f"{parent:06d}-aa",
        **more,
    )
    stash = Path(target.root) / STASH / name
    write(stash, {"record": journal.dump(), "replaced/b.md": "before", "delivered": "text"})
    return name


def names(target: Target) -> list[int]:
    """Return the numbers of the stashes that are there."""
    path = Path(target.root) / STASH
    return sorted(int(one.name[:6]) for one in path.iterdir()) if path.exists() else []


def undoable(target: Target) -> list[int]:
    """Return the numbers of the transactions that can be undone."""
    return [journal.sequence for journal in transaction.undoable(target)]


def test_the_millionth_transaction_is_the_last_one_though_its_name_is_not(target: Watched) -> None:
    for number in (999_999, 1_000_000):
        finish(target, number, parent=number - 1)
    assert [journal.sequence for journal in transaction.history(target)] == [999_999, 1_000_000]
    assert undoable(target) == [1_000_000, 999_999]


def test_history_is_in_the_order_of_the_transactions_without_those_taken_back(
    target: Watched,
) -> None:
    for number in (10, 2, 3):
        finish(target, number)
    (Path(target.root) / STASH / "000002-aa").rename(Path(target.root) / STASH / "zz")
    finish(target, 11, "rollback", undoes=("000010-aa",))
    finish(target, 12)
    (Path(target.root) / STASH / "000012-aa/record").write_bytes(b"{")
    assert [journal.sequence for journal in transaction.history(target)] == [2, 3, 11]


@pytest.mark.parametrize(
    ("transactions", "expected"),
    [
        ([], []),
        ([(1, "install", None)], [1]),
        ([(1, "install", None), (2, "install", 1), (3, "install", 2)], [3, 2, 1]),
        ([(1, "install", None), (3, "install", 2)], [3]),
        ([(1, "install", None), (2, "uninstall", 1)], []),
        ([(1, "install", None), (2, "uninstall", 1), (3, "install", 2)], [3]),
        ([(1, "install", None), (2, "install", None)], [2]),
        ([(1, "install", 2), (2, "install", 1)], [2, 1]),
    ],
)
def test_only_what_follows_without_a_gap_can_be_undone(
    target: Watched, transactions: list[tuple[int, Operation, int | None]], expected: list[int]
) -> None:
    for number, operation, parent in transactions:
        finish(target, number, operation, parent=parent)
    assert undoable(target) == expected


def test_a_rollback_opens_the_way_to_what_was_before(target: Watched) -> None:
    finish(target, 1)
    finish(target, 2, parent=1)
    finish(target, 3, "rollback", parent=2, undoes=("000002-aa",))
    assert undoable(target) == [1]


def test_a_damaged_record_stops_a_rollback_with_what_to_do(target: Watched) -> None:
    finish(target, 1)
    finish(target, 2, parent=1)
    (Path(target.root) / STASH / "000001-aa/record").write_bytes(b"{")
    with pytest.raises(RecoveryError) as caught:
        transaction.undoable(target)
    assert caught.value.message.startswith(f"{FIRST}/record: damaged: not JSON: ")
    assert caught.value.paths == (f"{FIRST}/record",)
    assert caught.value.hint == (
        f"go back with version control; to forget that transaction, remove {FIRST}"
    )


def test_a_record_that_cannot_be_read_stops_a_rollback(target: Watched) -> None:
    finish(target, 1)
    record = Path(target.root) / FIRST / "record"
    record.unlink()
    record.mkdir()
    with pytest.raises(TargetError, match="record"):
        transaction.undoable(target)
    assert transaction.history(target) == []
    assert transaction.kept(target) == ["000001-aa"]
    transaction.tidy(target)
    assert names(target) == [1]


def test_no_run_begins_while_a_record_cannot_be_read_for_once(
    target: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the last one, and the order of the transactions would be wrong for ever."""
    finish(target, 1)
    error, read = TargetError("for once"), Watched.read

    def fail_once(self: Watched, path: RelPath) -> bytes:
        if path == f"{FIRST}/record":
            raise error
        return read(self, path)

    before = standing(target)
    with monkeypatch.context() as patch:
        patch.setattr(Watched, "read", fail_once)
        with pytest.raises(TargetError) as caught:
            apply(target, upgrade(target), "bb")
    assert caught.value is error
    assert standing(target) == before
    assert apply(target, upgrade(target), "bb") == "000002-bb"


@pytest.mark.parametrize("kind", ["directory", "damaged"])
def test_a_run_begins_beside_a_record_that_can_never_be_read(target: Watched, kind: str) -> None:
    finish(target, 1)
    record = Path(target.root) / FIRST / "record"
    record.unlink()
    if kind == "directory":
        record.mkdir()
    else:
        record.write_bytes(b"{")
    apply(target, upgrade(target), "bb")
    assert (Path(target.root) / "b.md").read_bytes() == b"after"


def test_what_a_killed_look_at_the_clock_left_is_removed(target: Watched) -> None:
    write(Path(target.root), {f"{STATE}/.stat-cache.new": "", f"{STATE}/stat-cache": "x"})
    transaction.tidy(target)
    assert {name for name in standing(target) if name.startswith(f"{STATE}/")} == {
        f"{STATE}/stat-cache"
    }


def test_stashes_with_bytes_of_the_user_s_are_told(target: Watched) -> None:
    finish(target, 1)
    finish(target, 2, is_edited=True)
    finish(target, 3)
    (Path(target.root) / STASH / "000003-aa/record").rename(
        Path(target.root) / STASH / "000003-aa/undone"
    )
    finish(target, 4)
    (Path(target.root) / STASH / "000004-aa/record").write_bytes(b"{")
    finish(target, 5, "rollback", keeps=("000001-aa",))
    write(Path(target.root), {f"{STASH}/000006-aa/new/0": ""})
    assert transaction.kept(target) == ["000002-aa", "000003-aa", "000004-aa", "000005-aa"]


@pytest.mark.parametrize(
    ("files", "directories", "is_hot"),
    [
        ([], [], False),
        ([], [".agentrail"], True),
        ([], [STATE], True),
        ([".agentrail/receipt.json"], [], False),
        ([".agentrail/receipt.json"], [STATE], True),
        ([f"{STATE}/events.jsonl"], [], False),
        ([JOURNAL], [], True),
        ([f"{STATE}/lock"], [], True),
        ([f"{FIRST}/record"], [], False),
        ([f"{FIRST}/undone"], [], False),
        ([f"{FIRST}/replaced/x"], [], True),
        ([f"{FIRST}/record", f"{STASH}/000002-aa/new/0"], [], True),
        ([f"{STATE}/events.jsonl"], [STASH], True),
    ],
)
def test_a_run_that_is_under_way_or_was_killed_is_noticed(
    target: Watched, files: list[str], directories: list[str], is_hot: bool
) -> None:
    write(Path(target.root), dict.fromkeys(files, ""))
    for path in directories:
        (Path(target.root) / path).mkdir(parents=True)
    assert stash.is_hot(target) is is_hot


@pytest.mark.parametrize(
    ("transactions", "left"),
    [
        ([], []),
        ([(n, "install", {}) for n in range(1, 8)], [3, 4, 5, 6, 7]),
        (
            [(1, "install", {"is_edited": True})] + [(n, "install", {}) for n in range(2, 8)],
            [1, 3, 4, 5, 6, 7],
        ),
        ([(1, "install", {}), (2, "rollback", {"undoes": ("000001-aa",)})], []),
        (
            [
                (1, "install", {"is_edited": True}),
                (2, "rollback", {"undoes": ("000001-aa",), "keeps": ("000001-aa",)}),
            ],
            [1, 2],
        ),
        ([(1, "install", {}), (2, "uninstall", {})], []),
        ([(1, "install", {}), (2, "uninstall", {}), (3, "install", {})], [2, 3]),
        ([(1, "install", {"is_edited": True}), (2, "uninstall", {})], [1, 2]),
        ([(1, "install", {}), (2, "uninstall", {"is_edited": True})], [2]),
        (
            [(1, "uninstall", {}), (2, "install", {}), (3, "uninstall", {}), (4, "install", {})],
            [3, 4],
        ),
    ],
)
def test_the_last_five_installs_are_kept_and_all_with_bytes_of_the_user_s(
    target: Watched, transactions: list[tuple[int, Operation, dict[str, Any]]], left: list[int]
) -> None:
    for number, operation, more in transactions:
        finish(target, number, operation, **more)
    transaction.tidy(target)
    assert names(target) == left


def test_leftovers_of_killed_runs_are_removed_and_undone_stashes_stay(target: Watched) -> None:
    finish(target, 2)
    (Path(target.root) / STASH / "000002-aa/record").rename(
        Path(target.root) / STASH / "000002-aa/undone"
    )
    write(Path(target.root), {f"{STASH}/000003-aa/new/0": "", f"{STASH}/000003-aa/journal": ""})
    transaction.tidy(target)
    assert names(target) == [2]


def test_no_stash_goes_while_a_record_that_may_need_it_cannot_be_read_for_once(
    target: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 8):
        finish(target, number)
    read = Watched.read

    def fail_once(self: Watched, path: RelPath) -> bytes:
        if path == f"{STASH}/000007-aa/record":
            raise TargetError("for once")
        return read(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(Watched, "read", fail_once)
        transaction.tidy(target)
    assert names(target) == [1, 2, 3, 4, 5, 6, 7]
    transaction.tidy(target)
    assert names(target) == [3, 4, 5, 6, 7]


def test_an_empty_stash_directory_goes(target: Watched) -> None:
    (Path(target.root) / STASH).mkdir(parents=True)
    transaction.tidy(target)
    transaction.tidy(target)
    assert STASH not in standing(target)


@pytest.mark.parametrize("has_texts", [True, False])
@pytest.mark.parametrize("operation", ["install", "uninstall"])
def test_of_an_uninstall_only_its_record_is_kept(
    target: Watched, operation: Operation, has_texts: bool
) -> None:
    finish(target, 1, is_edited=True)
    finish(target, 2, operation)
    (Path(target.root) / STASH / "000002-aa/replaced/b.md").unlink()
    if not has_texts:
        (Path(target.root) / STASH / "000002-aa/delivered").unlink()
    transaction.tidy(target)
    left = {name for name in standing(target) if name.startswith(f"{STASH}/000002-aa/")}
    parts = ("record", "replaced", "delivered")[: 3 if has_texts else 2]
    whole = {f"{STASH}/000002-aa/{part}" for part in parts}
    assert left == (whole if operation == "install" else {f"{STASH}/000002-aa/record"})
    assert f"{FIRST}/replaced/b.md" in standing(target)


def test_a_stash_loses_its_record_first_so_that_half_of_it_is_offered_to_nobody(
    target: Watched,
) -> None:
    for number in range(1, 7):
        finish(target, number)
    transaction.tidy(target)
    removed = [call for call in target.log if call[0] in ("remove", "remove_directory")]
    assert removed[0] == ("remove", f"{FIRST}/record")
    assert ("remove_directory", FIRST) in removed


def test_a_run_does_not_read_its_own_record(target: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    read = Watched.read

    def watch(self: Watched, path: RelPath) -> bytes:
        reads.append(path)
        return read(self, path)

    monkeypatch.setattr(Watched, "read", watch)
    apply(target, upgrade(target))
    assert reads == ["a/gone.md", "b.md", "c/edited.md"]


def test_journals_that_are_known_are_not_read_again(target: Watched) -> None:
    finish(target, 1)
    (known,) = transaction.history(target)
    (Path(target.root) / FIRST / "record").write_bytes(b"")
    for number in range(2, 8):
        finish(target, number)
    later = [journal.outline for journal in transaction.history(target)]
    transaction.tidy(target, {found.transaction: found for found in [known.outline, *later]})
    assert names(target) == [3, 4, 5, 6, 7]
