"""Small but real distributions, a key, and a policy: what the tests of channels publish and by whom."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from agentrail_runtime.entry import INDEX_NAME, SIGNATURE_NAME
from tests.support import PAYLOAD, Run, agentrail, make_bundle, write

VERSION = "1.1.0"
FILES = {"docs/a.md": "a\n", "docs/b.md": "b\n"}
NAME = f"agentrail_runtime-{VERSION}-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: agentrail-runtime\nVersion: {0}\nRequires-Python: >=3.10\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def contents(root: Path, version: str = VERSION, *, key: Path | None = None) -> dict[str, bytes]:
    """Return what is in a wheel of `version` by name; the index is signed where a `key` is given."""
    bundle = make_bundle(root / f"bundle-{version}", FILES, version=version)
    if key is not None:
        from agentrail_runtime.signing import sign

        data = (bundle / INDEX_NAME).read_bytes()
        (bundle / SIGNATURE_NAME).write_bytes(sign(data, str(key)))
    info = f"agentrail_runtime-{version}.dist-info"
    files = {
        "agentrail_runtime/__init__.py": f"__version__ = {version!r}\n".encode(),
        f"{info}/METADATA": METADATA.format(version).encode(),
        f"{info}/WHEEL": WHEEL.encode(),
    }
    for path in sorted(bundle.rglob("*")):
        if path.is_file():
            name = path.relative_to(bundle).as_posix()
            files[f"agentrail_runtime/payload/{name}"] = path.read_bytes()
    shutil.rmtree(bundle)
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    return {**files, f"{info}/RECORD": record.encode()}


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip archive, the same for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2030, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()


def wheel(
    root: Path,
    version: str = VERSION,
    *,
    key: Path | None = None,
    changed: Mapping[str, bytes | None] | None = None,
) -> Path:
    """Return a wheel below `root`, some of whose files are changed, added, or gone (None)."""
    files: dict[str, bytes | None] = {**contents(root, version, key=key), **(changed or {})}
    path = root / f"agentrail_runtime-{version}-py3-none-any.whl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zipped({name: data for name, data in files.items() if data is not None}))
    return path


def sdist(root: Path, version: str = VERSION) -> Path:
    """Return a source distribution that holds its metadata alone."""
    path = root / f"agentrail_runtime-{version}.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        row = tarfile.TarInfo(f"agentrail_runtime-{version}/PKG-INFO")
        data = METADATA.format(version).encode()
        row.size = len(data)
        archive.addfile(row, io.BytesIO(data))
    return path


def make_key(root: Path, name: str = "key") -> Path:
    """Return a new private key without a passphrase; ``<key>.signers`` allows its signatures."""
    key = root / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True
    )
    public = key.with_suffix(".pub").read_text()
    Path(f"{key}.signers").write_text(f"{name}@example.org {public}")
    return key


def policy(root: Path, *changes: tuple[str, str]) -> Path:
    """Return the shipped policy at ``distribution.yaml``, nobody named in it, with other changes."""
    text = (PAYLOAD / "distribution.yaml").read_text(encoding="utf-8")
    for old, new in (
        ("{owner: The AgentRail developers, backup: null}", "{owner: null, backup: null}"),
    ):
        text = text.replace(old, new)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    write(root, {"distribution.yaml": text})
    return root / "distribution.yaml"


def release(*words: str | Path) -> Run:
    """Run ``agentrail release`` with `words` in this process."""
    return agentrail("release", *words)
