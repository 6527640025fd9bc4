"""What a CI job reads: one JSON document on stdout, with the same keys whatever happens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.scenario.story import (
    ACTION_KEYS,
    ERROR_KEYS,
    GUIDE,
    KEYS,
    MINE,
    RIVAL,
    SOURCE_KEYS,
    SUMMARY_KEYS,
    agentrail,
    guide,
    install,
    process,
)
from tests.support import Run, write

RESULTS = {"applied", "unchanged", "planned", "conflict", "failed"}


def check(document: Any, command: str, target: Path) -> None:
    """Make sure that `document` has the documented keys and speaks of `command` on `target`."""
    assert set(document) == KEYS
    assert document["schema_version"] == "1.0"
    assert (document["command"], document["target"]) == (command, str(target))
    assert document["result"] in RESULTS
    assert set(document["summary"]) == SUMMARY_KEYS
    assert document["source"] is None or set(document["source"]) == SOURCE_KEYS
    assert document["error"] is None or set(document["error"]) == ERROR_KEYS
    assert all(set(row) == ACTION_KEYS for row in document["actions"])
    counts = dict.fromkeys(SUMMARY_KEYS, 0)
    for row in document["actions"]:
        counts[row["action"]] += 1
    assert document["summary"] == counts


SUCCESSES = {
    "install": lambda repo: install(repo, "--json"),
    "install again": lambda repo: install(repo, "--json"),
    "install --dry-run": lambda repo: install(repo, "--json", "--dry-run"),
    "install --check": lambda repo: install(repo, "--json", "--check"),
    "status": lambda repo: agentrail("status", "--json", repo),
    "verify": lambda repo: agentrail("verify", "--json", repo),
    "rollback": lambda repo: agentrail("rollback", "--json", repo),
    "rollback --dry-run": lambda repo: agentrail("rollback", "--json", "--dry-run", repo),
    "uninstall": lambda repo: agentrail("uninstall", "--json", repo),
    "uninstall --dry-run": lambda repo: agentrail("uninstall", "--json", "--dry-run", repo),
}


@pytest.mark.parametrize("story", SUCCESSES)
def test_a_success_has_exactly_the_documented_keys(repo: Path, story: str) -> None:
    if story != "install":
        install(repo)
    run = SUCCESSES[story](repo)
    assert (run.code, run.err) == (0, "")
    check(run.json, story.split()[0], repo)
    assert run.json["error"] is None


def test_format_json_is_the_same_as_json(repo: Path) -> None:
    install(repo)
    assert agentrail("verify", "--format", "json", repo) == agentrail("verify", "--json", repo)
    assert agentrail("verify", "--format=json", repo) == agentrail("verify", "--json", repo)


def test_an_install_tells_source_versions_and_transaction(repo: Path) -> None:
    first, second = install(repo, "--json").json, install(repo, "--json").json
    assert (first["result"], first["changed"], first["previous_version"]) == ("applied", True, None)
    assert (second["result"], second["changed"], second["previous_version"]) == (
        "unchanged",
        False,
        "1.0.0",
    )
    assert first["source"]["kind"] == first["source"]["requested"].replace("auto", "package")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", first["source"]["digest"])
    assert first["source"]["integrity"] == "verified"
    assert first["source"]["signature"] == "absent"
    assert first["source"]["fallback_reason"] is None
    assert first["task_root"] == ".agentrail/work"
    assert (
        first["transaction"]
        == agentrail("rollback", "--list", "--json", repo).json["transactions"][0]["transaction"]
    )
    assert second["transaction"] is None


def conflict(repo: Path, tmp_path: Path) -> Run:
    write(repo, {"docs/templates/spec.md": "mine\n"})
    return install(repo, "--json")


def drift(repo: Path, tmp_path: Path) -> Run:
    install(repo)
    write(repo, {"docs/templates/spec.md": "mine\n"})
    return agentrail("verify", "--json", repo)


def absent_source(repo: Path, tmp_path: Path) -> Run:
    return install(repo, "--json", bundle=tmp_path / "nothing")


def downgrade(repo: Path, tmp_path: Path) -> Run:
    install(repo, bundle=guide(tmp_path / "v2", MINE, "1.1.0"))
    return install(repo, "--json", bundle=guide(tmp_path / "v1", MINE, "1.0.0"))


def edited_since(repo: Path, tmp_path: Path) -> Run:
    install(repo)
    write(repo, {"docs/templates/spec.md": "mine\n"})
    return agentrail("rollback", "--json", repo)


def bad_receipt(repo: Path, tmp_path: Path) -> Run:
    write(repo, {".agentrail/receipt.json": "{"})
    return agentrail("status", "--json", repo)


FAILURES = [
    ("install", 3, "ConflictError", conflict),
    ("install", 5, "IncompatibleError", downgrade),
    ("install", 6, "SourceError", absent_source),
    ("verify", 4, "DriftError", drift),
    ("verify", 1, "NotInstalledError", lambda repo, _: agentrail("verify", "--json", repo)),
    ("status", 1, "NotInstalledError", lambda repo, _: agentrail("status", "--json", repo)),
    ("status", 1, "ReceiptError", bad_receipt),
    ("rollback", 3, "ConflictError", edited_since),
    ("rollback", 1, "HistoryError", lambda repo, _: agentrail("rollback", "--json", repo)),
    ("uninstall", 1, "NotInstalledError", lambda repo, _: agentrail("uninstall", "--json", repo)),
]


@pytest.mark.parametrize(("command", "code", "kind", "story"), FAILURES)
def test_a_failure_has_exactly_the_documented_keys(
    repo: Path, tmp_path: Path, command: str, code: int, kind: str, story: Any
) -> None:
    run = story(repo, tmp_path)
    document = run.json
    assert run.code == code
    assert (document["error"]["code"], document["error"]["type"]) == (code, kind)
    assert document["changed"] is False
    assert document["result"] == ("conflict" if kind == "ConflictError" else "failed")
    check(document, command, repo)


def test_a_failure_names_paths_and_the_next_command(repo: Path, tmp_path: Path) -> None:
    run = conflict(repo, tmp_path)
    error = run.json["error"]
    assert error["paths"] == ["docs/templates/spec.md"]
    assert error["message"] == "docs/templates/spec.md: conflict: not installed by agentrail"
    assert "--on-conflict keep" in error["hint"]
    assert error["message"] in run.err
    assert f"hint: {error['hint']}" in run.err


def test_a_conflict_lists_the_other_files_too(repo: Path, tmp_path: Path) -> None:
    document = conflict(repo, tmp_path).json
    assert document["summary"]["conflict"] == 1
    assert len(document["actions"]) == 41


USAGE = [
    ("install", ["install", "--json"]),
    ("install", ["install", "--json", "--nonsense", "."]),
    ("install", ["install", "--format", "json", "--on-conflict", "maybe", "."]),
    ("status", ["status", "--json", "--nonsense"]),
    ("verify", ["verify", "--json", "a", "b"]),
    ("rollback", ["rollback", "--format=json", "--to"]),
    ("uninstall", ["uninstall", "--json"]),
]


@pytest.mark.parametrize(("command", "words"), USAGE)
def test_a_usage_error_is_a_document_as_well(command: str, words: list[str]) -> None:
    run = agentrail(*words)
    assert run.code == 2
    assert set(run.json) == KEYS
    assert (run.json["command"], run.json["result"]) == (command, "failed")
    assert set(run.json["error"]) == ERROR_KEYS
    assert (run.json["error"]["code"], run.json["error"]["type"]) == (2, "UsageError")


def test_agentrail_install_fails_under_the_name_of_the_command(tmp_path: Path) -> None:
    run = install(tmp_path, "--json", "--nonsense")
    assert (run.code, run.json["command"]) == (2, "install")


def test_the_document_is_all_there_is_on_the_stdout_of_a_process(repo: Path) -> None:
    write(repo, {"work/2024-01-01__task/state.json": "{}\n"})
    run = process("install", "--json", repo, cwd=repo.parent)
    check(run.json, "install", repo)
    assert run.out.endswith("}\n")
    assert run.err.startswith("note: work: 1 task record")


def test_a_diff_is_part_of_the_one_document(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    for run in (
        install(repo, "--json", "--diff", bundle=v2),
        agentrail("diff", "--json", "--source", "copy", "--runtime-dir", v2, repo),
    ):
        assert "-five\n+five, next\n" in run.json["diff"]
        assert set(run.json) - {"diff"} == KEYS


def test_japanese_is_readable_in_the_document(tmp_path: Path) -> None:
    target = tmp_path / "日本語"
    run = install(target, "--json")
    assert f'"target": "{target}"' in run.out


def test_quiet_still_gives_the_document(repo: Path) -> None:
    check(install(repo, "--json", "-q").json, "install", repo)


def test_status_lists_what_an_upgrade_would_do(repo: Path, v1: Path, v2: Path, tmp_path: Path) -> None:
    install(repo, bundle=v1)
    document = agentrail("status", "--json", "--source", "copy", "--runtime-dir", v2, repo).json
    assert (document["previous_version"], document["runtime_version"]) == ("1.0.0", "1.1.0")
    assert (document["result"], document["changed"]) == ("planned", True)
    write(repo, {GUIDE: MINE})
    rival = guide(tmp_path / "rival", RIVAL, "1.1.0")
    document = agentrail("status", "--json", "--source", "copy", "--runtime-dir", rival, repo).json
    check(document, "status", repo)
    assert document["result"] == "conflict"


def test_status_with_an_unusable_source_says_why_in_the_document(repo: Path, tmp_path: Path) -> None:
    install(repo)
    run = agentrail("status", "--json", "--source", "copy", "--runtime-dir", tmp_path / "no", repo)
    check(run.json, "status", repo)
    assert run.json["error"]["type"] == "SourceError"
    assert run.json["runtime_version"] == "1.0.0"
