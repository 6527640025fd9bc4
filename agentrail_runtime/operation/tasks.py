"""Tasks: every task record that is not archived, in backlog order, and what blocks each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from agentrail_runtime.checkout import Checkout
from agentrail_runtime.checks import state as state_
from agentrail_runtime.checks.context import Context
from agentrail_runtime.checks.files import UnreadableError, read_text
from agentrail_runtime.checks.record import task_ids
from agentrail_runtime.checks.roots import Roots
from agentrail_runtime.checks.state import State, StateError
from agentrail_runtime.entry import PROFILE_PATH
from agentrail_runtime.errors import TargetError
from agentrail_runtime.operation.check import check_profile

UNKNOWN: Final = "unknown"
"""The state of a task whose ``state.json`` cannot be read, or says no state."""

STATES: Final = (*state_.STATES, UNKNOWN)
_TITLE: Final = re.compile(
    r"^[ \t]*[-*+][ \t]+\*{0,2}タイトル\*{0,2}[ \t]*[:：]\*{0,2}[ \t]*(.*?)[ \t\r]*$", re.MULTILINE
)
_BLANK: Final = "（記入"


class Blocker(NamedTuple):
    """What blocks a task: a reason, or the id of another task; `note` says what is with that one."""

    what: str
    note: str = ""


class Task(NamedTuple):
    """A task as it is listed.

    Args:
        task_id: its id.
        state: one of `STATES`.
        owner: None where the record names none.
        title: what the specification says, else the slug.
        depends_on: the ids of the tasks that it waits for.
        blocked_by: what keeps it from going on, none for a task that is done.
        backlog_position: where in the backlog it stands, from 1; None where it does not.
        path: the directory of the record, relative to the root.
    """

    task_id: str
    state: str
    owner: str | None
    title: str
    depends_on: tuple[str, ...]
    blocked_by: tuple[Blocker, ...]
    backlog_position: int | None
    path: str


def known_roots(files: Checkout) -> Roots:
    """Return where a repository keeps its records and documents.

    Raises:
        TargetError: the profile does not say it, so that nobody knows.
    """
    profile = check_profile(files)
    if not profile.has_roots:
        raise TargetError(
            "\n".join(f"{one.path}:{one.line}: {one.message}" for one in profile.findings),
            paths=[PROFILE_PATH],
            hint="mend the profile, then run the command again",
        )
    return profile.roots


def list_tasks(root: str, *, states: Sequence[str] = ()) -> list[Task]:
    """Return the tasks in backlog order, then the others by id.

    Args:
        root: the repository.
        states: only those in one of these states; none for all.

    Raises:
        TargetError: the profile does not say where the records are.
    """
    files = Checkout(root)
    roots = known_roots(files)
    context = Context(files, roots)
    position = {task_id: number for number, task_id in enumerate(context.backlog, 1)}
    ids = sorted(task_ids(files, roots), key=lambda name: (position.get(name, len(position) + 1), name))
    known = {task_id: _state(files, f"{roots.task_root}/{task_id}") for task_id in ids}
    tasks = [_task(task_id, known, position.get(task_id), context) for task_id in ids]
    return [task for task in tasks if not states or task.state in states]


def _task(
    task_id: str, known: Mapping[str, State | Blocker], position: int | None, context: Context
) -> Task:
    path = f"{context.roots.task_root}/{task_id}"
    state = known[task_id]
    title = _title(context, path) or task_id.partition("__")[2] or task_id
    if isinstance(state, Blocker):
        return Task(task_id, UNKNOWN, None, title, (), (state,), position, path)
    owner = state.value.get("owner")
    return Task(
        task_id,
        state.name or UNKNOWN,
        owner if isinstance(owner, str) and owner.strip() else None,
        title,
        state.depends_on,
        tuple(_blockers(task_id, state, known)),
        position,
        path,
    )


def _blockers(task_id: str, state: State, known: Mapping[str, State | Blocker]) -> Iterator[Blocker]:
    if state.name == "done":
        return
    if state.name is None:
        problem = next(state_.problems(state))
        yield Blocker(f"state.json: {problem.message}")
    if state.name == "blocked":
        yield from _issues(state.value.get("blocking_issues"))
    for other in state.depends_on:
        found = known.get(other)
        name = found.name if isinstance(found, State) else None
        if other == task_id:
            yield Blocker(other, "itself")
        elif name != "done":
            yield Blocker(other, name or (UNKNOWN if found else "no such task"))


def _issues(value: object) -> Iterator[Blocker]:
    for issue in value if isinstance(value, list) else ():
        text = issue if isinstance(issue, str) else json.dumps(issue, ensure_ascii=False)
        if text.strip():
            yield Blocker(text.strip())


def _state(files: Checkout, path: str) -> State | Blocker:
    try:
        return state_.load(read_text(files, f"{path}/state.json"))
    except FileNotFoundError:
        return Blocker("state.json: no such file")
    except (UnreadableError, StateError) as error:
        return Blocker(f"state.json: {error}")


def _title(context: Context, path: str) -> str | None:
    try:
        found = _TITLE.search(read_text(context.files, f"{path}/spec.md"))
    except (FileNotFoundError, UnreadableError):
        return None
    return found[1] if found and not found[1].startswith(_BLANK) else None
