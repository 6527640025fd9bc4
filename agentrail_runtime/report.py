"""Outcomes as text for people and JSON for machines; prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from agentrail_runtime.decision import Action
from agentrail_runtime.document import Json
from agentrail_runtime.errors import AgentRailError, typed
from agentrail_runtime.outcome import Origin, Outcome
from agentrail_runtime.version import PROFILE_SCHEMA_VERSIONS

if TYPE_CHECKING:
    from agentrail_runtime.journal import Journal
    from agentrail_runtime.operation.status import Status
    from agentrail_runtime.pin import PinState

Style = Callable[..., str]
"""Colours a text, as ``click.style`` does: ``style(text, fg="green")``."""

_COLOURS = {
    "create": "green",
    "update": "yellow",
    "merge": "cyan",
    "remove": "red",
    "conflict": "red",
    "keep": "blue",
}
_QUIET = ("unchanged",)


def as_json(outcome: Outcome, error: AgentRailError | None = None) -> Json:
    """Return the document of schema 1.0 for `outcome`, and the error it ended in."""
    value: Json = {
        "schema_version": "1.0",
        "command": outcome.command,
        "result": outcome.result,
        "changed": outcome.changed,
        "target": outcome.target,
        "runtime_version": outcome.runtime_version,
        "previous_version": outcome.previous_version,
        "source": _origin(outcome.source),
        "task_root": outcome.task_root,
        "summary": dict(outcome.summary),
        "actions": [_action(action) for action in outcome.actions],
        "transaction": outcome.transaction,
        "error": error_json(error),
    }
    if outcome.diff is not None:
        value["diff"] = outcome.diff
    return value


def error_json(error: AgentRailError | None) -> Json | None:
    """Return the JSON of an error, None for none."""
    if error is None:
        return None
    return {
        "code": error.code,
        "type": type(error).__name__,
        "message": error.message,
        "paths": list(error.paths),
        "hint": error.hint,
    }


def _origin(origin: Origin | None) -> Json | None:
    return origin and {
        "kind": origin.kind,
        "location": origin.location,
        "requested": origin.requested,
        "fallback_reason": origin.fallback_reason,
        "digest": origin.digest,
        "integrity": origin.integrity,
        "signature": origin.signature,
    }


def _action(action: Action) -> Json:
    return {
        "path": action.path,
        "action": action.action,
        "ownership": action.ownership,
        "reason": action.reason,
    }


def as_text(outcome: Outcome, *, style: Style, verbose: bool) -> list[str]:
    """Return the lines for a person: the paths that something happens to, then one sentence."""
    lines = [
        _line(action, style)
        for action in outcome.actions
        if verbose or action.action not in _QUIET or outcome.result == "failed"
    ]
    return [*lines, _sentence(outcome)]


def _line(action: Action, style: Style) -> str:
    kind = style(f"{action.action:<9}", fg=_COLOURS.get(action.action))
    return f"  {kind} {action.path}  ({action.reason})"


def _sentence(outcome: Outcome) -> str:
    target, version = outcome.target, outcome.runtime_version
    counts = ", ".join(f"{count} {kind}" for kind, count in outcome.summary.items() if count)
    if outcome.command == "export":
        return _export_sentence(outcome, counts)
    if outcome.command == "verify":
        return f"{target}: {version}, {len(outcome.actions)} files as recorded"
    if outcome.result == "unchanged":
        return f"{target}: {version} is installed, nothing to do ({counts})"
    if outcome.result == "planned":
        return f"{target}: nothing was written; the plan: {counts or 'records only'}"
    if outcome.command == "uninstall":
        return f"{target}: uninstalled ({counts or 'only the stash was left'})"
    if outcome.command == "rollback":
        return f"{target}: rolled back to {version or 'before the install'} ({counts})"
    before = outcome.previous_version
    what = "installed" if before is None else "brought up to date with"
    if before not in (None, version):
        what = f"brought from {before} to"
    source = outcome.source
    by = f", by {source.kind}" if source else ""
    return f"{target}: {what} {version}{by} ({counts}); undo: agentrail rollback {typed(target)}"


def _export_sentence(outcome: Outcome, counts: str) -> str:
    place, origin = outcome.target, outcome.source
    what = f"{place}: {outcome.runtime_version}"
    signed = ", signed" if origin and origin.signature == "valid" else ""
    if outcome.result == "unchanged":
        return f"{what}, as it would be exported ({len(outcome.actions)} files{signed})"
    if outcome.result == "planned":
        return f"{place}: nothing was written; the plan: {counts}"
    return f"{what} exported ({counts}{signed})"


def status_json(status: Status) -> Json:
    """Return the document of ``agentrail status``; it has ``pins`` only where there are some."""
    value = as_json(status.outcome, status.problem)
    if status.pins:
        value["pins"] = [
            {
                "path": pin.path,
                "line": pin.line,
                "requirement": pin.requirement,
                "specifier": pin.specifier,
                "version": pin.version,
                "agrees": problem is None,
                "problem": problem,
            }
            for pin, problem, _ in status.pins
        ]
    return value


def status_text(status: Status, *, style: Style, verbose: bool) -> list[str]:
    """Return the lines of ``agentrail status``."""
    outcome = status.outcome
    installed = outcome.previous_version
    source = outcome.source
    lines = [
        f"target     {outcome.target}",
        f"version    {installed}",
        f"task root  {outcome.task_root}",
    ]
    if source:
        route = source.kind if status.problem else f"{source.kind} {outcome.runtime_version}"
        lines.append(f"source     {route}, {source.digest[:19]}…")
    lines.append(f"profile    {_profile(status)}")
    if status.route == "copy":
        lines.append("route      installed by the copy route, from a bundle")
    lines += _section("drift", status.drift, style)
    lines += _section("pending", status.pending, style)
    lines += _section("declined", status.undelivered, style)
    lines += _pins(status.pins, style)
    if status.problem:
        lines.append("update     not known:")
        lines += [f"  {line}" for line in error_text(status.problem)]
    elif outcome.changed:
        lines.append(f"update     agentrail-install {typed(outcome.target)}")
    if verbose:
        lines += [_line(action, style) for action in outcome.actions]
    return lines


def _profile(status: Status) -> str:
    if status.profile is None:
        return "says no schema_version"
    # An install, which was planned without a problem, may know of more by the matrix of its policy.
    is_supported = status.profile in PROFILE_SCHEMA_VERSIONS or status.problem is None
    return f"schema {status.profile}, {'supported' if is_supported else 'not supported'}"


def _section(name: str, actions: Iterable[Action], style: Style) -> list[str]:
    rows = [_line(action, style) for action in actions]
    return [f"{name:<10} {len(rows) or 'none'}", *rows]


def _pins(pins: Iterable[PinState], style: Style) -> list[str]:
    """Return the lines on pins; none where there are no pins."""
    rows = [_pin(state, style) for state in pins]
    hints = [f"  hint: {state.hint}" for state in pins if state.hint]
    return [f"{'pins':<10} {len(rows)}", *rows, *dict.fromkeys(hints)] if rows else []


def _pin(state: PinState, style: Style) -> str:
    pin, problem = state.pin, state.problem and style(state.problem, fg="red")
    remark = problem or ("" if pin.applies else "not in this environment")
    text = f"{pin.requirement} ({remark})" if pin.requirement and remark else pin.requirement or remark
    return f"  {pin.path}:{pin.line}: {text}"


def error_text(error: AgentRailError) -> list[str]:
    """Return the lines of an error: what was found, then what to do next."""
    hint = [] if error.hint is None else [f"hint: {error.hint}"]
    return [*error.message.splitlines(), *hint]


def history_json(journals: Iterable[Journal]) -> Json:
    """Return the JSON of ``agentrail rollback --list``, the newest transaction first."""
    return {
        "schema_version": "1.0",
        "command": "rollback",
        "transactions": [
            {
                "transaction": journal.transaction,
                "operation": journal.operation,
                "created": journal.created,
                "runtime_version": journal.runtime_version,
                "previous_version": journal.previous_version,
                "paths": sorted(step.path for step in journal.steps),
            }
            for journal in journals
        ],
    }


def _paths(count: int) -> str:
    return "1 path" if count == 1 else f"{count} paths"


def history_text(journals: Iterable[Journal]) -> list[str]:
    """Return the lines of ``agentrail rollback --list``, the newest transaction first."""
    return [
        f"{journal.transaction}  {journal.created}  {journal.previous_version or 'nothing'} -> "
        f"{journal.runtime_version}  {_paths(len(journal.steps))}"
        for journal in journals
    ] or ["no transaction to roll back"]
