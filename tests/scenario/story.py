"""What the stories share: the command line with a binary stdout, bundles of two versions, receipts."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from agentrail_runtime.cli import main as cli_main
from agentrail_runtime.entry import Ownership
from tests.support import PAYLOAD, Run, make_bundle, snapshot

PACKAGE = PAYLOAD.parent
"""The directory of the package, to be copied, damaged and run."""

KEYS = {
    "schema_version",
    "command",
    "result",
    "changed",
    "target",
    "runtime_version",
    "previous_version",
    "source",
    "task_root",
    "summary",
    "actions",
    "transaction",
    "error",
}
"""The keys of every JSON document, on success and on failure."""

SOURCE_KEYS = {
    "kind",
    "location",
    "requested",
    "fallback_reason",
    "digest",
    "integrity",
    "signature",
}
ERROR_KEYS = {"code", "type", "message", "paths", "hint"}
ACTION_KEYS = {"path", "action", "ownership", "reason"}
SUMMARY_KEYS = {"create", "update", "merge", "remove", "unchanged", "keep", "conflict"}

SHIPPED = {
    ".agents/skills/agentrail-docs-update/SKILL.md": "managed",
    ".agents/skills/agentrail-investigation/SKILL.md": "managed",
    ".agents/skills/agentrail-next-task/SKILL.md": "managed",
    ".agents/skills/agentrail-plan/SKILL.md": "managed",
    ".agents/skills/agentrail-profile/SKILL.md": "managed",
    ".agents/skills/agentrail-questions/SKILL.md": "managed",
    ".agents/skills/agentrail-request/SKILL.md": "managed",
    ".agents/skills/agentrail-review/SKILL.md": "managed",
    ".agents/skills/agentrail-spec/SKILL.md": "managed",
    ".agents/skills/agentrail-test-requirements/SKILL.md": "managed",
    ".github/workflows/ci-framework.yml": "managed",
    "AGENTS.md": "block",
    "CLAUDE.md": "block",
    "MEMORY.md": "seed",
    "docs/INDEX.md": "seed",
    "docs/README.md": "seed",
    "docs/operations/backlog-rules.md": "managed",
    "docs/operations/ci-failure-runbook.md": "managed",
    "docs/operations/commit-boundary.md": "managed",
    "docs/operations/high-priority-backlog.md": "seed",
    "docs/operations/runtime-distribution-export-guide.md": "managed",
    "docs/operations/runtime-framework-rules.md": "managed",
    "docs/operations/runtime-installation-runbook.md": "managed",
    "docs/operations/stage-terminology.md": "managed",
    "docs/operations/state-and-history-policy.md": "managed",
    "docs/templates/adr.md": "managed",
    "docs/templates/investigation.md": "managed",
    "docs/templates/plan.md": "managed",
    "docs/templates/request.md": "managed",
    "docs/templates/review.md": "managed",
    "docs/templates/spec.md": "managed",
    "docs/templates/state.json": "managed",
    "project.profile.yaml": "profile",
    "tools/ci/resolve-task-id.ps1": "managed",
    "tools/consistency-check/check.ps1": "managed",
    "tools/docs-indexer/index.ps1": "managed",
    "tools/profile-validate/profile-schema.json": "managed",
    "tools/profile-validate/validate.ps1": "managed",
    "tools/runtime/export-runtime.ps1": "managed",
    "tools/runtime/install-runtime.ps1": "managed",
    "tools/state-validate/validate.ps1": "managed",
}
"""Every file of the shipped payload with its class."""

OWN = {".agentrail/.gitignore", ".agentrail/receipt.json", ".agentrail/work/.gitkeep"}
"""The installer's own files in a target."""

GUIDE = "docs/guide.md"
BASE = b"one\ntwo\nthree\nfour\nfive\n"
"""What version 1.0.0 delivers as the guide."""

MINE = b"one, mine\ntwo\nthree\nfour\nfive\n"
"""What the user makes of it, in the first line."""

NEXT = b"one\ntwo\nthree\nfour\nfive, next\n"
"""What version 1.1.0 delivers, changed in the last line."""

RIVAL = b"one, next\ntwo\nthree\nfour\nfive\n"
"""What a version delivers that changes the very line that the user changed."""

