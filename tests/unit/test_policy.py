"""The distribution policy: what is read of it, what is refused, and that an edit touches one value."""

from __future__ import annotations

import datetime
import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrail_runtime.entry import LAST_PHASE, POLICY_NAME
from agentrail_runtime.release.deprecation import Deprecation
from agentrail_runtime.release.policy import (
    PHASES,
    Duty,
    Hypotheses,
    PolicyError,
    Suspension,
    Window,
    load,
    url_problem,
    with_phase,
    with_suspension,
)
from agentrail_runtime.release.reader import one_line
from tests.support import PAYLOAD

SHIPPED = (PAYLOAD / POLICY_NAME).read_bytes()
SINCE = "2026-11-23T08:00:00Z"


def changed(pattern: str, replacement: str) -> bytes:
    """Return the shipped policy with one place of it replaced."""
    text, count = re.subn(pattern, lambda _: replacement, SHIPPED.decode(), count=1, flags=re.MULTILINE)
    assert count == 1
    return text.encode()


def findings(data: bytes) -> list[str]:
    """Return what is wrong with a policy."""
    with pytest.raises(PolicyError) as caught:
        load(data)
    assert caught.value.code == 1
    return caught.value.message.splitlines()


def test_the_shipped_policy_says_what_the_installer_goes_by() -> None:
    policy = load(SHIPPED)
    assert (policy.schema_version, policy.phase, policy.default_source) == ("1.0", 3, "package")
    assert policy.default_sources == ("copy", "copy", "copy", "package", "package")
    assert policy.deprecation == Deprecation(
        "1.0.0", datetime.date(2027, 12, 31), "2.0.0", ("1.0.0", "1.1.0")
    )
    assert policy.compatibility == (Window(">=1.0,<2.0", ">=2.0,<3.0", ">=1.0,<2.0", ">=3.10"),)
    assert policy.suspension is None


def test_the_shipped_policy_names_nobody_who_does_not_exist() -> None:
    policy = load(SHIPPED)
    assert set(policy.duties.values()) == {Duty("The AgentRail developers", None)}
    assert [channel.approvers for channel in policy.channels.values()] == [(), (), ()]


@pytest.mark.parametrize(
    ("stage", "success", "rollback"),
    [
        ("internal", Hypotheses(0.9, 0.98), Hypotheses(0.1, 0.01)),
        ("pilot", Hypotheses(0.95, 0.99), Hypotheses(0.05, 0.005)),
        ("general", Hypotheses(0.98, 0.997), Hypotheses(0.02, 0.002)),
    ],
)
def test_each_stage_has_its_hypotheses(stage: str, success: Hypotheses, rollback: Hypotheses) -> None:
    stages = {str(name): value for name, value in load(SHIPPED).stages.items()}
    assert (stages[stage].success, stages[stage].rollback) == (success, rollback)


def test_the_last_phase_is_the_one_without_copy() -> None:
    assert PHASES[LAST_PHASE] == "copy route removed"
    assert len(PHASES) == LAST_PHASE + 1


@pytest.mark.parametrize("phase", range(5))
def test_a_suspension_makes_copy_the_default_until_copy_is_removed(phase: int) -> None:
    policy = load(with_phase(load(SHIPPED), phase))
    suspended = load(with_suspension(policy, Suspension(SINCE, "index broken")))
    assert policy.default_source == ("copy" if phase < 3 else "package")
    assert suspended.default_source == ("package" if phase == 4 else "copy")


@settings(max_examples=20, deadline=None)
@given(st.text())
def test_a_suspension_comes_back_as_it_was_given_and_leaves_no_byte_behind(reason: str) -> None:
    policy = load(SHIPPED)
    said = one_line(reason)
    if not said:
        return
    suspended = load(with_suspension(policy, Suspension(SINCE, reason)))
    assert suspended.suspension == Suspension(SINCE, said)
    assert with_suspension(suspended, None) == SHIPPED


def test_an_edit_touches_no_other_byte() -> None:
    crlf = SHIPPED.replace(b"\n", b"\r\n")
    assert with_phase(load(crlf), 2) == crlf.replace(b"phase: 3\r", b"phase: 2\r")


def test_an_edit_keeps_a_byte_order_mark() -> None:
    marked = b"\xef\xbb\xbf" + SHIPPED
    assert with_phase(load(marked), 2) == marked.replace(b"phase: 3\n", b"phase: 2\n")


def test_a_value_that_stands_right_after_its_colon_is_edited_all_the_same() -> None:
    data = changed("^suspended: null$", "suspended:")
    suspended = load(with_suspension(load(data), Suspension(SINCE, "x")))
    assert suspended.suspension == Suspension(SINCE, "x")


