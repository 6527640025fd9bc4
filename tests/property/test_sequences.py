"""Whatever somebody does between installs: nothing they wrote is lost, and a second run is idle."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agentrail_runtime import newline, planner
from agentrail_runtime.decision import Policy
from agentrail_runtime.entry import Ownership
from agentrail_runtime.planner import Plan
from tests.property.support import steadily
from tests.support import Node, agentrail, git, install, make_bundle, make_repo, snapshot, write
from tests.unit.support import World

LINES = [b"one\n", b"two\n", b"\n", b"three\n", b"four\n", b"\n", b"five\n"]
MANAGED = ["docs/a.md", "docs/b.md", "docs/c.md"]
EDITABLE = [*MANAGED, "AGENTS.md", "MEMORY.md"]
POLICIES: list[Policy] = ["abort", "keep", "merge", "overwrite"]


def version(number: int) -> bytes:
    """Return the framework's text of a version: another line of it is changed in each."""
    lines = list(LINES)
    if number:
        lines[number] = b"version %d\n" % number
    return b"".join(lines)


def block(text: bytes) -> bytes:
    return b"<!-- agentrail:begin -->\n" + text + b"<!-- agentrail:end -->\n"


VERSIONS = st.sampled_from([0, 1, 3, 4, 6])
BUNDLES = st.tuples(
    st.dictionaries(st.sampled_from(MANAGED), VERSIONS, max_size=3), VERSIONS, VERSIONS
).map(
    lambda row: {
        **{path: version(number) for path, number in row[0].items()},
        "AGENTS.md": block(version(row[1])),
        "MEMORY.md": version(row[2]),
    }
)


class Stashing(World):
    """A target that keeps what a transaction would put into the stash."""

    def __init__(self) -> None:
        super().__init__()
        self.stash: list[bytes] = []

    def apply(self, plan: Plan) -> None:
        self.stash += [self.files[change.path] for change in plan.changes if change.is_edited]
        super().apply(plan)


