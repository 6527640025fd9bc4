"""Texts as nobody writes them on purpose, all found by fuzzing: nothing of them is lost or obeyed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agentrail_runtime import manifest, profile
from agentrail_runtime.channel import Distribution
from agentrail_runtime.checks import template
from agentrail_runtime.checks.markdown import first_title
from agentrail_runtime.checks.state import StateError
from agentrail_runtime.entry import POLICY_NAME
from agentrail_runtime.merge import merge
from agentrail_runtime.release import deny_list, policy, simple_index
from agentrail_runtime.release.deny_list import Denied, DenyList
from agentrail_runtime.release.simple_index import File, SimpleIndexError
from tests.support import PAYLOAD, agentrail, install, make_bundle, write

HEX = "ab" * 32
SINCE = "2030-12-31T08:00:00Z"
NAME = "agentrail_runtime-1.0.tar.gz"


def test_a_switch_in_a_cloned_repository_cannot_clear_the_terminal_of_who_installs(
    tmp_path: Path,
) -> None:
    write(tmp_path, {".agentrail/policy.yaml": '"\\e[2J\\x9b2J\\e]0;owned\\a": 1\n'})
    done = install(tmp_path)
    assert done.code != 0
    assert "\\x1b[2J\\x9b2J\\x1b]0;owned\\x07: unknown key" in done.err
    assert not {*done.err} & {*"\x1b\x9b\x07"}


def test_a_block_that_ends_in_a_bare_cr_is_no_drift_after_an_install(
    repo: Path, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "b", {"AGENTS.md": b"rule\r"}, ownership={"AGENTS.md": "block"})
    assert install(repo, bundle=bundle).code == 0
    assert agentrail("verify", repo).code == 0
    assert install(repo, "--json", bundle=bundle).json["result"] == "unchanged"


def test_a_merge_keeps_each_cr_of_a_file_whose_line_ends_were_converted_twice() -> None:
    base = b"a\r\r\nb\r\r\nc\r\r\n"
    mine, theirs = b"mine\r\r\nb\r\r\nc\r\r\n", b"a\r\r\nb\r\r\ntheirs\r\r\n"
    assert merge(base, mine, theirs) == b"mine\r\r\nb\r\r\ntheirs\r\r\n"
    assert merge(base, mine, base) == mine


def test_a_long_reason_of_a_withdrawal_is_the_same_in_the_list_and_in_its_file() -> None:
    reason = f"{'a' * 999} {'b' * 10}"
    listed = deny_list.with_denied(DenyList(), "1.1.0", reason=reason, since=SINCE)
    again = deny_list.load(deny_list.dump(listed))
    assert again == listed
    assert deny_list.setback(listed, again) == ""


def test_a_denied_version_of_thousands_of_digits_does_not_end_every_install_in_an_error() -> None:
    listed = DenyList(1, (Denied("9" * 5000, "", SINCE), Denied("1.1.0", "bad", SINCE)))
    assert listed.find("1.1") == listed.denied[1]
    assert listed.find("9" * 5000) == listed.denied[0]


def test_a_list_of_a_thousand_denied_versions_is_told_from_an_older_one_at_once() -> None:
    rows = tuple(Denied(f"1.{number}", "", SINCE) for number in range(1_000))
    assert deny_list.setback(DenyList(1, rows), DenyList(2, rows)) == ""
    assert deny_list.setback(DenyList(1, rows), DenyList(2, rows[1:])).startswith("denies 1.0 no more")


@pytest.mark.parametrize("yanked", ["bad", None])
def test_a_page_that_tells_of_a_file_twice_can_still_be_listed(yanked: str | None) -> None:
    rows = [
        File(Distribution(NAME, "1.0", HEX, 7, None, NAME)),
        File(Distribution(NAME, "1.0", HEX, 7, yanked, NAME)),
    ]
    assert simple_index.ordered(rows) == simple_index.ordered(rows[::-1])
    assert len(simple_index.parse_json(simple_index.render_json(rows))) == 2


@pytest.mark.parametrize("place", ["", "<a href='"])
def test_a_page_with_a_character_of_thousands_of_digits_is_refused_by_name(place: str) -> None:
    with pytest.raises(SimpleIndexError, match="not HTML"):
        simple_index.parse_html(f"{place}&#{'9' * 5000};'>".encode())


def test_the_task_root_comes_back_in_hundreds_of_entries_without_reading_each_anew() -> None:
    data = b"workflow:\n  task_root: work\npaths:\n  artifacts:\n" + b"    - work\n" * 300
    moved, fragments = profile.set_task_root(profile.load(data, supported=[]), "tasks")
    again, more = profile.set_task_root(profile.load(moved, supported=[]), "later")
    assert len(fragments) == len(more) == 301
    assert profile.restore(again, [*fragments, *more]) == data


@pytest.mark.parametrize("number", ["1e400", "-1e400"])
def test_a_number_that_json_cannot_say_again_is_told_before_a_task_is_made_of_it(number: str) -> None:
    with pytest.raises(StateError, match="too large"):
        template.fill_state(f'{{"estimate": {number}}}', updated_at="", depends_on=[])
    assert '"estimate": 1e+300' in template.fill_state(
        '{"estimate": 1e300}', updated_at="", depends_on=[]
    )


def test_a_control_character_above_a_title_does_not_indent_it() -> None:
    assert first_title("\x1c\nt\n=\n") == "t"


def test_a_policy_whose_phase_is_a_block_of_lines_is_still_one_after_the_phase_moved() -> None:
    shipped = (PAYLOAD / POLICY_NAME).read_bytes()
    data = re.sub(rb"(?m)^phase: [0-9]\n", b"phase: |-\n  2\n", shipped)
    moved = policy.with_phase(policy.load(data), 3)
    assert policy.load(moved).phase == 3
    assert moved == re.sub(rb"(?m)^phase: [0-9]\n", b"phase: 3\n", shipped)


def test_a_time_in_digits_of_another_script_is_none(tmp_path: Path) -> None:
    rows = f'schema_version: "1.0"\ndefault_source: copy\nreason: x\nsince: "{SINCE}"\n'
    write(tmp_path, {".agentrail/policy.yaml": rows.replace("2030", "٢٠٣٠")})
    done = install(tmp_path)
    assert done.code != 0
    assert "since: expected a value such as 2030-12-31T08:00:00Z" in done.err


@pytest.mark.parametrize("star", ["*", "**", "*?", "**/"])
def test_an_exclude_of_many_stars_does_not_hold_up_an_export_for_ever(star: str) -> None:
    glob = manifest.compile_glob(f"{star}a" * 30 + "b")
    assert glob.fullmatch("a/a" * 300 + "bc") is None
