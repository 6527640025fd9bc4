"""All or nothing: apply a plan's changes under a journal, undo them, recover from a killed run.

A transaction prepares everything under ``.agentrail/state/`` (new bytes, replaced bytes, journal),
makes it durable, and only then renames file by file. Moving the journal into the stash is the commit.
Until then an error undoes what was done; after a ``kill -9`` the next run finds the journal and undoes
it. The idea is SQLite's rollback journal (https://www.sqlite.org/atomiccommit.html).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeAlias, TypeVar

from agentrail_runtime import child
from agentrail_runtime import journal as journal_
from agentrail_runtime.decision import Change
from agentrail_runtime.document import DocumentError
from agentrail_runtime.entry import STATE_PATH, STATE_ROOT, RelPath, State, parents, sha256, with_bit
from agentrail_runtime.errors import (
    RecoveryError,
    StalePlanError,
    TargetError,
    UnsafePathError,
    typed,
)
from agentrail_runtime.journal import (
    Delivery,
    Image,
    Journal,
    Operation,
    Outline,
    Step,
)
from agentrail_runtime.progress import Progress, unwatched
from agentrail_runtime.stash import (
    JOURNAL_PATH,
    STASH_PATH,
    delivered_path,
    record_path,
    replaced_path,
    stash_of,
)
from agentrail_runtime.target import BESIDE_CACHE, Target

KEPT_TRANSACTIONS = 5
_MAX_TEXT = 1_000_000
_MOST_IN_MEMORY = 8_000_000  # bytes
_UNDO_TRIES = 3


class Order(NamedTuple):
    """What a transaction is to do.

    Args:
        operation: what it is part of.
        changes: in the order in which they are made.
        emptied: directories to remove where they end up empty.
        restored: directories to create, with exact permission bits (those that a rollback brings back).
        runtime_version: the version installed afterwards, None for none.
        previous_version: the version installed before, None for none.
        undoes: ids of the transactions that it takes back.
        keeps: ids of those among them whose stash has to stay.
    """

    operation: Operation
    changes: Sequence[Change]
    emptied: Sequence[RelPath] = ()
    restored: Sequence[tuple[RelPath, int]] = ()
    runtime_version: str | None = None
    previous_version: str | None = None
    undoes: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()


class Recovery(NamedTuple):
    """What `recover` found: the files it put back, and those that somebody changed in between."""

    restored: tuple[RelPath, ...] = ()
    left_alone: tuple[RelPath, ...] = ()
    stash: str = ""


Unreadable: TypeAlias = DocumentError | TargetError
Known = TypeVar("Known", Journal, Outline)


def history(target: Target) -> list[Journal]:
    """Return the finished transactions, the oldest first, without those that a rollback took back.

    One whose record cannot be read is left out.
    """
    return _standing(_readable(_records(target, journal_.load)))


def undoable(target: Target) -> list[Journal]:
    """Return the transactions that can be rolled back, the newest first.

    Each is the last one before the one that it follows: what lies behind a gap, or behind an
    uninstall, can no longer be undone exactly.

    Raises:
        RecoveryError: a record is damaged, so that what it tells of cannot be undone.
        TargetError: a record cannot be read.
    """
    records = _records(target, journal_.load)
    for name, found in records.items():
        if isinstance(found, DocumentError):
            path = record_path(name)
            raise RecoveryError(
                f"{path}: damaged: {found}",
                paths=[path],
                hint="go back with version control; "
                f"to forget that transaction, remove {stash_of(name)}",
            )
        if isinstance(found, TargetError):
            raise found
    return _chain(_standing(_readable(records)))


def _chain(done: Sequence[Known]) -> list[Known]:
    by_name = {journal.transaction: journal for journal in done}
    ends = [journal for journal in done if journal.operation != "rollback"]
    chain: list[Known] = []
    last = ends[-1] if ends else None
    while last is not None and last.operation == "install" and last not in chain:
        chain.append(last)
        last = by_name.get(last.parent) if last.parent else None
    return chain


def kept(target: Target) -> list[str]:
    """Return the ids of the stashes that hold bytes of the user's, or that are damaged.

    Raises:
        TargetError: a record cannot be read now.
    """
    records = _records(target, journal_.outline)
    if passing := _passing(records):
        raise passing
    done = _readable(records)
    names = records.keys() - {journal.transaction for journal in done}
    names |= {journal.transaction for journal in _standing(done) if journal.holds_user_bytes}
    names |= {name for name in target.names(STASH_PATH) if "undone" in target.names(stash_of(name))}
    return sorted(names)


def _standing(journals: Sequence[Known]) -> list[Known]:
    undone = {name for journal in journals for name in journal.undoes}
    standing = [journal for journal in journals if journal.transaction not in undone]
    return sorted(standing, key=lambda journal: journal.sequence)


def _records(target: Target, load: Callable[[bytes], Known]) -> dict[str, Known | Unreadable]:
    """Return what `load` tells of every finished transaction by its name, or why it cannot be read."""
    records: dict[str, Known | Unreadable] = {}
    for name in target.names(STASH_PATH):
        with suppress(FileNotFoundError):
            try:
                records[name] = load(target.read(record_path(name)))
            except (DocumentError, TargetError) as error:
                records[name] = error
    return records


def _readable(records: Mapping[str, Known | Unreadable]) -> list[Known]:
    return [found for found in records.values() if not isinstance(found, Unreadable)]


def _passing(records: Mapping[str, Known | Unreadable]) -> TargetError | None:
    """Return why a record could not be read that may be readable later, None if there is none."""
    for found in records.values():
        if isinstance(found, TargetError) and not isinstance(found, UnsafePathError):
            return found
    return None


# --- apply -----------------------------------------------------------------------------------------


def apply(
    target: Target,
    order: Order,
    *,
    created: str,
    token: str,
    progress: Progress = unwatched,
) -> str:
    """Do what `order` says, all of it or nothing; return the transaction's id.

    The caller holds the target's lock and has recovered it.

    Args:
        target: the target, locked.
        order: what to do.
        created: the time now, UTC RFC 3339.
        token: random hex digits that make the id unique.
        progress: told of every file.

    Raises:
        StalePlanError: a file is not as it was when the plan was made. The target is as it was.
        TargetError, OSError, KeyboardInterrupt: whatever went wrong. The target is as it was.
        RecoveryError: the undo failed as well. Journal and stash are still there.
    """
    run = _Run(target, order, created=created, token=token, progress=progress)
    try:
        run.prepare()
        run.make_durable()
    except BaseException:
        run.abandon()
        raise
    try:
        run.begin()
        run.execute()
    except BaseException as error:
        if not run.is_committed():
            run.undo(error)
            raise
    run.tidy()
    return run.transaction


class _Run:
    """One transaction in the making."""

    def __init__(
        self, target: Target, order: Order, *, created: str, token: str, progress: Progress
    ) -> None:
        self.target = target
        self.order = order
        self.progress = progress
        self.dirty: set[RelPath] = set()
        self.files: list[RelPath] = []
        self.records = _records(target, journal_.outline)
        if passing := _passing(self.records):
            raise passing  # it may be readable later, and then the order has to be right
        past = _standing(_readable(self.records))
        before = next(iter(_chain(past)), None)
        sequence = 1 + max((journal.sequence for journal in past), default=0)
        self.transaction = f"{sequence:06d}-{token}"
        self.journal = Journal(
            transaction=self.transaction,
            sequence=sequence,
            operation=order.operation,
            created=created,
            runtime_version=order.runtime_version,
            previous_version=order.previous_version,
            steps=(),
            parent=before.transaction if before else None,
            undoes=order.undoes,
            keeps=order.keeps,
        )

    def prepare(self) -> None:
        """Put new and replaced bytes under the state directory; nothing else is touched."""
        self._make_directories(f"{stash_of(self.transaction)}/new/x")
        delivered = _Delivered(self)
        steps, total = [], len(self.order.changes)
        for number, change in enumerate(self.order.changes):
            self.progress("staging", number, total)
            before = self._stash(change)
            after = None
            if change.content is not None:
                data = change.content()
                after = self._stage(number, change, data)
                if change.delivered is not None:
                    is_same = change.delivered is change.content
                    text = data if is_same else change.delivered()
                    delivered.add(text, after.sha256 if is_same else sha256(text))
            step = Step(path=change.path, before=before, after=after, is_edited=change.is_edited)
            steps.append(step)
        delivered.write()
        self.journal = self.journal._replace(
            steps=tuple(steps),
            deliveries=tuple(delivered.deliveries),
            made_directories=self._missing_directories(),
            emptied_directories=tuple(
                (path, mode)
                for path in self.order.emptied
                if (mode := self.target.directory_mode(path)) is not None
            ),
        )

    def _stash(self, change: Change) -> Image | None:
        """Keep what stands at the path of `change`; make sure it is what the plan was made for."""
        state = self.target.inspect(change.path)
        if state != change.before:
            raise StalePlanError(
                f"{change.path}: changed while the run was under way",
                paths=[change.path],
                hint="run the command again",
            )
        if state.kind != "file":
            return None
        path = replaced_path(self.transaction, change.path)
        self._make_directories(path)
        data = self.target.read(change.path)
        if sha256(data) != state.sha256:
            raise StalePlanError(f"{change.path}: changed while the run was under way")
        self.create(path, data, mode=state.mode & 0o777, exact=True)
        return Image(state.sha256, state.size, state.mode & 0o777)

    def _stage(self, number: int, change: Change, data: bytes) -> Image:
        mode = change.mode
        if mode is None and change.before.kind == "file":
            mode = with_bit(change.before.mode & 0o777, executable=change.executable)
        is_exact = mode is not None
        if mode is None:
            mode = 0o777 if change.executable else 0o666
        mode = self.create(self._staged(number), data, mode=mode, exact=is_exact)
        return Image(sha256(data), len(data), mode & 0o777)

    @property
    def _staged_journal(self) -> RelPath:
        return RelPath(f"{stash_of(self.transaction)}/journal")

    def _staged(self, number: int) -> RelPath:
        return RelPath(f"{stash_of(self.transaction)}/new/{number}")

    def create(
        self, path: RelPath, data: bytes | Iterator[bytes], *, mode: int, exact: bool = False
    ) -> int:
        """Write a new file below the state directory, to be made durable with the others."""
        mode = self.target.create(path, data, mode=mode, exact=exact)
        self.files.append(path)
        self.dirty.add(_above(path))
        return mode

    def _make_directories(self, path: str) -> None:
        for above in reversed([*parents(path)]):
            if above not in self.dirty and not self.target.is_directory(above):
                self.target.make_directory(above)
                self.dirty |= {above, _above(above)}
                if above == STASH_PATH:
                    # Whoever took the lock made the directories above it, and synced nothing.
                    self.dirty |= {STATE_ROOT, RelPath("")}

    def _missing_directories(self) -> tuple[RelPath, ...]:
        written = [change.path for change in self.order.changes if change.content is not None]
        needed = {above for path in written for above in parents(path)}
        needed |= {path for path, _ in self.order.restored}
        return tuple(sorted(path for path in needed if not self.target.is_directory(path)))

    def make_durable(self) -> None:
        """Write the journal beside the rest, then sync all of it: files first, directories once."""
        self.create(self._staged_journal, self.journal.chunks(), mode=0o600)
        for path, problem in zip(self.files, child.shared(self.files, self._sync), strict=True):
            if problem:
                raise OSError(problem, os.strerror(problem), path)
        self._sync_directories()

    def _sync(self, paths: Sequence[RelPath]) -> list[int]:
        """Make files durable; return the number of each error, which the system tells only once."""
        problems = []
        for path in paths:
            try:
                self.target.sync(path)
                problems.append(0)
            except OSError as error:  # noqa: PERF203 - each file has its own
                problems.append(error.errno or errno.EIO)
        return problems

    def begin(self) -> None:
        """Put the journal in place: from here to the commit it is hot."""
        self.target.move(self._staged_journal, JOURNAL_PATH)
        self.dirty |= {STATE_PATH, stash_of(self.transaction)}
        self._sync_directories()

    def execute(self) -> None:
        """Rename every file into place and commit."""
        modes = dict(self.order.restored)
        for path in self.journal.made_directories:
            self.target.make_directory(path, modes.get(path))
            self.dirty |= {path, _above(path)}
        for number, step in enumerate(self.journal.steps):
            self.progress("writing", number, len(self.journal.steps))
            if step.after is None:
                # Where a rename leads to another file system, it fails before anything is gone.
                self.target.move(step.path, self._staged(number))
            else:
                self.target.move(self._staged(number), step.path)
            self.dirty.add(_above(step.path))
        for path, _ in reversed(self.journal.emptied_directories):
            if self.target.remove_directory(path):
                self.dirty.discard(path)
                self.dirty.add(_above(path))
        self._sync_directories()
        self.target.move(JOURNAL_PATH, record_path(self.transaction))

    def _sync_directories(self) -> None:
        for path in sorted(self.dirty):
            self.target.sync_directory(path)
        self.dirty.clear()

    def abandon(self) -> None:
        """Take back what `prepare` made, as far as possible; no file of the user's was touched."""
        with suppress(OSError, TargetError):
            self.target.remove_tree(stash_of(self.transaction))
            _remove_if_empty(self.target)

    def is_committed(self) -> bool:
        """Tell whether the journal has been moved: what strikes after that is too late to undo."""
        with suppress(OSError, TargetError):
            names = self.target.names(stash_of(self.transaction))
            return "record" in names and "journal" not in self.target.names(STATE_PATH)
        return False

    def undo(self, error: BaseException) -> None:
        """Undo a hot journal after `error`; an impatient second Ctrl-C only starts it anew."""
        tries = _UNDO_TRIES
        while (failure := self._try_undo()) is not None:
            tries -= 1
            if tries == 0 or not isinstance(failure, KeyboardInterrupt):
                raise _unfinished(self.target, self.journal, failure) from error

    def _try_undo(self) -> BaseException | None:
        try:
            _undo(self.target, self.journal)
        except (OSError, TargetError, KeyboardInterrupt) as failure:
            return failure
        return None

    def tidy(self) -> None:
        """Drop what the committed transaction needs no more; whatever fails here is tidied up later."""
        with suppress(OSError, TargetError, KeyboardInterrupt):
            for path in (stash_of(self.transaction), STATE_PATH):
                self.target.sync_directory(path)
            self.target.remove_tree(RelPath(f"{stash_of(self.transaction)}/new"))
            tidy(self.target, {**self.records, self.transaction: self.journal.outline})


