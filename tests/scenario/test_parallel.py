"""Two at once: one waits or fails with the holder's process id, and the target ends consistent."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agentrail_runtime import session
from agentrail_runtime.entry import GITIGNORE_PATH, RelPath, State
from agentrail_runtime.target import Target
from tests.support import agentrail, install, make_repo, payload_bundle, snapshot, write

LOCK = ".agentrail/state/lock"
CLOCK = "agentrail_runtime.session.time"
SPEC = "docs/templates/spec.md"
RULES = "docs/operations/runtime-framework-rules.md"


def start(*words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "agentrail_runtime", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ends(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Return how each process ended, and what it said on stderr."""
    told = [process.communicate()[1] for process in processes]
    return list(zip((process.returncode for process in processes), told, strict=True))


@contextmanager
def held(target: Path) -> Iterator[None]:
    """Hold the target's lock in this process, as a run does."""
    owner = Target(str(target))
    with owner.locked(timeout=0, sleep=lambda seconds: None):
        yield


@pytest.fixture
def installed(repo: Path) -> Path:
    """A repository with AgentRail installed."""
    assert install(repo).code == 0
    return repo


# --- many runs -------------------------------------------------------------------------------------


def test_eight_installs_at_once_end_in_the_tree_of_one(repo: Path, tmp_path: Path) -> None:
    alone = make_repo(tmp_path / "alone")
    assert install(alone).code == 0
    done = ends([start("install", repo) for _ in range(8)])
    assert Counter(code for code, _ in done) == {0: 8}, done
    assert snapshot(repo) == snapshot(alone)
    assert agentrail("verify", repo).code == 0


def test_eight_installs_at_once_into_a_target_that_is_not_there_yet(tmp_path: Path) -> None:
    assert install(tmp_path / "alone").code == 0
    done = ends([start("install", tmp_path / "a/b/new") for _ in range(8)])
    assert Counter(code for code, _ in done) == {0: 8}, done
    assert snapshot(tmp_path / "a/b/new") == snapshot(tmp_path / "alone")


def test_eight_installs_that_do_not_wait_end_well_or_name_the_one_that_runs(
    repo: Path, tmp_path: Path
) -> None:
    processes = [start("install", "--lock-timeout", "0", repo) for _ in range(8)]
    pids = {str(process.pid) for process in processes}
    done = ends(processes)
    assert {code for code, _ in done} <= {0, 1}, done
    assert 0 in {code for code, _ in done}
    holders = [told.partition("(process ")[2].partition(")")[0] for code, told in done if code == 1]
    assert set(holders) <= {*pids, "unknown"}, done  # unknown where it was just starting or ending
    assert agentrail("verify", repo).code == 0


def test_an_install_and_a_rollback_at_once_leave_the_old_version_or_the_new(
    installed: Path, tmp_path: Path
) -> None:
    old = snapshot(installed)
    bundle = payload_bundle(tmp_path / "bundle", changed={RULES: "new\n"})
    assert install(installed, bundle=bundle).code == 0
    new = snapshot(installed)
    route = ("--source", "copy", "--runtime-dir", bundle)
    for _ in range(4):
        done = ends([start("rollback", installed), start("install", *route, installed)])
        assert {code for code, _ in done} <= {0, 1, 3}, done
        assert snapshot(installed) in (old, new)
        assert agentrail("verify", installed).code == 0
        assert install(installed, bundle=bundle).code == 0


def test_two_versions_at_once_end_in_one_of_them_whole(repo: Path, tmp_path: Path) -> None:
    one = payload_bundle(tmp_path / "one", changed={RULES: "one\n"}, version="1.1.0")
    two = payload_bundle(tmp_path / "two", changed={RULES: "two\n"}, version="1.2.0", release_seq=3)
    routes = [("--source", "copy", "--runtime-dir", bundle) for bundle in (one, two)]
    done = ends([start("install", *route, repo) for route in routes * 3])
    assert {code for code, _ in done} <= {0, 5}, done
    assert agentrail("verify", repo).code == 0
    assert (repo / RULES).read_bytes() == b"two\n"


