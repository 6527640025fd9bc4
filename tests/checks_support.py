"""A valid repository in memory for the tests of the checks: what is installed, records in all states.

The records are made of the templates that ship, filled in as they say, so that a template and the rules
about what is written into it cannot drift apart unseen.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agentrail_runtime.checks import docs_index, profile_rule, suite
from agentrail_runtime.checks.context import Context
from agentrail_runtime.checks.files import UnreadableError
from agentrail_runtime.checks.finding import Finding, Mode, Report, Result
from agentrail_runtime.checks.record import DOCUMENTS, task_ids
from agentrail_runtime.checks.roots import Roots
from agentrail_runtime.checks.suite import Rule, Suite
from agentrail_runtime.entry import INDEX_NAME, PROFILE_PATH
from tests.support import METADATA, PAYLOAD

ROOT = ".agentrail/work"
DONE = "2026-01-02__add-audit-log"
IN_PROGRESS = "2026-01-03__report-audit-log"
PLANNED = "2026-01-04__mail-audit-log"
BLOCKED = "2026-01-05__archive-audit-log"
STATES = {DONE: "done", IN_PROGRESS: "in_progress", PLANNED: "planned", BLOCKED: "blocked"}
DEPENDS_ON = {DONE: [], IN_PROGRESS: [DONE], PLANNED: [DONE, IN_PROGRESS], BLOCKED: []}
DOC = "docs/specs/audit-log.md"
BACKLOG = "docs/operations/high-priority-backlog.md"
INDEX = "docs/INDEX.md"

Texts = dict[str, "bytes | str | None"]
"""The files of a repository by path; None stands for a link that leads nowhere."""


class MemoryFiles:
    """`agentrail_runtime.checks.files.Files` in memory; a path with a final ``/`` is a directory."""

    def __init__(self, texts: Mapping[str, bytes | str | None]) -> None:
        self._texts = texts
        self._names: dict[str, set[str]] = {"": set()}
        for path in texts:
            above, _, name = path.rstrip("/").rpartition("/")
            if path.endswith("/"):
                self._names.setdefault(path.rstrip("/"), set())
            while name and name not in self._names.setdefault(above, set()):
                self._names[above].add(name)
                above, _, name = above.rpartition("/")

    def read(self, path: str) -> bytes:
        if path in self._names:
            raise UnreadableError("expected a file, found a directory")
        text = self._texts.get(path)
        if text is None:
            raise FileNotFoundError(path)
        return text.encode() if isinstance(text, str) else text

    def names(self, path: str) -> Collection[str]:
        return self._names.get(path, ())

    def is_directory(self, path: str) -> bool:
        return path in self._names


def at(task_id: str, name: str) -> str:
    """Return the path of a file of a record."""
    return f"{ROOT}/{task_id}/{name}"


def text_of(texts: Texts, path: str) -> str:
    """Return a text of the repository."""
    text = texts[path]
    assert isinstance(text, str)
    return text


def repository() -> Texts:
    """Return a repository in which every check passes, with one task in each state."""
    return dict(_repository())


def record(task_id: str, state: str, depends_on: Sequence[str] = ()) -> dict[str, str]:
    """Return the six files of a record, filled in as far as that state asks for."""
    texts = {at(task_id, name): _filled(name, depends_on) for name in DOCUMENTS}
    if state == "done":
        texts[at(task_id, "review.md")] = _reviewed(texts[at(task_id, "review.md")])
    texts[at(task_id, "state.json")] = state_text(state, depends_on)
    return texts


def state_text(state: str, depends_on: Sequence[str] = (), **more: Any) -> str:
    """Return a ``state.json``."""
    value = {
        "state": state,
        "owner": "unassigned" if state == "planned" else "backend",
        "updated_at": "2026-01-06T09:30:00+09:00",
        "blocking_issues": ["保存期間が決まっていない"] if state == "blocked" else [],
        "depends_on": [*depends_on],
        **more,
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def set_state(texts: Texts, task_id: str, **values: Any) -> None:
    """Change values in the ``state.json`` of a task; ``...`` removes a key."""
    path = at(task_id, "state.json")
    value = {**json.loads(text_of(texts, path)), **values}
    kept = {key: inner for key, inner in value.items() if inner is not ...}
    texts[path] = json.dumps(kept, indent=2, ensure_ascii=False) + "\n"


def depend(texts: Texts, task_id: str, *depends_on: str) -> None:
    """Let a task wait for others, in its ``state.json`` and in the backlog."""
    set_state(texts, task_id, depends_on=[*depends_on])
    states = {one: json.loads(text_of(texts, at(one, "state.json"))) for one in STATES}
    texts[BACKLOG] = _backlog({one: state["depends_on"] for one, state in states.items()})


def audit(
    texts: Texts,
    rules: Sequence[Rule] = suite.ALL,
    *,
    ids: Iterable[str] | None = None,
    mode: Mode = "warning",
) -> list[Finding]:
    """Return all that is found in a repository, as ``agentrail check`` finds it."""
    files = MemoryFiles(texts)
    profile = _profile(texts.get(PROFILE_PATH))
    context = Context(files, profile.roots)
    one = Suite(context, rules, mode=mode)
    checked = [one.check(task_id) for task_id in (ids or task_ids(files, profile.roots))]
    whole = [*profile.findings, *docs_index.check(files, profile.roots)]
    results = suite.with_cycles(checked, context)
    return Report("check", (Result(None, tuple(whole)), *results)).findings()


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that fail a check."""
    return [finding for finding in findings if finding.severity == "error"]


