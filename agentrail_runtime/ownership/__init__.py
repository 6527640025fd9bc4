"""The four ownership classes: what an install and an uninstall do to a path of each."""

from __future__ import annotations

from agentrail_runtime.decision import DELETED, Decision, Rules, Side, keep, report
from agentrail_runtime.ownership import block, managed, seed


def decide(side: Side, rules: Rules) -> Decision:
    """Return what an install does to one path; entry None means that the source has it no more."""
    if side.state.kind not in ("absent", "file"):
        return keep(side, not_a_file(side))
    if side.ownership == "managed":
        return managed.decide(side, rules)
    if side.ownership == "seed":
        return seed.decide(side, rules)
    if side.ownership == "block":
        return block.decide(side, rules)
    from agentrail_runtime.ownership import profile

    return profile.decide(side, rules)


def remove(side: Side, rules: Rules) -> Decision:
    """Return what an uninstall does to one recorded path."""
    if side.state.kind not in ("absent", "file"):
        return keep(side, not_a_file(side))
    if side.state.kind == "absent":
        return Decision(action=None)
    if side.ownership == "block":
        return block.remove(side, rules)
    if side.ownership == "profile" and side.record and "restore" in side.record.extra:
        from agentrail_runtime.ownership import profile

        return profile.remove(side, rules)
    return managed.remove(side, rules)


def check(side: Side, rules: Rules) -> Decision:
    """Return how one recorded path stands: ``unchanged``, or ``keep`` with what differs.

    A seed is the user's and stands as it stands; of a profile only its absence is a difference.
    """
    if side.base is None:
        return report(side, "unchanged", "declined; yours")
    if side.state.kind not in ("absent", "file"):
        return keep(side, not_a_file(side))
    if side.ownership == "seed":
        return report(side, "unchanged", "yours")
    if side.state.kind == "absent":
        return keep(side, DELETED)
    if side.ownership == "profile":
        return report(side, "unchanged", "yours, task root apart")
    return block.check(side, rules) if side.ownership == "block" else managed.check(side, rules)


def is_linked(side: Side) -> bool:
    """Tell whether the path is a symlink to a file inside the target that may stay one."""
    return side.state.kind == "link" and side.state.place != "" and side.ownership != "managed"


def not_a_file(side: Side) -> str:
    """Return what stands at a path where a file is expected."""
    if is_linked(side):
        return f"linked to {side.state.place}"
    return {
        "link": "is a symlink",
        "directory": "is a directory",
        "special": "is a special file",
        "blocked": f"lies under {side.state.place}, which is no directory",
    }[side.state.kind]
