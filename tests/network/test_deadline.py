"""Waiting no longer than one has time."""

from __future__ import annotations

import threading

import pytest

from agentrail_runtime.deadline import Deadline, within


def test_what_is_left_of_the_time_gets_less_whatever_it_went_to() -> None:
    clock = iter([100.0, 101.5, 102.9]).__next__
    deadline = Deadline(3, clock)
    assert deadline.left() == pytest.approx(1.5)
    assert deadline.left() == pytest.approx(0.1)


def test_nothing_is_begun_once_the_time_is_over() -> None:
    deadline = Deadline(3, iter([100.0, 103.0]).__next__)
    with pytest.raises(TimeoutError):
        within(deadline, pytest.fail)


def test_what_hangs_is_left_behind_and_told_to_end() -> None:
    end = threading.Event()
    with pytest.raises(TimeoutError):
        within(Deadline(0.05), end.wait, end.set)
    assert end.is_set()


def test_what_hangs_and_cannot_be_told_is_left_behind() -> None:
    end = threading.Event()
    with pytest.raises(TimeoutError):
        within(Deadline(0.05), end.wait)
    end.set()


def test_what_is_done_in_time_gives_its_value_or_its_error() -> None:
    assert within(Deadline(60), lambda: 7) == 7
    with pytest.raises(KeyError):
        within(Deadline(60), lambda: dict[str, int]()["no"])
