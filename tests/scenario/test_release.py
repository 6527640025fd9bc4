"""A release on its way: published, promoted, looked at, withdrawn; and every refusal on that way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from agentrail_runtime import decision_log
from agentrail_runtime.entry import INDEX_NAME
from agentrail_runtime.errors import UsageError
from agentrail_runtime.operation import release as operation
from agentrail_runtime.operation.release import Setting
from agentrail_runtime.policy_file import find
from agentrail_runtime.release import event
from agentrail_runtime.release.policy import Suspension
from agentrail_runtime.release.record import Decision, Verdict
from agentrail_runtime.static_channel import StaticChannel
from tests.channel_support import NAME, VERSION, contents, make_key, policy, release, sdist, wheel
from tests.support import PAYLOAD, Run, snapshot, write

pytestmark = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen on this machine"
)
SUSPENDS, NEVER = "withdrawal_suspends: [general]", "withdrawal_suspends: []"
AT = "2030-12-31T08:00:00Z"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key of who signs releases."""
    return make_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of a maintainer's, current: a policy that names nobody, and ``channels``."""
    policy(tmp_path, ("index_url: null", "index_url: null, location: channels"), (SUSPENDS, NEVER))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def dist(desk: Path) -> Path:
    """A wheel and a source distribution."""
    sdist(desk / "dist")
    return wheel(desk / "dist").parent


@pytest.fixture
def published(dist: Path) -> Path:
    """Both of them, published."""
    assert release("publish", dist).code == 0
    return dist


def decide(stage: str, verdict: Verdict = "promote", version: str = VERSION, at: str = AT) -> None:
    decision = Decision(stage, version, verdict, is_manual=True, reason="r", decided_at=at)  # type: ignore[arg-type]
    decision_log.append("release-decisions.jsonl", decision)


def promote(to: str = "pilot", *words: str) -> Run:
    return release("promote", "--version", VERSION, "--to", to, "--approver", "Bo", *words)


def withdraw(key: Path | None, *words: str, version: str = VERSION) -> Run:
    signed = () if key is None else ("--sign", key)
    fixed = ("--version", version, "--reason", "breaks rollback", "--as-of", AT)
    return release("withdraw", *fixed, *signed, *words)


def versions(name: str) -> set[str]:
    channel = StaticChannel("channels", name)  # type: ignore[arg-type]
    return {row.version for row in channel.distributions()}


# --- publish -----------------------------------------------------------------------------------------


def test_publish_puts_all_files_into_the_first_channel_and_says_which(dist: Path) -> None:
    done = release("publish", "--json", dist)
    assert done.code == 0, done.err
    assert {key: done.json[key] for key in ("command", "result", "changed", "version", "channels")} == {
        "command": "release publish",
        "result": "applied",
        "changed": True,
        "version": VERSION,
        "channels": ["internal"],
    }
    assert [file["filename"] for file in done.json["files"]] == [
        NAME,
        f"agentrail_runtime-{VERSION}.tar.gz",
    ]
    assert versions("internal") == {VERSION}


def test_publishing_twice_says_that_it_is_there(published: Path) -> None:
    again = release("publish", published, published / NAME)
    assert (again.code, again.out.splitlines()[0]) == (0, "1.1.0: already in internal")


def test_a_dry_run_of_publish_writes_nothing(dist: Path) -> None:
    done = release("publish", dist, "-n")
    assert (done.code, done.out.splitlines()[0]) == (0, "1.1.0: to be published to internal")
    assert not Path("channels").exists()


def test_publish_says_where_the_policy_names_nobody(dist: Path) -> None:
    assert "note: the policy names nobody who may publish to internal" in release("publish", dist).err


