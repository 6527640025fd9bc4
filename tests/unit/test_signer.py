"""Whose signature counts is what the file of allowed signers says, and nothing more."""

from __future__ import annotations

import base64
import os
import time

import pytest

from agentrail_runtime.signature import Signature, SignatureError, pack_string
from agentrail_runtime.signer import Moment, Signer, is_listed, load_keys, load_signers


def key(name: bytes, key_type: str = "ssh-ed25519") -> bytes:
    """Return a key of a type, as it is in a signature."""
    return pack_string(key_type.encode()) + pack_string(name)


def line(name: bytes, key_type: str = "ssh-ed25519") -> str:
    """Return a key as it is in a file."""
    return f"{key_type} {base64.b64encode(key(name, key_type)).decode()}"


ME, OTHER = key(b"me"), key(b"other")


def signature(signing_key: bytes, key_type: str = "ssh-ed25519") -> Signature:
    """Return a signature by a key."""
    return Signature(b"", signing_key, key_type, b"")


def signers(text: str) -> tuple[Signer, ...]:
    """Return the entries of a file."""
    return load_signers(text.encode(), "signers")


@pytest.fixture
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> object:
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone of a process cannot be set here")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_entries_are_read_as_they_are_written() -> None:
    text = (
        "# who may sign\r\n\r\n"
        f"me@example.org {line(b'me')} a comment\r\n"
        f'\t"you and me,*@example.org"  cert-authority,Namespaces="a,b"\t{line(b"other")}'
    )
    assert signers(text) == (
        Signer("me@example.org", "ssh-ed25519", ME),
        Signer("you and me,*@example.org", "ssh-ed25519", OTHER, True, "a,b"),
    )


@pytest.mark.parametrize("text", ["", "\n\n", "# nobody\n", "  # nobody"])
def test_a_file_without_entries_allows_nobody(text: str) -> None:
    assert signers(text) == ()


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        ("me", "not an entry"),
        (f"{line(b'me')}", "not an entry"),
        (f"me bogus {line(b'me')}", "not an entry"),
        (f"me no-touch-required,cert-authority {line(b'me')}", "not an entry"),
        (f"me cert-authority, {line(b'me')}", "not an entry"),
        (f"me namespaces=git {line(b'me')}", "not an entry"),
        (f'me namespaces="git {line(b"me")}', "not an entry"),
        (f'me namespaces="a\\"b" {line(b"me")}', "not an entry"),
        (f'me namespaces="a",NAMESPACES="b" {line(b"me")}', "namespaces: given twice"),
        (f'"me {line(b"me")}', "not an entry"),
        (f'"" {line(b"me")}', "not an entry"),
        ("me ssh-ed25519", "not an entry"),
        ("me ssh-ed25519 AAAA", "not a key of the type ssh-ed25519"),
        ("me ssh-ed25519 AAAA*", "not an entry"),
        ("me ssh-ed25519 A", "not a key of the type ssh-ed25519"),
        (f"me {line(b'me').replace('ssh-ed25519', 'ssh-rsa')}", "not a key of the type ssh-rsa"),
        (f"me {line(b'me')}=", "not a key of the type ssh-ed25519"),
        (f"{'n' * 1025} {line(b'me')}", "too many names"),
        (f"me\x00 {line(b'me')}", "control characters"),
        (f"me {line(b'me')} \x1b[2J", "control characters"),
        (f'me valid-after="2030" {line(b"me")}', "valid-after: not a time"),
        (f'me valid-after="" {line(b"me")}', "valid-after: not a time"),
        (f'me valid-after="20300230" {line(b"me")}', "valid-after: not a time"),
        (f'me valid-after="202001010060" {line(b"me")}', "valid-after: not a time"),
        (f'me valid-after="19600101Z" {line(b"me")}', "valid-after: not a time"),
        (f'me valid-before="2030-01-01" {line(b"me")}', "valid-before: not a time"),
        (
            f'me valid-before="20300101Z",valid-after="20300101Z" {line(b"me")}',
            "valid-before is not after valid-after",
        ),
    ],
)
def test_a_broken_line_is_named_and_hides_no_line_below_it(broken: str, what: str) -> None:
    with pytest.raises(SignatureError, match=f"^signers:2: {what}") as caught:
        signers(f"you {line(b'you')}\n{broken}\nme {line(b'me')}\n")
    assert caught.value.paths == ("signers",)
    assert "namespaces=" in str(caught.value.hint)


def test_a_file_that_is_no_text_is_named_with_its_line() -> None:
    with pytest.raises(SignatureError, match=r"^a:b:2: not UTF-8$") as caught:
        load_signers(b"# a\n\xff\n", "a:b")
    assert caught.value.paths == ("a:b",)


@pytest.mark.parametrize(
    ("principals", "name"),
    [
        ("me", "me"),
        ("me,you", "me"),
        ("*@example.org", "*@example.org"),
        ("!you,me", "me"),
        ("me,!you", "me"),
        ("me,you,!me", "you"),
        ("!you", None),
        ("!*,me", None),
        ("me,!m?", None),
        (",me", "me"),
        ("!me,!you", None),
    ],
)
def test_the_name_of_a_signer_is_one_that_its_entry_does_not_rule_out(
    principals: str, name: str | None
) -> None:
    assert Signer(principals, "ssh-ed25519", ME).name == name


