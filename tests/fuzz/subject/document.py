"""Documents in JSON: index, receipt, journal, known digests, denied versions, decisions of the gate."""

from __future__ import annotations

import json
from typing import Any, Final

from agentrail_runtime import document, entry, journal, known, receipt
from agentrail_runtime.document import DocumentError
from agentrail_runtime.entry import RECEIPT_PATH, STATE_PATH, collision_key, collisions, sha256
from agentrail_runtime.errors import AgentRailError, IncompatibleError, ReceiptError
from agentrail_runtime.receipt import Receipt
from agentrail_runtime.release import deny_list, record
from agentrail_runtime.release.record import RecordError
from tests.fuzz.claim import is_canonical, is_read_alike, is_safe_path, is_same, is_told
from tests.fuzz.mutation import json_maker
from tests.fuzz.target import Target

HEX: Final = "ab" * 32
BLOB: Final = "cd" * 20
PATHS: Final = (
    "a.md",
    "A.md",
    "a.md/b",
    "docs/e\u0301.md",
    "docs/é.md",
    "docs/x",
    ".agentrail/work/.gitkeep",
)
WORDS: Final = (
    *PATHS,
    HEX,
    BLOB,
    "managed",
    "block",
    "seed",
    "profile",
    "copy",
    "1.0",
    "1.7",
    "2.0",
    0,
    7,
    None,
)
TOKENS: Final = (
    b'"path"',
    b'"sha256"',
    b'"entries"',
    b'"schema_version": "1.0"',
    b'"1.0"',
    b"null",
    b"true",
)


def _rows(count: int) -> list[dict[str, Any]]:
    return [{"path": f"d{n % 7}/{n}.md", "sha256": HEX, "size": n} for n in range(count)]


def _whole_rows(*fields: str) -> list[dict[str, Any]]:
    """Return rows as the installer writes nearly all of them: there is a reader for just these."""
    whole = {"ownership": "managed", "sha256": HEX, "git_blob": BLOB, "size": 12, "executable": False}
    return [
        {"path": path} | {name: whole[name] for name in fields}
        for path in ("a.md", "docs/b.md", "x/y/z")
    ]


# --- the index of a bundle ---------------------------------------------------------------------------

INDEX: Final = {
    "schema_version": "1.0",
    "runtime_version": "1.2.0",
    "release_seq": 3,
    "profile_schema_versions": ["2.0.0", "2.1"],
    "task_root": "work",
    "phase": 2,
    "default_source": "package",
    "entries": [
        {"path": "AGENTS.md", "ownership": "block", "sha256": HEX, "size": 3},
        {"path": "docs/a.md", "ownership": "managed", "sha256": HEX, "size": 0, "executable": True},
        {"path": "project.profile.yaml", "ownership": "profile", "sha256": HEX, "size": 9},
    ],
    "metadata": [{"path": "known-digests.json", "sha256": HEX, "size": 2}],
    "x-newer": {"a": [1, 2.5, None]},
}


def check_index(data: bytes) -> bool:
    """Claim that an index is refused, or names only files that may be written beside each other."""
    is_read_alike(entry.load_index, data)
    try:
        index = entry.load_index(data)
    except DocumentError as error:
        is_told(error)
        return False
    written = index.dump()
    is_canonical(written)
    bare = [row._replace(ownership="managed", executable=False) for row in index.metadata]
    assert entry.load_index(written) == index._replace(metadata=tuple(bare))
    rows = [*index.entries, *index.metadata]
    for row in rows:
        is_safe_path(row.path)
    for row in index.entries:
        assert not collision_key(row.path).startswith((f"{STATE_PATH}/", RECEIPT_PATH))
    assert collisions(row.path for row in rows) == []
    said, again = json.loads(data), json.loads(written)
    for key in said.keys() - {"entries", "metadata"}:
        if said[key] is not None:
            is_same(again[key], said[key])
    assert sorted(row["path"] for row in said["entries"]) == [row.path for row in index.entries]
    return True


# --- the receipt of a target -------------------------------------------------------------------------

RECEIPT: Final = {
    "schema_version": "1.0",
    "runtime_version": "1.2.0",
    "release_seq": 7,
    "source": {"kind": "copy", "digest": f"sha256:{HEX}", "x-newer": True},
    "task_root": ".agentrail/work",
    "entries": [
        {
            "path": "AGENTS.md",
            "ownership": "block",
            "sha256": HEX,
            "git_blob": BLOB,
            "size": 3,
            "executable": False,
            "declined": HEX,
        },
        {
            "path": "docs/a.md",
            "ownership": "managed",
            "sha256": None,
            "git_blob": None,
            "size": None,
            "executable": True,
        },
        {
            "path": "project.profile.yaml",
            "ownership": "profile",
            "sha256": HEX,
            "git_blob": BLOB,
            "size": 9,
            "executable": False,
            "restore": [["workflow.task_root", "work", ".agentrail/work"], ["a", None, ""]],
        },
    ],
    "x-newer": [{"a": None}],
}


