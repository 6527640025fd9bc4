"""When a phase of the migration may begin: every condition, met and not met."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from agentrail_runtime.release import phase
from agentrail_runtime.release.deprecation import Deprecation
from agentrail_runtime.release.phase import Evidence, Verdict
from agentrail_runtime.release.policy import (
    ChannelPolicy,
    Duty,
    Policy,
    Suspension,
    load,
)
from tests.support import PAYLOAD

YES = Verdict(True, "it holds")
SHIPPED = load((PAYLOAD / "distribution.yaml").read_bytes())
PEOPLE = {name: Duty("Ada", "Grace") for name in ("signing", "publishing", "access")}
CHANNELS = {
    name: ChannelPolicy(name, "static", f"https://{name}.example/simple/", None, "Ada", ())
    for name in SHIPPED.channels
}
END = Deprecation("1.0.0", datetime.date(2027, 12, 31), "2.0.0", ("1.0.0", "1.1.0"))
READY = SHIPPED._replace(duties=PEOPLE, channels=CHANNELS, deprecation=END)
FOUND = Evidence(
    version="2.0.0",
    today=datetime.date(2028, 1, 1),
    manifest=YES,
    paths=YES,
    rules=YES,
    package=YES,
    routes=YES,
    gate=YES,
    releases=frozenset({"1.0.0", "1.1.0"}),
)


def met(policy: Policy, evidence: Evidence = FOUND) -> dict[str, bool | None]:
    return {one.name: one.is_met for one in phase.judge(policy, evidence)}


def text(name: str, policy: Policy, evidence: Evidence = FOUND) -> str:
    return next(one.evidence for one in phase.judge(policy, evidence) if one.name == name)


def test_with_everything_in_place_the_last_phase_can_begin() -> None:
    assert phase.unmet(phase.judge(READY, FOUND), 4) == []


def test_the_conditions_come_in_the_order_of_the_phases() -> None:
    assert [(one.phase, one.name) for one in phase.judge(READY, FOUND)] == [
        (1, "owners-named"),
        (1, "kpi-agreed"),
        (1, "publishing-destination"),
        (2, "manifest-stable"),
        (2, "paths-from-profile"),
        (2, "rules-apart"),
        (2, "package-proof"),
        (3, "both-routes"),
        (3, "deprecation-announced"),
        (3, "gate-general"),
        (4, "two-notices"),
        (4, "end-date-passed"),
        (4, "removed-in"),
        (4, "not-suspended"),
    ]


def test_a_condition_that_fails_keeps_its_phase_and_all_later_ones_shut() -> None:
    conditions = phase.judge(READY, FOUND._replace(rules=Verdict(False, "no")))
    assert [[one.name for one in phase.unmet(conditions, number)] for number in (1, 2, 4)] == [
        [],
        ["rules-apart"],
        ["rules-apart"],
    ]


def test_what_cannot_be_told_opens_no_phase() -> None:
    conditions = phase.judge(READY, FOUND._replace(package=Verdict(None, "no wheel")))
    assert [one.name for one in phase.unmet(conditions, 2)] == ["package-proof"]


@pytest.mark.parametrize(
    ("duty", "why"),
    [
        (Duty(None, None), "signing: no owner"),
        (Duty("Ada", None), "signing: no backup"),
        (Duty("Ada", "Ada"), "signing: owner and backup are the same"),
    ],
)
def test_nobody_stands_in_for_themselves(duty: Duty, why: str) -> None:
    policy = READY._replace(duties={**PEOPLE, "signing": duty})
    assert not met(policy)["owners-named"]
    assert text("owners-named", policy) == why


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"owner": None}, "pilot: no owner"),
        ({"index_url": None}, "pilot: no index_url or location"),
        ({"owner": None, "index_url": None}, "pilot: no owner and no index_url or location"),
        ({"index_url": None, "location": "/srv/pilot"}, "internal, pilot, general"),
    ],
)
def test_a_channel_needs_a_place_and_an_owner(change: Any, why: str) -> None:
    policy = READY._replace(channels={**CHANNELS, "pilot": CHANNELS["pilot"]._replace(**change)})
    assert text("publishing-destination", policy) == why
    assert met(policy)["publishing-destination"] is ("location" in change)


def test_the_agreed_numbers_are_told() -> None:
    assert text("kpi-agreed", READY).startswith("internal 0.9/0.98 after 24 h, pilot 0.95/0.99")


@pytest.mark.parametrize(
    ("change", "version", "why"),
    [
        ({}, "0.9", "announced in 1.0.0, which is not out (this is 0.9)"),
        ({"removed_in": "1.9"}, "1.0.0", "removed in 1.9 (expected a major version after 1.0.0)"),
        ({"notices": ("1.0.0", "1.0.0")}, "1.0.0", "1 release with a notice (expected 2)"),
    ],
)
def test_an_end_that_comes_too_soon_is_not_announced(change: Any, version: str, why: str) -> None:
    policy = READY._replace(deprecation=END._replace(**change))
    evidence = FOUND._replace(version=version)
    assert met(policy, evidence)["deprecation-announced"] is False
    assert text("deprecation-announced", policy, evidence) == why


@pytest.mark.parametrize(
    "name", ["deprecation-announced", "two-notices", "end-date-passed", "removed-in"]
)
def test_without_an_announced_end_copy_is_not_removed(name: str) -> None:
    assert met(READY._replace(deprecation=None))[name] is False


@pytest.mark.parametrize(
    ("releases", "is_met"),
    [
        (None, None),
        (frozenset(), False),
        (frozenset({"1.0.0", "1.2.0"}), False),
        (frozenset({"1.0", "1.1"}), True),
        (frozenset({"no version", "9" * 5000}), False),
    ],
)
def test_two_of_the_notices_have_to_be_out(releases: frozenset[str] | None, is_met: Any) -> None:
    assert met(READY, FOUND._replace(releases=releases))["two-notices"] is is_met


@pytest.mark.parametrize(("day", "is_met"), [(30, False), (31, False), (32, True)])
def test_copy_works_to_the_end_of_its_last_day(day: int, is_met: bool) -> None:
    today = datetime.date(2027, 12, 1) + datetime.timedelta(days=day - 1)
    assert met(READY, FOUND._replace(today=today))["end-date-passed"] is is_met


@pytest.mark.parametrize(
    ("version", "is_met"),
    [("1.9", False), ("2.0.0rc1", False), ("2", True), ("2.1", True), ("unindexed", False)],
)
def test_copy_is_removed_in_the_announced_release(version: str, is_met: bool) -> None:
    assert met(READY, FOUND._replace(version=version))["removed-in"] is is_met


@pytest.mark.parametrize(("current", "opened"), [(0, 1), (2, 3), (3, 4), (4, 4)])
def test_a_suspension_shuts_the_next_phase_alone(current: int, opened: int) -> None:
    policy = READY._replace(phase=current, suspension=Suspension("2027-01-01T00:00:00Z", "broken"))
    conditions = phase.judge(policy, FOUND)
    assert [one.name for one in phase.unmet(conditions, opened)] == ["not-suspended"]
    assert [one.name for one in phase.unmet(conditions, opened - 1)] == []


def test_without_a_copy_route_both_routes_cannot_be_asked_for() -> None:
    assert "both-routes" not in met(READY._replace(phase=4))


@pytest.mark.parametrize(
    ("line", "releases"),
    [
        ("## [1.1.0] - 2026-01-31", {"1.1.0"}),
        ("## 1.1.0 - 2026-01-31", {"1.1.0"}),
        ("## 1.1.0 - 2026-02-01", {"1.1.0"}),
        ("## 1.1.0 - 2026-02-02", set()),
        ("## 1.1.0", set()),
        ("## Unreleased", set()),
        ("### 1.1.0 - 2026-01-31", set()),
        ("```text\n## 1.1.0 - 2026-01-31\n```", set()),
    ],
)
def test_a_release_is_a_dated_section_of_the_changelog(line: str, releases: set[str]) -> None:
    text = f"# Changelog\n\n{line}\n\n- something\n"
    assert phase.released(text, datetime.date(2026, 2, 1)) == releases
