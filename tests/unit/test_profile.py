"""The user's profile is read as YAML says, or refused with the place where it is wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agentrail_runtime import profile
from agentrail_runtime.errors import IncompatibleError, ProfileError
from agentrail_runtime.profile import Profile

MEND = "mend the file, then run the command again; nothing was written"


def load(text: str | bytes) -> Profile:
    return profile.load(text.encode() if isinstance(text, str) else text, supported=["2.0.0", "2.1.0"])


@pytest.mark.parametrize(
    ("text", "task_root"),
    [
        ("", None),
        ("# only a comment\n", None),
        ("---\n", None),
        ("\ufeff", None),
        ("{}", None),
        ("schema_version: 2.0.0\n", None),
        ("workflow:\n", None),
        ("workflow: ~\n", None),
        ("workflow: {}\n", None),
        ("workflow:\n  docs_root: docs\n", None),
        ("workflow:\n  task_root:\n", None),
        ("workflow:\n  task_root: null\n", None),
        ("task_root: elsewhere\n", None),
        ("workflow:\n  task_root: work\n", "work"),
        ("workflow:\n  task_root: 'it''s'\n", "it's"),
        ('workflow:\n  task_root: "\\u65e5"\n', "日"),
        ("workflow:\n  task_root: 2026\n", "2026"),
        ('workflow:\n  task_root: ""\n', ""),
        ("workflow: {task_root: work}\n", "work"),
        ("? workflow\n: ? task_root\n  : work\n", "work"),
        ("workflow:\n  task_root: |-\n    work\n", "work"),
        ("workflow:\n  task_root: >\n    a\n    b\n", "a b\n"),
        ("workflow:\n  task_root: &root work\n", "work"),
        ("root: &root work\nworkflow:\n  task_root: *root\n", "work"),
        ("none: &none ~\nworkflow:\n  task_root: *none\n", None),
        ("workflow:\n  task_root: !!str work\n", "work"),
        ("w: &w {task_root: work}\nworkflow: *w\n", "work"),
        ("w: &w {task_root: work}\nworkflow:\n  <<: *w\n", "work"),
        ("w: &w {task_root: a}\nworkflow:\n  <<: *w\n  task_root: work\n", "work"),
        ("a: &a {x: 1}\nb: &b {task_root: work}\nworkflow:\n  <<: [*a, *b]\n", "work"),
        ("a: &a {task_root: work}\nb: &b {<<: *a}\nworkflow:\n  <<: *b\n", "work"),
        ("a: &a {x: 1}\nworkflow:\n  <<: [*a, *a]\n", None),
        ("workflow: &w\n  <<: *w\n  docs_root: docs\n", None),
        ("workflow:\n  <<: nothing\n", None),
        ("workflow:\n  task_root: a\n  task_root: work\n", "work"),
        ("workflow:\n  task_root: a\nworkflow:\n  task_root: work\n", "work"),
        ("? [workflow]\n: 1\nworkflow:\n  ? {task_root: 1}\n  : 2\n  task_root: work\n", "work"),
        ("\ufeffworkflow:\r\n  task_root: work\r\n", "work"),
        ("%YAML 1.1\n---\nworkflow:\n  task_root: work\n...\n", "work"),
        ("# 設定 😀\nworkflow:\n  task_root: 作業\n", "作業"),
    ],
)
def test_the_task_root_is_what_yaml_says_however_it_is_written(
    text: str, task_root: str | None
) -> None:
    assert load(text).task_root == task_root


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('schema_version: "2.0.0"\n', "2.0.0"),
        ("schema_version: 2.1.0 # new\n", "2.1.0"),
        ("a: 1\n", None),
        ("# none\n", None),
        ('version: 1\nschema_version: "2.0.0"\n', "2.0.0"),
    ],
)
def test_a_supported_schema_is_accepted(text: str, version: str | None) -> None:
    assert load(text).schema_version == version


@pytest.mark.parametrize(
    ("text", "place", "found"),
    [
        ("schema_version: 3.0.0\n", "1:17", "3.0.0"),
        ('a: 1\n\nschema_version: "1.0.0"\n', "3:17", "1.0.0"),
        ("schema_version:\n", "1:16", ""),
        ("schema_version: 2\n", "1:17", "2"),
        ("schema_version: [2.0.0]\n", "1:17", "a collection"),
        ("version: 1\n", "1:10", "the key version of schema 1.x"),
        ("project: x\nversion: '1.2'\n", "2:10", "the key version of schema 1.x"),
        ("version: {major: 1}\n", "1:10", "the key version of schema 1.x"),
    ],
)
def test_a_profile_of_another_schema_is_refused_with_its_place(
    text: str, place: str, found: str
) -> None:
    with pytest.raises(IncompatibleError) as caught:
        load(text)
    assert caught.value.message == (
        f"project.profile.yaml:{place}: profile schema not supported "
        f"(expected 2.0.0, 2.1.0, got {found})"
    )
    assert caught.value.paths == ("project.profile.yaml",)
    assert caught.value.hint == (
        "in the repository: agentrail profile-upgrade; then run the command again"
        if "the key version" in found
        else "bring the profile to a supported schema_version, then run the command again"
    )


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a: [1\n", "2:1", "not valid YAML: "),
        ("a: 1\nb: ]\n", "2:4", "not valid YAML: "),
        ("a:\n\tb: 1\n", "2:1", "not valid YAML: found character '\\t'"),
        ("a: 1\n b: 2\n", "2:3", "not valid YAML: mapping values are not allowed here"),
        ('a: "x\n', "2:1", "not valid YAML: found unexpected end of stream"),
        ("a: *nobody\n", "1:4", "not valid YAML: found undefined alias"),
        ("a: 1\n---\nb: 2\n", "2:1", "not valid YAML: but found another document"),
        ("a: &x 1\nb: @\n", "2:4", "not valid YAML: "),
        ("# 設定\n日本: [\n", "3:1", "not valid YAML: "),
        ("a: 1\r\nb: ]\r\n", "2:4", "not valid YAML: "),
        ("a: 1\nb: \x07\n", "2:4", "not valid YAML: the character U+0007 is not allowed"),
        ("\x00", "1:1", "not valid YAML: the character U+0000 is not allowed"),
        ("%YAML 3.0\n---\na: 1\n", "1:1", "not valid YAML: found incompatible YAML document"),
        ("- a\n- b\n", "1:1", "expected a mapping at the top level"),
        ("just text\n", "1:1", "expected a mapping at the top level"),
        ("\n''\n", "2:1", "expected a mapping at the top level"),
        ("workflow: text\n", "1:11", "workflow (expected a mapping)"),
        ("a: 1\nworkflow:\n  - task_root: x\n", "3:3", "workflow (expected a mapping)"),
        ("workflow:\n  task_root: [x]\n", "2:14", "workflow.task_root (expected a path, got a"),
        ("workflow:\n  task_root:\n    x: 1\n", "3:5", "workflow.task_root (expected a path, got a"),
    ],
)
def test_a_profile_that_is_wrong_is_refused_with_line_and_column(
    text: str, place: str, said: str
) -> None:
    with pytest.raises(ProfileError) as caught:
        load(text)
    assert caught.value.message.startswith(f"project.profile.yaml:{place}: {said}")
    assert (caught.value.paths, caught.value.hint) == (("project.profile.yaml",), MEND)
    assert caught.value.line == int(place.partition(":")[0])


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"\xff", "1:1"),
        (b"\n\xff", "2:1"),
        (b"a: 1\nb: caf\xe9\n", "2:7"),
        (b"a: 1\nb: 2\nc: caf\xe9\n", "3:7"),
        ("a: 1\n".encode("utf-16"), "1:1"),
    ],
)
def test_a_profile_in_another_encoding_is_refused_with_line_and_column(data: bytes, place: str) -> None:
    with pytest.raises(ProfileError, match=f"^project.profile.yaml:{place}: not UTF-8$"):
        load(data)
    with pytest.raises(ProfileError, match="not UTF-8"):
        profile.restore(data, [])


def test_a_profile_of_more_than_a_megabyte_is_refused_before_it_is_parsed() -> None:
    assert load(b"#" * 1_000_000).task_root is None
    with pytest.raises(
        ProfileError, match=r"too large \(expected at most 1000000 bytes, got 1000001"
    ) as caught:
        load(b"#" * 1_000_001)
    assert caught.value.line == 1


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 100_000,
        "a: " + "{b: " * 50_000,
        "- " * 100_000,
        "? " * 100_000,
        "".join(" " * depth + "a:\n" for depth in range(1200)),
    ],
)
def test_a_profile_nested_too_deep_is_refused_and_no_internal_error(text: str) -> None:
    with pytest.raises(ProfileError, match=r"^project\.profile\.yaml: nested too deep$"):
        load(text)


@pytest.mark.parametrize(
    "text",
    [
        'a: "\\UFFFFFFFF"\n',
        'a: "\\U00110000"\n',
        "%YAML 1" + "1" * 5000 + ".1\n---\na: 1\n",
        "a: !<%FF> b\n",
    ],
)
def test_a_profile_that_the_parser_stumbles_over_is_refused_and_no_internal_error(text: str) -> None:
    with pytest.raises(ProfileError, match=r"^project\.profile\.yaml(:1:6)?: not valid YAML: ."):
        load(text)


BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)
)


def test_a_profile_of_a_few_lines_that_stand_for_millions_is_edited_all_the_same() -> None:
    text = f"{BOMB}workflow:\n  task_root: work\n"
    data, _ = profile.set_task_root(load(text), "tasks")
    assert data.decode() == f"{BOMB}workflow:\n  task_root: tasks\n"


def test_a_mapping_that_holds_itself_is_edited_all_the_same() -> None:
    text = "loop: &loop\n  again: *loop\n  ? [*loop]\n  : 1\nworkflow:\n  task_root: {}\n"
    data, _ = profile.set_task_root(load(text.format("work")), "tasks")
    assert data.decode() == text.format("tasks")


def test_a_key_of_a_few_lines_that_stands_for_millions_does_not_hang_the_run() -> None:
    text = f"{BOMB}? *a59\n: 1\nworkflow:\n  task_root: work\n"
    code = (
        "import sys\n"
        "from agentrail_runtime import errors, profile\n"
        "data = sys.stdin.buffer.read()\n"
        "try:\n"
        "    profile.set_task_root(profile.load(data, supported=[]), 'tasks')\n"
        "except errors.ProfileError:\n"
        "    pass\n"
        "print('done')\n"
    )
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))\n"
    done = subprocess.run(
        [sys.executable, "-c", (limit if sys.platform == "linux" else "") + code],
        input=text.encode(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == b"done\n", done.stderr.decode()[-500:]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("schema_version: 9.9\n", "9.9"),
        ("schema_version: [1]\n", None),
        ("a: 1\n", None),
        ("", None),
    ],
)
def test_status_can_name_a_schema_that_is_not_supported(text: str, version: str | None) -> None:
    assert profile.schema_version(text.encode()) == version
