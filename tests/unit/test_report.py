"""What a person reads and what a script parses, from the same values."""

from __future__ import annotations

from typing import Any

import pytest

from agentrail_runtime import report
from agentrail_runtime.decision import Action, ActionKind
from agentrail_runtime.entry import RelPath
from agentrail_runtime.errors import AgentRailError, ConflictError, IncompatibleError
from agentrail_runtime.journal import Journal, Step
from agentrail_runtime.operation.status import Status
from agentrail_runtime.outcome import Origin, Outcome
from agentrail_runtime.pin import Pin, PinState

ORIGIN = Origin(
    kind="copy",
    digest="sha256:" + "ab" * 32,
    location="/b",
    requested="copy",
    integrity="unverified",
    signature="absent",
)


def plain(text: str, **_: Any) -> str:
    return text


def coloured(text: str, *, fg: str | None = None) -> str:
    return f"[{fg}]{text.strip()}"


def action(path: str, kind: ActionKind, reason: str = "why") -> Action:
    return Action(RelPath(path), kind, "managed", reason)


def outcome(**more: Any) -> Outcome:
    values: dict[str, Any] = {
        "command": "install",
        "result": "applied",
        "target": "/t",
        "actions": (action("a.md", "create", "new"), action("b.md", "unchanged", "as delivered")),
        "runtime_version": "1.0.0",
        "source": ORIGIN,
    }
    return Outcome(**{**values, **more})


def test_the_document_is_the_one_of_the_contract() -> None:
    done = outcome(changed=True, task_root=".agentrail/work", transaction="000001-ab")
    assert report.as_json(done) == {
        "schema_version": "1.0",
        "command": "install",
        "result": "applied",
        "changed": True,
        "target": "/t",
        "runtime_version": "1.0.0",
        "previous_version": None,
        "source": {
            "kind": "copy",
            "location": "/b",
            "requested": "copy",
            "fallback_reason": None,
            "digest": "sha256:" + "ab" * 32,
            "integrity": "unverified",
            "signature": "absent",
        },
        "task_root": ".agentrail/work",
        "summary": {
            "create": 1,
            "update": 0,
            "merge": 0,
            "remove": 0,
            "unchanged": 1,
            "keep": 0,
            "conflict": 0,
        },
        "actions": [
            {"path": "a.md", "action": "create", "ownership": "managed", "reason": "new"},
            {"path": "b.md", "action": "unchanged", "ownership": "managed", "reason": "as delivered"},
        ],
        "transaction": "000001-ab",
        "error": None,
    }


def test_a_failure_is_told_in_the_same_document() -> None:
    error = ConflictError("a.md: conflict", paths=["a.md"], hint="choose")
    assert report.as_json(outcome(result="conflict", source=None), error)["error"] == {
        "code": 3,
        "type": "ConflictError",
        "message": "a.md: conflict",
        "paths": ["a.md"],
        "hint": "choose",
    }


def test_a_document_has_a_diff_only_where_one_was_asked_for() -> None:
    assert "diff" not in report.as_json(outcome())
    assert report.as_json(outcome(diff=""))["diff"] == ""


def test_an_outcome_without_a_source_says_null() -> None:
    assert report.as_json(outcome(source=None))["source"] is None


def test_only_paths_that_something_happens_to_are_listed() -> None:
    assert report.as_text(outcome(), style=plain, verbose=False)[:-1] == ["  create    a.md  (new)"]


@pytest.mark.parametrize(("verbose", "result"), [(True, "applied"), (False, "failed")])
def test_every_path_is_listed_when_asked_or_when_something_is_wrong(verbose: bool, result: str) -> None:
    lines = report.as_text(outcome(result=result), style=plain, verbose=verbose)
    assert lines[:-1] == ["  create    a.md  (new)", "  unchanged b.md  (as delivered)"]


@pytest.mark.parametrize(
    ("kind", "colour"),
    [
        ("create", "green"),
        ("update", "yellow"),
        ("merge", "cyan"),
        ("remove", "red"),
        ("conflict", "red"),
        ("keep", "blue"),
        ("unchanged", "None"),
    ],
)
def test_actions_can_be_told_apart_by_colour(kind: ActionKind, colour: str) -> None:
    (line, _) = report.as_text(outcome(actions=(action("a", kind),)), style=coloured, verbose=True)
    assert line == f"  [{colour}]{kind} a  (why)"


