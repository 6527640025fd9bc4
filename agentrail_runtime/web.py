"""Asking a server on the web, with a bound on everything: time, size, redirects, and where to.

HTTPS with checked certificates, or plain HTTP to this machine alone. The environment's proxies count
for what is not on this machine. There is one deadline for the whole of a question: looking up the name,
connecting, the handshake, every redirect and every byte of the answer.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from agentrail_runtime.deadline import Deadline, within
from agentrail_runtime.errors import AgentRailError, UsageError
from agentrail_runtime.release.policy import url_problem
from agentrail_runtime.version import __version__

if TYPE_CHECKING:
    from agentrail_runtime.credential import Credential

MOST_REDIRECTS: Final = 3
"""How often an answer may send on."""

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_BUSY: Final = (408, 429)
_GONE: Final = (404, 410)
_CHUNK: Final = 1 << 16
_MAX_ERROR_BODY: Final = 1 << 16
_LOCAL: Final = ("127.0.0.1", "::1", "localhost")
_TUNNEL: Final = re.compile(r"Tunnel connection failed: (\d{3})")


class WebError(AgentRailError):
    """No answer, or none that can be used.

    `status` is the one of HTTP, None where there was none; `body` is how the answer begins.
    """

    status: int | None = None
    body: bytes = b""


class UnreachableError(WebError):
    """Nobody answered, in time or at all, or a server that cannot answer now (5xx, 408, 429)."""


class RefusedError(WebError):
    """The server answered that it does not answer that: 401, 403 and other 4xx."""


class MissingError(WebError):
    """The server answered that it has no such thing: 404 or 410."""


class UntrustedError(WebError):
    """Something answered that is not to be believed.

    A wrong certificate, no HTTP, more than was asked for, a redirect to where none may lead.
    """


class Response(NamedTuple):
    """An answer: `headers` are found in any case; `url` is where it came from, after redirects."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    url: str


def get(
    url: str, *, seconds: float, limit: int, accept: str = "*/*", credentials: Credential | None = None
) -> Response:
    """Return what is at a URL.

    Args:
        url: https, or http to this machine.
        seconds: how long all of it may take.
        limit: how many bytes the answer may have.
        accept: the header ``Accept`` (RFC 9110).
        credentials: for the host of `url`; sent to no other that it redirects to.

    Raises:
        UsageError: `url` may not be asked, or the proxy for it is of an unknown kind.
        UnreachableError: nobody answered in time, or a server that cannot now.
        RefusedError: the server does not answer that, or not to this user.
        MissingError: there is no such thing.
        UntrustedError: something answered that is not to be believed.
    """
    headers = {"Accept": accept}
    return send("GET", url, seconds=seconds, limit=limit, headers=headers, credentials=credentials)


def send(
    method: str,
    url: str,
    *,
    seconds: float,
    limit: int,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    credentials: Credential | None = None,
) -> Response:
    """Return what a server answers to a request; only those with GET follow a redirect.

    Args:
        method: of HTTP.
        url: https, or http to this machine.
        seconds: how long all of it may take.
        limit: how many bytes the answer may have.
        headers: what to send besides the usual.
        body: what to send.
        credentials: for the host of `url`; sent to no other.

    Raises:
        UsageError: `url` may not be asked, or the proxy for it is of an unknown kind.
        UnreachableError: nobody answered in time, or a server that cannot now.
        RefusedError: the server does not answer that, or not to this user.
        MissingError: there is no such thing.
        UntrustedError: something answered that is not to be believed.
    """
    if problem := _problem(url):
        raise UsageError(f"{shown(url)}: {problem}", hint="name the URL of an index, without a user")
    deadline = Deadline(seconds)
    first = urlsplit(url)
    for _ in range(MOST_REDIRECTS + 1):
        own = _origin(urlsplit(url)) == _origin(first)
        sent = {"User-Agent": f"agentrail-runtime/{__version__}", **(headers or {})}
        if credentials is not None and own:
            sent["Authorization"] = credentials.basic()
        exchange = _Exchange(method, url, sent, body, limit, deadline)
        response = exchange.answer()
        if method != "GET" or response.status not in _REDIRECTS:
            return _judged(response)
        url = _next(url, response)
    raise UntrustedError(f"{shown(url)}: is behind too many redirects (expected {MOST_REDIRECTS})")


