"""A task record: its six files, read and parsed when they are asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from agentrail_runtime.checks import state as state_
from agentrail_runtime.checks.files import Files, UnreadableError, read_text
from agentrail_runtime.checks.finding import Finding
from agentrail_runtime.checks.markdown import Document, Heading
from agentrail_runtime.checks.roots import Roots
from agentrail_runtime.checks.state import State, StateError

DOCUMENTS: Final = ("request.md", "investigation.md", "spec.md", "plan.md", "review.md")
REQUIRED: Final = (*DOCUMENTS, "state.json")
TASK_ID: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}__[a-z0-9][a-z0-9-]*")
_NO_RECORD: Final = re.compile(r"\..*|(?:archive|legacy)(?:-.*)?", re.DOTALL)


class Record:
    """One task record.

    What cannot be read or parsed is None here and a finding in `broken`, so that each rule looks at
    what is there, and what is missing is told once.
    """

    def __init__(self, task_id: str, files: Files, roots: Roots) -> None:
        self.task_id = task_id
        self.folder = f"{roots.task_root}/{task_id}"
        self._templates = roots.templates
        self.broken: list[Finding] = []
        is_there = task_id in files.names(roots.task_root) and files.is_directory(self.folder)
        texts = dict(self._texts(files)) if is_there else {}
        self.state = self._load_state(texts.pop("state.json", None))
        self.documents = {name: Document(text) for name, text in texts.items()}
        """The Markdown files that could be read, by name."""
        if not is_there:
            self._no_directory()

    @property
    def is_done(self) -> bool:
        """Whether the task says that it is done."""
        return self.state is not None and self.state.name == "done"

    @property
    def is_active(self) -> bool:
        """Whether the task is planned, in progress or blocked."""
        return self.state is not None and self.state.name in state_.ACTIVE

    @property
    def required(self) -> frozenset[str]:
        """The paths of the six files, there or not."""
        return frozenset(f"{self.folder}/{name}" for name in REQUIRED)

    def document(self, name: str) -> Document | None:
        """Return the Markdown file `name`, None where it could not be read."""
        return self.documents.get(name)

    def finding(self, rule_id: str, name: str, line: int, message: str, hint: str) -> Finding:
        """Return a finding in the file `name` of this record."""
        return Finding(rule_id, f"{self.folder}/{name}", line, message, hint)

    def _texts(self, files: Files) -> Iterator[tuple[str, str]]:
        names = files.names(self.folder)
        for name in REQUIRED:
            try:
                text = read_text(files, f"{self.folder}/{name}") if name in names else None
            except FileNotFoundError:
                text = None
            except UnreadableError as error:
                hint = "write it as a UTF-8 text"
                self.broken.append(self.finding("file_readable", name, 1, str(error), hint))
                continue
            if text and text.strip():
                yield name, text
            else:
                self._missing(name, "no such file" if text is None else "an empty file")

    def _missing(self, name: str, found: str) -> None:
        message = f"expected {name} of the task record, found {found}"
        hint = f"write it from {self._templates}/{name}"
        self.broken.append(self.finding("required_files_present", name, 1, message, hint))

    def _no_directory(self) -> None:
        message = f"expected the directory of the task record {self.task_id}, found none"
        hint = "name an existing task, or begin one: agentrail new-task SLUG"
        self.broken.append(Finding("required_files_present", self.folder, 1, message, hint))

    def _load_state(self, text: str | None) -> State | None:
        if text is None:
            return None
        try:
            return state_.load(text)
        except StateError as error:
            hint = "write a JSON object with state, owner, updated_at, blocking_issues, depends_on"
            self.broken.append(
                self.finding("state_json_valid", "state.json", error.line, str(error), hint)
            )
            return None


def is_record_name(name: str) -> bool:
    """Tell whether a directory of that name below the task root is a record and no archive."""
    return _NO_RECORD.fullmatch(name) is None


def task_ids(files: Files, roots: Roots) -> list[str]:
    """Return the names of all task records, sorted; what is archived is left out, and so are files."""
    return sorted(
        name
        for name in files.names(roots.task_root)
        if is_record_name(name) and files.is_directory(f"{roots.task_root}/{name}")
    )


def heading(document: Document, level: int, pattern: re.Pattern[str]) -> Heading | None:
    """Return the first heading of `level` whose text begins with `pattern`."""
    return next((h for h in document.headings if h.level == level and pattern.match(h.text)), None)
