"""What the commands of ``agentrail migration`` share: their options, and how a step is put out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from agentrail_runtime.cli.moment import as_of_option
from agentrail_runtime.cli.output import Output, options
from agentrail_runtime.operation.gate_record import DEFAULT_PATH
from agentrail_runtime.operation.migration import Change
from agentrail_runtime.release import phase_report

Function = TypeVar("Function", bound=Callable[..., Any])


def migration_options(function: Function) -> Callable[..., Any]:
    """Add ROOT, ``--policy``, ``--as-of`` and the options for output.

    The function gets the run's `Output` first, and the moment as ``now``.
    """
    policy_option = click.option(
        "--policy",
        type=click.Path(),
        metavar="FILE",
        help="The distribution policy (default: distribution.yaml in ROOT, or in its "
        "agentrail_runtime/payload; else the packaged one).",
    )
    argument = click.argument("root", type=click.Path(), default=".")
    return argument(policy_option(as_of_option(options(function))))


def evidence_options(function: Function) -> Function:
    """Add the options that say what the conditions are judged from."""
    for option in (
        click.option(
            "--wheel",
            type=click.Path(),
            metavar="FILE",
            help="The built wheel (default: any in ROOT/dist).",
        ),
        click.option(
            "--runtime-version",
            "version",
            metavar="VERSION",
            help="The version that is made (default: what the index says).",
        ),
        decisions_option,
    ):
        function = option(function)
    return function


decisions_option = click.option(
    "--decisions",
    envvar="AGENTRAIL_DECISIONS",
    default=DEFAULT_PATH,
    show_default=True,
    type=click.Path(),
    metavar="FILE",
    help="The decisions of agentrail release gate.",
)


def show(output: Output, change: Change, *, with_diff: bool = False) -> None:
    """Print what a step changed."""
    if output.format == "json":
        output.json(phase_report.change_json(output.command, change))
    elif not output.is_quiet:
        lines = [*change.notices] if change.changed else [f"unchanged: {change.notices[0]}"]
        lines += [] if change.changed else change.notices[1:]
        output.lines([*lines, *(change.diff.splitlines() if with_diff else change.paths)])
