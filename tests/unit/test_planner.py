"""A plan is everything that a run does: what it shows is what is written, in a safe order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agentrail_runtime import planner
from agentrail_runtime.decision import Action, Change, Policy
from agentrail_runtime.entry import RelPath, State, sha256
from agentrail_runtime.errors import UnsafePathError
from agentrail_runtime.known import Known
from agentrail_runtime.planner import Plan
from tests.unit.support import HEX, OWNERSHIP, World

GITIGNORE = b"# Lock, journal and stash of agentrail stay out of version control.\n/state/\n"
SHIPPED = b"workflow:\n  task_root: .agentrail/work\n"
OWN = [".agentrail/.gitignore", ".agentrail/receipt.json", ".agentrail/work/.gitkeep"]
BUNDLE = {
    "AGENTS.md": b"<!-- agentrail:begin -->\nrules\n<!-- agentrail:end -->\n",
    "MEMORY.md": b"# Memory\n",
    "docs/guide.md": b"1\n2\n3\n",
    "project.profile.yaml": SHIPPED,
}


def installed(files: dict[str, bytes] | None = None) -> World:
    world = World(files)
    world.install(BUNDLE)
    return world


def paths(plan: Plan) -> list[str]:
    return [change.path for change in plan.changes]


def test_a_first_install_writes_the_bundle_and_its_own_files_and_no_more() -> None:
    world = World({"README.md": b"mine", "AGENTS.md": b"mine\n"})
    plan = world.install(BUNDLE)
    assert world.actions(plan) == {
        "AGENTS.md": "update",
        "MEMORY.md": "create",
        "docs/guide.md": "create",
        "project.profile.yaml": "create",
    }
    assert set(world.files) == {*BUNDLE, *OWN, "README.md"}
    assert world.files["AGENTS.md"] == b"mine\n" + BUNDLE["AGENTS.md"]
    assert world.files[".agentrail/.gitignore"] == GITIGNORE
    assert world.files[".agentrail/work/.gitkeep"] == b""


def test_a_second_install_writes_nothing_at_all() -> None:
    world = installed({"AGENTS.md": b"mine"})
    plan = world.install(BUNDLE)
    assert plan.changes == ()
    assert set(world.actions(plan).values()) == {"unchanged"}


class Counted(World):
    """A world that remembers which texts of the target were read."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        self.read: list[str] = []

    def current(self, path: RelPath) -> bytes:
        self.read.append(path)
        return super().current(path)


def test_a_second_install_reads_neither_the_receipt_nor_a_managed_file_again() -> None:
    world = Counted(installed().files)
    world.bundle = dict(BUNDLE)
    assert world.plan().changes == ()
    assert world.read == ["AGENTS.md", ".agentrail/.gitignore", ".agentrail/work/.gitkeep"]


def test_a_second_install_says_of_every_file_why_it_is_left_as_it_is() -> None:
    plan = installed().install(BUNDLE)
    assert [(action.path, action.ownership, action.reason) for action in plan.actions] == [
        ("AGENTS.md", "block", "block as delivered"),
        ("MEMORY.md", "seed", "as delivered"),
        ("docs/guide.md", "managed", "as delivered"),
        ("project.profile.yaml", "profile", "task root as set"),
    ]


def test_a_mode_that_the_user_changed_is_seen_in_a_second_install() -> None:
    world = installed()
    world.modes["docs/guide.md"] = 0o755
    assert world.actions(world.install(BUNDLE))["docs/guide.md"] == "keep"


def test_a_marker_that_was_lost_comes_back_with_a_second_install() -> None:
    world = installed()
    del world.files[".agentrail/work/.gitkeep"]
    assert paths(world.install(BUNDLE)) == [".agentrail/work/.gitkeep"]


def test_a_receipt_that_changes_between_plan_and_write_can_be_told() -> None:
    world = World()
    assert world.install(BUNDLE).receipt == State()
    assert world.install(BUNDLE).receipt == world.inspect(RelPath(".agentrail/receipt.json"))


