"""Only the task root changes in a profile: each row is a file before and after, byte by byte."""

from __future__ import annotations

import json

import pytest
import yaml

from agentrail_runtime import profile
from agentrail_runtime.errors import ProfileError
from agentrail_runtime.profile import Fragments

NEW = ".agentrail/work"


def edit(text: str, task_root: str = NEW) -> tuple[str, Fragments]:
    read = profile.load(text.encode(), supported=["2.0.0"])
    data, fragments = profile.set_task_root(read, task_root)
    return data.decode(), json.loads(json.dumps(fragments))


EDITS = {
    "the usual profile": (
        "workflow:\n  task_root: work\n  docs_root: docs\n",
        "workflow:\n  task_root: .agentrail/work\n  docs_root: docs\n",
    ),
    "a comment after the value": (
        "workflow:\n  task_root: work   # where tasks live\n",
        "workflow:\n  task_root: .agentrail/work   # where tasks live\n",
    ),
    "comments after the keys": (
        "workflow: # all of it\n  # this one\n  task_root: # here\n    work\n",
        "workflow: # all of it\n  # this one\n  task_root: # here\n    .agentrail/work\n",
    ),
    "double quotes": (
        'workflow:\n  task_root: "work"\n',
        'workflow:\n  task_root: ".agentrail/work"\n',
    ),
    "single quotes": (
        "workflow:\n  task_root: 'work'\n",
        "workflow:\n  task_root: '.agentrail/work'\n",
    ),
    "quoted keys": (
        "\"workflow\":\n  'task_root' : work\n",
        "\"workflow\":\n  'task_root' : .agentrail/work\n",
    ),
    "escapes": (
        'workflow:\n  task_root: "w\\x6frk"\npaths: {artifacts: ["\\u0077ork"]}\n',
        'workflow:\n  task_root: ".agentrail/work"\npaths: {artifacts: [".agentrail/work"]}\n',
    ),
    "flow style": (
        "workflow: {task_root: work, docs_root: docs}\n",
        "workflow: {task_root: .agentrail/work, docs_root: docs}\n",
    ),
    "flow style over lines": (
        "workflow: {\n  docs_root: docs,\n  task_root: work,\n}\n",
        "workflow: {\n  docs_root: docs,\n  task_root: .agentrail/work,\n}\n",
    ),
    "JSON": (
        '{"workflow":{"task_root":"work"},"paths":{"artifacts":["work"]}}',
        '{"workflow":{"task_root":".agentrail/work"},"paths":{"artifacts":[".agentrail/work"]}}',
    ),
    "four spaces": (
        "workflow:\n    task_root: work\n    docs_root: docs\n",
        "workflow:\n    task_root: .agentrail/work\n    docs_root: docs\n",
    ),
    "all of it indented": (
        "  workflow:\n    task_root: work\n  a: 1\n",
        "  workflow:\n    task_root: .agentrail/work\n  a: 1\n",
    ),
    "CRLF": (
        "a: 1\r\nworkflow:\r\n  task_root: work\r\n",
        "a: 1\r\nworkflow:\r\n  task_root: .agentrail/work\r\n",
    ),
    "CR alone": (
        "workflow:\r  task_root: work\r",
        "workflow:\r  task_root: .agentrail/work\r",
    ),
    "a BOM": (
        "\ufeffworkflow:\n  task_root: work\n",
        "\ufeffworkflow:\n  task_root: .agentrail/work\n",
    ),
    "Japanese and an emoji": (
        "# 設定 😀\n名前: 例\nworkflow:\n  task_root: 作業 # 場所 😀\n",
        "# 設定 😀\n名前: 例\nworkflow:\n  task_root: .agentrail/work # 場所 😀\n",
    ),
    "no final newline": (
        "workflow:\n  task_root: work",
        "workflow:\n  task_root: .agentrail/work",
    ),
    "blank lines at the end": (
        "workflow:\n  task_root: work\n\n\n",
        "workflow:\n  task_root: .agentrail/work\n\n\n",
    ),
    "spaces at the ends of lines": (
        "workflow: \n  task_root: work  \n  a: b  \n",
        "workflow: \n  task_root: .agentrail/work  \n  a: b  \n",
    ),
    "document markers": (
        "%YAML 1.1\n---\nworkflow:\n  task_root: work\n...\n",
        "%YAML 1.1\n---\nworkflow:\n  task_root: .agentrail/work\n...\n",
    ),
    "explicit keys": (
        "? workflow\n: ? task_root\n  : work\n",
        "? workflow\n: ? task_root\n  : .agentrail/work\n",
    ),
    "a value on the next line": (
        "workflow:\n  task_root:\n    work\n  a: b\n",
        "workflow:\n  task_root:\n    .agentrail/work\n  a: b\n",
    ),
    "a value on two lines": (
        "workflow:\n  task_root: my\n    work\n  a: b\n",
        "workflow:\n  task_root: .agentrail/work\n  a: b\n",
    ),
    "a literal block": (
        "workflow:\n  task_root: |\n    work\n  a: b\n",
        "workflow:\n  task_root: .agentrail/work\n  a: b\n",
    ),
    "a folded block": (
        "workflow:\n  task_root: >\n    work\n  a: b\n",
        "workflow:\n  task_root: .agentrail/work\n  a: b\n",
    ),
    "a folded block at the end": (
        "workflow:\n  task_root: >-\n    work",
        "workflow:\n  task_root: .agentrail/work",
    ),
    "an anchor": (
        "workflow:\n  task_root: &root work\n",
        "workflow:\n  task_root: &root .agentrail/work\n",
    ),
    "an anchor that the paths refer to": (
        "workflow:\n  task_root: &root work\npaths:\n  artifacts: [*root]\n",
        "workflow:\n  task_root: &root .agentrail/work\npaths:\n  artifacts: [*root]\n",
    ),
    "an anchor that the runtime root refers to": (
        "workflow:\n  task_root: &root work\n  runtime_root: *root\n",
        "workflow:\n  task_root: &root .agentrail/work\n  runtime_root: *root\n",
    ),
    "an alias": (
        "default: &root work\nworkflow:\n  task_root: *root # see above\n",
        "default: &root work\nworkflow:\n  task_root: .agentrail/work # see above\n",
    ),
    "an alias in flow style": (
        "default: &root work\nworkflow: {task_root: *root , a: b}\n",
        "default: &root work\nworkflow: {task_root: .agentrail/work , a: b}\n",
    ),
    "aliases everywhere": (
        "default: &root work\nworkflow:\n  task_root: *root\npaths:\n  artifacts:\n    - *root\n",
        "default: &root work\nworkflow:\n  task_root: .agentrail/work\n"
        "paths:\n  artifacts:\n    - .agentrail/work\n",
    ),
    "a tag": (
        "workflow: !!map\n  task_root: !!str work\n",
        "workflow: !!map\n  task_root: !!str .agentrail/work\n",
    ),
    "a tag, an anchor and quotes": (
        'workflow:\n  task_root: !!str &root "work"\n',
        'workflow:\n  task_root: !!str &root ".agentrail/work"\n',
    ),
    "an anchor without a value": (
        "workflow:\n  task_root: &root\n  docs_root: docs\n",
        "workflow:\n  task_root: .agentrail/work\n  docs_root: docs\n",
    ),
    "a merge key": (
        "base: &base {task_root: work, docs_root: docs}\nworkflow:\n  <<: *base\n  strict: true\n",
        "base: &base {task_root: work, docs_root: docs}\n"
        "workflow:\n  task_root: .agentrail/work\n  <<: *base\n  strict: true\n",
    ),
    "a merge key in flow style": (
        "base: &base {task_root: work}\nworkflow: {<<: *base}\n",
        "base: &base {task_root: work}\nworkflow: {task_root: .agentrail/work, <<: *base}\n",
    ),
    "duplicate keys, of which the last counts": (
        "workflow:\n  task_root: a\n  task_root: work\n",
        "workflow:\n  task_root: a\n  task_root: .agentrail/work\n",
    ),
    "duplicate sections, of which the last counts": (
        "workflow:\n  task_root: a\nworkflow:\n  docs_root: b\n",
        "workflow:\n  task_root: a\nworkflow:\n  task_root: .agentrail/work\n  docs_root: b\n",
    ),
    "everything that equals the old task root": (
        "workflow: {task_root: work, docs_root: work, runtime_root: work}\n"
        "paths:\n  source_roots: [src, 'work', work/]\n  artifacts:\n  - \"work\"\n  - work # old\n"
        "  - work/x\n  - Work\n  other: [work]\nartifacts: [work]\n",
        "workflow: {task_root: .agentrail/work, docs_root: work, runtime_root: .agentrail/work}\n"
        "paths:\n  source_roots: [src, '.agentrail/work', .agentrail/work/]\n"
        '  artifacts:\n  - ".agentrail/work"\n  - .agentrail/work # old\n'
        "  - work/x\n  - Work\n  other: [work]\nartifacts: [work]\n",
    ),
    "a runtime root of its own": (
        "workflow:\n  task_root: work\n  runtime_root: dist\n",
        "workflow:\n  task_root: .agentrail/work\n  runtime_root: dist\n",
    ),
    "paths that are no lists": (
        "workflow: {task_root: work}\npaths: {source_roots: work, artifacts: {work: work}}\n",
        "workflow: {task_root: .agentrail/work}\n"
        "paths: {source_roots: work, artifacts: {work: work}}\n",
    ),
    "lists within lists": (
        "workflow: {task_root: work}\npaths:\n  artifacts: [[work], {a: work}, work]\n",
        "workflow: {task_root: .agentrail/work}\n"
        "paths:\n  artifacts: [[work], {a: work}, .agentrail/work]\n",
    ),
    "no task root said, so that work is the old one": (
        "workflow:\n  docs_root: docs\npaths:\n  artifacts: [work]\n",
        "workflow:\n  task_root: .agentrail/work\n  docs_root: docs\n"
        "paths:\n  artifacts: [.agentrail/work]\n",
    ),
    "a comment before the first key": (
        "workflow:\n  # the documents\n  docs_root: docs # d\n",
        "workflow:\n  # the documents\n  task_root: .agentrail/work\n  docs_root: docs # d\n",
    ),
    "a missing key, four spaces, CRLF": (
        "workflow:\r\n    docs_root: docs\r\n",
        "workflow:\r\n    task_root: .agentrail/work\r\n    docs_root: docs\r\n",
    ),
    "a missing key in flow style": (
        "workflow: { docs_root: docs }\n",
        "workflow: {task_root: .agentrail/work,  docs_root: docs }\n",
    ),
    "a missing key before mappings in a mapping": (
        "workflow: {docs: {root: docs}}\n",
        "workflow: {task_root: .agentrail/work, docs: {root: docs}}\n",
    ),
    "an empty value": (
        "workflow:\n  task_root:\n  docs_root: docs\n",
        "workflow:\n  task_root: .agentrail/work\n  docs_root: docs\n",
    ),
    "an empty value with a comment": (
        "workflow:\n  task_root: # to do\n",
        "workflow:\n  task_root: .agentrail/work # to do\n",
    ),
    "an empty value in flow style": (
        "workflow: {task_root: , docs_root: docs}\n",
        "workflow: {task_root: .agentrail/work , docs_root: docs}\n",
    ),
    "a written null": (
        "workflow:\n  task_root: ~ # none\n",
        "workflow:\n  task_root: .agentrail/work # none\n",
    ),
    "an empty text": (
        "workflow:\n  task_root: ''\n",
        "workflow:\n  task_root: '.agentrail/work'\n",
    ),
    "an empty workflow": (
        "a: 1\nworkflow:\nb: 2\n",
        "a: 1\nworkflow: {task_root: .agentrail/work}\nb: 2\n",
    ),
    "an empty workflow with a comment": (
        "workflow: # to do\n",
        "workflow: {task_root: .agentrail/work} # to do\n",
    ),
    "an empty workflow without a newline": (
        "workflow:",
        "workflow: {task_root: .agentrail/work}",
    ),
    "an empty workflow in flow style": (
        "workflow: {}\n",
        "workflow: {task_root: .agentrail/work}\n",
    ),
    "a null workflow": (
        "workflow: null # none yet\n",
        "workflow: {task_root: .agentrail/work} # none yet\n",
    ),
    "a null workflow, short": (
        "a: 1\nworkflow: ~\n",
        "a: 1\nworkflow: {task_root: .agentrail/work}\n",
    ),
    "a null workflow in JSON": (
        '{"workflow": null, "a": 1}',
        '{"workflow": {task_root: .agentrail/work}, "a": 1}',
    ),
    "no workflow": (
        "# mine\nschema_version: 2.0.0\nproject: {name: x}\n",
        "# mine\nworkflow:\n  task_root: .agentrail/work\nschema_version: 2.0.0\nproject: {name: x}\n",
    ),
    "no workflow, CRLF and a BOM": (
        "\ufeffa: 1\r\n",
        "\ufeffworkflow:\r\n  task_root: .agentrail/work\r\na: 1\r\n",
    ),
    "no workflow in flow style": (
        "{a: 1}",
        "{workflow: {task_root: .agentrail/work}, a: 1}",
    ),
    "no workflow after a marker": (
        "---\na: 1\n...\n",
        "---\nworkflow:\n  task_root: .agentrail/work\na: 1\n...\n",
    ),
    "one line": (
        'schema_version: "2.0.0"',
        'workflow:\n  task_root: .agentrail/work\nschema_version: "2.0.0"',
    ),
    "an empty file": ("", "workflow:\n  task_root: .agentrail/work\n"),
    "an empty mapping": ("{}", "{workflow: {task_root: .agentrail/work}}"),
    "a BOM alone": ("\ufeff", "\ufeffworkflow:\n  task_root: .agentrail/work\n"),
    "blank lines alone": ("\n\n", "\n\nworkflow:\n  task_root: .agentrail/work\n"),
    "a marker alone": ("---\n", "---\nworkflow:\n  task_root: .agentrail/work\n"),
    "comments alone": ("# later\n", "# later\nworkflow:\n  task_root: .agentrail/work\n"),
    "comments alone, CRLF": (
        "# later\r\n",
        "# later\r\nworkflow:\r\n  task_root: .agentrail/work\r\n",
    ),
    "a comment without a newline": ("# later", "# later\nworkflow:\n  task_root: .agentrail/work"),
    "nothing to change": (
        "workflow:\n  task_root: .agentrail/work\npaths:\n  artifacts: [work]\n",
        "workflow:\n  task_root: .agentrail/work\npaths:\n  artifacts: [work]\n",
    ),
}
ROWS = pytest.mark.parametrize(("before", "after"), EDITS.values(), ids=EDITS)


