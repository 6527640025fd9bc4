"""All 15 ways in which base, current and incoming can be equal, under each policy.

The story is always the same: version 1 brings the base (or nothing), the user makes of it what they
like, version 2 brings the incoming bytes (or nothing).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.scenario.story import GUIDE, actions, agentrail, guide, install, record, stashed
from tests.support import snapshot, write

A = b"one\ntwo\nthree\nfour\nfive\n"
B = b"one, mine\ntwo\nthree\nfour\nfive\n"
C = b"one\ntwo\nthree\nfour\nfive, next\n"
MERGED = b"one, mine\ntwo\nthree\nfour\nfive, next\n"
POLICIES = ("abort", "keep", "overwrite", "merge")


class End(NamedTuple):
    """How it ends: exit code, reported action, the file, what the receipt has as base."""

    code: int
    action: str | None
    text: bytes | None
    base: bytes | None
    declined: bytes | None = None


def same(end: End) -> tuple[End, ...]:
    """Return `end` for every policy."""
    return (end,) * 4


TABLE: dict[tuple[bytes | None, bytes | None, bytes | None], tuple[End, ...]] = {
    # never there, not the user's, not the framework's
    (None, None, None): same(End(0, None, None, None)),
    # new
    (None, None, A): same(End(0, "create", A, A)),
    # the user's alone
    (None, B, None): same(End(0, None, B, None)),
    # the user wrote what the framework brings
    (None, A, A): same(End(0, "unchanged", A, A)),
    # the user wrote something else
    (None, B, C): (
        End(3, "conflict", B, None),
        End(0, "keep", B, None, C),
        End(0, "update", C, C),
        End(3, "conflict", B, None),
    ),
    # both removed it
    (A, None, None): same(End(0, None, None, None)),
    # the framework removed it
    (A, A, None): same(End(0, "remove", None, None)),
    # the framework removed it, the user had edited it
    (A, B, None): same(End(0, "keep", B, None)),
    # the user deleted it
    (A, None, A): (
        End(0, "keep", None, A),
        End(0, "keep", None, A),
        End(0, "create", A, A),
        End(0, "keep", None, A),
    ),
    # the user deleted it, the framework changed it
    (A, None, C): (
        End(0, "keep", None, A),
        End(0, "keep", None, A),
        End(0, "create", C, C),
        End(0, "keep", None, A),
    ),
    # nobody changed it
    (A, A, A): same(End(0, "unchanged", A, A)),
    # the framework changed it
    (A, A, C): same(End(0, "update", C, C)),
    # the user changed it
    (A, B, A): (
        End(0, "keep", B, A),
        End(0, "keep", B, A),
        End(0, "update", A, A),
        End(0, "keep", B, A),
    ),
    # both made the same change
    (A, C, C): same(End(0, "unchanged", C, C)),
    # both changed it, apart
    (A, B, C): (
        End(3, "conflict", B, A),
        End(0, "keep", B, A, C),
        End(0, "update", C, C),
        End(0, "merge", MERGED, C),
    ),
}

NAMES = {None: "-", A: "A", B: "B", C: "C"}
CASES = [
    pytest.param(*sides, policy, end, id=f"{''.join(NAMES[side] for side in sides)}-{policy}")
    for sides, ends in TABLE.items()
    for policy, end in zip(POLICIES, ends, strict=True)
]


def sha256(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def arrange(repo: Path, tmp_path: Path, base: bytes | None, current: bytes | None) -> None:
    """Install version 1 with `base` and make `current` of it."""
    assert install(repo, bundle=guide(tmp_path / "v1", base)).code == 0
    if current is not None:
        write(repo, {GUIDE: current})
    elif base is not None:
        (repo / GUIDE).unlink()


def test_the_table_has_every_pattern() -> None:
    assert len(TABLE) == 15
    patterns = {(b is None, c is None, i is None, b == c, c == i, b == i) for b, c, i in TABLE}
    assert len(patterns) == 15


@pytest.mark.parametrize(("base", "current", "incoming", "policy", "end"), CASES)
def test_a_policy_does_to_a_file_what_it_says(
    repo: Path,
    tmp_path: Path,
    base: bytes | None,
    current: bytes | None,
    incoming: bytes | None,
    policy: str,
    end: End,
) -> None:
    arrange(repo, tmp_path, base, current)
    newer = guide(tmp_path / "v2", incoming, "1.1.0", release_seq=2)
    run = install(repo, "--json", "--on-conflict", policy, bundle=newer)
    assert (run.code, actions(run).get(GUIDE)) == (end.code, end.action)
    assert ((repo / GUIDE).read_bytes() if (repo / GUIDE).exists() else None) == end.text
    known = record(repo)
    assert (known and known["sha256"]) == sha256(end.base)
    assert (known and known.get("declined")) == sha256(end.declined)


@pytest.mark.parametrize(("base", "current", "incoming", "policy", "end"), CASES)
def test_no_byte_of_the_users_is_lost_and_the_output_says_where_it_is(
    repo: Path,
    tmp_path: Path,
    base: bytes | None,
    current: bytes | None,
    incoming: bytes | None,
    policy: str,
    end: End,
) -> None:
    arrange(repo, tmp_path, base, current)
    newer = guide(tmp_path / "v2", incoming, "1.1.0", release_seq=2)
    run = install(repo, "--on-conflict", policy, bundle=newer)
    is_replaced = current == B and end.text != B
    assert (current in stashed(repo).get(GUIDE, set())) or not is_replaced
    told = f"{GUIDE}: your version is kept in .agentrail/state/stash/"
    assert (told in run.err) is is_replaced


@pytest.mark.parametrize(("base", "current", "incoming", "policy", "end"), CASES)
def test_the_next_plain_run_has_nothing_to_write_or_the_same_conflict(
    repo: Path,
    tmp_path: Path,
    base: bytes | None,
    current: bytes | None,
    incoming: bytes | None,
    policy: str,
    end: End,
) -> None:
    arrange(repo, tmp_path, base, current)
    newer = guide(tmp_path / "v2", incoming, "1.1.0", release_seq=2)
    install(repo, "--on-conflict", policy, bundle=newer)
    before = snapshot(repo, with_state=True, with_times=True)
    run = install(repo, "--json", bundle=newer)
    assert (run.code, run.json["result"]) == ((3, "conflict") if end.code else (0, "unchanged"))
    assert snapshot(repo, with_state=True, with_times=True) == before


@pytest.mark.parametrize(("base", "current", "incoming", "policy", "end"), CASES)
def test_a_rollback_gives_back_the_very_tree_from_before(
    repo: Path,
    tmp_path: Path,
    base: bytes | None,
    current: bytes | None,
    incoming: bytes | None,
    policy: str,
    end: End,
) -> None:
    arrange(repo, tmp_path, base, current)
    before = snapshot(repo)
    newer = guide(tmp_path / "v2", incoming, "1.1.0", release_seq=2)
    if install(repo, "--on-conflict", policy, bundle=newer).code == 0:
        assert agentrail("rollback", repo).code == 0
    assert snapshot(repo) == before


@pytest.mark.parametrize("option", ["-f", "--force"])
def test_force_is_overwrite(repo: Path, tmp_path: Path, option: str) -> None:
    arrange(repo, tmp_path, A, B)
    assert install(repo, option, bundle=guide(tmp_path / "v2", C, "1.1.0")).code == 0
    assert (repo / GUIDE).read_bytes() == C
    assert stashed(repo)[GUIDE] == {B}
