"""By pull request: a bot moves the pin, CI installs what is pinned, and what somebody edited stays."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from agentrail_runtime import __version__
from tests.documentation.test_pinning_page import marked
from tests.fleet.support import (
    EXAMPLES,
    NEXT,
    Releases,
    code,
    commands,
    environment,
    needs_posix,
    page,
    shell,
)
from tests.packaging.support import make_environment, run
from tests.packaging.test_workflow import schema, zizmor
from tests.support import Run, git, make_repo, write

RENOVATE = EXAMPLES / "renovate"
WORKFLOW = EXAMPLES / "github" / "agentrail-upgrade.yml"
# YAML 1.1 reads the key "on" as true.
DOCUMENT: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
JOBS: dict[str, Any] = DOCUMENT["jobs"]
BRANCH = "renovate/agentrail-runtime"
TEMPLATE = re.compile(r"\{\{\{newVersion\}\}\}")


def test_what_a_repository_is_to_have_is_one_by_the_schema_and_what_the_bot_is_to_have_is_not() -> None:
    names = {"agentrail-commands.json", "agentrail-pilot.json", "bot.json", "renovate.json"}
    paths = sorted(RENOVATE.glob("*.json"))
    assert {path.name for path in paths} == names
    words = ("-m", "check_jsonschema", "-o", "json", "--builtin-schema", "vendor.renovate")
    done = run(sys.executable, *words, *paths, cwd=RENOVATE)
    # A repository cannot allow itself a command.
    assert {Path(row["filename"]).name for row in done.json["errors"]} == {"bot.json"}
    assert "allowedCommands" in done.json["errors"][0]["message"]


def test_a_repository_names_the_preset_of_its_channel() -> None:
    preset = json.loads((RENOVATE / "renovate.json").read_bytes())["extends"][-1].rpartition(":")[2]
    [rule] = json.loads((RENOVATE / f"{preset}.json").read_bytes())["packageRules"]
    assert rule["matchPackageNames"] == ["agentrail-runtime"]
    assert rule["registryUrls"] == ["https://packages.example.org/pilot/simple/"]


def command_of_the_bot(version: str) -> str:
    """Return what the bot runs for a version."""
    [rule] = json.loads((RENOVATE / "agentrail-commands.json").read_bytes())["packageRules"]
    [command] = rule["postUpgradeTasks"]["commands"]
    return TEMPLATE.sub(version, str(command))


def test_the_bot_may_run_that_command_and_no_other() -> None:
    config = (RENOVATE / "bot.json").read_text(encoding="utf-8")
    assert json.loads(config) == json.loads(marked("renovate global")[0])
    [allowed] = json.loads(config)["allowedCommands"]
    assert re.search(allowed, command_of_the_bot(NEXT))
    for version in ("", "1.0; id", "1.0 --index-url=https://example.invalid", "$(id)", "1.0\nid"):
        assert not re.search(allowed, command_of_the_bot(version))


def caller() -> str:
    """Return the workflow by which a repository calls the common one."""
    [found] = [block for block in page() if block.marker == "workflow: agentrail.yml"]
    return found.code


def test_both_workflows_are_ones_by_the_schema_and_the_audit_finds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    write(folder, {WORKFLOW.name: WORKFLOW.read_bytes(), "agentrail.yml": caller()})
    for done in (schema(folder / WORKFLOW.name), schema(folder / "agentrail.yml"), zizmor(tmp_path)):
        assert done.code == 0, done.out + done.err
    careless = WORKFLOW.read_text(encoding="utf-8").replace("persist-credentials: false", "")
    write(folder, {WORKFLOW.name: careless})
    assert "artipacked" in zizmor(tmp_path).out


def test_the_caller_grants_and_hands_over_what_the_common_workflow_asks_for() -> None:
    [job] = yaml.safe_load(caller())["jobs"].values()
    asked = DOCUMENT[True]["workflow_call"]
    assert Path(job["uses"].partition("@")[0]).name == WORKFLOW.name
    assert set(job["secrets"]) == set(asked["secrets"])
    assert set(job.get("with", {})) <= set(asked["inputs"])
    assert job["permissions"] == {"contents": "write"}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "upgrade": {"contents": "read"},
        "push": {"contents": "write"},
    }


def test_the_job_that_may_write_runs_nothing_of_the_new_version() -> None:
    lines = "".join(step.get("run", "") for step in JOBS["push"]["steps"]).splitlines()
    assert {line.split()[0] for line in lines} == {"git", "gh"}
    assert "secrets." not in str(JOBS["upgrade"])
    assert "github.token" not in str(JOBS["upgrade"])


def test_an_action_is_the_one_that_the_other_pages_name() -> None:
    uses = re.findall(r"^ +uses: (\S+ # \S+)$", WORKFLOW.read_text(encoding="utf-8"), re.M)
    assert len(uses) == 5
    [page_of_one] = marked("workflow: agentrail-upgrade.yml")
    assert [use for use in uses if use not in page_of_one] == []


# --- a pin moves --------------------------------------------------------------------------------------


class Project(NamedTuple):
    """A repository that pins the runtime, where it is pushed to, and an environment of its own."""

    place: Path
    env: dict[str, str]

    @property
    def origin(self) -> Path:
        return self.place / "origin.git"

    def clone(self, name: str, branch: str = "main") -> Path:
        """Return a clone of a branch."""
        root = self.place / name / "repository"
        git(self.place, "clone", "-q", "-b", branch, str(self.origin), str(root))
        for key, value in (("name", "t"), ("email", "t@example.org")):
            git(root, "config", f"user.{key}", value)
        return root

    def type(self, root: Path, name: str, **more: str) -> str:
        """Type the commands of the page that are called `name`; return what they print."""
        done = shell(commands(name), root, self.env | more)
        assert done.code == code(name), done.out + done.err
        return done.out

    def push(self, root: Path, branch: str, files: dict[str, str | bytes]) -> None:
        """Push files to a branch, as somebody does, or a bot."""
        git(root, "checkout", "-q", "-B", branch)
        write(root, files)
        git(root, "add", "--all")
        git(root, "commit", "-q", "-m", f"To {branch}")
        git(root, "push", "-q", "origin", f"HEAD:{branch}")

    def step(self, job: str, name: str, root: Path, **more: str) -> Run:
        """Run the script of a step of the workflow in `root`."""
        [step] = [step for step in JOBS[job]["steps"] if step["name"] == name]
        return shell(step["run"], root, self.env | more)

    def upgrade(self, root: Path) -> tuple[Run, str]:
        """Run the scripts of the first job; return how the last one ended, and its outputs."""
        outputs = root.parent / "outputs"
        outputs.touch()
        got = self.step("upgrade", "Install what is pinned", root, REQUIREMENTS="requirements.txt")
        assert got.code == 0, got.out + got.err
        done = self.step("upgrade", "Upgrade", root, GITHUB_OUTPUT=str(outputs))
        return done, outputs.read_text(encoding="utf-8")

    def version(self, root: Path) -> str:
        """The version in a clone."""
        receipt = json.loads((root / ".agentrail" / "receipt.json").read_bytes())
        version: str = receipt["runtime_version"]
        return version


MINE = "docs/templates/plan.md"
"""What somebody edits, and the new version leaves alone."""

RIVAL = "docs/templates/spec.md"
"""What the new version changes at its end."""


@pytest.fixture
def project(tmp_path: Path, releases: Releases) -> Iterator[Project]:
    """A project that pins 1.0.0, has it installed as the page says, and has edited what it got."""
    bin_ = make_environment(tmp_path / "environment").bin
    write(tmp_path / "bin", {"gh": "#!/bin/sh\nexit 0\n"}, executable=("gh",))
    with releases.serving() as url:
        env = environment(tmp_path, PIP_INDEX_URL=url)
        env["PATH"] = os.pathsep.join([str(bin_), str(tmp_path / "bin"), os.environ["PATH"]])
        project = Project(tmp_path, env)
        git(tmp_path, "init", "-q", "--bare", "-b", "main", str(project.origin))
        first = make_repo(tmp_path / "first")
        git(first, "remote", "add", "origin", str(project.origin))
        project.push(first, "main", {"requirements.txt": f"agentrail-runtime=={__version__}\n"})
        first = project.clone("somebody")
        project.type(first, "install what is pinned")
        edited = (first / MINE).read_text(encoding="utf-8") + "\nour own words\n"
        project.push(first, "main", {MINE: edited})
        yield project


def move_the_pin(project: Project) -> None:
    """Do what the bot does: one line, on a branch of its own."""
    project.push(project.clone("bot"), BRANCH, {"requirements.txt": f"agentrail-runtime=={NEXT}\n"})


@pytest.mark.slow
@needs_posix
def test_when_the_pin_moves_ci_installs_and_what_somebody_edited_stays(project: Project) -> None:
    move_the_pin(project)
    checked_out = project.clone("job-1", BRANCH)
    assert project.version(checked_out) == __version__
    done, outputs = project.upgrade(checked_out)
    assert (done.code, outputs) == (0, "changed=true\n"), done.out + done.err

    other = project.clone("job-2", BRANCH)
    shutil.move(checked_out / "upgrade.patch", other / "upgrade.patch")
    for name in ("Commit", "Push"):
        done = project.step("push", name, other, BRANCH=BRANCH)
        assert done.code == 0, done.out + done.err

    pushed = project.clone("reviewer", BRANCH)
    assert project.version(pushed) == NEXT
    assert (pushed / MINE).read_text(encoding="utf-8").endswith("\nour own words\n")
    assert (pushed / RIVAL).read_text(encoding="utf-8").endswith(f"\n<!-- {NEXT} -->\n")
    assert "upgrade.patch" not in git(pushed, "ls-files").split()
    assert "nothing to do" in project.type(pushed, "look at the pin")
    again, outputs = project.upgrade(pushed)
    assert (again.code, outputs) == (0, "")
    assert git(pushed, "status", "--porcelain").split("\n") == ["?? upgrade.patch", ""]

    merge_by_hand(project)


def merge_by_hand(project: Project) -> None:
    """The new version and somebody change one file: CI says what to type, and typing it merges."""
    ours = project.clone("author")
    text = (ours / RIVAL).read_text(encoding="utf-8")
    project.push(ours, "main", {RIVAL: f"first, ours\n{text}"})
    git(project.origin, "branch", "-D", BRANCH)
    shutil.rmtree(project.place / "bot")
    move_the_pin(project)

    checked_out = project.clone("job-3", BRANCH)
    done, outputs = project.upgrade(checked_out)
    assert (done.code, outputs, git(checked_out, "status", "--porcelain")) == (3, "", "")
    [told] = re.findall("^::error title=conflict::.*choose: (.+)$", done.out, re.M)
    assert told in commands("merge")
    project.type(checked_out, "merge")
    assert project.version(checked_out) == NEXT
    merged = (checked_out / RIVAL).read_text(encoding="utf-8")
    assert merged == f"first, ours\n{text}\n<!-- {NEXT} -->\n"
    assert project.upgrade(project.clone("job-4", BRANCH))[1] == ""
    revert(project, ours, f"first, ours\n{text}")


def revert(project: Project, root: Path, former: str) -> None:
    """The pull request is merged as one commit, and that commit is taken back."""
    git(root, "fetch", "-q")
    git(root, "merge", "-q", "--squash", f"origin/{BRANCH}")
    git(root, "commit", "-q", "-m", "Upgrade")
    assert project.version(root) == NEXT
    project.type(root, "revert", COMMIT=git(root, "rev-parse", "HEAD").strip())
    assert project.version(root) == __version__
    assert (root / RIVAL).read_text(encoding="utf-8") == former


@pytest.mark.slow
@needs_posix
@pytest.mark.skipif(
    shutil.which("uvx") is None, reason="the bot's command is one of uv, which is not installed"
)
def test_a_bot_of_ones_own_installs_in_the_commit_that_moves_the_pin(
    repo: Path, releases: Releases
) -> None:
    with releases.serving() as url:
        more = {"UV_DEFAULT_INDEX": url, "UV_PYTHON": sys.executable, "UV_NO_CONFIG": "1"}
        env = environment(repo.parent, UV_CACHE_DIR=str(repo.parent / "cache"), **more)
        done = shell(command_of_the_bot(NEXT), repo, env)
    assert done.code == 0, done.out + done.err
    receipt = json.loads((repo / ".agentrail" / "receipt.json").read_bytes())
    assert receipt["runtime_version"] == NEXT
