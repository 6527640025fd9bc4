"""Built files are an origin alone: nothing is put among them, and only what was checked is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentrail_runtime import built
from agentrail_runtime.built import Built
from agentrail_runtime.channel import ChannelError, Distribution
from agentrail_runtime.progress import unwatched
from tests.channel_support import wheel


@pytest.fixture
def files(tmp_path: Path) -> Built:
    """One wheel."""
    return built.read([str(wheel(tmp_path))], unwatched)


def test_what_was_checked_is_what_is_published_whatever_is_on_the_disk_by_then(
    files: Built, tmp_path: Path
) -> None:
    data = Path(files.location).read_bytes()
    Path(files.location).write_bytes(b"other")
    assert files.fetch(files.distributions()[0]) == data


def test_a_file_that_is_not_among_them_is_not_served(files: Built) -> None:
    with pytest.raises(ChannelError, match="other: not among the built files"):
        files.fetch(Distribution("other", "1.0", "0" * 64))


def test_nothing_is_put_into_built_files_nor_taken_out(files: Built) -> None:
    with pytest.raises(ChannelError, match="no channel"):
        files.add(files.distributions(), files)
    with pytest.raises(ChannelError, match="no channel"):
        files.withdraw("1.1.0", "bad")
