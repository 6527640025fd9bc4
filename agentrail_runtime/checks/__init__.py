"""The checks: pure over the texts of a repository, each finding with its place and its remedy."""
