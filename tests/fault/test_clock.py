"""Clocks that jump, and files with odd times: nothing depends on them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault import clock
from tests.fault.scenario import secluded
from tests.support import agentrail


@pytest.fixture
def cases(tmp_path: Path) -> Iterator[clock.Cases]:
    """Runs with wrong clocks, in scratch directories."""
    with secluded(tmp_path):
        yield clock.Cases(tmp_path)


def wrong_clock(cases: clock.Cases, place: Path, name: str) -> clock.Clock:
    """Return the clock of that name; skip where there is none."""
    found = {known.name: known for known in clock.clocks(place / "clock")}
    if name not in found:
        pytest.skip("libfaketime is not installed")
    return found[name]


CLOCKS = ["Python's clock", "the system's clock"]
every_time = pytest.mark.parametrize("moment", clock.TIMES.values(), ids=[*clock.TIMES])


@pytest.mark.slow
@every_time
def test_files_with_odd_times_are_upgraded_and_rolled_back_as_all_others(
    cases: clock.Cases, moment: int | None
) -> None:
    assert cases.aged(moment) == ""


@every_time
def test_an_edit_that_leaves_size_and_time_as_they_are_is_seen(
    cases: clock.Cases, moment: int | None
) -> None:
    assert cases.edited(moment) == ""


@pytest.mark.parametrize("edit", clock.EDITS)
def test_an_edit_right_after_a_file_was_remembered_is_seen(cases: clock.Cases, edit: str) -> None:
    assert cases.trusted(None, agentrail, [edit] * 3) == ""


@pytest.mark.parametrize("moment", [0, 4_294_967_295], ids=["1970", "2106"])
def test_an_edit_of_a_remembered_file_with_an_odd_time_is_seen(
    cases: clock.Cases, moment: int | None
) -> None:
    assert cases.trusted(moment, agentrail, [*clock.EDITS]) == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the lock of Windows is another one")
def test_a_run_gives_up_on_a_lock_though_its_clock_jumps_meanwhile(
    cases: clock.Cases, tmp_path: Path
) -> None:
    wrong = wrong_clock(cases, tmp_path, CLOCKS[0])
    assert wrong.jumping is not None
    assert cases.held(clock.run_with(wrong.jumping(-clock.YEAR))) == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOCKS)
def test_rollbacks_follow_the_order_of_the_runs_and_not_the_clock(
    cases: clock.Cases, tmp_path: Path, name: str
) -> None:
    wrong = wrong_clock(cases, tmp_path, name)
    years = clock.JUMPS["back and ahead"]
    runs = [clock.run_with(wrong.shifted(year * clock.YEAR)) for year in years]
    assert cases.history(runs) == ""
