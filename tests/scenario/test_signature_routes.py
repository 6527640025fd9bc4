"""Signed bundles: who made what is being installed, and what becomes of a forged signature."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from agentrail_runtime import prover, source
from agentrail_runtime.entry import INDEX_NAME, SIGNATURE_NAME
from agentrail_runtime.tree import DirectoryTree
from tests.scenario.story import BASE, NEXT, agentrail, guide, install, process, receipt
from tests.support import PAYLOAD, payload_bundle, snapshot, write

pytestmark = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="keys are made by a real ssh-keygen, which is not here"
)

SPEC = "docs/templates/spec.md"


class Key(NamedTuple):
    """A key of a publisher, and the file that allows it."""

    private: Path
    allowed: Path

    def sign(self, bundle: Path) -> Path:
        """Put a signature beside the index of `bundle`."""
        words = ["-Y", "sign", "-q", "-n", "agentrail-runtime", "-f", str(self.private)]
        keygen = subprocess.run(
            ["ssh-keygen", *words],
            input=(bundle / INDEX_NAME).read_bytes(),
            capture_output=True,
            check=True,
        )
        (bundle / SIGNATURE_NAME).write_bytes(keygen.stdout)
        return bundle


def make_key(root: Path, name: str) -> Key:
    path = root / name
    words = ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(["ssh-keygen", *words], check=True)
    public = path.with_suffix(".pub").read_text()
    allowed = root / f"{name}.allowed"
    allowed.write_text(f'{name}@example.org namespaces="agentrail-runtime" {public}')
    return Key(path, allowed)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Key]:
    """Two publishers' keys."""
    root = tmp_path_factory.mktemp("keys")
    return {name: make_key(root, name) for name in ("ours", "theirs")}


@pytest.fixture
def ours(keys: dict[str, Key]) -> Key:
    """The key of the publisher whom the user trusts."""
    return keys["ours"]


@pytest.fixture
def theirs(keys: dict[str, Key]) -> Key:
    """The key of somebody else."""
    return keys["theirs"]


@pytest.fixture
def signed(tmp_path: Path, ours: Key) -> Path:
    """A bundle with our signature."""
    return ours.sign(guide(tmp_path / "signed", BASE))


@pytest.fixture
def without_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither ``ssh-keygen`` nor the Python package ``sshsig``."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(__import__("sys").modules, "sshsig", None)


def test_an_exported_bundle_that_was_signed_is_valid_to_whom_the_user_trusts(
    repo: Path, tmp_path: Path, ours: Key
) -> None:
    bundle = tmp_path / "dist" / "runtime"
    assert agentrail("export", "--output", bundle, "--sign", ours.private, "-q").code == 0
    run = install(repo, "--json", "--allowed-signers", ours.allowed, bundle=bundle)
    assert (run.code, run.json["source"]["signature"]) == (0, "valid")
    assert (
        install(repo, "--require-signature", "--allowed-signers", ours.allowed, bundle=bundle).code == 0
    )


def test_an_unsigned_bundle_is_called_that(repo: Path, v1: Path, ours: Key) -> None:
    for words in ((), ("--allowed-signers", ours.allowed)):
        run = install(repo, "--json", "--dry-run", *words, bundle=v1)
        assert (run.code, run.json["source"]["signature"]) == (0, "absent")


def test_where_nobody_is_trusted_yet_a_genuine_signature_is_not_checked_and_installs(
    repo: Path, signed: Path
) -> None:
    run = install(repo, "--json", bundle=signed)
    assert (run.code, run.json["source"]["signature"]) == (0, "not-checked")


def test_a_genuine_signature_of_nobody_known_is_not_enough_where_one_is_required(
    repo: Path, signed: Path
) -> None:
    run = install(repo, "--require-signature", bundle=signed)
    assert run.code == 6
    assert "got genuine, but this version knows no signer" in run.err
    assert "hint: name who may sign with --allowed-signers FILE" in run.err


def test_a_signature_that_was_taken_away_is_missed_where_one_is_required(
    repo: Path, signed: Path, ours: Key
) -> None:
    (signed / SIGNATURE_NAME).unlink()
    before = snapshot(repo, with_state=True, with_times=True)
    run = install(repo, "--require-signature", "--allowed-signers", ours.allowed, bundle=signed)
    assert (run.code, "expected a valid signature, got none" in run.err) == (6, True)
    assert "hint: install a signed bundle, or leave out --require-signature" in run.err
    assert snapshot(repo, with_state=True, with_times=True) == before


def test_a_signature_by_another_than_whom_the_user_named_is_refused(
    repo: Path, signed: Path, theirs: Key
) -> None:
    run = install(repo, "--allowed-signers", theirs.allowed, bundle=signed)
    assert run.code == 6
    assert (
        f"{SIGNATURE_NAME}: genuine, but {theirs.allowed} has no entry for the key SHA256:" in run.err
    )
    assert f"hint: see who may sign: {theirs.allowed}" in run.err
    assert not (repo / ".agentrail").exists()


