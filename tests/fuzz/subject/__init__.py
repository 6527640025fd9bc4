"""Every reader that is fuzzed, a module for each kind of text."""
