"""The target on disk, called directly: what no story reaches on this machine."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from agentrail_runtime import target as target_
from agentrail_runtime.descriptor import read_all
from agentrail_runtime.entry import RelPath, State, sha256
from agentrail_runtime.errors import LockedError, TargetError, UnsafePathError
from agentrail_runtime.target import Target
from tests.crash.hostile import make_fifo
from tests.crash.support import READS, FaultyOs, Story, error, standing, struck
from tests.support import agentrail, install, make_bundle, payload_bundle, snapshot, write

Stories = Callable[[str], Story]
FILE = RelPath("docs/file")
OPEN = frozenset({"open"})


@pytest.fixture(params=[True, False], ids=["openat", "full paths"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """A target with one file, reached in both ways."""
    write(tmp_path / "root", {FILE: "text"})
    return Target(str(tmp_path / "root"), use_dir_fd=request.param)


class Poor:
    """The module `os` of a platform that lacks some calls and has others of its own."""

    def __init__(self, *lacking: str, **own: Any) -> None:
        self._lacking = lacking
        self._own = own

    def __getattr__(self, name: str) -> Any:
        if name in self._lacking:
            raise AttributeError(name)
        return self._own.get(name, getattr(os, name))


# --- reading ---------------------------------------------------------------------------------------


def test_a_file_is_seen_as_it_is_in_both_ways(target: Target) -> None:
    os.chmod(os.path.join(target.root, FILE), 0o640)
    assert target.inspect(FILE) == State("file", sha256(b"text"), 4, 0o640)
    assert target.read(FILE) == b"text"
    assert target.names(RelPath("docs")) == ["file"]
    assert target.names(RelPath("absent")) == []


def test_what_is_no_file_is_seen_as_what_it_is_in_both_ways(target: Target) -> None:
    root = Path(target.root)
    make_fifo(root / "fifo")
    (root / "link").symlink_to("docs/file")
    (root / "away").symlink_to("/etc/passwd")
    (root / "up").symlink_to("docs")
    kinds = {name: target.inspect(RelPath(name)).kind for name in ("fifo", "link", "away", "docs")}
    assert kinds == {"fifo": "special", "link": "link", "away": "link", "docs": "directory"}
    assert target.inspect(RelPath("link")).place == "docs/file"
    assert target.inspect(RelPath("away")).place == ""
    assert target.inspect(RelPath("up/file")) == State("blocked", place="up")


@pytest.mark.parametrize("path", ["fifo", "link", "docs", "up/file", "docs/file/x"])
def test_nothing_but_a_plain_file_is_read_in_both_ways(target: Target, path: str) -> None:
    root = Path(target.root)
    make_fifo(root / "fifo")
    (root / "link").symlink_to("docs/file")
    (root / "up").symlink_to("docs")
    with pytest.raises(UnsafePathError):
        target.read(RelPath(path))


def test_the_names_in_a_file_or_a_link_are_refused_in_both_ways(target: Target) -> None:
    (Path(target.root) / "up").symlink_to("docs")
    for path in (FILE, RelPath("up")):
        with pytest.raises(UnsafePathError):
            target.names(path)


@pytest.mark.parametrize(
    ("number", "path", "kind"),
    [
        (errno.EISDIR, "docs", "directory"),
        (errno.EACCES, "docs", "directory"),
        (errno.EACCES, "absent", "absent"),
    ],
)
def test_what_a_platform_refuses_to_open_is_looked_at(
    target: Target, number: int, path: str, kind: str
) -> None:
    """Windows opens no directory, and a file may be gone between two calls."""
    target.names(RelPath("docs"))
    target.is_directory(RelPath("docs"))
    with struck(FaultyOs(1, error(number), names=OPEN)):
        assert target.inspect(RelPath(path)).kind == kind


def test_a_file_that_may_not_be_opened_is_an_error_that_names_it(target: Target) -> None:
    target.read(FILE)
    refuse = FaultyOs(1, error(errno.EACCES), names=OPEN, is_lasting=True)
    with struck(refuse), pytest.raises(TargetError, match="docs/file: cannot be read: Permission"):
        target.inspect(FILE)
    with struck(refuse), pytest.raises(TargetError, match="docs/file: cannot be opened: Permission"):
        target.read(FILE)


@pytest.mark.parametrize("name", ["fstat", "read"])
def test_a_file_that_breaks_while_it_is_read_is_an_error_that_names_it(
    target: Target, name: str
) -> None:
    for call in (target.inspect, target.read):
        breaks = FaultyOs(1, error(errno.EIO), names=frozenset({name}), is_lasting=True)
        broken = pytest.raises(TargetError, match="docs/file: cannot be read: Input/output error")
        with struck(breaks), broken:
            call(FILE)


@pytest.mark.parametrize("said", [0, 1, 3, 4, 5, 100])
def test_a_file_is_read_whole_whatever_size_it_was_said_to_have(tmp_path: Path, said: int) -> None:
    (tmp_path / "file").write_bytes(b"text")
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    try:
        assert read_all(descriptor, said) == b"text"
    finally:
        os.close(descriptor)


def test_hundreds_of_directories_do_not_use_up_the_descriptors(tmp_path: Path) -> None:
    write(tmp_path, {f"d{number}/file": "text" for number in range(200)})
    target = Target(str(tmp_path))
    before = len(os.listdir("/dev/fd"))
    kinds = {target.inspect(RelPath(f"d{number}/file")).kind for number in range(200)}
    assert (kinds, len(os.listdir("/dev/fd")) - before <= 64) == ({"file"}, True)
    target.close()
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.slow
def test_a_path_of_five_hundred_directories_is_installed_and_taken_back(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    bundle = make_bundle(tmp_path / "bundle", {"a/" * 500 + "file": "text"})
    assert install(tmp_path / "repo", bundle=bundle).code == 0
    assert agentrail("rollback", tmp_path / "repo").code == 0
    assert snapshot(tmp_path / "repo", with_state=True) == {}


# --- writing ---------------------------------------------------------------------------------------


def test_a_system_that_writes_one_byte_at_a_time_writes_them_all(target: Target) -> None:
    def one(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> int:
        return os.write(arguments[0], bytes(arguments[1][:1])) if name == "write" else call()

    with struck(FaultyOs(1, one, names=frozenset({"write"}), is_lasting=True)):
        target.create(RelPath("new"), b"many bytes", mode=0o644)
    assert target.read(RelPath("new")) == b"many bytes"


@pytest.mark.parametrize("exact", [True, False])
def test_a_platform_without_fadvise_and_fchmod_writes_the_same_bytes(
    target: Target, exact: bool
) -> None:
    with mock.patch.object(target_, "os", Poor("posix_fadvise", "fchmod")):
        target.create(RelPath("new"), b"text", mode=0o600, exact=exact)
    assert target.inspect(RelPath("new")) == State("file", sha256(b"text"), 4, 0o600)


def test_an_exact_mode_is_not_the_umasks_to_change(target: Target) -> None:
    umask = os.umask(0o077)
    try:
        modes = [
            target.create(RelPath(f"new{exact}"), b"", mode=0o664, exact=exact)
            for exact in (True, False)
        ]
        target.make_directory(RelPath("open"), 0o775)
        target.make_directory(RelPath("closed"))
    finally:
        os.umask(umask)
    assert modes == [0o664, 0o600]
    assert target.directory_mode(RelPath("open")) == 0o775
    assert target.directory_mode(RelPath("closed")) == 0o700
    assert target.directory_mode(FILE) is None
    assert target.directory_mode(RelPath("absent")) is None


def test_nothing_is_created_over_what_stands_there(target: Target) -> None:
    with pytest.raises(FileExistsError):
        target.create(FILE, b"new", mode=0o644)
    (Path(target.root) / "dangling").symlink_to("nothing")
    with pytest.raises(OSError, match=r"exists|symbolic links"):
        target.create(RelPath("dangling"), b"new", mode=0o644)
    assert target.read(FILE) == b"text"


def test_a_directory_that_holds_something_is_not_removed(target: Target) -> None:
    assert target.remove_directory(RelPath("docs")) is False
    assert target.remove_directory(FILE) is False
    assert target.remove_directory(RelPath("absent")) is True
    target.remove(FILE)
    assert target.remove_directory(RelPath("docs")) is True
    assert not os.path.exists(os.path.join(target.root, "docs"))


def test_an_error_of_a_removal_is_not_taken_for_a_full_directory(target: Target) -> None:
    target.remove(FILE)
    faults = FaultyOs(1, error(errno.EACCES), names=frozenset({"rmdir"}))
    with struck(faults), pytest.raises(PermissionError):
        target.remove_directory(RelPath("docs"))


def test_a_tree_is_removed_with_its_symlinks_but_not_what_they_lead_to(target: Target) -> None:
    root = Path(target.root)
    (root / "outside").mkdir()
    (root / "docs/link").symlink_to("../outside")
    (root / "docs/deep/er").mkdir(parents=True)
    target.remove_tree(RelPath("docs"))
    assert sorted(path.name for path in root.iterdir()) == ["outside"]


def test_a_directory_put_in_the_place_of_a_removed_one_is_seen(target: Target) -> None:
    target.names(RelPath("docs"))
    target.remove_tree(RelPath("docs"))
    target.make_directory(RelPath("docs"))
    target.create(FILE, b"new", mode=0o644)
    assert target.read(FILE) == b"new"


# --- the lock --------------------------------------------------------------------------------------


def locked(target: Target) -> Any:
    return target.locked(timeout=0, sleep=lambda seconds: None)


def test_the_lock_leaves_nothing_behind_in_both_ways(target: Target) -> None:
    before = snapshot(Path(target.root), with_state=True)
    with locked(target):
        assert target.read(target_.LOCK_PATH) == b"\n%d\n" % os.getpid()
    assert snapshot(Path(target.root), with_state=True) == before


def test_the_lock_of_another_target_object_is_respected_in_both_ways(target: Target) -> None:
    held = pytest.raises(LockedError, match=f"process {os.getpid()}")
    with locked(target), held, locked(Target(target.root)):
        pass


def test_a_lock_that_vanishes_for_ever_is_given_up(target: Target) -> None:
    def vanish(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> Any:
        if str(arguments[0]).endswith("lock"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return call()

    faults = FaultyOs(1, vanish, names=OPEN, is_lasting=True)
    with struck(faults), pytest.raises(LockedError, match="process unknown"), locked(target):
        pass


def test_a_run_that_cannot_make_the_lock_leaves_that_of_another_alone(target: Target) -> None:
    def refuse(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> Any:
        if arguments[1] & os.O_CREAT:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return call()

    faults = FaultyOs(1, refuse, names=OPEN, is_lasting=True)
    with locked(target):
        with struck(faults), pytest.raises(TargetError), locked(Target(target.root)):
            pass
        assert target.read(target_.LOCK_PATH) == b"\n%d\n" % os.getpid()


def test_an_absent_target_is_made_for_the_lock_and_unmade(tmp_path: Path) -> None:
    target = Target(str(tmp_path / "a/b/c"))
    assert not target.exists
    with locked(target):
        assert target.exists
    assert list(tmp_path.iterdir()) == []


# --- modes that a file system does not keep --------------------------------------------------------


def test_a_file_system_that_makes_everything_executable_shows_no_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A FAT or an NTFS mount reports 0755 for every file."""
    assert install(tmp_path / "repo").code == 0
    fstat = os.fstat

    def executable(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        return os.stat_result((status.st_mode | 0o111, *status[1:]))

    with mock.patch.object(target_, "os", Poor(fstat=executable)):
        done = [install(tmp_path / "repo"), agentrail("verify", tmp_path / "repo")]
    assert [run.code for run in done] == [0, 0]
    assert "nothing to do" in done[0].out


def test_a_platform_without_modes_has_none(target: Target) -> None:
    with mock.patch.object(target_, "os", Poor(name="nt")):
        assert target.has_modes() is False
    assert target.has_modes() is True


# --- a platform without directory descriptors ------------------------------------------------------


def test_all_commands_do_the_same_without_directory_descriptors(
    tmp_path: Path, without_dir_fd: None, stories: Stories
) -> None:
    for name in ("install", "upgrade", "merge", "rollback", "uninstall"):
        story = stories(name)
        with story.told(tmp_path) as root:
            assert (story.command(root).code, standing(story, root)) == (0, "new")


def test_a_life_without_directory_descriptors_ends_as_it_began(
    tmp_path: Path, without_dir_fd: None
) -> None:
    repo = tmp_path / "repo"
    write(repo, {"README.md": "mine", "AGENTS.md": "mine"})
    before = snapshot(repo, with_state=True)
    bundle = payload_bundle(tmp_path / "bundle", changed={"docs/new/x.md": "x"}, removed=("CLAUDE.md",))
    assert install(repo).code == 0
    installed = snapshot(repo)
    assert install(repo, bundle=bundle).code == 0
    assert agentrail("verify", repo).code == 0
    assert agentrail("rollback", repo).code == 0
    assert snapshot(repo) == installed
    assert agentrail("uninstall", repo).code == 0
    assert snapshot(repo, with_state=True) == before


@pytest.mark.parametrize("at", range(1, 30, 4))
def test_a_read_that_fails_without_directory_descriptors_is_an_error_too(
    tmp_path: Path, without_dir_fd: None, stories: Stories, at: int
) -> None:
    story = stories("upgrade")
    with story.told(tmp_path) as root:
        with struck(FaultyOs(at, error(errno.EIO), names=READS - {"close"})):
            done = story.command(root)
        assert (done.code in (0, 1, 6), standing(story, root) in ("old", "new")) == (True, True)


def test_a_directory_that_is_made_keeps_the_bits_of_the_umask(tmp_path: Path) -> None:
    install(tmp_path / "repo")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "repo").rglob("docs")}
    assert modes == {0o777 & ~_umask()}


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


