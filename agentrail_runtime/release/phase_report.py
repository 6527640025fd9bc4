"""Where the migration stands and what a step changed, as text and JSON; prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from agentrail_runtime.document import Json
from agentrail_runtime.release.deprecation import Deprecation
from agentrail_runtime.release.phase import Condition
from agentrail_runtime.release.policy import PHASES

if TYPE_CHECKING:
    from agentrail_runtime.operation.migration import Change
    from agentrail_runtime.operation.standing import Standing

Style = Callable[..., str]
"""Colours a text, as ``click.style`` does: ``style(text, fg="green")``."""

_WORDS: Final = {True: ("pass", "green"), False: ("FAIL", "red"), None: ("?   ", "yellow")}


def standing_json(command: str, found: Standing, *, error: Json | None = None) -> Json:
    """Return the document of schema 1.0 that tells where the migration stands.

    Args:
        command: the command, as ``migration status``.
        found: what was found.
        error: what the command ended in, None for success.
    """
    suspension, switch = found.policy.suspension, found.switch
    return {
        "schema_version": "1.0",
        "command": command,
        "root": found.root,
        "policy": found.path,
        "version": found.version,
        "phase": found.policy.phase,
        "phase_name": PHASES[found.policy.phase],
        "default_source": found.default_source,
        "default_reason": found.reason,
        "suspended": suspension._asdict() if suspension else None,
        "switch": switch._asdict() if switch else None,
        "deprecation": _deprecation(found),
        "conditions": [_condition(one) for one in found.conditions],
        "unmet": [one.name for one in found.unmet],
        "missing": [one.name for one in found.missing],
        "findings": [one._asdict() for one in found.findings],
        "error": error,
    }


def change_json(command: str, change: Change) -> Json:
    """Return the document of schema 1.0 for a step, which succeeded."""
    return {
        "schema_version": "1.0",
        "command": command,
        "changed": change.changed,
        "paths": [*change.paths],
        "notices": [*change.notices],
        "diff": change.diff,
        "error": None,
    }


def standing_text(found: Standing, *, style: Style) -> Iterator[str]:
    """Yield the lines that tell where the migration stands, and what the next phase lacks.

    Args:
        found: what was found.
        style: colours a text.
    """
    yield from _head(found)
    yield from _conditions(found.conditions, style)
    for finding in found.findings:
        yield f"  {style('FAIL', fg='red')}  {finding.path}: {finding.message}"
        yield from (f"        {line}" for line in finding.remedy.splitlines())
    following = found.policy.phase + 1
    if found.conditions and following < len(PHASES):
        missing = ", ".join(one.name for one in found.missing)
        yield f"phase {following} lacks: {missing}" if missing else f"phase {following} can begin"


def check_text(found: Standing, *, style: Style, verbose: bool) -> Iterator[str]:
    """Yield the lines of a check, without what fails.

    Args:
        found: what was found.
        style: colours a text.
        verbose: tell of the conditions of this phase and of those before it that are met.
    """
    yield from _head(found)
    if verbose:
        owed = [one for one in found.conditions if one.phase <= found.policy.phase and one.is_met]
        yield from _conditions(owed, style)


def failures(found: Standing) -> list[str]:
    """Return a line for everything that a check does not pass with."""
    return [
        *(f"{found.path}: {one.name}: {one.evidence}; {one.remedy}" for one in found.unmet),
        *(f"{one.path}: {one.message}" for one in found.findings),
    ]


def _head(found: Standing) -> Iterator[str]:
    phase = found.policy.phase
    yield f"phase {phase}: {PHASES[phase]}"
    yield f"default route: {found.default_source} ({found.reason})"
    yield _end(found.policy.deprecation, found.releases_left)
    if found.path is None:
        yield "policy: the one of this package; no framework repository here"


def _conditions(conditions: Iterable[Condition], style: Style) -> Iterator[str]:
    number = 0
    for one in conditions:
        if one.phase != number:
            number = one.phase
            yield f"for phase {number}, {PHASES[number]}:"
        word, colour = _WORDS[one.is_met]
        yield f"  {style(word, fg=colour)}  {one.name}: {one.evidence}"
        if not one.is_met:
            yield f"        {one.remedy}"


def _condition(one: Condition) -> Json:
    return {**one._asdict(), "status": {True: "pass", False: "fail", None: "unknown"}[one.is_met]}


def _deprecation(found: Standing) -> Json | None:
    end = found.policy.deprecation
    if end is None:
        return None
    return {
        "announced_in": end.announced_in,
        "ends_on": end.ends_on.isoformat(),
        "removed_in": end.removed_in,
        "notices": [*end.notices],
        "releases_left": [*found.releases_left],
    }


def _end(end: Deprecation | None, left: tuple[str, ...]) -> str:
    if end is None:
        return "copy route: no end is announced"
    names = ", ".join(left) or "none"
    return f"copy route: ends on {end.ends_on}, removed in {end.removed_in}; releases left: {names}"
