"""What `agentrail release probe` says of indexes that are well, slow, wrong, lying or not there."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agentrail_runtime import probe as probe_module
from agentrail_runtime.deadline import Deadline
from agentrail_runtime.entry import sha256
from agentrail_runtime.release import simple_index
from tests.network.server import Behaviour, Server, drip, hang, redirect, reply, serving
from tests.support import Run, agentrail

WHEEL = "agentrail_runtime-1.0.0-py3-none-any.whl"
SDIST = "agentrail_runtime-1.0.0.tar.gz"
PAGE = "/simple/agentrail-runtime/"
JSON = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
HTML = {"Content-Type": "text/html"}
GOOD = sha256(b"wheel")
OTHER = sha256(b"other")
LOGIN = (
    "<html><title>Log in</title><a href='/login?to=agentrail-runtime'>Log in to the network</a></html>"
)


def probe(server: Server, *words: str | Path) -> Run:
    return agentrail("release", "probe", "--index-url", f"{server.url}/simple/", *words)


def row(name: str = WHEEL, digest: str = GOOD, **more: Any) -> dict[str, Any]:
    return {"filename": name, "url": f"/f/{name}", "hashes": {"sha256": digest}, **more}


def page(*rows: Mapping[str, Any]) -> Behaviour:
    value = {"meta": {"api-version": "1.1"}, "name": "agentrail-runtime", "files": rows}
    return reply(json.dumps(value), headers=JSON)


def routes(*rows: Mapping[str, Any], **more: Behaviour) -> dict[str, Behaviour]:
    files = {f"/f/{WHEEL}": reply(b"wheel"), f"/f/{SDIST}": reply(b"sdist")}
    return {PAGE: page(*rows), **files, "*": reply("", 404), **more}


def test_a_version_that_is_served_with_the_bytes_told_of_is_ok() -> None:
    with serving(
        routes(row(SDIST, sha256(b"sdist")), row(), row(WHEEL.replace("1.0", "1.1")))
    ) as server:
        run = probe(server, "--json")
    assert (run.code, run.err) == (0, "")
    assert run.json == {
        "schema_version": "1.0",
        "command": "release probe",
        "verdict": "OK",
        "version": "1.0.0",
        "index_url": f"{server.url}/simple",
        "evidence": f"{server.url}/simple: serves {WHEEL}, whose bytes have sha256 {GOOD}",
        "next": f"pip install --index-url {server.url}/simple agentrail-runtime==1.0.0",
        "copy_route": False,
        "files": [
            {"filename": SDIST, "sha256": sha256(b"sdist")},
            {"filename": WHEEL, "sha256": GOOD},
        ],
        "notes": [],
        "error": None,
    }
    assert "Accept: application/vnd.pypi.simple.v1+json, " in server.requests[0]


def test_an_index_that_has_html_alone_is_as_good() -> None:
    html = f'<!DOCTYPE html><a href="../../f/{WHEEL}#sha256={GOOD}">{WHEEL}</a>'
    with serving({**routes(), PAGE: reply(html, headers=HTML)}) as server:
        run = probe(server, "--version", "1", "--sha256", GOOD.upper(), "--sha256", OTHER)
    assert (run.code, run.out.partition(":")[0]) == (0, "OK")


def yanked(why: bool | str) -> dict[str, Behaviour]:
    return routes(row(yanked=why), row(SDIST, yanked=why))


NO_INDEX = "answers with a page that is no index"
CASES: list[tuple[str, Mapping[str, Behaviour] | Behaviour, tuple[str, ...], str]] = [
    ("WITHDRAWN", routes(row(WHEEL.replace("1.0.0", "1.1.0"))), (), "lists 1 files, none of 1.0.0"),
    ("WITHDRAWN", routes(), (), "lists 0 files, none of 1.0.0"),
    ("WITHDRAWN", reply("<h1>Links for agentrail-runtime</h1>", headers=HTML), (), "lists 0 files"),
    ("WITHDRAWN", reply("", 404), (), "answers 404 Not Found"),
    ("WITHDRAWN", reply("", 410), (), "answers 410 Gone"),
    ("WITHDRAWN", yanked("breaks\x1b[31m\n all"), (), "1.0.0 was yanked: breaks [31m all"),
    ("WITHDRAWN", yanked(True), (), "1.0.0 was yanked: no reason is given"),
    ("WITHDRAWN", {**routes(row()), f"/f/{WHEEL}": reply("", 404)}, (), f"{WHEEL}: answers 404"),
    ("DENIED", reply("", 401), (), "answers 401 Unauthorized"),
    ("DENIED", reply("", 403), (), "answers 403 Forbidden"),
    ("DENIED", reply("", 402), (), "answers 402"),
    ("DENIED", drip(b"HTTP/1.1 403 no\r\nContent-Length: 9\r\n\r\n"), (), "answers 403"),
    ("DENIED", {**routes(row()), f"/f/{WHEEL}": reply("", 403)}, (), f"{WHEEL}: answers 403"),
    ("TAMPER", reply(LOGIN, headers=HTML), (), f"{NO_INDEX} (a login page, perhaps)"),
    ("TAMPER", {PAGE: redirect("/login"), "/login": reply(LOGIN, headers=HTML)}, (), NO_INDEX),
    ("TAMPER", reply("{", headers=JSON), (), NO_INDEX),
    ("TAMPER", reply("[" * 10_000, headers=JSON), (), NO_INDEX),
    ("TAMPER", reply(b"\xff\xfe", headers=HTML), (), NO_INDEX),
    ("TAMPER", reply("", 304), (), "answers 304"),
    ("TAMPER", reply(b"x" * (4 << 20) + b"x", headers=HTML), (), "answers with too much"),
    ("TAMPER", redirect("http://index.example/"), (), "expected https"),
    ("TAMPER", routes(row(digest=OTHER)), (), f"{WHEEL}: its bytes have the sha256 {GOOD}"),
    ("TAMPER", routes(row()), ("--sha256", OTHER), f"{WHEEL}: its sha256 is another one"),
    ("TAMPER", routes(row(digest="")), (), "the index tells no sha256"),
    ("TAMPER", routes(row(digest="")), ("--sha256", OTHER), f"its bytes have the sha256 {GOOD}"),
    ("TAMPER", routes(row(digest="x")), (), NO_INDEX),
    (
        "TAMPER",
        routes(row(), row("agentrail_runtime-1.0.0-2-py3-none-any.whl", OTHER)),
        ("--sha256", GOOD),
        "agentrail_runtime-1.0.0-2-py3-none-any.whl: its sha256 is another one",
    ),
    ("TAMPER", routes(row() | {"url": "http://files.example/x"}), (), "leads to where no file may be"),
    ("TAMPER", routes(row() | {"url": "file:///etc/passwd"}), (), "leads to where no file may be"),
    ("OUTAGE", reply("", 500), (), "answers 500"),
    ("OUTAGE", reply("", 503), (), "answers 503"),
    ("OUTAGE", reply("", 408), (), "answers 408"),
    ("OUTAGE", reply("", 429), (), "answers 429"),
    ("OUTAGE", {**routes(row()), f"/f/{WHEEL}": reply("", 502)}, (), f"{WHEEL}: answers 502"),
]


@pytest.mark.parametrize(("word", "behave", "words", "evidence"), CASES)
def test_every_answer_is_told_for_what_it_is_and_outage_alone_opens_the_copy_route(
    word: str, behave: Mapping[str, Behaviour] | Behaviour, words: tuple[str, ...], evidence: str
) -> None:
    with serving(behave) as server:
        run = probe(server, *words, "--json")
    assert (run.json["verdict"], run.err) == (word, "")
    assert evidence in run.json["evidence"]
    assert run.json["evidence"].isprintable()
    assert run.code == {"WITHDRAWN": 6, "DENIED": 1, "TAMPER": 6, "OUTAGE": 4}[word]
    assert run.json["copy_route"] is (word == "OUTAGE")
    assert ("copy route stays closed" in run.json["next"]) is (word != "OUTAGE")


def test_the_text_is_the_word_the_evidence_and_what_to_type() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/simple"
    run = agentrail("release", "probe", "--index-url", url)
    assert run.code == 4
    first, second = run.out.splitlines()
    assert first.startswith(f"OUTAGE: {url}/agentrail-runtime/: cannot be reached: ")
    assert second == "next: agentrail-install --source copy --runtime-dir DIR TARGET"
    assert agentrail("release", "probe", "--index-url", url, "-q") == Run(4, "", "")


@pytest.mark.parametrize(
    "behave",
    [
        hang,
        drip(b""),
        {**routes(row()), f"/f/{WHEEL}": hang},
        {**routes(), PAGE: redirect("/x"), "*": hang},
    ],
    ids=["hangs", "drips", "hangs with the file", "hangs after a redirect"],
)
def test_an_index_that_is_slow_is_an_outage_in_time(
    behave: Mapping[str, Behaviour] | Behaviour,
) -> None:
    with serving(behave) as server:
        start = time.monotonic()
        run = probe(server, "--timeout", "0.3")
        assert time.monotonic() - start < 3.5
    assert (run.code, run.out[:7]) == (4, "OUTAGE:")


def test_all_questions_share_what_is_left_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    clock = iter([0.0, 0.1, 1.0, 1.5, 2.5]).__next__

    def one_deadline(seconds: float) -> Deadline:
        given.append(seconds)
        return Deadline(seconds, clock)

    monkeypatch.setattr(probe_module, "Deadline", one_deadline)
    with serving(routes(row())) as server:
        run = probe(server)
    assert given == [pytest.approx(2.4)]
    assert run.out.startswith(f"OUTAGE: {server.url}/simple: no answer in time\n")


def test_a_page_that_takes_too_long_to_read_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*words: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(simple_index, "parse", parse)
    with serving(routes(row())) as server:
        run = probe(server)
    assert "TAMPER" in run.out
    assert "takes too long to read" in run.out


def test_a_certificate_that_nobody_vouches_for_is_tamper() -> None:
    with serving(routes(row()), is_tls=True) as server:
        run = probe(server)
    assert run.code == 6
    assert run.out.startswith("TAMPER: ")
    assert "its certificate is not valid" in run.out


@pytest.mark.parametrize("words", [(), ("-v",), ("--json", "-v")])
@pytest.mark.parametrize("status", [200, 401, 500])
def test_no_secret_is_ever_printed(
    monkeypatch: pytest.MonkeyPatch, status: int, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("AGENTRAIL_INDEX_USERNAME", "anna")
    monkeypatch.setenv("AGENTRAIL_INDEX_PASSWORD", "s3cret")
    with serving(
        {**routes(row()), PAGE: page(row()) if status == 200 else reply("", status)}
    ) as server:
        run = probe(server, *words)
    assert "Authorization: Basic YW5uYTpzM2NyZXQ=" in server.requests[0]
    for secret in ("s3cret", "YW5uYTpzM2NyZXQ=", "anna"):
        assert secret not in run.out + run.err


@pytest.mark.parametrize("words", [(), ("-v",), ("--json", "-v")])
def test_a_url_with_a_password_is_refused_and_not_printed(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://anna:s3cret@index.example/simple")
    run = agentrail("release", "probe", *words)
    assert run.code == 2
    assert "PIP_INDEX_URL: has a user or a password in it" in run.out + run.err
    assert "s3cret" not in run.out + run.err


def test_what_is_wrong_with_a_netrc_is_told_beside_the_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path))
    with serving(reply("", 401)) as server:
        run = probe(server)
        quiet = probe(server, "-q")
    assert run.err == f"note: {tmp_path} is not used: not a plain file\n"
    assert "AGENTRAIL_INDEX_USERNAME" in run.out
    assert quiet == Run(1, "", "")


@pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"])
@pytest.mark.parametrize("prefix", ["", "ours="])
def test_the_index_of_pip_and_uv_is_asked(
    monkeypatch: pytest.MonkeyPatch, variable: str, prefix: str
) -> None:
    with serving(routes(row())) as server:
        monkeypatch.setenv(variable, f"{prefix}{server.url}/simple")
        assert agentrail("release", "probe").code == 0


def policy(path: Path, url: str) -> Path:
    text = (Path(probe_module.__file__).parent / "payload" / "distribution.yaml").read_text()
    for stage in ("pilot", "general"):
        line = f"  {stage}: {{kind: static, index_url: "
        text = text.replace(f"{line}null", f'{line}"{url}/{stage}"')
    path.write_text(text)
    return path


@pytest.mark.parametrize(("words", "stage"), [((), "general"), (("--channel", "pilot"), "pilot")])
def test_the_index_of_a_channel_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...], stage: str
) -> None:
    with serving(reply("", 403)) as server:
        if words:
            monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
        run = agentrail("release", "probe", "--policy", policy(tmp_path / "p", server.url), *words)
    assert run.code == 1
    assert server.requests[0].startswith(f"GET /{stage}/agentrail-runtime/ ")


def test_an_index_that_nobody_names_is_a_usage_error(tmp_path: Path) -> None:
    path = policy(tmp_path / "p", "https://index.example")
    run = agentrail("release", "probe", "--policy", path, "--channel", "internal")
    assert run.code == 2
    assert "channels.internal.index_url: the policy names none" in run.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--channel", "pilot"), "expected one of them"),
        (("--index-url", "http://index.example"), "--index-url: expected https"),
        (("--timeout", "3.1"), "--timeout: expected more than 0 and at most 3"),
        (("--timeout", "0"), "--timeout: expected more than 0 and at most 3"),
        (("--timeout", "nan"), "--timeout: expected more than 0 and at most 3"),
        (("--version", "one"), "--version: not a version"),
        (("--sha256", "abc"), "--sha256: expected 64 hex digits"),
        (("--deny-list", "http://index.example/d"), "http://index.example/d: expected https"),
        (("--deny-list", "no-such-file"), "no-such-file: no list of denied versions there"),
        (("--deny-list", "."), ".: cannot be read: not a plain file"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(words: tuple[str, ...], why: str) -> None:
    run = agentrail("release", "probe", "--index-url", "http://127.0.0.1:9/", *words)
    assert (run.code, run.out) == (2, "")
    assert why in run.err


class Signed:
    """A list that denies 1.0.0, signed by a key of ours."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.key = root / "key"
        self.path = root / "denied.json"
        self.signers = root / "signers"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "us", "-f", self.key], check=True
        )
        public = self.key.with_suffix(".pub").read_text()
        self.signers.write_text(f'us namespaces="agentrail-runtime" {public}')
        denied = {"version": "1.0.0", "reason": "bad", "since": "2030-01-02T03:04:05Z", "channels": []}
        self.path.write_text(json.dumps({"schema_version": "1.0", "sequence": 1, "denied": [denied]}))
        subprocess.run(
            ["ssh-keygen", "-q", "-Y", "sign", "-n", "agentrail-runtime", "-f", self.key, self.path],
            check=True,
            capture_output=True,
        )
        self.signature = root / "denied.json.sig"


