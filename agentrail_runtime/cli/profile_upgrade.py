"""``agentrail profile-upgrade``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from agentrail_runtime.checkout import find_root
from agentrail_runtime.cli.check_options import target_argument
from agentrail_runtime.cli.output import Output, options, printable
from agentrail_runtime.document import Json
from agentrail_runtime.entry import PROFILE_PATH
from agentrail_runtime.operation.profile_upgrade import Upgraded, upgrade_profile
from agentrail_runtime.outcome import Outcome
from agentrail_runtime.release.profile_upgrade import VERSION

_EPILOG = """\b
Examples:
  agentrail profile-upgrade path/to/repo
  agentrail profile-upgrade --diff
  agentrail profile-upgrade --check
"""
_PENDING = 4


@click.command("profile-upgrade", epilog=_EPILOG)
@target_argument
@click.option("-n", "--dry-run", is_flag=True, help="Write nothing, show what would be done.")
@click.option("--diff", "with_diff", is_flag=True, help="Write nothing, show the unified diff.")
@click.option("--check", is_flag=True, help="Write nothing, exit 4 if something would change.")
@options
def command(output: Output, target: str, dry_run: bool, with_diff: bool, check: bool) -> int:
    """Bring project.profile.yaml of schema 1.x to 2.0.0; every byte but those of its version stays.

    What 2.0.0 requires besides and the profile does not say yet is named, to be done by hand.
    """
    is_planned = dry_run or with_diff or check
    done = upgrade_profile(find_root(target), dry_run=is_planned)
    if output.format == "json":
        output.json(_as_json(done, output.target, is_planned=is_planned))
    elif not output.is_quiet:
        output.lines([_as_text(done, is_planned=is_planned)])
        if with_diff:
            click.echo(printable(done.diff), nl=False)
    notices = (*done.notices, *_left(done))
    output.notices(Outcome("profile-upgrade", "applied", output.target, notices=notices))
    return _PENDING if check and done.former is not None else 0


def _as_text(done: Upgraded, *, is_planned: bool) -> str:
    if done.former is None:
        return f"{PROFILE_PATH}: not of schema 1.x, nothing to do"
    would = "would be upgraded" if is_planned else "upgraded"
    return f"{PROFILE_PATH}: {would} from schema {done.former} to {VERSION}"


def _left(done: Upgraded) -> Iterator[str]:
    """Yield what is to be done by hand after an upgrade."""
    if done.former is not None and done.left:
        for finding in done.left:
            yield f"{finding.path}:{finding.line}: {finding.message}; {finding.hint}"
        yield "to be done by hand; to see what is left: agentrail profile-validate"


def _as_json(done: Upgraded, target: str, *, is_planned: bool) -> Json:
    is_changed = done.former is not None
    result = "unchanged" if not is_changed else "planned" if is_planned else "applied"
    return {
        "schema_version": "1.0",
        "command": "profile-upgrade",
        "result": result,
        "changed": is_changed,
        "target": target,
        "path": PROFILE_PATH,
        "from": done.former,
        "to": VERSION if is_changed else None,
        "diff": done.diff or None,
        "left": [finding.as_json() for finding in done.left],
        "error": None,
    }
