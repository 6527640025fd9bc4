"""The commands during which the power is lost, and what has to be there afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import tests.support
from tests.crash.support import RULES, RUNBOOK, USERS, make_small_payload
from tests.powerloss.disk import Bind, Moment, Operation, Tape, Tree
from tests.powerloss.trace import record
from tests.powerloss.verdict import Check, all_of, visible_of, without_sync, write_out
from tests.support import USER_FILES, agentrail, install, payload_bundle, write

SIXTH = 6
_EDIT = b"my own rule\n"


class Bundles(NamedTuple):
    """What is installed: a small payload, and a later version with changes of every kind."""

    old: Path
    new: Path

    def copied(self, bundle: Path, *words: str) -> tuple[str | Path, ...]:
        """Return the words of an install of `bundle`, but for the target."""
        return ("install", "--source", "copy", "--runtime-dir", bundle, *words)


Words = Callable[[Bundles], tuple[str | Path, ...]]
Moments = Callable[[list[Operation]], int]


class Step(NamedTuple):
    """A command, and where it is killed, if it is.

    Args:
        words: the command line, but for the target at its end.
        killed: returns after how many of its steps; None for a command that ends by itself.
    """

    words: Words
    killed: Moments | None = None


class Scene(NamedTuple):
    """What is done.

    Args:
        name: for people.
        prepare: makes the target as it is before; all of that lasts.
        steps: one command after the other.
        treasures: what the user wrote.
        place: where the target is.
        is_undoable: the last command is an install that a rollback can undo.
        leftovers: files that the last command may leave where it is cut off; the next one takes them.
    """

    name: str
    prepare: Callable[[Path, Bundles], None]
    steps: tuple[Step, ...]
    treasures: tuple[bytes, ...] = USERS
    place: str = "target"
    is_undoable: bool = False
    leftovers: tuple[str, ...] = ()


class Film(NamedTuple):
    """A scene that was recorded."""

    scene: Scene
    tape: Tape
    checks: tuple[Check, ...]


def make_bundles(directory: Path) -> Bundles:
    """Make what the scenes install, below `directory`."""
    old = make_small_payload(directory / "old")
    runbook = (old / RUNBOOK).read_bytes()
    with mock.patch.object(tests.support, "PAYLOAD", old):
        new = payload_bundle(
            directory / "new",
            changed={
                RULES: (old / RULES).read_bytes() + b"\none more rule\n",
                "CLAUDE.md": b"<!-- agentrail:begin -->\nnew block\n<!-- agentrail:end -->\n",
                "scripts/tool.sh": b"#!/bin/sh\n",
                "docs/runbook.md": runbook,
            },
            removed=(RUNBOOK, ".github/workflows/ci-framework.yml"),
            executable=("scripts/tool.sh",),
        )
    return Bundles(old, new)


def fast() -> str | None:
    """Return a directory in memory where there is one: nothing that is made here is to last."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


# --- recording -------------------------------------------------------------------------------------


class Camera:
    """Records scenes, what several have in common only once.

    Args:
        scratch: where they take place; an empty directory.
    """

    def __init__(self, scratch: Path) -> None:
        self.bundles = make_bundles(scratch / "bundles")
        self._scratch = scratch
        self._takes: dict[tuple[object, ...], Tape] = {}
        self._number = 0

    def directory(self) -> Path:
        """Return an empty directory."""
        self._number += 1
        directory = self._scratch / str(self._number)
        directory.mkdir()
        return directory

    def film(self, scene: Scene) -> Film:
        """Record the commands of a scene.

        Raises:
            TraceError: a call is not modelled.
        """
        tape = self._take(scene, scene.steps)
        old, new = _allowed(self._take(scene, ()))[0], _allowed(tape)[0]
        return Film(scene, tape, _checks(scene, self.bundles, old, new))

    def film_recovery(self, found: Film, tree: Tree, allowed: tuple[Tree, ...]) -> Film:
        """Record what the next command does on a disk that lost its power.

        Args:
            found: the scene in which the power was lost.
            tree: what the disk holds.
            allowed: the trees of which the recovery has to leave one.

        Raises:
            TraceError: a call is not modelled.
        """
        tape = Tape(tree)
        tape.add(Moment(allowed, "the power is back"))
        self._play(tape, found.scene, _VERIFY, self.directory())
        scene = found.scene._replace(name=f"{found.scene.name}, power lost, then verify")
        return Film(scene, tape, ())

    def _take(self, scene: Scene, steps: tuple[Step, ...]) -> Tape:
        name = (scene.prepare, scene.place, *steps)
        if name not in self._takes:
            self._takes[name] = self._record(scene, steps)
        return self._takes[name].copy()

    def _record(self, scene: Scene, steps: tuple[Step, ...]) -> Tape:
        root = self.directory()
        if not steps:
            with without_sync():
                scene.prepare(root / scene.place, self.bundles)
            tape = Tape(all_of(root))
            tape.add(Moment((visible_of(root / scene.place),), "before"))
            return tape
        *before, last = steps
        if last.killed is not None:
            tape = self._take(scene, (*before, last._replace(killed=None)))
            begun = len(self._take(scene, tuple(before)).operations)
            tape.cut(begun + last.killed(tape.operations[begun:]))
            return tape
        tape = self._take(scene, tuple(before))
        self._play(tape, scene, last, root)
        if before:
            assert _allowed(tape)[0] in _allowed(self._take(scene, tuple(before))), scene.name
        return tape

    def _play(self, tape: Tape, scene: Scene, step: Step, root: Path) -> None:
        """Record one command more, in the directory `root`."""
        write_out(tape.tree(), root)
        target, begun = root / scene.place, len(tape.operations)
        code, calls = record((*step.words(self.bundles), target), root, self.directory() / "log")
        told = tape.play(calls, str(root))
        assert code in (0, 1, 4), (scene.name, code)
        assert tape.tree() == all_of(root), f"{scene.name}: not as recorded"
        after = visible_of(target, but=scene.leftovers)
        allowed = _allowed(tape)
        allowed = allowed if after in allowed else (*allowed, after)
        tape.operations.insert(told, Moment((after,), "the user is told"))
        tape.operations.insert(begun, Moment(allowed, "a command begins"))


