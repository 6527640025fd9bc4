"""The seed of the documentation index: it lists the documents that the repository has already, too.

Without that, the first check of a repository with documents of its own would fail on a file that was
just installed. The bundle's text stays as it is where there is nothing to add.
"""

from __future__ import annotations

from agentrail_runtime.checks.roots import DOC_DIRECTORIES, Roots
from agentrail_runtime.entry import RelPath
from agentrail_runtime.errors import TargetError
from agentrail_runtime.receipt import Receipt
from agentrail_runtime.source import Bundle
from agentrail_runtime.target import Target

_ROOTS = Roots()
_INDEX = RelPath(_ROOTS.docs_index)


def adapted(bundle: Bundle, target: Target, receipt: Receipt | None) -> Bundle:
    """Return `bundle` with an index of documents for `target`, where one is about to be made there."""
    entry = next((entry for entry in bundle.index.entries if entry.path == _INDEX), None)
    if entry is None or entry.ownership != "seed":
        return bundle
    if receipt is not None and any(record.path == _INDEX for record in receipt.records):
        return bundle
    if not _has_documents(bundle, target) or target.inspect(_INDEX).kind != "absent":
        return bundle
    from agentrail_runtime.checks import docs_index  # not needed by most installs

    docs, _ = docs_index.gather(_Installed(bundle, target), _ROOTS)
    listed = {name: [doc for doc in found if doc.title] for name, found in docs.items()}
    text = bundle.read(_INDEX).decode("utf-8")
    return bundle.with_text(_INDEX, docs_index.apply(text, listed).encode())


def _has_documents(bundle: Bundle, target: Target) -> bool:
    """Tell whether a document lies where the index looks that the bundle does not bring."""
    ours = {entry.path for entry in bundle.index.entries}
    files = _Installed(bundle, target)
    folders = [f"{_ROOTS.docs_root}/{name}" for name in DOC_DIRECTORIES]
    paths = [f"{folder}/{name}" for folder in folders for name in files.names(folder)]
    return any(path.endswith(".md") and path not in ours for path in paths)


class _Installed:
    """The files of a target as they are after the install, as far as the index of documents goes."""

    def __init__(self, bundle: Bundle, target: Target) -> None:
        self._bundle = bundle
        self._target = target
        self._ours = {entry.path for entry in bundle.index.entries}

    def read(self, path: str) -> bytes:
        """Return the bytes of the file at `path`: the target's own, else those of the bundle."""
        try:
            return self._target.read(RelPath(path))
        except FileNotFoundError:
            return self._bundle.read(RelPath(path))
        except TargetError as error:
            from agentrail_runtime.checks.files import UnreadableError  # as above

            raise UnreadableError(str(error)) from None

    def names(self, path: str) -> list[str]:
        """Return the names in the directory at `path`, in the target and in the bundle."""
        below = f"{path}/"
        ours = {name[len(below) :].partition("/")[0] for name in self._ours if name.startswith(below)}
        try:
            return sorted(ours.union(self._target.names(RelPath(path))))
        except TargetError:
            return sorted(ours)

    def is_directory(self, path: str) -> bool:
        """Tell whether a directory stands at `path` in the target."""
        return self._target.is_directory(RelPath(path))
