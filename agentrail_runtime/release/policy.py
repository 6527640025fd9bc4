"""The distribution policy: how releases reach people, and which route is the default meanwhile.

The content of ``distribution.yaml`` (schema 1.x), which ships with every bundle and is signed with its
index. Edits touch no byte but those of the value that changes.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from yaml.nodes import Node, ScalarNode, SequenceNode

from agentrail_runtime.entry import LAST_PHASE, POLICY_NAME
from agentrail_runtime.release.deprecation import Deprecation
from agentrail_runtime.release.reader import PolicyError as PolicyError
from agentrail_runtime.release.reader import Reader, compose, decode, is_null, quoted

Route: TypeAlias = Literal["package", "copy"]
Stage: TypeAlias = Literal["internal", "pilot", "general"]
ChannelKind: TypeAlias = Literal["static", "devpi", "twine"]

STAGES: Final[tuple[Stage, ...]] = ("internal", "pilot", "general")
"""The channels, from the narrowest audience to the widest."""

PHASES: Final = (
    "plan agreed",
    "package proof",
    "coexistence",
    "package is the default source",
    "copy route removed",
)
"""What each phase of the migration is, by number."""

DUTIES: Final = ("signing", "publishing", "access")
"""What needs an owner and a backup."""

SCHEMA: Final = re.compile(r"1\.[0-9]{1,9}(?:\.[0-9]{1,9})*")
"""The schema versions that are read."""
MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)
"""UTC, RFC 3339, to the second."""


class Duty(NamedTuple):
    """Who does something, and who does it in their absence; None where nobody is named."""

    owner: str | None
    backup: str | None


class ChannelPolicy(NamedTuple):
    """A channel: where it is served, who may publish to it, and who may decide on a promotion to it.

    `index_url` is the base URL of its simple API (PEP 503), None where it has none yet. `location` is
    the directory of a static channel, or the upload URL of another, None if it is to be named.
    """

    name: Stage
    kind: ChannelKind
    index_url: str | None
    location: str | None
    owner: str | None
    approvers: tuple[str, ...]


class Hypotheses(NamedTuple):
    """Two rates between which a sequential test decides: `bad` must not pass, `good` should."""

    bad: float
    good: float


class StagePolicy(NamedTuple):
    """What is asked of a release at one stage.

    `success` are rates of installs that succeed, `rollback` are rates of repositories that go back;
    `soak_hours` is how long an install must stand before it counts as not rolled back.
    """

    name: Stage
    success: Hypotheses
    rollback: Hypotheses
    soak_hours: float


class Window(NamedTuple):
    """One row of the compatibility matrix, each a version specifier (PEP 440)."""

    runtime: str
    profile: str
    receipt: str
    python: str


class Suspension(NamedTuple):
    """The package route is not the default for the time being: since when (UTC RFC 3339), and why."""

    since: str
    reason: str


class Policy(NamedTuple):
    """A distribution policy, and the `text` it was read from."""

    text: str
    schema_version: str
    phase: int
    default_sources: tuple[Route, ...]
    duties: Mapping[str, Duty]
    channels: Mapping[Stage, ChannelPolicy]
    alpha: float
    beta: float
    stages: Mapping[Stage, StagePolicy]
    suspending: tuple[Stage, ...]
    compatibility: tuple[Window, ...]
    stable_commits: int
    deprecation: Deprecation | None = None
    suspension: Suspension | None = None

    @property
    def default_source(self) -> Route:
        """The route that an install takes when the user names none."""
        if self.suspension is not None and self.phase < LAST_PHASE:
            return "copy"
        return self.default_sources[self.phase]


def load(data: bytes, name: str = POLICY_NAME) -> Policy:
    """Return the policy that `data` (UTF-8) holds.

    Args:
        data: the bytes of the file.
        name: what messages call it.

    Raises:
        PolicyError: it is not a policy of schema 1.x; every finding, with its line.
    """
    text = decode(data, name)
    root = compose(text, name)
    findings: list[str] = []
    reader = Reader(name, findings)
    fields = reader.mapping(root, "", _KEYS)
    schema = reader.match(fields.get("schema_version"), "schema_version", SCHEMA, "1.0")
    policy = Policy(
        text=text,
        schema_version=schema,
        phase=reader.whole(fields.get("phase"), "phase", 0, LAST_PHASE),
        default_sources=_default_sources(reader, fields.get("default_sources")),
        duties=_duties(reader, fields.get("owners")),
        channels=_channels(reader, fields.get("channels")),
        alpha=reader.rate(fields.get("alpha"), "alpha"),
        beta=reader.rate(fields.get("beta"), "beta"),
        stages=_stages(reader, fields.get("stages")),
        suspending=_suspending(reader, fields.get("withdrawal_suspends")),
        compatibility=tuple(_windows(reader, fields.get("compatibility"))),
        stable_commits=reader.whole(fields.get("stable_commits"), "stable_commits", 1, 10_000),
        deprecation=_deprecation(reader, fields.get("deprecation")),
        suspension=_suspension(reader, fields.get("suspended")),
    )
    if findings:
        raise PolicyError(
            "\n".join(findings), paths=[name], hint=f"mend {name}, then run the command again"
        )
    return policy


def with_phase(policy: Policy, phase: int) -> bytes:
    """Return the bytes of `policy` with another phase."""
    return _spliced(policy, "phase", str(phase))


def with_suspension(policy: Policy, suspension: Suspension | None) -> bytes:
    """Return the bytes of `policy`, suspended or no longer suspended."""
    if suspension is None:
        return _spliced(policy, "suspended", "null")
    reason = quoted(suspension.reason)
    return _spliced(policy, "suspended", f'{{since: "{suspension.since}", reason: {reason}}}')


def _spliced(policy: Policy, key: str, value: str) -> bytes:
    root = compose(policy.text, POLICY_NAME)
    node = next(item for name, item in root.value if name.value == key)
    start, stop = node.start_mark.index, node.end_mark.index
    value = value if policy.text[start - 1 : start].isspace() else f" {value}"
    if isinstance(node, ScalarNode) and node.style in ("|", ">"):
        old = policy.text[start:stop]
        value += old[len(old.rstrip()) :]  # the blank lines behind it belong to a block
    return (policy.text[:start] + value + policy.text[stop:]).encode()


_KEYS: Final = {
    "schema_version": True,
    "phase": True,
    "suspended": True,
    "default_sources": True,
    "owners": True,
    "channels": True,
    "alpha": True,
    "beta": True,
    "stages": True,
    "withdrawal_suspends": True,
    "deprecation": True,
    "compatibility": True,
    "stable_commits": True,
}
"""The keys at the top, all of them required."""


def _default_sources(reader: Reader, node: Node | None) -> tuple[Route, ...]:
    place = "default_sources"
    routes = reader.texts(node, place)
    if node is not None and len(routes) != len(PHASES):
        reader.wrong(node, place, f"expected one for each of {len(PHASES)} phases, got {len(routes)}")
    for number, route in enumerate(routes):
        if route not in ("package", "copy"):
            reader.wrong(node, f"{place}[{number}]", f"expected package|copy, got {route[:80]!r}")
    if routes[4:] == ("copy",):
        reader.wrong(node, f"{place}[4]", "there is no copy route in phase 4 (expected package)")
    padded = (*routes, *PHASES)[: len(PHASES)]
    return tuple("package" if route == "package" else "copy" for route in padded)


def _duties(reader: Reader, node: Node | None) -> dict[str, Duty]:
    found = reader.mapping(node, "owners", dict.fromkeys(DUTIES, True))
    duties = {}
    for name in DUTIES:
        place = f"owners.{name}"
        fields = reader.mapping(found[name], place, _PEOPLE) if name in found else {}
        duties[name] = Duty(
            owner=reader.text(fields.get("owner"), f"{place}.owner"),
            backup=reader.text(fields.get("backup"), f"{place}.backup"),
        )
    return duties


_PEOPLE: Final = {"owner": True, "backup": True}
_CHANNEL: Final = {
    "kind": True,
    "index_url": True,
    "location": False,
    "owner": True,
    "approvers": True,
}


def _channels(reader: Reader, node: Node | None) -> dict[Stage, ChannelPolicy]:
    found = reader.mapping(node, "channels", dict.fromkeys(STAGES, True))
    channels: dict[Stage, ChannelPolicy] = {}
    for name in STAGES:
        place = f"channels.{name}"
        fields = reader.mapping(found[name], place, _CHANNEL) if name in found else {}
        kind = reader.choice(fields.get("kind"), f"{place}.kind", ("static", "devpi", "twine"))
        channels[name] = ChannelPolicy(
            name=name,
            kind=kind,  # type: ignore[arg-type]  # one of the choices
            index_url=_url(reader, fields.get("index_url"), f"{place}.index_url"),
            location=_place(reader, fields.get("location"), f"{place}.location"),
            owner=reader.text(fields.get("owner"), f"{place}.owner"),
            approvers=reader.texts(fields.get("approvers"), f"{place}.approvers"),
        )
    return channels


def _url(reader: Reader, node: Node | None, place: str) -> str | None:
    text = reader.text(node, place)
    if text is None:
        return None
    if problem := url_problem(text):
        reader.wrong(node, place, problem)
        return None
    return text


def _place(reader: Reader, node: Node | None, place: str) -> str | None:
    text = reader.text(node, place)
    if text is not None and "://" in text:
        return _url(reader, node, place)
    return text


def url_problem(text: str) -> str:
    """Return why `text` cannot be the URL of an index, an empty text where it can."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "expected an https URL"
    if parts.username is not None or parts.password is not None:
        return "has a user or a password in it (expected neither: keyring, netrc or environment)"
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        return "expected an https URL"
    if parts.scheme == "http" and host not in ("127.0.0.1", "::1", "localhost"):
        return "expected https (http only on this machine)"
    return ""


