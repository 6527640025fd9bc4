"""The judge itself: a target that is not as it should be is not let through."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.support import RULES
from tests.fault import judge
from tests.fault.scenario import STATE, Scenario, Scenarios
from tests.support import Run, write

VERIFY, SAME = 0, 5  # which command comes next
MARK = "README.md"


def judged(
    scenario: Scenario, place: Path, harm: Callable[[Path], object], *, number: int = VERIFY
) -> str:
    """Return what the judge says of a target that was left in the middle by `harm`."""
    scratch = place / "scratch"
    with scenario.told(scratch) as root:
        outside = scenario.around(scratch)
        harm(root)
        return judge.after_kill(scenario, scratch, outside, number)


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda root: None, ""),
    "a mixed tree": (lambda root: write(root, {RULES: "half new\n"}), "stands neither old"),
    "a lost byte": (lambda root: write(root, {MARK: "gone\n"}), "stands lost"),
    "another mode": (lambda root: (root / MARK).chmod(0o600), "stands neither old"),
    "a directory": (lambda root: (root / "empty").mkdir(), "stands neither old"),
    "a leftover": (lambda root: write(root, {f"{STATE}/stash/x/undone": ""}), "stands state"),
    "a file beside": (lambda root: write(root.parent, {"beside/new": ""}), "touched outside"),
    "a file above": (lambda root: (root.parent / "above.txt").touch(), "touched outside"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize(("harm", "told"), HARM.values(), ids=[*HARM])
def test_harm_is_told(
    scenarios: Scenarios, place: Path, harm: Callable[[Path], object], told: str
) -> None:
    said = judged(scenarios.get("upgrade"), place, harm)
    assert said.startswith(told)
    assert bool(said) == bool(told)


def test_a_run_that_can_no_longer_succeed_is_told(scenarios: Scenarios, place: Path) -> None:
    said = judged(
        scenarios.get("upgrade"), place, lambda root: shutil.rmtree(root / STATE), number=SAME
    )
    assert "not as expected in the state directory" in said


@pytest.mark.parametrize(
    ("done", "told"),
    [
        (Run(1, "", "refused"), ""),
        (Run(70, "", "internal error"), "ended with 70 (expected 0 or [1]): internal error"),
        (Run(0, "", ""), "exit code 0, stands old (expected new)"),
        (Run(1, "", "Traceback"), "traceback: Traceback"),
    ],
)
def test_an_end_that_does_not_fit_the_tree_is_told(
    scenarios: Scenarios, place: Path, done: Run, told: str
) -> None:
    scenario, scratch = scenarios.get("upgrade"), place / "scratch"
    with scenario.told(scratch):
        said = judge.after_failure(scenario, scratch, scenario.around(scratch), done, {1})
    assert said == told
