"""SSHSIG signatures of an index: the armored text and the fields in it.

The format is OpenSSH's (https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig). It is
read more strictly than there: the text must be the very one that ``ssh-keygen -Y sign`` writes, and a
field that the cryptography does not cover must have the one value that ``ssh-keygen`` gives it. So no
byte of the file can be altered unnoticed. Whether the signature is genuine is not decided here.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from typing import Final, NamedTuple

from agentrail_runtime.entry import SIGNATURE_NAME
from agentrail_runtime.errors import SourceError

NAMESPACE: Final = "agentrail-runtime"
"""What the signatures are for; one that was made for anything else (git, file, ...) is refused."""

MAX_BYTES: Final = 16 << 10
"""No larger signature is looked at; the largest that OpenSSH makes, by RSA with 16384 bits, is 6 KB."""

_BEGIN: Final = b"-----BEGIN SSH SIGNATURE-----\n"
_END: Final = b"-----END SSH SIGNATURE-----\n"
_COLUMNS: Final = 70
_PREAMBLE: Final = b"SSHSIG\0\0\0\1"
_HASHES: Final = (b"sha256", b"sha512")
_RSA_ALGORITHMS: Final = (b"rsa-sha2-256", b"rsa-sha2-512")
_RSA_BYTES: Final = 128  # OpenSSH takes no shorter modulus; a zero stands before one of this length
_ECDSA: Final = (b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp384", b"ecdsa-sha2-nistp521")
# It becomes a word of a line that ssh-keygen reads, and of messages.
_KEY_TYPE: Final = re.compile(rb"[A-Za-z0-9@.-]{1,64}")


class SignatureError(SourceError):
    """The signature of an index is damaged or not to be trusted, or cannot be judged as asked."""


class Signature(NamedTuple):
    """A signature that is well formed.

    `armor` is the text of the file, `key` the public key in it (RFC 4253, section 6.6), `key_type` that
    key's type, such as ``ssh-ed25519``, and `body` the algorithm and the bytes of the signature proper.
    """

    armor: bytes
    key: bytes
    key_type: str
    body: bytes

    @property
    def fingerprint(self) -> str:
        """The digest of the key, as ``ssh-keygen -l`` shows it, but for a certificate: of all of it."""
        digest = hashlib.sha256(self.key).digest()
        return "SHA256:" + binascii.b2a_base64(digest, newline=False).decode().rstrip("=")


def damaged(what: str) -> SignatureError:
    """Return the error for a signature that is not genuine.

    Args:
        what: what is wrong with it, to be read after the file's name.
    """
    return SignatureError(
        f"{SIGNATURE_NAME}: {what}",
        paths=[SIGNATURE_NAME],
        hint="fetch the bundle again; its publisher signs with: agentrail export --sign KEY",
    )


def load_signature(armor: bytes) -> Signature:
    """Return the signature that a file holds.

    Args:
        armor: the bytes of the file.

    Raises:
        SignatureError: it is not, byte for byte, as ``ssh-keygen -Y sign`` writes it, is of another
            namespace, or is larger than `MAX_BYTES`.
    """
    if len(armor) > MAX_BYTES:
        raise damaged(f"too large (expected at most {MAX_BYTES} bytes, got {len(armor)})")
    blob = _unarmored(armor)
    if not blob.startswith(_PREAMBLE):
        raise damaged("not an SSH signature of version 1")
    try:
        key, namespace, reserved, hash_name, body = split_strings(blob[len(_PREAMBLE) :])
        key_type, _ = take_string(key)
        is_canonical = _is_canonical(key_type, key, body)
    except ValueError:
        raise damaged("its fields are not those of an SSH signature") from None
    if namespace != NAMESPACE.encode():
        shown = ascii(namespace[:64].decode("ascii", "replace"))
        raise damaged(f"made for another purpose (expected namespace {NAMESPACE!r}, got {shown})")
    is_known = hash_name in _HASHES and _KEY_TYPE.fullmatch(key_type)
    if reserved or not is_known or not is_canonical:
        raise damaged("its fields have values that ssh-keygen does not write")
    return Signature(armor, key, key_type.decode(), body)


def _unarmored(armor: bytes) -> bytes:
    if not (armor.startswith(_BEGIN) and armor.endswith(_END)):
        raise damaged(
            "not a whole SSH signature (expected it between its BEGIN and END lines, LF at each end)"
        )
    try:
        blob = binascii.a2b_base64(armor[len(_BEGIN) : -len(_END)])
    except ValueError:
        blob = b""
    # The decoder skips what is no base64; only what encodes to the same text again was all of it.
    if _armored(blob) != armor:
        raise damaged("altered: its text is not laid out as ssh-keygen writes it")
    return blob


def _armored(blob: bytes) -> bytes:
    text = binascii.b2a_base64(blob, newline=False)
    lines = [text[start : start + _COLUMNS] + b"\n" for start in range(0, len(text), _COLUMNS)]
    return b"".join((_BEGIN, *lines, _END))


def _is_canonical(key_type: bytes, key: bytes, body: bytes) -> bool:
    """Tell whether key and signature are spelled in the one way; ValueError if they cannot be read.

    Readers put up with zeros before numbers and after names. Types that are not known here are not
    looked at; only ``ssh-keygen`` knows those, and it is strict about what it does not sign.
    """
    if key_type not in (b"ssh-ed25519", b"ssh-rsa", *_ECDSA):
        return True
    _, *parts = split_strings(key)
    algorithm, proper = split_strings(body)
    if key_type == b"ssh-ed25519":
        return len(parts) == 1 and algorithm == key_type
    if key_type == b"ssh-rsa":
        is_long = len(parts) == 2 and len(parts[1]) > _RSA_BYTES
        return is_long and algorithm in _RSA_ALGORITHMS and all(map(_is_number, parts))
    is_named = len(parts) == 2 and key_type.endswith(b"-" + parts[0]) and algorithm == key_type
    return is_named and all(map(_is_number, split_strings(proper)))


def _is_number(data: bytes) -> bool:
    """Tell whether `data` is a positive number, as short as can be (RFC 4251, section 5: mpint)."""
    number = int.from_bytes(data, "big", signed=True)
    return number > 0 and data == number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def split_strings(data: bytes) -> list[bytes]:
    """Return the strings that `data` consists of (RFC 4251, section 5: each after its length).

    Raises:
        ValueError: `data` does not end where a string ends.
    """
    found = []
    while data:
        first, data = take_string(data)
        found.append(first)
    return found


def take_string(data: bytes) -> tuple[bytes, bytes]:
    """Return the string that `data` begins with (RFC 4251, section 5), and what comes after it.

    Raises:
        ValueError: `data` is shorter than the string says it is.
    """
    end = 4 + int.from_bytes(data[:4], "big")
    if len(data) < end:
        raise ValueError("cut short")
    return data[4:end], data[end:]


def pack_string(data: bytes) -> bytes:
    """Return `data` after its length, as it stands within larger structures."""
    return len(data).to_bytes(4, "big") + data