@ROWS
def test_only_the_task_root_changes(before: str, after: str) -> None:
    assert edit(before)[0] == after


@ROWS
def test_yaml_reads_the_new_task_root_and_nothing_else_anew(before: str, after: str) -> None:
    read = yaml.safe_load(edit(before)[0])
    assert read["workflow"]["task_root"] == NEW
    old = yaml.safe_load(before) or {}
    assert {key: read[key] for key in read if key not in ("workflow", "paths")} == {
        key: old[key] for key in old if key not in ("workflow", "paths")
    }


@ROWS
def test_a_second_edit_changes_nothing(before: str, after: str) -> None:
    assert edit(after) == (after, [])


@ROWS
def test_an_uninstall_gives_back_the_profile_from_before(before: str, after: str) -> None:
    edited, fragments = edit(before)
    assert profile.restore(edited.encode(), fragments).decode() == before


@ROWS
def test_a_task_root_with_every_odd_character_is_read_back_as_it_is(before: str, after: str) -> None:
    for odd in (
        "a b",
        "it's",
        "a#b",
        "no",
        "2026",
        "{x}",
        "[a",
        "日本/作業",
        "a, b",
        "!x",
        "&a",
        "%d",
        'a: "b"',
        "a: \\b",
    ):
        assert yaml.safe_load(edit(before, odd)[0])["workflow"]["task_root"] == odd


