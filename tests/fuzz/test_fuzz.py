"""Whatever bytes there are to read: they are read or refused by name, and nothing else happens."""

from __future__ import annotations

import signal
import sys
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.__main__ import main
from tests.fuzz.catalog import TARGETS
from tests.fuzz.chance import Chosen
from tests.fuzz.finding import CORPUS, run
from tests.fuzz.loop import inputs
from tests.fuzz.target import Target

FILES = sorted(CORPUS.glob("*/*"))
NAMES = sorted(TARGETS)
GROWING = [name for name in NAMES if TARGETS[name].grown]
PATIENCE = 60.0
"""Seconds after which an input is given up, where CI would wait for ever."""


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}/{path.name}" for path in FILES])
def test_what_was_found_once_stays_mended(path: Path) -> None:
    outcome = run(TARGETS[path.parent.name], path.read_bytes(), limit=PATIENCE)
    assert outcome.fault == "", outcome.told


def accepted(target: Target, seed: str, count: int) -> int:
    """Try so many inputs; return how many were accepted. None may have a fault."""
    found = 0
    for data in islice(inputs(target, seed, []), count):
        outcome = run(target, data, limit=PATIENCE)
        again = f"{target.name}: {data!r}\nshorten it: python -m tests.fuzz --target {target.name}"
        assert outcome.fault == "", f"{outcome.told}{outcome.fault}\n{again}"
        found += outcome.is_accepted
    return found


@pytest.mark.parametrize("name", NAMES)
def test_hostile_bytes_are_refused_by_name_and_everything_else_holds(name: str) -> None:
    assert accepted(TARGETS[name], "short", TARGETS[name].examples)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_more_hostile_bytes_are_refused_by_name_and_many_get_past_the_first_check(name: str) -> None:
    count = 4 * TARGETS[name].examples
    assert accepted(TARGETS[name], "long", count) > count // 20


def calls(target: Target, data: bytes) -> int:
    """Return how many functions are called for an input: a clock that no other process disturbs."""
    count = 0

    def note(*_: object) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        assert target.check(data)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("name", GROWING)
def test_four_times_as_much_to_read_is_no_more_than_four_times_the_work(name: str) -> None:
    grown = TARGETS[name].grown
    assert grown
    assert calls(TARGETS[name], grown(100)) < 4.2 * calls(TARGETS[name], grown(25))


# --- the fuzzer itself -------------------------------------------------------------------------------


def test_the_corpus_is_small_and_has_inputs_of_targets_alone() -> None:
    assert {path.parent.name for path in FILES} <= {*NAMES}
    assert sum(path.stat().st_size for path in FILES) < 150_000
    assert len(FILES) < 200


@pytest.mark.parametrize("name", NAMES)
def test_the_same_decisions_make_the_same_input(name: str) -> None:
    decisions = Random(name).randbytes(400)
    assert TARGETS[name].make(Chosen(decisions)) == TARGETS[name].make(Chosen(decisions))
    assert isinstance(TARGETS[name].make(Chosen(b"")), bytes)


def misread(data: bytes) -> bool:
    """Read an input as somebody does who has not thought of everything."""
    assert b"}" not in data or b"{" in data
    return True


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = (b"{", b"}", b"abc")
    target = Target("planted", misread, lambda random: b"x".join(random.choices(tokens, k=9)), tokens)
    monkeypatch.setitem(TARGETS, "planted", target)


@pytest.mark.usefixtures("planted")
def test_a_fault_is_found_shortened_kept_and_repeated_by_the_command_that_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--target", "planted", "--corpus", str(tmp_path), "--seed", "1"]
    assert main([*words, "--seconds", "0"]) == 1
    (path,) = (tmp_path / "planted").iterdir()
    assert path.read_bytes() == b"}"
    out = capsys.readouterr().out
    assert "AssertionError" in out
    command = f"python -m tests.fuzz --target planted --input {path}"
    assert f"again: {command}\n" in out
    assert main(command.split()[3:]) == 1


@pytest.mark.usefixtures("planted")
def test_what_is_in_the_corpus_is_tried_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted/old").write_bytes(b"}}")
    assert (
        main(["--target", "planted", "--corpus", str(tmp_path), "--seed", "1", "--seconds", "0"]) == 1
    )
    assert "planted" in capsys.readouterr().out
    assert (tmp_path / "planted/old").read_bytes() == b"}}"


def test_a_run_without_a_fault_ends_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["--target", "revoked", "--corpus", str(tmp_path), "--seed", "1", "--seconds", "0"]) == 0
    )
    assert capsys.readouterr().out.count("\n") == 3
    assert [*tmp_path.iterdir()] == []


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this platform")
def test_an_input_that_takes_for_ever_is_given_up() -> None:
    def wait(data: bytes) -> bool:
        while data:
            pass
        return True

    outcome = run(Target("slow", wait, lambda random: b"x"), b"x", limit=0.05)
    assert outcome.fault == "too slow"