def test_a_file_that_is_gone_on_all_sides_is_no_trouble_among_others() -> None:
    world = World()
    world.install({"a.md": b"1", "b.md": b"1", "c.md": b"1", "d.md": b"1"})
    del world.files["b.md"]
    del world.files["d.md"]
    plan = world.install({"a.md": b"1", "c.md": b"2"})
    assert world.actions(plan) == {"a.md": "unchanged", "c.md": "update"}
    assert world.receipt
    assert [record.path for record in world.receipt.records] == ["a.md", "c.md"]


def test_the_receipt_comes_last_and_the_profile_before_it() -> None:
    world = World()
    world.bundle = BUNDLE
    assert paths(world.plan()) == [
        ".agentrail/.gitignore",
        ".agentrail/work/.gitkeep",
        "AGENTS.md",
        "MEMORY.md",
        "docs/guide.md",
        "project.profile.yaml",
        ".agentrail/receipt.json",
    ]


def test_removals_come_before_writes_so_that_no_two_spellings_of_a_name_meet() -> None:
    names = ["tools/x", "b", "project.profile.yaml", "a", ".agentrail/receipt.json", "z"]
    changes = [
        Change(RelPath(name), State(), None if name == "z" else bytes, executable=None)
        for name in names
    ]
    assert [change.path for change in planner.in_order(changes)] == [
        "z",
        "a",
        "b",
        "tools/x",
        "project.profile.yaml",
        ".agentrail/receipt.json",
    ]


def test_an_uninstalled_receipt_goes_after_everything_else() -> None:
    gone = [Change(RelPath(name), State(), None) for name in (".agentrail/receipt.json", "z")]
    assert [change.path for change in planner.in_order(gone)] == ["z", ".agentrail/receipt.json"]


def test_the_receipt_tells_of_every_file_that_is_ours() -> None:
    receipt = installed({"MEMORY.md": b"mine"}).receipt
    assert receipt
    assert [(row.path, row.ownership) for row in receipt.records] == [
        ("AGENTS.md", "block"),
        ("docs/guide.md", "managed"),
        ("project.profile.yaml", "profile"),
    ]
    assert (receipt.source_kind, receipt.source_digest) == ("copy", f"sha256:{HEX}")
    assert (receipt.runtime_version, receipt.release_seq) == ("1.0.0", 1)


def test_keys_of_a_newer_installer_survive_in_the_receipt() -> None:
    world = installed()
    receipt = world.receipt
    assert receipt
    newer = receipt._replace(extra={"later": 1}, source_extra={"channel": "pilot"})
    world.files[".agentrail/receipt.json"] = newer.dump()
    world.install({**BUNDLE, "docs/new.md": b"new"})
    assert world.receipt
    assert (world.receipt.extra, world.receipt.source_extra) == ({"later": 1}, {"channel": "pilot"})


def test_an_upgrade_updates_removes_and_adds() -> None:
    world = installed()
    bundle = {key: data for key, data in BUNDLE.items() if key != "docs/guide.md"}
    plan = world.install({**bundle, "MEMORY.md": b"other", "tools/new.sh": b"new"})
    assert world.actions(plan) == {
        "AGENTS.md": "unchanged",
        "MEMORY.md": "unchanged",
        "docs/guide.md": "remove",
        "project.profile.yaml": "unchanged",
        "tools/new.sh": "create",
    }
    assert plan.emptied == ("docs",)
    assert "docs/guide.md" not in world.files


def test_directories_that_removals_may_leave_empty_are_named_but_never_ours() -> None:
    world = World()
    world.install({"a/b/c.md": b"1", "a/d.md": b"2", ".agentrail/x/y.md": b"3"})
    assert world.install({}).emptied == (".agentrail/x", "a", "a/b")


def test_one_conflict_is_told_and_nothing_would_be_written_of_it() -> None:
    world = World({"docs/guide.md": b"mine"})
    plan = world.install(BUNDLE)
    assert [action.path for action in plan.conflicts] == ["docs/guide.md"]
    assert world.files == {"docs/guide.md": b"mine"}


def test_actions_are_sorted_by_path() -> None:
    world = World()
    plan = world.install(dict.fromkeys(["b", "a/z", "A", "a-b", "c"], b""))
    assert [action.path for action in plan.actions] == sorted(action.path for action in plan.actions)


# --- what a transaction compares with -------------------------------------------------------------


