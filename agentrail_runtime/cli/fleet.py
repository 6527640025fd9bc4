"""``agentrail-install --targets-from``: what is printed of many targets, and the exit code.

With ``--json``, stdout has one line for each target as it ends, the document of an install of that
target alone. The last line has ``"kind": "summary"``; where it is missing, the run was cut short.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from typing import Final

import click

from agentrail_runtime import fleet, report
from agentrail_runtime.cli.output import Output, printable
from agentrail_runtime.document import Json
from agentrail_runtime.errors import AgentRailError, UsageError
from agentrail_runtime.fleet import Ended, Summary
from agentrail_runtime.operation import fleet as operation
from agentrail_runtime.operation.fleet import Interruptions, Job
from agentrail_runtime.operation.install import Options

_COLOURS: Final = {"applied": "green", "planned": "yellow", "conflict": "red", "failed": "red"}
_BAR: Final = 24  # characters
_SECONDS: Final = 0.5  # of work that needs no bar


def run(
    output: Output,
    place: str,
    options: Options,
    *,
    is_null: bool,
    is_dry: bool,
    is_check: bool,
    fail_fast: bool,
    jobs: int | None,
) -> int:
    """Install into every target that a list names; return the exit code.

    Args:
        output: where to print.
        place: the path of the list, ``-`` for stdin.
        options: how to install into each.
        is_null: the paths in the list end with NUL.
        is_dry: only plan.
        is_check: tell by the exit code whether something would change.
        fail_fast: begin no further target after one that failed.
        jobs: how many at once, None for as many as there are processors.
    """
    lines, summary, error = Lines(output), Summary(()), None
    name = "stdin" if place == "-" else place
    interruptions = Interruptions()
    try:
        rows = fleet.parse(_read(place, name), name=name, is_null=is_null)
        paths, notes = operation.targets(rows, name=name)
        for note in notes if paths else [f"{name}: names no target"]:
            lines.note(note)
        summary = Summary(paths)
        ends = operation.run(
            paths,
            Job(options, is_dry, os.getcwd(), output.is_verbose),
            jobs=jobs or operation.processors(),
            interruptions=interruptions,
            stopping=lines.stopping,
            fail_fast=fail_fast,
        )
        with interruptions.counted(), closing(ends):
            for ended in ends:
                summary.add(ended)
                lines.ended(ended, summary)
    except AgentRailError as found:
        error = found
    code = interruptions.code or (error.code if error else summary.exit_code(is_check=is_check))
    lines.end(summary, code, error)
    if not is_dry and (summary.failures or summary.not_run):
        lines.note("the same command again does only what is left")
    return code


def _read(place: str, name: str) -> bytes:
    """Return the bytes of a list: a file, a pipe (of ``<(find ...)``), or stdin.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with click.open_file(place, "rb") as file:
            data: bytes = file.read(fleet.LIMIT + 1)
            return data
    except (OSError, ValueError, RuntimeError) as error:  # of a NUL in a path, and of a closed stdin
        raise UsageError(
            f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}",
            paths=[name],
            hint="name a file with one path a line, or - for stdin: --targets-from FILE",
        ) from None


