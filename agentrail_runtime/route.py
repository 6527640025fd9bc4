"""The route of a run: what the user names, an operator's switch, or the policy in the package."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Final

from agentrail_runtime import source
from agentrail_runtime.document import DocumentError
from agentrail_runtime.entry import INDEX_NAME, LAST_PHASE, Index, RelPath, load_index
from agentrail_runtime.errors import SourceError, TargetError
from agentrail_runtime.source import Bundle, Choice, Signature
from agentrail_runtime.target import Target

if TYPE_CHECKING:
    from agentrail_runtime.release.switch import Requested, Switch

SWITCH_PATH: Final = RelPath(".agentrail/policy.yaml")
"""The operator's switch in a target."""

VARIABLE: Final = "AGENTRAIL_POLICY"
"""The environment variable that names a file with an operator's switch, for every target."""

_MAX_BYTES: Final = 1_000_000
_ALL_THE_SAME: Final = "to take the package all the same: --source package"


def choose(
    requested: Requested, directory: str, target: Target, judge: Callable[[Bundle], Signature]
) -> Choice:
    """Return the bundle for ``--source requested`` in `target`.

    Args:
        requested: ``auto`` leaves the route to the switch and the policy.
        directory: where ``dist/runtime`` lies.
        target: what is installed into; it may hold a switch.
        judge: tells what a bundle's signature is worth; a damaged one is a SourceError.

    Raises:
        SourceError: no route is usable, or the copy route is asked for and is there no more.
        IncompatibleError: the index of the route is of a schema that is not supported.
        PolicyError: the switch is not valid.
        TargetError: the switch cannot be read, or lies behind a symlink in the target.
    """
    switch = find_switch(target) if requested == "auto" else None
    if requested == "package" or (switch is None and _is_left_to_user(requested)):
        return source.choose(requested, directory, judge)
    return _choose_by_policy(requested, directory, switch, judge)


def _is_left_to_user(requested: Requested) -> bool:
    """Tell whether the packaged policy lets `requested` be; it is in the index, so YAML can wait."""
    own = packaged_index()
    if own is None:
        return True
    return own.phase != LAST_PHASE and (requested == "copy" or own.default_source != "copy")


def _choose_by_policy(
    requested: Requested, directory: str, switch: Switch | None, judge: Callable[[Bundle], Signature]
) -> Choice:
    from agentrail_runtime.release import switch as switch_  # takes time to import

    own = packaged_index()
    chosen = switch_.choose(
        requested,
        phase=own.phase if own else None,
        default_source=own.default_source if own else None,
        switch=switch,
    )
    try:
        choice = source.choose(chosen.source, directory, judge)
    except SourceError as error:
        if chosen.reason is not None:
            error.message = f"{error.message}\n{directory}: is the source because {chosen.reason}"
            error.hint = f"name the bundle with --runtime-dir DIR; {_ALL_THE_SAME}"
        raise
    return choice if chosen.reason is None else choice._replace(fallback_reason=chosen.reason)


def deprecation_notice(version: str, today: date) -> str | None:
    """Return what somebody who asks for the copy route should know of its end.

    None unless the package is the default, and the packaged index tells when copy ends.

    Args:
        version: the version that is being installed.
        today: the date, UTC.
    """
    own = packaged_index()
    if own is None or own.phase != LAST_PHASE - 1:
        return None
    from agentrail_runtime.release import deprecation  # few ask for it

    with suppress(DocumentError):
        if own.deprecation is not None:
            return deprecation.notice(deprecation.load(own.deprecation), version=version, today=today)
    return None


def packaged_index() -> Index | None:
    """Return the index that this package carries, None where it is damaged; no file is checked."""
    with suppress(OSError, DocumentError):
        return load_index(source.package_tree().fetch(INDEX_NAME).data)
    return None


def find_switch(target: Target) -> Switch | None:
    """Return the operator's switch for `target`: the one that the environment names, else its own.

    Raises:
        PolicyError: it is not valid.
        TargetError: it cannot be read, or lies behind a symlink in the target.
    """
    named = os.environ.get(VARIABLE)
    try:
        data = _read_named(named) if named else target.read(SWITCH_PATH)
    except FileNotFoundError:
        return None
    from agentrail_runtime.release.switch import load_switch  # few have a switch

    return load_switch(data, named or SWITCH_PATH)


def _read_named(path: str) -> bytes:
    from agentrail_runtime import plain_file

    try:
        return plain_file.read(path, _MAX_BYTES, is_linked=True)
    except OSError as error:
        raise TargetError(
            f"{path}: cannot be read: {error.strerror} (named by {VARIABLE})",
            paths=[path],
            hint=f"name a file with a switch, or unset {VARIABLE}",
        ) from None
