"""A bundle's index that is damaged or forged is refused, with every finding named."""

from __future__ import annotations

from typing import Any

import pytest

from agentrail_runtime import document
from agentrail_runtime.document import DocumentError
from agentrail_runtime.entry import Entry, Index, IndexSchemaError, RelPath, State, load_index
from tests.unit.support import HEX, entry

ROW = {"path": "a.md", "ownership": "seed", "sha256": HEX, "size": 3, "executable": True}
VALID: dict[str, Any] = {
    "schema_version": "1.0",
    "runtime_version": "1.2.0",
    "release_seq": 7,
    "profile_schema_versions": ["2.0.0", "2.1.0"],
    "task_root": ".agentrail/work",
    "entries": [ROW],
    "metadata": [{"path": "m.yaml", "sha256": HEX, "size": 1}],
}


def load(**changes: Any) -> Index:
    return load_index(document.dump({**VALID, **changes}))


def load_row(**changes: Any) -> Index:
    return load(entries=[{**ROW, **changes}])


def test_an_index_is_read_as_it_was_written() -> None:
    index = Index(
        runtime_version="1.2.0",
        release_seq=7,
        profile_schema_versions=("2.0.0",),
        entries=(entry("a.md", b"x"), entry("run.sh", b"", executable=True)),
        metadata=(entry("m.yaml", b"m"),),
        task_root=".agentrail/work",
    )
    assert load_index(index.dump()) == index


def test_every_field_of_an_index_is_read() -> None:
    index = load()
    assert index.entries == (Entry(RelPath("a.md"), "seed", HEX, 3, executable=True),)
    assert index.metadata == (Entry(RelPath("m.yaml"), "managed", HEX, 1),)
    assert (index.runtime_version, index.release_seq) == ("1.2.0", 7)
    assert (index.task_root, index.profile_schema_versions) == (".agentrail/work", ("2.0.0", "2.1.0"))


def test_an_index_with_only_what_is_required_is_read() -> None:
    value = {"schema_version": "1.0", "runtime_version": "1", "entries": []}
    assert load_index(document.dump(value)) == Index(runtime_version="1")


def test_what_a_newer_export_added_survives_a_rewrite() -> None:
    data = document.dump({**VALID, "channel": {"name": "pilot"}})
    assert load_index(data).dump() == data


def test_an_index_without_a_task_root_does_not_say_null() -> None:
    assert "task_root" not in document.load(Index(runtime_version="1").dump())


def test_entries_are_sorted_so_that_plans_and_reports_are() -> None:
    index = load(entries=[{**ROW, "path": "b"}, {**ROW, "path": "a"}])
    assert [row.path for row in index.entries] == ["a", "b"]


@pytest.mark.parametrize("schema", ["2.0", "0.9", "10.0"])
def test_an_index_of_another_schema_says_so_and_not_that_it_is_damaged(schema: str) -> None:
    with pytest.raises(IndexSchemaError, match=f"^schema_version: expected 1.x, got {schema}$"):
        load(schema_version=schema, entries="of another shape")


@pytest.mark.parametrize("key", ["schema_version", "runtime_version", "entries"])
def test_an_index_without_a_required_key_is_refused(key: str) -> None:
    with pytest.raises(DocumentError, match=f"^{key}: missing$"):
        load_index(document.dump({name: value for name, value in VALID.items() if name != key}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema_version", 1),
        ("schema_version", None),
        ("runtime_version", 1.0),
        ("release_seq", "7"),
        ("release_seq", True),
        ("task_root", None),
        ("task_root", 5),
        ("phase", "3"),
        ("default_source", 3),
        ("default_source", "git"),
        ("entries", None),
        ("entries", {}),
        ("entries", "a.md"),
        ("entries", ["a.md"]),
        ("entries", [None]),
        ("metadata", None),
        ("metadata", "x"),
        ("metadata", {"path": "m.yaml", "sha256": HEX, "size": 1}),
        ("metadata", [[]]),
        ("profile_schema_versions", "2.0.0"),
        ("profile_schema_versions", None),
        ("profile_schema_versions", [2]),
        ("profile_schema_versions", [None]),
    ],
)
def test_a_value_of_a_wrong_type_is_refused_wherever_it_stands(key: str, value: Any) -> None:
    with pytest.raises(DocumentError, match=key):
        load(**{key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("path", None),
        ("path", 3),
        ("path", ["a"]),
        ("path", ""),
        ("path", "../a"),
        ("path", "/a"),
        ("path", "C:/a"),
        ("path", "a\0b"),
        ("path", "nul"),
        ("path", ".git/hooks/pre-commit"),
        ("ownership", "mine"),
        ("ownership", None),
        ("ownership", []),
        ("sha256", None),
        ("sha256", HEX.upper()),
        ("sha256", HEX[:-1]),
        ("sha256", HEX + "0"),
        ("sha256", HEX + "\n"),
        ("sha256", 7),
        ("size", None),
        ("size", "3"),
        ("size", 3.0),
        ("size", True),
        ("executable", 1),
        ("executable", None),
    ],
)
def test_a_forged_row_is_refused_with_its_place(key: str, value: Any) -> None:
    with pytest.raises(DocumentError, match=rf"^entries\[0\]\.{key}: "):
        load_row(**{key: value})


