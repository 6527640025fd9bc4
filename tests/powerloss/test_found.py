"""Power losses that were not survived once: the smallest loss that brought each."""

from __future__ import annotations

import pytest

from tests.powerloss.loss import Loss, Model, Sample
from tests.powerloss.scene import SCENES, Camera
from tests.powerloss.search import Search


def search(camera: Camera, name: str, model: Model) -> tuple[Search, Loss]:
    found = Search(camera.film(SCENES[name]), camera.directory(), models=(model,))
    return found, found.losses[model]


def step(loss: Loss, text: str) -> int:
    """Return the number of the first step that is described by a text with `text` at its end."""
    return next(at for at, found in enumerate(loss.operations) if found.text.endswith(text))


def last(loss: Loss) -> int:
    return len(loss.operations)


def nothing_unsynced(camera: Camera, name: str, model: Model) -> str | None:
    """Return what is wrong if, after the last command, all is lost that was not synced."""
    found, loss = search(camera, name, model)
    return found.judge(model, loss.nothing(last(loss)))


def test_a_first_install_that_came_to_nothing_leaves_nothing(camera: Camera) -> None:
    found, loss = search(camera, "install", "scattered")
    stash = step(loss, "mkdir target/.agentrail/state/stash")
    assert found.judge("scattered", loss.only(stash + 1, (stash,))) is None


@pytest.mark.parametrize(
    ("name", "directory", "change"),
    [
        ("install", ".agentrail", "mkdir target/docs"),
        ("upgrade of a clone", ".agentrail/state", "mkdir target/scripts"),
    ],
)
def test_no_file_is_changed_before_the_journal_has_a_durable_place(
    camera: Camera, name: str, directory: str, change: str
) -> None:
    found, loss = search(camera, name, "halved")
    lost = step(loss, f"mkdir target/{directory}")
    assert found.judge("halved", loss.without(step(loss, change) + 1, (lost,))) is None


def test_what_was_installed_in_new_directories_is_there_once_the_user_was_told(camera: Camera) -> None:
    assert nothing_unsynced(camera, "install into nothing", "halved") is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model"),
    [
        pytest.param("upgrade killed before the commit, then verify", "scattered", id="its mode"),
        pytest.param("upgrade killed before the commit, then verify", "halved", id="its files"),
        pytest.param("uninstall killed before the commit, then verify", "halved", id="uninstall"),
    ],
)
def test_a_directory_that_an_undo_made_again_is_there_as_it_was(
    camera: Camera, name: str, model: Model
) -> None:
    assert nothing_unsynced(camera, name, model) is None


@pytest.mark.slow
def test_what_a_killed_undo_had_put_back_is_there_after_the_next_one(camera: Camera) -> None:
    name = "upgrade killed before the commit, verify killed, then verify"
    assert nothing_unsynced(camera, name, "scattered") is None


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["rollback", "uninstall"])
def test_a_stash_is_not_dropped_while_an_undo_might_still_need_it(
    camera: Camera, operation: str
) -> None:
    found, loss = search(camera, f"{operation} killed after the commit, then verify", "scattered")
    lost = commit(loss)
    assert found.judge("scattered", loss.without(last(loss) - 2, (lost,))) is None


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["upgrade", "rollback", "uninstall"])
def test_what_a_command_has_told_of_a_killed_run_stays_true(camera: Camera, operation: str) -> None:
    found, loss = search(camera, f"{operation} killed after the commit, then verify", "scattered")
    assert found.judge("scattered", told(loss)) is None


def test_a_purge_is_done_once_the_user_was_told(camera: Camera) -> None:
    assert nothing_unsynced(camera, "purge", "scattered") is None


def test_a_purge_that_was_cut_off_can_be_done_again(camera: Camera) -> None:
    found, loss = search(camera, "purge", "ordered")
    wrong = [found.judge("ordered", loss.prefix(point)) for point in loss.points]
    assert {*wrong} == {None}


def commit(loss: Loss) -> int:
    """Return the number of the step that commits: the last rename of a journal."""
    renames = [at for at, found in enumerate(loss.operations) if found.text.endswith("/record")]
    return max(at for at in renames if loss.operations[at].text.startswith("rename"))


def told(loss: Loss) -> Sample:
    """Return the state after the last command in which nothing is lost but the commit."""
    return loss.without(last(loss), (commit(loss),))
