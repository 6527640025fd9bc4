"""A profile of schema 1.x becomes one of 2.0.0 in its version alone, or is refused with its line."""

from __future__ import annotations

import pytest

from agentrail_runtime import profile
from agentrail_runtime.errors import IncompatibleError, ProfileError
from agentrail_runtime.release.profile_upgrade import upgrade


@pytest.mark.parametrize(
    ("before", "after", "former"),
    [
        ("version: 1\n", "schema_version: 2.0.0\n", "1"),
        ("version: 1.0", "schema_version: 2.0.0", "1.0"),
        ("version: 1.10\n", "schema_version: 2.0.0\n", "1.10"),
        ('version: "1.0.0"\n', 'schema_version: "2.0.0"\n', "1.0.0"),
        ("version: '1.2'\n", "schema_version: '2.0.0'\n", "1.2"),
        ("version :   1.0   # twice\n", "schema_version :   2.0.0   # twice\n", "1.0"),
        ('"version": 1\n', '"schema_version": 2.0.0\n', "1"),
        ("'version': '1'\n", "'schema_version': '2.0.0'\n", "1"),
        ("{version: 1, a: [1,  2]}", "{schema_version: 2.0.0, a: [1,  2]}", "1"),
        ('{"version":"1","a":2}', '{"schema_version":"2.0.0","a":2}', "1"),
        ("? version\n: 1.0\n", "? schema_version\n: 2.0.0\n", "1.0"),
        ("version:\n  1.0\n", "schema_version:\n  2.0.0\n", "1.0"),
        ("version: &v 1.0\na: 1\n", "schema_version: &v 2.0.0\na: 1\n", "1.0"),
        ("version: !!str 1.0\n", "schema_version: !!str 2.0.0\n", "1.0"),
        ("&k version: 1.0\n", "&k schema_version: 2.0.0\n", "1.0"),
        ("a: &v 1.0\nversion: *v\n", "a: &v 1.0\nschema_version: 2.0.0\n", "1.0"),
        ("\ufeff# 設定 😀\r\nversion: 1\r\n", "\ufeff# 設定 😀\r\nschema_version: 2.0.0\r\n", "1"),
        ("---\na: 1\nversion: 1.0\n...\n", "---\na: 1\nschema_version: 2.0.0\n...\n", "1.0"),
        ("%YAML 1.1\n---\nversion: 1\n", "%YAML 1.1\n---\nschema_version: 2.0.0\n", "1"),
        (
            "project:\n  version: 3\nversion: 1\n",
            "project:\n  version: 3\nschema_version: 2.0.0\n",
            "1",
        ),
        ("b: &b {x: 1}\n<<: *b\nversion: 1\n", "b: &b {x: 1}\n<<: *b\nschema_version: 2.0.0\n", "1"),
        ("a: &a [*a]\nversion: 1\n", "a: &a [*a]\nschema_version: 2.0.0\n", "1"),
    ],
)
def test_the_version_of_schema_1_becomes_the_schema_version_in_its_place(
    before: str, after: str, former: str
) -> None:
    done = upgrade(before.encode())
    assert (done.data.decode(), done.former) == (after, former)
    assert profile.schema_version(done.data) == "2.0.0"
    assert upgrade(done.data) == (done.data, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "name: x\n",
        "project: {version: 1}\n",
        'schema_version: "2.0.0"\n',
        "schema_version: 2.5.1 # newer\n",
        "schema_version: 2\n",
    ],
)
def test_a_profile_that_is_not_of_schema_1_stays_as_it_is(text: str) -> None:
    assert upgrade(text.encode()) == (text.encode(), None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nversion: 3\n", "2:10: version: not a profile of schema 1.x"),
        (
            "version: 2.0.0\n",
            "1:10: version: not a profile of schema 1.x (expected 1, or such as 1.0.0",
        ),
        ("version:\n", "1:9: version: not a profile of schema 1.x"),
        ("version: v1\n", "1:10: version: not a profile"),
        ("version: 1.x\n", "1:10: version: not a profile"),
        ("version: 1.\n", "1:10: version: not a profile"),
        ("version: 1.0.0.0\n", "1:10: version: not a profile"),
        ("version: 1.0-rc1\n", "1:10: version: not a profile"),
        ("version: 1" + "0" * 500 + "\n", "1:10: version: not a profile"),
        ("version: |-\n  1.0\n\na: 1\n", "1:10: version: not a profile"),
        ("version: >-\n  1.0\n", "1:10: version: not a profile"),
        (
            "version: [1]\n",
            "1:10: version: not a profile of schema 1.x (expected 1, or such as 1.0.0, got ",
        ),
        ("version: {major: 1}\n", "1:10: version: not a profile"),
        ("version: 1\na: 2\nversion: 1\n", "3:1: version stands twice (expected once)"),
        (
            'version: 1\nschema_version: "2.0.0"\n',
            "1:1: version stands beside schema_version (expected one of them; schema_version is on li",
        ),
        ("b: &b {version: 1}\n<<: *b\n", "1:17: version comes from a merge key"),
        ("version: &v 1.0\nother: *v\n", "1:1: version cannot be replaced without changing something"),
        ("&k version: 1.0\nother: *k\n", "1:1: version cannot be replaced without changing something"),
        ("version: !!float 1.0\n", "1:1: version cannot be replaced without changing something else"),
        ("&r version: 1\nloop: {*r : 1}\n", "1:1: version cannot be replaced without changing"),
        ("--- &root\nversion: 1\nself: *root\n", "2:1: version cannot be replaced without changing"),
        ("version: 1\n---\nversion: 1\n", "2:1: not valid YAML: but found another document"),
        ("- version: 1\n", "1:1: expected a mapping at the top level"),
        ("version: 1\na: ]\n", "2:4: not valid YAML"),
    ],
)
def test_a_profile_that_cannot_be_upgraded_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ProfileError) as caught:
        upgrade(text.encode())
    assert caught.value.message.startswith(f"project.profile.yaml:{said}")
    assert len(caught.value.message) < 250
    assert caught.value.hint


