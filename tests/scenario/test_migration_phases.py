"""``agentrail migration status``, ``check`` and ``advance`` in a framework repository."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agentrail_runtime.operation import evidence as evidence_
from agentrail_runtime.release.companion import INDEX_PATH, RULES_PATH
from agentrail_runtime.release.phase import Verdict
from agentrail_runtime.release.runbook import BEGIN, RUNBOOK_PATH
from tests.scenario.migrating import (
    DECISIONS,
    READY,
    build,
    conditions,
    decide,
    evidence,
    make_framework,
    make_wheel,
)
from tests.scenario.story import agentrail
from tests.support import Run, git, snapshot, write

POLICY = "distribution.yaml"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_framework(tmp_path_factory.mktemp("migration") / "beacon")


@pytest.fixture
def beacon(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A framework repository in phase 3 with all conditions met, and the directory to work in."""
    root = tmp_path / "beacon"
    shutil.copytree(made, root, symlinks=True)
    decide(root / DECISIONS)
    monkeypatch.chdir(root)
    monkeypatch.setattr(evidence_, "routes", lambda site, version: Verdict(True, "equal"))
    return root


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8", newline="")


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "change")


def migration(name: str, *words: str | Path) -> Run:
    return agentrail("migration", name, "--as-of", READY, "--runtime-version", "2.0.0", *words)


def test_status_tells_the_phase_every_condition_and_what_is_next(beacon: Path) -> None:
    run = migration("status")
    assert (run.code, run.err) == (0, "")
    assert run.out.splitlines()[:3] == [
        "phase 3: package is the default source",
        "default route: package (phase 3, package is the default source)",
        "copy route: ends on 2027-12-31, removed in 2.0.0; releases left: none",
    ]
    assert run.out.count("  pass  ") == 14
    assert run.out.endswith("phase 4 can begin\n")


def test_status_as_json_has_all_of_it(beacon: Path) -> None:
    run = migration("status", "--json")
    assert set(conditions(run).values()) == {"pass"}
    assert {
        key: run.json[key] for key in ("command", "phase", "default_source", "missing", "error")
    } == {
        "command": "migration status",
        "phase": 3,
        "default_source": "package",
        "missing": [],
        "error": None,
    }
    assert run.json["policy"] == str(beacon / POLICY)


def test_status_says_nothing_when_told_to_be_quiet(beacon: Path) -> None:
    assert migration("status", "-q") == (0, "", "")


def test_a_quick_status_does_not_guess(beacon: Path) -> None:
    run = migration("status", "--quick", "--json")
    left_out = {name for name, status in conditions(run).items() if status == "unknown"}
    assert left_out == {"manifest-stable", "paths-from-profile", "both-routes"}
    assert run.json["missing"] == ["manifest-stable", "paths-from-profile", "both-routes"]


def test_the_moment_to_judge_at_has_to_be_one(beacon: Path) -> None:
    run = agentrail("migration", "status", "--as-of", "tomorrow")
    assert run.code == 2
    assert "not a time: 'tomorrow'" in run.err


def test_the_version_that_is_made_has_to_be_one(beacon: Path) -> None:
    run = agentrail("migration", "status", "--runtime-version", "next")
    assert run.code == 2
    assert "'next' is no version" in run.err


def test_without_a_moment_it_is_now(beacon: Path) -> None:
    assert agentrail("migration", "status", "--quick").code == 0


def test_a_directory_that_is_not_there_is_named(beacon: Path) -> None:
    run = migration("status", "elsewhere")
    assert run.code == 1
    assert "elsewhere: no such directory" in run.err


def test_a_damaged_policy_is_told_line_by_line(beacon: Path) -> None:
    replace(beacon / POLICY, "phase: 3\n", "phase: 9\n")
    run = migration("status")
    assert run.code == 1
    assert "distribution.yaml:8: phase: expected 0 to 4, got 9" in run.err


# --- advance -----------------------------------------------------------------------------------------


