"""Beginning a task: a record that passes every check at once, or nothing at all."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime.checks import state
from agentrail_runtime.target import Target
from tests.crash.support import (
    FaultyOs,
    Strike,
    error,
    interrupt,
    interrupt_after,
    kill_after,
    kill_before,
    run_in_child,
    struck,
    terminate,
)
from tests.support import Run, agentrail, install, payload_bundle, snapshot, write

ID = "2026-01-15__add-audit"
OTHER = "2026-01-10__other"
BACKLOG = "docs/operations/high-priority-backlog.md"
WORK = ".agentrail/work"
SIX = ["request.md", "investigation.md", "spec.md", "plan.md", "review.md", "state.json"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty directory that AgentRail was installed into."""
    assert install(tmp_path / "root").code == 0
    return tmp_path / "root"


def new_task(root: Path, *words: str | Path, slug: str = "add-audit") -> Run:
    return agentrail("new-task", slug, "--date", "2026-01-15", "--target", root, *words)


def begun(root: Path, *words: str | Path, slug: str = "add-audit") -> Path:
    """Begin a task that has to pass at once; return the directory of its record."""
    done = new_task(root, "--json", *words, slug=slug)
    assert (done.code, done.err) == (0, "")
    check = ("consistency-check", "--task-id", done.json["task_id"], "--doc-quality-mode", "fail")
    passed = agentrail(*check, root)
    assert passed.code == 0, passed.out
    return root / str(done.json["path"])


def refused(root: Path, *words: str | Path, slug: str = "add-audit", code: int = 1) -> str:
    """Begin a task that must not begin, and leaves every byte and time alone; return what is told."""
    before = snapshot(root, with_state=True, with_times=True)
    done = new_task(root, *words, slug=slug)
    assert (done.code, done.out) == (code, "")
    assert "hint: " in done.err
    assert snapshot(root, with_state=True, with_times=True) == before
    return done.err


def finding(root: Path, *bullets: str, line_end: str = "\n") -> Path:
    """Give the task `OTHER` some notes and a review with one process finding; return the review."""
    agentrail("new-task", OTHER, "--target", root)
    write(root, {f"{WORK}/{OTHER}/notes.md": "# Notes\n"})
    review = root / WORK / OTHER / "review.md"
    text = review.read_text(encoding="utf-8")
    at = text.index("- finding_id: ")
    end = text.index("\n\n## 7.")
    lines = "\n".join(["- finding_id: F-001", *bullets])
    text = text[:at] + lines + text[end:]
    review.write_bytes(text.replace("\n", line_end).encode())
    return review


FILLED = (
    "- category: ci",
    "- severity: high",
    "- summary: `notes.md` を直す。",
    "  `AGENTS.md` に書く",
    "- evidence: CI が落ちた",
    "- action_required: yes",
    "- linked_task_id: none",
)


def test_a_task_begun_in_an_empty_target_passes_at_once(root: Path) -> None:
    record = begun(root, "--title", "監査記録を残す")
    assert record == root / WORK / ID
    assert sorted(os.listdir(record)) == sorted(SIX)
    assert agentrail("check", "--doc-quality-mode", "fail", root).code == 0


def test_the_blanks_that_are_known_are_filled_in(root: Path) -> None:
    agentrail("new-task", OTHER, "--target", root)
    record = begun(root, "--title", "監査記録を残す", "--depends-on", OTHER)
    spec = (record / "spec.md").read_text(encoding="utf-8")
    request = (record / "request.md").read_text(encoding="utf-8")
    assert f"\n- タスク ID: `{ID}`\n- タイトル: 監査記録を残す\n" in spec
    assert f"\n- 依存タスク: `{OTHER}`\n" in spec
    assert "\n- タイトル: 監査記録を残す\n" in request
    assert "\n- 依頼日: 2026-01-15\n- 依頼の原文: （記入" in request


def test_what_is_not_known_stays_to_be_filled_in(root: Path) -> None:
    spec = (begun(root) / "spec.md").read_text(encoding="utf-8")
    assert "\n- タイトル: （記入" in spec
    assert "\n- 依存タスク: なし\n" in spec


