"""The name of a repository by its remote: one for every way to reach it, and no secret in it."""

from __future__ import annotations

import pytest

from agentrail_runtime.release import remote


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/team/tool",
        "https://example.org/team/tool.git",
        "https://example.org/team/tool.git/",
        "https://user@example.org/team/tool",
        "https://user:s3cret@Example.ORG:8443/team/tool.git",
        "https://user:p@ss@example.org/team/tool",
        "https://example.org/team/tool?token=s3cret",
        "https://example.org/team/tool.git#readme",
        "ssh://git@example.org:22/team/tool.git",
        "git@example.org:team/tool.git",
        "example.org:/team/tool",
        "git+ssh://git@example.org/team/tool\n",
    ],
)
def test_every_way_to_a_repository_has_one_name(url: str) -> None:
    assert remote.name(url) == "example.org/team/tool"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/srv/git/tool.git", "/srv/git/tool"),
        ("../tool.git/", "../tool"),
        ("file:///srv/git/tool.git", "/srv/git/tool"),
        ("./a:b", "./a:b"),
        ("C:\\git\\tool.git", "C:\\git\\tool"),
        ("C:/git/tool", "C:/git/tool"),
        ("tool", "tool"),
        ("", ""),
    ],
)
def test_a_repository_on_this_machine_is_its_path(url: str, expected: str) -> None:
    assert remote.name(url) == expected


def test_two_repositories_have_two_names() -> None:
    assert remote.name("git@example.org:a/tool") != remote.name("git@example.org:b/tool")
    assert remote.name("git@example.org:a/tool") != remote.name("git@example.com:a/tool")
    assert remote.name("git@example.org:a/tool") != remote.name("git@example.org:a/Tool")
