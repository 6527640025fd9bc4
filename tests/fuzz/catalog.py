"""All targets by name."""

from __future__ import annotations

from typing import Final

from tests.fuzz.subject import document, event, markdown, page, pin, record, signature, text, yaml
from tests.fuzz.target import Target

_MODULES: Final = (document, event, markdown, page, pin, record, signature, text, yaml)

TARGETS: Final[dict[str, Target]] = {
    target.name: target for module in _MODULES for target in module.TARGETS
}
