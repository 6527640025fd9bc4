"""Class managed: the framework's files are brought up to date, and no local edit is ever lost."""

from __future__ import annotations

from typing import Any

import pytest

from agentrail_runtime import ownership
from agentrail_runtime.decision import Policy
from agentrail_runtime.entry import RelPath, git_blob, sha256
from agentrail_runtime.known import Known
from agentrail_runtime.ownership import managed
from agentrail_runtime.receipt import Record
from tests.unit.support import HEX, Case, record, told, written

A, B, C = b"a\n", b"b\n", b"c\n"
GONE = None
UPDATED, REMOVED = "changed by the framework", "removed by the framework"
REMOVED_EDITED = "removed by the framework; edited locally"
OVER = "edited locally; overwritten, the stash keeps it"
RESTORED = "deleted locally; restored"
BOTH, NOT_OURS = "changed on both sides", "not installed by agentrail"
DECLINED = "declined; the local version stays"

# base, current, incoming, policy: action, reason, bytes written
Row = tuple[bytes | None, bytes | None, bytes | None, Policy, str | None, str | None, bytes | None]
SAME: list[tuple[Any, ...]] = [
    (GONE, GONE, A, "create", "new", A),
    (A, A, GONE, "remove", REMOVED, None),
    (A, B, GONE, "keep", REMOVED_EDITED, None),
    (A, GONE, GONE, None, None, None),
    (GONE, A, A, "unchanged", "as delivered", None),
    (A, A, A, "unchanged", "as delivered", None),
    (A, A, B, "update", UPDATED, B),
    (A, B, B, "unchanged", "as delivered", None),
]
DIFFERENT: list[Row] = [
    (A, GONE, A, "abort", "keep", "deleted locally", None),
    (A, GONE, A, "keep", "keep", "deleted locally", None),
    (A, GONE, A, "merge", "keep", "deleted locally", None),
    (A, GONE, A, "overwrite", "create", RESTORED, A),
    (A, GONE, B, "abort", "keep", "deleted locally", None),
    (A, GONE, B, "keep", "keep", "deleted locally", None),
    (A, GONE, B, "merge", "keep", "deleted locally", None),
    (A, GONE, B, "overwrite", "create", RESTORED, B),
    (GONE, A, B, "abort", "conflict", NOT_OURS, None),
    (GONE, A, B, "keep", "keep", DECLINED, None),
    (GONE, A, B, "merge", "conflict", "no base text to merge with", None),
    (GONE, A, B, "overwrite", "update", OVER, B),
    (A, B, A, "abort", "keep", "edited locally", None),
    (A, B, A, "keep", "keep", "edited locally", None),
    (A, B, A, "merge", "keep", "edited locally", None),
    (A, B, A, "overwrite", "update", OVER, A),
    (A, B, C, "abort", "conflict", BOTH, None),
    (A, B, C, "keep", "keep", DECLINED, None),
    (A, B, C, "merge", "conflict", "both sides changed the same lines", None),
    (A, B, C, "overwrite", "update", OVER, C),
]
POLICIES: tuple[Policy, ...] = ("abort", "keep", "merge", "overwrite")
ROWS: list[Row] = [(*row[:3], policy, *row[3:]) for row in SAME for policy in POLICIES] + DIFFERENT


@pytest.mark.parametrize(("base", "current", "incoming", "policy", "action", "reason", "content"), ROWS)
def test_every_pattern_under_every_policy_does_what_the_contract_says(
    base: bytes | None,
    current: bytes | None,
    incoming: bytes | None,
    policy: Policy,
    action: str | None,
    reason: str | None,
    content: bytes | None,
) -> None:
    case = Case(base, current, incoming)
    decided = ownership.decide(case.side, case.rules(policy))
    assert told(decided) == ((action, reason) if action else None)
    assert written(decided) == content
    assert bool(decided.change) is (action in ("create", "update", "remove"))


@pytest.mark.parametrize(("base", "current", "incoming", "policy", "action", "reason", "content"), ROWS)
def test_the_base_advances_only_where_the_change_was_delivered(
    base: bytes | None,
    current: bytes | None,
    incoming: bytes | None,
    policy: Policy,
    action: str | None,
    reason: str | None,
    content: bytes | None,
) -> None:
    case = Case(base, current, incoming)
    decided = ownership.decide(case.side, case.rules(policy))
    recorded = decided.record.sha256 if decided.record else None
    is_delivered = action in ("create", "update", "unchanged") and incoming is not None
    expected = incoming if is_delivered else base if incoming is not None else None
    assert recorded == (None if expected is None else sha256(expected))


