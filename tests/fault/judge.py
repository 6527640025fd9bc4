"""Whether a fault was survived: the target is as before or as after, and nothing else was touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from agentrail_runtime.session import opened
from tests.crash.support import standing
from tests.fault.scenario import Scenario, plain_state, unsynced
from tests.support import Node, Run, agentrail, install, snapshot

NEXT: tuple[tuple[str, Callable[[Path], Run]], ...] = (
    ("verify", lambda root: agentrail("verify", root)),
    ("status", lambda root: agentrail("status", root)),
    ("diff", lambda root: agentrail("diff", root)),
    ("rollback --list", lambda root: agentrail("rollback", "--list", root)),
    ("install --dry-run", lambda root: install(root, "--dry-run", "--allow-downgrade")),
)
"""The commands of which one comes after a kill, or else the same one once more."""

_BUGS = (7, 70)
_LISTED = 6  # names in a difference


def after_kill(
    scenario: Scenario,
    scratch: Path,
    outside: dict[str, Node],
    number: int,
    *,
    is_sudden: bool = True,
) -> str:
    """Return what is wrong with the target after a killed run; an empty text for nothing.

    Args:
        scenario: what was killed.
        scratch: where the target stands.
        outside: what stood around it before.
        number: chooses the command that comes next.
        is_sudden: whether the run had no chance to end well; what one that had left untidy waits for
            the next run that writes.
    """
    root = scratch / "target"
    name, command = [*NEXT, ("the same", scenario.finish)][number % (len(NEXT) + 1)]
    with unsynced():
        is_new_already = standing(scenario.story, root, with_state=False) == "new"
        if is_new_already and name == "the same" and not _is_repeatable(scenario):
            name, command = NEXT[0]
        done = command(root)
        if done.code in _BUGS or "Traceback" in done.err:
            return f"{name} after it ended with {done.code}: {done.err.strip()}"
        if not is_sudden:
            _tidy(root)
        is_certain = name == "the same" and scenario.is_visible
        expected = ("new",) if is_certain else ("old", "new")
        return _settled(scenario, root, expected) or _rest(scenario, scratch, outside)


def after_failure(
    scenario: Scenario, scratch: Path, outside: dict[str, Node], done: Run, codes: Iterable[int]
) -> str:
    """Return what is wrong with the target after a run that lived on; an empty text for nothing.

    Args:
        scenario: what was struck.
        scratch: where the target stands.
        outside: what stood around it before.
        done: how the run ended.
        codes: how it may end, besides with 0.
    """
    root = scratch / "target"
    if "Traceback" in done.err:
        return f"traceback: {done.err.strip()}"
    if done.code not in {0, *codes}:
        return f"ended with {done.code} (expected 0 or {sorted(codes)}): {done.err.strip()}"
    is_new = done.code == 0 and not scenario.is_recovery
    with unsynced():
        if scenario.is_recovery or done.code == _BUGS[0]:
            agentrail("verify", root)
        elif is_new or not scenario.is_visible:
            _tidy(root)
        expected = ("new" if is_new else "old",)
        wrong = _settled(scenario, root, expected if scenario.is_visible else ("old", "new"))
        return f"exit code {done.code}, {wrong}" if wrong else _rest(scenario, scratch, outside)


def _tidy(root: Path) -> None:
    """Do what the next run that writes does first."""
    if root.exists():
        with opened(str(root)) as session, session.locked():
            pass


def _rest(scenario: Scenario, scratch: Path, outside: dict[str, Node]) -> str:
    return _finished(scenario, scratch / "target") or _untouched(scenario, scratch, outside)


def _settled(scenario: Scenario, root: Path, expected: tuple[str, ...]) -> str:
    how = standing(scenario.story, root)
    if how not in expected:
        return f"stands {how[:500]} (expected {' or '.join(expected)})"
    if how == "new" and (stray := plain_state(root) ^ scenario.state):
        return f"not as expected in the state directory: {_some(stray)}"
    return ""


def _finished(scenario: Scenario, root: Path) -> str:
    """Return what is wrong with bringing the target to the new tree, and with doing so twice."""
    if standing(scenario.story, root) != "new" or not scenario.is_visible:
        done = scenario.finish(root)
        if done.code != 0:
            return f"the run after it ended with {done.code}: {done.err.strip()}"
        if wrong := _settled(scenario, root, ("new",)):
            return f"the run after it: {wrong}"
    if not _is_repeatable(scenario):
        return ""
    before = snapshot(root, with_state=True, with_times=True)
    done = scenario.finish(root)
    if done.code != 0 or snapshot(root, with_state=True, with_times=True) != before:
        return f"a second run was not quiet: {done.code}: {done.err.strip()}"
    return ""


def _is_repeatable(scenario: Scenario) -> bool:
    """Tell whether the command that leads to the new tree finds nothing to do there."""
    return scenario.final[0] == "install"


def _untouched(scenario: Scenario, scratch: Path, outside: dict[str, Node]) -> str:
    found = scenario.around(scratch)
    changed = {name for name in {*found, *outside} if found.get(name) != outside.get(name)}
    return f"touched outside of the target: {_some(changed)}" if changed else ""


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{more}"
