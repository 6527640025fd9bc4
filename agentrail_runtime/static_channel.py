"""A channel that is a directory: any web server can serve it, and pip installs from it.

The layout below the root that all channels share (its pages: see `release.simple_index`):

    files/<first two digits>/<sha256>/<file name>     every file once, never rewritten
    <channel>/simple/index.html, index.json
    <channel>/simple/agentrail-runtime/index.html, index.json

Files are in place before a page names them, and the pages of a channel change in one rename. So whoever
installs meanwhile, or after a run was killed, sees the old channel or the new one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from agentrail_runtime import plain_file, replacement, shared_directory
from agentrail_runtime.channel import AlteredError, Channel, ChannelError, Distribution
from agentrail_runtime.entry import RelPath, sha256
from agentrail_runtime.errors import typed
from agentrail_runtime.release import metadata, simple_index
from agentrail_runtime.release.policy import Stage
from agentrail_runtime.release.simple_index import PROJECT, File, SimpleIndexError, is_same_version
from agentrail_runtime.target import Target
from agentrail_runtime.tree import DirectoryTree

_FILES: Final = "files"
_STAGED: Final = RelPath(f"{_FILES}/.new")
_ROOT_PAGE: Final = "simple/index"
_PAGE: Final = f"simple/{PROJECT}/index"
_PAGES: Final = frozenset(f"{page}.{kind}" for page in (_ROOT_PAGE, _PAGE) for kind in ("html", "json"))
_MAX_PAGE: Final = 64 << 20
_TRIES: Final = 5
_POLL: Final = 0.05  # seconds until pages that do not fit each other are looked at again


class StaticChannel:
    """One channel below a root that it shares with the others.

    Args:
        root: the directory of all channels; made when something is published.
        name: which channel.
        sleep: waits some seconds.
    """

    def __init__(self, root: str, name: Stage, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._root = os.path.realpath(root)
        self._name = name
        self._sleep = sleep

    @property
    def name(self) -> str:
        """``internal``, ``pilot`` or ``general``."""
        return self._name

    @property
    def location(self) -> str:
        """The channel's directory."""
        return os.path.join(self._root, self._name)

    # --- reading ---------------------------------------------------------------------------------

    def distributions(self) -> tuple[Distribution, ...]:
        """Return every file that the channel's page names; none where nothing was published yet.

        Raises:
            ChannelError: the pages cannot be read.
            AlteredError: they are not as they were published.
        """
        return tuple(file.distribution for file in self._files())

    def fetch(self, distribution: Distribution) -> bytes:
        """Return the bytes of a file.

        Raises:
            AlteredError: they are missing, cannot be read, or are not those that were published.
        """
        path = os.path.join(self._root, *_place(distribution).split("/"))
        try:
            data = plain_file.read(path, metadata.MAX_BYTES)
        except OSError as error:
            raise _altered(path, f"cannot be read: {error.strerror}") from None
        if (found := sha256(data)) != distribution.sha256:
            raise _altered(path, f"altered (expected sha256 {distribution.sha256}, got {found})")
        return data

    def has_had(self, version: str) -> bool:
        """Tell whether a version was ever published to any channel of the root."""
        tree = DirectoryTree(os.path.join(self._root, _FILES))
        names = (path.rpartition("/")[2] for path, problem in tree.walk() if not problem)
        versions = {simple_index.parse_filename(name) for name in names} - {None}
        return any(is_same_version(found or "", version) for found in versions)

    def _files(self) -> tuple[File, ...]:
        """Return the rows of the page; both forms of it have to say the same.

        They are two files: between the two another run may have put new ones in their place.
        """
        for number in range(_TRIES):
            if number:
                self._sleep(_POLL)
            as_json, as_html = self._page("json"), self._page("html")
            if as_json is None and as_html is None:
                return ()
            if as_json is not None and as_html is not None:
                rows = self._parsed(simple_index.parse_json, as_json, "json")
                if _unsized(rows) == self._parsed(simple_index.parse_html, as_html, "html"):
                    return self._checked(rows)
        raise _altered(self._path("html"), "altered (expected the same as in index.json)")

    def _path(self, kind: str) -> str:
        return os.path.join(self.location, *f"{_PAGE}.{kind}".split("/"))

    def _page(self, kind: str) -> bytes | None:
        path = self._path(kind)
        try:
            return plain_file.read(path, _MAX_PAGE)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ChannelError(
                f"{path}: cannot be read: {error.strerror}",
                paths=[path],
                hint=f"see to the permissions of {typed(self.location)}",
            ) from None

    def _parsed(
        self, parse: Callable[[bytes], tuple[File, ...]], data: bytes, kind: str
    ) -> tuple[File, ...]:
        try:
            return parse(data)
        except SimpleIndexError as error:
            raise _altered(self._path(kind), str(error)) from None

    def _checked(self, files: tuple[File, ...]) -> tuple[File, ...]:
        for file in files:
            if file.distribution.url != _url(file.distribution):
                name = file.distribution.filename
                raise _altered(self._path("json"), f"{name}: leads to another place than was published")
        return files

    # --- writing ---------------------------------------------------------------------------------

    def add(self, distributions: Sequence[Distribution], origin: Channel) -> None:
        """Put files of another channel (or of a directory of built files) into this one.

        What is there already with the same bytes stays as it is.

        Raises:
            ChannelError: a file of that name but with other bytes is there, the origin does not serve
                what it told, or the directory cannot be written. The channel is as it was.
            AlteredError: what was published before is not as it was.
        """
        with shared_directory.locked(self._root) as target:
            files = {file.distribution.filename: file for file in self._files()}
            if findings := [*self._clashes(distributions, files)]:
                raise ChannelError(
                    "\n".join(findings),
                    paths=[self.location],
                    hint="what was published stays as it is: build a new version",
                )
            new = [row for row in distributions if row.filename not in files]
            added = [self._put(target, row, origin.fetch(row)) for row in new]
            if added:
                self._switch([*files.values(), *added])

    def _clashes(self, distributions: Sequence[Distribution], files: dict[str, File]) -> Iterator[str]:
        for row in distributions:
            known = files.get(row.filename)
            if known is not None and known.distribution.sha256 != row.sha256:
                yield (
                    f"{self.location}: {row.filename}: published already with other bytes "
                    f"(expected sha256 {known.distribution.sha256}, got {row.sha256})"
                )

    def _put(self, target: Target, row: Distribution, data: bytes) -> File:
        """Put a file in its place, if it is not there yet, and return its row."""
        if sha256(data) != row.sha256:
            raise _altered(row.filename, f"altered (expected sha256 {row.sha256}, got {sha256(data)})")
        try:
            told = metadata.read(row.filename, data)
        except metadata.MetadataError as error:
            raise ChannelError(f"{row.filename}: {error}", paths=[row.filename]) from None
        path = _place(row)
        state = target.inspect(path)
        if state.kind == "absent":
            shared_directory.stage(target, _STAGED, data)
            shared_directory.put(target, _STAGED, path)
        elif state.sha256 != row.sha256:
            what = f"altered (expected sha256 {row.sha256}, got {state.sha256 or 'no plain file'})"
            raise _altered(os.path.join(self._root, path), what)
        kept = Distribution(row.filename, told.version, row.sha256, len(data), url=_url(row))
        return File(kept, told.requires_python)

    def withdraw(self, version: str, reason: str) -> bool:
        """Take a version out of the page, so that not even ``==X`` finds it; True, since it is gone.

        Its bytes stay where they are: for the other channels, and for whoever looks into it.

        Raises:
            ChannelError: there is no such version, or the directory cannot be written.
            AlteredError: what was published before is not as it was.
        """
        del reason  # the deny list tells it
        with shared_directory.locked(self._root):
            files = self._files()
            kept = [file for file in files if not is_same_version(file.distribution.version, version)]
            if len(kept) == len(files):
                raise self._unknown(version)
            self._switch(kept)
        return True

    def yank(self, version: str, reason: str | None) -> None:
        """Mark a version as one not to be chosen any more (PEP 592), or take the mark off again.

        Whoever asks for just that version still gets it.

        Args:
            version: the version.
            reason: why; None to take the mark off.

        Raises:
            ChannelError: there is no such version, or the directory cannot be written.
            AlteredError: what was published before is not as it was.
        """
        with shared_directory.locked(self._root):
            files = self._files()
            marked = [_with_mark(file, version, reason) for file in files]
            if all(not is_same_version(file.distribution.version, version) for file in files):
                raise self._unknown(version)
            self._switch(marked)

    def _unknown(self, version: str) -> ChannelError:
        return ChannelError(
            f"{self.location}: no version {version}",
            paths=[self.location],
            hint="see what there is: agentrail release status",
        )

    def _switch(self, files: Sequence[File]) -> None:
        """Put other pages in the place of the channel's, in one rename."""
        self._refuse_strangers()
        pages = {
            f"{_ROOT_PAGE}.html": simple_index.render_root_html(),
            f"{_ROOT_PAGE}.json": simple_index.render_root_json(),
            f"{_PAGE}.html": simple_index.render_html(files),
            f"{_PAGE}.json": simple_index.render_json(files),
        }
        items = [replacement.item(path, data) for path, data in pages.items()]
        replacement.replace(self.location, items, progress=replacement.unwatched)

    def _refuse_strangers(self) -> None:
        """Make sure that nothing of anybody else's stands where the pages are to be replaced.

        Raises:
            ChannelError: something does.
        """
        if not os.path.lexists(self.location):
            return
        is_linked = os.path.islink(self.location)
        found = [] if is_linked else [*DirectoryTree(self.location).walk()]
        strangers = [path for path, problem in found if problem or path not in _PAGES]
        if is_linked or strangers:
            what = "a symlink" if is_linked else f"{strangers[0]} is none of a channel's pages"
            raise ChannelError(
                f"{self.location}: {what} (expected a directory that this command made)",
                paths=[self.location],
                hint="move it away, or name another directory with --location DIR",
            )


def _place(row: Distribution) -> RelPath:
    """Return where a file lies below the root.

    Raises:
        AlteredError: its row has no digest.
    """
    if not row.sha256:
        raise _altered(row.filename, "without a sha256 (expected one)")
    return RelPath(f"{_FILES}/{row.sha256[:2]}/{row.sha256}/{row.filename}")


def _url(row: Distribution) -> str:
    """Return the URL of a file, relative to the project's page."""
    return f"../../../{_place(row)}"


def _unsized(files: Sequence[File]) -> tuple[File, ...]:
    """Return the rows as HTML has them, which tells no sizes."""
    return tuple(file._replace(distribution=file.distribution._replace(size=None)) for file in files)


def _with_mark(file: File, version: str, reason: str | None) -> File:
    if not is_same_version(file.distribution.version, version):
        return file
    return file._replace(distribution=file.distribution._replace(yanked=reason))


def _altered(path: str, what: str) -> AlteredError:
    return AlteredError(
        f"{path}: {what}",
        paths=[path],
        hint="stop serving it; withdraw the version and find out who wrote there",
    )
