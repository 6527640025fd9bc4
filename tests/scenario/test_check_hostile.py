"""Files that nobody should have put there: a finding each, never a traceback, never a hang."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime.checks.record import REQUIRED
from tests.checks_support import BACKLOG, DOC, IN_PROGRESS, INDEX, ROOT, STATES, at, repository
from tests.crash.hostile import (
    bounded,
    closed,
    make_directory,
    make_fifo,
    make_socket,
    replace,
    without_privileges,
)
from tests.support import Run, agentrail, write

PROFILE = "project.profile.yaml"
SPEC, STATE = at(IN_PROGRESS, "spec.md"), at(IN_PROGRESS, "state.json")
RECORDS = [at(IN_PROGRESS, name) for name in REQUIRED]


@pytest.fixture(autouse=True)
def _never_hanging() -> Iterator[None]:
    with bounded(60):
        yield


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which every check passes, to be copied."""
    root = tmp_path_factory.mktemp("template") / "repo"
    write(root, {path: text for path, text in repository().items() if text is not None})
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    """A repository with a record in every state, in which every check passes."""
    return Path(shutil.copytree(template, tmp_path / "repo"))


def check(root: Path, *words: str) -> Run:
    return agentrail("check", "--json", *words, root)


def found(run: Run) -> dict[tuple[str, str], str]:
    """Return what is told by rule and path, once it is sure that nothing broke."""
    assert (run.code, run.err) == (1, ""), run
    return {
        (finding["rule_id"], finding["path"]): finding["message"].partition("\n")[0]
        for result in run.json["results"]
        for finding in result["findings"]
    }


def test_the_repository_passes_before_anything_is_put_there(root: Path) -> None:
    run = check(root, "--doc-quality-mode", "fail")
    assert (run.code, run.json["task_count"], run.json["warning_count"]) == (0, len(STATES), 0)


# --- in the place of a text -------------------------------------------------------------------------


def make_sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(50_000_000)


CONTENTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a program": (lambda path: path.write_bytes(b"\x7fELF\2\1\1\0"), "found a NUL byte at offset 7"),
    "UTF-16": (lambda path: path.write_bytes("# 仕様".encode("utf-16")), "found a NUL byte"),
    "Shift JIS": (lambda path: path.write_bytes("# 仕様".encode("cp932")), "found byte 0x8e"),
    "half a character": (lambda path: path.write_bytes("仕様".encode()[:-1]), "found byte 0xe6"),
    "50 MB": (make_sparse, "found a larger file"),
    "a FIFO": (make_fifo, "found a special file"),
    "a socket": (make_socket, "found one that cannot be opened"),
    "a directory": (make_directory, "found a directory"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "found one that cannot be opened"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "found a special file"),
}


@pytest.mark.parametrize("path", [*RECORDS, INDEX, DOC, BACKLOG])
@pytest.mark.parametrize("kind", CONTENTS)
def test_what_is_no_text_is_a_finding_about_it(root: Path, path: str, kind: str) -> None:
    make, told = CONTENTS[kind]
    if kind == "a directory" and path in (DOC, BACKLOG):
        pytest.skip("a directory is no document")
    replace(root / path, make)
    assert told in found(check(root))["file_readable", path]


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_profile_that_is_no_text_is_a_finding_about_it(root: Path, kind: str) -> None:
    replace(root / PROFILE, CONTENTS[kind][0])
    assert list(found(check(root))) == [("profile_required_keys", PROFILE)]


@pytest.mark.parametrize("path", RECORDS)
@pytest.mark.parametrize(
    "make",
    [
        lambda path: None,
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\xef\xbb\xbf\r\n \t\n"),
    ],
    ids=["nothing", "a dangling link", "zero bytes", "blanks"],
)
def test_a_missing_or_empty_file_is_a_finding_about_it(
    root: Path, path: str, make: Callable[[Path], object]
) -> None:
    replace(root / path, make)
    assert ("required_files_present", path) in found(check(root))


@pytest.mark.parametrize("path", [*RECORDS, INDEX, DOC, PROFILE])
def test_a_file_that_may_not_be_read_is_a_finding_about_it(root: Path, path: str) -> None:
    with closed(root / path):
        run = without_privileges(lambda: check(root))
    rule_id = "profile_required_keys" if path == PROFILE else "file_readable"
    assert found(run)[rule_id, path].endswith("cannot be opened: Permission denied")


