"""Rollback: undo the last transactions exactly. It is a transaction itself, so a kill harms nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial

from agentrail_runtime import newline, planner, transaction
from agentrail_runtime.decision import Action, ActionKind, Change
from agentrail_runtime.entry import GITIGNORE_PATH, RelPath, State, sha256
from agentrail_runtime.errors import ConflictError, HistoryError, RecoveryError, typed
from agentrail_runtime.journal import Image, Journal
from agentrail_runtime.operation.install import conflict, new_token, now, stash_notices
from agentrail_runtime.operation.verify import recorded_origin
from agentrail_runtime.outcome import Outcome
from agentrail_runtime.planner import Plan
from agentrail_runtime.session import DEFAULT_TIMEOUT, Session, opened
from agentrail_runtime.stash import replaced_path
from agentrail_runtime.target import Target
from agentrail_runtime.transaction import Order


def transactions(target: str, *, lock_timeout: float = DEFAULT_TIMEOUT) -> list[Journal]:
    """Return the transactions that can be rolled back, the newest first.

    Raises:
        TargetError: the target is no directory or is unsafe.
        RecoveryError: an interrupted run could not be undone.
    """
    with opened(target, timeout=lock_timeout) as session:
        return transaction.undoable(session.target)


def rollback(
    target: str,
    *,
    to: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    lock_timeout: float = DEFAULT_TIMEOUT,
) -> Outcome:
    """Bring `target` back to what it was before its last transaction: bytes, modes, files, receipt.

    Args:
        target: a directory in the repository.
        to: the id of an earlier transaction; it and all later ones are undone, as one.
        force: undo edits made since, too; the stash keeps them.
        dry_run: write nothing.
        lock_timeout: how long to wait for another run on the target, in seconds.

    Raises:
        HistoryError: there is no such transaction.
        ConflictError: files were edited since; nothing was written, all are named.
        TargetError: the target cannot be written; it is as it was.
        RecoveryError: a stash is damaged, or an undo could not finish; nothing was deleted.
    """
    with opened(target, timeout=lock_timeout) as session:
        if dry_run:
            run = _Rollback(session, to=to, force=force)
            if run.plan.conflicts:
                raise _conflict(run.outcome)
            return run.outcome
        with session.locked():
            run = _Rollback(session, to=to, force=force)
            if run.plan.conflicts:
                raise _conflict(run.outcome)
            identifier = run.apply()
        return run.outcome._replace(
            result="applied",
            transaction=identifier,
            notices=(*run.outcome.notices, *stash_notices(run.plan, identifier), *run.kept_notices()),
        )


def _conflict(outcome: Outcome) -> ConflictError:
    error = conflict(outcome)
    error.hint = (
        "keep your edits elsewhere first, or let the stash keep them: agentrail rollback --force"
    )
    return error


class _Rollback:
    """The plan that undoes some transactions as one, and what comes of it."""

    def __init__(self, session: Session, *, to: str | None, force: bool) -> None:
        self._session = session
        self._target = session.target
        self._force = force
        self._undone = _chosen(transaction.undoable(self._target), to, self._target.root)
        self._receipt = session.receipt()
        self._between = _edited_between(self._undone)
        self.plan = self._plan()

    @property
    def outcome(self) -> Outcome:
        """What the plan says."""
        is_conflict = bool(self.plan.conflicts)
        return Outcome(
            command="rollback",
            result="conflict" if is_conflict else "planned",
            target=self._target.root,
            actions=self.plan.actions,
            changed=not is_conflict,
            runtime_version=self._undone[-1].previous_version,
            previous_version=self._undone[0].runtime_version,
            source=recorded_origin(self._receipt) if self._receipt else None,
            task_root=self._receipt.task_root if self._receipt else None,
            notices=tuple(self._session.notices),
        )

    def apply(self) -> str:
        """Execute the plan; return the transaction's id."""
        return transaction.apply(
            self._target,
            Order(
                operation="rollback",
                changes=self.plan.changes,
                emptied=self.plan.emptied,
                restored=[row for journal in self._undone for row in journal.emptied_directories],
                runtime_version=self._undone[-1].previous_version,
                previous_version=self._undone[0].runtime_version,
                undoes=tuple(journal.transaction for journal in self._undone),
                keeps=tuple(sorted({name for names in self._between.values() for name in names})),
            ),
            created=now(),
            token=new_token(),
        )

    def kept_notices(self) -> list[str]:
        """Return where edits stand that were made between the transactions that are undone."""
        return [
            f"{path}: an earlier version of yours is kept in {replaced_path(name, path)}"
            for path, names in sorted(self._between.items())
            for name in names
        ]

    def _plan(self) -> Plan:
        records = self._receipt.records if self._receipt else ()
        classes = {record.path: record.ownership for record in records}
        actions, changes = [], []
        for path, after, before, holder in _combined(self._undone):
            kind, reason = self._decide(path, after, before)
            if kind == "conflict" or not planner.is_own(path):
                actions.append(Action(path, kind, classes.get(path, "managed"), reason))
            if kind in ("create", "update", "remove"):
                changes.append(self._change(path, after, before, holder))
        if any(change.is_edited for change in changes) or self._between:
            changes = [change for change in changes if change.path != GITIGNORE_PATH]
        made = {path for journal in self._undone for path in journal.made_directories}
        return Plan(
            actions=tuple(sorted(actions, key=lambda action: action.path)),
            changes=planner.in_order(changes),
            emptied=tuple(sorted(made)),
        )

    def _decide(
        self, path: RelPath, after: Image | None, before: Image | None
    ) -> tuple[ActionKind, str]:
        state = self._target.inspect(path)
        if state.kind not in ("absent", "file"):
            return "conflict", f"is a {state.kind} now"
        if path in self._between and not self._force:
            return "conflict", "edited between the transactions"
        if _is(state, before):
            return "unchanged", "as before already"
        is_ours = state.kind == "absent" or self._is_as_left(path, state, after)
        if not is_ours and not self._force:
            return "conflict", "edited since"
        reason = "as before" if is_ours else "as before; edited since, the stash keeps the edit"
        if before is None:
            return "remove", reason
        return ("create" if state.kind == "absent" else "update"), reason

    def _is_as_left(self, path: RelPath, state: State, after: Image | None) -> bool:
        if after is None or state.sha256 == after.sha256:
            return after is not None
        return after.sha256 in newline.digests(self._target.read(path))

    def _change(
        self, path: RelPath, after: Image | None, before: Image | None, holder: Journal
    ) -> Change:
        state = self._target.inspect(path)
        stashed = replaced_path(holder.transaction, path)
        return Change(
            path=path,
            before=state,
            content=partial(_stashed, self._target, stashed, before) if before else None,
            mode=before.mode if before else None,
            is_edited=state.kind == "file" and not self._is_as_left(path, state, after),
        )


