"""Values out of YAML documents that people edit: every finding has its line.

Aliases are refused, since a value that stands in several places cannot be edited in one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from agentrail_runtime.errors import AgentRailError

_MAX_BYTES: Final = 1_000_000
_MAX_TEXT: Final = 1000
_VERSION: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,3}(?:(?:a|b|rc)[0-9]{1,9})?")


class PolicyError(AgentRailError):
    """A policy is not what its schema says; each line of the message has its place."""


def decode(data: bytes, name: str) -> str:
    """Return the text of a document (UTF-8, a BOM stays in it); messages call it `name`.

    Raises:
        PolicyError: too large, or not UTF-8.
    """
    try:
        if len(data) <= _MAX_BYTES:
            return data.decode("utf-8")
        problem = f"too large (expected at most {_MAX_BYTES} bytes, got {len(data)})"
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 (byte {error.start})"
    raise PolicyError(f"{name}: {problem}", paths=[name], hint=f"restore {name}")


def compose(text: str, name: str) -> MappingNode:
    """Return the mapping that the document `name` is, with the marks of its nodes.

    Raises:
        PolicyError: not valid YAML, not a mapping, or with aliases.
    """
    problem = "expected a mapping at the top level"
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if isinstance(root, MappingNode):
            _refuse_aliases(root, name)
            return root
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        problem = f"{mark.line + 1}: " if mark else ""
        problem = f"{problem}not valid YAML: {error.problem}"
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        problem = f"not valid YAML: {error}"
    raise PolicyError(f"{name}: {problem}", paths=[name], hint=f"mend {name}")


def _refuse_aliases(root: Node, name: str) -> None:
    """Make sure that every node stands in one place.

    Raises:
        PolicyError: there are some.
    """
    seen: set[int] = set()
    todo = [root]
    while todo:
        node = todo.pop()
        if id(node) in seen:
            line = node.start_mark.line + 1
            raise PolicyError(
                f"{name}:{line}: has an alias (expected none)",
                paths=[name],
                hint="write the value out",
            )
        seen.add(id(node))
        if isinstance(node, MappingNode):
            todo += [item for pair in node.value for item in pair]
        elif isinstance(node, SequenceNode):
            todo += node.value


def one_line(text: str) -> str:
    """Return `text` as `Reader.text` takes it: on one line, printable, not too long."""
    words = "".join(sign if sign.isprintable() else " " for sign in text).split()
    return " ".join(words)[:_MAX_TEXT].rstrip()


def quoted(text: str) -> str:
    """Return `text`, on one line, as a YAML scalar in double quotes."""
    return json.dumps(one_line(text), ensure_ascii=False)  # a string of JSON is one of YAML


def _escaped(text: str) -> str:
    r"""Return `text` with what a terminal would obey as ``\x1b``: a key may hold anything."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


class Reader:
    """Takes values from nodes; what is wrong is added to `findings`, with its line."""

    def __init__(self, name: str, findings: list[str]) -> None:
        self._name = name
        self._findings = findings

    def wrong(self, node: Node | None, place: str, what: str) -> None:
        """Note that the value at `place` is wrong."""
        line = f":{node.start_mark.line + 1}" if node is not None else ""
        finding = f"{self._name}{line}: {place}: {what}" if place else what
        self._findings.append(finding if finding.isprintable() else _escaped(finding))

    def mapping(self, node: Node | None, place: str, keys: Mapping[str, bool]) -> dict[str, Node]:
        """Return the values of a mapping with just `keys`; those marked true are required."""
        if not isinstance(node, MappingNode):
            self.wrong(node, place or "policy", "expected a mapping")
            return {}
        prefix = f"{place}." if place else ""
        found: dict[str, Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, ScalarNode) else "a collection"
            if name not in keys:
                self.wrong(key, prefix + name[:80], "unknown key")
            elif name in found:
                self.wrong(key, prefix + name, "stands twice")
            found[name] = value
        for name, is_required in keys.items():
            if is_required and name not in found:
                self.wrong(node, prefix + name, "missing")
        return found

    def texts(self, node: Node | None, place: str) -> tuple[str, ...]:
        """Return the items of a list of texts."""
        if not isinstance(node, SequenceNode):
            if node is not None:
                self.wrong(node, place, "expected a list")
            return ()
        found = (self.text(item, f"{place}[{n}]") for n, item in enumerate(node.value))
        return tuple(text for text in found if text is not None)

    def text(self, node: Node | None, place: str) -> str | None:
        """Return a text of one line, None where it is null or missing."""
        if node is None or is_null(node):
            return None
        text = node.value if isinstance(node, ScalarNode) else ""
        if text.strip() and text.isprintable() and len(text) <= _MAX_TEXT:
            return str(text)
        self.wrong(node, place, "expected a text of one line")
        return None

    def match(self, node: Node | None, place: str, pattern: re.Pattern[str], example: str) -> str:
        """Return a text of the given form; an empty one where it is wrong."""
        if node is None:
            return ""  # told by whoever read the mapping
        text = node.value if isinstance(node, ScalarNode) else "a collection"
        if pattern.fullmatch(text):
            return str(text)
        self.wrong(node, place, f"expected a value such as {example}, got {text[:80]!r}")
        return ""

    def choice(self, node: Node | None, place: str, choices: Iterable[str]) -> str:
        """Return one of `choices`; the first of them where it is wrong."""
        known = tuple(choices)
        text = node.value if isinstance(node, ScalarNode) else ""
        if node is not None and text not in known:
            self.wrong(node, place, f"expected {'|'.join(known)}, got {text[:80]!r}")
        return text if text in known else known[0]

    def whole(self, node: Node | None, place: str, least: int, most: int) -> int:
        """Return a whole number within bounds."""
        text = self.match(node, place, re.compile(r"[0-9]{1,9}"), str(most))
        if text and not least <= int(text) <= most:
            self.wrong(node, place, f"expected {least} to {most}, got {text}")
        return min(max(int(text or least), least), most)

    def rate(self, node: Node | None, place: str) -> float:
        """Return a rate, between 0 and 1, neither included."""
        text = self.match(node, place, re.compile(r"0?\.[0-9]{1,15}"), "0.05")
        rate = float(text or 0.5)
        if not 0 < rate < 1:
            self.wrong(node, place, "expected a rate between 0 and 1")
        return rate

    def version(self, node: Node | None, place: str) -> str:
        """Return a version."""
        return self.match(node, place, _VERSION, "1.2.3")


def is_null(node: Node) -> bool:
    """Tell whether a node is YAML's null."""
    return isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:null"