def no_backup(root: Path) -> None:
    replace(
        root / POLICY,
        "signing: {owner: The AgentRail developers, backup: Grace}",
        "signing: {owner: A, backup: null}",
    )


def no_index_url(root: Path) -> None:
    replace(
        root / POLICY,
        "pilot: {kind: static, index_url: https://i.example/",
        "pilot: {kind: static, index_url: null",
    )


def no_stable_manifest(root: Path) -> None:
    replace(root / "framework.runtime.manifest.yaml", "tools]", "tools, missing]")
    commit(root)
    replace(root / "framework.runtime.manifest.yaml", "tools, missing]", "tools]")


def hard_coded(root: Path) -> None:
    replace(root / "tools/check.ps1", "agentrail check", "cd .agentrail/work")


def no_link(root: Path) -> None:
    replace(root / "AGENTS.md", RULES_PATH, "elsewhere")


def no_wheel(root: Path) -> None:
    shutil.rmtree(root / "dist")


def no_notices(root: Path) -> None:
    replace(root / POLICY, "notices: [1.0.0, 1.1.0]", "notices: [1.0.0]")


def no_gate(root: Path) -> None:
    (root / DECISIONS).unlink()


def one_notice(root: Path) -> None:
    replace(root / "CHANGELOG.md", "## [1.1.0] - 2027-01-31", "## [1.1.0]")


def later_end(root: Path) -> None:
    replace(root / POLICY, "ends_on: 2027-12-31", "ends_on: 2028-01-01")


def later_removal(root: Path) -> None:
    replace(root / POLICY, "removed_in: 2.0.0", "removed_in: 2.0.1")


def suspended(root: Path) -> None:
    replace(root / POLICY, "suspended: null", 'suspended: {since: "2027-01-01T00:00:00Z", reason: x}')


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (no_backup, "owners-named: owner and backup are named: signing: no backup"),
        (
            no_index_url,
            "publishing-destination: every channel has a place and an owner: pilot: no index",
        ),
        (no_stable_manifest, "manifest-stable"),
        (hard_coded, "paths-from-profile: tools take paths from the profile: tools/check.ps1:1: cd"),
        (no_link, "rules-apart"),
        (no_wheel, "package-proof: a wheel carries the payload: no wheel in dist"),
        (no_notices, "deprecation-announced"),
        (no_gate, "gate-general: a release passed the gate of the general channel: release-decisions"),
        (one_notice, "two-notices: two releases told of the end: 1 of 1.0.0, 1.1.0 released"),
        (later_end, "end-date-passed: the end has come: ends on 2028-01-01, today is 2028-01-01"),
        (later_removal, "removed-in: this is the announced release: removed in 2.0.1, this is 2.0.0"),
        (suspended, "not-suspended: the package route is not suspended: suspended since 2027-01-01"),
    ],
)
def test_no_phase_begins_while_a_condition_fails(
    beacon: Path, spoil: Callable[[Path], None], name: str
) -> None:
    spoil(beacon)
    before = snapshot(beacon, with_times=True)
    run = migration("advance")
    assert run.code == 1
    assert f"{beacon / POLICY}: {name}" in run.err
    assert "hint: phase 4 can begin once all of these hold" in run.err
    assert snapshot(beacon, with_times=True) == before


def test_copy_is_not_removed_before_its_last_day_is_over(beacon: Path) -> None:
    words = ("--as-of", "2027-12-31T23:59:59Z", "--runtime-version", "2.0.0")
    run = agentrail("migration", "advance", *words)
    assert run.code == 1
    assert "end-date-passed" in run.err


def test_both_routes_have_to_agree(beacon: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_, "routes", lambda site, version: Verdict(False, "differ: a.md"))
    run = migration("advance")
    assert run.code == 1
    assert "both-routes: both routes install the same: differ: a.md" in run.err


