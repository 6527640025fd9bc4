"""Look for a power loss that the product does not survive."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.powerloss.disk import Tape
from tests.powerloss.loss import MODELS, Loss, Model, Sample, key
from tests.powerloss.scene import Film
from tests.powerloss.verdict import Judge

_PATIENCE = 500
"""So many samples in a row that bring no new state end a search."""


class Finding(NamedTuple):
    """A state that was judged.

    Args:
        model: how the file system behaves; ``prefix`` where nothing is lost.
        loss: what made the sample.
        sample: which.
        problem: what was wrong after the recovery, None for nothing.
        tried: how many samples it took until this one, states that came again among them.
    """

    model: Model | str
    loss: Loss
    sample: Sample
    problem: str | None
    tried: int

    @property
    def text(self) -> str:
        """The loss in words."""
        return self.loss.tell(self.sample)


class Search:
    """The search through what power losses may leave of one scene.

    Args:
        film: the scene.
        scratch: where the states are written out; an empty directory.
        models: how the file system may behave.
        seed: decides which samples come in which order.
        tape: what to search instead of the film's own.
    """

    def __init__(
        self,
        film: Film,
        scratch: Path,
        *,
        models: Sequence[Model] = MODELS,
        seed: int = 0,
        tape: Tape | None = None,
    ) -> None:
        self.film = film
        self.losses = {model: Loss(tape or film.tape, model) for model in models}
        self._dice = random.Random(seed)
        self._first = next(iter(self.losses.values()))
        self.prefixes = 0
        scene = film.scene
        self._judge = Judge(
            scene.place, scene.treasures, film.checks, scratch, leftovers=scene.leftovers
        )

    @property
    def all_prefixes(self) -> int:
        """How many prefixes there are; `prefixes` is how many of them have had their turn."""
        return len(self._first.points)

    def _counted(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        for sample in samples:
            self.prefixes += 1
            yield sample

    def judge(self, model: Model, sample: Sample) -> str | None:
        """Return what is wrong after a recovery from one state, None for nothing."""
        loss = self.losses[model]
        return self._judge.judge(loss.tree(sample), loss.allowed(sample))

    def findings(self) -> Iterator[Finding]:
        """Yield every state that is unlike those before, judged, until there are none, or few, left."""
        seen: set[tuple[int, int]] = set()
        fruitless = 0
        for tried, (name, loss, sample) in enumerate(self._samples(), start=1):
            tree, allowed = loss.tree(sample), loss.allowed(sample)
            state = key(tree), id(allowed)
            if state in seen:
                fruitless += 1
                if fruitless == _PATIENCE:
                    return
                continue
            seen.add(state)
            fruitless = 0
            yield Finding(name, loss, sample, self._judge.judge(tree, allowed), tried)

    def _samples(self) -> Iterator[tuple[str, Loss, Sample]]:
        """Yield samples of every kind in turn, without end."""
        streams = [*self._streams()]
        for row in itertools.zip_longest(*(samples for _, _, samples in streams)):
            for (name, loss, _), sample in zip(streams, row, strict=True):
                if sample is not None:
                    yield name, loss, sample

    def _streams(self) -> Iterator[tuple[str, Loss, Iterator[Sample]]]:
        """Yield the kinds of samples; every third one is a prefix, while there are any."""
        first = self._first
        prefixes = self._counted(first.prefixes(self._dice))
        for model, loss in self.losses.items():
            yield "prefix", first, prefixes
            yield model, loss, loss.singles(self._dice)
            yield model, loss, loss.chances(self._dice)