@pytest.fixture(scope="session")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return Signed(tmp_path_factory.mktemp("signed"))


def test_a_version_on_the_signed_list_is_withdrawn_wherever_it_still_is(signed: Signed) -> None:
    words = ("--deny-list", signed.path, "--allowed-signers", signed.signers)
    newer = row(WHEEL.replace("1.0.0", "1.1.0")) | {"url": f"/f/{WHEEL}"}
    with serving(routes(row(), newer)) as server:
        denied = probe(server, *words)
        other = probe(server, *words, "--version", "1.1.0")
    assert denied.code == 6
    assert denied.out.startswith(
        f"WITHDRAWN: {signed.path}: 1.0.0 was withdrawn on 2030-01-02T03:04:05Z: bad\n"
    )
    assert "pip install 'agentrail-runtime!=1.0.0'" in denied.out
    assert (other.code, other.out[:3]) == (0, "OK:")


def test_the_list_that_an_install_obeys_is_obeyed_without_naming_it(
    signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTRAIL_DENY_LIST", str(signed.path))
    monkeypatch.setenv("AGENTRAIL_ALLOWED_SIGNERS", str(signed.signers))
    with serving(routes(row())) as server:
        run = probe(server)
    assert run.out.startswith(f"WITHDRAWN: {signed.path}: ")


def listed(signed: Signed, **more: Behaviour) -> dict[str, Behaviour]:
    files = {
        "/denied.json?a=b": reply(signed.path.read_bytes()),
        "/denied.json.sig?a=b": reply(signed.signature.read_bytes()),
    }
    return {**routes(row()), **files, **more}


@pytest.mark.parametrize(
    ("path", "behave", "word", "evidence"),
    [
        ("*", reply("", 404), "WITHDRAWN", "1.0.0 was withdrawn on"),
        ("/denied.json?a=b", reply("", 404), "TAMPER", "no list of denied versions there"),
        ("/denied.json?a=b", reply("{}"), "TAMPER", "/denied.json"),
        ("/denied.json?a=b", reply("", 403), "DENIED", "answers 403"),
        ("/denied.json?a=b", reply("", 500), "OUTAGE", "answers 500"),
        ("/denied.json.sig?a=b", reply("", 404), "TAMPER", "not signed"),
    ],
)
def test_a_list_on_the_web_is_asked_and_judged_as_the_index_is(
    signed: Signed, path: str, behave: Behaviour, word: str, evidence: str
) -> None:
    with serving(listed(signed, **{path: behave})) as server:
        place = f"{server.url}/denied.json?a=b"
        run = probe(server, "--deny-list", place, "--allowed-signers", signed.signers, "--json")
    assert run.json["verdict"] == word
    assert evidence in run.json["evidence"]


def test_a_list_by_somebody_else_is_tamper(signed: Signed, tmp_path: Path) -> None:
    signers = tmp_path / "signers"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "k"], check=True)
    signers.write_text(f"them {(tmp_path / 'k.pub').read_text()}")
    with serving(routes(row())) as server:
        run = probe(server, "--deny-list", signed.path, "--allowed-signers", signers)
    assert (run.code, run.out[:7]) == (6, "TAMPER:")


def test_a_list_that_was_being_replaced_is_read_once_more(signed: Signed) -> None:
    bodies = [b"{}", signed.signature.read_bytes(), signed.path.read_bytes()]

    def turn(connection: socket.socket, end: Any) -> None:
        reply(bodies.pop(0) if bodies else signed.signature.read_bytes())(connection, end)

    with serving(turn) as server:
        place = f"{server.url}/denied.json"
        run = probe(server, "--deny-list", place, "--allowed-signers", signed.signers)
    assert run.out.startswith("WITHDRAWN: ")


def test_a_list_that_cannot_be_checked_here_is_no_answer(
    signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = agentrail(
        "release", "probe", "--index-url", "http://127.0.0.1:9/", "--deny-list", signed.path
    )
    assert run.code == 2
    assert "--allowed-signers FILE" in run.err

    def judged(*words: object, **more: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("agentrail_runtime.deny_list_file.judged", judged)
    run = agentrail(
        "release", "probe", "--index-url", "http://127.0.0.1:9/", "--deny-list", signed.path
    )
    assert run.code == 2
    assert "its signature cannot be checked in time" in run.err
