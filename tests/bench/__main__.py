"""How long the commands take beside what people use for the same job, in one run.

Run as ``python -m tests.bench``. It builds the wheel, installs it and the peers into environments of
their own, makes the trees, and measures whole processes in turns; it is no test. A peer that cannot be
installed or does not run is reported as missing. Needs POSIX, and 25 GB of room for the largest tree.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from tests.bench import chart, page, table, wording
from tests.bench.environment import Tool, clean, make_environment, our_tools, peer_tools, system_tools
from tests.bench.importtime import profiled
from tests.bench.job import COMMANDS, contenders
from tests.bench.machine import machine
from tests.bench.material import Material
from tests.bench.measure import Hide, measured
from tests.bench.process import megabytes
from tests.bench.result import FITTED, JOBS, Imports, Report, Row, Tree, dump, load
from tests.bench.tree import PAYLOAD, SIZES, Size

NOTES = Path(__file__).with_name("notes")
BEGAN = time.monotonic()
QUICK = 3
"""How many rounds --quick has."""

IMPORTS = "imports"
"""The job that is no row: what the imports take."""


class Plan(NamedTuple):
    """What is to be measured."""

    sizes: tuple[Size, ...]
    jobs: tuple[str, ...]


def main() -> None:
    """Measure, or read what was measured before; print; write."""
    options = arguments()
    if options.from_:
        report = load(options.from_.read_text(encoding="utf-8"))
        tell(report, options)
    else:
        report = measure_all(options)
    ours = [row for row in report.rows if row.ours.reason and row.job != "fast"]
    if ours:
        sys.exit(f"{len(ours)} of our own commands failed, the first: {ours[0].ours.reason}")


def tell(report: Report, options: argparse.Namespace) -> None:
    """Print what was measured, and write it where it is wanted."""
    print(table.text(report), flush=True)
    if options.json:
        options.json.write_text(dump(report), encoding="utf-8")
    if options.page:
        write_page(report, options.page, options.json or options.from_)


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    names = [size.name for size in SIZES]
    jobs = [*COMMANDS, IMPORTS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help=f"payload and 10,000 files, {QUICK} rounds"
    )
    parser.add_argument("-n", type=int, metavar="ROUNDS", help="rounds of every job (default: by tree)")
    parser.add_argument(
        "--jobs", "--only", nargs="+", choices=jobs, metavar="JOB", help=", ".join(jobs)
    )
    parser.add_argument("--tree", nargs="+", choices=names, metavar="TREE", help=", ".join(names))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write a page, and a .svg beside it")
    parser.add_argument(
        "--from", dest="from_", type=Path, metavar="FILE", help="measure nothing, read a JSON of before"
    )
    parser.add_argument("--python", type=Path, help="of an environment that holds agentrail-runtime")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="keep the peers' environments there")
    parser.add_argument("--place", type=Path, metavar="DIR", help="measure on that file system")
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="that part of the files alone, to try the benchmark itself",
    )
    return parser.parse_args()


def measure_all(options: argparse.Namespace) -> Report:
    """Return what was measured, and tell it; all that was made for it is gone then."""
    plan = chosen(options)
    with tempfile.TemporaryDirectory(prefix="agentrail-bench-", dir=options.place) as directory:
        place = Path(directory)
        facts = machine(place)
        env = clean(place / "home")
        python = (options.python or make_environment(place / "environment")).absolute()
        peers = {}
        if PAYLOAD in plan.sizes and set(plan.jobs) & set(COMMANDS):
            peers = peer_tools((options.peers or place / "peers").absolute())
        tools = {**our_tools(python), **system_tools(), **peers}
        trees, rows, imports = [], [], []
        for size in plan.sizes:
            material = Material(place / size.name, size, tools, env)
            found = [measure_row(material, job, options, place) for job in plan.jobs if fits(size, job)]
            rows += found
            if size == PAYLOAD and IMPORTS in plan.jobs:
                imports = measure_imports(material, rounds(size, options))
            files, bytes_ = material.count
            trees.append(Tree(size.name, size.title, files, bytes_, size != PAYLOAD))
        report = Report(
            date=f"{datetime.now(timezone.utc):%Y-%m-%d}",
            command=wording.command_line(sys.argv[1:]),
            machine=facts,
            tools=versions(tools),
            trees=tuple(trees),
            rows=tuple(rows),
            imports=tuple(imports),
        )
        tell(report, options)
        sys.stderr.write(f"took {time.monotonic() - BEGAN:.0f} s\n")
        subprocess.run(["rm", "-rf", *map(str, place.iterdir())], check=True)
    return report


def chosen(options: argparse.Namespace) -> Plan:
    """Return what the options ask for."""
    sizes = [size for size in SIZES if not options.tree or size.name in options.tree]
    if options.quick and not options.tree:
        sizes = [size for size in sizes if size.is_quick]
    jobs = options.jobs or [*COMMANDS, IMPORTS]
    return Plan(tuple(size.scaled(options.scale) for size in sizes), tuple(jobs))


def fits(size: Size, job: str) -> bool:
    """Whether a job is measured on a tree."""
    if job == IMPORTS:
        return False
    return size == PAYLOAD or job in FITTED


def rounds(size: Size, options: argparse.Namespace) -> int:
    """Return how many rounds a tree has."""
    return int(options.n or (min(QUICK, size.runs) if options.quick else size.runs))


def measure_row(material: Material, job: str, options: argparse.Namespace, place: Path) -> Row:
    """Return one job on one tree, and tell the progress."""
    count = rounds(material.size, options)
    material.place.mkdir(exist_ok=True)

    def tell(number: int) -> None:
        after = time.monotonic() - BEGAN
        sys.stderr.write(
            f"{after:5.0f} s  {JOBS[job]}, {material.size.title}: round {number} of {count}\n"
        )

    series = measured(
        contenders(job, material), count, material.env, settle=os.sync, hide=hider(place), tell=tell
    )
    own = megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return Row(job, material.size.name, series, own)


def measure_imports(material: Material, runs: int) -> list[Imports]:
    """Return what the imports of a run with nothing to do take, and those of --help."""
    python, install = material.words("python")[0], material.words("agentrail-install")[0]
    target = str(material.installed("still"))
    return [
        profiled(label, python, [install, *words], runs, material.env)
        for label, words in (
            ("agentrail-install with nothing to do", ["--quiet", target]),
            ("agentrail-install --help", ["--help"]),
        )
    ]


def hider(place: Path) -> Hide:
    """Return what takes our own directories out of a message."""
    ours = {str(place), str(place.resolve()), os.path.expanduser("~")}
    return lambda text: wording.hidden(text, ours)


def versions(tools: Mapping[str, Tool]) -> dict[str, str]:
    """Return the version of every tool, or why it is missing."""
    return {
        name: tool.version or (f"missing: {tool.reason}" if tool.reason else "not told")
        for name, tool in tools.items()
    }


def write_page(report: Report, path: Path, samples: Path | None) -> None:
    """Write the page and its picture; it leads to the JSON where that lies beside it."""
    picture = path.with_suffix(".svg")
    picture.write_text(chart.svg(report), encoding="utf-8")
    beside = samples.name if samples and samples.resolve().parent == path.resolve().parent else ""
    notes = {
        name: found.read_text(encoding="utf-8")
        for name, _ in page.SECTIONS
        if (found := NOTES / f"{name}.md").exists()
    }
    text = page.markdown(report, notes, page.Links(picture.name, beside))
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
