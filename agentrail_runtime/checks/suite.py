"""Which rules a command applies to a record, and what it finds in all of them together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from agentrail_runtime.checks import document_rule, review_rule, state_rule
from agentrail_runtime.checks.context import Context
from agentrail_runtime.checks.finding import Finding, Mode, Result
from agentrail_runtime.checks.quality_rule import check_quality
from agentrail_runtime.checks.record import Record

Rule = Callable[[Record, Context], Iterable[Finding]]


def check_done_docs(record: Record, context: Context) -> Iterator[Finding]:
    """``docs_index_updated`` and ``link_targets_exist``, of what section 9 of a done task lists."""
    spec = record.document("spec.md")
    if spec is None or not record.is_done:
        return
    yield from document_rule.check_docs(record, context)
    listed = {line for line, _ in document_rule.listed_docs(spec, context)}
    for finding in document_rule.check_links(record, context):
        if finding.path.endswith("/spec.md") and finding.line in listed:
            yield finding


def check_done_stages(record: Record, context: Context) -> Iterator[Finding]:
    """``plan_two_stage_defined``, of a done task whose specification speaks of the two stages."""
    del context
    spec = record.document("spec.md")
    if record.is_done and spec is not None and any(w in spec.text.lower() for w in _STAGES):
        yield from document_rule.check_stages(record)


_STAGES: Final = ("plan-draft", "plan-final")

_STATE: Final[tuple[Rule, ...]] = (state_rule.check_state, state_rule.check_dependencies)
_DONE: Final[tuple[Rule, ...]] = (review_rule.check_completed, check_done_docs, check_done_stages)

CONSISTENCY: Final[tuple[Rule, ...]] = (
    *_STATE,
    state_rule.check_backlog,
    document_rule.check_prerequisites,
    document_rule.check_spec,
    document_rule.check_plan,
    document_rule.check_docs,
    document_rule.check_links,
    review_rule.check_findings,
    review_rule.check_boundaries,
)
"""The rules of ``agentrail consistency-check``."""

STATE: Final[tuple[Rule, ...]] = (*_STATE, *_DONE)
"""The rules of ``agentrail state-validate``."""

ALL: Final[tuple[Rule, ...]] = (*CONSISTENCY, review_rule.check_completed)
"""The rules of ``agentrail check``: those of both, each once."""


class Checked(NamedTuple):
    """What one record came to, and what it depends on: the graph is looked at when all are known."""

    result: Result
    depends_on: tuple[str, ...]
    depends_on_line: int


class Suite:
    """The rules of one command, and the repository that they are applied to.

    Args:
        context: the repository.
        rules: what is applied to each record.
        mode: how findings of documentation quality count.
        shared: findings of the repository as a whole that every record gets.
    """

    def __init__(
        self, context: Context, rules: Sequence[Rule], *, mode: Mode, shared: Sequence[Finding] = ()
    ) -> None:
        self._context = context
        self._rules = rules
        self._mode = mode
        self._shared = tuple(shared)

    def check(self, task_id: str) -> Checked:
        """Return what is found in the record `task_id`."""
        record = Record(task_id, self._context.files, self._context.roots)
        findings = [*self._shared, *self._broken(record)]
        for rule in self._rules:
            findings += rule(record, self._context)
        findings += self._quality(record)
        findings.sort(key=lambda finding: (finding.path, finding.line, finding.rule_id))
        result = Result(task_id, tuple(findings))
        if record.state is None:
            return Checked(result, (), 1)
        return Checked(result, record.state.depends_on, record.state.line_of("depends_on"))

    def _broken(self, record: Record) -> list[Finding]:
        """Return what could not be read, of the files that the rules are about."""
        if self._rules is not STATE or record.is_done:
            return record.broken
        return [f for f in record.broken if f.path in (record.folder, f"{record.folder}/state.json")]

    def _quality(self, record: Record) -> Iterator[Finding]:
        if self._mode != "off" and self._rules is not STATE:
            for finding in check_quality(record, self._context):
                yield finding if self._mode == "fail" else finding.as_warning()


def with_cycles(checked: Iterable[Checked], context: Context) -> list[Result]:
    """Return the results of all records, each cycle of dependencies told once, in one that is on it.

    Args:
        checked: the records that were looked at; what they wait for besides is looked up.
        context: the repository.
    """
    results = {one.result.task_id: one for one in checked if one.result.task_id is not None}
    graph = {task_id: one.depends_on for task_id, one in results.items()}
    waiting = [name for names in graph.values() for name in names if name not in graph]
    while waiting:
        task_id = waiting.pop()
        if task_id not in graph:
            task = context.task(task_id)
            graph[task_id] = task.depends_on if task else ()
            waiting += graph[task_id]
    found: dict[str, list[Finding]] = {}
    for cycle in state_rule.cycles(graph, results):
        line = results[cycle[0]].depends_on_line
        found.setdefault(cycle[0], []).append(state_rule.cycle_finding(cycle, line, context.roots))
    return [
        one.result._replace(findings=(*one.result.findings, *found.get(task_id, ())))
        for task_id, one in results.items()
    ]
