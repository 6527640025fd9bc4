"""Verify: every recorded file against the receipt. Reads only the target."""

from __future__ import annotations

from agentrail_runtime import planner
from agentrail_runtime.decision import Rules
from agentrail_runtime.errors import DriftError, typed
from agentrail_runtime.outcome import Origin, Outcome
from agentrail_runtime.planner import Plan
from agentrail_runtime.receipt import Receipt
from agentrail_runtime.session import DEFAULT_TIMEOUT, Session, TargetTexts, opened
from agentrail_runtime.survey import Survey


def verify(target: str, *, lock_timeout: float = DEFAULT_TIMEOUT) -> Outcome:
    """Return that every recorded file is as delivered; nothing is written.

    Raises:
        DriftError: some are not; all are named.
        NotInstalledError: there is no receipt.
        ReceiptError, IncompatibleError: the receipt cannot be read.
        RecoveryError: an interrupted run could not be undone.
    """
    with opened(target, timeout=lock_timeout) as session:
        receipt = session.installed()
        plan = check(session, receipt)
        drifted = [action for action in plan.actions if planner.is_drift(action)]
        if drifted and not session.is_steady():
            with session.locked():
                receipt = session.installed()
                plan = check(session, receipt)
                drifted = [action for action in plan.actions if planner.is_drift(action)]
        outcome = Outcome(
            command="verify",
            result="failed" if drifted else "unchanged",
            target=session.target.root,
            actions=plan.actions,
            runtime_version=receipt.runtime_version,
            previous_version=receipt.runtime_version,
            source=recorded_origin(receipt),
            task_root=receipt.task_root,
            notices=tuple(session.notices),
        )
        if not drifted:
            return outcome
        error = DriftError(
            "\n".join(f"{action.path}: {action.reason}" for action in drifted),
            paths=[action.path for action in drifted],
            hint="keep the edits as they are, or put back what was delivered: "
            f"agentrail-install --on-conflict overwrite {typed(session.target.root)}",
        )
        error.outcome = outcome
        raise error


def check(session: Session, receipt: Receipt) -> Plan:
    """Return how every recorded path stands."""
    rules = Rules(texts=TargetTexts(session.target), has_modes=session.target.has_modes())
    survey = Survey(session.target, [record.path for record in receipt.records], share=0.5)
    return planner.build_check(receipt=receipt, inspect=survey.inspect, rules=rules)


def recorded_origin(receipt: Receipt) -> Origin:
    """Return the source that the receipt tells of."""
    return Origin(kind=receipt.source_kind, digest=receipt.source_digest)
