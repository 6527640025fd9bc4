"""Pins of the runtime: what a requirement on it says, and which versions keep to it.

Names are compared as they are normalised by the `name specification
<https://packaging.python.org/specifications/name-normalization/>`_ (PEP 503), requirements are read by
the `dependency specifiers <https://packaging.python.org/specifications/dependency-specifiers/>`_
(PEP 508), versions by the `version specifiers
<https://packaging.python.org/specifications/version-specifiers/>`_ (PEP 440).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple, TypeAlias

from agentrail_runtime.errors import typed

NAME: Final = "agentrail-runtime"
SPELLING: Final = r"agentrail[-_.]+runtime"
"""A pattern of every spelling of the name; to be used without regard to case."""

ALTERNATIVES: Final = " || "
"""Stands between specifiers of which one has to admit a version."""

Environment: TypeAlias = Mapping[str, str]
"""The values of environment markers, such as ``python_version``."""

_TOOLS: Final = {"uv.lock": "uv sync", "poetry.lock": "poetry install"}
_MOST_CHARACTERS: Final = 4_096
_MOST_SHOWN: Final = 200
_NAMED: Final = re.compile(rf"\s*{SPELLING}(?![\w.-])\s*(?:$|[\[(=<>!~^@;,*\d])", re.ASCII | re.I)
_FILE: Final = re.compile(
    rf"{SPELLING}-(?P<version>\d[^-]*?)(?:(?:-[^-]+){{3,4}}\.whl|\.tar\.gz|\.zip)(?:\[[^\]]*\])?",
    re.ASCII | re.I,
)
_CREDENTIALS: Final = re.compile(r"//[^/@\s]*@")
_QUOTED: Final = r"""(?:"[^"]*"|'[^']*')"""
# Whether an extra or a group is chosen stands nowhere: what is asked of them is taken for true.
_CHOICE: Final = re.compile(
    rf"\bextra\s*==\s*{_QUOTED}|{_QUOTED}\s*(?:==\s*extra\b|in\s+(?:extras|dependency_groups)\b)"
)
_TRUE: Final = "python_version >= '0'"


class PinError(ValueError):
    """A text that names the runtime cannot be read; the message says why."""


class Pin(NamedTuple):
    """One requirement on the runtime.

    Args:
        path: the file that has it, relative to the target, with ``/``.
        line: its line there, from 1.
        requirement: as it is written, as one line that can be printed, without credentials.
        specifier: the versions that it admits (PEP 440), "" for all of them. Of Poetry's
            alternatives, one has to admit a version; they stand between `ALTERNATIVES`.
        version: the one version that it admits, None where it admits several.
        applies: False where an environment marker rules it out.
    """

    path: str
    line: int
    requirement: str
    specifier: str = ""
    version: str | None = None
    applies: bool = True