@pytest.mark.parametrize(
    ("pattern", "replacement", "expected"),
    [
        ("^phase: 3", "phase: 9", "8: phase: expected 0 to 4, got 9"),
        ("^phase: 3", "phase: three", "8: phase: expected a value such as 4, got 'three'"),
        ("^phase: 3", "phase: [3]", "8: phase: expected a value such as 4, got 'a collection'"),
        ("^phase: 3", "faze: 3", "8: faze: unknown key"),
        ("^phase: 3", "phase: 3\nphase: 3", "9: phase: stands twice"),
        ("^phase: 3", "? [a]\n: 3\nphase: 3", "8: a collection: unknown key"),
        ('"1.0"', '"2.0"', "5: schema_version: expected a value such as 1.0, got '2.0'"),
        ("^alpha: 0.05", "alpha: 1.5", ": alpha: expected a value such as 0.05, got '1.5'"),
        ("^alpha: 0.05", "alpha: 0.0", ": alpha: expected a rate between 0 and 1"),
        ("bad: 0.90", "bad: 0.99", ": stages.internal.success: expected bad < good"),
        ("bad: 0.10", "bad: 0.001", ": stages.internal.rollback: expected good < bad"),
        (", good: 0.98", "", ": stages.internal.success.good: missing"),
        ("soak_hours: 24", "soak_hours: -1", ": stages.internal.soak_hours: expected a value"),
        (r"\[general\]", "[all]", ": withdrawal_suspends: expected channels, got 'all'"),
        (r"\[general\]", "general", ": withdrawal_suspends: expected a list"),
        (r"^default_sources: .*$", "default_sources: [copy]", "one for each of 5 phases, got 1"),
        (r"package, package\]", "package, copy]", "[4]: there is no copy route in phase 4"),
        (r"package, package\]", "package, git]", "[4]: expected package|copy, got 'git'"),
        (r"^  signing: .*$", "  signing: me", "18: owners.signing: expected a mapping"),
        (r"^  signing: .*$", "  signs: me", "18: owners.signs: unknown key"),
        ("kind: static", "kind: ftp", "internal.kind: expected static|devpi|twine, got 'ftp'"),
        ("index_url: null", 'index_url: "http://a.example/"', "(http only on this machine)"),
        ("index_url: null", 'index_url: "ftp://a.example/"', "expected an https URL"),
        ("index_url: null", 'index_url: "https://[::1"', "expected an https URL"),
        ("index_url: null", "index_url: [a]", "internal.index_url: expected a text of one line"),
        ("index_url: null", "index_url: null, location: 'https://u:p@a.example/'", "keyring, netrc"),
        ("index_url: null", "index_url: null, location: ''","location: expected a text of one line"),
        ("ends_on: 2027-12-31", "ends_on: 2027-13-31", "ends_on: expected a date"),
        ("ends_on: 2027-12-31", "ends_on: soon", "ends_on: expected a date, as 2030-12-31, got 'soon'"),
        (r"  ends_on: .*\n", "", "deprecation.ends_on: missing"),
        (r"notices: \[1.0.0, 1.1.0\]", "notices: []", "notices: expected a list of versions"),
        (r"notices: \[1.0.0, 1.1.0\]", "notices: [new]", "deprecation.notices[0]: expected a value"),
        (r"removed_in: 2.0.0", "removed_in: next", "removed_in: expected a value such as 1.2.3"),
        (r'python: ">=3.10"', 'python: "3"', "compatibility[0].python: expected a version specifier"),
        (r'python: ">=3.10"', 'python: ""', "compatibility[0].python: expected a version specifier"),
        (r', python: ">=3.10"', "", "compatibility[0].python: missing"),
        (r'^  - \{runtime.*$', "", "compatibility: expected a list with a row"),
        ("^suspended: null", "suspended: yes", "suspended: expected a mapping"),
        ("^suspended: null", "suspended: {since: today, reason: x}", "since: expected a value"),
        ("^stable_commits: 5", "stable_commits: 0", "stable_commits: expected 1 to 10000, got 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_policy_is_told_with_its_line(
    pattern: str, replacement: str, expected: str
) -> None:
    assert any(expected in line for line in findings(changed(pattern, replacement)))


def test_all_findings_are_told_at_once() -> None:
    data = changed("^phase: 3", "phase: 9").replace(b"alpha: 0.05", b"alpha: 7")
    assert len(findings(data)) == 2


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff", "distribution.yaml: not UTF-8 (byte 0)"),
        (
            b"a" * 1_000_001,
            "distribution.yaml: too large (expected at most 1000000 bytes, got 1000001)",
        ),
        (b"- a", "distribution.yaml: expected a mapping at the top level"),
        (b"", "distribution.yaml: expected a mapping at the top level"),
        (b"a: [", "distribution.yaml: 1: not valid YAML: expected the node content, but found"),
        (b"a: \x00", "distribution.yaml: not valid YAML"),
        (b"[" * 5000, "distribution.yaml: not valid YAML"),
        (b"a: &x [1]\nb: *x\n", "distribution.yaml:1: has an alias (expected none)"),
        (b"a: &x {a: *x}\n", "distribution.yaml:1: has an alias (expected none)"),
    ],
)
def test_what_is_no_policy_at_all_is_refused(data: bytes, expected: str) -> None:
    assert findings(data)[0].startswith(expected)


def test_every_key_is_required() -> None:
    assert len(findings(b"{}")) >= 13


def test_a_static_channel_may_be_a_directory() -> None:
    data = changed("index_url: null", "index_url: 'https://a.example/', location: ../site")
    channel = load(data).channels["internal"]
    assert (channel.index_url, channel.location) == ("https://a.example/", "../site")


def test_a_policy_without_a_deprecation_has_none() -> None:
    data = re.sub(rb"^deprecation:\n(  .*\n)+", b"deprecation: null\n", SHIPPED, flags=re.MULTILINE)
    assert load(data).deprecation is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://a.example/simple/", ""),
        ("http://127.0.0.1:8000/simple/", ""),
        ("https://a.example:port/", "expected an https URL"),
        ("https://me@a.example/", "has a user"),
        ("https:///simple/", "expected an https URL"),
        ("https://a.example/?token=1", "expected an https URL"),
    ],
)
def test_a_url_carries_no_secret_and_is_encrypted(url: str, problem: str) -> None:
    assert url_problem(url).startswith(problem)
    assert bool(url_problem(url)) == bool(problem)


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=300), st.integers(0, len(SHIPPED)))
def test_no_bytes_end_in_anything_but_a_policy_or_its_findings(noise: bytes, at: int) -> None:
    with suppress(PolicyError):
        assert load(SHIPPED[:at] + noise + SHIPPED[at + len(noise) :]).phase in range(5)
