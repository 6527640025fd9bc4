"""Pages of a package index: what is written can be read, and what is broken is told, never believed."""

from __future__ import annotations

import json

import pytest

from agentrail_runtime.channel import Distribution
from agentrail_runtime.release.simple_index import (
    HTML_TYPE,
    JSON_TYPE,
    File,
    SimpleIndexError,
    is_same_version,
    normal_version,
    parse,
    parse_filename,
    parse_html,
    parse_json,
    render_html,
    render_json,
    render_root_html,
    render_root_json,
)

A, B = "a" * 64, "b" * 64
WHEEL = "agentrail_runtime-1.10.0-py3-none-any.whl"
SDIST = "agentrail_runtime-1.9.0+x.tar.gz"
FILES = (
    File(Distribution(WHEEL, "1.10.0", A, 7, None, f"../../../files/aa/{A}/{WHEEL}"), ">=3.10,<4"),
    File(Distribution(SDIST, "1.9.0+x", B, 9, '<bad> & "gone"', f"../../../files/bb/{B}/{SDIST}")),
)
PAGE = "https://example.org/simple/agentrail-runtime/"


def page(*rows: dict[str, object], **other: object) -> bytes:
    return json.dumps({"meta": {"api-version": "1.0"}, "files": rows, **other}).encode()


def row(**changes: object) -> dict[str, object]:
    found: dict[str, object] = {"filename": WHEEL, "url": WHEEL, "hashes": {"sha256": A}, **changes}
    return {key: value for key, value in found.items() if value is not ...}


def test_a_page_lists_versions_as_versions_and_not_as_texts() -> None:
    assert json.loads(render_json(FILES))["versions"] == ["1.9.0+x", "1.10.0"]


def test_what_is_written_as_json_is_read_back_whole() -> None:
    assert parse(render_json(FILES), JSON_TYPE) == (FILES[1], FILES[0])


def test_what_is_written_as_html_is_read_back_but_for_sizes() -> None:
    unsized = [file._replace(distribution=file.distribution._replace(size=None)) for file in FILES]
    assert parse(render_html(FILES), HTML_TYPE) == (unsized[1], unsized[0])


def test_a_reason_that_is_markup_stays_text_in_the_page() -> None:
    assert b"<bad>" not in render_html(FILES)
    assert b'data-requires-python="&gt;=3.10,&lt;4"' in render_html(FILES)


def test_the_root_page_names_the_project() -> None:
    assert b'<a href="agentrail-runtime/">agentrail-runtime</a>' in render_root_html()
    assert json.loads(render_root_json())["projects"] == [{"name": "agentrail-runtime"}]


@pytest.mark.parametrize(
    ("filename", "version"),
    [
        (WHEEL, "1.10.0"),
        (SDIST, "1.9.0+x"),
        ("agentrail-runtime-1.0.tar.gz", "1.0"),
        ("agentrail_runtime-1.0.zip", "1.0"),
        ("other-1.0.tar.gz", None),
        ("agentrail_runtime-1.0.exe", None),
        ("agentrail_runtime-x-py3-none-any.whl", None),
        ("agentrail_runtime-1.0-../x-py3-none-any.whl", None),
        ("a" * 300, None),
    ],
)
def test_only_a_file_of_ours_has_a_version(filename: str, version: str | None) -> None:
    assert parse_filename(filename) == version


@pytest.mark.parametrize(
    ("text", "version"), [("v1.1", "1.1"), ("1.1.0-RC1", "1.1.0rc1"), ("x", None), ("1" * 100, None)]
)
def test_a_version_has_one_normal_form(text: str, version: str | None) -> None:
    assert normal_version(text) == version


@pytest.mark.parametrize(
    ("one", "other", "same"), [("1.1", "1.1.0", True), ("1.1", "1.2", False), ("x", "x", True)]
)
def test_a_version_is_the_same_however_it_is_written(one: str, other: str, same: bool) -> None:
    assert is_same_version(one, other) is same


