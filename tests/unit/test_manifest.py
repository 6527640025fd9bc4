"""The manifest says which files ship: every rule of its format, one table for each."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from agentrail_runtime import manifest
from agentrail_runtime.manifest import Item, Manifest, ManifestError, Selected
from tests.support import PAYLOAD

HEAD = 'schema_version: "1.1.0"\noutput_root: dist/runtime\n'
LISTING = [
    ".github/workflows/ci.yml",
    ".hidden",
    "AGENTS.md",
    "README.md",
    "docs/.dot/deep.md",
    "docs/a.md",
    "docs/B.md",
    "docs/sub/c.pyc",
    "docs/sub/c.md",
    "docs2/d.md",
    "project.profile.yaml",
    "seeds/memory.md",
    "tools/run.sh",
]


def make(schema_version: str = "1.1.0", **values: Any) -> Manifest:
    value = {"schema_version": schema_version, "output_root": "dist/runtime", **values}
    return manifest.load(yaml.safe_dump({"include_paths": ["AGENTS.md"], **value}))


def shipped(listing: list[str] = LISTING, **values: Any) -> list[str]:
    return [row.destination for row in manifest.select(make(**values), listing)]


def refusal(text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        manifest.load(text)
    return caught.value.message.splitlines()


def test_a_manifest_is_read_with_the_line_of_every_item() -> None:
    lists = (
        "include_paths:\n  - AGENTS.md\n  - 'docs/'\nseed_files: [a => b]\nblock_files:\n- AGENTS.md\n"
    )
    assert manifest.load(HEAD + lists) == Manifest(
        schema_version="1.1.0",
        output_root="dist/runtime",  # type: ignore[arg-type]
        include_paths=(Item("AGENTS.md", 4), Item("docs/", 5)),
        seed_files=(Item("a => b", 6),),
        block_files=(Item("AGENTS.md", 8),),
    )


@pytest.mark.parametrize("schema_version", ["1.0.0", "1.1.0"])
def test_a_manifest_of_either_schema_still_loads(schema_version: str) -> None:
    lists = {
        "include_paths": ["docs", "tools"],
        "seed_files": ["seeds/memory.md => MEMORY.md"],
        "exclude_paths": ["docs/sub"],
        "exclude_globs": ["**/*.pyc"],
    }
    assert make(schema_version, **lists).schema_version == schema_version


def test_the_shipped_manifest_loads() -> None:
    read = manifest.load((PAYLOAD / "framework.runtime.manifest.yaml").read_text("utf-8"))
    assert read.classes()["AGENTS.md"] == "block"


def test_lists_may_be_left_empty_or_out() -> None:
    read = manifest.load(f"{HEAD}include_paths: [AGENTS.md]\nseed_files:\nexclude_globs: []\n")
    assert (read.seed_files, read.exclude_paths, read.exclude_globs) == ((), (), ())


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("", ":1: expected a mapping at the top level"),
        ("- a\n", ":1: expected a mapping at the top level"),
        ("text\n", ":1: expected a mapping at the top level"),
        ("a: [\n", ":2:1: not valid YAML: "),
        ("a: 1\nb: ]\n", ":2:4: not valid YAML: "),
        ("a: \x07\n", ": not valid YAML: "),
        ("a: " + "[" * 100_000, ": not valid YAML: "),
        ('a: "\\UFFFFFFFF"\n', ": not valid YAML: "),
        (
            "output_root: x\ninclude_paths: [a]\n",
            ": schema_version not supported (expected 1.0.0 or 1.1.0",
        ),
        (
            "schema_version: 2.0.0\n",
            ": schema_version not supported (expected 1.0.0 or 1.1.0, got 2.0.0)",
        ),
        ("schema_version:\n", ": schema_version not supported (expected 1.0.0 or 1.1.0, got none)"),
        (
            "schema_version: [1.0.0]\n",
            ": schema_version not supported (expected 1.0.0 or 1.1.0, got none)",
        ),
        ('schema_version: "1.1.0"\ninclude_paths: [a]\n', ": output_root is missing"),
        (HEAD, ": include_paths is missing"),
        (f"{HEAD}include_paths: [a]\nincludes: [b]\n", ":4: unknown key 'includes'"),
        (f"{HEAD}include_paths: [a]\n? [x]\n: b\n", ":4: unknown key"),
        (
            "schema_version: 1.0.0\noutput_root: x\ninclude_paths: [a]\nblock_files: [a]\n",
            ":4: unknown key",
        ),
        (
            "schema_version: 1.0.0\noutput_root: x\ninclude_paths: [a]\nprofile_files: []\n",
            ":4: unknown key",
        ),
        (f"{HEAD}include_paths: a\n", ":3: include_paths: expected a list"),
        (f"{HEAD}include_paths:\n  a: b\n", ":4: include_paths: expected a list"),
        (f"{HEAD}include_paths: [a]\nexclude_globs: x\n", ":4: exclude_globs: expected a list"),
        (f"{HEAD}include_paths:\n  - a\n  -\n", ":5: include_paths: an empty item"),
        (f"{HEAD}include_paths:\n  - a\n  - ''\n", ":5: include_paths: an empty item"),
        (f"{HEAD}include_paths:\n  - a\n  - '  '\n", ":5: include_paths: an empty item"),
        (f"{HEAD}include_paths:\n  - a\n  - [b]\n", ":5: include_paths: an empty item"),
        (f"{HEAD}include_paths: [a]\nseed_files:\n  -\n", ":5: seed_files: an empty item"),
        (f"{HEAD}include_paths: [a]\nexclude_globs: ['']\n", ":4: exclude_globs: an empty item"),
        (f"{HEAD}include_paths: [a]\nseed_files: [b]\n", ":4: b: expected <source> => <destination>"),
        (f"{HEAD}include_paths: [a]\nseed_files: ['=> b']\n", ":4: => b: expected <source> =>"),
        (f"{HEAD}include_paths: [a]\nseed_files: ['a =>']\n", ":4: a =>: expected <source> =>"),
        (f"{HEAD}include_paths: [a]\nseed_files: ['a -> b']\n", ":4: a -> b: expected <source> =>"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_with_its_line(text: str, finding: str) -> None:
    (line,) = refusal(text)[:1]
    assert line.startswith(f"framework.runtime.manifest.yaml{finding}")


BAD_PATHS = [
    ("../a", "'..' is not allowed"),
    ("a/../../b", "'..' is not allowed"),
    ("./a", "'.' is not allowed"),
    ("/a", "an absolute path"),
    ("C:/a", "a drive letter"),
    ("c:a", "a drive letter"),
    ("a/NUL.txt", "is a reserved name on Windows"),
    ("com1", "is a reserved name on Windows"),
    (".git/config", "belongs to git"),
    ("a\\b", "is not allowed in a path"),
]


@pytest.mark.parametrize(("path", "said"), BAD_PATHS)
@pytest.mark.parametrize(
    "template",
    [
        "include_paths:\n  - '{}'\n",
        "include_paths: [a]\nexclude_paths:\n  - '{}'\n",
        "include_paths: [a]\nblock_files: ['{}']\n",
        "include_paths: [a]\nprofile_files: ['{}']\n",
        "include_paths: [a]\nseed_files:\n  - '{} => b'\n",
        "include_paths: [a]\nseed_files:\n  - 'b => {}'\n",
    ],
)
def test_a_path_that_leaves_the_repository_is_refused_in_every_list(
    template: str, path: str, said: str
) -> None:
    (finding,) = refusal(HEAD + template.format(path))
    assert finding.startswith("framework.runtime.manifest.yaml:")
    assert finding.split(":")[1].isdigit()
    assert said in finding


@pytest.mark.parametrize(
    "value", ["..", "/tmp/x", "C:/x", ".", "''", "a/../..", "[a]", "{a: b}", "[]", ".git"]
)
def test_the_output_lies_strictly_inside_the_repository(value: str) -> None:
    (finding,) = refusal(f'schema_version: "1.1.0"\noutput_root: {value}\ninclude_paths: [a]\n')
    assert finding.startswith("framework.runtime.manifest.yaml:2: ")


def test_all_findings_are_told_at_once() -> None:
    text = f"{HEAD}include_paths:\n  - ../a\n  -\nother: 1\nseed_files: [x]\n"
    assert [line.split(":")[1] for line in refusal(text)] == ["6", "5", "7", "4"]


def test_a_directory_means_every_file_below_it_dot_files_too() -> None:
    assert shipped(include_paths=["docs", ".github/"]) == [
        ".github/workflows/ci.yml",
        "docs/.dot/deep.md",
        "docs/a.md",
        "docs/B.md",
        "docs/sub/c.md",
        "docs/sub/c.pyc",
    ]


def test_a_file_means_itself_and_not_what_begins_like_it() -> None:
    assert shipped(["AGENTS.md", "AGENTS.md.bak"], include_paths=["AGENTS.md"]) == ["AGENTS.md"]


def test_what_is_included_twice_ships_once() -> None:
    assert shipped(include_paths=["docs/a.md", "docs/sub", "docs/sub/c.md", "docs/a.md"]) == [
        "docs/a.md",
        "docs/sub/c.md",
        "docs/sub/c.pyc",
    ]


def test_files_come_sorted_by_lower_cased_path() -> None:
    assert shipped(["b", "C", "A", "a-b", "B2"], include_paths=["b", "C", "A", "a-b", "B2"]) == [
        "A",
        "a-b",
        "b",
        "B2",
        "C",
    ]


def select(**values: Any) -> list[tuple[str, str, str]]:
    return rows_of(manifest.select(make(**values), LISTING))


def rows_of(selected: list[Selected]) -> list[tuple[str, str, str]]:
    return [(row.source, row.destination, row.ownership) for row in selected]


def test_a_seed_comes_from_its_source() -> None:
    rows = select(include_paths=[], seed_files=["seeds/memory.md => MEMORY.md"])
    assert rows == [("seeds/memory.md", "MEMORY.md", "seed")]


@pytest.mark.parametrize("text", ["a=>b", "a => b", "a   =>   b", "a=> b"])
def test_spaces_around_the_arrow_do_not_matter(text: str) -> None:
    rows = manifest.select(make(include_paths=[], seed_files=[text]), ["a"])
    assert rows_of(rows) == [("a", "b", "seed")]


def test_a_seed_replaces_an_include_on_the_same_destination() -> None:
    rows = select(include_paths=["README.md"], seed_files=["seeds/memory.md => README.md"])
    assert rows == [("seeds/memory.md", "README.md", "seed")]


def test_of_two_seeds_on_one_destination_the_last_wins() -> None:
    rows = select(include_paths=[], seed_files=["seeds/memory.md => M.md", "README.md => M.md"])
    assert rows == [("README.md", "M.md", "seed")]


@pytest.mark.parametrize(
    ("values", "finding"),
    [
        ({"include_paths": ["AGENTS.md", "nothing"]}, r"yaml:\d+: nothing: no such file or directory"),
        ({"include_paths": ["agents.md"]}, r"yaml:\d+: agents.md: no such file or directory"),
        ({"include_paths": ["doc"]}, r"yaml:\d+: doc: no such file or directory"),
        ({"seed_files": ["nothing => x"]}, r"yaml:\d+: nothing: no such file"),
        ({"seed_files": ["docs => x"]}, r"yaml:\d+: docs: no such file"),
        ({"seed_files": ["nothing => x", "README.md => x"]}, r"yaml:\d+: nothing: no such file"),
        ({"block_files": ["AGENT.md"]}, r"yaml:\d+: AGENT.md: given a class, but not selected"),
        ({"profile_files": ["docs/a.md/"]}, r"yaml:\d+: docs/a.md/: given a class, but not selected"),
        (
            {"block_files": ["AGENTS.md"], "exclude_globs": ["AGENTS.*"]},
            r"yaml:\d+: AGENTS.md: given a class, but not selected",
        ),
        ({"seed_files": ["README.md => agents.md"]}, "equal to AGENTS.md but for case"),
        ({"seed_files": ["README.md => AGENTS.md/x"]}, "lies under AGENTS.md, which is a file"),
    ],
)
def test_a_selection_that_cannot_be_made_is_refused(values: dict[str, Any], finding: str) -> None:
    with pytest.raises(ManifestError, match=finding) as caught:
        select(**values)
    assert caught.value.paths == ("framework.runtime.manifest.yaml",)


@pytest.mark.parametrize(
    ("listing", "said"),
    [
        (["docs/a.md", "docs/A.md"], "but for case or Unicode form"),
        (["docs/\u00e9", "docs/e\u0301"], "but for case or Unicode form"),
        (["docs/aux.md"], "is a reserved name on Windows"),
        (["docs/a\nb"], "is not allowed in a path"),
        (["docs/sub/.git/config"], "belongs to git"),
    ],
)
def test_a_file_that_cannot_stand_on_every_system_does_not_ship(listing: list[str], said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        manifest.select(make(include_paths=["docs"]), listing)


def test_a_name_with_a_colon_does_not_hide_the_line() -> None:
    with pytest.raises(ManifestError) as caught:
        manifest.select(make(include_paths=["docs"]), ["docs/a: b", "docs/A: b"])
    assert [line.split(" ")[0] for line in caught.value.message.splitlines()] == [
        "framework.runtime.manifest.yaml:2:"
    ] * 3


def test_every_missing_file_is_told_at_once() -> None:
    with pytest.raises(ManifestError) as caught:
        select(include_paths=["one", "two"], seed_files=["three => x"])
    assert len(caught.value.message.splitlines()) == 3


@pytest.mark.parametrize(
    ("excluded", "kept"),
    [
        ("docs", ["docs2/d.md"]),
        ("docs/", ["docs2/d.md"]),
        ("DOCS", ["docs2/d.md"]),
        ("docs/SUB", ["docs/.dot/deep.md", "docs/a.md", "docs/B.md", "docs2/d.md"]),
        (
            "docs/b.MD",
            ["docs/.dot/deep.md", "docs/a.md", "docs/sub/c.md", "docs/sub/c.pyc", "docs2/d.md"],
        ),
        ("docs2", ["docs/.dot/deep.md", "docs/a.md", "docs/B.md", "docs/sub/c.md", "docs/sub/c.pyc"]),
    ],
)
def test_an_excluded_path_drops_itself_and_what_lies_under_it(excluded: str, kept: list[str]) -> None:
    assert shipped(include_paths=["docs", "docs2"], exclude_paths=[excluded]) == kept


def test_an_exclusion_looks_at_the_destination_of_a_seed() -> None:
    seeds = ["README.md => out/x", "seeds/memory.md => in/x"]
    rows = select(include_paths=[], seed_files=seeds, exclude_paths=["out", "seeds"])
    assert rows == [("seeds/memory.md", "in/x", "seed")]


def test_what_is_excluded_need_not_stand_on_every_system() -> None:
    assert shipped(
        ["docs/a.md", "docs/A.md", "b"], include_paths=["docs", "b"], exclude_paths=["docs"]
    ) == ["b"]


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("*.pyc", "a.pyc", True),
        ("*.pyc", "a.PYC", True),
        ("*.pyc", "d/a.pyc", False),
        ("*.pyc", "a.pyc.bak", False),
        ("*.pyc", ".pyc", True),
        ("A*", "abc", True),
        ("**/*.pyc", "a.pyc", True),
        ("**/*.pyc", "d/a.pyc", True),
        ("**/*.pyc", "d/e/a.pyc", True),
        ("**/x", "x", True),
        ("**/x", "a/b/x", True),
        ("**/x", "ax", False),
        ("**/x", "x/a", False),
        ("**/__pycache__/**", "__pycache__/a", True),
        ("**/__pycache__/**", "d/__pycache__/e/a", True),
        ("**/__pycache__/**", "d/__pycache__", False),
        ("**", "a/b", True),
        ("**", ".dot", True),
        ("docs/**", "docs/a/b", True),
        ("docs/**", "docs", False),
        ("docs/**", "x/docs/a", False),
        ("docs/**/x", "docs/a/x", True),
        ("docs/**/x", "docs/a/b/x", True),
        ("docs/**/x", "docs/x", False),
        ("docs/*", "docs/a", True),
        ("docs/*", "docs/a/b", False),
        ("docs/*/c", "docs/a/c", True),
        ("a**b", "a/x/b", True),
        ("a**b", "ab", True),
        ("***", "a/b", True),
        ("?.md", "a.md", True),
        ("?.md", "日.md", True),
        ("?.md", ".md", False),
        ("?.md", "ab.md", False),
        ("a?b", "a/b", False),
        ("a.md", "axmd", False),
        ("[ab].md", "a.md", False),
        ("[ab].md", "[AB].md", True),
        ("a+(b)", "a+(b)", True),
        ("{a,b}", "a", False),
        ("^a$", "a", False),
        ("日本*", "日本語", True),
        ("*", "a\nb", True),
    ],
)
def test_a_glob_matches_what_the_format_says(glob: str, path: str, matches: bool) -> None:
    assert bool(manifest.compile_glob(glob).fullmatch(path)) is matches


def test_excluded_globs_drop_files() -> None:
    kept = shipped(include_paths=["docs"], exclude_globs=["**/*.PYC", "docs/?.md"])
    assert kept == ["docs/.dot/deep.md", "docs/sub/c.md"]


def test_every_file_has_the_class_that_the_manifest_gives_it() -> None:
    rows = select(
        include_paths=["AGENTS.md", "project.profile.yaml", "docs/a.md"],
        seed_files=["seeds/memory.md => MEMORY.md"],
        block_files=["AGENTS.md"],
        profile_files=["project.profile.yaml"],
    )
    assert {destination: ownership for _, destination, ownership in rows} == {
        "AGENTS.md": "block",
        "MEMORY.md": "seed",
        "docs/a.md": "managed",
        "project.profile.yaml": "profile",
    }


def test_schema_1_0_0_knows_the_profile_by_its_name() -> None:
    read = make(
        "1.0.0",
        include_paths=["AGENTS.md", "project.profile.yaml", "docs/a.md"],
        seed_files=["seeds/memory.md => MEMORY.md"],
    )
    assert rows_of(manifest.select(read, LISTING)) == [
        ("AGENTS.md", "AGENTS.md", "managed"),
        ("docs/a.md", "docs/a.md", "managed"),
        ("seeds/memory.md", "MEMORY.md", "seed"),
        ("project.profile.yaml", "project.profile.yaml", "profile"),
    ]


def test_a_seed_is_a_profile_where_schema_1_0_0_puts_it_at_the_name_of_one() -> None:
    read = make("1.0.0", include_paths=[], seed_files=["seeds/memory.md => project.profile.yaml"])
    assert rows_of(manifest.select(read, LISTING)) == [
        ("seeds/memory.md", "project.profile.yaml", "profile")
    ]


def test_schema_1_1_0_gives_no_file_a_class_that_it_does_not_name() -> None:
    assert make(include_paths=["project.profile.yaml"]).classes() == {}


def test_the_source_of_every_seed_is_told() -> None:
    assert make(seed_files=["a => b", "c=>d"]).seed_sources() == ["a", "c"]


def test_every_file_knows_the_line_that_selects_it() -> None:
    text = (
        f"{HEAD}include_paths:\n  - docs/a.md\n  - docs\n  - README.md\n"
        "seed_files:\n  - seeds/memory.md => README.md\n"
    )
    rows = manifest.select(
        manifest.load(text), ["README.md", "docs/a.md", "docs/b.md", "seeds/memory.md"]
    )
    assert {row.destination: row.line for row in rows} == {
        "docs/a.md": 5,
        "docs/b.md": 5,
        "README.md": 8,
    }


LINED = f"""{HEAD}include_paths:
  - docs
  - README.md
