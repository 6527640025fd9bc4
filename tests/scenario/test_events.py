"""Every run tells what it did: those who look after releases lose no run, and no run fails for it."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import agentrail_runtime
from agentrail_runtime import git as git_
from agentrail_runtime import recorder
from agentrail_runtime.entry import RelPath
from agentrail_runtime.errors import RecoveryError
from agentrail_runtime.operation import install as operation
from agentrail_runtime.operation import recorded
from agentrail_runtime.recorder import Recorder
from agentrail_runtime.release import event
from agentrail_runtime.target import Target
from agentrail_runtime.version import __version__
from tests.crash.hostile import closed, make_fifo, untouched, without_privileges
from tests.scenario.story import BASE, MINE, RIVAL, agentrail, guide, install
from tests.support import git, make_repo, snapshot, write

INSIDE = ".agentrail/state/events.jsonl"
FIELDS = {
    *("schema_version", "event_id", "ts", "repo", "channel", "version", "from_version", "route"),
    *("op", "phase", "outcome", "error_code", "duration_ms", "python", "os"),
}
NOTE = "note: AGENTRAIL_EVENTS: this run is not recorded there: "


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that AGENTRAIL_EVENTS names."""
    path = tmp_path / "events"
    path.mkdir()
    monkeypatch.setenv("AGENTRAIL_EVENTS", str(path))
    return path


def lines(path: Path) -> list[Any]:
    """Return the events in a file, or in all files of a directory, in order."""
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path] if path.exists() else []
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def told(path: Path) -> list[tuple[Any, ...]]:
    """Return what the events in `path` say of each run's end."""
    keys = ("op", "outcome", "error_code", "version", "from_version", "route")
    return [tuple(row[key] for key in keys) for row in lines(path) if row["phase"] == "finished"]


def raising(error: BaseException) -> Callable[..., Any]:
    """Return a use case that ends in `error`."""

    def work(*arguments: object, **options: object) -> None:
        raise error

    return work


# --- what is written ---------------------------------------------------------------------------


def test_a_run_is_told_by_a_line_at_its_start_and_one_at_its_end(repo: Path, place: Path) -> None:
    assert install(repo).code == 0
    started, finished = lines(place)
    assert set(started) == set(finished) == FIELDS
    same = FIELDS - {"phase", "outcome", "error_code", "duration_ms", "ts"}
    assert {key: started[key] for key in same} == {key: finished[key] for key in same}
    assert (started["phase"], finished["phase"]) == ("started", "finished")
    assert {started[key] for key in ("outcome", "error_code", "duration_ms")} == {None}
    assert (finished["outcome"], finished["error_code"], finished["version"]) == ("ok", 0, __version__)
    assert finished["duration_ms"] > 0
    assert event.seconds(finished["ts"]) >= event.seconds(started["ts"])
    assert finished["python"] == ".".join(map(str, sys.version_info[:3]))
    assert [path.name for path in place.glob("*.jsonl")] == [f"{finished['repo']}.jsonl"]


def test_every_run_is_told_however_it_ends(repo: Path, v1: Path, v2: Path, place: Path) -> None:
    install(repo, bundle=v1)
    install(repo, bundle=v1)
    install(repo, bundle=v2)
    install(repo, bundle=v1)
    agentrail("rollback", repo)
    write(repo, {"docs/guide.md": MINE})
    rival = guide(repo.parent / "rival", RIVAL, "1.2.0")
    install(repo, bundle=rival)
    install(repo, bundle=repo.parent / "none")
    agentrail("uninstall", repo)
    agentrail("uninstall", repo)
    assert told(place) == [
        ("install", "ok", 0, "1.0.0", None, "copy"),
        ("install", "ok", 0, "1.0.0", "1.0.0", "copy"),
        ("install", "ok", 0, "1.1.0", "1.0.0", "copy"),
        ("install", "failed", 5, "1.0.0", "1.1.0", "copy"),
        ("rollback", "ok", 0, "1.1.0", "1.1.0", "copy"),
        ("install", "failed", 3, "1.2.0", "1.0.0", "copy"),
        ("install", "failed", 6, __version__, "1.0.0", "copy"),
        ("uninstall", "ok", 0, "1.0.0", "1.0.0", "copy"),
        ("uninstall", "failed", 1, __version__, None, "package"),
    ]
    assert [row["phase"] for row in lines(place)] == ["started", "finished"] * 9
    assert len({row["event_id"] for row in lines(place)}) == 9
    assert len({row["repo"] for row in lines(place)}) == 1


