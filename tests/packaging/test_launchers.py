"""The PowerShell launchers of the payload: generated, well-formed, true to the commands they run."""

from __future__ import annotations

import re
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

from agentrail_runtime import launcher
from agentrail_runtime.cli.main import agentrail
from agentrail_runtime.launcher import LAUNCHERS
from tests.packaging.support import run
from tests.support import PAYLOAD, Run

PARSER = Parser(Language(tree_sitter_powershell.language()))
BY_PATH = {one.path: one for one in LAUNCHERS}
CHECK = "tools/consistency-check/check.ps1"
INSTALL = "tools/runtime/install-runtime.ps1"

# What existing documents and pipelines write: no name and no value may go.
PARAMETERS = {
    CHECK: "string[] TaskId, switch AllTasks, off|warning|fail DocQualityMode, "
    "text|json|github|sarif OutputFormat, string OutputFile",
    "tools/state-validate/validate.ps1": "string[] TaskId, switch AllTasks, "
    "off|warning|fail DocQualityMode, text|json|github|sarif OutputFormat",
    "tools/docs-indexer/index.ps1": "check|apply Mode, text|json|github|sarif OutputFormat",
    "tools/profile-validate/validate.ps1": "string SchemaPath, string SchemaBase, "
    "text|json|github|sarif OutputFormat",
    "tools/ci/resolve-task-id.ps1": "string TaskId, string BaseSha, string HeadSha, "
    "text|json OutputFormat",
    "tools/runtime/export-runtime.ps1": "string ManifestPath, string OutputRoot, switch Check, "
    "switch DryRun",
    INSTALL: "mandatory string TargetRoot, switch DryRun, switch Force, auto|package|copy Source, "
    "string RuntimeDir, string TaskRoot, text|json OutputFormat",
}

each = pytest.mark.parametrize("path", BY_PATH)


def files(root: Path) -> dict[str, bytes]:
    """Return every launcher below `root`."""
    found = sorted((root / "tools").rglob("*.ps1"))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def nodes(node: Node) -> Iterator[Node]:
    """Yield `node` and every node below it."""
    yield node
    for child in node.children:
        yield from nodes(child)


# Syntax of PowerShell 7 that the grammar knows; the rest of it, "??" and "?:", it takes for errors.
LATER = {"pipeline_chain_tail", "&&", "||"}


def wrong(source: bytes) -> list[str]:
    """Return what is no PowerShell 5.1: syntax errors, and operators that came later."""
    found = nodes(PARSER.parse(source).root_node)
    return [str(node) for node in found if node.is_error or node.is_missing or node.type in LATER]


def texts(path: str, kind: str) -> list[str]:
    """Return the text of every node of a kind in a launcher."""
    found = nodes(PARSER.parse((PAYLOAD / path).read_bytes()).root_node)
    return [node.text.decode() for node in found if node.type == kind and node.text]


def test_the_payload_holds_what_the_table_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["launcher", str(tmp_path)])
    monkeypatch.delitem(sys.modules, launcher.__name__)
    runpy.run_module(launcher.__name__, run_name="__main__")
    assert files(tmp_path) == files(PAYLOAD)


def test_without_a_directory_the_payload_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "__file__", str(tmp_path / "launcher.py"))
    launcher.main([])
    assert files(tmp_path / "payload") == files(PAYLOAD)


def test_the_launchers_are_where_they_are_called() -> None:
    assert set(BY_PATH) == set(PARAMETERS)


@each
def test_a_launcher_is_text_that_windows_powershell_reads_without_a_bom(path: str) -> None:
    text = (PAYLOAD / path).read_bytes()
    assert (text.isascii(), text.endswith(b"\n"), b"\r" in text) == (True, True, False)


@each
def test_a_launcher_is_written_in_the_syntax_of_5_1(path: str) -> None:
    assert wrong((PAYLOAD / path).read_bytes()) == []


