"""What a manifest of schema 1.0.0 selects: exactly this set, written down name by name."""

from __future__ import annotations

from pathlib import Path

from agentrail_runtime.entry import INDEX_NAME, MANIFEST_NAME, load_index
from agentrail_runtime.known import KNOWN_NAME
from tests.support import agentrail, write

MANIFEST = """\
# A comment, and keys in another order
output_root: "dist/runtime"
schema_version: "1.0.0"
exclude_globs:
  - "**/*.tmp"
  - "**/.DS_Store"
  - "**/__pycache__/**"
  - "docs/deep/z?.bak"
  - "tools/*/tests/**"
exclude_paths:
  - docs/Operations/DRAFTS
  - .github/workflows/private/
  - .github/workflows/release.yml
  - tools/secret.key
include_paths:
  - .agents
  - .editorconfig
  - .github/
  - AGENTS.md
  - CLAUDE.md
  - docs
  - docs/deep
  - project.profile.yaml
  - tools
seed_files:
  - "seeds/old-memory.md => MEMORY.md"
  - "seeds/memory.md => MEMORY.md"
  - seeds/index.md => docs/INDEX.md
  - seeds/readme.md=>docs/README.md
  - "seeds/backlog.md   =>   docs/operations/high-priority-backlog.md"
  - "seeds/unused.md => docs/operations/drafts/unused.md"
"""

SHIPS = """\
.agents/skills/docs-update/.assets/icon.svg
.agents/skills/docs-update/SKILL.md
.agents/skills/investigation/.assets/icon.svg
.agents/skills/investigation/SKILL.md
.agents/skills/next-task/.assets/icon.svg
.agents/skills/next-task/SKILL.md
.agents/skills/plan/.assets/icon.svg
.agents/skills/plan/SKILL.md
.agents/skills/profile/.assets/icon.svg
.agents/skills/profile/SKILL.md
.agents/skills/questions/SKILL.md
.agents/skills/request/SKILL.md
.agents/skills/review/SKILL.md
.agents/skills/spec/SKILL.md
.agents/skills/test-requirements/SKILL.md
.editorconfig
.github/ISSUE_TEMPLATE/.config/types.yml
.github/ISSUE_TEMPLATE/bug.md
.github/workflows/ci-framework.yml
AGENTS.md
CLAUDE.md
MEMORY.md
docs/INDEX.md
docs/README.md
docs/deep/a/d/.keep
docs/deep/a/d/ad.md
docs/deep/a/d/note1.txt
docs/deep/a/e/ae.md
docs/deep/a/f/af.md
docs/deep/a/g/ag.md
docs/deep/a/h/ah.md
docs/deep/b/d/bd.md
docs/deep/b/e/be.md
docs/deep/b/f/bf.md
docs/deep/b/g/bg.md
docs/deep/b/h/bh.md
docs/deep/c/d/cd.md
docs/deep/c/e/ce.md
docs/deep/c/f/cf.md
docs/deep/c/g/cg.md
docs/deep/c/h/ch.md
docs/deep/sub/z1.bak
docs/deep/x.tmp.md
docs/deep/z10.bak
docs/operations/drafts2/kept.md
docs/operations/high-priority-backlog.md
docs/operations/policy-01.md
docs/operations/policy-02.md
docs/operations/policy-03.md
docs/operations/policy-04.md
docs/operations/policy-05.md
docs/operations/policy-06.md
docs/operations/policy-07.md
docs/operations/policy-08.md
docs/operations/policy-09.md
docs/operations/policy-10.md
docs/operations/runbook-01.md
docs/operations/runbook-02.md
docs/operations/runbook-03.md
docs/operations/runbook-04.md
docs/operations/runbook-05.md
docs/operations/runbook-06.md
docs/operations/runbook-07.md
docs/operations/runbook-08.md
docs/operations/runbook-09.md
docs/operations/runbook-10.md
docs/operations/runbook-11.md
docs/operations/runbook-12.md
docs/operations/runbook-13.md
docs/operations/runbook-14.md
docs/operations/runbook-15.md
docs/operations/runbook-16.md
docs/operations/runbook-17.md
docs/operations/runbook-18.md
docs/operations/runbook-19.md
docs/operations/runbook-20.md
docs/templates/adr.md
docs/templates/investigation.md
docs/templates/plan.md
docs/templates/request.md
docs/templates/review.md
docs/templates/spec.md
docs/templates/state.json
docs/日本語/.目次.md
docs/日本語/手順 書.md
project.profile.yaml
tools/ci/lib/.rc
tools/ci/lib/common.ps1
tools/ci/run.ps1
tools/ci/run.sh
tools/consistency-check/lib/common.ps1
tools/consistency-check/run.ps1
tools/consistency-check/run.sh
tools/docs-indexer/lib/common.ps1
tools/docs-indexer/run.ps1
tools/docs-indexer/run.sh
tools/profile-validate/lib/common.ps1
tools/profile-validate/run.ps1
tools/profile-validate/run.sh
tools/runtime/lib/common.ps1
tools/runtime/run.ps1
tools/runtime/run.sh
tools/state-validate/lib/common.ps1
tools/state-validate/run.ps1
tools/state-validate/run.sh
tools/tests.md
""".splitlines()