def test_only_those_whom_the_policy_names_may_publish(
    desk: Path, dist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = desk / "distribution.yaml"
    path.write_text(path.read_text().replace("publishing: {owner: null", "publishing: {owner: Ann Lee"))
    refused = release("publish", dist)
    assert (refused.code, refused.out) == (1, "")
    assert "an unnamed person may not publish there (expected Ann Lee)" in refused.err
    assert not Path("channels").exists()
    monkeypatch.setenv("AGENTRAIL_ACTOR", "Ann Lee")
    assert release("publish", dist).code == 0


def test_nothing_is_published_past_the_first_channel(dist: Path) -> None:
    refused = release("publish", dist, "--channel", "general")
    assert refused.code == 2
    assert "--channel general: nothing is published there (expected internal)" in refused.err


def test_every_unfit_file_is_named_at_once(desk: Path, dist: Path) -> None:
    write(
        desk, {"x/other-1.0.tar.gz": b"", "x/agentrail_runtime-2.0.tar.gz": b"no", "empty/a.txt": b""}
    )
    sdist(desk / "x", "1.0.9")
    refused = release("publish", dist, "x", "empty", "gone.whl")
    assert refused.code == 1
    for finding in (
        "x/other-1.0.tar.gz: not a wheel or source distribution of agentrail-runtime",
        "x/agentrail_runtime-2.0.tar.gz: damaged: ",
        "x/agentrail_runtime-1.0.9.tar.gz: another version (expected 1.1.0, got 1.0.9)",
        "empty: no wheel and no source distribution in it",
        "gone.whl: cannot be read: No such file or directory",
    ):
        assert finding in refused.err
    assert not Path("channels").exists()


def test_a_release_without_a_wheel_is_refused(desk: Path) -> None:
    refused = release("publish", sdist(desk / "only"))
    assert refused.code == 1
    assert "no wheel (expected one of agentrail-runtime)" in refused.err


def test_a_directory_that_cannot_be_listed_is_told(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("agentrail_runtime.built.os.listdir", denied)
    refused = release("publish", desk)
    assert (refused.code, f"{desk}: cannot be read: Permission denied" in refused.err) == (1, True)


def test_a_wheel_whose_payload_is_of_another_version_is_refused(desk: Path) -> None:
    other = contents(desk, "1.2.0")
    changed = {name: data for name, data in other.items() if name.endswith(INDEX_NAME)}
    refused = release("publish", wheel(desk / "a", changed=changed))
    assert refused.code == 1
    assert "its payload is of another version (expected 1.1.0, got 1.2.0)" in refused.err


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"docs/a.md": b"x\n"}, "docs/a.md: altered"),
        ({"docs/a.md": None}, "docs/a.md: missing"),
        ({"docs/more.md": b"x\n"}, "docs/more.md: not in the index"),
        ({INDEX_NAME: b"{}"}, f"{INDEX_NAME}: schema_version: missing"),
    ],
)
def test_a_wheel_whose_payload_is_not_intact_is_refused_before_all_else(
    desk: Path, changed: dict[str, bytes | None], message: str
) -> None:
    inside = {f"agentrail_runtime/payload/{name}": data for name, data in changed.items()}
    refused = release("publish", wheel(desk / "a", changed=inside), "gone.whl")
    assert refused.code == 6
    assert message in refused.err
    assert "gone.whl: cannot be read" in refused.err


def test_a_version_that_is_published_is_never_replaced(published: Path, desk: Path) -> None:
    other = wheel(desk / "other", changed={"agentrail_runtime/__init__.py": b"# other\n"})
    refused = release("publish", other)
    assert refused.code == 1
    assert f"{NAME}: published already with other bytes" in refused.err
    assert "hint: what was published stays as it is: build a new version" in refused.err


def test_a_signature_is_required_where_it_is_asked_for(desk: Path, key: Path) -> None:
    unsigned = release("publish", wheel(desk / "a"), "--require-signature", "-n")
    assert unsigned.code == 6
    assert "runtime.index.json.sig: expected a valid signature, got none" in unsigned.err
    signed = wheel(desk / "b", key=key)
    nobody = release("publish", signed, "--require-signature", "-n")
    assert (nobody.code, "genuine, but this version knows no signer" in nobody.err) == (6, True)
    asked = ("--require-signature", "--allowed-signers", f"{key}.signers")
    assert release("publish", signed, *asked).code == 0