@pytest.mark.parametrize(
    "line", ["if ($a) {", "$a = $b ?? 1", "$a ??= 1", "$a = $b ? 1 : 2", "a && b", "a || b", "'"]
)
def test_other_syntax_would_be_found(line: str) -> None:
    assert wrong(f"{line}\n".encode())


@each
def test_a_launcher_evaluates_no_text(path: str) -> None:
    harmless = {"ForEach-Object", "Get-Command", "Select-Object", "Split-Path", "Write-Verbose"}
    assert set(texts(path, "command_name")) <= harmless
    called = [text for text in texts(path, "command") if text.startswith(("&", "."))]
    assert called == ["& $python -c 'import agentrail_runtime' 2>$null", "& $python @words"]


@each
def test_a_launcher_has_the_parameters_that_are_called(path: str) -> None:
    found = []
    for text in texts(path, "script_parameter"):
        match = re.fullmatch(
            r"(?P<mandatory>\[Parameter\(Mandatory = \$true\)\] )?"
            r"(?:\[ValidateSet\((?P<values>.+)\)\] )?\[(?P<type>[\w\[\]]+)\] \$(?P<name>\w+)",
            text,
        )
        assert match, text
        values = "|".join(re.findall(r"'(\w+)'", match["values"] or ""))
        mandatory = "mandatory " if match["mandatory"] else ""
        found.append(f"{mandatory}{values or match['type']} {match['name']}")
    assert ", ".join(found) == PARAMETERS[path]


def known(command: click.Command) -> dict[str, click.Option]:
    """Return the options of a command by each of their names."""
    options = [one for one in command.params if isinstance(one, click.Option)]
    return {name: option for option in options for name in option.opts}


@each
def test_what_a_launcher_hands_on_the_command_takes(path: str) -> None:
    one = BY_PATH[path]
    command = agentrail.get_command(click.Context(agentrail), one.command)
    assert command is not None
    options = known(command)
    for parameter in one.parameters:
        if parameter.option:
            option = options[parameter.option]
            kinds = (parameter.kind == "switch", parameter.kind == "list", parameter.kind == "choice")
            is_choice = isinstance(option.type, click.Choice)
            assert (option.is_flag, option.multiple, is_choice) == kinds, parameter
            if isinstance(option.type, click.Choice):
                assert set(parameter.values) <= set(option.type.choices), parameter
    takes_target = any(isinstance(word, click.Argument) for word in command.params)
    assert takes_target if "'--'" in one.target else "--root" in options


PWSH = shutil.which("pwsh")
with_pwsh = pytest.mark.skipif(PWSH is None, reason="there is no pwsh on this machine")
STUB = """#!/bin/sh
if [ "$1" = -c ]; then exit "$STUB_PROBE"; fi
printf '%s\\n' "$@" > "$STUB_WORDS"
exit 4
"""


