"""``agentrail migration advance``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from agentrail_runtime.cli.migration_options import evidence_options, migration_options, show
from agentrail_runtime.cli.output import Output, Progress
from agentrail_runtime.operation.migration import advance
from agentrail_runtime.operation.standing import Options


@click.command("advance", epilog="Example: agentrail migration advance --dry-run path/to/framework")
@evidence_options
@click.option("-n", "--dry-run", is_flag=True, help="Write nothing, show what would change.")
@migration_options
def command(output: Output, now: datetime, dry_run: bool, **values: Any) -> int:
    """Begin the next phase in the framework repository ROOT (default: here).

    Refused while a condition of that phase, or of one before it, is not met, or while the package route
    is suspended. Writes policy, status of the runbook and index of the payload; commit them together.
    """
    progress = Progress(output)
    try:
        change = advance(Options(now=now, progress=progress, **values), is_dry_run=dry_run)
    finally:
        progress.close()
    show(output, change, with_diff=True)
    return 0
