"""Signatures that real ssh-keygen makes, judged by it and by the package sshsig alike."""

from __future__ import annotations

import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from agentrail_runtime import prover, signing
from agentrail_runtime.errors import SourceError
from agentrail_runtime.signature import load_signature
from agentrail_runtime.signer import load_signers
from agentrail_runtime.signing import SignatureError, SigningError, Trust, Verdict, check, sign

DATA = b'{"runtime_version": "1.0.0"}\n'
PACKAGE = Path(signing.__file__).parent
SSH_KEYGEN = shutil.which("ssh-keygen")
pytestmark = pytest.mark.skipif(SSH_KEYGEN is None, reason="there is no ssh-keygen on this machine")
needs_scripts = pytest.mark.skipif(os.name == "nt", reason="stands in for ssh-keygen by a shell script")


class Key(NamedTuple):
    """A pair of keys: the private file, the public key as one line holds it, a signature of `DATA`."""

    path: Path
    line: str
    signature: bytes


def ssh_keygen(*words: str | Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the real ssh-keygen."""
    assert SSH_KEYGEN is not None
    return subprocess.run(
        [SSH_KEYGEN, *map(str, words)], input=data, capture_output=True, check=False, timeout=60
    )


def signed(key: Path, data: bytes = DATA, namespace: str = "agentrail-runtime") -> bytes:
    """Return what real ssh-keygen signs."""
    done = ssh_keygen("-Y", "sign", "-n", namespace, "-f", key, data=data)
    assert done.returncode == 0, done.stderr
    return done.stdout


def made(directory: Path, name: str, *options: str) -> Key:
    """Return a new key without a passphrase."""
    path = directory / name
    ssh_keygen("-q", "-N", "", "-C", name, "-f", path, *options)
    kind, key, _ = path.with_suffix(".pub").read_text().split()
    return Key(path, f"{kind} {key}", signed(path))


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Key]:
    """Keys of every common type, an authority, and a key that it certified to release@example.org."""
    directory = tmp_path_factory.mktemp("keys")
    found = {
        "ed25519": made(directory, "ed25519", "-t", "ed25519"),
        "ecdsa": made(directory, "ecdsa", "-t", "ecdsa"),
        "rsa": made(directory, "rsa", "-t", "rsa", "-b", "2048"),
        "authority": made(directory, "authority", "-t", "ed25519"),
        "other": made(directory, "other", "-t", "ed25519"),
    }
    certified = made(directory, "certified", "-t", "ed25519")
    for name, days in (("certificate", "+52w"), ("expired", "20200101:20200201")):
        ssh_keygen(
            *("-q", "-s", found["authority"].path, "-I", "id", "-n", "release@example.org,x"),
            *("-V", days, certified.path.with_suffix(".pub")),
        )
        path = directory / "certified-cert.pub"
        kind, key, _ = path.read_text().split()
        found[name] = Key(certified.path, f"{kind} {key}", signed(path))
        path.unlink()
    return found


@pytest.fixture
def no_ssh_keygen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take ssh-keygen from PATH."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


@pytest.fixture
def no_sshsig(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the package sshsig away."""
    monkeypatch.setitem(sys.modules, "sshsig", None)


@pytest.fixture(params=["ssh-keygen", "sshsig"])
def tool(request: pytest.FixtureRequest) -> str:
    """Run a test with ssh-keygen alone, and again with the package sshsig alone."""
    request.getfixturevalue("no_sshsig" if request.param == "ssh-keygen" else "no_ssh_keygen")
    return str(request.param)


def stand_in(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put another ssh-keygen on PATH, and nothing else."""
    program = directory / "ssh-keygen"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))


def trusting(directory: Path, *lines: str, revoked: str | bytes | None = None) -> Trust:
    """Return trust in a file of these lines."""
    signers = directory / "signers"
    signers.write_text("".join(f"{line}\n" for line in lines))
    if revoked is None:
        return Trust(str(signers))
    path = directory / "revoked"
    path.write_bytes(revoked if isinstance(revoked, bytes) else revoked.encode())
    return Trust(str(signers), str(path))


# --- whose signature it is --------------------------------------------------------------------------

TABLE = [
    ("me {ed25519}", "me"),
    ("# a comment\n\nme {ed25519} with a comment\n", "me"),
    ("other {other}\nme {ed25519}", "me"),
    ('me namespaces="agentrail-runtime" {ed25519}', "me"),
    ('me namespaces="git,agentrail-*" {ed25519}', "me"),
    ('me NameSpaces="*" {ed25519}', "me"),
    ('me namespaces="git" {ed25519}', None),
    ('me namespaces="*,!agentrail-runtime" {ed25519}', None),
    ('me namespaces="" {ed25519}', None),
    ('me namespaces="git" {ed25519}\nalso-me {ed25519}', "also-me"),
    ("me {other}", None),
    ("me cert-authority {ed25519}", None),
    ("me,you@example.org {ed25519}", "me"),
    ("*@example.org {ed25519}", "*@example.org"),
    ('"me and you" {ed25519}', "me and you"),
    ("!me {ed25519}", None),
    ("!*,me {ed25519}", None),
    ("me,!me,you {ed25519}", "you"),
    ('me valid-after="20200101" {ed25519}', "me"),
    ('me valid-before="29990101Z" {ed25519}', "me"),
    ('me valid-after="20200101Z",valid-before="299901010000Z" {ed25519}', "me"),
    ('me valid-before="20200101" {ed25519}\nlater valid-after="20200101Z" {ed25519}', "later"),
    ('me valid-before="20200101",namespaces="git" {ed25519}', None),
    ('me valid-before="20200101" {other}', None),
]


def filled(text: str, keys: dict[str, Key]) -> str:
    """Return a line with the keys that it names."""
    return text.format_map({name: key.line for name, key in keys.items()})


@pytest.mark.parametrize(("text", "name"), TABLE)
@pytest.mark.usefixtures("tool")
def test_an_entry_allows_what_it_says_and_no_more(
    keys: dict[str, Key], tmp_path: Path, text: str, name: str | None
) -> None:
    verdict = check(DATA, keys["ed25519"].signature, trusting(tmp_path, filled(text, keys)))
    assert (verdict.status, verdict.signer) == ("valid" if name else "unknown-signer", name)
    assert "SHA256:" in verdict.reason


def ssh_keygen_allows(directory: Path, text: str, signature: bytes, name: str) -> bool:
    """Ask real ssh-keygen, with the whole file, whether `name` signed."""
    (directory / "signers").write_text(text + "\n")
    (directory / "sig").write_bytes(signature)
    files = ("-f", directory / "signers", "-s", directory / "sig")
    words = ("-Y", "verify", "-n", "agentrail-runtime", "-I", name)
    return ssh_keygen(*words, *files, data=DATA).returncode == 0


@pytest.mark.parametrize(("text", "name"), TABLE)
def test_an_entry_means_to_ssh_keygen_itself_what_it_means_here(
    keys: dict[str, Key], tmp_path: Path, text: str, name: str | None
) -> None:
    text, signature = filled(text, keys), keys["ed25519"].signature
    names = {name, "me"} if name else {"me", "you", "other", "also-me", "me and you"}
    allowed = {n for n in names if n and ssh_keygen_allows(tmp_path, text, signature, n)}
    assert (name in allowed) if name else not allowed


@pytest.mark.parametrize(
    ("window", "shown"),
    [
        ('valid-before="20200101Z"', "me valid-before 20200101Z"),
        ('valid-after="29990101Z"', "me valid-after 29990101Z"),
        (
            'valid-after="20190101",valid-before="20200101"',
            "valid-after 20190101, valid-before 20200101",
        ),
    ],
)
def test_a_key_outside_its_time_is_refused(
    keys: dict[str, Key], tmp_path: Path, tool: str, window: str, shown: str
) -> None:
    text = filled(f"me {window} {{ed25519}}", keys)
    assert not ssh_keygen_allows(tmp_path, text, keys["ed25519"].signature, "me")
    with pytest.raises(SignatureError, match=rf"outside its time of validity \(.*{shown}\)") as caught:
        check(DATA, keys["ed25519"].signature, trusting(tmp_path, text))
    assert isinstance(caught.value, SourceError)
    assert caught.value.code == 6


@pytest.mark.parametrize("name", ["ed25519", "rsa"])
def test_both_tools_know_the_key(keys: dict[str, Key], tmp_path: Path, tool: str, name: str) -> None:
    key = keys[name]
    assert check(DATA, key.signature, trusting(tmp_path, f"me {key.line}")).status == "valid"


def test_ssh_keygen_knows_other_types_of_keys(keys: dict[str, Key], tmp_path: Path) -> None:
    trust = trusting(tmp_path, f"me {keys['ecdsa'].line}")
    assert check(DATA, keys["ecdsa"].signature, trust)[:2] == ("valid", "me")


@pytest.mark.parametrize("name", ["ecdsa", "certificate"])
@pytest.mark.usefixtures("no_ssh_keygen")
def test_what_the_package_cannot_judge_is_refused(
    keys: dict[str, Key], tmp_path: Path, name: str
) -> None:
    lines = [f"me {keys['ecdsa'].line}", f"* cert-authority {keys['authority'].line}"]
    with pytest.raises(SignatureError, match="cannot be checked without ssh-keygen") as caught:
        check(DATA, keys[name].signature, trusting(tmp_path, *lines))
    assert "OpenSSH" in str(caught.value.hint)


def test_a_key_counts_that_an_allowed_authority_certified(keys: dict[str, Key], tmp_path: Path) -> None:
    line = f"*@example.org cert-authority {keys['authority'].line}"
    verdict = check(DATA, keys["certificate"].signature, trusting(tmp_path, line))
    assert verdict[:2] == ("valid", "release@example.org")


@pytest.mark.parametrize(
    ("name", "principals"), [("expired", "*@example.org"), ("certificate", "*@example.com")]
)
def test_a_certificate_that_is_not_for_now_and_the_named_is_refused(
    keys: dict[str, Key], tmp_path: Path, name: str, principals: str
) -> None:
    line = f"{principals} cert-authority {keys['authority'].line}"
    with pytest.raises(SignatureError, match="certificate is not valid now, or not for a name"):
        check(DATA, keys[name].signature, trusting(tmp_path, line))


@needs_scripts
def test_a_name_that_the_certificate_does_not_hold_is_refused(
    keys: dict[str, Key], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f"*@example.org cert-authority {keys['authority'].line}"
    trust = trusting(tmp_path, line)
    script = f"""#!/bin/sh
        if [ "$2" = find-principals ]; then echo nobody@example.org; else exec {SSH_KEYGEN} "$@"; fi
    """
    stand_in(tmp_path, monkeypatch, script)
    with pytest.raises(SignatureError, match="certificate is not valid now, or not for a name"):
        check(DATA, keys["certificate"].signature, trust)


@pytest.mark.parametrize(
    "entry",
    ["* cert-authority {other}", "* {authority}", '* cert-authority,namespaces="git" {authority}'],
)
def test_a_certificate_by_anybody_else_counts_for_nothing(
    keys: dict[str, Key], tmp_path: Path, entry: str
) -> None:
    trust = trusting(tmp_path, filled(entry, keys))
    assert check(DATA, keys["certificate"].signature, trust).status == "unknown-signer"


# --- what is no signature of the index --------------------------------------------------------------


def test_other_data_is_found(keys: dict[str, Key], tmp_path: Path, tool: str) -> None:
    trust = trusting(tmp_path, f"me {keys['ed25519'].line}")
    for place in range(len(DATA)):
        if tool == "sshsig" or place % 7 == 0:
            other = DATA[:place] + bytes([DATA[place] ^ 1]) + DATA[place + 1 :]
            with pytest.raises(SignatureError, match=r"not a signature of runtime\.index\.json"):
                check(other, keys["ed25519"].signature, trust)
    for other in (b"", DATA[:-1], DATA + b"\n"):
        with pytest.raises(SignatureError, match=r"not a signature of runtime\.index\.json"):
            check(other, keys["ed25519"].signature, trust)


def test_other_data_is_found_where_nobody_is_trusted(keys: dict[str, Key], tool: str) -> None:
    with pytest.raises(SignatureError, match=r"not a signature of runtime\.index\.json"):
        check(DATA + b"\n", keys["ed25519"].signature, Trust())


def altered(armor: bytes) -> Iterator[bytes]:
    """Yield a signature with one byte altered, removed or inserted, and all that is cut short."""
    for place, byte in enumerate(armor):
        before, after = armor[:place], armor[place + 1 :]
        for other in {byte ^ 1, byte ^ 0x80, ord("\n")} - {byte}:
            yield before + bytes([other]) + after
        yield before + after
        yield before
        for more in b"A\n ":
            longer = before + bytes([more, byte]) + after
            if longer != armor:
                yield longer
    yield armor + b"\n"


def passes(armor: bytes, trust: Trust) -> bool:
    """Tell whether anything at all is said for a signature."""
    try:
        check(DATA, armor, trust)
    except SignatureError:
        return False
    return True


@pytest.mark.parametrize("name", ["ed25519", "rsa"])
@pytest.mark.usefixtures("no_ssh_keygen")
def test_no_byte_of_a_signature_can_be_altered(keys: dict[str, Key], tmp_path: Path, name: str) -> None:
    trust = trusting(tmp_path, f"me {keys[name].line}")
    assert [armor for armor in altered(keys[name].signature) if passes(armor, trust)] == []


@pytest.mark.parametrize("name", ["ed25519", "ecdsa", "rsa", "certificate"])
@pytest.mark.usefixtures("no_sshsig")
def test_no_byte_that_ssh_keygen_would_see_can_be_altered(keys: dict[str, Key], name: str) -> None:
    def is_well_formed(armor: bytes) -> bool:
        try:
            load_signature(armor)
        except SignatureError:
            return False
        return True

    left = [armor for armor in altered(keys[name].signature) if is_well_formed(armor)]
    assert len(left) > 100
    for armor in left[:: len(left) // 10]:
        with pytest.raises(SignatureError):
            check(DATA, armor, Trust())


def test_a_signature_for_git_does_not_count(keys: dict[str, Key], tmp_path: Path, tool: str) -> None:
    armor = signed(keys["ed25519"].path, namespace="git")
    with pytest.raises(SignatureError, match="made for another purpose"):
        check(DATA, armor, trusting(tmp_path, f"me {keys['ed25519'].line}"))


# --- revoked keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ed25519", "rsa"])
def test_a_revoked_key_is_refused_whoever_it_was(
    keys: dict[str, Key], tmp_path: Path, tool: str, name: str
) -> None:
    key = keys[name]
    revoked = f"# lost\n{keys['other'].line}\n{key.line} laptop\n"
    for line in (f"me {key.line}", f"me {keys['other'].line}"):
        with pytest.raises(SignatureError, match=r"made by a key that is revoked \(SHA256:") as caught:
            check(DATA, key.signature, trusting(tmp_path, line, revoked=revoked))
        assert str(tmp_path / "revoked") in caught.value.paths


@pytest.mark.parametrize("revoked", ["", "# none\n", "{other}\n", "{ecdsa} a comment\n"])
def test_a_key_that_is_not_revoked_counts(
    keys: dict[str, Key], tmp_path: Path, tool: str, revoked: str
) -> None:
    trust = trusting(tmp_path, f"me {keys['ed25519'].line}", revoked=filled(revoked, keys))
    assert check(DATA, keys["ed25519"].signature, trust).status == "valid"


def test_a_list_of_revoked_keys_with_a_broken_line_is_refused(
    keys: dict[str, Key], tmp_path: Path, tool: str
) -> None:
    trust = trusting(tmp_path, f"me {keys['ed25519'].line}", revoked="some key\n")
    with pytest.raises(SignatureError, match="revoked:1: not a "):
        check(DATA, keys["ed25519"].signature, trust)


def krl(directory: Path, *keys: Key) -> bytes:
    """Return a KRL that revokes `keys`."""
    ssh_keygen("-q", "-k", "-f", directory / "krl", *(key.path.with_suffix(".pub") for key in keys))
    return (directory / "krl").read_bytes()


def test_a_krl_revokes_what_it_says_and_no_more(keys: dict[str, Key], tmp_path: Path) -> None:
    line = f"me {keys['ed25519'].line}"
    trust = trusting(tmp_path, line, revoked=krl(tmp_path, keys["other"]))
    assert check(DATA, keys["ed25519"].signature, trust).status == "valid"
    trust = trusting(tmp_path, line, revoked=krl(tmp_path, keys["ed25519"]))
    with pytest.raises(SignatureError, match="made by a key that is revoked"):
        check(DATA, keys["ed25519"].signature, trust)


def test_a_damaged_krl_is_no_empty_one(keys: dict[str, Key], tmp_path: Path) -> None:
    cut = krl(tmp_path, keys["other"])[:-3]
    trust = trusting(tmp_path, f"me {keys['ed25519'].line}", revoked=cut)
    with pytest.raises(SignatureError, match="or that file is damaged"):
        check(DATA, keys["ed25519"].signature, trust)


@pytest.mark.parametrize("has_sshsig", [True, False])
@pytest.mark.usefixtures("no_ssh_keygen")
def test_a_krl_that_nobody_can_read_is_not_passed_over(
    keys: dict[str, Key], tmp_path: Path, request: pytest.FixtureRequest, has_sshsig: bool
) -> None:
    if not has_sshsig:
        request.getfixturevalue("no_sshsig")
    revoked = krl(tmp_path, keys["other"])
    trust = trusting(tmp_path, f"me {keys['ed25519'].line}", revoked=revoked)
    with pytest.raises(SignatureError, match="revocation cannot be checked without ssh-keygen"):
        check(DATA, keys["ed25519"].signature, trust)


def test_a_certificate_goes_with_its_revoked_authority(keys: dict[str, Key], tmp_path: Path) -> None:
    line = f"*@example.org cert-authority {keys['authority'].line}"
    trust = trusting(tmp_path, line, revoked=f"{keys['authority'].line}\n")
    with pytest.raises(SignatureError, match="made by a key that is revoked"):
        check(DATA, keys["certificate"].signature, trust)


# --- the files of the user, and the package's -------------------------------------------------------


def test_a_signature_is_only_genuine_while_the_package_knows_no_signer(
    keys: dict[str, Key], monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    monkeypatch.setattr(pkgutil, "get_data", lambda package, name: b"# nobody yet\n")
    verdict = check(DATA, keys["ed25519"].signature, Trust())
    assert verdict[:2] == ("no-signers", None)
    assert "--allowed-signers FILE" in verdict.reason


def test_a_signer_counts_whom_the_package_knows(
    keys: dict[str, Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f"release {keys['ed25519'].line}\n".encode()
    monkeypatch.setattr(pkgutil, "get_data", lambda package, name: line)
    assert check(DATA, keys["ed25519"].signature, Trust())[:2] == ("valid", "release")
    verdict = check(DATA, keys["other"].signature, Trust())
    assert verdict.status == "unknown-signer"
    assert "agentrail_runtime/allowed_signers has no entry" in verdict.reason


def test_a_file_that_the_user_names_takes_the_place_of_the_packages(
    keys: dict[str, Key], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    line = f"release {keys['ed25519'].line}\n".encode()
    monkeypatch.setattr(pkgutil, "get_data", lambda package, name: line)
    verdict = check(DATA, keys["ed25519"].signature, trusting(tmp_path, "# nobody"))
    assert verdict.status == "unknown-signer"


def test_the_file_in_the_package_is_readable() -> None:
    data = (PACKAGE / "allowed_signers").read_bytes()
    assert all('namespaces="' in line for line in data.decode().splitlines() if line[:1] not in "#")
    assert isinstance(load_signers(data, signing.PACKAGED), tuple)


def gone(package: str, name: str) -> bytes:
    """Stand in for a file that is not there."""
    raise FileNotFoundError(name)


@pytest.mark.parametrize("get_data", [gone, lambda package, name: None])
def test_a_package_without_its_signers_is_damaged(
    keys: dict[str, Key], monkeypatch: pytest.MonkeyPatch, get_data: object
) -> None:
    monkeypatch.setattr(pkgutil, "get_data", get_data)
    with pytest.raises(SignatureError, match=r"^agentrail_runtime/allowed_signers: missing$") as caught:
        check(DATA, keys["ed25519"].signature, Trust())
    assert "--force-reinstall" in str(caught.value.hint)


def test_the_package_knows_its_signers_inside_a_zip_file_too(
    keys: dict[str, Key], tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        for path in sorted(PACKAGE.glob("*.py")):
            archive.write(path, f"agentrail_runtime/{path.name}")
        archive.writestr("agentrail_runtime/allowed_signers", f"zipped {keys['ed25519'].line}\n")
    (tmp_path / "sig").write_bytes(keys["ed25519"].signature)
    script = (
        "import sys; sys.path.insert(0, 'zipped.zip')\n"
        "from agentrail_runtime.signing import Trust, check\n"
        f"print(check({DATA!r}, open('sig', 'rb').read(), Trust()).signer)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("zipped\n", "")


@pytest.mark.parametrize("which", ["allowed_signers", "revoked_keys"])
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("absent", "cannot be read: No such file or directory"),
        ("nul\0byte", "cannot be read: embedded null"),
        ("directory", "(cannot be read|not a plain file)"),
        ("large", "too large"),
        ("broken", "broken:1: not "),
        ("binary", "binary:1: not UTF-8"),
    ],
)
def test_a_file_that_the_user_names_must_be_what_it_is_to_be(
    keys: dict[str, Key], tmp_path: Path, which: str, name: str, what: str
) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "large").write_bytes(b"#" * ((1 << 20) + 1))
    (tmp_path / "broken").write_bytes(b"broken\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\n")
    trust = trusting(tmp_path, f"me {keys['ed25519'].line}")._replace(**{which: str(tmp_path / name)})
    with pytest.raises(SignatureError, match=what) as caught:
        check(DATA, keys["ed25519"].signature, trust)
    assert caught.value.paths == (str(tmp_path / name),)
    assert caught.value.hint


@needs_scripts
@pytest.mark.parametrize("which", ["allowed_signers", "revoked_keys"])
def test_nobody_is_waited_for_at_a_named_pipe(keys: dict[str, Key], tmp_path: Path, which: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    trust = trusting(tmp_path, f"me {keys['ed25519'].line}")._replace(**{which: str(tmp_path / "pipe")})
    with pytest.raises(SignatureError, match="pipe: not a plain file"):
        check(DATA, keys["ed25519"].signature, trust)


def test_a_file_of_the_user_may_be_a_link(keys: dict[str, Key], tmp_path: Path) -> None:
    trust = trusting(tmp_path, f"me {keys['ed25519'].line}")
    (tmp_path / "link").symlink_to(str(trust.allowed_signers))
    trust = Trust(str(tmp_path / "link"))
    assert check(DATA, keys["ed25519"].signature, trust).status == "valid"


# --- the tools --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_ssh_keygen", "no_sshsig")
def test_without_a_tool_nothing_is_said_to_be_checked(keys: dict[str, Key], tmp_path: Path) -> None:
    key = keys["ed25519"]
    verdict = check(DATA, key.signature, trusting(tmp_path, f"me {key.line}"))
    assert verdict == Verdict(
        "not-checked", None, "not checked: neither ssh-keygen nor the Python package sshsig is there"
    )


@pytest.mark.usefixtures("no_ssh_keygen", "no_sshsig")
def test_without_a_tool_a_broken_signature_is_found_all_the_same(keys: dict[str, Key]) -> None:
    with pytest.raises(SignatureError, match="altered"):
        check(DATA, keys["ed25519"].signature.replace(b"U1NI", b"U1N I"), Trust())


@needs_scripts
@pytest.mark.parametrize(
    "script",
    [
        "#!/bin/sh\necho 'unknown option -- Y' >&2\nexit 1\n",
        '#!/bin/sh\necho "ssh-keygen: illegal option -- Y" >&2\nexit 1\n',
        "#!/nowhere/sh\n",
        "",
    ],
)
def test_the_package_takes_over_from_an_ssh_keygen_that_is_too_old_or_broken(
    keys: dict[str, Key], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    trust = trusting(tmp_path, f"me {keys['ed25519'].line}")
    stand_in(tmp_path, monkeypatch, script)
    assert check(DATA, keys["ed25519"].signature, trust).status == "valid"
    with pytest.raises(SignatureError, match="not a signature"):
        check(DATA + b" ", keys["ed25519"].signature, trust)
    monkeypatch.setitem(sys.modules, "sshsig", None)
    assert check(DATA, keys["ed25519"].signature, trust).status == "not-checked"


@needs_scripts
def test_an_ssh_keygen_that_fails_without_a_word_lets_nothing_pass(
    keys: dict[str, Key], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust = trusting(tmp_path, f"me {keys['ed25519'].line}")
    stand_in(tmp_path, monkeypatch, "#!/bin/sh\nexit 255\n")
    with pytest.raises(SignatureError, match=r"as it is here$"):
        check(DATA, keys["ed25519"].signature, trust)


@needs_scripts
def test_an_ssh_keygen_that_hangs_is_ended(
    keys: dict[str, Key], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "#!/bin/sh\nexec /bin/sleep 60\n")
    monkeypatch.setattr(prover, "_SECONDS", 0.05)
    monkeypatch.setattr(signing, "_SIGN_SECONDS", 0.05)
    with pytest.raises(SignatureError, match="no answer by ssh-keygen"):
        check(DATA, keys["ed25519"].signature, Trust())
    with pytest.raises(SigningError, match="no answer by ssh-keygen"):
        sign(DATA, str(keys["ed25519"].path))


@needs_scripts
@pytest.mark.parametrize("entry", [".", "", "bin"])
def test_a_program_in_the_repository_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    directory = tmp_path / entry
    directory.mkdir(exist_ok=True)
    stand_in(directory, monkeypatch, "#!/bin/sh\ntouch ran\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", entry)
    assert prover.ssh_keygen() is None


@needs_scripts
def test_a_checked_signature_leaves_no_file_behind(
    keys: dict[str, Key], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    trust = trusting(tmp_path, f"me {keys['ed25519'].line}")
    assert check(DATA, keys["ed25519"].signature, trust).status == "valid"


def test_where_no_pipe_can_be_lent_the_private_files_are_gone_again(
    keys: dict[str, Key], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(prover, "_filled_pipe", lambda stack, data: None)
    line = f"*@example.org cert-authority {keys['authority'].line}"
    trust = trusting(tmp_path, f"me {keys['ed25519'].line}", line)
    assert check(DATA, keys["ed25519"].signature, trust).status == "valid"
    assert check(DATA, keys["certificate"].signature, trust).status == "valid"
    with pytest.raises(SignatureError, match="not a signature"):
        check(b"", keys["ed25519"].signature, trust)
    assert [*(tmp_path / "temporary").iterdir()] == []


@needs_scripts
def test_without_pipes_and_temporary_files_nothing_passes(
    keys: dict[str, Key], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exists = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda path: path[:8] != "/dev/fd/" and exists(path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(SignatureError, match="no temporary file: No such file or directory"):
        check(DATA, keys["ed25519"].signature, Trust())


@needs_scripts
def test_a_tool_has_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("SSH_ASKPASS", "/bin/false")
    script = (
        "import os; print(os.getsid(0) == os.getpid(), os.environ['LC_ALL'], "
        "os.environ['SSH_ASKPASS_REQUIRE'], {'DISPLAY', 'SSH_ASKPASS'} & os.environ.keys())"
    )
    done = prover.run(sys.executable, "-I", "-S", "-c", script, data=b"", seconds=60)
    assert done.stdout == b"True C never set()\n"


def test_the_module_is_imported_without_its_tools() -> None:
    slow = "{'base64', 'datetime', 'pkgutil', 'sshsig', 'subprocess', 'tempfile', 'time.strptime'}"
    script = f"import sys, agentrail_runtime.signing; print({slow} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"


# --- signing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ed25519", "ecdsa", "rsa"])
def test_what_is_signed_here_is_good_there(keys: dict[str, Key], tmp_path: Path, name: str) -> None:
    armor = sign(DATA, str(keys[name].path))
    assert ssh_keygen_allows(tmp_path, f"me {keys[name].line}", armor, "me")
    assert check(DATA, armor, trusting(tmp_path, f"me {keys[name].line}")).status == "valid"


def test_signing_writes_nothing(keys: dict[str, Key], tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(keys["ed25519"].path.read_bytes())
    (tmp_path / "key").chmod(0o600)
    before = sorted(path.name for path in keys["ed25519"].path.parent.iterdir())
    sign(DATA, str(tmp_path / "key"))
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert sorted(path.name for path in keys["ed25519"].path.parent.iterdir()) == before


@needs_scripts
def test_an_agent_signs_with_the_public_key_alone(
    keys: dict[str, Key], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    public = tmp_path / "alone.pub"
    public.write_text(keys["ed25519"].line + "\n")
    started = subprocess.run(
        ["ssh-agent", "-s", "-a", "agent"], capture_output=True, text=True, check=True
    )
    process = int(started.stdout.partition("SSH_AGENT_PID=")[2].partition(";")[0])
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", "agent")
        subprocess.run(["ssh-add", "-q", keys["ed25519"].path], check=True)
        armor = sign(DATA, str(public))
    finally:
        os.kill(process, signal.SIGTERM)
    assert check(DATA, armor, trusting(tmp_path, f"me {keys['ed25519'].line}")).status == "valid"


@pytest.fixture
def _no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.mark.usefixtures("_no_agent")
def test_a_key_with_a_passphrase_and_no_agent_is_refused_without_asking(tmp_path: Path) -> None:
    ssh_keygen("-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "key")
    with pytest.raises(SigningError, match="incorrect passphrase") as caught:
        sign(b"secret\n" + DATA, str(tmp_path / "key"))
    assert caught.value.message.startswith(f"{tmp_path / 'key'}: cannot sign: ")
    assert str(caught.value.hint).startswith("let ssh-agent hold the key: ssh-add ")
    assert caught.value.code == 1


@needs_scripts
@pytest.mark.usefixtures("_no_agent")
def test_a_key_that_others_can_read_is_refused_with_the_words_of_ssh_keygen(
    keys: dict[str, Key], tmp_path: Path
) -> None:
    path = tmp_path / "my key"
    path.write_bytes(keys["ed25519"].path.read_bytes())
    path.chmod(0o644)
    with pytest.raises(SigningError, match=r"Permissions 0644 for '.*' are too open") as caught:
        sign(DATA, str(path))
    assert caught.value.hint == f"chmod 600 '{path}'"
    assert "@" not in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "what", "hint"),
    [
        ("absent", "No such file or directory", "ssh-keygen -t ed25519 -f "),
        ("directory", "not a plain file", "name a private key"),
        ("nul\0byte", "embedded null", "make a key"),
        ("text", "cannot sign: ", "name a private key"),
        ("alone.pub", "No private key found", "name a private key"),
    ],
)
@pytest.mark.usefixtures("_no_agent")
def test_what_is_no_key_is_named_with_what_to_do(
    keys: dict[str, Key], tmp_path: Path, name: str, what: str, hint: str
) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "text").write_text("no key\n")
    (tmp_path / "text").chmod(0o600)
    (tmp_path / "alone.pub").write_text(keys["other"].line + "\n")
    with pytest.raises(SigningError, match=what) as caught:
        sign(DATA, str(tmp_path / name))
    assert caught.value.paths == (str(tmp_path / name),)
    assert hint in str(caught.value.hint)


@pytest.mark.usefixtures("no_ssh_keygen")
def test_without_ssh_keygen_nothing_is_signed(keys: dict[str, Key]) -> None:
    with pytest.raises(SigningError, match="cannot sign without ssh-keygen") as caught:
        sign(DATA, str(keys["ed25519"].path))
    assert "OpenSSH" in str(caught.value.hint)


@needs_scripts
@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("", "ssh-keygen: cannot be run"),
        ("#!/bin/sh\necho signed\n", "what ssh-keygen made is not good"),
        ("#!/bin/sh\necho 'no \x1b[31mluck' >&2\nexit 1\n", r"cannot sign: no \?\[31mluck$"),
    ],
)
def test_what_another_program_makes_is_no_signature(
    keys: dict[str, Key], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, what: str
) -> None:
    stand_in(tmp_path, monkeypatch, script)
    with pytest.raises(SigningError, match=what):
        sign(DATA, str(keys["ed25519"].path))


@needs_scripts
def test_a_signature_of_something_else_is_never_handed_out(
    keys: dict[str, Key], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sig").write_bytes(signed(keys["ed25519"].path, b"something else"))
    script = f"""#!/bin/sh
        if [ "$2" = sign ]; then exec /bin/cat {tmp_path}/sig; else exec {SSH_KEYGEN} "$@"; fi
    """
    stand_in(tmp_path, monkeypatch, script)
    with pytest.raises(SigningError, match="what ssh-keygen made is not good"):
        sign(DATA, str(keys["ed25519"].path))
