"""The status of the distribution as the runbook shows it: a block between two markers.

Whoever reads the runbook sees what the policy says; nothing else of the page is touched.
"""

from __future__ import annotations

import re
from typing import Final

from agentrail_runtime.entry import LAST_PHASE
from agentrail_runtime.errors import AgentRailError
from agentrail_runtime.release.policy import PHASES, Policy
from agentrail_runtime.release.switch import Switch

RUNBOOK_PATH: Final = "docs/operations/runtime-installation-runbook.md"
"""The page, in a framework repository and in a target."""

BEGIN: Final = "<!-- distribution-status:begin -->"
END: Final = "<!-- distribution-status:end -->"

_MARKED: Final = re.compile(
    rb"^" + BEGIN.encode() + rb"[ \t]*(\r?\n)(.*?)^" + END.encode() + rb"[ \t]*\r?$",
    re.MULTILINE | re.DOTALL,
)
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|#~&!])")


class RunbookError(AgentRailError):
    """The runbook has no place for the status, or two."""


def render(policy: Policy) -> str:
    """Return the lines that stand between the markers, each with LF."""
    lines = [
        f"- 段階 (Phase): {policy.phase} - {PHASES[policy.phase]}",
        f"- 既定の経路 (Default route): {policy.default_source}",
        f"- 中断 (Suspended): {_suspended(policy)}",
        f"- copy 経路の終了 (End of the copy route): {_end(policy)}",
    ]
    return "\n".join(["", *lines, "", ""])


def replaced(page: bytes, policy: Policy, name: str = RUNBOOK_PATH) -> bytes:
    """Return `page` with the status of `policy` between its markers; every other byte stays.

    Args:
        page: the runbook; its line ends are kept.
        policy: what the status is of.
        name: what messages call the page.

    Raises:
        RunbookError: a marker is missing or stands twice.
    """
    found = _block(page, name)
    text = render(policy).encode().replace(b"\n", found.group(1))
    return page[: found.start(2)] + text + page[found.end(2) :]


def problem(page: bytes, policy: Policy) -> str:
    """Return what is wrong with the status in `page`, an empty text where it is that of `policy`."""
    try:
        is_same = replaced(page, policy) == page
    except RunbookError as error:
        return error.message.removeprefix(f"{RUNBOOK_PATH}: ")
    return "" if is_same else "the status is not what the policy says"


def note(switch: Switch, version: str) -> str:
    """Return the page that tells of a switch in a target, whose runbook is not its own to edit."""
    return (
        "# 配布経路の状態 (Distribution Status)\n\n"
        f"- 既定の経路 (Default route): {switch.default_source}\n"
        f"- 開始 (Since): {switch.since}\n"
        f"- 理由 (Reason): {_escaped(switch.reason)}\n"
        f"- runtime: {version}\n\n"
        "`agentrail migration suspend` が書いた。戻すには `agentrail migration resume` を実行する。\n"
        f"手順は `{RUNBOOK_PATH}` の 9 章にある。\n"
    )


def _block(page: bytes, name: str) -> re.Match[bytes]:
    counts = page.count(BEGIN.encode()), page.count(END.encode())
    found = _MARKED.search(page)
    if counts == (1, 1) and found is not None:
        return found
    raise RunbookError(
        f"{name}: expected one line {BEGIN} and after it one line {END}, "
        f"got {counts[0]} and {counts[1]} of them",
        paths=[name],
        hint=f"put the two lines into {name}, each once; what stands between them is written",
    )


def _suspended(policy: Policy) -> str:
    if policy.suspension is None:
        return "なし (no)"
    return f"{policy.suspension.since} から (since) - {_escaped(policy.suspension.reason)}"


def _end(policy: Policy) -> str:
    if policy.phase == LAST_PHASE:
        return "廃止済み (removed)"
    if policy.deprecation is None:
        return "未定 (not announced)"
    return f"{policy.deprecation.ends_on}、{policy.deprecation.removed_in} で廃止 (removed)"


def _escaped(text: str) -> str:
    """Return `text` in one line, with nothing in it that Markdown takes for more than text."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
