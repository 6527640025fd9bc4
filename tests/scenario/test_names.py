"""Paths and texts in any script, on terminals that know only their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenario.story import agentrail, bundle_of, install, process
from tests.support import snapshot, write

NAMES = [
    "日本語",
    "with space",
    "é",
    "e\u0301",
    "-dash",
    "#hash",
    "percent%20",
    "quote'\"",
    "tab\tname",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_repository_of_any_name_lives_a_whole_life(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    assert install(target, "--json").json["target"] == str(target)
    assert agentrail("verify", target).code == 0
    assert install(target, "--json").json["result"] == "unchanged"
    assert agentrail("uninstall", target).code == 0
    assert snapshot(target, with_state=True) == {}


@pytest.mark.parametrize("name", ["文書/手引き.md", "a b/c d.md", "e\u0301.md", "ß.md", "😀.md"])
def test_a_file_of_any_name_is_delivered_merged_and_rolled_back(tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    install(target, bundle=bundle_of(tmp_path / "v1", name, "one\ntwo\nthree\n"))
    write(target, {name: "mine\none\ntwo\nthree\n"})
    before = snapshot(target)
    newer = bundle_of(tmp_path / "v2", name, "one\ntwo\nthree\nfour\n", version="1.1.0")
    assert install(target, "--on-conflict", "merge", bundle=newer).code == 0
    assert (target / name).read_text() == "mine\none\ntwo\nthree\nfour\n"
    assert agentrail("rollback", target).code == 0
    assert snapshot(target) == before


@pytest.mark.parametrize("encoding", ["ascii:strict", "cp1252:strict", "cp932:strict", "utf-8"])
def test_a_terminal_that_knows_few_characters_does_not_end_a_finished_run_in_an_error(
    tmp_path: Path, encoding: str
) -> None:
    target = tmp_path / "日本語 é"
    env = {"PYTHONIOENCODING": encoding}
    run = process("install", target, cwd=tmp_path, env=env)
    assert (run.code, (target / ".agentrail/receipt.json").exists()) == (0, True)
    assert process("verify", target, cwd=tmp_path, env=env).code == 0


@pytest.mark.parametrize("encoding", ["ascii:strict", "cp1252:strict", "utf-8"])
def test_a_diff_of_japanese_text_is_printed_on_any_terminal(tmp_path: Path, encoding: str) -> None:
    env = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    words = [sys.executable, "-m", "agentrail_runtime", "diff", str(tmp_path / "new")]
    done = subprocess.run(words, env={**os.environ, **env}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"+++ incoming/docs/templates/spec.md" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that are no text")
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_target_whose_name_is_no_text_is_installed_or_refused_in_one_document(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    target = os.fsencode(tmp_path) + b"/\xff"
    command: list[str | bytes] = [sys.executable, "-m", "agentrail_runtime", "install", *words, target]
    done = subprocess.run(command, capture_output=True, check=False)
    assert b"Traceback" not in done.stderr
    assert done.returncode in (0, 1)
    assert os.path.exists(target) is (done.returncode == 0)
    if words:
        assert json.loads(done.stdout)["result"] in ("applied", "failed")
