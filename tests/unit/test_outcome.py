"""An outcome counts what it lists."""

from __future__ import annotations

from agentrail_runtime.decision import Action, ActionKind
from agentrail_runtime.entry import RelPath
from agentrail_runtime.outcome import Origin, Outcome


def test_the_summary_counts_every_action_and_names_those_that_did_not_happen() -> None:
    kinds: list[ActionKind] = ["create", "create", "merge", "keep"]
    actions = tuple(Action(RelPath("a"), kind, "managed", "why") for kind in kinds)
    assert Outcome("install", "applied", "/t", actions).summary == {
        "create": 2,
        "update": 0,
        "merge": 1,
        "remove": 0,
        "unchanged": 0,
        "keep": 1,
        "conflict": 0,
    }


def test_a_source_is_taken_for_verified_and_its_signature_for_unchecked() -> None:
    origin = Origin("package", "sha256:0")
    assert (origin.integrity, origin.signature) == ("verified", "not-checked")
