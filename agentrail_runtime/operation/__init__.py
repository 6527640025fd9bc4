"""The use cases: the only wiring of source, target, planner and transaction."""
