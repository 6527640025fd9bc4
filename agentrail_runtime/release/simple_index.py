"""The pages of a package index: made and read, as HTML and as JSON.

The simple repository API (https://packaging.python.org/en/latest/specifications/simple-repository-api/):
PEP 503 (HTML), PEP 592 (yanked), PEP 691 (JSON) and PEP 700 (sizes and versions). Only the files of one
project are read from a page, and of these the wheels and source distributions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from html.parser import HTMLParser
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote, urljoin

from agentrail_runtime import document
from agentrail_runtime.channel import Distribution
from agentrail_runtime.document import DocumentError, Json

PROJECT: Final = "agentrail-runtime"
"""The normalised name of the project."""

HTML_TYPE: Final = "application/vnd.pypi.simple.v1+html"
JSON_TYPE: Final = "application/vnd.pypi.simple.v1+json"

_API_VERSION: Final = "1.1"
_MAX_FILES: Final = 100_000
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_FRAGMENT: Final = re.compile(r"(?:^|&)sha256=([^&]*)")


class SimpleIndexError(ValueError):
    """A page is not what the simple repository API says; the text tells the place."""


class File(NamedTuple):
    """A row of a project's page: the file, and what its metadata says of Python (PEP 345)."""

    distribution: Distribution
    requires_python: str | None = None


def parse_filename(filename: str) -> str | None:
    """Return the version in the name of a file of ours, normalised; None for any other file.

    The names are those of wheels and source distributions, see
    https://packaging.python.org/en/latest/specifications/binary-distribution-format/ and
    https://packaging.python.org/en/latest/specifications/source-distribution-format/.
    """
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        parse_sdist_filename,
        parse_wheel_filename,
    )

    if not re.fullmatch(r"[A-Za-z0-9_.+!-]{1,255}", filename):
        return None
    try:
        if filename.endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(filename)
        else:
            name, version = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
        return None
    return str(version) if name == PROJECT else None


def normal_version(text: str) -> str | None:
    """Return a version (PEP 440) in its one normal form, None if it is none.

    Trailing zeros stay: they are in the names of files.
    """
    from packaging.version import Version

    try:
        return str(Version(text)) if len(text) < 100 else None
    except ValueError:  # InvalidVersion is one, and so is a number of too many digits
        return None


def is_same_version(one: str, other: str) -> bool:
    """Tell whether two texts are the same version (PEP 440): 1.1 is 1.1.0."""
    return version_key(one) == version_key(other)


def version_key(text: str) -> object:
    """Return what is equal for two texts of the same version (PEP 440), the text itself for none."""
    from packaging.version import Version

    try:
        return Version(text)
    except ValueError:  # InvalidVersion is one, and so is a number of too many digits
        return text


def ordered(files: Sequence[File]) -> list[File]:
    """Return the files by version, then by name: the order in which a page lists them."""
    from packaging.version import Version

    def key(file: File) -> tuple[Version, str, str]:
        row = file.distribution
        return Version(row.version), row.filename, repr(file)  # a page may tell of a file twice

    return sorted(files, key=key)


# --- making ------------------------------------------------------------------------------------------


def render_html(files: Sequence[File]) -> bytes:
    """Return the project's page as HTML (PEP 503, PEP 592); the same files give the same bytes."""
    return _page(f"Links for {PROJECT}", [_anchor(file) for file in ordered(files)])


def _anchor(file: File) -> str:
    row = file.distribution
    said = [f'href="{escape(f"{quote(row.url)}#sha256={row.sha256}")}"']
    if file.requires_python is not None:
        said.append(f'data-requires-python="{escape(file.requires_python)}"')
    if row.yanked is not None:
        said.append(f'data-yanked="{escape(row.yanked)}"')
    return f"<a {' '.join(said)}>{escape(row.filename)}</a><br>"


def render_json(files: Sequence[File]) -> bytes:
    """Return the project's page as JSON (PEP 691, PEP 700); the same files give the same bytes."""
    rows = ordered(files)
    return document.dump(
        {
            "meta": {"api-version": _API_VERSION},
            "name": PROJECT,
            "versions": list(dict.fromkeys(row.distribution.version for row in rows)),
            "files": [_as_json(row) for row in rows],
        }
    )


def _as_json(file: File) -> Json:
    row = file.distribution
    value: Json = {
        "filename": row.filename,
        "url": quote(row.url),
        "hashes": {"sha256": row.sha256},
        "size": row.size or 0,
        "yanked": False if row.yanked is None else row.yanked or True,
    }
    if file.requires_python is not None:
        value["requires-python"] = file.requires_python
    return value


def render_root_html() -> bytes:
    """Return the page that lists the projects, as HTML: there is one."""
    return _page("Simple index", [f'<a href="{PROJECT}/">{PROJECT}</a><br>'])


def render_root_json() -> bytes:
    """Return the page that lists the projects, as JSON: there is one."""
    return document.dump({"meta": {"api-version": _API_VERSION}, "projects": [{"name": PROJECT}]})


def _page(title: str, lines: Sequence[str]) -> bytes:
    head = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        '<head><meta charset="utf-8">',
        f'<meta name="pypi:repository-version" content="{_API_VERSION}">',
        f"<title>{title}</title></head>",
        "<body>",
    ]
    return "\n".join([*head, *lines, "</body>", "</html>", ""]).encode()


