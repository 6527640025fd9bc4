"""``--fast``: trust stat data, as git's index does, where there is nothing to do.

What a full run found is remembered under the state directory, with the stat data of each file. As long
as these are the same, and receipt and index of the source too, the same is said again. The files of the
source are not read then: nothing comes from them. Whatever differs is looked at.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Final

from agentrail_runtime import child, denial, route, source, stash, stat_cache
from agentrail_runtime.decision import Action
from agentrail_runtime.entry import (
    GITIGNORE_PATH,
    INDEX_NAME,
    RECEIPT_PATH,
    SIGNATURE_NAME,
    RelPath,
    State,
)
from agentrail_runtime.errors import AgentRailError
from agentrail_runtime.outcome import Origin, Outcome
from agentrail_runtime.session import Session
from agentrail_runtime.stat_cache import Cache
from agentrail_runtime.target import CACHE_PATH
from agentrail_runtime.version import __version__

if TYPE_CHECKING:
    from agentrail_runtime.operation.install import Options

_MOST_ROWS: Final = 256
_MOST_BYTES: Final = 1 << 28
_WORTH_IT: Final = 20 * child.WORTH_IT
_MOST_CHANGED: Final = 1_000
"""If more files differ, a full run is as good."""

_FILE_BITS: Final = 0o100000


class Memory:
    """What is remembered of a target, for a run with `options`.

    Args:
        session: the target.
        options: of the run.
        may_write: whether the run may write.
    """

    def __init__(self, session: Session, options: Options, *, may_write: bool) -> None:
        self._target = session.target
        self._may_write = may_write
        self._begun: Cache | None = None
        self._key: str | None = None
        with suppress(OSError, AgentRailError):
            self._key = _key(session, options)

    def recall(self) -> Outcome | None:
        """Return what the last full run found; None if it is not sure that this still holds."""
        with suppress(OSError, AgentRailError):
            cache = self._read() if self._key else None
            if cache is not None and cache.key == self._key:
                return self._outcome(cache)
        return None

    def _read(self) -> Cache | None:
        directory, _, name = CACHE_PATH.rpartition("/")
        size = self._target.stats(directory, [name])[0]
        if not 0 < size <= _MOST_BYTES:
            return None
        return stat_cache.load(self._target.read(CACHE_PATH), origin=Origin._fields)

    def _outcome(self, cache: Cache) -> Outcome | None:
        stamp = None
        stats = self._stats(cache.groups, cache.names)
        changed = cache.changed(stats)
        if changed and self._may_write:
            stamp = self._target.clock()
            stats = self._stats(cache.groups, cache.names)
            changed = cache.changed(stats)
        if len(changed) > _MOST_CHANGED or stash.is_hot(self._target):
            return None
        paths = cache.paths()
        if not all(self._is_same(cache, number, RelPath(paths[number])) for number in changed):
            return None
        if stamp is not None:
            self._write(cache._replace(stats=stat_cache.without_racy(stats, stamp)))
        rows, new = cache.actions, tuple.__new__  # a class of its own is made in twice the time
        return Outcome(
            **{**cache.outcome, "source": Origin(**cache.outcome["source"])},
            command="install",
            result="unchanged",
            target=self._target.root,
            actions=tuple(
                [
                    new(Action, (path, *row))
                    for path, row in zip(paths, map(rows.__getitem__, cache.codes), strict=True)
                    if row is not None
                ]
            ),
        )

    def _is_same(self, cache: Cache, number: int, path: RelPath) -> bool:
        """Tell whether a file whose stat data changed still holds what it did."""
        state = self._target.inspect(path)
        before = cache.stats[number * 40 + 32 : number * 40 + 40]
        mode = int.from_bytes(before, sys.byteorder, signed=True)
        if mode == stat_cache.ABSENT[-1] or state.kind != "file":
            return state.kind == "absent" and mode == stat_cache.ABSENT[-1]
        digest = cache.digests[number * 32 : number * 32 + 32].hex()
        return state.sha256 == digest and mode == _FILE_BITS | state.mode

    def begin(self, tracked: Callable[[], Iterable[RelPath]]) -> None:
        """Take the stat data of what the paths in `tracked` hold, before a full run reads it."""
        if self._key is None or not self._may_write:
            return
        paths = sorted({*tracked(), RECEIPT_PATH, GITIGNORE_PATH})
        grouped = groupby(paths, lambda path: path.rpartition("/")[0])
        groups = [(directory, len([*below])) for directory, below in grouped]
        names = [path.rpartition("/")[2] for path in paths]
        with suppress(OSError, AgentRailError):
            stamp = self._target.clock()
            stats = stat_cache.without_racy(self._stats(groups, names), stamp)
            self._begun = Cache(self._key, groups, names, stats, b"", b"", [], {})

    def keep(self, outcome: Outcome, inspect: Callable[[RelPath], State]) -> None:
        """Remember the outcome of a full run that found nothing to do.

        Args:
            outcome: what it found.
            inspect: tells what it saw at each path.
        """
        origin = outcome.source
        if self._begun is None or outcome.result != "unchanged" or outcome.notices or not origin:
            return
        rows: dict[tuple[str, ...] | None, int] = {None: 0}
        codes = {action.path: rows.setdefault(action[1:], len(rows)) for action in outcome.actions}
        paths = self._begun.paths()
        states = [inspect(RelPath(path)) for path in paths]
        is_plain = all(state.kind in ("absent", "file") for state in states)
        if not is_plain or len(rows) > _MOST_ROWS or codes.keys() - {*paths}:
            return
        values = {name: getattr(outcome, name) for name in stat_cache.TOLD}
        self._write(
            self._begun._replace(
                digests=b"".join([bytes.fromhex(state.sha256) or bytes(32) for state in states]),
                codes=bytes([codes.get(RelPath(path), 0) for path in paths]),
                actions=[*rows],
                outcome={**values, "source": origin._asdict()},
            )
        )

    def _write(self, cache: Cache) -> None:
        """Put the cache in place, unless another run is at work."""
        with suppress(OSError, AgentRailError), self._target.locked(timeout=0, sleep=time.sleep):
            self._target.rewrite(CACHE_PATH, cache.dump())

    def _stats(self, groups: Sequence[tuple[str, int]], names: Sequence[str]) -> bytes:
        """Return the stat data of all files; a second process looks at half of very many."""
        jobs, begin = [], 0
        for directory, count in groups:
            jobs.append((directory, names[begin : begin + count]))
            begin += count
        if len(names) < _WORTH_IT:
            return self._look(jobs)
        half = len(jobs) // 2
        wait = child.begin(lambda: self._look(jobs[half:]))
        try:
            return self._look(jobs[:half]) + wait()
        finally:
            child.end(wait)

    def _look(self, jobs: Sequence[tuple[str, Sequence[str]]]) -> bytes:
        stats = [self._target.stats(directory, names) for directory, names in jobs]
        return b"".join(map(stat_cache.pack, stats))


def _key(session: Session, options: Options) -> str | None:
    """Return all that the outcome depends on besides the files of the target; None if that is more.

    A signature holds for a day: whether it still counts depends on the time. What a run has to tell
    of an interrupted one, it tells once.

    Raises:
        OSError, TargetError: something of it cannot be looked at.
    """
    asked = (options.require_signature, options.allowed_signers, options.revoked_keys)
    is_more = any(asked) or options.deny_list or options.with_diff or session.notices
    if is_more or os.environ.get(route.VARIABLE):
        return None
    inspect = session.target.inspect
    if any(inspect(path).kind != "absent" for path in (route.SWITCH_PATH, denial.DENIED_PATH)):
        return None
    places = [source.package_tree().root]
    places += [os.path.realpath(options.runtime_dir)] if options.source == "copy" else []
    stats = [_stat(os.path.join(place, INDEX_NAME)) for place in places]
    signed = [place for place in places if os.path.lexists(os.path.join(place, SIGNATURE_NAME))]
    day = [time.strftime("%Y-%m-%d", time.gmtime())] if signed else []
    signatures = [_stat(os.path.join(place, SIGNATURE_NAME)) for place in signed]
    chosen = (options.source, options.task_root, options.on_conflict, options.allow_downgrade)
    python = sys.version_info[:3]
    return json.dumps([__version__, python, chosen, places, stats, signatures, day])


def _stat(path: str) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
