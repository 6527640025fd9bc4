"""``agentrail release status``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from agentrail_runtime.cli.output import Output
from agentrail_runtime.cli.release_options import (
    SCHEMA_VERSION,
    decisions_option,
    file_json,
    setting_options,
    tell,
)
from agentrail_runtime.document import Json

if TYPE_CHECKING:
    from agentrail_runtime.operation.release import Setting, Standing, Survey
    from agentrail_runtime.release.policy import Stage

_CHANNELS: Final[tuple[Stage, ...]] = ("internal", "pilot", "general")
_HEAD: Final = ("CHANNEL", "VERSION", "FILES", "SHA256", "DECISION", "STATE")


@click.command("status", epilog="Example: agentrail release status --location path/to/channels")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    type=click.Choice(_CHANNELS),
    help="Only this channel; repeatable.",
)
@decisions_option
@setting_options("status")
def command(
    output: Output,
    setting: Setting,
    path: str | None,
    *,
    channels: tuple[Stage, ...],
    decisions: str,
) -> int:
    """Show which version is in which channel, with its bytes and what was decided of it.

    Exits with 0, or with the code of the first channel that cannot be read or was altered.
    """
    del path
    from agentrail_runtime.operation.release import survey

    found = survey(setting, channels or _CHANNELS, decisions=decisions)
    if output.format == "json":
        output.json(_as_json(found))
    elif not output.is_quiet:
        output.lines([*_as_text(found)])
    tell(output, found.notices)
    return max((error.code for error in found.problems), default=0)


def _as_json(found: Survey) -> Json:
    return {
        "schema_version": SCHEMA_VERSION,
        "command": "release status",
        "channels": [
            {
                "name": name,
                "location": place,
                "versions": [_version_json(row) for row in found.rows if row.channel == name],
            }
            for name, place in found.places.items()
        ],
        "denied": [{**row._asdict(), "channels": list(row.channels)} for row in found.denied],
        "problems": [
            {"code": error.code, "message": error.message, "hint": error.hint}
            for error in found.problems
        ],
        "error": None,
    }


def _version_json(row: Standing) -> Json:
    return {
        "version": row.version,
        "files": [file_json(file) for file in row.files],
        "yanked": row.yanked,
        "denied": None if row.denied is None else row.denied.reason,
        "decision": row.decision,
    }


def _as_text(found: Survey) -> Iterator[str]:
    """Yield the table, then what is denied, then what cannot be read."""
    rows = [_HEAD, *(cells for name in found.places for cells in _cells(name, found))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()
    for denied in found.denied:
        yield f"denied  {denied.version}  since {denied.since}: {denied.reason}"
    for error in found.problems:
        yield from (f"problem  {line}" for line in error.message.splitlines())
        yield f"  hint: {error.hint}"


def _cells(name: Stage, found: Survey) -> Iterator[tuple[str, ...]]:
    rows = [row for row in found.rows if row.channel == name]
    for row in rows:
        states = ["denied"] * (row.denied is not None) + ["yanked"] * (row.yanked is not None)
        digests = ",".join(file.sha256[:12] for file in row.files)
        count = str(len(row.files))
        yield name, row.version, count, digests, row.decision or "-", ",".join(states) or "-"
    if not rows:
        yield name, "-", "0", "-", "-", "no place" if found.places[name] is None else "-"
