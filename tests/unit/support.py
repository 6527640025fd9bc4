"""A target and a source in memory, for the tests of everything that touches no disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentrail_runtime import planner, receipt
from agentrail_runtime.decision import Decision, Policy, Rules, Side
from agentrail_runtime.entry import (
    RECEIPT_PATH,
    Entry,
    Index,
    Ownership,
    RelPath,
    State,
    git_blob,
    sha256,
)
from agentrail_runtime.planner import Plan
from agentrail_runtime.receipt import Receipt, Record
from agentrail_runtime.version import PROFILE_SCHEMA_VERSIONS

HEX = "ab" * 32
"""A digest of nothing in particular."""
BLOB = "cd" * 20
"""A git object id of nothing in particular."""
OWNERSHIP: dict[str, Ownership] = {
    "AGENTS.md": "block",
    "MEMORY.md": "seed",
    "project.profile.yaml": "profile",
}
"""The classes of the paths that a `World` knows; all others are managed."""


class Texts:
    """Texts by path and, for bases, by digest; what is not there is not found."""

    def __init__(
        self,
        current: Mapping[str, bytes] | None = None,
        incoming: Mapping[str, bytes] | None = None,
        bases: tuple[bytes, ...] = (),
    ) -> None:
        self.files = dict(current or {})
        self.bundle = dict(incoming or {})
        self.bases = {sha256(text): text for text in bases}

    def base(self, record: Record) -> bytes | None:
        return self.bases.get(record.sha256 or "")

    def current(self, path: RelPath) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def incoming(self, path: RelPath) -> bytes:
        return self.bundle[path]


def entry(
    path: str, data: bytes, ownership: Ownership = "managed", *, executable: bool = False
) -> Entry:
    """Return the row of an index for `data`."""
    return Entry(RelPath(path), ownership, sha256(data), len(data), executable)


def record(path: str, data: bytes | None, ownership: Ownership = "managed", **more: Any) -> Record:
    """Return the receipt's row for `data`; None for a file that was never delivered."""
    if data is None:
        return Record(RelPath(path), ownership, None, None, None, **more)
    return Record(RelPath(path), ownership, sha256(data), git_blob(data), len(data), **more)


def state(data: bytes | None, mode: int = 0o644) -> State:
    """Return what stands in a target where `data` is."""
    return State() if data is None else State("file", sha256(data), len(data), mode)


class Case:
    """One path with its three sides, each None where it is absent.

    `base` of a block is the text between the markers; the texts of all sides can be found.
    """

    def __init__(
        self,
        base: bytes | None,
        current: bytes | None,
        incoming: bytes | None,
        *,
        path: str = "docs/guide.md",
        ownership: Ownership = "managed",
        mode: int = 0o644,
        executable: bool = False,
        **more: Any,
    ) -> None:
        name = RelPath(path)
        is_recorded = base is not None or bool(more)
        self.texts = Texts(
            {} if current is None else {path: current},
            {} if incoming is None else {path: incoming},
            () if base is None else (base,),
        )
        self.side = Side(
            path=name,
            record=record(path, base, ownership, **more) if is_recorded else None,
            state=state(current, mode),
            entry=None if incoming is None else entry(path, incoming, ownership, executable=executable),
        )

    def rules(self, policy: Policy = "abort", **more: Any) -> Rules:
        """Return the rules of a run over this one path."""
        return Rules(
            texts=self.texts,
            policy=policy,
            profile_schema_versions=PROFILE_SCHEMA_VERSIONS,
            **more,
        )


def told(decision: Decision) -> tuple[str, str] | None:
    """Return action and reason of a decision, as they are reported."""
    return decision.action and (decision.action.action, decision.action.reason)


def written(decision: Decision) -> bytes | None:
    """Return the bytes that a decision writes; None where it writes none or removes the file."""
    change = decision.change
    return change.content() if change and change.content else None


class World(Texts):
    """A whole target in memory, and the bundle that is being installed into it."""

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        super().__init__(files)
        self.modes: dict[str, int] = {}
        self.odd: dict[str, State] = {}
        self.executable: tuple[str, ...] = ()
        self.is_root_empty = False

    @property
    def receipt(self) -> Receipt | None:
        """What is installed."""
        data = self.files.get(RECEIPT_PATH)
        return None if data is None else receipt.load(data)

    @property
    def index(self) -> Index:
        """What the bundle holds."""
        rows = (
            entry(path, data, OWNERSHIP.get(path, "managed"), executable=path in self.executable)
            for path, data in sorted(self.bundle.items())
        )
        return Index(runtime_version="1.0.0", release_seq=1, entries=tuple(rows))

    def inspect(self, path: RelPath) -> State:
        """Return what stands at `path`."""
        return self.odd.get(path) or state(self.files.get(path), self.modes.get(path, 0o644))

    def rules(self, policy: Policy = "abort", task_root: str | None = None) -> Rules:
        """Return the rules of an install, as the use case makes them."""
        installed = self.receipt
        wanted = task_root or (None if installed else planner.DEFAULT_TASK_ROOT)
        return Rules(
            texts=self,
            policy=policy,
            task_root=None if wanted is None else RelPath(wanted),
            installed_task_root=installed.task_root if installed else None,
            is_installed_root_empty=self.is_root_empty,
            profile_schema_versions=PROFILE_SCHEMA_VERSIONS,
        )

    def plan(self, policy: Policy = "abort", *, task_root: str | None = None) -> Plan:
        """Return the plan of an install."""
        return planner.build(
            receipt=self.receipt,
            index=self.index,
            digest=f"sha256:{HEX}",
            kind="copy",
            inspect=self.inspect,
            rules=self.rules(policy, task_root),
        )

    def install(
        self,
        bundle: Mapping[str, bytes],
        policy: Policy = "abort",
        *,
        task_root: str | None = None,
    ) -> Plan:
        """Plan an install of `bundle`, carry it out unless it has conflicts, and return the plan."""
        self.bundle = dict(bundle)
        plan = self.plan(policy, task_root=task_root)
        if not plan.conflicts:
            self.apply(plan)
        return plan

    def check(self) -> Plan:
        """Return the plan of a verify."""
        assert self.receipt
        return planner.build_check(receipt=self.receipt, inspect=self.inspect, rules=self.rules())

    def removal(self, *, has_records: bool = False, keeps_state: bool = False) -> Plan:
        """Return the plan of an uninstall."""
        assert self.receipt
        return planner.build_removal(
            receipt=self.receipt,
            inspect=self.inspect,
            rules=self.rules(),
            has_records=has_records,
            keeps_state=keeps_state,
        )

    def apply(self, plan: Plan) -> None:
        """Carry out `plan`, all contents read before the first write."""
        contents = [change.content and change.content() for change in plan.changes]
        for change in plan.changes:
            if change.delivered is not None:
                text = change.delivered()
                self.bases[sha256(text)] = text
        for change, data in zip(plan.changes, contents, strict=True):
            if data is None:
                del self.files[change.path]
                self.modes.pop(change.path, None)
            else:
                self.files[change.path] = data
                if change.executable is not None:
                    self.modes[change.path] = 0o755 if change.executable else 0o644

    def actions(self, plan: Plan) -> dict[str, str]:
        """Return what `plan` reports, by path."""
        return {action.path: action.action for action in plan.actions}
