"""``python -m tests.mutation [MODULE...]``: does a test notice when a module does something else?

mutmut (https://mutmut.readthedocs.io) changes one thing at a time in the functions of a module, and
runs the tests that `selection.TESTS` has for it. A mutant that no test notices shows a test that is
missing, or it does what the module does; the latter stand in ``survivors.json``, with the reason.

Everything happens in a scratch copy of the tree, with HOME and TMPDIR in it, because a mutant of a
module that writes files may write any; so it does not run as root, who could. Ends with 1 where a
mutant lives that is not explained, or too few were noticed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.mutation.selection import ROOT, TESTS
from tests.mutation.survivor import Survivor, explained, from_diff

LEAST: Final = 95.0
"""The percentage of the mutants of each module that have to be noticed."""

MOST_MEMORY: Final = 3_000_000_000
"""Bytes of addresses that a mutant may use: one that never ends may fill a list meanwhile."""

# What mutmut saves of a mutant: how pytest ended (1: a test failed, 2: a Ctrl-C of the mutant's reached
# it, 3: it broke down), or 33 where no test calls the function, or how the process was stopped.
_FATES: Final[dict[int | None, str]] = {
    **dict.fromkeys((1, 2, 3), "killed"),
    0: "survived",
    33: "no test",
    None: "not tried",
}
MUTMUT: Final = Path(sys.executable).with_name("mutmut")
_NOTICED: Final = ("killed", "timeout")
_LATE: Final = (-24, -9, 24, 36, 152, 255)
_COPIED: Final = ("agentrail_runtime", "tests", "pyproject.toml")
_SETTINGS: Final = """[mutmut]
source_paths=agentrail_runtime
only_mutate=agentrail_runtime/{module}.py
pytest_add_cli_args_test_selection=
{tests}
pytest_add_cli_args=
    -p
    no:cacheprovider
    -m
    not slow
timeout_constant=4.0
timeout_multiplier=8.0
use_git_change_detection=false
"""


class Mutant(NamedTuple):
    """A mutant that no test failed on: its name, what became of it, and the change that it is."""

    name: str
    fate: str
    diff: str


class Result(NamedTuple):
    """What became of the mutants of one module."""

    module: str
    fates: Mapping[str, str]
    others: tuple[Mutant, ...]
    seconds: float

    def count(self, fate: str) -> int:
        """Return how many mutants ended so."""
        return [*self.fates.values()].count(fate)

    @property
    def percent(self) -> float:
        """How many of a hundred mutants were noticed: by a test, or because they never end."""
        return 100 * sum(map(self.count, _NOTICED)) / max(1, len(self.fates))

    def unexplained(self, reasons: Mapping[Survivor, str]) -> int:
        """Return how many mutants live without a reason."""
        return sum(
            mutant.fate != "timeout" and from_diff(self.module, mutant.name, mutant.diff) not in reasons
            for mutant in self.others
        )


def main() -> int:
    """Mutate, run and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of: {', '.join(TESTS)}")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        help="keep the scratch copies there: the next run tries the mutants that were not noticed, "
        "and those of functions that changed",
    )
    options = parser.parse_args()
    if unknown := sorted({*options.modules} - {*TESTS}):
        parser.error(f"{', '.join(unknown)}: no such module (expected some of {', '.join(TESTS)})")
    if sys.platform == "win32":
        parser.error("mutmut forks, which Windows cannot")
    if os.geteuid() == 0:
        parser.error("not as root: a mutant may write any file")
    if not MUTMUT.exists():
        parser.error(f"{MUTMUT}: missing (expected after: pip install mutmut)")
    limit_memory()
    reasons, results = explained(), []
    with tempfile.TemporaryDirectory(prefix="agentrail-mutation-") as directory:
        scratch = (options.scratch or Path(directory)).resolve()
        for module in options.modules or TESTS:
            result = run(module, scratch / module.replace("/", "."), jobs=options.jobs)
            print("\n".join(told(result, reasons)), flush=True)
            results.append(result)
    print("\n".join(table(results, reasons)))
    is_met = all(result.percent >= LEAST and not result.unexplained(reasons) for result in results)
    return 0 if is_met else 1


