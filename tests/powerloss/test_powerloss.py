"""The power fails in the middle of a command: the target is old or new then, and nothing is lost."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.powerloss import __main__ as command
from tests.powerloss import trace
from tests.powerloss.loss import MODELS
from tests.powerloss.scene import SCENES, Camera, Film, random_kill
from tests.powerloss.search import Finding, Search

QUICK = ("install", "upgrade", "rollback", "uninstall")
REST = tuple(name for name in SCENES if name not in QUICK)


def not_survived(search: Search, count: int) -> dict[str, str]:
    """Return what is wrong in the first `count` states of a search, each with a loss that brings it."""
    found = itertools.islice(search.findings(), count)
    return {state.problem: f"{state.model}: {state.text}" for state in found if state.problem}


def is_found_out(film: Film, scratch: Path, left_out: Iterable[int]) -> bool:
    """Tell whether a search finds what goes wrong without some syncs."""
    search = Search(film, scratch, tape=film.tape.without(left_out))
    return any(state.problem for state in itertools.islice(search.findings(), 400))


@pytest.mark.parametrize("name", QUICK)
def test_a_power_loss_leaves_the_old_tree_or_the_new_one_and_every_byte(
    camera: Camera, name: str
) -> None:
    assert not_survived(Search(camera.film(SCENES[name]), camera.directory()), 60) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", REST)
def test_a_power_loss_leaves_the_old_tree_or_the_new_one_whatever_happened_before(
    camera: Camera, name: str
) -> None:
    assert not_survived(Search(camera.film(SCENES[name]), camera.directory()), 80) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["upgrade", "rollback", "uninstall"])
def test_a_power_loss_in_the_recovery_after_a_power_loss_is_recovered_in_turn(
    camera: Camera, name: str
) -> None:
    (film,) = command.recovered(camera, [camera.film(SCENES[name])], MODELS, 1, 3)
    assert not_survived(Search(film, camera.directory()), 80) == {}


# --- the search itself -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_product_that_did_not_sync_would_be_found_out(camera: Camera, kind: str) -> None:
    film = camera.film(SCENES["upgrade"])
    syncs = [at for at, found in film.tape.syncs().items() if found == kind]
    assert is_found_out(film, camera.directory(), syncs)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param("/journal", id="the journal"),
        pytest.param("/new/", id="a new file"),
        pytest.param("/replaced/CLAUDE.md", id="a replaced file"),
    ],
)
def test_a_product_that_forgot_one_file_would_be_found_out(camera: Camera, part: str) -> None:
    film = camera.film(SCENES["upgrade"])
    first = next(at for at in film.tape.syncs() if part in film.tape.operations[at].text)
    assert is_found_out(film, camera.directory(), (first,))


def test_a_product_that_lost_what_it_had_reported_would_be_found_out(camera: Camera) -> None:
    film = camera.film(SCENES["upgrade"])
    commit = max(at for at, step in enumerate(film.tape.operations) if step.text.endswith("record"))
    late = [at for at in film.tape.syncs() if at > commit]
    search = Search(film, camera.directory(), models=("scattered",), tape=film.tape.without(late))
    loss = search.losses["scattered"]
    assert search.judge("scattered", loss.nothing(len(loss.operations))) is not None


def test_a_search_brings_states_of_every_model_and_no_state_twice(camera: Camera) -> None:
    search = Search(camera.film(SCENES["uninstall"]), camera.directory())
    found = [*itertools.islice(search.findings(), 40)]
    assert {state.model for state in found} == {"prefix", *MODELS}
    states = {
        json.dumps(sorted(state.loss.tree(state.sample).items()), default=repr) for state in found
    }
    assert len(states) == 40


def test_a_command_that_is_killed_somewhere_has_its_steps_up_to_there(camera: Camera) -> None:
    whole = camera.film(SCENES["upgrade"]).tape.operations
    killed = camera.film(random_kill(SCENES["upgrade"], 0.5)).tape.operations
    assert killed[: len(whole) // 2 - 2] == whole[: len(whole) // 2 - 2]


# --- by hand ---------------------------------------------------------------------------------------


def test_a_run_by_hand_prints_what_was_tried_and_survived(
    camera: Camera, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figures.json"
    words = [
        "--seconds",
        "0.3",
        "--kills",
        "0",
        "--twice",
        "0",
        "--scene",
        "profile upgrade",
        "--json",
        str(path),
    ]
    assert command.main(words) == 0
    figures = json.loads(path.read_bytes())
    assert figures["tried"] == figures["survived"] == figures["scenes"][0]["tried"] > 0
    assert f"{figures['tried']:,} states, {figures['survived']:,} survived" in capsys.readouterr().out


def test_a_loss_that_is_not_survived_ends_a_run_by_hand_with_1(
    camera: Camera, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(search: Search) -> list[Finding]:
        loss = search.losses["ordered"]
        return [Finding("ordered", loss, loss.prefix(1), "lost: b'mine'", 1)]

    monkeypatch.setattr(Search, "findings", lambda search: iter(broken(search)))
    assert command.main(["--kills", "0", "--twice", "0", "--scene", "profile upgrade"]) == 1
    assert "1 x lost: b'mine'\n    ordered: after 1 steps, the last: before" in capsys.readouterr().out


def test_a_machine_that_can_record_nothing_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "obstacle", lambda: "no strace")
    assert command.main([]) == 2
    assert capsys.readouterr().out == "power loss: missing: no strace\n"
    assert trace.obstacle.__doc__


@pytest.mark.slow
def test_a_sync_that_is_missed_is_told_with_what_goes_wrong_without_it(camera: Camera) -> None:
    film = camera.film(SCENES["profile upgrade"])
    found = dict(command.needed(camera, film, ("scattered",)))
    assert "neither old nor new: project.profile.yaml" in str(
        found["fsync target/.project.profile.yaml.new"]
    )
