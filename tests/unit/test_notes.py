"""Release notes say what changed, what breaks and what works with what, or why they cannot."""

from __future__ import annotations

import datetime

import pytest

from agentrail_runtime.release import changelog
from agentrail_runtime.release.deprecation import Deprecation
from agentrail_runtime.release.notes import Previous, Release, breaking, problems, remarks, render
from agentrail_runtime.release.policy import Window
from agentrail_runtime.release.schema_version import Schema

WINDOW = Window(runtime=">=1.0,<2.0", profile=">=2.0,<3.0", receipt=">=1.0,<2.0", python=">=3.10")
NEXT = Window(runtime=">=2.0,<3.0", profile=">=3.0", receipt=">=1.0,<2.0", python=">=3.10")
END = Deprecation("1.0.0", datetime.date(2027, 12, 31), "2.0.0", ("1.0.0", "1.1.0", "1.2.0"))
TEXT = """\
## Unreleased

- Not yet.

## 1.1.0 - 2026-12-01

Faster.

### Added

- One
  more.
- **Breaking:** `--old` is gone.
- Two.

### Breaking

- The work moved.
"""


def release(
    text: str = TEXT,
    version: str = "1.1.0",
    *,
    moved: dict[str, tuple[str, str]] | None = None,
    since: str | None = "1.0.0",
) -> Release:
    """Return a release; `moved` are schemas before and now."""
    moves = moved or {}
    before = {name: Schema(f"{name}.yaml", pair[0]) for name, pair in moves.items()}
    return Release(
        version=version,
        sections=tuple(changelog.find(changelog.load(text), version)),
        windows=(WINDOW, NEXT),
        deprecation=END,
        schemas={name: Schema(f"{name}.yaml", pair[1]) for name, pair in moves.items()},
        previous=Previous("v1.0.0", since, before),
    )


def test_the_notes_of_a_version_hold_all_of_it() -> None:
    assert problems(release()) == []
    assert (
        render(release())
        == """\
# agentrail-runtime 1.1.0 (2026-12-01)

## Breaking changes

- **Breaking:** `--old` is gone.
- The work moved.

Faster.

## Added

- One
  more.
- Two.

## Compatibility

| Runtime | Profile schema | Receipt schema | Python |
| --- | --- | --- | --- |
| >=1.0,<2.0 | >=2.0,<3.0 | >=1.0,<2.0 | >=3.10 |
| >=2.0,<3.0 | >=3.0 | >=1.0,<2.0 | >=3.10 |

## The copy route

Installing from a copy of `dist/runtime` is deprecated since 1.0.0. It works until 2027-12-31 and is \
removed in 2.0.0. Releases left that have it: 1: 1.2.0.
"""
    )


def test_a_version_that_breaks_nothing_says_so() -> None:
    text = "## 1.1.0\n\n- Safe.\n\nA paragraph.\n\n1. And a list.\n2. Of two.\n"
    assert render(release(text)).startswith(
        "# agentrail-runtime 1.1.0\n\n## Breaking changes\n\nNone.\n\n"
        "- Safe.\n\nA paragraph.\n\n1. And a list.\n2. Of two.\n\n## Compatibility\n"
    )


def test_breaking_entries_are_told_apart() -> None:
    told = ["- **Breaking:** `--old` is gone.", "- The work moved."]
    assert [entry.text for entry in breaking(release())] == told


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1.2.0", "Releases left that have it: 0."),
        ("unreleased", "Releases left that have it: 3: 1.0.0, 1.1.0, 1.2.0."),
        ("2.0.0", "Installing from a copy of `dist/runtime` was removed in 2.0.0."),
        ("2.0", "Installing from a copy of `dist/runtime` was removed in 2.0.0."),
    ],
)
def test_the_end_of_the_copy_route_is_told_with_the_releases_left(version: str, said: str) -> None:
    assert said in render(release(f"## {version}\n\n- x\n", version))


def test_without_a_deprecation_nothing_is_told_of_the_copy_route() -> None:
    assert "copy" not in render(release()._replace(deprecation=None))


def test_a_missing_section_is_told_with_the_heading_to_write() -> None:
    said = "CHANGELOG.md: no section of 1.3.0 (expected '## 1.3.0 - YYYY-MM-DD', found none)"
    assert problems(release(version="1.3.0")) == [said]
    said = "CHANGELOG.md: no section of unreleased (expected '## Unreleased', found none)"
    assert problems(release("", "unreleased")) == [said]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "## 1.1.0\n\n### Added\n\n## 1.0.0\n- x\n",
            "CHANGELOG.md:1: no entry of 1.1.0 (expected what changed, found none)",
        ),
        ("## 1.1.0\n- x\n\n## 1.1\n- y\n", "CHANGELOG.md:4: a second section of 1.1.0 (expected one)"),
    ],
)
def test_a_section_that_says_nothing_or_stands_twice_is_told(text: str, said: str) -> None:
    assert problems(release(text)) == [said]