def first_install() -> tuple[World, Plan]:
    world = World({"AGENTS.md": b"mine\n", "project.profile.yaml": b"a: 1\n"})
    world.bundle = dict(BUNDLE)
    return world, world.plan()


def upgrade() -> tuple[World, Plan]:
    world = installed()
    world.files["AGENTS.md"] += b"mine\n"
    world.bundle = {"AGENTS.md": b"new rules\n", "docs/new.md": b"new\n"}
    return world, world.plan()


def rename(policy: Policy = "abort") -> tuple[World, Plan]:
    world = World()
    world.install({"docs/old.md": b"1\n2\n"})
    world.files["docs/old.md"] = b"1\nmine\n"
    world.bundle = {"docs/new.md": b"1\n2\n"}
    return world, world.plan(policy)


def move() -> tuple[World, Plan]:
    world = installed()
    world.is_root_empty = True
    return world, world.plan(task_root="tasks")


def uninstall() -> tuple[World, Plan]:
    world = installed({"AGENTS.md": b"mine\n"})
    return world, world.removal()


@pytest.mark.parametrize(
    ("planned", "changes"),
    [
        (first_install, 7),
        (upgrade, 4),
        (rename, 3),
        (lambda: rename("overwrite"), 3),
        (move, 4),
        (uninstall, 7),
    ],
    ids=["first install", "upgrade", "rename", "rename, overwritten", "move", "uninstall"],
)
def test_a_file_that_changes_between_plan_and_write_can_be_told(
    planned: Callable[[], tuple[World, Plan]], changes: int
) -> None:
    world, plan = planned()
    assert {change.path: change.before for change in plan.changes} == {
        change.path: world.inspect(change.path) for change in plan.changes
    }
    assert len(plan.changes) == changes


# --- left by an earlier release -------------------------------------------------------------------


def copied_in(world: World, *known: str) -> Plan:
    """Return the plan of a first install where earlier releases had ``old`` at some paths."""
    files = {RelPath(path): frozenset({sha256(b"old\n")}) for path in known}
    return planner.build(
        receipt=None,
        index=world.index,
        digest=f"sha256:{HEX}",
        kind="copy",
        inspect=world.inspect,
        rules=world.rules()._replace(known=lambda: Known(files)),
    )


def test_what_an_earlier_release_left_and_this_one_has_not_is_removed() -> None:
    world = World({"docs/b.md": b"old\n", "docs/mine.md": b"mine\n", "docs/x.md": b"old\r\n"})
    world.bundle = {"docs/c.md": b"new\n"}
    plan = copied_in(world, "docs/b.md", "docs/gone.md", "docs/mine.md", "docs/x.md")
    why = "as an earlier release left it; removed by the framework"
    assert [(action.path, action.action, action.reason) for action in plan.actions] == [
        ("docs/b.md", "remove", why),
        ("docs/c.md", "create", "new"),
        ("docs/x.md", "remove", why),
    ]
    world.apply(plan)
    assert world.files["docs/mine.md"] == b"mine\n"
    assert "docs/b.md" not in world.files
    assert "docs/x.md" not in world.files


def test_a_file_that_still_ships_is_not_removed_under_another_spelling_of_its_name() -> None:
    world = World({"Docs/GUIDE.md": b"old\n"})
    world.bundle = {"docs/guide.md": b"new\n"}
    plan = copied_in(world, "Docs/GUIDE.md")
    assert world.actions(plan) == {"docs/guide.md": "create"}


@pytest.mark.parametrize("path", [".agentrail/.gitignore", ".agentrail/work/.gitkeep"])
def test_the_installer_s_own_files_are_not_taken_for_those_of_an_earlier_release(path: str) -> None:
    world = World({path: b"old\n"})
    world.bundle = {"docs/guide.md": b"new\n"}
    assert world.actions(copied_in(world, path)) == {"docs/guide.md": "create"}


# --- renames --------------------------------------------------------------------------------------

OLD, NEW_PATH = {"docs/old.md": b"1\n2\n"}, {"docs/new.md": b"1\n2\n"}


