"""Pins: the requirements on the runtime that a target has, held against what is there."""

from __future__ import annotations

import os
import stat
import sys
from collections import deque
from contextlib import suppress
from functools import cache
from typing import Final, NamedTuple

from agentrail_runtime import pin as pin_
from agentrail_runtime import pin_file
from agentrail_runtime.descriptor import READ_FLAGS
from agentrail_runtime.errors import typed
from agentrail_runtime.pin import Pin, PinState
from agentrail_runtime.pin_file import Reader, Toml

_MOST_LEVELS: Final = 4
_MOST_ENTRIES: Final = 100_000
_SKIPPED: Final = ("node_modules", "__pycache__", "build", "dist", "site-packages")
# A directory with one of these is a virtual environment, another repository or another target.
_OTHERS: Final = frozenset(("pyvenv.cfg", ".git", ".agentrail"))


class Versions(NamedTuple):
    """What pins are held against: the version that runs, and the one that the receipt tells of."""

    installed: str
    receipt: str


class Found(NamedTuple):
    """The pins of a target, sorted by place, and what is to be said besides."""

    pins: tuple[PinState, ...]
    notices: tuple[str, ...] = ()


def find(root: str, versions: Versions, *, task_root: str) -> Found:
    """Return every pin in the target at `root`, with what disagrees with it.

    Looked into are the files of `agentrail_runtime.pin_file`, up to four directories down; not into
    what tools put there, other repositories, or task records. No symlink is followed, and what cannot
    be read tells of no pin.

    Args:
        root: the absolute path of the target.
        versions: what the pins are held against.
        task_root: where task records are, relative to `root`.
    """
    known, is_complete = _candidates(root, task_root)
    found: list[PinState] = []
    for path in known:
        data = _read(os.path.join(root, path), pin_file.size_limit(path))
        if pin_file.mentions(data):
            found += pin_file.find(path, data, _reader())
    cut = f"pins: only the first {_MOST_ENTRIES} files and directories were looked at"
    pins = tuple(_judged(state, root, versions, known) for state in found)
    return Found(pins, () if is_complete else (cut,))


def _judged(state: PinState, root: str, versions: Versions, known: list[str]) -> PinState:
    """Return a pin with what disagrees with it and the next command to type."""
    pin = state.pin
    if state.problem is None:
        problem = pin_.judge(pin, installed=versions.installed, receipt=versions.receipt)
        state = PinState(pin, problem, problem and _hint(pin, root, versions, known))
    hint = state.hint
    if hint and not hint.isprintable():
        hint = pin_.shown(hint)
    return state._replace(pin=pin._replace(path=pin_.shown(pin.path)), hint=hint)


def _hint(pin: Pin, root: str, versions: Versions, known: list[str]) -> str:
    """Return the next command to type for a pin that something disagrees with."""
    if not pin_.admits(pin.specifier, versions.installed):
        return pin_.remedy(pin, _place(root, pin.path), known=known)
    if pin_.admits(f">{versions.installed}", versions.receipt):
        return (
            f"move the pin to {pin_.shown(versions.receipt)}, or go back: "
            f"agentrail-install --allow-downgrade {typed(root)}"
        )
    return f"agentrail-install {typed(root)}"


def _place(root: str, path: str) -> str:
    """Return the file at `path` as it is to be typed here: relative where it lies below."""
    full = os.path.join(root, *path.split("/"))
    with suppress(OSError):
        here = os.path.join(os.getcwd(), "")
        return full.removeprefix(here)
    return full


@cache
def _reader() -> Reader:
    from packaging.markers import default_environment

    return Reader({name: str(value) for name, value in default_environment().items()}, _load_toml)


def _load_toml(text: str) -> Toml:
    if sys.version_info >= (3, 11):
        import tomllib  # pragma: no cover - the other Pythons run the other line
    else:
        import tomli as tomllib  # pragma: no cover
    return tomllib.loads(text)


def _candidates(root: str, task_root: str) -> tuple[list[str], bool]:
    """Return the files that may hold pins, sorted, and whether every directory was looked into."""
    todo, left, known = deque([("", 0)]), _MOST_ENTRIES, []
    while todo and left > 0:
        above, level = todo.popleft()
        names, files, directories = _listing(f"{root}/{above}")
        left -= len(names)
        if above and not _OTHERS.isdisjoint(names):
            continue
        known += [above + name for name in files if pin_file.may_hold_pins(above + name)]
        if level < _MOST_LEVELS:
            below = (above + name for name in directories if not _is_skipped(name))
            todo += ((f"{path}/", level + 1) for path in below if path != task_root)
    return sorted(known), not todo


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name in _SKIPPED


def _listing(directory: str) -> tuple[list[str], list[str], list[str]]:
    """Return all names in a directory, those of plain files, and those of directories."""
    try:
        with os.scandir(directory) as found:
            rows = sorted(found, key=lambda row: row.name)
        names = [row.name for row in rows]
        files = [row.name for row in rows if row.is_file(follow_symlinks=False)]
        return names, files, [row.name for row in rows if row.is_dir(follow_symlinks=False)]
    except OSError:
        return [], [], []


def _read(path: str, limit: int) -> bytes:
    """Return the bytes of a plain file; none where it is larger than `limit` or cannot be read."""
    try:
        with open(os.open(path, READ_FLAGS), "rb") as file:
            status = os.fstat(file.fileno())
            is_read = stat.S_ISREG(status.st_mode) and status.st_size <= limit
            return file.read(limit) if is_read else b""
    except OSError:
        return b""
