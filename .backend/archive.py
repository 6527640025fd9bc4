"""Writes a wheel or a source distribution anew, so that equal contents are equal bytes.

What leaks into an archive and is none of its contents is taken out: the order of directories, times,
owners, and all of a mode but the executable bit. The bytes still depend on the tools, as those of any
build do: on setuptools, whose version the wheel's ``WHEEL`` file tells, and on zlib.
"""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import time
import zipfile
from collections.abc import Mapping

EARLIEST = 315532800
"""1980-01-01T00:00:00Z, before which a zip has no dates; seconds since 1970."""
_LATEST = 2**32 - 1  # in the year 2106, after which gzip has none
_UNIX = 3
_VARIABLE = "SOURCE_DATE_EPOCH"


def date(environment: Mapping[str, str]) -> int:
    """Return the time that every file in an archive gets, in seconds since 1970.

    Without ``SOURCE_DATE_EPOCH`` it is a fixed one, so that builds are reproducible all the same.
    See https://reproducible-builds.org/specs/source-date-epoch/.

    Args:
        environment: Variables by name.

    Raises:
        ValueError: The variable is set to something else than a whole number.
    """
    text = environment.get(_VARIABLE, str(EARLIEST))
    try:
        seconds = int(text)
    except ValueError:
        message = f"{_VARIABLE}: not a time (expected seconds since 1970, got {text!r})"
        raise ValueError(message) from None
    return min(max(seconds, EARLIEST), _LATEST)


def rewrite_wheel(path: str, seconds: int) -> None:
    """Replace the wheel at `path` by one of the same files, sorted, with the metadata at the end.

    ``RECORD`` stays right: it tells of contents alone.
    See https://packaging.python.org/en/latest/specifications/binary-distribution-format/.

    Args:
        path: A file. If writing fails, it holds a part of the new one.
        seconds: The time of every file, from `date`.
    """
    with zipfile.ZipFile(path) as archive:
        files = {
            info.filename: (archive.read(info), _mode(info.external_attr >> 16))
            for info in archive.infolist()
            if not info.is_dir()
        }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files, key=_metadata_last):
            content, mode = files[name]
            info = zipfile.ZipInfo(name, time.gmtime(seconds)[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = _UNIX
            info.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(info, content)


def rewrite_sdist(path: str, seconds: int) -> None:
    """Replace the source distribution at `path` by one of the same files, sorted and owned by nobody.

    Directories get no entry of their own; they come with their files.
    See https://packaging.python.org/en/latest/specifications/source-distribution-format/.

    Args:
        path: A file. If writing fails, it holds a part of the new one.
        seconds: The time of every file, from `date`.
    """
    with tarfile.open(path) as archive:
        files = {
            member.name: (stream.read(), _mode(member.mode))
            for member in archive
            if (stream := archive.extractfile(member))
        }
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            content, mode = files[name]
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), mode, seconds
            archive.addfile(member, io.BytesIO(content))
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, seconds) as compressed:
        compressed.write(plain.getvalue())


def _mode(found: int) -> int:
    return 0o755 if found & stat.S_IXUSR else 0o644


def _metadata_last(name: str) -> tuple[bool, str]:
    return name.partition("/")[0].endswith(".dist-info"), name
