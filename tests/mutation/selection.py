"""Which tests are asked about which module; fast ones, that run in one process with the mutants."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

_PLAN: Final = (
    "tests/unit/test_decision.py",
    "tests/unit/test_managed.py",
    "tests/unit/test_seed.py",
    "tests/unit/test_block_ownership.py",
    "tests/unit/test_profile_ownership.py",
    "tests/unit/test_ownership.py",
    "tests/unit/test_planner.py",
)
_PROFILE: Final = (
    "tests/unit/test_profile.py",
    "tests/unit/test_profile_edit.py",
    "tests/unit/test_profile_upgrade.py",
)

TESTS: Final[dict[str, tuple[str, ...]]] = {
    "block": ("tests/unit/test_block.py",),
    "decision": _PLAN,
    "ownership/__init__": _PLAN,
    "ownership/block": _PLAN,
    "ownership/managed": _PLAN,
    "ownership/profile": _PLAN,
    "ownership/seed": _PLAN,
    "planner": _PLAN,
    "profile": _PROFILE,
    "release/gate": ("tests/unit/test_gate.py",),
    "stash": ("tests/crash/test_apply.py",),
    "transaction": ("tests/crash/test_apply.py",),
}
"""The modules that are mutated, by their path below the package, and the tests that have to notice."""