REFUSED = {
    "an anchor that something else refers to": "workflow:\n  task_root: &root work\nother: *root\n",
    "an anchor that a section of nearly the same name refers to": (
        "workflow:\n  task_root: &root work\nXworkflow:\n  task_root: *root\n"
    ),
    "an anchor that a section with a dot before its name refers to": (
        "workflow:\n  task_root: &root work\n.workflow:\n  task_root: *root\n"
    ),
    "an anchor that a key with a dot in its name refers to": (
        "workflow:\n  task_root: &root work\nworkflow.task_root: *root\n"
    ),
    "an anchor that a key with a number in its name refers to": (
        "workflow:\n  task_root: work\npaths: {artifacts: [&a work], 'artifacts[0]': *a }\n"
    ),
    "an anchor that a section of one without a name refers to": (
        "workflow: {task_root: &root work}\n'': {workflow: {task_root: *root }}\n"
    ),
    "an anchor that its own section refers to": (
        "workflow: {task_root: &root work, docs_root: *root }\n"
    ),
    "a section that is an alias": "base: &base\n  task_root: work\nworkflow: *base\n",
    "a section that something else refers to": "workflow: &w\n  docs_root: docs\nother: *w\n",
    "a section from a merge key": "base: &base\n  workflow: {task_root: a, docs_root: d}\n<<: *base\n",
    "a section from a merge key, and a path": (
        "base: &base\n  workflow: {docs_root: d}\n<<: *base\npaths: {artifacts: [work]}\n"
    ),
    "paths that something else refers to": (
        "workflow: {task_root: work}\npaths: {artifacts: &a [work]}\nother: *a\n"
    ),
    "a tagged null": "workflow: !!null\n",
    "an anchored null": "workflow: &w\n",
    "an anchored null, and a path": "workflow: &w\npaths: {artifacts: [work]}\n",
    "an explicit first key": "workflow:\n  ? docs_root\n  : docs\n",
    "a key without a value in flow style": "workflow: {task_root}\n",
    "no workflow in an indented mapping": "  a: 1\n  b: 2\n",
    "no workflow before an explicit key": "? a\n: b\n",
    "an ended document": "---\n...\n",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_a_profile_that_cannot_be_edited_alone_is_refused_with_what_to_type(text: str) -> None:
    with pytest.raises(ProfileError) as caught:
        edit(text)
    assert caught.value.message == (
        "project.profile.yaml: workflow.task_root cannot be changed without changing something else"
    )
    assert caught.value.hint == (
        "set workflow.task_root to .agentrail/work by hand, then run the command again"
    )


@pytest.mark.parametrize("character", ["\x80", "\u2028", "\ufffe"])
def test_a_task_root_that_yaml_cannot_hold_is_refused(character: str) -> None:
    with pytest.raises(ProfileError, match="cannot be changed"):
        edit("workflow:\n  task_root: work\n", f"a{character}b")


RESTORED = {
    "the user changed the task root since": (
        "workflow:\n  task_root: work\n",
        "workflow:\n  task_root: mine\n",
        "workflow:\n  task_root: mine\n",
    ),
    "the user added things since": (
        "workflow:\n  task_root: work\npaths: {artifacts: [work]}\n",
        "a: 1\nworkflow:\n  task_root: .agentrail/work # ours\n"
        "paths: {artifacts: [.agentrail/work, x]}\n",
        "a: 1\nworkflow:\n  task_root: work # ours\npaths: {artifacts: [work, x]}\n",
    ),
    "the user removed the list since": (
        "workflow:\n  task_root: work\npaths: {artifacts: [work]}\n",
        "workflow:\n  task_root: .agentrail/work\n",
        "workflow:\n  task_root: work\n",
    ),
    "the user emptied the list since": (
        "workflow:\n  task_root: work\npaths: {artifacts: [a, work]}\n",
        "workflow:\n  task_root: .agentrail/work\npaths: {artifacts: []}\n",
        "workflow:\n  task_root: work\npaths: {artifacts: []}\n",
    ),
    "the user put a path of theirs before ours since": (
        "workflow:\n  task_root: work\npaths: {artifacts: [work]}\n",
        "workflow:\n  task_root: work\npaths: {artifacts: [mine, .agentrail/work]}\n",
        "workflow:\n  task_root: work\npaths: {artifacts: [mine, .agentrail/work]}\n",
    ),
    "ours is the thirteenth path": (
        f"workflow:\n  task_root: work\npaths: {{artifacts: [{'x, ' * 12}work]}}\n",
        f"workflow:\n  task_root: work\npaths: {{artifacts: [{'x, ' * 12}.agentrail/work]}}\n",
        f"workflow:\n  task_root: work\npaths: {{artifacts: [{'x, ' * 12}work]}}\n",
    ),
    "theirs was the second path from the first": (
        f"workflow:\n  task_root: work\npaths: {{artifacts: [x, {NEW}, {'x, ' * 10}work]}}\n",
        f"workflow:\n  task_root: work\npaths: {{artifacts: [x, {NEW}, {'x, ' * 10}{NEW}]}}\n",
        f"workflow:\n  task_root: work\npaths: {{artifacts: [x, {NEW}, {'x, ' * 10}work]}}\n",
    ),
    "the user removed the section since": ("workflow:\n  task_root: work\n", "a: 1\n", "a: 1\n"),
    "the user emptied the file since": ("workflow:\n  task_root: work\n", "", ""),
    "git made CRLF of it since": (
        "workflow:\n  docs_root: docs\n",
        "workflow:\r\n  task_root: .agentrail/work\r\n  docs_root: docs\r\n",
        "workflow:\r\n  docs_root: docs\r\n",
    ),
    "git made LF of it since": (
        "a: 1\r\n",
        "workflow:\n  task_root: .agentrail/work\na: 1\n",
        "a: 1\n",
    ),
}


@pytest.mark.parametrize(("before", "since", "after"), RESTORED.values(), ids=RESTORED)
def test_an_uninstall_takes_back_what_still_stands_and_no_edit(
    before: str, since: str, after: str
) -> None:
    _, fragments = edit(before)
    assert profile.restore(since.encode(), fragments).decode() == after


@pytest.mark.parametrize("elsewhere", ["some/where/else", "e", "the/end/of/a/path/that/is/long"])
def test_an_uninstall_takes_two_moves_back(elsewhere: str) -> None:
    before = "workflow: {task_root: work}\npaths: {source_roots: [work], artifacts: [a, work/]}\n"
    between, first = edit(before, elsewhere)
    after, second = edit(between)
    assert after == (
        f"workflow: {{task_root: {NEW}}}\npaths: {{source_roots: [{NEW}], artifacts: [a, {NEW}/]}}\n"
    )
    assert profile.restore(after.encode(), [*first, *second]).decode() == before


def test_an_uninstall_with_nothing_to_take_back_does_not_mind_what_the_profile_is() -> None:
    assert profile.restore(b"a: [\n", []) == b"a: [\n"


def test_an_uninstall_does_not_touch_a_profile_that_is_no_longer_yaml() -> None:
    with pytest.raises(ProfileError, match=r"yaml:2:1: not valid YAML"):
        profile.restore(b"a: [\n", [["workflow.task_root", "work", NEW]])


@pytest.mark.parametrize(
    "fragment",
    [
        ["", "x", "y"],
        [None, "x", "y"],
        ["workflow.task_root", "x", ""],
        ["workflow.task_root", "x", None],
        ["workflow", None, "zz"],
    ],
)
def test_a_memory_that_fits_nothing_changes_nothing(fragment: list[str | None]) -> None:
    data = b"workflow:\n  task_root: y\n"
    assert profile.restore(data, [fragment]) == data
