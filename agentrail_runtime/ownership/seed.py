"""Class seed: created when absent, then the user's for ever."""

from __future__ import annotations

from agentrail_runtime.decision import DELETED, Decision, Rules, Side, keep, report
from agentrail_runtime.ownership import managed


def decide(side: Side, rules: Rules) -> Decision:
    """Return what an install does to one path."""
    if side.state.kind == "absent":
        if side.entry is None or (side.record and rules.policy != "overwrite"):
            return keep(side, DELETED)
        reason = f"{DELETED}; restored" if side.record else "new"
        return managed.deliver(side, side.entry, rules, "create", reason)
    current = side.current(rules.texts)
    if side.record is not None and current == side.base:
        return report(side, "unchanged", "as delivered", record=side.record)
    if side.record is None and side.entry is not None and current == side.incoming:
        record = managed.record(side, side.entry, rules)
        return report(side, "unchanged", "as delivered", record=record)
    known = side.record._replace(ownership="seed") if side.record else None
    return report(side, "keep", "yours", record=known)