def test_a_signature_of_a_stranger_or_of_other_bytes_is_refused_unasked(desk: Path, key: Path) -> None:
    stranger = make_key(desk, "stranger")
    refused = release("publish", wheel(desk / "a", key=stranger), "--allowed-signers", f"{key}.signers")
    assert (refused.code, "has no entry for the key" in refused.err) == (6, True)
    name = "agentrail_runtime/payload/runtime.index.json.sig"
    other = contents(desk, "1.2.0", key=key)[name]
    refused = release("publish", wheel(desk / "b", changed={name: other}))
    assert (refused.code, f"{NAME}: runtime.index.json.sig: " in refused.err) == (6, True)


def test_a_signature_that_nobody_vouches_for_is_a_note(desk: Path, key: Path) -> None:
    done = release("publish", wheel(desk / "a", key=key))
    assert (done.code, "genuine, but this version knows no signer" in done.err) == (0, True)


def test_without_a_place_for_the_channels_it_is_said_what_to_name(desk: Path, dist: Path) -> None:
    policy(desk)
    refused = release("publish", dist)
    assert refused.code == 1
    assert "hint: name the directory of the channels: --location DIR" in refused.err
    assert release("publish", dist, "--location", "there").code == 0
    assert StaticChannel("there", "internal").distributions()


def test_an_error_as_json_names_the_command_and_the_code(dist: Path) -> None:
    refused = release("publish", dist, "gone.whl", "--json")
    assert (refused.json["command"], refused.json["error"]["code"]) == ("release publish", 1)


# --- promote -----------------------------------------------------------------------------------------


def test_a_version_that_passed_gets_the_same_bytes_into_the_next_channel(published: Path) -> None:
    decide("internal")
    done = promote()
    assert done.code == 0, done.err
    internal = StaticChannel("channels", "internal").distributions()
    assert StaticChannel("channels", "pilot").distributions() == internal
    assert promote().out.splitlines()[0] == "1.1.0: already in pilot"
    decide("pilot")
    assert promote("general").out.splitlines()[0] == "1.1.0: promoted to general"


def test_a_dry_run_of_promote_writes_nothing(published: Path) -> None:
    decide("internal")
    assert promote("pilot", "-n").out.splitlines()[0] == "1.1.0: to be promoted to pilot"
    assert not Path("channels/pilot").exists()


@pytest.mark.parametrize(
    "decisions",
    [
        (),
        (("pilot", "promote"),),
        (("internal", "hold"),),
        (("internal", "promote"), ("internal", "stop")),
    ],
)
def test_without_a_decision_that_holds_nothing_is_promoted(
    published: Path, decisions: tuple[tuple[str, Verdict], ...]
) -> None:
    for stage, verdict in decisions:
        decide(stage, verdict)
    refused = promote()
    assert refused.code == 1
    assert "1.1.0: no decision lets it leave internal" in refused.err
    assert "hint: agentrail release gate --stage internal --version 1.1.0" in refused.err


def test_a_line_that_is_no_decision_is_told_and_decides_nothing(published: Path) -> None:
    decide("internal")
    with open("release-decisions.jsonl", "ab") as file:
        file.write(b'{"torn')
    assert "release-decisions.jsonl:2: not a decision" in promote().err


def test_a_stage_cannot_be_skipped(published: Path) -> None:
    decide("internal")
    decide("pilot")
    refused = promote("general")
    assert refused.code == 1
    assert "pilot: no version 1.1.0 (expected it there before general)" in refused.err


def test_what_is_yanked_is_not_promoted(published: Path) -> None:
    decide("internal")
    StaticChannel("channels", "internal").yank(VERSION, "slow")
    refused = promote()
    assert (refused.code, f"{NAME}: yanked: slow" in refused.err) == (1, True)


def test_nothing_is_promoted_into_the_first_channel(desk: Path) -> None:
    setting = Setting(find(None, str(desk))[0])
    with pytest.raises(UsageError, match="nothing is promoted there"):
        operation.promote(
            VERSION, "internal", setting, approver="Bo", has_passed=lambda stage, version: True
        )


