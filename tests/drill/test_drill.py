"""The runbook of a release holds from the first key to the way back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the runbook's commands are for a POSIX shell")
@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="signing takes ssh-keygen")
def test_a_maintainer_who_follows_the_runbook_gets_what_it_says() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.drill"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert done.stdout.endswith("every command of the runbook ended as it says\n")
