"""How long export, its check and verify take on a large tree, against cp and sha256sum.

Run as ``python -m tests.bench.export``. It measures whole processes and prints; it is no test. The tree
holds 10,000 files of 4 KB in 500 directories, as a framework repository whose manifest ships them all.
Ours and theirs alternate, each copy goes to a fresh directory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench.environment import make_environment
from tests.bench.process import run
from tests.bench.tree import MANIFEST, Size, write_tree

SIZE = Size("10k", 10_000, 4_096, 500, runs=7)
EXPORT, CHECK, VERIFY = 2.5, 2.0, 2.0
"""The most that each may take, in runs of cp -r or sha256sum -c."""

INDEX_CHECK = 15.0
"""The most milliseconds that a route may take to check the shipped payload."""

CHECK_INDEX = """
import statistics, sys, time
from agentrail_runtime import source
routes = {"package": source.open_package, "copy": lambda: source.open_copy(sys.argv[1])}
for name, opened in routes.items():
    times = []
    for _ in range(int(sys.argv[2])):
        start = time.perf_counter()
        opened()
        times.append(1000 * (time.perf_counter() - start))
    print(name, statistics.median(times))
"""


class Pair(NamedTuple):
    """Times (ms) of our runs and of theirs, alternating."""

    ours: list[float]
    theirs: list[float]

    def row(self, name: str, target: float) -> str:
        """Return the line for the table."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        ratios = sorted(one / other for one, other in zip(self.ours, self.theirs, strict=True))
        verdict = "met" if ours / theirs <= target else "missed"
        return (
            f"{name:<22} {ours:>6.0f} ms / {theirs:>4.0f} ms = {ours / theirs:.2f} "
            f"(pairs {ratios[0]:.2f}-{ratios[-1]:.2f}; <= {target}: {verdict})"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.export", description=__doc__)
    parser.add_argument("-n", type=int, default=7, help="runs of each (default: 7)")
    parser.add_argument("--python", type=Path, help="of an environment that holds agentrail-runtime")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agentrail-bench-") as directory:
        place = Path(directory)
        python = (options.python or make_environment(place / "environment")).absolute()
        measure_all(str(python.with_name("agentrail")), str(python), place, options.n)


def measure_all(agentrail: str, python: str, place: Path, runs: int) -> None:
    """Measure and print each job."""
    root, bundle, target = make_framework(place / "framework"), place / "bundle", place / "target"
    export = [agentrail, "export", "-q", "--root", str(root), "--output"]
    print(
        in_turns(
            lambda number: [*export, str(place / f"export-{number}" / "runtime")],
            lambda number: ["cp", "-r", str(root / "docs"), str(place / f"copy-{number}")],
            runs,
        ).row("export / cp -r", EXPORT)
    )
    run([*export, str(bundle)])
    sums = place / "sums"
    names = sorted(str(path) for path in (bundle / "docs").rglob("*.txt"))
    with sums.open("w") as file:
        subprocess.run(["xargs", "sha256sum"], input="\n".join(names).encode(), stdout=file, check=True)
    theirs = ["sha256sum", "--quiet", "-c", str(sums)]
    print(
        in_turns(lambda _: [*export, str(bundle), "--check"], lambda _: theirs, runs).row(
            "--check / sha256sum -c", CHECK
        )
    )
    install = (agentrail, "install", "-q", "--source", "copy", "--runtime-dir", str(bundle))
    run([*install, str(target)])
    print(
        in_turns(lambda _: [agentrail, "verify", "-q", str(target)], lambda _: theirs, runs).row(
            "verify / sha256sum -c", VERIFY
        )
    )
    shipped = place / "shipped"
    run([agentrail, "export", "-q", "--output", str(shipped)])
    words = [python, "-c", CHECK_INDEX, str(shipped), str(10 * runs)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        route, time = line.split()
        verdict = "met" if float(time) <= INDEX_CHECK else "missed"
        print(f"check of the shipped payload, {route}: {float(time):.1f} ms (<= 15: {verdict})")


def make_framework(root: Path) -> Path:
    """Return a framework repository of many files."""
    write_tree(root, SIZE)
    (root / "framework.runtime.manifest.yaml").write_text(MANIFEST, encoding="utf-8")
    os.sync()  # or the first runs would wait for these bytes
    return root


def in_turns(
    ours: Callable[[int], Sequence[str]], theirs: Callable[[int], Sequence[str]], runs: int
) -> Pair:
    """Run both commands in turns, after one run of each that does not count."""
    pair = Pair([], [])
    for number in range(runs + 1):
        pair.theirs.append(run(theirs(number)).time)
        pair.ours.append(run(ours(number)).time)
    return Pair(pair.ours[1:], pair.theirs[1:])


if __name__ == "__main__":
    if shutil.which("sha256sum") is None:
        sys.exit("sha256sum (GNU coreutils): not on PATH")
    main()
