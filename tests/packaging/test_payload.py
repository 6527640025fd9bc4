"""The payload in the tree: index, manifest and documents agree with each other and with the version."""

from __future__ import annotations

import re

import pytest

from agentrail_runtime import __version__, manifest
from agentrail_runtime.entry import INDEX_NAME, MANIFEST_NAME, load_index
from agentrail_runtime.operation import export
from tests.packaging.support import ROOT
from tests.support import METADATA, PAYLOAD

FILES = {path.relative_to(PAYLOAD).as_posix() for path in PAYLOAD.rglob("*") if path.is_file()}
MANIFEST = manifest.load((PAYLOAD / MANIFEST_NAME).read_text(encoding="utf-8"))
SHIPPED = {entry.path: entry for entry in load_index((PAYLOAD / INDEX_NAME).read_bytes()).entries}


def test_the_index_is_the_one_that_the_payload_has_now() -> None:
    assert export.check(export.Options(is_payload=True)).result == "unchanged"


def test_every_file_of_the_payload_is_delivered_but_index_and_manifest() -> None:
    assert FILES - {INDEX_NAME, *METADATA} == set(SHIPPED)


@pytest.mark.parametrize("name", ["include_paths", "exclude_paths"])
def test_every_path_that_the_manifest_names_is_there(name: str) -> None:
    items = [item.text for item in getattr(MANIFEST, name)]
    assert items
    assert [item for item in items if not (PAYLOAD / item).exists()] == []


def test_every_class_that_the_manifest_gives_is_given_to_a_file_that_ships() -> None:
    classes = {
        "block": [item.text for item in MANIFEST.block_files],
        "profile": [item.text for item in MANIFEST.profile_files],
        "seed": [item.text.partition(" => ")[2] for item in MANIFEST.seed_files],
    }
    for ownership, items in classes.items():
        shipped = [path for path in SHIPPED if SHIPPED[path].ownership == ownership]
        assert sorted(items) == sorted(shipped)


def test_every_seed_has_its_source() -> None:
    sources = [item.text.partition(" => ")[0] for item in MANIFEST.seed_files]
    assert set(sources) <= FILES


def test_the_documentation_index_lists_the_documents_that_ship() -> None:
    text = (PAYLOAD / "docs" / "INDEX.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- `(docs/\S+)` - (.+)$", text, re.MULTILINE)
    documents = sorted(path for path in FILES if re.fullmatch(r"docs/[^/]+/[^/]+\.md", path))
    assert listed == [(path, _title(path)) for path in sorted(documents, key=_section)]


def _section(path: str) -> tuple[bool, str]:
    """Return the place of a document: the index has templates first and operations last."""
    return not path.startswith("docs/templates/"), path.lower()


def _title(path: str) -> str:
    return (PAYLOAD / path).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def test_the_package_and_its_metadata_say_the_same_version() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r'^version = "(.+)"$', text, re.MULTILINE) == [__version__]


def test_the_payload_is_text_with_unix_line_ends_so_that_digests_hold_everywhere() -> None:
    assert [name for name in sorted(FILES) if b"\r" in (PAYLOAD / name).read_bytes()] == []
    assert [name for name in sorted(FILES) if not (PAYLOAD / name).read_bytes().endswith(b"\n")] == []
