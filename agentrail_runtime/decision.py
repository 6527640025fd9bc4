"""One path decided: the three sides, the verdict, and the values that a decision is made of. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, Literal, NamedTuple, Protocol, TypeVar, get_args

from agentrail_runtime import newline
from agentrail_runtime.entry import Entry, Ownership, RelPath, State
from agentrail_runtime.known import Known
from agentrail_runtime.receipt import Record

Policy = Literal["abort", "keep", "overwrite", "merge"]
"""What becomes of a conflict."""

Verdict = Literal["unchanged", "create", "update", "remove", "keep", "conflict"]
ActionKind = Literal["create", "update", "merge", "remove", "unchanged", "keep", "conflict"]
ACTION_KINDS: Final[tuple[ActionKind, ...]] = get_args(ActionKind)

DELETED: Final = "deleted locally"
EDITED: Final = "edited locally"
MODE_CHANGED: Final = "mode changed locally"
LEFT: Final = "as an earlier release left it"
OVERWRITTEN: Final = "edited locally; overwritten, the stash keeps it"

_MAX_TEXT: Final = 16 << 20  # bytes; a larger file is compared as it is

T = TypeVar("T")


def decide(base: T | None, current: T | None, incoming: T | None) -> Verdict:
    """Return what becomes of one value with three sides, each None where it is absent.

    Args:
        base: what was delivered last.
        current: what the target holds.
        incoming: what the source holds.
    """
    if current == incoming:
        return "unchanged"
    if base == current:
        return "remove" if incoming is None else "create" if current is None else "update"
    if base == incoming or current is None or incoming is None:
        return "keep"
    return "conflict"


class Texts(Protocol):
    """The texts that a decision may need, read when it needs them."""

    def base(self, record: Record) -> bytes | None:
        """Return the text that `record` tells of, or None where it is found nowhere."""

    def current(self, path: RelPath) -> bytes:
        """Return the bytes that the target holds."""

    def incoming(self, path: RelPath) -> bytes:
        """Return the bytes that the source holds."""


class Rules(NamedTuple):
    """What holds for every path of one run.

    Args:
        texts: where texts come from.
        policy: what becomes of a conflict.
        has_modes: whether the target's file system keeps the executable bit.
        task_root: where ``workflow.task_root`` is to point; None for where it points now.
        installed_task_root: where the last run left it, None on a first one.
        is_installed_root_empty: whether nothing but our own file is in that directory.
        profile_schema_versions: the profile schemas that the runtime works with, asked with ``in``.
        shipped_task_root: what the source's own profile says, None where that is not known.
        known: returns the digests of earlier releases, for files that no receipt tells of.
    """

    texts: Texts
    policy: Policy = "abort"
    has_modes: bool = True
    task_root: RelPath | None = None
    installed_task_root: RelPath | None = None
    is_installed_root_empty: bool = False
    profile_schema_versions: Collection[str] = ()
    shipped_task_root: str | None = None
    known: Callable[[], Known] = Known


class Side(NamedTuple):
    """What is known of one path: base (`record`), current (`state`) and incoming (`entry`)."""

    path: RelPath
    record: Record | None
    state: State
    entry: Entry | None

    @property
    def ownership(self) -> Ownership:
        """The class of the path: what the source says, else what the receipt says."""
        owner = self.entry or self.record
        return owner.ownership if owner else "managed"

    @property
    def base(self) -> str | None:
        """The digest that was delivered last."""
        return self.record.sha256 if self.record else None

    @property
    def incoming(self) -> str | None:
        """The digest that the source holds."""
        return self.entry.sha256 if self.entry else None

    @property
    def declined(self) -> str | None:
        """The digest that the user refused last."""
        return self.record.declined if self.record else None

    def current(self, texts: Texts) -> str | None:
        """Return the digest that the target holds; that of a side it equals but for line ends."""
        if self.state.kind != "file":
            return None
        known = (self.incoming, self.base)
        if self.state.sha256 not in known and self.state.size <= _MAX_TEXT:
            for digest in newline.digests(texts.current(self.path)):
                if digest in known:
                    return digest
        return self.state.sha256


def is_left(side: Side, rules: Rules) -> bool:
    """Tell whether a file that no receipt tells of holds what an earlier release delivered there."""
    if side.record is not None or side.state.kind != "file":
        return False
    digests = rules.known().at(side.path)
    if not digests or side.state.sha256 in digests or side.state.size > _MAX_TEXT:
        return side.state.sha256 in digests
    return not digests.isdisjoint(newline.digests(rules.texts.current(side.path)))


class Action(NamedTuple):
    """What happens to one path, as it is reported."""

    path: RelPath
    action: ActionKind
    ownership: Ownership
    reason: str


class Change(NamedTuple):
    """What a transaction writes at one path.

    Args:
        path: where.
        before: what stood there when the plan was made.
        content: returns the new bytes; None removes the file.
        executable: the new executable bit; None leaves it as it is.
        mode: exact permission bits, stronger than `executable`.
        is_edited: the replaced bytes are the user's and stand nowhere else, so the stash keeps them.
        delivered: returns the framework's text, to be kept as the base of a later merge.
    """

    path: RelPath
    before: State
    content: Callable[[], bytes] | None
    executable: bool | None = None
    mode: int | None = None
    is_edited: bool = False
    delivered: Callable[[], bytes] | None = None


class Decision(NamedTuple):
    """One path decided: what is reported, what is written, and what the next receipt says of it.

    `task_root` is where the profile points after it, and `previous_task_root` where it pointed if
    that changes; only the decision on a profile has them.
    """

    action: Action | None
    change: Change | None = None
    record: Record | None = None
    task_root: RelPath | None = None
    previous_task_root: str | None = None


def report(
    side: Side,
    kind: ActionKind,
    reason: str,
    *,
    change: Change | None = None,
    record: Record | None = None,
) -> Decision:
    """Return the decision on `side` that is reported as `kind` for `reason`."""
    return Decision(
        action=Action(side.path, kind, side.ownership, reason), change=change, record=record
    )


def keep(side: Side, reason: str) -> Decision:
    """Return the decision to leave path and record as they are."""
    return report(side, "keep", reason, record=side.record)


def drop(side: Side, reason: str) -> Decision:
    """Return the decision to remove the file."""
    change = Change(path=side.path, before=side.state, content=None)
    return report(side, "remove", reason, change=change)
