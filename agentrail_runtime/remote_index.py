"""An index on the web as a channel reads it: the files that it lists, and their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from agentrail_runtime import credential, web
from agentrail_runtime.channel import AlteredError, ChannelError, Distribution
from agentrail_runtime.credential import Credential
from agentrail_runtime.entry import sha256
from agentrail_runtime.errors import UsageError
from agentrail_runtime.release import metadata, simple_index

ACCEPT: Final = f"{simple_index.JSON_TYPE}, {simple_index.HTML_TYPE};q=0.2, text/html;q=0.1"
"""JSON (PEP 691) before HTML (PEP 503)."""

MAX_PAGE: Final = 16 << 20
"""How large a page of an index may be, in bytes."""

SECONDS: Final = 60.0
"""How long one question may take."""


class RemoteIndex:
    """The simple API of an index (PEP 503, PEP 691), asked for one project.

    Args:
        url: its base URL.
        seconds: how long one question may take.
    """

    def __init__(self, url: str, *, seconds: float = SECONDS) -> None:
        self.url = url.rstrip("/")
        self._seconds = seconds
        self._found: credential.Found | None = None

    @property
    def found(self) -> credential.Found:
        """The credential for the host, looked for once."""
        if self._found is None:
            self._found = credential.find(self.url)
        return self._found

    def distributions(self) -> tuple[Distribution, ...]:
        """Return every file that the index lists; none where it does not know the project.

        Raises:
            ChannelError: it cannot be read, or is no index.
        """
        page_url = f"{self.url}/{simple_index.PROJECT}/"
        try:
            page = self._get(page_url, MAX_PAGE, ACCEPT)
            kind = page.headers.get("Content-Type") or ""
            return tuple(row.distribution for row in simple_index.parse(page.body, kind, page.url))
        except web.MissingError:
            return ()
        except web.WebError as error:
            raise self.refusal(error) from None
        except simple_index.SimpleIndexError as error:
            raise ChannelError(f"{self.url}: not a page of an index: {error}") from None

    def fetch(self, distribution: Distribution) -> bytes:
        """Return the bytes of a file.

        Raises:
            ChannelError: it cannot be read.
            AlteredError: its SHA-256 is not the one that was told.
        """
        try:
            data = self._get(distribution.url, metadata.MAX_BYTES).body
        except web.WebError as error:
            raise self.refusal(error) from None
        except UsageError as error:
            raise ChannelError(f"{self.url}: {distribution.filename}: {error.message}") from None
        if sha256(data) != distribution.sha256:
            raise AlteredError(
                f"{self.url}: {distribution.filename}: other bytes than it tells of "
                f"(expected sha256 {distribution.sha256}, got {sha256(data)})"
            )
        return data

    def is_served(self, distribution: Distribution) -> bool:
        """Tell whether the bytes of a file are still to be had, be it listed or not.

        Raises:
            ChannelError: the server does not say.
        """
        try:
            self._get(distribution.url, metadata.MAX_BYTES)
        except web.MissingError:
            return False
        except web.WebError as error:
            raise self.refusal(error) from None
        return True

    def missing(self, distributions: Sequence[Distribution]) -> list[Distribution]:
        """Return those of some files that the index does not list.

        Raises:
            ChannelError: it cannot be read, or lists another file of the same name.
        """
        there = {row.filename: row.sha256 for row in self.distributions()}
        for row in distributions:
            if there.get(row.filename, row.sha256) != row.sha256:
                raise ChannelError(
                    f"{self.url}: {row.filename}: another file of that name is there "
                    f"(expected sha256 {row.sha256}, got {there[row.filename] or 'none'})",
                    hint="what was published stays as it is: build a new version",
                )
        return [row for row in distributions if row.filename not in there]

    def refusal(self, error: web.WebError) -> ChannelError:
        """Return what a channel says of an answer that it cannot use."""
        hint = None
        if isinstance(error, web.RefusedError):
            hint = sign_in(self.found)
        return ChannelError(self._scrubbed(error.message), hint=hint)

    def _scrubbed(self, text: str) -> str:
        known = self.found.credential
        return text if known is None else known.scrubbed(text)

    def _get(self, url: str, limit: int, accept: str = "*/*") -> web.Response:
        is_own = urlsplit(url)[:2] == urlsplit(self.url)[:2]
        known: Credential | None = self.found.credential if is_own else None
        return web.get(url, seconds=self._seconds, limit=limit, accept=accept, credentials=known)


def sign_in(found: credential.Found) -> str:
    """Return what to do where an index refuses, in words."""
    if found.credential is not None:
        return f"the user and password used are from: {found.credential.place}"
    notes = "".join(f"; {note}" for note in found.notes)
    names = f"{credential.USERNAME} and {credential.PASSWORD}"
    return f"set {names}, or put user and password into netrc or the keyring{notes}"


class RemoteChannel:
    """What all channels have in common that an index serves.

    Args:
        name: which channel it is.
        location: where it is, for messages.
        index: what serves it.
    """

    def __init__(self, name: str, location: str, index: RemoteIndex) -> None:
        self.name = name
        self.location = location
        self._index = index

    def distributions(self) -> tuple[Distribution, ...]:
        """Return every file that the index serves, those of its bases, too; read anew.

        Raises:
            ChannelError: it cannot be read.
        """
        return self._index.distributions()

    def fetch(self, distribution: Distribution) -> bytes:
        """Return the bytes of a file, whose SHA-256 is the one told.

        Raises:
            ChannelError: it cannot be read.
            AlteredError: it is another file.
        """
        return self._index.fetch(distribution)
