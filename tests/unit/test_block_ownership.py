"""Class block: the framework's rules reach the user's AGENTS.md, and the user's own text stays."""

from __future__ import annotations

from typing import Any

import pytest

from agentrail_runtime import ownership
from agentrail_runtime.decision import Policy
from agentrail_runtime.entry import RelPath, git_blob, sha256
from agentrail_runtime.errors import AgentRailError
from agentrail_runtime.known import Known
from tests.unit.support import HEX, Case, told, written


def text(body: bytes, before: bytes = b"mine\n", after: bytes = b"\nmore\n") -> bytes:
    return before + b"<!-- agentrail:begin -->\n" + body + b"<!-- agentrail:end -->" + after


def shipped(body: bytes) -> bytes:
    return text(body, b"# for the framework's own repository\n", b"\n")


A, B, C = b"a\n", b"b\n", b"c\n"
MINE = b"mine\n"
DECLINED = "declined; the local version stays"
OVER = "edited locally; overwritten, the stash keeps it"
BROKEN = b"mine\n<!-- agentrail:begin -->\n"
HALF = "markers of the block (expected begin, end, got begin)"


def block(base: bytes | None, current: bytes | None, incoming: bytes | None, **more: Any) -> Case:
    framework = None if incoming is None else shipped(incoming)
    return Case(base, current, framework, path="AGENTS.md", ownership="block", **more)


# base, file, incoming, policy: action, reason, bytes written
ROWS: list[tuple[Any, ...]] = [
    (None, None, A, "abort", "create", "new", text(A, b"", b"\n")),
    (None, MINE, A, "abort", "update", "block added; the rest is yours", text(A, after=b"\n")),
    (None, b"mine", A, "abort", "update", "block added; the rest is yours", text(A, after=b"")),
    (None, b"", A, "abort", "update", "block added; the rest is yours", text(A, b"", b"")),
    (None, text(A), A, "abort", "unchanged", "block as delivered", None),
    (None, text(B), A, "abort", "conflict", "block not installed by agentrail", None),
    (None, text(B), A, "keep", "keep", DECLINED, None),
    (None, text(B), A, "merge", "conflict", "block: no base text to merge with", None),
    (None, text(B), A, "overwrite", "update", OVER, text(A)),
    (A, text(A), A, "abort", "unchanged", "block as delivered", None),
    (A, text(A), B, "abort", "update", "block changed by the framework", text(B)),
    (A, text(B), B, "abort", "unchanged", "block as delivered", None),
    (A, text(B), A, "abort", "keep", "block edited locally", None),
    (A, text(B), A, "overwrite", "update", OVER, text(A)),
    (A, text(B), C, "abort", "conflict", "block changed on both sides", None),
    (A, text(B), C, "keep", "keep", DECLINED, None),
    (A, text(B), C, "merge", "conflict", "block: both sides changed the same lines", None),
    (A, text(B), C, "overwrite", "update", OVER, text(C)),
    (A, MINE, A, "abort", "keep", "block deleted locally", None),
    (A, MINE, B, "abort", "keep", "block deleted locally", None),
    (A, MINE, B, "merge", "keep", "block deleted locally", None),
    (A, MINE, B, "overwrite", "update", "block deleted locally; restored", text(B, after=b"\n")),
    (A, None, A, "abort", "keep", "deleted locally", None),
    (A, None, B, "keep", "keep", "deleted locally", None),
    (A, None, B, "overwrite", "create", "block deleted locally; restored", text(B, b"", b"\n")),
    (A, None, None, "abort", None, None, None),
    (A, text(A), None, "abort", "update", "block removed; the rest is yours", b"mine\nmore\n"),
    (A, text(A, b"", b"\n"), None, "abort", "remove", "as delivered", None),
    (A, text(B), None, "abort", "keep", "block edited locally", None),
    (A, MINE, None, "abort", None, None, None),
    (None, BROKEN, A, "abort", "conflict", HALF, None),
    (A, BROKEN, A, "merge", "conflict", HALF, None),
    (A, BROKEN, B, "overwrite", "conflict", HALF, None),
    (A, BROKEN, B, "keep", "keep", DECLINED, None),
    (A, BROKEN, None, "abort", "keep", HALF, None),
    (None, b"caf\xe9\n", A, "abort", "conflict", "not UTF-8 text", None),
    (None, b"\0\n", A, "overwrite", "conflict", "not UTF-8 text", None),
    (None, b"\xff", A, "keep", "keep", DECLINED, None),
]


@pytest.mark.parametrize(("base", "current", "incoming", "policy", "action", "reason", "content"), ROWS)
def test_the_block_is_decided_as_a_file_is_and_the_rest_is_never_touched(
    base: bytes | None,
    current: bytes | None,
    incoming: bytes | None,
    policy: Policy,
    action: str | None,
    reason: str | None,
    content: bytes | None,
) -> None:
    case = block(base, current, incoming)
    decided = ownership.decide(case.side, case.rules(policy))
    assert told(decided) == ((action, reason) if action else None)
    assert written(decided) == content
    assert bool(decided.change) is (action in ("create", "update", "remove"))