def test_a_version_that_no_row_of_the_matrix_is_about_is_told() -> None:
    text = "## 3.0.0\n- x\n"
    assert problems(release(text, "3.0.0")) == [
        "distribution.yaml: compatibility: no row is about 3.0.0 "
        "(expected one, found >=1.0,<2.0 or >=2.0,<3.0)"
    ]
    assert problems(release(text, "3.0.0")._replace(windows=())) == []


@pytest.mark.parametrize(
    ("version", "before", "after", "entry"),
    [
        ("1.1.0", "1.0", "1.1", "- The receipt schema is 1.1 now."),
        ("1.1.0", "1.0", "1.1", "- Receipts: `schema_version` 1.1."),
        ("2.0.0", "1.0", "2.0", "- **Breaking:** the receipt has schema 2.0"),
        ("2.0.0", "1.9", "2.0", "### Breaking\n\n- receipt 2.0"),
        ("2.0.0", "1.1", "1.0", "- The receipt is of schema 1.0 again."),
        ("unreleased", "1.0", "2.0", "- The receipt has schema 2.0"),
    ],
)
def test_a_schema_that_moved_as_it_may_and_is_told_is_no_problem(
    version: str, before: str, after: str, entry: str
) -> None:
    text = f"## {version}\n\n{entry}\n"
    assert problems(release(text, version, moved={"receipt": (before, after)})) == []


@pytest.mark.parametrize(
    ("version", "before", "after"),
    [
        ("1.1.0", "1.0", "2.0"),
        ("1.1.0", "2.0.0", "3.0.0"),
        ("1.1.0", "1.1", "1.0"),
        ("1.9", "1.0", "4"),
        ("1.1.0", "2.0", "none"),
    ],
)
def test_a_schema_that_broke_without_a_major_version_is_told(
    version: str, before: str, after: str
) -> None:
    text = f"## {version}\n\n- The policy has schema {after}\n"
    assert problems(release(text, version, moved={"policy": (before, after)})) == [
        f"policy.yaml: the policy schema moved from {before} to {after} without a major version "
        f"(expected a higher one than 1.0.0's, got {version})"
    ]


@pytest.mark.parametrize(
    "entry",
    [
        "- Something else.",
        "- The policy is better.",
        "- The manifest has schema 1.1.",
        "- The policy of 1.10.",
        "- The policy of 11.1",
        "- The policy of 1.1.1",
        "- policymakers like 1.1",
        "- The policy.\n- Version 1.1.",
    ],
)
def test_a_schema_that_moved_without_an_entry_that_names_it_is_told(entry: str) -> None:
    found = problems(release(f"## 1.1.0\n\n{entry}\n", moved={"policy": ("1.0", "1.1")}))
    assert found == [
        "CHANGELOG.md: the policy schema moved from 1.0 to 1.1 without an entry "
        "(expected one of 1.1.0 that names the policy schema and 1.1)"
    ]


def test_all_that_is_wrong_is_told_at_once() -> None:
    moved = {"index": ("1.0", "2.0"), "receipt": ("1.0", "1.1"), "profile": ("2.0.0", "2.0.0")}
    found = problems(release("## 1.1.0\n", moved=moved))
    named = [line.partition(":")[0] for line in found]
    assert named == ["CHANGELOG.md", "index.yaml", "CHANGELOG.md", "CHANGELOG.md"]


def test_a_schema_that_is_new_has_not_moved() -> None:
    known = release()
    assert problems(known._replace(schemas={"policy": Schema("policy.yaml", "9.0")})) == []


def test_what_could_not_be_compared_is_remarked() -> None:
    alone = release()._replace(previous=None)
    assert remarks(alone) == ["no earlier release was found, so that no schema was compared"]
    assert problems(alone) == []
    assert remarks(release()) == []
    unknown = release("## 1.1.0\n- index 2.0\n", since=None, moved={"index": ("1.0", "2.0")})
    assert remarks(unknown) == ["v1.0.0: its version is not known, so none was compared"]
    assert problems(unknown) == []


def test_a_schema_that_broke_asks_for_a_major_version_of_what_is_not_released_yet() -> None:
    moved = {"index": ("1.0", "2.0"), "policy": ("1.0", "1.1")}
    text = "## Unreleased\n- index 2.0 and policy 1.1\n"
    assert remarks(release(text, "Unreleased", moved=moved)) == [
        "the index schema moved from 1.0 to 2.0 since v1.0.0: "
        "the next release needs a new major version"
    ]
