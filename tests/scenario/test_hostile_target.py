"""A target with traps in it: symlinks, FIFOs, sockets, directories, unreadable and huge files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentrail_runtime.target import Target
from tests.crash.hostile import (
    COMMANDS,
    ODD,
    as_it_was,
    bounded,
    closed,
    copy_of,
    make_fifo,
    make_outside,
    process,
    refused,
    replace,
    untouched,
    without_privileges,
)
from tests.support import agentrail, install, make_repo, payload_bundle, snapshot, write

SPEC = "docs/templates/spec.md"
RULES = "docs/operations/runtime-framework-rules.md"
NAMES = ("install", "verify", "status", "diff", "rollback", "uninstall")


@pytest.fixture(autouse=True)
def _quick_and_never_hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no power fails here
    with bounded():
        yield


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the target, with somebody's files."""
    return make_outside(tmp_path / "outside")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two repositories to be copied: with AgentRail installed, and without."""
    place = tmp_path_factory.mktemp("template")
    make_repo(place / "bare")
    copy_of(place / "bare", place / "installed")
    assert install(place / "installed").code == 0
    return place


@pytest.fixture
def repo(template: Path, tmp_path: Path) -> Path:
    """A git repository with somebody's files."""
    return copy_of(template / "bare", tmp_path / "repo")


@pytest.fixture
def installed(template: Path, tmp_path: Path) -> Path:
    """A repository with AgentRail installed."""
    return copy_of(template / "installed", tmp_path / "installed")