def test_every_condition_that_fails_is_named_at_once(beacon: Path) -> None:
    no_gate(beacon)
    no_wheel(beacon)
    run = migration("advance")
    assert [word for word in ("package-proof", "gate-general") if word in run.err] == [
        "package-proof",
        "gate-general",
    ]


def test_a_phase_begins_with_policy_and_runbook(beacon: Path) -> None:
    run = migration("advance")
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("phase 4 began: copy route removed\n")
    assert "\n-phase: 3\n+phase: 4\n" in run.out
    assert "\n+- 段階 (Phase): 4 - copy route removed\n" in run.out
    assert git(beacon, "status", "--short").split() == ["M", POLICY, "M", RUNBOOK_PATH]
    build(beacon)
    assert migration("check", "--json").json["unmet"] == []


def test_after_the_last_phase_there_is_none(beacon: Path) -> None:
    migration("advance")
    run = migration("advance")
    assert run.code == 1
    assert "phase 4 is the last one (copy route removed)" in run.err


def test_a_dry_run_of_advance_writes_nothing(beacon: Path) -> None:
    before = snapshot(beacon, with_times=True)
    run = migration("advance", "--dry-run", "--json")
    assert run.code == 0
    assert run.json["paths"] == [RUNBOOK_PATH, POLICY]
    assert run.json["notices"] == ["phase 4 would begin: copy route removed"]
    assert "+phase: 4\n" in run.json["diff"]
    assert snapshot(beacon, with_times=True) == before


def test_phases_begin_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_framework(tmp_path / "beacon", phase=0)
    monkeypatch.setattr(evidence_, "routes", lambda site, version: Verdict(True, "equal"))
    decide(tmp_path / DECISIONS)
    words = ("--decisions", tmp_path / DECISIONS, root)
    for number in (1, 2, 3, 4):
        build(root)
        assert migration("advance", *words).out.startswith(f"phase {number} began")


def test_the_phase_of_a_target_is_not_its_own(repo: Path) -> None:
    run = migration("advance", repo)
    assert run.code == 1
    assert "no distribution.yaml (expected a framework repository)" in run.err


def test_a_runbook_without_markers_stops_a_phase_before_anything_is_written(beacon: Path) -> None:
    replace(beacon / RUNBOOK_PATH, BEGIN, "")
    build(beacon)
    before = snapshot(beacon, with_times=True)
    run = migration("advance")
    assert run.code == 1
    assert "expected one line <!-- distribution-status:begin -->" in run.err
    assert snapshot(beacon, with_times=True) == before


def test_a_runbook_that_is_not_there_stops_a_phase(beacon: Path) -> None:
    (beacon / RUNBOOK_PATH).unlink()
    build(beacon)
    run = migration("advance")
    assert run.code == 1
    assert f"{RUNBOOK_PATH}: cannot be read" in run.err


# --- the gate ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "version", "verdict", "expected"),
    [
        (2, "2.0.0", "promote", "pass"),
        (2, "2.0", "promote", "pass"),
        (2, "1.9.0", "promote", "fail"),
        (2, "2.0.0", "hold", "fail"),
        (3, "1.9.0", "promote", "pass"),
        (3, "2.0.1", "promote", "fail"),
        (3, "1.9.0", "stop", "fail"),
    ],
)
def test_the_default_changes_with_the_very_release_that_passed_and_stays_with_any(
    beacon: Path, phase: int, version: str, verdict: str, expected: str
) -> None:
    replace(beacon / POLICY, "phase: 3\n", f"phase: {phase}\n")
    (beacon / DECISIONS).unlink()
    decide(beacon / DECISIONS, version=version, verdict=verdict)  # type: ignore[arg-type]
    decide(beacon / DECISIONS, version=version, stage="pilot")
    assert conditions(migration("status", "--json"))["gate-general"] == expected


def test_a_file_of_decisions_that_cannot_be_read_proves_nothing(beacon: Path) -> None:
    (beacon / DECISIONS).unlink()
    (beacon / DECISIONS).mkdir()
    assert conditions(migration("status", "--json"))["gate-general"] == "unknown"