def test_nobody_approves_their_own_promotion(published: Path) -> None:
    refused = promote("pilot", "--actor", "bo")
    assert (refused.code, "Bo acts and approves" in refused.err) == (1, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--version", "new", "--to", "pilot", "--approver", "Bo"), "not a version: 'new'"),
        (("--version", "1.1.0", "--to", "internal", "--approver", "Bo"), "'internal' is not one of"),
        (("--version", "1.1.0", "--to", "pilot"), "Missing option '--approver'"),
        (
            ("--version", "1", "--to", "pilot", "--approver", "Bo", "--as-of", "noon"),
            "not a time: 'noon'",
        ),
        (
            ("--version", "1", "--to", "pilot", "--approver", "Bo", "--as-of", "2030-01-01T00:00:00"),
            "expected one as 2030-12-31T08:00:00Z",
        ),
    ],
)
def test_a_command_line_that_means_nothing_is_a_usage_error(
    words: tuple[str, ...], message: str
) -> None:
    refused = release("promote", *words)
    assert (refused.code, message in refused.err) == (2, True)


def report(count: int) -> None:
    """Write what so many installs of the version told two days before."""
    lines = [
        event.dump(
            event.Event(
                "1.0",
                f"id{number}",
                "2030-12-29T08:00:00Z",
                f"{number:064x}",
                "internal",
                VERSION,
                None,
                "package",
                "install",
                "finished",
                "ok",
                0,
                900,
                "3.12.1",
                "linux",
            )
        )
        for number in range(count)
    ]
    write(Path("events"), {"a.jsonl": b"".join(lines)})


def test_the_gate_can_be_run_on_the_spot(published: Path) -> None:
    report(10)
    refused = promote("pilot", "--events", "events", "--as-of", AT)
    assert (refused.code, "no decision lets it leave internal" in refused.err) == (1, True)
    report(60)
    done = promote("pilot", "--events", "events", "--as-of", AT)
    assert done.code == 0, done.err
    assert "note: the gate of internal: promote: " in done.err
    assert versions("pilot") == {VERSION}