seed_files:
  - seeds/memory.md => MEMORY.md
"""


@pytest.mark.parametrize(
    ("listing", "finding"),
    [
        (["README.md", "seeds/memory.md"], "4: docs: no such file or directory"),
        (["docs/a", "seeds/memory.md"], "5: README.md: no such file or directory"),
        (["docs/a", "README.md"], "7: seeds/memory.md: no such file"),
        (
            ["docs/a", "docs/A", "README.md", "seeds/memory.md"],
            "4: docs/a: equal to docs/A but for case or Unicode form",
        ),
        (
            ["docs/a/b", "docs/A", "README.md", "seeds/memory.md"],
            "4: docs/a/b: lies under docs/A, which is a file",
        ),
        (
            ["docs/x/../b", "README.md", "seeds/memory.md"],
            "4: docs/x/../b: '..' is not allowed as a path component",
        ),
        (
            ["docs/sub/nul", "README.md", "seeds/memory.md"],
            "4: docs/sub/nul: 'nul' is a reserved name on Windows",
        ),
        (
            ["docs/\udcff", "README.md", "seeds/memory.md"],
            "4: docs/\\udcff: not valid Unicode",
        ),
    ],
)
def test_what_cannot_be_selected_is_told_with_the_line_of_the_manifest(
    listing: list[str], finding: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        manifest.select(manifest.load(LINED), listing)
    assert caught.value.message == f"framework.runtime.manifest.yaml:{finding}"


def test_a_seed_that_collides_is_told_with_its_own_line() -> None:
    text = LINED.replace("MEMORY.md", "readme.MD")
    with pytest.raises(ManifestError) as caught:
        manifest.select(manifest.load(text), ["docs/a", "README.md", "seeds/memory.md"])
    (line,) = caught.value.message.splitlines()
    assert line.startswith("framework.runtime.manifest.yaml:7: readme.MD: equal to README.md")


def test_a_key_that_stands_twice_does_not_drop_what_the_first_one_lists() -> None:
    text = f"{HEAD}include_paths: [a]\nseed_files: [b => c]\ninclude_paths: [d]\n"
    assert refusal(text) == ["framework.runtime.manifest.yaml:5: include_paths stands twice"]


@pytest.mark.parametrize(
    ("path", "is_selected"),
    [
        ("docs/out", True),
        ("docs", True),
        ("docs/old/out", False),
        ("documents/out", False),
        ("dist/runtime", False),
        ("README.md", True),
    ],
)
def test_a_place_that_would_ship_is_known_before_it_is_filled(path: str, is_selected: bool) -> None:
    read = make(include_paths=["docs/", "README.md"], exclude_paths=["docs/old"])
    assert read.would_select(path) is is_selected


class TestTheManifestOfABundle:
    """What travels with the files selects them again, so that an export of an export is that export."""

    SAME = f"""# ours
{HEAD}include_paths:
  - docs
  - project.profile.yaml
