"""``agentrail release withdraw``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from agentrail_runtime.cli.output import Output
from agentrail_runtime.cli.release_options import (
    actor_option,
    as_of_option,
    dry_run_option,
    setting_options,
    show,
    version_option,
)

if TYPE_CHECKING:
    from agentrail_runtime.operation.release import Setting
    from agentrail_runtime.release.policy import Stage


@click.command(
    "withdraw",
    epilog="Example: agentrail release withdraw --version 1.1.0 --all --reason 'breaks rollback' "
    "--sign ~/.ssh/release_key",
)
@version_option
@click.option(
    "--channel",
    "channels",
    multiple=True,
    type=click.Choice(["internal", "pilot", "general"]),
    help="Out of this channel; repeatable.",
)
@click.option("--all", "is_all", is_flag=True, help="Out of all channels.")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for whoever has it installed.")
@click.option(
    "--sign", "key", type=click.Path(), metavar="KEYFILE", help="Signs the list of denied versions."
)
@actor_option
@as_of_option
@dry_run_option
@setting_options("withdraw")
def command(
    output: Output,
    setting: Setting,
    path: str | None,
    *,
    version: str,
    channels: tuple[Stage, ...],
    is_all: bool,
    reason: str,
    key: str | None,
    now: datetime,
) -> int:
    """Take a version out of channels, for those who pinned it, too.

    It leaves the channels' pages, it enters the signed list of denied versions that installs obey, and
    where the policy says so, the copy route is the default at once. A run that was interrupted is
    finished by the next one.
    """
    from agentrail_runtime.operation.release import configured, suspender, withdraw

    if is_all == bool(channels):
        raise click.UsageError("name channels with --channel, or all of them with --all")
    done = withdraw(
        version,
        configured(setting) if is_all else channels,
        setting,
        reason=reason,
        key=key,
        now=now,
        suspend=suspender(setting.policy, path, now),
    )
    verb = {"applied": "withdrawn from", "planned": "to be withdrawn from"}
    told = verb.get(done.result, "withdrawn already from")
    return show(output, done, f"{done.version}: {told} {', '.join(done.channels)}")
