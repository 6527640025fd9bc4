"""verify, status and diff: what a user learns without writing anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenario.story import (
    GUIDE,
    MINE,
    NEXT,
    agentrail,
    bundle_of,
    install,
    shipped_copy,
)
from tests.support import snapshot, write

SPEC = "docs/templates/spec.md"


def route(bundle: Path) -> tuple[str | Path, ...]:
    return ("--source", "copy", "--runtime-dir", bundle)


def damage(root: Path, how: str) -> None:
    path = root / SPEC
    if how == "edited":
        path.write_bytes(path.read_bytes() + b"mine\n")
    elif how == "deleted":
        path.unlink()
    elif how == "emptied":
        path.write_bytes(b"")
    elif how == "executable":
        path.chmod(0o755)
    else:
        path.unlink()
        path.symlink_to("plan.md") if how == "a symlink" else path.mkdir()


DRIFT = [
    ("edited", "edited locally"),
    ("deleted", "deleted locally"),
    ("emptied", "edited locally"),
    ("executable", "mode changed locally"),
    ("a symlink", "is a symlink"),
    ("a directory", "is a directory"),
]


@pytest.mark.parametrize(("how", "said"), DRIFT)
def test_verify_names_every_kind_of_drift(repo: Path, how: str, said: str) -> None:
    install(repo)
    damage(repo, how)
    before = snapshot(repo, with_state=True, with_times=True)
    run = agentrail("verify", repo)
    assert (run.code, run.out) == (4, "")
    assert run.err.startswith(f"{SPEC}: {said}\nhint: ")
    assert snapshot(repo, with_state=True, with_times=True) == before


@pytest.mark.parametrize(("how", "said"), DRIFT)
def test_status_names_every_kind_of_drift_and_exits_4_only_when_asked(
    repo: Path, how: str, said: str
) -> None:
    install(repo)
    damage(repo, how)
    run = agentrail("status", repo)
    assert run.code == 0
    assert f"drift      1\n  keep      {SPEC}  ({said})" in run.out
    assert agentrail("status", "--exit-code", repo).code == 4


def test_verify_names_all_files_that_drifted(repo: Path) -> None:
    install(repo)
    for name in (SPEC, "docs/templates/plan.md", "docs/templates/review.md"):
        write(repo, {name: "mine\n"})
    run = agentrail("verify", "--json", repo)
    assert run.json["error"]["paths"] == ["docs/templates/plan.md", "docs/templates/review.md", SPEC]


def test_verify_says_how_many_files_are_as_recorded(repo: Path) -> None:
    install(repo)
    assert agentrail("verify", repo).out == f"{repo}: 1.0.0, 41 files as recorded\n"


def test_verify_needs_no_source(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(repo)
    monkeypatch.setenv("AGENTRAIL_SOURCE", "copy")
    monkeypatch.setenv("AGENTRAIL_RUNTIME_DIR", "/nowhere")
    assert agentrail("verify", repo).code == 0


def test_status_of_a_clean_repository(repo: Path) -> None:
    install(repo)
    run = agentrail("status", "--exit-code", repo)
    assert run.code == 0
    lines = run.out.splitlines()
    assert lines[0] == f"target     {repo}"
    assert lines[1].startswith("version    1.0.0")
    assert lines[2] == "task root  .agentrail/work"
    assert lines[3].startswith("source     package 1.0.0, sha256:")
    assert {"drift      none", "pending    none", "declined   none"} <= set(lines)


def test_status_names_a_pending_update_and_the_command_for_it(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    run = agentrail("status", *route(v2), repo)
    assert run.code == 0
    assert "version    1.0.0" in run.out
    assert "source     copy 1.1.0, sha256:" in run.out
    assert f"pending    1\n  update    {GUIDE}  (changed by the framework)" in run.out
    assert f"update     agentrail-install {repo}" in run.out
    assert agentrail("status", "--exit-code", *route(v2), repo).code == 4


def test_status_of_a_conflict_exits_4_when_asked(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: MINE})
    run = agentrail("status", "--exit-code", *route(v2), repo)
    assert run.code == 4
    assert f"  conflict  {GUIDE}  (changed on both sides)" in run.out


def test_status_without_a_usable_source_still_tells_the_rest(repo: Path, tmp_path: Path) -> None:
    install(repo)
    write(repo, {SPEC: "mine\n"})
    run = agentrail("status", *route(tmp_path / "nothing"), repo)
    assert run.code == 0
    assert "version    1.0.0" in run.out
    assert "drift      1\n" in run.out
    assert "update     not known:" in run.out
    assert agentrail("status", "--exit-code", *route(tmp_path / "nothing"), repo).code == 4


def test_status_of_an_older_source_tells_of_the_downgrade(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v2)
    run = agentrail("status", *route(v1), repo)
    assert run.code == 0
    assert "a downgrade" in run.out
    assert "version    1.1.0" in run.out


def test_diff_is_empty_where_nothing_would_be_written(repo: Path) -> None:
    install(repo)
    assert agentrail("diff", repo) == (0, "", "")


def test_diff_shows_an_upgrade_as_patch(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    assert agentrail("diff", *route(v2), repo).out == (
        "--- current/docs/guide.md\n+++ incoming/docs/guide.md\n@@ -2,4 +2,4 @@\n"
        " two\n three\n four\n-five\n+five, next\n"
    )


def test_diff_shows_files_that_come_and_go(repo: Path, v1: Path, tmp_path: Path) -> None:
    install(repo, bundle=v1)
    newer = bundle_of(tmp_path / "v2", "docs/new.md", "new\n", version="1.1.0")
    out = agentrail("diff", *route(newer), repo).out
    assert "--- /dev/null\n+++ incoming/docs/new.md\n@@ -0,0 +1 @@\n+new\n" in out
    assert f"--- current/{GUIDE}\n+++ /dev/null\n" in out


def test_diff_marks_a_missing_final_newline(repo: Path, v1: Path, tmp_path: Path) -> None:
    install(repo, bundle=v1)
    newer = bundle_of(tmp_path / "v2", GUIDE, NEXT.rstrip(b"\n"), version="1.1.0")
    assert "+five, next\n\\ No newline at end of file\n" in agentrail("diff", *route(newer), repo).out


def test_diff_names_binary_files_only(repo: Path, tmp_path: Path) -> None:
    install(repo, bundle=bundle_of(tmp_path / "v1", "logo.png", b"\0one"))
    newer = bundle_of(tmp_path / "v2", "logo.png", b"\0two", version="1.1.0")
    out = agentrail("diff", *route(newer), repo).out
    assert out == "Binary files current/logo.png and incoming/logo.png differ\n"


def test_diff_of_a_repository_without_the_runtime_shows_what_would_come(repo: Path) -> None:
    run = agentrail("diff", repo)
    assert run.code == 0
    assert "+<!-- agentrail:begin -->\n" in run.out
    assert "+++ incoming/docs/templates/spec.md\n" in run.out


def test_diff_shows_the_profile_lines_that_change_and_no_other(repo: Path) -> None:
    write(repo, {"project.profile.yaml": "a: 1\nworkflow:\n  task_root: work\nb: 2\n"})
    out = agentrail("diff", repo).out
    assert "-  task_root: work\n+  task_root: .agentrail/work\n" in out
    assert "-a: 1" not in out


def test_diff_of_a_crlf_file_is_not_the_whole_file(repo: Path, v1: Path, v2: Path) -> None:
    install(repo, bundle=v1)
    write(repo, {GUIDE: (repo / GUIDE).read_bytes().replace(b"\n", b"\r\n")})
    out = agentrail("diff", *route(v2), repo).out
    assert "five, next" in out
    assert "-one" not in out


def test_status_shows_the_source_that_is_at_hand(repo: Path, tmp_path: Path) -> None:
    bundle = shipped_copy(tmp_path / "dist")
    install(repo, bundle=bundle)
    document = agentrail("status", "--json", *route(bundle), repo).json
    assert document["source"]["kind"] == "copy"
    assert document["result"] == "unchanged"
