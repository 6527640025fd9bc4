"""The kit: what it holds, what it cannot hold, and the entry point of the application in it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agentrail_runtime import __version__, kit, source
from agentrail_runtime.cli import kit as cli_kit
from agentrail_runtime.entry import INDEX_NAME, load_index
from agentrail_runtime.errors import SourceError
from agentrail_runtime.kit import Application
from agentrail_runtime.replacement import item
from agentrail_runtime.tree import DirectoryTree
from tests.scenario.story import _Stream
from tests.support import Run, agentrail, make_bundle, snapshot, write


class Installed:
    """A distribution as ``importlib.metadata`` tells of it."""

    def __init__(self, root: Path, name: str, files: tuple[str, ...] | None, *requires: str) -> None:
        self.metadata = {"Name": name}
        self.requires = [*requires] or None
        self.files: Any = None
        if files is not None:
            write(root, {file: f"{name}: {file}" for file in files if not file.startswith("..")})
            self.files = [
                SimpleNamespace(as_posix=lambda file=file: file, locate=lambda file=file: root / file)
                for file in files
            ]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that says what is installed: name, files, requirements."""
    found: dict[str, Installed] = {}

    def distribution(name: str) -> Installed:
        if name not in found:
            raise metadata.PackageNotFoundError(name)
        return found[name]

    def add(name: str, files: tuple[str, ...] | None, *requires: str) -> None:
        found[name] = Installed(tmp_path / "site", name, files, *requires)

    monkeypatch.setattr(metadata, "distribution", distribution)
    return add


def names(made: Application) -> set[str]:
    """The files of an application but for our own."""
    with zipfile.ZipFile(io.BytesIO(made.data)) as archive:
        return {name for name in archive.namelist() if not name.startswith("agentrail_runtime/")}


# --- the application ---------------------------------------------------------------------------------


def test_the_application_holds_what_is_needed_and_on_whose_terms(
    installed: Callable[..., None],
) -> None:
    installed("agentrail-runtime", (), "one>=1", "two; extra == 'more'")
    installed(
        "one",
        (
            "one/__init__.py",
            "one/data.txt",
            "one/fast.so",
            "one/__pycache__/x.cpython-311.pyc",
            "one-1.dist-info/METADATA",
            "one-1.dist-info/RECORD",
            "one-1.dist-info/licenses/LICENSE.txt",
            "one-1.dist-info/NOTICE",
            "one.pth",
            "../../../bin/one",
            "/etc/one",
        ),
        "three",
    )
    installed("three", ("three.py",), "one")
    made = kit.application([])
    assert made.lacks == ()
    assert names(made) == {
        "__main__.py",
        "one/__init__.py",
        "one/data.txt",
        "one-1.dist-info/METADATA",
        "one-1.dist-info/licenses/LICENSE.txt",
        "one-1.dist-info/NOTICE",
        "three.py",
    }


def test_the_bundle_takes_the_place_of_the_payload_in_the_application(
    installed: Callable[..., None],
) -> None:
    installed("agentrail-runtime", ())
    made = kit.application([item("a.md", b"a")])
    with zipfile.ZipFile(io.BytesIO(made.data)) as archive:
        payload = [name for name in archive.namelist() if "/payload/" in name]
        assert payload == ["agentrail_runtime/payload/a.md"]
        assert archive.read(payload[0]) == b"a"
        assert "agentrail_runtime/cli/kit.py" in archive.namelist()
        assert "agentrail_runtime/allowed_signers" in archive.namelist()


def test_the_same_files_make_the_same_bytes_of_an_application(installed: Callable[..., None]) -> None:
    installed("agentrail-runtime", (), "one")
    installed("one", ("b.py", "a.py"))
    made = kit.application([])
    installed("one", ("a.py", "b.py"))
    assert kit.application([]) == made
    with zipfile.ZipFile(io.BytesIO(made.data)) as archive:
        about = {
            (info.date_time, info.create_system, info.external_attr >> 16, info.compress_type)
            for info in archive.infolist()
        }
    assert about == {((1980, 1, 1, 0, 0, 0), 3, 0o644, zipfile.ZIP_STORED)}
    assert made.data.startswith(b"#!/usr/bin/env python3\n")


def test_a_dependency_of_another_platform_that_is_not_here_is_named(
    installed: Callable[..., None],
) -> None:
    elsewhere = "win32" if sys.platform != "win32" else "linux"
    installed("agentrail-runtime", (), f"one; sys_platform == '{elsewhere}'")
    assert kit.application([]).lacks == (f'one, for sys_platform == "{elsewhere}"',)


