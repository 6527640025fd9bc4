"""The few questions that are asked of the target's git; nothing in its repository is ever written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

# A hostile repository may configure programs to run: none of them is needed to answer.
_SAFE = (
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
)
_SECONDS = 10


class Ignored(NamedTuple):
    """A path that git ignores, and the rule that says so."""

    path: str
    rule: str


def work_tree(path: str) -> str | None:
    """Return the nearest directory, `path` or above it, that holds a ``.git``; None for none."""
    while True:
        if os.path.lexists(os.path.join(path, ".git")):
            return path
        above = os.path.dirname(path)
        if above == path:
            return None
        path = above


def blob(root: str, identifier: str) -> bytes | None:
    """Return the blob `identifier` (hex) of the repository at `root`, None where it has none.

    See git-cat-file(1). Nothing is fetched, from a partial clone neither.
    """
    return run(root, "cat-file", "blob", identifier)


def ignored(root: str, paths: Sequence[str]) -> list[Ignored]:
    """Return those of `paths` that git would not track, each with its rule (git-check-ignore(1))."""
    asked = "".join(f"{path}\0" for path in paths).encode()
    found = run(root, "check-ignore", "--verbose", "-z", "--stdin", text=asked)
    fields = found.decode("utf-8", "replace").split("\0") if found else []
    rows = zip(fields[0::4], fields[1::4], fields[2::4], fields[3::4], strict=False)
    return [
        Ignored(path, f"{source}:{line}:{pattern}")
        for source, line, pattern, path in rows
        if not pattern.startswith("!")
    ]


def executables(root: str) -> list[str]:
    """Return the tracked files below `root` that are executable, relative to it (git-ls-files(1))."""
    found = run(root, "ls-files", "--stage", "-z")
    rows = found.decode("utf-8", "replace").split("\0") if found else []
    return [row.partition("\t")[2] for row in rows if row.startswith("100755 ")]


def commit(root: str, revision: str) -> str | None:
    """Return the id of the commit that `revision` names (gitrevisions(7)); None where there is none."""
    found = run(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    return found.decode().strip() if found else None


def file_at(root: str, commit_id: str, path: str) -> bytes | None:
    """Return the file at `path`, relative to `root`, as it was in a commit; None where it was not."""
    return run(root, "cat-file", "blob", f"{commit_id}:./{path}")


def tags(root: str, pattern: str) -> list[str]:
    """Return the tags on the history of the last commit whose names match `pattern` (git-tag(1))."""
    found = run(root, "tag", "--list", "--merged", "HEAD", "--", pattern)
    return found.decode("utf-8", "replace").split() if found else []


def changed(root: str, base: str, head: str) -> list[str] | None:
    """Return the paths below `root` that changed from the merge base of `base` and `head` to `head`.

    An all-zero, empty or unknown `base` stands for the first parent of `head`, as for the first push of
    a branch. Where there is no merge base, as in a shallow clone, `base` itself is compared. Paths are
    relative to `root`; see git-diff(1) for the three dots.

    Returns:
        None where `head` is no commit or `root` is no repository.
    """
    last = commit(root, head)
    if last is None:
        return None
    first = commit(root, base) if base.strip("0") else None
    first = first or commit(root, f"{last}^")
    common = ("--no-renames", "--name-only", "-z", "--relative")
    if first is None:
        found = run(root, "diff-tree", "--root", "--no-commit-id", "-r", *common, last, "--")
    else:
        found = run(root, "diff", *common, f"{first}...{last}", "--")
        if found is None:
            found = run(root, "diff", *common, first, last, "--")
    return [os.fsdecode(name) for name in (found or b"").split(b"\0") if name]


def changed_below(root: str, directory: str, base: str, head: str) -> list[str]:
    """Return the names in `directory` at or below which something changed, as in `changed`, sorted."""
    below = f"{directory}/"
    paths = changed(root, base, head) or ()
    return sorted({p[len(below) :].partition("/")[0] for p in paths if p.startswith(below)})


def origin(root: str) -> str | None:
    """Return the URL of the remote ``origin`` of the repository at `root` (git-config(1)), if any."""
    found = run(root, "config", "--get", "remote.origin.url")
    return found.decode("utf-8", "replace").strip() or None if found else None


def run(root: str, *words: str, text: bytes = b"") -> bytes | None:
    """Return what a git command prints; None where it fails or there is no git."""
    import subprocess  # 3 ms that a run without a repository need not pay

    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }
    try:
        done = subprocess.run(
            ["git", *_SAFE, "-C", root, *words],
            input=text,
            capture_output=True,
            env=environment,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
