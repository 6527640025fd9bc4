"""What a power loss may leave, by each model: too little here, and the search proves nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.powerloss.calls import (
    DIRECTORY,
    chmod,
    create,
    file,
    fsync,
    mkdir,
    rename,
    rmdir,
    tape,
    unlink,
)
from tests.powerloss.disk import Moment, Tape, Tree
from tests.powerloss.loss import MODELS, Loss, Model, Sample, key
from tests.powerloss.trace import Call

OLD: Tree = {"d": DIRECTORY, "d/f": file(b"old"), "s": DIRECTORY, "s/n": file(b"new")}
SAFE_SAVE = [*create("d/t", b"text"), *fsync("d/t"), *rename("d/t", "d/f")]


def left(made: Tape, model: Model) -> list[Tree]:
    """Return what may be there after the last step, each once."""
    loss, point = Loss(made, model), len(Loss(made, model).operations)
    trees = {key(tree): tree for tree in map(loss.tree, _samples(loss, point))}
    return [*trees.values()]


def _samples(loss: Loss, point: int) -> Iterator[Sample]:
    dice = random.Random(1)
    yield loss.prefix(point)
    yield loss.nothing(point)
    for _ in range(400):
        yield loss.chance(point, dice)


def content(trees: list[Tree], path: str) -> set[bytes | None]:
    """Return what the file at a path may hold; None where it may be absent."""
    return {tree[path].content if path in tree else None for tree in trees}


def scattered(*calls: list[Call]) -> list[Tree]:
    return left(tape(OLD, *calls), "scattered")


# --- bytes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_bytes_that_were_not_synced_may_be_missing_cut_or_zeros(model: Model) -> None:
    found = content(left(tape(OLD, create("n", b"text"), fsync("")), model), "n")
    assert found == {b"", b"t", b"te", b"tex", b"text", b"\0\0\0\0"}


@pytest.mark.parametrize("model", MODELS)
def test_bytes_that_were_synced_are_there(model: Model) -> None:
    made = tape(OLD, create("n", b"text"), fsync("n"), fsync(""))
    assert content(left(made, model), "n") == {b"text"}


def test_a_rename_does_not_wait_for_the_bytes() -> None:
    found = scattered(create("d/t", b"text"), rename("d/t", "d/f"), fsync("d"))
    assert b"" in content(found, "d/f")


def test_a_later_write_may_be_there_without_an_earlier_one() -> None:
    found = content(scattered(create("n", b"one", b"two"), fsync("")), "n")
    assert {b"\0\0\0two", b"one", b"onetwo", b""} <= found


# --- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("ordered", {(True, True)}),
        ("scattered", {(True, True), (True, False), (False, True), (False, False)}),
    ],
)
def test_names_come_in_order_or_each_for_itself(model: Model, names: set[tuple[bool, bool]]) -> None:
    found = left(tape(OLD, mkdir("a"), mkdir("b")), model)
    assert {("a" in tree, "b" in tree) for tree in found} == names


def test_a_synced_file_may_still_have_no_name() -> None:
    assert content(scattered(create("n", b"text"), fsync("n")), "n") == {None, b"text"}


def test_a_synced_directory_keeps_its_names() -> None:
    found = scattered(mkdir("a"), unlink("d/f"), fsync("d"))
    assert content(found, "d/f") == {None}
    assert {"a" in tree for tree in found} == {True, False}


def test_a_synced_directory_may_still_have_no_name() -> None:
    found = scattered(mkdir("a"), create("a/n", b"text"), fsync("a/n"), fsync("a"))
    assert content(found, "a/n") == {None, b"text"}


def test_a_file_is_replaced_wholly_or_not_at_all() -> None:
    assert content(scattered(SAFE_SAVE), "d/f") == {b"old", b"text"}


def test_nothing_is_there_without_the_directory_that_it_is_in() -> None:
    for tree in scattered(mkdir("a"), mkdir("a/b"), create("a/b/n")):
        assert all(path.rpartition("/")[0] in {"", *tree} for path in tree)


def test_a_name_that_is_gone_was_there_before() -> None:
    found = scattered(SAFE_SAVE, unlink("d/f"))
    assert content(found, "d/f") == {b"old", b"text", None}
    assert not any("d/t" in tree and "d/f" not in tree for tree in found)


def test_a_directory_goes_after_what_was_in_it() -> None:
    found = scattered(unlink("d/f"), rmdir("d"))
    assert {("d" in tree, "d/f" in tree) for tree in found} == {
        (True, True),
        (True, False),
        (False, False),
    }


def test_permission_bits_last_once_the_file_is_synced() -> None:
    found = scattered(chmod("d/f", "0600"), chmod("s/n", "0600"), fsync("s/n"), fsync("d"))
    assert {tree["d/f"].mode for tree in found} == {0o644, 0o600}
    assert {tree["s/n"].mode for tree in found} == {0o600}


# --- a rename from one directory to another ----------------------------------------------------------

MOVE = rename("s/n", "d/f")


def places(trees: list[Tree]) -> set[tuple[bytes, bool]]:
    """Return what may stand at the new name, and whether the old name may be there."""
    return {(tree["d/f"].content, "s/n" in tree) for tree in trees}


def test_a_rename_is_there_or_not() -> None:
    assert places(scattered(MOVE)) == {(b"old", True), (b"new", False)}


@pytest.mark.parametrize("synced", ["s", "d"])
def test_a_rename_lasts_once_either_directory_is_synced(synced: str) -> None:
    assert places(scattered(MOVE, fsync(synced))) == {(b"new", False)}


def test_a_rename_in_halves_may_leave_both_names_but_never_none() -> None:
    found = left(tape(OLD, MOVE), "halved")
    assert places(found) == {(b"old", True), (b"new", True), (b"new", False)}


def test_a_rename_in_halves_lasts_at_each_end_with_its_own_directory() -> None:
    assert places(left(tape(OLD, MOVE, fsync("d")), "halved")) == {(b"new", True), (b"new", False)}
    assert places(left(tape(OLD, MOVE, fsync("s")), "halved")) == {(b"new", False)}


@pytest.mark.parametrize("model", ["scattered", "halved"])
def test_what_is_moved_into_a_new_directory_is_somewhere(model: Model) -> None:
    found = left(tape(OLD, mkdir("a"), rename("s/n", "a/n")), model)
    assert all("s/n" in tree or "a/n" in tree for tree in found)


# --- moments ---------------------------------------------------------------------------------------


def test_a_state_is_judged_by_what_the_user_had_been_told_by_then() -> None:
    made = tape(OLD, mkdir("a"))
    made.operations.append(Moment(({},), "told"))
    loss = Loss(made, "ordered")
    assert loss.allowed(loss.prefix(2)) == (OLD,)
    assert loss.allowed(loss.prefix(3)) == ({},)


def test_a_loss_is_told_in_words() -> None:
    loss = Loss(tape(OLD, mkdir("a"), create("n", b"text")), "scattered")
    torn = loss.torn(4, 3, -1)
    assert loss.tell(torn) == "after 4 steps, the last: write 4 to n; lost: write 4 to n (zeros)"
    nothing = loss.tell(loss.nothing(4))
    assert nothing == "after 4 steps, the last: write 4 to n; lost: mkdir a, create n, write 4 to n"


def test_the_same_seed_brings_the_same_samples() -> None:
    loss = Loss(tape(OLD, mkdir("a"), create("n", b"text")), "scattered")
    one, other = ([*loss.singles(random.Random(3))] for _ in range(2))
    assert one == other