BOTH = b"one, mine\ntwo\nthree\nfour\nfive, next\n"
"""Both changes in one text."""


def agentrail(*words: str | Path) -> Run:
    """Run ``agentrail`` with `words` in this process."""
    return _run(cli_main.agentrail, "agentrail", words)


def install(target: str | Path, *words: str | Path, bundle: Path | None = None) -> Run:
    """Run ``agentrail-install`` in this process, from `bundle` by the copy route where one is given."""
    from agentrail_runtime.cli.install import command

    route: tuple[str | Path, ...] = ()
    if bundle is not None:
        route = ("--source", "copy", "--runtime-dir", bundle)
    return _run(command, "agentrail-install", (*route, *words, target))


def _run(command: click.Command, name: str, words: tuple[str | Path, ...]) -> Run:
    out, err = _Stream(), _Stream()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli_main.run(command, [str(word) for word in words], name=name)
    return Run(code, out.text, err.text)


class _Stream(io.TextIOWrapper):
    """A standard stream with a binary one below it, as a real one has."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        super().__init__(self._bytes, encoding="utf-8", newline="")

    @property
    def text(self) -> str:
        self.flush()
        return self._bytes.getvalue().decode("utf-8")


def process(
    *words: str | Path,
    cwd: Path,
    pythonpath: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Run:
    """Run ``python -m agentrail_runtime`` with `words` as a process of its own, in `cwd`."""
    environment = {**os.environ, **(env or {})}
    if pythonpath is not None:
        environment["PYTHONPATH"] = str(pythonpath)
    done = subprocess.run(
        [sys.executable, "-m", "agentrail_runtime", *map(str, words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def guide(
    root: Path, text: bytes | str | None, version: str = "1.0.0", *, release_seq: int = 1
) -> Path:
    """Return a bundle whose guide is `text` (None: it has none), with one more file beside it."""
    files: dict[str, bytes | str] = {"docs/beside.md": "beside\n"}
    if text is not None:
        files[GUIDE] = text
    return make_bundle(root, files, version=version, release_seq=release_seq)


def bundle_of(
    root: Path,
    name: str,
    content: bytes | str,
    ownership: Ownership = "managed",
    *,
    version: str = "1.0.0",
    executable: bool = False,
) -> Path:
    """Return a bundle of the one file `name`."""
    return make_bundle(
        root,
        {name: content},
        ownership={name: ownership},
        version=version,
        executable=(name,) if executable else (),
    )


def shipped_copy(root: Path) -> Path:
    """Return the shipped payload as ``dist/runtime``, byte for byte."""
    shutil.copytree(PAYLOAD, root)
    return root


def actions(run: Run) -> dict[str, str]:
    """Return the actions of a JSON run by path."""
    return {row["path"]: row["action"] for row in run.json["actions"]}


def reasons(run: Run) -> dict[str, str]:
    """Return the reasons of a JSON run by path."""
    return {row["path"]: row["reason"] for row in run.json["actions"]}


def receipt(root: Path) -> Any:
    """Return the receipt in `root`."""
    return json.loads((root / ".agentrail/receipt.json").read_bytes())


def record(root: Path, path: str = GUIDE) -> Any:
    """Return what the receipt in `root` says of `path`; None for nothing."""
    return next((row for row in receipt(root)["entries"] if row["path"] == path), None)


def files(root: Path) -> set[str]:
    """Return the paths of all files below `root` but those of git and of the state directory."""
    return {name for name, node in snapshot(root).items() if node.kind != "directory"}


def stashed(root: Path) -> dict[str, set[bytes]]:
    """Return what the stashes in `root` keep of replaced files, by path."""
    found: dict[str, set[bytes]] = {}
    for replaced in sorted((root / ".agentrail/state/stash").glob("*/replaced")):
        for path in replaced.rglob("*"):
            if path.is_file():
                found.setdefault(path.relative_to(replaced).as_posix(), set()).add(path.read_bytes())
    return found


def transactions(root: Path) -> list[str]:
    """Return the ids that ``rollback --list`` shows, the newest first."""
    return [
        row["transaction"]
        for row in agentrail("rollback", "--list", "--json", root).json["transactions"]
    ]