def test_a_channel_that_tells_no_digest_is_not_promoted_from(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tuple(
        row._replace(sha256="") for row in StaticChannel("channels", "internal").distributions()
    )
    monkeypatch.setattr(StaticChannel, "distributions", lambda channel: rows)
    refused = promote()
    assert (refused.code, "its sha256 is not told" in refused.err) == (1, True)


def test_a_channel_that_serves_something_else_than_it_was_given_is_found_at_once(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide("internal")
    monkeypatch.setattr(StaticChannel, "add", lambda channel, rows, origin: None)
    refused = promote()
    assert refused.code == 6
    assert f"pilot: {NAME}: not what was put there" in refused.err
    assert "got no such file" in refused.err
    assert "hint: agentrail release withdraw --version 1.1.0 --channel pilot" in refused.err


def test_a_channel_that_serves_other_bytes_than_it_tells_is_found(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide("internal")
    monkeypatch.setattr(StaticChannel, "fetch", lambda channel, row: b"other")
    refused = promote()
    assert (refused.code, f"{NAME}: not what was put there" in refused.err) == (6, True)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_one_flipped_byte_stops_a_promotion(published: Path) -> None:
    decide("internal")
    flip(next(Path("channels/files").glob(f"*/*/{NAME}")))
    refused = promote()
    assert refused.code == 6
    assert f"{NAME}: altered (expected sha256" in refused.err
    assert not Path("channels/pilot").exists()


def test_one_flipped_byte_is_found_in_what_was_promoted_before(published: Path) -> None:
    decide("internal")
    promote()
    flip(next(Path("channels/files").glob(f"*/*/{NAME}")))
    assert promote().code == 6


# --- withdraw ----------------------------------------------------------------------------------------


def denied() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(Path("channels/denied.json").read_bytes())["denied"]
    return rows


def test_a_withdrawn_version_leaves_the_channels_and_enters_the_signed_list(
    published: Path, key: Path
) -> None:
    done = withdraw(key, "--all")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "1.1.0: withdrawn from internal, pilot, general"
    assert versions("internal") == set()
    channels = ["internal", "pilot", "general"]
    row = {"version": VERSION, "reason": "breaks rollback", "since": AT, "channels": channels}
    assert denied() == [row]
    assert Path("channels/denied.json.sig").read_bytes().startswith(b"-----BEGIN SSH SIGNATURE")


def test_withdrawing_it_again_changes_nothing(published: Path, key: Path) -> None:
    withdraw(key, "--channel", "internal")
    before = snapshot(Path("channels"), with_times=True)
    again = withdraw(key, "--channel", "internal")
    assert again.out.splitlines()[0] == "1.1.0: withdrawn already from internal"
    assert snapshot(Path("channels"), with_times=True) == before


def test_a_dry_run_of_withdraw_writes_nothing(published: Path, key: Path) -> None:
    before = snapshot(Path("channels"), with_times=True)
    planned = withdraw(key, "--channel", "internal", "-n")
    assert planned.out.splitlines()[0] == "1.1.0: to be withdrawn from internal"
    assert snapshot(Path("channels"), with_times=True) == before


def suspending(desk: Path) -> None:
    """Have the policy say that a withdrawal from the widest channel suspends the package route."""
    path = desk / "distribution.yaml"
    path.write_text(path.read_text().replace(NEVER, SUSPENDS))


def test_a_withdrawal_from_the_widest_channel_makes_copy_the_default_at_once(
    published: Path, key: Path, desk: Path
) -> None:
    suspending(desk)
    shutil.copytree(PAYLOAD / "docs", desk / "docs")
    assert "suspended" not in withdraw(key, "--channel", "pilot").err
    assert "note: suspended: copy is the default route now" in withdraw(key, "--channel", "general").err
    found, _ = find(None, str(desk))
    assert found.suspension == Suspension(AT, "1.1.0 was withdrawn: breaks rollback")


def test_a_withdrawal_that_cannot_suspend_says_what_is_left_to_do(
    published: Path, key: Path, desk: Path
) -> None:
    suspending(desk)
    done = withdraw(key, "--all")
    assert done.code == 1
    assert "it is withdrawn and denied, but the package route is still the default" in done.err
    assert "agentrail migration suspend --reason '1.1.0 was withdrawn: breaks rollback'" in done.err
    assert versions("internal") == set()
    assert [row["version"] for row in denied()] == [VERSION]


def test_where_the_policy_is_the_packaged_one_the_command_to_type_is_told(
    published: Path, key: Path, desk: Path
) -> None:
    (desk / "distribution.yaml").unlink()
    words = ("--location", "channels", "--actor", "The AgentRail developers", "--channel", "general")
    done = withdraw(key, *words)
    assert done.code == 0, done.err
    assert "agentrail migration suspend --reason '1.1.0 was withdrawn: breaks rollback'" in done.err


def test_without_a_copy_route_there_is_none_to_go_back_to(
    published: Path, key: Path, desk: Path
) -> None:
    suspending(desk)
    path = desk / "distribution.yaml"
    path.write_text(path.read_text().replace("phase: 3", "phase: 4"))
    assert "note: the copy route was removed" in withdraw(key, "--channel", "general").err


def test_a_withdrawal_that_was_killed_after_the_page_is_finished_by_the_next(
    published: Path, key: Path
) -> None:
    StaticChannel("channels", "internal").withdraw(VERSION, "")
    assert withdraw(key, "--all").code == 0
    assert [row["version"] for row in denied()] == [VERSION]


def test_a_withdrawal_that_was_killed_before_the_signature_is_finished_by_the_next(
    published: Path, key: Path
) -> None:
    withdraw(key, "--channel", "internal")
    first = Path("channels/denied.json.sig").read_bytes()
    release("publish", wheel(Path("more"), "1.2.0"))
    withdraw(key, "--channel", "internal", version="1.2.0")
    Path("channels/denied.json.sig").rename("channels/.denied.json.sig.new")
    Path("channels/denied.json.sig").write_bytes(first)
    assert release("publish", wheel(Path("more"), "1.2.0")).code == 1
    assert withdraw(key, "--channel", "internal", version="1.2.0").code == 0
    Path("channels/.denied.json.sig.new").unlink(missing_ok=True)
    assert [row["version"] for row in denied()] == [VERSION, "1.2.0"]
    assert release("status").code == 0


def test_a_withdrawn_version_does_not_come_back(published: Path, key: Path) -> None:
    decide("internal")
    promote()
    withdraw(key, "--channel", "internal")
    refused = release("publish", published)
    assert refused.code == 1
    assert "1.1.0: denied since 2030-12-31T08:00:00Z: breaks rollback" in refused.err
    decide("pilot")
    assert "1.1.0: denied since" in promote("general").err


def test_a_version_that_nobody_heard_of_is_not_denied_for_ever(published: Path, key: Path) -> None:
    refused = withdraw(key, "--all", version="1.11.0")
    assert refused.code == 1
    assert "1.11.0: in none of " in refused.err
    assert not Path("channels/denied.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name channels with --channel, or all of them with --all"),
        (("--all", "--channel", "pilot"), "name channels with --channel, or all of them with --all"),
        (("--all", "--reason", " \x07 "), "--reason: expected a text of at most 400 printable"),
        (("--all", "--reason", "x" * 401), "--reason: expected a text of at most 400 printable"),
        (("--all", "--version", "new"), "not a version: 'new'"),
        (("--all", "--deny-list", "https://example.org/denied.json"), "--deny-list: no file is named"),
        (("--all", "--deny-list", "channels/a:b"), "--deny-list: a:b: "),
    ],
)
def test_a_withdrawal_that_says_too_little_is_a_usage_error(
    published: Path, key: Path, words: tuple[str, ...], message: str
) -> None:
    refused = withdraw(key, *words)
    assert (refused.code, message in refused.err) == (2, True)
    assert versions("internal") == {VERSION}


def test_without_a_key_nothing_is_withdrawn(published: Path) -> None:
    refused = withdraw(None, "--all")
    assert (refused.code, "--sign: no key" in refused.err) == (2, True)
    missing = withdraw(Path("nokey"), "--all")
    assert (missing.code, "nokey: cannot sign" in missing.err) == (1, True)
    assert versions("internal") == {VERSION}


def test_no_place_at_all_for_channels_or_list_is_told(desk: Path, key: Path) -> None:
    policy(desk)
    refused = withdraw(key, "--channel", "pilot")
    assert (refused.code, "--deny-list: no file is named" in refused.err) == (2, True)
    refused = withdraw(key, "--all", "--deny-list", "denied.json")
    assert (refused.code, "--location DIR" in refused.err) == (1, True)


def test_the_first_withdrawal_may_name_who_is_believed(published: Path, key: Path) -> None:
    named = ("--allowed-signers", f"{key}.signers")
    assert withdraw(key, "--channel", "internal", *named).code == 0
    assert release("publish", wheel(Path("more"), "1.2.0"), *named).code == 0


def test_a_channel_that_cannot_take_a_version_out_says_what_is_left_to_do(
    published: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StaticChannel, "withdraw", lambda channel, version, reason: False)
    done = withdraw(key, "--channel", "internal")
    assert (done.code, "1.1.0 is still there for whoever pinned it" in done.err) == (0, True)


def test_a_list_elsewhere_is_written_and_obeyed_there(published: Path, key: Path) -> None:
    place = ("--deny-list", "lists/denied.json")
    assert withdraw(key, "--channel", "internal", *place).code == 0
    assert not Path("channels/denied.json").exists()
    assert "denied since" in release("publish", published, *place).err


def test_a_list_is_not_taken_over_with_another_key(published: Path, key: Path, desk: Path) -> None:
    withdraw(key, "--channel", "internal")
    release("publish", wheel(desk / "more", "1.2.0"))
    other = make_key(desk, "other")
    refused = withdraw(other, "--channel", "internal", version="1.2.0")
    assert (refused.code, "denied.json: signed by another key so far" in refused.err) == (6, True)
    named = ("--allowed-signers", f"{key}.signers", "--channel", "internal")
    refused = withdraw(other, *named, version="1.2.0")
    assert (refused.code, "has no entry for the key" in refused.err) == (6, True)
    assert withdraw(key, *named, version="1.2.0").code == 0
    assert [row["version"] for row in denied()] == [VERSION, "1.2.0"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("denied.json", b'{"schema_version": "1.0", "sequence": 9, "denied": []}', "denied.json.sig: "),
        ("denied.json.sig", None, "denied.json: not signed (expected "),
        ("denied.json.sig", b"no", "denied.json.sig: "),
        (".denied.json.sig.new", b"no", ""),
    ],
)
def test_a_list_that_somebody_altered_stops_publishing(
    published: Path, key: Path, name: str, data: bytes | None, message: str
) -> None:
    withdraw(key, "--channel", "internal")
    path = Path("channels", name)
    path.unlink(missing_ok=True)
    if data is not None:
        path.write_bytes(data)
    refused = release("publish", wheel(Path("more"), "1.2.0"))
    assert refused.code == (6 if message else 0), refused.err
    assert message in refused.err


