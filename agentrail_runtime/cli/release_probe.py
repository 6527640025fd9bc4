"""``agentrail release probe``."""

from __future__ import annotations

import click

from agentrail_runtime import policy_file
from agentrail_runtime.cli.output import Output, options
from agentrail_runtime.document import Json
from agentrail_runtime.probe import MOST_SECONDS, Answer, index_url, probe
from agentrail_runtime.release.policy import STAGES, Stage
from agentrail_runtime.signing import Trust
from agentrail_runtime.version import __version__


@click.command(
    "probe",
    epilog="Example: agentrail release probe --version 1.1.0 --index-url https://host/simple/\n\n"
    "Exit codes: 0 OK, 1 DENIED, 4 OUTAGE, 6 WITHDRAWN and TAMPER. "
    "Credentials: AGENTRAIL_INDEX_USERNAME and AGENTRAIL_INDEX_PASSWORD, netrc or keyring.",
)
@click.option("--version", "version", default=__version__, show_default=True, help="Which version.")
@click.option(
    "--index-url",
    "named",
    metavar="URL",
    help="Base URL of the index. Default: PIP_INDEX_URL, UV_DEFAULT_INDEX or UV_INDEX_URL, else that "
    "of the general channel.",
)
@click.option("--channel", type=click.Choice(STAGES), help="Ask the index of this channel.")
@click.option("--sha256", "digests", metavar="HEX", multiple=True, help="A hash its files may have.")
@click.option(
    "--deny-list",
    envvar="AGENTRAIL_DENY_LIST",
    metavar="FILE|URL",
    help="A signed list of denied versions.",
)
@click.option(
    "--allowed-signers",
    envvar="AGENTRAIL_ALLOWED_SIGNERS",
    metavar="FILE",
    help="Who may sign that list.",
)
@click.option(
    "--revoked-keys",
    envvar="AGENTRAIL_REVOKED_KEYS",
    metavar="FILE",
    help="Whose signatures count no more.",
)
@click.option("--policy", metavar="FILE", help="The distribution policy that tells of the channels.")
@click.option(
    "--timeout",
    type=float,
    metavar="SECONDS",
    default=MOST_SECONDS,
    show_default=True,
    help=f"How long the whole answer may take, at most {MOST_SECONDS:.0f}.",
)
@options
def command(
    output: Output,
    version: str,
    named: str | None,
    channel: Stage | None,
    digests: tuple[str, ...],
    deny_list: str | None,
    allowed_signers: str | None,
    revoked_keys: str | None,
    policy: str | None,
    timeout: float,
) -> int:
    """Tell whether an index serves a version: OK, WITHDRAWN, DENIED, TAMPER or OUTAGE.

    Only OUTAGE is a reason to take the copy route.
    """
    output.command = "release probe"
    answer = probe(
        index_url(named, channel, lambda: policy_file.find(policy)[0]),
        version,
        digests=digests,
        denied=deny_list,
        trust=Trust(allowed_signers, revoked_keys),
        seconds=timeout,
    )
    if output.format == "json":
        output.json(_as_json(answer))
    elif not output.is_quiet:
        output.lines([f"{answer.word}: {answer.evidence}", f"next: {answer.next_step}"])
    if not output.is_quiet:
        for note in answer.notes:
            click.echo(f"note: {note}", err=True)
    return answer.code


def _as_json(answer: Answer) -> Json:
    return {
        "schema_version": "1.0",
        "command": "release probe",
        "verdict": answer.word,
        "version": answer.version,
        "index_url": answer.index_url,
        "evidence": answer.evidence,
        "next": answer.next_step,
        "copy_route": answer.word == "OUTAGE",
        "files": [{"filename": row.filename, "sha256": row.sha256} for row in answer.files],
        "notes": [*answer.notes],
        "error": None,
    }
