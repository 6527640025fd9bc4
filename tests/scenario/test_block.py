"""The framework's lines in a file of the user's: AGENTS.md and the like."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scenario.story import (
    actions,
    agentrail,
    bundle_of,
    install,
    reasons,
    record,
    stashed,
)
from tests.support import snapshot, write

NAME = "AGENTS.md"
BEGIN, END = b"<!-- agentrail:begin -->\n", b"<!-- agentrail:end -->\n"
BLOCK = BEGIN + b"rule one\nrule two\n" + END
EDITED = BEGIN + b"rule one, mine\nrule two\n" + END
NEWER = BEGIN + b"rule one\nrule two\nrule three\n" + END

VARIANTS = {
    "no final newline": b"# Mine",
    "final newline": b"# Mine\n",
    "two final newlines": b"# Mine\n\n",
    "crlf": b"# Mine\r\ntext\r\n",
    "crlf, no final newline": b"# Mine\r\ntext",
    "crlf, blank line at the end": b"# Mine\r\n\r\n",
    "mixed": b"# Mine\r\ntext\nmore\n",
    "mixed, no final newline": b"# Mine\r\ntext\nmore",
    "empty": b"",
    "one newline": b"\n",
    "one crlf": b"\r\n",
    "bom": b"\xef\xbb\xbf# Mine\n",
    "japanese": "# 規則\n私の規則".encode(),
    "spaces at the end": b"# Mine  \n\t",
    "lone carriage return at the end": b"# Mine\ntext\r",
    "old mac line ends": b"# Mine\rtext\r",
    "form feed": b"# Mine\n\x0c\n",
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return bundle_of(tmp_path / "v1", NAME, BLOCK, "block")


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    return bundle_of(tmp_path / "v2", NAME, NEWER, "block", version="1.1.0")


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A directory without any file."""
    (tmp_path / "plain").mkdir()
    return tmp_path / "plain"


def lf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


def test_a_missing_file_is_created_with_the_block_and_nothing_else(plain: Path, bundle: Path) -> None:
    assert actions(install(plain, "--json", bundle=bundle)) == {NAME: "create"}
    assert (plain / NAME).read_bytes() == BLOCK


@pytest.mark.parametrize("text", VARIANTS.values(), ids=VARIANTS)
def test_the_block_is_put_behind_the_users_text(plain: Path, bundle: Path, text: bytes) -> None:
    write(plain, {NAME: text})
    assert install(plain, bundle=bundle).code == 0
    data = (plain / NAME).read_bytes()
    assert data.startswith(text)
    assert lf(data[len(text) :]).strip(b"\n") == BLOCK.strip(b"\n")
    assert agentrail("verify", plain).code == 0


@pytest.mark.parametrize("text", VARIANTS.values(), ids=VARIANTS)
def test_an_uninstall_gives_back_the_users_text_byte_for_byte(
    plain: Path, bundle: Path, text: bytes
) -> None:
    write(plain, {NAME: text})
    before = snapshot(plain)
    install(plain, bundle=bundle)
    assert agentrail("uninstall", plain).code == 0
    assert snapshot(plain) == before


@pytest.mark.parametrize("text", VARIANTS.values(), ids=VARIANTS)
def test_an_uninstall_after_an_upgrade_gives_back_the_users_text(
    plain: Path, bundle: Path, newer: Path, text: bytes
) -> None:
    write(plain, {NAME: text})
    before = snapshot(plain)
    install(plain, bundle=bundle)
    install(plain, bundle=newer)
    assert agentrail("uninstall", plain).code == 0
    assert snapshot(plain) == before


@settings(
    deadline=None,
    max_examples=25,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.text("a \r\n\t#-é語\ufeff", max_size=12))
