"""What all commands share: their options for output, and where each kind of text goes."""

from __future__ import annotations

import functools
import itertools
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from agentrail_runtime import document, report
from agentrail_runtime.errors import AgentRailError
from agentrail_runtime.outcome import Outcome

Function = TypeVar("Function", bound=Callable[..., Any])


# A command to type, in whatever is told: `agentrail verify`, `agentrail-install`.
_TYPED = r"(?<![^ (:])agentrail(?:-install | (?=[a-z]))"


class Output:
    """Writes data to stdout, in one format, and everything else to stderr."""

    def __init__(self, format: str = "text", *, is_verbose: bool = False) -> None:
        self.format = format
        self.is_quiet = False
        self.is_verbose = is_verbose
        self.command = ""
        self.program = ""
        self.target = ""
        self.first: Callable[[Mapping[str, Any]], None] | None = None

    def show(self, outcome: Outcome) -> None:
        """Print an outcome, and its notices."""
        if self.format == "json":
            self.json(report.as_json(outcome))
        elif not self.is_quiet:
            self.lines(report.as_text(outcome, style=click.style, verbose=self.is_verbose))
            if outcome.diff:
                click.echo(printable(outcome.diff), nl=False)
        self.notices(outcome)

    def notices(self, outcome: Outcome) -> None:
        """Print what the user should know besides."""
        if not self.is_quiet:
            for notice in outcome.notices:
                click.echo(printable(f"note: {self._spelled(notice)}"), err=True)

    def lines(self, lines: Sequence[str]) -> None:
        """Print lines of text."""
        for line in lines:
            click.echo(printable(self._spelled(line)))

    def json(self, value: document.Json) -> None:
        """Print one JSON document."""
        is_unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        text = document.dump(_printable_json(value), is_ascii=not is_unicode)
        click.echo(text.decode(), nl=False)

    def _spelled(self, text: str) -> str:
        """Return `text` with commands to type as they are where no ``agentrail`` is on the path."""
        return re.sub(_TYPED, lambda _: f"{self.program} ", text) if self.program else text

    def fail(self, error: AgentRailError, *, code: int | None = None) -> None:
        """Print an error; as JSON, the document of the command that ended in it."""
        if error.hint is not None:
            error.hint = self._spelled(error.hint)
        outcome = error.outcome
        if self.format == "json":
            outcome = outcome or Outcome(command=self.command, result="failed", target=self.target)
            value = report.as_json(outcome, error)
            if code is not None:
                value["error"]["code"] = code
            self.json(value)
        elif outcome is not None and outcome.diff:
            click.echo(printable(outcome.diff), nl=False)
        for line in report.error_text(error):
            click.echo(printable(line), err=True)
        if outcome is not None:
            self.notices(outcome)
        if self.is_verbose:
            import traceback

            click.echo(printable("".join(traceback.format_exception(error))), nl=False, err=True)

    def fail_internally(self, error: Exception) -> None:
        """Print an error that is a bug of ours."""
        told = AgentRailError(
            f"internal error: {type(error).__name__}: {error}",
            hint="this is a bug: run the command again with -v and report the traceback",
        )
        told.__traceback__ = error.__traceback__
        self.fail(told, code=70)


def printable(text: str) -> str:
    r"""Return `text` with the bytes of a file name that is no UTF-8 as ``\xff``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _printable_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _printable_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_printable_json(item) for item in value]
    return printable(value) if isinstance(value, str) else value


def wants_json(words: Sequence[str]) -> bool:
    """Tell whether the command line asks for JSON, before it is parsed or where it cannot be."""
    is_named = any(pair == ("--format", "json") for pair in itertools.pairwise(words))
    return is_named or "--json" in words or "--format=json" in words


def wants_traceback(words: Sequence[str]) -> bool:
    """Tell whether the command line asks for tracebacks."""
    return "-v" in words or "--verbose" in words


def options(function: Function) -> Callable[..., Any]:
    """Add the options for output; the function gets the run's `Output` as its first argument."""

    @click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
    @click.option("--json", "is_json", is_flag=True, help="The same as --format json.")
    @click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
    @click.option("-v", "--verbose", is_flag=True, help="Print unchanged files and tracebacks, too.")
    @click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto")
    @functools.wraps(function)
    def command(
        format_: str, is_json: bool, quiet: bool, verbose: bool, color: str, **values: Any
    ) -> Any:
        context = click.get_current_context()
        context.color = color_choice(color)
        output: Output = context.obj
        output.format = "json" if is_json else format_
        output.is_quiet, output.is_verbose = quiet, verbose
        output.command = _spoken(context)
        output.target = os.path.realpath(values.get("target") or values.get("output") or ".")
        if output.first is not None:
            output.first(values)
        return function(output, **values)

    return command


def _spoken(context: click.Context) -> str:
    """Return the command as it is typed after the program's name: ``install``, ``release gate``."""
    names, at = [], context
    while at.parent is not None:
        names.append(at.info_name or "")
        at = at.parent
    return " ".join(reversed(names)) or context.command.name or ""


def color_choice(choice: str) -> bool | None:
    """Return what ``--color`` means to click: yes, no, or None for where a terminal takes it."""
    if choice == "auto":
        return False if os.environ.get("NO_COLOR") else None
    return choice == "always"


class Progress:
    """A line on the terminal that counts, once the work has taken half a second."""

    def __init__(self, output: Output) -> None:
        self._start = time.monotonic()
        self._is_shown = not output.is_quiet and output.format == "text" and sys.stderr.isatty()
        self._last = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` files are through `what`."""
        now = time.monotonic()
        if self._is_shown and now - self._start > 0.5 and now - self._last > 0.1:
            self._last = now
            click.echo(f"\r{what} {done}/{total}\x1b[K", nl=False, err=True)

    def close(self) -> None:
        """Clear the line."""
        if self._last:
            click.echo("\r\x1b[K", nl=False, err=True)
