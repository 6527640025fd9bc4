"""``agentrail tasks``."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

import click

from agentrail_runtime.checkout import find_root
from agentrail_runtime.checks.finding import REPORT_VERSION
from agentrail_runtime.cli.check_options import target_argument
from agentrail_runtime.cli.output import Output, options
from agentrail_runtime.document import Json
from agentrail_runtime.operation.tasks import STATES, Blocker, Task, list_tasks

_COLOURS: Final = {
    "planned": "cyan",
    "in_progress": "yellow",
    "blocked": "red",
    "done": "green",
    "unknown": "magenta",
}
_GAP: Final = "  "


@click.command("tasks", epilog="Example: agentrail tasks --state in_progress --state blocked")
@target_argument
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(STATES),
    help="Only tasks in this state; can be repeated.",
)
@options
def command(output: Output, target: str, states: tuple[str, ...]) -> int:
    """List the tasks of TARGET (default: here) in backlog order, with what blocks each."""
    tasks = list_tasks(find_root(target), states=states)
    if output.format == "json":
        output.json(
            {
                "schema_version": REPORT_VERSION,
                "command": "tasks",
                "status": "PASS",
                "task_count": len(tasks),
                "tasks": [_as_json(task) for task in tasks],
            }
        )
    elif not output.is_quiet:
        output.lines([*_as_text(tasks)])
    return 0


def _as_json(task: Task) -> Json:
    return {
        **task._asdict(),
        "depends_on": [*task.depends_on],
        "blocked_by": [blocker.what for blocker in task.blocked_by],
    }


def _as_text(tasks: Sequence[Task]) -> Iterator[str]:
    """Yield a row for each task: position, state, id, owner, title; and below it what blocks it."""
    rows = [[_plain(cell) for cell in _cells(task)] for task in tasks]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for task, row in zip(tasks, rows, strict=True):
        padded = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        padded[1] = click.style(padded[1], fg=_COLOURS[task.state])
        yield _GAP.join(padded).rstrip()
        for blocker in task.blocked_by:
            yield " " * (widths[0] + len(_GAP)) + f"blocked by: {_plain(_told(blocker))}"
    if not tasks:
        yield "no tasks"


def _cells(task: Task) -> tuple[str, ...]:
    position = "-" if task.backlog_position is None else str(task.backlog_position)
    return position, task.state, task.task_id, task.owner or "-", task.title


def _told(blocker: Blocker) -> str:
    return f"{blocker.what} ({blocker.note})" if blocker.note else blocker.what


def _plain(text: str) -> str:
    """Return `text` in one line, without what a terminal would take for a command."""
    return "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)


def _width(text: str) -> int:
    """Return how many columns a terminal takes for `text`."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
