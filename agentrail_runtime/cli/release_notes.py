"""``agentrail release notes``."""

from __future__ import annotations

import click

from agentrail_runtime import __version__
from agentrail_runtime.cli.output import Output, options, printable
from agentrail_runtime.document import Json
from agentrail_runtime.errors import UsageError
from agentrail_runtime.operation.release_notes import Notes, release_notes
from agentrail_runtime.outcome import Outcome
from agentrail_runtime.release import matrix
from agentrail_runtime.release.notes import breaking, moves

_EPILOG = """\b
Examples:
  agentrail release notes --version 1.1.0 --output notes.md
  agentrail release notes --version unreleased --check
"""


@click.command("notes", epilog=_EPILOG)
@click.option(
    "--version",
    default=__version__,
    show_default=True,
    metavar="V",
    help="The version, or unreleased.",
)
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False),
    default=".",
    help="The source tree (default: here).",
)
@click.option(
    "--since",
    metavar="REV",
    help="The release to compare the schemas with (default: the last tag v* before).",
)
@click.option(
    "--policy",
    type=click.Path(),
    metavar="FILE",
    help="The distribution policy (default: that of ROOT).",
)
@click.option(
    "--output",
    "file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write the notes there, not to stdout.",
)
@click.option("--check", is_flag=True, help="Print no notes, only tell whether they are complete.")
@options
def command(
    output: Output,
    version: str,
    root: str,
    since: str | None,
    policy: str | None,
    file: str | None,
    check: bool,
) -> int:
    """Print the release notes of a version: changes, what breaks, compatibility, the copy route's end.

    Exit 1 where the changelog has no section of the version; and where the schema_version of policy,
    manifest, index, receipt or profile moved since the last release without an entry that names it, or
    broke without a new major version.
    """
    notes = release_notes(root, version=version, since=since, policy=policy)
    if file is not None and not check:
        _write(file, notes.markdown.encode())
    if output.format == "json":
        output.json(_as_json(notes))
    elif check or file is not None:
        if not output.is_quiet:
            output.lines([f"{version}: complete" if check else f"written: {file}"])
    else:
        click.echo(printable(notes.markdown), nl=False)
    output.notices(Outcome("release notes", "applied", output.target, notices=notes.remarks))
    return 0


def _write(path: str, data: bytes) -> None:
    """Write the notes to a file.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written: {error.strerror}", hint="name another file with --output"
        ) from None


def _as_json(notes: Notes) -> Json:
    release = notes.release
    previous = release.previous
    names = [name.lower().replace(" ", "_") for name in matrix.HEADER]
    return {
        "schema_version": "1.0",
        "command": "release notes",
        "version": release.version,
        "since": previous.revision if previous else None,
        "breaking": [entry.text for entry in breaking(release)],
        "schemas": {
            name: {"version": schema.version, "path": schema.path}
            for name, schema in release.schemas.items()
        },
        "moved": [{**move._asdict(), "breaking": move.is_breaking} for move in moves(release)],
        "compatibility": [dict(zip(names, row, strict=True)) for row in matrix.table(release.windows)],
        "markdown": notes.markdown,
        "notices": [*notes.remarks],
        "error": None,
    }
