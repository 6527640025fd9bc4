"""What the gate's recorded decisions say about the phases: who passed the widest channel, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from agentrail_runtime import decision_log
from agentrail_runtime.errors import AgentRailError, typed
from agentrail_runtime.release import event, record
from agentrail_runtime.release.phase import Verdict, is_before
from agentrail_runtime.release.policy import Policy, Stage
from agentrail_runtime.release.record import Decision

DEFAULT_PATH: Final = decision_log.DEFAULT
_WIDEST: Final[Stage] = "general"


class GateError(AgentRailError):
    """No release passed the gate that has to be passed; nothing was changed."""


def verdict(path: str, *, version: str, is_exact: bool) -> Verdict:
    """Tell whether a release passed the gate of the widest channel.

    Args:
        path: the file of decisions.
        version: the version that is made now.
        is_exact: whether it has to be this version. Once the package is the default route, an earlier
            one will do: the next is only on its way through the channels.
    """
    try:
        found = decision_log.read(path).decisions
    except AgentRailError as error:
        return Verdict(is_met=None, text=error.message)
    meant = [found for found in found if found.stage == _WIDEST]
    if is_exact:
        meant = [one for one in meant if not _differs(one.version, version)]
    else:
        meant = [one for one in meant if not is_before(version, one.version)]
    for version_ in dict.fromkeys(one.version for one in meant):
        if record.is_passed(meant, stage=_WIDEST, version=version_):
            newest = record.newest(meant, stage=_WIDEST, version=version_)
            assert newest is not None, "it has passed"
            return Verdict(is_met=True, text=f"{version_} passed at {newest.decided_at}")
    named = version if is_exact else f"{version} or any before it"
    return Verdict(is_met=False, text=f"{path}: no decision to promote {named} from {_WIDEST}")


def demand(path: str, *, stage: Stage, version: str, since: str) -> Decision:
    """Return the decision that holds for a version at a stage, if it lets the package route go on.

    Args:
        path: the file of decisions.
        stage: the channel.
        version: the version.
        since: when the route was suspended, UTC RFC 3339.

    Raises:
        GateError: there is none, it is another than to promote, or it was made before.
        DecisionLogError: the file cannot be read.
    """
    newest = record.newest(decision_log.read(path).decisions, stage=stage, version=version)
    problem = ""
    if newest is None:
        problem = "no decision"
    elif newest.verdict != "promote":
        problem = f"the newest decision is {newest.verdict}"
    elif event.seconds(newest.decided_at) <= event.seconds(since):
        problem = f"the newest decision is of {newest.decided_at}, before the suspension at {since}"
    if newest is not None and not problem:
        return newest
    raise GateError(
        f"{path}: {version} at {stage}: {problem} (expected promote, after {since})",
        paths=[path],
        hint=f"agentrail release gate --stage {stage} --version {version} --events DIR --record "
        f"--decisions {typed(path)}",
    )


def run(policy: Policy, events: tuple[str, ...], *, stage: Stage, version: str, now: datetime) -> str:
    """Run the gate on the spot; return what it said, if that lets the package route go on.

    Args:
        policy: what is asked of a release.
        events: files, directories and URLs with events.
        stage: the channel.
        version: the version.
        now: the moment to judge at, aware.

    Raises:
        GateError: it says to hold or to stop.
        UsageError: the version is none, or there are no such events.
        AgentRailError: the events cannot be read.
    """
    from agentrail_runtime.operation import release_gate

    question = release_gate.Question(stage, version, events, now)
    answer = release_gate.gate(question, policy)
    reasons = "; ".join(answer.judgement.reasons)
    if answer.is_passed:
        return f"{version} passed {stage}: {reasons}"
    raise GateError(
        f"{version} at {stage}: the gate says {answer.judgement.verdict}: {reasons} (expected promote)",
        hint=f"agentrail release gate --stage {stage} --version {version} --events DIR tells more",
    )


def moment(now: datetime) -> str:
    """Return a moment as policy, switch and events hold it: UTC, in whole seconds."""
    return event.moment(now)


def _differs(one: str, other: str) -> bool:
    return one != other and (is_before(one, other) or is_before(other, one))
