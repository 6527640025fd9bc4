"""``agentrail verify``."""

from __future__ import annotations

import click

from agentrail_runtime.cli.output import Output, options
from agentrail_runtime.cli.target_options import lock_option
from agentrail_runtime.operation.verify import verify


@click.command("verify", epilog="Example: agentrail verify path/to/repo")
@click.argument("target", type=click.Path(readable=False), default=".")
@lock_option
@options
def command(output: Output, target: str, lock_timeout: float) -> int:
    """Check every recorded file of TARGET (default: here) against the receipt; exit 4 on drift."""
    output.show(verify(target, lock_timeout=lock_timeout))
    return 0
