"""The Markdown scanner, and what is edited with its help: changelog, backlog, documentation index."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from agentrail_runtime import profile
from agentrail_runtime.checks import backlog, docs_index, markdown, template
from agentrail_runtime.checks.docs_index import TITLES, Doc
from agentrail_runtime.checks.markdown import Document
from agentrail_runtime.checks.roots import Roots
from agentrail_runtime.release import changelog
from tests.fuzz.mutation import BOM, text_maker
from tests.fuzz.target import Target
from tests.property import test_markdown_scanner as scanner

PAYLOAD: Final = Path(profile.__file__).parent / "payload"
TOKENS: Final = (
    *(b"# t\n", b"## t ##\n", b"### t\n", b"t\n===\n", b"t\n---\n", b"- ", b"* ", b"1. ", b"2) "),
    *(b"> ", b"    "),
    *(b"\t", b"`", b"``", b"```\n", b"~~~\n", b"```` x\n", b"<!--", b"-->", b"<!-->", b"--->", b"\\"),
    *(b"\\`", b"x"),
    *(b"\n", b"\n\n", b" ", b"`a/b.md`", b"***\n", b"- - -\n", b"\r", b"\r\n", b"#", b"[a](b`c)"),
    *(b"<a href='`'>",),
)
TEXTS: Final = (
    b"",
    b"# t\n\n- a `x`\n  - b\n\n    c\n\n## u\n\n1. d\n   <!-- `e` -->\n\n```\n# no\n```\n"
    b"> # q\n> - i `j`\n",
    BOM + b"t\r\n=\r\n\r\n* a\r\n\r\n\r\n  b ``x`y``\r\n",
    b"- a\n    - b\n        - c\n\n      c\n  d\n",
    b"> - a\n>   `b\n> c` ```\n> ```\n> `x`\n\n`y`",
    *((PAYLOAD / "docs/templates" / name).read_bytes() for name in ("review.md", "spec.md")),
)


def _decoded(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def check_markdown(data: bytes) -> bool:
    """Claim that a text is read in its order, within its lines, whatever its line ends are."""
    text = _decoded(data)
    if text is None:
        return False
    document = Document(text)
    _is_in_order(document, text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))
    assert _reading(Document("\ufeff" + text.removeprefix("\ufeff"))) == _reading(document)
    if "\r" not in text:
        for end in ("\r\n", "\r"):
            assert _reading(Document(text.replace("\n", end))) == _reading(document)
        bare = markdown.without_comments(text)
        comment = re.compile(r"<!--(?:-?>|(?:(?!-->).)*-->)", re.DOTALL)
        assert bare == comment.sub("", text).strip()
    title = markdown.first_title(text)
    assert title == next((h.text for h in document.headings if h.level == 1), None)
    return True


def _reading(document: Document) -> tuple[object, ...]:
    items = [(item.line, item.depth, item.text, item.has_body) for item in document.items]
    return document.headings, items, document.spans, document.end


def _is_in_order(document: Document, text: str) -> None:
    lines = text.split("\n")
    assert document.end == len(lines) + 1
    for rows in (document.headings, document.items, document.spans):
        numbers = [row.line for row in rows]
        assert numbers == sorted(numbers)
        assert all(0 < number < document.end for number in numbers)
    for heading in document.headings[:50]:
        assert 1 <= heading.level <= 6
        assert "\n" not in heading.text
        assert heading.text == heading.text.strip(" \t")
        section = document.section(heading)
        assert section.start == heading.line + 1
        assert section.stop <= document.end
    for item in document.items:
        assert 0 <= item.depth <= 20
        assert item.text in lines[item.line - 1].expandtabs(4) or "\t" in lines[item.line - 1]
    for span in document.spans:
        assert span.text
        assert "\n" not in span.text
        assert "`" in lines[span.line - 1]


# --- against a whole parser --------------------------------------------------------------------------

_CONTENTS: Final = (*scanner.TEXTS, *scanner.BLOCKS)


@cache
def _known_lines() -> tuple[frozenset[str], ...]:
    """Return the lines of texts that the scanner and markdown-it-py both read by CommonMark.

    The notes of the property test tell where markdown-it-py strays, which is where these lines end.
    """
    bulleted = {
        lead + bullet + held
        for lead in ("", "  ", "    ", "      ", "\t", "\t  ", "> ", ">   ")
        for bullet in scanner.BULLETS
        for held in (*_CONTENTS, *(scanner.QUOTES if lead in ("", "  ") else ()))
    }
    marked = {
        " " * indent + one + other + held
        for indent in range(4)
        for one in scanner.MARKERS
        for other in scanner.MARKERS
        for held in (*_CONTENTS, *scanner.QUOTES)
    }
    leads = ("    ", "     ", "       ", "\t", " \t ", "> \t", "-\t", " 1.\t", "*\t\t")
    indented = {lead + held for lead in leads for held in scanner.TEXTS}
    return frozenset(bulleted | {*_CONTENTS}), frozenset(marked | indented | {*_CONTENTS})


def check_commonmark(data: bytes) -> bool:
    """Claim that the scanner sees what markdown-it-py sees, in texts that both read by CommonMark."""
    text = _decoded(data)
    if text is None:
        return False
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) > 60 or not any(known.issuperset(lines) for known in _known_lines()):
        return False
    assert scanner.by_scanner(text) == scanner.by_markdown_it(text)
    return True


def _make_commonmark(random: Random) -> bytes:
    texts = random.sample(scanner.TEXTS, 3)
    blocks = ["", *random.sample(scanner.BLOCKS, 3)]
    style = random.choice((_bulleted, _mixed))
    lines = [style(random, texts, blocks) for _ in range(random.randrange(1, 14))]
    end = random.choice(("\n", "\n", "\r\n", "\r"))
    return (random.choice(("", "", "\ufeff")) + end.join(lines)).encode()


def _bulleted(random: Random, texts: list[str], blocks: list[str]) -> str:
    if random.randrange(3) == 0:
        return random.choice(texts + blocks)
    lead = random.choice(["", "  ", "    ", "      ", "\t", "\t  ", "> ", ">   "])
    held = [texts, blocks, scanner.QUOTES] if lead in ("", "  ") else [texts, blocks]
    return lead + random.choice(scanner.BULLETS) + random.choice(random.choice(held))


def _mixed(random: Random, texts: list[str], blocks: list[str]) -> str:
    if random.randrange(3) == 0:
        return random.choice(texts + blocks)
    if random.randrange(3) == 0:
        leads = ["    ", "     ", "       ", "\t", " \t ", "> \t", "-\t", " 1.\t", "*\t\t"]
        return random.choice(leads) + random.choice(texts)
    markers = random.choice(scanner.MARKERS) + random.choice(scanner.MARKERS)
    held = random.choice(random.choice([texts, blocks, scanner.QUOTES]))
    return " " * random.randrange(4) + markers + held


# --- the changelog -----------------------------------------------------------------------------------

CHANGELOGS: Final = (
    b"# Changelog\n\n## Unreleased\n\n### Breaking changes\n\n- a\n  b\n\nc\n\n"
    b"## [1.1.0] - 2030-12-31\n\n"
    b"- **Breaking:** d\n",
    BOM + b"Changes\r\n=======\r\n\r\nv1.0\r\n----\r\n\r\n* a\r\n",
    b"## 1.0\n```\n## 2.0\n```\n<!--\n## 3.0\n-->\n",
)
CHANGELOG_TOKENS: Final = (
    b"## 1.1\n",
    b"## [v1.1.0] - 2030-12-31\n",
    b"### Breaking\n",
    b"- a\n",
    *TOKENS,
)


def check_changelog(data: bytes) -> bool:
    """Claim that every entry of a changelog stands there, word for word, in one section."""
    text = _decoded(data)
    if text is None:
        return False
    sections = changelog.load(text)
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    seen: list[int] = []
    for section in sections:
        assert section.title
        for entry in section.entries:
            wanted = entry.text.split("\n")
            got = "\n".join(lines[entry.line - 1 : entry.line - 1 + len(wanted)])
            assert got.startswith(entry.text)
            seen.append(entry.line)
    assert seen == sorted(set(seen))
    assert [section.line for section in sections] == sorted(section.line for section in sections)
    for section in sections[:20]:
        assert section in changelog.find(sections, section.title)
    return bool(sections)


# --- the backlog -------------------------------------------------------------------------------------

TASK: Final = "2030-12-31__not-there-yet"
BACKLOGS: Final = (
    (PAYLOAD / "docs/operations/high-priority-backlog.md").read_bytes(),
    "# 一覧\n\n## 優先タスク一覧\n\n1. `a`\n   - 依存: なし\n2. `b`\n   - 依存: `a`, `c`\n\n## 他\n"
    "\n- `d`\n".encode(),
    b"## Priority tasks\r\n\r\n- `a`\r\n  - **Depends on**:\r\n    - `b`\r\n    - c\r\n\r\n"
    b"- `e` <!-- x -->\r\n  more",
    "## 優先タスク一覧\n\n（登録なし）\n".encode(),
)
BACKLOG_TOKENS: Final = (
    *("## 優先タスク一覧\n".encode(), b"## Priority tasks\n", b"1. `a`\n"),
    *(b"   - \xe4\xbe\x9d\xe5\xad\x98: `b`\n",),
    *(
        b"- `c`\n",
        b"  - Depends on: none\n",
        "（登録なし）\n".encode(),
        b"1) `x`\n",
        b"10. `y`\n",
        *TOKENS,
    ),
)


def check_backlog(data: bytes) -> bool:
    """Claim that a new entry goes in at the end, and that no line of somebody's changes for it."""
    text = _decoded(data)
    if text is None:
        return False
    before = backlog.load(text)
    assert [entry.line for entry in before] == sorted(entry.line for entry in before)
    if any(entry.task_id == TASK for entry in before):
        return False
    for depends_on in ((), ("a", "2030-12-30__other")):
        changed = template.add_entry(text, TASK, depends_on)
        if changed is None:
            continue
        after = backlog.load(changed)
        assert [row.task_id for row in after] == [*(row.task_id for row in before), TASK]
        assert after[-1].depends_on == frozenset(depends_on)
        _stays(text, changed)
    return bool(before)


