"""What is installed is seen the same, whichever process reads it."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from unittest import mock

import pytest

from agentrail_runtime import child, inventory
from agentrail_runtime.entry import RECEIPT_PATH, RelPath
from agentrail_runtime.errors import ReceiptError, TargetError
from agentrail_runtime.inventory import Inventory
from agentrail_runtime.session import Session
from agentrail_runtime.target import Target
from tests.scenario.story import install
from tests.support import make_bundle, write

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="Windows forks no process"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),  # threads of pytest-xdist wait
]


@pytest.fixture(params=["forked", "not forked", "little"])
def much(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether there is so much that a second process reads it, if it can be forked."""
    threads = 1 if request.param == "forked" else 2
    monkeypatch.setattr(threading, "active_count", lambda: threads)
    is_much = request.param != "little"
    if is_much:
        monkeypatch.setattr(inventory, "WORTH_IT", 1)
    return bool(is_much)


@pytest.fixture
def session(repo: Path) -> Session:
    """A target with the shipped files, one of them edited and one gone."""
    write(repo, {"AGENTS.md": "# Ours\n", "project.profile.yaml": "project:\n  name: ours\n"})
    assert install(repo).code == 0
    write(repo, {"MEMORY.md": "edited\n"})
    (repo / "docs/templates/adr.md").unlink()
    return Session(Target(str(repo)), 1)


def test_the_receipt_and_every_file_are_as_they_are(session: Session, much: bool) -> None:
    expected = Session(session.target, 1).receipt()
    assert expected is not None
    seen = Inventory(session)
    assert (session.seen is None) is much
    assert seen.receipt() == expected
    assert any(record.extra for record in expected.records)
    paths = [*expected.paths(), RECEIPT_PATH, RelPath("README.md"), RelPath("none")]
    assert [seen.inspect(path) for path in paths] == [session.target.inspect(path) for path in paths]
    assert session.is_steady()


def test_a_receipt_is_read_once(session: Session, monkeypatch: pytest.MonkeyPatch, much: bool) -> None:
    with mock.patch.object(child, "begin", wraps=child.begin) as begin:
        assert Inventory(session).receipt() == Inventory(session).receipt()
    assert begin.call_count == much


@pytest.mark.usefixtures("much")
def test_a_receipt_that_changes_meanwhile_is_not_current(session: Session) -> None:
    seen = Inventory(session)
    seen.receipt()
    assert session.is_current()
    path = Path(session.target.root) / RECEIPT_PATH
    path.write_bytes(path.read_bytes() + b"\n")
    assert not session.is_current()


@pytest.mark.usefixtures("much")
def test_a_damaged_receipt_is_told_when_it_is_asked_for(session: Session) -> None:
    path = Path(session.target.root) / RECEIPT_PATH
    path.write_bytes(path.read_bytes()[:-9])
    seen = Inventory(session)
    assert seen.inspect(RelPath("none")).kind == "absent"
    with pytest.raises(ReceiptError, match="not JSON"):
        seen.receipt()


@pytest.mark.usefixtures("much")
def test_where_nothing_is_installed_there_is_no_receipt(tmp_path: Path) -> None:
    seen = Inventory(Session(Target(str(tmp_path / "nowhere")), 1))
    assert seen.receipt() is None
    assert seen.inspect(RelPath("a")).kind == "absent"


def test_an_empty_receipt_is_one(tmp_path: Path, much: bool) -> None:
    root = tmp_path / "root"
    install(root, bundle=make_bundle(tmp_path / "one", {"a.md": "a\n"}))
    install(root, bundle=make_bundle(tmp_path / "two", {}, version="1.1.0", release_seq=2))
    session = Session(Target(str(root)), 1)
    found = Inventory(session).receipt()
    assert found is not None
    assert found.records == ()


@pytest.mark.usefixtures("much")
def test_an_upgrade_is_the_same(tmp_path: Path, repo: Path) -> None:
    one = {f"docs/{number:03}.md": f"{number}\n" for number in range(50)}
    assert install(repo, bundle=make_bundle(tmp_path / "one", one)).code == 0
    write(repo, {"docs/001.md": "mine\n"})
    two = {**one, "docs/001.md": "theirs\n", "docs/002.md": "new\n"}
    newer = make_bundle(tmp_path / "two", two, version="1.1.0", release_seq=2)
    assert install(repo, bundle=newer).code == 3
    done = install(repo, "--on-conflict", "keep", "--json", bundle=newer)
    assert (done.code, done.json["changed"]) == (0, True)
    assert (repo / "docs/002.md").read_text() == "new\n"
    assert (repo / "docs/001.md").read_text() == "mine\n"
    assert install(repo, "--json", bundle=newer).json["result"] == "unchanged"


@pytest.mark.usefixtures("much")
def test_a_file_in_the_place_of_the_state_directory_is_refused_later(tmp_path: Path) -> None:
    (tmp_path / ".agentrail").write_text("mine\n")
    seen = Inventory(Session(Target(str(tmp_path)), 1))
    with pytest.raises(TargetError, match=r"\.agentrail"):
        seen.receipt()
