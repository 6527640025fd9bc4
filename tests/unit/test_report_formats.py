"""A report in each format: what a person, a runner and a program get, whatever the files are called."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote_to_bytes

import click
import pytest

from agentrail_runtime.checks import render
from agentrail_runtime.checks.finding import Finding, Report, Result
from agentrail_runtime.checks.rule import RULES

ERROR = Finding("link_targets_exist", "work/a/spec.md", 7, "expected x, found none", "write it")
WARNING = Finding("DQ-001", "docs/specs/監査.md", 1, "前提知識がない", "書く", "warning")
REPORT = Report("check", (Result(None), Result("a", (ERROR, WARNING)), Result("b", (WARNING,))))
PASSED = Report("state-validate", (Result("a"),))
HOSTILE = "work/a\nb\r%,:\x1b[31m\x85\u2028\u202e\udcff\ud800.md"
SHOWN = "work/a\\x0ab\\x0d%,:\\x1b[31m\\x85\\u2028\\u202e\\xff\\ud800.md"


def plain(text: str, **style: Any) -> str:
    return text


def hostile() -> Report:
    finding = Finding("file_readable", HOSTILE, 1, f"found {HOSTILE}", f"rename {HOSTILE}")
    return Report("check", (Result(HOSTILE, (finding,)),))


# --- text -------------------------------------------------------------------------------------------


def test_a_person_reads_place_rule_message_and_remedy_then_the_sum() -> None:
    assert [*render.as_text(REPORT, style=plain)] == [
        "docs/specs/監査.md:1: DQ-001: 前提知識がない",
        "    hint: 書く",
        "work/a/spec.md:7: link_targets_exist: expected x, found none",
        "    hint: write it",
        "FAIL: check: 2 tasks, 1 finding, 1 warning",
    ]


def test_warnings_can_be_left_out_but_for_their_number() -> None:
    assert [*render.as_text(REPORT, style=plain, errors_only=True)] == [
        "work/a/spec.md:7: link_targets_exist: expected x, found none",
        "    hint: write it",
        "FAIL: check: 2 tasks, 1 finding, 1 warning",
    ]


@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        ((), "PASS: check: 0 tasks, 0 findings"),
        ((Result(None),), "PASS: check: 0 tasks, 0 findings"),
        ((Result("a"), Result("b")), "PASS: check: 2 tasks, 0 findings"),
        ((Result("a", (WARNING,)),), "PASS: check: 1 task, 0 findings, 1 warning"),
        (
            (Result("a", (ERROR, ERROR._replace(line=8), WARNING, WARNING._replace(line=2))),),
            "FAIL: check: 1 task, 2 findings, 2 warnings",
        ),
    ],
)
def test_the_last_sentence_counts(results: tuple[Result, ...], sentence: str) -> None:
    assert render.summary(Report("check", results), style=plain) == sentence


def test_errors_are_red_warnings_yellow_and_a_pass_green() -> None:
    text = "\n".join(render.as_text(REPORT, style=click.style))
    assert "\x1b[31mlink_targets_exist\x1b[0m" in text
    assert "\x1b[33mDQ-001\x1b[0m" in text
    assert "\x1b[1mwork/a/spec.md:7\x1b[0m" in text
    assert "\x1b[31mFAIL\x1b[0m" in text
    assert "\x1b[32mPASS\x1b[0m" in render.summary(PASSED, style=click.style)


def test_nothing_in_a_name_reaches_the_terminal_as_a_command() -> None:
    assert [*render.as_text(hostile(), style=plain)][:2] == [
        f"{SHOWN}:1: file_readable: found {SHOWN}",
        f"    hint: rename {SHOWN}",
    ]


def test_japanese_and_wide_spaces_are_shown_as_they_are() -> None:
    assert render.printable("タスク　記録 ✓ 👍") == "タスク　記録 ✓ 👍"


# --- GitHub -----------------------------------------------------------------------------------------


def test_a_runner_gets_an_annotation_on_the_line() -> None:
    assert [*render.as_github(REPORT)] == [
        "::warning file=docs/specs/監査.md,line=1,title=DQ-001::前提知識がない%0Ahint: 書く",
        "::error file=work/a/spec.md,line=7,title=link_targets_exist"
        "::expected x, found none%0Ahint: write it",
    ]
    assert len([*render.as_github(REPORT, errors_only=True)]) == 1


def test_marks_of_the_annotation_itself_are_escaped() -> None:
    finding = Finding("file_readable", "a,b:c%d.md", 1, "100%, a: b", "::error::no")
    (line,) = render.as_github(Report("check", (Result("a", (finding,)),)))
    assert line == (
        "::error file=a%2Cb%3Ac%25d.md,line=1,title=file_readable::100%25, a: b%0Ahint: ::error::no"
    )


def test_no_name_begins_an_annotation_of_its_own() -> None:
    finding = Finding("file_readable", "a\n::warning::b", 1, "c\r\n::stop-commands::d", "e\n::f")
    (line,) = render.as_github(Report("check", (Result("a\n::error::x", (finding,)),)))
    assert re.search("[\r\n]", line) is None
    assert line.endswith("::c\\x0d\\x0a::stop-commands::d%0Ahint: e\\x0a::f")


# --- JSON -------------------------------------------------------------------------------------------


def test_a_program_gets_the_one_shape() -> None:
    warning = {
        "rule_id": "DQ-001",
        "severity": "warning",
        "path": "docs/specs/監査.md",
        "line": 1,
        "message": "前提知識がない\nhint: 書く",
    }
    error = {
        "rule_id": "link_targets_exist",
        "severity": "error",
        "path": "work/a/spec.md",
        "line": 7,
        "message": "expected x, found none\nhint: write it",
    }
    assert render.as_json(REPORT) == {
        "schema_version": "2.0.0",
        "command": "check",
        "status": "FAIL",
        "task_count": 2,
        "failure_count": 1,
        "warning_count": 1,
        "results": [
            {"task_id": None, "status": "PASS", "findings": []},
            {"task_id": "a", "status": "FAIL", "findings": [error, warning]},
            {"task_id": "b", "status": "PASS", "findings": [warning]},
        ],
    }


def test_a_program_gets_names_as_they_are_but_for_what_is_no_utf8() -> None:
    whole = HOSTILE.replace("\udcff", "\\xff").replace("\ud800", "\\ud800")
    value = json.loads(json.dumps(render.as_json(hostile()), ensure_ascii=False).encode())
    (result,) = value["results"]
    assert result["task_id"] == whole
    assert result["findings"][0]["path"] == whole
    assert result["findings"][0]["message"] == f"found {whole}\nhint: rename {whole}"


# --- SARIF ------------------------------------------------------------------------------------------


def test_a_viewer_gets_a_sarif_log() -> None:
    assert render.as_sarif(REPORT, version="1.2.3") == {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "agentrail",
                        "version": "1.2.3",
                        "informationUri": "https://pypi.org/project/agentrail-runtime/",
                        "rules": [
                            {
                                "id": "DQ-001",
                                "shortDescription": {"text": RULES["DQ-001"].fails_when},
                            },
                            {
                                "id": "link_targets_exist",
                                "shortDescription": {"text": RULES["link_targets_exist"].fails_when},
                            },
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [
                    {
                        "ruleId": "DQ-001",
                        "ruleIndex": 0,
                        "level": "warning",
                        "message": {"text": "前提知識がない\nhint: 書く"},
                        "locations": [
                            {
                                "physicalLocation": {
                                    "artifactLocation": {
                                        "uri": "docs/specs/%E7%9B%A3%E6%9F%BB.md",
                                        "uriBaseId": "%SRCROOT%",
                                    },
                                    "region": {"startLine": 1},
                                }
                            }
                        ],
                    },
                    {
                        "ruleId": "link_targets_exist",
                        "ruleIndex": 1,
                        "level": "error",
                        "message": {"text": "expected x, found none\nhint: write it"},
                        "locations": [
                            {
                                "physicalLocation": {
                                    "artifactLocation": {
                                        "uri": "work/a/spec.md",
                                        "uriBaseId": "%SRCROOT%",
                                    },
                                    "region": {"startLine": 7},
                                }
                            }
                        ],
                    },
                ],
            }
        ],
    }


def test_a_viewer_gets_a_log_without_results_where_all_passes() -> None:
    (run,) = render.as_sarif(PASSED, version="1.2.3")["runs"]
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])


def test_a_viewer_finds_a_file_whatever_it_is_called() -> None:
    name = "work/a b#c?%:\n\udcff.md"
    finding = Finding("file_readable", name, 1, f"found {name}", "rename it")
    log = render.as_sarif(Report("check", (Result("a", (finding,)),)), version="1.2.3")
    (result,) = json.loads(json.dumps(log, ensure_ascii=False).encode())["runs"][0]["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert re.fullmatch(r"[A-Za-z0-9_.~/%-]+", uri)
    assert unquote_to_bytes(uri) == b"work/a b#c?%:\n\xff.md"
    assert result["message"]["text"] == "found work/a b#c?%:\n\\xff.md\nhint: rename it"