def _stages(reader: Reader, node: Node | None) -> dict[Stage, StagePolicy]:
    found = reader.mapping(node, "stages", dict.fromkeys(STAGES, True))
    stages: dict[Stage, StagePolicy] = {}
    keys = {"success": True, "rollback": True, "soak_hours": True}
    for name in STAGES:
        place = f"stages.{name}"
        fields = reader.mapping(found[name], place, keys) if name in found else {}
        success = _hypotheses(reader, fields.get("success"), f"{place}.success")
        rollback = _hypotheses(reader, fields.get("rollback"), f"{place}.rollback")
        if success and not success.bad < success.good:
            reader.wrong(fields["success"], f"{place}.success", "expected bad < good")
        if rollback and not rollback.good < rollback.bad:
            reader.wrong(fields["rollback"], f"{place}.rollback", "expected good < bad")
        soak = reader.whole(fields.get("soak_hours"), f"{place}.soak_hours", 0, 10_000)
        stages[name] = StagePolicy(
            name=name,
            success=success or Hypotheses(0.9, 0.98),
            rollback=rollback or Hypotheses(0.1, 0.01),
            soak_hours=soak,
        )
    return stages


def _hypotheses(reader: Reader, node: Node | None, place: str) -> Hypotheses | None:
    if node is None:
        return None
    fields = reader.mapping(node, place, {"bad": True, "good": True})
    if len(fields) < 2:
        return None
    return Hypotheses(
        bad=reader.rate(fields.get("bad"), f"{place}.bad"),
        good=reader.rate(fields.get("good"), f"{place}.good"),
    )


