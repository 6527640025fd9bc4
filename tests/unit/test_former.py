"""What stands where an export is to go: only an earlier export is replaced, and nothing is lost."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from agentrail_runtime import child, former
from agentrail_runtime.entry import sha256
from agentrail_runtime.errors import TargetError
from agentrail_runtime.former import Former
from agentrail_runtime.replacement import item
from agentrail_runtime.tree import DirectoryTree
from tests.support import write

MARK = "mark"
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An earlier export of three files, and one that somebody wrote there."""
    files = {MARK: "mark\n", "a": "a\n", "dir/b.sh": "b\n", "mine": "mine\n"}
    write(tmp_path / "out", files, executable=("dir/b.sh",))
    return tmp_path / "out"


def written(data: bytes) -> Mapping[str, str]:
    assert data == b"mark\n"
    return {"a": sha256(b"a\n"), "dir/b.sh": sha256(b"b\n"), "gone": sha256(b"")}


def read(place: Path) -> Former:
    return former.read(str(place), MARK, written)


def refusal(place: Path) -> str:
    with pytest.raises(TargetError) as caught:
        read(place)
    error = caught.value
    assert error.paths == (str(place),)
    assert error.hint is not None
    assert error.hint.startswith("see what it is: ls -A ")
    assert error.hint.endswith("; name another directory with --output DIR")
    return error.message.replace(str(place), "PLACE")


EXPECTED = "(expected nothing, an empty directory or an earlier export)"


def test_nothing_may_stand_there(tmp_path: Path) -> None:
    found = read(tmp_path / "out")
    assert found.files == {}
    assert [*found.foreign([item("a", b"")], ())] == []


def test_an_empty_directory_may_stand_there(tmp_path: Path) -> None:
    (tmp_path / "out/empty").mkdir(parents=True)
    found = read(tmp_path / "out")
    assert found.files == {}
    assert [*found.foreign([item("a", b"")], ())] == []


@posix
def test_an_earlier_export_is_known_by_its_mark(place: Path) -> None:
    assert read(place).files == {
        MARK: (sha256(b"mark\n"), 0o644),
        "a": (sha256(b"a\n"), 0o644),
        "dir/b.sh": (sha256(b"b\n"), 0o755),
        "mine": (sha256(b"mine\n"), 0o644),
    }


def test_a_directory_without_mark_is_somebodys(place: Path) -> None:
    (place / MARK).unlink()
    assert refusal(place) == f"PLACE: is not an earlier export: it has no mark {EXPECTED}"


