"""Where the makers of inputs take their decisions from: a seed, or bytes that somebody else chose."""

from __future__ import annotations

from random import Random


class Chosen(Random):
    """Takes every decision from bytes; when these are used up, from a seed that is always the same.

    So whoever varies the bytes, a coverage-guided fuzzer for one, varies the decisions of a maker, and
    equal bytes make equal inputs.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(0)
        self._data = data
        self._at = 0

    def getrandbits(self, k: int) -> int:
        """Return the next `k` bits."""
        size = (k + 7) // 8
        found = self._data[self._at : self._at + size]
        self._at += size
        if len(found) < size:
            return super().getrandbits(k)  # not zeros: `sample` waits for numbers that differ
        return int.from_bytes(found, "big") >> (8 * size - k)

    def random(self) -> float:
        """Return a number from 0 to 1, the latter not included."""
        return self.getrandbits(16) / (1 << 16)
