"""What the packaging tests share: a clean copy of the tree, distributions, a fresh environment."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock

from agentrail_runtime import __version__
from tests.support import Run

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "agentrail_runtime"
_NOT_SOURCE = shutil.ignore_patterns(
    ".git",
    ".venv",
    "build",
    "dist",
    "*.egg-info",
    "__pycache__",
    ".*_cache",
    ".hypothesis",
    ".coverage*",
)
_OF_THIS_RUN = (
    *("AGENTRAIL", "COV", "GIT_", "PYTHON", "VIRTUAL_ENV"),
    *("LC_", "LANG", "TZ", "SOURCE_DATE_EPOCH"),
)


class Distributions(NamedTuple):
    """A wheel and a source distribution."""

    wheel: Path
    sdist: Path
    tree: Path
    """The copy of the project that they were built from."""

    def wheel_files(self) -> dict[str, bytes]:
        """Return every file of the wheel."""
        with zipfile.ZipFile(self.wheel) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def digests(self) -> dict[str, str]:
        """Return the digest of each by its name."""
        files = (self.wheel, self.sdist)
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def sdist_files(self) -> set[str]:
        """Return the name of every file of the source distribution, below its one directory."""
        with tarfile.open(self.sdist) as archive:
            names = [member.name for member in archive.getmembers() if member.isfile()]
        return {name.removeprefix(f"agentrail_runtime-{__version__}/") for name in names}

    def sdist_file(self, name: str) -> bytes:
        """Return a file of the source distribution."""
        with tarfile.open(self.sdist) as archive:
            stream = archive.extractfile(f"agentrail_runtime-{__version__}/{name}")
            assert stream is not None, name
            return stream.read()


class Environment(NamedTuple):
    """A virtual environment."""

    root: Path

    @property
    def bin(self) -> Path:
        """Where its commands are."""
        return self.root / "bin"

    @property
    def site_packages(self) -> Path:
        """Where its packages are."""
        return next(self.root.glob("lib/python3.*/site-packages"))

    def run(
        self, name: str, *words: str | Path, cwd: Path, env: Mapping[str, str] | None = None
    ) -> Run:
        """Run one of its commands in `cwd`."""
        return run(self.bin / name, *words, cwd=cwd, env=env)


def run(*words: str | Path, cwd: Path, env: Mapping[str, str] | None = None, umask: int = -1) -> Run:
    """Run a command as somebody does who has nothing of ours in the environment."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_OF_THIS_RUN)}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=clean | {"LANG": "C.UTF-8", "PIP_DISABLE_PIP_VERSION_CHECK": "1"} | dict(env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",  # what a code page cannot show is not told in UTF-8
        check=False,
        umask=umask,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def succeed(
    *words: str | Path, cwd: Path, env: Mapping[str, str] | None = None, umask: int = -1
) -> str:
    """Return what a command prints that has to succeed."""
    done = run(*words, cwd=cwd, env=env, umask=umask)
    assert done.code == 0, f"{words}: {done.out}{done.err}"
    return done.out


def copy_tree(root: Path, source: Path = ROOT) -> Path:
    """Return a copy of the project at `root` as version control would hand it out."""
    shutil.copytree(source, root, ignore=_NOT_SOURCE)
    return root


def distributions(factory: pytest.TempPathFactory) -> Distributions:
    """Return both distributions, each built from the tree; once for all workers of a test run."""

    def make(root: Path) -> None:
        tree = copy_tree(root / "tree")
        (tree / "scratch.txt").write_text("left here by somebody")
        (tree / "docs" / ".DS_Store").write_text("left here by a file manager")
        (tree / "tests" / "old.pyc").write_text("left here by an interpreter")
        words = ("--sdist", "--wheel", "--outdir", root, tree)
        succeed(sys.executable, "-m", "build", *words, cwd=root)

    root = _once(factory, "distributions", make)
    return Distributions(next(root.glob("*.whl")), next(root.glob("*.tar.gz")), root / "tree")


def build(
    tree: Path, output: Path, *, env: Mapping[str, str] | None = None, umask: int = 0o022
) -> Distributions:
    """Return both distributions of `tree`, built into `output` with the setuptools at hand."""
    words = ("--no-isolation", "--sdist", "--wheel", "--outdir", output, tree)
    succeed(sys.executable, "-m", "build", *words, cwd=tree, env=env, umask=umask)
    return Distributions(next(output.glob("*.whl")), next(output.glob("*.tar.gz")), tree)


def built(factory: pytest.TempPathFactory) -> Distributions:
    """Return what `build` makes of a clean copy of the tree; once for all workers of a test run."""

    def make(root: Path) -> None:
        build(copy_tree(root / "tree"), root / "dist")

    root = _once(factory, "built", make)
    return Distributions(next(root.glob("dist/*.whl")), next(root.glob("dist/*.gz")), root / "tree")


def wheelhouse(factory: pytest.TempPathFactory) -> Path:
    """Return a directory for pip's --find-links: our wheel and those of all that it needs."""

    def make(root: Path) -> None:
        wheel = distributions(factory).wheel
        succeed(sys.executable, "-m", "pip", "wheel", "-q", "-w", root, wheel, cwd=root)

    return _once(factory, "wheelhouse", make)


def installed(factory: pytest.TempPathFactory) -> Environment:
    """Return a fresh environment that holds the wheel, in a directory that quoting has to survive."""

    def make(root: Path) -> None:
        house = wheelhouse(factory)
        environment = make_environment(root / "仮想 環境")
        words = ("install", "-q", "--no-index", "--find-links", house, "agentrail-runtime")
        succeed(environment.bin / "python", "-m", "pip", *words, cwd=root)

    return Environment(_once(factory, "installed", make) / "仮想 環境")


def make_environment(root: Path) -> Environment:
    """Return a new virtual environment at `root`, with pip and nothing else."""
    succeed(sys.executable, "-m", "venv", root, cwd=root.parent)
    return Environment(root)


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a directory that `make` has filled, one worker for all."""
    base = factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(root.with_suffix(".lock")):
        if not root.with_suffix(".done").exists():
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            make(root)
            root.with_suffix(".done").touch()
    return root
