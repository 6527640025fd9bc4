"""``docs/INDEX.md``: five sections that list the documents in five directories."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from agentrail_runtime.checks import markdown
from agentrail_runtime.checks.files import Files, UnreadableError, read_text
from agentrail_runtime.checks.finding import Finding
from agentrail_runtime.checks.roots import DOC_DIRECTORIES, Roots

TITLES: Final[Mapping[str, str]] = dict(
    zip(
        DOC_DIRECTORIES,
        (
            "## 3. テンプレート (Templates)",
            "## 4. 仕様書 (Specifications)",
            "## 5. 意思決定記録 (Decisions)",
            "## 6. 調査記録 (Investigations)",
            "## 7. 運用手順・管理 (Operations)",
        ),
        strict=True,
    )
)
"""The heading of the section of each directory."""

EMPTY: Final = "- （未登録）"
APPLY: Final = "agentrail docs-indexer --mode apply"
NEW: Final = "# ドキュメント索引 (Documentation Index)\n"
"""What an index begins with that is written anew."""

_ENTRY: Final = re.compile(r"[-*+][ \t]+`([^`]+)`")
_FIRST_LINE: Final = re.compile(r"\s*^(# .*)", re.MULTILINE)
# What would end the inline code or the line that an entry is, or cannot be written in UTF-8.
_UNLISTABLE: Final = re.compile(r"[`\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Doc(NamedTuple):
    """A document: its path, and its first heading of level 1, None where it has none."""

    path: str
    title: str | None

    @property
    def line(self) -> str:
        """The line that stands for it in the index."""
        return f"- `{self.path}` - {self.title}"


Docs = Mapping[str, Sequence[Doc]]
"""The documents of each directory, by path."""


class _Difference(NamedTuple):
    """Something in an index that is not as it should be."""

    message: str
    line: int = 1
    hint: str = APPLY


class _Section(NamedTuple):
    """A managed section in the lines of an index: where its body begins, and the line behind it."""

    start: int
    end: int


class _Index:
    """The lines of an index, each with its own end, and where its managed sections are."""

    def __init__(self, text: str) -> None:
        self.lines = [*io.StringIO(text, newline="")]
        self._headings = [h for h in markdown.Document(text).headings if h.level <= 2]

    def sections(self, directory: str) -> list[_Section]:
        """Return the sections of `directory`, of which there should be one.

        Any further heading of level 1 or 2 ends one, not a numbered one alone: what the user wrote
        below it is not ours to replace.
        """
        title = TITLES[directory].removeprefix("## ").partition(" (")[0]
        ends = [*(heading.line - 1 for heading in self._headings[1:]), len(self.lines)]
        return [
            _Section(heading.line, end)
            for heading, end in zip(self._headings, ends, strict=False)
            if heading.level == 2 and heading.text.startswith(title)
        ]

    def body(self, section: _Section) -> list[str]:
        """Return the lines of a section without their ends."""
        return [line.rstrip("\r\n") for line in self.lines[section.start : section.end]]

    def is_in_sync(self, section: _Section, wanted: Sequence[str]) -> bool:
        """Tell whether a section holds just `wanted` and one blank line.

        At the end of the file that line may be missing: many editors and hooks take it away.
        """
        body = self.body(section)
        return body == [*wanted, ""] or (section.end == len(self.lines) and body == [*wanted])


def paths_in(text: str) -> frozenset[str]:
    """Return the paths that the index `text` has entries for."""
    return frozenset(found[1] for line in text.split("\n") if (found := _ENTRY.match(line)))


def gather(files: Files, roots: Roots) -> tuple[dict[str, list[Doc]], list[Finding]]:
    """Return the documents that stand directly in each directory, and what keeps any from being listed.

    A name that begins with a dot is not one of a document: editors keep locks and copies there.
    """
    docs: dict[str, list[Doc]] = {}
    findings: list[Finding] = []
    for directory in DOC_DIRECTORIES:
        folder = f"{roots.docs_root}/{directory}"
        names = [name for name in files.names(folder) if name.endswith(".md") and name[0] != "."]
        paths = sorted((f"{folder}/{name}" for name in names), key=lambda path: (path.lower(), path))
        docs[directory] = [
            Doc(path, _title(files, path, findings)) for path in paths if not files.is_directory(path)
        ]
    findings += _doubled(docs)
    return docs, findings


def check(files: Files, roots: Roots) -> list[Finding]:
    """Return what is wrong with the index and with the documents that it has to list."""
    docs, findings = gather(files, roots)
    try:
        text = read_text(files, roots.docs_index)
    except FileNotFoundError:
        return [*findings, missing(roots)]
    except UnreadableError as error:
        return [*findings, unreadable(roots.docs_index, str(error))]
    return [*findings, *differences(text, docs, roots)]


def differences(text: str, docs: Docs, roots: Roots) -> list[Finding]:
    """Return where the index `text` does not list just `docs`."""
    index = _Index(text)
    return [
        Finding("docs_index_in_sync", roots.docs_index, line, message, hint)
        for directory, listed in docs.items()
        for message, line, hint in _differences(index, directory, listed)
    ]


def apply(text: str, docs: Docs) -> str:
    """Return the index `text` with its five sections in sync; one that it lacks is added at the end.

    Every other line stays as it is, and so does its line end; new lines end as the first one does.

    Args:
        text: the index, with a byte order mark where it has one; blank for one that is written anew.
        docs: the documents of each directory, each with a title.
    """
    text = text if text.strip("\ufeff \t\r\n") else f"{text.strip()}{NEW}"
    index = _Index(text)
    end = index.lines[0][len(index.lines[0].rstrip("\r\n")) :] or "\n"
    lines = index.lines
    wanted = {directory: [doc.line for doc in docs[directory]] or [EMPTY] for directory in TITLES}
    found = {directory: index.sections(directory)[:1] for directory in TITLES}
    edits = [
        (section, wanted[directory])
        for directory, sections in found.items()
        for section in sections
        if not index.is_in_sync(section, wanted[directory])
    ]
    for section, entries in sorted(edits, reverse=True):
        _end(lines, section.start, end)
        lines[section.start : section.end] = [f"{line}{end}" for line in (*entries, "")]
    for directory in [name for name, sections in found.items() if not sections]:
        _end(lines, len(lines), end)
        blank = [] if not lines[-1].strip() else [""]
        lines += [f"{line}{end}" for line in (*blank, TITLES[directory], *wanted[directory], "")]
    return "".join(lines)


def missing(roots: Roots) -> Finding:
    """Return the finding of an index that is not there."""
    message = "expected the documentation index, found no such file"
    return Finding("docs_index_exists", roots.docs_index, 1, message, f"have it written: {APPLY}")


def unreadable(path: str, what: str) -> Finding:
    """Return the finding of a file that is no text."""
    return Finding("file_readable", path, 1, what, "write it as a UTF-8 text")


def _end(lines: list[str], number: int, end: str) -> None:
    """Give line `number` (from 1) an end where it is the last of a file and has none."""
    if not lines[number - 1].endswith(("\n", "\r")):
        lines[number - 1] += end


def _differences(index: _Index, directory: str, docs: Sequence[Doc]) -> Iterator[_Difference]:
    sections = index.sections(directory)
    if not sections:
        yield _Difference(f"expected the section {TITLES[directory]!r}, found none")
        return
    section = sections[0]
    for again in sections[1:]:
        message = f"expected the section {TITLES[directory]!r} once, found it again"
        yield _Difference(message, again.start, hint="remove one of the two")
    entries = [
        (number, entry[1], line)
        for number, line in enumerate(index.body(section), section.start + 1)
        if (entry := _ENTRY.match(line))
    ]
    present = {path: line for _, path, line in entries}
    # What has no title was told already: whatever stands for it is as good as anything.
    expected = {doc.path: doc.line if doc.title else present.get(doc.path) for doc in docs}
    wanted = [line for line in expected.values() if line is not None]
    if not index.is_in_sync(section, wanted or [EMPTY]):
        lacking = [path for path, line in expected.items() if line and path not in present]
        found = [*_wrong_entries(entries, expected), *_lacking_entries(section, lacking)]
        order = "expected the entries by path and one blank line, found another order or other lines"
        yield from found or [_Difference(order, section.start)]


def _wrong_entries(
    entries: Sequence[tuple[int, str, str]], expected: Mapping[str, str | None]
) -> Iterator[_Difference]:
    for number, path, line in entries:
        if path not in expected:
            message = f"expected entries of documents that are there, found one of {path}"
            yield _Difference(message, number)
        elif expected[path] != line:
            yield _Difference(f"expected {expected[path]!r}, found {line!r}", number)


def _lacking_entries(section: _Section, paths: Iterable[str]) -> Iterator[_Difference]:
    for path in paths:
        yield _Difference(f"expected an entry for {path}, found none", section.start)


def _title(files: Files, path: str, findings: list[Finding]) -> str | None:
    """Return the title of the document at `path`; None where it has none, as `findings` tell then."""
    if bad := _UNLISTABLE.search(path):
        message = f"expected a file name that can stand in the index, found {bad[0]!r} in it"
        findings.append(Finding("docs_index_in_sync", path, 1, message, "rename the document"))
        return None
    try:
        text = read_text(files, path)
    except FileNotFoundError:
        findings.append(unreadable(path, "expected a file, found a link to none"))
        return None
    except UnreadableError as error:
        findings.append(unreadable(path, str(error)))
        return None
    # Most documents begin with their title: nothing else of them needs to be looked at then.
    first = _FIRST_LINE.match(text)
    title = markdown.first_title(first[1] if first else text)
    if not title:
        message = "expected a heading of level 1, which the index shows, found none"
        hint = "begin the document with a line '# Title'"
        findings.append(Finding("docs_title_present", path, 1, message, hint))
    return title or None


def _doubled(docs: Docs) -> Iterator[Finding]:
    """Yield a finding for each document whose name another one has: the user's, rather than ours."""
    first: dict[str, str] = {}
    for directory in sorted(docs, key=lambda name: name not in ("templates", "operations")):
        for doc in docs[directory]:
            other = first.setdefault(doc.path.rpartition("/")[2], doc.path)
            if other != doc.path:
                message = f"expected a name of its own, found {other}, too"
                yield Finding("docs_name_unique", doc.path, 1, message, "rename one of the two")
