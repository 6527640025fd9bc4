"""Read and edit ``project.profile.yaml`` without touching a byte outside the edited scalars.

The text is parsed with the marks that YAML nodes carry (https://yaml.org/spec/1.1/), the edits are
spliced in from the end backwards, and the result is parsed again: if it differs from the original in
anything but what was asked for, nothing is returned.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from agentrail_runtime.entry import FORMER_TASK_ROOT, PROFILE_PATH
from agentrail_runtime.errors import IncompatibleError, ProfileError

_MAX_BYTES: Final = 1_000_000
_ROOT_LISTS: Final = ("source_roots", "artifacts")
_SEPARATORS = re.compile(r"[.\[?\\]")
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")

Fragments: TypeAlias = list[list[str | None]]
"""What was replaced: ``[key, old text or None where inserted, new text]``, for `restore`."""


class Profile(NamedTuple):
    """A profile's text and the values in it that the installer cares about.

    `task_root` is None where the profile does not say it.
    """

    text: str
    root: MappingNode | None
    schema_version: str | None
    task_root: str | None


class _Alias(ScalarNode):
    """A scalar that stands elsewhere: with the marks of the alias, not of the anchored node."""

    def __init__(self, anchored: ScalarNode, event: Any) -> None:
        super().__init__(anchored.tag, anchored.value, event.start_mark, event.end_mark)
        self.anchored = anchored


class _Loader(yaml.SafeLoader):
    """Composes aliases of scalars as nodes of their own, so that they can be told and replaced."""

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        if isinstance(event, yaml.AliasEvent) and isinstance(node, ScalarNode):
            return _Alias(node, event)
        return node


class _Edit(NamedTuple):
    """A scalar that is to change; `node` is None where one is to be inserted into `holders`' last."""

    key: str
    value: str
    node: ScalarNode | None
    holders: tuple[Node, ...]


class _Splice(NamedTuple):
    start: int
    stop: int
    text: str
    key: str
    old: str | None


def load(data: bytes, *, supported: Collection[str]) -> Profile:
    """Return the profile that `data` (UTF-8, a BOM allowed) holds.

    Args:
        data: the bytes of the file.
        supported: the values of ``schema_version`` that this runtime works with. It is asked with
            ``in``; what it yields is for the message, and may be less.

    Raises:
        ProfileError: not a YAML mapping, or a value where a mapping must be; with line and column.
        IncompatibleError: a ``schema_version`` that is not supported, or the ``version`` of 1.x.
    """
    text = _decode(data)
    root = _compose(text)
    schema_version = _check_schema(root, supported)
    workflow = _get(root, "workflow")
    if not (workflow is None or _is_null(workflow) or isinstance(workflow, MappingNode)):
        raise fault(workflow, "workflow (expected a mapping)")
    value = _get(workflow, "task_root") or _merged(workflow, "task_root")
    if value is not None and not isinstance(value, ScalarNode):
        raise fault(value, "workflow.task_root (expected a path, got a collection)")
    task_root = None if value is None or _is_null(value) else value.value
    return Profile(text=text, root=root, schema_version=schema_version, task_root=task_root)


def schema_version(data: bytes) -> str | None:
    """Return the ``schema_version`` that the profile in `data` says, supported or not.

    Raises:
        ProfileError: not a YAML mapping in UTF-8.
    """
    node = _get(compose(data), "schema_version")
    return node.value if isinstance(node, ScalarNode) else None


def compose(data: bytes) -> MappingNode | None:
    """Return the node tree of the profile in `data`, marks and all; None for an empty one.

    Raises:
        ProfileError: not a YAML mapping in UTF-8, with its line.
    """
    return _compose(_decode(data))


def find(root: Node | None, *keys: str) -> Node | None:
    """Return the node under `keys`, merge keys followed; None where there is none."""
    for key in keys:
        root = _get(root, key) or _merged(root, key)
    return root


def set_task_root(profile: Profile, task_root: str) -> tuple[bytes, Fragments]:
    """Return the bytes of `profile` with ``workflow.task_root`` at `task_root`, and what changed.

    Entries of ``paths.source_roots`` and ``paths.artifacts`` and a ``workflow.runtime_root`` that
    equal the old task root follow it.

    Raises:
        ProfileError: the text cannot be edited without changing something else.
    """
    edits = [] if profile.task_root == task_root else [*_edits(profile, task_root)]
    splices = _splices(profile, edits)
    text = _apply(profile.text, splices)
    shared = _shared(profile.root)
    is_alone = not any(id(holder) in shared for edit in edits for holder in edit.holders)
    if not (is_alone and _differs_only(profile, text, {edit.key for edit in edits}, task_root)):
        raise _error(
            "workflow.task_root cannot be changed without changing something else",
            hint=f"set workflow.task_root to {task_root} by hand, then run the command again",
        )
    return text.encode(), [[splice.key, splice.old, splice.text] for splice in splices]


