"""Where a repository keeps its records and documents, as its profile says."""

from __future__ import annotations

from typing import Final, NamedTuple

from agentrail_runtime.entry import PathError, RelPath, parse_path

DOC_DIRECTORIES: Final = ("templates", "specs", "decisions", "investigations", "operations")
DEFAULT_TASK_ROOT: Final = "work"
DEFAULT_DOCS_ROOT: Final = "docs"


class Roots(NamedTuple):
    """The roots that ``workflow`` of the profile names, relative to the repository's root."""

    task_root: str = DEFAULT_TASK_ROOT
    docs_root: str = DEFAULT_DOCS_ROOT

    @property
    def docs_index(self) -> str:
        """The path of the documentation index."""
        return f"{self.docs_root}/INDEX.md"

    @property
    def backlog(self) -> str:
        """The path of the backlog."""
        return f"{self.docs_root}/operations/high-priority-backlog.md"

    @property
    def templates(self) -> str:
        """The path of the directory of the templates."""
        return f"{self.docs_root}/templates"


def from_workflow(workflow: object) -> Roots:
    """Return the roots in the value of the profile's ``workflow``; the default where it names none.

    A root that leaves the repository is not followed: the default stands in for it.
    """
    values = workflow if isinstance(workflow, dict) else {}
    return Roots(
        _root(values.get("task_root"), DEFAULT_TASK_ROOT),
        _root(values.get("docs_root"), DEFAULT_DOCS_ROOT),
    )


def parse_root(text: str) -> RelPath:
    """Return the path of a root as the checks spell it: without ``./`` before it and ``/`` behind it.

    Raises:
        PathError: it does not stay within the repository.
    """
    path = text.strip().removeprefix("./")
    return parse_path(path.rstrip("/") or path)


def _root(value: object, default: str) -> str:
    if not isinstance(value, str) or not value.strip():
        return default
    try:
        return parse_root(value)
    except PathError:
        return default
