"""The rules of the Markdown files of a record: prerequisites, specification, plan, links."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from agentrail_runtime.checks import docs_index, prerequisite
from agentrail_runtime.checks.context import Context
from agentrail_runtime.checks.files import candidates
from agentrail_runtime.checks.finding import Finding
from agentrail_runtime.checks.markdown import Document, Heading, Item, Span, without_comments
from agentrail_runtime.checks.record import DOCUMENTS, Record, heading
from agentrail_runtime.checks.roots import DOC_DIRECTORIES
from agentrail_runtime.checks.token import path_in, paths_in

_REFERENCES: Final = re.compile(r"9\..*関連資料リンク")
_FIRST_SPAN: Final = re.compile(r"`([^`]+)`")
_KEY: Final = re.compile(r"[^:：]*[:：][\s*]*")
_LABEL: Final = re.compile(r"\*{1,2}([^*:：]+)(?:[:：]\s*\*{1,2}|\*{1,2}\s*[:：])\s*(.*)$", re.DOTALL)
_DRAFT: Final = re.compile(r"\d+\..*(?:Plan Draft|実装計画ドラフト)")
_FINAL: Final = re.compile(r"\d+\..*(?:Plan Final|確定実装計画)")


class _Block(NamedTuple):
    """A block of test requirements: how its heading begins, how it is written, what is in it."""

    pattern: re.Pattern[str]
    title: str
    labels: tuple[str, ...]


_RUN: Final = ("対象", "検証項目", "合格基準")
_BLOCKS: Final = (
    _Block(re.compile(r"5\.1\s.*Unit Test"), "5.1 単体テスト (Unit Test)", _RUN),
    _Block(re.compile(r"5\.2\s.*Integration Test"), "5.2 結合テスト (Integration Test)", _RUN),
    _Block(re.compile(r"5\.3\s.*Regression Test"), "5.3 回帰テスト (Regression Test)", _RUN),
    _Block(
        re.compile(r"5\.4\s.*Manual Verification"),
        "5.4 手動検証 (Manual Verification)",
        ("検証手順", "期待される結果"),
    ),
)


class _Label(NamedTuple):
    """A bullet with a label in bold: its line, its name, and whether a value follows."""

    line: int
    name: str
    is_filled: bool


def check_prerequisites(record: Record, context: Context) -> Iterator[Finding]:
    """``prerequisites_section_present``."""
    if not record.is_active:
        return
    for name in DOCUMENTS:
        document = record.document(name)
        if document is not None:
            for line, message in _prerequisite_problems(name, document, record, context):
                hint = "list what is to be read first as paths in backticks: - `AGENTS.md`"
                yield record.finding("prerequisites_section_present", name, line, message, hint)


def check_spec(record: Record, context: Context) -> Iterator[Finding]:
    """``spec_required_sections_filled`` and ``test_requirements_defined``."""
    spec = record.document("spec.md")
    if spec is None:
        return
    labels = _test_label_lines(spec)
    for item in spec.items:
        if item.line not in labels and _is_blank(item):
            text = without_comments(item.text)
            found = f"{text[:60]!r} alone" if text else "a blank list item"
            message = f"expected a value, found {found}"
            hint = "fill it in, or write なし or 対象外 and the reason"
            yield record.finding("spec_required_sections_filled", "spec.md", item.line, message, hint)
    for line, message in _test_problems(spec):
        hint = f"write the block from {context.roots.templates}/spec.md, every label with a value"
        yield record.finding("test_requirements_defined", "spec.md", line, message, hint)


def check_plan(record: Record, context: Context) -> Iterator[Finding]:
    """``plan_references_spec`` and ``plan_two_stage_defined``."""
    del context
    plan = record.document("plan.md")
    if plan is None:
        return
    if "spec.md" not in plan.text:
        message = "expected a mention of spec.md, found none"
        hint = "name it: - 仕様: `spec.md`"
        yield record.finding("plan_references_spec", "plan.md", 1, message, hint)
    yield from check_stages(record)


def check_stages(record: Record) -> Iterator[Finding]:
    """``plan_two_stage_defined``: two headings, not one that speaks of both stages."""
    plan = record.document("plan.md")
    if plan is None:
        return
    draft = heading(plan, 2, _DRAFT)
    others = (h for h in plan.headings if h.level == 2 and h != draft and _FINAL.match(h.text))
    stages = (
        (draft, "## 2. 実装計画ドラフト (Plan Draft)"),
        (next(others, None), "## 4. 確定実装計画 (Plan Final)"),
    )
    for found, title in stages:
        if found is None:
            message = f"expected the heading {title!r}, found none"
            hint = "plan in two stages: the draft, then what became of it"
            yield record.finding("plan_two_stage_defined", "plan.md", 1, message, hint)


def check_docs(record: Record, context: Context) -> Iterator[Finding]:
    """``docs_index_updated``."""
    spec = record.document("spec.md")
    if spec is None:
        return
    root, index = context.roots.docs_root, context.roots.docs_index
    listed = listed_docs(spec, context)
    if not listed:
        section = heading(spec, 2, _REFERENCES)
        line = section.line if section else 1
        message = f"expected in '## 9. 関連資料リンク' a document below {root}/, found none"
        hint = f"list each document that the task reads or changes: - `{root}/…`"
        yield record.finding("docs_index_updated", "spec.md", line, message, hint)
    for line, path in listed:
        if context.indexed is not None and path not in context.indexed and context.paths.exists(path):
            message = f"expected an entry for {path} in {index}, found none"
            hint = _index_hint(path, context)
            yield record.finding("docs_index_updated", "spec.md", line, message, hint)


def check_links(record: Record, context: Context) -> Iterator[Finding]:
    """``link_targets_exist``; what an active task's prerequisites name is told by their own rule."""
    for name, document in record.documents.items():
        told = _prerequisite_lines(name, document) if record.is_active else range(0)
        for line, path in _unresolved(document.spans, record, context):
            if line not in told:
                message = f"expected `{path}` to exist, found nothing of that spelling"
                hint = "correct the path, or write what does not exist yet as <name> or in a code fence"
                yield record.finding("link_targets_exist", name, line, message, hint)