def renamed(current: bytes | None, *, mode: int = 0o644) -> tuple[World, Plan]:
    world = World()
    world.install(OLD)
    del world.files["docs/old.md"]
    if current is not None:
        world.files["docs/old.md"] = current
        world.modes["docs/old.md"] = mode
    return world, world.install(NEW_PATH)


def test_an_edit_moves_along_with_a_file_that_the_framework_renamed() -> None:
    world, plan = renamed(b"1\nmine\n")
    assert [(action.path, action.action, action.reason) for action in plan.actions] == [
        ("docs/new.md", "create", "renamed from docs/old.md, with the local edit"),
        ("docs/old.md", "remove", "renamed to docs/new.md"),
    ]
    assert "docs/old.md" not in world.files
    assert world.files["docs/new.md"] == b"1\nmine\n"
    assert world.receipt
    assert world.receipt.records[0].sha256 == sha256(b"1\n2\n")


def test_a_moved_edit_is_still_an_edit_in_the_next_run() -> None:
    world, _ = renamed(b"1\nmine\n")
    assert world.actions(world.install(NEW_PATH)) == {"docs/new.md": "keep"}
    assert world.install({"docs/new.md": b"1\n3\n"}).conflicts


def test_a_file_that_the_user_deleted_does_not_come_back_under_its_new_name() -> None:
    world, plan = renamed(None)
    assert [(action.path, action.action, action.reason) for action in plan.actions] == [
        ("docs/new.md", "keep", "deleted locally as docs/old.md"),
    ]
    assert "docs/new.md" not in world.files
    assert world.actions(world.install(NEW_PATH)) == {"docs/new.md": "keep"}


def test_a_renamed_file_that_nobody_edited_just_moves() -> None:
    world, plan = renamed(b"1\r\n2\r\n")
    assert world.actions(plan) == {"docs/new.md": "create", "docs/old.md": "remove"}
    assert world.files["docs/new.md"] == b"1\n2\n"


@pytest.mark.parametrize(("mode", "carried"), [(0o644, 0o644), (0o640, 0o640), (0o755, 0o755)])
def test_a_moved_edit_keeps_the_mode_that_the_user_gave_it(mode: int, carried: int) -> None:
    _, plan = renamed(b"1\nmine\n", mode=mode)
    created = next(change for change in plan.changes if change.path == "docs/new.md")
    assert created.mode == carried


def test_a_moved_edit_gets_the_mode_that_the_framework_changed() -> None:
    world = World()
    world.install(OLD)
    world.files["docs/old.md"] = b"mine\n"
    world.bundle, world.executable = dict(NEW_PATH), ("docs/new.md",)
    created = next(change for change in world.plan().changes if change.path == "docs/new.md")
    assert created.mode == 0o755


def test_a_moved_edit_is_no_longer_executable_where_the_framework_took_that_back() -> None:
    world = World()
    world.bundle, world.executable = dict(OLD), ("docs/old.md",)
    world.apply(world.plan())
    world.files["docs/old.md"] = b"mine\n"
    world.bundle = dict(NEW_PATH)
    created = next(change for change in world.plan().changes if change.path == "docs/new.md")
    assert (world.modes["docs/old.md"], created.mode) == (0o755, 0o644)


def test_overwrite_takes_the_renamed_file_as_it_is_and_the_stash_keeps_the_edit() -> None:
    world = World()
    world.install(OLD)
    world.files["docs/old.md"] = b"mine\n"
    plan = world.install(NEW_PATH, "overwrite")
    assert [(action.path, action.action, action.reason) for action in plan.actions] == [
        ("docs/new.md", "create", "new"),
        (
            "docs/old.md",
            "remove",
            "renamed to docs/new.md; edited locally; overwritten, the stash keeps it",
        ),
    ]
    assert [change.path for change in plan.changes if change.is_edited] == ["docs/old.md"]
    assert world.files["docs/new.md"] == b"1\n2\n"


def test_overwrite_brings_a_deleted_file_back_under_its_new_name() -> None:
    world = World()
    world.install(OLD)
    del world.files["docs/old.md"]
    plan = world.install(NEW_PATH, "overwrite")
    assert world.actions(plan) == {"docs/new.md": "create"}


