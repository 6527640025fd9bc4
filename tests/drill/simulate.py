"""Installs into, or rolls back, many repositories in one process; run by the Python of a user.

``python -I simulate.py install|rollback DIRECTORY FIRST LAST auto|package``
"""

from __future__ import annotations

import sys
from pathlib import Path

import agentrail_runtime


def main() -> None:
    """Do it for the repositories FIRST to LAST in DIRECTORY."""
    operation, directory, first, last, route = sys.argv[1:]
    options = {"source": route} if operation == "install" else {}
    for number in range(int(first), int(last) + 1):
        repository = Path(directory, f"repository-{number:03}")
        repository.mkdir(parents=True, exist_ok=True)
        getattr(agentrail_runtime, operation)(repository, **options)
    print(f"{operation} {agentrail_runtime.__version__}: {first} to {last}")


if __name__ == "__main__":
    main()
