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
    assert read.ownership("AGENTS.md") == "block"


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


def select(**values: Any) -> list[Selected]:
    return manifest.select(make(**values), LISTING)


def test_a_seed_comes_from_its_source() -> None:
    rows = select(include_paths=[], seed_files=["seeds/memory.md => MEMORY.md"])
    assert rows == [("seeds/memory.md", "MEMORY.md", "seed")]


@pytest.mark.parametrize("text", ["a=>b", "a => b", "a   =>   b", "a=> b"])
def test_spaces_around_the_arrow_do_not_matter(text: str) -> None:
    rows = manifest.select(make(include_paths=[], seed_files=[text]), ["a"])
    assert rows == [("a", "b", "seed")]


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
    assert {row.destination: row.ownership for row in rows} == {
        "AGENTS.md": "block",
        "MEMORY.md": "seed",
        "docs/a.md": "managed",
        "project.profile.yaml": "profile",
    }
