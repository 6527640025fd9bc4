"""``agentrail check`` and its parts on repositories as people have them."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click
import pytest

from agentrail_runtime.checks import suite
from agentrail_runtime.checks.record import REQUIRED
from agentrail_runtime.checks.roots import Roots
from agentrail_runtime.cli.output import Progress
from agentrail_runtime.entry import load_index
from agentrail_runtime.operation import check as check_
from tests.checks_support import DOC, PLANNED, ROOT, at, repository, state_text
from tests.crash.hostile import bounded, process
from tests.support import PAYLOAD, Run, agentrail, git, install, make_repo, write

OWN_DOCS = {
    "docs/guide.md": "no heading\n",
    "docs/api/README.md": "[x](y.md)\n",
    "docs/plan.txt": "",
    "docs/operations/deploy.md": "# Deploy\n",
}
A, B, C = "2026-02-01__a", "2026-02-02__b", "2026-02-03__c"
IN_A, IN_B = at(A, "state.json"), at(B, "state.json")


def check(root: Path, *words: str | Path) -> Run:
    """Run the strictest check; `words` may take some of it back."""
    return agentrail("check", "--doc-quality-mode", "fail", *words, root)


def task(task_id: str) -> dict[str, bytes]:
    """Return a record as it is begun: the templates, which pass."""
    folder = PAYLOAD / "docs/templates"
    return {at(task_id, name): (folder / name).read_bytes() for name in REQUIRED}


def findings(run: Run) -> list[dict[str, Any]]:
    assert run.err == ""
    return [finding for result in run.json["results"] for finding in result["findings"]]


def places(run: Run) -> list[tuple[str, str, int]]:
    return [(f["rule_id"], f["path"], f["line"]) for f in findings(run)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with AgentRail installed, to be copied."""
    root = make_repo(tmp_path_factory.mktemp("template") / "repo")
    assert install(root).code == 0
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "agentrail")
    return root


@pytest.fixture
def installed(template: Path, tmp_path: Path) -> Path:
    """A repository with AgentRail installed."""
    return Path(shutil.copytree(template, tmp_path / "installed", symlinks=True))


@pytest.fixture
def broken(installed: Path) -> Path:
    """A repository with one record whose state.json breaks off in its second line."""
    write(installed, {**task(A), IN_A: '{\n"state'})
    return installed


# --- a fresh install --------------------------------------------------------------------------------


def test_a_fresh_install_into_an_empty_directory_passes(tmp_path: Path) -> None:
    assert install(tmp_path / "new").code == 0
    assert check(tmp_path / "new") == (0, "PASS: check: 0 tasks, 0 findings\n", "")


def test_a_fresh_install_beside_the_users_own_files_passes(repo: Path) -> None:
    write(repo, OWN_DOCS)
    assert install(repo).code == 0
    assert check(repo).code == 0


@pytest.mark.parametrize("task_root", ["tasks", "docs/tasks", "a/b/c"])
def test_a_fresh_install_with_another_task_root_passes(repo: Path, task_root: str) -> None:
    assert install(repo, "--task-root", task_root).code == 0
    assert check(repo).code == 0


def test_an_install_that_git_checked_out_with_crlf_passes(installed: Path) -> None:
    write(installed, task(A))
    for path in [path for path in installed.rglob("*") if path.is_file() and ".git" not in path.parts]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert check(installed) == (0, "PASS: check: 1 task, 0 findings\n", "")


