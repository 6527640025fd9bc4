"""Which route an install takes: what the user names, an operator's switch, or the policy's default.

The switch is a file of one purpose, ``.agentrail/policy.yaml`` in a target, or the one that
``AGENTRAIL_POLICY`` names: it says which route is the default there, and nothing else.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from agentrail_runtime.entry import LAST_PHASE
from agentrail_runtime.errors import SourceError
from agentrail_runtime.release.policy import MOMENT, PHASES, SCHEMA, Route
from agentrail_runtime.release.reader import PolicyError, Reader, compose, decode, quoted

Requested = Literal["auto", "package", "copy"]


class Switch(NamedTuple):
    """An operator's choice of the default route: why, and since when (UTC RFC 3339)."""

    default_source: Route
    reason: str
    since: str


def load_switch(data: bytes, name: str) -> Switch:
    """Return the switch that the YAML `data` (UTF-8) holds; messages call it `name`.

    Raises:
        PolicyError: it is not one of schema 1.x, or says more than a switch can; every finding.
    """
    root = compose(decode(data, name), name)
    findings: list[str] = []
    reader = Reader(name, findings)
    keys = {"schema_version": True, "default_source": True, "reason": True, "since": True}
    fields = reader.mapping(root, "", keys)
    reader.match(fields.get("schema_version"), "schema_version", SCHEMA, "1.0")
    source = reader.choice(fields.get("default_source"), "default_source", ("copy", "package"))
    switch = Switch(
        default_source="package" if source == "package" else "copy",
        reason=reader.text(fields.get("reason"), "reason") or "no reason given",
        since=reader.match(fields.get("since"), "since", MOMENT, "2030-12-31T08:00:00Z"),
    )
    if findings:
        raise PolicyError(
            "\n".join(findings),
            paths=[name],
            hint=f"{name} can switch the default route alone: mend it, or delete it",
        )
    return switch


def dump_switch(switch: Switch) -> bytes:
    """Return the bytes of a switch."""
    return (
        "# Which route agentrail-install takes here when none is named. Written by "
        '"agentrail migration suspend",\n# taken back by "agentrail migration resume".\n'
        'schema_version: "1.0"\n'
        f"default_source: {switch.default_source}\n"
        f"reason: {quoted(switch.reason)}\n"
        f'since: "{switch.since}"\n'
    ).encode()


class Chosen(NamedTuple):
    """The route to take, and why it is not the package, where the user did not say so."""

    source: Requested
    reason: str | None = None


def choose(
    requested: Requested, *, phase: int | None, default_source: Route | None, switch: Switch | None
) -> Chosen:
    """Return the route of an install.

    Args:
        requested: what the user names; ``auto`` leaves it to switch and policy.
        phase: the phase of the migration, None where the package does not tell.
        default_source: the policy's default, None likewise.
        switch: an operator's, None for none.

    Raises:
        SourceError: the copy route is asked for and is there no more.
    """
    is_last = phase == LAST_PHASE
    chosen = Chosen(requested)
    if requested == "auto":
        if switch is not None:
            since = f"since {switch.since}: {switch.reason}"
            is_copy = switch.default_source == "copy"
            chosen = Chosen("copy", f"switched to copy {since}") if is_copy else chosen
        elif default_source == "copy":
            chosen = Chosen("copy", _why(phase))
        if chosen.source == "auto" and is_last:
            return Chosen("package")
    if chosen.source == "copy" and is_last:
        raise SourceError(
            f"the copy route was removed (expected --source package, got copy{_told(chosen)})",
            hint="pip install --upgrade agentrail-runtime, then leave out --source copy",
        )
    return chosen


def _why(phase: int | None) -> str:
    if phase is None or phase >= LAST_PHASE - 1:
        return "the package route is suspended"
    return f"copy is the default in phase {phase} ({PHASES[phase]})"


def _told(chosen: Chosen) -> str:
    return f", {chosen.reason}" if chosen.reason else ""
