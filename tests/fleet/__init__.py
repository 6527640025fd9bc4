"""Many repositories: the examples in docs/examples and the commands of docs/fleet.md, run for real."""