def _suspending(reader: Reader, node: Node | None) -> tuple[Stage, ...]:
    names = reader.texts(node, "withdrawal_suspends")
    for name in names:
        if name not in STAGES:
            reader.wrong(node, "withdrawal_suspends", f"expected channels, got {name[:80]!r}")
    return tuple(stage for stage in STAGES if stage in names)


def _windows(reader: Reader, node: Node | None) -> Iterator[Window]:
    rows = node.value if isinstance(node, SequenceNode) else ()
    if node is not None and not rows:
        reader.wrong(node, "compatibility", "expected a list with a row for each range of versions")
    for number, row in enumerate(rows):
        place = f"compatibility[{number}]"
        fields = reader.mapping(row, place, dict.fromkeys(Window._fields, True))
        values = {name: _specifier(reader, item, f"{place}.{name}") for name, item in fields.items()}
        if values.keys() >= {*Window._fields}:
            yield Window(*(values[name] for name in Window._fields))


def _specifier(reader: Reader, node: Node, place: str) -> str:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    text = node.value if isinstance(node, ScalarNode) else ""
    try:
        if text.strip() and SpecifierSet(text):
            return str(text)
    except InvalidSpecifier:
        pass
    reader.wrong(node, place, f"expected a version specifier, as >=1.0,<2, got {text[:80]!r}")
    return ""


def _deprecation(reader: Reader, node: Node | None) -> Deprecation | None:
    if node is None or is_null(node):
        return None
    place = "deprecation"
    fields = reader.mapping(node, place, dict.fromkeys(Deprecation._fields, True))
    ends_on = _date(reader, fields.get("ends_on"), f"{place}.ends_on")
    listed = fields.get("notices")
    items = listed.value if isinstance(listed, SequenceNode) else ()
    if listed is not None and not items:
        reader.wrong(listed, f"{place}.notices", "expected a list of versions")
    return Deprecation(
        announced_in=reader.version(fields.get("announced_in"), f"{place}.announced_in"),
        ends_on=ends_on,
        removed_in=reader.version(fields.get("removed_in"), f"{place}.removed_in"),
        notices=tuple(reader.version(item, f"{place}.notices[{n}]") for n, item in enumerate(items)),
    )


def _date(reader: Reader, node: Node | None, place: str) -> datetime.date:
    text = node.value if isinstance(node, ScalarNode) else ""
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return datetime.date.fromisoformat(text)
    except ValueError:
        pass
    if node is not None:
        reader.wrong(node, place, f"expected a date, as 2030-12-31, got {text[:80]!r}")
    return datetime.date.max


def _suspension(reader: Reader, node: Node | None) -> Suspension | None:
    if node is None or is_null(node):
        return None
    fields = reader.mapping(node, "suspended", {"since": True, "reason": True})
    since = reader.match(fields.get("since"), "suspended.since", MOMENT, "2030-12-31T08:00:00Z")
    return Suspension(since, reader.text(fields.get("reason"), "suspended.reason") or "")
