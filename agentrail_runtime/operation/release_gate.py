"""The gate: read events, judge, and record what was decided if asked to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Final, NamedTuple

from agentrail_runtime import decision_log, event_reader
from agentrail_runtime.errors import AgentRailError, UsageError
from agentrail_runtime.release import event
from agentrail_runtime.release.cohort import Collector, Evidence
from agentrail_runtime.release.gate import Judgement, judge, microseconds, rate
from agentrail_runtime.release.policy import STAGES, Policy, Stage
from agentrail_runtime.release.record import MAX_TEXT, Decision


class GateStopError(AgentRailError):
    """A person wants to let pass what the gate stops."""

    code: ClassVar[int] = 3


class NoDataError(AgentRailError):
    """A person wants to let pass what nothing at all is known of."""

    code: ClassVar[int] = 4


class ApproverError(AgentRailError):
    """Who is to have approved may not."""


class Question(NamedTuple):
    """What the gate is asked.

    Args:
        stage: the channel whose installs are judged.
        version: the release, a version as PEP 440 has it.
        events: files, directories and URLs with events.
        now: the moment to judge at; aware.
    """

    stage: Stage
    version: str
    events: tuple[str, ...]
    now: datetime


class Approval(NamedTuple):
    """A person's decision where the numbers do not decide: who approves, and why."""

    approver: str
    reason: str


class Answer(NamedTuple):
    """What the gate said.

    Args:
        judgement: the two tests, and what they come to.
        decision: what was recorded, None if nothing was.
        notes: sentences for the user besides.
    """

    judgement: Judgement
    decision: Decision | None
    notes: tuple[str, ...]

    @property
    def is_passed(self) -> bool:
        """Whether the release may leave the stage now."""
        return (self.decision or self.judgement).verdict == "promote"


def gate(
    question: Question,
    policy: Policy,
    *,
    decisions: str = decision_log.DEFAULT,
    is_recorded: bool = False,
    approval: Approval | None = None,
    actor: str | None = None,
) -> Answer:
    """Judge a version; nothing is written unless that is asked for.

    Args:
        question: what to judge.
        policy: what is asked of a release.
        decisions: the file of decisions.
        is_recorded: whether to add the decision to it.
        approval: a person's decision, for where the gate says to hold; is recorded, too.
        actor: who runs this, None if unnamed.

    Raises:
        UsageError: the version is none, or there are no such events.
        EventFileError: events cannot be read.
        MissingError: there are more than can be read without DuckDB, or some that only it reads.
        GateStopError: approved, but the gate stops it.
        NoDataError: approved, but nothing is known of it.
        ApproverError: the one who approves is not among those who may, or is the actor.
        DecisionLogError: the decision cannot be recorded.
    """
    check_version(question.version)
    if approval is not None:
        _check_text("--approver", approval.approver)
        _check_text("--reason", approval.reason)
    if actor is not None:
        _check_text("--actor", actor)
    files = event_reader.find(question.events)
    now = microseconds(question.now)
    evidence = collect(files, stage=question.stage, version=question.version, now=now)
    judgement = judge(
        evidence, policy, stage=question.stage, version=question.version, now=question.now
    )
    notes = [f"{path}: passed over: a symlink or a special file" for path in files.skipped]
    if approval is not None:
        notes += _approved(judgement, policy, approval, actor)
    decision = None
    if is_recorded or approval is not None:
        decision = _decision(judgement, approval, actor)
        decision_log.append(decisions, decision)
        notes.append(f"recorded in {decisions}")
    return Answer(judgement, decision, tuple(notes))


def collect(files: event_reader.EventFiles, *, stage: Stage, version: str, now: int) -> Evidence:
    """Return what events come to: by the standard library as long as they are few, else by DuckDB.

    Args:
        files: where they are.
        stage: the channel whose installs are judged.
        version: the release.
        now: the moment to judge at, in microseconds since 1970.

    Raises:
        EventFileError: they cannot be read.
        MissingError: DuckDB is needed and not installed.
    """
    if files.tables or files.urls or event_reader.has_more(files.lines):
        from agentrail_runtime import event_query

        return event_query.collect(files, stage=stage, version=version, now=now)
    collector = Collector(stage=stage, version=version, now=now)
    for line in event_reader.lines(files.lines):
        collector.add(line)
    return collector.evidence()


