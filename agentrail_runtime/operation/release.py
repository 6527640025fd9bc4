"""The use cases ``agentrail release publish``, ``promote``, ``withdraw`` and ``status``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final, Literal, NamedTuple

from agentrail_runtime import built, decision_log, deny_list_file
from agentrail_runtime.built import Built
from agentrail_runtime.channel import Channel, ChannelError, Distribution
from agentrail_runtime.channels import open_channel
from agentrail_runtime.entry import LAST_PHASE, SIGNATURE_NAME, sha256
from agentrail_runtime.errors import AgentRailError, SourceError, UsageError, typed
from agentrail_runtime.progress import unwatched
from agentrail_runtime.release import deny_list, record
from agentrail_runtime.release.authority import check_actor, check_approver
from agentrail_runtime.release.deny_list import DENIED_NAME, Denied, DenyList
from agentrail_runtime.release.policy import STAGES, Policy, Stage
from agentrail_runtime.release.simple_index import is_same_version, normal_version
from agentrail_runtime.signing import SignatureError, Trust, check
from agentrail_runtime.static_channel import StaticChannel

Result = Literal["applied", "unchanged", "planned"]

_MAX_REASON: Final = 400  # what becomes of it has to fit into the policy


class ReleaseError(AgentRailError):
    """A release may not go where it was to go; the channels are as they were."""


class TamperError(ReleaseError):
    """A channel serves other bytes than it was given, or tells of others than it serves."""

    code = 6


class Setting(NamedTuple):
    """What all of these commands go by.

    Args:
        policy: which channels there are, and who may do what.
        location: the directory of static channels, None for what the policy says.
        deny_list: the file of denied versions, None for ``denied.json`` beside static channels.
        trust: whose signatures count.
        actor: who acts, None if unnamed.
        is_dry_run: write nothing.
        progress: told what is done, of how many.
    """

    policy: Policy
    location: str | None = None
    deny_list: str | None = None
    trust: Trust = Trust()
    actor: str | None = None
    is_dry_run: bool = False
    progress: Callable[[str, int, int], None] = unwatched

    def channel(self, name: Stage) -> Channel:
        """Return a channel.

        Raises:
            ChannelError: nobody says where it is.
        """
        return open_channel(self.policy.channels[name], self.location)

    def list_path(self) -> str | None:
        """Return where the list of denied versions is kept, None where nobody says it."""
        if self.deny_list is not None:
            return self.deny_list
        for channel in self.policy.channels.values():
            root = self.location or channel.location
            if channel.kind == "static" and root is not None:
                return os.path.join(root, DENIED_NAME)
        return None

    def denied(self) -> DenyList:
        """Return what is denied.

        Raises:
            SourceError: the list cannot be read, or is not signed as it has to be.
        """
        path = self.list_path()
        return DenyList() if path is None else deny_list_file.read(path, self.trust)


class Released(NamedTuple):
    """What a command did: to which version, in which channels, with which files."""

    command: str
    result: Result
    version: str
    channels: tuple[str, ...]
    files: tuple[Distribution, ...] = ()
    notices: tuple[str, ...] = ()


# --- publish -----------------------------------------------------------------------------------------


def publish(
    paths: Sequence[str], setting: Setting, *, channel: str = STAGES[0], require_signature: bool = False
) -> Released:
    """Put built files into the first channel, once they are checked.

    Args:
        paths: files, or directories of them.
        setting: what to go by.
        channel: must be the first.
        require_signature: whether the index in the wheel must be signed by whom `Setting.trust` names.

    Raises:
        UsageError: it is not the first channel.
        AuthorityError: the policy names others who may publish.
        BuiltError: a file is none that may be published.
        SourceError: a payload is not intact, or not signed as it has to be.
        ReleaseError: the version is denied.
        ChannelError: it was published before with other bytes, or the channel cannot be written.
        TamperError: what the channel serves afterwards is something else.
    """
    if channel != STAGES[0]:
        raise UsageError(
            f"--channel {channel}: nothing is published there (expected {STAGES[0]})",
            hint=f"publish to {STAGES[0]}, then: agentrail release promote --to {channel}",
        )
    first = STAGES[0]
    notices = [check_actor(setting.policy, first, setting.actor)]
    origin = built.read(paths, setting.progress)
    notices += _signatures(origin, setting.trust, is_required=require_signature)
    _refuse_denied(setting, origin.version)
    into = setting.channel(first)
    return _moved("release publish", origin.distributions(), origin, into, setting, notices)


def _signatures(origin: Built, trust: Trust, *, is_required: bool) -> Iterator[str]:
    """Yield a note on every signature that could not be judged.

    Raises:
        SourceError: one is damaged, or there is none as it has to be.
    """
    for file in origin.files:
        if file.bundle is None:
            continue
        status, reason = "absent", "none"
        if file.bundle.signature is not None:
            try:
                verdict = check(file.bundle.data, file.bundle.signature, trust)
            except SignatureError as error:
                told = f"{file.path}: {error.message}"
                raise SourceError(told, paths=[file.path], hint=error.hint) from None
            status, reason = verdict.status, verdict.reason
        is_foreign = status == "unknown-signer" and trust.allowed_signers is not None
        if status != "valid" and (is_required or is_foreign):
            raise SourceError(
                f"{file.path}: {SIGNATURE_NAME}: expected a valid signature, got {reason}",
                paths=[file.path],
                hint="sign the payload, then build again: agentrail export --payload --sign KEYFILE",
            )
        if status != "valid":
            yield f"{file.path}: {SIGNATURE_NAME}: {reason}"


def _refuse_denied(setting: Setting, version: str) -> None:
    row = setting.denied().find(version)
    if row is not None:
        raise ReleaseError(
            f"{version}: denied since {row.since}: {row.reason}",
            paths=[str(setting.list_path())],
            hint="build a new version: what was withdrawn does not come back",
        )


def _moved(
    command: str,
    rows: Sequence[Distribution],
    origin: Channel,
    into: Channel,
    setting: Setting,
    notices: Sequence[str],
) -> Released:
    """Put files into a channel, and prove it by reading them back."""
    missing = _missing(rows, into)
    is_new, is_real = bool(missing), not setting.is_dry_run
    if missing and is_real:
        into.add(missing, origin)
    if is_real or not missing:
        _read_back(rows, into, setting.progress)
    result: Result = "unchanged" if not is_new else "applied" if is_real else "planned"
    return Released(command, result, rows[0].version, (into.name,), tuple(rows), _told(notices))


def _missing(rows: Sequence[Distribution], into: Channel) -> list[Distribution]:
    """Return the files that a channel does not have yet.

    Raises:
        ChannelError: it has one of the same name, but with other bytes.
    """
    there = {row.filename: row for row in into.distributions()}
    clashes = [
        f"{into.location}: {row.filename}: published already with other bytes "
        f"(expected sha256 {there[row.filename].sha256}, got {row.sha256})"
        for row in rows
        if row.filename in there and there[row.filename].sha256 != row.sha256
    ]
    if clashes:
        raise ChannelError(
            "\n".join(clashes),
            paths=[into.location],
            hint="what was published stays as it is: build a new version",
        )
    return [row for row in rows if row.filename not in there]


def _read_back(
    rows: Sequence[Distribution], into: Channel, progress: Callable[[str, int, int], None]
) -> None:
    """Make sure that a channel serves the very bytes.

    Raises:
        TamperError: it tells of others, or serves others.
        ChannelError: it cannot be read.
    """
    there = {row.filename: row for row in into.distributions()}
    for number, row in enumerate(rows, 1):
        progress("read back", number, len(rows))
        told = there.get(row.filename)
        found = "no such file" if told is None else told.sha256
        if told is not None and told.sha256 == row.sha256:
            found = sha256(into.fetch(told))
        if found != row.sha256:
            raise TamperError(
                f"{into.location}: {row.filename}: not what was put there "
                f"(expected sha256 {row.sha256}, got {found})",
                paths=[into.location],
                hint=f"agentrail release withdraw --version {row.version} --channel {into.name}",
            )


# --- promote -----------------------------------------------------------------------------------------


def promote(
    version: str,
    to: Stage,
    setting: Setting,
    *,
    approver: str,
    has_passed: Callable[[Stage, str], bool],
) -> Released:
    """Put the same bytes of a version into the next channel.

    Args:
        version: which.
        to: the channel; the one before it must have the version.
        setting: what to go by.
        approver: who approved, somebody else than who acts.
        has_passed: tells whether a version passed the gate of a stage.

    Raises:
        UsageError: there is no such version, or no channel before.
        AuthorityError: the policy names others who may publish or approve.
        ReleaseError: the version is not in the channel before, is yanked or denied, or did not pass.
        ChannelError: a channel cannot be read or written, or has other bytes under the same name.
        TamperError: the bytes are not those that the gate was about.
    """
    version = _version(version)
    before = STAGES[max(STAGES.index(to) - 1, 0)]
    if before == to:
        raise UsageError(
            f"--to {to}: nothing is promoted there (expected {' or '.join(STAGES[1:])})",
            hint=f"agentrail release publish DIST --channel {to}",
        )
    notices = [
        check_actor(setting.policy, to, setting.actor),
        check_approver(setting.policy, to, approver, setting.actor),
    ]
    origin, into = setting.channel(before), setting.channel(to)
    rows = _promotable(version, origin, to)
    _refuse_denied(setting, version)
    if not has_passed(before, version):
        raise ReleaseError(
            f"{version}: no decision lets it leave {before} (expected one to promote it)",
            hint=f"agentrail release gate --stage {before} --version {version} --events DIR --record",
        )
    _read_back(rows, origin, setting.progress)
    return _moved("release promote", rows, origin, into, setting, notices)


def _promotable(version: str, origin: Channel, to: Stage) -> list[Distribution]:
    rows = _of_version(origin, version)
    if not rows:
        raise ReleaseError(
            f"{origin.location}: no version {version} (expected it there before {to})",
            paths=[origin.location],
            hint="see what there is: agentrail release status",
        )
    yanked = [row for row in rows if row.yanked is not None]
    if yanked:
        why = f": {yanked[0].yanked}" if yanked[0].yanked else ""
        raise ReleaseError(
            f"{origin.location}: {yanked[0].filename}: yanked{why}",
            paths=[origin.location],
            hint="build a new version",
        )
    if unhashed := [row.filename for row in rows if not row.sha256]:
        raise ReleaseError(
            f"{origin.location}: {unhashed[0]}: its sha256 is not told, so nothing proves its bytes",
            paths=[origin.location],
            hint="serve the channel by an index that tells it",
        )
    return rows


def _of_version(channel: Channel, version: str) -> list[Distribution]:
    return [row for row in channel.distributions() if is_same_version(row.version, version)]


def _version(text: str) -> str:
    version = normal_version(text)
    if version is None:
        raise UsageError(f"--version: not a version: {text[:80]!r}", hint="name one, such as 1.1.0")
    return version


def decided(path: str, notices: list[str]) -> Callable[[Stage, str], bool]:
    """Return what tells whether a version passed a stage, by a file of recorded decisions.

    Args:
        path: the file; one that does not exist holds no decision.
        notices: is told of each line that is no decision.

    Raises:
        DecisionLogError: it cannot be read.
    """
    log = decision_log.read(path)
    notices += log.problems
    return lambda stage, version: record.is_passed(log.decisions, stage=stage, version=version)


def judged(
    policy: Policy, events: Sequence[str], now: datetime, notices: list[str]
) -> Callable[[Stage, str], bool]:
    """Return what tells whether a version passes the gate of a stage now, by what its installs report.

    Args:
        policy: what is asked of a release.
        events: files, directories and URLs with events.
        now: the time, UTC.
        notices: is told what the gate says.
    """

    def has_passed(stage: Stage, version: str) -> bool:
        from agentrail_runtime.operation.release_gate import Question, gate

        answer = gate(Question(stage, version, tuple(events), now), policy)
        reasons = "; ".join(answer.judgement.reasons)
        notices.append(f"the gate of {stage}: {answer.judgement.verdict}: {reasons}")
        notices.extend(answer.notes)
        return answer.is_passed

    return has_passed


# --- withdraw ----------------------------------------------------------------------------------------


def withdraw(
    version: str,
    channels: Sequence[Stage],
    setting: Setting,
    *,
    reason: str,
    key: str | None,
    now: datetime,
    suspend: Callable[[str], Sequence[str]],
) -> Released:
    """Take a version out of channels, deny it, and suspend the package route where the policy says so.

    In this order; each step may be done again, so a second run finishes what a killed one began.

    Args:
        version: which.
        channels: out of which.
        setting: what to go by.
        reason: why, for whoever had the version installed.
        key: the private key to sign the list of denied versions with.
        now: the time, UTC.
        suspend: suspends the package route for a reason; returns notes.

    Raises:
        UsageError: there is no such version, no reason, no key, or no place for the list.
        AuthorityError: the policy names others who may withdraw.
        ReleaseError: no channel ever had the version; or it is withdrawn and denied, but the package
            route could not be suspended.
        ChannelError: a channel cannot be read or written.
        SourceError: the list is not signed as it has to be.
        SigningError: the key does not sign. Nothing was done.
    """
    version, reason = _version(version), _reason(reason)
    path, key = _list_place(setting), _key(key)
    notices = [check_actor(setting.policy, name, setting.actor) for name in channels]
    row = setting.denied().find(version)
    opened = [setting.channel(name) for name in channels]
    holding = [channel for channel in opened if _of_version(channel, version)]
    if not holding and row is None:
        _refuse_unknown(version, opened, setting)
    is_done = not holding and row is not None and {*channels} <= {*row.channels}
    result: Result = "unchanged" if is_done else "planned" if setting.is_dry_run else "applied"
    if not setting.is_dry_run:
        deny_list_file.refuse_unusable(path, key, setting.trust)
        notices += _taken_out(version, reason, holding)
        since = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        change = partial(
            deny_list.with_denied, version=version, reason=reason, since=since, channels=channels
        )
        deny_list_file.rewrite(path, change, key, setting.trust)
        if {*channels} & {*setting.policy.suspending}:
            notices += _suspended(suspend, f"{version} was withdrawn: {reason}")
    return Released("release withdraw", result, version, (*channels,), (), _told(notices))


def _suspended(suspend: Callable[[str], Sequence[str]], reason: str) -> Sequence[str]:
    try:
        return suspend(reason)
    except AgentRailError as error:
        raise ReleaseError(
            f"{reason}; it is withdrawn and denied, but the package route is still the default:\n"
            f"{error.message}",
            paths=error.paths,
            hint=f"{error.hint}; then: agentrail migration suspend --reason {typed(reason)}",
        ) from error


def _key(key: str | None) -> str:
    if key is None:
        raise UsageError(
            "--sign: no key (expected one, or those who pinned the version would not learn of it)",
            hint="name the key that signs the list of denied versions: --sign KEYFILE",
        )
    return key


def _taken_out(version: str, reason: str, channels: Sequence[Channel]) -> Iterator[str]:
    """Take a version out of channels; yield a note on each that still serves it to some."""
    for channel in channels:
        if not channel.withdraw(version, reason):
            yield getattr(channel, "by_hand", "") or (
                f"{channel.location}: {version} is still there for whoever pinned it: only the list of "
                "denied versions keeps them from it"
            )


def _told(notices: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, notices)))


def _reason(text: str) -> str:
    reason = deny_list.printable(text)
    if not reason or len(reason) > _MAX_REASON:
        raise UsageError(
            f"--reason: expected a text of at most {_MAX_REASON} printable characters",
            hint="say on one line why, for whoever has the version installed",
        )
    return reason


def _list_place(setting: Setting) -> str:
    path = setting.list_path()
    if path is None or "://" in path:
        raise UsageError(
            "--deny-list: no file is named for the list of denied versions",
            hint="name the file that is served to those who install: --deny-list FILE, or the directory"
            " of static channels: --location DIR",
        )
    return path


def _refuse_unknown(version: str, opened: Sequence[Channel], setting: Setting) -> None:
    """Make sure that somebody heard of a version that is in none of the channels.

    A run that was killed took it out of them, perhaps; a typing error would be denied for ever.

    Raises:
        ReleaseError: nobody did.
    """
    others = [name for name in STAGES if name not in {channel.name for channel in opened}]
    is_elsewhere = any(
        isinstance(channel, StaticChannel) and channel.has_had(version) for channel in opened
    ) or any(_of_version(channel, version) for channel in _reachable(others, setting))
    if not is_elsewhere:
        raise ReleaseError(
            f"{version}: in none of {', '.join(channel.location for channel in opened)}",
            paths=[channel.location for channel in opened],
            hint="see what there is: agentrail release status",
        )


def _reachable(names: Sequence[Stage], setting: Setting) -> Iterator[Channel]:
    for name in names:
        channel = setting.policy.channels[name]
        if channel.kind != "static" or setting.location or channel.location:
            yield setting.channel(name)


def configured(setting: Setting) -> tuple[Stage, ...]:
    """Return the channels of which anybody says where they are.

    Raises:
        ChannelError: there are none.
    """
    names = tuple(name for name in STAGES if [*_reachable([name], setting)])
    if not names:
        setting.channel(STAGES[0])  # raises the error that says what is to be named
    return names


def suspender(policy: Policy, path: str | None, now: datetime) -> Callable[[str], Sequence[str]]:
    """Return what suspends the package route for a reason, as `withdraw` calls it.

    Args:
        policy: the policy that is in force.
        path: its file; None for the packaged one, of which only a note is made.
        now: the time, UTC.
    """

    def suspend(reason: str) -> Sequence[str]:
        if policy.phase == LAST_PHASE:
            return ["the copy route was removed, so there is none to go back to"]
        if path is None:
            return [
                "no distribution.yaml here to suspend the package route in; where it is, type: "
                f"agentrail migration suspend --reason {typed(reason)}"
            ]
        from agentrail_runtime.operation import migration

        return migration.suspend(".", reason=reason, now=now, policy=path)

    return suspend


# --- status ------------------------------------------------------------------------------------------


class Standing(NamedTuple):
    """One version in one channel.

    `decision` is what the gate, or a person, decided of it at that stage; None where nobody did.
    """

    channel: Stage
    version: str
    files: tuple[Distribution, ...]
    yanked: str | None
    denied: Denied | None
    decision: str | None


class Survey(NamedTuple):
    """What is in the channels: rows from the first channel to the last, the newest version first.

    `problems` are errors by channel, which hide what is in there; `places` is where each one is.
    """

    places: dict[Stage, str | None]
    rows: tuple[Standing, ...]
    denied: tuple[Denied, ...]
    problems: tuple[AgentRailError, ...]
    notices: tuple[str, ...] = ()


def survey(setting: Setting, channels: Sequence[Stage], *, decisions: str) -> Survey:
    """Return which version is in which channel, and what is known of it.

    Args:
        setting: what to go by.
        channels: which ones to look at.
        decisions: the file of recorded decisions.

    Raises:
        DecisionLogError: the file of decisions cannot be read.
    """
    log = decision_log.read(decisions)
    problems: list[AgentRailError] = []
    denied = DenyList()
    try:
        denied = setting.denied()
    except SourceError as error:
        problems.append(error)
    rows: list[Standing] = []
    places: dict[Stage, str | None] = dict.fromkeys(channels)
    for number, name in enumerate(channels, 1):
        setting.progress("look", number, len(channels))
        if not [*_reachable([name], setting)]:
            continue
        try:
            channel = setting.channel(name)
            places[name] = channel.location
            rows += _standings(name, channel.distributions(), denied, log.decisions)
        except AgentRailError as error:
            problems.append(error)
    return Survey(places, tuple(rows), denied.denied, tuple(problems), log.problems)


def _standings(
    name: Stage, files: Sequence[Distribution], denied: DenyList, decisions: Sequence[record.Decision]
) -> Iterator[Standing]:
    from packaging.version import Version

    for version in sorted({file.version for file in files}, key=Version, reverse=True):
        own = tuple(file for file in files if file.version == version)
        decision = record.newest(decisions, stage=name, version=version)
        yield Standing(
            channel=name,
            version=version,
            files=own,
            yanked=next((file.yanked for file in own if file.yanked is not None), None),
            denied=denied.find(version),
            decision=None if decision is None else decision.verdict,
        )
