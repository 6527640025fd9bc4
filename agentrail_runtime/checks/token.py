"""Path-like tokens: the inline code in a text that names a file of the repository."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from agentrail_runtime.checks.files import Paths
from agentrail_runtime.checks.markdown import Span

_SUFFIXES: Final = (".md", ".yaml", ".yml", ".json", ".ps1", ".py")
_NO_PATH: Final = re.compile(r"[\s*<>…]|\.\.\.|^[a-zA-Z][a-zA-Z0-9+.-]*://|^mailto:")
_PLACE: Final = re.compile(r"(?:#.*|(?::\d+){1,2}(?:-\d+)?)$")


def path_in(text: str, folder: str, paths: Paths) -> str | None:
    """Return the path that inline code names, without ``#fragment`` and ``:line``; None for no path.

    A name that is nothing but a suffix, such as ``.md``, speaks of a kind of files and is no path.

    Args:
        text: the inline code.
        folder: the directory of the file that holds it, relative to the root.
        paths: what exists.
    """
    if not text or _NO_PATH.search(text):
        return None
    path = _PLACE.sub("", text)
    if path.endswith(_SUFFIXES):
        return None if path in _SUFFIXES else path
    return path if "/" in path and paths.begins_somewhere(path, folder) else None


def paths_in(spans: Iterable[Span], folder: str, paths: Paths) -> Iterator[tuple[int, str]]:
    """Return the line and the path of every path-like token in `spans`."""
    known: dict[str, str | None] = {}
    for line, text in spans:
        if text not in known:
            known[text] = path_in(text, folder, paths)
        path = known[text]
        if path is not None:
            yield line, path
