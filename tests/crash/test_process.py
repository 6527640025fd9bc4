"""Real processes: ``kill -9``, Ctrl-C and SIGTERM at a moment that nobody chose."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.support import (
    CHANGES,
    FaultyOs,
    Story,
    lost,
    run_in_child,
    standing,
)
from tests.support import agentrail, install

Stories = Callable[[str], Story]
TRIES = 20


def start(*words: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "agentrail_runtime", "install", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for(process: subprocess.Popen[bytes], path: Path) -> None:
    """Wait until `path` stands there, which is when the run has begun to write, or has ended."""
    while process.poll() is None and not path.exists():
        time.sleep(0.0005)


def struck_runs(story: Story, scratch: Path, number: signal.Signals) -> Iterator[tuple[Path, int]]:
    """Yield the target and the exit code of runs that got the signal some moments after the lock."""
    dice = random.Random(7)
    for _ in range(TRIES):
        with story.told(scratch) as root:
            process = start(root)
            wait_for(process, root / ".agentrail/state/lock")
            time.sleep(dice.uniform(0, 0.03))
            process.send_signal(number)
            process.communicate()
            yield root, process.returncode


@pytest.mark.slow
def test_a_real_kill_at_a_random_moment_leaves_the_old_tree_or_the_new_one(
    shipped_stories: Stories, tmp_path: Path
) -> None:
    story, found = shipped_stories("install"), set()
    for root, code in struck_runs(story, tmp_path, signal.SIGKILL):
        agentrail("verify", root)
        found.add((code, standing(story, root)))
    assert found <= {(-9, "old"), (-9, "new"), (0, "new")}
    assert (-9, "old") in found


@pytest.mark.slow
def test_the_install_after_a_real_kill_at_a_random_moment_finishes_the_job(
    shipped_stories: Stories, tmp_path: Path
) -> None:
    story, found = shipped_stories("install"), set()
    for root, _ in struck_runs(story, tmp_path, signal.SIGKILL):
        found.add((install(root).code, standing(story, root)))
    assert found == {(0, "new")}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_real_interrupt_at_a_random_moment_undoes_the_run_before_it_ends(
    shipped_stories: Stories, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    story, found = shipped_stories("install"), set()
    for root, ended in struck_runs(story, tmp_path, number):
        found.add((ended, standing(story, root)))
    # A run that has ended its work may still be ended by the signal on its way out of Python.
    assert found <= {(code, "old"), (code, "new"), (0, "new"), (-number, "new")}
    assert (code, "old") in found


def test_a_killed_run_in_a_real_process_is_undone_by_the_next(
    shipped_stories: Stories, tmp_path: Path
) -> None:
    story = shipped_stories("install")
    with story.told(tmp_path) as root:
        process = start(root)
        wait_for(process, root / ".agentrail/state/journal")
        process.kill()
        process.communicate()
        assert agentrail("verify", root).code in (0, 1)
        assert standing(story, root) in ("old", "new")
        assert lost(root, story.treasures) == []


WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
EVENTS = {
    "os.mkdir": "mkdir",
    "os.rename": "replace",
    "os.remove": "unlink",
    "os.rmdir": "rmdir",
    "os.truncate": "ftruncate",
    "os.chmod": "chmod",
    "os.link": "link",
    "os.symlink": "symlink",
    "os.utime": "utime",
    "os.chown": "chown",
    "shutil.move": "move",
}


@pytest.mark.parametrize(
    "name", ["install", "install-into-nothing", "upgrade", "merge", "rollback", "uninstall"]
)
def test_no_write_escapes_the_calls_that_these_tests_strike(
    shipped_stories: Stories, tmp_path: Path, name: str
) -> None:
    """Compare what Python's audit hooks see of a run (PEP 578) with what the proxy counts."""
    story, report = shipped_stories(name), tmp_path / "report"
    faults = FaultyOs(names=CHANGES - {"fsync", "write"})

    def audited(root: Path) -> Any:
        seen: list[str] = []

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "open" and arguments[2] & WRITING and isinstance(arguments[0], str):
                seen.append("open")  # a number is that of a pipe to git
            elif event in EVENTS:
                seen.append(EVENTS[event])

        sys.dont_write_bytecode = True
        sys.addaudithook(hook)
        done = story.command(root)
        told = sorted("chmod" if call == "fchmod" else call for call in faults.calls)
        report.write_text(repr((sorted(seen[: len(told)]) == told, len(seen) - len(told))))
        return done

    with story.told(tmp_path) as root:
        assert run_in_child(lambda: audited(root), faults) == 0
    assert report.read_text() == "(True, 0)"
