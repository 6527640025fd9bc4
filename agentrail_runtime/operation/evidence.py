"""Evidence for the phases of the migration, from a framework repository; nothing is written."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from typing import Final, NamedTuple

from agentrail_runtime import export, framework, history, known, plain_file, source
from agentrail_runtime.document import DocumentError
from agentrail_runtime.entry import (
    INDEX_NAME,
    RECEIPT_PATH,
    STATE_PATH,
    Index,
    load_index,
    sha256,
)
from agentrail_runtime.errors import AgentRailError
from agentrail_runtime.framework import Framework
from agentrail_runtime.history import CommitTree
from agentrail_runtime.release import companion, hard_coded, phase
from agentrail_runtime.release.phase import Verdict
from agentrail_runtime.release.policy import Policy
from agentrail_runtime.tree import DirectoryTree, Tree
from agentrail_runtime.version import PROFILE_SCHEMA_VERSIONS, RELEASE_SEQ, __version__

CHANGELOG: Final = "CHANGELOG.md"
_MAX_BYTES: Final = 16_000_000
_MAX_WHEEL: Final = 256 << 20
_SECONDS: Final = 300  # for one install
_SHOWN: Final = 3  # findings in one line of evidence

_COSTLY: Final = ("manifest", "paths", "routes")
LEFT_OUT: Final = Verdict(is_met=None, text="not looked at (--quick)")


def unwatched(what: str, done: int, total: int) -> None:
    """Let nobody know."""


class Site(NamedTuple):
    """A framework repository.

    Args:
        root: the absolute path of the directory that the user named.
        home: the directory of the policy: where manifest and documents are.
        policy: the distribution policy.
        path: the path of its file.
    """

    root: str
    home: str
    policy: Policy
    path: str


class Request(NamedTuple):
    """What to gather.

    Args:
        version: the version that the repository makes now.
        today: the date, UTC.
        gate: whether a release passed the widest channel's gate.
        wheel: the built wheel, None to look for it in ``dist``.
        is_quick: leave out what takes long.
        progress: told what is being looked at, how many things are done, and how many there are.
    """

    version: str
    today: date
    gate: Verdict
    wheel: str | None = None
    is_quick: bool = False
    progress: Callable[[str, int, int], None] = unwatched


def gather(site: Site, request: Request) -> phase.Evidence:
    """Return the evidence for every condition; what cannot be read is evidence against it."""
    steps = {
        "manifest": lambda: stable_manifest(site),
        "paths": lambda: profile_paths(site),
        "rules": lambda: rules(site),
        "package": lambda: package(site, request.wheel),
        "routes": lambda: routes(site, request.version),
    }
    verdicts = {}
    for number, (name, step) in enumerate(steps.items()):
        request.progress(f"looking at {name}", number, len(steps))
        is_left_out = request.is_quick and name in _COSTLY
        verdicts[name] = LEFT_OUT if is_left_out else _judged(step)
    changelog = _changelog(site)
    return phase.Evidence(
        version=request.version,
        today=request.today,
        gate=request.gate,
        releases=None if changelog is None else phase.released(changelog, request.today),
        **verdicts,
    )


def version(site: Site) -> str:
    """Return the version that the repository makes: that of its index, else that of this program."""
    with suppress(AgentRailError):
        tree = DirectoryTree(site.home)
        found = export.read_index(tree) or _bundled(framework.read(tree))
        return found.runtime_version if found else __version__
    return __version__


def stable_manifest(site: Site) -> Verdict:
    """Tell whether the export's check passes over as many commits as the policy says."""
    count = site.policy.stable_commits
    commits = history.commits(site.home, count)
    if not commits:
        return Verdict(is_met=None, text="no commits to be read")
    if len(commits) < count and history.is_shallow(site.home):
        return Verdict(is_met=None, text=f"a shallow clone (expected {count} commits)")
    blobs: dict[str, bytes] = {}
    told: dict[object, str] = {}
    for commit in commits:
        tree = CommitTree(site.home, commit, blobs)
        if tree.identity not in told:
            told[tree.identity] = drift(tree)
        if problem := told[tree.identity]:
            return Verdict(is_met=False, text=f"{commit[:12]}: {problem}")
    passed = f"the export's check passes at {len(commits)} of {count} commits"
    return Verdict(len(commits) >= count, passed)


def drift(tree: CommitTree) -> str:
    """Return what is wrong between the manifest, the files and the index in `tree`; empty for nothing.

    Where no index is kept, it is enough that a bundle can be made.

    Raises:
        OSError: the files are too large to be read from git.
    """
    try:
        repository = framework.read(tree)
        tree.load(row.source for row in repository.selected)
        index = export.read_index(tree) or _bundled(repository)
        if index is None:
            _made(repository, _new_index())
            return ""
        return _difference(index, _made(repository, index))
    except AgentRailError as error:
        return _first_line(error)


