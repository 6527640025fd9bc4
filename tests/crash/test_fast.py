"""Whatever strikes while ``--fast`` remembers, the target is as it was and the next run is right."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentrail_runtime.entry import RelPath
from agentrail_runtime.operation import install as operation
from agentrail_runtime.session import Session
from tests.crash.support import (
    CHANGES,
    FaultyOs,
    Strike,
    error,
    interrupt,
    kill_after,
    kill_before,
    kill_within,
    run_in_child,
    struck,
)
from tests.support import agentrail, install, make_bundle, snapshot

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows opens nothing from a directory on")
FILES = {"docs/a.md": "a\n", "docs/b.md": "b\n"}
STATE = ".agentrail/state"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of two files."""
    return make_bundle(tmp_path / "bundle", FILES)


@pytest.fixture
def root(tmp_path: Path, bundle: Path) -> Path:
    """A target that is remembered, one of its files touched since."""
    root = tmp_path / "target"
    assert install(root, "--fast", bundle=bundle).code == 0
    os.utime(root / "docs/a.md", ns=(0, 0))
    return root


def calls(root: Path, bundle: Path) -> Iterator[int]:
    """Yield the number of every call that a run makes; the target is touched before each."""
    faults = FaultyOs(names=CHANGES)
    with struck(faults):
        install(root, "--fast", bundle=bundle)
    for number in range(1, len(faults.calls) + 1):
        os.utime(root / "docs/a.md", ns=(number, number))
        yield number


def check(root: Path, bundle: Path) -> None:
    """Make sure that a file that was edited meanwhile is found, and nothing is left behind."""
    done = install(root, "--fast", "--json", bundle=bundle)
    assert (done.code, done.json["result"], done.json["summary"]["unchanged"]) == (0, "unchanged", 2)
    assert sorted(os.listdir(root / STATE)) == ["events.jsonl", "stash", "stat-cache"]


@pytest.mark.parametrize("strike", [kill_before, kill_within, kill_after])
def test_a_kill_while_it_remembers_costs_nothing(root: Path, bundle: Path, strike: Strike) -> None:
    before = snapshot(root)
    for number in calls(root, bundle):
        faults = FaultyOs(number, strike)
        code = run_in_child(lambda: install(root, "--fast", bundle=bundle), faults)
        assert code in (-9, 0)
        assert snapshot(root) == before
        assert agentrail("verify", root).code == 0
        check(root, bundle)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_an_error_while_it_remembers_is_no_error_of_the_run(
    root: Path, bundle: Path, number: int
) -> None:
    before = snapshot(root)
    for at in calls(root, bundle):
        with struck(FaultyOs(at, error(number))):
            done = install(root, "--fast", bundle=bundle)
        assert (done.code, done.err) == (0, "")
        assert snapshot(root) == before
        check(root, bundle)


def test_ctrl_c_while_it_remembers_leaves_the_target_as_it_was(root: Path, bundle: Path) -> None:
    before = snapshot(root)
    for at in calls(root, bundle):
        with struck(FaultyOs(at, interrupt)):
            assert install(root, "--fast", bundle=bundle).code in (0, 130)
        assert snapshot(root) == before
        check(root, bundle)


def test_what_became_of_a_killed_upgrade_is_told(root: Path, bundle: Path, tmp_path: Path) -> None:
    newer = make_bundle(tmp_path / "newer", {**FILES, "docs/a.md": "new\n"}, version="1.1.0")
    faults = FaultyOs()
    trial = tmp_path / "trial"
    install(trial, bundle=bundle)
    with struck(faults):
        install(trial, bundle=newer)
    at = len(faults.calls) - faults.calls[::-1].index("replace")
    assert run_in_child(lambda: install(root, bundle=newer), FaultyOs(at, kill_before)) == -9
    assert (root / STATE / "journal").exists()
    done = install(root, "--fast", bundle=bundle)
    assert "an earlier run was interrupted: it was undone, 2 paths put back" in done.out + done.err
    assert (root / "docs/a.md").read_bytes() == b"a\n"
    check(root, bundle)


def test_what_cannot_be_looked_at_again_after_an_install_is_no_error_of_it(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked, asked = operation._tracked, []

    def refuse(session: Session) -> list[RelPath]:
        asked.append(session)
        if len(asked) > 1:
            raise OSError(errno.EIO, "Input/output error")
        return tracked(session)

    monkeypatch.setattr(operation, "_tracked", refuse)
    assert install(tmp_path / "target", "--fast", bundle=bundle).code == 0
    assert len(asked) == 2
    assert not (tmp_path / "target" / STATE / "stat-cache").exists()
