"""What a check finds, and the one shape of a report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from agentrail_runtime.document import Json

REPORT_VERSION: Final = "2.0.0"

Severity = Literal["error", "warning"]
Mode = Literal["off", "warning", "fail"]


class Finding(NamedTuple):
    """One breach of one rule.

    Args:
        rule_id: an id of `agentrail_runtime.checks.rule.RULES`.
        path: the file, relative to the repository's root, with ``/``.
        line: where in it, from 1.
        message: what is wrong: what was expected, and what was found.
        hint: how to mend it.
        severity: whether it fails the check.
    """

    rule_id: str
    path: str
    line: int
    message: str
    hint: str
    severity: Severity = "error"

    def as_warning(self) -> Finding:
        """Return the same as a warning."""
        return self._replace(severity="warning")

    def as_json(self) -> Json:
        """Return the value that stands for it in a report."""
        return {
            "rule_id": self.rule_id,
            "severity": self.severity,
            "path": self.path,
            "line": self.line,
            "message": f"{self.message}\nhint: {self.hint}",
        }


class Result(NamedTuple):
    """What was found in one task record, or in the repository as a whole where `task_id` is None."""

    task_id: str | None
    findings: tuple[Finding, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Whether nothing is wrong with it but warnings."""
        return all(finding.severity == "warning" for finding in self.findings)

    def as_warnings(self) -> Result:
        """Return the same with every finding as a warning."""
        return Result(self.task_id, tuple(finding.as_warning() for finding in self.findings))

    def as_json(self) -> Json:
        """Return the value that stands for it in a report."""
        return {
            "task_id": self.task_id,
            "status": _status(self.is_passed),
            "findings": [finding.as_json() for finding in self.findings],
        }


class Report(NamedTuple):
    """All results of one command."""

    command: str
    results: tuple[Result, ...]

    @property
    def is_passed(self) -> bool:
        """Whether there is nothing but warnings."""
        return all(result.is_passed for result in self.results)

    @property
    def task_count(self) -> int:
        """How many task records were looked at."""
        return sum(result.task_id is not None for result in self.results)

    def findings(self) -> list[Finding]:
        """Return every finding once, by path and line, whichever records it was found for.

        What is an error for one record and a warning for another is an error.
        """
        found = {finding: None for result in self.results for finding in result.findings}
        errors = {finding.as_warning() for finding in found if finding.severity == "error"}
        found = {finding: None for finding in found if finding not in errors}
        return sorted(found, key=lambda finding: (finding.path, finding.line, finding.rule_id))

    def as_json(self) -> Json:
        """Return the document that the command prints as JSON."""
        found = self.findings()
        return {
            "schema_version": REPORT_VERSION,
            "command": self.command,
            "status": _status(self.is_passed),
            "task_count": self.task_count,
            "failure_count": _count(found, "error"),
            "warning_count": _count(found, "warning"),
            "results": [result.as_json() for result in self.results],
        }


def _status(is_passed: bool) -> str:  # noqa: FBT001 - its only argument
    return "PASS" if is_passed else "FAIL"


def _count(findings: Iterable[Finding], severity: Severity) -> int:
    return sum(finding.severity == severity for finding in findings)
