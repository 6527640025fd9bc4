"""Mutation testing by hand: `python -m tests.mutation`; of it, only the list of survivors is a test."""
