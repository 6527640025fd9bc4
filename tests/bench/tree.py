"""The trees that are installed: the payload that ships, and made-up ones of any size."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MANIFEST = 'schema_version: "1.1.0"\noutput_root: dist/runtime\ninclude_paths:\n  - docs\n'
"""The manifest of a framework repository that ships all it has."""

EPOCH = 1_700_000_000
"""When the files of a made-up tree were written; those of the next version, a minute later."""


class Size(NamedTuple):
    """So many files of so many bytes in so many directories, measured so many times."""

    name: str
    files: int
    bytes: int
    directories: int
    runs: int
    is_quick: bool = True
    is_fit: bool = False

    @property
    def title(self) -> str:
        """How the tree is called on the page."""
        return f"{self.files:,} × {self.bytes // 1024} KB" if self.files else "shipped payload"

    def scaled(self, scale: float) -> Size:
        """Return a tree with that part of the files, for a trial of the benchmark."""
        if not self.files:
            return self
        directories = max(1, int(self.directories * scale))
        return self._replace(files=max(2, int(self.files * scale)), directories=directories)


PAYLOAD = Size("payload", 0, 0, 0, runs=15)
SIZES = (
    PAYLOAD,
    Size("1k", 1_000, 4_096, 50, runs=3, is_quick=False, is_fit=True),
    Size("1k-large", 1_000, 65_536, 50, runs=3, is_quick=False, is_fit=True),
    Size("3k", 3_000, 1_024, 150, runs=3, is_quick=False, is_fit=True),
    Size("10k", 10_000, 4_096, 500, runs=5),
    Size("30k", 30_000, 1_024, 500, runs=3, is_quick=False, is_fit=True),
    Size("100k", 100_000, 1_024, 500, runs=3, is_quick=False),
)
"""Every tree. On those for the fit our commands run alone; --quick leaves out some."""


def write_tree(root: Path, size: Size) -> None:
    """Write a tree; the same size has the same bytes, wherever and whenever."""
    content = random.Random(4)
    for number in range(size.directories):
        (root / "docs" / f"d{number:03}").mkdir(parents=True)
    for name in names(size):
        path = root / name
        path.write_bytes(content.randbytes(size.bytes))
        os.utime(path, (EPOCH, EPOCH))


def write_next(root: Path, size: Size, former: Path) -> None:
    """Write the next version: 1 % of the files have other bytes, the rest are links to the former's."""
    content = random.Random(5)
    for number in range(size.directories):
        (root / "docs" / f"d{number:03}").mkdir(parents=True)
    for number, name in enumerate(names(size)):
        path = root / name
        if number % 100:
            path.hardlink_to(former / name)
        else:
            path.write_bytes(content.randbytes(size.bytes))
            os.utime(path, (EPOCH + 60, EPOCH + 60))


def names(size: Size) -> Iterator[str]:
    """Yield the path of every file of a made-up tree."""
    for number in range(size.files):
        yield f"docs/d{number % size.directories:03}/f{number:06}.txt"


def files(root: Path) -> Iterator[Path]:
    """Yield every file below a directory, what git keeps for itself left out."""
    for where, directories, found in os.walk(root):
        if where == str(root) and ".git" in directories:
            directories.remove(".git")
        for name in found:
            if name != ".git":
                yield Path(where, name)
