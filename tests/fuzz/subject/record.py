"""Task records: ``state.json``, and every file that the checks read, in a whole repository."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any, Final

from agentrail_runtime.checks import render, template
from agentrail_runtime.checks import state as state_
from agentrail_runtime.checks.finding import Report, Result
from agentrail_runtime.checks.markdown import Document
from agentrail_runtime.checks.state import State, StateError
from agentrail_runtime.entry import PROFILE_PATH
from tests.checks_support import BACKLOG, BLOCKED, DOC, DONE, INDEX, PLANNED, at, audit, repository
from tests.fuzz.claim import is_same
from tests.fuzz.mutation import json_maker, scrambled
from tests.fuzz.subject.markdown import TOKENS as MARKDOWN_TOKENS
from tests.fuzz.target import Target

# --- state.json --------------------------------------------------------------------------------------

STATE: Final = {
    "state": "blocked",
    "owner": "backend",
    "updated_at": "2026-01-06T09:30:00+09:00",
    "blocking_issues": ["保存期間が決まっていない"],
    "depends_on": ["2026-01-02__add-audit-log"],
    "note": {"a": [1, 2.5]},
}
WORDS: Final[tuple[Any, ...]] = (
    *("done", "planned", " In_Progress ", "unassigned", [], [""], "2026-02-20", "02/20/2026 10:11:12"),
    *("2026-02-30",),
    *("2026-02-20 10:11", "2026-02-20T10:11Z", ["a", "a "], [None], "history"),
)


def check_state(data: bytes) -> bool:
    """Claim that a state is refused, or that everything wrong with it can be told, with its line."""
    text = data.decode("utf-8", "replace")
    try:
        read = state_.load(text)
    except StateError as error:
        _is_within(error.line, text)
        str(error).encode()
        return False
    assert read.name in (None, *state_.STATES)
    for problem in state_.problems(read):
        json.dumps([*problem], ensure_ascii=False).encode()
    for message in state_.dependency_problems(read):
        message.encode()
    for key in read.value:
        _is_within(read.line_of(key), text)
    assert all(name == name.strip() != "" for name in read.depends_on)
    _is_filled(text, read)
    return read.name is not None


def _is_within(line: int, text: str) -> None:
    assert 1 <= line <= text.count("\n") + 1


def _is_filled(text: str, read: State) -> None:
    """Claim that a template keeps the keys that a new task says nothing of."""
    values: dict[str, Any] = {"updated_at": "2026-01-06T09:30:00+09:00", "depends_on": ["a"]}
    try:
        filled = template.fill_state(text, updated_at=values["updated_at"], depends_on=["a"])
    except StateError:
        assert re.search("[1-9]e|[0-9]{300}", text, re.IGNORECASE)
        return
    again = state_.load(filled)
    assert (again.name, again.depends_on) == ("planned", ("a",))
    for key in read.value.keys() - {*values, "state", "owner", "blocking_issues"}:
        is_same(again.value[key], read.value[key])
    assert template.fill_state(filled, updated_at=again.value["updated_at"], depends_on=["a"]) == filled


# --- a repository of records -------------------------------------------------------------------------

FILES: Final = (
    *(
        at(task, name)
        for task in (DONE, PLANNED, BLOCKED)
        for name in ("review.md", "spec.md", "plan.md")
    ),
    *(at(DONE, name) for name in ("request.md", "investigation.md", "state.json")),
    *(BACKLOG, INDEX, DOC, PROFILE_PATH),
)
TOKENS: Final = (
    *MARKDOWN_TOKENS,
    *(b"- finding_id: F-2\n", b"- linked_task_id: `x`\n", b"- action_required: yes\n"),
    *(b"- commit: PENDING\n",),
    *("## 0. 前提知識\n".encode(), b"`docs/INDEX.md`", b"`../../x.md`", b"`.`", "（記入: x）".encode()),
    *(b"`" * 7,),
)


@cache
def _untouched() -> int:
    return len(audit(repository()))


def check_record(data: bytes) -> bool:
    """Claim that the checks survive whatever one file holds, and tell of it where it is, safely.

    The first line of an input names the file, the rest is what stands in it.
    """
    name, _, content = data.partition(b"\n")
    path = name.decode("utf-8", "replace")
    if path not in FILES:
        return False
    texts = repository() | {path: content}
    found = audit(texts)
    report = Report("check", (Result(None, tuple(found)),))
    for lines in (render.as_text(report, style=_plain), render.as_github(report)):
        for line in lines:
            assert not {*line} & {*"\r\n\x1b\x9b\x07\u202e\u2028"}
            line.encode()
    json.dumps(
        [render.as_json(report), render.as_sarif(report, version="1")], ensure_ascii=False
    ).encode()
    ends = content.count(b"\n") + content.count(b"\r") + 1
    for finding in found:
        assert finding.line >= 1
        assert finding.path != path or finding.line <= ends
    return len(found) == _untouched()


def _plain(text: str, **_: object) -> str:
    return text


def _make(random: Random) -> bytes:
    path = random.choice(FILES)
    text = repository()[path]
    assert isinstance(text, str)
    return f"{path}\n".encode() + scrambled(random, text.encode(), TOKENS)


# --- the lines of a template -------------------------------------------------------------------------


def check_inert(data: bytes) -> bool:
    """Claim that what a user says of a task comes to one line in its record, which breaks no rule."""
    text = data.decode("utf-8", "replace")
    bad: Callable[[str], bool] = lambda code: code.endswith(".md")  # noqa: E731 - a rule in a line
    line = template.inert(text, bad)
    assert not any(bad(span.text) for span in Document(f"- : {line}").spans)
    assert "\n" not in line
    filled = template.fill("# t\n\n- a: x\n- b: y\n", {"a": line})
    assert filled.startswith("# t\n\n- a: ")
    assert filled.endswith("\n- b: y\n")
    return bool(line)


TARGETS: Final = (
    Target(
        "state",
        check_state,
        json_maker([STATE], WORDS, (b'"state": "done"', b'"depends_on"')),
        (b'"state": "done"', b'"depends_on"'),
        lambda n: json.dumps({**STATE, "depends_on": [f"t{row}" for row in range(n)]}).encode(),
    ),
    Target("record", check_record, _make, TOKENS, examples=12),
    Target(
        "inert",
        check_inert,
        lambda random: scrambled(random, b"fix `a.md` and <!-- b --> `c`", TOKENS),
        TOKENS,
    ),
)
