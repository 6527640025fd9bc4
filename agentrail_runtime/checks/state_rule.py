"""The rules of ``state.json`` and of the dependencies that it declares."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from agentrail_runtime.checks import state as state_
from agentrail_runtime.checks.context import Context
from agentrail_runtime.checks.finding import Finding
from agentrail_runtime.checks.record import Record
from agentrail_runtime.checks.roots import Roots
from agentrail_runtime.checks.state import State

_MAX_RINGS: Final = 20


def check_state(record: Record, context: Context) -> Iterator[Finding]:
    """``state_json_valid`` and ``dependencies_declared``: what the file says, taken alone."""
    del context
    state = record.state
    if state is None:
        return
    for problem in state_.problems(state):
        message = f"{problem.key}: {problem.message}"
        yield _finding(record, "state_json_valid", state, problem.key, message, problem.hint)
    for message in state_.dependency_problems(state):
        hint = "list the ids of the tasks that have to be done first, or [] for none"
        yield _finding(record, "dependencies_declared", state, "depends_on", message, hint)


def check_dependencies(record: Record, context: Context) -> Iterator[Finding]:
    """``dependencies_no_self``, ``dependencies_exist`` and ``dependency_start_gate``."""
    state = record.state
    if state is None:
        return

    def finding(rule_id: str, message: str, hint: str) -> Finding:
        return _finding(record, rule_id, state, "depends_on", message, hint)

    for task_id in state.depends_on:
        task = None if task_id == record.task_id else context.task(task_id)
        if task_id == record.task_id:
            message = f"expected other tasks, found {task_id} itself"
            yield finding("dependencies_no_self", message, "remove it")
        elif task is None:
            is_there = context.has_task(task_id)
            found = "one whose state.json cannot be read" if is_there else "none of that name"
            message = f"expected the task {task_id}, found {found}"
            yield finding("dependencies_exist", message, "correct the id, or remove it")
        elif state.name in state_.STARTED and task.state != "done":
            found = task.state or "no known state"
            message = f"expected {task_id} to be done before this is {state.name}, found {found}"
            hint = "finish it first, or set this one to planned or blocked"
            yield finding("dependency_start_gate", message, hint)


def check_backlog(record: Record, context: Context) -> Iterator[Finding]:
    """``dependency_backlog_synced``."""
    for line, message in backlog_differences(record, context):
        yield Finding(
            "dependency_backlog_synced",
            context.roots.backlog,
            line,
            message,
            "let the backlog's entry and depends_on in state.json say the same",
        )


def backlog_differences(record: Record, context: Context) -> Iterator[tuple[int, str]]:
    """Return where the backlog says something else of the record's dependencies, and what."""
    if record.state is None:
        return
    wanted = frozenset(record.state.depends_on)
    for entry in context.backlog.get(record.task_id, ()):
        if entry.depends_on is None:
            message = f"{record.task_id}: expected '- 依存: …' with a value below the entry, found none"
            yield entry.dependency_line, message
        elif entry.depends_on != wanted:
            found = f"found {_listed(entry.depends_on)}"
            yield entry.dependency_line, f"{record.task_id}: expected 依存 {_listed(wanted)}, {found}"


def cycle_finding(cycle: Sequence[str], state_line: int, roots: Roots) -> Finding:
    """Return the finding of a cycle, in the first of its tasks."""
    chain = " → ".join([*cycle, cycle[0]])
    return Finding(
        "dependencies_no_cycle",
        f"{roots.task_root}/{cycle[0]}/state.json",
        state_line,
        f"expected no cycle of dependencies, found {chain}",
        "remove one of these dependencies",
    )


def cycles(graph: Mapping[str, Sequence[str]], tellers: Collection[str]) -> list[list[str]]:
    """Return cycles of tasks that wait for each other, each from one of `tellers` on, sorted.

    Linear in tasks and dependencies: strongly connected components, by Tarjan's algorithm
    (https://doi.org/10.1137/0201010) without recursion. A knot of tasks can hold more cycles than there
    are tasks; of each knot, as many are returned as it takes to name each teller in it, at most 20. A
    task that waits for itself is no cycle here.

    Args:
        graph: what each task waits for; names that are no keys of it wait for nothing.
        tellers: the tasks that are looked at.
    """
    return sorted(
        ring for knot in _knots(graph) if len(knot) > 1 for ring in _rings(graph, knot, tellers)
    )


def _rings(
    graph: Mapping[str, Sequence[str]], knot: set[str], tellers: Collection[str]
) -> Iterator[list[str]]:
    untold = sorted(task_id for task_id in knot if task_id in tellers)
    told: set[str] = set()
    count = 0
    for task_id in untold:
        if task_id not in told and count < _MAX_RINGS:
            ring = _ring(task_id, graph, knot)
            told.update(ring)
            count += 1
            yield ring


def _knots(graph: Mapping[str, Sequence[str]]) -> Iterator[set[str]]:
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    for root in graph:
        work = [] if root in order else [(root, iter(graph[root]))]
        while work:
            node, following = work[-1]
            if node not in order:
                order[node] = low[node] = len(order)
                path.append(node)
                on_path.add(node)
            step = next((n for n in following if n in graph and (n not in order or n in on_path)), None)
            if step is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    knot = {path.pop()}
                    while node not in knot:
                        knot.add(path.pop())
                    on_path -= knot
                    yield knot
            elif step not in order:
                work.append((step, iter(graph[step])))
            else:
                low[node] = min(low[node], order[step])


def _ring(start: str, graph: Mapping[str, Sequence[str]], knot: set[str]) -> list[str]:
    """Return a shortest way from `start` back to it; there is one, since all of a knot is on cycles."""
    before: dict[str, str] = {}
    waiting: deque[str] = deque()
    node = start
    while node == start or start not in graph[node]:
        for following in graph[node]:
            if following in knot and following not in before and following != start:
                before[following] = node
                waiting.append(following)
        node = waiting.popleft()
    ring = [node]
    while ring[-1] != start:
        ring.append(before[ring[-1]])
    return ring[::-1]


def _listed(ids: frozenset[str]) -> str:
    return ", ".join(sorted(ids)) or "なし"


def _finding(record: Record, rule_id: str, state: State, key: str, message: str, hint: str) -> Finding:
    return record.finding(rule_id, "state.json", state.line_of(key), message, hint)
