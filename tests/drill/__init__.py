"""The release runbook, docs/release.md, run from end to end with real servers and real installs."""