def _chosen(undoable: Sequence[Journal], to: str | None, root: str) -> list[Journal]:
    """Return the transactions to undo, the newest first."""
    names = [journal.transaction for journal in undoable]
    if not names:
        raise HistoryError(
            f"{root}: no transaction to roll back",
            hint=f"see what is installed: agentrail status {typed(root)}",
        )
    if to is None:
        return [undoable[0]]
    if to not in names:
        raise HistoryError(
            f"{to}: no such transaction (expected one of {', '.join(names)})",
            hint=f"agentrail rollback --list {typed(root)}",
        )
    return [*undoable[: names.index(to) + 1]]


def _edited_between(undone: Sequence[Journal]) -> dict[RelPath, list[str]]:
    """Return the paths that were edited between two of the transactions (the newest first).

    With each, the ids of those whose stash holds what the user had made of it.
    """
    edited: dict[RelPath, list[str]] = {}
    for newer, older in itertools.pairwise(undone):
        left = {step.path: step.after for step in older.steps}
        for step in newer.steps:
            found, was = step.before, left.get(step.path)
            if found and step.path in left and (was is None or was.sha256 != found.sha256):
                edited.setdefault(step.path, []).append(newer.transaction)
    return edited


def _combined(
    undone: Sequence[Journal],
) -> Iterator[tuple[RelPath, Image | None, Image | None, Journal]]:
    """Yield every path with what the newest transaction left, what the oldest found, and its holder."""
    after: dict[RelPath, Image | None] = {}
    before: dict[RelPath, tuple[Image | None, Journal]] = {}
    for journal in undone:
        for step in journal.steps:
            after.setdefault(step.path, step.after)
            before[step.path] = (step.before, journal)
    for path in sorted(after):
        yield path, after[path], *before[path]


def _is(state: State, image: Image | None) -> bool:
    if image is None or state.kind == "absent":
        return image is None and state.kind == "absent"
    return (state.sha256, state.mode & 0o777) == (image.sha256, image.mode)


def _stashed(target: Target, path: RelPath, image: Image) -> bytes:
    """Return the bytes that a transaction replaced.

    Raises:
        RecoveryError: they are gone or altered.
    """
    try:
        data = target.read(path)
    except FileNotFoundError:
        data = b""
    if sha256(data) != image.sha256:
        raise RecoveryError(
            f"{path}: missing or altered (expected sha256 {image.sha256}); nothing was rolled back",
            paths=[path],
            hint="go back with version control, or uninstall and install the version you want",
        )
    return data
