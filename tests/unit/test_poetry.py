"""Constraints as Poetry writes them: a range that is read wrongly hides a pin that disagrees."""

from __future__ import annotations

import pytest

from agentrail_runtime import poetry


@pytest.mark.parametrize(
    ("text", "specifiers"),
    [
        ("", [""]),
        ("*", [""]),
        ("1.0.0", ["==1.0.0"]),
        ("=1.0.0", ["==1.0.0"]),
        ("==1.0.0", ["==1.0.0"]),
        (" 1.2.* ", ["==1.2.*"]),
        (">=1.0,<2.0", ["<2.0,>=1.0"]),
        (">= 1.0 < 2.0", ["<2.0,>=1.0"]),
        ("~=1.4", ["~=1.4"]),
        ("!=1.1", ["!=1.1"]),
        ("^1.2.3", ["<2,>=1.2.3"]),
        ("^1", ["<2,>=1"]),
        ("^0.2.3", ["<0.3,>=0.2.3"]),
        ("^0.0.3", ["<0.0.4,>=0.0.3"]),
        ("^0.0", ["<0.1,>=0.0"]),
        ("^0", ["<1,>=0"]),
        ("^1.0rc1", ["<2,>=1.0rc1"]),
        ("^1!2.3", ["<1!3,>=1!2.3"]),
        ("~1.2.3", ["<1.3,>=1.2.3"]),
        ("~1.2", ["<1.3,>=1.2"]),
        ("~1", ["<2,>=1"]),
        ("^1.0 || ^3.0", ["<2,>=1.0", "<4,>=3.0"]),
        ("1.0|2.0", ["==1.0", "==2.0"]),
    ],
)
def test_a_constraint_is_the_range_that_poetry_takes_it_for(text: str, specifiers: list[str]) -> None:
    assert poetry.alternatives(text) == specifiers


@pytest.mark.parametrize("text", ["banana", "^", "^banana", "~", ">=^1", "1.0;", "{}", "1" * 257])
def test_what_poetry_would_refuse_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        poetry.alternatives(text)
