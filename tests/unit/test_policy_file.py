"""Which policy a maintainer's command goes by: the nearest one; a broken one is not passed over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentrail_runtime import plain_file, policy_file, source
from agentrail_runtime.policy_file import PACKAGED, find
from agentrail_runtime.release.policy import PolicyError
from agentrail_runtime.tree import DirectoryTree
from tests.channel_support import policy
from tests.support import write


def test_a_named_policy_comes_first_even_through_a_symlink(tmp_path: Path) -> None:
    policy(tmp_path)
    policy(tmp_path / "named", ("phase: 3", "phase: 1"))
    (tmp_path / "link").symlink_to(tmp_path / "named" / "distribution.yaml")
    found, path = find(str(tmp_path / "link"), str(tmp_path))
    assert (found.phase, path) == (1, str(tmp_path / "link"))


def test_a_policy_in_the_directory_comes_before_that_of_a_source_tree(tmp_path: Path) -> None:
    policy(tmp_path, ("phase: 3", "phase: 1"))
    write(
        tmp_path,
        {PACKAGED: (tmp_path / "distribution.yaml").read_text().replace("phase: 1", "phase: 2")},
    )
    assert find(None, str(tmp_path))[0].phase == 1
    (tmp_path / "distribution.yaml").unlink()
    found, path = find(None, str(tmp_path))
    assert (found.phase, path) == (2, os.path.join(tmp_path, *PACKAGED.split("/")))


def test_without_one_the_packaged_policy_counts_and_has_no_file(tmp_path: Path) -> None:
    found, path = find(None, str(tmp_path))
    assert (found.schema_version, path) == ("1.0", None)


def test_a_package_without_its_policy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "package_tree", lambda: DirectoryTree(str(tmp_path)))
    with pytest.raises(PolicyError, match="cannot be read: No such file"):
        find(None, str(tmp_path))


posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no named pipes in directories")


def hostile(root: Path, kind: str) -> None:
    path = root / "distribution.yaml"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "symlink":
        path.symlink_to("/etc/hostname")
    elif kind == "huge":
        path.write_bytes(b"#" * (policy_file.MAX_BYTES + 1))
    else:
        path.write_bytes(b"\xff")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("directory", "not a plain file"),
        pytest.param("pipe", "not a plain file", marks=posix),
        ("symlink", "is a symlink"),
        ("huge", "too large .expected at most 1000000 bytes"),
        ("binary", "not UTF-8"),
    ],
)
def test_a_policy_that_is_no_file_of_text_is_refused_by_name(
    tmp_path: Path, kind: str, message: str
) -> None:
    hostile(tmp_path, kind)
    with pytest.raises(PolicyError, match=f"distribution.yaml: .*{message}"):
        find(None, str(tmp_path))


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"no path: .*embedded null"):
        find("a\0b")


def test_a_file_of_just_the_size_allowed_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert plain_file.read(str(tmp_path / "a"), 5) == b"12345"
