"""Calls become steps: a step that is wrong makes every state after it wrong."""

from __future__ import annotations

import pytest

from tests.powerloss.calls import (
    DIRECTORY,
    ROOT,
    call,
    chmod,
    create,
    file,
    fsync,
    here,
    mkdir,
    opened,
    rename,
    rmdir,
    tape,
    unlink,
)
from tests.powerloss.disk import Sync, Tape, Tree
from tests.powerloss.trace import Argument, Call, TraceError
from tests.support import Node

OLD: Tree = {"d": DIRECTORY, "d/f": file(b"old")}


def text(data: bytes) -> Argument:
    return Argument("", data=data)


def at(name: str) -> Argument:
    return text(f"{ROOT}/{name}".encode())


def append(data: bytes) -> list[Call]:
    descriptor = Argument("9", path=f"{ROOT}/d/f")
    return [
        call("openat", *here("d/f"), "O_RDWR|O_APPEND", result=9),
        call("write", descriptor, text(data), f"{len(data)}", result=len(data)),
    ]


@pytest.mark.parametrize(
    ("calls", "tree"),
    [
        pytest.param(create("n", b"new"), {**OLD, "n": file(b"new")}, id="create"),
        pytest.param(mkdir("e"), {**OLD, "e": DIRECTORY}, id="mkdir"),
        pytest.param(unlink("d/f"), {"d": DIRECTORY}, id="unlink"),
        pytest.param(rename("d/f", "d/g"), {"d": DIRECTORY, "d/g": file(b"old")}, id="rename"),
        pytest.param(rename("d/f", "g"), {"d": DIRECTORY, "g": file(b"old")}, id="rename away"),
        pytest.param(chmod("d/f", "0600"), {"d": DIRECTORY, "d/f": file(b"old", 0o600)}, id="chmod"),
        pytest.param(append(b"er"), {"d": DIRECTORY, "d/f": file(b"older")}, id="append"),
        pytest.param(
            [call("openat", *here("d/f"), "O_WRONLY|O_TRUNC", result=9)],
            {"d": DIRECTORY, "d/f": file(b"")},
            id="cut on opening",
        ),
        pytest.param(
            [call("ftruncate", opened("d/f"), "5")],
            {"d": DIRECTORY, "d/f": file(b"old\0\0")},
            id="extend",
        ),
        pytest.param(
            [call("truncate", at("d/f"), "1")], {"d": DIRECTORY, "d/f": file(b"o")}, id="cut by name"
        ),
        pytest.param(
            [
                call("openat", *here("d/f"), "O_RDWR", result=9),
                call("dup", Argument("9", path=f"{ROOT}/d/f"), result=8),
                call("lseek", Argument("8", path=f"{ROOT}/d/f"), "1", "SEEK_SET", result=1),
                call("write", Argument("9", path=f"{ROOT}/d/f"), text(b"XY"), "2", result=1),
            ],
            {"d": DIRECTORY, "d/f": file(b"oXd")},
            id="write what came of it, where it goes",
        ),
        pytest.param(
            [
                call("openat", *here("d/f"), "O_RDWR", result=9),
                call("pwrite64", Argument("9", path=f"{ROOT}/d/f"), text(b"D"), "1", "2", result=1),
            ],
            {"d": DIRECTORY, "d/f": file(b"olD")},
            id="write at an offset",
        ),
        pytest.param(
            [call("symlinkat", text(b"d/f"), *here("s"))],
            {**OLD, "s": Node("link", 0o777, b"d/f")},
            id="symlink",
        ),
        pytest.param(
            [call("linkat", *here("d/f"), *here("h"), "0")], {**OLD, "h": file(b"old")}, id="link"
        ),
    ],
)
def test_a_call_leaves_what_it_leaves_on_a_disk(calls: list[Call], tree: Tree) -> None:
    assert tape(OLD, calls).tree() == dict(sorted(tree.items()))


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ([call("open", at("n"), "O_WRONLY|O_CREAT", "0666", result=9)], create("n")),
        ([call("creat", at("n"), "0666", result=9)], create("n")),
        ([call("mkdir", at("e"), "0777")], mkdir("e")),
        ([call("unlink", at("d/f"))], unlink("d/f")),
        ([call("unlink", at("d/f")), call("rmdir", at("d"))], [*unlink("d/f"), *rmdir("d")]),
        ([call("rename", at("d/f"), at("g"))], rename("d/f", "g")),
        ([call("renameat2", *here("d/f"), *here("g"), "RENAME_NOREPLACE")], rename("d/f", "g")),
        ([call("link", at("d/f"), at("g"))], [call("linkat", *here("d/f"), *here("g"), "0")]),
        ([call("symlink", text(b"f"), at("s"))], [call("symlinkat", text(b"f"), *here("s"))]),
        ([call("chmod", at("d/f"), "0600")], chmod("d/f", "0600")),
        ([call("fchmod", opened("d/f"), "0600")], chmod("d/f", "0600")),
    ],
    ids=lambda calls: calls[-1].name,
)
def test_an_older_call_comes_to_the_same_steps_as_the_newer_one(
    older: list[Call], newer: list[Call]
) -> None:
    assert tape(OLD, older).operations == tape(OLD, newer).operations


