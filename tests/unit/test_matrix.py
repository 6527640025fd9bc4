"""The matrix says whether versions work together, and what is wrong where they do not."""

from __future__ import annotations

import pytest

from agentrail_runtime.release.matrix import HEADER, Misfit, is_within, table, verdict
from agentrail_runtime.release.policy import Window

OLD = Window(runtime=">=1.0,<2.0", profile=">=2.0,<3.0", receipt=">=1.0,<2.0", python=">=3.10")
NEW = Window(runtime=">=2.0,<3.0", profile=">=3.0,<4.0", receipt=">=1.0,<3.0", python=">=3.12")
LATE = Window(runtime=">=1.5,<2.0", profile=">=2.0,<4.0", receipt=">=1.0,<2.0", python=">=3.12")


@pytest.mark.parametrize(
    ("runtime", "profile", "receipt", "python"),
    [
        ("1.0.0", "2.0.0", "1.0", "3.10.0"),
        ("1.9.9", "2.99", "1.7", "3.14.2"),
        ("1.0.0", None, None, "3.11.4"),
        ("2.0", "3.0.0", "1.0", "3.12.0"),
        ("2.1.0rc1", "3.0.0", "2.0", "3.12.0"),
        ("1.0.1.dev3", "2.1.0rc1", "1.1", "3.15.0a2"),
        ("1.0.0+local.1", "2.0.0", "1.0", "3.10"),
        ("1.5", "3.0.0", "1.0", "3.12.0"),
        ("1.5", "2.0.0", "1.0", "3.10.0"),
    ],
)
def test_versions_that_one_row_accepts_work_together(
    runtime: str, profile: str | None, receipt: str | None, python: str
) -> None:
    rows = (OLD, NEW, LATE)
    assert verdict(rows, runtime=runtime, profile=profile, receipt=receipt, python=python) == []


@pytest.mark.parametrize(
    ("runtime", "profile", "receipt", "python", "misfits"),
    [
        ("1.0", "1.9", "1.0", "3.11", [("profile schema", ">=2.0,<3.0", "1.9")]),
        ("1.0", "3.0.0", "1.0", "3.11", [("profile schema", ">=2.0,<3.0", "3.0.0")]),
        ("1.0", "3.0.0rc1", "1.0", "3.11", [("profile schema", ">=2.0,<3.0", "3.0.0rc1")]),
        ("1.0", "2.0.0", "2.0", "3.11", [("receipt schema", ">=1.0,<2.0", "2.0")]),
        ("1.0", "2.0.0", "1.0", "3.9.18", [("Python", ">=3.10", "3.9.18")]),
        (
            "1.0",
            "1.0",
            "0.9",
            "3.9",
            [
                ("profile schema", ">=2.0,<3.0", "1.0"),
                ("receipt schema", ">=1.0,<2.0", "0.9"),
                ("Python", ">=3.10", "3.9"),
            ],
        ),
        ("2.0", "2.0.0", "1.0", "3.12", [("profile schema", ">=3.0,<4.0", "2.0.0")]),
        ("3.0", "2.0.0", "1.0", "3.12", [("runtime", ">=1.0,<2.0 or >=2.0,<3.0", "3.0")]),
        ("0.9", None, None, "3.12", [("runtime", ">=1.0,<2.0 or >=2.0,<3.0", "0.9")]),
        ("1.0rc1", None, None, "3.12", [("runtime", ">=1.0,<2.0 or >=2.0,<3.0", "1.0rc1")]),
    ],
)
def test_what_does_not_fit_is_named_with_its_window(
    runtime: str,
    profile: str | None,
    receipt: str | None,
    python: str,
    misfits: list[tuple[str, str, str]],
) -> None:
    found = verdict((OLD, NEW), runtime=runtime, profile=profile, receipt=receipt, python=python)
    assert found == misfits


def test_of_several_rows_the_closest_one_says_what_is_wrong() -> None:
    strict = OLD._replace(profile="==2.0.0", receipt="==1.0", python="==3.10.*")
    found = verdict((strict, LATE), runtime="1.6", profile="4.0.0", receipt="1.1", python="3.12")
    assert found == [Misfit("profile schema", ">=2.0,<4.0", "4.0.0")]


def test_a_matrix_without_rows_accepts_nothing() -> None:
    found = verdict((), runtime="1.0", profile=None, receipt=None, python="3.12")
    assert found == [Misfit("runtime", "a row about it", "1.0")]


@pytest.mark.parametrize(
    "version",
    ["", "two", "a collection", "2.0.0.", "1" * 101, "1." + "9" * 90_000, "2026-01-01 x", "٢.0", "\0"],
)
def test_what_is_no_version_is_a_finding_and_no_error(version: str) -> None:
    assert not is_within(">=0", version)
    found = verdict((OLD,), runtime="1.0", profile=version, receipt=None, python="3.12")
    assert [(misfit.what, misfit.got) for misfit in found] == [("profile schema", version[:100])]
    assert (
        verdict((OLD,), runtime=version, profile=None, receipt=None, python="3.12")[0].what == "runtime"
    )


def test_a_window_that_is_no_specifier_lets_nothing_in() -> None:
    assert not is_within("about 2", "2.0")


def test_the_table_has_every_row_once_under_its_header() -> None:
    assert HEADER == ("Runtime", "Profile schema", "Receipt schema", "Python")
    assert table((OLD, OLD, NEW)) == [
        (">=1.0,<2.0", ">=2.0,<3.0", ">=1.0,<2.0", ">=3.10"),
        (">=2.0,<3.0", ">=3.0,<4.0", ">=1.0,<3.0", ">=3.12"),
    ]
