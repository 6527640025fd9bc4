"""``agentrail profile-validate``: the profile of a repository, and the schema that it is held to."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime.checks.files import MAX_SIZE
from agentrail_runtime.checks.profile_rule import SCHEMA_PATH
from tests.crash.hostile import ODD, bounded, replace
from tests.support import PAYLOAD, Run, agentrail, git, install, make_repo, write

PROFILE = "project.profile.yaml"
SCHEMA: dict[str, Any] = json.loads((PAYLOAD / SCHEMA_PATH).read_bytes())
MINOR = {"schema_version": "2.1.0", "supported_profile_schema_versions": ["2.0.0", "2.1.0"]}
OWN = {"schema_version": "9.0.0", "supported_profile_schema_versions": ["9.0.0"], "required_keys": []}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A framework repository: the profile and the schema, in one commit."""
    shipped = {path: (PAYLOAD / path).read_bytes() for path in (PROFILE, SCHEMA_PATH)}
    return make_repo(tmp_path / "repo", shipped)


def validate(root: Path, *words: str | Path) -> Run:
    return agentrail("profile-validate", *words, root)


def places(run: Run) -> list[tuple[str, str, int]]:
    assert run.err == ""
    (result,) = run.json["results"]
    return [(f["rule_id"], f["path"], f["line"]) for f in result["findings"]]


def change(root: Path, **values: Any) -> None:
    """Change the schema in the working tree."""
    write(root, {SCHEMA_PATH: json.dumps({**SCHEMA, **values})})


def refused(run: Run, *told: str) -> None:
    assert (run.code, run.out) == (2, ""), run
    assert "\nhint: " in run.err
    for text in told:
        assert text in run.err


# --- the profile ------------------------------------------------------------------------------------


def test_the_profile_that_is_installed_passes(tmp_path: Path) -> None:
    assert install(tmp_path).code == 0
    assert validate(tmp_path) == (0, "PASS: profile-validate: 0 tasks, 0 findings\n", "")


def test_a_missing_profile_is_a_finding(root: Path) -> None:
    (root / PROFILE).unlink()
    run = validate(root, "--json")
    assert (run.code, places(run)) == (1, [("profile_exists", PROFILE, 1)])


def test_every_problem_is_told_at_once_by_line(root: Path) -> None:
    text = "version: 1\nproject: {name: TODO_SET_ME}\nworkflow: {docs_root: ../x}\nversion: 2\n"
    write(root, {PROFILE: text})
    run = validate(root)
    lines = [line.partition(": profile_required_keys: ")[2] for line in run.out.splitlines()[::2]]
    assert "version: expected once, found on line 1, too" in lines
    assert "expected a real value, found the placeholder TODO_SET_ME" in lines
    assert "workflow.task_root: expected a value, found none" in lines
    assert "version: a forbidden key at the top level (of an older schema)" in lines
    assert run.out.endswith("FAIL: profile-validate: 0 tasks, 16 findings\n")


@pytest.mark.parametrize("kind", ODD)
def test_what_stands_in_the_place_of_the_profile_is_a_finding(root: Path, kind: str) -> None:
    replace(root / PROFILE, ODD[kind])
    with bounded():
        assert places(validate(root, "--json")) == [("profile_required_keys", PROFILE, 1)]


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (1_000_001, "too large (expected at most 1000000 bytes, got 1000001)"),
        (MAX_SIZE, "too large (expected at most 1000000 bytes, got 4194304)"),
        (50_000_000, "expected a file of at most 1 MB, found a larger one"),
    ],
)
def test_a_profile_of_megabytes_is_a_finding(root: Path, size: int, message: str) -> None:
    with (root / PROFILE).open("wb") as file:
        file.truncate(size)
    assert validate(root).out.startswith(f"{PROFILE}:1: profile_required_keys: {message}\n")


# --- another schema ---------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["root", "inside", "absolute"])
def test_another_schema_is_named_from_here_or_from_the_root(
    root: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    write(root, {"inner/own.json": json.dumps({**SCHEMA, **OWN})})
    own = root / "inner/own.json"
    name = {"root": "inner/own.json", "inside": "own.json", "absolute": str(own)}[where]
    monkeypatch.chdir(root / "inner" if where == "inside" else root.parent)
    run = validate(root, "--schema", name, "--json")
    assert places(run) == [("profile_required_keys", PROFILE, 6)]
    assert "expected 9.0.0, found 2.0.0" in run.out


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "own.json: not valid JSON: Expecting property name"),
        (b"[]", "own.json: expected a JSON object"),
        (b"{}", "own.json: required_keys: expected a list"),
        (b"\xff", "own.json: expected UTF-8, found byte 0xff at offset 0"),
    ],
)
def test_a_schema_that_is_none_is_refused(root: Path, content: bytes, told: str) -> None:
    write(root, {"own.json": content})
    refused(validate(root, "--schema", root / "own.json"), told, "name a schema with --schema FILE")
    run = validate(root, "--schema", root / "own.json", "--json")
    assert (run.code, run.json["error"]["paths"]) == (2, ["own.json"])


