"""The CI workflow of the payload: valid, safe, and its scripts as they stand there."""

from __future__ import annotations

import json
import os
import re
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentrail_runtime import __version__
from tests.packaging.support import run
from tests.support import PAYLOAD, Run, git, install, write

WORKFLOW = PAYLOAD / ".github" / "workflows" / "ci-framework.yml"
TEXT = WORKFLOW.read_text(encoding="utf-8")
# YAML 1.1 reads the key "on" as true.
DOCUMENT: dict[Any, Any] = yaml.safe_load(TEXT)
JOB: dict[str, Any] = DOCUMENT["jobs"]["check"]
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in JOB["steps"]}
SCRIPTS = Path(sysconfig.get_path("scripts"))


def schema(workflow: Path) -> Run:
    """Hold a workflow against GitHub's schema, the copy that check-jsonschema brings along."""
    words = ("-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", workflow)
    return run(sys.executable, *words, cwd=workflow.parent)


def zizmor(workflow: Path) -> Run:
    """Audit a workflow for security: everything that needs no network, nothing let pass."""
    words = ("--offline", "--persona", "auditor", "--strict-collection", "--no-config", "--no-ignores")
    return run(SCRIPTS / "zizmor", *words, "--no-progress", workflow, cwd=workflow.parent)


def altered(tmp_path: Path, old: str, new: str) -> Path:
    """Return a copy of the workflow in which `new` stands for `old`."""
    assert old in TEXT
    path = tmp_path / ".github" / "workflows" / WORKFLOW.name
    path.parent.mkdir(parents=True)
    path.write_text(TEXT.replace(old, new), encoding="utf-8")
    return path


def test_it_is_a_workflow_by_the_schema() -> None:
    done = schema(WORKFLOW)
    assert done.code == 0, done.out + done.err


def test_the_schema_would_find_a_wrong_key(tmp_path: Path) -> None:
    done = schema(altered(tmp_path, "timeout-minutes:", "timeout:"))
    assert (done.code, "timeout" in done.out) == (1, True)


def test_the_audit_finds_nothing_and_nothing_is_suppressed() -> None:
    done = zizmor(WORKFLOW)
    assert done.code == 0, done.out + done.err
    assert "zizmor: ignore" not in TEXT


