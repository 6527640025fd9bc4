"""The rules of ``project.profile.yaml``, and the governance of the schema that they come from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from agentrail_runtime import profile
from agentrail_runtime.checks.finding import Finding
from agentrail_runtime.checks.roots import Roots, from_workflow, parse_root
from agentrail_runtime.entry import PROFILE_PATH, PathError
from agentrail_runtime.errors import ProfileError

SCHEMA_PATH: Final = "tools/profile-validate/profile-schema.json"
"""Where a repository keeps the schema, and a bundle ships it."""

_RULE: Final = "profile_required_keys"
_VERSION: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)
_BREAKING: Final = ("schema_id", "required_keys", "forbidden_top_level_keys")
_ROOTS: Final = ("task_root", "docs_root")
_PLACE: Final = re.compile(r"[^:]*:(\d+):(\d+)")

ValueType = Literal["scalar", "container"]


class SchemaError(ValueError):
    """A schema file that is no schema."""


class Schema(NamedTuple):
    """The schema of a profile; `value` is what its file holds, all of it."""

    schema_version: str
    supported: tuple[str, ...]
    forbidden_placeholders: tuple[str, ...]
    forbidden_keys: tuple[str, ...]
    required_keys: tuple[tuple[str, ValueType], ...]
    value: dict[str, Any]


class Profile(NamedTuple):
    """What the checks know of a profile: its roots, and what is wrong with it.

    Where it cannot be read, or names a root outside the repository, `has_roots` is False: the roots are
    the default ones then, and nobody knows what lies there.
    """

    roots: Roots
    findings: tuple[Finding, ...]
    has_roots: bool = True


def load_schema(text: str) -> Schema:
    """Return the schema in `text`, a JSON object.

    Raises:
        SchemaError: it is no such object; the text names the key.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise SchemaError("expected a JSON object")
    required = value.get("required_keys")
    if not isinstance(required, list):
        raise SchemaError("required_keys: expected a list")
    return Schema(
        schema_version=_text(value, "schema_version"),
        supported=_texts(value, "supported_profile_schema_versions"),
        forbidden_placeholders=_texts(value, "forbidden_placeholders"),
        forbidden_keys=_texts(value, "forbidden_top_level_keys"),
        required_keys=tuple(_required(entry, number) for number, entry in enumerate(required)),
        value=value,
    )


def check_profile(data: bytes | None, schema: Schema) -> Profile:
    """Return the roots that the profile in `data` names, and what is wrong with it.

    Args:
        data: the bytes of the file, None where there is none.
        schema: what it has to hold.
    """
    if data is None:
        return Profile(Roots(), (missing(),))
    try:
        root = profile.compose(data)
    except ProfileError as error:
        return unreadable(*_place(error))
    findings = sorted(_problems(root, schema), key=lambda finding: finding.line)
    workflow = {key: node.value for key in _ROOTS if (node := _root_node(root, key))}
    has_roots = not any(_unsafe(node) for key in _ROOTS if (node := _root_node(root, key)))
    return Profile(from_workflow(workflow), tuple(findings), has_roots)


def unreadable(line: int, what: str) -> Profile:
    """Return what is known of a profile that cannot be read."""
    hint = "write it as one YAML mapping in UTF-8"
    return Profile(Roots(), (_finding(line, what, hint),), has_roots=False)


def missing() -> Finding:
    """Return the finding of a profile that is not there."""
    return Finding(
        "profile_exists",
        PROFILE_PATH,
        1,
        "expected the profile of the project, found no such file",
        "have it written: agentrail-install .",
    )


def check_governance(base: Schema | None, head: Schema, path: str) -> list[Finding]:
    """Return what is wrong with a change of the schema at `path`: R-001 to R-005.

    Args:
        base: the schema before the change, None where there was none.
        head: the schema now.
        path: where it stands.
    """
    found = [*_version_problems(head), *(_change_problems(base, head) if base else ())]
    return [Finding(rule_id, path, 1, message, hint) for rule_id, message, hint in found]


def _place(error: ProfileError) -> tuple[int, str]:
    """Return the line of an error, and what it says with its column."""
    place, _, what = error.message.partition(": ")
    found = _PLACE.fullmatch(place)
    return (error.line, f"{what} (line {found[1]}, column {found[2]})") if found else (1, what)


def _problems(root: MappingNode | None, schema: Schema) -> Iterator[Finding]:
    yield from _required_keys(root, schema)
    yield from _forbidden_keys(root, schema)
    yield from _version(root, schema)
    for node in _nodes(root):
        if isinstance(node, ScalarNode):
            yield from _placeholders(node, schema)
        elif isinstance(node, MappingNode):
            yield from _doubled_keys(node)
    for key in (*_ROOTS, "runtime_root"):
        named = _root_node(root, key)
        if named is not None and (problem := _unsafe(named)):
            message = f"workflow.{key}: expected a path within the repository, found {problem}"
            yield _finding(_line(named), message, "name a directory relative to the repository's root")


def _required_keys(root: MappingNode | None, schema: Schema) -> Iterator[Finding]:
    for dotted, kind in schema.required_keys:
        node = profile.find(root, *dotted.split("."))
        if found := _mismatch(node, kind):
            what = "a value" if kind == "scalar" else "a list or mapping"
            message = f"{dotted}: expected {what}, found {found}"
            yield _finding(_line(node), message, f"set {dotted}")


