"""The texts that a new task makes: filled templates, a backlog entry, a linked finding."""

from __future__ import annotations

import pytest

from agentrail_runtime.checks import backlog, review_rule, template
from agentrail_runtime.checks.markdown import Document
from agentrail_runtime.checks.state import StateError

ID = "2026-01-15__a-b"
OTHER = "2026-01-10__c"
NOW = "2026-01-15T10:00:00+09:00"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("- タイトル: （記入: 一文で）\n", "- タイトル: 題\n"),
        ("- タイトル: （記入）\r\n- 担当: x\r\n", "- タイトル: 題\r\n- 担当: x\r\n"),
        ("- タイトル：（記入）", "- タイトル： 題"),
        ("- **タイトル**: （記入）\n", "- **タイトル**: 題\n"),
        ("- **タイトル:** （記入）\n", "- **タイトル:** 題\n"),
        ("* タイトル:\n", "* タイトル: 題\n"),
        ("\ufeff# 依頼\n\n- タイトル: x\n", "\ufeff# 依頼\n\n- タイトル: 題\n"),
        ("- タイトル: x\n- タイトル: y\n", "- タイトル: 題\n- タイトル: y\n"),
        ("```\n- タイトル: x\n```\n- タイトル: y\n", "```\n- タイトル: x\n```\n- タイトル: 題\n"),
        ("<!--\n- タイトル: x\n-->\n", "<!--\n- タイトル: x\n-->\n"),
        ("- 題名: x\n- word\n", "- 題名: x\n- word\n"),
    ],
)
def test_a_blank_is_filled_by_its_label_and_nothing_else_is_touched(before: str, after: str) -> None:
    assert template.fill(before, {"タイトル": "題"}) == after


def test_the_state_has_the_keys_in_order_and_keeps_what_the_template_adds() -> None:
    text = '{"reviewer": "山田", "state": "done", "owner": "x", "depends_on": ["y"]}'
    assert template.fill_state(text, updated_at=NOW, depends_on=[OTHER]) == (
        "{\n"
        '  "state": "planned",\n'
        '  "owner": "unassigned",\n'
        f'  "updated_at": "{NOW}",\n'
        '  "blocking_issues": [],\n'
        '  "depends_on": [\n'
        f'    "{OTHER}"\n'
        "  ],\n"
        '  "reviewer": "山田"\n'
        "}\n"
    )


def test_the_state_of_a_template_with_crlf_has_crlf() -> None:
    filled = template.fill_state("{\r\n}\r\n", updated_at=NOW, depends_on=[])
    assert filled.count("\r\n") == filled.count("\n") == 7


def test_a_state_template_that_is_no_object_is_refused() -> None:
    with pytest.raises(StateError, match="expected a JSON object, found a list"):
        template.fill_state("[]", updated_at=NOW, depends_on=[])


BACKLOG = "# Backlog\n\n## 優先タスク一覧\n\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("（登録なし）\n", f"1. `{ID}`\n   - 依存: なし\n"),
        ("- （登録なし）\n\n## 次\n", f"1. `{ID}`\n   - 依存: なし\n\n## 次\n"),
        ("（登録なし）", f"1. `{ID}`\n   - 依存: なし"),
        ("", f"1. `{ID}`\n   - 依存: なし\n\n"),
        ("着手順。\n\n\n## 次\n", f"着手順。\n\n1. `{ID}`\n   - 依存: なし\n\n\n## 次\n"),
        ("着手順。\n## 次\n", f"着手順。\n\n1. `{ID}`\n   - 依存: なし\n\n## 次\n"),
    ],
)
def test_the_first_entry_of_the_backlog_takes_the_place_of_nothing(before: str, after: str) -> None:
    assert template.add_entry(BACKLOG + before, ID, []) == BACKLOG + after


