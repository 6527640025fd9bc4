"""Signatures: the armored text and its fields, who may sign, which keys are revoked."""

from __future__ import annotations

import base64
import textwrap
from random import Random
from typing import Final

from agentrail_runtime import signer
from agentrail_runtime.signature import (
    MAX_BYTES,
    NAMESPACE,
    SignatureError,
    load_signature,
    pack_string,
    split_strings,
)
from tests.fuzz.claim import is_told
from tests.fuzz.mutation import scrambled, text_maker
from tests.fuzz.target import Target
from tests.unit.test_signature import ECDSA, ED25519

_PREAMBLE: Final = b"SSHSIG\0\0\0\1"
TOKENS: Final = (
    *(b"-----BEGIN SSH SIGNATURE-----\n", b"-----END SSH SIGNATURE-----\n", b"U1NIU0lH", b"=", b"=="),
    *(b"AAAA", b"A"),
    *(b"ssh-ed25519", b"ssh-rsa", b"sha256", b"sha512", b"\0\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\xff"),
    *(b"rsa-sha2-512",),
    *(NAMESPACE.encode(), b"git", b"ecdsa-sha2-nistp256", b"nistp256", b"sk-ssh-ed25519@openssh.com"),
    *(b"\0",),
)


def _fields(armor: bytes) -> list[bytes]:
    return split_strings(base64.b64decode(b"".join(armor.splitlines()[1:-1]))[len(_PREAMBLE) :])


def _armored(blob: bytes) -> bytes:
    rows = textwrap.wrap(base64.b64encode(blob).decode(), 70)
    return "\n".join(
        ["-----BEGIN SSH SIGNATURE-----", *rows, "-----END SSH SIGNATURE-----", ""]
    ).encode()


def check_signature(data: bytes) -> bool:
    """Claim that a signature is refused, or is spelled in the one way that its fields have."""
    try:
        read = load_signature(data)
    except SignatureError as error:
        is_told(error)
        return False
    assert read.armor == data
    assert len(data) <= MAX_BYTES
    key, namespace, reserved, hash_name, body = _fields(data)
    assert (read.key, read.body, namespace, reserved) == (key, body, NAMESPACE.encode(), b"")
    assert hash_name in (b"sha256", b"sha512")
    assert (
        _armored(_PREAMBLE + b"".join(map(pack_string, (key, namespace, reserved, hash_name, body))))
        == data
    )
    assert read.key_type.isprintable()
    assert read.key_type.isascii()
    assert " " not in read.key_type
    assert key.startswith(pack_string(read.key_type.encode()))
    assert read.fingerprint.startswith("SHA256:")
    return True


def _inside(random: Random, field: bytes) -> bytes:
    """Return a field with one of the strings in it altered, if it has any."""
    try:
        parts = split_strings(field)
    except ValueError:
        return field
    at = random.randrange(len(parts) + 1)
    parts[at:] = [scrambled(random, part, TOKENS) for part in parts[at : at + 1]] + parts[at + 1 :]
    return b"".join(map(pack_string, parts))


def _make_signature(random: Random) -> bytes:
    """Make a signature with other fields, or other parts of them, laid out as it has to be."""
    armor = random.choice((ED25519, ECDSA))
    if random.randrange(4) == 0:
        return scrambled(random, armor, TOKENS)
    fields = _fields(armor)
    for _ in range(random.choice((0, 1, 1, 2))):
        at = random.randrange(len(fields))
        is_whole = at not in (0, 4) or random.randrange(2) == 0
        fields[at] = scrambled(random, fields[at], TOKENS) if is_whole else _inside(random, fields[at])
    made = _armored(_PREAMBLE + b"".join(map(pack_string, fields)))
    return scrambled(random, made, TOKENS) if random.randrange(8) == 0 else made


KEY: Final = base64.b64encode(_fields(ED25519)[0])
SIGNERS: Final = (
    b'you@example.org namespaces="agentrail-runtime" ssh-ed25519 ' + KEY + b" note\n",
    b"# c\r\n\r\n*@example.org,!eve@example.org cert-authority ssh-ed25519 " + KEY + b"\r\n",
    b'"a b" namespaces="git,agent*",valid-after="20200101",valid-before="203012310800Z" ssh-ed25519 '
    + KEY,
)
SIGNER_TOKENS: Final = (
    *(b'valid-after="20200101Z",', b'valid-before="19700101",', b'namespaces="?",', b"cert-authority,"),
    *(b'valid-after="',),
    *(b"99991231235959", b"00000000", b"ssh-ed25519 ", KEY, b"*", b"?", b"!", b",", b'"', b"\t", b" "),
    *(b"@", b"\n#"),
    *("日本".encode(), b"*" * 300, b"=", b"A"),
)


def check_signers(data: bytes) -> bool:
    """Claim that a list of signers is refused as a whole, or every entry of it can be asked."""
    try:
        rows = signer.load_signers(data, "allowed_signers")
    except SignatureError as error:
        is_told(error)
        return False
    signature = load_signature(ED25519)
    for row in rows:
        row.may_have_made(signature)
        row.is_valid_at(1_700_000_000)
        assert row.name is None or signer.is_listed(row.name, row.principals)
        for text in (row.name or "", row.window(), row.principals, row.namespaces or ""):
            assert text.replace("\t", " ").isprintable()
        assert row.key.startswith(pack_string(row.key_type.encode()))
    lines = [line.strip(b" \t\r") for line in data.split(b"\n")]
    assert len(rows) == sum(1 for line in lines if line and line[:1] != b"#")
    return bool(rows)


def check_revoked(data: bytes) -> bool:
    """Claim that a list of revoked keys is refused as a whole, or has a key for every line."""
    try:
        keys = signer.load_keys(data, "revoked")
    except SignatureError as error:
        is_told(error)
        return False
    lines = {line.strip(b" \t\r") for line in data.split(b"\n")}
    assert len(keys) <= sum(1 for line in lines if line and line[:1] != b"#")
    assert bool(keys) is any(line and line[:1] != b"#" for line in lines)
    return bool(keys)


TARGETS: Final = (
    Target("signature", check_signature, _make_signature, TOKENS),
    Target(
        "signers",
        check_signers,
        text_maker(SIGNERS, SIGNER_TOKENS),
        SIGNER_TOKENS,
        lambda n: SIGNERS[0] * n,
    ),
    Target(
        "revoked",
        check_revoked,
        text_maker((b"ssh-ed25519 " + KEY + b" you\n# c\n\n", b"ssh-ed25519 " + KEY), SIGNER_TOKENS),
        SIGNER_TOKENS,
        lambda n: b"ssh-ed25519 " + KEY + b"\n" * n,
    ),
)
