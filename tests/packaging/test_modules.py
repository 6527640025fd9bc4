"""What the source promises about itself: who imports whom, what stays pure, what is documented."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.packaging.support import PACKAGE, ROOT

NAME = PACKAGE.name
PURE = [
    "block",
    "channel",
    "checks",
    "checks.backlog",
    "checks.context",
    "checks.docs_index",
    "checks.document_rule",
    "checks.files",
    "checks.finding",
    "checks.markdown",
    "checks.prerequisite",
    "checks.profile_rule",
    "checks.quality_rule",
    "checks.record",
    "checks.render",
    "checks.review_rule",
    "checks.roots",
    "checks.rule",
    "checks.state",
    "checks.state_rule",
    "checks.suite",
    "checks.template",
    "checks.token",
    "decision",
    "diff",
    "document",
    "entry",
    "errors",
    "fleet",
    "journal",
    "known",
    "manifest",
    "merge",
    "newline",
    "outcome",
    "ownership",
    "ownership.block",
    "ownership.managed",
    "ownership.profile",
    "ownership.seed",
    "pin",
    "pin_file",
    "planner",
    "poetry",
    "profile",
    "progress",
    "receipt",
    "release",
    "release.authority",
    "release.changelog",
    "release.chart",
    "release.cohort",
    "release.companion",
    "release.deny_list",
    "release.deprecation",
    "release.event",
    "release.gate",
    "release.hard_coded",
    "release.matrix",
    "release.metadata",
    "release.notes",
    "release.phase",
    "release.phase_report",
    "release.policy",
    "release.profile_upgrade",
    "release.reader",
    "release.record",
    "release.remote",
    "release.runbook",
    "release.schema_version",
    "release.simple_index",
    "release.switch",
    "report",
    "signature",
    "stat_cache",
    "table",
    "version",
]
OUTSIDE_WORLD = [
    "fcntl",
    "glob",
    "locale",
    "msvcrt",
    "os",
    "pathlib",
    "platform",
    "random",
    "secrets",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "uuid",
]


def module_name(path: Path) -> str:
    """Return the dotted name of the module at `path`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree(name: str) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield every node below `node`, but for what is there for a type checker alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from run_time_nodes(child)


def imports(name: str) -> set[str]:
    """Return every module that `name` imports when it runs, at its top or in a function."""
    found = set()
    for node in run_time_nodes(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            full = {f"{module}.{alias.name}" for alias in node.names}
            found |= {dotted if dotted in MODULES else module for dotted in full}
    return found


def ours(name: str) -> set[str]:
    """Return the modules of this package that `name` imports."""
    return {found for found in imports(name) if found in MODULES} - {name}


def test_no_module_imports_itself_by_a_detour() -> None:
    order = TopologicalSorter({name: ours(name) for name in MODULES}).static_order()
    assert set(order) == set(MODULES)


def test_modules_import_only_from_above_them_in_the_architecture_page() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [
        line.split("|")[1] for line in text.splitlines() if re.match(r"\| `.* \|( pure)? \| ", line)
    ]
    names = [found for row in rows for found in re.findall(r"`(\S+?)`", row)]
    listed = [name if name == NAME else f"{NAME}.{name}" for name in names]
    assert sorted(listed) == sorted(MODULES)
    above: set[str] = set()
    for name in listed:
        assert ours(name) <= above, f"{name} imports from below it"
        above.add(name)


def test_the_architecture_page_calls_pure_what_is_pure() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*`) \| pure \| ", text, re.MULTILINE)
    assert sorted(name for row in rows for name in re.findall(r"`(\S+?)`", row)) == PURE


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_knows_no_files_no_clock_and_no_environment(name: str) -> None:
    name = f"{NAME}.{name}"
    assert {found.partition(".")[0] for found in imports(name)} & set(OUTSIDE_WORLD) == set()
    # The package itself stands for its version and the like; it imports nothing until it is asked.
    assert {found.removeprefix(f"{NAME}.") for found in ours(name)} <= {*PURE, NAME}
    called = {ast.unparse(node.func) for node in ast.walk(tree(name)) if isinstance(node, ast.Call)}
    assert called & {"open", "print", "input", "exec", "eval", "__import__", "io.open"} == set()
    assert not any(call.endswith((".now", ".today", ".utcnow")) for call in called)


WRITES = {
    f"os.{name}"
    for name in (
        *("chmod", "fchmod", "ftruncate", "link", "makedirs", "mkdir", "mkfifo", "remove", "rename"),
        *("removedirs", "renames", "replace", "rmdir", "symlink", "truncate", "unlink", "utime"),
    )
}


def test_only_target_and_replacement_write() -> None:
    writers = [
        name
        for name in MODULES
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in WRITES
    ]
    assert set(writers) == {f"{NAME}.target", f"{NAME}.replacement"}


Documented = ast.Module | ast.ClassDef | ast.FunctionDef


def public(name: str, parent: ast.Module | ast.ClassDef) -> Iterator[tuple[str, Documented]]:
    """Yield `parent` and what is public in it: classes, their methods, functions."""
    yield name, parent
    for node in parent.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(f"{name}.{node.name}", node)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield f"{name}.{node.name}", node


PUBLIC = [row for name in MODULES for row in public(name, tree(name))]
ERRORS = {
    node.name for _, node in PUBLIC if isinstance(node, ast.ClassDef) and node.name.endswith("Error")
}


def raised(node: ast.AST) -> set[str]:
    """Return the errors of ours that the code below `node` raises by name."""
    raises = [child.exc for child in ast.walk(node) if isinstance(child, ast.Raise)]
    names = {ast.unparse(exc.func if isinstance(exc, ast.Call) else exc) for exc in raises if exc}
    return names & ERRORS


def test_everything_public_says_what_it_is() -> None:
    assert len(PUBLIC) > 150
    assert [name for name, node in PUBLIC if not ast.get_docstring(node)] == []


def test_whatever_raises_an_error_of_ours_says_when() -> None:
    raising = [
        (name, node) for name, node in PUBLIC if isinstance(node, ast.FunctionDef) and raised(node)
    ]
    assert len(raising) > 10
    for name, node in raising:
        told = (ast.get_docstring(node) or "").partition("Raises:\n")[2]
        assert [error for error in raised(node) if error not in told] == [], name


def test_every_argument_that_a_docstring_tells_of_is_one() -> None:
    for name, node in PUBLIC:
        if not isinstance(node, ast.FunctionDef):
            continue
        told = re.search(r"Args:\n((?: {4}.*\n?)+)", ast.get_docstring(node) or "")
        names = re.findall(r"^ {4}\**(\w+):", told.group(1) if told else "", re.MULTILINE)
        arguments = [arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)]
        assert [told for told in names if told not in arguments] == [], name
