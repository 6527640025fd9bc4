"""Every shipped document follows one configuration of a Markdown linter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.support import PACKAGE, ROOT

INDEX = PACKAGE / "payload" / "docs" / "INDEX.md"
"""Its form is fixed: entries follow their heading at once, the last section ends with a blank line."""


def lint(*paths: Path) -> tuple[int, str]:
    words = [sys.executable, "-m", "pymarkdown", "scan", *map(str, paths)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_a_user_who_lints_markdown_finds_nothing_in_what_was_installed() -> None:
    paths = [path for path in sorted((PACKAGE / "payload").rglob("*.md")) if path != INDEX]
    assert len(paths) > 20
    assert lint(*paths) == (0, "")


def test_the_linter_would_find_something(tmp_path: Path) -> None:
    bad = tmp_path / "bad.md"
    bad.write_text("# One\n\ntext  \n* a\n- b\n\n\n\n### Three\n", encoding="utf-8")
    code, out = lint(bad)
    assert code == 1
    assert "MD001" in out