def replace_pair(data: bytes, former: str, key: str, value: str) -> bytes:
    """Return the profile in `data` with another key and value in the place of one at the top level.

    Both keep the quotes that were there; every other byte stays.

    Args:
        data: the bytes of the file.
        former: the key that is to go; where it stands twice, the last one.
        key: the key that takes its place.
        value: its value, a text.

    Raises:
        ProfileError: `data` is no YAML mapping with that key, or cannot be edited without changing
            something else.
    """
    text = _decode(data)
    root = _compose(text)
    pairs = root.value if root is not None else []
    number = max((n for n, (name, _) in enumerate(pairs) if name.value == former), default=None)
    if root is None or number is None:
        raise _error(f"{former}: missing at the top level")
    edits = [_Edit(key, new, node, ()) for node, new in zip(pairs[number], (key, value), strict=True)]
    is_scalar = all(isinstance(node, ScalarNode) for node in pairs[number])
    splices = [_replacement(text, edit.node, edit) for edit in edits if edit.node and is_scalar]
    text = _apply(text, splices)
    if not _differs_in_pair(root, text, number, (key, value)):
        raise fault(
            pairs[number][0],
            f"{former} cannot be replaced without changing something else",
            hint=f"write {key}: {value} in its place by hand",
        )
    return text.encode()


def _differs_in_pair(root: MappingNode, text: str, number: int, pair: tuple[str, str]) -> bool:
    """Tell whether `text` differs from `root` in one pair at the top alone, and that is `pair` now."""
    try:
        edited = _compose(text)
    except ProfileError:
        return False
    sides = (root, edited or MappingNode(root.tag, []))
    found = [(node.tag, node.value) for nodes in sides[1].value[number:][:1] for node in nodes]
    before, after = (
        MappingNode(side.tag, [*side.value[:number], *side.value[number + 1 :]]) for side in sides
    )
    is_set = found == [("tag:yaml.org,2002:str", text) for text in pair]
    return is_set and _outline(before, ()) == _outline(after, ())


def restore(data: bytes, fragments: Fragments) -> bytes:
    """Return `data` with every edit of `set_task_root` taken back that still stands as it was made.

    Raises:
        ProfileError: `data` is no longer a YAML mapping in UTF-8.
    """
    text = _decode(data)
    root, limit = _compose(text) if fragments else None, len(text)
    for key, old, new in reversed(fragments):
        # From the end backwards, as they were made: the marks that are needed next still hold.
        if any(node.end_mark.index > limit for node in _nodes_at(root, key or "")):
            root, limit = _compose(text), len(text)
        for now in _spellings(new) if key and new else ():
            place = _find_edit(text, root, key or "", now)
            if place is not None:
                text = text[:place] + (old or "") + text[place + len(now) :]
                limit = place
                break
    return text.encode()


def _spellings(text: str) -> Iterator[str]:
    """Yield `text` as it was written, and as a checkout may have converted its line ends."""
    unix = text.replace("\r\n", "\n")
    yield from dict.fromkeys((text, unix, unix.replace("\n", "\r\n")))


def _find_edit(text: str, root: MappingNode | None, key: str, new: str) -> int | None:
    """Return where `new` stands in `text`, if it still holds the value of `key`."""
    for node in _nodes_at(root, key):
        stop = node.end_mark.index
        start = text.find(new, max(0, stop - len(new)), stop + len(new))
        if 0 <= start < stop:
            return start
    return None


def _nodes_at(root: MappingNode | None, key: str) -> Iterator[Node]:
    section, _, name = key.partition(".")
    name, _, number = name.partition("[")
    node = _get(root, section, name)
    if isinstance(node, SequenceNode) and number:
        items = node.value
        yield from items[int(number[:-1]) : int(number[:-1]) + 1]
    elif node is not None:
        yield node


def _decode(data: bytes) -> str:
    if len(data) > _MAX_BYTES:
        raise _error(f"too large (expected at most {_MAX_BYTES} bytes, got {len(data)})")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _error("not UTF-8", line, error.start - data.rfind(b"\n", 0, error.start)) from None


def _compose(text: str) -> MappingNode | None:
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = f"not valid YAML: {error.problem or error.context}"
        raise (_error(what, mark.line + 1, mark.column + 1) if mark else _error(what)) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        what = f"not valid YAML: the character U+{error.character:04X} is not allowed"
        raise _error(what, before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1) from None
    except (ValueError, OverflowError) as error:
        raise _error(f"not valid YAML: {error}") from None
    except RecursionError:
        raise _error("nested too deep") from None
    if node is None or (isinstance(node, ScalarNode) and not node.value and not node.style):
        return None
    if not isinstance(node, MappingNode):
        raise fault(node, "expected a mapping at the top level")
    return node


