"""Place: put a new directory of files and edits of single files into a target, all of it or nothing.

Everything is written beside its place and made durable first: the files, the edited texts, and the
texts that they replace. What follows are renames, and taking them back is, too: no disk is too full for
that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from agentrail_runtime.entry import RelPath, parents
from agentrail_runtime.errors import RecoveryError, TargetError
from agentrail_runtime.target import Target

_STAGING: Final = ".new-task"
_UNDO_TRIES: Final = 3


class Edit(NamedTuple):
    """The bytes of a file as they are, and as they are to be."""

    path: RelPath
    old: bytes
    new: bytes


class Placement(NamedTuple):
    """What is to be written.

    Args:
        folder: a directory that does not exist yet.
        files: its files, bytes by name.
        edits: what is edited besides, in this order, once the directory is in place.
    """

    folder: RelPath
    files: Mapping[str, bytes]
    edits: tuple[Edit, ...] = ()

    @property
    def above(self) -> RelPath:
        """The directory that `folder` is to stand in."""
        return RelPath(self.folder.rpartition("/")[0])

    def staged(self, *names: str | int) -> RelPath:
        """Return a path in the directory where everything is built, whose name no record has."""
        return RelPath("/".join([self.above, _STAGING, *map(str, names)]))


def place(target: Target, placement: Placement) -> None:
    """Write all of `placement`, or nothing; the caller holds the target's lock.

    A run that is killed leaves nothing, or the directory without some of the edits; and perhaps what it
    was building, which the next run removes.

    Raises:
        UnsafePathError: a path leads through a symlink or a file. The target is as it was.
        OSError: as the operating system says. The target is as it was.
        RecoveryError: what had been written could not be taken back.
    """
    made: list[RelPath] = []
    try:
        _stage(target, placement, made)
        _move(target, placement, placement.staged("record"), placement.folder)
        for number, edit in enumerate(placement.edits):
            target.move(placement.staged("new", number), edit.path)
            target.sync_directory(RelPath(edit.path.rpartition("/")[0]))
    except BaseException as error:
        _take_back(target, placement, made, error)
        raise
    # It is done: what is left here after an error is no record, and the next run removes it.
    with suppress(OSError, TargetError, KeyboardInterrupt):
        target.remove_tree(placement.staged())


def _stage(target: Target, placement: Placement, made: list[RelPath]) -> None:
    for above in reversed([*parents(placement.folder)]):
        if not target.is_directory(above):
            made.append(above)
            target.make_directory(above)
    _remove_staged(target, placement)
    for names in ((), ("record",), ("new",), ("old",)):
        target.make_directory(placement.staged(*names))
    for name, data in placement.files.items():
        _create(target, placement.staged("record", name), data)
    for number, edit in enumerate(placement.edits):
        mode = target.inspect(edit.path).mode
        _create(target, placement.staged("new", number), edit.new, mode)
        _create(target, placement.staged("old", number), edit.old, mode)
    for name in ("record", "new", "old"):
        target.sync_directory(placement.staged(name))


def _create(target: Target, path: RelPath, data: bytes, mode: int | None = None) -> None:
    target.create(path, data, mode=0o666 if mode is None else mode, exact=mode is not None)
    target.sync(path)


def _move(target: Target, placement: Placement, source: RelPath, destination: RelPath) -> None:
    """Move a directory; what is known of it under its former path is forgotten."""
    target.close()
    target.move(source, destination)
    target.sync_directory(placement.above)


def _take_back(
    target: Target, placement: Placement, made: Sequence[RelPath], error: BaseException
) -> None:
    """Undo what was done before `error`; an impatient second Ctrl-C only starts it anew."""
    tries = _UNDO_TRIES
    while (failure := _try_undo(target, placement, made)) is not None:
        tries -= 1
        if tries == 0 or not isinstance(failure, KeyboardInterrupt):
            why = str(failure) or type(failure).__name__
            paths = [placement.folder, placement.staged(), *(edit.path for edit in placement.edits)]
            raise RecoveryError(
                f"{placement.folder}: could not be taken back: {why}",
                paths=paths,
                hint=f"what was replaced is in {placement.staged('old')}; see the rest with git status",
            ) from error


def _try_undo(target: Target, placement: Placement, made: Sequence[RelPath]) -> BaseException | None:
    try:
        _undo(target, placement, made)
    except (OSError, TargetError, KeyboardInterrupt) as failure:
        return failure
    return None


def _undo(target: Target, placement: Placement, made: Sequence[RelPath]) -> None:
    """Bring everything back to what it was; what is already so is left alone."""
    target.close()
    for number, edit in reversed([*enumerate(placement.edits)]):
        if target.read(edit.path) == edit.new:
            target.move(placement.staged("old", number), edit.path)
    if not target.is_directory(placement.staged("record")) and _is_in_place(target, placement):
        _move(target, placement, placement.folder, placement.staged("record"))
    _remove_staged(target, placement)
    for path in reversed(made):
        target.remove_directory(path)


def _is_in_place(target: Target, placement: Placement) -> bool:
    """Tell whether the directory is the one that was put there, and not somebody else's."""
    return target.names(placement.folder) == sorted(placement.files) and all(
        target.read(RelPath(f"{placement.folder}/{name}")) == data
        for name, data in placement.files.items()
    )


def _remove_staged(target: Target, placement: Placement) -> None:
    if target.is_directory(placement.staged()):
        target.remove_tree(placement.staged())
