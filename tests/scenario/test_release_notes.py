"""Release notes from a source tree: printed, written, or refused with everything that is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.scenario.story import agentrail, process
from tests.support import PAYLOAD, git, write

POLICY = "agentrail_runtime/payload/distribution.yaml"
RECEIPT = "agentrail_runtime/receipt.py"
RELEASED = "## 1.1.0 - 2026-12-01\n\n### Added\n\n- Speed.\n\n## 1.0.0 - 2026-11-01\n\n- All of it.\n"
MOVED = 'class Receipt:\n    schema_version: str = "{}"\n'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree whose version 1.0.0 is tagged and whose next is about to be released."""
    root = tmp_path / "tree"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    write(
        root,
        {
            POLICY: (PAYLOAD / "distribution.yaml").read_bytes(),
            RECEIPT: MOVED.format("1.0"),
            "agentrail_runtime/version.py": '__version__: Final = "1.0.0"\n',
        },
    )
    commit(root, "## 1.0.0 - 2026-11-01\n\n- All of it.\n")
    git(root, "tag", "v1.0.0")
    commit(root, RELEASED)
    return root


def commit(root: Path, text: str) -> None:
    write(root, {"CHANGELOG.md": f"# Changelog\n\n{text}"})
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "next")


def test_the_notes_are_printed_as_markdown(tree: Path) -> None:
    run = agentrail("release", "notes", "--version", "1.1.0", "--root", tree)
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith(
        "# agentrail-runtime 1.1.0 (2026-12-01)\n\n## Breaking changes\n\nNone.\n"
    )
    assert "\n## Added\n\n- Speed.\n" in run.out
    assert "\n| >=1.0,<2.0 | >=2.0,<3.0 | >=1.0,<2.0 | >=3.10 |\n" in run.out
    assert "It works until 2027-12-31 and is removed in 2.0.0." in run.out


def test_the_notes_are_those_of_the_package_unless_another_version_is_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    run = agentrail("release", "notes")
    assert run.out.startswith("# agentrail-runtime 1.0.0 (2026-11-01)\n")
    assert run.err == "note: no earlier release was found, so that no schema was compared\n"
    assert "- All of it.\n" in run.out


def test_the_notes_are_written_to_a_file(tree: Path, tmp_path: Path) -> None:
    words = ("release", "notes", "--version", "1.1.0", "--root", tree)
    printed = agentrail(*words).out
    run = agentrail(*words, "--output", tmp_path / "notes.md")
    assert (run.code, run.out) == (0, f"written: {tmp_path / 'notes.md'}\n")
    assert (tmp_path / "notes.md").read_bytes().decode() == printed
    assert agentrail(*words, "--quiet", "--output", tmp_path / "notes.md").out == ""
    run = agentrail(*words, "--output", tmp_path / "no" / "notes.md")
    assert (run.code, "cannot be written: No such file" in run.err) == (2, True)


def test_a_check_writes_nothing(tree: Path, tmp_path: Path) -> None:
    run = agentrail(
        *("release", "notes", "--version", "1.1.0", "--root", tree),
        *("--check", "--output", tmp_path / "notes.md"),
    )
    assert (run.code, run.out) == (0, "1.1.0: complete\n")
    assert not (tmp_path / "notes.md").exists()


def test_the_json_holds_all_of_it(tree: Path) -> None:
    write(tree, {RECEIPT: MOVED.format("1.1")})
    commit(tree, RELEASED.replace("- Speed", "- **Breaking:** receipt 1.1"))
    run = agentrail("release", "notes", "--version", "1.1.0", "--root", tree, "--json")
    value = run.json
    assert (value["schema_version"], value["command"], value["error"]) == ("1.0", "release notes", None)
    assert (value["version"], value["since"]) == ("1.1.0", "v1.0.0")
    assert value["breaking"] == ["- **Breaking:** receipt 1.1."]
    assert value["schemas"]["policy"] == {"version": "1.0", "path": POLICY}
    (moved,) = value["moved"]
    assert (moved["before"], moved["after"], moved["breaking"]) == ("1.0", "1.1", False)
    assert value["compatibility"][0]["python"] == ">=3.10"
    assert value["markdown"].startswith("# agentrail-runtime 1.1.0")


