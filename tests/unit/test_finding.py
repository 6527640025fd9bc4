"""A report counts what was found once, and an error for one task is no warning for all."""

from __future__ import annotations

from agentrail_runtime.checks.finding import Finding, Report, Result

WRONG = Finding("dependency_backlog_synced", "docs/backlog.md", 7, "expected a, found b", "write a")
OTHER = Finding("review_completed", "work/a/review.md", 3, "expected a result, found none", "write it")


def test_a_finding_of_two_tasks_counts_once() -> None:
    report = Report("check", (Result("a", (OTHER, WRONG)), Result("b", (WRONG,))))
    assert report.findings() == [WRONG, OTHER]
    assert (report.as_json()["failure_count"], report.as_json()["warning_count"]) == (2, 0)


def test_what_is_an_error_for_one_task_is_no_warning_for_another() -> None:
    report = Report("check", (Result("a", (WRONG,)), Result("b", (WRONG, OTHER)).as_warnings()))
    assert report.findings() == [WRONG, OTHER.as_warning()]


def test_warnings_alone_pass() -> None:
    report = Report("check", (Result(None), Result("a", (WRONG,)).as_warnings()))
    assert report.is_passed
    assert not Report("check", (Result("a", (WRONG,)),)).is_passed


def test_the_json_says_all_of_it_in_one_shape() -> None:
    report = Report("consistency-check", (Result(None), Result("a", (WRONG, OTHER.as_warning()))))
    assert report.as_json() == {
        "schema_version": "2.0.0",
        "command": "consistency-check",
        "status": "FAIL",
        "task_count": 1,
        "failure_count": 1,
        "warning_count": 1,
        "results": [
            {"task_id": None, "status": "PASS", "findings": []},
            {
                "task_id": "a",
                "status": "FAIL",
                "findings": [
                    {
                        "rule_id": "dependency_backlog_synced",
                        "severity": "error",
                        "path": "docs/backlog.md",
                        "line": 7,
                        "message": "expected a, found b\nhint: write a",
                    },
                    {
                        "rule_id": "review_completed",
                        "severity": "warning",
                        "path": "work/a/review.md",
                        "line": 3,
                        "message": "expected a result, found none\nhint: write it",
                    },
                ],
            },
        ],
    }