class _Delivered:
    """The framework's texts, one after the other in one file, kept for later merges."""

    def __init__(self, run: _Run) -> None:
        self.deliveries: list[Delivery] = []
        self._run = run
        self._size = 0
        self._written = 0
        self._texts: list[bytes] = []

    def add(self, text: bytes, digest: str) -> None:
        """Keep one text."""
        if b"\0" not in text and len(text) <= _MAX_TEXT:
            self.deliveries.append(Delivery(digest, self._size, len(text)))
            self._texts.append(text)
            self._size += len(text)
            if self._size - self._written > _MOST_IN_MEMORY:
                self.write()

    def write(self) -> None:
        """Write what has been kept since the last call."""
        path, data = delivered_path(self._run.transaction), b"".join(self._texts)
        if self._written and data:
            self._run.target.extend(path, data)
        elif data:
            self._run.create(path, data, mode=0o600)
        self._texts.clear()
        self._written = self._size


def _above(path: str) -> RelPath:
    return RelPath(path.rpartition("/")[0])


# --- undo and recovery -----------------------------------------------------------------------------


def recover(target: Target) -> Recovery:
    """Undo a transaction that was killed, and drop what killed runs left in the state directory.

    The caller holds the target's lock. Killed itself, it is simply run again.

    Raises:
        RecoveryError: the journal cannot be read or the undo failed; nothing was deleted.
        UnsafePathError: the state directory or the journal is a symlink.
    """
    try:
        data = target.read(JOURNAL_PATH)
    except FileNotFoundError:
        _settle(target)
        tidy(target)
        return Recovery()
    try:
        journal = journal_.load(data)
    except DocumentError as error:
        raise RecoveryError(
            "\n".join(f"{JOURNAL_PATH}: {line}" for line in str(error).splitlines()),
            paths=[JOURNAL_PATH, STASH_PATH],
            hint=f"the replaced files are under {STASH_PATH}/; put back what you need, "
            f"then remove {JOURNAL_PATH}",
        ) from None
    try:
        recovery = _undo(target, journal)
        tidy(target)
    except (OSError, TargetError) as error:
        raise _unfinished(target, journal, error) from error
    return recovery


