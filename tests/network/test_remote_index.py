"""Reading an index on the web."""

from __future__ import annotations

import pytest

from agentrail_runtime.channel import ChannelError, Distribution
from agentrail_runtime.entry import sha256
from agentrail_runtime.remote_index import RemoteIndex
from tests.network.server import Behaviour, reply, serving

WHEEL = "agentrail_runtime-1.0.0-py3-none-any.whl"


def row(url: str, digest: str = sha256(b"bytes")) -> Distribution:
    return Distribution(WHEEL, "1.0.0", digest, url=url)


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        (reply("", 500), "answers 500"),
        (reply("", 401), "answers 401"),
        (reply("{", headers={"Content-Type": "application/json"}), "not a page of an index"),
        (reply(b"\xff"), "not a page of an index"),
    ],
)
def test_an_index_that_cannot_be_read_is_not_an_empty_one(behave: Behaviour, why: str) -> None:
    with serving(behave) as server, pytest.raises(ChannelError, match=why):
        RemoteIndex(server.url).distributions()


def test_an_index_without_the_project_is_an_empty_one() -> None:
    with serving(reply("", 404)) as server:
        assert RemoteIndex(f"{server.url}/simple/").distributions() == ()
    assert server.requests[0].startswith("GET /simple/agentrail-runtime/ ")
    assert "application/vnd.pypi.simple.v1+json" in server.requests[0]


def test_other_bytes_than_the_index_tells_of_are_refused() -> None:
    with serving(reply("other")) as server, pytest.raises(ChannelError, match="other bytes than"):
        RemoteIndex(server.url).fetch(row(f"{server.url}/f"))


def test_a_file_that_the_index_has_elsewhere_in_the_clear_is_refused() -> None:
    with pytest.raises(ChannelError, match="expected https"):
        RemoteIndex("https://index.example").fetch(row("http://files.example/f"))


def test_the_password_goes_to_the_index_and_to_no_host_that_it_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AGENTRAIL_INDEX_USERNAME", "anna")
    monkeypatch.setenv("AGENTRAIL_INDEX_PASSWORD", "s3cret")
    with serving(reply("bytes")) as index, serving(reply("bytes")) as other:
        remote = RemoteIndex(index.url)
        assert remote.fetch(row(f"{index.url}/f")) == remote.fetch(row(f"{other.url}/f")) == b"bytes"
    assert "Authorization: Basic" in index.requests[0]
    assert "Authorization" not in other.requests[0]
