"""Hostile bytes for everything that is read: see `tests.fuzz.__main__` for how to run it."""
