"""The scanner reads a record's headings, items and inline code as a whole CommonMark parser does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline, backtick
from markdown_it.token import Token

from agentrail_runtime.checks import markdown
from agentrail_runtime.checks.markdown import Document, Heading, Span
from tests.property.support import steadily

TEXTS = [
    "a",
    "a  ",
    "a\\",
    "日本語の文。続く",
    "`x` と `y`",
    "b\t`c\td`",
    "` x `",
    "` `",
    "` \u3000 `",
    "``x`y``",
    "`",
    "``",
    "a `x",
    "y` b",
    "\\`",
    "\\\\`z`",
    "`z\\`",
    "a <!-- `x` -->",
    "a <!-- `x`",
    "b --> `y`",
    "a <!--> `x` -->",
    "\\<!-- `x` -->",
    "-->",
    "7.b",
    "７. 全角の数字",
    "#x",
    "＃ 全角の記号",
]
"""What begins no block, however it is indented."""

BLOCKS = [
    "",
    "   ",
    "# 見出し",
    "## t ##",
    "# `h` #",
    "#\tt\\#",
    "###",
    "# #",
    "####### x",
    "===",
    "= ",
    "---",
    "--",
    "***",
    "- - -",
    "_ _\t_",
    "```",
    "````  ",
    "``` `x`",
    "```a",
    "~~~",
    "~~~~ `x`",
    "<!-- `x` -->",
    "<!-- c --> `x`",
    "<!-- c",
    "<!-->",
    "-",
    "*",
    "+",
]
QUOTES = [">", "> q `x`", "> `q", "> # h", "> - i", "> ```", ">     c"]
BULLETS = ["", "- ", "* ", "+ ", "- - ", "+ * "]
MARKERS = ["", "- ", "* ", "1. ", "2) ", "10. ", "-   ", "1.  ", "-     ", "> ", ">"]

# Where a line is indented by four columns and more, markdown-it-py strays from CommonMark: it takes ">"
# for a quote's mark there, and a marker for the beginning of a block, although the line continues the
# paragraph of an item indented by five or more, or of a quote in a quote. So either all markers are two
# wide and stand at even columns, or nothing that could begin a block is indented so far.


def bulleted(random: Random, texts: list[str], blocks: list[str]) -> str:
    """Return a line that may lie deep in lists of bullets."""
    lead = random.choice(["", "  ", "    ", "      ", "\t", "\t  ", "> ", ">   "])
    holds = random.choice([texts, blocks, QUOTES] if lead in ("", "  ") else [texts, blocks])
    return lead + random.choice(BULLETS) + random.choice(holds)


def mixed(random: Random, texts: list[str], blocks: list[str]) -> str:
    """Return a line with markers of any kind, or text that is indented as it pleases."""
    if random.random() < 0.3:
        leads = ["    ", "     ", "       ", "\t", " \t ", "> \t", "-\t", " 1.\t", "*\t\t"]
        return random.choice(leads) + random.choice(texts)
    markers = random.choice(MARKERS) + random.choice(MARKERS)
    return " " * random.randrange(4) + markers + random.choice(random.choice([texts, blocks, QUOTES]))


@st.composite
def markdown_texts(draw: st.DrawFn) -> str:
    """Draw a text of few things, so that they meet, with the line ends and BOM that editors leave."""
    # Hypothesis itself would be ten times as slow, and its texts far more alike.
    random = draw(st.randoms(use_true_random=True))
    texts = random.sample(TEXTS, 3)
    blocks = ["", *random.sample(BLOCKS, 3)]
    style = random.choice([bulleted, mixed])
    lines = [
        random.choice(texts + blocks) if random.random() < 0.3 else style(random, texts, blocks)
        for _ in range(random.randrange(1, 12))
    ]
    end = random.choice(["\n", "\n", "\r\n", "\r"])
    return random.choice(["", "", "\ufeff"]) + end.join(lines)


class Reading(NamedTuple):
    """What a text holds; an item is its line, its depth, and whether it has a body."""

    headings: list[Heading]
    items: list[tuple[int, int, bool]]
    spans: list[Span]


class Open:
    """A list item that markdown-it-py has not ended yet."""

    def __init__(self, line: int, depth: int) -> None:
        self.line = line
        self.depth = depth
        self.has_body = False


def note_line(state: StateInline, silent: bool) -> bool:
    """Parse inline code as ever, and note its line, which the token does not tell."""
    start = state.pos
    count = len(state.tokens)
    is_read = backtick(state, silent)
    if len(state.tokens) > count and state.tokens[-1].type == "code_inline":
        state.env["lines"].append(state.src.count("\n", 0, start))
    return is_read


BLOCK_PARSER = MarkdownIt("commonmark").disable("inline")
INLINE_PARSER = MarkdownIt("commonmark")
INLINE_PARSER.inline.ruler.at("backticks", note_line)


def spans_of(line: int, text: str) -> Iterator[Span]:
    """Yield the inline code of a block as markdown-it-py sees it."""
    env: dict[str, list[int]] = {"lines": []}
    tokens = INLINE_PARSER.parseInline(text, env)[0].children or []
    codes = [token.content for token in tokens if token.type == "code_inline"]
    for below, code in zip(env["lines"], codes, strict=True):
        yield Span(line + below, code)


def last_line(token: Token) -> int:
    """Return the last line on which a block shows anything."""
    assert token.map
    first, end = token.map
    if token.type == "html_block":
        return 0
    if token.type in ("list_item_open", "blockquote_open"):
        return first + 1
    if token.type == "fence" and end - first == token.content.count("\n") + 1:  # never closed
        shown = token.content.rstrip(" \t\n")
        return first + 1 + (shown.count("\n") + 1 if shown else 0)
    return end


class Reader:
    """Goes over the tokens of markdown-it-py; a quote is open as None."""

    def __init__(self) -> None:
        self.reading = Reading([], [], [])
        self.items: list[Open] = []
        self.open: list[Open | None] = []
        self.level = 0

    def read(self, token: Token) -> None:
        if token.type in ("list_item_close", "blockquote_close"):
            self.open.pop()
        elif token.type == "inline":
            self.read_text(token)
        elif token.map and token.type not in ("bullet_list_open", "ordered_list_open"):
            last = last_line(token)
            for item in self.open:
                if item is not None:
                    item.has_body |= last > item.line
            self.level = int(token.tag[1:]) if token.type == "heading_open" else 0
            self.enter(token, token.map[0] + 1)

    def enter(self, token: Token, line: int) -> None:
        if token.type == "list_item_open":
            item = Open(line, len(self.open))
            self.items += [] if None in self.open else [item]
            self.open.append(item)
        elif token.type == "blockquote_open":
            self.open.append(None)

    def read_text(self, token: Token) -> None:
        assert token.map
        line = token.map[0] + 1
        # CommonMark drops what indents a line of a paragraph, markdown-it-py keeps some of it.
        text = "\n".join(part.lstrip(" \t") for part in token.content.split("\n"))
        if self.level and not self.open:
            title = re.sub(r"\s*\n", " ", text).strip()
            self.reading.headings.append(Heading(line, self.level, title))
        self.reading.spans.extend(spans_of(line, text))


def by_markdown_it(text: str) -> Reading:
    """Return what markdown-it-py finds in `text`."""
    reader = Reader()
    # Without a last line end, markdown-it-py fails on "> - <!--\n>\n>".
    for token in BLOCK_PARSER.parse(text.removeprefix("\ufeff") + "\n"):
        reader.read(token)
    items = [(item.line, item.depth, item.has_body) for item in reader.items]
    return reader.reading._replace(items=items)


def by_scanner(text: str) -> Reading:
    """Return what the scanner finds in `text`."""
    document = Document(text)
    items = [(item.line, item.depth, item.has_body) for item in document.items]
    return Reading(document.headings, items, document.spans)


@steadily(1500)
@given(markdown_texts())
@example("- a\n    - b\n        - c\n\n      c\n  d\n")
@example("1. a\n   - b\n\n     ```\n     `x`\n   c\n")
@example("> - a\n>   `b\n> c` ```\n> ```\n> `x`\n\n`y`")
@example("-\n\n  a\n-\n  b\n")
def test_a_text_is_read_as_commonmark_reads_it(text: str) -> None:
    assert by_scanner(text) == by_markdown_it(text)


@steadily(300)
@given(
    st.lists(
        st.sampled_from(["`", "``", "```", "`````", "a", " ", "\n", "\\", "<!--", "-->", ">", "-"])
    )
)
def test_inline_code_is_told_from_other_backticks(parts: list[str]) -> None:
    # CommonMark lets a comment end in "--->", markdown-it-py does not.
    text = "a" + re.sub(r"\s*\n\s*", "\na", re.sub("-{3,}>", "-->", "".join(parts)))
    assert by_scanner(text).spans == by_markdown_it(text).spans


@steadily(300)
@given(st.text(st.sampled_from("<!-> a\n")))
def test_comments_go_and_everything_else_stays(text: str) -> None:
    # Between its marks, a comment holds no end, and the two marks may share hyphens.
    comment = re.compile(r"<!--(?:-?>|(?:(?!-->).)*-->)", re.DOTALL)
    assert markdown.without_comments(text) == comment.sub("", text).strip()


@steadily(100)
@given(markdown_texts())
def test_every_line_below_a_heading_lies_in_the_sections_above_it(text: str) -> None:
    document = Document(text)
    for item in document.items:
        inside = [h for h in document.headings if item.line in document.section(h)]
        assert all(item in document.items_in(document.section(h)) for h in inside)
        above = [h for h in document.headings if h.line < item.line]
        assert not above or above[-1] in inside
