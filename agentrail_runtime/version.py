"""Which release this is. Set the version in ``pyproject.toml`` to the same."""

from __future__ import annotations

from typing import Final

__version__: Final = "1.0.0"

RELEASE_SEQ: Final = 1
"""Counts up with every release, so that an older signed bundle is known for one."""

PROFILE_SCHEMA_VERSIONS: Final = ("2.0.0",)
"""The ``schema_version`` of profiles that this runtime works with."""
