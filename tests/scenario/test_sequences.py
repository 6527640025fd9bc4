"""Whatever people do in whatever order: nothing of theirs is lost, and the reports stay true.

Every line that the simulated user writes is unique, so that it can be searched for afterwards: in the
tree, in the stash, in git's objects.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agentrail_runtime.entry import Ownership
from tests.scenario.story import agentrail, install, stashed, transactions
from tests.support import Run, git, make_bundle, make_repo, snapshot, write

BEGIN, END = "<!-- agentrail:begin -->\n", "<!-- agentrail:end -->\n"
OWNERSHIP: dict[str, Ownership] = {"AGENTS.md": "block", "MEMORY.md": "seed"}
FILES = ["docs/a.md", "docs/b.md", "docs/c.md", "bin/tool.sh", "AGENTS.md", "MEMORY.md", "docs/new.md"]


def text(*changes: str) -> str:
    """Return nine lines, those named in `changes` (``"3x"``: the third) in another version."""
    lines = [f"line {number}\n" for number in range(1, 10)]
    for change in changes:
        lines[int(change[0]) - 1] = f"line {change}\n"
    return "".join(lines)


VERSIONS: dict[str, dict[str, bytes | str]] = {
    "1.0.0": {
        "docs/a.md": text(),
        "docs/b.md": text("1b"),
        "docs/c.md": text("1c"),
        "bin/tool.sh": text("1t"),
        "AGENTS.md": BEGIN + text("1g") + END,
        "MEMORY.md": "memory\n",
    },
    "1.1.0": {
        "docs/a.md": text("5x"),
        "docs/new.md": text("1b"),
        "docs/c.md": text("1c"),
        "bin/tool.sh": text("1t", "9x"),
        "AGENTS.md": BEGIN + text("1g", "9x") + END,
        "MEMORY.md": "memory, better\n",
    },
    "1.2.0": {
        "docs/a.md": text("5x", "9y"),
        "docs/new.md": text("1b", "9y"),
        "bin/tool.sh": text("1t", "9x"),
        "AGENTS.md": BEGIN + text("1g", "5y", "9x") + END,
    },
}


class Life(RuleBasedStateMachine):
    """A repository, three versions, and a user who edits, deletes, commits and changes their mind."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="agentrail-life-"))
        self.repo = self.root / "repo"
        self.count = 0
        self.kept: set[str] = set()
        """Lines of the user's that a command took out of the tree."""

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @initialize()
    def begin(self) -> None:
        make_repo(self.repo, {"AGENTS.md": "# Mine: 0;\n", "README.md": "mine\n"})
        for number, (version, files) in enumerate(VERSIONS.items()):
            executable = ("bin/tool.sh",) if version == "1.2.0" else ()
            make_bundle(
                self.root / version,
                files,
                ownership=OWNERSHIP,
                executable=executable,
                version=version,
                release_seq=number,
            )
        self.install("1.0.0", "abort", is_older_allowed=False)

    # --- what is checked -------------------------------------------------------------------------

    def lines(self) -> set[str]:
        """Return the user's lines that stand in the tree."""
        tree = {node.content for node in snapshot(self.repo).values() if node.kind == "file"}
        return {line for line in self.written if any(line.encode() in data for data in tree)}

    @property
    def written(self) -> list[str]:
        return [f"mine: {number};" for number in range(self.count + 1)]

    def elsewhere(self, lines: set[str]) -> set[str]:
        """Return those of `lines` that the stash holds."""
        texts = [data for copies in stashed(self.repo).values() for data in copies]
        return {line for line in lines if any(line.encode() in data for data in texts)}

    def command(self, *words: str | Path, bundle: str | None = None) -> Run:
        """Run a command; make sure that no line of the user's is lost by it."""
        before, tree = self.lines(), snapshot(self.repo)
        if bundle is not None:
            run = install(self.repo, *words, "--json", bundle=self.root / bundle)
        else:
            run = agentrail(*words, "--json", self.repo)
        assert run.code in (0, 1, 3, 5), run
        if run.code:
            assert snapshot(self.repo) == tree
        after = self.lines()
        self.kept = (self.kept | before) - after if run.code == 0 else self.kept
        assert self.elsewhere(self.kept) == self.kept
        return run

    # --- what the user does ----------------------------------------------------------------------

    @rule(
        version=st.sampled_from(sorted(VERSIONS)),
        policy=st.sampled_from(["abort", "keep", "overwrite", "merge"]),
        is_older_allowed=st.booleans(),
    )
    def install(self, version: str, policy: str, is_older_allowed: bool) -> None:
        words = ["--on-conflict", policy, *(["--allow-downgrade"] if is_older_allowed else [])]
        planned = install(self.repo, *words, "--json", "--dry-run", bundle=self.root / version)
        run = self.command(*words, bundle=version)
        assert planned.json["actions"] == run.json["actions"]
        assert planned.code == run.code
        if run.code == 0:
            before = snapshot(self.repo, with_state=True, with_times=True)
            again = install(self.repo, "--json", *words, bundle=self.root / version)
            assert (again.code, again.json["result"]) == (0, "unchanged")
            assert snapshot(self.repo, with_state=True, with_times=True) == before

    @rule(
        path=st.sampled_from(FILES),
        line=st.integers(0, 10),
        is_crlf=st.booleans(),
        is_replaced=st.booleans(),
    )
    def edit(self, path: str, line: int, is_crlf: bool, is_replaced: bool) -> None:
        self.count += 1
        old = (self.repo / path).read_text().splitlines() if (self.repo / path).exists() else []
        lines = [] if is_replaced else old
        lines.insert(line, f"mine: {self.count};")
        self.kept -= self.lines()
        eol = "\r\n" if is_crlf else "\n"
        write(self.repo, {path: "".join(f"{line}{eol}" for line in lines).encode()})

    @rule(path=st.sampled_from(FILES), is_deleted=st.booleans())
    def damage(self, path: str, is_deleted: bool) -> None:
        """Delete a file or flip its executable bit."""
        if (self.repo / path).exists() and is_deleted:
            (self.repo / path).unlink()
        elif (self.repo / path).exists():
            (self.repo / path).chmod(0o600 | (self.repo / path).stat().st_mode ^ 0o111)

    @rule()
    def commit(self) -> None:
        git(self.repo, "add", "-A")
        git(self.repo, "commit", "-q", "--allow-empty", "-m", "work")
        assert ".agentrail/state" not in git(self.repo, "ls-files")

    def is_installed(self) -> bool:
        return (self.repo / ".agentrail/receipt.json").exists()

    @precondition(is_installed)
    @rule(is_forced=st.booleans())
    def rollback(self, is_forced: bool) -> None:
        self.command("rollback", *(["--force"] if is_forced else []))

    @precondition(is_installed)
    @rule(back=st.integers(1, 3), is_forced=st.booleans())
    def rollback_several(self, back: int, is_forced: bool) -> None:
        known = transactions(self.repo)[: back + 1]
        if known:
            self.command("rollback", "--to", known[-1], *(["--force"] if is_forced else []))

    @precondition(is_installed)
    @rule()
    def uninstall(self) -> None:
        assert self.command("uninstall").code == 0
        assert agentrail("rollback", self.repo).code == 1

    @precondition(is_installed)
    @rule()
    def rollback_what_was_just_installed(self) -> None:
        before = snapshot(self.repo)
        run = install(self.repo, "--json", "-f", bundle=self.root / "1.2.0")
        if run.code == 0 and run.json["changed"]:
            assert agentrail("rollback", self.repo).code == 0
            assert snapshot(self.repo) == before

    @precondition(is_installed)
    @rule()
    def verify(self) -> None:
        run = agentrail("verify", "--json", self.repo)
        drifted = [row["path"] for row in self.receipt() if self.is_drift(row)]
        assert (run.code, (run.json["error"] or {"paths": []})["paths"]) == (
            4 if drifted else 0,
            drifted,
        )

    def receipt(self) -> list[dict[str, Any]]:
        value = json.loads((self.repo / ".agentrail/receipt.json").read_bytes())
        return list(value["entries"])

    def is_drift(self, row: dict[str, Any]) -> bool:
        """Tell, without the product's help, whether a recorded file is not as recorded."""
        path = self.repo / row["path"]
        if row["sha256"] is None or row["ownership"] == "seed":
            return False
        if not path.exists():
            return True
        data = path.read_bytes().replace(b"\r\n", b"\n")
        if row["ownership"] == "block":
            _, _, rest = data.partition(BEGIN.encode())
            data, end, _ = rest.partition(END.rstrip().encode())
            if not end:
                return True
        mode = bool(path.stat().st_mode & 0o100)
        is_mode_kept = row["ownership"] == "block" or mode == row["executable"]
        return hashlib.sha256(data).hexdigest() != row["sha256"] or not is_mode_kept


def live(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Life,
        settings=settings(
            deadline=None,
            max_examples=examples,
            stateful_step_count=steps,
            database=None,
            derandomize=True,
            phases=(Phase.generate,),  # shrinking takes minutes; the steps that failed are printed
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


def test_no_line_of_the_users_is_lost_in_short_lives() -> None:
    live(examples=6, steps=15)


@pytest.mark.slow
def test_no_line_of_the_users_is_lost_in_long_lives() -> None:
    live(examples=60, steps=40)
