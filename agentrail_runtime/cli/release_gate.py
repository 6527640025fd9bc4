"""``agentrail release gate``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import click

from agentrail_runtime import policy_file
from agentrail_runtime.cli.output import Output, options
from agentrail_runtime.cli.release_options import (
    actor_option,
    as_of_option,
    decisions_option,
    tell,
    version_option,
)
from agentrail_runtime.document import Json
from agentrail_runtime.errors import AgentRailError, UsageError
from agentrail_runtime.operation.release_gate import Answer, Approval, Question, gate
from agentrail_runtime.release import chart, event
from agentrail_runtime.release.gate import Course, Judgement, rate
from agentrail_runtime.release.policy import STAGES, Stage
from agentrail_runtime.release.record import Verdict

_CODES: Final[dict[Verdict, int]] = {"promote": 0, "stop": 3, "hold": 4}
_COLORS: Final[dict[Verdict, str]] = {"promote": "green", "stop": "red", "hold": "yellow"}

_EPILOG: Final = """\b
Examples:
  agentrail release gate --stage internal --version 1.1.0 --events path/to/events
  agentrail release gate --stage pilot --version 1.1.0 --events s3://bucket/events --record
  agentrail release gate --stage pilot --version 1.1.0 --events path/to/events \\
    --manual --approver "A. Person" --reason "only 40 repositories exist"
