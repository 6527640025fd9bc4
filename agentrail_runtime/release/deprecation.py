"""The end of the copy route, and what somebody who still takes it should know.

The distribution policy says it, and so does the index of the package, where an install reads it: to
parse the policy takes longer than to plan.
"""

from __future__ import annotations

import datetime
import re
from typing import Final, NamedTuple

from agentrail_runtime import document
from agentrail_runtime.document import DocumentError, Json

_PLAIN: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,9}")


class Deprecation(NamedTuple):
    """The end of the copy route.

    `notices` are the releases that tell of it, from the one that announced it on; it works until
    `ends_on`, and `removed_in` is the first release without it.
    """

    announced_in: str
    ends_on: datetime.date
    removed_in: str
    notices: tuple[str, ...]

    def as_json(self) -> Json:
        """Return what `load` reads."""
        return {**self._asdict(), "ends_on": self.ends_on.isoformat(), "notices": [*self.notices]}


def load(value: Json) -> Deprecation:
    """Return the deprecation that a JSON object tells of.

    Raises:
        DocumentError: a key is missing, or its value is none of a deprecation.
    """
    ends_on = document.field(value, "ends_on", str)
    notices = document.field(value, "notices", list)
    if not all(isinstance(version, str) for version in notices):
        raise DocumentError("notices: expected versions")
    try:
        date = datetime.date.fromisoformat(ends_on)
    except ValueError:
        raise DocumentError(f"ends_on: expected a date, as 2027-12-31, got {ends_on!r}") from None
    return Deprecation(
        announced_in=document.field(value, "announced_in", str),
        ends_on=date,
        removed_in=document.field(value, "removed_in", str),
        notices=tuple(notices),
    )


def notice(deprecation: Deprecation, *, version: str, today: datetime.date) -> str:
    """Return what somebody who installs by the copy route should know about its end.

    Args:
        deprecation: the end of the route.
        version: the version that is being installed.
        today: the date, UTC.
    """
    left = releases_left(deprecation, version)
    verb = "works until" if today <= deprecation.ends_on else "was to end on"
    count = "no release" if not left else "1 release" if len(left) == 1 else f"{len(left)} releases"
    names = f" ({', '.join(left)})" if left else ""
    return (
        f"the copy route {verb} {deprecation.ends_on}; {count} after this one still "
        f"{'has' if len(left) <= 1 else 'have'} it{names}, {deprecation.removed_in} does not; "
        "to leave it: pip install agentrail-runtime, then agentrail-install without --source copy"
    )


def releases_left(deprecation: Deprecation, version: str) -> list[str]:
    """Return the announced releases after `version` (PEP 440) that still have the copy route."""
    try:
        return [name for name in deprecation.notices if _is_later(name, version)]
    except ValueError:  # a bundle that does not say its version
        return list(deprecation.notices)


def _is_later(one: str, other: str) -> bool:
    """Tell whether a version is later than another one; numbers alone need no library."""
    if _PLAIN.fullmatch(one) and _PLAIN.fullmatch(other):
        return _numbers(one) > _numbers(other)
    from packaging.version import Version

    return Version(one) > Version(other)


def _numbers(version: str) -> list[int]:
    numbers = [int(number) for number in version.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers
