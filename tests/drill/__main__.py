"""``python -m tests.drill``: the commands of docs/release.md, in their order, each as it stands there.

What a runbook cannot do, the people in it, is done in between: repositories install and roll back, a
web server is started and killed, a version is edited. Time goes by through ``AGENTRAIL_AS_OF``.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
RUNBOOK: Final = ROOT / "docs/release.md"
_BLOCK: Final = re.compile(
    r"<!-- drill(?:: (?P<name>[^,>]*?))?(?:, exit (?P<code>\d+))? -->\n```bash\n(?P<text>.*?)```", re.S
)
_POLICY: Final = re.compile(r"<!-- policy -->\n```yaml\n(.*?)```", re.S)
_NOT_OURS: Final = (
    *(".git", ".venv", ".hypothesis", ".coverage*", ".*_cache", "__pycache__", "*.egg-info"),
    *("build", "dist"),
)
_SCRIPTS: Final = "Scripts" if os.name == "nt" else "bin"


class Block:
    """Commands of the runbook, and the exit code that they have to end with."""

    def __init__(self, found: re.Match[str]) -> None:
        self.name = found["name"] or ""
        self.code = int(found["code"] or 0)
        self.text = found["text"]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        del format, args


class Drill:
    """The maintainers' source tree, the channels, and the users, in one directory."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.tree = place / "tree"
        self.users = place / "users"
        self.python = place / "venv" / _SCRIPTS / "python"
        self.now = datetime.now(timezone.utc)
        self.blocks = [Block(found) for found in _BLOCK.finditer(RUNBOOK.read_text(encoding="utf-8"))]
        self.begun: dict[str, Block] = {}
        self.port = 0
        self.repositories = 0
        for name in ("keys", "site", "events", "users", "dist", "bin"):
            (place / name).mkdir()

    # --- what the runbook says ---------------------------------------------------------------------

    def runbook(self, name: str = "", *, version: str = "", later: timedelta = timedelta()) -> str:
        """Run the next block of the runbook, the one called `name`; return its output."""
        block = self.blocks.pop(0)
        expect(block.name == name, f"the next block of {RUNBOOK.name} is {block.name!r}, not {name!r}")
        self.now += later
        self.begun[name] = block
        return self.again(name, version=version)

    def again(self, name: str, *, version: str) -> str:
        """Run a block of the runbook once more."""
        block = self.begun[name]
        return self.run("bash", "-euo", "pipefail", "-c", block.text, code=block.code, version=version)

    # --- what people do in between -----------------------------------------------------------------

    def run(
        self,
        *words: str | Path,
        code: int = 0,
        version: str = "",
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Run a command as a maintainer; it has to end with `code`; return what it printed."""
        print("+", *(str(word).rstrip().replace("\n", "\n+ ") for word in words[-1:]), flush=True)
        path = os.pathsep.join([str(self.place / "bin"), str(self.python.parent), os.environ["PATH"]])
        done = subprocess.run(
            [*map(str, words)],
            cwd=cwd or self.tree,
            env={
                **os.environ,
                "PATH": path,
                "VERSION": version,
                "AGENTRAIL_AS_OF": self.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "AGENTRAIL_ALLOWED_SIGNERS": str(self.place / "keys/allowed_signers"),
                "NO_COLOR": "1",
                **(env or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )
        expect(done.returncode == code, f"expected exit {code}, got {done.returncode}:\n{done.stdout}")
        print("".join(f"  {line}\n" for line in done.stdout.splitlines()[:40]), end="", flush=True)
        return done.stdout

    def user(
        self,
        *words: str | Path,
        channel: str = "",
        code: int = 0,
        settings: Mapping[str, str] | None = None,
    ) -> str:
        """Run a command as a user, of the environment that users have."""
        env = {"AGENTRAIL_EVENTS": str(self.place / "events"), "AGENTRAIL_CHANNEL": channel}
        env |= settings or {}
        script = self.python.parent / str(words[0])
        return self.run(script, *words[1:], code=code, cwd=self.place, env=env)

    def get(self, version: str, channel: str, *, code: int = 0) -> str:
        """Install a version with pip from a channel."""
        words = ("--no-deps", "--force-reinstall", "--disable-pip-version-check", "-q")
        where = ("--index-url", f"http://127.0.0.1:{self.port}/{channel}/simple/", "--no-cache-dir")
        name = f"agentrail-runtime=={version}"
        return self.run(self.python, "-m", "pip", "install", *words, *where, name, code=code)

    def install(self, count: int, channel: str, *, processes: int = 3, route: str = "auto") -> None:
        """Have `count` repositories install, some of them by a process of their own."""
        first, last = self.repositories + 1, self.repositories + count
        self.repositories = last
        for number in range(first, first + processes):
            repository = self.users / f"repository-{number:03}"
            words = ("-q", "--source", route, repository)
            self.user("agentrail-install", *words, channel=channel)
        self.simulate("install", first + processes, last, channel=channel, route=route)

    def simulate(
        self, operation: str, first: int, last: int, *, channel: str, route: str = "auto"
    ) -> None:
        """Have repositories do something through the Python API."""
        script = Path(__file__).with_name("simulate.py")
        words = ("-I", script, operation, self.users, str(first), str(last), route)
        self.user("python", *words, channel=channel)

    def version(self, version: str, sequence: int) -> None:
        """Edit the source tree into another version, as the runbook says."""
        edit(self.tree / "pyproject.toml", r'^version = ".*"', f'version = "{version}"')
        module = self.tree / "agentrail_runtime/version.py"
        edit(module, r'^__version__: Final = ".*"', f'__version__: Final = "{version}"')
        edit(module, r"^RELEASE_SEQ: Final = \d+", f"RELEASE_SEQ: Final = {sequence}")
        heading = f"## {version} - {self.now:%Y-%m-%d}"
        if version == "1.0.0":
            edit(self.tree / "CHANGELOG.md", "^## Unreleased$", f"## Unreleased\n\n{heading}")
        else:
            entry = f"{heading}\n\n### Changed\n\n- The template of specifications.\n\n## 1.0.0 - "
            edit(self.tree / "CHANGELOG.md", r"^## 1\.0\.0 - ", entry)
        template = self.tree / "agentrail_runtime/payload/docs/templates/spec.md"
        with template.open("a", encoding="utf-8") as file:
            file.write(f"\n<!-- {version} -->\n" if sequence > 1 else "")

    def commit(self, message: str) -> None:
        """Commit everything in the source tree."""
        who = ("-c", "user.name=drill", "-c", "user.email=drill@example.org")
        self.run("git", "add", "--all", "--force", ".")
        self.run("git", *who, "commit", "-q", "--no-verify", "-m", message)

    @contextmanager
    def server(self) -> Iterator[None]:
        """Serve the channels as any web server would."""
        handler = functools.partial(_Quiet, directory=str(self.place / "site"))
        with http.server.ThreadingHTTPServer(("127.0.0.1", self.port), handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()


def expect(is_so: bool, otherwise: str) -> None:
    """Go on if it is so.

    Raises:
        SystemExit: it is not.
    """
    if not is_so:
        sys.exit(f"the drill failed: {otherwise}")


def edit(path: Path, pattern: str, replacement: str) -> None:
    """Replace the one place in a file that matches."""
    text, count = re.subn(pattern, lambda _: replacement, path.read_text("utf-8"), count=1, flags=re.M)
    expect(count == 1, f"{path}: no {pattern}")
    path.write_text(text, encoding="utf-8", newline="\n")


def prepare(drill: Drill) -> None:
    """Make the maintainers' source tree and the users' environment."""
    shutil.copytree(ROOT, drill.tree, ignore=shutil.ignore_patterns(*_NOT_OURS), symlinks=True)
    shim = drill.place / "bin/agentrail"
    shim.write_text(
        f'#!/bin/sh\nPYTHONPATH="{drill.tree}" exec "{sys.executable}" -m agentrail_runtime "$@"\n'
    )
    shim.chmod(0o755)
    python = drill.place / "bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    subprocess.run([sys.executable, "-m", "venv", str(drill.place / "venv")], check=True)
    needs = ("click", "packaging", "PyYAML", "importlib-resources", "tomli")
    pip = (drill.python, "-m", "pip", "install", "-q", "--disable-pip-version-check")
    drill.run(*pip, *needs)
    drill.run("git", "init", "-q", "-b", "main")
    drill.commit("Begin")


def name_people(drill: Drill) -> None:
    """Write the runbook's part of the policy into the policy of the source tree."""
    found = _POLICY.search(RUNBOOK.read_text(encoding="utf-8"))
    assert found
    text = found[1].replace(":8000/", f":{drill.port}/")
    path = drill.tree / "agentrail_runtime/payload/distribution.yaml"
    for section in re.split(r"^(?=\w)", text, flags=re.M)[1:]:
        key = section.partition(":")[0]
        edit(path, rf"^{key}:.*\n(?:[ \t].*\n)*", section)


def main() -> None:
    """Run the drill in a directory of its own."""
    with TemporaryDirectory(prefix="agentrail-drill-") as place:
        play(Drill(Path(place).resolve()))
    print("the drill is over: every command of the runbook ended as it says")


def play(drill: Drill) -> None:
    """Play a good release, a bad one, an outage and the way back."""
    day = timedelta(days=1)
    prepare(drill)
    with drill.server():
        name_people(drill)
        drill.runbook()
        drill.runbook()
        good_release(drill, day)
        drill.user("agentrail", "export", "--output", drill.place / "bundle")
        for name in ("pinned", "other"):
            drill.user("agentrail-install", "-q", drill.users / name)
        bad_release(drill)
        installs_go_on(drill)
    drill.runbook("outage", version="1.0.0")
    drill.runbook("copy")
    with drill.server():
        way_back(drill, day)
    expect(not drill.blocks, f"the runbook has more blocks: {[block.name for block in drill.blocks]}")


def good_release(drill: Drill, day: timedelta) -> None:
    """Bring 1.0.0 from internal to pilot to general, with three hundred repositories."""
    drill.version("1.0.0", 1)
    drill.runbook("release", version="1.0.0")
    drill.commit("Release 1.0.0")
    drill.get("1.0.0", "internal")
    drill.install(40, "internal")
    refused = drill.run(
        "agentrail", "release", "promote", "--version", "1.0.0", "--to", "pilot",
        "--approver", "lead@example.org", "--actor", "release@example.org", code=1,
    )  # fmt: skip
    expect("gate" in refused, f"refused for another reason than the missing decision: {refused}")
    drill.runbook("internal gate", version="1.0.0", later=2 * day)
    drill.runbook("to pilot", version="1.0.0")
    drill.get("1.0.0", "pilot")
    drill.install(80, "pilot")
    drill.runbook("to general", version="1.0.0", later=4 * day)
    drill.get("1.0.0", "general")
    drill.install(180, "general", processes=6)
    drill.runbook("general gate", version="1.0.0", later=8 * day)


def bad_release(drill: Drill) -> None:
    """Stop 1.1.0 after eight of forty repositories went back, and withdraw it."""
    drill.version("1.1.0", 2)
    drill.again("release", version="1.1.0")
    drill.commit("Release 1.1.0")
    drill.get("1.1.0", "internal")
    drill.simulate("install", 1, 40, channel="internal")
    drill.simulate("rollback", 1, 8, channel="internal")
    drill.runbook("bad gate", version="1.1.0")
    drill.runbook("withdraw", version="1.1.0")
    drill.commit("Withdraw 1.1.0")
    drill.get("1.1.0", "internal", code=1)
    drill.run("agentrail", "release", "probe", "--version", "1.1.0", "--channel", "internal", code=6)
    place = f"http://127.0.0.1:{drill.port}/denied.json"
    refused = drill.user("agentrail-install", "--deny-list", place, drill.users / "other", code=6)
    expect("was withdrawn" in refused, f"refused for another reason than the denial: {refused}")
    index = json.loads((drill.tree / "agentrail_runtime/payload/runtime.index.json").read_bytes())
    expect(index["default_source"] == "copy", "the policy that ships still prefers the package")


def installs_go_on(drill: Drill) -> None:
    """Install by copy where the package route is suspended."""
    drill.get("1.0.0", "general")
    drill.runbook("suspend a repository")
    words = ("--json", "--runtime-dir", drill.place / "bundle")
    switch = str(drill.users / "pinned/.agentrail/policy.yaml")
    switched: dict[str, dict[str, str]] = {"pinned": {}, "new": {"AGENTRAIL_POLICY": switch}}
    for target, settings in switched.items():
        text = drill.user("agentrail-install", *words, drill.users / target, settings=settings)
        told = json.loads(text[text.index("{") : text.rindex("}") + 1])
        expect(told["source"]["kind"] == "copy", f"{target}: installed by {told['source']}")


def way_back(drill: Drill, day: timedelta) -> None:
    """Publish 1.1.1, let it pass, make the package the default again, and release that as 1.1.2."""
    drill.version("1.1.1", 3)
    drill.again("release", version="1.1.1")
    drill.commit("Release 1.1.1")
    drill.get("1.1.1", "internal")
    drill.run("agentrail", "migration", "resume", "--stage", "internal", "--version", "1.1.1", code=1)
    drill.install(40, "internal", route="package")
    drill.now += 2 * day
    words = ("--stage", "internal", "--version", "1.1.1", "--events", "../events", "--record")
    drill.run("agentrail", "release", "gate", *words)
    drill.runbook("resume", version="1.1.1")
    drill.version("1.1.2", 4)
    drill.again("release", version="1.1.2")
    drill.get("1.1.2", "internal")
    text = drill.user("agentrail-install", "--json", drill.users / "pinned")
    told = json.loads(text[text.index("{") : text.rindex("}") + 1])
    expect(told["source"]["kind"] == "package", f"after the resumption installed by {told['source']}")


if __name__ == "__main__":
    main()
