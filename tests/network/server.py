"""A server on a free port of this machine that answers as a test says, well or badly."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

CERTIFICATE = Path(__file__).parent / "data" / "localhost.pem"
"""Made for these tests alone: for localhost, 127.0.0.1 and index.example, signed by itself."""

Behaviour = Callable[[socket.socket, threading.Event], None]
"""What is done with a connection whose request was read, until an event says that the test is over."""


def reply(
    body: bytes | str = b"",
    status: int = 200,
    *,
    length: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Behaviour:
    """Answer as HTTP has it; `length` is what it says of the body's length where that is a lie."""
    data = body.encode() if isinstance(body, str) else body
    told = {"Content-Length": str(len(data) if length is None else length), **(headers or {})}
    lines = [f"HTTP/1.1 {status} whatever", *(f"{name}: {value}" for name, value in told.items())]
    return raw("\r\n".join([*lines, "", ""]).encode() + data)


def raw(data: bytes) -> Behaviour:
    """Send these bytes."""

    def behave(connection: socket.socket, end: threading.Event) -> None:
        connection.sendall(data)

    return behave


def redirect(url: str) -> Behaviour:
    """Send on to `url`."""
    return reply(status=302, headers={"Location": url})


def hang(connection: socket.socket, end: threading.Event) -> None:
    """Answer nothing, and keep the connection."""
    end.wait()


def drip(start: bytes) -> Behaviour:
    """Send `start`, then one byte every now and then, for ever."""

    def behave(connection: socket.socket, end: threading.Event) -> None:
        connection.sendall(start)
        while not end.wait(0.02):
            connection.sendall(b"x")

    return behave


class Server:
    """Answers every path as `routes` says, ``*`` for those that it does not name."""

    def __init__(self, routes: Mapping[str, Behaviour], *, is_tls: bool, is_eager: bool) -> None:
        self._is_eager = is_eager
        self.requests: list[str] = []
        self._routes = routes
        self._end = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context: ssl.SSLContext | None = None
        if is_tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(CERTIFICATE)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if is_tls else 'http'}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def close(self) -> None:
        """End all connections."""
        self._end.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=[connection])
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(10)
            if self._context is None:
                self._talk(connection)
            else:
                with self._context.wrap_socket(connection, server_side=True) as secured:
                    self._talk(secured)

    def _talk(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data and not (self._is_eager and data):
            chunk = connection.recv(65536)
            if not chunk:
                return
            data += chunk
        request = data.decode("latin-1")
        self.requests.append(request)
        path = "*" if self._is_eager else request.split(" ")[1]
        behave = self._routes.get(path) or self._routes["*"]
        behave(connection, self._end)


@contextmanager
def serving(
    routes: Mapping[str, Behaviour] | Behaviour, *, is_tls: bool = False, is_eager: bool = False
) -> Iterator[Server]:
    """Serve while the block runs.

    Args:
        routes: what is done by path; one behaviour is for every path.
        is_tls: whether it speaks TLS.
        is_eager: whether it does not wait for a whole request.
    """
    all_routes = {"*": routes} if callable(routes) else routes
    server = Server(all_routes, is_tls=is_tls, is_eager=is_eager)
    try:
        yield server
    finally:
        server.close()
