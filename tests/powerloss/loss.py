"""What a disk may hold after power was lost: the three models that the package describes."""

from __future__ import annotations

import bisect
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from tests.powerloss.disk import (
    Bind,
    Disk,
    Mode,
    Moment,
    Operation,
    Resize,
    Slot,
    Sync,
    Tape,
    Tree,
    Write,
)

Model: TypeAlias = Literal["ordered", "scattered", "halved"]
MODELS: Final[tuple[Model, ...]] = ("ordered", "scattered", "halved")

Torn: TypeAlias = float
"""What is there of a write: the part of it that came, or -1 for zeros of its length."""

_ZEROS: Final[Torn] = -1.0
_PARTS: Final[tuple[Torn, ...]] = (_ZEROS, 0.5)


class Sample(NamedTuple):
    """One state that a disk may be in.

    Args:
        point: how many steps had been done when the power was lost.
        kept: the steps among them that are on the disk.
        torn: the writes among them that are there in part.
    """

    point: int
    kept: frozenset[int]
    torn: tuple[tuple[int, Torn], ...] = ()


class Loss:
    """What may be lost of a tape.

    Args:
        tape: what was done; it holds a `Moment` at its beginning.
        model: how the file system behaves.
    """

    def __init__(self, tape: Tape, model: Model) -> None:
        self.model = model
        self.operations: list[Operation] = []
        self._disk: Disk = tape.initial
        self._needs: list[set[int]] = []
        self._homes: list[set[int]] = []
        self._certain: dict[int, frozenset[int]] = {}
        self._record(tape.operations)
        self._lasting = _lasting(self.operations, is_ordered=model == "ordered")
        self._moments = [
            at for at, operation in enumerate(self.operations) if isinstance(operation, Moment)
        ]

    # --- what depends on what --------------------------------------------------------------------

    def _record(self, operations: Sequence[Operation]) -> None:
        """Note for each step which earlier ones it cannot be on the disk without."""
        slots: dict[int, dict[str, int]] = {}
        homes: dict[int, int] = {}
        for operation in operations:
            if not isinstance(operation, Bind):
                self._append(operation, set(), set())
                continue
            halves = self._halves(operation)
            for number, half in enumerate(halves):
                at = len(self.operations)
                needs = {
                    slots[slot.directory][slot.name]
                    for slot in half.slots
                    if slot.name in slots.get(slot.directory, {})
                }
                if half.gone is not None:
                    needs |= {*slots.get(half.gone, {}).values()}
                places = {homes[slot.directory] for slot in half.slots if slot.directory in homes}
                above = {step for home in places for step in self._above(home)}
                if number == 1:
                    needs.add(at - 1)
                    above |= self._above(at - 1)
                elif len(half.slots) > 1 and self.model != "halved":
                    needs |= above  # what is moved as one does not vanish
                self._append(half, needs, above)
                for slot in half.slots:
                    slots.setdefault(slot.directory, {})[slot.name] = at
                    if slot.inode is not None:
                        homes[slot.inode] = at

    def _append(self, operation: Operation, needs: set[int], homes: set[int]) -> None:
        self.operations.append(operation)
        self._needs.append(needs)
        self._homes.append(homes)

    def _halves(self, bind: Bind) -> list[Bind]:
        """Return a rename between directories as two steps where the model says so."""
        if self.model != "halved" or len({slot.directory for slot in bind.slots}) < 2:
            return [bind]
        new, old = bind.slots
        return [
            bind._replace(slots=(new,), text=f"{bind.text} (new name)"),
            Bind((old,), f"{bind.text} (old name)"),
        ]

    def _above(self, at: int) -> set[int]:
        """Return a step with all that it needs, the directories that it is in among that."""
        return self._closed(at, self._needs, self._homes)

    def _closed(self, at: int, *needs: Sequence[set[int]]) -> set[int]:
        found: set[int] = set()
        left = [at]
        while left:
            step = left.pop()
            if step not in found:
                found.add(step)
                left += [other for table in needs for other in table[step]]
        return found

    def _forced(self, point: int) -> frozenset[int]:
        """Return the steps that are on the disk for certain after `point` steps."""
        if point not in self._certain:
            found: set[int] = set()
            for at in range(point):
                if self._lasting[at] < point and at not in found:
                    found |= self._closed(at, self._needs)
            self._certain[point] = frozenset(found)
        return self._certain[point]

    def _optional(self, point: int) -> list[int]:
        """Return the steps that may be lost after `point` steps."""
        forced = self._forced(point)
        return [
            at
            for at in range(point)
            if at not in forced and isinstance(self.operations[at], Bind | Write | Resize | Mode)
        ]

    # --- samples ---------------------------------------------------------------------------------

    @property
    def points(self) -> range:
        """How many steps may have been done when the power is lost."""
        return range(self._moments[0] + 1, len(self.operations) + 1)

    def prefix(self, point: int) -> Sample:
        """Return the state in which nothing is lost."""
        return Sample(point, frozenset(range(point)))

    def nothing(self, point: int) -> Sample:
        """Return the state in which all that may be lost is lost."""
        return Sample(point, self._forced(point))

    def without(self, point: int, lost: Iterable[int]) -> Sample:
        """Return the state in which `lost` is lost, with what depends on it, but nothing else."""
        lost, forced = {*lost}, self._forced(point)
        kept = set(forced)
        for at in range(point):
            if at not in lost and self._needs[at] <= kept and self._homes[at] <= kept:
                kept.add(at)
        return Sample(point, frozenset(kept))

    def only(self, point: int, kept: Iterable[int]) -> Sample:
        """Return the state in which `kept` is there, with what it needs, but nothing else."""
        found = set(self._forced(point))
        for at in kept:
            found |= self._above(at)
        return Sample(point, frozenset(found))

    def torn(self, point: int, at: int, part: Torn) -> Sample:
        """Return the state in which one write is there in part, and nothing is lost but that."""
        whole = self.without(point, (at,))
        return whole._replace(torn=((at, part),))

    def chance(self, point: int, dice: random.Random) -> Sample:
        """Return some state."""
        optional = self._optional(point)
        share = dice.choice((0.1, 0.3, 0.5, 0.7, 0.9))
        wanted = [at for at in optional if dice.random() < share]
        if dice.random() < 0.5:
            sample = self.only(point, wanted)
        else:
            sample = self.without(point, {*optional} - {*wanted})
        torn = tuple(
            (at, _ZEROS if dice.random() < 0.5 else dice.random())
            for at in optional
            if at not in sample.kept and isinstance(self.operations[at], Write) and dice.random() < 0.5
        )
        return sample._replace(torn=torn)

    def prefixes(self, dice: random.Random) -> Iterator[Sample]:
        """Yield every state in which nothing is lost, once."""
        points = [*self.points]
        dice.shuffle(points)
        yield from map(self.prefix, points)

    def singles(self, dice: random.Random) -> Iterator[Sample]:
        """Yield, for every point, the states in which all is lost, one thing, or all but one."""
        plan = [(point, at) for point in self.points for at in (-1, *self._optional(point))]
        dice.shuffle(plan)
        for point, at in plan:
            if at < 0:
                yield self.nothing(point)
                continue
            yield self.without(point, (at,))
            yield self.only(point, (at,))
            if isinstance(self.operations[at], Write):
                yield from (self.torn(point, at, part) for part in _PARTS)

    def chances(self, dice: random.Random) -> Iterator[Sample]:
        """Yield whatever chance brings, without end."""
        while True:
            yield self.chance(dice.choice(self.points), dice)

    # --- states ----------------------------------------------------------------------------------

    def tree(self, sample: Sample) -> Tree:
        """Return what the disk holds in a state."""
        disk, torn = self._disk.copy(), dict(sample.torn)
        for at in range(sample.point):
            operation = self.operations[at]
            if at in sample.kept:
                disk.apply(operation)
            elif at in torn and isinstance(operation, Write):
                disk.apply(operation._replace(data=_part(operation.data, torn[at])))
        return disk.tree()

    def allowed(self, sample: Sample) -> tuple[Tree, ...]:
        """Return the trees of the target of which one has to be there after the recovery."""
        moment = self.operations[self._moments[bisect.bisect_left(self._moments, sample.point) - 1]]
        assert isinstance(moment, Moment)
        return moment.allowed

    def tell(self, sample: Sample) -> str:
        """Return in words what was lost, and after which step."""
        lost = [
            self.operations[at].text
            for at in self._optional(sample.point)
            if at not in sample.kept and at not in dict(sample.torn)
        ]
        torn = [
            f"{self.operations[at].text} ({'zeros' if part < 0 else f'{part:.0%}'})"
            for at, part in sample.torn
        ]
        last = self.operations[sample.point - 1].text
        return (
            f"after {sample.point} steps, the last: {last}; lost: {', '.join(lost + torn) or 'nothing'}"
        )