@pytest.mark.parametrize("key", ["path", "sha256", "size"])
def test_a_row_that_lacks_something_is_refused(key: str) -> None:
    row = {name: value for name, value in ROW.items() if name != key}
    with pytest.raises(DocumentError, match=rf"^entries\[0\]\.{key}: missing$"):
        load(entries=[row])


def test_a_row_without_class_is_managed_and_not_executable() -> None:
    (row,) = load(entries=[{"path": "a", "sha256": HEX, "size": 1}]).entries
    assert (row.ownership, row.executable) == ("managed", False)


def test_all_findings_are_told_at_once() -> None:
    rows = [{**ROW, "path": "../a"}, {**ROW, "size": None}, {**ROW, "path": "B"}, {**ROW, "path": "b"}]
    with pytest.raises(DocumentError) as caught:
        load(entries=rows)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "entries[0].path",
        "entries[1].size",
        "b",
    ]


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["a.md", "a.md"], "a.md: listed twice"),
        (["docs/a", "Docs/a"], "equal to Docs/a but for case"),
        (["\u00e9", "e\u0301"], "but for case or Unicode form"),
        (["a", "a/b"], "a/b: lies under a, which is a file"),
        (["m.YAML"], "m.yaml: equal to m.YAML"),
    ],
)
def test_two_rows_that_would_overwrite_each_other_are_refused(paths: list[str], said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        load(entries=[{**ROW, "path": path} for path in paths])


@pytest.mark.parametrize(
    "path",
    [
        ".agentrail/receipt.json",
        ".agentrail/Receipt.JSON",
        ".agentrail/.gitignore",
        ".agentrail/state",
        ".agentrail/state/journal",
        ".AgentRail/STATE/stash/x",
        "runtime.index.json",
        "Runtime.Index.json",
        "runtime.index.json.sig",
        ".agentrail",
        ".AGENTRAIL",
        ".agentrail/receipt.json/x",
    ],
)
def test_a_bundle_cannot_bring_the_installer_s_own_files(path: str) -> None:
    with pytest.raises(DocumentError, match="belongs to the installer"):
        load_row(path=path)


@pytest.mark.parametrize("path", [".agentrail/work/x.md", ".agentrail/statement", ".agentrails"])
def test_a_bundle_may_bring_files_beside_the_installer_s_own(path: str) -> None:
    assert [row.path for row in load_row(path=path).entries] == [path]


@pytest.mark.parametrize(("mode", "is_executable"), [(0o644, False), (0o744, True), (0o655, False)])
def test_a_file_is_executable_when_its_owner_may_execute_it(mode: int, is_executable: bool) -> None:
    assert State("file", mode=mode).is_executable is is_executable


def test_the_findings_of_an_index_are_told_in_the_order_of_its_entries() -> None:
    rows = [{**ROW, "path": path} for path in ("../x", "..", "ok", "ok")]
    with pytest.raises(DocumentError) as caught:
        load(entries=rows)
    assert [line.partition(": ")[0] for line in str(caught.value).splitlines()] == [
        "entries[0].path",
        "entries[1].path",
        "ok",
    ]