INSTALLED = "1 create, 1 unchanged"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, f"installed 1.0.0, by copy ({INSTALLED}); undo: agentrail rollback /t"),
        ({"source": None}, f"installed 1.0.0 ({INSTALLED}); undo: agentrail rollback /t"),
        (
            {"previous_version": "1.0.0"},
            f"brought up to date with 1.0.0, by copy ({INSTALLED}); undo: agentrail rollback /t",
        ),
        (
            {"previous_version": "0.9"},
            f"brought from 0.9 to 1.0.0, by copy ({INSTALLED}); undo: agentrail rollback /t",
        ),
        ({"result": "unchanged"}, f"1.0.0 is installed, nothing to do ({INSTALLED})"),
        ({"result": "planned"}, f"nothing was written; the plan: {INSTALLED}"),
        ({"result": "planned", "actions": ()}, "nothing was written; the plan: records only"),
        ({"command": "uninstall"}, f"uninstalled ({INSTALLED})"),
        ({"command": "uninstall", "actions": ()}, "uninstalled (only the stash was left)"),
        ({"command": "rollback"}, f"rolled back to 1.0.0 ({INSTALLED})"),
        (
            {"command": "rollback", "runtime_version": None},
            f"rolled back to before the install ({INSTALLED})",
        ),
        ({"command": "verify", "result": "unchanged"}, "1.0.0, 2 files as recorded"),
    ],
)
def test_the_last_line_says_what_was_done(values: dict[str, Any], sentence: str) -> None:
    assert report.as_text(outcome(**values), style=plain, verbose=False)[-1] == f"/t: {sentence}"


def status(**more: Any) -> Status:
    values: dict[str, Any] = {
        "outcome": outcome(
            command="status",
            result="unchanged",
            previous_version="0.9",
            task_root="tasks",
            actions=(action("b.md", "unchanged", "as delivered"),),
        ),
        "drift": (),
        "profile": "2.0.0",
    }
    return Status(**{**values, **more})


def test_a_clean_status_is_short() -> None:
    assert report.status_text(status(), style=plain, verbose=False) == [
        "target     /t",
        "version    0.9",
        "task root  tasks",
        "source     copy 1.0.0, sha256:abababababab…",
        "profile    schema 2.0.0, supported",
        "drift      none",
        "pending    none",
        "declined   none",
    ]


def test_a_status_names_drift_pending_and_declined_paths_and_the_way_on() -> None:
    found = status(
        outcome=outcome(
            changed=True,
            actions=(
                action("a.md", "update"),
                action("b.md", "unchanged"),
                action("c.md", "keep", "declined; the local version stays"),
            ),
        ),
        drift=(action("d.md", "keep", "edited locally"),),
    )
    assert report.status_text(found, style=plain, verbose=False)[5:] == [
        "drift      1",
        "  keep      d.md  (edited locally)",
        "pending    1",
        "  update    a.md  (why)",
        "declined   1",
        "  keep      c.md  (declined; the local version stays)",
        "update     agentrail-install /t",
    ]


def test_a_verbose_status_lists_every_path() -> None:
    lines = report.status_text(status(), style=plain, verbose=True)
    assert lines[-1] == "  unchanged b.md  (as delivered)"


@pytest.mark.parametrize(
    ("profile", "line"),
    [
        ("2.0.0", "profile    schema 2.0.0, supported"),
        ("9.0", "profile    schema 9.0, not supported"),
        (None, "profile    says no schema_version"),
    ],
)
def test_a_status_says_whether_the_profile_is_supported(profile: str | None, line: str) -> None:
    problem = IncompatibleError("the profile is not supported") if profile == "9.0" else None
    found = status(profile=profile, problem=problem)
    assert line in report.status_text(found, style=plain, verbose=False)


def test_a_profile_that_an_install_would_take_is_supported_though_no_list_names_it() -> None:
    lines = report.status_text(status(profile="2.1.0"), style=plain, verbose=False)
    assert "profile    schema 2.1.0, supported" in lines


@pytest.mark.parametrize(("route", "is_told"), [("package", False), ("copy", True)])
def test_a_status_tells_of_the_copy_route_which_gets_no_upgrades_by_itself(
    route: str, is_told: bool
) -> None:
    lines = report.status_text(status(route=route), style=plain, verbose=False)
    assert ("route      installed by the copy route, from a bundle" in lines) is is_told


def test_a_status_without_a_usable_source_says_why() -> None:
    problem = AgentRailError("index: damaged\nb: missing", hint="install again")
    lines = report.status_text(status(problem=problem), style=plain, verbose=False)
    assert "source     copy, sha256:abababababab…" in lines
    assert lines[-4:] == [
        "update     not known:",
        "  index: damaged",
        "  b: missing",
        "  hint: install again",
    ]


def test_a_status_without_a_source_says_nothing_of_it() -> None:
    lines = report.status_text(status(outcome=outcome(source=None)), style=plain, verbose=False)
    assert not any(line.startswith("source") for line in lines)