def limit_memory() -> None:
    """Let this process and those that it starts use so much memory and no more, where that can be."""
    if sys.platform != "win32":
        import resource

        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def run(module: str, place: Path, *, jobs: int) -> Result:
    """Return what becomes of the mutants of `module`, tried in `place`."""
    started = time.monotonic()
    prepare(module, place)
    done = mutmut(place, "run", "--max-children", str(jobs))
    if done.returncode:
        raise SystemExit(f"{module}: mutmut ended with {done.returncode}\n{done.stdout[-4000:]}")
    fates = {name: fate_of(code) for name, code in _meta(module, place)["exit_code_by_key"].items()}
    others = [
        Mutant(name, fate, mutmut(place, "show", name).stdout.partition("\n")[2])
        for name, fate in fates.items()
        if fate != "killed"
    ]
    return Result(module, fates, tuple(others), time.monotonic() - started)


def fate_of(code: int | None) -> str:
    """Return what mutmut's number for the end of a mutant means."""
    return "timeout" if code in _LATE else _FATES.get(code, f"code {code}")


def prepare(module: str, place: Path) -> None:
    """Make the scratch copy of the tree in `place`, or renew it and forget who lived there."""
    tree = place / "tree"
    for path in (place / "home", place / "tmp", tree / "mutants"):  # Python looks for PYTHONPATH once
        path.mkdir(parents=True, exist_ok=True)
    for name in _COPIED:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, tree / name, dirs_exist_ok=True, ignore=ignore)
        else:
            shutil.copy2(ROOT / name, tree / name)
    tests = "\n".join(f"    {path}" for path in TESTS[module])
    (tree / "setup.cfg").write_text(_SETTINGS.format(module=module, tests=tests))
    (tree / "mutants/mutmut-stats.json").unlink(missing_ok=True)
    if meta := _meta(module, place):
        codes = meta["exit_code_by_key"]
        meta["exit_code_by_key"] = {
            name: code if fate_of(code) in _NOTICED else None for name, code in codes.items()
        }
        _meta_path(module, place).write_text(json.dumps(meta))


def _meta(module: str, place: Path) -> Any:
    """Return what mutmut saved of a module; nothing before its first run."""
    path = _meta_path(module, place)
    return json.loads(path.read_bytes()) if path.exists() else {}


def _meta_path(module: str, place: Path) -> Path:
    return place / f"tree/mutants/agentrail_runtime/{module}.py.meta"


def mutmut(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run mutmut in the scratch copy, with nothing of the machine's own settings."""
    environment = {
        "HOME": str(place / "home"),
        "LC_ALL": "C.UTF-8",
        "PATH": os.pathsep.join([str(MUTMUT.parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(place / "tree/mutants"),
        "TMPDIR": str(place / "tmp"),
    }
    return subprocess.run(
        [str(MUTMUT), *words],
        cwd=place / "tree",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def told(result: Result, reasons: Mapping[Survivor, str]) -> Iterator[str]:
    """Yield what is to be said of the mutants of one module that no test failed on."""
    for mutant in result.others:
        survivor = from_diff(result.module, mutant.name, mutant.diff)
        why = "it never ends" if mutant.fate == "timeout" else reasons.get(survivor, "NOT EXPLAINED")
        yield f"{mutant.name}: {mutant.fate}\n{mutant.diff.strip()}\n# {why}\n"


def table(results: list[Result], reasons: Mapping[Survivor, str]) -> Iterator[str]:
    """Yield a row for each module, as Markdown."""
    yield "| module | mutants | killed | never end | survived | unexplained | noticed | seconds |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for result in results:
        killed, late = result.count("killed"), result.count("timeout")
        yield (
            f"| {result.module} | {len(result.fates)} | {killed} | {late} "
            f"| {len(result.fates) - killed - late} | {result.unexplained(reasons)} "
            f"| {result.percent:.1f} % | {result.seconds:.0f} |"
        )


if __name__ == "__main__":
    sys.exit(main())
