"""The options that the commands of ``agentrail release`` share, and how they print what was done."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from agentrail_runtime.channel import Distribution
from agentrail_runtime.cli.moment import as_of_option as as_of_option
from agentrail_runtime.cli.output import Output, Progress, options
from agentrail_runtime.document import Json

SCHEMA_VERSION: Final = "1.0"
"""Of the JSON that these commands print."""


def setting_options(name: str) -> Callable[[Callable[..., int]], Callable[..., Any]]:
    """Return what adds the shared options to a command of ``agentrail release``.

    The function gets the `Output`, a `agentrail_runtime.operation.release.Setting`, the path of the
    policy (None for the packaged one), and its own options by their names.

    Args:
        name: of the command.
    """

    def decorate(function: Callable[..., int]) -> Callable[..., Any]:
        @click.option("--policy", metavar="FILE", help="The policy (default: distribution.yaml here).")
        @click.option(
            "--location",
            metavar="DIR",
            help="The directory of static channels (default: what the policy says).",
        )
        @click.option(
            "--deny-list",
            metavar="FILE",
            help="The list of denied versions (default: denied.json in the directory of the channels).",
        )
        @click.option(
            "--allowed-signers",
            envvar="AGENTRAIL_ALLOWED_SIGNERS",
            metavar="FILE",
            help="Who may sign (default: as packaged).",
        )
        @click.option(
            "--revoked-keys",
            envvar="AGENTRAIL_REVOKED_KEYS",
            metavar="FILE",
            help="Whose signatures count no more.",
        )
        @options
        @functools.wraps(function)
        def command(output: Output, **values: Any) -> int:
            from agentrail_runtime.operation.release import Setting
            from agentrail_runtime.policy_file import find
            from agentrail_runtime.signing import Trust

            output.command = f"release {name}"
            policy, path = find(values.pop("policy"))
            progress = Progress(output)
            setting = Setting(
                policy,
                location=values.pop("location"),
                deny_list=values.pop("deny_list"),
                trust=Trust(values.pop("allowed_signers"), values.pop("revoked_keys")),
                actor=values.pop("actor", None),
                is_dry_run=values.pop("dry_run", False),
                progress=progress,
            )
            try:
                return function(output, setting, path, **values)
            finally:
                progress.close()

        return command

    return decorate


actor_option: Final = click.option(
    "--actor", envvar="AGENTRAIL_ACTOR", metavar="NAME", help="Who does this (env AGENTRAIL_ACTOR)."
)
"""Who acts."""

dry_run_option: Final = click.option(
    "-n", "--dry-run", is_flag=True, help="Write nothing, show what would happen."
)
"""Whether nothing is to be written."""

version_option: Final = click.option("--version", required=True, metavar="V", help="Which version.")
"""The version."""

decisions_option: Final = click.option(
    "--decisions",
    envvar="AGENTRAIL_DECISIONS",
    default="release-decisions.jsonl",
    show_default=True,
    metavar="FILE",
    help="The gate's decisions (env AGENTRAIL_DECISIONS).",
)
"""The file of recorded decisions."""


def show(output: Output, released: Any, sentence: str) -> int:
    """Print what was done; return the exit code, 0.

    Args:
        output: where to.
        released: a `agentrail_runtime.operation.release.Released`.
        sentence: it in words.
    """
    if output.format == "json":
        output.json(
            {
                "schema_version": SCHEMA_VERSION,
                "command": released.command,
                "result": released.result,
                "changed": released.result == "applied",
                "version": released.version,
                "channels": list(released.channels),
                "files": [file_json(file) for file in released.files],
                "notices": list(released.notices),
                "error": None,
            }
        )
    elif not output.is_quiet:
        output.lines([sentence, *(f"  {file.filename}  {file.sha256}" for file in released.files)])
    tell(output, released.notices)
    return 0


def file_json(file: Distribution) -> Json:
    """Return a file of a channel as JSON."""
    return {
        "filename": file.filename,
        "sha256": file.sha256,
        "size": file.size,
        "yanked": file.yanked,
    }


def tell(output: Output, notices: Sequence[str]) -> None:
    """Print notes to stderr, unless only errors are wanted."""
    from agentrail_runtime.outcome import Outcome

    output.notices(Outcome(output.command, "unchanged", output.target, notices=tuple(notices)))