@pytest.mark.parametrize(
    ("base", "current", "incoming", "policy"),
    [row[:4] for row in ROWS]
    + [(b"1\n2\n3\n", b"X\n2\n3\n", b"1\n2\nY\n", "merge"), (GONE, A, A, "abort")],
)
def test_a_file_that_changes_between_plan_and_write_can_be_told(
    base: bytes | None, current: bytes | None, incoming: bytes | None, policy: Policy
) -> None:
    case = Case(base, current, incoming, executable=True)
    change = ownership.decide(case.side, case.rules(policy)).change
    if change is not None:
        assert (change.path, change.before) == ("docs/guide.md", case.side.state)


@pytest.mark.parametrize(
    ("current", "policy", "is_edited"),
    [(B, "overwrite", True), (A, "overwrite", False), (GONE, "overwrite", False)],
)
@pytest.mark.parametrize("incoming", [A, C])
def test_the_stash_is_told_which_replaced_bytes_are_the_user_s(
    current: bytes | None, policy: Policy, is_edited: bool, incoming: bytes
) -> None:
    case = Case(A, current, incoming, executable=True)
    change = ownership.decide(case.side, case.rules(policy)).change
    assert change
    assert change.is_edited is is_edited


def test_what_was_delivered_is_kept_as_the_base_of_a_later_merge() -> None:
    case = Case(A, A, B)
    change = ownership.decide(case.side, case.rules()).change
    assert change
    assert change.delivered
    assert change.delivered() == B


@pytest.mark.parametrize("current", [A, GONE])
def test_the_texts_of_a_big_bundle_are_not_all_held_until_they_are_written(
    current: bytes | None,
) -> None:
    case = Case(current, current, B)
    decided = ownership.decide(case.side, case.rules())
    case.texts.bundle["docs/guide.md"] = b"read now\n"
    assert written(decided) == b"read now\n"


def test_an_update_keeps_the_line_ends_of_the_checkout() -> None:
    case = Case(b"1\n2\n", b"1\r\n2\r\n", b"1\n3\n")
    decided = ownership.decide(case.side, case.rules())
    assert written(decided) == b"1\r\n3\r\n"
    assert decided.record
    assert decided.record.sha256 == sha256(b"1\n3\n")


def test_a_new_record_has_the_blob_id_of_the_new_text() -> None:
    case = Case(A, A, B)
    decided = ownership.decide(case.side, case.rules())
    assert decided.record
    assert (decided.record.git_blob, decided.record.size) == (git_blob(B), 2)


def test_a_record_of_the_same_text_keeps_its_blob_id_and_needs_no_reading() -> None:
    case = Case(A, A, A)
    case.texts.bundle.clear()
    assert ownership.decide(case.side, case.rules()).record == case.side.record


def test_keys_of_a_newer_installer_survive_an_update() -> None:
    case = Case(A, A, B, extra={"later": 1})
    decided = ownership.decide(case.side, case.rules())
    assert decided.record
    assert decided.record.extra == {"later": 1}


# --- left by an earlier release -------------------------------------------------------------------


@pytest.mark.parametrize(("current", "content"), [(B, C), (b"b\r\n", b"c\r\n")])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_file_that_was_copied_in_from_an_earlier_release_is_brought_up_to_date(
    current: bytes, content: bytes, policy: Policy
) -> None:
    case = Case(GONE, current, C)
    known = Known({RelPath("docs/guide.md"): frozenset({sha256(B)})})
    decided = ownership.decide(case.side, case.rules(policy, known=lambda: known))
    assert told(decided) == ("update", "as an earlier release left it")
    assert written(decided) == content
    assert decided.record
    assert decided.record.sha256 == sha256(C)
    assert decided.change
    assert not decided.change.is_edited


def test_a_new_file_is_new_whatever_earlier_releases_had_there() -> None:
    case = Case(GONE, GONE, C)
    known = Known({RelPath("docs/guide.md"): frozenset({sha256(B)})})
    decided = ownership.decide(case.side, case.rules(known=lambda: known))
    assert told(decided) == ("create", "new")


# --- declined -------------------------------------------------------------------------------------


def test_a_refused_change_is_remembered_and_the_old_base_stays() -> None:
    case = Case(A, B, C)
    decided = ownership.decide(case.side, case.rules("keep"))
    assert case.side.record
    assert decided.record == case.side.record._replace(declined=sha256(C))


