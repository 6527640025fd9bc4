"""The entry point of ``agentrail-install.pyz``: all commands, for the ``runtime/`` beside it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from agentrail_runtime.cli import install
from agentrail_runtime.cli.main import COMMANDS, agentrail, run
from agentrail_runtime.entry import INDEX_NAME, LAST_PHASE
from agentrail_runtime.errors import SourceError, typed
from agentrail_runtime.kit import RUNTIME
from agentrail_runtime.route import packaged_index
from agentrail_runtime.source import package_tree
from agentrail_runtime.tree import DirectoryTree


def main() -> None:
    """Run a command: one of ``agentrail``, or an install where the first word names none.

    The bundle beside the application is the source, unless options or the environment name another.
    Once the copy route is removed, it is the equal one within the application.
    """
    words = sys.argv[1:]
    runtime = os.path.join(os.path.dirname(os.path.realpath(sys.argv[0])), RUNTIME)
    own = packaged_index()
    source = "package" if own is not None and own.phase == LAST_PHASE else "copy"
    for name, default in (("AGENTRAIL_SOURCE", source), ("AGENTRAIL_RUNTIME_DIR", runtime)):
        os.environ[name] = os.environ.get(name) or default

    def check(values: Mapping[str, Any]) -> None:
        if (values.get("source"), values.get("runtime_dir")) == ("copy", runtime):
            check_beside(runtime)

    name = f"python {typed(sys.argv[0])}"
    is_command = bool(words) and words[0] in (*COMMANDS, "--version")
    command = agentrail if is_command else install.command
    sys.exit(run(command, words, name=name, first=check, program=name))


def check_beside(runtime: str) -> None:
    """Make sure that the bundle beside the application is the one that it was made with.

    Args:
        runtime: where the bundle lies, an absolute path.

    Raises:
        SourceError: it is another one, or has no index.
    """
    expected = package_tree().fetch(INDEX_NAME).data
    try:
        found = DirectoryTree(runtime).fetch(INDEX_NAME).data
    except OSError as error:
        what = f"{INDEX_NAME}: {error.strerror}"
    else:
        if found == expected:
            return
        what = f"{INDEX_NAME}: not the one that this kit was made with"
    raise SourceError(
        f"{runtime}: {what}",
        paths=[INDEX_NAME],
        hint="fetch the kit again, or name another bundle with --runtime-dir DIR",
    )