def _stays(before: str, after: str) -> None:
    """Claim that every line is still there, in order, but for the placeholder of an empty list."""
    rest = iter(_ends(after))
    for line in _ends(before):
        assert "（登録なし）" in line or line in rest, f"a line went: {line!r}"


def _ends(text: str) -> list[str]:
    return [line for line in re.split(r"\r\n|\r|\n", text) if line.strip()]


# --- the index of documents --------------------------------------------------------------------------

DOCS: Final = {
    "templates": [Doc("docs/templates/a.md", "A")],
    "specs": [],
    "decisions": [Doc("docs/decisions/b.md", "`B` # c"), Doc("docs/decisions/c d.md", "- e")],
    "investigations": [],
    "operations": [Doc("docs/operations/f.md", "日本")],
}
INDEXES: Final = (
    (PAYLOAD / "docs/INDEX.md").read_bytes(),
    docs_index.apply("", DOCS).encode(),
    docs_index.apply("\ufeff# I\r\n\r\nmine\r\n", DOCS).encode() + b"\r\n## 8. Mine\r\n\r\n- `x`\r\n",
)
INDEX_TOKENS: Final = (
    *(f"{title}\n".encode() for title in TITLES.values()),
    *(b"- `docs/specs/x.md` - X\n", "- （未登録）\n".encode(), b"## 9. Mine\n", b"# Mine\n", *TOKENS),
)


