"""docs/fleet.md as somebody follows it on one machine; and that no command on it goes without a run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from agentrail_runtime import __version__
from tests.documentation.page import ROOT, table
from tests.fleet import test_renovate, test_rollout
from tests.fleet.support import (
    EXAMPLES,
    PAGE,
    code,
    commands,
    environment,
    needs_ansible,
    needs_posix,
    page,
    shell,
)
from tests.scenario.story import guide
from tests.support import Node, install, make_repo, snapshot

TEXT = PAGE.read_text(encoding="utf-8")


@needs_posix
def test_whoever_types_the_page_brings_a_machine_to_the_version_and_back(tmp_path: Path) -> None:
    for name in ("billing", "catalogue"):
        root = make_repo(tmp_path / "repositories" / name)
        assert install(root, bundle=guide(tmp_path / "old", "old\n", "0.9.0", release_seq=0)).code == 0
    before = trees(tmp_path)
    (tmp_path / "events").mkdir()
    shared = {"AGENTRAIL_EVENTS": str(tmp_path / "events"), "AGENTRAIL_CHANNEL": "internal"}
    env = environment(tmp_path, VERSION=__version__, **shared)
    for name in ("list", "look", "install", "verify", "watch"):
        done = shell(commands(name), tmp_path, env)
        assert done.code == code(name), name + done.out + done.err
    *rows, last = [json.loads(line) for line in (tmp_path / "installed.jsonl").read_text().splitlines()]
    assert {Path(row["target"]).name: row["result"] for row in rows} == {
        "billing": "applied",
        "catalogue": "applied",
    }
    assert (last["kind"], last["results"]["applied"]) == ("summary", 2)
    assert trees(tmp_path) != before
    done = shell(commands("undo"), tmp_path, env)
    assert done.code == 0, done.out + done.err
    assert trees(tmp_path) == before


def trees(place: Path) -> dict[str, dict[str, Node]]:
    """Return what is in each repository."""
    return {path.name: snapshot(path) for path in (place / "repositories").iterdir()}


def test_every_command_of_the_page_is_run_by_a_test() -> None:
    texts = [
        Path(str(module.__file__)).read_text(encoding="utf-8")
        for module in (test_rollout, test_renovate)
    ]
    texts.append(Path(__file__).read_text(encoding="utf-8"))
    names = {
        block.marker.removeprefix("run: ").partition(",")[0]
        for block in page()
        if block.language == "bash"
    }
    assert len(names) == len([block for block in page() if block.language == "bash"]) > 15
    assert [name for name in names if not any(f'"{name}"' in text for text in texts)] == []


@needs_ansible
@needs_posix
def test_ansible_understands_the_playbooks(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "ansible", tmp_path / "controller")
    done = shell(commands("syntax"), tmp_path / "controller", environment(tmp_path))
    assert (done.code, done.err) == (0, ""), done.out + done.err
    assert done.out.split() == ["playbook:", "rollout.yml", "playbook:", "go-back.yml"]


@pytest.mark.parametrize("heading", ["Variable"])
def test_the_page_tells_every_setting_and_no_other(heading: str) -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in (EXAMPLES / "ansible").rglob("*.yml"))
    first, second = TEXT.split("In the inventory, for all hosts or for one:")
    told = {row[0].strip("`"): row[1] for part in (first, second) for row in table(part, heading)}
    assert [name for name in told if not re.search(rf"\b{name}\b", texts)] == []
    playbook = (EXAMPLES / "ansible" / "rollout.yml").read_text(encoding="utf-8")
    section = playbook.partition("@settings.yml.\n")[2].partition("\n\n")[0]
    defaults = dict(re.findall(r"^    (\w+): (.+)$", section, re.M))
    assert defaults.keys() <= told.keys()
    for name in ("agentrail_batches", "agentrail_tolerated_percentage", "agentrail_hold_hosts"):
        assert told[name] == f"`{defaults[name]}`"


def test_every_example_is_told_of() -> None:
    names = [
        path.relative_to(ROOT / "docs").as_posix() for path in EXAMPLES.rglob("*") if path.is_file()
    ]
    told = [name for name in names if name in TEXT or Path(name).name in TEXT]
    assert sorted(set(names) - set(told)) == [
        "examples/ansible/ansible.cfg",
        "examples/ansible/tasks/differences.yml",
        "examples/ansible/tasks/environment.yml",
        "examples/ansible/tasks/events.yml",
    ]
