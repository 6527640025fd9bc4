"""A withdrawn version is not installed: lists in a file, at a URL, in the target; and other files."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime import denial, web
from agentrail_runtime.denial import DENIED_PATH, refuse_denied
from agentrail_runtime.errors import SourceError, UsageError
from agentrail_runtime.release.deny_list import DenyList, dump, with_denied
from agentrail_runtime.signing import Trust, sign
from agentrail_runtime.target import Target
from tests.channel_support import make_key
from tests.support import install, make_bundle, write

pytestmark = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen on this machine"
)
SINCE = "2030-12-31T08:00:00Z"
FIRST = with_denied(DenyList(), "1.1.0", reason="breaks rollback", since=SINCE)
SECOND = with_denied(FIRST, "1.2.0", reason="slow", since=SINCE)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key of who publishes the list."""
    return make_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def trust(key: Path) -> Trust:
    """Believe that key alone."""
    return Trust(f"{key}.signers")


def publish(root: Path, listed: DenyList, key: Path, name: str = "denied.json") -> str:
    """Write a list and its signature; return its path."""
    data = dump(listed)
    write(root, {name: data, f"{name}.sig": sign(data, str(key))})
    return str(root / name)


class Server(http.server.BaseHTTPRequestHandler):
    """Answers with what is in `pages`: bytes, or a status."""

    def __init__(self, pages: Mapping[str, list[bytes | int]], *words: Any) -> None:
        self.pages = pages
        super().__init__(*words)

    def do_GET(self) -> None:
        answers = self.pages.get(self.path, [404])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(answer if isinstance(answer, int) else 200)
        self.end_headers()
        if isinstance(answer, bytes):
            self.wfile.write(answer)

    def log_message(self, format: str, *words: Any) -> None:
        pass


@pytest.fixture
def pages() -> dict[str, list[bytes | int]]:
    """What a server answers, by path."""
    return {}