def test_a_version_without_a_section_is_refused(tree: Path) -> None:
    run = agentrail("release", "notes", "--version", "1.2.0", "--root", tree)
    assert (run.code, run.out) == (1, "")
    assert run.err.startswith("CHANGELOG.md: no section of 1.2.0 (expected '## 1.2.0 - YYYY-MM-DD'")
    assert "\nhint: tell it in CHANGELOG.md" in run.err
    run = agentrail("release", "notes", "--version", "1.2.0", "--root", tree, "--json", "--check")
    assert (run.code, run.json["command"]) == (1, "release notes")
    assert run.json["error"]["paths"] == ["CHANGELOG.md"]


def test_a_schema_that_moved_needs_a_major_version_and_an_entry(tree: Path) -> None:
    write(tree, {RECEIPT: MOVED.format("2.0")})
    words = ("release", "notes", "--root", tree, "--version")
    run = agentrail(*words, "1.1.0")
    assert run.code == 1
    said = "the receipt schema moved from 1.0 to 2.0 without"
    assert (
        f"{RECEIPT}: {said} a major version (expected a higher one than 1.0.0's, got 1.1.0)" in run.err
    )
    assert f"CHANGELOG.md: {said} an entry" in run.err
    told = "- **Breaking:** the receipt has schema 2.0"
    commit(tree, RELEASED.replace("- Speed", told))
    assert f"{said} an entry" not in agentrail(*words, "1.1.0").err
    commit(tree, RELEASED.replace("1.1.0", "2.0.0").replace("- Speed", told))
    policy = (
        (tree / POLICY).read_text(encoding="utf-8").replace('">=1.0,<2.0", profile', '">=1.0", profile')
    )
    write(tree, {POLICY: policy})
    assert agentrail(*words, "2.0.0").code == 0


def test_what_is_not_released_is_told_what_the_next_release_needs(tree: Path) -> None:
    write(tree, {RECEIPT: MOVED.format("2.0")})
    commit(tree, f"## Unreleased\n\n- receipt 2.0\n\n{RELEASED}")
    run = agentrail("release", "notes", "--version", "unreleased", "--root", tree)
    assert run.code == 0
    assert run.out.startswith("# agentrail-runtime Unreleased\n")
    said = "the receipt schema moved from 1.0 to 2.0 since v1.0.0: the next release needs a new major"
    assert f"note: {said} version\n" in run.err


def since(tree: Path, version: str, *words: str) -> str | None:
    """Return the revision that the schemas of a version are compared with."""
    run = agentrail("release", "notes", "--version", version, "--root", tree, "--json", *words)
    found: str | None = run.json["since"]
    return found


def test_the_release_before_is_the_last_tag_of_one(tree: Path) -> None:
    for tag in ("v1.1.0rc1", "v1.1.0", "v1.0.1", "vnext", "1.0.9"):
        git(tree, "tag", tag)
    git(tree, "checkout", "-q", "-b", "aside")
    git(tree, "commit", "-q", "--allow-empty", "-m", "aside")
    git(tree, "tag", "v1.0.5")
    git(tree, "checkout", "-q", "main")
    assert since(tree, "1.1.0") == "v1.0.1"
    commit(tree, RELEASED + "\n## 1.1.0rc2\n- x\n\n## Unreleased\n- y\n")
    assert since(tree, "1.1.0rc2") == "v1.1.0rc1"
    assert since(tree, "Unreleased") == "v1.1.0"
    assert since(tree, "1.0.0") is None
    assert since(tree, "1.1.0", "--since", "v1.0.0") == "v1.0.0"
    assert since(tree, "1.1.0", "--since", "main") == "main"


def test_the_version_of_a_revision_without_a_number_is_read_from_its_sources(tree: Path) -> None:
    write(tree, {RECEIPT: MOVED.format("2.0")})
    words = ("release", "notes", "--version", "1.1.0", "--root", tree, "--since")
    assert "expected a higher one than 1.0.0's, got 1.1.0" in agentrail(*words, "HEAD").err
    git(tree, "rm", "-q", "agentrail_runtime/version.py")
    commit(tree, RELEASED.replace("Speed", "receipt 2.0"))
    git(tree, "tag", "bare")
    run = agentrail(*words, "bare")
    assert (run.code, run.err) == (0, "note: bare: its version is not known, so none was compared\n")


