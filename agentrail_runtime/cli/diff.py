"""``agentrail diff``."""

from __future__ import annotations

from typing import Any

import click

from agentrail_runtime import report
from agentrail_runtime.cli.output import Output, options, printable
from agentrail_runtime.cli.target_options import lock_option, source_options
from agentrail_runtime.operation.install import Options, plan


@click.command("diff", epilog="Example: agentrail diff path/to/repo")
@click.argument("target", type=click.Path(readable=False), default=".")
@source_options
@lock_option
@options
def command(output: Output, target: str, **values: Any) -> int:
    """Show, as unified diff, what an install would write into TARGET (default: here).

    A file that you edited is shown twice: base to current, then current to incoming.
    """
    outcome = plan(target, Options(**values, with_diff=True))._replace(command="diff")
    if output.format == "json":
        output.json(report.as_json(outcome))
    else:
        click.echo(printable(outcome.diff or ""), nl=False)
    output.notices(outcome)
    return 0
