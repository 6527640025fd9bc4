"""The end of the copy route: who still takes it is told, in the words of the index alone."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from agentrail_runtime.document import DocumentError
from agentrail_runtime.release import deprecation
from agentrail_runtime.release.deprecation import Deprecation, notice, releases_left
from tests.property.support import steadily

END = Deprecation("1.0.0", datetime.date(2027, 12, 31), "2.0.0", ("1.0.0", "1.1.0", "1.2.0"))
DAY = datetime.date(2027, 1, 1)


@pytest.mark.parametrize(
    ("version", "left"),
    [
        ("1.0.0", ["1.1.0", "1.2.0"]),
        ("1.1.0", ["1.2.0"]),
        ("1.2.0", []),
        ("no version", ["1.0.0", "1.1.0", "1.2.0"]),
    ],
)
def test_the_releases_that_are_left_are_those_after_the_installed_one(
    version: str, left: list[str]
) -> None:
    assert releases_left(END, version) == left


@pytest.mark.parametrize(
    ("version", "today", "expected"),
    [
        (
            "1.0.0",
            DAY,
            "works until 2027-12-31; 2 releases after this one still have it (1.1.0",
        ),
        ("1.1.0", DAY, "works until 2027-12-31; 1 release after this one still has it (1.2.0)"),
        (
            "1.2.0",
            DAY,
            "works until 2027-12-31; no release after this one still has it, 2.0.0 ",
        ),
        ("1.2.0", datetime.date(2027, 12, 31), "works until 2027-12-31"),
        ("1.2.0", datetime.date(2028, 1, 1), "was to end on 2027-12-31"),
    ],
)
def test_the_notice_tells_the_end_and_what_is_left(
    version: str, today: datetime.date, expected: str
) -> None:
    text = notice(END, version=version, today=today)
    assert text.startswith(f"the copy route {expected}")
    assert "pip install agentrail-runtime" in text


PARTS = st.lists(st.integers(0, 11), min_size=1, max_size=4)
NUMBERS = PARTS.map(lambda parts: ".".join(map(str, parts)))
VERSIONS = st.one_of(NUMBERS, st.sampled_from(["1.0.0rc1", "1.0.0.post1", "v1.0.0", "1!0.1", "01.0"]))


@steadily(100)
@given(st.lists(VERSIONS, max_size=4), VERSIONS)
def test_the_order_of_versions_is_that_of_pep_440(names: list[str], version: str) -> None:
    left = [name for name in names if Version(name) > Version(version)]
    assert releases_left(END._replace(notices=tuple(names)), version) == left


def test_an_index_tells_what_the_policy_says() -> None:
    assert deprecation.load(json.loads(json.dumps(END.as_json()))) == END


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ends_on": "soon"}, "ends_on: expected a date, as 2027-12-31, got 'soon'"),
        ({"ends_on": 2027}, "ends_on: expected str, got int"),
        ({"notices": ["1.0.0", 2]}, "notices: expected versions"),
        ({"notices": "1.0.0"}, "notices: expected list, got str"),
        ({"announced_in": None}, "announced_in: expected str, got null"),
        ({"removed_in": []}, "removed_in: expected str, got list"),
    ],
)
def test_what_tells_of_no_end_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DocumentError, match=f"^{message}$"):
        deprecation.load({**END.as_json(), **change})