def test_a_list_that_is_no_file_stops_publishing(published: Path) -> None:
    Path("channels/denied.json").mkdir()
    refused = release("publish", published)
    assert (refused.code, "denied.json: cannot be read: not a plain file" in refused.err) == (6, True)


# --- status ------------------------------------------------------------------------------------------


def test_status_shows_what_is_where(published: Path, desk: Path, key: Path) -> None:
    release("publish", wheel(desk / "more", "1.2.0"))
    decide("internal")
    promote()
    StaticChannel("channels", "internal").yank("1.2.0", "slow")
    withdraw(key, "--channel", "pilot")
    done = release("status")
    assert done.code == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["CHANNEL", "VERSION", "FILES", "SHA256", "DECISION", "STATE"]
    assert [line[:3] + line[4:] for line in lines[1:5]] == [
        ["internal", "1.2.0", "1", "-", "yanked"],
        ["internal", "1.1.0", "2", "promote", "denied"],
        ["pilot", "-", "0", "-", "-"],
        ["general", "-", "0", "-", "-"],
    ]
    assert done.out.splitlines()[5] == f"denied  1.1.0  since {AT}: breaks rollback"


def test_status_as_json_has_whole_digests(published: Path) -> None:
    found = release("status", "--json", "--channel", "internal", "--channel", "pilot").json
    assert [row["name"] for row in found["channels"]] == ["internal", "pilot"]
    (version,) = found["channels"][0]["versions"]
    assert (version["version"], version["yanked"], version["denied"], version["decision"]) == (
        VERSION,
        None,
        None,
        None,
    )
    assert {len(file["sha256"]) for file in version["files"]} == {64}
    assert (found["denied"], found["problems"], found["error"]) == ([], [], None)


