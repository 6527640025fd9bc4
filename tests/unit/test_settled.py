"""A file on which all three sides agree is not decided at length, and the outcome is the same."""

from __future__ import annotations

from typing import get_args
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrail_runtime import decision, ownership, planner
from agentrail_runtime.decision import Action, Decision, Policy, Rules, Side
from agentrail_runtime.entry import OWNERSHIPS, Entry, RelPath, State, sha256
from agentrail_runtime.ownership import managed
from agentrail_runtime.receipt import Record
from tests.property.support import steadily
from tests.unit.support import BLOB, Texts, World, entry, record, state

PATH = RelPath("docs/guide.md")
POLICIES: tuple[Policy, ...] = get_args(decision.Policy)
TEXTS = (b"a\n", b"a\r\n", b"b\n", b"")
STATES = st.one_of(
    st.builds(state, st.sampled_from(TEXTS), st.sampled_from([0o644, 0o755, 0o600, 0o654, 0o4755])),
    st.sampled_from([State(), State("link", place="a"), State("directory"), State("special")]),
)
DIGESTS = st.sampled_from([*map(sha256, TEXTS)])
RECORDS = st.builds(
    Record,
    st.just(PATH),
    st.sampled_from(OWNERSHIPS),
    st.one_of(st.none(), DIGESTS),
    st.just(BLOB),
    st.sampled_from([0, 2, 3]),
    st.booleans(),
    st.one_of(st.none(), DIGESTS),
    st.sampled_from([{}, {"later": 1}]),
)
ENTRIES = st.builds(
    Entry,
    st.just(PATH),
    st.sampled_from(OWNERSHIPS),
    DIGESTS,
    st.sampled_from([0, 2, 3]),
    st.booleans(),
)
AGREEING = st.sampled_from(TEXTS).flatmap(
    lambda text: st.tuples(
        st.builds(
            lambda bit, more: record(PATH, text, executable=bit, extra=more),
            st.booleans(),
            st.sampled_from([{}, {"later": 1}]),
        ),
        st.builds(lambda mode: state(text, mode), st.sampled_from([0o644, 0o755, 0o600])),
        st.builds(lambda bit: entry(PATH, text, executable=bit), st.booleans()),
    )
)


@steadily(120)
@given(
    st.one_of(AGREEING, st.tuples(RECORDS, STATES, ENTRIES)), st.booleans(), st.sampled_from(POLICIES)
)
def test_what_is_settled_would_have_been_decided_so(
    sides: tuple[Record, State, Entry], has_modes: bool, policy: Policy
) -> None:
    known, found, incoming = sides
    if managed.is_settled(known, found, incoming, has_modes=has_modes):
        rules = Rules(texts=Texts(), policy=policy, has_modes=has_modes)
        action = Action(PATH, "unchanged", "managed", "as delivered")
        assert managed.decide(Side(PATH, known, found, incoming), rules) == Decision(
            action=action, record=known
        )


@steadily(120)
@given(st.one_of(AGREEING, st.tuples(RECORDS, STATES, ENTRIES)), st.booleans())
def test_what_is_as_delivered_would_have_been_checked_so(
    sides: tuple[Record, State, Entry], has_modes: bool
) -> None:
    known, found, _ = sides
    if managed.is_as_delivered(known, found, has_modes=has_modes):
        rules = Rules(texts=Texts(), has_modes=has_modes)
        action = Action(PATH, "unchanged", "managed", "as delivered")
        assert ownership.check(Side(PATH, known, found, None), rules) == Decision(action=action)


@pytest.mark.parametrize("executable", [False, True])
@pytest.mark.parametrize("has_modes", [False, True])
def test_what_is_as_delivered_is_settled(executable: bool, has_modes: bool) -> None:
    known, incoming = (
        record(PATH, b"a", executable=executable),
        entry(PATH, b"a", executable=executable),
    )
    found = state(b"a", 0o755 if executable else 0o644)
    assert managed.is_settled(known, found, incoming, has_modes=has_modes)
    other = state(b"a", 0o644 if executable else 0o755)
    assert managed.is_settled(known, other, incoming, has_modes=has_modes) is not has_modes
    assert managed.is_as_delivered(known, found, has_modes=has_modes)
    assert managed.is_as_delivered(known, other, has_modes=has_modes) is not has_modes


