"""The schema versions of a release are read from its files, or the file is named that hides them."""

from __future__ import annotations

import pytest

from agentrail_runtime.release.schema_version import (
    PATHS,
    Schema,
    SchemaVersionError,
    load,
    release_version,
)
from tests.packaging.support import ROOT

RECEIPT = PATHS["receipt"]


def test_the_schemas_of_this_source_tree_are_read() -> None:
    found = load(lambda path: (ROOT / path).read_bytes())
    assert {name: schema.version for name, schema in found.items()} == {
        "policy": "1.0",
        "manifest": "1.1.0",
        "index": "1.0",
        "receipt": "1.0",
        "profile": "2.0.0",
    }
    assert found["receipt"] == Schema(RECEIPT, "1.0")


def test_a_file_that_is_not_there_has_no_schema() -> None:
    assert load(lambda path: None) == {}


@pytest.mark.parametrize("name", [*PATHS])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[1]",
        b"schema_version: [2]\n",
        b"{\n",
        b"[" * 400,
        b"x: 1\n",
        b"(" * 100_000,
        b"- " * 100_000,
        b'"\\UFFFFFFFF"',
        b"\0",
        b"class Receipt:\n    schema_version: str\n",
        b"class Receipt:\n    schema_version: str = SCHEMA\n",
        b"class Receipt:\n    schema_version: float = 1.0\n",
        b"class Other:\n    schema_version: str = '1.0'\n",
        b"1 +",
    ],
)
def test_a_file_without_a_version_is_named_whatever_is_in_it(name: str, data: bytes) -> None:
    with pytest.raises(SchemaVersionError) as caught:
        load(lambda path: data if path == PATHS[name] else None)
    said = f"no schema_version found (expected the version of the {name} schema)"
    assert caught.value.message == f"{PATHS[name]}: {said}"
    assert caught.value.paths == (PATHS[name],)


def test_all_files_without_a_version_are_named_at_once() -> None:
    with pytest.raises(SchemaVersionError) as caught:
        load(lambda path: b"")
    assert caught.value.paths == tuple(PATHS.values())


@pytest.mark.parametrize(
    ("data", "version"),
    [
        (b'__version__: Final = "1.2.3"\n', "1.2.3"),
        (b'"""Text."""\nx = 1\n__version__: str = "2"\n', "2"),
        (b"__version__: Final = 1\n", None),
        (b"x = 1\n", None),
        (b"\xff", None),
        (b"(" * 100_000, None),
    ],
)
def test_the_release_of_a_source_tree_is_read_or_not_known(data: bytes, version: str | None) -> None:
    assert release_version(data) == version