def test_the_start_of_a_copy_install_tells_the_version_of_the_bundle(
    repo: Path, v2: Path, place: Path
) -> None:
    install(repo, bundle=v2)
    assert [(row["version"], row["route"]) for row in lines(place)] == [("1.1.0", "copy")] * 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RecoveryError("x"), 7),
        (KeyboardInterrupt(), 130),
        (SystemExit(143), 143),
        (SystemExit("x"), 70),
        (ZeroDivisionError(), 70),
    ],
)
def test_a_run_that_breaks_off_is_told_and_breaks_off_all_the_same(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    monkeypatch.setattr(operation, "install", raising(error))
    with pytest.raises(type(error)) as caught:
        agentrail_runtime.install(repo)
    assert caught.value is error
    assert told(place) == [("install", "failed", code, __version__, None, "package")]


def test_an_install_that_had_begun_to_write_and_was_undone_is_told_as_rolled_back(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = Target.move

    def refuse(target: Target, source: Any, destination: Any) -> None:
        if destination == "project.profile.yaml":
            raise OSError(28, "No space left on device")
        move(target, source, destination)

    monkeypatch.setattr(Target, "move", refuse)
    before = snapshot(repo, with_state=True)
    assert install(repo).code == 1
    assert told(place) == [("install", "rolled_back", 1, __version__, None, "package")]
    assert snapshot(repo, with_state=True) == before


def test_a_run_that_shows_what_it_would_do_is_no_run(repo: Path, place: Path) -> None:
    for words in (("--dry-run",), ("--check",), ("--diff",)):
        install(repo, *words)
    assert lines(place) == []
    install(repo)
    shown = len(lines(place))
    agentrail("rollback", "--dry-run", repo)
    agentrail("uninstall", "--dry-run", repo)
    assert len(lines(place)) == shown


@pytest.mark.parametrize(
    ("given", "expected"),
    [("pilot", "pilot"), ("general", "general"), ("nightly", None), ("", None), (None, None)],
)
def test_the_channel_is_the_one_that_the_environment_names(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, expected: str | None
) -> None:
    if given is not None:
        monkeypatch.setenv("AGENTRAIL_CHANNEL", given)
    install(repo)
    assert {row["channel"] for row in lines(place)} == {expected}


@pytest.mark.parametrize(
    ("platform", "expected"),
    [("linux", "linux"), ("darwin", "darwin"), ("win32", "windows"), ("freebsd14", "other")],
)
def test_the_system_is_one_of_four(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch, platform: str, expected: str
) -> None:
    made = Recorder("install", str(tmp_path))
    monkeypatch.setattr(sys, "platform", platform)
    made.finish("ok")
    assert [row["os"] for row in lines(place)] == [expected]


def test_other_tools_may_tell_of_what_they_did(repo: Path, place: Path) -> None:
    install(repo)
    assert recorder.note("rollback", str(repo), "rolled_back", route="copy", version="2.0.0") is None
    expected = ("rollback", "rolled_back", 0, "2.0.0", None, "copy")
    assert told(place)[1:] == told(repo / INSIDE)[1:] == [expected]


# --- who it was: nobody can tell without the salt ------------------------------------------------


def test_no_line_tells_a_path_a_host_or_a_user(repo: Path, place: Path) -> None:
    git(repo, "remote", "add", "origin", "https://me:s3cret@example.org/team/tool.git")
    install(repo)
    text = b"".join(path.read_bytes() for path in place.glob("*.jsonl")).decode()
    text += (repo / INSIDE).read_text() + " ".join(path.name for path in place.glob("*.jsonl"))
    for secret in (str(repo), "s3cret", "me:", "example.org", "team/tool"):
        assert secret not in text
    keys = FIELDS - {"repo", "event_id", "ts", "duration_ms", "python"}
    known = {"1.0", None, __version__, "package", "install", "started", "finished", "ok", 0}
    systems = {"linux", "darwin", "windows", "other"}
    assert {row[key] for row in lines(place) for key in keys} <= known | systems


def test_two_clones_of_one_repository_are_one(tmp_path: Path, place: Path) -> None:
    for name, url in (("a", "https://example.org/t/r.git"), ("b", "git@example.org:t/r")):
        git(make_repo(tmp_path / name), "remote", "add", "origin", url)
        install(tmp_path / name)
    assert len({row["repo"] for row in lines(place)}) == 1


def test_two_targets_in_one_repository_are_two(repo: Path, place: Path) -> None:
    git(repo, "remote", "add", "origin", "https://example.org/t/r.git")
    for name in ("one", "two"):
        install(repo / name)
    assert len({row["repo"] for row in lines(place)}) == 2


def test_a_repository_without_a_remote_is_known_by_its_place(tmp_path: Path, place: Path) -> None:
    for name in ("a", "b", "a"):
        install(tmp_path / name)
    assert len({row["repo"] for row in lines(place)}) == 2


def test_the_salt_is_made_once_and_only_its_owner_may_read_it(repo: Path, place: Path) -> None:
    install(repo)
    salt = (place / ".salt").read_bytes()
    assert len(bytes.fromhex(salt.decode())) == 32
    assert stat.S_IMODE((place / ".salt").stat().st_mode) == 0o600
    install(repo)
    assert (place / ".salt").read_bytes() == salt


def test_another_salt_is_another_repository(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for salt in ("one", "two", "one"):
        monkeypatch.setenv("AGENTRAIL_EVENTS_SALT", salt)
        install(repo)
    assert not (place / ".salt").exists()
    assert len({row["repo"] for row in lines(place)}) == 2


def test_of_two_that_make_the_salt_the_first_one_counts(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one makes the file between a look and the creation, and writes it a moment later."""
    create = Target.create
    naps: list[float] = []

    def be_late(target: Target, path: Any, data: bytes, **options: Any) -> int:
        if path == ".salt":
            (place / ".salt").touch()
        return create(target, path, data, **options)

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        (place / ".salt").write_text("theirs\n")

    monkeypatch.setattr(Target, "create", be_late)
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
    monkeypatch.setattr("agentrail_runtime.recorder.time", clock)
    assert install(repo).err == ""
    assert (place / ".salt").read_text() == "theirs\n"
    assert (len(lines(place)), len(naps)) == (2, 1)


def test_an_empty_salt_is_told_and_not_used(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / ".salt").touch()
    monkeypatch.setattr(recorder, "_SALT_SECONDS", 0.02)
    assert install(repo).err == f"{NOTE}.salt: empty (expected a text to mix into the ids)\n"


def test_a_salt_that_could_not_be_written_is_not_left_half(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Target.create

    def fill(target: Target, path: Any, data: bytes, **options: Any) -> int:
        if path == ".salt":
            (place / ".salt").touch()
            raise OSError(28, "No space left on device")
        return create(target, path, data, **options)

    monkeypatch.setattr(Target, "create", fill)
    assert install(repo).err == f"{NOTE}No space left on device\n"
    assert [*place.iterdir()] == []


# --- in the target -------------------------------------------------------------------------------


def test_the_target_itself_keeps_one_line_for_each_run_that_changed_it(
    repo: Path, v1: Path, v2: Path
) -> None:
    install(repo, bundle=v1)
    install(repo, bundle=v1)
    install(repo, bundle=v2)
    agentrail("rollback", repo)
    write(repo, {"docs/guide.md": MINE})
    assert install(repo, bundle=guide(repo.parent / "rival", RIVAL, "1.2.0")).code == 3
    assert told(repo / INSIDE) == [
        ("install", "ok", 0, "1.0.0", None, "copy"),
        ("install", "ok", 0, "1.1.0", "1.0.0", "copy"),
        ("rollback", "ok", 0, "1.1.0", "1.1.0", "copy"),
    ]
    assert len({row["repo"] for row in lines(repo / INSIDE)}) == 1
    assert git(repo, "status", "--porcelain", "--", ".agentrail/state") == ""


def test_the_line_in_the_target_is_the_one_in_the_directory(repo: Path, place: Path) -> None:
    install(repo)
    assert lines(repo / INSIDE) == lines(place)[1:]


def test_nothing_is_told_by_a_run_that_changes_nothing(repo: Path) -> None:
    install(repo)
    before = snapshot(repo, with_state=True, with_times=True)
    assert install(repo).code == 0
    assert snapshot(repo, with_state=True, with_times=True) == before


def test_a_run_that_is_undone_leaves_no_line_behind(repo: Path, place: Path) -> None:
    before = snapshot(repo, with_state=True)
    install(repo)
    assert agentrail("rollback", repo).code == 0
    assert snapshot(repo, with_state=True) == before
    install(repo)
    assert agentrail("uninstall", repo).code == 0
    assert snapshot(repo, with_state=True) == before


def test_what_stays_for_the_users_bytes_keeps_the_events_until_it_is_purged(
    repo: Path, v1: Path
) -> None:
    write(repo, {"docs/guide.md": MINE})
    before = snapshot(repo, with_state=True)
    install(repo, "--force", bundle=v1)
    agentrail("uninstall", repo)
    assert [row["op"] for row in lines(repo / INSIDE)] == ["install", "uninstall"]
    assert agentrail("uninstall", "--purge", repo).code == 0
    write(repo, {"docs/guide.md": MINE})
    assert snapshot(repo, with_state=True) == before


def test_events_that_a_killed_uninstall_left_go_with_its_lock(repo: Path) -> None:
    before = snapshot(repo, with_state=True)
    write(repo, {INSIDE: b"{}\n", ".agentrail/state/lock": b"\n999999\n"})
    assert agentrail("status", repo).code != 0
    assert snapshot(repo, with_state=True) == before


def test_an_uninstall_that_overtakes_a_line_is_not_undone_by_it(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(repo, with_state=True)
    append = Target.append
    overtaken: list[int] = []

    def be_late(target: Target, path: Any, line: bytes, **options: Any) -> None:
        if not overtaken:
            overtaken.append(1)
            overtaken.append(agentrail("uninstall", repo).code)
            (repo / INSIDE).parent.mkdir(parents=True)  # just before the other one removes it
            target.close()
        append(target, path, line, **options)

    monkeypatch.setattr(Target, "append", be_late)
    assert install(repo).code == 0
    assert overtaken == [1, 0]
    assert snapshot(repo, with_state=True) == before


def test_a_link_is_not_removed_for_events(repo: Path) -> None:
    write(repo, {".agentrail/state/lock": b"\n999999\n"})
    (repo / INSIDE).symlink_to(repo / "README.md")
    agentrail("status", repo)
    assert (repo / INSIDE).is_symlink()


def test_the_file_in_the_target_does_not_grow_for_ever(
    repo: Path, v2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(repo)
    first = (repo / INSIDE).read_bytes()
    (repo / INSIDE).write_bytes(first * 5)
    monkeypatch.setattr(recorder, "LIMIT", len(first) * 5)
    agentrail("rollback", repo)
    install(repo)
    (repo / INSIDE).write_bytes(b"x" * 10 + b"\n" + first * 5)
    install(repo, bundle=guide(repo.parent / "b", BASE, "1.1.0", release_seq=9))
    assert [row["version"] for row in lines(repo / INSIDE)] == ["1.0.0", "1.0.0", "1.1.0"]


@pytest.mark.parametrize(
    "left",
    [b"", b"torn", b"\xff\n", b"{}\n", b"[" * 100_000, b"\0" * 300_000],
    ids=["empty", "torn", "binary", "no event", "deep", "large"],
)
def test_hostile_lines_in_the_target_are_passed_over(repo: Path, v2: Path, left: bytes) -> None:
    install(repo)
    first = (repo / INSIDE).read_bytes()
    (repo / INSIDE).write_bytes(first + left)
    assert install(repo, bundle=guide(repo.parent / "b", BASE, "1.1.0", release_seq=9)).code == 0
    last = (repo / INSIDE).read_bytes().splitlines()[-1]
    assert event.parse(last)[0].version == "1.1.0"


def test_an_id_that_is_no_hash_is_not_taken_over(repo: Path) -> None:
    install(repo)
    row = lines(repo / INSIDE)[0]
    (repo / INSIDE).write_bytes(json.dumps({**row, "repo": "somebody"}).encode() + b"\n")
    install(repo, bundle=guide(repo.parent / "b", BASE, "1.1.0", release_seq=9))
    assert recorder._REPO.fullmatch(lines(repo / INSIDE)[-1]["repo"])


@pytest.mark.parametrize("kind", ["link", "dangling link", "fifo", "directory"])
def test_only_a_plain_file_in_the_target_is_written(repo: Path, tmp_path: Path, kind: str) -> None:
    install(repo)
    outside = tmp_path / "outside"
    write(outside, {"file": b"theirs\n"})
    (repo / INSIDE).unlink()
    odd(repo / INSIDE, kind, outside)
    with untouched(outside):
        done = install(repo, bundle=guide(tmp_path / "b", BASE, "1.1.0", release_seq=9))
    assert (done.code, "AGENTRAIL" in done.err) == (0, False)
    assert agentrail("verify", repo).code == 0


def odd(path: Path, kind: str, outside: Path) -> None:
    """Make something that is no plain file."""
    if kind == "link":
        path.symlink_to(outside / "file")
    elif kind == "dangling link":
        path.symlink_to(outside / "none")
    elif kind == "fifo":
        make_fifo(path)
    else:
        path.mkdir()


# --- never fails a run, never keeps it waiting -----------------------------------------------------


def test_a_directory_that_is_not_there_is_told_and_not_made(repo: Path, place: Path) -> None:
    place.rmdir()
    done = install(repo)
    assert (done.code, done.err) == (0, f"{NOTE}no such directory\n")
    assert not place.exists()
    assert len(lines(repo / INSIDE)) == 1


def test_a_second_user_of_a_repository_writes_a_file_of_their_own(repo: Path, place: Path) -> None:
    assert install(repo).code == 0
    (theirs,) = place.glob("*.jsonl")
    before = theirs.read_bytes()
    theirs.chmod(0o444)
    done = without_privileges(lambda: install(repo))
    assert (done.code, done.err) == (0, "")
    assert theirs.read_bytes() == before
    (ours,) = {*place.glob("*.jsonl")} - {theirs}
    assert [line["phase"] for line in lines(ours)] == ["started", "finished"]
    assert {line["repo"] for line in lines(ours)} == {theirs.stem}


def test_what_may_not_be_appended_to_is_left_to_its_owner(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Target.append

    def refused(self: Target, path: RelPath, line: bytes, **limits: Any) -> None:
        if path.count(".") == 1:
            raise PermissionError(13, "Permission denied")
        append(self, path, line, **limits)

    monkeypatch.setattr(Target, "append", refused)
    assert install(repo).code == 0
    (ours,) = place.glob("*.jsonl")
    assert ours.stem == f"{lines(ours)[0]['repo']}.{lines(ours)[0]['event_id']}"
    assert [line["phase"] for line in lines(ours)] == ["started", "finished"]


def test_a_file_in_its_place_stays_as_it_is(repo: Path, place: Path) -> None:
    place.rmdir()
    place.write_bytes(b"mine\n")
    assert install(repo).err == f"{NOTE}no such directory\n"
    assert place.read_bytes() == b"mine\n"


def test_a_directory_that_may_not_be_written_is_told(repo: Path, place: Path) -> None:
    with closed(place, mode=0o500):
        done = without_privileges(lambda: install(repo))
    assert (done.code, done.err) == (0, f"{NOTE}Permission denied\n")


@pytest.mark.parametrize("kind", ["link", "dangling link", "fifo", "directory"])
def test_only_a_plain_file_in_the_directory_is_written(
    repo: Path, tmp_path: Path, place: Path, kind: str
) -> None:
    install(repo)
    file = place / f"{lines(place)[0]['repo']}.jsonl"
    outside = tmp_path / "outside"
    write(outside, {"file": b"theirs\n"})
    file.unlink()
    odd(file, kind, outside)
    with untouched(outside):
        done = install(repo)
    assert (done.code, done.err.startswith(NOTE)) == (0, True)


@contextmanager
def hanging(monkeypatch: pytest.MonkeyPatch, count: int) -> Iterator[None]:
    """Let the first `count` writes outside the target hang, as on a dead file server."""
    monkeypatch.setattr(recorder, "_SECONDS", 0.05)
    append, alive, calls = Target.append, threading.Event(), iter(range(count))

    def hang(target: Target, path: Any, line: bytes, **options: Any) -> None:
        if "/" not in path and next(calls, None) is not None:
            alive.wait(30)
        append(target, path, line, **options)

    monkeypatch.setattr(Target, "append", hang)
    try:
        yield
    finally:
        alive.set()


@pytest.mark.parametrize("count", [1, 2])
def test_a_file_system_that_hangs_keeps_no_run_waiting(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    with hanging(monkeypatch, count):
        done = install(repo)
        assert lines(place) == []
    assert (done.code, done.err) == (0, f"{NOTE}no answer within 0.05 s\n")
    assert len(lines(repo / INSIDE)) == 1


def test_a_start_that_is_written_late_still_comes_before_the_end(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end waits for the start, in its own thread, for as long as a run may wait."""
    append, late = Target.append, threading.Event()

    def wait(target: Target, path: Any, line: bytes, **options: Any) -> None:
        if "/" not in path and b'"started"' in line:
            late.wait(30)
        append(target, path, line, **options)

    monkeypatch.setattr(Target, "append", wait)
    made = Recorder("install", str(repo))
    monkeypatch.setattr(recorder, "_SECONDS", 0.05)
    made.start()
    assert made.problem == "no answer within 0.05 s"
    late.set()
    monkeypatch.setattr(recorder, "_SECONDS", 30.0)
    made.finish("ok")
    assert made.problem is None
    assert [row["phase"] for row in lines(place)] == ["started", "finished"]


def test_an_interrupt_while_the_start_is_written_is_an_interrupt(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recorder, "start", raising(KeyboardInterrupt()))
    before = snapshot(repo, with_state=True)
    assert install(repo).code == 130
    assert snapshot(repo, with_state=True) == before
    assert told(place) == [("install", "failed", 130, __version__, None, "package")]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), ZeroDivisionError()])
def test_what_is_done_is_done_even_if_it_cannot_be_told(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(Recorder, "finish", raising(error))
    assert install(repo).code == 0
    assert agentrail("verify", repo).code == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()])