def profile_paths(site: Site) -> Verdict:
    """Tell whether no tool that ships and no code names the place of task records."""
    found, count = [], 0
    for tree, prefix, path in _code(site):
        count += 1
        found += hard_coded.findings(prefix + path, tree.fetch(path).data)
    if not found:
        return Verdict(is_met=True, text=f"{count} files of code name no place of task records")
    shown = [f"{row.path}:{row.line}: {row.text}" for row in found[:_SHOWN]]
    return Verdict(is_met=False, text="; ".join([*shown, *_more(len(found))]))


def rules(site: Site) -> Verdict:
    """Tell whether the runtime's rules are a page of their own that AGENTS.md links."""
    repository = framework.read(DirectoryTree(site.home))
    classes = {row.destination: row for row in repository.selected}
    agents, page = classes.get("AGENTS.md"), classes.get(companion.RULES_PATH)  # type: ignore[call-overload]
    index = classes.get(companion.INDEX_PATH)  # type: ignore[call-overload]
    wrong = []
    if agents is None or agents.ownership != "block":
        wrong.append("AGENTS.md: not a block file")
    if page is None or page.ownership != "managed":
        wrong.append(f"{companion.RULES_PATH}: not a managed file")
    for row, name in ((agents, "AGENTS.md"), (index, companion.INDEX_PATH)):
        data = repository.tree.fetch(row.source).data if row else b""
        if companion.RULES_PATH.encode() not in data:
            wrong.append(f"{name}: does not name {companion.RULES_PATH}")
    return Verdict(not wrong, "; ".join(wrong) or f"AGENTS.md links {companion.RULES_PATH}")


def package(site: Site, wheel: str | None) -> Verdict:
    """Tell whether the payload is as its index says, and a wheel carries that index.

    Args:
        site: the framework repository.
        wheel: the wheel's path, None for any in ``dist``.
    """
    if os.path.lexists(os.path.join(site.home, INDEX_NAME)):
        expected = source.open_copy(site.home).digest
    else:
        expected = ""
    wheels = [wheel] if wheel is not None else [*_wheels(site.root)]
    if not wheels:
        return Verdict(is_met=None, text="no wheel in dist")
    wrong = []
    for path in wheels:
        problem = _carried(site, path, expected)
        if not problem:
            return Verdict(is_met=True, text=f"{os.path.basename(path)} carries the payload")
        wrong.append(f"{os.path.basename(path)}: {problem}")
    return Verdict(is_met=False, text="; ".join([*wrong[:_SHOWN], *_more(len(wrong))]))


def routes(site: Site, version: str) -> Verdict:
    """Tell whether an install by package and one by copy leave the same; both are done, in processes.

    The package is this program with the repository's bundle as its payload.
    """
    code = os.path.dirname(os.path.abspath(source.__file__))
    if not os.path.isdir(code):
        return Verdict(is_met=None, text="cannot be told from a kit")
    import shutil
    import tempfile

    from agentrail_runtime.operation.export import Options
    from agentrail_runtime.operation.export import export as make

    with tempfile.TemporaryDirectory(prefix="agentrail-") as place:
        bundle = os.path.join(place, "dist", "runtime")
        make(Options(root=site.home, output=bundle, runtime_version=version))
        package = os.path.join(place, os.path.basename(code))
        shutil.copytree(code, package, ignore=shutil.ignore_patterns("payload", "__pycache__"))
        shutil.copytree(bundle, os.path.join(package, "payload"))
        for kind in ("package", "copy"):
            if problem := _install(place, kind):
                return Verdict(is_met=False, text=f"by {kind}: {problem}")
        differing = _differing(os.path.join(place, "package"), os.path.join(place, "copy"))
        count = len(_files(os.path.join(place, "package")))
    if differing:
        return Verdict(is_met=False, text=f"differ: {', '.join(differing[:_SHOWN])}")
    return Verdict(is_met=True, text=f"{count} files, equal by both routes")


def _judged(step: Callable[[], Verdict]) -> Verdict:
    try:
        return step()
    except AgentRailError as error:
        return Verdict(is_met=False, text=_first_line(error))
    except OSError as error:
        return Verdict(is_met=None, text=f"{error.filename or 'a file'}: {error.strerror}")


def _first_line(error: AgentRailError) -> str:
    return error.message.partition("\n")[0]


def _more(count: int) -> list[str]:
    return [f"{count - _SHOWN} more"] if count > _SHOWN else []