def _check_schema(root: MappingNode | None, supported: Collection[str]) -> str | None:
    node = _get(root, "schema_version")
    if node is None:
        node = _get(root, "version")
        if node is None:
            return None
        found = "the key version of schema 1.x"
        hint = "in the repository: agentrail profile-upgrade; then run the command again"
    else:
        found = node.value if isinstance(node, ScalarNode) else "a collection"
        hint = "bring the profile to a supported schema_version, then run the command again"
        if found in supported:
            return str(found)
    place = f"{PROFILE_PATH}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
    raise IncompatibleError(
        f"{place}: profile schema not supported (expected {', '.join(supported)}, got {found})",
        paths=[PROFILE_PATH],
        hint=hint,
    )


def _get(node: Node | None, *keys: str) -> Node | None:
    """Return the node under `keys`, the last one where a key stands twice, as YAML loaders do."""
    for key in keys:
        pairs = node.value if isinstance(node, MappingNode) else ()
        node = next((value for name, value in reversed(pairs) if name.value == key), None)
    return node


def _merged(node: Node | None, key: str) -> Node | None:
    """Return the value of `key` that merge keys bring into `node` (https://yaml.org/type/merge)."""
    merge, seen = _get(node, "<<"), set()
    todo = [merge] if merge is not None else []
    while todo:
        source = todo.pop(0)
        if id(source) not in seen:
            seen.add(id(source))
            if (value := _get(source, key)) is not None:
                return value
            nested = source.value if isinstance(source, SequenceNode) else [_get(source, "<<")]
            todo += [item for item in nested if item is not None]
    return None


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _edits(profile: Profile, task_root: str) -> Iterator[_Edit]:
    """Yield the scalars that are to change."""
    root, old = profile.root, profile.task_root or FORMER_TASK_ROOT
    workflow, paths = _get(root, "workflow"), _get(root, "paths")
    holders = () if workflow is None else (workflow,)
    yield _Edit("workflow.task_root", task_root, _scalar_at(workflow, "task_root"), holders)
    runtime_root = _scalar_at(workflow, "runtime_root")
    if runtime_root is not None and runtime_root.value == old:
        yield _Edit("workflow.runtime_root", task_root, runtime_root, holders)
    for name in _ROOT_LISTS:
        listed = _get(paths, name)
        for number, item in enumerate(listed.value if isinstance(listed, SequenceNode) else ()):
            if isinstance(item, ScalarNode) and item.value in (old, old + "/"):
                value = task_root + item.value[len(old) :]
                lists = tuple(node for node in (paths, listed) if node is not None)
                yield _Edit(f"paths.{name}[{number}]", value, item, lists)


def _scalar_at(node: Node | None, key: str) -> ScalarNode | None:
    value = _get(node, key)
    return value if isinstance(value, ScalarNode) else None


def _splices(profile: Profile, edits: list[_Edit]) -> list[_Splice]:
    """Return the splices of `edits` in order; an alias of a scalar that is edited follows by itself."""
    edited = {id(edit.node) for edit in edits}
    splices = [
        _insertion(profile, edit.value)
        if edit.node is None
        else _replacement(profile.text, edit.node, edit)
        for edit in edits
        if not (isinstance(edit.node, _Alias) and id(edit.node.anchored) in edited)
    ]
    return sorted(splices, key=lambda splice: splice.start)


def _shared(root: Node | None) -> set[int]:
    """Return the ids of the collections that aliases refer to, so that they stand in several places."""
    seen: set[int] = set()
    shared: set[int] = set()
    todo = [root] if root is not None else []
    while todo:
        node = todo.pop()
        if isinstance(node, ScalarNode):
            continue
        if id(node) in seen:
            shared.add(id(node))
        else:
            seen.add(id(node))
            todo += [child for _, child in _children("", node)]
    return shared


def _replacement(text: str, node: ScalarNode, edit: _Edit) -> _Splice:
    start, stop = node.start_mark.index, node.end_mark.index
    prefix = _PROPERTIES.match(text, start, stop)
    start = prefix.end() if prefix else start
    new = _scalar(edit.value, node.style)
    if node.style in ("|", ">"):
        new += "\n" if text[stop - 1 : stop] == "\n" else ""
    if start == stop:
        new = " " + new
    return _Splice(start=start, stop=stop, text=new, key=edit.key, old=text[start:stop])


