"""The option that says which moment a command judges at."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Final

import click


def moment(text: str | None) -> datetime:
    """Return a moment that was typed (RFC 3339), in UTC; the present one for None.

    Raises:
        click.BadParameter: it is none, or has no offset from UTC.
    """
    if text is None:
        return datetime.now(timezone.utc)
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
        if found.tzinfo is not None:
            return found.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        pass
    raise click.BadParameter(f"not a time: {text[:80]!r} (expected one as 2030-12-31T08:00:00Z)")


def _moment(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime:
    del context, parameter
    return moment(value)


as_of_option: Final = click.option(
    "--as-of",
    "now",
    envvar="AGENTRAIL_AS_OF",
    metavar="TIME",
    callback=_moment,
    help="Act as if it were this moment, as 2030-12-31T08:00:00Z (default: now).",
)
"""The moment."""
