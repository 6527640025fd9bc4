"""``--fast`` says what a run without it says, whatever was changed, and it never costs a file."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest

from agentrail_runtime import child, route
from agentrail_runtime.entry import INDEX_NAME, SIGNATURE_NAME, RelPath
from agentrail_runtime.operation import fast
from agentrail_runtime.operation import install as operation
from agentrail_runtime.operation.fast import Memory
from agentrail_runtime.outcome import Outcome
from agentrail_runtime.signing import sign
from agentrail_runtime.target import Target
from tests.channel_support import make_key
from tests.scenario.story import GUIDE, MINE, NEXT, agentrail, guide, install
from tests.support import Node, Run, git, make_bundle, snapshot, write

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="Windows opens nothing from a directory on"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),  # threads of pytest-xdist wait
]
STATE = ".agentrail/state"
CACHE = f"{STATE}/stat-cache"
BESIDE = f"{STATE}/.stat-cache.new"
RECEIPT = ".agentrail/receipt.json"
Edit = Callable[[Path], object]


@pytest.fixture(autouse=True)
def _without_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what only a power failure would show."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class Fast(NamedTuple):
    """A run with ``--fast``, and whether it looked at nothing but stat data."""

    run: Run
    is_recalled: bool


def run_fast(root: Path, *words: str | Path, bundle: Path | None = None) -> Fast:
    recalled: list[Outcome | None] = []
    recall = Memory.recall

    def watch(self: Memory) -> Outcome | None:
        recalled.append(recall(self))
        return recalled[-1]

    with mock.patch.object(Memory, "recall", watch):
        run = install(root, "--fast", "--json", *words, bundle=bundle)
    assert "Traceback" not in run.err
    return Fast(run, any(recalled))


def everything(root: Path) -> dict[str, Node]:
    return snapshot(root, with_state=True, with_times=True)


def wait_a_tick() -> None:
    """Let the clock of the file system go on, so that what was written is not racy."""
    time.sleep(0.03)


def put(root: Path, bundle: Path, *words: str | Path) -> None:
    """Install, and let --fast remember it, with nothing racy."""
    assert install(root, *words, bundle=bundle).code == 0
    wait_a_tick()
    assert not run_fast(root, *words, bundle=bundle).is_recalled
    assert run_fast(root, *words, bundle=bundle).is_recalled


@pytest.fixture
def root(tmp_path: Path, v1: Path) -> Path:
    """A target, remembered; no git repository, which takes longer to make."""
    write(tmp_path / "target", {"README.md": "mine"})
    put(tmp_path / "target", v1)
    return tmp_path / "target"


# --- nothing changed -------------------------------------------------------------------------------


def test_a_second_and_a_third_run_write_nothing_and_say_what_a_full_run_says(
    repo: Path, route: tuple[str | Path, ...]
) -> None:
    assert install(repo, *route).code == 0
    git(repo, "add", "-A")
    wait_a_tick()
    text, told = install(repo, *route), install(repo, *route, "--json")
    assert run_fast(repo, *route) == (told, False)
    before = everything(repo)
    for _ in range(2):
        assert run_fast(repo, *route) == (told, True)
        assert install(repo, *route, "--fast") == text
    assert everything(repo) == before
    git(repo, "commit", "-q", "-m", "agentrail")
    assert git(repo, "status", "--porcelain", "--untracked-files=all") == ""


def test_what_was_just_installed_is_remembered(repo: Path, v1: Path, v2: Path) -> None:
    for bundle in (v1, v2):
        first = run_fast(repo, bundle=bundle)
        assert (first.run.json["result"], first.is_recalled) == ("applied", False)
        again = run_fast(repo, bundle=bundle)
        assert (again.run.json["result"], again.is_recalled) == ("unchanged", True)


def test_what_the_user_did_is_remembered_as_it_is(root: Path, v1: Path) -> None:
    write(root, {GUIDE: MINE})
    (root / "docs/beside.md").unlink()
    wait_a_tick()
    told = install(root, "--json", bundle=v1)
    assert {row["reason"] for row in told.json["actions"]} == {"edited locally", "deleted locally"}
    assert run_fast(root, bundle=v1) == (told, False)
    assert run_fast(root, bundle=v1) == (told, True)
    write(root, {"docs/beside.md": "beside\n"})
    wait_a_tick()
    back = run_fast(root, bundle=v1)
    assert back == (install(root, "--json", bundle=v1), False)
    assert back.run.json["summary"]["unchanged"] == 1


def test_a_target_that_was_moved_is_told_of_where_it_is(root: Path, v1: Path, tmp_path: Path) -> None:
    shutil.move(root, tmp_path / "moved")
    found = run_fast(tmp_path / "moved", bundle=v1)
    assert (found.run.json["target"], found.is_recalled) == (str(tmp_path / "moved"), True)


@pytest.mark.parametrize("words", [("--dry-run",), ("--check",)])
@pytest.mark.parametrize("is_touched", [False, True])
def test_looking_reads_what_is_remembered_and_writes_nothing(
    root: Path, v1: Path, words: tuple[str, ...], is_touched: bool
) -> None:
    if is_touched:
        os.utime(root / GUIDE)
    before = everything(root)
    found = run_fast(root, *words, bundle=v1)
    assert found == (install(root, "--json", *words, bundle=v1), True)
    assert everything(root) == before


def test_touched_files_are_read_once_and_trusted_again(root: Path, v1: Path) -> None:
    os.utime(root / GUIDE, ns=(0, 0))
    os.utime(root / RECEIPT, ns=(0, 0))
    wait_a_tick()
    read = []
    for _ in range(2):
        with mock.patch.object(Target, "inspect", autospec=True, side_effect=Target.inspect) as inspect:
            assert run_fast(root, bundle=v1).is_recalled
        read.append({call.args[1] for call in inspect.call_args_list} & {GUIDE, RECEIPT})
    assert read == [{GUIDE, RECEIPT}, set()]


def test_two_processes_find_what_one_finds(
    root: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(fast, "_WORTH_IT", 1)
    with mock.patch.object(child, "begin", wraps=child.begin) as begin:
        assert run_fast(root, bundle=v1).is_recalled
    assert begin.called
    write(root, {GUIDE: MINE})
    assert not run_fast(root, bundle=v1).is_recalled


# --- something changed -----------------------------------------------------------------------------


def edit_unseen(root: Path) -> None:
    """Change a byte, and put the time back."""
    path = root / GUIDE
    times = path.stat()
    path.write_bytes(path.read_bytes().replace(b"one", b"two", 1))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def link(root: Path) -> None:
    shutil.move(root / GUIDE, root / "away.md")
    (root / GUIDE).symlink_to("../away.md")


def link_above(root: Path) -> None:
    shutil.move(root / "docs", root / "away")
    (root / "docs").symlink_to("away")


def replace(root: Path, make: Callable[[Path], object]) -> None:
    (root / GUIDE).unlink()
    make(root / GUIDE)


def forge_receipt(root: Path) -> None:
    data = (root / RECEIPT).read_bytes()
    write(root, {RECEIPT: data.replace(b'"runtime_version": "1.0.0"', b'"runtime_version": "0.9.0"')})


EDITS: dict[str, Edit] = {
    "edited, with size and time as before": edit_unseen,
    "deleted": lambda root: (root / GUIDE).unlink(),
    "mode": lambda root: (root / GUIDE).chmod(0o755),
    "symlink": link,
    "directory": lambda root: replace(root, Path.mkdir),
    "FIFO": lambda root: replace(root, os.mkfifo),
    "symlink above": link_above,
    "directory gone": lambda root: shutil.rmtree(root / "docs"),
    "receipt": forge_receipt,
    "receipt damaged": lambda root: write(root, {RECEIPT: b"\xff{"}),
    "receipt gone": lambda root: (root / RECEIPT).unlink(),
    "receipt executable": lambda root: (root / RECEIPT).chmod(0o755),
    "our .gitignore": lambda root: (root / ".agentrail/.gitignore").unlink(),
    "our .gitignore emptied": lambda root: write(root, {".agentrail/.gitignore": ""}),
    "our .gitkeep": lambda root: (root / ".agentrail/work/.gitkeep").unlink(),
    "switch": lambda root: write(root, {".agentrail/policy.yaml": "default_source: copy"}),
    "deny list": lambda root: write(root, {".agentrail/denied.json": "{}"}),
    "lock left over": lambda root: write(root, {f"{STATE}/lock": ""}),
}


@pytest.mark.parametrize("name", EDITS)
def test_every_kind_of_change_is_found(root: Path, v1: Path, name: str) -> None:
    EDITS[name](root)
    found = run_fast(root, "--dry-run", bundle=v1)
    assert found == (install(root, "--dry-run", "--json", bundle=v1), name == "lock left over")


@pytest.mark.parametrize("name", [*EDITS][:5])
def test_a_run_that_follows_a_change_does_what_a_full_run_does(
    root: Path, v1: Path, tmp_path: Path, name: str
) -> None:
    EDITS[name](root)
    shutil.copytree(root, tmp_path / "full", symlinks=True)
    words = ("--on-conflict", "overwrite")
    done, full = run_fast(root, *words, bundle=v1).run, install(tmp_path / "full", *words, bundle=v1)
    assert done.code == full.code
    assert snapshot(root) == snapshot(tmp_path / "full")


class Frozen:
    """A file system that tells of every path what it told the first time."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], list[int]] = {}
        self._stats = Target.stats

    def __call__(self, target: Target, directory: str, names: Any) -> list[int]:
        names = [*names]
        if directory == STATE:
            return self._stats(target, directory, names)
        return self._seen.setdefault((directory, *names), self._stats(target, directory, names))


