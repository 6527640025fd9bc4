"""What is in the wheel and in the source distribution: every file by name."""

from __future__ import annotations

import sys
from email.parser import BytesParser
from pathlib import Path

import pytest

from agentrail_runtime import __version__
from tests.packaging.support import Distributions, succeed

PACKAGE_FILES = [
    "agentrail_runtime/__init__.py",
    "agentrail_runtime/__main__.py",
    "agentrail_runtime/allowed_signers",
    "agentrail_runtime/api.py",
    "agentrail_runtime/block.py",
    "agentrail_runtime/built.py",
    "agentrail_runtime/channel.py",
    "agentrail_runtime/channels.py",
    "agentrail_runtime/checkout.py",
    "agentrail_runtime/checks/__init__.py",
    "agentrail_runtime/checks/backlog.py",
    "agentrail_runtime/checks/context.py",
    "agentrail_runtime/checks/docs_index.py",
    "agentrail_runtime/checks/document_rule.py",
    "agentrail_runtime/checks/files.py",
    "agentrail_runtime/checks/finding.py",
    "agentrail_runtime/checks/markdown.py",
    "agentrail_runtime/checks/page.py",
    "agentrail_runtime/checks/prerequisite.py",
    "agentrail_runtime/checks/profile_rule.py",
    "agentrail_runtime/checks/quality_rule.py",
    "agentrail_runtime/checks/record.py",
    "agentrail_runtime/checks/render.py",
    "agentrail_runtime/checks/review_rule.py",
    "agentrail_runtime/checks/roots.py",
    "agentrail_runtime/checks/rule.py",
    "agentrail_runtime/checks/state.py",
    "agentrail_runtime/checks/state_rule.py",
    "agentrail_runtime/checks/suite.py",
    "agentrail_runtime/checks/template.py",
    "agentrail_runtime/checks/token.py",
    "agentrail_runtime/child.py",
    "agentrail_runtime/cli/__init__.py",
    "agentrail_runtime/cli/check.py",
    "agentrail_runtime/cli/check_options.py",
    "agentrail_runtime/cli/consistency_check.py",
    "agentrail_runtime/cli/diff.py",
    "agentrail_runtime/cli/docs_indexer.py",
    "agentrail_runtime/cli/export.py",
    "agentrail_runtime/cli/fleet.py",
    "agentrail_runtime/cli/group.py",
    "agentrail_runtime/cli/install.py",
    "agentrail_runtime/cli/kit.py",
    "agentrail_runtime/cli/main.py",
    "agentrail_runtime/cli/migration.py",
    "agentrail_runtime/cli/migration_advance.py",
    "agentrail_runtime/cli/migration_check.py",
    "agentrail_runtime/cli/migration_options.py",
    "agentrail_runtime/cli/migration_resume.py",
    "agentrail_runtime/cli/migration_status.py",
    "agentrail_runtime/cli/migration_suspend.py",
    "agentrail_runtime/cli/moment.py",
    "agentrail_runtime/cli/new_task.py",
    "agentrail_runtime/cli/output.py",
    "agentrail_runtime/cli/profile_upgrade.py",
    "agentrail_runtime/cli/profile_validate.py",
    "agentrail_runtime/cli/release.py",
    "agentrail_runtime/cli/release_gate.py",
    "agentrail_runtime/cli/release_notes.py",
    "agentrail_runtime/cli/release_options.py",
    "agentrail_runtime/cli/release_probe.py",
    "agentrail_runtime/cli/release_promote.py",
    "agentrail_runtime/cli/release_publish.py",
    "agentrail_runtime/cli/release_status.py",
    "agentrail_runtime/cli/release_withdraw.py",
    "agentrail_runtime/cli/resolve_task_id.py",
    "agentrail_runtime/cli/rollback.py",
    "agentrail_runtime/cli/start.py",
    "agentrail_runtime/cli/state_validate.py",
    "agentrail_runtime/cli/status.py",
    "agentrail_runtime/cli/target_options.py",
    "agentrail_runtime/cli/tasks.py",
    "agentrail_runtime/cli/uninstall.py",
    "agentrail_runtime/cli/verify.py",
    "agentrail_runtime/compatibility.py",
    "agentrail_runtime/credential.py",
    "agentrail_runtime/deadline.py",
    "agentrail_runtime/decision.py",
    "agentrail_runtime/decision_log.py",
    "agentrail_runtime/denial.py",
    "agentrail_runtime/deny_list_file.py",
    "agentrail_runtime/descriptor.py",
    "agentrail_runtime/devpi_channel.py",
    "agentrail_runtime/diff.py",
    "agentrail_runtime/document.py",
    "agentrail_runtime/entry.py",
    "agentrail_runtime/errors.py",
    "agentrail_runtime/event_query.py",
    "agentrail_runtime/event_reader.py",
    "agentrail_runtime/export.py",
    "agentrail_runtime/fleet.py",
    "agentrail_runtime/former.py",
    "agentrail_runtime/framework.py",
    "agentrail_runtime/git.py",
    "agentrail_runtime/history.py",
    "agentrail_runtime/inventory.py",
    "agentrail_runtime/journal.py",
    "agentrail_runtime/kit.py",
    "agentrail_runtime/known.py",
    "agentrail_runtime/launcher.py",
    "agentrail_runtime/manifest.py",
    "agentrail_runtime/merge.py",
    "agentrail_runtime/newline.py",
    "agentrail_runtime/operation/__init__.py",
    "agentrail_runtime/operation/check.py",
    "agentrail_runtime/operation/docs.py",
    "agentrail_runtime/operation/docs_seed.py",
    "agentrail_runtime/operation/evidence.py",
    "agentrail_runtime/operation/export.py",
    "agentrail_runtime/operation/fast.py",
    "agentrail_runtime/operation/fleet.py",
    "agentrail_runtime/operation/gate_record.py",
    "agentrail_runtime/operation/install.py",
    "agentrail_runtime/operation/migration.py",
    "agentrail_runtime/operation/new_task.py",
    "agentrail_runtime/operation/pins.py",
    "agentrail_runtime/operation/place.py",
    "agentrail_runtime/operation/profile_upgrade.py",
    "agentrail_runtime/operation/recorded.py",
    "agentrail_runtime/operation/release.py",
    "agentrail_runtime/operation/release_gate.py",
    "agentrail_runtime/operation/release_notes.py",
    "agentrail_runtime/operation/resolve.py",
    "agentrail_runtime/operation/rollback.py",
    "agentrail_runtime/operation/standing.py",
    "agentrail_runtime/operation/status.py",
    "agentrail_runtime/operation/tasks.py",
    "agentrail_runtime/operation/uninstall.py",
    "agentrail_runtime/operation/verify.py",
    "agentrail_runtime/outcome.py",
    "agentrail_runtime/ownership/__init__.py",
    "agentrail_runtime/ownership/block.py",
    "agentrail_runtime/ownership/managed.py",
    "agentrail_runtime/ownership/profile.py",
    "agentrail_runtime/ownership/seed.py",
    "agentrail_runtime/payload/.agents/skills/agentrail-docs-update/SKILL.md",
    "agentrail_runtime/payload/.agents/skills/agentrail-investigation/SKILL.md",
    "agentrail_runtime/payload/.agents/skills/agentrail-next-task/SKILL.md",
    "agentrail_runtime/payload/.agents/skills/agentrail-plan/SKILL.md",
    "agentrail_runtime/payload/.agents/skills/agentrail-profile/SKILL.md",
    "agentrail_runtime/payload/.agents/skills/agentrail-questions/SKILL.md",
    "agentrail_runtime/payload/.agents/skills/agentrail-request/SKILL.md",
    "agentrail_runtime/payload/.agents/skills/agentrail-review/SKILL.md",
    "agentrail_runtime/payload/.agents/skills/agentrail-spec/SKILL.md",
    "agentrail_runtime/payload/.agents/skills/agentrail-test-requirements/SKILL.md",
    "agentrail_runtime/payload/.github/workflows/ci-framework.yml",
    "agentrail_runtime/payload/AGENTS.md",
    "agentrail_runtime/payload/CLAUDE.md",
    "agentrail_runtime/payload/MEMORY.md",
    "agentrail_runtime/payload/distribution.yaml",
    "agentrail_runtime/payload/docs/INDEX.md",
    "agentrail_runtime/payload/docs/README.md",
    "agentrail_runtime/payload/docs/operations/backlog-rules.md",
    "agentrail_runtime/payload/docs/operations/ci-failure-runbook.md",
    "agentrail_runtime/payload/docs/operations/commit-boundary.md",
    "agentrail_runtime/payload/docs/operations/high-priority-backlog.md",
    "agentrail_runtime/payload/docs/operations/runtime-distribution-export-guide.md",
    "agentrail_runtime/payload/docs/operations/runtime-framework-rules.md",
    "agentrail_runtime/payload/docs/operations/runtime-installation-runbook.md",
    "agentrail_runtime/payload/docs/operations/stage-terminology.md",
    "agentrail_runtime/payload/docs/operations/state-and-history-policy.md",
    "agentrail_runtime/payload/docs/templates/adr.md",
    "agentrail_runtime/payload/docs/templates/investigation.md",
    "agentrail_runtime/payload/docs/templates/plan.md",
    "agentrail_runtime/payload/docs/templates/request.md",
    "agentrail_runtime/payload/docs/templates/review.md",
    "agentrail_runtime/payload/docs/templates/spec.md",
    "agentrail_runtime/payload/docs/templates/state.json",
    "agentrail_runtime/payload/framework.runtime.manifest.yaml",
    "agentrail_runtime/payload/known-digests.json",
    "agentrail_runtime/payload/project.profile.yaml",
    "agentrail_runtime/payload/runtime.index.json",
    "agentrail_runtime/payload/tools/ci/resolve-task-id.ps1",
    "agentrail_runtime/payload/tools/consistency-check/check.ps1",
    "agentrail_runtime/payload/tools/docs-indexer/index.ps1",
    "agentrail_runtime/payload/tools/profile-validate/profile-schema.json",
    "agentrail_runtime/payload/tools/profile-validate/validate.ps1",
    "agentrail_runtime/payload/tools/runtime/export-runtime.ps1",
    "agentrail_runtime/payload/tools/runtime/install-runtime.ps1",
    "agentrail_runtime/payload/tools/state-validate/validate.ps1",
    "agentrail_runtime/pin.py",
    "agentrail_runtime/pin_file.py",
    "agentrail_runtime/plain_file.py",
    "agentrail_runtime/planner.py",
    "agentrail_runtime/poetry.py",
    "agentrail_runtime/policy_file.py",
    "agentrail_runtime/probe.py",
    "agentrail_runtime/profile.py",
    "agentrail_runtime/prover.py",
    "agentrail_runtime/py.typed",
    "agentrail_runtime/receipt.py",
    "agentrail_runtime/progress.py",
    "agentrail_runtime/recorder.py",
    "agentrail_runtime/release/__init__.py",
    "agentrail_runtime/release/authority.py",
    "agentrail_runtime/release/changelog.py",
    "agentrail_runtime/release/chart.py",
    "agentrail_runtime/release/cohort.py",
    "agentrail_runtime/release/companion.py",
    "agentrail_runtime/release/deny_list.py",
    "agentrail_runtime/release/deprecation.py",
    "agentrail_runtime/release/event.py",
    "agentrail_runtime/release/gate.py",
    "agentrail_runtime/release/hard_coded.py",
    "agentrail_runtime/release/matrix.py",
    "agentrail_runtime/release/metadata.py",
    "agentrail_runtime/release/notes.py",
    "agentrail_runtime/release/phase.py",
    "agentrail_runtime/release/phase_report.py",
    "agentrail_runtime/release/policy.py",
    "agentrail_runtime/release/profile_upgrade.py",
    "agentrail_runtime/release/reader.py",
    "agentrail_runtime/release/record.py",
    "agentrail_runtime/release/remote.py",
    "agentrail_runtime/release/runbook.py",
    "agentrail_runtime/release/schema_version.py",
    "agentrail_runtime/release/simple_index.py",
    "agentrail_runtime/release/switch.py",
    "agentrail_runtime/remote_index.py",
    "agentrail_runtime/replacement.py",
    "agentrail_runtime/report.py",
    "agentrail_runtime/route.py",
    "agentrail_runtime/session.py",
    "agentrail_runtime/shared_directory.py",
    "agentrail_runtime/signature.py",
    "agentrail_runtime/signer.py",
    "agentrail_runtime/signing.py",
    "agentrail_runtime/source.py",
    "agentrail_runtime/stash.py",
    "agentrail_runtime/stat_cache.py",
    "agentrail_runtime/static_channel.py",
    "agentrail_runtime/survey.py",
    "agentrail_runtime/table.py",
    "agentrail_runtime/target.py",
    "agentrail_runtime/transaction.py",
    "agentrail_runtime/tree.py",
    "agentrail_runtime/twine_channel.py",
    "agentrail_runtime/version.py",
    "agentrail_runtime/web.py",
]

