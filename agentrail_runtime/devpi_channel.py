"""A channel that is an index of a devpi server (https://devpi.net/docs/), by its REST API.

Each channel is an index of its own, ``https://host/user/index``, and may have its own owner: the server
checks who may upload (``acl_upload``). A promotion is a push from index to index, so that the server
moves the very file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

from agentrail_runtime import credential, web
from agentrail_runtime.channel import Channel, ChannelError, Distribution
from agentrail_runtime.credential import Credential
from agentrail_runtime.release import metadata
from agentrail_runtime.release.policy import ChannelPolicy
from agentrail_runtime.release.simple_index import PROJECT, is_same_version
from agentrail_runtime.remote_index import SECONDS, RemoteChannel, RemoteIndex, sign_in

_SIMPLE: Final = "/+simple"
_MAX_ANSWER: Final = 1 << 20


class DevpiChannel(RemoteChannel):
    """An index of a devpi server; nothing is asked until there is need.

    Args:
        policy: `location` is the index, ``https://host/user/index``; without one, it is what
            `index_url` has before ``/+simple/``.
        seconds: how long one question may take.

    Raises:
        ChannelError: the policy names neither, or another kind of URL.
    """

    def __init__(self, policy: ChannelPolicy, *, seconds: float = SECONDS) -> None:
        named = policy.location or (policy.index_url or "").rstrip("/").removesuffix(_SIMPLE)
        parts = urlsplit(named.rstrip("/"))
        names = parts.path.split("/")
        if not parts.scheme or len(names) < 3 or not all(names[-2:]):
            raise ChannelError(
                f"channels.{policy.name}.location: expected an index such as https://host/user/index"
                f", got {named[:200] or 'none'}",
                hint="name it in distribution.yaml",
            )
        location = urlunsplit(parts)
        index = RemoteIndex(policy.index_url or f"{location}{_SIMPLE}/", seconds=seconds)
        super().__init__(policy.name, location, index)
        self._path = "/".join(names[-2:])
        self._server = urlunsplit(parts._replace(path="/".join(names[:-2])))
        self._seconds = seconds
        self._token: Credential | None = None

    def add(self, distributions: Sequence[Distribution], origin: Channel) -> None:
        """Put files into this index: pushed by the server from another index of its, else uploaded.

        Files that are there already, with the same bytes, are left alone.

        Raises:
            ChannelError: a file of the same name but other bytes is there, or the server refused; what
                was there is still there.
        """
        missing = self._index.missing(distributions)
        for version in dict.fromkeys(row.version for row in missing):
            own = [row for row in missing if row.version == version]
            if isinstance(origin, DevpiChannel) and self._is_pushed(own, origin):
                self._push(version, origin)
            else:
                for row in own:
                    self._upload(row, origin.fetch(row))
        if left := self._index.missing(distributions):
            raise ChannelError(
                f"{self.location}: {left[0].filename}: not there, although the server took it"
            )

    def withdraw(self, version: str, reason: str) -> bool:
        """Remove a version from the index; tell whether it is gone for pinned users, too.

        It is not where another index, one of the bases of this one, serves it. The server has no place
        for `reason`.

        Raises:
            ChannelError: the server refused, or there is no such version.
        """
        del reason
        own = [row for row in self.distributions() if is_same_version(row.version, version)]
        told = own[0].version if own else version
        self._ask("DELETE", f"{self.location}/{PROJECT}/{quote(told)}?force=1")
        left = [row for row in self.distributions() if is_same_version(row.version, version)]
        return not left and not any(self._index.is_served(row) for row in own)

    def _is_pushed(self, rows: Sequence[Distribution], origin: DevpiChannel) -> bool:
        """Tell whether a push brings these files and no others: it takes all of a version."""
        if origin._server != self._server:
            return False
        version = rows[0].version
        all_rows = {row.filename for row in origin.distributions() if row.version == version}
        return all_rows == {row.filename for row in rows}

    def _push(self, version: str, origin: DevpiChannel) -> None:
        value = {"name": PROJECT, "version": version, "targetindex": self._path}
        self._ask("POST", origin.location, json.dumps(value).encode())

    def _upload(self, row: Distribution, data: bytes) -> None:
        boundary = os.urandom(16).hex()
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        self._ask("POST", f"{self.location}/", _form(row, data, boundary), kind)

    def _login(self) -> Credential:
        """Return the token that the server gives for user and password.

        Raises:
            ChannelError: there are none, or the server does not know them.
        """
        if self._token is not None:
            return self._token
        found = self._index.found
        if found.credential is None:
            raise ChannelError(f"{self.location}: no user to log in with", hint=sign_in(found))
        user, secret = found.credential.reveal()
        body = json.dumps({"user": user, "password": secret}).encode()
        answer = self._sent("POST", f"{self._server}/+login", body, {}, None)
        result = answer.get("result")
        token = result.get("password") if isinstance(result, dict) else None
        if not isinstance(token, str):
            raise ChannelError(f"{self._server}: the login gave no token (expected a devpi server)")
        self._token = Credential(user, token, found.credential.place)
        return self._token

    def _ask(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self._sent(method, url, body, headers or {}, self._login())

    def _sent(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        token: Credential | None,
    ) -> dict[str, Any]:
        """Return the answer to a request, an empty one where it is no JSON.

        Raises:
            ChannelError: the server refused, with what it says of that, or cannot be reached.
        """
        given = {"Accept": "application/json", "Content-Type": "application/json", **headers}
        try:
            answer = web.send(
                method,
                url,
                seconds=self._seconds,
                limit=_MAX_ANSWER,
                headers=given,
                body=body,
                credentials=token,
            )
            return _json(answer.body)
        except web.WebError as error:
            told = self._index.refusal(error)
            message = _json(error.body).get("message")
            if isinstance(message, str):
                told.message = f"{told.message}: {self._shown(message, token)}"
                told.args = (told.message,)
            raise told from None

    def _shown(self, text: str, token: Credential | None) -> str:
        """Return what the server says, on one line, without any secret in it."""
        for known in (token, self._index.found.credential):
            text = text if known is None else known.scrubbed(text)
        return credential.printable(text)


def _json(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _form(row: Distribution, data: bytes, boundary: str) -> bytes:
    """Return the form of an upload.

    See https://docs.pypi.org/api/upload/, which devpi follows.
    """
    is_wheel = row.filename.endswith(".whl")
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": PROJECT,
        "version": row.version,
        "filetype": "bdist_wheel" if is_wheel else "sdist",
        "pyversion": row.filename.split("-")[-3] if is_wheel else "source",
        "sha256_digest": row.sha256,
        "requires_python": _requires_python(row, data),
    }
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    disposition = f'form-data; name="content"; filename="{row.filename}"'
    parts.append(
        f"--{boundary}\r\nContent-Disposition: {disposition}\r\n"
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return "".join(parts).encode() + data + f"\r\n--{boundary}--\r\n".encode()


def _requires_python(row: Distribution, data: bytes) -> str:
    try:
        return metadata.read(row.filename, data).requires_python or ""
    except metadata.MetadataError as error:
        raise ChannelError(f"{row.filename}: {error}") from None
