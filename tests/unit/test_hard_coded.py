"""The lint for places of task records that are named instead of asked for."""

from __future__ import annotations

import pytest

from agentrail_runtime.release import hard_coded

BOTH = pytest.mark.parametrize("root", [".agentrail/work", "work"])


def lines(path: str, text: str) -> list[int]:
    return [one.line for one in hard_coded.findings(path, text.encode())]


@pytest.mark.parametrize(
    ("path", "is_linted"),
    [
        ("tools/check.ps1", True),
        ("tools/a.psm1", True),
        ("run.sh", True),
        ("package/a.py", True),
        (".github/workflows/ci.yml", True),
        ("sub/.github/workflows/ci.yaml", True),
        ("project.profile.yaml", False),
        ("docs/guide.md", False),
    ],
)
def test_code_is_looked_through_and_texts_are_not(path: str, is_linted: bool) -> None:
    assert hard_coded.is_linted(path) is is_linted


@BOTH
@pytest.mark.parametrize("literal", ["'{0}/x'", '"./{0}/x"', "f'{0}/{{name}}'", "[1, '{0}/']"])
def test_python_that_names_the_place_is_found(root: str, literal: str) -> None:
    assert lines("a.py", f"import os\nx = {literal.format(root)}\n") == [2]


@pytest.mark.parametrize(
    "text",
    [
        '"""work/ is where records were."""\n',
        'def f():\n    """.agentrail/work is the default."""\n',
        "x = 'framework/a'\n",
        "x = 'work'\n",
        "x = '.agentrail/workshop'\n",
        "x = b'work/'\n",
        "# work/x\n",
    ],
)
def test_python_that_only_speaks_of_it_is_not(text: str) -> None:
    assert lines("a.py", text) == []


@BOTH
@pytest.mark.parametrize("line", ["cd {0}/x", 'Join-Path "{0}/x" y', "- path: ./{0}/x", "ls '{0}/'"])
@pytest.mark.parametrize("path", ["a.ps1", "a.sh", ".github/workflows/ci.yml"])
def test_scripts_that_name_the_place_are_found(path: str, root: str, line: str) -> None:
    assert lines(path, f"\n{line.format(root)}\n") == [2]


def test_a_windows_path_is_one_too() -> None:
    assert lines("a.ps1", "cd .agentrail\\work\\x\ncd work\\x\n") == [1, 2]


@pytest.mark.parametrize(
    "line",
    [
        "# cd work/x",
        "run  # in work/x",
        "cd $root/work/x",
        "cd ${{ a }}/work/x",
        "cd network/x",
        "work",
    ],
)
def test_scripts_that_ask_or_only_speak_of_it_are_not(line: str) -> None:
    assert lines("a.sh", line) == []


def test_what_defines_a_default_may_name_it() -> None:
    assert lines("src/agentrail_runtime/planner.py", "x = '.agentrail/work'\n") == []
    assert lines("a.py", "x = 'work/'  # agentrail: default task root\n") == []
    assert lines("a.sh", "x=work/  # agentrail: default task root\n") == []
    assert lines("other_planner.py", "x = '.agentrail/work'\n") == [1]


@pytest.mark.parametrize("text", ["x = (\n", "x = '\0'\n", "(" * 5000, "x = 'a' +\n"])
def test_python_that_is_none_is_a_finding(text: str) -> None:
    found = hard_coded.findings("a.py", text.encode())
    assert [one.text.partition(":")[0] for one in found] == ["not Python"]


def test_warnings_about_somebody_elses_literals_stay_away() -> None:
    assert lines("a.py", "x = '\\d'\n") == []


def test_what_is_not_utf8_or_too_large_is_no_traceback() -> None:
    assert hard_coded.findings("a.sh", b"\xff work/x")[0].line == 1
    assert hard_coded.findings("a.sh", b" " * 2_000_001)[0].text == "too large to be looked through"
