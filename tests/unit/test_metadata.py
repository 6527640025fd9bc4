"""What a built file says of itself is read from any bytes: no crash, no bomb, no other's name."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from agentrail_runtime.release import metadata
from agentrail_runtime.release.metadata import Metadata, MetadataError, read
from tests.channel_support import METADATA, NAME, VERSION, sdist, wheel, zipped

INFO = f"agentrail_runtime-{VERSION}.dist-info/METADATA"
SDIST = f"agentrail_runtime-{VERSION}.tar.gz"


def packed(name: str, data: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        row = tarfile.TarInfo(name)
        row.size, row.type = len(data), kind
        archive.addfile(row, io.BytesIO(data))
    return buffer.getvalue()


def test_a_wheel_tells_its_version_and_the_pythons(tmp_path: Path) -> None:
    assert read(NAME, wheel(tmp_path).read_bytes()) == Metadata(VERSION, ">=3.10")


def test_a_source_distribution_tells_its_version_and_the_pythons(tmp_path: Path) -> None:
    assert read(SDIST, sdist(tmp_path).read_bytes()) == Metadata(VERSION, ">=3.10")


def test_a_wheel_that_names_no_python_is_for_all() -> None:
    text = f"Name: agentrail_runtime\nVersion: {VERSION}\n".encode()
    assert read(NAME, zipped({INFO: text})) == Metadata(VERSION, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (METADATA.format("1.1.1"), "Version: expected 1.1.0 as in its name, got '1.1.1'"),
        ("Name: other\n", "Name: expected agentrail-runtime, got 'other'"),
        ("", "Name: expected agentrail-runtime, got 'None'"),
        ("Name: agentrail-runtime\n", "Version: expected 1.1.0 as in its name, got 'None'"),
        (METADATA.format(VERSION).replace(">=3.10", "new"), "Requires-Python: not a version specifier"),
    ],
)
def test_metadata_of_something_else_are_refused(text: str, message: str) -> None:
    with pytest.raises(MetadataError) as caught:
        read(NAME, zipped({INFO: text.encode()}))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("filename", "data", "message"),
    [
        ("other-1.0.tar.gz", b"", "not a wheel or source distribution of agentrail-runtime"),
        (f"agentrail_runtime-{VERSION}.zip", b"", "not a wheel or .tar.gz"),
        (NAME, b"PK\x03\x04", "damaged: File is not a zip file"),
        (NAME, zipped({"a": b""}), "METADATA: missing or too large"),
        (NAME, zipped({INFO: b"\xff"}), "damaged: 'utf-8'"),
        (SDIST, b"no gzip", "damaged: Error -3"),
        (SDIST, gzip.compress(b"x" * 2_000)[:-20], "damaged: it ends too early"),
        (SDIST, gzip.compress(b"x" * 2_000), "damaged: "),
        (SDIST, packed("other", b""), "damaged: "),
        (SDIST, packed(f"agentrail_runtime-{VERSION}/PKG-INFO", b"", tarfile.FIFOTYPE), "not a plain"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_what_is_no_distribution_is_told(filename: str, data: bytes, message: str) -> None:
    with pytest.raises(MetadataError) as caught:
        read(filename, data)
    assert message in str(caught.value)


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "MAX_BYTES", 5_000)
    for name, data in ((NAME, zipped({INFO: b"x" * 6_000})), (SDIST, gzip.compress(b"x" * 6_000))):
        with pytest.raises(MetadataError, match="too much in it"):
            read(name, data)


def test_a_name_that_stands_twice_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(INFO, METADATA.format(VERSION))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(INFO, METADATA.format(VERSION))
    with pytest.raises(MetadataError, match="a name stands twice"):
        read(NAME, buffer.getvalue())


def test_a_member_with_wrong_bytes_is_damage_and_no_crash(tmp_path: Path) -> None:
    data = bytearray(zipped({INFO: METADATA.format(VERSION).encode()}))
    data[len(INFO) + 34] ^= 0xFF
    with pytest.raises(MetadataError, match="damaged: "):
        read(NAME, bytes(data))
