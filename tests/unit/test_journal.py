"""The journal is what an interrupted run is undone by: forged or truncated, it undoes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from agentrail_runtime import document, journal
from agentrail_runtime.document import DocumentError
from agentrail_runtime.entry import RelPath
from agentrail_runtime.journal import Delivery, Image, Journal, Step
from tests.unit.support import HEX

IMAGE = {"sha256": HEX, "size": 3, "mode": 0o644}
STEP = {"path": "a.md", "before": IMAGE, "after": None, "is_edited": True}
VALID: dict[str, Any] = {
    "schema_version": "1.0",
    "transaction": "12-0a1b2c",
    "sequence": 12,
    "operation": "install",
    "created": "2026-02-20T15:56:05Z",
    "runtime_version": "1.0.0",
    "previous_version": None,
    "steps": [STEP],
    "made_directories": ["docs"],
    "emptied_directories": [{"path": "old", "mode": 0o755}],
    "parent": "10-eeeeee",
    "undoes": ["11-ffffff"],
    "keeps": [],
    "deliveries": [{"sha256": HEX, "offset": 0, "size": 3}],
}
REQUIRED = sorted({*VALID} - {"runtime_version", "previous_version", "parent", "keeps"})
STEPS = (Step(RelPath("a.md"), Image(HEX, 3, 0o644), None, is_edited=True),)


def load(**changes: Any) -> Journal:
    return journal.load(document.dump({**VALID, **changes}))


def test_a_journal_is_read_as_it_was_written() -> None:
    written = Journal(
        transaction="12-0a1b2c",
        sequence=12,
        operation="rollback",
        created="2026-02-20T15:56:05Z",
        runtime_version=None,
        previous_version="1.0.0",
        steps=(*STEPS, Step(RelPath("b"), None, Image(HEX, 0, 0o755))),
        made_directories=(RelPath("x"), RelPath("x/y")),
        emptied_directories=((RelPath("old"), 0o750),),
        parent="11-ffffff",
        undoes=("11-ffffff", "10-000000"),
        keeps=("10-000000",),
        deliveries=(Delivery(HEX, 0, 3), Delivery(HEX, 3, 4)),
    )
    assert journal.load(written.dump()) == written


def test_every_field_of_a_journal_is_read() -> None:
    assert load() == Journal(
        transaction="12-0a1b2c",
        sequence=12,
        operation="install",
        created="2026-02-20T15:56:05Z",
        runtime_version="1.0.0",
        previous_version=None,
        steps=STEPS,
        made_directories=(RelPath("docs"),),
        emptied_directories=((RelPath("old"), 0o755),),
        parent="10-eeeeee",
        undoes=("11-ffffff",),
        deliveries=(Delivery(HEX, 0, 3),),
    )


@pytest.mark.parametrize(("is_edited", "holds"), [(True, True), (False, False)])
def test_a_stash_with_the_only_copy_of_an_edit_is_known_for_one(is_edited: bool, holds: bool) -> None:
    steps = [{**STEP, "path": "b", "is_edited": False}, {**STEP, "is_edited": is_edited}]
    assert load(steps=steps).holds_user_bytes is holds


def test_a_rollback_that_guards_another_stash_is_known_to_hold_what_is_the_user_s() -> None:
    steps = [{**STEP, "is_edited": False}]
    assert load(steps=steps, keeps=["11-ffffff"]).holds_user_bytes


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"steps":' * 50_000, b"\0" * 512])
def test_a_journal_that_a_full_disk_truncated_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError):
        journal.load(data)


def test_every_truncation_of_a_journal_is_refused() -> None:
    data = document.dump(VALID)
    for stop in range(len(data) - 2):
        with pytest.raises(DocumentError):
            journal.load(data[:stop])


def test_a_journal_of_a_newer_schema_is_not_guessed_at() -> None:
    with pytest.raises(DocumentError, match=r"journal schema not supported \(expected 1.x, got 2.0\)"):
        load(schema_version="2.0")


@pytest.mark.parametrize("key", REQUIRED)
def test_a_journal_without_a_required_key_is_refused(key: str) -> None:
    with pytest.raises(DocumentError, match=f"^{key}: missing$"):
        journal.load(document.dump({name: value for name, value in VALID.items() if name != key}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema_version", 1),
        ("transaction", 12),
        ("transaction", ""),
        ("transaction", "-"),
        ("transaction", "../../x"),
        ("transaction", "a/b"),
        ("transaction", "12-é"),
        ("transaction", "1 2"),
        ("sequence", "12"),
        ("sequence", True),
        ("operation", "format"),
        ("operation", []),
        ("created", 0),
        ("runtime_version", 1),
        ("previous_version", []),
        ("steps", None),
        ("steps", {}),
        ("steps", ["a.md"]),
        ("steps", [None]),
        ("made_directories", "docs"),
        ("made_directories", ["../docs"]),
        ("made_directories", ["/"]),
        ("made_directories", [".git"]),
        ("made_directories", [7]),
        ("made_directories", [None]),
        ("made_directories", [True]),
        ("emptied_directories", ["old"]),
        ("emptied_directories", [{"path": "../old", "mode": 0}]),
        ("emptied_directories", [{"path": "old"}]),
        ("emptied_directories", [{"path": "old", "mode": "0755"}]),
        ("undoes", "11-ffffff"),
        ("undoes", [11]),
        ("undoes", ["../x"]),
        ("undoes", [[]]),
        ("parent", 10),
        ("parent", "../x"),
        ("keeps", None),
        ("keeps", [1]),
        ("keeps", ["a/b"]),
        ("deliveries", {}),
        ("deliveries", [[]]),
        ("deliveries", [{"sha256": HEX, "offset": "0", "size": 3}]),
        ("deliveries", [{"sha256": "x", "offset": 0, "size": 3}]),
        ("deliveries", [{"sha256": HEX, "offset": 0}]),
    ],
)
def test_a_forged_journal_is_refused(key: str, value: Any) -> None:
    with pytest.raises(DocumentError):
        load(**{key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("path", None),
        ("path", "../outside"),
        ("path", "/etc/cron.d/x"),
        ("path", "C:/x"),
        ("path", ".git/hooks/pre-commit"),
        ("path", "a\0"),
        ("path", "n" * 4096),
        ("before", "x"),
        ("before", []),
        ("before", {"sha256": HEX, "size": 3}),
        ("after", {"sha256": "0", "size": 3, "mode": 0o644}),
        ("after", {"sha256": HEX, "size": None, "mode": 0o644}),
        ("after", {"sha256": HEX, "size": 3, "mode": "rw"}),
        ("is_edited", None),
        ("is_edited", 0),
    ],
)
def test_a_forged_step_is_refused_with_its_place(key: str, value: Any) -> None:
    with pytest.raises(DocumentError, match=rf"^steps\[0\]\.{key}[.:]"):
        load(steps=[{**STEP, key: value}])


@pytest.mark.parametrize(
    "path", [".agentrail/state", ".agentrail/state/journal", ".AgentRail/State/stash/1-a/journal"]
)
def test_a_journal_cannot_undo_away_the_stash(path: str) -> None:
    with pytest.raises(DocumentError, match="lies in the installer's own state"):
        load(steps=[{**STEP, "path": path}])


def test_two_steps_that_write_one_file_are_refused() -> None:
    with pytest.raises(DocumentError, match=r"A\.md but for case"):
        load(steps=[{**STEP, "path": path, "after": IMAGE} for path in ("a.md", "A.md")])


def test_a_rename_that_only_changes_case_can_be_undone() -> None:
    steps = [STEP, {**STEP, "path": "A.md", "before": None, "after": IMAGE}]
    assert [step.path for step in load(steps=steps).steps] == ["a.md", "A.md"]


@pytest.mark.parametrize(
    ("mode", "kept"), [(0o100755, 0o755), (0o4755, 0o755), (-1, 0o777), (2**70, 0)]
)
def test_no_journal_gives_a_file_or_directory_more_than_permission_bits(mode: int, kept: int) -> None:
    read = load(
        steps=[{**STEP, "before": {**IMAGE, "mode": mode}}],
        emptied_directories=[{"path": "old", "mode": mode}],
    )
    assert read.steps[0].before == Image(HEX, 3, kept)
    assert read.emptied_directories == (("old", kept),)


def test_a_journal_comes_in_parts_that_are_no_longer_than_some_rows() -> None:
    steps = tuple(Step(RelPath(f"{number}"), None, Image(HEX, 1, 0o644)) for number in range(2_500))
    written = load()._replace(steps=steps)
    parts = [*written.chunks()]
    assert (b"".join(parts), len(parts) > 5) == (written.dump(), True)
    assert max(map(len, parts)) < len(written.dump()) // 2
    assert journal.load(written.dump()) == written


def test_a_journal_of_nothing_is_a_document() -> None:
    written = load()._replace(steps=(), deliveries=())
    assert document.dump(document.load(written.dump())) == written.dump()


@pytest.mark.parametrize("is_edited", [True, False])
@pytest.mark.parametrize("keeps", [[], ["11-ffffff"]])
@pytest.mark.parametrize("is_canonical", [True, False])
def test_the_outline_tells_what_the_journal_does(
    is_edited: bool, keeps: list[str], is_canonical: bool
) -> None:
    data = document.dump({**VALID, "keeps": keeps, "steps": [{**STEP, "is_edited": is_edited}]})
    outline = journal.outline(data if is_canonical else b" " + data)
    assert outline == journal.load(data).outline
    assert outline.holds_user_bytes is (is_edited or keeps != [])
