"""A bundle is refused where its policy says that it does not work here, and not slowly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agentrail_runtime import profile
from agentrail_runtime.compatibility import ProfileSchemas, matrix_of, require
from agentrail_runtime.entry import POLICY_NAME, RECEIPT_PATH, Entry, Index, RelPath, sha256
from agentrail_runtime.errors import IncompatibleError, SourceError
from agentrail_runtime.source import Bundle
from agentrail_runtime.tree import DirectoryTree
from tests.support import PAYLOAD

SHIPPED = (PAYLOAD / POLICY_NAME).read_text(encoding="utf-8")
ROW = 'runtime: ">=1.0,<2.0", profile: ">=2.0,<3.0", receipt: ">=1.0,<2.0", python: ">=3.10"'


def bundle(root: Path, policy: str | None = SHIPPED, *, version: str = "1.0.0") -> Bundle:
    """Return a bundle with just a policy, or without one."""
    metadata: tuple[Entry, ...] = ()
    if policy is not None:
        data = policy.encode()
        (root / POLICY_NAME).write_bytes(data)
        metadata = (Entry(RelPath(POLICY_NAME), "managed", sha256(data), len(data)),)
    index = Index(runtime_version=version, metadata=metadata)
    return Bundle(DirectoryTree(str(root)), index, kind="copy", location="dist", digest="sha256:0")


def test_the_matrix_of_a_bundle_is_the_one_in_its_policy(tmp_path: Path) -> None:
    assert [row.profile for row in matrix_of(bundle(tmp_path))] == [">=2.0,<3.0"]
    assert matrix_of(bundle(tmp_path, None)) == ()


@pytest.mark.parametrize("version", ["2.0.0", "2.1.0", "2.0.1", "2.5.0rc1"])
def test_a_profile_in_the_window_of_the_policy_is_accepted(tmp_path: Path, version: str) -> None:
    schemas = ProfileSchemas(bundle(tmp_path))
    read = profile.load(f'schema_version: "{version}"\n'.encode(), supported=schemas)
    assert read.schema_version == version


@pytest.mark.parametrize("version", ["3.0.0", "1.0.0", "2", "", "none", "[2.1.0]"])
def test_a_profile_outside_the_window_is_refused(tmp_path: Path, version: str) -> None:
    narrow = SHIPPED.replace('profile: ">=2.0,<3.0"', 'profile: ">2.0,<3.0"')
    schemas = ProfileSchemas(bundle(tmp_path, narrow))
    with pytest.raises(
        IncompatibleError, match=r"profile schema not supported \(expected 2\.0\.0, got "
    ):
        profile.load(f"schema_version: {version}\n".encode(), supported=schemas)


@pytest.mark.parametrize(
    "policy",
    [
        None,
        SHIPPED.replace('profile: ">=2.0,<3.0"', 'profile: "==2.0.*"'),
        SHIPPED.replace('runtime: ">=1.0,<2.0"', 'runtime: ">=2.0"'),
    ],
)
def test_a_profile_that_no_policy_vouches_for_is_refused(tmp_path: Path, policy: str | None) -> None:
    schemas = ProfileSchemas(bundle(tmp_path, policy))
    assert "2.0.0" in schemas
    assert "2.1.0" not in schemas
    assert not schemas.__contains__(2)
    assert ([*schemas], len(schemas)) == (["2.0.0"], 1)


@pytest.mark.parametrize(
    ("receipt", "python"),
    [
        (None, (3, 10, 0)),
        ("1.0", (3, 14, 1)),
        ("1.1", (3, 10, 0)),
        ("1.0", (3, 15, 0)),
        (None, (4, 0, 0)),
    ],
)
def test_receipt_and_python_in_their_windows_are_accepted(
    tmp_path: Path, receipt: str | None, python: tuple[int, ...]
) -> None:
    require(bundle(tmp_path), receipt=receipt, python=python)


def test_a_bundle_without_a_policy_refuses_nothing(tmp_path: Path) -> None:
    require(bundle(tmp_path, None), receipt="1.7", python=(3, 15, 0))


def test_a_python_outside_its_window_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(IncompatibleError) as caught:
        require(bundle(tmp_path), receipt=None, python=(3, 9, 18))
    assert (
        caught.value.message == f"{sys.executable}: Python not supported (expected >=3.10, got 3.9.18)"
    )
    assert caught.value.hint == "run it with a Python >=3.10"
    assert caught.value.code == 5


def test_a_python_without_a_path_is_refused_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", None)
    with pytest.raises(IncompatibleError, match=r"^Python: Python not supported"):
        require(bundle(tmp_path), receipt=None, python=(2, 7, 18))


def test_a_receipt_outside_its_window_is_refused_by_name(tmp_path: Path) -> None:
    narrow = SHIPPED.replace('receipt: ">=1.0,<2.0"', 'receipt: ">=1.0,<1.2"')
    with pytest.raises(IncompatibleError) as caught:
        require(bundle(tmp_path, narrow), receipt="1.2", python=(3, 12, 0))
    said = "receipt schema not supported by runtime 1.0.0 (expected >=1.0,<1.2, got 1.2)"
    assert caught.value.message == f"{RECEIPT_PATH}: {said}"
    assert caught.value.paths == (RECEIPT_PATH,)
    assert caught.value.hint == "upgrade the installer: pip install --upgrade agentrail-runtime"


def test_a_version_that_no_row_is_about_vouches_for_nothing(tmp_path: Path) -> None:
    with pytest.raises(IncompatibleError) as caught:
        require(bundle(tmp_path, version="5.0.0"), receipt=None, python=(3, 15, 0))
    said = "runtime not supported (expected >=1.0,<2.0, got 5.0.0)"
    assert caught.value.message == f"dist: distribution.yaml: {said}"
    assert caught.value.hint == "take a bundle whose policy has a row about its own version"


def test_a_policy_that_cannot_be_read_is_the_fault_of_the_bundle(tmp_path: Path) -> None:
    broken = bundle(tmp_path, "schema_version: [\n")
    with pytest.raises(SourceError, match=r"^dist: distribution\.yaml: 2: not valid YAML: ") as caught:
        require(broken, receipt=None, python=(3, 15, 0))
    assert (caught.value.code, caught.value.paths) == (6, (POLICY_NAME,))


def test_what_is_known_by_name_costs_no_import() -> None:
    code = (
        "import sys\n"
        "from agentrail_runtime import compatibility, source\n"
        "bundle = source.open_package()\n"
        "compatibility.require(bundle, receipt='1.0', python=(3, 12, 1))\n"
        "assert '2.0.0' in compatibility.ProfileSchemas(bundle)\n"
        "print(*sorted({'yaml', 'packaging', 'agentrail_runtime.release'} & {*sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