@pytest.mark.parametrize("path", [ROOT, "docs/specs"])
def test_a_directory_that_may_not_be_listed_is_never_taken_for_an_empty_one(
    root: Path, path: str
) -> None:
    with closed(root / path):
        run = without_privileges(lambda: check(root))
        records = without_privileges(lambda: agentrail("state-validate", "--all-tasks", "--json", root))
    assert found(run)["file_readable", path].endswith("cannot be read: Permission denied")
    if path == ROOT:
        assert list(found(records)) == [("file_readable", ROOT)]


def test_a_record_that_may_not_be_entered_is_a_finding_about_each_file(root: Path) -> None:
    with closed(root / ROOT / IN_PROGRESS):
        run = without_privileges(lambda: check(root))
    assert {*RECORDS} <= {path for _, path in found(run)}


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text("text"),
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.symlink_to(path.name),
    ],
    ids=["a file", "a dangling link", "a link to itself"],
)
def test_what_stands_in_the_place_of_the_task_root_is_never_a_pass(
    root: Path, make: Callable[[Path], object]
) -> None:
    (root / ROOT).rename(root / "moved")
    make(root / ROOT)
    for words in (("check",), ("consistency-check", "--all-tasks"), ("state-validate", "--all-tasks")):
        assert ("file_readable", ROOT) in found(agentrail(*words, "--json", root))


def test_records_and_documents_behind_links_are_checked(root: Path) -> None:
    (root / ROOT).rename(root / "moved")
    (root / ROOT).symlink_to("../moved")
    (root / "docs").rename(root / "papers")
    (root / "docs").symlink_to("papers")
    assert check(root, "--doc-quality-mode", "fail").code == 0


def test_a_directory_that_holds_itself_is_walked_through_once(root: Path) -> None:
    (root / ROOT / IN_PROGRESS / "again").symlink_to("..")
    (root / "docs/specs/again.md").symlink_to("..")
    assert check(root).code == 0


# --- in a text --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        '{"state":' * 10_000,
        '{"depends_on": ' + "[" * 10_000 + "]" * 10_000 + "}",
        '{"state": ' + "9" * 10_000 + "}",
        '"\\ud800"',
        "nul",
        "{} {}",
    ],
    ids=["lists", "objects", "inside", "digits", "half a character", "a word", "two"],
)
def test_a_state_json_of_any_kind_is_a_finding_about_it(root: Path, text: str) -> None:
    write(root, {STATE: text})
    for command in (("check",), ("state-validate", "--task-id", IN_PROGRESS)):
        run = agentrail(*command, "--json", root)
        assert ("state_json_valid", STATE) in found(run)


@pytest.mark.parametrize("value", ["\x1b[2J", "a\nb", "../../etc", "x" * 100_000, "a\0b", "."])
def test_a_dependency_of_any_name_is_a_finding_that_can_be_printed(root: Path, value: str) -> None:
    state = json.loads((root / STATE).read_bytes())
    write(root, {STATE: json.dumps({**state, "depends_on": [value], "owner": value})})
    assert ("dependencies_exist", STATE) in found(check(root))
    for format_ in ("text", "github", "sarif"):
        run = agentrail("check", "--format", format_, root)
        assert (run.code, run.err, CONTROL.search(run.out)) == (1, "", None)


CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@pytest.mark.parametrize(
    "text",
    [
        "> " * 5_000 + "a",
        "- " * 5_000 + "a",
        "#" * 100_000,
        "`" * 100_001,
        "`a" * 50_000,
        "[" * 50_000,
        "<!--" * 25_000,
        "<!-- -->" * 12_000,
        "*" * 100_000,
        "* *" * 30_000 + "a",
        "a" * 3_000_000,
        "- `docs/INDEX.md` " * 5_000,
        "\n" * 200_000,
        "- a:\n" * 5_000,
        "\t" * 100_000 + "a",
        "1. \n" * 5_000,
        "## 9. 関連資料リンク\n" * 5_000,
        "`" + "../" * 20_000 + "a.md`",
        "`docs/" + "x" * 5_000 + ".md`",
        "- commit: `" + "a" * 50_000 + "`",
    ],
    ids=range(20),
)
def test_a_text_of_any_shape_is_read_to_its_end(root: Path, text: str) -> None:
    for name in ("spec.md", "plan.md", "review.md", "request.md"):
        write(root, {at(IN_PROGRESS, name): text})
    write(root, {BACKLOG: f"# B\n\n## 優先タスク一覧\n\n{text}\n", DOC: f"# D\n\n{text}\n"})
    found(check(root))


