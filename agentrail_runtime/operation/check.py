"""Check: the rules of the records, the documentation index and the profile, on a repository."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from agentrail_runtime import git
from agentrail_runtime.checkout import Checkout
from agentrail_runtime.checks import docs_index, profile_rule, suite
from agentrail_runtime.checks.context import Context
from agentrail_runtime.checks.files import MAX_SIZE, UnreadableError, read_text
from agentrail_runtime.checks.finding import Finding, Mode, Report, Result
from agentrail_runtime.checks.profile_rule import Profile, Schema, SchemaError
from agentrail_runtime.checks.record import task_ids as all_ids
from agentrail_runtime.checks.roots import DOC_DIRECTORIES, Roots
from agentrail_runtime.checks.suite import Checked, Rule, Suite
from agentrail_runtime.entry import PROFILE_PATH
from agentrail_runtime.errors import UsageError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

Progress = Callable[[str, int, int], None]
Rules = Literal["consistency", "state", "all"]
Chunks = Sequence[Sequence[str]]

_RULES: Final[dict[Rules, tuple[Rule, ...]]] = {
    "consistency": suite.CONSISTENCY,
    "state": suite.STATE,
    "all": suite.ALL,
}
_CHUNK: Final = 32
_MOST_PROCESSES: Final = 8
_WORTH_PROCESSES = 200
"""The number of records from which on a second process saves more than it costs to start."""


class Job(NamedTuple):
    """What one process needs to check records: it is sent to another one."""

    root: str
    roots: Roots
    rules: Rules
    mode: Mode
    shared: tuple[Finding, ...] = ()

    def context(self) -> Context:
        """Return the repository, read anew."""
        return Context(Checkout(self.root), self.roots)

    def suite(self) -> Suite:
        """Return the rules, on the repository."""
        return Suite(self.context(), _RULES[self.rules], mode=self.mode, shared=self.shared)


def no_progress(what: str, done: int, total: int) -> None:
    """Show nothing."""


def check_records(
    root: str,
    *,
    command: str,
    rules: Rules,
    task_ids: Sequence[str] | None,
    mode: Mode = "warning",
    progress: Progress = no_progress,
) -> Report:
    """Return what is found in task records; what is wrong with the repository is found in each of them.

    Where the profile does not say where the records are, that is all that is found.

    Args:
        root: the repository.
        command: the name of the command, for the report.
        rules: which rules are applied.
        task_ids: the records, None for all that are not archived.
        mode: how findings of documentation quality count.
        progress: is told how far it is.

    Raises:
        UsageError: an id that cannot be the name of a directory.
    """
    for task_id in task_ids or ():
        _check_name(task_id)
    files = Checkout(root)
    profile = check_profile(files)
    whole = _listing_findings(files, [profile.roots.task_root])
    if whole or not profile.has_roots:
        return Report(command, (Result(None, (*profile.findings, *whole)),))
    shared = tuple(_repository_findings(files, profile)) if rules == "consistency" else ()
    ids = all_ids(files, profile.roots) if task_ids is None else task_ids
    job = Job(root, profile.roots, rules, mode, shared)
    return Report(command, tuple(suite.with_cycles(_checked(job, ids, progress), job.context())))


def check(
    root: str,
    *,
    changed_since: str | None = None,
    unchanged: Literal["skip", "warning"] = "skip",
    mode: Mode = "warning",
    progress: Progress = no_progress,
) -> Report:
    """Return everything that is found in a repository: profile, documentation index, all records.

    Where the profile does not say where documents and records are, that is all that is found.

    Args:
        root: the repository.
        changed_since: a revision; only records that changed since then count in full. None: all do.
        unchanged: what becomes of the findings of the other records.
        mode: how findings of documentation quality count.
        progress: is told how far it is.
    """
    files = Checkout(root)
    profile = check_profile(files)
    if not profile.has_roots:
        return Report("check", (Result(None, profile.findings),))
    roots = profile.roots
    lists = _listing_findings(files, [roots.task_root])
    whole = (*profile.findings, *check_index(files, roots), *lists)
    ids = all_ids(files, roots)
    changed = set(ids) if changed_since is None else _changed(root, roots, ids, changed_since)
    if unchanged == "skip":
        ids = [task_id for task_id in ids if task_id in changed]
    job = Job(root, roots, "all", mode)
    results = _weighed(_checked(job, ids, progress), changed, job.context())
    return Report("check", (Result(None, whole), *results))


def validate_profile(root: str, *, schema: str | None = None, schema_base: str | None = None) -> Report:
    """Return what is wrong with the profile, and with how its schema changed.

    Args:
        root: the repository.
        schema: the path of the schema, relative to `root`; None for the one that this package carries.
        schema_base: a revision to compare the schema with, None for none.

    Raises:
        UsageError: there is no such schema or revision.
    """
    files = Checkout(root)
    loaded = _packaged_schema() if schema is None else _load_schema(files, schema)
    findings = list(check_profile(files, loaded).findings)
    if schema_base is not None:
        path = schema or profile_rule.SCHEMA_PATH
        head = _load_schema(files, path)
        findings += profile_rule.check_governance(_base(root, path, schema_base), head, path)
    return Report("profile-validate", (Result(None, tuple(findings)),))


def check_profile(files: Checkout, schema: Schema | None = None) -> Profile:
    """Return the roots that the profile names, and what is wrong with it."""
    try:
        data = files.read(PROFILE_PATH)
    except FileNotFoundError:
        data = None
    except UnreadableError as error:
        return profile_rule.unreadable(1, str(error))
    if data is not None and len(data) > MAX_SIZE:
        return profile_rule.unreadable(1, "expected a file of at most 1 MB, found a larger one")
    return profile_rule.check_profile(data, schema or _packaged_schema())


def check_index(files: Checkout, roots: Roots) -> list[Finding]:
    """Return what is wrong with the documentation index, or with the directories that it lists."""
    return unlisted(files, roots) or docs_index.check(files, roots)


def unlisted(files: Checkout, roots: Roots) -> list[Finding]:
    """Return a finding for each directory of documents of which nobody knows what is in it."""
    return _listing_findings(files, [f"{roots.docs_root}/{name}" for name in DOC_DIRECTORIES])


def _listing_findings(files: Checkout, directories: Sequence[str]) -> list[Finding]:
    return [
        Finding("file_readable", path, 1, problem, "make it a directory that may be read")
        for path in directories
        if (problem := files.listing_problem(path))
    ]


def _repository_findings(files: Checkout, profile: Profile) -> Iterator[Finding]:
    yield from profile.findings
    folder, _, name = profile.roots.docs_index.rpartition("/")
    if name not in files.names(folder):
        yield docs_index.missing(profile.roots)


def _changed(root: str, roots: Roots, ids: Sequence[str], since: str) -> set[str]:
    """Return the records that changed; all of them where git knows of no commit."""
    if git.commit(root, "HEAD") is None:
        return set(ids)
    return set(git.changed_below(root, roots.task_root, since, "HEAD"))


def _weighed(checked: Sequence[Checked], changed: set[str], context: Context) -> list[Result]:
    """Return the results: what is found in a record that did not change is a warning.

    A ring of dependencies is told in a record that changed, if any is on it.
    """
    full = suite.with_cycles((one for one in checked if one.result.task_id in changed), context)
    results = {result.task_id: result for result in full}
    if len(full) == len(checked):
        return full
    return [
        results.get(result.task_id) or result.as_warnings()
        for result in suite.with_cycles(checked, context)
    ]


def _checked(job: Job, ids: Sequence[str], progress: Progress) -> list[Checked]:
    checked: list[Checked] = []
    with closing(_parts(job, ids)) as parts:
        for part in parts:
            checked += part
            progress("checked", len(checked), len(ids))
    return checked


def _parts(job: Job, ids: Sequence[str]) -> Generator[list[Checked], None, None]:
    """Yield what was found, some records at a time, in order."""
    chunks = [ids[at : at + _CHUNK] for at in range(0, len(ids), _CHUNK)]
    count = min(os.cpu_count() or 1, len(chunks), _MOST_PROCESSES)
    if len(ids) < _WORTH_PROCESSES or count < 2:
        suite_ = job.suite()
        for chunk in chunks:
            yield _check_all(suite_, chunk)
    else:
        yield from _from_processes(job, chunks, count)


def _from_processes(job: Job, chunks: Chunks, count: int) -> Iterator[list[Checked]]:
    """Yield what `count` processes find, to which `chunks` are dealt out; none is left at the end."""
    import multiprocessing
    import threading

    # A child that is forked beside threads may find a lock held that nobody will release.
    is_safe = sys.platform == "linux" and threading.active_count() == 1
    start: Any = multiprocessing.get_context("fork" if is_safe else "spawn")
    workers: list[BaseProcess] = []
    readers: list[Connection] = []
    try:
        with _interrupts_held_back():
            for number in range(count):
                reader, writer = start.Pipe(duplex=False)
                readers.append(reader)
                worker = start.Process(target=_work, args=(job, chunks[number::count], writer))
                worker.start()
                workers.append(worker)
                writer.close()  # or nobody would notice that the worker ended
        for number, ids in enumerate(chunks):
            yield _received(readers[number % count], job, ids)
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
        for reader in readers:
            reader.close()


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let a Ctrl-C wait for the end of the body; a process that is started in it never gets one."""
    if sys.platform == "win32":
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _received(reader: Connection, job: Job, ids: Sequence[str]) -> list[Checked]:
    """Return what a worker sends of `ids`; where it ended early, it is found out here."""
    try:
        part: list[Checked] = reader.recv()
    except (EOFError, OSError):
        return _check_all(job.suite(), ids)
    return part


