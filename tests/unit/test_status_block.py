"""The status of the distribution in the runbook: what it says, and that nothing else is touched."""

from __future__ import annotations

import pytest

from agentrail_runtime.release import runbook
from agentrail_runtime.release.policy import Suspension, load
from agentrail_runtime.release.runbook import BEGIN, END, RunbookError
from agentrail_runtime.release.switch import Switch
from tests.support import PAYLOAD

POLICY = load((PAYLOAD / "distribution.yaml").read_bytes())
SUSPENDED = POLICY._replace(suspension=Suspension("2026-05-01T08:00:00Z", "1.1.0 breaks"))
PAGE = f"# Runbook\n\nbefore \n{BEGIN}\nold\n{END}\nafter"


def test_the_status_tells_phase_route_suspension_and_end() -> None:
    assert runbook.render(SUSPENDED) == (
        "\n"
        "- 段階 (Phase): 3 - package is the default source\n"
        "- 既定の経路 (Default route): copy\n"
        "- 中断 (Suspended): 2026-05-01T08:00:00Z から (since) - 1.1.0 breaks\n"
        "- copy 経路の終了 (End of the copy route): 2027-12-31、2.0.0 で廃止 (removed)\n"
        "\n"
    )


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, "(Suspended): なし (no)"),
        ({"deprecation": None}, "(End of the copy route): 未定 (not announced)"),
        ({"phase": 4}, "(End of the copy route): 廃止済み (removed)"),
    ],
)
def test_the_status_tells_what_is_not(change: dict[str, object], line: str) -> None:
    assert line in runbook.render(POLICY._replace(**change))  # type: ignore[arg-type]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_nothing_but_the_status_is_touched(end: str) -> None:
    page = PAGE.replace("\n", end).encode()
    new = runbook.replaced(page, POLICY)
    status = runbook.render(POLICY).replace("\n", end).encode()
    assert new == page.replace(f"old{end}".encode(), status)
    assert runbook.replaced(new, POLICY) == new


def test_a_reason_cannot_end_the_status_or_be_markup() -> None:
    hostile = Suspension("2026-05-01T08:00:00Z", f"{END} [x](y) `z` *a* |")
    new = runbook.replaced(PAGE.encode(), POLICY._replace(suspension=hostile))
    assert new.count(END.encode()) == 1
    assert b"\\[x\\](y) \\`z\\` \\*a\\* \\|" in new
    assert runbook.replaced(new, POLICY) == runbook.replaced(PAGE.encode(), POLICY)


@pytest.mark.parametrize(
    "page",
    [
        "# Runbook\n",
        f"{BEGIN}\n",
        f"{END}\n",
        f"{END}\n{BEGIN}\n",
        f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n",
        f"{BEGIN}\n{BEGIN}\n{END}\n",
        f"say {BEGIN}\n{END}\n",
        f"{BEGIN} {END}\n",
    ],
)
def test_a_runbook_without_one_place_for_the_status_is_refused(page: str) -> None:
    with pytest.raises(RunbookError, match="expected one line <!-- distribution-status:begin -->"):
        runbook.replaced(page.encode(), POLICY)
    assert runbook.problem(page.encode(), POLICY).startswith("expected one line")


def test_a_status_of_another_policy_is_found() -> None:
    page = runbook.replaced(PAGE.encode(), POLICY)
    assert runbook.problem(page, POLICY) == ""
    assert runbook.problem(page, SUSPENDED) == "the status is not what the policy says"


def test_a_target_gets_a_page_that_tells_of_its_switch() -> None:
    page = runbook.note(Switch("copy", "index is *down*", "2026-05-01T08:00:00Z"), "1.1.0")
    assert page.splitlines()[2:6] == [
        "- 既定の経路 (Default route): copy",
        "- 開始 (Since): 2026-05-01T08:00:00Z",
        "- 理由 (Reason): index is \\*down\\*",
        "- runtime: 1.1.0",
    ]


def test_the_shipped_runbook_says_what_the_shipped_policy_says() -> None:
    assert runbook.problem((PAYLOAD / runbook.RUNBOOK_PATH).read_bytes(), POLICY) == ""