def test_no_text_whatever_loses_a_byte_by_install_and_uninstall(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    root = tmp_path_factory.mktemp("text")
    bundle = bundle_of(root / "bundle", NAME, BLOCK, "block")
    write(root / "target", {NAME: text})
    assert install(root / "target", bundle=bundle).code == 0
    assert install(root / "target", "--json", bundle=bundle).json["result"] == "unchanged"
    assert agentrail("uninstall", root / "target").code == 0
    assert (root / "target" / NAME).read_bytes() == text.encode()


def test_the_block_takes_the_line_ends_of_the_file(plain: Path, bundle: Path) -> None:
    write(plain, {NAME: b"# Mine\r\ntext\r\n"})
    install(plain, bundle=bundle)
    assert (plain / NAME).read_bytes() == b"# Mine\r\ntext\r\n" + BLOCK.replace(b"\n", b"\r\n")


def test_text_around_the_block_is_the_users_to_edit(plain: Path, bundle: Path, newer: Path) -> None:
    write(plain, {NAME: b"# Mine\n"})
    install(plain, bundle=bundle)
    write(plain, {NAME: b"# Mine, above\n" + BLOCK + b"and below"})
    assert agentrail("verify", plain).code == 0
    assert install(plain, bundle=newer).code == 0
    assert (plain / NAME).read_bytes() == b"# Mine, above\n" + NEWER + b"and below"


def test_text_written_below_the_block_survives_an_uninstall(plain: Path, bundle: Path) -> None:
    write(plain, {NAME: b"# Mine\n"})
    install(plain, bundle=bundle)
    write(plain, {NAME: b"# Mine\n" + BLOCK + b"below\n"})
    assert agentrail("uninstall", plain).code == 0
    assert (plain / NAME).read_bytes() == b"# Mine\nbelow\n"


def test_text_written_below_a_block_of_our_own_file_survives_an_uninstall(
    plain: Path, bundle: Path
) -> None:
    install(plain, bundle=bundle)
    write(plain, {NAME: BLOCK + b"mine\n"})
    assert agentrail("uninstall", plain).code == 0
    assert (plain / NAME).read_bytes() == b"mine\n"


def test_a_moved_block_is_updated_where_it_stands(plain: Path, bundle: Path, newer: Path) -> None:
    write(plain, {NAME: b"# Mine\n"})
    install(plain, bundle=bundle)
    write(plain, {NAME: BLOCK + b"# Mine\n"})
    assert agentrail("verify", plain).code == 0
    install(plain, bundle=newer)
    assert (plain / NAME).read_bytes() == NEWER + b"# Mine\n"


def test_a_block_edited_inside_is_drift_and_stays_while_the_framework_stands_still(
    plain: Path, bundle: Path
) -> None:
    install(plain, bundle=bundle)
    write(plain, {NAME: EDITED})
    assert agentrail("verify", plain).code == 4
    run = install(plain, "--json", bundle=bundle)
    assert (run.code, reasons(run)) == (0, {NAME: "block edited locally"})
    assert (plain / NAME).read_bytes() == EDITED


@pytest.mark.parametrize(
    ("policy", "code", "body"),
    [
        ("abort", 3, b"rule one, mine\nrule two\n"),
        ("keep", 0, b"rule one, mine\nrule two\n"),
        ("overwrite", 0, b"rule one\nrule two\nrule three\n"),
        ("merge", 0, b"rule one, mine\nrule two\nrule three\n"),
    ],
)
def test_a_block_edited_on_both_sides_follows_the_policy_and_the_rest_is_untouched(
    plain: Path, bundle: Path, newer: Path, policy: str, code: int, body: bytes
) -> None:
    install(plain, bundle=bundle)
    mine = b"# Mine\n" + EDITED + b"below"
    write(plain, {NAME: mine})
    run = install(plain, "--on-conflict", policy, bundle=newer)
    assert run.code == code
    assert (plain / NAME).read_bytes() == b"# Mine\n" + BEGIN + body + END + b"below"
    is_replaced = policy in ("overwrite", "merge")
    assert (mine in stashed(plain).get(NAME, set())) is is_replaced


def test_a_declined_block_is_no_conflict_again(plain: Path, bundle: Path, newer: Path) -> None:
    install(plain, bundle=bundle)
    write(plain, {NAME: EDITED})
    install(plain, "--on-conflict", "keep", bundle=newer)
    assert install(plain, "--json", bundle=newer).json["result"] == "unchanged"
    route = ("--source", "copy", "--runtime-dir", newer)
    assert "declined   1\n" in agentrail("status", *route, plain).out


def test_a_declined_block_is_shown_by_diff_with_what_is_not_delivered(
    plain: Path, bundle: Path, newer: Path
) -> None:
    install(plain, bundle=bundle)
    write(plain, {NAME: EDITED})
    install(plain, "--on-conflict", "keep", bundle=newer)
    out = agentrail("diff", "--source", "copy", "--runtime-dir", newer, plain).out
    assert "+rule three\n" in out


def test_a_conflict_in_a_block_is_shown_by_diff(plain: Path, bundle: Path, newer: Path) -> None:
    install(plain, bundle=bundle)
    write(plain, {NAME: EDITED})
    run = install(plain, "--diff", bundle=newer)
    assert run.code == 3
    assert "+rule three\n" in run.out


def test_a_deleted_block_stays_deleted(plain: Path, bundle: Path, newer: Path) -> None:
    write(plain, {NAME: b"# Mine\n"})
    install(plain, bundle=bundle)
    write(plain, {NAME: b"# Mine\n"})
    assert agentrail("verify", plain).code == 4
    for source in (bundle, newer):
        assert reasons(install(plain, "--json", bundle=source)) == {NAME: "block deleted locally"}
        assert (plain / NAME).read_bytes() == b"# Mine\n"


def test_a_deleted_file_with_a_block_stays_deleted(plain: Path, bundle: Path, newer: Path) -> None:
    install(plain, bundle=bundle)
    (plain / NAME).unlink()
    for source in (bundle, newer):
        assert reasons(install(plain, "--json", bundle=source)) == {NAME: "deleted locally"}
        assert not (plain / NAME).exists()


def test_overwrite_brings_a_deleted_block_back(plain: Path, bundle: Path) -> None:
    write(plain, {NAME: b"# Mine\n"})
    install(plain, bundle=bundle)
    write(plain, {NAME: b"# Mine, still\n"})
    assert install(plain, "-f", bundle=bundle).code == 0
    assert (plain / NAME).read_bytes() == b"# Mine, still\n" + BLOCK


@pytest.mark.parametrize(
    "text",
    [
        BEGIN + b"rule one\n",
        b"# Mine\n" + END,
        BLOCK + BLOCK,
        BEGIN + BLOCK,
        END + BEGIN,
        b"see <!-- agentrail:begin --> here\n",
        b"# agentrail:begin\nrule\n<!-- agentrail:end -->\n",
    ],
)
@pytest.mark.parametrize("is_installed", [False, True])
def test_broken_markers_are_a_conflict_that_touches_nothing(
    plain: Path, bundle: Path, newer: Path, text: bytes, is_installed: bool
) -> None:
    if is_installed:
        install(plain, bundle=bundle)
    write(plain, {NAME: text})
    before = snapshot(plain, with_state=True)
    for policy in ("abort", "overwrite", "merge"):
        run = install(plain, "--on-conflict", policy, bundle=newer)
        assert run.code == 3
        assert f"{NAME}: conflict: " in run.err
    assert snapshot(plain, with_state=True) == before


def test_broken_markers_can_be_kept_and_are_no_conflict_again(plain: Path, bundle: Path) -> None:
    write(plain, {NAME: BEGIN + b"half\n"})
    assert install(plain, "--on-conflict", "keep", bundle=bundle).code == 0
    assert install(plain, "--json", bundle=bundle).json["result"] == "unchanged"
    assert (plain / NAME).read_bytes() == BEGIN + b"half\n"


def test_broken_markers_are_drift_and_survive_an_uninstall(plain: Path, bundle: Path) -> None:
    install(plain, bundle=bundle)
    write(plain, {NAME: b"# Mine\n" + END})
    assert agentrail("verify", plain).code == 4
    assert agentrail("uninstall", plain).code == 0
    assert (plain / NAME).read_bytes() == b"# Mine\n" + END


@pytest.mark.parametrize("text", ["規則".encode("shift_jis"), "rules\n".encode("utf-16"), b"\0\n"])
def test_a_file_that_is_not_utf8_is_a_conflict_that_touches_nothing(
    plain: Path, bundle: Path, text: bytes
) -> None:
    write(plain, {NAME: text})
    run = install(plain, bundle=bundle)
    assert run.code == 3
    assert f"{NAME}: conflict: not UTF-8 text" in run.err
    assert snapshot(plain, with_state=True) == {NAME: snapshot(plain)[NAME]}


def test_a_hash_block_goes_into_a_file_with_hash_comments(plain: Path, tmp_path: Path) -> None:
    text = b"# agentrail:begin\n.agentrail/state/\n# agentrail:end\n"
    write(plain, {".gitignore": b"node_modules/\n"})
    bundle = bundle_of(tmp_path / "hash", ".gitignore", text, "block")
    assert install(plain, bundle=bundle).code == 0
    assert (plain / ".gitignore").read_bytes() == b"node_modules/\n" + text
    agentrail("uninstall", plain)
    assert (plain / ".gitignore").read_bytes() == b"node_modules/\n"


def test_a_block_that_the_framework_drops_leaves_the_users_text(
    plain: Path, bundle: Path, tmp_path: Path
) -> None:
    write(plain, {NAME: b"# Mine"})
    install(plain, bundle=bundle)
    newer = bundle_of(tmp_path / "v2", "other.md", "x\n", version="1.1.0")
    assert install(plain, bundle=newer).code == 0
    assert (plain / NAME).read_bytes() == b"# Mine"
    assert record(plain, NAME) is None


def test_a_bundle_with_broken_markers_is_refused_and_nothing_is_written(
    plain: Path, tmp_path: Path
) -> None:
    bundle = bundle_of(tmp_path / "broken", NAME, BEGIN + b"half\n", "block")
    run = install(plain, bundle=bundle)
    assert run.code == 6
    assert f"{NAME}: markers of the block" in run.err
    assert snapshot(plain, with_state=True) == {}


def test_an_uninstall_after_the_block_was_deleted_leaves_the_file(plain: Path, bundle: Path) -> None:
    write(plain, {NAME: b"# Mine\n"})
    install(plain, bundle=bundle)
    write(plain, {NAME: b"# Mine, still\n"})
    assert agentrail("uninstall", plain).code == 0
    assert snapshot(plain) == {NAME: snapshot(plain)[NAME]._replace(content=b"# Mine, still\n")}


def test_an_uninstall_leaves_an_edited_block_and_names_it(plain: Path, bundle: Path) -> None:
    install(plain, bundle=bundle)
    write(plain, {NAME: EDITED})
    run = agentrail("uninstall", plain)
    assert run.code == 0
    assert f"keep      {NAME}  (block edited locally)" in run.out
    assert (plain / NAME).read_bytes() == EDITED


def test_an_equal_block_that_is_already_there_is_adopted(plain: Path, bundle: Path) -> None:
    write(plain, {NAME: b"# Mine\n" + BLOCK})
    run = install(plain, "--json", bundle=bundle)
    assert (run.code, actions(run)) == (0, {NAME: "unchanged"})
    assert agentrail("verify", plain).code == 0


def test_another_block_that_nobody_recorded_is_a_conflict(plain: Path, bundle: Path) -> None:
    write(plain, {NAME: EDITED})
    run = install(plain, bundle=bundle)
    assert run.code == 3
    assert f"{NAME}: conflict: block not installed by agentrail" in run.err


# --- links ---------------------------------------------------------------------------------------


def test_claude_md_linked_to_agents_md_stays_a_link(repo: Path) -> None:
    (repo / "CLAUDE.md").unlink()
    (repo / "CLAUDE.md").symlink_to("AGENTS.md")
    run = install(repo, "--json")
    assert run.code == 0
    assert (actions(run)["CLAUDE.md"], reasons(run)["CLAUDE.md"]) == ("keep", "linked to AGENTS.md")
    assert (repo / "CLAUDE.md").readlink() == Path("AGENTS.md")
    assert agentrail("verify", repo).code == 0
    assert install(repo, "--json").json["result"] == "unchanged"


def test_a_linked_claude_md_survives_uninstall_and_rollback(repo: Path) -> None:
    (repo / "CLAUDE.md").unlink()
    (repo / "CLAUDE.md").symlink_to("AGENTS.md")
    before = snapshot(repo)
    for undo in ("rollback", "uninstall"):
        install(repo)
        assert agentrail(undo, repo).code == 0
        assert snapshot(repo) == before


@pytest.mark.parametrize("name", ["AGENTS.md", "MEMORY.md", "project.profile.yaml"])
def test_every_file_of_the_users_may_be_a_link_to_one_inside(repo: Path, name: str) -> None:
    (repo / name).unlink(missing_ok=True)
    write(repo, {"shared/text": "mine: 1\n"})
    (repo / name).symlink_to("shared/text")
    run = install(repo, "--json")
    assert (run.code, reasons(run)[name]) == (0, "linked to shared/text")
    assert (repo / "shared/text").read_bytes() == b"mine: 1\n"


@pytest.mark.parametrize("end", ["/etc/hostname", "../outside.md", "nowhere", ".git/config"])
def test_any_other_link_is_refused_by_name(repo: Path, tmp_path: Path, end: str) -> None:
    write(tmp_path, {"outside.md": "not yours\n"})
    (repo / "CLAUDE.md").unlink()
    (repo / "CLAUDE.md").symlink_to(end)
    before = snapshot(repo, with_state=True)
    run = install(repo)
    assert (run.code, run.err.splitlines()[0]) == (1, "CLAUDE.md: is a symlink (expected a plain file)")
    assert snapshot(repo, with_state=True) == before
    assert (tmp_path / "outside.md").read_bytes() == b"not yours\n"


def test_a_block_that_became_a_link_is_drift_but_no_obstacle(repo: Path) -> None:
    install(repo)
    (repo / "CLAUDE.md").unlink()
    (repo / "CLAUDE.md").symlink_to("AGENTS.md")
    run = agentrail("verify", repo)
    assert (run.code, run.err.splitlines()[0]) == (4, "CLAUDE.md: linked to AGENTS.md")
    assert install(repo, "--json").json["result"] == "unchanged"
    assert agentrail("uninstall", repo).code == 0
    assert (repo / "CLAUDE.md").is_symlink()
