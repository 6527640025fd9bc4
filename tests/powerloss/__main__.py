"""Lose power in the middle of every command, thousands of times, and tell what becomes of the targets.

Run as ``python -m tests.powerloss``. It needs strace, and so Linux. The same seed brings the same
states in the same order; how far a run gets depends on the machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.powerloss.loss import MODELS, Loss, Model
from tests.powerloss.scene import SCENES, Camera, Film, Scene, fast, random_kill
from tests.powerloss.search import Finding, Search
from tests.powerloss.trace import obstacle

_SHOWN = 3
_TRIES = 200
"""So many states are looked at for one with something to recover."""

_ENOUGH = 600
"""So many states tell whether a sync is needed."""


class Tally(NamedTuple):
    """What became of one scene.

    Args:
        search: through the scene.
        states: how many states were recovered and judged, by model.
        problems: what was wrong, with how often.
        examples: for each of these, a state in which it was.
    """

    search: Search
    states: Counter[str]
    problems: Counter[str]
    examples: dict[str, Finding]

    def add(self, finding: Finding) -> None:
        """Count a state."""
        self.states[finding.model] += 1
        if finding.problem is not None:
            self.problems[finding.problem] += 1
            self.examples.setdefault(finding.problem, finding)

    @property
    def tried(self) -> int:
        """How many states were judged."""
        return sum(self.states.values())

    @property
    def lost(self) -> int:
        """How many states were not survived."""
        return sum(self.problems.values())


def survey(
    camera: Camera, films: Sequence[Film], models: Sequence[Model], *, seconds: float, seed: int
) -> list[Tally]:
    """Search all `films` in turn, a state at a time, until the time is over.

    Args:
        camera: recorded them.
        films: what is done.
        models: how the file system may behave.
        seconds: how long to search.
        seed: decides which samples come in which order.
    """
    end = time.monotonic() + seconds
    searches = [Search(film, camera.directory(), models=models, seed=seed) for film in films]
    tallies = [Tally(search, Counter(), Counter(), {}) for search in searches]
    left = [(tally, tally.search.findings()) for tally in tallies]
    while left:
        for tally, findings in [*left]:
            finding = next(findings, None)
            if finding is None:
                left.remove((tally, findings))
            else:
                tally.add(finding)
            if time.monotonic() > end:
                return tallies
    return tallies


def killed_anywhere(scenes: Sequence[Scene], count: int, seed: int) -> Iterator[Scene]:
    """Yield `count` of the scenes that are one command, killed at some step, with one command more."""
    dice = random.Random(seed)
    single = [scene for scene in scenes if len(scene.steps) == 1]
    for _ in range(count if single else 0):
        scene = dice.choice(single)
        then = scene if scene.is_undoable and dice.random() < 0.5 else None
        yield random_kill(scene, dice.random(), then)


def recovered(
    camera: Camera, films: Sequence[Film], models: Sequence[Model], count: int, seed: int
) -> Iterator[Film]:
    """Yield up to `count` recoveries after a power loss, some after several, to lose power in turn."""
    dice, films = random.Random(seed), [*films]
    for _ in range(count):
        film = dice.choice(films)
        loss = Loss(film.tape, dice.choice(models))
        for sample in itertools.islice(loss.chances(dice), _TRIES):
            tree, allowed = loss.tree(sample), loss.allowed(sample)
            if any(path.endswith("/state/journal") for path in tree):
                films.append(camera.film_recovery(film, tree, allowed))
                yield films[-1]
                break


def needed(camera: Camera, film: Film, models: Sequence[Model]) -> Iterator[tuple[str, str | None]]:
    """Yield every sync of a scene, with what goes wrong without it; None where nothing was found."""
    for at in film.tape.syncs():
        search = Search(film, camera.directory(), models=models, tape=film.tape.without((at,)))
        found = (finding for finding, _ in zip(search.findings(), range(_ENOUGH), strict=False))
        broken = next((finding for finding in found if finding.problem is not None), None)
        problem = f"{broken.model}: {broken.problem}" if broken else None
        yield film.tape.operations[at].text, problem


# --- the command line ------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None) -> int:
    """Search and print; return 1 where a power loss was not survived, 2 where nothing can be tried."""
    options = _options(words)
    if reason := obstacle():
        print(f"power loss: missing: {reason}")
        return 2
    scenes = [SCENES[name] for name in options.scene or SCENES]
    with tempfile.TemporaryDirectory(prefix="agentrail-powerloss-", dir=fast()) as directory:
        camera, models = Camera(Path(directory)), options.model or MODELS
        if options.needed:
            _print_needed(camera, scenes, models)
            return 0
        scenes += killed_anywhere(scenes, options.kills, options.seed)
        films = [camera.film(scene) for scene in scenes]
        films += recovered(camera, films, models, options.twice, options.seed)
        tallies = survey(camera, films, models, seconds=options.seconds, seed=options.seed)
    print("\n".join(line for tally in tallies for line in _lines(tally)))
    print(_summary(tallies, options.seed))
    if options.json:
        options.json.write_text(json.dumps(report(tallies, options.seed), indent=2) + "\n")
    return 1 if any(tally.problems for tally in tallies) else 0


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.powerloss", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=60, help="of search, after the recording (default: 60)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of what chance decides (default: 0)")
    parser.add_argument("--scene", action="append", choices=[*SCENES], help="this one; may be repeated")
    parser.add_argument("--model", action="append", choices=MODELS, help="this one; may be repeated")
    parser.add_argument(
        "--kills", type=int, default=6, help="so many scenes more, killed at any step (default: 6)"
    )
    parser.add_argument(
        "--twice",
        type=int,
        default=6,
        help="so many recoveries after a power loss, which lose their power, too (default: 6)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument(
        "--needed",
        action="store_true",
        help="leave out each sync in turn, and tell which are missed; some seconds for each",
    )
    return parser.parse_args(words)


def _print_needed(camera: Camera, scenes: Sequence[Scene], models: Sequence[Model]) -> None:
    for scene in scenes:
        print(scene.name)
        for text, problem in needed(camera, camera.film(scene), models):
            print(f"  {text}: {problem[:150] if problem else 'not missed'}", flush=True)


def _lines(tally: Tally) -> Iterator[str]:
    kinds = ", ".join(f"{model} {count}" for model, count in tally.states.items())
    yield (
        f"{tally.search.film.scene.name}: {tally.search.prefixes} of {tally.search.all_prefixes} "
        f"moments, {tally.tried} states ({kinds}), {tally.tried - tally.lost} survived"
    )
    for problem, count in tally.problems.most_common(_SHOWN):
        finding = tally.examples[problem]
        yield f"  {count} x {problem[:300]}"
        yield f"    {finding.model}: {finding.text[:600]}"


def _summary(tallies: Sequence[Tally], seed: int) -> str:
    tried, lost = sum(tally.tried for tally in tallies), sum(tally.lost for tally in tallies)
    return f"seed {seed}: {len(tallies)} scenes, {tried:,} states, {tried - lost:,} survived"


def report(tallies: Sequence[Tally], seed: int) -> dict[str, Any]:
    """Return the figures as JSON: for all, and for each scene."""
    return {
        "seed": seed,
        "tried": sum(tally.tried for tally in tallies),
        "survived": sum(tally.tried - tally.lost for tally in tallies),
        "scenes": [
            {
                "scene": tally.search.film.scene.name,
                "moments": tally.search.all_prefixes,
                "moments_tried": tally.search.prefixes,
                "tried": tally.tried,
                "survived": tally.tried - tally.lost,
                "states": dict(tally.states),
            }
            for tally in tallies
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
