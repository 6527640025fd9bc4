"""Class profile: the task root is set where it is asked for, and every other decision is the user's."""

from __future__ import annotations

from typing import Any

import pytest

from agentrail_runtime import ownership
from agentrail_runtime.decision import Decision, Policy
from agentrail_runtime.entry import RelPath, sha256
from agentrail_runtime.errors import IncompatibleError, ProfileError
from tests.unit.support import Case, told, written

SHIPPED = b"workflow:\n  task_root: .agentrail/work\n  docs_root: docs\n"
MINE = b"# mine\nworkflow:\n  task_root: work\n"
MOVED = b"# mine\nworkflow:\n  task_root: .agentrail/work\n"
NEW = RelPath(".agentrail/work")
TASKS = RelPath("tasks")
PATH = "project.profile.yaml"
AS_SET, EDITED = "task root as set", "task root set; the rest is yours"


def profile(
    base: bytes | None, current: bytes | None, incoming: bytes | None = SHIPPED, **more: Any
) -> Case:
    return Case(base, current, incoming, path=PATH, ownership="profile", **more)


def decide(case: Case, policy: Policy = "abort", **more: Any) -> Decision:
    return ownership.decide(case.side, case.rules(policy, **more))


def test_an_absent_profile_is_seeded_as_it_is_shipped() -> None:
    decided = decide(profile(None, None), task_root=NEW, shipped_task_root=".agentrail/work")
    assert (told(decided), written(decided)) == (("create", "new"), SHIPPED)
    assert (decided.task_root, decided.previous_task_root) == (NEW, "work")
    assert decided.record
    assert (decided.record.sha256, decided.record.extra) == (sha256(SHIPPED), {})


@pytest.mark.parametrize("said", [None, ".agentrail/work"])
def test_an_absent_profile_is_seeded_with_the_task_root_that_is_asked_for(said: str | None) -> None:
    decided = decide(profile(None, None), task_root=TASKS, shipped_task_root=said)
    assert written(decided) == SHIPPED.replace(b".agentrail/work", b"tasks")
    assert decided.task_root == "tasks"


def test_an_absent_profile_is_seeded_where_the_last_run_left_the_records() -> None:
    decided = decide(profile(None, None), installed_task_root=TASKS)
    assert (decided.task_root, decided.previous_task_root) == ("tasks", None)


def test_without_anything_said_the_records_are_where_they_always_were() -> None:
    assert decide(profile(None, None)).task_root == "work"


@pytest.mark.parametrize("policy", ["abort", "keep", "merge"])
def test_a_profile_that_the_user_deleted_stays_deleted(policy: Policy) -> None:
    case = profile(SHIPPED, None)
    decided = decide(case, policy, task_root=NEW)
    assert told(decided) == ("keep", "deleted locally")
    assert decided.record == case.side.record


def test_a_deleted_profile_comes_back_when_it_is_asked_for() -> None:
    case = profile(SHIPPED, None, extra={"restore": [["k", None, "v"]], "later": 1})
    decided = decide(case, "overwrite", installed_task_root=TASKS)
    assert told(decided) == ("create", "deleted locally; restored")
    assert decided.record
    assert decided.record.extra == {"later": 1}


def test_a_profile_of_the_schema_that_is_shipped_is_seeded_with_another_task_root() -> None:
    shipped = b"schema_version: 2.0.0\n" + SHIPPED
    decided = decide(profile(None, None, shipped), task_root=TASKS)
    assert written(decided) == shipped.replace(b".agentrail/work", b"tasks")


@pytest.mark.parametrize(("base", "current"), [(None, None), (None, MINE), (MOVED, b"a: 1\n")])
def test_a_profile_that_changes_between_plan_and_write_can_be_told(
    base: bytes | None, current: bytes | None
) -> None:
    case = profile(base, current)
    change = decide(case, task_root=NEW).change
    assert change
    assert (change.path, change.before) == (PATH, case.side.state)


def test_only_the_task_root_of_the_user_s_profile_is_set() -> None:
    decided = decide(profile(None, MINE), task_root=NEW)
    assert (told(decided), written(decided)) == (("update", EDITED), MOVED)
    assert (decided.task_root, decided.previous_task_root) == (NEW, "work")
    assert decided.record
    assert decided.record.sha256 == sha256(MOVED)
    assert decided.record.extra == {"restore": [["workflow.task_root", "work", ".agentrail/work"]]}


def test_a_profile_that_says_none_had_its_records_in_work() -> None:
    decided = decide(profile(None, b"a: 1\n"), task_root=NEW)
    assert decided.previous_task_root == "work"


@pytest.mark.parametrize("said", ["tasks", "tasks/", "'tasks'"])
def test_a_later_run_takes_the_task_root_that_the_profile_says(said: str) -> None:
    current = f"workflow: {{task_root: {said}}}\n".encode()
    case = profile(MOVED, current)
    decided = decide(case, installed_task_root=NEW)
    assert told(decided) == ("unchanged", AS_SET)
    assert (decided.task_root, decided.change) == ("tasks", None)
    assert decided.record == case.side.record


