"""A script that looks at the exit code is told what happened."""

from __future__ import annotations

import pytest

from agentrail_runtime import errors, manifest
from agentrail_runtime.errors import AgentRailError

CODES = {
    "AgentRailError": 1,
    "UsageError": 2,
    "TargetError": 1,
    "UnsafePathError": 1,
    "NotInstalledError": 1,
    "LockedError": 1,
    "StalePlanError": 1,
    "ReceiptError": 1,
    "ProfileError": 1,
    "HistoryError": 1,
    "ConflictError": 3,
    "DriftError": 4,
    "IncompatibleError": 5,
    "SourceError": 6,
    "RecoveryError": 7,
}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_a_script_can_tell_what_went_wrong_by_the_exit_code(name: str, code: int) -> None:
    assert getattr(errors, name).code == code


def test_no_error_ships_without_an_exit_code_in_this_table() -> None:
    found = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, AgentRailError)
    }
    assert found == set(CODES)


def test_a_damaged_manifest_is_a_plain_failure() -> None:
    assert manifest.ManifestError.code == 1


def test_an_error_keeps_what_the_report_needs() -> None:
    error = AgentRailError("a.md: gone", paths=["a.md"], hint="git checkout a.md")
    assert (str(error), error.message) == ("a.md: gone", "a.md: gone")
    assert (error.paths, error.hint, error.outcome) == (("a.md",), "git checkout a.md", None)


def test_an_error_without_paths_or_hint_says_so() -> None:
    error = AgentRailError("no")
    assert (error.paths, error.hint) == ((), None)
