"""Is a signature genuine: by ``ssh-keygen``, or by the package ``sshsig`` where that is not there.

Either proves that the bytes were signed by the key in the signature, and that this key is not revoked.
Whose key it is, and whether it may sign, is decided by the entries of `signer`, for both alike.
"""

from __future__ import annotations

import binascii
import os
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from agentrail_runtime.entry import INDEX_NAME, SIGNATURE_NAME
from agentrail_runtime.signature import (
    NAMESPACE,
    Signature,
    SignatureError,
    damaged,
)
from agentrail_runtime.signer import Signer

if TYPE_CHECKING:
    from subprocess import CompletedProcess

INSTALL_OPENSSH: Final = "put ssh-keygen of OpenSSH 8.1 or later on PATH"
_PROGRAM: Final = "ssh-keygen.exe" if os.name == "nt" else "ssh-keygen"
_SECONDS: Final = 10
_UNKNOWN_OPTION: Final = ("unknown option", "illegal option", "invalid option", "unrecognized option")
_ANYONE: Final = "signer"
_SSHSIG_KNOWS: Final = ("ssh-ed25519", "ssh-rsa")


class UnusableError(Exception):
    """A prover is not there, or is too old for signatures: the next one is asked."""


class Revoked(NamedTuple):
    """A file of revoked keys: a binary KRL, or a list of public keys."""

    path: str
    is_binary: bool


def revoked_error(path: str, signature: Signature, doubt: str = "") -> SignatureError:
    """Return the error for a signature by a revoked key.

    Args:
        path: the file that revokes it.
        signature: the signature.
        doubt: what else may be the case.
    """
    return SignatureError(
        f"{SIGNATURE_NAME}: made by a key that is revoked ({signature.fingerprint}, by {path}"
        + (f"; {doubt})" if doubt else ")"),
        paths=[SIGNATURE_NAME, path],
        hint="fetch a bundle that was signed by another key",
    )


class Prover(Protocol):
    """What tells a genuine signature from another."""

    def prove(self, data: bytes, signature: Signature, revoked: Revoked | None) -> None:
        """Make sure that the key in `signature` signed `data`.

        Args:
            data: the bytes of the index.
            signature: what is said to be its signature.
            revoked: where revoked keys are listed; None if none are.

        Raises:
            SignatureError: it did not, or is revoked, or this prover cannot judge it.
            UnusableError: this prover is not there.
        """


class SshKeygen:
    """The prover of OpenSSH, see ssh-keygen(1): all types of keys, certificates, revocation lists.

    Args:
        program: the absolute path of ``ssh-keygen``.
    """

    def __init__(self, program: str) -> None:
        self._program = program

    def prove(self, data: bytes, signature: Signature, revoked: Revoked | None) -> None:
        """Make sure that the key in `signature` signed `data`.

        Raises:
            SignatureError: it did not, is revoked, or there was no answer in ten seconds.
            UnusableError: this ``ssh-keygen`` cannot be run, or is too old.
        """
        line = _line(_ANYONE, signature.key_type, signature.key)
        done = self._verify(_ANYONE, line, data, signature)
        if done.returncode:
            raise damaged(f"not a signature of {INDEX_NAME} as it is here{_told(done)}")
        if revoked and self._verify(_ANYONE, line, data, signature, "-r", revoked.path).returncode:
            raise revoked_error(revoked.path, signature, "or that file is damaged")

    def certify(self, data: bytes, signature: Signature, authorities: Iterable[Signer]) -> str:
        """Return the name of the signer whose key one of `authorities` certified.

        Args:
            data: the bytes of the index.
            signature: its signature, already proven.
            authorities: entries for authorities.

        Raises:
            SignatureError: none of them certified the key, to anyone that its entry names, for now.
            UnusableError: this ``ssh-keygen`` cannot be run.
        """
        lines = [
            _line(f'"{row.principals}" cert-authority', row.key_type, row.key) for row in authorities
        ]
        done = self._ask("find-principals", lines, b"", signature)
        names = done.stdout.decode("utf-8", "replace").splitlines()
        if not done.returncode and names:
            done = self._verify(names[0], b"".join(lines), data, signature)
        if done.returncode or not names:
            raise damaged(
                "its key's certificate is not valid now, or not for a name that its entry allows"
            )
        return names[0]

    def _verify(
        self, name: str, line: bytes, data: bytes, signature: Signature, *words: str
    ) -> CompletedProcess[bytes]:
        return self._ask("verify", [line], data, signature, "-n", NAMESPACE, "-I", name, *words)

    def _ask(
        self, what: str, lines: Iterable[bytes], data: bytes, signature: Signature, *words: str
    ) -> CompletedProcess[bytes]:
        """Return what ``ssh-keygen -Y`` says of `signature`, where `lines` are all allowed signers."""
        import subprocess

        with ExitStack() as stack:
            try:
                armor = _lend(stack, signature.armor)
                signers = _lend(stack, b"".join(lines))
            except OSError as error:
                raise damaged(f"cannot be checked: no temporary file: {error.strerror}") from error
            words = ("-Y", what, "-s", armor.path, "-f", signers.path, *words)
            pipes = (*armor.pipes, *signers.pipes)
            try:
                done = run(self._program, *words, data=data, pipes=pipes, seconds=_SECONDS)
            except subprocess.TimeoutExpired:
                raise damaged(f"cannot be checked: no answer by ssh-keygen in {_SECONDS} s") from None
            except OSError as error:
                raise UnusableError from error
        if done.returncode and any(told in words_of(done)[:80] for told in _UNKNOWN_OPTION):
            raise UnusableError
        return done


