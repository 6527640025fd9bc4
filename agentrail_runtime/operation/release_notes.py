"""Release notes: what the changelog, the policy and the schemas of a source tree say of one version."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from agentrail_runtime import git, plain_file, policy_file
from agentrail_runtime.errors import AgentRailError, UsageError
from agentrail_runtime.release import changelog, notes, schema_version
from agentrail_runtime.release.changelog import UNRELEASED, Section
from agentrail_runtime.release.notes import Previous, Release

_MAX_BYTES: Final = 4_000_000


class ReleaseNotesError(AgentRailError):
    """The notes of a version cannot be told; each line of the message is one finding."""


class Notes(NamedTuple):
    """The notes of `release` as Markdown, and what a maintainer should know besides."""

    release: Release
    markdown: str
    remarks: tuple[str, ...]


def release_notes(
    root: str, *, version: str, since: str | None = None, policy: str | None = None
) -> Notes:
    """Return the notes of `version`; nothing is written.

    Args:
        root: the source tree.
        version: the version (PEP 440), or ``unreleased``.
        since: the revision to compare the schemas with (gitrevisions(7)), None for the last tag ``v*``
            before.
        policy: the distribution policy, None for the one in `root` or, if there is none, the packaged
            one.

    Raises:
        UsageError: `version` is none, or there is no such revision.
        ReleaseNotesError: the changelog says nothing of the version; or a schema moved without a major
            version, or without an entry. All of it is told.
        SchemaVersionError: a file that says a schema version cannot be read.
        PolicyError: the policy cannot be read.
    """
    _check(version)
    found, _ = policy_file.find(policy, root)
    release = Release(
        version=version,
        sections=tuple(changelog.find(_sections(root), version)),
        windows=found.compatibility,
        deprecation=found.deprecation,
        schemas=schema_version.load(lambda path: _read(root, path)),
        previous=_previous(root, version, since),
    )
    if problems := notes.problems(release):
        raise ReleaseNotesError(
            "\n".join(problems),
            paths=dict.fromkeys(problem.partition(":")[0] for problem in problems),
            hint=f"tell it in {changelog.NAME}; what breaks older releases needs a new major version",
        )
    return Notes(release, notes.render(release), tuple(notes.remarks(release)))


def _check(version: str) -> None:
    """Make sure that `version` is one.

    Raises:
        UsageError: it is not.
    """
    if version.casefold() != UNRELEASED and not changelog.is_version(version):
        raise UsageError(
            f"--version {version!r}: no version (expected such as 1.1.0, or {UNRELEASED})",
            hint="name one that has a section in the changelog",
        )


def _sections(root: str) -> list[Section]:
    """Return what the changelog says.

    Raises:
        ReleaseNotesError: it cannot be read.
    """
    try:
        data = plain_file.read(os.path.join(root, changelog.NAME), _MAX_BYTES)
        return changelog.load(data.decode("utf-8"))
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        what = f"not UTF-8 (line {error.object.count(10, 0, error.start) + 1})"
    raise ReleaseNotesError(
        f"{changelog.NAME}: {what}",
        paths=[changelog.NAME],
        hint="name the source tree with --root DIR",
    )


def _read(root: str, path: str) -> bytes | None:
    """Return the bytes of a file; none at all where it cannot be read, so that no version is in it."""
    try:
        return plain_file.read(os.path.join(root, *path.split("/")), _MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError:
        return b""


def _previous(root: str, version: str, since: str | None) -> Previous | None:
    """Return the release before; None where no revision is named and no tag is there.

    Raises:
        UsageError: there is no such revision.
        SchemaVersionError: a file that says a schema version could not be read then.
    """
    revision = since or max(_tags(root, version), default=("", None))[1]
    if revision is None:
        return None
    commit = git.commit(root, revision)
    if commit is None:
        raise UsageError(
            f"{revision}: no such revision in {root}", hint="fetch it, or name another: --since REV"
        )
    try:
        schemas = schema_version.load(lambda path: git.file_at(root, commit, path))
    except schema_version.SchemaVersionError as error:
        error.message = "\n".join(f"{line}, at {revision}" for line in error.message.splitlines())
        error.hint = "name a revision of a release: --since REV"
        raise
    return Previous(revision, _version_at(root, commit, revision), schemas)


def _tags(root: str, version: str) -> Iterator[tuple[object, str]]:
    """Yield the tags of releases before `version` with what they are sorted by.

    A pre-release is one only before another: what moved since the last release is to be told by the
    next, whatever a pre-release has told.
    """
    from packaging.version import Version

    asked = None if version.casefold() == UNRELEASED else Version(version)
    for tag in git.tags(root, "v*"):
        try:
            found = Version(tag)
        except ValueError:  # InvalidVersion is one, and so is a number of too many digits
            continue
        is_release = not found.is_prerelease or (asked is not None and asked.is_prerelease)
        if is_release and (asked is None or found < asked):
            yield found, tag


def _version_at(root: str, commit: str, revision: str) -> str | None:
    """Return the version that a revision is of: its name says it, as v1.0.0 does, or its sources do."""
    if revision.startswith("v") and changelog.is_version(revision):
        return revision.removeprefix("v")
    data = git.file_at(root, commit, schema_version.VERSION_PATH)
    return None if data is None else schema_version.release_version(data)
