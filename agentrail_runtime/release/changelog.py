"""A changelog in the form of Keep a Changelog (https://keepachangelog.com/en/1.1.0/), read by version.

A version is a heading of level 2: ``## Unreleased``, ``## 1.1.0 - 2030-12-31`` or ``## [1.1.0] - ...``.
Below it, groups of entries have headings of level 3, and an entry is an item of a list or a paragraph.
A breaking change is an entry in a group ``### Breaking``, or ``### Breaking changes``; or one that
begins with ``**Breaking:**``, in whatever group.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from agentrail_runtime.checks.markdown import Document, Heading

NAME: Final = "CHANGELOG.md"
"""Where a changelog stands, from the root of a repository."""

UNRELEASED: Final = "unreleased"
"""The name of the section of what is not released yet, in lower case."""

_TITLE: Final = re.compile(r"\[?v?(?P<version>[^\s\[\]()]+)\]?")
_MAX_LENGTH: Final = 100  # characters; no version is longer
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_RULE: Final = re.compile(r"(?:-+|=+)[ \t]*$")
_BREAKING: Final = re.compile(
    r"(?:[-*+][ \t]+)?\*\*Breaking(?: change)?s?(?::\*\*|\*\*:)", re.IGNORECASE
)


class Entry(NamedTuple):
    """One entry: its `text` as it stands there, the `line` it begins on, and whether it breaks."""

    line: int
    text: str
    is_breaking: bool


class Group(NamedTuple):
    """Entries under one heading of level 3; above the first heading the `title` is empty."""

    title: str
    entries: tuple[Entry, ...]


class Section(NamedTuple):
    """What a changelog says of one version.

    `title` is the version as it stands there, `date` is None where the heading has none.
    """

    line: int
    title: str
    date: str | None
    groups: tuple[Group, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, in order."""
        return tuple(entry for group in self.groups for entry in group.entries)


def load(text: str) -> list[Section]:
    """Return the sections of the changelog `text`, in order."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    document, lines = Document(text), text.split("\n")
    items = {item.line for item in document.items if item.depth == 0}
    sections = []
    for heading, end, below in _by_level(document.headings, document.end):
        if heading.level == 2 and (title := _TITLE.match(heading.text)):
            date = _DATE.search(heading.text, title.end())
            groups = tuple(_groups(lines, range(heading.line + 1, end), below, items))
            found = date[0] if date else None
            sections.append(Section(heading.line, title["version"], found, groups))
    return sections


def _by_level(headings: list[Heading], end: int) -> Iterator[tuple[Heading, int, list[Heading]]]:
    """Yield each heading of level 1 or 2, the line where its text ends, and those of level 3 in it."""
    tops = [number for number, heading in enumerate(headings) if heading.level <= 2]
    for number, later in pairwise([*tops, len(headings)]):
        stop = headings[later].line if later < len(headings) else end
        below = [heading for heading in headings[number + 1 : later] if heading.level == 3]
        yield headings[number], stop, below


def find(sections: list[Section], version: str) -> list[Section]:
    """Return the sections of `version` (PEP 440, or ``unreleased``): one, if all is well."""
    wanted = _key(version)
    return [section for section in sections if _key(section.title) == wanted]


def is_version(text: str) -> bool:
    """Tell whether `text` is a version (PEP 440)."""
    return not isinstance(_key(text), str)


def _key(text: str) -> object:
    """Return what is equal for two spellings of one version: 1.1 is 1.1.0; a text for what is none."""
    from packaging.version import Version

    try:
        return Version(text) if len(text) <= _MAX_LENGTH else text
    except ValueError:  # InvalidVersion is one
        return text.casefold()


def _groups(
    lines: list[str], section: range, headings: list[Heading], items: set[int]
) -> Iterator[Group]:
    """Yield what stands in the lines of a section, by heading; a group without an entry is left out."""
    starts = [Heading(section.start - 1, 3, ""), *headings]
    ends = [heading.line for heading in headings] + [section.stop]
    for heading, end in zip(starts, ends, strict=True):
        is_breaking = heading.text.casefold().startswith("breaking")
        below = range(heading.line + 1, end)
        entries = tuple(_entries(lines, below, items, is_breaking=is_breaking))
        if entries:
            yield Group(heading.text, entries)


def _entries(lines: list[str], below: range, items: set[int], *, is_breaking: bool) -> Iterator[Entry]:
    """Yield the entries in the lines `below`: each begins at an item, or at a paragraph of its own."""
    starts = [number for number in below if _begins(lines, number, below.start, items)]
    for start, stop in pairwise([*starts, below.stop]):
        text = "\n".join(lines[start - 1 : stop - 1]).rstrip()
        yield Entry(start, text, is_breaking or bool(_BREAKING.match(text)))


def _begins(lines: list[str], number: int, first: int, items: set[int]) -> bool:
    line = lines[number - 1]
    is_text = bool(line.strip()) and not line[0].isspace() and not _RULE.match(line)
    follows_blank = number == first or not lines[number - 2].strip()
    return number in items or (is_text and follows_blank)