@pytest.mark.parametrize(
    ("calls", "inode"),
    [
        (fsync("d/f"), 2),
        (fsync("d"), 1),
        (fsync(""), 0),
        ([call("fdatasync", opened("d/f"))], 2),
        ([call("sync")], None),
        ([call("syncfs", opened("d/f"))], None),
    ],
)
def test_a_sync_is_of_what_it_says(calls: list[Call], inode: int | None) -> None:
    last = tape(OLD, calls).operations[-1]
    assert isinstance(last, Sync)
    assert last.inode == inode


def test_what_only_starts_writeback_is_no_sync() -> None:
    calls = [call("fadvise64", opened("d/f"), "0", "0", "POSIX_FADV_DONTNEED")]
    assert tape(OLD, calls).syncs() == {}


def test_a_write_of_a_forked_process_goes_on_where_its_parent_was() -> None:
    descriptor = Argument("9", path=f"{ROOT}/n")
    calls = [
        call("openat", *here("n"), "O_WRONLY|O_CREAT", "0666", result=9),
        call("write", descriptor, text(b"one"), "3", result=3),
        Call(2, "write", (descriptor, text(b"two"), Argument("3")), 3),
    ]
    assert tape({}, calls).tree() == {"n": file(b"onetwo")}


def test_a_relative_path_is_meant_from_where_the_process_went() -> None:
    calls = [call("chdir", at("d")), call("unlink", text(b"f"))]
    assert tape(OLD, calls).tree() == {"d": DIRECTORY}


def test_what_a_process_does_elsewhere_is_left_out() -> None:
    elsewhere = Argument("3", path="/else"), text(b"f")
    calls = [call("unlinkat", *elsewhere, "0"), call("renameat", *elsewhere, *elsewhere)]
    assert len(tape(OLD, calls).operations) == 1


def test_the_user_is_told_at_the_first_line_on_standard_output() -> None:
    told = Tape(OLD).play(
        [*mkdir("a"), call("write", "1", text(b"done"), "4", result=4), *mkdir("b")], ROOT
    )
    assert told == 1


def test_a_user_who_is_told_nothing_sees_the_command_end() -> None:
    assert Tape(OLD).play([*mkdir("a"), *mkdir("b")], ROOT) == 2


@pytest.mark.parametrize(
    "unmodelled",
    [
        call("copy_file_range", "4", "NULL", opened("d/f"), "NULL", "5", "0", result=5),
        call("sendfile", opened("d/f"), "4", "NULL", "5", result=5),
        call("fallocate", opened("d/f"), "0", "0", "9"),
        call("io_uring_setup", "8", "{}", result=4),
        call("openat", *here("d"), "O_RDWR|O_TMPFILE", "0600", result=4),
        call("renameat2", *here("d"), *here("d/f"), "RENAME_EXCHANGE"),
        call("renameat", Argument("3", path="/else"), text(b"f"), *here("d/f")),
        call("openat", *here("none"), "O_RDONLY", result=4),
        call("write", opened("d/f"), text(b"x"), "1", result=1),
        Call(2, "unlink", (text(b"f"),), 0),
    ],
    ids=lambda call: call.name,
)
def test_a_call_that_no_step_stands_for_is_an_error_and_no_gap(unmodelled: Call) -> None:
    with pytest.raises(TraceError):
        tape(OLD, [call("chdir", at("d"))], [unmodelled])


def test_a_killed_command_has_done_nothing_of_what_came_after() -> None:
    made = tape(OLD, mkdir("a"), mkdir("b"))
    made.cut(2)
    assert made.tree() == {"a": DIRECTORY, **OLD}
    made.play(mkdir("c"), ROOT)
    assert made.tree() == {"a": DIRECTORY, "c": DIRECTORY, **OLD}


def test_a_copy_of_a_tape_goes_its_own_way() -> None:
    made = tape(OLD, mkdir("a"))
    made.copy().play(mkdir("b"), ROOT)
    assert made.tree() == {"a": DIRECTORY, **OLD}


def test_a_tape_without_its_syncs_comes_to_the_same_tree() -> None:
    made = tape(OLD, create("n", b"new"), fsync("n"), fsync(""))
    assert [*made.syncs().values()] == ["file", "directory"]
    other = made.without(made.syncs())
    assert (other.syncs(), other.tree()) == ({}, made.tree())
