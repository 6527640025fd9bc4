"""``agentrail profile-validate``."""

from __future__ import annotations

import os

import click

from agentrail_runtime.checkout import find_root
from agentrail_runtime.checks.finding import Mode, Report
from agentrail_runtime.cli.check_options import quality_option, report_options, target_argument
from agentrail_runtime.cli.output import Output
from agentrail_runtime.operation.check import validate_profile


@click.command(
    "profile-validate", epilog="Example: agentrail profile-validate --schema-base origin/main"
)
@target_argument
@click.option(
    "--schema",
    metavar="FILE",
    help="The schema, seen from here or from the repository's root (default: the packaged one).",
)
@click.option(
    "--schema-base", metavar="REV", help="Check how the repository's schema changed since REV, too."
)
@quality_option
@report_options
def command(
    output: Output, target: str, schema: str | None, schema_base: str | None, mode: Mode
) -> Report:
    """Check project.profile.yaml of TARGET (default: here) against the schema; exit 1 on findings."""
    del output, mode
    root = find_root(target)
    path = None if schema is None else _from_root(schema, root)
    return validate_profile(root, schema=path, schema_base=schema_base)


def _from_root(path: str, root: str) -> str:
    """Return `path` as it is seen from `root`: it may be named from here, too."""
    if not os.path.exists(path):
        return path
    return os.path.relpath(os.path.realpath(path), root).replace(os.sep, "/")
