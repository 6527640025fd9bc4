"""Which kind of channel the policy means, opened."""

from __future__ import annotations

from agentrail_runtime.channel import Channel, ChannelError
from agentrail_runtime.release.policy import ChannelPolicy


def open_channel(policy: ChannelPolicy, location: str | None = None) -> Channel:
    """Return a channel; nothing is read yet.

    Args:
        policy: what the policy says of it.
        location: the directory of static channels, instead of the one that the policy names.

    Raises:
        ChannelError: nobody says where it is.
    """
    if policy.kind == "devpi":
        from agentrail_runtime.devpi_channel import DevpiChannel

        return DevpiChannel(policy)
    if policy.kind == "twine":
        from agentrail_runtime.twine_channel import TwineChannel

        return TwineChannel(policy)
    root = location or policy.location
    if root is None:
        raise ChannelError(
            f"{policy.name}: no directory is named for it (channels.{policy.name}.location)",
            hint="name the directory of the channels: --location DIR",
        )
    from agentrail_runtime.static_channel import StaticChannel

    return StaticChannel(root, policy.name)
