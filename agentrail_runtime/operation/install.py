"""Install: bring a target to what a source holds. Planned first, then done as one transaction."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from agentrail_runtime import denial, planner, route
from agentrail_runtime import source as source_
from agentrail_runtime.compatibility import ProfileSchemas, require
from agentrail_runtime.decision import Policy, Rules
from agentrail_runtime.entry import (
    RECEIPT_PATH,
    SIGNATURE_NAME,
    PathError,
    RelPath,
    State,
    parse_task_root,
)
from agentrail_runtime.errors import (
    AgentRailError,
    ConflictError,
    IncompatibleError,
    SourceError,
    StalePlanError,
    TargetError,
)
from agentrail_runtime.inventory import Inventory
from agentrail_runtime.known import Known
from agentrail_runtime.operation import docs_seed
from agentrail_runtime.outcome import Origin, Outcome
from agentrail_runtime.planner import Plan
from agentrail_runtime.progress import Progress, unwatched
from agentrail_runtime.receipt import Receipt
from agentrail_runtime.session import DEFAULT_TIMEOUT, Session, TargetTexts, opened
from agentrail_runtime.source import Bundle, Signature
from agentrail_runtime.stash import replaced_path
from agentrail_runtime.version import __version__

if TYPE_CHECKING:
    from agentrail_runtime.operation.fast import Memory

_SIGNATURE_HINTS: Final = {
    "absent": "install a signed bundle, or leave out --require-signature",
    "not-checked": "name who may sign with --allowed-signers FILE; to check it takes ssh-keygen, or: "
    "pip install 'agentrail-runtime[signing]'",
}
_TASK_ID = r"\d{4}-\d{2}-\d{2}__[a-z0-9][a-z0-9-]*"


class Options(NamedTuple):
    """How to install.

    Args:
        source: the route; ``auto`` takes the package and falls back to an equal bundle.
        runtime_dir: where the copy route finds its bundle.
        task_root: where ``workflow.task_root`` is to point; None for ``.agentrail/work`` on a first
            install and for what the profile says on a later one.
        on_conflict: what becomes of a file that both sides changed.
        allow_downgrade: accept an older version than the installed one.
        require_signature: refuse a source without a valid signature.
        allowed_signers: the file that says who may sign, None for the packaged one.
        revoked_keys: the file that says whose signature counts no more.
        deny_list: the file or URL of a signed list of versions that were withdrawn, None for none.
        with_diff: fill `Outcome.diff`.
        fast: trust stat data where they are those of the last run with this, as git's index does.
        lock_timeout: how long to wait for another run on the target, in seconds.
        progress: told of every file that is staged and written.
    """

    source: Literal["auto", "package", "copy"] = "auto"
    runtime_dir: str = os.path.join("dist", "runtime")
    task_root: str | None = None
    on_conflict: Policy = "abort"
    allow_downgrade: bool = False
    require_signature: bool = False
    allowed_signers: str | None = None
    revoked_keys: str | None = None
    deny_list: str | None = None
    with_diff: bool = False
    fast: bool = False
    lock_timeout: float = DEFAULT_TIMEOUT
    progress: Progress = unwatched


def plan(target: str, options: Options) -> Outcome:
    """Return what `install` would do to `target`; nothing is written.

    Raises:
        AgentRailError: as `install`, but that conflicts are told by the outcome.
    """
    with opened(target, timeout=options.lock_timeout) as session:
        if outcome := _memory(session, options, may_write=False).recall():
            return outcome._replace(command="plan")
        inventory = Inventory(session)
        return _Run(session, options, *_open_source(session, options), inventory).outcome("plan")


def install(target: str, options: Options) -> Outcome:
    """Bring `target` to what the source holds, all of it or nothing.

    Raises:
        ConflictError: files that both sides changed; nothing was written.
        SourceError: no usable source; nothing was written.
        IncompatibleError: a downgrade or an unsupported schema; nothing was written.
        TargetError: the target is unsafe, locked or cannot be written; it is as it was.
        RecoveryError: an undo could not finish; journal and stash are there and are named.
    """
    with opened(target, timeout=options.lock_timeout) as session:
        memory = _memory(session, options)
        if found := memory.recall():
            return found
        memory.begin(partial(_tracked, session))
        inventory = Inventory(session)
        bundle, origin = _open_source(session, options)
        run = _Run(session, options, bundle, origin, inventory)
        outcome = run.outcome("install")
        if outcome.result != "planned" and session.is_steady():
            memory.keep(outcome, inventory.inspect)
            return _settled(outcome)
        with session.locked():
            if not run.is_current() or outcome.result != "planned":
                run = _Run(session, options, bundle, origin, Inventory(session))
            try:
                identifier = run.apply()
            except StalePlanError:
                run = _Run(session, options, bundle, origin, Inventory(session))
                identifier = run.apply()
            outcome = run.outcome("install")
            if identifier is None:
                return _settled(outcome)
        done = outcome._replace(
            result="applied",
            transaction=identifier,
            notices=(*outcome.notices, *stash_notices(run.plan, identifier)),
        )
        with suppress(KeyboardInterrupt):  # it is done, whatever comes now
            done = done._replace(notices=(*done.notices, *run.git_notices()))
            _remember(session, options)
        return done


def _remember(session: Session, options: Options) -> None:
    """Look at what was just installed, and remember it for the next run, if that was asked for."""
    if options.fast:
        with suppress(OSError, AgentRailError):
            memory = _memory(session, options)
            memory.begin(partial(_tracked, session))
            inventory = Inventory(session)
            run = _Run(session, options, *_open_source(session, options), inventory)
            memory.keep(run.outcome("install"), inventory.inspect)


def _memory(session: Session, options: Options, *, may_write: bool = True) -> Memory | _NoMemory:
    """Return what is remembered of the target, if that may be trusted."""
    if not options.fast:
        return _NoMemory()
    from agentrail_runtime.operation.fast import Memory  # nobody else needs it

    return Memory(session, options, may_write=may_write)


class _NoMemory:
    """What a run has that looks at everything."""

    def recall(self) -> None:
        """Remember nothing."""

    def begin(self, tracked: Callable[[], Iterable[RelPath]]) -> None:
        """Look at nothing in advance."""

    def keep(self, outcome: Outcome, inspect: Callable[[RelPath], State]) -> None:
        """Keep nothing."""


def _tracked(session: Session) -> list[RelPath]:
    """Return the paths of what is installed; none where the receipt cannot be read."""
    with suppress(AgentRailError):
        if receipt := session.receipt():
            return [*receipt.paths(), planner.keep_path(receipt.task_root)]
    return []


def _settled(outcome: Outcome) -> Outcome:
    """Return the outcome of a run that has nothing to write.

    Raises:
        ConflictError: that is because both sides changed a file.
    """
    if outcome.result == "conflict":
        raise conflict(outcome)
    return outcome


def conflict(outcome: Outcome) -> ConflictError:
    """Return the error that tells of the conflicts in `outcome`."""
    found = [action for action in outcome.actions if action.action == "conflict"]
    error = ConflictError(
        "\n".join(f"{action.path}: conflict: {action.reason}" for action in found),
        paths=[action.path for action in found],
        hint="choose: --on-conflict keep (yours stays), merge (line by line) or "
        "overwrite (the stash keeps yours); see what differs: --diff",
    )
    error.outcome = outcome
    return error


def stash_notices(plan: Plan, identifier: str) -> list[str]:
    """Return where the transaction keeps the bytes of the user's that it replaced."""
    return [
        f"{change.path}: your version is kept in {replaced_path(identifier, change.path)}"
        for change in plan.changes
        if change.is_edited
    ]


