"""Who may bring a release where: what the policy says of the person who acts and the one who approves.

Names are what a person says of themselves. They make an accident hard, not an attack: that is the
business of the access rights of an index, and of signatures.
"""

from __future__ import annotations

from agentrail_runtime.errors import AgentRailError
from agentrail_runtime.release.policy import Policy, Stage


class AuthorityError(AgentRailError):
    """The policy names others for that; nothing was done."""


def check_actor(policy: Policy, channel: Stage, actor: str | None) -> str:
    """Make sure that somebody may publish to a channel or withdraw from it.

    Args:
        policy: names the owner of the channel, and who publishes.
        channel: the channel.
        actor: who acts, None if unnamed.

    Returns:
        A note where the policy names nobody, else an empty text.

    Raises:
        AuthorityError: the policy names others.
    """
    duty = policy.duties["publishing"]
    named = [name for name in (policy.channels[channel].owner, duty.owner, duty.backup) if name]
    if not named:
        return f"the policy names nobody who may publish to {channel}: anybody may"
    if actor is None or _plain(actor) not in map(_plain, named):
        raise AuthorityError(
            f"{channel}: {_said(actor)} may not publish there (expected {_listed(named)})",
            hint="say who acts with --actor NAME or AGENTRAIL_ACTOR, or have one of them do it",
        )
    return ""


def check_approver(policy: Policy, channel: Stage, approver: str, actor: str | None) -> str:
    """Make sure that somebody else than the one who acts approved, and may.

    Args:
        policy: names the approvers of the channel.
        channel: the channel that a version is to get into.
        approver: who approved.
        actor: who acts, None if unnamed.

    Returns:
        A note where the policy names nobody, else an empty text.

    Raises:
        AuthorityError: it is the same person, or the policy names others.
    """
    if not _plain(approver):
        raise AuthorityError("--approver: an empty name", hint="say who approved: --approver NAME")
    if actor is not None and _plain(approver) == _plain(actor):
        raise AuthorityError(
            f"{channel}: {approver} acts and approves (expected two persons)",
            hint="have somebody else approve: --approver NAME",
        )
    named = policy.channels[channel].approvers
    if not named:
        return f"the policy names no approver of {channel}: anybody may approve"
    if _plain(approver) not in map(_plain, named):
        raise AuthorityError(
            f"{channel}: {approver} may not approve (expected {_listed(named)})",
            hint="have one of them approve: --approver NAME",
        )
    return ""


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def _said(actor: str | None) -> str:
    return "an unnamed person" if actor is None else actor


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return " or ".join(dict.fromkeys(names))
