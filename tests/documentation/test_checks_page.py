"""docs/checks.md: made from the rules, and what it shows as failing fails, as mended does not."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from agentrail_runtime.checks import page, profile_rule
from agentrail_runtime.checks.finding import Finding
from agentrail_runtime.checks.markdown import Document
from agentrail_runtime.checks.record import REQUIRED
from agentrail_runtime.checks.rule import RULES, Rule
from tests.checks_support import (
    BACKLOG,
    BLOCKED,
    DOC,
    DONE,
    IN_PROGRESS,
    INDEX,
    PLANNED,
    ROOT,
    Texts,
    at,
    audit,
    in_sync,
    repository,
    text_of,
)
from tests.documentation.page import ROOT as PROJECT
from tests.documentation.page import blocks, table

SPEC, PLAN, REVIEW = at(PLANNED, "spec.md"), at(PLANNED, "plan.md"), at(DONE, "review.md")
WAITS = r'"depends_on": \[[^]]*\]'
ENTRY = r"- `docs/specs/audit-log\.md` - .*"
ZERO = r"## 0\. .*\n\n(?:- .*\n)*- .*"
PLACES = {
    "file_readable": (at(PLANNED, "request.md"), r"- タイトル: .*"),
    "docs_index_in_sync": (INDEX, ENTRY),
    "docs_title_present": (DOC, r"# .*"),
    "profile_required_keys": ("project.profile.yaml", r"project:\n(?:  #.*\n)?  name: .*"),
    "state_json_valid": (at(PLANNED, "state.json"), r'"updated_at": ".*"'),
    "dependencies_declared": (at(BLOCKED, "state.json"), WAITS),
    "dependencies_no_self": (at(DONE, "state.json"), WAITS),
    "dependencies_exist": (at(IN_PROGRESS, "state.json"), WAITS),
    "dependencies_no_cycle": (at(DONE, "state.json"), WAITS),
    "dependency_start_gate": (at(PLANNED, "state.json"), r'"state": ".*"'),
    "dependency_backlog_synced": (BACKLOG, r"1\. `2026.*\n.*\n   - 依存.*"),
    "prerequisites_section_present": (SPEC, ZERO),
    "spec_required_sections_filled": (SPEC, r"- 背景: .*"),
    "test_requirements_defined": (SPEC, r"### 5\.1 .*\n\n(?:- .*\n)*- .*"),
    "plan_references_spec": (PLAN, r"- 仕様: .*"),
    "plan_two_stage_defined": (PLAN, r"## 2\. .*"),
    "docs_index_updated": (SPEC, r"## 9\. .*\n\n(?:- .*\n)*- .*"),
    "link_targets_exist": (at(PLANNED, "investigation.md"), r"- 事実 1: .*"),
    "improvement_findings_present": (REVIEW, r"- severity: .*"),
    "improvement_threshold_enforced": (REVIEW, r"- action_required: .*"),
    "improvement_task_linked": (REVIEW, r"- action_required: .*\n- linked_task_id: .*"),
    "commit_boundaries_tracked": (REVIEW, r"### 7\.1 .*\n\n(?:- .*\n)*- .*"),
    "review_completed": (REVIEW, r"- AC-001: .*"),
    "DQ-001": (DOC, ZERO),
    "DQ-002": (DOC, ZERO),
    "DQ-003": (INDEX, ENTRY),
    "DQ-004": (BACKLOG, r"3\. `2026.*\n.*\n   - 依存.*"),
}
"""Where the texts of the examples belong in a valid repository."""
REMOVED = {
    "plan_references_spec": r"(?<!仕様: `)spec\.md",
    "improvement_threshold_enforced": r"- severity: .*\n",
}
"""What of it must not stand elsewhere in the file for an example to be all that is said."""


def test_the_page_is_made_from_the_rules() -> None:
    hint = "make it again: python -m agentrail_runtime.checks.page > docs/checks.md"
    assert (PROJECT / "docs" / "checks.md").read_text(encoding="utf-8") == page.render(), hint


def test_running_the_module_prints_the_page(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    runpy.run_path(str(Path(page.__file__)), run_name="__main__")
    assert capsysbinary.readouterr().out.decode() == page.render()


def test_the_page_lists_each_rule_once_and_shows_it_failing_and_mended() -> None:
    rows = [f"[`{rule_id}`](#{rule_id.lower()})" for rule_id in RULES]
    assert [row[0] for row in table(page.render(), "Rule")] == rows
    headings = [heading.text for heading in Document(page.render()).headings if heading.level == 2]
    assert headings == ["Contents", *RULES]
    texts = [(rule.base, rule.failing, rule.mended) for rule in RULES.values()]
    shown = [text.replace("\0", r"\x00") for three in texts for text in three if text]
    assert [block.code.rstrip("\n") for block in blocks(page.render())] == shown


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_what_the_page_shows_as_failing_fails_and_as_mended_passes(rule: Rule) -> None:
    judge = next(judge for begins, judge in JUDGES if rule.rule_id.startswith(begins))
    assert rule.rule_id in {finding.rule_id for finding in judge(rule, rule.failing)}
    assert judge(rule, rule.mended) == []


def put_in_place(rule: Rule, text: str | None) -> list[Finding]:
    """Return what is found where `text` stands in the place of what a valid repository has there."""
    texts = repository()
    path, pattern = PLACES[rule.rule_id]
    before = text_of(texts, path)
    before = re.sub(REMOVED.get(rule.rule_id, r"(?!)"), "", before)
    assert text is not None
    new = text.replace("<task_root>", ROOT)
    texts[path], count = re.subn(pattern, lambda _: new, before, count=1)
    assert count == 1
    return audit(texts, mode="fail")


def remove(rule: Rule, text: str | None) -> list[Finding]:
    """Return what is found where the file is missing; where it begins with `text`, it is there."""
    texts = repository()
    if text is None:
        del texts[rule.path]
    else:
        assert text in text_of(texts, rule.path)
    return audit(texts, mode="fail")


def six_files(rule: Rule, text: str | None) -> list[Finding]:
    """Return what is found where only the files that `text` names are in a record."""
    assert text is not None
    texts = repository()
    for name in set(REQUIRED) - set(text.split()):
        del texts[at(PLANNED, name)]
    return audit(texts, mode="fail")


def two_names(rule: Rule, text: str | None) -> list[Finding]:
    """Return what is found where there are the documents that `text` names."""
    assert text is not None
    added: Texts = {f"{rule.path}{name}": "# 保存期間\n" for name in text.split()}
    return audit(in_sync(added | repository()), mode="fail")


def governed(rule: Rule, text: str | None) -> list[Finding]:
    """Return what is found where a schema changes to `text`."""
    base, head = (
        profile_rule.load_schema(f'{{"schema_id": "a", "required_keys": [],\n{part}}}')
        for part in (rule.base, text)
    )
    return profile_rule.check_governance(base, head, rule.path)


Judge = Callable[[Rule, "str | None"], "list[Finding]"]
JUDGES: list[tuple[str, Judge]] = [
    ("R-", governed),
    ("required_files_present", six_files),
    ("docs_name_unique", two_names),
    ("docs_index_exists", remove),
    ("profile_exists", remove),
    ("", put_in_place),
]
