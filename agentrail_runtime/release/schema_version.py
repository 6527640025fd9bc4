"""The schema versions that a release promises, read from the files of the source tree that say them."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from typing import Final, NamedTuple

from agentrail_runtime.errors import AgentRailError

_PAYLOAD: Final = "agentrail_runtime/payload/"

PATHS: Final = {
    "policy": f"{_PAYLOAD}distribution.yaml",
    "manifest": f"{_PAYLOAD}framework.runtime.manifest.yaml",
    "index": f"{_PAYLOAD}runtime.index.json",
    "receipt": "agentrail_runtime/receipt.py",
    "profile": f"{_PAYLOAD}tools/profile-validate/profile-schema.json",
}
"""Each schema, and the file of a source tree that says its version."""


VERSION_PATH: Final = "agentrail_runtime/version.py"
"""The file of a source tree that says which release it is."""

_BROKEN: Final = (ValueError, SyntaxError, RecursionError, OverflowError, MemoryError)


class Schema(NamedTuple):
    """The `version` of one schema, and the `path` of the file that says it."""

    path: str
    version: str


class SchemaVersionError(AgentRailError):
    """A file that says a schema version cannot be read."""


def load(read: Callable[[str], bytes | None]) -> dict[str, Schema]:
    """Return the schemas of a source tree by name; those whose file is absent are left out.

    Args:
        read: returns the bytes of a file of the tree, None where there is none.

    Raises:
        SchemaVersionError: files without a version that can be read; each is named.
    """
    found: dict[str, Schema] = {}
    findings = []
    for name, path in PATHS.items():
        data = read(path)
        version = None if data is None else _version(path, data)
        if version:
            found[name] = Schema(path, version)
        elif data is not None:
            findings.append(
                f"{path}: no schema_version found (expected the version of the {name} schema)"
            )
    if findings:
        raise SchemaVersionError(
            "\n".join(findings),
            paths=[path for path in PATHS.values() if any(f.startswith(path) for f in findings)],
            hint="restore these files, then run the command again",
        )
    return found


def _version(path: str, data: bytes) -> str | None:
    """Return what a file says, None where it cannot be read."""
    readers = {"json": _of_json, "yaml": _of_yaml, "py": _of_python}
    try:
        value = readers[path.rpartition(".")[2]](data.decode("utf-8-sig"))
    except _BROKEN:
        return None
    return value.strip() if isinstance(value, str) else None


def _of_json(text: str) -> object:
    value = json.loads(text)
    return value.get("schema_version") if isinstance(value, dict) else None


def _of_yaml(text: str) -> object:
    import yaml
    from yaml.nodes import MappingNode

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    pairs = root.value if isinstance(root, MappingNode) else ()
    return next((node.value for name, node in pairs if name.value == "schema_version"), None)


def _of_python(text: str) -> object:
    """Return the default of the field ``schema_version`` of the class ``Receipt``."""
    classes = [row for row in _rows(text) if isinstance(row, ast.ClassDef)]
    body = next((row.body for row in classes if row.name == "Receipt"), [])
    return _constant(body, "schema_version")


def release_version(data: bytes) -> str | None:
    """Return which release the bytes of a `VERSION_PATH` say it is; None where they say none."""
    try:
        value = _constant(_rows(data.decode("utf-8-sig")), "__version__")
    except _BROKEN:
        return None
    return value if isinstance(value, str) else None


def _rows(text: str) -> list[ast.stmt]:
    return ast.parse(text).body


def _constant(rows: list[ast.stmt], name: str) -> object:
    """Return the constant that is assigned to `name`, with its type said; None where there is none."""
    for row in rows:
        if isinstance(row, ast.AnnAssign) and ast.unparse(row.target) == name:
            return row.value.value if isinstance(row.value, ast.Constant) else None
    return None