@pytest.mark.parametrize("revision", ["nothing", "--help", "v9", ":", "HEAD^{tree}"])
def test_a_revision_that_is_not_there_is_refused(tree: Path, revision: str) -> None:
    run = agentrail("release", "notes", "--version", "1.1.0", "--root", tree, f"--since={revision}")
    assert run.code == 2
    assert run.err.startswith(f"{revision}: no such revision in ")


def test_a_revision_whose_schemas_cannot_be_read_is_named(tree: Path) -> None:
    write(tree, {RECEIPT: "class Receipt: pass\n"})
    commit(tree, RELEASED)
    write(tree, {RECEIPT: MOVED.format("1.0")})
    run = agentrail("release", "notes", "--version", "1.1.0", "--root", tree, "--since", "HEAD")
    assert run.code == 1
    assert run.err.startswith(
        f"{RECEIPT}: no schema_version found (expected the version of the receipt"
    )
    assert "schema), at HEAD\nhint: name a revision of a release: --since REV" in run.err


def test_a_schema_file_that_cannot_be_read_is_named(tree: Path) -> None:
    (tree / RECEIPT).unlink()
    (tree / RECEIPT).mkdir()
    run = agentrail("release", "notes", "--version", "1.1.0", "--root", tree)
    assert run.code == 1
    assert run.err.startswith(f"{RECEIPT}: no schema_version found")


@pytest.mark.parametrize("version", ["", "latest", "1.", "1" * 200])
def test_a_version_that_is_none_is_a_usage_error(tree: Path, version: str) -> None:
    run = agentrail("release", "notes", f"--version={version}", "--root", tree)
    assert run.code == 2
    assert "no version (expected such as 1.1.0, or unreleased)" in run.err


@pytest.mark.parametrize("content", [None, b"\n\xff\n", "directory"])
def test_a_changelog_that_cannot_be_read_is_named(tree: Path, content: bytes | str | None) -> None:
    (tree / "CHANGELOG.md").unlink()
    if content == "directory":
        (tree / "CHANGELOG.md").mkdir()
    elif isinstance(content, bytes):
        (tree / "CHANGELOG.md").write_bytes(content)
    run = agentrail("release", "notes", "--version", "1.1.0", "--root", tree)
    assert run.code == 1
    said = "not UTF-8 (line 2)" if isinstance(content, bytes) else "cannot be read: "
    assert run.err.startswith(f"CHANGELOG.md: {said}")


def test_another_policy_can_be_named_and_a_broken_one_is_refused(tree: Path, tmp_path: Path) -> None:
    text = (tree / POLICY).read_text(encoding="utf-8")
    other = tmp_path / "other.yaml"
    other.write_text(text.replace(">=3.10", ">=3.11"), encoding="utf-8")
    words = ("release", "notes", "--version", "1.1.0", "--root", tree)
    assert "| >=3.11 |" in agentrail(*words, "--policy", other).out
    write(tree, {POLICY: "phase: [\n"})
    run = agentrail(*words)
    assert (run.code, POLICY in run.err.replace(os.sep, "/")) == (1, True)


def test_a_tree_without_git_has_nothing_to_compare_with(tree: Path) -> None:
    shutil.rmtree(tree / ".git")
    run = agentrail("release", "notes", "--version", "1.1.0", "--root", tree)
    assert run.code == 0
    assert run.err == "note: no earlier release was found, so that no schema was compared\n"


def test_the_help_has_examples_and_the_command_runs_as_a_process(tree: Path, tmp_path: Path) -> None:
    run = process("release", "notes", "--help", cwd=tmp_path)
    assert " release notes [OPTIONS]" in run.out
    assert "agentrail release notes --version unreleased --check" in run.out
    run = process("release", "notes", "--version", "1.1.0", "--root", tree, "--check", cwd=tmp_path)
    assert (run.code, run.out) == (0, "1.1.0: complete\n")
