"""New task: a record from the installed templates, its backlog entry, and the link from a finding."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from agentrail_runtime import newline, stash
from agentrail_runtime.checkout import Checkout
from agentrail_runtime.checks import backlog, review_rule, template
from agentrail_runtime.checks.context import Context
from agentrail_runtime.checks.markdown import Document
from agentrail_runtime.checks.record import DOCUMENTS, REQUIRED, TASK_ID
from agentrail_runtime.checks.state import StateError
from agentrail_runtime.checks.token import path_in
from agentrail_runtime.entry import PathError, RelPath, collision_key, parse_path
from agentrail_runtime.errors import TargetError, UsageError, typed
from agentrail_runtime.operation.place import Edit, Placement, place
from agentrail_runtime.operation.tasks import known_roots
from agentrail_runtime.session import DEFAULT_TIMEOUT, Session
from agentrail_runtime.target import Target

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNFILLED: Final = re.compile(r"PENDING|（記入|$", re.IGNORECASE)


class Kickoff(NamedTuple):
    """What a task begins with.

    Args:
        task_id: its id, as `parse_task_id` has it.
        updated_at: the time now, RFC 3339 with the offset from UTC.
        title: one line, None to leave it to be filled in.
        depends_on: the ids of the tasks that it waits for, each once.
        finding: the task and the id of the process finding that it comes from, None for none.
    """

    task_id: str
    updated_at: str
    title: str | None = None
    depends_on: tuple[str, ...] = ()
    finding: tuple[str, str] | None = None


class NewTask(NamedTuple):
    """What was written, or would be; every path is relative to the root.

    Args:
        task_id: the id of the task.
        path: the directory of the record.
        files: the files of the record.
        backlog: the backlog, None where it got no entry.
        linked: the review that links to the task now, None where it comes from no finding.
        notices: sentences for the user besides.
    """

    task_id: str
    path: str
    files: tuple[str, ...]
    backlog: str | None
    linked: str | None
    notices: tuple[str, ...] = ()


class _Plan(NamedTuple):
    placement: Placement
    result: NewTask


def parse_task_id(slug: str, date: str | None, today: datetime.date) -> str:
    """Return the id of a task that begins today, or on another day.

    Args:
        slug: lower-case letters, digits and hyphens; or a full id.
        date: the day as YYYY-MM-DD, None for today.
        today: the local date.

    Raises:
        UsageError: one of them is not as said, or they name two days.
    """
    if date is not None:
        _check_date(date, "--date")
    if not TASK_ID.fullmatch(slug):
        if not _SLUG.fullmatch(slug):
            raise UsageError(
                f"{slug!r}: not a slug (expected lower-case letters, digits and hyphens)",
                hint="name it such as add-login-audit",
            )
        return f"{date or today.isoformat()}__{slug}"
    day = slug[: len("YYYY-MM-DD")]
    _check_date(day, slug)
    if date not in (None, day):
        raise UsageError(f"{slug}: names another day than --date {date}", hint="leave one of them out")
    return slug


def new_task(root: str, kickoff: Kickoff, *, dry_run: bool = False) -> NewTask:
    """Begin a task: write its record, its backlog entry, and the link of the finding it comes from.

    Args:
        root: the repository.
        kickoff: what the task begins with.
        dry_run: write nothing.

    Raises:
        UsageError: a title or id that no record can have.
        TargetError: the task exists already; a dependency, a finding or a template does not, or cannot
            be read; the profile does not say where records are; or the target may not be written. It
            is as it was.
        RecoveryError: after a failure, what had been written could not be taken back.
    """
    session = Session(Target(root), DEFAULT_TIMEOUT)
    try:
        if stash.is_hot(session.target):
            with session.locked():
                pass
        plan = _plan(session.target, kickoff)
        if not dry_run:
            with session.locked():
                plan = _plan(session.target, kickoff)
                place(session.target, plan.placement)
    except OSError as error:
        raise TargetError(
            f"{root}: cannot be read: {error.strerror}; the target is as it was",
            hint="mend the cause, then run the command again",
        ) from error
    finally:
        session.target.close()
    return plan.result._replace(notices=(*session.notices, *plan.result.notices))


def _check_date(text: str, where: str) -> None:
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        datetime.date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{where}: {text!r} is no date (expected YYYY-MM-DD)", hint="name a day of the calendar"
        ) from None


class _Planner:
    """The repository, as far as a new task is concerned."""

    def __init__(self, target: Target, kickoff: Kickoff) -> None:
        self.target = target
        self.kickoff = kickoff
        self.files = Checkout(target.root)
        self.roots = known_roots(self.files)
        self.context = Context(self.files, self.roots)
        try:
            self.folder = parse_path(f"{self.roots.task_root}/{kickoff.task_id}")
        except PathError as error:
            raise UsageError(str(error), hint="name a shorter slug") from None

    def plan(self) -> _Plan:
        """Return all that is to be written."""
        self._check_new()
        self._check_dependencies()
        edits, notices = [], []
        request: dict[str, str] = {}
        linked = None
        if self.kickoff.finding:
            linked, request = self._from_finding(*self.kickoff.finding)
            edits.append(linked)
        entry, note = self._backlog()
        edits += [entry] if entry else []
        notices += [note] if note else []
        files = self._record(request)
        result = NewTask(
            self.kickoff.task_id,
            self.folder,
            tuple(f"{self.folder}/{name}" for name in files),
            self.roots.backlog if entry else None,
            linked.path if linked else None,
            tuple(notices),
        )
        return _Plan(Placement(self.folder, files, tuple(edits)), result)

    def _check_new(self) -> None:
        wanted = collision_key(self.kickoff.task_id)
        for name in self.target.names(RelPath(self.roots.task_root)):
            if collision_key(name) == wanted:
                path = f"{self.roots.task_root}/{name}"
                raise TargetError(
                    f"{path}: exists already (expected no record of that name)",
                    paths=[path],
                    hint="go on with that task, or name another slug",
                )

    def _check_dependencies(self) -> None:
        ids = self.kickoff.depends_on
        for number, task_id in enumerate(ids):
            if task_id in ids[:number]:
                raise UsageError(f"--depends-on {task_id}: given twice", hint="name it once")
            path = self._existing(task_id)
            if self.context.task(task_id) is None:
                raise TargetError(
                    f"{path}/state.json: cannot be read (expected the state of a dependency)",
                    paths=[f"{path}/state.json"],
                    hint=f"agentrail state-validate --task-id {typed(task_id)}",
                )

    def _existing(self, task_id: str) -> str:
        if not self.context.has_task(task_id):
            raise TargetError(
                f"{task_id}: no such task (expected a record in {self.roots.task_root})",
                hint="list them: agentrail tasks",
            )
        return f"{self.roots.task_root}/{task_id}"

    def _from_finding(self, task_id: str, finding_id: str) -> tuple[Edit, dict[str, str]]:
        path = RelPath(f"{self._existing(task_id)}/review.md")
        text = self._text(path, "the review of that task")
        block = review_rule.finding_block(Document(text), finding_id)
        summary = template.value_at(text, block["summary"][0]) if block and "summary" in block else ""
        linked = block.get("linked_task_id", (0, ""))[1] if block else ""
        if block is None:
            raise self._no_finding(path, f"expected a process finding {finding_id}, found none")
        if _UNFILLED.match(summary):
            raise self._no_finding(path, f"expected a summary of {finding_id}, found none yet")
        if linked and self.context.has_task(linked):
            raise self._no_finding(path, f"expected {finding_id} to have no task, found {linked}")
        new = template.link_finding(text, block, self.kickoff.task_id)
        source = f"`{task_id}` の改善案 {self._inert(finding_id)}、{self._inert(f'`{path}`')}"
        told = {"依頼の原文": f"{self._inert(summary)}（出典: {source}）"}
        return Edit(self._inside(path), text.encode(), new.encode()), told

    def _no_finding(self, path: str, message: str) -> TargetError:
        hint = "name another finding, or begin the task without --from-finding"
        return TargetError(f"{path}: {message}", paths=[path], hint=hint)

    def _backlog(self) -> tuple[Edit | None, str | None]:
        path = RelPath(self.roots.backlog)
        if self.target.inspect(self._inside(path)).kind == "absent":
            return None, f"{path}: no such file: the task is in no backlog"
        text = self._text(path, "the backlog")
        entries = [e for e in backlog.load(text) if e.task_id == self.kickoff.task_id]
        for entry in entries:
            if entry.depends_on != frozenset(self.kickoff.depends_on):
                raise TargetError(
                    f"{path}:{entry.dependency_line}: {entry.task_id} has other dependencies there "
                    f"(expected {', '.join(self.kickoff.depends_on) or 'none'})",
                    paths=[path],
                    hint="name the same ones with --depends-on, or correct the entry",
                )
        if entries:
            return None, f"{path}: has an entry of {self.kickoff.task_id} already"
        new = template.add_entry(text, self.kickoff.task_id, self.kickoff.depends_on)
        if new is None:
            return None, f"{path}: no section '## 優先タスク一覧' that the task could be added to"
        return Edit(self._inside(path), text.encode(), new.encode()), None

    def _record(self, request: Mapping[str, str]) -> dict[str, bytes]:
        task_id, ids = self.kickoff.task_id, self.kickoff.depends_on
        title = {} if self.kickoff.title is None else {"タイトル": self._title(self.kickoff.title)}
        depends_on = ", ".join(f"`{other}`" for other in ids) or "なし"
        blanks: dict[str, Mapping[str, str]] = {
            "request.md": {"依頼日": task_id[: len("YYYY-MM-DD")], **title, **request},
            "spec.md": {"タスク ID": f"`{task_id}`", "依存タスク": depends_on, **title},
        }
        files = {
            name: template.fill(self._template(name), blanks.get(name, {})).encode()
            for name in DOCUMENTS
        }
        text = self._template("state.json").removeprefix("\ufeff")
        updated_at = self.kickoff.updated_at
        try:
            files["state.json"] = template.fill_state(
                text, updated_at=updated_at, depends_on=ids
            ).encode()
        except StateError as error:
            path = f"{self.roots.templates}/state.json"
            raise TargetError(
                f"{path}:{error.line}: {error}", paths=[path], hint="write a JSON object"
            ) from None
        return files

    def _template(self, name: str) -> str:
        path = RelPath(f"{self.roots.templates}/{name}")
        text = self._text(path, "the template")
        if not text.strip("\ufeff \t\r\n"):
            raise TargetError(
                f"{path}: an empty file (expected the template)",
                paths=[path],
                hint="write it, or put it back with agentrail-install --on-conflict overwrite",
            )
        return text

    def _title(self, title: str) -> str:
        text = self._inert(title)
        if _CONTROL.search(text) or not any(map(str.isalnum, text)):
            raise UsageError(f"--title: {title!r} is no title", hint="name the change in one line")
        return text

    def _inert(self, text: str) -> str:
        return template.inert(text, self._breaks)

    def _breaks(self, code: str) -> bool:
        """Tell whether inline code is a path that does not resolve from the record."""
        if code.partition("/")[0] in REQUIRED:
            return code not in REQUIRED
        path = path_in(code, self.folder, self.context.paths)
        return path is not None and not self.context.resolves(path, self.folder)

    def _inside(self, path: RelPath) -> RelPath:
        """Return the file in the target that stands for `path`, which may be a symlink to it."""
        state = self.target.inspect(path)
        return RelPath(state.place) if state.kind == "link" and state.place else path

    def _text(self, path: RelPath, what: str) -> str:
        """Return the text of a file as it is, with line ends and a byte order mark."""
        try:
            data = self.target.read(self._inside(path))
        except FileNotFoundError:
            raise TargetError(
                f"{path}: no such file (expected {what})",
                paths=[path],
                hint=f"put it back: agentrail-install {typed(self.target.root)}",
            ) from None
        if not newline.is_utf8(data):
            message = f"{path}: not a text in UTF-8 (expected {what})"
            raise TargetError(message, paths=[path], hint="write it as UTF-8")
        return data.decode()


def _plan(target: Target, kickoff: Kickoff) -> _Plan:
    return _Planner(target, kickoff).plan()
