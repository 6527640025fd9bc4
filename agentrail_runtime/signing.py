"""Signatures over a bundle's index: made by its publisher, checked by whoever installs it.

They are SSHSIG signatures (https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig) of
the namespace ``agentrail-runtime``, as ``ssh-keygen -Y sign`` makes them, see ssh-keygen(1). Who may
sign stands in a file of allowed signers: one that the user names, else the one in the package.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, Literal, NamedTuple

from agentrail_runtime.entry import SIGNATURE_NAME
from agentrail_runtime.errors import AgentRailError, typed
from agentrail_runtime.prover import (
    INSTALL_OPENSSH,
    Prover,
    Revoked,
    SshKeygen,
    SshsigPackage,
    UnusableError,
    revoked_error,
    run,
    ssh_keygen,
    words_of,
)
from agentrail_runtime.signature import NAMESPACE, Signature, SignatureError, load_signature
from agentrail_runtime.signer import Signer, example, load_keys, load_signers

__all__ = [
    "NAMESPACE",
    "SignatureError",
    "SigningError",
    "Trust",
    "Verdict",
    "check",
    "sign",
]

Status = Literal["valid", "unknown-signer", "no-signers", "not-checked"]
PACKAGED: Final = "agentrail_runtime/allowed_signers"
"""What messages call the file that the package carries."""

_MAX_BYTES: Final = 1 << 20
_KRL_MAGIC: Final = b"SSHKRL\n\0"
_SIGN_SECONDS: Final = 60
"""Long enough for a person to touch the key, or to say yes to the agent."""


class SigningError(AgentRailError):
    """No signature could be made; nothing was written."""


class Trust(NamedTuple):
    """Whom to believe: paths of a file of allowed signers and of a list of revoked keys.

    Without `allowed_signers`, the packaged file counts; without `revoked_keys`, no key is revoked. The
    latter is a KRL or a list of public keys, see ``ssh-keygen -Y verify -r``.
    """

    allowed_signers: str | None = None
    revoked_keys: str | None = None


class Verdict(NamedTuple):
    """What a signature is worth.

    ``valid``: `signer` signed. ``unknown-signer``: genuine, but by a key that no entry allows.
    ``no-signers``: genuine, but the package knows nobody's key, and no file was named.
    ``not-checked``: nothing is there to check it with. `reason` says so to a person.
    """

    status: Status
    signer: str | None
    reason: str


def sign(data: bytes, key: str) -> bytes:
    """Return the armored signature of `data`. Nothing is written, and nothing is asked.

    Args:
        data: the bytes of an index.
        key: the path of a private key, or of a public one whose private half ssh-agent holds.

    Raises:
        SigningError: there is no such key, it cannot be used (a passphrase, permissions that
            ``ssh-keygen`` refuses), there is no ``ssh-keygen``, or it took more than a minute.
    """
    import subprocess

    program = ssh_keygen()
    if program is None:
        raise SigningError(f"{key}: cannot sign without ssh-keygen", hint=INSTALL_OPENSSH)
    if problem := _key_problem(key):
        raise _unsigned(key, problem)
    # An empty passphrase is said here, so that none is asked for, nor read from the data.
    words = ("-Y", "sign", "-n", NAMESPACE, "-P", "", "-f", key)
    try:
        done = run(program, *words, data=data, seconds=_SIGN_SECONDS)
        if done.returncode:
            raise _unsigned(key, words_of(done))
        SshKeygen(program).prove(data, load_signature(done.stdout), None)
    except subprocess.TimeoutExpired:
        raise _unsigned(key, f"no answer by ssh-keygen in {_SIGN_SECONDS} s") from None
    except (OSError, UnusableError) as error:
        raise SigningError(f"{program}: cannot be run: {error}", hint=INSTALL_OPENSSH) from error
    except SignatureError as error:
        raise _unsigned(key, f"what ssh-keygen made is not good: {error.message}") from error
    return done.stdout


def _key_problem(key: str) -> str:
    """Return why the file cannot be a key, an empty text where it may be one."""
    try:
        mode = os.stat(key).st_mode
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", error))
    return "" if stat.S_ISREG(mode) else "not a plain file"


def _unsigned(key: str, problem: str) -> SigningError:
    """Return the error for a key that does not sign, with what to do about it."""
    hint = "name a private key, or a public key whose private half ssh-agent holds"
    if "passphrase" in problem:
        hint = f"let ssh-agent hold the key: ssh-add {typed(key)}"
    elif "too open" in problem:
        hint = f"chmod 600 {typed(key)}"
    elif not os.path.lexists(key):
        hint = f"make a key, outside of the repository: ssh-keygen -t ed25519 -f {typed(key)}"
    return SigningError(f"{key}: cannot sign: {problem}", paths=[key], hint=hint)


def check(data: bytes, signature: bytes, trust: Trust) -> Verdict:
    """Return what a signature of an index is worth.

    ``ssh-keygen`` tells whether it is genuine, where it is on PATH and knows ``-Y`` (OpenSSH 8.1); else
    the Python package ``sshsig``. The latter knows no certificates and only Ed25519 and RSA keys;
    what it cannot judge is refused. Times of validity are compared with the clock of this machine.

    Args:
        data: the bytes of ``runtime.index.json``.
        signature: the bytes of ``runtime.index.json.sig``.
        trust: whose signatures count.

    Raises:
        SignatureError: the signature is damaged, of other data or another namespace; its key is
            revoked, or outside its time of validity; a file of `trust` cannot be used; or it takes
            ``ssh-keygen``, which is not there, to judge the key or the revocation list.
    """
    import time

    parsed = load_signature(signature)
    source = PACKAGED if trust.allowed_signers is None else trust.allowed_signers
    signers = load_signers(_allowed_signers(trust.allowed_signers), source)
    revoked = None if trust.revoked_keys is None else _revoked(trust.revoked_keys, parsed)
    for prover in _provers():
        with suppress(UnusableError):
            prover.prove(data, parsed, revoked)
            name = _name(prover, data, parsed, signers, time.time())
            is_empty = trust.allowed_signers is None and not signers
            return _verdict(name, parsed, source, is_empty=is_empty)
    reason = "not checked: neither ssh-keygen nor the Python package sshsig is there"
    return Verdict("not-checked", None, reason)


def _provers() -> Iterator[Prover]:
    program = ssh_keygen()
    if program is not None:
        yield SshKeygen(program)
    yield SshsigPackage()


def _name(
    prover: Prover, data: bytes, signature: Signature, signers: Sequence[Signer], now: float
) -> str | None:
    """Return who made the signature, which is genuine; None if no entry allows its key."""
    fitting = [signer for signer in signers if signer.may_have_made(signature)]
    valid = [signer for signer in fitting if signer.is_valid_at(now)]
    if fitting and not valid:
        windows = "; ".join(f"{signer.name} {signer.window()}" for signer in fitting)
        raise SignatureError(
            f"{SIGNATURE_NAME}: its key is outside its time of validity ({windows})",
            paths=[SIGNATURE_NAME],
            hint="see whether the clock is right; else have the index signed by a key that is valid",
        )
    for signer in valid:
        if not signer.is_authority:
            return signer.name
    # Of the provers, only ssh-keygen lets a certificate get this far.
    return prover.certify(data, signature, valid) if valid and isinstance(prover, SshKeygen) else None


def _verdict(name: str | None, signature: Signature, source: str, *, is_empty: bool) -> Verdict:
    if name is not None:
        return Verdict("valid", name, f"signed by {name} ({signature.fingerprint})")
    if is_empty:
        reason = "genuine, but this version knows no signer: name a file with --allowed-signers FILE"
        return Verdict("no-signers", None, reason)
    return Verdict(
        "unknown-signer",
        None,
        f"genuine, but {source} has no entry for the key {signature.fingerprint} "
        f"and the namespace {NAMESPACE}",
    )


def _allowed_signers(path: str | None) -> bytes:
    """Return the file that the user names, or else the package's, wherever that is imported from."""
    if path is not None:
        hint = f"name a file of lines such as: {example('you@example.org')}"
        return _read(path, hint)
    import pkgutil

    with suppress(OSError):
        if (data := pkgutil.get_data("agentrail_runtime", "allowed_signers")) is not None:
            return data
    raise SignatureError(
        f"{PACKAGED}: missing",
        paths=[PACKAGED],
        hint="install the package again: pip install --force-reinstall agentrail-runtime",
    )


def _revoked(path: str, signature: Signature) -> Revoked:
    """Return what kind of list is at `path`; a plain list is looked up here, for every prover."""
    data = _read(path, "name a KRL (ssh-keygen -k) or a list of public keys")
    if data.startswith(_KRL_MAGIC):
        return Revoked(path, is_binary=True)
    if signature.key in load_keys(data, path):
        raise revoked_error(path, signature)
    return Revoked(path, is_binary=False)


def _read(path: str, hint: str) -> bytes:
    """Return the bytes of a file that the user named, through a symlink, too."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            is_plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            data = file.read(_MAX_BYTES + 1) if is_plain else b""
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise SignatureError(f"{path}: cannot be read: {why}", paths=[path], hint=hint) from None
    if not is_plain:
        raise SignatureError(f"{path}: not a plain file", paths=[path], hint=hint)
    if len(data) > _MAX_BYTES:
        what = f"too large (expected at most {_MAX_BYTES} bytes)"
        raise SignatureError(f"{path}: {what}", paths=[path], hint=hint)
    return data


def _open_at_once(path: str, flags: int) -> int:
    """Open a file; nobody is waited for at the other end of a named pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
