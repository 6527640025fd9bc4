"""Resolve: the tasks that a change is about, named by hand or found in git."""

from __future__ import annotations

import json
from typing import Literal, NamedTuple

from agentrail_runtime import git
from agentrail_runtime.checkout import Checkout
from agentrail_runtime.checks.record import TASK_ID
from agentrail_runtime.checks.roots import Roots
from agentrail_runtime.errors import TargetError
from agentrail_runtime.operation.tasks import known_roots

Source = Literal["manual", "diff", "skip"]


class Resolved(NamedTuple):
    """The tasks, sorted, and where they come from; `notices` are sentences for the user besides."""

    task_ids: tuple[str, ...]
    source: Source
    notices: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, str]:
        """The outputs of a CI step, each one line: the ids as a JSON list, the first id, the source."""
        return {
            "resolved_task_ids": json.dumps(self.task_ids, separators=(",", ":")),
            "resolved_task_id": next(iter(self.task_ids), ""),
            "resolved_task_source": self.source,
        }


def resolve(root: str, *, task_id: str = "", base: str = "", head: str = "") -> Resolved:
    """Return the tasks that a change is about.

    Args:
        root: the repository.
        task_id: the task itself; blank to ask git.
        base: the revision that the change began at. Blank, all-zero or unknown: `head` alone is the
            change.
        head: the revision that it ends at; blank for HEAD.

    Raises:
        TargetError: there is no such task, `head` is no commit, or the profile does not say where the
            records are.
    """
    files = Checkout(root)
    roots = known_roots(files)
    if task_id.strip():
        return Resolved((_given(files, roots, task_id.strip()),), "manual")
    base, head = base.strip(), head.strip()
    if git.commit(root, head or "HEAD") is None:
        return _without_commit(root, base, head)
    changed = git.changed_below(root, roots.task_root, base, head or "HEAD")
    ids = tuple(name for name in changed if _is_task(files, roots, name))
    is_known = not base.strip("0") or git.commit(root, base) is not None
    notices = () if is_known else (f"{base}: no such commit here: only the last commit was looked at",)
    return Resolved(ids, "diff" if ids else "skip", notices)


def _without_commit(root: str, base: str, head: str) -> Resolved:
    if head or base.strip("0") or git.work_tree(root) is not None:
        raise TargetError(
            f"{head or 'HEAD'}: no such commit in {root} (expected the end of the change)",
            hint=f"see what git says: git -C {root} log -1 {head}".rstrip(),
        )
    return Resolved((), "skip", (f"{root}: no git repository: nothing was compared",))


def _given(files: Checkout, roots: Roots, task_id: str) -> str:
    if not _is_id(task_id):
        raise TargetError(
            f"{task_id!r}: not a task id (expected YYYY-MM-DD__kebab-slug)",
            hint="list the tasks: agentrail tasks",
        )
    if not _is_task(files, roots, task_id):
        raise TargetError(
            f"{roots.task_root}/{task_id}: no such task (expected the directory of its record)",
            paths=[f"{roots.task_root}/{task_id}"],
            hint="list the tasks: agentrail tasks",
        )
    return task_id


def _is_task(files: Checkout, roots: Roots, name: str) -> bool:
    is_there = _is_id(name) and name in files.names(roots.task_root)
    return is_there and files.is_directory(f"{roots.task_root}/{name}")


def _is_id(name: str) -> bool:
    return name.isascii() and TASK_ID.fullmatch(name) is not None
