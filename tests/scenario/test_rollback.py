"""Undo: the tree is again what it was, to the byte, the mode and the empty directory."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.scenario.story import (
    BASE,
    GUIDE,
    MINE,
    NEXT,
    RIVAL,
    actions,
    agentrail,
    bundle_of,
    files,
    guide,
    install,
    reasons,
    receipt,
    stashed,
    transactions,
)
from tests.support import Node, git, make_bundle, payload_bundle, snapshot, write

SPEC = "docs/templates/spec.md"


def version(root: Path, number: int) -> Path:
    """Return a bundle whose guide ends in `number`."""
    text = BASE + b"version %d\n" % number
    return guide(root / f"v{number}", text, f"1.{number}.0", release_seq=number)


def climb(repo: Path, tmp_path: Path, last: int) -> list[dict[str, Node]]:
    """Install versions 1 to `last`; return the trees from before each of them, and the last one."""
    trees = [snapshot(repo)]
    for number in range(1, last + 1):
        assert install(repo, bundle=version(tmp_path, number)).code == 0
        trees.append(snapshot(repo))
    return trees


def test_a_first_install_is_undone_exactly(repo: Path, route: tuple[str | Path, ...]) -> None:
    before = snapshot(repo)
    install(repo, *route)
    run = agentrail("rollback", repo)
    assert run.code == 0
    assert run.out.splitlines()[-1].startswith(f"{repo}: rolled back to before the install (")
    assert snapshot(repo) == before


def test_odd_modes_and_empty_directories_come_back(repo: Path) -> None:
    (repo / "AGENTS.md").chmod(0o640)
    (repo / "docs" / "templates").mkdir(parents=True)
    (repo / "docs").chmod(0o750)
    (repo / ".github").mkdir(mode=0o700)
    before = snapshot(repo)
    install(repo)
    assert agentrail("rollback", repo).code == 0
    assert snapshot(repo) == before


def test_an_absent_target_is_empty_again(tmp_path: Path) -> None:
    install(tmp_path / "new")
    assert agentrail("rollback", tmp_path / "new").code == 0
    assert files(tmp_path / "new") == set()


def test_an_upgrade_is_undone_exactly(repo: Path, tmp_path: Path) -> None:
    install(repo)
    (repo / SPEC).chmod(0o600)
    before = snapshot(repo)
    newer = payload_bundle(
        tmp_path / "new",
        changed={SPEC: "next\n", "added/deep/file.md": "added\n"},
        removed=("docs/templates/plan.md", ".github/workflows/ci-framework.yml"),
    )
    install(repo, bundle=newer)
    assert not (repo / ".github").exists()
    run = agentrail("rollback", "--json", repo)
    assert (run.code, run.json["runtime_version"], run.json["previous_version"]) == (
        0,
        "1.0.0",
        "1.1.0",
    )
    assert snapshot(repo) == before
    assert agentrail("verify", repo).code == 0


def test_a_removed_directory_comes_back_with_its_mode(repo: Path, tmp_path: Path) -> None:
    install(repo, bundle=make_bundle(tmp_path / "v1", {"a/b/c.md": "x\n", "d.md": "x\n"}))
    (repo / "a").chmod(0o700)
    (repo / "a/b").chmod(0o750)
    before = snapshot(repo)
    install(repo, bundle=make_bundle(tmp_path / "v2", {"d.md": "x\n"}, version="1.1.0"))
    assert not (repo / "a").exists()
    assert agentrail("rollback", repo).code == 0
    assert snapshot(repo) == before


@pytest.mark.parametrize("policy", ["keep", "overwrite", "merge"])
def test_what_a_policy_did_to_an_edit_is_undone_exactly(
    repo: Path, v1: Path, v2: Path, policy: str
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    before = snapshot(repo)
    install(repo, "--on-conflict", policy, bundle=v2)
    assert agentrail("rollback", repo).code == 0
    assert snapshot(repo) == before


def test_a_mode_change_is_undone(repo: Path, tmp_path: Path) -> None:
    install(repo, bundle=bundle_of(tmp_path / "v1", "tool.sh", "run\n"))
    (repo / "tool.sh").chmod(0o640)
    before = snapshot(repo)
    install(
        repo, bundle=bundle_of(tmp_path / "v2", "tool.sh", "run\n", version="1.1.0", executable=True)
    )
    assert snapshot(repo)["tool.sh"].mode == 0o750
    assert agentrail("rollback", repo).code == 0
    assert snapshot(repo) == before


def test_after_a_rollback_the_upgrade_can_be_made_again(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    install(repo, bundle=v2)
    after = snapshot(repo)
    agentrail("rollback", repo)
    assert install(repo, bundle=v2).code == 0
    assert snapshot(repo) == after


def test_a_merge_is_still_possible_after_a_rollback(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    install(repo, bundle=v2)
    agentrail("rollback", repo)
    write(repo, {GUIDE: MINE})
    assert install(repo, "--on-conflict", "merge", bundle=v2).code == 0


# --- several -------------------------------------------------------------------------------------


def test_each_further_rollback_goes_one_transaction_further_back(repo: Path, tmp_path: Path) -> None:
    trees = climb(repo, tmp_path, 3)
    for number in (2, 1, 0):
        assert agentrail("rollback", repo).code == 0
        assert snapshot(repo) == trees[number]
    run = agentrail("rollback", repo)
    assert (run.code, run.err.splitlines()[0]) == (1, f"{repo}: no transaction to roll back")


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_to_undoes_the_named_transaction_and_all_later_ones(
    repo: Path, tmp_path: Path, number: int
) -> None:
    trees = climb(repo, tmp_path, 4)
    name = transactions(repo)[::-1][number - 1]
    assert agentrail("rollback", "--to", name, repo).code == 0
    assert snapshot(repo) == trees[number - 1]
    assert len(transactions(repo)) == number - 1


def test_an_unknown_transaction_is_refused_and_the_known_ones_are_named(repo: Path, v1: Path) -> None:
    install(repo, bundle=v1)
    before = snapshot(repo)
    run = agentrail("rollback", "--to", "000009-abcdef", repo)
    assert run.code == 1
    assert run.err.splitlines()[0] == (
        f"000009-abcdef: no such transaction (expected one of {transactions(repo)[0]})"
    )
    assert snapshot(repo) == before


def test_the_list_names_the_newest_first(repo: Path, tmp_path: Path) -> None:
    climb(repo, tmp_path, 3)
    rows = agentrail("rollback", "--list", "--json", repo).json["transactions"]
    assert [(row["previous_version"], row["runtime_version"]) for row in rows] == [
        ("1.2.0", "1.3.0"),
        ("1.1.0", "1.2.0"),
        (None, "1.1.0"),
    ]
    assert rows[0]["paths"] == [".agentrail/receipt.json", GUIDE]
    lines = agentrail("rollback", "--list", repo).out.splitlines()
    assert [line.split()[0] for line in lines] == [row["transaction"] for row in rows]
    assert lines[-1].endswith("nothing -> 1.1.0  5 paths")


def test_the_list_of_a_repository_without_any_says_so(repo: Path) -> None:
    assert agentrail("rollback", "--list", repo) == (0, "no transaction to roll back\n", "")
    assert not (repo / ".agentrail").exists()


def test_only_the_last_five_transactions_are_kept(repo: Path, tmp_path: Path) -> None:
    trees = climb(repo, tmp_path, 8)
    assert len(transactions(repo)) == 5
    assert len(list((repo / ".agentrail/state/stash").iterdir())) == 5
    for number in (7, 6, 5, 4, 3):
        assert agentrail("rollback", repo).code == 0
        assert snapshot(repo) == trees[number]
    assert agentrail("rollback", repo).code == 1


def test_a_transaction_behind_a_forgotten_one_cannot_be_undone_in_part(
    repo: Path, tmp_path: Path
) -> None:
    """The stash of an overwrite stays for ever; the way back to it does not."""
    install(repo, bundle=version(tmp_path, 1))
    write(repo, {GUIDE: MINE})
    install(repo, "-f", bundle=version(tmp_path, 2))
    overwrite = transactions(repo)[0]
    newer: dict[str, bytes | str] = {GUIDE: BASE + b"version 2\n", "docs/beside.md": "changed\n"}
    bundle = make_bundle(tmp_path / "v3", newer, version="1.3.0", release_seq=3)
    install(repo, bundle=bundle)  # the only one that changes docs/beside.md
    for number in range(4, 9):
        assert install(repo, bundle=_with(newer, tmp_path, number)).code == 0
    assert stashed(repo)[GUIDE] >= {MINE}
    assert overwrite not in transactions(repo)
    before = snapshot(repo)
    assert agentrail("rollback", "--to", overwrite, repo).code == 1
    assert snapshot(repo) == before


def _with(texts: dict[str, bytes | str], tmp_path: Path, number: int) -> Path:
    changed = {**texts, GUIDE: BASE + b"version %d\n" % number}
    return make_bundle(tmp_path / f"v{number}", changed, version=f"1.{number}.0", release_seq=number)


# --- edits since ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [GUIDE, ".agentrail/receipt.json"])
def test_an_edit_since_is_a_conflict_and_nothing_is_written(
    repo: Path, v1: Path, v2: Path, name: str
) -> None:
    install(repo, bundle=v1)
    install(repo, bundle=v2)
    write(repo, {name: (repo / name).read_bytes() + b"\n"})
    before = snapshot(repo)
    run = agentrail("rollback", repo)
    assert run.code == 3
    assert run.err.startswith(f"{name}: conflict: edited since\nhint: ")
    assert "rollback --force" in run.err
    assert snapshot(repo) == before


def test_force_undoes_an_edit_since_and_the_stash_keeps_it(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    before = snapshot(repo)
    install(repo, bundle=v2)
    write(repo, {GUIDE: MINE})
    run = agentrail("rollback", "--force", repo)
    assert run.code == 0
    assert snapshot(repo) == before
    assert MINE in stashed(repo)[GUIDE]
    (line,) = run.err.splitlines()
    kept = line.removeprefix(f"note: {GUIDE}: your version is kept in ")
    assert (repo / kept).read_bytes() == MINE


def test_what_force_put_into_the_stash_outlives_later_upgrades(
    repo: Path, v1: Path, v2: Path, tmp_path: Path
) -> None:
    install(repo, bundle=v1)
    install(repo, bundle=v2)
    write(repo, {GUIDE: MINE})
    agentrail("rollback", "--force", repo)
    climb(repo, tmp_path, 8)
    assert MINE in stashed(repo)[GUIDE]


def test_the_stash_of_a_forced_rollback_stays_out_of_version_control(repo: Path, v1: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    assert agentrail("rollback", "--force", repo).code == 0
    assert stashed(repo)[GUIDE] == {MINE}
    assert ".agentrail/state" not in git(repo, "status", "--porcelain", "-uall")


def test_an_edit_between_two_upgrades_stops_a_rollback_past_it(repo: Path, tmp_path: Path) -> None:
    install(repo, bundle=version(tmp_path, 1))
    first = transactions(repo)[0]
    write(repo, {GUIDE: MINE})
    install(repo, "-f", bundle=version(tmp_path, 2))
    before = snapshot(repo)
    run = agentrail("rollback", "--to", first, repo)
    assert run.code == 3
    assert GUIDE in run.err
    assert snapshot(repo) == before


def test_an_edit_between_two_upgrades_is_in_the_stash_after_a_forced_rollback_past_it(
    repo: Path, tmp_path: Path
) -> None:
    install(repo, bundle=version(tmp_path, 1))
    first = transactions(repo)[0]
    write(repo, {GUIDE: MINE})
    install(repo, "-f", bundle=version(tmp_path, 2))
    assert agentrail("rollback", "--force", "--to", first, repo).code == 0
    assert not (repo / GUIDE).exists()
    assert MINE in stashed(repo).get(GUIDE, set())


def test_text_written_around_a_block_between_two_upgrades_is_not_lost(
    repo: Path, tmp_path: Path
) -> None:
    begin, end = b"<!-- agentrail:begin -->\n", b"<!-- agentrail:end -->\n"
    name = "AGENTS.md"
    install(repo, bundle=bundle_of(tmp_path / "v1", name, begin + b"one\n" + end, "block"))
    first = transactions(repo)[0]
    write(repo, {name: (repo / name).read_bytes() + b"written later\n"})
    newer = bundle_of(tmp_path / "v2", name, begin + b"two\n" + end, "block", version="1.1.0")
    install(repo, bundle=newer)
    agentrail("rollback", "--to", first, repo)
    texts = {(repo / name).read_bytes(), *stashed(repo).get(name, ())}
    assert any(b"written later\n" in text for text in texts)


def test_a_profile_filled_in_between_two_runs_is_not_lost(repo: Path) -> None:
    name = "project.profile.yaml"
    install(repo)
    first = transactions(repo)[0]
    text = (repo / name).read_text().replace("name: my-project", "name: mine")
    write(repo, {name: text})
    install(repo, "--task-root", "tasks")
    agentrail("rollback", "--to", first, repo)
    texts = {(repo / name).read_bytes()} if (repo / name).exists() else set()
    assert any(b"name: mine" in text for text in texts | stashed(repo).get(name, set()))


def test_a_file_deleted_since_comes_back_as_it_was(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    before = snapshot(repo)
    install(repo, bundle=v2)
    (repo / GUIDE).unlink()
    run = agentrail("rollback", "--json", repo)
    assert (run.code, actions(run)[GUIDE]) == (0, "create")
    assert snapshot(repo) == before


def test_a_file_that_is_as_before_already_is_left_alone(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    before = snapshot(repo)
    install(repo, bundle=v2)
    write(repo, {GUIDE: BASE})
    run = agentrail("rollback", "--json", repo)
    assert (run.code, reasons(run)[GUIDE]) == (0, "as before already")
    assert snapshot(repo) == before


def test_a_new_file_of_the_users_at_a_removed_path_is_not_replaced(
    repo: Path, v1: Path, tmp_path: Path
) -> None:
    install(repo, bundle=v1)
    install(repo, bundle=guide(tmp_path / "v2", None, "1.1.0"))
    write(repo, {GUIDE: "mine, all new\n"})
    assert agentrail("rollback", repo).code == 3
    assert (repo / GUIDE).read_bytes() == b"mine, all new\n"
    assert agentrail("rollback", "--force", repo).code == 0
    assert (repo / GUIDE).read_bytes() == BASE
    assert b"mine, all new\n" in stashed(repo)[GUIDE]


def test_files_of_the_users_in_our_directories_stay(repo: Path) -> None:
    install(repo)
    write(repo, {".agentrail/work/2024-01-01__task/state.json": "{}\n", "docs/mine.md": "mine\n"})
    assert agentrail("rollback", repo).code == 0
    assert files(repo) >= {".agentrail/work/2024-01-01__task/state.json", "docs/mine.md"}


def test_a_directory_in_the_place_of_a_file_is_a_conflict_even_with_force(
    repo: Path, v1: Path, v2: Path
) -> None:
    install(repo, bundle=v1)
    install(repo, bundle=v2)
    (repo / GUIDE).unlink()
    write(repo, {f"{GUIDE}/mine.md": "mine\n"})
    for words in ((), ("--force",)):
        run = agentrail("rollback", *words, repo)
        assert (run.code, run.err.splitlines()[0]) == (3, f"{GUIDE}: conflict: is a directory now")
    assert (repo / GUIDE / "mine.md").read_bytes() == b"mine\n"


def test_a_dry_run_shows_what_the_rollback_then_does(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    install(repo, bundle=v2)
    before = snapshot(repo, with_state=True, with_times=True)
    planned = agentrail("rollback", "--dry-run", "--json", repo)
    assert snapshot(repo, with_state=True, with_times=True) == before
    done = agentrail("rollback", "--json", repo)
    assert planned.json["actions"] == done.json["actions"]
    assert (planned.json["result"], done.json["result"]) == ("planned", "applied")


def test_a_dry_run_of_a_rollback_that_would_be_refused_is_refused(
    repo: Path, v1: Path, v2: Path
) -> None:
    install(repo, bundle=v1)
    install(repo, bundle=v2)
    write(repo, {GUIDE: MINE})
    run = agentrail("rollback", "--dry-run", repo)
    assert (run.code, "rolled back" in run.out) == (3, False)


def test_a_dry_run_of_a_rollback_does_not_claim_to_have_done_it(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    install(repo, bundle=v2)
    run = agentrail("rollback", "--dry-run", repo)
    assert (run.code, "rolled back" in run.out) == (0, False)


# --- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["altered", "missing"])
def test_a_damaged_stash_exits_7_and_deletes_nothing(repo: Path, v1: Path, v2: Path, how: str) -> None:
    install(repo, bundle=v1)
    install(repo, bundle=v2)
    kept = repo / f".agentrail/state/stash/{transactions(repo)[0]}/replaced/{GUIDE}"
    kept.write_bytes(RIVAL) if how == "altered" else kept.unlink()
    before = snapshot(repo, with_state=True)
    run = agentrail("rollback", repo)
    assert run.code == 7
    assert f"replaced/{GUIDE}: missing or altered" in run.err
    assert snapshot(repo, with_state=True) == before
    assert (repo / GUIDE).read_bytes() == NEXT


def test_without_its_state_there_is_nothing_to_roll_back(repo: Path, v1: Path) -> None:
    install(repo, bundle=v1)
    shutil.rmtree(repo / ".agentrail/state")
    before = snapshot(repo)
    assert agentrail("rollback", repo).code == 1
    assert snapshot(repo) == before


def test_the_receipt_of_the_old_version_is_back_byte_for_byte(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    text = (repo / ".agentrail/receipt.json").read_bytes()
    install(repo, bundle=v2)
    assert receipt(repo)["runtime_version"] == "1.1.0"
    agentrail("rollback", repo)
    assert (repo / ".agentrail/receipt.json").read_bytes() == text
