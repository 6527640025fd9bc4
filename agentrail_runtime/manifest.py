"""The manifest: which files of a framework repository ship, where they go, and who owns them.

Pure over a listing of the repository. Schema 1.0.0 has includes, seeds and excludes; 1.1.0 adds
``block_files`` and ``profile_files``, the destinations that are not simply replaced on upgrade.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from agentrail_runtime.entry import (
    MANIFEST_NAME,
    Ownership,
    PathError,
    RelPath,
    collisions,
    parse_path,
)
from agentrail_runtime.errors import AgentRailError

_SCALARS: Final = ("schema_version", "output_root")
_LISTS: Final = ("include_paths", "seed_files", "exclude_paths", "exclude_globs")
_LISTS_1_1: Final = (*_LISTS, "block_files", "profile_files")
_KEYS: Final = {"1.0.0": (*_SCALARS, *_LISTS), "1.1.0": (*_SCALARS, *_LISTS_1_1)}
_REQUIRED: Final = (*_SCALARS, "include_paths")
_SEED: Final = re.compile(r"(.+?)\s*=>\s*(.+)")


class ManifestError(AgentRailError):
    """The manifest is not what its schema says; each line of the message has its place."""


class Item(NamedTuple):
    """One list item, and the line (from 1) it stands on."""

    text: str
    line: int


class Manifest(NamedTuple):
    """A manifest as written; what it selects is told by `select`."""

    schema_version: str
    output_root: RelPath
    include_paths: tuple[Item, ...]
    seed_files: tuple[Item, ...] = ()
    exclude_paths: tuple[Item, ...] = ()
    exclude_globs: tuple[Item, ...] = ()
    block_files: tuple[Item, ...] = ()
    profile_files: tuple[Item, ...] = ()

    def ownership(self, destination: str) -> Ownership:
        """Return the class of the file at `destination`."""
        if destination in {item.text for item in self.block_files}:
            return "block"
        if destination in {item.text for item in self.profile_files}:
            return "profile"
        return "seed" if destination in {_seed(item)[1] for item in self.seed_files} else "managed"


class Selected(NamedTuple):
    """A file that ships: from `source` in the repository to `destination` in a target."""

    source: RelPath
    destination: RelPath
    ownership: Ownership


def load(text: str) -> Manifest:
    """Return the manifest that the YAML `text` holds.

    Raises:
        ManifestError: naming every finding with its line.
    """
    root = _compose(text)
    values = {key.value: node for key, node in root.value if isinstance(key, ScalarNode)}
    version = values.get("schema_version")
    schema = version.value if isinstance(version, ScalarNode) else ""
    if schema not in _KEYS:
        raise ManifestError(
            f"{MANIFEST_NAME}: schema_version not supported "
            f"(expected {' or '.join(_KEYS)}, got {schema or 'none'})"
        )
    findings = [*_key_findings(root, values, _KEYS[schema])]
    output_root = values.get("output_root")
    if isinstance(output_root, ScalarNode):
        _check_path(output_root, output_root.value, findings)
    elif output_root is not None:
        findings.append(_at(output_root, "output_root: expected a path"))
    lists = {key: tuple(_items(values.get(key), key, findings)) for key in _LISTS_1_1}
    _check_items(lists, findings)
    if findings or output_root is None:
        raise ManifestError("\n".join(findings), paths=[MANIFEST_NAME])
    return Manifest(schema_version=schema, output_root=RelPath(output_root.value), **lists)


def _key_findings(
    root: MappingNode, values: Mapping[str, Node], known: Collection[str]
) -> Iterator[str]:
    for key, _ in root.value:
        if not isinstance(key, ScalarNode):
            yield _at(key, "unknown key")
        elif key.value not in known:
            yield _at(key, f"unknown key {key.value!r}")
    for name in _REQUIRED:
        if name not in values:
            yield f"{MANIFEST_NAME}: {name} is missing"


def _check_items(lists: Mapping[str, tuple[Item, ...]], findings: list[str]) -> None:
    for key in ("include_paths", "block_files", "profile_files", "exclude_paths"):
        for item in lists[key]:
            _check_path(item, item.text.rstrip("/"), findings)
    for item in lists["seed_files"]:
        for path in _seed(item):
            _check_path(item, path, findings)


def select(manifest: Manifest, listing: Iterable[str]) -> list[Selected]:
    """Return the files that `manifest` selects, sorted by lower-cased destination.

    Args:
        manifest: the manifest.
        listing: every file of the framework repository, relative, with ``/``.

    Raises:
        ManifestError: a source that is missing, or two sources for one destination; all of them.
    """
    files = sorted(set(listing))
    findings: list[str] = []
    chosen: dict[str, str] = {}
    for item in manifest.include_paths:
        found = _below(item.text.rstrip("/"), files)
        if not found:
            findings.append(_at(item, f"{item.text}: no such file or directory"))
        chosen |= {path: path for path in found}
    for item in manifest.seed_files:
        source, destination = _seed(item)
        if source not in files:
            findings.append(_at(item, f"{source}: no such file"))
        chosen[destination] = source
    is_excluded = _excluder(manifest)
    kept = {path: source for path, source in chosen.items() if not is_excluded(path)}
    for path in kept:
        _check_path(None, path, findings)
    findings += [f"{MANIFEST_NAME}: {finding}" for finding in collisions(kept)]
    if findings:
        raise ManifestError("\n".join(findings), paths=[MANIFEST_NAME])
    return [
        Selected(
            source=RelPath(kept[path]),
            destination=RelPath(path),
            ownership=manifest.ownership(path),
        )
        for path in sorted(kept, key=lambda path: (path.lower(), path))
    ]


def compile_glob(glob: str) -> re.Pattern[str]:
    """Return the pattern for an exclude glob.

    Anchored and case-insensitive: ``**`` is any characters, ``*`` any but ``/``, ``?`` one but ``/``,
    all else literal; ``**/x`` matches ``x`` at the root, too.
    """
    tokens = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", glob)
    head, rest = parts[:1], parts[1:]
    pattern = "".join(tokens.get(part, re.escape(part)) for part in head)
    pattern += "".join(".*/" if part == "**/" else tokens.get(part, re.escape(part)) for part in rest)
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def _excluder(manifest: Manifest) -> Callable[[str], bool]:
    prefixes = [item.text.rstrip("/").lower() for item in manifest.exclude_paths]
    globs = [compile_glob(item.text) for item in manifest.exclude_globs]

    def is_excluded(path: str) -> bool:
        lower = path.lower()
        if any(lower == prefix or lower.startswith(prefix + "/") for prefix in prefixes):
            return True
        return any(glob.fullmatch(path) for glob in globs)

    return is_excluded


def _below(path: str, files: Collection[str]) -> list[str]:
    return [file for file in files if file == path or file.startswith(path + "/")]


def _seed(item: Item) -> tuple[str, str]:
    found = _SEED.fullmatch(item.text)
    return (found.group(1), found.group(2)) if found else ("", "")


def _compose(text: str) -> MappingNode:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{MANIFEST_NAME}:{mark.line + 1}:{mark.column + 1}" if mark else MANIFEST_NAME
        raise ManifestError(f"{place}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise ManifestError(f"{MANIFEST_NAME}: not valid YAML: {error}") from None
    if not isinstance(root, MappingNode):
        raise ManifestError(f"{MANIFEST_NAME}:1: expected a mapping at the top level")
    return root


def _items(node: Node | None, key: str, findings: list[str]) -> Iterator[Item]:
    if node is None or (isinstance(node, ScalarNode) and not node.value):
        return
    if not isinstance(node, SequenceNode):
        findings.append(_at(node, f"{key}: expected a list"))
        return
    for item in node.value:
        if not isinstance(item, ScalarNode) or not item.value.strip():
            findings.append(_at(item, f"{key}: an empty item"))
        elif key == "seed_files" and not _SEED.fullmatch(item.value):
            findings.append(_at(item, f"{item.value}: expected <source> => <destination>"))
        else:
            yield Item(item.value, item.start_mark.line + 1)


def _check_path(where: Item | Node | None, path: str, findings: list[str]) -> None:
    try:
        parse_path(path)
    except PathError as error:
        findings.append(_at(where, str(error)))


def _at(where: Item | Node | None, what: str) -> str:
    if where is None:
        return f"{MANIFEST_NAME}: {what}"
    line = where.line if isinstance(where, Item) else where.start_mark.line + 1
    return f"{MANIFEST_NAME}:{line}: {what}"