def test_a_refused_file_that_was_never_installed_has_a_record_without_base() -> None:
    case = Case(GONE, B, C)
    decided = ownership.decide(case.side, case.rules("keep"))
    assert decided.record
    assert decided.record == Record(
        RelPath("docs/guide.md"), "managed", None, None, None, declined=sha256(C)
    )


def test_a_file_that_becomes_the_framework_s_own_is_recorded_as_such_though_it_is_refused() -> None:
    case = Case(A, B, C)
    side = case.side._replace(record=record("docs/guide.md", A, "seed"))
    decided = ownership.decide(side, case.rules("keep"))
    assert decided.record == record("docs/guide.md", A, "managed", declined=sha256(C))


@pytest.mark.parametrize("base", [A, GONE])
def test_the_same_change_is_no_conflict_again(base: bytes | None) -> None:
    case = Case(base, B, C, declined=sha256(C))
    assert told(ownership.decide(case.side, case.rules())) == ("keep", DECLINED)


@pytest.mark.parametrize("base", [A, GONE])
def test_another_change_is_a_conflict_again(base: bytes | None) -> None:
    case = Case(base, B, C, declined=sha256(b"older\n"))
    decided = ownership.decide(case.side, case.rules())
    assert told(decided) == ("conflict", BOTH if base else NOT_OURS)
    assert decided.record == case.side.record


def test_a_later_merge_starts_from_the_old_base() -> None:
    case = Case(b"1\n2\n3\n", b"X\n2\n3\n", b"1\n2\nY\n", declined=sha256(b"1\n2\nY\n"))
    decided = ownership.decide(case.side, case.rules("merge"))
    assert told(decided) == ("merge", "both sides' changes merged")
    assert written(decided) == b"X\n2\nY\n"


def test_a_delivered_change_is_no_longer_refused() -> None:
    case = Case(A, B, C, declined=sha256(C))
    decided = ownership.decide(case.side, case.rules("overwrite"))
    assert decided.record
    assert decided.record.declined is None


# --- merge ----------------------------------------------------------------------------------------


def test_a_merge_writes_both_changes_and_advances_the_base() -> None:
    case = Case(b"1\n2\n3\n", b"X\r\n2\r\n3\r\n", b"1\n2\nY\n")
    decided = ownership.decide(case.side, case.rules("merge"))
    assert written(decided) == b"X\r\n2\r\nY\r\n"
    assert decided.record
    assert decided.record.sha256 == sha256(b"1\n2\nY\n")
    assert decided.change
    assert decided.change.is_edited
    assert decided.change.delivered
    assert decided.change.delivered() == b"1\n2\nY\n"


@pytest.mark.parametrize("bit", [True, False])
def test_a_merge_brings_the_framework_s_mode(bit: bool) -> None:
    case = Case(b"1\n2\n3\n", b"X\n2\n3\n", b"1\n2\nY\n", executable=bit)
    decided = ownership.decide(case.side, case.rules("merge"))
    assert decided.change
    assert decided.change.executable is bit


def test_a_merge_without_the_base_text_is_a_conflict() -> None:
    case = Case(b"1\n2\n3\n", b"X\n2\n3\n", b"1\n2\nY\n")
    case.texts.bases.clear()
    decided = ownership.decide(case.side, case.rules("merge"))
    assert told(decided) == ("conflict", "no base text to merge with")
    assert decided.record == case.side.record


@pytest.mark.parametrize("binary", [0, 1, 2])
def test_a_binary_edited_on_both_sides_is_always_a_conflict(binary: int) -> None:
    sides = [b"1\n2\n3\n", b"X\n2\n3\n", b"1\n2\nY\n"]
    sides[binary] += b"\0"
    case = Case(*sides)
    decided = ownership.decide(case.side, case.rules("merge"))
    assert told(decided) == ("conflict", "both sides changed the same lines")


# --- modes ----------------------------------------------------------------------------------------

MODES = [
    # recorded, current, incoming: action, reason, bit written
    (False, False, False, "unchanged", "as delivered", None),
    (False, False, True, "update", "mode changed by the framework", True),
    (True, True, False, "update", "mode changed by the framework", False),
    (True, True, True, "unchanged", "as delivered", None),
    (False, True, False, "keep", "mode changed locally", None),
    (True, False, True, "keep", "mode changed locally", None),
    (True, False, False, "unchanged", "as delivered", None),
    (False, True, True, "unchanged", "as delivered", None),
]


