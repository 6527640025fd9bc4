"""What the checks need of a Markdown text: headings, list items and inline code, in one pass.

A scanner and no parser, because a whole parser reads about one megabyte a second, and a repository
holds hundreds of task records. It follows CommonMark (https://spec.commonmark.org/0.31.2/) as far as
these three are concerned, and takes linear time on whatever text; the tests compare it with
markdown-it-py. What it does not know:

- HTML other than comments: tags and what stands between them are read as Markdown.
- Links: a backtick in an address or a title counts like any other, and a definition of a link's
  address is a paragraph.
- Tables, and whatever else is no part of CommonMark.
- Quotes and lists more than 20 deep in each other: they are text.
- A tab behind what looks like a list marker inside a paragraph: it becomes spaces.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import Final, NamedTuple

_MOST_OPEN: Final = 20
_QUOTE: Final = (0, None)
_STARTS: Final = frozenset("#`~<>-*+=_0123456789")
_SPECIAL: Final = _STARTS | {" "}
_PLAIN_ITEM: Final = re.compile(r"- (?=[^\s#`~<>\-*+=_0-9]|`{1,2}[^`]|\*{1,2}[^\s*])")
_UNDERLINE: Final = re.compile(r"(?P<underline>=+|-+)[ \t]*$")
_BLOCK: Final = re.compile(
    r"""(?P<rule>(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$)
    |(?P<item>[-*+]|[0-9]{1,9}[.)])(?:[ ]+|$)
    |(?P<heading>\#{1,6})(?:[ \t]|$)
    |(?P<fence>`{3,}(?=[^`]*$)|~{3,})
    |(?P<comment><!--)
    |(?P<quote>>)""",
    re.VERBOSE,
)
_COLUMNS: Final = re.compile(r"[ \t>]*(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t][ \t>]*)*")
_INLINE: Final = re.compile(r"`+|\\[\\`<]|<!--")
_TICKS: Final = re.compile("`+")
_COMMENT: Final = re.compile(r"<!--(?:-?>|.*?-->)", re.DOTALL)


class Heading(NamedTuple):
    """A heading outside lists and quotes; `line` counts from 1."""

    line: int
    level: int
    text: str


class Span(NamedTuple):
    """Inline code, and the line that it begins on."""

    line: int
    text: str


class Item:
    """A list item outside quotes: the `line` it begins on, how deep it lies in lists (0 for outermost).

    `text` is its first line, `has_body` tells whether anything but comments stands in it below that.
    """

    __slots__ = ("depth", "has_body", "line", "text")

    def __init__(self, line: int, depth: int, text: str) -> None:
        self.line = line
        self.depth = depth
        self.text = text
        self.has_body = False


class Document:
    """A Markdown text, scanned once; `end` is the number of the line behind the last."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.headings: list[Heading] = []
        self.items: list[Item] = []
        self._blocks: list[tuple[int, str]] = []
        lines = _lines(text)
        self.end = len(lines) + 1
        _Scanner(self.headings, self.items, self._blocks).scan(lines)

    @cached_property
    def spans(self) -> list[Span]:
        """The inline code outside fences and comments, in order."""
        return [span for line, text in self._blocks if "`" in text for span in _spans(line, text)]

    def section(self, heading: Heading) -> range:
        """Return the lines below `heading`, to the next heading of its level or a higher one."""
        below = (h for h in self.headings if h.line > heading.line)
        end = next((h.line for h in below if h.level <= heading.level), self.end)
        return range(heading.line + 1, end)

    def items_in(self, lines: range) -> list[Item]:
        """Return the list items that begin in `lines`."""
        return [item for item in self.items if item.line in lines]

    def spans_in(self, lines: range) -> list[Span]:
        """Return the inline code that begins in `lines`."""
        return [span for span in self.spans if span.line in lines]


def without_comments(text: str) -> str:
    """Return `text` without HTML comments, stripped."""
    if "<!--" in text:
        # Behind the last end, every "<!--" would be followed to the end of the text, and in vain.
        end = text.rfind("-->") + len("-->")
        text = _COMMENT.sub("", text[:end]) + text[end:]
    return text.strip()


def first_title(text: str) -> str | None:
    """Return the text of the first heading of level 1, None where there is none."""
    return next((heading.text for heading in Document(text).headings if heading.level == 1), None)