def test_a_file_split_in_two_equal_ones_takes_the_edit_once() -> None:
    world = World()
    world.install(OLD)
    world.files["docs/old.md"] = b"mine\n"
    world.install({"docs/a.md": b"1\n2\n", "docs/b.md": b"1\n2\n"})
    assert (world.files["docs/a.md"], world.files["docs/b.md"]) == (b"mine\n", b"1\n2\n")


def test_a_file_that_the_framework_copied_keeps_the_edit_where_it_is() -> None:
    world = World()
    world.install(OLD)
    world.files["docs/old.md"] = b"mine\n"
    plan = world.install(OLD | NEW_PATH)
    assert world.actions(plan) == {"docs/new.md": "create", "docs/old.md": "keep"}
    assert (world.files["docs/old.md"], world.files["docs/new.md"]) == (b"mine\n", b"1\n2\n")


def test_an_edit_moves_along_whatever_else_the_bundle_has() -> None:
    world = World()
    world.install({**BUNDLE, **OLD})
    world.files["docs/old.md"] = b"mine\n"
    world.install({**BUNDLE, **NEW_PATH})
    assert world.files["docs/new.md"] == b"mine\n"


def test_two_equal_files_that_moved_take_their_edits_each() -> None:
    world = World()
    world.install({"a.md": b"1\n", "b.md": b"1\n"})
    world.files |= {"a.md": b"A\n", "b.md": b"B\n"}
    world.install({"x/a.md": b"1\n", "x/b.md": b"1\n"})
    assert (world.files["x/a.md"], world.files["x/b.md"]) == (b"A\n", b"B\n")


def test_an_edited_file_stays_where_the_new_name_is_taken() -> None:
    world = World({"docs/new.md": b"mine too\n"})
    world.install(OLD)
    world.files["docs/old.md"] = b"mine\n"
    plan = world.install(NEW_PATH)
    assert world.actions(plan) == {"docs/new.md": "conflict", "docs/old.md": "keep"}


def test_only_managed_files_are_known_by_their_bytes() -> None:
    world = World()
    world.install({"MEMORY.md": b"x"})
    world.files["MEMORY.md"] = b"mine"
    assert world.actions(world.install({"docs/x.md": b"x"})) == {
        "MEMORY.md": "keep",
        "docs/x.md": "create",
    }


# --- a class that changes -------------------------------------------------------------------------


def test_a_managed_file_that_becomes_a_block_keeps_what_the_user_has_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.install({"docs/rules.md": b"rules\n"})
    world.files["docs/rules.md"] += b"mine\n"
    monkeypatch.setitem(OWNERSHIP, "docs/rules.md", "block")
    plan = world.install({"docs/rules.md": b"new\n"})
    assert world.actions(plan) == {"docs/rules.md": "update"}
    assert world.files["docs/rules.md"].startswith(b"rules\nmine\n<!-- agentrail:begin -->\nnew\n")


def test_a_managed_file_that_becomes_a_seed_is_the_user_s_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.install({"docs/log.md": b"1\n"})
    world.files["docs/log.md"] = b"mine\n"
    monkeypatch.setitem(OWNERSHIP, "docs/log.md", "seed")
    world.install({"docs/log.md": b"2\n"})
    assert world.receipt
    assert world.receipt.records[0].ownership == "seed"
    assert [planner.is_drift(action) for action in world.check().actions] == [False]


# --- what stands in the way -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (State("link"), "is a symlink"),
        (State("link", place="other.md"), "is a symlink"),
        (State("directory"), "is a directory"),
        (State("special"), "is a special file"),
        (State("blocked", place="docs"), "lies under docs, which is no directory"),
    ],
)
@pytest.mark.parametrize("path", ["docs/guide.md", *OWN])
def test_nothing_is_written_through_what_is_no_plain_file(path: str, found: State, what: str) -> None:
    world = World()
    world.bundle, world.odd = dict(BUNDLE), {path: found}
    with pytest.raises(UnsafePathError) as caught:
        world.plan()
    expected = "is a symlink" if found.kind == "link" else what
    assert caught.value.message == f"{path}: {expected} (expected a plain file)"
    assert (caught.value.paths, caught.value.hint) == (
        (path,),
        "move what stands there away, then run the command again",
    )


