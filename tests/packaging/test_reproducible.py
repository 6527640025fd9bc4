"""Both distributions are the same bytes wherever, whenever and by whomever they are built."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import os
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import archive
import pytest
import reproducible

from agentrail_runtime import __version__
from tests.packaging.support import Distributions, build, copy_tree, make_environment, run, succeed

NEW_YEAR = 1767225600  # 2026-01-01T00:00:00Z
FILES = {
    "a-1.dist-info/RECORD": b"the list",
    "a/tool.sh": b"#!/bin/sh\n",
    "a/__init__.py": b"",
    "a/\u65e5\u672c.md": b"text\n" * 999,
    "z/last.py": b"z = 1\n",
}
EXECUTABLE = "a/tool.sh"


def make_wheel(path: Path, names: list[str], *, umask: int, year: int, system: int) -> Path:
    """Make a zip that holds FILES in the order of `names`, with directories, as some machine would."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(zipfile.ZipInfo("a/", (year, 1, 1, 0, 0, 0)), b"")
        for name in names:
            info = zipfile.ZipInfo(name, (year, 7, 8, 9, 10, 12))
            mode = (0o777 if name == EXECUTABLE else 0o666) & ~umask
            info.external_attr, info.create_system = (stat.S_IFREG | mode) << 16, system
            file.writestr(info, FILES[name])
    return path


def make_sdist(path: Path, names: list[str], *, umask: int, year: int, user: str) -> Path:
    """Make a tar that holds FILES in the order of `names`, with directories, as some machine would."""
    with gzip.open(path, "wb") as stream, tarfile.open(fileobj=stream, mode="w") as file:
        for name in ["a", *names]:
            member = tarfile.TarInfo(name)
            member.uname = member.gname = user
            member.uid = member.gid = len(user)
            member.mtime = (year - 1970) * 31556952.75
            member.mode = (0o777 if name in ("a", EXECUTABLE) else 0o666) & ~umask
            member.type = tarfile.DIRTYPE if name == "a" else tarfile.REGTYPE
            content = FILES.get(name, b"")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


def test_nothing_of_the_machine_stays_in_a_wheel(tmp_path: Path) -> None:
    names = list(FILES)
    here = make_wheel(tmp_path / "1.whl", names, umask=0o022, year=2024, system=3)
    there = make_wheel(tmp_path / "2.whl", names[::-1], umask=0o077, year=1999, system=0)
    for path in (here, there):
        archive.rewrite_wheel(str(path), NEW_YEAR)
    assert here.read_bytes() == there.read_bytes()


def test_nothing_of_the_machine_stays_in_a_source_distribution(tmp_path: Path) -> None:
    names = list(FILES)
    here = make_sdist(tmp_path / "1.tar.gz", names, umask=0o022, year=2024, user="root")
    there = make_sdist(tmp_path / "two.tar.gz", names[::-1], umask=0o077, year=1975, user="somebody")
    for path in (here, there):
        archive.rewrite_sdist(str(path), NEW_YEAR)
    assert here.read_bytes() == there.read_bytes()


def test_a_wheel_keeps_every_file_sorted_with_the_metadata_last(tmp_path: Path) -> None:
    path = make_wheel(tmp_path / "a.whl", list(FILES), umask=0, year=2024, system=0)
    archive.rewrite_wheel(str(path), NEW_YEAR)
    with zipfile.ZipFile(path) as file:
        assert {name: file.read(name) for name in file.namelist()} == FILES
        assert [(info.filename, oct(info.external_attr >> 16)) for info in file.infolist()] == [
            ("a/__init__.py", "0o100644"),
            ("a/tool.sh", "0o100755"),
            ("a/\u65e5\u672c.md", "0o100644"),
            ("z/last.py", "0o100644"),
            ("a-1.dist-info/RECORD", "0o100644"),
        ]
        assert {info.date_time for info in file.infolist()} == {(2026, 1, 1, 0, 0, 0)}


