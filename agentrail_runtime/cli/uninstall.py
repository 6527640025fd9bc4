"""``agentrail uninstall``."""

from __future__ import annotations

import click

from agentrail_runtime.cli.output import Output, options
from agentrail_runtime.cli.target_options import lock_option
from agentrail_runtime.operation.recorded import uninstall


@click.command("uninstall", epilog="Example: agentrail uninstall path/to/repo")
@click.argument("target", type=click.Path(readable=False))
@click.option("--purge", is_flag=True, help="Drop replaced files of yours that the stash keeps, too.")
@click.option("-n", "--dry-run", is_flag=True, help="Write nothing, show the plan.")
@lock_option
@options
def command(output: Output, target: str, purge: bool, dry_run: bool, lock_timeout: float) -> int:
    """Remove from TARGET what was installed and not edited.

    Edited files and task records stay and are named; the text around a block stays as it is.
    """
    output.show(uninstall(target, purge=purge, dry_run=dry_run, lock_timeout=lock_timeout))
    return 0
