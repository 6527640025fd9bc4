"""A channel that is a directory: pip installs from it, and nobody ever sees half of a change."""

from __future__ import annotations

import http.server
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from agentrail_runtime import built, replacement, shared_directory
from agentrail_runtime.built import Built
from agentrail_runtime.channel import AlteredError, ChannelError, Distribution
from agentrail_runtime.entry import sha256
from agentrail_runtime.static_channel import StaticChannel
from agentrail_runtime.target import Target
from tests.channel_support import NAME, VERSION, sdist, wheel
from tests.support import snapshot, write


def unwatched(what: str, done: int, total: int) -> None:
    pass


def origin(*paths: Path) -> Built:
    return built.read([str(path) for path in paths], unwatched)


def publish(root: Path, *paths: Path, name: Any = "internal") -> StaticChannel:
    channel = StaticChannel(str(root), name)
    files = origin(*paths)
    channel.add(files.distributions(), files)
    return channel


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A wheel and a source distribution."""
    sdist(tmp_path / "dist")
    return wheel(tmp_path / "dist").parent


@pytest.fixture
def root(tmp_path: Path, files: Path) -> Path:
    """A directory of channels, both files in the first one."""
    publish(tmp_path / "channels", files)
    return tmp_path / "channels"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a directory, as ``python -m http.server`` does, without a word."""

    def log_message(self, format: str, *words: Any) -> None:
        pass