def test_a_subdirectory_stands_for_its_repository(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(installed, {"docs/specs/a.md": "no title"})
    monkeypatch.chdir(installed / "docs" / "specs")
    for words in ((), (".",), ("..",), (installed / "src",)):
        run = agentrail("check", "--json", *words)
        assert places(run) == [("docs_title_present", "docs/specs/a.md", 1)]


@pytest.mark.parametrize(
    "words",
    [
        ("consistency-check", "--all-tasks"),
        ("state-validate", "--all-tasks"),
        ("docs-indexer",),
        ("profile-validate",),
    ],
)
def test_every_part_passes_on_a_fresh_install(installed: Path, words: tuple[str, ...]) -> None:
    assert agentrail(*words, installed) == (0, f"PASS: {words[0]}: 0 tasks, 0 findings\n", "")


def test_documents_that_were_there_and_break_the_rules_are_named_and_none_of_ours(repo: Path) -> None:
    own: dict[str, bytes | str] = {
        "docs/specs/untitled.md": "no heading\n",
        "docs/investigations/spec.md": "# Like a template\n",
        "docs/operations/binary.md": b"\xff\xfe",
    }
    write(repo, own)
    assert install(repo).code == 0
    run = check(repo, "--json")
    assert run.code == 1
    assert sorted(places(run)) == [
        ("docs_name_unique", "docs/investigations/spec.md", 1),
        ("docs_title_present", "docs/specs/untitled.md", 1),
        ("file_readable", "docs/operations/binary.md", 1),
    ]
    shipped = load_index((PAYLOAD / "runtime.index.json").read_bytes())
    assert not {f["path"] for f in findings(run)} & {entry.path for entry in shipped.entries}


def test_the_remedy_that_is_told_mends_it(installed: Path) -> None:
    write(installed, {"docs/specs/new.md": "# New\n"})
    assert check(installed).out == (
        "docs/INDEX.md:27: docs_index_in_sync: expected an entry for docs/specs/new.md, found none\n"
        "    hint: agentrail docs-indexer --mode apply\n"
        "FAIL: check: 0 tasks, 1 finding\n"
    )
    assert agentrail("docs-indexer", "--mode", "apply", installed).code == 0
    assert check(installed).code == 0


def test_a_repository_without_agentrail_is_told_what_it_lacks(repo: Path) -> None:
    run = check(repo, "--json")
    assert (run.code, places(run)) == (
        1,
        [("profile_exists", "project.profile.yaml", 1), ("docs_index_exists", "docs/INDEX.md", 1)],
    )


# --- which records ----------------------------------------------------------------------------------


def test_every_record_is_checked_but_archived_ones_and_files(installed: Path) -> None:
    write(installed, {**task(A), **task(B)})
    for name in ("archive", "legacy", "archive-2024", "legacy-2023", "archived", "x"):
        write(installed, {f"{ROOT}/{name}/note.md": ""})
    write(installed, {f"{ROOT}/README.md": ""})
    run = check(installed, "--json")
    ids = [result["task_id"] for result in run.json["results"]]
    assert ids == [None, A, B, "archived", "x"]
    assert {f["rule_id"] for f in findings(run)} == {"required_files_present"}


def test_only_the_named_records_are_checked_each_once(installed: Path) -> None:
    write(installed, {**task(A), at(B, "x"): "", at(C, "x"): ""})
    for command in ("consistency-check", "state-validate"):
        words = ("--task-id", A, "--task-id", B, "--task-id", A)
        run = agentrail(command, "--json", *words, installed)
        assert [(r["task_id"], r["status"]) for r in run.json["results"]] == [(A, "PASS"), (B, "FAIL")]


def test_a_named_record_that_is_not_there_is_a_finding(installed: Path) -> None:
    run = agentrail("consistency-check", "--json", "--task-id", A, installed)
    assert (run.code, places(run)) == (1, [("required_files_present", f"{ROOT}/{A}", 1)])


def test_what_is_wrong_with_the_repository_fails_every_record_of_a_consistency_check(
    installed: Path,
) -> None:
    write(installed, {**task(A), **task(B)})
    (installed / "docs/INDEX.md").unlink()
    (installed / "project.profile.yaml").write_text("workflow: {task_root: .agentrail/work}\n")
    run = agentrail("consistency-check", "--all-tasks", "--json", installed)
    rules = [{f["rule_id"] for f in result["findings"]} for result in run.json["results"]]
    assert rules == [{"docs_index_exists", "profile_required_keys"}] * 2
    assert run.json["failure_count"] == 14  # each once, whichever records they stand in
    assert agentrail("state-validate", "--all-tasks", installed).code == 0


def test_no_records_at_all_pass(installed: Path) -> None:
    shutil.rmtree(installed / ROOT)
    for command in ("consistency-check", "state-validate"):
        assert agentrail(command, "--all-tasks", installed).code == 0


@pytest.mark.parametrize(
    "text", ["a: [", "- a\n", "workflow: {task_root: ../x}\n", "workflow: {docs_root: /x}\n"]
)
def test_a_profile_that_says_no_roots_is_never_a_pass_for_want_of_records(
    broken: Path, text: str
) -> None:
    write(broken, {"project.profile.yaml": text, "docs/specs/a.md": "no title"})
    for words in (
        ("check",),
        ("consistency-check", "--all-tasks"),
        ("consistency-check", "--task-id", A),
        ("state-validate", "--all-tasks"),
        ("docs-indexer", "--mode", "check"),
        ("docs-indexer", "--mode", "apply"),
        ("profile-validate",),
    ):
        run = agentrail(*words, "--json", broken)
        assert (run.code, {f["path"] for f in findings(run)}) == (1, {"project.profile.yaml"})


def test_a_ring_of_dependencies_is_told_once(installed: Path) -> None:
    write(installed, {**task(A), **task(B)})
    write(installed, {IN_A: state_text("planned", [B]), IN_B: state_text("planned", [A])})
    run = check(installed, "--json")
    assert [place for place in places(run) if place[0] == "dependencies_no_cycle"] == [
        ("dependencies_no_cycle", IN_A, 6)
    ]


@pytest.mark.parametrize(("mode", "code"), [("off", 0), ("warning", 0), ("fail", 1)])
def test_the_quality_of_documents_counts_as_asked(tmp_path: Path, mode: str, code: int) -> None:
    texts = {path: text for path, text in repository().items() if text is not None}
    write(tmp_path, {**texts, DOC: "# 監査記録の仕様 (Audit Log)\n"})
    words = ("--task-id", PLANNED, "--doc-quality-mode", mode, "--json")
    run = agentrail("consistency-check", *words, tmp_path)
    severity = {"off": set(), "warning": {"warning"}, "fail": {"error"}}[mode]
    assert (run.code, {f["severity"] for f in findings(run)}) == (code, severity)
    assert {f["path"] for f in findings(run)} <= {DOC}


# --- what changed -----------------------------------------------------------------------------------


@pytest.fixture
def story(installed: Path) -> Path:
    """Two broken records in one commit, the second one changed in the next."""
    write(installed, {**task(A), **task(B), IN_A: "{", IN_B: "{"})
    commit(installed, "both")
    write(installed, {at(B, "plan.md"): "# changed\n"})
    commit(installed, "b")
    return installed


def commit(root: Path, message: str) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)


