"""The charts of the gate: both bounds and the path are there, and nothing of a text becomes markup."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from agentrail_runtime.release import chart
from agentrail_runtime.release.gate import Judgement, judge
from tests.gate_support import NOW, POLICY, evidence, failed, many

NAME = "{http://www.w3.org/2000/svg}"


def judged(data: bytes, version: str = "1.1.0") -> Judgement:
    return judge(evidence(data), POLICY, stage="internal", version=version, now=NOW)


@pytest.mark.parametrize("data", [b"", many(35), failed("a") + many(10) + failed("b", 9_000)])
def test_the_picture_is_whole_and_can_be_read_out(data: bytes) -> None:
    root = ElementTree.fromstring(chart.svg(judged(data)))
    assert {child.tag.removeprefix(NAME) for child in root} >= {"title", "desc", "polyline"}
    labels = [child.text for child in root.findall(f"{NAME}text")]
    assert labels.count("promote") == labels.count("stop") == 2
    assert "script" not in {child.tag.removeprefix(NAME) for child in root.iter()}


def test_nothing_of_a_text_becomes_markup() -> None:
    hostile = judged(b"", version='<script>"&\x07')
    title = ElementTree.fromstring(chart.svg(hostile)).find(f"{NAME}title")
    assert title is not None
    assert title.text == 'Release gate, internal, <script>"&?: hold'


@pytest.mark.parametrize(("is_unicode", "points"), [(True, "●"), (False, "*")])
def test_the_terminal_shows_the_path_between_its_bounds(is_unicode: bool, points: str) -> None:
    lines = chart.text(judged(many(35)), width=60, is_unicode=is_unicode)
    assert len(lines) == 20
    assert max(map(len, lines)) <= 60
    assert lines[0] == "first attempts that succeed: 35 repositories, promote"
    assert sum(line.count(points) for line in lines) > 40
    assert "".join(lines).isascii() is not is_unicode


def test_a_narrow_terminal_and_no_data_are_drawn_all_the_same() -> None:
    assert chart.text(judged(b""), width=1)[0].endswith("0 repositories, undecided")


def test_a_long_path_keeps_its_ends() -> None:
    thin = chart.thinned([float(n) for n in range(10_001)], 100)
    assert len(thin) == 100
    assert (thin[0], thin[-1]) == ((0, 0.0), (10_000, 10_000.0))
