"""Pins of the runtime: which there are, and what is out of step with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime.operation import pins as pins_
from tests.crash.hostile import bounded
from tests.scenario.story import KEYS, agentrail, install
from tests.support import Run, snapshot, write

PIN = "agentrail-runtime==1.0.0\n"
NEWER = "agentrail-runtime==1.1.0\n"


def route(bundle: Path) -> tuple[str | Path, ...]:
    return ("--source", "copy", "--runtime-dir", bundle)


def section(run: Run) -> list[str]:
    """Return the lines on pins."""
    lines = run.out.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("pins ")]
    return lines[starts[0] :] if starts else []


def found(root: Path, *words: str | Path) -> list[tuple[str, int, bool]]:
    """Return path, line and agreement of every pin."""
    document = agentrail("status", "--json", *words, root).json
    return [(row["path"], row["line"], row["agrees"]) for row in document.get("pins", [])]


def test_a_repository_without_pins_is_told_nothing_of_them(repo: Path) -> None:
    install(repo)
    write(repo, {"requirements.txt": "click==8.1.7\n", "pyproject.toml": "not TOML\n"})
    run = agentrail("status", "--exit-code", repo)
    assert (run.code, section(run)) == (0, [])
    assert set(agentrail("status", "--json", repo).json) == KEYS


def test_a_repository_without_pins_pays_no_import_for_them(repo: Path) -> None:
    install(repo)
    write(repo, {"requirements.txt": "click==8.1.7\n", "pyproject.toml": "[project]\n"})
    code = (
        "import sys; from agentrail_runtime.cli.main import agentrail, run;"
        f"run(agentrail, ['status', {str(repo)!r}], name='agentrail');"
        "sys.exit('packaging' in sys.modules or 'tomllib' in sys.modules or 'tomli' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode
        == 0
    )


def test_a_pin_that_agrees_is_listed_and_changes_nothing(repo: Path) -> None:
    install(repo)
    write(repo, {"requirements-dev.txt": f"click\n{PIN}"})
    before = snapshot(repo, with_state=True, with_times=True)
    run = agentrail("status", "--exit-code", repo)
    assert run.code == 0
    assert section(run) == ["pins       1", "  requirements-dev.txt:2: agentrail-runtime==1.0.0"]
    assert snapshot(repo, with_state=True, with_times=True) == before


def test_a_pin_that_disagrees_is_named_with_file_and_line(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(repo)
    write(repo, {"requirements-dev.txt": f"click\n\n{NEWER}", "uv.lock": LOCK})
    monkeypatch.chdir(repo)
    run = agentrail("status")
    assert run.code == 0
    assert section(run) == [
        "pins       2",
        "  requirements-dev.txt:3: agentrail-runtime==1.1.0 (installed package 1.0.0, receipt 1.0.0)",
        "  uv.lock:2: agentrail-runtime==1.0.0",
        "  hint: pip install -r requirements-dev.txt",
    ]
    assert agentrail("status", "--exit-code").code == 4


def test_a_quiet_status_tells_of_pins_by_its_exit_code_alone(repo: Path) -> None:
    install(repo)
    write(repo, {"requirements.txt": NEWER})
    assert agentrail("status", "-q", "--exit-code", repo) == (4, "", "")


LOCK = '[[package]]\nname = "agentrail-runtime"\nversion = "1.0.0"\n'


def test_a_script_gets_every_pin(repo: Path) -> None:
    install(repo)
    write(repo, {"requirements.txt": "agentrail-runtime>=1.1\n", "uv.lock": LOCK})
    document = agentrail("status", "--json", repo).json
    assert set(document) == {*KEYS, "pins"}
    assert document["pins"] == [
        {
            "path": "requirements.txt",
            "line": 1,
            "requirement": "agentrail-runtime>=1.1",
            "specifier": ">=1.1",
            "version": None,
            "agrees": False,
            "problem": "installed package 1.0.0, receipt 1.0.0",
        },
        {
            "path": "uv.lock",
            "line": 2,
            "requirement": "agentrail-runtime==1.0.0",
            "specifier": "==1.0.0",
            "version": "1.0.0",
            "agrees": True,
            "problem": None,
        },
    ]


def test_a_version_that_was_raised_but_never_applied_is_told_with_the_command(
    repo: Path, v1: Path, v2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(repo, bundle=v1)
    write(repo, {"requirements.txt": NEWER})
    monkeypatch.setattr("agentrail_runtime.operation.status.__version__", "1.1.0")
    run = agentrail("status", "--exit-code", *route(v2), repo)
    assert run.code == 4
    assert section(run)[1:3] == [
        "  requirements.txt:1: agentrail-runtime==1.1.0 (receipt 1.0.0)",
        f"  hint: agentrail-install {repo}",
    ]


def test_a_receipt_that_is_ahead_of_pin_and_package_is_not_downgraded_unasked(
    repo: Path, v2: Path
) -> None:
    install(repo, bundle=v2)
    write(repo, {"requirements.txt": PIN})
    lines = section(agentrail("status", *route(v2), repo))
    assert lines[1:] == [
        "  requirements.txt:1: agentrail-runtime==1.0.0 (receipt 1.1.0)",
        f"  hint: move the pin to 1.1.0, or go back: agentrail-install --allow-downgrade {repo}",
    ]


def test_a_package_that_is_behind_is_installed_from_the_file_of_the_pin(
    repo: Path, v2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(repo, bundle=v2)
    write(repo, {"requirements.txt": NEWER, "sub/constraints.txt": NEWER})
    monkeypatch.chdir(repo.parent)
    assert section(agentrail("status", *route(v2), repo))[1:] == [
        "  requirements.txt:1: agentrail-runtime==1.1.0 (installed package 1.0.0)",
        "  sub/constraints.txt:1: agentrail-runtime==1.1.0 (installed package 1.0.0)",
        "  hint: pip install -r repo/requirements.txt",
        "  hint: pip install -c repo/sub/constraints.txt agentrail-runtime",
    ]


def test_a_hint_can_be_typed_from_a_directory_that_is_gone(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(repo)
    write(repo, {"requirements.txt": NEWER})
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert section(agentrail("status", repo))[-1] == f"  hint: pip install -r {repo}/requirements.txt"
    monkeypatch.chdir(tmp_path)


def test_a_pin_for_another_python_is_listed_and_disagrees_with_nothing(repo: Path) -> None:
    install(repo)
    write(repo, {"requirements.txt": "agentrail-runtime==0.9; python_version < '3'\n"})
    run = agentrail("status", "--exit-code", repo)
    assert run.code == 0
    assert section(run)[1] == (
        "  requirements.txt:1: agentrail-runtime==0.9; python_version < '3' (not in this environment)"
    )


def test_every_format_is_looked_into_where_it_lies(repo: Path) -> None:
    install(repo)
    write(
        repo,
        {
            "constraints.txt": PIN,
            "pylock.toml": LOCK.replace("package", "packages"),
            "pyproject.toml": "[dependency-groups]\ndev = ['agentrail-runtime==1.0.0']\n",
            "requirements/dev.txt": PIN,
            "a/b/c/d/requirements.in": PIN,
            "tools/poetry.lock": LOCK,
        },
    )
    assert found(repo) == [
        ("a/b/c/d/requirements.in", 1, True),
        ("constraints.txt", 1, True),
        ("pylock.toml", 2, True),
        ("pyproject.toml", 2, True),
        ("requirements/dev.txt", 1, True),
        ("tools/poetry.lock", 2, True),
    ]


@pytest.mark.parametrize(
    "name",
    [
        ".tox/requirements.txt",
        "node_modules/a/requirements.txt",
        "build/requirements.txt",
        "sub/dist/requirements.txt",
        "lib/site-packages/requirements.txt",
        "__pycache__/requirements.txt",
        "a/b/c/d/e/requirements.txt",
        "records/2026-01-02__a/requirements.txt",
    ],
)
def test_what_tools_put_there_and_task_records_pin_nothing(repo: Path, name: str) -> None:
    install(repo, "--task-root", "records")
    write(repo, {name: NEWER})
    assert found(repo) == []


@pytest.mark.parametrize("mark", ["pyvenv.cfg", ".git", ".agentrail/receipt.json"])
def test_another_repository_or_environment_below_pins_nothing_here(repo: Path, mark: str) -> None:
    install(repo)
    write(
        repo, {f"below/{mark}": "", "below/requirements.txt": NEWER, "below/a/requirements.txt": NEWER}
    )
    assert found(repo) == []


def test_a_file_that_cannot_be_read_is_a_finding_where_it_names_the_runtime(repo: Path) -> None:
    install(repo)
    write(repo, {"pyproject.toml": "[project]\n# agentrail-runtime\n= 1\n"})
    run = agentrail("status", "--exit-code", repo)
    assert run.code == 4
    lines = section(run)
    assert lines[0] == "pins       1"
    assert lines[1].startswith("  pyproject.toml:2: cannot be read: not TOML: ")
    assert lines[2] == "  hint: mend pyproject.toml, then run the command again"
    [row] = agentrail("status", "--json", repo).json["pins"]
    assert (row["requirement"], row["version"], row["agrees"]) == ("", None, False)


def test_a_requirement_that_cannot_be_read_is_shown_as_it_is_written(repo: Path) -> None:
    install(repo)
    write(repo, {"requirements.txt": "agentrail-runtime=1.0.0\n"})
    problem = "cannot be read: expected a requirement (PEP 508)"
    line = f"  requirements.txt:1: agentrail-runtime=1.0.0 ({problem})"
    assert section(agentrail("status", repo))[1] == line


def test_pins_are_told_where_no_source_can_be_used(repo: Path, tmp_path: Path) -> None:
    install(repo)
    write(repo, {"requirements.txt": NEWER})
    run = agentrail("status", *route(tmp_path / "nothing"), repo)
    assert section(run)[0] == "pins       1"
    assert "update     not known:" in run.out


# --- a hostile repository ---------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="made of POSIX files")
def test_special_files_symlinks_and_large_files_pin_nothing_and_stop_nothing(
    repo: Path, tmp_path: Path
) -> None:
    install(repo)
    write(tmp_path, {"outside/requirements.txt": NEWER})
    write(
        repo,
        {"requirements-large.txt": NEWER + "#" * (2 << 20), "uv.lock": "#" * (2 << 20) + "\n" + LOCK},
    )
    os.mkfifo(repo / "requirements-pipe.txt")
    (repo / "requirements-link.txt").symlink_to(tmp_path / "outside" / "requirements.txt")
    (repo / "link").symlink_to(tmp_path / "outside")
    (repo / "requirements.txt").mkdir()
    with bounded():
        assert found(repo) == [("uv.lock", 3, True)]


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_what_may_not_be_read_pins_nothing_and_stops_nothing(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(repo)
    write(repo, {"closed/requirements.txt": NEWER, "requirements.txt": NEWER, "uv.lock": LOCK})
    real_open, real_scan = os.open, os.scandir

    def refuse(path: Any, *words: Any, **options: Any) -> int:
        if str(path).endswith("requirements.txt"):
            raise PermissionError(13, "Permission denied", path)
        return real_open(path, *words, **options)

    def refuse_scan(path: Any) -> Any:
        if str(path).endswith("closed/"):
            raise PermissionError(13, "Permission denied", path)
        return real_scan(path)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "scandir", refuse_scan)
    assert found(repo) == [("uv.lock", 2, True)]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_strange_name_is_shown_as_one_line_that_can_be_printed(repo: Path) -> None:
    install(repo)
    below = os.fsencode(repo) + b"/a\xff\n\x1b[31m"
    os.mkdir(below)
    for name, text in (
        (b"requirements.txt", PIN),
        (b"constraints.txt", NEWER),
        (b"pyproject.toml", PIN),
    ):
        with open(below + b"/" + name, "w") as file:
            file.write(text)
    lines = section(agentrail("status", repo))
    assert lines[0] == "pins       3"
    assert len(lines) == 6
    assert all(line.isprintable() for line in lines)
    assert "  a\\udcff \\x1b[31m/requirements.txt:1: agentrail-runtime==1.0.0" in lines
    assert agentrail("status", "--json", repo).code == 0


def test_a_repository_of_countless_files_is_looked_into_from_the_top_and_says_so(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(repo)
    write(repo, {"requirements.txt": PIN, "a/b/requirements.txt": PIN})
    monkeypatch.setattr(pins_, "_MOST_ENTRIES", 10)
    assert found(repo) == [("requirements.txt", 1, True)]
    run = agentrail("status", repo)
    assert "note: pins: only the first 10 files and directories were looked at\n" in run.err