def test_a_profile_that_already_says_it_is_recorded_and_not_written() -> None:
    decided = decide(profile(None, MOVED), task_root=NEW)
    assert told(decided) == ("unchanged", AS_SET)
    assert decided.record
    assert decided.record.extra == {"restore": []}


def test_a_profile_as_the_last_run_left_it_is_not_even_parsed() -> None:
    case = profile(MOVED, MOVED)
    case.texts.files.clear()
    decided = decide(case, installed_task_root=NEW)
    assert told(decided) == ("unchanged", AS_SET)
    assert decided.task_root == NEW


def test_a_profile_from_which_the_task_root_was_taken_gets_it_back() -> None:
    decided = decide(profile(MOVED, b"a: 1\n"), installed_task_root=NEW)
    assert written(decided) == b"workflow:\n  task_root: .agentrail/work\na: 1\n"


def test_a_second_move_remembers_both() -> None:
    case = profile(MOVED, MOVED, extra={"restore": [["workflow.task_root", "work", "x"]]})
    decided = decide(case, task_root=TASKS, installed_task_root=NEW)
    assert decided.record
    assert decided.record.extra["restore"] == [
        ["workflow.task_root", "work", "x"],
        ["workflow.task_root", ".agentrail/work", "tasks"],
    ]


def test_a_profile_that_we_created_and_the_user_moved_is_still_one_that_we_created() -> None:
    decided = decide(profile(SHIPPED, SHIPPED), task_root=TASKS, installed_task_root=NEW)
    assert decided.record
    assert "restore" not in decided.record.extra


def test_a_profile_that_ships_no_more_is_the_user_s() -> None:
    assert told(decide(profile(SHIPPED, MINE, None))) == ("keep", "yours")


@pytest.mark.parametrize(
    "said",
    [
        "..",
        "/tasks",
        "C:/tasks",
        ".git/tasks",
        "''",
        "nul",
        ".agentrail/state",
        ".agentrail/receipt.json",
    ],
)
def test_a_profile_that_puts_the_records_out_of_reach_is_refused(said: str) -> None:
    current = f"workflow: {{task_root: {said}}}\n".encode()
    with pytest.raises(ProfileError, match=r"project\.profile\.yaml: workflow\.task_root: ") as caught:
        decide(profile(None, current), installed_task_root=NEW)
    assert caught.value.hint == "set workflow.task_root to a directory below the repository"
    assert caught.value.paths == (PATH,)


@pytest.mark.parametrize(
    ("current", "error"),
    [
        (b"a: [\n", ProfileError),
        (b"\xff", ProfileError),
        (b"schema_version: 9.0.0\n", IncompatibleError),
        (b"version: 1\n", IncompatibleError),
    ],
)
def test_a_profile_that_cannot_be_read_stops_the_run(current: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        decide(profile(None, current), task_root=NEW)


# --- uninstall and verify -------------------------------------------------------------------------

RESTORE = {"restore": [["workflow.task_root", "work", ".agentrail/work"]]}


@pytest.mark.parametrize(
    ("current", "expected", "content"),
    [
        (MOVED, ("update", "task root as before; the rest is yours"), MINE),
        (MOVED + b"a: 1\n", ("update", "task root as before; the rest is yours"), MINE + b"a: 1\n"),
        (b"workflow:\n  task_root: tasks\n", ("keep", "yours"), None),
        (b"a: [\n", ("keep", "edited locally"), None),
        (b"\xff", ("keep", "edited locally"), None),
    ],
)
def test_an_uninstall_gives_the_profile_its_old_values_back(
    current: bytes, expected: tuple[str, str], content: bytes | None
) -> None:
    case = profile(MOVED, current, None, extra=RESTORE)
    decided = ownership.remove(case.side, case.rules())
    assert (told(decided), written(decided)) == (expected, content)
    assert decided.change is None or decided.change.before == case.side.state


@pytest.mark.parametrize(
    ("current", "expected"),
    [(SHIPPED, ("remove", "as delivered")), (MINE, ("keep", "edited locally"))],
)
def test_an_uninstall_removes_a_profile_that_we_created_and_nobody_edited(
    current: bytes, expected: tuple[str, str]
) -> None:
    case = profile(SHIPPED, current, None)
    assert told(ownership.remove(case.side, case.rules())) == expected


@pytest.mark.parametrize(
    ("current", "expected"),
    [(MINE, ("unchanged", "yours, task root apart")), (None, ("keep", "deleted locally"))],
)
def test_of_a_profile_only_its_absence_is_drift(
    current: bytes | None, expected: tuple[str, str]
) -> None:
    case = profile(MOVED, current, None)
    assert told(ownership.check(case.side, case.rules())) == expected
