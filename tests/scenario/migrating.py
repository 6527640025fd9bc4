"""What the stories of the migration share: a framework repository that has everything in place."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

from agentrail_runtime.entry import INDEX_NAME, MANIFEST_NAME, POLICY_NAME
from agentrail_runtime.release import record, runbook
from agentrail_runtime.release.companion import INDEX_PATH, RULES_PATH
from agentrail_runtime.release.policy import Stage, load
from agentrail_runtime.release.record import Decision, Verdict
from agentrail_runtime.release.runbook import BEGIN, END, RUNBOOK_PATH
from tests.scenario.story import agentrail
from tests.support import PAYLOAD, Run, git, make_repo

DECISIONS = "release-decisions.jsonl"
READY = "2028-01-01T00:00:00Z"
"""A moment after the announced end of the copy route."""

MANIFEST = """schema_version: "1.1.0"
output_root: dist/runtime
include_paths: [AGENTS.md, docs, tools]
seed_files: ["docs/INDEX.md => docs/INDEX.md"]
block_files: [AGENTS.md]
"""
CHANGELOG = """# Changelog

## 2.0.0 - 2027-12-31

- Copy is gone.

## [1.1.0] - 2027-01-31

- Copy will end.

## 1.0.0 - 2026-01-31

- First.
"""
BLOCK = f"<!-- agentrail:begin -->\nSee `{RULES_PATH}`.\n<!-- agentrail:end -->\n"
PAGE = f"# Runbook\n\n{BEGIN}\n{END}\n\nafter\n"


def policy_text(phase: int = 3) -> str:
    """Return a policy with owners, channels and an announced end."""
    text = (PAYLOAD / POLICY_NAME).read_text(encoding="utf-8")
    text = text.replace("backup: null", "backup: Grace").replace("phase: 3\n", f"phase: {phase}\n")
    text = text.replace("index_url: null, owner: null", "index_url: https://i.example/, owner: Ada")
    return text.replace("stable_commits: 5", "stable_commits: 1")


def make_framework(root: Path, phase: int = 3) -> Path:
    """Return a framework repository in which every condition of every phase is met but the gate's."""
    text = policy_text(phase)
    page = runbook.replaced(PAGE.encode(), load(text.encode()))
    files: dict[str, bytes | str] = {
        POLICY_NAME: text,
        MANIFEST_NAME: MANIFEST,
        "AGENTS.md": BLOCK,
        "CHANGELOG.md": CHANGELOG,
        INDEX_PATH: f"# Index\n\n- `{RULES_PATH}` - Rules\n- `{RUNBOOK_PATH}` - Runbook\n",
        RULES_PATH: "# Rules\n",
        RUNBOOK_PATH: page,
        "tools/check.ps1": "agentrail check\n",
        ".gitignore": f"dist/\n{DECISIONS}\n",
    }
    make_repo(root, files)
    build(root)
    return root


def build(root: Path) -> None:
    """Make bundle and wheel of a framework repository."""
    assert agentrail("export", "--root", root, "--runtime-version", "2.0.0").code == 0
    make_wheel(root / "dist/beacon-2.0.0-py3-none-any.whl", (root / "dist/runtime" / INDEX_NAME))


def make_payload(root: Path) -> Path:
    """Return a source tree of this package: just its payload, in a git repository."""
    payload = root / "agentrail_runtime/payload"
    shutil.copytree(PAYLOAD, payload)
    assert agentrail("export", "--payload", "--root", payload, "--output", payload).code == 0
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "payload")
    return root


def make_wheel(path: Path, index: Path, name: str = "beacon") -> None:
    """Write a wheel whose payload has `index`."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        archive.write(index, f"{name}/payload/{INDEX_NAME}")


def decide(
    path: Path,
    *,
    version: str = "2.0.0",
    stage: Stage = "general",
    verdict: Verdict = "promote",
    at: str = "2027-06-01T00:00:00Z",
) -> None:
    """Add a decision of the gate to the file at `path`."""
    decision = Decision(stage, version, verdict, False, "enough installs", at)
    with path.open("ab") as file:
        file.write(record.dump(decision))


def conditions(run: Run) -> dict[str, str]:
    """Return the status of every condition in a JSON run."""
    return {row["name"]: row["status"] for row in run.json["conditions"]}


def evidence(run: Run, name: str) -> str:
    """Return the evidence for a condition in a JSON run."""
    return next(str(row["evidence"]) for row in run.json["conditions"] if row["name"] == name)


def events(directory: Path) -> list[dict[str, object]]:
    """Return all events in a directory."""
    lines = [line for path in directory.glob("*.jsonl") for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]
