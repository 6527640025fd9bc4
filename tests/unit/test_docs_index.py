"""The documentation index: what it lists, and what is left of what the user wrote around that."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from agentrail_runtime.checks import docs_index
from agentrail_runtime.checks.docs_index import TITLES, Doc
from agentrail_runtime.checks.finding import Finding
from agentrail_runtime.checks.roots import DOC_DIRECTORIES, Roots
from tests.checks_support import MemoryFiles

ROOTS = Roots("work", "docs")
NONE: dict[str, list[Doc]] = {name: [] for name in DOC_DIRECTORIES}
SPEC = {"docs/specs/audit.md": "# Audit\n"}
EMPTY_INDEX = (
    "# Index\n"
    "\n## 3. テンプレート (Templates)\n- （未登録）\n"
    "\n## 4. 仕様書 (Specifications)\n- （未登録）\n"
    "\n## 5. 意思決定記録 (Decisions)\n- （未登録）\n"
    "\n## 6. 調査記録 (Investigations)\n- （未登録）\n"
    "\n## 7. 運用手順・管理 (Operations)\n- （未登録）\n\n"
)
INDEX = EMPTY_INDEX.replace(
    "(Specifications)\n- （未登録）", "(Specifications)\n- `docs/specs/audit.md` - Audit"
)


def check(texts: Mapping[str, bytes | str | None], roots: Roots = ROOTS) -> list[Finding]:
    return docs_index.check(MemoryFiles(texts), roots)


def told(findings: list[Finding]) -> list[tuple[str, str, int]]:
    return [(finding.rule_id, finding.path, finding.line) for finding in findings]


def docs_in(texts: Mapping[str, bytes | str | None]) -> dict[str, list[Doc]]:
    docs, findings = docs_index.gather(MemoryFiles(texts), ROOTS)
    assert findings == []
    return docs


# --- what is found ---------------------------------------------------------------------------------


def test_an_index_in_sync_passes() -> None:
    assert check({**SPEC, "docs/INDEX.md": INDEX}) == []


def test_an_index_that_is_missing_is_found_beside_broken_documents() -> None:
    findings = check({"docs/specs/audit.md": "no title"})
    assert told(findings) == [
        ("docs_title_present", "docs/specs/audit.md", 1),
        ("docs_index_exists", "docs/INDEX.md", 1),
    ]
    assert findings[1].hint == "have it written: agentrail docs-indexer --mode apply"


def test_an_index_that_is_no_text_is_found() -> None:
    findings = check({"docs/INDEX.md": b"\xff"})
    assert told(findings) == [("file_readable", "docs/INDEX.md", 1)]
    assert findings[0].message == "expected UTF-8, found byte 0xff at offset 0"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "## 4. 仕様書",
            "## Specs",
            1,
            "expected the section '## 4. 仕様書 (Specifications)', found none",
        ),
        (
            "- Audit",
            "- Audits",
            7,
            "expected '- `docs/specs/audit.md` - Audit', found '- `docs/specs/audit.md` - Audits'",
        ),
        (
            "(Templates)\n- （未登録）",
            "(Templates)\n- `docs/templates/gone.md` - Gone",
            4,
            "expected entries of documents that are there, found one of docs/templates/gone.md",
        ),
        (
            "- Audit\n",
            "- Audit\n\n",
            6,
            "expected the entries by path and one blank line, found another order or other lines",
        ),
        (
            "- Audit\n\n",
            "- Audit\n",
            6,
            "expected the entries by path and one blank line, found another order or other lines",
        ),
        (
            "(Templates)\n- （未登録）\n",
            "(Templates)\n",
            3,
            "expected the entries by path and one blank line, found another order or other lines",
        ),
        (
            "## 5. ",
            "## 4. 仕様書 (Specifications)\n\n## 5. ",
            9,
            "expected the section '## 4. 仕様書 (Specifications)' once, found it again",
        ),
    ],
)
def test_a_section_that_is_out_of_sync_is_found_on_its_line(
    old: str, new: str, line: int, message: str
) -> None:
    assert old in INDEX
    findings = check({**SPEC, "docs/INDEX.md": INDEX.replace(old, new)})
    assert [(f.rule_id, f.path, f.line) for f in findings] == [
        ("docs_index_in_sync", "docs/INDEX.md", line)
    ]
    assert findings[0].message == message


def test_every_difference_of_a_section_is_told_at_once() -> None:
    texts = {f"docs/specs/{name}.md": f"# {name}\n" for name in "abc"}
    body = "- `docs/specs/x.md` - x\n- `docs/specs/b.md` - B\n"
    index = EMPTY_INDEX.replace("(Specifications)\n- （未登録）\n", f"(Specifications)\n{body}")
    findings = check({**texts, "docs/INDEX.md": index})
    assert [(finding.line, finding.message.split(", found ")[0]) for finding in findings] == [
        (7, "expected entries of documents that are there"),
        (8, "expected '- `docs/specs/b.md` - b'"),
        (6, "expected an entry for docs/specs/a.md"),
        (6, "expected an entry for docs/specs/c.md"),
    ]


def test_a_document_without_an_entry_is_found_in_the_index_where_it_is_to_stand() -> None:
    assert told(check({**SPEC, "docs/INDEX.md": EMPTY_INDEX})) == [
        ("docs_index_in_sync", "docs/INDEX.md", 6)
    ]


def test_entries_stand_by_lower_cased_path() -> None:
    texts = {f"docs/specs/{name}.md": "# T\n" for name in ("b", "A", "a")}
    assert [doc.path for doc in docs_in(texts)["specs"]] == [
        "docs/specs/A.md",
        "docs/specs/a.md",
        "docs/specs/b.md",
    ]


def test_the_blank_line_may_be_missing_at_the_end_of_the_file_alone() -> None:
    assert check({**SPEC, "docs/INDEX.md": INDEX.rstrip("\n")}) == []
    assert check({**SPEC, "docs/INDEX.md": INDEX.rstrip("\n") + "\n"}) == []


def test_the_docs_root_of_the_profile_is_looked_at() -> None:
    texts = {
        "papers/specs/audit.md": "# Audit\n",
        "papers/INDEX.md": INDEX.replace("`docs/", "`papers/"),
        "docs/specs/other.md": "no title",
    }
    assert check(texts, Roots("work", "papers")) == []


@pytest.mark.parametrize(
    "name", ["notes.txt", "UPPER.MD", ".hidden.md", ".#lock.md", "deeper/doc.md", "directory.md/"]
)
def test_what_is_no_document_of_the_directory_needs_no_entry(name: str) -> None:
    assert check({f"docs/specs/{name}": "no title", "docs/INDEX.md": EMPTY_INDEX}) == []


# --- documents that cannot be listed ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# Audit\n", "Audit"),
        ("\ufeff# Audit\r\n\r\ntext\r\n", "Audit"),
        ("\n\n# Audit\rtext", "Audit"),
        ("# Audit ##\n", "Audit"),
        ("Audit\n=====\n", "Audit"),
        ("text\n\n## Two\n\n# Audit\n", "Audit"),
        ("```sh\n# comment\n```\n\n# Audit\n", "Audit"),
        ("    # code\n\n# Audit\n", "Audit"),
        ("<!--\n# comment\n-->\n# Audit\n", "Audit"),
        ("---\ntitle: x\n---\n# Audit\n", "Audit"),
        ("# 監査の `log` を残す\n", "監査の `log` を残す"),
    ],
)
def test_the_title_is_the_first_heading_of_level_1(text: str, title: str) -> None:
    assert docs_in({"docs/specs/audit.md": text})["specs"] == [Doc("docs/specs/audit.md", title)]


@pytest.mark.parametrize("text", ["", "\n", "text\n", "## Two\n", "#\n", "#Audit\n", "```\n# x\n```\n"])
def test_a_document_without_a_title_is_found_and_its_entry_is_let_be(text: str) -> None:
    expected = [("docs_title_present", "docs/specs/audit.md", 1)]
    for index in (INDEX, EMPTY_INDEX):
        assert told(check({"docs/specs/audit.md": text, "docs/INDEX.md": index})) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"# \xff", "expected UTF-8, found byte 0xff at offset 2"),
        (b"# a\0", "expected a text, found a NUL byte at offset 3"),
        (b"#" * (4 * 1024 * 1024 + 1), "expected a text of at most 4 MiB, found a larger file"),
        (None, "expected a file, found a link to none"),
    ],
)
def test_a_document_that_is_no_text_is_found(text: bytes | None, message: str) -> None:
    findings = check({"docs/specs/audit.md": text, "docs/INDEX.md": EMPTY_INDEX})
    assert told(findings) == [("file_readable", "docs/specs/audit.md", 1)]
    assert findings[0].message == message


@pytest.mark.parametrize("mark", ["`", "\n", "\r", "\x1b", "\x85", "\u2028", "\udcff"])
def test_a_name_that_would_break_the_index_is_found_and_never_listed(mark: str) -> None:
    path = f"docs/specs/a{mark}b.md"
    findings = check({path: "# Title\n", "docs/INDEX.md": EMPTY_INDEX})
    assert told(findings) == [("docs_index_in_sync", path, 1)]
    assert findings[0].message == (
        f"expected a file name that can stand in the index, found {mark!r} in it"
    )


@pytest.mark.parametrize(
    ("ours", "mine"),
    [("operations", "specs"), ("templates", "operations"), ("operations", "decisions")],
)
def test_a_file_name_in_two_directories_is_found_where_we_ship_fewer(ours: str, mine: str) -> None:
    texts = {f"docs/{ours}/audit.md": "# A\n", f"docs/{mine}/audit.md": "# B\n"}
    findings = check({**texts, "docs/INDEX.md": docs_index.apply(INDEX, docs_of(texts))})
    assert told(findings) == [("docs_name_unique", f"docs/{mine}/audit.md", 1)]
    assert findings[0].message == f"expected a name of its own, found docs/{ours}/audit.md, too"


def docs_of(texts: Mapping[str, bytes | str | None]) -> dict[str, list[Doc]]:
    return docs_index.gather(MemoryFiles(texts), ROOTS)[0]


# --- what is written --------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_are_kept(end: str, mark: str) -> None:
    old = mark + EMPTY_INDEX.replace("\n", end)
    assert docs_index.apply(old, docs_in(SPEC)) == mark + INDEX.replace("\n", end)


def test_lines_that_are_not_ours_keep_their_own_ends() -> None:
    old = EMPTY_INDEX.replace("# Index\n", "# Index\n\nmixed\r\nends\r")
    new = docs_index.apply(old, docs_in(SPEC))
    assert new == INDEX.replace("# Index\n", "# Index\n\nmixed\r\nends\r")


def test_an_index_in_sync_comes_out_as_it_is() -> None:
    for text in (INDEX, INDEX.rstrip("\n"), INDEX.replace("\n", "\r\n")):
        assert docs_index.apply(text, docs_in(SPEC)) == text


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", "\ufeff\r\n"])
def test_a_blank_index_is_written_anew(text: str) -> None:
    mark = "\ufeff" if "\ufeff" in text else ""
    new = docs_index.apply(text, NONE)
    assert new == mark + EMPTY_INDEX.replace("# Index", "# ドキュメント索引 (Documentation Index)")


@pytest.mark.parametrize("before", ["# Index\n", "# Index", "# Index\n\n", "\n# Index\n"])
def test_missing_sections_are_added_at_the_end(before: str) -> None:
    new = docs_index.apply(before, NONE)
    assert new.startswith(before.rstrip("\n"))
    assert new.endswith(EMPTY_INDEX.removeprefix("# Index\n"))


def test_one_missing_section_is_added_behind_what_the_user_wrote_last() -> None:
    old = EMPTY_INDEX.replace("## 5. 意思決定記録 (Decisions)\n- （未登録）\n\n", "") + "## Mine\n\nend"
    new = docs_index.apply(old, NONE)
    assert new == old + "\n\n## 5. 意思決定記録 (Decisions)\n- （未登録）\n\n"


def test_what_the_user_wrote_before_between_and_behind_the_sections_survives() -> None:
    old = (
        "mine before\n\n" + EMPTY_INDEX.replace("## 5. ", "## Notes\n\nmine between\n\n## 5. ")
    ) + "# Mine\n\nmine behind\n"
    new = docs_index.apply(old, docs_in(SPEC))
    assert new == old.replace(
        "(Specifications)\n- （未登録）", "(Specifications)\n- `docs/specs/audit.md` - Audit"
    )


def test_sections_that_grow_do_not_shift_into_each_other() -> None:
    texts = {f"docs/{folder}/{folder}{n}.md": "# T\n" for folder in DOC_DIRECTORIES for n in "123"}
    new = docs_index.apply(EMPTY_INDEX, docs_in(texts))
    assert check({**texts, "docs/INDEX.md": new}) == []
    assert len(new) == len(EMPTY_INDEX) - 5 * len("- （未登録）\n") + sum(
        len(f"- `{path}` - T\n") for path in texts
    )


def test_a_heading_without_an_end_gets_a_section() -> None:
    old = EMPTY_INDEX.partition("- （未登録）")[0].rstrip("\n")
    assert docs_index.apply(old, NONE) == EMPTY_INDEX


def test_a_shorter_heading_is_kept() -> None:
    old = EMPTY_INDEX.replace("## 4. 仕様書 (Specifications)", "## 4. 仕様書 一覧")
    assert docs_index.apply(old, docs_in(SPEC)) == INDEX.replace(
        "## 4. 仕様書 (Specifications)", "## 4. 仕様書 一覧"
    )


@pytest.mark.parametrize("opening", ["```\n", "<!--\n", "- item\n\n  "])
def test_a_heading_that_is_only_shown_as_an_example_is_no_section(opening: str) -> None:
    example = f"# Index\n\n{opening}{TITLES['specs']}\n"
    closing = {"```\n": "```\n", "<!--\n": "-->\n"}.get(opening, "")
    new = docs_index.apply(example + closing, docs_in(SPEC))
    assert new.startswith(example + closing)
    assert new.endswith(INDEX.removeprefix("# Index\n"))


def test_a_fence_that_is_never_closed_hides_what_is_added() -> None:
    new = docs_index.apply("# Index\n\n```\n", NONE)
    lacking = docs_index.differences(new, NONE, ROOTS)
    assert [finding.message.partition(",")[0] for finding in lacking] == [
        f"expected the section {title!r}" for title in TITLES.values()
    ]


def test_entries_are_found_wherever_they_stand() -> None:
    text = "- `docs/a.md` - A\r\n* `docs/b.md`\n  - `docs/no.md`\n`docs/no.md`\n- x\x0c- `docs/no.md`\n"
    assert docs_index.paths_in(text) == {"docs/a.md", "docs/b.md"}