def severities(root: Path, since: str, *words: str) -> dict[str, set[str]]:
    """Return the severities of what is found in each record."""
    run = agentrail("check", "--json", "--changed-since", since, *words, root)
    assert run.err == ""
    return {
        result["task_id"]: {finding["severity"] for finding in result["findings"]}
        for result in run.json["results"]
        if result["task_id"]
    }


def test_only_a_changed_record_fails(story: Path) -> None:
    assert severities(story, "HEAD~1") == {B: {"error"}}
    assert severities(story, "HEAD~1", "--unchanged-tasks", "skip") == {B: {"error"}}
    warned = severities(story, "HEAD~1", "--unchanged-tasks", "warning")
    assert warned == {A: {"warning"}, B: {"error"}}
    assert severities(story, "HEAD~2") == {A: {"error"}, B: {"error"}}
    assert severities(story, "HEAD", "--unchanged-tasks", "warning") == {A: {"warning"}, B: {"warning"}}


def test_nothing_changed_is_a_pass_whatever_the_records_are(story: Path) -> None:
    assert check(story, "--changed-since", "HEAD").out == "PASS: check: 0 tasks, 0 findings\n"
    assert check(story, "--changed-since", "HEAD", "--unchanged-tasks", "warning").code == 0


def test_profile_and_index_are_checked_whatever_changed(story: Path) -> None:
    (story / "docs/INDEX.md").unlink()
    run = check(story, "--changed-since", "HEAD", "--json")
    assert (run.code, places(run)) == (1, [("docs_index_exists", "docs/INDEX.md", 1)])


