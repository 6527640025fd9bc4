"""The README as a newcomer reads it: what it says to type works, and what it says is so."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from agentrail_runtime import errors
from agentrail_runtime.cli import main as cli_main
from agentrail_runtime.entry import INDEX_NAME, load_index
from tests.documentation.page import README, blocks, table
from tests.packaging import support
from tests.support import PAYLOAD, USER_FILES, make_repo, snapshot

RUN = [block for block in blocks(README) if block.marker in ("run", "run apart")]
FILES = {
    block.marker.removeprefix("file: "): block.code
    for block in blocks(README)
    if block.marker.startswith("file: ")
}
COMMANDS = re.findall(r"^Command \d: .*?```bash\n(.*?)```$", README, re.M | re.S)


@pytest.mark.slow
def test_whoever_types_the_readme_from_top_to_bottom_gets_what_it_says(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = support.make_environment(tmp_path / "environment")
    env = {
        "PATH": f"{environment.bin}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(support.wheelhouse(tmp_path_factory)),
    }
    place = tmp_path / "place"
    repo = make_repo(place / "path" / "to" / "repo")
    for name, code in FILES.items():
        (place / name).write_text(code, encoding="utf-8")
    assert len(RUN) >= 10
    for block in RUN:
        words = {"bash": ("bash", "-euc"), "python": ("python", "-c")}[block.language]
        # What is written by hand stands in the way of a rollback, which has its own section.
        where = shutil.copytree(place, tmp_path / "apart") if block.marker == "run apart" else place
        support.succeed(*words, block.code, cwd=where, env=env)
    assert (repo / ".agentrail" / "receipt.json").exists()
    assert (repo / "README.md").read_bytes() == USER_FILES["README.md"]


@pytest.mark.slow
def test_the_quick_start_leaves_what_was_there_as_it_was(
    installed: support.Environment, tmp_path: Path
) -> None:
    repo = make_repo(tmp_path / "path" / "to" / "repo")
    before = snapshot(repo)
    words = RUN[0].code.splitlines()[1].split()
    assert installed.run(words[0], *words[1:], cwd=tmp_path).code == 0
    after = snapshot(repo)
    assert [name for name in before if after[name] != before[name]] == ["AGENTS.md", "CLAUDE.md"]


@pytest.mark.slow
def test_command_1_installs_from_a_clone_and_does_the_main_job(tmp_path: Path) -> None:
    clone = support.copy_tree(tmp_path / "clone")
    repo = make_repo(clone / "path" / "to" / "repo")
    support.succeed("bash", "-euc", COMMANDS[0], cwd=clone)
    assert (repo / ".agentrail" / "receipt.json").exists()


def test_both_commands_for_developers_are_one_line() -> None:
    assert [command.count("\n") for command in COMMANDS] == [1, 1]
    assert "[test]" in COMMANDS[1]
    assert "-m pytest" in COMMANDS[1]


def test_the_help_in_the_readme_is_the_real_one(tmp_path: Path) -> None:
    shown = {block.marker: block.code for block in blocks(README)}["help: agentrail-install"]
    code = "from agentrail_runtime.cli.main import main_install; main_install()"
    env = {"PYTHONPATH": str(support.ROOT), "COLUMNS": "80"}
    real = support.succeed(sys.executable, "-c", code, "--help", cwd=tmp_path, env=env)
    assert shown == real.replace("Usage: -c", "Usage: agentrail-install")


def test_the_exit_codes_in_the_readme_are_those_of_the_errors() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    known = {value.code for value in classes if issubclass(value, errors.AgentRailError)}
    assert known == {1, 2, 3, 4, 5, 6, 7}
    others = {0, cli_main._INTERNAL_ERROR, cli_main._INTERRUPTED}
    assert {int(row[0]) for row in table(README, "Code")} == known | others


def test_the_readme_tells_the_class_of_every_file_and_of_no_other() -> None:
    told: dict[str, str] = {}
    for ownership, names, _ in table(README, "Class"):
        told |= dict.fromkeys(re.findall(r"`(\S+?)`", names), ownership)
    shipped = load_index((PAYLOAD / INDEX_NAME).read_bytes()).entries
    folders = tuple(name for name in told if name.endswith("/"))
    for entry in shipped:
        name = next((folder for folder in folders if entry.path.startswith(folder)), entry.path)
        assert told[entry.path if entry.path in told else name] == entry.ownership
    assert [name for name in told if not any(entry.path.startswith(name) for entry in shipped)] == []


@pytest.mark.parametrize("name", ["--on-conflict", "--require-signature", "--check", "--force"])
def test_the_readme_explains_the_options_that_need_it(name: str) -> None:
    prose = re.sub(r"```.*?```", "", README, flags=re.S)
    assert f"`{name}" in prose


def test_the_python_example_uses_what_the_package_offers() -> None:
    import agentrail_runtime

    code = next(block.code for block in RUN if block.language == "python")
    used = set(re.findall(r"agentrail_runtime\.(\w+)\(", code))
    assert used == {"plan", "install", "verify"}
    assert used <= set(agentrail_runtime.__all__)


def test_the_readme_names_no_repository_as_long_as_none_is_decided() -> None:
    assert re.findall(r"https?://[^\s)]+", README) == ["https://pre-commit.com"]