def _insertion(profile: Profile, task_root: str) -> _Splice:
    """Return the splice that adds the key, beside a sibling where there is one."""
    text, root, value = profile.text, profile.root, _scalar(task_root, None)
    eol = "\r\n" if "\r\n" in text else "\n"
    workflow = _get(root, "workflow")
    if root is None:
        glue = "" if not text.strip("\ufeff") or text.endswith("\n") else eol
        return _new_key(len(text), f"{glue}workflow:{eol}  task_root: {value}{eol if not glue else ''}")
    if workflow is None:
        if _merged(root, "workflow") is not None:
            return _new_key(0, "")  # a section of our own would hide the merged one
        if root.flow_style:
            return _new_key(_inside(text, root), _item(root, f"workflow: {{task_root: {value}}}"))
        return _new_key(root.value[0][0].start_mark.index, f"workflow:{eol}  task_root: {value}{eol}")
    if not isinstance(workflow, MappingNode):
        start, stop = workflow.start_mark.index, workflow.end_mark.index
        if text[start:stop].lower() not in ("", "~", "null"):
            return _new_key(start, "")  # a tag or an anchor stands there: nothing that can be replaced
        flow = f"{'' if start < stop else ' '}{{task_root: {value}}}"
        return _Splice(start, stop, flow, "workflow.task_root", text[start:stop])
    if workflow.flow_style:
        return _new_key(_inside(text, workflow), _item(workflow, f"task_root: {value}"))
    first = workflow.value[0][0].start_mark
    return _new_key(first.index, f"task_root: {value}{eol}{' ' * first.column}")


def _new_key(at: int, text: str) -> _Splice:
    return _Splice(start=at, stop=at, text=text, key="workflow.task_root", old=None)


def _inside(text: str, node: Node) -> int:
    return text.index("{", node.start_mark.index) + 1


def _item(node: MappingNode, text: str) -> str:
    return f"{text}, " if node.value else text


def _scalar(value: str, style: str | None) -> str:
    """Return `value` as YAML text in the quotes of `style`, or in double quotes where it needs them."""
    single = "'" + value.replace("'", "''") + "'"
    double = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if style in ("'", '"'):
        return single if style == "'" else double
    try:
        plain = yaml.compose(f"{{k: {value}}}", Loader=yaml.SafeLoader)
        pairs = plain.value if isinstance(plain, MappingNode) else []
        is_plain = [(key.value, node.value, node.tag) for key, node in pairs] == [
            ("k", value, "tag:yaml.org,2002:str")
        ]
    except yaml.YAMLError:
        is_plain = False
    return value if is_plain else double


def _apply(text: str, splices: list[_Splice]) -> str:
    for splice in reversed(splices):
        text = text[: splice.start] + splice.text + text[splice.stop :]
    return text


def _differs_only(profile: Profile, text: str, keys: Collection[str], task_root: str) -> bool:
    """Tell whether `text` differs from the profile in the values of `keys` alone."""
    try:
        edited = _compose(text)
    except ProfileError:
        return False
    value = _scalar_at(_get(edited, "workflow"), "task_root")
    is_set = value is not None and value.value == task_root
    return is_set and _outline(edited, keys) == _outline(profile.root, keys)


def _outline(root: MappingNode | None, keys: Collection[str]) -> list[object]:
    """Return every value of the document in order, those under `keys` left out; aliases once."""
    outline: list[object] = []
    seen: set[int] = set()
    todo: list[tuple[str, Node]] = [("", root)] if root is not None else []
    while todo:
        key, node = todo.pop()
        if key in keys or (key == "workflow" and _is_null(node)):
            continue
        if isinstance(node, ScalarNode):
            outline.append((key, node.tag, node.value))
        elif id(node) not in seen:
            seen.add(id(node))
            outline += [(key, node.tag)] if key not in ("", "workflow") else []
            todo += reversed([*_children(key, node)])
    return outline


def _children(key: str, node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node, SequenceNode):
        for number, item in enumerate(node.value):
            yield f"{key}[{number}]", item
    else:
        for name, value in node.value:
            if isinstance(name, ScalarNode):
                part = _SEPARATORS.sub(r"\\\g<0>", name.value) or "\\"
                yield f"{key}.{part}" if key else part, value
            else:
                yield f"{key}?", name
                yield f"{key}?.", value


def _error(
    what: str, line: int | None = None, column: int | None = None, *, hint: str | None = None
) -> ProfileError:
    place = PROFILE_PATH if line is None else f"{PROFILE_PATH}:{line}:{column}"
    error = ProfileError(
        f"{place}: {what}",
        paths=[PROFILE_PATH],
        hint=hint or "mend the file, then run the command again; nothing was written",
    )
    error.line = line or 1
    return error


def fault(node: Node, what: str, *, hint: str | None = None) -> ProfileError:
    """Return the error that `what` is wrong at `node`, with line and column."""
    return _error(what, node.start_mark.line + 1, node.start_mark.column + 1, hint=hint)
