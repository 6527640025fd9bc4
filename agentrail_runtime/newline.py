"""Line ends: the same text with LF or CRLF is the same text."""

from __future__ import annotations

from agentrail_runtime.entry import sha256


def is_text(data: bytes) -> bool:
    """Tell whether `data` is text, as git does: it holds no NUL byte."""
    return b"\0" not in data


def is_utf8(data: bytes) -> bool:
    """Tell whether `data` is text in UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return is_text(data)


def to_lf(data: bytes) -> bytes:
    """Return `data` with every CRLF as LF."""
    return data.replace(b"\r\n", b"\n")


def to_crlf(data: bytes) -> bytes:
    """Return `data` with every line end as CRLF."""
    return to_lf(data).replace(b"\n", b"\r\n")


def uses_crlf(data: bytes) -> bool:
    """Tell whether most lines of the text `data` end in CRLF."""
    crlf = data.count(b"\r\n")
    return is_text(data) and crlf > 0 and 2 * crlf >= data.count(b"\n")


def digests(data: bytes) -> tuple[str, ...]:
    """Return the hex SHA-256 of `data` as it is and, for text, with LF and with CRLF throughout."""
    if not is_text(data) or b"\n" not in data:
        return (sha256(data),)
    return sha256(data), sha256(to_lf(data)), sha256(to_crlf(data))


def like(sample: bytes, data: bytes) -> bytes:
    """Return the text `data` with the line ends that `sample` has, or `data` where one is binary.

    A sample without any line end leaves `data` as it is.
    """
    if b"\n" not in sample or not (is_text(sample) and is_text(data)):
        return data
    return to_crlf(data) if uses_crlf(sample) else to_lf(data)
