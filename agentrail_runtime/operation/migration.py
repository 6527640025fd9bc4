"""The steps of the migration: to the next phase, back to the copy route, and on again.

In a framework repository a step changes the policy, the status in the runbook and, where there is one,
the index of the payload. In a target it changes the operator's switch and the page that tells of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple

from agentrail_runtime import export, framework, recorder, route
from agentrail_runtime.entry import (
    INDEX_NAME,
    LAST_PHASE,
    POLICY_NAME,
    SIGNATURE_NAME,
    RelPath,
    parse_path,
)
from agentrail_runtime.errors import AgentRailError, RecoveryError, TargetError, UsageError, typed
from agentrail_runtime.operation import evidence, gate_record, standing
from agentrail_runtime.operation.evidence import Site
from agentrail_runtime.operation.standing import Options, Standing
from agentrail_runtime.release import policy as policy_
from agentrail_runtime.release import runbook
from agentrail_runtime.release.phase import unmet
from agentrail_runtime.release.policy import PHASES, Policy, PolicyError, Stage, Suspension
from agentrail_runtime.release.switch import Switch, dump_switch, load_switch
from agentrail_runtime.session import Session, opened
from agentrail_runtime.target import Target
from agentrail_runtime.tree import Content, DirectoryTree
from agentrail_runtime.version import __version__

NOTE_PATH: Final = RelPath(".agentrail/distribution-status.md")
"""The page in a target that tells of the switch: the runbook there is not the user's to edit."""

_MAX_REASON: Final = 500


class PhaseError(AgentRailError):
    """The phase cannot begin, or the step is not possible in this one; nothing was changed."""


class Change(NamedTuple):
    """What a step did or, in a dry run, would do.

    Args:
        changed: whether there is anything that it changes.
        notices: what happened, in sentences.
        paths: the files that change.
        diff: unified diff of those that people read.
    """

    changed: bool
    notices: tuple[str, ...]
    paths: tuple[str, ...] = ()
    diff: str = ""


class Gate(NamedTuple):
    """The gate that `resume` asks for.

    Args:
        stage: the channel.
        version: the version, None for the one that is made or installed here.
        events: directories with events, to run the gate on the spot; none to go by the decisions.
    """

    stage: Stage = "general"
    version: str | None = None
    events: tuple[str, ...] = ()


def advance(options: Options, *, is_dry_run: bool = False) -> Change:
    """Begin the next phase.

    Args:
        options: the framework repository, and what the conditions are judged from.
        is_dry_run: write nothing.

    Raises:
        PhaseError: a condition is not met (all are named), there is no next phase, or this is no
            framework repository.
        RunbookError: the runbook has no place for the status.
        TargetError: a file cannot be written; all are as they were.
        RecoveryError: nor could what was written be put back; the files are named.
        ManifestError, SourceError: the payload's index cannot be made.
    """
    site = _framework(options.root, options.policy)
    if site.policy.phase == LAST_PHASE:
        raise PhaseError(
            f"{site.path}: phase {LAST_PHASE} is the last one ({PHASES[LAST_PHASE]})", paths=[site.path]
        )
    following = site.policy.phase + 1
    _demand_conditions(site, standing.status(options), following)
    edits = _edits(site, policy_.with_phase(site.policy, following))
    if not is_dry_run:
        _write(site.home, edits)
    verb = "would begin" if is_dry_run else "began"
    return _change(edits, [f"phase {following} {verb}: {PHASES[following]}", *_unsigned(edits)])


def suspend(root: str, *, reason: str, now: datetime, policy: str | None = None) -> list[str]:
    """Make the copy route the default at once; return what happened, in sentences.

    Args:
        root: a framework repository, or a target.
        reason: why; what a policy cannot hold of it is left out.
        now: the moment, aware.
        policy: the policy's file, None to look for it in `root`.

    Raises:
        AgentRailError: as `halt`.
    """
    readable = "".join(char if char.isprintable() else " " for char in reason)
    reason = " ".join(readable.split())[:_MAX_REASON]
    return [*halt(root, reason=reason, now=now, policy=policy).notices]


