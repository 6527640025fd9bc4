"""The plan of one run: every path decided, the next receipt, and what a transaction is to write.

Pure: it sees digests, and texts through `decision.Texts`. What a dry run shows is what the run does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, Final, NamedTuple, TypeVar

from agentrail_runtime import decision as decision_
from agentrail_runtime import newline, ownership
from agentrail_runtime.decision import (
    DELETED,
    LEFT,
    OVERWRITTEN,
    Action,
    Change,
    Decision,
    Rules,
    Side,
    drop,
    report,
)
from agentrail_runtime.entry import (
    GITIGNORE_PATH,
    PROFILE_PATH,
    RECEIPT_PATH,
    STATE_ROOT,
    Entry,
    Index,
    RelPath,
    State,
    collision_key,
    parents,
    with_bit,
)
from agentrail_runtime.errors import UnsafePathError
from agentrail_runtime.ownership import managed
from agentrail_runtime.receipt import Receipt, Record, SourceKind

GITIGNORE_TEXT: Final = (
    b"# Lock, journal and stash of agentrail stay out of version control.\n/state/\n"
)
DEFAULT_TASK_ROOT: Final = RelPath(".agentrail/work")

Row = TypeVar("Row", bound="tuple[Any, ...]")
Inspect = Callable[[RelPath], State]
"""Tells what stands at a path of the target."""


class Plan(NamedTuple):
    """Everything that one run does: `actions` for the report, `changes` for the transaction.

    `emptied` are the directories to remove where the changes leave them empty. `task_root` is where
    the profile points afterwards, `previous_task_root` where task records were until now. `receipt`
    is what stood in the place of the receipt when the plan was made.
    """

    actions: tuple[Action, ...]
    changes: tuple[Change, ...] = ()
    emptied: tuple[RelPath, ...] = ()
    task_root: RelPath | None = None
    previous_task_root: str | None = None
    receipt: State | None = None

    @property
    def conflicts(self) -> tuple[Action, ...]:
        """The actions that keep the plan from being executed."""
        return tuple(action for action in self.actions if action.action == "conflict")


def keep_path(task_root: RelPath) -> RelPath:
    """Return the path of the file that keeps the task root in version control."""
    return RelPath(f"{task_root}/.gitkeep")


def build(
    *,
    receipt: Receipt | None,
    index: Index,
    digest: str,
    kind: SourceKind,
    inspect: Inspect,
    rules: Rules,
) -> Plan:
    """Return the plan that brings a target to what `index` says.

    Args:
        receipt: what is installed, None on a first install.
        index: what the source holds.
        digest: the digest of the index, ``sha256:<hex>``.
        kind: the route of the source.
        inspect: tells what stands at a path.
        rules: what holds for every path.

    Raises:
        UnsafePathError: a path is a symlink, a directory or a special file; all are named.
        ProfileError: the profile cannot be read or safely edited.
        IncompatibleError: the profile's schema is not supported.
    """
    settled, sides = _sort_out(receipt, index, inspect, rules)
    _refuse_unsafe((side.path, ownership.not_a_file(side)) for side in sides if _is_unsafe(side))
    renamed = _renames(sides, rules)
    decisions = [renamed.get(side.path) or ownership.decide(side, rules) for side in sides]
    if receipt is None:
        decisions += _left_behind(index, inspect, rules)
    said = next((decision for decision in decisions if decision.task_root), None)
    fallback = rules.task_root or rules.installed_task_root or DEFAULT_TASK_ROOT
    task_root = said.task_root if said and said.task_root else fallback
    previous = said.previous_task_root if said else None
    following = Receipt(
        runtime_version=index.runtime_version,
        release_seq=index.release_seq,
        source_kind=kind,
        source_digest=digest,
        source_extra=receipt.source_extra if receipt else {},
        task_root=task_root,
        records=_by_path(settled, (decision.record for decision in decisions if decision.record)),
        extra=receipt.extra if receipt else {},
    )
    _refuse_task_root(task_root, index)
    if receipt is not None and following._replace(canonical=receipt.canonical) == receipt:
        following = receipt
    own = _own_files(following, inspect, rules)
    planned = _plan(decisions, own, task_root=task_root, settled=settled)
    return planned._replace(
        previous_task_root=previous or rules.installed_task_root, receipt=inspect(RECEIPT_PATH)
    )


def build_removal(
    *, receipt: Receipt, inspect: Inspect, rules: Rules, has_records: bool, keeps_state: bool
) -> Plan:
    """Return the plan that takes out what `receipt` tells of and nobody edited.

    Args:
        receipt: what is installed.
        inspect: tells what stands at a path.
        rules: what holds for every path.
        has_records: whether the task root holds anything of the user's.
        keeps_state: whether ``.agentrail/state/`` has to stay, and to stay out of version control.
    """
    decisions = [ownership.remove(side, rules) for side in _sides(receipt, inspect)]
    own = [RECEIPT_PATH]
    own += [] if keeps_state or not _is_own_gitignore(inspect, rules) else [GITIGNORE_PATH]
    marker = keep_path(receipt.task_root)
    is_marker = inspect(marker).kind == "file" and inspect(marker).size == 0
    is_recorded = any(record.path == marker for record in receipt.records)
    own += [marker] if is_marker and not (has_records or is_recorded) else []
    removals = [Change(path=path, before=inspect(path), content=None) for path in own]
    return _plan(decisions, removals, task_root=receipt.task_root)


def build_check(*, receipt: Receipt, inspect: Inspect, rules: Rules) -> Plan:
    """Return the plan of a run whose source is the receipt itself: what it keeps is drift.

    Args:
        receipt: what is installed.
        inspect: tells what stands at a path.
        rules: what holds for every path.
    """
    settled: list[Record] = []
    decisions: list[Decision] = []
    for record in receipt.records:
        state = inspect(record.path)
        if managed.is_as_delivered(record, state, has_modes=rules.has_modes):
            settled.append(record)
        else:
            decisions.append(ownership.check(_side(record.path, record, None, state), rules))
    return _plan(decisions, [], task_root=receipt.task_root, settled=settled)


def is_drift(action: Action) -> bool:
    """Tell whether an action of `build_check` means that a delivered file is not as delivered."""
    return action.action == "keep" and action.ownership != "seed"


def is_own(path: RelPath) -> bool:
    """Tell whether `path` is of the installer itself, which reports leave out."""
    return path in (RECEIPT_PATH, GITIGNORE_PATH) or path.endswith("/.gitkeep")


def in_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return `changes` in the order of writing: removals, files, profile, receipt."""
    return tuple(sorted(changes, key=lambda change: (_rank(change), change.path)))


