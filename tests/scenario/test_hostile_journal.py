"""A journal or a record that is damaged or forged: exit 7, named, and nothing is deleted."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.hostile import (
    COMMANDS,
    ODD,
    as_it_was,
    bounded,
    copy_of,
    make_outside,
    process,
    refused,
    replace,
    untouched,
)
from tests.scenario.test_hostile_receipt import DAMAGED
from tests.support import agentrail, install, make_repo, payload_bundle, snapshot

STATE = ".agentrail/state"
JOURNAL = f"{STATE}/journal"
RULES = "docs/operations/runtime-framework-rules.md"
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(autouse=True)
def _quick_and_never_hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no power fails here
    with bounded():
        yield


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the target, with somebody's files."""
    return make_outside(tmp_path / "outside")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two transactions behind it, to be copied."""
    place = tmp_path_factory.mktemp("template")
    root = make_repo(place / "repo")
    assert install(root).code == 0
    assert install(root, bundle=payload_bundle(place / "bundle", changed={RULES: "new\n"})).code == 0
    return root


@pytest.fixture
def upgraded(template: Path, tmp_path: Path) -> Path:
    """A repository with two transactions behind it."""
    return copy_of(template, tmp_path / "repo")


def last_record(root: Path) -> Path:
    """Return the record of the last transaction."""
    return max((root / STATE / "stash").iterdir()) / "record"


def make_hot(root: Path, change: Change) -> None:
    """Put the last transaction's journal, edited by `change`, where that of a killed run lies."""
    value = json.loads(last_record(root).read_bytes())
    last_record(root).unlink()
    change(value)
    (root / JOURNAL).write_text(json.dumps(value))


def put_step(**step: Any) -> Change:
    """Return the forgery that adds a step."""
    image = {"sha256": "0" * 64, "size": 1, "mode": 0o644}
    row = {"path": "docs/x.md", "before": image, "after": None, "is_edited": False, **step}
    return lambda value: value["steps"].append(row)


FORGED: dict[str, Change] = {
    "a parent": put_step(path="../outside/secret"),
    "a parent within": put_step(path="docs/../../outside/secret"),
    "absolute": put_step(path="/etc/passwd"),
    "a drive letter": put_step(path="C:/x"),
    "backslashes": put_step(path="..\\outside\\secret"),
    "NUL": put_step(path="docs/a\0b"),
    "git's": put_step(path=".git/hooks/post-checkout"),
    "our state": put_step(path=f"{STATE}/lock"),
    "our state in capitals": put_step(path=".AGENTRAIL/State/lock"),
    "4 KB": put_step(path="a/" * 2048 + "b"),
    "a name of 4 KB": put_step(path="x" * 4096),
    "half a surrogate": put_step(path="docs/\ud800"),
    "a number": put_step(path=7),
    "listed twice": put_step(path=RULES, after={"sha256": "0" * 64, "size": 1, "mode": 0o644}),
    "an image that is none": put_step(after="x"),
    "a digest that is none": put_step(after={"sha256": "../x", "size": 1, "mode": 0}),
    "a size that is none": put_step(after={"sha256": "0" * 64, "size": None, "mode": 0}),
    "a flag that is none": put_step(is_edited="yes"),
    "a step that is no object": lambda value: value["steps"].append("x"),
    "steps that are no list": lambda value: value.update(steps={}),
    "an id that is a path": lambda value: value.update(transaction="../../docs"),
    "an absolute id": lambda value: value.update(transaction="/etc"),
    "an empty id": lambda value: value.update(transaction=""),
    "an id of dots": lambda value: value.update(transaction=".."),
    "an id of 4 KB": lambda value: value.update(transaction="x" * 4096),
    "an id that is no text": lambda value: value.update(transaction=["x"]),
    "a made directory outside": lambda value: value.update(made_directories=["../outside/empty"]),
    "a made directory of git's": lambda value: value.update(made_directories=[".git/refs/tags"]),
    "a made directory that is none": lambda value: value.update(made_directories=[7]),
    "an emptied directory outside": lambda value: value.update(
        emptied_directories=[{"path": "../outside/new", "mode": 0o755}]
    ),
    "an emptied directory without mode": lambda value: value.update(
        emptied_directories=[{"path": "docs/new"}]
    ),
    "an emptied directory that is none": lambda value: value.update(emptied_directories=["docs"]),
    "an undone id that is a path": lambda value: value.update(undoes=["../x"]),
    "a text outside of the stash": lambda value: value.update(deliveries=[{"sha256": "x"}]),
    "an unknown operation": lambda value: value.update(operation="format"),
    "a newer schema": lambda value: value.update(schema_version="2.0"),
    "a schema that is none": lambda value: value.update(schema_version="new"),
    "a schema of 5000 digits": lambda value: value.update(schema_version="1" * 5000 + ".0"),
    "a sequence that is none": lambda value: value.update(sequence="1"),
    "no steps": lambda value: value.pop("steps"),
}


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "install --dry-run"])
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_journal_stops_every_command_and_nothing_is_deleted(
    upgraded: Path, name: str, command: str
) -> None:
    make_hot(upgraded, lambda value: None)
    (upgraded / JOURNAL).write_bytes(DAMAGED[name])
    with as_it_was(upgraded):
        refused(COMMANDS[command](upgraded), 7, f"{JOURNAL}: ", f"{STATE}/stash")


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_journal_stops_every_command_and_nothing_is_deleted(
    upgraded: Path, outside: Path, name: str
) -> None:
    make_hot(upgraded, FORGED[name])
    with untouched(outside), as_it_was(upgraded):
        for command in ("verify", "install", "uninstall"):
            refused(COMMANDS[command](upgraded), 7, f"{JOURNAL}: ", f"{STATE}/stash")