class PinState(NamedTuple):
    """A pin and how it stands.

    Args:
        pin: the pin; one without a requirement stands for a file that cannot be read.
        problem: what disagrees with it, or why it cannot be read; None where all is well.
        hint: the next command to type or action to take; None where there is none.
    """

    pin: Pin
    problem: str | None = None
    hint: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether nothing disagrees with the pin."""
        return self.problem is None


def from_requirement(text: str, *, path: str, line: int, environment: Environment) -> Pin | None:
    """Return the pin that a requirement (PEP 508) is; None for one on another package.

    Raises:
        PinError: it names the runtime and is no requirement.
    """
    if not _NAMED.match(text):
        return None
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        if len(text) > _MOST_CHARACTERS:
            raise PinError(f"expected a requirement of at most {_MOST_CHARACTERS} characters")
        found = Requirement(text)
    except (InvalidRequirement, RecursionError):
        raise PinError("expected a requirement (PEP 508)") from None
    applies = found.marker is None or is_met(str(found.marker), environment)
    specifier, version = str(found.specifier), exact(str(found.specifier))
    if found.url is not None:
        specifier, version = of_file(found.url)
    return Pin(path, line, shown(text), specifier, version, applies)


def from_file(text: str, *, path: str, line: int, environment: Environment) -> Pin | None:
    """Return the pin that a path or URL of a distribution is, as pip takes it for a requirement.

    Returns:
        None for one of another package, or whose file name does not tell the version.
    """
    place, _, marker = text.partition(" ;")
    specifier, version = of_file(place.strip())
    if version is None or len(place.split()) != 1:
        return None
    return Pin(path, line, shown(text), specifier, version, is_met(marker.strip(), environment))


def from_version(version: str, *, path: str, line: int, applies: bool) -> Pin:
    """Return the pin that a lock file has by the exact `version`."""
    specifier = f"=={version}" if _is_version(version) else f"==={version}"
    return Pin(path, line, shown(f"{NAME}=={version}"), specifier, version, applies)


def of_file(url: str) -> tuple[str, str | None]:
    """Return specifier and version that the file name in a path or URL tells; "" and None for none.

    See the `file name conventions
    <https://packaging.python.org/specifications/binary-distribution-format/#file-name-convention>`_.
    """
    from urllib.parse import unquote

    name = re.split(r"[/\\]", re.split(r"[?#]", url[:_MOST_CHARACTERS], maxsplit=1)[0])[-1]
    found = _FILE.fullmatch(unquote(name))
    if not found or not _is_version(found["version"]):
        return "", None
    return f"=={found['version']}", found["version"]


def is_met(marker: str, environment: Environment) -> bool:
    """Tell whether an environment marker (PEP 508, PEP 751) lets a requirement apply.

    One that cannot be read does, and so does one that asks only for an extra or a group.
    """
    from packaging.markers import Marker

    if not marker:
        return True
    try:
        return Marker(_CHOICE.sub(_TRUE, marker)).evaluate(dict(environment))
    except (ValueError, KeyError, TypeError, RecursionError):
        return True


def admits(specifier: str, version: str) -> bool:
    """Tell whether a specifier, as a `Pin` has it, admits `version`, be that one of a pre-release.

    Where one of them is not of PEP 440, it admits just the version that it spells out.
    """
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    if not specifier:
        return True
    try:
        found, alternatives = Version(version), specifier.split(ALTERNATIVES)
        return any(SpecifierSet(part).contains(found, prereleases=True) for part in alternatives)
    except ValueError:
        return specifier.lstrip("=") == version


def judge(pin: Pin, *, installed: str, receipt: str) -> str | None:
    """Return what disagrees with a pin: the version of the installed package, of the receipt, or both.

    Returns:
        None where they agree, or the pin does not apply.
    """
    versions = {"installed package": installed, "receipt": receipt}
    found = [
        f"{what} {shown(version)}"
        for what, version in versions.items()
        if pin.applies and not admits(pin.specifier, version)
    ]
    return ", ".join(found) or None


def remedy(pin: Pin, place: str, *, known: Collection[str]) -> str:
    """Return the command that brings the installed package to what a pin says.

    Args:
        pin: the pin, which the installed package does not keep to.
        place: the file of the pin as it is to be named in a command.
        known: every file that may hold pins; a lock file beside ``pyproject.toml`` tells the tool.
    """
    above, slash, name = pin.path.rpartition("/")
    folder = place[: -len(name)].rstrip("/\\")
    name = name.lower()
    if name.endswith(".in"):
        return f"pip-compile {typed(place)}"
    if name.endswith(".txt"):
        is_constraint = "constraints" in pin.path.lower()
        return (
            f"pip install -c {typed(place)} {NAME}"
            if is_constraint
            else f"pip install -r {typed(place)}"
        )
    if name == "pyproject.toml":
        name = next((lock for lock in _TOOLS if f"{above}{slash}{lock}" in known), name)
    if name in _TOOLS:
        return f"{_TOOLS[name]} --directory {typed(folder)}" if folder else _TOOLS[name]
    return f"pip install {typed(NAME + pin.specifier.partition(ALTERNATIVES)[0])}"


def shown(text: str) -> str:
    """Return `text` as one line that can be printed, without credentials, cut where it is long."""
    line = _CREDENTIALS.sub("//****@", " ".join(text[:_MOST_CHARACTERS].split()))
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return safe if len(safe) <= _MOST_SHOWN else f"{safe[:_MOST_SHOWN]}…"


def exact(specifier: str) -> str | None:
    """Return the one version that a valid `specifier` admits, None where it admits several."""
    from packaging.specifiers import SpecifierSet

    if ALTERNATIVES in specifier:
        return None
    found = [s.version for s in SpecifierSet(specifier) if s.operator in ("==", "===")]
    return min((version for version in found if not version.endswith(".*")), default=None)


def _is_version(text: str) -> bool:
    from packaging.version import Version

    try:
        Version(text)
    except ValueError:  # InvalidVersion is one, and so is a number of too many digits
        return False
    return True
