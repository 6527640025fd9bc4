"""Which tasks a change is about, as git tells it and as CI reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime import git as git_
from tests.support import Run, agentrail, git, make_repo, write

A, B, C = "2026-01-01__a", "2026-01-02__b", "2026-01-03__c"
PROFILE = "workflow:\n  task_root: .agentrail/work\n  docs_root: docs\n"
WORK = ".agentrail/work"
ZERO = "0" * 40


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one commit, of a profile and the task `A`."""
    return make_repo(tmp_path / "repo", {"project.profile.yaml": PROFILE, f"{WORK}/{A}/spec.md": "a\n"})


def commit(root: Path, *paths: str) -> str:
    """Commit a change of `paths`; return the id of the commit."""
    for path in paths:
        old = (root / path).read_text(encoding="utf-8") if (root / path).exists() else ""
        write(root, {path: f"{old}more\n"})
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "change")
    return head(root)


def head(root: Path) -> str:
    return git(root, "rev-parse", "HEAD").strip()


def resolve(root: Path, *words: str) -> Any:
    done = agentrail("resolve-task-id", *words, "--json", root)
    assert done.code == 0, done.err
    return done.json


def found(root: Path, *words: str) -> list[str]:
    """Return the ids that are found by a comparison."""
    value = resolve(root, *words)
    ids = value["resolved_task_ids"]
    assert value["resolved_task_source"] == ("diff" if ids else "skip")
    assert value["resolved_task_id"] == (ids[0] if ids else "")
    return list(ids)


def refused(root: Path, *words: str) -> str:
    done = agentrail("resolve-task-id", *words, root)
    assert (done.code, done.out) == (1, "")
    assert "hint: " in done.err
    return done.err


# --- named by hand -----------------------------------------------------------------------------------


def test_a_task_that_is_named_is_taken_whatever_has_changed(root: Path) -> None:
    commit(root, f"{WORK}/{B}/spec.md")
    assert resolve(root, "--task-id", A, "--base", "HEAD^") == {
        "schema_version": "2.0.0",
        "command": "resolve-task-id",
        "status": "PASS",
        "resolved_task_ids": [A],
        "resolved_task_id": A,
        "resolved_task_source": "manual",
    }


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_id_is_none(root: Path, blank: str) -> None:
    assert found(root, "--task-id", blank) == [A]


@pytest.mark.parametrize(
    "task_id",
    ["a", "..", f"../{A}", f"{A}/", f"{A}\nx=y", "２０２６-01-01__a", "2026-01-01__A", "$(id)"],
)
def test_what_is_no_id_is_refused(root: Path, task_id: str) -> None:
    assert "not a task id" in refused(root, "--task-id", task_id)


def test_a_task_that_does_not_exist_is_refused(root: Path) -> None:
    assert f"{WORK}/{B}: no such task" in refused(root, "--task-id", B)
    write(root, {f"{WORK}/{B}": "a file\n"})
    assert f"{WORK}/{B}: no such task" in refused(root, "--task-id", B)