@pytest.mark.parametrize("name", ["a truncated one", "a parent", "half a surrogate", "4 KB"])
def test_a_forged_journal_is_told_on_a_real_terminal_too(upgraded: Path, name: str) -> None:
    make_hot(upgraded, FORGED.get(name, lambda value: value.clear()))
    for words in (("verify",), ("verify", "--json"), ("status",), ("install", "--json")):
        done = process(*words, upgraded)
        assert (done.code, "Traceback" in done.err) == (7, False), done


def test_a_repository_that_ships_a_journal_cannot_reach_out_of_itself(
    upgraded: Path, outside: Path
) -> None:
    """A clone of a hostile repository: its journal is well formed, its directories are symlinks."""
    make_hot(upgraded, lambda value: None)
    for name in ("docs", f"{STATE}/stash"):
        shutil.move(upgraded / name, outside / Path(name).name)
        (upgraded / name).symlink_to(outside / Path(name).name)
    with untouched(outside):
        done = agentrail("verify", upgraded)
    assert (done.code in (1, 7), "Traceback" in done.err) == (True, False), done


def test_a_journal_of_a_newer_minor_schema_is_recovered(upgraded: Path) -> None:
    make_hot(upgraded, lambda value: value.update(schema_version="1.3", more=1))
    done = agentrail("verify", upgraded)
    assert (done.code, "an earlier run was interrupted" in done.err) == (0, True)


def test_a_mode_that_no_directory_has_does_not_keep_a_target_from_being_recovered(
    upgraded: Path,
) -> None:
    row = {"path": "docs/new", "mode": 10**30}
    make_hot(upgraded, lambda value: value.update(emptied_directories=[row]))
    assert agentrail("verify", upgraded).code in (0, 7)


# --- records: what rollback reads ------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("--force",)])
@pytest.mark.parametrize("name", ["empty", "truncated", "not JSON", "NUL bytes"])
def test_a_rollback_does_not_skip_a_damaged_record_to_undo_an_older_run(
    upgraded: Path, name: str, words: tuple[str, ...]
) -> None:
    record = last_record(upgraded)
    record.write_bytes(DAMAGED[name])
    with as_it_was(upgraded):
        done = agentrail("rollback", *words, upgraded)
    assert (done.code in (1, 7), f"{record.parent.name}/record" in done.err) == (True, True), done


@pytest.mark.parametrize("what", ODD)
def test_a_rollback_does_not_skip_a_record_that_is_no_file(upgraded: Path, what: str) -> None:
    record = last_record(upgraded)
    replace(record, ODD[what])
    with as_it_was(upgraded):
        refused(agentrail("rollback", upgraded), 1, f"{record.parent.name}/record")


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_record_makes_no_command_write_outside(
    upgraded: Path, outside: Path, name: str
) -> None:
    value = json.loads(last_record(upgraded).read_bytes())
    FORGED[name](value)
    last_record(upgraded).write_text(json.dumps(value))
    with untouched(outside):
        done = {command: COMMANDS[command](upgraded) for command in ("verify", "rollback", "install")}
    assert {name: run.code for name, run in done.items() if run.code in (70, 99)} == {}
    assert "Traceback" not in str(done)


@pytest.mark.parametrize("damage", [b"", b"damaged", None])
def test_a_rollback_puts_no_damaged_stash_over_the_users_files(
    upgraded: Path, damage: bytes | None
) -> None:
    stashed = last_record(upgraded).parent / "replaced" / RULES
    stashed.unlink() if damage is None else stashed.write_bytes(damage)
    with as_it_was(upgraded):
        refused(agentrail("rollback", upgraded), 7, f"{RULES}: missing or altered")


def test_what_somebody_else_put_into_the_state_directory_stays(upgraded: Path) -> None:
    (upgraded / STATE / "note.txt").write_bytes(b"mine")
    (upgraded / STATE / "mine").mkdir()
    assert agentrail("verify", upgraded).code == 0
    assert install(upgraded, "--allow-downgrade").code == 0
    assert snapshot(upgraded, with_state=True)[f"{STATE}/note.txt"].content == b"mine"