@pytest.mark.parametrize("data", [b"\xff", b"version: 1\nname: caf\xe9\n", b"#" * 1_000_001])
def test_a_profile_that_is_no_small_text_is_refused(data: bytes) -> None:
    with pytest.raises(ProfileError):
        upgrade(data)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("schema_version: 3.0.0\n", "'3.0.0'"),
        ('schema_version: "1.0.0"\n', "'1.0.0'"),
        ("schema_version:\n", "''"),
        ("schema_version: [2.0.0]\n", "'a collection'"),
    ],
)
def test_a_profile_of_another_schema_is_incompatible(text: str, found: str) -> None:
    with pytest.raises(IncompatibleError, match="nothing to upgrade from") as caught:
        upgrade(text.encode())
    assert f"got {found})" in caught.value.message


def test_a_pair_that_is_not_there_is_not_replaced() -> None:
    for data in (b"", b"a: 1\n"):
        with pytest.raises(ProfileError, match=r"^project\.profile\.yaml: version: missing at the top"):
            profile.replace_pair(data, "version", "schema_version", "2.0.0")


@pytest.mark.parametrize("text", ["version: [1]\n", "version: {a: 1}\n"])
def test_a_pair_with_a_collection_is_not_replaced(text: str) -> None:
    with pytest.raises(
        ProfileError, match="version cannot be replaced without changing something else"
    ) as caught:
        profile.replace_pair(text.encode(), "version", "schema_version", "2.0.0")
    assert caught.value.hint == "write schema_version: 2.0.0 in its place by hand"


def test_a_key_that_would_become_too_long_for_yaml_is_not_replaced() -> None:
    with pytest.raises(
        ProfileError, match="version cannot be replaced without changing something else"
    ):
        profile.replace_pair(b"version: 1\n", "version", "k" * 2000, "2.0.0")
