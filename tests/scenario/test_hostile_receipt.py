"""A receipt that is damaged, forged or of a newer schema: named, exit 1 or 5, nothing written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.hostile import (
    COMMANDS,
    as_it_was,
    bounded,
    copy_of,
    make_outside,
    process,
    refused,
    untouched,
)
from tests.support import agentrail, install, make_repo

RECEIPT = ".agentrail/receipt.json"
SPEC = "docs/templates/spec.md"
READERS = ("install", "install --on-conflict overwrite", "verify", "status", "diff", "uninstall")


@pytest.fixture(autouse=True)
def _quick_and_never_hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no power fails here
    with bounded():
        yield


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with AgentRail installed, to be copied."""
    root = make_repo(tmp_path_factory.mktemp("template") / "repo")
    assert install(root).code == 0
    return root


@pytest.fixture
def installed(template: Path, tmp_path: Path) -> Path:
    """A repository with AgentRail installed."""
    return copy_of(template, tmp_path / "repo")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the target, with somebody's files."""
    return make_outside(tmp_path / "outside")


def forge(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Let `change` edit the receipt's value in place."""
    value = json.loads((root / RECEIPT).read_bytes())
    change(value)
    (root / RECEIPT).write_text(json.dumps(value))


def put_entry(path: object) -> Callable[[dict[str, Any]], object]:
    """Return the forgery that adds an entry for `path`."""
    return lambda value: value["entries"].append({**value["entries"][0], "path": path})


DAMAGED = {
    "empty": b"",
    "truncated": b'{"schema_version": "1.0", "entries": [{"path": "docs',
    "not JSON": b"<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> theirs\n",
    "not UTF-8": b'{"schema_version": "\xff"}',
    "NUL bytes": bytes(4096),
    "a list": b"[]",
    "null": b"null",
    "a number": b"1",
    "an empty object": b"{}",
    "nested too deep": b"[" * 200_000,
    "a number too long": b'{"schema_version": ' + b"1" * 5000 + b"}",
    "a key twice": b'{"schema_version": "1.0", "schema_version": "1.0"}',
}


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_receipt_is_named_and_nothing_is_written(
    installed: Path, name: str, command: str
) -> None:
    (installed / RECEIPT).write_bytes(DAMAGED[name])
    with as_it_was(installed):
        refused(COMMANDS[command](installed), 1, f"{RECEIPT}: ")


FORGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "a parent": put_entry("../outside/secret"),
    "a parent within": put_entry("docs/../../outside/secret"),
    "absolute": put_entry("/etc/passwd"),
    "a drive letter": put_entry("C:/Windows/win.ini"),
    "backslashes": put_entry("..\\outside\\secret"),
    "NUL": put_entry("docs/a\0b"),
    "a newline": put_entry("docs/a\nb"),
    "reserved on Windows": put_entry("docs/con.md"),
    "git's": put_entry(".git/hooks/post-checkout"),
    "git's in capitals": put_entry(".GIT/config"),
    "git's for HFS+": put_entry(".g\u200cit/config"),
    "git's for NTFS": put_entry("git~1/config"),
    "our own": put_entry(RECEIPT),
    "our state": put_entry(".agentrail/state/journal"),
    "our state in capitals": put_entry(".Agentrail/STATE/journal"),
    "4 KB": put_entry("a/" * 2048 + "b"),
    "a name of 4 KB": put_entry("x" * 4096),
    "a name of 300 bytes": put_entry("x" * 300),
    "empty": put_entry(""),
    "a dot": put_entry("docs/./spec.md"),
    "a trailing dot": put_entry("docs/spec."),
    "a trailing space": put_entry("docs/spec "),
    "half a surrogate": put_entry("docs/\ud800"),
    "a number": put_entry(7),
    "null": put_entry(None),
    "listed twice": put_entry(SPEC),
    "another case": put_entry(SPEC.upper()),
    "below a file": put_entry(f"{SPEC}/x"),
    "another Unicode form": lambda value: (
        put_entry("docs/caf\u00e9.md")(value),
        put_entry("docs/cafe\u0301.md")(value),
    ),
    "entries that are no list": lambda value: value.update(entries={}),
    "an entry that is no object": lambda value: value["entries"].append("docs/x.md"),
    "a digest that is none": lambda value: value["entries"][0].update(sha256="../../x"),
    "a blob that is an option": lambda value: value["entries"][0].update(git_blob="--textconv"),
    "an unknown class": lambda value: value["entries"][0].update(ownership="root"),
    "a size that is a text": lambda value: value["entries"][0].update(size="1"),
    "a task root outside": lambda value: value.update(task_root="../outside"),
    "an absolute task root": lambda value: value.update(task_root="/etc"),
    "no task root": lambda value: value.pop("task_root"),
    "a source that is none": lambda value: value.update(source="package"),
    "an unknown source": lambda value: value["source"].update(kind="../x"),
    "a schema that is none": lambda value: value.update(schema_version="latest"),
    "a schema of 5000 digits": lambda value: value.update(schema_version="1" * 5000 + ".0"),
    "half a surrogate as version": lambda value: value.update(runtime_version="\ud800"),
    "a version that is an object": lambda value: value.update(runtime_version={}),
    "a release that is a text": lambda value: value.update(release_seq="1"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_receipt_is_named_and_nothing_is_written(
    installed: Path, outside: Path, name: str
) -> None:
    forge(installed, FORGED[name])
    with untouched(outside), as_it_was(installed):
        for command in READERS:
            refused(COMMANDS[command](installed), 1, f"{RECEIPT}: ")


@pytest.mark.parametrize("words", [(), ("--json",)])
@pytest.mark.parametrize("name", ["half a surrogate", "half a surrogate as version", "4 KB", "NUL"])
def test_a_forged_receipt_is_told_on_a_real_terminal_too(
    installed: Path, name: str, words: tuple[str, ...]
) -> None:
    forge(installed, FORGED[name])
    for command in ("install", "verify", "status", "uninstall"):
        done = process(command, *words, installed)
        assert (done.code, "Traceback" in done.err) == (1, False), done


def test_the_message_of_a_forged_receipt_is_short_and_printable(installed: Path) -> None:
    forge(installed, put_entry("\x1b[2J" + "x" * 4096))
    message = agentrail("verify", installed).err
    assert len(message) < 500
    assert "\x1b" not in message


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("schema", ["2.0", "10.1", "0.9"])
def test_a_receipt_of_another_schema_is_incompatible(
    installed: Path, schema: str, command: str
) -> None:
    forge(installed, lambda value: value.update(schema_version=schema))
    with as_it_was(installed):
        refused(COMMANDS[command](installed), 5, f"{RECEIPT}: ", f"expected 1.x, got {schema}")


def test_a_receipt_of_a_newer_minor_schema_still_works(installed: Path) -> None:
    forge(installed, lambda value: value.update(schema_version="1.7", news={"a": 1}))
    assert agentrail("verify", installed).code == 0


@pytest.mark.parametrize("command", ["rollback", "rollback --list"])
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_receipt_does_not_make_a_rollback_write_or_break(
    installed: Path, name: str, command: str
) -> None:
    (installed / RECEIPT).write_bytes(DAMAGED[name])
    with as_it_was(installed):
        done = COMMANDS[command](installed)
    assert (done.code in (0, 1, 3), "Traceback" in done.err) == (True, False), done


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_receipt_that_claims_a_file_of_the_users_does_not_cost_its_bytes(
    installed: Path, command: str
) -> None:
    forge(installed, put_entry("src/app.py"))
    COMMANDS[command](installed)
    assert (installed / "src/app.py").read_bytes() == b"print('hello')\n"


def test_a_receipt_whose_entry_is_a_symlink_now_is_drift(installed: Path, outside: Path) -> None:
    (installed / SPEC).unlink()
    (installed / SPEC).symlink_to(outside / "secret")
    with untouched(outside):
        done = agentrail("verify", installed)
    assert (done.code, f"{SPEC}: is a symlink" in done.err) == (4, True)
