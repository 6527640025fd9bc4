"""What an older copy installer left, and a release that knows what earlier ones delivered."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from agentrail_runtime.entry import INDEX_NAME, Ownership, sha256
from agentrail_runtime.known import KNOWN_NAME
from tests.scenario.story import (
    actions,
    agentrail,
    files,
    install,
    reasons,
    receipt,
)
from tests.support import make_bundle, make_repo, snapshot, write

MANIFEST = """\
schema_version: "1.1.0"
output_root: dist/runtime
include_paths: [AGENTS.md, CLAUDE.md, docs, project.profile.yaml]
seed_files: ["MEMORY.md => MEMORY.md"]
block_files: [AGENTS.md, CLAUDE.md]
profile_files: [project.profile.yaml]
"""
PROFILE = """\
schema_version: 2.0.0
project: {name: x}
workflow:
  task_root: %s
  runtime_root: %s
"""
LEFT = "as an earlier release left it"
BEGIN, END = "<!-- agentrail:begin -->\n", "<!-- agentrail:end -->"
GITKEEP = ".agentrail/work/.gitkeep"
RECEIPT = ".agentrail/receipt.json"

OLD = {
    "AGENTS.md": "old rules\n",
    "CLAUDE.md": f"{BEGIN}old pointer\n{END}\n",
    "MEMORY.md": "old memory\n",
    "docs/equal.md": "equal\n",
    "docs/changed.md": "old\ntext\n",
    "docs/edited.md": "old\n",
    "docs/gone.md": "gone\n",
    "docs/gone-too/edited.md": "gone, too\n",
    "project.profile.yaml": PROFILE % ("work", "work"),
}
NEW = {
    "AGENTS.md": f"{BEGIN}new rules\n{END}\n",
    "CLAUDE.md": f"{BEGIN}new pointer\n{END}\n",
    "MEMORY.md": "new memory\n",
    "docs/equal.md": "equal\n",
    "docs/changed.md": "new\ntext\n",
    "docs/edited.md": "new\n",
    "docs/more.md": "more\n",
    "project.profile.yaml": PROFILE % (".agentrail/work", ".agentrail/work"),
}


def framework(root: Path, texts: dict[str, str]) -> Path:
    """Return a framework repository."""
    write(root, {"framework.runtime.manifest.yaml": MANIFEST, **texts})
    return root


@pytest.fixture(params=["with an index", "without an index"])
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What the earlier release was, as its export or the older one made it."""
    root = tmp_path / "earlier"
    if request.param == "without an index":
        write(root, OLD)
        return root
    words = ("--runtime-version", "0.9.0", "--release-seq", "0", "-q")
    old = framework(tmp_path / "old", OLD)
    assert agentrail("export", "--root", old, "--output", root, *words).code == 0
    return root


def export(root: Path, earlier: Path) -> Path:
    """Return a bundle of the new release that knows the earlier one."""
    new = framework(root / "new", NEW)
    words = ("--root", new, "--output", root / "bundle", "--earlier", earlier, "-q")
    assert agentrail("export", *words).code == 0
    return root / "bundle"


