"""A lint: no tool and no code names the place of task records instead of asking the profile."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from agentrail_runtime.entry import FORMER_TASK_ROOT
from agentrail_runtime.planner import DEFAULT_TASK_ROOT

ALLOWED: Final = {
    "agentrail_runtime/planner.py": "defines the place of a first install",
}
"""Where the default is defined, with the reason; a path ends in one of these."""

MARK: Final = "agentrail: default task root"
"""A comment with these words, on a line, says that the line defines a default."""

_MAX_CHARACTERS: Final = 2_000_000
_DEFAULT: Final = re.escape(DEFAULT_TASK_ROOT).replace("/", r"[/\\]")
_ROOTS: Final = rf"(?:\.[/\\])?(?:{_DEFAULT}(?![\w.-])|{re.escape(FORMER_TASK_ROOT)}[/\\])"
_LITERAL: Final = re.compile(_ROOTS)
# In a script: not within a longer path, nor where one leads on from a variable, which asked somebody.
_NAMED: Final = re.compile(r"(?<![\w./\\$}>*-])" + _ROOTS)
_COMMENT: Final = re.compile(r"(?:^|\s)#.*")


class Finding(NamedTuple):
    """A line (from 1) of a file that names the place of task records, and the words that do."""

    path: str
    line: int
    text: str


def is_linted(path: str) -> bool:
    """Tell whether the file at `path` (with ``/``) is code: Python, PowerShell, shell or a workflow."""
    is_workflow = ".github/workflows/" in path and path.endswith((".yml", ".yaml"))
    return is_workflow or path.endswith((".py", ".ps1", ".psm1", ".sh"))


def findings(path: str, data: bytes) -> list[Finding]:
    """Return every place in a file of code that names the place of task records.

    In Python these are texts that begin with one, docstrings aside; elsewhere any words of a line,
    comments aside.

    Args:
        path: where it is, with ``/``; its ending tells its language.
        data: its bytes. What cannot be read is a finding, too.
    """
    if any(path == allowed or path.endswith(f"/{allowed}") for allowed in ALLOWED):
        return []
    if len(data) > _MAX_CHARACTERS:
        return [Finding(path, 1, "too large to be looked through")]
    text = data.decode("utf-8-sig", "replace")
    lines = text.splitlines()
    found = _python(path, text) if path.endswith(".py") else _words(path, lines)
    return [row for row in found if MARK not in "".join(lines[row.line - 1 : row.line])]


def _words(path: str, lines: Iterable[str]) -> Iterator[Finding]:
    for number, line in enumerate(lines, 1):
        found = _NAMED.search(line if MARK in line else _COMMENT.sub("", line))
        if found:
            yield Finding(path, number, line.strip()[:100])


def _python(path: str, text: str) -> Iterator[Finding]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the text of somebody else's literals
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        yield Finding(path, getattr(error, "lineno", None) or 1, f"not Python: {type(error).__name__}")
        return
    passed = {id(node) for node in _docstrings(tree)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in passed:
            continue
        if isinstance(node.value, str) and _LITERAL.match(node.value):
            yield Finding(path, node.lineno, repr(node.value[:100]))


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield every text that stands for itself: docstrings of modules, classes, functions and values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
