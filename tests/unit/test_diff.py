"""A diff shows what an install would write, in the form that git apply and patch read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from agentrail_runtime import diff
from agentrail_runtime.decision import Policy
from agentrail_runtime.entry import Index
from tests.support import write
from tests.unit.support import World

GUIDE = "docs/guide.md"


def shown(world: World, policy: Policy = "abort") -> str:
    return diff.unified(world.plan(policy), world, receipt=world.receipt, index=world.index)


def upgraded(
    current: bytes | None, base: bytes = b"1\n2\n3\n", incoming: bytes = b"1\n2\n4\n"
) -> World:
    world = World()
    world.install({GUIDE: base})
    if current is None:
        del world.files[GUIDE]
    else:
        world.files[GUIDE] = current
    world.bundle = {GUIDE: incoming}
    return world


def without_own(text: str) -> str:
    """Return a diff without the installer's own files."""
    files = text.split("--- ")
    return "--- ".join(part for part in files if ".agentrail/" not in part)


def test_a_new_file_is_shown_as_new() -> None:
    world = World()
    world.bundle = {GUIDE: b"1\n2\n"}
    assert (
        without_own(shown(world))
        == "--- /dev/null\n+++ incoming/docs/guide.md\n@@ -0,0 +1,2 @@\n+1\n+2\n"
    )


def test_an_update_is_shown_from_current_to_incoming() -> None:
    assert without_own(shown(upgraded(b"1\n2\n3\n"))) == (
        "--- current/docs/guide.md\n+++ incoming/docs/guide.md\n@@ -1,3 +1,3 @@\n 1\n 2\n-3\n+4\n"
    )


def test_a_removed_file_is_shown_as_removed() -> None:
    world = upgraded(b"1\n2\n3\n")
    world.bundle = {}
    assert without_own(shown(world)).startswith(
        "--- current/docs/guide.md\n+++ /dev/null\n@@ -1,3 +0,0 @@\n"
    )


TWICE = (
    "--- base/docs/guide.md\n+++ current/docs/guide.md\n@@ -1,3 +1,3 @@\n 1\n 2\n-3\n+mine\n"
    "--- current/docs/guide.md\n+++ incoming/docs/guide.md\n@@ -1,3 +1,3 @@\n 1\n 2\n-mine\n+4\n"
)


@pytest.mark.parametrize("policy", ["abort", "keep", "overwrite"])
def test_a_conflict_shows_both_changes_whatever_becomes_of_it(policy: Policy) -> None:
    assert without_own(shown(upgraded(b"1\n2\nmine\n"), policy)) == TWICE


def test_a_refused_change_is_still_shown_as_undelivered() -> None:
    world = upgraded(b"1\n2\nmine\n")
    world.install({GUIDE: b"1\n2\n4\n"}, "keep")
    assert shown(world) == TWICE


def test_a_merge_shows_the_user_s_change_and_what_is_merged_into_it() -> None:
    world = upgraded(b"mine\n2\n3\n")
    assert without_own(shown(world, "merge")) == (
        "--- base/docs/guide.md\n+++ current/docs/guide.md\n@@ -1,3 +1,3 @@\n-1\n+mine\n 2\n 3\n"
        "--- current/docs/guide.md\n+++ incoming/docs/guide.md\n@@ -1,3 +1,3 @@\n mine\n 2\n-3\n+4\n"
    )


def test_without_the_base_text_only_the_way_to_the_incoming_one_is_shown() -> None:
    world = upgraded(b"1\n2\nmine\n")
    world.bases.clear()
    assert shown(world).startswith("--- current/docs/guide.md\n")


def test_a_file_of_the_user_s_in_the_way_is_shown_against_the_framework_s() -> None:
    world = World({GUIDE: b"mine\n"})
    world.bundle = {GUIDE: b"theirs\n"}
    assert without_own(shown(world)) == (
        "--- current/docs/guide.md\n+++ incoming/docs/guide.md\n@@ -1 +1 @@\n-mine\n+theirs\n"
    )