def _settle(target: Target) -> None:
    """Make the commit of a run durable that was killed right after it: until then nothing may go."""
    for name in target.names(STASH_PATH):
        new = RelPath(f"{stash_of(name)}/new")
        if target.is_directory(new):
            target.sync_directory(stash_of(name))
            target.sync_directory(STATE_PATH)
            target.remove_tree(new)


def _undo(target: Target, journal: Journal) -> Recovery:
    """Bring every path of `journal` back to what it was, then drop the journal.

    A path that is neither as before nor as after was changed by somebody since: it is left alone,
    and then the stash stays.
    """
    _restore_directories(target, journal)
    restored, left_alone = [], []
    for step in reversed(journal.steps):
        found = _image(target.inspect(step.path))
        if found == step.before:
            continue
        if found == step.after:
            _put_back(target, journal, step)
            restored.append(step.path)
        else:
            left_alone.append(step.path)
    # An undo that was killed may have put something back and synced nothing of it.
    alone = {*left_alone}
    dirty = {_above(step.path) for step in journal.steps if step.path not in alone}
    dirty |= {place for path, _ in journal.emptied_directories for place in (path, _above(path))}
    for path in reversed(journal.made_directories):
        if target.remove_directory(path):
            dirty.add(_above(path))
    for path in sorted(dirty):
        if not path or target.is_directory(path):
            target.sync_directory(path)
    _close(target, journal, keeps_stash=bool(left_alone))
    return Recovery(tuple(restored), tuple(left_alone), stash_of(journal.transaction))


