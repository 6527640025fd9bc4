"""What the tests share: scratch repositories, bundles, snapshots, and the command line in-process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from agentrail_runtime.cli import main as cli_main
from agentrail_runtime.entry import (
    INDEX_NAME,
    MANIFEST_NAME,
    POLICY_NAME,
    Entry,
    Index,
    Ownership,
    RelPath,
    sha256,
)
from agentrail_runtime.known import KNOWN_NAME
from agentrail_runtime.version import PROFILE_SCHEMA_VERSIONS

METADATA = (MANIFEST_NAME, KNOWN_NAME, POLICY_NAME)
"""The files of the payload that its index lists and that are not installed."""

PAYLOAD = Path(cli_main.__file__).resolve().parent.parent / "payload"
USER_FILES = {
    "README.md": b"# Mine\n\nhello",
    "AGENTS.md": b"# Agents\n\nmy rules\n",
    "CLAUDE.md": b"use pnpm",
    ".gitignore": b"node_modules/\n",
    "src/app.py": b"print('hello')\n",
}


def write(root: Path, files: Mapping[str, bytes | str], *, executable: tuple[str, ...] = ()) -> None:
    """Write `files` below `root`."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if name in executable:
            path.chmod(0o755)


def git(root: Path, *words: str) -> str:
    """Run git in `root` with a fixed identity; return what it prints."""
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-C", str(root), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def make_repo(root: Path, files: Mapping[str, bytes | str] = USER_FILES) -> Path:
    """Return a git repository at `root` with `files` in one commit."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q", "-b", "main")
    write(root, files)
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "before agentrail")
    return root


def make_bundle(
    root: Path,
    files: Mapping[str, bytes | str],
    *,
    ownership: Mapping[str, Ownership] | None = None,
    executable: tuple[str, ...] = (),
    version: str = "1.0.0",
    release_seq: int = 1,
    indexed: bool = True,
) -> Path:
    """Return a ``dist/runtime`` at `root` that holds just `files` (managed unless `ownership` says)."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    write(root, files, executable=executable)
    if indexed:
        write_index(root, ownership=ownership or {}, version=version, release_seq=release_seq)
    return root


def write_index(
    root: Path,
    *,
    ownership: Mapping[str, Ownership],
    version: str = "1.0.0",
    release_seq: int = 1,
) -> None:
    """Write the index of whatever files lie below `root`."""
    entries = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and name != INDEX_NAME:
            data = path.read_bytes()
            entries.append(
                Entry(
                    path=RelPath(name),
                    ownership=ownership.get(name, "managed"),
                    sha256=sha256(data),
                    size=len(data),
                    executable=bool(path.stat().st_mode & stat.S_IXUSR),
                )
            )
    index = Index(
        runtime_version=version,
        release_seq=release_seq,
        profile_schema_versions=PROFILE_SCHEMA_VERSIONS,
        entries=tuple(sorted(entries, key=lambda entry: entry.path)),
    )
    (root / INDEX_NAME).write_bytes(index.dump())


def payload_bundle(
    root: Path,
    *,
    changed: Mapping[str, bytes | str] | None = None,
    removed: tuple[str, ...] = (),
    executable: tuple[str, ...] = (),
    version: str = "1.1.0",
    release_seq: int = 2,
) -> Path:
    """Return a copy of the shipped payload as ``dist/runtime``, with changes, under another version."""
    shutil.copytree(PAYLOAD, root)
    index = json.loads((root / INDEX_NAME).read_bytes())
    ownership = {entry["path"]: entry["ownership"] for entry in index["entries"]}
    for name in METADATA:
        (root / name).unlink()
    for name in removed:
        (root / name).unlink()
    write(root, changed or {}, executable=executable)
    write_index(root, ownership=ownership, version=version, release_seq=release_seq)
    return root


class Node(NamedTuple):
    """What a snapshot knows of one path."""

    kind: str
    mode: int
    content: bytes
    mtime: int | None = None


def snapshot(root: Path, *, with_state: bool = False, with_times: bool = False) -> dict[str, Node]:
    """Return every path below `root` but ``.git``, and but ``.agentrail/state`` unless asked."""
    return dict(_walk(root, root, with_state=with_state, with_times=with_times))


def _walk(
    root: Path, directory: Path, *, with_state: bool, with_times: bool
) -> Iterator[tuple[str, Node]]:
    for path in sorted(directory.iterdir()):
        name = path.relative_to(root).as_posix()
        if name == ".git" or (name == ".agentrail/state" and not with_state):
            continue
        status = path.lstat()
        mode, mtime = stat.S_IMODE(status.st_mode), status.st_mtime_ns if with_times else None
        if path.is_symlink():
            yield name, Node("link", mode, os.readlink(path).encode(), mtime)
        elif path.is_dir():
            yield name, Node("directory", mode, b"", mtime)
            yield from _walk(root, path, with_state=with_state, with_times=with_times)
        elif path.is_file():
            yield name, Node("file", mode, path.read_bytes(), mtime)
        else:
            yield name, Node("special", mode, b"", mtime)


class Run(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What the command printed, as JSON."""
        return json.loads(self.out)


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
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli_main.run(command, [str(word) for word in words], name=name)
    return Run(code, out.getvalue(), err.getvalue())