def halt(root: str, *, reason: str, now: datetime, policy: str | None = None) -> Change:
    """Make the copy route the default at once, as `suspend`; tell all that changed.

    A run that is killed leaves the policy (in a target: the switch) as it was; the next one finishes.

    Args:
        root: a framework repository, or a target.
        reason: why, on one line.
        now: the moment, aware.
        policy: the policy's file, None to look for it in `root`.

    Raises:
        UsageError: the reason is none.
        PhaseError: there is no copy route any more.
        RunbookError: the runbook has no place for the status.
        NotInstalledError: neither a framework repository nor a target.
        TargetError: a file cannot be written; all are as they were.
        RecoveryError: nor could what was written be put back; the files are named.
        ManifestError, SourceError: the payload's index cannot be made.
    """
    reason = _reason(reason)
    found, site = standing.find_site(root, policy)
    if found.phase == LAST_PHASE:
        raise PhaseError(
            f"{root}: the copy route was removed (phase {LAST_PHASE})",
            paths=[root],
            hint="withdraw the version instead: agentrail release withdraw",
        )
    since = gate_record.moment(now)
    if site is None:
        return _halt_target(root, Switch("copy", reason, since))
    edits = _edits(site, _suspended(site.policy, found.suspension or Suspension(since, reason)))
    if found.suspension is not None:
        told = f"suspended already since {found.suspension.since}: {found.suspension.reason}"
        return _finish(site.home, edits, [told])
    done = _finish(site.home, edits, ["suspended: copy is the default route now", *_unsigned(edits)])
    return _recorded(done, site.root, evidence.version(site))


def resume(options: Options, gate: Gate) -> Change:
    """Take a suspension back.

    Args:
        options: the framework repository or the target, and the file of decisions.
        gate: what has to be passed.

    Raises:
        GateError: no passed gate since the suspension.
        RunbookError: the runbook has no place for the status.
        NotInstalledError: neither a framework repository nor a target.
        TargetError: a file cannot be written; all are as they were.
        RecoveryError: nor could what was written be put back; the files are named.
        ManifestError, SourceError: the payload's index cannot be made.
    """
    found, site = standing.find_site(options.root, options.policy)
    if site is None:
        return _resume_target(options, found, gate)
    if found.suspension is None:
        edits = _edits(site, found.text.encode())
        return _finish(site.home, edits, ["not suspended"])
    version = gate.version or evidence.version(site)
    passed = _passed(options, gate, found, version, found.suspension.since)
    edits = _edits(site, policy_.with_suspension(found, None))
    told = f"resumed: {policy_.load(_new(edits, site)).default_source} is the default route now"
    return _finish(site.home, edits, [told, passed, *_unsigned(edits)])


# --- the framework repository ------------------------------------------------------------------------


class _Edit(NamedTuple):
    """A file, its bytes and those that it is to have; None where it is not there."""

    path: RelPath
    old: bytes | None
    new: bytes | None


class _Overlay:
    """A directory in which some files hold other bytes, as `agentrail_runtime.tree.Tree` has them."""

    def __init__(self, tree: DirectoryTree, edits: Iterable[_Edit]) -> None:
        self.root = tree.root
        self._tree = tree
        self._new: Mapping[str, bytes | None] = {edit.path: edit.new for edit in edits}

    def fetch(self, path: str) -> Content:
        found = self._tree.fetch(path)
        new = self._new.get(path)
        return found if new is None else found._replace(data=new)

    def walk(self) -> Iterator[tuple[str, str]]:
        yield from self._tree.walk()


def _framework(root: str, policy: str | None) -> Site:
    _, site = standing.find_site(root, policy)
    if site is not None:
        return site
    raise PhaseError(
        f"{root}: no {POLICY_NAME} (expected a framework repository)",
        paths=[root],
        hint="the phase is the framework's; in a target there is suspend and resume",
    )


def _demand_conditions(site: Site, found: Standing, following: int) -> None:
    """Make sure that every condition is met.

    Raises:
        PhaseError: some are not; all are named.
    """
    missing = unmet(found.conditions, following)
    if missing:
        raise PhaseError(
            "\n".join(
                f"{site.path}: {one.name}: {one.title}: {one.evidence}; {one.remedy}" for one in missing
            ),
            paths=[site.path],
            hint=f"phase {following} can begin once all of these hold: "
            f"agentrail migration status {typed(site.root)}",
        )


