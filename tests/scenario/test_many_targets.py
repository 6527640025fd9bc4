"""Many targets in one run: each is a run of its own, and no fault of one is another's."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from agentrail_runtime.cli import fleet as cli_fleet
from agentrail_runtime.cli import install as cli_install
from agentrail_runtime.errors import AgentRailError
from agentrail_runtime.fleet import Ended, Summary
from agentrail_runtime.operation import fleet as operation
from agentrail_runtime.operation import recorded
from agentrail_runtime.operation.install import Options
from agentrail_runtime.outcome import Outcome
from agentrail_runtime.target import Target
from tests.scenario.story import BASE, GUIDE, KEYS, MINE, RIVAL, guide
from tests.support import Run, agentrail, make_bundle, snapshot, write

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning"  # the threads of pytest-xdist only wait
)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks, and has /proc")
LOCK = ".agentrail/state/lock"
Installed = Callable[[str, Options], Outcome]


@pytest.fixture(autouse=True)
def _fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes be forked under pytest-xdist, too, where the platform forks at all."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, the current one."""
    found = tmp_path / "place"
    found.mkdir()
    monkeypatch.chdir(found)
    return found


def many(*words: str | Path, source: Path | None = None, to: str = "list") -> Run:
    """Install into the targets of a list, from a bundle."""
    route = () if source is None else ("--source", "copy", "--runtime-dir", source)
    return agentrail("install", "--targets-from", to, *route, *words)


