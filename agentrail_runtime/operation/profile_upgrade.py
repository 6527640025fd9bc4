"""Profile upgrade: bring the profile of a repository from schema 1.x to 2.0.0, installed or not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from difflib import unified_diff
from typing import Final, NamedTuple

from agentrail_runtime import plain_file, stash
from agentrail_runtime.checks import profile_rule
from agentrail_runtime.checks.finding import Finding
from agentrail_runtime.entry import PROFILE_PATH
from agentrail_runtime.errors import TargetError, typed
from agentrail_runtime.release import profile_upgrade
from agentrail_runtime.session import DEFAULT_TIMEOUT, Session
from agentrail_runtime.source import package_tree
from agentrail_runtime.target import Target

_MAX_BYTES: Final = 1_000_000
_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")


class Upgraded(NamedTuple):
    """What became of a profile, or would.

    Args:
        former: the schema version that it was of, None where there was nothing to do.
        diff: what changes, as a unified diff; empty where nothing does.
        left: what the profile still lacks for schema 2.0.0, to be done by hand.
        notices: sentences for the user besides.
    """

    former: str | None
    diff: str = ""
    left: tuple[Finding, ...] = ()
    notices: tuple[str, ...] = ()


def upgrade_profile(root: str, *, dry_run: bool = False) -> Upgraded:
    """Bring the profile in `root` from schema 1.x to 2.0.0; a second run finds nothing to do.

    Args:
        root: the repository; what is installed there does not matter.
        dry_run: write nothing.

    Raises:
        ProfileError: the profile cannot be read or safely edited.
        IncompatibleError: it is of another schema than 1.x and 2.x.
        TargetError: there is no profile, it is no plain file, or may not be written.

    In every case the profile is as it was.
    """
    session = Session(Target(root), DEFAULT_TIMEOUT)
    try:
        if stash.is_hot(session.target):
            with session.locked():
                pass
        before, after = _planned(root)
        if after.former is not None and not dry_run:
            with session.locked():
                before, after = _planned(root)  # the file may be another by now
                if after.data != before:
                    session.target.rewrite(PROFILE_PATH, after.data)
    except OSError as error:
        raise TargetError(
            f"{root}: cannot be read: {error.strerror}; the target is as it was",
            hint="mend the cause, then run the command again",
        ) from error
    finally:
        session.target.close()
    return Upgraded(
        former=after.former,
        diff="".join(_diff(before.decode(), after.data.decode())),
        left=_left(after.data),
        notices=tuple(session.notices),
    )


def _planned(root: str) -> tuple[bytes, profile_upgrade.Upgrade]:
    """Return the bytes of the profile, and what is to be made of them."""
    try:
        data = plain_file.read(os.path.join(root, PROFILE_PATH), _MAX_BYTES)
    except FileNotFoundError:
        raise TargetError(
            f"{PROFILE_PATH}: no such file in {root} (expected the profile of the project)",
            paths=[PROFILE_PATH],
            hint=f"to have one written: agentrail-install {typed(root)}",
        ) from None
    except OSError as error:
        raise TargetError(
            f"{PROFILE_PATH}: cannot be read: {error.strerror}",
            paths=[PROFILE_PATH],
            hint="put a plain file there that may be read, then run the command again",
        ) from None
    return data, profile_upgrade.upgrade(data)


def _left(data: bytes) -> tuple[Finding, ...]:
    schema = package_tree().fetch(profile_rule.SCHEMA_PATH).data.decode()
    return profile_rule.check_profile(data, profile_rule.load_schema(schema)).findings


def _diff(before: str, after: str) -> Iterator[str]:
    """Yield the diff in the format that patch(1) and git-apply(1) read."""
    sides = [_LINE.findall(text) for text in (before, after)]
    names = (f"current/{PROFILE_PATH}", f"upgraded/{PROFILE_PATH}")
    for line in unified_diff(sides[0], sides[1], *names):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