def _edits(site: Site, data: bytes) -> list[_Edit]:
    """Return what a new policy changes, the policy last."""
    policy = policy_.load(data, site.path)
    tree = DirectoryTree(site.home)
    page = _page(tree)
    edits = [_Edit(RelPath(runbook.RUNBOOK_PATH), page, runbook.replaced(page, policy))]
    name = parse_path(os.path.basename(site.path))
    last = _Edit(name, _old(tree, name), data)
    index = export.read_index(tree)
    if index is not None and name == POLICY_NAME:
        changed = _Overlay(tree, [*edits, last])
        made = export.make(framework.read(changed), index, export.read_known(tree))
        listed = {entry.path for entry in made.listing.metadata} - {name}
        edits += [
            _Edit(item.path, _old(tree, item.path), item.content())
            for item in made.items
            if item.path in listed
        ]
        old = _old(tree, INDEX_NAME)
        if old != made.data:
            edits.append(_Edit(RelPath(SIGNATURE_NAME), _old(tree, SIGNATURE_NAME), None))
        edits.append(_Edit(RelPath(INDEX_NAME), old, made.data))
    return [edit for edit in (*edits, last) if edit.old != edit.new]


def _page(tree: DirectoryTree) -> bytes:
    try:
        return tree.fetch(runbook.RUNBOOK_PATH).data
    except OSError as error:
        raise runbook.RunbookError(
            f"{tree.root}/{runbook.RUNBOOK_PATH}: cannot be read: {error.strerror}",
            paths=[runbook.RUNBOOK_PATH],
            hint=f"put a page there with the two lines {runbook.BEGIN} and {runbook.END}",
        ) from None


def _old(tree: DirectoryTree, path: str) -> bytes | None:
    """Return the bytes of a file that is to be replaced, None where there is none.

    Raises:
        TargetError: it cannot be read, or is no plain file.
    """
    try:
        return tree.fetch(path).data
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TargetError(
            f"{tree.root}/{path}: cannot be read: {error.strerror} (expected a plain file)",
            paths=[path],
            hint="put a plain file there, then run the command again",
        ) from None


def _unsigned(edits: Sequence[_Edit]) -> list[str]:
    if any(edit.path == SIGNATURE_NAME for edit in edits):
        return [f"{SIGNATURE_NAME}: removed, the index changed: agentrail export --payload --sign KEY"]
    return []


def _suspended(policy: Policy, suspension: Suspension) -> bytes:
    """Return a policy that is suspended.

    Raises:
        UsageError: the reason has characters that the policy cannot hold.
    """
    data = policy_.with_suspension(policy, suspension)
    with suppress(PolicyError):
        if policy_.load(data).suspension == suspension:
            return data
    raise UsageError(
        f"--reason: {suspension.reason!r}: has characters that a policy cannot hold",
        hint="say it in plain words",
    )


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if not reason or not reason.isprintable() or len(reason) > _MAX_REASON:
        raise UsageError(
            f"--reason: expected a text of at most {_MAX_REASON} printable characters",
            hint="say on one line why",
        )
    return reason


def _finish(home: str, edits: Sequence[_Edit], notices: Sequence[str]) -> Change:
    _write(home, edits)
    return _change(edits, notices)


def _change(edits: Sequence[_Edit], notices: Sequence[str]) -> Change:
    import difflib

    parts: list[str] = []
    for edit in edits:
        if edit.path not in (INDEX_NAME, SIGNATURE_NAME):
            old, new = (
                (data or b"").decode("utf-8", "replace").splitlines(keepends=True)
                for data in (edit.old, edit.new)
            )
            parts += difflib.unified_diff(old, new, f"a/{edit.path}", f"b/{edit.path}")
    return Change(
        changed=bool(edits),
        notices=tuple(notices),
        paths=tuple(str(edit.path) for edit in edits),
        diff="".join(part if part.endswith("\n") else f"{part}\n" for part in parts),
    )


def _new(edits: Sequence[_Edit], site: Site) -> bytes:
    """Return the bytes that the policy is to have."""
    return edits[-1].new or site.policy.text.encode()


def _write(home: str, edits: Sequence[_Edit]) -> None:
    """Write all files, each atomically; after an error, put back those that were written.

    Raises:
        TargetError: the operating system refused; the files are as they were.
        RecoveryError: some could not be put back.
    """
    target = Target(os.path.realpath(home))
    try:
        _put(target, edits)
    except OSError as error:
        raise TargetError(
            f"{home}: cannot be written: {error.strerror}; all files are as they were",
            paths=[str(edit.path) for edit in edits],
            hint="mend the cause, then run the command again",
        ) from error
    finally:
        target.close()


