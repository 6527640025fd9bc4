"""The documented Python API; `agentrail_runtime` offers every name of it."""

from __future__ import annotations

import os
from typing import Any

from agentrail_runtime.operation import install as install_
from agentrail_runtime.operation import recorded
from agentrail_runtime.operation import verify as verify_
from agentrail_runtime.operation.install import Options
from agentrail_runtime.outcome import Outcome

Target = str | os.PathLike[str]


def plan(target: Target, **options: Any) -> Outcome:
    """Return what `install` would do; nothing is written.

    Args:
        target: a directory in the repository, or where it is to be.
        **options: the fields of `agentrail_runtime.operation.install.Options`.

    Raises:
        AgentRailError: as `install`, but conflicts are told by ``outcome.result``.
    """
    return install_.plan(os.fspath(target), Options(**options))


def install(target: Target, **options: Any) -> Outcome:
    """Install, upgrade, repair or adopt: bring `target` to this version, all of it or nothing.

    Args:
        target: a directory in the repository, or where it is to be.
        **options: the fields of `agentrail_runtime.operation.install.Options`.

    Raises:
        ConflictError: both sides changed a file; nothing was written.
        SourceError: no usable source; nothing was written.
        IncompatibleError: a downgrade or an unsupported schema; nothing was written.
        TargetError: the target is unsafe, locked or cannot be written; it is as it was.
        RecoveryError: an undo could not finish; journal and stash are there and are named.
    """
    return recorded.install(os.fspath(target), Options(**options))


def verify(target: Target = ".") -> Outcome:
    """Check every recorded file against the receipt; nothing is written.

    Raises:
        DriftError: files differ; all are named.
        NotInstalledError: there is no receipt.
        ReceiptError, IncompatibleError: the receipt cannot be read.
    """
    return verify_.verify(os.fspath(target))


def rollback(target: Target = ".", *, to: str | None = None, force: bool = False) -> Outcome:
    """Undo the last transaction exactly, or the one named by `to` and all later ones.

    Args:
        target: a directory in the repository.
        to: the id of a transaction.
        force: undo edits made since, too; the stash keeps them.

    Raises:
        HistoryError: there is no such transaction.
        ConflictError: files were edited since; nothing was written.
        TargetError: the target cannot be written; it is as it was.
        RecoveryError: a stash is damaged, or an undo could not finish; nothing was deleted.
    """
    return recorded.rollback(os.fspath(target), to=to, force=force)


def uninstall(target: Target, *, purge: bool = False) -> Outcome:
    """Take out what was installed and not edited, all of it or nothing.

    Args:
        target: a directory in the repository.
        purge: drop the stash even where it holds bytes of the user's.

    Raises:
        NotInstalledError: there is no receipt.
        TargetError: the target cannot be written; it is as it was.
        RecoveryError: an undo could not finish; journal and stash are there and are named.
    """
    return recorded.uninstall(os.fspath(target), purge=purge)
