"""The way of a release: policy, phases, events, the gate, compatibility. All of it pure."""