seed_files:
  - docs/seed.md => docs/seed.md
block_files:
  - docs/block.md
profile_files: [project.profile.yaml]
exclude_globs:
  - '**/*.tmp'
"""
    FILES = ["docs/a", "docs/block.md", "docs/seed.md", "docs/x.tmp", "project.profile.yaml"]

    def of(self, text: str, files: list[str]) -> tuple[str, list[Selected]]:
        selected = manifest.select(manifest.load(text), files)
        return manifest.of_bundle(text, selected), selected

    def test_it_is_the_very_text_where_that_selects_the_same(self) -> None:
        assert self.of(self.SAME, self.FILES)[0] == self.SAME

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("docs/seed.md => docs/seed.md", "seeds/it's => docs/seed.md"),
            ("docs/seed.md => docs/seed.md", "seeds/it's => x.tmp"),
            ("  - project.profile.yaml\n", "  - project.profile.yaml\n  - scratch.tmp\n"),
        ],
    )
    def test_it_selects_the_same_files_with_the_same_classes(self, old: str, new: str) -> None:
        text = self.SAME.replace(old, new)
        made, selected = self.of(text, [*self.FILES, "seeds/it's", "scratch.tmp"])
        again = manifest.select(manifest.load(made), [row.destination for row in selected])
        assert [row[1:3] for row in again] == [row[1:3] for row in selected]
        assert self.of(made, [row.destination for row in selected])[0] == made

    def test_it_is_written_down_where_a_seed_has_another_name_in_the_repository(self) -> None:
        text = self.SAME.replace("docs/seed.md => docs/seed.md", "seeds/it's => docs/it's.md")
        assert self.of(text, [*self.FILES, "seeds/it's"])[0] == (
            "# What this bundle holds; written by the export.\n"
            'schema_version: "1.1.0"\n'
            "output_root: 'dist/runtime'\n"
            "include_paths:\n"
            "  - 'docs'\n"
            "  - 'project.profile.yaml'\n"
            "seed_files:\n"
            "  - 'docs/it''s.md => docs/it''s.md'\n"
            "block_files:\n"
            "  - 'docs/block.md'\n"
            "profile_files:\n"
            "  - 'project.profile.yaml'\n"
        )

    def test_schema_1_0_0_keeps_its_profile(self) -> None:
        text = (
            "schema_version: 1.0.0\noutput_root: out\ninclude_paths: [project.profile.yaml]\n"
            "seed_files: ['s => MEMORY.md']\n"
        )
        made, _ = self.of(text, ["project.profile.yaml", "s"])
        assert manifest.load(made).classes() == {
            "MEMORY.md": "seed",
            "project.profile.yaml": "profile",
        }

    def test_nothing_selected_is_a_manifest_that_still_loads(self) -> None:
        text = f"{HEAD}include_paths: [a]\nexclude_paths: [a]\n"
        made, _ = self.of(text, ["a"])
        assert manifest.load(made).include_paths == ()