@pytest.mark.parametrize(
    ("old", "new", "audit"),
    [
        ('--changed-since "$BASE"', "--changed-since ${{ github.head_ref }}", "template-injection"),
        ("persist-credentials: false", "persist-credentials: true", "artipacked"),
        ("permissions: {}", "permissions: write-all", "excessive-permissions"),
        ("@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "@v6", "unpinned-uses"),
        ("  pull_request:", "  pull_request_target:", "dangerous-triggers"),
    ],
)
def test_the_audit_would_find_what_must_not_be(tmp_path: Path, old: str, new: str, audit: str) -> None:
    done = zizmor(altered(tmp_path, old, new))
    assert (done.code > 10, audit in done.out) == (True, True), done.out + done.err


def test_it_may_read_the_repository_and_no_more() -> None:
    assert (DOCUMENT["permissions"], JOB["permissions"]) == ({}, {"contents": "read"})
    assert "secrets." not in TEXT


def test_the_checkout_has_the_history_and_keeps_no_token() -> None:
    assert STEPS["Check out"]["with"] == {"fetch-depth": 0, "persist-credentials": False}


def test_nothing_is_interpolated_into_a_script() -> None:
    scripts = [step["run"] for step in STEPS.values() if "run" in step]
    assert len(scripts) > 3
    assert [script for script in scripts if "${{" in script] == []


def test_the_base_is_that_of_the_event() -> None:
    assert set(DOCUMENT[True]) == {"push", "pull_request", "merge_group", "workflow_dispatch"}
    assert re.findall(r"github\.event\.[\w.]+", JOB["env"]["BASE"]) == [
        "github.event.pull_request.base.sha",
        "github.event.merge_group.base_sha",
        "github.event.before",
    ]


PIN = STEPS["Read the pinned version"]


def pin(root: Path) -> tuple[Run, str]:
    """Run the script that reads the version, as GitHub does; return how it ended and its outputs."""
    assert PIN["shell"] == "python"
    script, outputs = root / "script.py", root / "outputs"
    script.write_text(PIN["run"], encoding="utf-8")
    outputs.touch()
    done = run(sys.executable, script, cwd=root, env={"GITHUB_OUTPUT": str(outputs)})
    return done, outputs.read_text(encoding="utf-8")


def receipt(root: Path, content: bytes) -> None:
    """Write a receipt."""
    (root / ".agentrail").mkdir()
    (root / ".agentrail" / "receipt.json").write_bytes(content)


def test_the_version_is_that_of_the_receipt_that_an_install_writes(repo: Path) -> None:
    assert install(repo).code == 0
    assert pin(repo) == (Run(0, "", ""), f"version={__version__}\n")


@pytest.mark.parametrize("version", ["0.1", "2!1.2.3", "1.0.0rc1.post2.dev3", "1.0+local.7"])
def test_every_form_of_a_version_is_one(tmp_path: Path, version: str) -> None:
    receipt(tmp_path, json.dumps({"runtime_version": version}).encode())
    assert pin(tmp_path) == (Run(0, "", ""), f"version={version}\n")


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'"1.0.0"',
        b"\xff\xfe{}",
        b'{"runtime_version": "1.0.0"} x',
        b"[" * 100_000,
    ],
    ids=["missing", "empty", "cut", "list", "null", "no-key", "text", "no-utf-8", "trailing", "nested"],
)
def test_a_receipt_that_cannot_be_read_ends_the_job(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        receipt(tmp_path, content)
    done, outputs = pin(tmp_path)
    assert (done.code, done.out, outputs) == (1, "", "")
    assert done.err.splitlines() == [
        ".agentrail/receipt.json: no readable runtime_version",
        "hint: run agentrail-install . and commit .agentrail/receipt.json",
    ]


@pytest.mark.parametrize(
    "version",
    [
        None,
        1.0,
        ["1.0.0"],
        {},
        "",
        " 1.0.0",
        "1.0.0\n",
        "1.0.0\nversion=6.6.6",
        "1.0.0 --index-url=https://example.invalid",
        "-r requirements.txt",
        "1.0.0; curl example.invalid",
        "$(id)",
        "1.0.0,!=1.0.0",
        "1.*",
        "1.0.0 @ https://example.invalid/a.whl",
        "../a.whl",
        "\u0661.0",
        "1" * 65,
    ],
)
def test_a_forged_version_ends_the_job(tmp_path: Path, version: object) -> None:
    receipt(tmp_path, json.dumps({"runtime_version": version}).encode())
    done, outputs = pin(tmp_path)
    assert (done.code, done.out, outputs) == (1, "", "")
    assert done.err.splitlines() == [
        ".agentrail/receipt.json: runtime_version is not a version",
        "hint: restore .agentrail/receipt.json from git",
    ]


def test_the_version_reaches_pip_as_one_quoted_word() -> None:
    step = STEPS["Install agentrail-runtime"]
    assert step["env"]["RUNTIME_VERSION"] == "${{ steps.pin.outputs.version }}"
    assert step["run"].split()[-1] == '"agentrail-runtime==${RUNTIME_VERSION}"'


SHELLS = {None: ("bash", "-e"), "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail")}
BROKEN = ".agentrail/work/2026-01-02__broken/state.json"


def step(name: str, root: Path, base: str) -> Run:
    """Run the script of a step in the repository at `root`, as GitHub does."""
    script = root.parent / "script.sh"
    script.write_text(STEPS[name]["run"], encoding="utf-8")
    env = {
        "BASE": base,
        "GITHUB_OUTPUT": str(root.parent / "outputs"),
        "GITHUB_STEP_SUMMARY": str(root.parent / "summary"),
        "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
    }
    return run(*SHELLS[STEPS[name].get("shell")], script, cwd=root, env=env)


def commit(root: Path) -> str:
    """Commit everything; return the commit."""
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "more")
    return git(root, "rev-parse", "HEAD").strip()


@pytest.mark.slow
@pytest.mark.parametrize("base", ["", "0" * 40, "1" * 40, "HEAD~1"])
def test_a_fresh_install_passes_whatever_the_base_is(repo: Path, base: str) -> None:
    assert install(repo).code == 0
    commit(repo)
    base = git(repo, "rev-parse", base).strip() if base.startswith("HEAD") else base
    for name in list(STEPS)[-3:]:
        done = step(name, repo, base)
        assert done.code == 0, done.out + done.err
    outputs = (repo.parent / "outputs").read_text(encoding="utf-8")
    assert "resolved_task_ids=[]" in outputs


@pytest.mark.slow
def test_a_broken_record_fails_the_change_that_brings_it_and_warns_later(repo: Path) -> None:
    assert install(repo).code == 0
    before = commit(repo)
    write(repo, {BROKEN: "{}\n"})
    after = commit(repo)
    write(repo, {"README.md": "# Mine\n"})
    commit(repo)

    brought = step("Check profile, index and task records", repo, before)
    assert brought.code == 1, brought.out + brought.err
    assert "::error file=" in brought.out
    assert step("Name the changed tasks", repo, before).code == 0
    for place in ("outputs", "summary"):
        assert "2026-01-02__broken" in (repo.parent / place).read_text(encoding="utf-8")

    later = step("Check profile, index and task records", repo, after)
    assert later.code == 0, later.out + later.err
    assert ("::warning file=" in later.out, "::error" in later.out) == (True, False)
