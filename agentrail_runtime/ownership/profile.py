"""Class profile: the user's ``project.profile.yaml``, of which only the task root is ours to set."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from agentrail_runtime.entry import (
    FORMER_TASK_ROOT,
    PROFILE_PATH,
    PathError,
    RelPath,
    git_blob,
    parse_task_root,
    sha256,
)
from agentrail_runtime.errors import ProfileError
from agentrail_runtime.receipt import Record

if TYPE_CHECKING:
    from agentrail_runtime.profile import Fragments, Profile


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
        return _create(side, rules)
    if rules.task_root is None and side.state.sha256 == side.base:
        unchanged = report(side, "unchanged", "task root as set", record=side.record)
        return unchanged._replace(task_root=rules.installed_task_root)
    return _edit(side, rules)


def remove(side: Side, rules: Rules) -> Decision:
    """Return what an uninstall does to a profile that was there before: the old values come back."""
    from agentrail_runtime import profile as profile_

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


def _create(side: Side, rules: Rules) -> Decision:
    """Return the decision to seed the profile; it is parsed only where it has to be edited."""
    text = rules.texts.incoming(side.path)
    task_root = rules.task_root or rules.installed_task_root or FORMER_TASK_ROOT
    if task_root != rules.shipped_task_root:
        from agentrail_runtime import profile as profile_

        profile = profile_.load(text, supported=rules.profile_schema_versions)
        text, _ = profile_.set_task_root(profile, task_root)
    reason = "new" if side.record is None else f"{DELETED}; restored"
    change = Change(path=side.path, before=side.state, content=lambda: text)
    created = report(side, "create", reason, change=change, record=_record(side, text, []))
    previous = FORMER_TASK_ROOT if rules.installed_task_root is None else None
    return created._replace(task_root=task_root, previous_task_root=previous)


def _edit(side: Side, rules: Rules) -> Decision:
    """Return the decision on a profile that is there: its task root is set where it is not yet."""
    from agentrail_runtime import profile as profile_

    data = rules.texts.current(side.path)
    profile = profile_.load(data, supported=rules.profile_schema_versions)
    said = _said(profile)
    task_root = rules.task_root or said or rules.installed_task_root or FORMER_TASK_ROOT
    if task_root == said:
        record = side.record or _record(side, data, [])
        unchanged = report(side, "unchanged", "task root as set", record=record)
        return unchanged._replace(task_root=task_root)
    text, fragments = profile_.set_task_root(profile, task_root)
    edited = report(
        side,
        "update",
        "task root set; the rest is yours",
        change=Change(path=side.path, before=side.state, content=lambda: text),
        record=_record(side, text, fragments),
    )
    return edited._replace(task_root=task_root, previous_task_root=said or FORMER_TASK_ROOT)


def _said(profile: Profile) -> RelPath | None:
    try:
        return None if profile.task_root is None else parse_task_root(profile.task_root)
    except PathError as error:
        raise ProfileError(
            f"{PROFILE_PATH}: workflow.task_root: {error}",
            paths=[PROFILE_PATH],
            hint="set workflow.task_root to a directory below the repository",
        ) from None


def _record(side: Side, text: bytes, fragments: Fragments) -> Record:
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
