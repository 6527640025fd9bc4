"""One whole process: how long it takes, and how much memory it needs.

POSIX alone: Windows has no ``wait4``, which is what tells the memory of a process that has ended.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

TICK = 0.005
"""Seconds between two looks at the memory of a tree of processes."""


class CommandError(Exception):
    """A command that was to be measured, or was needed for that, did not succeed."""


class Sample(NamedTuple):
    """One process: wall-clock time in milliseconds, memory in MB.

    `peak` is that of the largest single process, the first one or one of its children, as the
    operating system counted it; `total` is the most that was seen of all of them together, pages
    that they share counted once, or None where nobody looked.
    """

    time: float
    peak: float
    total: float | None = None


def run(
    words: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    is_sampled: bool = False,
) -> Sample:
    """Run a command that must succeed; a process cannot report less memory than this one had."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        with subprocess.Popen(
            words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process:
            with watched(process.pid, is_wanted=is_sampled) as totals:
                _, status, usage = os.wait4(process.pid, 0)
            elapsed = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace")
            raise CommandError(complaint(words, process.returncode, said))
    return Sample(elapsed * 1000, megabytes(usage.ru_maxrss), max(filter(None, totals), default=None))


def complaint(words: Sequence[str], code: int, said: str) -> str:
    """Return the one line that tells why a command failed."""
    lines = [line.strip(" │\t\r") for line in said.splitlines()]
    last = next((line for line in reversed(lines) if any(map(str.isalnum, line))), "no message")
    return f"{os.path.basename(words[0])}: exit code {code}: {last}"


def megabytes(maxrss: int) -> float:
    """Return what the operating system reports (bytes on macOS, else KiB) in MB."""
    return maxrss * (1 if sys.platform == "darwin" else 1024) / 1_000_000


@contextlib.contextmanager
def watched(pid: int, *, is_wanted: bool) -> Iterator[list[float]]:
    """Collect the memory (MB) of a process and those below it, every few milliseconds."""
    totals: list[float] = []
    if not is_wanted or not os.path.exists("/proc/self/smaps_rollup"):
        yield totals
        return
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(TICK):
            totals.append(sum(map(share, family(pid))))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield totals
    finally:
        is_over.set()
        thread.join()


def family(pid: int) -> list[int]:
    """Return a process and all below it, as far as they still run."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{parent}/task"):
                children = Path(f"/proc/{parent}/task/{thread}/children").read_text()
                found.extend(map(int, children.split()))
    return found


def share(pid: int) -> float:
    """Return the memory (MB) of a process, a page of n processes counted as 1/n; 0 if it ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1_000_000
    return 0.0
