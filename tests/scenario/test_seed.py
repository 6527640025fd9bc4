"""A seed is an initial value: created when absent, then the user's for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenario.story import actions, agentrail, bundle_of, files, install, reasons, stashed
from tests.support import make_bundle, snapshot, write

SEED = "MEMORY.md"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return bundle_of(tmp_path / "v1", SEED, "initial\n", "seed")


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    return bundle_of(tmp_path / "v2", SEED, "initial, but better\n", "seed", version="1.1.0")


def test_a_seed_is_created_when_absent(repo: Path, bundle: Path) -> None:
    assert actions(install(repo, "--json", bundle=bundle)) == {SEED: "create"}
    assert (repo / SEED).read_bytes() == b"initial\n"


@pytest.mark.parametrize("policy", ["abort", "keep", "overwrite", "merge"])
def test_what_the_user_made_of_a_seed_survives_every_policy(
    repo: Path, bundle: Path, newer: Path, policy: str
) -> None:
    install(repo, bundle=bundle)
    write(repo, {SEED: "mine\n"})
    run = install(repo, "--json", "--on-conflict", policy, bundle=newer)
    assert (run.code, actions(run)) == (0, {SEED: "keep"})
    assert (repo / SEED).read_bytes() == b"mine\n"


@pytest.mark.parametrize("policy", ["abort", "keep", "overwrite", "merge"])
def test_a_file_that_was_there_before_is_no_conflict_and_stays(
    repo: Path, bundle: Path, policy: str
) -> None:
    write(repo, {SEED: "mine\n"})
    before = snapshot(repo, with_times=True)[SEED]
    run = install(repo, "--json", "--on-conflict", policy, bundle=bundle)
    assert (run.code, actions(run), reasons(run)) == (0, {SEED: "keep"}, {SEED: "yours"})
    assert snapshot(repo, with_times=True)[SEED] == before


def test_an_unedited_seed_is_not_upgraded_either(repo: Path, bundle: Path, newer: Path) -> None:
    install(repo, bundle=bundle)
    install(repo, bundle=newer)
    assert (repo / SEED).read_bytes() == b"initial\n"


def test_a_deleted_seed_stays_deleted(repo: Path, bundle: Path, newer: Path) -> None:
    install(repo, bundle=bundle)
    (repo / SEED).unlink()
    for source in (bundle, newer):
        run = install(repo, "--json", bundle=source)
        assert reasons(run) == {SEED: "deleted locally"}
        assert not (repo / SEED).exists()


def test_overwrite_brings_a_deleted_seed_back(repo: Path, bundle: Path) -> None:
    install(repo, bundle=bundle)
    (repo / SEED).unlink()
    assert actions(install(repo, "--json", "-f", bundle=bundle)) == {SEED: "create"}
    assert (repo / SEED).read_bytes() == b"initial\n"


@pytest.mark.parametrize("text", [b"mine\n", None])
def test_a_seed_is_never_drift(repo: Path, bundle: Path, text: bytes | None) -> None:
    install(repo, bundle=bundle)
    (repo / SEED).unlink() if text is None else write(repo, {SEED: text})
    assert agentrail("verify", repo).code == 0
    route = ("--source", "copy", "--runtime-dir", bundle)
    assert agentrail("status", "--exit-code", *route, repo).code == 0


def test_a_seed_that_the_framework_drops_stays(repo: Path, bundle: Path, tmp_path: Path) -> None:
    install(repo, bundle=bundle)
    write(repo, {SEED: "mine\n"})
    empty = make_bundle(tmp_path / "empty", {"other.md": "x\n"}, version="1.1.0")
    assert install(repo, bundle=empty).code == 0
    assert (repo / SEED).read_bytes() == b"mine\n"
    assert agentrail("verify", repo).code == 0


def test_uninstall_takes_an_untouched_seed_and_leaves_an_edited_one(repo: Path, tmp_path: Path) -> None:
    names = {"MEMORY.md": "initial\n", "NOTES.md": "initial\n"}
    bundle = make_bundle(tmp_path / "b", names, ownership=dict.fromkeys(names, "seed"))
    install(repo, bundle=bundle)
    write(repo, {"NOTES.md": "mine\n"})
    run = agentrail("uninstall", repo)
    assert not (repo / "MEMORY.md").exists()
    assert (repo / "NOTES.md").read_bytes() == b"mine\n"
    assert "keep      NOTES.md  (edited locally)" in run.out


def test_uninstall_leaves_a_seed_that_was_the_users_all_along(repo: Path, bundle: Path) -> None:
    write(repo, {SEED: "mine\n"})
    before = snapshot(repo)
    install(repo, bundle=bundle)
    agentrail("uninstall", repo)
    assert snapshot(repo) == before


def test_rolling_back_a_seed_with_notes_in_it_takes_force_and_keeps_the_notes(
    repo: Path, bundle: Path
) -> None:
    install(repo, bundle=bundle)
    write(repo, {SEED: "my notes\n"})
    assert agentrail("rollback", repo).code == 3
    assert (repo / SEED).read_bytes() == b"my notes\n"
    assert agentrail("rollback", "--force", repo).code == 0
    assert SEED not in files(repo)
    assert stashed(repo)[SEED] == {b"my notes\n"}
