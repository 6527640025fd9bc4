"""A repository that an older copy install filled: files are there, but no receipt."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.scenario.story import (
    SHIPPED,
    actions,
    agentrail,
    files,
    install,
    reasons,
    receipt,
    shipped_copy,
)
from tests.support import METADATA, PAYLOAD, Node, make_bundle, make_repo, snapshot, write

SPEC, PLAN = "docs/templates/spec.md", "docs/templates/plan.md"


def old_profile() -> bytes:
    """The profile as the older installer left it: records under ``work``."""
    return (PAYLOAD / "project.profile.yaml").read_bytes().replace(b".agentrail/work", b"work")


@pytest.fixture
def filled(repo: Path) -> Path:
    """A repository with every shipped file copied into it; AGENTS.md and CLAUDE.md stay the user's."""
    managed = [name for name, ownership in SHIPPED.items() if ownership in ("managed", "seed")]
    write(repo, {name: (PAYLOAD / name).read_bytes() for name in managed})
    write(repo, {"project.profile.yaml": old_profile()})
    return repo


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A ``dist/runtime`` as the older export made it: the shipped files, but no index."""
    root = shipped_copy(tmp_path / "older")
    (root / "runtime.index.json").unlink()
    for name in METADATA:
        (root / name).unlink()
    return root


def test_equal_files_are_recorded_and_not_written(filled: Path) -> None:
    def templates() -> dict[str, Node]:
        return {
            name: node
            for name, node in snapshot(filled, with_times=True).items()
            if name.startswith("docs/templates/")
        }

    before = templates()
    run = install(filled, "--json")
    assert run.code == 0
    assert {actions(run)[name] for name in before} == {"unchanged"}
    assert templates() == before
    assert {row["path"] for row in receipt(filled)["entries"]} == set(SHIPPED)
    assert agentrail("verify", filled).code == 0


def test_edited_files_are_conflicts_by_name_and_nothing_is_written(filled: Path) -> None:
    write(filled, {SPEC: "mine\n", PLAN: "mine, too\n"})
    before = snapshot(filled, with_state=True, with_times=True)
    run = install(filled, "--json")
    assert (run.code, run.json["error"]["paths"]) == (3, [PLAN, SPEC])
    assert snapshot(filled, with_state=True, with_times=True) == before


def test_edited_files_can_be_kept_and_are_drift_no_more_than_before(filled: Path) -> None:
    write(filled, {SPEC: "mine\n"})
    assert install(filled, "--on-conflict", "keep").code == 0
    assert (filled / SPEC).read_bytes() == b"mine\n"
    assert install(filled, "--json").json["result"] == "unchanged"


def test_edited_files_are_in_the_stash_after_an_overwrite(filled: Path) -> None:
    write(filled, {SPEC: "mine\n"})
    run = install(filled, "--on-conflict", "overwrite")
    assert (filled / SPEC).read_bytes() == (PAYLOAD / SPEC).read_bytes()
    (line,) = (line for line in run.err.splitlines() if line.startswith(f"note: {SPEC}: "))
    assert (filled / line.partition(" is kept in ")[2]).read_bytes() == b"mine\n"


def test_its_profile_is_recognised_and_follows_to_the_new_task_root(filled: Path) -> None:
    write(filled, {"work/2024-01-01__task/state.json": "{}\n"})
    run = install(filled)
    assert (filled / "project.profile.yaml").read_bytes() == (
        PAYLOAD / "project.profile.yaml"
    ).read_bytes()
    assert "work: 1 task record stays there; to move: git mv work/*__* .agentrail/work/" in run.err


def test_its_profile_is_given_back_by_an_uninstall(filled: Path) -> None:
    install(filled)
    agentrail("uninstall", filled)
    assert (filled / "project.profile.yaml").read_bytes() == old_profile()


def test_an_adoption_is_rolled_back_exactly(filled: Path) -> None:
    before = snapshot(filled)
    install(filled)
    assert agentrail("rollback", filled).code == 0
    assert snapshot(filled) == before


def test_agents_md_that_was_copied_whole_is_adopted_as_the_block(tmp_path: Path) -> None:
    body = b"## Rules\n\n- one\n"
    bundle = make_bundle(
        tmp_path / "b",
        {"AGENTS.md": b"<!-- agentrail:begin -->\n" + body + b"<!-- agentrail:end -->\n"},
        ownership={"AGENTS.md": "block"},
    )
    write(tmp_path / "t", {"AGENTS.md": body})
    assert install(tmp_path / "t", bundle=bundle).code == 0
    assert (tmp_path / "t/AGENTS.md").read_bytes().count(b"- one\n") == 1
    assert agentrail("verify", tmp_path / "t").code == 0


def test_a_lost_receipt_is_made_again_by_the_same_command(repo: Path) -> None:
    install(repo)
    before = files(repo)
    shutil.rmtree(repo / ".agentrail")
    assert install(repo).code == 0
    assert files(repo) == before
    assert agentrail("verify", repo).code == 0


@pytest.mark.parametrize("text", ["", "kept\n"])
def test_a_bundle_that_ships_the_gitkeep_of_the_task_root_is_as_good_as_any(
    repo: Path, tmp_path: Path, text: str
) -> None:
    name = ".agentrail/work/.gitkeep"
    bundle = make_bundle(tmp_path / "b", {name: text, "other.md": "x\n"})
    before = snapshot(repo)
    for undo in ("rollback", "uninstall"):
        assert install(repo, bundle=bundle).code == 0
        assert (repo / name).read_text() == text
        assert agentrail("verify", repo).code == 0
        assert agentrail(undo, repo).code == 0
        assert snapshot(repo) == before


# --- the bundle of the older export --------------------------------------------------------------


def test_a_bundle_without_index_installs_with_one_warning(repo: Path, older: Path) -> None:
    run = install(repo, "--json", bundle=older)
    assert run.code == 0
    assert run.json["source"]["integrity"] == "unverified"
    assert run.err.startswith(
        f"note: {older}: has no index, so its files are unverified; the copy route"
    )
    assert run.err.count("note:") == 1


def test_its_classes_come_from_the_packaged_manifest(repo: Path, older: Path) -> None:
    install(repo, bundle=older)
    assert {row["path"]: row["ownership"] for row in receipt(repo)["entries"]} == SHIPPED
    assert (repo / "AGENTS.md").read_bytes().startswith(b"# Agents\n\nmy rules\n<!-- agentrail:begin")


def test_it_delivers_the_same_tree_as_the_indexed_one(repo: Path, older: Path, tmp_path: Path) -> None:
    other = make_repo(tmp_path / "other")
    install(repo, bundle=older)
    install(other)
    ours, theirs = snapshot(repo), snapshot(other)
    assert {name for name in ours if ours[name] != theirs.get(name)} == {".agentrail/receipt.json"}
    assert files(repo) == files(other)


def test_a_second_run_from_it_writes_nothing(repo: Path, older: Path) -> None:
    install(repo, bundle=older)
    before = snapshot(repo, with_state=True, with_times=True)
    assert install(repo, "--json", bundle=older).json["result"] == "unchanged"
    assert snapshot(repo, with_state=True, with_times=True) == before


def test_the_package_takes_over_from_it_without_asking(repo: Path, older: Path) -> None:
    install(repo, bundle=older)
    run = install(repo, "--json")
    assert (run.code, run.json["source"]["kind"]) == (0, "package")
    assert receipt(repo)["runtime_version"] == "1.0.0"
    assert agentrail("verify", repo).code == 0


def test_it_does_not_replace_a_real_version_by_accident(repo: Path, older: Path) -> None:
    install(repo)
    assert install(repo, bundle=older).code == 5


def test_its_executable_files_stay_executable(tmp_path: Path) -> None:
    older = make_bundle(
        tmp_path / "b", {"bin/tool.sh": "run\n"}, executable=("bin/tool.sh",), indexed=False
    )
    install(tmp_path / "t", bundle=older)
    assert snapshot(tmp_path / "t")["bin/tool.sh"].mode == 0o755


def test_an_empty_directory_is_no_bundle(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run = install(repo, bundle=tmp_path / "empty")
    assert run.code == 6
    assert "runtime.index.json: missing" in run.err


def test_a_target_that_it_filled_is_adopted_by_the_package(repo: Path, older: Path) -> None:
    for name in SHIPPED:
        if SHIPPED[name] != "block":
            write(repo, {name: (older / name).read_bytes()})
    run = install(repo, "--json")
    assert run.code == 0
    changed = {name for name, action in actions(run).items() if action not in ("unchanged", "keep")}
    assert changed == {"AGENTS.md", "CLAUDE.md"}
    assert set(reasons(run).values()) <= {
        "as delivered",
        "block added; the rest is yours",
        "task root as set",
    }