def test_the_state_is_planned_and_of_now(root: Path) -> None:
    agentrail("new-task", OTHER, "--target", root)
    text = (begun(root, "--depends-on", OTHER) / "state.json").read_text(encoding="utf-8")
    value = json.loads(text)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", value["updated_at"])
    assert text == json.dumps({**value, "depends_on": [OTHER]}, indent=2) + "\n"
    assert [*value] == ["state", "owner", "updated_at", "blocking_issues", "depends_on"]
    assert (value["state"], value["owner"], value["blocking_issues"]) == ("planned", "unassigned", [])
    assert not [*state.problems(state.load(text))]


def test_the_id_is_of_today_unless_another_day_is_named(root: Path) -> None:
    before = date.today()
    made = agentrail("new-task", "add-audit", "--target", root, "--json").json["task_id"]
    assert made in {f"{day.isoformat()}__add-audit" for day in (before, date.today())}


def test_a_full_id_is_taken_as_it_is(root: Path) -> None:
    assert begun(root, slug="2026-01-15__x").name == "2026-01-15__x"
    done = agentrail("new-task", "2024-02-29__leap", "--target", root, "--json")
    assert (done.code, done.json["task_id"]) == (0, "2024-02-29__leap")


def test_the_json_names_everything_that_was_written(root: Path) -> None:
    assert new_task(root, "--json").json == {
        "schema_version": "2.0.0",
        "command": "new-task",
        "status": "PASS",
        "task_id": ID,
        "path": f"{WORK}/{ID}",
        "files": [f"{WORK}/{ID}/{name}" for name in SIX],
        "backlog": BACKLOG,
        "linked": None,
    }


def test_the_text_says_what_was_written_and_what_comes_next(root: Path) -> None:
    assert new_task(root).out == (
        f"created: {WORK}/{ID}\n"
        f"added to: {BACKLOG}\n"
        f"next: fill in {WORK}/{ID}/request.md\n"
        f"check: agentrail consistency-check --task-id {ID} {root}\n"
    )


def test_the_command_that_checks_it_names_no_target_where_none_was_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root / "docs")
    done = agentrail("new-task", ID)
    assert done.out.splitlines()[-1] == f"check: agentrail consistency-check --task-id {ID}"
    assert (root / WORK / ID).is_dir()


def test_quiet_says_nothing(root: Path) -> None:
    assert new_task(root, "-q") == Run(0, "", "")


def test_a_dry_run_writes_nothing_and_shows_all(root: Path) -> None:
    finding(root, *FILLED)
    before = snapshot(root, with_state=True, with_times=True)
    done = new_task(root, "-n", "--from-finding", OTHER, "F-001")
    assert (done.code, snapshot(root, with_state=True, with_times=True)) == (0, before)
    assert done.out == (
        f"would be created: {WORK}/{ID}\n"
        f"would be added to: {BACKLOG}\n"
        f"would be linked from: {WORK}/{OTHER}/review.md\n"
    )


def test_tasks_line_up_in_the_backlog(root: Path) -> None:
    begun(root, slug="a")
    begun(root, "--depends-on", "2026-01-15__a", slug="b")
    assert (
        (root / BACKLOG)
        .read_text(encoding="utf-8")
        .endswith(
            "## 優先タスク一覧\n\n"
            "1. `2026-01-15__a`\n   - 依存: なし\n"
            "2. `2026-01-15__b`\n   - 依存: `2026-01-15__a`\n"
        )
    )
    assert agentrail("check", "--doc-quality-mode", "fail", root).code == 0


def test_another_task_root_is_where_the_record_goes(tmp_path: Path) -> None:
    assert install(tmp_path, "--task-root", "records/tasks").code == 0
    shutil.rmtree(tmp_path / "records")
    assert begun(tmp_path) == tmp_path / "records/tasks" / ID
    assert agentrail("check", "--doc-quality-mode", "fail", tmp_path).code == 0


