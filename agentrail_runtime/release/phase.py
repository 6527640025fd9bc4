"""What has to hold before a phase of the migration can begin, judged from evidence.

A condition belongs to the phase that it opens. Whoever stands in a phase owes its conditions and those
of all phases before it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from packaging.version import Version

from agentrail_runtime.entry import LAST_PHASE
from agentrail_runtime.release import changelog
from agentrail_runtime.release.deprecation import Deprecation
from agentrail_runtime.release.policy import Duty, Policy

NOTICES: Final = 2
"""How many releases have to tell of the end of the copy route before it can come."""


class Verdict(NamedTuple):
    """Whether something holds, None where that cannot be told here; and what that is built on."""

    is_met: bool | None
    text: str


class Condition(NamedTuple):
    """One condition: the `phase` that it opens, whether it is met, why, and what to do if not.

    `is_met` is None where it cannot be told here, which does not open a phase either.
    """

    name: str
    title: str
    phase: int
    is_met: bool | None
    evidence: str
    remedy: str


class Evidence(NamedTuple):
    """What a judgement is built on.

    Args:
        version: the version (PEP 440) that the framework repository makes now.
        today: the date, UTC.
        manifest: whether the export's check passes over the last commits.
        paths: whether nothing names the place of task records instead of asking the profile.
        rules: whether the runtime's rules stand apart from AGENTS.md.
        package: whether the payload is whole, and a wheel carries it.
        routes: whether both routes install the same.
        gate: whether a release passed the gate of the widest channel.
        releases: the versions that have been released; None where that cannot be told.
    """

    version: str
    today: datetime.date
    manifest: Verdict
    paths: Verdict
    rules: Verdict
    package: Verdict
    routes: Verdict
    gate: Verdict
    releases: frozenset[str] | None


def judge(policy: Policy, evidence: Evidence) -> tuple[Condition, ...]:
    """Return every condition in the order of the phases.

    Args:
        policy: the distribution policy.
        evidence: what was found out.
    """
    return tuple(
        Condition(name, title, phase, verdict.is_met, verdict.text, remedy)
        for name, title, phase, verdict, remedy in _rows(policy, evidence)
    )


def unmet(conditions: Iterable[Condition], phase: int) -> list[Condition]:
    """Return the conditions of the phases up to `phase` that are not known to be met."""
    return [found for found in conditions if found.phase <= phase and not found.is_met]


def released(text: str, today: datetime.date) -> frozenset[str]:
    """Return the versions with a dated section in a changelog, that date not after `today`.

    Args:
        text: the changelog, as `agentrail_runtime.release.changelog` reads it.
        today: the date, UTC.
    """
    sections = changelog.load(text)
    return frozenset(
        section.title for section in sections if section.date and section.date <= today.isoformat()
    )


def is_before(version: str, other: str) -> bool:
    """Tell whether `version` is older than `other` (PEP 440); no, where either is no version."""
    first, second = _parsed(version), _parsed(other)
    return first is not None and second is not None and first < second


def _rows(policy: Policy, found: Evidence) -> Iterator[tuple[str, str, int, Verdict, str]]:
    yield (
        *("owners-named", "owner and backup are named", 1, _owners(policy)),
        "name two different people for each under owners in distribution.yaml",
    )
    yield (
        *("kpi-agreed", "the numbers of every stage are agreed", 1, _numbers(policy)),
        "mend stages in distribution.yaml",
    )
    yield (
        *("publishing-destination", "every channel has a place and an owner", 1, _channels(policy)),
        "set owner and index_url (or location) under channels in distribution.yaml",
    )
    yield (
        *("manifest-stable", "the manifest is stable", 2, found.manifest),
        "run agentrail export --payload, commit, and let the commits pass",
    )
    yield (
        *("paths-from-profile", "tools take paths from the profile", 2, found.paths),
        "read workflow.task_root of project.profile.yaml there instead",
    )
    yield (
        *("rules-apart", "the runtime's rules stand apart and are linked", 2, found.rules),
        "see section 2 of docs/operations/runtime-framework-rules.md",
    )
    yield (
        *("package-proof", "a wheel carries the payload", 2, found.package),
        "build it (python -m build), or name it with --wheel FILE",
    )
    if policy.phase < LAST_PHASE:
        yield (
            *("both-routes", "both routes install the same", 3, found.routes),
            "run both: agentrail-install --source package, and --source copy",
        )
    yield (
        *("deprecation-announced", "the end of the copy route is announced", 3),
        *(_announced(policy.deprecation, found.version), "complete deprecation in distribution.yaml"),
    )
    yield (
        *("gate-general", "a release passed the gate of the general channel", 3, found.gate),
        f"agentrail release gate --stage general --version {found.version} --events DIR --record",
    )
    yield from _last(policy, found)


def _last(policy: Policy, found: Evidence) -> Iterator[tuple[str, str, int, Verdict, str]]:
    yield (
        *("two-notices", "two releases told of the end", 4, _notices(policy.deprecation, found)),
        "release them; a dated section in CHANGELOG.md tells",
    )
    yield (
        *("end-date-passed", "the end has come", 4, _ended(policy.deprecation, found.today)),
        "wait for the announced date",
    )
    yield (
        *("removed-in", "this is the announced release", 4),
        *(_removed(policy.deprecation, found.version), "raise the version to deprecation.removed_in"),
    )
    since = policy.suspension.since if policy.suspension else ""
    yield (
        *("not-suspended", "the package route is not suspended", min(policy.phase + 1, LAST_PHASE)),
        Verdict(policy.suspension is None, f"suspended since {since}" if since else "not suspended"),
        "agentrail migration resume, after a passed gate",
    )


def _owners(policy: Policy) -> Verdict:
    wrong = [f"{name}: {why}" for name, duty in policy.duties.items() if (why := _lack(duty))]
    return Verdict(not wrong, "; ".join(wrong) or "all of signing, publishing and access")


def _lack(duty: Duty) -> str:
    if duty.owner is None:
        return "no owner"
    if duty.backup is None:
        return "no backup"
    return "owner and backup are the same" if duty.owner == duty.backup else ""


def _numbers(policy: Policy) -> Verdict:
    stages = (
        f"{name} {stage.success.bad:g}/{stage.success.good:g} after {stage.soak_hours:g} h"
        for name, stage in policy.stages.items()
    )
    return Verdict(is_met=True, text=", ".join(stages))


def _channels(policy: Policy) -> Verdict:
    wrong = []
    for name, channel in policy.channels.items():
        lacks = [] if channel.owner else ["owner"]
        lacks += [] if channel.index_url or channel.location else ["index_url or location"]
        wrong += [f"{name}: no {' and no '.join(lacks)}"] if lacks else []
    return Verdict(not wrong, "; ".join(wrong) or ", ".join(policy.channels))


def _announced(deprecation: Deprecation | None, version: str) -> Verdict:
    if deprecation is None:
        return Verdict(is_met=False, text="deprecation: null")
    announced, removed = _parsed(deprecation.announced_in), _parsed(deprecation.removed_in)
    assert announced is not None, "the policy takes versions alone"
    assert removed is not None, "the policy takes versions alone"
    wrong = []
    if is_before(version, deprecation.announced_in):
        wrong.append(f"announced in {announced}, which is not out (this is {version})")
    if removed.major <= announced.major:
        wrong.append(f"removed in {removed} (expected a major version after {announced})")
    if (count := len({*deprecation.notices})) < NOTICES:
        wrong.append(f"{count} release with a notice (expected {NOTICES})")
    said = f"announced in {announced}, ends on {deprecation.ends_on}, removed in {removed}"
    return Verdict(not wrong, "; ".join(wrong) or said)


def _notices(deprecation: Deprecation | None, found: Evidence) -> Verdict:
    if deprecation is None:
        return Verdict(is_met=False, text="deprecation: null")
    if found.releases is None:
        return Verdict(is_met=None, text="no CHANGELOG.md")
    out = {_parsed(version) for version in found.releases}
    told = [version for version in dict.fromkeys(deprecation.notices) if _parsed(version) in out]
    return Verdict(
        len(told) >= NOTICES,
        f"{len(told)} of {', '.join(deprecation.notices)} released (expected {NOTICES})",
    )


def _ended(deprecation: Deprecation | None, today: datetime.date) -> Verdict:
    if deprecation is None:
        return Verdict(is_met=False, text="deprecation: null")
    return Verdict(deprecation.ends_on < today, f"ends on {deprecation.ends_on}, today is {today}")


def _removed(deprecation: Deprecation | None, version: str) -> Verdict:
    if deprecation is None:
        return Verdict(is_met=False, text="deprecation: null")
    is_early = _parsed(version) is None or is_before(version, deprecation.removed_in)
    return Verdict(not is_early, f"removed in {deprecation.removed_in}, this is {version}")


def _parsed(text: str) -> Version | None:
    try:
        return Version(text)
    except ValueError:  # InvalidVersion is one, and so is a number of too many digits
        return None
