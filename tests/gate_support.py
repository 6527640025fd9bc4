"""What the tests of the gate share: lines of events, and a policy."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from agentrail_runtime.release import event, policy
from agentrail_runtime.release.cohort import Collector, Evidence
from agentrail_runtime.release.event import Event
from agentrail_runtime.release.gate import microseconds
from tests.support import PAYLOAD

START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
NOW = START + timedelta(days=30)
POLICY = policy.load((PAYLOAD / "distribution.yaml").read_bytes())
_VALUES: dict[str, Any] = {
    "schema_version": "1.0",
    "event_id": "run",
    "ts": event.moment(START),
    "repo": "r",
    "channel": "internal",
    "version": "1.1.0",
    "from_version": None,
    "route": "package",
    "op": "install",
    "phase": "finished",
    "outcome": "ok",
    "error_code": 0,
    "duration_ms": 900,
    "python": "3.11.4",
    "os": "linux",
}


def line(after: float = 0, **values: Any) -> bytes:
    """Return a line, so many seconds after the start; a successful install unless `values` say more."""
    known = {**_VALUES, "ts": event.moment(START + timedelta(seconds=after)), **values}
    if known["phase"] == "started":
        known = {**known, "outcome": None, "error_code": None, "duration_ms": None, **values}
    return event.dump(Event(**known))


def run(repo: int | str, after: float = 0, *, took: float = 3, **values: Any) -> bytes:
    """Return the two lines of one run."""
    name = hashlib.sha256(str(repo).encode()).hexdigest()
    said = {"repo": name, "event_id": f"{repo}-{after}-{values.get('op')}", **values}
    started = {key: value for key, value in said.items() if key not in ("outcome", "error_code")}
    return line(after, phase="started", **started) + line(after + took, **said)


def failed(repo: int | str, after: float = 0, **values: Any) -> bytes:
    """Return the two lines of an install that failed."""
    return run(repo, after, **{"outcome": "failed", "error_code": 1, **values})


def many(count: int, *, first: int = 0, **values: Any) -> bytes:
    """Return so many successful installs, each in its repository, a minute apart."""
    return b"".join(run(number, 60 * number, **values) for number in range(first, first + count))


def evidence(data: bytes, *, now: datetime = NOW, version: str = "1.1.0") -> Evidence:
    """Return what lines come to, at the internal stage."""
    collector = Collector(stage="internal", version=version, now=microseconds(now))
    for text in data.split(b"\n"):
        collector.add(text)
    return collector.evidence()


def write(place: Path, data: bytes, name: str = "events.jsonl") -> Path:
    """Write events into a directory, which is returned."""
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(data)
    return place
