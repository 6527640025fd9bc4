"""``agentrail export``."""

from __future__ import annotations

from typing import Any

import click

from agentrail_runtime.cli.output import Output, Progress, options
from agentrail_runtime.operation.export import Options, check, export, plan

_EPILOG = """\b
Examples:
  agentrail export
  agentrail export --root path/to/framework --sign ~/.ssh/release_key
  agentrail export --check
  agentrail export --kit
"""


@click.command("export", epilog=_EPILOG)
@click.option(
    "--root",
    type=click.Path(),
    metavar="DIR",
    help="The framework repository (default: the payload of this package).",
)
@click.option(
    "--manifest",
    type=click.Path(),
    metavar="FILE",
    help="Its manifest (default: framework.runtime.manifest.yaml at its root).",
)
@click.option(
    "--output",
    type=click.Path(),
    metavar="DIR",
    help="The directory to make (default: the manifest's output_root, dist/runtime).",
)
@click.option("--check", "is_check", is_flag=True, help="Write nothing, exit 4 on any difference.")
@click.option("-n", "--dry-run", is_flag=True, help="Write nothing, show what would change.")
@click.option("--sign", "key", type=click.Path(), metavar="KEYFILE", help="Sign the index (SSHSIG).")
@click.option("--kit", is_flag=True, help="Make a kit for machines without a package index.")
@click.option("--payload", is_flag=True, help="Make the payload of this package's source tree.")
@click.option("--runtime-version", metavar="VERSION", help="The version of what is made.")
@click.option(
    "--release-seq", type=click.IntRange(min=0), metavar="N", help="Counts up with every release."
)
@click.option(
    "--earlier",
    type=click.Path(),
    multiple=True,
    metavar="DIR",
    help="A bundle of an earlier release, whose files an install is to know; repeatable.",
)
@options
def command(
    output_: Output,
    is_check: bool,
    dry_run: bool,
    kit: bool,
    payload: bool,
    **values: Any,
) -> int:
    """Build or check a bundle of the runtime's files, for the copy route.

    A manifest says which files of a framework repository ship. The bundle is built beside its place and
    put there in one step; the same input makes the same bytes. Whatever stands there and is not an
    earlier export is refused.
    """
    if kit and payload:
        raise click.UsageError("--kit and --payload exclude each other")
    if values["key"] and (is_check or dry_run):
        raise click.UsageError("--sign needs a run that writes: leave out --check and --dry-run")
    progress = Progress(output_)
    chosen = Options(**values, is_kit=kit, is_payload=payload, progress=progress)
    run = check if is_check else plan if dry_run else export
    try:
        outcome = run(chosen)
    finally:
        progress.close()
    output_.show(outcome)
    return 0
