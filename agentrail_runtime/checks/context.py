"""What the rules of one record need to know of the rest of the repository, each read once."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from agentrail_runtime.checks import backlog, docs_index, prerequisite
from agentrail_runtime.checks import state as state_
from agentrail_runtime.checks.files import Files, Paths, UnreadableError, candidates, read_text
from agentrail_runtime.checks.markdown import Document
from agentrail_runtime.checks.record import is_record_name
from agentrail_runtime.checks.roots import Roots
from agentrail_runtime.checks.state import StateError
from agentrail_runtime.checks.token import paths_in
from agentrail_runtime.entry import PROFILE_PATH


class Task(NamedTuple):
    """What other tasks need to know of a task: its state (None: no known one), and its dependencies."""

    state: str | None
    depends_on: tuple[str, ...]


class LinkedDoc(NamedTuple):
    """What the quality rules know of a document: where its prerequisites are, and what they name."""

    line: int | None
    has_resolving: bool = False
    has_doc: bool = False
    has_task: bool = False


class Context:
    """The repository around a record."""

    def __init__(self, files: Files, roots: Roots) -> None:
        self.files = files
        self.roots = roots
        self.paths = Paths(files)
        self._tasks: dict[str, Task | None] = {}
        self._docs: dict[str, LinkedDoc | None] = {}

    @cached_property
    def indexed(self) -> frozenset[str] | None:
        """The paths that the documentation index has an entry for; None where there is no index."""
        text = self._text(self.roots.docs_index)
        return None if text is None else docs_index.paths_in(text)

    @cached_property
    def backlog(self) -> dict[str, list[backlog.Entry]]:
        """The backlog's entries by task id."""
        entries: dict[str, list[backlog.Entry]] = {}
        for entry in backlog.load(self._text(self.roots.backlog) or ""):
            entries.setdefault(entry.task_id, []).append(entry)
        return entries

    def task(self, task_id: str) -> Task | None:
        """Return what is known of the task `task_id`; None where it is absent or cannot be read."""
        if task_id not in self._tasks:
            self._tasks[task_id] = self._load_task(task_id)
        return self._tasks[task_id]

    def has_task(self, task_id: str) -> bool:
        """Tell whether the record `task_id` exists, readable or not."""
        return (
            is_record_name(task_id)
            and task_id in self.files.names(self.roots.task_root)
            and self.files.is_directory(f"{self.roots.task_root}/{task_id}")
        )

    def resolves(self, token: str, folder: str) -> bool:
        """Tell whether `token` names something, seen from the root or from `folder`.

        The profile and the documentation index count as there: their absence has rules of its own.
        """
        told = (PROFILE_PATH, self.roots.docs_index)
        return self.paths.resolves(token, folder) or any(p in told for p in candidates(token, folder))

    def doc(self, path: str) -> LinkedDoc | None:
        """Return what is known of the document at `path`; None where it cannot be read."""
        if path not in self._docs:
            text = self._text(path)
            self._docs[path] = None if text is None else self._summary(path, Document(text))
        return self._docs[path]

    def _load_task(self, task_id: str) -> Task | None:
        if not self.has_task(task_id):
            return None
        try:
            state = state_.load(self._text(f"{self.roots.task_root}/{task_id}/state.json") or "")
        except StateError:
            return None
        return Task(state.name, state.depends_on)

    def _text(self, path: str) -> str | None:
        try:
            return read_text(self.files, path)
        except (FileNotFoundError, UnreadableError):
            return None

    def _summary(self, path: str, document: Document) -> LinkedDoc:
        found = prerequisite.find(document, prerequisite.DOC)
        if found is None:
            return LinkedDoc(None)
        folder = path.rpartition("/")[0]
        spans = document.spans_in(prerequisite.block(document, found))
        named = [token for _, token in paths_in(spans, folder, self.paths)]
        placeholders = any(span.text.startswith("<task_root>/") for span in spans)
        return LinkedDoc(
            found.line,
            has_resolving=any(self.resolves(token, folder) for token in named),
            has_doc=any(token.startswith(f"{self.roots.docs_root}/") for token in named),
            has_task=placeholders or any(t.startswith(f"{self.roots.task_root}/") for t in named),
        )