METADATA_FILES = [
    "METADATA",
    "RECORD",
    "WHEEL",
    "entry_points.txt",
    "licenses/LICENSE",
    "top_level.txt",
]

PROJECT_FILES = [
    ".backend/archive.py",
    ".backend/reproducible.py",
    ".github/workflows/ci.yml",
    ".github/workflows/release.yml",
    ".pre-commit-hooks.yaml",
    "CHANGELOG.md",
    "LICENSE",
    "MANIFEST.in",
    "PKG-INFO",
    "README.md",
    "agentrail_runtime.egg-info/PKG-INFO",
    "agentrail_runtime.egg-info/SOURCES.txt",
    "agentrail_runtime.egg-info/dependency_links.txt",
    "agentrail_runtime.egg-info/entry_points.txt",
    "agentrail_runtime.egg-info/requires.txt",
    "agentrail_runtime.egg-info/top_level.txt",
    "docs/architecture.md",
    "docs/benchmarks.json",
    "docs/benchmarks.md",
    "docs/benchmarks.svg",
    "docs/checks.md",
    "docs/events.md",
    "docs/examples/ansible/ansible.cfg",
    "docs/examples/ansible/go-back.yml",
    "docs/examples/ansible/inventory.yml",
    "docs/examples/ansible/rollout.yml",
    "docs/examples/ansible/settings.yml",
    "docs/examples/ansible/tasks/differences.yml",
    "docs/examples/ansible/tasks/environment.yml",
    "docs/examples/ansible/tasks/events.yml",
    "docs/examples/github/agentrail-upgrade.yml",
    "docs/examples/renovate/agentrail-commands.json",
    "docs/examples/renovate/agentrail-pilot.json",
    "docs/examples/renovate/bot.json",
    "docs/examples/renovate/renovate.json",
    "docs/export.md",
    "docs/fleet.md",
    "docs/pinning.md",
    "docs/release.md",
    "pyproject.toml",
    "setup.cfg",
]