def test_the_profile_of_any_shape_is_a_finding_about_it(root: Path) -> None:
    for text in ("a: &a [*a]", "? ? ? a", "!!python/object:os.system x", "&a a: *a", "a: !!binary x"):
        write(root, {PROFILE: text})
        assert {path for rule, path in found(check(root)) if "profile" in rule} == {PROFILE}


# --- names ------------------------------------------------------------------------------------------

NAMES = [
    b"2026-05-01__a\nb",
    b"2026-05-01__a\r::error::b",
    b"2026-05-01__\x1b[31m\x07",
    b"2026-05-01__\xff\xfe",
    "2026-05-01__\u202e\u2028\u0085".encode(),
    "2026-05-01__日本語　名".encode(),
    b"2026-05-01__a,b:c%d",
    b" ",
    b"-",
    b"--all-tasks",
]


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems have no such names")
@pytest.mark.parametrize("name", NAMES)
def test_a_directory_of_any_name_is_a_finding_that_can_be_printed(root: Path, name: bytes) -> None:
    os.mkdir(os.path.join(os.fsencode(root / ROOT), name))
    shown: dict[str, Run] = {}
    for format_ in ("text", "github", "json", "sarif"):
        shown[format_] = run = agentrail("check", "--format", format_, root)
        assert (run.code, run.err, CONTROL.search(run.out)) == (1, "", None)
        assert re.search("[\u2028\u2029\u202a-\u202e]", run.out) is None or format_ in ("json", "sarif")
        run.out.encode()
    assert shown["text"].out.count("required_files_present") == 6
    annotations = shown["github"].out.splitlines()[:-1]
    assert [line[: len("::error file=")] for line in annotations] == ["::error file="] * 6
    results = shown["json"].json["results"]
    (result,) = [result for result in results if result["task_id"] not in (None, *STATES)]
    assert result["task_id"] == name.decode("utf-8", "backslashreplace")


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems have no such names")
def test_a_report_on_any_name_can_be_written_to_a_file(root: Path, tmp_path: Path) -> None:
    os.mkdir(os.path.join(os.fsencode(root / ROOT), b"2026-05-01__\xff"))
    for format_ in ("text", "github", "json", "sarif"):
        agentrail("check", "--format", format_, "--output", tmp_path / "out", root)
        shown = "%FF" if format_ == "sarif" else "\\\\xff" if format_ == "json" else "\\xff"
        assert f"2026-05-01__{shown}" in (tmp_path / "out").read_text(encoding="utf-8")


def test_an_id_of_any_name_on_the_command_line_can_be_printed(root: Path) -> None:
    for name in ("2026-05-01__\udcff", "2026-05-01__a\nb", "\x1b[31m"):
        run = agentrail("consistency-check", "--task-id", name, root)
        assert (run.code, run.err, CONTROL.search(run.out)) == (1, "", None)


def test_a_title_of_any_kind_does_not_break_the_index(root: Path) -> None:
    titles = ["a `b` c", "<script>", "a\x0bb", "a\x85b", "a\u2028b", "- `docs/specs/x.md` - y", "|"]
    for number, title in enumerate(titles):
        write(root, {f"docs/specs/t{number}.md": f"# {title}\n"})
    assert agentrail("docs-indexer", "--mode", "apply", root).code == 0
    assert check(root).code == 0


def all_findings(run: Run) -> Any:
    return [finding for result in run.json["results"] for finding in result["findings"]]


def test_a_thousand_broken_records_are_all_told(root: Path) -> None:
    for number in range(1_000):
        (root / ROOT / f"2026-06-01__t{number}").mkdir()
    run = check(root)
    told = [f for f in all_findings(run) if f["rule_id"] == "required_files_present"]
    assert (len(told), run.json["task_count"]) == (6_000, 1_000 + len(STATES))
