"""Status: what is installed, what differs from it, and what an install would change."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from agentrail_runtime import planner
from agentrail_runtime.decision import Action
from agentrail_runtime.entry import PROFILE_PATH
from agentrail_runtime.errors import AgentRailError
from agentrail_runtime.operation import pins as pins_
from agentrail_runtime.operation import verify as verify_
from agentrail_runtime.operation.install import Options, plan
from agentrail_runtime.outcome import Outcome
from agentrail_runtime.pin import PinState
from agentrail_runtime.receipt import SourceKind
from agentrail_runtime.session import Session, opened
from agentrail_runtime.version import __version__


class Status(NamedTuple):
    """What stands in a target.

    `outcome` is of the plan that an install would follow, or of the receipt alone where no plan could
    be made; then `problem` says why. `drift` are the delivered files that are not as delivered.
    `profile` is the profile's ``schema_version``, None where it says none or cannot be read; `route`
    is how the installed files came. `pins` are the requirements on the runtime in the target's files.
    """

    outcome: Outcome
    drift: tuple[Action, ...]
    profile: str | None
    problem: AgentRailError | None = None
    route: SourceKind = "package"
    pins: tuple[PinState, ...] = ()

    @property
    def pending(self) -> tuple[Action, ...]:
        """The paths that an install would change or cannot."""
        still = ("unchanged", "keep")
        return tuple(action for action in self.outcome.actions if action.action not in still)

    @property
    def undelivered(self) -> tuple[Action, ...]:
        """The paths whose change was declined."""
        return tuple(action for action in self.outcome.actions if action.reason.startswith("declined"))

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs, nothing is pending, and every pin agrees."""
        is_in_step = all(pin.agrees for pin in self.pins)
        return is_in_step and not (self.drift or self.problem or self.outcome.changed or self.pending)


def status(target: str, options: Options) -> Status:
    """Return how `target` stands; nothing is written.

    Raises:
        NotInstalledError: there is no receipt.
        ReceiptError, IncompatibleError: the receipt cannot be read.
        RecoveryError: an interrupted run could not be undone.
    """
    with opened(target, timeout=options.lock_timeout) as session:
        receipt = session.installed()
        checked = verify_.check(session, receipt)
        drift = tuple(action for action in checked.actions if planner.is_drift(action))
        recorded = Outcome(
            command="status",
            result="unchanged",
            target=session.target.root,
            actions=checked.actions,
            runtime_version=receipt.runtime_version,
            previous_version=receipt.runtime_version,
            source=verify_.recorded_origin(receipt),
            task_root=receipt.task_root,
            notices=tuple(session.notices),
        )
        profile, route = _profile_schema(session), receipt.source_kind
        versions = pins_.Versions(installed=__version__, receipt=receipt.runtime_version)
        pins = pins_.find(session.target.root, versions, task_root=receipt.task_root)
    found = Status(recorded, drift, profile, route=route, pins=pins.pins)
    try:
        outcome = plan(target, options)
    except AgentRailError as error:
        outcome, found = recorded, found._replace(problem=error)
    notices = (*outcome.notices, *pins.notices)
    return found._replace(outcome=outcome._replace(command="status", notices=notices))


def _profile_schema(session: Session) -> str | None:
    from agentrail_runtime.profile import schema_version

    with suppress(FileNotFoundError, AgentRailError):
        return schema_version(session.target.read(PROFILE_PATH))
    return None
