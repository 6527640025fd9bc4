"""Mutation testing glosses over nothing: every explanation is of code that is there."""

from __future__ import annotations

import ast
import json

import pytest

from tests.mutation.__main__ import Mutant, Result, fate_of, table, told
from tests.mutation.selection import ROOT, TESTS
from tests.mutation.survivor import EXPLAINED, Survivor, explained, from_diff


def functions(module: str) -> dict[str, str]:
    """Return the source of every function of a module, by its name, with its class before a dot."""
    text = (ROOT / f"agentrail_runtime/{module}.py").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for node in ast.parse(text).body:
        for part in node.body if isinstance(node, ast.ClassDef) else (node,):
            if isinstance(part, ast.FunctionDef):
                name = f"{node.name}.{part.name}" if isinstance(node, ast.ClassDef) else part.name
                found[name] = ast.get_source_segment(text, part) or ""
    return found


def test_every_test_that_is_asked_about_a_module_is_there_and_tells_of_one_that_is() -> None:
    paths = {f"agentrail_runtime/{module}.py" for module in TESTS}
    paths |= {path for tests in TESTS.values() for path in tests}
    assert [path for path in sorted(paths) if not (ROOT / path).is_file()] == []
    assert all(TESTS.values())


def test_every_explained_mutant_is_a_change_of_code_that_is_there() -> None:
    sources = {module: functions(module) for module in TESTS}
    stale = []
    for survivor in explained():
        lines = {
            line.strip() for line in sources[survivor.module].get(survivor.function, "").splitlines()
        }
        if not {*survivor.before.split(" / ")} <= lines and survivor.before not in lines:
            stale.append(survivor)
    assert stale == []


def test_every_explained_mutant_is_listed_once_with_its_reason() -> None:
    rows = json.loads(EXPLAINED.read_bytes())
    assert [{*row} for row in rows] == [{*Survivor._fields, "why"}] * len(rows)
    assert len(explained()) == len(rows)
    assert [row for row in rows if len(row["why"].split()) < 4 or row["before"] == row["after"]] == []


METHOD = """\
--- agentrail_runtime/release/gate.py
+++ agentrail_runtime/release/gate.py
@@ -1,4 +1,4 @@
 def value(self, good: int, bad: int) -> float:
     \"\"\"Return the value.\"\"\"
-    return good * self.good + bad * self.bad
+    return good * self.good - bad * self.bad
"""
LINES = """\
--- agentrail_runtime/planner.py
+++ agentrail_runtime/planner.py
@@ -1,4 +1,3 @@
 def build() -> Plan:
-    return Plan(
-        actions=(),
-    )
+    return None
"""


@pytest.mark.parametrize(
    ("name", "diff", "survivor"),
    [
        (
            "agentrail_runtime.release.gate.xǁStepsǁvalue__mutmut_3",
            METHOD,
            Survivor(
                "release/gate",
                "Steps.value",
                "return good * self.good + bad * self.bad",
                "return good * self.good - bad * self.bad",
            ),
        ),
        (
            "agentrail_runtime.planner.x_build__mutmut_12",
            LINES,
            Survivor("planner", "build", "return Plan( / actions=(), / )", "return None"),
        ),
        ("agentrail_runtime.planner.x__rank__mutmut_1", "", Survivor("planner", "_rank", "", "")),
        (
            "agentrail_runtime.transaction.xǁ_Runǁ__init____mutmut_34",
            "",
            Survivor("transaction", "_Run.__init__", "", ""),
        ),
    ],
)
def test_a_mutant_is_known_again_by_its_function_and_its_lines(
    name: str, diff: str, survivor: Survivor
) -> None:
    assert from_diff(survivor.module, name, diff) == survivor


@pytest.mark.parametrize(
    ("code", "fate"),
    [
        (1, "killed"),
        (3, "killed"),
        (0, "survived"),
        (33, "no test"),
        (None, "not tried"),
        (-24, "timeout"),
        (36, "timeout"),
        (-11, "code -11"),
    ],
)
def test_no_mutant_is_noticed_because_its_end_is_not_understood(code: int | None, fate: str) -> None:
    assert fate_of(code) == fate


MUTANT = Mutant("agentrail_runtime.release.gate.xǁStepsǁvalue__mutmut_3", "survived", METHOD)
LOOP = Mutant("agentrail_runtime.release.gate.x_walk__mutmut_1", "timeout", LINES)
UNTRIED = Mutant("agentrail_runtime.release.gate.x_walk__mutmut_2", "no test", LINES)
RESULT = Result(
    "release/gate",
    {"a": "killed", MUTANT.name: "survived", LOOP.name: "timeout", UNTRIED.name: "no test"},
    (MUTANT, LOOP, UNTRIED),
    1.6,
)
WHY = {from_diff("release/gate", MUTANT.name, METHOD): "because"}


def test_a_mutant_without_a_reason_is_counted_and_one_that_never_ends_is_noticed() -> None:
    assert (RESULT.percent, RESULT.unexplained({}), RESULT.unexplained(WHY)) == (50.0, 2, 1)
    assert [*table([RESULT], WHY)][2:] == ["| release/gate | 4 | 1 | 1 | 2 | 1 | 50.0 % | 2 |"]


def test_what_is_said_of_a_mutant_is_its_change_and_why_it_lives() -> None:
    said = [*told(RESULT, WHY)]
    assert [text.splitlines()[0].rpartition(": ")[2] for text in said] == [
        "survived",
        "timeout",
        "no test",
    ]
    assert [text.splitlines()[-1] for text in said] == [
        "# because",
        "# it never ends",
        "# NOT EXPLAINED",
    ]
    assert METHOD.strip() in said[0]
