"""Who may sign: the entries of an ``allowed_signers`` file, and lists of revoked keys.

The format is that of ssh-keygen(1), section ALLOWED SIGNERS (https://man.openbsd.org/ssh-keygen.1), and
entries mean what they mean there. Read more strictly: one broken line makes the whole file unusable,
instead of hiding the lines below it. Values only; files and processes are the business of `signing`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeVar

from agentrail_runtime.signature import (
    NAMESPACE,
    Signature,
    SignatureError,
    pack_string,
    take_string,
)

_Row = TypeVar("_Row")
_OPTION: Final = r'(?:cert-authority|(?:namespaces|valid-after|valid-before)="[^"\\]*")'
_LINE: Final = re.compile(
    rf'(?:"(?P<quoted>[^"]+)"|(?P<bare>[^\s"]+))[ \t]+(?:(?P<options>{_OPTION}(?:,{_OPTION})*)[ \t]+)?'
    r"(?P<type>[A-Za-z0-9@.-]+)[ \t]+(?P<key>[A-Za-z0-9+/=]+)(?:[ \t].*)?",
    re.IGNORECASE,
)
_REVOKED: Final = re.compile(r"(?P<type>[A-Za-z0-9@.-]+)[ \t]+(?P<key>[A-Za-z0-9+/=]+)(?:[ \t].*)?")
_MOMENT: Final = re.compile(r"([0-9]{8})((?:[0-9]{4}(?:[0-9]{2})?)?)(Z?)", re.IGNORECASE)
_EXPECTED: Final = "expected NAME[,NAME] [OPTIONS] KEY-TYPE KEY, as in ssh-keygen(1), ALLOWED SIGNERS"
_MAX_PRINCIPALS: Final = 1024


class Moment(NamedTuple):
    """A date or time of an entry: as it stands there, and in seconds since 1970 UTC."""

    text: str
    seconds: int


class Signer(NamedTuple):
    """An entry: whose the key is, the key, and what it may be used for.

    `is_authority` tells a key that certifies other keys from one that signs; `namespaces` is a pattern
    list, None for any; before `valid_after` and after `valid_before` the key is not accepted.
    """

    principals: str
    key_type: str
    key: bytes
    is_authority: bool = False
    namespaces: str | None = None
    valid_after: Moment | None = None
    valid_before: Moment | None = None

    @property
    def name(self) -> str | None:
        """The first of the principals that is not ruled out by a negated one; None if all are."""
        names = self.principals.split(",")
        banned = [name[1:] for name in names if name.startswith("!")]
        for name in names:
            if name and name[0] != "!" and not any(_fits(name, pattern) for pattern in banned):
                return name
        return None

    def is_valid_at(self, now: float) -> bool:
        """Tell whether the key is accepted at a time.

        Args:
            now: seconds since 1970 UTC.
        """
        is_early = self.valid_after is not None and now < self.valid_after.seconds
        is_late = self.valid_before is not None and now > self.valid_before.seconds
        return not (is_early or is_late)

    def window(self) -> str:
        """Return the time in which the key is accepted, for a message."""
        ends = (("valid-after", self.valid_after), ("valid-before", self.valid_before))
        return ", ".join(f"{name} {moment.text}" for name, moment in ends if moment)

    def may_have_made(self, signature: Signature) -> bool:
        """Tell whether the entry is for the key of `signature` or one that may have certified it."""
        if self.name is None or not is_listed(NAMESPACE, self.namespaces):
            return False
        if not self.is_authority:
            return self.key == signature.key
        # A certificate holds its authority's key; ssh-keygen tells whether that key certified it.
        return "-cert-" in signature.key_type and pack_string(self.key) in signature.key


def load_signers(data: bytes, name: str) -> tuple[Signer, ...]:
    """Return the entries of an ``allowed_signers`` file, in its order.

    Args:
        data: the bytes of the file.
        name: its name, for messages.

    Raises:
        SignatureError: a line of it is no entry; the first such line is named.
    """
    hint = f"correct it, for example: {example('you@example.org')}"
    return tuple(_load(data, name, _signer, hint))


def load_keys(data: bytes, name: str) -> frozenset[bytes]:
    """Return the keys of a list of public keys, one a line, as of ``ssh-keygen -Y verify -r``.

    Args:
        data: the bytes of the file.
        name: its name, for messages.

    Raises:
        SignatureError: a line of it is no public key; the first such line is named.
    """
    return frozenset(_load(data, name, _revoked, "list whole .pub files, one key a line"))


def example(name: str) -> str:
    """Return what an entry looks like, for a hint."""
    return f'{name} namespaces="{NAMESPACE}" ssh-ed25519 AAAA...'


def is_listed(name: str, patterns: str | None) -> bool:
    """Tell whether a pattern list (ssh_config(5), PATTERNS) fits `name`; None fits every name."""
    if patterns is None:
        return True
    listed = patterns.split(",")
    if any(pattern.startswith("!") and _fits(name, pattern[1:]) for pattern in listed):
        return False
    return any(_fits(name, pattern) for pattern in listed)


def _fits(name: str, pattern: str) -> bool:
    """Tell whether one pattern fits: ``*`` stands for any text, ``?`` for any character.

    Not by a regular expression: a pattern with many stars would take for ever.
    """
    ends = {0}
    for character in pattern:
        if character == "*":
            ends = set(range(min(ends), len(name) + 1))
        else:
            ends = {end + 1 for end in ends if end < len(name) and character in ("?", name[end])}
        if not ends:
            return False
    return len(name) in ends


def _load(data: bytes, name: str, parse: Callable[[str], _Row], hint: str) -> list[_Row]:
    """Return what every line comes to that is neither blank nor a comment."""
    rows = ((number, raw.strip(b" \t\r")) for number, raw in enumerate(data.split(b"\n"), 1))
    return [
        _row(raw, f"{name}:{number}", parse, hint)
        for number, raw in rows
        if raw and not raw.startswith(b"#")
    ]


def _row(raw: bytes, place: str, parse: Callable[[str], _Row], hint: str) -> _Row:
    try:
        line = raw.decode("utf-8")
        if not line.replace("\t", " ").isprintable():
            raise ValueError("control characters")
        return parse(line)
    except ValueError as error:
        what = "not UTF-8" if isinstance(error, UnicodeError) else error
        path = place.rpartition(":")[0]
        raise SignatureError(f"{place}: {what}", paths=[path], hint=hint) from None


def _signer(line: str) -> Signer:
    """Return the entry on a line; ValueError if there is none."""
    match = _LINE.fullmatch(line)
    if not match:
        raise ValueError(f"not an entry ({_EXPECTED})")
    principals = match["quoted"] or match["bare"]
    if len(principals) > _MAX_PRINCIPALS:
        raise ValueError(f"too many names (expected at most {_MAX_PRINCIPALS} characters)")
    options = _options(re.findall(_OPTION, match["options"] or "", re.IGNORECASE))
    after, before = (
        _moment(options[name], name) if name in options else None
        for name in ("valid-after", "valid-before")
    )
    if after and before and before.seconds <= after.seconds:
        raise ValueError("valid-before is not after valid-after")
    return Signer(
        principals=principals,
        key_type=match["type"],
        key=_key(match["type"], match["key"]),
        is_authority="cert-authority" in options,
        namespaces=options.get("namespaces"),
        valid_after=after,
        valid_before=before,
    )


def _revoked(line: str) -> bytes:
    """Return the key on a line; ValueError if there is none."""
    match = _REVOKED.fullmatch(line)
    if not match:
        raise ValueError("not a public key (expected KEY-TYPE KEY)")
    return _key(match["type"], match["key"])


def _options(words: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        name, _, value = word.partition("=")
        name = name.lower()
        if name in found:
            raise ValueError(f"{name}: given twice")
        found[name] = value.strip('"')
    return found


def _key(key_type: str, text: str) -> bytes:
    """Return the key that a line holds in base64; ValueError if it is none of the type."""
    try:
        key = binascii.a2b_base64(text)
        inner, _ = take_string(key)
    except ValueError:
        key, inner = b"", b""
    if (
        inner.decode("ascii", "replace") != key_type
        or binascii.b2a_base64(key, newline=False) != text.encode()
    ):
        raise ValueError(f"not a key of the type {key_type}")
    return key


def _moment(text: str, option: str) -> Moment:
    """Return a time as ssh-keygen reads it: without a ``Z``, local standard time, in summer, too."""
    import calendar
    import time

    match = _MOMENT.fullmatch(text)
    try:
        if not match:
            raise ValueError
        day, clock, zone = match.groups()
        fields = time.strptime(day + clock.ljust(6, "0"), "%Y%m%d%H%M%S")
        seconds = calendar.timegm(fields) if zone else int(time.mktime((*fields[:8], 0)))
    except (ValueError, OverflowError):
        seconds = -1
    if seconds < 0:
        expected = "expected YYYYMMDD[Z] or YYYYMMDDHHMM[SS][Z]"
        raise ValueError(f"{option}: not a time ({expected}, got {text!r})") from None
    return Moment(text, seconds)
