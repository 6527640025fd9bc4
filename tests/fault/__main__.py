"""Strike runs with every fault that can be had here, and tell how many were survived.

Run as ``python -m tests.fault``: a sample of about a minute. ``--all`` tries everything, which takes
twenty minutes. What cannot be tried here is named as missing, with the reason. The exit code is 1 if
a fault was not survived.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from agentrail_runtime.version import __version__
from tests.fault import (
    clock,
    closed,
    exception,
    full,
    limit,
    many,
    namespace,
    pair,
    result,
    slow,
    strace,
    strike,
)
from tests.fault.choice import Choice
from tests.fault.result import Missing, Try
from tests.fault.scenario import NAMES, Scenario, Scenarios, secluded, small_package

_SECONDS = 60.0
_WHOLE_LIMIT = 24  # whole processes are killed at so many calls of a scenario, not at all of them
_WHOLE = ("fresh", "upgrade", "merge", "rollback", "uninstall", "recovery, late")
_PAGE = """What `{command}` found on {date} in {minutes} minutes, with version {version}, on {system}.

After each fault the next command has to leave exactly the old tree or exactly the new one: bytes,
modes, directories, receipt. No byte of the user's may be lost, nothing around the target may change,
nothing may be left in the state directory, the run has to succeed afterwards, and the one after that
must have nothing to do. `python -m tests.fault --help` tells how to run it again. The payload is a
small one with files of each ownership class, but for whole processes, which install the shipped one
and are struck at {whole} calls of each scenario, spread over all. Of the calls that only read, one of
{step} is failed. *nothing* installs where there is no directory yet, *overwrite* is a merge with
`--on-conflict overwrite`, *fast* is an install with `--fast` that finds nothing to do, and a recovery
is a `verify` after a run that was killed half-way (early) or just before its commit (late, of ...).

