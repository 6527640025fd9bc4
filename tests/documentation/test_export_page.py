"""docs/export.md as a maintainer types it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from agentrail_runtime.cli.export import command
from tests.documentation.page import ROOT, blocks
from tests.packaging.support import succeed
from tests.support import PAYLOAD, make_repo, snapshot, write

PAGE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
FRAMEWORK: dict[str, bytes | str] = {
    "docs/guide.md": "# Guide\n",
    "docs/.hidden/note.md": "# Note\n",
    "docs/scratch.tmp": "scratch\n",
    "seeds/memory.md": "# Memory\n",
    "AGENTS.md": "<!-- agentrail:begin -->\nOur rules.\n<!-- agentrail:end -->\n",
    "project.profile.yaml": (PAYLOAD / "project.profile.yaml").read_bytes(),
}


def test_whoever_types_the_page_gets_bundle_signature_and_kit(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "path" / "to" / "repo")
    write(tmp_path / "framework", FRAMEWORK)
    parts = blocks(PAGE)
    for block in parts:
        if block.marker.startswith("file: "):
            write(tmp_path, {block.marker.removeprefix("file: "): block.code})
    env = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    typed = [block.code for block in parts if block.marker == "run"]
    assert len(typed) == 4
    for code in typed:
        succeed("bash", "-euc", code, cwd=tmp_path, env=env)
    found = set(snapshot(tmp_path / "framework" / "dist" / "runtime"))
    assert {"docs/guide.md", "docs/.hidden/note.md", "MEMORY.md", "runtime.index.json.sig"} <= found
    assert not {"docs/scratch.tmp", "seeds/memory.md"} & found
    assert (repo / "MEMORY.md").read_bytes() == b"# Memory\n"
    kit = next((tmp_path / "dist").glob("agentrail-kit-*"))
    assert {"runtime", "agentrail-install.pyz", "SHA256SUMS", "README.md"} == set(os.listdir(kit))


def test_the_page_names_every_option_of_the_command() -> None:
    named = set(re.findall(r"`(--[a-z-]+)", PAGE))
    common = {"--format", "--json", "--quiet", "--verbose", "--color"}
    options = {option for parameter in command.params for option in parameter.opts} - common
    assert {option for option in options if option.startswith("--")} <= named
