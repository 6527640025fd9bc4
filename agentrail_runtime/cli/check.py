"""``agentrail check``."""

from __future__ import annotations

from contextlib import closing
from typing import Literal

import click

from agentrail_runtime.checkout import find_root
from agentrail_runtime.checks.finding import Mode, Report
from agentrail_runtime.cli.check_options import quality_option, report_options, target_argument
from agentrail_runtime.cli.output import Output, Progress
from agentrail_runtime.operation.check import check


@click.command("check", epilog="Example: agentrail check --changed-since origin/main --format github")
@target_argument
@click.option(
    "--changed-since",
    metavar="REV",
    help="Let only the tasks fail that changed since REV; an unknown REV means the last commit.",
)
@click.option(
    "--unchanged-tasks",
    "unchanged",
    type=click.Choice(["skip", "warning"]),
    default="skip",
    help="With --changed-since: leave the other tasks out, or report theirs as warnings.",
)
@quality_option
@report_options
def command(
    output: Output,
    target: str,
    changed_since: str | None,
    unchanged: Literal["skip", "warning"],
    mode: Mode,
) -> Report:
    """Check all that applies to the repository: profile, documentation index, every task record."""
    with closing(Progress(output)) as progress:
        return check(
            find_root(target),
            changed_since=changed_since,
            unchanged=unchanged,
            mode=mode,
            progress=progress,
        )
