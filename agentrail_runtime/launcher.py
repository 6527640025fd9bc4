"""Launchers: the PowerShell scripts under ``tools/``, where documents and pipelines call them.

Each hands its PowerShell parameters to one command of ``python -m agentrail_runtime`` and passes the
exit code through. All of them are written from `LAUNCHERS`. After a change here, write those of the
payload anew, and then its index:

    python -m agentrail_runtime.launcher

What a script has to get by with: Windows PowerShell 5.1 and PowerShell 7, and a caller that has set
``$ErrorActionPreference`` to ``Stop``. Words go to the program in an array, an option and its value in
one word, so that no value, empty or with a leading dash, is ever taken for an option.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

_ROOT: Final = "Split-Path (Split-Path $PSScriptRoot)"
_TYPES: Final = {"text": "string", "list": "string[]", "switch": "switch"}
Kind = Literal["text", "list", "choice", "switch"]

_RUN: Final = r"""
$python = Get-Command @('python', 'python3') -CommandType Application -ErrorAction SilentlyContinue |
    Select-Object -First 1
if ($python) {{
    # Windows PowerShell 5.1 escapes no double quote and no closing backslash; cmd evaluates more.
    $unsafe = '"'
    if ($python.Path -match '\.(bat|cmd)$') {{ $unsafe = '["&|<>^%\r\n]' }}
    if ($words -match $unsafe) {{
        [Console]::Error.WriteLine("{path}: not safe to hand on: $($words -match $unsafe)")
        [Console]::Error.WriteLine('hint: run agentrail {command} itself')
        exit 2
    }}
    $words = $words -replace '\\$', '\.'
    try {{
        & $python -c 'import agentrail_runtime' 2>$null
        if ($LASTEXITCODE -eq 0) {{
            & $python @words
            exit $LASTEXITCODE
        }}
    }} catch {{
        Write-Verbose "$($python.Path): $_"
    }}
}}
[Console]::Error.WriteLine('{path}: no python that has the package agentrail-runtime')
[Console]::Error.WriteLine('hint: python -m pip install agentrail-runtime')
exit 1"""


class Parameter(NamedTuple):
    """A PowerShell parameter, and the option that it becomes; one without an option is mandatory."""

    name: str
    option: str = ""
    kind: Kind = "text"
    values: tuple[str, ...] = ()

    def declaration(self) -> str:
        """Return the parameter as the script declares it."""
        if self.kind == "choice":
            values = ", ".join(f"'{value}'" for value in self.values)
            return f"[ValidateSet({values})] [string] ${self.name}"
        mandatory = "" if self.option else "[Parameter(Mandatory = $true)] "
        return f"{mandatory}[{_TYPES[self.kind]}] ${self.name}"

    def words(self) -> str:
        """Return the expression of the words that the parameter becomes."""
        return {
            "text": f'"{self.option}=${self.name}"',
            # With -File, "a,b" arrives as one string.
            "list": f"${self.name} -split ',' | ForEach-Object {{ \"{self.option}=$_\" }}",
            # PowerShell accepts every case of a value, the command only its own.
            "choice": f'"{self.option}=$(${self.name}.ToLowerInvariant())"',
            "switch": f"'{self.option}'",
        }[self.kind]


class Launcher(NamedTuple):
    """A script, by its path in the target, and the command that it runs."""

    path: str
    command: str
    parameters: tuple[Parameter, ...]
    target: str = f"'--', ({_ROOT})"
    """The expression of the words that say where to work: in the script's own repository."""

    def render(self) -> str:
        """Return the text of the script: ASCII, which Windows PowerShell 5.1 reads without a BOM."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield "# Managed by AgentRail. Do not edit: an install replaces it."
        yield "[CmdletBinding()]"
        yield "param("
        yield ",\n".join(f"    {parameter.declaration()}" for parameter in self.parameters)
        yield ")"
        yield ""
        yield "# The exit code decides, whatever the caller has set for errors."
        yield "$ErrorActionPreference = 'Continue'"
        yield "$PSNativeCommandUseErrorActionPreference = $false"
        yield f"$words = @('-m', 'agentrail_runtime', '{self.command}')"
        for parameter in self.parameters:
            if parameter.option:
                yield f"if (${parameter.name}) {{ $words += {parameter.words()} }}"
        yield f"$words += {self.target}"
        yield _RUN.format(path=self.path, command=self.command)


_TASK_IDS: Final = Parameter("TaskId", "--task-id", "list")
_ALL_TASKS: Final = Parameter("AllTasks", "--all-tasks", "switch")
_DOC_QUALITY: Final = Parameter(
    "DocQualityMode", "--doc-quality-mode", "choice", ("off", "warning", "fail")
)
_FINDINGS: Final = Parameter("OutputFormat", "--format", "choice", ("text", "json", "github", "sarif"))
_FORMAT: Final = Parameter("OutputFormat", "--format", "choice", ("text", "json"))
_DRY_RUN: Final = Parameter("DryRun", "--dry-run", "switch")

LAUNCHERS: Final = (
    Launcher(
        "tools/consistency-check/check.ps1",
        "consistency-check",
        (_TASK_IDS, _ALL_TASKS, _DOC_QUALITY, _FINDINGS, Parameter("OutputFile", "--output")),
    ),
    Launcher(
        "tools/state-validate/validate.ps1",
        "state-validate",
        (_TASK_IDS, _ALL_TASKS, _DOC_QUALITY, _FINDINGS),
    ),
    Launcher(
        "tools/docs-indexer/index.ps1",
        "docs-indexer",
        (Parameter("Mode", "--mode", "choice", ("check", "apply")), _FINDINGS),
    ),
    Launcher(
        "tools/profile-validate/validate.ps1",
        "profile-validate",
        (Parameter("SchemaPath", "--schema"), Parameter("SchemaBase", "--schema-base"), _FINDINGS),
    ),
    Launcher(
        "tools/ci/resolve-task-id.ps1",
        "resolve-task-id",
        (
            Parameter("TaskId", "--task-id"),
            Parameter("BaseSha", "--base"),
            Parameter("HeadSha", "--head"),
            _FORMAT,
        ),
    ),
    Launcher(
        "tools/runtime/export-runtime.ps1",
        "export",
        (
            Parameter("ManifestPath", "--manifest"),
            Parameter("OutputRoot", "--output"),
            Parameter("Check", "--check", "switch"),
            _DRY_RUN,
        ),
        target=f'"--root=$({_ROOT})"',
    ),
    Launcher(
        "tools/runtime/install-runtime.ps1",
        "install",
        (
            Parameter("TargetRoot"),
            _DRY_RUN,
            Parameter("Force", "--force", "switch"),
            Parameter("Source", "--source", "choice", ("auto", "package", "copy")),
            Parameter("RuntimeDir", "--runtime-dir"),
            Parameter("TaskRoot", "--task-root"),
            _FORMAT,
        ),
        target="'--', $TargetRoot",
    ),
)


def main(words: Sequence[str]) -> None:
    """Write every launcher below the first of `words`, or into this package's payload."""
    root = Path(words[0]) if words else Path(__file__).parent / "payload"
    for launcher in LAUNCHERS:
        path = root / launcher.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(launcher.render().encode("ascii"))


if __name__ == "__main__":
    main(sys.argv[1:])
