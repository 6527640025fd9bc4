"""Class seed: created when absent, then the user's for ever."""

from __future__ import annotations

from typing import Any

import pytest

from agentrail_runtime import ownership
from agentrail_runtime.decision import Policy
from tests.unit.support import Case, told, written

A, B, C = b"a\n", b"b\n", b"c\n"


def seed(base: bytes | None, current: bytes | None, incoming: bytes | None, **more: Any) -> Case:
    return Case(base, current, incoming, path="MEMORY.md", ownership="seed", **more)


@pytest.mark.parametrize("policy", ["abort", "keep", "merge", "overwrite"])
@pytest.mark.parametrize(
    ("base", "current", "incoming", "expected"),
    [
        (None, A, B, ("keep", "yours")),
        (None, A, A, ("unchanged", "as delivered")),
        (A, A, A, ("unchanged", "as delivered")),
        (A, A, B, ("unchanged", "as delivered")),
        (A, B, A, ("keep", "yours")),
        (A, B, B, ("keep", "yours")),
        (A, B, C, ("keep", "yours")),
        (A, A, None, ("unchanged", "as delivered")),
        (A, B, None, ("keep", "yours")),
        (A, None, None, ("keep", "deleted locally")),
    ],
)
def test_a_seed_that_is_there_is_never_touched(
    base: bytes | None,
    current: bytes | None,
    incoming: bytes | None,
    expected: tuple[str, str],
    policy: Policy,
) -> None:
    case = seed(base, current, incoming)
    decided = ownership.decide(case.side, case.rules(policy))
    assert told(decided) == expected
    assert decided.change is None


def test_a_seed_that_is_absent_is_created() -> None:
    case = seed(None, None, A)
    decided = ownership.decide(case.side, case.rules())
    assert (told(decided), written(decided)) == (("create", "new"), A)
    assert decided.record
    assert decided.record.ownership == "seed"


def test_a_seed_that_was_there_with_the_same_bytes_is_recorded() -> None:
    case = seed(None, A, A)
    assert ownership.decide(case.side, case.rules()).record


def test_a_seed_of_the_user_s_own_is_not_recorded_and_so_never_removed() -> None:
    case = seed(None, A, B)
    assert ownership.decide(case.side, case.rules()).record is None


@pytest.mark.parametrize("policy", ["abort", "keep", "merge"])
def test_a_seed_that_the_user_deleted_stays_deleted(policy: Policy) -> None:
    case = seed(A, None, A)
    decided = ownership.decide(case.side, case.rules(policy))
    assert told(decided) == ("keep", "deleted locally")
    assert decided.record == case.side.record


def test_a_deleted_seed_comes_back_when_it_is_asked_for() -> None:
    case = seed(A, None, B)
    decided = ownership.decide(case.side, case.rules("overwrite"))
    assert (told(decided), written(decided)) == (("create", "deleted locally; restored"), B)


@pytest.mark.parametrize(
    ("current", "expected"),
    [(A, ("remove", "as delivered")), (B, ("keep", "edited locally"))],
)
def test_an_uninstall_leaves_a_seed_that_the_user_filled(
    current: bytes, expected: tuple[str, str]
) -> None:
    case = seed(A, current, None)
    assert told(ownership.remove(case.side, case.rules())) == expected


@pytest.mark.parametrize("current", [A, B, None])
def test_a_seed_is_never_drift(current: bytes | None) -> None:
    case = seed(A, current, None)
    assert told(ownership.check(case.side, case.rules())) == ("unchanged", "yours")
