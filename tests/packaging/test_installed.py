"""The wheel in a fresh environment, used from a directory that knows nothing of the project."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from agentrail_runtime import __version__
from tests.packaging.support import Distributions, Environment
from tests.support import USER_FILES, Run, git, snapshot

pytestmark = pytest.mark.slow


def test_the_wheel_alone_does_the_whole_job(installed: Environment, repo: Path) -> None:
    before = snapshot(repo)
    place = repo.parent

    first = installed.run("agentrail-install", "repo", "--json", cwd=place)
    assert (first.code, first.json["result"], first.json["summary"]["create"]) == (0, "applied", 39)
    assert set(git(repo, "diff", "--name-only").split()) == {"AGENTS.md", "CLAUDE.md"}
    after = snapshot(repo, with_state=True, with_times=True)

    second = installed.run("agentrail-install", "repo", "--json", cwd=place)
    assert (second.code, second.json["result"], second.json["changed"]) == (0, "unchanged", False)
    assert snapshot(repo, with_state=True, with_times=True) == after

    assert installed.run("agentrail", "verify", cwd=repo / "docs").code == 0

    assert installed.run("agentrail", "rollback", "repo", cwd=place).code == 0
    assert snapshot(repo) == before

    assert installed.run("agentrail", "install", "repo", cwd=place).code == 0
    assert installed.run("agentrail", "uninstall", "repo", cwd=place).code == 0
    assert snapshot(repo, with_state=True) == before


def test_pip_installs_the_payload_as_its_index_says(installed: Environment) -> None:
    payload = installed.site_packages / "agentrail_runtime" / "payload"
    index = json.loads((payload / "runtime.index.json").read_bytes())
    found = {
        path.relative_to(payload).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in payload.rglob("*")
        if path.is_file() and path.name != "runtime.index.json"
    }
    assert found == {row["path"]: row["sha256"] for row in index["entries"] + index["metadata"]}


def test_an_install_from_site_packages_that_nobody_may_write_leaves_them_alone(
    installed: Environment, repo: Path, tmp_path: Path
) -> None:
    packages = tmp_path / "packages"
    shutil.copytree(installed.site_packages, packages)
    for path in [packages, *packages.rglob("*")]:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
    before = snapshot(packages, with_times=True)
    words = ("-m", "agentrail_runtime", "install", repo, "--json")
    done = installed.run("python", *words, cwd=tmp_path, env={"PYTHONPATH": str(packages)})
    assert (done.code, done.json["result"]) == (0, "applied")
    assert done.json["source"]["location"] == str(packages / "agentrail_runtime" / "payload")
    assert snapshot(packages, with_times=True) == before


def test_a_path_with_spaces_and_japanese_is_a_path_like_any_other(
    installed: Environment, repo: Path, tmp_path: Path
) -> None:
    target = repo.rename(tmp_path / "私の リポジトリ")
    done = installed.run("agentrail-install", target.name, "--json", cwd=tmp_path)
    assert (done.code, done.json["target"]) == (0, str(target))
    assert installed.run("agentrail", "verify", target.name, cwd=tmp_path).code == 0
    assert installed.run("agentrail", "uninstall", target.name, cwd=tmp_path).code == 0
    assert (target / "AGENTS.md").read_bytes() == USER_FILES["AGENTS.md"]


def test_the_wheel_file_itself_can_be_imported_and_installs(
    installed: Environment, distributions: Distributions, repo: Path
) -> None:
    def agentrail(*words: str) -> tuple[int, str]:
        path = {"PYTHONPATH": str(distributions.wheel)}
        done = installed.run("python", "-m", "agentrail_runtime", *words, cwd=repo, env=path)
        return done.code, done.out + done.err

    code, text = agentrail("install", ".", "--json")
    assert (code, json.loads(text)["source"]["location"]) == (0, "agentrail_runtime/payload")
    assert agentrail("verify") == (0, f"{repo}: {__version__}, 41 files as recorded\n")
    code, text = agentrail("install", ".")
    assert (code, "nothing to do" in text) == (0, True)


def test_a_damaged_installation_writes_nothing_and_names_the_file(
    installed: Environment, repo: Path, tmp_path: Path
) -> None:
    packages = tmp_path / "packages"
    shutil.copytree(installed.site_packages, packages)
    payload = packages / "agentrail_runtime" / "payload"
    with (payload / "docs" / "templates" / "spec.md").open("a") as file:
        file.write("oops")
    before = snapshot(repo, with_state=True, with_times=True)
    words = ("-m", "agentrail_runtime", "install", repo, "--json")
    done = installed.run("python", *words, cwd=tmp_path, env={"PYTHONPATH": str(packages)})
    assert (done.code, done.json["error"]["type"]) == (6, "SourceError")
    assert done.json["error"]["paths"] == ["docs/templates/spec.md"]
    assert snapshot(repo, with_state=True, with_times=True) == before


@pytest.mark.parametrize(
    ("options", "env"),
    [
        (("-I",), {}),
        (("-O",), {}),
        (("-OO",), {}),
        (("-W", "error"), {}),
        (("-X", "utf8=0"), {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}),
    ],
    ids=lambda value: " ".join(value),
)
def test_it_installs_and_verifies_however_python_is_started(
    installed: Environment, tmp_path: Path, options: tuple[str, ...], env: dict[str, str]
) -> None:
    target = tmp_path / "target"
    for command in ("install", "verify", "rollback"):
        words = (*options, "-m", "agentrail_runtime", command, str(target), "--json")
        done = installed.run("python", *words, cwd=tmp_path, env=env)
        assert (done.code, done.err) == (0, ""), command
    assert not (target / ".agentrail/receipt.json").exists()


def test_it_works_from_a_directory_whose_name_has_spaces_and_japanese(
    installed: Environment, repo: Path, tmp_path: Path
) -> None:
    packages = tmp_path / "共有 ライブラリ"
    shutil.copytree(installed.site_packages, packages)

    def agentrail(command: str) -> Run:
        words = ("-m", "agentrail_runtime", command, repo, "--json")
        return installed.run("python", *words, cwd=tmp_path, env={"PYTHONPATH": str(packages)})

    done = agentrail("install")
    assert (done.code, done.err) == (0, "")
    assert done.json["source"]["location"] == str(packages / "agentrail_runtime" / "payload")
    assert agentrail("verify").code == 0


def test_isolated_mode_runs_the_installed_package(installed: Environment, tmp_path: Path) -> None:
    (tmp_path / "agentrail_runtime.py").write_text("raise SystemExit('the wrong one')")
    done = installed.run("python", "-I", "-m", "agentrail_runtime", "--version", cwd=tmp_path)
    assert done == (0, f"agentrail, version {__version__}\n", "")


@pytest.mark.parametrize("name", ["agentrail", "agentrail-install"])
def test_every_command_starts_with_help(installed: Environment, tmp_path: Path, name: str) -> None:
    done = installed.run(name, "--help", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: {name} [OPTIONS]")


def test_nothing_is_kept_in_the_home_directory(
    installed: Environment, repo: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = {"HOME": str(home), "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": "", "XDG_STATE_HOME": ""}
    assert installed.run("agentrail-install", repo, cwd=tmp_path, env=env).code == 0
    assert installed.run("agentrail", "rollback", repo, cwd=tmp_path, env=env).code == 0
    assert os.listdir(home) == []


C_LOCALE = {"LANG": "C", "LC_ALL": "C"}
ASCII_ONLY = {**C_LOCALE, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
CODE_PAGE = {"PYTHONIOENCODING": "cp1252"}


@pytest.mark.parametrize("env", [C_LOCALE, ASCII_ONLY, CODE_PAGE], ids=["C", "ASCII", "cp1252"])
@pytest.mark.parametrize("words", [[], ["--diff"], ["--json"]], ids=["text", "diff", "json"])
def test_an_output_that_cannot_show_japanese_fails_no_command(
    installed: Environment, repo: Path, tmp_path: Path, words: list[str], env: dict[str, str]
) -> None:
    target = repo.rename(tmp_path / "日本")
    done = installed.run("agentrail-install", *words, target, cwd=tmp_path, env=env)
    assert (done.code, done.err) == (0, "")
    assert (target / ".agentrail" / "receipt.json").exists() is (words != ["--diff"])


def test_a_directory_name_that_is_no_text_is_no_reason_for_a_traceback(
    installed: Environment, repo: Path, tmp_path: Path
) -> None:
    target = repo.rename(tmp_path / os.fsdecode(b"caf\xe9"))
    done = installed.run("agentrail-install", "--json", target, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.json["result"] == "applied"
