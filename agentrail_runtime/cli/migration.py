"""``agentrail migration``: the group."""

from __future__ import annotations

from typing import Final

import click

from agentrail_runtime.cli.group import LazyGroup

COMMANDS: Final = {
    "status": "Show the phase, every condition with its evidence, and what the next one lacks.",
    "check": "The same for CI: exit 4 when a condition does not hold.",
    "advance": "Begin the next phase; refused while a condition fails.",
    "suspend": "Make the copy route the default at once.",
    "resume": "Make the package route the default again, after a passed gate.",
}
"""Every command of the group, and what it is for."""


@click.group(
    "migration",
    cls=LazyGroup,
    commands=COMMANDS,
    prefix="migration_",
    epilog="Example: agentrail migration status path/to/framework",
)
def command() -> None:
    """Lead the way from copying dist/runtime to installing the package, phase by phase."""
