"""DuckDB and the standard library come to the same, whatever the events are and wherever they lie."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentrail_runtime import event_reader
from agentrail_runtime.event_reader import EventFileError
from agentrail_runtime.release import event
from agentrail_runtime.release.cohort import Collector, Evidence
from agentrail_runtime.release.gate import judge, microseconds
from tests.gate_support import NOW, POLICY, START, evidence, failed, line, many, run, write

duckdb = pytest.importorskip("duckdb", reason="DuckDB has no wheel for this Python or platform")
from agentrail_runtime import event_query  # noqa: E402  # it is of use with DuckDB alone


def by_library(places: Sequence[Path | str]) -> Evidence:
    collector = Collector(stage="internal", version="1.1.0", now=microseconds(NOW))
    for text in event_reader.lines(event_reader.find(map(str, places)).lines):
        collector.add(text)
    return collector.evidence()


def by_duckdb(*places: Path | str) -> Evidence:
    files = event_reader.find(map(str, places))
    return event_query.collect(files, stage="internal", version="1.1.0", now=microseconds(NOW))


VERSIONS = st.sampled_from(["1.1.0", "1.1", "v1.1.0.0", "1.0.0", "1.2.0", "2", "none", "1.1.0+x"])
EVENTS = st.builds(
    line,
    after=st.sampled_from([-60, 0, 0.0, 3, 60, 3599, 3600, 3601, 90_000, 2_592_300, 2_592_301]),
    repo=st.sampled_from(["a", "b", "c", "é"[:0] + "d", "x'y"]),
    event_id=st.sampled_from(["1", "2", "3", "4", "5", "6", 'q"', "b\\"]),
    phase=st.sampled_from(["started", "finished"]),
    op=st.sampled_from(["install", "install", "install", "rollback", "uninstall"]),
    version=VERSIONS,
    from_version=st.none() | VERSIONS,
    channel=st.sampled_from([None, "internal", "internal", "pilot"]),
    outcome=st.sampled_from(["ok", "ok", "failed", "rolled_back"]),
    error_code=st.sampled_from([None, 0, 1, 6, 7, 255]),
    duration_ms=st.sampled_from([None, 0, 7, 10**12]),
    os=st.sampled_from([None, "linux", "Other OS"]),
)
PARTS = st.sampled_from(
    [
        *(
            b"",
            b"{",
            b'"',
            b"\\",
            b"\n",
            b"\r",
            b"\x00",
            b"\x01",
            b"\x7f",
            b"\xc3\xa9",
            b"\xff",
            b" ",
            b"\t",
        ),
        *(b"null", b"256", b"-1", b"1.0", b"007", b'"x"', b"[[", b"2.0", b',"more":1', b',"os":"x"'),
        *(b"T24:00:00Z", b"T23:59:60Z", b".123456Z", b".1234567Z", b"+00:00"),
    ]
)


@st.composite
def damaged(draw: Any) -> bytes:
    data: bytes = draw(EVENTS)
    start = draw(st.integers(0, len(data)))
    stop = draw(st.sampled_from([start, start + 1, start + 4, len(data)]))
    part: bytes = draw(PARTS)
    return data[:start] + part + data[stop:]


@st.composite
def respelt(draw: Any) -> bytes:
    """Another way to write the same event: other spaces, another order, escapes, another type."""
    value = json.loads(draw(EVENTS))
    value |= draw(st.sampled_from([{}, {"more": None}, {"error_code": "1"}, {"ts": 5}, {"os": ""}]))
    names = draw(st.permutations(sorted(value)))
    text: str = json.dumps(
        {name: value[name] for name in names}, indent=draw(st.sampled_from([None, 0]))
    )
    text = text.replace("\n", " ").replace(
        "install", draw(st.sampled_from(["install", "\\u0069nstall"]))
    )
    end: bytes = draw(st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n \n"]))
    return text.encode() + end


LINES = st.lists(EVENTS | EVENTS | EVENTS | damaged() | respelt(), max_size=25)
SETTINGS = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SETTINGS
@given(files=st.lists(LINES, min_size=1, max_size=3))
def test_both_ways_to_read_events_come_to_the_same(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[bytes]]
) -> None:
    place = tmp_path_factory.mktemp("events")
    for number, lines in enumerate(files):
        write(place, b"".join(lines), f"{number}.jsonl")
    assert by_duckdb(place) == by_library([place])


@SETTINGS
@given(lines=LINES, seed=st.integers(0, 99))
def test_neither_order_nor_repetition_changes_the_verdict(lines: list[bytes], seed: int) -> None:
    lines = [text if text.endswith(b"\n") else text + b"\n" for text in lines]
    again = [*lines, *random.Random(seed).choices(lines, k=len(lines))] if lines else []
    random.Random(seed).shuffle(again)
    one, other = evidence(b"".join(lines)), evidence(b"".join(again))
    assert one._replace(counters=other.counters) == other
    told = [judge(e, POLICY, stage="internal", version="1.1.0", now=NOW).verdict for e in (one, other)]
    assert told[0] == told[1]


def test_what_the_recorder_writes_is_taken_apart_in_sql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = many(3) + run("x", op="rollback", channel=None, from_version="1.1.0", duration_ms=10**11)
    place = write(tmp_path, data)
    monkeypatch.setattr(event, "parse", None)
    assert by_duckdb(place).counters.events == 8


DATA = many(40) + failed("x", 5_000) + run(3, 9_000, op="rollback") + line(event_id="z", version="9")


def parquet(place: Path, sql: str = "*", name: str = "t.parquet") -> Path:
    source = write(place / "source", DATA)
    place = write(place / "tables", b"", "empty.jsonl")
    duckdb.sql(
        f"COPY (SELECT {sql} FROM read_json('{source}/events.jsonl', format = 'newline_delimited')) "
        f"TO '{place / 'made'}' (FORMAT parquet)"
    )
    (place / "made").rename(place / name)
    return place


@pytest.mark.parametrize(
    "sql",
    [
        "*",
        "* REPLACE (ts::VARCHAR || 'Z' AS ts)",
        "* REPLACE (strftime(ts, '%Y-%m-%dT%H:%M:%SZ') AS ts)",
        "* REPLACE (error_code::DOUBLE AS error_code, duration_ms::FLOAT AS duration_ms)",
        "*, 'é' AS \"it's new\"",
    ],
)
def test_parquet_files_come_to_the_same(tmp_path: Path, sql: str) -> None:
    found, expected = by_duckdb(parquet(tmp_path, sql)), evidence(DATA)
    if "VARCHAR" in sql:
        assert found.counters.bad_values == found.counters.lines == expected.counters.lines
    else:
        unknown = expected.counters.events if "new" in sql else 0
        counters = expected.counters._replace(unknown_fields=unknown)
        assert found == expected._replace(counters=counters)


@pytest.mark.parametrize("name", ["a*b", "a[1]", "k=v", "~", "it's", "a b?"])
def test_odd_names_of_files_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    place = parquet(tmp_path, name=f"{name}.parquet")
    assert by_duckdb(place) == evidence(DATA)
    place = write(tmp_path / name, DATA, f"{name}.jsonl")
    write(place, line(repo="other"), "ab.jsonl")
    assert by_duckdb(place) == by_library([place])


def test_an_object_store_is_read(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    store = fsspec.filesystem("memory")
    place = parquet(tmp_path)
    store.pipe("/gate/a.jsonl", many(5, first=100))
    store.pipe("/gate/deep/t.parquet", (place / "t.parquet").read_bytes())
    store.pipe("/gate/deep/v.parquet", (place / "t.parquet").read_bytes())
    store.pipe("/gate/deep/u[1].parquet", (place / "t.parquet").read_bytes())
    store.pipe("/gate/notes.txt", b"no events")
    expected = evidence(DATA + many(5, first=100) + DATA * 2)
    assert by_duckdb("memory://gate") == expected
    assert by_duckdb("memory://gate/a.jsonl", "memory://gate/deep") == expected


@pytest.mark.parametrize("url", ["memory://none", "nonsense://x"])
def test_a_store_that_cannot_be_read_is_told(url: str) -> None:
    with pytest.raises(EventFileError, match=f"{url}: cannot be read"):
        by_duckdb(url)


def test_a_store_that_needs_another_package_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(event_query.MissingError, match="without another package"):
        by_duckdb("memory://gate")


def test_a_damaged_table_is_told(tmp_path: Path) -> None:
    place = write(tmp_path, b"no table", "t.parquet")
    with pytest.raises(EventFileError, match="cannot be read by DuckDB"):
        by_duckdb(place)


def test_a_file_that_went_away_is_told(tmp_path: Path) -> None:
    files = event_reader.EventFiles((), (str(tmp_path / "gone[1].parquet"),))
    with pytest.raises(EventFileError, match="No such file"):
        event_query.collect(files, stage="internal", version="1.1.0", now=0)


def test_lines_of_any_length_come_to_the_same(tmp_path: Path) -> None:
    long = line().replace(b'{"channel"', b'{"more":"' + b"x" * 60_000 + b'","channel"')
    write(tmp_path, long + b"y" * 3_000_000 + b"\n" + DATA, "a.jsonl")
    assert by_duckdb(tmp_path) == by_library([tmp_path])


@pytest.mark.parametrize(("old", "new"), [(b":", b": "), (b"\n", b"\r\n")])
def test_more_odd_lines_than_go_in_at_once_come_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bytes, new: bytes
) -> None:
    monkeypatch.setattr(event_query, "_BATCH", 7)
    write(tmp_path, DATA.replace(old, new))
    assert by_duckdb(tmp_path) == by_library([tmp_path])


def test_the_moment_makes_no_difference(tmp_path: Path) -> None:
    write(tmp_path, DATA + line(phase="started", repo="p", event_id="p"))
    files = event_reader.find([str(tmp_path)])
    for hours in (-1, 0, 0.99, 1, 23, 25):
        now = START + timedelta(hours=hours)
        found = event_query.collect(files, stage="internal", version="1.1.0", now=microseconds(now))
        assert found == evidence((tmp_path / "events.jsonl").read_bytes(), now=now)
