"""Whatever stands in a file of events, a line is an event or is named as none."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agentrail_runtime.release import event, remote
from agentrail_runtime.release.event import Event, EventError
from tests.property.support import steadily

TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64)
EVENTS = st.builds(
    Event,
    schema_version=st.sampled_from(["1.0", "1.12"]),
    event_id=TEXTS,
    ts=st.datetimes().map(lambda when: f"{when:%H:%M:%S}").map(lambda time: f"2026-01-31T{time}Z"),
    repo=TEXTS,
    channel=st.sampled_from([None, "internal", "pilot", "general"]),
    version=TEXTS,
    from_version=st.none() | TEXTS,
    route=st.sampled_from([None, "package", "copy"]),
    op=st.sampled_from(["install", "rollback", "uninstall"]),
    phase=st.sampled_from(["started", "finished"]),
    outcome=st.sampled_from(["ok", "failed", "rolled_back"]),
    error_code=st.none() | st.integers(0, 255),
    duration_ms=st.none() | st.integers(0, 10**12),
    python=st.none() | TEXTS,
    os=st.none() | TEXTS,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@steadily()
@given(EVENTS)
def test_every_event_survives_its_line(written: Event) -> None:
    line = event.dump(written)
    assert (line.count(b"\n"), event.parse(line)) == (1, (written, ()))


@steadily()
@given(EVENTS, st.sampled_from([*Event._fields, "more"]), JSON)
def test_a_field_of_any_value_is_read_or_refused(written: Event, name: str, value: Any) -> None:
    line = json.dumps({**written._asdict(), name: value}).encode()
    with suppress(EventError):
        found, unknown = event.parse(line)
        assert event.parse(event.dump(found)) == (found, ())
        assert all(name.isprintable() for name in unknown)


@steadily()
@given(st.binary() | EVENTS.map(event.dump), st.integers(0, 400), st.binary(max_size=20))
def test_any_bytes_are_an_event_or_named_as_none(line: bytes, at: int, torn: bytes) -> None:
    told = ""
    try:
        event.parse(line[:at] + torn + line[at:])
    except EventError as error:
        told = str(error)
    assert told.isprintable()


@steadily()
@given(st.text("ab:@?#%", max_size=8), st.sampled_from(["https", "ssh", "git+ssh"]))
def test_no_password_is_part_of_a_name(secret: str, scheme: str) -> None:
    assert remote.name(f"{scheme}://me:{secret}@example.org/a/b.git") == "example.org/a/b"
