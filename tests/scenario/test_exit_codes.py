"""One story for each exit code that a script can meet."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime.target import Target
from tests.scenario.story import (
    BASE,
    GUIDE,
    MINE,
    RIVAL,
    agentrail,
    guide,
    install,
    process,
    stashed,
    transactions,
)
from tests.support import snapshot, write, write_index


def test_0_done_and_0_nothing_to_do(repo: Path) -> None:
    assert install(repo).code == 0
    assert install(repo).code == 0
    assert agentrail("verify", repo).code == 0


@pytest.mark.parametrize("command", ["verify", "status", "rollback", "uninstall"])
def test_1_where_nothing_is_installed(repo: Path, command: str) -> None:
    before = snapshot(repo, with_state=True, with_times=True)
    run = agentrail(command, repo)
    assert (run.code, run.out) == (1, "")
    assert "\nhint: agentrail" in run.err or "\nhint: see what is installed: agentrail" in run.err
    assert snapshot(repo, with_state=True, with_times=True) == before


@pytest.mark.parametrize("place", ["docs", ".agentrail", ".agentrail/state", ".agentrail/receipt.json"])
def test_1_for_a_symlink_in_the_way(repo: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (repo / place).parent.mkdir(exist_ok=True, parents=True)
    (repo / place).symlink_to(tmp_path / "elsewhere")
    run = install(repo)
    assert run.code == 1
    assert place in run.err
    assert "hint: move " in run.err
    assert snapshot(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize(
    "words",
    [
        ["install"],
        ["install", "a", "b"],
        ["install", "--nonsense", "."],
        ["install", "--source", "ftp", "."],
        ["install", "--on-conflict", "maybe", "."],
        ["install", "--lock-timeout", "-1", "."],
        ["uninstall"],
        ["verify", "--format", "xml"],
        ["nonsense"],
    ],
)
def test_2_for_a_command_line_that_the_help_does_not_know(
    words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    run = agentrail(*words)
    assert (run.code, run.out) == (2, "")
    assert "Error: " in run.err
    assert snapshot(tmp_path) == {}


def test_2_for_a_setting_in_the_environment_that_is_none(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTRAIL_SOURCE", "ftp")
    assert install(repo).code == 2
    assert not (repo / ".agentrail").exists()


def test_3_names_every_conflict_and_writes_nothing(repo: Path, v1: Path, tmp_path: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE, "docs/beside.md": "mine\n"})
    before = snapshot(repo, with_state=True, with_times=True)
    newer = guide(tmp_path / "new", RIVAL, "1.1.0")
    write(newer, {"docs/beside.md": "theirs\n"})
    write_index(newer, ownership={}, version="1.1.0")
    run = install(repo, bundle=newer)
    assert run.code == 3
    assert run.err.splitlines()[:2] == [
        "docs/beside.md: conflict: changed on both sides",
        "docs/guide.md: conflict: changed on both sides",
    ]
    assert run.err.splitlines()[2].startswith("hint: choose: --on-conflict keep")
    assert snapshot(repo, with_state=True, with_times=True) == before


def test_4_for_drift_and_for_a_pending_change(repo: Path, v1: Path, v2: Path) -> None:
    route = ("--source", "copy", "--runtime-dir", v2)
    install(repo, bundle=v1)
    assert install(repo, "--check", bundle=v2).code == 4
    assert agentrail("status", "--exit-code", *route, repo).code == 4
    assert agentrail("verify", repo).code == 0
    write(repo, {GUIDE: MINE})
    assert agentrail("verify", repo).code == 4


def test_5_for_a_downgrade(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v2)
    run = install(repo, bundle=v1)
    assert run.code == 5
    assert "a downgrade (expected at least 1.1.0, release 2; got 1.0.0, release 1)" in run.err
    assert "\nhint: to undo an upgrade: agentrail rollback" in run.err


@pytest.mark.parametrize("command", ["install", "status", "verify", "rollback", "uninstall"])
def test_5_for_a_receipt_of_a_newer_schema(repo: Path, command: str) -> None:
    install(repo)
    path = repo / ".agentrail/receipt.json"
    path.write_text(path.read_text().replace('"schema_version": "1.0"', '"schema_version": "2.0"'))
    before = snapshot(repo, with_state=True)
    run = agentrail(command, repo)
    assert run.code == 5
    assert "receipt.json: receipt schema not supported (expected 1.x, got 2.0)" in run.err
    assert snapshot(repo, with_state=True) == before


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda bundle: (bundle / GUIDE).write_bytes(b"altered"), f"{GUIDE}: altered"),
        (lambda bundle: (bundle / GUIDE).unlink(), f"{GUIDE}: missing"),
        (lambda bundle: (bundle / "more").write_bytes(b""), "more: not in the index"),
        (
            lambda bundle: (bundle / "runtime.index.json").write_bytes(b"{"),
            "runtime.index.json: not JSON",
        ),
    ],
)
def test_6_for_a_bundle_that_was_tampered_with(repo: Path, v1: Path, damage: Any, said: str) -> None:
    damage(v1)
    before = snapshot(repo, with_state=True, with_times=True)
    run = install(repo, bundle=v1)
    assert run.code == 6
    assert f"{v1}: {said}" in run.err
    assert "\nhint: " in run.err
    assert snapshot(repo, with_state=True, with_times=True) == before


def test_6_where_a_signature_is_required(repo: Path) -> None:
    run = install(repo, "--require-signature")
    assert run.code == 6
    assert "expected a valid signature, got none" in run.err
    assert not (repo / ".agentrail").exists()


def test_7_when_the_stash_is_damaged_and_nothing_is_deleted(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    install(repo, bundle=v2)
    replaced = repo / f".agentrail/state/stash/{transactions(repo)[0]}/replaced/{GUIDE}"
    replaced.write_bytes(b"damaged")
    before = snapshot(repo, with_state=True)
    run = agentrail("rollback", repo)
    assert run.code == 7
    assert f"replaced/{GUIDE}: missing or altered" in run.err
    assert "\nhint: " in run.err
    assert snapshot(repo, with_state=True) == before


@pytest.mark.parametrize("command", ["install", "verify", "status", "rollback", "uninstall"])
def test_7_when_the_journal_cannot_be_read_and_it_is_named(repo: Path, command: str) -> None:
    install(repo)
    write(repo, {".agentrail/state/journal": "{"})
    before = snapshot(repo, with_state=True)
    run = agentrail(command, repo)
    assert run.code == 7
    assert run.err.startswith(".agentrail/state/journal: not JSON")
    assert ".agentrail/state/stash" in run.err
    assert snapshot(repo, with_state=True) == before


class Trap:
    """Raises `error` at the `count`-th rename in a target, and at no other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: BaseException, count: int) -> None:
        self.left = count
        self.error = error
        self.move = Target.move
        monkeypatch.setattr(Target, "move", lambda *words: self(*words))

    def __call__(self, *words: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error
        self.move(*words)


@pytest.mark.parametrize("count", [1, 2, 10, 21])
def test_70_for_a_bug_and_the_target_is_as_it_was(
    repo: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    before = snapshot(repo, with_state=True)
    Trap(monkeypatch, ZeroDivisionError("oops"), count)
    run = install(repo)
    assert (run.code, run.out) == (70, "")
    assert run.err == (
        "internal error: ZeroDivisionError: oops\n"
        "hint: this is a bug: run the command again with -v and report the traceback\n"
    )
    assert snapshot(repo, with_state=True) == before


def test_70_shows_the_traceback_of_the_bug_when_asked(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Trap(monkeypatch, ZeroDivisionError("oops"), 1)
    assert "in __call__\n    raise self.error" in install(repo, "-v").err


def test_70_is_a_document_too(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Trap(monkeypatch, ZeroDivisionError("oops"), 1)
    run = install(repo, "--json")
    assert (run.code, run.json["error"]["code"], run.json["result"]) == (70, 70, "failed")
    assert (run.json["command"], run.json["target"]) == ("install", str(repo))


@pytest.mark.parametrize("count", [1, 2, 10, 21])
def test_130_when_interrupted_and_the_target_is_as_it_was(
    repo: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    before = snapshot(repo, with_state=True)
    Trap(monkeypatch, KeyboardInterrupt(), count)
    run = install(repo)
    assert (run.code, run.out, run.err.strip()) == (130, "", "interrupted; the target is as it was")
    assert snapshot(repo, with_state=True) == before


@pytest.mark.parametrize("count", [1, 2, 3])
def test_130_in_an_upgrade_leaves_the_old_version(
    repo: Path, v1: Path, v2: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    install(repo, bundle=v1)
    before = snapshot(repo, with_state=True)
    Trap(monkeypatch, KeyboardInterrupt(), count)
    assert install(repo, bundle=v2).code == 130
    assert snapshot(repo, with_state=True) == before


def test_130_is_a_document_too(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Trap(monkeypatch, KeyboardInterrupt(), 3)
    run = install(repo, "--json")
    assert (run.code, run.json["error"]["code"], run.json["changed"]) == (130, 130, False)
    assert (run.json["command"], run.json["target"]) == ("install", str(repo))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_leaves_the_repository_as_it_was(
    repo: Path, tmp_path: Path, number: signal.Signals
) -> None:
    script = (
        "import os, signal, sys\n"
        "from agentrail_runtime.target import Target\n"
        "from agentrail_runtime.cli.main import main_install\n"
        "move, calls = Target.move, []\n"
        "def trap(*words):\n"
        "    calls.append(move(*words))\n"
        f"    if len(calls) == 9: os.kill(os.getpid(), {int(number)})\n"
        "Target.move = trap\n"
        "main_install()\n"
    )
    before = snapshot(repo, with_state=True)
    done = subprocess.run([sys.executable, "-c", script, str(repo)], capture_output=True, check=False)
    assert done.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert snapshot(repo, with_state=True) == before


def test_a_full_disk_is_told_and_the_target_is_as_it_was(
    repo: Path, v1: Path, v2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(repo, bundle=v1)
    before = snapshot(repo, with_state=True)
    Trap(monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 2)
    run = install(repo, bundle=v2)
    assert run.code == 1
    assert "No space left on device; the target is as it was\nhint: " in run.err
    assert snapshot(repo, with_state=True) == before


def test_a_reader_that_goes_away_is_no_traceback(repo: Path) -> None:
    words = [sys.executable, "-m", "agentrail_runtime", "install", "--diff", str(repo)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert b"Traceback" not in child.stderr.read()


def test_the_processes_end_with_the_documented_codes(repo: Path, tmp_path: Path) -> None:
    assert process("install", repo, cwd=tmp_path).code == 0
    write(repo, {"docs/templates/spec.md": "mine\n"})
    drifted = process("verify", repo, cwd=tmp_path)
    assert drifted.code == 4
    assert drifted.err.startswith("docs/templates/spec.md: edited locally\nhint: ")
    assert process("install", cwd=tmp_path).code == 2
    assert process("install", repo, "--source", "copy", cwd=tmp_path).code == 6


@pytest.mark.parametrize(
    "command", ["", "install", "status", "diff", "verify", "rollback", "uninstall"]
)
def test_every_command_has_help_with_an_example(command: str) -> None:
    run = agentrail(*filter(None, [command]), "--help")
    assert (run.code, run.err) == (0, "")
    assert "Example" in run.out
    assert f"agentrail {command}".strip() in run.out or "agentrail-install" in run.out


def test_the_hint_of_verify_puts_back_what_was_delivered_and_keeps_the_edit(
    repo: Path, v1: Path
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    hint = agentrail("verify", "--json", repo).json["error"]["hint"]
    assert f"agentrail-install --on-conflict overwrite {repo}" in hint
    assert install(repo, "--on-conflict", "overwrite", bundle=v1).code == 0
    assert (repo / GUIDE).read_bytes() == BASE
    assert stashed(repo)[GUIDE] == {MINE}
