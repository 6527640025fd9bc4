"""``state.json``: whatever is in it, it is read alike on every platform, or refused with its line."""

from __future__ import annotations

import json

import pytest

from agentrail_runtime.checks import state
from agentrail_runtime.checks.state import State, StateError
from tests.checks_support import BLOCKED, DONE, state_text

DEEP = 10_000


def problems_of(text: str) -> list[tuple[str, str]]:
    return [(problem.key, problem.message) for problem in state.problems(state.load(text))]


def refusal(text: str) -> StateError:
    with pytest.raises(StateError) as caught:
        state.load(text)
    return caught.value


@pytest.mark.parametrize("name", ["planned", "in_progress", "blocked", "done"])
def test_a_state_that_is_filled_in_has_nothing_wrong(name: str) -> None:
    loaded = state.load(state_text(name, [DONE]))
    assert (loaded.name, loaded.depends_on) == (name, (DONE,))
    assert list(state.problems(loaded)) == []
    assert list(state.dependency_problems(loaded)) == []


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("", "not valid JSON: Expecting value at column 1", 1),
        ("{\n  'state': 1\n}", "not valid JSON: Expecting property name", 2),
        ('{\r\n\r\n"state": }', "not valid JSON: Expecting value at column 10", 3),
        ('{"state": "planned"} x', "not valid JSON: Extra data at column 22", 1),
        ('{"state": "planned', "not valid JSON: Unterminated string", 1),
        ('{"state": "a\nb"}', "not valid JSON: Invalid control character", 1),
        ("[]", "expected a JSON object, found a list", 1),
        ('"planned"', "expected a JSON object, found a string", 1),
        ("true", "expected a JSON object, found a boolean", 1),
        ("1", "expected a JSON object, found a number", 1),
        ("1.5", "expected a JSON object, found a number", 1),
        ("null", "expected a JSON object, found null", 1),
        ("NaN", "not valid JSON: NaN is no number", 1),
        ('{"a": [-Infinity]}', "not valid JSON: -Infinity is no number", 1),
        ('{"a": 1' + "0" * 5_000 + "}", "not valid: a number of too many digits", 1),
        ('{"a": -1' + "0" * 2_000_000 + "}", "not valid: a number of too many digits", 1),
        ('{\n"state": 1,\n"state": 2\n}', 'not valid: the key "state" stands twice', 3),
        ('{"a": {"\\u0061b": 1, "ab": 2}}', 'not valid: the key "ab" stands twice', 1),
        ('{"\\ud800": 1, "\\ud800": 2}', 'not valid: the key "\\ud800" stands twice', 1),
        ('{\n"owner":\n"\\uD800"}', "not valid: half a character (a lone surrogate) in a text", 3),
        ('{"a": ["\\udc00\\ud83d"]}', "not valid: half a character (a lone surrogate) in a text", 1),
        ("[" * DEEP, "not valid: nested too deeply", 1),
        ("[" * DEEP + "]" * DEEP, "not valid: nested too deeply", 1),
        ('{"a":' * DEEP + "1" + "}" * DEEP, "not valid: nested too deeply", 1),
        ('{"a":' + "[" * 500 + "]" * 500 + "}", "not valid: nested too deeply", 1),
        ('{"a":' + "[" * 100 + "]" * 100 + "}", "not valid: nested too deeply", 1),
    ],
)
def test_what_is_no_state_is_refused_with_its_line(text: str, message: str, line: int) -> None:
    error = refusal(text)
    assert str(error).startswith(message)
    assert error.line == line
    str(error).encode()


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' + "[" * 99 + "]" * 99 + "}",
        '{"a": 1' + "0" * 98 + "}",
        '{"a": 1e999999, "b": -0.0, "c": 0.' + "1" * 100_000 + "}",
        '{"a": "\\ud83d\\ude00"}',
        '{"a": "\\\\ud800"}',
        '{"a": {"a": {"a": []}}}',
    ],
)
def test_what_every_reader_of_json_reads_is_read(text: str) -> None:
    assert "a" in state.load(text).value


def test_a_list_as_long_as_a_file_can_be_is_judged_entry_by_entry() -> None:
    text = json.dumps({"depends_on": [f"task-{number}" for number in range(200_000)] * 2})
    assert len(list(state.dependency_problems(state.load(text)))) == 200_000


