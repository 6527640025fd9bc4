"""``agentrail migration check``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from agentrail_runtime import report
from agentrail_runtime.cli.migration_options import evidence_options, migration_options
from agentrail_runtime.cli.output import Output, Progress
from agentrail_runtime.errors import DriftError
from agentrail_runtime.operation.standing import Options, Standing, check
from agentrail_runtime.release import phase_report

_EPILOG = """\b
Example: agentrail migration check --changed-since origin/main

\b
With --changed-since, the rules (the block files of the manifest, such as
AGENTS.md, and docs/operations/runtime-framework-rules.md), docs/INDEX.md and
docs/operations/runtime-installation-runbook.md have to move together: if one
of the three changed, so must the others. Of the rules, any one file will do.
What does not count: line ends, rows of other documents in the index, and the
status of the distribution in the runbook. A document with nothing new to say
answers by a raised revision, a comment such as <!-- revision: 7 -->.
"""


@click.command("check", epilog=_EPILOG)
@evidence_options
@click.option(
    "--changed-since",
    metavar="REV",
    help="Also fail if rules, index and runbook did not move together from REV to the work tree.",
)
@migration_options
def command(output: Output, now: datetime, changed_since: str | None, **values: Any) -> int:
    """Fail with exit code 4 when a condition does not hold: for CI.

    In a framework repository (ROOT, default: here) these are the conditions of the phase it is in, and
    that the runbook shows what the policy says. Elsewhere: that an operator's switch is valid, and
    that the copy route is not the default past its end.
    """
    progress = Progress(output)
    try:
        found = check(Options(now=now, progress=progress, **values), changed_since=changed_since)
    finally:
        progress.close()
    error = _error(found)
    if output.format == "json":
        told = report.error_json(error)
        output.json(phase_report.standing_json(output.command, found, error=told))
        return error.code if error else 0
    if not output.is_quiet:
        lines = phase_report.check_text(found, style=click.style, verbose=output.is_verbose)
        output.lines([*lines])
    if error is None:
        return 0
    raise error


def _error(found: Standing) -> DriftError | None:
    failures = phase_report.failures(found)
    if not failures:
        return None
    return DriftError(
        "\n".join(failures),
        paths=[one.path for one in found.findings] or [found.path or found.root],
        hint="agentrail migration status tells what to do about each",
    )
