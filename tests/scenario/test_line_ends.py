"""A checkout with CRLF is no drift, and a file keeps the line ends it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenario.story import (
    BASE,
    BOTH,
    GUIDE,
    MINE,
    NEXT,
    SHIPPED,
    actions,
    agentrail,
    bundle_of,
    install,
    receipt,
)
from tests.support import git, payload_bundle, snapshot, write


def crlf(data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


@pytest.fixture
def checkout(repo: Path) -> Path:
    """An installed repository, committed and checked out again by a git that converts line ends."""
    install(repo)
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "agentrail")
    git(repo, "config", "core.autocrlf", "true")
    git(repo, "rm", "-q", "-r", "--cached", ".")
    git(repo, "reset", "-q", "--hard")
    assert b"\r\n" in (repo / "docs/templates/spec.md").read_bytes()
    return repo


def test_a_crlf_checkout_is_no_drift(checkout: Path) -> None:
    assert agentrail("verify", checkout).code == 0
    assert agentrail("status", "--exit-code", checkout).code == 0


def test_a_second_run_in_a_crlf_checkout_writes_nothing(checkout: Path) -> None:
    before = snapshot(checkout, with_state=True, with_times=True)
    run = install(checkout, "--json")
    assert (run.code, run.json["result"]) == (0, "unchanged")
    assert snapshot(checkout, with_state=True, with_times=True) == before
    assert git(checkout, "status", "--porcelain") == ""


def test_an_upgrade_of_a_crlf_checkout_keeps_crlf(checkout: Path, tmp_path: Path) -> None:
    spec = "docs/templates/spec.md"
    text = (checkout / spec).read_bytes().replace(b"\r\n", b"\n") + b"next\n"
    agents = (checkout / "AGENTS.md").read_bytes()
    newer = payload_bundle(tmp_path / "new", changed={spec: text})
    assert install(checkout, bundle=newer).code == 0
    assert (checkout / spec).read_bytes() == crlf(text)
    assert (checkout / "AGENTS.md").read_bytes() == agents
    assert agentrail("verify", checkout).code == 0
    changed = {line[3:] for line in git(checkout, "status", "--porcelain").splitlines()}
    assert changed == {spec, ".agentrail/receipt.json"}


def test_an_uninstall_of_a_crlf_checkout_removes_every_file(checkout: Path) -> None:
    assert agentrail("uninstall", checkout).code == 0
    left = {name for name in SHIPPED if (checkout / name).exists()}
    assert left == {"AGENTS.md", "CLAUDE.md"}
    assert (checkout / "AGENTS.md").read_bytes() == b"# Agents\r\n\r\nmy rules\r\n"
    assert (checkout / "CLAUDE.md").read_bytes() == b"use pnpm"
    assert not (checkout / ".agentrail").exists()


def test_a_rollback_of_an_upgraded_crlf_checkout_is_exact(checkout: Path, tmp_path: Path) -> None:
    before = snapshot(checkout)
    newer = payload_bundle(tmp_path / "new", changed={"docs/templates/spec.md": "next\n"})
    install(checkout, bundle=newer)
    assert agentrail("rollback", checkout).code == 0
    assert snapshot(checkout) == before


def test_a_rollback_after_a_conversion_gives_the_old_version_back(
    repo: Path, v1: Path, v2: Path
) -> None:
    install(repo, bundle=v1)
    install(repo, bundle=v2)
    write(repo, {GUIDE: crlf(NEXT)})
    assert agentrail("rollback", repo).code == 0
    assert (repo / GUIDE).read_bytes().replace(b"\r\n", b"\n") == BASE


def test_a_merge_with_a_crlf_file_keeps_crlf(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: crlf(MINE)})
    assert install(repo, "--on-conflict", "merge", bundle=v2).code == 0
    assert (repo / GUIDE).read_bytes() == crlf(BOTH)


def test_an_overwrite_of_a_crlf_file_keeps_crlf(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: crlf(MINE)})
    assert install(repo, "-f", bundle=v2).code == 0
    assert (repo / GUIDE).read_bytes() == crlf(NEXT)


def test_a_converted_file_that_was_removed_upstream_goes(repo: Path, v1: Path, tmp_path: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: crlf(BASE)})
    run = install(repo, "--json", bundle=bundle_of(tmp_path / "v2", "other.md", "x\n", version="1.1.0"))
    assert actions(run)[GUIDE] == "remove"
    assert not (repo / GUIDE).exists()


def test_a_converted_file_that_was_renamed_upstream_moves_with_its_line_ends(
    repo: Path, v1: Path, tmp_path: Path
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: crlf(BASE)})
    newer = bundle_of(tmp_path / "v2", "docs/manual.md", BASE, version="1.1.0")
    assert install(repo, bundle=newer).code == 0
    assert not (repo / GUIDE).exists()
    assert agentrail("verify", repo).code == 0


def test_adopting_equal_files_with_crlf_is_no_conflict(repo: Path, v1: Path) -> None:
    write(repo, {GUIDE: crlf(BASE)})
    run = install(repo, "--json", bundle=v1)
    assert (run.code, actions(run)[GUIDE]) == (0, "unchanged")
    assert (repo / GUIDE).read_bytes() == crlf(BASE)


def test_the_receipt_does_not_depend_on_the_line_ends_of_the_target(
    repo: Path, v1: Path, tmp_path: Path
) -> None:
    write(repo, {GUIDE: crlf(BASE)})
    install(repo, bundle=v1)
    install(tmp_path / "plain", bundle=v1)
    assert receipt(repo) == receipt(tmp_path / "plain")


def test_a_bundle_with_crlf_is_delivered_as_it_is(tmp_path: Path) -> None:
    install(tmp_path / "new", bundle=bundle_of(tmp_path / "v1", "run.bat", b"@echo off\r\n"))
    assert (tmp_path / "new/run.bat").read_bytes() == b"@echo off\r\n"
    assert agentrail("verify", tmp_path / "new").code == 0


def test_a_crlf_receipt_stays_a_receipt(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    path = repo / ".agentrail/receipt.json"
    path.write_bytes(crlf(path.read_bytes()))
    assert install(repo, "--json", bundle=v1).json["result"] == "unchanged"
    assert install(repo, bundle=v2).code == 0
    assert path.read_bytes() == crlf(path.read_bytes().replace(b"\r\n", b"\n"))


def test_an_edit_in_a_crlf_file_is_an_edit(repo: Path, v1: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: crlf(MINE)})
    assert agentrail("verify", repo).code == 4
