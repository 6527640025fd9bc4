"""``agentrail consistency-check``."""

from __future__ import annotations

from contextlib import closing

import click

from agentrail_runtime.checkout import find_root
from agentrail_runtime.checks.finding import Mode, Report
from agentrail_runtime.cli.check_options import (
    quality_option,
    report_options,
    target_argument,
    task_options,
)
from agentrail_runtime.cli.output import Output, Progress
from agentrail_runtime.operation.check import check_records


@click.command(
    "consistency-check",
    epilog="Example: agentrail consistency-check --task-id 2026-01-15__add-login-audit",
)
@target_argument
@task_options
@quality_option
@report_options
def command(output: Output, target: str, task_ids: tuple[str, ...] | None, mode: Mode) -> Report:
    """Check the task records of TARGET (default: here) by all rules; exit 1 on findings."""
    with closing(Progress(output)) as progress:
        return check_records(
            find_root(target),
            command="consistency-check",
            rules="consistency",
            task_ids=task_ids,
            mode=mode,
            progress=progress,
        )
