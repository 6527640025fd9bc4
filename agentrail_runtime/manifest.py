"""The manifest: which files of a framework repository ship, where they go, and who owns them.

Pure over a listing of the repository. Schema 1.0.0 has includes, seeds and excludes; 1.1.0 adds
``block_files`` and ``profile_files``, the destinations that are not simply replaced on upgrade.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from agentrail_runtime.entry import (
    MANIFEST_NAME,
    PROFILE_PATH,
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
_NEWEST: Final = "1.1.0"
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

    def classes(self) -> dict[str, Ownership]:
        """Return the class of every destination that has another than ``managed``.

        Schema 1.0.0 names no profile: ``project.profile.yaml`` is one all the same, since an install
        has to point it at the task records.
        """
        classes: dict[str, Ownership] = {}
        classes |= {_seed(item)[1]: "seed" for item in self.seed_files}
        if self.schema_version == "1.0.0":
            return classes | {PROFILE_PATH: "profile"}
        classes |= {item.text: "profile" for item in self.profile_files}
        return classes | {item.text: "block" for item in self.block_files}

    def seed_sources(self) -> list[str]:
        """Return the file that each seed is made of."""
        return [_seed(item)[0] for item in self.seed_files]

    def is_excluded(self) -> Callable[[str], bool]:
        """Return the test whether a destination is excluded."""
        prefixes = tuple(item.text.rstrip("/").lower() for item in self.exclude_paths)
        globs = [compile_glob(item.text) for item in self.exclude_globs]

        def is_excluded(path: str) -> bool:
            lower = path.lower()
            if any(lower == prefix or lower.startswith(prefix + "/") for prefix in prefixes):
                return True
            return any(glob.fullmatch(path) for glob in globs)

        return is_excluded

    def would_select(self, path: str) -> bool:
        """Tell whether a file at `path` would ship, if it were there."""
        includes = [item.text.rstrip("/") for item in self.include_paths]
        is_included = any(path == include or path.startswith(include + "/") for include in includes)
        return is_included and not self.is_excluded()(path)


class Selected(NamedTuple):
    """A file that ships: from `source` in the repository to `destination` in a target.

    `line` is that of the manifest which selects it.
    """

    source: RelPath
    destination: RelPath
    ownership: Ownership
    line: int = 0


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
    seen: set[str] = set()
    for key, _ in root.value:
        if not isinstance(key, ScalarNode):
            yield _at(key, "unknown key")
        elif key.value not in known:
            yield _at(key, f"unknown key {key.value!r}")
        elif key.value in seen:
            yield _at(key, f"{key.value} stands twice")
        else:
            seen.add(key.value)
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
        listing: the files of the framework repository, relative, with ``/``; all that lie below an
            include, and all that seed.

    Raises:
        ManifestError: a source that is missing, two sources for one destination, or a class for what is
            not selected; all of them.
    """
    files = sorted(set(listing))
    present = set(files)
    findings: list[str] = []
    chosen: dict[str, tuple[str, Item]] = {}
    for item in manifest.include_paths:
        found = _below(item.text.rstrip("/"), files)
        if not found:
            findings.append(_at(item, f"{item.text}: no such file or directory"))
        chosen |= {path: (path, item) for path in found}
    for item in manifest.seed_files:
        source, destination = _seed(item)
        if source not in present:
            findings.append(_at(item, f"{source}: no such file"))
        chosen[destination] = (source, item)
    is_excluded = manifest.is_excluded()
    kept = {path: row for path, row in chosen.items() if not is_excluded(path)}
    for path, (_, item) in kept.items():
        _check_path(item, path, findings)
    for finding in collisions(kept):
        _, item = next(row for path, row in kept.items() if finding.startswith(f"{path}: "))
        findings.append(_at(item, finding))
    findings += [
        _at(item, f"{item.text}: given a class, but not selected")
        for item in (*manifest.block_files, *manifest.profile_files)
        if item.text not in kept
    ]
    if findings:
        raise ManifestError("\n".join(findings), paths=[MANIFEST_NAME])
    classes = manifest.classes()
    return [
        Selected(
            source=RelPath(kept[path][0]),
            destination=RelPath(path),
            ownership=classes.get(path, "managed"),
            line=kept[path][1].line,
        )
        for path in sorted(kept, key=lambda path: (path.lower(), path))
    ]