def now() -> str:
    """Return the time, UTC RFC 3339."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_token() -> str:
    """Return random hex digits for a transaction's id."""
    return os.urandom(3).hex()


def _open_source(session: Session, options: Options) -> tuple[Bundle, Origin]:
    reasons: dict[str, str] = {}

    def judge(bundle: Bundle) -> Signature:
        signature, reasons[bundle.location] = _judge(bundle, options)
        return signature

    bundle, signature, fallback_reason = route.choose(
        options.source, options.runtime_dir, session.target, judge
    )
    if options.require_signature and signature != "valid":
        raise SourceError(
            f"{bundle.location}: not accepted: --require-signature "
            f"(expected a valid signature, got {reasons[bundle.location]})",
            paths=[SIGNATURE_NAME],
            hint=_SIGNATURE_HINTS[signature],
        )
    origin = Origin(
        kind=bundle.kind,
        digest=bundle.digest,
        location=bundle.location,
        requested=options.source,
        fallback_reason=fallback_reason,
        integrity=bundle.integrity,
        signature=signature,
    )
    return bundle, origin


def _judge(bundle: Bundle, options: Options) -> tuple[Signature, str]:
    """Return what the signature of a bundle is worth, and the words for it.

    Raises:
        SignatureError: it is damaged, or not by one of those whom the user named.
    """
    if bundle.signature is None:
        return "absent", "none"
    from agentrail_runtime import signing  # only what is signed has to be checked

    trust = signing.Trust(options.allowed_signers, options.revoked_keys)
    try:
        verdict = signing.check(bundle.data, bundle.signature, trust)
    except signing.SignatureError as error:
        if error.message.startswith(SIGNATURE_NAME):
            error.message = f"{bundle.location}: {error.message}"
        raise
    if verdict.status == "valid":
        return "valid", verdict.reason
    if verdict.status == "unknown-signer" and options.allowed_signers is not None:
        raise signing.SignatureError(
            f"{bundle.location}: {SIGNATURE_NAME}: {verdict.reason}",
            paths=[SIGNATURE_NAME],
            hint=f"see who may sign: {options.allowed_signers}",
        )
    return "not-checked", verdict.reason