def test_a_source_distribution_keeps_every_file_sorted_and_owned_by_nobody(tmp_path: Path) -> None:
    path = make_sdist(tmp_path / "a.tar.gz", list(FILES), umask=0, year=2024, user="somebody")
    archive.rewrite_sdist(str(path), NEW_YEAR)
    with tarfile.open(path) as file:
        found = [(member.name, oct(member.mode), member.mtime) for member in file]
        owners = {(member.uid, member.gid, member.uname, member.gname) for member in file}
        contents = {member.name: file.extractfile(member) for member in file}
        assert {name: stream and stream.read() for name, stream in contents.items()} == FILES
    assert owners == {(0, 0, "", "")}
    assert found == [
        ("a-1.dist-info/RECORD", "0o644", NEW_YEAR),
        ("a/__init__.py", "0o644", NEW_YEAR),
        ("a/tool.sh", "0o755", NEW_YEAR),
        ("a/\u65e5\u672c.md", "0o644", NEW_YEAR),
        ("z/last.py", "0o644", NEW_YEAR),
    ]


def test_the_gzip_header_tells_the_time_and_no_name(tmp_path: Path) -> None:
    path = make_sdist(tmp_path / "a.tar.gz", list(FILES), umask=0, year=2024, user="somebody")
    archive.rewrite_sdist(str(path), NEW_YEAR)
    assert path.read_bytes()[:10] == b"\x1f\x8b\x08\x00" + NEW_YEAR.to_bytes(4, "little") + b"\x02\xff"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 315532800),
        ("0", 315532800),
        ("-1", 315532800),
        ("315532799", 315532800),
        ("315532801", 315532801),
        ("1767225600", NEW_YEAR),
        ("9" * 40, 4294967295),
    ],
)
def test_the_time_is_that_of_the_variable_as_far_as_archives_can_tell_it(
    text: str | None, seconds: int
) -> None:
    environment = {} if text is None else {"SOURCE_DATE_EPOCH": text}
    assert archive.date(environment) == seconds


@pytest.mark.parametrize("text", ["", "yesterday", "1e9", "12.5", "2026-01-01"])
def test_a_variable_that_is_no_time_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="SOURCE_DATE_EPOCH") as caught:
        archive.date({"SOURCE_DATE_EPOCH": text})
    expected = f"SOURCE_DATE_EPOCH: not a time (expected seconds since 1970, got {text!r})"
    assert str(caught.value) == expected


def private(tree: Path) -> None:
    """Take every permission from everybody else, as a checkout under umask 077 does."""
    for path in tree.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)


def old(tree: Path) -> None:
    """Give every file a time before the first that a zip can tell."""
    for path in tree.rglob("*"):
        os.utime(path, (163123200, 163123200))


def used(tree: Path) -> None:
    """Leave behind what an earlier build did, when one module more was there, and one document."""
    stale = tree / "build" / "lib" / "agentrail_runtime" / "gone.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("gone = True\n")
    (tree / "notes.txt").write_text("mine\n")
    info = tree / "agentrail_runtime.egg-info"
    info.mkdir()
    (info / "SOURCES.txt").write_text("notes.txt\n")


def untouched(tree: Path) -> None:
    """Leave the tree as it is."""


ELSEWHERE = {"TZ": "Asia/Tokyo", "LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "USER": "somebody"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "prepare", "umask", "env"),
    [
        ("umask", private, 0o077, {}),
        ("\u5225\u306e \u5834\u6240", untouched, 0o022, {}),
        ("time", old, 0o022, {}),
        ("locale", untouched, 0o022, ELSEWHERE),
        ("used", used, 0o022, {}),
    ],
    ids=["umask", "directory", "time", "locale", "used"],
)
def test_a_build_under_other_circumstances_is_the_same_bytes(
    built: Distributions,
    tmp_path: Path,
    name: str,
    prepare: Callable[[Path], None],
    umask: int,
    env: dict[str, str],
) -> None:
    tree = copy_tree(tmp_path / name, built.tree)
    prepare(tree)
    assert build(tree, tmp_path / "dist", umask=umask, env=env).digests() == built.digests()


