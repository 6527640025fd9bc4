"""The rules of documentation quality, DQ-001 to DQ-004."""

from __future__ import annotations

from collections.abc import Iterator

from agentrail_runtime.checks import docs_index, state_rule
from agentrail_runtime.checks.context import Context, LinkedDoc
from agentrail_runtime.checks.document_rule import listed_docs
from agentrail_runtime.checks.finding import Finding
from agentrail_runtime.checks.record import Record


def check_quality(record: Record, context: Context) -> Iterator[Finding]:
    """DQ-001 to DQ-003 for every document that the specification lists, DQ-004 for the backlog."""
    spec = record.document("spec.md")
    for path in dict.fromkeys(path for _, path in listed_docs(spec, context)) if spec else ():
        if path.endswith(".md") and context.paths.exists(path):
            yield from _doc_problems(path, context)
    for line, message in state_rule.backlog_differences(record, context):
        hint = "let backlog, state and dependencies agree"
        yield Finding("DQ-004", context.roots.backlog, line, message, hint)


def _doc_problems(path: str, context: Context) -> Iterator[Finding]:
    doc = context.doc(path)
    if missing := _missing_prerequisites(doc):
        message = "expected a section '## 0. 前提知識 (Prerequisites)' that names an existing path"
        hint = "list what is to be read first as paths in backticks"
        line = doc.line if doc and doc.line else 1
        yield Finding("DQ-001", path, line, f"{message}, found {missing}", hint)
    if doc is not None and doc.line is not None and not (doc.has_doc and doc.has_task):
        message = "expected its prerequisites to name a document and a task record"
        hint = "name the document and the task that this one comes from"
        yield Finding("DQ-002", path, doc.line, f"{message}, found {_lacking(doc, context)}", hint)
    if context.indexed is not None and path not in context.indexed:
        message = f"expected an entry in {context.roots.docs_index}, found none"
        yield Finding("DQ-003", path, 1, message, docs_index.APPLY)


def _missing_prerequisites(doc: LinkedDoc | None) -> str | None:
    if doc is None:
        return "no text that can be read"
    if doc.line is None:
        return "no such section"
    return None if doc.has_resolving else "no path that exists in it"


def _lacking(doc: LinkedDoc, context: Context) -> str:
    roots = context.roots
    forms = ((f"{roots.docs_root}/…", doc.has_doc), (f"{roots.task_root}/…", doc.has_task))
    return " and ".join(f"no {form}" for form, is_there in forms if not is_there)