def _put(target: Target, edits: Sequence[_Edit]) -> None:
    """Write all files, or put back those that were written.

    Raises:
        OSError, TargetError: a file cannot be written; all are as they were.
        RecoveryError: some could not be put back.
    """
    begun: list[_Edit] = []
    try:
        for edit in edits:
            begun.append(edit)
            _set(target, edit.path, edit.new)
    except BaseException as error:
        lost = [edit.path for edit in reversed(begun) if not _is_put_back(target, edit)]
        if lost:
            raise RecoveryError(
                "\n".join(f"{target.root}/{path}: could not be put back" for path in lost),
                paths=lost,
                hint="restore them from version control, then run the command again",
            ) from error
        raise


def _is_put_back(target: Target, edit: _Edit) -> bool:
    """Give a file its former bytes; tell whether it has them."""
    with suppress(OSError, TargetError):
        if _bytes(target, edit.path) != edit.old:
            _set(target, edit.path, edit.old)
        return True
    return False


def _set(target: Target, path: RelPath, data: bytes | None) -> None:
    if data is not None:
        target.rewrite(path, data)
    else:
        with suppress(FileNotFoundError):
            target.remove(path)


def _recorded(change: Change, root: str, version: str) -> Change:
    """Write the event of a suspension; if that fails it is a notice, never an error."""
    problem = recorder.note("rollback", root, "rolled_back", route="copy", version=version)
    if problem is None:
        return change
    told = f"{recorder.VARIABLE}: no event was written: {problem}"
    return change._replace(notices=(*change.notices, told))


# --- the target --------------------------------------------------------------------------------------


def _halt_target(root: str, switch: Switch) -> Change:
    with opened(root) as session:
        version = session.installed().runtime_version
        with session.locked():
            former = _switch(session)
            if former is not None and former.default_source == "copy":
                switch = former
            edits = _switch_edits(session, switch)
            _put(session.target, edits)
        place = session.target.root
    if former is not None and former.default_source == "copy":
        return _change(edits, [f"switched to copy already since {former.since}: {former.reason}"])
    notices = [f"switched: copy is the default route here; commit {_listed(edits)}", *_overridden()]
    if former is not None:
        notices.append(f"{route.SWITCH_PATH}: said {former.default_source} before: {former.reason}")
    return _recorded(_change(edits, notices), place, version)


def _resume_target(options: Options, policy: Policy, gate: Gate) -> Change:
    with opened(options.root) as session:
        session.installed()
        former = _switch(session)
        passed = []
        if former is not None and former.default_source != "copy":
            return _change([], [f"not switched to copy: {former.reason}", *_overridden()])
        if former is not None:
            version = gate.version or __version__
            passed = [_passed(options, gate, policy, version, former.since)]
        with session.locked():
            edits = _switch_edits(session, None)
            _put(session.target, edits)
    if former is None:
        return _change(edits, ["not switched", *_overridden()])
    told = f"switched back: {policy.default_source} is the default route here"
    return _change(edits, [f"{told}; commit {_listed(edits)}", *passed, *_overridden()])


def _switch(session: Session) -> Switch | None:
    """Return the switch that stands in the target itself."""
    try:
        return load_switch(session.target.read(route.SWITCH_PATH), route.SWITCH_PATH)
    except FileNotFoundError:
        return None


def _switch_edits(session: Session, switch: Switch | None) -> list[_Edit]:
    """Return what a switch changes: the page that tells of it, and the switch last."""
    new: dict[RelPath, bytes | None] = {NOTE_PATH: None, route.SWITCH_PATH: None}
    if switch is not None:
        new[NOTE_PATH] = runbook.note(switch, __version__).encode()
        new[route.SWITCH_PATH] = dump_switch(switch)
    edits = [_Edit(path, _bytes(session.target, path), data) for path, data in new.items()]
    return [edit for edit in edits if edit.old != edit.new]


def _bytes(target: Target, path: RelPath) -> bytes | None:
    try:
        return target.read(path)
    except FileNotFoundError:
        return None


def _listed(edits: Sequence[_Edit]) -> str:
    return " and ".join(str(edit.path) for edit in edits)


def _overridden() -> list[str]:
    named = os.environ.get(route.VARIABLE)
    return [f"{named}: what it says comes first ({route.VARIABLE})"] if named else []


def _passed(options: Options, gate: Gate, policy: Policy, version: str, since: str) -> str:
    """Return by what the gate was passed.

    Raises:
        GateError: it was not.
    """
    if gate.events:
        return gate_record.run(policy, gate.events, stage=gate.stage, version=version, now=options.now)
    found = gate_record.demand(options.decisions, stage=gate.stage, version=version, since=since)
    return f"{version} passed {gate.stage} at {found.decided_at}: {found.reason}"
