"""A repository whose git configuration runs programs: none of them is run."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentrail_runtime import git as git_
from tests.crash.hostile import COMMANDS, bounded, make_fifo
from tests.support import Run, agentrail, git, install, make_repo, payload_bundle, write

RULES = "docs/operations/runtime-framework-rules.md"


@pytest.fixture(autouse=True)
def _never_hangs() -> Iterator[None]:
    with bounded(60):
        yield


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that leaves a mark beside itself when it is run."""
    program = tmp_path / "trap"
    program.write_text(f"#!/bin/sh\ntouch '{tmp_path}/sprung'\nexit 1\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """An installed repository that needs a base text for a merge, and has it nowhere but in git."""
    repo = make_repo(tmp_path / "repo")
    assert install(repo).code == 0
    rules = (repo / RULES).read_bytes()
    payload_bundle(tmp_path / "bundle", changed={RULES: rules + b"\ntheirs\n"})
    write(repo, {RULES: b"mine\n" + rules})
    shutil.rmtree(repo / ".agentrail/state")
    return repo


def merge(repo: Path) -> Run:
    """Ask for a merge, which looks for the base text in git's object database."""
    return install(repo, "--on-conflict", "merge", bundle=repo.parent / "bundle")


def configure(repo: Path, *lines: tuple[str, str | Path]) -> None:
    """Set what a hostile repository's configuration says."""
    for key, value in lines:
        git(repo, "config", key, str(value))


def make_promisor(repo: Path, *lines: tuple[str, str | Path]) -> None:
    """Make git fetch objects that it misses: the blob of the base text is one."""
    configure(
        repo,
        ("core.repositoryformatversion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        *lines,
    )


def is_sprung(trap: Path) -> bool:
    return (trap.parent / "sprung").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_runs_a_program_of_the_repositorys(edited: Path, trap: Path, name: str) -> None:
    configure(
        edited,
        ("core.fsmonitor", trap),
        ("core.hooksPath", trap.parent),
        ("core.pager", trap),
        ("core.editor", trap),
        ("core.sshCommand", trap),
        ("core.askPass", trap),
        ("pager.cat-file", trap),
        ("pager.check-ignore", trap),
        ("diff.external", trap),
        ("filter.x.smudge", trap),
        ("filter.x.clean", trap),
        ("filter.x.process", trap),
        ("diff.x.textconv", trap),
        ("credential.helper", trap),
        ("gpg.program", trap),
        ("alias.cat-file", f"!{trap}"),
        ("alias.check-ignore", f"!{trap}"),
    )
    write(edited, {".gitattributes": "* filter=x diff=x\n"})
    for hook in ("post-index-change", "reference-transaction", "fsmonitor-watchman", "pre-auto-gc"):
        shutil.copy(trap, edited / ".git/hooks" / hook)
    COMMANDS[name](edited)
    merge(edited)
    assert not is_sprung(trap)


REMOTES = {
    "ext": [("protocol.ext.allow", "always"), ("remote.origin.url", "ext::{trap}")],
    "ssh": [
        ("protocol.ssh.allow", "always"),
        ("core.sshCommand", "{trap}"),
        ("remote.origin.url", "ssh://host/x"),
    ],
    "a path": [("remote.origin.url", "{repo}"), ("remote.origin.uploadpack", "{trap}")],
    "file": [
        ("protocol.file.allow", "always"),
        ("remote.origin.url", "file://{repo}"),
        ("remote.origin.uploadpack", "{trap}"),
    ],
    "a helper": [("protocol.trap.allow", "always"), ("remote.origin.url", "trap::x")],
}


@pytest.mark.parametrize("name", REMOTES)
def test_a_promisor_remote_is_not_asked(edited: Path, trap: Path, name: str) -> None:
    lines = [(key, value.format(trap=trap, repo=edited)) for key, value in REMOTES[name]]
    make_promisor(edited, *lines)
    assert merge(edited).code == 3
    assert not is_sprung(trap)


@pytest.mark.parametrize("name", REMOTES)
def test_a_promisor_remote_is_not_asked_by_an_older_git_either(
    edited: Path, trap: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A git before 2.45 may not know ``GIT_NO_LAZY_FETCH``; the one here is made to forget it."""
    lines = [(key, value.format(trap=trap, repo=edited)) for key, value in REMOTES[name]]
    make_promisor(edited, *lines)
    older = trap.parent / "older"
    older.mkdir()
    (older / "git").write_text(f'#!/bin/sh\nunset GIT_NO_LAZY_FETCH\nexec {shutil.which("git")} "$@"\n')
    (older / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{older}{os.pathsep}{trap.parent}{os.pathsep}{os.environ['PATH']}")
    assert merge(edited).code == 3
    assert not is_sprung(trap)


def test_nothing_of_the_repositorys_git_directory_is_written(edited: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (edited / ".git").rglob("*")}
    merge(edited)
    agentrail("status", edited)
    install(edited)
    assert {path: path.stat().st_mtime_ns for path in (edited / ".git").rglob("*")} == before


def test_the_environment_of_a_git_hook_does_not_lead_to_another_repository(
    edited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run from a hook, ``GIT_DIR`` and its like name the repository of the hook."""
    blob_id = git(edited, "rev-parse", "HEAD:README.md").strip()
    other = make_repo(tmp_path / "other", {"x": "x"})
    for name, value in {"GIT_DIR": ".git", "GIT_WORK_TREE": "", "GIT_INDEX_FILE": ".git/index"}.items():
        monkeypatch.setenv(name, str(other / value))
    assert git_.blob(str(edited), blob_id) == b"# Mine\n\nhello"


@pytest.mark.parametrize("content", ["gitdir: /nowhere", "garbage", ""])
def test_a_git_file_that_leads_nowhere_is_no_trouble(tmp_path: Path, content: str) -> None:
    write(tmp_path / "repo", {".git": content})
    done = install(tmp_path / "repo")
    assert (done.code, (tmp_path / "repo/.git").read_text()) == (0, content)


def test_a_git_that_is_a_fifo_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    make_fifo(tmp_path / "repo/.git")
    assert install(tmp_path / "repo").code == 0
    assert stat.S_ISFIFO((tmp_path / "repo/.git").lstat().st_mode)


@pytest.mark.parametrize("text", ["[core\n", "[include]\n\tpath = config\n", "\0"])
def test_a_broken_git_configuration_is_no_trouble(edited: Path, text: str) -> None:
    with (edited / ".git/config").open("a") as config:
        config.write(text)
    assert merge(edited).code == 3
    assert agentrail("status", edited).code == 0


def test_a_machine_without_git_installs_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo(tmp_path / "repo")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install(repo).code == 0


@pytest.mark.slow
def test_a_git_that_hangs_is_given_up(edited: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = edited.parent / "slow"
    write(slow, {"git": "#!/bin/sh\nexec sleep 100\n"}, executable=("git",))
    monkeypatch.setenv("PATH", f"{slow}{os.pathsep}{os.environ['PATH']}")
    assert merge(edited).code == 3
