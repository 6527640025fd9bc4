"""Opening a target: its root, and the base texts of a merge wherever they are."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from agentrail_runtime.entry import RelPath
from agentrail_runtime.errors import TargetError
from agentrail_runtime.receipt import Record, load
from agentrail_runtime.session import TargetTexts, locate
from agentrail_runtime.target import Target
from tests.support import PAYLOAD, agentrail, git, install, make_repo, write

RULES = "docs/operations/runtime-framework-rules.md"
RECEIPT = ".agentrail/receipt.json"


def record_of(repo: Path, path: str) -> Record:
    """Return what the receipt says of `path`."""
    return load((repo / RECEIPT).read_bytes()).by_path()[path]


def base(repo: Path, record: Record) -> bytes | None:
    """Return the base text that a merge in `repo` would start from."""
    target = Target(str(repo))
    try:
        return TargetTexts(target).base(record)
    finally:
        target.close()


@pytest.fixture
def committed(repo: Path) -> Path:
    """A repository whose only memory of the delivered texts is a commit."""
    assert install(repo).code == 0
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "agentrail")
    shutil.rmtree(repo / ".agentrail/state")
    return repo


# --- the root --------------------------------------------------------------------------------------


def test_a_directory_within_an_installed_repository_stands_for_it(repo: Path) -> None:
    assert install(repo).code == 0
    assert locate(str(repo / "docs/templates")) == str(repo)
    assert locate(str(repo / "src")) == str(repo)


def test_the_search_for_a_root_ends_at_a_repository(repo: Path) -> None:
    assert install(repo).code == 0
    inner = make_repo(repo / "vendor/inner", {"src/x": "x"})
    assert locate(str(inner / "src")) == str(inner / "src")


def test_a_hot_journal_marks_a_root_as_a_receipt_does(tmp_path: Path) -> None:
    write(tmp_path, {".agentrail/state/journal": "{}", "deep/er/x": "x"})
    assert locate(str(tmp_path / "deep/er")) == str(tmp_path)


def test_a_target_that_is_not_there_is_not_searched_for_above(repo: Path) -> None:
    assert install(repo).code == 0
    assert locate(str(repo / "new/one")) == str(repo / "new/one")


def test_a_root_without_any_mark_is_the_directory_itself(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert locate(str(tmp_path / "plain")) == str(tmp_path / "plain")
    assert locate("/") == "/"


@pytest.mark.parametrize("path", [".git", ".git/hooks", ".git/new"])
def test_gits_own_directory_is_no_target(repo: Path, path: str) -> None:
    with pytest.raises(TargetError, match="lies in git's own directory"):
        locate(str(repo / path))


# --- the base of a merge ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", [RULES, "AGENTS.md"])
def test_the_base_is_found_in_git_by_its_blob(committed: Path, path: str) -> None:
    delivered = (PAYLOAD / path).read_bytes()
    found = base(committed, record_of(committed, path))
    assert found is not None
    assert found.strip() in delivered


def test_the_base_is_found_in_the_stash_where_git_has_none(tmp_path: Path) -> None:
    assert install(tmp_path / "repo").code == 0
    found = base(tmp_path / "repo", record_of(tmp_path / "repo", RULES))
    assert found == (PAYLOAD / RULES).read_bytes()


def test_a_base_that_was_committed_with_crlf_is_found(repo: Path) -> None:
    assert install(repo).code == 0
    text = (repo / RULES).read_bytes()
    write(repo, {RULES: text.replace(b"\n", b"\r\n")})
    git(repo, "-c", "core.autocrlf=true", "add", "-A")
    git(repo, "commit", "-q", "-m", "agentrail")
    shutil.rmtree(repo / ".agentrail/state")
    assert base(repo, record_of(repo, RULES)) == text


def test_a_blob_that_is_not_what_the_receipt_says_is_no_base(committed: Path) -> None:
    other = git(committed, "rev-parse", "HEAD:README.md").strip()
    assert base(committed, record_of(committed, RULES)._replace(git_blob=other)) is None
    assert base(committed, record_of(committed, "AGENTS.md")._replace(git_blob=other)) is None


def test_a_blob_whose_markers_are_doubled_is_no_base(committed: Path) -> None:
    write(committed, {"AGENTS.md": (committed / "AGENTS.md").read_bytes() * 2})
    blob_id = git(committed, "hash-object", "-w", "AGENTS.md").strip()
    assert base(committed, record_of(committed, "AGENTS.md")._replace(git_blob=blob_id)) is None


def test_what_was_never_delivered_has_no_base(committed: Path) -> None:
    record = record_of(committed, RULES)._replace(sha256=None, git_blob=None)
    assert base(committed, record) is None


@pytest.mark.parametrize("damage", ["removed", "emptied", "altered", "a directory"])
def test_a_damaged_stash_has_no_base_and_breaks_nothing(tmp_path: Path, damage: str) -> None:
    repo = tmp_path / "repo"
    assert install(repo).code == 0
    delivered = next((repo / ".agentrail/state/stash").glob("*/delivered"))
    if damage == "altered":
        delivered.write_bytes(delivered.read_bytes().swapcase())
    elif damage == "emptied":
        os.truncate(delivered, 0)
    else:
        delivered.unlink()
        if damage == "a directory":
            delivered.mkdir()
    assert base(repo, record_of(repo, RULES)) is None
    assert agentrail("verify", repo).code == 0


def test_a_digest_that_no_transaction_delivered_has_no_base(tmp_path: Path) -> None:
    assert install(tmp_path / "repo").code == 0
    record = record_of(tmp_path / "repo", RULES)._replace(sha256="0" * 64)
    assert base(tmp_path / "repo", record) is None


def test_offsets_that_point_nowhere_have_no_base(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    assert install(repo).code == 0
    path = next((repo / ".agentrail/state/stash").glob("*/record"))
    value = json.loads(path.read_bytes())
    for row in value["deliveries"]:
        row["offset"] = 10**9
    path.write_text(json.dumps(value))
    assert base(repo, record_of(repo, RULES)) is None


def test_a_bundle_is_needed_only_for_what_comes_in(tmp_path: Path) -> None:
    write(tmp_path, {"x": "text"})
    assert TargetTexts(Target(str(tmp_path))).current(RelPath("x")) == b"text"
