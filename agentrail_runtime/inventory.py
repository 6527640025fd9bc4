"""What is installed in a target: its receipt, and what stands at every path that the receipt names.

Where that is much, a second process reads all of it from the start, while this one reads the source.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import repeat
from typing import Any, Final, TypeAlias

from agentrail_runtime import child
from agentrail_runtime.entry import RECEIPT_PATH, State
from agentrail_runtime.errors import AgentRailError
from agentrail_runtime.planner import Inspect
from agentrail_runtime.receipt import Receipt, Record
from agentrail_runtime.session import Session
from agentrail_runtime.survey import Row, Survey, look

WORTH_IT: Final = 250_000
"""From a receipt of so many bytes on, a second process takes less time than it costs."""

_RECORDS: Final = Receipt._fields.index("records")
_EXTRA: Final = Record._fields.index("extra")
_MODE: Final = State._fields.index("mode")
_Told: TypeAlias = tuple[str | None, list[Any], list[list[Any]], dict[int, Any], list[int | Row | None]]


class Inventory:
    """The receipt of a session's target and the state of its files, seen at one time.

    What is wrong with the receipt is told when the session is asked for it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._survey: Survey | None = None
        self._begun: Callable[[], _Told | None] | None = None
        if self._is_much():
            self._begun = child.begin(self._read)
        else:
            self._survey = self._begin()

    def receipt(self) -> Receipt | None:
        """Return what is installed, None for nothing.

        Raises:
            ReceiptError: the receipt is damaged or forged.
            IncompatibleError: it is of a newer schema.
        """
        self._collect()
        return self._session.known_receipt()

    @property
    def inspect(self) -> Inspect:
        """What tells what stands at a path, the same however often it is asked for."""
        return self._collect().inspect

    def _is_much(self) -> bool:
        """Tell whether there is much to read that is not known yet."""
        above, _, name = RECEIPT_PATH.rpartition("/")
        with suppress(OSError, AgentRailError):
            size, *_ = self._session.target.stats(above, [name])
            return size >= WORTH_IT and self._session.seen is None
        return False

    def _begin(self) -> Survey:
        """Read the receipt, and begin to look at what it names."""
        with suppress(AgentRailError):
            if receipt := self._session.receipt():
                return Survey(self._session.target, [*receipt.paths()])
        return Survey(self._session.target, [])

    def _read(self) -> _Told | None:
        """Return receipt and states as what marshal can write; None where that cannot be done."""
        with suppress(AgentRailError):
            if receipt := self._session.receipt():
                records = receipt.records
                columns = [[record[at] for record in records] for at in range(_EXTRA)]
                extras = {number: record.extra for number, record in enumerate(records) if record.extra}
                fields: list[Any] = [*receipt]
                fields[_RECORDS] = None
                rows = look(self._session.target, [*receipt.paths()])
                told = [_told(*pair) for pair in zip(records, rows, strict=True)]
                return self._session.seen, fields, columns, extras, told
        return None

    def _collect(self) -> Survey:
        if self._survey is None:
            assert self._begun is not None
            told = self._begun()
            self._survey = self._begin() if told is None else self._take(*told)
        return self._survey

    def _take(
        self,
        seen: str | None,
        fields: list[Any],
        columns: list[list[Any]],
        extras: dict[int, Any],
        told: list[int | Row | None],
    ) -> Survey:
        records = [tuple.__new__(Record, row) for row in zip(*columns, repeat({}))]
        for number, extra in extras.items():
            records[number] = records[number]._replace(extra=extra)
        fields[_RECORDS] = tuple(records)
        rows = [_row(*pair) for pair in zip(records, told, strict=True)]
        receipt = Receipt(*fields)
        self._session.remember(receipt, seen)
        return Survey.made(self._session.target, [*receipt.paths()], rows)


def _told(record: Record, row: Row | None) -> int | Row | None:
    """Return a state in short where it is as recorded: its permission bits alone."""
    if row is None:
        return None
    mode: int = row[_MODE]
    return mode if row == ("file", record.sha256, record.size, mode, "") else row


def _row(record: Record, told: int | Row | None) -> Row | None:
    """Return the state that `_told` made this of."""
    return ("file", record.sha256, record.size, told, "") if isinstance(told, int) else told
