"""A signature file is as ssh-keygen writes it, byte for byte, or it is none."""

from __future__ import annotations

import base64
import textwrap

import pytest

from agentrail_runtime.signature import (
    MAX_BYTES,
    SignatureError,
    load_signature,
    pack_string,
    split_strings,
)

ED25519 = b"""\
-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgqL+oZqy+H+doc8frQd4t4Ti4iA
n7t2KeiccszJDV3WAAAAARYWdlbnRyYWlsLXJ1bnRpbWUAAAAAAAAABnNoYTUxMgAAAFMA
AAALc3NoLWVkMjU1MTkAAABA2pa1BSOm898FSv7v0rVgoOXv6g5fbCDcKAUxRoOCNqXx7X
RUYlTidPgT+ZoU08tolo847rhVatw+kg2SIV5bDg==
-----END SSH SIGNATURE-----
"""
ECDSA = b"""\
-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAAGgAAAATZWNkc2Etc2hhMi1uaXN0cDI1NgAAAAhuaXN0cDI1NgAAAE
EE7/nrGlHQlZ+whfD1nKkCW5MB3DCSnBzvKo5Wpd7cTeiOHoPUgtY7eR58vhenhxAnUUvH
Ug3YIHeByGyyiX0xcgAAABFhZ2VudHJhaWwtcnVudGltZQAAAAAAAAAGc2hhNTEyAAAAZA
AAABNlY2RzYS1zaGEyLW5pc3RwMjU2AAAASQAAACBL9pjZmi0eu8VfigeAFB5mdWDITEvJ
6S9wKgdlV8381AAAACEAslIoIqij3S0ksIDJLpxm2uRKhoy4tz1fdLPCNEaj2aI=
-----END SSH SIGNATURE-----
"""
KEY, PURPOSE, RESERVED, HASH, BODY = range(5)


def fields(armor: bytes) -> list[bytes]:
    """Return what stands in a signature after its version."""
    return split_strings(base64.b64decode(b"".join(armor.splitlines()[1:-1]))[10:])


