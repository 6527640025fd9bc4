"""Every page: its links lead somewhere, and the changelog has the form that it says it has."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from agentrail_runtime.cli import main as cli_main
from tests.documentation.page import CHANGELOG, README, ROOT, links

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPTIONS = re.compile(r"(?<![\w-])--[a-z][a-z-]+")

OF_OTHERS = {
    *("--all", "--binary", "--cached", "--cov", "--dev", "--from", "--generate-hashes", "--group"),
    *(
        "--index",
        "--locked",
        "--message",
        "--no-ext-diff",
        "--only-binary",
        "--require-hashes",
        "--universal",
    ),
    "--outdir",
    "--scratch",
    "--upgrade",
    *("--extra-vars", "--limit", "--no-edit", "--syntax-check", "--tags"),
    *("--fsync", "--page", "--quick", "--verify"),
}
"""Options of ansible-playbook, build, git, pip, rsync, uv, pytest, and of the benchmarks."""


def options(command: click.Command) -> set[str]:
    """Return every option of a command, and of those in it where it is a group."""
    found = {option for parameter in command.params for option in parameter.opts}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            found |= options(inner)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    found = [link for link in links(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in found if not (page.parent / link.partition("#")[0]).exists()] == []


def test_the_readme_leads_to_every_page() -> None:
    assert {path.relative_to(ROOT).as_posix() for path in PAGES} - {"README.md"} <= set(links(README))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_shows_an_option_that_no_command_has(page: Path) -> None:
    known = {"--help", "--version", *options(cli_main.agentrail)}
    text = page.read_text(encoding="utf-8")
    known |= OF_OTHERS
    assert set(OPTIONS.findall(text)) <= known


def test_the_changelog_starts_with_what_is_not_released_yet() -> None:
    first, *released = re.findall(r"^## (.+)$", CHANGELOG, re.M)
    assert first == "Unreleased"
    is_dated = re.compile(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d").fullmatch
    assert [heading for heading in released if not is_dated(heading)] == []


def test_the_changelog_sorts_changes_as_keep_a_changelog_does() -> None:
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    found = re.findall(r"^### (.+)$", CHANGELOG, re.M)
    assert found
    assert set(found) <= kinds
