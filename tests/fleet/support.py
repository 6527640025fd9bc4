"""Hosts that are directories here, the playbooks of docs/examples over them, and a package index."""

from __future__ import annotations

import functools
import http.server
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from packaging.requirements import Requirement

from agentrail_runtime import __version__
from tests.documentation.page import ROOT, Block, blocks
from tests.packaging import support
from tests.scenario.story import guide
from tests.support import Node, Run, install, make_repo, snapshot

EXAMPLES = ROOT / "docs" / "examples"
PAGE = ROOT / "docs" / "fleet.md"
SCRIPTS = Path(sysconfig.get_path("scripts"))
_MARKER = re.compile(r"run: (?P<name>[^,]+)(?:, exit (?P<code>\d+))?")
NEXT = "1.1.0"
"""The version of the second wheel."""

needs_ansible = pytest.mark.skipif(
    sys.platform == "win32" or importlib.util.find_spec("ansible") is None,
    reason="ansible-core, which has no controller on Windows, is not installed",
)
needs_ssh = pytest.mark.skipif(
    shutil.which("ssh") is None, reason="a host is unreachable by ssh, which is not installed"
)
needs_posix = pytest.mark.skipif(os.name != "posix", reason="the commands are for a POSIX shell")


def commands(name: str) -> str:
    """Return the commands of the page that are called `name`."""
    return _typed()[name][0]


def code(name: str) -> int:
    """Return what the page says that the commands called `name` end with."""
    return _typed()[name][1]


@functools.cache
def _typed() -> dict[str, tuple[str, int]]:
    marked = [(_MARKER.fullmatch(block.marker), block.code) for block in page()]
    return {found["name"]: (text, int(found["code"] or 0)) for found, text in marked if found}


@functools.cache
def page() -> Sequence[Block]:
    """Return the fenced blocks of the page."""
    return blocks(PAGE.read_text(encoding="utf-8"))


def environment(place: Path, **more: str) -> dict[str, str]:
    """Return an environment with nothing of the user's in it, and the commands of this Python."""
    home = place / "home"
    home.mkdir(exist_ok=True)
    return {
        "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "ANSIBLE_HOME": str(home / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_SSH_ARGS": "-F none -o BatchMode=yes -o ConnectTimeout=9",
        "GIT_CONFIG_NOSYSTEM": "1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
        **more,
    }


def shell(code: str, cwd: Path, env: Mapping[str, str]) -> Run:
    """Run commands as somebody types them, in just that environment; the first that fails ends them."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)


# --- a roll-out ---------------------------------------------------------------------------------------


class Play(NamedTuple):
    """How a playbook ended."""

    code: int
    out: str

    @property
    def batches(self) -> list[list[str]]:
        """The hosts of each batch that was begun, in order."""
        name = r"^TASK \[Take every host of the batch[^\n]*\n(?P<hosts>(?:ok: [^\n]*\n)*)"
        found = re.finditer(name, self.out, re.M)
        return [sorted(re.findall(r"\[(\S+)\]", match["hosts"])) for match in found]

    @property
    def standing(self) -> dict[str, list[str]]:
        """The hosts by what became of them, as the last batch tells it."""
        last = self.out.rpartition("TASK [Tell how it stands]")[2].partition("PLAY RECAP")[0]
        rows = re.findall(r"^ +([a-z ]+): (\d+)(?: (.*))?$", last, re.M)
        hosts = {name: names.split(", ") for name, _, names in rows if names}
        assert {name: int(count) for name, count, _ in rows if count != "0"} == {
            name: len(names) for name, names in hosts.items()
        }
        return hosts

    @property
    def said(self) -> str:
        """All of it in one line, however it was wrapped."""
        return " ".join(self.out.split())

    def recap(self, column: str) -> dict[str, int]:
        """A column of the last table, by host."""
        rows = re.findall(rf"^(\S+) +: .*\b{column}=(\d+)", self.out, re.M)
        return {host: int(count) for host, count in rows}


class Fleet:
    """Hosts with a repository each, at version 0.9.0, and a controller with the playbooks."""

    def __init__(self, place: Path, count: int) -> None:
        self.place = place
        self.controller = place / "controller"
        self.names = [f"host-{number:02}" for number in range(1, count + 1)]
        self.hosts: dict[str, dict[str, Any]] = {}
        shutil.copytree(EXAMPLES / "ansible", self.controller)
        base = make_repo(place / "base")
        assert install(base, bundle=guide(place / "old", "old\n", "0.9.0", release_seq=0)).code == 0
        for name in self.names:
            shutil.copytree(base, self.repository(name), symlinks=True)
            self.hosts[name] = {
                "agentrail_home": str(place / name),
                "agentrail_repositories": [str(self.repository(name))],
            }
        self.shared: dict[str, Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "agentrail_executable": str(SCRIPTS / "agentrail"),
        }
        self.settings: dict[str, Any] = {"agentrail_version": __version__}

    def repository(self, name: str) -> Path:
        """Where the repository of a host is."""
        return self.place / name / "repository"

    def version(self, name: str) -> str:
        """The version in the repository of a host."""
        receipt = self.repository(name) / ".agentrail" / "receipt.json"
        version: str = yaml.safe_load(receipt.read_bytes())["runtime_version"]
        return version

    def trees(self) -> dict[str, dict[str, Node]]:
        """Everything below the hosts, and when it was written."""
        return {
            name: snapshot(self.place / name, with_state=True, with_times=True) for name in self.names
        }

    def conflict(self, name: str) -> None:
        """Have somebody write a file of the host that the framework brings, too."""
        path = self.repository(name) / "docs" / "templates" / "spec.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine\n", encoding="utf-8")

    def disconnect(self, name: str, port: int) -> None:
        """Let a host be one that is asked by ssh at a port where nobody answers."""
        self.hosts[name] |= {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": port,
        }

    def play(self, name: str, *, more: str = "", **env: str) -> Play:
        """Run the commands of the page that are called `name`, with `more` at their end."""
        inventory = {"agentrail": {"hosts": self.hosts, "vars": self.shared}}
        for file, content in (("inventory.yml", inventory), ("settings.yml", self.settings)):
            (self.controller / file).write_text(yaml.safe_dump(content), encoding="utf-8")
        code = commands(name).rstrip("\n") + more
        done = shell(code, self.controller, environment(self.place, **env))
        return Play(done.code, done.out + done.err)


# --- an index -----------------------------------------------------------------------------------------


class Releases(NamedTuple):
    """Two versions of the runtime as wheels, beside what they need, laid out as a simple index."""

    root: Path

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve them on loopback; give the URL of the index."""
        handler = functools.partial(_Quiet, directory=str(self.root))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}/simple/"
            finally:
                server.shutdown()
                thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        del format, args


