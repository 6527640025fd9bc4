"""Whatever the profile looks like: the edit sets the task root, touches no other byte, comes back."""

from __future__ import annotations

import json

import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from agentrail_runtime import profile
from agentrail_runtime.errors import IncompatibleError, ProfileError
from agentrail_runtime.profile import Fragments
from tests.property.support import steadily

ROOTS = st.one_of(
    st.sampled_from(
        [".agentrail/work", "tasks", "a b", "it's", "2026", "no", "日本/作業", "#x", "a: b", '"', "{"]
    ),
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='<>:"|?*\\/. '), min_size=1
    ),
)
VALUES = st.sampled_from(
    ["work", "'work'", '"work"', "work/", "", "~", "tasks", "&r work", "!!str work", "1", "''"]
)
COMMENTS = st.sampled_from(["", "  # 注", " # task_root: work", "   "])


@st.composite
def profiles(draw: st.DrawFn) -> str:
    """Draw a profile as somebody may have written it."""
    sections = draw(
        st.permutations(["schema", "project", "workflow", "paths", "comment", "lists"]).flatmap(
            lambda names: st.integers(0, len(names)).map(lambda count: names[:count])
        )
    )
    lines: list[str] = draw(st.sampled_from([[], ["---"], ["%YAML 1.1", "---"], ["# 設定"]]))[:]
    for name in sections:
        lines += draw(SECTIONS[name])
    text = draw(st.sampled_from(["\n", "\r\n"])).join(lines)
    end = draw(st.sampled_from(["", "\n", "\n\n"]))
    return (
        draw(st.sampled_from(["", "\ufeff"]))
        + text
        + (end.replace("\n", "\r\n") if "\r" in text else end)
    )


@st.composite
def _workflow(draw: st.DrawFn) -> list[str]:
    keys = draw(st.lists(st.sampled_from(["task_root", "docs_root", "runtime_root"]), unique=True))
    rows = [f"{key}: {draw(VALUES)}" for key in keys]
    if draw(st.booleans()):
        return [f"workflow: {{{', '.join(rows)}}}" + draw(COMMENTS)]
    indent = draw(st.sampled_from(["  ", "    ", " "]))
    return ["workflow:" + draw(COMMENTS), *(indent + row + draw(COMMENTS) for row in rows)]


@st.composite
def _paths(draw: st.DrawFn) -> list[str]:
    items = draw(
        st.lists(st.sampled_from(["work", "'work'", '"work/"', "src", "*r", "[work]"]), max_size=3)
    )
    if draw(st.booleans()):
        return [f"paths: {{artifacts: [{', '.join(items)}]}}"]
    return ["paths:", "  artifacts:", *(f"  - {item}" + draw(COMMENTS) for item in items)]


SECTIONS: dict[str, st.SearchStrategy[list[str]]] = {
    "schema": st.just(['schema_version: "2.0.0"']),
    "project": st.sampled_from(
        [["project: {name: work}"], ["project:", "  name: |", "    work", "    task_root: x"]]
    ),
    "workflow": _workflow(),
    "paths": _paths(),
    "comment": st.sampled_from([["# workflow:", "#   task_root: work"], ["", "   "]]),
    "lists": st.sampled_from([["'a b': [work, {work: work}]"], ["? work", ": work"]]),
}


def edit(text: str, root: str) -> tuple[str, Fragments] | None:
    """Return what the edit makes of `text`; None where it refuses."""
    try:
        read = profile.load(text.encode(), supported=["2.0.0"])
        data, fragments = profile.set_task_root(read, root)
    except ProfileError:
        return None
    return data.decode(), json.loads(json.dumps(fragments))


@steadily(200)
@given(profiles(), ROOTS)
def test_the_edit_says_the_new_task_root_and_leaves_every_other_value(text: str, root: str) -> None:
    done = edit(text, root)
    assume(done is not None)
    assert done is not None
    old, new = yaml.safe_load(text) or {}, yaml.safe_load(done[0])
    assert new["workflow"].pop("task_root") == root
    was = (old.get("workflow") or {}).pop("task_root", None) or "work"
    for values in (old, new):
        (values.get("workflow") or {}).pop("runtime_root", None)
        values["workflow"] = values.get("workflow") or {}
        listed = (values.get("paths") or {}).get("artifacts") or []
        listed[:] = (
            [
                item
                for item in listed
                if not isinstance(item, str) or item.strip("/") not in (root, was.strip("/"))
            ]
            if isinstance(was, str)
            else []
        )
    if isinstance(was, str):
        assert new == old


def is_spliced(before: str, after: str, fragments: Fragments) -> bool:
    """Tell whether `after` is `before` with the old text of every fragment replaced, and no more."""
    if not fragments:
        return before == after
    (_, old, new), *rest = fragments
    old, new = old or "", new or ""
    return any(
        is_spliced(before[at + len(old) :], after[at + len(new) :], rest)
        for at in range(min(len(before), len(after)) + 1)
        if before[:at] == after[:at] and before.startswith(old, at) and after.startswith(new, at)
    )


@steadily(200)
@given(profiles(), ROOTS)
def test_the_edit_touches_no_byte_outside_the_scalars_that_it_names(text: str, root: str) -> None:
    done = edit(text, root)
    assume(done is not None)
    assert done is not None
    assert is_spliced(text, *done)


@steadily(200)
@given(profiles(), ROOTS)
def test_a_second_edit_changes_nothing(text: str, root: str) -> None:
    done = edit(text, root)
    assume(done is not None)
    assert done is not None
    assert edit(done[0], root) == (done[0], [])


@steadily(200)
@given(profiles(), ROOTS)
def test_the_old_values_come_back_byte_for_byte(text: str, root: str) -> None:
    done = edit(text, root)
    assume(done is not None)
    assert done is not None
    assert profile.restore(done[0].encode(), done[1]).decode() == text


@steadily(150)
@given(profiles(), ROOTS, ROOTS)
def test_the_old_values_come_back_after_two_moves(text: str, one: str, two: str) -> None:
    first = edit(text, one)
    second = first and edit(first[0], two)
    assume(second is not None)
    assert first
    assert second
    fragments = [*first[1], *second[1]]
    assert profile.restore(second[0].encode(), fragments).decode() == text


@steadily(400)
@given(
    st.one_of(
        st.binary(max_size=40),
        st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.text("workflow:task_ro \n-[]{}?&*!|>'\"%@`#,~<\\Uu0\t\r", max_size=60).map(str.encode),
        st.tuples(
            profiles(), st.integers(0, 80), st.sampled_from(list("[]{}&*!|>'\"%@`#,:?-\n\t\0\x07"))
        ).map(lambda row: (row[0][: row[1]] + row[2] + row[0][row[1] :]).encode()),
    ),
    ROOTS,
)
@example(b'a: "\\UFFFFFFFF"', "x")
@example(b"a: \x07", "x")
@example(b"? &a [*a]\n: 1\nworkflow: {task_root: work}", "x")
def test_any_file_is_edited_or_refused_with_a_named_error(data: bytes, root: str) -> None:
    try:
        read = profile.load(data, supported=["2.0.0"])
        after, fragments = profile.set_task_root(read, root)
    except (ProfileError, IncompatibleError):
        return
    assert profile.restore(after, fragments) == data