@pytest.mark.parametrize(
    ("base", "current", "incoming", "policy"),
    [row[:4] for row in ROWS] + [(b"1\n2\n3\n", text(b"X\n2\n3\n"), b"1\n2\nY\n", "merge")],
)
def test_a_file_that_changes_between_plan_and_write_can_be_told(
    base: bytes | None, current: bytes | None, incoming: bytes | None, policy: Policy
) -> None:
    case = block(base, current, incoming)
    change = ownership.decide(case.side, case.rules(policy)).change
    if change is not None:
        assert (change.path, change.before) == ("AGENTS.md", case.side.state)


@pytest.mark.parametrize(
    ("base", "current", "incoming", "policy"), [row[:4] for row in ROWS if row[4] == "conflict"]
)
def test_a_conflict_leaves_the_record_as_it_was(
    base: bytes | None, current: bytes, incoming: bytes, policy: Policy
) -> None:
    case = block(base, current, incoming)
    assert ownership.decide(case.side, case.rules(policy)).record == case.side.record


def test_a_block_goes_into_a_file_of_mixed_line_ends_that_keeps_each_of_them() -> None:
    case = block(None, b"one\r\ntwo\nthree\n", A)
    decided = ownership.decide(case.side, case.rules())
    assert written(decided) == text(A, b"one\r\ntwo\nthree\n", b"\n")


def test_a_block_that_stands_there_already_is_recorded_with_the_whole_file_s_blob_id() -> None:
    case = block(None, text(A).replace(b"\n", b"\r\n"), A)
    decided = ownership.decide(case.side, case.rules())
    assert decided.record
    assert decided.record.git_blob == git_blob(text(A))


def test_the_record_is_of_the_text_between_the_markers() -> None:
    case = block(None, b"mine\r\n", A)
    decided = ownership.decide(case.side, case.rules())
    assert decided.record
    assert (decided.record.sha256, decided.record.size) == (sha256(A), len(A))
    assert decided.change
    assert decided.change.delivered
    assert decided.change.delivered() == A


def test_a_checkout_with_crlf_has_the_block_as_delivered() -> None:
    case = block(A, text(A).replace(b"\n", b"\r\n"), A)
    assert told(ownership.decide(case.side, case.rules())) == ("unchanged", "block as delivered")
    assert told(ownership.check(case.side, case.rules())) == ("unchanged", "block as delivered")


def test_an_unchanged_block_keeps_its_record_whatever_the_user_wrote_around_it() -> None:
    case = block(A, text(A, before=b"quite\nother\n"), A, extra={"later": 1})
    assert ownership.decide(case.side, case.rules()).record == case.side.record


def test_a_merge_of_a_block_writes_both_changes_and_records_the_framework_s() -> None:
    case = block(b"1\n2\n3\n", text(b"X\n2\n3\n"), b"1\n2\nY\n")
    decided = ownership.decide(case.side, case.rules("merge"))
    assert told(decided) == ("merge", "both sides' changes merged")
    assert written(decided) == text(b"X\n2\nY\n")
    assert decided.record
    assert decided.record.sha256 == sha256(b"1\n2\nY\n")
    assert decided.change
    assert decided.change.is_edited


@pytest.mark.parametrize(
    ("base", "current", "policy", "is_edited"),
    [
        (None, MINE, "abort", False),
        (A, text(A), "abort", False),
        (A, MINE, "overwrite", False),
        (A, text(B), "overwrite", True),
    ],
)
def test_the_stash_is_told_which_replaced_blocks_are_the_user_s(
    base: bytes | None, current: bytes, policy: Policy, is_edited: bool
) -> None:
    case = block(base, current, C)
    change = ownership.decide(case.side, case.rules(policy)).change
    assert change
    assert change.is_edited is is_edited


@pytest.mark.parametrize("current", [text(B), BROKEN])
def test_a_refused_block_is_no_conflict_again(current: bytes) -> None:
    case = block(A, current, C, declined=sha256(C))
    decided = ownership.decide(case.side, case.rules())
    assert told(decided) == ("keep", DECLINED)
    assert decided.record == case.side.record


@pytest.mark.parametrize("current", [text(B), BROKEN])
def test_another_block_than_the_refused_one_is_a_conflict_again(current: bytes) -> None:
    case = block(A, current, C, declined=HEX)
    decided = ownership.decide(case.side, case.rules())
    assert decided.action
    assert decided.action.action == "conflict"


@pytest.mark.parametrize(
    ("current", "end"), [(b"a\n", b"\n"), (b"a", b"\n"), (b"\na\r\n\r\n", b"\r\n")]
)
def test_the_framework_s_own_text_from_an_older_installer_is_not_doubled_and_keeps_its_line_ends(
    current: bytes, end: bytes
) -> None:
    case = block(None, current, A)
    decided = ownership.decide(case.side, case.rules())
    assert told(decided) == ("update", "the framework's own text, now between markers")
    assert written(decided) == text(A, b"", b"\n").replace(b"\n", end)


LEFT = ("update", "as an earlier release left it")


