"""Class managed: the framework's files, three-way, a local edit never lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from agentrail_runtime import decision as decision_
from agentrail_runtime import newline
from agentrail_runtime.decision import (
    DELETED,
    EDITED,
    LEFT,
    MODE_CHANGED,
    OVERWRITTEN,
    ActionKind,
    Change,
    Decision,
    Rules,
    Side,
    drop,
    keep,
    report,
)
from agentrail_runtime.entry import Entry, State, git_blob
from agentrail_runtime.receipt import Record

AS_DELIVERED: Final = "as delivered"


def is_settled(record: Record, state: State, entry: Entry, *, has_modes: bool) -> bool:
    """Tell whether base, current and incoming of a managed file are all the same, in every respect.

    `decide` then says ``unchanged``, and leaves the record as it is.
    """
    path, ownership, digest, _, size, executable, declined, _ = record
    return (
        ownership == "managed"
        and entry == (path, ownership, digest, size, executable)
        and state.sha256 == digest
        and state.kind == "file"
        and (executable == bool(state.mode & 0o100) or not has_modes)
        and declined is None
    )


def is_as_delivered(record: Record, state: State, *, has_modes: bool) -> bool:
    """Tell whether a managed file stands as it was delivered; `check` then says ``unchanged``."""
    return (
        record.sha256 == state.sha256
        and record.ownership == "managed"
        and state.kind == "file"
        and (record.executable == bool(state.mode & 0o100) or not has_modes)
    )


def decide(side: Side, rules: Rules) -> Decision:
    """Return what an install does to one path."""
    verdict = decision_.decide(side.base, side.current(rules.texts), side.incoming)
    if side.entry is None:
        if verdict == "remove":
            return drop(side, "removed by the framework")
        if verdict == "keep":
            return report(side, "keep", f"removed by the framework; {EDITED}")
        return Decision(action=None)
    if verdict == "unchanged":
        return _decide_mode(side, side.entry, rules, "unchanged", AS_DELIVERED)
    if verdict == "keep":
        return _keep(side, side.entry, rules)
    if verdict == "conflict" and decision_.is_left(side, rules):
        return deliver(side, side.entry, rules, "update", LEFT)
    if verdict == "conflict":
        return _resolve(side, side.entry, rules)
    reason = "new" if verdict == "create" else "changed by the framework"
    return deliver(side, side.entry, rules, "create" if verdict == "create" else "update", reason)


def remove(side: Side, rules: Rules) -> Decision:
    """Return what an uninstall does to one path: an unedited file goes, any other stays."""
    if side.base is not None and side.current(rules.texts) == side.base:
        return drop(side, AS_DELIVERED)
    return keep(side, EDITED)


def check(side: Side, rules: Rules) -> Decision:
    """Return how one recorded file stands against its record."""
    if side.current(rules.texts) != side.base:
        return keep(side, EDITED)
    is_mode_kept = side.record is None or side.state.is_executable == side.record.executable
    if rules.has_modes and not is_mode_kept:
        return keep(side, MODE_CHANGED)
    return report(side, "unchanged", AS_DELIVERED)


def deliver(
    side: Side,
    entry: Entry,
    rules: Rules,
    kind: ActionKind,
    reason: str,
    *,
    is_edited: bool = False,
) -> Decision:
    """Return the decision to write the incoming bytes, in the line ends that the file has."""
    read: Callable[[], bytes] = partial(rules.texts.incoming, side.path)
    content = read
    if side.state.kind == "file":
        incoming = read()
        adapted = newline.like(rules.texts.current(side.path), incoming)
        content = read if adapted == incoming else lambda: adapted
    change = Change(
        path=side.path,
        before=side.state,
        content=content,
        executable=entry.executable if is_edited else _wanted_bit(side, entry, rules),
        is_edited=is_edited,
        delivered=read,
    )
    return report(side, kind, reason, change=change, record=record(side, entry, rules))


def record(side: Side, entry: Entry, rules: Rules) -> Record:
    """Return the record of the incoming bytes: the base from now on."""
    known = side.record
    is_known = known is not None and known.sha256 == entry.sha256
    return Record(
        path=side.path,
        ownership=entry.ownership,
        sha256=entry.sha256,
        git_blob=known.git_blob if known and is_known else git_blob(rules.texts.incoming(side.path)),
        size=entry.size,
        executable=entry.executable,
        extra=known.extra if known else {},
    )


def decline(side: Side, digest: str | None) -> Decision:
    """Return the decision to leave the local version, with the base not advanced."""
    known = side.record or Record(
        path=side.path, ownership=side.ownership, sha256=None, git_blob=None, size=None
    )
    refused = known._replace(declined=digest, ownership=side.ownership)
    return report(side, "keep", "declined; the local version stays", record=refused)


def _keep(side: Side, entry: Entry, rules: Rules) -> Decision:
    is_forced = rules.policy == "overwrite"
    if side.state.kind == "absent":
        if is_forced:
            return deliver(side, entry, rules, "create", f"{DELETED}; restored")
        return keep(side, DELETED)
    if is_forced:
        return deliver(side, entry, rules, "update", OVERWRITTEN, is_edited=True)
    return _decide_mode(side, entry, rules, "keep", EDITED)


def _resolve(side: Side, entry: Entry, rules: Rules) -> Decision:
    """Return what the policy makes of a path that both sides changed."""
    if rules.policy == "overwrite":
        return deliver(side, entry, rules, "update", OVERWRITTEN, is_edited=True)
    if rules.policy == "merge":
        return _merge(side, entry, rules)
    if rules.policy == "keep" or side.declined == side.incoming:
        return decline(side, side.incoming)
    reason = "changed on both sides" if side.base else "not installed by agentrail"
    return report(side, "conflict", reason, record=side.record)


def _merge(side: Side, entry: Entry, rules: Rules) -> Decision:
    from agentrail_runtime.merge import merge

    base = rules.texts.base(side.record) if side.record and side.base else None
    if base is None:
        return report(side, "conflict", "no base text to merge with", record=side.record)
    merged = merge(base, rules.texts.current(side.path), rules.texts.incoming(side.path))
    if merged is None:
        return report(side, "conflict", "both sides changed the same lines", record=side.record)
    change = Change(
        path=side.path,
        before=side.state,
        content=lambda: merged,
        executable=_wanted_bit(side, entry, rules),
        is_edited=True,
        delivered=partial(rules.texts.incoming, side.path),
    )
    return report(
        side,
        "merge",
        "both sides' changes merged",
        change=change,
        record=record(side, entry, rules),
    )


def _decide_mode(side: Side, entry: Entry, rules: Rules, kind: ActionKind, reason: str) -> Decision:
    """Return the decision on a path whose bytes stay: its executable bit may still change."""
    wants = _wanted_bit(side, entry, rules)
    if wants != side.state.is_executable and rules.has_modes:
        change = Change(
            path=side.path,
            before=side.state,
            content=partial(rules.texts.current, side.path),
            executable=wants,
        )
        reason = "mode changed by the framework" + (f"; {EDITED}" if kind == "keep" else "")
        return report(side, "update", reason, change=change, record=record(side, entry, rules))
    if kind == "unchanged" and rules.has_modes and wants != entry.executable:
        kind, reason = "keep", MODE_CHANGED
    return report(side, kind, reason, record=record(side, entry, rules))


def _wanted_bit(side: Side, entry: Entry, rules: Rules) -> bool:
    """Return the executable bit: the framework's, unless the user changed it and may keep that."""
    is_ours = side.state.kind != "file" or side.record is None or rules.policy == "overwrite"
    if is_ours or side.state.is_executable == (side.record and side.record.executable):
        return entry.executable
    return side.state.is_executable if rules.has_modes else entry.executable