def _receipt(data: bytes) -> Receipt:
    """Return a receipt but for what it notes of its own bytes."""
    return receipt.load(data)._replace(canonical="")


def check_receipt(data: bytes) -> bool:
    """Claim that a receipt is refused, or is written back with everything that it said."""
    is_read_alike(_receipt, data)
    try:
        read = receipt.load(data)
    except (ReceiptError, IncompatibleError) as error:
        _is_of_the_receipt(error)
        return False
    written = read.dump()
    is_canonical(written)
    assert _receipt(written) == _receipt(data)
    assert read.canonical in ("", sha256(written))
    for path in (read.task_root, *read.by_path()):
        is_safe_path(path)
    assert [*read.by_path()] == sorted(read.by_path())
    _keeps(json.loads(data), json.loads(written))
    return True


def _is_of_the_receipt(error: AgentRailError) -> None:
    """Claim that an error names the receipt, and says what to do next."""
    is_told(error)
    assert all(line.startswith(RECEIPT_PATH) for line in str(error).split("\n"))
    assert error.paths == (RECEIPT_PATH,)
    assert error.hint


def _keeps(said: Any, again: Any) -> None:
    """Claim that nothing that a receipt said is lost where it is written anew."""
    for key in said.keys() - {"source", "entries"}:
        is_same(again[key], said[key])
    is_same(again["source"], said["source"])
    rows = {row["path"]: row for row in again["entries"]}
    assert len(rows) == len(said["entries"])
    for row in said["entries"]:
        lacks = set() if row.get("sha256") is not None else {"git_blob", "size"}
        for key in row.keys() - lacks:
            is_same(rows[row["path"]][key], row[key])


# --- the journal of a transaction --------------------------------------------------------------------

_IMAGE: Final = {"sha256": HEX, "size": 3, "mode": 0o644}
JOURNAL: Final = {
    "schema_version": "1.0",
    "transaction": "7-0a1b2c3d",
    "sequence": 7,
    "operation": "install",
    "created": "2026-01-02T03:04:05Z",
    "runtime_version": "1.2.0",
    "previous_version": None,
    "steps": [
        {"path": "a.md", "before": None, "after": _IMAGE, "is_edited": False},
        {"path": "docs/b.md", "before": _IMAGE, "after": None, "is_edited": True},
        {"path": ".agentrail/receipt.json", "before": _IMAGE, "after": _IMAGE, "is_edited": False},
    ],
    "made_directories": ["docs", "docs/specs"],
    "emptied_directories": [{"path": "old", "mode": 0o755}],
    "parent": "6-ffffffff",
    "undoes": ["5-a"],
    "keeps": ["4-b"],
    "deliveries": [{"sha256": HEX, "offset": 0, "size": 3}],
}


def check_journal(data: bytes) -> bool:
    """Claim that a journal is refused, or leads to no path outside the target."""
    is_read_alike(journal.load, data)
    try:
        read = journal.load(data)
    except DocumentError as error:
        is_told(error)
        return False
    written = read.dump()
    is_canonical(written)
    assert journal.load(written) == read
    for path in (*(step.path for step in read.steps), *read.made_directories):
        is_safe_path(path)
    assert not any(f"{step.path.casefold()}/".startswith(f"{STATE_PATH}/") for step in read.steps)
    for path, mode in read.emptied_directories:
        is_safe_path(path)
        assert mode == mode & 0o777
    for name in filter(None, (read.transaction, read.parent, *read.undoes, *read.keeps)):
        assert name.isascii()
        assert name.replace("-", "").isalnum()
    said, again = json.loads(data), json.loads(written)
    for key in again.keys() & said.keys() - {
        "schema_version",
        "steps",
        "emptied_directories",
        "deliveries",
    }:
        is_same(again[key], said[key])
    assert [row["path"] for row in said["steps"]] == [step.path for step in read.steps]
    return True


# --- what earlier releases delivered -----------------------------------------------------------------

KNOWN: Final = {
    "schema_version": "1.0",
    "files": {"a.md": [HEX, "cd" * 32], "docs/b.md": []},
    "x-newer": 1,
}


def check_known(data: bytes) -> bool:
    """Claim that digests are refused, or are the same set of them after every round."""
    try:
        read = known.load(data)
    except DocumentError as error:
        is_told(error)
        return False
    written = read.dump()
    is_canonical(written)
    assert known.load(written) == read
    assert known.merged(read, read) == known.merged(read, known.Known()) == read
    for path in read.files:
        is_safe_path(path)
    said = json.loads(data)
    assert {path: {*rows} for path, rows in said["files"].items()} == {
        p: {*d} for p, d in read.files.items()
    }
    return True


