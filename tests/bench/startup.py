"""How long a whole process takes, and how much memory, against ``python -c "import click"``.

Run as ``python -m tests.bench.startup``. It measures and prints; it is no test, because a busy machine
would fail it. Each command alternates with the yardstick, so that both see the same machine.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench.environment import make_environment
from tests.bench.material import make_repository
from tests.bench.process import Sample, megabytes, run

__all__ = ["Sample", "main", "make_environment", "make_repository", "measure", "run"]
"""What other benchmarks take from here."""

TARGETS = {"no-op": 1.8, "fresh install": 2.5}
"""The most that a command may take, in yardsticks."""

PEAK_TARGET = 40.0
"""The most memory that a command may take, in MB."""


class Result(NamedTuple):
    """What was measured of one command; times in milliseconds, memory in MB."""

    name: str
    median: float
    least: float
    most: float
    yardstick: float
    ratio: float
    target: float | None
    peak: float

    @property
    def verdict(self) -> str:
        """Whether the targets are met."""
        is_slow = self.target is not None and self.ratio > self.target
        missed = ["time"] * is_slow + ["memory"] * (self.peak > PEAK_TARGET)
        return f"missed: {', '.join(missed)}" if missed else "met"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.startup", description=__doc__)
    parser.add_argument("-n", type=int, default=10, help="runs of each command (default: 10)")
    parser.add_argument("--python", type=Path, help="of an environment that holds agentrail-runtime")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agentrail-bench-") as directory:
        place = Path(directory)
        python = options.python or make_environment(place / "environment")
        results = measure_all(python.absolute(), place, options.n)
    print(as_json(results) if options.json else as_text(results, options.n))


def measure_all(python: Path, place: Path, runs: int) -> list[Result]:
    """Measure every command `runs` times."""
    yardstick = [str(python), "-c", "import click"]
    install, agentrail = (str(python.with_name(name)) for name in ("agentrail-install", "agentrail"))
    template, installed = make_repository(place / "template"), make_repository(place / "installed")
    run([install, str(installed)])

    def fresh(number: int) -> list[str]:
        return [install, str(shutil.copytree(template, place / f"fresh-{number}", symlinks=True))]

    return [
        measure("no-op", lambda _: [install, str(installed)], yardstick, runs),
        measure("fresh install", fresh, yardstick, runs),
        measure("verify", lambda _: [agentrail, "verify", str(installed)], yardstick, runs),
    ]


def measure(
    name: str, command: Callable[[int], Sequence[str]], yardstick: Sequence[str], runs: int
) -> Result:
    """Run yardstick and command in turns, after one run of each that does not count."""
    ours, theirs = [], []
    for number in range(runs + 1):
        words = command(number)
        theirs.append(run(yardstick))
        ours.append(run(words))
    times = [sample.time for sample in ours[1:]]
    against = statistics.median(sample.time for sample in theirs[1:])
    return Result(
        name=name,
        median=statistics.median(times),
        least=min(times),
        most=max(times),
        yardstick=against,
        ratio=statistics.median(times) / against,
        target=TARGETS.get(name),
        peak=max(sample.peak for sample in ours[1:]),
    )


def as_json(results: Sequence[Result]) -> str:
    """Return the results as a JSON list."""
    rows = [
        {**result._asdict(), "peak_target": PEAK_TARGET, "verdict": result.verdict}
        for result in results
    ]
    return json.dumps(rows, indent=2)


def as_text(results: Sequence[Result], runs: int) -> str:
    """Return the results as a table."""
    lines = [
        f"{'':<14} {'median':>8} {'min-max':>15} {'click':>8} {'ratio':>6} {'target':>7} {'peak':>8}"
    ]
    for result in results:
        spread = f"{result.least:.0f}-{result.most:.0f} ms"
        target = f"<= {result.target}" if result.target else ""
        lines.append(
            f"{result.name:<14} {result.median:>5.1f} ms {spread:>15} {result.yardstick:>5.1f} ms "
            f"{result.ratio:>6.2f} {target:>7} {result.peak:>5.1f} MB  {result.verdict}"
        )
    own = megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    lines.append(
        f'{runs} runs each, in turns with python -c "import click"; peak target {PEAK_TARGET:.0f} MB '
        f"(no peak can be measured below {own:.1f} MB, that of this script)"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
