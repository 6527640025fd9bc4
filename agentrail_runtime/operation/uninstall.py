"""Uninstall: take out what was installed and not edited; what the user made of it stays."""

from __future__ import annotations

from agentrail_runtime import planner, transaction
from agentrail_runtime.decision import Rules
from agentrail_runtime.entry import GITIGNORE_PATH, STATE_PATH, STATE_ROOT, sha256
from agentrail_runtime.errors import TargetError, typed
from agentrail_runtime.operation.install import new_token, now
from agentrail_runtime.operation.verify import recorded_origin
from agentrail_runtime.outcome import Outcome
from agentrail_runtime.receipt import Receipt
from agentrail_runtime.session import DEFAULT_TIMEOUT, Session, TargetTexts, opened
from agentrail_runtime.stash import STASH_PATH, stash_of
from agentrail_runtime.transaction import Order


def uninstall(
    target: str,
    *,
    purge: bool = False,
    dry_run: bool = False,
    lock_timeout: float = DEFAULT_TIMEOUT,
) -> Outcome:
    """Take the runtime out of `target`, all of it or nothing.

    Edited files and task records stay and are named, a block leaves the text around it as it is, and
    the profile gets back the values that the install changed. The state directory goes too, unless it
    alone holds bytes of the user's that an install replaced.

    Args:
        target: a directory in the repository.
        purge: drop the state directory even then.
        dry_run: write nothing.
        lock_timeout: how long to wait for another run on the target, in seconds.

    Raises:
        NotInstalledError: there is no receipt.
        ReceiptError, IncompatibleError: the receipt cannot be read.
        TargetError: the target cannot be written; it is as it was.
        RecoveryError: an undo could not finish; journal and stash are there and are named.
    """
    with opened(target, timeout=lock_timeout) as session:
        if dry_run:
            return _plan(session, session.installed(), purge=purge)[1]
        with session.locked():
            if purge and session.receipt() is None and session.target.names(STASH_PATH):
                return _purge(session)
            receipt = session.installed()
            plan, outcome = _plan(session, receipt, purge=purge)
            identifier = transaction.apply(
                session.target,
                Order(
                    operation="uninstall",
                    changes=plan.changes,
                    emptied=plan.emptied,
                    previous_version=receipt.runtime_version,
                ),
                created=now(),
                token=new_token(),
            )
            if purge:
                _purge_after(session)
        return outcome._replace(result="applied", transaction=identifier)


def _purge_after(session: Session) -> None:
    """Drop the stash of a target that has just been uninstalled."""
    try:
        _purge(session)
    except (OSError, TargetError) as error:
        raise TargetError(
            f"{STASH_PATH}: the runtime is uninstalled, but the stash could not be dropped: {error}",
            paths=[STASH_PATH],
            hint=f"mend the cause, then run: agentrail uninstall --purge {typed(session.target.root)}",
        ) from error


def _purge(session: Session) -> Outcome:
    """Drop the stash and what keeps it out of version control."""
    target = session.target
    if target.inspect(GITIGNORE_PATH).sha256 == sha256(planner.GITIGNORE_TEXT):
        target.remove(GITIGNORE_PATH)
        target.sync_directory(STATE_ROOT)
    target.remove_tree(STASH_PATH)
    target.sync_directory(STATE_PATH)
    return Outcome(command="uninstall", result="applied", target=target.root, changed=True)


def _plan(session: Session, receipt: Receipt, *, purge: bool) -> tuple[planner.Plan, Outcome]:
    target = session.target
    kept = [] if purge else transaction.kept(target)
    records = _records(session, receipt)
    plan = planner.build_removal(
        receipt=receipt,
        inspect=target.inspect,
        rules=Rules(texts=TargetTexts(target), has_modes=target.has_modes()),
        has_records=bool(records),
        keeps_state=bool(kept),
    )
    notices = [f"{receipt.task_root}/{name}: stays, it is yours" for name in records]
    notices += [
        f"{stash_of(name)}: stays, it holds your replaced files; "
        "drop it with: agentrail uninstall --purge"
        for name in kept
    ]
    outcome = Outcome(
        command="uninstall",
        result="planned",
        target=target.root,
        actions=plan.actions,
        changed=True,
        previous_version=receipt.runtime_version,
        source=recorded_origin(receipt),
        task_root=receipt.task_root,
        notices=(*session.notices, *notices),
    )
    return plan, outcome


def _records(session: Session, receipt: Receipt) -> list[str]:
    """Return the names under the task root but for our own."""
    if not session.target.is_directory(receipt.task_root):
        return []
    return [name for name in session.target.names(receipt.task_root) if name != ".gitkeep"]
