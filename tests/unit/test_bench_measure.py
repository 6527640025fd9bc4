"""Measuring: turns are fair, and a command that fails is left out with its own words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.environment import PEERS, SYSTEM, Tool, clean
from tests.bench.importtime import Module, parse
from tests.bench.job import Contender, Turn, limited
from tests.bench.material import Material, write_commit
from tests.bench.measure import Hide, measured
from tests.bench.process import CommandError, complaint, run, share
from tests.bench.result import Series
from tests.bench.tree import SIZES, Size, names, write_next, write_tree
from tests.support import git, make_repo

posix = pytest.mark.skipif(
    sys.platform == "win32", reason="wait4, which tells the memory, is POSIX alone"
)
SMALL = Size("small", 200, 64, 5, runs=1)


def measure(*contenders: Contender, rounds: int, hide: Hide = str) -> tuple[Series, ...]:
    return measured(contenders, rounds, os.environ, settle=lambda: None, hide=hide)


def command(name: str, program: str, seen: list[str], *, is_slow: bool = False) -> Contender:
    def turn(number: int) -> Turn:
        seen.append(f"{name}{number}")
        return Turn([sys.executable, "-S", "-c", program])

    return Contender(name, turn, 1 if is_slow else None, not is_slow)


@posix
def test_the_commands_take_turns_and_who_begins_moves_on() -> None:
    seen: list[str] = []
    found = measure(command("a", "", seen), command("b", "", seen), rounds=2)
    assert seen == ["a0", "b0", "b1", "a1", "a2", "b2"]
    assert [(series.name, len(series.times)) for series in found] == [("a", 2), ("b", 2)]


@posix
def test_a_command_that_fails_is_not_asked_again_and_its_words_are_kept() -> None:
    seen: list[str] = []
    bad = "import sys; sys.exit('no such\\nplace: /secret')"
    good, broken = measure(
        command("a", "", seen),
        command("b", bad, seen),
        rounds=1,
        hide=lambda text: text.replace("/secret", "…"),
    )
    assert seen == ["a0", "b0", "a1"]
    assert broken.reason == f"{Path(sys.executable).name}: exit code 1: place: …"
    assert (broken.times, good.reason, len(good.times)) == ((), "", 1)


@posix
def test_what_cannot_even_be_made_ready_does_not_stop_the_others() -> None:
    def unready(_: int) -> Turn:
        raise CommandError("no rsync on PATH")

    absent = Contender("c", lambda _: Turn(["/no/such/command"]))
    missing, gone, good = measure(Contender("a", unready), absent, command("b", "", []), rounds=1)
    assert missing.reason == "no rsync on PATH"
    assert "No such file" in gone.reason
    assert len(good.times) == 1


@posix
def test_a_command_that_takes_long_is_run_as_often_as_it_says() -> None:
    seen: list[str] = []
    _, slow = measure(command("a", "", seen), command("b", "", seen, is_slow=True), rounds=2)
    assert [one for one in seen if one.startswith("b")] == ["b1"]
    assert len(slow.times) == 1


@posix
def test_the_memory_is_that_of_the_largest_process_though_it_is_a_child() -> None:
    # More than this process has itself: less cannot be seen.
    child = "x = bytearray(300_000_000); x[::4096] = b'1' * len(x[::4096])"
    program = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {child!r}], check=True)"
    )
    assert run([sys.executable, "-S", "-c", program]).peak > 300


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="smaps_rollup is Linux alone")
def test_all_processes_together_are_looked_at_where_that_is_asked_for() -> None:
    program = (
        "import os, time; x = bytearray(20_000_000); x[::4096] = b'1' * len(x[::4096]); os.fork(); "
        "x[::4096] = b'2' * len(x[::4096]); time.sleep(0.2); os.wait() if os.getpid() == p else 0"
    ).replace("os.fork();", "p = os.getpid(); os.fork();")
    sample = run([sys.executable, "-S", "-c", program], is_sampled=True)
    assert sample.total is not None
    assert sample.total > 40
    assert share(2**22 + 1) == 0


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", "x: exit code 3: no message"),
        ("one\ntwo\n\n", "x: exit code 3: two"),
        ("│ No such option │\n╰────────╯\n", "x: exit code 3: No such option"),
    ],
    ids=["nothing", "the last line", "a box"],
)
def test_of_a_failed_command_the_last_line_is_told(said: str, expected: str) -> None:
    assert complaint(["/usr/bin/x", "y"], 3, said) == expected


def test_imports_are_read_with_their_own_time() -> None:
    text = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:       150 |        150 |   json.scanner\n"
        "warning: something else\n"
        "import time:      1250 |       1400 | json\n"
    )
    assert parse(text) == [Module("json.scanner", 0.15), Module("json", 1.25)]


@pytest.mark.parametrize("size", [SMALL], ids=["small"])
def test_one_percent_of_the_files_differs_between_the_versions(size: Size, tmp_path: Path) -> None:
    before, after = tmp_path / "0", tmp_path / "1"
    write_tree(before, size)
    write_next(after, size, before)
    differing = [
        name for name in names(size) if (before / name).read_bytes() != (after / name).read_bytes()
    ]
    assert differing == ["docs/d000/f000000.txt", "docs/d000/f000100.txt"]
    assert all((after / name).stat().st_mtime != (before / name).stat().st_mtime for name in differing)
    assert len(list((after / "docs").rglob("*.txt"))) == size.files


def test_a_tree_has_the_same_bytes_wherever_it_is_made(tmp_path: Path) -> None:
    one, other = tmp_path / "a", tmp_path / "b"
    write_tree(one, SMALL)
    write_tree(other, SMALL)
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in names(SMALL))


def test_a_trial_has_fewer_files_but_still_all_kinds_of_trees() -> None:
    scaled = {size.name: size.scaled(0.001).files for size in SIZES}
    assert scaled == {"payload": 0, "1k": 2, "1k-large": 2, "3k": 3, "10k": 10, "30k": 30, "100k": 100}


def test_git_gets_exactly_the_files_of_a_version(tmp_path: Path) -> None:
    before, after = tmp_path / "0", tmp_path / "1"
    write_tree(before, SMALL)
    write_next(after, SMALL, before)
    (after / "docs/d001/f000001.txt").unlink()
    stream = tmp_path / "stream"
    with stream.open("wb") as file:
        write_commit(file.write, before, 0)
        write_commit(file.write, after, 1)
    repository = make_repo(tmp_path / "repository", {})
    with stream.open("rb") as file:
        fast_import(repository, file.fileno())
    assert len(git(repository, "ls-tree", "-r", "--name-only", "v0").split()) == 200
    assert git(repository, "diff", "--name-status", "v0", "v1").split() == [
        *("M", "docs/d000/f000000.txt"),
        *("M", "docs/d000/f000100.txt"),
        *("D", "docs/d001/f000001.txt"),
    ]


def fast_import(repository: Path, stream: int) -> None:
    words = ["git", "-C", str(repository), "fast-import", "--quiet", "--force"]
    subprocess.run(words, stdin=stream, check=True)


def test_a_measured_command_sees_none_of_the_users_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTRAIL_SOURCE", "copy")
    monkeypatch.setenv("GIT_DIR", "elsewhere")
    found = clean(tmp_path / "home")
    assert found["HOME"] == str(tmp_path / "home")
    assert {"AGENTRAIL_SOURCE", "GIT_DIR"} & set(found) == set()
    assert found["PATH"] == os.environ["PATH"]


def test_a_missing_tool_is_named_with_its_reason(tmp_path: Path) -> None:
    tools = {name: Tool(reason=f"no {name} on PATH") for name in (*SYSTEM, *PEERS)}
    with pytest.raises(CommandError, match="no rsync on PATH"):
        Material(tmp_path, SMALL, tools, {}).mirror("still")


@pytest.mark.slow
@posix
def test_the_benchmark_runs_and_its_page_reads_back(tmp_path: Path) -> None:
    if not Path(sys.executable).with_name("agentrail-install").exists():
        pytest.skip("the project is not installed beside this Python")
    page, samples = tmp_path / "page.md", tmp_path / "page.json"
    words = [sys.executable, "-m", "tests.bench"]
    trial = ["--python", sys.executable, "--place", str(tmp_path), "--scale", "0.002", "-n", "1"]
    what = ["--tree", "10k", "--jobs", "fresh", "noop", "update", "verify", "rollback"]
    written = ["--json", str(samples), "--page", str(page)]
    subprocess.run([*words, *trial, *what, *written], check=True, capture_output=True)
    text = page.read_text(encoding="utf-8")
    assert "#### Fresh install: 20 × 4 KB" in text
    assert str(tmp_path) not in text
    again = tmp_path / "again"
    again.mkdir()
    subprocess.run(
        [*words, "--from", str(samples), "--page", str(again / "page.md")],
        check=True,
        capture_output=True,
    )
    assert (again / "page.svg").read_bytes() == page.with_suffix(".svg").read_bytes()


@pytest.mark.parametrize(
    ("name", "job", "files", "turns"),
    [
        ("rsync -a", "fresh", 100_000, [1, 2, 3, 4, 5, 6]),
        ("dpkg -i", "fresh", 100_000, [1]),
        ("dpkg -i", "update", 10_000, [0, 1, 2]),
        ("dpkg -i", "fresh", 0, [0, 1, 2, 3, 4, 5, 6]),
        ("dpkg --verify", "verify", 10_000, [0, 1, 2, 3, 4, 5, 6]),
        ("copier update", "update", 0, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_what_takes_long_takes_part_in_fewer_rounds(
    name: str, job: str, files: int, turns: list[int]
) -> None:
    contender = limited(Contender(name, lambda _: Turn([])), job, files)
    assert [number for number in range(7) if contender.is_in(number)] == turns