@pytest.mark.parametrize("is_racy", [True, False])
def test_a_file_that_was_just_written_is_read_whatever_its_stat_data_say(
    tmp_path: Path, v1: Path, monkeypatch: pytest.MonkeyPatch, is_racy: bool
) -> None:
    """Two writes within one tick of the clock leave the same size and times: stat data are no proof."""
    frozen = Frozen()
    monkeypatch.setattr(Target, "stats", lambda target, *words: frozen(target, *words))
    monkeypatch.setattr(Target, "clock", lambda target: 0 if is_racy else 1 << 62)
    target = tmp_path / "target"
    install(target, bundle=v1)
    run_fast(target, bundle=v1)
    assert run_fast(target, bundle=v1).is_recalled
    edit_unseen(target)
    assert run_fast(target, bundle=v1).is_recalled is not is_racy


def test_a_file_that_is_edited_while_it_is_remembered_is_found_by_the_next_run(
    tmp_path: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, keep = tmp_path / "target", Memory.keep
    install(target, bundle=v1)

    def edit(self: Memory, *words: Any) -> None:
        edit_unseen(target)
        keep(self, *words)

    with monkeypatch.context() as patch:
        patch.setattr(Memory, "keep", edit)
        assert run_fast(target, bundle=v1).run.json["summary"]["keep"] == 0
    found = run_fast(target, bundle=v1)
    assert (found.run.json["summary"]["keep"], found.is_recalled) == (1, False)


def test_many_changed_files_are_for_a_full_run(
    root: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(root / GUIDE)
    monkeypatch.setattr(fast, "_MOST_CHANGED", 0)
    assert not run_fast(root, bundle=v1).is_recalled


# --- asked for something else ----------------------------------------------------------------------

WORDS: dict[str, tuple[str, ...]] = {
    "policy": ("--on-conflict", "keep"),
    "task root": ("--task-root", "elsewhere"),
    "downgrade": ("--allow-downgrade",),
    "deny list": ("--deny-list", "absent.json"),
    "signature": ("--require-signature",),
    "signers": ("--allowed-signers", "absent"),
    "revoked": ("--revoked-keys", "absent"),
    "diff": ("--diff",),
}


@pytest.mark.parametrize("name", WORDS)
def test_what_was_found_for_other_options_is_not_said(root: Path, v1: Path, name: str) -> None:
    words = ("--dry-run", *WORDS[name])
    assert run_fast(root, *words, bundle=v1) == (install(root, "--json", *words, bundle=v1), False)


def test_another_source_is_another_question(root: Path, v1: Path, v2: Path) -> None:
    assert run_fast(root, "--dry-run", bundle=v2).run.json["result"] == "planned"
    assert not run_fast(root, "--dry-run", "--source", "package").is_recalled
    (v1 / INDEX_NAME).write_bytes((v2 / INDEX_NAME).read_bytes())
    (v1 / GUIDE).write_bytes(NEXT)
    changed = run_fast(root, "--dry-run", bundle=v1)
    assert (changed.run.json["result"], changed.is_recalled) == ("planned", False)
    shutil.rmtree(v1)
    gone = run_fast(root, "--dry-run", bundle=v1)
    assert gone == (install(root, "--dry-run", "--json", bundle=v1), False)
    assert gone.run.code == 6


def test_another_package_is_another_question(
    root: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "__version__", "99.0")
    assert not run_fast(root, "--dry-run", bundle=v1).is_recalled


def test_the_switch_of_the_environment_is_asked(
    root: Path, v1: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(route.VARIABLE, str(tmp_path / "absent.yaml"))
    assert not run_fast(root, "--dry-run", bundle=v1).is_recalled


def test_a_switch_that_cannot_be_looked_at_is_no_matter_of_the_memory(
    root: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / ".agentrail/policy.yaml").mkdir()
    assert run_fast(root, "--dry-run", bundle=v1) == (
        install(root, "--dry-run", "--json", bundle=v1),
        False,
    )


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen here")
def test_what_a_signature_is_worth_is_asked_anew_every_day(
    tmp_path: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").mkdir()
    key = make_key(tmp_path / "keys")
    (v1 / SIGNATURE_NAME).write_bytes(sign((v1 / INDEX_NAME).read_bytes(), str(key)))
    target = tmp_path / "target"
    put(target, v1)
    monkeypatch.setattr(time, "strftime", lambda *words: "2100-01-01")
    assert not run_fast(target, bundle=v1).is_recalled


def test_a_dangling_signature_is_told_of_as_without_the_memory(root: Path, v1: Path) -> None:
    (v1 / SIGNATURE_NAME).symlink_to("nowhere")
    assert run_fast(root, bundle=v1) == (install(root, "--json", bundle=v1), False)


# --- a cache that is none --------------------------------------------------------------------------


def damage(change: Callable[[bytes], bytes]) -> Edit:
    return lambda root: write(root, {CACHE: change((root / CACHE).read_bytes())})


def enlarge(root: Path) -> None:
    os.truncate(root / CACHE, 1 << 36)


def instead(make: Callable[[Path], object]) -> Edit:
    def replace(root: Path) -> None:
        (root / CACHE).unlink()
        make(root / CACHE)

    return replace


DAMAGES: dict[str, tuple[Edit, bool]] = {
    "absent": (instead(lambda path: None), True),
    "empty": (damage(lambda data: b""), True),
    "truncated": (damage(lambda data: data[:-1]), True),
    "damaged": (damage(lambda data: data.replace(b"as delivered", b"as expected!")), True),
    "not UTF-8": (damage(lambda data: b"\xff" * 1_000), True),
    "huge": (enlarge, True),
    "symlink": (instead(lambda path: path.symlink_to("../receipt.json")), False),
    "dangling symlink": (instead(lambda path: path.symlink_to("nowhere")), False),
    "FIFO": (instead(lambda path: os.mkfifo(path)), False),
    "directory": (instead(Path.mkdir), False),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_cache_that_is_none_is_a_full_run(root: Path, v1: Path, name: str) -> None:
    spoil, is_mended = DAMAGES[name]
    told, before = install(root, "--json", bundle=v1), snapshot(root)
    spoil(root)
    assert run_fast(root, bundle=v1) == (told, False)
    assert run_fast(root, bundle=v1) == (told, is_mended)
    assert snapshot(root) == before


# --- what is not remembered ------------------------------------------------------------------------


def test_nobody_who_did_not_ask_for_it_gets_a_cache(tmp_path: Path, v1: Path) -> None:
    target = tmp_path / "target"
    for _ in range(2):
        assert install(target, bundle=v1).code == 0
    assert sorted(os.listdir(target / STATE)) == ["events.jsonl", "stash"]


def test_a_fresh_clone_has_no_state_directory_and_gets_none(root: Path, v1: Path) -> None:
    shutil.rmtree(root / STATE)
    before = everything(root)
    for _ in range(2):
        found = run_fast(root, bundle=v1)
        assert (found.run.json["result"], found.is_recalled) == ("unchanged", False)
    assert everything(root) == before


def test_what_the_user_has_to_be_told_is_told_every_time(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", {GUIDE: "text"}, indexed=False)
    told = []
    for _ in range(3):
        run = install(tmp_path / "target", "--fast", bundle=bundle)
        told.append("its files are unverified" in run.out + run.err)
    assert told == [True] * 3
    assert not (tmp_path / "target" / CACHE).exists()


def test_a_linked_seed_is_looked_at_every_time(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", {"MEMORY.md": "m\n"}, ownership={"MEMORY.md": "seed"})
    target = tmp_path / "target"
    install(target, bundle=bundle)
    shutil.move(target / "MEMORY.md", target / "mine.md")
    (target / "MEMORY.md").symlink_to("mine.md")
    told = install(target, "--json", bundle=bundle)
    for _ in range(2):
        assert run_fast(target, bundle=bundle) == (told, False)


@pytest.mark.parametrize("name", ["_tracked", "_MOST_ROWS"])
def test_what_does_not_fit_is_not_remembered(
    tmp_path: Path, v1: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Another run may install more between two looks, and reasons may be many."""
    if name == "_tracked":
        monkeypatch.setattr(operation, name, lambda session: [RelPath(GUIDE)])
    else:
        monkeypatch.setattr(fast, name, 1)
    target = tmp_path / "target"
    install(target, bundle=v1)
    for _ in range(2):
        assert not run_fast(target, bundle=v1).is_recalled


def test_a_platform_without_directory_descriptors_looks_at_everything(
    root: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target.__init__, "__kwdefaults__", {"use_dir_fd": False})
    before = snapshot(root)
    found = run_fast(root, bundle=v1)
    assert (found.run.json["result"], found.is_recalled) == ("unchanged", False)
    assert snapshot(root) == before


@pytest.mark.parametrize("is_touched", [False, True])
def test_who_finds_the_target_locked_just_does_not_remember(
    tmp_path: Path, v1: Path, monkeypatch: pytest.MonkeyPatch, is_touched: bool
) -> None:
    target, keep = tmp_path / "target", Memory._write
    if is_touched:
        put(target, v1)
        os.utime(target / GUIDE)
    else:
        install(target, bundle=v1)
    before = snapshot(target, with_state=True)

    def locked(self: Memory, cache: Any) -> None:
        other = Target(str(target))
        with other.locked(timeout=0, sleep=time.sleep):
            keep(self, cache)

    monkeypatch.setattr(Memory, "_write", locked)
    found = run_fast(target, bundle=v1)
    assert (found.run.code, found.run.json["result"]) == (0, "unchanged")
    assert found.is_recalled is is_touched
    assert snapshot(target, with_state=True) == before


# --- what comes after ------------------------------------------------------------------------------


@pytest.mark.parametrize("is_edited", [False, True])
def test_an_uninstall_leaves_nothing_of_it(tmp_path: Path, v1: Path, is_edited: bool) -> None:
    target = tmp_path / "target"
    install(target, bundle=v1)
    if is_edited:  # the stash stays with the user's bytes
        write(target, {GUIDE: MINE})
        install(target, "--on-conflict", "overwrite", bundle=v1)
    run_fast(target, bundle=v1)
    assert (target / CACHE).exists()
    write(target, {BESIDE: "left over by a run that was killed"})
    assert agentrail("uninstall", target).code == 0
    state, left = target / STATE, ["events.jsonl", "stash"] if is_edited else []
    assert (sorted(os.listdir(state)) if state.exists() else []) == left


def test_rollback_and_upgrade_know_nothing_of_it(tmp_path: Path, v1: Path, v2: Path) -> None:
    target = tmp_path / "target"
    put(target, v1)
    first = snapshot(target)
    assert run_fast(target, bundle=v2).run.json["result"] == "applied"
    second = snapshot(target)
    assert run_fast(target, bundle=v2).is_recalled
    assert agentrail("rollback", target).code == 0
    assert snapshot(target) == first
    assert run_fast(target, "--check", bundle=v2).run.code == 4
    assert run_fast(target, bundle=v2).run.json["result"] == "applied"
    assert snapshot(target) == second
    assert agentrail("rollback", target).code == 0
    assert agentrail("rollback", target).code == 0
    assert snapshot(target, with_state=True) == {}


def test_a_conflict_is_a_conflict(root: Path, tmp_path: Path) -> None:
    write(root, {GUIDE: MINE})
    rival = guide(tmp_path / "rival", MINE.replace(b"mine", b"theirs"), "1.1.0")
    for _ in range(2):
        found = run_fast(root, bundle=rival)
        assert (found.run.code, found.is_recalled) == (3, False)
