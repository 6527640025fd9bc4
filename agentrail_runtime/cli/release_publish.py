"""``agentrail release publish``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agentrail_runtime.cli.output import Output
from agentrail_runtime.cli.release_options import actor_option, dry_run_option, setting_options, show

if TYPE_CHECKING:
    from agentrail_runtime.operation.release import Setting


@click.command(
    "publish",
    epilog="Example: agentrail release publish dist --location path/to/channels --require-signature",
)
@click.argument("paths", nargs=-1, required=True, metavar="DIST...")
@click.option("--channel", default="internal", show_default=True, help="The first channel.")
@click.option("--require-signature", is_flag=True, help="Refuse a payload that is not signed.")
@actor_option
@dry_run_option
@setting_options("publish")
def command(
    output: Output,
    setting: Setting,
    path: str | None,
    *,
    paths: tuple[str, ...],
    channel: str,
    require_signature: bool,
) -> int:
    """Put built files (DIST: files or directories of them) into the first channel.

    Each is checked first: its name and its metadata, the payload in it against its index, and its
    signature. A version that is published stays as it is: other bytes need another version.
    """
    del path
    from agentrail_runtime.operation.release import publish

    done = publish(paths, setting, channel=channel, require_signature=require_signature)
    verb = {"applied": "published to", "planned": "to be published to", "unchanged": "already in"}
    return show(output, done, f"{done.version}: {verb[done.result]} {channel}")
