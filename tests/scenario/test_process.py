"""What a process does at its edges: entry points, signals, a terminal, an importer that is no disk."""

from __future__ import annotations

import errno
import gc
import io
import itertools
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from agentrail_runtime import git, source
from agentrail_runtime.cli import main as cli_main
from agentrail_runtime.cli import output as cli_output
from agentrail_runtime.cli import start as cli_start
from agentrail_runtime.cli import verify as cli_verify
from agentrail_runtime.entry import RelPath
from agentrail_runtime.errors import SourceError
from agentrail_runtime.merge import merge
from agentrail_runtime.target import Target
from agentrail_runtime.tree import Content, DirectoryTree
from tests.support import PAYLOAD, agentrail, install, make_bundle, snapshot, write
from tests.support import git as run_git

ENTRIES = [cli_start.agentrail, cli_start.agentrail_install, cli_start.kit]


class Ended(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let the process go on where it would end; return how it would have."""
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        raise Ended

    threshold = gc.get_threshold()
    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(sys, "gettrace", lambda: None)
    yield codes
    gc.set_threshold(*threshold)


@pytest.mark.parametrize("entry", ENTRIES)
def test_all_commands_say_how_they_are_used(
    entry: Callable[[], None],
    ends: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["x", "--help"])
    for name in ("AGENTRAIL_SOURCE", "AGENTRAIL_RUNTIME_DIR"):
        monkeypatch.setenv(name, "")  # the kit sets them
    with pytest.raises(Ended):
        entry()
    assert (ends, "Usage:" in capsys.readouterr().out) == ([0], True)


@pytest.mark.parametrize("watch", ["gettrace", "getprofile"])
def test_whoever_traces_or_profiles_a_run_sees_its_end(
    watch: str, ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, watch, lambda: print)
    monkeypatch.setattr(sys, "argv", ["x", "--help"])
    with pytest.raises(SystemExit) as ended:
        cli_start.agentrail()
    assert (ended.value.code, ends) == (0, [])


def test_output_that_cannot_be_written_is_not_passed_over(
    ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cli_main, "main", lambda: sys.exit(4))
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(SystemExit) as ended:
        cli_start.agentrail()
    assert (ended.value.code, ends) == (4, [])


def test_a_process_without_streams_ends_with_its_code(
    ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_main, "main", lambda: sys.exit(4))
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(Ended):
        cli_start.agentrail()
    assert ends == [4]


def test_all_that_is_printed_reaches_a_pipe_and_the_code_the_caller(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "agentrail_runtime", "install", "--check", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, "the plan: 41 create\n" in done.stdout, done.stderr) == (4, True, "")


def test_completion_knows_every_command() -> None:
    group = cli_main.agentrail
    names = group.list_commands(click.Context(group))
    assert all(group.get_command(click.Context(group), name) for name in names)


def test_a_termination_ends_as_an_exception_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cli_verify, "verify", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit) as ended:
        agentrail("verify", tmp_path)
    assert ended.value.code == 143


def test_progress_appears_on_a_terminal_after_half_a_second_and_goes_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = iter([0.0, 0.1, 1.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = cli_output.Progress(cli_output.Output())
    progress("staging", 1, 9)
    progress("staging", 2, 9)
    progress.close()
    assert capsys.readouterr().err == "\rstaging 2/9\x1b[K\r\x1b[K"


def test_ctrl_c_after_the_commit_does_not_claim_that_nothing_was_done(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(git, "ignored", interrupt)
    assert (install(repo).code, agentrail("verify", repo).code) == (0, 0)


def test_task_records_behind_a_symlink_are_not_counted(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere/2026-01-01__task").mkdir(parents=True)
    (repo / "work").symlink_to(tmp_path / "elsewhere")
    done = install(repo)
    assert (done.code, "task record" in done.err) == (0, False)


def test_the_payload_is_read_where_an_importer_has_it_and_no_disk(
    monkeypatch: pytest.MonkeyPatch, repo: Path
) -> None:
    monkeypatch.setattr(source, "__file__", "/nowhere/source.py")
    bundle = source.open_package()
    assert bundle.read(RelPath("AGENTS.md")) == (PAYLOAD / "AGENTS.md").read_bytes()
    assert install(repo).code == 0


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The payload of a package in which one file is altered."""
    root = tmp_path / "site/payload"
    shutil.copytree(PAYLOAD, root)
    write(root, {"MEMORY.md": "altered\n"})
    monkeypatch.setattr(source, "package_tree", lambda: DirectoryTree(str(root)))
    return root


def test_a_damaged_package_is_replaced_by_its_own_bundle_and_the_run_says_so(
    repo: Path, tmp_path: Path, damaged: Path
) -> None:
    shutil.copytree(PAYLOAD, tmp_path / "dist")
    done = install(repo, "--runtime-dir", tmp_path / "dist")
    assert (done.code, "MEMORY.md: altered" in done.err) == (0, True)
    assert agentrail("verify", repo).code == 0


def test_a_damaged_package_is_not_replaced_by_just_any_bundle(
    repo: Path, tmp_path: Path, damaged: Path
) -> None:
    before = snapshot(repo, with_state=True)
    other = make_bundle(tmp_path / "other", {"a.md": "a\n"})
    assert install(repo, "--runtime-dir", other).code == 6
    assert install(repo, "--runtime-dir", tmp_path / "none").code == 6
    (damaged / "runtime.index.json").unlink()
    assert install(repo, "--runtime-dir", other).code == 6
    assert snapshot(repo, with_state=True) == before


def test_a_bundle_whose_file_cannot_be_read_is_refused(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = DirectoryTree.fetch

    def fail(tree: DirectoryTree, path: str) -> Content:
        if path == "MEMORY.md":
            raise OSError(5, "Input/output error")
        return read(tree, path)

    monkeypatch.setattr(DirectoryTree, "fetch", fail)
    monkeypatch.setattr(DirectoryTree, "look", lambda tree, paths: [None for _ in paths])
    with pytest.raises(SourceError, match=r"MEMORY\.md: cannot be read: Input/output error"):
        source.open_package()


@pytest.mark.parametrize("name", ["docs", "absent.md"])
def test_what_cannot_be_opened_is_told_from_what_is_not_there(
    repo: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (repo / "docs").mkdir()
    target = Target(str(repo))

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Target, "_open", refuse)
    assert target.inspect(RelPath(name)).kind == ("directory" if name == "docs" else "absent")
    target.close()


def test_a_platform_that_starts_no_writeback_installs_all_the_same(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fadvise")
    assert (install(repo).code, agentrail("verify", repo).code) == (0, 0)


def test_a_lock_that_vanishes_again_and_again_ends_in_a_refusal(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(repo)
    opened = Target._open

    def vanish(target: Target, path: RelPath, flags: int, mode: int = 0o777) -> int:
        if path.endswith("/lock"):
            raise FileNotFoundError(2, "No such file or directory")
        return opened(target, path, flags, mode)

    monkeypatch.setattr(Target, "_open", vanish)
    done = install(repo, "--lock-timeout", "0")
    assert (done.code, "process unknown" in done.err) == (1, True)
    monkeypatch.undo()
    assert agentrail("verify", repo).code == 1
    assert snapshot(repo) == before


def test_a_bundle_of_more_directories_than_are_kept_open_is_installed(
    repo: Path, tmp_path: Path
) -> None:
    files: dict[str, bytes | str] = {f"d{number}/e{number}/f.md": "x\n" for number in range(90)}
    bundle = make_bundle(tmp_path / "bundle", files)
    assert install(repo, bundle=bundle).code == 0
    assert agentrail("rollback", repo).code == 0
    assert run_git(repo, "status", "--porcelain") == ""


def test_changes_that_slide_into_each_other_are_merged_as_one() -> None:
    lines = [b"a\n", b"b\n"]
    texts = [b"".join(text) for size in range(5) for text in itertools.product(lines, repeat=size)]
    for base, side in itertools.product(texts, texts):
        assert merge(base, side, base) == side
        assert merge(base, base, side) == side


def test_python_m_is_the_same_command(
    ends: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["agentrail", "--version"])
    with pytest.raises(Ended):
        runpy.run_module("agentrail_runtime", run_name="__main__")
    assert (ends, capsys.readouterr().out) == ([0], "agentrail, version 1.0.0\n")