def test_an_install_and_an_uninstall_at_once_leave_all_or_nothing(
    installed: Path, tmp_path: Path
) -> None:
    for _ in range(4):
        done = ends([start("uninstall", installed), start("install", installed)])
        assert {code for code, _ in done} <= {0, 1}, done
        assert agentrail("verify", installed).code == (0 if (installed / RULES).exists() else 1)
        assert install(installed).code == 0


# --- a lock that is held ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["install", "verify", "status", "diff", "rollback", "uninstall"])
def test_a_run_that_may_not_wait_names_the_process_that_holds_the_target(
    installed: Path, name: str
) -> None:
    with held(installed):
        done = agentrail(name, "--lock-timeout", "0", installed)
    assert done.code == 1
    assert done.err.splitlines()[0] == f"{LOCK}: held by another run (process {os.getpid()})"
    assert done.err.splitlines()[1].startswith("hint: ")


def test_a_run_that_may_not_wait_changes_nothing(repo: Path) -> None:
    with held(repo):
        before = snapshot(repo, with_state=True)
        assert install(repo, "--lock-timeout", "0").code == 1
        assert snapshot(repo, with_state=True) == before


def test_a_run_that_waits_goes_on_when_the_other_has_finished(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = held(repo)
    other.__enter__()
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            other.__exit__(None, None, None)

    monkeypatch.setattr(CLOCK, SimpleNamespace(sleep=sleep))
    assert install(repo).code == 0
    assert len(waits) == 3


def test_a_run_gives_up_after_as_long_as_it_was_told(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(CLOCK, SimpleNamespace(sleep=waits.append))
    with held(repo):
        assert install(repo, "--lock-timeout", "0.5").code == 1
    assert sum(waits) == pytest.approx(0.5, abs=0.1)


def test_what_was_planned_before_the_wait_is_planned_again_after_it(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run installs while the second waits: the second has nothing left to do."""
    locked = Target._try_lock
    tries: list[int] = []

    def try_lock(target: Target) -> int | None:
        tries.append(1)
        if len(tries) == 1:
            return None
        if len(tries) == 2:
            assert install(repo).code == 0
        return locked(target)

    monkeypatch.setattr(Target, "_try_lock", try_lock)
    monkeypatch.setattr(CLOCK, SimpleNamespace(sleep=lambda seconds: None))
    done = install(repo)
    assert (done.code, "nothing to do" in done.out) == (0, True)


def between(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, act: Callable[[], object]) -> None:
    """Let another run `act` once, just before this run calls the method `name` of `owner`."""
    method: Callable[..., Any] = getattr(owner, name)
    acts = [act]

    def call(*arguments: Any, **options: Any) -> Any:
        if acts:
            acts.pop()()
        return method(*arguments, **options)

    monkeypatch.setattr(owner, name, call)


def test_an_install_that_another_one_overtook_while_it_planned_is_no_conflict(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This run finds no receipt, then the other one installs, then this run looks at the files."""
    bundle = payload_bundle(tmp_path / "bundle", changed={RULES: "new\n"})
    between(monkeypatch, Target, "inspect", lambda: install(repo))
    done = install(repo, bundle=bundle)
    assert (done.code, (repo / RULES).read_bytes()) == (0, b"new\n"), done
    assert agentrail("verify", repo).code == 0


def test_an_install_and_an_uninstall_that_came_while_one_planned_leave_no_files_without_receipt(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This run sees the others' receipt, which is what it would write, and then it is gone again."""
    inspect = Target.inspect
    looks: list[str] = []

    def look(target: Target, path: RelPath) -> State:
        looks.append(path)
        if looks.count(GITIGNORE_PATH) == 1 and looks[-1] == GITIGNORE_PATH:
            assert install(repo).code == 0
            between(monkeypatch, session.Session, "locked", lambda: agentrail("uninstall", repo))
        return inspect(target, path)

    monkeypatch.setattr(Target, "inspect", look)
    assert install(repo).code == 0
    assert agentrail("verify", repo).code == 0


def test_an_upgrade_that_came_while_one_planned_a_repair_is_not_undone_in_part(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This run restores a deleted file of the version that it found installed."""
    bundle = payload_bundle(tmp_path / "bundle", changed={SPEC: "new\n", RULES: "new\n"})
    (installed / SPEC).unlink()
    between(
        monkeypatch, session.Session, "locked", lambda: install(installed, "--force", bundle=bundle)
    )
    install(installed, "--force")
    assert agentrail("verify", installed).code == 0


def test_a_verify_that_an_upgrade_overtakes_reports_no_drift(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = payload_bundle(tmp_path / "bundle", changed={RULES: "new\n"})
    between(monkeypatch, Target, "inspect", lambda: install(installed, bundle=bundle))
    assert agentrail("verify", installed).code == 0


# --- what dead runs leave --------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"\n999999\n", b"garbage", b"\xff" * 5000])
def test_the_lock_of_a_dead_process_is_no_obstacle(installed: Path, content: bytes) -> None:
    write(installed, {LOCK: content})
    assert agentrail("verify", "--lock-timeout", "0", installed).code == 0
    assert not (installed / LOCK).exists()


def test_the_lock_of_a_dead_process_is_no_obstacle_to_a_first_install(repo: Path) -> None:
    write(repo, {LOCK: b"\n999999\n"})
    assert install(repo, "--lock-timeout", "0").code == 0
    assert not (repo / LOCK).exists()


def test_a_lock_whose_holder_cannot_be_read_names_it_as_unknown(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(installed):
        os.truncate(installed / LOCK, 0)
        done = agentrail("verify", "--lock-timeout", "0", installed)
    assert "held by another run (process unknown)" in done.err


def test_a_lock_that_is_removed_while_another_run_waits_for_it_is_not_taken_for_held(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run opens the lock, its holder ends and removes it, and a third run makes a new one."""
    monkeypatch.setattr(CLOCK, SimpleNamespace(sleep=lambda seconds: None))
    lstat = Target._is_current
    third = held(repo)
    seen: list[bool] = []

    def is_current(target: Target, descriptor: int) -> bool:
        if not seen:
            seen.append(True)
            (repo / LOCK).unlink()
            third.__enter__()
            assert not lstat(target, descriptor)
            third.__exit__(None, None, None)
            return False
        return lstat(target, descriptor)

    monkeypatch.setattr(Target, "_is_current", is_current)
    assert install(repo).code == 0
    assert agentrail("verify", repo).code == 0


@pytest.mark.parametrize("timeout", ["0", "30"])
def test_a_state_directory_that_is_removed_under_a_starting_run_is_made_again(
    repo: Path, monkeypatch: pytest.MonkeyPatch, timeout: str
) -> None:
    """The holder removes its empty directories between two calls of the other: nobody holds it then."""
    monkeypatch.setattr(CLOCK, SimpleNamespace(sleep=lambda seconds: None))
    make_directory = Target.make_directory
    removed: list[bool] = []

    def make(target: Target, path: str, mode: int | None = None) -> None:
        make_directory(target, path, mode)  # type: ignore[arg-type]
        if path.endswith("/state") and not removed:
            removed.append(True)
            os.rmdir(repo / ".agentrail/state")

    monkeypatch.setattr(Target, "make_directory", make)
    assert install(repo, "--lock-timeout", timeout).code == 0
    assert removed == [True]


def test_a_file_that_changes_between_plan_and_write_is_not_overwritten(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = payload_bundle(tmp_path / "bundle", changed={RULES: "new\n"})
    locked = session.Session.locked

    def edit(opened: session.Session) -> object:
        write(installed, {RULES: "mine, just now\n"})
        return locked(opened)

    monkeypatch.setattr(session.Session, "locked", edit)
    done = install(installed, bundle=bundle)
    assert (done.code, (installed / RULES).read_bytes()) == (3, b"mine, just now\n")
    assert f"{RULES}: conflict: changed on both sides" in done.err


def test_a_lock_that_the_file_system_cannot_give_is_told(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = snapshot(repo, with_state=True)
    done = install(repo)
    assert (done.code, "No locks available" in done.err) == (1, True)
    assert snapshot(repo, with_state=True) == before
