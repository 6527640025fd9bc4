"""The upgrade of a profile touches its version alone, or refuses; a second one changes nothing."""

from __future__ import annotations

import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from agentrail_runtime.errors import IncompatibleError, ProfileError
from agentrail_runtime.release.profile_upgrade import upgrade
from tests.property.support import steadily
from tests.property.test_profile import profiles

KEYS = st.sampled_from(["version", "'version'", '"version"', "&k version", "!!str version"])
VALUES = st.sampled_from(
    ["1", "1.0", "'1.0'", '"1.2.3"', "&v 1.0", "!!str 1.0", "1.0 # 注", "|-\n  1.0"]
)
ROWS = st.sampled_from(
    ["other: *v", "other: 1.0", "more: {version: 1}", "# version: 1.0", "", "l: [*k]"]
)


@st.composite
def former(draw: st.DrawFn) -> tuple[str, str, str]:
    """Draw a profile of schema 1.x: what stands before its version, that line, what is behind."""
    text = draw(profiles()).replace('schema_version: "2.0.0"', "kind: profile")
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.split(end)
    head = sum(line.startswith(("%", "---", "\ufeff%", "\ufeff---")) for line in lines[:2])
    tops = [
        n for n, line in enumerate(lines) if n >= head and line[:1] not in (" ", "?", ":", "\ufeff")
    ]
    at = draw(st.sampled_from(tops or [len(lines)]))
    row = f"{draw(KEYS)}: {draw(VALUES)}".replace("\n", end)
    behind = [*lines[at:], *draw(st.lists(ROWS, max_size=2))]
    before = "".join(line + end for line in lines[:at])
    return before, row, "".join(end + line for line in behind)


@steadily(80)
@given(former())
def test_an_upgrade_touches_no_other_byte(parts: tuple[str, str, str]) -> None:
    before, row, behind = parts
    text = before + row + behind
    try:
        done = upgrade(text.encode())
    except (ProfileError, IncompatibleError):
        assume(False)
        return
    after = done.data.decode()
    assert after.startswith(before)
    assert after.endswith(behind)
    changed = after[len(before) : len(after) - len(behind)]
    assert "schema_version" in changed
    assert "2.0.0" in changed
    old, new = yaml.safe_load(text), yaml.safe_load(after)
    assert new.pop("schema_version") == "2.0.0"
    assert str(old.pop("version")) == done.former
    assert new == old
    assert upgrade(done.data) == (done.data, None)


@steadily(120)
@given(
    st.one_of(
        st.binary(max_size=40),
        st.text("version: 1.0\n-[]{}?&*!|>'\"%@#,~\\\r\t\ufeff", max_size=60).map(str.encode),
        st.tuples(
            former(), st.integers(0, 80), st.sampled_from(list("[]{}&*!|>'\"%@`#,:?-\n\t\0\x07"))
        ).map(lambda drawn: _struck("".join(drawn[0]), drawn[1], drawn[2]).encode()),
    )
)
@example(b"? [version]\n: 1\nversion: 1")
@example(b"? &a {*a : 1}\n: 1\nversion: 1.0")
def test_any_file_is_upgraded_or_refused_with_a_named_error(data: bytes) -> None:
    try:
        done = upgrade(data)
    except (ProfileError, IncompatibleError):
        return
    assert (done.data == data) is (done.former is None)


def _struck(text: str, at: int, mark: str) -> str:
    return text[:at] + mark + text[at:]
