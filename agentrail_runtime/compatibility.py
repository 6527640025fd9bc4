"""Whether a bundle works with what it meets: profile schema, receipt schema and Python.

What is known by name is accepted at once. Only for another value is the matrix of the bundle's
distribution policy read, since YAML and version specifiers take time to import.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from agentrail_runtime.entry import POLICY_NAME, RECEIPT_PATH, RelPath
from agentrail_runtime.errors import IncompatibleError, SourceError

if TYPE_CHECKING:
    from agentrail_runtime.release.matrix import Misfit
    from agentrail_runtime.release.policy import Window
    from agentrail_runtime.source import Bundle

PYTHON_VERSIONS: Final = ((3, 10), (3, 11), (3, 12), (3, 13), (3, 14))
"""The versions of Python, major and minor, that this runtime is tested with."""

RECEIPT_SCHEMA_VERSIONS: Final = ("1.0",)
"""The ``schema_version`` of receipts that this runtime writes."""


class ProfileSchemas(Collection[str]):
    """The profile schemas that a bundle works with.

    Iterated, these are the versions that its index names. ``in`` accepts those, and any other that the
    matrix of its policy accepts; a policy that cannot be read is a SourceError then.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def __contains__(self, version: object) -> bool:
        if version in self._bundle.index.profile_schema_versions:
            return True
        return isinstance(version, str) and _is_accepted(self._bundle, version)

    def __iter__(self) -> Iterator[str]:
        return iter(self._bundle.index.profile_schema_versions)

    def __len__(self) -> int:
        return len(self._bundle.index.profile_schema_versions)


def require(bundle: Bundle, *, receipt: str | None, python: tuple[int, ...] | None = None) -> None:
    """Make sure that `bundle` works with this Python, and with what is installed.

    A bundle without a policy says nothing on either: what reads the receipt has its own window then.

    Args:
        bundle: what is to be installed.
        receipt: the ``schema_version`` of the receipt that is there, None where there is none.
        python: the version of Python, None for the one that this runs on.

    Raises:
        IncompatibleError: a value is outside the matrix of the bundle's policy; nothing was written.
        SourceError: that policy cannot be read.
    """
    python = python or sys.version_info[:3]
    is_known = receipt is None or receipt in RECEIPT_SCHEMA_VERSIONS
    if is_known and python[:2] in PYTHON_VERSIONS:
        return
    windows = matrix_of(bundle)
    if not windows:
        return
    from agentrail_runtime.release import matrix  # imports packaging, which few runs need

    version = bundle.index.runtime_version
    misfits = matrix.verdict(
        windows, runtime=version, profile=None, receipt=receipt, python=_dotted(python)
    )
    if misfits:
        raise IncompatibleError(
            "\n".join(_told(misfit, bundle) for misfit in misfits),
            paths=[RECEIPT_PATH] if any("receipt" in misfit.what for misfit in misfits) else [],
            hint=_hint(misfits[0]),
        )


def matrix_of(bundle: Bundle) -> tuple[Window, ...]:
    """Return the matrix that `bundle` carries in its policy; no row where it carries none.

    Raises:
        SourceError: the policy cannot be read.
    """
    if all(entry.path != POLICY_NAME for entry in bundle.index.metadata):
        return ()
    from agentrail_runtime.release import policy  # imports YAML, which few runs need

    try:
        return policy.load(bundle.read(RelPath(POLICY_NAME))).compatibility
    except policy.PolicyError as error:
        raise SourceError(
            "\n".join(f"{bundle.location}: {line}" for line in error.message.splitlines()),
            paths=[POLICY_NAME],
            hint="fetch the bundle again, or install the package again",
        ) from None


def _is_accepted(bundle: Bundle, schema_version: str) -> bool:
    windows = matrix_of(bundle)
    if not windows:
        return False
    from agentrail_runtime.release import matrix

    version = bundle.index.runtime_version
    return any(
        matrix.is_within(row.runtime, version) and matrix.is_within(row.profile, schema_version)
        for row in windows
    )


def _dotted(python: tuple[int, ...]) -> str:
    return ".".join(map(str, python[:3]))


def _told(misfit: Misfit, bundle: Bundle) -> str:
    """Return a misfit as a line of a message."""
    place = {
        "receipt schema": RECEIPT_PATH,
        "Python": sys.executable or "Python",
    }.get(misfit.what, f"{bundle.location}: {POLICY_NAME}")
    by = f" by runtime {bundle.index.runtime_version}" if place == RECEIPT_PATH else ""
    return f"{place}: {misfit.what} not supported{by} (expected {misfit.expected}, got {misfit.got})"


def _hint(misfit: Misfit) -> str:
    if misfit.what == "Python":
        return f"run it with a Python {misfit.expected}"
    if misfit.what == "receipt schema":
        return "upgrade the installer: pip install --upgrade agentrail-runtime"
    return "take a bundle whose policy has a row about its own version"