KNOWN, FOUND, INCOMING = record(PATH, b"a"), state(b"a"), entry(PATH, b"a")


@pytest.mark.parametrize(
    ("known", "found", "incoming"),
    [
        (record(PATH, b"b"), FOUND, INCOMING),
        (KNOWN, state(b"b"), INCOMING),
        (KNOWN, FOUND, entry(PATH, b"b")),
        (KNOWN._replace(size=9), FOUND, INCOMING),
        (KNOWN._replace(executable=True), FOUND, INCOMING),
        (KNOWN._replace(declined=sha256(b"b")), FOUND, INCOMING),
        (KNOWN._replace(sha256=None), FOUND, INCOMING),
        (KNOWN._replace(ownership="seed"), FOUND, INCOMING),
        (KNOWN._replace(ownership="seed"), FOUND, INCOMING._replace(ownership="seed")),
        (KNOWN, FOUND, INCOMING._replace(ownership="block")),
        (KNOWN, FOUND._replace(kind="link"), INCOMING),
        (KNOWN, FOUND._replace(mode=0o755), INCOMING),
        (KNOWN, State(), INCOMING),
    ],
    ids=str,
)
def test_whatever_differs_is_decided_at_length(known: Record, found: State, incoming: Entry) -> None:
    assert not managed.is_settled(known, found, incoming, has_modes=True)


@pytest.mark.parametrize(
    ("known", "found"),
    [
        (KNOWN, state(b"b")),
        (KNOWN._replace(sha256=None), FOUND),
        (KNOWN._replace(sha256=""), State()),
        (KNOWN._replace(ownership="seed"), FOUND),
        (KNOWN, FOUND._replace(kind="link")),
        (KNOWN, FOUND._replace(mode=0o755)),
    ],
    ids=str,
)
def test_whatever_differs_is_checked_at_length(known: Record, found: State) -> None:
    assert not managed.is_as_delivered(known, found, has_modes=True)


FILES = st.dictionaries(
    st.sampled_from(["a.md", "b/c.md", "MEMORY.md", "z"]), st.sampled_from(TEXTS), max_size=4
)


@steadily(40)
@given(
    before=FILES,
    after=FILES,
    edits=st.dictionaries(
        st.sampled_from(["a.md", "b/c.md", "MEMORY.md", "z"]),
        st.one_of(st.none(), st.sampled_from(TEXTS)),
        max_size=3,
    ),
    modes=st.dictionaries(st.sampled_from(["a.md", "z"]), st.sampled_from([0o755, 0o600])),
    policy=st.sampled_from(POLICIES),
)
def test_a_plan_is_the_same_without_the_short_way(
    before: dict[str, bytes],
    after: dict[str, bytes],
    edits: dict[str, bytes | None],
    modes: dict[str, int],
    policy: Policy,
) -> None:
    world = World()
    world.install(before)
    world.modes.update(modes)
    for path, text in edits.items():
        if text is None:
            world.files.pop(path, None)
        else:
            world.files[path] = text
    world.bundle = after
    short = world.plan(policy)
    with mock.patch.object(managed, "is_settled", return_value=False):
        assert comparable(world.plan(policy)) == comparable(short)


def comparable(plan: planner.Plan) -> object:
    """Return the plan with the bytes instead of the functions that return them."""
    changes = [
        change._replace(
            content=change.content and change.content(),  # type: ignore[arg-type]
            delivered=change.delivered and change.delivered(),  # type: ignore[arg-type]
        )
        for change in plan.changes
    ]
    return plan._replace(changes=tuple(changes))


def test_the_short_way_is_taken_by_a_second_run() -> None:
    world = World()
    world.install({"a.md": b"a\n", "b.md": b"b\n"})
    with mock.patch.object(managed, "decide", wraps=managed.decide) as decide:
        plan = world.install({"a.md": b"a\n", "b.md": b"b\n"})
    assert (decide.call_count, plan.changes) == (0, ())
    assert world.actions(plan) == {"a.md": "unchanged", "b.md": "unchanged"}
