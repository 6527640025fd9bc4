"""What all kinds of channels share: what one holds, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from agentrail_runtime.errors import AgentRailError


class ChannelError(AgentRailError):
    """A channel cannot be read, or refused what was asked; the message says what stands there now."""


class AlteredError(ChannelError):
    """A channel serves other bytes than were published, or its pages were altered."""

    code = 6


class Distribution(NamedTuple):
    """One file of a release, as a channel tells of it.

    `yanked` is the reason (PEP 592), None where it is not yanked; `url` is where its bytes are.
    """

    filename: str
    version: str
    sha256: str
    size: int | None = None
    yanked: str | None = None
    url: str = ""


class Channel(Protocol):
    """What publish, promote, withdraw and status need of a channel."""

    @property
    def name(self) -> str:
        """``internal``, ``pilot`` or ``general``."""

    @property
    def location(self) -> str:
        """Where it is, for messages: no user, no password."""

    def distributions(self) -> tuple[Distribution, ...]:
        """Return every file that the channel serves, read anew.

        Raises:
            ChannelError: it cannot be read.
        """

    def fetch(self, distribution: Distribution) -> bytes:
        """Return the bytes of a file, whose SHA-256 is the one told.

        Raises:
            ChannelError: it cannot be read.
            AlteredError: it is another file.
        """

    def add(self, distributions: Sequence[Distribution], origin: Channel) -> None:
        """Put files of another channel (or of a directory of built files) into this one.

        Raises:
            ChannelError: it refused; what was there before is still there.
        """

    def withdraw(self, version: str, reason: str) -> bool:
        """Take a version out; tell whether it is gone for pinned users, too.

        Raises:
            ChannelError: it refused, or there is no such version.
        """