def check_docs_index(data: bytes) -> bool:
    """Claim that what is written is in sync, that a second run changes nothing, and what is mine stays.

    Nothing is written while something is left to complain of, as where a comment has no end.
    """
    text = _decoded(data)
    if text is None:
        return False
    done = docs_index.apply(text, DOCS)
    if docs_index.differences(done, DOCS, Roots()):
        return False
    assert docs_index.apply(done, DOCS) == done
    rest = iter(_ends(done.removeprefix("\ufeff")))
    for line in _mine(text):
        assert line in rest, f"a line went: {line!r}"
    return True


def _mine(text: str) -> list[str]:
    """Return the lines outside the five sections, in order."""
    document = Document(text)
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    titles = [title.removeprefix("## ").partition(" (")[0] for title in TITLES.values()]
    headings = [heading for heading in document.headings if heading.level <= 2]
    ours: set[int] = set()
    for at, heading in enumerate(headings):
        if heading.level == 2 and heading.text.startswith(tuple(titles)):
            end = headings[at + 1].line if at + 1 < len(headings) else document.end
            ours.update(range(heading.line + 1, end))
    kept = (line for number, line in enumerate(lines, 1) if number not in ours)
    return [line for line in kept if line.strip("\ufeff").strip()]


TARGETS: Final = (
    Target(
        "markdown",
        check_markdown,
        text_maker(TEXTS, TOKENS),
        TOKENS,
        lambda n: b"# h `c`\n\n- a `b`\n  - c\n\n> q <!-- d -->\n" * n,
        examples=150,
    ),
    Target("commonmark", check_commonmark, _make_commonmark, examples=150),
    Target(
        "changelog",
        check_changelog,
        text_maker(CHANGELOGS, CHANGELOG_TOKENS),
        CHANGELOG_TOKENS,
        lambda n: b"".join(b"## 1.%d\n\n### Added\n\n- a\n- b\n\n" % row for row in range(n)),
    ),
    Target(
        "backlog",
        check_backlog,
        text_maker(BACKLOGS, BACKLOG_TOKENS),
        BACKLOG_TOKENS,
        lambda n: (
            b"## Priority tasks\n\n"
            + b"".join(b"%d. `t%d`\n   - Depends on: `a`\n" % (r, r) for r in range(n))
        ),
        examples=120,
    ),
    Target(
        "docs-index", check_docs_index, text_maker(INDEXES, INDEX_TOKENS), INDEX_TOKENS, examples=100
    ),
)
