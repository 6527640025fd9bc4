"""A file is read to its end, whatever size it said it had."""

from __future__ import annotations

import os

import pytest

from agentrail_runtime import descriptor


@pytest.mark.parametrize("said", [0, 4, 5, 6, 100])
def test_a_file_that_grew_or_shrank_meanwhile_is_read_whole(said: int) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"hello")
    os.close(writing)
    try:
        assert descriptor.read_all(reading, said) == b"hello"
    finally:
        os.close(reading)


def test_a_file_that_comes_in_pieces_is_read_whole() -> None:
    reading, writing = os.pipe()
    data = os.urandom(3 * descriptor.CHUNK)
    if os.fork() == 0:
        os.close(reading)
        for start in range(0, len(data), 50_000):
            os.write(writing, data[start : start + 50_000])
        os._exit(0)
    os.close(writing)
    try:
        assert descriptor.read_all(reading, len(data)) == data
    finally:
        os.close(reading)
        os.wait()


def test_a_symlink_is_never_followed_where_the_platform_can_tell() -> None:
    assert descriptor.OPEN_FLAGS & getattr(os, "O_NOFOLLOW", 0) == getattr(os, "O_NOFOLLOW", 0)
    assert descriptor.READ_FLAGS & descriptor.OPEN_FLAGS == descriptor.OPEN_FLAGS