# --- check -------------------------------------------------------------------------------------------


def test_a_repository_in_order_passes_its_check(beacon: Path) -> None:
    run = migration("check")
    assert (run.code, run.err) == (0, "")
    assert "  pass  " not in run.out
    assert migration("check", "-v").out.count("  pass  ") == 10
    assert migration("check", "-q") == (0, "", "")
    assert migration("check", "--json").json["error"] is None


def test_a_check_asks_only_for_the_phase_that_it_is_in(beacon: Path) -> None:
    one_notice(beacon)
    later_end(beacon)
    assert migration("check", "-q").code == 4  # the runbook tells of another end than the policy
    later_end_page = (beacon / RUNBOOK_PATH).read_text(encoding="utf-8")
    (beacon / RUNBOOK_PATH).write_text(
        later_end_page.replace("2027-12-31", "2028-01-01"), encoding="utf-8", newline=""
    )
    build(beacon)
    run = migration("check", "--json")
    assert (run.code, run.json["missing"]) == (0, ["two-notices", "end-date-passed"])


def test_a_condition_that_no_longer_holds_fails_the_check(beacon: Path) -> None:
    no_link(beacon)
    build(beacon)
    run = migration("check")
    assert run.code == 4
    assert "rules-apart: AGENTS.md: does not name docs/operations/runtime-framework-rules.md" in run.err
    told = migration("check", "--json")
    assert (told.code, told.json["unmet"]) == (4, ["rules-apart"])
    assert told.json["error"]["code"] == 4


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("# Runbook\n", "expected one line"),
        (f"{BEGIN}\nold\n<!-- distribution-status:end -->\n", "the status is not what the policy says"),
        (None, "missing, or no plain file"),
    ],
)
def test_a_runbook_that_contradicts_the_policy_fails_the_check(
    beacon: Path, text: str | None, why: str
) -> None:
    (beacon / RUNBOOK_PATH).unlink()
    if text is not None:
        write(beacon, {RUNBOOK_PATH: text})
    run = migration("check", "--json")
    assert run.code == 4
    assert [row["path"] for row in run.json["findings"]] == [RUNBOOK_PATH]
    assert why in run.json["findings"][0]["message"]
    assert "- 段階 (Phase): 3 - package is the default source" in run.json["findings"][0]["remedy"]


# --- check --changed-since ---------------------------------------------------------------------------


def edit(root: Path, *paths: str) -> None:
    for path in paths:
        with (root / path).open("ab") as file:
            file.write(b"more\n")


@pytest.mark.parametrize(
    ("paths", "stayed"),
    [
        ((), []),
        (("tools/check.ps1",), []),
        ((RULES_PATH, INDEX_PATH, RUNBOOK_PATH), []),
        ((RULES_PATH,), [INDEX_PATH, RUNBOOK_PATH]),
        ((RULES_PATH, RUNBOOK_PATH), [INDEX_PATH]),
        ((INDEX_PATH,), ["AGENTS.md", RUNBOOK_PATH]),
        ((RUNBOOK_PATH,), ["AGENTS.md", INDEX_PATH]),
    ],
)
def test_documents_that_did_not_move_together_fail_the_check(
    beacon: Path, paths: tuple[str, ...], stayed: list[str]
) -> None:
    edit(beacon, *paths)
    build(beacon)
    run = migration("check", "--changed-since", "HEAD", "--json")
    assert [row["path"] for row in run.json["findings"]] == stayed
    assert run.code == (4 if stayed else 0)


def test_what_is_committed_counts_as_what_is_not(beacon: Path) -> None:
    edit(beacon, RULES_PATH)
    commit(beacon)
    edit(beacon, INDEX_PATH)
    run = migration("check", "--changed-since", "HEAD^", "--json")
    assert [row["path"] for row in run.json["findings"]] == [RUNBOOK_PATH]