@pytest.fixture
def url(pages: dict[str, list[bytes | int]]) -> Iterator[str]:
    """Where that server is asked for a list."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, pages)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/denied.json"
        server.shutdown()
        thread.join()


def asked(version: str, place: str, trust: Trust, **values: Any) -> tuple[str, ...]:
    return refuse_denied(version, place=place, target=None, trust=trust, **values)


def test_a_denied_version_is_refused_with_reason_date_and_what_to_type(
    tmp_path: Path, key: Path, trust: Trust
) -> None:
    place = publish(tmp_path, FIRST, key)
    with pytest.raises(SourceError) as caught:
        asked("1.1.0", place, trust)
    assert caught.value.message == (
        f"{place}: agentrail-runtime 1.1.0 was withdrawn on {SINCE}: breaks rollback"
    )
    assert caught.value.hint == (
        "install another version: pip install --upgrade 'agentrail-runtime!=1.1.0'"
    )
    assert asked("1.0.0", place, trust) == ()


def test_a_list_on_the_web_is_obeyed(
    url: str, pages: dict[str, list[bytes | int]], key: Path, trust: Trust
) -> None:
    data = dump(FIRST)
    pages["/denied.json?a=1"], pages["/denied.json.sig?a=1"] = [data], [sign(data, str(key))]
    with pytest.raises(SourceError, match=r"1\.1\.0 was withdrawn"):
        asked("1.1.0", f"{url}?a=1", trust)


def test_a_list_that_is_just_being_replaced_is_read_again(
    url: str, pages: dict[str, list[bytes | int]], key: Path, trust: Trust
) -> None:
    old, new = dump(FIRST), dump(SECOND)
    pages["/denied.json"] = [old, new]
    pages["/denied.json.sig"] = [sign(new, str(key))]
    with pytest.raises(SourceError, match=r"1\.2\.0 was withdrawn"):
        asked("1.2.0", url, trust)


def test_an_outage_is_a_note_and_stops_no_install(trust: Trust) -> None:
    (notice,) = asked("1.1.0", "http://127.0.0.1:9/denied.json", trust)
    assert "cannot be reached" in notice
    assert "whether this version was withdrawn is not known" in notice


def test_an_outage_is_an_error_where_signatures_are_required(trust: Trust) -> None:
    with pytest.raises(SourceError, match="cannot be reached"):
        asked("1.1.0", "http://127.0.0.1:9/denied.json", trust, is_required=True)


def test_where_no_list_was_published_yet_it_is_a_note(tmp_path: Path, url: str, trust: Trust) -> None:
    for place in (url, str(tmp_path / "denied.json")):
        (notice,) = asked("1.1.0", place, trust)
        assert notice.startswith(f"{place}: no list of denied versions there; whether this version was")
    with pytest.raises(SourceError, match="no list of denied versions there"):
        asked("1.1.0", url, trust, is_required=True)


def test_a_server_that_does_not_answer_in_time_is_an_outage(
    trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(url: str, **values: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(web, "get", late)
    (notice,) = asked("1.1.0", "https://example.org/denied.json", trust)
    assert notice.startswith("https://example.org/denied.json: no answer in 3 s")


def test_a_server_that_refuses_the_list_is_no_outage(
    url: str, pages: dict[str, list[bytes | int]], trust: Trust
) -> None:
    pages["/denied.json"] = [403]
    with pytest.raises(SourceError, match="answers 403"):
        asked("1.1.0", url, trust)


@pytest.mark.parametrize(
    "place", ["http://example.org/denied.json", "ftp://example.org/x", "https://a:b@example.org/x"]
)
def test_a_place_that_may_not_be_asked_is_a_usage_error(place: str, trust: Trust) -> None:
    with pytest.raises(UsageError):
        asked("1.1.0", place, trust)


def test_a_place_that_is_no_url_at_all_is_a_usage_error(trust: Trust) -> None:
    with pytest.raises(UsageError):
        asked("1.1.0", "http://[x/denied.json", trust)
    assert denial._beside("http://[x") == "http://[x.sig"


def test_a_list_without_a_signature_is_not_obeyed_nor_passed_over(
    tmp_path: Path, key: Path, trust: Trust
) -> None:
    place = publish(tmp_path, FIRST, key)
    Path(f"{place}.sig").unlink()
    with pytest.raises(SourceError, match="not signed") as caught:
        asked("1.0.0", place, trust)
    assert caught.value.code == 6


def test_a_list_that_was_altered_is_told(tmp_path: Path, key: Path, trust: Trust) -> None:
    place = publish(tmp_path, FIRST, key)
    Path(place).write_bytes(dump(DenyList(9)))
    with pytest.raises(SourceError, match=r"denied.json.sig: "):
        asked("1.1.0", place, trust)


def test_a_list_by_a_stranger_is_told(tmp_path: Path, trust: Trust) -> None:
    place = publish(tmp_path, FIRST, make_key(tmp_path, "stranger"))
    with pytest.raises(SourceError, match="has no entry for the key"):
        asked("1.0.0", place, trust)
    with pytest.raises(SourceError, match="this version knows no signer"):
        asked("1.0.0", place, Trust())


def test_where_no_signature_can_be_checked_it_is_said_what_to_install(
    tmp_path: Path, key: Path, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = publish(tmp_path, FIRST, key)
    monkeypatch.setattr("agentrail_runtime.signing._provers", lambda: iter(()))
    with pytest.raises(SourceError, match="not checked") as caught:
        asked("1.0.0", place, trust)
    assert "install OpenSSH" in str(caught.value.hint)


def test_a_signed_file_that_is_no_list_is_told(tmp_path: Path, key: Path, trust: Trust) -> None:
    data = b'{"schema_version": "1.0"}'
    write(tmp_path, {"denied.json": data, "denied.json.sig": sign(data, str(key))})
    with pytest.raises(SourceError, match="sequence: missing"):
        asked("1.0.0", str(tmp_path / "denied.json"), trust)


def test_a_list_that_is_no_file_is_told(tmp_path: Path, trust: Trust) -> None:
    with pytest.raises(SourceError, match="cannot be read: not a plain file"):
        asked("1.0.0", str(tmp_path), trust)


# --- the list in the target --------------------------------------------------------------------------


@pytest.fixture
def target(repo: Path) -> Iterator[Target]:
    """A repository as a target."""
    found = Target(str(repo))
    yield found
    found.close()


def kept(version: str, target: Target, trust: Trust, place: str | None = None) -> tuple[str, ...]:
    return refuse_denied(version, place=place, target=target, trust=trust)


def test_the_list_in_a_target_is_obeyed(repo: Path, target: Target, key: Path, trust: Trust) -> None:
    assert kept("1.1.0", target, trust) == ()
    publish(repo, FIRST, key, DENIED_PATH)
    with pytest.raises(SourceError, match=r"\.agentrail/denied\.json: .* 1\.1\.0 was withdrawn"):
        kept("1.1.0", target, trust)
    assert kept("1.0.0", target, trust) == ()


def test_a_list_that_goes_back_behind_the_one_in_the_target_is_told(
    repo: Path, tmp_path: Path, target: Target, key: Path, trust: Trust
) -> None:
    publish(repo, SECOND, key, DENIED_PATH)
    place = publish(tmp_path, FIRST, key)
    with pytest.raises(SourceError, match=r"an older list \(expected sequence 2 or more, got 1\)"):
        kept("1.0.0", target, trust, place)


def test_a_newer_list_counts_beside_the_one_in_the_target(
    repo: Path, tmp_path: Path, target: Target, key: Path, trust: Trust
) -> None:
    publish(repo, FIRST, key, DENIED_PATH)
    place = publish(tmp_path, SECOND, key)
    with pytest.raises(SourceError, match=r"1\.2\.0 was withdrawn"):
        kept("1.2.0", target, trust, place)
    assert kept("1.0.0", target, trust, place) == ()


def test_a_list_in_a_target_that_is_a_symlink_or_huge_is_told(
    repo: Path, target: Target, trust: Trust
) -> None:
    path = repo / DENIED_PATH
    write(repo, {DENIED_PATH: b"x" * 1_000_001})
    with pytest.raises(SourceError, match="not a plain file of at most 1000000 bytes"):
        kept("1.0.0", target, trust)
    path.unlink()
    path.symlink_to("/etc/hostname")
    with pytest.raises(SourceError, match="not a plain file"):
        kept("1.0.0", target, trust)


def test_an_install_of_a_denied_version_ends_with_6_and_writes_nothing(
    repo: Path, tmp_path: Path, key: Path
) -> None:
    bundle = make_bundle(tmp_path / "bundle", {"docs/a.md": "a\n"}, version="1.1.0")
    publish(repo, FIRST, key, DENIED_PATH)
    refused = install(repo, "--allowed-signers", f"{key}.signers", bundle=bundle)
    assert refused.code == 6, refused.err
    assert "agentrail-runtime 1.1.0 was withdrawn" in refused.err
    assert not (repo / "docs/a.md").exists()