# --- reading -----------------------------------------------------------------------------------------


def parse(data: bytes, content_type: str, url: str = "") -> tuple[File, ...]:
    """Return the rows of a project's page of whatever kind it says it is.

    Args:
        data: the bytes of the page.
        content_type: the media type that came with it, parameters and all.
        url: where the page is, for the relative URLs in it.

    Raises:
        SimpleIndexError: as `parse_json` and `parse_html`.
    """
    kind = content_type.partition(";")[0].strip().lower()
    return parse_json(data, url) if kind.endswith("json") else parse_html(data, url)


def parse_json(data: bytes, url: str = "") -> tuple[File, ...]:
    """Return the rows of a project's page in JSON (PEP 691), in the order of the page.

    Args:
        data: the bytes of the page.
        url: where the page is; without it, relative URLs stay as they are.

    Raises:
        SimpleIndexError: it is no such page of API version 1.x, or a row of it is broken.
    """
    try:
        value = document.load(data)
        meta = document.field(value, "meta", dict)
        _refuse_other_api(document.field(meta, "api-version", str, place="meta"))
        rows = document.field(value, "files", list)
        found = (_row(row, f"files[{number}]", url) for number, row in enumerate(rows[:_MAX_FILES]))
        return tuple(file for file in found if file is not None)
    except DocumentError as error:
        raise SimpleIndexError(str(error)) from None


def _row(value: Any, place: str, url: str) -> File | None:
    filename = document.field(value, "filename", str, place=place)
    version = parse_filename(filename)
    if version is None:
        return None
    hashes = document.field(value, "hashes", dict, place=place)
    size = document.field(value, "size", int, place=place, default=None)
    yanked = value.get("yanked", False)
    if not isinstance(yanked, (bool, str)):
        raise DocumentError(f"{place}.yanked: expected a reason, true or false")
    requires = value.get("requires-python")
    if requires is not None and not isinstance(requires, str):
        raise DocumentError(f"{place}.requires-python: expected a text or null")
    row = Distribution(
        filename=filename,
        version=version,
        sha256=_digest(hashes.get("sha256", ""), place),
        size=size,
        yanked=None if yanked is False else "" if yanked is True else yanked,
        url=_joined(url, document.field(value, "url", str, place=place), place),
    )
    return File(row, requires)


def parse_html(data: bytes, url: str = "") -> tuple[File, ...]:
    """Return the rows of a project's page in HTML (PEP 503), in the order of the page.

    Args:
        data: the bytes of the page, UTF-8.
        url: where the page is; without it, relative URLs stay as they are.

    Raises:
        SimpleIndexError: it is not UTF-8, is of another API version than 1.x, or a link is broken.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SimpleIndexError(f"not UTF-8 (byte {error.start})") from None
    parser = _Links()
    try:
        parser.feed(text)
        parser.close()
    except (AssertionError, RecursionError, ValueError) as error:
        # How html.parser tells of some broken markup, and html of a character of too many digits.
        raise SimpleIndexError(f"not HTML: {error}") from None
    _refuse_other_api(parser.api_version)
    base = _joined(url, parser.base, "base") if parser.base else url
    return tuple(_linked(parser.links[:_MAX_FILES], base))


def _linked(links: Sequence[dict[str, str | None]], base: str) -> Iterator[File]:
    for number, link in enumerate(links, 1):
        place = f"link {number}"
        address, _, fragment = (link["href"] or "").partition("#")
        filename = unquote(address.rpartition("/")[2])
        version = parse_filename(filename)
        if version is None:
            continue
        told = _FRAGMENT.search(fragment)
        row = Distribution(
            filename=filename,
            version=version,
            sha256=_digest(told[1] if told else "", place),
            yanked=(link["data-yanked"] or "") if "data-yanked" in link else None,
            url=_joined(base, address, place),
        )
        yield File(row, link.get("data-requires-python"))


class _Links(HTMLParser):
    """Collects the links of a page, and what it says of itself."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[dict[str, str | None]] = []
        self.base: str | None = None
        self.api_version = "1.0"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(reversed(attrs))  # of an attribute that stands twice, the first counts
        if tag == "a" and "href" in said:
            self.links.append(said)
        elif tag == "base" and self.base is None:
            self.base = said.get("href")
        elif tag == "meta" and said.get("name") == "pypi:repository-version":
            self.api_version = said.get("content") or ""


def _refuse_other_api(version: str) -> None:
    if not re.fullmatch(r"1\.[0-9]{1,9}", version):
        raise SimpleIndexError(f"API version: expected 1.x, got {version[:40]!r}")


def _digest(text: Any, place: str) -> str:
    """Return a hex SHA-256, an empty text where the index tells none."""
    if text in ("", None):
        return ""
    if isinstance(text, str) and _DIGEST.fullmatch(text.lower()):
        return text.lower()
    raise SimpleIndexError(f"{place}: sha256: expected 64 hex digits, got {str(text)[:80]!r}")


def _joined(url: str, address: str, place: str) -> str:
    bare = address.partition("#")[0]
    try:
        return urljoin(url, bare) if url else unquote(bare)
    except ValueError:  # InvalidVersion is one, and so is a number of too many digits
        raise SimpleIndexError(f"{place}: url: expected a URL, got {address[:80]!r}") from None
