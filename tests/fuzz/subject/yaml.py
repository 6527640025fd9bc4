"""Texts in YAML that people write: the profile, the manifest, the policy, the switch."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

import yaml

from agentrail_runtime import manifest, profile
from agentrail_runtime.checks import profile_rule
from agentrail_runtime.entry import POLICY_NAME
from agentrail_runtime.errors import IncompatibleError, ProfileError
from agentrail_runtime.manifest import Manifest, ManifestError
from agentrail_runtime.release import deprecation, policy, switch
from agentrail_runtime.release.policy import PHASES, Policy, PolicyError, Suspension
from agentrail_runtime.release.profile_upgrade import upgrade
from agentrail_runtime.release.reader import one_line
from tests.fuzz.claim import is_safe_path, is_told
from tests.fuzz.mutation import BOM, scrambled, text, text_maker
from tests.fuzz.target import Target

PAYLOAD: Final = Path(profile.__file__).parent / "payload"
TOKENS: Final = (
    *(b"&a ", b"*a", b"!!str ", b"!!int ", b"<<: *a\n", b"? ", b"|-\n  ", b">\n  ", b"{", b"}", b"["),
    *(b"]",),
    *(b"'", b'"', b"# x\n", b": ", b"- ", b"---\n", b"...\n", b"%YAML 1.1\n", b"~", b"null", b"\t"),
    *(b"\\u0041",),
    *(b"work", b"'work'", b'"work/"', b"task_root: work\n", b"  task_root: work\n", b"workflow:\n"),
)
_STUMBLES: Final = (
    *(yaml.YAMLError, LookupError, TypeError, AttributeError, OverflowError, RecursionError),
)


def _plain(text: str) -> Any:
    """Return what a YAML reader of somebody else's sees in `text`.

    Raises:
        ValueError: values that Python cannot hold, or that the reader stumbles over.
    """
    try:
        return yaml.safe_load(text)
    except _STUMBLES as error:
        raise ValueError from error


# --- the profile -------------------------------------------------------------------------------------

ROOTS: Final = ("tasks", ".agentrail/work", "a b", "it's", "2026", "no", "日本/作業", '"')
"""Where the task records may go, one after the other."""

PROFILES: Final = (
    b"",
    b'schema_version: "2.0.0"\nworkflow:\n  task_root: work\n  docs_root: docs\n',
    b'schema_version: "2.0.0"\nproject: {name: x}\n',
    b"workflow: {task_root: 'work', runtime_root: work}\npaths: {artifacts: [work, work/, src]}\n",
    b"# c\r\nworkflow:  # w\r\n    runtime_root: work\r\npaths:\r\n  source_roots:\r\n"
    b'  - "work"\r\n  - src',
    BOM + b"workflow:\n  task_root: &r work\npaths:\n  artifacts:\n    - *r\n    - work/ # d\n",
    b"base: &b {task_root: work}\nworkflow:\n  <<: *b\n  docs_root: docs\n",
    b"workflow:\n  task_root: |-\n    work\n  docs_root: docs\n",
    b"workflow: &w {task_root: work}\nother: *w\n",
    b"? work\n: work\n? [a, *b]\n: &b work\nworkflow:\n  task_root: *b\n",
    b"workflow:\n- task_root: work\n",
    b"paths: &p {artifacts: &l [work]}\nworkflow: {task_root: work}\nmore: [*l, *p]\n",
    b"workflow: {}\npaths: {source_roots: [work, 'work/', \"work\", workx]}\n",
    b"workflow: ~\n",
    b"---\nworkflow:\n...\n",
    (PAYLOAD / "project.profile.yaml").read_bytes(),
)


def check_profile(data: bytes) -> bool:
    """Claim that a move of the task root touches nothing else, comes back, and is done once."""
    try:
        read = profile.load(data, supported=["2.0.0"])
    except (ProfileError, IncompatibleError) as error:
        is_told(error)
        return False
    start = len(data) % len(ROOTS)
    moved = data
    fragments: profile.Fragments = []
    for root in (*ROOTS, *ROOTS)[start : start + 2]:
        try:
            edited, made = profile.set_task_root(read, root)
        except ProfileError as error:
            is_told(error)
            return False
        _is_moved(moved.decode(), edited.decode(), read.task_root, root)
        json.dumps(made)
        assert len(edited.decode()) - len(moved.decode()) == sum(
            len(new or "") - len(old or "") for _, old, new in made
        )
        read = profile.load(edited, supported=["2.0.0"])
        assert read.task_root == root
        assert profile.set_task_root(read, root) == (edited, [])
        assert profile.restore(edited, made) == moved
        moved, fragments = edited, [*fragments, *made]
    assert profile.restore(moved, fragments) == data
    return True


def _is_moved(before: str, after: str, old: str | None, root: str) -> None:
    """Claim that a YAML reader sees the new root, and all else as it was."""
    with suppress(ValueError, RecursionError):
        was, now = _plain(before) or {}, _plain(after)
        assert now["workflow"]["task_root"] == root
        assert _without_roots(was, {old or "work", root}) == _without_roots(now, {old or "work", root})


def _without_roots(value: Any, roots: set[str]) -> Any:
    """Return a profile without the values that may change, in JSON, so that true is not 1."""
    workflow = {**(value.get("workflow") or {})}
    workflow.pop("task_root", None)
    if workflow.get("runtime_root") in roots:
        workflow["runtime_root"] = None
    paths = value.get("paths")
    if isinstance(paths, dict):
        paths = {**paths}
        for name in ("source_roots", "artifacts"):
            if isinstance(paths.get(name), list):
                listed = paths[name]
                paths[name] = [
                    None if isinstance(item, str) and {item, item.removesuffix("/")} & roots else item
                    for item in listed
                ]
    rest = {key: item for key, item in value.items() if key not in ("workflow", "paths")}
    return json.dumps([rest, workflow, paths], default=repr, skipkeys=True)


def check_profile_rules(data: bytes) -> bool:
    """Claim that whatever a profile says, what is wrong with it is told, on its lines."""
    done = profile_rule.check_profile(data, _schema())
    lines = data.count(b"\n") + data.count(b"\r") + data.count(b"\x85") + data.count(b"\xe2\x80") + 1
    for row in done.findings:
        assert 1 <= row.line <= lines
        row.message.encode("utf-8", "surrogateescape")
    if done.has_roots:
        for root in done.roots:
            is_safe_path(root)
    return done.has_roots and data.strip() != b""


@cache
def _schema() -> profile_rule.Schema:
    return profile_rule.load_schema((PAYLOAD / profile_rule.SCHEMA_PATH).read_text(encoding="utf-8"))


FORMER: Final = (
    b'version: "1.0"\nworkflow:\n  task_root: work\n',
    b"# c\r\nkind: x\r\nversion: 1\r\n",
    b"{version: 1.2.3, a: [version]}",
    BOM + b"'version': !!str 1.0 # c\n",
    b"a: &v 1.0\nversion: *v\n",
    b'schema_version: "2.0.0"\n',
)


def check_profile_upgrade(data: bytes) -> bool:
    """Claim that an upgrade changes one pair of a profile, and that a second one changes nothing."""
    try:
        done = upgrade(data)
    except (ProfileError, IncompatibleError) as error:
        is_told(error)
        return False
    assert (done.former is None) is (done.data == data)
    assert upgrade(done.data) == (done.data, None)
    if done.former is not None:
        with suppress(ValueError, RecursionError):
            was, now = _plain(data.decode()), _plain(done.data.decode())
            was.pop("version")
            assert now.pop("schema_version") == "2.0.0"
            assert repr(was) == repr(now)
    return True


# --- the manifest ------------------------------------------------------------------------------------

MANIFESTS: Final = (
    b'schema_version: "1.0.0"\noutput_root: dist/runtime\ninclude_paths:\n  - AGENTS.md\n  - docs\n'
    b"seed_files:\n  - docs/memory.md => MEMORY.md\nexclude_paths: [docs/b]\n"
    b"exclude_globs: ['**/*.pyc']\n",
    b"schema_version: 1.1.0\noutput_root: out\n"
    b"include_paths: [AGENTS.md, docs/, project.profile.yaml]\n"
    b"block_files: [AGENTS.md]\nprofile_files: [project.profile.yaml]\nexclude_globs:\n"
    b"- 'docs/**/c?/*'\n- '*'\n",
    (PAYLOAD / "framework.runtime.manifest.yaml").read_bytes(),
)
MANIFEST_TOKENS: Final = (
    *(b"  - docs\n", b"  - AGENTS.md\n", b"  - a => b\n", b" => ", b"../x", b"A.md", b"a.md", b"**/"),
    *(b"*", b"?"),
    *(b"exclude_globs:\n", b"seed_files:\n", b"block_files:\n", b"include_paths:\n", b'"\\e[31m"'),
    *(b"1.1.0",),
    *TOKENS,
)


def check_manifest(data: bytes) -> bool:
    """Claim that a manifest selects files that have room side by side, and the same from a bundle."""
    said = data.decode("utf-8", "replace")
    try:
        read = manifest.load(said)
        is_safe_path(read.output_root)
        selected = manifest.select(read, _listing(read))
    except ManifestError as error:
        is_told(error)
        return False
    rows = [(row.destination, row.ownership) for row in selected]
    for path, _ in rows:
        is_safe_path(path)
        assert read.schema_version == "1.0.0" or not read.is_excluded()(path)
    assert len({path.casefold() for path, _ in rows}) == len(rows)
    bundled = manifest.of_bundle(said, selected)
    again = manifest.select(manifest.load(bundled), [path for path, _ in rows])
    assert [(row.destination, row.ownership) for row in again] == rows
    assert all(row.source == row.destination for row in again)
    assert manifest.of_bundle(bundled, again) == bundled
    return True


def _listing(read: Manifest) -> list[str]:
    """Return a repository that a manifest may be of."""
    names = ("", "/a.md", "/B.md", "/b/c1/x.pyc", "/.dot/d", "/" + "a" * 200)
    found = []
    for item in read.include_paths:
        path = item.text.rstrip("/")
        found += [path] if "." in path[1:] else [path + name for name in names[1:]]
    return [*found, *read.seed_sources()]


# --- the policy --------------------------------------------------------------------------------------

POLICIES: Final = ((PAYLOAD / POLICY_NAME).read_bytes(),)
POLICY_TOKENS: Final = (
    *(b"phase: 2\n", b"phase: |-\n  2\n", b"suspended: null\n", b"!!int 2", b"&p 2", b'"2"'),
    *(b"package", b"copy"),
    *(b"suspended: {since: 2030-12-31T08:00:00Z, reason: x}\n", b"2030-12-31", b"\xd9\xa3"),
    *(b">=1.0,<2", b"0.5"),
    *TOKENS,
)
_SUSPENSION: Final = Suspension("2030-12-31T08:00:00Z", 'it is "broken": # so')


def check_policy(data: bytes) -> bool:
    """Claim that an edit of a policy changes the one value that it is about, and can be taken back."""
    try:
        read = policy.load(data)
    except PolicyError as error:
        is_told(error)
        return False
    for phase in (0, len(PHASES) - 1):
        edited = policy.with_phase(read, phase)
        assert _around(edited, data) >= len(data) - 200  # no line but that of the phase
        again = policy.load(edited)
        assert again == read._replace(text=again.text, phase=phase)
        assert policy.with_phase(again, phase) == edited
    suspended = policy.load(policy.with_suspension(read, _SUSPENSION))
    assert suspended == read._replace(text=suspended.text, suspension=_SUSPENSION)
    resumed = policy.load(policy.with_suspension(suspended, None))
    assert resumed == read._replace(text=resumed.text, suspension=None)
    _can_be_used(read)
    return True


def _around(one: bytes, other: bytes) -> int:
    """Return how many bytes two texts have in common at their beginnings and ends together."""
    lengths = range(min(len(one), len(other)))
    before = next((n for n in lengths if one[n] != other[n]), len(lengths))
    after = next((n for n in lengths if one[-1 - n] != other[-1 - n]), len(lengths))
    return min(before + after, len(lengths))


def _can_be_used(read: Policy) -> None:
    assert read.default_source in ("package", "copy")
    assert set(read.channels) == set(read.stages) == set(policy.STAGES)
    for channel in read.channels.values():
        assert channel.index_url is None or not policy.url_problem(channel.index_url)
    if read.suspension is not None:
        assert read.suspension.since.isascii()
    if read.deprecation is not None:
        deprecation.notice(read.deprecation, version="1.0.0", today=read.deprecation.ends_on)
        assert deprecation.load(read.deprecation.as_json()) == read.deprecation


def _make_policy(random: Random) -> bytes:
    """Make a policy, a value of whose lines is another one as often as not."""
    lines = random.choice(POLICIES).splitlines(keepends=True)
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        at = random.randrange(len(lines))
        key, mark, _ = lines[at].partition(b": ")
        word = (
            text(random).encode("utf-8", "surrogatepass")
            if random.randrange(3) == 0
            else random.choice(POLICY_TOKENS)
        )
        lines[at] = key + mark + word.rstrip(b"\n") + b"\n"
    data = b"".join(lines)
    return scrambled(random, data, POLICY_TOKENS) if random.randrange(3) == 0 else data


# --- the switch --------------------------------------------------------------------------------------

SWITCHES: Final = (
    b'schema_version: "1.0"\ndefault_source: copy\nreason: "slow"\nsince: "2030-12-31T08:00:00Z"\n',
    BOM + b"default_source: package\r\nreason: &a x\r\nsince: 2030-12-31T08:00:00Z\r\n"
    b"schema_version: 1.7\r\n",
    b"{default_source: copy, reason: null, since: 2030-12-31T08:00:00Z, schema_version: 1.0}",
)


def check_switch(data: bytes) -> bool:
    """Claim that a switch is refused, or says the same when it is written."""
    try:
        read = switch.load_switch(data, "policy.yaml")
    except PolicyError as error:
        is_told(error)
        return False
    written = switch.dump_switch(read)
    assert switch.load_switch(written, "policy.yaml") == read._replace(reason=one_line(read.reason))
    assert switch.dump_switch(switch.load_switch(written, "policy.yaml")) == written
    assert read.since.isascii()
    assert read.reason.isprintable()
    chosen = switch.choose("auto", phase=2, default_source="package", switch=read)
    assert chosen.source == ("copy" if read.default_source == "copy" else "auto")
    return True


TARGETS: Final = (
    Target(
        "profile",
        check_profile,
        text_maker(PROFILES, TOKENS),
        TOKENS,
        lambda n: b"workflow:\n  task_root: work\npaths:\n  artifacts:\n" + b"    - work\n" * n,
        examples=60,
    ),
    Target("profile-rules", check_profile_rules, text_maker(PROFILES, TOKENS), TOKENS, examples=60),
    Target(
        "profile-upgrade",
        check_profile_upgrade,
        text_maker(FORMER, (*TOKENS, b"version: 1.0\n", b"version", b"1.0")),
        TOKENS,
        examples=100,
    ),
    Target(
        "manifest",
        check_manifest,
        text_maker(MANIFESTS, MANIFEST_TOKENS),
        MANIFEST_TOKENS,
        lambda n: MANIFESTS[2] + b"".join(b"  - 'x%d/*'\n" % row for row in range(n)),
        examples=60,
    ),
    Target("policy", check_policy, _make_policy, POLICY_TOKENS, examples=12),
    Target("switch", check_switch, text_maker(SWITCHES, POLICY_TOKENS), POLICY_TOKENS),
)