def test_a_schema_that_is_not_there_is_refused(root: Path) -> None:
    refused(validate(root, "--schema", "gone.json"), "gone.json: no such file in the repository")
    (root / SCHEMA_PATH).unlink()
    assert validate(root).code == 0  # the packaged one will do
    refused(validate(root, "--schema-base", "HEAD"), f"{SCHEMA_PATH}: no such file")


# --- how the schema changed -------------------------------------------------------------------------


def test_a_schema_that_did_not_change_passes(root: Path) -> None:
    assert validate(root, "--schema-base", "HEAD").code == 0


def test_another_layout_of_the_file_is_no_change(root: Path) -> None:
    write(root, {SCHEMA_PATH: "\ufeff" + json.dumps(SCHEMA, indent=8).replace("\n", "\r\n")})
    assert validate(root, "--schema-base", "HEAD").code == 0


@pytest.mark.parametrize(
    ("values", "rule_ids"),
    [
        (MINOR, []),
        ({"forbidden_placeholders": ["X"]}, ["R-001", "R-005"]),
        ({"schema_version": "2.1"}, ["R-002", "R-003"]),
        ({"schema_version": "2.1.0"}, ["R-003"]),
        ({**MINOR, "required_keys": []}, ["R-004"]),
        ({**MINOR, "forbidden_placeholders": ["X"]}, ["R-005"]),
    ],
)
def test_a_change_since_a_revision_is_held_to_the_rules(
    root: Path, values: dict[str, Any], rule_ids: list[str]
) -> None:
    change(root, **values)
    run = validate(root, "--schema-base", "HEAD", "--json")
    assert places(run) == [(rule_id, SCHEMA_PATH, 1) for rule_id in rule_ids]
    assert run.code == (1 if rule_ids else 0)


def test_the_revision_is_the_base_whatever_was_committed_since(root: Path) -> None:
    change(root, **MINOR, required_keys=[])
    git(root, "commit", "-qam", "breaking")
    assert places(validate(root, "--schema-base", "HEAD~1", "--json")) == [("R-004", SCHEMA_PATH, 1)]
    assert validate(root, "--schema-base", "HEAD").code == 0


def test_a_repository_below_the_root_of_its_git_compares_its_own_schema(tmp_path: Path) -> None:
    root = tmp_path / "mono" / "inner"
    shipped = {f"inner/{path}": (PAYLOAD / path).read_bytes() for path in (PROFILE, SCHEMA_PATH)}
    make_repo(tmp_path / "mono", {**shipped, SCHEMA_PATH: "{"})
    change(root, schema_version="2.1.0")
    assert places(validate(root, "--schema-base", "HEAD", "--json")) == [("R-003", SCHEMA_PATH, 1)]


def test_another_schema_is_compared_with_itself(root: Path) -> None:
    write(root, {"own.json": json.dumps({**SCHEMA, **OWN, **MINOR})})
    git(root, "add", "-A")
    git(root, "commit", "-qm", "own")
    write(root, {"own.json": json.dumps({**SCHEMA, **OWN, **MINOR, "schema_id": "x"})})
    run = validate(root, "--schema", root / "own.json", "--schema-base", "HEAD", "--json")
    assert places(run) == [("R-001", "own.json", 1), ("R-004", "own.json", 1)]


def test_a_schema_that_is_new_has_nothing_to_be_compared_with(root: Path) -> None:
    git(root, "rm", "-q", SCHEMA_PATH)
    git(root, "commit", "-qm", "without")
    change(root, schema_id="x")
    assert validate(root, "--schema-base", "HEAD").code == 0


def test_a_schema_that_was_broken_before_is_told_with_its_revision(root: Path) -> None:
    write(root, {SCHEMA_PATH: "{"})
    git(root, "commit", "-qam", "broken")
    change(root)
    refused(
        validate(root, "--schema-base", "HEAD"),
        f"{SCHEMA_PATH} at HEAD: not valid JSON: Expecting",
        "name a revision with a valid schema: --schema-base REV",
    )


@pytest.mark.parametrize("revision", ["", "no-such-branch", "0" * 40, "--help", "HEAD:docs"])
def test_a_revision_that_is_none_is_refused(root: Path, revision: str) -> None:
    refused(validate(root, f"--schema-base={revision}"), f"{revision}: no such revision in ")


def test_without_git_no_revision_can_be_compared_with(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(root))
    refused(validate(root, "--schema-base", "HEAD"), "HEAD: no such revision in ")


def test_a_schema_outside_the_repository_has_no_revisions(root: Path, tmp_path: Path) -> None:
    write(tmp_path, {"own.json": json.dumps(SCHEMA)})
    outside = validate(root, "--schema", tmp_path / "own.json", "--schema-base", "HEAD")
    refused(outside, f"..{os.sep}own.json: not a file of ")
    assert validate(root, "--schema", tmp_path / "own.json").code == 0
