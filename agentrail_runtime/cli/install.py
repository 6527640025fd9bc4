"""``agentrail install`` and ``agentrail-install``."""

from __future__ import annotations

from typing import Any

import click

from agentrail_runtime.cli.output import Output, Progress, options
from agentrail_runtime.cli.target_options import lock_option, source_options
from agentrail_runtime.operation.install import Options, conflict, plan
from agentrail_runtime.operation.recorded import install

_EPILOG = """\b
Examples:
  agentrail-install path/to/repo
  agentrail-install --dry-run --diff path/to/repo
  agentrail-install --on-conflict merge path/to/repo
  agentrail-install --source copy --runtime-dir dist/runtime path/to/repo
  agentrail-install --targets-from repositories.txt --json
"""

_MOST_JOBS = 60


def _target(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Make sure that there is one target, or a list of them."""
    del parameter
    is_list = context.params.get("targets_from") is not None
    if value is not None and is_list:
        raise click.UsageError("TARGET and --targets-from exclude each other.", context)
    if value is None and not is_list:
        raise click.MissingParameter(ctx=context, param_hint="'TARGET'", param_type="argument")
    return value


def _of_a_list(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Make sure that what is said of a list is said where there is one."""
    if value and context.params.get("targets_from") is None:
        raise click.BadParameter("goes with --targets-from alone.", context, parameter)
    return value


def list_options(function: Any) -> Any:
    """Add the options for many targets."""
    for option in (
        click.option(
            "--fail-fast",
            is_flag=True,
            callback=_of_a_list,
            help="Begin no further target after one that failed.",
        ),
        click.option(
            "-j",
            "--jobs",
            type=click.IntRange(1, _MOST_JOBS),
            callback=_of_a_list,
            metavar="N",
            help="How many targets at once; default: as many as there are processors to use.",
        ),
        click.option(
            "-0",
            "--null",
            "is_null",
            is_flag=True,
            callback=_of_a_list,
            help="The paths in the list end with NUL, as of find -print0.",
        ),
        click.option(
            "--targets-from",
            type=click.Path(readable=False, allow_dash=True),
            is_eager=True,  # the others are judged by it
            metavar="FILE|-",
            help="Many targets instead of one: a path a line; a line may be empty, or a comment (#). "
            "JSON then has a line for each, and one of the kind summary.",
        ),
    ):
        function = option(function)
    return function


@click.command("install", epilog=_EPILOG)
@click.argument("target", type=click.Path(readable=False), required=False, callback=_target)
@source_options
@click.option("--task-root", metavar="PATH", help="Where workflow.task_root is to point.")
@click.option(
    "--on-conflict",
    type=click.Choice(["abort", "keep", "overwrite", "merge"]),
    default="abort",
    show_default=True,
    help="What becomes of a file that you and the framework both changed.",
)
@click.option("-f", "--force", is_flag=True, help="The same as --on-conflict overwrite.")
@click.option("-n", "--dry-run", is_flag=True, help="Write nothing, show the plan.")
@click.option("--diff", "with_diff", is_flag=True, help="Write nothing, show plan and unified diff.")
@click.option("--check", is_flag=True, help="Write nothing, exit 4 if something would change.")
@click.option("--allow-downgrade", is_flag=True, help="Accept an older version.")
@click.option("--fast", is_flag=True, help="Trust size, times and inode of files looked at before.")
@lock_option
@list_options
@options
def command(
    output: Output,
    target: str | None,
    force: bool,
    dry_run: bool,
    with_diff: bool,
    check: bool,
    targets_from: str | None,
    is_null: bool,
    jobs: int | None,
    fail_fast: bool,
    **values: Any,
) -> int:
    """Install, upgrade, repair or adopt: bring TARGET to this version.

    The same command the first time and every time. Your files stay yours: a file that you and the
    framework both changed stops the run before anything is written, by name.

    With --targets-from, every target is a run of its own, all or nothing: one that fails stops no
    other, and the same command again does what is left. The exit code is that of the failures, 1
    where they differ. Ctrl-C lets those under way end; a second one undoes them.
    """
    chosen = Options(**values, with_diff=with_diff)
    if force:
        chosen = chosen._replace(on_conflict="overwrite")
    is_dry = dry_run or with_diff or check
    if target is None:
        from agentrail_runtime.cli import fleet

        assert targets_from is not None
        return fleet.run(
            output,
            targets_from,
            chosen,
            is_null=is_null,
            is_dry=is_dry,
            is_check=check,
            fail_fast=fail_fast,
            jobs=jobs,
        )
    progress = Progress(output)
    chosen = chosen._replace(progress=progress)
    if is_dry:
        outcome = plan(target, chosen)._replace(command="install")
        if outcome.result == "conflict":
            raise conflict(outcome)
        output.show(outcome)
        return 4 if check and outcome.changed else 0
    try:
        outcome = install(target, chosen)
    finally:
        progress.close()
    output.show(outcome)
    return 0