def shown(url: str) -> str:
    """Return `url` without what may be secret in it: user, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "URL"
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return "".join(c if c.isprintable() else "?" for c in urlunsplit(bare)[:500])


def _problem(url: str) -> str:
    """Return why `url` may not be asked; unlike that of an index it may have a query."""
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")
        is_clean = not any(c.isspace() or not c.isprintable() for c in parts.netloc)
        bare = urlunsplit(parts._replace(query="", fragment=""))
    except ValueError:
        return "expected an https URL"
    return url_problem(bare) if is_clean else "expected an https URL"


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _next(url: str, response: Response) -> str:
    """Return where an answer sends on to.

    Raises:
        UntrustedError: nowhere, or to where no answer of ours may come from.
    """
    try:
        following = urljoin(url, response.headers.get("Location") or "")
    except ValueError:
        following = ""
    problem = _problem(following)
    if not problem and urlsplit(url).scheme == "https" != urlsplit(following).scheme:
        problem = "expected https"
    if not problem:
        return following
    told = f"{shown(url)}: redirects to {shown(following) or 'nowhere'}: {problem}"
    raise UntrustedError(told)


def _judged(response: Response) -> Response:
    """Return an answer that is one.

    Raises:
        UnreachableError: by its status, the server cannot answer now.
        RefusedError: it does not answer that.
        MissingError: it has no such thing.
        UntrustedError: the status is none that was asked for.
    """
    status = response.status
    if 200 <= status < 300:
        return response
    kind: type[WebError] = UntrustedError
    if status in _GONE:
        kind = MissingError
    elif status in _BUSY or status >= 500:
        kind = UnreachableError
    elif status >= 400:
        kind = RefusedError
    reason = http.client.responses.get(status, "unknown")
    error = kind(f"{shown(response.url)}: answers {status} {reason}")
    error.status, error.body = status, response.body
    raise error


class _Exchange:
    """One request and its answer, over a connection of its own."""

    def __init__(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        limit: int,
        deadline: Deadline,
    ) -> None:
        self._method = method
        self._url = url
        self._headers = headers
        self._body = body
        self._limit = limit
        self._deadline = deadline
        self._socket: socket.socket | None = None

    def answer(self) -> Response:
        """Return the answer, whatever its status; that of an error is cut, where it is long.

        Raises:
            UnreachableError: nobody answered in time.
            RefusedError: the proxy did, and refused.
            UntrustedError: something answered that is no HTTP, too long, or not who it should be.
        """
        try:
            return within(self._deadline, self._exchanged, self._cut)
        except WebError:
            raise
        except TimeoutError:
            raise self._unreachable("no answer in time") from None
        except ssl.SSLCertVerificationError as error:
            told = f"its certificate is not valid ({error.verify_message})"
            raise UntrustedError(f"{shown(self._url)}: {told}") from None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise self._unreachable("the connection was cut") from None
        except ssl.SSLError as error:
            told = f"no TLS as expected ({error.reason or 'unknown'})"
            raise UntrustedError(f"{shown(self._url)}: {told}") from None
        except (http.client.IncompleteRead, http.client.RemoteDisconnected):
            raise self._unreachable("the connection was cut") from None
        except OSError as error:
            raise self._from_system(error) from None
        except (http.client.HTTPException, ValueError) as error:
            told = f"no answer as HTTP has it ({type(error).__name__})"
            raise UntrustedError(f"{shown(self._url)}: {told}") from None

    def _unreachable(self, why: str) -> UnreachableError:
        return UnreachableError(f"{shown(self._url)}: cannot be reached: {why}")

    def _from_system(self, error: OSError) -> WebError:
        """Return what an error of the system, or the answer of a proxy, comes to."""
        if tunnel := _TUNNEL.search(str(error)):
            status = int(tunnel.group(1))
            kind = UnreachableError if status >= 500 or status in _BUSY else RefusedError
            refused = kind(f"{shown(self._url)}: the proxy for it answers {status}")
            refused.status = status
            return refused
        return self._unreachable(error.strerror or type(error).__name__)

    def _cut(self) -> None:
        """End the connection under the thread that waits at it."""
        if self._socket is not None:
            with suppress(OSError):  # past TLS, which would wait for the other side
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _exchanged(self) -> Response:
        parts = urlsplit(self._url)
        connection = _connection(parts, self._deadline.left())
        try:
            _connect(connection)
            sock = self._socket = connection.sock
            connection.request(self._method, _path(parts), self._body, {**self._headers})
            with connection.getresponse() as response:
                return Response(
                    response.status, response.headers, self._read(response, sock), self._url
                )
        finally:
            connection.close()

    def _read(self, response: http.client.HTTPResponse, sock: socket.socket) -> bytes:
        """Return the body, or how that of a refusal begins; none where the status alone tells all."""
        if response.status >= 300:
            most = 0 if self._method == "GET" else _MAX_ERROR_BODY
            return self._read_some(response, sock, most)
        size = response.length
        if size is not None and size > self._limit:
            raise self._too_large()
        data = self._read_some(response, sock, self._limit + 1)
        if len(data) > self._limit:
            raise self._too_large()
        if size is not None and len(data) < size:
            raise self._unreachable("the connection was cut")
        return data

    def _read_some(self, response: http.client.HTTPResponse, sock: socket.socket, most: int) -> bytes:
        data = bytearray()
        while len(data) < most:
            sock.settimeout(self._deadline.left())
            chunk = response.read1(min(_CHUNK, most - len(data)))
            if not chunk:
                break
            data += chunk
        return bytes(data)

    def _too_large(self) -> UntrustedError:
        told = f"answers with too much (expected at most {self._limit} bytes)"
        return UntrustedError(f"{shown(self._url)}: {told}")


def _path(parts: SplitResult) -> str:
    """Return what is asked for, with every byte that HTTP does not take escaped."""
    path = parts.path or "/"
    if parts.query:
        path = f"{path}?{parts.query}"
    return quote(path, safe="/%:=&?~+!$,;'@()*[]")


def _connect(connection: http.client.HTTPConnection) -> None:
    try:
        connection.connect()
    except OSError as error:
        # Where a proxy refuses, Python 3.10 leaves its answer open, in a frame of its own.
        traceback.clear_frames(error.__traceback__)
        raise


def _connection(parts: SplitResult, seconds: float) -> http.client.HTTPConnection:
    """Return a connection to the host of a URL, by the proxy of the environment, if any."""
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=seconds)
    context = ssl.create_default_context()
    proxy = _proxy(host)
    if proxy is None:
        return http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
    connection = http.client.HTTPSConnection(
        proxy.hostname or "", proxy.port or 80, timeout=seconds, context=context
    )
    headers = {}
    if proxy.username is not None:
        from agentrail_runtime.credential import Credential

        known = Credential(unquote(proxy.username), unquote(proxy.password or ""), "proxy")
        headers["Proxy-Authorization"] = known.basic()
    connection.set_tunnel(host, port or 443, headers)
    return connection


def _proxy(host: str) -> SplitResult | None:
    """Return the proxy that the environment names for an https host, None for none.

    Raises:
        UsageError: it is of a kind that cannot be used.
    """
    import urllib.request

    if host in _LOCAL or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    named = proxies.get("https") or proxies.get("all")
    if not named:
        return None
    try:
        parts = urlsplit(named if "://" in named else f"http://{named}")
        port = parts.port or 80
        if parts.scheme == "http" and parts.hostname and port:
            return parts
    except ValueError:
        pass
    variable = next(
        (name for name in ("https_proxy", "HTTPS_PROXY") if name in os.environ), "ALL_PROXY"
    )
    raise UsageError(f"{variable}: not a proxy that can be used (expected http://HOST:PORT)")
