r"""Alterations that what is read has to survive: of values, of their text, and of bytes.

All are pure: the decisions come from the `Random` that is handed in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

BOM: Final = b"\xef\xbb\xbf"

_TEXTS: Final = (
    *("", " ", "\0", "\t", "a\nb", "\r", "\x1b[31m", "\x9b31m", "\u2028", "\u202e", "\ud800", "\udcff"),
    *("é", "e\u0301", "İ", "ß", "SS", "\u212a", "１", "\u0663", "日本/作業", "\U0001f600", "\ufeff"),
    *("\uffff",),
    *("1", "1.0", "1.9", "1.0.0", "2.0", "01.0", "1.", "1e9", "v1", "9" * 5000, "null", "true", "~"),
    *(".", "..", "/", "/x", "a/../b", "a//b", "a/", "./a", "C:/x", "c:x", "a\\b", "nul", "COM1.txt"),
    *("aux/x", "x.", "x ", ".git/config", ".GIT", "git~1", ".g\u200cit/x", "A.md", "a.md", "a.md/b"),
    *(".agentrail", ".agentrail/state/x", ".AGENTRAIL/receipt.json", ".agentrail/receipt.json/x"),
    *("runtime.index.json", "a" * 256, "a/" * 600, "日" * 90, "managed", "seed", "block", "profile"),
    *("package", "copy", "install", "ab" * 32, "AB" * 32, "cd" * 20, "ab" * 31, f"sha256:{'ab' * 32}"),
    *("2030-12-31T08:00:00Z", "2030-02-30T25:61:61Z", "2030-12-31", "https://example.org/simple/"),
)
_NUMBERS: Final = (
    0,
    1,
    -1,
    2,
    7,
    255,
    256,
    0o777,
    2**31,
    2**63,
    -(2**63),
    10**30,
    0.5,
    -0.0,
    1e308,
    5e-324,
)
_MOST_BYTES: Final = 30_000
_SCALARS: Final = (None, True, False, *_NUMBERS, *_TEXTS)
_PLAIN_VALUE: Final = re.compile(r"(?<=[:,\[\s])(?:-?[0-9][0-9.eE+-]*|null|true|false)(?=[,\]}\s])")
_NUMBER_TEXTS: Final = (
    *("1e400", "-1e400", "1E5", "1e-400", "-0", "-0.0", "1.0", "00", "+1", ".5", "1.", "0x1", "NaN"),
    *("-Infinity",),
    *("9" * 4400, "9" * 4200, "1e99999999999999999999", "18446744073709551616", "0." + "1" * 400),
    *("Null", "True"),
)
_HOLDERS: Final[tuple[Any, ...]] = (
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"path": "a"},
    ["a", "a"],
    [1],
    ["a", None, "b"],
)
_BYTES: Final = (
    *(b"\0", b"\r", b"\n", b"\r\n", b"\n\n", b"\t", b" ", b"  ", b"\\", b'"', b"'", b"`", b"#", b"&a "),
    *(b"*a",),
    *(b"{", b"}", b"[", b"]", b"[" * 200, b'{"a":' * 120, b",", b":", b": ", b"- ", b"? ", b"| ", b">"),
    *(b"<",),
    *(b"!!str ", b"%", b"@", b"---\n", b"...\n", b"<<: *a\n", b"-->", b"<!--", b"0", b"1e400", b"-0"),
    *(b"NaN",),
    *(BOM, b"\xff\xfe", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\xa8"),
    *(b"\x85",),
    *(b"\xc2\x85", b"\xc2\x9b", b"\x1b", b"\\u0000", b"\\ud800", b"\\ud83d\\ude00", b"9" * 4400, b"="),
    *(b";",),
)


def value(random: Random) -> Any:
    """Return any value that JSON may have."""
    kind = random.randrange(12)
    if kind == 0:
        return json.loads(json.dumps(random.choice(_HOLDERS)))
    if kind == 1:
        return _nested(random)
    if kind == 2:
        return text(random) + text(random)
    return random.choice(_SCALARS)


def text(random: Random) -> str:
    """Return a text that somebody may not have thought of."""
    return random.choice(_TEXTS)


def _nested(random: Random) -> Any:
    found: Any = None
    for _ in range(random.choice((3, 50, 97, 98, 99, 100, 101, 400))):
        found = [found] if random.randrange(2) else {"a": found}
    return found


def altered(random: Random, valid: Any, words: Sequence[Any] = ()) -> Any:
    """Return `valid`, a value of JSON, with nothing to a few of its parts replaced, dropped or doubled.

    Args:
        random: takes the decisions.
        valid: the value; it stays as it is.
        words: values that mean something at some place of it.
    """
    changed = json.loads(json.dumps(valid))
    for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3, 5))):
        holders = [holder for holder in _holders(changed) if holder]
        if holders:
            _alter(random, random.choice(holders), words)
    return changed


def _holders(value: Any) -> list[Any]:
    """Return every object and list in `value`, itself too."""
    found, todo = [], [value]
    while todo:
        item = todo.pop()
        if isinstance(item, (dict, list)):
            found.append(item)
            todo += item.values() if isinstance(item, dict) else item
    return found


def _alter(random: Random, holder: Any, words: Sequence[Any]) -> None:
    """Change one part of `holder`."""
    keys = [*holder] if isinstance(holder, dict) else [*range(len(holder))]
    key, how = random.choice(keys), random.randrange(10)
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(holder, list):
        holder.insert(random.choice(keys), holder[key])
    elif how == 1:
        holder[text(random)] = value(random)
    elif how == 2 and isinstance(holder, dict):
        holder[_misspelt(random, key)] = holder.pop(key) if random.randrange(2) else holder[key]
    elif how == 3:
        other = random.choice(keys)
        holder[key], holder[other] = holder[other], holder[key]
    elif how < 7 and words:
        holder[key] = json.loads(json.dumps(random.choice(words)))
    elif isinstance(holder[key], str) and how == 7:
        holder[key] = spliced(random, holder[key], text(random))
    else:
        holder[key] = value(random)


def _misspelt(random: Random, key: str) -> str:
    at = random.randrange(len(key) + 1)
    return random.choice(
        (key.upper(), key + "s", key[:at] + "\x9b" + key[at + 1 :], key[:at], f"x-{key}")
    )


def spliced(random: Random, one: str, other: str) -> str:
    """Return `one` with `other` in the place of some of it, or of nothing."""
    start, stop = sorted((random.randrange(len(one) + 1), random.randrange(len(one) + 1)))
    return one[:start] + other + one[random.choice((start, stop)) :]


def as_json(random: Random, value: Any) -> bytes:
    """Return `value` as JSON, laid out and escaped as anybody may have done it."""
    style = random.randrange(12)
    if style > 7:
        written = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    else:
        written = json.dumps(value, ensure_ascii=style > 3, indent=(None, 2, "\t", 0)[style % 4])
    if random.randrange(12) == 0:
        written = _doubled_key(random, written)
    if random.randrange(12) == 0:
        written = _odd_number(random, written)
    return written.encode("utf-8", "surrogatepass")


def _doubled_key(random: Random, written: str) -> str:
    """Return JSON in which an object has a key twice."""
    starts = [at + 1 for at, sign in enumerate(written) if sign == "{"]
    if not starts:
        return written
    at = random.choice(starts)
    key = written[at:].lstrip().partition(":")[0]
    return (
        f"{written[:at]}{key}: {json.dumps(text(random))}, {written[at:]}"
        if key[:1] == '"'
        else written
    )


def _odd_number(random: Random, written: str) -> str:
    """Return JSON with a number that some readers of it cannot hold, or that is none."""
    found = [*_PLAIN_VALUE.finditer(written)]
    if not found:
        return written
    start, stop = random.choice(found).span()
    return written[:start] + random.choice(_NUMBER_TEXTS) + written[stop:]


def scrambled(random: Random, data: bytes, tokens: Sequence[bytes] = ()) -> bytes:
    """Return `data` after nothing to several alterations of its bytes and lines."""
    for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3, 4, 8))):
        data = random.choice(_SCRAMBLES)(random, data, tokens)[:_MOST_BYTES]
    return data


def _token(random: Random, tokens: Sequence[bytes]) -> bytes:
    return random.choice(tokens if tokens and random.randrange(3) else _BYTES)


def _place(random: Random, data: bytes) -> int:
    """Return a place in `data`, that of a line's beginning as often as not."""
    at = random.randrange(len(data) + 1)
    return at if random.randrange(2) else data.rfind(b"\n", 0, at) + 1