def test_a_yanked_file_is_known_with_and_without_a_reason() -> None:
    rows = [row(yanked=True), row(yanked="bad"), row(yanked=False), row(yanked="")]
    found = parse_json(page(*rows))
    assert [file.distribution.yanked for file in found] == ["", "bad", None, ""]


def test_urls_are_those_of_the_page_they_stand_in() -> None:
    assert parse_json(page(row(url="../x.whl#f")), PAGE)[0].distribution.url == (
        "https://example.org/simple/x.whl"
    )
    html = (
        b'<base href="/files/"><base href="/no/"><a href="' + WHEEL.encode() + b"#sha256=" + A.encode()
    )
    found = parse_html(html + b'" data-yanked>x</a>', PAGE)[0].distribution
    assert found == Distribution(WHEEL, "1.10.0", A, None, "", f"https://example.org/files/{WHEEL}")


def test_a_file_without_a_digest_is_told_without_one() -> None:
    assert parse_json(page(row(hashes={})))[0].distribution.sha256 == ""
    assert parse_html(f'<a href="{WHEEL}#md5=0">x</a>'.encode())[0].distribution.sha256 == ""


def test_files_of_others_are_passed_over() -> None:
    assert parse_json(page(row(filename="other-1.0.tar.gz", hashes=None))) == ()
    assert parse_html(b'<a>x</a><a href>y</a><a href="other-1.0.tar.gz">z</a>') == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff", "not UTF-8"),
        (b"[]", "expected an object"),
        (b"{}", "meta: missing"),
        (b'{"meta": {"api-version": "2.0"}, "files": []}', "API version: expected 1.x, got '2.0'"),
        (page({"filename": 1}), "files[0].filename: expected str, got int"),
        (page(row(hashes={"sha256": "zz"})), "files[0]: sha256: expected 64 hex digits, got 'zz'"),
        (page(row(hashes={"sha256": 1})), "files[0]: sha256: expected 64 hex digits, got '1'"),
        (page(row(yanked=1)), "files[0].yanked: expected a reason, true or false"),
        (page(row(size="1")), "files[0].size: expected int, got str"),
        (page(row(**{"requires-python": 1})), "files[0].requires-python: expected a text or null"),
        (page(row(url=...)), "files[0].url: missing"),
        (page(row(url="http://[x")), "files[0]: url: expected a URL, got 'http://[x'"),
    ],
)
def test_a_broken_json_page_is_told_with_its_place(data: bytes, message: str) -> None:
    with pytest.raises(SimpleIndexError) as caught:
        parse_json(data, PAGE)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff", "not UTF-8 (byte 0)"),
        (
            b'<meta name="pypi:repository-version" content="2.0">',
            "API version: expected 1.x, got '2.0'",
        ),
        (b'<meta name="pypi:repository-version">', "API version: expected 1.x, got ''"),
        (f'<a href="{WHEEL}#sha256=zz">'.encode(), "link 1: sha256: expected 64 hex digits, got 'zz'"),
        (f'<a href="http://[/{WHEEL}">'.encode(), "link 1: url: expected a URL"),
        (f'<base href="http://[x"><a href="{WHEEL}">'.encode(), "base: url: expected a URL"),
    ],
)
def test_a_broken_html_page_is_told_with_its_place(data: bytes, message: str) -> None:
    with pytest.raises(SimpleIndexError) as caught:
        parse_html(data, PAGE)
    assert message in str(caught.value)


def test_markup_that_the_parser_gives_up_on_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(self: object, tag: str, attrs: object) -> None:
        raise AssertionError("we should not get here!")

    monkeypatch.setattr("agentrail_runtime.release.simple_index._Links.handle_starttag", give_up)
    with pytest.raises(SimpleIndexError, match="not HTML"):
        parse_html(b"<a>")