def test_all_unsafe_paths_are_told_at_once() -> None:
    world = World()
    world.bundle = dict(BUNDLE)
    world.odd = {"docs/guide.md": State("link"), "MEMORY.md": State("directory")}
    with pytest.raises(UnsafePathError) as caught:
        world.plan()
    assert caught.value.paths == ("MEMORY.md", "docs/guide.md")
    assert caught.value.message == (
        "MEMORY.md: is a directory (expected a plain file)\n"
        "docs/guide.md: is a symlink (expected a plain file)"
    )


@pytest.mark.parametrize("path", ["AGENTS.md", "MEMORY.md", "project.profile.yaml"])
def test_a_link_to_another_file_of_the_user_s_stays_and_the_rest_is_installed(path: str) -> None:
    world = World()
    world.odd = {path: State("link", place="OTHER.md")}
    plan = world.install(BUNDLE)
    linked = Action(RelPath(path), "keep", OWNERSHIP[path], "linked to OTHER.md")
    assert linked in plan.actions
    assert path not in world.files


def test_a_directory_in_the_place_of_a_file_that_ships_no_more_is_left_alone() -> None:
    world = installed()
    world.odd = {"docs/guide.md": State("directory")}
    bundle = {key: data for key, data in BUNDLE.items() if key != "docs/guide.md"}
    assert world.actions(world.install(bundle))["docs/guide.md"] == "keep"


def test_a_symlink_above_a_file_that_ships_no_more_stops_the_run() -> None:
    world = installed()
    world.odd = {"docs/guide.md": State("blocked", place="docs")}
    with pytest.raises(UnsafePathError, match="lies under docs"):
        world.install({})


# --- task root and own files ----------------------------------------------------------------------


def test_the_records_of_a_first_install_are_where_the_contract_says() -> None:
    plan = installed({"project.profile.yaml": b"workflow: {task_root: work}\n"})
    assert plan.receipt
    assert plan.receipt.task_root == ".agentrail/work"
    assert plan.files["project.profile.yaml"] == b"workflow: {task_root: .agentrail/work}\n"


def test_a_plan_tells_where_the_records_were_until_now() -> None:
    world = World({"project.profile.yaml": b"workflow: {task_root: tasks}\n"})
    world.bundle = dict(BUNDLE)
    plan = world.plan()
    assert (plan.task_root, plan.previous_task_root) == (".agentrail/work", "tasks")


def test_a_plan_without_a_profile_takes_the_task_root_that_is_asked_for() -> None:
    world = World()
    plan = world.install({"a.md": b""}, task_root="tasks")
    assert (plan.task_root, plan.previous_task_root) == ("tasks", None)
    assert "tasks/.gitkeep" in world.files
    assert world.install({"a.md": b"2"}).task_root == "tasks"


def test_a_later_run_follows_the_profile() -> None:
    world = installed()
    world.files["project.profile.yaml"] = SHIPPED.replace(b".agentrail/work", b"tasks")
    plan = world.install(BUNDLE)
    assert (plan.task_root, plan.previous_task_root) == ("tasks", ".agentrail/work")
    assert "tasks/.gitkeep" in world.files


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, GITIGNORE),
        (b"", GITIGNORE),
        (b"*.log\n", b"*.log\n" + GITIGNORE),
        (b"*.log", b"*.log\n" + GITIGNORE),
        (b"*.log\r\n", b"*.log\r\n" + GITIGNORE.replace(b"\n", b"\r\n")),
        (b"/state/\n", b"/state/\n"),
        (b"a\nstate/", b"a\nstate/"),
        (GITIGNORE.replace(b"\n", b"\r\n"), GITIGNORE.replace(b"\n", b"\r\n")),
        (b"# not /state/x\n", b"# not /state/x\n" + GITIGNORE),
    ],
)
def test_the_stash_stays_out_of_version_control_and_the_user_s_rules_stay(
    before: bytes | None, after: bytes
) -> None:
    world = World({} if before is None else {".agentrail/.gitignore": before})
    world.install(BUNDLE)
    assert world.files[".agentrail/.gitignore"] == after