def _work(job: Job, chunks: Chunks, writer: Connection) -> None:
    """Check records in a process of its own.

    It ends without a word where nobody listens any more, and where it meets a bug of ours: the process
    that listens does its work then, and meets that bug itself.
    """
    if sys.platform == "win32":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # nothing that a record comes to refers to itself; looking for that takes a tenth
    with suppress(Exception), writer:
        suite_ = job.suite()
        for ids in chunks:
            writer.send(_check_all(suite_, ids))


def _check_all(suite_: Suite, ids: Sequence[str]) -> list[Checked]:
    return [suite_.check(task_id) for task_id in ids]


def _check_name(task_id: str) -> None:
    if not task_id or task_id in (".", "..") or any(c in task_id for c in "/\\\0"):
        raise UsageError(
            f"{task_id!r}: not a task id (expected YYYY-MM-DD__kebab-slug)",
            hint="agentrail tasks lists them",
        )


def _packaged_schema() -> Schema:
    from agentrail_runtime.source import package_tree

    return profile_rule.load_schema(package_tree().fetch(profile_rule.SCHEMA_PATH).data.decode())


def _load_schema(files: Checkout, path: str) -> Schema:
    try:
        return profile_rule.load_schema(read_text(files, path))
    except FileNotFoundError:
        what = "no such file in the repository"
    except (UnreadableError, SchemaError) as error:
        what = str(error)
    raise UsageError(f"{path}: {what}", paths=[path], hint="name a schema with --schema FILE")


def _base(root: str, path: str, revision: str) -> Schema | None:
    """Return the schema as it was at `revision`, None where it did not exist."""
    if path.startswith(("/", "../")):
        raise UsageError(
            f"{path}: not a file of {root}, so that no revision holds it",
            paths=[path],
            hint="name a schema in the repository with --schema FILE",
        )
    commit = git.commit(root, revision)
    if commit is None:
        raise UsageError(
            f"{revision}: no such revision in {root}",
            hint="fetch it, or name another: --schema-base origin/main",
        )
    data = git.file_at(root, commit, path)
    try:
        return None if data is None else profile_rule.load_schema(data.decode("utf-8-sig", "replace"))
    except SchemaError as error:
        raise UsageError(
            f"{path} at {revision}: {error}",
            paths=[path],
            hint="name a revision with a valid schema: --schema-base REV",
        ) from None
