"""The entry points, and what becomes of every error."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, Final

import click

from agentrail_runtime.cli.group import LazyGroup
from agentrail_runtime.cli.output import Output, wants_json, wants_traceback
from agentrail_runtime.errors import AgentRailError, UsageError
from agentrail_runtime.version import __version__

COMMANDS: Final = {
    "install": "Install, upgrade, repair or adopt: bring TARGET to this version.",
    "status": "Show version, source, drift, pending update and pins.",
    "diff": "Show what an install would write.",
    "verify": "Check every recorded file against the receipt.",
    "export": "Build or check a bundle of the files, for the copy route.",
    "rollback": "Undo the last (or named) transaction exactly.",
    "uninstall": "Remove what was installed and not edited.",
    "release": "Publish, promote, withdraw and judge releases, stage by stage.",
    "migration": "Lead the way from the copy route to the package, phase by phase.",
    "profile-upgrade": "Bring project.profile.yaml of schema 1.x to 2.0.0.",
    "check": "Check all that applies to the repository: profile, docs index, records.",
    "new-task": "Begin a task: a record from the templates, and its backlog entry.",
    "tasks": "List the tasks in backlog order, with what blocks each.",
    "consistency-check": "Check task records by all rules.",
    "state-validate": "Check state.json, and what a done task has to be.",
    "docs-indexer": "Keep docs/INDEX.md in sync with the documents.",
    "profile-validate": "Check project.profile.yaml against its schema.",
    "resolve-task-id": "Find the tasks that changed between two commits.",
}
"""Every command of ``agentrail``, and what it is for."""

_INTERNAL_ERROR: Final = 70
_INTERRUPTED: Final = 130
_TERMINATED: Final = 143


@click.group(
    cls=LazyGroup,
    commands=COMMANDS,
    epilog="Example: agentrail status path/to/repo\n\n"
    "The way in: agentrail-install path/to/repo (the same as agentrail install).",
)
@click.version_option(__version__, prog_name="agentrail")
def agentrail() -> None:
    """Install the AgentRail framework into a repository, and keep it honest there."""


def main() -> None:
    """Run ``agentrail``."""
    sys.exit(run(agentrail, sys.argv[1:], name="agentrail"))


def main_install() -> None:
    """Run ``agentrail-install``."""
    from agentrail_runtime.cli.install import command

    sys.exit(run(command, sys.argv[1:], name="agentrail-install"))


def run(
    command: click.Command,
    words: Sequence[str],
    *,
    name: str,
    first: Callable[[Mapping[str, Any]], None] | None = None,
    program: str = "",
) -> int:
    """Run a command; print its errors; return the exit code.

    Args:
        command: the command.
        words: what follows its name on the command line.
        name: its name there.
        first: what is to be done before it, with the values of its options.
        program: what stands for ``agentrail`` and ``agentrail-install`` in commands to type, if these
            are not there.
    """
    signal.signal(signal.SIGTERM, _terminate)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    output = Output("json" if wants_json(words) else "text", is_verbose=wants_traceback(words))
    output.program, output.first = program, first
    try:
        code = command.main([*words], prog_name=name, standalone_mode=False, obj=output)
        return code if isinstance(code, int) else 0
    except AgentRailError as error:
        output.fail(error)
        return error.code
    except click.ClickException as error:
        named = (word for word in words if word in COMMANDS)
        return _usage(error, output, command=next(named, command.name or name))
    except (click.Abort, KeyboardInterrupt):
        output.fail(AgentRailError("interrupted; the target is as it was"), code=_INTERRUPTED)
        return _INTERRUPTED
    except Exception as error:
        output.fail_internally(error)
        return _INTERNAL_ERROR


def _usage(error: click.ClickException, output: Output, *, command: str) -> int:
    if output.format == "json":
        output.command = command
        output.fail(UsageError(error.format_message()))
    else:
        error.show()
    return error.exit_code


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as an exception does, so that a transaction under way is undone."""
    del number, frame
    raise SystemExit(_TERMINATED)
