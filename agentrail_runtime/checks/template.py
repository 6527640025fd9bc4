"""Filling the templates of a record, and the edits that beginning a task makes elsewhere.

Whatever is not filled in or added stays as it is, to the byte: line ends, a byte order mark, a missing
line end at the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from agentrail_runtime.checks import backlog
from agentrail_runtime.checks import state as state_
from agentrail_runtime.checks.markdown import Document, Heading
from agentrail_runtime.checks.review_rule import Block

_TITLES: Final = ("優先タスク一覧", "priority tasks", "priority task list")
_PLACEHOLDER: Final = re.compile(r"(?:[-*+][ \t]+)?（登録なし）")
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_LABELLED: Final = re.compile(r"(\s*[-*+][ \t]+\*{0,2}([^*:：]+?)\s*\*{0,2}\s*[:：]\*{0,2})")
_ITEM: Final = re.compile(r"\s*(?:[-*+]|\d+[.)])\s")
_VALUE: Final = re.compile(r"([^:：]*[:：]\*{0,2}[ \t]*)(.*?)([ \t]*(?:<!--.*)?)$")
_MARKER: Final = re.compile(r"( *)(?:(\d+)([.)])|([-*+]))( +)")
_DEPENDENCY: Final = re.compile(
    r"( *)([-*+] +\*{0,2}(依存|Depends on)\*{0,2}\s*[:：]\*{0,2})", re.IGNORECASE
)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return the template `text` with the value of each label that it has put in.

    Args:
        text: the template.
        values: the values by the label of a bullet, ``- label: …``; the first such bullet gets it.
    """
    lines = _lines(text)
    waiting = dict(values)
    for item in Document(text).items:
        found = _LABELLED.match(lines[item.line - 1])
        value = waiting.pop(found[2], None) if found else None
        if found and value is not None:
            lines[item.line - 1] = f"{found[1]} {value}{_end(lines[item.line - 1])}"
    return "".join(lines)