def _allowed(tape: Tape) -> tuple[Tree, ...]:
    """Return the trees of which one has to be there if the power is lost at the end of a tape."""
    return [step.allowed for step in tape.operations if isinstance(step, Moment)][-1]


def _checks(scene: Scene, bundles: Bundles, old: Tree, new: Tree) -> tuple[Check, ...]:
    """Return what has to work after a recovery: the command again, or its way back."""
    last = scene.steps[-1].words(bundles)
    if last[0] == "verify":
        return ()
    again = Check("the same again", old, lambda root: _run(*last, root), new)
    back = Check("rollback", new, lambda root: _run("rollback", root), old)
    return (again, back) if scene.is_undoable else (again,)


def _run(*words: str | Path) -> int:
    return agentrail(*words).code


# --- where a command is killed ---------------------------------------------------------------------


def _renames(operations: Iterable[Operation], name: str = "") -> Iterator[int]:
    """Yield the numbers of the renames to a path that ends in `name`."""
    for number, found in enumerate(operations):
        if isinstance(found, Bind) and len(found.slots) > 1 and found.slots[0].name.endswith(name):
            yield number


def before_commit(operations: list[Operation]) -> int:
    """Kill before the rename that commits."""
    return [*_renames(operations, "record")][-1]


def after_commit(operations: list[Operation]) -> int:
    """Kill after the rename that commits."""
    return before_commit(operations) + 1