class Stage:
    """A repository with the launchers, and a ``python`` that writes down the words it is given."""

    def __init__(self, root: Path) -> None:
        self.root = root / "my repository"
        shutil.copytree(PAYLOAD / "tools", self.root / "tools")
        self.bin = root / "bin"
        self.bin.mkdir()
        self.written = root / "words"

    def python(self, name: str = "python") -> None:
        """Put the stub on the path."""
        (self.bin / name).write_text(STUB)
        (self.bin / name).chmod(0o755)

    def run(self, path: str, *words: str, probe: int = 0) -> Run:
        """Run a launcher; as in many pipelines, where every error stops."""
        assert PWSH is not None
        env = {
            "PATH": str(self.bin),
            "HOME": str(self.bin.parent),
            "STUB_PROBE": str(probe),
            "STUB_WORDS": str(self.written),
            "POWERSHELL_TELEMETRY_OPTOUT": "1",
        }
        switches = ("-NoLogo", "-NoProfile", "-NonInteractive", "-File")
        return run(PWSH, *switches, self.root / path, *words, cwd=self.root.parent, env=env)

    def words(self) -> list[str]:
        """Return the words that the stub was given after ``-m agentrail_runtime``."""
        lines = self.written.read_text(encoding="utf-8").splitlines()
        assert lines[:2] == ["-m", "agentrail_runtime"]
        return lines[2:]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage on which nothing is on the path yet."""
    return Stage(tmp_path)


@with_pwsh
@pytest.mark.parametrize(
    ("path", "given", "handed"),
    [
        (CHECK, ["-TaskId", "a,b", "-AllTasks"], ["--task-id=a", "--task-id=b", "--all-tasks"]),
        (
            CHECK,
            ["-DocQualityMode", "FAIL", "-OutputFormat", "Json"],
            ["--doc-quality-mode=fail", "--format=json"],
        ),
        (CHECK, ["-OutputFile", "my report.json"], ["--output=my report.json"]),
        (CHECK, ["-TaskId", "$(id);`id`"], ["--task-id=$(id);`id`"]),
        ("tools/state-validate/validate.ps1", ["-TaskId", "a"], ["--task-id=a"]),
        ("tools/docs-indexer/index.ps1", ["-Mode", "apply"], ["--mode=apply"]),
        (
            "tools/profile-validate/validate.ps1",
            ["-SchemaPath", "a b", "-SchemaBase", "c"],
            ["--schema=a b", "--schema-base=c"],
        ),
        (
            "tools/ci/resolve-task-id.ps1",
            ["-TaskId", "", "-BaseSha", "b", "-HeadSha", "h"],
            ["--base=b", "--head=h"],
        ),
    ],
)
def test_parameters_arrive_as_options_and_the_repository_as_target(
    stage: Stage, path: str, given: list[str], handed: list[str]
) -> None:
    stage.python()
    done = stage.run(path, *given)
    assert done.code == 4, done.out + done.err
    assert stage.words() == [BY_PATH[path].command, *handed, "--", str(stage.root)]


@with_pwsh
def test_an_export_runs_in_the_repository(stage: Stage) -> None:
    stage.python("python3")
    done = stage.run("tools/runtime/export-runtime.ps1", "-Check", "-DryRun", "-OutputRoot", "out")
    assert done.code == 4, done.out + done.err
    assert stage.words() == ["export", "--output=out", "--check", "--dry-run", f"--root={stage.root}"]


@with_pwsh
def test_an_install_goes_to_its_target(stage: Stage) -> None:
    stage.python()
    done = stage.run(INSTALL, "-TargetRoot", "my target\\", "-DryRun", "-Force", "-Source", "copy")
    assert done.code == 4, done.out + done.err
    words = ["--dry-run", "--force", "--source=copy", "--", "my target\\."]
    assert stage.words() == ["install", *words]


@with_pwsh
@pytest.mark.parametrize("has_python", [True, False])
def test_where_the_package_is_missing_pip_is_named(stage: Stage, has_python: bool) -> None:
    if has_python:
        stage.python()
    done = stage.run(CHECK, "-AllTasks", probe=1)
    assert (done.code, stage.written.exists()) == (1, False)
    assert done.err.splitlines()[-1] == "hint: python -m pip install agentrail-runtime"


@with_pwsh
def test_a_value_that_5_1_would_split_is_refused(stage: Stage) -> None:
    stage.python()
    done = stage.run(CHECK, "-TaskId", 'a" --output=b "')
    assert (done.code, stage.written.exists()) == (2, False)
    assert "not safe to hand on" in done.err


@with_pwsh
@pytest.mark.parametrize(
    "given", [["-DocQualityMode", "loud"], ["-TaskIds", "a"], ["-OutputFormat", "xml"]]
)
def test_a_wrong_parameter_runs_nothing(stage: Stage, given: list[str]) -> None:
    stage.python()
    assert stage.run(CHECK, *given).code != 0
    assert not stage.written.exists()