@pytest.mark.parametrize(
    "since", ["", "0" * 40, "1234567" * 5, "no-such-branch", "--output=x", "HEAD:"]
)
def test_a_revision_that_is_none_stands_for_the_last_commit(story: Path, since: str) -> None:
    assert severities(story, since) == {B: {"error"}}


def test_a_renamed_record_counts_as_changed_under_its_new_name(story: Path) -> None:
    git(story, "mv", f"{ROOT}/{A}", f"{ROOT}/{C}")
    commit(story, "renamed")
    assert severities(story, "HEAD~1") == {C: {"error"}}


def test_a_record_that_was_removed_is_not_missed(story: Path) -> None:
    git(story, "rm", "-rq", f"{ROOT}/{B}")
    commit(story, "removed")
    assert severities(story, "HEAD~2") == {}


def test_a_shallow_clone_that_lacks_the_base_checks_its_last_commit(
    story: Path, tmp_path: Path
) -> None:
    base = git(story, "rev-parse", "HEAD~1").strip()
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{story}", "shallow")
    assert severities(tmp_path / "shallow", base) == {A: {"error"}, B: {"error"}}
    git(tmp_path, "clone", "-q", "--depth", "2", f"file://{story}", "deeper")
    assert severities(tmp_path / "deeper", base) == {B: {"error"}}


def test_where_git_knows_no_commit_every_record_counts(broken: Path) -> None:
    shutil.rmtree(broken / ".git")
    assert severities(broken, "HEAD~1") == {A: {"error"}}
    git(broken, "init", "-q")
    assert severities(broken, "HEAD~1") == {A: {"error"}}


def test_a_repository_below_the_root_of_its_git_sees_its_own_changes(tmp_path: Path) -> None:
    make_repo(tmp_path / "mono", {"README.md": "x"})
    inner = tmp_path / "mono" / "packages" / "one"
    assert install(inner).code == 0
    write(inner, {**task(A), IN_A: "{"})
    commit(tmp_path / "mono", "one")
    assert severities(inner, "HEAD~1") == {A: {"error"}}


def test_a_ring_of_old_and_new_records_fails_in_the_one_that_changed(installed: Path) -> None:
    write(installed, {**task(A), **task(B), **task(C)})
    write(
        installed, {IN_A: state_text("planned", [B]), at(C, "state.json"): state_text("planned", [C])}
    )
    commit(installed, "a waits for b")
    write(installed, {IN_B: state_text("planned", [A])})
    commit(installed, "b waits for a")
    words = ("--changed-since", "HEAD~1", "--unchanged-tasks", "warning", "--json")
    run = agentrail("check", *words, installed)
    rings = [f for f in findings(run) if f["rule_id"] == "dependencies_no_cycle"]
    assert (IN_B, "error") in [(f["path"], f["severity"]) for f in rings]
    assert {f["severity"] for f in rings if f["path"] != IN_B} <= {"warning"}


# --- output -----------------------------------------------------------------------------------------


def test_the_json_of_a_real_run_has_the_one_shape(broken: Path) -> None:
    run = agentrail("state-validate", "--all-tasks", "--json", broken)
    assert (run.code, run.err) == (1, "")
    assert run.json == {
        "schema_version": "2.0.0",
        "command": "state-validate",
        "status": "FAIL",
        "task_count": 1,
        "failure_count": 1,
        "warning_count": 0,
        "results": [
            {
                "task_id": A,
                "status": "FAIL",
                "findings": [
                    {
                        "rule_id": "state_json_valid",
                        "severity": "error",
                        "path": IN_A,
                        "line": 2,
                        "message": run.json["results"][0]["findings"][0]["message"],
                    }
                ],
            }
        ],
    }
    assert "\nhint: " in run.json["results"][0]["findings"][0]["message"]


