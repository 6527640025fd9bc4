"""Rules, index and runbook move together: what counts as a move, and who is named."""

from __future__ import annotations

import pytest

from agentrail_runtime.release import companion, runbook
from agentrail_runtime.release.companion import INDEX_PATH, RULES_PATH, Sides
from agentrail_runtime.release.policy import load
from agentrail_runtime.release.runbook import RUNBOOK_PATH
from tests.support import PAYLOAD

BLOCKS = ("AGENTS.md", "CLAUDE.md")
FILES = {
    "AGENTS.md": "rules\n",
    "CLAUDE.md": "see AGENTS.md\n",
    RULES_PATH: "# Rules\n",
    INDEX_PATH: f"# Index\n\n- `{RULES_PATH}` - Rules\n- `{RUNBOOK_PATH}` - Runbook\n",
    RUNBOOK_PATH: f"# Runbook\n{runbook.BEGIN}\n{runbook.END}\n",
}


def stayed(**changes: str | None) -> list[str]:
    """Return who stayed when files changed, named by the short names below."""
    names = {"agents": "AGENTS.md", "claude": "CLAUDE.md", "rules": RULES_PATH}
    names |= {"index": INDEX_PATH, "runbook": RUNBOOK_PATH}
    new: dict[str, str | None] = {**FILES, **{names[key]: text for key, text in changes.items()}}
    sides = {
        path: Sides(FILES[path].encode(), None if text is None else text.encode())
        for path, text in new.items()
    }
    found = companion.findings(sides, BLOCKS)
    assert all("did not move together with" in one.message for one in found)
    return [one.path for one in found]


@pytest.mark.parametrize(
    ("changed", "who"),
    [
        ((), []),
        (("agents", "index", "runbook"), []),
        (("claude", "index", "runbook"), []),
        (("rules", "index", "runbook"), []),
        (("agents", "claude", "rules", "index", "runbook"), []),
        (("agents",), [INDEX_PATH, RUNBOOK_PATH]),
        (("claude",), [INDEX_PATH, RUNBOOK_PATH]),
        (("rules",), [INDEX_PATH, RUNBOOK_PATH]),
        (("runbook",), ["AGENTS.md", INDEX_PATH]),
        (("index",), ["AGENTS.md", RUNBOOK_PATH]),
        (("agents", "index"), [RUNBOOK_PATH]),
        (("agents", "runbook"), [INDEX_PATH]),
        (("index", "runbook"), ["AGENTS.md"]),
    ],
)
def test_whoever_stays_while_others_move_is_named(changed: tuple[str, ...], who: list[str]) -> None:
    assert stayed(**dict.fromkeys(changed, "new\n")) == who


def test_a_raised_revision_is_an_answer() -> None:
    more = "<!-- revision: 2 -->\n"
    assert stayed(agents="new\n", index=FILES[INDEX_PATH] + more, runbook=more) == []


def test_a_document_more_or_less_in_the_index_concerns_nobody() -> None:
    text = FILES[INDEX_PATH]
    assert stayed(index=text + "- `docs/guide.md` - Guide\n- （未登録）\n") == []


@pytest.mark.parametrize("path", [RULES_PATH, RUNBOOK_PATH])
def test_a_row_of_the_rules_or_the_runbook_concerns_all(path: str) -> None:
    text = FILES[INDEX_PATH].replace(f"- `{path}` -", f"- `{path}` - The")
    assert stayed(index=text) == ["AGENTS.md", RUNBOOK_PATH]


def test_line_ends_are_no_move() -> None:
    assert stayed(agents=FILES["AGENTS.md"].replace("\n", "\r\n")) == []


def test_the_status_in_the_runbook_is_no_move() -> None:
    policy = load((PAYLOAD / "distribution.yaml").read_bytes())
    page = runbook.replaced(FILES[RUNBOOK_PATH].encode(), policy).decode()
    assert page != FILES[RUNBOOK_PATH]
    assert stayed(runbook=page) == []


def test_a_file_that_is_gone_has_moved() -> None:
    assert stayed(agents=None) == [INDEX_PATH, RUNBOOK_PATH]
    assert stayed(index=None, agents="new\n", runbook="new\n") == []


def test_an_index_that_is_not_utf8_is_compared_all_the_same() -> None:
    same = Sides(b"\xff\n- `docs/a.md` - A\n", b"\xff\n")
    files = dict.fromkeys(companion.paths(BLOCKS), Sides(b"", b""))
    assert companion.findings({**files, INDEX_PATH: same}, BLOCKS) == []


def test_where_no_file_of_a_part_is_there_its_first_is_named() -> None:
    files = dict.fromkeys(companion.paths(BLOCKS), Sides(None, None))
    found = companion.findings({**files, RUNBOOK_PATH: Sides(b"", b"new")}, BLOCKS)
    assert [one.path for one in found] == ["AGENTS.md", INDEX_PATH]