def test_a_heading_at_the_very_end_gets_its_first_entry() -> None:
    added = template.add_entry("## 優先タスク一覧", ID, [])
    assert added == f"## 優先タスク一覧\n\n1. `{ID}`\n   - 依存: なし"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("1. `x`\n   - 依存: なし\n", f"2. `{ID}`\n   - 依存: `{OTHER}`\n", id="numbered"),
        pytest.param("3) `x`\n   - 依存: なし\n", f"4) `{ID}`\n   - 依存: `{OTHER}`\n", id="bracket"),
        pytest.param(
            "1. `x`\n   - 依存: なし\n1. `y`\n   - 依存: なし\n",
            f"1. `{ID}`\n   - 依存: `{OTHER}`\n",
            id="all ones",
        ),
        pytest.param("- `x`\n  - 依存: なし\n", f"- `{ID}`\n  - 依存: `{OTHER}`\n", id="bullets"),
        pytest.param("* `x`\n    * 依存: なし\n", f"* `{ID}`\n    * 依存: `{OTHER}`\n", id="stars"),
        pytest.param(
            "10. `x`\n   - 依存: なし\n",
            f"11. `{ID}`\n    - 依存: `{OTHER}`\n",
            id="indented too little",
        ),
        pytest.param(
            "9. `x`\n   - 依存: なし\n", f"10. `{ID}`\n    - 依存: `{OTHER}`\n", id="one digit more"
        ),
        pytest.param("- `x`\n", f"- `{ID}`\n  - 依存: `{OTHER}`\n", id="no dependency line"),
        pytest.param("- `x`\n  - **依存**: なし\n", f"- `{ID}`\n  - **依存**: `{OTHER}`\n", id="bold"),
        pytest.param(
            "1. `x`\n   - 依存: なし\n\n2. `y`\n   - 依存: なし\n",
            f"\n3. `{ID}`\n   - 依存: `{OTHER}`\n",
            id="blank lines between",
        ),
        pytest.param("1.\t`x`\n", f"1. `{ID}`\n   - 依存: `{OTHER}`\n", id="a tab"),
        pytest.param(
            "1. `x`\nlazy\n\n   more\n", f"2. `{ID}`\n   - 依存: `{OTHER}`\n", id="text in the entry"
        ),
    ],
)
def test_a_further_entry_has_the_style_of_the_last_one(before: str, after: str) -> None:
    assert template.add_entry(BACKLOG + before, ID, [OTHER]) == BACKLOG + before + after


@pytest.mark.parametrize(
    "behind", ["\n## 次\n\n- x\n", "\n### 保留\n", "<!-- 終わり -->\n", "\n以上。\n", "- 覚え書き\n"]
)
def test_what_stands_behind_the_last_entry_stays_behind_it(behind: str) -> None:
    entry, new = "- `x`\n  - 依存: なし\n", f"- `{ID}`\n  - 依存: なし\n"
    assert template.add_entry(BACKLOG + entry + behind, ID, []) == BACKLOG + entry + new + behind


def test_an_english_backlog_gets_an_english_entry() -> None:
    assert template.add_entry("## Priority Tasks\n", ID, []) == (
        f"## Priority Tasks\n\n1. `{ID}`\n   - Depends on: none\n"
    )
    entry = "## Priority Task List\n\n- `x`\n  - Depends on: none\n"
    assert template.add_entry(entry, ID, []) == f"{entry}- `{ID}`\n  - Depends on: none\n"


def test_a_backlog_keeps_crlf_and_its_byte_order_mark() -> None:
    text = "\ufeff## 優先タスク一覧\r\n\r\n（登録なし）\r\n"
    assert template.add_entry(text, ID, []) == (
        f"\ufeff## 優先タスク一覧\r\n\r\n1. `{ID}`\r\n   - 依存: なし\r\n"
    )


def test_several_dependencies_are_read_back_as_they_were_given() -> None:
    added = template.add_entry(BACKLOG, ID, [OTHER, "2026-01-11__d"])
    assert added is not None
    assert backlog.load(added)[0].depends_on == frozenset({OTHER, "2026-01-11__d"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# 優先タスク一覧\n",
        "## 他の一覧\n",
        "## 優先タスク一覧\n\n```\nnever closed\n",
        "## 優先タスク一覧\n\n<!--\nnever closed\n",
    ],
)
def test_a_backlog_that_has_no_place_for_an_entry_is_left_alone(text: str) -> None:
    assert template.add_entry(text, ID, []) is None


