"""Groups of commands, each imported only when it is run: the list of them costs no import."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group whose commands are modules of this package.

    Args:
        commands: what each command is for, by its name. The module of `name` has the group's prefix and
            the name, with ``_``, and its click command is ``command``.
        prefix: what the modules' names begin with, ``release_`` for one.
        values: as for `click.Group`.
    """

    def __init__(self, *, commands: Mapping[str, str], prefix: str = "", **values: Any) -> None:
        super().__init__(**values)
        self._purposes = commands
        self._prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which they are to be shown."""
        del ctx
        return list(self._purposes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, None if there is none of that name."""
        del ctx
        if cmd_name not in self._purposes:
            return None
        name = f"{self._prefix}{cmd_name}".replace("-", "_")
        command: click.Command = importlib.import_module(f"agentrail_runtime.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing one."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([*self._purposes.items()])