class _Scanner:
    """The state of one pass: the open quotes and items, and the open paragraph, fence or comment.

    An indentation is one within the innermost quote or item that the line is known to lie in.
    """

    def __init__(
        self, headings: list[Heading], items: list[Item], blocks: list[tuple[int, str]]
    ) -> None:
        self._headings = headings
        self._items = items
        self._blocks = blocks
        self._open: list[tuple[int, Item | None]] = []
        """How far what an item holds is indented, and the item: `_QUOTE` for a quote."""
        self._paragraph: list[str] = []
        self._paragraph_line = 0
        self._verbatim = ""
        """The marks that opened the fence, or the end of the open comment."""
        self._last = 0
        """The last line that was neither blank nor a comment."""

    def scan(self, lines: list[str]) -> None:
        for number, line in enumerate(lines, 1):
            if not self._verbatim and self._take_usual(number, line):
                continue
            text = line.lstrip(" ")
            indent = len(line) - len(text)
            keeps = 0
            if self._open:
                text, indent, keeps = self._continue(text, indent)
            if self._verbatim:
                if keeps == len(self._open):
                    self._take_verbatim(number, text, indent)
                    continue
                self._verbatim = ""
            if text:
                self._take(number, text, indent, keeps)
            else:
                self._take_blank(number, keeps)
        self._leave(0)

    def _take_usual(self, number: int, line: str) -> bool:
        """Take in a line of the kinds that most lines are of; tell whether it is one.

        All of them would come to the same without this, but in twice the time: a blank line outside
        quotes, plain text that is not indented, and a list item of such text.
        """
        if not line:
            if self._open and (_QUOTE in self._open or not self._open[-1][1].text):  # type: ignore[union-attr]
                return False
            self._end_paragraph()
            return True
        if line[0] not in _SPECIAL:
            if not self._paragraph:
                self._leave(0)
                self._paragraph_line = number
            self._paragraph.append(line)
        elif _PLAIN_ITEM.match(line):
            self._leave(0)
            item = Item(number, 0, line[2:])
            self._items.append(item)
            self._open.append((2, item))
            self._paragraph.append(item.text)
            self._paragraph_line = number
        else:
            return False
        self._last = number
        return True

    def _continue(self, text: str, indent: int) -> tuple[str, int, int]:
        """Return what a line has inside the quotes and items that it continues, and their number."""
        keeps = 0
        for width, item in self._open:
            if item is None:
                if indent > 3 or not text.startswith(">"):
                    break
                text, indent = _unquoted(text)
            elif indent >= width:
                indent -= width
            elif text:
                break
            keeps += 1
        return text, indent, keeps

    def _take_verbatim(self, number: int, text: str, indent: int) -> None:
        """Take in a line of the open fence or comment."""
        if self._verbatim == "-->":
            is_end = "-->" in text
        else:
            marks = text.rstrip(" \t")
            is_end = indent < 4 and marks.startswith(self._verbatim) and not marks.strip(marks[0])
            if text:
                self._last = number
        if is_end:
            self._verbatim = ""

    def _take_blank(self, number: int, keeps: int) -> None:
        self._leave(keeps)
        if self._open:
            item = self._open[-1][1]
            if item is not None and item.line == number - 1 and not item.text:
                self._open.pop()  # an item may begin with one blank line, not with two

    def _take(self, number: int, text: str, indent: int, keeps: int) -> None:
        """Take in what a line has inside the quotes and items that it continues."""
        while text:
            match = self._block(text, indent, keeps)
            if match is None:
                self._take_text(number, text, indent, keeps)
                return
            if match.lastgroup == "underline":
                self._take_underline(text)
            self._leave(keeps)
            if match.lastgroup != "comment":
                self._last = number
            if match.lastgroup == "item":
                text, indent = self._begin_item(number, indent, match)
            elif match.lastgroup == "quote":
                self._open.append(_QUOTE)
                text, indent = _unquoted(text)
            else:
                self._take_leaf(number, match)
                return
            keeps += 1

    def _block(self, text: str, indent: int, keeps: int) -> re.Match[str] | None:
        """Return what a line is the beginning of, None for text."""
        if indent > 3 or text[0] not in _STARTS:
            return None
        continues = self._paragraph and keeps == len(self._open)
        if continues and (match := _UNDERLINE.match(text)):
            return match
        match = _BLOCK.match(text)
        if match is None:
            return None
        is_mild = continues and match.lastgroup == "item" and _is_mild(match)
        is_too_deep = keeps == _MOST_OPEN and match.lastgroup in ("item", "quote")
        return None if is_mild or is_too_deep else match

    def _take_text(self, number: int, text: str, indent: int, keeps: int) -> None:
        if self._paragraph:  # the line continues it, however little it is indented
            self._paragraph.append(text)
        else:
            self._leave(keeps)
            if indent < 4:
                self._paragraph.append(text)
                self._paragraph_line = number
        self._last = number

    def _take_leaf(self, number: int, match: re.Match[str]) -> None:
        if match.lastgroup == "heading":
            level = match.end("heading")
            title = _title(match.string[level:])
            if not self._open:
                self._headings.append(Heading(number, level, title))
            self._blocks.append((number, title))
        elif match.lastgroup == "fence":
            self._verbatim = match["fence"]
        elif match.lastgroup == "comment" and "-->" not in match.string:
            self._verbatim = "-->"

    def _take_underline(self, text: str) -> None:
        """Take in what makes a heading of the paragraph above."""
        if not self._open:
            title = " ".join(map(str.strip, self._paragraph)).strip()
            self._headings.append(Heading(self._paragraph_line, 1 if text[0] == "=" else 2, title))

    def _begin_item(self, number: int, indent: int, match: re.Match[str]) -> tuple[str, int]:
        """Open a list item; return what its first line has, and how far that is indented."""
        rest = match.string[match.end() :]
        marker, width, inner = match.end("item"), match.end(), 0
        if not rest or width - marker > 4:  # indented code begins behind one space
            inner, width = width - marker - 1, marker + 1
        item = Item(number, len(self._open), rest)
        if _QUOTE not in self._open:
            self._items.append(item)
        self._open.append((indent + width, item))
        return rest, inner

    def _leave(self, keeps: int) -> None:
        """End the paragraph, and the quotes and items but the outermost `keeps`."""
        self._end_paragraph()
        if len(self._open) > keeps:
            for _, item in self._open[keeps:]:
                if item is not None:
                    item.has_body = self._last > item.line
            del self._open[keeps:]

    def _end_paragraph(self) -> None:
        if self._paragraph:
            self._blocks.append((self._paragraph_line, "\n".join(self._paragraph)))
            self._paragraph.clear()


