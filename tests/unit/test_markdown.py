"""What a record says is found, and what it only quotes, shows or comments on is not taken for it."""

from __future__ import annotations

import pytest

from agentrail_runtime.checks import markdown
from agentrail_runtime.checks.markdown import Document, Heading

RECORD = """\
# 仕様 (Specification)

<!-- （記入: …）をすべて置き換え、この行を消す。 -->

## 4. 受入条件

- AC-001: `agentrail check` が 0 を返す
  - 根拠: `tests/unit`
- AC-002: 続きは
  次の行に書く

### 4.1 例外

- なし

## 5. 関連資料

`docs/INDEX.md`
"""


def headings_of(text: str) -> list[tuple[int, int, str]]:
    return [(heading.line, heading.level, heading.text) for heading in Document(text).headings]


def items_of(text: str) -> list[tuple[int, int, str, bool]]:
    return [(item.line, item.depth, item.text, item.has_body) for item in Document(text).items]


def spans_of(text: str) -> list[tuple[int, str]]:
    return [(span.line, span.text) for span in Document(text).spans]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="an empty record has none"),
        pytest.param("# a\n## b ##\n###### c", [(1, 1, "a"), (2, 2, "b"), (3, 6, "c")], id="levels"),
        pytest.param("#\n# #", [(1, 1, ""), (2, 1, "")], id="a title still to be written"),
        pytest.param(
            "# C#\n# a \\#", [(1, 1, "C#"), (2, 1, "a \\#")], id="a title ends in a number sign"
        ),
        pytest.param("##\ta\t#", [(1, 2, "a")], id="tabs around a title"),
        pytest.param("## 概要\u3000", [(1, 2, "概要")], id="a wide space behind a title is not seen"),
        pytest.param("a\nb  \n=== \n\nc\n-", [(1, 1, "a b"), (5, 2, "c")], id="underlined titles"),
        pytest.param("a\n    ===", [], id="a line that is indented too far underlines nothing"),
        pytest.param("\ufeff# a", [(1, 1, "a")], id="a BOM before the title"),
        pytest.param("# a\r\n\r\n# b\r# c", [(1, 1, "a"), (3, 1, "b"), (4, 1, "c")], id="line ends"),
        pytest.param("a\n# b", [(2, 1, "b")], id="no blank line above a title"),
        pytest.param("#a\n####### b\n\\# c\n＃ d", [], id="tags are no titles"),
        pytest.param("   # a", [(1, 1, "a")], id="a title that is indented a little"),
        pytest.param("    # a\n\n\t# b", [], id="an indented comment of a shell script is no title"),
        pytest.param("```\n# a\n```\n# b", [(4, 1, "b")], id="nor is one in a fence"),
        pytest.param("````\n```\n# a\n````\n# b", [(5, 1, "b")], id="a fence that shows a fence"),
        pytest.param("~~~ ```\n```\n# a\n~~~~ \n# b", [(5, 1, "b")], id="a fence of tildes"),
        pytest.param("```\n    ```\n# a", [], id="a fence is not closed by what it shows indented"),
        pytest.param("```\n``` a\n# a", [], id="nor by what has text behind it"),
        pytest.param("```\n# a", [], id="a fence that nobody closed"),
        pytest.param("``` a`b\n# a", [(2, 1, "a")], id="inline code of three backticks opens no fence"),
        pytest.param("<!-- # a\n# b\n\n# c -->\n# d", [(5, 1, "d")], id="titles in a comment"),
        pytest.param(
            "<!--\n--> # a\n# b", [(3, 1, "b")], id="a comment takes the rest of its last line"
        ),
        pytest.param("<!-->\n# a", [(2, 1, "a")], id="the shortest comment"),
        pytest.param("- # a\n\n  # b\n> # c\n\n# d", [(6, 1, "d")], id="titles in lists and quotes"),
        pytest.param("- ```\n  # a\n# b", [(3, 1, "b")], id="a fence ends with the item it lies in"),
        pytest.param("> ```\n# b", [(2, 1, "b")], id="or with the quote"),
        pytest.param("> <!--\n\n# b", [(3, 1, "b")], id="as does a comment"),
        pytest.param("> a\n---\n# b", [(3, 1, "b")], id="a rule below a quote makes no title of it"),
        pytest.param("- a\n  ===\n> b\n> ===", [], id="underlined in lists and quotes"),
        pytest.param("a\n***\nb\n_ _ _\nc", [], id="rules underline nothing"),
    ],
)
def test_a_section_is_found_and_no_other(text: str, expected: list[tuple[int, int, str]]) -> None:
    assert headings_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("- a\n* b\n+ c", [(1, 0, "a"), (2, 0, "b"), (3, 0, "c")], id="bullets"),
        pytest.param("1. a\n2) b\n10. c", [(1, 0, "a"), (2, 0, "b"), (3, 0, "c")], id="numbers"),
        pytest.param(
            "１. a\n\n1２. b\n\n-c\n1.d\n1234567890. e", [], id="running text that looks like a list"
        ),
        pytest.param(
            "- a\n  - b\n    - c\n- d", [(1, 0, "a"), (2, 1, "b"), (3, 2, "c"), (4, 0, "d")], id="two"
        ),
        pytest.param("1. a\n   - b\n2. c", [(1, 0, "a"), (2, 1, "b"), (3, 0, "c")], id="three"),
        pytest.param(
            "- a\n    - b\n\t- c", [(1, 0, "a"), (2, 1, "b"), (3, 1, "c")], id="four, and a tab"
        ),
        pytest.param("-\ta\n\t-\tb", [(1, 0, "a"), (2, 1, "b")], id="tabs behind the bullets"),
        pytest.param(
            "- a\n - b\n  - c", [(1, 0, "a"), (2, 0, "b"), (3, 0, "c")], id="a careless column"
        ),
        pytest.param(
            "- 1. a", [(1, 0, "1. a"), (1, 1, "a")], id="a list that begins in an item's first line"
        ),
        pytest.param(
            "-   \n  - a\n\n  - b", [(1, 0, ""), (2, 1, "a"), (4, 1, "b")], id="an empty first line"
        ),
        pytest.param("-\n  a\n\n  - b", [(1, 0, ""), (4, 1, "b")], id="text on its second line alone"),
        pytest.param("-    a\n\n   - b", [(1, 0, "a"), (3, 0, "b")], id="a wide gap behind the bullet"),
        pytest.param("a\n- b\n\nc\n1. d", [(2, 0, "b"), (5, 0, "d")], id="no blank line above a list"),
        pytest.param("a\n2. b\n*\n3) c", [], id="a number in running text"),
        pytest.param("- a\n\n  b\n2. c", [(1, 0, "a"), (4, 0, "c")], id="another list behind an item"),
        pytest.param("- - -\n* * *", [], id="a rule is no list"),
        pytest.param("```\n- a\n```\n<!--\n- b\n-->\n    - c", [], id="what is shown or commented out"),
        pytest.param("> - a\n\n- b", [(3, 0, "b")], id="a list that is quoted is not the record's"),
        pytest.param("- `a\n  b`\n-", [(1, 0, "`a"), (3, 0, "")], id="the first line as it stands"),
    ],
)
def test_an_entry_is_found_at_its_depth(text: str, expected: list[tuple[int, int, str]]) -> None:
    assert [item[:3] for item in items_of(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("- a\n  b", id="a second line"),
        pytest.param("- a\nb", id="a second line that is not indented"),
        pytest.param("-\n  a", id="nothing in the first line"),
        pytest.param("-\n\n- a\n\n  b", id="a paragraph below a blank line"),
        pytest.param("- a\n  - b", id="a list"),
        pytest.param("- a\n  > b", id="a quote"),
        pytest.param("- ```\n  b\n  ```", id="a fence"),
        pytest.param("- a\n\n      b", id="indented code"),
        pytest.param("- a\n  # b", id="a title"),
        pytest.param("- a\n  ===", id="an underline"),
        pytest.param("- a\n  ***", id="a rule"),
        pytest.param("- > a\n  > b", id="a quote that goes on"),
    ],
)
def test_what_is_written_below_an_entry_is_its_own(text: str) -> None:
    assert any(has_body for *_, has_body in items_of(text))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("- a", id="nothing at all"),
        pytest.param("- a\n\n  \nb", id="blank lines"),
        pytest.param("- a\n- b\n1. c", id="the next entry"),
        pytest.param("- a\n# b", id="the next section"),
        pytest.param("- a\n***", id="a rule"),
        pytest.param("- a\n  <!-- b\n  c -->", id="a comment"),
        pytest.param("- - a", id="a list in the first line"),
        pytest.param("- # a", id="a title in the first line"),
        pytest.param("- ```", id="a fence in the first line"),
        pytest.param("- ```\n\n", id="a fence and a blank line"),
        pytest.param("-     a", id="code in the first line"),
        pytest.param("-\n\n  a", id="text behind two blank lines is not the entry's"),
        pytest.param("> -\n>\n>   a", id="nor is it in a quote"),
    ],
)
def test_an_entry_of_one_line_has_nothing_below_it(text: str) -> None:
    assert not any(has_body for *_, has_body in items_of(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("`a` と `b`", [(1, "a"), (1, "b")], id="two in a line"),
        pytest.param("a\n`b`\n`c\nd` `e`", [(2, "b"), (3, "c d"), (4, "e")], id="lines of a paragraph"),
        pytest.param(
            "``a``\n``b\nc`` `d`", [(1, "a"), (2, "b c"), (3, "d")], id="the same, other backticks"
        ),
        pytest.param("``a`b`` `` ` ``", [(1, "a`b"), (1, "`")], id="code that has a backtick in it"),
        pytest.param(
            "` a ` ` ` ` a` ` \u3000 `",
            [(1, "a"), (1, " "), (1, " a"), (1, "\u3000")],
            id="one space on both sides",
        ),
        pytest.param("`a\\` `b`", [(1, "a\\"), (1, "b")], id="a path that ends in a backslash"),
        pytest.param("\\`a` `b`", [(1, " ")], id="an escaped backtick opens nothing"),
        pytest.param("\\\\`a`", [(1, "a")], id="a backslash that is escaped itself"),
        pytest.param("`a\t\u3000b`", [(1, "a\t\u3000b")], id="tabs and wide spaces stay"),
        pytest.param("`a", [], id="a backtick alone"),
        pytest.param("`a``", [], id="a run of another length closes nothing"),
        pytest.param("`a\n\nb`", [], id="nor does one in another paragraph"),
        pytest.param("# `a`\n`b`\n===", [(1, "a"), (2, "b")], id="titles"),
        pytest.param("- `a`\n  - `b`\n1. `c`", [(1, "a"), (2, "b"), (3, "c")], id="entries"),
        pytest.param("    `a`\n\n```\n`b`\n```\n~~~\n`c`", [], id="what is shown is not meant"),
        pytest.param("-     `a`\n\n>\t\t`b`\n>\n    > `c`", [], id="nor is it in lists and quotes"),
        pytest.param("`a\n_\t_\t_\nb`", [], id="a rule ends the paragraph"),
        pytest.param("a\n    `b`", [(2, "b")], id="text that goes on, indented"),
        pytest.param("<!-- `a`\n`b` -->\n`c`", [(3, "c")], id="what is commented out"),
        pytest.param("a <!-- `b` --> `c`", [(1, "c")], id="what is commented out within a line"),
        pytest.param("a <!-- `b`\n`c` --> ``d``", [(2, "d")], id="the same over two lines"),
        pytest.param("a <!--> `b` <!---> `c`", [(1, "b"), (1, "c")], id="the shortest comments"),
        pytest.param("a <!-- `b`", [(1, "b")], id="a comment that nobody closed hides nothing"),
        pytest.param("\\<!-- `a` -->", [(1, "a")], id="nor does an escaped one"),
        pytest.param(
            "`<!--` `a` `-->`", [(1, "<!--"), (1, "a"), (1, "-->")], id="a comment's marks as code"
        ),
        pytest.param(
            "> `a\n> b` `c`\n`d`",
            [(1, "a b"), (2, "c"), (3, "d")],
            id="a quote, and its paragraph's end",
        ),
        pytest.param(
            "> ```\n> `a`\n> ```\n> - `b`\n>\n`c`", [(4, "b"), (6, "c")], id="a log that is quoted"
        ),
        pytest.param(">- ```\n>  `a`", [(2, "a")], id="a fence in a list that is quoted"),
        pytest.param(">     `a`\n>\n>    `b`\n>`c`", [(3, "b"), (4, "c")], id="code that is quoted"),
    ],
)
def test_a_path_or_a_command_is_found_on_its_line(text: str, expected: list[tuple[int, str]]) -> None:
    assert spans_of(text) == expected