@pytest.mark.parametrize(
    ("name", "patterns", "is_good"),
    [
        ("agentrail-runtime", None, True),
        ("agentrail-runtime", "agentrail-runtime", True),
        ("agentrail-runtime", "git,agentrail-*", True),
        ("agentrail-runtime", "agentrail?runtime", True),
        ("agentrail-runtime", "*", True),
        ("agentrail-runtime", "*t*n*", True),
        ("agentrail-runtime", "**", True),
        ("agentrail-runtime", "", False),
        ("agentrail-runtime", "git", False),
        ("agentrail-runtime", "Agentrail-runtime", False),
        ("agentrail-runtime", "agentrail", False),
        ("agentrail-runtime", "agentrail-runtime?", False),
        ("agentrail-runtime", "runtime", False),
        ("agentrail-runtime", "*,!agentrail-*", False),
        ("agentrail-runtime", "!git", False),
        ("agentrail-runtime", "!git,*", True),
        ("agentrail-runtime", "[a-z]*", False),
        ("a" * 500, "*a" * 400 + "b", False),
    ],
)
def test_a_pattern_list_fits_what_it_says(name: str, patterns: str | None, is_good: bool) -> None:
    assert is_listed(name, patterns) is is_good


@pytest.mark.parametrize(
    ("entry", "is_candidate"),
    [
        (Signer("me", "ssh-ed25519", ME), True),
        (Signer("me", "ssh-ed25519", ME, namespaces="agentrail-runtime"), True),
        (Signer("me", "ssh-ed25519", ME, namespaces="git"), False),
        (Signer("!me", "ssh-ed25519", ME), False),
        (Signer("me", "ssh-ed25519", OTHER), False),
        (Signer("me", "ssh-ed25519", ME, is_authority=True), False),
    ],
)
def test_a_key_signs_only_for_the_entry_that_it_stands_in(entry: Signer, is_candidate: bool) -> None:
    assert entry.may_have_made(signature(ME)) is is_candidate


@pytest.mark.parametrize(
    ("authority", "is_authority", "is_candidate"),
    [(ME, True, True), (OTHER, True, False), (ME, False, False)],
)
def test_a_certificate_counts_only_by_the_entry_of_its_authority(
    authority: bytes, is_authority: bool, is_candidate: bool
) -> None:
    key_type = "ssh-ed25519-cert-v01@openssh.com"
    certificate = signature(key(b"nonce", key_type) + pack_string(ME), key_type)
    entry = Signer("me", "ssh-ed25519", authority, is_authority)
    assert entry.may_have_made(certificate) is is_candidate


@pytest.mark.parametrize(
    ("after", "before", "now", "is_valid"),
    [
        (None, None, 0, True),
        (100, None, 99.9, False),
        (100, None, 100, True),
        (None, 200, 200, True),
        (None, 200, 200.1, False),
        (100, 200, 150, True),
        (100, 200, 201, False),
        (100, 200, 99, False),
    ],
)
def test_a_key_counts_from_its_first_to_its_last_second(
    after: int | None, before: int | None, now: float, is_valid: bool
) -> None:
    moments = [None if end is None else Moment("t", end) for end in (after, before)]
    assert Signer("me", "ssh-ed25519", ME, False, None, *moments).is_valid_at(now) is is_valid


def test_a_message_can_say_when_a_key_counts() -> None:
    [entry] = signers(f'me valid-after="20240101Z",valid-before="20250101Z" {line(b"me")}')
    assert entry.window() == "valid-after 20240101Z, valid-before 20250101Z"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20240101Z", 1704067200),
        ("20240101z", 1704067200),
        ("202401010203Z", 1704074580),
        ("20240101020304Z", 1704074584),
        ("20240101", 1704063600),
        ("202401010100", 1704067200),
        ("20240701", 1719788400),
    ],
)
@pytest.mark.usefixtures("_in_berlin")
def test_a_time_is_that_of_ssh_keygen_where_the_clocks_are_changed(text: str, seconds: int) -> None:
    [entry] = signers(f'me valid-after="{text}" {line(b"me")}')
    assert entry.valid_after == Moment(text, seconds)


def test_a_key_is_on_a_list_of_revoked_keys_by_its_bytes() -> None:
    text = f"# lost\n\n{line(b'me')} laptop\n  {line(b'x', 'ssh-rsa')}\r\n"
    assert load_keys(text.encode(), "revoked") == {ME, key(b"x", "ssh-rsa")}


@pytest.mark.parametrize(
    "broken", ["ssh-ed25519", "me AAAA", f"me {line(b'me')}", "SHA256:abcd", "\x07"]
)
def test_a_list_of_revoked_keys_with_a_broken_line_is_refused(broken: str) -> None:
    with pytest.raises(SignatureError, match=r"^revoked:2: "):
        load_keys(f"{line(b'me')}\n{broken}\n".encode(), "revoked")


@pytest.mark.skipif(os.name == "nt", reason="its clock has later years")
def test_a_year_that_the_clock_does_not_have_is_refused() -> None:
    with pytest.raises(SignatureError, match="not a time"):
        signers(f'me valid-after="00000101" {line(b"me")}')
