"""Docs: bring the documentation index in sync with the documents."""

from __future__ import annotations

from contextlib import suppress

from agentrail_runtime.checkout import Checkout
from agentrail_runtime.checks import docs_index
from agentrail_runtime.checks.files import UnreadableError, read_text
from agentrail_runtime.checks.finding import Finding, Report, Result
from agentrail_runtime.checks.roots import Roots
from agentrail_runtime.entry import RelPath, parents
from agentrail_runtime.errors import UnsafePathError
from agentrail_runtime.operation.check import check_index, check_profile, unlisted
from agentrail_runtime.session import DEFAULT_TIMEOUT, Session
from agentrail_runtime.target import Target


def index_docs(root: str, *, is_applied: bool) -> tuple[Report, str | None]:
    """Return what is wrong with the documentation index; and its path, where it was written.

    Where the profile does not say where the documents are, that is all that is found.

    Args:
        root: the repository.
        is_applied: whether the index is to be brought in sync; what it cannot list is still found then,
            and while there is such a thing nothing is written.

    Raises:
        TargetError: the index may not be written; it is as it was.
    """
    profile = check_profile(Checkout(root))
    if not profile.has_roots:
        return _report(profile.findings), None
    roots = profile.roots
    if not is_applied:
        return _report(check_index(Checkout(root), roots)), None
    findings, old, new = _plan(Checkout(root), roots)
    if findings or new == old:
        return _report(findings), None
    session = Session(Target(root), DEFAULT_TIMEOUT)
    try:
        with session.locked():
            findings, old, new = _plan(Checkout(root), roots)  # the files may be others by now
            is_written = not findings and new != old
            if is_written:
                _write(session.target, RelPath(roots.docs_index), new)
    finally:
        session.target.close()
    return _report(findings), roots.docs_index if is_written else None


def _plan(files: Checkout, roots: Roots) -> tuple[list[Finding], str | None, str]:
    """Return what keeps the index from being written, how it is (None for absent), how it is to be."""
    findings = unlisted(files, roots)
    docs, problems = docs_index.gather(files, roots)
    findings += problems
    old = None
    try:
        read_text(files, roots.docs_index)
        old = files.read(roots.docs_index).decode()  # with its byte order mark
    except FileNotFoundError:
        pass
    except UnreadableError as error:
        findings.append(docs_index.unreadable(roots.docs_index, str(error)))
    if findings:
        return findings, old, ""
    new = docs_index.apply(old or "", docs)
    return docs_index.differences(new, docs, roots), old, new


def _write(target: Target, path: RelPath, text: str) -> None:
    try:
        for above in reversed([*parents(path)]):
            with suppress(FileExistsError):
                target.make_directory(above)
        target.rewrite(path, text.encode())
    except UnsafePathError as error:
        hint = "put a directory or a plain file in its place; nothing is written through a link"
        raise UnsafePathError(error.message, paths=error.paths, hint=hint) from None


def _report(findings: tuple[Finding, ...] | list[Finding]) -> Report:
    return Report("docs-indexer", (Result(None, tuple(findings)),))