def test_a_comment_about_the_rule_is_not_taken_for_the_rule() -> None:
    world = World({".agentrail/.gitignore": b"# /state/ was here\n"})
    world.install(BUNDLE)
    assert world.files[".agentrail/.gitignore"].endswith(b"\n/state/\n")


@pytest.mark.parametrize(
    ("is_empty", "marker", "stays"), [(True, b"", False), (False, b"", True), (True, b"mine", True)]
)
def test_a_former_task_root_goes_only_when_nothing_of_the_user_s_is_in_it(
    is_empty: bool, marker: bytes, stays: bool
) -> None:
    world = installed()
    world.files[".agentrail/work/.gitkeep"] = marker
    world.is_root_empty = is_empty
    plan = world.install(BUNDLE, task_root="tasks")
    assert (".agentrail/work/.gitkeep" in world.files) is stays
    assert (plan.emptied == (".agentrail/work",)) is not stays


def test_a_former_task_root_that_is_gone_is_no_trouble() -> None:
    world = installed()
    del world.files[".agentrail/work/.gitkeep"]
    world.is_root_empty = True
    assert world.install(BUNDLE, task_root="tasks").emptied == ()


def test_the_empty_task_root_of_an_unmoved_target_stays() -> None:
    world = installed()
    world.is_root_empty = True
    assert world.install(BUNDLE).changes == ()


def test_a_marker_that_the_bundle_brings_is_written_once() -> None:
    world = World()
    plan = world.install({".agentrail/work/.gitkeep": b"theirs\n"})
    assert paths(plan).count(".agentrail/work/.gitkeep") == 1
    assert world.files[".agentrail/work/.gitkeep"] == b"theirs\n"
    assert world.install(world.bundle).changes == ()


def test_a_marker_that_the_bundle_brings_stays_when_the_task_root_moves() -> None:
    world = World()
    world.install({".agentrail/work/.gitkeep": b""})
    world.is_root_empty = True
    world.install(world.bundle, task_root="tasks")
    assert [planner.is_drift(action) for action in world.check().actions] == [False]


@pytest.mark.parametrize("task_root", ["docs/guide.md", "docs/guide.md/tasks", "Docs/GUIDE.md"])
def test_a_task_root_in_the_place_of_a_file_of_ours_is_refused(task_root: str) -> None:
    world = World()
    world.bundle = {"docs/guide.md": b"1\n"}
    with pytest.raises(UnsafePathError, match=f"^{task_root}: cannot hold task records: ") as caught:
        world.plan(task_root=task_root)
    assert caught.value.paths == ("docs/guide.md",)
    assert caught.value.hint == "name another directory with --task-root PATH"


def test_a_gitkeep_of_the_user_s_is_not_emptied() -> None:
    world = World({".agentrail/work/.gitkeep": b"keep me"})
    world.install(BUNDLE)
    assert world.files[".agentrail/work/.gitkeep"] == b"keep me"


def test_a_receipt_that_was_checked_out_with_crlf_is_no_reason_to_write() -> None:
    world = installed()
    receipt = world.files[".agentrail/receipt.json"].replace(b"\n", b"\r\n")
    world.files[".agentrail/receipt.json"] = receipt
    assert world.install(BUNDLE).changes == ()


# --- uninstall ------------------------------------------------------------------------------------


def test_an_uninstall_gives_back_the_target_from_before() -> None:
    before = {"AGENTS.md": b"mine", "project.profile.yaml": b"workflow: {task_root: work}\n", "x": b"x"}
    world = installed(before)
    world.apply(world.removal())
    assert world.files == before


def test_an_uninstall_of_what_we_created_leaves_nothing() -> None:
    world = installed()
    plan = world.removal()
    world.apply(plan)
    assert world.files == {}
    assert plan.emptied == (".agentrail/work", "docs")


def test_an_uninstall_keeps_and_names_what_was_edited() -> None:
    world = installed()
    world.files |= {"docs/guide.md": b"mine", "MEMORY.md": b"mine"}
    plan = world.removal()
    world.apply(plan)
    assert world.files == {"docs/guide.md": b"mine", "MEMORY.md": b"mine"}
    assert [action.path for action in plan.actions if action.action == "keep"] == [
        "MEMORY.md",
        "docs/guide.md",
    ]


