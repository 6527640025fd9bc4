"""A recorded decision of the gate: one line of JSON.

JSON Lines (https://jsonlines.org), schema 1.x. Decisions are only ever added to their file; the newest
one of a stage and version is the one that holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from agentrail_runtime.document import DocumentError, field, load, schema_window
from agentrail_runtime.release import event
from agentrail_runtime.release.policy import STAGES, Stage

Verdict: TypeAlias = Literal["promote", "hold", "stop"]

SCHEMA_VERSION: Final = "1.0"
VERDICTS: Final[tuple[Verdict, ...]] = ("promote", "hold", "stop")
LINE_BYTES: Final = 64 * 1024
"""How long a line may be, with its line feed."""

MAX_TEXT: Final = 1000
"""How many characters a name or a reason may have."""


class RecordError(ValueError):
    """A line that is no decision; the text says why."""


class Decision(NamedTuple):
    """What was decided about a version at a stage, when, by whom, and on what evidence.

    Args:
        stage: the channel whose installs were judged.
        version: the release, as it was named.
        verdict: what was decided.
        is_manual: whether a person decided where the numbers did not.
        reason: why, on one line.
        decided_at: the moment that was judged, RFC 3339 in UTC.
        actor: who ran the command, None if unnamed.
        approver: who approved it, None if the numbers decided.
        successes: repositories whose first attempt succeeded.
        failures: repositories whose first attempt failed.
        kept: repositories that stayed with the version for the hours of soak.
        rollbacks: repositories, of those that have stood as long, that went back.
        success_proven: the rate of success that is proven at the least, with 95 % confidence.
        rollback_proven: the rate of going back that is proven at the most, with 95 % confidence.
        events: how many events were read.
        schema_version: of the line.
    """

    stage: Stage
    version: str
    verdict: Verdict
    is_manual: bool
    reason: str
    decided_at: str
    actor: str | None = None
    approver: str | None = None
    successes: int = 0
    failures: int = 0
    kept: int = 0
    rollbacks: int = 0
    success_proven: float = 0.0
    rollback_proven: float = 1.0
    events: int = 0
    schema_version: str = SCHEMA_VERSION


def dump(decision: Decision) -> bytes:
    """Return `decision` as one line: compact JSON in ASCII, sorted keys, with its line feed."""
    text = json.dumps(decision._asdict(), sort_keys=True, separators=(",", ":"))
    return text.encode("ascii") + b"\n"


def parse(line: bytes) -> Decision:
    """Return the decision that `line` holds; fields of a newer schema 1.x are left out.

    Raises:
        RecordError: it is no decision of schema 1.x.
    """
    if len(line) > LINE_BYTES:
        raise RecordError(f"too long (expected at most {LINE_BYTES} bytes)")
    try:
        value = load(line)
        if not schema_window(field(value, "schema_version", str), major=1):
            raise RecordError("unknown schema (expected 1.x)")
        return Decision(
            stage=_choice(value, "stage", STAGES),
            version=_text(value, "version"),
            verdict=_choice(value, "verdict", VERDICTS),
            is_manual=field(value, "is_manual", bool),
            reason=_text(value, "reason"),
            decided_at=_moment(value),
            actor=_name(value, "actor"),
            approver=_name(value, "approver"),
            successes=_count(value, "successes"),
            failures=_count(value, "failures"),
            kept=_count(value, "kept"),
            rollbacks=_count(value, "rollbacks"),
            success_proven=_rate(value, "success_proven", 0.0),
            rollback_proven=_rate(value, "rollback_proven", 1.0),
            events=_count(value, "events"),
            schema_version=value["schema_version"],
        )
    except DocumentError as error:
        raise RecordError(str(error)) from None


def newest(decisions: Iterable[Decision], *, stage: Stage, version: str) -> Decision | None:
    """Return the decision that holds: the latest one of a stage and version, None if there is none.

    Of two of one moment, it is the one that stands later in the file. Versions are compared as PEP 440
    does (https://peps.python.org/pep-0440/): ``1.0`` is ``1.0.0``.
    """
    wanted = _comparable(version)
    found: Decision | None = None
    for decision in decisions:
        is_meant = decision.stage == stage and _comparable(decision.version) == wanted
        if is_meant and (found is None or _when(decision) >= _when(found)):
            found = decision
    return found


def is_passed(decisions: Iterable[Decision], *, stage: Stage, version: str) -> bool:
    """Tell whether a version has passed a stage: its newest decision there is to promote it.

    A later ``stop`` or ``hold`` revokes an earlier ``promote``.
    """
    decision = newest(decisions, stage=stage, version=version)
    return decision is not None and decision.verdict == "promote"


def _comparable(version: str) -> object:
    from packaging.version import Version

    try:
        return Version(version)
    except ValueError:  # InvalidVersion is one, and so is a number of too many digits
        return version


def _when(decision: Decision) -> float:
    return event.seconds(decision.decided_at)


def _choice(value: dict[str, Any], key: str, choices: tuple[Any, ...]) -> Any:
    text = field(value, key, str)
    if text not in choices:
        raise RecordError(f"{key}: expected {'|'.join(choices)}, got {text[:40]!r}")
    return text


def _text(value: dict[str, Any], key: str) -> str:
    text: str = field(value, key, str)
    if not text.strip() or not text.isprintable() or len(text) > MAX_TEXT:
        raise RecordError(f"{key}: expected a text of one line, at most {MAX_TEXT} characters")
    return text


def _name(value: dict[str, Any], key: str) -> str | None:
    return None if value.get(key) is None else _text(value, key)


def _count(value: dict[str, Any], key: str) -> int:
    count: int = field(value, key, int, default=0)
    if count < 0:
        raise RecordError(f"{key}: expected a count, got {count}")
    return count


def _rate(value: dict[str, Any], key: str, default: float) -> float:
    rate = value.get(key, default)
    if not isinstance(rate, (int, float)) or isinstance(rate, bool) or not 0 <= rate <= 1:
        raise RecordError(f"{key}: expected a rate from 0 to 1")
    return float(rate)


def _moment(value: dict[str, Any]) -> str:
    text: str = field(value, "decided_at", str)
    try:
        event.seconds(text)
    except ValueError as error:
        raise RecordError(f"decided_at: {error}") from None
    return text