class InMemory(RuleBasedStateMachine):
    """Somebody edits, deletes and converts files between installs, upgrades and downgrades."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Stashing()
        self.numbers = itertools.count()
        self.written: dict[bytes, str] = {}
        self.touched: set[str] = set()

    @rule(path=st.sampled_from(EDITABLE), place=st.integers(0, 8))
    def write_a_line(self, path: str, place: int) -> None:
        mark = b"mine %d\n" % next(self.numbers)
        lines = self.world.files.get(path, b"").splitlines(keepends=True)
        lines.insert(min(place, len(lines)), mark)
        self.world.files[path] = b"".join(lines)
        self.written[mark.strip()] = path
        self.touched.add(path)

    @rule(path=st.sampled_from(EDITABLE))
    def delete_a_file(self, path: str) -> None:
        data = self.world.files.pop(path, b"")
        self.written = {mark: at for mark, at in self.written.items() if mark not in data}
        self.touched.add(path)

    @rule(path=st.sampled_from(EDITABLE))
    def check_out_with_crlf(self, path: str) -> None:
        if path in self.world.files:
            self.world.files[path] = newline.to_crlf(self.world.files[path])

    @rule(bundle=BUNDLES, policy=st.sampled_from(POLICIES))
    def install(self, bundle: dict[str, bytes], policy: Policy) -> None:
        before = dict(self.world.files)
        plan = self.world.install(bundle, policy)
        self.touched |= {
            action.path
            for action in plan.actions
            if action.reason.startswith(("renamed from", "deleted"))
        }
        if plan.conflicts:
            assert self.world.files == before
            return
        if policy == "overwrite":
            stashed = {line for data in self.world.stash for line in data.splitlines()}
            self.written = {mark: at for mark, at in self.written.items() if mark not in stashed}
        again = self.world.plan()
        assert (again.changes, again.conflicts) == ((), ())

    @precondition(lambda self: self.world.receipt is not None)
    @rule()
    def verify(self) -> None:
        drift = {action.path for action in self.world.check().actions if planner.is_drift(action)}
        assert drift <= self.touched

    @precondition(lambda self: self.world.receipt is not None)
    @rule()
    def uninstall(self) -> None:
        self.world.apply(self.world.removal())
        assert self.world.receipt is None
        assert all(self.marks(data) or path in self.touched for path, data in self.world.files.items())

    def marks(self, data: bytes) -> bool:
        return any(mark in data.splitlines() for mark in self.written)

    def lost(self) -> list[bytes]:
        kept = {line for data in self.world.files.values() for line in data.splitlines()}
        return [mark for mark in self.written if mark not in kept]

    @invariant()
    def nothing_that_was_written_is_lost(self) -> None:
        assert self.lost() == []


class OnDisk(RuleBasedStateMachine):
    """The same in a real repository, with rollbacks that must give back the very tree from before."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self.root = Path(self._directory.name).resolve()
        self.numbers = itertools.count()
        self.undo: list[dict[str, Node]] = []

    def teardown(self) -> None:
        self._directory.cleanup()

    @initialize()
    def start(self) -> None:
        self.repo = make_repo(self.root / "repo", {"README.md": "mine", "AGENTS.md": "mine"})

    def tree(self) -> dict[str, Node]:
        return snapshot(self.repo)

    @rule(path=st.sampled_from(EDITABLE), place=st.integers(0, 8))
    def write_a_line(self, path: str, place: int) -> None:
        file = self.repo / path
        lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
        lines.insert(min(place, len(lines)), b"mine %d\n" % next(self.numbers))
        write(self.repo, {path: b"".join(lines)})
        self.undo.clear()

    @rule(path=st.sampled_from(EDITABLE))
    def delete_a_file(self, path: str) -> None:
        (self.repo / path).unlink(missing_ok=True)
        self.undo.clear()

    @rule(path=st.sampled_from(EDITABLE), mode=st.sampled_from([0o755, 0o640]))
    def change_a_mode(self, path: str, mode: int) -> None:
        if (self.repo / path).exists():
            (self.repo / path).chmod(mode)
            self.undo.clear()

    @rule()
    def commit(self) -> None:
        git(self.repo, "add", "-A")
        git(self.repo, "commit", "-q", "--allow-empty", "-m", "work")

    @rule(bundle=BUNDLES, policy=st.sampled_from(POLICIES))
    def install(self, bundle: dict[str, bytes], policy: Policy) -> None:
        classes: dict[str, Ownership] = {"AGENTS.md": "block", "MEMORY.md": "seed"}
        source = make_bundle(self.root / "bundle", bundle, ownership=classes)
        before = self.tree()
        planned = install(self.repo, "--json", "-n", "--on-conflict", policy, bundle=source)
        assert self.tree() == before
        done = install(self.repo, "--json", "--on-conflict", policy, bundle=source)
        assert done.json["actions"] == planned.json["actions"]
        if done.code == 3:
            assert self.tree() == before
            return
        assert done.code == 0, done.err
        if done.json["result"] == "applied":
            self.undo.append(before)
        after = snapshot(self.repo, with_state=True, with_times=True)
        assert install(self.repo, "--json", bundle=source).json["result"] == "unchanged"
        assert snapshot(self.repo, with_state=True, with_times=True) == after

    @precondition(lambda self: self.undo)
    @rule()
    def rollback(self) -> None:
        done = agentrail("rollback", "--json", self.repo)
        assert done.code == 0, done.err
        assert self.tree() == self.undo.pop()

    @rule()
    def uninstall(self) -> None:
        mine = {
            line
            for node in self.tree().values()
            for line in node.content.splitlines()
            if line.startswith(b"mine")
        }
        done = agentrail("uninstall", "--json", self.repo)
        kept = {line for node in self.tree().values() for line in node.content.splitlines()}
        assert (done.code, mine <= kept) in ((0, True), (1, True))
        self.undo.clear()


TestInMemory = pytest.mark.slow(InMemory.TestCase)
TestInMemory.settings = steadily(150)
TestOnDisk = pytest.mark.slow(OnDisk.TestCase)
TestOnDisk.settings = steadily(25)