def of_bundle(text: str, selected: Sequence[Selected]) -> str:
    """Return the manifest that travels with the files that the manifest `text` selected.

    It is that manifest itself, if it selects the same files from the bundle as it did from the
    repository: so an export of an export is that export. Else, where a seed has another name in the
    repository, say, it is one that names what the bundle holds.
    """
    manifest = load(text)
    if _holds_for_bundle(manifest, selected):
        return text
    roots = sorted({row.destination.partition("/")[0] for row in selected})
    lists: dict[str, list[str]] = {
        "include_paths": roots,
        "seed_files": [
            f"{row.destination} => {row.destination}" for row in selected if row.ownership == "seed"
        ],
        "block_files": [str(row.destination) for row in selected if row.ownership == "block"],
        "profile_files": [str(row.destination) for row in selected if row.ownership == "profile"],
    }
    lines = [f'schema_version: "{_NEWEST}"', f"output_root: {_quoted(manifest.output_root)}"]
    for key, items in lists.items():
        lines += [f"{key}:", *(f"  - {_quoted(item)}" for item in items)] if items else [f"{key}: []"]
    return "\n".join(["# What this bundle holds; written by the export.", *lines]) + "\n"


def _holds_for_bundle(manifest: Manifest, selected: Sequence[Selected]) -> bool:
    """Tell whether a manifest selects just the same from a bundle, where all else is left out."""
    if any(row.source != row.destination for row in selected):
        return False
    files = sorted(row.destination for row in selected)
    seeds = {_seed(item)[1] for item in manifest.seed_files}
    includes = (item.text.rstrip("/") for item in manifest.include_paths)
    return seeds <= set(files) and all(_below(path, files) for path in includes)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def compile_glob(glob: str) -> re.Pattern[str]:
    """Return the pattern for an exclude glob.

    Anchored and case-insensitive: ``**`` is any characters, ``*`` any but ``/``, ``?`` one but ``/``,
    all else literal; ``**/x`` matches ``x`` at the root, too.
    """
    # Where more may follow, the first place that fits is as good as any: with `once`, no other is
    # tried. Else a glob of a few stars would take for ever on a path that it nearly matches.
    numbers = itertools.count()

    def once(pattern: str) -> str:
        name = f"g{next(numbers)}"
        return f"(?=(?P<{name}>{pattern}))(?P={name})"

    is_anywhere = glob.startswith("**/")
    parsed = "(?:.*/)?" if is_anywhere else ""
    *pieces, last = glob[3 if is_anywhere else 0 :].split("**")
    between = ""
    for piece in pieces:
        first, *others = _stars(piece)
        parsed += once(between + first + "".join(map(once, others)))
        between = ".*?"
    first, *others = _stars(last)
    parsed += between + first + "".join(map(once, others[:-1])) + "".join(others[-1:])
    return re.compile(parsed, re.IGNORECASE | re.DOTALL)


def _stars(piece: str) -> list[str]:
    """Return patterns for the text before the first ``*``, and for each star with what follows it."""
    first, *others = (re.escape(text).replace(r"\?", "[^/]") for text in piece.split("*"))
    return [first, *(f"[^/]*?{other}" for other in others)]


def _below(path: str, files: Sequence[str]) -> list[str]:
    """Return the file at `path`, or those below it; `files` is sorted."""
    at = bisect_left(files, path)
    if at < len(files) and files[at] == path:
        return [path]
    start = bisect_left(files, path + "/")
    return [*files[start : bisect_left(files, path + "0", start)]]  # "0" follows "/"


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


def _check_path(where: Item | Node, path: str, findings: list[str]) -> None:
    try:
        parse_path(path)
    except PathError as error:
        findings.append(_at(where, str(error)))


def _at(where: Item | Node, what: str) -> str:
    line = where.line if isinstance(where, Item) else where.start_mark.line + 1
    return f"{MANIFEST_NAME}:{line}: {what}"
