"""The prerequisites section of a record's files and of documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from agentrail_runtime.checks.markdown import Document, Heading

TASK: Final = re.compile(r"0\.\s*前提知識")
DOC: Final = re.compile(r"(?:\d+\.\s*)?前提知識")
_FIRST: Final = re.compile(r"1\.")


def find(document: Document, pattern: re.Pattern[str]) -> Heading | None:
    """Return the heading of the section: `TASK` for a record's file, `DOC` for a document."""
    return next((h for h in document.headings if h.level == 2 and pattern.match(h.text)), None)


def block(document: Document, found: Heading, *, ends_at_any: bool = True) -> range:
    """Return the lines of the section: to the next H2, of any title or only one that begins ``1.``."""
    following: Iterator[Heading] = (
        h for h in document.headings if h.line > found.line and h.level == 2
    )
    if not ends_at_any:
        following = (h for h in following if _FIRST.match(h.text))
    return range(found.line + 1, next((h.line for h in following), document.end))