def test_templates_with_crlf_give_a_record_with_crlf(root: Path) -> None:
    for path in [*(root / "docs/templates").iterdir(), root / BACKLOG]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    record = begun(root, "--title", "監査記録を残す")
    for path in [*record.iterdir(), root / BACKLOG]:
        assert path.read_bytes().count(b"\r\n") == path.read_bytes().count(b"\n") > 5


def test_templates_with_a_byte_order_mark_give_a_record_that_passes(root: Path) -> None:
    for path in [*(root / "docs/templates").iterdir(), root / BACKLOG]:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    record = begun(root)
    assert (record / "state.json").read_bytes()[:1] == b"{"
    assert (root / BACKLOG).read_bytes()[:3] == b"\xef\xbb\xbf"


def test_a_template_of_the_users_own_is_taken(root: Path) -> None:
    state_json = root / "docs/templates/state.json"
    state_json.write_text('{"priority": "高", "state": "planned"}', encoding="utf-8")
    assert json.loads((begun(root) / "state.json").read_bytes())["priority"] == "高"


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("`docs/gone.md` を書く", "docs/gone.md を書く"),
        ("`AGENTS.md` と `spec.md` を直す", "`AGENTS.md` と `spec.md` を直す"),
        ("`spec.md/x` を直す", "spec.md/x を直す"),
        ("二\n行", "二 行"),
        ("<!-- 監査 -->", r"\<!-- 監査 -->"),
        ("  監査:  ", "監査:"),
        ("「監査」👩‍💻", "「監査」👩‍💻"),
    ],
)
def test_no_title_makes_a_record_fail(root: Path, title: str, told: str) -> None:
    spec = (begun(root, "--title", title) / "spec.md").read_text(encoding="utf-8")
    assert f"\n- タイトル: {told}\n" in spec


@pytest.mark.parametrize("title", ["", "  ", "**", "\x1b[31m赤", "\udcff", "。"])
def test_a_title_that_says_nothing_is_a_usage_error(root: Path, title: str) -> None:
    assert "is no title" in refused(root, f"--title={title}", code=2)


# --- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", ["Add", "a_b", "a/b", "..", "監査", "a\n", "", "a" * 250])
def test_a_slug_that_is_none_is_a_usage_error(root: Path, slug: str) -> None:
    refused(root, slug=slug, code=2)


@pytest.mark.parametrize("day", ["2026-02-30", "2026-1-1", "20260101", "today", "２０２６-01-01"])
def test_a_day_that_is_none_is_a_usage_error(root: Path, day: str) -> None:
    assert agentrail("new-task", "x", "--date", day, "--target", root).code == 2
    assert agentrail("new-task", f"{day}__x", "--target", root).code == 2


def test_an_id_of_another_day_than_the_one_named_is_a_usage_error(root: Path) -> None:
    assert "names another day" in refused(root, slug="2026-01-16__x", code=2)


def test_a_target_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    assert new_task(tmp_path / "nowhere").code == 2
    assert not (tmp_path / "nowhere").exists()


def test_a_task_that_exists_is_not_touched(root: Path) -> None:
    begun(root)
    assert f"{WORK}/{ID}: exists already" in refused(root)


@pytest.mark.parametrize("name", [ID, ID.upper()])
def test_whatever_stands_where_the_record_would_go_is_not_touched(root: Path, name: str) -> None:
    write(root, {f"{WORK}/{name}": "a file\n"})
    assert "exists already" in refused(root)


@pytest.mark.parametrize("name", ["2026-01-01__gone", "", ".", "../work", f"{OTHER.upper()}"])
def test_a_dependency_that_does_not_exist_is_refused(root: Path, name: str) -> None:
    agentrail("new-task", OTHER, "--target", root)
    assert "no such task" in refused(root, "--depends-on", name)


def test_a_dependency_that_is_a_file_is_refused(root: Path) -> None:
    write(root, {f"{WORK}/{OTHER}": ""})
    assert "no such task" in refused(root, "--depends-on", OTHER)


def test_a_dependency_whose_state_cannot_be_read_is_refused(root: Path) -> None:
    write(root, {f"{WORK}/{OTHER}/state.json": "{"})
    assert f"{WORK}/{OTHER}/state.json: cannot be read" in refused(root, "--depends-on", OTHER)