def releases(factory: pytest.TempPathFactory) -> Releases:
    """Return the index, made once for all workers of a test run; nothing is fetched from elsewhere."""

    def make(root: Path) -> None:
        ours = root / "simple" / "agentrail-runtime"
        ours.mkdir(parents=True)
        shutil.copy2(support.built(factory).wheel, ours)
        shutil.copy2(_next_wheel(root), ours)
        for name in _needed("agentrail-runtime"):
            repack(importlib.metadata.distribution(name), root / "simple" / name)

    return Releases(support._once(factory, "releases", make))


def _next_wheel(root: Path) -> Path:
    tree = support.copy_tree(root / "tree")
    for name, old, new in (
        ("pyproject.toml", f'version = "{__version__}"', f'version = "{NEXT}"'),
        ("agentrail_runtime/version.py", f'"{__version__}"', f'"{NEXT}"'),
        ("agentrail_runtime/version.py", "RELEASE_SEQ: Final = 1", "RELEASE_SEQ: Final = 2"),
    ):
        text = (tree / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name}: {old}"
        (tree / name).write_text(text.replace(old, new), encoding="utf-8", newline="\n")
    template = tree / "agentrail_runtime" / "payload" / "docs" / "templates" / "spec.md"
    with template.open("a", encoding="utf-8", newline="\n") as file:
        file.write(f"\n<!-- {NEXT} -->\n")
    words = ("-m", "agentrail_runtime", "export", "--payload")
    support.succeed(sys.executable, *words, cwd=tree, env={"PYTHONPATH": str(tree)})
    return _wheel(tree, root)


def _wheel(tree: Path, root: Path) -> Path:
    words = ("--no-isolation", "--wheel", "--outdir", root / "dist", tree)
    support.succeed(sys.executable, "-m", "build", *words, cwd=tree)
    return next((root / "dist").glob("*.whl"))


def _needed(name: str) -> list[str]:
    """Return what a distribution needs here, directly or not."""
    found: dict[str, None] = {}
    left = [name]
    while left:
        for text in importlib.metadata.requires(left.pop()) or ():
            needed = Requirement(text)
            is_here = needed.marker is None or needed.marker.evaluate({"extra": ""})
            key = re.sub(r"[-_.]+", "-", needed.name).lower()
            if is_here and key not in found:
                found[key] = None
                left.append(key)
    return sorted(found)


def repack(distribution: importlib.metadata.Distribution, directory: Path) -> Path:
    """Make a wheel again of what was installed from one, so that no index has to be asked for it.

    Left out is what an installer made itself: compiled files, commands, and its own notes.
    """
    tags = re.findall("^Tag: (.+)$", distribution.read_text("WHEEL") or "", re.M)
    name = re.sub(r"[-_.]+", "_", distribution.metadata["Name"])
    directory.mkdir(parents=True)
    wheel = directory / f"{name}-{distribution.version}-{_together(tags)}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in distribution.files or ():
            is_made = file.suffix == ".pyc" or file.name in (
                "INSTALLER",
                "REQUESTED",
                "direct_url.json",
            )
            if file.parts[0] != ".." and not is_made:
                archive.write(str(file.locate()), file.as_posix())
    return wheel


def _together(tags: Sequence[str]) -> str:
    """Return one tag that stands for several, as the name of a wheel has it."""
    columns = zip(*(tag.split("-") for tag in tags), strict=True)
    return "-".join(".".join(dict.fromkeys(column)) for column in columns)