def _insert(random: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    at = _place(random, data)
    return data[:at] + _token(random, tokens) + data[at:]


def _replace(random: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    at = _place(random, data)
    return data[:at] + _token(random, tokens) + data[at + random.randrange(12) :]


def _flip(random: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _cut(random: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    start, stop = sorted((_place(random, data), _place(random, data)))
    return data[:start] + data[stop:] if random.randrange(3) else data[:start]


def _drop(random: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at + random.choice((1, 1, 2, 4)) :]


def _lines(random: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """Drop, double, move or indent a line, or make several of it."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    at, other, how = random.randrange(len(lines)), random.randrange(len(lines)), random.randrange(5)
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(other, lines[at])
    elif how == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif how == 3:
        lines[at] = random.choice((b" ", b"  ", b"    ", b"\t", b"- ", b"> ", b"# ")) + lines[at]
    else:
        lines[at:at] = lines[at : at + 3] * random.choice((2, 9))
    return b"".join(lines)


def _end(random: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """Give all lines, or one of them, another end."""
    if random.randrange(2):
        return data.replace(b"\n", random.choice((b"\r\n", b"\r", b"\n\n", b"", b"\xe2\x80\xa8")))
    at = data.find(b"\n", random.randrange(len(data) + 1))
    return data if at < 0 else data[:at] + random.choice((b"\r\n", b"\r", b"", b" \n")) + data[at + 1 :]


def _begin(random: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """Begin with a byte order mark, be in UTF-16, or lose or get a final line end."""
    how = random.randrange(4)
    if how == 0:
        return BOM + data
    if how == 1:
        return data.decode("utf-8", "replace").encode("utf-16")
    return data.rstrip(b"\r\n") if how == 2 else data + b"\n"


def _repeat(random: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """Repeat a piece, now and then so often that what takes time in its square is felt."""
    start = _place(random, data)
    piece = data[start : start + random.choice((1, 2, 3, 8, 40))] or _token(random, tokens)
    count = random.choice((2, 5, 30)) if random.randrange(40) else 20_000 // len(piece)
    return data[:start] + piece * count + data[start:]


_SCRAMBLES: Final[tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...]] = (
    *(_insert, _insert, _replace, _replace, _flip, _cut, _drop, _drop, _lines, _lines, _end, _begin),
    *(_repeat,),
)


def json_maker(
    valids: Sequence[Any], words: Sequence[Any] = (), tokens: Sequence[bytes] = ()
) -> Callable[[Random], bytes]:
    """Return a maker of documents near to valid ones."""

    def make(random: Random) -> bytes:
        data = as_json(random, altered(random, random.choice(valids), words))
        return scrambled(random, data, tokens) if random.randrange(5) == 0 else data

    return make


def text_maker(seeds: Sequence[bytes], tokens: Sequence[bytes]) -> Callable[[Random], bytes]:
    """Return a maker of texts: near to valid ones, and made of tokens."""

    def make(random: Random) -> bytes:
        data = random.choice(seeds)
        if random.randrange(6) == 0:
            data = b"".join(random.choice(tokens) for _ in range(random.randrange(12)))
        return scrambled(random, data, tokens)

    return make
