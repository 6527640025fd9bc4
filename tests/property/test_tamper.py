"""Whatever is done to a file of a bundle, it is found before anything is written."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from agentrail_runtime import source
from agentrail_runtime.entry import INDEX_NAME, SIGNATURE_NAME
from agentrail_runtime.errors import IncompatibleError, SourceError
from agentrail_runtime.source import Bundle
from agentrail_runtime.tree import DirectoryTree, ResourceTree
from tests.support import PAYLOAD, agentrail, install, make_bundle, make_repo, snapshot

Strike = Callable[[Path], object]
LENGTHS = (0, 1, -1)
"""To how many bytes a file is cut, from its end where negative."""

UNLIKELY_MODES = (0o755, 0o645, 0o654, 0o1644, 0o2644, 0o4644, 0o244)
"""Permission bits that no umask makes of a plain file."""

LIKELY_MODES = (0o644, 0o664, 0o666, 0o600, 0o640, 0o444)


class Place(NamedTuple):
    """A bundle on disk, and how it is opened."""

    root: Path
    open: Callable[[], Bundle]
    words: tuple[str | Path, ...]

    def files(self) -> list[str]:
        """Return every file of it."""
        return sorted(
            path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()
        )

    def names(self) -> set[str]:
        """Return what a check of it complains of."""
        try:
            self.open()
        except SourceError as error:
            return set(error.paths)
        return set()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``agentrail export`` makes."""
    root = tmp_path_factory.mktemp("exported") / "dist" / "runtime"
    assert agentrail("export", "--output", root, "-q").code == 0
    return root


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the package carries, as it may be damaged."""
    root = tmp_path_factory.mktemp("copied") / "payload"
    shutil.copytree(PAYLOAD, root)
    return root


@pytest.fixture(params=["package", "copy"])
def place(
    request: pytest.FixtureRequest, copied: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    """The bundle of each route, both with the files that ship."""
    if request.param == "copy":
        words = ("--source", "copy", "--runtime-dir", exported)
        return Place(exported, lambda: source.open_copy(str(exported)), words)
    monkeypatch.setattr(source, "package_tree", lambda: DirectoryTree(str(copied)))
    return Place(copied, source.open_package, ("--source", "package"))


@pytest.fixture
def small(tmp_path: Path) -> Place:
    """A bundle that is small enough to alter every byte of it."""
    files: dict[str, bytes | str] = {
        ".a/b.md": "one\ntwo\n",
        "AGENTS.md": "rules\n",
        "bin/run": "#!/bin/sh\n",
        "c": b"\0\xff",
    }
    root = make_bundle(
        tmp_path / "small", files, ownership={"AGENTS.md": "block"}, executable=("bin/run",)
    )
    words = ("--source", "copy", "--runtime-dir", root)
    return Place(root, lambda: source.open_copy(str(root)), words)


@contextlib.contextmanager
def restored(path: Path) -> Iterator[None]:
    """Put a file back as it was."""
    data, mode = path.read_bytes(), path.stat().st_mode
    try:
        yield
    finally:
        path.write_bytes(data)
        path.chmod(mode)


def undetected(place: Place, names: list[str], strike: Strike) -> list[str]:
    """Return the files that may be struck without a complaint that names them."""
    missed = []
    for name in names:
        with restored(place.root / name):
            strike(place.root / name)
            if name not in place.names():
                missed.append(name)
    return missed


def flip(path: Path, position: int, bits: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= bits
    path.write_bytes(data)


def flip_one(path: Path) -> None:
    """Alter a byte, the same one in every run."""
    chance = random.Random(path.name)
    if size := path.stat().st_size:
        flip(path, chance.randrange(size), 1 << chance.randrange(8))


def cut(path: Path, length: int) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:length])


def add(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def test_an_intact_bundle_of_each_route_is_accepted(place: Place) -> None:
    assert place.open().integrity == "verified"


def test_an_altered_byte_is_found_in_every_file(place: Place) -> None:
    files = [name for name in place.files() if name != INDEX_NAME]
    assert undetected(place, files, flip_one) == []


@pytest.mark.parametrize("length", LENGTHS)
def test_a_truncation_is_found_in_every_file(place: Place, length: int) -> None:
    # The last byte of the index is a line end, which says nothing.
    files = [name for name in place.files() if length != -1 or name != INDEX_NAME]
    assert undetected(place, files, lambda path: cut(path, length)) == []


def test_an_added_byte_is_found_in_every_file(place: Place) -> None:
    files = [name for name in place.files() if name != INDEX_NAME]
    assert undetected(place, files, add) == []


def test_a_removal_is_found_for_every_file_that_the_index_lists(place: Place) -> None:
    files = [name for name in place.files() if name != INDEX_NAME]
    assert undetected(place, files, Path.unlink) == []


def test_a_rename_is_found_for_every_file_by_both_names(place: Place) -> None:
    missed = []
    for name in [name for name in place.files() if name != INDEX_NAME]:
        old, new = place.root / name, place.root / f"{name}~"
        old.rename(new)
        if not {name, f"{name}~"} & place.names():
            missed.append(name)
        new.rename(old)
    assert missed == []


@pytest.mark.parametrize("name", [".hidden", "new.md", "tools/new.ps1", "a/b/c", "docs/x.pyc"])
def test_an_additional_file_is_found_wherever_it_lies(place: Place, name: str) -> None:
    path = place.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    assert name in place.names()
    path.unlink()


def test_a_file_in_the_place_of_another_is_found(place: Place) -> None:
    one, two = place.root / "docs/templates/plan.md", place.root / "docs/templates/spec.md"
    with restored(one), restored(two):
        data = one.read_bytes()
        one.write_bytes(two.read_bytes())
        two.write_bytes(data)
        assert place.names() == {"docs/templates/plan.md", "docs/templates/spec.md"}


@pytest.mark.skipif(os.name != "posix", reason="files have no permission bits here")
@pytest.mark.parametrize("mode", UNLIKELY_MODES, ids=oct)
def test_permissions_that_no_umask_makes_are_found_for_every_file(place: Place, mode: int) -> None:
    assert undetected(place, place.files(), lambda path: path.chmod(mode)) == []


@pytest.mark.skipif(os.name != "posix", reason="files have no permission bits here")
@pytest.mark.parametrize("mode", [0o644, 0o655, 0o600, 0o4755, 0o2755, 0o1755, 0o355], ids=oct)
def test_permissions_that_no_umask_makes_of_an_executable_file_are_found(
    small: Place, mode: int
) -> None:
    assert undetected(small, ["bin/run"], lambda path: path.chmod(mode)) == []


@pytest.mark.parametrize("mode", LIKELY_MODES, ids=oct)
def test_the_permissions_that_a_umask_makes_are_no_alteration(place: Place, mode: int) -> None:
    with contextlib.ExitStack() as stack:
        for name in place.files():
            stack.enter_context(restored(place.root / name))
            (place.root / name).chmod(mode)
        assert place.open().integrity == "verified"


def test_a_file_system_that_calls_every_file_executable_is_no_alteration(small: Place) -> None:
    for name in small.files():
        (small.root / name).chmod(0o777)
    assert small.open().integrity == "verified"


STRIKES: dict[str, Strike] = {
    "an altered byte": flip_one,
    "a truncation": lambda path: cut(path, -1),
    "an added byte": add,
    "a removal": Path.unlink,
    "a rename": lambda path: path.rename(f"{path}~"),
    "an additional file": lambda path: path.with_name("new").write_bytes(b""),
    "permissions": lambda path: path.chmod(0o777),
}


@pytest.mark.parametrize("strike", STRIKES.values(), ids=STRIKES.keys())
@pytest.mark.parametrize("is_there", [True, False], ids=["into a repository", "into nothing"])
def test_an_install_from_an_altered_bundle_leaves_the_target_as_it_was(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strike: Strike, is_there: bool
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(place.root, damaged)
    strike(damaged / "docs/templates/spec.md")
    monkeypatch.setattr(source, "package_tree", lambda: DirectoryTree(str(damaged)))
    words = [damaged if word == place.root else word for word in place.words]
    target = tmp_path / "target"
    if is_there:
        make_repo(target)
    before = snapshot(tmp_path, with_state=True, with_times=True)
    done = install(target, "--json", *words)
    assert (done.code, done.json["error"]["type"], done.json["changed"]) == (6, "SourceError", False)
    assert snapshot(tmp_path, with_state=True, with_times=True) == before


# --- the index ---------------------------------------------------------------------------------------


def installs(bundle: Bundle) -> object:
    """What an install of a bundle writes, and what it takes for its own."""
    return {entry.path: entry for entry in (*bundle.index.entries, *bundle.index.metadata)}


def test_no_altered_byte_of_an_index_changes_what_is_installed(small: Place) -> None:
    intact, index = installs(small.open()), small.root / INDEX_NAME
    changed, data = [], index.read_bytes()
    for position in range(len(data)):
        index.write_bytes(data)
        flip(index, position, 1 << position % 8)
        with contextlib.suppress(SourceError, IncompatibleError):
            if installs(small.open()) != intact:
                changed.append(position)
    assert changed == []


def test_no_truncation_of_an_index_is_an_index(small: Place) -> None:
    index = small.root / INDEX_NAME
    data = index.read_bytes()
    accepted = []
    for length in range(len(data) - 1):
        index.write_bytes(data[:length])
        if INDEX_NAME not in small.names():
            accepted.append(length)
    assert accepted == []


def test_a_bundle_whose_index_is_gone_counts_as_one_that_never_had_any(
    exported: Path, tmp_path: Path
) -> None:
    shutil.copytree(exported, tmp_path / "b")
    (tmp_path / "b" / INDEX_NAME).unlink()
    done = install(tmp_path / "target", "--json", bundle=tmp_path / "b")
    assert (done.code, done.json["source"]["integrity"]) == (0, "unverified")
    assert "has no index, so its files are unverified" in done.err
    assert not (tmp_path / "target/known-digests.json").exists()


def test_a_signed_bundle_whose_index_is_gone_is_refused(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "b")
    (tmp_path / "b" / INDEX_NAME).rename(tmp_path / "b" / SIGNATURE_NAME)
    done = install(tmp_path / "target", bundle=tmp_path / "b")
    assert (done.code, f"{INDEX_NAME}: missing" in done.err) == (6, True)
    assert not (tmp_path / "target").exists()


# --- in an archive -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "packed"])
def test_an_altered_byte_in_an_archive_is_found(
    small: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: int
) -> None:
    archive = tmp_path / "b.zip"
    original = b"0123456789" * 20
    make_bundle(small.root, {"a": b"a", "c": original})
    with zipfile.ZipFile(archive, "w", method) as written:
        for name in small.files():
            written.write(small.root / name, name)
        info = written.getinfo("c")
    data = archive.read_bytes()
    start = info.header_offset + 30 + len("c")
    missed = []
    for position in range(start, start + info.compress_size):
        archive.write_bytes(data)
        flip(archive, position, 1 << position % 8)
        with zipfile.ZipFile(archive) as opened:
            tree = ResourceTree(zipfile.Path(opened))
            monkeypatch.setattr(source, "package_tree", lambda tree=tree: tree)
            is_found = Place(archive, source.open_package, ()).names() == {"c"}
            # Some bits of a packed stream say nothing.
            if not is_found and tree.fetch("c").data != original:
                missed.append(position)
    assert missed == []


# --- all of it ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_altered_bit_is_found_in_a_small_bundle(small: Place) -> None:
    missed = []
    for name in small.files():
        if name == INDEX_NAME:
            continue
        for bit in range(8 * (small.root / name).stat().st_size):
            with restored(small.root / name):
                flip(small.root / name, bit // 8, 1 << bit % 8)
                missed += [(name, bit)] * (name not in small.names())
    assert missed == []


@pytest.mark.slow
def test_every_value_of_every_byte_of_an_index_changes_nothing_that_is_installed(small: Place) -> None:
    intact, index = installs(small.open()), small.root / INDEX_NAME
    data = index.read_bytes()
    chance = random.Random(1)
    changed = []
    for position in range(len(data)):
        for bits in chance.sample(range(1, 256), 20):
            index.write_bytes(data)
            flip(index, position, bits)
            with contextlib.suppress(SourceError, IncompatibleError):
                if installs(small.open()) != intact:
                    changed.append((position, bits))
    assert changed == []


@pytest.mark.slow
def test_altered_bytes_all_over_the_files_that_ship_are_found(place: Place) -> None:
    missed = []
    for name in place.files():
        if name == INDEX_NAME:
            continue
        size = (place.root / name).stat().st_size
        for position in {0, size // 3, size // 2, size - 1, *range(0, size, 500)}:
            with restored(place.root / name):
                flip(place.root / name, position, 0x20)
                missed += [(name, position)] * (name not in place.names())
    assert missed == []