def _is_mild(match: re.Match[str]) -> bool:
    """Tell whether an item cannot end a paragraph: nothing behind its marker, or a number but 1."""
    marker = match["item"]
    return match.end() == len(match.string) or (marker[0].isdigit() and int(marker[:-1]) != 1)


def _lines(text: str) -> list[str]:
    """Return the lines of `text`, with spaces for the tabs that indent."""
    text = text.removeprefix("\ufeff")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    return [_untabbed(line) if "\t" in line else line for line in lines] if "\t" in text else lines


def _untabbed(line: str) -> str:
    start = _COLUMNS.match(line)
    assert start
    return start[0].expandtabs(4) + line[start.end() :]


def _unquoted(text: str) -> tuple[str, int]:
    """Return what stands behind a quote's mark, and how far it is indented: one space belongs to it."""
    rest = text[1:].lstrip(" ")
    return rest, max(len(text) - len(rest) - 2, 0)


def _title(text: str) -> str:
    """Return the text of a heading without the number signs that may end it."""
    text = text.strip()
    bare = text.rstrip("#")
    return bare.rstrip() if bare[-1:] in ("", " ", "\t") else text


def _spans(line: int, text: str) -> Iterator[Span]:
    """Return the inline code in a block."""
    if "``" in text or "\\" in text or "<!--" in text:
        yield from _mixed_spans(line, text)
        return
    parts = text.split("`")
    for before, code in zip(parts[:-1:2], parts[1:-1:2], strict=False):
        line += before.count("\n")
        yield Span(line, _code(code))
        line += code.count("\n")


def _mixed_spans(line: int, text: str) -> Iterator[Span]:
    """Return the inline code in a block that has escapes, comments or runs of several backticks."""
    runs = defaultdict(list)
    for run in _TICKS.finditer(text):
        runs[run.end() - run.start()].append(run.start())
    last_end = text.rfind("-->")
    position = counted = 0
    while found := _INLINE.search(text, position):
        start, position = found.span()
        if text[start] == "<" and start < last_end:
            position = text.index("-->", start + 2)  # the two marks may share hyphens
        elif text[start] == "`":
            closers = runs[position - start]
            index = bisect_left(closers, position)
            if index < len(closers):
                line += text.count("\n", counted, start)
                counted = start
                yield Span(line, _code(text[position : closers[index]]))
                position += closers[index] - start


def _code(raw: str) -> str:
    code = raw.replace("\n", " ")
    return code[1:-1] if code[0] == code[-1] == " " and code.strip(" ") else code
