"""Two routes to one installation, and what happens when the package is damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.scenario.story import (
    PACKAGE,
    agentrail,
    bundle_of,
    install,
    process,
    receipt,
    shipped_copy,
)
from tests.support import PAYLOAD, payload_bundle, snapshot, write

SPEC = "docs/templates/spec.md"


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A directory for PYTHONPATH with a copy of the package in which one payload file is altered."""
    root = tmp_path / "site"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, root / "agentrail_runtime", ignore=ignore)
    (root / "agentrail_runtime/payload" / SPEC).write_bytes(b"altered\n")
    return root


def test_a_damaged_package_installs_nothing(repo: Path, damaged: Path, tmp_path: Path) -> None:
    before = snapshot(repo, with_state=True)
    for source in ("package", "auto"):
        run = process("install", "--source", source, repo, cwd=tmp_path, pythonpath=damaged)
        assert run.code == 6
        assert f"{SPEC}: altered" in run.err
        assert "hint: install the package again" in run.err
    assert snapshot(repo, with_state=True) == before


def test_auto_falls_back_to_the_very_same_bundle_and_says_why(
    repo: Path, damaged: Path, tmp_path: Path
) -> None:
    bundle = shipped_copy(tmp_path / "dist" / "runtime")
    run = process("install", "--json", repo, cwd=tmp_path, pythonpath=damaged)
    assert run.code == 0
    source = run.json["source"]
    assert (source["kind"], source["requested"], source["location"]) == ("copy", "auto", str(bundle))
    assert source["fallback_reason"].startswith("the package is damaged: ")
    assert f"{SPEC}: altered" in source["fallback_reason"]
    assert source["integrity"] == "verified"
    assert run.err.startswith("note: installed by the copy route: the package is damaged: ")
    assert (repo / SPEC).read_bytes() == (PAYLOAD / SPEC).read_bytes()
    assert agentrail("verify", repo).code == 0


@pytest.mark.parametrize("kind", ["newer", "older"])
def test_auto_refuses_any_other_bundle(repo: Path, damaged: Path, tmp_path: Path, kind: str) -> None:
    version = {"newer": "1.1.0", "older": "0.9.0"}[kind]
    payload_bundle(tmp_path / "dist/runtime", changed={SPEC: "other\n"}, version=version)
    before = snapshot(repo, with_state=True)
    run = process("install", repo, cwd=tmp_path, pythonpath=damaged)
    assert run.code == 6
    assert "another bundle than the package's" in run.err
    assert "--source copy" in run.err
    assert snapshot(repo, with_state=True) == before


def test_auto_refuses_an_equal_bundle_that_is_damaged_itself(
    repo: Path, damaged: Path, tmp_path: Path
) -> None:
    bundle = shipped_copy(tmp_path / "dist" / "runtime")
    (bundle / "MEMORY.md").write_bytes(b"altered\n")
    run = process("install", repo, cwd=tmp_path, pythonpath=damaged)
    assert run.code == 6
    assert f"{SPEC}: altered" in run.err
    assert "MEMORY.md: altered" in run.err
    assert not (repo / ".agentrail").exists()


def test_auto_refuses_a_bundle_without_index(repo: Path, damaged: Path, tmp_path: Path) -> None:
    bundle = shipped_copy(tmp_path / "dist" / "runtime")
    (bundle / "runtime.index.json").unlink()
    run = process("install", repo, cwd=tmp_path, pythonpath=damaged)
    assert run.code == 6
    assert not (repo / ".agentrail").exists()


def test_auto_refuses_everything_when_the_index_of_the_package_is_gone(
    repo: Path, damaged: Path, tmp_path: Path
) -> None:
    shipped_copy(tmp_path / "dist" / "runtime")
    (damaged / "agentrail_runtime/payload/runtime.index.json").unlink()
    assert process("install", repo, cwd=tmp_path, pythonpath=damaged).code == 6


