"""The table of rules: what each is called, when it fails, and a text that breaks it, and mended."""

from __future__ import annotations

from typing import Final, NamedTuple

_INDEX: Final = "docs/INDEX.md"
_BACKLOG: Final = "docs/operations/high-priority-backlog.md"
_DOC: Final = "docs/specs/audit-log.md"
_PROFILE: Final = "project.profile.yaml"
_SCHEMA: Final = "tools/profile-validate/profile-schema.json"
_DONE: Final = "2026-01-02__add-audit-log"
_NEXT: Final = "2026-01-03__report-audit-log"
_BLOCKED: Final = "2026-01-05__archive-audit-log"
_ENTRY: Final = f"- `{_DOC}` - 監査記録の仕様 (Audit Log)"
_BASE: Final = '"schema_version": "2.0.0",\n"supported_profile_schema_versions": ["2.0.0"]'


class Rule(NamedTuple):
    """One rule.

    Args:
        rule_id: its id in reports.
        fails_when: when it fails, as one sentence without a full stop.
        path: the file that the example stands in, by its name alone in a task record; with a final
            ``/`` a directory, and the example names the files in it.
        failing: a text there that breaks the rule, None for no such file.
        mended: the same text as it should be.
        task: which task the record is of, for the reader; empty for any.
        base: the text before the change that a rule about changes judges.
    """

    rule_id: str
    fails_when: str
    path: str
    failing: str | None
    mended: str
    task: str = ""
    base: str = ""


_FILES: Final = (
    Rule(
        "required_files_present",
        "the directory of a task or one of its six files is missing or empty",
        "<task_root>/<task-id>/",
        "request.md\ninvestigation.md\nspec.md\nreview.md\nstate.json",
        "request.md\ninvestigation.md\nspec.md\nplan.md\nreview.md\nstate.json",
    ),
    Rule(
        "file_readable",
        "a file is no UTF-8 text of at most 4 MiB",
        "request.md",
        "- タイトル: 監査記録\0を残す",
        "- タイトル: 監査記録を残す",
    ),
    Rule(
        "docs_index_exists",
        "there is no documentation index",
        _INDEX,
        None,
        "# ドキュメント索引 (Documentation Index)",
    ),
    Rule(
        "docs_index_in_sync",
        "the documentation index does not list just the documents that there are",
        _INDEX,
        f"- `{_DOC}` - 監査記録",
        _ENTRY,
    ),
    Rule(
        "docs_title_present",
        "a document has no heading of level 1 to be listed by",
        _DOC,
        "監査記録の仕様 (Audit Log)",
        "# 監査記録の仕様 (Audit Log)",
    ),
    Rule(
        "docs_name_unique",
        "two documents have the same file name",
        "docs/",
        "decisions/audit-log.md\nspecs/audit-log.md",
        "decisions/audit-log-retention.md\nspecs/audit-log.md",
    ),
    Rule(
        "profile_exists",
        "there is no project.profile.yaml",
        _PROFILE,
        None,
        'schema_version: "2.0.0"',
    ),
    Rule(
        "profile_required_keys",
        "the profile is no valid YAML, or breaks its schema",
        _PROFILE,
        "project:\n  name:",
        "project:\n  name: audit",
    ),
)

_STATE: Final = (
    Rule(
        "state_json_valid",
        "state.json is no JSON object, or a value in it is not allowed",
        "state.json",
        '"updated_at": "2026/02/20 15:56"',
        '"updated_at": "2026-02-20T15:56:05+09:00"',
    ),
    Rule(
        "dependencies_declared",
        "depends_on is missing, no list, or has a blank or double entry",
        "state.json",
        '"depends_on": null',
        '"depends_on": []',
    ),
    Rule(
        "dependencies_no_self",
        "a task depends on itself",
        "state.json",
        f'"depends_on": ["{_DONE}"]',
        '"depends_on": []',
        f"the task {_DONE}",
    ),
    Rule(
        "dependencies_exist",
        "a dependency is unknown or cannot be read",
        "state.json",
        '"depends_on": ["2026-01-02__audit-log"]',
        f'"depends_on": ["{_DONE}"]',
    ),
    Rule(
        "dependencies_no_cycle",
        "tasks wait for each other in a ring",
        "state.json",
        f'"depends_on": ["{_NEXT}"]',
        '"depends_on": []',
        f"a task that {_NEXT} depends on",
    ),
    Rule(
        "dependency_start_gate",
        "a task is in progress or done before one that it depends on",
        "state.json",
        '"state": "in_progress"',
        '"state": "planned"',
        f"a task that depends on {_NEXT}, which is in progress",
    ),
    Rule(
        "dependency_backlog_synced",
        "the backlog names other dependencies than state.json, or none",
        _BACKLOG,
        f"1. `{_NEXT}`\n   - 依存: なし",
        f"1. `{_NEXT}`\n   - 依存: `{_DONE}`",
    ),
)