def _plan(
    decisions: Sequence[Decision],
    own: Iterable[Change],
    *,
    task_root: RelPath,
    settled: Iterable[Record] = (),
) -> Plan:
    """Return the plan of what was decided, and of managed files of which nothing differs."""
    unchanged = (Action(row.path, "unchanged", "managed", managed.AS_DELIVERED) for row in settled)
    changes = in_order([decision.change for decision in decisions if decision.change] + [*own])
    removed = [change.path for change in changes if change.content is None]
    emptied = {above for path in removed for above in parents(path)} - {STATE_ROOT}
    return Plan(
        actions=_by_path(unchanged, (decision.action for decision in decisions if decision.action)),
        changes=changes,
        emptied=tuple(sorted(emptied)),
        task_root=task_root,
    )


def _by_path(*parts: Iterable[Row]) -> tuple[Row, ...]:
    """Return all rows, each of which begins with a path of its own, in the order of their paths."""
    return tuple(sorted(chain(*parts)))


def _rank(change: Change) -> int:
    if change.path == RECEIPT_PATH:
        return 3
    if change.content is None:
        return 0
    return 2 if change.path == PROFILE_PATH else 1


def _sides(receipt: Receipt, inspect: Inspect) -> Iterator[Side]:
    for record in receipt.records:
        yield _side(record.path, record, None, inspect(record.path))


def _sort_out(
    receipt: Receipt | None, index: Index, inspect: Inspect, rules: Rules
) -> tuple[list[Record], list[Side]]:
    """Return the records of files of which nothing differs, and the sides that are left to decide."""
    settled: list[Record] = []
    sides: list[Side] = []
    for path, record, entry in _paired(receipt.records if receipt else (), index.entries):
        state = inspect(path)
        if record and entry and managed.is_settled(record, state, entry, has_modes=rules.has_modes):
            settled.append(record)
        else:
            sides.append(_side(path, record, entry, state))
    return settled, sides


def _paired(
    records: Sequence[Record], entries: Sequence[Entry]
) -> Iterable[tuple[RelPath, Record | None, Entry | None]]:
    """Return every path of either, sorted, with what each of them says of it."""
    paths = [record.path for record in records]
    if paths == [entry.path for entry in entries]:  # as in most runs: nothing has to be looked up
        return zip(paths, records, entries, strict=True)
    base = {record.path: record for record in records}
    incoming = {entry.path: entry for entry in entries}
    return ((path, base.get(path), incoming.get(path)) for path in sorted({**base, **incoming}))


def _side(path: RelPath, record: Record | None, entry: Entry | None, state: State) -> Side:
    """Return the side; a base that was a block is none for a whole file, and the other way round."""
    if record and entry and record.ownership != entry.ownership:
        record = None if "block" in (record.ownership, entry.ownership) else record
    return Side(path, record, state, entry)


def _left_behind(index: Index, inspect: Inspect, rules: Rules) -> Iterator[Decision]:
    """Yield the removal of what an earlier release left, without a receipt, and this one has not."""
    delivered = {collision_key(entry.path) for entry in index.entries}
    for path in sorted(rules.known().files):
        if collision_key(path) not in delivered and not is_own(path):
            side = Side(path=path, record=None, state=inspect(path), entry=None)
            if decision_.is_left(side, rules):
                yield drop(side, f"{LEFT}; removed by the framework")


def _is_unsafe(side: Side) -> bool:
    if side.state.kind in ("absent", "file") or ownership.is_linked(side):
        return False
    return side.entry is not None or side.state.kind == "blocked"


