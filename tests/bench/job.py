"""The jobs: which commands take turns in each of them, and what has to be there before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.bench.goal import CLICK, NOTHING, PASS, SUMS, TOUCHED
from tests.bench.material import Material
from tests.bench.process import CommandError
from tests.bench.tree import PAYLOAD, files

MANY = 50_000
"""From so many files on, what takes half a minute has no warm-up, and dpkg installs once."""

SLOW = ("cookiecutter", "copier", "cruft", "specify")
"""What takes seconds on the smallest tree, where all others take a tenth."""

SLOW_RUNS, DPKG_RUNS = 5, 2
"""How often those run, and dpkg on a tree that is not small."""

RSYNC = (("-a",), ("-ac",), ("-a", "--fsync"))
"""By size and time; by checksum; durable."""


class Turn(NamedTuple):
    """One command, ready to be timed."""

    words: list[str]
    cwd: Path | None = None
    env: Mapping[str, str] = {}


class Contender(NamedTuple):
    """A command that takes its turn in every round.

    `turn` makes whatever the command needs in the round of that number, and is not timed. With
    `most`, the command takes part in so many of the rounds that count, from the first one on; without
    `is_warmed` not in the round before, either.
    """

    name: str
    turn: Callable[[int], Turn]
    most: int | None = None
    is_warmed: bool = True

    def is_in(self, number: int) -> bool:
        """Whether the command takes part in the round of that number; 0 is the one before."""
        return self.is_warmed if number == 0 else self.most is None or number <= self.most


def contenders(job: str, material: Material) -> list[Contender]:
    """Return the commands of a job, ours first; ours alone on the trees that are there for the fit."""
    ours, theirs = COMMANDS[job]
    others = () if material.size.is_fit else theirs(material)
    return [*ours(material), *(limited(other, job, material.size.files) for other in others)]


def limited(other: Contender, job: str, count: int) -> Contender:
    """Return a command of others with as many turns as its time allows on a tree of so many files."""
    is_dpkg = other.name.startswith("dpkg -i")
    if other.name.startswith(SLOW):
        return other._replace(most=SLOW_RUNS)
    if job == "fresh" and count >= MANY:
        return other._replace(most=1 if is_dpkg else None, is_warmed=False)
    return other._replace(most=DPKG_RUNS) if is_dpkg and count >= 10_000 else other


def fresh(m: Material) -> Iterator[Contender]:
    """Yield our install into a repository that has none of it."""
    yield Contender(
        "agentrail-install",
        lambda _: Turn(m.words("agentrail-install", "--quiet", *m.usual_route, m.repository())),
    )
    if m.size == PAYLOAD:  # how much of it goes into all that comes before the first write
        yield Contender(
            "agentrail-install --dry-run",
            lambda _: Turn(m.words("agentrail-install", "--dry-run", "--quiet", m.repository())),
        )


def fresh_others(m: Material) -> Iterator[Contender]:
    """Yield what else brings the files of the tree to a new place."""
    yield Contender("cp -r", lambda _: Turn(m.words("cp", "-r", m.files(0), m.new("copy"))))
    for options in RSYNC:
        if options != ("-ac",) or m.size.files < MANY:
            yield Contender(f"rsync {' '.join(options)}", _rsync_fresh(m, options))
    yield Contender(
        "git checkout",
        lambda _: Turn(m.words("git", "-C", m.empty_worktree(), "checkout", "-q", "-f", "v0")),
    )
    yield Contender(
        "dpkg -i",
        lambda _: Turn([*m.dpkg(_made(m.new("dpkg"))), "-i", str(m.package(0))]),
    )
    if m.size == PAYLOAD:
        yield from _fresh_templates(m)
        yield from _frameworks(m)
        yield from yardsticks(m)


def noop(m: Material) -> Iterator[Contender]:
    """Yield our install where it was installed before."""
    yield Contender("agentrail-install", lambda _: Turn(_again(m, "still")))


def noop_others(m: Material) -> Iterator[Contender]:
    """Yield what else looks at every file and finds nothing to do."""
    yield Contender(TOUCHED, lambda _: Turn(_status(m, _touched(m.worktree("touched")))))
    for options in RSYNC:
        yield Contender(f"rsync {' '.join(options)}", _rsync_again(m, options))
    if m.size.files < MANY:  # it writes every file anew, so that it is no other job than the first
        yield Contender("dpkg -i, again", lambda _: Turn(_dpkg(m, "still", 0)))
    if m.size == PAYLOAD:
        yield Contender(
            "copier update, nothing new",
            lambda _: Turn(_copier_update(m, "v1.0.0"), m.copier_project),
        )
        yield Contender(
            "cruft check",
            lambda _: Turn(m.words("cruft", "check", "--checkout", "v1.0.0"), m.cruft_project),
        )
        yield Contender("specify init, again", lambda _: Turn(_specify(m), m.once("specify", m.fill)))
        yield Contender(
            "superclaude install, again", lambda _: _superclaude(m, m.once("home", Path.mkdir))
        )
        yield from yardsticks(m)


def fast(m: Material) -> Iterator[Contender]:
    """Yield our install that trusts its stat cache; the warm-up makes that."""

    def turn(_: int) -> Turn:
        if not m.has_fast:
            raise CommandError("agentrail-install has no --fast")
        return Turn([*_again(m, "fast"), "--fast"])

    yield Contender("agentrail-install --fast", turn)


def fast_others(m: Material) -> Iterator[Contender]:
    """Yield what else trusts what it wrote down of a file."""
    yield Contender("rsync -a", _rsync_again(m, ("-a",)))
    yield Contender("git status", lambda _: Turn(_status(m, m.worktree("still"))))
    if m.size == PAYLOAD:
        yield from yardsticks(m)


def update(m: Material) -> Iterator[Contender]:
    """Yield our install of the other version, now the later one, now the earlier one."""
    yield Contender(
        "agentrail-install",
        lambda number: Turn(
            m.words("agentrail-install", "--quiet", *m.route(_other(number)), m.installed("moving"))
        ),
    )


def update_others(m: Material) -> Iterator[Contender]:
    """Yield what else brings the changed files; and our own run without any, to compare."""
    yield Contender(NOTHING, lambda _: Turn(_again(m, "still")))
    for options in RSYNC:
        yield Contender(f"rsync {' '.join(options)}", _rsync_update(m, options))
    yield Contender("git checkout", lambda number: Turn(_checkout(m, "moving", _other(number))))
    if m.size.files < MANY:
        yield Contender("dpkg -i", lambda number: Turn(_dpkg(m, "moving", _other(number))))
    if m.size == PAYLOAD:
        yield Contender(
            "copier update",
            lambda _: Turn(_copier_update(m, "v1.1.0"), _copied(m, m.copier_project)),
        )
        yield Contender(
            "cruft update",
            lambda _: Turn(
                m.words("cruft", "update", "--skip-apply-ask", "--checkout", "v1.1.0"),
                _copied(m, m.cruft_project),
            ),
        )
        yield from yardsticks(m)


def verify(m: Material) -> Iterator[Contender]:
    """Yield our check of every installed byte."""
    yield Contender(
        "agentrail verify",
        lambda _: Turn(m.words("agentrail", "verify", "--quiet", m.installed("still"))),
    )


def verify_others(m: Material) -> Iterator[Contender]:
    """Yield what else compares every byte with what it has written down, or with the source."""
    yield Contender(
        SUMS,
        lambda _: Turn(m.words("sha256sum", "--quiet", "-c", m.sums), m.files(0)),
    )
    yield Contender("rsync -acn", _rsync_again(m, ("-acn",)))
    if m.size.files < MANY:
        yield Contender(
            "dpkg --verify", lambda _: Turn([*m.dpkg(m.unpacked("still")), "--verify", "tree"])
        )
    if m.size == PAYLOAD:
        yield from yardsticks(m)


def rollback(m: Material) -> Iterator[Contender]:
    """Yield our rollback of an update that was made just before."""

    def turn(_: int) -> Turn:
        target = m.installed("rolled")
        m.call("agentrail-install", "--quiet", *m.route(1), target)
        return Turn(m.words("agentrail", "rollback", "--quiet", target))

    yield Contender("agentrail rollback", turn)


def rollback_others(m: Material) -> Iterator[Contender]:
    """Yield the nearest that another tool has: git, back to the commit before."""

    def turn(_: int) -> Turn:
        m.call("git", *_checkout(m, "rolled", 1)[1:])
        return Turn(_checkout(m, "rolled", 0))

    yield Contender("git checkout", turn)


def startup(m: Material) -> Iterator[Contender]:
    """Yield our commands that do next to nothing."""
    yield Contender("agentrail --version", lambda _: Turn(m.words("agentrail", "--version")))
    yield Contender("agentrail-install --help", lambda _: Turn(m.words("agentrail-install", "--help")))
    yield Contender(NOTHING, lambda _: Turn(_again(m, "still")))


def startup_others(m: Material) -> Iterator[Contender]:
    """Yield the same of others, and how long Python itself takes."""
    yield from yardsticks(m)
    for tool in ("git", "rsync", "copier", "cookiecutter", "specify", "superclaude"):
        yield Contender(f"{tool} --version", _version(m, tool))
    yield Contender("cruft --help", lambda _: Turn(m.words("cruft", "--help")))


def _version(m: Material, tool: str) -> Callable[[int], Turn]:
    return lambda _: Turn(m.words(tool, "--version"))


def yardsticks(m: Material) -> Iterator[Contender]:
    """Yield what no command in Python can be faster than."""
    yield Contender(PASS, lambda _: Turn(m.words("python", "-c", "pass")))
    yield Contender(CLICK, lambda _: Turn(m.words("python", "-c", "import click")))


Commands = Callable[[Material], Iterator[Contender]]
COMMANDS: dict[str, tuple[Commands, Commands]] = {
    "fresh": (fresh, fresh_others),
    "noop": (noop, noop_others),
    "fast": (fast, fast_others),
    "update": (update, update_others),
    "verify": (verify, verify_others),
    "rollback": (rollback, rollback_others),
    "startup": (startup, startup_others),
}
"""For each job, our commands and those of others."""


def _fresh_templates(m: Material) -> Iterator[Contender]:
    """Yield the tools that make a project of a template."""
    copier = ("copy", "--quiet", "--defaults", "--overwrite", "--vcs-ref", "v1.0.0")
    yield Contender(
        "copier copy",
        lambda _: Turn(m.words("copier", *copier, m.copier_template, m.repository())),
    )
    yield Contender(
        "cookiecutter",
        lambda _: Turn(
            m.words("cookiecutter", "--no-input", "-o", m.new("baked"), m.cookiecutter_template)
        ),
    )
    cruft = ("create", "--no-input", "--checkout", "v1.0.0", "--output-dir")
    yield Contender(
        "cruft create",
        lambda _: Turn(m.words("cruft", *cruft, m.new("cruft"), m.cookiecutter_template)),
    )


def _frameworks(m: Material) -> Iterator[Contender]:
    """Yield the tools that install a framework of their own."""
    yield Contender("specify init", lambda _: Turn(_specify(m), m.repository()))
    yield Contender("superclaude install", lambda _: _superclaude(m, _made(m.new("home"))))


def _other(number: int) -> int:
    """Return the version that a target does not have in that round: it begins with 0."""
    return 1 - number % 2


def _again(m: Material, label: str) -> list[str]:
    return m.words("agentrail-install", "--quiet", *m.usual_route, m.installed(label))


def _rsync_again(m: Material, options: tuple[str, ...]) -> Callable[[int], Turn]:
    return lambda _: Turn(m.words("rsync", *options, f"{m.files(0)}/", f"{m.mirror('still')}/"))


def _rsync_fresh(m: Material, options: tuple[str, ...]) -> Callable[[int], Turn]:
    return lambda _: Turn(m.words("rsync", *options, f"{m.files(0)}/", f"{m.new('copy')}/"))


def _rsync_update(m: Material, options: tuple[str, ...]) -> Callable[[int], Turn]:
    def turn(number: int) -> Turn:
        mirror = m.mirror("".join(options))
        return Turn(m.words("rsync", *options, f"{m.files(_other(number))}/", f"{mirror}/"))

    return turn


def _checkout(m: Material, label: str, version: int) -> list[str]:
    return m.words("git", "-C", m.worktree(label), "checkout", "-q", f"v{version}")


def _status(m: Material, tree: Path) -> list[str]:
    return m.words("git", "-C", tree, "status", "--porcelain")


def _touched(tree: Path) -> Path:
    for path in files(tree):
        os.utime(path)
    return tree


def _dpkg(m: Material, label: str, version: int) -> list[str]:
    return [*m.dpkg(m.unpacked(label)), "-i", str(m.package(version))]


def _specify(m: Material) -> list[str]:
    options = ("--here", "--force", "--non-interactive", "--ignore-agent-tools")
    return m.words("specify", "init", *options, "--integration", "claude", "--script", "sh")


def _superclaude(m: Material, home: Path) -> Turn:
    return Turn(m.words("superclaude", "install"), env={"HOME": str(home)})


def _copier_update(m: Material, version: str) -> list[str]:
    return m.words("copier", "update", "--quiet", "--defaults", "--vcs-ref", version)


def _copied(m: Material, project: Path) -> Path:
    path = m.new("project")
    m.call("cp", "-a", project, path)
    return path


def _made(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path