pytestmark = pytest.mark.slow


def test_the_wheel_holds_every_file_and_no_other(distributions: Distributions) -> None:
    metadata = [f"agentrail_runtime-{__version__}.dist-info/{name}" for name in METADATA_FILES]
    assert sorted(distributions.wheel_files()) == sorted([*PACKAGE_FILES, *metadata])


def test_the_source_distribution_holds_every_file_and_no_other(distributions: Distributions) -> None:
    found = {name for name in distributions.sdist_files() if not name.startswith("tests/")}
    assert sorted(found) == sorted([*PACKAGE_FILES, *PROJECT_FILES])


def test_the_source_distribution_can_be_tested(distributions: Distributions) -> None:
    found = {name for name in distributions.sdist_files() if name.startswith("tests/")}
    ours = [path for path in distributions.tree.glob("tests/**/*") if path.is_file()]
    names = {path.relative_to(distributions.tree).as_posix() for path in ours}
    assert found == names - {"tests/old.pyc"}


def test_the_bytes_in_the_wheel_are_those_of_the_tree(distributions: Distributions) -> None:
    files, tree = distributions.wheel_files(), distributions.tree
    assert [name for name in PACKAGE_FILES if files[name] != (tree / name).read_bytes()] == []


def test_an_install_from_the_source_distribution_is_that_of_the_wheel(
    distributions: Distributions, tmp_path: Path
) -> None:
    words = ("install", "-q", "--no-deps", "--no-compile", "--target", tmp_path, distributions.sdist)
    succeed(sys.executable, "-m", "pip", *words, cwd=tmp_path)
    below = tmp_path / "agentrail_runtime"
    found = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes()
        for path in below.rglob("*")
        if path.is_file()
    }
    files = distributions.wheel_files()
    assert found == {name: files[name] for name in PACKAGE_FILES}


def test_both_commands_are_there_under_their_names(distributions: Distributions) -> None:
    text = distributions.wheel_files()[f"agentrail_runtime-{__version__}.dist-info/entry_points.txt"]
    assert text.decode().split() == [
        "[console_scripts]",
        *("agentrail", "=", "agentrail_runtime.cli.start:agentrail"),
        *("agentrail-install", "=", "agentrail_runtime.cli.start:agentrail_install"),
    ]


def test_the_index_page_shows_the_readme_and_the_right_python(distributions: Distributions) -> None:
    data = distributions.wheel_files()[f"agentrail_runtime-{__version__}.dist-info/METADATA"]
    metadata = BytesParser().parsebytes(data)
    assert (metadata["Name"], metadata["Version"]) == ("agentrail-runtime", __version__)
    assert (metadata["Requires-Python"], metadata["License-Expression"]) == (">=3.10", "MIT")
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "# agentrail-runtime" in data.decode()