def half_way(operations: list[Operation]) -> int:
    """Kill when half of the files are renamed."""
    renames = [*_renames(operations)]
    return renames[len(renames) // 2]


def in_the_middle(operations: list[Operation]) -> int:
    """Kill when half of the steps are done."""
    return len(operations) // 2


# --- the scenes ------------------------------------------------------------------------------------


def _fresh(root: Path, bundles: Bundles) -> None:
    write(root, USER_FILES)
    (root / "AGENTS.md").chmod(0o640)


def _nothing(root: Path, bundles: Bundles) -> None:
    pass


def _installed(root: Path, bundles: Bundles) -> None:
    _fresh(root, bundles)
    assert install(root, bundle=bundles.old).code == 0


def _lived_in(root: Path, bundles: Bundles) -> None:
    """An install, edited since, with directories that not everybody may enter."""
    _installed(root, bundles)
    write(
        root,
        {
            "AGENTS.md": (root / "AGENTS.md").read_bytes() + b"\nadded after the install\n",
            "MEMORY.md": b"what I remember\n",
            ".agentrail/work/2024-01-01__mine/spec.md": b"my task\n",
        },
    )
    (root / "docs/templates/review.md").unlink()
    (root / ".github/workflows").chmod(0o700)
    (root / ".github").chmod(0o750)


def _cloned(root: Path, bundles: Bundles) -> None:
    """A lived-in target as another machine has it: the state directory is not in version control."""
    _lived_in(root, bundles)
    shutil.rmtree(root / ".agentrail/state")


def _edited(root: Path, bundles: Bundles) -> None:
    _lived_in(root, bundles)
    write(root, {RULES: _EDIT + (root / RULES).read_bytes()})


def _upgraded(root: Path, bundles: Bundles) -> None:
    _lived_in(root, bundles)
    assert install(root, bundle=bundles.new).code == 0


def _overwritten(root: Path, bundles: Bundles) -> None:
    """An install whose stash alone holds an edit of the user's."""
    _edited(root, bundles)
    assert install(root, "--force", bundle=bundles.new).code == 0


def _removed(root: Path, bundles: Bundles) -> None:
    """An uninstall that left the stash, since that holds an edit of the user's."""
    _overwritten(root, bundles)
    assert agentrail("uninstall", root).code == 0


def _former(root: Path, bundles: Bundles) -> None:
    """A profile of schema 1.x."""
    text = (bundles.old / "project.profile.yaml").read_bytes()
    _fresh(root, bundles)
    write(root, {"project.profile.yaml": text.replace(b'schema_version: "2.0.0"', b'version: "1.0.0"')})


def _sixth(root: Path, bundles: Bundles) -> None:
    """As many installs as are kept, and the next one drops the first."""
    _lived_in(root, bundles)
    for number in range(SIXTH - 2):
        bundle = (bundles.new, bundles.old)[number % 2]
        assert install(root, "--allow-downgrade", bundle=bundle).code == 0


def _fresh_words(bundles: Bundles) -> tuple[str | Path, ...]:
    return bundles.copied(bundles.old)


def _upgrade_words(bundles: Bundles) -> tuple[str | Path, ...]:
    return bundles.copied(bundles.new)


def _said(*words: str) -> Words:
    return lambda bundles: words


_MINE = (*USERS, b"added after the install", b"what I remember\n", b"my task\n")
_FRESH = Step(_fresh_words)
_UPGRADE = Step(_upgrade_words)
_MERGE = Step(lambda bundles: bundles.copied(bundles.new, "--on-conflict", "merge"))
_FORCE = Step(lambda bundles: bundles.copied(bundles.new, "--force"))
_VERIFY = Step(_said("verify"))
_ROLLBACK = Step(_said("rollback"))
_UNINSTALL = Step(_said("uninstall"))
_PURGE = Step(_said("uninstall", "--purge"))
_PROFILE = Step(_said("profile-upgrade"))

SCENES: dict[str, Scene] = {
    scene.name: scene
    for scene in (
        Scene("install", _fresh, (_FRESH,), is_undoable=True),
        Scene("install into nothing", _nothing, (_FRESH,), (), "above/it/target", is_undoable=True),
        Scene("upgrade", _lived_in, (_UPGRADE,), _MINE, is_undoable=True),
        Scene("upgrade of a clone", _cloned, (_UPGRADE,), _MINE, is_undoable=True),
        Scene("sixth install", _sixth, (_UPGRADE,), _MINE, is_undoable=True),
        Scene("merge", _edited, (_MERGE,), (*_MINE, _EDIT), is_undoable=True),
        Scene("overwrite", _edited, (_FORCE,), (*_MINE, _EDIT), is_undoable=True),
        Scene("rollback", _upgraded, (_ROLLBACK,), _MINE),
        Scene("uninstall", _edited, (_UNINSTALL,), (*_MINE, _EDIT)),
        Scene("uninstall with a stash", _overwritten, (_UNINSTALL,), (*_MINE, _EDIT)),
        Scene("uninstall and purge", _overwritten, (_PURGE,), _MINE),
        Scene("purge", _removed, (_PURGE,), _MINE),
        Scene("profile upgrade", _former, (_PROFILE,), leftovers=(".project.profile.yaml.new",)),
        *(
            Scene(
                f"{name} killed {when}, then {then}", prepare, (step._replace(killed=kill), last), text
            )
            for name, prepare, step, text in (
                ("upgrade", _lived_in, _UPGRADE, _MINE),
                ("rollback", _upgraded, _ROLLBACK, _MINE),
                ("uninstall", _edited, _UNINSTALL, (*_MINE, _EDIT)),
            )
            for when, kill in (
                ("half-way", half_way),
                ("before the commit", before_commit),
                ("after the commit", after_commit),
            )
            for then, last in (("verify", _VERIFY),)
        ),
        Scene(
            "upgrade killed before the commit, then the same again",
            _lived_in,
            (_UPGRADE._replace(killed=before_commit), _UPGRADE),
            _MINE,
            is_undoable=True,
        ),
        Scene(
            "upgrade killed before the commit, verify killed, then verify",
            _lived_in,
            (_UPGRADE._replace(killed=before_commit), _VERIFY._replace(killed=in_the_middle), _VERIFY),
            _MINE,
        ),
    )
}


def random_kill(scene: Scene, share: float, then: Scene | None = None) -> Scene:
    """Return the scene with its last command killed after a share of its steps, and one command more.

    Args:
        scene: with one command.
        share: from 0 to 1.
        then: whose command comes after it; None for ``verify``.
    """

    def killed(operations: list[Operation]) -> int:
        return int(share * len(operations))

    step = scene.steps[-1]._replace(killed=killed)
    last = then.steps[-1] if then else _VERIFY
    return scene._replace(
        name=f"{scene.name} killed at {share:.0%}, then {'the same again' if then else 'verify'}",
        steps=(*scene.steps[:-1], step, last),
        is_undoable=scene.is_undoable and then is not None,
    )
