"""``agentrail release``: the group."""

from __future__ import annotations

from typing import Final

import click

from agentrail_runtime.cli.group import LazyGroup

COMMANDS: Final = {
    "status": "Show which version is in which channel.",
    "publish": "Put a built and signed version into the first channel.",
    "gate": "Tell from events whether a version may be promoted.",
    "promote": "Put the same bytes into the next channel.",
    "withdraw": "Take a version out of a channel, for pinned users, too.",
    "probe": "Tell whether an index serves a version: OK, WITHDRAWN, DENIED, TAMPER or OUTAGE.",
    "notes": "Print the release notes of a version.",
}
"""Every command of the group, and what it is for."""


@click.group(
    "release",
    cls=LazyGroup,
    commands=COMMANDS,
    prefix="release_",
    epilog="Example: agentrail release gate --stage internal --version 1.1.0 --events path/to/events",
)
def command() -> None:
    """Bring a release from the internal channel to everybody, stage by stage, and back if need be."""
