"""Reading the project's Markdown pages: fenced blocks with their markers, tables, links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
_BLOCK = re.compile(
    r"(?:^<!-- (?P<marker>[^\n]+) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S
)


class Block(NamedTuple):
    """A fenced block, and the comment right above it that says what a test does with it."""

    marker: str
    language: str
    code: str


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    found = (match.group("marker", "language", "code") for match in _BLOCK.finditer(text))
    return [Block(marker or "", language, code) for marker, language, code in found]


def table(text: str, heading: str) -> list[list[str]]:
    """Return the rows of the table whose first column is named `heading`."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(f"| {heading} |"):
            break
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def links(text: str) -> list[str]:
    """Return the target of every link of a page, fenced blocks left out."""
    return re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", _BLOCK.sub("", text))
