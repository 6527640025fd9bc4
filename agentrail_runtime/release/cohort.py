"""What events say about one version at one stage: each repository's first attempt, and who went back.

Pure over lines; `event_query` computes the same in SQL, and the tests hold both against each other.

The rules, each of them once:

- A line that is no event of schema 1.x is counted by what is wrong with it. Of the others, only those
  about the version count, and those of repositories that leave it; the rest is of other versions.
- Lines of one `event_id` and phase are one event. Where they contradict each other, the one that speaks
  most against the release is taken.
- A damaged bundle (exit code 6) or an undo that could not finish (7) counts whatever channel it is from
  and whatever its clock says. Otherwise events of other channels are left out (those that name none are
  not), and events from the future.
- An attempt is an install of the version: the lines of one `event_id`, or else a start and the finish
  that comes next in that repository. A repository's first attempt is a step of the test of success. Its
  outcome is known with its finish, or with the end of the hour in which it did not finish.
- The cohort of the test of rollbacks is those repositories in which an install of the version
  succeeded, in order of that install. Going back counts however late it comes: a version that is left
  after a month was not kept, and a verdict from before can then still be revoked.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from agentrail_runtime.release import event
from agentrail_runtime.release.event import Event, EventError
from agentrail_runtime.release.policy import Stage

SECOND: Final = 1_000_000
"""Moments are microseconds since 1970, as whole numbers."""

DEADLINE: Final = 3600 * SECOND
"""How long an attempt may take; without a finish by then it has failed."""

SKEW: Final = 300 * SECOND
"""How far a clock may be ahead."""

TAMPER_CODES: Final = (6, 7)
"""The exit codes that stop a release at once: source not usable, recovery not finished."""


class Counters(NamedTuple):
    """What was read, what of it was left out, and why; lines and events.

    Args:
        lines: lines that are not blank.
        events: lines that are events of schema 1.x.
        torn: lines that are not one JSON object.
        bad_values: objects in which a field is missing or has a value that it cannot have.
        unknown_schema: objects of another schema.
        unknown_fields: events with fields that this schema does not have.
        other_versions: events that have nothing to do with the version.
        duplicates: lines that say again what another said.
        contradictory: lines that say something else of an event than another line.
        other_channels: events that name another channel.
        in_future: events whose time has not come.
        finish_before_start: attempts that end before they begin, by their clocks.
        pending: repositories whose first attempt began less than an hour ago and has not finished.
    """

    lines: int = 0
    events: int = 0
    torn: int = 0
    bad_values: int = 0
    unknown_schema: int = 0
    unknown_fields: int = 0
    other_versions: int = 0
    duplicates: int = 0
    contradictory: int = 0
    other_channels: int = 0
    in_future: int = 0
    finish_before_start: int = 0
    pending: int = 0


class Evidence(NamedTuple):
    """What a gate decides on.

    Args:
        attempts: of each repository whose first attempt has an outcome, whether it succeeded; in the
            order in which the outcomes became known.
        installs: of each repository of the cohort, when it was installed there, and whether it is kept;
            in order of time.
        tampered: events of the version with an exit code of `TAMPER_CODES`.
        error_codes: how many events ended with which exit code other than 0.
        counters: what was read, and what of it was left out.
    """

    attempts: tuple[bool, ...]
    installs: tuple[tuple[int, bool], ...]
    tampered: int
    error_codes: Mapping[int, int]
    counters: Counters


class Release(NamedTuple):
    """Which texts mean the version in question, and which an older one (PEP 440)."""

    version: str

    def is_same(self, text: str | None) -> bool:
        """Tell whether `text` is this version: ``1.0`` is ``1.0.0``."""
        return text is not None and _order(text, self.version) == 0

    def is_older(self, text: str) -> bool:
        """Tell whether `text` is an older version."""
        return _order(text, self.version) == -1


@functools.lru_cache(maxsize=4096)
def _order(text: str, version: str) -> int | None:
    """Return -1, 0 or 1 as `text` is older, the same or newer; None if it is no version."""
    from packaging.version import Version

    try:
        ours, other = Version(version), Version(text)
    except ValueError:  # InvalidVersion is one, and so is a number of too many digits
        return None
    return (other > ours) - (other < ours)


class Row(NamedTuple):
    """What the gate needs of an event; in the order in which contradictory ones are preferred."""

    rank: int
    outcome_rank: int
    at: int
    repo: str
    channel: str
    version: str
    from_version: str
    op: str
    outcome: str
    code: int


def rank(code: int | None, outcome: str | None) -> tuple[int, int]:
    """Return how strongly an event speaks against the release; the strongest first."""
    return (0 if code in TAMPER_CODES else 1), (1 if outcome in (None, "ok") else 0)


def microseconds(ts: str) -> int:
    """Return the moment `ts`, RFC 3339 in UTC, as `SECOND` says."""
    return round(event.seconds(ts) * SECOND)


class Collector:
    """Takes lines, in any order, and says what they come to.

    Args:
        stage: the channel whose installs are judged.
        version: the release, a version as PEP 440 has it.
        now: the moment to judge at, in microseconds since 1970.
    """

    def __init__(self, *, stage: Stage, version: str, now: int) -> None:
        self._stage = stage
        self._release = Release(version)
        self._now = now
        self._counts: Counter[str] = Counter()
        self._rows: dict[tuple[str, str], list[Row]] = {}

    def add(self, line: bytes) -> None:
        """Take one line; a blank one is none."""
        if not line.strip():
            return
        self._counts["lines"] += 1
        try:
            found, unknown = event.parse(line)
        except EventError as error:
            self._counts[counter_of(error)] += 1
            return
        self._counts["events"] += 1
        self._counts["unknown_fields"] += bool(unknown)
        if not (self._release.is_same(found.version) or self._release.is_same(found.from_version)):
            self._counts["other_versions"] += 1
            return
        row = row_of(found)
        rows = self._rows.setdefault((found.event_id, found.phase), [])
        if row in rows:
            self._counts["duplicates"] += 1
        else:
            self._counts["contradictory"] += bool(rows)
            rows.append(row)

    def evidence(self) -> Evidence:
        """Return what the lines come to."""
        rows = [(event_id, phase, min(same)) for (event_id, phase), same in self._rows.items()]
        tampered = [row for _, _, row in rows if not row.rank and self._release.is_same(row.version)]
        used = [*self._used(rows)]
        codes = Counter(
            row.code
            for _, phase, row in used
            if phase == "finished" and row.code > 0 and self._release.is_same(row.version)
        )
        attempts = self._attempts(used)
        return Evidence(
            attempts=attempts,
            installs=self._installs(row for _, phase, row in used if phase == "finished"),
            tampered=len(tampered),
            error_codes=dict(sorted(codes.items())),
            counters=Counters(**self._counts),
        )

    def _used(self, rows: Iterable[tuple[str, str, Row]]) -> Iterator[tuple[str, str, Row]]:
        for item in rows:
            if item[2].channel not in ("", self._stage):
                self._counts["other_channels"] += 1
            elif item[2].at > self._now + SKEW:
                self._counts["in_future"] += 1
            else:
                yield item

    def _attempts(self, used: Iterable[tuple[str, str, Row]]) -> tuple[bool, ...]:
        runs: dict[str, dict[str, dict[str, Row]]] = {}
        for event_id, phase, row in used:
            if row.op == "install" and self._release.is_same(row.version):
                runs.setdefault(row.repo, {}).setdefault(event_id, {})[phase] = row
        known = []
        for repo, ends in runs.items():
            at, is_ok = self._outcome(first_attempt(ends))
            self._counts["finish_before_start"] += sum(map(_is_backwards, ends.values()))
            if is_ok is None:
                self._counts["pending"] += 1
            else:
                known.append((at, repo, is_ok))
        return tuple(is_ok for _, _, is_ok in sorted(known))

    def _outcome(self, attempt: Mapping[str, Row]) -> tuple[int, bool | None]:
        """Return when the outcome was known, and the outcome; None as long as there is none."""
        start, finish = attempt.get("started"), attempt.get("finished")
        if start is None:
            return attempt["finished"].at, attempt["finished"].outcome == "ok"
        deadline = start.at + DEADLINE
        if finish is not None and finish.at <= deadline:
            return max(start.at, finish.at), finish.outcome == "ok"
        return deadline, (None if deadline > self._now else False)

    def _installs(self, finished: Iterable[Row]) -> tuple[tuple[int, bool], ...]:
        installed: dict[str, int] = {}
        left: dict[str, int] = {}
        for row in finished:
            if row.outcome != "ok":
                continue
            if row.op == "install" and self._release.is_same(row.version):
                installed[row.repo] = min(row.at, installed.get(row.repo, row.at))
            elif self._goes_back(row):
                left[row.repo] = max(row.at, left.get(row.repo, row.at))
        ordered = sorted((at, repo) for repo, at in installed.items())
        return tuple((at, left.get(repo, at - 1) < at) for at, repo in ordered)

    def _goes_back(self, row: Row) -> bool:
        if row.op == "rollback":
            return True  # it takes the version away, or the receipt said the version before
        return row.op == "install" and self._release.is_older(row.version)


def counter_of(error: EventError) -> str:
    """Return the name of the counter for a line that is no event."""
    if error.kind == "unknown schema":
        return "unknown_schema"
    return "bad_values" if error.kind in ("bad value", "missing field") else "torn"


def row_of(found: Event) -> Row:
    """Return what the gate needs of an event."""
    return Row(
        *rank(found.error_code, found.outcome),
        microseconds(found.ts),
        found.repo,
        found.channel or "",
        found.version,
        found.from_version or "",
        found.op,
        found.outcome or "",
        -1 if found.error_code is None else found.error_code,
    )


def first_attempt(ends: Mapping[str, Mapping[str, Row]]) -> dict[str, Row]:
    """Return the ends of a repository's first attempt, by phase.

    Args:
        ends: of each event id, its ends by phase.
    """
    whole = [(pair["started"].at, event_id, pair) for event_id, pair in ends.items() if len(pair) > 1]
    halves = sorted(
        (row.at, phase != "started", event_id, row)
        for event_id, pair in ends.items()
        if len(pair) == 1
        for phase, row in pair.items()
    )
    first = [(at, event_id, dict(pair)) for at, event_id, pair in whole]
    if halves:
        at, is_finish, event_id, row = halves[0]
        attempt = {"finished" if is_finish else "started": row}
        if not is_finish and len(halves) > 1 and halves[1][1]:
            attempt["finished"] = halves[1][3]
        first.append((at, event_id, attempt))
    return min(first, key=lambda attempt: attempt[:2])[2]


def _is_backwards(pair: Mapping[str, Row]) -> bool:
    return len(pair) > 1 and pair["finished"].at < pair["started"].at
