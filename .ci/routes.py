"""Installs by both routes with the package that this interpreter has, and compares what they leave.

By package; then by copy, from the bundle that the package exports. Needs ``python -I``, so that what is
used is the installed package and not the tree.
"""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory

RECEIPT = ".agentrail/receipt.json"
STATE = ".agentrail/state/"


def run(name: str, *words: str, place: Path) -> None:
    """Run a console script of this interpreter in the directory `place`; it has to succeed."""
    script = shutil.which(name, path=sysconfig.get_path("scripts"))
    if script is None:
        sys.exit(f"{name}: not installed for {sys.executable}")
    print("+", name, *words, flush=True)
    subprocess.run([script, *words, "--quiet"], cwd=place, check=True)


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and bytes of every file below `root`, by path, the journal of the run aside."""
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {
        name: (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
        for name, path in files.items()
        if not name.startswith(STATE)
    }


def receipt(root: Path, kind: str) -> dict[str, object]:
    """Return the receipt below `root` without the kind of its source, which has to be `kind`."""
    document: dict[str, object] = json.loads((root / RECEIPT).read_bytes())
    source = document["source"]
    if not isinstance(source, dict) or source.pop("kind", None) != kind:
        sys.exit(f"{root / RECEIPT}: not installed by {kind}: {source}")
    return document


def main() -> None:
    """Install twice and compare; end with 1 and the paths that differ, if any do."""
    with TemporaryDirectory() as scratch:
        place = Path(scratch)
        run("agentrail-install", "a", place=place)
        run("agentrail", "export", "--output", "dist/runtime", place=place)
        words = ("--source", "copy", "--runtime-dir", "dist/runtime")
        run("agentrail-install", *words, "b", place=place)
        for target in ("a", "b"):
            run("agentrail", "verify", target, place=place)
        a, b = tree(place / "a"), tree(place / "b")
        differing = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
        if differing != [RECEIPT] or receipt(place / "a", "package") != receipt(place / "b", "copy"):
            sys.exit(f"the routes differ (expected only the receipt's source kind, got {differing})")
    print(f"{len(a)} files, equal by both routes")


if __name__ == "__main__":
    main()