def test_a_dependency_given_twice_is_a_usage_error(root: Path) -> None:
    agentrail("new-task", OTHER, "--target", root)
    assert "given twice" in refused(root, "--depends-on", OTHER, "--depends-on", OTHER, code=2)


@pytest.mark.parametrize("name", SIX)
def test_a_template_that_is_missing_is_named_with_the_command_that_brings_it(
    root: Path, name: str
) -> None:
    (root / "docs/templates" / name).unlink()
    told = refused(root)
    assert f"docs/templates/{name}: no such file" in told
    assert f"hint: put it back: agentrail-install {root}" in told


def test_a_directory_without_agentrail_is_told_to_install_it(tmp_path: Path) -> None:
    assert "hint: put it back: agentrail-install" in refused(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("spec.md", b" \r\n", "an empty file"),
        ("spec.md", b"\xff", "not a text in UTF-8"),
        ("spec.md", b"a\0b", "not a text in UTF-8"),
        ("state.json", b"{\n[", "docs/templates/state.json:2: not valid JSON"),
        ("state.json", b"[]", "expected a JSON object"),
    ],
)
def test_a_template_that_is_none_is_refused(root: Path, name: str, content: bytes, told: str) -> None:
    (root / "docs/templates" / name).write_bytes(content)
    assert told in refused(root)


@pytest.mark.parametrize(
    "text", ["workflow: {task_root: [", "workflow: {task_root: ../elsewhere}", "\0"]
)
def test_a_profile_that_does_not_say_where_records_are_does_not_send_one_elsewhere(
    root: Path, text: str
) -> None:
    (root / "project.profile.yaml").write_text(text)
    assert "project.profile.yaml:1" in refused(root)


def test_a_profile_of_its_own_makes_a_directory_a_repository_of_its_own(root: Path) -> None:
    shutil.copytree(root / "docs", root / "app/docs")
    shutil.copy(root / "project.profile.yaml", root / "app")
    assert new_task(root / "app").code == 0
    assert (root / "app" / WORK / ID).is_dir()
    assert not (root / WORK / ID).exists()


def test_a_run_that_was_killed_before_is_undone_first(root: Path, tmp_path: Path) -> None:
    bundle = payload_bundle(tmp_path / "bundle", removed=("docs/templates/spec.md",))
    kill = FaultyOs(commit_call(root, bundle), kill_before)
    run_in_child(lambda: install(root, bundle=bundle), kill)
    assert not (root / "docs/templates/spec.md").exists()
    done = new_task(root)
    assert (done.code, "note: an earlier run was interrupted" in done.err) == (0, True)


def commit_call(root: Path, bundle: Path) -> int:
    """Return the number of the call that commits an upgrade: the last rename."""
    scratch = bundle.parent / "undisturbed"
    shutil.copytree(root, scratch)
    faults = FaultyOs()
    with struck(faults):
        assert install(scratch, bundle=bundle).code == 0
    return len(faults.calls) - faults.calls[::-1].index("replace")


def test_a_directory_that_may_not_be_listed_is_told_by_its_reason(root: Path) -> None:
    with struck(FaultyOs(1, error(errno.EACCES), names=frozenset({"listdir"}), is_lasting=True)):
        done = new_task(root)
    assert (done.code, "Permission denied" in done.err) == (1, True)


def test_a_repository_without_a_profile_has_the_default_roots(root: Path) -> None:
    (root / "project.profile.yaml").unlink()
    assert new_task(root, "--json").json["path"] == f"work/{ID}"


@pytest.mark.parametrize("place", [WORK, ".agentrail", "docs/templates", "docs/operations"])
def test_a_symlink_on_the_way_is_not_followed(root: Path, tmp_path: Path, place: str) -> None:
    (root / place).rename(tmp_path / "elsewhere")
    (root / place).symlink_to(tmp_path / "elsewhere")
    before = snapshot(tmp_path / "elsewhere", with_state=True)
    assert "is a symlink" in refused(root)
    assert snapshot(tmp_path / "elsewhere", with_state=True) == before


