"""The kit: what a machine without a package index needs, in one directory.

Beside a bundle, ``runtime/``, stands ``agentrail-install.pyz``: a zip application
(https://docs.python.org/3/library/zipapp.html) of this package and all that it depends on. It is stored
without compression, so that its bytes do not depend on the machine's zlib.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from agentrail_runtime.entry import RelPath
from agentrail_runtime.errors import SourceError
from agentrail_runtime.replacement import Item, item
from agentrail_runtime.tree import DirectoryTree

if TYPE_CHECKING:
    from importlib.metadata import Distribution, PackagePath

    from packaging.markers import Marker
    from packaging.requirements import Requirement

APPLICATION: Final = RelPath("agentrail-install.pyz")
SUMS: Final = RelPath("SHA256SUMS")
SUMS_SIGNATURE: Final = RelPath("SHA256SUMS.sig")
RUNTIME: Final = "runtime"

_PACKAGE: Final = "agentrail_runtime"
_PAYLOAD: Final = f"{_PACKAGE}/payload/"
_NAME: Final = "agentrail-runtime"
_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can tell
_LINE: Final = re.compile(r"([0-9a-f]{64})  (.+)")
_LEGAL: Final = re.compile(r"[^/]+\.dist-info/(METADATA|.*(licen[cs]e|copying|notice).*)", re.I)
_MINORS: Final = range(10, 30)  # of the Pythons that a kit may be run with, now and in a few years
_SYSTEMS: Final = (
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
)
_NOT_PORTABLE: Final = (".pyc", ".so", ".pyd", ".dll", ".dylib", ".pth")

_MAIN: Final = """\
import sys

if sys.version_info < (3, 10):
    sys.exit("agentrail-install: needs Python 3.10 or newer (this is %d.%d)" % sys.version_info[:2])

from agentrail_runtime.cli.start import kit

kit()
"""

_README: Final = """\
# AgentRail {version}, for machines without a package index

It needs Python 3.10 or newer and nothing else{but}. Check it first: `sha256sum -c SHA256SUMS`

