"""What a use case did or found, as one value for every report."""

from __future__ import annotations

from typing import Literal, NamedTuple

from agentrail_runtime.decision import ACTION_KINDS, Action, ActionKind
from agentrail_runtime.receipt import SourceKind

Result = Literal["applied", "unchanged", "planned", "conflict", "failed"]


class Origin(NamedTuple):
    """The source of a run, as it is reported."""

    kind: SourceKind | Literal["repository"]
    digest: str
    location: str | None = None
    requested: str | None = None
    fallback_reason: str | None = None
    integrity: Literal["verified", "unverified"] = "verified"
    signature: Literal["valid", "absent", "not-checked"] = "not-checked"


class Outcome(NamedTuple):
    """What one run did.

    `notices` are sentences for the user that belong to no single path. `stash` is where replaced
    bytes of the user's lie, None where there are none. `diff` is unified diff text, None unless asked.
    """

    command: str
    result: Result
    target: str
    actions: tuple[Action, ...] = ()
    changed: bool = False
    runtime_version: str | None = None
    previous_version: str | None = None
    source: Origin | None = None
    task_root: str | None = None
    transaction: str | None = None
    notices: tuple[str, ...] = ()
    diff: str | None = None

    @property
    def summary(self) -> dict[ActionKind, int]:
        """How many paths there are of each action."""
        counts = dict.fromkeys(ACTION_KINDS, 0)
        for action in self.actions:
            counts[action.action] += 1
        return counts