def test_json_is_asked_for_in_two_ways(broken: Path) -> None:
    assert agentrail("check", "--json", broken) == agentrail("check", "--format", "json", broken)


def test_a_runner_gets_annotations_and_the_sum(broken: Path) -> None:
    lines = agentrail("check", "--format", "github", broken).out.splitlines()
    assert lines[0].startswith(f"::error file={IN_A},line=2,title=state_json_valid::")
    assert lines[1:] == ["FAIL: check: 1 task, 1 finding"]


def test_a_viewer_gets_sarif(broken: Path) -> None:
    log = agentrail("check", "--format", "sarif", broken).json
    (result,) = log["runs"][0]["results"]
    assert (log["version"], result["ruleId"]) == ("2.1.0", "state_json_valid")


@pytest.mark.parametrize("format_", ["text", "json", "github", "sarif"])
def test_a_report_in_a_file_is_what_would_have_been_printed(
    broken: Path, tmp_path: Path, format_: str
) -> None:
    printed = agentrail("check", "--format", format_, broken)
    saved = agentrail(
        "check", "--format", format_, "--color", "always", "--output", tmp_path / "out", broken
    )
    assert (tmp_path / "out").read_text(encoding="utf-8") == printed.out
    sentence = f"FAIL: check: 1 task, 1 finding: {tmp_path / 'out'}\n"
    assert (saved.code, click.unstyle(saved.out), saved.err) == (1, sentence, "")


@pytest.mark.parametrize("format_", ["text", "github"])
def test_quiet_says_nothing_that_passes(installed: Path, tmp_path: Path, format_: str) -> None:
    assert agentrail("check", "-q", "--format", format_, installed) == (0, "", "")
    run = agentrail("check", "-q", "--format", format_, "--output", tmp_path / "out", installed)
    assert (run, (tmp_path / "out").exists()) == ((0, "", ""), True)


def test_quiet_leaves_warnings_out_and_says_what_fails(story: Path) -> None:
    words = ("--changed-since", "HEAD~1", "--unchanged-tasks", "warning")
    text = agentrail("check", "-q", *words, story).out
    assert (A in text, B in text) == (False, True)
    assert text.endswith(" warning\n")


def test_quiet_json_is_json_all_the_same(installed: Path) -> None:
    assert agentrail("check", "-q", "--json", installed).json["status"] == "PASS"