def _changelog(site: Site) -> str | None:
    """Return the changelog of the directory that was named or, if need be, of the policy's."""
    for place in (site.root, site.home):
        with suppress(OSError):
            data = plain_file.read(os.path.join(place, CHANGELOG), _MAX_BYTES)
            return data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    return None


def _new_index() -> Index:
    return Index(__version__, RELEASE_SEQ, PROFILE_SCHEMA_VERSIONS)


def _bundled(repository: Framework) -> Index | None:
    """Return the index of the bundle that is kept in the repository, None where none is."""
    with suppress(OSError, DocumentError):
        return load_index(repository.tree.fetch(f"{repository.manifest.output_root}/{INDEX_NAME}").data)
    return None


def _made(repository: Framework, base: Index) -> Index:
    return export.make(repository, base, known.Known(), keeps_bytes=False).listing


def _difference(index: Index, made: Index) -> str:
    """Return the first entry in which two indexes differ, an empty text where they agree."""
    old = {str(entry.path): entry for entry in index.entries}
    new = {str(entry.path): entry for entry in made.entries}
    differing = [path for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path)]
    return f"{differing[0]}: not as {INDEX_NAME} says" if differing else ""


def _code(site: Site) -> Iterator[tuple[Tree, str, str]]:
    """Yield every file of code: its tree, what its path begins with in messages, and the path."""
    home = DirectoryTree(site.home)
    for row in framework.read(home).selected:
        if hard_coded.is_linted(row.source):
            yield home, "", row.source
    above, name = os.path.split(site.home)
    if os.path.isfile(os.path.join(above, "__init__.py")):
        tree, prefix = DirectoryTree(above), os.path.basename(above) + "/"
        for path, problem in sorted(tree.walk()):
            if not problem and path.endswith(".py") and not path.startswith(f"{name}/"):
                yield tree, prefix, path


def _wheels(root: str) -> Iterator[str]:
    place = os.path.join(root, "dist")
    with suppress(OSError):
        for name in sorted(os.listdir(place), reverse=True):
            if name.endswith(".whl"):
                yield os.path.join(place, name)


def _carried(site: Site, wheel: str, expected: str) -> str:
    """Return why a wheel does not carry the payload, an empty text where it does."""
    try:
        data = _index_in(wheel)
        index = None if data is None else load_index(data)
    except (OSError, DocumentError) as error:
        return str(getattr(error, "strerror", None) or error).partition("\n")[0]
    if data is None or index is None:
        return f"no payload/{INDEX_NAME} in it"
    if expected:
        digest = f"sha256:{sha256(data)}"
        return "" if digest == expected else f"carries {digest} (expected {expected})"
    return _difference(index, _made(framework.read(DirectoryTree(site.home)), index))


def _index_in(wheel: str) -> bytes | None:
    """Return the index of the payload in a wheel, None where it has none.

    Raises:
        OSError: the wheel cannot be read.
    """
    import io
    import zipfile
    import zlib

    data = plain_file.read(wheel, _MAX_WHEEL, is_linked=True)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                _, _, inside = info.filename.partition("/")
                if inside == f"payload/{INDEX_NAME}":
                    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                        raise zipfile.BadZipFile("compressed by another method than deflate")
                    with archive.open(info) as file:
                        return file.read(_MAX_BYTES)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise OSError(0, f"damaged: {error}") from None
    return None


def _install(place: str, kind: str) -> str:
    """Install by one route into a directory of that name; return what went wrong."""
    import subprocess

    words = ("--source", kind, "--runtime-dir", os.path.join("dist", "runtime"), "--quiet", kind)
    environment = {name: text for name, text in os.environ.items() if not name.startswith("AGENTRAIL_")}
    path = filter(None, (place, environment.get("PYTHONPATH")))
    environment |= {"PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "agentrail_runtime", "install", *words],
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"cannot be run: {type(error).__name__}"
    told = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
    return "" if done.returncode == 0 else f"exit {done.returncode}: {told}"


def _differing(first: str, second: str) -> list[str]:
    """Return the files in which two targets differ, the kind of the source in the receipt aside."""
    one, two = _files(first), _files(second)
    return sorted(path for path in one.keys() | two.keys() if one.get(path) != two.get(path))


def _files(root: str) -> dict[str, tuple[int | None, bytes]]:
    """Return mode and bytes of every file of a target by path, the installer's state aside."""
    tree, files = DirectoryTree(root), {}
    for path, _ in tree.walk():
        if not path.startswith(f"{STATE_PATH}/"):
            data, mode = tree.fetch(path)
            files[path] = mode, _without_kind(data) if path == RECEIPT_PATH else data
    return files


def _without_kind(receipt: bytes) -> bytes:
    document = json.loads(receipt)
    document["source"].pop("kind")
    return json.dumps(document).encode()