@pytest.mark.parametrize("name", [BACKLOG, "docs/templates/spec.md"])
def test_a_file_that_is_a_symlink_out_of_the_target_is_not_followed(
    root: Path, tmp_path: Path, name: str
) -> None:
    (root / name).rename(tmp_path / "outside")
    (root / name).symlink_to(tmp_path / "outside")
    assert "is a symlink" in refused(root)


def test_a_backlog_that_is_a_symlink_within_the_target_stays_one(root: Path) -> None:
    (root / BACKLOG).rename(root / "backlog.md")
    (root / BACKLOG).symlink_to("../../backlog.md")
    begun(root)
    assert (root / BACKLOG).is_symlink()
    assert f"`{ID}`" in (root / "backlog.md").read_text(encoding="utf-8")


# --- the backlog -------------------------------------------------------------------------------------


def test_without_a_backlog_the_record_is_written_alone(root: Path) -> None:
    (root / BACKLOG).unlink()
    done = new_task(root)
    assert (done.code, "added to" in done.out) == (0, False)
    assert done.err == f"note: {BACKLOG}: no such file: the task is in no backlog\n"
    assert not (root / BACKLOG).exists()


def test_a_backlog_without_the_section_is_not_touched(root: Path) -> None:
    write(root, {BACKLOG: "# 一覧\n"})
    done = new_task(root, "--json")
    assert (done.code, done.json["backlog"]) == (0, None)
    assert "no section '## 優先タスク一覧'" in done.err
    assert (root / BACKLOG).read_text(encoding="utf-8") == "# 一覧\n"


def test_an_entry_that_was_written_by_hand_is_enough(root: Path) -> None:
    text = f"# 一覧\n\n## 優先タスク一覧\n\n- `{ID}`\n  - 依存: なし\n"
    write(root, {BACKLOG: text})
    done = new_task(root, "--json")
    assert (done.code, done.json["backlog"]) == (0, None)
    assert done.err == f"note: {BACKLOG}: has an entry of {ID} already\n"
    assert (root / BACKLOG).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("line", ["  - 依存: `2026-01-10__other`\n", ""])
def test_an_entry_by_hand_that_says_otherwise_is_named(root: Path, line: str) -> None:
    write(root, {BACKLOG: f"# 一覧\n\n## 優先タスク一覧\n\n- `{ID}`\n{line}"})
    assert f"{BACKLOG}:{6 if line else 5}: {ID} has other dependencies" in refused(root)


def test_a_backlog_that_is_no_text_is_refused(root: Path) -> None:
    (root / BACKLOG).write_bytes(b"\xff")
    assert f"{BACKLOG}: not a text in UTF-8" in refused(root)


# --- from a finding ----------------------------------------------------------------------------------


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_finding_becomes_the_request_and_is_linked(root: Path, line_end: str) -> None:
    review = finding(root, *FILLED, line_end=line_end)
    before = review.read_bytes()
    record = begun(root, "--from-finding", OTHER, "f-001")
    request = (record / "request.md").read_text(encoding="utf-8")
    assert (
        "\n- 依頼の原文: notes.md を直す。 `AGENTS.md` に書く"
        f"（出典: `{OTHER}` の改善案 f-001、`{WORK}/{OTHER}/review.md`）\n"
    ) in request
    assert review.read_bytes() == before.replace(
        b"linked_task_id: none", f"linked_task_id: {ID}".encode()
    )
    assert agentrail("consistency-check", "--task-id", OTHER, root).code == 0


def test_the_json_names_the_review_that_links_to_the_task(root: Path) -> None:
    finding(root, *FILLED)
    linked = new_task(root, "--from-finding", OTHER, "F-001", "--json").json["linked"]
    assert linked == f"{WORK}/{OTHER}/review.md"


def test_the_text_names_the_review_that_links_to_the_task(root: Path) -> None:
    finding(root, *FILLED)
    done = new_task(root, "--from-finding", OTHER, "F-001")
    assert f"\nlinked from: {WORK}/{OTHER}/review.md\n" in done.out