class Lines(Output):
    """Output that takes one line for a target, where it has something to say of no file.

    Args:
        output: the output of the run.
    """

    def __init__(self, output: Output) -> None:
        vars(self).update(vars(output))
        self._start = time.monotonic()
        self._bar = Bar(self._start, is_shown=not self.is_quiet and sys.stderr.isatty())

    def ended(self, ended: Ended, summary: Summary) -> None:
        """Print how a target ended."""
        self._bar.hide()
        target = ended.outcome.target
        if self.format == "json":
            value = report.as_json(ended.outcome, ended.error)
            if ended.error is not None:
                value["error"]["code"] = ended.code
            self.json(value)
        elif not self.is_quiet:
            self._row(ended)
        if ended.error is not None:
            self._error(ended.error, (ended.name, target))
        if ended.trace and self.is_verbose:
            click.echo(printable(ended.trace), nl=False, err=True)
        self._bar.show(summary)

    def _row(self, ended: Ended) -> None:
        outcome = ended.outcome
        if self.is_verbose:
            self.lines(report.as_text(outcome, style=click.style, verbose=True)[:-1])
        counts = ", ".join(f"{count} {kind}" for kind, count in outcome.summary.items() if count)
        result = click.style(ended.result, fg=_COLOURS.get(ended.result))
        told = f"({counts})" if counts else f"(exit {ended.code})" if ended.code else "(records only)"
        self.lines([f"{outcome.target}: {result} {told}"])
        if outcome.diff:
            click.echo(printable(outcome.diff), nl=False)

    def _error(self, error: AgentRailError, names: tuple[str, ...] = ()) -> None:
        """Print an error; each line begins with the target, the last of `names`."""
        for line in error.message.splitlines():
            told = line if not names or line.startswith(names) else f"{names[-1]}: {line}"
            click.echo(printable(told), err=True)
        if error.hint is not None:
            click.echo(printable(self._spelled(f"hint: {error.hint}")), err=True)

    def note(self, text: str) -> None:
        """Print what the user should know besides."""
        if not self.is_quiet:
            click.echo(printable(f"note: {self._spelled(text)}"), err=True)

    def json(self, value: Json) -> None:
        """Print one line of JSON."""
        is_unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        click.echo(fleet.json_line(value, is_ascii=not is_unicode))

    def stopping(self, count: int) -> None:
        """Say that a Ctrl-C was seen, and that `count` targets are still under way."""
        self._bar.hide()
        what = f": {count} under way; Ctrl-C again undoes what they do" if count else ""
        click.echo(f"stopping{what}", err=True)

    def end(self, summary: Summary, code: int, error: AgentRailError | None) -> None:
        """Print what all of it came to."""
        self._bar.hide()
        seconds = time.monotonic() - self._start
        if self.format == "json":
            told = report.error_json(error)
            self.json(summary.as_json(code=code, seconds=seconds, error=told))
        elif not self.is_quiet and (summary.total or error is None):
            self._table(summary, seconds)
        for notice in summary.notices:
            self.note(notice)
        if error is not None:
            self._error(error)

    def _table(self, summary: Summary, seconds: float) -> None:
        for result, target, code in summary.failures:
            self.lines([f"{click.style(f'{result:<9}', fg='red')} {target}  (exit {code})"])
        if self.is_verbose:
            self.lines([f"{'not run':<9} {name}" for name in summary.not_run])
        self.lines(summary.as_text(seconds=seconds))


class Bar:
    """A line at the bottom of the terminal that tells how far the work is.

    Args:
        start: when the work began, by `time.monotonic`.
        is_shown: whether there is a terminal to show it on.
    """

    def __init__(self, start: float, *, is_shown: bool) -> None:
        self._start = start
        self._is_shown = is_shown
        self._width = 0

    def show(self, summary: Summary) -> None:
        """Show how many targets have ended, once it has taken long enough to ask."""
        seconds = time.monotonic() - self._start
        if not self._is_shown or seconds < _SECONDS or not summary.not_run:
            return
        full = _BAR * summary.done // summary.total
        left = seconds / summary.done * (summary.total - summary.done)
        failed = f", {len(summary.failures)} failed" if summary.failures else ""
        bar = click.style("#" * full, fg="green") + "." * (_BAR - full)
        told = f" {summary.done}/{summary.total}{failed}, {left:.0f} s left"
        self._width = _BAR + 2 + len(told)
        click.echo(f"[{bar}]{told}", nl=False, err=True)

    def hide(self) -> None:
        """Clear the line, for another one to be printed."""
        if self._width:
            click.echo("\r" + " " * self._width + "\r", nl=False, err=True)
            self._width = 0