def test_auto_takes_the_package_even_where_a_bundle_lies(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload_bundle(tmp_path / "dist/runtime", changed={SPEC: "other\n"})
    monkeypatch.chdir(tmp_path)
    run = install(repo, "--json")
    assert (run.json["source"]["kind"], run.json["source"]["requested"]) == ("package", "auto")


def test_a_damaged_package_still_verifies_rolls_back_and_uninstalls(
    repo: Path, damaged: Path, tmp_path: Path
) -> None:
    before = snapshot(repo)
    install(repo)
    for words, code in ((["verify"], 0), (["status"], 0), (["rollback"], 0)):
        assert process(*words, repo, cwd=tmp_path, pythonpath=damaged).code == code
    assert snapshot(repo) == before
    install(repo)
    assert process("uninstall", repo, cwd=tmp_path, pythonpath=damaged).code == 0
    assert snapshot(repo) == before


def test_both_routes_report_the_same_digest(repo: Path, tmp_path: Path) -> None:
    package = install(repo, "--json", "--dry-run").json
    copy = install(repo, "--json", "--dry-run", bundle=shipped_copy(tmp_path / "dist")).json
    assert package["source"]["digest"] == copy["source"]["digest"]
    assert package["actions"] == copy["actions"]


def test_receipts_of_both_routes_differ_in_the_name_of_the_route_alone(
    repo: Path, tmp_path: Path
) -> None:
    install(repo)
    install(tmp_path / "other", bundle=shipped_copy(tmp_path / "dist"))
    ours, theirs = receipt(repo), receipt(tmp_path / "other")
    assert (ours["source"].pop("kind"), theirs["source"].pop("kind")) == ("package", "copy")
    by_path = {row["path"]: row for row in theirs["entries"]}
    blobs = [
        row["path"] for row in ours["entries"] if row["git_blob"] != by_path[row["path"]]["git_blob"]
    ]
    assert blobs == ["AGENTS.md", "CLAUDE.md"]  # the blob of a file of the user's
    for row in (*ours["entries"], *theirs["entries"]):
        row.pop("git_blob")
    assert ours == theirs


def test_changing_the_route_rewrites_the_receipt_alone(repo: Path, tmp_path: Path) -> None:
    install(repo)
    before = snapshot(repo, with_times=True)
    run = install(repo, "--json", bundle=shipped_copy(tmp_path / "dist"))
    assert (run.code, run.json["summary"]["unchanged"]) == (0, 41)
    after = snapshot(repo, with_times=True)
    changed = {name for name, node in after.items() if node.kind == "file" and node != before[name]}
    assert changed == {".agentrail/receipt.json"}


def test_status_tells_when_the_installed_files_came_by_the_copy_route(
    repo: Path, tmp_path: Path
) -> None:
    def told() -> bool:
        run = agentrail("status", repo)
        return "copy" in (run.out + run.err).replace(str(repo), "")

    install(repo, bundle=shipped_copy(tmp_path / "dist"))
    assert told()
    install(repo)
    assert not told()


def test_a_package_in_a_zip_file_installs_the_same(repo: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(PACKAGE, site / "agentrail_runtime", ignore=shutil.ignore_patterns("__pycache__"))
    archive = shutil.make_archive(str(tmp_path / "package"), "zip", site)
    run = process("install", "--json", repo, cwd=tmp_path, pythonpath=Path(archive))
    assert run.code == 0
    assert (repo / SPEC).read_bytes() == (PAYLOAD / SPEC).read_bytes()
    assert agentrail("verify", repo).code == 0
    assert install(repo, "--json").json["result"] == "unchanged"


@pytest.mark.parametrize(
    ("name", "code"),
    [("tool.cpython-312.pyc", 0), ("other.cpython-312.pyc", 6), ("tool.txt", 6)],
)
def test_what_pip_compiles_beside_a_module_is_no_damage_but_anything_else_is(
    repo: Path, tmp_path: Path, name: str, code: int
) -> None:
    bundle = bundle_of(tmp_path / "b", "bin/tool.py", "print()\n")
    write(bundle, {f"bin/__pycache__/{name}": b"compiled"})
    assert install(repo, bundle=bundle).code == code
    assert not (repo / "bin/__pycache__").exists()