@pytest.mark.parametrize(("old", "now", "new", "action", "reason", "bit"), MODES)
def test_a_change_of_mode_alone_is_an_update_and_the_user_s_is_kept(
    old: bool, now: bool, new: bool, action: str, reason: str, bit: bool | None
) -> None:
    mode = 0o755 if now else 0o644
    # With `executable` there is a record even where the base is the only thing said of it.
    case = Case(A, A, A, mode=mode, executable=new)
    side = case.side._replace(record=case.side.record and case.side.record._replace(executable=old))
    decided = ownership.decide(side, case.rules())
    assert told(decided) == (action, reason)
    assert (decided.change.executable if decided.change else None) is bit
    assert written(decided) == (A if decided.change else None)
    assert decided.record
    assert decided.record.executable is new


def test_overwrite_restores_the_mode_as_well() -> None:
    case = Case(A, A, A, mode=0o755)
    decided = ownership.decide(case.side, case.rules("overwrite"))
    assert told(decided) == ("update", "mode changed by the framework")
    assert decided.change
    assert decided.change.executable is False


def test_a_first_install_over_the_same_bytes_brings_the_mode() -> None:
    case = Case(GONE, A, A, executable=True)
    decided = ownership.decide(case.side, case.rules())
    assert told(decided) == ("update", "mode changed by the framework")


def test_a_mode_that_changed_upstream_reaches_a_file_that_the_user_edited() -> None:
    case = Case(A, B, A, executable=True)
    decided = ownership.decide(case.side, case.rules())
    assert told(decided) == ("update", "mode changed by the framework; edited locally")
    assert written(decided) == B


@pytest.mark.parametrize(("current", "mode"), [(A, 0o644), (A, 0o755), (B, 0o644)])
def test_a_file_system_without_modes_has_no_drift_of_modes(current: bytes, mode: int) -> None:
    case = Case(A, current, A, mode=mode, executable=True)
    decided = ownership.decide(case.side, case.rules(has_modes=False))
    assert told(decided) in (("unchanged", "as delivered"), ("keep", "edited locally"))
    assert decided.change is None


def test_an_update_where_every_file_looks_executable_does_not_make_one_of_it() -> None:
    case = Case(A, A, B, mode=0o755)
    change = ownership.decide(case.side, case.rules(has_modes=False)).change
    assert change
    assert change.executable is False


@pytest.mark.parametrize(
    ("mode", "has_modes", "policy", "bit"),
    [
        (0o644, True, "abort", True),
        (0o755, True, "abort", True),
        (0o755, False, "abort", True),
        (0o755, True, "overwrite", True),
    ],
)
def test_an_update_brings_the_framework_s_mode(
    mode: int, has_modes: bool, policy: Policy, bit: bool
) -> None:
    case = Case(A, A, B, mode=mode, executable=True)
    change = ownership.decide(case.side, case.rules(policy, has_modes=has_modes)).change
    assert change
    assert change.executable is bit


def test_an_update_keeps_a_mode_that_the_user_changed() -> None:
    case = Case(A, A, B, mode=0o755)
    change = ownership.decide(case.side, case.rules()).change
    assert change
    assert change.executable is True


# --- nothing differs ------------------------------------------------------------------------------

NOTHING: dict[str, Any] = {}
BIT = {"executable": True}
SETTLED = {
    "nothing differs": (NOTHING, NOTHING, NOTHING, True, True),
    "another base": ({"sha256": HEX}, NOTHING, NOTHING, True, False),
    "another text in the target": (NOTHING, {"sha256": HEX}, NOTHING, True, False),
    "another text in the source": (NOTHING, NOTHING, {"sha256": HEX}, True, False),
    "another size in the receipt": ({"size": 3}, NOTHING, NOTHING, True, False),
    "a seed until now": ({"ownership": "seed"}, NOTHING, NOTHING, True, False),
    "a seed from now on": (NOTHING, NOTHING, {"ownership": "seed"}, True, False),
    "a seed": ({"ownership": "seed"}, NOTHING, {"ownership": "seed"}, True, False),
    "refused once": ({"declined": HEX}, NOTHING, NOTHING, True, False),
    "executable": (BIT, {"mode": 0o755}, BIT, True, True),
    "executable for others alone": (NOTHING, {"mode": 0o655}, NOTHING, True, True),
    "executable from now on": (NOTHING, NOTHING, BIT, True, False),
    "executable until now": (BIT, {"mode": 0o755}, NOTHING, True, False),
    "executable in the target alone": (NOTHING, {"mode": 0o755}, NOTHING, True, False),
    "everything is executable": (NOTHING, {"mode": 0o755}, NOTHING, False, True),
    "nothing is executable": (BIT, NOTHING, BIT, False, True),
    "a link to the same text": (NOTHING, {"kind": "link"}, NOTHING, True, False),
}


