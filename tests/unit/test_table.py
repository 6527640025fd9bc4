"""Rows are read at once only where every byte of them stands as it is written."""

from __future__ import annotations

from typing import Any

import pytest

from agentrail_runtime import document, table
from agentrail_runtime.entry import BOOL_ROW, PATH_ROW, SIZE_ROW
from agentrail_runtime.table import Layout

LAYOUT = Layout.of("rows", {"is_big": BOOL_ROW, "path": PATH_ROW, "size": SIZE_ROW})
ROWS = [
    {"is_big": True, "path": "a", "size": 0},
    {"is_big": False, "path": "docs/日本語", "size": 999_999_999_999_999},
]
VALUE = {"above": {"rows": ["x"]}, "rows": ROWS, "zebra": "z"}
TEXT = document.dump(VALUE).decode()
WITHOUT = {**VALUE, "rows": []}
GROUPS = [("true", "a", "0"), ("false", "docs/日本語", "999999999999999")]


def test_rows_come_apart_from_the_rest_of_the_document() -> None:
    assert LAYOUT.load(TEXT.encode(), list) == (WITHOUT, GROUPS)


@pytest.mark.parametrize("at_once", [1, 40, 80, 90, 1_000])
def test_rows_are_taken_in_parts_and_none_is_lost(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(table, "_CHARACTERS_AT_ONCE", at_once)
    rows = [{"is_big": False, "path": f"{number}", "size": number} for number in range(40)]
    parts: list[int] = []

    def paths(part: list[Any]) -> list[str]:
        parts.append(len(part))
        return [path for _, path, _ in part]

    data = document.dump({"rows": rows})
    assert LAYOUT.load(data, paths) == ({"rows": []}, [f"{number}" for number in range(40)])
    assert max(parts) <= 1 + at_once // 70


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 2_000, 2_500])
def test_what_is_written_row_by_row_is_what_is_written_at_once(count: int) -> None:
    rows = [{"is_big": False, "path": f"{number}", "size": number} for number in range(count)]
    texts = (LAYOUT.template % ("false", f"{number}", number) for number in range(count))
    assert LAYOUT.dump({"a": [], "z": 1}, texts) == document.dump({"a": [], "rows": rows, "z": 1})


def test_two_tables_of_one_document_stay_apart() -> None:
    other = Layout.of("others", {"size": SIZE_ROW})
    parts = table.chunks({"path": "p"}, {other: [], LAYOUT: [table.other_row(row) for row in ROWS]})
    assert b"".join(parts) == document.dump({"path": "p", "others": [], "rows": ROWS})


@pytest.mark.parametrize(
    "row",
    [{}, {"path": "a", "more": [1, {"x": None}]}, {"path": 'a"b\\', "note": "é\n"}],
    ids=["empty", "nested", "escaped"],
)
def test_a_row_of_any_shape_stands_as_a_document_has_it(row: document.Json) -> None:
    assert LAYOUT.dump({}, [table.other_row(row)]) == document.dump({"rows": [row]})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"size": 0', '"size": 00'),
        ('"size": 0', '"size": 01'),
        ('"size": 0', '"size": -1'),
        ('"size": 0', '"size": 1.0'),
        ('"size": 0', '"size": "0"'),
        ('"size": 0', '"size": 1000000000000000'),
        ('"size": 0', '"size": 0 '),
        ('"size": 0', '"size":0'),
        ('"size": 0', '"size": 0,\n      "size": 1'),
        ('"is_big": true', '"is_big": "true"'),
        ('"is_big": true', '"is_big": 1'),
        ('"is_big": true', '"is_bog": true'),
        ('"path": "a"', '"path": ""'),
        ('"path": "a"', '"path": "\\u0061"'),
        ('"path": "a"', '"path": "a\tb"'),
        ('"path": "a"', '"path": "a\x00"'),
        ("    },\n", "    }\n"),
        ("    },\n", "    },\n,\n"),
        ("    },\n", "    },\n\n"),
        ("    }\n  ]", "    },\n  ]"),
        ("    }\n  ]", "    }\n\n  ]"),
        ("    }\n  ]", "    } \n  ]"),
        ('  "rows": [\n    {', '  "rows": [\n    x{'),
        ('  "rows": [\n', '  "rows": [\n   \n'),
        ('  "rows": [\n', '  "rows": [ \n'),
        ("  ],\n", "   ],\n"),
        ('"zebra"', '"aaa"'),
        ('"zebra": "z"', '"rows": []'),
        ('"zebra": "z"', '"above": "z"'),
        ('"zebra": "z"', '"zebra": "\\u007a"'),
        ('"zebra": "z"', '"zebra":  "z"'),
        ('"zebra": "z"', '"zebra": NaN'),
        ('"zebra": "z"', '"zebra": "\\ud800"'),
        ('"zebra": "z"\n}', '"zebra": "z"\n'),
        ('"zebra": "z"\n}\n', '"zebra": "z"\n}'),
        ('"zebra": "z"\n}\n', '"zebra": "z"\n}\n\n'),
        ("{\n", "\ufeff{\n"),
        ("\n", "\r\n"),
    ],
    ids=lambda text: None,
)
def test_whatever_differs_by_a_byte_is_left_to_the_other_reader(old: str, new: str) -> None:
    assert old in TEXT
    assert LAYOUT.load(TEXT.replace(old, new, -1 if old == "\n" else 1).encode(), list) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff",
        TEXT.encode()[:-20],
        TEXT.encode("utf-16"),
        b'\n  "rows": [\n  ]',
        b"[" * 200_000,
    ],
    ids=["empty", "no key", "not UTF-8", "truncated", "UTF-16", "a row region alone", "deep"],
)
def test_what_is_no_such_document_is_left_to_the_other_reader(data: bytes) -> None:
    assert LAYOUT.load(data, list) is None


def test_a_truncation_anywhere_is_left_to_the_other_reader() -> None:
    data = TEXT.encode()
    assert [stop for stop in range(len(data)) if LAYOUT.load(data[:stop], list) is not None] == []
