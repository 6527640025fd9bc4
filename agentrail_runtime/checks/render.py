"""A report as text for a person, as annotations for GitHub, and as JSON and SARIF for programs.

Paths and messages repeat what files and directories hold, so that nothing in them is trusted: no
control character leaves here that a terminal or a runner would obey.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any, Final

from agentrail_runtime.checks.finding import Finding, Report
from agentrail_runtime.checks.rule import RULES
from agentrail_runtime.document import Json

SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_HOME: Final = "https://pypi.org/project/agentrail-runtime/"
# Control characters, other line ends, what turns the direction of writing, and halves of characters.
_UNPRINTABLE: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_HALF: Final = re.compile(r"[\ud800-\udfff]")

Style = Callable[..., str]


def as_text(report: Report, *, style: Style, errors_only: bool = False) -> Iterator[str]:
    """Yield the lines for a person: the findings, a remedy once for all that share it, one sentence.

    Args:
        report: what was found.
        style: puts text in colour, as `click.style` does.
        errors_only: leave the warnings out.
    """
    found = _chosen(report, errors_only=errors_only)
    for finding, following in zip_longest(found, found[1:]):
        colour = "red" if finding.severity == "error" else "yellow"
        place = style(f"{printable(finding.path)}:{finding.line}", bold=True)
        yield f"{place}: {style(finding.rule_id, fg=colour)}: {printable(finding.message)}"
        if following is None or following.hint != finding.hint:
            yield f"    hint: {printable(finding.hint)}"
    yield summary(report, style=style)


def summary(report: Report, *, style: Style) -> str:
    """Return the sentence that says how it came out."""
    found = report.findings()
    errors = sum(finding.severity == "error" for finding in found)
    warnings = len(found) - errors
    status = style("PASS", fg="green") if report.is_passed else style("FAIL", fg="red")
    counts = [_counted(errors, "finding"), *([_counted(warnings, "warning")] if warnings else [])]
    return f"{status}: {report.command}: {_counted(report.task_count, 'task')}, {', '.join(counts)}"


def as_github(report: Report, *, errors_only: bool = False) -> Iterator[str]:
    """Yield workflow commands that annotate the lines.

    See https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands.

    Args:
        report: what was found.
        errors_only: leave the warnings out.
    """
    for finding in _chosen(report, errors_only=errors_only):
        path, rule_id = _property(printable(finding.path)), _property(finding.rule_id)
        message = _data(f"{printable(finding.message)}\nhint: {printable(finding.hint)}")
        yield f"::{finding.severity} file={path},line={finding.line},title={rule_id}::{message}"


def as_json(report: Report) -> Json:
    """Return the report as the JSON document of record-formats, whatever can be written in UTF-8."""
    value = report.as_json()
    for result in value["results"]:
        result["task_id"] = result["task_id"] and _whole(result["task_id"])
        for finding in result["findings"]:
            finding["path"], finding["message"] = _whole(finding["path"]), _whole(finding["message"])
    return value


def as_sarif(report: Report, *, version: str) -> Json:
    """Return the SARIF 2.1.0 log of the report.

    See https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.

    Args:
        report: what was found.
        version: the version of this package.
    """
    found = report.findings()
    used = sorted({finding.rule_id for finding in found})
    driver = {
        "name": "agentrail",
        "version": version,
        "informationUri": _HOME,
        "rules": [_sarif_rule(rule_id) for rule_id in used],
    }
    results = [_sarif_result(finding, used.index(finding.rule_id)) for finding in found]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def printable(text: str) -> str:
    r"""Return `text` with what a terminal would obey as ``\x1b``, a byte of no UTF-8 as ``\xff``."""
    return _UNPRINTABLE.sub(_escaped, text)


def _whole(text: str) -> str:
    """Return `text` as it is but for what cannot be written in UTF-8."""
    return _HALF.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    if 0xDC80 <= number <= 0xDCFF:  # a byte of a file name, as os.fsdecode has it
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _chosen(report: Report, *, errors_only: bool) -> list[Finding]:
    return [f for f in report.findings() if f.severity == "error" or not errors_only]


def _sarif_rule(rule_id: str) -> dict[str, Any]:
    return {"id": rule_id, "shortDescription": {"text": RULES[rule_id].fails_when}}


def _sarif_result(finding: Finding, index: int) -> dict[str, Any]:
    from urllib.parse import quote  # 3 ms that no other format needs

    uri = quote(finding.path.encode("utf-8", "surrogateescape"))
    place = {
        "artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": finding.line},
    }
    return {
        "ruleId": finding.rule_id,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": f"{_whole(finding.message)}\nhint: {_whole(finding.hint)}"},
        "locations": [{"physicalLocation": place}],
    }


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
