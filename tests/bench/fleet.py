"""How long an install of the shipped payload into many targets takes, for each of them.

Run as ``python -m tests.bench.fleet``. It measures whole processes and prints; it is no test. Each
target is a git repository with somebody's files; each run takes repositories that no other has touched.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench.startup import Sample, make_environment, make_repository, run

TARGET = 40.0
"""The most that a target may take, in milliseconds, on two cores."""

_PROBES = 20  # targets that are installed one after the other, for comparison


class Result(NamedTuple):
    """What was measured: milliseconds a target, in every run; memory of the first process in MB."""

    name: str
    times: list[float]
    peak: float
    has_target: bool = True

    @property
    def median(self) -> float:
        """The median of the runs, in milliseconds."""
        return statistics.median(self.times)

    @property
    def verdict(self) -> str:
        """Whether the target is met; nothing where there is none."""
        if not self.has_target:
            return ""
        return "met" if self.median <= TARGET else f"missed: {self.median / TARGET:.2f} x"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fleet", description=__doc__)
    parser.add_argument("-n", type=int, default=3, help="runs (default: 3)")
    parser.add_argument("--targets", type=int, default=1000, help="in each run (default: 1000)")
    parser.add_argument("--jobs", type=int, help="default: as many as there are processors to use")
    parser.add_argument("--python", type=Path, help="of an environment that holds agentrail-runtime")
    parser.add_argument(
        "--directory", help="where to make the repositories (default: as tempfile does)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agentrail-bench-", dir=options.directory) as directory:
        place = Path(directory)
        python = (options.python or make_environment(place / "environment")).absolute()
        install = str(python.with_name("agentrail-install"))
        results = measure(install, place, runs=options.n, count=options.targets, jobs=options.jobs)
    print(as_json(results) if options.json else as_text(results, options.n, options.targets))


def measure(
    install: str, place: Path, *, runs: int, count: int, jobs: int | None = None
) -> list[Result]:
    """Install into `count` targets, twice, `runs` times; and into a few one after the other."""
    template = make_repository(place / "template")
    shutil.rmtree(template / ".git/hooks", ignore_errors=True)
    words = [install, "-q", *(["--jobs", str(jobs)] if jobs else [])]
    first, second, alone = [], [], []
    for number in range(runs):
        targets = [*_copies(template, place / f"run-{number}", count + _PROBES)]
        listed = place / f"run-{number}.txt"
        listed.write_text("".join(f"{target}\n" for target in targets[:count]), encoding="utf-8")
        settle()
        alone.append(_one_by_one(install, targets[count:]))
        first.append(run([*words, "--targets-from", str(listed)]))
        second.append(run([*words, "--targets-from", str(listed)]))
    return [
        result("first install", first, count),
        result("second run, nothing to do", second, count),
        result("one command a target", alone, _PROBES)._replace(has_target=False),
    ]


def _copies(template: Path, root: Path, count: int) -> Iterator[Path]:
    for number in range(count):
        yield shutil.copytree(template, root / f"repo-{number:05}", symlinks=True)


def _one_by_one(install: str, targets: Sequence[Path]) -> Sample:
    samples = [run([install, "-q", str(target)]) for target in targets]
    return Sample(sum(sample.time for sample in samples), max(sample.peak for sample in samples))


def settle() -> None:
    """Let what was written before reach the disk, so that no run pays for it."""
    os.sync()
    time.sleep(0.5)


def result(name: str, samples: Sequence[Sample], count: int) -> Result:
    """Return what samples of `count` targets each come to for one target."""
    return Result(
        name, [sample.time / count for sample in samples], max(sample.peak for sample in samples)
    )


def as_json(results: Sequence[Result]) -> str:
    """Return the results as a JSON list."""
    rows = [
        {**result._asdict(), "median": result.median, "target": TARGET, "verdict": result.verdict}
        for result in results
    ]
    return json.dumps(rows, indent=2)


def as_text(results: Sequence[Result], runs: int, count: int) -> str:
    """Return the results as a table."""
    lines = [f"{'':<26} {'median':>8} {'min-max':>17} {'peak':>8}"]
    for one in results:
        spread = f"{min(one.times):.1f}-{max(one.times):.1f} ms"
        verdict = f"  (<= {TARGET:.0f} ms: {one.verdict})" if one.verdict else ""
        lines.append(f"{one.name:<26} {one.median:>5.1f} ms {spread:>17} {one.peak:>5.1f} MB{verdict}")
    lines.append(
        f"a target; {runs} runs of {count} git repositories, {os.cpu_count()} processors, Python "
        f"{sys.version.partition(' ')[0]}; one command a target: {_PROBES} of them"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
