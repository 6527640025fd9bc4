"""Export: a framework repository becomes ``dist/runtime``, or the payload of this package."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from agentrail_runtime import export as export_
from agentrail_runtime import (
    former,
    framework,
    kit,
    known,
    manifest,
    replacement,
)
from agentrail_runtime import source as source_
from agentrail_runtime.document import DocumentError
from agentrail_runtime.entry import (
    INDEX_NAME,
    MANIFEST_NAME,
    SIGNATURE_NAME,
    Index,
    Ownership,
    load_index,
)
from agentrail_runtime.errors import DriftError, TargetError, UsageError
from agentrail_runtime.framework import Framework
from agentrail_runtime.known import KNOWN_NAME, Known
from agentrail_runtime.outcome import Origin, Outcome
from agentrail_runtime.replacement import Item, item
from agentrail_runtime.source import BESIDE
from agentrail_runtime.tree import DirectoryTree, Tree
from agentrail_runtime.version import PROFILE_SCHEMA_VERSIONS, RELEASE_SEQ, __version__


def unwatched(what: str, done: int, total: int) -> None:
    """Let nobody know."""


class Options(NamedTuple):
    """What to export, and where to.

    Args:
        root: the framework repository; None for the payload of this package.
        manifest: its manifest, None for the one at its root.
        output: the directory to make; None for the manifest's ``output_root``.
        is_kit: make a kit: the bundle, and an installer that needs only Python.
        is_payload: make the payload of this package's source tree instead.
        key: the key file to sign the index with, None for no new signature.
        runtime_version: the version of what is made (PEP 440); None for that of the package, or for
            what the index says of a root that is a bundle.
        release_seq: its release sequence, None likewise.
        earlier: bundles of earlier releases, whose files an install is to know.
        is_written: whether the files will be written, and not just compared.
        progress: told what is being done, how many files are done, and how many there are.
    """

    root: str | None = None
    manifest: str | None = None
    output: str | None = None
    is_kit: bool = False
    is_payload: bool = False
    key: str | None = None
    runtime_version: str | None = None
    release_seq: int | None = None
    earlier: tuple[str, ...] = ()
    is_written: bool = False
    progress: Callable[[str, int, int], None] = unwatched


def plan(options: Options) -> Outcome:
    """Return what `export` would do; nothing is written.

    Raises:
        AgentRailError: as `export`.
    """
    return _Run(options).outcome()


def check(options: Options) -> Outcome:
    """Make sure that the output is what an export would make.

    Raises:
        DriftError: it is not; every path is named as missing, extra or changed.
        AgentRailError: as `export`.
    """
    run = _Run(options)
    outcome = run.outcome()
    if outcome.result == "unchanged":
        return outcome
    found = [action for action in outcome.actions if action.action != "unchanged"]
    error = DriftError(
        "\n".join(f"{run.output}/{action.path}: {action.reason}" for action in found),
        paths=[action.path for action in found],
        hint="export again, without --check",
    )
    error.outcome = outcome
    raise error


def export(options: Options) -> Outcome:
    """Make the output what the framework repository says, in one step.

    Raises:
        ManifestError: the manifest is not valid, or does not fit the files.
        SourceError: the packaged payload is damaged.
        IncompatibleError: an index or a profile of a schema that is not supported.
        TargetError: the output is not one that may be replaced, or cannot be written.
        SigningError: the key cannot sign.

    In every case the output is as it was.
    """
    run = _Run(options._replace(is_written=True))
    outcome = run.outcome()
    if outcome.result == "unchanged":
        return outcome
    notices = run.write()
    return outcome._replace(result="applied", notices=(*outcome.notices, *notices))


class _Run:
    """One export: what is to be made, and what stands in its place."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._tree = _root(options)
        self._framework = framework.read(self._tree, options.manifest)
        self.output = _output(options, self._tree, self._framework)
        base = self._base_index()
        if options.is_kit and options.output is None:
            name = f"agentrail-kit-{_version(base.runtime_version)}"
            self.output = os.path.join(os.path.dirname(self.output), name)
        self._is_own = options.is_payload and self._tree.root == self.output
        self._former = former.read(
            self.output,
            kit.SUMS if options.is_kit else None if self._is_own else INDEX_NAME,
            kit.load_sums if options.is_kit else _written,
        )
        self._notices: list[str] = []
        self._made = export_.make(
            self._framework, base, self._digests(base), keeps_bytes=options.is_written
        )
        self._items = self._all_items()
        classes = {str(entry.path): entry.ownership for entry in self._made.listing.entries}
        self._actions = [*self._former.compare(self._items, {} if options.is_kit else classes)]
        if self._is_own:
            self._keep_new_files()

    def _base_index(self) -> Index:
        """Return the index without its entries: what the files do not tell."""
        options = self._options
        own = None if options.is_payload else export_.read_index(self._tree)
        base = own or Index(
            runtime_version=__version__,
            release_seq=RELEASE_SEQ,
            profile_schema_versions=PROFILE_SCHEMA_VERSIONS,
        )
        if options.runtime_version is not None:
            base = base._replace(runtime_version=_version(options.runtime_version))
        if options.release_seq is not None:
            base = base._replace(release_seq=options.release_seq)
        return base

    def _digests(self, base: Index) -> Known:
        """Return the digests of earlier releases: those that are known, and those that are named."""
        digests = export_.read_known(self._tree)
        if self._options.is_payload and self._former.files:
            payload = DirectoryTree(self.output)
            digests = known.merged(digests, export_.read_known(payload))
            last = export_.read_index(payload)
            if last and last.runtime_version != base.runtime_version:
                digests = known.grown(digests, last.entries)
        classes = self._framework.manifest.classes()

        def ownership(path: str) -> Ownership:
            return classes.get(path, "managed")

        for directory in self._options.earlier:
            tree = DirectoryTree(os.path.realpath(directory))
            digests = known.grown(digests, export_.earlier_entries(tree, ownership))
        return digests

    def _all_items(self) -> list[Item]:
        """Return every file that is to stand in the output."""
        prefix = f"{kit.RUNTIME}/" if self._options.is_kit else ""
        rows = [*self._made.items, item(INDEX_NAME, self._made.data)]
        self._signature = self._sign(self._made.data, prefix + INDEX_NAME)
        if self._signature is not None:
            rows.append(item(SIGNATURE_NAME, self._signature))
        if not self._options.is_kit:
            return rows
        made = kit.application(rows)
        self._notices += [f"{kit.APPLICATION}: without {name}" for name in made.lacks]
        rows = kit.items(rows, made, version=self._made.listing.runtime_version)
        signature = self._sign(rows[-1].content(), kit.SUMS)
        return rows if signature is None else [*rows, item(kit.SUMS_SIGNATURE, signature)]

    def _sign(self, data: bytes, path: str) -> bytes | None:
        """Return the signature of a file: a new one, or one that already lies beside an equal file."""
        if self._options.key is not None:
            from agentrail_runtime import signing  # only what is signed needs it

            return signing.sign(data, self._options.key)
        beside = [(self._former.read(path), self._former.read(f"{path}.sig"))]
        if path.endswith(INDEX_NAME):
            beside.append((_bytes(self._tree, INDEX_NAME), _bytes(self._tree, SIGNATURE_NAME)))
        for signed, signature in beside:
            if signed == data and signature is not None and _is_intact(data, signature):
                return signature
        return None

    def _keep_new_files(self) -> None:
        """Refuse to drop files of a payload that is its own framework repository.

        Raises:
            ManifestError: there are files that the manifest does not select.
        """
        lost = [action.path for action in self._actions if action.reason == former.EXTRA]
        lost = [path for path in lost if path != SIGNATURE_NAME]
        if lost:
            raise manifest.ManifestError(
                "\n".join(f"{self.output}/{path}: not selected by {MANIFEST_NAME}" for path in lost),
                paths=lost,
                hint="select them in include_paths, or delete them",
            )

    def outcome(self) -> Outcome:
        """Return what an export does, before it is done."""
        is_changed = any(action.action != "unchanged" for action in self._actions)
        index = self._made.listing
        return Outcome(
            command="export",
            result="planned" if is_changed else "unchanged",
            target=self.output,
            actions=tuple(self._actions),
            changed=is_changed,
            runtime_version=index.runtime_version,
            source=Origin(
                kind="package" if self._options.root is None else "repository",
                location=self._tree.root,
                digest=self._made.digest,
                signature="absent" if self._signature is None else "valid",
            ),
            task_root=index.task_root,
            notices=tuple(self._notices),
        )

    def write(self) -> list[str]:
        """Replace the output; return what the user should know.

        Raises:
            TargetError: the operating system refused; the output is as it was.
        """
        generated = [*BESIDE, kit.SUMS, kit.SUMS_SIGNATURE]
        generated += [KNOWN_NAME] if self._options.is_payload else []  # what it knew is in the new one
        foreign = self._former.foreign(self._items, generated)
        progress, total, aside = self._options.progress, len(self._items), ""
        try:
            if foreign:
                aside = self._former.set_aside(foreign)
            replacement.replace(
                self.output,
                self._items,
                progress=lambda count: progress("writing", count, total),
            )
        except OSError as error:
            if aside:
                import shutil  # takes longer to import than most exports have to spare

                shutil.rmtree(aside, ignore_errors=True)
            raise TargetError(
                f"{error.filename or self.output}: cannot be written: {error.strerror}; "
                f"{self.output} is as it was",
                paths=[self.output],
                hint="mend the cause, then run the command again",
            ) from error
        return [f"{path}: not what an export wrote; kept in {aside}/{path}" for path in foreign]


