"""The three-way decision, exhaustive: three digests, each maybe absent, have 15 equality patterns."""

from __future__ import annotations

import itertools

import pytest

from agentrail_runtime import decision
from agentrail_runtime.decision import Decision, Side, Verdict, decide
from agentrail_runtime.entry import RelPath, State, sha256
from tests.unit.support import Case, Texts, entry, record, state

A, B, C = "a", "b", "c"
PATTERNS: dict[tuple[str | None, str | None, str | None], Verdict] = {
    # base, current, incoming
    (None, None, None): "unchanged",
    (A, None, None): "unchanged",
    (None, A, None): "keep",
    (None, None, A): "create",
    (A, A, None): "remove",
    (A, B, None): "keep",
    (A, None, A): "keep",
    (A, None, B): "keep",
    (None, A, A): "unchanged",
    (None, A, B): "conflict",
    (A, A, A): "unchanged",
    (A, A, B): "update",
    (A, B, A): "keep",
    (A, B, B): "unchanged",
    (A, B, C): "conflict",
}


def pattern(sides: tuple[str | None, ...]) -> tuple[str | None, ...]:
    """Return `sides` with their values renamed in the order of their appearance."""
    names = dict(zip(dict.fromkeys(side for side in sides if side), (A, B, C)))  # noqa: B905
    return tuple(side and names[side] for side in sides)


def test_the_table_is_exhaustive() -> None:
    every = {pattern(sides) for sides in itertools.product((None, A, B, C), repeat=3)}
    assert set(PATTERNS) == every
    assert len(every) == 15


@pytest.mark.parametrize(("sides", "verdict"), PATTERNS.items())
def test_every_pattern_is_decided_as_the_contract_says(
    sides: tuple[str | None, str | None, str | None], verdict: Verdict
) -> None:
    assert decide(*sides) == verdict


def test_only_equality_counts_and_not_which_digest_it_is() -> None:
    for base, current, incoming in itertools.product((None, "x", "y", "z"), repeat=3):
        named = pattern((base, current, incoming))
        assert decide(base, current, incoming) == decide(*named)


def test_a_side_knows_its_three_digests() -> None:
    side = Case(b"1", b"2", b"3", declined="d").side
    assert (side.base, side.incoming, side.declined) == (sha256(b"1"), sha256(b"3"), "d")
    assert side.current(Texts({"docs/guide.md": b"2"})) == sha256(b"2")


def test_a_side_without_anything_is_managed_and_has_no_digest() -> None:
    side = Side(RelPath("a"), None, State(), None)
    assert (side.ownership, side.base, side.incoming, side.declined) == ("managed", None, None, None)
    assert side.current(Texts()) is None


def test_the_class_is_what_the_source_says_else_what_the_receipt_says() -> None:
    old = record("a", b"", "seed")
    assert Side(RelPath("a"), old, State(), entry("a", b"", "block")).ownership == "block"
    assert Side(RelPath("a"), old, State(), None).ownership == "seed"


@pytest.mark.parametrize("kind", ["absent", "link", "directory", "special", "blocked"])
def test_what_is_no_file_has_no_digest(kind: str) -> None:
    side = Case(b"1", None, b"1").side._replace(state=State(kind, sha256(b"1")))  # type: ignore[arg-type]
    assert side.current(Texts()) is None


@pytest.mark.parametrize("current", [b"a\r\nb\r\n", b"a\nb\n", b"a\r\nb\n"])
@pytest.mark.parametrize("side", ["base", "incoming"])
def test_a_checkout_with_other_line_ends_is_no_edit(current: bytes, side: str) -> None:
    sides = {"base": b"x", "incoming": b"y", side: b"a\nb\n"}
    case = Case(sides["base"], current, sides["incoming"])
    assert case.side.current(case.texts) == sha256(b"a\nb\n")


def test_a_base_in_crlf_is_known_in_lf() -> None:
    case = Case(b"a\r\nb\r\n", b"a\nb\n", None)
    assert case.side.current(case.texts) == case.side.base


def test_a_binary_that_differs_by_a_line_end_is_edited() -> None:
    case = Case(b"\0\n", b"\0\r\n", b"\0\n")
    assert case.side.current(case.texts) == sha256(b"\0\r\n")


def test_a_file_that_is_as_delivered_is_not_read_again() -> None:
    side = Case(b"1", b"1", b"2").side
    assert side.current(Texts()) == sha256(b"1")


def test_a_huge_file_is_compared_by_its_digest_alone() -> None:
    side = Case(b"1", b"2", b"1").side
    huge = side._replace(state=state(b"2")._replace(size=(16 << 20) + 1))
    assert huge.current(Texts()) == sha256(b"2")


def test_a_kept_path_keeps_its_record() -> None:
    side = Case(b"1", b"2", None).side
    kept = decision.keep(side, "why")
    assert kept == Decision(
        action=decision.Action(side.path, "keep", "managed", "why"), record=side.record
    )


def test_a_dropped_path_has_no_record_any_more() -> None:
    side = Case(b"1", b"1", None).side
    dropped = decision.drop(side, "why")
    assert dropped.record is None
    assert dropped.change == decision.Change(path=side.path, before=side.state, content=None)