def test_a_suspension_is_no_change_of_the_rules(beacon: Path) -> None:
    assert agentrail("migration", "suspend", "--reason", "x").code == 0
    build(beacon)
    assert migration("check", "--changed-since", "HEAD", "-q").code == 0


def test_what_others_committed_meanwhile_does_not_count(beacon: Path) -> None:
    git(beacon, "checkout", "-q", "-b", "theirs")
    edit(beacon, RULES_PATH)
    commit(beacon)
    git(beacon, "checkout", "-q", "main")
    assert migration("check", "--changed-since", "theirs", "-q").code == 0


def test_the_first_push_of_a_branch_is_compared_with_the_commit_before(beacon: Path) -> None:
    edit(beacon, RULES_PATH)
    commit(beacon)
    run = migration("check", "--changed-since", "0" * 40, "--json")
    assert [row["path"] for row in run.json["findings"]] == [INDEX_PATH, RUNBOOK_PATH]


def test_a_history_without_a_common_commit_is_compared_all_the_same(beacon: Path) -> None:
    git(beacon, "checkout", "-q", "--orphan", "other")
    edit(beacon, RULES_PATH)
    commit(beacon)
    run = migration("check", "--changed-since", "main", "--json")
    assert [row["path"] for row in run.json["findings"]] == [INDEX_PATH, RUNBOOK_PATH]


def test_a_revision_that_is_none_is_a_usage_error(beacon: Path) -> None:
    run = migration("check", "--changed-since", "no-such-branch")
    assert run.code == 2
    assert "--changed-since: no-such-branch: no commit of the repository" in run.err


def test_documents_move_together_without_a_policy_too(repo: Path) -> None:
    edit(repo, "AGENTS.md")
    run = agentrail("migration", "check", "--changed-since", "HEAD", "--json", repo)
    assert [row["path"] for row in run.json["findings"]] == [INDEX_PATH, RUNBOOK_PATH]


# --- the evidence ------------------------------------------------------------------------------------


def told(name: str, *words: str | Path) -> tuple[str, str]:
    run = migration("status", "--json", *words)
    return conditions(run)[name], evidence(run, name)


def test_a_manifest_that_was_broken_a_commit_ago_is_not_stable(beacon: Path) -> None:
    replace(beacon / POLICY, "stable_commits: 1", "stable_commits: 3")
    assert told("manifest-stable") == ("fail", "the export's check passes at 1 of 3 commits")
    no_stable_manifest(beacon)
    commit(beacon)
    status, why = told("manifest-stable")
    assert status == "fail"
    assert "missing: no such file or directory" in why


def test_commits_that_change_no_file_are_stable_too(beacon: Path) -> None:
    replace(beacon / POLICY, "stable_commits: 1", "stable_commits: 2")
    git(beacon, "commit", "-q", "--allow-empty", "-m", "empty")
    assert told("manifest-stable") == ("pass", "the export's check passes at 2 of 2 commits")


def test_an_index_that_is_committed_has_to_be_that_of_its_commit(beacon: Path) -> None:
    git(beacon, "add", "-f", "dist/runtime")
    git(beacon, "commit", "-q", "-m", "bundle")
    assert told("manifest-stable")[0] == "pass"
    edit(beacon, "tools/check.ps1")
    commit(beacon)
    assert told("manifest-stable")[1].endswith("tools/check.ps1: not as runtime.index.json says")


def test_a_link_among_the_shipped_files_of_a_commit_is_told(beacon: Path) -> None:
    (beacon / "tools/link").symlink_to("check.ps1")
    commit(beacon)
    (beacon / "tools/link").unlink()
    assert told("manifest-stable")[1].endswith("tools/link: is a symlink (expected a plain file)")