def listed_docs(spec: Document, context: Context) -> list[tuple[int, str]]:
    """Return the line and the path of each document that section 9 lists."""
    section = heading(spec, 2, _REFERENCES)
    if section is None:
        return []
    found = []
    for item in spec.items_in(spec.section(section)):
        span = _FIRST_SPAN.match(item.text)
        path = path_in(span[1].strip(), "", context.paths) if span else None
        if path and posixpath.normpath(path).startswith(f"{context.roots.docs_root}/"):
            found.append((item.line, posixpath.normpath(path)))
    return found


def _index_hint(path: str, context: Context) -> str:
    folder, _, name = path.rpartition("/")
    root = context.roots.docs_root
    if name.endswith(".md") and folder in {f"{root}/{directory}" for directory in DOC_DIRECTORIES}:
        return docs_index.APPLY
    return f"list a document that stands in {root}/specs/ or beside it; this one is never indexed"


def _unresolved(spans: Iterable[Span], record: Record, context: Context) -> dict[tuple[int, str], None]:
    """Return the line and the path of each token that does not resolve, once."""
    tokens = dict.fromkeys(paths_in(spans, record.folder, context.paths))
    broken = {path for path in {path for _, path in tokens} if not _resolves(path, record, context)}
    return {token: None for token in tokens if token[1] in broken}


def _resolves(path: str, record: Record, context: Context) -> bool:
    """Tell whether `path` exists, or is one of the six files, whose absence has a rule of its own."""
    is_there = context.resolves(path, record.folder)
    return is_there or not record.required.isdisjoint(candidates(path, record.folder))


def _prerequisite_problems(
    name: str, document: Document, record: Record, context: Context
) -> Iterator[tuple[int, str]]:
    found = prerequisite.find(document, prerequisite.TASK)
    if found is None:
        yield 1, "expected the section '## 0. 前提知識 (Prerequisites) (必須)', found none"
        return
    spans = document.spans_in(_prerequisite_lines(name, document))
    if not any(paths_in(spans, record.folder, context.paths)):
        yield found.line, "expected at least one path in backticks, found none"
    for line, path in _unresolved(spans, record, context):
        yield line, f"expected `{path}` to exist, found nothing of that spelling"


def _prerequisite_lines(name: str, document: Document) -> range:
    found = prerequisite.find(document, prerequisite.TASK)
    if found is None:
        return range(0)
    return prerequisite.block(document, found, ends_at_any=name == "request.md")


def _is_blank(item: Item) -> bool:
    text = without_comments(item.text)
    return not item.has_body and (not text or _KEY.fullmatch(text) is not None)


def _labels_below(spec: Document, found: Heading, names: Sequence[str]) -> list[_Label]:
    labels = []
    for item in spec.items_in(spec.section(found)):
        match = _LABEL.match(item.text)
        if match and match[1].strip() in names:
            is_filled = item.has_body or bool(without_comments(match[2]))
            labels.append(_Label(item.line, match[1].strip(), is_filled))
    return labels


def _test_label_lines(spec: Document) -> set[int]:
    """Return the lines of the labels of the test requirements, which have a rule of their own."""
    return {
        label.line
        for block in _BLOCKS
        if (found := heading(spec, 3, block.pattern))
        for label in _labels_below(spec, found, block.labels)
    }


def _test_problems(spec: Document) -> Iterator[tuple[int, str]]:
    for block in _BLOCKS:
        found = heading(spec, 3, block.pattern)
        if found is None:
            yield 1, f"expected the heading '### {block.title} (必須)', found none"
            continue
        labels = _labels_below(spec, found, block.labels)
        filled = {label.name for label in labels if label.is_filled}
        blank = {label.name: label.line for label in labels}
        for name in block.labels:
            if name not in filled:
                what = "it without a value" if name in blank else "none"
                message = f"expected in {block.title} the label **{name}**, found {what}"
                yield blank.get(name, found.line), message