def _refuse_denied(session: Session, options: Options, bundle: Bundle) -> tuple[str, ...]:
    """Make sure that the bundle's version was not withdrawn; return what the user should know.

    Raises:
        SourceError: it was, or a list of such versions is not to be trusted.
    """
    is_kept = session.target.inspect(denial.DENIED_PATH).kind != "absent"
    if options.deny_list is None and not is_kept:
        return ()
    from agentrail_runtime.signing import Trust

    return denial.refuse_denied(
        bundle.index.runtime_version,
        place=options.deny_list,
        target=session.target,
        trust=Trust(options.allowed_signers, options.revoked_keys),
        is_required=options.require_signature,
    )


class _Run:
    """One plan for one target, and what comes of it."""

    def __init__(
        self, session: Session, options: Options, bundle: Bundle, origin: Origin, inventory: Inventory
    ) -> None:
        self._session = session
        self._target = session.target
        self._options = options
        self._origin = origin
        self._receipt = inventory.receipt()
        self._denial = _refuse_denied(session, options, bundle)
        schema_version = self._receipt.schema_version if self._receipt else None
        require(bundle, receipt=schema_version)
        self._schemas = ProfileSchemas(bundle)
        self._bundle = bundle = docs_seed.adapted(bundle, session.target, self._receipt)
        if self._receipt is not None and not options.allow_downgrade:
            check_version(self._receipt, bundle)
        self._texts = TargetTexts(self._target, bundle)
        self._known_digests: Known | None = None
        self.plan = planner.build(
            receipt=self._receipt,
            index=bundle.index,
            digest=bundle.digest,
            kind=bundle.kind,
            inspect=inventory.inspect,
            rules=self._rules(),
        )
        self._deprecation = self._copy_notice()

    def _rules(self) -> Rules:
        wanted = self._options.task_root
        if wanted is None and self._receipt is None:
            wanted = planner.DEFAULT_TASK_ROOT
        return Rules(
            texts=self._texts,
            policy=self._options.on_conflict,
            has_modes=self._target.has_modes(),
            task_root=None if wanted is None else _task_root(wanted),
            installed_task_root=self._receipt.task_root if self._receipt else None,
            is_installed_root_empty=self._has_no_records(),
            profile_schema_versions=self._schemas,
            shipped_task_root=self._bundle.index.task_root,
            known=self._known,
        )

    def _known(self) -> Known:
        """Return the digests of earlier releases that the source carries."""
        if self._known_digests is None:
            self._known_digests = source_.known_digests(self._bundle)
        return self._known_digests

    def _has_no_records(self) -> bool:
        if self._receipt is None:
            return False
        with suppress(TargetError):
            return self._target.names(self._receipt.task_root) == [".gitkeep"]
        return False

    def outcome(self, command: str) -> Outcome:
        """Return what the plan says."""
        is_conflict, is_changed = bool(self.plan.conflicts), bool(self.plan.changes)
        return Outcome(
            command=command,
            result="conflict" if is_conflict else "planned" if is_changed else "unchanged",
            target=self._target.root,
            actions=self.plan.actions,
            changed=is_changed and not is_conflict,
            runtime_version=self._bundle.index.runtime_version,
            previous_version=self._receipt.runtime_version if self._receipt else None,
            source=self._origin,
            task_root=self.plan.task_root,
            notices=tuple(self.notices()),
            diff=self._diff() if self._options.with_diff else None,
        )

    def _diff(self) -> str:
        from agentrail_runtime import diff

        return diff.unified(self.plan, self._texts, receipt=self._receipt, index=self._bundle.index)

    def is_current(self) -> bool:
        """Tell, with the lock held, whether the plan was made for the receipt that is there."""
        is_seen = self._session.is_current()
        return is_seen and self._target.inspect(RECEIPT_PATH) == self.plan.receipt

    def apply(self) -> str | None:
        """Execute the plan; return the transaction's id, None where there is nothing to execute."""
        if self.plan.conflicts or not self.plan.changes:
            return None
        from agentrail_runtime import transaction  # most runs have nothing to do

        return transaction.apply(
            self._target,
            transaction.Order(
                operation="install",
                changes=self.plan.changes,
                emptied=self.plan.emptied,
                runtime_version=self._bundle.index.runtime_version,
                previous_version=self._receipt.runtime_version if self._receipt else None,
            ),
            created=now(),
            token=new_token(),
            progress=self._options.progress,
        )

    def notices(self) -> list[str]:
        """Return what the user should know besides the actions."""
        notices = [*self._session.notices, *self._denial]
        if self._origin.fallback_reason:
            notices.append(f"installed by the copy route: {self._origin.fallback_reason}")
        told = [self._deprecation] if self._deprecation else []
        if self._origin.integrity == "unverified":
            told.insert(0, f"{self._bundle.location}: has no index, so its files are unverified")
        notices += ["; ".join(told)] if told else []
        old = self.plan.previous_task_root
        if old and old != self.plan.task_root and (count := self._count_records(old)):
            notices.append(
                f"{old}: {count} task {'record stays' if count == 1 else 'records stay'} there; to "
                f"move: git mv {old}/*__* {self.plan.task_root}/"
            )
        return notices

    def _copy_notice(self) -> str | None:
        """Return what somebody who copies should know of the end of that route."""
        if self._options.source != "copy" or not self.plan.changes:
            return None
        version = self._bundle.index.runtime_version
        is_told = version != source_.UNINDEXED_VERSION
        today = datetime.now(timezone.utc).date()
        return route.deprecation_notice(version if is_told else __version__, today)

    def _count_records(self, task_root: str) -> int:
        with suppress(TargetError, OSError):
            names = self._target.names(RelPath(task_root))
            return sum(bool(re.fullmatch(_TASK_ID, name)) for name in names)
        return 0

    def git_notices(self) -> list[str]:
        """Return what the user's git makes of the files that were written."""
        from agentrail_runtime import git

        root = self._target.root
        above = git.work_tree(root)
        if above is None:
            return []
        written = [change.path for change in self.plan.changes if change.content]
        notices = [
            f"{found.path}: git ignores it (rule {found.rule})" for found in git.ignored(root, written)
        ]
        if above != root and any(path.startswith(".github/workflows/") for path in written):
            notices.append(
                f".github/workflows: {root} is below its git root {above}, so the CI workflow "
                "there does nothing"
            )
        return notices


