"""Where commands come from: the system, a wheel of this tree, and the peers' environments."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.bench.process import CommandError, complaint

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = ("cp", "dpkg", "dpkg-deb", "git", "rsync", "sha256sum")
"""Commands that the operating system has, or not."""

PEERS = {
    "copier": ("copier", "copier"),
    "cookiecutter": ("cookiecutter", "cookiecutter"),
    "cruft": ("cruft", "cruft"),
    "specify": ("specify-cli", "specify"),
    "superclaude": ("superclaude", "superclaude"),
}
"""By what a peer is called here: its distribution in the package index, and its command."""

KEPT = ("LANG", "LC_ALL", "PATH", "SSL_CERT_FILE", "TMPDIR", "TZ")
"""The variables that a measured command sees of ours; all others could change what it does."""


class Tool(NamedTuple):
    """A command: where it is and its version, or why it is missing."""

    path: str = ""
    version: str = ""
    reason: str = ""


def make_environment(root: Path) -> Path:
    """Return the Python of a fresh environment that holds a wheel built from this tree."""
    left_out = shutil.ignore_patterns(".git", ".venv", "build", "dist", "*.egg-info", ".*_cache")
    tree = shutil.copytree(ROOT, root.with_name("tree"), ignore=left_out)
    subprocess.run([sys.executable, "-m", "venv", root], check=True)
    python = root / "bin" / "python"
    wheels = root.with_name("wheels")
    subprocess.run([python, "-m", "pip", "wheel", "-qq", "--no-deps", "-w", wheels, tree], check=True)
    subprocess.run([python, "-m", "pip", "install", "-qq", *wheels.iterdir()], check=True)
    return python


def our_tools(python: Path) -> dict[str, Tool]:
    """Return the commands of an environment that holds agentrail-runtime, its Python among them."""
    release = version(python, "agentrail-runtime")
    names = ("agentrail", "agentrail-install")
    tools = {name: Tool(str(python.with_name(name)), release) for name in names}
    return {**tools, "python": Tool(str(python), sys.version.split()[0])}


def system_tools() -> dict[str, Tool]:
    """Return the commands that the operating system has."""
    return {name: _found(name) for name in SYSTEM}


def peer_tools(root: Path) -> dict[str, Tool]:
    """Return the peers' commands; what is not below `root` yet is installed there, two at a time."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(
            zip(PEERS, pool.map(lambda name: _peer(root / name, *PEERS[name]), PEERS), strict=True)
        )


def clean(home: Path) -> dict[str, str]:
    """Return the variables for measured commands: none of the user's settings, a home of their own."""
    home.mkdir(parents=True, exist_ok=True)
    who = {"NAME": "bench", "EMAIL": "bench@example.com"}
    git = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
    mine = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**mine, **git, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(home)}


def version(python: Path, distribution: str) -> str:
    """Return the version of a distribution in the environment of a Python."""
    program = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    return _output([str(python), "-c", program, distribution]).strip()


def _peer(root: Path, distribution: str, command: str) -> Tool:
    """Return a peer's command, installed if it is not there."""
    path = root / "bin" / command
    try:
        if not path.exists():
            shutil.rmtree(root, ignore_errors=True)
            _output([sys.executable, "-m", "venv", str(root)])
            pip = [str(root / "bin" / "python"), "-m", "pip", "install", "-q", distribution]
            _output(pip, {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
        return Tool(str(path), version(root / "bin" / "python", distribution))
    except CommandError as error:
        return Tool(reason=f"cannot be installed: {error}")


def _found(name: str) -> Tool:
    path = shutil.which(name)
    if path is None:
        return Tool(reason=f"no {name} on PATH")
    try:
        found = re.search(r"\d+(?:\.\d+)+\S*", _output([path, "--version"]))
    except CommandError:  # BSD's cp has no such option
        return Tool(path)
    return Tool(path, found.group().rstrip("()") if found else "")


def _output(words: list[str], env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(complaint(words, done.returncode, done.stdout + done.stderr))
    return done.stdout