STAYS = """\
.agents/.DS_Store
.agents/skills/questions/__pycache__/helper.pyc
.agents/skills/request/__pycache__/helper.pyc
.agents/skills/review/__pycache__/helper.pyc
.github/workflows/Private/deploy.yml
.github/workflows/release.yml
LICENSE
README.md
Tools2/other.sh
docs/.DS_Store
docs/deep/a/d/y.TMP
docs/deep/a/note1.txt.tmp
docs/deep/z1.bak
docs/operations/drafts/draft-1.md
docs/operations/drafts/draft-2.md
docs/operations/drafts/draft-3.md
docs/operations/drafts/draft-4.md
docs/operations/drafts/draft-5.md
docs/x.tmp
seeds/backlog.md
seeds/index.md
seeds/memory.md
seeds/old-memory.md
seeds/readme.md
seeds/unused.md
tools/ci/tests/run.tests.ps1
tools/consistency-check/tests/run.tests.ps1
tools/docs-indexer/tests/run.tests.ps1
tools/profile-validate/tests/run.tests.ps1
tools/runtime/tests/run.tests.ps1
tools/secret.key
tools/state-validate/tests/run.tests.ps1
""".splitlines()

SEEDS = {
    "MEMORY.md": "seeds/memory.md",
    "docs/INDEX.md": "seeds/index.md",
    "docs/README.md": "seeds/readme.md",
    "docs/operations/high-priority-backlog.md": "seeds/backlog.md",
}


def test_exactly_106_files_ship(tmp_path: Path) -> None:
    repository = {name: f"this is {name}\n" for name in (*SHIPS, *STAYS) if name != "MEMORY.md"}
    repository["project.profile.yaml"] = 'schema_version: "2.0.0"\n'
    write(tmp_path, {**repository, MANIFEST_NAME: MANIFEST})
    run = agentrail("export", "--root", tmp_path)
    assert run.code == 0, run.err
    out = tmp_path / "dist/runtime"
    beside = {INDEX_NAME, KNOWN_NAME, MANIFEST_NAME}
    made = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} - beside
    assert sorted(made) == sorted(SHIPS)
    assert len(made) == 106
    entries = load_index((out / INDEX_NAME).read_bytes()).entries
    assert [entry.path for entry in entries] == sorted(SHIPS)
    assert {entry.path: entry.ownership for entry in entries if entry.ownership != "managed"} == {
        **dict.fromkeys(SEEDS, "seed"),
        "project.profile.yaml": "profile",
    }
    assert {name: (out / name).read_text() for name in SEEDS} == {
        name: f"this is {source}\n" for name, source in SEEDS.items()
    }