@pytest.mark.parametrize(
    ("found", "is_clean"),
    [
        (status(), True),
        (status(drift=(action("a", "keep"),)), False),
        (status(problem=AgentRailError("x")), False),
        (status(outcome=outcome(changed=True, actions=())), False),
        (status(outcome=outcome(actions=(action("a", "conflict"),))), False),
        (status(pins=(PinState(Pin("a.txt", 1, "a")),)), True),
        (status(pins=(PinState(Pin("a.txt", 1, "a")), PinState(Pin("b.txt", 1, "a"), "x"))), False),
    ],
)
def test_a_status_is_clean_only_when_nothing_differs_and_nothing_is_pending(
    found: Status, is_clean: bool
) -> None:
    assert found.is_clean is is_clean


@pytest.mark.parametrize(
    ("state", "lines"),
    [
        (PinState(Pin("a.txt", 3, "b==1")), ["  a.txt:3: b==1"]),
        (
            PinState(Pin("a.txt", 3, "b==1", applies=False)),
            ["  a.txt:3: b==1 (not in this environment)"],
        ),
        (
            PinState(Pin("a.txt", 3, "b==1"), "receipt 2", "do c"),
            ["  a.txt:3: b==1 ([red]receipt 2)", "  hint: do c"],
        ),
        (
            PinState(Pin("a.txt", 3, ""), "cannot be read: x", "mend a.txt"),
            ["  a.txt:3: [red]cannot be read: x", "  hint: mend a.txt"],
        ),
    ],
)
def test_a_pin_is_told_by_file_and_line_with_what_disagrees(state: PinState, lines: list[str]) -> None:
    told = report.status_text(status(pins=(state,)), style=coloured, verbose=False)
    assert told[-len(lines) - 1 :] == ["pins       1", *lines]


def test_the_command_for_two_pins_is_told_once() -> None:
    pins = tuple(PinState(Pin("a.txt", line, "b==1"), "receipt 2", "do c") for line in (1, 2))
    told = report.status_text(status(pins=pins), style=plain, verbose=False)
    assert (told[-4], told[-1], told.count("  hint: do c")) == ("pins       2", "  hint: do c", 1)


def test_a_status_document_has_pins_only_where_there_are_some() -> None:
    assert "pins" not in report.status_json(status())
    found = status(pins=(PinState(Pin("a.txt", 3, "b==1", "==1", "1"), "receipt 2", "do c"),))
    assert report.status_json(found)["pins"] == [
        {
            "path": "a.txt",
            "line": 3,
            "requirement": "b==1",
            "specifier": "==1",
            "version": "1",
            "agrees": False,
            "problem": "receipt 2",
        }
    ]


def test_an_error_is_told_line_by_line_with_its_hint_last() -> None:
    assert report.error_text(AgentRailError("a: x\nb: y", hint="do z")) == [
        "a: x",
        "b: y",
        "hint: do z",
    ]
    assert report.error_text(AgentRailError("a: x")) == ["a: x"]


JOURNAL = Journal(
    transaction="000002-ab",
    sequence=2,
    operation="install",
    created="2026-02-20T15:56:05Z",
    runtime_version="1.1.0",
    previous_version="1.0.0",
    steps=(Step(RelPath("b"), None, None), Step(RelPath("a"), None, None)),
)


def test_the_history_can_be_parsed() -> None:
    assert report.history_json([JOURNAL]) == {
        "schema_version": "1.0",
        "command": "rollback",
        "transactions": [
            {
                "transaction": "000002-ab",
                "operation": "install",
                "created": "2026-02-20T15:56:05Z",
                "runtime_version": "1.1.0",
                "previous_version": "1.0.0",
                "paths": ["a", "b"],
            }
        ],
    }


def test_the_history_can_be_read() -> None:
    assert report.history_text([JOURNAL, JOURNAL._replace(previous_version=None)]) == [
        "000002-ab  2026-02-20T15:56:05Z  1.0.0 -> 1.1.0  2 paths",
        "000002-ab  2026-02-20T15:56:05Z  nothing -> 1.1.0  2 paths",
    ]


def test_an_empty_history_says_so() -> None:
    assert report.history_text([]) == ["no transaction to roll back"]


def test_a_command_to_type_can_be_typed_whatever_the_target_is_called() -> None:
    done = report.as_text(outcome(target="/my repo"), style=plain, verbose=False)
    assert done[-1].endswith("undo: agentrail rollback '/my repo'")
    found = status(outcome=outcome(target="/it's", changed=True))
    lines = report.status_text(found, style=plain, verbose=False)
    assert lines[-1] == """update     agentrail-install '/it'"'"'s'"""
