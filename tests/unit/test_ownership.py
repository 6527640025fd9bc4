"""What stands in the way of a file is named and left alone, whatever class the file is of."""

from __future__ import annotations

import pytest

from agentrail_runtime import ownership
from agentrail_runtime.entry import OWNERSHIPS, Ownership, State
from tests.unit.support import Case, told

ODD = [
    (State("link"), "is a symlink"),
    (State("directory"), "is a directory"),
    (State("special"), "is a special file"),
    (State("blocked", place="docs"), "lies under docs, which is no directory"),
]


@pytest.mark.parametrize(("found", "reason"), ODD)
@pytest.mark.parametrize("owner", OWNERSHIPS)
def test_what_is_no_file_is_never_written_nor_removed(
    owner: Ownership, found: State, reason: str
) -> None:
    case = Case(b"a", None, b"b", ownership=owner)
    side = case.side._replace(state=found)
    for decide in (ownership.decide, ownership.remove):
        decided = decide(side, case.rules("overwrite"))
        assert told(decided) == ("keep", reason)
        assert decided.change is None
        assert decided.record == side.record


@pytest.mark.parametrize(("found", "reason"), ODD)
def test_what_is_no_file_any_more_is_drift(found: State, reason: str) -> None:
    case = Case(b"a", None, None)
    decided = ownership.check(case.side._replace(state=found), case.rules())
    assert told(decided) == ("keep", reason)


@pytest.mark.parametrize(
    ("owner", "is_linked"), [("managed", False), ("seed", True), ("block", True), ("profile", True)]
)
def test_a_link_to_a_file_of_the_user_s_stays_one(owner: Ownership, is_linked: bool) -> None:
    case = Case(None, None, b"b", path="CLAUDE.md", ownership=owner)
    side = case.side._replace(state=State("link", place="AGENTS.md"))
    assert ownership.is_linked(side) is is_linked
    reason = "linked to AGENTS.md" if is_linked else "is a symlink"
    assert told(ownership.decide(side, case.rules())) == ("keep", reason)


@pytest.mark.parametrize("state", [State("link"), State("directory"), State("file"), State()])
def test_a_link_out_of_the_target_is_no_link_that_may_stay(state: State) -> None:
    side = Case(None, None, b"b", ownership="block").side._replace(state=state)
    assert not ownership.is_linked(side)


@pytest.mark.parametrize("owner", OWNERSHIPS)
def test_an_uninstall_has_nothing_to_say_of_a_file_that_is_gone(owner: Ownership) -> None:
    case = Case(b"a", None, None, ownership=owner)
    decided = ownership.remove(case.side, case.rules())
    assert (decided.action, decided.change, decided.record) == (None, None, None)