def test_every_altered_byte_of_a_signature_is_found_without_any_option(
    repo: Path, signed: Path
) -> None:
    before = snapshot(repo, with_state=True, with_times=True)
    path, data = signed / SIGNATURE_NAME, (signed / SIGNATURE_NAME).read_bytes()
    accepted = []
    for position in range(len(data)):
        altered = bytearray(data)
        altered[position] ^= 1 << position % 8
        path.write_bytes(altered)
        if install(repo, "-q", bundle=signed).code != 6:
            accepted.append(position)
    assert accepted == []
    assert snapshot(repo, with_state=True, with_times=True) == before


@pytest.mark.parametrize("data", [b"", b"signed", b"\xff\0", b"-----BEGIN SSH SIGNATURE-----\n"])
def test_what_is_no_signature_is_refused_without_any_option(
    repo: Path, signed: Path, data: bytes
) -> None:
    (signed / SIGNATURE_NAME).write_bytes(data)
    run = install(repo, "--json", bundle=signed)
    assert (run.code, run.json["error"]["paths"]) == (6, [SIGNATURE_NAME])


@pytest.mark.slow
def test_every_truncation_of_a_signature_is_found_without_any_option(repo: Path, signed: Path) -> None:
    path, data = signed / SIGNATURE_NAME, (signed / SIGNATURE_NAME).read_bytes()
    accepted = []
    for length in range(len(data)):
        path.write_bytes(data[:length])
        if install(repo, "-q", bundle=signed).code != 6:
            accepted.append(length)
    assert accepted == []


def test_the_signature_of_another_bundle_is_refused_without_any_option(
    repo: Path, tmp_path: Path, signed: Path, v2: Path
) -> None:
    shutil.copy(signed / SIGNATURE_NAME, v2 / SIGNATURE_NAME)
    assert install(repo, bundle=v2).code == 6


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"runtime_version": "1.0.0"', b'"runtime_version": "1.0.1"'),
        (b'"release_seq": 1', b'"release_seq": 2'),
        (b'"schema_version": "1.0"', b'"schema_version": "1.1"'),
        (b'"2.0.0"', b'"2.0.1"'),
        (b"{\n", b"{ "),
    ],
)
def test_what_an_unsigned_index_cannot_vouch_for_is_found_in_a_signed_one(
    repo: Path, signed: Path, old: bytes, new: bytes
) -> None:
    index = signed / INDEX_NAME
    index.write_bytes(index.read_bytes().replace(old, new, 1))
    run = install(repo, bundle=signed)
    assert (run.code, SIGNATURE_NAME in run.err) == (6, True)
    assert not (repo / ".agentrail").exists()


# --- the environment ---------------------------------------------------------------------------------