@pytest.fixture
def url(root: Path) -> Iterator[str]:
    """Where the channels are served."""
    handler = partial(Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def pip(tmp_path: Path, index: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Install into an empty directory by real pip, from `index` alone."""
    command = [sys.executable, "-m", "pip", "install", "--isolated", "--no-cache-dir", "--no-deps"]
    command += ["--disable-pip-version-check", "--target", str(tmp_path / "site"), "--index-url", index]
    return subprocess.run([*command, *words], capture_output=True, text=True, check=False)


def test_pip_installs_from_it_with_hashes_required(url: str, tmp_path: Path, root: Path) -> None:
    sha = StaticChannel(str(root), "internal").distributions()[0].sha256
    wanted = tmp_path / "requirements.txt"
    wanted.write_text(f"agentrail-runtime=={VERSION} --hash=sha256:{sha}\n")
    done = pip(tmp_path, f"{url}/internal/simple/", "--require-hashes", "-r", str(wanted))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "agentrail_runtime" / "__init__.py").is_file()


def test_pip_tells_why_a_version_was_yanked(url: str, tmp_path: Path, root: Path) -> None:
    StaticChannel(str(root), "internal").yank(VERSION, "slow & <old>")
    done = pip(tmp_path, f"{url}/internal/simple/", "--dry-run", f"agentrail-runtime=={VERSION}")
    assert "Reason for being yanked: slow & <old>" in done.stderr + done.stdout


def test_pip_finds_a_withdrawn_version_not_even_pinned(url: str, tmp_path: Path, root: Path) -> None:
    assert StaticChannel(str(root), "internal").withdraw(VERSION, "bad") is True
    done = pip(tmp_path, f"{url}/internal/simple/", f"agentrail-runtime=={VERSION}")
    assert done.returncode == 1
    assert "No matching distribution found" in done.stderr


def test_every_file_is_there_once_for_all_channels(root: Path) -> None:
    first = StaticChannel(str(root), "internal")
    before = snapshot(root / "files", with_times=True)
    StaticChannel(str(root), "pilot").add(first.distributions(), first)
    assert snapshot(root / "files", with_times=True) == before
    assert (root / "pilot/simple/index.html").is_file()
    first.withdraw(VERSION, "bad")
    assert len(StaticChannel(str(root), "pilot").distributions()) == 2


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps no such bits")
def test_what_is_served_can_be_read_by_a_server_of_another_user(root: Path) -> None:
    assert {node.mode for node in snapshot(root).values()} == {0o644, 0o755}


def test_the_page_tells_size_hash_and_pythons(root: Path) -> None:
    page = json.loads((root / "internal/simple/agentrail-runtime/index.json").read_bytes())
    assert [file["requires-python"] for file in page["files"]] == [">=3.10", ">=3.10"]
    row = page["files"][0]
    path = root / f"files/{row['hashes']['sha256'][:2]}/{row['hashes']['sha256']}/{row['filename']}"
    assert path.stat().st_size == row["size"]


def test_publishing_the_same_again_writes_nothing(root: Path, files: Path) -> None:
    before = snapshot(root, with_times=True)
    publish(root, files)
    assert snapshot(root, with_times=True) == before


def test_a_published_file_is_never_replaced_by_other_bytes(root: Path, tmp_path: Path) -> None:
    before = snapshot(root)
    other = wheel(tmp_path / "other", changed={"agentrail_runtime/__init__.py": b"# other\n"})
    with pytest.raises(ChannelError, match=f"{NAME}: published already with other bytes") as caught:
        publish(root, other)
    assert caught.value.code == 1
    assert snapshot(root) == before


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def the_wheel(root: Path) -> Path:
    return next(root.glob(f"files/*/*/{NAME}"))


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_a_damaged_file_is_found_when_it_is_fetched(root: Path, damage: Callable[[Path], None]) -> None:
    damage(the_wheel(root))
    channel = StaticChannel(str(root), "internal")
    row = next(row for row in channel.distributions() if row.filename == NAME)
    with pytest.raises(AlteredError) as caught:
        channel.fetch(row)
    assert caught.value.code == 6


def test_a_damaged_file_is_not_published_a_second_time(root: Path, files: Path) -> None:
    flip(the_wheel(root))
    with pytest.raises(AlteredError, match="altered"):
        publish(root, files, name="pilot")
    assert not (root / "pilot").exists()


PAGE = "internal/simple/agentrail-runtime/index"


def retold(root: Path, kind: str, old: str, new: str) -> None:
    path = root / f"{PAGE}.{kind}"
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("kind", "old", "new", "message"),
    [
        ("html", "../../../files", "https://evil.example/files", "expected the same as in index.json"),
        ("html", "sha256=", "sha256=z", "expected 64 hex digits"),
        ("json", '"files"', '"Files"', "files: missing"),
        ("json", '"sha256"', '"md5"', "expected the same as in index.json"),
    ],
)
def test_a_page_that_somebody_altered_is_told(
    root: Path, kind: str, old: str, new: str, message: str
) -> None:
    retold(root, kind, old, new)
    channel = StaticChannel(str(root), "internal", sleep=lambda seconds: None)
    with pytest.raises(AlteredError, match=message):
        channel.distributions()


def test_pages_that_both_lead_elsewhere_are_told(root: Path) -> None:
    for kind in ("html", "json"):
        retold(root, kind, "../../../files", "https://evil.example/files")
    with pytest.raises(AlteredError, match="leads to another place than was published"):
        StaticChannel(str(root), "internal").distributions()


def test_a_file_that_no_digest_vouches_for_is_told(root: Path) -> None:
    with pytest.raises(AlteredError, match="without a sha256"):
        StaticChannel(str(root), "internal").fetch(Distribution(NAME, VERSION, ""))


def test_a_page_that_is_being_replaced_is_read_again(root: Path) -> None:
    html = root / f"{PAGE}.html"
    html.rename(root / "away")

    def put_back(seconds: float) -> None:
        (root / "away").rename(html)

    assert len(StaticChannel(str(root), "internal", sleep=put_back).distributions()) == 2


def test_a_page_that_cannot_be_read_is_named(root: Path) -> None:
    html = root / f"{PAGE}.html"
    html.unlink()
    html.mkdir()
    with pytest.raises(ChannelError, match="cannot be read: not a plain file"):
        StaticChannel(str(root), "internal").distributions()


def test_a_channel_that_is_not_there_is_empty_and_is_not_made(tmp_path: Path) -> None:
    assert StaticChannel(str(tmp_path / "none"), "internal").distributions() == ()
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["internal/mine.txt", "internal/simple/other/index.html"])
def test_files_of_somebody_else_in_the_place_of_a_channel_are_kept(
    root: Path, tmp_path: Path, name: str
) -> None:
    write(root, {name: "mine"})
    with pytest.raises(ChannelError, match="is none of a channel's pages"):
        publish(root, wheel(tmp_path / "more", "1.2.0"))
    assert (root / name).read_text() == "mine"


def test_a_channel_that_is_a_symlink_is_refused(root: Path, tmp_path: Path) -> None:
    (root / "internal").rename(tmp_path / "elsewhere")
    (root / "internal").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ChannelError, match="internal: a symlink"):
        publish(root, wheel(tmp_path / "more", "1.2.0"))


def test_files_below_a_symlink_are_refused(tmp_path: Path, files: Path) -> None:
    (tmp_path / "channels").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "channels/files").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AlteredError, match="got no plain file"):
        publish(tmp_path / "channels", files)
    assert [*(tmp_path / "elsewhere").iterdir()] == []


def test_a_full_disk_leaves_the_old_channel(root: Path, tmp_path: Path) -> None:
    before = snapshot(root)
    more = wheel(tmp_path / "more", "1.2.0")
    with (
        mock.patch.object(Target, "sync", side_effect=OSError(28, "No space left on device")),
        pytest.raises(ChannelError, match="cannot be written: No space left on device"),
    ):
        publish(root, more)
    assert {path for path in snapshot(root) if path.endswith((".new", ".whl"))} == {
        path for path in before if path.endswith(".whl")
    }
    assert StaticChannel(str(root), "internal").has_had("1.2.0") is False
    publish(root, more)
    assert StaticChannel(str(root), "internal").has_had("1.2.0") is True


def test_an_origin_that_serves_something_else_is_found_before_anything_is_named(
    root: Path, tmp_path: Path
) -> None:
    more = origin(wheel(tmp_path / "more", "1.2.0"))
    row = more.distributions()[0]
    channel = StaticChannel(str(root), "internal")
    with mock.patch.object(Built, "fetch", return_value=b"other"), pytest.raises(AlteredError):
        channel.add([row], more)
    with (
        mock.patch.object(Built, "fetch", return_value=b"other"),
        pytest.raises(ChannelError, match="damaged: File is not a zip file"),
    ):
        channel.add([row._replace(sha256=sha256(b"other"))], more)
    assert len(channel.distributions()) == 2


@pytest.mark.parametrize("act", ["withdraw", "yank"])
def test_a_version_that_is_not_there_is_told(root: Path, act: str) -> None:
    with pytest.raises(ChannelError, match="internal: no version"):
        getattr(StaticChannel(str(root), "internal"), act)("9.9", "bad")


def test_a_mark_can_be_taken_off_again(root: Path, tmp_path: Path) -> None:
    publish(root, wheel(tmp_path / "more", "1.2.0"))
    channel = StaticChannel(str(root), "internal")
    channel.yank(VERSION, "")
    assert [row.yanked for row in channel.distributions()] == ["", "", None]
    channel.yank(VERSION, None)
    assert [row.yanked for row in channel.distributions()] == [None, None, None]


def test_another_publisher_is_waited_for_and_named(root: Path) -> None:
    held = rf"held by another run \(process {os.getpid()}\)"
    with (
        shared_directory.locked(str(root)),
        pytest.raises(ChannelError, match=held),
        shared_directory.locked(str(root), timeout=0),
    ):
        pass


# --- two at once, and the one that is killed ---------------------------------------------------------


def _publish_one(root: str, path: str) -> None:
    publish(Path(root), Path(path))


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_two_publishers_at_once_lose_no_version(root: Path, tmp_path: Path) -> None:
    paths = [wheel(tmp_path / "more", f"1.{number}.0") for number in (2, 3, 4)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the threads of pytest-xdist only wait
        context = multiprocessing.get_context("fork")
        runs = [context.Process(target=_publish_one, args=(str(root), str(path))) for path in paths]
        for run in runs:
            run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0, 0]
    versions = {row.version for row in StaticChannel(str(root), "internal").distributions()}
    assert versions == {"1.1.0", "1.2.0", "1.3.0", "1.4.0"}
    assert sorted(path.name for path in root.iterdir()) == ["files", "internal"]


POINTS = (
    (Target, "make_directory"),
    (Target, "create"),
    (Target, "sync"),
    (Target, "move"),
    (Target, "sync_directory"),
    (replacement, "_make_directories"),
    (replacement, "_write"),
    (replacement, "_swap"),
    (replacement, "_exchange"),
    (replacement, "_remove"),
)


def _killed(root: Path, path: Path, owner: Any, name: str, *, is_after: bool) -> None:
    """Publish in a child that is killed at one call, before or after it."""
    real = getattr(owner, name)

    def strike(*words: Any, **options: Any) -> Any:
        if is_after:
            real(*words, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            with mock.patch.object(owner, name, strike):
                publish(root, path)
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.skipif(os.name != "posix", reason="Windows knows no kill -9")
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name"), POINTS, ids=[name for _, name in POINTS])
def test_whoever_looks_after_a_kill_sees_the_old_channel_or_the_new(
    root: Path, tmp_path: Path, owner: Any, name: str, is_after: bool
) -> None:
    more = wheel(tmp_path / "more", "1.2.0")
    _killed(root, more, owner, name, is_after=is_after)
    channel = StaticChannel(str(root), "internal")
    rows = channel.distributions()
    assert {row.version for row in rows} in ({"1.1.0"}, {"1.1.0", "1.2.0"})
    assert [channel.fetch(row) for row in rows]
    publish(root, more)
    publish(root, wheel(tmp_path / "more", "1.3.0"))
    assert len(channel.distributions()) == 4
    assert sorted(path.name for path in root.iterdir()) == ["files", "internal"]
    assert not (root / "files" / ".new").exists()
