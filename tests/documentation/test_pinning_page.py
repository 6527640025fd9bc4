"""docs/pinning.md as somebody follows it: what is to be typed works, what is to be copied is safe."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentrail_runtime import __version__
from tests.documentation.page import ROOT, Block, blocks
from tests.packaging import support
from tests.packaging.test_workflow import SCRIPTS, schema, zizmor
from tests.scenario.story import guide
from tests.support import Run, agentrail, git, install, make_repo, write

TEXT = (ROOT / "docs" / "pinning.md").read_text(encoding="utf-8")
BLOCKS = blocks(TEXT)
RUN = [block for block in BLOCKS if block.marker.startswith("run")]
FILES = {
    block.marker.removeprefix("file: "): block.code
    for block in BLOCKS
    if block.marker.startswith("file: ")
}
TEMPLATE = re.compile(r"\{\{\{\w+\}\}\}")


def marked(marker: str) -> list[str]:
    """Return the code of the blocks that have a marker."""
    return [block.code for block in BLOCKS if block.marker == marker]


WORKFLOW = marked("workflow: agentrail-upgrade.yml")[0]
JOBS: dict[str, Any] = yaml.safe_load(WORKFLOW)["jobs"]
SHELLS = {None: ("bash", "-e"), "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail")}


# --- what it says to type ---------------------------------------------------------------------------


def hashed(wheels: Path) -> str:
    """Return what pip-compile makes of the page's requirements-dev.in, from a directory of wheels."""
    lines = []
    for wheel in sorted(wheels.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name}=={version} \\\n    --hash=sha256:{digest}\n")
    return "".join(lines)


