"""Every rule of the records: what breaks it is told by it alone, at its place; what does not is let be.

Each row of the table takes a valid repository, breaks one clause of one rule, and names what has to
come.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from agentrail_runtime.checks import review_rule, suite
from agentrail_runtime.checks.context import Context
from agentrail_runtime.checks.files import MAX_SIZE
from agentrail_runtime.checks.finding import Finding
from agentrail_runtime.checks.markdown import Document
from agentrail_runtime.checks.record import DOCUMENTS, REQUIRED
from agentrail_runtime.checks.roots import Roots
from agentrail_runtime.checks.rule import RULES
from tests.checks_support import (
    BACKLOG,
    BLOCKED,
    DEPENDS_ON,
    DOC,
    DONE,
    IN_PROGRESS,
    INDEX,
    PLANNED,
    ROOT,
    MemoryFiles,
    Texts,
    at,
    audit,
    depend,
    errors,
    record,
    repository,
    set_state,
    state_text,
    text_of,
)
from tests.support import PAYLOAD

Change = Callable[[Texts], object]

PROFILE = "project.profile.yaml"
SPEC, PLAN, REVIEW = at(PLANNED, "spec.md"), at(PLANNED, "plan.md"), at(DONE, "review.md")
STATE, DONE_STATE = at(PLANNED, "state.json"), at(DONE, "state.json")
GONE = "2026-01-09__nowhere"
ZERO = "## 0. 前提知識 (Prerequisites) (必須)"
LABELS = {
    "5.1 単体テスト (Unit Test)": ("対象", "検証項目", "合格基準"),
    "5.2 結合テスト (Integration Test)": ("対象", "検証項目", "合格基準"),
    "5.3 回帰テスト (Regression Test)": ("対象", "検証項目", "合格基準"),
    "5.4 手動検証 (Manual Verification)": ("検証手順", "期待される結果"),
}
PHASES = {
    "7.1 起票境界 (Kickoff Commit)": "1a2b3c4",
    "7.2 実装境界 (Implementation Commit)": "5d6e7f8091a2",
    "7.3 完了境界 (Finalize Commit)": "CURRENT_COMMIT",
}
FINDING = {
    "finding_id": "F-001",
    "category": "other",
    "severity": "high",
    "summary": "保存期間を先に確かめる",
    "evidence": "仕様の確定が 2 日遅れた",
    "action_required": "yes",
    "linked_task_id": BLOCKED,
}
ALLOWED = {"category": "flow", "severity": "medium", "action_required": "no"}


class Told(NamedTuple):
    """What has to come: the rule, the file, and how the line begins that is pointed at."""

    rule_id: str
    path: str
    line: str = ""


def put(path: str, text: bytes | str | None) -> Change:
    """Write a file."""
    return lambda texts: texts.update({path: text})


def gone(path: str) -> Change:
    """Remove a file."""
    return lambda texts: texts.pop(path)


def sub(path: str, old: str, new: str, *, below: str = "") -> Change:
    """Put `new` in the place of the first `old` in a file, behind the text `below`."""

    def change(texts: Texts) -> None:
        text = text_of(texts, path)
        place = text.index(old, text.index(below))
        texts[path] = text[:place] + new + text[place + len(old) :]

    return change


def every(path: str, old: str, new: str) -> Change:
    """Put `new` in the place of every `old` in a file."""

    def change(texts: Texts) -> None:
        assert old in text_of(texts, path)
        texts[path] = text_of(texts, path).replace(old, new)

    return change


def section(path: str, heading: str, body: str) -> Change:
    """Replace what stands below a heading, up to the next one of any level."""

    def change(texts: Texts) -> None:
        head, _, rest = text_of(texts, path).partition(f"{heading}\n")
        assert head != text_of(texts, path)
        following = re.search("^#", rest, re.M)
        tail = rest[following.start() :] if following else ""
        texts[path] = f"{head}{heading}\n\n{body}\n{tail}"

    return change


def add(path: str, text: str) -> Change:
    """Add a text at the end of a file."""
    return lambda texts: texts.update({path: text_of(texts, path) + text})


def state(task_id: str, **values: Any) -> Change:
    """Change values in a ``state.json``."""
    return lambda texts: set_state(texts, task_id, **values)


def wait(task_id: str, *depends_on: str) -> Change:
    """Let a task wait for others, in ``state.json`` and backlog."""
    return lambda texts: depend(texts, task_id, *depends_on)


def both(*changes: Change) -> Change:
    """Do several changes."""
    return lambda texts: [change(texts) for change in changes]


def row(name: str, change: Change, *told: Told) -> Any:
    return pytest.param(change, told, id=name)


def values(*those: Any) -> tuple[Any, ...]:
    return those


def files_rows() -> Iterator[Any]:
    for name in REQUIRED:
        told = Told("required_files_present", at(PLANNED, name))
        yield row(f"{name} is missing", gone(at(PLANNED, name)), told)
        yield row(f"{name} is empty", put(at(PLANNED, name), b""), told)
    told = Told("required_files_present", SPEC)
    yield row("spec.md is nothing but blanks", put(SPEC, " \n\t\r\n\u3000"), told)
    yield row("spec.md is nothing but a byte order mark", put(SPEC, b"\xef\xbb\xbf"), told)
    yield row("spec.md is a link that leads nowhere", put(SPEC, None), told)
    yield row(
        "spec.md is spelled otherwise",
        lambda texts: texts.update({at(PLANNED, "Spec.md"): texts.pop(SPEC)}),
        told,
    )
    yield row(
        "a directory holds no record",
        put(f"{ROOT}/2026-01-08__empty/notes.md", "# Notes\n"),
        *(Told("required_files_present", f"{ROOT}/2026-01-08__empty/{name}") for name in REQUIRED),
    )
    unreadable = Told("file_readable", SPEC)
    yield row("spec.md is binary", put(SPEC, b"\x89PNG\r\n\0\0"), unreadable)
    yield row("spec.md is UTF-16", put(SPEC, "# 仕様".encode("utf-16")), unreadable)
    yield row("spec.md is Shift_JIS", put(SPEC, "# 仕様".encode("shift_jis")), unreadable)
    yield row("spec.md is huge", put(SPEC, b"a" * (MAX_SIZE + 1)), unreadable)
    yield row(
        "spec.md is a directory",
        lambda texts: texts.update({f"{SPEC}/": texts.pop(SPEC)}),
        unreadable,
    )
    yield row("state.json is binary", put(STATE, b"\0"), Told("file_readable", STATE))


def state_rows() -> Iterator[Any]:
    def told(line: str = "{", task_id: str = PLANNED) -> Told:
        return Told("state_json_valid", at(task_id, "state.json"), line)

    text = state_text("planned", DEPENDS_ON[PLANNED])
    yield row("state.json is no JSON", put(STATE, "state: planned\n"), told("state: planned"))
    yield row("a comma is missing", sub(STATE, '"unassigned",', '"unassigned"'), told('  "updated_at'))
    yield row("a comma is too many", sub(STATE, "]\n}", "],\n}"), told(""))
    yield row("state.json is a list", put(STATE, f"[{text}]"), told("["))
    yield row("state.json is null", put(STATE, "null\n"), told("null"))
    yield row("state.json stands there twice", put(STATE, text + text), told("{"))
    yield row("a number is none", sub(STATE, '"unassigned"', "NaN"), told())
    yield row(
        "a key stands twice", sub(STATE, "\n}", ',\n  "state": "done"\n}'), told('  "state": "do')
    )
    for value in values("finished", "", "in progress", None, 1, [], {}):
        yield row(f"state is {value!r}", state(PLANNED, state=value), told('  "state"'))
    yield row("state is missing", state(PLANNED, state=...), told())
    for value in (
        "2026-02-20T15:56:05",
        "2026-02-30T15:56:05+09:00",
        "2026-13-01",
        "2026-02-20T24:00:00+09:00",
        "2026-02-20T15:56:05+99:00",
        "20.02.2026",
        "20/02/2026 15:56:05",
        "２０２６-02-20",
        "yesterday",
        "",
        None,
        1771570565,
    ):
        yield row(f"updated_at is {value!r}", state(PLANNED, updated_at=value), told('  "updated_at"'))
    yield row("updated_at is missing", state(PLANNED, updated_at=...), told())
    for value in ("unassigned", "Unassigned ", "", " ", None, 7):
        yield row(
            f"a done task's owner is {value!r}", state(DONE, owner=value), told('  "owner"', DONE)
        )
    yield row("a done task has no owner", state(DONE, owner=...), told("{", DONE))
    for value in ([], [""], [" "], None):
        yield row(
            f"a blocked task is blocked by {value!r}",
            state(BLOCKED, blocking_issues=value),
            told('  "blocking_issues"', BLOCKED),
        )
    yield row("a blocked task says not why", state(BLOCKED, blocking_issues=...), told("{", BLOCKED))
    for task_id in (PLANNED, IN_PROGRESS, DONE):
        yield row(
            f"{task_id} is blocked by something and is not blocked",
            state(task_id, blocking_issues=["保存期間"]),
            told('  "blocking_issues"', task_id),
        )
    for value in ("保存期間", {}, 0, [""]):
        yield row(
            f"a planned task is blocked by {value!r}",
            state(PLANNED, blocking_issues=value),
            told('  "blocking_issues"'),
        )
    for key in ("history", "History", "state_history", "STATE_HISTORY"):
        yield row(f"state.json has {key}", state(PLANNED, **{key: []}), told(f'  "{key}"'))


def dependency_rows() -> Iterator[Any]:
    def told(rule: str, task_id: str, line: str = '  "depends_on"') -> Told:
        return Told(rule, at(task_id, "state.json"), line)

    declared = told("dependencies_declared", BLOCKED)
    yield row("depends_on is missing", state(BLOCKED, depends_on=...), declared._replace(line="{"))
    for value in values(None, "", {}, 0, [""], [" "], [None], [[]]):
        yield row(f"depends_on is {value!r}", state(BLOCKED, depends_on=value), declared)
    yield row(
        "depends_on names a task twice",
        state(IN_PROGRESS, depends_on=[DONE, f" {DONE} "]),
        told("dependencies_declared", IN_PROGRESS),
    )
    yield row("a task waits for itself", wait(BLOCKED, BLOCKED), told("dependencies_no_self", BLOCKED))
    exist = told("dependencies_exist", BLOCKED)
    for value in (GONE, DONE.upper(), f"../work/{DONE}", f"{DONE}/", ".", "..", ".gitkeep"):
        yield row(f"a task waits for {value!r}", wait(BLOCKED, value), exist)
    yield row(
        "a task waits for one that is archived",
        both(put(f"{ROOT}/archive/{GONE}/state.json", state_text("done")), wait(BLOCKED, GONE)),
        exist,
    )
    yield row(
        "a task waits for an archive",
        both(put(f"{ROOT}/legacy-2025/state.json", state_text("done")), wait(BLOCKED, "legacy-2025")),
        exist,
    )
    yield row(
        "a task waits for one that cannot be read",
        both(wait(BLOCKED, PLANNED), put(STATE, "{")),
        exist,
        Told("state_json_valid", STATE),
    )
    yield row(
        "two tasks wait for each other",
        both(wait(PLANNED, BLOCKED), wait(BLOCKED, PLANNED)),
        told("dependencies_no_cycle", PLANNED),
    )
    yield row(
        "three tasks wait in a ring",
        both(wait(PLANNED, IN_PROGRESS), wait(BLOCKED, PLANNED), wait(IN_PROGRESS, BLOCKED)),
        told("dependencies_no_cycle", IN_PROGRESS),
        told("dependency_start_gate", IN_PROGRESS),
    )
    for name, task_id, other in (
        ("a planned one", IN_PROGRESS, PLANNED),
        ("a blocked one", IN_PROGRESS, BLOCKED),
        ("one that is in progress", DONE, IN_PROGRESS),
    ):
        free = wait(other) if other != BLOCKED else both()
        gate = told("dependency_start_gate", task_id)
        yield row(f"{task_id} did not wait for {name}", both(free, wait(task_id, other)), gate)
    yield row(
        "a task did not wait for one whose state is unknown",
        both(wait(PLANNED), state(PLANNED, state="ok"), wait(IN_PROGRESS, PLANNED)),
        told("dependency_start_gate", IN_PROGRESS),
        told("state_json_valid", PLANNED, '  "state"'),
    )


def backlog_rows() -> Iterator[Any]:
    def told(line: str) -> Told:
        return Told("dependency_backlog_synced", BACKLOG, line)

    line = f"   - 依存: `{DONE}`\n"
    for name, new, at_line in (
        ("says nothing of dependencies", "", f"1. `{IN_PROGRESS}`"),
        ("leaves them blank", "   - 依存:\n", "   - 依存:"),
        ("says なし", "   - 依存: なし\n", "   - 依存: なし"),
        ("names another one", f"   - 依存: `{BLOCKED}`\n", "   - 依存"),
        ("names one more", f"   - 依存: `{DONE}`, `{BLOCKED}`\n", "   - 依存"),
        ("names others below", f"   - 依存:\n     - `{BLOCKED}`\n", "   - 依存"),
    ):
        yield row(f"the backlog {name}", sub(BACKLOG, line, new), told(at_line))
    lines = text_of(repository(), BACKLOG)
    assert lines.count(line) == 1
    yield row("the backlog names one less", sub(BACKLOG, f", `{IN_PROGRESS}`", ""), told("   - 依存"))
    yield row("state.json names one less", state(PLANNED, depends_on=[DONE]), told("   - 依存"))
    yield row(
        "the backlog names a task twice",
        add(BACKLOG, f"- `{IN_PROGRESS}`\n  - 依存: なし\n"),
        told("  - 依存: なし"),
    )
    yield row(
        "an English backlog names others",
        both(
            sub(BACKLOG, "## 優先タスク一覧", "## Priority Task List"),
            sub(BACKLOG, line, "   - **Depends on**: none\n"),
        ),
        told("   - **Depends on**"),
    )


def prerequisites_rows() -> Iterator[Any]:
    for name in DOCUMENTS:
        path = at(PLANNED, name)
        told = Told("prerequisites_section_present", path, ZERO)
        yield row(f"{name} has no prerequisites", sub(path, ZERO, "## 前提"), told._replace(line="# "))
        yield row(f"{name} names no path there", section(path, ZERO, "- なし"), told)
        yield row(
            f"{name} names a path there that does not exist",
            sub(path, "- `AGENTS.md`", "- `AGENT.md`"),
            told._replace(line="- `AGENT.md`"),
        )
    path = at(PLANNED, "request.md")
    told = Told("prerequisites_section_present", path, ZERO)
    for name, body in (
        ("a placeholder", f"- `<task_root>/{DONE}/spec.md`"),
        ("an address", "- `https://example.com/a.md`"),
        ("a pattern", "- `docs/*.md`"),
        ("a command", "- `agentrail check docs/INDEX.md`"),
        ("a path without backticks", "- docs/INDEX.md"),
        ("a path in a code fence", "```\n`AGENTS.md`\n```"),
        ("a path in a comment", "<!-- `AGENTS.md` -->"),
        ("a kind of files", "- `.md`"),
    ):
        yield row(f"{name} is no path that could be read", section(path, ZERO, body), told)
    yield row(
        "in a request, the next section of any title ends the prerequisites",
        sub(path, ZERO, f"{ZERO}\n\n## 補足"),
        told,
    )
    for task_id in (IN_PROGRESS, BLOCKED):
        at_path = at(task_id, "review.md")
        told = Told("prerequisites_section_present", at_path, "# ")
        yield row(f"{task_id} has no prerequisites", sub(at_path, ZERO, f"#{ZERO}"), told)


def spec_rows() -> Iterator[Any]:
    head = "## 2. 背景と目的 (Background & Objectives) (必須)"
    for bullet in (
        "- 背景:",
        "- 背景：",
        "- **背景**:",
        "- **背景:**",
        "* 背景:",
        "1. 背景: ",
        "-",
        "*",
    ):
        told = Told("spec_required_sections_filled", SPEC, bullet)
        yield row(f"spec.md has a bullet {bullet!r}", section(SPEC, head, bullet), told)
    told = Told("spec_required_sections_filled", SPEC, "- 背景")
    yield row("a comment is no value", section(SPEC, head, "- 背景: <!-- 書く -->"), told)
    yield row(
        "a bullet below is blank",
        section(SPEC, head, "- 背景:\n  - 現状\n  -"),
        told._replace(line="  -"),
    )
    for title, labels in LABELS.items():
        heading = f"### {title} (必須)"
        told = Told("test_requirements_defined", SPEC, heading)
        yield row(f"{title} is missing", sub(SPEC, heading, "### 別の章"), told._replace(line="# "))
        for label in labels:
            line = f"- **{label}**:"
            yield row(
                f"{title} has no {label}", sub(SPEC, f"{line} 記入した\n", "", below=heading), told
            )
            yield row(
                f"{title} has a blank {label}",
                sub(SPEC, f"{line} 記入した", line, below=heading),
                told._replace(line=line),
            )
    heading = "### 5.1 単体テスト (Unit Test) (必須)"
    told = Told("test_requirements_defined", SPEC, heading)
    for name, new in (
        ("is not bold", "- 対象: 記入した"),
        ("has no colon", "- **対象** 記入した"),
        ("is no bullet", "**対象**: 記入した\n"),
        ("is another one", "- **対象外**: 記入した"),
    ):
        yield row(f"a label {name}", sub(SPEC, "- **対象**: 記入した", new, below=heading), told)
    yield row(
        "a label's value is a comment",
        sub(SPEC, "- **対象**: 記入した", "- **対象**: <!-- 書く -->", below=heading),
        told._replace(line="- **対象**"),
    )
    yield row("a test heading is too deep", sub(SPEC, heading, f"#{heading}"), told._replace(line="# "))


def plan_rows() -> Iterator[Any]:
    told = Told("plan_references_spec", PLAN, "# ")
    yield row("plan.md does not mention spec.md", every(PLAN, "spec.md", "仕様"), told)
    told = Told("plan_two_stage_defined", PLAN, "# ")
    draft, final = "## 2. 実装計画ドラフト (Plan Draft)", "## 4. 確定実装計画 (Plan Final)"
    for name, old, new in (
        ("has no draft", draft, "## 2. 計画"),
        ("has no final plan", final, "## 4. 計画"),
        ("has its draft too deep", draft, f"#{draft}"),
        ("has its final plan without a number", final, "## 確定実装計画 (Plan Final)"),
        ("names both stages in one heading", final, "## 4. 計画"),
    ):
        yield row(f"plan.md {name}", sub(PLAN, old, new), told)
    yield row(
        "plan.md has one heading for both stages",
        both(sub(PLAN, draft, "## 2. Plan Draft / Plan Final"), sub(PLAN, final, "## 4. 計画")),
        told,
    )


def docs_rows() -> Iterator[Any]:
    heading = "## 9. 関連資料リンク (Reference Links) (必須)"
    told = Told("docs_index_updated", SPEC, heading)
    yield row(
        "spec.md has no list of documents", sub(SPEC, heading, "## 9. 資料"), told._replace(line="# ")
    )
    for name, body in (
        ("nothing", "なし"),
        ("an address", "- `https://example.com/docs/a.md`"),
        ("a path that is not the first word", f"- 仕様: `{DOC}`"),
        ("a path without backticks", f"- {DOC}"),
        ("a file outside the documents", "- `AGENTS.md`: 規則"),
        ("a way out of the documents", "- `docs/../AGENTS.md`: 規則"),
        ("a placeholder", "- `docs/specs/<name>.md`: 仕様"),
    ):
        yield row(f"spec.md lists {name}", section(SPEC, heading, body), told)
    for path in ("docs/README.md", INDEX, "docs/specs/", "docs/templates/state.json"):
        told = Told("docs_index_updated", SPEC, f"- `{path}`")
        yield row(f"spec.md lists {path}", section(SPEC, heading, f"- `{path}`: 資料"), told)
    told = Told("docs_index_updated", at(PLANNED, "spec.md"), f"- `{DOC}`")
    yield row(
        "a listed document is not in the index",
        sub(INDEX, f"- `{DOC}` - 監査記録の仕様 (Audit Log)", "- （未登録）"),
        *(told._replace(path=at(task_id, "spec.md")) for task_id in DEPENDS_ON),
        Told("docs_index_in_sync", INDEX, "## 4."),
    )
    yield row("there is no index", gone(INDEX), Told("docs_index_exists", INDEX))
    yield row(
        "a document is not in the index",
        put("docs/decisions/retention.md", "# 保存期間\n"),
        Told("docs_index_in_sync", INDEX, "## 5."),
    )
    yield row(
        "a document has no title",
        put("docs/decisions/retention.md", "## 保存期間\n"),
        Told("docs_title_present", "docs/decisions/retention.md"),
    )
    yield row("there is no profile", gone(PROFILE), *no_profile())
    yield row(
        "the profile has a blank value",
        sub(PROFILE, "name: my-project", "name:"),
        Told("profile_required_keys", PROFILE, "  name:"),
    )


def no_profile() -> list[Told]:
    """Without a profile, records are looked for in ``work``, where there are none."""
    return [Told("profile_exists", PROFILE)]


def links_rows() -> Iterator[Any]:
    for name in DOCUMENTS:
        path = at(PLANNED, name)
        line = "- 参照: `src/nowhere.py`"
        told = Told("link_targets_exist", path, line)
        yield row(f"{name} names a path that does not exist", add(path, f"\n{line}\n"), told)
    for name in DOCUMENTS:
        path = at(DONE, name)
        told = Told("link_targets_exist", path, "- `AGENT.md`")
        yield row(
            f"done: {name} names no prerequisite", sub(path, "- `AGENTS.md`", "- `AGENT.md`"), told
        )
    for token in (
        "docs/nowhere",
        "docs/nowhere/",
        "docs/operations/INDEX.md",
        "Docs/INDEX.md",
        "docs/index.md",
        "./nowhere",
        "../nowhere.md",
        "../../../../etc/hosts.json",
        "/docs/INDEX.md",
        "AGENTS.md/",
        "docs/nowhere.md#目的",
        "docs/nowhere.md:12",
        "docs/nowhere.md:12:5",
        "nowhere.yaml",
        "nowhere.yml",
        "nowhere.json",
        "nowhere.ps1",
        ".agentrail/nowhere",
    ):
        path, line = at(PLANNED, "investigation.md"), f"- 参照: `{token}`"
        told = Told("link_targets_exist", path, line)
        yield row(f"nothing stands at {token}", add(path, f"\n{line}\n"), told)
    heading = "## 9. 関連資料リンク (Reference Links) (必須)"
    told = Told("link_targets_exist", SPEC, "- `docs/specs/gone.md`")
    yield row(
        "a listed document does not exist",
        section(SPEC, heading, "- `docs/specs/gone.md`: 仕様"),
        told,
    )


def finding_rows() -> Iterator[Any]:
    heading = "## 6. プロセス改善案 (Process Findings) (必須)"
    told = Told("improvement_findings_present", REVIEW, heading)
    yield row(
        "a review has no findings",
        both(sub(REVIEW, heading, "## 6. 改善"), sub(REVIEW, "### 6.1 ", "### 改善 ")),
        told._replace(line="# "),
    )
    yield row("a review has no block of a finding", sub(REVIEW, "### 6.1 ", "### 改善 "), told)
    for key, value in FINDING.items():
        line, block = f"- {key}: {value}", Told("improvement_findings_present", REVIEW, "### 6.1")
        if key != "linked_task_id":
            yield row(f"{key} is missing", sub(REVIEW, f"{line}\n", ""), block)
            blank = block._replace(line=f"- {key}:")
            yield row(f"{key} is blank", sub(REVIEW, line, f"- {key}:"), blank)
    for key in ALLOWED:
        old, new = f"- {key}: {FINDING[key]}", f"- {key}: maybe"
        told = Told("improvement_findings_present", REVIEW, new)
        yield row(f"{key} is none of those", sub(REVIEW, old, new), told)
    path = at(IN_PROGRESS, "review.md")
    told = Told("improvement_findings_present", path, "### 6.1")
    filled = "- finding_id: F-001\n- summary: 先に確かめる"
    title = "### 6.1 改善案 1"
    yield row("a finding of a task in progress is half filled", section(path, title, filled), told)
    told = Told("improvement_threshold_enforced", REVIEW, "- action_required: no")
    for severity in ("must", "high", "MUST", "`high`"):
        no_action = both(
            sub(REVIEW, "- severity: high", f"- severity: {severity}"),
            sub(REVIEW, "- action_required: yes", "- action_required: no"),
        )
        yield row(f"a finding of severity {severity} asks for nothing", no_action, told)
    line = f"- linked_task_id: {BLOCKED}"
    told = Told("improvement_task_linked", REVIEW, "- linked_task_id")
    yield row("an action has no task", sub(REVIEW, f"{line}\n", ""), told._replace(line="### 6.1"))
    for value in (
        "",
        "none",
        GONE,
        "..",
        ".",
        "docs",
        BLOCKED.upper(),
        f"../work/{BLOCKED}",
        "archive",
    ):
        change = both(
            put(f"{ROOT}/archive/{GONE}/state.json", state_text("done")),
            sub(REVIEW, line, f"- linked_task_id: {value}"),
        )
        yield row(f"an action is linked to {value!r}", change, told)


def boundary_rows() -> Iterator[Any]:
    heading = "## 7. コミット境界の確認 (Commit Boundaries) (必須)"
    told = Told("commit_boundaries_tracked", REVIEW, heading)
    yield row(
        "a review has no boundaries", sub(REVIEW, heading, "## 7. 境界"), told._replace(line="# ")
    )
    for title, commit in PHASES.items():
        phase, block = f"### {title}", told._replace(line=f"### {title}")
        line = f"- commit: {commit}"
        yield row(f"{title} is missing", sub(REVIEW, phase, "### 境界"), told)
        yield row(f"{title} has no commit", sub(REVIEW, f"{line}\n", ""), block)
        yield row(
            f"{title} has no scope_check", sub(REVIEW, "- scope_check: PASS\n", "", below=phase), block
        )
        failed = told._replace(line="- scope_check: FAIL")
        yield row(
            f"{title} is not in scope",
            sub(REVIEW, "- scope_check: PASS", "- scope_check: FAIL", below=phase),
            failed,
        )
        for value in ("", "123456", "1" * 41, "HEAD", "1a2b3cg", "対象外"):
            bad = told._replace(line=f"- commit: {value}".strip())
            change = sub(REVIEW, line, f"- commit: {value}")
            yield row(f"{title} is the commit {value!r}", change, bad)
    for title in list(PHASES)[:2]:
        change = sub(REVIEW, f"- commit: {PHASES[title]}", "- commit: CURRENT_COMMIT")
        bad = told._replace(line="- commit: CURRENT_COMMIT")
        yield row(f"{title} is the current commit", change, bad)
    spec = at(DONE, "spec.md")
    english = sub(spec, "境界コミット", "Commit Boundary ")
    change = both(english, sub(REVIEW, "- commit: 1a2b3c4", "- commit: none"))
    yield row("an English specification asks for them", change, told._replace(line="- commit: none"))


def completed_rows() -> Iterator[Any]:
    heading = "## 5. 最終結論 (Conclusion) (必須)"
    for line in (
        "- 結論: PENDING（担当が書く）",
        "- 結論：PENDING",
        "- 結論: pending",
        "- **結論**: PENDING",
        "- **結論:** PENDING",
        "- 結論: `PENDING`",
        "- PENDING",
        "* 結論: PENDING",
        "1. 結論: PENDING",
        "  - 結論: PENDING",
    ):
        told = Told("review_completed", REVIEW, line)
        yield row(f"a done task's review says {line!r}", section(REVIEW, heading, line), told)


BROKEN = [
    *files_rows(),
    *state_rows(),
    *dependency_rows(),
    *backlog_rows(),
    *prerequisites_rows(),
    *spec_rows(),
    *plan_rows(),
    *docs_rows(),
    *links_rows(),
    *finding_rows(),
    *boundary_rows(),
    *completed_rows(),
]


def line_of(texts: Texts, finding: Finding) -> str:
    """Return the line that a finding points at, "" where there is no such text."""
    text = texts.get(finding.path)
    lines = text.splitlines() if isinstance(text, str) else []
    return lines[finding.line - 1] if lines else ""


def test_the_repository_that_the_rows_break_is_valid() -> None:
    assert audit(repository(), mode="fail") == []
    assert audit(repository(), suite.STATE) == []


@pytest.mark.parametrize(("change", "told"), BROKEN)
def test_a_breach_is_told_by_its_rule_at_its_place(change: Change, told: tuple[Told, ...]) -> None:
    texts = repository()
    change(texts)
    found = errors(audit(texts))
    assert {(finding.rule_id, finding.path) for finding in found} == {one[:2] for one in told}
    for one in told:
        lines = [line_of(texts, finding) for finding in found if finding[:2] == one[:2]]
        assert any(line.startswith(one.line) for line in lines), lines


def test_every_rule_about_a_record_is_broken_by_a_row() -> None:
    told = {one.rule_id for param in [*BROKEN, *QUALITY] for one in param.values[1]}
    of_schemas = {"R-001", "R-002", "R-003", "R-004", "R-005"}
    of_names = {"docs_name_unique"}  # a matter of the index alone
    assert told == set(RULES) - of_schemas - of_names


def quality_rows() -> Iterator[Any]:
    zero, index = "## 0. 前提知識 (Prerequisites)", "- `docs/INDEX.md`: 関係する文書の索引\n"
    task = f"- `{at(DONE, 'spec.md')}`: この仕様を決めたタスク\n"
    told = Told("DQ-001", DOC, zero)
    yield row("no prerequisites", sub(DOC, zero, "## 前提"), told._replace(line="# "))
    yield row("prerequisites too deep", sub(DOC, zero, f"#{zero}"), told._replace(line="# "))
    for name, body in (
        ("the prerequisites name nothing", "- なし\n"),
        (
            "the prerequisites name what does not exist",
            "- `docs/gone.md`\n- `.agentrail/work/gone.md`\n",
        ),
    ):
        others = [Told("DQ-002", DOC, zero)] if "nothing" in name else []
        yield row(name, section(DOC, zero, body), told, *others)
    yield row(
        "the document is no text", put(DOC, b"\0"), told._replace(line=""), Told("file_readable", DOC)
    )
    told = Told("DQ-002", DOC, zero)
    yield row("the prerequisites name no document", sub(DOC, index, "- `AGENTS.md`\n"), told)
    yield row("the prerequisites name no task", sub(DOC, task, ""), told)
    yield row(
        "the index lacks the document",
        sub(INDEX, f"- `{DOC}` - 監査記録の仕様 (Audit Log)", "- （未登録）"),
        Told("DQ-003", DOC, "# "),
        *(Told("docs_index_updated", at(task_id, "spec.md")) for task_id in DEPENDS_ON),
        Told("docs_index_in_sync", INDEX),
    )
    yield row(
        "the backlog says something else",
        state(BLOCKED, depends_on=[DONE]),
        Told("DQ-004", BACKLOG, "   - 依存: なし"),
        Told("dependency_backlog_synced", BACKLOG, "   - 依存: なし"),
    )


QUALITY = [*quality_rows()]


@pytest.mark.parametrize(("change", "told"), QUALITY)
def test_a_poor_document_is_told_as_the_mode_says(change: Change, told: tuple[Told, ...]) -> None:
    texts = repository()
    change(texts)
    expected = {one[:2] for one in told}
    poor = {one for one in expected if one[0].startswith("DQ")}
    failed = audit(texts, mode="fail")
    assert {finding[:2] for finding in errors(failed)} == expected
    for one in told:
        lines = [line_of(texts, finding) for finding in failed if finding[:2] == one[:2]]
        assert any(line.startswith(one.line) for line in lines), lines
    warned = audit(texts)
    assert {finding[:2] for finding in warned if finding.severity == "warning"} == poor
    assert {finding[:2] for finding in errors(warned)} == expected - poor
    assert {finding[:2] for finding in audit(texts, mode="off")} == expected - poor


def crlf(texts: Texts) -> None:
    for path, text in texts.items():
        texts[path] = text.replace("\n", "\r\n") if isinstance(text, str) else text


def with_marks(texts: Texts) -> None:
    for path, text in texts.items():
        if path.startswith(ROOT) or path == BACKLOG:
            texts[path] = f"\ufeff{text!s}"


def old_mac(texts: Texts) -> None:
    for path, text in texts.items():
        if path.startswith(ROOT) and path.endswith(".md"):
            texts[path] = str(text).replace("\n", "\r")


def accepted_heading_rows() -> Iterator[Any]:
    for path, old, new in (
        (PLAN, "## 2. 実装計画ドラフト (Plan Draft)", "## 2. Plan Draft"),
        (PLAN, "## 2. 実装計画ドラフト (Plan Draft)", "## 7. 実装計画ドラフト"),
        (PLAN, "## 4. 確定実装計画 (Plan Final)", "## 4. Plan Final — 2 回目"),
        (PLAN, "## 4. 確定実装計画 (Plan Final)", "## 4. 確定実装計画 ##"),
        (SPEC, "### 5.1 単体テスト (Unit Test) (必須)", "### 5.1 Unit Tests"),
        (SPEC, "### 5.2 結合テスト (Integration Test) (必須)", "### 5.2\u3000Integration Test"),
        (SPEC, "### 5.4 手動検証 (Manual Verification) (必須)", "### 5.4 Manual Verification:"),
        (SPEC, "## 9. 関連資料リンク (Reference Links) (必須)", "## 9. 関連資料リンク"),
        (SPEC, ZERO, "## 0. 前提知識"),
        (SPEC, ZERO, "## 0.前提知識（必読）"),
        (SPEC, "## 2. 背景と目的", "## 3. 背景と目的"),
        (REVIEW, "## 6. プロセス改善案 (Process Findings) (必須)", "## 6. Process Findings"),
        (REVIEW, "### 6.1 改善案 1", "### 6.12: 保存期間"),
        (REVIEW, "## 7. コミット境界の確認 (Commit Boundaries) (必須)", "## 7. Commit Boundaries"),
        (REVIEW, "### 7.1 起票境界 (Kickoff Commit)", "### 7.1起票境界"),
        (DOC, "## 0. 前提知識 (Prerequisites)", "## 前提知識"),
        (DOC, "## 0. 前提知識 (Prerequisites)", "## 2. 前提知識"),
    ):
        yield row(f"the heading {new!r}", sub(path, old, new))


def accepted_value_rows() -> Iterator[Any]:
    for key, value in FINDING.items():
        line = f"- {key}: {value}"
        for new in (
            f"- **{key}**: {value}",
            f"- **{key}:** {value}",
            f"- {key}：{value}",
            f"* {key} : `{value}`",
            f"  - `{key}`: **{value}**",
            f"- {key.upper()}: {value} <!-- 確認済み -->",
        ):
            yield row(f"the finding says {new!r}", sub(REVIEW, line, new))
    for key in ("summary", "evidence"):
        new = f"- {key}:\n  - 保存期間\n  - 担当"
        yield row(f"{key} is a list", sub(REVIEW, f"- {key}: {FINDING[key]}", new))
    for old, new in (
        ("- commit: 1a2b3c4", "- commit: `1A2B3C4`"),
        ("- commit: 1a2b3c4", f"- **commit**: {'1a' * 20}"),
        ("- commit: CURRENT_COMMIT", "- commit: `current_commit`"),
        ("- commit: CURRENT_COMMIT", "- commit: 1a2b3c4"),
        ("- scope_check: PASS", "- scope_check: `pass`"),
        ("- severity: high", "- severity: HIGH"),
        ("- severity: high", "- severity: low"),
        ("- action_required: yes", "- action_required: Yes"),
        ("- 結論: PASS", "- 結論: PASS。PENDING は残っていない"),
        ("- 結論: PASS", "- 結論: <!-- PENDING --> PASS"),
        ("- 結論: PASS", "```\n- 結論: PENDING\n```"),
    ):
        yield row(f"the review says {new!r}", sub(REVIEW, old, new))
    low = sub(REVIEW, "- severity: high", "- severity: low")
    no = sub(REVIEW, "- action_required: yes", "- action_required: no")
    for value in (GONE, "none", ""):
        link = sub(REVIEW, f"- linked_task_id: {BLOCKED}", f"- linked_task_id: {value}")
        yield row(f"no action is linked to {value!r}", both(low, no, link))
    spec = every(at(DONE, "spec.md"), "境界コミット", "コミット")
    heading = "### 7.1 起票境界 (Kickoff Commit)"
    yield row("no boundaries are asked for", both(spec, section(REVIEW, heading, "- commit: 対象外")))


def accepted_spec_rows() -> Iterator[Any]:
    heading = "### 5.1 単体テスト (Unit Test) (必須)"
    for new in (
        "- *対象*: 記入した",
        "- **対象**：記入した",
        "- **対象:** 記入した",
        "- **対象：** 記入した",
        "- ** 対象 ** : 記入した",
        "* **対象**: 記入した",
        "1. **対象**: 記入した",
        "- **対象**:\n  - 記入した",
        "- **対象**:\n\n  記入した",
        "- **対象**:\n    1. 記入した",
        "- **対象**:\n- **対象**: 記入した",
    ):
        change = sub(SPEC, "- **対象**: 記入した", new, below=heading)
        yield row(f"the label {new!r}", change)
    head = "## 2. 背景と目的 (Background & Objectives) (必須)"
    for body in (
        "- 背景:\n  - 現状",
        "- 背景:\n\n  現状",
        "- 背景:\n  ```\n  現状\n  ```",
        "- 時刻: 12:30",
        "- https://example.com:",
        "- [ ] 現状",
        "* * *",
        "```\n- 背景:\n-\n```",
        "<!--\n- 背景:\n-\n-->",
        "| 背景: |\n|---|\n| |",
        "背景:",
    ):
        yield row(f"spec.md says {body!r}", section(SPEC, head, body))


def accepted_path_rows() -> Iterator[Any]:
    path = at(PLANNED, "investigation.md")
    for code in (
        "AGENTS.md",
        "./AGENTS.md",
        "docs",
        "docs/",
        "docs/specs/audit-log.md#記録する項目",
        "docs/specs/audit-log.md:3",
        "docs/specs/audit-log.md:3-9",
        "docs/specs/audit-log.md:3:14",
        "docs//specs/./audit-log.md",
        f"../{DONE}/spec.md",
        f"{ROOT}/{DONE}/",
        "../../../AGENTS.md",
        "./",
        "spec.md",
        "https://example.com/a.md",
        "docs/*.md",
        "docs/<name>.md",
        "docs/.../a.md",
        "docs/…",
        "cat docs/nowhere.md",
        "origin/main",
        "and/or",
        ".md",
        "main.c",
        "/",
    ):
        yield row(f"the text says {code!r}", add(path, f"\n- 参照: `{code}`\n"))
    for text in ("docs/nowhere.md", "```\n`docs/nowhere.md`\n```", "<!-- `docs/nowhere.md` -->"):
        yield row(f"the text says {text!r}", add(path, f"\n{text}\n"))
    heading = "## 9. 関連資料リンク (Reference Links) (必須)"
    for body in (
        f"* `{DOC}`",
        f"1. `{DOC}#記録する項目`: 項目",
        f"- 仕様\n  - `./{DOC}`",
        f"- `https://example.com/`\n- `{DOC}`",
    ):
        yield row(f"spec.md lists {body!r}", section(SPEC, heading, body))


def accepted_state_rows() -> Iterator[Any]:
    for value in ("Planned", " PLANNED "):
        yield row(f"state is {value!r}", state(PLANNED, state=value))
    yield row("state is 'DONE'", state(DONE, state="DONE"))
    for value in (
        "2026-02-20T15:56:05+09:00",
        "2026-02-20T15:56:05.1234567-11:30",
        "2026-02-20T15:56:05Z",
        "2026-02-20T15:56+00:00",
        "02/20/2026 15:56:05",
        "2026-02-20",
        "2026-02-20 15:56",
        "2024-02-29",
    ):
        yield row(f"updated_at is {value!r}", state(PLANNED, updated_at=value))
    for value in values(None, ...):
        yield row(f"blocking_issues is {value!r}", state(PLANNED, blocking_issues=value))
    for value in values(["保存期間"], [{"reason": "保存期間"}], ["", "保存期間"]):
        yield row(f"blocked by {value!r}", state(BLOCKED, blocking_issues=value))
    for value in values("backend", "", None, ...):
        yield row(f"a planned task's owner is {value!r}", state(PLANNED, owner=value))
    yield row(
        "keys of others", state(PLANNED, priority=1, notes={"history": ["a"]}, label="\U0001f600")
    )
    yield row("escaped letters", sub(STATE, '"unassigned"', '"\\ud83d\\ude00"'))
    yield row("compact JSON", put(STATE, state_text("planned", DEPENDS_ON[PLANNED]).replace("\n", "")))
    yield row("a blocked task waits for an open one", wait(BLOCKED, PLANNED))
    yield row("another order of dependencies", state(PLANNED, depends_on=[*DEPENDS_ON[PLANNED]][::-1]))


def accepted_backlog_rows() -> Iterator[Any]:
    line = f"   - 依存: `{DONE}`\n"
    for new in (
        f"   - 依存：`{DONE}`\n",
        f"   - **依存**: `{DONE}`\n",
        f"   - **依存:** `{DONE}`\n",
        f"   - Depends on: `{DONE}`\n",
        f"   * depends on: `{DONE}` <!-- 完了 -->\n",
        f"   - 依存: {DONE}\n",
        f"   - 依存:\n     - `{DONE}`\n",
        f"  - 依存: `{DONE}`\n",
        f"   - 依存: `{DONE}`\n   - 依存: なし\n",
    ):
        yield row(f"the backlog says {new!r}", sub(BACKLOG, line, new))
    for value in ("none", "None", "N/A", "-", "`なし`", "なし（独立している）"):
        change = sub(BACKLOG, "   - 依存: なし", f"   - 依存: {value}")
        yield row(f"the backlog says {value!r} for nothing", change)
    both_ids = f"`{DONE}`, `{IN_PROGRESS}`"
    for new in (
        f"`{IN_PROGRESS}`、`{DONE}`",
        f"{DONE}, {IN_PROGRESS}",
        f"`{DONE}`（完了）と `{IN_PROGRESS}`",
    ):
        yield row(f"the backlog says {new!r}", sub(BACKLOG, both_ids, new))
    for title in ("## Priority Tasks", "## priority task list (2026)", "## 優先タスク一覧 (Priority)"):
        yield row(f"the backlog is headed {title!r}", sub(BACKLOG, "## 優先タスク一覧", title))
    yield row(
        "an entry is a bullet", sub(BACKLOG, f"1. `{IN_PROGRESS}`\n   -", f"- `{IN_PROGRESS}`\n  -")
    )
    yield row("an entry has a title", sub(BACKLOG, f"`{IN_PROGRESS}`", f"`{IN_PROGRESS}` 月次の報告"))
    note = f"- 注意\n  - 依存: `{GONE}`\n"
    yield row("another list stands behind", add(BACKLOG, f"\n{note}"))
    other = f"\n## 完了\n\n- `{DONE}`\n  - 依存: `{GONE}`\n"
    yield row("another section stands behind", add(BACKLOG, other))
    yield row("a task has no entry", sub(BACKLOG, f"3. `{BLOCKED}`", "3. `別の表`"))
    yield row("there is no list", sub(BACKLOG, "## 優先タスク一覧", "## 一覧"))


def accepted_file_rows() -> Iterator[Any]:
    yield row("CRLF", crlf)
    yield row("byte order marks", with_marks)
    yield row("CR alone", old_mac)
    yield row("no line end at the end", put(SPEC, text_of(repository(), SPEC).rstrip("\n")))
    yield row("a file beside the six", put(at(PLANNED, "notes.md"), "- key:\n"))
    yield row("a folder in a record", put(at(PLANNED, "agent-logs/2026/log.md"), b"\xff\0"))
    yield row("an archive", put(f"{ROOT}/archive/{GONE}/request.md", ""))
    for name in ("archive-2025", "legacy", f"legacy-{GONE}", ".new-task"):
        yield row(f"the archive {name}", put(f"{ROOT}/{name}/request.md", ""))
    yield row("a file beside the records", put(f"{ROOT}/README.md", "- key:\n"))
    yield row(
        "a blank template of a finding", section(at(PLANNED, "review.md"), "### 6.1 改善案 1", "")
    )


ACCEPTED = [
    *accepted_heading_rows(),
    *accepted_value_rows(),
    *accepted_spec_rows(),
    *accepted_path_rows(),
    *accepted_state_rows(),
    *accepted_backlog_rows(),
    *accepted_file_rows(),
]


@pytest.mark.parametrize(("change", "told"), ACCEPTED)
def test_what_people_write_otherwise_is_let_be(change: Change, told: tuple[Told, ...]) -> None:
    texts = repository()
    before = dict(texts)
    change(texts)
    assert texts != before
    assert errors(audit(texts)) == []


def state_only_rows() -> Iterator[Any]:
    yield row(
        "a result is open",
        sub(REVIEW, "- 結論: PASS", "- 結論: PENDING"),
        Told("review_completed", REVIEW),
    )
    spec = at(DONE, "spec.md")
    heading = "## 9. 関連資料リンク (Reference Links) (必須)"
    updated = Told("docs_index_updated", spec, heading)
    yield row("no document is listed", section(spec, heading, "- なし"), updated)
    gone_doc = section(spec, heading, "- `docs/specs/gone.md`: 仕様")
    yield row(
        "a listed document is gone", gone_doc, Told("link_targets_exist", spec, "- `docs/specs/gone")
    )
    unlisted = sub(INDEX, f"- `{DOC}` - 監査記録の仕様 (Audit Log)", "- （未登録）")
    yield row(
        "a listed document is not in the index",
        unlisted,
        updated._replace(line=f"- `{DOC}`"),
        Told("docs_index_in_sync", INDEX),
    )
    plan = at(DONE, "plan.md")
    one_stage = sub(plan, "## 2. 実装計画ドラフト (Plan Draft)", "## 2. 計画")
    asked = add(spec, "\n- 計画: plan-draft\n")
    yield row("there is no plan", both(asked, gone(plan)), Told("required_files_present", plan))
    for words in ("plan-draft", "Plan-Final"):
        change = both(add(spec, f"\n- 計画: {words}\n"), one_stage)
        yield row(f"{words} is asked for", change, Told("plan_two_stage_defined", plan))
    for name in REQUIRED:
        path = at(DONE, name)
        others = (
            []
            if name != "state.json"
            else [Told("dependencies_exist", at(task_id, name)) for task_id in (IN_PROGRESS, PLANNED)]
        )
        yield row(
            f"a done task has no {name}", gone(path), Told("required_files_present", path), *others
        )
    yield row("a task has no state.json", gone(STATE), Told("required_files_present", STATE))
    yield row("state.json is no JSON", put(STATE, "{"), Told("state_json_valid", STATE))
    yield row("the owner is missing", state(DONE, owner=...), Told("state_json_valid", DONE_STATE))
    gate = Told("dependency_start_gate", at(IN_PROGRESS, "state.json"))
    yield row("a task did not wait", state(IN_PROGRESS, depends_on=[BLOCKED]), gate)
    yield row("one stage, which nobody asked for", one_stage)
    yield row("another path does not exist", add(spec, "\n- 参照: `docs/gone.md`\n"))
    yield row("an open task's documents are missing", both(gone(SPEC), gone(PLAN)))
    yield row("an open task's review is open", put(at(PLANNED, "review.md"), "- a: PENDING\n"))
    yield row("the backlog says something else", sub(BACKLOG, f"`{DONE}`", "なし"))


@pytest.mark.parametrize(("change", "told"), [*state_only_rows()])
def test_the_state_alone_is_judged_with_what_a_done_task_needs(
    change: Change, told: tuple[Told, ...]
) -> None:
    texts = repository()
    change(texts)
    found = errors(audit(texts, suite.STATE))
    assert {finding[:2] for finding in found} == {one[:2] for one in told}
    for one in told:
        lines = [line_of(texts, finding) for finding in found if finding[:2] == one[:2]]
        assert any(line.startswith(one.line) for line in lines), lines


def test_a_task_that_does_not_exist_is_named_and_nothing_else_is_said() -> None:
    for rules in (suite.ALL, suite.STATE):
        found = audit(repository(), rules, ids=[GONE])
        assert [(one.rule_id, one.path) for one in found] == [
            ("required_files_present", f"{ROOT}/{GONE}")
        ]


def test_a_name_that_is_spelled_otherwise_is_another_task() -> None:
    found = audit(repository(), ids=[DONE.upper()])
    assert [one.rule_id for one in found] == ["required_files_present"]


@pytest.mark.parametrize("task_id", [PLANNED, IN_PROGRESS, BLOCKED])
def test_a_ring_is_told_of_whichever_of_its_tasks_is_asked_for(task_id: str) -> None:
    texts = repository()
    wait(PLANNED, IN_PROGRESS)(texts)
    wait(IN_PROGRESS, BLOCKED)(texts)
    wait(BLOCKED, PLANNED)(texts)
    found = [one for one in audit(texts, ids=[task_id]) if one.rule_id == "dependencies_no_cycle"]
    assert [one.path for one in found] == [at(task_id, "state.json")]


def test_a_task_that_only_waits_for_a_ring_is_not_on_it() -> None:
    texts = repository()
    wait(PLANNED, BLOCKED)(texts)
    wait(BLOCKED, PLANNED)(texts)
    state(IN_PROGRESS, state="planned", depends_on=[PLANNED])(texts)
    assert "dependencies_no_cycle" not in {one.rule_id for one in audit(texts, ids=[IN_PROGRESS])}


def test_what_is_wrong_with_the_whole_repository_is_told_of_each_task() -> None:
    texts = repository()
    context = Context(MemoryFiles(texts), Roots(ROOT))
    shared = Finding("profile_exists", PROFILE, 1, "expected it, found none", "write it")
    one = suite.Suite(context, suite.CONSISTENCY, mode="warning", shared=[shared])
    assert [one.check(task_id).result.findings for task_id in (PLANNED, DONE)] == [(shared,)] * 2


def template(name: str) -> str:
    return (PAYLOAD / "docs" / "templates" / name).read_text(encoding="utf-8")


def test_a_task_passes_all_its_life_from_the_blank_templates_to_the_end() -> None:
    task_id = "2026-01-10__export-audit-log"
    texts = repository() | {at(task_id, name): template(name) for name in REQUIRED}
    assert audit(texts, mode="fail") == []
    for stage in ("planned", "in_progress", "blocked", "done"):
        texts |= record(task_id, stage, [DONE])
        assert audit(texts, mode="fail") == []
        assert audit(texts, suite.STATE) == []


def test_blank_templates_do_not_pass_for_a_task_that_is_done() -> None:
    task_id = "2026-01-10__export-audit-log"
    texts = repository() | {at(task_id, name): template(name) for name in DOCUMENTS}
    texts[at(task_id, "state.json")] = state_text("done")
    assert {one.rule_id for one in errors(audit(texts))} == {"review_completed"}


def test_a_finding_is_found_again_by_its_id() -> None:
    review = Document(text_of(repository(), REVIEW))
    block = review_rule.finding_block(review, "f-001")
    assert block is not None
    assert {key: value for key, (_, value) in block.items()} == FINDING
    assert review_rule.finding_block(review, "F-002") is None
    assert review_rule.finding_block(Document("# Review\n"), "F-001") is None


def test_in_a_repository_with_its_own_roots_all_is_as_in_any_other() -> None:
    moved = {
        path.replace(ROOT, "work", 1): str(text).replace(ROOT, "work")
        for path, text in repository().items()
    }
    assert audit(dict(moved), mode="fail") == []
    moved["work/2026-01-04__mail-audit-log/spec.md"] = ""
    assert [one.path for one in audit(dict(moved))] == ["work/2026-01-04__mail-audit-log/spec.md"]


def test_two_hundred_thousand_blank_bullets_are_two_hundred_thousand_findings() -> None:
    texts = repository()
    spec = text_of(texts, SPEC)
    texts[SPEC] = spec.replace("- 背景: 記入した\n", "- a:\n" * 200_000)
    assert len(audit(texts)) == 200_000


def test_twenty_thousand_paths_that_do_not_exist_are_each_told() -> None:
    texts = repository()
    texts[PLAN] = text_of(texts, PLAN) + "".join(f"- `docs/{number}.md`\n" for number in range(20_000))
    assert len({one.line for one in errors(audit(texts))}) == 20_000


def test_ten_thousand_findings_in_a_review_are_each_looked_at() -> None:
    texts = repository()
    block = "### 6.2 改善案\n\n- finding_id: F-2\n- severity: must\n- action_required: no\n"
    texts[REVIEW] = text_of(texts, REVIEW).replace("## 7. ", block * 10_000 + "\n## 7. ", 1)
    found = [one for one in audit(texts) if one.rule_id == "improvement_threshold_enforced"]
    assert len(found) == 10_000
    assert len({one.line for one in found}) == 10_000


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("- **" + " " * 1_000_000, id="blanks behind asterisks"),
        pytest.param("- " + "*" * 1_000_000, id="asterisks"),
        pytest.param("- a" + "`" * 1_000_000, id="backticks"),
        pytest.param("- a" + " " * 1_000_000 + "b", id="blanks"),
        pytest.param("- " + "a" * 1_000_000, id="letters"),
        pytest.param("- `" + ":1" * 500_000 + "x`", id="numbers"),
        pytest.param("- `" + "a/" * 500_000 + "b.md`", id="folders"),
        pytest.param("### 5.1 " + "Unit " * 200_000, id="a heading"),
    ],
)
def test_no_line_is_too_long_to_be_read(line: str) -> None:
    texts = repository()
    for name in ("spec.md", "review.md"):
        texts[at(DONE, name)] = text_of(texts, at(DONE, name)) + f"\n{line}\n"
    texts[BACKLOG] = text_of(texts, BACKLOG) + f"   {line}\n"
    assert {one.path for one in errors(audit(texts))} <= {at(DONE, "spec.md"), REVIEW}
