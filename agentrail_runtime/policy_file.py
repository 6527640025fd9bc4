"""Which distribution policy a maintainer's command goes by: a file of theirs, else the packaged one."""

from __future__ import annotations

import os
from typing import Final

from agentrail_runtime import plain_file
from agentrail_runtime.entry import POLICY_NAME
from agentrail_runtime.release.policy import Policy, PolicyError, load

MAX_BYTES: Final = 1_000_000
"""How large a policy may be."""

PACKAGED: Final = f"agentrail_runtime/payload/{POLICY_NAME}"
"""Where it lies in a source tree of this package, and what messages call the packaged one."""


def find(path: str | None, root: str = ".") -> tuple[Policy, str | None]:
    """Return the policy to go by, and the path of the file that it stands in.

    Args:
        path: the file that the user named. None to look for it: ``distribution.yaml`` in `root`, then
            ``agentrail_runtime/payload/distribution.yaml`` there, then that of the package.
        root: the directory to look in.

    Returns:
        The policy and its path, or None for the packaged one, which is not to be written.

    Raises:
        PolicyError: the first of them that is there cannot be read, or is no policy of schema 1.x. A
            broken one is never passed over for the next.
    """
    if path is not None:
        return _read(path, is_linked=True), path
    for name in (POLICY_NAME, PACKAGED):
        place = os.path.normpath(os.path.join(root, name))
        if os.path.lexists(place):
            return _read(place), place
    from agentrail_runtime.source import package_tree

    try:
        data = package_tree().fetch(POLICY_NAME).data
    except OSError as error:
        raise PolicyError(
            f"{PACKAGED}: cannot be read: {error.strerror or error}",
            paths=[PACKAGED],
            hint="install the package again: pip install --force-reinstall agentrail-runtime",
        ) from None
    return load(data, PACKAGED), None


def _read(path: str, *, is_linked: bool = False) -> Policy:
    try:
        data = plain_file.read(path, MAX_BYTES, is_linked=is_linked)
    except OSError as error:
        raise PolicyError(
            f"{path}: cannot be read: {error.strerror}",
            paths=[path],
            hint=f"name a policy with --policy FILE, such as a copy of {PACKAGED}",
        ) from None
    return load(data, path)
