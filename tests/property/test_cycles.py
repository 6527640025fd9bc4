"""Rings of tasks, against the plain definition: a task is on one if a way from it leads back to it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentrail_runtime.checks.state_rule import cycles
from tests.property.support import steadily

NAMES = "abcdefg"
GRAPHS = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.sampled_from([*NAMES, "x"]), max_size=4), max_size=7
)


def reachable(graph: dict[str, list[str]], start: str) -> set[str]:
    """Return what `start` waits for, but for itself, what that waits for, and so on."""
    found: set[str] = set()
    waiting = [name for name in graph.get(start, []) if name != start]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph.get(name, [])
    return found


def on_rings(graph: dict[str, list[str]]) -> set[str]:
    return {name for name in graph if name in reachable(graph, name)}


@steadily(400)
@given(GRAPHS)
def test_every_ring_that_is_told_is_one_and_every_task_on_one_is_in_one_that_is_told(
    graph: dict[str, list[str]],
) -> None:
    found = cycles(graph, graph)
    for ring in found:
        assert len(ring) == len(set(ring)) > 1
        assert all(after in graph[name] for name, after in zip(ring, [*ring[1:], ring[0]], strict=True))
    assert {name for ring in found for name in ring} == on_rings(graph)


@steadily(300)
@given(GRAPHS, st.sets(st.sampled_from(NAMES)))
def test_a_ring_begins_with_a_task_that_is_looked_at_and_names_all_of_them(
    graph: dict[str, list[str]], tellers: set[str]
) -> None:
    found = cycles(graph, tellers)
    assert {ring[0] for ring in found} <= tellers
    assert {name for ring in found for name in ring} & tellers == on_rings(graph) & tellers


@steadily(200)
@given(GRAPHS, st.randoms(use_true_random=False))
def test_what_is_told_does_not_depend_on_the_order_of_the_tasks(graph, random) -> None:  # type: ignore[no-untyped-def]
    names = [*graph]
    random.shuffle(names)
    shuffled = {name: graph[name] for name in names}
    assert cycles(shuffled, [*shuffled]) == cycles(graph, [*graph])
