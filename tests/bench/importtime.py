"""What the imports of a command take, as ``python -X importtime`` tells it."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.bench.process import CommandError, complaint
from tests.bench.result import Imports

TOP = 15
"""How many modules are named."""


class Module(NamedTuple):
    """A module, and the milliseconds that it took by itself."""

    name: str
    time: float


def profiled(
    label: str, python: str, words: Sequence[str], runs: int, env: Mapping[str, str]
) -> Imports:
    """Return what the imports of ``python WORDS`` take: the medians of some runs."""
    found = [parse(_told(python, words, env)) for _ in range(runs)]
    bare = [
        sum(module.time for module in parse(_told(python, ["-c", "pass"], env))) for _ in range(runs)
    ]
    times: dict[str, list[float]] = {}
    for module in (module for modules in found for module in modules):
        times.setdefault(module.name, []).append(module.time)
    medians = sorted(
        ((name, statistics.median(values)) for name, values in times.items()), key=lambda pair: -pair[1]
    )
    return Imports(
        command=label,
        total=statistics.median(sum(module.time for module in modules) for modules in found),
        bare=statistics.median(bare),
        modules=len(times),
        top=tuple(medians[:TOP]),
    )


def parse(text: str) -> list[Module]:
    """Return the modules that ``-X importtime`` tells of, in its order."""
    modules = []
    for line in text.splitlines():
        if line.startswith("import time:") and "self [us]" not in line:
            own, _, name = line.removeprefix("import time:").split("|")
            modules.append(Module(name.strip(), int(own) / 1000))
    return modules


def _told(python: str, words: Sequence[str], env: Mapping[str, str]) -> str:
    line = [python, "-X", "importtime", *words]
    done = subprocess.run(
        line, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CommandError(complaint(line, done.returncode, done.stderr))
    return done.stderr
