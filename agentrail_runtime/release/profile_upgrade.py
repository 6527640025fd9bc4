"""The upgrade of a profile from schema 1.x to 2.0.0.

Schema 1.x says its version under the key ``version`` at the top level; 2.0.0 says it under
``schema_version``, and forbids the other. That pair is replaced, in its place and in its quotes, and no
other byte. What else 2.0.0 requires are choices of the project, which no tool can make: the check of
the profile names them.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from yaml.nodes import MappingNode, Node, ScalarNode

from agentrail_runtime import profile
from agentrail_runtime.entry import PROFILE_PATH
from agentrail_runtime.errors import IncompatibleError

VERSION: Final = "2.0.0"
"""The ``schema_version`` that an upgrade leads to."""

_FORMER_KEY: Final = "version"
_KEY: Final = "schema_version"
_FORMER: Final = re.compile(r"1(?:\.[0-9]{1,9}){0,2}")
_SHOWN: Final = 80  # characters of a value in a message


class Upgrade(NamedTuple):
    """A profile of schema 2.x in `data`; `former` is what it was of, None where it needed no change."""

    data: bytes
    former: str | None


def upgrade(data: bytes) -> Upgrade:
    """Return the profile in `data` (UTF-8, a BOM allowed), brought from schema 1.x to 2.0.0.

    One that is of 2.x already, or says no version at all, stays as it is.

    Raises:
        ProfileError: not a YAML mapping; or its version is not one of schema 1.x, is said in several
            places, or cannot be replaced without changing something else. The message has the line.
        IncompatibleError: it says a ``schema_version`` of another schema.
    """
    root = profile.compose(data)
    former = _pairs(root, _FORMER_KEY)
    if not former:
        _check_newer(root)
        return Upgrade(data, None)
    name, value = former[-1]
    if len(former) > 1:
        raise profile.fault(
            name,
            f"{_FORMER_KEY} stands twice (expected once)",
            hint="remove one of the two, then run the command again",
        )
    if newer := _pairs(root, _KEY):
        raise profile.fault(
            name,
            f"{_FORMER_KEY} stands beside {_KEY} (expected one of them; {_KEY} is on line "
            f"{newer[-1][0].start_mark.line + 1})",
            hint=f"remove {_FORMER_KEY} if the profile is of schema 2, else {_KEY}; then run the "
            "command again",
        )
    found = _on_one_line(value)
    if not _FORMER.fullmatch(found):
        raise profile.fault(
            value,
            f"{_FORMER_KEY}: not a profile of schema 1.x (expected 1, or such as 1.0.0, got "
            f"{found[:_SHOWN]!r})",
            hint=f"if it is one, write {_FORMER_KEY}: 1.0.0; then run the command again",
        )
    return Upgrade(profile.replace_pair(data, _FORMER_KEY, _KEY, VERSION), found)


def _pairs(root: MappingNode | None, key: str) -> list[tuple[Node, Node]]:
    pairs = root.value if root is not None else ()
    return [(name, value) for name, value in pairs if name.value == key]


def _on_one_line(node: Node) -> str:
    """Return a value; a block scalar owns blank lines behind it, so it is none that can be replaced."""
    if isinstance(node, ScalarNode):
        return "a block of lines" if node.style in ("|", ">") else str(node.value)
    return "a collection"


def _check_newer(root: MappingNode | None) -> None:
    """Make sure that a profile without the key of 1.x needs no upgrade.

    Raises:
        ProfileError: the key comes from elsewhere.
        IncompatibleError: its ``schema_version`` is not 2.x.
    """
    node = profile.find(root, _KEY)
    if node is None:
        merged = profile.find(root, _FORMER_KEY)
        if merged is not None:
            raise profile.fault(
                merged,
                f"{_FORMER_KEY} comes from a merge key (expected it at the top level)",
                hint=f"write {_KEY}: {VERSION} at the top level, and remove {_FORMER_KEY} here",
            )
        return
    found = _on_one_line(node)
    if found.partition(".")[0] != "2":
        place = f"{PROFILE_PATH}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
        raise IncompatibleError(
            f"{place}: {_KEY}: nothing to upgrade from (expected the key {_FORMER_KEY} of schema 1.x, "
            f"or {_KEY} 2.x, got {found[:_SHOWN]!r})",
            paths=[PROFILE_PATH],
            hint="bring the profile to a supported schema_version by hand: agentrail profile-validate",
        )
