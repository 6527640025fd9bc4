"""``agentrail status``."""

from __future__ import annotations

from typing import Any

import click

from agentrail_runtime import report
from agentrail_runtime.cli.output import Output, options
from agentrail_runtime.cli.target_options import lock_option, source_options
from agentrail_runtime.operation.install import Options
from agentrail_runtime.operation.status import status


@click.command("status", epilog="Example: agentrail status --exit-code path/to/repo")
@click.argument("target", type=click.Path(readable=False), default=".")
@source_options
@click.option("--exit-code", is_flag=True, help="Exit 4 where something differs or is pending.")
@lock_option
@options
def command(output: Output, target: str, exit_code: bool, **values: Any) -> int:
    """Show version, source, drift, pending update and pins of TARGET (default: here)."""
    found = status(target, Options(**values))
    if output.format == "json":
        output.json(report.status_json(found))
    elif not output.is_quiet:
        output.lines(report.status_text(found, style=click.style, verbose=output.is_verbose))
    output.notices(found.outcome)
    return 4 if exit_code and not found.is_clean else 0
