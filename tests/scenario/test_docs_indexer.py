"""``agentrail docs-indexer``: what it writes, what it leaves alone, and what it refuses."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime.entry import RelPath
from agentrail_runtime.errors import UnsafePathError
from agentrail_runtime.operation import docs as docs_
from agentrail_runtime.session import Session
from agentrail_runtime.target import Target
from tests.crash.hostile import ODD, as_it_was, bounded, replace, untouched
from tests.crash.support import FaultyOs, error, interrupt, struck
from tests.support import Run, agentrail, install, snapshot, write

INDEX = "docs/INDEX.md"
SPEC = "docs/specs/audit.md"
ENTRY = f"- `{SPEC}` - 監査の記録"
EMPTY = "## 4. 仕様書 (Specifications)\n- （未登録）\n"
FILLED = f"## 4. 仕様書 (Specifications)\n{ENTRY}\n"
SECTIONS = (
    "\n## 3. テンプレート (Templates)\n- （未登録）\n"
    "\n## 4. 仕様書 (Specifications)\n- （未登録）\n"
    "\n## 5. 意思決定記録 (Decisions)\n- （未登録）\n"
    "\n## 6. 調査記録 (Investigations)\n- （未登録）\n"
    "\n## 7. 運用手順・管理 (Operations)\n- （未登録）\n\n"
)


@pytest.fixture(autouse=True)
def _quick_and_never_hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no power fails here
    with bounded():
        yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small repository with an index and one document that it does not list."""
    write(tmp_path / "repo", {"project.profile.yaml": "", INDEX: f"# Mine\n{SECTIONS}"})
    write(tmp_path / "repo", {SPEC: "# 監査の記録\n"})
    return tmp_path / "repo"


def apply(root: Path, *words: str) -> Run:
    return agentrail("docs-indexer", "--mode", "apply", *words, root)


def check(root: Path) -> Run:
    return agentrail("docs-indexer", "--mode", "check", root)


def text(root: Path) -> str:
    return (root / INDEX).read_bytes().decode()


def places(run: Run) -> list[tuple[str, str, int]]:
    return [
        (finding["rule_id"], finding["path"], finding["line"])
        for result in run.json["results"]
        for finding in result["findings"]
    ]


# --- apply ------------------------------------------------------------------------------------------


def test_apply_mends_what_check_finds(root: Path) -> None:
    assert check(root).code == 1
    said = f"written: {INDEX}\nPASS: docs-indexer: 0 tasks, 0 findings\n"
    assert apply(root) == (0, said, "")
    assert text(root) == f"# Mine\n{SECTIONS}".replace(EMPTY, FILLED)
    assert check(root) == (0, "PASS: docs-indexer: 0 tasks, 0 findings\n", "")


def test_check_is_what_it_does_unless_told_otherwise_and_it_writes_nothing(root: Path) -> None:
    with untouched(root):
        assert agentrail("docs-indexer", root) == check(root)


def test_applying_again_writes_nothing(root: Path) -> None:
    apply(root)
    with untouched(root):
        assert apply(root) == (0, "PASS: docs-indexer: 0 tasks, 0 findings\n", "")


def test_nothing_but_the_index_is_written(root: Path) -> None:
    before = snapshot(root, with_state=True)
    apply(root)
    after = snapshot(root, with_state=True)
    assert {path for path in before | after if before.get(path) != after.get(path)} == {INDEX}


def test_what_is_written_has_the_mode_of_the_file(root: Path) -> None:
    (root / INDEX).chmod(0o640)
    apply(root)
    assert stat.S_IMODE((root / INDEX).stat().st_mode) == 0o640


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_ends_and_a_byte_order_mark_are_kept(root: Path, mark: bytes, end: bytes) -> None:
    old = mark + f"# Mine\n{SECTIONS}".encode().replace(b"\n", end)
    (root / INDEX).write_bytes(old)
    assert apply(root).code == 0
    new = old.replace(EMPTY.encode().replace(b"\n", end), FILLED.encode().replace(b"\n", end))
    assert (root / INDEX).read_bytes() == new


def test_a_missing_index_is_made_with_what_is_above_it(tmp_path: Path) -> None:
    write(tmp_path, {"project.profile.yaml": "workflow: {docs_root: a/b/docs}\n"})
    assert apply(tmp_path, "-q") == (0, "", "")
    made = (tmp_path / "a/b/docs/INDEX.md").read_text(encoding="utf-8")
    assert made == f"# ドキュメント索引 (Documentation Index)\n{SECTIONS}"
    assert check(tmp_path).code == 0


def test_the_docs_root_of_the_profile_is_indexed(root: Path) -> None:
    (root / "project.profile.yaml").write_text("workflow: {docs_root: papers/}\n")
    (root / "docs").rename(root / "papers")
    run = apply(root)
    assert (run.code, run.out.splitlines()[0]) == (0, "written: papers/INDEX.md")
    assert "- `papers/specs/audit.md` - " in (root / "papers/INDEX.md").read_text(encoding="utf-8")
    assert not (root / "docs").exists()


