"""``agentrail docs-indexer``."""

from __future__ import annotations

import click

from agentrail_runtime.checkout import find_root
from agentrail_runtime.checks.finding import Mode, Report
from agentrail_runtime.cli.check_options import quality_option, report_options, target_argument
from agentrail_runtime.cli.output import Output
from agentrail_runtime.operation.docs import index_docs


@click.command("docs-indexer", epilog="Example: agentrail docs-indexer --mode apply")
@target_argument
@click.option(
    "--mode", "action", type=click.Choice(["check", "apply"]), default="check", show_default=True
)
@quality_option
@report_options
def command(output: Output, target: str, action: str, mode: Mode) -> Report:
    """Keep docs/INDEX.md in sync with the documents; exit 1 where it is not, or cannot be."""
    del mode
    report, written = index_docs(find_root(target), is_applied=action == "apply")
    if written is not None and output.format == "text" and not output.is_quiet:
        output.lines([f"written: {written}"])
    return report
