"""Files of events."""

from __future__ import annotations

import atexit
import json
import os
import tempfile
from functools import cache
from random import Random
from typing import Final

from agentrail_runtime import event_reader
from agentrail_runtime.release import event
from agentrail_runtime.release.event import LINE_BYTES, Event, EventError
from tests.fuzz.claim import is_told
from tests.fuzz.mutation import altered, as_json, scrambled
from tests.fuzz.target import Target

EVENT: Final = {
    "schema_version": "1.0",
    "event_id": "e-1",
    "ts": "2030-01-31T12:00:00Z",
    "repo": "ab" * 16,
    "channel": "pilot",
    "version": "1.1.0",
    "from_version": None,
    "route": "package",
    "op": "install",
    "phase": "finished",
    "outcome": "ok",
    "error_code": 0,
    "duration_ms": 12,
    "python": "3.12.1",
    "os": "linux",
}
WORDS: Final = (
    *("started", "failed", "rolled_back", "copy", "general", "uninstall", "1.12", "1.0.7", "2.0"),
    *("2030-02-29T12:00:00Z",),
    *("2030-01-31t12:00:00.123456789+00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59z", 255, 256),
    *(10**12, "a" * 128),
)


@cache
def _path() -> str:
    """Return a file to put events into, gone when the process ends."""
    descriptor, path = tempfile.mkstemp(suffix=".jsonl")
    os.close(descriptor)
    atexit.register(os.unlink, path)
    return path


def check_events(data: bytes) -> bool:
    """Claim that every line of a file is seen, and is an event that can be written, or none by name."""
    with open(_path(), "wb") as file:
        file.write(data)
    lines = [*event_reader.lines([_path()])]
    expected = [line + b"\n" for line in data.split(b"\n")]
    expected[-1] = expected[-1][:-1]
    assert lines == [line[: LINE_BYTES + 1] for line in expected if line]
    assert event_reader.has_more([_path()], data.count(b"\n")) is False
    found = [_event(line) for line in lines]
    return any(found)


def _event(line: bytes) -> bool:
    try:
        read, unknown = event.parse(line)
    except EventError as error:
        is_told(error)
        return False
    written = event.dump(read)
    assert event.parse(written) == (read, ())
    assert (written.count(b"\n"), written.isascii()) == (1, True)
    assert all(name.isprintable() for name in unknown)
    event.seconds(read.ts)
    said = json.loads(line)
    for name in Event._fields:
        assert said.get(name) == getattr(read, name)
        assert type(said.get(name)) is type(getattr(read, name))
    return True


def _make(random: Random) -> bytes:
    lines = [as_json(random, altered(random, EVENT, WORDS)) for _ in range(random.choice((1, 1, 2, 3)))]
    data = b"".join(line.replace(b"\n", b" ") + b"\n" for line in lines)
    return scrambled(random, data, (b"\n", b'"ts"', b'"1.0"')) if random.randrange(5) == 0 else data


TARGETS: Final = (
    Target(
        "events",
        check_events,
        _make,
        (b'"ts"', b"\n"),
        lambda n: (json.dumps(EVENT).encode() + b"\n") * n,
        examples=120,
    ),
)
