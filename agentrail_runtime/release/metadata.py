"""What a wheel or a source distribution says of itself, read without unpacking it to a disk.

See https://packaging.python.org/en/latest/specifications/core-metadata/. An archive is hostile until
proven otherwise: what it unpacks to is bounded, whatever it says of its size.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from email.parser import HeaderParser
from typing import Final, NamedTuple

from agentrail_runtime.release.simple_index import PROJECT, parse_filename

MAX_BYTES: Final = 256 << 20
"""How large a file of a release may be, packed and unpacked."""

_MAX_METADATA: Final = 4 << 20
_MAX_MEMBERS: Final = 50_000
# Each decoder has its own errors: zipfile alone raises five kinds for damaged archives.
_BROKEN: Final = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    RuntimeError,
    ValueError,
    OSError,
    LookupError,
)


class MetadataError(ValueError):
    """A file is no distribution of ours, or not the one that its name says."""


class Metadata(NamedTuple):
    """The fields that an index needs: the version, normalised, and the Pythons (PEP 345)."""

    version: str
    requires_python: str | None


def read(filename: str, data: bytes) -> Metadata:
    """Return what a distribution of ours says of itself.

    Args:
        filename: its name, which tells what it is.
        data: its bytes.

    Raises:
        MetadataError: it is not a wheel or source distribution of agentrail-runtime, is damaged, would
            unpack to more than `MAX_BYTES`, or its metadata tell of another project or version.
    """
    version = parse_filename(filename)
    if version is None:
        raise MetadataError(f"not a wheel or source distribution of {PROJECT}")
    try:
        if filename.endswith(".whl"):
            text = _member(open_wheel(data), filename)
        elif filename.endswith(".tar.gz"):
            text = _sdist_member(data, filename.removesuffix(".tar.gz"))
        else:
            raise MetadataError("not a wheel or .tar.gz")
        fields = HeaderParser().parsestr(text.decode("utf-8"))
    except MetadataError:
        raise
    except _BROKEN as error:
        raise MetadataError(f"damaged: {error}") from None
    return _checked(fields.get("Name"), fields.get("Version"), fields.get("Requires-Python"), version)


def _checked(name: str | None, told: str | None, requires: str | None, version: str) -> Metadata:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.utils import canonicalize_name

    from agentrail_runtime.release.simple_index import normal_version

    if canonicalize_name(name or "") != PROJECT:
        raise MetadataError(f"metadata: Name: expected {PROJECT}, got {str(name)[:80]!r}")
    if normal_version(told or "") != version:
        text = f"metadata: Version: expected {version} as in its name, got {str(told)[:80]!r}"
        raise MetadataError(text)
    try:
        SpecifierSet(requires or "")
    except InvalidSpecifier:
        text = f"metadata: Requires-Python: not a version specifier: {str(requires)[:80]!r}"
        raise MetadataError(text) from None
    return Metadata(version, requires)


def open_wheel(data: bytes) -> zipfile.ZipFile:
    """Return an archive, of which no member unpacks to more than it says, nor all to too much.

    Raises:
        MetadataError: it is no zip archive, has too much in it, or a name twice.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except _BROKEN as error:
        raise MetadataError(f"damaged: {error}") from None
    rows = archive.infolist()
    if len(rows) > _MAX_MEMBERS or sum(row.file_size for row in rows) > MAX_BYTES:
        raise MetadataError(
            f"too much in it (expected at most {_MAX_MEMBERS} files, {MAX_BYTES} bytes)"
        )
    if len({row.filename for row in rows}) != len(rows):
        raise MetadataError("a name stands twice in it")
    return archive


def _member(archive: zipfile.ZipFile, filename: str) -> bytes:
    project, version = filename.split("-")[:2]
    name = f"{project}-{version}.dist-info/METADATA"
    found = [row for row in archive.infolist() if row.filename == name]
    if not found or found[0].file_size > _MAX_METADATA:
        raise MetadataError(f"{name}: missing or too large")
    return archive.read(found[0])


def _sdist_member(data: bytes, root: str) -> bytes:
    name = f"{root}/PKG-INFO"
    with tarfile.open(fileobj=io.BytesIO(_unpacked(data)), mode="r:") as archive:
        found = archive.getmember(name)
        file = archive.extractfile(found) if found.isreg() and found.size <= _MAX_METADATA else None
        if file is None:
            raise MetadataError(f"{name}: not a plain file, or too large")
        return file.read()


def _unpacked(data: bytes) -> bytes:
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # gzip
    text = decoder.decompress(data, MAX_BYTES + 1)
    if len(text) > MAX_BYTES or decoder.unconsumed_tail:
        raise MetadataError(f"too much in it (expected at most {MAX_BYTES} bytes)")
    if not decoder.eof:
        raise MetadataError("damaged: it ends too early")
    return text
