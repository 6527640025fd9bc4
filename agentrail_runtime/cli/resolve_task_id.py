"""``agentrail resolve-task-id``."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click

from agentrail_runtime.checkout import find_root
from agentrail_runtime.checks.finding import REPORT_VERSION
from agentrail_runtime.cli.check_options import target_argument
from agentrail_runtime.cli.output import Output, options
from agentrail_runtime.errors import AgentRailError
from agentrail_runtime.operation.resolve import resolve
from agentrail_runtime.outcome import Outcome

_EPILOG = """\b
Examples:
  agentrail resolve-task-id --base origin/main
  agentrail resolve-task-id --task-id 2026-01-15__add-login-audit
"""


@click.command("resolve-task-id", epilog=_EPILOG)
@target_argument
@click.option("--task-id", default="", metavar="ID", help="This task; blank to ask git.")
@click.option(
    "--base",
    default="",
    metavar="REV",
    help="Where the change began; blank, all-zero or unknown: the last commit alone.",
)
@click.option("--head", default="", metavar="REV", help="Where the change ends (default: HEAD).")
@options
def command(output: Output, target: str, task_id: str, base: str, head: str) -> int:
    """Find the tasks of TARGET (default: here) that changed between two commits.

    Prints resolved_task_ids (a JSON list), resolved_task_id (the first one) and resolved_task_source
    (manual, diff or skip), and appends them to the file that GITHUB_OUTPUT names.
    """
    resolved = resolve(find_root(target), task_id=task_id, base=base, head=head)
    _append(resolved.values)
    if output.format == "json":
        output.json(
            {
                "schema_version": REPORT_VERSION,
                "command": "resolve-task-id",
                "status": "PASS",
                **resolved.values,
                "resolved_task_ids": [*resolved.task_ids],
            }
        )
    elif not output.is_quiet:
        output.lines(_lines(resolved.values))
    output.notices(Outcome("resolve-task-id", "applied", output.target, notices=resolved.notices))
    return 0


def _lines(values: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in values.items()]


def _append(values: Mapping[str, str]) -> None:
    """Append the values to the file of a GitHub step's outputs, where there is one.

    See https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands.
    """
    path = os.environ.get("GITHUB_OUTPUT")
    if not path:
        return
    try:
        with open(path, "ab") as file:
            file.write("".join(f"{line}\n" for line in _lines(values)).encode())
    except OSError as error:
        raise AgentRailError(
            f"{path}: cannot be written: {error.strerror}",
            paths=[path],
            hint="name another file in GITHUB_OUTPUT, or unset it",
        ) from None