def test_a_failure_is_the_one_that_it_was_even_if_it_cannot_be_told(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(Recorder, "finish", raising(error))
    assert install(repo, bundle=repo / "none").code == 6


def test_a_target_that_is_a_file_fails_as_ever_and_is_told(tmp_path: Path, place: Path) -> None:
    write(tmp_path, {"file": b"mine\n"})
    assert install(tmp_path / "file").code == 1
    assert told(place) == [("install", "failed", 1, __version__, None, "package")]


def test_a_damaged_receipt_fails_as_ever_and_is_told(repo: Path, place: Path) -> None:
    write(repo, {".agentrail/receipt.json": b"{"})
    assert agentrail("uninstall", repo).code == 1
    assert told(place) == [("uninstall", "failed", 1, __version__, None, "package")]


def test_without_git_a_repository_is_known_by_its_place(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repo, "remote", "add", "origin", "https://example.org/t/r.git")
    monkeypatch.setattr(git_, "run", lambda *words, **options: None)
    assert install(repo).code == 0
    assert len(lines(place)) == 2


def test_runs_at_once_write_whole_lines(tmp_path: Path, place: Path) -> None:
    targets = [tmp_path / name for name in "abcd"]
    for target in targets:
        git(make_repo(target), "remote", "add", "origin", "https://example.org/t/r.git")
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "agentrail_runtime", "install", "-q", str(target)],
            stderr=subprocess.PIPE,
        )
        for target in targets
    ]
    ends = [(run.communicate()[1], run.returncode) for run in runs]
    assert ends == [(b"", 0)] * 4
    (file,) = place.glob("*.jsonl")
    events = [event.parse(line)[0] for line in file.read_bytes().splitlines()]
    assert len({(row.event_id, row.phase) for row in events}) == len(events) == 8


def test_a_run_that_has_nothing_to_tell_loads_nothing_for_it(repo: Path) -> None:
    install(repo)
    words = ("-X", "importtime", "-m", "agentrail_runtime", "install", str(repo))
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "agentrail_runtime.operation.recorded" in modules
    assert modules & {"agentrail_runtime.recorder", "agentrail_runtime.release.event", "queue"} == set()


# --- the two names of one thing ----------------------------------------------------------------


def test_both_modules_mean_the_same_variable() -> None:
    assert recorded._VARIABLE == recorder.VARIABLE
    assert RecoveryError.code == recorded._UNDO_FAILED