# --- what --fast asks ------------------------------------------------------------------------------

STATE = RelPath(".agentrail/state")


@pytest.fixture
def fast(tmp_path: Path) -> Target:
    """A target with a state directory, reached by descriptors."""
    write(tmp_path / "fast", {FILE: "text", f"{STATE}/x": ""})
    return Target(str(tmp_path / "fast"))


def test_stat_data_are_those_of_the_names_themselves(fast: Target) -> None:
    os.symlink("file", os.path.join(fast.root, "docs/link"))
    found = os.lstat(os.path.join(fast.root, FILE))
    numbers = fast.stats("docs", ["file", "absent", "link"])
    assert numbers[:10] == [
        4,
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_ino,
        found.st_mode,
        *[-1] * 5,
    ]
    assert stat.S_ISLNK(numbers[14])
    assert fast.stats("absent/docs", ["a", "b"]) == [-1] * 10


def test_stat_data_behind_a_symlink_or_a_file_are_not_told(fast: Target) -> None:
    os.symlink("docs", os.path.join(fast.root, "up"))
    for directory in ("up", "docs/file"):
        with pytest.raises(UnsafePathError):
            fast.stats(directory, ["file"])


def test_a_platform_without_descriptors_has_no_stat_data_to_trust(fast: Target) -> None:
    with pytest.raises(OSError, match="not supported"):
        Target(fast.root, use_dir_fd=False).stats("docs", ["file"])


