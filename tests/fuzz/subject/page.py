"""What comes from a package index: its pages, in HTML and in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from agentrail_runtime import document
from agentrail_runtime.channel import Distribution
from agentrail_runtime.release import simple_index
from agentrail_runtime.release.simple_index import File, SimpleIndexError
from tests.fuzz.claim import is_canonical, is_told
from tests.fuzz.mutation import json_maker, text_maker
from tests.fuzz.target import Target

HEX: Final = "ab" * 32
URL: Final = "https://example.org/simple/agentrail-runtime/"
WHEEL: Final = "agentrail_runtime-1.10.0-py3-none-any.whl"
SDIST: Final = "agentrail_runtime-1.9.0+x.tar.gz"
FILES: Final = (
    File(Distribution(WHEEL, "1.10.0", HEX, 7, None, f"../../files/{WHEEL}"), ">=3.10,<4"),
    File(Distribution(SDIST, "1.9.0+x", HEX, 9, '<bad> & "gone"', f"a b/{SDIST}")),
)
PAGE: Final = {
    **json.loads(simple_index.render_json(FILES)),
    "meta": {"api-version": "1.1", "_last-serial": 7},
    "alternate-locations": [],
}
WORDS: Final[tuple[Any, ...]] = (
    WHEEL,
    SDIST,
    "1.0",
    "1.99",
    "2.0",
    True,
    False,
    7,
    {"sha256": HEX.upper()},
    {},
    "//[",
    "#x",
    None,
)
TOKENS: Final = (
    *(b"<a href=", b'"agentrail_runtime-1.0.zip#sha256=' + HEX.encode() + b'"', b"</a>"),
    *(b"<base href='//['>",),
    *(b"<meta name='pypi:repository-version' content='1.1'>", b" data-yanked", b"data-yanked='x' "),
    *(b"&lt;", b"&#0;"),
    *(b"<!--", b"-->", b"<![CDATA[", b"<!DOCTYPE ", b"<?", b"<script>", b"</", b"<title>", b"#sha256="),
    *(b"%2F", b"%00"),
    *(b"&#x1b;", b"agentrail_runtime-1.0.tar.gz", b"https://[::1", b"<svg/onload='", b"><"),
    *(b"&amp", b"\x0c"),
)


def _check(parse: Callable[[bytes, str], tuple[File, ...]], data: bytes) -> bool:
    """Claim that a page is refused, or tells of files of ours alone, which can be listed again."""
    try:
        files = parse(data, "")
        absolute = parse(data, URL)
    except SimpleIndexError as error:
        is_told(error)
        return False
    assert [_named(file) for file in absolute] == [_named(file) for file in files]
    for file in files:
        row = file.distribution
        assert simple_index.parse_filename(row.filename) == row.version
        assert simple_index.normal_version(row.version) == row.version
        assert row.sha256 in ("", row.sha256.lower())
        assert len(row.sha256) in (0, 64)
        assert "/" not in row.filename
        assert "#" not in row.url
    _is_listed_again(files)
    return bool(files)


def _named(file: File) -> tuple[object, ...]:
    return file._replace(distribution=file.distribution._replace(url=""))


def _is_listed_again(files: tuple[File, ...]) -> None:
    """Claim that pages made of what was read say the same, in both kinds."""
    named = [
        file._replace(
            distribution=file.distribution._replace(url=f"../f/{file.distribution.filename}", size=7)
        )
        for file in files
    ]
    ordered = tuple(simple_index.ordered(named))
    as_json, as_html = simple_index.render_json(named), simple_index.render_html(named)
    is_canonical(as_json)
    assert simple_index.parse_json(as_json) == ordered
    assert simple_index.render_json(ordered) == as_json
    unsized = tuple(
        file._replace(distribution=file.distribution._replace(size=None)) for file in ordered
    )
    if all(simple_in_html(file) for file in files):
        assert simple_index.parse_html(as_html) == unsized
    assert simple_index.render_html(ordered) == as_html


def simple_in_html(file: File) -> bool:
    """Tell whether HTML can hold the texts of a row: it knows no NUL, and one line end."""
    texts = f"{file.distribution.yanked or ''}{file.requires_python or ''}"
    return not {*texts} & {*"\0\r"} and texts.isprintable()


def check_json_page(data: bytes) -> bool:
    """Claim what has to hold of a page in JSON."""
    return _check(simple_index.parse_json, data)


def check_html_page(data: bytes) -> bool:
    """Claim what has to hold of a page in HTML."""
    return _check(simple_index.parse_html, data)


def _many(count: int) -> tuple[File, ...]:
    rows = (f"agentrail_runtime-1.{number}.tar.gz" for number in range(count))
    return tuple(File(Distribution(name, name[18:-7], HEX, 1, None, name)) for name in rows)


TARGETS: Final = (
    Target(
        "page-json",
        check_json_page,
        json_maker([PAGE], WORDS),
        (WHEEL.encode(), b'"filename"', b'"yanked": ""', b'"sha256"'),
        lambda n: document.dump(
            {**PAGE, "files": json.loads(simple_index.render_json(_many(n)))["files"]}
        ),
        examples=60,
    ),
    Target(
        "page-html",
        check_html_page,
        text_maker((simple_index.render_html(FILES), b"<a href='%s'>" % WHEEL.encode()), TOKENS),
        TOKENS,
        lambda n: simple_index.render_html(_many(n)),
        examples=60,
    ),
)
