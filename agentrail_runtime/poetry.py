"""Version constraints as Poetry writes them, as version specifiers (PEP 440).

See the `dependency specification <https://python-poetry.org/docs/dependency-specification/>`_: a caret
or a tilde stands for a range, a bare version for exactly that one, ``||`` for alternatives.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from packaging.version import Version

_MOST_CHARACTERS: Final = 256
_OPERATOR: Final = re.compile(r"([<>=!~^]+)\s+")
_PART: Final = re.compile(r"(~=|==|!=|<=|>=|[<>^~=]?)(.*)", re.DOTALL)


def alternatives(text: str) -> list[str]:
    """Return the specifiers of which a version has to keep to one; "" admits every version.

    Raises:
        ValueError: `text` is no constraint.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"expected a constraint of at most {_MOST_CHARACTERS} characters")
    return [_specifier(part) for part in re.split(r"\|\|?", text)]


def _specifier(text: str) -> str:
    """Return the specifier of a constraint without alternatives."""
    from packaging.specifiers import SpecifierSet

    parts = re.split(r"[,\s]+", _OPERATOR.sub(r"\1", text.strip()))
    return str(SpecifierSet(",".join(_part(part) for part in parts if part not in ("", "*"))))


def _part(text: str) -> str:
    from packaging.version import Version

    found = _PART.fullmatch(text)
    assert found is not None
    operator, version = found.groups()
    if operator == "^":
        return _range(version, _caret(Version(version)))
    if operator == "~":
        return _range(version, max(0, min(1, len(Version(version).release) - 1)))
    return f"{'==' if operator in ('', '=') else operator}{version}"


def _caret(version: Version) -> int:
    """Return which part of a version goes up by one at its next incompatible release."""
    release = version.release
    return next((place for place, number in enumerate(release) if number), len(release) - 1)


def _range(version: str, place: int) -> str:
    """Return the specifier from `version` to before the next one that differs at `place`."""
    from packaging.version import Version

    found = Version(version)
    above = [*found.release[:place], found.release[place] + 1]
    epoch = f"{found.epoch}!" if found.epoch else ""
    return f">={found},<{epoch}{'.'.join(map(str, above))}"
