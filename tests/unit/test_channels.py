"""The kind of channel that the policy names is the one that is opened."""

from __future__ import annotations

import os

import pytest

from agentrail_runtime.channel import ChannelError
from agentrail_runtime.channels import open_channel
from agentrail_runtime.release.policy import ChannelKind, ChannelPolicy

INDEX = "https://example.org/release/internal"


def named(kind: ChannelKind, location: str | None = None) -> ChannelPolicy:
    return ChannelPolicy("internal", kind, f"{INDEX}/+simple/", location, None, ())


@pytest.mark.parametrize("kind", ["devpi", "twine"])
def test_an_index_is_found_where_the_policy_says(kind: ChannelKind) -> None:
    channel = open_channel(named(kind, INDEX), "a-directory-of-static-channels")
    assert (channel.name, channel.location) == ("internal", INDEX)


@pytest.mark.parametrize(("option", "root"), [(None, "by-policy"), ("by-option", "by-option")])
def test_a_directory_that_is_named_comes_before_that_of_the_policy(
    option: str | None, root: str
) -> None:
    channel = open_channel(named("static", "by-policy"), option)
    assert channel.location == os.path.realpath(os.path.join(root, "internal"))


def test_a_directory_that_nobody_names_is_asked_for() -> None:
    with pytest.raises(ChannelError, match="internal: no directory is named for it"):
        open_channel(named("static"))