@pytest.mark.parametrize(
    "marker", ["python_version < '3.10'", "python_full_version<'3.9.1'", "sys_platform == 'atari'"]
)
def test_a_dependency_that_nobody_needs_who_can_run_a_kit_is_not_missed(
    installed: Callable[..., None], marker: str
) -> None:
    installed("agentrail-runtime", (), f"one; {marker}")
    assert kit.application([]).lacks == ()


@pytest.mark.parametrize(
    "marker",
    [
        'python_version < "3.99" and platform_python_implementation == "PyPy"',
        'python_version == "3.29"',
    ],
)
def test_a_dependency_of_another_python_that_is_not_here_is_named(
    installed: Callable[..., None], marker: str
) -> None:
    installed("agentrail-runtime", (), f"one; {marker}")
    assert kit.application([]).lacks == (f"one, for {marker}",)


@pytest.mark.parametrize(
    "requirement", ["one", "one; python_version >= '3.10'"], ids=["always", "here"]
)
def test_a_dependency_that_is_needed_here_and_not_installed_is_an_error(
    installed: Callable[..., None], requirement: str
) -> None:
    installed("agentrail-runtime", (), requirement)
    with pytest.raises(
        SourceError, match="one: not installed, so that no kit can be made of it"
    ) as told:
        kit.application([])
    assert told.value.hint == "make the kit where it is installed: pip install agentrail-runtime"


def test_a_kit_cannot_be_made_where_the_package_itself_is_not_installed(
    installed: Callable[..., None],
) -> None:
    with pytest.raises(SourceError, match="agentrail-runtime: not installed"):
        kit.application([])


def test_a_kit_cannot_be_made_of_a_distribution_that_does_not_name_its_files(
    installed: Callable[..., None],
) -> None:
    installed("agentrail-runtime", (), "one")
    installed("one", None)
    with pytest.raises(SourceError, match="one: not installed, so"):
        kit.application([])


def test_a_file_of_a_dependency_that_is_gone_is_named(
    installed: Callable[..., None], tmp_path: Path
) -> None:
    installed("agentrail-runtime", (), "one")
    installed("one", ("one.py",))
    (tmp_path / "site/one.py").unlink()
    with pytest.raises(SourceError, match=r"site/one\.py: cannot be read: No such file") as told:
        kit.application([])
    assert told.value.hint == "install it again: pip install --force-reinstall one"


def test_a_kit_cannot_be_made_from_within_an_archive(
    installed: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("agentrail-runtime", ())
    monkeypatch.setattr(kit, "__file__", str(tmp_path / "archive.zip/agentrail_runtime/kit.py"))
    with pytest.raises(SourceError, match="agentrail-runtime: not installed"):
        kit.application([])


def test_links_and_compiled_files_in_the_source_tree_do_not_ship(
    installed: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("agentrail-runtime", ())
    package = tmp_path / "agentrail_runtime"
    write(package, {"kit.py": "", "__pycache__/kit.cpython-311.pyc": "", "payload/a.md": "old"})
    (package / "link.py").symlink_to("kit.py")
    monkeypatch.setattr(kit, "__file__", str(package / "kit.py"))
    with zipfile.ZipFile(io.BytesIO(kit.application([]).data)) as archive:
        assert archive.namelist() == ["__main__.py", "agentrail_runtime/kit.py"]


# --- beside it ---------------------------------------------------------------------------------------


def test_the_sums_are_those_of_every_other_file() -> None:
    rows = kit.items([item("b c.md", b"b"), item("a", b"a")], Application(b"z", ()), version="1.2.3")
    assert [row.path for row in rows] == [
        "README.md",
        "agentrail-install.pyz",
        "runtime/a",
        "runtime/b c.md",
        "SHA256SUMS",
    ]
    said = kit.load_sums(rows[-1].content())
    assert said == {row.path: hashlib.sha256(row.content()).hexdigest() for row in rows[:-1]}


@pytest.mark.parametrize("data", [b"", b"\xff\n", b"ab  x\n", b"x" * 64 + b"  x\n"])
def test_what_are_no_sums_tells_of_no_file(data: bytes) -> None:
    assert kit.load_sums(data) == {}


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ((), "newer and nothing else. Check"),
        (("a, for b",), "newer and nothing else (not in it: a, for b). Check"),
        (("a, for b", "c, for d"), "newer and nothing else (not in it: a, for b; c, for d). Check"),
    ],
)
def test_the_readme_says_what_to_type_and_what_is_missing(lacks: tuple[str, ...], said: str) -> None:
    (readme, *_) = kit.items([], Application(b"", lacks), version="1.2.3")
    text = readme.content().decode()
    assert text.startswith("# AgentRail 1.2.3,")
    assert said in text
    assert len([line for line in text.splitlines() if line]) <= 10