_DOCUMENTS: Final = (
    Rule(
        "prerequisites_section_present",
        "an active task's file has no prerequisites section, or one without paths that exist",
        "spec.md",
        "## 0. 前提知識 (Prerequisites) (必須)\n\n- 作業の規則",
        "## 0. 前提知識 (Prerequisites) (必須)\n\n- `AGENTS.md`: 作業の規則",
        "a task that is not done",
    ),
    Rule(
        "spec_required_sections_filled",
        "spec.md has a blank list item, or a key without a value",
        "spec.md",
        "- 背景:",
        "- 背景: 誰が設定を変えたかを後から確かめられない",
    ),
    Rule(
        "test_requirements_defined",
        "a block of test requirements or a label in it is missing or blank",
        "spec.md",
        "### 5.1 単体テスト (Unit Test) (必須)\n\n"
        "- **対象**: 監査記録の書き込み\n- **検証項目**: 1 件の変更に 1 行が残る（AC-001）",
        "### 5.1 単体テスト (Unit Test) (必須)\n\n"
        "- **対象**: 監査記録の書き込み\n- **検証項目**: 1 件の変更に 1 行が残る（AC-001）\n"
        "- **合格基準**: `commands.test.command` が成功する",
    ),
    Rule(
        "plan_references_spec",
        "plan.md does not mention spec.md",
        "plan.md",
        "- 仕様: 監査記録の仕様",
        "- 仕様: `spec.md`",
    ),
    Rule(
        "plan_two_stage_defined",
        "plan.md lacks the draft or the final plan",
        "plan.md",
        "## 2. 計画",
        "## 2. 実装計画ドラフト (Plan Draft)",
    ),
    Rule(
        "docs_index_updated",
        "spec.md lists no document, or one that is not in the index",
        "spec.md",
        "## 9. 関連資料リンク (Reference Links) (必須)\n\n- 監査記録の仕様",
        f"## 9. 関連資料リンク (Reference Links) (必須)\n\n- `{_DOC}`: 監査記録の仕様",
    ),
    Rule(
        "link_targets_exist",
        "a path that a record names does not exist",
        "investigation.md",
        "- 事実 1: 記録する項目は `docs/spec/audit-log.md` にある",
        f"- 事実 1: 記録する項目は `{_DOC}` にある",
    ),
)

_REVIEW: Final = (
    Rule(
        "improvement_findings_present",
        "a done task's review has no complete process finding",
        "review.md",
        "- severity: urgent",
        "- severity: high",
        "a task that is done",
    ),
    Rule(
        "improvement_threshold_enforced",
        "a must or high finding requires no action",
        "review.md",
        "- severity: high\n- action_required: no",
        "- severity: high\n- action_required: yes",
        "a task that is done",
    ),
    Rule(
        "improvement_task_linked",
        "a finding that requires action is not linked to an existing task",
        "review.md",
        "- action_required: yes\n- linked_task_id: none",
        f"- action_required: yes\n- linked_task_id: {_BLOCKED}",
        "a task that is done",
    ),
    Rule(
        "commit_boundaries_tracked",
        "a done task's commits are not recorded as its specification asks",
        "review.md",
        "### 7.1 起票境界 (Kickoff Commit)\n\n- commit: main\n- scope_check: PASS",
        "### 7.1 起票境界 (Kickoff Commit)\n\n- commit: 1a2b3c4\n- scope_check: PASS",
        "a task that is done, with 境界コミット in its spec.md",
    ),
    Rule(
        "review_completed",
        "a done task's review still says PENDING",
        "review.md",
        "- AC-001: PENDING",
        "- AC-001: PASS（変更 1 件に 1 行が残ることを、単体テストで確かめた）",
        "a task that is done",
    ),
)