def _version(text: str) -> str:
    """Return `text`, if it is a version (PEP 440).

    Raises:
        UsageError: it is none.
    """
    from packaging.version import Version

    try:
        return str(Version(text))
    except ValueError:  # InvalidVersion is one, and so is a number of too many digits
        raise UsageError(
            f"--runtime-version {text}: no version (PEP 440)", hint="a version is 1.2.3, for example"
        ) from None


def _written(data: bytes) -> dict[str, str]:
    """Return what the index of an earlier export says was written; nothing where it is damaged."""
    try:
        index = load_index(data)
    except DocumentError:
        return {}
    return {str(entry.path): entry.sha256 for entry in (*index.entries, *index.metadata)}


def _root(options: Options) -> Tree:
    """Return the files of the framework repository.

    Raises:
        TargetError: there is no such directory.
        SourceError: the packaged payload is damaged: an export of it would look intact.
    """
    if options.root is not None:
        if not os.path.isdir(options.root):
            raise TargetError(
                f"{options.root}: no such directory (expected a framework repository)",
                paths=[options.root],
                hint="name it with --root DIR",
            )
        return DirectoryTree(os.path.realpath(options.root))
    if not options.is_payload:
        source_.open_package()
    tree = source_.package_tree()
    return DirectoryTree(os.path.realpath(tree.root)) if isinstance(tree, DirectoryTree) else tree