def in_sync(texts: Texts) -> Texts:
    """Return a repository with its index as ``agentrail docs-indexer --mode apply`` writes it."""
    found, _ = docs_index.gather(MemoryFiles(texts), Roots(ROOT))
    return texts | {INDEX: docs_index.apply(text_of(texts, INDEX), found)}


@functools.cache
def _repository() -> Texts:
    texts: Texts = {ROOT + "/.gitkeep": "", ".agentrail/receipt.json": "{}\n"}
    for path in sorted(PAYLOAD.rglob("*")):
        name = path.relative_to(PAYLOAD).as_posix()
        if path.is_file() and name not in (INDEX_NAME, *METADATA):
            texts[name] = path.read_text(encoding="utf-8")
    for task_id, state in STATES.items():
        texts |= record(task_id, state, DEPENDS_ON[task_id])
    texts[DOC] = (
        "# 監査記録の仕様 (Audit Log)\n\n"
        "## 0. 前提知識 (Prerequisites)\n\n"
        "- `docs/INDEX.md`: 関係する文書の索引\n"
        f"- `{at(DONE, 'spec.md')}`: この仕様を決めたタスク\n\n"
        "## 1. 記録する項目\n\n- 日時: UTC\n"
    )
    texts[BACKLOG] = _backlog(DEPENDS_ON)
    return in_sync(texts)


def _filled(name: str, depends_on: Sequence[str]) -> str:
    """Return a template with every blank filled in, as its comments say."""
    text = Path(PAYLOAD, "docs/templates", name).read_text(encoding="utf-8")
    if depends_on:
        text = text.replace("<task_root>/<task-id>/", f"{ROOT}/{depends_on[0]}/")
    else:
        text = re.sub(r"^- `<task_root>/.*なければこの行を消す.*\n", "", text, flags=re.M)
    text = re.sub(r"^<!-- .*この行を消す。.* -->\n\n", "", text, flags=re.M)
    text = re.sub(r"（記入: [^（）]*）", "記入した", text)
    if name == "spec.md":
        text = text.replace("- 制約: 記入した", "- 制約: 境界コミットを分ける")
        text += f"- `{DOC}`: 記録する項目\n"
    assert "（記入" not in text
    return text


def _reviewed(text: str) -> str:
    """Return a review with every result written."""
    text = text.replace("- commit: PENDING", "- commit: 1a2b3c4", 1)
    text = text.replace("- commit: PENDING", "- commit: 5d6e7f8091a2", 1)
    text = text.replace("- commit: PENDING", "- commit: CURRENT_COMMIT", 1)
    text = text.replace("- scope_check: PENDING", "- scope_check: PASS")
    text = re.sub(r"^- summary: .*$", "- summary: 保存期間を先に確かめる", text, flags=re.M)
    text = re.sub(r"^- evidence: .*$", "- evidence: 仕様の確定が 2 日遅れた", text, flags=re.M)
    text = text.replace("- severity: low", "- severity: high")
    text = text.replace("- action_required: no", "- action_required: yes")
    text = text.replace("- linked_task_id: none", f"- linked_task_id: {BLOCKED}")
    text = re.sub(r"PENDING（[^（）]*）", "PASS", text)
    assert re.search("^- .*PENDING", text, re.M) is None
    return text


def _backlog(depends_on: Mapping[str, Sequence[str]]) -> str:
    text = Path(PAYLOAD, BACKLOG).read_text(encoding="utf-8")
    entries = []
    for number, task_id in enumerate((IN_PROGRESS, PLANNED, BLOCKED), 1):
        ids = ", ".join(f"`{one}`" for one in depends_on[task_id]) or "なし"
        entries.append(f"{number}. `{task_id}`\n   - 目的: 監査に備える\n   - 依存: {ids}\n")
    assert "（登録なし）\n" in text
    return text.replace("（登録なし）\n", "".join(entries))


@functools.cache
def _profile(text: bytes | str | None) -> profile_rule.Profile:
    schema = Path(PAYLOAD, profile_rule.SCHEMA_PATH).read_text(encoding="utf-8")
    data = text.encode() if isinstance(text, str) else text
    return profile_rule.check_profile(data, profile_rule.load_schema(schema))
