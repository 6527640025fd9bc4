"""The workflows of this project itself: valid, safe, and what they promise."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.packaging.support import ROOT, run
from tests.packaging.test_workflow import WORKFLOW as PAYLOAD_WORKFLOW
from tests.packaging.test_workflow import schema, zizmor
from tests.support import Run

PATHS = {name: ROOT / ".github" / "workflows" / f"{name}.yml" for name in ("ci", "release")}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PATHS.items()}
WORKFLOWS: dict[str, dict[Any, Any]] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
JOBS: dict[tuple[str, str], dict[str, Any]] = {
    (name, key): job for name, workflow in WORKFLOWS.items() for key, job in workflow["jobs"].items()
}
USE = re.compile(r"^\s+(?:- )?uses: (?P<action>[\w/-]+)@(?P<commit>\S+)(?: # (?P<version>.+))?$", re.M)
OSES = ["ubuntu-24.04", "macos-15", "windows-2025"]

each_workflow = pytest.mark.parametrize("name", PATHS)


def steps(workflow: str, job: str) -> dict[str, dict[str, Any]]:
    """Return the steps of a job by their names."""
    return {step["name"]: step for step in JOBS[workflow, job]["steps"]}


@each_workflow
def test_it_is_a_workflow_by_the_schema(name: str) -> None:
    done = schema(PATHS[name])
    assert done.code == 0, done.out + done.err


@each_workflow
def test_the_audit_finds_nothing_and_nothing_is_suppressed(name: str) -> None:
    done = zizmor(PATHS[name])
    assert done.code == 0, done.out + done.err
    assert "zizmor: ignore" not in TEXTS[name]


@each_workflow
def test_every_action_is_pinned_by_a_commit_and_tells_its_version(name: str) -> None:
    uses = [use.groupdict() for use in USE.finditer(TEXTS[name])]
    assert len(uses) == TEXTS[name].count("uses:") > 0
    assert [use for use in uses if not re.fullmatch("[0-9a-f]{40}", use["commit"])] == []
    assert [use for use in uses if not re.fullmatch(r"v\d+\.\d+\.\d+", use["version"] or "")] == []


def test_an_action_is_the_same_everywhere() -> None:
    texts = [*TEXTS.values(), PAYLOAD_WORKFLOW.read_text(encoding="utf-8")]
    pins = {use.groups() for text in texts for use in USE.finditer(text)}
    assert sorted(pin[0] for pin in pins) == [
        "actions/attest-build-provenance",
        "actions/checkout",
        "actions/download-artifact",
        "actions/setup-python",
        "actions/upload-artifact",
        "pypa/gh-action-pypi-publish",
    ]


def test_the_tests_run_on_every_system_and_python() -> None:
    assert JOBS["ci", "tests"]["strategy"]["matrix"] == {
        "os": OSES,
        "python": ["3.10", "3.11", "3.12", "3.13", "3.14"],
    }
    assert JOBS["ci", "tests"]["strategy"]["fail-fast"] is False


def test_both_routes_are_tried_with_the_wheel_that_was_built_once_on_every_system() -> None:
    job = JOBS["ci", "routes"]
    assert (job["needs"], job["strategy"]["matrix"]["os"]) == ("build", OSES)
    assert [step["with"]["name"] for step in job["steps"] if "artifact" in step.get("uses", "")] == [
        steps("ci", "build")["Keep what was built"]["with"]["name"]
    ]
    assert steps("ci", "routes")["Install by package and by copy, and compare"]["run"] == (
        "python -I .ci/routes.py"
    )


@pytest.mark.parametrize("job", ["all-tests", "tests"])
def test_every_test_runs_somewhere_and_coverage_is_gated(job: str) -> None:
    commands = {
        "all-tests": "python -m pytest -n auto --cov",
        "tests": 'python -m pytest -n auto -m "not slow"',
    }
    assert steps("ci", job)["Test"]["run"] == commands[job]


@pytest.mark.parametrize(
    ("key", "granted"),
    [
        *((("ci", job), {"contents": "read"}) for job in WORKFLOWS["ci"]["jobs"]),
        (("release", "build"), {"contents": "read"}),
        (("release", "attest"), {"attestations": "write", "id-token": "write"}),
        (("release", "publish"), {"id-token": "write"}),
    ],
)
def test_a_job_may_do_what_it_needs_and_no_more(key: tuple[str, str], granted: dict[str, str]) -> None:
    assert JOBS[key]["permissions"] == granted


@each_workflow
def test_nothing_is_permitted_unless_a_job_says_so(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    assert "secrets." not in TEXTS[name]


def test_every_job_ends_at_last() -> None:
    assert [key for key, job in JOBS.items() if not 0 < job.get("timeout-minutes", 0) <= 60] == []


def test_a_newer_commit_stops_the_run_of_an_older_one_but_never_a_release() -> None:
    stops = {name: WORKFLOWS[name]["concurrency"]["cancel-in-progress"] for name in WORKFLOWS}
    assert stops == {"ci": "${{ github.event_name == 'pull_request' }}", "release": False}


def test_a_release_comes_from_a_tag_alone() -> None:
    assert WORKFLOWS["release"][True] == {"push": {"tags": ["v*"]}}


def test_nothing_is_published_before_it_is_attested_and_a_reviewer_agrees() -> None:
    assert JOBS["release", "attest"]["needs"] == "build"
    assert JOBS["release", "publish"]["needs"] == "attest"
    assert JOBS["release", "publish"]["environment"]["name"] == "pypi"


def test_what_is_published_is_what_was_built_and_is_built_once() -> None:
    kept = steps("release", "build")["Keep the distributions"]["with"]
    fetched = steps("release", "publish")["Fetch the distributions"]["with"]
    assert (kept["name"], fetched["name"]) == ("distributions", "distributions")
    assert "kit" not in kept["path"]
    assert TEXTS["release"].count("python -m build\n") == 1


HOLD = steps("release", "build")["Hold the tag against version and changelog"]
PROJECT = '[project]\nname = "agentrail-runtime"\nversion = "1.2.0"\n'


def hold(root: Path, tag: str, changelog: str) -> Run:
    """Run the script that decides on a tag, as GitHub does, in a project of version 1.2.0."""
    assert HOLD["shell"] == "python"
    script = root / "script.py"
    script.write_text(HOLD["run"], encoding="utf-8")
    (root / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (root / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
    return run(sys.executable, script, cwd=root, env={"TAG": tag})


needs_tomllib = pytest.mark.skipif(sys.version_info < (3, 11), reason="the workflow has Python 3.12")


@needs_tomllib
@pytest.mark.parametrize("title", ["## 1.2.0", "## 1.2.0 - 2026-03-04", "## [1.2.0] - 2026-03-04"])
def test_a_tag_of_the_version_that_the_changelog_tells_of_is_taken(tmp_path: Path, title: str) -> None:
    changelog = f"# Changelog\n\n{title}\n\n- more\n\n## 1.1.0\n"
    assert hold(tmp_path, "v1.2.0", changelog) == Run(0, "", "")


@needs_tomllib
@pytest.mark.parametrize("tag", ["v1.2.1", "v1.2.0rc1", "v1.2", "1.2.0", "V1.2.0", "v01.2.0"])
def test_a_tag_of_another_version_ends_the_release(tmp_path: Path, tag: str) -> None:
    assert hold(tmp_path, tag, "## 1.2.0\n") == Run(
        1, "", f"pyproject.toml: version is not the tag's (expected {tag}, got v1.2.0)\n"
    )


@needs_tomllib
@pytest.mark.parametrize("title", ["## Unreleased", "## 1.2.0rc1", "## 1x2.0", "### 1.2.0", "# 1.2.0"])
def test_a_version_that_the_changelog_does_not_tell_of_ends_the_release(
    tmp_path: Path, title: str
) -> None:
    done = hold(tmp_path, "v1.2.0", f"{title}\n\n- more\n")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        "CHANGELOG.md: no section 1.2.0",
        "hint: give the unreleased changes this version and a date",
    ]