def test_colours_are_for_terminals_or_those_who_ask(
    broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b" not in agentrail("check", broken).out
    assert "\x1b[31mFAIL" in agentrail("check", "--color", "always", broken).out
    monkeypatch.setattr("click._compat.isatty", lambda stream: True)
    assert "\x1b[31mFAIL" in agentrail("check", broken).out
    assert "\x1b" not in agentrail("check", "--color", "never", broken).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in agentrail("check", broken).out


def test_the_commands_are_there_as_a_module_too(broken: Path) -> None:
    run = process("check", broken)
    assert (run.code, run.err) == (1, "")
    assert run.out.endswith("FAIL: check: 1 task, 1 finding\n")


def test_a_terminal_of_another_encoding_gets_what_it_can_show(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(installed, {"docs/specs/監査.md": "no title"})
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    monkeypatch.setenv("PYTHONUTF8", "0")
    assert "docs/specs/\\u76e3\\u67fb.md:1: docs_title_present" in process("check", installed).out
    value = json.loads(process("check", "--json", installed).out)
    assert value["results"][0]["findings"][0]["path"] == "docs/specs/監査.md"


# --- a command line that is not as the help says ----------------------------------------------------

RECORDS = ("consistency-check", "state-validate")
ALL = ("check", *RECORDS, "docs-indexer", "profile-validate")


def usage(text: str, *words: str | Path) -> None:
    """Make sure that a command line is refused with `text`, in words and as one JSON document."""
    run = agentrail(*words)
    assert (run.code, run.out, text in run.err) == (2, "", True), run
    told = agentrail(*words, "--json")
    assert (told.code, text in told.json["error"]["message"]) == (2, True), told
    assert told.json["command"] == words[0]


@pytest.mark.parametrize("command", RECORDS)
def test_either_ids_or_all_tasks_have_to_be_named(installed: Path, command: str) -> None:
    usage("expected either --task-id ID or --all-tasks", command, installed)
    both = ("--all-tasks", "--task-id", A)
    usage("expected either --task-id ID or --all-tasks", command, *both, installed)


@pytest.mark.parametrize("command", RECORDS)
@pytest.mark.parametrize("task_id", ["", ".", "..", "../x", "a/b", "/etc", "a\\b", f"{A}/"])
def test_an_id_that_could_lead_elsewhere_is_refused(
    installed: Path, command: str, task_id: str
) -> None:
    usage(f"{task_id!r}: not a task id", command, "--task-id", task_id, installed)


@pytest.mark.parametrize("command", ALL)
def test_a_target_has_to_be_a_directory(installed: Path, command: str) -> None:
    words = (command, "--all-tasks") if command in RECORDS else (command,)
    usage("does not exist", *words, installed / "gone")
    usage("is a file", *words, installed / "AGENTS.md")


@pytest.mark.parametrize(
    "words",
    [
        ("--format", "xml"),
        ("--doc-quality-mode", "loud"),
        ("--unchanged-tasks", "fail"),
        ("--no-such-option",),
    ],
)
def test_a_value_that_is_not_offered_is_refused(installed: Path, words: tuple[str, ...]) -> None:
    usage(words[-1], "check", *words, installed)


def test_a_report_that_cannot_be_written_is_refused_with_its_path(
    installed: Path, tmp_path: Path
) -> None:
    usage("cannot be written: No such", "check", "--output", tmp_path / "gone" / "out", installed)
    usage("is a directory", "check", "--output", tmp_path, installed)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_report_on_a_full_disk_is_refused(installed: Path) -> None:
    usage("/dev/full: cannot be written: No space", "check", "--output", "/dev/full", installed)


# --- many records -----------------------------------------------------------------------------------

WAYS = pytest.mark.parametrize("way", ["fork", "spawn"])
# The threads of pytest-xdist only wait.
FORK = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
IDS = [f"2026-03-01__t{number:02}" for number in range(70)]


@pytest.fixture
def many(installed: Path) -> Path:
    """Seventy broken records, each with a state of its own."""
    write(installed, {at(name, "state.json"): f'{{"state": "{name}"}}' for name in IDS})
    return installed


def use_processes(monkeypatch: pytest.MonkeyPatch, way: str = "fork") -> None:
    """Let a few records be worth three processes, started in that way."""
    if way == "fork" and sys.platform != "linux":
        pytest.skip("only Linux forks")
    monkeypatch.setattr(threading, "active_count", lambda: {"fork": 1, "spawn": 2}[way])
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.setattr(check_, "_WORTH_PROCESSES", 2)
    monkeypatch.setattr(check_, "_CHUNK", 8)


@FORK
@WAYS
def test_several_processes_find_what_one_finds_in_the_same_order(
    many: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    alone = agentrail("check", "--json", many)
    assert [result["task_id"] for result in alone.json["results"]] == [None, *IDS]
    use_processes(monkeypatch, way)
    assert agentrail("check", "--json", many) == alone
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("count", [None, 1])
def test_one_processor_is_no_reason_for_a_process(
    many: Path, monkeypatch: pytest.MonkeyPatch, count: int | None
) -> None:
    use_processes(monkeypatch, "spawn")
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    monkeypatch.setattr(check_, "_from_processes", None)
    assert agentrail("check", "--json", many).json["task_count"] == 70


@FORK
def test_progress_counts_records(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_processes(monkeypatch)
    told: list[tuple[str, int, int]] = []
    check_.check(str(many), progress=lambda *step: told.append(step))
    assert told[0] == ("checked", 8, 70)
    assert told[-1] == ("checked", 70, 70)


@FORK
def test_a_ctrl_c_leaves_no_process_behind(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*step: object) -> None:
        raise KeyboardInterrupt

    use_processes(monkeypatch)
    monkeypatch.setattr(Progress, "__call__", press)
    run = agentrail("check", many)
    assert (run.code, run.out, multiprocessing.active_children()) == (130, "", [])


def test_a_ctrl_c_waits_until_the_processes_are_started() -> None:
    told: list[str] = []

    def start() -> None:
        with check_._interrupts_held_back():
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)  # not to a thread of pytest's
            told.append("started")

    with pytest.raises(KeyboardInterrupt):
        start()
    assert told == ["started"]


@FORK
def test_a_ctrl_c_is_for_the_process_that_started_the_others(
    many: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_processes(monkeypatch)
    (tmp_path / "masks").mkdir()

    def look(job: check_.Job) -> suite.Suite:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        (tmp_path / "masks" / str(os.getpid())).write_text(str(signal.SIGINT in blocked))
        return suite.Suite(job.context(), (), mode="off")

    monkeypatch.setattr(check_.Job, "suite", look)
    assert agentrail("check", "--json", many).json["task_count"] == 70
    masks = [path.read_text() for path in (tmp_path / "masks").iterdir()]
    assert masks == ["True"] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="looks below /proc for the processes")
def test_a_ctrl_c_at_the_terminal_ends_all_processes_without_a_traceback(many: Path) -> None:
    text = "- `AGENTS.md`\n" * 2_000
    for number in range(1_000):
        write(many, {at(f"2026-04-01__t{number}", "spec.md"): text})
    words = [sys.executable, "-m", "agentrail_runtime", "check", str(many)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, start_new_session=True) as run:
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
        while not children.read_text().split() and run.poll() is None:
            time.sleep(0.001)
        os.killpg(run.pid, signal.SIGINT)
        _, told = run.communicate()
    assert (run.returncode, b"Traceback" in told) == (130, False)
    with pytest.raises(ProcessLookupError):
        os.killpg(run.pid, 0)


@FORK
@pytest.mark.parametrize("when", [0, 5, 8, 20])
def test_what_a_killed_process_left_undone_is_done_all_the_same(
    many: Path, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    alone = agentrail("check", "--json", many)
    use_processes(monkeypatch)
    first = os.getpid()

    class Dying(suite.Suite):
        count = 0

        def check(self, task_id: str) -> suite.Checked:
            self.count += 1
            if self.count > when and os.getpid() != first:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().check(task_id)

    monkeypatch.setattr(check_, "Suite", Dying)
    with bounded():
        assert agentrail("check", "--json", many) == alone


@FORK
def test_a_bug_in_a_process_is_told_as_one_in_this_process_is(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_processes(monkeypatch)

    def fail(job: check_.Job) -> suite.Suite:
        raise KeyError("no such key")

    monkeypatch.setattr(check_.Job, "suite", fail)
    run = agentrail("check", many)
    assert (run.code, "internal error: KeyError: 'no such key'" in run.err) == (70, True)
    assert "Traceback" not in run.err
    assert 'raise KeyError("no such key")' in agentrail("check", "-v", many).err


def job(root: Path) -> check_.Job:
    return check_.Job(str(root), Roots(ROOT, "docs"), "state", "off")


def test_a_process_sends_what_it_finds_part_by_part(many: Path) -> None:
    reader, writer = multiprocessing.Pipe(duplex=False)
    check_._work(job(many), [IDS[:1], IDS[1:3]], writer)
    parts = [[one.result.task_id for one in reader.recv()] for _ in range(2)]
    assert parts == [IDS[:1], IDS[1:3]]
    assert writer.closed


def test_a_process_ends_without_a_word_when_nobody_listens(
    many: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reader, writer = multiprocessing.Pipe(duplex=False)
    reader.close()
    check_._work(job(many), [IDS[:1]], writer)
    assert (writer.closed, capfd.readouterr()) == (True, ("", ""))
