"""The kit, as somebody uses it who has Python and no way to a package index."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from agentrail_runtime import __version__
from tests.packaging.support import Environment, run, succeed
from tests.scenario.story import SHIPPED
from tests.support import METADATA, Run, git, make_repo, snapshot, write

pytestmark = pytest.mark.slow

SPEC = "docs/templates/spec.md"
APPLICATION = "agentrail-install.pyz"
NOTICE = "note: the copy route works until "
NEXT = {"docs/templates/spec.md": "another\n"}


def python() -> str:
    """Return an interpreter that has no package of ours, nor of those we depend on, under ``-I``."""
    base = Path(sys.base_prefix)
    found = base / ("python.exe" if os.name == "nt" else f"bin/python3.{sys.version_info.minor}")
    if not found.exists():
        pytest.skip(f"{found}: no interpreter there to start anew from")
    return str(found)


class Kit:
    """A kit in a directory, and a Python that has nothing installed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runtime = root / "runtime"

    def run(self, *words: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Run:
        """Run its application."""
        # Without `site` there is not even what the base interpreter has in its site-packages.
        return run(python(), "-I", "-S", self.root / APPLICATION, *words, cwd=cwd, env=env)


@pytest.fixture(scope="session")
def made(installed: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kit that an installed wheel made; it is not to be changed."""
    root = tmp_path_factory.mktemp("made")
    succeed(installed.bin / "agentrail", "export", "--kit", "--output", "kit", cwd=root)
    return root / "kit"


@pytest.fixture
def kit(made: Path, tmp_path: Path) -> Kit:
    """A kit to be used and damaged, in a directory that quoting has to survive."""
    shutil.copytree(made, tmp_path / "配布 キット")
    return Kit(tmp_path / "配布 キット")


def test_a_python_with_nothing_installed_does_not_have_the_package(tmp_path: Path) -> None:
    for name in ("agentrail_runtime", "click", "yaml", "packaging"):
        assert run(python(), "-I", "-S", "-c", f"import {name}", cwd=tmp_path).code == 1


def test_a_python_alone_does_the_whole_job(kit: Kit, repo: Path) -> None:
    place, before = repo.parent, snapshot(repo)

    planned = kit.run("repo", "--dry-run", "--json", cwd=place)
    assert (planned.code, planned.json["result"]) == (0, "planned")
    assert snapshot(repo, with_state=True) == before

    first = kit.run("repo", "--json", cwd=place)
    assert (first.code, first.json["result"]) == (0, "applied")
    assert first.err.startswith(NOTICE)
    assert first.err.count("\n") == 1
    assert first.json["actions"] == planned.json["actions"]
    assert first.json["source"]["location"] == str(kit.runtime)
    assert set(git(repo, "diff", "--name-only").split()) == {"AGENTS.md", "CLAUDE.md"}
    after = snapshot(repo, with_state=True, with_times=True)

    second = kit.run("repo", "--json", cwd=place)
    assert (second.code, second.json["result"], second.json["changed"]) == (0, "unchanged", False)
    assert snapshot(repo, with_state=True, with_times=True) == after

    for words in (["verify"], ["status", "--exit-code"], ["diff"], ["check"], ["tasks"]):
        assert kit.run(*words, "repo", cwd=place).code == 0, words

    assert kit.run("rollback", "repo", cwd=place).code == 0
    assert snapshot(repo) == before
    assert kit.run("install", "repo", cwd=place).code == 0
    assert kit.run("uninstall", "repo", cwd=place).code == 0
    assert snapshot(repo, with_state=True) == before


def test_it_installs_what_the_package_installs(
    kit: Kit, installed: Environment, tmp_path: Path
) -> None:
    ours, theirs = make_repo(tmp_path / "ours"), make_repo(tmp_path / "theirs")
    assert kit.run(ours, cwd=tmp_path).code == 0
    assert installed.run("agentrail-install", theirs, cwd=tmp_path).code == 0
    trees = [snapshot(root) for root in (ours, theirs)]
    receipts = [tree.pop(".agentrail/receipt.json").content for tree in trees]
    assert trees[0] == trees[1]
    assert receipts[0] == receipts[1].replace(b'"kind": "package"', b'"kind": "copy"')
    assert installed.run("agentrail", "verify", ours, cwd=tmp_path).code == 0


def test_it_is_read_only_and_stays_as_it_is(kit: Kit, repo: Path, tmp_path: Path) -> None:
    for path in [kit.root, *kit.root.rglob("*")]:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
    before = snapshot(kit.root, with_times=True)
    assert kit.run(repo, cwd=tmp_path).code == 0
    assert kit.run("verify", repo, cwd=tmp_path).code == 0
    assert snapshot(kit.root, with_times=True) == before


@pytest.mark.parametrize(
    "env",
    [
        {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PATH": ""},
        {"HOME": "/nonexistent"},
    ],
    ids=["ASCII", "no other program", "no home"],
)
def test_it_installs_and_verifies_in_a_poor_environment(
    kit: Kit, repo: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    words = ("-S", "-s", "-P") if sys.version_info >= (3, 11) else ("-S", "-s")
    for command in (["install"], ["verify"]):
        done = run(python(), *words, kit.root / APPLICATION, *command, repo, cwd=tmp_path, env=env)
        assert done.code == 0, command
        assert not done.err or (command == ["install"] and done.err.startswith(NOTICE)), command


@pytest.mark.skipif(os.name != "posix", reason="a file is run by its first line on POSIX alone")
def test_it_can_be_run_by_its_name(kit: Kit, repo: Path, tmp_path: Path) -> None:
    env = {"PATH": f"{Path(python()).parent}{os.pathsep}{os.environ['PATH']}"}
    assert run(kit.root / APPLICATION, repo, cwd=tmp_path, env=env).code == 0


# --- what is in it -----------------------------------------------------------------------------------


def test_it_holds_a_bundle_an_application_sums_and_a_readme(made: Path) -> None:
    assert {path.name for path in made.iterdir()} == {
        "README.md",
        "SHA256SUMS",
        APPLICATION,
        "runtime",
    }
    own = {*METADATA, "runtime.index.json"}
    assert {
        path.relative_to(made / "runtime").as_posix()
        for path in (made / "runtime").rglob("*")
        if path.is_file()
    } == {*SHIPPED, *own}


def test_the_application_carries_no_file_that_another_machine_could_not_use(made: Path) -> None:
    with zipfile.ZipFile(made / APPLICATION) as archive:
        names = archive.namelist()
    assert [name for name in names if name.endswith((".so", ".pyd", ".pyc", ".pth"))] == []
    assert {"click", "yaml", "packaging"} <= {name.partition("/")[0] for name in names}
    assert {"agentrail_runtime/payload/AGENTS.md", "agentrail_runtime/cli/kit.py"} <= set(names)
    licences = [name for name in names if re.search(r"\.dist-info/.*LICEN[CS]E", name)]
    assert len(licences) >= 3


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum here")
def test_the_sums_are_those_that_sha256sum_checks(kit: Kit, tmp_path: Path) -> None:
    words = ("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
    assert run(*words, cwd=kit.root) == (0, "", "")
    listed = {line[66:] for line in (kit.root / "SHA256SUMS").read_text().splitlines()}
    files = {path.relative_to(kit.root).as_posix() for path in kit.root.rglob("*") if path.is_file()}
    assert files == {*listed, "SHA256SUMS"}
    write(kit.runtime, {SPEC: "altered\n"})
    done = run(*words, cwd=kit.root)
    assert (done.code, f"runtime/{SPEC}: FAILED" in done.out) == (1, True)


def test_two_kits_have_equal_bytes_and_modes(
    made: Path, installed: Environment, tmp_path: Path
) -> None:
    env = {"TZ": "Asia/Tokyo", "LANG": "C", "SOURCE_DATE_EPOCH": "1700000000"}
    words = (installed.bin / "agentrail", "export", "--kit", "--output", tmp_path / "again")
    succeed(*words, cwd=tmp_path, env=env, umask=0o077)
    assert snapshot(tmp_path / "again") == snapshot(made)
    assert run(*words, "--check", cwd=tmp_path).code == 0


def test_every_command_of_the_readme_runs(kit: Kit, repo: Path) -> None:
    lines = [line for line in (kit.root / "README.md").read_text().splitlines() if line]
    assert len(lines) <= 10
    assert lines[0] == f"# AgentRail {__version__}, for machines without a package index"
    typed = re.findall(r"`((?:python|sha256sum) [^`]+)`", "\n".join(lines))
    assert len(typed) >= 5
    for command in typed:
        if command.startswith("sha256sum"):
            continue  # the test of the sums runs it
        assert kit.run(repo, cwd=kit.root).code == 0  # the command before it may have taken it out
        words = command.replace("path/to/repo", str(repo)).replace("COMMAND", "verify").split()
        done = run(python(), "-I", "-S", *words[1:], cwd=kit.root)
        assert done.code == 0, command


# --- what is not as it was made ---------------------------------------------------------------------


def refused(kit: Kit, target: Path, said: str, *words: str | Path) -> Run:
    """Make sure that nothing is installed, with a reason; return how the run ended."""
    before = snapshot(target, with_state=True, with_times=True)
    done = kit.run(*words, target, cwd=target.parent)
    assert (done.code, said in done.err) == (6, True), done.err
    assert snapshot(target, with_state=True, with_times=True) == before
    return done


def test_an_altered_file_is_found_before_anything_is_written(kit: Kit, repo: Path) -> None:
    write(kit.runtime, {SPEC: "altered\n"})
    refused(kit, repo, f"{SPEC}: altered")


def test_another_intact_bundle_in_its_place_is_refused(
    kit: Kit, repo: Path, installed: Environment, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(kit.runtime, other)
    write(other, NEXT)
    words = ("export", "--root", other, "--output", tmp_path / "new", "--runtime-version", "9.9")
    succeed(installed.bin / "agentrail", *words, cwd=tmp_path)
    shutil.rmtree(kit.runtime)
    shutil.copytree(tmp_path / "new", kit.runtime)
    refused(kit, repo, "runtime.index.json: not the one that this kit was made with")
    named = kit.run("--runtime-dir", kit.runtime, "--json", "--dry-run", repo, cwd=tmp_path)
    assert named.code == 6
    done = kit.run("--runtime-dir", tmp_path / "new", "--json", repo, cwd=tmp_path)
    assert (done.code, done.json["runtime_version"]) == (0, "9.9")


def test_a_bundle_without_its_index_is_not_taken_for_one_of_an_older_export(
    kit: Kit, repo: Path
) -> None:
    (kit.runtime / "runtime.index.json").unlink()
    refused(kit, repo, "runtime.index.json: No such file or directory")


def test_without_its_bundle_it_installs_nothing_but_verifies_and_rolls_back(
    kit: Kit, repo: Path, tmp_path: Path
) -> None:
    before = snapshot(repo)
    assert kit.run(repo, cwd=tmp_path).code == 0
    shutil.rmtree(kit.runtime)
    refused(kit, repo, str(kit.runtime))
    assert kit.run("verify", repo, cwd=tmp_path).code == 0
    assert kit.run("rollback", repo, cwd=tmp_path).code == 0
    assert snapshot(repo) == before


def test_options_and_environment_name_another_source(kit: Kit, repo: Path, tmp_path: Path) -> None:
    shutil.copytree(kit.runtime, tmp_path / "moved")
    shutil.rmtree(kit.runtime)

    def location(*words: str | Path, **env: str) -> str:
        isolated = ("-S", "-s", kit.root / APPLICATION, "--dry-run", "--json")
        done = run(python(), *isolated, *words, repo, cwd=tmp_path, env=env)
        assert done.code == 0, done.err
        return str(done.json["source"]["location"])

    moved = tmp_path / "moved"
    assert location("--runtime-dir", moved) == str(moved)
    assert location(AGENTRAIL_RUNTIME_DIR=str(moved)) == str(moved)
    assert location("--source", "package") == "agentrail_runtime/payload"
    assert location(AGENTRAIL_SOURCE="package") == "agentrail_runtime/payload"


def test_no_message_names_a_command_that_is_not_there(kit: Kit, repo: Path, tmp_path: Path) -> None:
    def told(*words: str | Path) -> str:
        done = kit.run(*words, repo, cwd=tmp_path)
        return done.out + done.err

    name = f"python '{kit.root}/{APPLICATION}'"
    texts = [told("verify"), told("rollback"), told("--dry-run"), told()]
    write(repo, {SPEC: "mine\n"})
    texts += [told("verify"), told("status"), told("--force"), told("rollback", "--list")]
    write(repo, {"docs/new.md": "# New\n", SPEC: "mine\n"})
    texts += [told("check"), told("--task-root", "/"), told("rollback"), told("uninstall")]
    assert [text for text in texts if re.search(r"(?<![\w/.-])agentrail(-install)? [a-z-]", text)] == []
    assert sum(name in text for text in texts) >= 5


# --- signed ------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen here")
def test_a_signed_kit_is_verified_by_ssh_keygen(
    installed: Environment, repo: Path, tmp_path: Path
) -> None:
    key, signers, root = tmp_path / "key", tmp_path / "signers", tmp_path / "kit"
    succeed("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key, cwd=tmp_path)
    signers.write_text(f"me {key.with_suffix('.pub').read_text()}")
    making = ("export", "--kit", "--output", root, "--sign", key)
    succeed(installed.bin / "agentrail", *making, cwd=tmp_path)
    for name in ("SHA256SUMS", "runtime/runtime.index.json"):
        data = (root / name).read_bytes()
        assert is_signed(data, root / f"{name}.sig", signers)
        assert not is_signed(data + b"\n", root / f"{name}.sig", signers)
    words = ("--require-signature", "--allowed-signers", signers, "--json")
    done = Kit(root).run(*words, repo, cwd=tmp_path)
    assert (done.code, done.json["source"]["signature"]) == (0, "valid")


def is_signed(data: bytes, signature: Path, signers: Path) -> bool:
    """Tell whether ssh-keygen takes `signature` for one of `data` by the one in `signers`."""
    words = ["-Y", "verify", "-f", str(signers), "-I", "me", "-n", "agentrail-runtime"]
    done = subprocess.run(
        ["ssh-keygen", *words, "-s", str(signature)], input=data, capture_output=True, check=False
    )
    return done.returncode == 0


# --- other interpreters ------------------------------------------------------------------------------


@pytest.mark.parametrize("minor", [10, 11, 12, 13, 14])
def test_it_runs_on_every_python_that_is_promised(
    kit: Kit, repo: Path, tmp_path: Path, minor: int
) -> None:
    found = interpreter(f"python3.{minor}", tmp_path)
    for words in ((), ("verify",), ("check",)):
        done = run(found, "-I", "-S", kit.root / APPLICATION, *words, repo, cwd=tmp_path)
        assert done.code == 0, done.err


@pytest.mark.parametrize("name", ["python2", "python3.7", "python3.8", "python3.9"])
def test_an_older_python_gets_one_sentence(kit: Kit, repo: Path, tmp_path: Path, name: str) -> None:
    found = interpreter(name, tmp_path)
    done = run(found, kit.root / APPLICATION, repo, cwd=tmp_path)
    assert done.code == 1
    assert re.fullmatch(
        r"agentrail-install: needs Python 3\.10 or newer \(this is \d\.\d\)\n", done.err
    )


def interpreter(name: str, place: Path) -> str:
    """Return where an interpreter is; skip the test if it is nowhere, or does not start."""
    found = shutil.which(name)
    if found is None or run(found, "-c", "0", cwd=place).code:
        pytest.skip(f"there is no {name} here")
    return found
