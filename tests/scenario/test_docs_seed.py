"""An install into a repository with documents of its own: the index that it makes lists them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import PAYLOAD, agentrail, install, make_bundle, snapshot, write

INDEX = "docs/INDEX.md"
SHIPPED = (PAYLOAD / INDEX).read_bytes()


@pytest.fixture
def documented(repo: Path) -> Path:
    """A repository with two documents where the index looks, and one elsewhere."""
    write(
        repo,
        {
            "docs/decisions/0001-use-x.md": "# Use X\n",
            "docs/specs/api.md": "Text\n\n# 公開 API\n",
            "docs/guide.md": "no title",
        },
    )
    return repo


def test_the_first_check_of_a_repository_with_documents_passes(documented: Path) -> None:
    assert install(documented).code == 0
    text = (documented / INDEX).read_text(encoding="utf-8")
    assert "## 4. 仕様書 (Specifications)\n- `docs/specs/api.md` - 公開 API\n\n" in text
    assert "## 5. 意思決定記録 (Decisions)\n- `docs/decisions/0001-use-x.md` - Use X\n\n" in text
    assert agentrail("check", "--doc-quality-mode", "fail", documented).code == 0


def test_a_second_run_leaves_the_index_that_the_first_one_made(documented: Path) -> None:
    install(documented)
    before = snapshot(documented, with_state=True)
    write(documented, {"docs/specs/later.md": "# Later\n"})
    assert install(documented, "--json").json["result"] == "unchanged"
    (documented / "docs/specs/later.md").unlink()
    assert snapshot(documented, with_state=True) == before


def test_a_dry_run_tells_of_the_same_index(documented: Path) -> None:
    said = install(documented, "--dry-run", "--diff")
    assert "+- `docs/specs/api.md` - 公開 API" in said.out
    planned = install(documented, "--dry-run", "--json").json["actions"]
    assert install(documented, "--json").json["actions"] == planned


def test_an_uninstall_takes_the_index_away_again(documented: Path) -> None:
    before = snapshot(documented)
    install(documented)
    assert agentrail("uninstall", documented).code == 0
    assert snapshot(documented) == before


def test_an_index_that_is_there_stays_the_users(documented: Path) -> None:
    write(documented, {INDEX: "# My index\n"})
    install(documented)
    assert (documented / INDEX).read_bytes() == b"# My index\n"


def test_a_deleted_index_is_restored_as_it_ships(documented: Path) -> None:
    install(documented)
    (documented / INDEX).unlink()
    install(documented, "--on-conflict", "overwrite")
    assert (documented / INDEX).read_bytes() == SHIPPED


def test_without_documents_the_index_is_the_one_that_ships(repo: Path) -> None:
    install(repo)
    assert (repo / INDEX).read_bytes() == SHIPPED


def test_a_document_that_cannot_be_listed_does_not_keep_the_install_from_working(repo: Path) -> None:
    write(
        repo,
        {"docs/specs/no-title.md": "text", "docs/specs/binary.md": b"\0\1", "docs/specs/a.md": "# A"},
    )
    os.symlink("a.md", repo / "docs/specs/link.md")
    (repo / "docs/specs/directory.md").mkdir()
    assert install(repo).code == 0
    text = (repo / INDEX).read_text(encoding="utf-8")
    assert "## 4. 仕様書 (Specifications)\n- `docs/specs/a.md` - A\n\n" in text


def test_documents_behind_a_symlink_are_not_listed(repo: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", {"a.md": "# A"})
    (repo / "docs").mkdir()
    os.symlink(tmp_path / "elsewhere", repo / "docs/specs")
    write(repo, {"docs/decisions/b.md": "# B"})
    assert install(repo).code == 0
    text = (repo / INDEX).read_text(encoding="utf-8")
    assert "- `docs/decisions/b.md` - B\n" in text
    assert "a.md" not in text


def test_a_bundle_that_owns_its_index_delivers_it_unchanged(documented: Path, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", {INDEX: "# Theirs\n"})
    install(documented, bundle=bundle)
    assert (documented / INDEX).read_bytes() == b"# Theirs\n"
