"""What the crash tests share: a fault at a chosen file-system call, and the stories it strikes in."""

from __future__ import annotations

import json
import os
import shutil
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from agentrail_runtime import descriptor, document, target
from agentrail_runtime.entry import INDEX_NAME
from tests.support import (
    METADATA,
    PAYLOAD,
    USER_FILES,
    Node,
    Run,
    agentrail,
    install,
    payload_bundle,
    snapshot,
    write,
)

CHANGES = frozenset(
    {"write", "replace", "unlink", "mkdir", "rmdir", "chmod", "fchmod", "ftruncate", "fsync"}
)
"""The calls that change the disk or make it durable; ``open`` is one of them where it creates."""
READS = frozenset({"open", "read", "close", "stat", "lstat", "fstat", "listdir", "posix_fadvise"})

Strike = Callable[[str, Callable[..., Any], tuple[Any, ...]], Any]
"""What happens instead of a call, given its name, the call, and its arguments."""


class FaultyOs:
    """Stands in for the module `os` that the product calls, and strikes at call number `at` (from 1).

    Args:
        at: the call that is struck; 0 for none.
        strike: what happens then.
        names: which calls are counted.
        is_lasting: strike at every later call as well.
    """

    def __init__(
        self,
        at: int = 0,
        strike: Strike | None = None,
        *,
        names: frozenset[str] = CHANGES,
        is_lasting: bool = False,
    ) -> None:
        self.calls: list[str] = []
        self._at = at
        self._strike = strike
        self._names = names
        self._is_lasting = is_lasting

    @property
    def has_struck(self) -> bool:
        """Whether the run came as far as the call to strike."""
        return 0 < self._at <= len(self.calls)

    def __getattr__(self, name: str) -> Any:
        value = getattr(os, name)
        if name not in CHANGES | READS:
            return value

        def call(*arguments: Any, **options: Any) -> Any:
            is_creation = name == "open" and bool(arguments[1] & os.O_CREAT)
            if name not in self._names and not is_creation:
                return value(*arguments, **options)
            self.calls.append(name)
            is_due = len(self.calls) >= self._at if self._is_lasting else len(self.calls) == self._at
            if self._at and is_due and self._strike:
                return self._strike(name, lambda: value(*arguments, **options), arguments)
            # No power fails here: what is written is seen by the next process, synced or not.
            return None if name == "fsync" else value(*arguments, **options)

        return call