def _restore_directories(target: Target, journal: Journal) -> None:
    """Bring back the directories that were removed, each with its permission bits."""
    for path, mode in journal.emptied_directories:
        found = target.directory_mode(path)
        if found is None:
            target.make_directory(path, mode)
        elif found != mode:
            target.set_directory_mode(path, mode)


def _close(target: Target, journal: Journal, *, keeps_stash: bool) -> None:
    """End an undo: with the journal gone nothing is hot any more."""
    stash = stash_of(journal.transaction)
    with suppress(FileNotFoundError):
        if keeps_stash:
            target.move(JOURNAL_PATH, RelPath(f"{stash}/undone"))
        else:
            target.remove(JOURNAL_PATH)
    target.sync_directory(STATE_PATH)
    if not keeps_stash:
        target.remove_tree(stash)
    _remove_if_empty(target)


def _put_back(target: Target, journal: Journal, step: Step) -> None:
    """Bring one path back to what it was: the stashed bytes are renamed into place."""
    if step.before is None:
        target.remove(step.path)
        return
    stashed = replaced_path(journal.transaction, step.path)
    digest = target.inspect(stashed).sha256
    if digest != step.before.sha256:
        found = f"sha256 {digest}" if digest else "no file"
        raise TargetError(f"{stashed}: altered (expected sha256 {step.before.sha256}, got {found})")
    target.move(stashed, step.path)


