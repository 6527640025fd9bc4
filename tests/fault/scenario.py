"""What is struck: the stories of the crash tests, one more, and the recoveries of killed runs."""

from __future__ import annotations

import functools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import tests.support
from agentrail_runtime import source
from agentrail_runtime.tree import DirectoryTree
from tests.crash.support import (
    FaultyOs,
    Story,
    kill_before,
    make_small_payload,
    run_in_child,
    struck,
    tell,
    tree,
)
from tests.support import Node, Run, agentrail, snapshot, write

STATE = ".agentrail/state"
OUTSIDE = {
    "above.txt": b"somebody's",
    "beside/file": b"precious",
    "home/.profile": b"mine",
    "tmp/x": b"x",
}
"""What stands around the target."""

_COPY = ("install", "--source", "copy", "--runtime-dir")
RUNS = {
    "fresh": "install",
    "nothing": "install-into-nothing",
    "upgrade": "upgrade",
    "merge": "merge",
    "overwrite": "merge",
    "rollback": "rollback",
    "uninstall": "uninstall",
    "fast": "upgrade",
}
"""The scenarios that are no recoveries, with their stories; ``nothing`` is a target that is not there.

``fast`` finds nothing to do, and remembers that.
"""

RECOVERIES = {
    "recovery, early": ("upgrade", 0.5),
    "recovery, late": ("upgrade", 1.0),
    "recovery of fresh": ("install-into-nothing", 1.0),
    "recovery of rollback": ("rollback", 1.0),
    "recovery of uninstall": ("uninstall", 1.0),
}
"""What was killed before, and at which share of its way from the journal to the commit."""

NAMES = (*RUNS, *(RECOVERIES if hasattr(os, "fork") else ()))
"""Every scenario that this platform can have."""

_ID = re.compile(r"(\d{6})-[0-9a-f]{6}")


class Scenario(NamedTuple):
    """A target before a command, the command that is struck, and what may stand there after it.

    Args:
        name: what the user does.
        story: the old tree, the new one, and the user's bytes.
        before: the target as it is before; absent for one that the command creates.
        words: the command that is struck, as typed after ``agentrail``, but for the target.
        final: the command that leads to the new tree.
        state: the names in the state directory after that, ids of transactions made plain.
        bundle: what is installed from by the copy route, if it is there.
    """

    name: str
    story: Story
    before: Path
    words: tuple[str, ...]
    final: tuple[str, ...]
    state: frozenset[str]
    bundle: Path

    @property
    def is_recovery(self) -> bool:
        """Whether the command leads back to the old tree."""
        return self.name in RECOVERIES

    @property
    def is_visible(self) -> bool:
        """Whether the command changes more than the state directory."""
        return self.story.new != self.story.old_tree

    @contextmanager
    def told(self, scratch: Path) -> Iterator[Path]:
        """Yield a copy of the target, with somebody's files around it."""
        write(scratch, OUTSIDE)
        with self.story.told(scratch, self.before) as root:
            yield root

    def run(self, root: Path) -> Run:
        """Run the command in this process."""
        return agentrail(*self.words, root)

    def finish(self, root: Path) -> Run:
        """Bring the target to the new tree."""
        return agentrail(*self.final, root)

    def around(self, scratch: Path) -> dict[str, Node]:
        """Return a snapshot of what stands around the target, and of the bundle, with times."""
        found = snapshot(scratch, with_state=True, with_times=True)
        outside = {name: node for name, node in found.items() if not f"{name}/".startswith("target/")}
        bundle = snapshot(self.bundle, with_times=True) if self.bundle.exists() else {}
        return outside | {f"bundle/{name}": node for name, node in bundle.items()}


def plain(text: str) -> str:
    """Return `text` with the ids of transactions in it without their random part."""
    return _ID.sub(r"\1", text)


