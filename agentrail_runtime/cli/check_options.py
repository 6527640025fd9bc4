"""What the check commands share: their options, and how a report is put out."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from agentrail_runtime import __version__, document
from agentrail_runtime.checks import render
from agentrail_runtime.checks.finding import Report
from agentrail_runtime.cli.output import Output, color_choice
from agentrail_runtime.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])

FORMATS = ("text", "json", "github", "sarif")
FAILED = 1


def target_argument(function: Function) -> Function:
    """Add the argument TARGET, a directory in the repository."""
    kind = click.Path(exists=True, file_okay=False)
    return click.argument("target", type=kind, default=".")(function)


def quality_option(function: Function) -> Function:
    """Add ``--doc-quality-mode``."""
    return click.option(
        "--doc-quality-mode",
        "mode",
        type=click.Choice(["off", "warning", "fail"]),
        default="warning",
        help="How findings of documentation quality (DQ-001 to DQ-004) count.",
    )(function)


def task_options(function: Function) -> Callable[..., Any]:
    """Add ``--task-id`` and ``--all-tasks``, one of which has to be given."""

    @click.option("--task-id", "task_ids", multiple=True, metavar="ID", help="A task; can be repeated.")
    @click.option("--all-tasks", is_flag=True, help="Every task that is not archived.")
    @functools.wraps(function)
    def command(task_ids: tuple[str, ...], all_tasks: bool, **values: Any) -> Any:
        if bool(task_ids) == all_tasks:
            raise click.UsageError("expected either --task-id ID or --all-tasks")
        return function(task_ids=None if all_tasks else task_ids, **values)

    return command


def report_options(function: Callable[..., Report]) -> Callable[..., int]:
    """Add the options for output; print the report that the function returns; return the exit code.

    The function gets the run's `Output` as its first argument.
    """

    @click.option(
        "--format", "format_", type=click.Choice(FORMATS), default="text", help="What to print."
    )
    @click.option("--json", "is_json", is_flag=True, help="The same as --format json.")
    @click.option(
        "--output", type=click.Path(dir_okay=False), help="Write the report there, not to stdout."
    )
    @click.option("-q", "--quiet", is_flag=True, help="Print nothing that passes, and no warnings.")
    @click.option("-v", "--verbose", is_flag=True, help="Print tracebacks.")
    @click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto")
    @functools.wraps(function)
    def command(
        format_: str,
        is_json: bool,
        output: str | None,
        quiet: bool,
        verbose: bool,
        color: str,
        **values: Any,
    ) -> int:
        context = click.get_current_context()
        context.color = color_choice(color)
        out: Output = context.obj
        out.format = "json" if is_json else format_
        out.is_quiet, out.is_verbose = quiet, verbose
        out.command = context.command.name or ""
        out.target = os.path.realpath(values["target"])
        report = function(out, **values)
        if output is None:
            _print(report, out)
        else:
            _save(report, out, output)
        return 0 if report.is_passed else FAILED

    return command


def _print(report: Report, out: Output) -> None:
    if out.format == "json":
        out.json(render.as_json(report))
    elif out.format == "sarif":
        out.json(render.as_sarif(report, version=__version__))
    elif not (out.is_quiet and report.is_passed):
        out.lines(_lines(report, out, click.style))


def _save(report: Report, out: Output, path: str) -> None:
    if out.format == "json":
        data = document.dump(render.as_json(report))
    elif out.format == "sarif":
        data = document.dump(render.as_sarif(report, version=__version__))
    else:
        data = "".join(f"{line}\n" for line in _lines(report, out, _plain)).encode()
    _write(path, data)
    if not (out.is_quiet and report.is_passed):
        out.lines([f"{render.summary(report, style=click.style)}: {render.printable(path)}"])


def _lines(report: Report, out: Output, style: render.Style) -> list[str]:
    if out.format == "text":
        return [*render.as_text(report, style=style, errors_only=out.is_quiet)]
    annotations = render.as_github(report, errors_only=out.is_quiet)
    return [*annotations, render.summary(report, style=_plain)]


def _plain(text: str, **style: Any) -> str:
    del style
    return text


def _write(path: str, data: bytes) -> None:
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written: {error.strerror}", hint="name another file with --output"
        ) from None
