"""What the properties share: settings that make a failure come back, and texts of every shape."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

BOM = b"\xef\xbb\xbf"


def steadily(max_examples: int = 50) -> settings:
    """Return settings under which a property tries the same examples in every run."""
    return settings(max_examples=max_examples, deadline=None, database=None, derandomize=True)


@st.composite
def user_texts(draw: st.DrawFn, *, ends: tuple[bytes, ...] = (b"\n", b"\r\n")) -> bytes:
    """Draw somebody's text: LF, CRLF or mixed line ends, final newline or none, BOM or none, empty."""
    words = st.one_of(
        st.sampled_from(
            [b"", b"a", b"# Title", "日本語".encode(), b"  - item", b"# note", b"<!-- x -->"]
        ),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0"), max_size=12).map(
            str.encode
        ),
    )
    lines = draw(st.lists(words, max_size=8))
    end = draw(st.sampled_from([*ends, None]))
    ended = [line + (end or draw(st.sampled_from(ends))) for line in lines]
    last = draw(st.one_of(st.just(b""), words))
    return draw(st.sampled_from([b"", BOM])) + b"".join(ended) + last