@pytest.mark.slow
def test_two_builds_of_one_commit_differ_from_one_of_another_time_alone(
    built: Distributions, tmp_path: Path
) -> None:
    commit = {"SOURCE_DATE_EPOCH": str(NEW_YEAR)}
    here = build(copy_tree(tmp_path / "here", built.tree), tmp_path / "1", env=commit)
    tree = copy_tree(tmp_path / "\u3042 \u3061 \u3089", built.tree)
    private(tree)
    old(tree)
    there = build(tree, tmp_path / "2", umask=0o077, env=commit | ELSEWHERE)
    assert there.digests() == here.digests()
    assert set(there.digests().values()).isdisjoint(built.digests().values())
    assert there.wheel_files() == built.wheel_files()


@pytest.mark.slow
@pytest.mark.parametrize("of", ["tree", "sdist"])
def test_pip_builds_the_same_wheel(built: Distributions, tmp_path: Path, of: str) -> None:
    source = built.sdist if of == "sdist" else copy_tree(tmp_path / "tree", built.tree)
    words = ("wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, source)
    succeed(sys.executable, "-m", "pip", *words, cwd=tmp_path)
    assert (tmp_path / built.wheel.name).read_bytes() == built.wheel.read_bytes()


@pytest.mark.slow
def test_the_record_is_right_for_every_file(built: Distributions) -> None:
    files = built.wheel_files()
    record = f"agentrail_runtime-{__version__}.dist-info/RECORD"
    rows = {name: rest for name, *rest in csv.reader(io.StringIO(files[record].decode()))}
    assert rows.pop(record) == ["", ""]
    assert rows == {name: _row(content) for name, content in files.items() if name != record}


def _row(content: bytes) -> list[str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return [f"sha256={digest}", str(len(content))]


DEATH = """
import os, archive, reproducible
archive.{rewrite} = lambda path, seconds: os._exit(9)
reproducible.{build}("dist")
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_build_that_is_killed_leaves_what_was_there(
    built: Distributions, tmp_path: Path, kind: str
) -> None:
    tree = copy_tree(tmp_path / "tree", built.tree)
    (tree / "dist").mkdir()
    name = getattr(built, kind).name
    (tree / "dist" / name).write_bytes(b"an earlier one")
    script = DEATH.format(rewrite=f"rewrite_{kind}", build=f"build_{kind}")
    done = run(sys.executable, "-c", script, cwd=tree, env={"PYTHONPATH": str(tree / ".backend")})
    assert (done.code, (tree / "dist" / name).read_bytes()) == (9, b"an earlier one"), done.err
    assert [path.name for path in tree.glob("dist/[!.]*")] == [name]


@pytest.mark.slow
def test_an_editable_install_runs_what_stands_in_the_tree(built: Distributions, tmp_path: Path) -> None:
    tree = copy_tree(tmp_path / "tree", built.tree)
    environment = make_environment(tmp_path / "env")
    words = ("-m", "pip", "install", "-q", "--no-deps", "-e", tree)
    assert environment.run("python", *words, cwd=tmp_path).code == 0
    script = "import agentrail_runtime; print(agentrail_runtime.__file__)"
    done = environment.run("python", "-c", script, cwd=tmp_path)
    assert done.out.strip() == str(tree / "agentrail_runtime" / "__init__.py")


@pytest.mark.parametrize("lost", [".config/.hidden/rules.json", "known-digests.json"])
def test_a_wheel_without_a_file_of_the_payload_is_not_built(tmp_path: Path, lost: str) -> None:
    index = {
        "entries": [{"path": ".config/.hidden/rules.json"}],
        "metadata": [{"path": "known-digests.json"}],
    }
    names = {".config/.hidden/rules.json", "known-digests.json"}
    for name, left_out in (("whole.whl", set()), ("part.whl", {lost})):
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            file.writestr("agentrail_runtime/payload/runtime.index.json", json.dumps(index))
            for path in names - left_out:
                file.writestr(f"agentrail_runtime/payload/{path}", b"x")
    reproducible._hold_against_index(str(tmp_path / "whole.whl"))
    with pytest.raises(ValueError, match=f"payload/{lost}\nhint: "):
        reproducible._hold_against_index(str(tmp_path / "part.whl"))