- install, upgrade or repair: `python agentrail-install.pyz path/to/repo`
- see what that would do: `python agentrail-install.pyz --dry-run --diff path/to/repo`
- check what is there: `python agentrail-install.pyz verify path/to/repo`
- undo the last run: `python agentrail-install.pyz rollback path/to/repo`
- take it out again: `python agentrail-install.pyz uninstall path/to/repo`
- every command of `agentrail`: `python agentrail-install.pyz COMMAND --help`
"""


class Application(NamedTuple):
    """The zip application; `lacks` names what it does not hold, with the marker that asks for it."""

    data: bytes
    lacks: tuple[str, ...]


def application(bundle: Iterable[Item]) -> Application:
    """Return the zip application of this package, as it is installed here, and of its dependencies.

    Args:
        bundle: the files of the bundle, which take the place of the package's own payload.

    Raises:
        SourceError: one of them is not installed, or not as files.
    """
    distributions, lacks = _closure()
    files = {"__main__.py": _MAIN.encode()}
    for distribution in distributions:
        files |= dict(_portable_files(distribution))
    files |= dict(_own_files())
    files |= {f"{_PAYLOAD}{row.path}": row.content() for row in bundle}
    return Application(_zipped(files), tuple(lacks))


def items(bundle: Iterable[Item], made: Application, *, version: str) -> list[Item]:
    """Return the files of the kit that holds `bundle`, its sums too, sorted by path.

    Args:
        bundle: the files of the bundle.
        made: the application.
        version: that of the bundle.
    """
    but = f" (not in it: {'; '.join(made.lacks)})" if made.lacks else ""
    rows = [
        *(row._replace(path=RelPath(f"{RUNTIME}/{row.path}")) for row in bundle),
        item(APPLICATION, made.data, executable=True),
        item("README.md", _README.format(version=version, but=but).encode()),
    ]
    rows.sort(key=lambda row: row.path)
    sums = "".join(f"{row.sha256}  {row.path}\n" for row in rows)
    return [*rows, item(SUMS, sums.encode())]


def load_sums(data: bytes) -> dict[str, str]:
    """Return the digest (hex sha256) of each path that sha256sum(1) has written down in `data`."""
    lines = data.decode("utf-8", "replace").splitlines()
    return {found[2]: found[1] for line in lines if (found := _LINE.fullmatch(line))}


def _closure() -> tuple[list[Distribution], list[str]]:
    """Return what this distribution needs on any platform, and what of that is not installed."""
    from importlib.metadata import PackageNotFoundError, distribution

    found: dict[str, Distribution] = {}
    lacks: dict[str, str] = {}
    todo = [*_requirements(_distribution(_NAME))]
    while todo:
        wanted = todo.pop()
        if wanted.name in found or wanted.name in lacks:
            continue
        try:
            found[wanted.name] = distribution(wanted.name)
        except PackageNotFoundError:
            if wanted.marker is None or wanted.marker.evaluate():
                raise _not_here(wanted.name) from None
            if _is_needed_somewhere(wanted.marker):
                lacks[wanted.name] = f"{wanted.name}, for {wanted.marker}"
            continue
        todo += _requirements(found[wanted.name])
    return [found[name] for name in sorted(found)], [lacks[name] for name in sorted(lacks)]


def _is_needed_somewhere(marker: Marker) -> bool:
    """Tell whether a marker can be true where a kit is run."""
    return any(
        marker.evaluate(
            {
                **system,
                "python_version": f"3.{minor}",
                "python_full_version": f"3.{minor}.0",
                "platform_python_implementation": implementation,
            }
        )
        for system in _SYSTEMS
        for minor in _MINORS
        for implementation in ("CPython", "PyPy")
    )


def _distribution(name: str) -> Distribution:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return distribution(name)
    except PackageNotFoundError:
        raise _not_here(name) from None


def _not_here(name: str) -> SourceError:
    return SourceError(
        f"{name}: not installed, so that no kit can be made of it",
        hint="make the kit where it is installed: pip install agentrail-runtime",
    )


def _requirements(distribution: Distribution) -> Iterator[Requirement]:
    """Yield what a distribution needs, on any platform, without its extras."""
    from packaging.requirements import Requirement

    for text in distribution.requires or ():
        wanted = Requirement(text)
        if "extra" not in str(wanted.marker or ""):
            yield wanted


def _portable_files(distribution: Distribution) -> Iterator[tuple[str, bytes]]:
    """Yield the modules of a distribution, and under which terms they may be passed on.

    Raises:
        SourceError: it is not there as files.
    """
    name = distribution.metadata["Name"]
    if distribution.files is None:
        raise _not_here(name)
    for file in distribution.files:
        path = file.as_posix()
        is_outside = path.startswith(("../", "/")) or "__pycache__" in path
        is_metadata = ".dist-info/" in path and not _LEGAL.fullmatch(path)
        if is_outside or is_metadata or path.endswith(_NOT_PORTABLE):
            continue
        try:
            yield path, _read(file)
        except OSError as error:
            raise SourceError(
                f"{file.locate()}: cannot be read: {error.strerror}",
                hint=f"install it again: pip install --force-reinstall {name}",
            ) from None


def _read(file: PackagePath) -> bytes:
    with open(file.locate(), "rb") as opened:
        return opened.read()


def _own_files() -> Iterator[tuple[str, bytes]]:
    """Yield every file of this package but its payload.

    Raises:
        SourceError: it is not there as files.
    """
    root = os.path.dirname(__file__)
    if not os.path.isdir(root):
        raise _not_here(_NAME)
    tree = DirectoryTree(root)
    for path, problem in tree.walk():
        name = f"{_PACKAGE}/{path}"
        if not (problem or "__pycache__" in path or name.startswith(_PAYLOAD)):
            yield name, tree.fetch(path).data


def _zipped(files: dict[str, bytes]) -> bytes:
    import zipfile

    written = io.BytesIO()
    written.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            info = zipfile.ZipInfo(path, _DATE)
            info.create_system = 3  # Unix, wherever it is made
            info.external_attr = 0o644 << 16
            archive.writestr(info, files[path])
    return written.getvalue()