def test_a_task_can_be_named_where_there_is_no_git(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    assert resolve(root, "--task-id", A)["resolved_task_ids"] == [A]


# --- found in git ------------------------------------------------------------------------------------


def test_the_tasks_that_changed_since_the_base_are_found(root: Path) -> None:
    base = head(root)
    commit(root, f"{WORK}/{C}/agent-logs/deep/log.txt", "src/app.py")
    commit(root, f"{WORK}/{B}/spec.md", "docs/x.md")
    assert found(root, "--base", base) == [B, C]


def test_what_changed_on_the_base_since_the_branch_began_is_not_taken_for_a_change(root: Path) -> None:
    git(root, "checkout", "-q", "-b", "feature")
    commit(root, f"{WORK}/{B}/spec.md")
    git(root, "checkout", "-q", "main")
    commit(root, f"{WORK}/{C}/spec.md")
    git(root, "checkout", "-q", "feature")
    assert found(root, "--base", "main") == [B]


def test_the_end_of_the_change_can_be_named(root: Path) -> None:
    base = head(root)
    middle = commit(root, f"{WORK}/{B}/spec.md")
    commit(root, f"{WORK}/{C}/spec.md")
    assert found(root, "--base", base, "--head", middle) == [B]


@pytest.mark.parametrize("base", ["", " ", ZERO, "0"])
def test_without_a_base_the_last_commit_alone_is_the_change(root: Path, base: str) -> None:
    commit(root, f"{WORK}/{B}/spec.md")
    commit(root, f"{WORK}/{C}/spec.md")
    assert found(root, "--base", base) == found(root) == [C]


@pytest.mark.parametrize("base", ["f" * 40, "gone", "--output=/tmp/x", "-h", "HEAD..main"])
def test_with_an_unknown_base_the_last_commit_alone_is_the_change_and_that_is_said(
    root: Path, base: str
) -> None:
    commit(root, f"{WORK}/{B}/spec.md")
    commit(root, f"{WORK}/{C}/spec.md")
    done = agentrail("resolve-task-id", f"--base={base}", root)
    assert done.out.startswith(f'resolved_task_ids=["{C}"]\n')
    assert done.err == f"note: {base}: no such commit here: only the last commit was looked at\n"


def test_the_first_commit_of_all_is_a_change_of_all_that_is_in_it(root: Path) -> None:
    assert found(root) == [A]


def test_a_merge_is_a_change_of_what_it_brings_in(root: Path) -> None:
    git(root, "checkout", "-q", "-b", "feature")
    commit(root, f"{WORK}/{B}/spec.md")
    git(root, "checkout", "-q", "main")
    commit(root, f"{WORK}/{C}/spec.md")
    git(root, "merge", "-q", "--no-ff", "-m", "merge", "feature")
    assert found(root) == [B]


def test_histories_without_a_common_commit_are_compared_as_they_are(root: Path) -> None:
    git(root, "checkout", "-q", "--orphan", "other")
    commit(root, f"{WORK}/{B}/spec.md")
    commit(root, f"{WORK}/{C}/spec.md")
    assert found(root, "--base", "main") == [B, C]


def test_a_clone_of_one_commit_has_all_its_tasks_looked_at(root: Path, tmp_path: Path) -> None:
    base = head(root)
    commit(root, f"{WORK}/{B}/spec.md")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{root}", "clone")
    assert found(tmp_path / "clone", "--base", base) == [A, B]


def test_a_record_that_was_deleted_is_no_task_any_more(root: Path) -> None:
    base = commit(root, f"{WORK}/{B}/spec.md")
    git(root, "rm", "-q", "-r", f"{WORK}/{B}")
    commit(root, f"{WORK}/{C}/spec.md")
    assert found(root, "--base", base) == [C]


def test_a_record_that_was_renamed_goes_by_its_new_id(root: Path) -> None:
    git(root, "mv", f"{WORK}/{A}", f"{WORK}/{B}")
    commit(root)
    assert found(root) == [B]


def test_a_file_that_was_deleted_is_a_change_of_its_record(root: Path) -> None:
    commit(root, f"{WORK}/{B}/spec.md", f"{WORK}/{B}/plan.md")
    git(root, "rm", "-q", f"{WORK}/{B}/plan.md")
    commit(root)
    assert found(root) == [B]


@pytest.mark.parametrize(
    "name", ["日本語.md", "two\nlines.md", 'a "quote".md', "-x.md", " ", "tab\t", "\\", "'"]
)
def test_any_name_of_a_file_works(root: Path, name: str) -> None:
    commit(root, f"{WORK}/{B}/{name}")
    assert found(root) == [B]


@pytest.mark.parametrize(
    "name",
    [
        ".gitkeep",
        B,
        f"{B}\nresolved_task_source=manual/x.md",
        f'{B}","x/x.md',
        "2026-01-02__B/x.md",
        "２０２６-01-02__b/x.md",
        "日本語/x.md",
        "archive/x.md",
        f"archive/{B}/x.md",
    ],
)
def test_what_is_no_record_is_left_out(root: Path, name: str) -> None:
    commit(root, f"{WORK}/{name}")
    assert found(root) == []


def test_what_is_not_below_the_task_root_is_no_task(root: Path) -> None:
    commit(root, f"work/{B}/spec.md", f"docs/{B}/spec.md", f"{WORK}-old/{B}/spec.md")
    assert found(root) == []


def test_a_repository_below_the_root_of_git_is_looked_at_alone(root: Path) -> None:
    commit(root, "app/project.profile.yaml")
    write(root, {"app/project.profile.yaml": PROFILE})
    commit(root, f"app/{WORK}/{B}/spec.md", f"{WORK}/{C}/spec.md")
    assert found(root / "app") == [B]
    assert found(root / "app/.agentrail") == [B]
    assert found(root) == [C]


def test_settings_of_git_change_nothing(root: Path) -> None:
    for key, value in (
        ("diff.noprefix", "true"),
        ("diff.relative", "false"),
        ("diff.renames", "copies"),
        ("core.quotePath", "true"),
        ("color.ui", "always"),
        ("log.showSignature", "true"),
    ):
        git(root, "config", key, value)
    base = head(root)
    git(root, "mv", f"{WORK}/{A}", f"{WORK}/{B}")
    commit(root, f"{WORK}/{C}/日本.md")
    assert found(root, "--base", base) == found(root) == [B, C]


@pytest.mark.parametrize("word", ["gone", "-x", ZERO])
def test_an_end_that_is_no_commit_is_refused(root: Path, word: str) -> None:
    assert f"{word}: no such commit in {root}" in refused(root, f"--head={word}")


def test_a_repository_without_a_commit_is_refused_so_that_no_job_passes_by_mistake(
    tmp_path: Path,
) -> None:
    git(tmp_path, "init", "-q")
    assert "HEAD: no such commit" in refused(tmp_path)


def test_a_base_without_a_repository_is_refused(tmp_path: Path) -> None:
    assert "no such commit" in refused(tmp_path, "--base", "main")


@pytest.mark.parametrize("words", [[], ["--base", ZERO]])
def test_without_a_repository_there_is_nothing_to_compare(tmp_path: Path, words: list[str]) -> None:
    done = agentrail("resolve-task-id", *words, tmp_path)
    assert done.out.endswith("resolved_task_source=skip\n")
    assert done.err == f"note: {tmp_path}: no git repository: nothing was compared\n"


def test_what_changed_is_unknown_where_the_end_is_no_commit(root: Path) -> None:
    assert git_.changed(str(root), "", "gone") is None
    assert git_.changed_below(str(root), WORK, "", "gone") == []


def test_a_profile_that_does_not_say_where_the_records_are_lets_no_job_pass(root: Path) -> None:
    write(root, {"project.profile.yaml": "workflow: ["})
    assert "project.profile.yaml:1" in refused(root)


# --- what CI reads -----------------------------------------------------------------------------------


def test_the_outputs_are_appended_to_the_file_that_the_step_has(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "output").write_text("before=1\n")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    commit(root, f"{WORK}/{B}/spec.md", f"{WORK}/{C}/spec.md", f"{WORK}/{C}\nx=y/spec.md")
    done = agentrail("resolve-task-id", root)
    assert done.out == (
        f'resolved_task_ids=["{B}","{C}"]\nresolved_task_id={B}\nresolved_task_source=diff\n'
    )
    assert (tmp_path / "output").read_text() == f"before=1\n{done.out}"


def test_the_outputs_of_a_skip_are_written_as_well(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    commit(root, "README.md")
    assert agentrail("resolve-task-id", "-q", root) == Run(0, "", "")
    assert (tmp_path / "output").read_bytes() == (
        b"resolved_task_ids=[]\nresolved_task_id=\nresolved_task_source=skip\n"
    )


def test_nothing_is_written_for_a_task_that_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    refused(root, "--task-id", B)
    assert not (tmp_path / "output").exists()


def test_outputs_that_cannot_be_written_are_an_error(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path))
    assert f"{tmp_path}: cannot be written" in refused(root)