def test_a_link_to_a_task_that_is_gone_is_mended(root: Path) -> None:
    review = finding(root, *FILLED[:-1], "- linked_task_id: `2026-01-01__gone`")
    begun(root, "--from-finding", OTHER, "F-001")
    assert f"- linked_task_id: `{ID}`\n" in review.read_text(encoding="utf-8")


def test_a_finding_that_has_a_task_is_not_linked_anew(root: Path) -> None:
    finding(root, *FILLED)
    begun(root, "--from-finding", OTHER, "F-001")
    told = refused(root, "--from-finding", OTHER, "F-001", slug="again")
    assert f"expected F-001 to have no task, found {ID}" in told


def test_a_finding_that_does_not_exist_is_refused(root: Path) -> None:
    finding(root, *FILLED)
    assert "finding F-002, found none" in refused(root, "--from-finding", OTHER, "F-002")


@pytest.mark.parametrize("bullets", [["- summary: PENDING（改善したい点）"], ["- summary:"], []])
def test_a_finding_that_says_nothing_yet_is_refused(root: Path, bullets: list[str]) -> None:
    finding(root, *bullets)
    assert "expected a summary of F-001" in refused(root, "--from-finding", OTHER, "F-001")


def test_a_finding_of_a_task_that_does_not_exist_is_refused(root: Path) -> None:
    assert "no such task" in refused(root, "--from-finding", OTHER, "F-001")


def test_a_finding_in_a_record_without_a_review_is_refused(root: Path) -> None:
    finding(root, *FILLED).unlink()
    assert f"{OTHER}/review.md: no such file" in refused(root, "--from-finding", OTHER, "F-001")


# --- all or nothing ----------------------------------------------------------------------------------