def test_the_environment_says_whom_to_trust_and_that_it_matters(
    repo: Path, v1: Path, signed: Path, ours: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTRAIL_REQUIRE_SIGNATURE", "1")
    assert install(repo, bundle=signed).code == 6
    monkeypatch.setenv("AGENTRAIL_ALLOWED_SIGNERS", str(ours.allowed))
    assert install(repo, bundle=v1).code == 6
    run = install(repo, "--json", bundle=signed)
    assert (run.code, run.json["source"]["signature"]) == (0, "valid")


@pytest.mark.parametrize("way", ["option", "environment"])
def test_a_revoked_key_signs_no_more(
    repo: Path, signed: Path, ours: Key, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    revoked = ours.private.with_suffix(".pub")
    words: tuple[str | Path, ...] = ("--allowed-signers", ours.allowed)
    if way == "option":
        words = (*words, "--revoked-keys", revoked)
    else:
        monkeypatch.setenv("AGENTRAIL_REVOKED_KEYS", str(revoked))
    run = install(repo, *words, bundle=signed)
    assert (run.code, "revoked" in run.err) == (6, True)
    assert not (repo / ".agentrail").exists()


@pytest.mark.parametrize("option", ["--allowed-signers", "--revoked-keys"])
def test_a_file_that_is_not_there_is_no_reason_to_trust(
    repo: Path, tmp_path: Path, signed: Path, option: str
) -> None:
    run = install(repo, option, tmp_path / "nowhere", bundle=signed)
    assert (run.code, f"{tmp_path / 'nowhere'}: cannot be read" in run.err) == (6, True)


# --- without a tool ----------------------------------------------------------------------------------


def test_without_a_tool_a_signature_is_not_checked_and_installs(
    repo: Path, signed: Path, ours: Key, without_tools: None
) -> None:
    run = install(repo, "--json", "--allowed-signers", ours.allowed, bundle=signed)
    assert (run.code, run.json["source"]["signature"]) == (0, "not-checked")


def test_without_a_tool_a_required_signature_is_refused_with_what_to_get(
    repo: Path, signed: Path, ours: Key, without_tools: None
) -> None:
    run = install(repo, "--require-signature", "--allowed-signers", ours.allowed, bundle=signed)
    assert run.code == 6
    assert "neither ssh-keygen nor the Python package sshsig is there" in run.err
    assert "pip install 'agentrail-runtime[signing]'" in run.err
    assert not (repo / ".agentrail").exists()


def test_without_ssh_keygen_the_python_package_checks_just_as_well(
    repo: Path, signed: Path, ours: Key, theirs: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prover, "ssh_keygen", lambda: None)
    monkeypatch.setenv("PATH", "")
    assert install(repo, "--allowed-signers", theirs.allowed, bundle=signed).code == 6
    run = install(repo, "--json", "--allowed-signers", ours.allowed, bundle=signed)
    assert (run.code, run.json["source"]["signature"]) == (0, "valid")


# --- the package -------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The payload of a package, to be signed or damaged."""
    root = tmp_path / "payload"
    shutil.copytree(PAYLOAD, root)
    monkeypatch.setattr(source, "package_tree", lambda: DirectoryTree(str(root)))
    return root


def test_the_signature_of_the_package_counts_as_that_of_a_bundle(
    repo: Path, package: Path, ours: Key
) -> None:
    ours.sign(package)
    words = ("--require-signature", "--allowed-signers", ours.allowed)
    run = install(repo, "--json", *words)
    assert (run.code, run.json["source"]["kind"], run.json["source"]["signature"]) == (
        0,
        "package",
        "valid",
    )


def test_a_package_whose_signature_is_damaged_gives_way_to_the_equal_bundle(
    repo: Path, package: Path, tmp_path: Path, ours: Key
) -> None:
    ours.sign(package)
    shutil.copytree(package, tmp_path / "copy")
    (package / SIGNATURE_NAME).write_bytes(b"damaged")
    run = install(repo, "--json", "--runtime-dir", tmp_path / "copy")
    assert (run.code, run.json["source"]["kind"]) == (0, "copy")
    assert SIGNATURE_NAME in run.json["source"]["fallback_reason"]


def test_a_damaged_package_gives_way_to_another_bundle_that_one_who_may_sign_signed(
    repo: Path, package: Path, tmp_path: Path, ours: Key
) -> None:
    write(package, {SPEC: "altered\n"})
    other = ours.sign(payload_bundle(tmp_path / "other", changed={SPEC: "newer\n"}))
    run = install(repo, "--json", "--allowed-signers", ours.allowed, "--runtime-dir", other)
    assert (run.code, run.json["runtime_version"]) == (0, "1.1.0")
    found = run.json["source"]
    assert (found["kind"], found["requested"], found["signature"]) == ("copy", "auto", "valid")
    assert f"{SPEC}: altered" in found["fallback_reason"]
    assert (repo / SPEC).read_bytes() == b"newer\n"
    assert receipt(repo)["source"]["kind"] == "copy"


@pytest.mark.parametrize("named", ["nobody", "another"])
def test_a_damaged_package_does_not_give_way_to_a_bundle_that_somebody_signed(
    repo: Path, package: Path, tmp_path: Path, ours: Key, theirs: Key, named: str
) -> None:
    write(package, {SPEC: "altered\n"})
    other = ours.sign(payload_bundle(tmp_path / "other", changed={SPEC: "newer\n"}))
    words = () if named == "nobody" else ("--allowed-signers", theirs.allowed)
    run = install(repo, *words, "--runtime-dir", other)
    assert (run.code, f"{SPEC}: altered" in run.err) == (6, True)
    assert not (repo / ".agentrail").exists()


def test_a_damaged_package_does_not_give_way_to_a_bundle_of_an_unknown_schema(
    repo: Path, package: Path, tmp_path: Path
) -> None:
    write(package, {SPEC: "altered\n"})
    write(tmp_path / "other", {INDEX_NAME: '{"schema_version": "2.0"}'})
    run = install(repo, "--runtime-dir", tmp_path / "other")
    assert run.code == 6
    assert f"{SPEC}: altered" in run.err
    assert "schema_version: expected 1.x, got 2.0" in run.err


# --- an older release --------------------------------------------------------------------------------


def test_a_valid_signature_brings_no_older_release_back(repo: Path, tmp_path: Path, ours: Key) -> None:
    newer = ours.sign(guide(tmp_path / "newer", NEXT, "1.0.0", release_seq=3))
    older = ours.sign(guide(tmp_path / "older", BASE, "1.0.0", release_seq=2))
    words = ("--require-signature", "--allowed-signers", ours.allowed)
    assert install(repo, *words, bundle=newer).code == 0
    before = snapshot(repo, with_state=True, with_times=True)
    run = install(repo, *words, bundle=older)
    assert (run.code, "expected at least 1.0.0, release 3; got 1.0.0, release 2" in run.err) == (
        5,
        True,
    )
    assert snapshot(repo, with_state=True, with_times=True) == before


def test_the_whole_way_by_the_command_line_of_a_process(tmp_path: Path, ours: Key) -> None:
    words = ("export", "--output", "dist/runtime", "--sign", ours.private, "--json")
    made = process(*words, cwd=tmp_path)
    assert (made.code, made.json["source"]["signature"]) == (0, "valid")
    env = {"AGENTRAIL_ALLOWED_SIGNERS": os.fspath(ours.allowed), "AGENTRAIL_SOURCE": "copy"}
    done = process("install", "--json", "--require-signature", "target", cwd=tmp_path, env=env)
    assert (done.code, done.json["source"]["signature"]) == (0, "valid")
