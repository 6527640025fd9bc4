"""A bundle that is damaged or made to do harm: exit 6 before the first write, every finding named."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime.entry import INDEX_NAME
from agentrail_runtime.session import Session
from tests.crash.hostile import (
    ODD,
    as_it_was,
    bounded,
    closed,
    copy_of,
    make_outside,
    process,
    refused,
    untouched,
    without_privileges,
)
from tests.scenario.test_hostile_receipt import DAMAGED
from tests.support import install, make_bundle, make_repo, payload_bundle, snapshot

SPEC = "docs/templates/spec.md"
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(autouse=True)
def _quick_and_never_hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no power fails here
    with bounded():
        yield


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository and a sound bundle, to be copied."""
    place = tmp_path_factory.mktemp("template")
    make_repo(place / "repo")
    payload_bundle(place / "bundle")
    return place


@pytest.fixture
def repo(template: Path, tmp_path: Path) -> Path:
    """A git repository with somebody's files."""
    return copy_of(template / "repo", tmp_path / "repo")


@pytest.fixture
def bundle(template: Path, tmp_path: Path) -> Path:
    """A sound bundle: the shipped payload under the version 1.1.0."""
    return copy_of(template / "bundle", tmp_path / "bundle")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the target, with somebody's files."""
    return make_outside(tmp_path / "outside")


def forge(bundle: Path, change: Change) -> None:
    """Let `change` edit the index's value in place."""
    value = json.loads((bundle / INDEX_NAME).read_bytes())
    change(value)
    (bundle / INDEX_NAME).write_text(json.dumps(value))


def put_entry(path: object) -> Change:
    """Return the forgery that adds an entry for `path`."""
    return lambda value: value["entries"].append({**value["entries"][0], "path": path})


# --- files that are not as the index says ----------------------------------------------------------

DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda bundle: (bundle / SPEC).unlink(), f"{SPEC}: missing"),
    "a directory missing": (lambda bundle: shutil.rmtree(bundle / "docs"), f"{SPEC}: missing"),
    "longer": (lambda bundle: os.truncate(bundle / SPEC, 9999), "bytes, got 9999)"),
    "truncated": (lambda bundle: os.truncate(bundle / SPEC, 10), "bytes, got 10)"),
    "emptied": (lambda bundle: os.truncate(bundle / SPEC, 0), "bytes, got 0)"),
    "altered": (
        lambda bundle: (bundle / SPEC).write_bytes((bundle / SPEC).read_bytes()[::-1]),
        f"{SPEC}: altered (expected sha256 ",
    ),
    "extra": (lambda bundle: (bundle / "x.md").write_bytes(b""), "x.md: not in the index"),
    "extra and hidden": (
        lambda bundle: (bundle / "docs/.x").write_bytes(b""),
        "docs/.x: not in the index",
    ),
    "extra bytecode": (
        lambda bundle: (bundle / "evil.pyc").write_bytes(b""),
        "evil.pyc: not in the index",
    ),
    "no index": (lambda bundle: (bundle / INDEX_NAME).write_bytes(b""), f"{INDEX_NAME}: "),
}


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--on-conflict", "overwrite")])
@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_bundle_is_refused_before_the_first_write(
    repo: Path, bundle: Path, name: str, words: tuple[str, ...]
) -> None:
    damage, told = DAMAGES[name]
    damage(bundle)
    with as_it_was(repo):
        refused(install(repo, *words, bundle=bundle), 6, told)


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_bundle_does_not_spoil_an_upgrade(
    template: Path, repo: Path, bundle: Path, name: str
) -> None:
    assert install(repo).code == 0
    DAMAGES[name][0](bundle)
    with as_it_was(repo):
        refused(install(repo, bundle=bundle), 6, DAMAGES[name][1])


