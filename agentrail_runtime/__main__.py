"""``python -m agentrail_runtime`` is ``agentrail``."""

from agentrail_runtime.cli.main import main

main()
