"""docs/examples/ansible over hosts that are directories: batches, failures, gate, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agentrail_runtime import __version__
from tests.fleet.support import NEXT, Fleet, Releases, needs_ansible, needs_posix, needs_ssh
from tests.gate_support import run as events_of
from tests.support import Node, write

pytestmark = [pytest.mark.slow, needs_ansible, needs_posix]

Make = Callable[[int], Fleet]


@needs_ssh
def test_a_check_tells_what_would_become_of_every_host_and_writes_nothing(
    fleet: Make, dead_port: int
) -> None:
    hosts = fleet(3)
    hosts.conflict("host-02")
    hosts.disconnect("host-03", dead_port)
    before = hosts.trees()
    done = hosts.play("check")
    assert done.code == 2
    assert done.standing == {"changed": ["host-01"], "failed": ["host-02"], "unreachable": ["host-03"]}
    assert done.recap("changed") == {"host-01": 1, "host-02": 0, "host-03": 0}
    assert "docs/templates/spec.md: conflict: not installed by agentrail (hint: choose: " in done.said
    assert "+++ incoming/docs/templates/plan.md\n" in done.out
    assert hosts.trees() == before
    assert not (hosts.controller / "events").exists()


@needs_ssh
def test_a_batch_that_loses_hosts_goes_back_and_no_other_is_begun(fleet: Make, dead_port: int) -> None:
    hosts = fleet(5)
    hosts.settings |= {"agentrail_batches": [1, 3, "100%"], "agentrail_hold_hosts": 5}
    hosts.conflict("host-03")
    hosts.disconnect("host-04", dead_port)
    before = hosts.trees()
    done = hosts.play("roll out")
    assert done.code == 2
    assert done.batches == [["host-01"], ["host-02", "host-03", "host-04"]]
    assert done.standing == {
        "changed": ["host-01"],
        "rolled back": ["host-02"],
        "failed": ["host-03"],
        "unreachable": ["host-04"],
        "not begun": ["host-05"],
    }
    assert "rolled back: 2 of 3 hosts of the batch were lost: host-03, host-04" in done.said
    assert hosts.version("host-01") == __version__
    after = hosts.trees()
    assert [name for name in hosts.names if after[name] == before[name]] == ["host-04", "host-05"]
    assert [hosts.version(name) for name in hosts.names[1:]] == ["0.9.0"] * 4
    assert files(after["host-02"]) == files(before["host-02"])
    assert files(after["host-03"]) == files(before["host-03"])


def files(tree: dict[str, Node]) -> dict[str, Node]:
    """Return what is in the repository of a host, the state directory and times left out."""
    return {
        name: node._replace(mtime=None)
        for name, node in tree.items()
        if name.startswith("repository/") and "/.agentrail/state" not in name
    }


@needs_ssh
def test_twelve_hosts_get_there_but_those_that_are_lost_and_later_only_what_is_left(
    fleet: Make, dead_port: int
) -> None:
    hosts = fleet(12)
    events = str(hosts.place / "events")
    hosts.shared |= {"agentrail_events_directory": events, "agentrail_fetch_events": False}
    hosts.settings |= {
        "agentrail_batches": [1, 3, "100%"],
        "agentrail_tolerated_percentage": 70,
        "agentrail_hold_hosts": 12,
        "agentrail_gate_events": events,
    }
    Path(events).mkdir()
    hosts.conflict("host-03")
    connected = dict(hosts.hosts["host-04"])
    hosts.disconnect("host-04", dead_port)
    others = [name for name in hosts.names if name not in ("host-03", "host-04")]

    first = hosts.play("roll out")
    assert first.code == 2
    assert first.batches == [hosts.names[:1], hosts.names[1:4], hosts.names[4:]]
    assert first.standing == {"changed": others, "failed": ["host-03"], "unreachable": ["host-04"]}
    assert {hosts.version(name) for name in others} == {__version__}
    assert [hosts.version(name) for name in ("host-03", "host-04")] == ["0.9.0", "0.9.0"]

    (hosts.repository("host-03") / "docs" / "templates" / "spec.md").unlink()
    hosts.hosts["host-04"] = connected
    before = hosts.trees()
    second = hosts.play("limit", HOSTS=",".join(hosts.names[:4]))
    assert second.code == 0
    assert second.standing == {
        "changed": ["host-03", "host-04"],
        "unchanged": ["host-01", "host-02"],
    }
    assert second.recap("changed") == {"host-01": 0, "host-02": 0, "host-03": 1, "host-04": 1}
    assert [hosts.trees()[name] == before[name] for name in others] == [True] * 10
    assert {hosts.version(name) for name in hosts.names} == {__version__}


def test_the_gate_ends_a_roll_out_and_sends_a_batch_back(fleet: Make) -> None:
    hosts = fleet(2)
    hosts.settings["agentrail_batches"] = [1]
    rested = hosts.play("roll out")
    assert rested.code == 2
    assert rested.batches == [["host-01"]]
    assert rested.standing == {"changed": ["host-01"], "not begun": ["host-02"]}
    assert "not begun: The gate says hold: too few first attempts" in rested.said

    damaged = events_of("other", version=__version__, outcome="failed", error_code=6)
    write(hosts.place / "host-02" / "events", {"other.jsonl": damaged})
    stopped = hosts.play("roll out", more=" --extra-vars agentrail_hold_hosts=2")
    assert stopped.code == 2
    assert stopped.standing == {"unchanged": ["host-01"], "rolled back": ["host-02"]}
    assert "rolled back: The gate says stop: 1 event with error_code 6" in stopped.said
    assert [hosts.version(name) for name in hosts.names] == [__version__, "0.9.0"]

    before = hosts.trees()
    refused = hosts.play("roll out")
    assert (refused.code, refused.batches) == (2, [])
    assert refused.standing == {"not begun": ["host-01", "host-02"]}
    assert hosts.trees() == before


def test_a_host_gets_the_version_from_the_index_and_goes_back_exactly(
    fleet: Make, releases: Releases
) -> None:
    hosts = fleet(1)
    del hosts.shared["agentrail_executable"]
    hosts.settings |= {"agentrail_version": NEXT, "agentrail_stage": ""}
    before = files(hosts.trees()["host-01"])
    with releases.serving() as url:
        hosts.shared["agentrail_index_url"] = url
        assert hosts.play("prepare").code == 0
    assert files(hosts.trees()["host-01"]) == before
    done = hosts.play("roll out")
    assert (done.code, done.standing) == (0, {"changed": ["host-01"]})
    assert hosts.version("host-01") == NEXT
    assert (hosts.place / "host-01" / NEXT / "bin" / "agentrail").exists()

    tried = hosts.play("try to go back")
    assert (tried.code, tried.recap("changed")) == (0, {"host-01": 1})
    assert hosts.version("host-01") == NEXT
    back = hosts.play("go back")
    assert (back.code, back.recap("changed")) == (0, {"host-01": 1})
    assert files(hosts.trees()["host-01"]) == before
