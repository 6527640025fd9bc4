"""Which of many places are struck when there is no time for all: spread evenly, the same every time."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Choice(NamedTuple):
    """How many places are struck.

    Args:
        limit: at most so many of one scenario and group; None for all.
        end: no new one after this moment of `time.monotonic`; None for no end.
    """

    limit: int | None = None
    end: float | None = None

    def of(self, places: Sequence[T], kind: Callable[[T], str], seed: str = "") -> Iterator[T]:
        """Yield places, each kind in its turn, those of a kind spread over the whole.

        Args:
            places: all there are, in their order.
            kind: what kind a place is of.
            seed: moves the start, so that two scenarios with few places begin with other kinds.
        """
        kinds: dict[str, list[T]] = {}
        for place in places:
            kinds.setdefault(kind(place), []).append(place)
        names = rotated([*kinds], seed)
        queues = [spread(rotated(kinds[name], seed) if self.limit else kinds[name]) for name in names]
        turns = (place for turn in zip_longest(*queues) for place in turn if place is not None)
        for number, place in enumerate(turns):
            if self.limit is not None and number >= self.limit:
                return
            if self.end is not None and number and time.monotonic() > self.end:
                return
            yield place


def spread(places: Sequence[T]) -> list[T]:
    """Return `places` so that any first part of them lies spread over all: by their bits reversed."""
    width = max(len(places) - 1, 0).bit_length()
    order = sorted(range(len(places)), key=lambda at: f"{at:0{width}b}"[::-1] if width else "")
    return [places[at] for at in order]


def rotated(places: Sequence[T], seed: str) -> list[T]:
    """Return `places` from another one on, and round."""
    at = zlib.crc32(seed.encode()) % len(places) if places and seed else 0
    return [*places[at:], *places[:at]]
