"""``agentrail new-task``."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import click

from agentrail_runtime.checkout import find_root
from agentrail_runtime.checks.finding import REPORT_VERSION
from agentrail_runtime.cli.output import Output, options
from agentrail_runtime.document import Json
from agentrail_runtime.errors import typed
from agentrail_runtime.operation.new_task import Kickoff, NewTask, new_task, parse_task_id
from agentrail_runtime.outcome import Outcome

_EPILOG = """\b
Examples:
  agentrail new-task add-login-audit --title "Log every login"
  agentrail new-task report-logins --depends-on 2026-01-15__add-login-audit
  agentrail new-task faster-ci --from-finding 2026-01-15__add-login-audit F-001
"""


@click.command("new-task", epilog=_EPILOG)
@click.argument("slug")
@click.option("--title", metavar="TEXT", help="The change in one line, for request.md and spec.md.")
@click.option(
    "--depends-on", metavar="ID", multiple=True, help="A task to be done first; can be repeated."
)
@click.option(
    "--from-finding",
    "finding",
    nargs=2,
    metavar="TASK FINDING",
    help="Take the request from a process finding, and link the finding to the new task.",
)
@click.option("--date", metavar="YYYY-MM-DD", help="The day in the id (default: today).")
@click.option(
    "--target",
    type=click.Path(exists=True, file_okay=False),
    default=".",
    help="A directory in the repository (default: here).",
)
@click.option("-n", "--dry-run", is_flag=True, help="Write nothing, show what would be written.")
@options
def command(
    output: Output,
    slug: str,
    title: str | None,
    depends_on: tuple[str, ...],
    finding: tuple[str, str] | None,
    date: str | None,
    target: str,
    dry_run: bool,
) -> int:
    """Begin a task: write its record from the templates, and its entry in the backlog.

    SLUG says in a few words what changes: lower-case letters, digits and hyphens. The id of the task is
    the day and the slug, YYYY-MM-DD__SLUG; a full id can be given as well.
    """
    now = datetime.datetime.now().astimezone()
    kickoff = Kickoff(
        task_id=parse_task_id(slug, date, now.date()),
        updated_at=now.isoformat(timespec="seconds"),
        title=title,
        depends_on=depends_on,
        finding=finding,
    )
    task = new_task(find_root(target), kickoff, dry_run=dry_run)
    if output.format == "json":
        output.json(_as_json(task))
    elif not output.is_quiet:
        output.lines([*_as_text(task, target, dry_run=dry_run)])
    output.notices(Outcome("new-task", "applied", output.target, notices=task.notices))
    return 0


def _as_json(task: NewTask) -> Json:
    return {
        "schema_version": REPORT_VERSION,
        "command": "new-task",
        "status": "PASS",
        "task_id": task.task_id,
        "path": task.path,
        "files": [*task.files],
        "backlog": task.backlog,
        "linked": task.linked,
    }


def _as_text(task: NewTask, target: str, *, dry_run: bool) -> Iterator[str]:
    would = "would be " if dry_run else ""
    yield f"{would}created: {click.style(task.path, fg='green')}"
    if task.backlog:
        yield f"{would}added to: {task.backlog}"
    if task.linked:
        yield f"{would}linked from: {task.linked}"
    if not dry_run:
        where = "" if target == "." else f" {typed(target)}"
        yield f"next: fill in {task.path}/request.md"
        yield f"check: agentrail consistency-check --task-id {task.task_id}{where}"