# --- what is denied ----------------------------------------------------------------------------------

DENIED: Final[dict[str, Any]] = {
    "schema_version": "1.0",
    "sequence": 3,
    "denied": [
        {
            "version": "1.1.0",
            "reason": "breaks rollback",
            "since": "2030-12-31T08:00:00Z",
            "channels": ["internal", "general"],
        },
        {"version": "1.2.0", "reason": "", "since": "2030-12-31T08:00:00Z"},
    ],
    "x-newer": {"a": 1},
}
_LONG_REASON: Final = "a" * 999 + " b"


def check_deny_list(data: bytes) -> bool:
    """Claim that a list is refused, or stays the same list when it is written, and only grows."""
    try:
        read = deny_list.load(data)
    except DocumentError as error:
        is_told(error)
        return False
    written = deny_list.dump(read)
    is_canonical(written)
    assert deny_list.load(written) == read
    assert deny_list.setback(read, read) == ""
    said = json.loads(data)
    for row, as_said in zip(read.denied, said["denied"], strict=True):
        assert row.version == as_said["version"]
        assert row.reason.isprintable()
        assert row.since.isascii()
    assert all(read.find(row.version) for row in read.denied[:20])
    more = deny_list.with_denied(read, "7.7.7", reason="bad\n", since="2030-12-31T08:00:00Z")
    if read.find("7.7.7") is None:
        assert more.sequence == read.sequence + 1
        assert deny_list.setback(read, more) == ""
        assert deny_list.setback(more, read) != ""
    return True


# --- a decision of the gate --------------------------------------------------------------------------

DECISION: Final = {
    "schema_version": "1.0",
    "stage": "pilot",
    "version": "1.1.0",
    "verdict": "promote",
    "is_manual": True,
    "reason": "all is well",
    "decided_at": "2030-12-31T08:00:00Z",
    "actor": "ops",
    "approver": None,
    "successes": 3,
    "failures": 0,
    "kept": 2,
    "rollbacks": 0,
    "success_proven": 0.98,
    "rollback_proven": 1,
    "events": 6,
}


def check_decision(data: bytes) -> bool:
    """Claim that a line is no decision, or is the same decision on its own line."""
    try:
        read = record.parse(data)
    except RecordError as error:
        is_told(error)
        return False
    line = record.dump(read)
    assert record.parse(line) == read
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert record.newest([read], stage=read.stage, version=read.version) == read
    assert record.is_passed([read], stage=read.stage, version=read.version) is (
        read.verdict == "promote"
    )
    return True


TARGETS: Final = (
    Target(
        "index",
        check_index,
        json_maker(
            [INDEX, {**INDEX, "entries": _whole_rows("ownership", "sha256", "size", "executable")}],
            WORDS,
            TOKENS,
        ),
        TOKENS,
        lambda n: document.dump({**INDEX, "entries": _rows(n)}),
    ),
    Target(
        "receipt",
        check_receipt,
        json_maker(
            [
                RECEIPT,
                {
                    **RECEIPT,
                    "entries": _whole_rows("ownership", "sha256", "git_blob", "size", "executable"),
                },
            ],
            WORDS,
            TOKENS,
        ),
        TOKENS,
        lambda n: document.dump(
            {**RECEIPT, "entries": [{**row, "ownership": "seed", "git_blob": BLOB} for row in _rows(n)]}
        ),
    ),
    Target(
        "journal",
        check_journal,
        json_maker([JOURNAL], (*WORDS, _IMAGE, "5-a", "rollback", "uninstall"), TOKENS),
        TOKENS,
        lambda n: document.dump(
            {
                **JOURNAL,
                "steps": [
                    {"path": row["path"], "before": None, "after": _IMAGE, "is_edited": True}
                    for row in _rows(n)
                ],
            }
        ),
    ),
    Target(
        "known",
        check_known,
        json_maker([KNOWN], (*WORDS, [HEX], [HEX, HEX]), TOKENS),
        TOKENS,
        lambda n: document.dump({**KNOWN, "files": {row["path"]: [HEX] for row in _rows(n)}}),
    ),
    Target(
        "deny-list",
        check_deny_list,
        json_maker([DENIED], (*WORDS, _LONG_REASON, "general", "v1.1", ["pilot"]), TOKENS),
        TOKENS,
        lambda n: document.dump(
            {**DENIED, "denied": [{**DENIED["denied"][1], "version": f"1.{row}"} for row in range(n)]}
        ),
    ),
    Target(
        "decision", check_decision, json_maker([DECISION], (*WORDS, "hold", 0.5, 1), TOKENS), TOKENS
    ),
)
