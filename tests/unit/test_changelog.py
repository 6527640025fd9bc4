"""The changelog is read as people write it: versions, groups, entries, and what breaks."""

from __future__ import annotations

import pytest

from agentrail_runtime.release import changelog
from agentrail_runtime.release.changelog import Entry, Section

TEXT = """\
# Changelog

All notable changes.

## Unreleased

- Something new.

## [1.1.0] - 2030-12-31

An introduction.

### Breaking

- The `work` directory
  moved.

### Changed

- **Breaking:** options
- harmless
  - **Breaking:** not one, but a part of one

**Breaking:** a paragraph
of two lines.

### Empty

## 1.0.0 (2030-01-01)

```
## 9.9.9
```
"""


def only(text: str, version: str) -> Section:
    """Return the one section of a version."""
    (section,) = changelog.find(changelog.load(text), version)
    return section


def test_every_version_is_a_section_with_its_date() -> None:
    found = [(s.line, s.title, s.date) for s in changelog.load(TEXT)]
    assert found == [
        (5, "Unreleased", None),
        (9, "1.1.0", "2030-12-31"),
        (29, "1.0.0", "2030-01-01"),
    ]


def test_entries_stand_in_their_groups_and_breaking_ones_are_told() -> None:
    section = only(TEXT, "1.1.0")
    assert [group.title for group in section.groups] == ["", "Breaking", "Changed"]
    assert section.entries == (
        Entry(11, "An introduction.", is_breaking=False),
        Entry(15, "- The `work` directory\n  moved.", is_breaking=True),
        Entry(20, "- **Breaking:** options", is_breaking=True),
        Entry(21, "- harmless\n  - **Breaking:** not one, but a part of one", is_breaking=False),
        Entry(24, "**Breaking:** a paragraph\nof two lines.", is_breaking=True),
    )


@pytest.mark.parametrize(
    ("text", "is_breaking"),
    [
        ("- **Breaking:** x", True),
        ("* **BREAKING**: x", True),
        ("+ **Breaking change:** x", True),
        ("**Breaking changes:** x", True),
        ("- Breaking: x", False),
        ("- **Breaking** x", False),
        ("- x **Breaking:** y", False),
        ("### Breaking changes\n\n- x", True),
        ("### BREAKING\n- x", True),
        ("### Not breaking\n- x", False),
        ("### Fixed\n\n1. **Breaking:** x", False),
    ],
)
def test_a_breaking_change_is_marked_in_one_of_two_ways(text: str, *, is_breaking: bool) -> None:
    assert [entry.is_breaking for entry in only(f"## 1.0\n\n{text}\n", "1.0").entries] == [is_breaking]


@pytest.mark.parametrize(
    "heading",
    [
        "## 1.1.0",
        "## v1.1.0 - 2030-12-31",
        "## [1.1.0]",
        "## [1.1.0](https://example.com/1.1.0)",
        "## 1.1 [YANKED]",
        "## 1.1.0 ##",
        "1.1.0\n-----",
    ],
)
def test_a_version_is_found_however_its_heading_is_written(heading: str) -> None:
    assert only(f"{heading}\n\n- x\n", "1.1.0").entries[0].text == "- x"


@pytest.mark.parametrize(
    "heading", ["# 1.1.0", "### 1.1.0", "## ", "## ()", "## Version 1.1.0", "1.1.0"]
)
def test_no_other_heading_is_taken_for_a_version(heading: str) -> None:
    assert changelog.find(changelog.load(f"{heading}\n\n- x\n"), "1.1.0") == []


@pytest.mark.parametrize("spelling", ["unreleased", "Unreleased", "UNRELEASED"])
def test_the_section_of_what_is_not_released_is_found_in_any_case(spelling: str) -> None:
    assert only(TEXT, spelling).entries[0].text == "- Something new."


def test_line_ends_and_a_byte_order_mark_make_no_difference() -> None:
    expected = [section._replace() for section in changelog.load(TEXT)]
    assert changelog.load("\ufeff" + TEXT.replace("\n", "\r\n")) == expected
    assert changelog.load(TEXT.replace("\n", "\r")) == expected


def test_a_changelog_of_thousands_of_headings_is_read_all_the_same() -> None:
    text = "## 1.0.0\n### Added\n- x\n" * 5_000
    assert len(changelog.find(changelog.load(text), "1.0.0")) == 5_000


def test_a_section_without_entries_has_none() -> None:
    assert only("## 1.0.0\n\n### Added\n", "1.0.0").entries == ()
    assert changelog.load("") == []


@pytest.mark.parametrize(
    ("text", "is_version"),
    [("1.0", True), ("v1.0rc1", True), ("", False), ("x", False), ("1" * 101, False), ("1.0.", False)],
)
def test_a_version_is_one_of_pep_440(text: str, *, is_version: bool) -> None:
    assert changelog.is_version(text) is is_version
