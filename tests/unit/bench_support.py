"""A made-up report of the benchmark."""

from __future__ import annotations

from tests.bench.result import Imports, Report, Row, Series, Tree

TREES = (
    Tree("payload", "shipped payload", 41, 130_000, is_generated=False),
    Tree("10k", "10,000 × 4 KB", 10_000, 40_960_000, is_generated=True),
)


def report(*rows: Row, trees: tuple[Tree, ...] = TREES) -> Report:
    return Report(
        date="2026-01-02",
        command="python -m tests.bench -n 3",
        machine={"Processor": "one, 2 cores"},
        tools={"rsync": "3.2.7", "copier": "missing: cannot be installed: pip: exit code 1: a | b"},
        trees=trees,
        rows=rows,
        imports=(Imports("agentrail-install", 50.0, 5.0, 120, (("json", 3.25),)),),
    )


def fresh(
    *,
    ours: tuple[float, ...] = (100.0, 300.0, 200.0),
    theirs: tuple[float, ...] = (200.0, 300.0, 400.0),
) -> Row:
    """Return a row where three rounds were run, one peer is missing and one took part."""
    return Row(
        "fresh",
        "10k",
        (
            Series("agentrail-install", ours, peak=41.2, total=66.0),
            Series("rsync -a --fsync", theirs, peak=19.0, total=4.0),
            Series("dpkg -i", reason="no dpkg on PATH"),
        ),
        floor=19.0,
    )