@pytest.mark.slow
def test_whoever_types_the_page_from_top_to_bottom_has_pin_package_and_receipt_in_step(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = support.make_environment(tmp_path / "environment")
    wheels = support.wheelhouse(tmp_path_factory)
    env = {
        "PATH": f"{environment.bin}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
    }
    repo = make_repo(tmp_path / "repo")
    assert len(RUN) >= 6
    for block in RUN:
        write(repo, FILES)
        if block.marker == "run hashes":
            write(repo, {"requirements-dev.txt": hashed(wheels)})
        if block.marker != "run pip 25.1" or knows_groups(environment, tmp_path):
            support.succeed("bash", "-euc", block.code, cwd=repo, env=env)
    assert (repo / ".agentrail" / "receipt.json").exists()


def knows_groups(environment: support.Environment, place: Path) -> bool:
    """Tell whether the environment's pip has the option that the page says it has from 25.1 on."""
    return "--group " in environment.run("pip", "install", "--help", cwd=place).out


def test_every_file_of_the_page_pins_the_version_that_it_belongs_to(repo: Path) -> None:
    install(repo)
    write(repo, FILES)
    pins = agentrail("status", "--json", repo).json["pins"]
    assert [(pin["path"], pin["version"], pin["agrees"]) for pin in pins] == [
        ("constraints.txt", __version__, True),
        ("pyproject.toml", __version__, True),
        ("requirements-dev.in", __version__, True),
        ("requirements-dev.txt", __version__, True),
    ]


def test_what_the_page_shows_of_status_is_what_it_prints(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(repo)
    raised = "#\n# made by pip-compile\n#\n--index-url https://example.com/simple\n\nagentrail-runtime==1.1.0"
    write(repo, {"requirements-dev.in": FILES["requirements-dev.in"], "requirements-dev.txt": raised})
    monkeypatch.chdir(repo)
    run = agentrail("status", "--exit-code")
    assert run.code == 4
    assert run.out.endswith(marked("status")[0])


@pytest.mark.skipif(os.name != "posix", reason="a shell's words")
@pytest.mark.parametrize(("pin", "code", "told"), [("1.0.0", 0, ""), ("1.1.0", 1, "a.in:1: ")])
def test_the_line_for_pins_alone_fails_for_pins_alone(
    repo: Path, pin: str, code: int, told: str
) -> None:
    install(repo)
    write(repo, {"a.in": f"agentrail-runtime=={pin}\n", "docs/templates/spec.md": "mine\n"})
    [line] = [block.code for block in RUN if "--json" in block.code]
    # Without pipefail, which the shell of most CI services does not set, only the last word counts.
    done = support.run("bash", "-euc", line, cwd=repo, env=with_commands())
    assert (done.code, done.err.partition("installed")[0]) == (code, told)


def with_commands() -> dict[str, str]:
    """Return an environment in which the commands of this Python's are found."""
    return {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}


# --- what it says to copy ---------------------------------------------------------------------------


def check(builtin: str, path: Path) -> Run:
    """Hold a file against a schema that check-jsonschema brings along."""
    words = ("-m", "check_jsonschema", "--builtin-schema", builtin, path)
    return support.run(sys.executable, *words, cwd=path.parent)


@pytest.mark.parametrize("code", marked("renovate"), ids=["hosted", "self-hosted"])
def test_the_configuration_of_renovate_is_one_by_its_schema(tmp_path: Path, code: str) -> None:
    write(tmp_path, {"renovate.json": code})
    done = check("vendor.renovate", tmp_path / "renovate.json")
    assert done.code == 0, done.out + done.err


def test_renovate_may_run_the_command_that_the_page_gives_it_and_no_other() -> None:
    [allowed] = json.loads(marked("renovate global")[0])["allowedCommands"]
    rules = json.loads(marked("renovate")[1])["packageRules"]
    [command] = rules[0]["postUpgradeTasks"]["commands"]
    for version in ("1.1.0", "1.1.0rc1", "2.0.0.post1"):
        assert re.search(allowed, TEMPLATE.sub(version, command))
    for version in ("", "1.0; id", "1.0 --index-url=https://example.invalid", "$(id)", "1.0\nid"):
        assert not re.search(allowed, TEMPLATE.sub(version, command))


def test_the_configuration_of_dependabot_is_valid_and_the_audit_finds_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".github" / "dependabot.yml"
    write(tmp_path, {".github/dependabot.yml": marked("dependabot")[0]})
    for done in (check("vendor.dependabot", path), zizmor(path)):
        assert done.code == 0, done.out + done.err


def workflow(root: Path, text: str) -> Path:
    """Write the workflow below `root`, where GitHub looks for it."""
    write(root, {".github/workflows/agentrail-upgrade.yml": text})
    return root / ".github" / "workflows" / "agentrail-upgrade.yml"


def test_the_workflow_is_one_by_the_schema_and_the_audit_finds_nothing(tmp_path: Path) -> None:
    path = workflow(tmp_path, WORKFLOW)
    for done in (schema(path), zizmor(path)):
        assert done.code == 0, done.out + done.err


@pytest.mark.parametrize(
    ("old", "new", "audit"),
    [
        ("  pull_request:", "  pull_request_target:", "dangerous-triggers"),
        ("persist-credentials: false", "persist-credentials: true", "artipacked"),
        ('HEAD:refs/heads/$BRANCH"', 'HEAD:${{ github.head_ref }}"', "template-injection"),
    ],
)
def test_the_audit_would_find_what_the_page_warns_of(
    tmp_path: Path, old: str, new: str, audit: str
) -> None:
    assert old in WORKFLOW
    done = zizmor(workflow(tmp_path, WORKFLOW.replace(old, new)))
    assert (done.code > 10, audit in done.out) == (True, True), done.out + done.err


def test_only_branches_that_a_bot_made_in_the_repository_itself_are_upgraded() -> None:
    condition = JOBS["upgrade"]["if"]
    assert "github.event.pull_request.head.repo.full_name == github.repository && " in condition
    assert condition.endswith(", github.event.pull_request.user.login)")
    assert "github.actor" not in WORKFLOW


def test_only_the_job_that_runs_nothing_new_may_write() -> None:
    assert JOBS["upgrade"]["permissions"] == {"contents": "read"}
    assert JOBS["push"]["permissions"] == {"contents": "write"}
    lines = "".join(step.get("run", "") for step in JOBS["push"]["steps"]).splitlines()
    assert {line.split()[0] for line in lines} == {"git", "gh"}
    tokens = [step for job in JOBS.values() for step in job["steps"] if "GH_TOKEN" in str(step)]
    assert [step["name"] for step in tokens] == ["Push"]


def script(job: str, name: str, cwd: Path, **env: str) -> Run:
    """Run the script of a step in `cwd`, as GitHub does."""
    [step] = [step for step in JOBS[job]["steps"] if step.get("name") == name]
    path = cwd.parent / "script.sh"
    path.write_text(step["run"], encoding="utf-8")
    return support.run(*SHELLS[step.get("shell")], path, cwd=cwd, env=with_commands() | env)


@pytest.mark.skipif(os.name != "posix", reason="the scripts of the workflow run on Linux")
def test_the_workflow_pushes_what_the_install_changed_and_then_nothing_more(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    install(repo, bundle=guide(tmp_path / "v0", "old\n", "0.9.0", release_seq=0))
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "an older version")
    origin, checked_out, other = (tmp_path / name for name in ("origin.git", "job/a", "job/b"))
    git(tmp_path, "clone", "-q", "--bare", str(repo), str(origin))
    for place in (checked_out, other):
        git(tmp_path, "clone", "-q", str(origin), str(place))
    outputs = tmp_path / "outputs"
    upgraded = script("upgrade", "Upgrade", checked_out, GITHUB_OUTPUT=str(outputs))
    assert upgraded.code == 0, upgraded.out + upgraded.err
    assert outputs.read_text(encoding="utf-8") == "changed=true\n"

    shutil.move(checked_out / "upgrade.patch", other / "upgrade.patch")
    committed = script("push", "Commit", other)
    assert committed.code == 0, committed.out + committed.err
    write(tmp_path / "bin", {"gh": "#!/bin/sh\nexit 0\n"}, executable=("gh",))
    env = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", "BRANCH": "main"}
    pushed = script("push", "Push", other, **env)
    assert pushed.code == 0, pushed.out + pushed.err

    done = tmp_path / "job" / "c"
    git(tmp_path, "clone", "-q", str(origin), str(done))
    assert git(done, "log", "-1", "--format=%s%n%b").split("\n")[:2] == [
        "Run agentrail-install",
        "[dependabot skip]",
    ]
    assert "upgrade.patch" not in git(done, "ls-files").split()
    assert agentrail("verify", done).code == 0
    again = script("upgrade", "Upgrade", done, GITHUB_OUTPUT=str(tmp_path / "more"))
    assert (again.code, (tmp_path / "more").exists()) == (0, False)


def test_the_pages_tools_are_named_in_blocks_that_are_not_run() -> None:
    others = [block for block in BLOCKS if block.language == "bash" and block not in RUN]
    assert len(others) == 4
    assert [block for block in others if not is_of_other_tools(block)] == []


def is_of_other_tools(block: Block) -> bool:
    """Tell whether every command is one of a tool that the tests do not have."""
    return all(line.startswith(("pip-compile ", "uv ", "poetry ")) for line in block.code.splitlines())
