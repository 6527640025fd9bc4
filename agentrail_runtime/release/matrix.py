"""The compatibility matrix: which runtime works with which profile, which receipt and which Python.

Its rows are version specifiers (https://peps.python.org/pep-0440/#version-specifiers), read from the
distribution policy. Pre-releases count as what they are: 2.0.0rc1 lies before 2.0.0, and ``<2.0``
leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from agentrail_runtime.release.policy import Window

HEADER: Final = ("Runtime", "Profile schema", "Receipt schema", "Python")
"""What the columns of the matrix are."""

RUNTIME: Final = "runtime"
"""What a misfit of the runtime itself is called: no row is about its version."""

_NAMES: Final = {"profile": "profile schema", "receipt": "receipt schema", "python": "Python"}
_MAX_LENGTH: Final = 100  # characters; no version is longer


class Misfit(NamedTuple):
    """One value outside its window: `what` it is, the specifier that is `expected`, and what it is."""

    what: str
    expected: str
    got: str


def verdict(
    windows: Iterable[Window], *, runtime: str, profile: str | None, receipt: str | None, python: str
) -> list[Misfit]:
    """Return what keeps these versions from working together; nothing where they do.

    Where several rows are about the runtime, one that takes all the others is enough; if there is none,
    what is wrong by the closest one is returned.

    Args:
        windows: the matrix.
        runtime: the version of the runtime.
        profile: the ``schema_version`` of the profile, None where there is none.
        receipt: the ``schema_version`` of the receipt, None where there is none.
        python: the version of Python, as 3.12.1.
    """
    asked = {"profile": profile, "receipt": receipt, "python": python}
    rows = [*windows]
    found = [[*_misfits(row, asked)] for row in rows if is_within(row.runtime, runtime)]
    if not found:
        expected = " or ".join(dict.fromkeys(row.runtime for row in rows)) or "a row about it"
        return [Misfit(RUNTIME, expected, runtime[:_MAX_LENGTH])]
    return min(found, key=len)


def is_within(specifier: str, version: str) -> bool:
    """Tell whether `version` lies in the window `specifier`; what is no version lies in none."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    if len(version) > _MAX_LENGTH:
        return False
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except ValueError:  # InvalidVersion and InvalidSpecifier are
        return False


def _misfits(row: Window, asked: Mapping[str, str | None]) -> Iterator[Misfit]:
    for name, version in asked.items():
        specifier = getattr(row, name)
        if version is not None and not is_within(specifier, version):
            yield Misfit(_NAMES[name], specifier, version[:_MAX_LENGTH])


def table(windows: Iterable[Window]) -> list[tuple[str, str, str, str]]:
    """Return the rows of the matrix under `HEADER`, each once."""
    return [*dict.fromkeys((row.runtime, row.profile, row.receipt, row.python) for row in windows)]
