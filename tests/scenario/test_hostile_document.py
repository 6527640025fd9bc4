"""Documents that are read before anything is believed: refused by name, whatever number they hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import agentrail, install, make_bundle, snapshot, write

MANY_DIGITS = "1." + "9" * 5000
RECEIPT = ".agentrail/receipt.json"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A target with version 1.0.0 of a small bundle."""
    bundle = make_bundle(tmp_path / "bundle", {"a.md": "one\n"})
    assert install(tmp_path / "target", bundle=bundle).code == 0
    return tmp_path / "target"


def newer(tmp_path: Path, version: str = "1.1.0") -> Path:
    return make_bundle(tmp_path / "newer", {"a.md": "two\n"}, version=version, release_seq=2)


@pytest.mark.parametrize("number", ["1e400", "-1e400"])
def test_an_upgrade_does_not_leave_a_receipt_that_no_command_can_read(
    installed: Path, tmp_path: Path, number: str
) -> None:
    text = (installed / RECEIPT).read_text(encoding="utf-8")
    write(installed, {RECEIPT: text.replace("{", f'{{\n  "x": {number},', 1)})
    before = snapshot(installed)
    done = install(installed, bundle=newer(tmp_path))
    assert (done.code, "a number that is too large" in done.err) == (1, True)
    assert snapshot(installed) == before


def test_a_bundle_of_a_version_with_thousands_of_digits_is_refused(
    installed: Path, tmp_path: Path
) -> None:
    before = snapshot(installed)
    done = install(installed, bundle=newer(tmp_path, MANY_DIGITS))
    assert (done.code, "is no version" in done.err) == (6, True)
    assert snapshot(installed) == before


def test_a_receipt_of_a_version_with_thousands_of_digits_can_be_looked_at_and_replaced(
    installed: Path, tmp_path: Path
) -> None:
    value = json.loads((installed / RECEIPT).read_bytes())
    write(installed, {RECEIPT: json.dumps({**value, "runtime_version": MANY_DIGITS})})
    assert [agentrail(name, installed).code for name in ("status", "verify", "diff")] == [0, 0, 0]
    assert install(installed, bundle=newer(tmp_path)).code == 0


def test_a_lock_file_with_a_version_of_thousands_of_digits_does_not_end_status_in_an_error(
    installed: Path,
) -> None:
    lock = f'version = 1\n[[package]]\nname = "agentrail-runtime"\nversion = "{MANY_DIGITS}"\n'
    write(installed, {"uv.lock": lock})
    done = agentrail("status", installed)
    assert (done.code, "uv.lock" in done.out) == (0, True)


def test_an_index_cannot_clear_the_terminal_of_who_installs(installed: Path, tmp_path: Path) -> None:
    bundle = newer(tmp_path)
    index = (bundle / "runtime.index.json").read_text(encoding="utf-8")
    write(bundle, {"runtime.index.json": index.replace('"entries"', '"ent\x9bies"')})
    done = install(installed, bundle=bundle)
    assert done.code == 6
    assert "\x9b" not in done.err
