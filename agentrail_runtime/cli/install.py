"""``agentrail install`` and ``agentrail-install``."""

from __future__ import annotations

from typing import Any

import click

from agentrail_runtime.cli.output import Output, Progress, options
from agentrail_runtime.operation.install import Options, conflict, plan
from agentrail_runtime.operation.recorded import install
from agentrail_runtime.session import DEFAULT_TIMEOUT

_EPILOG = """\b
Examples:
  agentrail-install path/to/repo
  agentrail-install --dry-run --diff path/to/repo
  agentrail-install --on-conflict merge path/to/repo
  agentrail-install --source copy --runtime-dir dist/runtime path/to/repo
"""


def source_options(function: Any) -> Any:
    """Add the options that say where the runtime comes from."""
    for option in (
        click.option(
            "--deny-list",
            envvar="AGENTRAIL_DENY_LIST",
            metavar="FILE|URL",
            help="A signed list of versions that were withdrawn.",
        ),
        click.option(
            "--revoked-keys",
            envvar="AGENTRAIL_REVOKED_KEYS",
            type=click.Path(),
            metavar="FILE",
            help="Whose signatures count no more (ssh-keygen(1), -r).",
        ),
        click.option(
            "--allowed-signers",
            envvar="AGENTRAIL_ALLOWED_SIGNERS",
            type=click.Path(),
            metavar="FILE",
            help="Who may sign (ALLOWED SIGNERS of ssh-keygen(1)); default: the packaged file.",
        ),
        click.option(
            "--require-signature",
            envvar="AGENTRAIL_REQUIRE_SIGNATURE",
            is_flag=True,
            help="Refuse a source without a valid signature.",
        ),
        click.option(
            "--runtime-dir",
            envvar="AGENTRAIL_RUNTIME_DIR",
            default="dist/runtime",
            show_default=True,
            type=click.Path(),
            help="The bundle of the copy route.",
        ),
        click.option(
            "--source",
            envvar="AGENTRAIL_SOURCE",
            type=click.Choice(["auto", "package", "copy"]),
            default="auto",
            show_default=True,
            help="The route; auto takes the package, or an equal bundle where that is damaged.",
        ),
    ):
        function = option(function)
    return function


lock_option = click.option(
    "--lock-timeout",
    type=click.FloatRange(min=0),
    default=DEFAULT_TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for another run on the target.",
)


@click.command("install", epilog=_EPILOG)
@click.argument("target", type=click.Path(readable=False))
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
@lock_option
@options
def command(
    output: Output,
    target: str,
    force: bool,
    dry_run: bool,
    with_diff: bool,
    check: bool,
    **values: Any,
) -> int:
    """Install, upgrade, repair or adopt: bring TARGET to this version.

    The same command the first time and every time. Your files stay yours: a file that you and the
    framework both changed stops the run before anything is written, by name.
    """
    progress = Progress(output)
    chosen = Options(**values, with_diff=with_diff, progress=progress)
    if force:
        chosen = chosen._replace(on_conflict="overwrite")
    if dry_run or with_diff or check:
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