def test_an_edit_that_is_kept_and_undelivered_by_nobody_is_no_change_of_the_install() -> None:
    world = upgraded(b"1\n2\nmine\n", incoming=b"1\n2\n3\n")
    assert shown(world) == ""


def test_a_file_that_stays_deleted_is_not_shown() -> None:
    assert without_own(shown(upgraded(None))) == ""


def test_a_second_install_has_nothing_to_show() -> None:
    world = World({"AGENTS.md": b"mine\n"})
    world.install({GUIDE: b"1\n", "AGENTS.md": b"rules\n"})
    assert shown(world) == ""


BLOCK = "<!-- agentrail:begin -->\n{}\n<!-- agentrail:end -->\n"


def blocked(policy: Policy) -> World:
    world = World({"AGENTS.md": b"mine\n"})
    world.install({"AGENTS.md": BLOCK.format("1").encode()})
    world.files["AGENTS.md"] = b"mine\n" + BLOCK.format("edited").encode()
    world.install({"AGENTS.md": BLOCK.format("2").encode()}, policy)
    return world


@pytest.mark.parametrize("policy", ["abort", "keep"])
def test_a_block_that_both_sides_changed_shows_what_was_not_delivered(policy: Policy) -> None:
    text = shown(blocked(policy))
    assert "--- current/AGENTS.md\n+++ incoming/AGENTS.md\n" in text
    assert "-edited\n+2\n" in text
    assert "-mine" not in text


def test_a_block_that_cannot_be_put_in_has_nothing_to_show() -> None:
    world = blocked("abort")
    world.files["AGENTS.md"] = b"<!-- agentrail:begin -->\n"
    assert world.plan().conflicts
    assert shown(world) == ""


def test_of_a_file_that_the_source_has_no_more_only_the_edit_is_shown() -> None:
    world = upgraded(b"1\n2\nmine\n")
    text = diff.unified(world.plan(), world, receipt=world.receipt, index=Index("1.0.0"))
    assert text == TWICE[: TWICE.index("--- current")]


def test_a_block_that_is_added_shows_the_user_s_text_unchanged() -> None:
    world = World({"AGENTS.md": b"mine"})
    world.bundle = {"AGENTS.md": BLOCK.format("1").encode()}
    assert without_own(shown(world)) == (
        "--- current/AGENTS.md\n+++ incoming/AGENTS.md\n@@ -1 +1,4 @@\n"
        "-mine\n\\ No newline at end of file\n+mine\n"
        "+<!-- agentrail:begin -->\n+1\n+<!-- agentrail:end -->\n\\ No newline at end of file\n"
    )


@pytest.mark.parametrize("data", [b"\0", b"caf\xe9\n"])
def test_what_is_no_text_is_named_and_not_printed(data: bytes) -> None:
    world = World()
    world.bundle = {"a.png": data}
    assert without_own(shown(world)).endswith("Binary files /dev/null and incoming/a.png differ\n")


def test_a_change_of_mode_alone_has_no_lines_to_show() -> None:
    world = World()
    world.install({"run.sh": b"x\n"})
    world.executable = ("run.sh",)
    assert without_own(shown(world)) == ""


ODD = [
    b"1\n2\n3\n",
    b"1\n2\n4",
    b"1\r\n2\r\n4\r\n",
    b"",
    b"one\x0cpage\ntwo\n",
    b"1\rstill one\n2\n",
    "1\u2028still one\n2\n3".encode(),
    "1\x85still one\n\x1c\x1d\x1e\x0b\n".encode(),
    "日本\n".encode(),
]


@pytest.mark.parametrize("before", ODD)
@pytest.mark.parametrize("after", ODD)
def test_git_makes_of_the_old_file_the_new_one_by_the_diff(
    before: bytes, after: bytes, tmp_path: Path
) -> None:
    world = upgraded(before, base=before, incoming=after)
    text = without_own(shown(world))
    write(tmp_path, {GUIDE: before})
    done = subprocess.run(
        ["git", "apply", "--allow-empty", "--whitespace=nowarn", "-"],
        input=text.encode(),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / GUIDE).read_bytes() == next(
        (
            change.content()
            for change in world.plan().changes
            if change.content and change.path == GUIDE
        ),
        before,
    )