def test_an_export_tells_what_a_kit_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Application(b"zip", ("one, for atari",))
    monkeypatch.setattr(kit, "application", lambda bundle: made)
    run = agentrail("export", "--kit", "--output", tmp_path / "kit")
    assert (run.code, run.err) == (0, "note: agentrail-install.pyz: without one, for atari\n")


# --- too old a Python --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 9, 20)])
def test_an_old_python_gets_one_sentence(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SystemExit) as stopped:
        exec(compile(kit._MAIN, "__main__.py", "exec"), {"__name__": "__main__"})
    major, minor, _ = version
    assert stopped.value.code == (
        f"agentrail-install: needs Python 3.10 or newer (this is {major}.{minor})"
    )


# --- the entry point ---------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kit of a small bundle, in a directory with a space in its name."""
    root = tmp_path / "the kit"
    make_bundle(root / "runtime", {"docs/a.md": "a\n"})
    package = make_bundle(tmp_path / "package", {"docs/a.md": "a\n"})
    (root / "agentrail-install.pyz").write_bytes(b"")
    monkeypatch.setattr(source, "package_tree", lambda: DirectoryTree(str(package)))
    monkeypatch.setattr(cli_kit, "package_tree", lambda: DirectoryTree(str(package)))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return root


def run(place: Path, *words: str | Path) -> Run:
    """Run the application in `place` with `words`, in this process."""
    out, err, before = _Stream(), _Stream(), sys.argv
    sys.argv = [str(place / "agentrail-install.pyz"), *map(str, words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), raises_exit() as stopped:
            cli_kit.main()
    finally:
        sys.argv = before
    return Run(stopped[0], out.text, err.text)


@contextlib.contextmanager
def raises_exit() -> Iterator[list[int]]:
    """Catch the end of a program; tell its exit code."""
    code: list[int] = []
    with pytest.raises(SystemExit) as stopped:
        yield code
    assert isinstance(stopped.value.code, int)
    code.append(stopped.value.code)


def test_a_target_alone_is_installed_from_what_lies_beside(place: Path, tmp_path: Path) -> None:
    done = run(place, "--json", tmp_path / "t")
    found = done.json["source"]
    assert (done.code, found["kind"], found["location"]) == (0, "copy", str(place / "runtime"))
    assert run(place, tmp_path / "t").out.endswith("nothing to do (1 unchanged)\n")
    assert run(place, "install", tmp_path / "t").code == 0


def test_a_kit_outlives_the_copy_route(place: Path, tmp_path: Path) -> None:
    for root in (place / "runtime", tmp_path / "package"):
        index = load_index((root / INDEX_NAME).read_bytes())
        (root / INDEX_NAME).write_bytes(index._replace(phase=4, default_source="package").dump())
    done = run(place, "--json", tmp_path / "t")
    assert (done.code, done.json["source"]["kind"]) == (0, "package")


@pytest.mark.parametrize("command", ["verify", "status", "diff", "rollback", "uninstall"])
def test_a_command_is_one_of_agentrail(place: Path, tmp_path: Path, command: str) -> None:
    run(place, tmp_path / "t")
    assert run(place, command, tmp_path / "t").code == 0


def test_it_tells_its_version(place: Path) -> None:
    assert run(place, "--version") == (0, f"agentrail, version {__version__}\n", "")


def test_commands_to_type_are_those_that_can_be_typed(place: Path, tmp_path: Path) -> None:
    program = f"python '{place}/agentrail-install.pyz'"
    done = run(place, tmp_path / "t")
    assert done.out.endswith(f"undo: {program} rollback {tmp_path}/t\n")
    write(tmp_path / "t", {"docs/a.md": "mine\n"})
    told = run(place, "verify", tmp_path / "t").err
    assert f"put back what was delivered: {program} --on-conflict overwrite {tmp_path}/t\n" in told
    assert run(place, "--frobnicate", tmp_path / "t").err.startswith(f"Usage: {program} ")
    assert run(place, "verify", "--frobnicate").err.startswith(f"Usage: {program} verify ")


def test_a_notice_names_a_command_that_can_be_typed(place: Path, tmp_path: Path) -> None:
    write(tmp_path / "t", {"docs/a.md": "mine\n"})
    run(place, "--force", tmp_path / "t")
    told = run(place, "uninstall", tmp_path / "t").err
    assert f"drop it with: python '{place}/agentrail-install.pyz' uninstall --purge" in told


@pytest.mark.parametrize("words", [[], ["install"], ["status"], ["diff"]], ids=" ".join)
@pytest.mark.parametrize("what", ["another bundle", "no index", "nothing"])
def test_only_the_bundle_that_the_kit_was_made_with_is_taken(
    place: Path, tmp_path: Path, words: list[str], what: str
) -> None:
    run(place, tmp_path / "t")
    before = snapshot(tmp_path / "t", with_state=True, with_times=True)
    if what == "another bundle":
        make_bundle(place / "runtime", {"docs/a.md": "b\n"})
    else:
        (place / "runtime" / INDEX_NAME).unlink()
    if what == "nothing":
        (place / "runtime/docs/a.md").unlink()
    done = run(place, *words, "--json", tmp_path / "t")
    if words == ["status"]:
        told = done.json["error"]
    else:
        assert done.code == 6
        told = done.json["error"]
        assert (done.json["command"], done.json["target"]) == (
            (words or ["install"])[0],
            str(tmp_path / "t"),
        )
    assert told["message"].startswith(f"{place}/runtime: {INDEX_NAME}: ")
    assert told["hint"] == "fetch the kit again, or name another bundle with --runtime-dir DIR"
    assert snapshot(tmp_path / "t", with_state=True, with_times=True) == before


def test_a_target_that_is_not_there_is_not_made_by_a_kit_without_its_bundle(
    place: Path, tmp_path: Path
) -> None:
    (place / "runtime" / INDEX_NAME).unlink()
    assert run(place, tmp_path / "t").code == 6
    assert not (tmp_path / "t").exists()


def test_without_its_bundle_a_kit_still_verifies_rolls_back_and_helps(
    place: Path, tmp_path: Path
) -> None:
    run(place, tmp_path / "t")
    (place / "runtime" / INDEX_NAME).unlink()
    assert run(place, "verify", tmp_path / "t").code == 0
    assert run(place, "--help").code == 0
    assert run(place, "diff", "--help").code == 0
    assert run(place, "rollback", tmp_path / "t").code == 0


def test_the_user_may_name_another_bundle(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_bundle(tmp_path / "other", {"docs/a.md": "b\n"})

    def location(*words: str | Path) -> str:
        done = run(place, "--json", "--dry-run", *words, tmp_path / "t")
        assert done.code == 0
        return str(done.json["source"]["location"])

    assert location("--runtime-dir", other) == str(other)
    assert location("--source", "copy", "--runtime-dir", other) == str(other)
    assert location("--source", "copy") == str(place / "runtime")
    assert location("--source", "package") == str(tmp_path / "package")
    monkeypatch.setitem(os.environ, "AGENTRAIL_RUNTIME_DIR", str(other))
    assert location() == str(other)
    monkeypatch.setitem(os.environ, "AGENTRAIL_SOURCE", "auto")
    assert location() == str(tmp_path / "package")
    monkeypatch.setitem(os.environ, "AGENTRAIL_SOURCE", "")
    monkeypatch.setitem(os.environ, "AGENTRAIL_RUNTIME_DIR", "")
    assert location() == str(place / "runtime")


def test_the_package_in_a_kit_installs_where_the_bundle_beside_it_is_gone(
    place: Path, tmp_path: Path
) -> None:
    (place / "runtime" / INDEX_NAME).unlink()
    done = run(place, "--json", "--source", "package", tmp_path / "t")
    assert (done.code, done.json["source"]["kind"]) == (0, "package")


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege here")
def test_a_link_to_the_application_finds_the_bundle_beside_it(place: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/agentrail-install.pyz").symlink_to(place / "agentrail-install.pyz")
    done = run(tmp_path / "bin", "--json", tmp_path / "t")
    assert (done.code, done.json["source"]["location"]) == (0, str(place / "runtime"))


def test_a_usage_error_names_its_command_in_json(place: Path) -> None:
    done = run(place, "--json", "verify", "--frobnicate")
    assert (done.code, json.loads(done.out)["error"]["type"]) == (2, "UsageError")


def test_the_application_of_this_very_package_starts(tmp_path: Path) -> None:
    path = tmp_path / "agentrail-install.pyz"
    path.write_bytes(kit.application([]).data)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(path), "rollback", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: python {path} rollback ")
