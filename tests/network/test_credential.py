"""Where user and password come from, and that they are never shown."""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agentrail_runtime.credential import Credential, find

URL = "https://index.example/simple/"


def netrc(monkeypatch: pytest.MonkeyPatch, path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    monkeypatch.setenv("NETRC", str(path))
    return path


def keyring(monkeypatch: pytest.MonkeyPatch, ask: Callable[[str, str | None], Any]) -> None:
    """Let `ask` be what the keyring answers."""
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_credential=ask))


def known(service: str, user: str | None) -> Any:
    if service != "index.example":
        return None
    return SimpleNamespace(username=user or "karl", password="keyring-s3cret")


def revealed() -> tuple[str, str] | None:
    found = find(URL).credential
    return None if found is None else found.reveal()


def test_the_environment_is_asked_before_netrc_and_netrc_before_the_keyring(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert revealed() is None
    keyring(monkeypatch, known)
    assert revealed() == ("karl", "keyring-s3cret")
    netrc(monkeypatch, tmp_path / "n", "machine index.example login nina password netrc-s3cret\n")
    assert revealed() == ("nina", "netrc-s3cret")
    monkeypatch.setenv("AGENTRAIL_INDEX_USERNAME", "emma")
    assert revealed() == ("emma", "keyring-s3cret")
    monkeypatch.setenv("AGENTRAIL_INDEX_PASSWORD", "env-s3cret")
    assert revealed() == ("emma", "env-s3cret")


def test_a_password_without_a_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTRAIL_INDEX_PASSWORD", "s3cret")
    found = find(URL)
    assert found.credential is None
    assert found.notes == (
        "AGENTRAIL_INDEX_PASSWORD is not used: AGENTRAIL_INDEX_USERNAME is not set, too",
    )


@pytest.mark.parametrize(
    "text",
    ["", "machine other.example login anna password s3cret\n", "machine index.example login anna\n"],
)
def test_a_netrc_without_the_host_or_its_password_is_no_credential(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    netrc(monkeypatch, tmp_path / "n", text, 0o644)
    assert revealed() is None


def test_the_netrc_in_the_home_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert revealed() is None
    (tmp_path / "_netrc").write_text("default login nina password s3cret\n")
    (tmp_path / "_netrc").chmod(0o600)
    assert revealed() == ("nina", "s3cret")


def test_a_netrc_that_others_may_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "machine index.example login nina password s3cret\n"
    path = netrc(monkeypatch, tmp_path / "n", text, 0o644)
    found = find(URL)
    assert found.credential is not None
    assert found.notes == (f"{path}: others may read it (expected mode 600): chmod 600 {path}",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("machine index.example login anna password s3cret s3cret\n", " is not as netrc(5) says"),
        (b"machine index.example login anna password \xff\xfe\n", "not UTF-8"),
        (b"#" * ((1 << 20) + 1), "too large"),
    ],
)
def test_a_netrc_that_cannot_be_read_is_told_without_its_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | bytes, why: str
) -> None:
    path = netrc(monkeypatch, tmp_path / "n", text)
    found = find(URL)
    assert found.credential is None
    assert str(found.notes).startswith(f"('{path} is not used: ")
    assert why in found.notes[0]
    assert "s3cret" not in found.notes[0]


def test_a_netrc_that_is_a_directory_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path))
    assert find(URL).notes == (f"{tmp_path} is not used: not a plain file",)


def test_a_keyring_that_asks_somebody_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    keyring(monkeypatch, lambda service, user: end.wait())
    found = find(URL, seconds=0.1)
    end.set()
    assert found == (None, ("the keyring is not used: no answer in 0.1 s",))


def test_a_keyring_that_knows_nobody_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    keyring(monkeypatch, lambda service, user: asked.append(service))
    assert find(URL) == (None, ())
    assert asked == [URL, "index.example"]


class NoKeyringError(Exception):
    """As the package has it where there is no back end."""


class LockedError(Exception):
    """As a back end has it."""


@pytest.mark.parametrize(
    ("error", "notes"),
    [
        (NoKeyringError(), ()),
        (LockedError("anna s3cret"), ("the keyring is not used: LockedError",)),
    ],
)
def test_a_keyring_that_fails_is_none_and_its_words_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, error: Exception, notes: tuple[str, ...]
) -> None:
    def ask(service: str, user: str | None) -> None:
        raise error

    keyring(monkeypatch, ask)
    assert find(URL) == (None, notes)


def test_the_package_keyring_is_asked_as_it_wants_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "keyring")
    real = pytest.importorskip("keyring")
    from keyring.backends.fail import Keyring as FailingKeyring
    from keyring.backends.null import Keyring as NullKeyring

    class OneKeyring(NullKeyring):
        def get_password(self, service: str, username: str, password: None = None) -> str | None:
            return "s3cret" if (service, username) == (URL, "anna") else None

    before = real.get_keyring()
    try:
        real.set_keyring(OneKeyring())  # type: ignore[no-untyped-call]
        monkeypatch.setenv("AGENTRAIL_INDEX_USERNAME", "anna")
        assert revealed() == ("anna", "s3cret")
        real.set_keyring(FailingKeyring())  # type: ignore[no-untyped-call]
        assert find(URL) == (None, ())
    finally:
        real.set_keyring(before)


def test_a_credential_is_never_shown_and_never_written() -> None:
    credential = Credential("anna", "s3cret", "netrc")
    for text in (repr(credential), str(credential), f"{credential}", repr([credential])):
        assert "anna" not in text
        assert "s3cret" not in text
    with pytest.raises(TypeError):
        pickle.dumps(credential)


def test_what_others_write_is_scrubbed_of_every_form_of_the_password() -> None:
    credential = Credential("anna", "s3/cret", "netrc")
    assert credential.basic() == "Basic YW5uYTpzMy9jcmV0"
    text = f"s3/cret s3%2Fcret {credential.basic()} YW5uYTpzMy9jcmV0"
    assert credential.scrubbed(text) == "*** *** Basic *** ***"
    assert Credential("anna", "", "netrc").scrubbed("as it is") == "as it is"
