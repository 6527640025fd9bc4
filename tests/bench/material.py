"""What the commands work on: two versions of a tree, in the form that each command takes it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from tests.bench.environment import Tool
from tests.bench.process import CommandError, complaint
from tests.bench.tree import MANIFEST, PAYLOAD, Size, files, write_next, write_tree

USER_FILES = {
    "README.md": "# Mine\n\nhello",
    "AGENTS.md": "# Agents\n\nmy rules\n",
    "CLAUDE.md": "use pnpm",
    ".gitignore": "node_modules/\n",
    "src/app.py": "print('hello')\n",
}
"""What a target holds before."""

CONTROL = """\
Package: tree
Version: 1.{version}
Architecture: all
Maintainer: bench <bench@example.com>
Description: a tree of files
"""
ANSWERS = "{{_copier_conf.answers_file}}.jinja"
SLUG = "{{cookiecutter.slug}}"


class Material:
    """All forms of one tree, each made when it is first asked for.

    Args:
        place: a directory that nothing else uses, on the file system to measure.
        size: the tree.
        tools: the commands, by name.
        env: the variables that every command sees.
    """

    def __init__(self, place: Path, size: Size, tools: Mapping[str, Tool], env: Mapping[str, str]):
        self.place, self.size, self.tools, self.env = place, size, tools, env
        self._made: dict[str, Path] = {}
        self._count = 0

    def words(self, tool: str, *words: str | Path) -> list[str]:
        """Return a command line.

        Raises:
            CommandError: the tool is missing.
        """
        found = self.tools[tool]
        if found.reason:
            raise CommandError(found.reason)
        return [found.path, *map(str, words)]

    def call(self, tool: str, *words: str | Path, cwd: Path | None = None) -> str:
        """Run what has to be done before something can be measured; return what it prints."""
        line = self.words(tool, *words)
        done = subprocess.run(
            line,
            cwd=cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CommandError(complaint(line, done.returncode, done.stdout + done.stderr))
        return done.stdout

    def new(self, label: str) -> Path:
        """Return a path that was never used; its parent exists."""
        self._count += 1
        path = self.place / f"{label}-{self._count}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def once(self, label: str, make: Callable[[Path], object]) -> Path:
        """Return what `make` leaves at a path; the second time it is there already."""
        if label not in self._made:
            path = self.new(label)
            make(path)
            self._made[label] = path
        return self._made[label]

    def repository(self, label: str = "target") -> Path:
        """Return a new git repository with somebody's files in one commit."""
        path = self.new(label)
        self.fill(path)
        return path

    def fill(self, path: Path) -> None:
        """Make a git repository with somebody's files in one commit at a path."""
        shutil.copytree(self.once("repository", self._make_repository), path, symlinks=True)

    def files(self, version: int) -> Path:
        """Return a directory with exactly the files that are delivered, of version 0 or 1."""
        if self.size == PAYLOAD:
            return self.once(f"files{version}", lambda path: self._copy_delivered(path, version))
        if version == 0:
            return self.once("files0", lambda path: write_tree(path, self.size))
        return self.once("files1", lambda path: write_next(path, self.size, self.files(0)))

    def bundle(self, version: int) -> Path:
        """Return the bundle of a version."""

        def make(path: Path) -> None:
            words: tuple[str, ...] = ()
            if self.size != PAYLOAD:
                words = ("--root", str(self.files(version)), "--manifest", str(self._manifest))
            elif version:
                words = ("--root", str(self._changed_framework))
            self.call("agentrail", "export", "--quiet", *words, "--output", path)

        return self.once(f"bundle{version}", make)

    def route(self, version: int) -> list[str]:
        """Return the options that name a bundle."""
        return ["--source", "copy", "--runtime-dir", str(self.bundle(version))]

    @property
    def usual_route(self) -> list[str]:
        """The options of an install of version 0: none where that is the payload of the package."""
        return [] if self.size == PAYLOAD else self.route(0)

    def installed(self, label: str) -> Path:
        """Return a target where version 0 is installed; there is one for each label."""
        still = self.once("installed", self._install)
        if label == "still":
            return still
        return self.once(f"installed-{label}", lambda path: self.call("cp", "-a", still, path))

    @cached_property
    def count(self) -> tuple[int, int]:
        """How many files are delivered, and how many bytes."""
        sizes = [path.stat().st_size for path in files(self.files(0))]
        return len(sizes), sum(sizes)

    @cached_property
    def git(self) -> Path:
        """A bare git repository with the branch main, and the tags v0 and v1."""

        def make(path: Path) -> None:
            self.call("git", "init", "-q", "--bare", "-b", "main", path)
            stream = self.place / "stream"
            with stream.open("wb") as file:
                for version in (0, 1):
                    write_commit(file.write, self.files(version), version)
            with stream.open("rb") as file:
                words = self.words("git", "-C", path, "fast-import", "--quiet")
                done = subprocess.run(words, env=self.env, stdin=file, capture_output=True, check=False)
            stream.unlink()
            if done.returncode:
                raise CommandError(
                    complaint(words, done.returncode, done.stderr.decode(errors="replace"))
                )
            self.call("git", "-C", path, "config", "gc.auto", "0")

        return self.once("git", make)

    def worktree(self, label: str) -> Path:
        """Return a working tree of version 0; there is one for each label."""
        return self.once(
            f"worktree-{label}",
            lambda path: self.call(
                "git", "-C", self.git, "worktree", "add", "-q", "--detach", path, "v0"
            ),
        )

    def empty_worktree(self) -> Path:
        """Return a new working tree of version 0 where no file is checked out yet."""
        path = self.new("worktree")
        words = ("worktree", "add", "-q", "--no-checkout", "--detach")
        self.call("git", "-C", self.git, *words, path, "v0")
        return path

    def mirror(self, label: str) -> Path:
        """Return a copy of version 0 made by rsync; there is one for each label."""
        return self.once(
            f"mirror-{label}", lambda path: self.call("rsync", "-a", f"{self.files(0)}/", f"{path}/")
        )

    def package(self, version: int) -> Path:
        """Return a Debian package of a version, not compressed."""

        def make(path: Path) -> None:
            self.words("dpkg")
            tree = self.new("package-tree")
            self.call("cp", "-a", self.files(version), tree)
            (tree / "DEBIAN").mkdir()
            (tree / "DEBIAN/control").write_text(CONTROL.format(version=version))
            self.call("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, path)

        return self.once(f"package{version}.deb", make)

    def dpkg(self, root: Path) -> list[str]:
        """Return the words that make dpkg work below `root` alone, with a database of its own."""
        for name in ("info", "updates", "triggers"):
            (root / "admin" / name).mkdir(parents=True, exist_ok=True)
        (root / "admin/status").touch()
        (root / "tree").mkdir(exist_ok=True)
        places = (f"--admindir={root / 'admin'}", f"--instdir={root / 'tree'}", f"--log={root / 'log'}")
        forced = ("--force-not-root", "--force-bad-path", "--no-force-unsafe-io")  # as dpkg comes
        return self.words("dpkg", *places, *forced)

    def unpacked(self, label: str) -> Path:
        """Return a root where dpkg installed version 0; there is one for each label."""

        def make(path: Path) -> None:
            self.call("dpkg", *self.dpkg(path)[1:], "-i", self.package(0))

        return self.once(f"unpacked-{label}", make)

    @cached_property
    def sums(self) -> Path:
        """What sha256sum prints of version 0."""

        def make(path: Path) -> None:
            root = self.files(0)
            names = sorted(str(found.relative_to(root)) for found in files(root))
            with path.open("w") as file:
                for start in range(0, len(names), 1000):
                    file.write(self.call("sha256sum", *names[start : start + 1000], cwd=root))

        return self.once("sums", make)

    @cached_property
    def copier_template(self) -> Path:
        """A template for copier: a git repository with the tags v1.0.0 and v1.1.0."""
        return self.once("copier-template", lambda path: self._make_template(path, "template"))

    @cached_property
    def cookiecutter_template(self) -> Path:
        """A template for cookiecutter: the same; v1.0.0 is checked out."""
        return self.once("cookiecutter-template", lambda path: self._make_template(path, SLUG))

    @cached_property
    def copier_project(self) -> Path:
        """A repository with what copier made of v1.0.0 in a commit."""

        def make(path: Path) -> None:
            self.fill(path)
            options = ("copy", "--quiet", "--defaults", "--overwrite", "--vcs-ref", "v1.0.0")
            self.call("copier", *options, self.copier_template, path)
            self._commit(path, "copier")

        return self.once("copier-project", make)

    @cached_property
    def cruft_project(self) -> Path:
        """A repository with what cruft made of v1.0.0 in a commit."""

        def make(path: Path) -> None:
            options = ("create", "--no-input", "--checkout", "v1.0.0", "--output-dir", str(path))
            self.call("cruft", *options, self.cookiecutter_template)
            self.call("git", "init", "-q", "-b", "main", path / "project")
            self._commit(path / "project", "cruft")

        return self.once("cruft-project", make) / "project"

    @cached_property
    def has_fast(self) -> bool:
        """Whether our command knows --fast."""
        return "--fast" in self.call("agentrail-install", "--help")

    @cached_property
    def _manifest(self) -> Path:
        return self.once("manifest.yaml", lambda path: path.write_text(MANIFEST, encoding="utf-8"))

    @cached_property
    def _changed_framework(self) -> Path:
        """The payload with 1 % of its files changed, at least one."""

        def make(path: Path) -> None:
            shutil.copytree(self.bundle(0), path)
            documents = sorted((path / "docs/templates").glob("*.md"))
            for document in documents[: max(1, len(self._delivered) // 100)]:
                with document.open("a", encoding="utf-8") as file:
                    file.write("\nOne more line.\n")

        return self.once("framework", make)

    @cached_property
    def _delivered(self) -> list[str]:
        """The paths of the payload that an install writes."""
        target = self.new("empty")
        said = self.call("agentrail-install", "--dry-run", "--json", *self.route(0), target)
        paths = [action["path"] for action in json.loads(said)["actions"]]
        return [path for path in paths if (self.bundle(0) / path).is_file()]

    def _copy_delivered(self, root: Path, version: int) -> None:
        for name in self._delivered:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.bundle(version) / name, root / name)

    def _install(self, path: Path) -> None:
        self.fill(path)
        self.call("agentrail-install", "--quiet", *self.usual_route, path)

    def _make_repository(self, path: Path) -> None:
        make_repository(path, lambda *words: self.call("git", *words))

    def _make_template(self, path: Path, inner: str) -> None:
        """Make a template of both versions, for copier and for cookiecutter by where the files are."""
        self.call("git", "init", "-q", "-b", "main", path)
        shutil.copytree(self.files(0), path / inner)
        if inner == SLUG:
            settings = {"slug": "project", "_copy_without_render": ["*"]}
            (path / "cookiecutter.json").write_text(json.dumps(settings))
        else:
            (path / "copier.yml").write_text(f"_subdirectory: {inner}\n")
            (path / inner / ANSWERS).write_text("{{ _copier_answers|to_nice_yaml -}}\n")
        self._commit(path, "v1.0.0")
        shutil.copytree(self.files(1), path / inner, dirs_exist_ok=True)
        self._commit(path, "v1.1.0")
        self.call("git", "-C", path, "checkout", "-q", "v1.0.0")

    def _commit(self, path: Path, name: str) -> None:
        self.call("git", "-C", path, "add", "-A")
        self.call("git", "-C", path, "commit", "-q", "-m", name)
        self.call("git", "-C", path, "tag", name)


def run_git(*words: str) -> None:
    """Run the git on PATH, which must succeed."""
    subprocess.run(["git", *words], check=True)


def make_repository(root: Path, git: Callable[..., object] = run_git) -> Path:
    """Return a git repository with somebody's files in one commit."""
    for name, text in USER_FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    who = ("-c", "user.name=bench", "-c", "user.email=bench@example.com")
    git("-C", str(root), "init", "-q", "-b", "main", "--template=")
    git("-C", str(root), "add", "-A")
    git("-C", str(root), *who, "commit", "-q", "-m", "before")
    return root


def write_commit(write: Callable[[bytes], object], root: Path, version: int) -> None:
    """Write a commit of all files below `root`, tagged, as git fast-import reads it."""
    who = b"bench <bench@example.com> 1700000000 +0000"
    write(b"commit refs/heads/main\ncommitter " + who + b"\ndata 0\n")
    write(b"deleteall\n")
    for path in files(root):
        data = path.read_bytes()
        mode = b"100755" if os.access(path, os.X_OK) else b"100644"
        name = os.fsencode(path.relative_to(root).as_posix())
        write(b"M %s inline %s\ndata %d\n%s\n" % (mode, name, len(data), data))
    write(b"reset refs/tags/v%d\nfrom refs/heads/main\n\n" % version)