def test_status_of_channels_that_have_no_place_yet_says_so(desk: Path) -> None:
    policy(desk)
    done = release("status")
    assert done.code == 0
    assert done.out.count("no place") == 3


def test_status_tells_every_problem_and_ends_with_the_worst(published: Path, key: Path) -> None:
    withdraw(key, "--channel", "pilot")
    Path("channels/denied.json.sig").unlink()
    page = Path("channels/internal/simple/agentrail-runtime/index.html")
    page.unlink()
    page.mkdir()
    done = release("status")
    assert done.code == 6
    assert "problem  channels/denied.json: not signed" in done.out
    assert "index.html: cannot be read: not a plain file" in done.out
    assert [row["code"] for row in release("status", "--json").json["problems"]] == [6, 1]


@pytest.mark.parametrize("name", ["publish", "promote", "withdraw", "status"])
def test_quiet_prints_nothing(published: Path, key: Path, name: str) -> None:
    decide("internal")
    done = {
        "publish": lambda: release("publish", published, "-q"),
        "promote": lambda: promote("pilot", "-q"),
        "withdraw": lambda: withdraw(key, "--channel", "pilot", "-q"),
        "status": lambda: release("status", "-q"),
    }[name]()
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.parametrize("name", ["publish", "promote", "withdraw", "status"])
def test_help_shows_an_example(name: str) -> None:
    assert f"Example: agentrail release {name}" in " ".join(release(name, "--help").out.split())