def check_version(version: str) -> None:
    """Make sure that `version` is one.

    Raises:
        UsageError: it is not.
    """
    from packaging.version import Version

    try:
        Version(version)
    except ValueError:  # InvalidVersion is one, and so is a number of too many digits
        raise UsageError(
            f"--version: {version[:80]!r} is no version (expected one as 1.2.3, see PEP 440)",
            hint="name the version that was published",
        ) from None


def approvers(policy: Policy, stage: Stage) -> tuple[str, ...]:
    """Return who may let a release leave a stage: the approvers of the next channel.

    After the last one there is none; there, it is those of that channel itself. None named: anybody.
    """
    following = STAGES[min(STAGES.index(stage) + 1, len(STAGES) - 1)]
    return policy.channels[following].approvers


def _check_text(option: str, text: str) -> None:
    if not text.strip() or not text.isprintable() or len(text) > MAX_TEXT:
        raise UsageError(
            f"{option}: expected a text of one line, at most {MAX_TEXT} characters",
            hint=f"say it in one line after {option}",
        )


def _approved(
    judgement: Judgement, policy: Policy, approval: Approval, actor: str | None
) -> Iterable[str]:
    """Make sure that a person may decide here; return what the user should know besides."""
    about = f"{judgement.version} at {judgement.stage}"
    if judgement.verdict == "stop":
        raise GateStopError(
            f"{about}: the gate says stop, which nobody can overrule: {'; '.join(judgement.reasons)}",
            hint=f"withdraw it: agentrail release withdraw --version {judgement.version}",
        )
    if judgement.is_empty:
        raise NoDataError(
            f"{about}: no first attempt has an outcome yet (expected at least one to decide on)",
            hint="wait for installs, or look whether --events names the right place",
        )
    _check_approver(policy, judgement.stage, approval.approver, actor)
    if judgement.verdict == "promote":
        return ["the gate passes by itself: recorded as its own decision"]
    notes = [f"proven is no more than: {_proven(judgement)}"]
    if not approvers(policy, judgement.stage):
        notes.append("the policy names no approvers: whether this one may was not checked")
    if actor is None:
        notes.append("no --actor is named: whether somebody else approved was not checked")
    return notes


def _check_approver(policy: Policy, stage: Stage, approver: str, actor: str | None) -> None:
    allowed = approvers(policy, stage)
    if allowed and _same(approver) not in map(_same, allowed):
        raise ApproverError(
            f"--approver: {approver} is not among those who may approve (expected "
            f"{' or '.join(allowed)})",
            hint="ask one of them, or change the approvers in the policy",
        )
    if actor is not None and _same(actor) == _same(approver):
        raise ApproverError(
            f"--approver: {approver} runs this, too (expected two different people)",
            hint="ask somebody else to approve",
        )


def _same(name: str) -> str:
    return " ".join(name.split()).casefold()


def _proven(judgement: Judgement) -> str:
    return (
        f"at least {rate(judgement.success_proven)} of first installs succeed, at most "
        f"{rate(judgement.rollback_proven)} of repositories go back (each with 95 % confidence)"
    )


_MOST_REASON: Final = MAX_TEXT - 1


def _decision(judgement: Judgement, approval: Approval | None, actor: str | None) -> Decision:
    is_manual = approval is not None and judgement.verdict == "hold"
    reason = approval.reason if approval is not None and is_manual else "; ".join(judgement.reasons)
    return Decision(
        stage=judgement.stage,
        version=judgement.version,
        verdict="promote" if is_manual else judgement.verdict,
        is_manual=is_manual,
        reason=reason[:_MOST_REASON],
        decided_at=event.moment(judgement.now),
        actor=actor,
        approver=approval.approver if approval is not None else None,
        successes=judgement.success.good,
        failures=judgement.success.bad,
        kept=judgement.rollback.good,
        rollbacks=judgement.rollback.bad,
        success_proven=judgement.success_proven,
        rollback_proven=judgement.rollback_proven,
        events=judgement.evidence.counters.events,
    )
