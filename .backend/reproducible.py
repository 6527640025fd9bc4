"""The build backend of this project: setuptools, with archives that are the same bytes everywhere.

It stands in the tree, as https://peps.python.org/pep-0517/#in-tree-build-backends allows, and is part
of the source distribution. All hooks are those of setuptools; the two that make an archive for others
work in a directory of their own, and the archive gets its name when it is complete.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import zipfile
from collections.abc import Callable, Mapping
from tempfile import TemporaryDirectory

import archive
from setuptools import build_meta  # type: ignore[import-untyped]
from setuptools.build_meta import (  # type: ignore[import-untyped]
    build_editable,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

_PAYLOAD = "agentrail_runtime/payload/"

Settings = Mapping[str, "str | list[str] | None"]


def build_wheel(
    wheel_directory: str, config_settings: Settings | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel; see https://peps.python.org/pep-0517/#build-wheel.

    Args:
        wheel_directory: Where to put it.
        config_settings: Options of the front end, for setuptools.
        metadata_directory: What ``prepare_metadata_for_build_wheel`` made, if that was called.

    Returns:
        The file's name.

    Raises:
        ValueError: ``SOURCE_DATE_EPOCH`` is no time, or files of the payload are not in the wheel. No
            wheel was written.
    """

    def build(scratch: str) -> str:
        settings = dict(config_settings or {})
        given = settings.get("--build-option") or []
        words = shlex.split(given) if isinstance(given, str) else given
        # A build/ that an earlier build left in the tree may hold modules that are no longer there.
        settings["--build-option"] = [*words, "build", "--build-base", os.path.join(scratch, "build")]
        name = str(build_meta.build_wheel(scratch, settings, metadata_directory))
        _hold_against_index(os.path.join(scratch, name))
        return name

    return _complete(wheel_directory, build, archive.rewrite_wheel)


def build_sdist(sdist_directory: str, config_settings: Settings | None = None) -> str:
    """Build the source distribution; see https://peps.python.org/pep-0517/#build-sdist.

    Args:
        sdist_directory: Where to put it.
        config_settings: Options of the front end, for setuptools.

    Returns:
        The file's name.

    Raises:
        ValueError: ``SOURCE_DATE_EPOCH`` is no time. No source distribution was written.
    """

    def build(scratch: str) -> str:
        # setuptools ships again whatever the list in here names, from an earlier build.
        shutil.rmtree("agentrail_runtime.egg-info", ignore_errors=True)
        return str(build_meta.build_sdist(scratch, config_settings))

    return _complete(sdist_directory, build, archive.rewrite_sdist)


def _hold_against_index(wheel: str) -> None:
    """Make sure that every file of the payload is in the wheel: patterns of package data miss some."""
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
        index = json.loads(opened.read(f"{_PAYLOAD}runtime.index.json"))
    listed = [_PAYLOAD + row["path"] for row in (*index["entries"], *index.get("metadata", ()))]
    if lost := sorted({*listed} - names):
        paths = "\n".join(lost)
        raise ValueError(
            f"not in the wheel, though the index lists them:\n{paths}\n"
            "hint: add a pattern to tool.setuptools.package-data in pyproject.toml"
        )


def _complete(directory: str, build: Callable[[str], str], rewrite: Callable[[str, int], None]) -> str:
    """Build and rewrite an archive beside its place, so that a killed build leaves no half of it."""
    seconds = archive.date(os.environ)
    os.makedirs(directory, exist_ok=True)
    with TemporaryDirectory(prefix=".build-", dir=directory) as scratch:
        name = build(scratch)
        made = os.path.join(scratch, name)
        rewrite(made, seconds)
        os.replace(made, os.path.join(directory, name))
    return name