def test_a_section_ends_at_the_next_heading_of_its_level() -> None:
    document = Document(RECORD)
    title, criteria, exceptions, links = document.headings
    assert criteria == Heading(5, 2, "4. 受入条件")
    assert [document.section(h) for h in (title, criteria)] == [range(2, 20), range(6, 16)]
    assert [document.section(h) for h in (exceptions, links)] == [range(13, 16), range(17, 20)]
    assert document.end == 20


def test_a_section_has_the_entries_and_the_code_that_begin_in_it() -> None:
    document = Document(RECORD)
    section = document.section(document.headings[1])
    assert [item.line for item in document.items_in(section)] == [7, 8, 9, 14]
    assert [span.text for span in document.spans_in(section)] == ["agentrail check", "tests/unit"]
    assert [item.line for item in document.items if item.has_body] == [7, 9]


@pytest.mark.parametrize(
    ("text", "end"), [("", 2), ("a", 2), ("a\n", 3), ("a\r\nb\r\n", 4), ("a\rb", 3)]
)
def test_the_last_section_reaches_to_the_end(text: str, end: int) -> None:
    assert Document(text).end == end


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" a ", "a"),
        ("a <!-- b --> c <!-- d\n-->", "a  c"),
        ("<!--> a <!---> b <!-- -- -->", "a  b"),
        ("<!-- a --> b <!-- c", "b <!-- c"),
        ("a --> <!-- b", "a --> <!-- b"),
        ("<!-- a", "<!-- a"),
    ],
)
def test_an_entry_is_judged_without_its_comments(text: str, expected: str) -> None:
    assert markdown.without_comments(text) == expected


