"""Class profile: the user's ``project.profile.yaml``, of which only the task root is ours to set."""

from __future__ import annotations

from dataclasses import replace

from agentrail_runtime import profile as profile_
from agentrail_runtime.decision import (
    DELETED,
    EDITED,
    Change,
    Decision,
    Rules,
    Side,
    keep,
    report,
)
from agentrail_runtime.entry import PathError, RelPath, git_blob, parse_path, sha256
from agentrail_runtime.errors import ProfileError
from agentrail_runtime.receipt import Record


def decide(side: Side, rules: Rules) -> Decision:
    """Return what an install does to the profile, and the task root that it then says.

    Raises:
        ProfileError: the profile cannot be read or safely edited.
        IncompatibleError: its schema is not supported.
    """
    if side.entry is None:
        return keep(side, "yours")
    if side.state.kind == "absent":
        if side.record is not None and rules.policy != "overwrite":
            return keep(side, DELETED)
        reason = "new" if side.record is None else f"{DELETED}; restored"
        return _write(side, rules, rules.texts.incoming(side.path), reason)
    if rules.task_root is None and side.state.sha256 == side.base:
        return replace(
            report(side, "unchanged", "task root as set", record=side.record),
            task_root=rules.installed_task_root,
        )
    return _write(side, rules, rules.texts.current(side.path), "task root set; the rest is yours")


def remove(side: Side, rules: Rules) -> Decision:
    """Return what an uninstall does to a profile that was there before: the old values come back."""
    data = rules.texts.current(side.path)
    fragments = side.record.extra["restore"] if side.record else []
    try:
        before = profile_.restore(data, fragments)
    except (ProfileError, ValueError, TypeError):
        return keep(side, EDITED)
    if before == data:
        return keep(side, "yours")
    change = Change(path=side.path, before=side.state, content=lambda: before)
    return report(side, "update", "task root as before; the rest is yours", change=change)


def _write(side: Side, rules: Rules, data: bytes, reason: str) -> Decision:
    profile = profile_.load(data, supported=rules.profile_schema_versions)
    wanted = rules.task_root or _said(profile) or rules.installed_task_root
    task_root = wanted or RelPath(profile_.DEFAULT_TASK_ROOT)
    text, fragments = profile_.set_task_root(profile, task_root)
    if side.state.kind == "file" and text == data:
        record = side.record or _record(side, text, fragments)
        decided = report(side, "unchanged", "task root as set", record=record)
    else:
        decided = report(
            side,
            "create" if side.state.kind == "absent" else "update",
            reason,
            change=Change(path=side.path, before=side.state, content=lambda: text),
            record=_record(side, text, fragments),
        )
    previous = (profile.task_root or profile_.DEFAULT_TASK_ROOT) if text != data else None
    if side.state.kind == "absent" and rules.installed_task_root is None:
        previous = profile_.DEFAULT_TASK_ROOT
    return replace(decided, task_root=task_root, previous_task_root=previous)


def _said(profile: profile_.Profile) -> RelPath | None:
    try:
        return None if profile.task_root is None else parse_path(profile.task_root.rstrip("/"))
    except PathError as error:
        raise ProfileError(
            f"{profile_.PROFILE_PATH}: workflow.task_root: {error}",
            paths=[profile_.PROFILE_PATH],
            hint="set workflow.task_root to a directory below the repository",
        ) from None


def _record(side: Side, text: bytes, fragments: profile_.Fragments) -> Record:
    """Return the record: the digest as this run leaves the file, and how to take its edits back.

    A record without ``restore`` is of a file that we created, and that an uninstall removes.
    """
    extra = dict(side.record.extra) if side.record else {}
    if side.state.kind == "absent":
        extra.pop("restore", None)
    elif side.record is None or "restore" in extra:
        extra["restore"] = [*extra.get("restore", []), *fragments]
    return Record(
        path=side.path,
        ownership="profile",
        sha256=sha256(text),
        git_blob=git_blob(text),
        size=len(text),
        extra=extra,
    )
