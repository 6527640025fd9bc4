"""Fuzz every reader: ``python -m tests.fuzz [--target NAME] [--seconds N] [--seed N]``.

Each target is one function of bytes that claims what has to hold of them: which errors there may be,
what is the same after a round trip, which bytes stay. Inputs are valid ones that were altered, so that
they get past the first check. A fault is shortened and written to ``tests/fuzz/corpus/TARGET``, where
every run of the tests tries it again; the command that repeats it is printed, and the exit code is 1.

``--engine guided`` has atheris choose the inputs by what code they reach: ``pip install atheris``,
which is for CPython on Linux and macOS alone.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz import finding
from tests.fuzz.catalog import TARGETS
from tests.fuzz.finding import CORPUS, Finding
from tests.fuzz.loop import Result, fuzz
from tests.fuzz.target import Target


def main(words: Sequence[str] | None = None) -> int:
    """Fuzz, or repeat one input; return the exit code: 1 for a fault."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--target", action="append", choices=sorted(TARGETS), help="one of them; may be repeated")
    add("--seconds", type=float, default=60, help="time for all targets together (default: 60)")
    add("--seed", type=int, default=int(time.time()), help="the same inputs again (default: the time)")
    add("--limit", type=float, default=5, help="seconds that one input may take (default: 5)")
    add("--engine", choices=["random", "guided"], default="random", help="see above")
    add("--corpus", type=Path, default=CORPUS, help="where faults are written (default: %(default)s)")
    add("--input", type=Path, help="try just this file, with one --target")
    options = parser.parse_args(words)
    warnings.simplefilter("error")
    targets = [TARGETS[name] for name in options.target or TARGETS]
    if options.input:
        if len(targets) != 1:
            parser.error("--input: name one --target")
        return _repeat(targets[0], options.input.read_bytes(), options.limit)
    if options.engine == "guided" and find_spec("atheris") is None:
        parser.error("--engine guided: atheris is missing (pip install atheris)")
    print(
        f"seed {options.seed}\n{'target':18} {'inputs':>9} {'accepted':>9} {'slowest':>9}  faults",
        flush=True,
    )
    one = _guided if options.engine == "guided" else _random
    found = [row for target in targets for row in one(target, options, len(targets)).findings]
    for row in found:
        print(f"\n{row.told}{row.fault}\nagain: {row.command}")
    return 1 if found else 0


def _repeat(target: Target, data: bytes, limit: float) -> int:
    outcome = finding.run(target, data, limit=limit)
    print(outcome.told or f"{'accepted' if outcome.is_accepted else 'refused'}, as it should be")
    return 1 if outcome.fault else 0


def _random(target: Target, options: argparse.Namespace, count: int) -> Result:
    result = fuzz(
        target,
        seconds=options.seconds / count,
        seed=str(options.seed),
        limit=options.limit,
        corpus=options.corpus,
    )
    share = f"{100 * result.accepted // max(result.executions, 1)} %"
    _print(result, share, f"{result.slowest:.2f} s")
    return result


def _guided(target: Target, options: argparse.Namespace, count: int) -> Result:
    """Have a process of its own fuzz a target."""
    words = [
        *(sys.executable, "-m", "tests.fuzz.guided", target.name, "--corpus", str(options.corpus)),
        *("--seconds", str(max(1, round(options.seconds / count))), "--seed"),
        *(str(options.seed % 2**31),),
        *("--limit", str(options.limit)),
    ]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    told = re.search(r"number_of_executed_units: *(\d+)", done.stderr)
    slowest = re.search(r"slowest_unit_time_sec: *(\d+)", done.stderr)
    found = [
        Finding(target.name, "found by atheris", "", Path(path))
        for path in re.findall(r"^FOUND (.*)$", done.stdout, re.M)
    ]
    if not told:
        sys.exit(f"{target.name}: atheris did not come to its end:\n{done.stdout}{done.stderr[-4000:]}")
    result = Result(target.name, int(told[1]), 0, 0, tuple(found))
    _print(result, "-", f"{slowest[1]} s" if slowest else "-")
    return result


def _print(result: Result, accepted: str, slowest: str) -> None:
    count = len(result.findings)
    print(f"{result.target:18} {result.executions:>9,} {accepted:>9} {slowest:>9}  {count}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