def plain_state(root: Path) -> frozenset[str]:
    """Return the names in the state directory, the ids of transactions made plain.

    The events are left out: they tell of what happened, but nothing depends on them.
    """
    return frozenset(plain(name) for name in tree(root / STATE) if name != "events.jsonl")


@contextmanager
def small_package(scratch: Path) -> Iterator[None]:
    """Let the package carry a payload of a few files of each ownership class meanwhile."""
    small = scratch / "small-payload"
    if not small.exists():
        make_small_payload(small)
    with (
        mock.patch.object(source, "package_tree", return_value=DirectoryTree(str(small))),
        mock.patch.object(tests.support, "PAYLOAD", small),
    ):
        yield


@contextmanager
def secluded(scratch: Path) -> Iterator[None]:
    """Keep the machine's settings away, and have home and temporary files where a write is noticed."""
    is_ours = ("AGENTRAIL_", "XDG_", "NO_COLOR")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(is_ours)}
    kept |= {"HOME": f"{scratch}/home", "TMPDIR": f"{scratch}/tmp"}
    with mock.patch.dict(os.environ, kept, clear=True):
        yield


@contextmanager
def unsynced() -> Iterator[None]:
    """Leave out what only a power failure would show."""
    with mock.patch.object(os, "fsync", return_value=None):
        yield


class Scenarios:
    """The scenarios by name, each made once, below `place`."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.get: Callable[[str], Scenario] = functools.cache(self._make)
        self._story = functools.cache(self._tell)

    def _tell(self, name: str) -> Story:
        place = self._place / name
        place.mkdir(parents=True)
        with unsynced():
            return tell(place, name)

    def _make(self, name: str) -> Scenario:
        if name in RECOVERIES:
            return self._recovery(name, *RECOVERIES[name])
        story = self._story(RUNS[name])
        bundle = story.before.parent / "bundle"
        words = {
            "fresh": ("install",),
            "nothing": ("install",),
            "upgrade": (*_COPY, f"{bundle}"),
            "merge": (*_COPY, f"{bundle}", "--on-conflict", "merge"),
            "overwrite": (*_COPY, f"{bundle}", "--on-conflict", "overwrite"),
            "fast": ("install", "--fast"),
        }.get(name, (name,))
        return self._measured(Scenario(name, story, story.before, words, words, frozenset(), bundle))

    def _measured(self, scenario: Scenario) -> Scenario:
        """Return `scenario` with what an undisturbed run leaves behind."""
        with scenario.told(self._scratch(scenario.name)) as root, unsynced():
            done = scenario.run(root)
            assert done.code == 0, done
            new = tree(root)
            if scenario.name == "overwrite":
                assert "your version is kept in .agentrail/state/stash/" in done.err
            elif scenario.name == "fast":
                assert new == scenario.story.old_tree
            else:
                assert new == scenario.story.new
            return scenario._replace(story=scenario.story._replace(new=new), state=plain_state(root))

    def _recovery(self, name: str, killed: str, share: float) -> Scenario:
        story = self._story(killed)
        plain = self.get(next(run for run, told in RUNS.items() if told == killed))
        scratch = self._scratch(name)
        crashed = scratch / "crashed"
        with plain.told(scratch) as root:
            run_in_child(lambda: plain.run(root), FaultyOs(self._at(plain, share), kill_before))
            shutil.copytree(root, crashed, symlinks=True)
        assert (crashed / STATE / "journal").exists()
        return plain._replace(name=name, story=story, before=crashed, words=("verify",))

    def _at(self, scenario: Scenario, share: float) -> int:
        """Return the number of a call between the first rename, of the journal, and the last one."""
        faults = FaultyOs()
        with scenario.told(self._scratch("count")) as root, struck(faults):
            scenario.run(root)
        last = len(faults.calls) - faults.calls[::-1].index("replace")
        first = faults.calls.index("replace") + 2
        return first + round((last - first) * share)

    def _scratch(self, name: str) -> Path:
        place = self._place / f"scratch {name}"
        place.mkdir(parents=True, exist_ok=True)
        return place
