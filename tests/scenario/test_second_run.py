"""The same command again, and the runs that only look."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenario.story import (
    BASE,
    GUIDE,
    MINE,
    RIVAL,
    actions,
    agentrail,
    guide,
    install,
    process,
)
from tests.support import Node, git, payload_bundle, snapshot, write

LOOKING = [("--dry-run",), ("-n",), ("--diff",), ("--check",), ("--dry-run", "--diff", "--check")]


def everything(root: Path) -> dict[str, Node]:
    return snapshot(root, with_state=True, with_times=True)


def test_a_second_run_does_not_touch_a_single_byte_mode_or_mtime(
    repo: Path, route: tuple[str | Path, ...]
) -> None:
    install(repo, *route)
    before = everything(repo)
    run = install(repo, *route)
    assert (run.code, run.err) == (0, "")
    assert run.out == f"{repo}: 1.0.0 is installed, nothing to do (41 unchanged)\n"
    assert everything(repo) == before


@pytest.mark.parametrize("policy", ["abort", "keep", "overwrite", "merge"])
def test_no_policy_makes_a_second_run_write(repo: Path, policy: str) -> None:
    install(repo)
    before = everything(repo)
    run = install(repo, "--on-conflict", policy, "--json")
    assert (run.code, run.json["result"], run.json["changed"]) == (0, "unchanged", False)
    assert run.json["transaction"] is None
    assert everything(repo) == before


@pytest.mark.parametrize("command", ["verify", "status", "diff"])
def test_a_command_that_reports_does_not_touch_a_single_mtime(repo: Path, command: str) -> None:
    install(repo)
    before = everything(repo)
    assert agentrail(command, repo).code == 0
    assert everything(repo) == before


@pytest.mark.parametrize("words", LOOKING)
def test_looking_writes_nothing_into_a_repository(repo: Path, words: tuple[str, ...]) -> None:
    before = everything(repo)
    assert install(repo, *words).code == (4 if "--check" in words else 0)
    assert everything(repo) == before


@pytest.mark.parametrize("words", LOOKING)
def test_looking_at_an_upgrade_writes_nothing(
    repo: Path, v1: Path, v2: Path, words: tuple[str, ...]
) -> None:
    install(repo, bundle=v1)
    before = everything(repo)
    assert install(repo, *words, bundle=v2).code == (4 if "--check" in words else 0)
    assert everything(repo) == before


@pytest.mark.parametrize("words", LOOKING)
def test_looking_at_a_conflict_exits_3_and_writes_nothing(
    repo: Path, v1: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    before = everything(repo)
    run = install(repo, *words, bundle=guide(tmp_path / "v2", RIVAL, "1.1.0"))
    assert run.code == 3
    assert f"{GUIDE}: conflict: changed on both sides\nhint: " in run.err
    assert everything(repo) == before


@pytest.mark.parametrize("words", LOOKING)
def test_looking_exits_0_where_nothing_would_change(repo: Path, words: tuple[str, ...]) -> None:
    install(repo)
    assert install(repo, *words).code == 0


def test_a_dry_run_of_a_first_install_reports_what_the_run_then_does(
    repo: Path, route: tuple[str | Path, ...]
) -> None:
    planned = install(repo, *route, "--dry-run", "--json").json
    done = install(repo, *route, "--json").json
    assert (planned["result"], done["result"]) == ("planned", "applied")
    for key in ("actions", "summary", "task_root", "runtime_version", "previous_version", "changed"):
        assert planned[key] == done[key]


@pytest.mark.parametrize("policy", ["keep", "overwrite", "merge"])
def test_a_dry_run_of_an_upgrade_reports_what_the_run_then_does(
    repo: Path, tmp_path: Path, policy: str
) -> None:
    spec, plan = "docs/templates/spec.md", "docs/templates/plan.md"
    install(repo)
    text = (repo / spec).read_bytes()
    newer = payload_bundle(
        tmp_path / "new",
        changed={spec: text + b"next\n", "docs/templates/added.md": "added\n"},
        removed=(plan,),
    )
    write(repo, {spec: b"mine\n" + text})
    planned = install(repo, "--dry-run", "--json", "--on-conflict", policy, bundle=newer)
    done = install(repo, "--json", "--on-conflict", policy, bundle=newer)
    assert planned.json["actions"] == done.json["actions"]
    verb = {"keep": "keep", "overwrite": "update", "merge": "merge"}[policy]
    seen = actions(done)
    assert (seen[spec], seen[plan], seen["docs/templates/added.md"]) == (verb, "remove", "create")


def test_actions_are_sorted_by_path_and_list_unchanged_files_too(repo: Path) -> None:
    install(repo)
    paths = [row["path"] for row in install(repo, "--json").json["actions"]]
    assert paths == sorted(paths)
    assert len(paths) == 41


def test_the_diff_shows_base_current_and_incoming(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    run = install(repo, "--diff", "--on-conflict", "merge", bundle=v2)
    assert run.code == 0
    diff = run.out[run.out.index("---") :]
    assert diff == (
        "--- base/docs/guide.md\n+++ current/docs/guide.md\n@@ -1,4 +1,4 @@\n"
        "-one\n+one, mine\n two\n three\n four\n"
        "--- current/docs/guide.md\n+++ incoming/docs/guide.md\n@@ -2,4 +2,4 @@\n"
        " two\n three\n four\n-five\n+five, next\n"
    )


def test_the_diff_of_a_conflict_is_shown_although_the_run_is_refused(
    repo: Path, v1: Path, v2: Path
) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    run = install(repo, "--diff", bundle=v2)
    assert run.code == 3
    assert "-five\n+five, next\n" in run.out
    assert run.err.startswith(f"{GUIDE}: conflict: ")


def test_the_diff_can_be_applied_by_git(repo: Path, v1: Path, v2: Path, tmp_path: Path) -> None:
    install(repo, bundle=v1)
    run = agentrail("diff", "--source", "copy", "--runtime-dir", v2, repo)
    (tmp_path / "patch").write_text(run.out)
    git(repo, "apply", "-p1", str(tmp_path / "patch"))
    assert (repo / GUIDE).read_bytes() == (v2 / GUIDE).read_bytes()


def test_quiet_says_nothing_where_all_is_well(repo: Path) -> None:
    write(repo, {"work/2024-01-01__task/state.json": "{}\n"})
    for run in (install(repo, "-q"), agentrail("verify", "-q", repo), agentrail("status", "-q", repo)):
        assert run == (0, "", "")


def test_quiet_still_names_what_went_wrong(repo: Path) -> None:
    install(repo)
    write(repo, {"docs/templates/spec.md": "mine\n"})
    run = agentrail("verify", "-q", repo)
    assert (run.code, run.out) == (4, "")
    assert run.err.startswith("docs/templates/spec.md: edited locally\nhint: ")


def test_verbose_lists_unchanged_files(repo: Path) -> None:
    install(repo)
    assert "MEMORY.md" not in install(repo).out
    assert "  unchanged MEMORY.md  (as delivered)\n" in install(repo, "-v").out


def test_a_traceback_is_shown_for_verbose_only(repo: Path) -> None:
    assert "Traceback" not in agentrail("verify", repo).err
    assert "Traceback (most recent call last)" in agentrail("verify", "-v", repo).err


@pytest.mark.parametrize(
    ("words", "env", "is_coloured"),
    [
        ((), {}, False),
        (("--color", "always"), {}, True),
        (("--color", "never"), {}, False),
        (("--color", "auto"), {"NO_COLOR": "1"}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
    ],
)
def test_colours_only_where_they_are_wanted(
    repo: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    env: dict[str, str],
    is_coloured: bool,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[32mcreate" in install(repo, *words, "--dry-run").out) is is_coloured


def test_no_color_keeps_a_terminal_free_of_escapes(repo: Path) -> None:
    pytest.importorskip("pty", reason="a terminal needs a POSIX system")
    assert "\x1b[32mcreate" in on_a_terminal(repo, {"NO_COLOR": ""})
    assert "\x1b[" not in on_a_terminal(repo, {"NO_COLOR": "1"})


def on_a_terminal(repo: Path, env: dict[str, str]) -> str:
    """Return what a dry run prints where its stdout is a terminal."""
    import pty  # not on Windows, where the test is skipped

    main, side = pty.openpty()
    words = [sys.executable, "-m", "agentrail_runtime", "install", "-n", str(repo)]
    with subprocess.Popen(words, stdout=side, env={**os.environ, "TERM": "xterm", **env}) as child:
        os.close(side)
        seen = b""
        try:
            while chunk := os.read(main, 65536):
                seen += chunk
        except OSError:
            pass  # Linux reports the end of a terminal as EIO
        child.wait()
    os.close(main)
    return seen.decode()


def test_data_goes_to_stdout_and_diagnostics_to_stderr(repo: Path) -> None:
    write(repo, {"work/2024-01-01__task/state.json": "{}\n"})
    run = process("install", repo, cwd=repo.parent)
    assert run.code == 0
    assert run.out.splitlines()[-1].startswith(f"{repo}: installed 1.0.0, by package (39 create, ")
    assert run.err.splitlines() == [
        "note: work: 1 task record stays there; to move: git mv work/*__* .agentrail/work/"
    ]


def test_settings_come_from_the_environment_as_well(
    repo: Path, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTRAIL_SOURCE", "copy")
    monkeypatch.setenv("AGENTRAIL_RUNTIME_DIR", str(v1))
    assert install(repo, "--json").json["source"]["location"] == str(v1)


def test_the_copy_route_looks_into_dist_runtime_by_itself(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide(tmp_path / "here" / "dist" / "runtime", BASE)
    monkeypatch.chdir(tmp_path / "here")
    assert install(repo, "--source", "copy").code == 0
    assert (repo / GUIDE).read_bytes() == BASE
