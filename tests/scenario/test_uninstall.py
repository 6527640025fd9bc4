"""Out again: nothing of ours stays that nobody edited, nothing of the user's goes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.scenario.story import (
    BASE,
    GUIDE,
    MINE,
    OWN,
    SHIPPED,
    agentrail,
    files,
    install,
    stashed,
    transactions,
)
from tests.support import git, make_repo, payload_bundle, snapshot, write

SPEC = "docs/templates/spec.md"


def test_the_repository_is_as_it_was_before(repo: Path, route: tuple[str | Path, ...]) -> None:
    before = snapshot(repo, with_state=True)
    install(repo, *route)
    run = agentrail("uninstall", repo)
    assert (run.code, run.err) == (0, "")
    assert run.out.splitlines()[-1] == f"{repo}: uninstalled (2 update, 39 remove)"
    assert snapshot(repo, with_state=True) == before
    assert git(repo, "status", "--porcelain", "-uall") == ""


def test_it_is_as_it_was_after_upgrades_and_a_rollback_as_well(repo: Path, tmp_path: Path) -> None:
    before = snapshot(repo, with_state=True)
    install(repo)
    newer = payload_bundle(
        tmp_path / "new",
        changed={SPEC: "next\n", "added/a.md": "a\n"},
        removed=("docs/templates/plan.md",),
    )
    install(repo, bundle=newer)
    agentrail("rollback", repo)
    install(repo, bundle=newer)
    assert agentrail("uninstall", repo).code == 0
    assert snapshot(repo, with_state=True) == before


def test_an_uninstall_of_a_clone_without_state_is_exact(repo: Path) -> None:
    before = snapshot(repo)
    install(repo)
    shutil.rmtree(repo / ".agentrail/state")
    assert agentrail("uninstall", repo).code == 0
    assert snapshot(repo) == before


def test_edited_files_stay_and_are_named(repo: Path) -> None:
    install(repo)
    write(repo, {SPEC: "mine\n"})
    run = agentrail("uninstall", repo)
    assert run.code == 0
    assert f"  keep      {SPEC}  (edited locally)\n" in run.out
    assert files(repo) == {*files(make_repo(repo.parent / "fresh")), SPEC}


def test_task_records_stay_and_are_named(repo: Path) -> None:
    install(repo)
    records = {
        ".agentrail/work/2024-01-01__task/state.json": b"{}\n",
        ".agentrail/work/notes.md": b"mine\n",
    }
    write(repo, records)
    run = agentrail("uninstall", repo)
    assert run.code == 0
    assert "note: .agentrail/work/2024-01-01__task: stays, it is yours\n" in run.err
    assert "note: .agentrail/work/notes.md: stays, it is yours\n" in run.err
    assert {name: (repo / name).read_bytes() for name in records} == records
    assert not any((repo / name).exists() for name in OWN - {".agentrail/work/.gitkeep"})


def test_files_of_the_users_in_our_directories_stay(repo: Path) -> None:
    install(repo)
    write(repo, {"docs/templates/own.md": "mine\n", ".agentrail/mine.txt": "mine\n"})
    agentrail("uninstall", repo)
    assert (repo / "docs/templates/own.md").read_bytes() == b"mine\n"
    assert (repo / ".agentrail/mine.txt").read_bytes() == b"mine\n"


def test_a_gitignore_of_ours_that_the_user_extended_stays(repo: Path) -> None:
    install(repo)
    path = repo / ".agentrail/.gitignore"
    text = path.read_bytes() + b"/mine/\n"
    path.write_bytes(text)
    agentrail("uninstall", repo)
    assert path.read_bytes() == text


def test_replaced_files_of_the_users_outlive_the_uninstall(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    install(repo, "-f", bundle=v2)
    overwrite = transactions(repo)[0]
    run = agentrail("uninstall", repo)
    assert run.code == 0
    assert f"note: .agentrail/state/stash/{overwrite}: stays, it holds your replaced files" in run.err
    assert MINE in stashed(repo)[GUIDE]
    assert git(repo, "status", "--porcelain", "-uall") == "?? .agentrail/.gitignore\n"


def test_purge_drops_even_those(repo: Path, v1: Path, v2: Path) -> None:
    before = snapshot(repo, with_state=True)
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    install(repo, "-f", bundle=v2)
    assert agentrail("uninstall", "--purge", repo).code == 0
    assert snapshot(repo, with_state=True) == before


def test_purge_after_the_uninstall_drops_them_too(repo: Path, v1: Path, v2: Path) -> None:
    before = snapshot(repo, with_state=True)
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    install(repo, "-f", bundle=v2)
    agentrail("uninstall", repo)
    run = agentrail("uninstall", "--purge", "--json", repo)
    assert (run.code, run.json["result"], run.json["changed"]) == (0, "applied", True)
    assert snapshot(repo, with_state=True) == before


def test_a_plain_uninstall_twice_is_refused_the_second_time(repo: Path) -> None:
    install(repo)
    assert agentrail("uninstall", repo).code == 0
    run = agentrail("uninstall", repo)
    assert run.code == 1
    assert "AgentRail is not installed here" in run.err


@pytest.mark.parametrize("is_edited", [False, True])
def test_there_is_no_rollback_past_an_uninstall(
    repo: Path, v1: Path, v2: Path, is_edited: bool
) -> None:
    install(repo, bundle=v1)
    if is_edited:
        write(repo, {GUIDE: MINE})
    install(repo, "-f", bundle=v2)
    agentrail("uninstall", repo)
    before = snapshot(repo, with_state=True)
    assert agentrail("rollback", "--list", repo).out == "no transaction to roll back\n"
    assert agentrail("rollback", repo).code == 1
    assert snapshot(repo, with_state=True) == before


def test_a_reinstall_can_be_rolled_back_once_and_no_further(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    install(repo, "-f", bundle=v2)
    agentrail("uninstall", repo)
    before = snapshot(repo)
    install(repo, bundle=v1)
    assert len(transactions(repo)) == 1
    assert agentrail("rollback", repo).code == 0
    assert snapshot(repo) == before
    assert agentrail("rollback", repo).code == 1
    assert MINE in stashed(repo)[GUIDE]


def test_after_an_uninstall_everything_can_be_installed_again(repo: Path) -> None:
    install(repo)
    first = snapshot(repo)
    agentrail("uninstall", repo)
    assert install(repo).code == 0
    assert snapshot(repo) == first


def test_a_dry_run_shows_what_the_uninstall_then_does(repo: Path) -> None:
    install(repo)
    write(repo, {SPEC: "mine\n"})
    before = snapshot(repo, with_state=True, with_times=True)
    planned = agentrail("uninstall", "--dry-run", "--json", repo)
    assert snapshot(repo, with_state=True, with_times=True) == before
    done = agentrail("uninstall", "--json", repo)
    assert planned.json["actions"] == done.json["actions"]
    assert {row["path"] for row in done.json["actions"]} == set(SHIPPED)


def test_files_deleted_by_the_user_are_no_obstacle(repo: Path) -> None:
    before = files(repo)
    install(repo)
    for name in set(SHIPPED) - before:
        (repo / name).unlink()
    assert agentrail("uninstall", repo).code == 0
    assert files(repo) == before
    assert git(repo, "status", "--porcelain", "-uall") == ""


def test_a_file_whose_mode_the_user_changed_goes_all_the_same(repo: Path, v1: Path) -> None:
    before = snapshot(repo)
    install(repo, bundle=v1)
    (repo / GUIDE).chmod(0o755)
    agentrail("uninstall", repo)
    assert snapshot(repo) == before


def test_a_directory_in_the_place_of_a_file_stays_and_is_named(repo: Path, v1: Path) -> None:
    install(repo, bundle=v1)
    (repo / GUIDE).unlink()
    write(repo, {f"{GUIDE}/mine.md": "mine\n"})
    run = agentrail("uninstall", repo)
    assert (run.code, f"keep      {GUIDE}  (is a directory)" in run.out) == (0, True)
    assert (repo / GUIDE / "mine.md").read_bytes() == b"mine\n"


def test_a_file_that_was_the_users_before_is_removed_only_if_it_is_as_delivered(
    repo: Path, v1: Path
) -> None:
    """A file that was adopted because it was equal is the framework's, as the receipt says."""
    write(repo, {GUIDE: BASE})
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "mine")
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    agentrail("uninstall", repo)
    assert (repo / GUIDE).read_bytes() == MINE
