"""What stands at many paths of a target, looked at by a second process meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from agentrail_runtime import child
from agentrail_runtime.entry import RelPath, State
from agentrail_runtime.target import Target

Row: TypeAlias = tuple[Any, ...]
"""A `State` as a tuple, which marshal can write."""


class Survey:
    """Tells what stands at a path of `target`, as `Target.inspect` does.

    Where there are many `paths`, a second process looks at them from now on; what it cannot say is
    looked at when it is asked for.

    Args:
        target: where.
        paths: what will be asked for, sorted.
        share: how much of it the second process looks at; this one does the rest when it first asks.
    """

    def __init__(self, target: Target, paths: Sequence[RelPath], *, share: float = 1.0) -> None:
        self._target = target
        is_worth_it = len(paths) >= child.WORTH_IT
        cut = round(len(paths) * (1 - share)) if is_worth_it else 0
        self._paths: Final = paths if is_worth_it else ()
        self._cut: Final = cut
        self._begun = child.begin(lambda: look(target, paths[cut:])) if is_worth_it else list
        self._found: dict[RelPath, State | None] | None = None

    @classmethod
    def made(cls, target: Target, paths: Sequence[RelPath], rows: Iterable[Row | None]) -> Survey:
        """Return the survey that `look` made of `paths`."""
        survey = cls(target, ())
        survey._found = _states(paths, rows)
        return survey

    def inspect(self, path: RelPath) -> State:
        """Return what stands at `path`, the same however often it is asked for.

        Raises:
            TargetError: it cannot be read.
        """
        if self._found is None:
            self._found = self._collect()
        state = self._found.get(path)
        if state is None:
            state = self._found[path] = self._target.inspect(path)
        return state

    def _collect(self) -> dict[RelPath, State | None]:
        rows = look(self._target, self._paths[: self._cut]) + self._begun()
        return _states(self._paths, rows)


def look(target: Target, paths: Sequence[RelPath]) -> list[Row | None]:
    """Return what stands at `paths` in `target`; None for what takes an `inspect` of its own."""
    return [state and tuple(state) for state in target.inspect_all(paths)]


def _states(paths: Sequence[RelPath], rows: Iterable[Row | None]) -> dict[RelPath, State | None]:
    states = [None if row is None else tuple.__new__(State, row) for row in rows]
    return dict(zip(paths, states, strict=True))
