"""Every error that the product raises on purpose; each class knows its exit code.

A message reads ``<path>: <what> (expected X, got Y)``, one line a finding; the hint names the next
command or action. Whatever is raised, the target is as it was, but for `RecoveryError`, whose text
says what is left to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from agentrail_runtime.outcome import Outcome


def typed(path: str) -> str:
    """Return `path` as it is to be typed in a shell, for a hint."""
    import shlex

    return shlex.quote(path)


class AgentRailError(Exception):
    """A refusal or a failure that is told to the user, never shown as a traceback.

    Args:
        message: one line a finding, each beginning with the path it is about.
        paths: the paths that the findings name, with ``/``, relative to the target or the source.
        hint: the next command to type or action to take.
    """

    code: ClassVar[int] = 1

    def __init__(self, message: str, *, paths: Iterable[str] = (), hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.paths = tuple(paths)
        self.hint = hint
        self.outcome: Outcome | None = None
        """What was planned when the error was raised, where a plan had been made."""


class UsageError(AgentRailError):
    """The command line is not as the help says."""

    code = 2


class TargetError(AgentRailError):
    """The target cannot be read or written as asked; it is as it was."""


class UnsafePathError(TargetError):
    """A path of ours is a symlink, a directory or a special file, or leads through one."""


class NotInstalledError(TargetError):
    """The target holds no receipt."""


class LockedError(TargetError):
    """Another run holds the target's lock; the message names its process id."""


class StalePlanError(TargetError):
    """A file changed between planning and writing; nothing was written."""


class ReceiptError(TargetError):
    """The receipt is not one that this product writes."""


class ProfileError(TargetError):
    """``project.profile.yaml`` cannot be read or safely edited; the message has line and column."""

    line: int = 1


class HistoryError(TargetError):
    """There is no transaction as asked for to roll back."""


class ConflictError(AgentRailError):
    """Both sides changed a file; nothing was written, every such path is named."""

    code = 3


class DriftError(AgentRailError):
    """Recorded files differ from the receipt, or a change is pending."""

    code = 4


class IncompatibleError(AgentRailError):
    """A version or schema outside the supported window, or a downgrade that was not allowed."""

    code = 5


class SourceError(AgentRailError):
    """The package or bundle is missing, altered, or not signed where it must be."""

    code = 6


class RecoveryError(AgentRailError):
    """An undo could not finish; journal and stash are still there and are named."""

    code = 7