@pytest.mark.parametrize("is_left", [False, True])
def test_the_clock_of_the_file_system_is_asked_with_a_file_that_goes(
    fast: Target, is_left: bool
) -> None:
    if is_left:
        write(Path(fast.root), {target_.BESIDE_CACHE: "left over"})
    before = os.stat(os.path.join(fast.root, STATE, "x")).st_mtime_ns
    assert fast.clock() >= before
    assert fast.names(STATE) == ["x"]


def test_another_run_may_take_that_file_away(fast: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    create = Target.create

    def lose(self: Target, path: RelPath, data: bytes, *, mode: int) -> int:
        made = create(self, path, data, mode=mode)
        self.remove(path)
        return made

    monkeypatch.setattr(Target, "create", lose)
    with pytest.raises(FileNotFoundError):
        fast.clock()


def test_without_a_state_directory_there_is_no_clock(target: Target) -> None:
    with pytest.raises(FileNotFoundError):
        target.clock()


def test_a_file_is_written_in_parts_and_extended_in_both_ways(target: Target) -> None:
    target.create(RelPath("new"), iter([b"one ", b"", b"two"]), mode=0o600)
    target.extend(RelPath("new"), b" three")
    assert target.read(RelPath("new")) == b"one two three"
    with pytest.raises(FileNotFoundError):
        target.extend(RelPath("absent"), b"x")
