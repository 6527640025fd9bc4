"""The options of the commands that work on one target: the source, and the wait for the lock."""

from __future__ import annotations

from typing import Any

import click

from agentrail_runtime.session import DEFAULT_TIMEOUT


def source_options(function: Any) -> Any:
    """Add the options that say where the runtime comes from."""
    for option in (
        click.option(
            "--deny-list",
            envvar="AGENTRAIL_DENY_LIST",
            metavar="FILE|URL",
            help="A signed list of versions that were withdrawn.",
        ),
        click.option(
            "--revoked-keys",
            envvar="AGENTRAIL_REVOKED_KEYS",
            type=click.Path(),
            metavar="FILE",
            help="Whose signatures count no more (ssh-keygen(1), -r).",
        ),
        click.option(
            "--allowed-signers",
            envvar="AGENTRAIL_ALLOWED_SIGNERS",
            type=click.Path(),
            metavar="FILE",
            help="Who may sign (ALLOWED SIGNERS of ssh-keygen(1)); default: the packaged file.",
        ),
        click.option(
            "--require-signature",
            envvar="AGENTRAIL_REQUIRE_SIGNATURE",
            is_flag=True,
            help="Refuse a source without a valid signature.",
        ),
        click.option(
            "--runtime-dir",
            envvar="AGENTRAIL_RUNTIME_DIR",
            default="dist/runtime",
            show_default=True,
            type=click.Path(),
            help="The bundle of the copy route.",
        ),
        click.option(
            "--source",
            envvar="AGENTRAIL_SOURCE",
            type=click.Choice(["auto", "package", "copy"]),
            default="auto",
            show_default=True,
            help="The route; auto takes the package, or an equal bundle where that is damaged.",
        ),
    ):
        function = option(function)
    return function


lock_option = click.option(
    "--lock-timeout",
    type=click.FloatRange(min=0),
    default=DEFAULT_TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for another run on the target.",
)
