"""Real index servers on free ports of this machine, and a small release to put into them."""

from __future__ import annotations

import gzip
import io
import json
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from agentrail_runtime import web
from agentrail_runtime.channel import ChannelError, Distribution
from agentrail_runtime.credential import Credential
from agentrail_runtime.entry import sha256
from agentrail_runtime.release.policy import ChannelKind, ChannelPolicy, Stage

ROOT_PASSWORD = "r00t-s3cret"


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(words: list[str], log: Path, url: str) -> Iterator[None]:
    """Run a server while the block runs, once it answers at `url`."""
    with log.open("wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT)
        try:
            _await(lambda: process.poll() is not None, url, log)
            yield
        finally:
            process.kill()
            process.wait()


def _await(is_over: Callable[[], bool], url: str, log: Path) -> None:
    for _ in range(600):
        if _answers(url):
            return
        assert not is_over(), log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _answers(url: str) -> bool:
    try:
        web.get(url, seconds=10, limit=1 << 20)
    except web.UnreachableError:
        return False
    return True


def python(code: str, *words: str | Path) -> list[str]:
    """Return the command that runs `code` with this Python, without its warnings."""
    return [sys.executable, "-W", "ignore", "-c", code, *map(str, words)]


class Devpi(NamedTuple):
    """A devpi server."""

    url: str

    def ask(self, method: str, path: str, value: Any) -> None:
        """Do something as root."""
        web.send(
            method,
            f"{self.url}/{path}",
            seconds=60,
            limit=1 << 20,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            body=json.dumps(value).encode(),
            credentials=Credential("root", ROOT_PASSWORD, "test"),
        )

    def make_user(self, name: str, password: str) -> None:
        """Make a user, if there is none of that name."""
        self._put(name, {"password": password})

    def make_index(self, path: str, **settings: Any) -> None:
        """Make an index, if there is none of that name."""
        self._put(path, {"type": "stage", "bases": [], "volatile": False, **settings})

    def _put(self, path: str, value: Any) -> None:
        try:
            self.ask("PUT", path, value)
        except web.RefusedError as error:
            if error.status != 409:  # of one that is there, in whatever order the tests run
                raise

    def policy(self, stage: Stage, path: str) -> ChannelPolicy:
        """Return what a policy says of a channel that is an index here."""
        return policy(stage, "devpi", f"{self.url}/{path}/+simple/", f"{self.url}/{path}")


def policy(
    stage: Stage, kind: ChannelKind, index_url: str | None, location: str | None
) -> ChannelPolicy:
    """Return what a policy says of a channel."""
    return ChannelPolicy(stage, kind, index_url, location, None, ())


@contextmanager
def devpi_server(root: Path) -> Iterator[Devpi]:
    """Run a devpi server while the block runs; it knows root alone, and asks no other index."""
    port = free_port()
    place = ["--serverdir", str(root / "devpi")]
    init = ["init", *place, "--no-root-pypi", "--root-passwd", ROOT_PASSWORD]
    fast = [f"--argon2-{name}" for name in ("memory-cost=1024", "parallelism=1", "time-cost=1")]
    words = python(
        f"import sys; from devpi_server.init import init; init(argv={init})\n"
        "from devpi_server.main import main; sys.exit(main())",
        *place,
        *("--host=127.0.0.1", f"--port={port}", "--threads=4", "--offline-mode", *fast),
    )
    url = f"http://127.0.0.1:{port}"
    with running(words, root / "devpi.log", f"{url}/+api"):
        yield Devpi(url)


@contextmanager
def pypi_server(root: Path) -> Iterator[str]:
    """Run a pypiserver that takes uploads by anybody; give its URL."""
    port = free_port()
    (root / "files").mkdir()
    main = "import sys; from pypiserver.__main__ import main; main(sys.argv[1:])"
    words = python(
        main,
        *("run", "-i", "127.0.0.1", "-p", str(port), "-P", ".", "-a", "."),
        *("--disable-fallback", "--hash-algo", "sha256", root / "files"),
    )
    url = f"http://127.0.0.1:{port}"
    with running(words, root / "pypiserver.log", f"{url}/health"):
        yield url


def wheel(version: str, *, text: str = "", requires_python: str = ">=3.10") -> bytes:
    """Return a wheel of the runtime with nothing but metadata in it."""
    data = io.BytesIO()
    place = f"agentrail_runtime-{version}.dist-info"
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in (
            ("METADATA", metadata(version, requires_python)),
            (
                "WHEEL",
                "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            ),
            ("RECORD", text),
        ):
            archive.writestr(zipfile.ZipInfo(f"{place}/{name}"), content)
    return data.getvalue()


def sdist(version: str) -> bytes:
    """Return a source distribution with nothing but metadata in it."""
    data = io.BytesIO()
    content = metadata(version, ">=3.10").encode()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name in ("PKG-INFO", "setup.cfg"):
            info = tarfile.TarInfo(f"agentrail_runtime-{version}/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(data.getvalue(), mtime=0)


def metadata(version: str, requires_python: str) -> str:
    """Return core metadata."""
    return (
        f"Metadata-Version: 2.1\nName: agentrail-runtime\nVersion: {version}\n"
        f"Summary: test\nRequires-Python: {requires_python}\n"
    )


class Files:
    """Files as a channel that only gives."""

    name = "built"
    location = "here"

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)

    def distributions(self) -> tuple[Distribution, ...]:
        return tuple(
            Distribution(name, name.split("-")[1].removesuffix(".tar.gz"), sha256(data), len(data))
            for name, data in self._files.items()
        )

    def fetch(self, distribution: Distribution) -> bytes:
        return self._files[distribution.filename]

    def add(self, distributions: object, origin: object) -> None:
        raise ChannelError("no")

    def withdraw(self, version: str, reason: str) -> bool:
        raise ChannelError("no")


def built(version: str, **more: str) -> Files:
    """Return a release: a wheel and a source distribution."""
    return Files(
        {
            f"agentrail_runtime-{version}-py3-none-any.whl": wheel(version, **more),
            f"agentrail_runtime-{version}.tar.gz": sdist(version),
        }
    )