def _output(options: Options, tree: Tree, repository: Framework) -> str:
    """Return the absolute path of the directory to make.

    Raises:
        UsageError: it is not one that may be made, or it is not clear which.
        TargetError: it would lie in its own input, or is reached through a symlink.
    """
    root = tree.root if options.root is not None else os.getcwd()
    if options.output is not None:
        above, name = os.path.split(os.path.abspath(options.output))
        output = os.path.join(os.path.realpath(above), name)
    elif options.is_payload:
        output = _payload()
    else:
        output = os.path.join(root, *repository.manifest.output_root.split("/"))
        _refuse_links(root, repository.manifest.output_root)
    is_above = (tree.root + os.sep).startswith(output.rstrip(os.sep) + os.sep)
    if is_above and not (options.is_payload and output == tree.root):
        raise TargetError(
            f"{output}: holds the framework repository itself", paths=[output], hint="name --output DIR"
        )
    inside = os.path.relpath(output, tree.root).replace(os.sep, "/") + "/"
    read = [row.source for row in repository.selected if row.source.startswith(inside)]
    if read:
        raise TargetError(
            f"{output}: holds files that the manifest selects ({read[0]})",
            paths=read,
            hint="name another directory with --output DIR, or exclude this one in the manifest",
        )
    if repository.manifest.would_select(inside + INDEX_NAME):
        raise TargetError(
            f"{output}: lies in a directory that the manifest selects",
            paths=[output],
            hint="name another directory with --output DIR, or exclude this one in the manifest",
        )
    return output


def _refuse_links(root: str, path: str) -> None:
    for name in path.split("/"):
        root = os.path.join(root, name)
        if os.path.islink(root):
            raise TargetError(
                f"{root}: is a symlink (expected a directory of the repository)",
                paths=[root],
                hint="name the directory itself with --output DIR",
            )


def _payload() -> str:
    """Return the payload of the source tree that this package is run from.

    Raises:
        UsageError: it is not run from one.
    """
    package = os.path.dirname(os.path.realpath(source_.__file__))
    if not os.path.isfile(os.path.join(os.path.dirname(package), "pyproject.toml")):
        raise UsageError(
            f"{package}: an installed package (expected the source tree of agentrail-runtime)",
            paths=[package],
            hint="in a source tree: pip install -e . first, or name its payload: --payload --output "
            "agentrail_runtime/payload",
        )
    return os.path.join(package, "payload")


def _bytes(tree: Tree, path: str) -> bytes | None:
    try:
        return tree.fetch(path).data
    except OSError:
        return None


def _is_intact(data: bytes, signature: bytes) -> bool:
    from agentrail_runtime import signing

    try:
        signing.check(data, signature, signing.Trust())
    except signing.SignatureError:
        return False
    return True