@pytest.fixture
def without_dir_fd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the product take the way of a platform that opens no files relative to a directory."""
    monkeypatch.setattr(Target.__init__, "__kwdefaults__", {"use_dir_fd": False})


# --- symlinks --------------------------------------------------------------------------------------

# The path in the target, what the symlink there leads to below `outside`, and what the refusal names.
LINKS = [
    pytest.param("docs", "directory", "docs", id="a directory above files"),
    pytest.param("docs/templates", "directory", "docs/templates", id="a deeper directory"),
    pytest.param(".github", "nothing", ".github", id="a dangling directory"),
    pytest.param(SPEC, "secret", SPEC, id="a managed file"),
    pytest.param(SPEC, "nothing", SPEC, id="a dangling managed file"),
    pytest.param(SPEC, "directory", SPEC, id="a managed file, to a directory"),
    pytest.param("MEMORY.md", "secret", "MEMORY.md", id="a seed"),
    pytest.param("MEMORY.md", "nothing", "MEMORY.md", id="a dangling seed"),
    pytest.param("CLAUDE.md", "secret", "CLAUDE.md", id="a block"),
    pytest.param("CLAUDE.md", "nothing", "CLAUDE.md", id="a dangling block"),
    pytest.param("project.profile.yaml", "secret", "project.profile.yaml", id="the profile"),
    pytest.param("project.profile.yaml", "nothing", "project.profile.yaml", id="a dangling profile"),
    pytest.param(".agentrail", "directory", ".agentrail", id="our directory"),
    pytest.param(".agentrail", "nothing", ".agentrail", id="our directory, dangling"),
    pytest.param(".agentrail/receipt.json", "secret", ".agentrail/receipt.json", id="the receipt"),
    pytest.param(".agentrail/receipt.json", "nothing", ".agentrail/receipt.json", id="no receipt"),
    pytest.param(".agentrail/.gitignore", "secret", ".agentrail/.gitignore", id="our .gitignore"),
    pytest.param(".agentrail/work", "directory", ".agentrail/work", id="the task root"),
    pytest.param(".agentrail/work/.gitkeep", "secret", ".gitkeep", id="our .gitkeep"),
    pytest.param(".agentrail/state", "directory", ".agentrail/state", id="the state"),
    pytest.param(".agentrail/state/journal", "secret", "state/journal", id="the journal"),
    pytest.param(".agentrail/state/journal", "nothing", "state/journal", id="a dangling journal"),
    pytest.param(".agentrail/state/lock", "secret", "state/lock", id="the lock"),
    pytest.param(".agentrail/state/lock", "nothing", "state/lock", id="a dangling lock"),
    pytest.param(".agentrail/state/stash", "directory", "state/stash", id="the stash"),
]


@pytest.mark.parametrize(("path", "end", "named"), LINKS)
def test_a_first_install_refuses_a_symlink_out_of_the_target_by_name(
    repo: Path, outside: Path, path: str, end: str, named: str
) -> None:
    replace(repo / path, lambda place: place.symlink_to(outside / end))
    with untouched(outside), as_it_was(repo):
        refused(install(repo), 1, named)


@pytest.mark.parametrize(("path", "end", "named"), LINKS)
def test_overwriting_does_not_write_through_a_symlink(
    repo: Path, outside: Path, path: str, end: str, named: str
) -> None:
    replace(repo / path, lambda place: place.symlink_to(outside / end))
    with untouched(outside), as_it_was(repo):
        refused(install(repo, "--on-conflict", "overwrite"), 1, named)


@pytest.mark.parametrize(("path", "end", "named"), LINKS)
def test_no_command_follows_a_symlink_that_was_put_in_later(
    installed: Path, outside: Path, path: str, end: str, named: str
) -> None:
    replace(installed / path, lambda place: place.symlink_to(outside / end))
    with untouched(outside):
        done = {name: command(installed) for name, command in COMMANDS.items()}
    assert {name: run for name, run in done.items() if run.code not in (0, 1, 3, 4)} == {}
    assert "Traceback" not in str(done)


@pytest.mark.parametrize(("path", "end", "named"), LINKS)
def test_an_upgrade_refuses_a_symlink_that_was_put_in_later(
    installed: Path, outside: Path, tmp_path: Path, path: str, end: str, named: str
) -> None:
    bundle = payload_bundle(tmp_path / "bundle", changed={SPEC: "new", "docs/INDEX.md": "new"})
    replace(installed / path, lambda place: place.symlink_to(outside / end))
    with untouched(outside), as_it_was(installed):
        refused(install(installed, bundle=bundle), 1, named)


@pytest.mark.parametrize(("path", "end", "named"), LINKS[:7])
def test_a_platform_without_directory_descriptors_refuses_the_same_symlinks(
    repo: Path, outside: Path, without_dir_fd: None, path: str, end: str, named: str
) -> None:
    replace(repo / path, lambda place: place.symlink_to(outside / end))
    with untouched(outside), as_it_was(repo):
        refused(install(repo), 1, named)


@pytest.mark.parametrize(("path", "end", "named"), [row for row in LINKS if "agentrail" in str(row)])
def test_a_platform_without_directory_descriptors_keeps_its_state_in_the_target(
    installed: Path, outside: Path, without_dir_fd: None, path: str, end: str, named: str
) -> None:
    replace(installed / path, lambda place: place.symlink_to(outside / end))
    with untouched(outside):
        done = {name: command(installed) for name, command in COMMANDS.items()}
    assert {name: run for name, run in done.items() if run.code not in (0, 1, 3, 4)} == {}


def test_a_symlink_to_itself_is_refused_by_name(repo: Path) -> None:
    (repo / "docs").symlink_to("docs")
    with as_it_was(repo):
        refused(install(repo), 1, "docs")


@pytest.mark.parametrize(
    "end", [".git/config", ".agentrail/.gitignore", "src", "nothing", "/etc/passwd"]
)
def test_a_block_linked_to_what_is_no_file_of_the_users_is_refused(repo: Path, end: str) -> None:
    write(repo, {".agentrail/.gitignore": "/state/\n"})
    (repo / "CLAUDE.md").unlink()
    (repo / "CLAUDE.md").symlink_to(end)
    config = (repo / ".git/config").read_bytes()
    with as_it_was(repo):
        refused(install(repo), 1, "CLAUDE.md")
    assert (repo / ".git/config").read_bytes() == config


def test_every_trap_is_named_at_once(repo: Path, outside: Path) -> None:
    for path in ("MEMORY.md", "project.profile.yaml"):
        replace(repo / path, lambda place: place.symlink_to(outside / "secret"))
    make_fifo(repo / ".github")
    refused(install(repo), 1, "MEMORY.md", "project.profile.yaml", ".github/workflows/ci-framework.yml")


def test_a_leftover_of_a_killed_run_is_removed_without_following_its_symlinks(
    installed: Path, outside: Path
) -> None:
    leftover = installed / ".agentrail/state/stash/000009-abc123/new"
    leftover.mkdir(parents=True)
    (leftover / "0").symlink_to(outside / "directory")
    (leftover / "1").symlink_to(outside / "secret")
    with untouched(outside):
        assert agentrail("verify", installed).code == 0
    assert not leftover.parent.exists()


def test_a_symlink_in_the_stash_is_refused_not_followed(installed: Path, outside: Path) -> None:
    (installed / ".agentrail/state/stash/000009-abc123").symlink_to(outside)
    with untouched(outside), as_it_was(installed):
        refused(agentrail("verify", installed), 1, "stash/000009-abc123")


def test_a_rollback_reads_no_replaced_file_through_a_symlink(
    installed: Path, outside: Path, tmp_path: Path
) -> None:
    bundle = payload_bundle(tmp_path / "bundle", changed={RULES: "new\n"})
    assert install(installed, bundle=bundle).code == 0
    stash = max((installed / ".agentrail/state/stash").iterdir())
    shutil.copytree(stash / "replaced", outside / "replaced")
    shutil.rmtree(stash / "replaced")
    (stash / "replaced").symlink_to(outside / "replaced")
    with untouched(outside):
        done = agentrail("rollback", installed)
    assert (done.code in (1, 7), (installed / RULES).read_bytes()) == (True, b"new\n")


def test_a_purge_does_not_follow_a_symlink_in_the_stash(
    repo: Path, outside: Path, tmp_path: Path
) -> None:
    write(repo, {SPEC: "mine"})
    assert install(repo, "--on-conflict", "overwrite").code == 0
    (next((repo / ".agentrail/state/stash").iterdir()) / "trap").symlink_to(outside)
    with untouched(outside):
        assert agentrail("uninstall", "--purge", repo).code == 0
    assert not (repo / ".agentrail").exists()


@pytest.mark.parametrize("task_root", ["docs/records", "docs"])
def test_a_task_root_behind_a_symlink_is_refused(repo: Path, outside: Path, task_root: str) -> None:
    (repo / "docs").symlink_to(outside)
    with untouched(outside), as_it_was(repo):
        refused(install(repo, "--task-root", task_root), 1, "docs")


# --- something else in the place of a file ---------------------------------------------------------

PLACES = [
    SPEC,
    "MEMORY.md",
    "CLAUDE.md",
    "project.profile.yaml",
    ".agentrail/receipt.json",
    ".agentrail/.gitignore",
    ".agentrail/work/.gitkeep",
    ".agentrail/state/lock",
    ".agentrail/state/journal",
]


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("path", PLACES)
def test_what_is_no_file_in_the_place_of_a_file_is_refused_by_name(
    repo: Path, path: str, what: str
) -> None:
    replace(repo / path, ODD[what])
    with as_it_was(repo):
        refused(install(repo), 1, path)


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("path", PLACES)
def test_no_command_hangs_on_what_is_no_file_or_removes_it(
    installed: Path, path: str, what: str
) -> None:
    replace(installed / path, ODD[what])
    before = snapshot(installed, with_state=True)[path]
    done = {name: command(installed) for name, command in COMMANDS.items()}
    assert {name: run for name, run in done.items() if run.code not in (0, 1, 3, 4)} == {}
    assert snapshot(installed, with_state=True)[path] == before


@pytest.mark.parametrize(
    "path", ["docs", "docs/templates", ".agentrail", ".agentrail/state", ".github"]
)
@pytest.mark.parametrize("what", ["a FIFO", "a socket", "a file"])
def test_what_is_no_directory_in_the_place_of_a_directory_is_refused_by_name(
    repo: Path, path: str, what: str
) -> None:
    replace(repo / path, ODD.get(what, lambda place: place.write_bytes(b"mine")))
    with as_it_was(repo):
        refused(install(repo), 1, path)


@pytest.mark.parametrize("path", [".agentrail/state/stash", ".agentrail/state/stash/000001-abc"])
def test_a_file_in_the_place_of_the_stash_is_refused_by_name(repo: Path, path: str) -> None:
    replace(repo / path, lambda place: place.write_bytes(b"mine"))
    with as_it_was(repo):
        refused(install(repo), 1, path)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("what", ["a FIFO", "a socket", "a file"])
def test_a_target_that_is_no_directory_is_refused(tmp_path: Path, name: str, what: str) -> None:
    target = tmp_path / "target"
    replace(target, ODD.get(what, lambda place: place.write_bytes(b"mine")))
    with as_it_was(tmp_path):
        refused(COMMANDS[name](target), 1, "target: not a directory")


@pytest.mark.parametrize("below", ["x", "x/y/z"])
def test_a_target_below_a_file_is_refused_and_nothing_is_made(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with as_it_was(tmp_path):
        refused(install(tmp_path / "file" / below), 1, "file")


def test_a_target_that_is_a_dangling_symlink_or_a_loop_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with as_it_was(tmp_path):
        refused(install(tmp_path / "loop"), 1, "loop: not a directory")


def test_a_target_reached_through_a_symlink_is_the_directory_it_leads_to(
    repo: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(repo)
    assert process("install", "--json", tmp_path / "link").json["target"] == str(repo)
    assert (tmp_path / "link").is_symlink()
    assert agentrail("verify", repo).code == 0


# --- task roots ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "task_root",
    [
        "../records",
        "/records",
        "C:/records",
        "a/../../b",
        ".git/records",
        "con",
        "a\\b",
        "",
        "x" * 4096,
    ],
)
def test_a_task_root_that_leaves_the_target_is_refused(repo: Path, task_root: str) -> None:
    with as_it_was(repo):
        refused(install(repo, "--task-root", task_root), 1, "--task-root")


@pytest.mark.parametrize(
    "task_root",
    [
        ".agentrail/state",
        ".agentrail/state/work",
        ".Agentrail/State/work",
        ".agentrail/receipt.json",
        ".agentrail/.gitignore/x",
        "README.md",
        "AGENTS.md/x",
    ],
)
def test_a_task_root_in_the_place_of_something_else_is_refused(repo: Path, task_root: str) -> None:
    with as_it_was(repo):
        done = install(repo, "--task-root", task_root)
    refused(done, 1)
    assert task_root.split("/")[0] in done.err


# --- unreadable ------------------------------------------------------------------------------------

CLOSED = [
    SPEC,
    "AGENTS.md",
    "project.profile.yaml",
    "docs",
    ".agentrail",
    ".agentrail/receipt.json",
    ".agentrail/state",
    ".agentrail/state/stash",
    ".",
]


@pytest.mark.parametrize("name", ["install --on-conflict overwrite", *NAMES])
@pytest.mark.parametrize("path", CLOSED)
def test_what_may_not_be_read_is_told_and_nothing_is_written(
    tmp_path: Path, path: str, name: str
) -> None:
    target = make_repo(tmp_path / "repo")
    for command in COMMANDS.values():
        command(target)
    assert install(target).code == 0
    with as_it_was(target), closed(target / path):
        done = without_privileges(lambda: COMMANDS[name](target))
    allowed = (0, 1, 2, 4) if path == "." else (0, 1, 4)  # click itself refuses such a TARGET
    assert (done.code in allowed, "Traceback" in done.err) == (True, False), done


def test_a_target_that_may_not_be_written_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    target = make_repo(tmp_path / "repo")
    with as_it_was(target), closed(target, mode=0o555):
        done = without_privileges(lambda: install(target))
    refused(done, 1, "Permission denied")


def test_a_target_that_may_not_be_made_is_told(tmp_path: Path) -> None:
    with closed(tmp_path, mode=0o555):
        done = without_privileges(lambda: install(tmp_path / "a/b"))
    refused(done, 1, "Permission denied")
    assert not (tmp_path / "a").exists()


# --- huge and strange ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (SPEC, 3),
        ("MEMORY.md", 0),
        pytest.param("AGENTS.md", 0, marks=pytest.mark.slow),
        ("project.profile.yaml", 1),
    ],
)
def test_a_file_of_fifty_megabytes_is_decided_like_any_other(repo: Path, path: str, code: int) -> None:
    huge = b"a line of the user's\n" * 2_500_000
    write(repo, {path: huge})
    done = install(repo)
    assert done.code == code, done.err
    assert (repo / path).read_bytes().startswith(huge)


def test_a_huge_file_that_both_sides_changed_is_a_conflict_not_a_hang(
    installed: Path, tmp_path: Path
) -> None:
    bundle = payload_bundle(tmp_path / "bundle", changed={RULES: b"theirs\n" * 200_000})
    write(installed, {RULES: b"mine\n" * 200_000})
    with as_it_was(installed):
        refused(install(installed, "--on-conflict", "merge", bundle=bundle), 3, RULES)


def _levels(first: str, level: str) -> str:
    """Return a YAML text in which each of forty lines holds the one above it nine times."""
    rows = [level.replace("#", f"*a{n - 1}, " * 9).replace("@", f"a{n}: &a{n}") for n in range(1, 40)]
    return "\n".join([f"a0: &a0 {first}", *rows])


BOMBS = {
    "aliases": _levels("[x]", "@ [#]"),
    "merge keys": _levels("{x: 1}", "@ {<<: [#]}") + "\nworkflow: {<<: *a39}",
    "an alias of itself": "a: &a [*a]\nworkflow: &w {<<: *w}",
    "brackets": "[" * 100_000,
    "braces": "a: " + "{a: " * 5_000 + "1" + "}" * 5_000,
    "indentation": "\n".join(" " * n + "a:" for n in range(2_000)),
    "too long": "# " + "x" * 2_000_000,
    "one long key": "x" * 500_000 + ": 1",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_profile_that_is_a_bomb_is_no_danger(repo: Path, name: str) -> None:
    text = f'schema_version: "2.0.0"\n{BOMBS[name]}\n'
    write(repo, {"project.profile.yaml": text})
    done = install(repo)
    assert (done.code in (0, 1), "Traceback" in done.err) == (True, False), done
    assert done.code == 0 or (repo / "project.profile.yaml").read_text() == text


@pytest.mark.parametrize("name", [b"\xff\xfe", b"\xe2\x80\xae", b"new\nline", b"esc\x1b[2J"])
def test_names_of_the_users_in_no_encoding_are_no_trouble(
    repo: Path, tmp_path: Path, name: bytes
) -> None:
    assert install(repo).code == 0
    record = os.path.join(os.fsencode(repo / ".agentrail/work"), b"2024-01-01__" + name)
    os.mkdir(record)
    done = process("uninstall", repo)
    assert (done.code, "Traceback" in done.err, os.path.isdir(record)) == (0, False, True)


@pytest.mark.parametrize("words", [(), ("--json",)])
@pytest.mark.parametrize("name", ["install", "verify", "status", "rollback", "uninstall"])
def test_a_target_whose_name_is_in_no_encoding_is_no_bug(
    tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    target = make_repo(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))
    install(target)
    done = process(name, *words, target)
    assert (done.code in (0, 1), "Traceback" in done.err) == (True, False), done
