"""``agentrail migration status``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from agentrail_runtime.cli.migration_options import evidence_options, migration_options
from agentrail_runtime.cli.output import Output, Progress
from agentrail_runtime.operation.standing import Options, status
from agentrail_runtime.release import phase_report


@click.command("status", epilog="Example: agentrail migration status path/to/framework")
@evidence_options
@click.option("--quick", "is_quick", is_flag=True, help="Leave out what takes long.")
@migration_options
def command(output: Output, now: datetime, **values: Any) -> int:
    """Show the phase, the default route, and every condition with its evidence.

    ROOT (default: here) is a framework repository; in any other directory, what the policy of this
    package and an operator's switch come to there.
    """
    progress = Progress(output)
    try:
        found = status(Options(now=now, progress=progress, **values))
    finally:
        progress.close()
    if output.format == "json":
        output.json(phase_report.standing_json(output.command, found))
    elif not output.is_quiet:
        output.lines([*phase_report.standing_text(found, style=click.style)])
    return 0