def test_a_record_is_called_by_its_first_title_of_level_1() -> None:
    assert markdown.first_title("## a\n# b\n# c") == "b"
    assert markdown.first_title("## a") is None


def test_lists_and_quotes_nest_twenty_deep_and_are_text_from_there() -> None:
    assert [item.depth for item in Document("- " * 30 + "a").items] == list(range(20))
    assert spans_of(">" * 20 + "     `a`") == []
    assert spans_of(">" * 21 + "     `a`") == [(1, "a")]


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        pytest.param("`" * 200_000, (0, 0, 0), id="one run of backticks"),
        pytest.param("`a" * 100_000, (0, 0, 50_000), id="many runs of one length"),
        pytest.param("a".join("`" * n for n in range(1, 600)), (0, 0, 0), id="runs of every length"),
        pytest.param("``a``\n" * 20_000, (0, 0, 20_000), id="a paragraph of many lines"),
        pytest.param("a <!--`" * 28_000, (0, 0, 14_000), id="comments without an end"),
        pytest.param("<!--\n" * 20_000, (0, 0, 0), id="the same at the beginning of lines"),
        pytest.param("\\`" * 100_000, (0, 0, 0), id="escapes"),
        pytest.param("> " * 100_000 + "`a`", (0, 0, 1), id="quotes in quotes"),
        pytest.param("- " * 100_000 + "`a`", (0, 20, 1), id="lists in lists"),
        pytest.param("\n".join(" " * n + "- a" for n in range(0, 900, 2)), (0, 20, 0), id="stairs"),
        pytest.param("- \n" * 30_000, (0, 30_000, 0), id="empty entries"),
        pytest.param("-\t" * 100_000, (0, 0, 0), id="tabs"),
        pytest.param(
            "# a" + " " * 500_000 + "#" * 500_000 + "b", (1, 0, 0), id="a heading of a megabyte"
        ),
        pytest.param("* " * 100_000 + "b", (0, 20, 0), id="what is almost a rule"),
        pytest.param("a\n" + "-" * 500_000 + "b", (0, 0, 0), id="what is almost an underline"),
        pytest.param("#\n" * 50_000, (50_000, 0, 0), id="headings"),
        pytest.param("a" * 1_000_000 + "`b`", (0, 0, 1), id="a line of a megabyte"),
    ],
)
def test_a_hostile_text_is_read_in_the_time_that_its_length_takes(
    text: str, counts: tuple[int, int, int]
) -> None:
    document = Document(text)
    assert (len(document.headings), len(document.items), len(document.spans)) == counts
    assert len(markdown.without_comments(text)) <= len(text)
