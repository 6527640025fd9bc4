"""What stands where in the state directory, and whether a run is under way there.

This much every command has to know; what a transaction writes there is read by those alone who need it.
"""

from __future__ import annotations

from agentrail_runtime.entry import STATE_PATH, STATE_ROOT, RelPath
from agentrail_runtime.target import Target

JOURNAL_PATH = RelPath(f"{STATE_PATH}/journal")
STASH_PATH = RelPath(f"{STATE_PATH}/stash")


def stash_of(transaction: str) -> RelPath:
    """Return the directory that keeps what the transaction replaced."""
    return RelPath(f"{STASH_PATH}/{transaction}")


def replaced_path(transaction: str, path: RelPath) -> RelPath:
    """Return where the bytes are that the transaction replaced at `path`."""
    return RelPath(f"{stash_of(transaction)}/replaced/{path}")


def record_path(transaction: str) -> RelPath:
    """Return where the finished transaction's journal is."""
    return RelPath(f"{stash_of(transaction)}/record")


def delivered_path(transaction: str) -> RelPath:
    """Return the file that holds the texts the transaction delivered, one after the other."""
    return RelPath(f"{stash_of(transaction)}/delivered")


def is_hot(target: Target) -> bool:
    """Tell whether a run is under way on the target or was killed there."""
    for directory in (STATE_ROOT, STATE_PATH, STASH_PATH):
        if target.is_directory(directory) and not target.names(directory):
            return True
    if {"journal", "lock"} & {*target.names(STATE_PATH)}:
        return True
    return any(_is_leftover(target, name) for name in target.names(STASH_PATH))


def _is_leftover(target: Target, name: str) -> bool:
    """Tell whether a stash belongs to a run that was killed before its journal or after its end."""
    return not {"record", "undone"} & {*target.names(stash_of(name))}