def _forbidden_keys(root: MappingNode | None, schema: Schema) -> Iterator[Finding]:
    for key in schema.forbidden_keys:
        node = profile.find(root, key)
        if node is not None:
            names = [name for name, value in root.value if value is node] if root else []
            message = f"{key}: a forbidden key at the top level (of an older schema)"
            hint = f"remove {key}; schema_version says the version"
            yield _finding(_line(names[0] if names else node), message, hint)


def _version(root: MappingNode | None, schema: Schema) -> Iterator[Finding]:
    node = profile.find(root, "schema_version")
    if isinstance(node, ScalarNode) and not _is_blank(node) and node.value not in schema.supported:
        supported = " or ".join(schema.supported) or "a version that the schema supports"
        message = f"schema_version: expected {supported}, found {node.value}"
        yield _finding(_line(node), message, "bring the profile to a supported schema")


def _placeholders(node: ScalarNode, schema: Schema) -> Iterator[Finding]:
    for placeholder in schema.forbidden_placeholders:
        if placeholder in node.value:
            message = f"expected a real value, found the placeholder {placeholder}"
            yield _finding(_line(node), message, "replace it")


def _doubled_keys(node: MappingNode) -> Iterator[Finding]:
    lines: dict[object, int] = {}
    for name in (name for name, _ in node.value if isinstance(name, ScalarNode)):
        if name.value in lines and name.value != "<<":
            message = f"{name.value}: expected once, found on line {lines[name.value]}, too"
            yield _finding(_line(name), message, "remove one of the two")
        lines.setdefault(name.value, _line(name))


def _root_node(root: MappingNode | None, key: str) -> ScalarNode | None:
    """Return the node of a root that ``workflow`` names, None where it names none."""
    node = profile.find(root, "workflow", key)
    return node if isinstance(node, ScalarNode) and not _is_blank(node) else None


def _unsafe(node: ScalarNode) -> str | None:
    """Return what is wrong with the path of a root, None where it stays within the repository."""
    try:
        parse_root(node.value)
    except PathError as error:
        return str(error)
    return None


def _mismatch(node: Node | None, kind: ValueType) -> str | None:
    """Return what was found instead of a value of that kind, None where it is one."""
    if node is None:
        return "none"
    if not isinstance(node, ScalarNode):
        return None if kind == "container" else "a list or mapping"
    if _is_blank(node):
        return "a blank"
    return "a single value" if kind == "container" else None


def _is_blank(node: ScalarNode) -> bool:
    return node.tag == "tag:yaml.org,2002:null" or not node.value.strip()


def _nodes(root: Node | None) -> Iterator[Node]:
    """Yield every node once, keys too, whatever refers to itself."""
    seen: set[int] = set()
    waiting = [root] if root else []
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            if isinstance(node, SequenceNode):
                waiting += node.value
            elif isinstance(node, MappingNode):
                waiting += [part for pair in node.value for part in pair]


def _line(node: Node | None) -> int:
    return node.start_mark.line + 1 if node is not None else 1


def _finding(line: int, message: str, hint: str) -> Finding:
    return Finding(_RULE, PROFILE_PATH, line, message, hint)


def _version_problems(head: Schema) -> Iterator[tuple[str, str, str]]:
    if not _VERSION.fullmatch(head.schema_version):
        message = f"schema_version: expected major.minor.patch, found {head.schema_version!r}"
        yield "R-002", message, "write three numbers, such as 2.1.0"
    if head.schema_version not in head.supported:
        message = f"supported_profile_schema_versions: expected {head.schema_version} among them"
        yield "R-003", message, "add it"


def _change_problems(base: Schema, head: Schema) -> Iterator[tuple[str, str, str]]:
    changed = sorted(
        key
        for key in base.value.keys() | head.value.keys()
        if base.value.get(key) != head.value.get(key)
    )
    if changed and base.schema_version == head.schema_version:
        message = f"expected a new schema_version, since {', '.join(changed)} changed; found the same"
        yield "R-001", message, "raise schema_version"
    if _major(head) > _major(base):
        return
    removed = sorted(set(base.supported) - set(head.supported))
    breaking = [key for key in changed if key in _BREAKING]
    if removed:
        breaking.append(f"supported_profile_schema_versions (without {', '.join(removed)})")
    if breaking:
        message = f"expected a higher major version for a breaking change of {', '.join(breaking)}"
        yield "R-004", message, "raise the major version of schema_version"
    harmless = {"schema_version", "supported_profile_schema_versions", *_BREAKING}
    other = [key for key in changed if key not in harmless]
    if other:
        message = (
            f"expected only added versions without a higher major, found {', '.join(other)} changed"
        )
        yield "R-005", message, "raise the major version of schema_version, or leave these as they are"


def _major(schema: Schema) -> int:
    found = _VERSION.fullmatch(schema.schema_version)
    return int(found[1]) if found else 0


def _text(value: dict[str, Any], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text.strip():
        raise SchemaError(f"{key}: expected a text")
    return text


def _texts(value: dict[str, Any], key: str) -> tuple[str, ...]:
    texts: Sequence[Any] = value.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise SchemaError(f"{key}: expected a list of texts")
    return tuple(texts)


def _required(entry: object, number: int) -> tuple[str, ValueType]:
    path, kind = (
        (entry.get("path"), entry.get("value_type")) if isinstance(entry, dict) else (None, None)
    )
    if not isinstance(path, str) or not path or kind not in ("scalar", "container"):
        raise SchemaError(f"required_keys[{number}]: expected path, and value_type scalar or container")
    return path, kind
