"""The page ``docs/checks.md``, made of the rules: ``python -m agentrail_runtime.checks.page``."""

from __future__ import annotations

import posixpath
import sys
from typing import Final

from agentrail_runtime.checks.rule import RULES, Rule

_INTRODUCTION: Final = """\
# The checks

What `agentrail check`, `agentrail consistency-check`, `agentrail state-validate`,
`agentrail docs-indexer` and `agentrail profile-validate` find, rule by rule, each with a text that
breaks it and the same text mended. A finding names its rule, the file and the line, what was
expected, what was found and how to mend it. All findings are told at once; only of a file that is
missing or cannot be read, nothing more is told. `DQ-001` to `DQ-004` are warnings unless
`--doc-quality-mode fail` is given.

This page is made from the rules: `python -m agentrail_runtime.checks.page > docs/checks.md`.

`<task_root>` is `workflow.task_root` of `project.profile.yaml`, in an installed repository
`.agentrail/work`; `docs/` stands for `workflow.docs_root`. A path in a document is inline code that
ends in `.md`, `.yaml`, `.yml`, `.json`, `.ps1` or `.py`, or has a `/` and begins with something that
exists. It has to exist just as it is spelled, seen from the root of the repository or from the
directory of the file that names it. What stands in a code fence or a comment, or has a blank, `*`,
`<`, `>`, `...` or `…` in it, is no path.
"""
_LANGUAGES: Final = {".md": "markdown", ".json": "json", ".yaml": "yaml"}


def render() -> str:
    """Return the page in Markdown."""
    contents = [
        f"| [`{rule.rule_id}`](#{rule.rule_id.lower()}) | {rule.fails_when} |"
        for rule in RULES.values()
    ]
    parts = [
        _INTRODUCTION,
        "\n".join(["## Contents", "", "| Rule | Fails when |", "|---|---|", *contents, ""]),
        *(_section(rule) for rule in RULES.values()),
    ]
    return "\n".join(parts)


def _section(rule: Rule) -> str:
    lines = [f"## {rule.rule_id}", "", f"Fails when {rule.fails_when}.", ""]
    if rule.base:
        lines += ["Before the change:", "", *_fence(rule, rule.base)]
    lines += [f"Failing, in {_place(rule)}:", "", *_fence(rule, rule.failing)]
    return "\n".join([*lines, "Mended:", "", *_fence(rule, rule.mended)])


def _place(rule: Rule) -> str:
    is_of_record = "/" not in rule.path and rule.path != "project.profile.yaml"
    place = f"<task_root>/<task-id>/{rule.path}" if is_of_record else rule.path
    return f"`{place}` of {rule.task}" if rule.task else f"`{place}`"


def _fence(rule: Rule, text: str | None) -> list[str]:
    if text is None:
        return ["(no such file)", ""]
    language = _LANGUAGES.get(posixpath.splitext(rule.path)[1], "text")
    return [f"```{language}", text.replace("\0", "\\x00"), "```", ""]


if __name__ == "__main__":
    sys.stdout.buffer.write(render().encode())