def run_all(root: Path) -> Run:
    """Begin a task that writes all that a task can: directories, record, link and backlog."""
    return new_task(root, "--from-finding", OTHER, "F-001")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A target with a finding to begin a task from."""
    root = tmp_path_factory.mktemp("ready") / "root"
    assert install(root).code == 0
    finding(root, *FILLED)
    for name in (".agentrail/state", ".agents", ".github", "tools"):
        shutil.rmtree(root / name)
    return root


def copied(ready: Path, scratch: Path) -> Path:
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(ready, scratch, symlinks=True)
    return scratch


def count(ready: Path, scratch: Path) -> int:
    """Return how many calls the whole run makes that write."""
    faults = FaultyOs()
    with struck(faults):
        assert run_all(copied(ready, scratch)).code == 0
    return len(faults.calls)


def is_whole(root: Path) -> bool:
    """Tell whether all that a task writes stands there: record, link and backlog."""
    is_linked = f": {ID}\n" in (root / WORK / OTHER / "review.md").read_text(encoding="utf-8")
    is_listed = f"`{ID}`" in (root / BACKLOG).read_text(encoding="utf-8")
    return is_linked and is_listed and sorted(os.listdir(root / WORK / ID)) == sorted(SIX)


@pytest.mark.parametrize(
    "strike",
    [
        pytest.param(error(errno.ENOSPC), id="a full disk"),
        pytest.param(interrupt, id="ctrl-c"),
        pytest.param(interrupt_after, id="ctrl-c within a call"),
    ],
)
def test_a_run_that_fails_anywhere_leaves_nothing(ready: Path, tmp_path: Path, strike: Strike) -> None:
    old = snapshot(ready, with_state=True)
    for at in range(1, count(ready, tmp_path / "root") + 1):
        root = copied(ready, tmp_path / "root")
        with struck(FaultyOs(at, strike)):
            code = run_all(root).code
        assert is_whole(root) if code == 0 else snapshot(root, with_state=True) == old, at


def test_a_termination_anywhere_leaves_all_or_nothing(ready: Path, tmp_path: Path) -> None:
    old = snapshot(ready)
    for at in range(1, count(ready, tmp_path / "root") + 1):
        root = copied(ready, tmp_path / "root")
        with struck(FaultyOs(at, terminate)), pytest.raises(SystemExit, match="143"):
            run_all(root)
        assert snapshot(root) == old or is_whole(root), at


def test_a_killed_run_leaves_no_half_record_and_the_next_run_tidies_up(
    ready: Path, tmp_path: Path
) -> None:
    for at in range(1, count(ready, tmp_path / "root") + 1, 2):
        root = copied(ready, tmp_path / "root")
        run_in_child(partial(run_all, root), FaultyOs(at, kill_after))
        is_begun = (root / WORK / ID).exists()
        assert agentrail("new-task", "2026-01-16__next", "--target", root).code == 0
        names = {".gitkeep", OTHER, "2026-01-16__next", *([ID] if is_begun else [])}
        assert {*os.listdir(root / WORK)} == names, at
        assert not is_begun or sorted(os.listdir(root / WORK / ID)) == sorted(SIX), at
        found = agentrail("consistency-check", "--all-tasks", root).out
        assert re.findall("improvement_task_linked|F[A-Z]*L", found) in (
            [],
            ["improvement_task_linked", "FAIL"],
        ), at


def test_a_second_ctrl_c_does_not_keep_the_first_one_from_leaving_nothing(
    ready: Path, tmp_path: Path
) -> None:
    old = snapshot(ready, with_state=True)
    for at in range(20, count(ready, tmp_path / "root")):
        left = [interrupt, interrupt]
        root = copied(ready, tmp_path / "root")

        def strike(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> Any:
            return left.pop()(name, call, arguments) if left else call()  # noqa: B023

        with struck(FaultyOs(at, strike, is_lasting=True)):
            code = run_all(root).code
        assert is_whole(root) if code == 0 else snapshot(root, with_state=True) == old, at


def test_a_disk_that_stays_full_leaves_nothing(ready: Path, tmp_path: Path) -> None:
    old, names = snapshot(ready, with_state=True), frozenset({"write", "mkdir"})
    faults = FaultyOs(names=names)
    with struck(faults):
        assert run_all(copied(ready, tmp_path / "root")).code == 0
    for at in range(1, len(faults.calls) + 1):
        root = copied(ready, tmp_path / "root")
        with struck(FaultyOs(at, error(errno.ENOSPC), names=names, is_lasting=True)):
            assert run_all(root).code == 1
        assert snapshot(root, with_state=True) == old, at


def test_a_task_root_that_was_made_for_the_task_goes_with_it(root: Path) -> None:
    shutil.rmtree(root / WORK)
    for at in range(1, 20):
        with struck(FaultyOs(at, error(errno.EIO))):
            assert new_task(root).code == 1
        assert not (root / WORK).exists(), at


@pytest.mark.usefixtures("_without_dir_fd")
def test_all_or_nothing_holds_where_the_platform_has_no_directory_descriptors(
    ready: Path, tmp_path: Path
) -> None:
    old = snapshot(ready, with_state=True)
    for at in range(1, count(ready, tmp_path / "root") + 1, 3):
        root = copied(ready, tmp_path / "root")
        with struck(FaultyOs(at, interrupt)):
            code = run_all(root).code
        assert is_whole(root) if code == 0 else snapshot(root, with_state=True) == old, at


@pytest.fixture
def _without_dir_fd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Target.__init__, "__kwdefaults__", {"use_dir_fd": False})


def test_an_undo_that_fails_says_what_is_left(ready: Path, tmp_path: Path) -> None:
    root = copied(ready, tmp_path / "root")
    with struck(FaultyOs(15, error(errno.EIO), is_lasting=True)):
        done = run_all(root)
    assert done.code == 7
    assert f"{WORK}/{ID}: could not be taken back: " in done.err


def test_a_record_that_somebody_makes_meanwhile_is_not_removed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = Target.move

    def race(target: Target, source: str, destination: str) -> None:
        if destination.endswith(ID):
            write(root, {f"{WORK}/{ID}/mine.md": "mine\n"})
        move(target, source, destination)  # type: ignore[arg-type]

    monkeypatch.setattr(Target, "move", race)
    assert new_task(root).code == 1
    assert os.listdir(root / WORK / ID) == ["mine.md"]
    assert sorted(os.listdir(root / WORK)) == [".gitkeep", ID]
