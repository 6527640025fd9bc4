"""Reading what strace wrote: a line that is passed over is a power loss that nobody tries."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.powerloss import trace
from tests.powerloss.trace import Argument, Call, TraceError, about, parse


def hexadecimal(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def only(*lines: str) -> Call:
    (found,) = parse(lines)
    return found


DIRECTORY = f"3<{hexadecimal('/disk')}>"
NAME = f'"{hexadecimal("a, (b)")}"'


def test_a_call_is_read_with_its_directory_its_name_and_its_result() -> None:
    found = only(f"7 openat({DIRECTORY}, {NAME}, O_WRONLY|O_CREAT, 0666) = 5<{hexadecimal('/x')}>\n")
    assert (found.process, found.name, found.result) == (7, "openat", 5)
    directory, name, flags, mode = found.arguments
    assert (directory.path, directory.number) == ("/disk", 3)
    assert name.data == b"a, (b)"
    assert flags.flags == {"O_WRONLY", "O_CREAT"}
    assert mode.number == 0o666


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("0644", 0o644), ("12", 12), ("0x10", 16), ("3</a>", 3)]
)
def test_a_number_is_read_as_it_is_written(text: str, number: int) -> None:
    assert Argument(text).number == number


def test_a_call_that_another_process_cut_in_two_is_put_together_when_it_ends() -> None:
    found = parse(
        [
            f"7 fsync({DIRECTORY} <unfinished ...>\n",
            "8 close(4) = 0\n",
            "7 <... fsync resumed>) = 0\n",
        ]
    )
    assert [(call.process, call.name) for call in found] == [(8, "close"), (7, "fsync")]


@pytest.mark.parametrize(
    "line",
    [
        "7 +++ exited with 0 +++\n",
        "7 --- SIGCHLD {si_signo=SIGCHLD} ---\n",
        "7 fsync(3) = -1 EIO (I/O)\n",
    ],
)
def test_what_changes_nothing_is_passed_over(line: str) -> None:
    assert [*parse([line])] == []


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("what is this\n", id="no process"),
        pytest.param("7 fsync(3\n", id="no end"),
        pytest.param('7 write(3, "\\x61"..., 5) = 5\n', id="a string cut short"),
        pytest.param('7 rename("\\x61", "\\x62") = ?\n', id="killed within the call"),
    ],
)
def test_what_is_not_understood_is_an_error_and_no_gap(line: str) -> None:
    with pytest.raises(TraceError):
        [*parse([line])]


@pytest.mark.parametrize("end", [">(deleted)", f"{hexadecimal(' (deleted)')}>"])
def test_a_file_that_has_no_name_any_more_is_known_for_one(end: str) -> None:
    found = only(f"7 fsync(3<{hexadecimal('/disk/a')}{end}) = 0\n")
    assert found.arguments[0].is_deleted


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        (f"7 fsync(3<{hexadecimal('/disk/a')}>) = 0", True),
        (f"7 fsync(3<{hexadecimal('/else')}>) = 0", False),
        ("7 write(1<pipe>, ...", True),
        ("7 write(11<pipe>, ...", False),
        ("7 chdir(...", True),
        ("7 sync() = 0", True),
        ("7 io_uring_setup(...", True),
        ("7 openat( <unfinished ...>", True),
        ("7 <... openat resumed>) = 3", True),
    ],
)
def test_a_line_that_may_matter_is_read(line: str, is_kept: bool) -> None:
    assert [*about([line], "/disk")] == [line] * is_kept


@pytest.mark.parametrize(
    ("platform", "path", "reason"),
    [
        ("win32", "/bin", "strace is there on Linux alone"),
        ("linux", "", "no strace (apt-get install strace)"),
    ],
)
def test_a_platform_that_can_record_nothing_says_why(
    monkeypatch: pytest.MonkeyPatch, platform: str, path: str, reason: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("PATH", path)
    assert trace.obstacle.__wrapped__() == reason


def test_a_command_is_recorded_with_what_it_writes(tmp_path: Path, recordable: None) -> None:
    code, calls = trace.record(["verify", tmp_path / "none"], tmp_path, tmp_path / "log")
    assert code == 1
    assert {call.name for call in calls} <= {*trace.CALLS}