def _refuse_unsafe(findings: Iterable[tuple[str, str]]) -> None:
    unsafe = [*findings]
    if unsafe:
        raise UnsafePathError(
            "\n".join(f"{path}: {what} (expected a plain file)" for path, what in unsafe),
            paths=[path for path, _ in unsafe],
            hint="move what stands there away, then run the command again",
        )


def _refuse_task_root(task_root: RelPath, index: Index) -> None:
    """Make sure that the task root is not in the place of a file of the framework's."""
    above = {collision_key(path) for path in (task_root, *parents(task_root))}
    depths = {path.count("/") for path in above}
    for entry in index.entries:
        if entry.path.count("/") in depths and collision_key(entry.path) in above:
            raise UnsafePathError(
                f"{task_root}: cannot hold task records: {entry.path} is a file of the framework's",
                paths=[entry.path],
                hint="name another directory with --task-root PATH",
            )


def _renames(sides: Iterable[Side], rules: Rules) -> dict[RelPath, Decision]:
    """Return the decisions on files that the framework renamed and the user edited or deleted."""
    new: dict[str, list[Side]] = {}
    gone: list[Side] = []
    for side in sides:
        if side.ownership != "managed" or side.state.kind not in ("absent", "file"):
            continue
        if side.entry and side.record is None and side.state.kind == "absent":
            new.setdefault(side.entry.sha256, []).append(side)
        elif side.entry is None and side.base is not None:
            gone.append(side)
    decisions: dict[RelPath, Decision] = {}
    for old in gone:
        if waiting := new.get(old.base or ""):
            decisions.update(_rename(old, waiting.pop(0), rules))
    return decisions


def _rename(old: Side, new: Side, rules: Rules) -> Iterator[tuple[RelPath, Decision]]:
    """Yield the decisions on both paths; none for a file that nobody edited, which just moves."""
    assert new.entry is not None
    current = old.current(rules.texts)
    if current == old.base or (current is None and rules.policy == "overwrite"):
        return
    if rules.policy == "overwrite":
        change = Change(path=old.path, before=old.state, content=None, is_edited=True)
        reason = f"renamed to {new.path}; {OVERWRITTEN}"
        yield old.path, report(old, "remove", reason, change=change)
        return
    record = managed.record(new, new.entry, rules)
    if current is None:
        yield new.path, report(new, "keep", f"{DELETED} as {old.path}", record=record)
        return
    change = Change(
        path=new.path,
        before=new.state,
        content=partial(rules.texts.current, old.path),
        mode=_carried_mode(old, new.entry, rules),
    )
    reason = f"renamed from {old.path}, with the local edit"
    yield new.path, report(new, "create", reason, change=change, record=record)
    yield old.path, drop(old, f"renamed to {new.path}")


def _carried_mode(old: Side, entry: Entry, rules: Rules) -> int:
    """Return the permission bits of a renamed file: its own, but for what the framework changed."""
    was = old.record.executable if old.record else False
    is_theirs = rules.has_modes and old.state.is_executable != was
    return with_bit(old.state.mode & 0o777, executable=None if is_theirs else entry.executable)


def _own_files(receipt: Receipt, inspect: Inspect, rules: Rules) -> Iterator[Change]:
    """Yield the changes of the installer's own files: receipt, ``.gitignore``, ``.gitkeep``."""
    delivered = {record.path for record in receipt.records}
    own = {GITIGNORE_PATH, RECEIPT_PATH, keep_path(receipt.task_root)} - delivered
    states = {path: inspect(path) for path in sorted(own)}
    _refuse_unsafe(
        (path, ownership.not_a_file(Side(path=path, record=None, entry=None, state=state)))
        for path, state in states.items()
        if state.kind not in ("absent", "file")
    )
    for path, state in states.items():
        if path == RECEIPT_PATH and state.sha256 == receipt.canonical != "":
            continue
        before = rules.texts.current(path) if state.kind == "file" else None
        after = _own_text(path, before, receipt)
        if after != before:
            yield Change(path=path, before=state, content=partial(bytes, after))
    former = rules.installed_task_root
    is_left = former and former != receipt.task_root and keep_path(former) not in delivered
    if former and is_left and rules.is_installed_root_empty:
        state = inspect(keep_path(former))
        if state.kind == "file" and state.size == 0:
            yield Change(path=keep_path(former), before=state, content=None)


def _own_text(path: RelPath, before: bytes | None, receipt: Receipt) -> bytes:
    if path == RECEIPT_PATH:
        return newline.like(before or b"", receipt.dump())
    if path != GITIGNORE_PATH:
        return before or b""
    if before is None:
        return GITIGNORE_TEXT
    if {b"/state/", b"state/"} & {line.strip() for line in before.splitlines()}:
        return before
    glue = b"" if before.endswith(b"\n") or not before else b"\n"
    return before + newline.like(before, glue + GITIGNORE_TEXT)


def _is_own_gitignore(inspect: Inspect, rules: Rules) -> bool:
    is_file = inspect(GITIGNORE_PATH).kind == "file"
    return is_file and newline.to_lf(rules.texts.current(GITIGNORE_PATH)) == GITIGNORE_TEXT
