"""``python -m agentrail_runtime`` is ``agentrail``."""

from agentrail_runtime.cli.start import agentrail

agentrail()