def lines(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the documents of a JSON run by the names of their targets, and the summary."""
    *rows, last = [json.loads(line) for line in run.out.splitlines()]
    assert (last["kind"], last["targets"]) == ("summary", len(rows) + len(last["not_run"]))
    return {Path(row["target"]).name: row for row in rows}, last


def results(run: Run) -> dict[str, str]:
    """Return how the targets of a JSON run ended, those that were not begun among them."""
    rows, last = lines(run)
    ends = {name: row["result"] for name, row in rows.items()}
    return {**ends, **{Path(path).name: "not run" for path in last["not_run"]}}


def table(run: Run) -> dict[str, str]:
    """Return the counts of the table that a text run ends with, but for the seconds and zeros."""
    names, numbers = run.out.splitlines()[-2:]
    row = dict(zip(names.replace("not run", "not_run").split(), numbers.split(), strict=True))
    return {name: count for name, count in row.items() if count != "0" and name != "seconds"}


@contextlib.contextmanager
def held(root: Path) -> Iterator[None]:
    """Hold the lock of a target, so that whoever installs there waits."""
    with Target(str(root)).locked(timeout=0, sleep=lambda seconds: None):
        yield


def instead(
    monkeypatch: pytest.MonkeyPatch, install: Callable[[Installed, str, Options], Outcome]
) -> None:
    """Let the processes that are forked from here do `install` to each target."""
    former = recorded.install
    monkeypatch.setattr(recorded, "install", lambda path, options: install(former, path, options))


# --- what becomes of each target ---------------------------------------------------------------------


def test_each_target_gets_what_it_would_get_alone_and_a_second_run_writes_nothing(
    place: Path,
) -> None:
    write(place, {"b c/AGENTS.md": "mine\n", "list": "# ours\n\na/new/one\r\n  b c \n"})
    alone = shutil.copytree(place / "b c", place / "alone")
    assert agentrail("install", alone).code == 0
    first = many()
    assert (first.code, table(first)) == (0, {"targets": "2", "applied": "2"})
    assert f"{place}/b c: applied (40 create, 1 update)\n" in first.out
    assert snapshot(place / "b c") == snapshot(alone)
    assert (place / "a/new/one/.agentrail/receipt.json").exists()
    before = snapshot(place, with_state=True, with_times=True)
    second = many()
    assert (second.code, table(second)) == (0, {"targets": "2", "unchanged": "2"})
    assert snapshot(place, with_state=True, with_times=True) == before


@pytest.mark.slow
def test_processes_that_are_not_forked_do_the_same(
    place: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    write(place, {"list": "a\nb\nc\n"})
    run = many("--jobs", "2", source=v1)
    assert (run.code, table(run)) == (0, {"targets": "3", "applied": "3"})
    assert [(place / name / GUIDE).read_bytes() for name in "abc"] == [BASE] * 3


def test_every_line_of_json_is_the_document_of_an_install(place: Path, v1: Path) -> None:
    write(place, {"list": "a\nb\n"})
    alone = agentrail("install", "--json", "--source", "copy", "--runtime-dir", v1, "x/a").json
    run = many("--json", source=v1)
    rows, last = lines(run)
    assert (run.code, run.err.count("note: "), [*sorted(rows)]) == (0, 1, ["a", "b"])
    assert " and 1 more: the copy route works until " in run.err
    for name, row in rows.items():
        own = {"target": str(place / name), "transaction": row["transaction"]}
        assert row == {**alone, **own}
    assert last["results"]["applied"] == 2
    assert set(rows["a"]) == KEYS


def test_a_dry_run_tells_what_the_run_does_and_writes_nothing(place: Path, v1: Path) -> None:
    write(place, {"list": "a\nb\n", "b/docs/beside.md": "beside\n"})
    before = snapshot(place, with_times=True)
    dry, check = many("--dry-run", "--json", source=v1), many("--check", source=v1)
    assert (dry.code, check.code) == (0, 4)
    assert table(check) == {"targets": "2", "planned": "2"}
    assert "same command" not in check.err
    assert snapshot(place, with_times=True) == before
    planned, done = lines(dry)[0], lines(many("--json", source=v1))[0]
    assert {name: row["actions"] for name, row in planned.items()} == {
        name: row["actions"] for name, row in done.items()
    }
    assert many("--check", source=v1).code == 0


def test_a_diff_follows_the_line_of_its_target(place: Path, v1: Path) -> None:
    write(place, {"list": "a\n"})
    told = many("--diff", source=v1).out
    assert told.startswith(f"{place}/a: planned (2 create)\n--- /dev/null\n+++ incoming/docs/beside")
    assert not (place / "a").exists()


def test_options_hold_for_every_target(place: Path, v1: Path, tmp_path: Path) -> None:
    write(place, {"list": "a\nb\n"})
    assert many("--task-root", "tasks", source=v1).code == 0
    write(place, {f"a/{GUIDE}": MINE, f"b/{GUIDE}": MINE})
    rival = guide(tmp_path / "rival", RIVAL, "1.1.0")
    refused = many(source=rival)
    assert (refused.code, table(refused)) == (3, {"targets": "2", "conflict": "2"})
    assert f"conflict  {place}/a  (exit 3)\n" in refused.out
    kept = many("--on-conflict", "keep", source=rival)
    assert (kept.code, (place / "a" / GUIDE).read_bytes()) == (0, MINE)
    forced = many("-f", source=rival)
    assert (forced.code, (place / "b" / GUIDE).read_bytes()) == (0, RIVAL)
    assert f"note: {place}/a: {GUIDE}: your version is kept in .agentrail/state/stash/" in forced.err
    assert (place / "b/tasks/.gitkeep").exists()


def test_every_run_is_recorded_by_itself(
    place: Path, v1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "events").mkdir()
    monkeypatch.setenv("AGENTRAIL_EVENTS", str(tmp_path / "events"))
    write(place, {"list": "a\nb\n", "b": "a file\n"})
    assert many(source=v1).code == 1
    rows = [
        json.loads(line)
        for path in (tmp_path / "events").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    ends = [row["outcome"] for row in rows if row["phase"] == "finished"]
    assert sorted(ends) == ["failed", "ok"]


def test_more_processes_than_targets_are_not_started(place: Path, v1: Path) -> None:
    write(place, {"list": "a\n"})
    assert many("--jobs", "9", source=v1).code == 0


# --- the list ----------------------------------------------------------------------------------------


def test_a_list_may_come_by_stdin_with_names_that_are_no_text(
    place: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b" a \0caf\xe9\0"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    run = many("--null", "--json", source=v1, to="-")
    assert (run.code, sorted(lines(run)[0])) == (0, [" a ", "caf\\xe9"])
    assert {os.fsencode(path) for path in os.listdir(place)} == {b" a ", b"caf\xe9"}


def test_a_target_that_is_named_twice_is_one_and_the_run_says_so(place: Path, v1: Path) -> None:
    write(place, {"list": "a\nb\n"})
    assert many(source=v1).code == 0
    (place / "link").symlink_to("a")
    write(place, {"list": f"a\n./a/\n{place}/b\na/docs\nlink\n"})
    run = many(source=v1)
    assert (run.code, table(run)) == (0, {"targets": "2", "unchanged": "2"})
    assert run.err.splitlines() == [
        "note: list:2: ./a/: the same target as in line 1",
        "note: list:4: a/docs: the same target as in line 1",
        "note: list:5: link: the same target as in line 1",
    ]


def test_targets_within_each_other_are_refused_unless_both_are_repositories(
    place: Path, v1: Path
) -> None:
    write(place, {"list": "a/b/c\na\n"})
    refused = many(source=v1)
    assert (refused.code, refused.out, [*place.iterdir()]) == (2, "", [place / "list"])
    assert refused.err.startswith(f"list:1: {place}/a/b/c: lies in the target of line 2 (expected a")
    (place / "a/b/.git").mkdir(parents=True)
    assert many(source=v1).code == 0
    assert many(source=v1).code == 0


def test_an_empty_list_is_no_error_but_is_noted(place: Path) -> None:
    write(place, {"list": "# nothing yet\n"})
    run = many()
    assert (run.code, run.err) == (0, "note: list: names no target\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Missing argument 'TARGET'."),
        (("--targets-from", "list", "a"), "TARGET and --targets-from exclude each other."),
        (("--jobs", "2", "a"), "Invalid value for '-j' / '--jobs': goes with --targets-from alone."),
        (("-0", "a"), "Invalid value for '-0' / '--null': goes with --targets-from alone."),
        (("--fail-fast", "a"), "Invalid value for '--fail-fast': goes with --targets-from alone."),
        (("--targets-from", "list", "-j", "0"), "0 is not in the range 1<=x<=60."),
        (("--targets-from", "none"), "none: cannot be read: No such file or directory"),
        (("--targets-from", "."), ".: cannot be read: Is a directory"),
        (("--targets-from", "binary"), "binary:1: a NUL byte (expected text, one path a line)"),
    ],
    ids=[
        "neither",
        "both",
        "--jobs",
        "--null",
        "--fail-fast",
        "no process",
        "no list",
        "a directory",
        "a binary",
    ],
)
def test_what_is_typed_wrong_is_told_before_anything_is_written(
    place: Path, words: tuple[str, ...], message: str
) -> None:
    write(place, {"list": "a\n", "binary": b"\x7fELF\0\0"})
    run = agentrail("install", *words)
    assert (run.code, run.out, message in run.err) == (2, "", True), run.err
    assert sorted(path.name for path in place.iterdir()) == ["binary", "list"]


def test_a_list_that_is_refused_is_told_in_one_line_of_json(place: Path) -> None:
    run = many("--json", to="none")
    assert (run.code, len(run.out.splitlines())) == (2, 1)
    assert (run.json["kind"], run.json["code"], run.json["error"]["type"]) == (
        "summary",
        2,
        "UsageError",
    )


def test_a_stdin_that_is_closed_is_an_empty_hand_and_no_bug(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    run = many(to="-")
    assert (run.code, run.err.startswith("stdin: cannot be read: ")) == (2, True)


def test_a_name_that_the_system_cannot_have_is_refused_by_its_line(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = SimpleNamespace(fsdecode=bytes.decode)
    monkeypatch.setattr(operation, "os", windows)
    write(place, {"list": b"# ours\ncaf\xe9\n"})
    run = many()
    assert (run.code, run.err.startswith("list:2: not UTF-8 (byte 3)\n")) == (2, True)


# --- failures ----------------------------------------------------------------------------------------


def test_a_target_that_fails_stops_no_other_and_a_second_run_does_what_is_left(
    place: Path, v1: Path
) -> None:
    long = "n" * 300
    write(
        place,
        {
            "file": "a file\n",
            f"conflict/{GUIDE}": MINE,
            "receipt/.agentrail/receipt.json": "{}\n",
            "list": f"file\nconflict\ngood\nreceipt\nfile/below\n{long}\n.git/x\n",
        },
    )
    run = many("--json", source=v1)
    rows, last = lines(run)
    assert (run.code, last["code"]) == (1, 1)
    assert {name: row["error"] and row["error"]["code"] for name, row in rows.items()} == {
        "file": 1,
        "conflict": 3,
        "good": None,
        "receipt": 1,
        "below": 1,
        long: 1,
        "x": 1,
    }
    assert last["results"]["failed"] == 5
    assert f"{place}/conflict: {GUIDE}: conflict: " in run.err
    assert "\nfile: not a directory (expected a repository)\nhint: " in f"\n{run.err}"
    assert "note: the same command again does only what is left\n" in run.err
    assert "Traceback" not in run.err
    (place / "conflict" / GUIDE).unlink()
    write(place, {"list": "conflict\ngood\n"})
    assert results(many("--json", source=v1)) == {"conflict": "applied", "good": "unchanged"}


def test_a_source_that_cannot_be_used_has_its_own_code_and_writes_nothing(
    place: Path, v1: Path
) -> None:
    write(place, {"list": "a\nb\n"})
    write(v1, {GUIDE: "altered\n"})
    run = many(source=v1)
    assert (run.code, table(run)) == (6, {"targets": "2", "failed": "2"})
    assert not (place / "a").exists()


def test_fail_fast_begins_no_further_target(place: Path, v1: Path) -> None:
    write(place, {"list": "a\nb\nc\nd\n", "b": "a file\n"})
    run = many("--fail-fast", "--jobs", "1", "--json", source=v1)
    assert (run.code, results(run)) == (
        1,
        {"a": "applied", "b": "failed", "c": "not run", "d": "not run"},
    )
    again = many("--fail-fast", "--jobs", "1", "-v", source=v1)
    assert again.out.splitlines()[-4:-2] == ["not run   c", "not run   d"]


def test_a_quiet_run_tells_of_failures_alone(place: Path, v1: Path) -> None:
    write(place, {"list": "a\na\nb\n", "b": "a file\n"})
    run = many("-q", source=v1)
    assert (run.code, run.out) == (1, "")
    assert (
        run.err
        == "b: not a directory (expected a repository)\nhint: name the directory of the repository\n"
    )


def test_an_install_that_changes_no_file_of_the_framework_says_so(place: Path, v1: Path) -> None:
    write(place, {"list": "a\n"})
    assert many(source=v1).code == 0
    (place / "a/.agentrail/.gitignore").unlink()
    assert f"{place}/a: applied " in many(source=v1).out


@LINUX
def test_a_bug_costs_one_target_and_its_traceback_is_there_for_the_asking(
    place: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(install: Installed, path: str, options: Options) -> Outcome:
        if path == "b":
            raise KeyError("no such key")
        return install(path, options)

    instead(monkeypatch, fail)
    write(place, {"list": "a\nb\nc\n"})
    run = many("--json", source=v1)
    assert (run.code, "Traceback" in run.err) == (70, False)
    assert results(run) == {"a": "applied", "b": "failed", "c": "applied"}
    assert lines(run)[0]["b"]["error"]["message"] == "internal error: KeyError: 'no such key'"
    assert 'raise KeyError("no such key")' in many("-v", source=v1).err


# --- processes that die ------------------------------------------------------------------------------


@LINUX
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_process_that_is_killed_costs_one_target_and_the_next_run_does_it(
    place: Path, v1: Path, monkeypatch: pytest.MonkeyPatch, jobs: str
) -> None:
    def die(install: Installed, path: str, options: Options) -> Outcome:
        if path == "b":
            watch = options.progress

            def kill(what: str, done: int, total: int) -> None:
                if what == "writing" and done == 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                watch(what, done, total)

            options = options._replace(progress=kill)
        return install(path, options)

    with monkeypatch.context() as patch:
        instead(patch, die)
        write(place, {"list": "a\nb\nc\nd\n"})
        run = many("--jobs", jobs, "--json", source=v1)
    assert (run.code, results(run)) == (
        1,
        {"a": "applied", "b": "failed", "c": "applied", "d": "applied"},
    )
    told = "b: the process that worked on it was ended by signal 9\nhint: run the command again"
    assert told in run.err
    assert multiprocessing.active_children() == []
    assert (place / "b/.agentrail/state/journal").exists()
    again = many("--jobs", jobs, source=v1)
    assert (again.code, table(again)) == (0, {"targets": "4", "applied": "1", "unchanged": "3"})
    assert "an earlier run was interrupted: it was undone" in again.err
    assert snapshot(place / "b") == snapshot(place / "a")


@LINUX
def test_a_process_that_is_killed_between_two_targets_costs_none(
    place: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = operation._Worker.ended

    def ended(worker: operation._Worker) -> Ended:
        found = received(worker)
        worker.process.kill()
        worker.process.join()
        return found

    monkeypatch.setattr(operation._Worker, "ended", ended)
    write(place, {"list": "a\nb\nc\n"})
    run = many("--jobs", "1", source=v1)
    assert (run.code, table(run)) == (0, {"targets": "3", "applied": "3"})


def children(parent: int) -> list[int]:
    """Return the processes that a process has started."""
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(number) for number in found.split()]


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, which it soon has to be."""
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, "never came"
        time.sleep(0.01)


def is_gone(process: int) -> bool:
    """Tell whether a process has ended, whoever waits for it or not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def start(*words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "agentrail_runtime", "install", "--targets-from", "list", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A bundle that takes a while."""
    return make_bundle(tmp_path / "large", {f"docs/{number}.md": "x\n" for number in range(100)})


@LINUX
def test_when_the_first_process_is_killed_the_others_end_with_what_they_are_at(
    place: Path, v1: Path
) -> None:
    write(place, {"list": "a\nb\nc\nd\n"})
    with contextlib.ExitStack() as locks:
        for name in "ab":
            (place / name).mkdir()
            locks.enter_context(held(place / name))
        with start("--jobs", "2", "--source", "copy", "--runtime-dir", v1) as run:
            wait_until(lambda: len(children(run.pid)) == 2)
            workers = children(run.pid)
            os.kill(run.pid, signal.SIGKILL)
            run.wait()
            locks.close()
            wait_until(lambda: all(map(is_gone, workers)))
    assert not (place / "c").exists()
    again = many(source=v1)
    assert (again.code, [(place / name / GUIDE).read_bytes() for name in "abcd"]) == (0, [BASE] * 4)


@LINUX
@pytest.mark.slow
def test_when_all_processes_are_killed_at_any_time_the_next_run_completes(
    place: Path, large: Path
) -> None:
    names = [f"t{number}" for number in range(6)]
    write(place, {"list": "".join(f"{name}\n" for name in names)})
    route = ("--source", "copy", "--runtime-dir", large)
    for delay in (0.0, 0.03, 0.08, 0.15):
        with start("--jobs", "2", *route) as run:
            wait_until(lambda pid=run.pid: len(children(pid)) == 2 or is_gone(pid))  # type: ignore[misc]
            time.sleep(delay)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
    assert many(source=large).code == 0
    assert many("--check", source=large).code == 0
    assert [len([*(place / name / "docs").iterdir()]) for name in names] == [100] * 6


@LINUX
def test_no_process_is_no_install_and_few_are_enough(
    place: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = ForkProcess.start
    left = [0]

    def refuse(process: ForkProcess) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(11, "Resource temporarily unavailable")
        begin(process)

    monkeypatch.setattr(ForkProcess, "start", refuse)
    write(place, {"list": "a\nb\nc\n"})
    none = many("--json", source=v1)
    assert (none.code, results(none)) == (1, {"a": "not run", "b": "not run", "c": "not run"})
    assert none.err.startswith("no process can be started: Resource temporarily unavailable\nhint: ")
    left[0] = 1
    run = many("--jobs", "3", source=v1)
    assert (run.code, table(run)) == (0, {"targets": "3", "applied": "3"})


# --- Ctrl-C ------------------------------------------------------------------------------------------


def press(monkeypatch: pytest.MonkeyPatch, *signals: signal.Signals) -> None:
    """Send signals to this process when the first target has ended."""
    print_ = cli_fleet.Lines.ended
    left = [*signals]

    def ended(printer: cli_fleet.Lines, one: Ended, summary: Summary) -> None:
        print_(printer, one, summary)
        while left:
            signal.pthread_kill(threading.get_ident(), left.pop())

    monkeypatch.setattr(cli_fleet.Lines, "ended", ended)


@LINUX
def test_a_ctrl_c_lets_end_what_is_under_way_and_begins_nothing_more(
    place: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(place, {"list": "a\nb\nc\nd\n"})
    with monkeypatch.context() as patch:
        press(patch, signal.SIGINT)
        run = many("--jobs", "1", "--json", source=v1)
    assert (run.code, lines(run)[1]["code"]) == (130, 130)
    assert results(run) == {"a": "applied", "b": "applied", "c": "not run", "d": "not run"}
    # Whether the second one is still under way is a matter of luck.
    under_way = "stopping: 1 under way; Ctrl-C again undoes what they do"
    assert run.err.splitlines()[0] in ("stopping", under_way)
    assert multiprocessing.active_children() == []
    assert results(many("--json", source=v1)) == {
        "a": "unchanged",
        "b": "unchanged",
        "c": "applied",
        "d": "applied",
    }


@LINUX
@pytest.mark.parametrize(
    ("signals", "code"),
    [((signal.SIGINT, signal.SIGINT), 130), ((signal.SIGTERM,), 143)],
    ids=["a second Ctrl-C", "a termination"],
)
def test_what_is_under_way_is_undone_for(
    place: Path,
    v1: Path,
    monkeypatch: pytest.MonkeyPatch,
    signals: tuple[signal.Signals, ...],
    code: int,
) -> None:
    def slow(install: Installed, path: str, options: Options) -> Outcome:
        def wait(what: str, done: int, total: int) -> None:
            if path == "b" and what == "writing" and done == 1:
                time.sleep(60)

        return install(path, options._replace(progress=wait))

    write(place, {"list": "a\nb\nc\n"})
    with monkeypatch.context() as patch:
        instead(patch, slow)
        press(patch, *signals)
        run = many("--jobs", "1", "--json", source=v1)
    rows, _ = lines(run)
    assert (run.code, results(run)) == (code, {"a": "applied", "b": "failed", "c": "not run"})
    assert rows["b"]["error"]["message"] == "interrupted; the target is as it was"
    assert rows["b"]["error"]["code"] == 130
    assert (snapshot(place / "b") if (place / "b").exists() else {}) == {}
    assert multiprocessing.active_children() == []


@LINUX
def test_a_ctrl_c_at_the_terminal_reaches_all_processes_and_cuts_none_short(
    place: Path, v1: Path
) -> None:
    write(place, {"list": "a\nb\nc\nd\n", "b/mine.txt": "mine\n"})
    with held(place / "b"):
        run = start("--jobs", "2", "--json", "--source", "copy", "--runtime-dir", v1)
        assert run.stdout is not None
        assert run.stderr is not None
        first = [run.stdout.readline() for _ in range(2)]
        os.killpg(run.pid, signal.SIGINT)
        told = run.stderr.readline()
    out, err = run.communicate()
    assert (run.returncode, "Traceback" in err) == (130, False)
    assert told.startswith("stopping: ")  # one at least waits for the lock
    with pytest.raises(ProcessLookupError):
        os.killpg(run.pid, 0)
    ends = results(Run(0, "".join(first) + out, err))
    assert ends["b"] == "applied"
    for name, end in ends.items():
        assert (place / name / ".agentrail/receipt.json").exists() == (end == "applied")


@LINUX
def test_a_reader_that_goes_away_stops_the_run_and_leaves_no_process(place: Path, v1: Path) -> None:
    write(place, {"list": "a\nb\nc\nd\n", "b/mine.txt": "mine\n"})
    with held(place / "b"):
        run = start("--jobs", "1", "--source", "copy", "--runtime-dir", v1)
        assert run.stdout is not None
        run.stdout.readline()
        run.stdout.close()
    assert run.stderr is not None
    with run, run.stderr:
        told = run.stderr.read()
    assert (run.returncode, "Traceback" in told) == (1, False)
    with pytest.raises(ProcessLookupError):
        os.killpg(run.pid, 0)
    assert not (place / "d").exists()
    assert many(source=v1).code == 0


@LINUX
def test_a_report_that_cannot_be_printed_leaves_no_process_and_nothing_half_done(
    place: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(printer: cli_fleet.Lines, *_: object) -> None:
        raise OSError(28, "No space left on device")

    write(place, {"list": "a\nb\nc\nd\n"})
    with monkeypatch.context() as patch:
        patch.setattr(cli_fleet.Lines, "ended", fail)
        run = many("--jobs", "1", source=v1)
    assert (run.code, "No space left on device" in run.err) == (70, True)
    assert multiprocessing.active_children() == []
    assert [(place / name / GUIDE).exists() for name in "abcd"] == [True, True, False, False]
    assert many(source=v1).code == 0


# --- in the process ----------------------------------------------------------------------------------


@pytest.fixture
def _signals() -> Iterator[None]:
    """Put back the handlers that a process of the pool sets."""
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


def work(place: Path, bundle: Path, *paths: str, is_dry: bool = False) -> list[Ended]:
    """Do what a process of the pool does, in this one; return how the targets ended that it did."""
    options = Options(source="copy", runtime_dir=str(bundle))
    ours, theirs = multiprocessing.Pipe()
    spare, inherited = multiprocessing.Pipe()
    ended: list[Ended] = []

    def talk() -> None:
        with contextlib.suppress(EOFError, OSError), ours, spare:
            for path in paths:
                ours.send(path)
                ended.append(ours.recv())

    parent = threading.Thread(target=talk)
    parent.start()
    operation._work(operation.Job(options, is_dry, str(place)), theirs, [inherited])
    parent.join()
    assert (theirs.closed, inherited.closed) == (True, True)
    return ended


@pytest.mark.usefixtures("_signals")
def test_a_process_does_one_target_after_the_other_until_nobody_listens(place: Path, v1: Path) -> None:
    write(place, {"b": "a file\n"})
    ends = work(place, v1, "a", "b", "a")
    assert [one.result for one in ends] == ["applied", "failed", "unchanged"]


@pytest.mark.usefixtures("_signals")
def test_a_process_that_only_plans_writes_nothing(place: Path, v1: Path) -> None:
    write(place, {f"b/{GUIDE}": MINE})
    assert [one.result for one in work(place, v1, "a", "b", is_dry=True)] == ["planned", "conflict"]
    assert not (place / "a").exists()


@pytest.mark.usefixtures("_signals")
def test_a_process_that_is_terminated_undoes_its_target_and_does_no_other(
    place: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def terminate(install: Installed, path: str, options: Options) -> Outcome:
        def watch(what: str, done: int, total: int) -> None:
            if what == "writing" and done == 1:
                signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

        return install(path, options._replace(progress=watch))

    instead(monkeypatch, terminate)
    (found,) = work(place, v1, "a", "b")
    assert (found.result, found.code, found.outcome.target) == ("failed", 130, str(place / "a"))
    assert (snapshot(place / "a") if (place / "a").exists() else {}) == {}


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize("is_traced", [False, True])
def test_a_bug_is_told_with_or_without_where_it_is(
    place: Path, v1: Path, monkeypatch: pytest.MonkeyPatch, is_traced: bool
) -> None:
    def fail(install: Installed, path: str, options: Options) -> Outcome:
        raise KeyError("x")

    instead(monkeypatch, fail)
    found = operation._ended(operation.Job(Options(), False, ".", is_traced), "a", operation._Stop())
    assert (found.code, found.trace.startswith("Traceback")) == (70, is_traced)


@pytest.mark.usefixtures("_signals")
def test_a_signal_that_comes_when_a_target_is_done_does_not_deny_it(
    place: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(operation._Stop):
        @contextlib.contextmanager
        def busy(self) -> Iterator[None]:
            with super().busy():
                yield
            raise KeyboardInterrupt

    monkeypatch.setattr(operation, "_Stop", Late)
    (found,) = work(place, v1, "a")
    assert (found.result, found.code) == ("applied", 0)


def test_the_command_line_takes_as_many_processes_as_the_pool_does() -> None:
    assert (cli_install._MOST_JOBS, operation.MOST_JOBS) == (60, 60)


@pytest.mark.parametrize("count", [None, 3])
def test_where_the_system_does_not_say_what_may_be_used_all_processors_are(
    monkeypatch: pytest.MonkeyPatch, count: int | None
) -> None:
    assert operation.processors() >= 1
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert operation.processors() == (count or 1)


# --- the bar -----------------------------------------------------------------------------------------


def test_a_bar_appears_on_a_terminal_after_half_a_second_and_goes_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = iter([0.3, 2.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    bar, summary = cli_fleet.Bar(0.0, is_shown=True), Summary(["a", "b", "c", "d"])
    summary.add(Ended("a", Outcome("install", "applied", "/a")))
    bar.show(summary)
    bar.hide()
    assert capsys.readouterr().err == ""
    bar.show(summary)
    bar.hide()
    shown, blanks, rest = capsys.readouterr().err.split("\r")
    assert click.unstyle(shown) == "[######..................] 1/4, 6 s left"
    assert (blanks, rest) == (" " * len(click.unstyle(shown)), "")


def test_a_bar_counts_failures_and_is_not_shown_when_all_is_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bar, summary = cli_fleet.Bar(time.monotonic() - 9, is_shown=True), Summary(["a", "b"])
    summary.add(Ended("a", Outcome("install", "failed", "/a"), AgentRailError("x"), 2))
    bar.show(summary)
    assert " 1/2, 1 failed, " in capsys.readouterr().err
    summary.add(Ended("b", Outcome("install", "applied", "/b")))
    bar.show(summary)
    assert capsys.readouterr().err == ""


@LINUX
def test_lines_and_bar_share_a_terminal_without_writing_over_each_other(
    place: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bar = cli_fleet.Bar
    monkeypatch.setattr(cli_fleet, "_SECONDS", 0.0)
    monkeypatch.setattr(cli_fleet, "Bar", lambda start, is_shown: bar(start, is_shown=True))
    write(place, {"list": "a\nb\nc\n"})
    run = many("--jobs", "1", "--color", "never", source=v1)
    assert [line.rpartition(" (")[0] for line in run.out.splitlines()[:3]] == [
        f"{place}/{name}: applied" for name in "abc"
    ]
    shown = [part for part in run.err.split("\r") if part.startswith("[")]
    assert [part.partition("]")[2].partition(",")[0] for part in shown] == [" 1/3", " 2/3"]
    assert "\rnote: " in run.err
