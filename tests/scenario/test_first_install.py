"""Somebody's repository gets the runtime for the first time."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.scenario.story import OWN, SHIPPED, agentrail, files, install, receipt, shipped_copy
from tests.support import USER_FILES, git, make_repo, snapshot, write

Route = tuple[str | Path, ...]


def test_only_the_expected_files_appear(repo: Path, route: Route) -> None:
    assert install(repo, *route).code == 0
    assert files(repo) == {*USER_FILES, *SHIPPED, *OWN}


def test_git_status_shows_the_runtime_and_nothing_else(repo: Path, route: Route) -> None:
    install(repo, *route)
    status = git(repo, "status", "--porcelain", "-uall").splitlines()
    changed = [f" M {name}" for name in ("AGENTS.md", "CLAUDE.md")]
    new = [f"?? {name}" for name in {*SHIPPED, *OWN} - set(USER_FILES)]
    assert sorted(status) == sorted(changed + new)


@pytest.mark.parametrize("name", ["README.md", ".gitignore", "src/app.py"])
def test_a_file_that_is_not_ours_is_not_even_touched(repo: Path, route: Route, name: str) -> None:
    before = snapshot(repo, with_times=True)[name]
    install(repo, *route)
    assert snapshot(repo, with_times=True)[name] == before


@pytest.mark.parametrize("name", ["AGENTS.md", "CLAUDE.md"])
def test_the_users_text_stays_byte_for_byte_before_the_block(
    repo: Path, route: Route, name: str
) -> None:
    install(repo, *route)
    text, mine = (repo / name).read_bytes(), USER_FILES[name]
    glue = b"" if mine.endswith(b"\n") else b"\n"
    assert text.startswith(mine + glue + b"<!-- agentrail:begin -->\n")
    assert text.rstrip(b"\n").endswith(b"\n<!-- agentrail:end -->")


def test_the_receipt_records_every_shipped_file_with_its_class(repo: Path, route: Route) -> None:
    install(repo, *route)
    entries = receipt(repo)["entries"]
    assert {row["path"]: row["ownership"] for row in entries} == SHIPPED
    assert [row["path"] for row in entries] == sorted(SHIPPED)


def test_the_receipt_tells_nothing_of_machine_or_time(repo: Path, tmp_path: Path) -> None:
    other = make_repo(tmp_path / "other")
    install(repo)
    install(other)
    text = (repo / ".agentrail/receipt.json").read_text()
    assert text == (other / ".agentrail/receipt.json").read_text()
    assert str(tmp_path) not in text


def test_both_routes_give_the_same_tree_but_for_the_name_of_the_route(
    repo: Path, tmp_path: Path
) -> None:
    other = make_repo(tmp_path / "other")
    install(repo)
    install(other, bundle=shipped_copy(tmp_path / "dist"))
    ours, theirs = snapshot(repo), snapshot(other)
    name = ".agentrail/receipt.json"
    text = theirs[name].content.replace(b'"kind": "copy"', b'"kind": "package"')
    assert theirs | {name: theirs[name]._replace(content=text)} == ours
    assert ours[name].content != theirs[name].content


def test_the_committed_runtime_leaves_a_clean_work_tree(repo: Path) -> None:
    install(repo)
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "agentrail")
    assert agentrail("verify", repo).code == 0
    assert git(repo, "status", "--porcelain", "-uall") == ""
    assert ".agentrail/state" not in git(repo, "ls-files")


def test_a_clone_of_the_repository_is_verified_and_needs_nothing(repo: Path, tmp_path: Path) -> None:
    install(repo)
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "agentrail")
    git(tmp_path, "clone", "-q", str(repo), "clone")
    assert agentrail("verify", tmp_path / "clone").code == 0
    assert install(tmp_path / "clone", "--check").code == 0


@pytest.mark.parametrize("below", ["new", "new/deeper/still"])
def test_an_absent_directory_is_created(tmp_path: Path, below: str) -> None:
    assert install(tmp_path / below).code == 0
    assert files(tmp_path / below) == {*SHIPPED, *OWN}


def test_an_empty_directory_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert install(tmp_path / "empty").code == 0
    assert files(tmp_path / "empty") == {*SHIPPED, *OWN}


def test_a_refused_install_leaves_an_absent_directory_absent(tmp_path: Path) -> None:
    assert install(tmp_path / "new", bundle=tmp_path / "nothing").code == 6
    assert install(tmp_path / "new", "--dry-run").code == 0
    assert not (tmp_path / "new").exists()


def test_a_file_as_target_is_refused_and_stays(tmp_path: Path) -> None:
    write(tmp_path, {"notes.txt": "mine\n"})
    run = install(tmp_path / "notes.txt")
    assert (run.code, run.out) == (1, "")
    assert "notes.txt: not a directory" in run.err
    assert (tmp_path / "notes.txt").read_text() == "mine\n"


def test_from_a_subdirectory_the_whole_repository_is_meant(repo: Path) -> None:
    install(repo)
    run = install(repo / "src", "--json")
    assert (run.code, run.json["result"], run.json["target"]) == (0, "unchanged", str(repo))
    assert files(repo / "src") == {"app.py"}


def test_without_a_target_the_commands_take_the_repository_they_stand_in(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(repo)
    monkeypatch.chdir(repo / "docs" / "templates")
    assert agentrail("verify", "--json").json["target"] == str(repo)


def test_a_relative_target_is_told_as_an_absolute_one(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo.parent)
    assert install("repo", "--json").json["target"] == str(repo)
    monkeypatch.chdir(repo / "src")
    assert install("..", "--json").json["target"] == str(repo)


def test_a_target_named_through_a_symlink_is_the_real_one(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(repo)
    assert install(tmp_path / "link", "--json").json["target"] == str(repo)


def test_a_repository_inside_an_installed_one_is_its_own(repo: Path) -> None:
    install(repo)
    inner = make_repo(repo / "vendor" / "inner", {"a": "a\n"})
    assert install(inner, "--json").json["target"] == str(inner)
    assert agentrail("verify", repo).code == 0


def test_below_its_git_root_the_dead_ci_workflow_is_told(repo: Path) -> None:
    (repo / "app").mkdir()
    run = install(repo / "app")
    assert run.code == 0
    assert f"{repo / 'app'} is below its git root {repo}" in run.err


def test_at_its_git_root_nothing_is_told(repo: Path) -> None:
    assert install(repo).err == ""


@pytest.mark.parametrize(
    ("rule", "hidden"),
    [
        ("work/", {".agentrail/work/.gitkeep"}),
        (
            ".agentrail",
            {".agentrail/.gitignore", ".agentrail/receipt.json", ".agentrail/work/.gitkeep"},
        ),
        ("*.md", {name for name in SHIPPED if name.endswith(".md") and name not in USER_FILES}),
    ],
)
def test_files_that_git_would_never_commit_are_named_with_the_rule(
    tmp_path: Path, rule: str, hidden: set[str]
) -> None:
    repo = make_repo(tmp_path / "repo")
    write(repo, {".gitignore": f"node_modules/\n{rule}\n"})
    told = [line for line in install(repo).err.splitlines() if "git ignores" in line]
    assert sorted(told) == [
        f"note: {name}: git ignores it (rule .gitignore:2:{rule})" for name in sorted(hidden)
    ]


def test_records_under_the_old_task_root_are_counted_and_can_be_moved_as_shown(repo: Path) -> None:
    write(repo, {f"work/2024-01-0{day}__task/state.json": "{}\n" for day in (1, 2, 3)})
    write(repo, {"work/notes.md": "no record\n", "work/2024-01-09__Bad": "no record\n"})
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "records")
    run = install(repo)
    hint = "git mv work/*__* .agentrail/work/"
    assert f"work: 3 task records stay there; to move: {hint}" in run.err
    assert (repo / "work/2024-01-01__task/state.json").exists()
    subprocess.run(hint, shell=True, cwd=repo, check=True)
    assert (repo / ".agentrail/work/2024-01-03__task/state.json").exists()


def test_one_record_is_counted_in_the_singular(repo: Path) -> None:
    write(repo, {"work/2024-01-01__task/state.json": "{}\n"})
    assert "work: 1 task record stays there" in install(repo).err


def test_without_records_nobody_is_told_to_move_any(repo: Path) -> None:
    write(repo, {"work/notes.md": "mine\n"})
    assert "task record" not in install(repo).err


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_new_files_get_the_mode_that_the_umask_leaves(tmp_path: Path, mask: int) -> None:
    old = os.umask(mask)
    try:
        install(tmp_path / "new")
    finally:
        os.umask(old)
    nodes = snapshot(tmp_path / "new")
    assert nodes["docs/templates/spec.md"].mode == 0o666 & ~mask
    assert nodes["docs/templates"].mode == 0o777 & ~mask


def test_a_private_file_of_the_users_stays_private(repo: Path) -> None:
    (repo / "AGENTS.md").chmod(0o600)
    install(repo)
    assert snapshot(repo)["AGENTS.md"].mode == 0o600


def test_a_conflict_on_first_install_names_every_file_and_writes_none(repo: Path) -> None:
    mine = {"docs/templates/spec.md": "my spec\n", "docs/templates/plan.md": "my plan\n"}
    write(repo, mine)
    before = snapshot(repo, with_state=True, with_times=True)
    run = install(repo)
    assert run.code == 3
    assert all(f"{name}: conflict: not installed by agentrail" in run.err for name in mine)
    assert snapshot(repo, with_state=True, with_times=True) == before


def test_the_home_directory_is_neither_read_nor_written(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    assert install(repo).code == 0
    assert snapshot(home) == {}


def test_nothing_beside_the_target_is_written(repo: Path, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    install(repo)
    agentrail("uninstall", repo)
    assert set(tmp_path.iterdir()) == before
