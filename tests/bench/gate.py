"""How long the gate takes over many events: a million with DuckDB, 50,000 without.

Run as ``python -m tests.bench.gate``. It measures whole processes and prints; it is no test. Half of
the events are about the release that is judged, the others about the one before; one run in fifty
fails, one repository in a hundred goes back.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from tests.bench.process import Sample, run

TARGETS = {50_000: 1.5, 1_000_000: 3.0}
"""The most seconds that so many events may take, on 2 cores."""

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
AS_OF = "2026-03-01T00:00:00Z"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gate", description=__doc__)
    parser.add_argument("-n", type=int, default=5, help="runs of each size (default: 5)")
    parser.add_argument("--python", type=Path, help="of an environment with agentrail-runtime[events]")
    options = parser.parse_args()
    python = str(options.python or sys.executable)
    common = ["--stage", "internal", "--version", "1.1.0", "--as-of", AS_OF]
    with tempfile.TemporaryDirectory(prefix="agentrail-bench-") as directory:
        for count, seconds in TARGETS.items():
            path = Path(directory) / f"{count}.jsonl"
            with path.open("w") as file:
                file.writelines(lines(count))
            words = [python, "-m", "agentrail_runtime", "release", "gate", *common]
            samples = [run([*words, "--events", str(path)]) for _ in range(options.n + 1)][1:]
            print(row(count, path.stat().st_size, samples, seconds))
            path.unlink()


def row(count: int, size: int, samples: list[Sample], seconds: float) -> str:
    """Return what was measured of one size."""
    times = [sample.time / 1000 for sample in samples]
    median = statistics.median(times)
    verdict = "met" if median <= seconds else "missed"
    return (
        f"{count:>9,} events, {size / 1e6:.0f} MB: {median:.2f} s, {min(times):.2f}-{max(times):.2f} s "
        f"(<= {seconds} s: {verdict}), peak {max(sample.peak for sample in samples):.0f} MB"
    )


def lines(count: int) -> Iterator[str]:
    """Yield so many lines of events, as the recorder writes them."""
    chance = random.Random(1)
    left = count
    while left > 0:
        repo, when = (
            f"{chance.getrandbits(256):064x}",
            START + timedelta(seconds=chance.randrange(10**6)),
        )
        before = None
        for version in ("1.0.0", "1.1.0"):
            when += timedelta(hours=1)
            is_ok = chance.random() > 0.02
            yield from pair(repo, when, chance, version, before, is_ok=is_ok)
            before = version
        left -= 4
        if chance.random() < 0.01:
            when += timedelta(hours=5)
            yield from pair(repo, when, chance, "1.1.0", before, op="rollback")
            left -= 2


def pair(
    repo: str,
    when: datetime,
    chance: random.Random,
    version: str,
    before: str | None,
    *,
    op: str = "install",
    is_ok: bool = True,
) -> Iterator[str]:
    """Yield the two lines of one run."""
    took = chance.randrange(200, 4000)
    shared = {
        "channel": "internal",
        "event_id": f"{chance.getrandbits(128):032x}",
        "from_version": before,
        "op": op,
        "os": "linux",
        "python": "3.12.1",
        "repo": repo,
        "route": "package",
        "schema_version": "1.0",
        "version": version,
    }
    ends = (
        ("started", when, None, None, None),
        (
            "finished",
            when + timedelta(seconds=took // 1000),
            *(("ok", 0) if is_ok else ("failed", 1)),
            took,
        ),
    )
    for phase, at, outcome, code, duration in ends:
        own = {"phase": phase, "outcome": outcome, "error_code": code, "duration_ms": duration}
        event = shared | own | {"ts": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        yield json.dumps(event, sort_keys=True, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    main()