def test_an_uninstall_leaves_the_task_root_with_its_records() -> None:
    world = installed()
    assert ".agentrail/work/.gitkeep" not in paths(world.removal(has_records=True))


def test_an_uninstall_leaves_a_gitkeep_with_something_in_it() -> None:
    world = installed()
    world.files[".agentrail/work/.gitkeep"] = b"mine"
    assert ".agentrail/work/.gitkeep" not in paths(world.removal())


def test_an_uninstall_removes_a_marker_that_the_bundle_brought_once() -> None:
    world = World()
    world.install({".agentrail/work/.gitkeep": b""})
    assert paths(world.removal()).count(".agentrail/work/.gitkeep") == 1


def test_an_uninstall_and_a_verify_say_where_the_records_are() -> None:
    world = World()
    world.install({"a.md": b""}, task_root="tasks")
    assert (world.removal().task_root, world.check().task_root) == ("tasks", "tasks")


def test_a_stash_that_stays_stays_out_of_version_control() -> None:
    world = installed()
    assert ".agentrail/.gitignore" not in paths(world.removal(keeps_state=True))


@pytest.mark.parametrize(
    ("rules", "goes"),
    [
        (GITIGNORE, True),
        (GITIGNORE.replace(b"\n", b"\r\n"), True),
        (GITIGNORE + b"*.log\n", False),
        (None, False),
    ],
)
def test_an_uninstall_leaves_rules_that_the_user_added(rules: bytes | None, goes: bool) -> None:
    world = installed()
    del world.files[".agentrail/.gitignore"]
    if rules is not None:
        world.files[".agentrail/.gitignore"] = rules
    assert (".agentrail/.gitignore" in paths(world.removal())) is goes


# --- verify ---------------------------------------------------------------------------------------


def test_a_verify_of_a_fresh_install_finds_nothing() -> None:
    plan = installed({"AGENTS.md": b"mine"}).check()
    assert (plan.changes, [action for action in plan.actions if planner.is_drift(action)]) == ((), [])


def test_a_verify_says_of_every_file_how_it_stands() -> None:
    assert [(action.path, action.action, action.reason) for action in installed().check().actions] == [
        ("AGENTS.md", "unchanged", "block as delivered"),
        ("MEMORY.md", "unchanged", "yours"),
        ("docs/guide.md", "unchanged", "as delivered"),
        ("project.profile.yaml", "unchanged", "yours, task root apart"),
    ]


def test_a_verify_names_a_mode_that_the_user_changed() -> None:
    world = installed()
    world.modes["docs/guide.md"] = 0o755
    drift = [action for action in world.check().actions if planner.is_drift(action)]
    assert [(action.path, action.reason) for action in drift] == [
        ("docs/guide.md", "mode changed locally")
    ]


def test_a_verify_names_what_differs_and_not_what_is_the_user_s() -> None:
    world = installed()
    world.files["docs/guide.md"] = b"mine"
    world.files["MEMORY.md"] = b"mine"
    del world.files["AGENTS.md"]
    drift = [action.path for action in world.check().actions if planner.is_drift(action)]
    assert drift == ["AGENTS.md", "docs/guide.md"]


def test_a_seed_that_became_a_link_is_the_user_s_choice_and_no_drift() -> None:
    world = installed()
    world.odd = {"MEMORY.md": State("link", place="NOTES.md")}
    plan = world.check()
    assert world.actions(plan)["MEMORY.md"] == "keep"
    assert [action.path for action in plan.actions if planner.is_drift(action)] == []


@pytest.mark.parametrize(
    ("path", "is_own"),
    [
        (".agentrail/receipt.json", True),
        (".agentrail/.gitignore", True),
        ("tasks/.gitkeep", True),
        (".gitkeep", False),
        (".agentrail/work/x.md", False),
        (".gitignore", False),
    ],
)
def test_reports_leave_out_the_installer_s_own_files(path: str, is_own: bool) -> None:
    assert planner.is_own(RelPath(path)) is is_own


def test_the_marker_of_the_task_root_lies_in_it() -> None:
    assert planner.keep_path(RelPath("a/b")) == "a/b/.gitkeep"
