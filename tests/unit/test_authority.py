"""Who may act and who may approve: the policy's names, and never one person alone."""

from __future__ import annotations

import pytest

from agentrail_runtime.release.authority import AuthorityError, check_actor, check_approver
from agentrail_runtime.release.policy import Duty, Policy, load
from tests.support import PAYLOAD

SHIPPED = load((PAYLOAD / "distribution.yaml").read_bytes())


def policy(
    owner: str | None = None, approvers: tuple[str, ...] = (), duty: str | None = None
) -> Policy:
    pilot = SHIPPED.channels["pilot"]._replace(owner=owner, approvers=approvers)
    duties = {**SHIPPED.duties, "publishing": Duty(None, duty)}
    return SHIPPED._replace(channels={**SHIPPED.channels, "pilot": pilot}, duties=duties)


@pytest.mark.parametrize("actor", ["Ann Lee", " ann  lee ", "Backup"])
def test_owner_and_backup_may_publish(actor: str) -> None:
    assert check_actor(policy("Ann Lee", duty="Backup"), "pilot", actor) == ""


@pytest.mark.parametrize("actor", [None, "", "Mallory"])
def test_nobody_else_may_publish(actor: str | None) -> None:
    with pytest.raises(AuthorityError, match=r"there .expected Ann Lee or Backup\)"):
        check_actor(policy("Ann Lee", duty="Backup"), "pilot", actor)


def test_where_nobody_is_named_it_is_said_that_anybody_may() -> None:
    assert "names nobody" in check_actor(policy(), "pilot", None)
    assert "names no approver" in check_approver(policy(), "pilot", "Ann", None)


def test_a_named_approver_may_approve() -> None:
    assert check_approver(policy(approvers=("Ann", "Bo")), "pilot", "bo", "Ann") == ""


@pytest.mark.parametrize(
    ("approver", "actor", "message"),
    [
        ("Ann", "ann ", "Ann acts and approves"),
        ("Cy", "Bo", "Cy may not approve .expected Ann or Bo"),
        (" ", "Bo", "an empty name"),
    ],
)
def test_nobody_approves_their_own_act_nor_without_being_named(
    approver: str, actor: str, message: str
) -> None:
    with pytest.raises(AuthorityError, match=message):
        check_approver(policy(approvers=("Ann", "Bo")), "pilot", approver, actor)
