"""``agentrail migration suspend``."""

from __future__ import annotations

from datetime import datetime

import click

from agentrail_runtime.cli.migration_options import migration_options, show
from agentrail_runtime.cli.output import Output
from agentrail_runtime.operation.migration import halt

_EPILOG = 'Example: agentrail migration suspend --reason "1.1.0 fails on Windows" path/to/repo'


@click.command("suspend", epilog=_EPILOG)
@click.option("--reason", required=True, metavar="TEXT", help="Why, on one line.")
@migration_options
def command(output: Output, now: datetime, root: str, policy: str | None, reason: str) -> int:
    """Make the copy route the default at once, in ROOT (default: here).

    In a framework repository this writes the policy, the status in the runbook and the payload's index,
    for everybody who gets the next bundle. In a target it writes .agentrail/policy.yaml and
    .agentrail/distribution-status.md, for this repository alone. Commit what was written.
    """
    show(output, halt(root, reason=reason, now=now, policy=policy))
    return 0