def test_an_object_as_large_as_a_file_can_be_is_read() -> None:
    text = json.dumps({f"key-{number}": [{}] for number in range(200_000)})
    assert len(state.load(text).value) == 200_000


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"state": "Planned"}', "planned"),
        ('{"state": " IN_PROGRESS\\t"}', "in_progress"),
        ('{"state": "in-progress"}', None),
        ('{"state": ["planned"]}', None),
        ("{}", None),
    ],
)
def test_the_state_is_known_however_it_is_capitalised(text: str, name: str | None) -> None:
    assert state.load(text).name == name


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("[]", ()),
        (f'[" {DONE} ", "{DONE}", "", null, 1, "{BLOCKED}"]', (DONE, BLOCKED)),
        ("null", ()),
        (f'"{DONE}"', ()),
    ],
)
def test_dependencies_are_what_can_be_read_of_them(value: str, ids: tuple[str, ...]) -> None:
    assert state.load(f'{{"depends_on": {value}}}').depends_on == ids


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("{}", ["depends_on: expected a list of task ids, found no such key"]),
        ('{"depends_on": null}', ["depends_on: expected a list of task ids, found none"]),
        ('{"depends_on": "a"}', ['depends_on: expected a list of task ids, found "a"']),
        ('{"depends_on": {}}', ["depends_on: expected a list of task ids, found an object"]),
        (
            '{"depends_on": ["a", " ", ["b"], "a"]}',
            [
                'depends_on[1]: expected a task id, found " "',
                "depends_on[2]: expected a task id, found a list",
                "depends_on[3]: a is listed twice",
            ],
        ),
    ],
)
def test_each_broken_dependency_is_named_by_its_number(text: str, messages: list[str]) -> None:
    assert list(state.dependency_problems(state.load(text))) == messages


def test_each_value_that_is_wrong_is_told_with_what_was_found() -> None:
    text = '{"state": "open", "owner": 1, "updated_at": true, "blocking_issues": "x", "HISTORY": []}'
    assert problems_of(text) == [
        ("state", 'expected one of planned, in_progress, blocked, done, found "open"'),
        ("updated_at", "expected a time such as 2026-02-20T15:56:05+09:00, found a boolean"),
        ("blocking_issues", 'expected a list, found "x"'),
        ("HISTORY", "a forbidden key: git keeps the history"),
    ]


def test_an_unknown_state_says_nothing_about_owner_and_blocking_issues() -> None:
    text = '{"state": "open", "updated_at": "2026-01-01", "blocking_issues": ["x"]}'
    assert [key for key, _ in problems_of(text)] == ["state"]


def test_a_value_of_any_length_is_told_in_short() -> None:
    assert len(problems_of(json.dumps({"state": "a" * 100_000}))[0][1]) < 200


@pytest.mark.parametrize(
    ("text", "is_date"),
    [
        ("2026-02-20T15:56:05+09:00", True),
        ("2026-02-20T15:56:05-00:00", True),
        ("2026-02-20T15:56:05Z", True),
        ("2026-02-20T15:56Z", True),
        ("2026-02-20T15:56:05.9999999+23:59", True),
        ("02/20/2026 15:56:05", True),
        ("2026-02-20", True),
        ("2026-02-20 15:56", True),
        ("2024-02-29", True),
        ("2026-02-29", False),
        ("0000-01-01", False),
        ("2026-02-20T15:56:05", False),
        ("2026-02-20T15:56:05.+09:00", False),
        ("2026-02-20T15:56.5+09:00", False),
        ("2026-02-20T15:56:0512+09:00", False),
        ("2026-02-20T24:00:00Z", False),
        ("2026-02-20T15:60:00Z", False),
        ("2026-02-20T23:59:60Z", False),
        ("2026-02-20T15:56:05+24:00", False),
        ("2026-02-20T15:56:05+09:60", False),
        ("2026-02-20T15:56:05+0900", False),
        ("2026-02-20t15:56:05z", False),
        ("2026-02-20 15:56:05", False),
        ("02/20/2026", False),
        ("20/02/2026 15:56:05", False),
        ("2/20/2026 3:56:05 PM", False),
        ("2026-2-20", False),
        ("2026-W08-5", False),
        ("2026-02-20\n", False),
        ("２０２６-02-20", False),
        ("", False),
    ],
)
def test_a_time_is_one_in_every_locale_or_in_none(text: str, is_date: bool) -> None:
    assert state.is_date(text) is is_date


@pytest.mark.parametrize(
    ("key", "line"), [("state", 2), ("depends_on", 4), ("owner", 1), ("a.*", 1), ("x", 5)]
)
def test_a_key_is_pointed_at_where_it_stands(key: str, line: int) -> None:
    loaded = State('{\n"state": "owner",\r\n\n"depends_on" :\n["y"], "x": 1}', {}, None)
    assert loaded.line_of(key) == line
