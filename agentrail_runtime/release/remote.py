"""The URL of a git remote as the name of a repository: the same one however it is reached."""

from __future__ import annotations

import re
from typing import Final

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/]*)(?P<path>.*)", re.S
)
# scp's way (git-clone(1), GIT URLS): a colon before any slash; one letter before it is a drive.
_SCP: Final = re.compile(r"(?P<authority>[^/\\]{2,}?):(?P<path>.*)", re.S)
_PORT: Final = re.compile(r":[0-9]*\Z")


def name(url: str) -> str:
    """Return what the spellings of one repository's URL have in common: host and path.

    Scheme, user, password, port, query and the suffix ``.git`` go, and the host is in lower case; a
    path on this machine stays as it is but for the suffix.
    """
    url = url.strip()
    match = _URL.fullmatch(url) or _SCP.fullmatch(url)
    if match is None:
        return _bare(url)
    path = _bare(match["path"].partition("?")[0].partition("#")[0])
    host = _PORT.sub("", match["authority"].rpartition("@")[2]).lower()
    return f"{host}/{path.lstrip('/')}" if host else path


def _bare(path: str) -> str:
    """Return `path` without what may or may not end it."""
    return path.rstrip("/").removesuffix(".git").rstrip("/")
