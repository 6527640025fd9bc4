"""What is fuzzed: one function of bytes, and how to make bytes that get past its first check."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

Check = Callable[[bytes], bool]
"""Reads an input, and claims what has to hold of it: tells whether the input was accepted."""

Make = Callable[[Random], bytes]


class Target(NamedTuple):
    """One reader.

    Args:
        name: what it is called on the command line, and its directory in the corpus.
        check: reads an input. It raises what must not happen; a documented error is a refusal.
        make: makes an input that is often accepted.
        tokens: what means something to the reader, for inputs that are made of bytes alone.
        grown: makes a valid input with so many rows, to see that the work grows no faster than they do;
            None where there are no rows.
        examples: how many inputs a short run makes: few where one takes long.
    """

    name: str
    check: Check
    make: Make
    tokens: tuple[bytes, ...] = ()
    grown: Callable[[int], bytes] | None = None
    examples: int = 200
