"""Where the migration stands: the phase, its conditions, the default route, and what is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, datetime
from typing import Final, NamedTuple

from agentrail_runtime import framework, git, history, plain_file, policy_file, route
from agentrail_runtime.entry import LAST_PHASE
from agentrail_runtime.errors import AgentRailError, TargetError, UsageError
from agentrail_runtime.operation import evidence, gate_record
from agentrail_runtime.operation.evidence import Site
from agentrail_runtime.release import companion, phase, runbook
from agentrail_runtime.release.companion import Finding
from agentrail_runtime.release.deprecation import Deprecation, releases_left
from agentrail_runtime.release.phase import Condition
from agentrail_runtime.release.policy import PHASES, Policy, Route
from agentrail_runtime.release.switch import Switch, choose
from agentrail_runtime.session import locate
from agentrail_runtime.target import Target
from agentrail_runtime.tree import DirectoryTree
from agentrail_runtime.version import __version__

_MAX_BYTES: Final = 1_000_000


class Options(NamedTuple):
    """What to look at, and how.

    Args:
        now: the moment to judge at, aware.
        root: a framework repository, a target, or any other directory.
        policy: the policy's file, None to look for it in `root`.
        version: the version (PEP 440) that the repository makes, None for what its index says.
        wheel: the built wheel, None to look for one in ``dist``.
        decisions: the file of the gate's decisions.
        is_quick: leave out what takes long.
        progress: told what is being looked at.
    """

    now: datetime
    root: str = "."
    policy: str | None = None
    version: str | None = None
    wheel: str | None = None
    decisions: str = gate_record.DEFAULT_PATH
    is_quick: bool = False
    progress: Callable[[str, int, int], None] = evidence.unwatched


class Standing(NamedTuple):
    """Where the migration stands.

    Args:
        root: the absolute path of the repository.
        policy: the policy that holds there.
        path: its file in a framework repository; None for the packaged one.
        version: the version that the repository makes, or that this package is.
        default_source: the route of an install that names none.
        reason: why that is the route.
        switch: an operator's switch; None for none, and in a framework repository.
        conditions: of all phases; none where the policy is the packaged one.
        findings: what is wrong besides.
        releases_left: the announced releases after `version` that still have the copy route.
    """

    root: str
    policy: Policy
    path: str | None
    version: str
    default_source: Route
    reason: str
    switch: Switch | None = None
    conditions: tuple[Condition, ...] = ()
    findings: tuple[Finding, ...] = ()
    releases_left: tuple[str, ...] = ()

    @property
    def unmet(self) -> list[Condition]:
        """The conditions of this phase, and of those before it, that are not known to be met."""
        return phase.unmet(self.conditions, self.policy.phase)

    @property
    def missing(self) -> list[Condition]:
        """What the next phase lacks."""
        return phase.unmet(self.conditions, min(self.policy.phase + 1, LAST_PHASE))


def find_site(root: str, policy: str | None = None) -> tuple[Policy, Site | None]:
    """Return the policy for `root`, and the framework repository there; None where it is none.

    Args:
        root: a directory.
        policy: the policy's file, None to look for it in `root`.

    Raises:
        TargetError: `root` is no directory.
        PolicyError: the policy cannot be read, or is none.
    """
    if not os.path.isdir(root):
        raise TargetError(
            f"{root}: no such directory (expected a framework repository or a target)",
            paths=[root],
            hint="name a directory",
        )
    found, path = policy_file.find(policy, root)
    if path is None:
        return found, None
    full = os.path.abspath(path)
    return found, Site(os.path.abspath(root), os.path.dirname(full), found, full)


def status(options: Options) -> Standing:
    """Return where the migration stands; nothing is written.

    Raises:
        UsageError: the version is none.
        TargetError: the root is no directory.
        PolicyError: the policy cannot be read, or is none.
    """
    if options.version is not None:
        _check_version(options.version)
    policy, site = find_site(options.root, options.policy)
    return _of_target(options, policy) if site is None else _of_framework(options, site)


def check(options: Options, *, changed_since: str | None = None) -> Standing:
    """Return where the migration stands, with every finding that a change should not pass with.

    Args:
        options: as for `status`.
        changed_since: the revision (gitrevisions(7)) that the change began at; None to leave out
            whether the documents moved together.

    Raises:
        UsageError: `changed_since` is no commit.
        TargetError, PolicyError: as `status`.
    """
    found = status(options)
    if changed_since is None:
        return found
    home = os.path.dirname(found.path) if found.path else found.root
    return found._replace(findings=(*found.findings, *together(home, changed_since)))


def together(home: str, revision: str) -> list[Finding]:
    """Return the documents that stayed while others moved, from `revision` to the work tree.

    Args:
        home: the directory that the documents are in.
        revision: where the change began; what was committed on it since does not count.

    Raises:
        UsageError: it is no commit.
    """
    commit = history.base(home, revision)
    if commit is None:
        raise UsageError(
            f"--changed-since: {revision}: no commit of the repository at {home}",
            paths=[home],
            hint="name a branch, tag or commit; in CI, fetch the whole history (fetch-depth: 0)",
        )
    blocks = _block_files(home)
    sides = {
        path: companion.Sides(git.file_at(home, commit, path), _file(home, path))
        for path in companion.paths(blocks)
    }
    return companion.findings(sides, blocks)


def today(now: datetime) -> date:
    """Return the date of a moment, UTC."""
    from datetime import timezone

    return now.astimezone(timezone.utc).date()


def _check_version(text: str) -> None:
    from packaging.version import Version

    try:
        Version(text)
    except ValueError:  # InvalidVersion is one, and so is a number of too many digits
        raise UsageError(
            f"--runtime-version: {text!r} is no version (expected one as 1.2.3, see PEP 440)",
            hint="leave it out to take the one that the index says",
        ) from None


def _of_framework(options: Options, site: Site) -> Standing:
    policy = site.policy
    version = options.version or evidence.version(site)
    gate = gate_record.verdict(
        options.decisions, version=version, is_exact=policy.phase < LAST_PHASE - 1
    )
    request = evidence.Request(
        version,
        today(options.now),
        gate,
        wheel=options.wheel,
        is_quick=options.is_quick,
        progress=options.progress,
    )
    return Standing(
        root=site.root,
        policy=policy,
        path=site.path,
        version=version,
        default_source=policy.default_source,
        reason=_reason(policy),
        conditions=phase.judge(policy, evidence.gather(site, request)),
        findings=tuple(_runbook_findings(site)),
        releases_left=_left(policy.deprecation, version),
    )


def _reason(policy: Policy) -> str:
    suspension = policy.suspension
    if suspension is not None and policy.phase < LAST_PHASE:
        return f"suspended since {suspension.since}: {suspension.reason}"
    return f"phase {policy.phase}, {PHASES[policy.phase]}"


def _left(deprecation: Deprecation | None, version: str) -> tuple[str, ...]:
    return tuple(releases_left(deprecation, version)) if deprecation else ()


def _runbook_findings(site: Site) -> list[Finding]:
    page = _file(site.home, runbook.RUNBOOK_PATH)
    wrong = "missing, or no plain file" if page is None else runbook.problem(page, site.policy)
    status = runbook.render(site.policy).strip()
    remedy = f"write between the lines {runbook.BEGIN} and {runbook.END}:\n{status}"
    return [Finding(runbook.RUNBOOK_PATH, wrong, remedy)] if wrong else []


def _of_target(options: Options, policy: Policy) -> Standing:
    root = locate(options.root)
    version = options.version or __version__
    found = Standing(
        root=root,
        policy=policy,
        path=None,
        version=version,
        default_source=policy.default_source,
        reason=_reason(policy),
        releases_left=_left(policy.deprecation, version),
    )
    target = Target(root)
    try:
        switch = route.find_switch(target)
        chosen = choose("auto", phase=policy.phase, default_source=policy.default_source, switch=switch)
    except AgentRailError as error:
        place = str(error.paths[0]) if error.paths else route.SWITCH_PATH
        return found._replace(findings=(Finding(place, error.message, error.hint or ""),))
    finally:
        target.close()
    if switch is not None:
        found = found._replace(
            switch=switch,
            default_source=switch.default_source,
            reason=f"switched since {switch.since}: {switch.reason}",
        )
    is_copy = chosen.source == "copy"
    return found._replace(findings=tuple(_past_end(policy, options.now) if is_copy else ()))


def _past_end(policy: Policy, now: datetime) -> list[Finding]:
    end = policy.deprecation
    if end is None or today(now) <= end.ends_on:
        return []
    message = f"copy is the default, and the copy route was to end on {end.ends_on}"
    return [Finding(route.SWITCH_PATH, message, "agentrail migration resume")]


def _block_files(home: str) -> tuple[str, ...]:
    """Return the files with rules for agents: the manifest's, or the usual ones where there is none."""
    try:
        found = framework.read(DirectoryTree(home)).manifest.block_files
    except AgentRailError:
        return companion.BLOCK_PATHS
    return tuple(item.text for item in found) or companion.BLOCK_PATHS


def _file(home: str, path: str) -> bytes | None:
    try:
        return plain_file.read(os.path.join(home, *path.split("/")), _MAX_BYTES)
    except OSError:
        return None
