"""How long the record checks take, and how much memory, for many task records.

Run as ``python -m tests.bench.checks``. It measures whole processes and prints; it is no test. Each
record has the six files, made of the templates that ship, with about 20 KB of text.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from pathlib import Path

from tests.bench.environment import make_environment
from tests.bench.process import Sample, run
from tests.bench.startup import measure

SIZES = {1_000: 2.0, 10_000: 20.0}
"""The most seconds that so many records may take, on 2 cores."""

FRESH_TARGET = 3.0
"""The most that a check of a fresh target may take, in yardsticks."""

PARAGRAPH = "この節では `AGENTS.md` に従って変えた点と理由を書く。文章が続く。\n- 項目: 値\n\n"
BYTES = 20_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.checks", description=__doc__)
    parser.add_argument("-n", type=int, default=5, help="runs of each size (default: 5)")
    parser.add_argument("--python", type=Path, help="of an environment that holds agentrail-runtime")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agentrail-bench-") as directory:
        place = Path(directory)
        python = (options.python or make_environment(place / "environment")).absolute()
        agentrail = str(python.with_name("agentrail"))
        fresh = install(python, place / "fresh")
        yardstick = [str(python), "-c", "import click"]
        result = measure("check", lambda _: [agentrail, "check", str(fresh)], yardstick, 15)
        verdict = "met" if result.ratio <= FRESH_TARGET else "missed"
        print(
            f"fresh target: {result.median:.0f} ms, {result.ratio:.2f} x import click "
            f"(<= {FRESH_TARGET}: {verdict}), peak {result.peak:.0f} MB"
        )
        for count, seconds in SIZES.items():
            target = install(python, place / str(count))
            size = add_records(target, count)
            samples = [run([agentrail, "check", "-q", str(target)]) for _ in range(options.n)]
            print(row(count, size, samples, seconds))
            shutil.rmtree(target)


def row(count: int, size: int, samples: list[Sample], seconds: float) -> str:
    """Return what was measured of one size."""
    median = statistics.median(sample.time for sample in samples) / 1000
    peak = max(sample.peak for sample in samples)
    verdict = "met" if median <= seconds else "missed"
    return (
        f"{count:>6} records of {size / 1000:.1f} KB: {median:.2f} s (<= {seconds:.0f} s: {verdict}), "
        f"{count / median:.0f} records/s, {count * size / median / 1e6:.1f} MB/s, "
        f"peak of the first process {peak:.0f} MB"
    )


def install(python: Path, target: Path) -> Path:
    """Return a fresh target."""
    run([str(python.with_name("agentrail-install")), "-q", str(target)])
    return target


def add_records(target: Path, count: int) -> int:
    """Add `count` records to a target; return the bytes of one."""
    templates = {
        path.name: path.read_text(encoding="utf-8") for path in (target / "docs/templates").iterdir()
    }
    templates.pop("adr.md", None)
    longer = (BYTES - sum(len(text.encode()) for text in templates.values())) // 5
    filler = "\n## 10. 付録\n\n" + PARAGRAPH * (longer // len(PARAGRAPH.encode()) + 1)
    texts = {
        name: (text + filler if name.endswith(".md") else text).encode()
        for name, text in templates.items()
    }
    for number in range(count):
        record = target / f".agentrail/work/2026-01-01__task-{number}"
        record.mkdir()
        for name, data in texts.items():
            path = record / name
            if name == "state.json" and number:
                state = json.loads(data) | {"depends_on": [f"2026-01-01__task-{number - 1}"]}
                data = json.dumps(state, indent=2).encode()
            path.write_bytes(data)
    return sum(len(data) for data in texts.values())


if __name__ == "__main__":
    main()
