"""``agentrail release promote``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from agentrail_runtime.cli.output import Output
from agentrail_runtime.cli.release_options import (
    actor_option,
    as_of_option,
    decisions_option,
    dry_run_option,
    setting_options,
    show,
    version_option,
)

if TYPE_CHECKING:
    from agentrail_runtime.operation.release import Setting
    from agentrail_runtime.release.policy import Stage


@click.command(
    "promote",
    epilog="Example: agentrail release promote --version 1.1.0 --to pilot --approver 'A. Name'",
)
@version_option
@click.option(
    "--to", required=True, type=click.Choice(["pilot", "general"]), help="The channel to put it into."
)
@click.option(
    "--events",
    multiple=True,
    metavar="DIR",
    help="Run the gate on these events instead of asking for its decision; repeatable.",
)
@decisions_option
@click.option("--approver", required=True, metavar="NAME", help="Who approved it: somebody else.")
@actor_option
@as_of_option
@dry_run_option
@setting_options("promote")
def command(
    output: Output,
    setting: Setting,
    path: str | None,
    *,
    version: str,
    to: Stage,
    events: tuple[str, ...],
    decisions: str,
    approver: str,
    now: datetime,
) -> int:
    """Put the same bytes of a version into the next channel, and read them back to prove it.

    The version must have passed the gate of the channel that it leaves: by a recorded decision, the
    newest of which counts, or by the gate run on events now.
    """
    del path
    from agentrail_runtime.operation.release import decided, judged, promote

    notices: list[str] = []
    has_passed = judged(setting.policy, events, now, notices) if events else decided(decisions, notices)
    done = promote(version, to, setting, approver=approver, has_passed=has_passed)
    done = done._replace(notices=(*done.notices, *notices))
    verb = {"applied": "promoted to", "planned": "to be promoted to", "unchanged": "already in"}
    return show(output, done, f"{done.version}: {verb[done.result]} {to}")
