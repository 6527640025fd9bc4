"""Which route an install takes, for every request, phase and switch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrail_runtime.errors import SourceError
from agentrail_runtime.release.policy import PolicyError
from agentrail_runtime.release.reader import one_line
from agentrail_runtime.release.switch import (
    Chosen,
    Switch,
    choose,
    dump_switch,
    load_switch,
)

SINCE = "2026-11-23T08:00:00Z"
COPY = Switch("copy", "index broken", SINCE)
PACKAGE = Switch("package", "mended", SINCE)
SWITCHED = f"switched to copy since {SINCE}: index broken"


@pytest.mark.parametrize(
    ("requested", "phase", "default", "switch", "expected"),
    [
        ("auto", 3, "package", None, Chosen("auto")),
        ("auto", None, None, None, Chosen("auto")),
        ("auto", 2, "copy", None, Chosen("copy", "copy is the default in phase 2 (coexistence)")),
        ("auto", 3, "copy", None, Chosen("copy", "the package route is suspended")),
        ("auto", None, "copy", None, Chosen("copy", "the package route is suspended")),
        ("auto", 3, "package", COPY, Chosen("copy", SWITCHED)),
        ("auto", None, None, COPY, Chosen("copy", SWITCHED)),
        ("auto", 2, "copy", PACKAGE, Chosen("auto")),
        ("auto", 3, "copy", PACKAGE, Chosen("auto")),
        ("auto", 4, "package", None, Chosen("package")),
        ("auto", 4, "package", PACKAGE, Chosen("package")),
        ("package", 2, "copy", COPY, Chosen("package")),
        ("copy", 3, "package", PACKAGE, Chosen("copy")),
    ],
)
def test_the_route_is_the_users_then_the_switchs_then_the_policys(
    requested: str, phase: int | None, default: str | None, switch: Switch | None, expected: Chosen
) -> None:
    found = choose(requested, phase=phase, default_source=default, switch=switch)  # type: ignore[arg-type]
    assert found == expected


@pytest.mark.parametrize(("requested", "switch"), [("copy", None), ("auto", COPY)])
def test_a_removed_copy_route_is_refused_not_replaced(requested: str, switch: Switch | None) -> None:
    with pytest.raises(SourceError, match="the copy route was removed") as caught:
        choose(requested, phase=4, default_source="package", switch=switch)  # type: ignore[arg-type]
    assert caught.value.code == 6


@given(st.sampled_from(["copy", "package"]), st.text(min_size=1))
def test_a_switch_comes_back_as_it_was_written(source: str, reason: str) -> None:
    said = one_line(reason)
    if said:
        switch = Switch(source, reason, SINCE)  # type: ignore[arg-type]
        assert load_switch(dump_switch(switch), "x") == switch._replace(reason=said)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "x: expected a mapping"),
        ("default_source: copy", "x:1: since: missing"),
        ("phase: 4", "x:1: phase: unknown key"),
        ("default_source: git", "x:1: default_source: expected copy|package, got 'git'"),
        ("schema_version: '2.0'", "x:1: schema_version: expected a value such as 1.0"),
        ("since: now", "x:1: since: expected a value such as 2030"),
    ],
)
def test_a_switch_says_nothing_but_the_default_source(text: str, expected: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_switch(text.encode(), "x")
    assert expected in caught.value.message


def test_a_switch_without_a_reason_says_so() -> None:
    text = f'schema_version: "1.0"\ndefault_source: copy\nreason: null\nsince: "{SINCE}"\n'
    assert load_switch(text.encode(), "x").reason == "no reason given"
