"""Who one is to an index: user and password from the environment, ``.netrc`` or the keyring.

They are asked in this order, and the first that knows the host is believed: what was set for this run,
then the user's file, then the keyring, as pip does
(https://pip.pypa.io/en/stable/topics/authentication/). A URL never carries them.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from agentrail_runtime import plain_file
from agentrail_runtime.deadline import Deadline, within

USERNAME: Final = "AGENTRAIL_INDEX_USERNAME"
"""The variable for the user."""

PASSWORD: Final = "AGENTRAIL_INDEX_PASSWORD"  # noqa: S105 - the name of the variable
"""The variable for the password."""

KEYRING_SECONDS: Final = 2.0
"""How long the keyring is waited for: one that is locked asks somebody, perhaps for ever."""

_MAX_NETRC: Final = 1 << 20


class Credential:
    """A user and a password that are never shown: not by `repr`, not by `str`, not in a message.

    Args:
        user: the user.
        secret: the password or token.
        place: where they are from, for messages.
    """

    __slots__ = ("_secret", "_user", "place")

    def __init__(self, user: str, secret: str, place: str) -> None:
        self._user = user
        self._secret = secret
        self.place = place

    def __repr__(self) -> str:
        return f"<credential: {self.place}>"

    def __reduce__(self) -> Any:
        raise TypeError("a credential is not written anywhere")

    def reveal(self) -> tuple[str, str]:
        """Return user and password, for what sends them."""
        return self._user, self._secret

    def basic(self) -> str:
        """Return the value of the header ``Authorization`` (RFC 7617)."""
        return f"Basic {base64.b64encode(f'{self._user}:{self._secret}'.encode()).decode()}"

    def scrubbed(self, text: str) -> str:
        """Return what somebody else wrote, without the password in any form that it was sent in."""
        forms = (self._secret, quote(self._secret, safe=""), self.basic().partition(" ")[2])
        for form in sorted(filter(None, forms), key=len, reverse=True):
            text = text.replace(form, "***")
        return text


class Found(NamedTuple):
    """What was found for a host; `notes` say what is wrong with a place that was asked."""

    credential: Credential | None
    notes: tuple[str, ...] = ()


def find(url: str, *, seconds: float = KEYRING_SECONDS) -> Found:
    """Return the credential for the host of `url`, without asking anybody.

    Args:
        url: of an index, with no user in it.
        seconds: how long the keyring may take, at most `KEYRING_SECONDS`.
    """
    notes: list[str] = []
    user, secret = os.environ.get(USERNAME, ""), os.environ.get(PASSWORD)
    if secret and not user:
        notes.append(f"{PASSWORD} is not used: {USERNAME} is not set, too")
    elif user and secret:
        return Found(Credential(user, secret, "environment"))
    found = _from_netrc(urlsplit(url).hostname or "", notes) if not user else None
    found = found or _from_keyring(url, user, min(seconds, KEYRING_SECONDS), notes)
    return Found(found, tuple(notes))


def printable(text: str) -> str:
    """Return what a server or a program says as one line that a terminal may show, cut to 500."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)  # colours
    shown = "".join(char if char.isprintable() else " " for char in plain)
    return " ".join(shown.split())[:500]


def _from_netrc(host: str, notes: list[str]) -> Credential | None:
    import netrc

    path = next((path for path in _netrc_paths() if os.path.lexists(path)), None)
    if path is None:
        return None
    try:
        plain_file.read(path, _MAX_NETRC, is_linked=True).decode("utf-8")
        known = netrc.netrc(path).authenticators(host)
        is_open = os.name == "posix" and bool(os.stat(path).st_mode & 0o077)
    except OSError as error:
        notes.append(f"{path} is not used: {error.strerror}")
        return None
    except netrc.NetrcParseError as error:  # its message has the word in it, which may be a password
        notes.append(f"{path} is not used: line {error.lineno} is not as netrc(5) says")
        return None
    except ValueError:
        notes.append(f"{path} is not used: not UTF-8")
        return None
    if known is None or not known[2]:
        return None
    if is_open:
        notes.append(f"{path}: others may read it (expected mode 600): chmod 600 {path}")
    return Credential(known[0] or "", known[2], "netrc")


def _netrc_paths() -> Iterator[str]:
    named = os.environ.get("NETRC")
    if named:
        yield named
        return
    home = os.path.expanduser("~")
    yield os.path.join(home, ".netrc")
    yield os.path.join(home, "_netrc")


def _from_keyring(url: str, user: str, seconds: float, notes: list[str]) -> Credential | None:
    """Return what the package ``keyring`` knows, by the URL or by the host, as pip asks it."""
    services = (url, urlsplit(url).netloc)

    def ask() -> Credential | None:
        import keyring

        for service in services:
            known = keyring.get_credential(service, user or None)
            if known is not None and known.password:
                return Credential(known.username or "", known.password, "keyring")
        return None

    try:
        return within(Deadline(seconds), ask)
    except ImportError:
        return None
    except TimeoutError:
        notes.append(f"the keyring is not used: no answer in {seconds:.1f} s")
    except Exception as error:  # a back end of anybody's
        if type(error).__name__ != "NoKeyringError":
            notes.append(f"the keyring is not used: {type(error).__name__}")
    return None
