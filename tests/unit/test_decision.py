"""The three-way decision, exhaustive: three digests, each maybe absent, have 15 equality patterns."""

from __future__ import annotations

import itertools

import pytest

from agentrail_runtime import decision
from agentrail_runtime.decision import Decision, Side, Verdict, decide
from agentrail_runtime.entry import RelPath, State, sha256
from agentrail_runtime.known import Known
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


def test_a_file_of_just_16_mib_is_still_compared_by_its_text() -> None:
    case = Case(b"a\n", b"a\r\n", b"b\n")
    large = case.side._replace(state=case.side.state._replace(size=16 << 20))
    assert large.current(case.texts) == sha256(b"a\n")


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


# --- what an earlier release left -----------------------------------------------------------------

OLD, OLD_CRLF = b"old\nrules\n", b"old\r\nrules\r\n"


def is_left(case: Case, *known: bytes, at: str = "docs/guide.md") -> bool:
    files = {RelPath(at): frozenset(map(sha256, known))}
    return decision.is_left(case.side, case.rules(known=lambda: Known(files)))


@pytest.mark.parametrize(
    ("current", "known", "expected"),
    [
        (OLD, (OLD,), True),
        (OLD, (b"older\n", OLD), True),
        (OLD_CRLF, (OLD,), True),
        (OLD, (OLD_CRLF,), True),
        (b"mine\n", (OLD,), False),
        (OLD, (), False),
        (None, (OLD,), False),
    ],
)
def test_a_file_of_an_earlier_release_is_told_from_one_of_the_user_s(
    current: bytes | None, known: tuple[bytes, ...], expected: bool
) -> None:
    assert is_left(Case(None, current, b"new\n"), *known) is expected


def test_what_an_earlier_release_delivered_elsewhere_is_the_user_s_here() -> None:
    assert not is_left(Case(None, OLD, b"new\n"), OLD, at="docs/other.md")


def test_a_file_that_a_receipt_tells_of_is_not_taken_for_one_of_an_earlier_release() -> None:
    assert not is_left(Case(b"base\n", OLD, b"new\n"), OLD)
    assert not is_left(Case(None, OLD, b"new\n", declined="d"), OLD)


def test_a_link_to_the_text_of_an_earlier_release_is_not_replaced() -> None:
    case = Case(None, OLD, b"new\n")
    case.side = case.side._replace(state=State("link", sha256(OLD), len(OLD)))
    assert not is_left(case, OLD)


@pytest.mark.parametrize("known", [(), (OLD,)])
def test_a_file_is_not_read_to_learn_what_its_digest_says(known: tuple[bytes, ...]) -> None:
    case = Case(None, OLD, b"new\n")
    case.texts.files.clear()
    assert is_left(case, *known) is bool(known)


@pytest.mark.parametrize(("size", "expected"), [(16 << 20, True), ((16 << 20) + 1, False)])
def test_a_huge_file_of_an_earlier_release_is_known_by_its_digest_alone(
    size: int, expected: bool
) -> None:
    case = Case(None, OLD_CRLF, b"new\n")
    case.side = case.side._replace(state=case.side.state._replace(size=size))
    assert is_left(case, OLD) is expected