class _Lent(NamedTuple):
    """What another program can open: a path, and the pipes that have to be passed on for it."""

    path: str
    pipes: tuple[int, ...] = ()


def _lend(stack: ExitStack, data: bytes) -> _Lent:
    """Return where a program finds `data` until `stack` is left: in a pipe, else in a private file."""
    import tempfile

    reader = _filled_pipe(stack, data) if os.name == "posix" else None
    if reader is not None:
        return _Lent(f"/dev/fd/{reader}", (reader,))
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="agentrail-"))
    path = os.path.join(directory, "lent")
    with open(path, "xb") as file:
        file.write(data)
    return _Lent(path)


def _filled_pipe(stack: ExitStack, data: bytes) -> int | None:
    """Return the end of a pipe to read `data` from; None if no path leads there, or it is full."""
    reader, writer = os.pipe()
    stack.callback(os.close, reader)
    try:
        os.set_blocking(writer, False)
        is_filled = os.path.exists(f"/dev/fd/{reader}") and os.write(writer, data) == len(data)
    finally:
        os.close(writer)
    return reader if is_filled else None


class SshsigPackage:
    """The prover of the Python package ``sshsig`` (https://pypi.org/project/sshsig/).

    It knows Ed25519 and RSA keys. What it cannot judge is refused, never accepted: other types of
    keys, certificates, and so every key that only an entry with ``cert-authority`` would allow. It
    leaves parts unread that the cryptography does not cover; `load_signature` has looked at them.
    """

    def prove(self, data: bytes, signature: Signature, revoked: Revoked | None) -> None:
        """Make sure that the key in `signature` signed `data`.

        A list of public keys is not looked at: the caller has done that.

        Raises:
            SignatureError: it did not, or is of a type that the package does not know; or the
                revoked keys are in a KRL, which takes ``ssh-keygen``.
            UnusableError: the package is not installed.
        """
        if revoked and revoked.is_binary:
            raise SignatureError(
                f"{revoked.path}: revocation cannot be checked without ssh-keygen (it is a KRL)",
                paths=[revoked.path],
                hint=f"{INSTALL_OPENSSH}, or name a list of public keys",
            )
        try:
            import sshsig
        except ImportError as error:
            raise UnusableError from error
        if signature.key_type not in _SSHSIG_KNOWS:
            raise SignatureError(
                f"{SIGNATURE_NAME}: a key of the type {signature.key_type} signed it, "
                "which cannot be checked without ssh-keygen",
                paths=[SIGNATURE_NAME],
                hint=INSTALL_OPENSSH,
            )
        try:
            sshsig.check_signature(data, signature.armor, NAMESPACE)
        except (sshsig.InvalidSignature, ValueError):
            raise damaged(f"not a signature of {INDEX_NAME} as it is here") from None


def ssh_keygen() -> str | None:
    """Return the absolute path of ``ssh-keygen``, None where there is none on PATH.

    Relative entries of PATH are passed over, and so is, on Windows, the current directory: what lies in
    a repository is not to be run.
    """
    for directory in os.get_exec_path():
        path = os.path.join(directory, _PROGRAM)
        if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def run(
    program: str, *words: str, data: bytes, seconds: int, pipes: tuple[int, ...] = ()
) -> CompletedProcess[bytes]:
    """Run a program without a shell and without a terminal, so that it cannot ask anything.

    Args:
        program: its absolute path.
        words: its arguments.
        data: its standard input.
        seconds: how long it may take.
        pipes: the descriptors that it gets, by the same numbers.

    Raises:
        OSError: it cannot be run.
        TimeoutExpired: of `subprocess`: it took longer, and was ended.
    """
    import subprocess

    dropped = ("DISPLAY", "WAYLAND_DISPLAY", "SSH_ASKPASS")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    return subprocess.run(
        [program, *words],
        input=data,
        capture_output=True,
        env={**environment, "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"},
        pass_fds=pipes,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        timeout=seconds,
        check=False,
    )


def words_of(done: CompletedProcess[bytes]) -> str:
    """Return what a program said of its failure, as one printable line."""
    lines = [line.strip(" @\r") for line in done.stderr.decode("utf-8", "replace").split("\n")]
    text = " ".join(line for line in lines if line and not line.startswith("Signing data on"))
    return "".join(character if character.isprintable() else "?" for character in text)[:500]


def _told(done: CompletedProcess[bytes]) -> str:
    words = words_of(done)
    return f" (ssh-keygen: {words})" if words else ""


def _line(start: str, key_type: str, key: bytes) -> bytes:
    """Return an entry of a file of allowed signers."""
    text = binascii.b2a_base64(key, newline=False)
    return b" ".join((start.encode(), key_type.encode(), text)) + b"\n"
