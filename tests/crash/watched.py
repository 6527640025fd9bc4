"""A target that tells what was done to it, and what a power failure would take from it just then."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agentrail_runtime.entry import RelPath
from agentrail_runtime.target import Target


class Watched(Target):
    """A target whose writing calls are counted, told to `before`, and logged.

    Args:
        root: as of a `Target`.
    """

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.log: list[tuple[str, ...]] = []
        self.before: Callable[[tuple[str, ...]], None] = lambda call: None
        """Called with each call before it is made; what it raises, the call raises."""
        self.unsynced: set[str] = set()
        """Files whose bytes, and directories whose names, a power failure may still take."""

    def __del__(self) -> None:
        self.close()

    def _tell(self, name: str, *paths: str) -> None:
        call = (name, *paths)
        self.before(call)
        self.log.append(call)

    def create(
        self, path: RelPath, data: bytes | Iterator[bytes], *, mode: int, exact: bool = False
    ) -> int:
        self._tell("create", path)
        made = super().create(path, data, mode=mode, exact=exact)
        self.unsynced |= {path, _above(path)}
        return made

    def extend(self, path: RelPath, data: bytes) -> None:
        self._tell("extend", path)
        super().extend(path, data)
        self.unsynced.add(path)

    def sync(self, path: RelPath) -> None:
        self._tell("sync", path)
        super().sync(path)
        self.unsynced.discard(path)

    def sync_directory(self, path: RelPath) -> None:
        self._tell("sync_directory", path)
        super().sync_directory(path)
        self.unsynced.discard(path)

    def move(self, source: RelPath, destination: RelPath) -> None:
        self._tell("move", source, destination)
        super().move(source, destination)
        self.unsynced |= {_above(source), _above(destination)}

    def remove(self, path: RelPath) -> None:
        self._tell("remove", path)
        super().remove(path)
        self.unsynced.add(_above(path))

    def make_directory(self, path: RelPath, mode: int | None = None) -> None:
        self._tell("make_directory", path)
        super().make_directory(path, mode)
        self.unsynced |= {path, _above(path)}

    def remove_directory(self, path: RelPath) -> bool:
        self._tell("remove_directory", path)
        is_gone = super().remove_directory(path)
        if is_gone:
            self.unsynced.discard(path)
            self.unsynced.add(_above(path))
        return is_gone

    def set_directory_mode(self, path: RelPath, mode: int) -> None:
        self._tell("set_directory_mode", path)
        super().set_directory_mode(path, mode)


def fail(error: BaseException, *call: str) -> Callable[[tuple[str, ...]], None]:
    """Return a `Watched.before` that raises `error` at every call that begins with `call`."""

    def before(made: tuple[str, ...]) -> None:
        if made[: len(call)] == call:
            raise error

    return before


def die(after: int) -> Callable[[tuple[str, ...]], None]:
    """Return a `Watched.before` that lets so many calls be made and no other, ever: the end."""
    left = iter(range(after))

    def before(made: tuple[str, ...]) -> None:
        if next(left, None) is None:
            raise OSError(5, "dead")

    return before


def _above(path: str) -> str:
    return path.rpartition("/")[0]
