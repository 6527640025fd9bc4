"""The notes of a release: changes, what breaks, the compatibility matrix, the end of the copy route.

The changes come from the changelog (`agentrail_runtime.release.changelog` says how breaking ones are
marked), all else from the distribution policy. A schema that moved since the last release has to be
named by an entry of the version, with its new version: ``- The receipt has schema 1.1.`` is enough. If
its major version moved, or it went back, older runtimes cannot read it, and the release itself needs a
new major version (https://semver.org/spec/v2.0.0.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from agentrail_runtime.release import matrix
from agentrail_runtime.release.changelog import NAME, UNRELEASED, Entry, Section, is_version
from agentrail_runtime.release.deprecation import Deprecation, releases_left
from agentrail_runtime.release.policy import Window
from agentrail_runtime.release.schema_version import Schema

_PRODUCT: Final = "agentrail-runtime"
_ITEM: Final = re.compile(r"[-*+][ \t]|\d{1,9}[.)][ \t]")


class Previous(NamedTuple):
    """The release before.

    Args:
        revision: what git calls it.
        version: its version, None where it is not known.
        schemas: its schemas, by name.
    """

    revision: str
    version: str | None
    schemas: Mapping[str, Schema]


class Release(NamedTuple):
    """All that the notes of a version are made of.

    Args:
        version: the version (PEP 440), or ``unreleased``.
        sections: what the changelog has under that version.
        windows: the compatibility matrix.
        deprecation: the end of the copy route, None where it has none.
        schemas: the schemas of the version, by name.
        previous: the release before, None where there is none to compare with.
    """

    version: str
    sections: tuple[Section, ...]
    windows: tuple[Window, ...]
    deprecation: Deprecation | None = None
    schemas: Mapping[str, Schema] = {}
    previous: Previous | None = None

    @property
    def is_unreleased(self) -> bool:
        """Whether the version has no number yet."""
        return self.version.casefold() == UNRELEASED


class Move(NamedTuple):
    """A schema that is not what it was in the release before."""

    name: str
    path: str
    before: str
    after: str

    @property
    def is_breaking(self) -> bool:
        """Whether older runtimes cannot read it."""
        before, after = _numbers(self.before), _numbers(self.after)
        return before[:1] != after[:1] or after < before


def problems(release: Release) -> list[str]:
    """Return what keeps the notes from being told, each with its path; none if all is well."""
    return [*_section_problems(release), *_matrix_problems(release), *_schema_problems(release)]


def remarks(release: Release) -> list[str]:
    """Return what a maintainer should know besides."""
    if release.previous is None:
        return ["no earlier release was found, so that no schema was compared"]
    told = [
        f"the {move.name} schema moved from {move.before} to {move.after} since "
        f"{release.previous.revision}: the next release needs a new major version"
        for move in moves(release)
        if move.is_breaking and release.is_unreleased
    ]
    if release.previous.version is None and not release.is_unreleased:
        told.append(f"{release.previous.revision}: its version is not known, so none was compared")
    return told


def moves(release: Release) -> list[Move]:
    """Return the schemas that moved since the release before; a new one is none of them."""
    before = release.previous.schemas if release.previous else {}
    return [
        Move(name, schema.path, before[name].version, schema.version)
        for name, schema in release.schemas.items()
        if name in before and before[name].version != schema.version
    ]


def render(release: Release) -> str:
    """Return the notes as Markdown (https://spec.commonmark.org/0.31.2/)."""
    section = release.sections[0]
    date = "" if release.is_unreleased or section.date is None else f" ({section.date})"
    blocks = [
        f"# {_PRODUCT} {section.title}{date}",
        *_changes(section),
        "## Compatibility",
        _table(release.windows),
        *_copy_route(release),
    ]
    return "\n\n".join(blocks) + "\n"


def breaking(release: Release) -> list[Entry]:
    """Return the entries on breaking changes."""
    return [entry for section in release.sections for entry in section.entries if entry.is_breaking]


def _section_problems(release: Release) -> Iterator[str]:
    heading = "Unreleased" if release.is_unreleased else f"{release.version} - YYYY-MM-DD"
    if not release.sections:
        yield f"{NAME}: no section of {release.version} (expected '## {heading}', found none)"
        return
    first, *others = release.sections
    for other in others:
        yield f"{NAME}:{other.line}: a second section of {release.version} (expected one)"
    if not any(section.entries for section in release.sections):
        yield f"{NAME}:{first.line}: no entry of {release.version} (expected what changed, found none)"


def _matrix_problems(release: Release) -> Iterator[str]:
    if release.is_unreleased or not release.windows:
        return
    if not any(matrix.is_within(row.runtime, release.version) for row in release.windows):
        windows = " or ".join(row.runtime for row in release.windows)
        yield (
            f"distribution.yaml: compatibility: no row is about {release.version} "
            f"(expected one, found {windows})"
        )


def _schema_problems(release: Release) -> Iterator[str]:
    former = release.previous.version if release.previous else None
    for move in moves(release):
        what = f"the {move.name} schema moved from {move.before} to {move.after}"
        if move.is_breaking and not release.is_unreleased and not _is_major(former, release.version):
            yield (
                f"{move.path}: {what} without a major version (expected a higher one than {former}'s, "
                f"got {release.version})"
            )
        if not any(_names(entry, move) for section in release.sections for entry in section.entries):
            yield (
                f"{NAME}: {what} without an entry (expected one of {release.version} that names the "
                f"{move.name} schema and {move.after})"
            )


def _is_major(former: str | None, version: str) -> bool:
    """Tell whether `version` is a new major one; where the former one is not known, it may be."""
    return former is None or _numbers(version)[:1] > _numbers(former)[:1]


def _names(entry: Entry, move: Move) -> bool:
    """Tell whether an entry names a schema and the version that it has now."""
    version = rf"(?<![\w.]){re.escape(move.after)}(?!\w|\.\d)"
    is_named = re.search(rf"\b{move.name}s?\b", entry.text, re.IGNORECASE)
    return bool(is_named and re.search(version, entry.text))


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version without zeros at the end: 1.1 is 1.1.0; none where it is none."""
    from packaging.version import Version

    numbers = [*Version(version).release] if is_version(version) else []
    while numbers[-1:] == [0] and len(numbers) > 1:
        numbers.pop()
    return tuple(numbers)


def _changes(section: Section) -> Iterator[str]:
    """Yield the changes, the breaking ones first."""
    torn = [entry.text for entry in section.entries if entry.is_breaking]
    yield "## Breaking changes"
    yield _joined(torn) if torn else "None."
    for group in section.groups:
        kept = [entry.text for entry in group.entries if not entry.is_breaking]
        if kept:
            if group.title:
                yield f"## {group.title}"
            yield _joined(kept)


def _joined(texts: list[str]) -> str:
    """Return entries as one text: items of a list line by line, paragraphs apart."""
    text = texts[0]
    for former, later in pairwise(texts):
        is_list = _ITEM.match(former) and _ITEM.match(later)
        text += ("\n" if is_list else "\n\n") + later
    return text


def _table(windows: tuple[Window, ...]) -> str:
    rows = [matrix.HEADER, ("---",) * len(matrix.HEADER), *matrix.table(windows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)


def _copy_route(release: Release) -> Iterator[str]:
    """Yield what is to be known of the end of the copy route."""
    end = release.deprecation
    if end is None:
        return
    yield "## The copy route"
    if not release.is_unreleased and _numbers(release.version) >= _numbers(end.removed_in):
        yield f"Installing from a copy of `dist/runtime` was removed in {end.removed_in}."
        return
    left = [*end.notices] if release.is_unreleased else releases_left(end, release.version)
    names = f": {', '.join(left)}" if left else ""
    yield (
        f"Installing from a copy of `dist/runtime` is deprecated since {end.announced_in}. It works "
        f"until {end.ends_on} and is removed in {end.removed_in}. Releases left that have it: "
        f"{len(left)}{names}."
    )
