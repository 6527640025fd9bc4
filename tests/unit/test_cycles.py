"""Rings of tasks that wait for each other: each is told, and no other, however many tasks there are."""

from __future__ import annotations

import pytest

from agentrail_runtime.checks.state_rule import cycles

MANY = 100_000


def of(graph: dict[str, list[str]], *tellers: str) -> list[str]:
    return ["".join(ring) for ring in cycles(graph, tellers or graph)]


@pytest.mark.parametrize(
    ("graph", "rings"),
    [
        ({}, []),
        ({"a": []}, []),
        ({"a": ["a"]}, []),
        ({"a": ["b"], "b": []}, []),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, []),
        ({"a": ["nowhere"]}, []),
        ({"a": ["b"], "b": ["a"]}, ["ab"]),
        ({"b": ["a"], "a": ["b"]}, ["ab"]),
        ({"a": ["b"], "b": ["a", "b"]}, ["ab"]),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, ["abc"]),
        ({"a": ["c"], "c": ["b"], "b": ["a"]}, ["acb"]),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, ["bc"]),
        ({"a": ["b"], "b": ["a"], "c": ["d"], "d": ["c"]}, ["ab", "cd"]),
        ({"a": ["b", "c"], "b": ["c", "a"], "c": ["d"], "d": ["a"]}, ["ab", "cda"]),
        ({"a": ["b"], "b": ["a", "c"], "c": ["b"]}, ["ab", "cb"]),
        ({"a": ["a", "b"], "b": ["c", "a"], "c": ["a"]}, ["ab", "cab"]),
    ],
)
def test_a_ring_is_told_once_and_a_chain_never(graph: dict[str, list[str]], rings: list[str]) -> None:
    assert of(graph) == rings


@pytest.mark.parametrize(
    ("teller", "rings"),
    [("a", ["ab"]), ("b", ["ba"]), ("c", ["cb"]), ("d", []), ("e", []), ("x", [])],
)
def test_a_task_that_is_looked_at_alone_is_told_of_a_ring_that_it_is_on(
    teller: str, rings: list[str]
) -> None:
    graph = {"a": ["b"], "b": ["a", "c"], "c": ["b"], "d": ["a"], "e": []}
    assert of(graph, teller) == rings


def test_a_knot_of_many_rings_is_told_by_no_more_than_twenty() -> None:
    graph = {"hub": [f"task-{number}" for number in range(1_000)]}
    graph |= {task_id: ["hub"] for task_id in graph["hub"]}
    assert len(cycles(graph, graph)) == 20


def test_a_chain_of_a_hundred_thousand_tasks_is_walked_to_its_end() -> None:
    graph = {str(number): [str(number + 1)] for number in range(MANY)}
    assert cycles(graph, graph) == []


def test_a_ring_of_a_hundred_thousand_tasks_is_told_whole() -> None:
    graph = {str(number): [str((number + 1) % MANY)] for number in range(MANY)}
    (ring,) = cycles(graph, graph)
    assert ring == [str(number) for number in range(MANY)]


def test_fifty_thousand_pairs_are_told_each() -> None:
    graph = {str(number): [str(number ^ 1)] for number in range(MANY)}
    assert len(cycles(graph, graph)) == MANY // 2


def test_tasks_that_all_wait_for_all_are_one_knot() -> None:
    names = [f"task-{number:03}" for number in range(300)]
    found = cycles(dict.fromkeys(names, names), names)
    assert len(found) == 20
    assert all(len(ring) == 2 for ring in found)
