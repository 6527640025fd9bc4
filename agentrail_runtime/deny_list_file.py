"""The signed list of denied versions as files: ``denied.json`` and its signature beside it.

The signature is one as of an index (see `signing`). A list is only ever replaced by one that follows
it, and the list comes before its signature: a run that is killed between the two leaves the staged
signature, which the next run puts in place.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from agentrail_runtime import plain_file, shared_directory
from agentrail_runtime.document import DocumentError
from agentrail_runtime.entry import SIGNATURE_NAME, PathError, RelPath, parse_path
from agentrail_runtime.errors import SourceError, UsageError
from agentrail_runtime.release import deny_list
from agentrail_runtime.release.deny_list import DenyList
from agentrail_runtime.signature import MAX_BYTES as MAX_SIGNATURE
from agentrail_runtime.signature import load_signature
from agentrail_runtime.signing import SignatureError, Status, Trust, check, sign

_SIGNED: Final = "agentrail release withdraw --sign KEYFILE"


def judged(
    data: bytes, signature: bytes | None, trust: Trust, *, name: str
) -> tuple[DenyList, Status, str]:
    """Return a list whose signature is genuine, what that is worth, and the words for it.

    Args:
        data: the bytes of the list.
        signature: those of its signature, None where it has none.
        trust: whose signatures count.
        name: what messages call the list: a path or a URL.

    Raises:
        SourceError: it has no signature or a damaged one, or is no list of schema 1.x.
    """
    if signature is None:
        raise _unusable(name, f"not signed (expected {name}.sig)")
    try:
        verdict = check(data, signature, trust)
        return deny_list.load(data), verdict.status, verdict.reason
    except SignatureError as error:
        what = error.message.replace(SIGNATURE_NAME, f"{name}.sig")
        hint = None if error.hint and "fetch the bundle" in error.hint else error.hint
        raise _unusable(name, what, hint) from None
    except DocumentError as error:
        raise _unusable(name, str(error)) from None


def _unusable(name: str, what: str, hint: str | None = None) -> SourceError:
    lines = what if what.startswith(name) else f"{name}: {what}"
    return SourceError(
        lines, paths=[name], hint=hint or f"get the list again from who publishes it ({_SIGNED})"
    )


def trusted(data: bytes, signature: bytes | None, trust: Trust, *, name: str) -> DenyList:
    """Return a list that somebody signed who may.

    Args:
        data: the bytes of the list.
        signature: those of its signature, None where it has none.
        trust: whose signatures count.
        name: what messages call the list.

    Raises:
        SourceError: as `judged`, or it is not by somebody who may sign, or that cannot be told.
    """
    listed, status, reason = judged(data, signature, trust, name=name)
    if status != "valid":
        hint = "name who may sign with --allowed-signers FILE"
        if status == "not-checked":
            hint = "install OpenSSH, or: pip install 'agentrail-runtime[signing]'"
        raise _unusable(name, f"its signature is {reason}" if "genuine" in reason else reason, hint)
    return listed


def read(path: str, trust: Trust) -> DenyList:
    """Return the list at `path`, an empty one where there is none.

    A genuine signature will do where nobody was named who may sign: whoever can put a list there can
    put a version there, too.

    Args:
        path: the file.
        trust: whose signatures count.

    Raises:
        SourceError: it cannot be read, is not signed, or not by whom `trust` names.
    """
    data = _bytes(path, deny_list.MAX_BYTES)
    if data is None:
        return DenyList()
    try:
        return _accepted(data, _bytes(f"{path}.sig", MAX_SIGNATURE), trust, path)
    except SourceError:
        # A run that was killed between list and signature left the right one beside them.
        beside = os.path.join(os.path.dirname(path), _staged(f"{_name(path)}.sig"))
        with suppress(SourceError):
            return _accepted(data, _bytes(beside, MAX_SIGNATURE), trust, path)
        raise


def _accepted(data: bytes, signature: bytes | None, trust: Trust, path: str) -> DenyList:
    listed, status, _ = judged(data, signature, trust, name=path)
    return listed if status == "no-signers" else trusted(data, signature, trust, name=path)


def _bytes(path: str, limit: int) -> bytes | None:
    try:
        return plain_file.read(path, limit)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from None


def rewrite(path: str, change: Callable[[DenyList], DenyList], key: str, trust: Trust) -> DenyList:
    """Put what `change` makes of a list, signed, in the place of the list; return it.

    Args:
        path: the file; it and its directory are made if need be.
        change: makes the next list of the one that is there, or returns that.
        key: the private key to sign with.
        trust: whose signature the list must have, before and after.

    Raises:
        SourceError: the list that is there is not signed as it has to be, or the key is one that nobody
            will believe. Nothing was written.
        SigningError: no signature can be made with the key. Nothing was written.
        ChannelError: the directory cannot be written. The list is as it was.
    """
    name = _name(path)
    listed_path, signature_path = RelPath(name), RelPath(f"{name}.sig")
    with shared_directory.locked(os.path.dirname(os.path.abspath(path))) as target:
        former = read(path, trust)
        listed = change(former)
        if listed == former and _is_whole(path, trust):
            return listed
        data = deny_list.dump(listed)
        signature = sign(data, key)
        _refuse_other_key(path, data, signature, trust)
        staged = RelPath(_staged(listed_path)), RelPath(_staged(signature_path))
        shared_directory.stage(target, staged[0], data)
        shared_directory.stage(target, staged[1], signature)
        shared_directory.put(target, staged[0], listed_path)
        shared_directory.put(target, staged[1], signature_path)
    return listed


def refuse_unusable(path: str, key: str, trust: Trust) -> None:
    """Make sure that a list can be kept at `path` and signed, before there is anything to tell.

    Args:
        path: the file.
        key: the private key to sign with.
        trust: whose signature the list must have.

    Raises:
        UsageError: no file can have that name.
        SigningError: the key does not sign.
        SourceError: the list that is there is not signed as it has to be, or by another key.
    """
    _name(path)
    former = _bytes(path, deny_list.MAX_BYTES) or deny_list.dump(DenyList())
    _refuse_other_key(path, former, sign(former, key), trust)


def _name(path: str) -> str:
    name = os.path.basename(path)
    try:
        return parse_path(name)
    except PathError as error:
        raise UsageError(f"--deny-list: {error}", hint="name a file, such as denied.json") from None


def _staged(name: str) -> str:
    return f".{name}.new"


def _is_whole(path: str, trust: Trust) -> bool:
    """Tell whether a list has its own signature beside it, rather than that of the one before."""
    data = _bytes(path, deny_list.MAX_BYTES) or b""
    try:
        _accepted(data, _bytes(f"{path}.sig", MAX_SIGNATURE), trust, path)
    except SourceError:
        return False
    return True


def _refuse_other_key(path: str, data: bytes, signature: bytes, trust: Trust) -> None:
    """Make sure that whoever believed the list so far will believe the new one.

    Raises:
        SourceError: they would not.
    """
    if trust.allowed_signers is not None:
        trusted(data, signature, trust, name=path)
        return
    former = _bytes(f"{path}.sig", MAX_SIGNATURE)
    if former is not None and load_signature(former).key != load_signature(signature).key:
        raise _unusable(
            path, "signed by another key so far", "name who may sign with --allowed-signers FILE"
        )
