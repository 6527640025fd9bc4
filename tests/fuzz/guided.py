"""One target under atheris (https://github.com/google/atheris): what is new to the code is tried on.

Run by ``python -m tests.fuzz --engine guided`` as a process of its own, because libFuzzer ends the one
that it runs in. The first byte of what it comes up with says whether the rest is the input itself, or
what the target's maker takes its decisions from.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any, Final

MAKES: Final = 0x80
"""From this first byte on, the rest is for the maker."""


def main() -> None:
    """Fuzz until the time is up; `FOUND` and the path on a line for each new fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided")
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--limit", type=float, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    options = parser.parse_args()
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["agentrail_runtime"]):
        catalog = importlib.import_module("tests.fuzz.catalog")
    with tempfile.TemporaryDirectory(prefix="agentrail-fuzz-") as scratch:
        place = Path(scratch)
        _seed(catalog.TARGETS[options.target], options, place)
        words = [
            *("-print_final_stats=1", "-verbosity=0", "-max_len=20000", "-rss_limit_mb=2048"),
            *(f"-timeout={int(10 * options.limit)}", f"-artifact_prefix={place}/"),
            *(f"-max_total_time={options.seconds}", f"-seed={options.seed}"),
            *([f"-dict={place / 'tokens'}"] if (place / "tokens").exists() else []),
            str(place / "seeds"),
        ]
        atheris.Setup([sys.argv[0], *words], _Tried(catalog.TARGETS[options.target], options))
        atheris.Fuzz()


def _seed(target: Any, options: argparse.Namespace, place: Path) -> None:
    """Write what the fuzzer begins with, and its dictionary."""
    random = Random(options.seed)
    known = [path.read_bytes() for path in sorted((options.corpus / target.name).glob("*"))]
    known += [target.make(random) for _ in range(50)]
    seeds = [b"\0" + data for data in known] + [b"\xff" + random.randbytes(200) for _ in range(50)]
    (place / "seeds").mkdir()
    for number, data in enumerate(seeds):
        (place / "seeds" / str(number)).write_bytes(data)
    quoted = ("".join(f"\\x{byte:02x}" for byte in token) for token in target.tokens if len(token) < 64)
    if tokens := "".join(f'"{token}"\n' for token in quoted):
        (place / "tokens").write_text(tokens, encoding="ascii")


class _Tried:
    """Tries what atheris comes up with; a fault is kept and told once, and the run goes on."""

    def __init__(self, target: Any, options: argparse.Namespace) -> None:
        self._finding = importlib.import_module("tests.fuzz.finding")
        self._chosen = importlib.import_module("tests.fuzz.chance").Chosen
        self._target = target
        self._options = options
        self._faults: set[str] = set()
        self.__name__ = target.name

    def __call__(self, chosen: bytes) -> None:
        limit = self._options.limit
        data = (
            chosen[1:] if chosen[:1] < bytes([MAKES]) else self._target.make(self._chosen(chosen[1:]))
        )
        outcome = self._finding.run(self._target, data, limit=limit)
        if outcome.fault and outcome.fault not in self._faults:
            self._faults.add(outcome.fault)
            kept = self._finding.keep(self._target, data, outcome, self._options.corpus, limit=limit)
            print(f"{kept.told}FOUND {kept.path}", flush=True)


if __name__ == "__main__":
    main()