@pytest.mark.parametrize(
    ("known", "found", "new", "has_modes", "expected"), SETTLED.values(), ids=SETTLED
)
def test_a_file_is_passed_over_only_where_nothing_at_all_differs(
    known: dict[str, Any],
    found: dict[str, Any],
    new: dict[str, Any],
    has_modes: bool,
    expected: bool,
) -> None:
    case = Case(A, A, A)
    assert case.side.record
    assert case.side.entry
    record, state = case.side.record._replace(**known), case.side.state._replace(**found)
    row = case.side.entry._replace(**new)
    assert managed.is_settled(record, state, row, has_modes=has_modes) is expected
    if expected:
        side = case.side._replace(record=record, state=state, entry=row)
        decided = ownership.decide(side, case.rules(has_modes=has_modes))
        assert (told(decided), decided.change) == (("unchanged", "as delivered"), None)
        assert decided.record == record


STANDS = {
    "nothing differs": (NOTHING, NOTHING, True, True),
    "another text in the target": (NOTHING, {"sha256": HEX}, True, False),
    "another base": ({"sha256": HEX}, NOTHING, True, False),
    "a seed": ({"ownership": "seed"}, NOTHING, True, False),
    "a link to the same text": (NOTHING, {"kind": "link"}, True, False),
    "executable": (BIT, {"mode": 0o755}, True, True),
    "executable for others alone": (NOTHING, {"mode": 0o655}, True, True),
    "executable in the target alone": (NOTHING, {"mode": 0o755}, True, False),
    "executable in the receipt alone": (BIT, NOTHING, True, False),
    "everything is executable": (NOTHING, {"mode": 0o755}, False, True),
    "nothing is executable": (BIT, NOTHING, False, True),
}


@pytest.mark.parametrize(("known", "found", "has_modes", "expected"), STANDS.values(), ids=STANDS)
def test_a_verify_passes_over_a_file_only_where_nothing_at_all_differs(
    known: dict[str, Any], found: dict[str, Any], has_modes: bool, expected: bool
) -> None:
    case = Case(A, A, None)
    assert case.side.record
    record, state = case.side.record._replace(**known), case.side.state._replace(**found)
    assert managed.is_as_delivered(record, state, has_modes=has_modes) is expected


# --- uninstall and verify -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "current", "expected"),
    [
        (A, A, ("remove", "as delivered")),
        (A, B, ("keep", "edited locally")),
        (A, GONE, None),
        (b"1\n2\n", b"1\r\n2\r\n", ("remove", "as delivered")),
    ],
)
def test_an_uninstall_removes_only_what_nobody_edited(
    base: bytes, current: bytes | None, expected: tuple[str, str] | None
) -> None:
    case = Case(base, current, None)
    decided = ownership.remove(case.side, case.rules())
    assert told(decided) == expected
    assert bool(decided.change) is (expected is not None and expected[0] == "remove")


def test_an_uninstall_leaves_a_file_that_was_only_declined() -> None:
    case = Case(GONE, B, None, declined=HEX)
    assert told(ownership.remove(case.side, case.rules())) == ("keep", "edited locally")


@pytest.mark.parametrize(
    ("current", "mode", "expected"),
    [
        (A, 0o644, ("unchanged", "as delivered")),
        (B, 0o644, ("keep", "edited locally")),
        (GONE, 0o644, ("keep", "deleted locally")),
        (A, 0o755, ("keep", "mode changed locally")),
    ],
)
def test_a_verify_names_every_difference(
    current: bytes | None, mode: int, expected: tuple[str, str]
) -> None:
    case = Case(A, current, None, mode=mode)
    assert told(ownership.check(case.side, case.rules())) == expected


def test_a_verify_without_modes_does_not_look_at_them() -> None:
    case = Case(A, A, None, mode=0o755)
    decided = ownership.check(case.side, case.rules(has_modes=False))
    assert told(decided) == ("unchanged", "as delivered")


def test_a_verify_is_silent_about_a_file_that_was_declined() -> None:
    case = Case(GONE, B, None, declined=HEX)
    assert told(ownership.check(case.side, case.rules())) == ("unchanged", "declined; yours")
