"""A newer bundle meets a repository in which people have worked."""

from __future__ import annotations

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
    files,
    guide,
    install,
    reasons,
    receipt,
    record,
    stashed,
)
from tests.support import PAYLOAD, make_bundle, payload_bundle, snapshot, write

SPEC, PLAN, REVIEW = (f"docs/templates/{name}.md" for name in ("spec", "plan", "review"))
ADDED = "docs/templates/added.md"


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The shipped payload with one template changed, one added, one removed and one renamed."""
    changed = (PAYLOAD / SPEC).read_bytes() + "\n次の版\n".encode()
    moved = (PAYLOAD / REVIEW).read_bytes()
    return payload_bundle(
        tmp_path / "newer",
        changed={SPEC: changed, ADDED: "added\n", "docs/templates/final-review.md": moved},
        removed=(PLAN, REVIEW),
    )


def test_an_untouched_repository_gets_exactly_the_new_bundle(repo: Path, newer: Path) -> None:
    install(repo)
    run = install(repo, "--json", bundle=newer)
    assert run.code == 0
    changed = {path: action for path, action in actions(run).items() if action != "unchanged"}
    assert changed == {
        SPEC: "update",
        ADDED: "create",
        PLAN: "remove",
        REVIEW: "remove",
        "docs/templates/final-review.md": "create",
    }
    assert (repo / SPEC).read_bytes() == (newer / SPEC).read_bytes()
    assert not (repo / PLAN).exists()
    assert agentrail("verify", repo).code == 0


def test_the_message_says_from_which_version_to_which(repo: Path, newer: Path) -> None:
    install(repo)
    out = install(repo, bundle=newer).out
    assert out.splitlines()[-1] == (
        f"{repo}: brought from 1.0.0 to 1.1.0, by copy "
        f"(2 create, 1 update, 2 remove, 38 unchanged); undo: agentrail rollback {repo}"
    )


def test_files_that_did_not_change_upstream_are_not_rewritten(repo: Path, newer: Path) -> None:
    install(repo)
    before = snapshot(repo, with_times=True)
    install(repo, bundle=newer)
    after = snapshot(repo, with_times=True)
    rewritten = {
        name for name, node in after.items() if node.kind == "file" and node != before.get(name)
    }
    assert rewritten == {SPEC, ADDED, "docs/templates/final-review.md", ".agentrail/receipt.json"}


def test_a_removed_file_takes_its_empty_directory_along_but_no_other(
    repo: Path, tmp_path: Path
) -> None:
    both = {"a/deep/gone.md": "x\n", "b/gone.md": "x\n", "stay.md": "x\n"}
    install(repo, bundle=make_bundle(tmp_path / "v1", both))
    write(repo, {"b/mine.md": "mine\n"})
    install(repo, bundle=make_bundle(tmp_path / "v2", {"stay.md": "x\n"}, version="1.1.0"))
    assert not (repo / "a").exists()
    assert files(repo / "b") == {"mine.md"}


# --- a rename upstream ---------------------------------------------------------------------------


@pytest.fixture
def renamed(tmp_path: Path) -> Path:
    return bundle_of(tmp_path / "v2", "docs/manual.md", BASE, version="1.1.0")


def test_a_rename_carries_the_local_edit_along(repo: Path, v1: Path, renamed: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    run = install(repo, "--json", bundle=renamed)
    assert run.code == 0
    assert (repo / "docs/manual.md").read_bytes() == MINE
    assert not (repo / GUIDE).exists()
    assert reasons(run)["docs/manual.md"] == f"renamed from {GUIDE}, with the local edit"


def test_a_renamed_edit_is_merged_with_the_next_change(
    repo: Path, v1: Path, renamed: Path, tmp_path: Path
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    install(repo, bundle=renamed)
    later = bundle_of(tmp_path / "v3", "docs/manual.md", NEXT, version="1.2.0")
    assert install(repo, "--on-conflict", "merge", bundle=later).code == 0
    assert (repo / "docs/manual.md").read_bytes() == BOTH


def test_a_rename_of_a_deleted_file_keeps_it_deleted(repo: Path, v1: Path, renamed: Path) -> None:
    install(repo, bundle=v1)
    (repo / GUIDE).unlink()
    run = install(repo, "--json", bundle=renamed)
    assert reasons(run)["docs/manual.md"] == f"deleted locally as {GUIDE}"
    assert install(repo, "--json", bundle=renamed).json["result"] == "unchanged"
    assert not (repo / "docs/manual.md").exists()
    assert not (repo / GUIDE).exists()


def test_overwrite_brings_a_deleted_file_back_under_its_new_name(
    repo: Path, v1: Path, renamed: Path
) -> None:
    install(repo, bundle=v1)
    (repo / GUIDE).unlink()
    assert install(repo, "-f", bundle=renamed).code == 0
    assert (repo / "docs/manual.md").read_bytes() == BASE
    assert install(repo, "--json", "-f", bundle=renamed).json["result"] == "unchanged"


def test_overwrite_replaces_a_renamed_edit_in_one_run_and_the_stash_keeps_it(
    repo: Path, v1: Path, renamed: Path
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    assert install(repo, "-f", bundle=renamed).code == 0
    after = snapshot(repo)
    assert install(repo, "--json", "-f", bundle=renamed).json["result"] == "unchanged"
    assert snapshot(repo) == after
    texts = {(repo / "docs/manual.md").read_bytes()}.union(*stashed(repo).values())
    assert MINE in texts


def test_a_rename_of_an_unedited_file_moves_it(repo: Path, v1: Path, renamed: Path) -> None:
    install(repo, bundle=v1)
    run = install(repo, "--json", bundle=renamed)
    assert (actions(run)[GUIDE], actions(run)["docs/manual.md"]) == ("remove", "create")
    assert agentrail("verify", repo).code == 0


def test_a_rename_onto_a_file_of_the_users_is_a_conflict_and_the_edit_stays(
    repo: Path, v1: Path, renamed: Path
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE, "docs/manual.md": "my manual\n"})
    assert install(repo, bundle=renamed).code == 3
    assert (repo / GUIDE).read_bytes() == MINE
    assert (repo / "docs/manual.md").read_bytes() == b"my manual\n"


def test_a_renamed_edit_comes_back_under_its_old_name(repo: Path, v1: Path, renamed: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    before = snapshot(repo)
    install(repo, bundle=renamed)
    assert agentrail("rollback", repo).code == 0
    assert snapshot(repo) == before


def test_a_rename_keeps_a_private_edit_private(repo: Path, v1: Path, renamed: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    (repo / GUIDE).chmod(0o600)
    install(repo, bundle=renamed)
    assert snapshot(repo)["docs/manual.md"].mode == 0o600


def test_a_rename_keeps_the_executable_bit_that_the_user_set(
    repo: Path, v1: Path, renamed: Path
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    (repo / GUIDE).chmod(0o755)
    install(repo, bundle=renamed)
    assert snapshot(repo)["docs/manual.md"].mode == 0o755


# --- modes ---------------------------------------------------------------------------------------

TOOL = "bin/tool.sh"


@pytest.mark.parametrize(
    ("base", "current", "incoming", "action", "end"),
    [
        (False, 0o644, True, "update", 0o755),
        (True, 0o755, False, "update", 0o644),
        (True, 0o755, True, "unchanged", 0o755),
        (False, 0o755, False, "keep", 0o755),
        (True, 0o644, True, "keep", 0o644),
        (False, 0o755, True, "unchanged", 0o755),
        (True, 0o644, False, "unchanged", 0o644),
        (False, 0o600, True, "update", 0o700),
        (False, 0o664, True, "update", 0o775),
    ],
)
def test_a_change_of_the_executable_bit_is_delivered_and_a_local_one_is_kept(
    repo: Path, tmp_path: Path, base: bool, current: int, incoming: bool, action: str, end: int
) -> None:
    install(repo, bundle=bundle_of(tmp_path / "v1", TOOL, "run\n", executable=base))
    (repo / TOOL).chmod(current)
    newer = bundle_of(tmp_path / "v2", TOOL, "run\n", version="1.1.0", executable=incoming)
    run = install(repo, "--json", bundle=newer)
    assert (run.code, actions(run)[TOOL], snapshot(repo)[TOOL].mode) == (0, action, end)
    assert record(repo, TOOL)["executable"] is incoming


def test_an_executable_file_is_delivered_executable(repo: Path, tmp_path: Path) -> None:
    install(repo, bundle=bundle_of(tmp_path / "v1", TOOL, "run\n", executable=True))
    assert snapshot(repo)[TOOL].mode == 0o755
    assert record(repo, TOOL)["executable"] is True


def test_a_mode_change_upstream_reaches_a_file_with_a_local_edit(repo: Path, tmp_path: Path) -> None:
    install(repo, bundle=bundle_of(tmp_path / "v1", TOOL, "run\n"))
    write(repo, {TOOL: "run faster\n"})
    newer = bundle_of(tmp_path / "v2", TOOL, "run\n", version="1.1.0", executable=True)
    assert install(repo, bundle=newer).code == 0
    assert snapshot(repo)[TOOL][:3] == ("file", 0o755, b"run faster\n")


def test_an_update_keeps_the_bit_that_the_user_set(repo: Path, tmp_path: Path) -> None:
    install(repo, bundle=bundle_of(tmp_path / "v1", TOOL, "run\n"))
    (repo / TOOL).chmod(0o755)
    install(repo, bundle=bundle_of(tmp_path / "v2", TOOL, "walk\n", version="1.1.0"))
    assert snapshot(repo)[TOOL][:3] == ("file", 0o755, b"walk\n")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_an_update_keeps_the_permissions_that_the_user_gave(
    repo: Path, v1: Path, v2: Path, mode: int
) -> None:
    install(repo, bundle=v1)
    (repo / GUIDE).chmod(mode)
    install(repo, bundle=v2)
    assert snapshot(repo)[GUIDE][:3] == ("file", mode, NEXT)


def test_overwrite_gives_back_the_bit_of_the_framework(repo: Path, tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "v1", TOOL, "run\n", executable=True)
    install(repo, bundle=bundle)
    (repo / TOOL).chmod(0o644)
    assert agentrail("verify", repo).code == 4
    install(repo, "--on-conflict", "overwrite", bundle=bundle)
    assert agentrail("verify", repo).code == 0


# --- binaries ------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["abort", "merge"])
def test_a_binary_that_both_sides_changed_is_a_conflict(
    repo: Path, tmp_path: Path, policy: str
) -> None:
    install(repo, bundle=bundle_of(tmp_path / "v1", "logo.png", b"\x89PNG\0one\ntwo\n"))
    write(repo, {"logo.png": b"\x89PNG\0mine\ntwo\n"})
    newer = bundle_of(tmp_path / "v2", "logo.png", b"\x89PNG\0one\nnext\n", version="1.1.0")
    assert install(repo, "--on-conflict", policy, bundle=newer).code == 3
    assert (repo / "logo.png").read_bytes() == b"\x89PNG\0mine\ntwo\n"


def test_an_untouched_binary_is_updated_byte_for_byte(repo: Path, tmp_path: Path) -> None:
    install(repo, bundle=bundle_of(tmp_path / "v1", "logo.png", b"\0\r\n\n\xff"))
    install(repo, bundle=bundle_of(tmp_path / "v2", "logo.png", b"\0\r\n\r\n\xfe", version="1.1.0"))
    assert (repo / "logo.png").read_bytes() == b"\0\r\n\r\n\xfe"


def test_a_binary_whose_line_ends_were_converted_is_drift(repo: Path, tmp_path: Path) -> None:
    install(repo, bundle=bundle_of(tmp_path / "v1", "logo.png", b"\0\n\xff"))
    write(repo, {"logo.png": b"\0\r\n\xff"})
    assert agentrail("verify", repo).code == 4


# --- declined ------------------------------------------------------------------------------------


@pytest.fixture
def declined(repo: Path, v1: Path, v2: Path) -> Path:
    """A repository in which version 1.1.0 of the guide was declined."""
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    assert install(repo, "--on-conflict", "keep", bundle=v2).code == 0
    return repo


def test_what_was_declined_is_no_conflict_again(declined: Path, v2: Path) -> None:
    run = install(declined, "--json", bundle=v2)
    assert (run.code, run.json["result"], actions(run)[GUIDE]) == (0, "unchanged", "keep")
    assert install(declined, "--check", bundle=v2).code == 0


def test_what_was_declined_is_still_listed_by_status(declined: Path, v2: Path) -> None:
    run = agentrail("status", "--source", "copy", "--runtime-dir", v2, declined)
    assert run.code == 0
    assert f"declined   1\n  keep      {GUIDE}  (declined; the local version stays)" in run.out


def test_what_was_declined_is_still_shown_by_diff(declined: Path, v2: Path) -> None:
    run = agentrail("diff", "--source", "copy", "--runtime-dir", v2, declined)
    assert "-one\n+one, mine\n" in run.out
    assert "-five\n+five, next\n" in run.out


def test_a_later_merge_of_what_was_declined_starts_from_the_old_base(declined: Path, v2: Path) -> None:
    assert install(declined, "--on-conflict", "merge", bundle=v2).code == 0
    assert (declined / GUIDE).read_bytes() == BOTH
    assert "declined" not in record(declined)


def test_a_later_version_is_merged_from_the_old_base_as_well(declined: Path, tmp_path: Path) -> None:
    later = guide(tmp_path / "v3", NEXT + b"six\n", "1.2.0", release_seq=3)
    assert install(declined, bundle=later).code == 3
    assert install(declined, "--on-conflict", "merge", bundle=later).code == 0
    assert (declined / GUIDE).read_bytes() == BOTH + b"six\n"


def test_declining_advances_the_version_but_not_the_base(declined: Path) -> None:
    assert receipt(declined)["runtime_version"] == "1.1.0"
    assert record(declined)["size"] == len(BASE)


def test_a_declined_file_that_the_user_takes_over_by_hand_is_declined_no_more(
    declined: Path, v2: Path
) -> None:
    write(declined, {GUIDE: NEXT})
    assert agentrail("verify", declined).code == 4
    assert install(declined, bundle=v2).code == 0
    assert agentrail("verify", declined).code == 0
    assert "declined" not in record(declined)


def test_what_was_never_installed_can_be_declined_and_uninstalled(repo: Path, v1: Path) -> None:
    write(repo, {GUIDE: "my own\n"})
    before = snapshot(repo)
    assert install(repo, "--on-conflict", "keep", bundle=v1).code == 0
    assert agentrail("verify", repo).code == 0
    assert install(repo, "--check", bundle=v1).code == 0
    assert agentrail("uninstall", repo).code == 0
    assert snapshot(repo) == before


# --- a change of class ---------------------------------------------------------------------------


def test_a_managed_file_that_becomes_a_seed_is_the_users_from_then_on(
    repo: Path, tmp_path: Path
) -> None:
    install(repo, bundle=bundle_of(tmp_path / "v1", GUIDE, BASE))
    write(repo, {GUIDE: MINE})
    assert (
        install(repo, bundle=bundle_of(tmp_path / "v2", GUIDE, NEXT, "seed", version="1.1.0")).code == 0
    )
    assert (repo / GUIDE).read_bytes() == MINE
    assert agentrail("verify", repo).code == 0


def test_a_seed_that_becomes_managed_does_not_overwrite_the_users_text(
    repo: Path, tmp_path: Path
) -> None:
    install(repo, bundle=bundle_of(tmp_path / "v1", GUIDE, BASE, "seed"))
    write(repo, {GUIDE: MINE})
    newer = bundle_of(tmp_path / "v2", GUIDE, NEXT, version="1.1.0")
    assert install(repo, bundle=newer).code == 3
    assert install(repo, "--on-conflict", "merge", bundle=newer).code == 0
    assert (repo / GUIDE).read_bytes() == BOTH


def test_a_managed_file_that_becomes_a_block_keeps_the_users_lines(repo: Path, tmp_path: Path) -> None:
    body = "<!-- agentrail:begin -->\nrules\n<!-- agentrail:end -->\n"
    install(repo, bundle=bundle_of(tmp_path / "v1", "NOTES.md", "old\n"))
    write(repo, {"NOTES.md": "old\nmine\n"})
    newer = bundle_of(tmp_path / "v2", "NOTES.md", body, "block", version="1.1.0")
    assert install(repo, bundle=newer).code == 0
    assert (repo / "NOTES.md").read_text() == "old\nmine\n" + body


# --- several at once -----------------------------------------------------------------------------


def test_one_conflict_keeps_everything_else_back(repo: Path, newer: Path) -> None:
    install(repo)
    write(repo, {SPEC: "mine\n"})
    before = snapshot(repo, with_state=True, with_times=True)
    assert install(repo, bundle=newer).code == 3
    assert snapshot(repo, with_state=True, with_times=True) == before


def test_edited_deleted_converted_and_mode_changed_files_survive_one_upgrade(
    repo: Path, newer: Path
) -> None:
    install(repo)
    request, investigation = (f"docs/templates/{name}.md" for name in ("request", "investigation"))
    spec = (repo / SPEC).read_bytes()
    write(repo, {SPEC: "私の行\n".encode() + spec, PLAN: "my plan\n"})
    (repo / request).unlink()
    converted = (repo / investigation).read_bytes().replace(b"\n", b"\r\n")
    write(repo, {investigation: converted})
    (repo / REVIEW).chmod(0o600)
    assert install(repo, "--on-conflict", "merge", bundle=newer).code == 0
    assert (repo / SPEC).read_bytes() == "私の行\n".encode() + spec + "\n次の版\n".encode()
    assert (repo / PLAN).read_bytes() == b"my plan\n"
    assert not (repo / request).exists()
    assert (repo / investigation).read_bytes() == converted


def test_an_edit_that_was_overwritten_twice_is_in_the_stash_twice(
    repo: Path, v1: Path, v2: Path, tmp_path: Path
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    install(repo, "-f", bundle=v2)
    write(repo, {GUIDE: RIVAL})
    install(repo, "-f", bundle=guide(tmp_path / "v3", BASE, "1.2.0", release_seq=3))
    assert {MINE, RIVAL} <= stashed(repo)[GUIDE]


def test_an_overwritten_edit_is_kept_however_many_upgrades_follow(
    repo: Path, v1: Path, v2: Path, tmp_path: Path
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    install(repo, "-f", bundle=v2)
    for number in range(2, 10):
        text = BASE + b"%d\n" % number
        assert (
            install(repo, bundle=guide(tmp_path / "n", text, f"1.{number}.0", release_seq=number)).code
            == 0
        )
    assert MINE in stashed(repo)[GUIDE]