def armored(blob: bytes) -> bytes:
    """Return the text that ssh-keygen makes of a signature."""
    lines = textwrap.wrap(base64.b64encode(blob).decode(), 70)
    return "\n".join(
        ["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]
    ).encode()


def changed(armor: bytes, place: int, value: bytes) -> bytes:
    """Return a signature with another value in one of its fields."""
    parts = fields(armor)
    parts[place] = value
    return armored(b"SSHSIG\0\0\0\1" + b"".join(map(pack_string, parts)))


def packed(*parts: bytes) -> bytes:
    """Return a key, or a signature proper, of these parts."""
    return b"".join(map(pack_string, parts))


@pytest.mark.parametrize(
    ("armor", "key_type", "fingerprint"),
    [
        (ED25519, "ssh-ed25519", "SHA256:0NJM9Ml3586U6nVhyatINK/2iedtPWorbihUk0FickQ"),
        (ECDSA, "ecdsa-sha2-nistp256", "SHA256:hwPR7iTX/t/Vj8OJKAqeMdAaBMkWdzY9KIY/tic7gm0"),
    ],
)
def test_what_ssh_keygen_wrote_is_read(armor: bytes, key_type: str, fingerprint: str) -> None:
    signature = load_signature(armor)
    assert (signature.key_type, signature.fingerprint) == (key_type, fingerprint)
    assert (signature.armor, signature.key) == (armor, fields(armor)[KEY])


@pytest.mark.parametrize(
    "armor",
    [
        b"",
        b"\n",
        b"{}",
        ED25519[:-1],
        ED25519[1:],
        ED25519 + b"\n",
        ED25519 + ED25519,
        b"\n" + ED25519,
        ED25519.replace(b"\n", b"\r\n"),
        ED25519.replace(b"\n", b""),
        ED25519.replace(b"==", b"="),
        ED25519.replace(b"Dg==", b"Dh=="),
        ED25519.replace(b"iA\nn7", b"iAn7\n"),
        ED25519.replace(b"iA\nn7", b"iA\n\nn7"),
        ED25519.replace(b"iA\nn7", b"iA \nn7"),
        ED25519.replace(b"SSH SIGNATURE", b"PGP SIGNATURE"),
        b"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
        b"-----BEGIN SSH SIGNATURE-----\nA\n-----END SSH SIGNATURE-----\n",
        b"-----BEGIN SSH SIGNATURE-----\n\xff\xff\n-----END SSH SIGNATURE-----\n",
        ED25519 + b" " * MAX_BYTES,
    ],
)
def test_a_file_that_is_laid_out_otherwise_is_refused(armor: bytes) -> None:
    with pytest.raises(SignatureError, match=r"^runtime\.index\.json\.sig: ") as caught:
        load_signature(armor)
    assert caught.value.code == 6
    assert caught.value.hint


def test_a_signature_is_refused_by_its_size_alone() -> None:
    with pytest.raises(SignatureError, match=r"too large \(expected at most 16384 bytes, got 20000\)"):
        load_signature(b"A" * 20000)


def test_a_signature_of_another_version_is_refused() -> None:
    blob = b"SSHSIG\0\0\0\2" + packed(*fields(ED25519))
    with pytest.raises(SignatureError, match="not an SSH signature of version 1"):
        load_signature(armored(blob))


def test_a_signature_for_git_is_no_signature_of_an_index() -> None:
    with pytest.raises(SignatureError, match="expected namespace 'agentrail-runtime', got 'git'"):
        load_signature(changed(ED25519, PURPOSE, b"git"))


def test_a_purpose_that_is_no_text_is_shown_without_its_control_characters() -> None:
    with pytest.raises(SignatureError, match=r"got '\\x1b\[2J\\ufffd'"):
        load_signature(changed(ED25519, PURPOSE, b"\x1b[2J\xff"))


@pytest.mark.parametrize(
    "blob",
    [
        b"SSHSIG\0\0\0\1",
        b"SSHSIG\0\0\0\1" + packed(*fields(ED25519)[:-1]),
        b"SSHSIG\0\0\0\1" + packed(*fields(ED25519), b""),
        b"SSHSIG\0\0\0\1" + packed(*fields(ED25519)) + b"\0",
        b"SSHSIG\0\0\0\1" + packed(*fields(ED25519))[:-1],
        b"SSHSIG\0\0\0\1\xff\xff\xff\xff" + packed(*fields(ED25519)),
    ],
)
def test_a_signature_with_a_part_too_many_or_too_few_is_refused(blob: bytes) -> None:
    with pytest.raises(SignatureError, match="its fields are not those of an SSH signature"):
        load_signature(armored(blob))


KEY_OF = {armor: split_strings(fields(armor)[KEY])[1:] for armor in (ED25519, ECDSA)}
PROPER_OF = {armor: split_strings(fields(armor)[BODY])[1] for armor in (ED25519, ECDSA)}
RSA, MODULUS = b"ssh-rsa", b"\0\xff" + b"\x01" * 127
P256 = b"ecdsa-sha2-nistp256"
RSA_SIGNATURE = changed(ED25519, BODY, packed(b"rsa-sha2-512", b"s"))


def test_an_rsa_key_is_read() -> None:
    armor = changed(RSA_SIGNATURE, KEY, packed(RSA, b"\1\0\1", MODULUS))
    assert load_signature(armor).key_type == "ssh-rsa"


@pytest.mark.parametrize(
    ("armor", "place", "value"),
    [
        (ED25519, RESERVED, b"x"),
        (ED25519, HASH, b"sha1"),
        (ED25519, HASH, b"sha512\0"),
        (ED25519, KEY, packed(b"ssh ed25519", *KEY_OF[ED25519])),
        (ED25519, KEY, packed(b"", *KEY_OF[ED25519])),
        (ED25519, KEY, packed(b"x\nanybody ssh-ed25519", *KEY_OF[ED25519])),
        (ED25519, KEY, packed(b"ssh-ed25519", *KEY_OF[ED25519], b"")),
        (ED25519, KEY, packed(b"ssh-ed25519")),
        (ED25519, BODY, packed(b"ssh-ed25519\0", PROPER_OF[ED25519])),
        (ED25519, BODY, packed(b"ssh-rsa", PROPER_OF[ED25519])),
        (RSA_SIGNATURE, KEY, packed(RSA, b"\0\1\0\1", MODULUS)),
        (RSA_SIGNATURE, KEY, packed(RSA, b"\1\0\1", b"\0" + MODULUS)),
        (RSA_SIGNATURE, KEY, packed(RSA, b"\1\0\1", MODULUS[1:] + b"\1")),
        (RSA_SIGNATURE, KEY, packed(RSA, b"\1\0\1", MODULUS[:-1])),
        (RSA_SIGNATURE, KEY, packed(RSA, b"", MODULUS)),
        (RSA_SIGNATURE, KEY, packed(RSA, MODULUS)),
        (changed(ED25519, BODY, packed(RSA, b"s")), KEY, packed(RSA, b"\1\0\1", MODULUS)),
        (ECDSA, KEY, packed(P256, b"nistp256\0", KEY_OF[ECDSA][1])),
        (ECDSA, KEY, packed(P256, b"nistp384", KEY_OF[ECDSA][1])),
        (ECDSA, KEY, packed(P256, *KEY_OF[ECDSA], b"")),
        (ECDSA, BODY, packed(b"ecdsa-sha2-nistp384", PROPER_OF[ECDSA])),
        (ECDSA, BODY, packed(P256, packed(b"\0\1", b"\1"))),
        (ECDSA, BODY, packed(P256, packed(b"\1", b"\xff"))),
    ],
)
def test_another_spelling_of_the_same_signature_is_refused(
    armor: bytes, place: int, value: bytes
) -> None:
    with pytest.raises(SignatureError, match="values that ssh-keygen does not write"):
        load_signature(changed(armor, place, value))


@pytest.mark.parametrize(
    ("armor", "place", "value"),
    [
        (ED25519, KEY, b""),
        (ED25519, KEY, packed(b"ssh-ed25519", *KEY_OF[ED25519]) + b"\0"),
        (ED25519, BODY, b""),
        (ED25519, BODY, packed(b"ssh-ed25519", PROPER_OF[ED25519], b"")),
        (ECDSA, BODY, packed(P256, PROPER_OF[ECDSA] + b"\0")),
    ],
)
def test_a_key_or_signature_that_is_no_list_of_parts_is_refused(
    armor: bytes, place: int, value: bytes
) -> None:
    with pytest.raises(SignatureError, match=r"its fields (are not those|have values)"):
        load_signature(changed(armor, place, value))


def test_a_type_of_key_that_only_ssh_keygen_knows_is_left_to_it() -> None:
    key = packed(b"sk-ssh-ed25519@openssh.com", *KEY_OF[ED25519], b"ssh:")
    assert load_signature(changed(ED25519, KEY, key)).key_type == "sk-ssh-ed25519@openssh.com"
