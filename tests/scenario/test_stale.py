"""Somebody writes into the repository while a run waits for its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentrail_runtime.session import Session
from tests.scenario.story import GUIDE, MINE, NEXT, actions, agentrail, install, stashed, transactions
from tests.support import snapshot, write

Meanwhile = Callable[[Callable[[], object]], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Do something between the plan of the next run and its turn."""
    locked = Session.locked

    def arrange(happens: Callable[[], object]) -> None:
        @contextmanager
        def late(session: Session) -> Iterator[None]:
            monkeypatch.setattr(Session, "locked", locked)
            happens()
            with locked(session):
                yield

        monkeypatch.setattr(Session, "locked", late)

    return arrange


def test_an_edit_that_comes_in_between_is_a_conflict_and_is_not_overwritten(
    repo: Path, v1: Path, v2: Path, meanwhile: Meanwhile
) -> None:
    install(repo, bundle=v1)
    meanwhile(lambda: write(repo, {GUIDE: MINE}))
    run = install(repo, bundle=v2)
    assert run.code == 3
    assert run.err.startswith(f"{GUIDE}: conflict: changed on both sides\n")
    assert (repo / GUIDE).read_bytes() == MINE


def test_an_edit_that_comes_in_between_is_stashed_by_overwrite(
    repo: Path, v1: Path, v2: Path, meanwhile: Meanwhile
) -> None:
    install(repo, bundle=v1)
    meanwhile(lambda: write(repo, {GUIDE: MINE}))
    run = install(repo, "-f", bundle=v2)
    assert (run.code, (repo / GUIDE).read_bytes()) == (0, NEXT)
    assert stashed(repo)[GUIDE] == {MINE}
    assert f"{GUIDE}: your version is kept in " in run.err


def test_a_file_that_appears_in_between_is_not_replaced(
    repo: Path, v1: Path, meanwhile: Meanwhile
) -> None:
    meanwhile(lambda: write(repo, {GUIDE: "mine, just now\n"}))
    assert install(repo, bundle=v1).code == 3
    assert (repo / GUIDE).read_bytes() == b"mine, just now\n"


def test_a_file_that_is_deleted_in_between_stays_deleted(
    repo: Path, v1: Path, v2: Path, meanwhile: Meanwhile
) -> None:
    install(repo, bundle=v1)
    meanwhile(lambda: (repo / GUIDE).unlink())
    run = install(repo, "--json", bundle=v2)
    assert (run.code, actions(run)[GUIDE]) == (0, "keep")
    assert not (repo / GUIDE).exists()


def test_a_second_installer_that_was_faster_leaves_nothing_to_do(
    repo: Path, v1: Path, v2: Path, meanwhile: Meanwhile
) -> None:
    install(repo, bundle=v1)
    meanwhile(lambda: install(repo, bundle=v2))
    run = install(repo, "--json", bundle=v2)
    assert (run.code, run.json["result"], run.json["transaction"]) == (0, "unchanged", None)
    assert (repo / GUIDE).read_bytes() == NEXT


def test_a_rollback_that_was_faster_is_seen_before_anything_is_written(
    repo: Path, v1: Path, v2: Path, meanwhile: Meanwhile
) -> None:
    install(repo, bundle=v1)
    before = snapshot(repo)
    install(repo, bundle=v2)
    meanwhile(lambda: agentrail("rollback", repo))
    assert agentrail("rollback", "--to", transactions(repo)[0], repo).code == 1
    assert snapshot(repo) == before


def test_an_uninstall_in_between_does_not_confuse_a_rollback(
    repo: Path, v1: Path, meanwhile: Meanwhile
) -> None:
    before = snapshot(repo)
    install(repo, bundle=v1)
    meanwhile(lambda: agentrail("uninstall", repo))
    assert agentrail("rollback", repo).code == 1
    assert snapshot(repo) == before
