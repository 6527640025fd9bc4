"""The commands of ``agentrail release`` on channels of a real server, as a maintainer types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentrail_runtime.devpi_channel import DevpiChannel
from agentrail_runtime.release.record import Decision, dump
from tests.network.service import Devpi, built
from tests.support import PAYLOAD, agentrail

ACTOR = "The AgentRail developers"
SECRET = "0wner-s3cret"


@pytest.fixture(scope="session")
def owned(devpi: Devpi) -> Devpi:
    devpi.make_user("owner", SECRET)
    for stage in ("internal", "pilot"):
        devpi.make_index(f"owner/{stage}", acl_upload=["owner"])
    return devpi


@pytest.fixture
def policy(owned: Devpi, tmp_path: Path) -> Path:
    text = (PAYLOAD / "distribution.yaml").read_text()
    for stage in ("internal", "pilot"):
        url = f"{owned.url}/owner/{stage}/+simple/"
        old = f"{stage}: {{kind: static, index_url: null"
        assert old in text
        text = text.replace(old, f'{stage}: {{kind: devpi, index_url: "{url}"')
    path = tmp_path / "distribution.yaml"
    path.write_text(text)
    return path


def decided(path: Path, version: str) -> Path:
    """Return a file of decisions with one that lets a version leave the first channel."""
    decision = Decision(
        "internal", version, "promote", False, "enough installs", "2030-01-02T03:04:05Z"
    )
    path.write_bytes(dump(decision))
    return path


@pytest.mark.parametrize("words", [("-v",), ("-v", "--json")])
@pytest.mark.parametrize("password", [SECRET, "wr0ng-s3cret"])
def test_no_command_prints_the_password_that_it_uses(
    policy: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    password: str,
) -> None:
    monkeypatch.setenv("AGENTRAIL_INDEX_USERNAME", "owner")
    monkeypatch.setenv("AGENTRAIL_INDEX_PASSWORD", password)
    run = agentrail("release", "status", "--policy", policy, *words)
    assert "s3cret" not in run.out + run.err
    assert "internal" in run.out


def test_a_version_is_promoted_probed_and_withdrawn_on_the_server(
    owned: Devpi, policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTRAIL_INDEX_USERNAME", "owner")
    monkeypatch.setenv("AGENTRAIL_INDEX_PASSWORD", SECRET)
    origin = built("1.1.0")
    internal = DevpiChannel(owned.policy("internal", "owner/internal"))
    internal.add(origin.distributions(), origin)
    decisions = decided(tmp_path / "decisions.jsonl", "1.1.0")
    setting = ("--policy", policy, "--version", "1.1.0")
    run = agentrail(
        *("release", "promote", *setting, "--to", "pilot", "--approver", "ada", "--actor", ACTOR),
        *("--decisions", decisions, "--json"),
    )
    assert (run.code, run.json["result"]) == (0, "applied"), run.out + run.err
    probe = ("release", "probe", *setting, "--channel", "pilot")
    assert agentrail(*probe).out.startswith("OK: ")
    pilot = DevpiChannel(owned.policy("pilot", "owner/pilot"))
    assert pilot.withdraw("1.1.0", "bad") is True
    assert agentrail(*probe).out.startswith("WITHDRAWN: ")
