"""One truth about compatibility: policy, index, package metadata and code say the same."""

from __future__ import annotations

import json
import re

import pytest

from agentrail_runtime import __version__, document, receipt
from agentrail_runtime.checks.profile_rule import SCHEMA_PATH, load_schema
from agentrail_runtime.compatibility import PYTHON_VERSIONS, RECEIPT_SCHEMA_VERSIONS
from agentrail_runtime.entry import INDEX_NAME, POLICY_NAME, load_index
from agentrail_runtime.errors import IncompatibleError, ReceiptError
from agentrail_runtime.release import policy
from agentrail_runtime.release.matrix import is_within, verdict
from agentrail_runtime.release.policy import Window
from agentrail_runtime.release.profile_upgrade import VERSION as UPGRADED
from agentrail_runtime.version import PROFILE_SCHEMA_VERSIONS
from tests.packaging.support import ROOT
from tests.support import PAYLOAD

WINDOWS = policy.load((PAYLOAD / POLICY_NAME).read_bytes()).compatibility
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
RECEIPT = {
    "runtime_version": "1.0.0",
    "source": {"kind": "package", "digest": "sha256:0"},
    "task_root": "work",
    "entries": [],
}


def row() -> Window:
    """Return the one row about this version."""
    (found,) = (row for row in WINDOWS if is_within(row.runtime, __version__))
    return found


def test_this_version_works_with_all_that_it_names() -> None:
    for profile in PROFILE_SCHEMA_VERSIONS:
        for schema in RECEIPT_SCHEMA_VERSIONS:
            for python in PYTHON_VERSIONS:
                asked = {"profile": profile, "receipt": schema, "python": ".".join(map(str, python))}
                assert verdict(WINDOWS, runtime=__version__, **asked) == []


def test_policy_and_package_require_the_same_python() -> None:
    (required,) = re.findall(r'^requires-python = "(.*)"$', PYPROJECT, re.MULTILINE)
    assert row().python == required
    assert not is_within(row().python, "3.9.99")


def test_the_versions_of_python_that_are_known_are_the_ones_that_the_package_declares() -> None:
    declared = re.findall(r'"Programming Language :: Python :: 3\.(\d+)"', PYPROJECT)
    assert tuple((3, int(minor)) for minor in declared) == PYTHON_VERSIONS


@pytest.mark.parametrize(
    "version", ["0.9", "1", "1.0", "1.0.0", "1.5", "1.99", "1.999.3", "2", "2.0", "2.1", "10.0"]
)
def test_the_receipts_that_are_read_are_those_in_the_window(version: str) -> None:
    data = document.dump({**RECEIPT, "schema_version": version})
    try:
        is_read = receipt.load(data).schema_version == version
    except IncompatibleError:
        is_read = False
    assert is_read is is_within(row().receipt, version)


@pytest.mark.parametrize("version", ["", "one", "1.x"])
def test_a_receipt_of_no_version_is_in_no_window(version: str) -> None:
    assert not is_within(row().receipt, version)
    with pytest.raises(ReceiptError):
        receipt.load(document.dump({**RECEIPT, "schema_version": version}))


def test_the_receipt_that_is_written_is_one_that_is_known() -> None:
    assert receipt.Receipt._field_defaults["schema_version"] in RECEIPT_SCHEMA_VERSIONS


def test_index_code_and_schema_of_profiles_name_the_same_versions() -> None:
    index = load_index((PAYLOAD / INDEX_NAME).read_bytes())
    schema = load_schema((PAYLOAD / SCHEMA_PATH).read_text(encoding="utf-8"))
    assert index.profile_schema_versions == PROFILE_SCHEMA_VERSIONS == schema.supported
    assert schema.schema_version in schema.supported
    assert UPGRADED in schema.supported


def test_the_profile_that_ships_is_in_the_window() -> None:
    text = (PAYLOAD / "project.profile.yaml").read_text(encoding="utf-8")
    (said,) = re.findall(r"^schema_version: (.*)$", text, re.MULTILINE)
    assert is_within(row().profile, json.loads(said))
