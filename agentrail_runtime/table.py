"""Rows of one shape in a canonical JSON document, read and written as a whole.

`agentrail_runtime.document` takes every value of every row by itself, which for 100,000 rows takes
seconds. Here one regular expression takes all rows that are laid out just as `document.dump` lays them
out. Whatever differs from that by a single byte is for the other reader: this one has no findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from agentrail_runtime import document
from agentrail_runtime.document import DocumentError, Json

_BEGIN, _END = "\n", "\n  ]"
_ROWS_AT_ONCE = 1_000


class Layout(NamedTuple):
    """How the rows under one key look.

    `pattern` has one group for each field, in their order; `template` has one ``%s`` for each.
    """

    key: str
    pattern: re.Pattern[str]
    template: str
    fixed: int

    @classmethod
    def of(cls, key: str, fields: Mapping[str, str]) -> Layout:
        """Return the layout of rows under `key`.

        Args:
            key: at the top of the document.
            fields: for each key of a row, sorted, the regular expression of its value as it stands in
                the document, with one group around what is wanted of it.
        """
        lines = ",\n".join(f'      "{name}": {value}' for name, value in fields.items())
        template = re.sub(r"\(.*?\)", "%s", lines)
        template = f"    {{\n{template}\n    }}"
        fixed = len(template.replace("%s", "")) + len(",\n")
        return cls(key, re.compile(rf"    \{{\n{lines}\n    \}}(?:,\n|\Z)"), template, fixed)

    def load(self, data: bytes) -> tuple[Json, list[tuple[str, ...]]] | None:
        """Return the document without its rows, and the groups of each row.

        None if `data` is not canonical, or has a row of another shape.
        """
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return None
        mark = f'\n  "{self.key}": ['
        begin = text.find(mark + _BEGIN) + len(mark + _BEGIN)
        end = text.find(_END, begin)
        if begin < len(mark + _BEGIN) or end < 0:
            return None
        rows = self.pattern.findall(text, begin, end)
        covered = len(rows) * self.fixed + sum(map(len, map("".join, rows)))
        if covered != end - begin + len(",\n"):
            return None
        around = f"{text[: begin - 1]}{text[end + len(_END) - 1 :]}".encode()
        try:
            value = document.load(around)
        except DocumentError:
            return None
        return (value, rows) if document.dump(value) == around else None

    def dump(self, value: Json, rows: Iterable[str]) -> bytes:
        """Return the canonical bytes of `value`, with `rows` under the key.

        Args:
            value: the document without its rows.
            rows: each as the template or `other_row` makes it.
        """
        return b"".join(chunks(value, {self: rows}))


def chunks(value: Json, tables: Mapping[Layout, Iterable[str]]) -> Iterator[bytes]:
    """Yield the canonical bytes of `value` and its `tables` in parts, so that memory need not hold all.

    Args:
        value: the document without the rows of its tables.
        tables: the rows under each key, sorted by it; a row is as the template or `other_row` makes it.
    """
    after = document.dump({**value, **{layout.key: [] for layout in tables}}).decode()
    for layout, rows in tables.items():
        mark = f'\n  "{layout.key}": ['
        before, _, after = after.partition(mark + "]")
        yield (before + mark).encode()
        rows, glue = iter(rows), _BEGIN
        while part := ",\n".join(islice(rows, _ROWS_AT_ONCE)):
            yield (glue + part).encode()
            glue = ",\n"
        after = ("]" if glue == _BEGIN else _END) + after
    yield after.encode()


def other_row(value: Json) -> str:
    """Return one row of any shape."""
    return "    " + document.text(value, level=2)