"""


@click.command("gate", epilog=_EPILOG)
@click.option(
    "--stage", type=click.Choice(STAGES), required=True, help="The channel whose installs are judged."
)
@version_option
@click.option(
    "--events",
    multiple=True,
    required=True,
    metavar="DIR",
    help="Where events are: files, directories (every *.jsonl and *.parquet below), or URLs such as "
    "s3://…; can be repeated.",
)
@click.option(
    "--policy",
    metavar="FILE",
    help="The distribution policy (default: looked for, then the packaged one).",
)
@as_of_option
@click.option("--record", is_flag=True, help="Add the decision to the file of decisions.")
@click.option(
    "--manual",
    is_flag=True,
    help="Let it pass where the gate holds; recorded. Never where it stops or knows nothing.",
)
@click.option(
    "--approver",
    metavar="NAME",
    help="Who approves of --manual: one of the approvers of the next channel in the policy (after "
    "general, of that one; anybody if none is named), and not the actor.",
)
@click.option("--reason", metavar="TEXT", help="Why, for --manual.")
@actor_option
@decisions_option
@click.option(
    "--chart",
    "chart_file",
    metavar="FILE",
    help="Draw the tests as SVG into FILE, or on the terminal: -.",
)
@options
def command(
    output: Output,
    stage: Stage,
    version: str,
    events: tuple[str, ...],
    policy: str | None,
    now: datetime,
    record: bool,
    manual: bool,
    approver: str | None,
    reason: str | None,
    actor: str | None,
    decisions: str,
    chart_file: str | None,
) -> int:
    """Tell from events whether a version may leave a stage.

    Two sequential tests (Wald) decide: how many first installs succeed, and how many repositories go
    back within their soak or later. One event of a damaged bundle stops a release at once. Events of
    other channels are left out; those that name no channel count.

    Exit code: 0 promote, 4 hold, 3 stop. Nothing is written but with --record, --manual and --chart.
    """
    output.command = "release gate"
    approval = _approval(approver, reason, is_manual=manual)
    found, place = policy_file.find(policy)
    question = Question(stage=stage, version=version, events=events, now=now)
    answer = gate(
        question, found, decisions=decisions, is_recorded=record, approval=approval, actor=actor
    )
    if chart_file not in (None, "-"):
        _write(chart_file, chart.svg(answer.judgement))
    if output.format == "json":
        output.json(as_json(answer, place))
    elif not output.is_quiet:
        output.lines([*_as_text(answer.judgement)])
        if chart_file == "-" or output.is_verbose:
            output.lines(["", *_chart(answer.judgement)])
    tell(output, answer.notes)
    return 0 if answer.is_passed else _CODES[answer.judgement.verdict]


def _approval(approver: str | None, reason: str | None, *, is_manual: bool) -> Approval | None:
    if is_manual and approver is not None and reason is not None:
        return Approval(approver, reason)
    if is_manual:
        raise UsageError(
            "--manual: who approves and why is missing (expected --approver NAME --reason TEXT)",
            hint="name both, or leave --manual out",
        )
    if approver is not None or reason is not None:
        raise UsageError(
            "--approver and --reason belong to a decision of a person (expected --manual, too)",
            hint="add --manual, or leave them out",
        )
    return None


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise AgentRailError(
            f"{path}: cannot be written: {error.strerror}",
            paths=[path],
            hint="name another file with --chart",
        ) from None


def _chart(judgement: Judgement) -> tuple[str, ...]:
    is_unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return chart.text(judgement, is_unicode=is_unicode)


def _as_text(judgement: Judgement) -> Iterator[str]:
    verdict = judgement.verdict
    word = click.style(verdict.upper(), fg=_COLORS[verdict], bold=True)
    yield f"{word}: {judgement.version} at {judgement.stage}"
    yield from (f"  {reason}" for reason in judgement.reasons)
    yield (
        f"first attempts: {judgement.success.good} succeeded, {judgement.success.bad} failed; "
        f"{_decided(judgement.success)}; "
        f"at least {rate(judgement.success_proven)} succeed (95 % confidence)"
    )
    yield (
        f"going back: {judgement.rollback.good} stayed, {judgement.rollback.bad} went back, "
        f"{judgement.soaking} in their {judgement.soak_hours:g} hours of soak; "
        f"{_decided(judgement.rollback)}; "
        f"at most {rate(judgement.rollback_proven)} go back (95 % confidence)"
    )
    codes = judgement.evidence.error_codes
    if codes:
        told = ", ".join(f"{code} ({count})" for code, count in codes.items())
        yield f"exit codes of failed runs: {told}"
    yield f"read: {_counted(judgement)}"


def _decided(course: Course) -> str:
    if course.decision is None:
        return f"undecided, {course.needed} more without a fault would do"
    return f"decided to {course.decision} after {course.decided_after}"


def _counted(judgement: Judgement) -> str:
    counters = judgement.evidence.counters
    counts = counters._asdict()
    told = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join(told) or "nothing"


def as_json(answer: Answer, policy: str | None) -> Json:
    """Return what the gate said, as the document that ``--json`` prints.

    Args:
        answer: what it said.
        policy: the file of the policy, None for the packaged one.
    """
    judgement = answer.judgement
    until = judgement.soaked_until
    return {
        "schema_version": "1.0",
        "command": "release gate",
        "stage": judgement.stage,
        "version": judgement.version,
        "as_of": event.moment(judgement.now),
        "policy": policy,
        "verdict": judgement.verdict,
        "passed": answer.is_passed,
        "reasons": [*judgement.reasons],
        "success": {
            **_course(judgement.success),
            "succeeded": judgement.success.good,
            "failed": judgement.success.bad,
            "proven_at_least": judgement.success_proven,
        },
        "rollback": {
            **_course(judgement.rollback),
            "kept": judgement.rollback.good,
            "rolled_back": judgement.rollback.bad,
            "proven_at_most": judgement.rollback_proven,
            "soaking": judgement.soaking,
            "soak_hours": judgement.soak_hours,
            "soaked_until": None if until is None else event.moment(until),
        },
        "tampered": judgement.evidence.tampered,
        "error_codes": {str(code): count for code, count in judgement.evidence.error_codes.items()},
        "counters": judgement.evidence.counters._asdict(),
        "decision": None if answer.decision is None else answer.decision._asdict(),
        "notes": [*answer.notes],
        "error": None,
    }


def _course(course: Course) -> Json:
    return {
        "decision": course.decision,
        "decided_after": course.decided_after,
        "needed": course.needed,
        "value": course.path[-1],
        "promote_at": course.steps.upper,
        "stop_at": course.steps.lower,
    }
