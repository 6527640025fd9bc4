"""Channels that are indexes which take uploads by twine: pypiserver, and devpi by the same protocol."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from agentrail_runtime.channel import ChannelError
from agentrail_runtime.twine_channel import TwineChannel
from tests.network.server import reply, serving
from tests.network.service import Devpi, built, policy


def pages(url: str, **values: Any) -> TwineChannel:
    return TwineChannel(policy("general", "twine", f"{url}/simple/", f"{url}/"), **values)


def log_in(monkeypatch: pytest.MonkeyPatch, password: str = "tw1ne-s3cret") -> None:
    monkeypatch.setenv("AGENTRAIL_INDEX_USERNAME", "general-owner")
    monkeypatch.setenv("AGENTRAIL_INDEX_PASSWORD", password)


def test_what_twine_uploads_is_served_with_the_same_bytes(
    pypi: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch)
    origin, channel = built("1.0.0"), pages(pypi)
    channel.add(origin.distributions(), origin)
    rows = channel.distributions()
    assert {row.filename: row.sha256 for row in rows} == {
        row.filename: row.sha256 for row in origin.distributions()
    }
    assert [channel.fetch(row) for row in rows] == [origin.fetch(row) for row in rows]
    assert (channel.name, channel.location) == ("general", f"{pypi}/")
    monkeypatch.setattr(channel, "_upload", pytest.fail)
    channel.add(origin.distributions(), origin)
    other = built("1.0.0", text="other")
    with pytest.raises(ChannelError, match="another file of that name is there"):
        channel.add(other.distributions(), other)
    assert channel.withdraw("1.0.0", "bad") is False
    assert channel.withdraw("9.9.9", "bad") is True
    assert "yank or delete it on the server by hand" in channel.by_hand


def test_a_user_whom_the_server_does_not_know_is_refused_without_showing_the_password(
    devpi: Devpi, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch)
    devpi.make_index("root/general", acl_upload=["root"])
    url = f"{devpi.url}/root/general/"
    origin, channel = built("1.0.0"), TwineChannel(policy("general", "twine", f"{url}+simple/", url))
    monkeypatch.setattr(channel._index, "distributions", lambda: ())
    with pytest.raises(ChannelError, match=r"twine: .*40[13]") as caught:
        channel.add(origin.distributions(), origin)
    assert "s3cret" not in f"{caught.value} {caught.value.hint} {caught.value.args}"
    assert caught.value.hint == "the user and password used are from: environment"


def test_the_password_is_on_no_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(monkeypatch)
    runs: list[Any] = []

    def run(words: list[str], **values: Any) -> subprocess.CompletedProcess[bytes]:
        runs.append((words, values["env"]))
        return subprocess.CompletedProcess(words, 1, b"boom general-owner tw1ne-s3cret")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ChannelError, match=r"twine: boom general-owner \*\*\*"):
        pages("https://index.example")._upload(["x.whl"])
    words, environment = runs[0]
    assert "s3cret" not in " ".join(words)
    assert environment["TWINE_USERNAME"] == "general-owner"
    assert environment["TWINE_PASSWORD"] == "tw1ne-s3cret"


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (b"", "twine: no reason is given"),
        (b"\n/usr/bin/python: No module named twine\n", "twine: not installed"),
        (b"Uploading\nERROR    HTTPError: 400 Bad\nmore\n", "twine: ERROR HTTPError: 400 Bad$"),
    ],
)
def test_what_went_wrong_with_twine_is_told(
    monkeypatch: pytest.MonkeyPatch, output: bytes, why: str
) -> None:
    done = subprocess.CompletedProcess([], 1, output)
    monkeypatch.setattr(subprocess, "run", lambda *words, **values: done)
    with pytest.raises(ChannelError, match=why):
        pages("https://index.example")._upload(["x.whl"])


def test_an_upload_that_hangs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = pages("https://index.example", upload_seconds=0.2)
    hanging = [sys.executable, "-c", "import time; time.sleep(60)"]
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda words, **values: run(hanging, **values))
    with pytest.raises(ChannelError, match="twine did not end in 0 s"):
        channel._upload(["x.whl"])


def test_an_index_that_lists_an_upload_only_after_a_while_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    with serving(reply("", 404)) as server:
        channel = pages(server.url, pause=pauses.append)
        monkeypatch.setattr(channel, "_upload", lambda paths: None)
        origin = built("1.0.0")
        with pytest.raises(ChannelError, match="uploaded, but not listed yet"):
            channel.add(origin.distributions(), origin)
    assert len(pauses) == 5
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("index_url", "location", "field"),
    [
        (None, "https://host/legacy/", "index_url"),
        ("https://host/simple/", None, "location"),
        ("https://host/simple/", "directory", "location"),
    ],
)
def test_a_channel_without_its_urls_says_which(
    index_url: str | None, location: str | None, field: str
) -> None:
    with pytest.raises(ChannelError, match=rf"channels.general.{field}: expected a URL"):
        TwineChannel(policy("general", "twine", index_url, location))