def test_an_index_as_it_is_installed_keeps_its_text(tmp_path: Path) -> None:
    assert install(tmp_path).code == 0
    before = text(tmp_path)
    write(tmp_path, {SPEC: "# 監査の記録\n"})
    assert apply(tmp_path).code == 0
    assert text(tmp_path) == before.replace(EMPTY, FILLED)


def test_json_is_one_document_when_something_was_written_too(root: Path) -> None:
    run = apply(root, "--json")
    assert (run.json["command"], run.json["status"], run.err) == ("docs-indexer", "PASS", "")


def test_it_works_where_no_profile_says_where_the_documents_are(root: Path) -> None:
    (root / "project.profile.yaml").unlink()
    (root / ".git").mkdir()
    assert apply(root).code == 0
    assert ENTRY in text(root)


def test_a_profile_within_an_installed_repository_is_not_taken_for_it(tmp_path: Path) -> None:
    assert install(tmp_path).code == 0
    write(tmp_path, {"inner/project.profile.yaml": "", f"inner/{SPEC}": "# 監査の記録\n"})
    with untouched(tmp_path / "docs"):
        assert apply(tmp_path / "inner").code == 0
    assert ENTRY in text(tmp_path / "inner")


# --- what cannot be listed --------------------------------------------------------------------------

UNLISTABLE: dict[str, tuple[str, bytes, str]] = {
    "no title": ("specs/a.md", b"text\n", "docs_title_present"),
    "a doubled name": ("decisions/audit.md", b"# Other\n", "docs_name_unique"),
    "no UTF-8": ("specs/a.md", b"\xff", "file_readable"),
    "a backtick": ("specs/a`b.md", b"# T\n", "docs_index_in_sync"),
    "a line end": ("specs/a\nb.md", b"# T\n", "docs_index_in_sync"),
    "a name of no UTF-8": ("specs/a\udcff.md", b"# T\n", "docs_index_in_sync"),
}


@pytest.mark.parametrize("name", UNLISTABLE)
def test_a_document_that_cannot_be_listed_is_found_and_nothing_is_written(
    root: Path, name: str
) -> None:
    path, content, rule_id = UNLISTABLE[name]
    write(root, {f"docs/{path}": content})
    with untouched(root):
        run = apply(root, "--json")
    shown = f"docs/{path}".replace("\udcff", "\\xff")
    assert (run.code, places(run)) == (1, [(rule_id, shown, 1)])


@pytest.mark.parametrize("kind", ODD)
def test_what_stands_in_the_place_of_a_document_is_found_or_no_document(root: Path, kind: str) -> None:
    ODD[kind](root / "docs/specs/b.md")
    run = apply(root, "--json")
    expected = [] if kind == "a directory" else [("file_readable", "docs/specs/b.md", 1)]
    assert places(run) == expected


@pytest.mark.parametrize("kind", ODD)
def test_what_stands_in_the_place_of_the_index_is_found(root: Path, kind: str) -> None:
    replace(root / INDEX, ODD[kind])
    for words in ((), ("--mode", "apply")):
        run = agentrail("docs-indexer", *words, "--json", root)
        assert (run.code, places(run)) == (1, [("file_readable", INDEX, 1)])


@pytest.mark.parametrize("target", ["specs", "nowhere", "../a-file"])
def test_a_directory_that_cannot_be_listed_never_empties_its_section(root: Path, target: str) -> None:
    apply(root)
    write(root, {"a-file": ""})
    (root / "docs/specs").rename(root / "moved")
    (root / "docs/specs").symlink_to(target)
    for words in ((), ("--mode", "apply")):
        run = agentrail("docs-indexer", *words, "--json", root)
        assert (run.code, places(run)) == (1, [("file_readable", "docs/specs", 1)])
    assert ENTRY in text(root)


@pytest.mark.parametrize("opening", ["```\n", "<!--\n"])
def test_an_index_that_hides_what_is_added_is_found_and_left_as_it_is(root: Path, opening: str) -> None:
    (root / INDEX).write_text(f"# Mine\n\n{opening}")
    with untouched(root):
        run = apply(root, "--json")
    assert (run.code, len(places(run))) == (1, 5)


def test_a_section_that_stands_twice_is_found_and_left_to_the_user(root: Path) -> None:
    (root / INDEX).write_text(f"# Mine\n{SECTIONS}{EMPTY}\n", encoding="utf-8")
    with untouched(root):
        run = apply(root, "--json")
    assert (run.code, places(run)) == (1, [("docs_index_in_sync", INDEX, 18)])


# --- what is not ours to write ----------------------------------------------------------------------


def refused(run: Run, text: str) -> None:
    assert (run.code, run.out, text in run.err) == (1, "", True), run
    assert "\nhint: " in run.err


def test_a_linked_docs_directory_is_checked_but_never_written_through(
    root: Path, tmp_path: Path
) -> None:
    (root / "docs").rename(tmp_path / "outside")
    (root / "docs").symlink_to(tmp_path / "outside")
    assert check(root).code == 1
    with untouched(tmp_path / "outside"), as_it_was(root):
        refused(apply(root), "docs: is a symlink")


