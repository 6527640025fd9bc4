"""The rules of the profile, clause by clause, and the governance of the schema behind them."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from agentrail_runtime.checks.finding import Finding
from agentrail_runtime.checks.profile_rule import (
    SCHEMA_PATH,
    Profile,
    Schema,
    SchemaError,
    check_governance,
    check_profile,
    load_schema,
)
from agentrail_runtime.checks.roots import Roots, from_workflow
from tests.support import PAYLOAD

GOOD = """\
schema_version: "2.0.0"
project:
  name: shop
  description: sells
workflow:
  task_root: .agentrail/work
  docs_root: docs
  strict_blocking: true
commands:
  build: {description: b, command: make}
  test: {description: t, command: make test}
  format: {description: f, command: make format}
  lint: {description: l, command: make lint}
paths:
  source_roots: ["."]
  artifacts: []
review:
  required_checks:
    - {id: a, description: b}
defaults:
  documentation_language: ja
  code_comment_language: ja
"""
SCALARS = [
    "schema_version",
    "project.name",
    "workflow.task_root",
    "workflow.docs_root",
    "workflow.strict_blocking",
    "commands.build.command",
    "commands.test.command",
    "commands.format.command",
    "commands.lint.command",
    "defaults.documentation_language",
    "defaults.code_comment_language",
]
CONTAINERS = ["paths.source_roots", "paths.artifacts", "review.required_checks"]


@functools.cache
def schema() -> Schema:
    return load_schema((PAYLOAD / SCHEMA_PATH).read_text(encoding="utf-8"))


def profile(text: str | bytes) -> Profile:
    return check_profile(text.encode() if isinstance(text, str) else text, schema())


def messages(text: str | bytes) -> list[str]:
    findings = profile(text).findings
    assert {(f.rule_id, f.path) for f in findings} <= {
        ("profile_required_keys", "project.profile.yaml")
    }
    return [f"{finding.line}: {finding.message}" for finding in findings]


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def with_value(dotted: str, value: Any) -> str:
    """Return the profile with `value` at `dotted`, the key left out for ``...``; JSON is YAML, too."""
    tree: dict[str, Any] = {}
    for path in (*SCALARS, *CONTAINERS):
        place, keys = tree, path.split(".")
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        there = ["x"] if path in CONTAINERS else "x"
        place[keys[-1]] = {"schema_version": "2.0.0"}.get(path, there)
        if path == dotted:
            place[keys[-1]] = value
            if value is ...:
                del place[keys[-1]]
    return json.dumps(tree)


# --- required keys ----------------------------------------------------------------------------------


def test_a_good_profile_passes_and_says_its_roots() -> None:
    assert profile(GOOD) == Profile(Roots(".agentrail/work", "docs"), ())


def test_the_profile_that_ships_passes() -> None:
    assert profile((PAYLOAD / "project.profile.yaml").read_bytes()).findings == ()


@pytest.mark.parametrize("dotted", [*SCALARS, *CONTAINERS])
@pytest.mark.parametrize(
    ("value", "found"),
    [(..., "none"), (None, "a blank"), ("", "a blank"), (" \t", "a blank")],
)
def test_a_required_key_that_is_missing_or_blank_is_named(dotted: str, value: Any, found: str) -> None:
    expected = "a list or mapping" if dotted in CONTAINERS else "a value"
    assert messages(with_value(dotted, value)) == [f"1: {dotted}: expected {expected}, found {found}"]


@pytest.mark.parametrize("dotted", SCALARS)
@pytest.mark.parametrize("value", [[], {}, ["x"], {"x": "y"}])
def test_a_collection_in_the_place_of_a_value_is_named(dotted: str, value: Any) -> None:
    assert messages(with_value(dotted, value)) == [
        f"1: {dotted}: expected a value, found a list or mapping"
    ]


@pytest.mark.parametrize("dotted", CONTAINERS)
@pytest.mark.parametrize("value", ["x", 1, False])
def test_a_value_in_the_place_of_a_collection_is_named(dotted: str, value: Any) -> None:
    assert messages(with_value(dotted, value)) == [
        f"1: {dotted}: expected a list or mapping, found a single value"
    ]


@pytest.mark.parametrize("dotted", CONTAINERS)
@pytest.mark.parametrize("value", [[], {}, ["x"], {"x": "y"}])
def test_any_collection_will_do_where_one_is_required(dotted: str, value: Any) -> None:
    assert messages(with_value(dotted, value)) == []


@pytest.mark.parametrize("dotted", [name for name in SCALARS if name != "schema_version"])
@pytest.mark.parametrize("value", [0, False, 1.5, "x"])
def test_any_scalar_will_do_where_a_value_is_required(dotted: str, value: Any) -> None:
    assert messages(with_value(dotted, value)) == []


def test_a_null_is_a_blank_however_it_is_spelled() -> None:
    for null in ("~", "null", "Null", "", "''", "!!null x"):
        assert messages(changed("name: shop", f"name: {null}")) == [
            "3: project.name: expected a value, found a blank"
        ]


def test_a_section_that_is_no_mapping_lacks_all_its_keys() -> None:
    start, end = GOOD.index("commands:"), GOOD.index("paths:")
    assert len(messages(f"{GOOD[:start]}commands: none\n{GOOD[end:]}")) == 4


# --- the same values, otherwise written -------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  name: shop\n", "  name: shop # a comment\n"),
        ("  name: shop\n", '    \n  "name": !!str "shop"\n'),
        ("  name: shop\n", "  name: |\n    shop\n"),
        ("  name: shop\n", "  ? name\n  : shop\n"),
        ("  name: shop\n", "  name: &n shop\n  other: *n\n"),
        ("project:\n  name: shop\n  description: sells\n", "project: {name: shop}\n"),
        ("project:\n  name: shop\n", "base: &b {name: shop}\nproject:\n  <<: *b\n"),
        ("project:\n  name: shop\n", "a: &a {x: y}\nb: &b {name: shop}\nproject:\n  <<: [*a, *b]\n"),
        ("project:\n  name: shop\n", "b: &b\n  self: *b\nproject:\n  name: shop\n"),
        ('schema_version: "2.0.0"', "schema_version: 2.0.0"),
        ("review:\n", "1: one\ntrue: two\n[3, 4]: five\nreview:\n"),
        ("review:\n", "# TODO_SET_ME is forbidden\nreview:\n"),
        ("review:\n", "project_version: 1\nreview:\n"),
    ],
)
def test_how_a_value_is_written_makes_no_difference(old: str, new: str) -> None:
    assert messages(changed(old, new)) == []


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark_make_no_difference(mark: str, end: str) -> None:
    assert messages(mark + GOOD.replace("\n", end)) == []


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_is_told_right_with_any_line_end_and_mark(mark: str, end: str) -> None:
    text = mark + changed("docs_root: docs", "docs_root:").replace("\n", end)
    assert messages(text) == ["7: workflow.docs_root: expected a value, found a blank"]


# --- what is forbidden ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("version: 1.0.0\n" + GOOD, 1),
        (GOOD + "version:\n", 23),
        (GOOD + '"version": [1]\n', 23),
        (changed("review:\n", "base: &b {version: 1}\n<<: *b\nreview:\n"), 17),
    ],
)
def test_the_version_of_the_older_schema_is_forbidden_at_the_top_level(text: str, line: int) -> None:
    message = "version: a forbidden key at the top level (of an older schema)"
    assert messages(text) == [f"{line}: {message}"]


def test_a_version_below_the_top_level_is_the_users() -> None:
    assert messages(changed("  name: shop\n", "  name: shop\n  version: 1\n")) == []


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("name: shop", "name: TODO_SET_ME", 3),
        ("description: sells", "description: sells TODO_SET_ME for now", 4),
        ('source_roots: ["."]', 'source_roots: [".", TODO_SET_ME]', 15),
        ("description: t, command", "TODO_SET_ME: t, command", 11),
        ("review:\n", "extra: {deep: [{deeper: 'TODO_SET_ME'}]}\nreview:\n", 17),
        ("review:\n", "base: &b {other: TODO_SET_ME}\nproject2:\n  <<: *b\nreview:\n", 17),
    ],
)
def test_a_placeholder_is_found_wherever_it_stands(old: str, new: str, line: int) -> None:
    assert messages(changed(old, new)) == [
        f"{line}: expected a real value, found the placeholder TODO_SET_ME"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "project: {name: other}\n", "23: project: expected once, found on line 2, too"),
        (
            changed("name: shop\n", "name: shop\n  name: other\n"),
            "4: name: expected once, found on line 3, too",
        ),
        (
            changed("{id: a, description: b}", "{id: a, id: b}"),
            "19: id: expected once, found on line 19, too",
        ),
    ],
)
def test_a_key_that_stands_twice_is_found(text: str, message: str) -> None:
    assert messages(text) == [message]


def test_two_merge_keys_are_no_key_that_stands_twice() -> None:
    text = changed("project:\n", "a: &a {x: y}\nb: &b {z: w}\nproject:\n  <<: *a\n  <<: *b\n")
    assert messages(text) == []


@pytest.mark.parametrize("found", ["1.0.0", "2.0", "2.1.0", "3.0.0", "latest"])
def test_a_schema_version_that_is_not_supported_is_found(found: str) -> None:
    assert messages(changed('"2.0.0"', f'"{found}"')) == [
        f"1: schema_version: expected 2.0.0, found {found}"
    ]


def test_a_schema_that_supports_no_version_says_so() -> None:
    nothing = schema()._replace(supported=())
    (finding,) = check_profile(GOOD.encode(), nothing).findings
    assert finding.message == (
        "schema_version: expected a version that the schema supports, found 2.0.0"
    )


# --- roots ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["..", "../work", "a/../../b", "/work", "C:/work", "a\\b", ".", ".git"]
)
@pytest.mark.parametrize("key", ["task_root", "docs_root"])
def test_a_root_that_leaves_the_repository_is_found_and_not_followed(key: str, path: str) -> None:
    old = {"task_root": "task_root: .agentrail/work", "docs_root": "docs_root: docs"}[key]
    checked = profile(changed(old, f"{key}: {json.dumps(path)}"))
    (finding,) = checked.findings
    assert finding.message.startswith(f"workflow.{key}: expected a path within the repository, found ")
    default = Roots("work", "docs")
    assert (getattr(checked.roots, key), checked.has_roots) == (getattr(default, key), False)


def test_a_runtime_root_that_leaves_the_repository_is_found_but_the_others_are_known() -> None:
    checked = profile(changed("  task_root", "  runtime_root: ../x\n  task_root"))
    assert (len(checked.findings), checked.has_roots) == (1, True)
    assert profile(changed("  task_root", "  runtime_root: ''\n  task_root")).findings == ()


@pytest.mark.parametrize("path", ["./tasks", "tasks/", "./tasks//", " tasks "])
def test_a_root_may_be_written_with_dots_and_slashes_around_it(path: str) -> None:
    checked = profile(changed("task_root: .agentrail/work", f"task_root: {json.dumps(path)}"))
    assert checked == Profile(Roots("tasks", "docs"), ())


@pytest.mark.parametrize(
    ("workflow", "roots"),
    [
        ("{}", Roots("work", "docs")),
        ("{task_root: , docs_root: ~}", Roots("work", "docs")),
        ("{task_root: tasks}", Roots("tasks", "docs")),
        ("{docs_root: papers}", Roots("work", "papers")),
        ("{task_root: [a]}", Roots("work", "docs")),
        ("nothing", Roots("work", "docs")),
    ],
)
def test_a_root_that_the_profile_does_not_name_has_its_default(workflow: str, roots: Roots) -> None:
    checked = profile(f"workflow: {workflow}\n")
    assert (checked.roots, checked.has_roots) == (roots, True)


@pytest.mark.parametrize("workflow", [None, [], {"task_root": 1}, {"task_root": "../x"}])
def test_roots_of_any_other_value_are_the_default_ones(workflow: object) -> None:
    assert from_workflow(workflow) == Roots("work", "docs")


def test_the_roots_say_where_index_backlog_and_templates_are() -> None:
    roots = Roots("work", "papers")
    assert roots.docs_index == "papers/INDEX.md"
    assert roots.backlog == "papers/operations/high-priority-backlog.md"
    assert roots.templates == "papers/templates"


# --- what is no profile -----------------------------------------------------------------------------


def test_a_profile_that_is_missing_is_found() -> None:
    checked = check_profile(None, schema())
    assert [(f.rule_id, f.path) for f in checked.findings] == [
        ("profile_exists", "project.profile.yaml")
    ]
    assert (checked.roots, checked.has_roots) == (Roots("work", "docs"), True)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "{}", "\ufeff"])
def test_an_empty_profile_lacks_every_key(text: str) -> None:
    assert len(messages(text)) == len(SCALARS) + len(CONTAINERS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a: b\nc: \xff\n", "2: not UTF-8 (line 2, column 4)"),
        ("- a\n- b\n", "1: expected a mapping at the top level (line 1, column 1)"),
        ("text", "1: expected a mapping at the top level (line 1, column 1)"),
        (
            "a:\n\tb: c\n",
            "2: not valid YAML: found character '\\t' that cannot start any token (line 2, column 1)",
        ),
        ("a: b: c\n", "1: not valid YAML: mapping values are not allowed here (line 1, column 5)"),
        ("a: *b\n", "1: not valid YAML: found undefined alias 'b' (line 1, column 4)"),
        ("a: b\n---\nc: d\n", "2: not valid YAML: but found another document (line 2, column 1)"),
        ("a: b\0", "1: not valid YAML: the character U+0000 is not allowed (line 1, column 5)"),
        ("a: " + "[" * 20_000, "1: nested too deep"),
        ("a: " + "x" * 1_000_000, "1: too large (expected at most 1000000 bytes, got 1000003)"),
    ],
)
def test_what_is_no_yaml_mapping_is_found_with_line_and_column(text: str | bytes, message: str) -> None:
    assert messages(text) == [message]
    assert profile(text).has_roots is False


# --- the schema -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "not valid JSON: Expecting property name"),
        ("[" * 100_000, "not valid JSON: maximum recursion depth"),
        ("[]", "expected a JSON object"),
        ({"required_keys": {}}, "required_keys: expected a list"),
        ({"required_keys": ["a"]}, "required_keys[0]: expected path, and value_type"),
        ({"required_keys": [{"path": "a"}]}, "required_keys[0]: expected path, and value_type"),
        (
            {"required_keys": [{"path": "a", "value_type": "scalar"}, {"value_type": "scalar"}]},
            "required_keys[1]: expected path, and value_type",
        ),
        ({"schema_version": 2}, "schema_version: expected a text"),
        ({"schema_version": " "}, "schema_version: expected a text"),
        (
            {"supported_profile_schema_versions": "2.0.0"},
            "supported_profile_schema_versions: expected a list of texts",
        ),
        ({"forbidden_placeholders": [""]}, "forbidden_placeholders: expected a list of texts"),
        ({"forbidden_top_level_keys": [1]}, "forbidden_top_level_keys: expected a list of texts"),
    ],
)
def test_what_is_no_schema_is_refused_by_its_key(value: Any, message: str) -> None:
    text = value if isinstance(value, str) else json.dumps({**schema().value, **value})
    with pytest.raises(SchemaError) as caught:
        load_schema(text)
    assert str(caught.value).startswith(message)


def governed(
    head: dict[str, Any], base: dict[str, Any] | None = None, *, has_base: bool = True
) -> list[Finding]:
    old = load_schema(json.dumps({**schema().value, **(base or {})})) if has_base else None
    return check_governance(old, load_schema(json.dumps({**schema().value, **head})), SCHEMA_PATH)


MINOR = {"schema_version": "2.1.0", "supported_profile_schema_versions": ["2.0.0", "2.1.0"]}
MAJOR = {"schema_version": "3.0.0", "supported_profile_schema_versions": ["3.0.0"]}
ONE_KEY = [{"path": "a", "value_type": "scalar"}]


@pytest.mark.parametrize(
    ("head", "rule_ids"),
    [
        ({}, []),
        (MINOR, []),
        (MAJOR, []),
        ({**MAJOR, "schema_id": "x", "required_keys": [], "forbidden_top_level_keys": []}, []),
        ({**MAJOR, "forbidden_placeholders": ["x"]}, []),
        ({"supported_profile_schema_versions": ["2.0.0", "1.9.0"]}, ["R-001"]),
        ({"schema_version": "2.1"}, ["R-002", "R-003"]),
        ({"schema_version": "2.01.0"}, ["R-002", "R-003"]),
        ({"schema_version": "2.1０.0"}, ["R-002", "R-003"]),
        ({"schema_version": "2.1.0"}, ["R-003"]),
        ({**MINOR, "supported_profile_schema_versions": ["2.1.0"]}, ["R-004"]),
        ({**MINOR, "schema_id": "x"}, ["R-004"]),
        ({**MINOR, "required_keys": ONE_KEY}, ["R-004"]),
        ({**MINOR, "forbidden_top_level_keys": []}, ["R-004"]),
        ({"required_keys": ONE_KEY}, ["R-001", "R-004"]),
        ({**MINOR, "forbidden_placeholders": ["x"]}, ["R-005"]),
        ({**MINOR, "more": 1}, ["R-005"]),
        ({**MINOR, "schema_id": "x", "more": 1}, ["R-004", "R-005"]),
        ({"schema_version": "next", "schema_id": "x"}, ["R-002", "R-003", "R-004"]),
    ],
)
def test_a_change_of_the_schema_breaks_just_the_rules_it_breaks(
    head: dict[str, Any], rule_ids: list[str]
) -> None:
    findings = governed(head)
    assert [finding.rule_id for finding in findings] == rule_ids
    assert {finding.path for finding in findings} <= {SCHEMA_PATH}


def test_a_schema_that_is_new_is_held_to_its_version_alone() -> None:
    head = {"schema_version": "2.1", "schema_id": "x"}
    assert [f.rule_id for f in governed(head, has_base=False)] == ["R-002", "R-003"]


def test_a_schema_before_the_change_that_had_no_version_is_lower_than_any() -> None:
    assert governed(MINOR | {"schema_id": "x"}, {"schema_version": "old"}) == []


def test_the_rules_of_the_schema_say_what_changed() -> None:
    text = "\n".join(f.message for f in governed({"schema_id": "x", "more": 1}))
    assert "since more, schema_id changed" in text
    assert "a breaking change of schema_id" in text
    assert "found more changed" in text
    removed = governed({**MINOR, "supported_profile_schema_versions": ["2.1.0"]})
    assert "supported_profile_schema_versions (without 2.0.0)" in removed[0].message