def fill_state(text: str, *, updated_at: str, depends_on: Sequence[str]) -> str:
    """Return the ``state.json`` of a new task from the template `text`; other keys of it are kept.

    Args:
        text: the template.
        updated_at: the time now, RFC 3339 with the offset from UTC.
        depends_on: the ids of the tasks that it waits for.

    Raises:
        StateError: the template is no JSON object, or has a number that is too large for one.
    """
    known = {
        "state": "planned",
        "owner": state_.UNASSIGNED,
        "updated_at": updated_at,
        "blocking_issues": [],
        "depends_on": [*depends_on],
    }
    others = {key: value for key, value in state_.load(text).value.items() if key not in known}
    try:
        filled = json.dumps({**known, **others}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError:
        raise state_.StateError("a number is too large to be written") from None
    return filled.replace("\n", _line_end(text))


def inert(text: str, breaks: Callable[[str], bool]) -> str:
    """Return one line of a user's such that no rule stumbles over it in a record.

    Args:
        text: the line; inline code in it is kept where it can be.
        breaks: tells of inline code whether it is a path that does not resolve.
    """
    text = " ".join(text.split()).replace("<!--", r"\<!--")
    for code in _code(text):
        if breaks(code):
            text = text.replace(f"`{code}`", code)
    is_even = text.count("`") % 2 == 0
    return text if is_even and not any(map(breaks, _code(text))) else text.replace("`", "")


def value_at(text: str, line: int) -> str:
    """Return the value of the bullet ``- key: value`` on `line`, with the lines that belong to it."""
    lines = _lines(text)
    document = Document(text)
    starts = {item.line for item in document.items} | {heading.line for heading in document.headings}
    parts = [_split(lines[line - 1])[1]]
    depth = _indent(lines[line - 1])
    for number, below in enumerate(lines[line:], line + 1):
        is_start = number in starts
        if not below.strip() or (is_start and _indent(below) <= depth):
            break
        parts.append(_ITEM.sub("", below, count=1).strip() if is_start else below.strip())
    return " ".join(filter(None, parts))


def link_finding(text: str, block: Block, task_id: str) -> str:
    """Return the review `text` with `task_id` as the ``linked_task_id`` of a process finding.

    Args:
        text: the review.
        block: the finding, as `review_rule.finding_block` has it.
        task_id: the task that was begun for it.
    """
    lines = _lines(text)
    if "linked_task_id" in block:
        at = block["linked_task_id"][0] - 1
        head, value, tail = _split(lines[at])
        tick = "`" if value.startswith("`") else ""
        gap = "" if head[-1:] in (" ", "\t") else " "
        lines[at] = f"{head}{gap}{tick}{task_id}{tick}{tail}{_end(lines[at])}"
        return "".join(lines)
    key = "action_required" if "action_required" in block else "finding_id"
    at = block[key][0]
    bullet = lines[at - 1][: lines[at - 1].lower().index(key)].rstrip("*`")
    _replace(lines, at, at, [f"{bullet}linked_task_id: {task_id}"], _line_end(text))
    return "".join(lines)


def add_entry(text: str, task_id: str, depends_on: Sequence[str]) -> str | None:
    """Return the backlog `text` with an entry for `task_id` as the last one of the priority section.

    The entry is in the style that the last one has. The placeholder of an empty list goes.

    Args:
        text: the backlog.
        task_id: a task that has no entry yet.
        depends_on: the ids of the tasks that it waits for.

    Returns:
        None where the backlog has no priority section that could take an entry.
    """
    document = Document(text)
    found = next(filter(_is_priority, document.headings), None)
    if found is None:
        return None
    lines = _lines(text)
    lines_in = document.section(found)
    start, stop = lines_in.start - 1, min(lines_in.stop - 1, len(lines))
    entries = backlog.load(text)
    style = _style(lines, entries, found)
    entry = style.entry(task_id, depends_on)
    if entries:
        end = _behind(document, lines, entries[-1].line - 1, stop)
        _replace(lines, end, end, ["", *entry] if style.is_spaced else entry, _line_end(text))
    else:
        _replace(lines, *_first_place(lines, start, stop, entry), _line_end(text))
    changed = "".join(lines)
    wanted = [*_said(entries), (task_id, frozenset(depends_on))]
    return changed if _said(backlog.load(changed)) == wanted else None


class _Style(NamedTuple):
    """How the entries of a backlog are written."""

    head: str = "1. "
    indent: int = 3
    label: str = "- 依存:"
    nothing: str = "なし"
    is_spaced: bool = False

    def entry(self, task_id: str, depends_on: Sequence[str]) -> list[str]:
        """Return the lines of an entry, without line ends."""
        ids = ", ".join(f"`{other}`" for other in depends_on) or self.nothing
        return [f"{self.head}`{task_id}`", f"{' ' * self.indent}{self.label} {ids}"]


def _style(lines: Sequence[str], entries: Sequence[backlog.Entry], heading: Heading) -> _Style:
    style = _Style()
    if not heading.text.startswith(_TITLES[0]):
        style = style._replace(label="- Depends on:", nothing="none")
    marks = [_MARKER.match(lines[entry.line - 1]) for entry in entries[-2:]]
    if not marks or marks[-1] is None:
        return style
    head = _next_head([mark for mark in marks if mark])
    style = style._replace(head=head, indent=len(head))
    if len(marks) > 1:
        style = style._replace(is_spaced=not lines[entries[-1].line - 2].strip())
    said = _DEPENDENCY.match(lines[entries[-1].dependency_line - 1])
    if said:
        nothing = "なし" if said[3] == "依存" else "none"
        # Four columns more than the text of the entry would make it a block of code.
        indent = len(said[1]) if len(head) <= len(said[1]) < len(head) + 4 else len(head)
        style = style._replace(indent=indent, label=said[2], nothing=nothing)
    return style


def _next_head(marks: Sequence[re.Match[str]]) -> str:
    last = marks[-1]
    if last[2] is None:
        return last[0]
    is_same = len(marks) > 1 and marks[0][2] == last[2]
    number = int(last[2]) + (0 if is_same else 1)
    return f"{last[1]}{number}{last[3]}{last[5]}"


def _is_priority(heading: Heading) -> bool:
    return heading.level == 2 and heading.text.lower().startswith(_TITLES)


def _behind(document: Document, lines: Sequence[str], start: int, stop: int) -> int:
    """Return the index behind the last line that belongs to the list item which begins at `start`."""
    # What is indented belongs to the entry, though it may be too little to nest.
    starts = {item.line - 1 for item in document.items if not lines[item.line - 1][:1].isspace()}
    starts |= {heading.line - 1 for heading in document.headings}
    end, is_apart = start + 1, False
    for at in range(start + 1, stop):
        line = lines[at]
        if at in starts or line.startswith("<!--") or (is_apart and line[0] not in " \t\r\n"):
            break
        is_apart = not line.strip()
        end = end if is_apart else at + 1
    return end


def _first_place(
    lines: Sequence[str], start: int, stop: int, entry: Sequence[str]
) -> tuple[int, int, Sequence[str]]:
    """Return the lines of a section without entries that the first one replaces, and what with."""
    for at in range(start, stop):
        if _PLACEHOLDER.fullmatch(lines[at].strip()):
            return at, at + 1, entry
    end = stop
    while end > start and not lines[end - 1].strip():
        end -= 1
    is_followed = end < len(lines) and lines[end].strip() != ""
    return end, end, ["", *entry, *([""] if is_followed else [])]


def _replace(lines: list[str], start: int, stop: int, new: Sequence[str], line_end: str) -> None:
    """Put `new` in place of some lines; the text ends in a line end only if it did so before."""
    is_open = stop == len(lines) and not _end(lines[-1])
    if is_open and start == stop:
        lines[-1] += line_end
    lines[start:stop] = [f"{line}{line_end}" for line in new]
    if is_open:
        lines[-1] = lines[-1].rstrip("\r\n")


def _said(entries: Sequence[backlog.Entry]) -> list[tuple[str, frozenset[str] | None]]:
    return [(entry.task_id, entry.depends_on) for entry in entries]


def _split(line: str) -> tuple[str, str, str]:
    """Return what stands before the value of a bullet, the value, and what stands behind it."""
    found = _VALUE.match(line.rstrip("\r\n"))
    return (found[1], found[2], found[3]) if found else (line, "", "")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _code(line: str) -> list[str]:
    return [span.text for span in Document(f"- : {line}").spans]


def _lines(text: str) -> list[str]:
    """Return the lines of `text`, each with the line end that it has, counted as `Document` counts."""
    return _LINE.findall(text)


def _end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _line_end(text: str) -> str:
    return "\r\n" if 2 * text.count("\r\n") >= max(1, text.count("\n")) else "\n"