def test_a_linked_index_is_checked_but_never_written_through(root: Path, tmp_path: Path) -> None:
    (root / INDEX).rename(tmp_path / "index")
    (root / INDEX).symlink_to(tmp_path / "index")
    with as_it_was(root):
        refused(apply(root), "docs/INDEX.md: is not a plain file")
    assert ENTRY not in (tmp_path / "index").read_text(encoding="utf-8")


def test_a_docs_root_that_is_a_file_is_found(root: Path) -> None:
    (root / "project.profile.yaml").write_text("workflow: {docs_root: README}\n")
    write(root, {"README": "text"})
    run = apply(root, "--json")
    assert (run.code, {rule for rule, _, _ in places(run)}) == (1, {"file_readable"})


def test_a_file_that_an_interrupted_run_left_is_taken_away(root: Path) -> None:
    write(root, {"docs/.INDEX.md.new": "half"})
    assert apply(root).code == 0
    assert sorted(os.listdir(root / "docs")) == ["INDEX.md", "specs"]


def test_a_directory_in_the_way_is_told(root: Path) -> None:
    (root / "docs/.INDEX.md.new").mkdir()
    with as_it_was(root):
        refused(apply(root), "cannot be written")


def writes(root: Path) -> list[str]:
    faults = FaultyOs()
    with struck(faults):
        assert apply(root).code == 0
    return faults.calls


@pytest.mark.parametrize("strike", [error(errno.ENOSPC), interrupt])
def test_an_index_is_the_old_or_the_new_one_whatever_fails(root: Path, strike: Any) -> None:
    old = text(root)
    count = len(writes(root))
    new = text(root)
    for at in range(1, count + 1):
        (root / INDEX).write_text(old, encoding="utf-8")
        with struck(FaultyOs(at, strike)):
            code = apply(root).code
        assert text(root) in (old, new)
        assert code in (0, 1, 130)
        assert text(root) == new or code != 0
        assert sorted(os.listdir(root / "docs")) == ["INDEX.md", "specs"]


# --- two at once ------------------------------------------------------------------------------------


def test_a_document_that_appears_before_the_lock_is_held_is_listed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late() -> None:
        write(root, {"docs/specs/b.md": "# B\n"})

    before_the_lock(monkeypatch, late)
    assert apply(root).code == 0
    assert f"{ENTRY}\n- `docs/specs/b.md` - B\n" in text(root)


def test_a_document_without_a_title_that_appears_meanwhile_is_found(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = text(root)
    before_the_lock(monkeypatch, lambda: write(root, {"docs/specs/b.md": "text"}))
    run = apply(root, "--json")
    assert (run.code, places(run)) == (1, [("docs_title_present", "docs/specs/b.md", 1)])
    assert text(root) == old


def test_what_another_run_wrote_meanwhile_is_not_written_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = text(root).replace(EMPTY, FILLED)
    before_the_lock(monkeypatch, lambda: (root / INDEX).write_text(new, encoding="utf-8"))
    assert apply(root).out == "PASS: docs-indexer: 0 tasks, 0 findings\n"


def before_the_lock(monkeypatch: pytest.MonkeyPatch, happen: Any) -> None:
    """Let something happen between the look at the documents and the lock."""

    def session(*arguments: Any) -> Session:
        happen()
        return Session(*arguments)

    monkeypatch.setattr(docs_, "Session", session)


# --- the one file that is rewritten -----------------------------------------------------------------


@pytest.mark.parametrize("use_dir_fd", [True, False])
def test_a_file_is_rewritten_or_made_in_both_ways(tmp_path: Path, use_dir_fd: bool) -> None:
    target = Target(str(tmp_path), use_dir_fd=use_dir_fd)
    for path in ("a", "docs/b"):
        (tmp_path / "docs").mkdir(exist_ok=True)
        target.rewrite(RelPath(path), b"one")
        target.rewrite(RelPath(path), b"two")
        assert (tmp_path / path).read_bytes() == b"two"
    target.close()
    assert sorted(os.listdir(tmp_path)) == ["a", "docs"]
    assert os.listdir(tmp_path / "docs") == ["b"]


@pytest.mark.parametrize("kind", ["a directory", "a link", "a link above", "a file above"])
def test_nothing_but_a_plain_file_is_rewritten(tmp_path: Path, kind: str) -> None:
    write(tmp_path, {"outside/a": "kept"})
    path = tmp_path / "root" / "a"
    path.parent.mkdir()
    if kind == "a directory":
        path.mkdir()
    elif kind == "a file above":
        path.write_text("kept")
    else:
        path.symlink_to("../outside/a" if kind == "a link" else "../outside")
    name = RelPath("a/a" if "above" in kind else "a")
    with untouched(tmp_path), pytest.raises(UnsafePathError):
        Target(str(tmp_path / "root")).rewrite(name, b"new")