def test_every_damage_is_named_at_once(repo: Path, bundle: Path) -> None:
    (bundle / SPEC).unlink()
    (bundle / "x.md").write_bytes(b"")
    (bundle / "AGENTS.md").write_bytes(b"")
    refused(install(repo, bundle=bundle), 6, f"{SPEC}: missing", "x.md: not in", "AGENTS.md: altered")


def test_a_file_altered_while_it_is_being_installed_stops_the_run(
    repo: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = Session.locked

    def swap(session: Session) -> Any:
        (bundle / SPEC).write_bytes((bundle / SPEC).read_bytes()[::-1])
        return locked(session)

    monkeypatch.setattr(Session, "locked", swap)
    with as_it_was(repo):
        refused(install(repo, bundle=bundle), 6, f"{SPEC}: altered while it was being installed")


def test_a_file_removed_while_it_is_being_installed_stops_the_run(
    repo: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = Session.locked

    def swap(session: Session) -> Any:
        (bundle / SPEC).unlink(missing_ok=True)
        return locked(session)

    monkeypatch.setattr(Session, "locked", swap)
    with as_it_was(repo):
        refused(install(repo, bundle=bundle), 6, f"{SPEC}: cannot be read")


# --- symlinks and special files --------------------------------------------------------------------


@pytest.mark.parametrize("end", ["secret", "nothing", "directory"])
@pytest.mark.parametrize("path", [SPEC, "AGENTS.md", "docs", "docs/templates", "extra", "docs/extra"])
def test_a_symlink_in_a_bundle_is_refused_by_name(
    repo: Path, bundle: Path, outside: Path, path: str, end: str
) -> None:
    if (bundle / path).exists():
        shutil.move(bundle / path, bundle.parent / "moved")
    (bundle / path).symlink_to(outside / end)
    with untouched(outside), as_it_was(repo):
        refused(install(repo, bundle=bundle), 6, f"{path}: is a symlink")


def test_a_symlink_to_the_very_same_bytes_is_refused_all_the_same(repo: Path, bundle: Path) -> None:
    shutil.move(bundle / SPEC, bundle.parent / "spec.md")
    (bundle / SPEC).symlink_to(bundle.parent / "spec.md")
    with as_it_was(repo):
        refused(install(repo, bundle=bundle), 6, f"{SPEC}: is a symlink")


@pytest.mark.parametrize("end", ["index", "nothing", "."])
def test_an_index_that_is_a_symlink_is_refused(repo: Path, bundle: Path, end: str) -> None:
    shutil.move(bundle / INDEX_NAME, bundle.parent / "index")
    (bundle / INDEX_NAME).symlink_to(bundle.parent / end)
    with as_it_was(repo):
        refused(install(repo, bundle=bundle), 6, f"{INDEX_NAME}: ")


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("path", [SPEC, INDEX_NAME, "extra"])
def test_what_is_no_file_in_a_bundle_is_refused_and_nothing_hangs(
    repo: Path, bundle: Path, path: str, what: str
) -> None:
    (bundle / path).unlink(missing_ok=True)
    ODD[what](bundle / path)
    with as_it_was(repo):
        refused(install(repo, bundle=bundle), 6, path)


@pytest.mark.parametrize("what", ["a FIFO", "a socket", "a file", "nothing"])
def test_a_bundle_that_is_no_directory_is_refused(repo: Path, tmp_path: Path, what: str) -> None:
    if what != "nothing":
        ODD.get(what, lambda place: place.write_bytes(b""))(tmp_path / "dist")
    with as_it_was(repo):
        refused(install(repo, bundle=tmp_path / "dist"), 6, "no bundle")


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_name_in_no_encoding_in_a_bundle_is_refused(
    repo: Path, bundle: Path, words: tuple[str, ...]
) -> None:
    with open(os.fsencode(bundle) + b"/\xff.md", "wb"):
        pass
    with as_it_was(repo):
        done = process("install", "--source", "copy", "--runtime-dir", bundle, *words, repo)
    assert (done.code, "Traceback" in done.err) == (6, False), done


@pytest.mark.parametrize("path", [SPEC, "docs", INDEX_NAME])
def test_a_bundle_that_may_not_be_read_is_refused(repo: Path, tmp_path: Path, path: str) -> None:
    bundle = payload_bundle(tmp_path / "closed")
    assert install(repo, bundle=bundle).code == 0
    with as_it_was(repo), closed(bundle / path):
        done = without_privileges(lambda: install(repo, bundle=bundle))
    refused(done, 6, path)


# --- modes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tool", "page"), [(0o777, 0o666), (0o700, 0o600), (0o555, 0o444)])
def test_the_umask_that_a_bundle_was_made_with_does_not_get_into_the_target(
    repo: Path, tmp_path: Path, tool: int, page: int
) -> None:
    bundle = make_bundle(tmp_path / "b", {"a.sh": "#!/bin/sh\n", "b.md": "b"}, executable=("a.sh",))
    (bundle / "a.sh").chmod(tool)
    (bundle / "b.md").chmod(page)
    assert install(repo, bundle=bundle).code == 0
    modes = {name: oct(snapshot(repo)[name].mode) for name in ("a.sh", "b.md")}
    assert modes == {"a.sh": "0o755", "b.md": "0o644"}


@pytest.mark.parametrize(
    ("name", "mode"), [("a.sh", 0o644), ("a.sh", 0o6755), ("b.md", 0o755), ("b.md", 0o4644)]
)
def test_a_bundle_whose_permissions_were_changed_is_refused(
    repo: Path, tmp_path: Path, name: str, mode: int
) -> None:
    bundle = make_bundle(tmp_path / "b", {"a.sh": "#!/bin/sh\n", "b.md": "b"}, executable=("a.sh",))
    (bundle / name).chmod(mode)
    with as_it_was(repo):
        done = install(repo, bundle=bundle)
    refused(done, 6, f"{name}: permissions altered")


def test_a_file_system_that_keeps_no_modes_has_no_altered_ones(repo: Path, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b", {"a.sh": "#!/bin/sh\n", "b.md": "b"}, executable=("a.sh",))
    for path in bundle.iterdir():
        path.chmod(0o777)
    assert install(repo, bundle=bundle).code == 0
    assert oct(snapshot(repo)["b.md"].mode) == "0o644"


# --- a forged index --------------------------------------------------------------------------------

FORGED: dict[str, Change] = {
    "a parent": put_entry("../outside/secret"),
    "a parent within": put_entry("docs/../../outside/secret"),
    "absolute": put_entry("/etc/cron.d/x"),
    "two slashes": put_entry("//server/share"),
    "a drive letter": put_entry("C:/x"),
    "a drive letter without slash": put_entry("c:x"),
    "backslashes": put_entry("..\\x"),
    "a stream": put_entry("docs/a.md:stream"),
    "NUL": put_entry("docs/a\0.md"),
    "a control character": put_entry("docs/a\x1b[2J.md"),
    "DEL": put_entry("docs/a\x7f.md"),
    "CON": put_entry("CON"),
    "con.md": put_entry("docs/con.md"),
    "nul": put_entry("docs/nul/x.md"),
    "com1": put_entry("com1.txt"),
    "LPT9": put_entry("LPT9"),
    "conin$": put_entry("conin$"),
    "com¹": put_entry("com¹"),
    "git's": put_entry(".git/hooks/pre-commit"),
    "git's in capitals": put_entry(".Git/config"),
    "git's below": put_entry("docs/.git/config"),
    "git's for HFS+": put_entry(".gi\u200ct/config"),
    "git's for NTFS": put_entry("GIT~1/config"),
    "git's with a dot": put_entry(".git./config"),
    "the receipt": put_entry(".agentrail/receipt.json"),
    "the receipt in capitals": put_entry(".AGENTRAIL/RECEIPT.JSON"),
    "our .gitignore": put_entry(".agentrail/.gitignore"),
    "the journal": put_entry(".agentrail/state/journal"),
    "the state in capitals": put_entry(".agentrail/STATE/x"),
    "the state": put_entry(".agentrail/state"),
    "the index": put_entry(INDEX_NAME),
    "4 KB": put_entry("a/" * 2048 + "b"),
    "a name of 4 KB": put_entry("x" * 4096),
    "a name of 256 bytes": put_entry("x" * 256),
    "a name of 300 bytes in 100 characters": put_entry("あ" * 100),
    "empty": put_entry(""),
    "a dot": put_entry("."),
    "an empty component": put_entry("docs//x.md"),
    "a trailing slash": put_entry("docs/x/"),
    "a trailing dot": put_entry("docs/x."),
    "a trailing space": put_entry("docs/x /y"),
    "half a surrogate": put_entry("docs/\ud800"),
    "a number": put_entry(7),
    "a list": put_entry(["docs"]),
    "listed twice": put_entry(SPEC),
    "another case": put_entry(SPEC.upper()),
    "ß and ss": lambda value: (put_entry("docs/straße")(value), put_entry("docs/strasse")(value)),
    "another Unicode form": lambda value: (
        put_entry("docs/caf\u00e9.md")(value),
        put_entry("docs/cafe\u0301.md")(value),
    ),
    "a file and a directory": put_entry(f"{SPEC}/x"),
    "a file and a directory in capitals": put_entry("AGENTS.MD/x"),
    "no entries": lambda value: value.pop("entries"),
    "entries that are no list": lambda value: value.update(entries={"path": "x"}),
    "an entry that is no object": lambda value: value["entries"].append("x"),
    "no digest": lambda value: value["entries"][0].pop("sha256"),
    "a digest that is none": lambda value: value["entries"][0].update(sha256="x"),
    "a size that is a truth": lambda value: value["entries"][0].update(size=True),
    "an unknown class": lambda value: value["entries"][0].update(ownership="root"),
    "a class that is none": lambda value: value["entries"][0].update(ownership=[]),
    "a bit that is none": lambda value: value["entries"][0].update(executable="yes"),
    "a version that is none": lambda value: value.update(runtime_version=1),
    "no version": lambda value: value.pop("runtime_version"),
    "half a surrogate as version": lambda value: value.update(runtime_version="\ud800"),
    "a release that is none": lambda value: value.update(release_seq="1"),
    "a schema that is none": lambda value: value.update(schema_version=1),
    "a schema of 5000 digits": lambda value: value.update(schema_version="9" * 5000 + ".0"),
    "a task root outside": lambda value: value.update(task_root=7),
    "metadata outside": lambda value: value.update(
        metadata=[{"path": "../x", "sha256": "0" * 64, "size": 0}]
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_index_is_refused_before_the_first_write(
    repo: Path, bundle: Path, outside: Path, name: str
) -> None:
    forge(bundle, FORGED[name])
    with untouched(outside), as_it_was(repo):
        refused(install(repo, bundle=bundle), 6, f"{INDEX_NAME}: ")


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_index_is_refused_before_the_first_write(repo: Path, bundle: Path, name: str) -> None:
    (bundle / INDEX_NAME).write_bytes(DAMAGED[name])
    with as_it_was(repo):
        refused(install(repo, bundle=bundle), 6, f"{INDEX_NAME}: ")


@pytest.mark.parametrize("words", [(), ("--json",)])
@pytest.mark.parametrize("name", ["half a surrogate", "half a surrogate as version", "NUL", "4 KB"])
def test_a_forged_index_is_told_on_a_real_terminal_too(
    repo: Path, bundle: Path, name: str, words: tuple[str, ...]
) -> None:
    forge(bundle, FORGED[name])
    done = process("install", "--source", "copy", "--runtime-dir", bundle, *words, repo)
    assert (done.code, "Traceback" in done.err) == (6, False), done


def test_an_index_of_a_newer_schema_is_incompatible(repo: Path, bundle: Path) -> None:
    forge(bundle, lambda value: value.update(schema_version="2.0"))
    with as_it_was(repo):
        refused(install(repo, bundle=bundle), 5, f"{INDEX_NAME}: ", "expected 1.x, got 2.0")


def test_the_message_of_a_forged_index_is_short_and_printable(repo: Path, bundle: Path) -> None:
    forge(bundle, put_entry("\x1b[2J" + "x" * 4096))
    message = install(repo, bundle=bundle).err
    assert len(message) < 600
    assert "\x1b" not in message


# --- a bundle of the older export, without an index ------------------------------------------------


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("con.md", "is a reserved name on Windows"),
        ("a.", "ends in a dot"),
        ("back\\slash", "is not allowed in a path"),
        ("c:x", "a drive letter"),
        ("new\nline", "is not allowed in a path"),
        (".agentrail/receipt.json", "belongs to the installer"),
        (".agentrail/state/journal", "belongs to the installer"),
        (".git/config", "belongs to git"),
        ("Docs/A.md", "but for case or Unicode form"),
    ],
)
def test_a_bundle_without_an_index_is_checked_as_strictly(
    repo: Path, tmp_path: Path, path: str, told: str
) -> None:
    old = make_bundle(tmp_path / "old", {"docs/a.md": "a", path: "b"}, indexed=False)
    with as_it_was(repo):
        refused(install(repo, bundle=old), 6, told)


@pytest.mark.parametrize("what", ["a FIFO", "a socket", "a symlink", "a link to a directory"])
def test_a_bundle_without_an_index_holds_no_traps(
    repo: Path, tmp_path: Path, outside: Path, what: str
) -> None:
    old = make_bundle(tmp_path / "old", {"docs/a.md": "a"}, indexed=False)
    if what in ODD:
        ODD[what](old / "docs/trap")
    else:
        end = "secret" if what == "a symlink" else "directory"
        (old / "docs/trap").symlink_to(outside / end)
    with untouched(outside), as_it_was(repo):
        refused(install(repo, bundle=old), 6, "docs/trap")


def test_an_empty_directory_is_no_bundle(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with as_it_was(repo):
        refused(install(repo, bundle=tmp_path / "old"), 6, f"{INDEX_NAME}: missing")


@pytest.mark.skipif(sys.platform == "darwin", reason="APFS refuses names that are not UTF-8")
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_bundle_without_an_index_whose_name_is_in_no_encoding_is_refused(
    repo: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    old = make_bundle(tmp_path / "old", {"docs/a.md": "a"}, indexed=False)
    with open(os.fsencode(old) + b"/\xff.md", "wb"):
        pass
    with as_it_was(repo):
        done = process("install", "--source", "copy", "--runtime-dir", old, *words, repo)
    assert (done.code, "Traceback" in done.err) == (6, False), done


# --- a text that its class cannot take -------------------------------------------------------------


BEGIN, END = b"<!-- agentrail:begin -->\n", b"<!-- agentrail:end -->\n"


@pytest.mark.parametrize("text", [BEGIN, END, END + BEGIN, BEGIN + END + BEGIN + END])
def test_a_bundle_whose_block_is_none_is_refused(repo: Path, tmp_path: Path, text: bytes) -> None:
    bundle = make_bundle(tmp_path / "b", {"CLAUDE.md": text}, ownership={"CLAUDE.md": "block"})
    with as_it_was(repo):
        refused(install(repo, bundle=bundle), 6, "CLAUDE.md")


@pytest.mark.parametrize("text", [b"[", b"\xff\xfe\0", b"a: [*b]", b"schema_version: '9.0.0'\n"])
def test_a_bundle_whose_profile_is_none_is_refused(repo: Path, tmp_path: Path, text: bytes) -> None:
    name = "project.profile.yaml"
    bundle = make_bundle(tmp_path / "b", {name: text}, ownership={name: "profile"})
    with as_it_was(repo):
        done = install(repo, bundle=bundle)
    assert (done.code in (1, 5, 6), "Traceback" in done.err) == (True, False), done
