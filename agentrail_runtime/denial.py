"""What an install asks before it brings a version: has that version been withdrawn?

A list of denied versions stands at a place that the user names, in the target (`DENIED_PATH`), or both.
Both have to be signed: whoever could write a list of their own could keep a bad version alive.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from agentrail_runtime.entry import STATE_ROOT, RelPath
from agentrail_runtime.errors import SourceError, typed

if TYPE_CHECKING:
    from agentrail_runtime.release.deny_list import DenyList
    from agentrail_runtime.signing import Trust
    from agentrail_runtime.target import Target

DENIED_PATH: Final = RelPath(f"{STATE_ROOT}/denied.json")
"""The list in a target, which its owners may keep in git."""

_SECONDS: Final = 3.0


def refuse_denied(
    version: str, *, place: str | None, target: Target | None, trust: Trust, is_required: bool = False
) -> tuple[str, ...]:
    """Make sure that a version may be installed; return what the user should know besides.

    Args:
        version: what is to be installed.
        place: a file or the https URL of a list; None for none.
        target: where it is to be installed, None if the list in there does not count.
        trust: whose signatures count.
        is_required: whether a list that cannot be reached is an error, rather than a notice.

    Raises:
        SourceError: the version is denied; or a list is altered, not signed by whom `trust` names, or
            older than the other one; or there is none to be had and `is_required`.
        UsageError: `place` is a URL that may not be asked.
    """
    notices: list[str] = []
    kept = None if target is None else _kept(target, trust)
    named = None if place is None else _named(place, trust, notices, is_required=is_required)
    if kept is not None and named is not None:
        _refuse_setback(kept, named, str(place))
    for listed, name in ((named, place), (kept, DENIED_PATH)):
        if listed is not None:
            _refuse(listed, version, str(name))
    return tuple(notices)


def _refuse(listed: DenyList, version: str, name: str) -> None:
    row = listed.find(version)
    if row is not None:
        unwanted = f"agentrail-runtime!={row.version}"
        raise SourceError(
            f"{name}: agentrail-runtime {version} was withdrawn on {row.since}: {row.reason}",
            paths=[name],
            hint=f"install another version: pip install --upgrade {typed(unwanted)}",
        )


def _refuse_setback(kept: DenyList, named: DenyList, name: str) -> None:
    from agentrail_runtime.release.deny_list import setback

    if problem := setback(kept, named):
        raise SourceError(
            f"{name}: {problem}: {DENIED_PATH} has a newer one",
            paths=[name, DENIED_PATH],
            hint="somebody may be holding back a withdrawal: ask who publishes the list",
        )


def _kept(target: Target, trust: Trust) -> DenyList | None:
    """Return the list in the target, None where there is none."""
    from agentrail_runtime.deny_list_file import trusted

    data = _bytes(target, DENIED_PATH)
    if data is None:
        return None
    signature = _bytes(target, RelPath(f"{DENIED_PATH}.sig"))
    return trusted(data, signature, trust, name=DENIED_PATH)


def _bytes(target: Target, path: RelPath) -> bytes | None:
    from agentrail_runtime.release.deny_list import MAX_BYTES

    state = target.inspect(path)
    if state.kind == "absent":
        return None
    if state.kind != "file" or state.size > MAX_BYTES:
        raise SourceError(
            f"{path}: not a plain file of at most {MAX_BYTES} bytes",
            paths=[path],
            hint=f"restore it: git checkout -- {path}",
        )
    return target.read(path)


class _AbsentError(Exception):
    """There is no list to be had; the text says why."""


def _named(place: str, trust: Trust, notices: list[str], *, is_required: bool) -> DenyList | None:
    """Return the list at a place that the user named, None where none is to be had."""
    fetch = _Web(_SECONDS).fetch if "://" in place else _from_file
    try:
        return _fetched(place, fetch, trust)
    except _AbsentError as error:
        if is_required:
            hint = "run the command again when it is there, or name another with --deny-list"
            raise SourceError(str(error), paths=[place], hint=hint) from None
        notices.append(f"{error}; whether this version was withdrawn is not known")
        return None


def _fetched(place: str, fetch: Callable[[str], bytes | None], trust: Trust) -> DenyList:
    from agentrail_runtime.deny_list_file import trusted

    with suppress(SourceError):
        return trusted(*_pair(place, fetch), trust, name=place)
    # It may just have been replaced: then list and signature fit each other at a second look.
    return trusted(*_pair(place, fetch), trust, name=place)


def _pair(place: str, fetch: Callable[[str], bytes | None]) -> tuple[bytes, bytes | None]:
    data = fetch(place)
    if data is None:
        raise _AbsentError(f"{place}: no list of denied versions there")
    return data, fetch(_beside(place))


def _beside(place: str) -> str:
    """Return where the signature is."""
    if "://" not in place:
        return f"{place}.sig"
    from urllib.parse import urlsplit, urlunsplit

    try:
        parts = urlsplit(place)
    except ValueError:
        return f"{place}.sig"  # which is refused as a URL, as `place` is
    return urlunsplit(parts._replace(path=f"{parts.path}.sig"))


def _from_file(path: str) -> bytes | None:
    from agentrail_runtime import plain_file
    from agentrail_runtime.release.deny_list import MAX_BYTES

    try:
        return plain_file.read(path, MAX_BYTES, is_linked=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be read: {error.strerror}",
            paths=[path],
            hint="name a list with --deny-list FILE or URL",
        ) from None


class _Web:
    """Fetches what is on the web, all of it within one time.

    Args:
        seconds: how long.
    """

    def __init__(self, seconds: float) -> None:
        from agentrail_runtime.deadline import Deadline

        self._deadline = Deadline(seconds)

    def fetch(self, url: str) -> bytes | None:
        """Return what is at `url`, None where the server says that nothing is.

        Raises:
            SourceError: the server refuses, or is not to be believed.
            UsageError: `url` may not be asked.
        """
        from agentrail_runtime import web
        from agentrail_runtime.release.deny_list import MAX_BYTES

        try:
            return web.get(url, seconds=self._deadline.left(), limit=MAX_BYTES).body
        except web.MissingError:
            return None
        except web.UnreachableError as error:
            raise _AbsentError(error.message) from None
        except TimeoutError:
            raise _AbsentError(f"{web.shown(url)}: no answer in {_SECONDS:.0f} s") from None
        except web.WebError as error:
            hint = "see to the server, or name another list with --deny-list"
            raise SourceError(error.message, paths=[web.shown(url)], hint=hint) from None