def _task_root(text: str) -> RelPath:
    """Return the task root that the user asked for.

    Raises:
        TargetError: it is not a path below the target, or one of the installer's own.
    """
    try:
        return parse_task_root(text)
    except PathError as error:
        raise TargetError(
            f"--task-root: {error}", paths=[text], hint="name a directory below the repository"
        ) from None


def check_version(receipt: Receipt, bundle: Bundle) -> None:
    """Make sure that the bundle is not older than what is installed.

    Raises:
        IncompatibleError: it is older, by version or by release sequence.
        SourceError: its version is none.
    """
    index = bundle.index
    if index.runtime_version == receipt.runtime_version:
        is_older = index.release_seq < receipt.release_seq
    else:
        is_older = _is_older(index.runtime_version, receipt.runtime_version, bundle)
        is_older = is_older or index.release_seq < receipt.release_seq
    if is_older:
        raise IncompatibleError(
            f"{bundle.location}: a downgrade (expected at least {receipt.runtime_version}, release "
            f"{receipt.release_seq}; got {index.runtime_version}, release {index.release_seq})",
            hint="to undo an upgrade: agentrail rollback; to install the older version all the "
            "same: --allow-downgrade",
        )


def _is_older(version: str, installed: str, bundle: Bundle) -> bool:
    from packaging.version import Version

    try:
        incoming = Version(version)
    except ValueError:  # InvalidVersion is one, and so is a number of too many digits
        raise SourceError(
            f"{bundle.location}: runtime_version {version!r} is no version (PEP 440)"
        ) from None
    try:
        return incoming < Version(installed)
    except ValueError:  # InvalidVersion is one, and so is a number of too many digits
        return False