"""


class Campaign(NamedTuple):
    """One kind of faults.

    Args:
        name: how it is asked for.
        group: how its tables are called.
        problem: returns why it cannot be tried here; an empty text if it can.
        tries: tries it on a scenario.
        names: on which scenarios.
    """

    name: str
    group: str
    problem: Callable[[], str]
    tries: Callable[[Scenario, Path, Choice], Iterator[Try]]
    names: Sequence[str] = NAMES


_Tries = Callable[[Scenario, Path, Choice], Iterator[Try]]


def _on_bench(campaign: strike.Campaign) -> _Tries:
    return lambda scenario, place, choice: campaign(scenario, strike.Bench(place), choice)


def _in_scratch(campaign: _Tries) -> _Tries:
    return lambda scenario, place, choice: campaign(scenario, place / "scratch", choice)


def _whole(scenario: Scenario, place: Path, choice: Choice) -> Iterator[Try]:
    choice = choice._replace(limit=_WHOLE_LIMIT)
    return strike.whole_kills(scenario, strike.Bench(place, is_whole=True), choice)


def _clock_problem() -> str:
    return (
        "" if clock.faketime() else "libfaketime is not installed: Python's own clock was shifted alone"
    )


def _many_problem() -> str:
    return "" if hasattr(os, "killpg") else "only POSIX has groups of processes"


CAMPAIGNS = (
    Campaign("exception", exception.GROUP, str, _in_scratch(exception.exceptions)),
    Campaign("kill", strike.KILL, strace.problem, _on_bench(strike.kills)),
    Campaign("pair", pair.GROUP, strace.problem, _on_bench(pair.kills)),
    Campaign("whole", strike.WHOLE, strace.problem, _whole, _WHOLE),
    Campaign("error", strike.ERROR, strace.problem, _on_bench(strike.errors)),
    Campaign("signal", strike.SIGNAL, strace.problem, _on_bench(strike.signals)),
    Campaign("full", full.GROUP, namespace.problem, _in_scratch(full.shortages)),
    Campaign("limit", limit.GROUP, limit.problem, _in_scratch(limit.limits)),
    Campaign("closed", closed.GROUP, str, _in_scratch(closed.obstacles)),
    Campaign("slow", slow.GROUP, strace.problem, _on_bench(slow.slowness)),
)
CLOCK, MANY = "clock", "many"
ALONE: dict[str, Callable[[Path, Choice], Iterator[Try]]] = {CLOCK: clock.jumps, MANY: many.kills}
"""Kinds that have scenarios of their own."""


def main() -> int:
    """Try, print, and write what is asked for."""
    options = _options()
    started = datetime.datetime.now(datetime.timezone.utc)
    with _scratch() as place:
        found = result.collected(_watched(_all(options, place)))
    if options.all and not options.scenario:
        found = found._replace(missing=(*found.missing, *never_made(found)))
    print(result.as_text(found))
    spent = datetime.datetime.now(datetime.timezone.utc) - started
    about = {
        "command": " ".join(["python -m tests.fault", *_choosing(sys.argv[1:])]),
        "date": f"{started:%Y-%m-%d}",
        "minutes": f"{spent.total_seconds() / 60:.0f}",
        "version": __version__,
        "system": _system(),
    }
    if options.json:
        options.json.write_text(result.as_json(found, **about), encoding="utf-8")
    if options.markdown:
        page = _PAGE.format(**about, whole=_WHOLE_LIMIT, step=strike.STEP)
        options.markdown.write_text(page + result.as_markdown(found), encoding="utf-8")
    return 1 if found.broken else 0


def _choosing(words: Sequence[str]) -> list[str]:
    """Return those of the arguments that choose what is tried."""
    told: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in ("--json", "--markdown"):
            next(rest)
        else:
            told.append(word)
    return told


def never_made(found: result.Result) -> Iterator[Missing]:
    """Yield the kinds of calls at which nothing was killed."""
    kinds = {one.fault for one in found.tries if one.group == strike.KILL}
    for kind in strace.CHANGES if kinds else ():
        if kind not in kinds:
            yield Missing(f"{strike.KILL}: {kind}", "no run makes such a call")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description=__doc__)
    add = parser.add_argument
    kinds = [*(campaign.name for campaign in CAMPAIGNS), *ALONE]
    add("--all", action="store_true", help="try every fault at every place")
    add("--seconds", type=float, default=_SECONDS, help="else, about how long (default: 60)")
    add("--kind", action="append", choices=kinds, help="of these kinds alone; may be repeated")
    add("--scenario", action="append", choices=NAMES, help="in these alone; may be repeated")
    add("--json", type=Path, metavar="FILE", help="write the result as JSON")
    add("--markdown", type=Path, metavar="FILE", help="write the result as a page")
    return parser.parse_args()


def _all(options: argparse.Namespace, place: Path) -> Iterator[Try | Missing]:
    kinds = options.kind or [*(campaign.name for campaign in CAMPAIGNS), *ALONE]
    chosen = [campaign for campaign in CAMPAIGNS if campaign.name in kinds]
    jobs = [
        (campaign, name)
        for campaign in chosen
        for name in campaign.names
        if not options.scenario or name in options.scenario
    ]
    alone = [] if options.scenario else [kind for kind in ALONE if kind in kinds]
    begin, parts = time.monotonic(), len(jobs) + len(alone)
    with secluded(place / "scratch"):
        for number, (campaign, name) in enumerate(jobs, 1):
            end = None if options.all else begin + options.seconds * number / parts
            yield from _tried(campaign, name, place, Choice(end=end))
        for number, kind in enumerate(alone, len(jobs) + 1):
            end = None if options.all else begin + options.seconds * number / parts
            yield from _alone(kind, place, Choice(end=end))
        yield from _missing(chosen, kinds, place)


def _tried(campaign: Campaign, name: str, place: Path, choice: Choice) -> Iterator[Try]:
    if campaign.problem():
        return
    is_whole = campaign.name == "whole"
    with contextlib.nullcontext() if is_whole else small_package(place):
        scenario = _scenarios(place / ("shipped" if is_whole else "small")).get(name)
        yield from campaign.tries(scenario, place, choice)


def _alone(kind: str, place: Path, choice: Choice) -> Iterator[Try]:
    where = place / kind
    where.mkdir()
    return iter(()) if kind == MANY and _many_problem() else ALONE[kind](where, choice)


def _missing(chosen: Sequence[Campaign], kinds: Sequence[str], place: Path) -> Iterator[Missing]:
    for campaign in chosen:
        if reason := campaign.problem():
            yield Missing(campaign.group, reason)
        if campaign.name == "closed":
            for obstacle in closed.OBSTACLES:
                if reason := closed.missing(obstacle, place):
                    yield Missing(obstacle.name, reason)
    if CLOCK in kinds and (reason := _clock_problem()):
        yield Missing(clock.GROUP, reason)
    if MANY in kinds and (reason := _many_problem()):
        yield Missing(many.GROUP, reason)


_KNOWN: dict[Path, Scenarios] = {}


def _scenarios(place: Path) -> Scenarios:
    return _KNOWN.setdefault(place, Scenarios(place))


def _watched(found: Iterator[Try | Missing]) -> Iterator[Try | Missing]:
    """Tell of every fault that was not survived when it is found, and of the rest now and then."""
    count = 0
    for count, one in enumerate(found, 1):
        if isinstance(one, Try) and one.problem:
            print(f"not survived: {one}", file=sys.stderr, flush=True)
        if sys.stderr.isatty() and not count % 20:
            print(f"\r{count} tried ", end="", file=sys.stderr, flush=True)
        yield one
    print(f"\r{count} tried", file=sys.stderr)


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """Give a scratch directory: in memory where there is one, since no power fails here."""
    place = Path(tempfile.mkdtemp(prefix="agentrail-fault-", dir=memory()))
    (place / "scratch").mkdir()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def memory() -> str | None:
    """Return a directory whose files are in memory, None where there is none."""
    shared = "/dev/shm"
    return shared if os.path.isdir(shared) and os.access(shared, os.W_OK) else None


def _system() -> str:
    release = ".".join(platform.release().split(".")[:2])
    told = [f"Python {platform.python_version()}", f"{platform.system()} {release}"]
    if shutil.which("strace"):
        done = subprocess.run(["strace", "--version"], capture_output=True, text=True, check=False)
        told.append(done.stdout.partition("\n")[0].replace(" -- version", ""))
    return ", ".join(told)


if __name__ == "__main__":
    sys.exit(main())
