"""Somebody else's framework in a wheel of its own: from the repository to two equal installations."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from agentrail_runtime import __version__
from agentrail_runtime.entry import INDEX_NAME, MANIFEST_NAME
from tests.packaging.support import copy_tree, make_environment, run, succeed
from tests.support import Run, git, make_repo, snapshot, write

MANIFESTS = {
    "1.0.0": """\
schema_version: "1.0.0"
output_root: dist/runtime
include_paths:
  - .config
  - AGENTS.md
  - docs/templates
  - project.profile.yaml
  - tools
seed_files:
  - "seeds/memory.md => MEMORY.md"
exclude_paths: [tools/private]
exclude_globs: ["**/*.tmp"]
""",
    "1.1.0": """\
schema_version: "1.1.0"
output_root: dist/runtime
include_paths: [.config, AGENTS.md, docs, project.profile.yaml, tools]
seed_files: ["seeds/memory.md => MEMORY.md"]
block_files: [AGENTS.md]
profile_files: [project.profile.yaml]
exclude_paths: [tools/private]
""",
}
FILES = {
    ".config/.hidden/rules.json": "{}\n",
    "AGENTS.md": "<!-- agentrail:begin -->\n# Rules of Beacon\n<!-- agentrail:end -->\n",
    "docs/templates/spec.md": "# Spec\n",
    "docs/templates/計画.md": "# 計画\n",
    "project.profile.yaml": 'schema_version: "2.0.0"\nworkflow:\n  task_root: work\n',
    "seeds/memory.md": "# Memory\n",
    "tools/private/key": "secret\n",
    "tools/run.sh": "#!/bin/sh\nexit 0\n",
}
SHIPPED = {
    ".config/.hidden/rules.json",
    "AGENTS.md",
    "MEMORY.md",
    "docs/templates/spec.md",
    "docs/templates/計画.md",
    "project.profile.yaml",
    "tools/run.sh",
}


@pytest.fixture(params=["1.0.0", "1.1.0"])
def beacon(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A framework repository, with a manifest of either schema."""
    return make_beacon(tmp_path / "beacon", request.param)


def make_beacon(root: Path, schema: str) -> Path:
    make_repo(root, {**FILES, MANIFEST_NAME: MANIFESTS[schema]})
    (root / "tools/run.sh").chmod(0o755)
    git(root, "commit", "-q", "-a", "-m", "executable")
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of this project, as the maintainer of another framework has it."""
    return copy_tree(tmp_path / "runtime source")


def agentrail(tree: Path, *words: str | Path) -> Run:
    """Run the product from its source tree."""
    module = ("-m", "agentrail_runtime")
    return run(sys.executable, *module, *words, cwd=tree, env={"PYTHONPATH": str(tree)})


def done(found: Run) -> Run:
    assert found.code == 0, found.err
    return found


def digest(found: Run) -> str:
    return str(found.json["source"]["digest"])


def test_both_routes_carry_the_same_index(beacon: Path, tree: Path, tmp_path: Path) -> None:
    payload = tree / "agentrail_runtime/payload"
    made = done(agentrail(tree, "export", "--payload", "--root", beacon, "--json"))
    assert made.json["target"] == str(payload)
    copied = done(agentrail(tree, "export", "--root", beacon, "--json"))
    packaged = done(agentrail(tree, "export", "--output", tmp_path / "out", "--json"))
    assert digest(made) == digest(copied) == digest(packaged)
    trees = [snapshot(root) for root in (payload, beacon / "dist/runtime", tmp_path / "out")]
    assert trees[0] == trees[1] == trees[2]
    index = json.loads((payload / INDEX_NAME).read_bytes())
    assert {row["path"] for row in index["entries"]} == SHIPPED
    assert [row["path"] for row in index["entries"] if row["executable"]] == ["tools/run.sh"]
    assert not list(payload.parent.glob("payload.*"))
    assert agentrail(tree, "export", "--payload", "--check").code == 0


def test_a_new_file_that_does_not_ship_is_named_and_stays(beacon: Path, tree: Path) -> None:
    done(agentrail(tree, "export", "--payload", "--root", beacon))
    new = tree / "agentrail_runtime/payload/notes/new.md"
    write(new.parent, {"new.md": "new\n"})
    found = agentrail(tree, "export", "--payload")
    assert found.code == 1
    assert f"{new}: not selected by {MANIFEST_NAME}" in found.err
    assert new.read_text() == "new\n"


def test_the_files_of_every_release_are_known(beacon: Path, tree: Path) -> None:
    payload = tree / "agentrail_runtime/payload"

    def known() -> set[str]:
        return {*json.loads((payload / "known-digests.json").read_bytes())["files"]}

    words = ("export", "--payload", "--root", beacon, "--runtime-version")
    done(agentrail(tree, *words, __version__))
    assert known() == set()
    write(beacon, {"docs/templates/spec.md": "# Spec of the next release\n"})
    done(agentrail(tree, *words, __version__))
    assert known() == set()
    write(beacon, {"docs/templates/spec.md": "# Spec of the one after it\n"})
    done(agentrail(tree, *words, "7.0.0"))
    assert known() == {"docs/templates/spec.md"}
    assert done(agentrail(tree, *words, "7.0.0", "--json")).json["result"] == "unchanged"


@pytest.mark.slow
@pytest.mark.parametrize("schema", MANIFESTS)
def test_a_wheel_of_it_and_a_copy_of_it_make_equal_installations(
    tree: Path, wheelhouse: Path, tmp_path: Path, schema: str
) -> None:
    beacon = make_beacon(tmp_path / "beacon", schema)
    done(agentrail(tree, "export", "--payload", "--root", beacon))
    done(agentrail(tree, "export", "--root", beacon))
    words = ("--wheel", "--no-isolation", "--outdir", tmp_path / "dist", tree)
    succeed(sys.executable, "-m", "build", *words, cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    environment = make_environment(tmp_path / "environment")
    pip = ("-m", "pip", "install", "-q", "--no-index", "--find-links", wheelhouse)
    succeed(environment.bin / "python", *pip, wheel, cwd=tmp_path)

    found: dict[str, Path] = {}
    for route in ("package", "copy"):
        found[route] = make_repo(tmp_path / route, {"README.md": "mine\n"})
        options = ("--json", "--source", route, "--runtime-dir", beacon / "dist/runtime")
        installed = environment.run("agentrail-install", *options, found[route], cwd=tmp_path)
        assert installed.code == 0, installed.err
        assert installed.json["source"]["integrity"] == "verified"
        verified = environment.run("agentrail", "verify", found[route], cwd=tmp_path)
        assert verified.code == 0, verified.err
    receipts = [root / ".agentrail/receipt.json" for root in found.values()]
    texts = [path.read_text().replace('"kind": "copy"', '"kind": "package"') for path in receipts]
    assert texts[0] == texts[1]
    for path in receipts:
        path.unlink()
    one, other = (snapshot(root) for root in found.values())
    assert one == other
    assert {name for name, node in one.items() if node.kind == "file"} >= SHIPPED
    assert one["tools/run.sh"].mode & 0o111
    assert "tools/private/key" not in one
