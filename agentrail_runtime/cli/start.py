"""Where the commands begin and end: what is set before anything is imported, and the short way out."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from typing import Final

_UNWATCHED: Final = 1_000_000
"""How many new objects the collector lets pass: a run makes many, nearly all for its whole life."""


def agentrail() -> None:
    """Run ``agentrail``, and end the process."""
    gc.set_threshold(_UNWATCHED)
    from agentrail_runtime.cli.main import main

    _end(main)


def agentrail_install() -> None:
    """Run ``agentrail-install``, and end the process."""
    gc.set_threshold(_UNWATCHED)
    from agentrail_runtime.cli.main import main_install

    _end(main_install)


def kit() -> None:
    """Run ``agentrail-install.pyz``, and end the process."""
    gc.set_threshold(_UNWATCHED)
    from agentrail_runtime.cli.kit import main

    _end(main)


def _end(main: Callable[[], None]) -> None:
    """End as `main` does, but leave the memory to the system: to take it apart takes longer than a run.

    Whoever traces or profiles the run gets the long way, and so does a stream that cannot be flushed,
    which Python then tells of.
    """
    try:
        main()
    except SystemExit as end:
        is_watched = sys.gettrace() is not None or sys.getprofile() is not None
        if isinstance(end.code, int) and not is_watched and _flushed():
            os._exit(end.code)
        raise


def _flushed() -> bool:
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return False
    return True