REVIEW = "# レビュー\n\n## 6. プロセス改善案 (Process Findings) (必須)\n\n### 6.1 案\n\n"


def linked(bullets: str) -> str:
    block = review_rule.finding_block(Document(REVIEW + bullets), "F-001")
    assert block is not None
    text = template.link_finding(REVIEW + bullets, block, ID)
    assert text.startswith(REVIEW)
    return text.removeprefix(REVIEW)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("- linked_task_id: none\n", f"- linked_task_id: {ID}\n"),
        ("- linked_task_id: `none`\r\n", f"- linked_task_id: `{ID}`\r\n"),
        ("- `linked_task_id`: none\n", f"- `linked_task_id`: {ID}\n"),
        ("- **linked_task_id**: none  \n", f"- **linked_task_id**: {ID}  \n"),
        ("- linked_task_id: none <!-- 未定 -->\n", f"- linked_task_id: {ID} <!-- 未定 -->\n"),
        ("- linked_task_id: まだ、未定\n", f"- linked_task_id: {ID}\n"),
        ("- linked_task_id:", f"- linked_task_id: {ID}"),
        (
            "- linked_task_id: x\n- linked_task_id: y\n",
            f"- linked_task_id: {ID}\n- linked_task_id: y\n",
        ),
    ],
)
def test_the_link_of_a_finding_is_set_and_no_other_byte(before: str, after: str) -> None:
    assert linked(f"- finding_id: F-001\n{before}") == f"- finding_id: F-001\n{after}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "- **finding_id**: F-001\n- **Action_required**: yes\n- evidence: x\n",
            f"- **finding_id**: F-001\n- **Action_required**: yes\n- linked_task_id: {ID}\n"
            "- evidence: x\n",
        ),
        ("- `finding_id`: F-001\n", f"- `finding_id`: F-001\n- linked_task_id: {ID}\n"),
        ("* finding_id: F-001", f"* finding_id: F-001\n* linked_task_id: {ID}"),
    ],
)
def test_a_finding_without_a_link_gets_one(before: str, after: str) -> None:
    assert linked(before) == after


def test_the_link_that_a_finding_gets_has_the_line_end_of_the_review() -> None:
    text = f"{REVIEW}- finding_id: F-001\n- summary: x\n".replace("\n", "\r\n")
    block = review_rule.finding_block(Document(text), "f-001")
    assert block is not None
    added = f"\r\n- linked_task_id: {ID}\r\n- summary: x\r\n"
    assert template.link_finding(text, block, ID).endswith(added)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("- summary: 一行\n- evidence: x\n", "一行"),
        ("- **summary**: `a.md` を直す\n", "`a.md` を直す"),
        ("- summary: 続く\n  文\n  である\n\n他\n", "続く 文 である"),
        ("- summary: 続く\r\n  文\r\n# 次\r\n", "続く 文"),
        ("- summary: 案 <!-- 覚え -->", "案"),
        ("- summary:\n  - 一つ\n  - 二つ\n- evidence: x\n", "一つ 二つ"),
        ("  - summary: 一つ\n  - evidence: x\n", "一つ"),
        ("- summary\n", ""),
    ],
)
def test_a_value_is_read_whole(text: str, value: str) -> None:
    assert template.value_at(text, 1) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("一行 の\n題\t名", "一行 の 題 名"),
        ("`gone.md` を直す", "gone.md を直す"),
        ("`kept.md` を直す", "`kept.md` を直す"),
        ("``gone.md`` を直す", "gone.md を直す"),
        ("` を直す", " を直す"),
        ("<!-- 隠れる -->", r"\<!-- 隠れる -->"),
    ],
)
def test_a_users_line_breaks_no_rule(text: str, told: str) -> None:
    assert template.inert(text, lambda code: code == "gone.md") == told