def _image(state: State) -> Image | State | None:
    if state.kind == "absent":
        return None
    return Image(state.sha256, state.size, state.mode & 0o777) if state.kind == "file" else state


def _unfinished(target: Target, journal: Journal, error: BaseException) -> RecoveryError:
    stash = stash_of(journal.transaction)
    return RecoveryError(
        f"{JOURNAL_PATH}: the undo could not finish: {str(error) or type(error).__name__}\n"
        f"{stash}: holds the replaced files; nothing was deleted",
        paths=[JOURNAL_PATH, stash],
        hint=f"mend the cause, then run: agentrail verify {typed(target.root)}",
    )


def tidy(target: Target, records: Mapping[str, Outline | Unreadable] | None = None) -> None:
    """Drop from the state directory what no rollback needs: leftovers, and all but the last few.

    Stashes that hold bytes of the user's which stand nowhere else stay after an uninstall.

    Args:
        target: the target, locked.
        records: what is known of every finished transaction by its name; None to read it.
    """
    if records is None:
        records = _records(target, journal_.outline)
    journals = _readable(records)
    needed = records.keys() - {journal.transaction for journal in journals}
    if _passing(records):
        needed = {*records}  # one of the others may have taken back what cannot be read now
    needed |= _needed(_standing(journals))
    for name in target.names(STASH_PATH):
        if name not in needed and "undone" not in target.names(stash_of(name)):
            _remove_stash(target, name)
    for journal in journals:
        if journal.transaction in needed and journal.operation == "uninstall":
            for part in ("replaced", "delivered"):
                _remove(target, RelPath(f"{stash_of(journal.transaction)}/{part}"))
    with suppress(FileNotFoundError):
        target.remove(BESIDE_CACHE)
    _remove_if_empty(target)


def _remove(target: Target, path: RelPath) -> None:
    if target.is_directory(path):
        target.remove_tree(path)
    else:
        with suppress(FileNotFoundError):
            target.remove(path)


def _needed(done: Sequence[Outline]) -> set[str]:
    """Return the ids whose stash stays: the last installs, and all with the user's bytes.

    The record of an uninstall stays with them, since it says that there is no way back past it.
    """
    ends = [number for number, journal in enumerate(done) if journal.operation == "uninstall"]
    since = done[ends[-1] + 1 :] if ends else done
    installs = [journal for journal in since if journal.operation == "install"]
    needed = {journal.transaction for journal in installs[-KEPT_TRANSACTIONS:]}
    for journal in done:
        if journal.holds_user_bytes:
            needed |= {journal.transaction, *journal.keeps}
    if ends and needed:
        needed.add(done[ends[-1]].transaction)
    return needed


def _remove_stash(target: Target, name: str) -> None:
    """Remove a stash, its record last but one moment: without one it is a leftover to anybody."""
    with suppress(FileNotFoundError):
        target.remove(record_path(name))
    target.remove_tree(stash_of(name))


def _remove_if_empty(target: Target) -> None:
    with suppress(FileNotFoundError):
        target.remove_directory(STASH_PATH)
