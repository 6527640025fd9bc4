"""The skills in the payload: the format of SKILL.md, the commands and the paths that they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import PAYLOAD

SKILLS = PAYLOAD / ".agents" / "skills"
NAMES = {
    "agentrail-docs-update",
    "agentrail-investigation",
    "agentrail-next-task",
    "agentrail-plan",
    "agentrail-profile",
    "agentrail-questions",
    "agentrail-request",
    "agentrail-review",
    "agentrail-spec",
    "agentrail-test-requirements",
}
COMMANDS = {
    "check",
    "consistency-check",
    "diff",
    "docs-indexer",
    "install",
    "new-task",
    "profile-validate",
    "resolve-task-id",
    "rollback",
    "state-validate",
    "status",
    "tasks",
    "uninstall",
    "verify",
}
REQUIRED_KEYS = {"name", "description"}
OPTIONAL_KEYS = {"license", "compatibility", "metadata"}
MADE_LATER = {".agentrail/work"}
"""Paths that the installer makes, named to explain the default of workflow.task_root."""

every_skill = pytest.mark.parametrize("name", sorted(NAMES))


def _text(name: str) -> str:
    return (SKILLS / name / "SKILL.md").read_text(encoding="utf-8")


def _parts(name: str) -> tuple[dict[str, Any], str]:
    """Return the front matter of a skill and its body."""
    match = re.fullmatch(r"---\n(.+?\n)---\n(.+)", _text(name), re.DOTALL)
    assert match, "no front matter between two lines of ---"
    front = yaml.safe_load(match[1])
    assert isinstance(front, dict)
    return front, match[2]


def _inline_code(body: str) -> list[str]:
    """Return the inline code outside of code fences."""
    prose = re.sub(r"^ *```.*?^ *```$", "", body, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", prose)


def _fenced(body: str) -> list[str]:
    """Return the lines inside of code fences, without their indent."""
    blocks = re.findall(r"^ *```\w+\n(.*?)^ *```$", body, re.DOTALL | re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines()]


def _commands(body: str) -> list[str]:
    """Return the word after each agentrail in the code of a body."""
    code = [*_inline_code(body), *_fenced(body)]
    return [item.split()[1] for item in code if item.startswith("agentrail ")]


def _is_path(code: str) -> bool:
    named = "/" in code or Path(code).suffix in {".md", ".yaml", ".yml", ".json", ".ps1", ".py"}
    return named and " " not in code and "<" not in code


def test_there_is_one_skill_per_step() -> None:
    assert {path.name for path in SKILLS.iterdir()} == NAMES


@every_skill
def test_a_skill_is_one_file(name: str) -> None:
    assert [path.name for path in (SKILLS / name).iterdir()] == ["SKILL.md"]


@every_skill
def test_the_front_matter_has_the_keys_of_the_format_alone(name: str) -> None:
    front, _ = _parts(name)
    assert set(front) >= REQUIRED_KEYS
    assert set(front) <= REQUIRED_KEYS | OPTIONAL_KEYS


@every_skill
def test_the_name_is_that_of_the_folder_and_well_formed(name: str) -> None:
    front, _ = _parts(name)
    assert front["name"] == name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert len(name) <= 64


@every_skill
def test_the_description_says_when_to_use_the_skill_and_names_the_stage_in_english(name: str) -> None:
    description = _parts(name)[0]["description"]
    assert isinstance(description, str)
    assert 1 <= len(description.strip()) <= 1024
    assert "ときに使う" in description
    assert name.removeprefix("agentrail-").replace("-", " ") in description


@every_skill
def test_the_optional_keys_are_well_formed(name: str) -> None:
    front, _ = _parts(name)
    metadata = front.get("metadata", {})
    assert isinstance(front.get("license", ""), str)
    assert isinstance(front.get("compatibility", ""), str)
    assert len(front.get("compatibility", "")) <= 500
    assert all(isinstance(item, str) for pair in metadata.items() for item in pair)


@every_skill
def test_a_skill_is_small(name: str) -> None:
    assert 25 <= len(_text(name).splitlines()) < 80


@every_skill
def test_a_skill_names_commands_that_exist(name: str) -> None:
    commands = _commands(_parts(name)[1])
    assert commands
    assert [command for command in commands if command not in COMMANDS] == []


@every_skill
def test_the_last_section_gives_the_command_that_checks_the_result(name: str) -> None:
    last = _parts(name)[1].rpartition("\n## ")[2]
    assert last.startswith("5. 完了の確認 (Verification)\n")
    assert any(line.startswith("agentrail ") for line in _fenced(last))
    assert "終了コード 0" in last


@every_skill
def test_every_path_that_a_skill_names_is_there(name: str) -> None:
    paths = {code for code in _inline_code(_parts(name)[1]) if _is_path(code)} - MADE_LATER
    assert paths
    assert sorted(path for path in paths if not (PAYLOAD / path).exists()) == []


@every_skill
def test_every_skill_that_a_skill_names_is_there(name: str) -> None:
    named = {code for code in _inline_code(_parts(name)[1]) if re.fullmatch(r"agentrail-[a-z-]+", code)}
    assert named <= NAMES - {name}


@every_skill
def test_a_task_path_begins_with_the_task_root_which_is_explained(name: str) -> None:
    body = _parts(name)[1]
    assert re.findall(r"(?<!\.agentrail/)\bwork/", body) == []
    assert re.findall(r"(?<!<task_root>/)<task-id>/", body) == []
    assert "<task_root>" not in body or "`workflow.task_root`" in body
