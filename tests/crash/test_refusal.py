"""Places and records that no transaction can begin with: refused at once, nothing is written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agentrail_runtime.entry import RelPath
from agentrail_runtime.errors import TargetError
from agentrail_runtime.target import Target
from tests.support import install, make_bundle, snapshot


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux has a /proc that nothing can be made in"
)
def test_a_place_that_nothing_can_be_made_in_is_told_and_not_waited_for() -> None:
    done = install(Path("/proc/agentrail-target"))
    assert (done.code, "cannot be made" in done.err) == (1, True)


def test_a_record_that_cannot_be_read_now_stops_a_run_before_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target"
    install(target, bundle=make_bundle(tmp_path / "one", {"a.md": "one\n"}))
    before = snapshot(target)
    plain = Target.read

    def fail(self: Target, path: RelPath) -> bytes:
        if path.endswith("/record"):
            raise TargetError("too many open files")
        return plain(self, path)

    monkeypatch.setattr(Target, "read", fail)
    newer = make_bundle(tmp_path / "two", {"a.md": "two\n"}, version="1.1.0", release_seq=2)
    done = install(target, bundle=newer)
    assert (done.code, "too many open files" in done.err) == (1, True)
    assert snapshot(target) == before
