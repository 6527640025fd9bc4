"""The benchmark's page: what was measured, what was missing, what people wrote; nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench import chart, page, table, wording
from tests.bench.environment import ROOT
from tests.bench.result import Row, Series, dump, growth, load
from tests.unit.bench_support import TREES, fresh, report

NAME = "{http://www.w3.org/2000/svg}"
LINKS = page.Links("benchmarks.svg", "benchmarks.json")
NOTES = {
    "why": "*fresh install*: because.\n",
    "faults": "| Fault | Tried |\n|---|---|\n| kill | 12 |\n",
}


def cells(text: str, first: str) -> list[str]:
    """Return the cells of the one row of a table that begins with `first`."""
    (row,) = (line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in row.strip("|").split(" | ")]


def test_a_row_has_median_range_ratio_and_memory() -> None:
    text = page.markdown(report(fresh()), {}, LINKS)
    ours = ["**`agentrail-install`**", "200 ms", "100 ms–300 ms", "3", "", "41", "66"]
    theirs = ["`rsync -a --fsync`", "300 ms", "200 ms–400 ms", "3", "0.50 (0.50–1.00)", "≤ 19", "4"]
    assert cells(text, ours[0]) == ours
    assert cells(text, theirs[0]) == theirs


def test_a_peer_that_is_missing_is_shown_with_its_reason() -> None:
    text = page.markdown(report(fresh()), {}, LINKS)
    assert cells(text, "`dpkg -i`")[1] == "missing: no dpkg on PATH"
    assert "missing: cannot be installed: pip: exit code 1: a \\| b" in text


def test_a_missed_goal_says_by_how_much() -> None:
    slow = fresh(ours=(300.0,), theirs=(300.0,))
    text = page.markdown(report(slow), {}, LINKS)
    assert "| ≤ 0.8 × rsync -a --fsync | 1.00 (1.00–1.00) | **missed by 25%** |" in text


def test_what_people_wrote_stands_on_the_page_as_it_is() -> None:
    text = page.markdown(report(fresh()), NOTES, LINKS)
    assert f"## Why\n\n{NOTES['why']}" in text
    assert f"## Faults tried and survived\n\n{NOTES['faults']}" in text
    assert "## Mutation testing\n\nNothing is written down here yet.\n" in text


def test_the_page_says_when_where_and_how_it_was_measured() -> None:
    text = page.markdown(report(fresh()), {}, LINKS)
    assert "2026-01-02" in text
    assert "`python -m tests.bench -n 3`" in text
    assert cells(text, "Processor") == ["Processor", "one, 2 cores"]
    assert cells(text, "`rsync`") == ["`rsync`", "3.2.7"]


def test_the_page_is_clean_for_a_linter(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text(page.markdown(report(fresh(), *grown()), NOTES, LINKS), encoding="utf-8")
    words = [sys.executable, "-m", "pymarkdown", "scan", str(path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def grown() -> list[Row]:
    return [
        Row("verify", tree.name, (Series("agentrail verify", (1.0 + tree.files,)),)) for tree in SIZED
    ]


SIZED = tuple(
    TREES[1]._replace(name=f"t{files}", title=f"{files} files", files=files, bytes=size)
    for files, size in ((10, 1_000), (100, 90_000), (1_000, 10_000), (2_000, 70_000))
)


def test_growth_is_that_of_the_made_up_trees_alone() -> None:
    payload = Row("verify", "payload", (Series("agentrail verify", (999.0,)),))
    found = growth(report(payload, *grown(), trees=(*TREES, *SIZED)), "verify")
    assert found is not None
    assert [point.tree for point in found.points] == [tree.name for tree in SIZED]
    assert (found.base, found.per_file) == pytest.approx((1.0, 1.0))


def test_growth_is_on_the_page_with_what_was_measured() -> None:
    text = page.markdown(report(*grown(), trees=SIZED), {}, LINKS).partition("## Growth")[2]
    parts = ["verify", "1 ms", "1000.0 µs", "0.00 ms"]
    times = ["11.0 ms (+0%)", "101 ms (+0%)", "1.00 s (+0%)", "2.00 s (+0%)"]
    assert cells(text, "verify") == [*parts, *times]


def test_every_run_survives_the_way_through_json() -> None:
    before = report(fresh(), *grown())
    assert load(dump(before)) == before


def test_json_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="expected schema 1"):
        load('{"schema": 2}')


def test_the_terminal_shows_rows_growth_and_goals() -> None:
    text = table.text(report(fresh(), *grown(), trees=(*TREES, *SIZED)))
    assert "fresh install: 10,000 × 4 KB (10,000 files, 41.0 MB)" in text
    assert "  dpkg -i            missing: no dpkg on PATH" in text
    assert "±0%" in text
    assert "missed" not in text


def test_columns_have_one_width_and_a_long_last_cell_moves_none() -> None:
    rows = [("a", "b", "c"), ("long", "x", ""), ("y", "a reason that is long")]
    assert list(table.aligned(rows)) == ["  a     b  c", "  long  x", "  y     a reason that is long"]


def test_the_picture_has_a_bar_for_all_that_was_measured() -> None:
    root = ElementTree.fromstring(chart.svg(report(fresh())))
    bars = [element.get("class") for element in root.iter(f"{NAME}rect")]
    assert bars == ["page", "ours", "other"]
    labels = [element.text for element in root.iter(f"{NAME}text")]
    assert labels[1:] == [
        "fresh install – 10,000 × 4 KB",
        *("agentrail-install", "200 ms", "rsync -a --fsync", "300 ms"),
    ]


def test_the_picture_can_be_read_out_and_runs_nothing() -> None:
    root = ElementTree.fromstring(chart.svg(report(fresh())))
    spoken = root.findtext(f"{NAME}desc")
    assert spoken == "fresh install, 10,000 × 4 KB: agentrail-install 200 ms, rsync -a --fsync 300 ms"
    tags = {element.tag.removeprefix(NAME) for element in root.iter()}
    assert tags == {"svg", "title", "desc", "style", "rect", "text", "g", "path"}


def test_the_picture_has_colours_for_a_dark_page() -> None:
    assert "@media (prefers-color-scheme:dark)" in chart.svg(report(fresh()))


def test_nothing_of_a_name_becomes_markup() -> None:
    hostile = Row(
        "fresh", "10k", (Series("agentrail-install", (1.0,)), Series('<script>"&\x07', (2.0,)))
    )
    labels = [
        element.text
        for element in ElementTree.fromstring(chart.svg(report(hostile))).iter(f"{NAME}text")
    ]
    assert '<script>"&?' in labels


def test_a_picture_of_nothing_is_still_a_picture() -> None:
    assert ElementTree.fromstring(chart.svg(report())).findtext(f"{NAME}desc") == "nothing was measured"


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(0.123, "0.12 ms"), (9.996, "10.0 ms"), (123.4, "123 ms"), (999.6, "1.00 s"), (45_000, "45.0 s")],
)
def test_a_time_has_three_digits(milliseconds: float, shown: str) -> None:
    assert wording.duration(milliseconds) == shown


def test_the_page_names_no_directory_of_the_machine() -> None:
    words = ["--quick", "--python", "/opt/e/bin/python", "--place=/mnt", "--json", "/opt/r.json"]
    assert wording.command_line(words) == "python -m tests.bench --quick --json r.json"
    assert wording.hidden("cp: /tmp/a/b: /tmp", {"/tmp", "/tmp/a"}) == "cp: …/b: …"