def test_a_shallow_clone_cannot_tell(beacon: Path, tmp_path: Path) -> None:
    replace(beacon / POLICY, "stable_commits: 1", "stable_commits: 2")
    commit(beacon)
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{beacon}", "clone")
    run = migration("status", "--json", tmp_path / "clone")
    assert evidence(run, "manifest-stable") == "a shallow clone (expected 2 commits)"


def test_without_git_nothing_tells_of_stability(beacon: Path) -> None:
    shutil.rmtree(beacon / ".git")
    assert told("manifest-stable") == ("unknown", "no commits to be read")


def test_a_wheel_of_another_payload_is_no_proof(beacon: Path) -> None:
    edit(beacon, "tools/check.ps1")
    assert told("package-proof") == (
        "fail",
        "beacon-2.0.0-py3-none-any.whl: tools/check.ps1: not as runtime.index.json says",
    )


def test_the_wheel_that_is_named_counts_alone(beacon: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "other.whl"
    make_wheel(wheel, beacon / POLICY)
    status, why = told("package-proof", "--wheel", wheel)
    assert status == "fail"
    assert why.startswith("other.whl: not JSON")
    assert told("package-proof", "--wheel", tmp_path / "none.whl")[1].startswith("none.whl: No such")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no zip", b"PK\x05\x06" + b"\0" * 18])
def test_a_file_that_is_no_wheel_is_no_proof(beacon: Path, data: bytes) -> None:
    for number in range(4):
        (beacon / f"dist/{number}.whl").write_bytes(data)
    (beacon / "dist/beacon-2.0.0-py3-none-any.whl").unlink()
    status, why = told("package-proof")
    assert status == "fail"
    assert why.startswith("3.whl: ")
    assert why.endswith("; 1 more")


def test_rules_that_do_not_ship_apart_are_told(beacon: Path) -> None:
    replace(beacon / "framework.runtime.manifest.yaml", "block_files: [AGENTS.md]\n", "")
    (beacon / RULES_PATH).unlink()
    assert told("rules-apart") == (
        "fail",
        f"AGENTS.md: not a block file; {RULES_PATH}: not a managed file",
    )


def test_without_an_index_the_rules_are_in_none(beacon: Path) -> None:
    replace(
        beacon / "framework.runtime.manifest.yaml",
        'seed_files: ["docs/INDEX.md => docs/INDEX.md"]\n',
        "",
    )
    (beacon / INDEX_PATH).unlink()
    assert told("rules-apart")[1] == f"{INDEX_PATH}: does not name {RULES_PATH}"


def test_many_places_of_records_are_counted(beacon: Path) -> None:
    write(beacon, {f"tools/{name}.ps1": "cd work/x\n" for name in "abcde"})
    assert told("paths-from-profile")[1].endswith("; 2 more")


def test_without_a_manifest_nothing_is_proven(beacon: Path) -> None:
    (beacon / "framework.runtime.manifest.yaml").unlink()
    statuses = conditions(migration("status", "--json"))
    assert statuses["rules-apart"] == statuses["paths-from-profile"] == "fail"
    assert agentrail("migration", "check", "--changed-since", "HEAD").code == 4


def test_a_file_that_cannot_be_read_proves_nothing(
    beacon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(site: object) -> Verdict:
        raise PermissionError(13, "Permission denied", "AGENTS.md")

    monkeypatch.setattr(evidence_, "rules", refuse)
    assert told("rules-apart") == ("unknown", "AGENTS.md: Permission denied")


def test_without_a_changelog_nobody_knows_what_is_out(beacon: Path) -> None:
    (beacon / "CHANGELOG.md").unlink()
    assert told("two-notices") == ("unknown", "no CHANGELOG.md")


def test_the_version_is_that_of_the_bundle_that_is_kept(beacon: Path) -> None:
    run = agentrail("migration", "status", "--quick", "--json")
    assert run.json["version"] == "2.0.0"
    shutil.rmtree(beacon / "dist")
    run = agentrail("migration", "status", "--quick", "--json")
    assert run.json["version"] == "1.0.0"