def kill_before(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> None:
    """End as ``kill -9`` does, the call not made."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> None:
    """End as ``kill -9`` does, the call made."""
    call()
    os.kill(os.getpid(), signal.SIGKILL)


def kill_within(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> None:
    """End as ``kill -9`` does, half of a write made."""
    if name == "write":
        os.write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


def error(number: int) -> Strike:
    """Return the strike that fails the call with the errno `number`."""

    def strike(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> None:
        raise OSError(number, os.strerror(number))

    return strike


def interrupt(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> None:
    """Press Ctrl-C before the call."""
    raise KeyboardInterrupt


def interrupt_after(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> None:
    """Press Ctrl-C while the call is made: Python raises when it has returned."""
    call()
    raise KeyboardInterrupt


def terminate(name: str, call: Callable[[], Any], arguments: tuple[Any, ...]) -> Any:
    """Send SIGTERM before the call."""
    os.kill(os.getpid(), signal.SIGTERM)
    return call()


@contextmanager
def struck(faults: FaultyOs) -> Iterator[None]:
    """Let the product's calls go through `faults`."""
    with mock.patch.object(target, "os", faults), mock.patch.object(descriptor, "os", faults):
        yield


def run_in_child(command: Callable[[], Run], faults: FaultyOs) -> int:
    """Run `command` in a forked child; return its exit code, or the negative signal that killed it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the threads of pytest-xdist only wait
        child = os.fork()
    if child == 0:
        code = 99
        try:
            with struck(faults):
                code = command().code
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Story(NamedTuple):
    """A target before a command, the command, and the target after it.

    Args:
        name: what the user does.
        before: the target as it is before; absent for one that the command creates.
        command: runs the command on the target at a path.
        old: the snapshot of `before`, state included.
        new: the snapshot after the command, without the state.
        treasures: what the user wrote, each of which must stand somewhere in the target at any time.
    """

    name: str
    before: Path
    command: Callable[[Path], Run]
    old: dict[str, Node]
    new: dict[str, Node]
    treasures: tuple[bytes, ...]

    def calls(self, scratch: Path, names: frozenset[str] = CHANGES) -> int:
        """Return how many of the calls `names` the command makes."""
        faults = FaultyOs(names=names)
        with self.told(scratch) as root, struck(faults):
            self.command(root)
        return len(faults.calls)

    @contextmanager
    def told(self, scratch: Path, before: Path | None = None) -> Iterator[Path]:
        """Yield a copy of the target, as before, or as it is at `before`."""
        root, before = scratch / "target", before or self.before
        if before.exists():
            shutil.copytree(before, root, symlinks=True)
        yield root
        shutil.rmtree(root, ignore_errors=True)

    @property
    def old_tree(self) -> dict[str, Node]:
        """The snapshot before, without the state."""
        return {name: node for name, node in self.old.items() if not is_state(name)}


def commit(story: Story, scratch: Path, names: frozenset[str] = CHANGES) -> int:
    """Return the number, among the calls `names`, of the one that commits: the last rename."""
    faults = FaultyOs(names=names)
    with story.told(scratch) as root, struck(faults):
        story.command(root)
    return len(faults.calls) - faults.calls[::-1].index("replace")


def is_state(name: str) -> bool:
    """Tell whether a path belongs to the state directory."""
    return f"{name}/".startswith(".agentrail/state/")


def standing(story: Story, root: Path, *, with_state: bool = True) -> str:
    """Tell how the target at `root` stands: ``old``, ``new``, or what is wrong with it."""
    found = tree(root, with_state=True)
    if gone := lost(root, story.treasures):
        return f"lost: {gone}"
    if found == story.old:
        return "old"
    visible = {name: node for name, node in found.items() if not is_state(name)}
    if visible == story.new:
        return "new"
    if visible == story.old_tree:
        return f"state: {_difference(found, story.old)}" if with_state else "old"
    return (
        f"neither old {_difference(visible, story.old_tree)} nor new {_difference(visible, story.new)}"
    )


def _difference(one: dict[str, Node], other: dict[str, Node]) -> list[str]:
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def tree(root: Path, *, with_state: bool = False) -> dict[str, Node]:
    """Return a snapshot of the target at `root`, empty where there is none."""
    return snapshot(root, with_state=with_state) if root.exists() else {}


def lost(root: Path, treasures: tuple[bytes, ...]) -> list[bytes]:
    """Return those `treasures` that stand in no file of the target, the stash included."""
    contents = [node.content for node in tree(root, with_state=True).values()]
    return [text for text in treasures if not any(text in content for content in contents)]


RULES = "docs/operations/runtime-framework-rules.md"
RUNBOOK = "docs/operations/runtime-installation-runbook.md"
USERS = (
    b"# Mine\n\nhello",
    b"# Agents\n\nmy rules\n",
    b"use pnpm",
    b"node_modules/\n",
    b"print('hello')\n",
)


SMALL = (
    ".github/workflows/ci-framework.yml",
    "AGENTS.md",
    "CLAUDE.md",
    "MEMORY.md",
    RULES,
    RUNBOOK,
    "docs/templates/review.md",
    "docs/templates/spec.md",
    "project.profile.yaml",
)


def make_small_payload(root: Path) -> Path:
    """Write the files `SMALL` of the shipped payload to `root`, with their index."""
    index = json.loads((PAYLOAD / INDEX_NAME).read_bytes())
    index["entries"] = [entry for entry in index["entries"] if entry["path"] in SMALL]
    write(root, {path: (PAYLOAD / path).read_bytes() for path in SMALL})
    write(root, {INDEX_NAME: document.dump(index)})
    write(root, {name: (PAYLOAD / name).read_bytes() for name in METADATA})
    return root


def tell(scratch: Path, name: str) -> Story:
    """Return the story `name`, its files made below `scratch`."""
    before, bundle = scratch / "before", scratch / "bundle"
    prepare, command, treasures = _STORIES[name]
    prepare(before, bundle)

    def run(root: Path) -> Run:
        return command(root, bundle)

    old = tree(before, with_state=True)
    undisturbed = scratch / "undisturbed" / "target"
    if before.exists():
        shutil.copytree(before, undisturbed, symlinks=True)
    done = run(undisturbed)
    assert (done.code, done.err.count("Traceback")) == (0, 0), done
    new = tree(undisturbed)
    assert new != {key: node for key, node in old.items() if not is_state(key)}
    assert not lost(undisturbed, treasures)
    return Story(name, before, run, old, new, treasures)


def _prepare_fresh(root: Path, bundle: Path) -> None:
    write(root, USER_FILES)
    (root / "AGENTS.md").chmod(0o640)


def _prepare_absent(root: Path, bundle: Path) -> None:
    pass


def _prepare_upgrade(root: Path, bundle: Path) -> None:
    """An installed and lived-in target, and a bundle with changes of every kind."""
    _prepare_fresh(root, bundle)
    assert install(root).code == 0
    runbook = (root / RUNBOOK).read_bytes()
    write(
        root,
        {
            "AGENTS.md": (root / "AGENTS.md").read_bytes() + b"\nadded after the install\n",
            "MEMORY.md": b"what I remember\n",
            RUNBOOK: runbook + b"my own step\n",
            ".agentrail/work/2024-01-01__mine/spec.md": b"my task\n",
        },
    )
    (root / "docs/templates/review.md").unlink()
    (root / ".github/workflows").chmod(0o700)
    payload_bundle(
        bundle,
        changed={
            RULES: (root / RULES).read_bytes() + b"\none more rule\n",
            "CLAUDE.md": b"<!-- agentrail:begin -->\nnew block\n<!-- agentrail:end -->\n",
            "scripts/tool.sh": b"#!/bin/sh\n",
            "docs/runbook.md": runbook,
        },
        removed=(RUNBOOK, ".github/workflows/ci-framework.yml"),
        executable=("scripts/tool.sh",),
    )


def _prepare_merge(root: Path, bundle: Path) -> None:
    _prepare_fresh(root, bundle)
    assert install(root).code == 0
    rules = (root / RULES).read_bytes()
    write(root, {RULES: b"my line on top\n\n" + rules})
    payload_bundle(bundle, changed={RULES: rules + b"\ntheir line below\n"})


def _prepare_rollback(root: Path, bundle: Path) -> None:
    _prepare_upgrade(root, bundle)
    assert _upgrade(root, bundle).code == 0


def _prepare_uninstall(root: Path, bundle: Path) -> None:
    _prepare_fresh(root, bundle)
    assert install(root).code == 0
    write(
        root,
        {
            RULES: (root / RULES).read_bytes() + b"my own rule\n",
            ".agentrail/work/2024-01-01__mine/spec.md": b"my task\n",
        },
    )


def _upgrade(root: Path, bundle: Path) -> Run:
    return install(root, bundle=bundle)


_LIVED_IN = (*USERS, b"added after the install", b"what I remember\n", b"my own step\n", b"my task\n")
_Prepare = Callable[[Path, Path], None]
_Command = Callable[[Path, Path], Run]
_STORIES: dict[str, tuple[_Prepare, _Command, tuple[bytes, ...]]] = {
    "install": (_prepare_fresh, lambda root, bundle: install(root), USERS),
    "install-into-nothing": (_prepare_absent, lambda root, bundle: install(root), ()),
    "upgrade": (_prepare_upgrade, _upgrade, _LIVED_IN),
    "merge": (
        _prepare_merge,
        lambda root, bundle: install(root, "--on-conflict", "merge", bundle=bundle),
        (*USERS, b"my line on top\n"),
    ),
    "rollback": (_prepare_rollback, lambda root, bundle: agentrail("rollback", root), _LIVED_IN),
    "uninstall": (
        _prepare_uninstall,
        lambda root, bundle: agentrail("uninstall", root),
        (*USERS, b"my own rule\n", b"my task\n"),
    ),
}
STORIES = tuple(_STORIES)
