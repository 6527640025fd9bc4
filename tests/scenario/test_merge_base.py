"""Where the text comes from that both sides started from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.scenario.story import (
    BASE,
    BOTH,
    GUIDE,
    MINE,
    NEXT,
    RIVAL,
    actions,
    agentrail,
    bundle_of,
    guide,
    install,
    stashed,
)
from tests.support import git, snapshot, write


def forget(repo: Path) -> None:
    """Drop the state directory, as a fresh clone has none."""
    shutil.rmtree(repo / ".agentrail/state")


def commit(repo: Path) -> None:
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "agentrail")


def test_a_committed_base_is_found_in_git(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    commit(repo)
    forget(repo)
    write(repo, {GUIDE: MINE})
    assert install(repo, "--on-conflict", "merge", bundle=v2).code == 0
    assert (repo / GUIDE).read_bytes() == BOTH


def test_a_base_that_was_committed_long_ago_is_found_in_git(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    commit(repo)
    write(repo, {GUIDE: MINE})
    commit(repo)
    git(repo, "gc", "-q")
    forget(repo)
    assert install(repo, "--on-conflict", "merge", bundle=v2).code == 0
    assert (repo / GUIDE).read_bytes() == BOTH


def test_a_base_that_was_never_committed_is_found_in_the_stash(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    assert install(repo, "--on-conflict", "merge", bundle=v2).code == 0
    assert (repo / GUIDE).read_bytes() == BOTH


def test_without_git_the_stash_is_enough(tmp_path: Path, v1: Path, v2: Path) -> None:
    install(tmp_path / "plain", bundle=v1)
    write(tmp_path / "plain", {GUIDE: MINE})
    assert install(tmp_path / "plain", "--on-conflict", "merge", bundle=v2).code == 0
    assert (tmp_path / "plain" / GUIDE).read_bytes() == BOTH


def test_without_a_base_a_merge_is_a_conflict_and_writes_nothing(
    repo: Path, v1: Path, v2: Path
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    forget(repo)
    before = snapshot(repo, with_state=True)
    run = install(repo, "--on-conflict", "merge", bundle=v2)
    assert run.code == 3
    assert f"{GUIDE}: conflict: no base text to merge with" in run.err
    assert snapshot(repo, with_state=True) == before


def test_a_damaged_base_is_not_merged_with(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    (delivered,) = (repo / ".agentrail/state/stash").glob("*/delivered")
    delivered.write_bytes(delivered.read_bytes().replace(b"three", b"THREE"))
    assert install(repo, "--on-conflict", "merge", bundle=v2).code == 3
    assert (repo / GUIDE).read_bytes() == MINE


def test_overlapping_changes_are_a_conflict_and_write_nothing(
    repo: Path, v1: Path, tmp_path: Path
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    before = snapshot(repo, with_state=True)
    run = install(repo, "--on-conflict", "merge", bundle=guide(tmp_path / "v2", RIVAL, "1.1.0"))
    assert run.code == 3
    assert f"{GUIDE}: conflict: both sides changed the same lines" in run.err
    assert snapshot(repo, with_state=True) == before


def test_the_merge_is_told_with_where_the_own_version_went(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    run = install(repo, "--on-conflict", "merge", "--json", bundle=v2)
    assert actions(run)[GUIDE] == "merge"
    kept = f".agentrail/state/stash/{run.json['transaction']}/replaced/{GUIDE}"
    assert f"{GUIDE}: your version is kept in {kept}" in run.err
    assert (repo / kept).read_bytes() == MINE


def test_after_a_merge_the_same_version_has_nothing_to_do(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    install(repo, "--on-conflict", "merge", bundle=v2)
    assert install(repo, "--json", bundle=v2).json["result"] == "unchanged"
    assert agentrail("verify", repo).code == 4


def test_merging_again_and_again_loses_no_line_of_either_side(
    repo: Path, v1: Path, tmp_path: Path
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    text = BASE
    for number in range(2, 9):
        text += b"%d\n" % number
        newer = guide(tmp_path / "next", text, f"1.{number}.0", release_seq=number)
        assert install(repo, "--on-conflict", "merge", bundle=newer).code == 0
    assert (repo / GUIDE).read_bytes() == MINE + b"2\n3\n4\n5\n6\n7\n8\n"


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_block_is_merged_inside_its_markers(repo: Path, tmp_path: Path, is_committed: bool) -> None:
    begin, end = b"<!-- agentrail:begin -->\n", b"<!-- agentrail:end -->\n"
    install(repo, bundle=bundle_of(tmp_path / "v1", "AGENTS.md", begin + BASE + end, "block"))
    if is_committed:
        commit(repo)
        forget(repo)
    before = b"# Agents\n\nmy rules\n"
    write(repo, {"AGENTS.md": before + begin + MINE + end + b"more of mine\n"})
    newer = bundle_of(tmp_path / "v2", "AGENTS.md", begin + NEXT + end, "block", version="1.1.0")
    assert install(repo, bundle=newer).code == 3
    assert install(repo, "--on-conflict", "merge", bundle=newer).code == 0
    assert (repo / "AGENTS.md").read_bytes() == before + begin + BOTH + end + b"more of mine\n"
    assert stashed(repo)["AGENTS.md"] >= {before + begin + MINE + end + b"more of mine\n"}


def test_a_failing_git_is_no_base_and_no_crash(
    repo: Path, v1: Path, v2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    forget(repo)
    broken = tmp_path / "bin"
    write(broken, {"git": "#!/bin/sh\nexit 128\n"}, executable=("git",))
    monkeypatch.setenv("PATH", str(broken))
    assert install(repo, "--on-conflict", "merge", bundle=v2).code == 3
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert install(repo, "--on-conflict", "merge", bundle=v2).code == 3
