"""AgentRail runtime: installs the AgentRail framework into a repository, and takes it out again.

The Python API is what the commands call:

>>> import agentrail_runtime
>>> outcome = agentrail_runtime.install("path/to/repo")  # doctest: +SKIP
>>> outcome.result, outcome.summary["create"]  # doctest: +SKIP
('applied', 17)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentrail_runtime.version import __version__

if TYPE_CHECKING:
    from agentrail_runtime.api import install, plan, rollback, uninstall, verify

__all__ = ["__version__", "install", "plan", "rollback", "uninstall", "verify"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agentrail_runtime import api

    return getattr(api, name)
