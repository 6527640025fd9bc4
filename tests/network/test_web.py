"""Asking servers that answer well, badly, slowly or not at all."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from agentrail_runtime import web
from agentrail_runtime.credential import Credential
from agentrail_runtime.errors import UsageError
from agentrail_runtime.web import (
    MissingError,
    RefusedError,
    Response,
    UnreachableError,
    UntrustedError,
    WebError,
)
from tests.network.server import Behaviour, Server, drip, hang, raw, redirect, reply, serving

ANNA = Credential("anna", "s3cret", "test")
HEADERS = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


def get(url: str, *, credentials: Credential | None = None, seconds: float = 20.0) -> Response:
    return web.get(url, seconds=seconds, limit=1000, credentials=credentials)


def test_an_answer_has_status_headers_body_and_where_it_came_from() -> None:
    with serving(reply("hello", headers={"Content-Type": "text/plain"})) as server:
        answer = web.get(f"{server.url}/a b?c=ü#d", seconds=20, limit=5, accept="text/plain")
    assert (answer.status, answer.body, answer.url) == (200, b"hello", f"{server.url}/a b?c=ü#d")
    assert answer.headers.get("content-type") == "text/plain"
    assert server.requests[0].startswith("GET /a%20b?c=%C3%BC HTTP/1.1\r\n")
    assert "\r\nAccept: text/plain\r\n" in server.requests[0]
    assert "Authorization" not in server.requests[0]


def test_an_answer_in_chunks_or_without_a_length_is_whole() -> None:
    chunks = raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
    )
    until_its_end = raw(b"HTTP/1.0 200 OK\r\n\r\nhello")
    with serving({"/chunks": chunks, "/end": until_its_end}) as server:
        assert get(f"{server.url}/chunks").body == get(f"{server.url}/end").body == b"hello"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, None),
        (304, UntrustedError),
        (400, RefusedError),
        (401, RefusedError),
        (403, RefusedError),
        (404, MissingError),
        (406, RefusedError),
        (408, UnreachableError),
        (410, MissingError),
        (429, UnreachableError),
        (500, UnreachableError),
        (503, UnreachableError),
        (799, UnreachableError),
    ],
)
def test_a_status_is_told_for_what_it_is(status: int, kind: type[WebError] | None) -> None:
    with serving(reply("no", status)) as server:
        if kind is None:
            assert get(server.url).status == status
            return
        with pytest.raises(WebError) as caught:
            get(server.url)
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.message.startswith(f"{server.url}: answers {status} ")


def test_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UnreachableError, match="cannot be reached"):
        get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    "behave",
    [
        hang,
        drip(b""),
        drip(b"HTTP/1.1 200 OK\r\nX-Long: "),
        drip(HEADERS),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ],
    ids=["hangs", "drips a status", "drips a header", "drips a body", "drips a chunk"],
)
@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.usefixtures("trusted")
def test_a_server_that_hangs_or_drips_takes_no_more_than_the_time_given(
    behave: Behaviour, is_tls: bool
) -> None:
    with serving(behave, is_tls=is_tls) as server:
        start = time.monotonic()
        with pytest.raises(UnreachableError, match="no answer in time"):
            get(server.url, seconds=0.15)
        assert time.monotonic() - start < 3.5


def test_a_server_that_hangs_in_the_handshake_takes_no_more_than_the_time_given() -> None:
    with serving(hang, is_eager=True) as server, pytest.raises(UnreachableError, match="in time"):
        get(server.url.replace("http:", "https:"), seconds=0.2)


def test_a_name_server_that_hangs_takes_no_more_than_the_time_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = threading.Event()

    def look_up(*words: object) -> list[object]:
        end.wait()
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(UnreachableError, match="no answer in time"):
        get("https://index.example/", seconds=0.1)
    end.set()


def test_redirects_share_one_deadline() -> None:
    with serving({"/": redirect("/b"), "/b": hang}) as server, pytest.raises(UnreachableError):
        get(f"{server.url}/", seconds=0.3)


@pytest.mark.parametrize(
    "behave",
    [
        raw(b""),
        raw(HEADERS + b"short"),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"),
    ],
    ids=["at once", "in the body", "in a chunk"],
)
def test_a_connection_that_is_cut_is_no_answer(behave: Behaviour) -> None:
    with serving(behave) as server, pytest.raises(UnreachableError, match="the connection was cut"):
        get(server.url)


@pytest.mark.parametrize(
    "behave",
    [
        reply("x" * 1001),
        reply("x", length=10**12),
        raw(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 2000),
    ],
    ids=["told", "told alone", "untold"],
)
def test_more_than_the_limit_is_not_read(behave: Behaviour) -> None:
    with serving(behave) as server, pytest.raises(UntrustedError, match="at most 1000 bytes"):
        get(server.url)


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"x" * 70_000 + b"\r\n"]
)
def test_what_is_no_http_is_not_believed(data: bytes) -> None:
    with serving(raw(data)) as server, pytest.raises(UntrustedError, match="no answer as HTTP has it"):
        get(server.url)


def test_a_certificate_that_nobody_vouches_for_is_not_believed() -> None:
    with (
        serving(reply("hello"), is_tls=True) as server,
        pytest.raises(UntrustedError, match="certificate is not valid"),
    ):
        get(server.url, credentials=ANNA)
    assert server.requests == []


@pytest.mark.usefixtures("trusted")
def test_a_certificate_that_is_trusted_is_enough() -> None:
    with serving(reply("hello"), is_tls=True) as server:
        assert get(server.url.replace("127.0.0.1", "localhost")).body == b"hello"


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_host_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo
    local = lambda host, *rest, **more: look_up("127.0.0.1", *rest, **more)  # noqa: E731
    monkeypatch.setattr(socket, "getaddrinfo", local)
    with (
        serving(reply("hello"), is_tls=True) as server,
        pytest.raises(UntrustedError, match="certificate is not valid"),
    ):
        get(server.url.replace("127.0.0.1", "other.example"))


def test_plain_http_where_https_is_asked_is_not_believed() -> None:
    with (
        serving(raw(b"HTTP/1.1 400 no\r\n\r\n"), is_eager=True) as server,
        pytest.raises(UntrustedError, match="no TLS as expected"),
    ):
        get(server.url.replace("http:", "https:"))


def test_a_handshake_that_is_cut_is_no_answer() -> None:
    with serving(raw(b""), is_eager=True) as server, pytest.raises(UnreachableError):
        get(server.url.replace("http:", "https:"))


def test_three_redirects_are_followed_and_no_fourth() -> None:
    routes = {"/1": redirect("/2"), "/2": redirect("3"), "/3": redirect("/4?token=t"), "*": reply("x")}
    with serving({**routes, "/0": redirect("/1")}) as server:
        assert get(f"{server.url}/1").url == f"{server.url}/4?token=t"
        with pytest.raises(UntrustedError, match=r"/4: is behind too many redirects") as caught:
            get(f"{server.url}/0")
    assert "token" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://index.example/", "expected https"),
        ("ftp://index.example/", "expected an https URL"),
        ("file:///etc/passwd", "expected an https URL"),
        ("https://anna:s3cret@index.example/", "has a user or a password in it"),
        ("https://[::1", "expected an https URL"),
    ],
)
def test_a_redirect_leads_to_https_alone(url: str, why: str) -> None:
    with serving(redirect(url)) as server, pytest.raises(UntrustedError, match=why) as caught:
        get(server.url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.usefixtures("trusted")
def test_a_redirect_never_leads_from_https_to_http() -> None:
    with (
        serving(reply("x")) as plain,
        serving(redirect(plain.url), is_tls=True) as server,
        pytest.raises(UntrustedError, match="expected https"),
    ):
        get(server.url)
    assert plain.requests == []


def test_the_password_goes_to_the_host_that_it_is_for_and_to_no_other() -> None:
    with (
        serving(reply("x")) as other,
        serving({"/a": redirect("/b"), "/b": redirect(f"{other.url}/c")}) as server,
    ):
        get(f"{server.url}/a", credentials=ANNA)
    assert ["Authorization: Basic YW5uYTpzM2NyZXQ=" in text for text in server.requests] == [True, True]
    assert "Authorization" not in other.requests[0]


@pytest.mark.parametrize(
    "url",
    [
        "http://index.example/",
        "https://anna:s3cret@index.example/",
        "https://ind ex.example/",
        "https://ind\u200bex\x1b.example/",
        f"https://{'a' * 70}.example/",
        "https://[::1",
        "index.example",
    ],
)
def test_a_url_that_may_not_be_asked_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        get(url)
    assert "s3cret" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_what_a_server_says_to_a_request_it_refuses_is_kept() -> None:
    with serving(reply('{"message": "no"}', 403)) as server, pytest.raises(RefusedError) as caught:
        web.send("POST", server.url, seconds=20, limit=1000, body=b"{}", credentials=ANNA)
    assert caught.value.body == b'{"message": "no"}'
    assert server.requests[0].startswith("POST / HTTP/1.1\r\n")


def test_a_request_that_changes_something_follows_no_redirect() -> None:
    with serving(redirect("/b")) as server, pytest.raises(UntrustedError, match="answers 302"):
        web.send("POST", server.url, seconds=20, limit=1000, body=b"{}")
    assert len(server.requests) == 1


def proxied(monkeypatch: pytest.MonkeyPatch, url: str, variable: str = "https_proxy") -> None:
    monkeypatch.setenv(variable, url)


def tunnel(server: Server) -> Behaviour:
    """Connect to `server`, whatever host was asked for."""

    def copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while chunk := source.recv(65536):
                sink.sendall(chunk)
        except OSError:
            pass

    def behave(connection: socket.socket, end: threading.Event) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as there:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=copy, args=[there, connection])
            back.start()
            copy(connection, there)
            there.shutdown(socket.SHUT_RDWR)
            back.join()

    return behave


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("variable", ["https_proxy", "ALL_PROXY"])
def test_the_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    with serving(reply("hello"), is_tls=True) as index, serving(tunnel(index)) as proxy:
        proxied(monkeypatch, proxy.url.replace("//", "//anna:s3cret@"), variable)
        assert get("https://index.example/").body == b"hello"
    assert proxy.requests[0].startswith("CONNECT index.example:443 ")
    assert "Proxy-Authorization: Basic YW5uYTpzM2NyZXQ=" in proxy.requests[0]
    assert "Proxy-Authorization" not in index.requests[0]


@pytest.mark.parametrize("named", ["127.0.0.1:{}", "http://127.0.0.1:{}"])
@pytest.mark.parametrize(
    ("status", "kind"), [(403, RefusedError), (407, RefusedError), (502, UnreachableError)]
)
def test_a_proxy_that_refuses_is_told_from_one_that_cannot(
    monkeypatch: pytest.MonkeyPatch, named: str, status: int, kind: type[WebError]
) -> None:
    with serving(reply("no", status)) as proxy:
        proxied(monkeypatch, named.format(proxy.port))
        with pytest.raises(kind, match=f"the proxy for it answers {status}"):
            get("https://index.example/")


@pytest.mark.parametrize("url", ["socks5://anna:s3cret@127.0.0.1:9", "http://[::1", "http://:80"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str, variable: str
) -> None:
    proxied(monkeypatch, url, variable)
    with pytest.raises(UsageError, match=f"{variable}: not a proxy") as caught:
        get("https://index.example/")
    assert "s3cret" not in str(caught.value)


@pytest.mark.usefixtures("trusted")
def test_no_proxy_is_asked_for_this_machine_or_where_the_environment_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxied(monkeypatch, "http://127.0.0.1:9")
    with serving(reply("hello"), is_tls=True) as server:
        assert get(server.url).body == b"hello"
    monkeypatch.setenv("no_proxy", "index.example")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *words: [])
    with pytest.raises(UnreachableError):
        get("https://index.example/")