def test_a_file_is_somebodys(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    assert refusal(tmp_path / "out") == f"PLACE: is not a directory {EXPECTED}"


@pytest.mark.parametrize("goal", ["real", "nowhere"])
def test_a_symlink_is_not_followed(tmp_path: Path, goal: str) -> None:
    write(tmp_path / "real", {MARK: "mark\n"})
    (tmp_path / "out").symlink_to(goal)
    assert refusal(tmp_path / "out") == f"PLACE: is a symlink {EXPECTED}"


@pytest.mark.parametrize("name", [".git", ".git/HEAD"])
def test_a_git_repository_is_somebodys(place: Path, name: str) -> None:
    write(place, {name: "ref: refs/heads/main\n"})
    assert refusal(place) == f"PLACE: {name}: a git repository {EXPECTED}"


@posix
def test_what_is_no_plain_file_was_not_exported(place: Path) -> None:
    (place / "link").symlink_to("a")
    assert refusal(place) == f"PLACE: link: is a symlink {EXPECTED}"
    os.mkfifo(place / "dir/fifo")
    assert refusal(place) == f"PLACE: dir/fifo: is a special file and 1 more {EXPECTED}"


def test_a_mark_that_is_no_file_is_no_mark(place: Path) -> None:
    (place / MARK).unlink()
    (place / MARK).mkdir()
    assert "it has no mark" in refusal(place)


@pytest.mark.parametrize("many", [1, 1000], ids=["beside this process", "in this process"])
def test_a_file_that_cannot_be_read_is_named(
    place: Path, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    def fetch(tree: DirectoryTree, path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(child, "WORTH_IT", many)
    monkeypatch.setattr(DirectoryTree, "fetch", fetch)
    found = read(place)
    with pytest.raises(TargetError, match=r"out: mark: cannot be read: Permission denied \(expected"):
        _ = found.files


def test_many_files_are_read_beside_this_process(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read(place).files
    monkeypatch.setattr(child, "WORTH_IT", 4)
    assert read(place).files == before


class TestCompare:
    """Every path is told, with what is wrong with it."""

    ITEMS = (
        item(MARK, b"mark\n"),
        item("a", b"a\n"),
        item("dir/b.sh", b"b\n", executable=True),
        item("mine", b"mine\n"),
    )

    def compare(self, place: Path) -> list[tuple[str, str, str, str]]:
        return [
            (row.path, row.action, row.ownership, row.reason)
            for row in read(place).compare(self.ITEMS, {"a": "seed"})
        ]

    def test_an_equal_export_is_unchanged(self, place: Path) -> None:
        assert self.compare(place) == [
            ("a", "unchanged", "seed", "as exported"),
            ("dir/b.sh", "unchanged", "managed", "as exported"),
            (MARK, "unchanged", "managed", "as exported"),
            ("mine", "unchanged", "managed", "as exported"),
        ]

    def test_every_difference_is_told(self, place: Path) -> None:
        (place / "a").unlink()
        (place / "dir/b.sh").chmod(0o644)
        write(place, {"mine": "other\n", "extra": ""})
        assert [row for row in self.compare(place) if row[1] != "unchanged"] == [
            ("a", "create", "seed", "missing"),
            *([("dir/b.sh", "update", "managed", "permissions changed")] * (os.name == "posix")),
            ("extra", "remove", "managed", "extra"),
            ("mine", "update", "managed", "changed"),
        ]

    @posix
    @pytest.mark.parametrize(
        ("name", "mode", "reason"),
        [
            ("a", 0o600, "as exported"),
            ("a", 0o664, "as exported"),
            ("a", 0o755, "permissions changed"),
            ("a", 0o4644, "permissions changed"),
            ("dir/b.sh", 0o700, "as exported"),
            ("dir/b.sh", 0o655, "permissions changed"),
        ],
    )
    def test_a_umask_makes_no_difference(self, place: Path, name: str, mode: int, reason: str) -> None:
        (place / name).chmod(mode)
        assert (name, reason) in [(row[0], row[3]) for row in self.compare(place)]

    def test_where_no_permissions_are_kept_none_differ(self) -> None:
        found = Former("/out", lambda: {"a": (sha256(b"a\n"), None)})
        rows = [*found.compare([item("a", b"a\n", executable=True)], {})]
        assert [row.action for row in rows] == ["unchanged"]


class TestForeign:
    """What no export wrote is somebody's own."""

    def foreign(self, place: Path) -> list[str]:
        items = [item("a", b"new\n"), item("new", b"new\n"), item(MARK, b"new mark\n")]
        return read(place).foreign(items, (MARK,))

    def test_what_the_earlier_export_wrote_is_not(self, place: Path) -> None:
        assert self.foreign(place) == ["mine"]

    @pytest.mark.parametrize(
        ("files", "found"),
        [
            ({"a": "edited\n"}, ["a", "mine"]),
            ({"a": "new\n"}, ["mine"]),
            ({"new": "new\n"}, ["mine"]),
            ({"new": "mine too\n"}, ["mine", "new"]),
            ({"gone": "x"}, ["gone", "mine"]),
            ({"gone": ""}, ["mine"]),
        ],
    )
    def test_what_differs_from_both_exports_is(
        self, place: Path, files: dict[str, str], found: list[str]
    ) -> None:
        write(place, files)
        assert self.foreign(place) == found


class TestSetAside:
    """Somebody's own files are copied beside."""

    @posix
    def test_they_are_the_same_bytes_and_modes(self, place: Path) -> None:
        aside = Path(read(place).set_aside(["dir/b.sh", "mine"]))
        assert aside == place.with_name("out.replaced")
        assert (aside / "mine").read_bytes() == b"mine\n"
        assert (aside / "dir/b.sh").read_bytes() == b"b\n"
        assert stat.S_IMODE((aside / "dir/b.sh").stat().st_mode) == 0o755
        assert stat.S_IMODE((aside / "mine").stat().st_mode) == 0o644
        assert (place / "mine").read_bytes() == b"mine\n"

    def test_what_was_set_aside_before_stays(self, place: Path) -> None:
        places = [read(place).set_aside(["mine"]) for _ in range(3)]
        assert [os.path.basename(path) for path in places] == [
            "out.replaced",
            "out.replaced-2",
            "out.replaced-3",
        ]


def test_a_file_is_read_if_it_is_there(place: Path) -> None:
    assert read(place).read("a") == b"a\n"
    assert read(place).read("dir") is None
    assert read(place).read("nothing") is None
