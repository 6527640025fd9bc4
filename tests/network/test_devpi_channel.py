"""Channels that are indexes of a real devpi server."""

from __future__ import annotations

import itertools

import pytest

from agentrail_runtime.channel import ChannelError, Distribution
from agentrail_runtime.devpi_channel import DevpiChannel
from agentrail_runtime.entry import sha256
from agentrail_runtime.release.policy import Stage
from tests.network.server import reply, serving
from tests.network.service import Devpi, Files, built, policy, wheel

WHEEL = "agentrail_runtime-1.0.0-py3-none-any.whl"


def log_in(monkeypatch: pytest.MonkeyPatch, user: str, password: str) -> None:
    monkeypatch.setenv("AGENTRAIL_INDEX_USERNAME", user)
    monkeypatch.setenv("AGENTRAIL_INDEX_PASSWORD", password)


class Stages:
    """An index for each stage, each with an owner of its own, who alone may upload to it.

    Every test has a `version` of its own there.
    """

    def __init__(self, devpi: Devpi, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.devpi = devpi
        self.version = version
        self.wheel = f"agentrail_runtime-{version}-py3-none-any.whl"
        self._monkeypatch = monkeypatch

    def channel(self, stage: Stage, *, user: Stage | None = None) -> DevpiChannel:
        user = user or stage
        log_in(self._monkeypatch, f"{user}-owner", f"{user}-s3cret")
        channel = DevpiChannel(self.devpi.policy(stage, path(stage)))
        channel.distributions()
        return channel

    def served(self, channel: DevpiChannel) -> dict[str, str]:
        rows = channel.distributions()
        return {row.filename: row.sha256 for row in rows if row.version == self.version}

    def published(self, channel: DevpiChannel) -> Files:
        origin = built(self.version)
        channel.add(origin.distributions(), origin)
        return origin

    def rows(self, channel: DevpiChannel) -> list[Distribution]:
        return [row for row in channel.distributions() if row.version == self.version]


def path(stage: Stage) -> str:
    return f"{stage}-owner/{stage}"


@pytest.fixture(scope="session")
def owned(devpi: Devpi) -> Devpi:
    for stage in ("internal", "pilot"):
        name = f"{stage}-owner"
        devpi.make_user(name, f"{stage}-s3cret")
        devpi.make_index(f"{name}/{stage}", acl_upload=[name])
    return devpi


VERSIONS = (f"1.{number}.0" for number in itertools.count())


@pytest.fixture
def stages(owned: Devpi, monkeypatch: pytest.MonkeyPatch) -> Stages:
    return Stages(owned, next(VERSIONS), monkeypatch)


def told(origin: Files) -> dict[str, str]:
    return {row.filename: row.sha256 for row in origin.distributions()}


def test_a_published_release_is_served_with_the_same_bytes(stages: Stages) -> None:
    channel = stages.channel("internal")
    assert stages.served(channel) == {}
    origin = stages.published(channel)
    assert stages.served(channel) == told(origin)
    row = next(row for row in channel.distributions() if row.filename == stages.wheel)
    assert channel.fetch(row) == wheel(stages.version)
    assert (channel.name, channel.location) == ("internal", f"{stages.devpi.url}/{path('internal')}")


def test_publishing_again_changes_nothing(stages: Stages) -> None:
    channel = stages.channel("internal")
    stages.published(channel)
    assert stages.served(channel) == told(stages.published(channel))


def test_other_bytes_under_a_published_name_are_refused(stages: Stages) -> None:
    channel = stages.channel("internal")
    origin = stages.published(channel)
    other = built(stages.version, text="other")
    with pytest.raises(ChannelError, match="another file of that name is there"):
        channel.add(other.distributions(), other)
    assert stages.served(channel) == told(origin)


def test_a_promotion_moves_the_very_files_on_the_server(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    internal = stages.channel("internal")
    origin = stages.published(internal)
    monkeypatch.setattr(internal, "fetch", pytest.fail)
    pilot = stages.channel("pilot")
    pilot.add(stages.rows(internal), internal)
    assert stages.served(pilot) == told(origin)


def test_a_part_of_a_version_is_promoted_without_the_rest(stages: Stages) -> None:
    internal = stages.channel("internal")
    stages.published(internal)
    pilot = stages.channel("pilot")
    pilot.add([row for row in stages.rows(internal) if row.filename == stages.wheel], internal)
    assert stages.served(pilot) == {stages.wheel: sha256(wheel(stages.version))}


def test_files_from_another_server_are_uploaded(stages: Stages) -> None:
    files = built(stages.version)
    page = "".join(
        f'<a href="/{row.filename}#sha256={row.sha256}">{row.filename}</a>'
        for row in files.distributions()
    )
    bodies = {f"/{row.filename}": reply(files.fetch(row)) for row in files.distributions()}
    with serving({**bodies, "*": reply(page)}) as server:
        other = DevpiChannel(policy("internal", "devpi", None, f"{server.url}/anna/internal"))
        pilot = stages.channel("pilot")
        pilot.add(other.distributions(), other)
    assert stages.served(pilot) == told(files)


@pytest.mark.parametrize("is_pushed", [True, False])
def test_the_owner_of_one_stage_cannot_publish_to_another(stages: Stages, is_pushed: bool) -> None:
    internal = stages.channel("internal")
    origin = stages.published(internal)
    pilot = stages.channel("pilot", user="internal")
    with pytest.raises(ChannelError, match=r"answers 40[13]") as caught:
        pilot.add(stages.rows(internal), internal if is_pushed else origin)
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.hint == "the user and password used are from: environment"
    assert stages.served(pilot) == {}


def test_a_wrong_password_is_told_without_showing_it(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = DevpiChannel(stages.devpi.policy("internal", path("internal")))
    log_in(monkeypatch, "internal-owner", "wr0ng")
    with pytest.raises(ChannelError, match="could not be authenticated") as caught:
        channel._login()
    assert "wr0ng" not in f"{caught.value} {caught.value.hint} {caught.value.args}"


def test_nobody_publishes_without_a_user(stages: Stages) -> None:
    channel = DevpiChannel(stages.devpi.policy("internal", path("internal")))
    with pytest.raises(ChannelError, match="no user to log in with") as caught:
        channel.withdraw("1.0.0", "bad")
    assert "AGENTRAIL_INDEX_USERNAME" in str(caught.value.hint)


def test_a_withdrawn_version_is_gone_for_pinned_users_and_the_others_stay(stages: Stages) -> None:
    channel = stages.channel("internal")
    stages.published(channel)
    row = next(row for row in stages.rows(channel) if row.filename == stages.wheel)
    others = {*channel.distributions()} - {*stages.rows(channel)}
    assert channel.withdraw(stages.version.removesuffix(".0"), "bad") is True
    assert {*channel.distributions()} == others
    with pytest.raises(ChannelError, match=r"answers 4(04|10)"):
        channel.fetch(row)


def test_a_version_that_is_not_there_cannot_be_withdrawn(stages: Stages) -> None:
    channel = stages.channel("internal")
    before = channel.distributions()
    with pytest.raises(ChannelError, match="answers 404"):
        channel.withdraw("9.9.9", "bad")
    assert channel.distributions() == before


def test_a_version_that_a_base_still_serves_is_not_called_gone(stages: Stages) -> None:
    internal = stages.channel("internal")
    stages.published(internal)
    pilot = stages.channel("pilot")
    pilot.add(stages.rows(internal), internal)
    stages.devpi.ask("PATCH", path("pilot"), ["bases+=" + path("internal")])
    assert pilot.withdraw(stages.version, "bad") is False
    stages.devpi.ask("PATCH", path("pilot"), ["bases-=" + path("internal")])


def test_a_file_that_is_no_distribution_is_not_uploaded(stages: Stages) -> None:
    origin, channel = Files({stages.wheel: b"no zip"}), stages.channel("internal")
    with pytest.raises(ChannelError, match=f"{stages.wheel}: "):
        channel.add(origin.distributions(), origin)
    assert stages.served(channel) == {}


@pytest.mark.parametrize(
    ("index_url", "location"),
    [
        (None, None),
        ("https://host/+simple/", None),
        (None, "https://host/user"),
        (None, "directory/user/index"),
    ],
)
def test_a_channel_without_an_index_says_what_to_name(
    index_url: str | None, location: str | None
) -> None:
    with pytest.raises(ChannelError, match=r"channels.pilot.location: expected an index"):
        DevpiChannel(policy("pilot", "devpi", index_url, location))


def test_the_index_is_known_by_either_url() -> None:
    by_page = DevpiChannel(policy("pilot", "devpi", "https://host/x/anna/pilot/+simple/", None))
    by_index = DevpiChannel(policy("pilot", "devpi", None, "https://host/x/anna/pilot/"))
    assert by_page.location == by_index.location == "https://host/x/anna/pilot"
    assert by_page._index.url == by_index._index.url == "https://host/x/anna/pilot/+simple"
    assert (by_page._server, by_page._path) == ("https://host/x", "anna/pilot")


@pytest.mark.parametrize("answer", ["no json", "[]", '{"result": {"password": 7}}', "[" * 100_000])
def test_a_server_that_is_no_devpi_is_told(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    log_in(monkeypatch, "anna", "s3cret")
    with serving(reply(answer)) as server:
        channel = DevpiChannel(policy("pilot", "devpi", None, f"{server.url}/anna/pilot"))
        with pytest.raises(ChannelError, match="the login gave no token"):
            channel._login()


def test_a_server_that_takes_files_and_does_not_serve_them_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_in(monkeypatch, "anna", "s3cret")
    login = reply('{"result": {"password": "t0ken"}}')
    origin = built("1.0.0")
    with serving({"/+login": login, "/anna/pilot/": reply("{}"), "*": reply("", 404)}) as server:
        channel = DevpiChannel(policy("pilot", "devpi", None, f"{server.url}/anna/pilot"))
        with pytest.raises(ChannelError, match="not there, although the server took it"):
            channel.add(origin.distributions(), origin)


def test_no_secret_that_a_server_repeats_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(monkeypatch, "anna", "s3cret")
    login = reply('{"result": {"password": "t0ken"}}')
    refusal = reply('{"message": "anna:s3cret, t0ken\\u001b[31m, YW5uYTp0MGtlbg=="}', 403)
    with serving({"/+login": login, "*": refusal}) as server:
        channel = DevpiChannel(policy("pilot", "devpi", None, f"{server.url}/anna/pilot"))
        with pytest.raises(ChannelError, match=r"answers 403 Forbidden: anna:\*\*\*, \*\*\*") as caught:
            channel._push("1.0.0", channel)
    assert caught.value.message.endswith(": anna:***, ***, ***")


def test_a_refusal_without_a_word_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(monkeypatch, "anna", "s3cret")
    with serving(reply("<html>", 403)) as server:
        channel = DevpiChannel(policy("pilot", "devpi", None, f"{server.url}/anna/pilot"))
        with pytest.raises(ChannelError, match=r"answers 403 Forbidden$"):
            channel._login()


@pytest.mark.parametrize("status", [200, 403])
def test_a_file_that_is_still_served_after_all_is_not_called_gone(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    log_in(monkeypatch, "anna", "s3cret")
    login = reply('{"result": {"password": "t0ken"}}')
    routes = {"/+login": login, f"/{WHEEL}": reply("x", status), "*": reply("{}")}
    with serving(routes) as server:
        channel = DevpiChannel(policy("pilot", "devpi", None, f"{server.url}/anna/pilot"))
        rows = iter([[Distribution(WHEEL, "1.0.0", "0" * 64, url=f"{server.url}/{WHEEL}")], []])
        monkeypatch.setattr(channel._index, "distributions", lambda: next(rows))
        if status == 200:
            assert channel.withdraw("1.0.0", "bad") is False
            return
        with pytest.raises(ChannelError, match="answers 403"):
            channel.withdraw("1.0.0", "bad")
