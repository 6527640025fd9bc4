"""``agentrail migration resume``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from agentrail_runtime.cli.migration_options import decisions_option, migration_options, show
from agentrail_runtime.cli.output import Output
from agentrail_runtime.operation.migration import Gate, resume
from agentrail_runtime.operation.standing import Options
from agentrail_runtime.release.policy import STAGES

_EPILOG = """\b
Examples:
  agentrail migration resume --stage general --version 1.1.1
  agentrail migration resume --version 1.1.1 --events path/to/events
"""


@click.command("resume", epilog=_EPILOG)
@decisions_option
@click.option(
    "--stage",
    type=click.Choice(STAGES),
    default="general",
    show_default=True,
    help="The channel whose gate has to be passed.",
)
@click.option("--version", metavar="VERSION", help="The version (default: the one of ROOT).")
@click.option(
    "--events",
    multiple=True,
    type=click.Path(),
    metavar="DIR",
    help="Run the gate on these events instead of going by a decision; repeatable.",
)
@migration_options
def command(
    output: Output,
    now: datetime,
    stage: Any,
    version: str | None,
    events: tuple[str, ...],
    **values: Any,
) -> int:
    """Make the package route the default again, in ROOT (default: here).

    Refused unless the newest decision of the gate for the version is to promote it, and was made after
    the suspension. What suspend wrote is taken back; commit that.
    """
    show(output, resume(Options(now=now, **values), Gate(stage, version, events)))
    return 0
