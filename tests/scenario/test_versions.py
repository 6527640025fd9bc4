"""Older, newer, unknown: which versions replace which, and what survives a rewrite of the receipt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.scenario.story import (
    BASE,
    GUIDE,
    MINE,
    NEXT,
    agentrail,
    guide,
    install,
    receipt,
    record,
)
from tests.support import git, snapshot, write, write_index

RECEIPT = ".agentrail/receipt.json"


@pytest.mark.parametrize(
    ("installed", "offered", "code"),
    [
        (("1.1.0", 2), ("1.0.0", 1), 5),
        (("1.1.0", 2), ("1.0.0", 3), 5),
        (("1.1.0", 2), ("1.1.0", 1), 5),
        (("1.1.0", 2), ("1.2.0", 1), 5),
        (("1.1.0", 2), ("1.1.0", 2), 0),
        (("1.1.0", 2), ("1.1.0", 3), 0),
        (("1.1.0", 2), ("1.10.0", 3), 0),
        (("1.10.0", 2), ("1.9.0", 3), 5),
        (("1.0.0", 2), ("1.0.0rc1", 2), 5),
        (("1.0.0rc1", 2), ("1.0.0", 2), 0),
        (("1.0.0.dev1", 2), ("1.0.0a1", 2), 0),
    ],
)
def test_an_older_version_or_release_never_slips_in(
    repo: Path, tmp_path: Path, installed: tuple[str, int], offered: tuple[str, int], code: int
) -> None:
    install(repo, bundle=guide(tmp_path / "a", BASE, installed[0], release_seq=installed[1]))
    before = snapshot(repo, with_state=True, with_times=True)
    bundle = guide(tmp_path / "b", NEXT, offered[0], release_seq=offered[1])
    run = install(repo, bundle=bundle)
    assert run.code == code
    if code:
        assert "a downgrade" in run.err
        assert snapshot(repo, with_state=True, with_times=True) == before


def test_a_downgrade_that_is_allowed_brings_the_older_bytes(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v2)
    run = install(repo, "--json", "--allow-downgrade", bundle=v1)
    assert (run.code, run.json["previous_version"], run.json["runtime_version"]) == (
        0,
        "1.1.0",
        "1.0.0",
    )
    assert (repo / GUIDE).read_bytes() == BASE
    assert agentrail("verify", repo).code == 0


def test_a_downgrade_that_is_allowed_keeps_the_users_edit(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v2)
    write(repo, {GUIDE: b"one, mine\ntwo\nthree\nfour\nfive, next\n"})
    assert install(repo, "--allow-downgrade", bundle=v1).code == 3
    assert install(repo, "--allow-downgrade", "--on-conflict", "merge", bundle=v1).code == 0
    assert (repo / GUIDE).read_bytes() == MINE


@pytest.mark.parametrize("words", [("--dry-run",), ("--check",), ("--diff",), ("-f",)])
def test_no_other_option_allows_a_downgrade(
    repo: Path, v1: Path, v2: Path, words: tuple[str, ...]
) -> None:
    install(repo, bundle=v2)
    assert install(repo, *words, bundle=v1).code == 5


def test_a_version_that_is_none_is_refused_as_an_upgrade(repo: Path, v1: Path, tmp_path: Path) -> None:
    install(repo, bundle=v1)
    run = install(repo, bundle=guide(tmp_path / "b", NEXT, "latest", release_seq=2))
    assert run.code == 6
    assert "'latest' is no version" in run.err


def test_an_installed_version_that_is_none_can_be_upgraded(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {RECEIPT: json.dumps({**receipt(repo), "runtime_version": "from somebody's fork"})})
    assert install(repo, bundle=v2).code == 0
    assert receipt(repo)["runtime_version"] == "1.1.0"


def test_unknown_keys_of_the_receipt_survive_an_upgrade(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    value = receipt(repo)
    value["future"] = {"深い": [1, None]}
    value["source"]["mirror"] = "m"
    value["entries"][1]["note"] = "n"
    write(repo, {RECEIPT: json.dumps(value)})
    assert install(repo, bundle=v2).code == 0
    after = receipt(repo)
    assert (after["future"], after["source"]["mirror"]) == ({"深い": [1, None]}, "m")
    assert record(repo)["note"] == "n"
    assert after["runtime_version"] == "1.1.0"


def test_unknown_keys_alone_are_no_reason_to_write(repo: Path, v1: Path) -> None:
    install(repo, bundle=v1)
    value = {**receipt(repo), "future": 1}
    write(repo, {RECEIPT: json.dumps(value, sort_keys=True, indent=2) + "\n"})
    assert install(repo, "--json", bundle=v1).json["result"] == "unchanged"


@pytest.mark.parametrize("schema", ["2.0", "0.9", "10.0"])
def test_a_receipt_outside_the_window_exits_5(repo: Path, v1: Path, schema: str) -> None:
    install(repo, bundle=v1)
    write(repo, {RECEIPT: json.dumps({**receipt(repo), "schema_version": schema})})
    run = install(repo, bundle=v1)
    assert run.code == 5
    assert f"expected 1.x, got {schema}" in run.err


@pytest.mark.parametrize("schema", ["1.0", "1.1", "1.99"])
def test_a_receipt_inside_the_window_is_read(repo: Path, v1: Path, schema: str) -> None:
    install(repo, bundle=v1)
    write(repo, {RECEIPT: json.dumps({**receipt(repo), "schema_version": schema})})
    assert agentrail("verify", repo).code == 0


@pytest.mark.parametrize(("schema", "code"), [("1.9", 0), ("2.0", 5)])
def test_an_index_is_read_inside_its_window_only(repo: Path, v1: Path, schema: str, code: int) -> None:
    path = v1 / "runtime.index.json"
    path.write_text(
        path.read_text().replace('"schema_version": "1.0"', f'"schema_version": "{schema}"')
    )
    assert install(repo, bundle=v1).code == code


def test_a_committed_receipt_that_git_brings_back_is_upgraded_again(
    repo: Path, v1: Path, v2: Path
) -> None:
    """A checkout of an older commit brings old files and the old receipt: both fit."""
    install(repo, bundle=v1)
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "v1")
    install(repo, bundle=v2)
    git(repo, "checkout", "-q", "--", ".")
    assert agentrail("verify", repo).code == 0
    assert install(repo, bundle=v2).code == 0
    assert (repo / GUIDE).read_bytes() == NEXT


def test_the_same_version_with_other_bytes_is_delivered(repo: Path, v1: Path) -> None:
    install(repo, bundle=v1)
    write(v1, {GUIDE: NEXT})
    write_index(v1, ownership={}, version="1.0.0", release_seq=1)
    assert install(repo, bundle=v1).code == 0
    assert (repo / GUIDE).read_bytes() == NEXT