_QUALITY: Final = (
    Rule(
        "DQ-001",
        "a listed document has no prerequisites section with a path that exists",
        _DOC,
        "## 前提\n\n- 監査の規則",
        "## 0. 前提知識 (Prerequisites)\n\n"
        f"- `{_INDEX}`: 関係する文書\n- `<task_root>/{_DONE}/spec.md`: この仕様を決めたタスク",
    ),
    Rule(
        "DQ-002",
        "a listed document's prerequisites do not name both a document and a task record",
        _DOC,
        f"## 0. 前提知識 (Prerequisites)\n\n- `{_INDEX}`: 関係する文書",
        "## 0. 前提知識 (Prerequisites)\n\n"
        f"- `{_INDEX}`: 関係する文書\n- `<task_root>/{_DONE}/spec.md`: この仕様を決めたタスク",
    ),
    Rule("DQ-003", "a listed document is not in the index", _INDEX, "- （未登録）", _ENTRY),
    Rule(
        "DQ-004",
        "backlog, state and dependencies do not agree",
        _BACKLOG,
        f"3. `{_BLOCKED}`\n   - 依存: `{_DONE}`",
        f"3. `{_BLOCKED}`\n   - 依存: なし",
    ),
)

_GOVERNANCE: Final = (
    Rule(
        "R-001",
        "the profile's schema changed without a new schema_version",
        _SCHEMA,
        '"schema_version": "2.0.0",\n"supported_profile_schema_versions": ["2.0.0", "2.1.0"]',
        '"schema_version": "2.1.0",\n"supported_profile_schema_versions": ["2.0.0", "2.1.0"]',
        base=_BASE,
    ),
    Rule(
        "R-002",
        "the schema's version is not major.minor.patch",
        _SCHEMA,
        '"schema_version": "2.1",\n"supported_profile_schema_versions": ["2.0.0", "2.1"]',
        '"schema_version": "2.1.0",\n"supported_profile_schema_versions": ["2.0.0", "2.1.0"]',
        base=_BASE,
    ),
    Rule(
        "R-003",
        "the schema's version is not among those that it supports",
        _SCHEMA,
        '"schema_version": "2.1.0",\n"supported_profile_schema_versions": ["2.0.0"]',
        '"schema_version": "2.1.0",\n"supported_profile_schema_versions": ["2.0.0", "2.1.0"]',
        base=_BASE,
    ),
    Rule(
        "R-004",
        "the schema has a breaking change without a higher major version",
        _SCHEMA,
        '"schema_version": "2.1.0",\n"supported_profile_schema_versions": ["2.1.0"]',
        '"schema_version": "3.0.0",\n"supported_profile_schema_versions": ["3.0.0"]',
        base=_BASE,
    ),
    Rule(
        "R-005",
        "more of the schema than its supported versions changed without a higher major version",
        _SCHEMA,
        '"schema_version": "2.1.0",\n"supported_profile_schema_versions": ["2.0.0", "2.1.0"],\n'
        '"forbidden_placeholders": ["TODO_SET_ME", "FIXME"]',
        '"schema_version": "3.0.0",\n"supported_profile_schema_versions": ["2.0.0", "3.0.0"],\n'
        '"forbidden_placeholders": ["TODO_SET_ME", "FIXME"]',
        base=f'{_BASE},\n"forbidden_placeholders": ["TODO_SET_ME"]',
    ),
)

RULES: Final[dict[str, Rule]] = {
    rule.rule_id: rule for rule in (*_FILES, *_STATE, *_DOCUMENTS, *_REVIEW, *_QUALITY, *_GOVERNANCE)
}
"""Every rule by its id."""
