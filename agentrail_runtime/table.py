"""Rows of one shape in a canonical JSON document, read and written as a whole.

`agentrail_runtime.document` takes every value of every row by itself, which for 100,000 rows takes
seconds. Here one regular expression takes all rows that are laid out just as `document.dump` lays them
out. Whatever differs from that by a single byte is for the other reader: this one has no findings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from agentrail_runtime import document
from agentrail_runtime.document import DocumentError, Json

T = TypeVar("T")
Make = Callable[[list[Any]], list[T]]
"""Makes one value of each of some rows."""

_BEGIN, _END = "\n", "\n  ]"
_END_OF_ROW = "\n    },\n"
_ROWS_AT_ONCE, _CHARACTERS_AT_ONCE = 1_000, 300_000
_OUTER = re.compile(r"\(.*\)")


class Layout(NamedTuple):
    """How the rows under one key look.

    `pattern` has one group for each field, in their order; `template` has one ``%s`` for each. It is
    compiled by the first document that is read: to write one, nobody needs it.
    """

    key: str
    pattern: str
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
        blank = {name: _OUTER.sub("%s", value) for name, value in fields.items()}
        template = ",\n".join(f'      "{name}": {value}' for name, value in blank.items())
        template = f"    {{\n{template}\n    }}"
        fixed = len(template.replace("%s", "")) + len(",\n")
        return cls(key, rf"    \{{\n{lines}\n    \}}(?:,\n|\Z)", template, fixed)

    def load(
        self, data: bytes, make: Callable[[list[Any]], Iterable[T]]
    ) -> tuple[Json, list[T]] | None:
        """Return the document without its rows, and what `make` makes of them.

        None if `data` is not canonical, or has no row, or one of another shape.

        Args:
            data: the document.
            make: takes some rows, each as the groups of the pattern, and returns one value for each;
                called for a part of them after the other, so that memory need not hold all.
        """
        found = cut(data, self)
        if found is None:
            return None
        value, (text,) = found
        pattern = re.compile(self.pattern)
        made: list[T] = []
        covered = end = 0
        while end < len(text):
            begin, end = end, _end_of_row(text, end + _CHARACTERS_AT_ONCE)
            rows = pattern.findall(text, begin, end)
            covered += len(rows) * self.fixed + sum(map(len, map("".join, rows)))
            made += make(rows)
        return (value, made) if covered == len(text) + len(",\n") else None

    def is_shape_of(self, text: str) -> bool:
        """Tell whether `text`, as `cut` returns it, consists of rows of this shape, or of none."""
        return not re.sub(self.pattern, "", text)

    def dump(self, value: Json, rows: Iterable[str]) -> bytes:
        """Return the canonical bytes of `value`, with `rows` under the key.

        Args:
            value: the document without its rows.
            rows: each as the template or `other_row` makes it.
        """
        return b"".join(chunks(value, {self: rows}))


def _end_of_row(text: str, at: int) -> int:
    """Return where a row ends at `at` or later, the end of the text where none does."""
    found = text.find(_END_OF_ROW, at)
    return len(text) if found < 0 else found + len(_END_OF_ROW)


def cut(data: bytes, *layouts: Layout) -> tuple[Json, list[str]] | None:
    """Return the document without the rows of its tables, and the text of the rows of each.

    None if what is around the rows is not canonical; the rows themselves may be anything.

    Args:
        data: the document.
        layouts: the tables that it has, sorted by their key.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    around, rows, at = [], [], 0
    for layout in layouts:
        mark = f'\n  "{layout.key}": ['
        begin = text.find(mark, at) + len(mark)
        is_empty = text.startswith("]", begin)
        end = begin if is_empty else text.find(_END, begin)
        if begin < len(mark) or end < 0 or not (is_empty or text.startswith(_BEGIN, begin)):
            return None
        around.append(text[at:begin])
        rows.append(text[begin + len(_BEGIN) : end])
        at = end if is_empty else end + len(_END) - 1
    rest = "".join([*around, text[at:]]).encode()
    try:
        value = document.load(rest)
    except DocumentError:
        return None
    return (value, rows) if document.dump(value) == rest else None


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