@pytest.fixture
def bundle(tmp_path: Path, earlier: Path) -> Path:
    """The new release, which knows the earlier one."""
    return export(tmp_path, earlier)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A repository as the older installer left it: the old files, its profile edited by it."""
    root = make_repo(tmp_path / "filled", {"README.md": "mine\n"})
    write(root, OLD)
    profile = PROFILE % (".agentrail/work", ".agentrail/work")
    write(root, {"project.profile.yaml": profile, GITKEEP: ""})
    return root


def test_what_an_older_installer_left_is_adopted_without_a_question(filled: Path, bundle: Path) -> None:
    run = install(filled, "--json", bundle=bundle)
    assert run.code == 0
    assert actions(run) == {
        "AGENTS.md": "update",
        "CLAUDE.md": "update",
        "MEMORY.md": "keep",
        "docs/changed.md": "update",
        "docs/edited.md": "update",
        "docs/equal.md": "unchanged",
        "docs/gone-too/edited.md": "remove",
        "docs/gone.md": "remove",
        "docs/more.md": "create",
        "project.profile.yaml": "unchanged",
    }
    told = reasons(run)
    assert {told[name] for name in ("AGENTS.md", "CLAUDE.md", "docs/changed.md")} == {LEFT}
    assert told["docs/gone.md"] == f"{LEFT}; removed by the framework"
    assert run.json["summary"] == {
        "create": 1,
        "update": 4,
        "merge": 0,
        "remove": 2,
        "unchanged": 2,
        "keep": 1,
        "conflict": 0,
    }
    for name in ("AGENTS.md", "CLAUDE.md", "docs/changed.md", "docs/equal.md", "docs/more.md"):
        assert (filled / name).read_text() == NEW[name]
    assert files(filled) == {*NEW, "README.md", GITKEEP, ".agentrail/.gitignore", RECEIPT}
    assert not (filled / "docs/gone-too").exists()


def test_it_is_clean_afterwards_and_a_second_run_writes_nothing(filled: Path, bundle: Path) -> None:
    install(filled, bundle=bundle)
    assert agentrail("verify", filled).code == 0
    assert {row["path"] for row in receipt(filled)["entries"]} == {*NEW} - {"MEMORY.md"}
    before = snapshot(filled, with_state=True, with_times=True)
    assert install(filled, "--json", bundle=bundle).json["result"] == "unchanged"
    assert snapshot(filled, with_state=True, with_times=True) == before


def test_an_adopted_repository_is_what_a_fresh_install_makes(
    filled: Path, bundle: Path, tmp_path: Path
) -> None:
    other = make_repo(tmp_path / "other", {"README.md": "mine\n", "MEMORY.md": OLD["MEMORY.md"]})
    install(filled, bundle=bundle)
    install(other, bundle=bundle)
    adopted, fresh = snapshot(filled), snapshot(other)
    # The receipt knows that the profile was there before, and stays after an uninstall.
    assert {name for name in adopted if adopted[name] != fresh.pop(name)} == {RECEIPT}
    assert fresh == {}


def test_a_rollback_restores_every_file_that_was_there(filled: Path, bundle: Path) -> None:
    before = snapshot(filled)
    install(filled, bundle=bundle)
    assert agentrail("rollback", filled).code == 0
    assert snapshot(filled) == before


def test_a_dry_run_tells_what_the_run_does(filled: Path, bundle: Path) -> None:
    before = snapshot(filled, with_state=True, with_times=True)
    planned = install(filled, "--json", "--dry-run", bundle=bundle).json
    assert snapshot(filled, with_state=True, with_times=True) == before
    done = install(filled, "--json", bundle=bundle).json
    assert (planned["actions"], planned["summary"]) == (done["actions"], done["summary"])


def test_a_diff_shows_what_becomes_of_the_earlier_text(filled: Path, bundle: Path) -> None:
    run = install(filled, "--diff", bundle=bundle)
    assert (run.code, "-old\n+new\n" in run.out) == (0, True)
    assert "-gone\n" in run.out


def test_the_rest_are_conflicts_by_name_and_nothing_is_written(filled: Path, bundle: Path) -> None:
    write(filled, {"docs/edited.md": "mine\n"})
    before = snapshot(filled, with_state=True, with_times=True)
    run = install(filled, "--json", bundle=bundle)
    assert (run.code, run.json["error"]["paths"]) == (3, ["docs/edited.md"])
    assert snapshot(filled, with_state=True, with_times=True) == before


@pytest.mark.parametrize("name", ["docs/gone.md", "docs/gone-too/edited.md"])
def test_a_file_that_is_shipped_no_more_stays_where_the_user_edited_it(
    filled: Path, bundle: Path, name: str
) -> None:
    write(filled, {name: "mine\n"})
    run = install(filled, "--json", bundle=bundle)
    assert (run.code, name in actions(run), (filled / name).read_text()) == (0, False, "mine\n")


def test_a_seed_is_the_users_whatever_is_known_of_it(filled: Path, bundle: Path) -> None:
    known = json.loads((bundle / KNOWN_NAME).read_bytes())["files"]
    assert "MEMORY.md" not in known
    install(filled, bundle=bundle)
    assert (filled / "MEMORY.md").read_text() == OLD["MEMORY.md"]


def test_a_file_that_the_user_made_beside_them_is_nobody_elses(filled: Path, bundle: Path) -> None:
    write(filled, {"docs/gone-too/mine.md": "gone\n"})
    install(filled, bundle=bundle)
    assert (filled / "docs/gone-too/mine.md").read_text() == "gone\n"


# --- line ends ---------------------------------------------------------------------------------------


def test_a_checkout_in_crlf_is_recognised_and_stays_in_crlf(filled: Path, bundle: Path) -> None:
    for name in OLD:
        path = filled / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    run = install(filled, "--json", bundle=bundle)
    assert (run.code, run.json["summary"]["conflict"]) == (0, 0)
    for name in ("AGENTS.md", "CLAUDE.md", "docs/changed.md", "docs/edited.md"):
        assert (filled / name).read_bytes() == NEW[name].replace("\n", "\r\n").encode()
    assert not (filled / "docs/gone.md").exists()
    assert agentrail("verify", filled).code == 0


# --- blocks ------------------------------------------------------------------------------------------


def test_an_earlier_block_between_the_users_own_lines_is_replaced(filled: Path, bundle: Path) -> None:
    write(filled, {"CLAUDE.md": f"mine\n\n{OLD['CLAUDE.md']}\nmine, too\n"})
    run = install(filled, "--json", bundle=bundle)
    assert (run.code, reasons(run)["CLAUDE.md"]) == (0, LEFT)
    assert (filled / "CLAUDE.md").read_text() == f"mine\n\n{NEW['CLAUDE.md']}\nmine, too\n"


def test_an_earlier_text_that_had_no_markers_then_is_known_between_markers(
    filled: Path, bundle: Path
) -> None:
    write(filled, {"AGENTS.md": f"mine\n{BEGIN}{OLD['AGENTS.md']}{END}\n"})
    run = install(filled, "--json", bundle=bundle)
    assert (run.code, reasons(run)["AGENTS.md"]) == (0, LEFT)
    assert (filled / "AGENTS.md").read_text() == f"mine\n{NEW['AGENTS.md']}"


def test_an_edited_block_is_a_conflict_by_name(filled: Path, bundle: Path) -> None:
    write(filled, {"CLAUDE.md": f"{BEGIN}edited\n{END}\n"})
    run = install(filled, "--json", bundle=bundle)
    assert (run.code, run.json["error"]["paths"]) == (3, ["CLAUDE.md"])


def test_a_text_without_markers_that_the_user_went_on_with_stays_and_gets_the_block(
    filled: Path, bundle: Path
) -> None:
    write(filled, {"AGENTS.md": f"{OLD['AGENTS.md']}mine\n"})
    assert install(filled, bundle=bundle).code == 0
    assert (filled / "AGENTS.md").read_text() == f"{OLD['AGENTS.md']}mine\n{NEW['AGENTS.md']}"


def test_a_block_of_one_who_has_a_receipt_is_judged_by_that_alone(filled: Path, bundle: Path) -> None:
    install(filled, bundle=bundle)
    write(filled, {"docs/changed.md": OLD["docs/changed.md"], "CLAUDE.md": OLD["CLAUDE.md"]})
    run = install(filled, "--json", bundle=bundle)
    assert (run.code, actions(run)["docs/changed.md"], actions(run)["CLAUDE.md"]) == (0, "keep", "keep")


# --- the task root -----------------------------------------------------------------------------------


def test_records_under_an_earlier_task_root_stay_and_are_counted(filled: Path, bundle: Path) -> None:
    write(filled, {"project.profile.yaml": OLD["project.profile.yaml"]})
    write(filled, {"work/2024-01-01__task/state.json": "{}\n"})
    run = install(filled, bundle=bundle)
    assert "work: 1 task record stays there" in run.err
    assert (filled / "project.profile.yaml").read_text() == NEW["project.profile.yaml"]


def test_a_gitkeep_that_an_earlier_release_shipped_is_not_taken_away(
    filled: Path, earlier: Path, tmp_path: Path
) -> None:
    write(tmp_path / "first", {GITKEEP: "", **OLD})
    run = install(filled, "--json", bundle=export(tmp_path / "second", tmp_path / "first"))
    assert (run.code, GITKEEP in actions(run)) == (0, False)
    assert (filled / GITKEEP).exists()
    assert agentrail("verify", filled).code == 0


# --- what may stand at a path that is known ---------------------------------------------------------


@pytest.mark.parametrize("what", ["a symlink", "a directory", "nothing", "below a symlink"])
def test_what_is_no_file_is_left_where_it_is(
    filled: Path, bundle: Path, tmp_path: Path, what: str
) -> None:
    path = filled / "docs/gone.md"
    path.unlink()
    if what == "a symlink":
        path.symlink_to("equal.md")
    elif what == "a directory":
        path.mkdir()
    elif what == "below a symlink":
        shutil.rmtree(filled / "docs/gone-too")
        write(tmp_path / "elsewhere", {"edited.md": OLD["docs/gone-too/edited.md"]})
        (filled / "docs/gone-too").symlink_to(tmp_path / "elsewhere")
    run = install(filled, "--json", bundle=bundle)
    assert (run.code, "docs/gone.md" in actions(run)) == (0, False)
    assert path.is_symlink() is (what == "a symlink")
    assert path.is_dir() is (what == "a directory")
    if what == "below a symlink":
        assert (tmp_path / "elsewhere/edited.md").exists()


def test_a_name_that_differs_in_case_alone_from_a_delivered_file_is_not_removed(tmp_path: Path) -> None:
    bundle = known_bundle(tmp_path / "b", {"docs/Guide.md": [sha256(b"old\n")]})
    write(tmp_path / "t", {"docs/Guide.md": "old\n"})
    run = install(tmp_path / "t", "--json", bundle=bundle)
    assert (run.code, actions(run)) == (0, {"docs/guide.md": "create"})
    assert (tmp_path / "t/docs/Guide.md").read_text() == "old\n"


# --- a list that is damaged or hostile --------------------------------------------------------------


def known_bundle(root: Path, known: object, ownership: Ownership = "managed") -> Path:
    """Return a bundle of one guide that says `known` of earlier releases, or just these bytes."""
    make_bundle(root, {"docs/guide.md": "new\n"}, ownership={"docs/guide.md": ownership})
    document = {"schema_version": "1.0", "files": known}
    data = known if isinstance(known, bytes) else json.dumps(document).encode()
    (root / KNOWN_NAME).write_bytes(data)
    index = json.loads((root / INDEX_NAME).read_bytes())
    index["metadata"] = [{"path": KNOWN_NAME, "sha256": sha256(data), "size": len(data)}]
    (root / INDEX_NAME).write_text(json.dumps(index))
    return root


HEX = "ab" * 32


@pytest.mark.parametrize(
    "known",
    [
        b"",
        b"\xff\0",
        b"[" * 100_000,
        b'{"schema_version": "2.0", "files": {}}',
        b'{"schema_version": "1.0"}',
        ["docs/guide.md"],
        {"docs/guide.md": HEX},
        {"docs/guide.md": ["AB" * 32]},
        {"docs/guide.md": [1]},
        {"docs/guide.md": [[HEX]]},
        {"../outside": [HEX]},
        {"/etc/passwd": [HEX]},
        {".git/config": [HEX]},
        {".agentrail/receipt.json": [HEX]},
        {".agentrail/state/lock": [HEX]},
        {".AgentRail/.gitignore": [HEX]},
        {"": [HEX]},
        {"a\0b": [HEX]},
    ],
    ids=lambda known: repr(known)[:40],
)
def test_a_list_that_is_none_is_refused_before_anything_is_written(
    tmp_path: Path, known: object
) -> None:
    bundle = known_bundle(tmp_path / "b", known)
    write(tmp_path / "t", {"docs/guide.md": "mine\n"})
    before = snapshot(tmp_path / "t", with_state=True, with_times=True)
    run = install(tmp_path / "t", "--json", bundle=bundle)
    assert (run.code, run.json["error"]["paths"]) == (6, [KNOWN_NAME])
    assert snapshot(tmp_path / "t", with_state=True, with_times=True) == before


def test_a_list_that_was_altered_is_refused(filled: Path, bundle: Path) -> None:
    text = (bundle / KNOWN_NAME).read_text()
    (bundle / KNOWN_NAME).write_text(text.replace("docs/gone.md", "docs/done.md"))
    run = install(filled, bundle=bundle)
    assert (run.code, f"{KNOWN_NAME}: altered" in run.err) == (6, True)


def test_a_bundle_without_a_list_knows_nothing(filled: Path, bundle: Path) -> None:
    (bundle / KNOWN_NAME).unlink()
    index = json.loads((bundle / INDEX_NAME).read_bytes())
    index["metadata"] = [row for row in index["metadata"] if row["path"] != KNOWN_NAME]
    (bundle / INDEX_NAME).write_text(json.dumps(index))
    run = install(filled, "--json", bundle=bundle)
    assert (run.code, run.json["error"]["paths"]) == (
        3,
        ["CLAUDE.md", "docs/changed.md", "docs/edited.md"],
    )


def test_a_large_file_is_compared_as_it_is(tmp_path: Path) -> None:
    text = b"a\r\n" * (6 << 20)
    known = {"docs/guide.md": [sha256(text.replace(b"\r\n", b"\n"))]}
    bundle = known_bundle(tmp_path / "b", known)
    write(tmp_path / "t", {"docs/guide.md": text})
    assert install(tmp_path / "t", bundle=bundle).code == 3