def _lasting(operations: Sequence[Operation], *, is_ordered: bool) -> list[int]:
    """Return for each step the number of the one that makes it last."""
    never = len(operations) + 1
    synced: dict[int | None, int] = {}
    found = [never] * len(operations)
    for at in reversed(range(len(operations))):
        operation = operations[at]
        if isinstance(operation, Sync):
            synced[operation.inode] = at
        elif isinstance(operation, Bind):
            found[at] = at if is_ordered else _first(synced, _directories(operation.slots), never)
        elif isinstance(operation, Mode) and is_ordered:
            found[at] = at
        elif isinstance(operation, Write | Resize | Mode):
            found[at] = _first(synced, {operation.inode}, never)
    return found


def _directories(slots: Iterable[Slot]) -> set[int]:
    return {slot.directory for slot in slots}


def _first(synced: dict[int | None, int], inodes: set[int], never: int) -> int:
    """Return when the first of `inodes`, or everything, is synced."""
    return min([synced[inode] for inode in (*inodes, None) if inode in synced], default=never)


def _part(data: bytes, part: Torn) -> bytes:
    return bytes(len(data)) if part < 0 else data[: int(len(data) * part)]


def key(tree: Tree) -> int:
    """Return a number that is the same for equal trees, and as good as never for others."""
    return hash(tuple(tree.items()))