@pytest.mark.parametrize(
    ("current", "known", "content"),
    [
        # the whole file was the framework's: it becomes the block
        (b"old rules\n", b"old rules\n", text(A, b"", b"\n")),
        (b"old rules\r\n", b"old rules\n", text(A, b"", b"\n").replace(b"\n", b"\r\n")),
        # only its block was: the text around it stays
        (text(B), B, text(A)),
        (text(B).replace(b"\n", b"\r\n"), B, text(A).replace(b"\n", b"\r\n")),
        (text(B), text(B, b"", b"\n"), text(A)),
    ],
)
def test_what_an_earlier_release_left_is_brought_up_to_date_and_the_user_s_text_stays(
    current: bytes, known: bytes, content: bytes
) -> None:
    case = block(None, current, A)
    delivered = Known({RelPath("AGENTS.md"): frozenset({sha256(known)})})
    decided = ownership.decide(case.side, case.rules(known=lambda: delivered))
    assert (told(decided), written(decided)) == (LEFT, content)
    assert decided.record
    assert (decided.record.sha256, decided.record.size) == (sha256(A), 2)


@pytest.mark.parametrize(
    ("base", "current", "known"),
    [
        (None, text(B), b"another rule\n"),
        (None, MINE, b"another rule\n"),
        (C, text(B), B),
    ],
)
def test_a_text_that_no_earlier_release_had_there_is_the_user_s(
    base: bytes | None, current: bytes, known: bytes
) -> None:
    case = block(base, current, A)
    delivered = Known({RelPath("AGENTS.md"): frozenset({sha256(known)})})
    decided = ownership.decide(case.side, case.rules(known=lambda: delivered))
    assert told(decided) == told(ownership.decide(case.side, case.rules())) != LEFT


def test_a_file_of_hash_comments_from_an_earlier_release_gets_a_block_in_hash_comments() -> None:
    case = Case(None, b"*.tmp\n", b"*.log\n", path=".ignore", ownership="block")
    delivered = Known({RelPath(".ignore"): frozenset({sha256(b"*.tmp\n")})})
    decided = ownership.decide(case.side, case.rules(known=lambda: delivered))
    assert written(decided) == b"# agentrail:begin\n*.log\n# agentrail:end\n"


def test_an_empty_block_does_not_take_an_empty_file_for_its_own() -> None:
    case = block(None, b"\n", b"")
    assert told(ownership.decide(case.side, case.rules())) == (
        "update",
        "block added; the rest is yours",
    )


def test_a_file_without_markers_in_an_older_bundle_is_a_block_as_a_whole() -> None:
    case = Case(None, MINE, b"rules\r\n", path="AGENTS.md", ownership="block")
    decided = ownership.decide(case.side, case.rules())
    assert written(decided) == text(b"rules\n", after=b"\n")


@pytest.mark.parametrize("whole", [b"rules\n", b"rules", b"\n", b""])
def test_a_block_from_an_older_bundle_is_not_drift_the_moment_it_is_installed(whole: bytes) -> None:
    case = Case(None, MINE, whole, path="AGENTS.md", ownership="block")
    decided = ownership.decide(case.side, case.rules())
    after = Case(None, written(decided), whole, path="AGENTS.md", ownership="block")
    side = after.side._replace(record=decided.record)
    assert told(ownership.check(side, after.rules())) == ("unchanged", "block as delivered")
    assert told(ownership.decide(side, after.rules())) == ("unchanged", "block as delivered")


def test_a_bundle_with_half_a_block_is_refused_as_a_source_and_no_internal_error() -> None:
    case = Case(None, MINE, BROKEN, path="AGENTS.md", ownership="block")
    with pytest.raises(AgentRailError, match=r"AGENTS\.md: ") as caught:
        ownership.decide(case.side, case.rules())
    assert (caught.value.code, caught.value.paths) == (6, ("AGENTS.md",))
    assert caught.value.hint == "fetch the bundle again, or mend its markers"


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (text(A), ("update", "block removed; the rest is yours")),
        (text(A, b"", b"\n"), ("remove", "as delivered")),
        (text(B), ("keep", "block edited locally")),
        (BROKEN, ("keep", HALF)),
        (b"\xff", ("keep", "not UTF-8 text")),
        (MINE, None),
    ],
)
def test_an_uninstall_takes_the_block_out_and_nothing_else(
    current: bytes, expected: tuple[str, str] | None
) -> None:
    case = block(A, current, None)
    decided = ownership.remove(case.side, case.rules())
    assert told(decided) == expected
    assert decided.change is None or decided.change.before == case.side.state


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (text(A), ("unchanged", "block as delivered")),
        (text(A, before=b"other\n"), ("unchanged", "block as delivered")),
        (text(B), ("keep", "block edited locally")),
        (MINE, ("keep", "block deleted locally")),
        (BROKEN, ("keep", HALF)),
        (None, ("keep", "deleted locally")),
    ],
)
def test_a_verify_looks_at_the_block_alone(current: bytes | None, expected: tuple[str, str]) -> None:
    case = block(A, current, None)
    assert told(ownership.check(case.side, case.rules())) == expected
