"""Mutants that live, and why each explained one does: it does what the module itself does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NamedTuple

EXPLAINED: Final = Path(__file__).with_name("survivors.json")


class Survivor(NamedTuple):
    """One mutant that no test noticed.

    Args:
        module: the path of the module below the package, without ``.py``.
        function: the function, with its class before a dot where it has one.
        before: the lines that the mutant takes away, stripped and joined by ``" / "``.
        after: the lines that it puts there, in the same form.
    """

    module: str
    function: str
    before: str
    after: str


def explained() -> dict[Survivor, str]:
    """Return why each mutant of ``survivors.json`` is none that a test could notice."""
    return {
        Survivor(row["module"], row["function"], row["before"], row["after"]): row["why"]
        for row in json.loads(EXPLAINED.read_bytes())
    }


def from_diff(module: str, name: str, diff: str) -> Survivor:
    """Return the mutant that mutmut calls `name` and shows as `diff`."""
    mangled = name.rpartition(".")[2].partition("__mutmut_")[0]
    function = (
        mangled[1:].strip("ǁ").replace("ǁ", ".") if "ǁ" in mangled else mangled.removeprefix("x_")
    )
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    before, after = (
        " / ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )
    return Survivor(module, function, before, after)
