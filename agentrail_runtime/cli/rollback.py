"""``agentrail rollback``."""

from __future__ import annotations

import click

from agentrail_runtime import report
from agentrail_runtime.cli.output import Output, options
from agentrail_runtime.cli.target_options import lock_option
from agentrail_runtime.operation.recorded import rollback
from agentrail_runtime.operation.rollback import transactions

_EPILOG = """\b
Examples:
  agentrail rollback path/to/repo
  agentrail rollback --list path/to/repo
"""


@click.command("rollback", epilog=_EPILOG)
@click.argument("target", type=click.Path(readable=False), default=".")
@click.option("--to", metavar="ID", help="Undo this transaction and all later ones.")
@click.option("--list", "is_list", is_flag=True, help="List the transactions that can be undone.")
@click.option("-f", "--force", is_flag=True, help="Undo later edits, too; the stash keeps them.")
@click.option("-n", "--dry-run", is_flag=True, help="Write nothing, show the plan.")
@lock_option
@options
def command(
    output: Output,
    target: str,
    to: str | None,
    is_list: bool,
    force: bool,
    dry_run: bool,
    lock_timeout: float,
) -> int:
    """Undo the last transaction in TARGET (default: here) exactly: bytes, modes, files, receipt."""
    if is_list:
        found = transactions(target, lock_timeout=lock_timeout)
        if output.format == "json":
            output.json(report.history_json(found))
        else:
            output.lines(report.history_text(found))
        return 0
    output.show(rollback(target, to=to, force=force, dry_run=dry_run, lock_timeout=lock_timeout))
    return 0
